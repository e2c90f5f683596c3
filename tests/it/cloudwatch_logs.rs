//! The CloudWatch Logs source against the stand-in endpoint, through the real SDK.
//!
//! Time is the stand-in's clock: tests age events by moving it. Every test also checks that log streams were never
//! listed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use trailwatch::delivery::{Delivery, Place, Receipt};
use trailwatch::sim::{Clock, Endpoint, Fault, LogEvent, Logs, REGION, Trail};
use trailwatch::source::cloudwatch_logs::{
    CloudWatchLogs, Connect, Quota, Settings, SettingsError, find_trail_group, local_connector,
};
use trailwatch::source::{NoticeLevel, Source, SourceError, SourceReport};

use super::notices::Notices;

mod live;
mod storm;
mod watch;

const GROUP: &str = "aws-cloudtrail-logs";
const STREAM: &str = "111122223333_CloudTrail_us-east-1";
const MINUTE_MS: i64 = 60_000;

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stand-in endpoint with one empty group.
struct Lab {
    endpoint: Endpoint,
    notices: Notices,
    quota: Arc<Quota>,
}

impl Lab {
    async fn new() -> Self {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.logs().create_group(GROUP);
        Self { endpoint, notices: Notices::default(), quota: Arc::new(Quota::of_calls(10_000, 1.0)) }
    }

    fn logs(&self) -> &Logs {
        self.endpoint.logs()
    }

    fn clock(&self) -> &Clock {
        self.logs().clock()
    }

    fn now_ms(&self) -> i64 {
        self.clock().now_ms()
    }

    fn advance(&self, seconds: u64) {
        self.clock().advance(Duration::from_secs(seconds));
    }

    fn put(&self, timestamp_ms: i64, message: &str) {
        self.logs().put(GROUP, STREAM, LogEvent { timestamp_ms, message: message.to_owned() });
    }

    /// Settings to follow from ten minutes ago.
    fn follow(&self) -> Settings {
        let clock = self.clock().clone();
        Settings {
            start_ms: Some(self.now_ms() - 10 * MINUTE_MS),
            follow: true,
            poll: Duration::from_millis(20),
            clock: Arc::new(move || clock.now_ms()),
            ..Settings::new(GROUP, REGION)
        }
    }

    fn read_once(&self) -> Settings {
        Settings { follow: false, ..self.follow() }
    }

    fn connect(&self) -> Connect {
        local_connector(self.endpoint.url(), REGION)
    }

    fn source(&self, settings: Settings) -> CloudWatchLogs {
        self.source_by(settings, self.connect())
    }

    fn source_by(&self, settings: Settings, connect: Connect) -> CloudWatchLogs {
        CloudWatchLogs::new(settings, Arc::clone(&self.quota), connect, self.notices.notify()).unwrap()
    }

    fn calls(&self) -> u64 {
        self.logs().calls("FilterLogEvents")
    }

    /// Lets a source take in some answers, none of which it may hand anything over for.
    async fn assert_quiet(&self, source: &CloudWatchLogs, answers: u64) {
        // One more call than that has to arrive: only then is the answer before it dealt with.
        let until = self.calls() + answers + 1;
        assert_quiet_until(source, || self.calls() >= until).await;
    }
}

impl Lab {
    /// Lets a source take in some answers, then something happen while it goes on: no answer goes by unheard. What comes
    /// next.
    async fn after_quiet(&self, source: &CloudWatchLogs, answers: u64, happens: impl FnOnce(&Logs)) -> Vec<String> {
        let (until, batch) = (self.calls() + answers + 1, next(source));
        tokio::pin!(batch);
        tokio::select! {
            batch = &mut batch => panic!("expected nothing, got {:?}", texts_of(batch)),
            () = patiently(wait_until(|| self.calls() >= until)) => {}
        }
        happens(self.logs());
        texts_of(batch.await)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.logs().calls("DescribeLogStreams"), 0, "log streams were listed");
        }
    }
}

async fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn assert_quiet_until(source: &CloudWatchLogs, condition: impl Fn() -> bool) {
    tokio::select! {
        batch = source.next() => panic!("expected nothing, got {:?}", batch.map(texts_of)),
        () = patiently(wait_until(condition)) => {}
    }
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

async fn next(source: &CloudWatchLogs) -> Option<Vec<Delivery>> {
    patiently(source.next()).await.unwrap()
}

/// Deliveries up to a number, or to the end.
async fn take(source: &CloudWatchLogs, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let Some(batch) = next(source).await else { break };
        assert!(!batch.is_empty());
        taken.extend(batch);
    }
    taken
}

async fn texts(source: &CloudWatchLogs, count: usize) -> Vec<String> {
    take(source, count).await.iter().map(text).collect()
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.body.to_vec()).unwrap()
}

fn texts_of(batch: Option<Vec<Delivery>>) -> Vec<String> {
    batch.unwrap_or_default().iter().map(text).collect()
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt).collect()
}

async fn refusal(source: &CloudWatchLogs) -> String {
    match patiently(source.next()).await {
        Err(SourceError::Refused(text)) => text,
        other => panic!("expected an error, got {:?}", other.map(texts_of)),
    }
}

fn report(source: &CloudWatchLogs) -> SourceReport {
    source.report()
}

#[tokio::test]
async fn what_is_there_comes_in_order_with_its_origin() {
    let lab = Lab::new().await;
    let now_ms = lab.now_ms();
    lab.put(now_ms - 1_000, "second");
    lab.put(now_ms - 2_000, "first");
    let source = lab.source(lab.read_once());
    let deliveries = take(&source, 10).await;
    assert_eq!(deliveries.iter().map(text).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(receipts(&deliveries), [Receipt(1), Receipt(2)]);
    let Place::LogEvent(place) = &deliveries[0].origin.place else { panic!("{:?}", deliveries[0].origin) };
    assert_eq!((place.stream.as_str(), place.timestamp_ms), (STREAM, now_ms - 2_000));
    assert_eq!(&*deliveries[0].origin.source, GROUP);
    assert_eq!((report(&source).deliveries, report(&source).bytes, report(&source).late), (2, 11, 0));
    assert_eq!(report(&source).newest_ms, Some(now_ms - 1_000));
}

#[tokio::test]
async fn a_late_event_is_found_and_counted() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() - 1_000, "early");
    let source = lab.source(lab.follow());
    assert_eq!(texts(&source, 1).await, ["early"]);
    lab.advance(120);
    lab.assert_quiet(&source, 2).await;
    lab.put(lab.now_ms() - 100_000, "late");
    lab.advance(31);
    assert_eq!(texts(&source, 1).await, ["late"]);
    let report = report(&source);
    assert_eq!(report.late, 1);
    assert!((131_000..140_000).contains(&report.lateness.max()), "{}", report.lateness.max());
    lab.advance(31);
    lab.assert_quiet(&source, 3).await;
}

#[tokio::test]
async fn an_event_may_become_visible_an_hour_after_its_time() {
    let lab = Lab::new().await;
    let now_ms = lab.now_ms();
    let event = LogEvent { timestamp_ms: now_ms - 1_000, message: "very late".into() };
    lab.logs().put_visible_at(GROUP, STREAM, event, now_ms + 58 * MINUTE_MS);
    let source = lab.source(lab.follow());
    for _ in 0..29 {
        lab.assert_quiet(&source, 1).await;
        lab.advance(120);
    }
    lab.advance(31);
    assert_eq!(texts(&source, 1).await, ["very late"]);
    assert_eq!(report(&source).late, 1);
}

