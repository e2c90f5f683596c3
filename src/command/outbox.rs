//! `trailwatch outbox`: findings that wait for their sinks, and those that were given up.

use std::io::{self, Write};

use anstyle::Style;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::config_file::ConfigArgs;
use super::state::{Format, entries, open, refuse, time};
use super::{Exit, say};
use crate::store::{Choice, Entry, Inspector, Shelf, StoreError, Unreadable};
use crate::untrusted::{Untrusted, UntrustedJson};

#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// Lists what waits for sinks and what was given up, with the reason.
    List(List),
    /// Lets findings be brought again: those that were given up, and those that wait for their next try.
    Retry(Retry),
    /// Drops findings that were given up, for good.
    Drop(Drop),
    /// Prints findings whole, one JSON object a line.
    Export(Export),
}

impl Outbox {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(),
            Self::Retry(retry) => Ok(retry.run()),
            Self::Drop(drop) => Ok(drop.run()),
            Self::Export(export) => export.run(),
        }
    }
}

/// Which entries are meant.
#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// Numbers of entries, as `outbox list` tells them.
    #[arg(value_name = "NUMBER")]
    numbers: Vec<u64>,
    /// Only those for this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// All of them.
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

impl ChoiceArgs {
    /// What was chosen; `None`, after saying so, if nothing was.
    fn choice(&self) -> Option<Choice> {
        if self.numbers.is_empty() && !self.all {
            say("error", "no entries are named (give their numbers, or `--all`, which `--sink` narrows)");
            return None;
        }
        Some(Choice { sink: self.sink.clone(), numbers: self.numbers.clone() })
    }
}

/// Which entries are printed.
#[derive(Debug, Args)]
pub struct PrintedArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only those for this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Only those that were given up.
    #[arg(long)]
    dead: bool,
}

/// What is kept on a shelf.
pub enum Kept {
    Entry(Entry),
    Unreadable(Unreadable),
}

/// Everything on a shelf that is meant; what cannot be read comes last.
pub fn kept(state: &Inspector, shelf: Shelf, choice: &Choice) -> Result<Vec<Kept>, StoreError> {
    let entries = state.entries(shelf, choice)?.into_iter().map(Kept::Entry);
    Ok(entries.chain(state.unreadable(shelf, choice)?.into_iter().map(Kept::Unreadable)).collect())
}

/// Standard output, as entries are written to it.
type Out = io::BufWriter<anstream::AutoStream<io::Stdout>>;

