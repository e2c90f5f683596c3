//! The real binary as a daemon: killed at any moment, stopped, started on damaged state, with receivers that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use trailwatch::sim::{Endpoint, LogEvent};
use trailwatch::store::{Inspector, Waiting};

use super::receiver::{Receiver, answer};

const GROUP: &str = "aws-cloudtrail-logs";

/// A folder with a configuration and a rule, and a CloudWatch Logs of our own.
struct Lab {
    folder: tempfile::TempDir,
    endpoint: Endpoint,
}

impl Lab {
    async fn new() -> Self {
        let (folder, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await.unwrap());
        endpoint.logs().create_group(GROUP);
        fs::create_dir(folder.path().join("rules")).unwrap();
        let lab = Self { folder, endpoint };
        lab.write_rule("fire", "Fire");
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_rule(&self, id: &str, event_name: &str) {
        let text =
            format!("id = \"{id}\"\ntitle = \"{id}\"\nseverity = \"high\"\n[match]\neventName = \"{event_name}\"\n");
        fs::write(self.path("rules").join(format!("{id}.toml")), text).unwrap();
    }

    /// Writes the configuration: the log group, and these sinks.
    fn configure(&self, sinks: &str) {
        let text = format!(
            "state = \"state\"\ninstance = \"test\"\ndrain = \"30s\"\n[rules]\npaths = [\"rules\"]\n[log]\nformat = \"json\"\n\
             [sources.trail]\ntype = \"cloudwatch-logs\"\nlog_group = \"{GROUP}\"\nregion = \"us-east-1\"\n\
             endpoint_url = \"{}\"\n{sinks}",
            self.endpoint.url()
        );
        fs::write(self.path("trailwatch.toml"), text).unwrap();
    }

    fn put(&self, name: &str, number: usize) {
        put(self.endpoint.logs(), name, number);
    }

    fn trailwatch(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        command
            .args(args)
            .args(["--config".as_ref(), self.path("trailwatch.toml").as_os_str()])
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the daemon; its log is added to a file.
    fn start(&self) -> Daemon {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        Daemon(self.trailwatch(&["run"]).stderr(log).spawn().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn waiting(&self, sink: &str) -> Waiting {
        let overview = Inspector::open(&self.path("state")).unwrap().overview().unwrap();
        overview.sinks.get(sink).cloned().unwrap_or_default()
    }
}

fn put(logs: &trailwatch::sim::Logs, name: &str, number: usize) {
    let message = format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"{name}","eventTime":"2026-01-15T12:00:00Z","recipientAccountId":"111122223333","eventID":"{}"}}"#,
        event_id(number)
    );
    let timestamp_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    logs.put(GROUP, "stream", LogEvent { timestamp_ms, message });
}

fn event_id(number: usize) -> String {
    format!("e0000000-0000-4000-8000-{number:012}")
}

/// A daemon, gone when dropped.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end: its exit code, and what it printed.
    async fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait("the daemon to end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let mut printed = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (status.unwrap().code(), printed)
    }

