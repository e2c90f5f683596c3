//! What the demo and the integration tests count on.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::*;

fn first(seed: u64, count: usize) -> Vec<Planned> {
    Stream::new(seed).take(count).collect()
}

fn parse(planned: &Planned) -> Value {
    serde_json::from_str(&planned.message).unwrap_or_else(|error| panic!("{error}: {}", planned.message))
}

fn records(planned: &[Planned]) -> Vec<(&Planned, Value)> {
    let whole = planned.iter().filter(|planned| planned.label != Label::Broken);
    whole.map(|planned| (planned, parse(planned))).collect()
}

/// Finds the records planted under a name.
fn planted(planned: &[Planned], name: &str) -> Vec<Value> {
    let bears_name = |planned: &&Planned| match planned.label {
        Label::XrayChange(kind) | Label::Attack(kind) | Label::LookAlike(kind) => kind == name,
        Label::Everyday | Label::Broken => false,
    };
    let originals = planned.iter().filter(|planned| !planned.repeated);
    originals.filter(bears_name).map(parse).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(first(7, 700), first(7, 700));
    assert_ne!(first(7, 20), first(8, 20));
    let moved: Vec<Planned> = Stream::starting_at(7, DEFAULT_BASE_MS + 1, DEFAULT_INTERVAL_MS).take(20).collect();
    assert_ne!(first(7, 20), moved);
}

#[test]
fn the_first_deck_holds_one_of_everything() {
    for seed in 0..40 {
        let summary: Summary = first(seed, 300).iter().collect();
        assert_eq!(summary.xray_changes, XRAY_CHANGES.map(|name| (name, 1)).into(), "seed {seed}");
        assert_eq!(summary.attacks, ATTACKS.map(|name| (name, 1)).into(), "seed {seed}");
        assert_eq!(summary.look_alikes, LOOK_ALIKES.map(|name| (name, 1)).into(), "seed {seed}");
        assert_eq!(summary.of_interest(), 13);
        assert_eq!((summary.repeated, summary.broken, summary.late), (3, 2, 6), "seed {seed}");
    }
}

#[test]
fn a_long_run_keeps_the_shares() {
    let summary: Summary = Stream::new(3).skip(300).take(4_000).collect::<Vec<_>>().iter().collect();
    assert_eq!(summary.messages, 4_000);
    assert_eq!(summary.of_interest(), 60);
    assert_eq!((summary.repeated, summary.late, summary.broken), (40, 80, 20));
}

#[test]
fn every_record_bears_what_its_class_has() {
    let planned = first(11, 3_000);
    let mut classes: HashMap<String, usize> = HashMap::new();
    for (planned, record) in records(&planned) {
        let text = |field: &str| record[field].as_str().map(str::to_owned);
        let event_type = text("eventType").unwrap();
        assert_eq!(text("eventID"), planned.event_id);
        let event_time: jiff::Timestamp = text("eventTime").unwrap().parse().unwrap();
        assert_eq!(event_time.as_second(), planned.timing.event_ms().div_euclid(1_000));
        assert_eq!(text("recipientAccountId").unwrap().len(), 12);
        let named = event_type != "AwsCloudTrailInsight";
        for field in ["eventName", "eventSource", "userAgent", "sourceIPAddress"] {
            assert_eq!(text(field).is_some(), named, "{field}: {}", planned.message);
        }
        assert_eq!(record["userIdentity"].is_object(), named);
        assert!(!planned.message.contains('$'), "unfilled: {}", planned.message);
        assert!(!planned.message.contains('\n'));
        *classes.entry(event_type).or_default() += 1;
    }
    for class in ["AwsApiCall", "AwsServiceEvent", "AwsConsoleSignIn", "AwsCloudTrailInsight"] {
        assert!(classes.contains_key(class), "{class}");
    }
}

#[test]
fn the_traffic_is_varied_and_of_real_size() {
    let planned = first(5, 5_000);
    let records = records(&planned);
    let distinct = |field: fn(&Value) -> &Value| {
        let values = records.iter().map(|(_, record)| field(record).to_string());
        values.collect::<BTreeSet<String>>()
    };
    assert!(distinct(|record| &record["eventName"]).len() >= 60);
    assert_eq!(distinct(|record| &record["recipientAccountId"]).len(), 4);
    assert!(distinct(|record| &record["awsRegion"]).len() >= 3);
    let types = distinct(|record| &record["userIdentity"]["type"]);
    for kind in ["AssumedRole", "IAMUser", "AWSService", "AWSAccount", "Root", "IdentityCenterUser"] {
        assert!(types.contains(&format!("\"{kind}\"")), "{kind} in {types:?}");
    }
    let sizes: Vec<usize> = records.iter().map(|(planned, _)| planned.message.len()).collect();
    let mean = sizes.iter().sum::<usize>() / sizes.len();
    assert!((1_200..=1_500).contains(&mean), "mean size {mean}");
    assert!(sizes.iter().any(|&bytes| bytes > 4_000));
    let reads = records.iter().filter(|(_, record)| record["readOnly"] == true).count();
    assert!(reads * 100 / records.len() > 70, "{reads} reads");
    let backwards = records.windows(2).filter(|pair| pair[0].1["eventTime"].as_str() > pair[1].1["eventTime"].as_str());
    let share = backwards.count() * 100 / records.len();
    assert!((5..=25).contains(&share), "{share} % of neighbours out of order");
}

