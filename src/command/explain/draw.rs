//! Verdicts for people: trees of what held, what did not and what was seen; and the nearest miss in a sentence.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::condition::explain::Seen;
use crate::condition::{Explanation, Line, Miss, nearness};
use crate::engine::trial::Verdict;
use crate::rule::{Diagnostic, Exception, Rule, Written};
use crate::untrusted::{Untrusted, shortened};

pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

/// The longest value that is shown, in characters.
const VALUE_WIDTH_MAX: usize = 80;
/// How many misses the sentence on one rule names.
const MISSES_SHOWN_MAX: usize = 3;

/// Draws a verdict: a line that sums it up, and the tree.
pub fn verdict(verdict: &Verdict<'_>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let sentence = sentence(verdict);
    let _ = writeln!(text, "{indent}{} {}: {}", mark(verdict.matched()), verdict.rule.id, Untrusted(&sentence));
    tree(verdict, depth + 1, text);
}

/// Draws what a rule's lines and exceptions came to.
pub fn tree(verdict: &Verdict<'_>, depth: usize, text: &mut String) {
    let (wanted, excepted) = verdict.rule.parted(&verdict.explanation);
    match wanted[..] {
        [Explanation::All(_, parts)] => parts.iter().for_each(|one| part(one, depth, text)),
        _ => wanted.into_iter().for_each(|one| part(one, depth, text)),
    }
    for (exception, negated) in verdict.rule.exceptions.iter().zip(excepted) {
        let holds = negated.holds();
        let word = if holds { "not excepted by" } else { "excepted by" };
        let (indent, named) = ("  ".repeat(depth), named(exception, verdict.rule));
        let _ = writeln!(text, "{indent}{} {word} {}", mark(holds), Untrusted(&named));
        match negated {
            Explanation::Not(_, inner) => inside(inner, depth + 1, text),
            other => part(&Explanation::Not(!other.holds(), Box::new(other.clone())), depth + 1, text),
        }
    }
}

