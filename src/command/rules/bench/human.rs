//! The costs for people: the dearest rule first.

use std::io;

use super::measure::{Cost, Costs};
use crate::command::explain::draw::{BAD, DIM};
use crate::command::{count, thousands};

/// What rules without an anchor are marked with.
const UNANCHORED: &str = "no anchor";

pub fn print(costs: &Costs<'_>, out: &mut impl io::Write) -> io::Result<()> {
    let width = costs.rules.iter().map(|cost| cost.rule.id.len()).max().unwrap_or(0).max(4);
    writeln!(out, "{DIM}{:<width$}    an event     share   candidate     matched{DIM:#}", "rule")?;
    let mut rules: Vec<&Cost<'_>> = costs.rules.iter().collect();
    rules.sort_by(|a, b| b.ns.total_cmp(&a.ns));
    for cost in rules {
        let share = 100.0 * cost.ns / costs.sum_ns().max(f64::MIN_POSITIVE);
        let mark = if cost.is_unanchored { format!("  {BAD}{UNANCHORED}{BAD:#}") } else { String::new() };
        let (candidates, matches) = (thousands(cost.candidates), thousands(cost.matches));
        let id = &cost.rule.id;
        writeln!(out, "{id:<width$} {:>8.1} ns {share:>7.1} % {candidates:>11} {matches:>11}{mark}", cost.ns)?;
    }
    writeln!(out, "------------")?;
    let unanchored = costs.rules.iter().filter(|cost| cost.is_unanchored).count();
    if unanchored > 0 {
        let rules = count(unanchored, "rule");
        writeln!(out, "{BAD}{UNANCHORED}{BAD:#}: {rules} that nothing leads to, or only what most events have")?;
    }
    let events = count(costs.events, "event");
    let mean = costs.bytes / costs.events.max(1);
    writeln!(out, "floor: {:.1} ns to read an event without rules ({events} of {mean} bytes)", costs.floor_ns)?;
    let share = 100.0 * costs.together_ns / costs.floor_ns.max(f64::MIN_POSITIVE);
    let rules = count(costs.rules.len(), "rule");
    writeln!(out, "rules: {:.1} ns more with {rules} together, {share:.1} % of the floor", costs.together_ns)
}
