//! `trailwatch state`: what a run keeps on disk, in the hands of a person.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::config_file::ConfigArgs;
use super::outbox::{kept, whole_json};
use super::{Exit, count, say, thousands};
use crate::store::{self, Choice, Inspector, Overview, Repaired, Salvaged, Shelf, StoreError};
use crate::untrusted::{Untrusted, UntrustedJson};

#[derive(Debug, Subcommand)]
pub enum State {
    /// Prints how far sources were read, and how much waits for sinks.
    Show(Show),
    /// Checks the whole file.
    Verify(Verify),
    /// Copies what can be read of a damaged file into a fresh one, and sets it aside.
    Repair(Repair),
    /// Prints everything that is in it, one JSON object a line.
    Export(Export),
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs: one JSON object.
    Json,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub struct Repair {
    #[command(flatten)]
    config: ConfigArgs,
    /// A file that a run has set aside: what can be read of it is added to the state.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    config: ConfigArgs,
}

impl State {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Show(show) => show.run(),
            Self::Verify(verify) => Ok(verify.run()),
            Self::Repair(repair) => Ok(repair.run()),
            Self::Export(export) => export.run(),
        }
    }
}

/// Opens the state that is meant. What is wrong has been said.
pub fn open(config: &ConfigArgs) -> Result<Inspector, Exit> {
    let folder = config.state().ok_or(Exit::BadRules)?;
    Inspector::open(&folder).map_err(|error| refuse(&error))
}

/// Says why the state cannot be used.
pub fn refuse(error: &StoreError) -> Exit {
    say("error", &error.to_string());
    match error {
        StoreError::Damaged { .. } => Exit::Found,
        _ => Exit::Internal,
    }
}

impl Show {
    fn run(self) -> anyhow::Result<Exit> {
        let state = match open(&self.config) {
            Ok(state) => state,
            Err(exit) => return Ok(exit),
        };
        let overview = state.overview()?;
        let mut out = anstream::stdout();
        match self.format {
            Format::Human => human(&overview, &mut out)?,
            Format::Json => writeln!(out, "{}", UntrustedJson(&overview_json(&overview).to_string()))?,
        }
        Ok(Exit::Done)
    }
}

fn human(overview: &Overview, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} bytes, {} remembered", thousands(overview.bytes), count(overview.seen, "event"))?;
    for checkpoint in &overview.checkpoints {
        writeln!(out, "source {}: {}", Untrusted(&checkpoint.source), Untrusted(&checkpoint.position))?;
    }
    if overview.windows > 0 {
        let (windows, held_back) = (thousands(overview.windows), thousands(overview.held_back));
        writeln!(out, "windows: {windows} open, {held_back} held back")?;
    }
    for (sink, waiting) in &overview.sinks {
        let since = waiting.oldest_ms.map_or(String::new(), |ms| format!(" (since {})", time(ms)));
        let (entries, dead) = (thousands(waiting.entries), thousands(waiting.dead));
        writeln!(out, "sink {}: {entries} waiting{since}, {dead} given up", Untrusted(sink))?;
    }
    Ok(())
}

fn overview_json(overview: &Overview) -> Value {
    let positions = overview.checkpoints.iter().map(|at| (at.source.to_string(), at.position.clone().into()));
    let sinks = overview.sinks.iter().map(|(sink, waiting)| {
        let oldest = waiting.oldest_ms.map(time);
        (sink.clone(), json!({ "waiting": waiting.entries, "oldest": oldest, "given_up": waiting.dead }))
    });
    json!({
        "bytes": overview.bytes,
        "events_remembered": overview.seen,
        "positions": positions.collect::<serde_json::Map<_, Value>>(),
        "windows": overview.windows,
        "held_back": overview.held_back,
        "sinks": sinks.collect::<serde_json::Map<_, _>>(),
    })
}

/// A time as people and programs read it.
pub fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}

impl Verify {
    fn run(self) -> Exit {
        let verified = open(&self.config).and_then(|state| state.verify().map_err(|error| refuse(&error)));
        match verified {
            Ok(0) => {
                say("note", "nothing is wrong with it");
                Exit::Done
            }
            Ok(unreadable) => {
                say(
                    "error",
                    &format!(
                        "{} of the outbox, or windows, cannot be read (a run keeps entries as dead letters, drops windows, \
                         and says so)",
                        entries(unreadable)
                    ),
                );
                Exit::Found
            }
            Err(exit) => exit,
        }
    }
}

/// `1 entry`, `2 entries`.
pub fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", thousands(number)) }
}

impl Repair {
    fn run(self) -> Exit {
        let Some(folder) = self.config.state() else { return Exit::BadRules };
        // What panics within counts as damage, and has been dealt with.
        std::panic::set_hook(Box::new(|_| {}));
        let repaired = store::repair(&folder, self.from.as_deref());
        drop(std::panic::take_hook());
        match repaired {
            Ok(None) => {
                say("note", "nothing is wrong with it");
                Exit::Done
            }
            Ok(Some(repaired)) => tell_repaired(&repaired),
            Err(error) => refuse(&error),
        }
    }
}

/// Says what was saved, and what was lost.
fn tell_repaired(Repaired { aside, parts }: &Repaired) -> Exit {
    say("note", &format!("what was damaged is kept as {}", aside.display()));
    let mut exit = Exit::Done;
    for Salvaged { what, rows, of } in parts {
        let rows_text = thousands(*rows);
        if *of != Some(*rows) {
            exit = Exit::Incomplete;
        }
        match of {
            Some(of) if of == rows => say("note", &format!("{what}: all {rows_text}")),
            Some(of) => say("error", &format!("{what}: {rows_text} of {}; the others are lost", thousands(*of))),
            None => say("error", &format!("{what}: {rows_text}; how many there were cannot be read")),
        }
    }
    exit
}

impl Export {
    fn run(self) -> anyhow::Result<Exit> {
        let state = match open(&self.config) {
            Ok(state) => state,
            Err(exit) => return Ok(exit),
        };
        let mut out = io::BufWriter::new(anstream::stdout());
        let mut write = |value: Value| writeln!(out, "{}", UntrustedJson(&value.to_string()));
        for checkpoint in state.overview()?.checkpoints {
            write(json!({ "source": &*checkpoint.source, "position": checkpoint.position }))?;
        }
        for key in state.seen()? {
            let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            write(json!({ "seen": hex }))?;
        }
        for (_, window) in state.windows()? {
            write(json!({ "window": window }))?;
        }
        for shelf in [Shelf::Waiting, Shelf::Dead] {
            for kept in kept(&state, shelf, &Choice::default())? {
                write(whole_json(&kept, shelf))?;
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
