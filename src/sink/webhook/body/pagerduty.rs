//! An event for PagerDuty, <https://developer.pagerduty.com/docs/send-alert-event>.
//!
//! The finding's id is the key by which PagerDuty knows a repeat: an alert is opened once, however often it is sent. A
//! digest has the key of the finding that it stands beside, and so adds to its alert.

use serde_json::{Value, json};

use super::{facts, fitted, headline, plain};
use crate::finding::Finding;
use crate::rule::Severity;

/// The limit of a summary.
const SUMMARY_MAX: usize = 1_024;
const VALUE_MAX: usize = 1_000;

/// The event.
pub(super) fn event(finding: &Finding, routing_key: &str) -> Value {
    let details = facts(finding).into_iter().map(|(name, value)| (name.to_lowercase(), text(&value).into()));
    let mut payload = json!({
        "summary": fitted(&headline(finding), SUMMARY_MAX, plain),
        "source": source(finding),
        "severity": severity(finding.severity),
        "class": text(&finding.rule.id),
        "custom_details": details.collect::<serde_json::Map<String, Value>>(),
    });
    if let Some(time) = &finding.time {
        payload["timestamp"] = text(time).into();
    }
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": text(finding.matter()),
        "client": "Trailwatch",
        "payload": payload,
    })
}

/// Where it happened; PagerDuty wants something here.
fn source(finding: &Finding) -> String {
    let places: Vec<&str> = [&finding.account, &finding.region].into_iter().flatten().map(String::as_str).collect();
    if places.is_empty() { "AWS".to_owned() } else { text(&places.join(" ")) }
}

fn text(value: &str) -> String {
    fitted(value, VALUE_MAX, plain)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "info",
    }
}
