//! The contract of the pipeline with sources, store, sinks and tap, and every bound it has.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, pending};
use tokio_util::sync::CancellationToken;
use trailwatch::condition::Condition;
use trailwatch::decode::{Limits, Reason, Reject};
use trailwatch::delivery::{Delivery, Origin, Receipt};
use trailwatch::engine::RuleSet;
use trailwatch::event::RawEvent;
use trailwatch::finding::Finding;
use trailwatch::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary, Tap};
use trailwatch::rule::{Rule, Severity};
use trailwatch::sink::{Cause, Gone, Outcome, Sink};
use trailwatch::source::{Notice, NoticeLevel, Source, SourceError, SourceReport};
use trailwatch::store::{Checkpoint, MemoryStore, Store, StoreError, Transaction};

/// What happened, in its order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The entries that start so, without their start.
    fn of(&self, start: &str) -> Vec<String> {
        self.all().iter().filter_map(|entry| entry.strip_prefix(start)).map(|rest| rest.trim().to_owned()).collect()
    }
}

/// What a scripted source does when it is asked for the next batch.
enum Step {
    /// Hands over deliveries with these bodies.
    Batch(Vec<Bytes>),
    /// Cannot go on.
    Fail,
    /// Stops the run, and has nothing more to give but does not end.
    Stop,
}

/// A source that follows a script, and ends after it.
struct Script {
    name: &'static str,
    steps: Mutex<VecDeque<Step>>,
    receipts: AtomicU64,
    stop: CancellationToken,
    refuses_commits: bool,
    log: Log,
}

impl Script {
    fn new(name: &'static str, log: &Log, steps: Vec<Step>) -> Self {
        let steps = Mutex::new(steps.into());
        let stop = CancellationToken::new();
        Self { name, steps, receipts: AtomicU64::new(0), stop, refuses_commits: false, log: log.clone() }
    }
}

impl Source for Script {
    fn name(&self) -> Arc<str> {
        self.name.into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        async {
            let step = self.steps.lock().unwrap().pop_front();
            match step {
                None => Ok(None),
                Some(Step::Fail) => Err(SourceError::Refused("the group is gone".to_owned())),
                Some(Step::Stop) => {
                    self.stop.cancel();
                    pending().await
                }
                Some(Step::Batch(bodies)) => Ok(Some(bodies.into_iter().map(|body| self.delivery(body)).collect())),
            }
        }
        .boxed()
    }

    fn checkpoint(&self, receipts: &[Receipt]) -> Option<Checkpoint> {
        Some(Checkpoint { source: self.name.into(), position: numbers(receipts) })
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        async {
            self.log.note(format!("committed {} {}", self.name, numbers(receipts)));
            match self.refuses_commits {
                true => Err(SourceError::Refused("cannot acknowledge".to_owned())),
                false => Ok(()),
            }
        }
        .boxed()
    }

    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.log.note(format!("undecodable {} {}", self.name, numbers(receipts)));
        async { Ok(()) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.log.note(format!("closed {}", self.name));
        async {}.boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport { deliveries: self.receipts.load(Ordering::Relaxed), ..SourceReport::default() }
    }
}

impl Script {
    fn delivery(&self, body: Bytes) -> Delivery {
        let receipt = Receipt(self.receipts.fetch_add(1, Ordering::Relaxed));
        Delivery { body, origin: Origin::whole(self.name), receipt }
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn numbers(receipts: &[Receipt]) -> String {
    receipts.iter().map(|receipt| receipt.0.to_string()).collect::<Vec<_>>().join(",")
}

/// A store that fails as often as it is told to, and then keeps what it is brought.
#[derive(Default)]
struct Faulty {
    failures: usize,
    /// Cancelled by the failure of this number, counted from 1.
    stop_at: Option<(usize, CancellationToken)>,
    brought: Arc<Mutex<Vec<Transaction>>>,
    log: Log,
}

impl Store for Faulty {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            let mut brought = self.brought.lock().unwrap();
            brought.push(transaction.clone());
            if let Some((number, stop)) = &self.stop_at
                && brought.len() == *number
            {
                stop.cancel();
            }
            if brought.len() <= self.failures {
                self.log.note("store failed");
                return Err(StoreError::Other("disk full".to_owned()));
            }
            for checkpoint in &transaction.checkpoints {
                self.log.note(format!("stored {} {}", checkpoint.source, checkpoint.position));
            }
            Ok(())
        }
        .boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        Vec::new()
    }
}

/// A sink that answers by the number of the call, counted from 1, and the event that a finding is about.
struct Answering<F> {
    answer: F,
    calls: usize,
    log: Log,
}

impl<F: Fn(usize, &str) -> io::Result<Outcome> + Send + Sync> Sink for Answering<F> {
    fn name(&self) -> &str {
        "answering"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.calls += 1;
        let ids: Vec<&str> = batch.iter().map(|finding| number_in(&finding.event_ids[0])).collect();
        if !ids.is_empty() {
            self.log.note(format!("brought {}", ids.join(",")));
        }
        let outcomes: io::Result<Vec<Outcome>> = ids.iter().map(|id| (self.answer)(self.calls, id)).collect();
        async { outcomes.map_err(Gone) }.boxed()
    }
}

