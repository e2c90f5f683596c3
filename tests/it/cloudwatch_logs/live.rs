//! A live tail beside the polls: nothing missed and nothing twice, whatever becomes of it.
//!
//! While every poll is throttled, what comes was shown by the live tail.

use std::cell::RefCell;

use trailwatch::sim::StreamEnd;
use trailwatch::source::cloudwatch_logs::LiveTail;

use super::*;

/// Sessions that nothing but a fault ends.
fn patient() -> LiveTail {
    let (pause_min, pause_max) = (Duration::from_millis(5), Duration::from_millis(20));
    LiveTail { silence_max: PATIENCE, pause_min, pause_max, ..LiveTail::default() }
}

impl Lab {
    fn live(&self, live: LiveTail) -> Settings {
        self.logs().set_live_interval(Duration::from_millis(5));
        Settings { live: Some(live), other_endpoint: true, ..self.follow() }
    }

    /// From now on no poll shows anything.
    fn block_polls(&self) {
        self.logs().faults().set_every(1, Fault::Throttle);
    }

    fn let_polls_through(&self) {
        self.logs().faults().clear();
    }

    fn tells(&self, part: &str) -> usize {
        self.notices.all().iter().filter(|notice| notice.text.contains(part)).count()
    }

    fn fail_live(&self, fault: Fault) {
        self.logs().faults().next_for("StartLiveTail", fault);
    }
}

/// A source whose live tail is on, while no poll gets through.
async fn live_source(lab: &Lab, live: LiveTail) -> CloudWatchLogs {
    let source = lab.source(lab.live(live));
    assert_quiet_until(&source, || lab.tells("is on") > 0).await;
    lab.block_polls();
    source
}

/// Lets polls read everything again, which must bring nothing.
async fn assert_settled(lab: &Lab, source: &CloudWatchLogs) {
    lab.let_polls_through();
    for _ in 0..6 {
        let calls = lab.calls();
        lab.advance(31);
        assert_quiet_until(source, || lab.calls() > calls).await;
    }
}

fn stream(after_updates: usize, then: StreamEnd) -> Fault {
    Fault::Stream { after_updates, then }
}

#[tokio::test]
async fn what_comes_is_shown_at_once_and_polls_know_it() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    for text in ["one", "two"] {
        lab.put(lab.now_ms(), text);
        assert_eq!(texts(&source, 1).await, [text]);
    }
    assert_settled(&lab, &source).await;
    let report = report(&source);
    assert_eq!((report.live, report.deliveries, report.late), (2, 2, 0));
    assert!(report.repeats >= 2);
    assert_eq!(lab.tells("live tail"), 1);
}

#[tokio::test]
async fn events_that_differ_only_in_their_ids_all_come() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    // The time of ingestion tells them apart as well.
    lab.clock().freeze_at(lab.now_ms());
    for _ in 0..3 {
        lab.put(lab.now_ms(), "twin");
    }
    assert_eq!(texts(&source, 1).await, ["twin"]);
    lab.let_polls_through();
    lab.advance(31);
    assert_eq!(texts(&source, 2).await, ["twin", "twin"]);
    assert_settled(&lab, &source).await;
}

#[tokio::test]
async fn what_was_shown_and_not_committed_comes_again_after_a_crash() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    let shown_ms = lab.now_ms();
    lab.put(shown_ms, "shown");
    let shown = take(&source, 1).await;
    assert_settled(&lab, &source).await;
    // Long enough that it would be settled.
    lab.advance(3_700);
    let position = |receipts: &[Receipt]| source.checkpoint(receipts).map(|checkpoint| checkpoint.position);
    let is_settled = || {
        let position: serde_json::Value =
            serde_json::from_str(&position(&receipts(&shown)).unwrap_or_default()).unwrap_or_default();
        position["cursors_ms"][5].as_i64().is_some_and(|settled_ms| settled_ms > shown_ms)
    };
    // A call that was made need not have been answered.
    for _ in 0..20 {
        assert_settled(&lab, &source).await;
        if is_settled() {
            break;
        }
    }
    for (resume, again) in [(position(&[]), 1), (position(&receipts(&shown)), 0)] {
        let settings = Settings { resume, ..lab.read_once() };
        assert_eq!(texts(&lab.source(settings), 10).await.len(), again);
    }
}

