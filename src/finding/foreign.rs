//! The finding in the formats of others, for tools that know those and not ours.
//!
//! They are renderings of ours, which stays the one that says everything. When a finding was made is no part of it: that
//! is for the caller to say.

use serde_json::{Map, Value};

use super::Finding;
use crate::rule::Severity;

pub mod ecs;
pub mod ocsf;

/// An object of the members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<String, Value>>())
}

fn text(value: &Option<String>) -> Option<Value> {
    value.as_deref().map(Value::from)
}

/// The events of a finding, taken apart.
fn events(finding: &Finding) -> impl Iterator<Item = Value> {
    finding.events.iter().filter_map(|event| serde_json::from_str(event.get()).ok())
}

/// A member of an event, if it is a string.
fn member(event: &Value, name: &str) -> Option<Value> {
    event.get(name).filter(|value| value.is_string()).cloned()
}

/// A severity as a number, as OCSF counts.
fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// A technique of ATT&CK, and the part of it that is meant, by their ids.
struct Technique {
    id: String,
    sub_id: Option<String>,
}

/// The techniques that the rule's tags name, as `attack.t1562` and `attack.t1562.008`.
fn techniques(finding: &Finding) -> Vec<Technique> {
    let named = finding.rule.tags.iter().filter_map(|tag| {
        let id = tag.strip_prefix("attack.")?.to_uppercase();
        let (technique, part) =
            id.split_once('.').map_or((id.as_str(), None), |(technique, part)| (technique, Some(part)));
        let is_id = technique.strip_prefix('T').is_some_and(|digits| digits.len() == 4 && is_number(digits));
        let is_part = part.is_none_or(|digits| digits.len() == 3 && is_number(digits));
        let (technique, has_part) = (technique.to_owned(), part.is_some());
        (is_id && is_part).then_some(Technique { id: technique, sub_id: has_part.then_some(id) })
    });
    named.collect()
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
