//! `trailwatch rules schema`: the JSON Schema of rule files.

use std::io::Write as _;

use crate::command::Exit;
use crate::rule::schema::schema;

pub fn run() -> anyhow::Result<Exit> {
    writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&schema())?)?;
    Ok(Exit::Done)
}
