//! `doctor` against the stand-ins: what it says of an account where all is well, and of each thing that is not.

use serde_json::{Value, json};
use trailwatch::sim::{ACCOUNT_ID, Endpoint, Fault, Trail, TrailStatus};

use super::iam_policy::{account, trailwatch};
use super::roles::ran;

const GROUP: &str = "trail-group";
const BUCKET: &str = "trail-objects";
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:111122223333:trail-queue";
const PATTERN: &str = r#"{"detail-type": ["AWS API Call via CloudTrail"]}"#;

/// An account where all is well.
async fn healthy() -> Endpoint {
    let endpoint = account().await;
    let now_ms = endpoint.logs().clock().now_ms();
    let status = TrailStatus {
        is_logging: true,
        latest_logs_delivery_ms: Some(now_ms - 60_000),
        latest_delivery_ms: Some(now_ms - 60_000),
        ..TrailStatus::default()
    };
    endpoint.trails().put(Trail { s3_bucket: BUCKET.into(), status, ..Trail::to_group("main", GROUP) });
    assert!(endpoint.logs().set_retention(GROUP, 90));
    let condition = json!({"ArnEquals": {"aws:SourceArn": format!("arn:aws:s3:::{BUCKET}")}});
    endpoint.queues().set_policy("trail-queue", policy(&condition));
    endpoint
}

