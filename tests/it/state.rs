//! What survives on disk, and the way of findings through the outbox: also when files are damaged and sinks fail.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use redb::StorageBackend;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use trailwatch::decode;
use trailwatch::delivery::{Delivery, Origin};
use trailwatch::engine::RuleSet;
use trailwatch::event::{Event, EventKey, Fields, projection_of};
use trailwatch::finding::Finding;
use trailwatch::pipeline::{
    Accounts, Bounds, CourierReport, Couriers, Patience, Pipeline, Route, SinkDelivery, Summary,
};
use trailwatch::rule::{Rule, Severity};
use trailwatch::sink::{Cause, Gone, Outcome, Sink};
use trailwatch::source::file::{FileLimits, Files};
use trailwatch::source::{Source, SourceError, SourceReport};
use trailwatch::store::{
    Checkpoint, Choice, DiskStore, Inspector, Limits, Medium, Outgoing, Overflow, Settlement, Shelf, Store, StoreError,
    Transaction, Waiting, repair,
};

use super::notices::Notices;

fn rule() -> Rule {
    let text = "id = \"fire\"\ntitle = \"fire\"\nseverity = \"high\"\ntags = [\"service.s3\"]\n[match]\neventName = \"Fire\"\n";
    Rule::parse(Path::new("fire.toml"), text.to_owned()).unwrap()
}

fn event(number: u64) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"Fire","eventTime":"2026-01-15T12:00:00Z","recipientAccountId":"111122223333","eventID":"e0000000-0000-4000-8000-{number:012}"}}"#
    )
}

fn key(number: u64) -> EventKey {
    let (text, mut fields) = (event(number), Fields::default());
    EventKey::of(&Event::read(&text, &projection_of([]), &mut fields).unwrap(), &Origin::whole("x"))
}

fn finding(number: u64) -> Arc<Finding> {
    let (text, mut fields) = (event(number), Fields::default());
    let event = Event::read(&text, &projection_of([]), &mut fields).unwrap();
    Arc::new(Finding::new(&rule(), &event, &key(number)))
}

fn outgoing(sink: &str, number: u64) -> Outgoing {
    Outgoing { sink: sink.into(), finding: finding(number) }
}

fn checkpoint(source: &str, position: &str) -> Checkpoint {
    Checkpoint { source: source.into(), position: position.to_owned() }
}

fn open(folder: &Path) -> DiskStore {
    let (store, opened) = DiskStore::open(folder, Limits::default()).unwrap();
    assert_eq!(opened.set_aside, None);
    store
}

/// The numbers of the events of a sink's entries that are due now.
fn due(store: &DiskStore, sink: &str) -> Vec<String> {
    let due = store.outbox().due(sink, Timestamp::now().as_millisecond(), 1_000).unwrap();
    due.entries.iter().map(|entry| entry.finding.event_ids[0][24..].trim_start_matches('0').to_owned()).collect()
}

#[tokio::test]
async fn a_transaction_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let transaction = Transaction {
        checkpoints: vec![checkpoint("a", "1"), checkpoint("b", "x")],
        seen: vec![key(1), key(2)],
        outgoing: vec![outgoing("pager", 1), outgoing("bus", 1), outgoing("pager", 2)],
        ..Transaction::default()
    };
    store.commit(&transaction).await.unwrap();
    store.commit(&Transaction { checkpoints: vec![checkpoint("a", "2")], ..Transaction::default() }).await.unwrap();
    drop(store);

    let store = open(folder.path());
    let positions: BTreeMap<_, _> =
        store.checkpoints().into_iter().map(|at| (at.source.to_string(), at.position)).collect();
    assert_eq!(positions, BTreeMap::from([("a".to_owned(), "2".to_owned()), ("b".to_owned(), "x".to_owned())]));
    assert_eq!(store.seen().len(), 2);
    assert_eq!(
        (due(&store, "pager"), due(&store, "bus")),
        (vec!["1".to_owned(), "2".to_owned()], vec!["1".to_owned()])
    );
    let entry = &store.outbox().due("bus", i64::MAX, 1).unwrap().entries[0];
    assert_eq!(entry.finding.to_json(), finding(1).to_json(), "a finding comes back as it was");
}

#[tokio::test]
async fn seen_events_are_forgotten_by_generation() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { keys_max: 10, ..Limits::default() };
    let (mut store, _) = DiskStore::open(folder.path(), limits).unwrap();
    for number in 1..=23 {
        store.commit(&Transaction { seen: vec![key(number)], ..Transaction::default() }).await.unwrap();
    }
    drop(store);
    let (store, _) = DiskStore::open(folder.path(), limits).unwrap();
    let seen = store.seen();
    assert!((5..=10).contains(&seen.len()), "{}", seen.len());
    assert!((19..=23).all(|number| seen.contains(&key(number))), "the newest are known");
}