#[tokio::test]
async fn an_event_of_the_same_millisecond_that_comes_later_is_not_lost() {
    let lab = Lab::new().await;
    let at_ms = lab.now_ms() - 500;
    lab.put(at_ms, "one");
    let source = lab.source(lab.follow());
    assert_eq!(texts(&source, 1).await, ["one"]);
    lab.put(at_ms, "two");
    assert_eq!(texts(&source, 1).await, ["two"]);
    lab.put(at_ms, "two");
    assert_eq!(texts(&source, 1).await, ["two"], "the same text again is another event");
}

#[tokio::test]
async fn an_empty_page_with_a_token_is_not_the_end() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() - 1_000, "behind");
    lab.logs().faults().next(Fault::EmptyPage);
    lab.logs().faults().next(Fault::EmptyPage);
    let source = lab.source(lab.read_once());
    assert_eq!(texts(&source, 10).await, ["behind"]);
    assert_eq!((report(&source).empty_pages, report(&source).calls), (2, 3));
}

#[tokio::test]
async fn an_event_of_the_future_shows_at_once_and_moves_nothing() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() + 90 * MINUTE_MS, "from the future");
    let source = lab.source(lab.follow());
    assert_eq!(texts(&source, 1).await, ["from the future"]);
    lab.put(lab.now_ms() - 100, "of today");
    assert_eq!(texts(&source, 1).await, ["of today"]);
    assert_eq!((report(&source).future, report(&source).late), (1, 0));
    for _ in 0..10 {
        lab.advance(15 * 60);
        lab.assert_quiet(&source, 2).await;
    }
}

#[tokio::test]
async fn more_events_than_a_page_holds_come_once_each() {
    let lab = Lab::new().await;
    let start_ms = lab.now_ms() - 5 * MINUTE_MS;
    for number in 0..10_050 {
        // All within 100 milliseconds: no time stands for less than a hundred events.
        lab.put(start_ms + number % 100, &number.to_string());
    }
    let source = lab.source(lab.follow());
    let mut counts = BTreeMap::new();
    for text in texts(&source, 10_050).await {
        *counts.entry(text).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 10_050);
    lab.advance(31);
    // The sweep reads them all again.
    assert_quiet_until(&source, || report(&source).repeats >= 10_050).await;
}

#[tokio::test]
async fn throttles_are_waited_out_counted_and_told_once() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() - 1_000, "patience");
    for _ in 0..3 {
        lab.logs().faults().next(Fault::Throttle);
    }
    let source = lab.source(lab.read_once());
    assert_eq!(texts(&source, 10).await, ["patience"]);
    assert_eq!((report(&source).throttles, report(&source).calls), (3, 4));
    insta::assert_snapshot!(lab.notices.text(), @r"
    CloudWatch Logs throttles the reading of `aws-cloudtrail-logs`; going on more slowly (`us-east-1` allows 10000 calls a second to everybody in the account together)
    reading `aws-cloudtrail-logs` again
    ");
}

