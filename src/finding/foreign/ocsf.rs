//! A Detection Finding of the Open Cybersecurity Schema Framework, <https://schema.ocsf.io/1.5.0/classes/detection_finding>.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Digest;
use super::{Finding, Technique, events, member, object, severity_number, techniques, text};

/// The version of the schema that is kept to.
pub const VERSION: &str = "1.5.0";

const CATEGORY_FINDINGS: u32 = 2;
const CLASS_DETECTION_FINDING: u32 = 2004;
const ACTIVITY_CREATE: u32 = 1;
const ACCOUNT_AWS: u32 = 10;

/// The rendering of a finding that was made at a time.
pub fn detection_finding(finding: &Finding, made: Timestamp) -> Value {
    let seen = seen(finding);
    let severity = finding.severity.as_str();
    object([
        ("activity_id", Some(ACTIVITY_CREATE.into())),
        ("activity_name", Some("Create".into())),
        ("category_uid", Some(CATEGORY_FINDINGS.into())),
        ("category_name", Some("Findings".into())),
        ("class_uid", Some(CLASS_DETECTION_FINDING.into())),
        ("class_name", Some("Detection Finding".into())),
        ("type_uid", Some((CLASS_DETECTION_FINDING * 100 + ACTIVITY_CREATE).into())),
        ("type_name", Some("Detection Finding: Create".into())),
        ("time", Some(made.as_millisecond().into())),
        ("start_time", seen.map(|seen| seen.0.into())),
        ("end_time", seen.map(|seen| seen.1.into())),
        // As many occasions as the finding stands for.
        ("count", finding.digest.as_ref().map(|digest| digest.count.into())),
        ("severity_id", Some(severity_number(finding.severity).into())),
        ("severity", Some(format!("{}{}", severity[..1].to_uppercase(), &severity[1..]).into())),
        ("status_id", Some(1.into())),
        ("status", Some("New".into())),
        ("is_alert", Some(true.into())),
        ("message", Some(finding.title.as_str().into())),
        ("metadata", Some(metadata(finding))),
        ("cloud", Some(cloud(finding))),
        ("finding_info", Some(finding_info(finding, made, seen))),
        ("evidences", Some(evidences(finding)).filter(|evidences| evidences != &json!([]))),
        ("unmapped", Some(unmapped(finding))),
    ])
}

fn unmapped(finding: &Finding) -> Value {
    object([
        ("group", Some(json!(finding.group))),
        ("why", Some(json!(finding.why))),
        ("digest", finding.digest.as_ref().map(|digest| json!(digest))),
    ])
}

/// When the events of a finding happened, from the first to the last, in milliseconds since 1970.
fn seen(finding: &Finding) -> Option<(i64, i64)> {
    let ms = |time: &str| time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    match &finding.digest {
        Some(digest) => Some((ms(&digest.first)?, ms(&digest.last)?)),
        None => finding.time.as_deref().and_then(ms).map(|ms| (ms, ms)),
    }
}

/// The finding that a digest stands beside.
fn related_events(digest: &Digest) -> Value {
    json!([{"uid": digest.of, "type_uid": CLASS_DETECTION_FINDING * 100 + ACTIVITY_CREATE}])
}

fn metadata(finding: &Finding) -> Value {
    json!({
        "version": VERSION,
        "profiles": ["cloud"],
        "uid": finding.id,
        "labels": finding.rule.tags,
        "product": {"name": "Trailwatch", "vendor_name": "Trailwatch", "version": env!("CARGO_PKG_VERSION")},
    })
}

fn cloud(finding: &Finding) -> Value {
    object([
        ("provider", Some("AWS".into())),
        ("account", account(&finding.account)),
        ("region", text(&finding.region)),
    ])
}

fn account(account: &Option<String>) -> Option<Value> {
    account.as_ref().map(|uid| json!({"uid": uid, "type_id": ACCOUNT_AWS, "type": "AWS Account"}))
}

fn finding_info(finding: &Finding, made: Timestamp, seen: Option<(i64, i64)>) -> Value {
    let attacks: Vec<Value> = techniques(finding).into_iter().map(attack).collect();
    object([
        ("uid", Some(finding.id.as_str().into())),
        ("title", Some(finding.title.as_str().into())),
        ("created_time", Some(made.as_millisecond().into())),
        ("first_seen_time", seen.map(|seen| seen.0.into())),
        ("last_seen_time", seen.map(|seen| seen.1.into())),
        ("related_events", finding.digest.as_ref().map(related_events)),
        ("data_sources", Some(json!(["AWS CloudTrail"]))),
        ("analytic", Some(json!({"type_id": 1, "type": "Rule", "uid": finding.rule.id, "name": finding.rule.title}))),
        ("attacks", (!attacks.is_empty()).then(|| attacks.into())),
    ])
}

fn attack(Technique { id, sub_id }: Technique) -> Value {
    object([("technique", Some(json!({"uid": id}))), ("sub_technique", sub_id.map(|uid| json!({"uid": uid})))])
}

/// The calls that led to the finding, with who made them.
fn evidences(finding: &Finding) -> Value {
    events(finding).map(|event| evidence(finding, event)).collect()
}

fn evidence(finding: &Finding, event: Value) -> Value {
    let user = object([
        ("name", Some(finding.actor.name.as_str().into())),
        ("type", Some((&*finding.actor.kind).into())),
        ("uid", text(&finding.actor.arn)),
        ("account", account(&finding.actor.account)),
    ]);
    object([
        ("uid", member(&event, "eventID")),
        ("actor", Some(json!({"user": user}))),
        ("api", member(&event, "eventName").map(|name| api(name, &event))),
        ("src_endpoint", finding.source_ip.as_deref().map(endpoint)),
        ("data", Some(event)),
    ])
}

fn api(operation: Value, event: &Value) -> Value {
    object([
        ("operation", Some(operation)),
        ("service", member(event, "eventSource").map(|name| json!({"name": name}))),
        ("request", member(event, "requestID").map(|uid| json!({"uid": uid}))),
    ])
}

/// A source is an address, or the name of a service that called.
fn endpoint(source: &str) -> Value {
    let name = if source.parse::<IpAddr>().is_ok() { "ip" } else { "svc_name" };
    json!({name: source})
}