/// One line for each rule, the nearest first.
pub fn overview(verdicts: &[Verdict<'_>], more: usize, text: &mut String) {
    let width = verdicts.iter().map(|verdict| verdict.rule.id.len()).max().unwrap_or(0);
    for verdict in verdicts {
        let sentence = sentence_of(verdict, 1);
        let _ = writeln!(text, "  {} {:<width$}  {}", mark(verdict.matched()), verdict.rule.id, Untrusted(&sentence));
    }
    if more > 0 {
        let _ = writeln!(text, "  {DIM}… {more} more (--all shows them){DIM:#}");
    }
}

/// How it went in a sentence: `7 of 8 lines hold; …fixedRate was 0.05, wanted at most 0`.
pub fn sentence(verdict: &Verdict<'_>) -> String {
    sentence_of(verdict, MISSES_SHOWN_MAX)
}

fn sentence_of(verdict: &Verdict<'_>, misses_max: usize) -> String {
    let nearness = verdict.nearness();
    if verdict.matched() {
        return format!("match, {} of {} lines hold", nearness.holding, nearness.lines);
    }
    let mut text = format!("{} of {} lines hold", nearness.holding, nearness.lines);
    for exception in verdict.excepted_by() {
        let _ = write!(text, "; excepted by {}", named(exception, verdict.rule));
    }
    for miss in nearness.misses.iter().take(misses_max) {
        let _ = write!(text, "; {}", missed(miss));
    }
    let more = nearness.misses.len().saturating_sub(misses_max);
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

fn missed(miss: &Miss<'_>) -> String {
    match miss {
        Miss::Line(line, [Seen::Element(_, inner), ..]) if !line.negated => {
            format!("`{}`: {}", line.field(), missed_inside(inner))
        }
        Miss::Line(line, [Seen::NoDocument(_, why), ..]) => format!("`{}` is no document: {why}", line.field()),
        Miss::Line(line, []) => format!("`{}` is missing, wanted {}", line.field(), line.wanted()),
        Miss::Line(line, seen @ [Seen::Note(_), ..]) => format!("`{}`: {}", line.field(), values(seen)),
        Miss::Line(line, seen) => format!("`{}` was {}, wanted {}", line.field(), values(seen), line.wanted()),
        Miss::Excluded(_) => "something held that must not".to_owned(),
        Miss::Apart => "no element of an array has all of it".to_owned(),
        Miss::Nothing => "none of the alternatives held".to_owned(),
    }
}

/// What the nearest element lacked.
fn missed_inside(explanation: &Explanation) -> String {
    let nearness = nearness([explanation]);
    let misses: Vec<String> = nearness.misses.iter().take(MISSES_SHOWN_MAX).map(missed).collect();
    format!("the nearest has {} of {} lines; {}", nearness.holding, nearness.lines, misses.join("; "))
}

/// An exception by its name, with what is noted about it, and its file if that is not the rule's.
fn named(exception: &Exception, rule: &Rule) -> String {
    let mut notes = Vec::new();
    notes.extend(exception.reason.clone());
    notes.extend(exception.owner.as_ref().map(|owner| format!("owner: {owner}")));
    notes.extend(exception.expires.map(|day| format!("until {day}")));
    let Written { source, span } = &exception.written;
    if *source != rule.source {
        let (line, _) = Diagnostic::new(source, span.clone(), "").position();
        notes.push(format!("{}:{line}", source.name));
    }
    let name = format!("\"{}\"", exception.name);
    if notes.is_empty() { name } else { format!("{name} ({})", notes.join(", ")) }
}

fn mark(holds: bool) -> String {
    let (style, mark) = if holds { (GOOD, "✓") } else { (BAD, "✗") };
    format!("{style}{mark}{style:#}")
}

/// A part with its mark, and what is in it.
fn part(explanation: &Explanation, depth: usize, text: &mut String) {
    let (indent, mark) = ("  ".repeat(depth), mark(explanation.holds()));
    if let Some(line) = Line::of(explanation) {
        let (line, saw) = (line.to_string(), saw(explanation.seen()));
        let _ = writeln!(text, "{indent}{mark} {} {DIM}{}{DIM:#}", Untrusted(&line), Untrusted(&saw));
        // Several tables of one line may have come to different elements.
        for inner in explanation.lines_inside() {
            inside(inner, depth + 1, text);
        }
        return;
    }
    let word = match explanation {
        Explanation::All(..) => "all of",
        Explanation::Together(..) => "all of, in one element of each array",
        Explanation::Any(..) => "any of",
        _ => "none of",
    };
    let _ = writeln!(text, "{indent}{mark} {word}");
    match explanation {
        Explanation::Not(_, inner) | Explanation::Together(_, inner) => inside(inner, depth + 1, text),
        Explanation::All(_, parts) | Explanation::Any(_, parts) => {
            parts.iter().for_each(|one| part(one, depth + 1, text));
        }
        Explanation::Is(..) => {}
    }
}

/// The lines of a block, without a headline of their own.
fn inside(explanation: &Explanation, depth: usize, text: &mut String) {
    match explanation {
        Explanation::All(_, parts) => parts.iter().for_each(|one| part(one, depth, text)),
        other => part(other, depth, text),
    }
}

fn saw(seen: &[Seen]) -> String {
    match seen {
        [] => "(the field is missing)".to_owned(),
        [Seen::Note(_), ..] => format!("({})", values(seen)),
        _ => format!("(saw {})", values(seen)),
    }
}

fn values(seen: &[Seen]) -> String {
    seen.iter().map(value).collect::<Vec<_>>().join(", ")
}

/// A value; strings in quotes, so that `"true"` is not `true`.
fn value(seen: &Seen) -> String {
    match seen {
        Seen::String(text) => format!("\"{}\"", shortened(text, VALUE_WIDTH_MAX)),
        // A note is ours, and bounded.
        Seen::Note(note) => note.clone(),
        Seen::NoDocument(text, why) => format!("\"{}\": {why}", shortened(text, VALUE_WIDTH_MAX)),
        other => shortened(&other.to_string(), VALUE_WIDTH_MAX),
    }
}
