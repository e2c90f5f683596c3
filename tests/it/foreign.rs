//! Findings in the formats of others: what their schemas require is there, and of the type that they want.

use std::borrow::Cow;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trailwatch::finding::digest::{Held, kept};
use trailwatch::finding::foreign::{ecs, ocsf};
use trailwatch::finding::{Finding, FindingActor, FindingGroup, FindingRule, SCHEMA_VERSION, Why};
use trailwatch::rule::Severity;

/// A finding of which every value that an event decides is `value`, if it is given.
pub fn finding_of(value: Option<&str>, severity: Severity) -> Finding {
    let text = |everyday: &str| value.unwrap_or(everyday).to_owned();
    let event = json!({
        "eventSource": "xray.amazonaws.com",
        "eventName": text("PutEncryptionConfig"),
        "eventID": text("e0000000-0000-4000-8000-000000000200"),
        "userAgent": text("aws-cli/2.17.0"),
        "requestParameters": {"type": text("NONE")},
    });
    Finding {
        schema_version: Cow::Borrowed(SCHEMA_VERSION),
        id: "41f6eda10ab10aa295dcba312e4439a2".to_owned(),
        time: Some("2026-01-15T12:00:00Z".to_owned()),
        rule: FindingRule {
            id: "xray-encryption-changed".to_owned(),
            title: "X-Ray trace encryption set to {requestParameters.type}".to_owned(),
            severity,
            tags: ["attack.t1685.002", "attack.t1565", "attack.persistence", "service.xray"]
                .map(str::to_owned)
                .to_vec(),
        },
        severity,
        title: format!("X-Ray trace encryption set to {}", text("NONE")),
        actor: FindingActor {
            name: text("deploy"),
            kind: Cow::Borrowed("role"),
            account: Some(text("111122223333")),
            arn: Some(text("arn:aws:iam::111122223333:role/deploy")),
            session: Some(text("alice")),
        },
        account: Some(text("111122223333")),
        region: Some(text("us-east-1")),
        source_ip: Some(text("198.51.100.7")),
        group: vec![FindingGroup { field: "awsRegion".to_owned(), value: Some(text("us-east-1")) }],
        event_ids: vec![text("e0000000-0000-4000-8000-000000000200")],
        events: vec![RawValue::from_string(event.to_string()).unwrap()],
        digest: None,
        why: vec![Why {
            field: "requestParameters.type".to_owned(),
            operator: "equals".to_owned(),
            value: "NONE".to_owned(),
            seen: Some(text("NONE")),
        }],
    }
}

/// An everyday finding.
pub fn finding() -> Finding {
    finding_of(None, Severity::High)
}

/// A finding of which next to nothing is known.
pub fn bare() -> Finding {
    Finding {
        time: None,
        account: None,
        region: None,
        source_ip: None,
        event_ids: Vec::new(),
        events: vec![RawValue::from_string("{}".to_owned()).unwrap()],
        actor: FindingActor { account: None, arn: None, session: None, ..finding().actor },
        rule: FindingRule { tags: Vec::new(), ..finding().rule },
        ..finding()
    }
}

/// The digest of two that were held back beside a finding, a minute and two after it.
pub fn digest_of(finding: &Finding) -> Finding {
    let at_ms = made().as_millisecond();
    let mut held = Held::new(finding, at_ms + 120_000);
    held.add(
        &Finding { actor: FindingActor { name: "carol".to_owned(), ..finding.actor.clone() }, ..finding.clone() },
        at_ms + 60_000,
    );
    held.digest(&kept(finding))
}

fn made() -> Timestamp {
    "2026-01-15T12:00:05Z".parse().unwrap()
}

/// What a schema wants of a place: `*` stands for every element of a list.
type Want = (&'static str, fn(&Value) -> bool);

#[track_caller]
fn check(document: &Value, wants: &[Want]) {
    for (path, is_good) in wants {
        let mut places = vec![document];
        for step in path.split('/') {
            places = match step {
                "*" => places.into_iter().flat_map(|place| place.as_array().unwrap()).collect(),
                name => places.into_iter().map(|place| &place[name]).collect(),
            };
        }
        assert!(places.into_iter().all(is_good), "{path} in {document}");
    }
}

/// Required by <https://schema.ocsf.io/1.5.0/classes/detection_finding>, with the objects that it leads to.
const OCSF: &[Want] = &[
    ("activity_id", |value| *value == 1),
    ("category_uid", |value| *value == 2),
    ("class_uid", |value| *value == 2004),
    ("type_uid", |value| *value == 200_401),
    ("time", Value::is_i64),
    ("severity_id", |value| value.as_i64().is_some_and(|id| (1..=5).contains(&id))),
    ("metadata/version", |value| *value == "1.5.0"),
    ("metadata/product/name", Value::is_string),
    ("metadata/product/vendor_name", Value::is_string),
    ("metadata/profiles", |value| *value == json!(["cloud"])),
    ("cloud/provider", |value| *value == "AWS"),
    ("finding_info/uid", Value::is_string),
    ("finding_info/title", Value::is_string),
    ("finding_info/analytic/type_id", |value| *value == 1),
    ("finding_info/analytic/uid", Value::is_string),
    ("evidences/*/actor/user/name", Value::is_string),
];

/// Of an everyday finding also what is recommended, and what the objects need that are then there.
const OCSF_MORE: &[Want] = &[
    ("start_time", |value| *value == 1_768_478_400_000_i64),
    ("end_time", |value| *value == 1_768_478_400_000_i64),
    ("cloud/account/uid", |value| *value == "111122223333"),
    ("cloud/region", |value| *value == "us-east-1"),
    ("evidences/*/api/operation", |value| *value == "PutEncryptionConfig"),
    ("evidences/*/api/service/name", |value| *value == "xray.amazonaws.com"),
    ("evidences/*/src_endpoint/ip", |value| *value == "198.51.100.7"),
    ("evidences/*/data", Value::is_object),
    ("finding_info/attacks/*/technique/uid", Value::is_string),
];

/// Required by <https://www.elastic.co/docs/reference/ecs/ecs-guidelines>, and what tells an alert.
const ECS: &[Want] = &[
    ("@timestamp", |value| value.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok())),
    ("ecs/version", Value::is_string),
    ("event/kind", |value| *value == "alert"),
    ("event/id", Value::is_string),
    ("event/severity", Value::is_i64),
    ("event/created", |value| *value == "2026-01-15T12:00:05Z"),
    ("rule/id", Value::is_string),
    ("cloud/provider", |value| *value == "aws"),
    ("user/name", Value::is_string),
    ("related/user", Value::is_array),
];

