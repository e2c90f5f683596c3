//! Rules pushed down to CloudWatch: what the stand-in leaves out by their pattern costs no finding, and looks without the
//! pattern show that something is left out.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trailwatch::condition::holds;
use trailwatch::config;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::export::{Target, export};
use trailwatch::rule::{Rule, filter_pattern};
use trailwatch::sim::{Endpoint, LogEvent, Logs, REGION};
use trailwatch::source::cloudwatch_logs::{CloudWatchLogs, Quota, Settings, local_connector};
use trailwatch::source::{Source, SourceReport};

const GROUP: &str = "aws-cloudtrail-logs";
const STREAM: &str = "111122223333_CloudTrail_us-east-1";

/// The rules of one family.
const RULES: &str = "rules/xray";

fn rules() -> Vec<Rule> {
    config::rules(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES)]).rules
}

fn pattern(rules: &[Rule]) -> String {
    export(rules, Target::FilterPattern).patterns.remove(0).text
}

/// A group whose endpoint judges patterns as we do.
async fn lab() -> Endpoint {
    let endpoint = Endpoint::start().await.unwrap();
    endpoint.logs().create_group(GROUP);
    endpoint.logs().set_pattern_filter(|pattern, message| {
        let condition = filter_pattern::parse("pattern", pattern).unwrap();
        let mut fields = Fields::default();
        Event::read(message, &projection_of([]), &mut fields).is_ok_and(|event| holds(&condition, &event))
    });
    endpoint
}

fn put(logs: &Logs, message: &str) {
    let timestamp_ms = logs.clock().now_ms() - 1_000;
    logs.put(GROUP, STREAM, LogEvent { timestamp_ms, message: message.to_owned() });
}

fn settings(endpoint: &Endpoint, pattern: Option<String>) -> Settings {
    let clock = endpoint.logs().clock().clone();
    Settings {
        start_ms: Some(clock.now_ms() - 600_000),
        filter_pattern: pattern,
        poll: Duration::from_millis(20),
        clock: Arc::new(move || clock.now_ms()),
        ..Settings::new(GROUP, REGION)
    }
}

fn source(endpoint: &Endpoint, settings: Settings, notices: &Arc<Mutex<Vec<String>>>) -> CloudWatchLogs {
    let (connect, notices) = (local_connector(endpoint.url(), REGION), Arc::clone(notices));
    let notify = Arc::new(move |notice: trailwatch::source::Notice| notices.lock().unwrap().push(notice.text));
    CloudWatchLogs::new(settings, Arc::new(Quota::of_calls(10_000, 1.0)), connect, notify).unwrap()
}

async fn next(source: &CloudWatchLogs) -> Option<Vec<String>> {
    let batch = tokio::time::timeout(Duration::from_secs(60), source.next()).await.expect("it takes too long").unwrap();
    Some(batch?.iter().map(|delivery| String::from_utf8(delivery.body.to_vec()).unwrap()).collect())
}

/// Everything that is there.
async fn read(endpoint: &Endpoint, pattern: Option<String>) -> Vec<String> {
    let source = source(endpoint, settings(endpoint, pattern), &Arc::default());
    let mut all = Vec::new();
    while let Some(batch) = next(&source).await {
        all.extend(batch);
    }
    all
}

