//! The JSON of findings, which others rely on, and what makes two findings the same.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use trailwatch::config;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::{LogPlace, Origin, Place};
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, EventKey, Fields, projection_of};
use trailwatch::finding::{Finding, SCHEMA_VERSION};
use trailwatch::rule::Rule;
use trailwatch::sink::stdout::{Format, Printer};

/// What rules find in a text that came from somewhere.
fn found_at(rules: Vec<Rule>, text: &str, origin: &Origin) -> Vec<Finding> {
    let mut decoded = Decoded::default();
    decode(&Bytes::from(text.to_owned()), origin, &Limits::default(), &mut decoded);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    let rules = RuleSet::new(rules);
    let (mut scratch, mut fields) = (Scratch::default(), Fields::default());
    let mut findings = Vec::new();
    for raw in decoded.events {
        let text = std::str::from_utf8(&raw.bytes).unwrap();
        let matches = rules.evaluate(text, &mut scratch).unwrap().matches;
        // The matcher reads only what rules name; a finding tells of more.
        let event = Event::read(text, &projection_of([]), &mut fields).unwrap();
        let key = EventKey::of(&event, &raw.origin);
        findings.extend(matches.iter().map(|id| Finding::new(rules.rule(*id), &event, &key)));
    }
    findings
}

pub fn found(rules: Vec<Rule>, text: &str) -> Vec<Finding> {
    found_at(rules, text, &Origin::line("file", 1))
}

/// The one finding of a rule.
fn one(rule: &Rule, text: &str) -> Finding {
    let mut findings = found(vec![rule.clone()], text);
    assert_eq!(findings.len(), 1, "{text}");
    findings.remove(0)
}

/// A rule that tells of what the request says, so that a test can put anything there.
fn encryption() -> Rule {
    let text = r#"
id = "xray-encryption-changed"
title = "X-Ray trace encryption set to {requestParameters.type} (key {requestParameters.keyId}) by {actor.name} in {recipientAccountId} {awsRegion}"
severity = "high"
tags = ["attack.t1685", "attack.t1562.001", "service.xray", "service.kms"]

[match]
eventSource = "xray.amazonaws.com"
eventName = "PutEncryptionConfig"
outcome = "success"

[alert]
group_by = ["recipientAccountId", "awsRegion", "requestParameters.type", "requestParameters.keyId"]
"#;
    Rule::parse(Path::new("a.toml"), text.to_owned()).unwrap()
}

/// A rule of these conditions.
fn rule(id: &str, conditions: &str) -> Rule {
    let text = format!(
        "id = \"{id}\"\ntitle = \"{{eventName}} {{requestParameters.name}}\"\nseverity = \"low\"\n{conditions}"
    );
    Rule::parse(Path::new("a.toml"), text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

const EVENT: &str = r#"{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROACKCEVSQ6C2EXAMPLE:alice","arn":"arn:aws:sts::111122223333:assumed-role/deploy/alice","accountId":"111122223333","accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROACKCEVSQ6C2EXAMPLE","arn":"arn:aws:iam::111122223333:role/deploy","accountId":"111122223333","userName":"deploy"},"attributes":{"creationDate":"2026-01-15T11:30:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-01-15T12:00:00Z","eventSource":"xray.amazonaws.com","eventName":"PutEncryptionConfig","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17.0","requestParameters":{"type":"NONE"},"responseElements":{"encryptionConfig":{"status":"UPDATING","type":"NONE"}},"requestID":"b0000000-0000-4000-8000-000000000200","eventID":"e0000000-0000-4000-8000-000000000200","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}"#;

#[test]
fn a_finding_reads_as_documented() {
    let finding = one(&encryption(), EVENT);
    insta::assert_snapshot!("xray_encryption_changed", serde_json::to_string_pretty(&finding).unwrap());
}

/// The names of an object's members, in their order.
fn members(json: &str) -> Vec<String> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(json), Names).unwrap()
}