#[tokio::test]
async fn a_sample_is_told_and_the_rest_is_polled() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    for number in 0..1_200 {
        lab.put(lab.now_ms(), &number.to_string());
    }
    let mut taken: BTreeSet<String> = texts(&source, 500).await.into_iter().collect();
    lab.let_polls_through();
    taken.extend(texts(&source, 700).await);
    assert_eq!(taken.len(), 1_200);
    assert_settled(&lab, &source).await;
    let report = report(&source);
    assert_eq!((report.live, report.live_sampled, report.deliveries), (500, 1, 1_200));
    assert_eq!(lab.tells("leaves events out"), 1);
}

#[tokio::test]
async fn what_has_no_room_is_counted_and_polled() {
    let lab = Lab::new().await;
    let source = live_source(&lab, LiveTail { hints_max: 3, ..patient() }).await;
    for number in 0..10 {
        lab.put(lab.now_ms(), &number.to_string());
    }
    let mut taken: BTreeSet<String> = texts(&source, 3).await.into_iter().collect();
    lab.let_polls_through();
    taken.extend(texts(&source, 7).await);
    assert_eq!(taken.len(), 10);
    assert_settled(&lab, &source).await;
    assert_eq!((report(&source).live, report(&source).live_dropped), (3, 7));
}

#[tokio::test]
async fn a_session_is_renewed_before_the_service_ends_it() {
    let lab = Lab::new().await;
    let source = live_source(&lab, LiveTail { age_max: Duration::from_millis(50), ..patient() }).await;
    assert_quiet_until(&source, || lab.tells("was renewed") >= 3).await;
    assert_eq!(lab.tells("is off"), 0);
    assert!(lab.logs().live_sessions() <= 2, "sessions are not left open");
}

