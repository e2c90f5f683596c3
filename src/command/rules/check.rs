//! `trailwatch rules check`: what is wrong with rules, and what is odd about them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Paths;
use crate::command::{Exit, count, line, say, tell_left_out, today};
use crate::config::{self, Loaded};
use crate::engine::RuleSet;
use crate::rule::lint::Context;
use crate::rule::{self, Calls, Carrier, Diagnostic, LintCode};

mod github;
mod json;
mod sarif;

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    paths: Paths,
    /// Ends with exit code 1 also if something is odd.
    #[arg(long)]
    deny_warnings: bool,
    /// A file with names of calls beside those that are known: `[known-events]`, or `[all-events]` for services all of
    /// whose calls are listed.
    #[arg(long, value_name = "FILE")]
    known_events: Vec<PathBuf>,
    /// Says which rules never fire from this source, since it does not carry such events.
    #[arg(long, value_enum, value_name = "SOURCE")]
    source: Option<Source>,
    /// How complaints are written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
    /// For GitHub Actions: its workflow commands.
    Github,
    /// For code scanning: one document of SARIF 2.1.0.
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// A trail's log group.
    CloudwatchLogs,
    /// EventBridge.
    Eventbridge,
    /// A trail's bucket.
    S3,
}

impl Source {
    fn carrier(self) -> Carrier {
        match self {
            Self::CloudwatchLogs => Carrier::CloudwatchLogs,
            Self::Eventbridge => Carrier::Eventbridge,
            Self::S3 => Carrier::S3,
        }
    }
}

/// How much a complaint matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The rule cannot be used.
    Error,
    /// It can, and something is odd.
    Warning,
    /// Nothing is odd; worth knowing.
    Note,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something to be said about a rule.
struct Complaint {
    level: Level,
    /// The sort of thing: a lint's code, or one of those below.
    code: &'static str,
    diagnostic: Diagnostic,
}

/// The code of everything that keeps a rule from being used.
const BROKEN: &str = "broken-rule";
/// The code of rules that are evaluated for most events.
const NO_ANCHOR: &str = "no-anchor";

/// Every code that a complaint may bear.
fn codes() -> impl Iterator<Item = &'static str> {
    [BROKEN, NO_ANCHOR].into_iter().chain(LintCode::ALL.iter().map(|code| code.as_str()))
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Self { paths, deny_warnings, known_events, source, format } = self;
        let mut loaded = paths.load();
        tell_left_out(&loaded);
        let mut calls = Calls::default();
        for path in &known_events {
            match config::text(path) {
                Ok(text) => loaded.problems.extend(calls.read(path, text)),
                Err(error) => loaded.unreadable.push((path.clone(), error)),
            }
        }
        // Exceptions expire by the events' own time; here the question is whether one is of any more use.
        let context = Context { today: today(), calls: &calls, carrier: source.map(Source::carrier) };
        let complaints = complaints(&loaded, &context);
        for (path, error) in &loaded.unreadable {
            say("error", &format!("{}: {error}", path.display()));
        }
        let mut out = anstream::stdout();
        match format {
            Format::Human => human(&complaints, &loaded)?,
            Format::Json => complaints.iter().try_for_each(|one| writeln!(out, "{}", json::object(one)))?,
            Format::Github => complaints.iter().try_for_each(|one| writeln!(out, "{}", github::command(one)))?,
            Format::Sarif => writeln!(out, "{}", sarif::document(&complaints))?,
        }
        let warned = complaints.iter().any(|one| one.level == Level::Warning);
        Ok(if loaded.is_good() && !(deny_warnings && warned) { Exit::Done } else { Exit::Found })
    }
}

/// Everything there is to say, file by file.
fn complaints(loaded: &Loaded, context: &Context<'_>) -> Vec<Complaint> {
    let broken = loaded.problems.iter().map(|problem| Complaint {
        level: Level::Error,
        code: BROKEN,
        diagnostic: problem.clone(),
    });
    let mut complaints: Vec<Complaint> = broken.collect();
    let lints = loaded.rules.iter().flat_map(|rule| rule::lint(rule, context));
    complaints.extend(lints.chain(loaded.shared.lint(&loaded.rules, context.today)).map(|lint| Complaint {
        level: Level::Warning,
        code: lint.code.as_str(),
        diagnostic: lint.diagnostic,
    }));
    for rule in RuleSet::new(loaded.rules.clone()).unanchored() {
        let message = "nothing rare leads to this rule: it is evaluated for most events";
        let diagnostic = Diagnostic::new(&rule.source, rule.id_place(), message)
            .hint("give it an `eventName` or an `eventSource`, if it has one");
        complaints.push(Complaint { level: Level::Note, code: NO_ANCHOR, diagnostic });
    }
    complaints.sort_by(|a, b| a.diagnostic.source.name.cmp(&b.diagnostic.source.name));
    complaints
}

fn human(complaints: &[Complaint], loaded: &Loaded) -> anyhow::Result<()> {
    for Complaint { level, code, diagnostic } in complaints {
        let message = match level {
            Level::Error => diagnostic.message.clone(),
            level => format!("{}: {} [{code}]", level.as_str(), diagnostic.message),
        };
        line(&format!("{}\n", Diagnostic { message, ..diagnostic.clone() }));
    }
    let errors = told(complaints, Level::Error, "problem");
    let warnings = told(complaints, Level::Warning, "warning");
    if let Some(errors) = &errors {
        say("error", errors);
    }
    if let Some(warnings) = &warnings {
        say("warning", warnings);
    }
    if loaded.is_good() {
        let rules = count(loaded.rules.len() as u64, "rule");
        let what = if warnings.is_some() { "that can be used" } else { "without a problem" };
        writeln!(anstream::stdout(), "{rules} {what}")?;
    }
    Ok(())
}

/// `3 problems in 2 rule files`
fn told(complaints: &[Complaint], level: Level, noun: &str) -> Option<String> {
    let of_level: Vec<&Complaint> = complaints.iter().filter(|one| one.level == level).collect();
    let files: BTreeSet<&str> = of_level.iter().map(|one| one.diagnostic.source.name.as_str()).collect();
    let (number, files) = (count(of_level.len() as u64, noun), count(files.len() as u64, "rule file"));
    (!of_level.is_empty()).then(|| format!("{number} in {files}"))
}