#[test]
fn every_field_is_there_also_where_there_is_nothing_to_say() {
    let bare = r#"{"eventSource":"xray.amazonaws.com","eventName":"PutEncryptionConfig"}"#;
    let rule = encryption();
    for text in [EVENT, bare] {
        let json = one(&rule, text).to_json();
        let expected = [
            "schema_version",
            "id",
            "time",
            "rule",
            "severity",
            "title",
            "actor",
            "account",
            "region",
            "source_ip",
            "group",
            "event_ids",
            "events",
            "why",
        ];
        assert_eq!(members(&json), expected);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(members(&value["actor"].to_string()).len(), 5);
        for name in ["name", "kind", "account", "arn", "session"] {
            assert!(value["actor"].get(name).is_some(), "actor.{name}");
        }
        for name in ["id", "title", "severity", "tags"] {
            assert!(value["rule"].get(name).is_some(), "rule.{name}");
        }
        for name in ["field", "operator", "value", "seen"] {
            assert!(value["why"][0].get(name).is_some(), "why.{name}");
        }
    }
    let value: Value = serde_json::from_str(&one(&rule, bare).to_json()).unwrap();
    for name in ["time", "account", "region", "source_ip"] {
        assert_eq!(value[name], Value::Null, "{name}");
    }
    let group = value["group"].as_array().unwrap();
    assert!(group.len() == 4 && group.iter().all(|part| part["field"].is_string() && part["value"].is_null()));
    assert_eq!(value["event_ids"], serde_json::json!([]));
    assert_eq!(value["schema_version"], SCHEMA_VERSION);
}

