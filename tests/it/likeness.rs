//! The stand-ins beside moto: the same requests over the same data have the same answers, but for what is listed here.
//!
//! Neither is AWS. Where both were made by different people and agree, a misreading of the documentation is less likely.

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry as Hide, DeleteMessageBatchRequestEntry as Delete};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};
use trailwatch::sim::Endpoint;

use super::moto::{Moto, now_ms};

const GROUP: &str = "likeness";
const BUCKET: &str = "likeness-bucket";
const QUEUE: &str = "likeness-queue";
const KEYS: [&str; 5] = ["a/1.json", "a/2.json", "a/b/3.json", "c d+é.json", "z.json"];

/// One of the two, as its clients see it.
struct Side {
    config: SdkConfig,
    queue_url: String,
    /// The time of the first log event.
    first_ms: i64,
}

impl Side {
    fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Six events of one stream, a second apart, two of them in one millisecond.
    async fn fill_group(&self) {
        let logs = self.logs();
        logs.create_log_group().log_group_name(GROUP).send().await.unwrap();
        logs.create_log_stream().log_group_name(GROUP).log_stream_name("s").send().await.unwrap();
        let seconds = [0, 1, 2, 2, 3, 4];
        let event = |(number, second): (usize, &i64)| {
            let event = InputLogEvent::builder().timestamp(self.first_ms + second * 1_000);
            event.message(format!("message {number}")).build().unwrap()
        };
        let events = seconds.iter().enumerate().map(event).collect();
        let put = logs.put_log_events().log_group_name(GROUP).log_stream_name("s").set_log_events(Some(events));
        put.send().await.unwrap();
    }

    async fn filtered(&self, since: Option<i64>, until: Option<i64>) -> Value {
        let at = |second: i64| self.first_ms + second * 1_000;
        let call = self.logs().filter_log_events().log_group_name(GROUP);
        let answer = call.set_start_time(since.map(at)).set_end_time(until.map(at)).send().await.unwrap();
        messages(&answer)
    }

    /// What is received at once, by body, with how often it has been.
    async fn received(&self, hidden_s: i32) -> Vec<(String, String, String)> {
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let call = self.sqs().receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
        let call = call.message_system_attribute_names(count.clone()).visibility_timeout(hidden_s);
        let messages = call.send().await.unwrap().messages.unwrap_or_default().into_iter();
        let mut all: Vec<_> = messages
            .map(|message| {
                let times = message.attributes.as_ref().and_then(|all| all.get(&count)).cloned().unwrap_or_default();
                (message.body.unwrap_or_default(), times, message.receipt_handle.unwrap_or_default())
            })
            .collect();
        all.sort();
        all
    }

    async fn listed(
        &self,
        ask: impl FnOnce(
            aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder,
        ) -> aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder,
    ) -> Value {
        let page = ask(self.s3().list_objects_v2().bucket(BUCKET)).send().await.unwrap();
        let keys: Vec<_> = page.contents().iter().map(|object| (object.key().unwrap(), object.size())).collect();
        let folders: Vec<_> = page.common_prefixes().iter().map(|folder| folder.prefix().unwrap()).collect();
        json!([keys, folders, page.is_truncated().unwrap_or(false)])
    }
}

fn messages(answer: &aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput) -> Value {
    answer.events().iter().map(|event| event.message().unwrap_or_default()).collect()
}

/// The code of an error; that of success is none.
fn code<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> Value {
    let Err(error) = answer else { return Value::Null };
    json!(error.as_service_error().and_then(ProvideErrorMetadata::code))
}

