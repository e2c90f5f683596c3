//! `trailwatch rules test`: the tests that rules carry; and whether those tests are worth something.

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use regex::Regex;

use super::Paths;
use crate::command::explain::draw;
use crate::command::{Exit, complain, say};
use crate::engine::trial::coverage::{Coverage, coverage};
use crate::engine::trial::mutation::{Mutant, mutants};
use crate::engine::trial::{TestOutcome, Verdict, run_tests};
use crate::rule::{Rule, RuleTest, Written};

mod human;
mod json;
mod junit;
mod watch;

#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    paths: Paths,
    /// Runs only tests in whose `RULE::NAME` the regular expression fits. Coverage and mutations are still told of all
    /// tests of the rules that are left.
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// How the outcome is written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
    /// Says which lines, values, alternatives and exceptions no test makes hold, or fail.
    #[arg(long)]
    coverage: bool,
    /// Ends with exit code 1 if the tests reach less; says the coverage too.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_min: Option<f64>,
    /// Takes out or turns round each part of each rule, and says which of these changes no test notices. Ends with
    /// exit code 1 if there is one; a comment `# survives: REASON` on its line gives leave.
    #[arg(long)]
    mutate: bool,
    /// Tests again whenever a file below the paths changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs: one JSON object.
    Json,
    /// For CI servers: JUnit's XML.
    Junit,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a number from 0 to 100 is wanted".to_owned()),
    }
}

/// Everything that a run found out.
struct Run<'r> {
    rules: Vec<Tried<'r>>,
    took: Duration,
    /// Whether coverage and mutations are to be told.
    coverage: bool,
    mutate: bool,
}

/// What became of one rule.
struct Tried<'r> {
    rule: &'r Rule,
    /// Those tests that were asked for.
    tests: Vec<(&'r RuleTest, TestOutcome)>,
    /// How long each test took, on average.
    each: Duration,
    coverage: Coverage<'r>,
    /// How many changes were tried.
    mutants: usize,
    survivors: Vec<Survivor<'r>>,
}

/// A change that no test notices.
struct Survivor<'r> {
    mutant: Mutant<'r>,
    /// Why that is well, if the rule says so.
    reason: Option<String>,
}

impl Test {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.watch { watch::watch(&self.paths, || self.once()) } else { self.once() }
    }

    fn once(&self) -> anyhow::Result<Exit> {
        let &Self { ref paths, ref filter, format, coverage, coverage_min, mutate, watch: _ } = self;
        let loaded = paths.load();
        complain(&loaded);
        let started = Instant::now();
        let rules = loaded.rules.iter().filter_map(|rule| Tried::of(rule, filter.as_ref(), mutate)).collect();
        let coverage = coverage || coverage_min.is_some();
        let run = Run { rules, took: started.elapsed(), coverage, mutate };
        if let Some(filter) = filter.as_ref().filter(|_| run.rules.is_empty() && !loaded.rules.is_empty()) {
            say("warning", &format!("no test fits `{filter}`"));
        }
        let mut out = anstream::stdout();
        match format {
            Format::Human => human::print(&run, &mut out)?,
            Format::Json => writeln!(out, "{}", json::document(&run))?,
            Format::Junit => writeln!(out, "{}", junit::document(&run)?)?,
        }
        let covered = coverage_min.is_none_or(|least| run.percent() >= least);
        let unnoticed = mutate && run.survivors().any(|(_, survivor)| survivor.reason.is_none());
        let good = loaded.is_good() && run.failed() == 0 && covered && !unnoticed;
        Ok(if good { Exit::Done } else { Exit::Found })
    }
}

impl<'r> Run<'r> {
    fn tests(&self) -> usize {
        self.rules.iter().map(|tried| tried.tests.len()).sum()
    }

    fn failed(&self) -> usize {
        self.rules.iter().flat_map(|tried| &tried.tests).filter(|(_, outcome)| !outcome.passed).count()
    }

    /// The share of outcomes that some test leads to; all, where there are none.
    fn percent(&self) -> f64 {
        let sum = |of: fn(&Coverage<'_>) -> usize| self.rules.iter().map(|tried| of(&tried.coverage)).sum::<usize>();
        share(sum(|coverage| coverage.reached()), sum(|coverage| coverage.outcomes))
    }

    fn survivors(&self) -> impl Iterator<Item = (&Tried<'r>, &Survivor<'r>)> {
        self.rules.iter().flat_map(|tried| tried.survivors.iter().map(move |survivor| (tried, survivor)))
    }
}

/// What a test that failed came to, in a sentence.
fn sentence(test: &RuleTest, outcome: &TestOutcome, verdict: &Verdict<'_>) -> String {
    let word = |matched| if matched { "match" } else { "no match" };
    let (expected, got) = (word(test.matches), word(outcome.matched));
    if outcome.matched {
        format!("expected {expected}, got {got}")
    } else {
        format!("expected {expected}, got {got}: {}", draw::sentence(verdict))
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

impl<'r> Tried<'r> {
    /// Tries a rule; `None` if the filter leaves none of its tests.
    fn of(rule: &'r Rule, filter: Option<&Regex>, mutate: bool) -> Option<Self> {
        let started = Instant::now();
        let mut tests = run_tests(rule);
        let each = started.elapsed() / tests.len().max(1) as u32;
        let coverage = coverage(rule, &tests);
        let all = if mutate { mutants(rule) } else { Vec::new() };
        let mutants = all.len();
        let survivors = all.into_iter().filter(|mutant| mutant.survives(&tests)).map(Survivor::of).collect();
        if let Some(filter) = filter {
            tests.retain(|(test, _)| filter.is_match(&format!("{}::{}", rule.id, test.name)));
            if tests.is_empty() {
                return None;
            }
        }
        Some(Self { rule, tests, each, coverage, mutants, survivors })
    }
}

/// What a comment begins with that gives leave to a survivor.
const LEAVE: &str = "# survives:";

impl<'r> Survivor<'r> {
    fn of(mutant: Mutant<'r>) -> Self {
        let line = |written: Written| written.source.text.get(written.span.start..)?.lines().next().map(str::to_owned);
        let line = mutant.part.place().and_then(line);
        let reason =
            line.as_deref().and_then(|line| line.split_once(LEAVE)).map(|(_, reason)| reason.trim().to_owned());
        Self { reason: reason.filter(|reason| !reason.is_empty()), mutant }
    }
}