fn sink(log: &Log, answer: impl Fn(usize, &str) -> io::Result<Outcome> + Send + Sync + 'static) -> Box<dyn Sink> {
    Box::new(Answering { answer, calls: 0, log: log.clone() })
}

/// A tap that notes what it is shown; `gone` lets it fail.
struct Watcher {
    log: Log,
    gone: bool,
}

impl Tap for Watcher {
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        let event: serde_json::Value = serde_json::from_slice(&raw.bytes).unwrap();
        let stars = "*".repeat(findings.len());
        self.log.note(format!("shown {}{stars}", number_in(event["eventID"].as_str().unwrap_or("-"))));
        Ok(())
    }

    fn reject(&mut self, reject: &Reject) -> io::Result<()> {
        self.log.note(format!("rejected {}", reject.excerpt));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.gone {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.log.note("finished");
        self.flush()
    }
}

/// A pipeline that is yet to be given its sources.
struct Run {
    log: Log,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
    gone: bool,
    filter: Option<Condition>,
    limits: Limits,
    bounds: Bounds,
    stop: CancellationToken,
}

impl Run {
    /// One batch a transaction, so that it is known what belongs together.
    fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            store: Box::new(MemoryStore::default()),
            sinks: vec![sink(log, |_, _| Ok(Outcome::Delivered))],
            gone: false,
            filter: None,
            limits: Limits::default(),
            bounds: Bounds { batches_committed: 1, ..Bounds::default() },
            stop: CancellationToken::new(),
        }
    }

    async fn of(self, sources: impl IntoIterator<Item = Script>) -> Ran {
        let stop = self.stop.clone();
        let sources = sources.into_iter().map(|source| Script { stop: stop.clone(), ..source });
        self.over(sources.map(|source| Arc::new(source) as Arc<dyn Source>).collect()).await
    }

    async fn over(self, sources: Vec<Arc<dyn Source>>) -> Ran {
        let Run { log, store, sinks, gone, filter, limits, bounds, stop } = self;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(vec![rule()])),
            filter,
            sources,
            accounts: Accounts::default(),
            store,
            sinks,
            couriers: None,
            tap: Some(Box::new(Watcher { log, gone })),
            limits,
            bounds,
            notify: Arc::new(move |notice| told.lock().unwrap().push(notice)),
            stop,
        };
        let (summary, ended) = in_time(pipeline.run()).await;
        let notices = notices.lock().unwrap().clone();
        Ran { summary, ended, notices }
    }
}

/// What came of a run.
struct Ran {
    summary: Summary,
    ended: Ended,
    notices: Vec<Notice>,
}

impl Ran {
    fn notices(&self, level: NoticeLevel) -> Vec<&str> {
        self.notices.iter().filter(|notice| notice.level == level).map(|notice| notice.text.as_str()).collect()
    }
}

/// A run that hangs is a test that fails.
async fn in_time<T>(run: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("the run does not end")
}

/// Matches the events that [`fire`] makes.
fn rule() -> Rule {
    rule_of("eventName = \"Fire\"")
}

fn rule_of(conditions: &str) -> Rule {
    let text = format!("id = \"fire\"\ntitle = \"fire\"\nseverity = \"high\"\n[match]\n{conditions}\n");
    Rule::parse(Path::new("fire.toml"), text).unwrap()
}

/// An event that the rule matches.
fn fire(number: u64) -> Bytes {
    event(number, "Fire")
}

/// An event that the rule does not match.
fn quiet(number: u64) -> Bytes {
    event(number, "Quiet")
}

fn event(number: u64, name: &str) -> Bytes {
    let text = format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"{name}","eventTime":"2026-01-15T12:00:00Z","recipientAccountId":"111122223333","eventID":"e0000000-0000-4000-8000-{number:012}"}}"#
    );
    Bytes::from(text)
}

/// The event 1 with more to tell.
fn told() -> Bytes {
    let text = String::from_utf8(fire(1).to_vec()).unwrap();
    let more = r#","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/alice"}}"#;
    format!("{}{more}", text.strip_suffix('}').unwrap()).into()
}

/// The number that [`event`] put into an id.
fn number_in(id: &str) -> &str {
    match id.rsplit('-').next().unwrap_or("").trim_start_matches('0') {
        "" => "0",
        number => number,
    }
}

/// A batch for each body.
fn one_by_one(bodies: impl IntoIterator<Item = Bytes>) -> Vec<Step> {
    bodies.into_iter().map(|body| Step::Batch(vec![body])).collect()
}

/// So many bytes that hold nothing, and do not inflate beyond all measure.
fn spaces(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| *random.choice(b" \t").unwrap()).take(bytes).collect()
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap().into()
}

