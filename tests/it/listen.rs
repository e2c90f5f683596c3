//! Events by HTTP: a real client against the listener, within this process and in the real binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trailwatch::decode::Limits;
use trailwatch::engine::RuleSet;
use trailwatch::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary};
use trailwatch::sim::{ACCOUNT_ID, Endpoint, LogEvent, REGION};
use trailwatch::source::Source;
use trailwatch::source::http::{Http, Settings, TlsFiles};
use trailwatch::store::{Checkpoint, MemoryStore, Store, StoreError, Transaction};

use super::notices::Notices;
use super::receiver::{Receiver, answer};
use super::run::wait;

const SECRET: &str = "0123456789abcdef-the-secret";

/// A run that takes what a listener brings.
struct Lab {
    url: String,
    source: Arc<Http>,
    notices: Notices,
    stop: CancellationToken,
    run: JoinHandle<(Summary, Ended)>,
}

impl Lab {
    async fn new() -> Self {
        Self::with(|_| (), Box::new(MemoryStore::default())).await
    }

    async fn with(change: impl FnOnce(&mut Settings), store: Box<dyn Store>) -> Self {
        let mut settings = Settings { secrets: vec![SECRET.to_owned()], ..Settings::default() };
        change(&mut settings);
        let (notices, stop) = (Notices::default(), CancellationToken::new());
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let source = Arc::new(Http::new(settings, notices.notify()).unwrap());
        let address = source.listen().await.unwrap();
        let mut accounts = Accounts::default();
        accounts.only(source.name(), vec![ACCOUNT_ID.to_owned()]);
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(Vec::new())),
            filter: None,
            sources: vec![Arc::clone(&source) as Arc<dyn Source>],
            accounts,
            store,
            sinks: Vec::new(),
            couriers: None,
            tap: None,
            limits: Limits::default(),
            bounds: Bounds::default(),
            notify: notices.notify(),
            stop: stop.clone(),
        };
        let run = tokio::spawn(pipeline.run());
        Self { url: format!("{scheme}://localhost:{}/events", address.port()), source, notices, stop, run }
    }

    async fn end(self) -> Summary {
        self.stop.cancel();
        let (summary, ended) = self.run.await.unwrap();
        assert_eq!(ended, Ended::Finished);
        summary
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn post(client: &Client, url: &str, body: impl Into<String>) -> Response {
    client.post(url).header("X-Api-Key", SECRET).body(body.into()).send().await.unwrap()
}

fn record(number: usize, name: &str) -> Value {
    json!({"eventVersion": "1.11", "eventSource": "xray.amazonaws.com", "eventName": name, "awsRegion": REGION,
           "eventTime": "2026-11-26T00:05:00Z", "recipientAccountId": ACCOUNT_ID,
           "eventID": format!("e0000000-0000-4000-8000-{number:012}")})
}

fn envelope(detail_type: &str, source: &str, detail: &Value) -> Value {
    json!({"version": "0", "id": "0f0f0f0f-0000-4000-8000-000000000001", "detail-type": detail_type, "source": source,
           "account": ACCOUNT_ID, "time": "2026-11-26T00:05:00Z", "region": REGION, "resources": [], "detail": detail})
}

fn call(number: usize) -> String {
    envelope("AWS API Call via CloudTrail", "aws.xray", &record(number, "Fire")).to_string()
}

#[tokio::test]
async fn every_request_has_the_status_that_eventbridge_needs() {
    let lab = Lab::new().await;
    let (client, url) = (client(), lab.url.as_str());
    let (good, elsewhere) = (call(1), url.replace("events", "elsewhere"));
    let foreign = call(2).replace(ACCOUNT_ID, "444455556666");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let wrong = "0123456789abcdef-a-guess";
    for (name, method, url, secret, body, status, header) in [
        ("an event", Method::POST, url, SECRET, good.as_str(), 200, ("connection", None)),
        ("the same again", Method::POST, url, SECRET, good.as_str(), 200, ("connection", None)),
        (
            "another account's, which is no fault of EventBridge's",
            Method::POST,
            url,
            SECRET,
            &foreign,
            200,
            ("connection", None),
        ),
        ("no JSON", Method::POST, url, SECRET, "hello", 400, ("connection", None)),
        ("nothing", Method::POST, url, SECRET, "", 400, ("connection", None)),
        ("no good secret", Method::POST, url, wrong, &good, 401, ("connection", Some("close"))),
        ("another path", Method::POST, &elsewhere, SECRET, &good, 404, ("connection", None)),
        ("another method", Method::GET, url, SECRET, "", 405, ("allow", Some("POST"))),
        ("more than EventBridge sends", Method::POST, url, SECRET, &large, 413, ("connection", Some("close"))),
    ] {
        let request = client.request(method, url).header("x-api-key", secret).body(body.to_owned());
        let response = request.send().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(response.status().as_u16(), status, "{name}");
        let found = response.headers().get(header.0).map(|value| value.to_str().unwrap());
        assert_eq!(found, header.1, "{name}");
        let text = response.text().await.unwrap();
        assert!(text.len() < 40 && !text.contains("hello") && !text.contains(wrong), "{name}: {text}");
    }
    let told = lab.notices.text();
    assert!(told.contains("account 444455556666, which is not wanted") && !told.contains(wrong), "{told}");
    assert!(!told.contains(SECRET), "{told}");
    let report = lab.source.report();
    assert_eq!((report.requests, report.deliveries, report.unauthorized, report.too_large), (9, 4, 1, 1));
    let summary = lab.end().await;
    assert_eq!((summary.events(), summary.duplicates, summary.foreign, summary.rejects), (1, 1, 1, 1));
}

/// A store whose commits wait for leave.
struct Gate {
    asked: Arc<Semaphore>,
    leave: Arc<Semaphore>,
}

impl Store for Gate {
    fn commit<'a>(&'a mut self, _: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async {
            self.asked.add_permits(1);
            self.leave.acquire().await.unwrap().forget();
            Ok(())
        })
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        Vec::new()
    }
}

