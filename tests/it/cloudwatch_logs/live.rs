//! A live tail beside the polls: nothing missed and nothing twice, whatever becomes of it.
//!
//! While the stand-in's clock is frozen no poll is due, so what comes then was shown by the live tail.

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

    fn freeze(&self) {
        self.clock().freeze_at(self.now_ms());
    }

    fn tells(&self, part: &str) -> usize {
        self.notices.all().iter().filter(|notice| notice.text.contains(part)).count()
    }

    fn fail_live(&self, fault: Fault) {
        self.logs().faults().next_for("StartLiveTail", fault);
    }
}

/// A source whose live tail is on, while no poll is due.
async fn live_source(lab: &Lab, live: LiveTail) -> CloudWatchLogs {
    let source = lab.source(lab.live(live));
    lab.freeze();
    assert_quiet_until(&source, || lab.tells("is on") > 0).await;
    source
}

/// Lets polls read everything again, which must bring nothing.
async fn assert_settled(lab: &Lab, source: &CloudWatchLogs) {
    for _ in 0..3 {
        lab.advance(31);
        lab.assert_quiet(source, 3).await;
    }
}

fn stream(after_updates: usize, then: StreamEnd) -> Fault {
    Fault::Stream { after_updates, then }
}

#[tokio::test]
async fn what_comes_is_shown_at_once_and_polls_know_it() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    let calls = lab.calls();
    for text in ["one", "two"] {
        lab.put(lab.now_ms(), text);
        assert_eq!(texts(&source, 1).await, [text]);
    }
    assert!(lab.calls() <= calls + 1, "no poll found them");
    assert_settled(&lab, &source).await;
    let report = report(&source);
    assert_eq!((report.live, report.deliveries, report.late), (2, 2, 0));
    assert!(report.repeats >= 2);
    insta::assert_snapshot!(lab.notices.text(), @"live tail of `aws-cloudtrail-logs` is on: events show as they come, and polls see to the rest");
}

#[tokio::test]
async fn events_that_differ_only_in_their_ids_all_come() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    for _ in 0..3 {
        lab.put(lab.now_ms(), "twin");
    }
    assert_eq!(texts(&source, 1).await, ["twin"]);
    lab.advance(31);
    assert_eq!(texts(&source, 2).await, ["twin", "twin"]);
    assert_settled(&lab, &source).await;
}

#[tokio::test]
async fn what_was_shown_and_not_committed_comes_again_after_a_crash() {
    let lab = Lab::new().await;
    let source = live_source(&lab, patient()).await;
    lab.put(lab.now_ms(), "shown");
    let shown = take(&source, 1).await;
    assert_settled(&lab, &source).await;
    let resume = |receipts: &[Receipt]| source.checkpoint(receipts).map(|checkpoint| checkpoint.position);
    for (position, again) in [(resume(&[]), 1), (resume(&receipts(&shown)), 0)] {
        let settings = Settings { resume: position, live: None, ..lab.read_once() };
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
    let taken: BTreeSet<String> = texts(&source, 1_200).await.into_iter().collect();
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
    assert_eq!(texts(&source, 10).await.into_iter().collect::<BTreeSet<_>>().len(), 10);
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

/// Events that come while one session after the other comes to the same end: each comes once, and no other.
async fn tally(then: Option<StreamEnd>, live: LiveTail) {
    const EVENTS: usize = 300;
    let name = format!("{then:?}");
    let lab = Lab::new().await;
    for number in 0..400 {
        if let Some(then) = &then {
            lab.fail_live(stream(number % 4, then.clone()));
        }
    }
    let source = lab.source(lab.live(live));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let produce = async {
        for number in 0..EVENTS {
            // One in ten is visible a while after its time.
            let late_ms = if number % 10 == 0 { 20_000 } else { 0 };
            let event = LogEvent { timestamp_ms: lab.now_ms() - 10, message: number.to_string() };
            lab.logs().put_visible_at(GROUP, STREAM, event, lab.now_ms() + late_ms);
            if number % 10 == 9 {
                lab.advance(3);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        lab.advance(31);
    };
    let consume = async {
        for text in texts(&source, EVENTS).await {
            *counts.entry(text).or_default() += 1;
        }
    };
    tokio::join!(produce, patiently(consume));
    assert_settled(&lab, &source).await;
    assert_eq!((counts.len(), counts.values().sum::<usize>()), (EVENTS, EVENTS), "{name}");
    let expected: BTreeSet<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert!(counts.keys().eq(&expected), "{name}: foreign ones came");
    let report = report(&source);
    assert_eq!(report.deliveries, EVENTS as u64, "{name}");
    assert!(report.live > 0, "{name}: the live tail has shown nothing: {report:?}");
    if then.is_some() {
        assert!(report.live_gaps > 0 && lab.tells("is off") > 0 && lab.tells("is on again") > 0, "{name}: {report:?}");
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
    unknown.fail_live(Fault::error(404, "UnknownOperationException", "unknown operation"));
    let mut told = Vec::new();
    for lab in [&infrequent, &unknown] {
        let source = lab.source(lab.live(patient()));
        assert_quiet_until(&source, || lab.tells("is off") > 0).await;
        lab.put(lab.now_ms(), "polled");
        assert_eq!(texts(&source, 1).await, ["polled"]);
        assert_settled(lab, &source).await;
        told.push(lab.notices.text());
        assert_eq!((report(&source).live, report(&source).deliveries), (0, 1));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    live tail of `aws-cloudtrail-logs` is off: log groups of the class Infrequent Access have none (polls go on and read everything; it is not tried again)
    live tail of `aws-cloudtrail-logs` is off: UnknownOperationException: unknown operation (polls go on and read everything; it is not tried again)
    ");
    assert_eq!((infrequent.logs().calls("StartLiveTail"), unknown.logs().calls("StartLiveTail")), (0, 1));
}

#[tokio::test]
async fn the_pattern_goes_to_the_live_tail_too() {
    let lab = Lab::new().await;
    lab.logs().set_pattern_filter(|pattern, message| message.contains(pattern));
    let source = lab.source(Settings { filter_pattern: Some("want".into()), ..lab.live(patient()) });
    lab.freeze();
    assert_quiet_until(&source, || lab.tells("is on") > 0).await;
    lab.put(lab.now_ms(), "other");
    lab.put(lab.now_ms(), "wanted");
    assert_eq!(texts(&source, 1).await, ["wanted"]);
    assert_settled(&lab, &source).await;
}