// Evaluate, then commit, then remember.

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_delivered_or_acknowledged_before_it_is_stored() {
    let log = Log::default();
    let store = Box::new(Faulty { log: log.clone(), ..Faulty::default() });
    let ran =
        Run { store, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([fire(1), quiet(2), fire(3)]))]).await;
    assert_eq!(ran.ended, Ended::Finished);
    let expected = [
        "stored a 0",
        "shown 1*",
        "brought 1",
        "committed a 0",
        "stored a 1",
        "shown 2",
        "committed a 1",
        "stored a 2",
        "shown 3*",
        "brought 3",
        "committed a 2",
        "finished",
        "closed a",
    ];
    assert_eq!(log.all(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fails_is_brought_again_as_it_is() {
    let log = Log::default();
    let brought = Arc::default();
    let store = Box::new(Faulty { failures: 3, brought: Arc::clone(&brought), log: log.clone(), stop_at: None });
    let batch = Step::Batch(vec![fire(1), quiet(2), fire(3)]);
    let ran = Run { store, ..Run::new(&log) }.of([Script::new("a", &log, vec![batch])]).await;

    let brought = brought.lock().unwrap();
    assert_eq!(brought.len(), 4);
    // Three events, and two findings.
    assert_eq!((brought[0].findings.len(), brought[0].seen.len()), (2, 5));
    for again in &brought[1..] {
        assert_eq!(again.checkpoints, brought[0].checkpoints);
        assert_eq!(again.seen, brought[0].seen);
        let same = again.findings.iter().zip(&brought[0].findings).all(|(a, b)| Arc::ptr_eq(a, b));
        assert!(same && again.findings.len() == 2, "the findings were made anew");
    }
    let rest = [
        "stored a 0,1,2",
        "shown 1*",
        "shown 2",
        "shown 3*",
        "brought 1,3",
        "committed a 0,1,2",
        "finished",
        "closed a",
    ];
    assert_eq!(log.all(), [&["store failed"; 3][..], &rest].concat());
    assert_eq!((ran.summary.commit_retries, ran.summary.events(), ran.summary.findings_total()), (3, 3, 2));
    // Said once when it begins and once when it is over, not at each try.
    assert_eq!(
        ran.notices(NoticeLevel::Error),
        ["cannot write state: disk full (nothing is acknowledged until it can be written)"]
    );
    assert_eq!(ran.notices(NoticeLevel::Info), ["state is written again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_while_the_store_fails_acknowledges_nothing() {
    let log = Log::default();
    let run = Run::new(&log);
    let stop_at = Some((2, run.stop.clone()));
    let store = Box::new(Faulty { failures: usize::MAX, stop_at, log: log.clone(), ..Faulty::default() });
    let ran = Run { store, ..run }.of([Script::new("a", &log, one_by_one((0..20).map(fire)))]).await;
    assert_eq!(ran.ended, Ended::Finished);
    assert_eq!(log.all().iter().filter(|entry| *entry != "store failed").collect::<Vec<_>>(), ["finished", "closed a"]);
    assert_eq!((ran.summary.events(), ran.summary.findings_total()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_before_a_stop_is_dealt_with() {
    let log = Log::default();
    let steps = one_by_one((1..=5).map(fire)).into_iter().chain([Step::Stop]).chain(one_by_one([fire(6)])).collect();
    let ran = Run::new(&log).of([Script::new("a", &log, steps)]).await;
    assert_eq!(ran.ended, Ended::Finished);
    assert_eq!(log.of("committed a"), ["0", "1", "2", "3", "4"]);
    assert_eq!(ran.summary.findings_total(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_acknowledge_is_told_and_the_run_goes_on() {
    let log = Log::default();
    let source = Script { refuses_commits: true, ..Script::new("a", &log, one_by_one([quiet(1), quiet(2)])) };
    let ran = Run::new(&log).of([source]).await;
    assert_eq!((ran.ended.clone(), ran.summary.events()), (Ended::Finished, 2));
    assert_eq!(ran.notices(NoticeLevel::Warn), ["cannot acknowledge"; 2]);
}

// What is counted.

/// An event that states another anew.
fn anew(number: u64, original: u64, name: &str) -> Bytes {
    let text = String::from_utf8(event(number, name).to_vec()).unwrap();
    let addendum = format!(
        r#","addendum":{{"reason":"UPDATED_DATA","updatedFields":"eventName","originalEventID":"e0000000-0000-4000-8000-{original:012}"}}"#
    );
    format!("{}{addendum}}}", text.strip_suffix('}').unwrap()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_stated_anew_is_not_found_twice_by_a_rule() {
    for (name, bodies, shown, restated) in [
        ("the original first", vec![fire(1), anew(2, 1, "Fire")], vec!["1*", "2"], 1),
        ("the original last", vec![anew(2, 1, "Fire"), fire(1)], vec!["2*", "1"], 1),
        (
            "twice, and the original in between",
            vec![anew(2, 1, "Fire"), fire(1), anew(3, 1, "Fire")],
            vec!["2*", "1", "3"],
            2,
        ),
        ("what it adds makes a rule fire", vec![quiet(1), anew(2, 1, "Fire")], vec!["1", "2*"], 0),
        ("what it adds is under the same id", vec![quiet(1), anew(1, 1, "Fire")], vec!["1", "1*"], 0),
        ("under the same id, and nothing new", vec![fire(1), anew(1, 1, "Fire")], vec!["1*", "1"], 1),
        ("of other events", vec![fire(1), anew(2, 3, "Fire")], vec!["1*", "2*"], 0),
    ] {
        for batches_committed in [1, 16] {
            let log = Log::default();
            let bounds = Bounds { batches_committed, ..Bounds::default() };
            let ran = Run { bounds, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one(bodies.clone()))]).await;
            assert_eq!(log.of("shown"), shown, "{name}");
            assert_eq!((ran.summary.restated, ran.summary.duplicates), (restated, 0), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_one_action_are_two_events() {
    let twin = |number: u64, account: &str| {
        let text = String::from_utf8(fire(number).to_vec()).unwrap().replace("111122223333", account);
        let shared = r#","sharedEventID":"5a000000-0000-4000-8000-000000000001"}"#;
        Bytes::from(format!("{}{shared}", text.strip_suffix('}').unwrap()))
    };
    let log = Log::default();
    // The caller's account and the resource's; by the same id, and by another.
    let bodies = [twin(1, "111122223333"), twin(1, "444455556666"), twin(2, "444455556666")];
    let ran = Run::new(&log).of([Script::new("a", &log, one_by_one(bodies))]).await;
    assert_eq!((ran.summary.events(), ran.summary.duplicates, ran.summary.findings_total()), (3, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_whatever_source_it_comes_from() {
    let log = Log::default();
    let steps = || vec![Step::Batch(vec![fire(1), fire(1), fire(2)]), Step::Batch(vec![fire(2)])];
    let sources = [Script::new("a", &log, steps()), Script::new("b", &log, steps())];
    let ran = Run { bounds: Bounds::default(), ..Run::new(&log) }.of(sources).await;
    assert_eq!((ran.summary.events(), ran.summary.duplicates, ran.summary.findings_total()), (2, 6, 2));
    let mut shown = log.of("shown");
    shown.sort();
    assert_eq!(shown, ["1*", "2*"]);
    // A repeat is dealt with too: its receipt is committed.
    for name in ["a", "b"] {
        let committed = log.of(&format!("committed {name}"));
        assert_eq!(committed.join(",").split(',').collect::<Vec<_>>(), ["0", "1", "2", "3"], "{name}");
    }
    assert_eq!(
        ran.summary.sources.iter().map(|(name, report)| (&**name, report.deliveries)).collect::<Vec<_>>(),
        [("a", 4), ("b", 4)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_decode_is_counted_shown_and_passed_by() {
    let log = Log::default();
    let torn = Bytes::from_static(br#"{"eventVersion":"1.11","eventName": }"#);
    let bodies = [Bytes::from_static(b"START RequestId"), torn, Bytes::from_static(b"7"), fire(1)];
    let ran = Run::new(&log).of([Script::new("a", &log, one_by_one(bodies))]).await;
    assert_eq!(ran.ended, Ended::Finished);
    assert_eq!((ran.summary.rejects, ran.summary.events()), (3, 1));
    assert_eq!(log.of("rejected"), ["START RequestId", r#"{"eventVersion":"1.11","eventName": }"#, "7"]);
    assert_eq!((log.of("undecodable a"), log.of("committed a")), (strings(&["0", "1", "2"]), strings(&["3"])));
    let reasons: Vec<_> = ran.summary.first_rejects.iter().map(|reject| &reject.reason).collect();
    assert!(
        matches!(reasons[..], [Reason::NotJson { .. }, Reason::NotJson { .. }, Reason::NotAnObject { .. }]),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_rejects_are_kept() {
    let log = Log::default();
    let count = Summary::REJECTS_KEPT + 5;
    let bodies = (0..count).map(|number| Bytes::from(format!("no {number}")));
    let ran = Run::new(&log).of([Script::new("a", &log, one_by_one(bodies))]).await;
    assert_eq!(ran.summary.rejects, count as u64);
    let kept: Vec<&str> = ran.summary.first_rejects.iter().map(|reject| reject.excerpt.as_str()).collect();
    assert_eq!(kept, (0..Summary::REJECTS_KEPT).map(|number| format!("no {number}")).collect::<Vec<_>>());
    assert_eq!(log.of("rejected").len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_has_its_count() {
    let log = Log::default();
    let texts = [
        r#"{"eventSource":"s3.amazonaws.com","eventName":"A","eventTime":"2026-01-15T12:00:00Z"}"#,
        r#"{"eventSource":"s3.amazonaws.com","eventName":"B","eventTime":"2018-9-01T00:24:36Z"}"#,
        r#"{"eventSource":"s3.amazonaws.com","eventName":"C","eventTime":"noon"}"#,
        r#"{"eventVersion":"1.09","eventCategory":"Insight"}"#,
        r#"{"eventVersion":"1.0","eventCategory":"Aggregated"}"#,
        r#"{"schema_version":"1.0","rule":{"id":"x"}}"#,
        r#"{"level":"info"}"#,
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"probe"}]}"#,
    ];
    let ran = Run::new(&log).of([Script::new("a", &log, one_by_one(texts.map(Bytes::from)))]).await;
    let s = &ran.summary;
    assert_eq!((s.records, s.insights, s.aggregated, s.findings_as_events, s.others), (3, 1, 1, 1, 1));
    assert_eq!((s.events(), s.controls, s.timeless, s.rejects), (7, 1, 1, 0));
    let (first, last) = s.times.unwrap();
    assert_eq!((first.to_string(), last.to_string()), ("2018-09-01T00:24:36Z".into(), "2026-01-15T12:00:00Z".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_filter_leaves_out_is_neither_matched_nor_shown() {
    let log = Log::default();
    let filter = Some(rule().condition.negated());
    let bodies = [fire(1), quiet(2), fire(3)];
    let ran = Run { filter, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one(bodies))]).await;
    assert_eq!((ran.summary.events(), ran.summary.filtered, ran.summary.findings_total()), (3, 2, 0));
    assert_eq!(log.of("shown"), ["2"]);
    assert_eq!(log.of("committed a"), ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_may_name_what_no_rule_does() {
    for (conditions, shown) in [
        ("\"actor.name\" = \"deploy\"", vec!["1*"]),
        ("\"src.ip\" = \"198.51.100.7\"", vec!["1*"]),
        ("sourceIPAddress = \"198.51.100.7\"", vec!["1*"]),
        ("\"actor.name\" = \"other\"", vec![]),
    ] {
        let log = Log::default();
        let filter = Some(rule_of(conditions).condition);
        let ran = Run { filter, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([told()]))]).await;
        assert_eq!(log.of("shown"), shown, "{conditions}");
        assert_eq!(ran.summary.findings_total(), shown.len() as u64, "{conditions}");
    }
}

/// The rule names none of it, so that the matcher alone would not have read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_finding_tells_what_its_rule_does_not_name() {
    let log = Log::default();
    let brought = Arc::default();
    let store = Box::new(Faulty { brought: Arc::clone(&brought), ..Faulty::default() });
    Run { store, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([told()]))]).await;
    let brought = brought.lock().unwrap();
    let finding = &brought[0].findings[0];
    assert_eq!((finding.actor.name.as_str(), finding.actor.kind.as_ref()), ("deploy", "role"));
    assert_eq!((finding.region.as_deref(), finding.source_ip.as_deref()), (Some("us-east-1"), Some("198.51.100.7")));
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_counted_by_rule_and_from_a_severity_on() {
    let log = Log::default();
    let ran = Run::new(&log).of([Script::new("a", &log, one_by_one([fire(1), fire(2), quiet(3)]))]).await;
    assert_eq!(ran.summary.findings["fire"], (Severity::High, 2));
    let from = Severity::ALL.map(|severity| ran.summary.findings_from(severity));
    assert_eq!(from, [2, 2, 2, 2, 0], "high is high and all below, but not critical");
}

// The order and the end.

/// Large batches take longer to match than small ones, and are matched side by side.
#[tokio::test(flavor = "multi_thread")]
async fn events_come_out_in_the_order_in_which_they_went_in() {
    let log = Log::default();
    let mut numbers = 1..;
    let mut batch = |size| Step::Batch(numbers.by_ref().take(size).map(quiet).collect());
    let steps: Vec<Step> = [800, 1, 1, 400, 1, 3, 200, 1].into_iter().map(&mut batch).collect();
    let bounds = Bounds { batches_matched: 8, batches_waiting: 8, batches_committed: 3, ..Bounds::default() };
    let ran = Run { bounds, ..Run::new(&log) }.of([Script::new("a", &log, steps)]).await;
    assert_eq!(ran.summary.events(), 1407);
    assert_eq!(log.of("shown"), (1..=1407).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_gone_ends_the_run() {
    let log = Log::default();
    let sinks = vec![sink(&log, |_, _| Err(io::ErrorKind::BrokenPipe.into()))];
    let ran = Run { sinks, ..Run::new(&log) }.over(vec![Arc::new(Endless::default())]).await;
    assert_eq!(ran.ended, Ended::OutputClosed);
    assert_eq!(log.of("brought").len(), 1, "it is not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_is_gone_ends_the_run() {
    let log = Log::default();
    let ran = Run { gone: true, ..Run::new(&log) }.over(vec![Arc::new(Endless::default())]).await;
    assert_eq!(ran.ended, Ended::OutputClosed);
    assert_eq!(log.of("shown").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_ends_the_run_but_what_it_gave_counts() {
    let log = Log::default();
    let steps = one_by_one([fire(1), quiet(2)]).into_iter().chain([Step::Fail]).chain(one_by_one([fire(3)])).collect();
    // The other would go on for ever, and hide it.
    let ran = Run::new(&log).over(vec![Arc::new(Script::new("a", &log, steps)), Arc::new(Endless::default())]).await;
    assert_eq!(ran.ended, Ended::SourceFailed(SourceError::Refused("the group is gone".to_owned())));
    assert_eq!(log.of("committed a"), ["0", "1"]);
    assert_eq!(log.of("brought").first().map(String::as_str), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_cannot_be_written_is_no_reader_that_left() {
    let log = Log::default();
    let sinks = vec![sink(&log, |_, _| Err(io::ErrorKind::StorageFull.into()))];
    let ran = Run { sinks, ..Run::new(&log) }.over(vec![Arc::new(Endless::default())]).await;
    assert!(matches!(ran.ended, Ended::OutputFailed(_)), "{:?}", ran.ended);
}

// Sinks.

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_sink_asks_for_comes_again() {
    let log = Log::default();
    let sinks = vec![sink(&log, |call, id| match (call, id) {
        (1 | 2, "2") => Ok(Outcome::retry(Cause::Failed, "busy".to_owned())),
        _ => Ok(Outcome::Delivered),
    })];
    let batch = Step::Batch(vec![fire(1), fire(2), fire(3)]);
    let ran = Run { sinks, ..Run::new(&log) }.of([Script::new("a", &log, vec![batch])]).await;
    assert_eq!(log.of("brought"), ["1,2,3", "2", "2"]);
    assert_eq!((ran.summary.delivery_retries, ran.summary.undelivered), (2, 0));
    assert!(ran.notices.is_empty(), "{:?}", ran.notices);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_refuses_is_told_and_not_brought_again() {
    let log = Log::default();
    let refusing = sink(&log, |_, id| match id {
        "1" => Ok(Outcome::Refused("too large".to_owned())),
        _ => Ok(Outcome::Delivered),
    });
    let second = Log::default();
    let sinks = vec![refusing, sink(&second, |_, _| Ok(Outcome::Delivered))];
    let batch = Step::Batch(vec![fire(1), fire(2)]);
    let ran = Run { sinks, ..Run::new(&log) }.of([Script::new("a", &log, vec![batch])]).await;
    assert_eq!((log.of("brought"), ran.summary.undelivered), (vec!["1,2".to_owned()], 1));
    assert_eq!(second.of("brought"), ["1,2"], "another sink gets both");
    let told = ran.notices(NoticeLevel::Error);
    assert!(told.len() == 1 && told[0].contains("`answering`") && told[0].ends_with("too large"), "{told:?}");
    assert_eq!(log.of("committed a"), ["0,1"]);
}

// Bounds of the pipeline.

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_brought_so_often_and_then_told() {
    let log = Log::default();
    let sinks = vec![sink(&log, |_, _| Ok(Outcome::retry(Cause::Failed, "busy".to_owned())))];
    let bounds = Bounds { deliveries_tried: 3, batches_committed: 1, ..Bounds::default() };
    let ran = Run { sinks, bounds, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([fire(1)]))]).await;
    assert_eq!(log.of("brought"), ["1", "1", "1"]);
    assert_eq!(ran.summary.undelivered, 1);
    let told = ran.notices(NoticeLevel::Error);
    assert!(told.len() == 1 && told[0].contains("`answering` did not take finding"), "{told:?}");
    assert_eq!(log.of("committed a"), ["0"], "one sink does not hold up the source for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_given_up_on_was_brought_again_once_less_than_it_was_brought() {
    let log = Log::default();
    let sinks = vec![sink(&log, |_, _| Ok(Outcome::retry(Cause::Failed, "busy".to_owned())))];
    let bounds = Bounds { deliveries_tried: 3, ..Bounds::default() };
    let ran = Run { sinks, bounds, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([fire(1)]))]).await;
    assert_eq!(ran.summary.delivery_retries, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_answers_for_too_few_loses_nothing_in_silence() {
    struct Mute;
    impl Sink for Mute {
        fn name(&self) -> &str {
            "mute"
        }
        fn deliver<'a>(&'a mut self, _: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
            async { Ok(Vec::new()) }.boxed()
        }
    }
    let log = Log::default();
    let bounds = Bounds { deliveries_tried: 1, ..Bounds::default() };
    let run = Run { sinks: vec![Box::new(Mute)], bounds, ..Run::new(&log) };
    let ran = run.of([Script::new("a", &log, one_by_one([fire(1)]))]).await;
    assert_eq!(ran.summary.undelivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_by_generation_and_counted() {
    let counts = async |keys_remembered| {
        let log = Log::default();
        let bounds = Bounds { keys_remembered, batches_committed: 1, ..Bounds::default() };
        let bodies = [1, 2, 3, 1, 3].map(quiet);
        let ran = Run { bounds, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one(bodies))]).await;
        (ran.summary.events(), ran.summary.duplicates, ran.summary.keys_forgotten)
    };
    assert_eq!(counts(100).await, (3, 2, 0));
    // Generations of one: 3 drives out 1, 1 drives out 2; 3 is still known.
    assert_eq!(counts(2).await, (4, 1, 2));
    assert_eq!(counts(0).await, (4, 1, 2), "never less than one a generation");
}

/// Hands over one event a batch for ever, and notes how far it is ahead of what is acknowledged.
#[derive(Default)]
struct Endless {
    batches_max: Option<usize>,
    given: AtomicUsize,
    acknowledged: AtomicUsize,
    ahead_max: AtomicUsize,
}

impl Source for Endless {
    fn name(&self) -> Arc<str> {
        "endless".into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        async {
            // As a source that reads: others get their turn.
            tokio::task::yield_now().await;
            let number = self.given.load(Ordering::SeqCst);
            if self.batches_max == Some(number) {
                return Ok(None);
            }
            self.given.store(number + 1, Ordering::SeqCst);
            self.ahead_max.fetch_max(number + 1 - self.acknowledged.load(Ordering::SeqCst), Ordering::SeqCst);
            let origin = Origin::whole("endless");
            Ok(Some(vec![Delivery { body: fire(number as u64), origin, receipt: Receipt(number as u64) }]))
        }
        .boxed()
    }

    fn checkpoint(&self, receipts: &[Receipt]) -> Option<Checkpoint> {
        Some(Checkpoint { source: self.name(), position: numbers(receipts) })
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.acknowledged.fetch_add(receipts.len(), Ordering::SeqCst);
        async { Ok(()) }.boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// Lets everything else run that can: the tasks of this thread, and the one thread that batches are matched on.
async fn all_others() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(|| ()).await.unwrap();
}

/// Two threads that take turns, so that it is known what has happened when. No batch is matched until all has been read
/// that may be read before: how far a source gets does not depend on which thread the machine favours.
fn taking_turns<T>(test: impl Future<Output = T>) -> T {
    let turns = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
    turns.block_on(async {
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let closed = tokio::task::spawn_blocking(move || gate.recv());
        let opening = async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            drop(open);
            closed.await.unwrap().unwrap_err();
        };
        futures::future::join(test, opening).await.0
    })
}

struct Slow(Log);

impl Store for Slow {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            all_others().await;
            self.0.note(format!("stored {}", transaction.checkpoints[0].position));
            Ok(())
        }
        .boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        Vec::new()
    }
}

impl Sink for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        async {
            all_others().await;
            Ok(vec![Outcome::Delivered; batch.len()])
        }
        .boxed()
    }
}

#[test]
fn a_source_gets_no_further_ahead_than_the_bounds_allow() {
    let ahead = |(batches_waiting, batches_matched, batches_committed), slow_store: bool| {
        let log = Log::default();
        let bounds = Bounds { batches_waiting, batches_matched, batches_committed, ..Bounds::default() };
        let source = Arc::new(Endless { batches_max: Some(60), ..Endless::default() });
        let mut run = Run { bounds, ..Run::new(&log) };
        match slow_store {
            true => run.store = Box::new(Slow(log.clone())),
            false => run.sinks = vec![Box::new(Slow(log.clone()))],
        }
        let ran = taking_turns(run.over(vec![Arc::clone(&source) as Arc<dyn Source>]));
        assert_eq!(ran.summary.events(), 60);
        source.ahead_max.load(Ordering::SeqCst)
    };
    for slow_store in [true, false] {
        for bounds @ (waiting, matched, committed) in [(1, 1, 1), (8, 1, 1), (1, 8, 1), (1, 1, 8), (3, 4, 2)] {
            let ahead = ahead(bounds, slow_store);
            // One more is in the hand of the task that reads.
            let most = waiting + matched + committed + 1;
            assert!(ahead <= most, "{ahead} batches ahead, {most} allowed, with {bounds:?}");
            assert!(
                ahead >= waiting + matched,
                "only {ahead} batches ahead with {bounds:?}: nothing is read in advance"
            );
        }
    }
}

#[test]
fn what_is_on_its_way_is_bounded_in_bytes() {
    let ahead = |bytes_in_flight: usize| {
        let log = Log::default();
        let bounds = Bounds {
            bytes_in_flight,
            batches_waiting: 20,
            batches_matched: 8,
            batches_committed: 8,
            ..Bounds::default()
        };
        let source = Arc::new(Endless { batches_max: Some(60), ..Endless::default() });
        let run = Run { bounds, store: Box::new(Slow(log.clone())), ..Run::new(&log) };
        let ran = taking_turns(run.over(vec![Arc::clone(&source) as Arc<dyn Source>]));
        assert_eq!(ran.summary.events(), 60, "a batch that is larger than the bound goes alone");
        source.ahead_max.load(Ordering::SeqCst)
    };
    // Every batch weighs one kibibyte at least; one more is in the hand of the task that reads.
    assert!(ahead(1) <= 2);
    assert!(ahead(4 << 10) <= 5);
    assert!(ahead(64 << 20) > 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_to_the_last_line_and_told_to_a_bound() {
    let log = Log::default();
    let garbage = Step::Batch(vec![Bytes::from("x\n".repeat(5_000))]);
    let ran = Run::new(&log).of([Script::new("a", &log, vec![garbage])]).await;
    assert_eq!(ran.summary.rejects, 5_000);
    assert_eq!(log.of("rejected").len(), 1_000);
}

#[test]
fn a_transaction_takes_in_no_more_batches_than_its_bound() {
    for batches_committed in [1, 2, 3] {
        let log = Log::default();
        let bounds = Bounds { batches_waiting: 8, batches_matched: 8, batches_committed, ..Bounds::default() };
        let source = Arc::new(Endless { batches_max: Some(60), ..Endless::default() });
        let run = Run { bounds, store: Box::new(Slow(log.clone())), ..Run::new(&log) };
        taking_turns(run.over(vec![source]));
        let most = log.of("stored").iter().map(|position| position.split(',').count()).max();
        assert_eq!(most, Some(batches_committed));
    }
}

// Limits of decoding.

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_of_decoding_is_reached_and_told() {
    let lines =
        |count: u64| -> Vec<u8> { (0..count).flat_map(|number| [&quiet(number)[..], b"\n"].concat()).collect() };
    let line_bytes = quiet(0).len() + 1;
    let nested = |depth: usize| -> Bytes {
        format!(r#"{{"eventVersion":"1.11","a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1)).into()
    };
    let default = Limits::default;
    type Expected = fn(&Reason) -> bool;
    let cases: [(&str, Bytes, Limits, u64, Expected); 7] = [
        (
            "record_bytes_max",
            [&lines(1)[..], br#"{"eventVersion":"1.11","a":""#, &[b'x'; 500], b"\"}\n", &quiet(7)].concat().into(),
            Limits { record_bytes_max: 400, ..default() },
            2,
            |reason| matches!(reason, Reason::TooLarge { record_bytes_max: 400, .. }),
        ),
        (
            "nesting_max",
            [&nested(10)[..], b"\n", &nested(11)].concat().into(),
            Limits { nesting_max: 10, ..default() },
            1,
            |reason| matches!(reason, Reason::TooDeep { nesting_max: 10 }),
        ),
        (
            "inflated_bytes_max",
            gzip(&lines(10)),
            Limits { inflated_bytes_max: 3 * line_bytes + 5, ..default() },
            3,
            |reason| matches!(reason, Reason::InflatedTooLarge { .. }),
        ),
        (
            "inflate_ratio_max",
            gzip(&[&lines(3)[..], &vec![b' '; 8 << 20]].concat()),
            Limits { inflate_ratio_max: 100, ..default() },
            3,
            |reason| matches!(reason, Reason::InflatesTooMuch { inflate_ratio_max: 100 }),
        ),
        ("parts_max", lines(5).into(), Limits { parts_max: 4, ..default() }, 4, |reason| {
            matches!(reason, Reason::TooManyParts { parts_max: 4 })
        }),
        ("wrappers_max", gzip(&gzip(&lines(1))), Limits { wrappers_max: 1, ..default() }, 0, |reason| {
            matches!(reason, Reason::WrappedTooDeep { wrappers_max: 1 })
        }),
        ("none", gzip(&gzip(&lines(5))), default(), 5, |_| false),
    ];
    for (name, body, limits, events, expected) in cases {
        let log = Log::default();
        let ran = Run { limits, ..Run::new(&log) }.of([Script::new("a", &log, one_by_one([body]))]).await;
        let reasons: Vec<_> = ran.summary.first_rejects.iter().map(|reject| &reject.reason).collect();
        assert_eq!(
            (ran.summary.events(), ran.summary.rejects),
            (events, u64::from(name != "none")),
            "{name}: {reasons:?}"
        );
        assert!(reasons.iter().all(|reason| expected(reason)), "{name}: {reasons:?}");
        // What was not looked at to its end is not done with, whatever came before.
        let is_whole = events > 0 && !reasons.iter().any(|reason| reason.leaves_the_rest());
        let dealt_with = log.of(if is_whole { "committed a" } else { "undecodable a" });
        assert_eq!(dealt_with, ["0"], "{name}");
    }
}

/// Only the last of several members tells its size, and a payload within another tells none.
#[tokio::test(flavor = "multi_thread")]
async fn what_inflates_to_more_than_it_tells_is_read_to_its_end_too() {
    let padded = [&quiet(0)[..], b"\n", &spaces(9 << 20), b"\n", &quiet(1), b"\n"].concat();
    let several = Bytes::from([&gzip(&padded)[..], &gzip(&quiet(2))].concat());
    for (name, body, events) in [("several members", several, 3), ("two layers", gzip(&gzip(&padded)), 2)] {
        let log = Log::default();
        let ran = Run::new(&log).of([Script::new("a", &log, one_by_one([body.clone(), body]))]).await;
        assert_eq!((ran.summary.events(), ran.summary.rejects), (events, 0), "{name}");
    }
}

#[tokio::test]
async fn a_delivery_without_an_event_is_told_apart_once_it_is_stored() {
    let log = Log::default();
    let empty = Bytes::from_static(b"{\"Records\":[]}");
    let broken_record = Bytes::from_static(b"{\"eventVersion\":\"1.11\",,}");
    let mixed = Bytes::from([&fire(1)[..], b"\n{broken"].concat());
    let bodies = vec![quiet(2), Bytes::from_static(b"{broken"), empty, broken_record, mixed];
    let store = Box::new(Faulty { failures: 1, log: log.clone(), ..Faulty::default() });
    let ran = Run { store, ..Run::new(&log) }.of([Script::new("s", &log, vec![Step::Batch(bodies)])]).await;
    assert_eq!((ran.summary.rejects, ran.summary.events()), (3, 2));
    assert_eq!((log.of("committed s"), log.of("undecodable s")), (strings(&["0,2,4"]), strings(&["1,3"])));
}

#[tokio::test]
async fn sources_are_closed_when_all_is_committed_also_after_a_failure() {
    for last in [Step::Batch(vec![fire(2)]), Step::Fail] {
        let log = Log::default();
        let steps = vec![Step::Batch(vec![fire(1)]), last];
        Run::new(&log).of([Script::new("a", &log, steps), Script::new("b", &log, Vec::new())]).await;
        let all = log.all();
        let last_commit = all.iter().rposition(|entry| entry.starts_with("committed")).unwrap();
        let closed: Vec<_> = all.iter().enumerate().filter(|(_, entry)| entry.starts_with("closed")).collect();
        assert_eq!(closed.iter().map(|(_, entry)| entry.as_str()).collect::<Vec<_>>(), ["closed a", "closed b"]);
        assert!(closed.iter().all(|(at, _)| *at > last_commit), "{all:?}");
    }
}