/// Puts events, one in ten of which is visible a while after its time, until enough has happened; how many.
async fn produce(lab: &Lab, enough: impl Fn(usize) -> bool) -> usize {
    let mut number = 0;
    while !enough(number) {
        let late_ms = if number % 10 == 0 { 20_000 } else { 0 };
        let event = LogEvent { timestamp_ms: lab.now_ms() - 10, message: number.to_string() };
        lab.logs().put_visible_at(GROUP, STREAM, event, lab.now_ms() + late_ms);
        number += 1;
        if number % 10 == 0 {
            lab.advance(3);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    lab.advance(31);
    number
}

/// Events that come while one session after the other comes to the same end: each comes once, and no other.
async fn tally(then: Option<StreamEnd>, live: LiveTail) {
    let (name, lab) = (format!("{then:?}"), Lab::new().await);
    for number in 0..10_000 {
        then.iter().for_each(|then| lab.fail_live(stream(number % 4, then.clone())));
    }
    let source = lab.source(Settings { poll: Duration::from_secs(5), ..lab.live(live) });
    let has_shown = || report(&source).live > 0 && (then.is_none() || lab.tells("is on again") > 0);
    let counts: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let consume = async {
        loop {
            for text in texts_of(next(&source).await) {
                *counts.borrow_mut().entry(text).or_default() += 1;
            }
        }
    };
    let all_of = |events: usize| counts.borrow().values().sum::<usize>() >= events;
    tokio::select! {
        () = consume => {}
        () = patiently(async {
            let events = produce(&lab, |number| number >= 300 && has_shown()).await;
            wait_until(|| all_of(events)).await;
        }) => {}
    }
    assert_settled(&lab, &source).await;
    let counts = counts.into_inner();
    let expected: BTreeSet<String> = (0..counts.len()).map(|number| number.to_string()).collect();
    assert!(counts.values().all(|times| *times == 1), "{name}: {counts:?}");
    assert!(counts.keys().eq(&expected), "{name}: foreign ones came");
    let report = report(&source);
    assert_eq!(report.deliveries, counts.len() as u64, "{name}");
    if then.is_some() {
        assert!(report.live_gaps > 0 && lab.tells("is off") > 0, "{name}: {report:?}");
    }
}

#[tokio::test]
async fn nothing_is_missed_and_nothing_comes_twice_whatever_ends_a_session() {
    for then in [
        StreamEnd::Closes,
        StreamEnd::Breaks,
        StreamEnd::Raises("SessionTimeoutException".into()),
        StreamEnd::Raises("SessionStreamingException".into()),
        StreamEnd::Raises("ThrottlingException".into()),
    ] {
        tally(Some(then), patient()).await;
    }
    tally(None, patient()).await;
}

#[tokio::test]
async fn nothing_is_missed_and_nothing_comes_twice_when_sessions_fall_silent() {
    tally(Some(StreamEnd::Stalls), LiveTail { silence_max: Duration::from_millis(200), ..patient() }).await;
}

#[tokio::test]
async fn a_silent_session_is_given_up_and_told() {
    let lab = Lab::new().await;
    lab.fail_live(stream(1, StreamEnd::Stalls));
    let live = LiveTail { silence_max: Duration::from_millis(500), ..patient() };
    let source = lab.source(lab.live(live));
    assert_quiet_until(&source, || lab.tells("is on again") > 0).await;
    assert_eq!(lab.tells("is off: the service has said nothing for 500ms"), 1, "{}", lab.notices.text());
}

#[tokio::test]
async fn a_session_that_is_refused_is_told_once_and_tried_again() {
    let lab = Lab::new().await;
    for _ in 0..3 {
        lab.fail_live(Fault::error(400, "LimitExceededException", "Too many sessions"));
    }
    lab.fail_live(Fault::access_denied());
    lab.fail_live(Fault::Reset);
    let source = lab.source(lab.live(patient()));
    assert_quiet_until(&source, || lab.tells("is on") > 0).await;
    insta::assert_snapshot!(lab.notices.text(), @r"
    live tail of `aws-cloudtrail-logs` is off: the account has as many live tails open as it may have (polls go on and read everything; it is tried again, less and less often)
    live tail of `aws-cloudtrail-logs` is on: events show as they come, and polls see to the rest
    ");
    assert_eq!(lab.logs().calls("StartLiveTail"), 6);
}

#[tokio::test]
async fn where_there_is_no_live_tail_polls_go_on() {
    let infrequent = Lab::new().await;
    infrequent.logs().set_class(GROUP, "INFREQUENT_ACCESS");
    let unknown = Lab::new().await;
    unknown.logs().faults().set_every_for(
        "StartLiveTail",
        1,
        Fault::error(404, "UnknownOperationException", "unknown"),
    );
    let mut told = Vec::new();
    for lab in [&infrequent, &unknown] {
        let source = lab.source(lab.live(patient()));
        assert_quiet_until(&source, || lab.tells("is off") > 0).await;
        lab.put(lab.now_ms(), "polled");
        assert_eq!(texts(&source, 1).await, ["polled"]);
        for _ in 0..6 {
            lab.advance(31);
            lab.assert_quiet(&source, 1).await;
        }
        told.push(lab.notices.text());
        assert_eq!((report(&source).live, report(&source).deliveries), (0, 1));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    live tail of `aws-cloudtrail-logs` is off: log groups of the class Infrequent Access have none (polls go on and read everything; it is not tried again)
    live tail of `aws-cloudtrail-logs` is off: UnknownOperationException: unknown (polls go on and read everything; it is tried again, less and less often)
    ");
    assert_eq!(infrequent.logs().calls("StartLiveTail"), 0);
}

#[tokio::test]
async fn the_pattern_goes_to_the_live_tail_too() {
    let lab = Lab::new().await;
    lab.logs().set_pattern_filter(|pattern, message| message.contains(pattern));
    let source = lab.source(Settings { filter_pattern: Some("want".into()), ..lab.live(patient()) });
    assert_quiet_until(&source, || lab.tells("is on") > 0).await;
    lab.block_polls();
    lab.put(lab.now_ms(), "other");
    lab.put(lab.now_ms(), "wanted");
    assert_eq!(texts(&source, 1).await, ["wanted"]);
    assert_settled(&lab, &source).await;
}