#[tokio::test]
async fn no_finding_is_lost_and_less_is_read() {
    let (endpoint, rules) = (lab().await, rules());
    let pattern = pattern(&rules);
    let tests = rules.iter().flat_map(|rule| rule.tests.iter().map(|test| test.event.clone()));
    let noise = (0..200).map(|n| format!(r#"{{"eventSource":"ec2.amazonaws.com","eventName":"DescribeThing{n}"}}"#));
    tests.chain(noise).for_each(|message| put(endpoint.logs(), &message));

    let rules = RuleSet::new(rules);
    let mut scratch = Scratch::default();
    let mut found = |messages: &[String]| -> BTreeSet<(u32, String)> {
        let matches = messages.iter().flat_map(|message| {
            let found = rules.evaluate(message, &mut scratch).unwrap().matches.to_vec();
            found.into_iter().map(|id| (id.0, message.clone()))
        });
        matches.collect()
    };
    let (plain, pushed_down) = (read(&endpoint, None).await, read(&endpoint, Some(pattern)).await);
    assert_eq!(found(&plain), found(&pushed_down));
    assert!(found(&plain).len() > 20, "{}", found(&plain).len());
    assert!(pushed_down.len() + 200 <= plain.len(), "{} of {} are read", pushed_down.len(), plain.len());
}

#[tokio::test]
async fn now_and_then_it_is_looked_at_what_is_left_out() {
    let endpoint = lab().await;
    let (logs, notices) = (endpoint.logs(), Arc::default());
    let pattern = Some(r#"{ $.eventName = "wanted" }"#.to_owned());
    let settings = settings(&endpoint, pattern);
    let settings = Settings { follow: true, probe_every: Some(Duration::from_secs(60)), ..settings };
    let source = source(&endpoint, settings, &notices);
    let report = || -> SourceReport { source.report() };

    put(logs, r#"{"eventName":"wanted"}"#);
    (0..80).for_each(|n| put(logs, &format!(r#"{{"eventName":"other","n":{n}}}"#)));
    assert_eq!(next(&source).await.unwrap(), [r#"{"eventName":"wanted"}"#]);
    let probed = next(&source).await.unwrap();
    assert!(probed.len() == 50 && probed.iter().all(|message| message.contains("other")), "{probed:?}");
    assert_eq!((report().probes, report().probed, report().late), (1, 50, 0));

    // What is there again is not handed over again; what is new waits for the next look.
    put(logs, r#"{"eventName":"unseen"}"#);
    put(logs, r#"{"eventName":"wanted","n":2}"#);
    assert_eq!(next(&source).await.unwrap(), [r#"{"eventName":"wanted","n":2}"#]);
    assert_eq!(report().probes, 1);
    logs.clock().advance(Duration::from_secs(61));
    assert_eq!(next(&source).await.unwrap(), [r#"{"eventName":"unseen"}"#]);
    assert_eq!((report().probes, report().late), (2, 0));
    let asked = logs.requests().into_iter().filter(|request| request.operation == "FilterLogEvents");
    let asked = asked.filter(|request| request.body.get("filterPattern").is_none());
    assert!(asked.clone().all(|request| request.body["limit"] == 50 && request.body["startFromHead"] == false));
    assert_eq!(asked.count(), 2);

    // Silence is told.
    logs.clock().advance(Duration::from_secs(3_600));
    let quiet = async {
        while report().probes < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        batch = next(&source) => panic!("expected nothing, got {batch:?}"),
        () = quiet => {}
    }
    put(logs, r#"{"eventName":"wanted","n":3}"#);
    assert_eq!(next(&source).await.unwrap(), [r#"{"eventName":"wanted","n":3}"#]);
    assert_eq!(
        *notices.lock().unwrap(),
        ["`aws-cloudtrail-logs` has no events at all of the last 10 minutes, whatever the pattern"]
    );
}

#[tokio::test]
async fn without_a_pattern_nothing_is_looked_at_twice() {
    let endpoint = lab().await;
    let settings = settings(&endpoint, None);
    let settings = Settings { follow: true, probe_every: Some(Duration::from_secs(60)), ..settings };
    let source = source(&endpoint, settings, &Arc::default());
    put(endpoint.logs(), "{}");
    assert_eq!(next(&source).await.unwrap(), ["{}"]);
    endpoint.logs().clock().advance(Duration::from_secs(61));
    put(endpoint.logs(), "{ }");
    assert_eq!(next(&source).await.unwrap(), ["{ }"]);
    assert_eq!(source.report().probes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_sends_the_pattern_and_prints_the_finding() {
    let (endpoint, rules) = (lab().await, rules());
    let firing = rules.iter().flat_map(|rule| &rule.tests).find(|test| test.matches).unwrap();
    put(endpoint.logs(), r#"{"eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances"}"#);
    put(endpoint.logs(), &firing.event);
    let mut child = Command::new(env!("CARGO_BIN_EXE_trailwatch"))
        .args(["tail", "-f", "--findings", "--pushdown", "-o", "json", "--log-group", GROUP, "--since", "1h"])
        .args(["--endpoint-url", &endpoint.url(), "--region", REGION, "--rules", RULES])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let first = tokio::task::spawn_blocking(move || stdout.lines().next()).await.unwrap().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let finding: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert!(finding["schema_version"].is_string(), "{first}");
    let sent = endpoint.logs().requests();
    let sent: Vec<&str> = sent.iter().filter_map(|request| request.body["filterPattern"].as_str()).collect();
    assert!(!sent.is_empty() && sent.iter().all(|sent| *sent == pattern(&rules)), "{sent:?}");
}
