//! The outcome of a run for people.

use std::fmt::Write as _;
use std::io;

use super::{Run, Tried, share};
use crate::command::explain::draw::{BAD, DIM, GOOD, tree};
use crate::command::rules::line_of;
use crate::command::{count, say};
use crate::engine::trial::{Part, TestOutcome, Verdict};
use crate::rule::{Rule, RuleTest, Written};
use crate::untrusted::Untrusted;

pub fn print(run: &Run<'_>, out: &mut impl io::Write) -> io::Result<()> {
    for tried in &run.rules {
        tests(tried, out)?;
    }
    let failed = run.failed();
    let style = if failed == 0 { GOOD } else { BAD };
    let (tests, rules) = (count(run.tests() as u64, "test"), count(run.rules.len() as u64, "rule"));
    writeln!(out, "------------")?;
    writeln!(
        out,
        "{style} Summary{style:#} [{:>6.3}s] {tests} of {rules}: {} passed, {failed} failed",
        run.took.as_secs_f64(),
        run.tests() - failed,
    )?;
    if run.coverage {
        coverage(run, out)?;
    }
    if run.mutate {
        mutations(run, out)?;
    }
    Ok(())
}

fn tests(tried: &Tried<'_>, out: &mut impl io::Write) -> io::Result<()> {
    let rule = tried.rule;
    if rule.tests.is_empty() {
        say("note", &format!("rule `{}` has no tests", rule.id));
    }
    let each_ms = tried.each.as_secs_f64() * 1_000.0;
    for (test, outcome) in &tried.tests {
        let (word, style) = if outcome.passed { ("PASS", GOOD) } else { ("FAIL", BAD) };
        let name = Untrusted(&test.name);
        writeln!(out, "{style}{word:>8}{style:#} [{each_ms:>6.2}ms] {}{DIM}::{DIM:#}{name}", rule.id)?;
        if !outcome.passed {
            write!(out, "{}", failure(rule, test, outcome))?;
        }
    }
    Ok(())
}

fn failure(rule: &Rule, test: &RuleTest, outcome: &TestOutcome) -> String {
    let line = line_of(&rule.source, test.offset..test.offset);
    let verdict = Verdict { rule, explanation: outcome.explanation.clone() };
    let mut text = String::new();
    let (file, sentence) = (Untrusted(&rule.source.name), super::sentence(test, outcome, &verdict));
    let _ = writeln!(text, "           {file}:{line}: {}", Untrusted(&sentence));
    tree(&verdict, 6, &mut text);
    text
}

fn coverage(run: &Run<'_>, out: &mut impl io::Write) -> io::Result<()> {
    let width = run.rules.iter().map(|tried| tried.rule.id.len()).max().unwrap_or(0).max("rule".len());
    writeln!(out, "\n{:<width$}  {:>8}  {:>9}", "rule", "coverage", "outcomes")?;
    for tried in &run.rules {
        let (reached, outcomes) = (tried.coverage.reached(), tried.coverage.outcomes);
        let (percent, of) = (share(reached, outcomes), format!("{reached}/{outcomes}"));
        writeln!(out, "{:<width$}  {percent:>7.1}%  {of:>9}", tried.rule.id)?;
        for gap in &tried.coverage.gaps {
            let never = if gap.never_holds { "holds" } else { "fails" };
            writeln!(out, "  {BAD}never {never}{BAD:#} {}", placed(&gap.part, &gap.part.to_string()))?;
        }
    }
    writeln!(out, "{:<width$}  {:>7.1}%", "in all", run.percent())
}

fn mutations(run: &Run<'_>, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out)?;
    let (mut granted, mut unnoticed) = (0, 0);
    for (_, survivor) in run.survivors() {
        let placed = placed(&survivor.mutant.part, &survivor.mutant.to_string());
        match &survivor.reason {
            Some(reason) => {
                granted += 1;
                writeln!(out, "{DIM}granted{DIM:#}  {placed} {DIM}({}){DIM:#}", Untrusted(reason))?;
            }
            None => {
                unnoticed += 1;
                writeln!(out, "{BAD}survived{BAD:#} {placed}")?;
            }
        }
    }
    let tried: usize = run.rules.iter().map(|tried| tried.mutants).sum();
    let noticed = tried - granted - unnoticed;
    let style = if unnoticed == 0 { GOOD } else { BAD };
    write!(out, "{style}{}{style:#}: {noticed} noticed, {unnoticed} survived", count(tried as u64, "mutation"))?;
    if granted > 0 {
        write!(out, ", {granted} by leave")?;
    }
    writeln!(out)
}

/// What is said of a part, behind its place.
fn placed(part: &Part<'_>, what: &str) -> String {
    match part.place() {
        Some(Written { source, span }) => {
            format!("{}:{}: {}", Untrusted(&source.name), line_of(&source, span), Untrusted(what))
        }
        None => format!("{}: {}", Untrusted(&part.rule.source.name), Untrusted(what)),
    }
}