#[tokio::test]
async fn a_bad_way_to_the_service_is_waited_out() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() - 1_000, "through");
    for fault in [Fault::Reset, Fault::TruncatedBody, Fault::unavailable()] {
        lab.logs().faults().next(fault);
    }
    let source = lab.source(lab.read_once());
    assert_eq!(texts(&source, 10).await, ["through"]);
    assert_eq!((report(&source).retries, report(&source).throttles), (3, 0));
    assert_eq!(lab.notices.all().len(), 2, "{:?}", lab.notices.all());
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_costs_no_event() {
    let lab = Lab::new().await;
    let start_ms = lab.now_ms() - 5_000;
    for number in 0..6 {
        lab.put(start_ms + number, &number.to_string());
    }
    lab.logs().faults().next(Fault::ShortPage(2));
    let source = lab.source(lab.read_once());
    assert_eq!(texts(&source, 2).await, ["0", "1"]);
    lab.logs().expire_tokens();
    assert_eq!(texts(&source, 10).await, ["2", "3", "4", "5"]);
    assert_eq!((report(&source).expired_tokens, report(&source).repeats), (1, 2));
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_an_error_with_near_names() {
    let lab = Lab::new().await;
    let settings = Settings { group: "aws-cloudtrial-logs".into(), ..lab.follow() };
    let error = refusal(&lab.source(settings)).await;
    insta::assert_snapshot!(error, @"no log group `aws-cloudtrial-logs` in `us-east-1` (did you mean `aws-cloudtrail-logs`?)");
    let settings = Settings { group: "elsewhere".into(), ..lab.follow() };
    let error = refusal(&lab.source(settings)).await;
    insta::assert_snapshot!(error, @"no log group `elsewhere` in `us-east-1` (`aws logs describe-log-groups --region us-east-1` lists them; `--region` chooses another)");
    assert_eq!(lab.logs().calls("DescribeLogGroups"), 2);
}

#[tokio::test]
async fn a_group_that_goes_away_is_waited_for() {
    let lab = Lab::new().await;
    let source = lab.source(lab.follow());
    lab.assert_quiet(&source, 2).await;
    lab.advance(60);
    lab.logs().delete_group(GROUP);
    lab.assert_quiet(&source, 1).await;
    lab.put(lab.now_ms(), "back");
    assert_eq!(texts(&source, 1).await, ["back"]);
    insta::assert_snapshot!(lab.notices.text(), @r"
    log group `aws-cloudtrail-logs` in `us-east-1` is gone; waiting for it to come back
    reading `aws-cloudtrail-logs` again
    ");
}

#[tokio::test]
async fn what_is_not_allowed_at_the_start_is_an_error_that_names_the_permission() {
    let lab = Lab::new().await;
    lab.logs().faults().next(Fault::access_denied());
    let error = refusal(&lab.source(lab.follow())).await;
    insta::assert_snapshot!(error, @"not allowed to read log group `aws-cloudtrail-logs` in `us-east-1`: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `logs:FilterLogEvents` on `arn:aws:logs:us-east-1:*:log-group:aws-cloudtrail-logs:*`)");
}

#[tokio::test]
async fn a_permission_that_is_taken_away_is_waited_for_and_told_once() {
    let lab = Lab::new().await;
    let source = lab.source(lab.follow());
    let denied = |logs: &Logs| {
        logs.faults().next(Fault::access_denied());
        logs.faults().next(Fault::access_denied());
        lab.put(lab.now_ms(), "allowed again");
    };
    assert_eq!(lab.after_quiet(&source, 1, denied).await, ["allowed again"]);
    let levels: Vec<NoticeLevel> = lab.notices.all().iter().map(|notice| notice.level).collect();
    assert_eq!(levels, [NoticeLevel::Error, NoticeLevel::Info]);
}

#[tokio::test]
async fn a_pattern_that_is_refused_is_an_error_that_shows_it() {
    let lab = Lab::new().await;
    let settings = Settings { filter_pattern: Some("{ $.a IS NOT }".into()), ..lab.follow() };
    lab.logs().faults().next(Fault::error(400, "InvalidParameterException", "Invalid filter pattern"));
    let error = refusal(&lab.source(settings)).await;
    insta::assert_snapshot!(error, @"CloudWatch Logs refuses to read `aws-cloudtrail-logs` in `us-east-1`: InvalidParameterException: Invalid filter pattern (the filter pattern is `{ $.a IS NOT }`)");
}

#[tokio::test]
async fn the_pattern_goes_to_the_service() {
    let lab = Lab::new().await;
    lab.logs().set_pattern_filter(|pattern, message| message.contains(pattern));
    lab.put(lab.now_ms() - 2, "wanted");
    lab.put(lab.now_ms() - 1, "other");
    let source = lab.source(Settings { filter_pattern: Some("want".into()), ..lab.read_once() });
    assert_eq!(texts(&source, 10).await, ["wanted"]);
}

#[tokio::test]
async fn records_that_are_no_json_pass_untouched() {
    let lab = Lab::new().await;
    let odd = ["", "  ", "no JSON", "{\"a\":", "\u{0}\u{1b}[31m", "{\"Records\":[]}", "ünï\ncode"];
    for (number, message) in odd.iter().enumerate() {
        lab.put(lab.now_ms() - 1_000 + number as i64, message);
    }
    assert_eq!(texts(&lab.source(lab.read_once()), 10).await, odd);
}

#[tokio::test]
async fn expired_credentials_are_loaded_anew_and_told_once() {
    let lab = Lab::new().await;
    let connects = Arc::new(AtomicU64::new(0));
    let (counter, inner) = (Arc::clone(&connects), lab.connect());
    let connect: Connect = Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        inner()
    });
    let source = lab.source_by(lab.follow(), connect);
    let expired = |logs: &Logs| {
        logs.faults().next(Fault::expired_token());
        logs.faults().next(Fault::unrecognized_client());
        lab.put(lab.now_ms(), "renewed");
    };
    assert_eq!(lab.after_quiet(&source, 1, expired).await, ["renewed"]);
    assert_eq!((connects.load(Ordering::SeqCst), report(&source).credential_waits), (3, 1));
    insta::assert_snapshot!(lab.notices.text(), @r"
    the credentials for log group `aws-cloudtrail-logs` in `us-east-1` are no longer accepted: ExpiredTokenException: The security token included in the request is expired; waiting for new ones (renew them, with single sign-on by `aws sso login`)
    reading `aws-cloudtrail-logs` again
    ");
}

/// Clients that find no credentials when they need them.
fn connect_without_credentials(url: String) -> Connect {
    let provider = aws_config::credential_process::CredentialProcessProvider::new("false".to_owned());
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(provider)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_cloudwatchlogs::Client::from_conf(config);
    Arc::new(move || Box::pin(std::future::ready(Ok(client.clone()))))
}

#[tokio::test]
async fn credentials_that_cannot_be_loaded_anew_are_waited_for() {
    let lab = Lab::new().await;
    let connects = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&connects);
    let (good, bad) = (lab.connect(), connect_without_credentials(lab.endpoint.url()));
    let connect: Connect = Arc::new(move || match counter.fetch_add(1, Ordering::SeqCst) {
        1 => Box::pin(async { Err(SourceError::Refused("no credentials".into())) }),
        2 => bad(),
        _ => good(),
    });
    let source = lab.source_by(lab.follow(), connect);
    let expired = |logs: &Logs| {
        logs.faults().next(Fault::expired_token());
        lab.put(lab.now_ms(), "renewed");
    };
    assert_eq!(lab.after_quiet(&source, 1, expired).await, ["renewed"]);
    assert_eq!((connects.load(Ordering::SeqCst), report(&source).credential_waits), (4, 1));
    assert_eq!(lab.notices.all().len(), 2, "{:?}", lab.notices.all());
}

