//! `trailwatch rules`: one file a verb.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::import::Import;
use super::{Exit, SharedArgs};
use crate::config::{self, Loaded};
use crate::rule::{Diagnostic, SourceText};

mod bench;
mod check;
pub mod export;
mod list;
mod matches;
mod new;
mod schema;
mod test;

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Lists rules by family, with their severity and title.
    List(list::List),
    /// Reads rules and says everything that is wrong with them, or odd.
    Check(check::Check),
    /// Runs the tests that rules carry.
    Test(test::Test),
    /// Holds a pattern for EventBridge or CloudWatch Logs against events, as they stand in files.
    Match(matches::Match),
    /// Tells what each rule costs, over your own events.
    Bench(bench::Bench),
    /// Starts a rule from an event, and prints it.
    New(new::New),
    /// Translates rules of other tools into files of ours, and says of each what came of it.
    Import(Import),
    /// Compiles rules into patterns with which AWS sends only what they may match.
    Export(export::Export),
    /// Prints the JSON Schema of rule files, for editors.
    Schema(schema::Schema),
}

#[derive(Debug, Args)]
pub struct Paths {
    /// Rule files or folders; the shipped rules if none is given.
    paths: Vec<PathBuf>,
    /// The same, as the other commands take it.
    #[arg(long = "rules", value_name = "PATH")]
    more: Vec<PathBuf>,
    #[command(flatten)]
    shared: SharedArgs,
}

impl Paths {
    fn all(&self) -> Vec<PathBuf> {
        self.paths.iter().chain(&self.more).cloned().collect()
    }

    /// The rules, with what they share.
    fn load(&self) -> Loaded {
        config::rules_with(&self.all(), &self.shared.shared)
    }

    /// Where files are that may change: rules, and what they share.
    fn watched(&self) -> Vec<PathBuf> {
        self.all().into_iter().chain(self.shared.shared.iter().cloned()).collect()
    }
}

impl Rules {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(),
            Self::Check(check) => check.run(),
            Self::Test(test) => test.run(),
            Self::Match(matches) => matches.run(),
            Self::Bench(bench) => bench.run(),
            Self::New(new) => new.run(),
            Self::Import(import) => import.run(),
            Self::Export(export) => export.run(),
            Self::Schema(schema) => schema.run(),
        }
    }
}

/// The line of a place in a text, counted from 1.
fn line_of(source: &Arc<SourceText>, place: Range<usize>) -> usize {
    Diagnostic::new(source, place, "").position().0
}
