//! `trailwatch rules list`: what there is, the most severe first.

use std::io::Write as _;
use std::path::PathBuf;

use crate::command::explain::draw::DIM;
use crate::command::{Exit, complain, tell_left_out};
use crate::config;
use crate::rule::Rule;
use crate::untrusted::Untrusted;

pub fn run(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let loaded = config::rules(paths);
    tell_left_out(&loaded);
    let mut rules: Vec<&Rule> = loaded.rules.iter().collect();
    rules.sort_by_key(|rule| (std::cmp::Reverse(rule.severity), &rule.id));
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut out = anstream::stdout();
    for rule in rules {
        let (severity, id) = (rule.severity.as_str(), &rule.id);
        writeln!(out, "{severity:<13} {id:<width$}  {DIM}{}{DIM:#}", Untrusted(&rule.title.unfilled()))?;
    }
    if !loaded.is_good() {
        complain(&loaded);
        return Ok(Exit::BadRules);
    }
    Ok(Exit::Done)
}
