//! The SQS source against the stand-in endpoint, through the real SDK: messages, the objects that they name, and what
//! becomes of them.
//!
//! Time is the stand-in's clock: tests let visibility run out by moving it.

use std::collections::HashSet;
use std::future::{Future, ready};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trailwatch::decode::Limits;
use trailwatch::delivery::{Delivery, Place, Receipt};
use trailwatch::engine::RuleSet;
use trailwatch::pipeline::{Accounts, Bounds, Couriers, Ended, Patience, Pipeline, Route, SinkDelivery, Summary};
use trailwatch::rule::Severity;
use trailwatch::sim::{ACCOUNT_ID, Buckets, Clock, Endpoint, Fault, Faults, Queues, REGION, Trail, TrailStatus};
use trailwatch::source::aws::trail::{FindTrail, WatchedTrail};
use trailwatch::source::sqs::{Settings, SettingsError, Sqs, local_connector};
use trailwatch::source::{NoticeLevel, Notify, Source, SourceError};
use trailwatch::store::{DiskStore, MemoryStore, Store};

use super::notices::Notices;
use super::run::wait;
use super::tally::{Tally, reopen, rule};

const QUEUE: &str = "trail-events";
const BUCKET: &str = "trail-bucket";

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stand-in endpoint with one empty queue.
struct Lab {
    endpoint: Endpoint,
    notices: Notices,
}

impl Lab {
    async fn new() -> Self {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.queues().set_dead_letters(QUEUE, "dead-letters", 3);
        endpoint.buckets().create(BUCKET);
        Self { endpoint, notices: Notices::default() }
    }

    fn queues(&self) -> &Queues {
        self.endpoint.queues()
    }

    fn buckets(&self) -> &Buckets {
        self.endpoint.buckets()
    }

    fn faults(&self) -> &Faults {
        self.endpoint.logs().faults()
    }

    fn clock(&self) -> &Clock {
        self.endpoint.logs().clock()
    }

    fn advance(&self, seconds: u64) {
        self.clock().advance(Duration::from_secs(seconds));
    }

    fn calls(&self, operation: &str) -> u64 {
        self.endpoint.logs().calls(operation)
    }

    fn send(&self, body: impl Into<String>) {
        self.queues().send(QUEUE, body);
    }

    /// Puts an object of one record, and tells the queue of it as S3 does.
    fn put(&self, number: u64) -> String {
        let key = key_of(number);
        self.buckets().put(BUCKET, &key, gzip(&json!({"Records": [record(number)]}).to_string()));
        self.send(notification(&[&key]));
        key
    }

    fn follow(&self) -> Settings {
        let clock = self.clock().clone();
        Settings { clock: Arc::new(move || clock.now_ms()), ..Settings::new(QUEUE, REGION) }
    }

    fn read_once(&self) -> Settings {
        Settings { follow: false, ..self.follow() }
    }

    fn source(&self, settings: Settings) -> Sqs {
        Sqs::new(settings, local_connector(self.endpoint.url(), REGION), self.notices.notify()).unwrap()
    }
}

fn record(number: u64) -> Value {
    json!({"eventVersion": "1.11", "eventSource": "s3.amazonaws.com", "eventName": "Fire",
           "eventTime": "2026-11-26T00:05:00Z", "recipientAccountId": ACCOUNT_ID, "awsRegion": REGION,
           "eventID": format!("e0000000-0000-4000-8000-{number:012}")})
}

fn envelope(detail_type: &str, detail: &Value) -> Value {
    json!({"version": "0", "id": "i", "detail-type": detail_type, "source": "aws.s3", "account": ACCOUNT_ID,
           "time": "2026-11-26T00:05:00Z", "region": REGION, "resources": [], "detail": detail})
}

fn sns(message: &str) -> String {
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": message})
        .to_string()
}

fn notification(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1}}})
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

fn key_of(number: u64) -> String {
    format!("AWSLogs/{ACCOUNT_ID}/CloudTrail/us-east-1/2026/11/26/{number:06}.json.gz")
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().into()
}

pub async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

async fn wait_until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    patiently(waiting).await;
}

/// Waits for something while the source is asked for more, which it must not have.
async fn quietly_until(source: &Sqs, condition: impl Fn() -> bool) {
    tokio::select! {
        batch = source.next() => panic!("expected nothing, got {:?}", batch.unwrap().map(|batch| bodies(&batch))),
        () = wait_until(condition) => {}
    }
}

/// Deliveries up to a number, or to the end.
async fn take(source: &Sqs, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let Some(batch) = patiently(source.next()).await.unwrap() else { break };
        assert!(!batch.is_empty());
        taken.extend(batch);
    }
    taken
}

fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()).collect()
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt).collect()
}

async fn refusal(source: &Sqs) -> String {
    match patiently(source.next()).await {
        Err(SourceError::Refused(text)) => text,
        other => panic!("expected an error, got {:?}", other.unwrap().map(|batch| bodies(&batch))),
    }
}

