//! The real binary as a daemon: killed at any moment, stopped, started on damaged state, with receivers that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use trailwatch::sim::{Endpoint, Fault, LogEvent, Trail, TrailStatus};
use trailwatch::store::{Inspector, Waiting};

use super::receiver::{Receiver, answer};

mod alarms;

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

    /// Changes the configuration.
    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("trailwatch.toml")).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.path("trailwatch.toml"), text.replace(from, to)).unwrap();
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

    /// What a command shows, without times.
    fn shown(&self, args: &[&str]) -> String {
        let output = self.trailwatch(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap().replace_all(&text, "[TIME]").into_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn waiting(&self, sink: &str) -> Waiting {
        let overview = Inspector::open(&self.path("state")).unwrap().overview().unwrap();
        overview.sinks.get(sink).cloned().unwrap_or_default()
    }
}

fn event_json(name: &str, number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"{name}","eventTime":"2026-01-15T12:00:00Z","recipientAccountId":"111122223333","eventID":"{}"}}"#,
        event_id(number)
    )
}

fn put(logs: &trailwatch::sim::Logs, name: &str, number: usize) {
    put_message(logs, event_json(name, number));
}

fn put_message(logs: &trailwatch::sim::Logs, message: String) {
    let timestamp_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    logs.put(GROUP, "stream", LogEvent { timestamp_ms, message });
}

fn event_id(number: usize) -> String {
    format!("e0000000-0000-4000-8000-{number:012}")
}

/// A daemon, gone when dropped.
pub struct Daemon(pub Child);

impl Daemon {
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end: its exit code, and what it printed.
    async fn end(mut self) -> (Option<i32>, String) {
        let code = self.code().await;
        let mut printed = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (code, printed)
    }

