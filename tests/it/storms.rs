//! What `[alert] suppress` holds back: every match is a finding or is counted, once, whatever order matches come in, and
//! whatever happens in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use trailwatch::condition::Condition;
use trailwatch::decode::Limits;
use trailwatch::delivery::{Delivery, Origin, Receipt};
use trailwatch::engine::RuleSet;
use trailwatch::event::{Event, EventKey, Fields, projection_of};
use trailwatch::finding::digest::SAMPLE_MAX;
use trailwatch::finding::windows::{Delta, Window, WindowKey};
use trailwatch::finding::{Digest, Finding, Match, Windows};
use trailwatch::pipeline::{Accounts, Bounds, Pipeline, Summary, Suppression};
use trailwatch::rule::Rule;
use trailwatch::sink::{Gone, Outcome, Sink};
use trailwatch::source::{Source, SourceError, SourceReport};
use trailwatch::store::{self, DiskStore, Inspector, MemoryStore, Store, StoreError, Transaction};

fn rule(alert: &str) -> Rule {
    let text = format!(
        "id = \"denied\"\ntitle = \"denied {{awsRegion}} by {{actor.name}}\"\nseverity = \"high\"\n\
         [match]\neventName = \"Denied\"\n[alert]\n{alert}\n"
    );
    Rule::parse(Path::new("denied.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// Holds back for ten seconds, by region.
fn ten_seconds() -> Rule {
    rule("group_by = [\"awsRegion\"]\nsuppress = \"10s\"")
}

/// An event that the rule matches, so many seconds after a noon.
fn event(number: u64, region: &str, second: i64) -> String {
    let noon: jiff::Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
    let time = noon + jiff::SignedDuration::from_secs(second);
    format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"Denied","eventTime":"{time}","awsRegion":"{region}","recipientAccountId":"111122223333","eventID":"e0000000-0000-4000-8000-{number:012}","userIdentity":{{"type":"IAMUser","userName":"user-{number}"}}}}"#
    )
}

fn matched_in(rule: &Rule, text: &str) -> Match {
    let mut fields = Fields::default();
    let event = Event::read(text, &projection_of([]), &mut fields).unwrap();
    Match::new(rule, &event, &EventKey::of(&event, &Origin::whole("test")))
}

fn matched(rule: &Rule, number: u64, region: &str, second: i64) -> Match {
    matched_in(rule, &event(number, region, second))
}

/// What comes out of windows, with everything that is kept of them written and read at each step, as a store does.
#[derive(Default)]
struct Out {
    kept: BTreeMap<WindowKey, String>,
    findings: Vec<Arc<Finding>>,
    digests: Vec<Arc<Finding>>,
    ended_early: u64,
}

impl Out {
    fn windows(&self) -> Windows {
        Windows::restored(self.kept.iter().map(|(key, window)| (*key, serde_json::from_str(window).unwrap())))
    }

    fn keep(&mut self, delta: Delta) -> Vec<(WindowKey, Option<Window>)> {
        for (key, window) in &delta.changed {
            match window {
                Some(window) => drop(self.kept.insert(*key, serde_json::to_string(window).unwrap())),
                None => drop(self.kept.remove(key)),
            }
        }
        self.digests.extend(delta.digests);
        self.ended_early += delta.ended_early;
        delta.changed.into_iter().collect()
    }

    fn digests(&self) -> Vec<&Digest> {
        self.digests.iter().map(|finding| finding.digest.as_ref().unwrap()).collect()
    }

    fn told(&self) -> u64 {
        self.digests().iter().map(|digest| digest.count).sum()
    }
}

/// Everything that may happen to a group of matches.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Kept,
    /// The process ends before the group is kept; it comes again.
    Repeated,
    /// The process ends right after it is kept.
    Restarted,
}

/// A group of matches, each a region and a second; what becomes of it; and the milliseconds that pass before it.
type Chapter = (Vec<(usize, i64)>, Fate, i64);

const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "us-east-2"];

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::Kept), 1 => Just(Fate::Repeated), 1 => Just(Fate::Restarted)]
}

/// Groups of matches, each a region and a second, and what becomes of each group.
fn histories() -> impl Strategy<Value = Vec<Chapter>> {
    let group = proptest::collection::vec((0..REGIONS.len(), 0..60_i64), 0..12);
    proptest::collection::vec((group, fates(), 0..15_000_i64), 1..12)
}