#[tokio::test]
async fn a_message_is_deleted_once_it_is_committed_and_not_before() {
    let lab = Lab::new().await;
    lab.send("one");
    let source = lab.source(lab.follow());
    let taken = take(&source, 1).await;
    assert_eq!(bodies(&taken), ["one"]);
    assert_eq!(&*taken[0].origin.source, QUEUE);
    let Place::Message(place) = &taken[0].origin.place else { panic!("{:?}", taken[0].origin) };
    assert!(place.id.ends_with("000000000001") && place.sent_ms > 0, "{place:?}");
    assert_eq!(lab.calls("DeleteMessageBatch"), 0);
    source.commit(&receipts(&taken)).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 1).await;
    assert_eq!(source.checkpoint(&[]), None);
    let report = source.report();
    assert_eq!((report.messages, report.deliveries, report.bytes, report.left), (1, 1, 3, 0));
}

#[tokio::test]
async fn what_sns_wrapped_comes_without_it() {
    let lab = Lab::new().await;
    let event = envelope("AWS API Call via CloudTrail", &record(1)).to_string();
    lab.send(sns(&event));
    lab.send(event.clone());
    assert_eq!(bodies(&take(&lab.source(lab.read_once()), 9).await), [event.clone(), event]);
}

#[tokio::test]
async fn every_way_of_an_object_leads_to_it() {
    let lab = Lab::new().await;
    let s3_event = |key: &str| envelope("Object Created", &json!({"bucket": {"name": BUCKET}, "object": {"key": key}}));
    for number in 1..=6 {
        lab.buckets().put(BUCKET, &key_of(number), format!("object {number}"));
    }
    let odd = format!("a b+c/{}", key_of(7));
    lab.buckets().put(BUCKET, &odd, "object 7");
    lab.send(notification(&[&key_of(1)]));
    lab.send(sns(&notification(&[&key_of(2)])));
    lab.send(s3_event(&key_of(3)).to_string());
    lab.send(sns(&json!({"s3Bucket": BUCKET, "s3ObjectKey": [key_of(4), key_of(5)]}).to_string()));
    lab.send(json!({"s3Bucket": BUCKET, "s3ObjectKey": [key_of(6)]}).to_string());
    lab.send(notification(&[&odd.replace('+', "%2B").replace(' ', "+")]));
    let source = lab.source(lab.read_once());
    let taken = take(&source, 9).await;
    let mut read = bodies(&taken);
    read.sort();
    assert_eq!(read, (1..=7).map(|number| format!("object {number}")).collect::<Vec<_>>());
    let names: HashSet<String> = taken.iter().map(|delivery| delivery.origin.to_string()).collect();
    assert!(names.contains(&format!("s3://{BUCKET}/{odd}")), "{names:?}");
    source.commit(&receipts(&taken)).await.unwrap();
    source.close().await;
    assert_eq!((lab.queues().deleted(QUEUE), source.report().objects), (6, 7));
}

#[tokio::test]
async fn a_message_of_several_objects_is_deleted_when_all_are_committed() {
    let lab = Lab::new().await;
    let keys = [key_of(1), key_of(2)];
    keys.iter().for_each(|key| lab.buckets().put(BUCKET, key, "x"));
    lab.send(notification(&[&keys[0], &keys[1]]));
    let source = lab.source(lab.follow());
    let taken = take(&source, 2).await;
    source.commit(&receipts(&taken[..1])).await.unwrap();
    lab.send("another");
    let another = take(&source, 1).await;
    source.commit(&receipts(&another)).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 1).await;
    assert_eq!(lab.queues().bodies(QUEUE).len(), 1, "the first still waits for its second object");
    source.commit(&receipts(&taken[1..])).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 2).await;
}

#[tokio::test]
async fn tries_are_acknowledged_and_what_is_not_cloudtrails_is_passed_over() {
    let lab = Lab::new().await;
    lab.send(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}).to_string());
    lab.send(sns("CloudTrail validation message."));
    lab.send(notification(&[&key_of(1).replace("/CloudTrail/", "/CloudTrail-Digest/")]));
    lab.send(notification(&["elb/access.log", "AWSLogs/1/vpcflowlogs/x.log.gz"]));
    let source = lab.source(lab.read_once());
    assert!(take(&source, 1).await.is_empty());
    source.close().await;
    let report = source.report();
    assert_eq!((report.tests, report.passed_over, report.objects, report.unreadable), (2, 3, 0, 0));
    assert_eq!((lab.queues().deleted(QUEUE), lab.calls("GetObject")), (4, 0));
    insta::assert_snapshot!(lab.notices.text(), @"queue `trail-events` tells of objects that are not CloudTrail's, `elb/access.log` first; they are passed over (only keys under `AWSLogs/*/CloudTrail/` are read)");
}

#[tokio::test]
async fn what_is_worked_on_stays_hidden_from_others() {
    let lab = Lab::new().await;
    lab.send("long");
    let source = lab.source(lab.follow());
    let taken = take(&source, 1).await;
    for extension in 1..=5 {
        lab.advance(31);
        quietly_until(&source, || lab.calls("ChangeMessageVisibilityBatch") >= extension).await;
        quietly_until(&source, || lab.queues().visible(QUEUE) == 0).await;
    }
    source.commit(&receipts(&taken)).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 1).await;
    let report = source.report();
    assert_eq!((report.messages, report.repeats, report.expired), (1, 0, 0));
}

