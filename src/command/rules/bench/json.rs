//! The costs for programs: one JSON object.

use serde_json::{Value, json};

use super::measure::{Cost, Costs};
use crate::untrusted::UntrustedJson;

pub fn document(costs: &Costs<'_>) -> String {
    let document = json!({
        "events": costs.events,
        "bytes": costs.bytes,
        "floor_ns": rounded(costs.floor_ns),
        "together_ns": rounded(costs.together_ns),
        "rules": costs.rules.iter().map(|cost| rule(cost, costs.sum_ns())).collect::<Vec<_>>(),
    });
    UntrustedJson(&document.to_string()).to_string()
}

fn rule(cost: &Cost<'_>, sum_ns: f64) -> Value {
    json!({
        "rule": cost.rule.id,
        "file": cost.rule.source.name,
        "ns": rounded(cost.ns),
        "share_percent": rounded(100.0 * cost.ns / sum_ns.max(f64::MIN_POSITIVE)),
        "candidates": cost.candidates,
        "matches": cost.matches,
        "anchored": !cost.is_unanchored,
    })
}

/// To a tenth: what is below is noise.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
