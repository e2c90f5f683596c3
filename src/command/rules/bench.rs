//! `trailwatch rules bench`: what each rule costs, over the user's own events.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::command::{Exit, RuleArgs, events, say};
use crate::sim::{Label, Stream};

mod human;
mod json;
mod measure;

use measure::Costs;

#[derive(Debug, Args)]
pub struct Bench {
    /// Files with events, in any form that `scan` reads; `-` is standard input. Made-up events if none is given.
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    /// How long to measure: the longer, the steadier the figures. Each rule has its turn a few times in any case.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s", value_name = "DURATION")]
    time: Duration,
    /// How the costs are written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the dearest rule first.
    Human,
    /// For programs: one JSON object.
    Json,
}

/// How much of the user's events is kept in memory, in bytes.
const EVENT_BYTES_MAX: usize = 256 << 20;
/// How many events are made up, where the user gives none.
const MADE_UP: usize = 5_000;

impl Bench {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(rules) = self.rules.load() else { return Ok(Exit::BadRules) };
        let (events, exit) = match self.events.is_empty() {
            true => (made_up(), Exit::Done),
            false => read(self.events)?,
        };
        if events.is_empty() {
            return Ok(exit);
        }
        let costs = Costs::measure(&rules, &events, self.time);
        let mut out = anstream::stdout();
        match self.format {
            Format::Human => human::print(&costs, &mut out)?,
            Format::Json => writeln!(out, "{}", json::document(&costs))?,
        }
        Ok(exit)
    }
}

/// The same at every call, so that two rules can be compared on two days.
fn made_up() -> Vec<String> {
    let stream = Stream::new(1).filter(|planned| planned.label != Label::Broken);
    stream.take(MADE_UP).map(|planned| planned.message).collect()
}

fn read(paths: Vec<PathBuf>) -> anyhow::Result<(Vec<String>, Exit)> {
    let (mut kept, mut bytes, mut more) = (Vec::new(), 0, 0_u64);
    let read = events::each(paths, |_, text| {
        if bytes + text.len() > EVENT_BYTES_MAX {
            more += 1;
            return Ok(Ok(()));
        }
        // What is no JSON would be an error at each turn.
        Ok(serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| {
            bytes += text.len();
            kept.push(text.to_owned());
        }))
    })?;
    if more > 0 {
        say("note", &format!("only the first {} events are used: the others would not fit into memory", kept.len()));
    }
    Ok((kept, read.exit()))
}