#[tokio::test]
async fn credentials_that_cannot_be_loaded_at_the_start_are_an_error() {
    let lab = Lab::new().await;
    let source = lab.source_by(lab.follow(), connect_without_credentials(lab.endpoint.url()));
    let error = refusal(&source).await;
    assert!(error.starts_with("the credentials for log group `aws-cloudtrail-logs`"), "{error}");
    assert_eq!(lab.calls(), 0);
}

#[tokio::test]
async fn credentials_that_are_bad_at_the_start_are_an_error() {
    let lab = Lab::new().await;
    lab.logs().faults().next(Fault::expired_token());
    let error = refusal(&lab.source(lab.follow())).await;
    insta::assert_snapshot!(error, @"the credentials for log group `aws-cloudtrail-logs` in `us-east-1` are not accepted: ExpiredTokenException: The security token included in the request is expired (renew them, with single sign-on by `aws sso login`; `--profile` chooses others)");
}

#[tokio::test]
async fn a_full_memory_is_told_and_repeats_rather_than_loses() {
    let lab = Lab::new().await;
    let start_ms = lab.now_ms() - 90_000;
    for number in 0..20 {
        lab.put(start_ms + number, &number.to_string());
    }
    let source = lab.source(Settings { memory_keys_max: 5, ..lab.follow() });
    assert_eq!(take(&source, 20).await.len(), 20);
    lab.put(start_ms, "late");
    // The revisit at the age of two minutes.
    lab.advance(61);
    let more = texts(&source, 1).await;
    assert!(more.contains(&"late".to_owned()) && more.contains(&"3".to_owned()), "{more:?}");
    assert!(report(&source).memory_overflows > 10, "{:?}", report(&source));
    insta::assert_snapshot!(lab.notices.text(), @"`aws-cloudtrail-logs` has more than 5 events that may still change; the oldest are no longer remembered and some are read twice (nothing is lost, repeats are removed later)");
}