#[tokio::test]
async fn entries_leave_the_outbox_as_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let outgoing = (1..=3).map(|number| outgoing("pager", number)).collect();
    store.commit(&Transaction { outgoing, ..Transaction::default() }).await.unwrap();
    let outbox = store.outbox();
    let numbers: Vec<u64> =
        outbox.due("pager", i64::MAX, 10).unwrap().entries.iter().map(|entry| entry.number).collect();
    outbox
        .settle(
            "pager",
            &[
                Settlement::Delivered { number: numbers[0] },
                Settlement::Again { number: numbers[1], tried_ms: 0, due_ms: i64::MAX - 1, reason: "busy".to_owned() },
                Settlement::Dead { number: numbers[2], reason: "no such channel".to_owned() },
            ],
        )
        .unwrap();
    drop((outbox, store));

    let store = open(folder.path());
    let later = store.outbox().due("pager", i64::MAX - 2, 10).unwrap();
    assert_eq!((later.entries.len(), later.next_ms), (0, Some(i64::MAX - 1)));
    let entry = &store.outbox().due("pager", i64::MAX, 10).unwrap().entries[0];
    assert_eq!((entry.tries, entry.reason.as_str()), (1, "busy"));
    let waiting = store.outbox().waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (1, 1));
    assert_eq!(store.outbox().waiting("nobody").unwrap(), Waiting::default());
}

#[tokio::test]
async fn what_waits_for_a_sink_is_bounded_by_itself_and_the_oldest_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { outbox_entries_max: 2, dead_letters_max: 3, ..Limits::default() };
    let mut store = DiskStore::open(folder.path(), limits).unwrap().0;
    let transaction = |sink: &str, number: u64| Transaction {
        checkpoints: vec![checkpoint("a", &number.to_string())],
        outgoing: vec![outgoing(sink, number)],
        ..Transaction::default()
    };
    for number in 1..=4 {
        store.commit(&transaction("pager", number)).await.unwrap();
    }
    store.commit(&transaction("chat", 5)).await.unwrap();
    assert_eq!(
        (due(&store, "pager"), due(&store, "chat")),
        (vec!["3".to_owned(), "4".to_owned()], vec!["5".to_owned()])
    );
    // What was counted by an earlier process counts, and what is settled does no longer.
    drop(store);
    let mut store = DiskStore::open(folder.path(), limits).unwrap().0;
    let number = store.outbox().due("pager", i64::MAX, 1).unwrap().entries[0].number;
    store.outbox().settle("pager", &[Settlement::Delivered { number }]).unwrap();
    for number in 6..=8 {
        store.commit(&transaction("pager", number)).await.unwrap();
    }
    let asked = [(); 2].map(|()| store.outbox().due("pager", i64::MAX, 10).unwrap());
    assert_eq!(asked[0].overflow, Overflow { given_up: 2, put_out: 1 });
    assert_eq!(asked[1].overflow, Overflow::default(), "it is told once");
    assert_eq!(due(&store, "pager"), ["7", "8"]);
    assert_eq!(store.checkpoints()[0].position, "8");
    let waiting = store.outbox().waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (2, 3));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_set_aside() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        store.commit(&Transaction { seen: vec![key(1)], ..Transaction::default() }).await.unwrap();
        drop(store);
        fs::read(folder.path().join("trailwatch.redb")).unwrap()
    };
    let cases: [(&str, Vec<u8>); 4] = [
        ("another file", b"this is no database, but a letter to my landlord, who will never read it".to_vec()),
        ("the half of one", whole[..whole.len() / 2].to_vec()),
        ("its start overwritten", [vec![0xa5; 4_096], whole[4_096..].to_vec()].concat()),
        ("zeroes", vec![0; 65_536]),
    ];
    for (name, bytes) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("trailwatch.redb"), &bytes).unwrap();
        let (mut store, opened) = DiskStore::open(folder.path(), Limits::default()).unwrap();
        let (aside, _) = opened.set_aside.unwrap_or_else(|| panic!("{name} was taken for state"));
        assert!(aside.file_name().unwrap().to_string_lossy().starts_with("trailwatch.redb.corrupt-2"), "{name}");
        assert_eq!(fs::read(&aside).unwrap().len(), bytes.len(), "{name}: nothing of it is lost");
        assert!(store.seen().is_empty() && store.checkpoints().is_empty(), "{name}");
        store.commit(&Transaction { seen: vec![key(1)], ..Transaction::default() }).await.unwrap();
    }
}

