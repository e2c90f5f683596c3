//! What a queue's message says: which objects of a bucket have come, or something for decoding.
//!
//! Pure: a text goes in, [`What`] comes out. The decision worth knowing: anybody who may send to the queue can write such a
//! message, so it only names what is to be read. Whether that may be read is for others to decide.
//!
//! | shape | told by | keys |
//! |---|---|---|
//! | S3 → SQS | `Records`, all of `aws:s3` | URL-encoded |
//! | S3 → EventBridge → SQS | `source` `aws.s3`, `detail-type` `Object …` | as they are |
//! | CloudTrail → SNS → SQS | `s3Bucket`, `s3ObjectKey` | as they are |
//! | any of them by way of SNS, not raw | `Type` `Notification`, `Message` | |
//! | S3 and CloudTrail trying the way | `s3:TestEvent`; `CloudTrail validation message.` | |
//! | SNS asking for leave | `Type` `SubscriptionConfirmation` | |

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How often SNS may have wrapped a message.
const WRAPPERS_MAX: usize = 3;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'m> {
    /// Objects have come. None where the notification is of something else, such as a deletion.
    Objects(Vec<Object>),
    /// Somebody tries whether messages arrive.
    Test,
    /// SNS asks whether the queue wants the messages of a topic. Nobody but the queue's owner may say so.
    Confirmation {
        /// The ARN of the topic.
        topic: String,
    },
    /// A notification of an object that it does not name.
    Broken {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something for decoding: the message, or what SNS wrapped.
    NotANotification(Cow<'m, str>),
}

/// An object that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The name of its bucket.
    pub bucket: String,
    /// Its key, decoded.
    pub key: String,
    /// The bucket's region, where the notification says it.
    pub region: Option<String>,
}

/// Reads a message's body.
pub fn read(body: &str) -> What<'_> {
    let mut text = Cow::Borrowed(body);
    for _ in 0..WRAPPERS_MAX {
        match look(&text) {
            Look::Wrapped(message) => text = Cow::Owned(message),
            Look::Said(what) => return what,
            Look::Nothing => break,
        }
    }
    What::NotANotification(text)
}

/// One layer of a message.
enum Look {
    Wrapped(String),
    Said(What<'static>),
    Nothing,
}

/// The members that tell shapes apart. Texts that lack them all, or have them otherwise, are none of these shapes.
#[derive(Deserialize)]
struct Body<'b> {
    #[serde(borrow, rename = "Type")]
    kind: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "Message")]
    message: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "TopicArn")]
    topic: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'b RawValue>,
    #[serde(borrow, rename = "s3Bucket")]
    bucket: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "s3ObjectKey")]
    keys: Option<&'b RawValue>,
    #[serde(borrow, rename = "Event")]
    event: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "source")]
    source: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<Cow<'b, str>>,
    #[serde(borrow)]
    region: Option<Cow<'b, str>>,
    #[serde(borrow)]
    detail: Option<&'b RawValue>,
}

/// An element of `Records`, of a CloudTrail record no more than that it is not S3's.
#[derive(Deserialize)]
struct Record<'b> {
    #[serde(borrow, rename = "eventSource")]
    source: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "eventName")]
    name: Option<Cow<'b, str>>,
    #[serde(borrow, rename = "awsRegion")]
    region: Option<Cow<'b, str>>,
    #[serde(borrow)]
    s3: Option<Place<'b>>,
}

/// A bucket and an object, as S3 writes them in both of its forms.
#[derive(Deserialize)]
struct Place<'b> {
    #[serde(borrow)]
    bucket: Option<Bucket<'b>>,
    #[serde(borrow)]
    object: Option<Key<'b>>,
}

#[derive(Deserialize)]
struct Bucket<'b> {
    #[serde(borrow)]
    name: Option<Cow<'b, str>>,
}

#[derive(Deserialize)]
struct Key<'b> {
    #[serde(borrow)]
    key: Option<Cow<'b, str>>,
}

const NO_NAME: &str = "it names no bucket, or no key";
const NOT_UTF8: &str = "its key is not UTF-8 once it is URL-decoded";

fn look(text: &str) -> Look {
    if text.trim() == "CloudTrail validation message." {
        return Look::Said(What::Test);
    }
    let Ok(body) = serde_json::from_str::<Body<'_>>(text) else { return Look::Nothing };
    if let (Some("Notification"), Some(message)) = (body.kind.as_deref(), &body.message) {
        return Look::Wrapped(message.clone().into_owned());
    }
    what(&body).map_or(Look::Nothing, Look::Said)
}

