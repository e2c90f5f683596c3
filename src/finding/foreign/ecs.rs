//! A document of the Elastic Common Schema, <https://www.elastic.co/docs/reference/ecs>.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Finding, events, member, object, severity_number, techniques, text};

/// The version of the schema that is kept to.
pub const VERSION: &str = "8.17.0";

/// The rendering of a finding that was made at a time.
pub fn alert(finding: &Finding, made: Timestamp) -> Value {
    let made = made.to_string();
    let call = events(finding).next().unwrap_or_default();
    object([
        ("@timestamp", Some(finding.time.as_deref().unwrap_or(&made).into())),
        ("ecs", Some(json!({"version": VERSION}))),
        ("message", Some(finding.title.as_str().into())),
        ("tags", Some(json!(finding.rule.tags))),
        ("event", Some(event(finding, &made, &call))),
        ("rule", Some(json!({"id": finding.rule.id, "name": finding.rule.title}))),
        ("cloud", Some(cloud(finding))),
        ("user", Some(user(finding))),
        ("source", finding.source_ip.as_deref().map(source)),
        ("user_agent", member(&call, "userAgent").map(|original| json!({"original": original}))),
        ("threat", threat(finding)),
        ("related", Some(related(finding))),
        ("trailwatch", Some(trailwatch(finding))),
    ])
}

/// What the schema has no name for.
fn trailwatch(finding: &Finding) -> Value {
    object([
        ("schema_version", Some(finding.schema_version.as_ref().into())),
        ("severity", Some(finding.severity.as_str().into())),
        ("event_ids", Some(json!(finding.event_ids))),
        ("group", Some(json!(finding.group))),
        ("why", Some(json!(finding.why))),
        ("digest", finding.digest.as_ref().map(|digest| json!(digest))),
    ])
}

fn event(finding: &Finding, made: &str, call: &Value) -> Value {
    let action = member(call, "eventName");
    let outcome = if member(call, "errorCode").is_some() { "failure" } else { "success" };
    object([
        ("kind", Some("alert".into())),
        ("module", Some("trailwatch".into())),
        ("dataset", Some("trailwatch.finding".into())),
        ("id", Some(finding.id.as_str().into())),
        ("created", Some(made.into())),
        ("severity", Some(severity_number(finding.severity).into())),
        ("reason", Some(finding.title.as_str().into())),
        ("provider", member(call, "eventSource")),
        ("outcome", action.is_some().then(|| outcome.into())),
        ("action", action),
        ("start", finding.digest.as_ref().map(|digest| digest.first.as_str().into())),
        ("end", finding.digest.as_ref().map(|digest| digest.last.as_str().into())),
        ("original", finding.events.first().map(|event| event.get().into())),
    ])
}

fn cloud(finding: &Finding) -> Value {
    object([
        ("provider", Some("aws".into())),
        ("account", finding.account.as_ref().map(|id| json!({"id": id}))),
        ("region", text(&finding.region)),
    ])
}

fn user(finding: &Finding) -> Value {
    object([("name", Some(finding.actor.name.as_str().into())), ("id", text(&finding.actor.arn))])
}

fn source(address: &str) -> Value {
    object([("address", Some(address.into())), ("ip", ip(address).map(Value::from))])
}

/// A source that is an address. It may also be the name of a service that called.
fn ip(source: &str) -> Option<&str> {
    source.parse::<IpAddr>().is_ok().then_some(source)
}

fn threat(finding: &Finding) -> Option<Value> {
    let techniques = techniques(finding);
    let ids: Vec<&str> = techniques.iter().map(|technique| technique.id.as_str()).collect();
    let sub_ids: Vec<&str> = techniques.iter().filter_map(|technique| technique.sub_id.as_deref()).collect();
    let parts = (!sub_ids.is_empty()).then(|| json!({"id": sub_ids}));
    let technique = object([("id", Some(json!(ids))), ("subtechnique", parts)]);
    (!ids.is_empty()).then(|| json!({"framework": "MITRE ATT&CK", "technique": technique}))
}

fn related(finding: &Finding) -> Value {
    let address = finding.source_ip.as_deref().and_then(ip);
    object([("user", Some(json!([finding.actor.name]))), ("ip", address.map(|address| json!([address])))])
}