/// A service that always gives the same token. The stand-in never does that.
async fn service_that_goes_round() -> (String, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let answer = move || {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        // From the fifth call on it behaves.
        let token = if call < 4 { r#","nextToken":"again""# } else { "" };
        let body = format!(r#"{{"events":[{{"timestamp":1800000000000,"eventId":"1","message":"m"}}]{token}}}"#);
        std::future::ready(([("content-type", "application/x-amz-json-1.1")], body))
    };
    let router = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test]
async fn a_token_that_comes_again_is_no_endless_loop() {
    let lab = Lab::new().await;
    let (url, calls) = service_that_goes_round().await;
    let mut settings = lab.read_once();
    settings.start_ms = Some(1_799_999_999_000);
    settings.end_ms = Some(1_800_000_001_000);
    settings.clock = Arc::new(|| 1_800_000_002_000);
    let source = lab.source_by(settings, local_connector(url, REGION));
    assert_eq!(texts(&source, 10).await, ["m"]);
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    assert_eq!((report(&source).retries, report(&source).repeats), (2, 4));
    insta::assert_snapshot!(lab.notices.text(), @"reading `aws-cloudtrail-logs` did not come to its end: the service gives the same token again and again; beginning again");
}

#[tokio::test]
async fn a_new_process_goes_on_from_the_checkpoint() {
    let lab = Lab::new().await;
    for number in 0..3 {
        lab.put(lab.now_ms() - 3_000 + number, &format!("before {number}"));
    }
    let source = lab.source(lab.follow());
    let first = take(&source, 3).await;
    assert_eq!(source.checkpoint(&receipts(&first)[..2]), None, "the third is not dealt with");
    lab.assert_quiet(&source, 1).await;
    let checkpoint = source.checkpoint(&receipts(&first)).unwrap();
    source.commit(&receipts(&first)).await.unwrap();
    assert_eq!(&*checkpoint.source, GROUP);
    drop(source);

    lab.advance(3 * 3_600);
    lab.put(lab.now_ms() - 100 * MINUTE_MS, "meanwhile");
    let resumed = lab.source(Settings { resume: Some(checkpoint.position), start_ms: None, ..lab.follow() });
    let mut again = texts(&resumed, 4).await;
    again.sort();
    assert_eq!(
        again,
        ["before 0", "before 1", "before 2", "meanwhile"],
        "the unsettled is read again, nothing is left out"
    );
    assert_eq!(report(&resumed).late, 0, "on a first reading nothing is late");
}

#[tokio::test]
async fn the_position_of_a_quiet_group_moves_without_receipts() {
    let lab = Lab::new().await;
    let source = lab.source(lab.follow());
    lab.assert_quiet(&source, 2).await;
    let before = source.checkpoint(&[]).unwrap();
    lab.advance(600);
    lab.assert_quiet(&source, 2).await;
    assert_ne!(source.checkpoint(&[]).unwrap(), before);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let lab = Lab::new().await;
    let refused = |settings| {
        let source = CloudWatchLogs::new(settings, Arc::clone(&lab.quota), lab.connect(), lab.notices.notify());
        source.err().map(|error: SettingsError| error.to_string()).unwrap()
    };
    let errors = [
        refused(Settings { resume: Some("{}".into()), ..lab.follow() }),
        refused(Settings { group: "no group".into(), ..lab.follow() }),
        refused(Settings { group: "arn:aws:logs:eu-west-1:1:log-group:g:*".into(), ..lab.follow() }),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    cannot go on from the saved position of `aws-cloudtrail-logs`: missing field `version` at line 1 column 2 (start anew with `--since`)
    `no group` is neither the name nor the ARN of a log group (an ARN looks like `arn:aws:logs:us-east-1:111122223333:log-group:NAME`)
    log group `g` is in `eu-west-1`, not in `us-east-1` (choose its region: `--region eu-west-1`)
    ");
}

#[tokio::test]
async fn the_last_few_and_then_what_comes() {
    let lab = Lab::new().await;
    let now_ms = lab.now_ms();
    for number in 0..10 {
        lab.put(now_ms - 50_000 + number * 1_000, &number.to_string());
    }
    lab.put(now_ms + 30 * MINUTE_MS, "future");
    let source = lab.source(Settings { last: Some(3), start_ms: None, ..lab.follow() });
    assert_eq!(texts(&source, 3).await, ["7", "8", "9"]);
    assert_eq!(texts(&source, 1).await, ["future"]);
    lab.put(now_ms - 20_000, "late");
    lab.advance(31);
    assert_eq!(texts(&source, 1).await, ["late"], "those that were left out do not come later");
    lab.assert_quiet(&source, 3).await;
}

#[tokio::test]
async fn the_last_few_are_looked_for_in_the_past() {
    let lab = Lab::new().await;
    for days in 1..9 {
        lab.put(lab.now_ms() - days * 24 * 60 * MINUTE_MS + MINUTE_MS, &format!("{days} days"));
    }
    let last = |count| Settings { last: Some(count), start_ms: None, ..lab.read_once() };
    assert_eq!(texts(&lab.source(last(2)), 10).await, ["2 days", "1 days"]);
    assert_eq!(texts(&lab.source(last(100)), 10).await.len(), 7, "a week at most");
    assert_eq!(texts(&lab.source(last(0)), 10).await.len(), 0);
}

#[tokio::test]
async fn following_to_an_end_stops_by_itself() {
    let lab = Lab::new().await;
    let end_ms = lab.now_ms() + MINUTE_MS;
    let source = lab.source(Settings { end_ms: Some(end_ms), ..lab.follow() });
    lab.assert_quiet(&source, 2).await;
    lab.put(end_ms, "at the end");
    lab.put(end_ms + 1, "after the end");
    lab.advance(95);
    assert_eq!(texts(&source, 10).await, ["at the end"]);
}

#[tokio::test]
async fn an_arn_is_tried_and_then_its_name_where_it_may_be() {
    let lab = Lab::new().await;
    lab.put(lab.now_ms() - 1_000, "found");
    let known = format!("{}:*", lab.logs().group_arn(GROUP));
    let unknown = known.replace("111122223333", "444455556666");
    for (arn, calls) in [(known, 1), (unknown, 2)] {
        let settings = Settings { group: arn, other_endpoint: true, ..lab.read_once() };
        let source = lab.source(settings.clone());
        assert_eq!(texts(&source, 10).await, ["found"]);
        assert_eq!((report(&source).calls, &*source.name()), (calls, GROUP));
        // At AWS the same name would be a group of our own account, which nobody asked for.
        let strict = lab.source(Settings { other_endpoint: false, ..settings });
        assert_eq!(strict.next().await.is_err(), calls == 2);
    }
}

#[tokio::test]
async fn dropping_the_future_of_next_loses_nothing() {
    let lab = Lab::new().await;
    let start_ms = lab.now_ms() - 5 * MINUTE_MS;
    for number in 0..200 {
        lab.put(start_ms + number, &number.to_string());
        lab.logs().faults().next(Fault::ShortPage(3));
    }
    let source = lab.source(lab.read_once());
    let mut all = Vec::new();
    let mut polls = 0;
    patiently(async {
        loop {
            // Longer and longer, so that calls are cut off at every stage, and still end.
            polls += 1;
            match tokio::time::timeout(Duration::from_micros(polls * 50 % 7_000), source.next()).await {
                Ok(Ok(Some(batch))) => all.extend(batch),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => {}
            }
        }
    })
    .await;
    let expected: Vec<Receipt> = (1..=200).map(Receipt).collect();
    assert_eq!(receipts(&all), expected);
}

#[tokio::test]
async fn calls_stay_within_the_share_of_the_quota() {
    let lab = Lab::new().await;
    let settings = Settings { poll: Duration::from_millis(1), ..lab.follow() };
    // 20 calls a second, half of them ours, for two sources together.
    let quota = Arc::new(Quota::of_calls(20, 0.5));
    let make =
        |settings| CloudWatchLogs::new(settings, Arc::clone(&quota), lab.connect(), lab.notices.notify()).unwrap();
    let (one, two) = (make(settings.clone()), make(settings));
    let began = std::time::Instant::now();
    tokio::select! {
        _ = one.next() => panic!("there is nothing to hand over"),
        _ = two.next() => panic!("there is nothing to hand over"),
        () = patiently(wait_until(|| lab.calls() >= 25)) => {}
    }
    let calls_at_most = 10.0 + 10.0 * began.elapsed().as_secs_f64() + 1.0;
    assert!((lab.calls() as f64) <= calls_at_most, "{} calls in {:?}", lab.calls(), began.elapsed());
    assert_eq!(report(&one).quota_calls_per_second, Some(20));
}

/// How CloudTrail of the stand-in is reached.
fn config_of_cloudtrail(lab: &Lab) -> aws_config::SdkConfig {
    let credentials = aws_sdk_cloudtrail::config::Credentials::new("AKID", "secret", None, None, "test");
    let provider = aws_sdk_cloudtrail::config::SharedCredentialsProvider::new(credentials);
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(lab.endpoint.url())
        .credentials_provider(provider)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

#[tokio::test]
async fn a_trail_leads_to_its_group() {
    let lab = Lab::new().await;
    lab.endpoint.trails().put(Trail::to_group("management-events", GROUP));
    lab.endpoint.trails().put(Trail { log_group_arn: None, ..Trail::to_group("buckets-only", GROUP) });
    let config = config_of_cloudtrail(&lab);
    let arn = Trail::to_group("management-events", GROUP).arn();
    for trail in ["management-events", arn.as_str()] {
        let found = find_trail_group(&config, trail).await.unwrap();
        assert_eq!((found.group_arn, found.region.as_str()), (lab.logs().group_arn(GROUP), REGION));
        assert_eq!((found.trail.as_str(), found.home_region.as_str()), ("management-events", REGION));
    }
    let mut errors = Vec::new();
    for trail in ["buckets-only", "managment-events", "x"] {
        errors.push(find_trail_group(&config, trail).await.unwrap_err().to_string());
    }
    insta::assert_snapshot!(errors.join("\n"), @r"
    trail `buckets-only` delivers to no log group (add one: `aws cloudtrail update-trail --region us-east-1 --name buckets-only --cloud-watch-logs-log-group-arn ARN --cloud-watch-logs-role-arn ARN`)
    no trail `managment-events` in `us-east-1` (did you mean `management-events`?)
    no trail `x` in `us-east-1` (`aws cloudtrail describe-trails` lists them; `--region` chooses another region)
    ");
}
