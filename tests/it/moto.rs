//! The real binary, following a log group of moto while it fills, and emptying a queue that a bucket tells of its objects:
//! every record once.
//!
//! moto is a stand-in of other people's making, with faults of its own: pages go stream by stream, and a filter
//! pattern lets everything through.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_s3::types::{NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use flate2::Compression;
use flate2::write::GzEncoder;
use trailwatch::sim::{Label, Stream};

const GROUP: &str = "aws-cloudtrail-logs-moto";
const STREAMS: [&str; 3] =
    ["111122223333_CloudTrail_us-east-1", "111122223333_CloudTrail_us-east-1_2", "111122223333_CloudTrail_us-east-1_3"];

/// A moto server of our own, gone when dropped.
pub struct Moto {
    server: Child,
    pub url: String,
}

impl Moto {
    /// `None`, said aloud, where moto is not installed.
    pub fn start() -> Option<Self> {
        let Ok(program) = std::env::var("TRAILWATCH_MOTO") else {
            eprintln!("TRAILWATCH_MOTO is not set (tests/run sets it): left out");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { server, url: format!("http://127.0.0.1:{port}") };
        wait("moto to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(moto)
    }

    fn client(&self) -> Client {
        let config = aws_sdk_cloudwatchlogs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&self.url)
            .build();
        Client::from_conf(config)
    }

    fn trailwatch(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        command
            .args(arguments)
            .args(["--endpoint-url", &self.url, "--region", "us-east-1"])
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Asks again until something holds; there is nothing else to wait on in a foreign process.
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

async fn make_group(client: &Client) {
    client.create_log_group().log_group_name(GROUP).send().await.unwrap();
    for stream in STREAMS {
        client.create_log_stream().log_group_name(GROUP).log_stream_name(stream).send().await.unwrap();
    }
}

async fn put(client: &Client, stream: &str, mut events: Vec<(i64, String)>) {
    events.sort_by_key(|(timestamp, _)| *timestamp);
    let events = events
        .into_iter()
        .map(|(timestamp, message)| InputLogEvent::builder().timestamp(timestamp).message(message).build().unwrap())
        .collect();
    client
        .put_log_events()
        .log_group_name(GROUP)
        .log_stream_name(stream)
        .set_log_events(Some(events))
        .send()
        .await
        .unwrap();
}

/// Distinct valid records with their ids: recorded ones where they are there, else of our own making.
fn records(count: usize) -> Vec<(String, String)> {
    let Ok(corpus) = std::env::var("TRAILWATCH_CORPUS") else { return made_up(count) };
    let recorded = std::fs::read_to_string(std::path::Path::new(&corpus).join("sample_events.ndjson")).unwrap();
    let with_id = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        Some((record["eventID"].as_str()?.to_owned(), line.to_owned()))
    };
    recorded.lines().filter_map(with_id).take(count).collect()
}

fn made_up(count: usize) -> Vec<(String, String)> {
    Stream::starting_at(7, now_ms() - 60_000, 100)
        .filter(|planned| planned.label != Label::Broken && !planned.repeated)
        .filter_map(|planned| Some((planned.event_id?, planned.message)))
        .take(count)
        .collect()
}

/// Lines of a child's output as they come.
pub fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn interrupt(child: &Child) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_printed_once_while_the_group_fills() {
    follow_while_the_group_fills(&[]).await;
}

/// Moto's live tail shows all that there ever was, and ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_tail_that_shows_everything_again_and_again_repeats_nothing() {
    let said = follow_while_the_group_fills(&["--live"]).await;
    assert!(said.is_none_or(|said| said.contains("live tail of")));
}

/// What the real binary said while it printed every record once; `None` without moto.
async fn follow_while_the_group_fills(more: &[&str]) -> Option<String> {
    let moto = Moto::start()?;
    let client = moto.client();
    make_group(&client).await;
    let records = records(240);

    let arguments = ["tail", "--log-group", GROUP, "--follow", "--since", "30m", "--output", "json"];
    let mut tail = moto.trailwatch(&[&arguments, more].concat()).spawn().unwrap();
    let output = lines(tail.stdout.take().unwrap());
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut take = |patience: Duration| {
        while let Ok(line) = output.recv_timeout(patience) {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(id) = line["eventID"].as_str() {
                *seen.entry(id.to_owned()).or_default() += 1;
            }
        }
        seen.len()
    };

    // Batches of different lateness into different streams: on time, some seconds old, minutes old, all mixed.
    for (n, batch) in records.chunks(20).enumerate() {
        let events = batch.iter().enumerate().map(|(i, (_, message))| {
            let late_ms = match (n + i) % 8 {
                0 => 8 * 60_000,
                1 => 90_000,
                2 => 20_000,
                other => other as i64 * 300,
            };
            (now_ms() - late_ms, message.clone())
        });
        put(&client, STREAMS[n % 3], events.collect()).await;
        take(Duration::from_millis(300));
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while take(Duration::from_millis(500)) < records.len() && Instant::now() < deadline {}
    interrupt(&tail);
    take(Duration::from_secs(2));
    let mut said = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = tail.wait().unwrap();

    let missing: Vec<&str> = records.iter().map(|(id, _)| id.as_str()).filter(|id| !seen.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{} of {} missing\n{said}", missing.len(), records.len());
    assert!(seen.values().all(|&times| times == 1), "some were printed twice\n{said}");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("events     {}", records.len())), "{said}");
    Some(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_holds_though_moto_ignores_it() {
    let Some(moto) = Moto::start() else { return };
    let client = moto.client();
    make_group(&client).await;
    let records = made_up(60);
    let events = records.iter().map(|(_, message)| (now_ms() - 5_000, message.clone())).collect();
    put(&client, STREAMS[0], events).await;

    let filter = "{ $.eventSource = \"xray.amazonaws.com\" }";
    let arguments = ["tail", "--log-group", GROUP, "--filter", filter, "--output", "json", "--since", "10m"];
    let output = moto.trailwatch(&arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let records_printed: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line.get("eventID").is_some())
        .collect();
    let expected =
        records.iter().filter(|(_, message)| message.contains("\"eventSource\":\"xray.amazonaws.com\"")).count();
    assert!(expected > 0);
    assert_eq!(records_printed.len(), expected);
    assert!(records_printed.iter().all(|record| record["eventSource"] == "xray.amazonaws.com"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Reads what is there with a state folder, and says which records it printed.
fn printed_with_state(moto: &Moto, state: &std::path::Path) -> Vec<String> {
    let state = state.to_str().unwrap();
    let arguments = ["tail", "--log-group", GROUP, "--since", "30m", "--output", "json", "--state", state];
    let output = moto.trailwatch(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let record =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["eventID"].as_str().map(str::to_owned);
    lines.lines().filter_map(record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_the_state_and_repeats_nothing() {
    let Some(moto) = Moto::start() else { return };
    let client = moto.client();
    make_group(&client).await;
    let state = tempfile::tempdir().unwrap();
    let records = made_up(90);
    let mut printed = Vec::new();
    for (n, batch) in records.chunks(30).enumerate() {
        // Some are older than what was read before, as late events are.
        let age_ms = |i: usize| if i.is_multiple_of(3) { 4 * 60_000 } else { 4_000 };
        let events = batch.iter().enumerate().map(|(i, (_, message))| (now_ms() - age_ms(i), message.clone()));
        put(&client, STREAMS[n % 3], events.collect()).await;
        let new = printed_with_state(&moto, state.path());
        assert_eq!(new.len(), 30, "start {n} prints what is new, and nothing else");
        printed.extend(new);
    }
    printed.sort();
    let mut expected: Vec<String> = records.iter().map(|(id, _)| id.clone()).collect();
    expected.sort();
    assert_eq!(printed, expected);
    assert!(printed_with_state(&moto, state.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_not_there_is_named_with_the_nearest_one() {
    let Some(moto) = Moto::start() else { return };
    make_group(&moto.client()).await;
    let output = moto.trailwatch(&["tail", "--log-group", "aws-cloudtrail-logs-mote"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(254), "{said}");
    assert!(said.contains("aws-cloudtrail-logs-mote") && said.contains(GROUP), "{said}");
}

/// Makes a call of an API that is spoken in JSON, without the SDK.
#[cfg(feature = "webhook")]
async fn call(moto: &Moto, service: &str, target: &str, body: serde_json::Value) -> serde_json::Value {
    // moto tells by it which service is meant, and checks nothing of it.
    let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260115/us-east-1/{service}/aws4_request, Signature=x");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(&moto.url).header("x-amz-target", target).header("authorization", credential);
    let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
    let answer = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{target}: {error}: {answer}"))
}

/// A queue, with a rule of EventBridge that puts there what fits a pattern. Gives the queue's URL.
#[cfg(feature = "webhook")]
async fn make_queue_behind_rule(moto: &Moto, pattern: serde_json::Value) -> serde_json::Value {
    use serde_json::json;
    let url = call(moto, "sqs", "AmazonSQS.CreateQueue", json!({"QueueName": "findings"})).await["QueueUrl"].clone();
    let asked = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
    let arn = call(moto, "sqs", "AmazonSQS.GetQueueAttributes", asked).await["Attributes"]["QueueArn"].clone();
    let rule = json!({"Name": "findings", "EventPattern": pattern.to_string()});
    call(moto, "events", "AWSEvents.PutRule", rule).await;
    let targets = json!({"Rule": "findings", "Targets": [{"Id": "queue", "Arn": arn}]});
    call(moto, "events", "AWSEvents.PutTargets", targets).await;
    url
}

#[cfg(feature = "webhook")]
#[tokio::test(flavor = "multi_thread")]
async fn a_finding_goes_by_a_rule_of_eventbridge_into_a_queue() {
    use std::sync::Arc;
    use trailwatch::finding::Finding;
    use trailwatch::sink::eventbridge::{EventBridge, Settings, local_connector};
    use trailwatch::sink::{Outcome, Sink};
    let Some(moto) = Moto::start() else { return };
    let pattern = serde_json::json!({"source": ["trailwatch"], "detail": {"severity": ["high"], "rule": {"id": [{"prefix": "xray-"}]}}});
    let queue = make_queue_behind_rule(&moto, pattern).await;

    let finding = crate::foreign::finding();
    let minor = Finding { severity: trailwatch::rule::Severity::Low, id: "0".repeat(32), ..finding.clone() };
    let mut sink = EventBridge::new("bus", Settings::new("eu-1"), local_connector(&moto.url, "us-east-1")).unwrap();
    let outcomes = sink.deliver(&[Arc::new(minor), Arc::new(finding.clone())]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Delivered]);

    let asked = serde_json::json!({"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
    let answer = call(&moto, "sqs", "AmazonSQS.ReceiveMessage", asked).await;
    let messages = answer["Messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{answer}");
    let event: serde_json::Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!((&event["source"], &event["detail-type"]), (&"trailwatch".into(), &"Trailwatch Finding".into()));
    assert_eq!(event["time"], "2026-01-15T12:00:00Z");
    assert_eq!((&event["detail"]["id"], &event["detail"]["trailwatch"]["hops"]), (&finding.id.into(), &1.into()));
}

#[cfg(feature = "webhook")]
#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_not_there_is_named_and_the_finding_kept() {
    use std::sync::Arc;
    use trailwatch::sink::eventbridge::{EventBridge, Settings, local_connector};
    use trailwatch::sink::{Outcome, Sink};
    let Some(moto) = Moto::start() else { return };
    let settings = Settings { bus: "nowhere".to_owned(), ..Settings::new("eu-1") };
    let mut sink = EventBridge::new("bus", settings, local_connector(&moto.url, "us-east-1")).unwrap();
    let outcome = sink.deliver(&[Arc::new(crate::foreign::finding())]).await.unwrap().remove(0);
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("`nowhere`")), "{outcome:?}");
}

const QUEUE: &str = "trail-events-moto";
const BUCKET: &str = "trail-bucket-moto";

impl Moto {
    fn config(&self) -> aws_config::SdkConfig {
        self.config_of("test", "test")
    }

    /// A configuration with somebody's access key.
    pub fn config_of(&self, id: &str, secret: &str) -> aws_config::SdkConfig {
        aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "test")))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&self.url)
            .build()
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config())
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config()).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// A queue that a bucket tells of its objects; its URL.
async fn make_queue(moto: &Moto) -> String {
    let queue = moto.sqs().create_queue().queue_name(QUEUE).send().await.unwrap().queue_url.unwrap();
    moto.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let of_objects = QueueConfiguration::builder()
        .queue_arn(format!("arn:aws:sqs:us-east-1:123456789012:{QUEUE}"))
        .events("s3:ObjectCreated:*".into())
        .build()
        .unwrap();
    let notifications = NotificationConfiguration::builder().queue_configurations(of_objects).build();
    let call = moto.s3().put_bucket_notification_configuration().bucket(BUCKET);
    call.notification_configuration(notifications).send().await.unwrap();
    queue
}

async fn put_object(moto: &Moto, number: usize, records: &[(String, String)]) {
    let texts: Vec<&str> = records.iter().map(|(_, record)| record.as_str()).collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(format!("{{\"Records\":[{}]}}", texts.join(",")).as_bytes()).unwrap();
    let key = format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/111122223333_CloudTrail_{number}.json.gz");
    let body = gzip.finish().unwrap();
    moto.s3().put_object().bucket(BUCKET).key(key).body(body.into()).send().await.unwrap();
}

fn event_ids(output: &[u8]) -> Vec<String> {
    let id =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["eventID"].as_str().map(str::to_owned);
    let mut ids: Vec<String> = std::str::from_utf8(output).unwrap().lines().filter_map(id).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_a_queue_and_its_objects_is_printed_once_and_then_gone() {
    let Some(moto) = Moto::start() else { return };
    let queue = make_queue(&moto).await;
    let records = made_up(120);
    for (number, batch) in records[..90].chunks(30).enumerate() {
        put_object(&moto, number, batch).await;
    }
    for (number, (_, record)) in records[90..].iter().enumerate() {
        let event =
            format!("{{\"detail-type\":\"AWS API Call via CloudTrail\",\"source\":\"aws.x\",\"detail\":{record}}}");
        let wrapped = serde_json::json!({"Type": "Notification", "Message": event}).to_string();
        let body = if number % 2 == 0 { event } else { wrapped };
        moto.sqs().send_message().queue_url(&queue).message_body(body).send().await.unwrap();
    }
    moto.sqs().send_message().queue_url(&queue).message_body("{poison").send().await.unwrap();

    let scanned =
        moto.trailwatch(&["scan", &format!("s3://{BUCKET}"), "--since", "2020-01-01T00:00Z"]).output().unwrap();
    let said = String::from_utf8(scanned.stderr).unwrap();
    assert_eq!(scanned.status.code(), Some(0), "{said}");
    assert!(said.contains("events     90"), "{said}");

    let output = moto.trailwatch(&["tail", "--queue", QUEUE, "--bucket", BUCKET, "--output", "json"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let mut expected: Vec<String> = records.iter().map(|(id, _)| id.clone()).collect();
    expected.sort();
    assert_eq!(event_ids(&output.stdout), expected, "{said}");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("not JSON"), "{said}");

    // The poison alone is left, hidden for a while.
    let counts =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let asked = moto.sqs().get_queue_attributes().queue_url(&queue).set_attribute_names(Some(counts.to_vec()));
    let left = asked.send().await.unwrap().attributes.unwrap();
    assert_eq!(counts.map(|count| left[&count].clone()), ["0", "1"], "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_is_named_with_the_nearest_one() {
    let Some(moto) = Moto::start() else { return };
    make_queue(&moto).await;
    let output = moto.trailwatch(&["tail", "--queue", "trail-event-moto"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(254), "{said}");
    assert!(said.contains("no queue `trail-event-moto`") && said.contains(QUEUE), "{said}");
}

/// A trail of moto's that delivers to its bucket and records data events of it.
async fn make_trail(moto: &Moto) {
    use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector};
    let client = aws_sdk_cloudtrail::Client::new(&moto.config());
    client.create_trail().name("main").s3_bucket_name(BUCKET).send().await.unwrap();
    client.start_logging().name("main").send().await.unwrap();
    let field = |name: &str, value: &str| AdvancedFieldSelector::builder().field(name).equals(value).build().unwrap();
    let selector = AdvancedEventSelector::builder()
        .field_selectors(field("eventCategory", "Data"))
        .field_selectors(field("resources.type", "AWS::S3::Object"))
        .build()
        .unwrap();
    client.put_event_selectors().trail_name("main").advanced_event_selectors(selector).send().await.unwrap();
}

/// Lets everybody send to a queue, and rules of EventBridge feed it.
async fn open_up(moto: &Moto, queue: &str) {
    use aws_sdk_eventbridge::types::{RuleState, Target};
    let policy =
        r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}"#;
    let call = moto.sqs().set_queue_attributes().queue_url(queue);
    call.attributes(QueueAttributeName::Policy, policy).send().await.unwrap();
    let client = aws_sdk_eventbridge::Client::new(&moto.config());
    let pattern = r#"{"detail-type": ["AWS API Call via CloudTrail"]}"#;
    client.put_rule().name("calls").event_pattern(pattern).state(RuleState::Enabled).send().await.unwrap();
    let target = Target::builder().id("q").arn(format!("arn:aws:sqs:us-east-1:123456789012:{QUEUE}")).build().unwrap();
    client.put_targets().rule("calls").targets(target).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_an_account_of_motos_as_a_role() {
    let Some(moto) = Moto::start() else { return };
    make_group(&moto.client()).await;
    put(&moto.client(), STREAMS[0], vec![(now_ms() - 1_000, "{}".to_owned())]).await;
    moto.client().put_retention_policy().log_group_name(GROUP).retention_in_days(1).send().await.unwrap();
    let queue = make_queue(&moto).await;
    put_object(&moto, 1, &made_up(1)).await;
    make_trail(&moto).await;
    open_up(&moto, &queue).await;
    let role = "arn:aws:iam::123456789012:role/reader";
    let arguments = ["doctor", "--log-group", GROUP, "--queue", QUEUE, "--bucket", BUCKET, "--role-arn", role];
    let output = moto.trailwatch(&arguments).output().unwrap();
    let (said, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{said}");
    for part in [
        "are made as `arn:aws:sts::123456789012:assumed-role/reader/trailwatch`",
        "logs:FilterLogEvents: it can be read",
        "warning  log group `aws-cloudtrail-logs-moto`: logs:DescribeLogGroups: it keeps its events for 1 day",
        "sqs:GetQueueAttributes: it has no dead-letter queue",
        "sqs:GetQueueAttributes: its policy lets strangers send",
        "events:DescribeRule: rule `calls` is ENABLED",
        "s3:GetObject: `s3://trail-bucket-moto/AWSLogs/",
        "cloudtrail:GetTrailStatus: trail `main` is logging",
        "warning  queue `trail-events-moto`: cloudtrail:GetEventSelectors: trail `main` records data events",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_got_from_moto() {
    use super::receiver::{Receiver, answer};
    use aws_sdk_ssm::types::ParameterType;
    let Some(moto) = Moto::start() else { return };
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    let secrets = aws_sdk_secretsmanager::Client::new(&moto.config());
    let secret = serde_json::json!({ "url": receiver.url() }).to_string();
    let made = secrets.create_secret().name("hooks/pager").secret_string(secret).send().await.unwrap();
    let parameters = aws_sdk_ssm::Client::new(&moto.config());
    let parameter = parameters.put_parameter().name("/prod/token").value("Bearer s3cr3t");
    parameter.r#type(ParameterType::SecureString).send().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trailwatch.toml");
    // One by its name, one by its ARN.
    for name in ["hooks/pager", made.arn().unwrap()] {
        let text = format!(
            "state = \"state\"\n[sources.files]\ntype = \"files\"\npaths = [\"x\"]\n[sinks.pager]\ntype = \"webhook\"\n\
             url = \"${{secretsmanager:{name}#url}}\"\nheaders = {{ Authorization = \"${{ssm:/prod/token}}\" }}\n\
             allow_private = true\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut test = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        test.args(["sink", "test", "pager", "--config"]).arg(&file).env_clear();
        test.env("AWS_ENDPOINT_URL", &moto.url).env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        test.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = test.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let request = receiver.requests().pop().unwrap();
        assert_eq!(request.headers["authorization"], "Bearer s3cr3t");
    }
    assert_eq!(receiver.requests().len(), 2);
}