fn what(body: &Body<'_>) -> Option<What<'static>> {
    if body.kind.as_deref() == Some("SubscriptionConfirmation") {
        return Some(What::Confirmation { topic: body.topic.as_deref().unwrap_or_default().to_owned() });
    }
    if body.event.as_deref() == Some("s3:TestEvent") {
        return Some(What::Test);
    }
    if let Some(records) = body.records {
        return of_records(records);
    }
    if let (Some(bucket), Some(keys)) = (&body.bucket, body.keys) {
        return Some(of_trail(bucket, keys));
    }
    match (body.source.as_deref(), body.detail_type.as_deref(), body.detail) {
        (Some("aws.s3"), Some(kind), Some(detail)) if kind.starts_with("Object ") => Some(match kind {
            "Object Created" => of_event(body, detail),
            _ => What::Objects(Vec::new()),
        }),
        _ => None,
    }
}

/// `None` for CloudTrail's own `Records`.
fn of_records(records: &RawValue) -> Option<What<'static>> {
    let records: Vec<Record<'_>> = serde_json::from_str(records.get()).ok()?;
    if records.is_empty() || !records.iter().all(|record| record.source.as_deref() == Some("aws:s3")) {
        return None;
    }
    let is_new = |record: &&Record<'_>| {
        let name = record.name.as_deref().unwrap_or_default();
        name.trim_start_matches("s3:").starts_with("ObjectCreated:")
    };
    let objects: Result<Vec<Object>, &str> = records.iter().filter(is_new).map(of_record).collect();
    Some(objects.map_or_else(|reason| What::Broken { reason }, What::Objects))
}

fn of_record(record: &Record<'_>) -> Result<Object, &'static str> {
    let (bucket, key) = record.s3.as_ref().and_then(Place::names).ok_or(NO_NAME)?;
    let spaced = key.replace('+', " ");
    let key = percent_decode(spaced.as_bytes()).decode_utf8().map_err(|_| NOT_UTF8)?;
    Ok(Object { bucket: bucket.to_owned(), key: key.into_owned(), region: owned(&record.region) })
}

/// CloudTrail's message names one key or several.
fn of_trail(bucket: &str, keys: &RawValue) -> What<'static> {
    let one = serde_json::from_str::<String>(keys.get()).map(|key| vec![key]);
    match one.or_else(|_| serde_json::from_str::<Vec<String>>(keys.get())) {
        Ok(keys) if !bucket.is_empty() && keys.iter().all(|key| !key.is_empty()) => {
            let object = |key| Object { bucket: bucket.to_owned(), key, region: None };
            What::Objects(keys.into_iter().map(object).collect())
        }
        _ => What::Broken { reason: NO_NAME },
    }
}

fn of_event(body: &Body<'_>, detail: &RawValue) -> What<'static> {
    let place = serde_json::from_str::<Place<'_>>(detail.get());
    match place.as_ref().ok().and_then(Place::names) {
        Some((bucket, key)) => {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            What::Objects(vec![Object { bucket, key, region: owned(&body.region) }])
        }
        None => What::Broken { reason: NO_NAME },
    }
}

impl Place<'_> {
    fn names(&self) -> Option<(&str, &str)> {
        let bucket = self.bucket.as_ref()?.name.as_deref()?;
        let key = self.object.as_ref()?.key.as_deref()?;
        Some((bucket, key)).filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    }
}