#[tokio::test]
async fn a_message_that_comes_again_while_it_is_held_is_not_handed_over_again() {
    let lab = Lab::new().await;
    lab.queues().set_repeats(QUEUE, 1);
    lab.send("twice");
    let source = lab.source(lab.follow());
    let taken = take(&source, 1).await;
    quietly_until(&source, || source.report().repeats > 0).await;
    lab.queues().set_repeats(QUEUE, u64::MAX);
    source.commit(&receipts(&taken)).await.unwrap();
    let again = async {
        // An answer that is overtaken by the deletion brings it once more; the sequencer knows the event.
        loop {
            let taken = take(&source, 1).await;
            source.commit(&receipts(&taken)).await.unwrap();
        }
    };
    tokio::select! {
        () = again => {}
        () = wait_until(|| lab.queues().bodies(QUEUE).is_empty()) => {}
    }
}

#[tokio::test]
async fn what_nobody_can_decode_goes_to_the_dead_letters_in_the_end() {
    let lab = Lab::new().await;
    lab.send("poison");
    let source = lab.source(lab.follow());
    for (time, seconds) in [(1, 60), (2, 120), (3, 240)] {
        let taken = take(&source, 1).await;
        assert_eq!(bodies(&taken), ["poison"]);
        source.reject(&receipts(&taken)).await.unwrap();
        wait_until(|| source.report().left == time && lab.calls("ChangeMessageVisibilityBatch") >= time).await;
        lab.advance(seconds - 1);
        assert_eq!(lab.queues().visible(QUEUE), 0, "hidden for {seconds} s after time {time}");
        lab.advance(2);
    }
    quietly_until(&source, || lab.queues().bodies("dead-letters") == ["poison"]).await;
    let report = source.report();
    assert_eq!((report.messages, report.received_again, report.left), (3, 2, 3));
    assert_eq!(lab.queues().deleted(QUEUE), 0);
}