    async fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.end().await.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks again until something holds; there is nothing else to wait on in another process.
async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn webhook(name: &str, url: &str) -> String {
    format!(
        "[sinks.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\nallow_private = true\ntimeout = \"500ms\"\n\
         retry_min = \"5ms\"\nretry_max = \"50ms\"\n"
    )
}

/// The ids of the event and of the finding in a request's body.
fn ids(body: &str) -> (String, String) {
    let finding: serde_json::Value = serde_json::from_str(body).unwrap();
    (finding["event_ids"][0].as_str().unwrap().to_owned(), finding["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_arrives_however_often_the_daemon_is_killed() {
    const PLANTED: usize = 120;
    const KILLS: usize = 8;
    let lab = Lab::new().await;
    let taken: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = Arc::clone(&taken);
    let receiver = Receiver::start(move |before, request| match before % 11 {
        2 => Some(answer(429, &[("retry-after", "0")], "")),
        4 | 5 => Some(answer(500, &[], "")),
        9 => None,
        _ => {
            noted.lock().unwrap().insert(ids(&request.body).0);
            Some(answer(200, &[], ""))
        }
    })
    .await;
    lab.configure(&webhook("pager", &receiver.url()));
    let logs = lab.endpoint.logs().clone();
    let player = tokio::spawn(async move {
        for number in 0..PLANTED {
            put(&logs, "Fire", number);
            put(&logs, "Other", PLANTED + number);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    for kill in 0..KILLS {
        let before = receiver.requests().len();
        let daemon = lab.start();
        let all = || taken.lock().unwrap().len() == PLANTED;
        wait("some requests", || all() || receiver.requests().len() > before + kill).await;
        drop(daemon);
    }
    player.await.unwrap();
    let daemon = lab.start();
    wait("every finding", || taken.lock().unwrap().len() == PLANTED).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());

    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in receiver.requests() {
        let (event, finding) = ids(&request.body);
        found.entry(event).or_default().insert(finding);
    }
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), (0..PLANTED).map(event_id).collect::<Vec<_>>());
    assert!(found.values().all(|ids| ids.len() == 1), "an event's finding has one id, however often it is brought");
    let distinct: BTreeSet<_> = found.values().flatten().collect();
    assert_eq!(distinct.len(), PLANTED);
    assert_eq!(lab.waiting("pager"), Waiting::default());
    assert!(!lab.log().contains("panicked"), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_was_received_be_delivered() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    (0..30).for_each(|number| lab.put("Fire", number));
    let daemon = lab.start();
    wait("a request", || !receiver.requests().is_empty()).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    assert_eq!((receiver.requests().len(), lab.waiting("pager")), (30, Waiting::default()));
    let log = lab.log();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(line["time"].is_string() && line["level"].is_string() && line["text"].is_string(), "{line}");
    }
    assert!(log.contains("ended: 30 events, 30 findings"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| None).await;
    let sink = webhook("pager", &receiver.url()).replace("500ms", "4m");
    lab.configure(&sink);
    lab.put("Fire", 1);
    let daemon = lab.start();
    wait("a request", || !receiver.requests().is_empty()).await;
    daemon.signal("TERM");
    wait("the stop to be told", || lab.log().contains("stopping")).await;
    daemon.signal("TERM");
    assert_eq!(daemon.end().await.0, Some(130), "{}", lab.log());
    assert_eq!(lab.waiting("pager").entries, 1, "what was not taken is brought by the next run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_has_an_end_though_a_sink_hangs() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| None).await;
    lab.configure(&webhook("pager", &receiver.url()).replace("500ms", "4m"));
    let text = fs::read_to_string(lab.path("trailwatch.toml")).unwrap().replace("drain = \"30s\"", "drain = \"400ms\"");
    fs::write(lab.path("trailwatch.toml"), text).unwrap();
    lab.put("Fire", 1);
    let daemon = lab.start();
    wait("a request", || !receiver.requests().is_empty()).await;
    // The couriers are given up in time, so that the run ends in good order.
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    assert_eq!(lab.waiting("pager").entries, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_once_and_routes_hold_for_standard_output_too() {
    let lab = Lab::new().await;
    let events: String = (0..5)
        .map(|number| format!("{{\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"Fire\",\"recipientAccountId\":\"1\",\"eventID\":\"{number}\"}}\n"))
        .collect();
    fs::write(lab.path("events.jsonl"), events).unwrap();
    let configure = |min_severity: &str| {
        let text = format!(
            "state = \"state\"\n[rules]\npaths = [\"rules\"]\n[sources.files]\ntype = \"files\"\npaths = [\"events.jsonl\"]\n\
             [sinks.out]\ntype = \"stdout\"\nformat = \"json\"\nmin_severity = \"{min_severity}\"\n"
        );
        fs::write(lab.path("trailwatch.toml"), text).unwrap();
    };
    configure("critical");
    assert_eq!(lab.start().end().await, (Some(0), String::new()), "{}", lab.log());
    fs::remove_dir_all(lab.path("state")).unwrap();
    configure("high");
    let (code, printed) = lab.start().end().await;
    assert_eq!((code, printed.lines().count()), (Some(0), 5), "{}", lab.log());
    assert_eq!(lab.start().end().await, (Some(0), String::new()), "what was seen is not told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_state_is_set_aside_and_said() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    lab.put("Fire", 1);
    fs::create_dir(lab.path("state")).unwrap();
    fs::write(lab.path("state").join("trailwatch.redb"), "no database at all").unwrap();
    let daemon = lab.start();
    wait("the finding", || !receiver.requests().is_empty()).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    let log = lab.log();
    assert!(log.contains("trailwatch.redb.corrupt-") && log.contains("\"level\":\"error\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_why_and_ends() {
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\n");
    let broken = |change: &dyn Fn(&Path)| {
        change(lab.folder.path());
        let output = lab.trailwatch(&["run"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = broken(&|folder| fs::write(folder.join("rules/broken.toml"), "id = \"x\"\n").unwrap());
    assert!(code == Some(253) && text.contains("broken.toml:1:1: the rule has no `title`"), "{code:?} {text}");
    fs::remove_file(lab.path("rules/broken.toml")).unwrap();
    let (code, text) = broken(&|folder| {
        let path = folder.join("trailwatch.toml");
        let text = fs::read_to_string(&path).unwrap().replace(GROUP, "aws-cloudtrail-lgos");
        fs::write(path, text).unwrap();
    });
    assert!(code == Some(254) && text.contains("aws-cloudtrail-lgos"), "{code:?} {text}");
    fs::write(lab.path("trailwatch.toml"), "state = 1\n").unwrap();
    let (code, text) = broken(&|_| {});
    assert!(code == Some(253) && text.contains("expected a string, found a number"), "{code:?} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_goes_through_a_sink_as_it_is_configured() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|before, _| Some(answer(if before == 0 { 200 } else { 400 }, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    let test = |name: &str| {
        let output = lab.trailwatch(&["sink", "test", name]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = test("pager");
    assert!(code == Some(0) && text.contains("has taken the sample"), "{code:?} {text}");
    assert!(receiver.requests()[0].body.contains("This is a test of Trailwatch. Nothing happened."));
    let (code, text) = test("pager");
    assert!(code == Some(1) && text.contains("sink `pager` refuses the sample"), "{code:?} {text}");
    let (code, text) = test("pagre");
    assert!(code == Some(2) && text.contains("there is no sink `pagre` (there are pager)"), "{code:?} {text}");
}
