//! History out of a bucket: which keys are listed and read, in which order, and what is told of the rest.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use trailwatch::decode::Limits;
use trailwatch::engine::RuleSet;
use trailwatch::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary};
use trailwatch::sim::{Endpoint, Fault, Faults, REGION};
use trailwatch::source::s3::{Objects, Settings, local_connector};
use trailwatch::source::{Source, SourceError};
use trailwatch::store::MemoryStore;

use super::notices::Notices;
use super::sqs::patiently;

const BUCKET: &str = "trail-bucket";

/// A stand-in endpoint with one empty bucket.
struct Lab {
    endpoint: Endpoint,
    notices: Notices,
}

impl Lab {
    async fn new() -> Self {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.buckets().create(BUCKET);
        Self { endpoint, notices: Notices::default() }
    }

    /// Puts objects that hold their own keys.
    async fn with(keys: &[&str]) -> Self {
        let lab = Self::new().await;
        keys.iter().for_each(|key| lab.endpoint.buckets().put(BUCKET, key, key.to_string()));
        lab
    }

    fn faults(&self) -> &Faults {
        self.endpoint.logs().faults()
    }

    fn source(&self, settings: Settings) -> Objects {
        Objects::new(settings, local_connector(self.endpoint.url(), REGION), self.notices.notify())
    }

    /// The keys that are read, in their order.
    async fn read(&self, settings: Settings) -> Vec<String> {
        let (source, mut keys) = (self.source(settings), Vec::new());
        while let Some(batch) = patiently(source.next()).await.unwrap() {
            for delivery in batch {
                assert_eq!(delivery.origin.to_string(), format!("s3://{BUCKET}/{}", text(&delivery.body)));
                keys.push(text(&delivery.body));
            }
        }
        keys
    }

    /// The prefixes that were listed.
    fn listed(&self) -> HashSet<String> {
        let requests = self.endpoint.logs().requests().into_iter();
        let lists = requests.filter(|request| request.operation == "ListObjectsV2");
        lists.map(|request| request.body["Parameters"]["prefix"].as_str().unwrap_or("").to_owned()).collect()
    }

