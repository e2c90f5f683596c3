//! `trailwatch rules export`: rules compiled into the filters that AWS applies itself.
//!
//! Patterns go to standard output, one a line, and what is to be said of them to standard error; as JSON all of it is one
//! object.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::Paths;
use crate::command::{Exit, complain, count, say, tell_left_out, thousands};
use crate::rule::export::{self, Coverage, EVENT_PATTERN_LENGTH_MAX, Target};
use crate::rule::filter_pattern::PATTERN_LENGTH_MAX;
use crate::untrusted::UntrustedJson;

mod json;

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    paths: Paths,
    /// What the rules are compiled into.
    #[arg(long, value_enum, value_name = "TARGET")]
    to: To,
    /// How patterns and coverage are written.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// One filter pattern of CloudWatch Logs, for a log group that CloudTrail delivers to.
    FilterPattern,
    /// Event patterns of EventBridge, for rules of the default bus.
    EventPattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One pattern a line.
    Text,
    /// One JSON object, the coverage with it.
    Json,
}

impl Export {
    pub fn run(self) -> anyhow::Result<Exit> {
        let loaded = self.paths.load();
        tell_left_out(&loaded);
        if !loaded.is_good() {
            complain(&loaded);
            return Ok(Exit::BadRules);
        }
        let target = match self.to {
            To::FilterPattern => Target::FilterPattern,
            To::EventPattern => Target::EventPattern,
        };
        let export = export::export(&loaded.rules, target);
        match self.format {
            Format::Text => text(&export, target)?,
            Format::Json => {
                let object = json::object(&export, target).to_string();
                writeln!(anstream::stdout(), "{}", UntrustedJson(&object))?;
            }
        }
        Ok(if export.is_complete() { Exit::Done } else { Exit::Incomplete })
    }
}

fn text(export: &export::Export<'_>, target: Target) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    for pattern in &export.patterns {
        match target {
            Target::FilterPattern => writeln!(out, "{}", pattern.text)?,
            Target::EventPattern => writeln!(out, "{}", UntrustedJson(&pattern.text))?,
        }
    }
    out.flush()?;
    tell(export, target);
    Ok(())
}

/// Says what the patterns cover, and what they do not.
pub fn tell(export: &export::Export<'_>, target: Target) {
    let reached = export.coverage.iter().filter(|coverage| coverage.unreached.is_empty()).count();
    let rules = count(export.coverage.len(), "rule");
    let longest = export.patterns.iter().map(|pattern| pattern.text.chars().count()).max().unwrap_or(0);
    let patterns = count(export.patterns.len(), "pattern");
    let (longest, limit) = (thousands(longest as u64), thousands(limit(target) as u64));
    let what = format!("{patterns}, the longest of {longest} characters (at most {limit})");
    say("note", &format!("{reached} of {rules} reached by {what}"));
    for widened in &export.widened {
        say("note", &format!("widened: {widened}"));
    }
    if target == Target::EventPattern && export.patterns.iter().any(|pattern| pattern.reads) {
        say(
            "note",
            &format!("put them into rules in the state {STATE_WITH_READS}: others do not get calls that only read"),
        );
    }
    for Coverage { rule, data_events, unreached, loosely_by } in &export.coverage {
        if !unreached.is_empty() {
            say("warning", &format!("{} is not reached: {}", rule.id, unreached.join("; ")));
        }
        if unreached.is_empty() && !loosely_by.is_empty() {
            let text = format!("{} is reached by {} alone: most events fit", rule.id, loosely_by.join(" and "));
            say("note", &text);
        }
        if !data_events.is_empty() {
            let calls = data_events.join(", ");
            say("note", &format!("{}: {calls}: a trail carries it only where its event selectors ask for it", rule.id));
        }
    }
}

/// The most characters of a pattern.
fn limit(target: Target) -> usize {
    match target {
        Target::FilterPattern => PATTERN_LENGTH_MAX,
        Target::EventPattern => EVENT_PATTERN_LENGTH_MAX,
    }
}

/// The states of a rule of EventBridge: in the second it also gets management events that only read.
const STATE: &str = "ENABLED";
const STATE_WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