/// Brings a history through windows; returns what came out and all matches there were.
fn lived(history: &[Chapter], windows_max: usize) -> (Out, Vec<Match>) {
    let (rule, mut out, mut all, mut now_ms) = (ten_seconds(), Out::default(), Vec::new(), 1_800_000_000_000);
    let mut windows = Windows::default();
    for (group, fate, passed_ms) in history {
        let group: Vec<Match> = group
            .iter()
            .enumerate()
            .map(|(at, (region, second))| matched(&rule, (all.len() + at) as u64, REGIONS[*region], *second))
            .collect();
        let times = if matches!(fate, Fate::Repeated) { 2 } else { 1 };
        for time in 1..=times {
            now_ms += passed_ms;
            let mut delta = Delta::default();
            let through: Vec<_> =
                group.iter().filter(|matched| windows.lets_through(&mut delta, matched, now_ms)).collect();
            windows.end_due(&mut delta, now_ms);
            windows.end_surplus(&mut delta, windows_max);
            if time < times {
                windows = out.windows();
                continue;
            }
            out.findings.extend(through.into_iter().map(|matched| Arc::clone(&matched.finding)));
            windows.apply(out.keep(delta));
        }
        assert!(windows.len() <= windows_max);
        if matches!(fate, Fate::Restarted) {
            windows = out.windows();
        }
        all.extend(group);
    }
    let mut delta = Delta::default();
    windows.end_all(&mut delta);
    windows.apply(out.keep(delta));
    assert!(windows.is_empty() && out.kept.is_empty() && windows.next_due_ms().is_none());
    (out, all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_match_is_a_finding_or_is_counted_once(history in histories(), windows_max in 1..40_usize) {
        let (out, all) = lived(&history, windows_max);
        prop_assert_eq!(out.findings.len() as u64 + out.told(), all.len() as u64);
        let findings: HashSet<&str> = out.findings.iter().map(|finding| finding.id.as_str()).collect();
        prop_assert_eq!(findings.len(), out.findings.len(), "a finding goes out once");
        let beside: HashSet<&str> = out.digests().iter().map(|digest| digest.of.as_str()).collect();
        prop_assert_eq!(beside.len(), out.digests.len(), "a window has one digest");
        prop_assert!(beside.is_subset(&findings), "a digest stands beside a finding");
        let ids: HashSet<&str> = out.digests.iter().map(|digest| digest.id.as_str()).collect();
        prop_assert!(ids.len() == out.digests.len() && ids.is_disjoint(&findings));
        for region in REGIONS {
            let of = |finding: &&Arc<Finding>| finding.region.as_deref() == Some(region);
            let told: u64 = out.digests.iter().filter(of).map(|finding| finding.digest.as_ref().unwrap().count).sum();
            let through = out.findings.iter().filter(of).count() as u64;
            let there = all.iter().filter(|matched| of(&&matched.finding)).count() as u64;
            prop_assert_eq!(through + told, there, "{}", region);
        }
    }

    /// Of a burst that fits into one window, only which match is the finding depends on the order.
    #[test]
    fn a_burst_is_one_finding_in_whatever_order_it_comes(seconds in proptest::collection::vec(0..10_i64, 1..30)) {
        let history: Vec<_> = seconds.iter().map(|second| (vec![(0, *second)], Fate::Restarted, 0)).collect();
        let (out, _) = lived(&history, 10);
        prop_assert_eq!(out.findings.len(), 1);
        prop_assert_eq!(out.told() as usize, seconds.len() - 1);
    }

    /// As long as windows are open, no two findings of a group lie within reach of each other.
    #[test]
    fn findings_of_a_group_are_apart(history in histories()) {
        let history: Vec<_> = history.into_iter().map(|(group, fate, _)| (group, fate, 0)).collect();
        let (out, _) = lived(&history, usize::MAX);
        for one in &out.findings {
            for other in out.findings.iter().filter(|other| other.id != one.id && other.region == one.region) {
                let time = |finding: &Finding| finding.time.as_deref().unwrap().parse::<jiff::Timestamp>().unwrap();
                let apart = time(one).duration_since(time(other)).abs().as_secs();
                prop_assert!(apart >= 10, "{} and {}", one.id, other.id);
            }
        }
    }
}

/// One match after the other, at a time of the clock in seconds; what came out by then.
fn stepped(rule: &Rule, steps: &[(i64, Option<(u64, i64)>)]) -> Vec<String> {
    let (mut windows, mut told) = (Windows::default(), Vec::new());
    let noon_ms = "2026-01-15T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    for (clock, arrival) in steps {
        let (mut delta, now_ms) = (Delta::default(), noon_ms + clock * 1_000);
        if let Some((number, second)) = arrival {
            let matched = matched(rule, *number, "us-east-1", *second);
            if windows.lets_through(&mut delta, &matched, now_ms) {
                told.push(format!("{clock}: finding {number}"));
            }
        }
        windows.end_due(&mut delta, now_ms);
        for digest in delta.digests.iter().filter_map(|finding| finding.digest.as_ref()) {
            told.push(format!(
                "{clock}: digest of {} from {} to {}",
                digest.count,
                &digest.first[11..19],
                &digest.last[11..19]
            ));
        }
        windows.apply(delta.changed);
    }
    told
}