fn owned(text: &Option<Cow<'_, str>>) -> Option<String> {
    text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "AWSLogs/1/CloudTrail/us-east-1/2026/11/26/1_CloudTrail_us-east-1_20261126T0005Z_x.json.gz";

    fn s3(name: &str, key: &str) -> Value {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": name,
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
                   "object": {"key": key, "size": 7, "eTag": "e", "sequencer": "0055AED6DCD90281E5"}}
        }]})
    }

    fn event_bridge(kind: &str, key: &str) -> Value {
        json!({"version": "0", "id": "i", "detail-type": kind, "source": "aws.s3", "account": "1", "region": "eu-west-1",
               "resources": ["arn:aws:s3:::b"],
               "detail": {"version": "0", "bucket": {"name": "b"}, "object": {"key": key, "size": 7}, "reason": "PutObject"}})
    }

    fn sns(message: &str) -> Value {
        json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Subject": "Amazon S3",
               "Message": message, "Timestamp": "2026-11-26T00:05:00.000Z", "SignatureVersion": "1"})
    }

    fn trail(keys: Value) -> Value {
        json!({"s3Bucket": "b", "s3ObjectKey": keys})
    }

    fn objects(region: Option<&str>, keys: &[&str]) -> What<'static> {
        let object = |key: &&str| Object { bucket: "b".into(), key: (*key).into(), region: region.map(str::to_owned) };
        What::Objects(keys.iter().map(object).collect())
    }

    #[test]
    fn every_shape_names_its_objects() {
        let region = Some("eu-west-1");
        let s3_text = s3("ObjectCreated:Put", KEY).to_string();
        let mut two = s3("ObjectCreated:Put", "one");
        let second = s3("ObjectCreated:CompleteMultipartUpload", "two")["Records"][0].clone();
        two["Records"].as_array_mut().unwrap().push(second);
        let mut mixed = two.clone();
        mixed["Records"][0]["eventName"] = "ObjectRemoved:Delete".into();
        for (name, body, what) in [
            ("S3", s3("ObjectCreated:Put", KEY), objects(region, &[KEY])),
            ("S3, name as it was set up", s3("s3:ObjectCreated:Put", KEY), objects(region, &[KEY])),
            ("S3, two records", two, objects(region, &["one", "two"])),
            ("S3, one of two is a removal", mixed, objects(region, &["two"])),
            ("S3, a removal", s3("ObjectRemoved:Delete", KEY), objects(None, &[])),
            (
                "S3, a key with spaces and more",
                s3("ObjectCreated:Put", "a+b%2Bc%20d/%C3%A9"),
                objects(region, &["a b+c d/é"]),
            ),
            ("S3, a slash encoded", s3("ObjectCreated:Put", "AWSLogs%2F1"), objects(region, &["AWSLogs/1"])),
            ("S3 by SNS", sns(&s3_text), objects(region, &[KEY])),
            ("S3 by two SNS", sns(&sns(&s3_text).to_string()), objects(region, &[KEY])),
            ("EventBridge", event_bridge("Object Created", KEY), objects(region, &[KEY])),
            (
                "EventBridge, a key that looks encoded",
                event_bridge("Object Created", "a+b%2B"),
                objects(region, &["a+b%2B"]),
            ),
            ("EventBridge, tags", event_bridge("Object Tags Added", KEY), objects(None, &[])),
            ("EventBridge by SNS", sns(&event_bridge("Object Created", KEY).to_string()), objects(region, &[KEY])),
            ("CloudTrail, raw", trail(json!([KEY])), objects(None, &[KEY])),
            ("CloudTrail, several keys", trail(json!(["k1", "k+2"])), objects(None, &["k1", "k+2"])),
            ("CloudTrail, one key without a list", trail(json!("k1")), objects(None, &["k1"])),
            ("CloudTrail by SNS", sns(&trail(json!(["k1", "k2"])).to_string()), objects(None, &["k1", "k2"])),
        ] {
            assert_eq!(read(&body.to_string()), what, "{name}");
        }
    }

    #[test]
    fn tests_and_questions_are_told_apart() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-26T00:05:00.000Z", "Bucket": "b",
                          "RequestId": "r", "HostId": "h"});
        let question = json!({"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "You have chosen", "Token": "x",
                              "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"});
        let asked = What::Confirmation { topic: "t".into() };
        for (name, body, what) in [
            ("S3's test", test.to_string(), What::Test),
            ("S3's test by SNS", sns(&test.to_string()).to_string(), What::Test),
            ("CloudTrail's test by SNS", sns("CloudTrail validation message.").to_string(), What::Test),
            ("CloudTrail's test, raw", "CloudTrail validation message.".to_owned(), What::Test),
            ("a question", question.to_string(), asked),
        ] {
            assert_eq!(read(&body), what, "{name}");
        }
    }

    #[test]
    fn what_is_for_decoding_comes_without_its_wrapper() {
        let record = r#"{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"PutObject"}"#;
        let records = format!(r#"{{"Records":[{record}]}}"#);
        let envelope = format!(
            r#"{{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","region":"r","detail":{record}}}"#
        );
        let mixed = format!(r#"{{"Records":[{},{record}]}}"#, s3("ObjectCreated:Put", "k")["Records"][0]);
        for text in [record, &records, &envelope, &mixed, "{\"Records\":[]}", "not JSON", "", "[1]", "{\"Type\":7}"] {
            assert_eq!(read(text), What::NotANotification(Cow::Borrowed(text)), "{text}");
            assert_eq!(read(&sns(text).to_string()), What::NotANotification(Cow::Borrowed(text)), "{text}");
        }
    }

    #[test]
    fn a_notification_without_a_name_is_broken() {
        let mut nameless = s3("ObjectCreated:Put", KEY);
        nameless["Records"][0]["s3"]["bucket"] = json!({});
        for (body, reason) in [
            (nameless, NO_NAME),
            (s3("ObjectCreated:Put", ""), NO_NAME),
            (s3("ObjectCreated:Put", "a%FF"), NOT_UTF8),
            (event_bridge("Object Created", ""), NO_NAME),
            (trail(json!([7])), NO_NAME),
            (trail(json!([""])), NO_NAME),
        ] {
            assert_eq!(read(&body.to_string()), What::Broken { reason }, "{body}");
        }
    }

    #[test]
    fn wrappers_without_end_are_not_followed() {
        let mut body = s3("ObjectCreated:Put", KEY).to_string();
        for _ in 0..WRAPPERS_MAX {
            body = sns(&body).to_string();
        }
        assert!(matches!(read(&body), What::NotANotification(_)));
    }
}
