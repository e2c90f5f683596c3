//! EventBridge as a sink, by the real SDK against the stand-in: what is put, in which calls, and what each failure means.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use trailwatch::finding::{Finding, Why};
use trailwatch::sim::{Endpoint, Fault, PutEvent};
use trailwatch::sink::eventbridge::{EventBridge, Settings, connector, local_connector};
use trailwatch::sink::{Cause, Outcome, Sink};

use crate::foreign::{digest_of, finding};

const PUT: &str = "PutEvents";

fn sink(endpoint: &Endpoint, instance: &str) -> EventBridge {
    EventBridge::new("bus", Settings::new(instance), local_connector(endpoint.url(), "us-east-1")).unwrap()
}

fn findings(count: usize) -> Vec<Arc<Finding>> {
    (0..count).map(|n| Arc::new(Finding { id: format!("{n:032x}"), ..finding() })).collect()
}

/// A finding about an event of this text.
fn about(event: &str) -> Arc<Finding> {
    Arc::new(Finding { events: vec![RawValue::from_string(event.to_owned()).unwrap()], ..finding() })
}

/// A finding whose event has so many bytes.
fn large(bytes: usize) -> Arc<Finding> {
    about(&format!("{{\"x\":\"{}\"}}", "y".repeat(bytes.saturating_sub(8))))
}

fn detail(event: &PutEvent) -> Value {
    serde_json::from_str(&event.detail).unwrap()
}

fn ids(events: &[PutEvent]) -> Vec<String> {
    events.iter().map(|event| detail(event)["id"].as_str().unwrap().to_owned()).collect()
}

fn retries(outcomes: &[Outcome]) -> Vec<usize> {
    (0..outcomes.len()).filter(|at| matches!(outcomes[*at], Outcome::Retry { .. })).collect()
}

#[tokio::test]
async fn an_event_is_the_finding_and_says_who_sent_it() {
    let endpoint = Endpoint::start().await.unwrap();
    let settings = Settings { bus: "security".into(), source: "acme.trailwatch".into(), ..Settings::new("eu-1") };
    let connect = local_connector(endpoint.url(), "us-east-1");
    let mut sink = EventBridge::new("bus", settings, connect).unwrap();
    assert_eq!(sink.deliver(&[Arc::new(finding())]).await.unwrap(), [Outcome::Delivered]);
    let events = endpoint.buses().put();
    let event = &events[0];
    assert_eq!((event.event_bus_name.as_deref(), &*event.source), (Some("security"), "acme.trailwatch"));
    assert_eq!(event.detail_type, "Trailwatch Finding");
    assert_eq!(event.time, Some(1_768_478_400.0));
    let trace = event.trace_header.as_deref().unwrap();
    assert!(trace.starts_with("Root=1-") && trace.ends_with("-41f6eda10ab10aa295dcba31"), "{trace}");
    // The finding byte for byte, and one member more.
    let marker = r#","trailwatch":{"instance":"eu-1","hops":1,"via":[],"trimmed":[]}}"#;
    assert_eq!(event.detail, finding().to_json().strip_suffix('}').unwrap().to_owned() + marker);
}