/// A damaged file is worth no more than none, and no less: whatever byte of it is changed, it is read or set aside.
#[tokio::test]
async fn a_file_that_was_written_to_never_keeps_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let outgoing = (1..=3).map(|number| outgoing("pager", number)).collect();
    let transaction = Transaction {
        checkpoints: vec![checkpoint("a", "1")],
        seen: (1..=200).map(key).collect(),
        outgoing,
        ..Transaction::default()
    };
    store.commit(&transaction).await.unwrap();
    drop(store);
    let path = folder.path().join("trailwatch.redb");
    let whole = fs::read(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut set_aside = 0;
    for _ in 0..60 {
        let mut bytes = whole.clone();
        // The first pages hold what all else hangs on.
        let at = if random.bool() { random.usize(..512) } else { random.usize(..bytes.len()) };
        bytes[at] ^= random.u8(1..);
        fs::write(&path, &bytes).unwrap();
        let (mut store, opened) = DiskStore::open(folder.path(), Limits::default()).unwrap();
        set_aside += usize::from(opened.set_aside.is_some());
        store.outbox().due("pager", i64::MAX, 10).unwrap();
        store.commit(&Transaction { seen: vec![key(900)], ..Transaction::default() }).await.unwrap();
    }
    assert!(set_aside > 0);
}

#[tokio::test]
async fn a_person_may_look_at_state_send_again_and_drop() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Inspector::open(folder.path()), Err(StoreError::Missing { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");
    let mut store = open(folder.path());
    let transaction = Transaction {
        checkpoints: vec![checkpoint("a", "1")],
        seen: vec![key(1), key(2)],
        outgoing: (1..=4).map(|number| outgoing("pager", number)).chain([outgoing("bus", 1)]).collect(),
        ..Transaction::default()
    };
    store.commit(&transaction).await.unwrap();
    let dead = |number| Settlement::Dead { number, reason: "no such channel".to_owned() };
    let later = Settlement::Again { number: 3, tried_ms: 0, due_ms: i64::MAX - 1, reason: "busy".to_owned() };
    store.outbox().settle("pager", &[dead(1), dead(2), later]).unwrap();
    drop(store);

    let state = Inspector::open(folder.path()).unwrap();
    let overview = state.overview().unwrap();
    assert_eq!((overview.checkpoints.len(), overview.seen), (1, 2));
    assert_eq!(
        (overview.sinks["pager"].entries, overview.sinks["pager"].dead, overview.sinks["bus"].entries),
        (2, 2, 1)
    );
    assert_eq!((state.verify().unwrap(), state.seen().unwrap().len()), (0, 2));
    let numbers = |shelf, choice: &Choice| -> Vec<u64> {
        state.entries(shelf, choice).unwrap().iter().map(|entry| entry.number).collect()
    };
    let all = Choice::default();
    let of = |sink: &str, numbers: &[u64]| Choice { sink: Some(sink.to_owned()), numbers: numbers.to_vec() };
    assert_eq!((numbers(Shelf::Dead, &all), numbers(Shelf::Waiting, &all)), (vec![1, 2], vec![5, 3, 4]));
    assert_eq!(numbers(Shelf::Waiting, &of("pager", &[4, 5])), [4]);
    assert_eq!(state.entries(Shelf::Dead, &of("pager", &[1])).unwrap()[0].reason, "no such channel");
    assert_eq!(state.drop_entries(Shelf::Dead, &of("pager", &[2])).unwrap(), 1);
    assert_eq!(state.retry(&of("pager", &[1, 3])).unwrap(), 2);
    assert_eq!((numbers(Shelf::Dead, &all), numbers(Shelf::Waiting, &all)), (vec![], vec![5, 1, 3, 4]));
    drop(state);
    let store = open(folder.path());
    assert_eq!(due(&store, "pager"), ["1", "3", "4"], "all are due at once");
}

/// What the file of a state is called.
const FILE: &str = "trailwatch.redb";

/// A state with much in it.
async fn fill(folder: &Path) {
    let transaction = Transaction {
        checkpoints: vec![checkpoint("a", "1"), checkpoint("b", "2")],
        seen: (1..=2_000).map(key).collect(),
        outgoing: (1..=60).map(|number| outgoing("pager", number)).collect(),
        ..Transaction::default()
    };
    let mut store = open(folder);
    store.commit(&transaction).await.unwrap();
    let dead = |number| Settlement::Dead { number, reason: "no such channel".to_owned() };
    store.outbox().settle("pager", &[dead(1), dead(2)]).unwrap();
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_file_is_saved_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    assert_eq!(repair(folder.path(), None).unwrap(), None, "nothing is wrong with it");
    let path = folder.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let mut some = 0;
    for page in 1..whole.len() / 4_096 {
        let mut bytes = whole.clone();
        bytes[page * 4_096..][..4_096].fill(0x55);
        fs::write(&path, &bytes).unwrap();
        let Some(repaired) = repair(folder.path(), None).unwrap() else { continue };
        assert_eq!(fs::read(&repaired.aside).unwrap(), bytes, "what was damaged is kept as it was");
        fs::remove_file(&repaired.aside).unwrap();
        let state = Inspector::open(folder.path()).unwrap();
        let overview = state.overview().unwrap();
        let waiting = overview.sinks.get("pager").cloned().unwrap_or_default();
        let windows = state.windows().unwrap().len() as u64;
        let found = [overview.checkpoints.len() as u64, overview.seen, windows, waiting.entries, waiting.dead];
        assert_eq!(repaired.parts.iter().map(|part| part.rows).collect::<Vec<_>>(), found, "page {page}");
        let is_all = repaired.parts.iter().all(|part| part.of == Some(part.rows));
        assert!(!is_all || found == [2, 2_000, 0, 58, 2], "page {page}: {found:?}");
        some += u32::from(!is_all && (1..2_000).contains(&found[1]));
        drop(state);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }
    assert!(some > 5, "what lies on either side of the damage is saved");
    fs::write(&path, "a letter").unwrap();
    let repaired = repair(folder.path(), None).unwrap().unwrap();
    assert!(repaired.parts.iter().all(|part| (part.rows, part.of) == (0, None)), "{repaired:?}");
    open(folder.path());
}

#[tokio::test]
async fn a_file_that_was_set_aside_is_added_to_the_state() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let aside = folder.path().join("trailwatch.redb.corrupt-20260115T120000Z");
    fs::rename(folder.path().join(FILE), &aside).unwrap();
    let mut store = open(folder.path());
    let transaction = Transaction {
        checkpoints: vec![checkpoint("a", "9")],
        seen: vec![key(1), key(3_000)],
        outgoing: vec![outgoing("pager", 100)],
        ..Transaction::default()
    };
    store.commit(&transaction).await.unwrap();
    let in_use = repair(folder.path(), Some(&aside)).unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
    drop(store);
    let repaired = repair(folder.path(), Some(&aside)).unwrap().unwrap();
    assert!(repaired.aside == aside && aside.is_file());
    let store = open(folder.path());
    assert_eq!(store.checkpoints(), [checkpoint("a", "9"), checkpoint("b", "2")]);
    assert_eq!(store.seen().len(), 2_001);
    let expected: Vec<String> = [100].into_iter().chain(3..=60).map(|number| number.to_string()).collect();
    assert_eq!(due(&store, "pager"), expected);
    assert_eq!(store.outbox().waiting("pager").unwrap().dead, 2);
}

