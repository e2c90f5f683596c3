//! `iam-policy` says neither less nor more than what is called: each policy is held against the calls that the stand-ins saw
//! when the same sources and sinks ran.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use trailwatch::sim::{ACCOUNT_ID, Endpoint, LogEvent, REGION, Request, Trail};

use super::roles::ran;
use super::run::wait;
use super::trail_tree::{self, Tree};

const GROUP: &str = "trail-group";
const BUCKET: &str = "trail-objects";
const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/15/111122223333_CloudTrail_us-east-1_x.json.gz";
const RECORD: &str =
    r#"{"eventVersion":"1.11","eventID":"e1","eventName":"GetGroups","eventSource":"xray.amazonaws.com"}"#;
const OUTER: &str = "arn:aws:iam::111122223333:role/outer";
const INNER: &str = "arn:aws:iam::111122223333:role/inner";

/// The real binary with credentials of its own, and no configuration of the machine's.
pub fn trailwatch(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(args).env_clear().env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("AWS_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    command
}

/// An account with a trail that delivers to everything that can be read.
pub async fn account() -> Endpoint {
    let endpoint = Endpoint::start().await.unwrap();
    let event = LogEvent { timestamp_ms: endpoint.logs().clock().now_ms() - 1_000, message: RECORD.into() };
    endpoint.logs().put(GROUP, "s", event);
    endpoint.trails().put(Trail { s3_bucket: BUCKET.into(), ..Trail::to_group("main", GROUP) });
    let pattern = r#"{"detail-type": ["AWS API Call via CloudTrail"]}"#;
    let queue = "arn:aws:sqs:us-east-1:111122223333:trail-queue";
    endpoint.buses().put_rule("calls", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", pattern, queue);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    write!(gzip, "{{\"Records\":[{RECORD}]}}").unwrap();
    endpoint.buckets().put(BUCKET, KEY, gzip.finish().unwrap());
    let bucket = json!({"name": BUCKET, "arn": format!("arn:aws:s3:::{BUCKET}")});
    let object = json!({"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventName": "ObjectCreated:Put",
                        "s3": {"bucket": bucket, "object": {"key": KEY, "size": 1}}});
    endpoint.queues().set_dead_letters("trail-queue", "dead", 5);
    endpoint.queues().send("trail-queue", json!({"Records": [object]}).to_string());
    endpoint.queues().send("trail-queue", "this is no JSON, so it is left");
    endpoint.roles().create(OUTER, None, None);
    endpoint.roles().create(INNER, Some(OUTER), None);
    endpoint
}

/// A call as IAM judges it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Judged {
    action: String,
    resource: String,
    /// The condition keys that it comes with.
    context: Vec<(&'static str, String)>,
}

fn judged(request: &Request) -> Vec<Judged> {
    let body = |name: &str| request.body[name].as_str().unwrap_or("");
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{rest}");
    let one =
        |action: &str, resource: String| vec![Judged { action: action.to_owned(), resource, context: Vec::new() }];
    let queue = || arn("sqs", body("QueueUrl").rsplit('/').next().unwrap());
    match (request.service.as_str(), request.operation.as_str()) {
        ("Logs_20140328", "FilterLogEvents") => {
            let name = body("logGroupIdentifier").rsplit(':').next().filter(|name| !name.is_empty());
            one("logs:FilterLogEvents", arn("logs", &format!("log-group:{}", name.unwrap_or(body("logGroupName")))))
        }
        ("Logs_20140328", "StartLiveTail") => {
            let group = request.body["logGroupIdentifiers"][0].as_str().unwrap();
            one("logs:StartLiveTail", group.to_owned())
        }
        ("Logs_20140328", operation) => one(&format!("logs:{operation}"), arn("logs", "log-group:whichever")),
        ("STS", "GetCallerIdentity") => Vec::new(),
        ("AWSEvents", "ListRuleNamesByTarget" | "DescribeRule") => {
            one(&format!("events:{}", request.operation), arn("events", &format!("rule/{}", body("Name"))))
        }
        ("CloudTrail_20131101", operation) => one(&format!("cloudtrail:{operation}"), arn("cloudtrail", "trail/main")),
        ("AmazonSQS", "GetQueueUrl") => one("sqs:GetQueueUrl", arn("sqs", body("QueueName"))),
        ("AmazonSQS", "ListQueues") => one("sqs:ListQueues", "*".to_owned()),
        ("AmazonSQS", operation) => one(&format!("sqs:{}", operation.trim_end_matches("Batch")), queue()),
        ("S3", "GetObject") => one("s3:GetObject", format!("arn:aws:s3:::{}/{}", body("Bucket"), body("Key"))),
        ("S3", "ListObjectsV2") => {
            let prefix = request.body["Parameters"]["prefix"].as_str().unwrap_or("").to_owned();
            let resource = format!("arn:aws:s3:::{}", body("Bucket"));
            vec![Judged { action: "s3:ListBucket".to_owned(), resource, context: vec![("s3:prefix", prefix)] }]
        }
        ("S3", "ListBuckets") => one("s3:ListAllMyBuckets", "*".to_owned()),
        ("AWSEvents", "PutEvents") => {
            let entries = request.body["Entries"].as_array().unwrap();
            let entry = |entry: &Value| Judged {
                action: "events:PutEvents".to_owned(),
                resource: arn("events", &format!("event-bus/{}", entry["EventBusName"].as_str().unwrap_or("default"))),
                context: vec![("events:source", entry["Source"].as_str().unwrap().to_owned())],
            };
            entries.iter().map(entry).collect()
        }
        ("secretsmanager", "GetSecretValue") => {
            one("secretsmanager:GetSecretValue", arn("secretsmanager", &format!("secret:{}-AbCdEf", body("SecretId"))))
        }
        ("AmazonSSM", "GetParameter") => one("ssm:GetParameter", arn("ssm", &format!("parameter{}", body("Name")))),
        ("STS", "AssumeRole") => one("sts:AssumeRole", body("RoleArn").to_owned()),
        other => panic!("no permission is known for {other:?}"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map_or_else(|| vec![value.as_str().unwrap()], |list| list.iter().map(|v| v.as_str().unwrap()).collect())
}

fn fits(pattern: &str, text: &str) -> bool {
    let pattern = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    regex::Regex::new(&format!("^{pattern}$")).unwrap().is_match(text)
}

fn grants(statement: &Value, call: &Judged) -> bool {
    let holds = |operator: &str, condition: &Value| {
        condition.as_object().unwrap().iter().all(|(key, wanted)| {
            let value = call.context.iter().find(|(name, _)| name == key).map(|(_, value)| value);
            let wanted = texts(wanted);
            match operator {
                "StringEquals" => value.is_some_and(|value| wanted.contains(&value.as_str())),
                "StringLike" => value.is_some_and(|value| wanted.iter().any(|wanted| fits(wanted, value))),
                other => panic!("unknown operator {other}"),
            }
        })
    };
    let conditions = statement["Condition"].as_object();
    statement["Effect"] == "Allow"
        && texts(&statement["Action"]).contains(&call.action.as_str())
        && texts(&statement["Resource"]).iter().any(|pattern| fits(pattern, &call.resource))
        && conditions.is_none_or(|conditions| conditions.iter().all(|(operator, condition)| holds(operator, condition)))
}

/// Holds a policy against calls: each is granted, and nothing is granted that was not called.
#[track_caller]
fn compare(name: &str, policy: &Value, calls: &BTreeSet<Judged>) {
    assert_eq!(policy["Version"], "2012-10-17", "{name}");
    assert!(!calls.is_empty(), "{name}: nothing was called");
    let statements = policy["Statement"].as_array().unwrap();
    for call in calls {
        assert!(
            statements.iter().any(|statement| grants(statement, call)),
            "{name}: {call:?} is not allowed by {policy:#}"
        );
    }
    for statement in statements {
        for action in texts(&statement["Action"]) {
            let is_called = calls.iter().any(|call| call.action == action && grants(statement, call));
            assert!(is_called, "{name}: {action} was never called, but {statement:#} allows it");
        }
    }
    let sids: BTreeSet<&str> = statements.iter().map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids.len(), statements.len(), "{name}: a Sid stands twice");
}

async fn policy_of(args: &[&str]) -> Value {
    let args = [&["iam-policy", "--account", ACCOUNT_ID], args].concat();
    let (code, stdout, stderr) = ran(trailwatch(&args)).await;
    assert_eq!(code, Some(0), "{args:?}\n{stderr}");
    // As a person does, who is told to.
    serde_json::from_str(&stdout.replace("LOG_GROUP", GROUP)).unwrap()
}

fn calls(endpoint: &Endpoint) -> BTreeSet<Judged> {
    endpoint.logs().requests().iter().flat_map(judged).collect()
}

const URL: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/trail-queue";

#[tokio::test]
async fn a_policy_allows_what_is_called_and_no_more() {
    let (day, object) = (format!("s3://{BUCKET}/AWSLogs/"), format!("s3://{BUCKET}/{KEY}"));
    let bucket = format!("s3://{BUCKET}");
    type Case<'c> = (&'c str, &'c [&'c [&'c str]], &'c [&'c str]);
    let cases: [Case<'_>; 11] = [
        ("a log group", &[&["tail", "--log-group", GROUP]], &["--log-group", GROUP]),
        ("a trail", &[&["tail", "--trail", "main"]], &["--trail", "main"]),
        (
            "a queue and its bucket",
            &[&["tail", "--queue", "trail-queue", "--bucket", BUCKET]],
            &["--queue", "trail-queue", "--bucket", BUCKET],
        ),
        ("a queue by its URL", &[&["tail", "--queue", URL, "--bucket", BUCKET]], &["--queue", URL, "--bucket", BUCKET]),
        (
            "what the doctor looks at",
            &[
                &["doctor", "--log-group", GROUP, "--queue", "trail-queue", "--bucket", BUCKET],
                &["tail", "--queue", "trail-queue", "--bucket", BUCKET],
            ],
            &["--log-group", GROUP, "--queue", "trail-queue", "--bucket", BUCKET, "--with-doctor"],
        ),
        ("what the doctor looks at of a bucket", &[&["doctor", &day], &["scan", &day]], &[&day, "--with-doctor"]),
        ("a bucket", &[&["scan", &bucket]], &[&bucket]),
        ("a part of a bucket", &[&["scan", &day, "--since", "2026-01-14T00:00Z"]], &[&day]),
        ("an object", &[&["scan", &object]], &[&object]),
        (
            "hints",
            &[
                &["tail", "--log-group", GROUP],
                &["tail", "--log-group", "trail-gruop"],
                &["tail", "--queue", "trail-qeuue"],
                &["tail", "--queue", "trail-queue"],
                &["scan", "s3://trail-objcets"],
                &["scan", &bucket],
            ],
            &[
                "--log-group",
                GROUP,
                "--log-group",
                "trail-gruop",
                "--queue",
                "trail-queue",
                "--queue",
                "trail-qeuue",
                "s3://trail-objcets",
                &bucket,
                "--with-hints",
            ],
        ),
        (
            "several of one sort",
            &[&["tail", "--log-group", GROUP, "--trail", "main"], &["scan", &day, &object]],
            &["--log-group", GROUP, "--trail", "main", &day, &object],
        ),
    ];
    for (name, runs, args) in cases {
        let endpoint = account().await;
        for run in runs {
            let url = endpoint.url();
            let (code, _, stderr) = ran(trailwatch(&[run, &["--endpoint-url", url.as_str()][..]].concat())).await;
            assert!([Some(0), Some(3), Some(254)].contains(&code), "{name}: {code:?}\n{stderr}");
        }
        if name == "hints" {
            follow(&endpoint, &["--log-group", GROUP], &["DescribeTrails", "GetTrailStatus"]).await;
        }
        compare(name, &policy_of(args).await, &calls(&endpoint));
        endpoint.stop().await;
    }
}

/// Follows until these calls were made.
async fn follow(endpoint: &Endpoint, args: &[&str], operations: &[&str]) {
    let url = endpoint.url();
    let mut tail = trailwatch(&[&["tail", "-f", "--endpoint-url", url.as_str()], args].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for operation in operations {
        let is_called = || endpoint.logs().requests().iter().any(|request| request.operation == *operation);
        wait(operation, is_called).await;
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[tokio::test]
async fn who_follows_with_a_live_tail_may_do_so_and_be_told_of_troubles() {
    let endpoint = account().await;
    let operations = ["StartLiveTail", "GetTrailStatus", "DescribeLogGroups", "FilterLogEvents"];
    follow(&endpoint, &["--trail", "main", "--live"], &operations).await;
    let policy = policy_of(&["--trail", "main", "--live", "--with-hints"]).await;
    compare("a live tail", &policy, &calls(&endpoint));
    endpoint.stop().await;
}

#[tokio::test]
async fn who_verifies_may_list_public_keys() {
    let url = format!("s3://{}/AWSLogs/", trail_tree::BUCKET);
    let mut tree = Tree::new("AWSLogs/", "eu-west-1");
    let log = tree.log("00:15", "log1", &[serde_json::from_str(RECORD).unwrap()]);
    tree.digest(0, &[&log]);
    for (name, run) in [
        ("verify", &["verify", url.as_str(), "--until", "2026-01-05T01:05:00Z"][..]),
        ("scan --verify", &["scan", &url, "--verify"]),
    ] {
        let endpoint = Endpoint::start().await.unwrap();
        tree.deliver(endpoint.buckets());
        endpoint.trails().put_public_key(trail_tree::SIGNER.of_day(5));
        let (code, _, stderr) = ran(trailwatch(&[run, &["--endpoint-url", &endpoint.url()]].concat())).await;
        assert_eq!(code, Some(0), "{name}: {stderr}");
        compare(name, &policy_of(&[&url, "--verify"]).await, &calls(&endpoint));
        endpoint.stop().await;
    }
}

#[tokio::test]
async fn secrets_of_a_configuration_may_be_got() {
    let (endpoint, folder) = (Endpoint::start().await.unwrap(), tempfile::tempdir().unwrap());
    let config = folder.path().join("trailwatch.toml");
    let text = "state = \"state\"\n[sources.local]\ntype = \"files\"\npaths = [\"x\"]\n[sinks.pager]\ntype = \"webhook\"\n\
                url = \"${secretsmanager:hooks/pager#url}\"\nheaders = { Authorization = \"${ssm:/prod/token}\" }\n";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    endpoint.secrets().put_secret("hooks/pager", r#"{"url": "http://127.0.0.1:9/"}"#);
    endpoint.secrets().put_parameter("/prod/token", "token");
    let mut sample = trailwatch(&["sink", "test", "pager", "--config", config]);
    sample.env("AWS_ENDPOINT_URL", endpoint.url());
    let (_, _, stderr) = ran(sample).await;
    assert!(!stderr.contains("cannot be had"), "{stderr}");
    compare("secrets", &policy_of(&["--config", config]).await, &calls(&endpoint));
    endpoint.stop().await;
}

#[tokio::test]
async fn the_trail_of_a_queue_may_be_found_and_asked() {
    let (endpoint, folder) = (account().await, tempfile::tempdir().unwrap());
    let config = folder.path().join("trailwatch.toml");
    let text = format!(
        "state = \"state\"\n[sources.queue]\ntype = \"sqs\"\nqueue = \"trail-queue\"\nbuckets = [\"{BUCKET}\"]\ntrail = \"main\"\n\
         region = \"{REGION}\"\nendpoint_url = \"{}\"\n[sinks.out]\ntype = \"stdout\"\n",
        endpoint.url()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let mut run = trailwatch(&["run", "--config", config]);
    let mut run = run.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for operation in ["GetTrailStatus", "GetObject", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let is_called = || endpoint.logs().requests().iter().any(|request| request.operation == operation);
        wait(operation, is_called).await;
    }
    run.kill().unwrap();
    run.wait().unwrap();
    compare("the trail of a queue", &policy_of(&["--config", config]).await, &calls(&endpoint));
    let (_, told, _) = ran(trailwatch(&["doctor", "--config", config])).await;
    assert!(told.contains("trail `main` is logging"), "{told}");
    endpoint.stop().await;
}

fn configuration(folder: &std::path::Path, url: &str) -> String {
    let path = folder.join("trailwatch.toml");
    let reach = format!("region = \"{REGION}\"\nendpoint_url = \"{url}\"");
    let text = format!(
        "state = \"state\"\ninstance = \"test\"\n[sources.trail]\ntype = \"cloudwatch-logs\"\nlog_group = \"{GROUP}\"\n\
         role_arn = [\"{OUTER}\", \"{INNER}\"]\n{reach}\n\
         [sources.local]\ntype = \"files\"\npaths = [\"x\"]\n\
         [sinks.out]\ntype = \"stdout\"\n[sinks.bus]\ntype = \"eventbridge\"\nbus = \"findings\"\nsource = \"ours\"\n{reach}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_role_of_a_configuration_has_a_policy_of_its_own() {
    let (endpoint, folder) = (account().await, tempfile::tempdir().unwrap());
    let config = configuration(folder.path(), &endpoint.url());
    let (code, _, stderr) = ran(trailwatch(&["sink", "test", "bus", "--config", &config])).await;
    assert_eq!(code, Some(0), "{stderr}");
    let tail =
        ["tail", "--log-group", GROUP, "--role-arn", OUTER, "--role-arn", INNER, "--endpoint-url", &endpoint.url()];
    let (code, _, stderr) = ran(trailwatch(&tail)).await;
    assert_eq!(code, Some(0), "{stderr}");
    let all = calls(&endpoint);
    let only = |actions: &[&str], resource: &str| -> BTreeSet<Judged> {
        let wanted = |call: &&Judged| actions.contains(&call.action.as_str()) && call.resource.contains(resource);
        all.iter().filter(wanted).cloned().collect()
    };
    let outer = only(&["sts:AssumeRole"], "inner");
    let mut own = only(&["sts:AssumeRole"], "outer");
    own.extend(only(&["events:PutEvents"], ""));
    for (whose, calls) in [("default", own), (OUTER, outer), (INNER, only(&["logs:FilterLogEvents"], ""))] {
        compare(whose, &policy_of(&["--config", &config, "--for", whose]).await, &calls);
    }
    let (code, stdout, stderr) = ran(trailwatch(&["iam-policy", "--config", &config])).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("(choose from `--for arn:aws:iam::111122223333:role/inner`, "), "{stderr}");
    endpoint.stop().await;
}

#[tokio::test]
async fn what_is_said_and_printed() {
    for (name, args) in [
        (
            "everything",
            vec![
                "--log-group",
                "g",
                "--trail",
                "main",
                "--queue",
                "q",
                "--bucket",
                "b",
                "s3://objects/AWSLogs/",
                "--event-bus",
                "default",
                "--with-hints",
                "--account",
                "111122223333",
            ],
        ),
        ("unknown-account", vec!["--log-group", "g", "--queue", "q", "--region", "cn-north-1"]),
        (
            "exact-arns",
            vec![
                "--log-group",
                "arn:aws:logs:eu-west-1:444455556666:log-group:g:*",
                "--queue",
                "arn:aws:sqs:eu-central-1:777788889999:q",
            ],
        ),
        ("a-chain", vec!["--log-group", "g", "--role-arn", OUTER, "--role-arn", INNER]),
        ("no-such-name", vec!["--log-group", "g*", "--queue", "q*"]),
        ("nobody-of-that-name", vec!["--log-group", "g", "--for", "audit"]),
    ] {
        let (code, stdout, stderr) = ran(trailwatch(&[&["iam-policy"], &args[..]].concat())).await;
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/iam-policy");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(format!("trailwatch iam-policy {}", args.join(" ")));
        settings.bind(|| insta::assert_snapshot!(name, format!("exit code {code:?}\n{stdout}\n{stderr}")));
    }
}