/// Both, with the same in them; `None` where there is no moto.
async fn sides() -> Option<(Moto, Endpoint, [Side; 2])> {
    let moto = Moto::start()?;
    let endpoint = Endpoint::start().await.unwrap();
    let first_ms = now_ms() - 60_000;
    let config = moto.config_of("test", "test");
    let queue_url = aws_sdk_sqs::Client::new(&config).create_queue().queue_name(QUEUE).send().await.unwrap();
    let theirs = Side { config: config.clone(), queue_url: queue_url.queue_url.unwrap(), first_ms };
    endpoint.queues().create(QUEUE);
    let config = config.into_builder().endpoint_url(endpoint.url()).build();
    let ours = Side { config, queue_url: endpoint.queues().url(QUEUE), first_ms };
    theirs.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    for key in KEYS {
        let put = theirs.s3().put_object().bucket(BUCKET).key(key).metadata("signature", "abc");
        put.body(key.as_bytes().to_vec().into()).send().await.unwrap();
        endpoint.buckets().put(BUCKET, key, key);
        endpoint.buckets().set_metadata(BUCKET, key, "signature", "abc");
    }
    for body in ["one", "two", "three"] {
        theirs.sqs().send_message().queue_url(&theirs.queue_url).message_body(body).send().await.unwrap();
        endpoint.queues().send(QUEUE, body);
    }
    theirs.fill_group().await;
    ours.fill_group().await;
    Some((moto, endpoint, [theirs, ours]))
}