#[test]
fn windows_open_take_in_and_end_as_documented() {
    let rule = ten_seconds();
    for (name, steps, expected) in [
        (
            "matches within reach are counted, and the digest comes when what is late has had its time",
            &[(0, Some((1, 0))), (1, Some((2, 1))), (9, Some((3, 9))), (19, None), (20, None), (40, None)][..],
            &["0: finding 1", "20: digest of 2 from 12:00:01 to 12:00:09"][..],
        ),
        (
            "the first beyond it is a finding",
            &[(0, Some((1, 0))), (10, Some((2, 10)))],
            &["0: finding 1", "10: finding 2"],
        ),
        (
            "what is late belongs to the window that its time is in",
            &[(0, Some((1, 0))), (10, Some((2, 10))), (11, Some((3, 9))), (12, Some((4, 12))), (20, None), (30, None)],
            &[
                "0: finding 1",
                "10: finding 2",
                "20: digest of 1 from 12:00:09 to 12:00:09",
                "30: digest of 1 from 12:00:12 to 12:00:12",
            ],
        ),
        (
            "what happened before the finding belongs to it as well",
            &[(5, Some((1, 5))), (6, Some((2, -4))), (7, Some((3, -5))), (40, None)],
            &["5: finding 1", "7: finding 3", "40: digest of 1 from 11:59:56 to 11:59:56"],
        ),
        ("nothing held back is nothing to tell", &[(0, Some((1, 0))), (60, None)], &["0: finding 1"]),
        (
            "of long ago: by the clock",
            &[(90_000, Some((1, 0))), (90_001, Some((2, 5))), (90_009, None), (90_010, None)],
            &["90000: finding 1", "90010: digest of 1 from 12:00:05 to 12:00:05"],
        ),
        (
            "from the future: no longer than from now",
            &[(0, Some((1, 90_000))), (1, Some((2, 90_001))), (19, None), (20, None)],
            &["0: finding 1", "20: digest of 1 from 13:00:01 to 13:00:01"],
        ),
        (
            "what opened a window and comes again is no match more",
            &[(0, Some((1, 0))), (1, Some((1, 0))), (2, Some((2, 2))), (40, None)],
            &["0: finding 1", "40: digest of 1 from 12:00:02 to 12:00:02"],
        ),
    ] {
        assert_eq!(stepped(&rule, steps), expected, "{name}");
    }
}

