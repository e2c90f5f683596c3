//! What is wrong with a run reaches its sinks: each alarm is brought about, and comes out as a finding.

use std::io::BufRead as _;
use std::path::Path;

use jiff::{Timestamp, ToSpan as _};
use trailwatch::event::{Event, EventKey, Fields, projection_of};
use trailwatch::finding::Finding;
use trailwatch::rule::Rule;
use trailwatch::store::{DiskStore, Limits, Medium, Outgoing, Store as _, Transaction};

use super::*;

/// A disk whose clock is ten minutes behind.
#[derive(Debug)]
struct TenMinutesAgo;

impl Medium for TenMinutesAgo {
    fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn open(&self, file: &Path, builder: &redb::Builder) -> Result<redb::Database, redb::DatabaseError> {
        builder.create(file)
    }

    fn rename(&self, file: &Path, aside: &Path) -> std::io::Result<()> {
        fs::rename(file, aside)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now() - 10.minutes()
    }
}

/// Leaves a finding in the state that has waited for a sink for ten minutes.
async fn leave_waiting(lab: &Lab, sink: &str) {
    let text = "id = \"old\"\ntitle = \"old\"\nseverity = \"low\"\n[match]\neventName = \"Old\"\n";
    let rule = Rule::parse(Path::new("old.toml"), text.to_owned()).unwrap();
    let (event, mut fields) = (event_json("Old", 1), Fields::default());
    let event = Event::read(&event, &projection_of([]), &mut fields).unwrap();
    let key = EventKey::of(&event, &trailwatch::delivery::Origin::whole("test"));
    let finding = Arc::new(Finding::new(&rule, &event, &key));
    let (mut store, _) = DiskStore::open_on(Box::new(TenMinutesAgo), &lab.path("state"), Limits::default()).unwrap();
    let outgoing = vec![Outgoing { sink: sink.into(), finding: Arc::clone(&finding) }];
    store.commit(&Transaction { findings: vec![finding], outgoing, ..Transaction::default() }).await.unwrap();
}

/// The titles of the findings that standard output gets until all of these are among them.
fn titles_until(daemon: &mut Daemon, wanted: &[&str]) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    let mut lines = BufReader::new(daemon.0.stdout.as_mut().unwrap()).lines();
    while !wanted.iter().all(|part| titles.iter().any(|title| title.contains(part))) {
        let line = lines.next().unwrap_or_else(|| panic!("{wanted:?} are not all in {titles:?}")).unwrap();
        let finding: serde_json::Value = serde_json::from_str(&line).unwrap();
        titles.push(finding["title"].as_str().unwrap().to_owned());
    }
    titles
}

fn configure(lab: &Lab, pager: &Receiver) {
    let out = "[sinks.out]\ntype = \"stdout\"\nformat = \"json\"\n";
    lab.configure(&format!(
        "{out}{}[silence]\nfactor = 2\nat_least = \"10s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        webhook("pager", &pager.url())
    ));
    lab.edit("drain = \"30s\"", "drain = \"1s\"\nalarms = \"findings\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_a_sink_that_is_behind_and_a_refused_reload_are_findings() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(500, &[], ""))).await;
    configure(&lab, &receiver);
    leave_waiting(&lab, "pager").await;
    lab.put("Other", 1);
    let mut daemon = lab.start();
    wait("the start", || lab.log().contains(" follows ")).await;
    fs::write(lab.path("rules/broken.toml"), "id = \"broken\"\n").unwrap();
    daemon.signal("HUP");
    let titles = tokio::task::spawn_blocking(move || {
        let titles = titles_until(
            &mut daemon,
            &[
                "Trailwatch test alarm: sink `pager` is behind: ",
                "Trailwatch test alarm: what was read anew is not taken over",
                "Trailwatch test alarm: source `trail` has been silent for ",
            ],
        );
        (titles, daemon)
    });
    let (titles, daemon) = titles.await.unwrap();
    assert_eq!(titles.len(), 3, "each once: {titles:?}");
    let address = admin_address(&lab).await;
    let metrics = get(&address, "/metrics", &address);
    let blamed = regex::Regex::new(r#"trailwatch_rule_errors_total\{rule="[^"]*broken.toml"\} [1-9]"#).unwrap();
    assert!(
        blamed.is_match(&metrics) && metrics.contains("trailwatch_rule_errors_total{rule=\"fire\"} 0"),
        "{metrics}"
    );
    // The receiver is away, so not all that waits can be brought in time.
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_was_set_aside_is_a_finding() {
    let lab = Lab::new().await;
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    configure(&lab, &receiver);
    fs::create_dir(lab.path("state")).unwrap();
    fs::write(lab.path("state/trailwatch.redb"), "no state at all").unwrap();
    let daemon = lab.start();
    wait("the finding", || receiver.requests().iter().any(|request| request.body.contains("corrupt-"))).await;
    let body = receiver.requests()[0].body.clone();
    assert!(body.contains("\"title\":\"Trailwatch test alarm: "), "{body}");
    assert_eq!(daemon.stop().await, Some(0), "{}", lab.log());
}