impl PrintedArgs {
    /// Prints each entry, those first that were given up.
    fn print(self, mut write: impl FnMut(&Kept, Shelf, &mut Out) -> io::Result<()>) -> anyhow::Result<Exit> {
        let state = match open(&self.config) {
            Ok(state) => state,
            Err(exit) => return Ok(exit),
        };
        let choice = Choice { sink: self.sink, numbers: Vec::new() };
        let shelves: &[Shelf] = if self.dead { &[Shelf::Dead] } else { &[Shelf::Dead, Shelf::Waiting] };
        let mut out = io::BufWriter::new(anstream::stdout());
        let mut none = true;
        for &shelf in shelves {
            for kept in kept(&state, shelf, &choice)? {
                none = false;
                write(&kept, shelf, &mut out)?;
            }
        }
        out.flush()?;
        if none {
            say("note", "there are none");
        }
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    printed: PrintedArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        self.printed.print(|kept, shelf, out| match (self.format, kept) {
            (Format::Human, Kept::Entry(entry)) => human(entry, shelf, out),
            (Format::Human, Kept::Unreadable(Unreadable { number, sink, bytes })) => {
                let (sink, bytes) = (Untrusted(sink), bytes.len());
                writeln!(out, "{BOLD}{number}{BOLD:#} {sink}: cannot be read; {bytes} bytes are kept")
            }
            (Format::Json, Kept::Entry(entry)) => json_line(&summary_json(entry, shelf), out),
            (Format::Json, Kept::Unreadable(unreadable)) => json_line(&unreadable_json(unreadable, shelf), out),
        })
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn human(entry: &Entry, shelf: Shelf, out: &mut impl Write) -> io::Result<()> {
    let finding = &entry.finding;
    let state = match shelf {
        Shelf::Dead => format!("given up after {}", tries(entry.tries)),
        Shelf::Waiting if entry.tries == 0 => "waiting".to_owned(),
        Shelf::Waiting => format!("waiting after {}, next at {}", tries(entry.tries), time(entry.due_ms)),
    };
    let (sink, title) = (Untrusted(&entry.sink), Untrusted(&finding.title));
    writeln!(out, "{BOLD}{}{BOLD:#} {sink}: {state}; since {}", entry.number, time(entry.since_ms))?;
    writeln!(out, "    {} {title} {DIM}[{}]{DIM:#}", finding.severity, Untrusted(&finding.rule.id))?;
    if !entry.reason.is_empty() {
        writeln!(out, "    {}", Untrusted(&entry.reason))?;
    }
    Ok(())
}

fn tries(number: u32) -> String {
    if number == 1 { "1 try".to_owned() } else { format!("{number} tries") }
}

fn json_line(value: &Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", UntrustedJson(&value.to_string()))
}

fn state_of(shelf: Shelf) -> &'static str {
    if shelf == Shelf::Dead { "dead" } else { "waiting" }
}

fn unreadable_json(unreadable: &Unreadable, shelf: Shelf) -> Value {
    let Unreadable { number, sink, bytes } = unreadable;
    json!({ "number": number, "sink": &**sink, "state": state_of(shelf), "unreadable_bytes": bytes.len() })
}

fn summary_json(entry: &Entry, shelf: Shelf) -> Value {
    let finding = &entry.finding;
    json!({
        "number": entry.number,
        "sink": &*entry.sink,
        "state": state_of(shelf),
        "since": time(entry.since_ms),
        "due": (shelf == Shelf::Waiting).then(|| time(entry.due_ms)),
        "tries": entry.tries,
        "reason": entry.reason,
        "id": finding.id,
        "rule": finding.rule.id,
        "severity": finding.severity.as_str(),
        "title": finding.title,
    })
}

/// All of what is kept: the whole finding, or the bytes that cannot be read.
pub fn whole_json(kept: &Kept, shelf: Shelf) -> Value {
    match kept {
        Kept::Entry(entry) => {
            let mut value = summary_json(entry, shelf);
            value["finding"] = serde_json::from_str(&entry.finding.to_json()).unwrap_or_default();
            value
        }
        Kept::Unreadable(unreadable) => {
            let mut value = unreadable_json(unreadable, shelf);
            value["base64"] = STANDARD.encode(&unreadable.bytes).into();
            value
        }
    }
}

#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
}

impl Retry {
    fn run(self) -> Exit {
        let Some(choice) = self.choice.choice() else { return Exit::Usage };
        let retried = open(&self.config).and_then(|state| state.retry(&choice).map_err(|error| refuse(&error)));
        tell(retried, "will be brought again by the next run")
    }
}

/// Says how many entries it was.
fn tell(number: Result<u64, Exit>, what: &str) -> Exit {
    match number {
        Ok(0) => {
            say("error", "there are no such entries (`trailwatch outbox list` tells which there are)");
            Exit::Found
        }
        Ok(number) => {
            say("note", &format!("{} {what}", entries(number)));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

#[derive(Debug, Args)]
pub struct Drop {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Drops findings that still wait, in place of those that were given up. Their sinks will never have them.
    #[arg(long)]
    waiting: bool,
}

impl Drop {
    fn run(self) -> Exit {
        let Some(choice) = self.choice.choice() else { return Exit::Usage };
        let shelf = if self.waiting { Shelf::Waiting } else { Shelf::Dead };
        let state = open(&self.config);
        let dropped = state.and_then(|state| state.drop_entries(shelf, &choice).map_err(|error| refuse(&error)));
        tell(dropped, "dropped for good")
    }
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    printed: PrintedArgs,
}

impl Export {
    fn run(self) -> anyhow::Result<Exit> {
        self.printed.print(|kept, shelf, out| json_line(&whole_json(kept, shelf), out))
    }
}