#[test]
fn groups_are_told_apart_by_all_their_values() {
    let groups = |alert: &str, texts: &[&str]| {
        let rule = rule(&format!("{alert}\nsuppress = \"1h\""));
        let key = |text: &&str| {
            let event = format!(r#"{{"eventName":"Denied","eventTime":"2026-01-15T12:00:00Z",{text}}}"#);
            matched_in(&rule, &event).hold.unwrap().group
        };
        texts.iter().map(key).collect::<BTreeSet<_>>().len()
    };
    let two = "group_by = [\"awsRegion\", \"userAgent\"]";
    for (alert, texts, expected) in [
        (
            two,
            &[r#""awsRegion":"a","userAgent":"b""#, r#""awsRegion":"a","userAgent":"b","sourceIPAddress":"c""#][..],
            1,
        ),
        (two, &[r#""awsRegion":"ab","userAgent":"c""#, r#""awsRegion":"a","userAgent":"bc""#], 2),
        (two, &[r#""awsRegion":"a""#, r#""userAgent":"a""#, r#""awsRegion":"a","userAgent":"""#], 3),
        (
            "group_by = [\"requestParameters.x\"]",
            &[r#""requestParameters":{"x":["a","b"]}"#, r#""requestParameters":{"x":["a","c"]}"#],
            2,
        ),
        ("", &[r#""awsRegion":"a""#, r#""awsRegion":"b""#], 1),
    ] {
        assert_eq!(groups(alert, texts), expected, "{alert}: {texts:?}");
    }
}

#[test]
fn what_cannot_be_held_back_is_a_finding_each_time() {
    let (with, without) = (ten_seconds(), rule("group_by = [\"awsRegion\"]"));
    let timeless = event(1, "us-east-1", 0).replace("eventTime", "eventTimes");
    let finding = r#"{"schema_version":"1.1","rule":{"id":"x"},"eventTime":"2026-01-15T12:00:00Z","awsRegion":"a"}"#;
    for (rule, text, is_held) in [
        (&with, event(1, "us-east-1", 0).as_str(), true),
        (&without, &event(1, "us-east-1", 0), false),
        (&with, &timeless, false),
        (&with, finding, false),
    ] {
        assert_eq!(matched_in(rule, text).hold.is_some(), is_held, "{text}");
    }
}

#[test]
fn a_digest_says_what_its_finding_says_and_what_was_held_back() {
    let rule = ten_seconds();
    let hostile = "\u{1b}[2J".repeat(1_000);
    let (mut windows, mut out) = (Windows::default(), Out::default());
    let mut delta = Delta::default();
    for number in 1..=1_241 {
        let text = event(number, &hostile.replace('\u{1b}', "\\u001b"), (number % 10) as i64);
        let matched = matched_in(&rule, &text);
        if windows.lets_through(&mut delta, &matched, 0) {
            out.findings.push(matched.finding);
        }
    }
    windows.apply(out.keep(delta));
    let kept = out.kept.values().next().unwrap();
    assert!(out.kept.len() == 1 && kept.len() < 10_000, "{} bytes are kept", kept.len());
    let mut delta = Delta::default();
    windows.end_all(&mut delta);
    let (digest, opener) = (&delta.digests[0], &out.findings[0]);
    let held = digest.digest.as_ref().unwrap();
    assert_eq!((held.count, held.of.as_str()), (1_240, opener.id.as_str()));
    assert_eq!(digest.title, format!("and 1,240 more like this: {}", opener.title));
    assert_eq!(
        (digest.severity, &digest.rule.id, &digest.actor.name),
        (opener.severity, &opener.rule.id, &opener.actor.name)
    );
    assert_eq!((held.actors.len(), held.more_actors, digest.event_ids.len()), (SAMPLE_MAX, true, SAMPLE_MAX));
    assert!(!digest.event_ids.contains(&opener.event_ids[0]), "the sample is of what was held back");
    assert_eq!((held.first.as_str(), held.last.as_str()), ("2026-01-15T12:00:00Z", "2026-01-15T12:00:09Z"));
    assert!(digest.events.is_empty() && digest.why.is_empty() && digest.time.as_ref() == Some(&held.last));
    assert_eq!(digest.matter(), opener.matter());
    let read: Finding = serde_json::from_str(&digest.to_json()).unwrap();
    assert_eq!(read.to_json(), digest.to_json());
    assert!(!opener.to_json().contains("\"digest\""), "other findings read as before");
}

#[test]
fn too_many_windows_end_early_and_are_told() {
    let rule = rule("group_by = [\"userIdentity.userName\"]\nsuppress = \"1h\"");
    let (mut windows, mut out) = (Windows::default(), Out::default());
    for pass in 0..2 {
        let mut delta = Delta::default();
        for number in 0..100 {
            // The second pass hits the windows of the first, as far as they are still open.
            let text = event(number, "us-east-1", pass).replace("-8000-0", &format!("-800{pass}-0"));
            if windows.lets_through(&mut delta, &matched_in(&rule, &text), 0) {
                out.findings.push(matched_in(&rule, &text).finding);
            }
        }
        windows.end_surplus(&mut delta, 60);
        windows.apply(out.keep(delta));
        assert_eq!(windows.len(), 60);
    }
    assert_eq!(out.findings.len(), 140, "40 windows had ended");
    assert_eq!(out.ended_early, 80);
    let mut delta = Delta::default();
    windows.end_all(&mut delta);
    out.keep(delta);
    assert_eq!(out.told(), 60, "and nothing is lost");
}

/// Hands over one batch of events, and ends when it is told to.
struct Once {
    batch: Mutex<Option<Vec<Delivery>>>,
    end: CancellationToken,
}

impl Once {
    fn of(events: impl IntoIterator<Item = String>, end: &CancellationToken) -> Arc<dyn Source> {
        let body = Bytes::from(events.into_iter().collect::<Vec<_>>().join("\n"));
        let batch = vec![Delivery { body, origin: Origin::whole("once"), receipt: Receipt(0) }];
        Arc::new(Self { batch: Mutex::new(Some(batch)), end: end.clone() })
    }
}

impl Source for Once {
    fn name(&self) -> Arc<str> {
        "once".into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        async {
            let batch = self.batch.lock().unwrap().take();
            if batch.is_none() {
                self.end.cancelled().await;
            }
            Ok(batch)
        }
        .boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// Keeps what it is brought, and tells when that is a digest.
#[derive(Clone, Default)]
struct Keeper {
    brought: Arc<Mutex<Vec<Arc<Finding>>>>,
    digested: CancellationToken,
}

impl Sink for Keeper {
    fn name(&self) -> &str {
        "keeper"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.brought.lock().unwrap().extend(batch.iter().cloned());
        if batch.iter().any(|finding| finding.digest.is_some()) {
            self.digested.cancel();
        }
        ready(Ok(vec![Outcome::Delivered; batch.len()])).boxed()
    }
}

impl Keeper {
    /// How many findings it was brought, and what the digests among them stand for.
    fn counts(&self) -> (usize, Vec<u64>) {
        let brought = self.brought.lock().unwrap();
        let digests = brought.iter().filter_map(|finding| finding.digest.as_ref());
        let told: Vec<u64> = digests.map(|digest| digest.count).collect();
        (brought.len() - told.len(), told)
    }
}

/// Runs over a source, with one sink.
async fn run(alert: &str, source: Arc<dyn Source>, store: Box<dyn Store>, bounds: Bounds) -> (Summary, Keeper) {
    let keeper = Keeper::default();
    run_to(alert, source, store, bounds, &keeper).await
}

async fn run_to(
    alert: &str,
    source: Arc<dyn Source>,
    store: Box<dyn Store>,
    bounds: Bounds,
    keeper: &Keeper,
) -> (Summary, Keeper) {
    let pipeline = Pipeline {
        rules: Arc::new(RuleSet::new(vec![rule(alert)])),
        filter: None::<Condition>,
        sources: vec![source],
        accounts: Accounts::default(),
        store,
        sinks: vec![Box::new(keeper.clone())],
        couriers: None,
        tap: None,
        limits: Limits::default(),
        bounds,
        notify: Arc::new(|_| {}),
        stop: CancellationToken::new(),
    };
    let (summary, _) =
        tokio::time::timeout(Duration::from_secs(60), pipeline.run()).await.expect("the run does not end");
    (summary, keeper.clone())
}

fn ended() -> CancellationToken {
    let end = CancellationToken::new();
    end.cancel();
    end
}

const AN_HOUR: &str = "group_by = [\"awsRegion\"]\nsuppress = \"1h\"";

/// Events of one second in two regions; every third in the second one.
fn storm(numbers: std::ops::Range<u64>) -> impl Iterator<Item = String> {
    numbers.map(|number| event(number, REGIONS[usize::from(number % 3 == 0)], 0))
}

#[tokio::test]
async fn what_nothing_keeps_is_told_before_the_run_ends() {
    for (suppression, expected, held_back) in [
        (Suppression::ToTheEnd, (2, vec![3, 7]), 10),
        (Suppression::ByTheClock, (2, vec![3, 7]), 10),
        (Suppression::Off, (12, vec![]), 0),
    ] {
        let bounds = Bounds { suppression, ..Bounds::default() };
        let source = Once::of(storm(0..12), &ended());
        let (summary, keeper) = run(AN_HOUR, source, Box::new(MemoryStore::default()), bounds).await;
        let (findings, mut told) = keeper.counts();
        told.sort();
        assert_eq!((findings, told), expected, "{suppression:?}");
        assert_eq!(summary.findings_total(), expected.0 as u64);
        assert_eq!((summary.held_back_total(), summary.digests as usize), (held_back, expected.1.len()));
        assert!(summary.windows_open.is_empty());
    }
}

fn open(folder: &Path) -> DiskStore {
    DiskStore::open(folder, store::Limits::default()).unwrap().0
}

fn counts(store: &DiskStore) -> Vec<u64> {
    store.windows().unwrap().iter().map(|(_, window)| window.count()).collect()
}

#[tokio::test]
async fn windows_go_on_after_a_restart_and_repeats_count_once() {
    let folder = tempfile::tempdir().unwrap();
    for (numbers, findings, held) in [(0..12, 2, 10), (6..18, 0, 16), (0..18, 0, 16)] {
        let source = Once::of(storm(numbers.clone()), &ended());
        let (summary, keeper) = run(AN_HOUR, source, Box::new(open(folder.path())), Bounds::default()).await;
        assert_eq!(keeper.counts(), (findings, vec![]), "{numbers:?}: an hour is not over");
        assert_eq!(summary.windows_open.values().sum::<u64>(), 2);
        assert_eq!(counts(&open(folder.path())).iter().sum::<u64>(), held, "{numbers:?}");
    }
    let overview = Inspector::open(folder.path()).unwrap().overview().unwrap();
    assert_eq!((overview.windows, overview.held_back), (2, 16));
}

/// A window that opened in 1970, and holds one match back.
fn window_of_long_ago() -> (Finding, Vec<(WindowKey, Option<Window>)>) {
    let (rule, windows, mut delta) = (ten_seconds(), Windows::default(), Delta::default());
    let opener = matched(&rule, 1, "us-east-1", 0);
    assert!(windows.lets_through(&mut delta, &opener, 0));
    assert!(!windows.lets_through(&mut delta, &matched(&rule, 2, "us-east-1", 1), 0));
    ((*opener.finding).clone(), delta.changed.into_iter().collect())
}

#[tokio::test]
async fn a_window_that_is_over_is_told_although_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let (opener, windows) = window_of_long_ago();
    let mut store = open(folder.path());
    store.commit(&Transaction { windows, ..Transaction::default() }).await.unwrap();
    drop(store);
    let keeper = Keeper::default();
    // The source has nothing to say, and goes on until the digest is there.
    let source = Once::of(None, &keeper.digested);
    let (summary, _) = run_to(AN_HOUR, source, Box::new(open(folder.path())), Bounds::default(), &keeper).await;
    assert_eq!((keeper.counts(), summary.digests), ((0, vec![1]), 1));
    assert_eq!(keeper.brought.lock().unwrap()[0].matter(), opener.id);
    assert!(counts(&open(folder.path())).is_empty());
    let source = Once::of(None, &ended());
    let (_, keeper) = run(AN_HOUR, source, Box::new(open(folder.path())), Bounds::default()).await;
    assert_eq!(keeper.counts(), (0, vec![]), "it is told once");
}

/// Fails twice, and keeps what it was brought.
#[derive(Default)]
struct Faulty {
    brought: Arc<Mutex<Vec<Transaction>>>,
}

impl Store for Faulty {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut brought = self.brought.lock().unwrap();
        brought.push(transaction.clone());
        let failed = brought.len() <= 2;
        ready(if failed { Err(StoreError::Other("disk full".to_owned())) } else { Ok(()) }).boxed()
    }

    fn checkpoints(&self) -> Vec<store::Checkpoint> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_transaction_that_is_made_again_counts_once() {
    let store = Faulty::default();
    let brought = Arc::clone(&store.brought);
    let source = Once::of(storm(0..12), &ended());
    let (_, keeper) = run(AN_HOUR, source, Box::new(store), Bounds::default()).await;
    assert_eq!(keeper.counts().0, 2);
    assert_eq!(keeper.counts().1.iter().sum::<u64>(), 10);
    let counts: Vec<u64> = brought.lock().unwrap()[..3]
        .iter()
        .map(|transaction| transaction.windows.iter().flat_map(|(_, window)| window).map(Window::count).sum())
        .collect();
    assert_eq!(counts, [10, 10, 10]);
}

#[tokio::test]
async fn no_more_windows_are_open_than_the_bound() {
    let events = (0..50).map(|number| event(number, &format!("region-{number}"), 0));
    let bounds = Bounds { windows_open: 20, ..Bounds::default() };
    let folder = tempfile::tempdir().unwrap();
    let source = Once::of(events, &ended());
    let (summary, keeper) = run(AN_HOUR, source, Box::new(open(folder.path())), bounds).await;
    assert_eq!(keeper.counts(), (50, vec![]));
    assert_eq!((summary.windows_open.values().sum::<u64>(), summary.windows_ended_early), (20, 30));
    assert_eq!(counts(&open(folder.path())).len(), 20);
}