#[test]
fn the_same_occasion_has_the_same_id_whatever_way_it_comes() {
    let rule = encryption();
    let expected = one(&rule, EVENT).id;
    assert!(expected.len() == 32 && expected.bytes().all(|b| b.is_ascii_hexdigit()), "{expected}");
    let envelope = format!(r#"{{"id":"1","detail-type":"AWS API Call via CloudTrail","detail":{EVENT}}}"#);
    for text in [envelope, format!(r#"{{"Records":[{EVENT}]}}"#)] {
        assert_eq!(one(&rule, &text).id, expected, "{text}");
    }
    let place = LogPlace { stream: "s".into(), event_id: "7".into(), timestamp_ms: 1, ingestion_ms: 2 };
    let log_event = Origin { source: "group".into(), place: Place::LogEvent(Arc::new(place)) };
    assert_eq!(found_at(vec![rule.clone()], EVENT, &log_event)[0].id, expected);
    // A rule may be reworded.
    let mut reworded = rule;
    reworded.severity = trailwatch::rule::Severity::Low;
    reworded.tags.clear();
    assert_eq!(one(&reworded, EVENT).id, expected);
}

#[test]
fn another_rule_or_event_has_another_id() {
    let mut ids: Vec<String> = found(config::rules(&[]).rules, EVENT).into_iter().map(|finding| finding.id).collect();
    assert!(ids.len() >= 2, "several shipped rules match the event");
    ids.extend(["a", "b"].map(|id| one(&rule(id, "[match]\neventName = \"PutEncryptionConfig\"\n"), EVENT).id));
    let encryption = encryption();
    ids.push(one(&encryption, &EVENT.replace("8000-000000000200\",\"readOnly", "8000-000000000201\",\"readOnly")).id);
    ids.push(
        one(
            &encryption,
            &EVENT.replace(r#""recipientAccountId":"111122223333""#, r#""recipientAccountId":"444455556666""#),
        )
        .id,
    );
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn hostile_values_stay_inside_their_strings() {
    let hostile = "\",\"severity\":\"low\",\"x\":\"\u{1b}[2J\n\r\u{0}\u{2028}\u{202e}{actor.name}\\";
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["requestParameters"]["type"] = hostile.into();
    event["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] = hostile.into();
    event["userAgent"] = hostile.into();
    let json = one(&encryption(), &event.to_string()).to_json();
    assert!(!json.contains(|c: char| c.is_ascii_control()), "{json}");
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(members(&json).iter().filter(|name| *name == "severity").count(), 1);
    assert_eq!(value["severity"], "high");
    assert_eq!(
        value["title"],
        format!("X-Ray trace encryption set to {hostile} (key -) by {hostile} in 111122223333 us-east-1")
    );
    assert_eq!(value["actor"]["name"], hostile);
    assert_eq!(value["group"][2]["value"], hostile);
    assert_eq!(value["events"][0], event);
}

#[test]
fn an_event_is_carried_as_it_was_recorded() {
    let odd = EVENT.replace(
        r#"{"type":"NONE"}"#,
        r#"{"type":"N\u004fNE","rate":1.50e1,"big":123456789012345678901234567890,"type":1}"#,
    );
    let finding = one(&encryption(), &odd);
    assert_eq!(finding.events.iter().map(|event| event.get()).collect::<Vec<_>>(), [odd.as_str()]);
    assert!(finding.to_json().contains(&odd));
}

#[test]
fn a_finding_is_one_line_also_of_an_event_that_is_not() {
    let indented = serde_json::to_string_pretty(&serde_json::from_str::<Value>(EVENT).unwrap()).unwrap();
    let json = one(&encryption(), &indented).to_json();
    assert_eq!(json.lines().count(), 1);
}

/// The field, operator, value and seen of each line of `why`.
fn why(finding: &Finding) -> Vec<(&str, &str, &str, Option<&str>)> {
    finding
        .why
        .iter()
        .map(|why| (why.field.as_str(), why.operator.as_str(), why.value.as_str(), why.seen.as_deref()))
        .collect()
}

#[test]
fn why_holds_only_what_decided() {
    let rule = rule(
        "a",
        r#"
        [match]
        eventSource = "xray.amazonaws.com"
        "userAgent|not|contains" = "Terraform"
        [[either]]
        "requestParameters.type" = "KMS"
        [[either]]
        "requestParameters.type" = ["NONE", "OFF"]
        [[except]]
        name = "known"
        [except.when]
        recipientAccountId = "444455556666"
        awsRegion = "us-east-1"
        "#,
    );
    let finding = one(&rule, EVENT);
    let fields: Vec<&str> = finding.why.iter().map(|why| why.field.as_str()).collect();
    assert_eq!(fields, ["eventSource", "userAgent", "requestParameters.type", "recipientAccountId"]);
    insta::assert_debug_snapshot!("why", why(&finding));
}

#[test]
fn long_values_are_shortened_outside_the_event() {
    let long = "x".repeat(2000);
    let text = format!(
        r#"{{"eventSource":"s3.amazonaws.com","eventName":"A","eventID":"1","requestParameters":{{"name":"{long}"}}}}"#
    );
    let finding = one(&rule("a", "[match]\n\"requestParameters.name|startswith\" = \"x\"\n"), &text);
    assert_eq!(finding.title.chars().filter(|c| *c == 'x').count(), 120);
    assert_eq!(finding.why[0].seen.as_ref().unwrap().chars().filter(|c| *c == 'x').count(), 500);
    assert!(finding.events[0].get().contains(&long));
}

/// JSON escapes C0 alone; a terminal obeys C1 as well, and shows text turned around.
#[test]
fn printed_json_holds_nothing_that_a_terminal_obeys() {
    let event = EVENT.replace(r#"{"type":"NONE"}"#, r#"{"type":"\u009b2J\u202e\u007f"}"#);
    let finding = one(&encryption(), &event);
    let mut printed = Vec::new();
    Printer::new(&mut printed, Format::Json).finding(&finding, false).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert!(!printed.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{printed:?}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["group"][2]["value"], "\u{9b}2J\u{202e}\u{7f}");
}
