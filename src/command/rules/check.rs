//! `trailwatch rules check`: what is wrong with rules.

use std::io::Write as _;
use std::path::PathBuf;

use crate::command::{Exit, complain, count, say};
use crate::config;
use crate::engine::RuleSet;

pub fn run(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let loaded = config::rules(paths);
    complain(&loaded);
    let rules = RuleSet::new(loaded.rules.clone());
    for rule in rules.unanchored() {
        let id = &rule.id;
        say("note", &format!("rule `{id}` is evaluated for every event (give it an `eventName` or an `eventSource`)"));
    }
    if !loaded.is_good() {
        return Ok(Exit::Found);
    }
    writeln!(anstream::stdout(), "{} without a problem", count(loaded.rules.len(), "rule"))?;
    Ok(Exit::Done)
}
