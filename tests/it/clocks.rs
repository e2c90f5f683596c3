//! What is easily taken for something else: three clocks, re-statements, parts left out, calls for each rule, a pipe that buffers.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trailwatch::sim::{Endpoint, LogEvent};

use super::sqs::patiently;
use super::verify::{binary, trailwatch};

const GROUP: &str = "aws-cloudtrail-logs";

async fn lab() -> Endpoint {
    let endpoint = Endpoint::start().await.unwrap();
    endpoint.logs().create_group(GROUP);
    endpoint
}

fn ago(minutes: i64) -> Timestamp {
    Timestamp::now().checked_sub(SignedDuration::from_mins(minutes)).unwrap()
}

/// Delivers a record some minutes ago.
fn deliver(endpoint: &Endpoint, minutes: i64, record: &Value) {
    let event = LogEvent { timestamp_ms: ago(minutes).as_millisecond(), message: record.to_string() };
    endpoint.logs().put(GROUP, "stream", event);
}

fn record(number: usize, more: Value) -> Value {
    let mut record = json!({"eventVersion": "1.11", "eventSource": "s3.amazonaws.com", "eventName": "DeleteBucket",
        "recipientAccountId": "111122223333", "eventTime": "2026-01-05T03:05:00Z",
        "eventID": format!("e0000000-0000-4000-8000-{number:012}")});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// A folder with rules of these conditions, under the ids `r0`, `r1`….
fn rules(conditions: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, condition) in conditions.iter().enumerate() {
        let mut text = format!("id = \"r{number}\"\ntitle = \"r\"\nseverity = \"high\"\n");
        let _ = writeln!(text, "[match]\n{condition}");
        std::fs::write(folder.path().join(format!("r{number}.toml")), text).unwrap();
    }
    folder
}

/// The findings of `tail` without `-f`, in their order.
async fn tailed(endpoint: &Endpoint, rules: &tempfile::TempDir, since: &str) -> Vec<Value> {
    let rules = rules.path().to_str().unwrap();
    let args = ["tail", "--log-group", GROUP, "--since", since, "--rules", rules, "--findings", "-o", "json"];
    let (code, out, err) = trailwatch(endpoint, &args).await;
    assert_eq!(code, Some(0), "{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number_of(finding: &Value) -> usize {
    finding["event_ids"][0].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_by_the_time_of_delivery_and_findings_by_that_of_the_event() {
    let endpoint = lab().await;
    let hours_ago = ago(180).to_string();
    deliver(&endpoint, 5, &record(1, json!({"eventTime": hours_ago})));
    deliver(&endpoint, 30, &record(2, json!({"eventTime": ago(5).to_string()})));
    let found = tailed(&endpoint, &rules(&["eventName = \"DeleteBucket\""]), "10m").await;
    assert_eq!(found.iter().map(number_of).collect::<Vec<_>>(), [1]);
    let time: Timestamp = found[0]["time"].as_str().unwrap().parse().unwrap();
    assert!(time.duration_since(hours_ago.parse().unwrap()).abs() < SignedDuration::from_secs(1), "{}", found[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_delivered_late_is_new_and_one_that_is_stated_anew_is_not() {
    let endpoint = lab().await;
    let id = |number: usize| format!("e0000000-0000-4000-8000-{number:012}");
    let delayed = json!({"addendum": {"reason": "DELIVERY_DELAY"}});
    let updated = json!({"addendum": {"reason": "UPDATED_DATA", "updatedFields": "responseElements",
        "originalRequestID": "r", "originalEventID": id(1)}});
    deliver(&endpoint, 5, &record(1, delayed));
    deliver(&endpoint, 4, &record(2, updated));
    let found = tailed(&endpoint, &rules(&["eventName = \"DeleteBucket\""]), "10m").await;
    assert_eq!(found.iter().map(number_of).collect::<Vec<_>>(), [1]);
}

/// CloudTrail leaves out parameters of more than 100 kB. They are neither something nor false.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_were_left_out_match_only_what_asks_for_their_absence() {
    let endpoint = lab().await;
    deliver(&endpoint, 5, &record(1, json!({"requestParameters": null})));
    deliver(&endpoint, 4, &record(2, json!({})));
    let conditions = [
        "eventName = \"DeleteBucket\"",
        "\"requestParameters.public\" = true",
        "\"requestParameters.public\" = false",
        "\"requestParameters.public|exists\" = false",
    ];
    let mut found: Vec<(usize, String)> = tailed(&endpoint, &rules(&conditions), "10m")
        .await
        .iter()
        .map(|finding| (number_of(finding), finding["rule"]["id"].as_str().unwrap().to_owned()))
        .collect();
    found.sort();
    let expected = [(1, "r0"), (1, "r3"), (2, "r0"), (2, "r3")];
    assert_eq!(found, expected.map(|(number, rule)| (number, rule.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parameters_that_were_left_out_it_is_explained_that_they_are_missing() {
    let (endpoint, folder) = (lab().await, rules(&["\"requestParameters.public\" = false"]));
    let event = folder.path().join("event.json");
    for left_out in [json!({"requestParameters": null}), json!({})] {
        std::fs::write(&event, record(1, left_out).to_string()).unwrap();
        let args = ["explain", "--rules", folder.path().to_str().unwrap(), event.to_str().unwrap()];
        let (code, out, err) = trailwatch(&endpoint, &args).await;
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains("`requestParameters.public` is missing, wanted false"), "{out}");
    }
}

/// Whoever reads by a pipe has each line at once, and may leave.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_has_each_line_as_it_comes_and_may_be_closed() {
    let endpoint = lab().await;
    let mut child = binary(&endpoint)
        .args(["tail", "-f", "--log-group", GROUP, "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    for number in 0..2 {
        deliver(&endpoint, 0, &record(number, json!({})));
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains(&format!("e0000000-0000-4000-8000-{number:012}")), "{line}");
        assert!(child.try_wait().unwrap().is_none(), "it follows");
    }
    drop(lines);
    let mut number = 2;
    let ended = patiently(async {
        loop {
            deliver(&endpoint, 0, &record(number, json!({})));
            number += 1;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
        }
    });
    assert_eq!(ended.await.code(), Some(0));
    let told = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(!told.contains("error"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_as_many_for_one_rule_as_for_hundreds() {
    let names: Vec<String> = (0..300).map(|number| format!("eventName = \"Call{number}\"")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut calls = Vec::new();
    for names in [&names[..1], &names[..]] {
        let endpoint = lab().await;
        (0..50).for_each(|number| deliver(&endpoint, 5, &record(number, json!({}))));
        tailed(&endpoint, &rules(names), "10m").await;
        calls.push(endpoint.logs().calls("FilterLogEvents"));
    }
    assert_eq!(calls[0], calls[1]);
}