    async fn refusal(&self, settings: Settings) -> String {
        match patiently(self.source(settings).next()).await {
            Err(SourceError::Refused(text)) => text,
            other => panic!("expected an error, got {} deliveries", other.unwrap().map_or(0, |batch| batch.len())),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn under(prefix: &str) -> Settings {
    Settings::of_url(&format!("s3://{BUCKET}/{prefix}")).unwrap()
}

fn ms(time: &str) -> Option<i64> {
    Some(time.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Two accounts of an organisation and one by itself, three days, two regions; and what else lies there.
const TREE: &[&str] = &[
    "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/05/digest.json.gz",
    "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/01/06/insight.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/12/31/a.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/05/b.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/06/c.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/07/d.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/08/e.json.gz",
    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/06/f.json.gz",
    "AWSLogs/111122223333/vpcflowlogs/us-east-1/2026/01/06/flow.log.gz",
    "AWSLogs/o-abc/222233334444/CloudTrail/us-east-1/2026/01/06/g.json.gz",
    "AWSLogs/o-abc/333344445555/CloudTrail/us-east-1/2026/01/09/h.json.gz",
];

fn names(keys: &[String]) -> String {
    keys.iter().map(|key| key.rsplit('/').next().unwrap().split('.').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn everything_of_cloudtrail_is_read_in_the_order_of_its_keys() {
    let lab = Lab::with(TREE).await;
    assert_eq!(names(&lab.read(under("")).await), "insight a b c d e f g h");
    assert!(!lab.listed().iter().any(|prefix| prefix.contains("Digest") || prefix.contains("vpcflow")));
}

#[tokio::test]
async fn only_days_that_are_wanted_are_read() {
    let lab = Lab::with(TREE).await;
    for (name, prefix, since, until, expected) in [
        ("from a day on", "", ms("2026-01-06T10:00:00Z"), None, "insight c d e f g h"),
        ("up to a day, and one for what comes late", "", None, ms("2026-01-05T10:00:00Z"), "insight a b c f g"),
        ("a day", "", ms("2026-01-05T00:00:00Z"), ms("2026-01-05T23:00:00Z"), "insight b c f g"),
        ("an organisation", "AWSLogs/o-abc/", ms("2026-01-07T00:00:00Z"), None, "h"),
        ("a region", "AWSLogs/111122223333/CloudTrail/eu-west-1/", ms("2026-01-07T00:00:00Z"), None, "d e"),
        ("a month", "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/", ms("2026-01-07T00:00:00Z"), None, "d e"),
        ("a part of a name", "AWSLogs/111122223333/CloudTrail/eu-", ms("2026-01-07T00:00:00Z"), None, "d e"),
        ("one key", TREE[3], None, None, "b"),
        ("after everything", "", ms("2027-01-01T00:00:00Z"), None, ""),
    ] {
        let settings = Settings { since_ms: since, until_ms: until, ..under(prefix) };
        assert_eq!(names(&lab.read(settings).await), expected, "{name}");
    }
}

#[tokio::test]
async fn days_before_are_not_even_listed() {
    let lab = Lab::new().await;
    let key = |day: u32, n: u32| format!("AWSLogs/1/CloudTrail/eu-west-1/2026/01/{day:02}/{n}.json.gz");
    for day in 1..=31 {
        (0..10).for_each(|n| lab.endpoint.buckets().put(BUCKET, &key(day, n), key(day, n)));
    }
    lab.endpoint.buckets().set_page_max(10);
    let settings = Settings { since_ms: ms("2026-01-20T00:00:00Z"), until_ms: ms("2026-01-20T12:00:00Z"), ..under("") };
    let source = lab.source(settings.clone());
    let read = lab.read(settings).await;
    assert_eq!(read, (20..=21).flat_map(|day| (0..10).map(move |n| key(day, n))).collect::<Vec<_>>());
    // Four folders on the way, two pages of wanted keys, and one that says that the day is over.
    assert_eq!(lab.endpoint.logs().calls("ListObjectsV2"), 7);
    assert_eq!(source.report().passed_over, 0);
}

#[tokio::test]
async fn other_trees_are_read_by_the_end_of_the_name() {
    let lab = Lab::with(&["copies/2020/a.json", "copies/2021/b.json.gz", "copies/readme.md", "z.ndjson"]).await;
    assert_eq!(lab.read(under("")).await, ["copies/2020/a.json", "copies/2021/b.json.gz", "z.ndjson"]);
    assert_eq!(lab.read(under("copies/2021")).await, ["copies/2021/b.json.gz"]);
    assert!(lab.read(under("nothing/")).await.is_empty());
    insta::assert_snapshot!(lab.notices.text(), @"there is no object to read under s3://trail-bucket/nothing/");
}

#[tokio::test]
async fn the_order_is_the_same_whatever_goes_wrong() {
    let keys: Vec<String> = (0..60).map(|n| format!("AWSLogs/1/CloudTrail/r/2026/01/05/{n:03}.json.gz")).collect();
    let lab = Lab::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    lab.endpoint.buckets().set_page_max(7);
    lab.faults().set_every_for("GetObject", 4, Fault::TruncatedBody);
    for fault in [Fault::Throttle, Fault::unavailable(), Fault::Reset] {
        lab.faults().next_for("ListObjectsV2", fault.clone());
        lab.faults().next_for("GetObject", fault);
    }
    let source = lab.source(under(""));
    let mut read = Vec::new();
    while let Some(batch) = patiently(source.next()).await.unwrap() {
        read.extend(batch.iter().map(|delivery| text(&delivery.body)));
    }
    assert_eq!(read, keys);
    let report = source.report();
    assert_eq!((report.objects, report.unreadable, report.throttles), (60, 0, 2));
    let bytes = keys.iter().map(|key| key.len() as u64).sum::<u64>();
    assert_eq!((source.progress().read_bytes(), source.progress().total_bytes()), (bytes, bytes));
    assert_eq!(source.progress().files(), 60);
}

#[tokio::test]
async fn no_more_objects_are_fetched_at_once_than_the_bound() {
    let keys: Vec<String> = (0..30).map(|n| format!("{n:02}.json")).collect();
    let lab = Lab::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let source = lab.source(Settings { objects_at_once: 5, ..under("") });
    for taken in 1..=30 {
        patiently(source.next()).await.unwrap();
        let calls = lab.endpoint.logs().calls("GetObject");
        assert!(calls <= taken + 4, "{calls} calls for {taken} objects");
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_and_the_others_are_read() {
    let lab = Lab::with(&["a.json", "b.json", "c.json", "d.json"]).await;
    lab.faults().next_for("GetObject", Fault::error(404, "NoSuchKey", "The specified key does not exist."));
    lab.faults().next_for("GetObject", Fault::error(403, "AccessDenied", "Access Denied"));
    let source = lab.source(Settings { objects_at_once: 1, ..under("") });
    let mut read = Vec::new();
    while let Some(batch) = patiently(source.next()).await.unwrap() {
        read.extend(batch.iter().map(|delivery| text(&delivery.body)));
    }
    assert_eq!((read, source.report().unreadable), (vec!["c.json".to_owned(), "d.json".to_owned()], 2));
    insta::assert_snapshot!(lab.notices.text(), @r##"
    cannot read `s3://trail-bucket/a.json`: NoSuchKey: The specified key does not exist.
    cannot read `s3://trail-bucket/b.json`: AccessDenied: Access Denied (allow `s3:GetObject` on `arn:aws:s3:::trail-bucket/*`, and `kms:Decrypt` on its key if it is encrypted by one)
    "##);
}

#[tokio::test]
async fn a_bucket_in_another_region_is_read_there() {
    let lab = Lab::with(&["a.json"]).await;
    let elsewhere = Fault::error(400, "AuthorizationHeaderMalformed", "the region is wrong");
    lab.faults().next_for("ListObjectsV2", elsewhere.clone());
    assert_eq!(lab.read(under("")).await, ["a.json"]);
    assert_eq!(lab.endpoint.logs().calls("ListObjectsV2"), 2);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_an_error_that_helps() {
    let lab = Lab::new().await;
    let mut errors = Vec::new();
    for bucket in ["trial-bucket", "elsewhere"] {
        errors.push(lab.refusal(Settings::of_url(&format!("s3://{bucket}")).unwrap()).await);
    }
    for fault in [Fault::access_denied(), Fault::expired_token(), Fault::error(400, "InvalidRequest", "no")] {
        lab.faults().next_for("ListObjectsV2", fault);
        errors.push(lab.refusal(under("a/")).await);
    }
    errors.push(lab.refusal(Settings { bucket_owner: Some("444455556666".into()), ..under("") }).await);
    insta::assert_snapshot!(errors.join("\n"), @r##"
    no bucket `trial-bucket` (did you mean `trail-bucket`?)
    no bucket `elsewhere` (`aws s3 ls` lists yours)
    not allowed to list s3://trail-bucket/a/: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `s3:ListBucket` on `arn:aws:s3:::trail-bucket`)
    the credentials for bucket `trail-bucket` are not accepted: ExpiredTokenException: The security token included in the request is expired (renew them, with single sign-on by `aws sso login`; `--profile` chooses others)
    S3 refuses to list s3://trail-bucket/a/: InvalidRequest: no
    not allowed to list s3://trail-bucket/: AccessDenied: Access Denied (allow `s3:ListBucket` on `arn:aws:s3:::trail-bucket`; or it is not account 444455556666's)
    "##);
}

#[test]
fn urls_of_buckets() {
    let read = |url: &str| Settings::of_url(url).map(|settings| (settings.bucket, settings.prefix));
    assert_eq!(read("s3://bucket"), Some(("bucket".into(), "".into())));
    assert_eq!(read("s3://bucket/a/b"), Some(("bucket".into(), "a/b".into())));
    for url in ["s3://", "s3:///a", "https://bucket", "s3://a b/c", "s3://xy"] {
        assert_eq!(read(url), None, "{url}");
    }
}

/// The same event lies under two regions, as that of a global service does.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_lies_there_twice_counts_once() {
    let lab = Lab::new().await;
    for (n, region) in ["eu-west-1", "us-east-1", "us-west-2"].iter().enumerate() {
        let record = |n: usize| {
            json!({"eventVersion": "1.11", "eventName": "Fire", "recipientAccountId": "111122223333",
                   "eventID": format!("e0000000-0000-4000-8000-{n:012}")})
        };
        let key = format!("AWSLogs/111122223333/CloudTrail/{region}/2026/01/05/x.json");
        let records: Vec<_> = (n..n + 2).map(record).collect();
        lab.endpoint.buckets().put(BUCKET, &key, json!({"Records": records}).to_string());
    }
    let summary = run(lab.source(under(""))).await;
    assert_eq!((summary.events(), summary.duplicates, summary.rejects), (4, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_under_the_key_of_another_account_is_counted_and_told() {
    let lab = Lab::new().await;
    let record = |account: &str, n: usize| json!({"eventVersion": "1.11", "recipientAccountId": account, "eventID": format!("e0000000-0000-4000-8000-{n:012}")});
    let records =
        json!({"Records": [record("111122223333", 1), record("444455556666", 2), json!({"eventVersion": "1.11"})]});
    let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/05/x.json";
    lab.endpoint.buckets().put(BUCKET, key, records.to_string());
    lab.endpoint.buckets().put(BUCKET, "elsewhere.json", record("444455556666", 3).to_string());
    let summary = run(lab.source(under(""))).await;
    assert_eq!((summary.events(), summary.misplaced), (4, 1));
}

/// Runs to the end, without rules.
pub async fn run(source: Objects) -> Summary {
    run_all(vec![Arc::new(source)]).await
}

/// The same of several sources.
pub async fn run_all(sources: Vec<Arc<dyn Source>>) -> Summary {
    let pipeline = Pipeline {
        rules: Arc::new(RuleSet::new(Vec::new())),
        filter: None,
        sources,
        accounts: Accounts::default(),
        store: Box::new(MemoryStore::default()),
        sinks: Vec::new(),
        couriers: None,
        tap: None,
        limits: Limits::default(),
        bounds: Bounds::default(),
        notify: Arc::new(|_| {}),
        stop: CancellationToken::new(),
    };
    let (summary, ended) = patiently(pipeline.run()).await;
    assert_eq!(ended, Ended::Finished);
    summary
}