#[tokio::test]
async fn at_the_end_what_is_not_committed_is_given_back_at_once() {
    let lab = Lab::new().await;
    (0..3).for_each(|number| lab.send(number.to_string()));
    let source = lab.source(lab.follow());
    let taken = take(&source, 3).await;
    source.commit(&receipts(&taken[..1])).await.unwrap();
    source.close().await;
    assert_eq!((lab.queues().deleted(QUEUE), lab.queues().visible(QUEUE)), (1, 2));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_gone_on_with() {
    let lab = Lab::new().await;
    lab.buckets().put(BUCKET, &key_of(1), "0123456789".repeat(10_000));
    lab.send(notification(&[&key_of(1)]));
    lab.faults().next_for("GetObject", Fault::TruncatedBody);
    lab.faults().next_for("GetObject", Fault::TruncatedBody);
    let source = lab.source(lab.read_once());
    assert_eq!(take(&source, 1).await[0].body, "0123456789".repeat(10_000));
    let requests = lab.endpoint.logs().requests().into_iter().filter(|request| request.operation == "GetObject");
    let ranges: Vec<Value> = requests.map(|request| request.body["Range"].clone()).collect();
    assert_eq!(ranges.len(), 3);
    assert_eq!(ranges[0], Value::Null);
    assert!(
        ranges[1..].iter().all(|range| range.as_str().is_some_and(|range| range.starts_with("bytes="))),
        "{ranges:?}"
    );
    assert_eq!((source.report().retries, source.report().objects), (2, 1));
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_read_anew() {
    let lab = Lab::new().await;
    lab.buckets().put(BUCKET, &key_of(1), "old".repeat(1_000));
    lab.send(notification(&[&key_of(1)]));
    lab.faults().next_for("GetObject", Fault::TruncatedBody);
    lab.faults().next_for("GetObject", Fault::error(412, "PreconditionFailed", "it has changed"));
    let source = lab.source(lab.read_once());
    assert_eq!(take(&source, 1).await[0].body, "old".repeat(1_000));
}

#[tokio::test]
async fn a_bad_way_is_waited_out() {
    let lab = Lab::new().await;
    lab.put(1);
    for fault in [Fault::Reset, Fault::unavailable(), Fault::Throttle] {
        lab.faults().next_for("ReceiveMessage", fault.clone());
        lab.faults().next_for("GetObject", fault);
    }
    for fault in [Fault::unavailable(), Fault::internal_failure(), Fault::Throttle] {
        lab.faults().next_for("DeleteMessageBatch", fault);
    }
    let source = lab.source(lab.follow());
    // The answer that was lost had the message in it.
    quietly_until(&source, || lab.calls("ReceiveMessage") >= 2).await;
    lab.advance(61);
    let taken = take(&source, 1).await;
    source.commit(&receipts(&taken)).await.unwrap();
    for calls in 1..=3 {
        wait_until(|| lab.calls("DeleteMessageBatch") >= calls).await;
        lab.advance(3);
    }
    wait_until(|| lab.queues().deleted(QUEUE) == 1).await;
    let report = source.report();
    assert_eq!((report.throttles, report.retries), (3, 6));
    assert_eq!(report.unreadable, 0);
}

#[tokio::test]
async fn single_entries_that_fail_are_told_again() {
    let lab = Lab::new().await;
    (0..4).for_each(|number| lab.send(number.to_string()));
    lab.faults().next_for("DeleteMessageBatch", Fault::HalfFails);
    let source = lab.source(lab.follow());
    let taken = take(&source, 4).await;
    source.commit(&receipts(&taken)).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 2).await;
    lab.advance(3);
    wait_until(|| lab.queues().deleted(QUEUE) == 4).await;
    assert_eq!((source.report().retries, source.report().expired), (2, 0));
}

#[tokio::test]
async fn a_message_that_was_visible_again_before_its_deletion_is_counted() {
    let lab = Lab::new().await;
    lab.send("slow");
    let source = lab.source(lab.read_once());
    let taken = take(&source, 1).await;
    // Keeping it hidden fails, and somebody else receives it.
    lab.faults().set_every_for("ChangeMessageVisibilityBatch", 1, Fault::unavailable());
    lab.advance(61);
    let other = lab.source(Settings { name: Some("other".into()), ..lab.read_once() });
    assert_eq!(take(&other, 1).await.len(), 1);
    source.commit(&receipts(&taken)).await.unwrap();
    wait_until(|| source.report().expired == 1).await;
    assert_eq!(lab.queues().deleted(QUEUE), 0);
}

#[tokio::test]
async fn objects_that_cannot_be_read_are_told_and_their_messages_left() {
    let lab = Lab::new().await;
    lab.send(notification(&[&key_of(404)]));
    lab.faults().next_for("GetObject", Fault::error(404, "NoSuchKey", "The specified key does not exist."));
    let source = lab.source(lab.follow());
    quietly_until(&source, || source.report().left == 1).await;
    lab.send(notification(&[&key_of(403)]));
    lab.faults().next_for("GetObject", Fault::error(403, "AccessDenied", "Access Denied"));
    quietly_until(&source, || source.report().left == 2).await;
    lab.send("{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\"}]}");
    quietly_until(&source, || source.report().left == 3).await;
    lab.send(json!({"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:us-east-1:1:t"}).to_string());
    quietly_until(&source, || source.report().left == 4).await;
    lab.buckets().put(BUCKET, &key_of(413), vec![0; 101]);
    lab.queues().set_dead_letters("small", "dead-letters", 3);
    lab.queues().send("small", notification(&[&key_of(413)]));
    let small = lab.source(Settings { object_bytes_max: 100, queue: "small".into(), ..lab.follow() });
    quietly_until(&small, || small.report().left == 1).await;
    assert_eq!((source.report().unreadable, lab.queues().deleted(QUEUE)), (4, 0));
    insta::assert_snapshot!(lab.notices.text(), @r##"
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000404.json.gz: NoSuchKey: The specified key does not exist.; the message is left to the queue (was it deleted?)
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000403.json.gz: AccessDenied: Access Denied; the message is left to the queue (allow `s3:GetObject` on `arn:aws:s3:::trail-bucket/*`, and `kms:Decrypt` on its key if it is encrypted by one; S3 says the same of an object that is not there, unless `s3:ListBucket` is allowed)
    trail-events 00000000-0000-4000-9000-000000000003: a notification is left to the queue: it names no bucket, or no key (its body is not S3's own)
    trail-events 00000000-0000-4000-9000-000000000004: SNS asks whether the queue wants topic `arn:aws:sns:us-east-1:1:t`; left to the queue (if you want it, subscribe the queue as the topic's owner, or confirm with the token in the message)
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000413.json.gz: it has 101 bytes, more than 100; the message is left to the queue
    "##);
}

#[tokio::test]
async fn an_outage_of_s3_is_waited_out_and_leaves_nothing() {
    let lab = Lab::new().await;
    (1..=3).for_each(|number| _ = lab.put(number));
    lab.faults().set_every_for("GetObject", 1, Fault::unavailable());
    let source = lab.source(lab.follow());
    // Longer than a message that was left would stay hidden.
    quietly_until(&source, || lab.calls("GetObject") >= 9).await;
    for _ in 0..20 {
        let hidden = lab.calls("ChangeMessageVisibilityBatch");
        lab.advance(31);
        quietly_until(&source, || lab.calls("ChangeMessageVisibilityBatch") > hidden).await;
    }
    assert_eq!((source.report().left, source.report().unreadable), (0, 0));
    assert_eq!((lab.queues().visible(QUEUE), source.report().messages), (0, 3), "nobody received them again");
    lab.faults().clear();
    let taken = take(&source, 3).await;
    source.commit(&receipts(&taken)).await.unwrap();
    wait_until(|| lab.queues().deleted(QUEUE) == 3).await;
    let text = lab.notices.text();
    let first =
        text.lines().next().unwrap().replace("000002.json", "000001.json").replace("000003.json", "000001.json");
    insta::assert_snapshot!(first, @"s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000001.json.gz cannot be fetched at present: ServiceUnavailableException: The service cannot complete the request. (until it can be, messages of queue `trail-events` that name objects are kept hidden, and tried again)");
    assert_eq!(
        text.lines().skip(1).collect::<Vec<_>>(),
        ["objects that queue `trail-events` tells of can be fetched again"]
    );
}

#[tokio::test]
async fn credentials_that_run_out_at_an_object_are_waited_for() {
    let lab = Lab::new().await;
    lab.put(1);
    (0..2).for_each(|_| lab.faults().next_for("GetObject", Fault::expired_token()));
    let source = lab.source(lab.follow());
    assert_eq!(take(&source, 1).await.len(), 1);
    assert_eq!((source.report().left, source.report().unreadable), (0, 0));
    insta::assert_snapshot!(lab.notices.text(), @r"
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000001.json.gz cannot be fetched at present: ExpiredTokenException: The security token included in the request is expired (renew the credentials, with single sign-on by `aws sso login`; until then messages of queue `trail-events` that name objects are kept hidden, and tried again)
    objects that queue `trail-events` tells of can be fetched again
    ");
}

#[tokio::test]
async fn no_more_is_received_while_objects_cannot_be_fetched() {
    let lab = Lab::new().await;
    (0..200).for_each(|number| _ = lab.put(number));
    lab.faults().set_every_for("GetObject", 1, Fault::Throttle);
    let source = lab.source(lab.follow());
    quietly_until(&source, || lab.calls("GetObject") >= 100).await;
    let (held, waiting) = (source.report().messages, lab.queues().visible(QUEUE) as u64);
    assert_eq!(held + waiting, 200);
    // The bound, what was being fetched, and what calls that were under way brought.
    assert!(held <= 64 + 8 + 40, "{held}");
    lab.faults().clear();
    assert_eq!(take(&source, held as usize).await.len(), held as usize);
}

#[tokio::test]
async fn an_object_that_cannot_be_fetched_for_half_a_day_is_left() {
    let lab = Lab::new().await;
    lab.put(1);
    lab.faults().set_every_for("GetObject", 1, Fault::internal_failure());
    let hours = |hours: u64| hours * 3_600;
    let source = lab.source(Settings { visibility: Duration::from_secs(hours(4)), ..lab.follow() });
    quietly_until(&source, || lab.calls("GetObject") >= 3).await;
    for hidden in 1..=3 {
        lab.advance(hours(2));
        quietly_until(&source, || lab.calls("ChangeMessageVisibilityBatch") == hidden).await;
    }
    assert_eq!(source.report().left, 0);
    // SQS would not hide it beyond the twelfth hour, and hides it for four at once.
    lab.advance(hours(2));
    quietly_until(&source, || source.report().left == 1).await;
}

/// Nothing would be kept hidden any more, and nothing deleted.
#[tokio::test]
async fn a_source_whose_keeper_panics_does_not_go_on() {
    let lab = Lab::new().await;
    lab.send("event");
    let (clock, broken) = (lab.clock().clone(), Arc::new(AtomicBool::new(false)));
    let breaks = Arc::clone(&broken);
    let clock = move || {
        assert!(!breaks.load(Ordering::SeqCst), "the clock has fallen off the wall");
        clock.now_ms()
    };
    let source = Arc::new(lab.source(Settings { clock: Arc::new(clock), ..lab.follow() }));
    take(&source, 1).await;
    broken.store(true, Ordering::SeqCst);
    let next = tokio::spawn(async move { source.next().await });
    assert!(patiently(next).await.unwrap_err().is_panic());
}

#[tokio::test]
async fn only_allowed_buckets_of_the_right_owner_are_read() {
    let lab = Lab::new().await;
    lab.put(1);
    let strict = Settings { buckets: vec!["another-bucket".into()], ..lab.read_once() };
    assert!(take(&lab.source(strict), 1).await.is_empty());
    assert_eq!(lab.calls("GetObject"), 0);
    lab.put(2);
    let owned = Settings { bucket_owner: Some("444455556666".into()), ..lab.read_once() };
    assert!(take(&lab.source(owned), 1).await.is_empty());
    lab.put(3);
    let right = Settings { buckets: vec![BUCKET.into()], bucket_owner: Some(ACCOUNT_ID.into()), ..lab.read_once() };
    assert_eq!(take(&lab.source(right), 1).await.len(), 1);
    insta::assert_snapshot!(lab.notices.text(), @r##"
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000001.json.gz: bucket `trail-bucket` is none of those that may be read; the message is left to the queue (allow it, or see who may send to the queue)
    s3://trail-bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/26/000002.json.gz: AccessDenied: Access Denied; the message is left to the queue (allow `s3:GetObject` on `arn:aws:s3:::trail-bucket/*`, and `kms:Decrypt` on its key if it is encrypted by one; S3 says the same of an object that is not there, unless `s3:ListBucket` is allowed)
    "##);
}

#[tokio::test]
async fn no_more_messages_are_held_than_the_bound() {
    let lab = Lab::new().await;
    (0..60).for_each(|number| lab.send(number.to_string()));
    let source = lab.source(Settings { messages_max: 20, ..lab.follow() });
    let taken = take(&source, 20).await;
    assert_eq!((taken.len(), lab.queues().visible(QUEUE)), (20, 40));
    let more = tokio::select! {
        batch = source.next() => Some(batch.unwrap().unwrap().len()),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => None,
    };
    assert_eq!(more, None);
    source.commit(&receipts(&taken)).await.unwrap();
    assert_eq!(take(&source, 20).await.len(), 20);
}

#[tokio::test]
async fn a_message_that_came_often_goes_alone() {
    let lab = Lab::new().await;
    lab.queues().set_dead_letters(QUEUE, "dead-letters", 100);
    lab.send("often");
    for _ in 0..3 {
        let source = lab.source(lab.read_once());
        assert_eq!(take(&source, 1).await.len(), 1);
        source.close().await;
    }
    lab.send("first");
    lab.send("second");
    let source = lab.source(lab.follow());
    let batches = [patiently(source.next()).await, patiently(source.next()).await];
    let batches = batches.map(|batch| bodies(&batch.unwrap().unwrap()));
    assert_eq!(batches, [vec!["often".to_owned()], vec!["first".to_owned(), "second".to_owned()]]);
}

#[tokio::test]
async fn a_queue_that_cannot_be_read_is_an_error_that_helps() {
    let lab = Lab::new().await;
    let other = |queue: &str| Settings { queue: queue.to_owned(), ..lab.follow() };
    let mut errors = Vec::new();
    for queue in ["trail-event", "elsewhere", &lab.queues().url("trail-evnets")] {
        errors.push(refusal(&lab.source(other(queue))).await);
    }
    for (operation, fault) in [
        ("ReceiveMessage", Fault::access_denied()),
        ("GetQueueUrl", Fault::expired_token()),
        ("ReceiveMessage", Fault::error(400, "OptInRequired", "subscribe first")),
    ] {
        lab.faults().next_for(operation, fault);
        errors.push(refusal(&lab.source(lab.follow())).await);
    }
    insta::assert_snapshot!(errors.join("\n"), @r##"
    no queue `trail-event` in `us-east-1` (did you mean `trail-events`?)
    no queue `elsewhere` in `us-east-1` (`aws sqs list-queues --region us-east-1` lists them; `--region` chooses another)
    no queue `trail-evnets` in `us-east-1` (did you mean `trail-events`?)
    not allowed to read queue `trail-events` in `us-east-1`: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:ChangeMessageVisibility`, `sqs:GetQueueUrl` and `sqs:GetQueueAttributes` on `arn:aws:sqs:us-east-1:*:trail-events`)
    the credentials for queue `trail-events` in `us-east-1` are not accepted: ExpiredTokenException: The security token included in the request is expired (renew them, with single sign-on by `aws sso login`; `--profile` chooses others)
    SQS refuses to read queue `trail-events` in `us-east-1`: OptInRequired: subscribe first
    "##);
}

#[tokio::test]
async fn what_goes_wrong_later_is_told_once_and_waited_out() {
    let lab = Lab::new().await;
    lab.queues().create("plain");
    lab.queues().send("plain", "first");
    let source = lab.source(Settings { queue: "plain".into(), ..lab.follow() });
    take(&source, 1).await;
    for fault in
        [Fault::access_denied(), Fault::access_denied(), Fault::expired_token(), Fault::Throttle, Fault::Throttle]
    {
        lab.faults().next_for("ReceiveMessage", fault);
    }
    lab.queues().send("plain", "second");
    let next = async {
        wait_until(|| lab.faults().pending() == 0).await;
        lab.queues().send("plain", "third");
    };
    let (taken, ()) = tokio::join!(take(&source, 2), next);
    assert_eq!(taken.len(), 2);
    assert_eq!(source.report().credential_waits, 1);
    insta::assert_snapshot!(lab.notices.text(), @r##"
    queue `plain` has no dead-letter queue: a message that cannot be read comes again until its retention is over (set a redrive policy)
    no longer allowed to read queue `plain` in `us-east-1`: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it; waiting (allow `sqs:ReceiveMessage` on `arn:aws:sqs:us-east-1:*:plain`)
    the credentials for queue `plain` in `us-east-1` are no longer accepted: ExpiredTokenException: The security token included in the request is expired; waiting for new ones (renew them, with single sign-on by `aws sso login`)
    SQS throttles the reading of queue `plain`; going on more slowly
    reading queue `plain` again
    "##);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let notify: Notify = Arc::new(|_| {});
    let error = |settings: Settings| {
        Sqs::new(settings, local_connector("http://127.0.0.1:1", REGION), Arc::clone(&notify)).err().unwrap()
    };
    let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/q";
    let visibility = Duration::from_secs(43_201);
    let all = [
        Settings::new("a b", REGION),
        Settings::new(url, REGION),
        Settings { visibility, ..Settings::new("q", REGION) },
    ];
    insta::assert_snapshot!(all.map(|settings| error(settings).to_string()).join("\n"), @r##"
    `a b` is neither the URL, the name nor the ARN of a queue (a URL looks like `https://sqs.us-east-1.amazonaws.com/111122223333/NAME`)
    queue `q` is in `eu-west-1`, not in `us-east-1` (choose its region: `--region eu-west-1`)
    messages cannot be hidden for 43201 seconds (SQS takes 1 to 43200)
    "##);
    assert!(matches!(error(Settings::new("a b", REGION)), SettingsError::Queue { .. }));
}

impl Lab {
    /// A run whose findings the tally gets from the outbox, as a sink that is far away does.
    fn run_with_outbox(&self, source: Arc<Sqs>, store: DiskStore, tally: &Tally) -> Pipeline {
        let route = Route { sink: "tally".into(), min_severity: Severity::Informational, tags: Vec::new() };
        let patience = Patience { batch_max: 7, ..Patience::default() };
        let deliveries = vec![SinkDelivery { route, sink: Box::new(tally.clone()), patience }];
        let couriers = Some(Couriers { outbox: store.outbox(), deliveries, drain: PATIENCE });
        Pipeline { couriers, tap: None, ..self.pipeline(source, Box::new(store), tally) }
    }

    fn pipeline(&self, source: Arc<Sqs>, store: Box<dyn Store>, tally: &Tally) -> Pipeline {
        Pipeline {
            rules: Arc::new(RuleSet::new(vec![rule()])),
            filter: None,
            sources: vec![source],
            accounts: Accounts::default(),
            store,
            sinks: Vec::new(),
            couriers: None,
            tap: Some(Box::new(tally.clone())),
            limits: Limits::default(),
            bounds: Bounds { batches_committed: 2, ..Bounds::default() },
            notify: self.notices.notify(),
            stop: CancellationToken::new(),
        }
    }

    async fn run(&self, settings: Settings, tally: &Tally) -> Summary {
        let source = Arc::new(self.source(settings));
        let (summary, ended) = patiently(self.pipeline(source, Box::new(MemoryStore::default()), tally).run()).await;
        assert_eq!(ended, Ended::Finished);
        summary
    }

    /// Fills the queue with objects of three records and with single events, some of them twice.
    fn fill(&self, count: u64) -> Vec<String> {
        for number in (0..count).step_by(4) {
            let records: Vec<Value> = (number..number + 3).map(record).collect();
            self.buckets().put(BUCKET, &key_of(number), gzip(&json!({"Records": records}).to_string()));
            self.send(notification(&[&key_of(number)]));
            let event = envelope("AWS API Call via CloudTrail", &record(number + 3)).to_string();
            self.send(if number % 8 == 0 { sns(&event) } else { event.clone() });
            if number % 20 == 0 {
                self.send(event);
            }
        }
        (0..count).map(|number| record(number)["eventID"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything that can go wrong goes wrong every now and then.
    fn storm(&self) {
        self.queues().set_repeats(QUEUE, 7);
        for (operation, period, fault) in [
            ("ReceiveMessage", 5, Fault::Throttle),
            ("GetObject", 3, Fault::TruncatedBody),
            ("DeleteMessageBatch", 3, Fault::HalfFails),
            ("ChangeMessageVisibilityBatch", 2, Fault::unavailable()),
        ] {
            self.faults().set_every_for(operation, period, fault);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_out_once_through_a_storm() {
    let lab = Lab::new().await;
    lab.queues().set_dead_letters(QUEUE, "dead-letters", 1_000);
    let expected = lab.fill(400);
    lab.storm();
    let tally = Tally::default();
    let settings = Settings { clock: Settings::new("q", REGION).clock, ..lab.read_once() };
    let summary = lab.run(settings, &tally).await;
    assert_eq!(tally.events(), expected);
    let seen = tally.0.lock().unwrap();
    assert!(seen.values().all(|(times, ids)| *times == 1 && ids.len() == 1));
    assert_eq!((summary.rejects, summary.events()), (0, 400));
    assert!(summary.duplicates >= 20, "{}", summary.duplicates);
    let left = lab.queues().bodies(QUEUE);
    assert!(left.is_empty(), "{left:?} {:?} {}", summary.sources, lab.notices.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_and_repeat_under_the_same_ids() {
    let lab = Lab::new().await;
    lab.queues().set_dead_letters(QUEUE, "dead-letters", 1_000);
    let expected = lab.fill(200);
    let (folder, tally) = (tempfile::tempdir().unwrap(), Tally::default());
    for kill in 1..=3 {
        let (source, store) = (Arc::new(lab.source(lab.follow())), reopen(folder.path()).await);
        let alive = Arc::downgrade(&source);
        tokio::select! {
            _ = lab.run_with_outbox(source, store, &tally).run() => panic!("a queue that is followed has no end"),
            () = wait_until(|| tally.events().len() >= kill * 40) => {}
        }
        wait_until(|| alive.strong_count() == 0).await;
        lab.advance(120);
    }
    // A call that was under way at a kill may have hidden messages from everybody.
    while !lab.queues().bodies(QUEUE).is_empty() {
        let (source, store) = (Arc::new(lab.source(lab.read_once())), reopen(folder.path()).await);
        patiently(lab.run_with_outbox(source, store, &tally).run()).await;
        lab.advance(120);
    }
    assert_eq!(tally.events(), expected);
    let seen = tally.0.lock().unwrap();
    assert!(seen.values().all(|(_, ids)| ids.len() == 1), "the ids are the same each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_detail_type_are_what_is_in_their_envelopes() {
    let lab = Lab::new().await;
    let mut number = 0;
    for detail_type in [
        "AWS API Call via CloudTrail",
        "AWS Console Signin via CloudTrail",
        "AWS Console Sign In via CloudTrail",
        "AWS Console Action via CloudTrail",
        "AWS Service Event via CloudTrail",
        "AWS Network Activity Event via CloudTrail",
    ] {
        number += 1;
        lab.send(envelope(detail_type, &record(number)).to_string());
    }
    let mut replayed = envelope("AWS API Call via CloudTrail", &record(number + 1));
    replayed["replay-name"] = "again".into();
    lab.send(replayed.to_string());
    let insight = json!({"eventVersion": "1.07", "eventTime": "2026-11-26T00:05:00Z", "awsRegion": REGION,
                         "eventID": "e0000000-0000-4000-8000-000000000099", "eventType": "AwsCloudTrailInsight",
                         "recipientAccountId": ACCOUNT_ID, "eventCategory": "Insight"});
    lab.send(envelope("AWS Insight via CloudTrail", &insight).to_string());
    lab.send(envelope("AWS X-Ray Insight Update", &json!({"InsightId": "1-x", "State": "ACTIVE"})).to_string());
    let summary = lab.run(lab.read_once(), &Tally::default()).await;
    assert_eq!((summary.records, summary.insights, summary.others), (7, 1, 1));
    assert_eq!((summary.rejects, lab.queues().deleted(QUEUE)), (0, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_event_is_never_deleted() {
    let lab = Lab::new().await;
    lab.send("{broken");
    lab.send(r#"{"eventVersion":"1.11",,}"#);
    lab.send("{\"Records\":[]}");
    lab.buckets().put(BUCKET, &key_of(1), gzip("not JSON"));
    lab.send(notification(&[&key_of(1)]));
    lab.send(record(1).to_string() + "\n{broken");
    let tally = Tally::default();
    let summary = lab.run(lab.read_once(), &tally).await;
    assert_eq!((summary.rejects, summary.events()), (4, 1));
    assert_eq!(lab.queues().bodies(QUEUE).len(), 3);
    assert_eq!((summary.sources[0].1.left, lab.queues().deleted(QUEUE)), (3, 2));
    assert!(lab.notices.all().iter().all(|notice| notice.level != NoticeLevel::Error));
}

/// Finds the trail `main` of the stand-in, from the second time on.
fn find_trail(lab: &Lab) -> FindTrail {
    let trail = Trail::to_group("main", "trail");
    let (arn, asked) = (trail.arn(), Arc::new(AtomicU64::new(0)));
    lab.endpoint.trails().put(trail);
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(lab.endpoint.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")))
        .build();
    let client = aws_sdk_cloudtrail::Client::new(&config);
    Arc::new(move || {
        let (client, arn) = (client.clone(), arn.clone());
        let connect = Arc::new(move || Box::pin(ready(Ok(client.clone()))) as BoxFuture<'static, _>);
        let found = match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Err(SourceError::Refused("no trail `main` in `us-east-1`".to_owned())),
            _ => Ok(Some(WatchedTrail { name: "main".into(), arn, connect })),
        };
        Box::pin(ready(found))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_stops_is_told_though_its_events_come_by_a_queue() {
    let lab = Lab::new().await;
    let settings = Settings { trail: Some(find_trail(&lab)), trail_every: Duration::from_millis(20), ..lab.follow() };
    let stopped = TrailStatus { stop_logging_ms: Some(1_800_000_000_000), ..TrailStatus::default() };
    let good = TrailStatus { is_logging: true, ..TrailStatus::default() };
    let undelivered = TrailStatus { latest_delivery_error: Some("AccessDenied".into()), ..good.clone() };
    let source = Arc::new(lab.source(settings));
    let reading = {
        let source = Arc::clone(&source);
        tokio::spawn(async move { source.next().await })
    };
    for (status, trouble) in [(stopped, "has not been logging"), (undelivered, "AccessDenied"), (good, "")] {
        lab.endpoint.trails().set_status("main", status);
        wait("the answer", || {
            let troubles = source.report().troubles;
            troubles.is_empty() == trouble.is_empty() && troubles.iter().all(|text| text.contains(trouble))
        })
        .await;
    }
    insta::assert_snapshot!(lab.notices.text(), @r"
    it is not noticed if the trail stops: no trail `main` in `us-east-1`
    trail `main` has not been logging since 2027-01-15T08:00:00Z (start it: `aws cloudtrail start-logging --name main`)
    trail `main` cannot deliver to its bucket, or tell of it: AccessDenied (look at the policies of the bucket and of the topic)
    trail `main` logs and delivers again
    ");
    reading.abort();
    drop(reading.await);
    source.close().await;
    let calls = lab.calls("GetTrailStatus");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(lab.calls("GetTrailStatus") <= calls + 1, "nobody asks any more");
}