fn policy(condition: &Value) -> String {
    let mut statement = json!({"Sid": "Send", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"});
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// The exit code and the checks.
async fn doctor(endpoint: &Endpoint, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let url = endpoint.url();
    let args = [&["doctor", "--format", "json", "--endpoint-url", url.as_str()], args].concat();
    let (code, stdout, stderr) = ran(trailwatch(&args)).await;
    assert_eq!(stderr, "", "{args:?}");
    (code, stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

const EVERYTHING: [&str; 10] =
    ["--log-group", GROUP, "--trail", "main", "--queue", "trail-queue", "--bucket", BUCKET, "--event-bus", "default"];

/// Times are another at every run.
fn settled(stdout: &str, folder: &str) -> String {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    time.replace_all(&stdout.replace(folder, "FOLDER"), "TIME").into_owned()
}

fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/doctor");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[tokio::test]
async fn where_all_is_well_nothing_is_warned_of() {
    let endpoint = healthy().await;
    let objects = format!("s3://{BUCKET}/AWSLogs/");
    let url = endpoint.url();
    let args = [&["doctor", "--endpoint-url", url.as_str(), objects.as_str()], &EVERYTHING[..]].concat();
    let (code, stdout, stderr) = ran(trailwatch(&args)).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    snapshots().bind(|| insta::assert_snapshot!("all-is-well", settled(&stdout, "no folder")));
    let taken = ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "PutEvents"];
    assert!(taken.iter().all(|operation| endpoint.logs().calls(operation) == 0), "doctor changes nothing");
    endpoint.stop().await;
}

type Break = fn(&Endpoint);

/// One thing that is wrong, the call that shows it, how grave it is, and a part of what is said.
#[tokio::test]
async fn each_thing_that_is_wrong_is_told() {
    fn status(endpoint: &Endpoint, change: impl Fn(&mut TrailStatus)) {
        let now_ms = endpoint.logs().clock().now_ms();
        let recent = Some(now_ms - 60_000);
        let mut status = TrailStatus {
            is_logging: true,
            latest_logs_delivery_ms: recent,
            latest_delivery_ms: recent,
            ..TrailStatus::default()
        };
        change(&mut status);
        endpoint.trails().set_status("main", status);
    }
    fn selectors(endpoint: &Endpoint, selectors: Value) {
        let now_ms = endpoint.logs().clock().now_ms();
        let status = TrailStatus {
            is_logging: true,
            latest_logs_delivery_ms: Some(now_ms),
            latest_delivery_ms: Some(now_ms),
            ..TrailStatus::default()
        };
        let trail = Trail { s3_bucket: BUCKET.into(), selectors, status, ..Trail::to_group("main", GROUP) };
        endpoint.trails().put(trail);
    }
    const TWO_HOURS_MS: i64 = 7_200_000;
    let cases: [(&str, Break, &str, &str, &str); 17] = [
        (
            "a trail that does not log",
            |endpoint| status(endpoint, |status| (status.is_logging, status.stop_logging_ms) = (false, Some(0))),
            "cloudtrail:GetTrailStatus",
            "failed",
            "not logging since 1970-01-01T00:00:00Z",
        ),
        (
            "a delivery that failed",
            |endpoint| status(endpoint, |status| status.latest_delivery_error = Some("AccessDenied".into())),
            "cloudtrail:GetTrailStatus",
            "warning",
            "could not deliver to the bucket last: AccessDenied",
        ),
        (
            "a delivery to the log group that failed",
            |endpoint| status(endpoint, |status| status.latest_logs_delivery_error = Some("Gone".into())),
            "cloudtrail:GetTrailStatus",
            "warning",
            "could not deliver to the log group last: Gone",
        ),
        (
            "an old delivery",
            |endpoint| {
                status(endpoint, |status| {
                    status.latest_logs_delivery_ms = status.latest_logs_delivery_ms.map(|ms| ms - TWO_HOURS_MS);
                })
            },
            "cloudtrail:GetTrailStatus",
            "warning",
            "delivered to the log group last at",
        ),
        (
            "no delivery yet",
            |endpoint| status(endpoint, |status| status.latest_delivery_ms = None),
            "cloudtrail:GetTrailStatus",
            "warning",
            "has never delivered to the bucket",
        ),
        (
            "data events of the bucket",
            |endpoint| {
                selectors(
                    endpoint,
                    json!({"EventSelectors": [{"DataResources": [
                {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]}),
                )
            },
            "cloudtrail:GetEventSelectors",
            "warning",
            "records data events of its own bucket",
        ),
        (
            "data events of the bucket by advanced selectors",
            |endpoint| {
                selectors(
                    endpoint,
                    json!({"AdvancedEventSelectors": [{"FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]}),
                )
            },
            "cloudtrail:GetEventSelectors",
            "warning",
            "records data events of its own bucket",
        ),
        (
            "a rule without what only reads",
            |endpoint| endpoint.buses().put_rule("some-calls", "ENABLED", PATTERN, QUEUE_ARN),
            "events:DescribeRule",
            "warning",
            "rule `some-calls` is ENABLED",
        ),
        (
            "a rule that is off",
            |endpoint| endpoint.buses().put_rule("off", "DISABLED", PATTERN, QUEUE_ARN),
            "events:DescribeRule",
            "warning",
            "rule `off` feeds this queue and is disabled",
        ),
        (
            "a queue that is open",
            |endpoint| endpoint.queues().set_policy("trail-queue", policy(&Value::Null)),
            "sqs:GetQueueAttributes",
            "warning",
            "lets strangers send",
        ),
        (
            "a queue without dead letters",
            |endpoint| {
                endpoint.queues().delete("trail-queue");
                endpoint.queues().create("trail-queue");
            },
            "sqs:GetQueueAttributes",
            "warning",
            "no dead-letter queue",
        ),
        (
            "a short retention",
            |endpoint| assert!(endpoint.logs().set_retention(GROUP, 1)),
            "logs:DescribeLogGroups",
            "warning",
            "for 1 day",
        ),
        (
            "a class that is not read",
            |endpoint| assert!(endpoint.logs().set_class(GROUP, "INFREQUENT_ACCESS")),
            "logs:DescribeLogGroups",
            "warning",
            "INFREQUENT_ACCESS",
        ),
        (
            "a log group without events",
            |endpoint| {
                endpoint.logs().delete_group(GROUP);
                endpoint.logs().create_group(GROUP);
            },
            "logs:FilterLogEvents",
            "warning",
            "nothing was delivered within the last hour",
        ),
        (
            "no log group",
            |endpoint| assert!(endpoint.logs().delete_group(GROUP)),
            "logs:FilterLogEvents",
            "failed",
            "does not exist",
        ),
        ("no queue", |endpoint| endpoint.queues().delete("trail-queue"), "sqs:GetQueueUrl", "failed", "does not exist"),
        (
            "no trail",
            |endpoint| assert!(endpoint.trails().remove("main")),
            "cloudtrail:DescribeTrails",
            "failed",
            "there is no trail `main` in `us-east-1`",
        ),
    ];
    for (name, break_it, call, state, part) in cases {
        let endpoint = healthy().await;
        break_it(&endpoint);
        let (code, checks) = doctor(&endpoint, &EVERYTHING).await;
        let is_it = |check: &Value| {
            check["call"] == call && check["state"] == state && check["says"].as_str().unwrap().contains(part)
        };
        let found = checks.iter().find(|check| is_it(check)).unwrap_or_else(|| panic!("{name}: {checks:#?}"));
        assert!(!found["todo"].as_str().unwrap().is_empty(), "{name}: {found}");
        assert_eq!(code, Some(i32::from(state == "failed")), "{name}: {checks:#?}");
        endpoint.stop().await;
    }
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named() {
    let group = format!("arn:aws:logs:us-east-1:{ACCOUNT_ID}:log-group:{GROUP}");
    let (all_groups, bucket) =
        (format!("arn:aws:logs:us-east-1:{ACCOUNT_ID}:log-group:*"), format!("arn:aws:s3:::{BUCKET}"));
    let (trail, objects) = (format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT_ID}:trail/main"), format!("{bucket}/*"));
    let rule = format!("arn:aws:events:us-east-1:{ACCOUNT_ID}:rule/calls");
    let rules = "*".to_owned();
    for (operation, permission, resource, state) in [
        ("FilterLogEvents", "logs:FilterLogEvents", format!("{group}:*"), "failed"),
        ("DescribeLogGroups", "logs:DescribeLogGroups", all_groups, "skipped"),
        ("DescribeTrails", "cloudtrail:DescribeTrails", "*".to_owned(), "failed"),
        ("GetTrailStatus", "cloudtrail:GetTrailStatus", trail.clone(), "skipped"),
        ("GetEventSelectors", "cloudtrail:GetEventSelectors", trail, "skipped"),
        ("GetQueueUrl", "sqs:GetQueueUrl", QUEUE_ARN.to_owned(), "failed"),
        ("GetQueueAttributes", "sqs:GetQueueAttributes", QUEUE_ARN.to_owned(), "failed"),
        ("ListRuleNamesByTarget", "events:ListRuleNamesByTarget", rules, "skipped"),
        ("DescribeRule", "events:DescribeRule", rule, "skipped"),
        ("ListObjectsV2", "s3:ListBucket", bucket, "skipped"),
        ("GetObject", "s3:GetObject", objects, "failed"),
    ] {
        let endpoint = healthy().await;
        endpoint.logs().faults().set_every_for(operation, 1, Fault::access_denied());
        let (code, checks) = doctor(&endpoint, &EVERYTHING).await;
        let todo = format!("allow `{permission}` on `{resource}`");
        let found: Vec<&Value> = checks.iter().filter(|check| check["todo"] == todo.as_str()).collect();
        assert!(found.iter().any(|check| check["state"] == state), "{operation}: {checks:#?}");
        assert_eq!(code, Some(i32::from(state == "failed")), "{operation}: {checks:#?}");
        endpoint.stop().await;
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_fails_and_keeps_the_rest_from_being_tried() {
    let endpoint = healthy().await;
    let role = "arn:aws:iam::444455556666:role/nobody";
    let (code, checks) = doctor(&endpoint, &["--log-group", GROUP, "--role-arn", role]).await;
    assert_eq!(code, Some(1));
    let states: Vec<(&str, &str)> =
        checks.iter().map(|check| (check["subject"].as_str().unwrap(), check["state"].as_str().unwrap())).collect();
    let subject = format!("credentials of role `{role}`");
    assert_eq!(states[0], (subject.as_str(), "failed"), "{checks:#?}");
    assert_eq!(states[1], ("log group `trail-group`", "skipped"), "{checks:#?}");
    assert_eq!(endpoint.logs().calls("FilterLogEvents"), 0);
    endpoint.stop().await;
}

#[cfg(feature = "webhook")]
#[tokio::test]
async fn a_configuration_is_looked_at_whole_and_no_secret_is_told() {
    let (endpoint, folder) = (healthy().await, tempfile::tempdir().unwrap());
    let root = env!("CARGO_MANIFEST_DIR");
    for (name, rules, state, url, code) in [
        ("configuration", "rules/xray", "state/of/it", "https://192.0.2.7/hidden-path", 0),
        (
            "configuration-broken",
            "tests/fixtures/failing-rules",
            "trailwatch.toml/x",
            "https://localhost/hidden-path",
            1,
        ),
    ] {
        let config = folder.path().join("trailwatch.toml");
        let text = format!(
            "state = \"{state}\"\n[rules]\npaths = [\"{root}/{rules}\"]\n\
             [sources.trail]\ntype = \"cloudwatch-logs\"\nlog_group = \"{GROUP}\"\nregion = \"us-east-1\"\n\
             endpoint_url = \"{url_of_aws}\"\n[sinks.pager]\ntype = \"webhook\"\nurl = \"{url}\"\n",
            url_of_aws = endpoint.url()
        );
        std::fs::write(&config, text).unwrap();
        let (got, stdout, stderr) = ran(trailwatch(&["doctor", "--config", config.to_str().unwrap()])).await;
        assert!(!stdout.contains("hidden") && !stderr.contains("hidden"), "{stdout}{stderr}");
        let shown = settled(&stdout, folder.path().to_str().unwrap());
        snapshots().bind(|| insta::assert_snapshot!(name, shown));
        assert_eq!(got, Some(code), "{stdout}{stderr}");
        assert!(!folder.path().join("state").exists(), "nothing is left behind");
    }
    endpoint.stop().await;
}
