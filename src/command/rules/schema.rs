//! `trailwatch rules schema`: the JSON Schema of rule files, and of files that rules share.

use std::io::Write as _;

use clap::Args;

use crate::command::Exit;
use crate::rule::schema::{schema, shared_schema};

#[derive(Debug, Args)]
pub struct Schema {
    /// That of files with lists, selections and exceptions.
    #[arg(long)]
    shared: bool,
}

impl Schema {
    pub fn run(self) -> anyhow::Result<Exit> {
        let schema = if self.shared { shared_schema() } else { schema() };
        writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&schema)?)?;
        Ok(Exit::Done)
    }
}
