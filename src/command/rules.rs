//! `trailwatch rules`: one file a verb.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Exit;
use super::import::Import;
use crate::rule::{Diagnostic, Rule};

mod check;
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
    /// Starts a rule from an event, and prints it.
    New(new::New),
    /// Translates rules of other tools into files of ours, and says of each what came of it.
    Import(Import),
    /// Prints the JSON Schema of rule files, for editors.
    Schema,
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
    fn all(&self) -> Vec<PathBuf> {
        self.paths.iter().chain(&self.more).cloned().collect()
    }
}

impl Rules {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(),
            Self::Check(check) => check.run(),
            Self::Test(test) => test.run(),
            Self::Match(matches) => matches.run(),
            Self::New(new) => new.run(),
            Self::Import(import) => import.run(),
            Self::Schema => schema::run(),
        }
    }
}

/// The line of a place in a rule's text, counted from 1.
fn line_of(rule: &Rule, place: Range<usize>) -> usize {
    Diagnostic::new(&rule.source, place, "").position().0
}