#[tokio::test]
async fn nothing_is_answered_before_the_store_has_it() {
    let (asked, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let store = Gate { asked: Arc::clone(&asked), leave: Arc::clone(&leave) };
    let answer_within = |settings: &mut Settings| settings.answer_within = Duration::from_secs(3_600);
    let lab = Lab::with(answer_within, Box::new(store)).await;
    let url = lab.url.clone();
    let sent = tokio::spawn(async move { post(&client(), &url, call(1)).await.status().as_u16() });
    asked.acquire().await.unwrap().forget();
    assert!(!sent.is_finished(), "it is answered though it is not committed");
    leave.add_permits(1);
    assert_eq!(sent.await.unwrap(), 200);
    // A run that is stopped lets the last one have its answer, too.
    let url = lab.url.clone();
    let sent = tokio::spawn(async move { post(&client(), &url, call(2)).await.status().as_u16() });
    asked.acquire().await.unwrap().forget();
    lab.stop.cancel();
    leave.add_permits(1);
    assert_eq!(sent.await.unwrap(), 200);
    assert_eq!(lab.end().await.events(), 2);
}

/// A certificate for `localhost`, in files.
fn certificate() -> (tempfile::TempDir, TlsFiles, Certificate) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs::write(&files.certificate, cert.pem()).unwrap();
    fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    (folder, files, Certificate::from_der(cert.der()).unwrap())
}

