//! What came through a run, kept for tests that count: how often each event, and under which finding ids.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use trailwatch::decode::Reject;
use trailwatch::event::RawEvent;
use trailwatch::finding::Finding;
use trailwatch::pipeline::Tap;
use trailwatch::rule::Rule;
use trailwatch::sink::{Gone, Outcome, Sink};
use trailwatch::store::{DiskStore, StoreError};

/// Keeps what it is shown or brought: how often each event, and the ids of findings.
#[derive(Clone, Default)]
pub struct Tally(pub Arc<Mutex<BTreeMap<String, Seen>>>);

/// How often, and under which ids.
pub type Seen = (u32, HashSet<String>);

impl Tally {
    fn note(&self, event_id: &str, findings: &[Arc<Finding>]) {
        let mut seen = self.0.lock().unwrap();
        let (times, ids) = seen.entry(event_id.to_owned()).or_default();
        *times += 1;
        ids.extend(findings.iter().map(|finding| finding.id.clone()));
    }

    /// Those that came.
    pub fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

impl Sink for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        batch.iter().for_each(|finding| self.note(&finding.event_ids[0], std::slice::from_ref(finding)));
        Box::pin(std::future::ready(Ok(vec![Outcome::Delivered; batch.len()])))
    }
}

impl Tap for Tally {
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        let event: Value = serde_json::from_slice(&raw.bytes).unwrap();
        self.note(event["eventID"].as_str().unwrap_or("none"), findings);
        Ok(())
    }

    fn reject(&mut self, _reject: &Reject) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A rule that every event of the name `Fire` matches.
pub fn rule() -> Rule {
    let text = "id = \"fire\"\ntitle = \"fire\"\nseverity = \"high\"\ntags = [\"service.s3\"]\n[match]\neventName = \"Fire\"\n";
    Rule::parse(std::path::Path::new("fire.toml"), text.to_owned()).unwrap()
}

/// Opens the store as soon as the run that was killed has let go of it.
pub async fn reopen(folder: &std::path::Path) -> DiskStore {
    let opened = async {
        loop {
            match DiskStore::open(folder, trailwatch::store::Limits::default()) {
                Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                opened => return opened.unwrap().0,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opened).await.expect("it takes too long")
}