/// What a side says to requests, by the name of each.
type Said = Vec<(&'static str, Value)>;

async fn logs(side: &Side) -> Said {
    let logs = side.logs();
    let filter = || logs.filter_log_events().log_group_name(GROUP);
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let page = filter().limit(4).set_next_token(token).send().await.unwrap();
        pages.push(messages(&page));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    // How full pages are is the service's own affair, also on AWS: only what is on them counts.
    let all: Vec<Value> = pages.into_iter().flat_map(|page| page.as_array().unwrap().clone()).collect();
    let groups = |prefix: &str| logs.describe_log_groups().log_group_name_prefix(prefix).send();
    let names = |answer: aws_sdk_cloudwatchlogs::operation::describe_log_groups::DescribeLogGroupsOutput| {
        answer.log_groups().iter().map(|group| group.log_group_name().unwrap_or_default().to_owned()).collect()
    };
    vec![
        ("everything", side.filtered(None, None).await),
        ("from a time on, which counts", side.filtered(Some(2), None).await),
        ("up to a time", side.filtered(None, Some(2)).await),
        ("within one millisecond", side.filtered(Some(2), Some(2)).await),
        ("a time without events", side.filtered(Some(10), Some(20)).await),
        ("by pages", Value::Array(all)),
        ("no such group", code(logs.filter_log_events().log_group_name("nobody").send().await)),
        ("groups by the beginning of their names", names(groups("like").await.unwrap())),
        ("groups of which there are none", names(groups("nobody").await.unwrap())),
    ]
}

async fn queues(side: &Side) -> Said {
    let (sqs, url) = (side.sqs(), &side.queue_url);
    let shown = |all: &[(String, String, String)]| json!(all.iter().map(|(b, n, _)| (b, n)).collect::<Vec<_>>());
    let first = side.received(30).await;
    let hidden = side.received(30).await;
    let again = |(number, (_, _, handle)): (usize, &(String, String, String))| {
        Hide::builder().id(number.to_string()).receipt_handle(handle).visibility_timeout(0).build().unwrap()
    };
    let entries = first.iter().enumerate().map(again).collect();
    let released =
        sqs.change_message_visibility_batch().queue_url(url).set_entries(Some(entries)).send().await.unwrap();
    let second = side.received(30).await;
    let delete = |id: &str, handle: &str| Delete::builder().id(id).receipt_handle(handle).build().unwrap();
    let entries = vec![delete("good", &second[0].2), delete("bad", "no-such-handle")];
    let deleted = sqs.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await.unwrap();
    let ids = |entries: &[aws_sdk_sqs::types::DeleteMessageBatchResultEntry]| -> Vec<String> {
        entries.iter().map(|entry| entry.id().to_owned()).collect()
    };
    let refused: Vec<_> = deleted.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    let hidden_for = QueueAttributeName::VisibilityTimeout;
    let attributes =
        sqs.get_queue_attributes().queue_url(url).attribute_names(hidden_for.clone()).send().await.unwrap();
    let names = |answer: aws_sdk_sqs::operation::list_queues::ListQueuesOutput| -> Vec<String> {
        answer.queue_urls().iter().map(|url| url.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    };
    vec![
        ("messages, received once", shown(&first)),
        ("while they are hidden", shown(&hidden)),
        ("made visible", json!(released.successful().len())),
        ("received once more", shown(&second)),
        ("deleted", json!(ids(deleted.successful()))),
        ("a handle that is none", json!(refused)),
        ("how long it hides", json!(attributes.attributes().and_then(|all| all.get(&hidden_for)))),
        (
            "its URL",
            json!(sqs.get_queue_url().queue_name(QUEUE).send().await.unwrap().queue_url().unwrap().ends_with(QUEUE)),
        ),
        ("no such queue", code(sqs.get_queue_url().queue_name("nobody").send().await)),
        (
            "queues by the beginning of their names",
            json!(names(sqs.list_queues().queue_name_prefix("like").send().await.unwrap())),
        ),
    ]
}

async fn buckets(side: &Side) -> Said {
    let s3 = side.s3();
    let get = |key: &str| s3.get_object().bucket(BUCKET).key(key);
    let whole = get("a/b/3.json").send().await.unwrap();
    let (length, metadata, tag) = (whole.content_length, whole.metadata.clone(), whole.e_tag.clone().unwrap());
    let part = get("a/b/3.json").range("bytes=2-4").if_match(&tag).send().await.unwrap();
    let range = part.content_range.clone();
    let text = |body: aws_sdk_s3::primitives::AggregatedBytes| String::from_utf8(body.to_vec()).unwrap();
    let (whole, part) = (text(whole.body.collect().await.unwrap()), text(part.body.collect().await.unwrap()));
    vec![
        ("everything", side.listed(|call| call).await),
        ("a folder", side.listed(|call| call.prefix("a/")).await),
        ("one level", side.listed(|call| call.delimiter("/")).await),
        ("one level of a folder", side.listed(|call| call.prefix("a/").delimiter("/")).await),
        ("behind a key", side.listed(|call| call.start_after("a/2.json")).await),
        ("behind a key that is not there", side.listed(|call| call.start_after("a/b")).await),
        ("two at a time", side.listed(|call| call.max_keys(2)).await),
        ("an object", json!([whole, length, metadata])),
        ("a part of one", json!([part, range])),
        ("another one by then", code(get("a/b/3.json").if_match("\"00\"").send().await)),
        ("a part beyond the end", code(get("z.json").range("bytes=100-200").send().await)),
        ("no such object", code(get("nobody").send().await)),
        ("no such bucket", code(s3.list_objects_v2().bucket("likeness-nobody").send().await)),
    ]
}

async fn the_rest(side: &Side) -> Said {
    let trails = aws_sdk_cloudtrail::Client::new(&side.config);
    let secrets = aws_sdk_secretsmanager::Client::new(&side.config);
    let parameters = aws_sdk_ssm::Client::new(&side.config);
    let buses = aws_sdk_eventbridge::Client::new(&side.config);
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder();
    let entry = entry.source("likeness").detail_type("Sample").detail("{}").build();
    let put = buses.put_events().entries(entry).send().await.unwrap();
    vec![
        ("trails, of none", json!(trails.describe_trails().send().await.unwrap().trail_list().len())),
        ("the state of no trail", code(trails.get_trail_status().name("nobody").send().await)),
        ("no such secret", code(secrets.get_secret_value().secret_id("nobody").send().await)),
        ("no such parameter", code(parameters.get_parameter().name("/nobody").send().await)),
        ("an event put on a bus", json!([put.failed_entry_count(), put.entries().len()])),
        ("no such rule", code(buses.describe_rule().name("nobody").send().await)),
    ]
}

/// Requests to which the answers differ, with the reason.
const DIFFERENT: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stand_in_answers_moto_answers_too() {
    let Some((_moto, endpoint, [theirs, ours])) = sides().await else { return };
    let mut differences = Vec::new();
    let mut compare = |service: &str, theirs: Said, ours: Said| {
        for ((name, theirs), (_, ours)) in theirs.into_iter().zip(ours) {
            let is_known = DIFFERENT.iter().any(|(known, _)| *known == name);
            if (theirs == ours) == is_known {
                differences.push(format!("{service}: {name}:\n  moto     {theirs}\n  stand-in {ours}"));
            }
        }
    };
    compare("logs", logs(&theirs).await, logs(&ours).await);
    compare("sqs", queues(&theirs).await, queues(&ours).await);
    compare("s3", buckets(&theirs).await, buckets(&ours).await);
    compare("others", the_rest(&theirs).await, the_rest(&ours).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    endpoint.stop().await;
}