#[tokio::test]
async fn requests_come_over_tls_alone_where_there_is_a_certificate() {
    let (_folder, files, certificate) = certificate();
    let lab = Lab::with(|settings| settings.tls = Some(files), Box::new(MemoryStore::default())).await;
    let trusting = Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
    assert_eq!(post(&trusting, &lab.url, call(1)).await.status().as_u16(), 200);
    let in_the_clear = lab.url.replace("https", "http");
    assert!(client().post(in_the_clear).body(call(2)).send().await.is_err());
    assert!(client().post(&lab.url).body(call(2)).send().await.is_err(), "the certificate is nobody's");
    assert_eq!(lab.end().await.events(), 1);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let lab = Lab::with(|settings| settings.connections_max = 2, Box::new(MemoryStore::default())).await;
    let address = lab.url.trim_start_matches("http://").trim_end_matches("/events").to_owned();
    let mut open = Vec::new();
    for number in 0..2 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        assert!(ask(&mut stream, number).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    let (url, mut idle) = (lab.url.clone(), open.pop().unwrap());
    let third = tokio::spawn(async move { post(&client(), &url, call(9)).await.status().as_u16() });
    // Those that are open are served on.
    for number in 2..6 {
        assert!(ask(&mut idle, number).await.starts_with("HTTP/1.1 200"));
    }
    assert!(!third.is_finished(), "there is no place for it");
    drop(idle);
    assert_eq!(third.await.unwrap(), 200);
    drop(open);
    assert_eq!(lab.end().await.events(), 7);
}

/// Sends a request on a connection, and reads the head of its answer.
async fn ask(stream: &mut TcpStream, number: usize) -> String {
    let body = call(number);
    let head =
        format!("POST /events HTTP/1.1\r\nhost: x\r\nx-api-key: {SECRET}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

/// The real binary in a folder of its own, gone when dropped.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = folder.join("log");
        let (out, err) = (fs::File::create(folder.join("out")).unwrap(), fs::File::create(&log).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_trailwatch"))
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Where it listens, once it does.
    async fn url(&self) -> String {
        let listening = regex::Regex::new("listening on (https?://[^\\s\"]+)").unwrap();
        wait("the listener", || listening.is_match(&self.log())).await;
        listening.captures(&self.log()).unwrap()[1].to_owned()
    }

    async fn stop(mut self) -> (Option<i32>, String) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut status = None;
        wait("the end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (status.unwrap().code(), self.log())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const RULES: [(&str, &str); 6] = [
    ("sign-in", r#"{"detail-type": ["AWS Console Signin via CloudTrail"]}"#),
    ("service", r#"{"detail-type": ["AWS Service Event via CloudTrail"]}"#),
    ("insight", r#"{"detail-type": ["AWS Insight via CloudTrail"]}"#),
    ("replayed", r#"{"replay-name": [{"exists": true}]}"#),
    ("call", r#"{"detail-type": ["AWS API Call via CloudTrail"], "replay-name": [{"exists": false}]}"#),
    ("xray", r#"{"source": ["aws.xray"], "detail-type": ["AWS X-Ray Insight Update"]}"#),
];

/// A folder with those rules.
fn lab_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    for (id, pattern) in RULES {
        let text = format!("id = \"{id}\"\ntitle = \"{id}\"\nseverity = \"high\"\nevent_pattern = '{pattern}'\n");
        fs::write(folder.path().join(format!("rules/{id}.toml")), text).unwrap();
    }
    folder
}

/// Events in every sort of envelope that EventBridge sends.
fn events() -> Vec<String> {
    let of_type = |number: usize, kind: &str| {
        let mut record = record(number, "ConsoleLogin");
        record["eventType"] = kind.into();
        record
    };
    let mut insight = record(4, "");
    insight.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "eventName" | "eventSource"));
    insight["eventType"] = "AwsCloudTrailInsight".into();
    insight["eventCategory"] = "Insight".into();
    let mut replayed = envelope("AWS API Call via CloudTrail", "aws.xray", &record(6, "Fire"));
    replayed["replay-name"] = "after-the-outage".into();
    let events = [
        envelope("AWS Console Sign In via CloudTrail", "aws.signin", &of_type(1, "AwsConsoleSignIn")),
        envelope("AWS Console Signin via CloudTrail", "aws.signin", &of_type(2, "AwsConsoleSignIn")),
        envelope("AWS Service Event via CloudTrail", "aws.kms", &of_type(3, "AwsServiceEvent")),
        envelope("AWS Insight via CloudTrail", "aws.cloudtrail", &insight),
        envelope("AWS API Call via CloudTrail", "aws.xray", &record(5, "Fire")),
        replayed,
        envelope("AWS X-Ray Insight Update", "aws.xray", &json!({"InsightId": "i", "State": "ACTIVE"})),
    ];
    events.iter().map(Value::to_string).collect()
}

/// What was printed: how many events, and how many findings by rule.
fn printed(folder: &Path) -> (usize, BTreeMap<String, usize>) {
    let text = fs::read_to_string(folder.join("out")).unwrap();
    let (mut events, mut findings) = (0, BTreeMap::new());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["rule"]["id"].as_str() {
            Some(rule) => *findings.entry(rule.to_owned()).or_insert(0) += 1,
            None => events += 1,
        }
        if line["rule"]["id"] == "replayed" {
            assert!(line.to_string().contains("after-the-outage"), "the evidence names the replay: {line}");
        }
    }
    assert!(text.lines().any(|line| line.contains(r#""replay-name":"after-the-outage"}"#)), "{text}");
    (events, findings)
}

fn expected() -> (usize, BTreeMap<String, usize>) {
    let counts = [("call", 1), ("insight", 1), ("replayed", 1), ("service", 1), ("sign-in", 2), ("xray", 1)];
    (7, counts.into_iter().map(|(rule, count)| (rule.to_owned(), count)).collect())
}

#[tokio::test]
async fn what_eventbridge_sends_is_the_same_by_whatever_way_it_comes() {
    let endpoint = Endpoint::start().await.unwrap();
    endpoint.queues().create("events");
    endpoint.logs().create_group("/aws/events/all");
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    for message in events() {
        endpoint.queues().send("events", message.clone());
        endpoint.logs().put("/aws/events/all", "stream", LogEvent { timestamp_ms: now_ms, message });
    }
    let aws = ["--endpoint-url", &endpoint.url(), "--region", REGION];
    let common = ["tail", "--rules", "rules", "--output", "json"];
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("TRAILWATCH_LISTEN_SECRET", SECRET),
    ];
    for from in [["--queue", "events"], ["--log-group", "/aws/events/all"]] {
        let folder = lab_folder();
        let mut daemon = Daemon::start(folder.path(), &[&common[..], &from, &aws].concat(), &variables);
        let mut ended = false;
        wait("the end", || {
            ended = ended || daemon.child.try_wait().unwrap().is_some();
            ended
        })
        .await;
        assert_eq!(printed(folder.path()), expected(), "{from:?}: {}", daemon.log());
    }
    let folder = lab_folder();
    let args = [&common[..], &["--listen", "127.0.0.1:0", "--follow", "--account", ACCOUNT_ID]].concat();
    let daemon = Daemon::start(folder.path(), &args, &variables);
    let (client, url) = (client(), daemon.url().await);
    for event in events() {
        assert_eq!(post(&client, &url, event).await.status().as_u16(), 200);
    }
    let foreign = envelope("AWS X-Ray Insight Update", "aws.xray", &json!({})).to_string();
    let foreign = foreign.replace(ACCOUNT_ID, "444455556666");
    assert_eq!(post(&client, &url, foreign).await.status().as_u16(), 200);
    assert_eq!(client.post(&url).body(call(1)).send().await.unwrap().status().as_u16(), 401);
    let (code, log) = daemon.stop().await;
    assert_eq!((code, printed(folder.path())), (Some(0), expected()), "{log}");
    assert!(log.contains("http: 9 requests, 1 without a good secret"), "{log}");
    assert!(log.contains("1 of accounts that are not wanted"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn nobody_listens_to_anybody_by_mistake() {
    let folder = lab_folder();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    fs::write(folder.path().join("short"), "abc\n").unwrap();
    for (name, args, expected) in [
        ("no secret", &["--listen", "127.0.0.1:0"][..], "without a secret anybody could send events"),
        ("a short one", &["--listen", "127.0.0.1:0", "--secret-file", "short"], "shorter than 16 characters"),
        ("no such file", &["--listen", "127.0.0.1:0", "--secret-file", "none"], "cannot read none"),
        ("in the clear", &["--listen", "0.0.0.0:0", "--secret-file", "secret"], "would come in the clear"),
        (
            "no secret, from anywhere",
            &["--listen", "0.0.0.0:0", "--allow-http", "--allow-anybody"],
            "a secret is needed",
        ),
        ("half of a certificate", &["--listen", "0.0.0.0:0", "--tls-cert", "secret"], "--tls-key"),
        (
            "no certificate",
            &["--listen", "0.0.0.0:0", "--tls-cert", "secret", "--tls-key", "secret", "--secret-file", "secret"],
            "holds no certificate",
        ),
        ("an account that is none", &["--listen", "127.0.0.1:0", "--account", "12"], "twelve digits"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        command.args(["tail", "--follow"]).args(args).env_clear().current_dir(folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(text.contains(expected) && !text.contains(SECRET), "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_and_repeat_under_the_same_ids() {
    const SENT: usize = 60;
    let folder = lab_folder();
    let ids: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>> = Arc::default();
    let kept = Arc::clone(&ids);
    let receiver = Receiver::start(move |_, request| {
        let finding: Value = serde_json::from_str(&request.body).unwrap();
        let of = |value: &Value| value.as_str().unwrap().to_owned();
        kept.lock().unwrap().entry(of(&finding["event_ids"][0])).or_default().insert(of(&finding["id"]));
        Some(answer(200, &[], ""))
    })
    .await;
    let text = format!(
        "state = \"state\"\n[rules]\npaths = [\"rules\"]\n[sources.bus]\ntype = \"http\"\nlisten = \"127.0.0.1:0\"\n\
         auth = \"basic\"\nsecrets = [\"eventbridge:${{file:secret}}\"]\n[sinks.out]\ntype = \"webhook\"\nurl = \"{}\"\n\
         allow_private = true\nretry_min = \"5ms\"\nretry_max = \"50ms\"\n",
        receiver.url()
    );
    fs::write(folder.path().join("trailwatch.toml"), text).unwrap();
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    // A sender as EventBridge is: it brings an event until that is taken, wherever the listener is by then.
    let (place, taken) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(0)));
    let sender = tokio::spawn({
        let (place, taken) = (Arc::clone(&place), Arc::clone(&taken));
        async move {
            let client = client();
            for number in 0..SENT {
                loop {
                    let url = place.lock().unwrap().clone();
                    let request = client.post(url).basic_auth("eventbridge", Some(SECRET)).body(call(number));
                    match request.send().await {
                        Ok(response) if response.status() == 200 => break,
                        Ok(response) => assert_eq!(response.status(), 503),
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
                *taken.lock().unwrap() = number + 1;
            }
        }
    });
    let run = || Daemon::start(folder.path(), &["run"], &[("PATH", "/bin")]);
    for kill in 1..=5 {
        let daemon = run();
        *place.lock().unwrap() = daemon.url().await;
        wait("some to be taken", || *taken.lock().unwrap() >= kill * 8).await;
        drop(daemon);
    }
    let daemon = run();
    *place.lock().unwrap() = daemon.url().await;
    sender.await.unwrap();
    wait("every finding", || ids.lock().unwrap().len() == SENT).await;
    let (code, log) = daemon.stop().await;
    assert_eq!(code, Some(0), "{log}");
    let ids = ids.lock().unwrap();
    assert!(ids.values().all(|ids| ids.len() == 1), "an event has one finding, however often it is brought: {ids:?}");
    assert!(!log.contains(SECRET), "{log}");
}