const ECS_MORE: &[Want] = &[
    ("event/action", |value| *value == "PutEncryptionConfig"),
    ("event/provider", |value| *value == "xray.amazonaws.com"),
    ("event/outcome", |value| *value == "success"),
    ("event/original", Value::is_string),
    ("source/ip", |value| *value == "198.51.100.7"),
    ("cloud/account/id", |value| *value == "111122223333"),
    ("threat/technique/id", |value| *value == json!(["T1685", "T1565"])),
    ("threat/technique/subtechnique/id", |value| *value == json!(["T1685.002"])),
];

#[test]
fn what_ocsf_requires_is_there() {
    let everyday = ocsf::detection_finding(&finding(), made());
    check(&everyday, OCSF);
    check(&everyday, OCSF_MORE);
    check(&ocsf::detection_finding(&bare(), made()), OCSF);
    insta::assert_snapshot!("finding_ocsf", serde_json::to_string_pretty(&everyday).unwrap());
    let digest = ocsf::detection_finding(&digest_of(&finding()), made());
    let (evidence, needed) = OCSF.split_last().unwrap();
    assert!(evidence.0.starts_with("evidences/") && digest.get("evidences").is_none());
    check(&digest, needed);
    insta::assert_snapshot!("digest_ocsf", serde_json::to_string_pretty(&digest).unwrap());
}

#[test]
fn what_ecs_requires_is_there() {
    let everyday = ecs::alert(&finding(), made());
    check(&everyday, ECS);
    check(&everyday, ECS_MORE);
    check(&ecs::alert(&bare(), made()), ECS);
    insta::assert_snapshot!("finding_ecs", serde_json::to_string_pretty(&everyday).unwrap());
    let digest = ecs::alert(&digest_of(&finding()), made());
    check(&digest, ECS);
    insta::assert_snapshot!("digest_ecs", serde_json::to_string_pretty(&digest).unwrap());
}

#[test]
fn severities_are_counted_as_ocsf_counts_them() {
    let severities = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let told = severities.map(|severity| {
        let document = ocsf::detection_finding(&finding_of(None, severity), made());
        (document["severity_id"].as_u64().unwrap(), document["severity"].as_str().unwrap().to_owned())
    });
    let words = ["Informational", "Low", "Medium", "High", "Critical"];
    let expected: Vec<(u64, String)> = (1..).zip(words.map(str::to_owned)).collect();
    assert_eq!(told.to_vec(), expected);
}

/// Whether something is there and says nothing.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

#[test]
fn what_is_not_known_is_left_out_and_not_null() {
    let bare = Finding { group: Vec::new(), why: Vec::new(), ..bare() };
    for finding in [&bare, &digest_of(&bare)] {
        for document in [ocsf::detection_finding(finding, made()), ecs::alert(finding, made())] {
            assert!(!has_null(&document), "{document}");
        }
    }
}

#[test]
fn a_service_that_called_is_no_address() {
    let finding = Finding { source_ip: Some("cloudformation.amazonaws.com".to_owned()), ..finding() };
    let endpoint = &ocsf::detection_finding(&finding, made())["evidences"][0]["src_endpoint"];
    assert_eq!(*endpoint, json!({"svc_name": "cloudformation.amazonaws.com"}));
    let document = ecs::alert(&finding, made());
    assert_eq!(document["source"], json!({"address": "cloudformation.amazonaws.com"}));
    assert_eq!(document["related"], json!({"user": ["deploy"]}));
}

/// The lines that the binary prints of the recorded events of a fixture.
fn scanned(format: &str) -> Vec<Value> {
    let fixture = "tests/fixtures/scan/with-garbage.jsonl";
    let rule = "tests/fixtures/good-rules/trail-stopped.toml";
    let output = Command::new(env!("CARGO_BIN_EXE_trailwatch"))
        .args(["scan", "-o", format, "--rules", rule, fixture])
        .env_clear()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_binary_prints_one_document_a_finding() {
    let ids = |documents: &[Value], path: &str| -> Vec<Value> {
        documents.iter().map(|document| document.pointer(path).unwrap().clone()).collect()
    };
    let own = ids(&scanned("json"), "/id");
    assert!(!own.is_empty());
    assert_eq!(ids(&scanned("ocsf"), "/finding_info/uid"), own);
    assert_eq!(ids(&scanned("ecs"), "/event/id"), own);
    scanned("ocsf").iter().for_each(|document| check(document, OCSF));
}