#[test]
fn booleans_of_a_session_are_strings() {
    let planned = first(5, 500);
    let records = records(&planned);
    let mfa =
        records.iter().map(|(_, record)| &record["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"]);
    let seen: HashSet<&Value> = mfa.filter(|value| !value.is_null()).collect();
    assert_eq!(seen, [&Value::from("true"), &Value::from("false")].into());
}

#[test]
fn event_ids_differ_and_repeats_are_exact() {
    let planned = first(9, 4_000);
    let mut seen: HashMap<&str, &Planned> = HashMap::new();
    let mut of_interest_repeated = 0;
    for planned in planned.iter().filter(|planned| planned.label != Label::Broken) {
        let event_id = planned.event_id.as_deref().unwrap();
        if planned.repeated {
            let original = seen[event_id];
            assert_eq!((&planned.message, planned.label), (&original.message, original.label));
            of_interest_repeated += usize::from(planned.label.is_of_interest());
        } else {
            assert!(seen.insert(event_id, planned).is_none(), "{event_id} came twice");
        }
    }
    assert!(of_interest_repeated > 0);
}

#[test]
fn late_events_are_late_and_one_of_them_matters() {
    for seed in 0..20 {
        let planned = first(seed, 300);
        for planned in &planned {
            let lag_ms = planned.timing.visible_at_ms() - planned.timing.delivery_ms;
            let expected = if planned.late { 3_000..=40_000 } else { 0..=0 };
            assert!(expected.contains(&lag_ms), "{lag_ms}");
        }
        assert!(planned.iter().any(|planned| planned.late && planned.label.is_of_interest()), "seed {seed}");
    }
}

#[test]
fn events_are_delivered_at_the_interval() {
    let planned: Vec<Planned> = Stream::starting_at(1, 1_800_000_000_000, 250).take(50).collect();
    for (number, planned) in planned.iter().enumerate() {
        assert_eq!(planned.timing.delivery_ms, 1_800_000_000_000 + 250 * number as i64);
        assert!(planned.timing.event_age_ms >= 30_000);
    }
}

#[test]
fn broken_messages_are_no_json() {
    let planned = first(2, 4_000);
    let broken: Vec<&Planned> = planned.iter().filter(|planned| planned.label == Label::Broken).collect();
    assert!(broken.iter().all(|planned| serde_json::from_str::<Value>(&planned.message).is_err()));
    assert!(broken.iter().any(|planned| planned.message.starts_with("{\"eventVersion\"")));
    assert!(broken.iter().any(|planned| planned.message.starts_with("CWL")));
}

#[test]
fn planted_events_are_what_their_names_say() {
    let planned: Vec<Planned> = (0..8).flat_map(|seed| first(seed, 300)).collect();
    let planted = |name: &str| planted(&planned, name);
    let check = |name: &str, pointer: &str, expected: Value| {
        let records = planted(name);
        assert_eq!(records.len(), 8, "{name}");
        for record in records {
            let operation = name.split(' ').next().unwrap();
            assert_eq!(record["eventName"], operation);
            assert_eq!(record.pointer(pointer), Some(&expected), "{name}: {record}");
        }
    };
    check("PutEncryptionConfig to NONE", "/requestParameters/type", "NONE".into());
    check("PutEncryptionConfig to a new KMS key", "/requestParameters/type", "KMS".into());
    check("UpdateSamplingRule of Default to zero", "/requestParameters/samplingRuleUpdate/fixedRate", 0.0.into());
    check("CreateSamplingRule with rate zero", "/requestParameters/samplingRule/priority", 1.into());
    check("DeleteSamplingRule", "/eventSource", "xray.amazonaws.com".into());
    let insights = "/requestParameters/insightsConfiguration/insightsEnabled";
    check("UpdateGroup without insights", insights, false.into());
    check("PutResourcePolicy for everyone", "/eventSource", "xray.amazonaws.com".into());
    check("UpdateTraceSegmentDestination", "/requestParameters/destination", "CloudWatchLogs".into());
    check("PutEncryptionConfig denied", "/errorCode", "AccessDeniedException".into());
    check("StopLogging", "/eventSource", "cloudtrail.amazonaws.com".into());
    check("ConsoleLogin by root without MFA", "/additionalEventData/MFAUsed", "No".into());
    check("ConsoleLogin by root without MFA", "/userIdentity/type", "Root".into());
    check(
        "UpdateGroup of the filter only",
        "/responseElements/group/insightsConfiguration/insightsEnabled",
        true.into(),
    );
    for record in planted("CreateAccessKey for oneself") {
        assert_eq!(record["requestParameters"]["userName"], record["userIdentity"]["userName"]);
    }
    for record in planted("CreateAccessKey for another user") {
        assert_ne!(record["requestParameters"]["userName"], record["userIdentity"]["userName"]);
    }
}

#[test]
fn fields_come_in_the_order_of_cloudtrail() {
    let order = [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "requestParameters",
        "responseElements",
        "requestID",
        "eventID",
        "readOnly",
        "eventType",
        "managementEvent",
        "recipientAccountId",
        "eventCategory",
        "tlsDetails",
    ];
    let planned = first(1, 300);
    let is_plain = |planned: &&Planned| planned.label == Label::XrayChange("DeleteSamplingRule");
    let message = &planned.iter().find(is_plain).unwrap().message;
    let places: Vec<usize> = order.iter().map(|field| message.find(&format!("\"{field}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{message}");
}
