//! A group that does its worst, through the whole pipeline: late, repeated and future-dated records, empty and short pages,
//! throttles, a way that breaks, kills in between. `TRAILWATCH_STORM_RECORDS` says how many records (4,000).

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trailwatch::decode::Limits;
use trailwatch::engine::RuleSet;
use trailwatch::pipeline::{Accounts, Bounds, Couriers, Patience, Pipeline, Route, SinkDelivery};
use trailwatch::rule::Severity;
use trailwatch::source::cloudwatch_logs::LiveTail;
use trailwatch::store::{MemoryStore, Store};

use super::*;
use crate::tally::{Tally, reopen, rule};

const ACCOUNT: &str = "111122223333";

/// Findings that are brought at a time: what a kill may repeat.
const BATCH_MAX: u32 = 50;

fn records() -> u64 {
    std::env::var("TRAILWATCH_STORM_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// The longest that anything here takes, per a thousand records.
fn storm_patience() -> Duration {
    PATIENCE + Duration::from_secs(10) * u32::try_from(records() / 1_000).unwrap()
}

fn id_of(number: u64) -> String {
    format!("e0000000-0000-4000-8000-{number:012}")
}

fn record(number: u64) -> String {
    let record: Value = json!({
        "eventVersion": "1.11", "eventSource": "s3.amazonaws.com", "eventName": "Fire",
        "eventTime": "2026-11-26T00:05:00Z", "recipientAccountId": ACCOUNT, "awsRegion": REGION,
        "eventID": id_of(number),
    });
    record.to_string()
}

/// Whether every record came, and no other, and all under one id; how often more than once.
fn assert_complete(tally: &Tally) -> u32 {
    let seen = tally.0.lock().unwrap();
    let expected: BTreeSet<String> = (0..records()).map(id_of).collect();
    assert!(seen.keys().eq(&expected), "{} of {} records", seen.len(), expected.len());
    assert!(seen.values().all(|(_, ids)| ids.len() == 1), "the ids are the same each time");
    seen.values().map(|(times, _)| times - 1).sum()
}

fn came(tally: &Tally) -> usize {
    tally.0.lock().unwrap().len()
}

/// A group that is filled over half an hour: a third is late by up to 15 minutes, one in twenty comes twice, one in fifty
/// is dated up to 100 minutes ahead.
async fn stormy_lab() -> Lab {
    let mut lab = Lab::new().await;
    // As us-east-1 has it, once there is enough to make use of it.
    lab.quota = Arc::new(Quota::of_calls(if records() < 50_000 { 250 } else { 25 }, 1.0));
    let (start_ms, mut rng) = (lab.now_ms(), fastrand::Rng::with_seed(7));
    for number in 0..records() {
        let at_ms = start_ms + rng.i64(0..30 * MINUTE_MS);
        let late_ms = if rng.u8(0..3) == 0 { rng.i64(0..15 * MINUTE_MS) } else { 0 };
        let ahead_ms = if rng.u8(0..50) == 0 { rng.i64(0..100 * MINUTE_MS) } else { 0 };
        for repeat in 0..1 + i64::from(rng.u8(0..20) == 0) {
            let event = LogEvent { timestamp_ms: at_ms + ahead_ms, message: record(number) };
            lab.logs().put_visible_at(GROUP, STREAM, event, at_ms + late_ms + repeat * MINUTE_MS);
        }
    }
    let faults = lab.logs().faults();
    faults.set_every(5, Fault::EmptyPage);
    for number in 0..40 {
        faults.next(match number % 8 {
            0 | 4 => Fault::Throttle,
            1 => Fault::Reset,
            2 => Fault::unavailable(),
            6 => Fault::TruncatedBody,
            _ => Fault::ShortPage(100),
        });
    }
    lab
}

impl Lab {
    /// A run that is brought to its end by `stop`, and may be killed.
    fn storm_pipeline(&self, source: Arc<CloudWatchLogs>, store: Box<dyn Store>, stop: &CancellationToken) -> Pipeline {
        Pipeline {
            rules: Arc::new(RuleSet::new(vec![rule()])),
            filter: None,
            accounts: Accounts::default(),
            sources: vec![source],
            store,
            sinks: Vec::new(),
            couriers: None,
            tap: None,
            limits: Limits::default(),
            bounds: Bounds::default(),
            notify: self.notices.notify(),
            stop: stop.clone(),
        }
    }

    fn stormy(&self) -> Settings {
        self.logs().set_live_interval(Duration::from_millis(5));
        Settings { poll: Duration::from_secs(2), other_endpoint: true, ..self.follow() }
    }

    /// Lets time go on, by so many seconds for each call, until enough is there.
    async fn go_on(&self, step: u64, is_enough: impl Fn() -> bool) {
        while !is_enough() {
            let calls = self.calls();
            self.advance(step);
            wait_until(|| is_enough() || self.calls() > calls).await;
        }
    }
}

async fn every_record_comes_once(live: Option<LiveTail>) {
    let (lab, tally, stop) = (stormy_lab().await, Tally::default(), CancellationToken::new());
    let source = Arc::new(lab.source(Settings { live, ..lab.stormy() }));
    let pipeline = lab.storm_pipeline(Arc::clone(&source), Box::new(MemoryStore::default()), &stop);
    let run = Pipeline { tap: Some(Box::new(tally.clone())), ..pipeline }.run();
    let is_live = live.is_some();
    let drive = async {
        wait_until(|| !is_live || lab.logs().live_sessions() > 0).await;
        lab.go_on(20, || came(&tally) >= usize::try_from(records()).unwrap()).await;
        // Whatever came twice would come within another hour.
        let until_ms = lab.now_ms() + 61 * MINUTE_MS;
        lab.go_on(120, || lab.now_ms() >= until_ms).await;
        stop.cancel();
    };
    let (summary, ()) = tokio::time::timeout(storm_patience(), async { tokio::join!(run, drive) }).await.unwrap();
    let summary = summary.0;
    assert_eq!(assert_complete(&tally), 0, "each came once");
    assert_eq!(summary.rejects, 0);
    assert!(summary.duplicates >= records() / 40, "{} of the repeats are CloudTrail's", summary.duplicates);
    let report = report(&source);
    assert!(report.throttles > 0 && report.empty_pages > 0 && report.future > 0, "{report:?}");
    let per_thousand = report.quota_calls as f64 / report.deliveries as f64 * 1e3;
    eprintln!("{} records, {per_thousand:.1} calls per 1,000 events, {report:?}", records());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_once_through_a_storm() {
    every_record_comes_once(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_once_through_a_storm_with_a_live_tail() {
    every_record_comes_once(Some(LiveTail::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_and_repeat_under_the_same_ids() {
    let (lab, tally) = (stormy_lab().await, Tally::default());
    let (folder, all) = (tempfile::tempdir().unwrap(), usize::try_from(records()).unwrap());
    let settings = lab.stormy();
    for part in 1..=4 {
        let (store, stop) = (reopen(folder.path()).await, CancellationToken::new());
        let resume = store.checkpoints().into_iter().next().map(|checkpoint| checkpoint.position);
        let source = Arc::new(lab.source(Settings { resume, ..settings.clone() }));
        let alive = Arc::downgrade(&source);
        let route = Route { sink: "tally".into(), min_severity: Severity::Informational, tags: Vec::new() };
        let patience = Patience { batch_max: BATCH_MAX as usize, ..Patience::default() };
        let deliveries = vec![SinkDelivery { route, sink: Box::new(tally.clone()), patience }];
        let couriers = Some(Couriers { outbox: store.outbox(), deliveries, drain: PATIENCE });
        let pipeline = lab.storm_pipeline(source, Box::new(store), &stop);
        let run = Pipeline { couriers, ..pipeline }.run();
        // Dropping the run is the kill.
        tokio::select! {
            _ = run => panic!("a group that is followed has no end"),
            () = lab.go_on(20, || came(&tally) >= all * part / 4) => {}
            () = tokio::time::sleep(storm_patience()) => panic!("{} of {all} records", came(&tally)),
        }
        wait_until(|| alive.strong_count() == 0).await;
    }
    let repeats = assert_complete(&tally);
    assert!(repeats <= 3 * BATCH_MAX, "{repeats} repeats at three kills");
}