    /// Waits for its end: its exit code.
    pub async fn code(&mut self) -> Option<i32> {
        let mut status = None;
        wait("the daemon to end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().code()
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
pub async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
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
async fn who_is_not_answered_holds_up_nobody_else() {
    const PLANTED: usize = 20;
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, request| {
        let is_first = request.body.contains(&event_id(0));
        (!is_first).then(|| answer(200, &[], ""))
    })
    .await;
    let sink = webhook("pager", &receiver.url()).replace("500ms", "1m");
    lab.configure(&format!("{sink}[admin]\nlisten = \"127.0.0.1:0\"\n"));
    (0..PLANTED).for_each(|number| lab.put("Fire", number));
    let daemon = lab.start();
    let address = admin_address(&lab).await;
    let settled = "trailwatch_sink_deliveries_total{sink=\"pager\",result=\"delivered\"} 19\n";
    wait("all that is answered", || get(&address, "/metrics", &address).contains(settled)).await;
    drop(daemon);
    assert_eq!(lab.waiting("pager").entries, 1);
    assert_eq!(receiver.requests().len(), PLANTED, "each was brought once");
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
    lab.endpoint.trails().put(Trail::to_group("main", GROUP));
    lab.edit(&format!("log_group = \"{GROUP}\""), "trail = \"main\"");
    let elsewhere = "title: t\nlogsource:\n  product: windows\ndetection:\n  a:\n    b: c\n  condition: a\n";
    fs::write(lab.path("rules/elsewhere.yml"), elsewhere).unwrap();
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
    for text in ["ended: 30 events, 30 findings", "trail `main` delivers to", "elsewhere.yml: left out"] {
        assert!(log.contains(text), "{log}");
    }
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
    lab.configure("[sinks.out]\ntype = \"stdout\"\n");
    let daemon = lab.start();
    wait("what is stranded to be told", || lab.log().contains("1 finding in the outbox for sink `pager`")).await;
    daemon.stop().await;
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
    // Whether the couriers are given up before the run as a whole is, is up to the machine.
    assert!(matches!(daemon.stop().await, Some(0 | 3)), "{}", lab.log());
    assert_eq!(lab.waiting("pager").entries, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_files_ends_once_what_is_to_be_tried_again_was() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|before, _| Some(answer(if before == 0 { 500 } else { 200 }, &[], ""))).await;
    let pager = webhook("pager", &receiver.url())
        .replace("\"5ms\"", "\"2s\"")
        .replace("\"50ms\"", "\"4s\"")
        .replace("500ms", "10s");
    fs::write(lab.path("events.jsonl"), event_json("Fire", 1) + "\n").unwrap();
    let text = format!(
        "state = \"state\"\n[rules]\npaths = [\"rules\"]\n[sources.files]\ntype = \"files\"\npaths = [\"events.jsonl\"]\n{pager}"
    );
    fs::write(lab.path("trailwatch.toml"), text).unwrap();
    assert_eq!(lab.start().end().await.0, Some(0), "{}", lab.log());
    assert_eq!(lab.waiting("pager"), Waiting::default());
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

/// What could not be written, or was read by nobody, comes at the next start.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn findings_for_standard_output_outlast_one_that_cannot_be_written() {
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\nformat = \"json\"\n");
    (1..=3).for_each(|number| lab.put("Fire", number));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = lab.trailwatch(&["run"]);
    let log = fs::File::create(lab.path("log")).unwrap();
    let mut daemon = Daemon(command.stdout(full).stderr(log).spawn().unwrap());
    assert_eq!(daemon.code().await, Some(255), "{}", lab.log());
    assert!(lab.log().contains("cannot write the output"), "{}", lab.log());
    let mut daemon = lab.start();
    drop(daemon.0.stdout.take());
    assert_eq!(daemon.code().await, Some(255), "{}", lab.log());
    assert!(lab.log().contains("nobody reads it any more"), "{}", lab.log());
    let mut daemon = lab.start();
    let lines = BufReader::new(daemon.0.stdout.take().unwrap()).lines();
    let found: BTreeSet<String> = lines.take(3).map(|line| ids(&line.unwrap()).0).collect();
    assert_eq!(found, (1..=3).map(event_id).collect());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_read_the_state() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\n");
    let daemon = lab.start();
    wait("the state", || lab.path("state/trailwatch.redb").exists()).await;
    let mode = |path: &str| fs::metadata(lab.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/trailwatch.redb")), (0o700, 0o600));
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_fail_their_tests_are_no_start() {
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\n");
    let rule = "id = \"air\"\ntitle = \"air\"\nseverity = \"high\"\n[match]\neventName = \"Air\"\n\
        [[test]]\nname = \"no air\"\nexpect = \"match\"\nevent = { eventName = \"Water\" }\n";
    fs::write(lab.path("rules/air.toml"), rule).unwrap();
    assert_eq!(lab.start().end().await.0, Some(253));
    assert!(lab.log().contains("rule `air` fails its test `no air`"), "{}", lab.log());
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
async fn damaged_state_is_repaired_by_a_person() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(404, &[], "no such channel"))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    lab.put("Fire", 1);
    let daemon = lab.start();
    wait("the refusal", || lab.log().contains("is given up")).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    let file = lab.path("state").join("trailwatch.redb");
    let repaired = |lab: &Lab| {
        let text = lab.shown(&["state", "repair"]);
        let text = regex::Regex::new("corrupt-[0-9TZ.]+").unwrap().replace(&text, "corrupt-[TIME]").into_owned();
        text.replace(&lab.folder.path().display().to_string(), "[FOLDER]")
    };
    insta::assert_snapshot!(repaired(&lab), @"note: nothing is wrong with it");
    let mut bytes = fs::read(&file).unwrap();
    // The slot of the last commit, whose checksum then no longer fits.
    bytes[64..320].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    insta::assert_snapshot!(repaired(&lab), @r"
    note: what was damaged is kept as [FOLDER]/state/trailwatch.redb.corrupt-[TIME]
    error: positions: 0; how many there were cannot be read
    error: seen events: 0; how many there were cannot be read
    error: open windows: 0; how many there were cannot be read
    error: findings that wait: 0; how many there were cannot be read
    error: dead letters: 0; how many there were cannot be read
    ");
    assert!(lab.shown(&["state", "verify"]).contains("nothing is wrong with it"));
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
    assert!(text.starts_with("{\"level\":\"error\""), "{text}");
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

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_routes_are_taken_over_whole_or_not_at_all() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    let has = |number: usize| receiver.requests().iter().any(|request| ids(&request.body).0 == event_id(number));
    lab.edit("drain", "reload = \"signal\"\ndrain");
    let daemon = lab.start();
    lab.put("Fire", 1);
    wait("a finding of the first rule", || has(1)).await;

    lab.write_rule("water", "Water");
    daemon.signal("HUP");
    wait("the new rule to be told", || lab.log().contains("taken over: +1 −0 ~0 rules: +water")).await;
    lab.put("Water", 2);
    wait("a finding of the new rule", || has(2)).await;

    fs::write(lab.path("rules/air.toml"), "id = \"air\"\nseverity = \"hihg\"\n").unwrap();
    daemon.signal("HUP");
    wait("the refusal", || lab.log().contains("not taken over")).await;
    assert!(lab.log().contains("unknown severity `hihg`"), "{}", lab.log());
    lab.put("Water", 3);
    wait("a finding of the rules that were kept", || has(3)).await;

    let failing = "id = \"air\"\ntitle = \"air\"\nseverity = \"critical\"\n[match]\neventName = \"Air\"\n\
        [[test]]\nname = \"no air\"\nexpect = \"match\"\nevent = { eventName = \"Water\" }\n";
    fs::write(lab.path("rules/air.toml"), failing).unwrap();
    daemon.signal("HUP");
    wait("the failed test", || lab.log().contains("rule `air` fails its test `no air`")).await;

    fs::write(lab.path("rules/air.toml"), failing.replace("Water", "Air")).unwrap();
    let text = fs::read_to_string(lab.path("trailwatch.toml")).unwrap();
    let text = format!("{text}min_severity = \"critical\"\n").replace("drain = \"30s\"", "drain = \"29s\"");
    fs::write(lab.path("trailwatch.toml"), text).unwrap();
    daemon.signal("HUP");
    wait("what takes a restart", || lab.log().contains("in force after a restart only: drain\"")).await;
    lab.put("Fire", 4);
    wait("the log group to hold it", || lab.endpoint.logs().event_count(GROUP) == 4).await;
    lab.put("Air", 5);
    wait("the critical one", || has(5)).await;
    assert!(!has(4), "the route is the new one");
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_file_is_taken_over_without_a_signal() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    let daemon = lab.start();
    wait("the start", || lab.log().contains("findings go to pager")).await;
    lab.write_rule("water", "Water");
    wait("the new rule", || lab.log().contains("taken over: +1 −0 ~0 rules: +water")).await;
    fs::write(lab.path("rules/air.toml"), "id = \"air\"\nseverity = \"hihg\"\n").unwrap();
    wait("the refusal", || lab.log().contains("not taken over")).await;
    fs::remove_file(lab.path("rules/air.toml")).unwrap();
    wait("the mistake to be undone", || lab.log().contains("taken over: +0 −0 ~0 rules")).await;
    // The rules are elsewhere from now on, and changes there are seen too.
    fs::create_dir(lab.path("more")).unwrap();
    let rule = fs::read_to_string(lab.path("rules/water.toml")).unwrap();
    fs::write(lab.path("more/earth.toml"), rule.replace("water", "earth")).unwrap();
    lab.edit("[\"rules\"]", "[\"rules\", \"more\"]");
    wait("the configuration", || lab.log().contains("taken over: +1 −0 ~0 rules: +earth")).await;
    fs::write(lab.path("more/wind.toml"), rule.replace("water", "wind")).unwrap();
    wait("a rule of the new folder", || lab.log().contains("taken over: +1 −0 ~0 rules: +wind")).await;
    lab.edit("drain", "reload = \"signal\"\ndrain");
    wait("the end of looking", || lab.log().matches("taken over: +0 −0 ~0 rules").count() == 2).await;
    fs::remove_file(lab.path("more/wind.toml")).unwrap();
    daemon.signal("HUP");
    wait("a rule to go", || lab.log().contains("taken over: +0 −1 ~0 rules: −wind")).await;
    assert_eq!(lab.log().matches("files have changed").count(), 6, "{}", lab.log());
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_has_changed_is_told_to_need_a_restart() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &format!("{}?token=abcdefgh", receiver.url())));
    lab.edit("drain", "reload = \"signal\"\ndrain");
    let daemon = lab.start();
    wait("the start", || lab.log().contains("findings go to pager")).await;
    daemon.signal("HUP");
    wait("a reload of nothing new", || lab.log().contains("taken over")).await;
    assert!(!lab.log().contains("after a restart only"), "{}", lab.log());
    let text = fs::read_to_string(lab.path("trailwatch.toml")).unwrap();
    fs::write(lab.path("trailwatch.toml"), text.replace("abcdefgh", "ijklmnop")).unwrap();
    daemon.signal("HUP");
    wait("what takes a restart", || lab.log().contains("in force after a restart only: a secret")).await;
    assert!(!lab.log().contains("ijklmnop"), "{}", lab.log());
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_got_from_those_who_keep_them_and_shown_to_nobody() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    let sink = webhook("pager", "${secretsmanager:hooks/pager#url}") + "signing_keys = [\"${ssm:/prod/signing}\"]\n";
    lab.configure(&sink);
    lab.edit("drain", "reload = \"signal\"\ndrain");
    let trailwatch = |args: &[&str]| {
        let mut command = lab.trailwatch(args);
        command.env("AWS_ENDPOINT_URL", lab.endpoint.url()).env("AWS_REGION", "us-east-1");
        command
    };
    let said = |args: &[&str]| {
        let output = trailwatch(args).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (url, key) = (format!("{}?token=abcdefgh", receiver.url()), "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    lab.endpoint.secrets().put_secret("hooks/pager", &serde_json::json!({ "url": url }).to_string());
    lab.endpoint.logs().faults().next_for("GetSecretValue", Fault::access_denied());
    let (code, text) = said(&["run"]);
    assert_eq!(code, Some(254), "another start may help: {text}");
    insta::assert_snapshot!(text, @r"
    error: `${secretsmanager:hooks/pager#url}` cannot be had: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its key if that is one of yours)
    error: `${ssm:/prod/signing}` cannot be had: ParameterNotFound (is it in the region of `AWS_REGION`, or of the profile? its ARN in place of its name says another)
    ");
    lab.endpoint.secrets().put_parameter("/prod/signing", key);
    let calls = || lab.endpoint.logs().calls("GetSecretValue") + lab.endpoint.logs().calls("GetParameter");
    let (_, looked) = said(&["doctor"]);
    assert!(looked.contains("addresses of its host that may be spoken to: 1"), "{looked}");
    let before = calls();
    assert_eq!(said(&["config", "check"]).0, Some(0));
    let (_, shown) = said(&["config", "show"]);
    assert!(shown.contains("url = \"${secretsmanager:hooks/pager#url}\""), "{shown}");
    assert_eq!(calls(), before, "neither connects to anything");

    let log = fs::File::create(lab.path("log")).unwrap();
    let daemon = Daemon(trailwatch(&["run"]).stderr(log).spawn().unwrap());
    lab.put("Fire", 1);
    wait("the finding", || !receiver.requests().is_empty()).await;
    assert!(receiver.requests()[0].headers.contains_key("webhook-signature"));
    daemon.signal("HUP");
    wait("a reload of nothing new", || lab.log().contains("taken over")).await;
    assert!(!lab.log().contains("after a restart only"), "{}", lab.log());
    lab.endpoint.logs().faults().next_for("GetParameter", Fault::access_denied());
    daemon.signal("HUP");
    wait("the refusal", || lab.log().contains("not taken over")).await;
    assert!(lab.log().contains("allow `ssm:GetParameter` on it"), "{}", lab.log());
    lab.endpoint.secrets().put_parameter("/prod/signing", "whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2");
    daemon.signal("HUP");
    wait("what takes a restart", || lab.log().contains("in force after a restart only: a secret")).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    for secret in ["abcdefgh", "whsec_"] {
        assert!(!lab.log().contains(secret) && !shown.contains(secret), "{}", lab.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_decode_is_told() {
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\n");
    let timestamp_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    lab.endpoint.logs().put(GROUP, "stream", LogEvent { timestamp_ms, message: "START RequestId".to_owned() });
    let daemon = lab.start();
    wait("the reject", || lab.log().contains("not decoded: not JSON")).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_reads_does_not_hold_up_the_end() {
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\nformat = \"json\"\n");
    let text = fs::read_to_string(lab.path("trailwatch.toml")).unwrap();
    fs::write(lab.path("trailwatch.toml"), text.replace("drain = \"30s\"", "drain = \"1s\"")).unwrap();
    // More than a pipe holds.
    (0..2_000).for_each(|number| lab.put("Fire", number));
    let mut daemon = lab.start();
    daemon.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.code().await, Some(0), "{}", lab.log());
    assert!(lab.log().contains("findings in the outbox: the next start brings them"), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_behind_is_told_once_and_so_is_its_end() {
    let lab = Lab::new().await;
    let takes = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let taking = Arc::clone(&takes);
    let receiver = Receiver::start(move |_, _| {
        let status = if taking.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 503 };
        Some(answer(status, &[], ""))
    })
    .await;
    lab.configure(&format!("{}[admin]\nlisten = \"127.0.0.1:0\"\n", webhook("pager", &receiver.url())));
    lab.put("Fire", 1);
    let daemon = lab.start();
    wait("a request", || !receiver.requests().is_empty()).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    age_outbox(&lab.path("state").join("trailwatch.redb"));
    fs::remove_file(lab.path("log")).unwrap();
    let daemon = lab.start();
    wait("the alarm", || lab.log().contains("sink `pager` is behind: 1 finding in the outbox, the oldest for 1h"))
        .await;
    let log = lab.log();
    let address = log.split("http://").find_map(|part| part.split_once(" answers")).unwrap().0.to_owned();
    let ready = get(&address, "/readyz", &address);
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("sink `pager` is behind"), "{ready}");
    takes.store(true, std::sync::atomic::Ordering::SeqCst);
    wait("its end", || lab.log().contains("sink `pager` is behind no more")).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    assert_eq!(lab.log().matches("is behind: ").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_our_own_that_read_set_nobody_off() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    let us = r#"{"type":"IAMUser","accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/ops/local","userName":"local"}"#;
    let sdk = "aws-sdk-rust/1.3.4 os/linux lang/rust/1.94 app/trailwatch";
    for (number, who, agent, reads) in [
        (1, us.to_owned(), sdk, true),
        (2, us.replace("user/ops/local", "user/mallory"), sdk, true),
        (3, us.replace("111122223333:user", "444455556666:user"), sdk, true),
        (4, us.replace(":user/", ":role/"), sdk, true),
        (5, us.to_owned(), "Boto3/1.34 app/trailwatch2 not-app/trailwatch", true),
        (6, us.to_owned(), sdk, false),
    ] {
        let text = event_json("Fire", number);
        let text = text.strip_suffix('}').unwrap();
        let message = format!("{text},\"userIdentity\":{who},\"userAgent\":\"{agent}\",\"readOnly\":{reads}}}");
        put_message(lab.endpoint.logs(), message);
    }
    let daemon = lab.start();
    wait("the findings", || receiver.requests().len() >= 5).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    let requests = receiver.requests();
    let is_found = |number: &usize| requests.iter().any(|request| request.body.contains(&event_id(*number)));
    assert_eq!((1..=6).filter(is_found).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

/// Makes entries of the outbox an hour older.
fn age_outbox(file: &Path) {
    use redb::ReadableTable as _;
    let rows: redb::TableDefinition<'_, (&str, u64), &[u8]> = redb::TableDefinition::new("outbox");
    let database = redb::Database::open(file).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut outbox = write.open_table(rows).unwrap();
        let row = outbox.get(("pager", 1)).unwrap().unwrap().value().to_vec();
        let mut row: serde_json::Value = serde_json::from_slice(&row).unwrap();
        row["since_ms"] = (row["since_ms"].as_i64().unwrap() - 3_600_000).into();
        outbox.insert(("pager", 1), serde_json::to_vec(&row).unwrap().as_slice()).unwrap();
    }
    write.commit().unwrap();
}

/// Where the admin listener listens, once it does.
async fn admin_address(lab: &Lab) -> String {
    wait("the listener", || lab.log().contains("answers /livez")).await;
    let log = lab.log();
    log.split("http://").find_map(|part| part.split_once(" answers")).unwrap().0.to_owned()
}

/// What the admin listener answers.
pub fn get(address: &str, path: &str, host: &str) -> String {
    use std::io::Write as _;
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_tells_how_the_run_fares() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, request| {
        Some(answer(if request.body.contains(&event_id(1)) { 200 } else { 500 }, &[], ""))
    })
    .await;
    lab.configure(&format!("{}[admin]\nlisten = \"127.0.0.1:0\"\n", webhook("pager", &receiver.url())));
    lab.write_rule("smoke", "Smoke");
    let rule = fs::read_to_string(lab.path("rules/smoke.toml")).unwrap();
    fs::write(lab.path("rules/smoke.toml"), rule + "[alert]\nsuppress = \"1h\"\n").unwrap();
    (1..=2).for_each(|number| lab.put("Fire", number));
    (3..=4).for_each(|number| lab.put("Smoke", number));
    let daemon = lab.start();
    let address = admin_address(&lab).await;
    assert!(get(&address, "/livez", &address).starts_with("HTTP/1.1 200 "));
    assert!(
        get(&address, "/livez", "evil.example.com").starts_with("HTTP/1.1 403 "),
        "a page that was made to point here"
    );
    let mut metrics = String::new();
    wait("the counts", || {
        metrics = get(&address, "/metrics", &address);
        metrics.contains("trailwatch_sink_deliveries_total{sink=\"pager\",result=\"delivered\"} 1")
    })
    .await;
    for counted in [
        r#"trailwatch_rule_eval_seconds_count [1-9]"#,
        r#"trailwatch_aws_requests_total\{service="CloudWatch Logs",op="FilterLogEvents",result="ok"\} [1-9]"#,
        r#"trailwatch_aws_requests_total\{service="STS",op="GetCallerIdentity",result="(ok|refused|failed)"\} [1-9]"#,
        r#"trailwatch_source_delivery_lag_seconds_bucket\{le="[0-9.]+",source="trail"\} [1-9]"#,
    ] {
        assert!(regex::Regex::new(counted).unwrap().is_match(&metrics), "{counted} is not in\n{metrics}");
    }
    for expected in [
        "trailwatch_source_events_total{source=\"trail\",kind=\"cloudtrail\"} 4",
        "trailwatch_rule_matches_total{rule=\"fire\",severity=\"high\"} 2",
        "trailwatch_rule_held_back_total{rule=\"smoke\"} 1",
        "trailwatch_sink_queue_length{sink=\"pager\"} 2.0",
        "trailwatch_source_deliveries_total{source=\"trail\"} 4",
        "trailwatch_config_last_reload_successful 1.0",
        "trailwatch_source_lag_seconds_count{source=\"trail\"} 4",
        "trailwatch_source_parse_errors_total{source=\"trail\",reason=\"not_json\"} 0",
        "trailwatch_events_dropped_total{source=\"trail\",reason=\"duplicate\",intentional=\"true\"} 0",
        "trailwatch_source_delivery_lag_seconds_count{source=\"trail\"} 4",
        "trailwatch_source_lateness_seconds_count{source=\"trail\"} 0",
        "trailwatch_window_keys{rule=\"smoke\"} 1.0",
        "trailwatch_window_evictions_total 0",
        "trailwatch_aws_throttles_total 0",
        "trailwatch_sink_retries_total{sink=\"pager\",reason=\"throttled\"} 0",
        "trailwatch_checkpoint_age_seconds{source=\"trail\"} ",
        "trailwatch_rules 2.0",
        "# EOF",
    ] {
        assert!(metrics.contains(expected), "{expected} is missing in\n{metrics}");
    }
    crate::monitoring::check(&metrics);
    let ready = get(&address, "/readyz", &format!("localhost:{}", address.rsplit(':').next().unwrap()));
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("{\"ready\":true,\"reasons\":[]}"), "{ready}");
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

/// The old position is later than the event, which would never come by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_reads_another_group_goes_on_from_no_position_of_the_first() {
    const OTHER: &str = "other-logs";
    let lab = Lab::new().await;
    lab.configure("[sinks.out]\ntype = \"stdout\"\nformat = \"json\"\n");
    lab.edit("region =", "since = \"3h\"\nregion =");
    let mut positions = Vec::new();
    for (group, number) in [(GROUP, 1), (OTHER, 2), (GROUP, 3)] {
        lab.endpoint.logs().create_group(group);
        let two_hours_ago_ms = jiff::Timestamp::now().as_millisecond() - 7_200_000;
        let event = LogEvent { timestamp_ms: two_hours_ago_ms, message: event_json("Fire", number) };
        lab.endpoint.logs().put(group, "stream", event);
        lab.edit("log_group = \"", &format!("log_group = \"{group}\" # \""));
        let mut daemon = lab.start();
        if number < 3 {
            let mut line = String::new();
            BufReader::new(daemon.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert!(line.contains(&event_id(number)), "{line}");
        } else {
            wait("a start", || lab.log().matches(" follows ").count() == 3).await;
        }
        assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
        let state = Inspector::open(&lab.path("state")).unwrap().overview().unwrap();
        positions.push(state.checkpoints.iter().map(|kept| kept.source.to_string()).collect::<Vec<_>>());
    }
    let (first, other) = (format!("trail/us-east-1::{GROUP}"), format!("trail/us-east-1::{OTHER}"));
    assert_eq!(positions, [vec![first.clone()], vec![first.clone(), other.clone()], vec![first, other]]);
    assert_eq!(lab.log().matches("reads another log group than before").count(), 1, "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_and_sent_again() {
    let lab = Lab::new().await;
    let refuses = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refusing = Arc::clone(&refuses);
    let receiver = Receiver::start(move |_, _| {
        let status = if refusing.load(std::sync::atomic::Ordering::SeqCst) { 404 } else { 200 };
        Some(answer(status, &[], "no such channel"))
    })
    .await;
    lab.configure(&webhook("pager", &receiver.url()));
    (1..=3).for_each(|number| lab.put("Fire", number));
    let daemon = lab.start();
    wait("the refusals", || lab.log().matches("is given up").count() == 3).await;
    let in_use = lab.shown(&["outbox", "list"]);
    assert!(in_use.contains("is in use by another process"), "{in_use}");
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    let list = lab.shown(&["outbox", "list", "--dead"]);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("outbox-list", list));
    let show = lab.shown(&["state", "show", "--format", "json"]);
    assert!(show.contains("{\"given_up\":3,\"oldest\":null,\"waiting\":0}"), "{show}");
    assert!(lab.shown(&["state", "verify"]).contains("nothing is wrong with it"));
    assert_eq!(lab.shown(&["outbox", "export", "--dead"]).matches("\"finding\":{").count(), 3);
    // Three events, and a finding of each.
    assert_eq!(lab.shown(&["state", "export"]).lines().filter(|line| line.starts_with("{\"seen\"")).count(), 6);
    assert!(lab.shown(&["outbox", "drop", "1"]).contains("1 entry dropped for good"));
    assert!(lab.shown(&["outbox", "retry", "7"]).contains("there are no such entries"));
    assert!(lab.shown(&["outbox", "retry", "--all", "--sink", "pager"]).contains("2 entries will be brought again"));
    refuses.store(false, std::sync::atomic::Ordering::SeqCst);
    let before = receiver.requests().len();
    let daemon = lab.start();
    wait("both to be brought again", || receiver.requests().len() == before + 2).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    assert_eq!(lab.waiting("pager"), Waiting::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_to_read_another_group_begins_by_since_and_says_so() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    lab.configure(&webhook("pager", &receiver.url()));
    lab.endpoint.logs().create_group("another");
    let told = "source `trail` reads another log group than before, and begins by `since`";
    for (number, (group, from, to, times)) in [
        (GROUP, "drain", "drain", 0),
        (GROUP, "drain", "drain", 0),
        ("another", GROUP, "another", 1),
        ("another", "drain", "drain", 1),
        (GROUP, "another", GROUP, 1),
    ]
    .into_iter()
    .enumerate()
    {
        lab.edit(from, to);
        let timestamp_ms = jiff::Timestamp::now().as_millisecond();
        let event = LogEvent { timestamp_ms, message: event_json("Fire", number) };
        lab.endpoint.logs().put(group, "stream", event);
        let daemon = lab.start();
        let is_brought = || receiver.requests().iter().any(|request| request.body.contains(&event_id(number)));
        wait("the finding", is_brought).await;
        assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
        assert_eq!(lab.log().matches(told).count(), times, "run {number}: {}", lab.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_a_log_group_is_found_and_watched() {
    let lab = Lab::new().await;
    let trail = Trail { status: TrailStatus::default(), ..Trail::to_group("main", GROUP) };
    lab.endpoint.trails().put(Trail { status: TrailStatus::default(), ..Trail::to_group("other", "other-logs") });
    lab.endpoint.trails().put(trail);
    lab.configure("[sinks.out]\ntype = \"stdout\"\nformat = \"json\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    lab.edit("drain", "alarms = \"findings\"\ndrain");
    let mut daemon = lab.start();
    let mut line = String::new();
    BufReader::new(daemon.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"title\":\"Trailwatch test alarm: trail `main` has not been logging"), "{line}");
    let address = admin_address(&lab).await;
    wait("the reason", || get(&address, "/readyz", &address).contains("trail `main` has not been logging")).await;
    assert!(lab.log().contains("trail `main` delivers to `trail`; it is told if it stops"), "{}", lab.log());
    assert!(!lab.log().contains("`other`"), "{}", lab.log());
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_has_stopped_is_a_reason_not_to_be_ready() {
    let lab = Lab::new().await;
    lab.endpoint.logs().set_live_interval(Duration::from_millis(20));
    let trail = Trail { status: TrailStatus::default(), ..Trail::to_group("main", GROUP) };
    lab.endpoint.trails().put(trail);
    lab.configure("[sinks.out]\ntype = \"stdout\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    let text = fs::read_to_string(lab.path("trailwatch.toml")).unwrap();
    let text = text.replace(&format!("log_group = \"{GROUP}\""), "trail = \"main\"\nlive = true");
    fs::write(lab.path("trailwatch.toml"), text).unwrap();
    let daemon = lab.start();
    let address = admin_address(&lab).await;
    wait("the reason", || {
        let ready = get(&address, "/readyz", &address);
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("source `trail`: trail `main` has not been logging")
    })
    .await;
    wait("the live tail", || lab.log().contains("live tail of `trail` is on")).await;
    let metrics = get(&address, "/metrics", &address);
    for expected in [
        "trailwatch_source_troubles{source=\"trail\"} 1.0",
        "trailwatch_source_quota_share{source=\"trail\"} ",
        "trailwatch_source_read_timestamp_seconds{source=\"trail\"} ",
        "trailwatch_source_settled_timestamp_seconds{source=\"trail\"} ",
        "trailwatch_source_gaps_total{source=\"trail\"} 0",
        "trailwatch_source_live_total{source=\"trail\"} ",
    ] {
        assert!(metrics.contains(expected), "{expected} is missing in\n{metrics}");
    }
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

/// What a process holds: its memory in kibibytes, and its open files.
fn held(id: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let files = fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    (line.trim().trim_end_matches(" kB").parse().unwrap(), files)
}

/// Every setting of the sink as it is by default, and a receiver of which one answer in four is good.
#[ignore = "takes minutes; `TRAILWATCH_KILLS` says how many kills"]
#[tokio::test(flavor = "multi_thread")]
async fn many_kills_and_an_even_mix_of_answers_lose_nothing() {
    const PLANTED: usize = 400;
    let kills = std::env::var("TRAILWATCH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let lab = Lab::new().await;
    let taken: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = Arc::clone(&taken);
    let receiver = Receiver::start(move |_, request| match fastrand::u8(0..4) {
        0 => {
            noted.lock().unwrap().insert(ids(&request.body).1);
            Some(answer(200, &[], ""))
        }
        1 => Some(answer(429, &[], "")),
        2 => Some(answer(500, &[], "")),
        _ => None,
    })
    .await;
    lab.configure(&format!("[sinks.pager]\ntype = \"webhook\"\nurl = \"{}\"\nallow_private = true\n", receiver.url()));
    (0..PLANTED).for_each(|number| lab.put("Fire", number));
    let begun = Instant::now();
    for _ in 0..kills {
        let daemon = lab.start();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(200..1_500))).await;
        drop(daemon);
    }
    eprintln!("after {kills} kills in {:?}: {} taken", begun.elapsed(), taken.lock().unwrap().len());
    let (begun, daemon) = (Instant::now(), lab.start());
    let deadline = Instant::now() + Duration::from_secs(900);
    while taken.lock().unwrap().len() < PLANTED && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("all taken {:?} after the last start, in {} requests", begun.elapsed(), receiver.requests().len());
    assert_eq!(taken.lock().unwrap().len(), PLANTED);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    assert_eq!(lab.waiting("pager"), Waiting::default());
}

/// A run under load, with a receiver that fails now and then, questions to the admin listener and reloads. After the first
/// third, what it holds is to grow no more than by the keys of what it saw.
#[cfg(target_os = "linux")]
#[ignore = "takes minutes; `TRAILWATCH_SOAK_SECONDS` says how many seconds"]
#[tokio::test(flavor = "multi_thread")]
async fn memory_and_files_stay_flat() {
    const QUEUE: &str = "soak";
    let seconds = std::env::var("TRAILWATCH_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(240);
    let lab = Lab::new().await;
    let receiver = Receiver::start(|before, _| Some(answer(if before % 5 == 0 { 503 } else { 200 }, &[], ""))).await;
    lab.endpoint.queues().set_dead_letters(QUEUE, "dead", 3);
    let queue = format!(
        "[sources.queue]\ntype = \"sqs\"\nqueue = \"{QUEUE}\"\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n",
        lab.endpoint.url()
    );
    lab.configure(&(queue + &webhook("pager", &receiver.url())));
    let daemon = lab.start();
    let address = admin_address(&lab).await;
    let (mut number, mut looks) = (0, Vec::new());
    for second in 0..seconds {
        for _ in 0..100 {
            number += 1;
            lab.put(if number % 20 == 0 { "Fire" } else { "Quiet" }, number);
            let detail = event_json("Quiet", 1_000_000 + number);
            lab.endpoint.queues().send(QUEUE, detail);
        }
        assert!(get(&address, "/metrics", &address).starts_with("HTTP/1.1 200 "));
        if second % 10 == 0 {
            daemon.signal("HUP");
            looks.push(held(daemon.0.id()));
            eprintln!("after {second} s: {:?} (KiB, files)", looks.last().unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (warm, end) = (looks[looks.len() / 3], looks[looks.len() - 1]);
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
    eprintln!("{} requests, {number} events by each way: {warm:?} -> {end:?}", receiver.requests().len());
    assert!(end.1 <= warm.1 + 8, "files: {looks:?}");
    assert!(end.0 <= warm.0 + (32 << 10), "memory: {looks:?}");
}
