//! `trailwatch rules`: list, check, test.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};

use super::{Exit, complain, count, say, tell_left_out};
use crate::condition::Explanation;
use crate::condition::explain::Seen;
use crate::config;
use crate::engine::RuleSet;
use crate::engine::trial::{TestOutcome, run_tests};
use crate::rule::{Diagnostic, Rule, RuleTest};
use crate::untrusted::{Untrusted, shortened};

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Lists rules with their severity and title.
    List(Paths),
    /// Reads rules and says everything that is wrong with them.
    Check(Paths),
    /// Runs the tests that rules carry.
    Test(Paths),
}

#[derive(Debug, Args)]
pub struct Paths {
    /// Rule files or folders; the shipped rules if none is given.
    paths: Vec<PathBuf>,
    /// The same, as the other commands take it.
    #[arg(long = "rules", value_name = "PATH")]
    more: Vec<PathBuf>,
}

impl Paths {
    fn all(self) -> Vec<PathBuf> {
        self.paths.into_iter().chain(self.more).collect()
    }
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

impl Rules {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(paths) => list(&paths.all()),
            Self::Check(paths) => check(&paths.all()),
            Self::Test(paths) => test(&paths.all()),
        }
    }
}

fn list(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let loaded = config::rules(paths);
    tell_left_out(&loaded);
    let mut rules: Vec<&Rule> = loaded.rules.iter().collect();
    rules.sort_by_key(|rule| (std::cmp::Reverse(rule.severity), &rule.id));
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut out = anstream::stdout();
    for rule in rules {
        let (severity, id) = (rule.severity.as_str(), &rule.id);
        writeln!(out, "{severity:<13} {id:<width$}  {DIM}{}{DIM:#}", Untrusted(&rule.title.unfilled()))?;
    }
    if !loaded.is_good() {
        complain(&loaded);
        return Ok(Exit::BadRules);
    }
    Ok(Exit::Done)
}

fn check(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let loaded = config::rules(paths);
    tell_left_out(&loaded);
    complain(&loaded);
    let rules = RuleSet::new(loaded.rules.clone());
    for rule in rules.unanchored() {
        let id = &rule.id;
        say("note", &format!("rule `{id}` is evaluated for every event (give it an `eventName` or an `eventSource`)"));
    }
    if !loaded.is_good() {
        return Ok(Exit::Found);
    }
    writeln!(anstream::stdout(), "{} without a problem", count(loaded.rules.len(), "rule"))?;
    Ok(Exit::Done)
}

fn test(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let loaded = config::rules(paths);
    complain(&loaded);
    let started = Instant::now();
    let (mut passed, mut failed) = (0u64, 0u64);
    let mut out = anstream::stdout();
    for rule in &loaded.rules {
        let one = Instant::now();
        let outcomes = run_tests(rule);
        let each = one.elapsed().as_secs_f64() * 1_000.0 / outcomes.len().max(1) as f64;
        if outcomes.is_empty() {
            say("note", &format!("rule `{}` has no tests", rule.id));
        }
        for (test, outcome) in outcomes {
            let (word, style) = if outcome.passed { ("PASS", GOOD) } else { ("FAIL", BAD) };
            let name = Untrusted(&test.name);
            writeln!(out, "{style}{word:>8}{style:#} [{each:>6.2}ms] {}{DIM}::{DIM:#}{name}", rule.id)?;
            if outcome.passed {
                passed += 1;
            } else {
                failed += 1;
                write!(out, "{}", failure(rule, test, &outcome))?;
            }
        }
    }
    let style = if failed == 0 { GOOD } else { BAD };
    let (tests, rules) = (count(passed + failed, "test"), count(loaded.rules.len(), "rule"));
    writeln!(out, "------------")?;
    writeln!(
        out,
        "{style} Summary{style:#} [{:>6.3}s] {tests} of {rules}: {passed} passed, {failed} failed",
        started.elapsed().as_secs_f64()
    )?;
    Ok(if failed == 0 && loaded.is_good() { Exit::Done } else { Exit::Found })
}

fn failure(rule: &Rule, test: &RuleTest, outcome: &TestOutcome) -> String {
    let (line, _) = Diagnostic::new(&rule.source, test.offset..test.offset, "").position();
    let word = |matched| if matched { "match" } else { "no match" };
    let mut text = String::new();
    let _ = writeln!(
        text,
        "           {}:{line}: expected {}, got {}",
        Untrusted(&rule.source.name),
        word(test.matches),
        word(outcome.matched)
    );
    draw(&outcome.explanation, 6, &mut text);
    text
}

/// Draws a condition as a tree: what held, what did not, and what was seen.
fn draw(explanation: &Explanation, depth: usize, text: &mut String) {
    let (style, mark) = if explanation.holds() { (GOOD, "✓") } else { (BAD, "✗") };
    let indent = "  ".repeat(depth);
    let mut group = |word: &str, inner: &[Explanation]| {
        let _ = writeln!(text, "{indent}{style}{mark}{style:#} {word}");
        inner.iter().for_each(|inner| draw(inner, depth + 1, text));
    };
    match explanation {
        Explanation::All(_, inner) => group("all of", inner),
        Explanation::Any(_, inner) => group("any of", inner),
        Explanation::Not(_, inner) => group("none of", std::slice::from_ref(inner)),
        Explanation::Is(_, predicate, seen) => {
            let predicate = predicate.to_string();
            let _ = writeln!(
                text,
                "{indent}{style}{mark}{style:#} {} {DIM}{}{DIM:#}",
                Untrusted(&predicate),
                Untrusted(&saw(seen))
            );
        }
    }
}

fn saw(seen: &[Seen]) -> String {
    match seen {
        [] => "(the field is missing)".to_owned(),
        seen => {
            let shown: Vec<String> = seen.iter().map(|seen| shortened(&seen.to_string(), 80)).collect();
            format!("(saw {})", shown.join(", "))
        }
    }
}