/// Puts bytes in place of an entry that waits.
fn overwrite(folder: &Path, number: u64, bytes: &[u8]) {
    let rows: redb::TableDefinition<'_, (&str, u64), &[u8]> = redb::TableDefinition::new("outbox");
    let database = redb::Database::open(folder.join(FILE)).unwrap();
    let write = database.begin_write().unwrap();
    assert!(write.open_table(rows).unwrap().insert(("pager", number), bytes).unwrap().is_some());
    write.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_among_the_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut store = open(&state);
    let outgoing = (1..=3).map(|number| outgoing("pager", number)).collect();
    store.commit(&Transaction { outgoing, ..Transaction::default() }).await.unwrap();
    drop(store);
    overwrite(&state, 2, b"{\"finding\": \xff");
    let pager = Pager::new(|_, _| Outcome::Delivered);
    let delivery = SinkDelivery { route: everything(), sink: Box::new(pager.clone()), patience: HASTY };
    let notices = Notices::default();
    let pipeline = pipeline(folder.path(), 4..=4, open(&state), delivery, Duration::from_secs(20));
    let pipeline = Pipeline { notify: notices.notify(), ..pipeline };
    let (summary, _) = tokio::time::timeout(Duration::from_secs(60), pipeline.run()).await.unwrap();
    assert_eq!(sorted(pager.brought()), sorted([ids(1..=1), ids(3..=4)].concat()));
    assert_eq!((summary.couriers[0].1.delivered, summary.couriers[0].1.dead), (3, 1));
    insta::assert_snapshot!(notices.text(), @"sink `pager`: a finding is given up: it cannot be read; `trailwatch outbox export --dead` gives what there is of it");
    let state = Inspector::open(&state).unwrap();
    let all = Choice::default();
    let kept = state.unreadable(Shelf::Dead, &all).unwrap();
    assert_eq!((kept.len(), kept[0].number, kept[0].bytes.as_slice()), (1, 2, &b"{\"finding\": \xff"[..]));
    assert_eq!((state.retry(&all).unwrap(), state.verify().unwrap()), (0, 1), "no other try helps");
    assert_eq!(state.drop_entries(Shelf::Dead, &all).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_make_room_are_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { dead_letters_max: 2, ..Limits::default() };
    let (store, _) = DiskStore::open(&folder.path().join("state"), limits).unwrap();
    let pager = Pager::new(|_, _| Outcome::Refused("no such channel".to_owned()));
    let delivery = SinkDelivery { route: everything(), sink: Box::new(pager), patience: HASTY };
    let notices = Notices::default();
    let pipeline = pipeline(folder.path(), 1..=5, store, delivery, Duration::from_secs(20));
    let pipeline = Pipeline { notify: notices.notify(), ..pipeline };
    let (summary, _) = tokio::time::timeout(Duration::from_secs(60), pipeline.run()).await.unwrap();
    assert_eq!((summary.couriers[0].1.dead, summary.couriers[0].1.put_out), (5, 3));
    let told = notices.text();
    let told: Vec<&str> = told.lines().filter(|line| line.contains("is kept no longer")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    let first = format!(
        "sink `pager`: dead letter 1, finding {} of rule `fire`, is kept no longer, for there are too many",
        finding(1).id
    );
    assert_eq!(told[0], first);
}

/// A source that gives nothing and never ends; it panics when it is asked, or cannot be closed, if that is wanted.
#[derive(Default)]
struct Odd {
    panics: bool,
    hangs_at_the_end: bool,
}

impl Source for Odd {
    fn name(&self) -> Arc<str> {
        "odd".into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        let panics = self.panics;
        async move {
            assert!(!panics, "the source is odd");
            std::future::pending().await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let hangs = self.hangs_at_the_end;
        async move {
            if hangs {
                std::future::pending().await
            }
        }
        .boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// A run of this source, which otherwise has no end.
async fn run_of(odd: Odd, pager: Pager, stop: CancellationToken, notices: &Notices) -> Result<(), JoinError> {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("state"));
    store.commit(&Transaction { outgoing: vec![outgoing("pager", 1)], ..Transaction::default() }).await.unwrap();
    let delivery = SinkDelivery { route: everything(), sink: Box::new(pager), patience: HASTY };
    let pipeline = pipeline(folder.path(), 1..=1, store, delivery, Duration::from_millis(100));
    let sources: Vec<Arc<dyn Source>> = vec![Arc::new(odd), Arc::new(Odd::default())];
    let pipeline = Pipeline { sources, stop, notify: notices.notify(), ..pipeline };
    let ran = tokio::time::timeout(Duration::from_secs(60), tokio::spawn(pipeline.run()));
    ran.await.expect("the run does not end").map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_the_run_at_once() {
    let notices = Notices::default();
    let broken = Pager::new(|_, _| panic!("the sink is odd"));
    let ran = run_of(Odd::default(), broken, CancellationToken::new(), &notices).await;
    assert!(ran.unwrap_err().is_panic(), "of a courier");
    let takes = Pager::new(|_, _| Outcome::Delivered);
    let ran = run_of(Odd { panics: true, ..Odd::default() }, takes, CancellationToken::new(), &notices).await;
    assert!(ran.unwrap_err().is_panic(), "of a reader");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_closed_does_not_hold_up_the_end() {
    let (notices, stop) = (Notices::default(), CancellationToken::new());
    stop.cancel();
    let takes = Pager::new(|_, _| Outcome::Delivered);
    run_of(Odd { hangs_at_the_end: true, ..Odd::default() }, takes, stop, &notices).await.unwrap();
    insta::assert_snapshot!(notices.text(), @"not all sources could be closed in time (what they could not tell their services comes again)");
}

#[test]
fn a_folder_serves_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let error = DiskStore::open(folder.path(), Limits::default()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was set aside");
}

/// What a sink answers for a finding, given how many it was brought before.
type Answer = dyn Fn(usize, &Finding) -> Outcome + Send + Sync;

/// What a scripted sink has been brought, and answers.
#[derive(Clone)]
struct Pager {
    brought: Arc<Mutex<Vec<String>>>,
    answer: Arc<Answer>,
}

impl Pager {
    /// `answer` is given how many findings were brought before.
    fn new(answer: impl Fn(usize, &Finding) -> Outcome + Send + Sync + 'static) -> Self {
        Self { brought: Arc::default(), answer: Arc::new(answer) }
    }

    fn brought(&self) -> Vec<String> {
        self.brought.lock().unwrap().clone()
    }
}

impl Sink for Pager {
    fn name(&self) -> &str {
        "pager"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        let mut brought = self.brought.lock().unwrap();
        let outcomes = batch.iter().map(|finding| {
            brought.push(finding.id.clone());
            (self.answer)(brought.len() - 1, finding)
        });
        let outcomes = outcomes.collect();
        async { Ok(outcomes) }.boxed()
    }
}

const HASTY: Patience = Patience {
    batch_max: 7,
    wait_min: Duration::from_millis(1),
    wait_max: Duration::from_millis(20),
    deadline: Duration::from_secs(3_600),
    spacing: Duration::ZERO,
};

/// Runs rules over events, with a pager that gets its findings from the outbox.
async fn run(
    folder: &Path,
    numbers: std::ops::RangeInclusive<u64>,
    pager: &Pager,
    patience: Patience,
    route: Route,
) -> Summary {
    run_with(folder, numbers, Box::new(pager.clone()), patience, route, Duration::from_secs(20)).await
}

/// The same, with any sink, and another time for what is left to bring at the end.
async fn run_with(
    folder: &Path,
    numbers: std::ops::RangeInclusive<u64>,
    sink: Box<dyn Sink>,
    patience: Patience,
    route: Route,
    drain: Duration,
) -> Summary {
    let store = open(&folder.join("state"));
    let pipeline = pipeline(folder, numbers, store, SinkDelivery { route, sink, patience }, drain);
    tokio::time::timeout(Duration::from_secs(60), pipeline.run()).await.expect("the run does not end").0
}

fn pipeline(
    folder: &Path,
    numbers: std::ops::RangeInclusive<u64>,
    store: DiskStore,
    delivery: SinkDelivery,
    drain: Duration,
) -> Pipeline {
    let events = folder.join("events.jsonl");
    fs::write(&events, numbers.map(|number| event(number) + "\n").collect::<String>()).unwrap();
    Pipeline {
        rules: Arc::new(RuleSet::new(vec![rule()])),
        filter: None,
        sources: vec![Arc::new(Files::new(vec![events], FileLimits::default(), Arc::new(|_| {})))],
        accounts: Accounts::default(),
        couriers: Some(Couriers { outbox: store.outbox(), deliveries: vec![delivery], drain }),
        store: Box::new(store),
        sinks: Vec::new(),
        tap: None,
        limits: decode::Limits::default(),
        bounds: Bounds::default(),
        notify: Arc::new(|_| {}),
        stop: CancellationToken::new(),
    }
}

fn everything() -> Route {
    Route { sink: "pager".into(), min_severity: Severity::Informational, tags: Vec::new() }
}

fn ids(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let mut ids: Vec<String> = numbers.map(|number| finding(number).id.clone()).collect();
    ids.sort();
    ids
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// A disk in memory, one of whose syncs fails after everything was written.
#[derive(Debug, Clone, Default)]
struct LateFailure(Arc<Mutex<(Vec<u8>, bool)>>);

impl LateFailure {
    fn fail_next_sync(&self) {
        self.0.lock().unwrap().1 = true;
    }
}

impl StorageBackend for LateFailure {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        out.copy_from_slice(&self.0.lock().unwrap().0[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().0.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match std::mem::take(&mut self.0.lock().unwrap().1) {
            true => Err(io::ErrorKind::Other.into()),
            false => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = offset as usize;
        self.0.lock().unwrap().0[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

impl Medium for LateFailure {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, _: &Path, builder: &redb::Builder) -> Result<redb::Database, redb::DatabaseError> {
        builder.create_with_backend(self.clone())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_came_through_although_it_failed_is_not_repeated() {
    let disk = LateFailure::default();
    let (mut store, _) = DiskStore::open_on(Box::new(disk.clone()), Path::new("x"), Limits::default()).unwrap();
    let transaction = |number: u64| Transaction {
        checkpoints: vec![checkpoint("a", &number.to_string())],
        seen: vec![key(number)],
        findings: vec![finding(number)],
        outgoing: vec![outgoing("pager", number)],
        ..Transaction::default()
    };
    store.commit(&transaction(1)).await.unwrap();
    disk.fail_next_sync();
    store.commit(&transaction(2)).await.unwrap_err();
    store.commit(&transaction(2)).await.unwrap();
    store.commit(&transaction(3)).await.unwrap();
    assert_eq!(store.checkpoints(), [checkpoint("a", "3")]);
    let due = store.outbox().due("pager", i64::MAX, 10).unwrap().entries;
    let ids: Vec<&str> = due.iter().map(|entry| &*entry.finding.id).collect();
    assert_eq!(ids, [&*finding(1).id, &finding(2).id, &finding(3).id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_brought_once_to_a_sink_that_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let pager = Pager::new(|_, _| Outcome::Delivered);
    let summary = run(folder.path(), 1..=40, &pager, HASTY, everything()).await;
    assert_eq!(sorted(pager.brought()), ids(1..=40));
    assert_eq!(summary.couriers[0].1.delivered, 40);
    assert_eq!(open(&folder.path().join("state")).outbox().waiting("pager").unwrap(), Waiting::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_now_and_then_has_everything_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let pager = Pager::new(|before, _| match before % 3 {
        0 => Outcome::retry(Cause::Failed, "busy"),
        _ => Outcome::Delivered,
    });
    // What waits for its next try is waited for.
    let summary = run(folder.path(), 1..=40, &pager, HASTY, everything()).await;
    assert_eq!(summary.couriers[0].1.delivered, 40);
    assert_eq!(open(&folder.path().join("state")).outbox().waiting("pager").unwrap(), Waiting::default());
    let mut all = pager.brought();
    all.sort();
    all.dedup();
    assert_eq!(all, ids(1..=40));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_what_is_to_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let pager = Pager::new(|before, _| match before {
        0 => Outcome::retry(Cause::Failed, "busy"),
        _ => Outcome::Delivered,
    });
    // Longer than it takes to read everything.
    let patience = Patience { wait_min: Duration::from_secs(2), wait_max: Duration::from_secs(4), ..HASTY };
    let summary = run(folder.path(), 1..=40, &pager, patience, everything()).await;
    assert_eq!(summary.couriers[0].1.delivered, 40);
    assert_eq!(open(&folder.path().join("state")).outbox().waiting("pager").unwrap(), Waiting::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_does_not_hold_up_the_end_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let away = Pager::new(|_, _| Outcome::retry(Cause::NoAnswer, "no route"));
    let an_hour = Duration::from_secs(3_600);
    let summary = run_with(folder.path(), 1..=40, Box::new(away), HASTY, everything(), an_hour).await;
    assert_eq!(summary.couriers[0].1.delivered, 0);
    let healed = Pager::new(|_, _| Outcome::Delivered);
    tokio::time::sleep(HASTY.wait_max * 3).await;
    run(folder.path(), 1..=40, &healed, HASTY, everything()).await;
    assert_eq!(sorted(healed.brought()), ids(1..=40));
}

/// Waits until a courier that was cut off has let go of the state.
async fn until_free(folder: &Path) {
    let free = async {
        while DiskStore::open(folder, Limits::default()).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), free).await.expect("the state stays in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_with_a_rate_limit_is_brought_one_finding_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let pager = Pager::new(|_, _| Outcome::Delivered);
    // The second would be due in an hour, and the run ends before.
    let limited = Patience { spacing: Duration::from_secs(3_600), ..HASTY };
    let drain = Duration::from_secs(2);
    run_with(folder.path(), 1..=40, Box::new(pager.clone()), limited, everything(), drain).await;
    let brought = pager.brought();
    assert!(brought.len() <= 1, "{} are brought", brought.len());
    until_free(&folder.path().join("state")).await;
    let faster = Patience { spacing: Duration::from_millis(1), ..HASTY };
    run(folder.path(), 1..=40, &pager, faster, everything()).await;
    let mut all = pager.brought();
    all.sort();
    all.dedup();
    assert_eq!(all, ids(1..=40));
}

/// A sink that takes so many of a batch, and then asks to be left alone for an hour.
struct Tired(usize);

impl Sink for Tired {
    fn name(&self) -> &str {
        "pager"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        let mut outcomes = vec![Outcome::Delivered; self.0.min(batch.len())];
        if outcomes.len() < batch.len() {
            outcomes.push(Outcome::Retry {
                cause: Cause::Failed,
                reason: "enough".to_owned(),
                after: Some(Duration::from_secs(3_600)),
            });
        }
        async { Ok(outcomes) }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_does_not_get_to_is_not_tried_and_waits_as_it_asks() {
    for taken in [0, 2] {
        let folder = tempfile::tempdir().unwrap();
        let drain = Duration::from_secs(20);
        let summary = run_with(folder.path(), 1..=6, Box::new(Tired(taken)), HASTY, everything(), drain).await;
        let CourierReport { delivered, retried, .. } = &summary.couriers[0].1;
        assert_eq!((*delivered, retried.values().sum()), (taken as u64, 1));
        let in_two_hours_ms = Timestamp::now().as_millisecond() + 7_200_000;
        let left = open(&folder.path().join("state")).outbox().due("pager", in_two_hours_ms, 10).unwrap().entries;
        let mut tries: Vec<u32> = left.iter().map(|entry| entry.tries).collect();
        tries.sort_unstable();
        let untried = 6 - taken - 1;
        assert_eq!(tries, [vec![0; untried], vec![1]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_asks_to_be_left_alone_is_left_alone_also_after_the_last_of_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    // The answer stands at the end of its batch, so nothing in the batch is left without one.
    let patience = Patience { batch_max: 2, ..HASTY };
    let summary = run(folder.path(), 1..=6, &asking_for_an_hour(), patience, everything()).await;
    assert_eq!(summary.couriers[0].1.delivered, 1);
    assert_eq!(summary.couriers[0].1.retried, BTreeMap::from([(Cause::Failed, 1)]));
}

/// A pager that takes a finding, and then wants to be left alone for an hour.
fn asking_for_an_hour() -> Pager {
    Pager::new(|before, _| match before {
        0 => Outcome::Delivered,
        _ => Outcome::Retry {
            cause: Cause::Failed,
            reason: "enough".to_owned(),
            after: Some(Duration::from_secs(3_600)),
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_left_alone_as_it_asked_also_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    run_with(folder.path(), 1..=6, Box::new(Tired(2)), HASTY, everything(), Duration::from_secs(20)).await;
    let pager = Pager::new(|_, _| Outcome::Delivered);
    run(folder.path(), 7..=8, &pager, HASTY, everything()).await;
    assert_eq!(pager.brought(), [""; 0]);
}

#[tokio::test]
async fn what_gave_way_while_it_was_delivered_is_no_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { outbox_entries_max: 1, ..Limits::default() };
    let mut store = DiskStore::open(folder.path(), limits).unwrap().0;
    let one = |number| Transaction { outgoing: vec![outgoing("pager", number)], ..Transaction::default() };
    store.commit(&one(1)).await.unwrap();
    let outbox = store.outbox();
    let number = outbox.due("pager", i64::MAX, 1).unwrap().entries[0].number;
    store.commit(&one(2)).await.unwrap();
    assert_eq!(outbox.waiting("pager").unwrap().dead, 1);
    outbox.settle("pager", &[Settlement::Delivered { number }]).unwrap();
    let waiting = outbox.waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (1, 0));
    drop((outbox, store));
    let waiting = open(folder.path()).outbox().waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (1, 0));
}

#[test]
fn what_is_kept_by_name_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for (number, known) in [(7, None), (8, Some(7))] {
        let outbox = open(folder.path()).outbox();
        assert_eq!((outbox.kept("a").unwrap(), outbox.kept("b").unwrap()), (known, None));
        outbox.keep("a", number).unwrap();
        assert_eq!(outbox.kept("a").unwrap(), Some(number));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_up_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    store.commit(&Transaction { outgoing: vec![outgoing("pager", 1)], ..Transaction::default() }).await.unwrap();
    let (outbox, now_ms) = (store.outbox(), Timestamp::now().as_millisecond() + 60_000);
    let number = outbox.due("pager", now_ms, 1).unwrap().entries[0].number;
    let again = Settlement::Again { number, tried_ms: now_ms, due_ms: now_ms + 1_000, reason: "busy".to_owned() };
    outbox.settle("pager", &[again]).unwrap();
    for (what, at_ms, is_due) in [
        ("at once", now_ms, false),
        ("when it is due", now_ms + 1_000, true),
        ("by a clock six hours behind", now_ms - 6 * 3_600_000, true),
    ] {
        assert_eq!(outbox.due("pager", at_ms, 1).unwrap().entries.len(), usize::from(is_due), "{what}");
    }
}

#[test]
fn what_is_set_aside_is_written_over_by_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trailwatch.redb");
    for number in 0..10 {
        fs::write(&file, format!("no database, {number}").repeat(1_000)).unwrap();
        assert!(DiskStore::open(folder.path(), Limits::default()).unwrap().1.set_aside.is_some());
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains(".corrupt-")).count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_never_gets_to_is_a_dead_letter_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let late = Patience { deadline: Duration::ZERO, ..HASTY };
    run_with(folder.path(), 1..=6, Box::new(Tired(0)), late, everything(), Duration::from_secs(20)).await;
    let waiting = open(&folder.path().join("state")).outbox().waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (0, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_refuses_or_does_not_take_in_time_is_a_dead_letter() {
    let cases: [(&str, Outcome, Patience); 2] = [
        ("refused", Outcome::Refused("no such channel".to_owned()), HASTY),
        ("too old", Outcome::retry(Cause::Failed, "busy"), Patience { deadline: Duration::ZERO, ..HASTY }),
    ];
    for (name, outcome, patience) in cases {
        let folder = tempfile::tempdir().unwrap();
        let pager = Pager::new(move |_, _| outcome.clone());
        let summary = run(folder.path(), 1..=5, &pager, patience, everything()).await;
        assert_eq!(summary.couriers[0].1.dead, 5, "{name}");
        let waiting = open(&folder.path().join("state")).outbox().waiting("pager").unwrap();
        assert_eq!((waiting.entries, waiting.dead), (0, 5), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_is_brought_everything_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let away = Pager::new(|_, _| Outcome::retry(Cause::Failed, "no route"));
    run(folder.path(), 1..=12, &away, Patience { wait_min: Duration::from_secs(60), ..HASTY }, everything()).await;
    let waiting = open(&folder.path().join("state")).outbox().waiting("pager").unwrap();
    assert_eq!((waiting.entries, waiting.dead), (12, 0));
    let back = Pager::new(|_, _| Outcome::Delivered);
    // The same events come again: they are known, and lead to nothing new.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let summary = run(folder.path(), 1..=15, &back, HASTY, everything()).await;
    assert_eq!(summary.duplicates, 12);
    assert!(back.brought().len() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_only_what_its_route_lets_through() {
    for (min_severity, tags, expected) in [
        (Severity::High, vec![], 3),
        (Severity::Critical, vec![], 0),
        (Severity::Low, vec!["service.s3".to_owned()], 3),
        (Severity::Low, vec!["service.xray".to_owned()], 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let pager = Pager::new(|_, _| Outcome::Delivered);
        let route = Route { min_severity, tags, ..everything() };
        run(folder.path(), 1..=3, &pager, HASTY, route.clone()).await;
        assert_eq!(pager.brought().len(), expected, "{route:?}");
    }
}