#[tokio::test]
async fn a_call_has_ten_entries_at_most() {
    let endpoint = Endpoint::start().await.unwrap();
    let batch = findings(23);
    assert_eq!(sink(&endpoint, "a").deliver(&batch).await.unwrap(), vec![Outcome::Delivered; 23]);
    assert_eq!(endpoint.logs().calls(PUT), 3);
    assert_eq!(ids(&endpoint.buses().put()), batch.iter().map(|finding| finding.id.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_has_256_kb_at_most() {
    let endpoint = Endpoint::start().await.unwrap();
    let batch = vec![large(100_000), large(100_000), large(100_000), large(200_000), large(100)];
    assert_eq!(sink(&endpoint, "a").deliver(&batch).await.unwrap(), vec![Outcome::Delivered; 5]);
    assert_eq!(endpoint.logs().calls(PUT), 3);
}

#[tokio::test]
async fn only_entries_that_failed_come_again() {
    let endpoint = Endpoint::start().await.unwrap();
    let failing = [(1, "ThrottlingException"), (3, "InternalFailure"), (4, "MalformedDetail"), (5, "Whatever")];
    let failing = failing.map(|(at, code)| (at, code.to_owned())).to_vec();
    endpoint.logs().faults().next_for(PUT, Fault::FailedEntries(failing));
    let batch = findings(7);
    let mut sink = sink(&endpoint, "a");
    let outcomes = sink.deliver(&batch).await.unwrap();
    assert_eq!(retries(&outcomes), [1, 3, 5]);
    assert_eq!(outcomes[4], Outcome::Refused("MalformedDetail: entry 4 is not taken".into()));
    let again: Vec<Arc<Finding>> = retries(&outcomes).into_iter().map(|at| Arc::clone(&batch[at])).collect();
    assert_eq!(sink.deliver(&again).await.unwrap(), vec![Outcome::Delivered; 3]);
    let mut put = ids(&endpoint.buses().put());
    put.sort();
    let expected: Vec<String> = [0, 1, 2, 3, 5, 6].map(|at: usize| batch[at].id.clone()).to_vec();
    assert_eq!(put, expected, "each once");
}

#[tokio::test]
async fn what_can_never_be_put_is_refused_by_its_code() {
    let codes = [
        ("InvalidArgument", true),
        ("MalformedDetail", true),
        ("NotAuthorizedForSourceException", true),
        ("NotAuthorizedForDetailTypeException", true),
        ("InvalidAccountIdException", true),
        ("RedactionFailure", true),
        ("AccessDeniedException", false),
        ("ThrottlingException", false),
        ("InternalFailure", false),
        ("SomethingNew", false),
    ];
    let endpoint = Endpoint::start().await.unwrap();
    let failing = codes.iter().enumerate().map(|(at, (code, _))| (at, (*code).to_owned())).collect();
    endpoint.logs().faults().next_for(PUT, Fault::FailedEntries(failing));
    let outcomes = sink(&endpoint, "a").deliver(&findings(codes.len())).await.unwrap();
    for ((code, is_final), outcome) in codes.iter().zip(outcomes) {
        assert_eq!(matches!(outcome, Outcome::Refused(_)), *is_final, "{code}: {outcome:?}");
    }
}

#[tokio::test]
async fn when_nobody_is_there_a_call_comes_again_and_no_further_one_is_made() {
    let faults = [
        Fault::Throttle,
        Fault::unavailable(),
        Fault::internal_failure(),
        Fault::access_denied(),
        Fault::expired_token(),
        Fault::Reset,
        Fault::TruncatedBody,
    ];
    for fault in faults {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.logs().faults().next_for(PUT, fault.clone());
        let mut sink = sink(&endpoint, "a");
        let batch = findings(25);
        let outcomes = sink.deliver(&batch).await.unwrap();
        assert_eq!((outcomes.len(), retries(&outcomes).len()), (10, 10), "{fault:?}: {outcomes:?}");
        assert_eq!(endpoint.logs().calls(PUT), 1, "{fault:?}");
        assert_eq!(sink.deliver(&batch).await.unwrap(), vec![Outcome::Delivered; 25], "{fault:?}");
    }
}

#[tokio::test]
async fn a_digest_has_a_detail_type_of_its_own() {
    let endpoint = Endpoint::start().await.unwrap();
    let batch = [Arc::new(finding()), Arc::new(digest_of(&finding()))];
    assert_eq!(sink(&endpoint, "a").deliver(&batch).await.unwrap(), vec![Outcome::Delivered; 2]);
    let types: Vec<String> = endpoint.buses().put().into_iter().map(|event| event.detail_type).collect();
    assert_eq!(types, ["Trailwatch Finding", "Trailwatch Finding Digest"]);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let endpoint = Endpoint::start().await.unwrap();
    endpoint.logs().faults().next_for(PUT, Fault::Delay(Duration::from_millis(50)));
    assert_eq!(sink(&endpoint, "a").deliver(&findings(1)).await.unwrap(), [Outcome::Delivered]);
}

#[tokio::test]
async fn the_entry_that_a_call_is_refused_for_is_found() {
    let endpoint = Endpoint::start().await.unwrap();
    let refusal = Fault::error(400, "ValidationException", "1 validation error detected");
    // The call of all, then the second of those alone.
    endpoint.logs().faults().next_for(PUT, refusal.clone());
    endpoint.logs().faults().next_for(PUT, Fault::FailedEntries(Vec::new()));
    endpoint.logs().faults().next_for(PUT, refusal);
    let outcomes = sink(&endpoint, "a").deliver(&findings(3)).await.unwrap();
    let refused = Outcome::Refused("ValidationException: 1 validation error detected".into());
    assert_eq!(outcomes, [Outcome::Delivered, refused, Outcome::Delivered]);
}

#[tokio::test]
async fn what_is_too_large_is_trimmed_and_says_so() {
    let endpoint = Endpoint::start().await.unwrap();
    let why = |bytes: usize| Why { field: "f".into(), operator: "o".into(), value: "v".repeat(bytes), seen: None };
    let of_why = Arc::new(Finding { why: vec![why(300_000)], ..finding() });
    let hopeless = Arc::new(Finding { title: "t".repeat(300_000), ..finding() });
    let fits = large(250_000);
    let mut sink = sink(&endpoint, "a");
    let outcomes = sink.deliver(&[Arc::clone(&fits), large(300_000), of_why, hopeless]).await.unwrap();
    assert_eq!(outcomes[..3], vec![Outcome::Delivered; 3]);
    assert!(matches!(&outcomes[3], Outcome::Refused(reason) if reason.contains("too large")), "{:?}", outcomes[3]);
    let details: Vec<Value> = endpoint.buses().put().iter().map(detail).collect();
    let trimmed: Vec<&Value> = details.iter().map(|detail| &detail["trailwatch"]["trimmed"]).collect();
    let [none, events, both] =
        [serde_json::json!([]), serde_json::json!(["events"]), serde_json::json!(["events", "why"])];
    assert_eq!(trimmed, [&none, &events, &both]);
    assert_eq!(details[1]["events"], none);
    assert_eq!(details[1]["event_ids"], serde_json::json!(finding().event_ids));
    assert_eq!(details[0]["events"][0].to_string(), fits.events[0].get());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// The stand-in refuses calls that are too large, and counts entries as AWS does.
    #[test]
    fn whatever_their_sizes_findings_are_put_each_once(sizes in prop::collection::vec(0..400_000_usize, 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endpoint = Endpoint::start().await.unwrap();
            let batch: Vec<Arc<Finding>> = sizes.iter().map(|size| large(*size)).collect();
            let outcomes = sink(&endpoint, "a").deliver(&batch).await.unwrap();
            assert_eq!(outcomes, vec![Outcome::Delivered; batch.len()]);
            assert_eq!(endpoint.buses().put().len(), batch.len());
            assert!(endpoint.logs().requests().iter().all(|request| request.operation == PUT));
        });
    }
}

/// The event that a Trailwatch reads when a finding of another comes back: in its envelope, or taken out of it.
async fn come_back(sender: &str, finding: &Arc<Finding>, enveloped: bool) -> String {
    let endpoint = Endpoint::start().await.unwrap();
    let outcomes = sink(&endpoint, sender).deliver(&[Arc::clone(finding)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Delivered], "{sender}");
    let event = endpoint.buses().put().remove(0);
    match enveloped {
        true => format!(r#"{{"source":"trailwatch","detail-type":"Trailwatch Finding","detail":{}}}"#, event.detail),
        false => event.detail,
    }
}

#[tokio::test]
async fn a_finding_never_goes_in_circles_and_may_go_in_a_chain() {
    for enveloped in [true, false] {
        let endpoint = Endpoint::start().await.unwrap();
        let first = come_back("a", &Arc::new(finding()), enveloped).await;
        let own = sink(&endpoint, "a").deliver(&[about(&first)]).await.unwrap();
        assert!(matches!(&own[0], Outcome::Refused(reason) if reason.contains("`a` itself")), "{own:?}");
        let second = come_back("b", &about(&first), enveloped).await;
        for instance in ["a", "b"] {
            let outcome = sink(&endpoint, instance).deliver(&[about(&second)]).await.unwrap().remove(0);
            assert!(matches!(outcome, Outcome::Refused(_)), "{instance}: {outcome:?}");
        }
        assert!(endpoint.buses().put().is_empty());
        assert_eq!(sink(&endpoint, "c").deliver(&[about(&second)]).await.unwrap(), [Outcome::Delivered]);
        let marker = &detail(&endpoint.buses().put()[0])["trailwatch"];
        assert_eq!((&marker["hops"], &marker["via"]), (&3.into(), &serde_json::json!(["b", "a"])));
    }
}

#[tokio::test]
async fn a_chain_has_an_end_and_forged_ways_do_no_harm() {
    let endpoint = Endpoint::start().await.unwrap();
    let mut event = come_back("i0", &Arc::new(finding()), false).await;
    for n in 1..8 {
        event = come_back(&format!("i{n}"), &about(&event), false).await;
    }
    let mut sink = sink(&endpoint, "z");
    let outcome = sink.deliver(&[about(&event)]).await.unwrap().remove(0);
    assert!(matches!(&outcome, Outcome::Refused(reason) if reason.contains("8 instances")), "{outcome:?}");
    for forged in [
        r#"{"trailwatch":7}"#,
        r#"{"trailwatch":{"instance":["z"]}}"#,
        r#"{"trailwatch":{"instance":"z","instance":"z"}}"#,
        r#"{"requestParameters":{"trailwatch":{"instance":"z"}}}"#,
        r#"{"detail":"trailwatch"}"#,
    ] {
        assert_eq!(sink.deliver(&[about(forged)]).await.unwrap(), [Outcome::Delivered], "{forged}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_made_is_asked_for_again() {
    let endpoint = Endpoint::start().await.unwrap();
    let connect = connector(|| async { Err("no credentials for the default profile".to_owned()) });
    let mut away = EventBridge::new("bus", Settings::new("a"), connect).unwrap();
    let reason = Outcome::retry(Cause::NoAnswer, "no credentials for the default profile");
    assert_eq!(away.deliver(&findings(2)).await.unwrap(), vec![reason; 2]);
    assert!(endpoint.buses().put().is_empty());
}

#[test]
fn settings_that_cannot_be_are_named() {
    let problem = |change: fn(&mut Settings)| {
        let mut settings = Settings::new("a");
        change(&mut settings);
        let made = EventBridge::new("bus", settings, local_connector("http://127.0.0.1:1", "us-east-1"));
        made.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(problem(|_| {}), "");
    assert_eq!(problem(|settings| settings.bus = "arn:aws:events:us-east-1:111122223333:event-bus/x".into()), "");
    let table = [
        problem(|settings| settings.bus.clear()),
        problem(|settings| settings.bus = "a b".into()),
        problem(|settings| settings.source = "aws.xray".into()),
        problem(|settings| settings.detail_type = "x".repeat(129)),
        problem(|settings| settings.instance.clear()),
        problem(|settings| settings.instance = "ä".into()),
    ];
    insta::assert_snapshot!("eventbridge_settings", table.join("\n"));
}
