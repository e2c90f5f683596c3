//! Digests: every way to tamper with a trail's files is found and named, and what is as it was delivered is clean.

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use trailwatch::sim::{Endpoint, Fault, REGION, Trails};
use trailwatch::source::SourceError;
use trailwatch::source::archive::{Archive, Copy};
use trailwatch::source::aws::public_keys::FindKeys;
use trailwatch::source::s3::{Bucket, Settings, local_connector};
use trailwatch::verify::report::{ChainReport, Problem, Report};
use trailwatch::verify::{Keys, Range, Verifier};

use super::sqs::patiently;
use super::trail_tree::{ACCOUNT, BUCKET, File, OTHER, SIGNER, Tree, at, gunzip, gzip};

/// Four hours of a trail, with the keys of what is in it.
#[derive(Clone)]
struct Day {
    tree: Tree,
    logs: Vec<String>,
    digests: Vec<String>,
}

fn record(number: usize) -> Value {
    json!({"eventVersion": "1.11", "eventName": "Fire", "recipientAccountId": ACCOUNT,
           "eventID": format!("e0000000-0000-4000-8000-{number:012}")})
}

/// Two log files in each of the hours 0, 1 and 3; hour 2 is empty.
fn day() -> Day {
    day_in(Tree::new("AWSLogs/", "eu-west-1"))
}

fn day_in(mut tree: Tree) -> Day {
    let (mut logs, mut digests) = (Vec::new(), Vec::new());
    for hour in 0..4 {
        let of_hour = if hour == 2 { 0..0 } else { 0..2 };
        let named: Vec<String> = of_hour
            .map(|n| {
                tree.log(&format!("{hour:02}:{}", 15 + 20 * n), &format!("log{hour}{n}"), &[record(hour * 10 + n)])
            })
            .collect();
        digests.push(tree.digest(hour as u32, &named.iter().map(String::as_str).collect::<Vec<_>>()));
        logs.extend(named);
    }
    Day { tree, logs, digests }
}

/// What is found an hour after the last digest.
async fn verified(archive: Arc<dyn Archive>, keys: Keys, range: Range, prefix: &str) -> Report {
    verified_at("2026-01-05T05:00:00Z", archive, keys, range, prefix).await
}

async fn verified_at(now: &str, archive: Arc<dyn Archive>, keys: Keys, range: Range, prefix: &str) -> Report {
    patiently(Verifier::new(archive, keys, range, at(now)).verify(prefix, |_, _| {})).await.unwrap()
}

async fn bucket(endpoint: &Endpoint) -> Arc<dyn Archive> {
    let settings = Settings::of_url(&format!("s3://{BUCKET}")).unwrap();
    Arc::new(Bucket::new(settings, &local_connector(endpoint.url(), REGION)).await.unwrap())
}

/// What is found in a bucket that holds the tree.
async fn in_bucket(tree: &Tree, range: Range) -> Report {
    let endpoint = Endpoint::start().await.unwrap();
    tree.deliver(endpoint.buckets());
    verified(bucket(&endpoint).await, Keys::given(vec![SIGNER.known()]), range, "").await
}

/// What is found in a copy of the tree.
async fn in_copy(tree: &Tree) -> Report {
    let folder = tempfile::tempdir().unwrap();
    tree.copy_to(folder.path());
    let copy = Copy::new(folder.path()).unwrap();
    verified(Arc::new(copy), Keys::given(vec![SIGNER.known()]), Range::default(), "").await
}

/// The end of a key's name that tells it from others: `log10`, `20260105T010507Z`.
fn short(place: &str) -> &str {
    let name = place.rsplit('/').next().unwrap();
    match name.trim_end_matches(".json.gz").rsplit_once("_us-east-1_") {
        Some((_, time)) => time,
        None => name.trim_end_matches(".json.gz").rsplit('_').next().unwrap(),
    }
}

fn told(report: &Report) -> Vec<String> {
    let kind = |problem: &Problem| serde_json::to_value(problem.kind).unwrap().as_str().unwrap().to_owned();
    let mut told: Vec<String> =
        report.problems.iter().map(|problem| format!("{} {}", kind(problem), short(&problem.place))).collect();
    told.sort();
    told
}

/// A way to tamper, its name, and what is found in the bucket and, if that is something else, in a copy.
type Tampering = (&'static str, fn(&mut Day), &'static [&'static str], Option<&'static [&'static str]>);

const TAMPERINGS: &[Tampering] = &[
    ("nothing", |_| {}, &[], None),
    (
        "a log file was changed",
        |day| day.tree.change(&day.logs[2].clone(), |text| text.replace("Fire", "Calm")),
        &["log-changed log10"],
        None,
    ),
    (
        "something was appended to a log file",
        |day| {
            let more = gzip(json!({"Records": [record(99)]}).to_string().as_bytes());
            day.tree.files.get_mut(&day.logs[2]).unwrap().bytes.extend(more);
        },
        &["log-changed log10"],
        None,
    ),
    (
        "a log file was cut off",
        |day| day.tree.files.get_mut(&day.logs[2]).unwrap().bytes.truncate(30),
        &["log-changed log10"],
        None,
    ),
    ("a log file was deleted", |day| drop(day.tree.files.remove(&day.logs[2])), &["log-missing log10"], None),
    (
        "a log file was put there",
        |day| drop(day.tree.log("01:40", "forged", &[record(99)])),
        &["log-unnamed forged"],
        None,
    ),
    (
        "a digest was changed, to hide a log file that was deleted",
        |day| {
            let name = day.logs[2].clone();
            day.tree.files.remove(&name);
            day.tree.change(&day.digests[1].clone(), |text| text.replace(&name, "AWSLogs/none"));
        },
        &["log-unnamed log11", "signature-wrong 20260105T020507Z"],
        None,
    ),
    (
        "a digest was deleted",
        |day| drop(day.tree.files.remove(&day.digests[1])),
        &["digest-missing 20260105T020507Z", "log-unnamed log10", "log-unnamed log11"],
        None,
    ),
    (
        "an empty digest was deleted",
        |day| drop(day.tree.files.remove(&day.digests[2])),
        &["digest-missing 20260105T030507Z"],
        None,
    ),
    (
        "the first digest was deleted",
        |day| drop(day.tree.files.remove(&day.digests[0])),
        &["digest-missing 20260105T010507Z", "log-unnamed log00", "log-unnamed log01"],
        None,
    ),
    (
        "a digest is no digest",
        |day| day.tree.files.get_mut(&day.digests[2]).unwrap().bytes = b"{}".to_vec(),
        &["digest-unreadable 20260105T030507Z"],
        None,
    ),
    (
        "a signature was replaced by another one",
        |day| {
            let other = day.tree.files[&day.digests[0]].metadata["signature"].clone();
            day.tree.files.get_mut(&day.digests[2]).unwrap().metadata.insert("signature".into(), other);
        },
        &["signature-wrong 20260105T030507Z"],
        Some(&[]),
    ),
    (
        "a signature is no hexadecimal",
        |day| {
            day.tree.files.get_mut(&day.digests[2]).unwrap().metadata.insert("signature".into(), "zz".into());
        },
        &["signature-wrong 20260105T030507Z"],
        Some(&[]),
    ),
    (
        "a signature is gone",
        |day| day.tree.files.get_mut(&day.digests[2]).unwrap().metadata.clear(),
        &["signature-missing 20260105T030507Z"],
        Some(&[]),
    ),
    (
        "a digest was signed anew with a key that nobody knows",
        |day| {
            let mut tree = Tree::new("AWSLogs/", "eu-west-1");
            tree.sign_with(&OTHER);
            let forged = day_in(tree);
            day.tree.files.insert(day.digests[3].clone(), forged.tree.files[&day.digests[3]].clone());
        },
        &["key-unknown 20260105T040507Z", "log-unnamed log30", "log-unnamed log31"],
        None,
    ),
    (
        "an older digest lies in the place of another",
        |day| {
            let older = day.tree.files[&day.digests[1]].clone();
            day.tree.files.insert(day.digests[2].clone(), older);
        },
        &["digest-moved 20260105T030507Z"],
        None,
    ),
    (
        "everything of an hour was deleted, and the log files with it",
        |day| {
            day.tree.files.remove(&day.digests[1]);
            day.logs[2..4].iter().for_each(|key| drop(day.tree.files.remove(key)));
        },
        &["digest-missing 20260105T020507Z"],
        None,
    ),
    (
        "every digest was deleted",
        |day| day.digests.iter().for_each(|key| drop(day.tree.files.remove(key))),
        &["no-digests "],
        None,
    ),
    (
        "the last digests were deleted",
        |day| day.digests[1..].iter().for_each(|key| drop(day.tree.files.remove(key))),
        &["chain-ends ", "log-unnamed log10", "log-unnamed log11", "log-unnamed log30", "log-unnamed log31"],
        Some(&[
            "log-unnamed log10",
            "log-unnamed log11",
            "log-unnamed log30",
            "log-unnamed log31",
            "signature-missing 20260105T010507Z",
        ]),
    ),
    (
        "the last digests were deleted, and the log files with them",
        |day| {
            day.digests[2..].iter().chain(&day.logs[4..]).for_each(|key| drop(day.tree.files.remove(key)));
        },
        &["chain-ends "],
        // A copy is as old as it is.
        Some(&[]),
    ),
    (
        "a log file was put there under a name of another day",
        |day| {
            let key = day.tree.log("01:40", "forged", &[record(99)]);
            let file = day.tree.files.remove(&key).unwrap();
            day.tree.files.insert(key.replace("20260105T", "20200101T"), file);
        },
        &["log-unnamed forged"],
        None,
    ),
    (
        "a log file was put into no day's folder",
        |day| {
            let key = day.tree.log("01:40", "forged", &[record(99)]);
            let file = day.tree.files.remove(&key).unwrap();
            day.tree.files.insert(key.replace("2026/01/05/", ""), file);
        },
        &["log-unnamed forged"],
        None,
    ),
    (
        "a digest of another bucket was put into the place of one",
        |day| day.tree.change(&day.digests[1].clone(), |text| text.replace(BUCKET, "other-bucket")),
        &["digest-moved 20260105T020507Z", "log-unnamed log10", "log-unnamed log11"],
        None,
    ),
    (
        "the newest digest is one of another bucket",
        |day| day.tree.change(&day.digests[3].clone(), |text| text.replace(BUCKET, "zzz-bucket")),
        &["digest-moved 20260105T040507Z", "log-unnamed log30", "log-unnamed log31"],
        None,
    ),
    (
        "half of the digests are those of another bucket",
        |day| {
            for at in [2, 3] {
                day.tree.change(&day.digests[at].clone(), |text| text.replace(BUCKET, "zzz-bucket"));
            }
        },
        &[
            "chain-ends ",
            "digest-moved 20260105T030507Z",
            "digest-moved 20260105T040507Z",
            "log-unnamed log30",
            "log-unnamed log31",
        ],
        // A copy is as old as it is.
        Some(&[
            "digest-moved 20260105T030507Z",
            "digest-moved 20260105T040507Z",
            "log-unnamed log30",
            "log-unnamed log31",
        ]),
    ),
    (
        "everything was forged, and no digest names one before it",
        |day| {
            let mut tree = Tree::new("AWSLogs/", "eu-west-1");
            for hour in 0..3 {
                tree.pause();
                let log = tree.log(&format!("{hour:02}:15"), &format!("forged{hour}"), &[record(hour)]);
                tree.digest(hour as u32, &[&log]);
            }
            tree.files.values_mut().for_each(|file| file.metadata.retain(|name, _| name != "signature"));
            *day = Day { tree, logs: Vec::new(), digests: Vec::new() };
        },
        &[
            "log-unnamed forged0",
            "log-unnamed forged1",
            "log-unnamed forged2",
            "signature-missing 20260105T010507Z",
            "signature-missing 20260105T020507Z",
            "signature-missing 20260105T030507Z",
        ],
        // The newest could be a real one.
        Some(&[
            "log-unnamed forged0",
            "log-unnamed forged1",
            "signature-missing 20260105T010507Z",
            "signature-missing 20260105T020507Z",
            "signature-missing 20260105T030507Z",
        ]),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_is_found_and_named() {
    for (name, tamper, in_a_bucket, in_a_copy) in TAMPERINGS {
        let mut day = day();
        tamper(&mut day);
        assert_eq!(told(&in_bucket(&day.tree, Range::default()).await), *in_a_bucket, "{name}, in a bucket");
        assert_eq!(told(&in_copy(&day.tree).await), in_a_copy.unwrap_or(in_a_bucket), "{name}, in a copy");
    }
}

fn chain() -> ChainReport {
    ChainReport {
        account: ACCOUNT.into(),
        region: "eu-west-1".into(),
        trail: "main".into(),
        home_region: "us-east-1".into(),
        backfill: false,
        digests: 4,
        digests_good: 4,
        digests_unsigned: 0,
        logs: 6,
        logs_good: 6,
        logs_unsigned: 0,
        from: Some(at("2026-01-05T00:05:07Z")),
        to: Some(at("2026-01-05T04:05:07Z")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_it_was_delivered_is_clean_and_counted() {
    let report = in_bucket(&day().tree, Range::default()).await;
    assert_eq!(report, Report { chains: vec![chain()], ..Report::default() });
    let report = in_copy(&day().tree).await;
    let unsigned = ChainReport { digests_good: 3, digests_unsigned: 1, logs_good: 4, logs_unsigned: 2, ..chain() };
    assert_eq!(report, Report { chains: vec![unsigned], ..Report::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_trail_is_a_gap_and_what_was_delivered_in_it_is_vouched_for_by_nobody() {
    let mut day = day();
    day.tree.pause();
    day.tree.log("05:00", "within", &[]);
    let after = day.tree.log("06:30", "after", &[]);
    day.tree.digest(6, &[&after]);
    let report = in_bucket(&day.tree, Range::default()).await;
    assert_eq!(told(&report), ["gap 20260105T070507Z", "log-unnamed within"]);
    assert!(report.problems[0].text.contains("from 2026-01-05T04:05:07Z to 2026-01-05T06:05:07Z"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_too_late_is_vouched_for_by_a_digest_that_was_made_later() {
    let mut day = day();
    let late = day.tree.log("01:50", "late", &[record(50)]);
    assert_eq!(told(&in_bucket(&day.tree, Range::default()).await), ["log-unnamed late"]);
    let backfill = day.tree.backfill(1, &[&late]);
    let report = in_bucket(&day.tree, Range::default()).await;
    assert_eq!(told(&report), [""; 0]);
    let of_late: Vec<_> = report.chains.iter().filter(|chain| chain.backfill).map(|chain| chain.logs_good).collect();
    assert_eq!(of_late, [1]);
    day.tree.change(&late, |text| text.replace("Fire", "Calm"));
    day.tree.change(&backfill, |text| text.replace(ACCOUNT, "444455556666"));
    assert_eq!(
        told(&in_bucket(&day.tree, Range::default()).await),
        ["digest-moved 20260105T020507Z_backfill", "log-unnamed late"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_time_that_is_asked_for_is_verified() {
    let mut day = day();
    // Wrong at the beginning and at the end, and right in the middle.
    day.tree.change(&day.logs[0].clone(), |text| text.replace("Fire", "Calm"));
    day.tree.files.remove(&day.logs[5]);
    let range = Range { since: Some(at("2026-01-05T01:00:00Z")), until: Some(at("2026-01-05T02:00:00Z")) };
    let report = in_bucket(&day.tree, range).await;
    assert_eq!((told(&report), report.chains[0].logs), (vec![], 2));
    let range = Range { since: Some(at("2026-01-05T03:00:00Z")), until: None };
    assert_eq!(told(&in_bucket(&day.tree, range).await), ["log-missing log31"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_waits_for_its_digest_two_hours_and_no_longer() {
    let mut day = day();
    day.tree.log("04:30", "new", &[record(99)]);
    let endpoint = Endpoint::start().await.unwrap();
    day.tree.deliver(endpoint.buckets());
    let archive = bucket(&endpoint).await;
    for (now, pending, expected) in
        [("05:00", 1, &[][..]), ("06:05", 1, &[]), ("06:06", 0, &["chain-ends ", "log-unnamed new"])]
    {
        let keys = Keys::given(vec![SIGNER.known()]);
        let now = format!("2026-01-05T{now}:00Z");
        let report = verified_at(&now, Arc::clone(&archive), keys, Range::default(), "").await;
        assert_eq!(
            (report.logs_pending, told(&report)),
            (pending, expected.iter().map(|told| (*told).to_owned()).collect()),
            "{now}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_which_nothing_is_left_in_the_time_asked_for_is_told_if_it_was_alive_before() {
    let day = day();
    let endpoint = Endpoint::start().await.unwrap();
    day.tree.deliver(endpoint.buckets());
    let archive = bucket(&endpoint).await;
    for (since, expected) in [("2026-01-06T00:00:00Z", &["chain-ends "][..]), ("2026-01-08T00:00:00Z", &[])] {
        let range = Range { since: Some(at(since)), until: None };
        let keys = Keys::given(vec![SIGNER.known()]);
        let report = verified_at("2026-01-09T00:00:00Z", Arc::clone(&archive), keys, range, "").await;
        assert_eq!(told(&report), expected, "{since}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_keys_cannot_be_had_is_no_end_for_others() {
    let endpoint = Endpoint::start().await.unwrap();
    day().tree.deliver(endpoint.buckets());
    let planted = "AWSLogs/111122223333/CloudTrail-Digest/zz-nowhere-9/2026/01/05/\
                   111122223333_CloudTrail-Digest_zz-nowhere-9_main_us-east-1_20260105T010507Z.json.gz";
    let real = day().tree.files.into_iter().find(|(key, _)| key.contains("-Digest")).unwrap().1;
    let text = String::from_utf8(gunzip(&real.bytes)).unwrap();
    let digest: Value = serde_json::from_str(&text).unwrap();
    let text = text.replace(digest["digestS3Object"].as_str().unwrap(), planted);
    endpoint.buckets().put(BUCKET, planted, gzip(text.as_bytes()));
    let find: FindKeys = Arc::new(|region, _, _| {
        Box::pin(async move {
            match &*region {
                "eu-west-1" => Ok(vec![SIGNER.known()]),
                _ => Err(SourceError::Refused("no such region".to_owned())),
            }
        })
    });
    let archive = bucket(&endpoint).await;
    let report = verified(Arc::clone(&archive), Keys::asked_for(Arc::clone(&find)), Range::default(), "").await;
    assert_eq!((told(&report), report.chains), (vec!["key-unavailable ".to_owned()], vec![chain()]));
    let only = Verifier::new(archive, Keys::asked_for(find), Range::default(), at("2026-01-05T05:00:00Z"));
    let prefix = "AWSLogs/111122223333/CloudTrail-Digest/zz-nowhere-9/";
    let nothing = only.verify(prefix, |_, _| {}).await.unwrap_err();
    assert_eq!(nothing, SourceError::Refused("no such region".to_owned()));
}

/// A digest that nobody signed, with a real fingerprint, named for the end of time: CloudTrail refuses to look for keys of then.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_time_in_a_digest_is_its_own_problem_only() {
    let mut day = day();
    let text = String::from_utf8(gunzip(&day.tree.files[&day.digests[3]].bytes)).unwrap();
    let planted = day.digests[3].replace("20260105T040507Z", "29990105T040507Z");
    let text = text.replace(&day.digests[3], &planted).replace("2026-01-05T0", "2999-01-05T0");
    day.tree.files.insert(planted, File { bytes: gzip(text.as_bytes()), ..File::default() });
    day.tree.files.remove(&day.digests[3]);
    day.logs[4..].iter().for_each(|key| drop(day.tree.files.remove(key)));
    let endpoint = Endpoint::start().await.unwrap();
    day.tree.deliver(endpoint.buckets());
    let find: FindKeys = Arc::new(|_, from, _| {
        let is_future = from > at("2026-01-06T00:00:00Z").as_second();
        let keys =
            if is_future { Err(SourceError::Refused("no such time".to_owned())) } else { Ok(vec![SIGNER.known()]) };
        Box::pin(std::future::ready(keys))
    });
    let now = "2026-01-05T06:00:00Z";
    let report = verified_at(now, bucket(&endpoint).await, Keys::asked_for(find), Range::default(), "").await;
    assert_eq!(told(&report), ["chain-ends ", "key-unknown 29990105T040507Z"]);
    assert_eq!((report.chains[0].digests, report.chains[0].digests_good), (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_regions_and_prefixes_are_told_apart() {
    let endpoint = Endpoint::start().await.unwrap();
    let archive = bucket(&endpoint).await;
    for (above, region) in [("AWSLogs/", "eu-west-1"), ("AWSLogs/o-abc/", "eu-west-1"), ("a/AWSLogs/", "us-east-1")] {
        let mut day = day_in(Tree::new(above, region));
        if above == "a/AWSLogs/" {
            day.tree.files.remove(&day.logs[0]);
        }
        day.tree.deliver(endpoint.buckets());
    }
    for (prefix, chains, problems) in [
        ("", 3, 1),
        ("AWSLogs/", 2, 0),
        ("AWSLogs/o-abc/", 1, 0),
        ("a/", 1, 1),
        ("a/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/", 1, 1),
        ("a/AWSLogs/111122223333/CloudTrail/eu-west-1/", 0, 0),
        ("b/", 0, 0),
    ] {
        let keys = Keys::given(vec![SIGNER.known()]);
        let report = verified(Arc::clone(&archive), keys, Range::default(), prefix).await;
        assert_eq!((report.chains.len(), report.problems.len()), (chains, problems), "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_part_is_verified_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let mut day = day();
    day.tree.files.remove(&day.logs[0]);
    day.tree.copy_to(&folder.path().join("elsewhere"));
    for below in ["", "elsewhere", "elsewhere/AWSLogs", "elsewhere/AWSLogs/111122223333/CloudTrail/eu-west-1"] {
        let copy = Copy::new(&folder.path().join(below)).unwrap();
        let prefix = copy.prefix().to_owned();
        let report = verified(Arc::new(copy), Keys::given(vec![SIGNER.known()]), Range::default(), &prefix).await;
        assert_eq!(told(&report), ["log-missing log00"], "{below}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_the_way_is_tried_again() {
    let endpoint = Endpoint::start().await.unwrap();
    day().tree.deliver(endpoint.buckets());
    endpoint.buckets().set_page_max(2);
    let faults = endpoint.logs().faults();
    faults.set_every_for("GetObject", 4, Fault::TruncatedBody);
    for fault in [Fault::Throttle, Fault::unavailable(), Fault::Reset] {
        faults.next_for("ListObjectsV2", fault.clone());
        faults.next_for("GetObject", fault);
    }
    let report = verified(bucket(&endpoint).await, Keys::given(vec![SIGNER.known()]), Range::default(), "").await;
    assert_eq!(report, Report { chains: vec![chain()], ..Report::default() });
}

/// What comes of the binary, against the stand-in.
pub async fn trailwatch(endpoint: &Endpoint, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = binary(endpoint);
    command.args(args);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The binary, in a world with nothing in it but the stand-in.
pub fn binary(endpoint: &Endpoint) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.env_clear().env("AWS_ENDPOINT_URL", endpoint.url()).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", "AKIDLOCAL").env("AWS_SECRET_ACCESS_KEY", "local");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_by_region_and_time() {
    let endpoint = Endpoint::start().await.unwrap();
    let keys: &Trails = endpoint.trails();
    let mut day = day();
    let late = day.tree.log("01:50", "late", &[record(50)]);
    // Made two days later, when another key was in use.
    day.tree.sign_with(&OTHER);
    day.tree.backfill(1, &[&late]);
    day.tree.deliver(endpoint.buckets());
    let url = format!("s3://{BUCKET}/");
    keys.put_public_key(SIGNER.of_day(5));
    let (code, out, _) = trailwatch(&endpoint, &["verify", &url, "--until", "2026-01-05T04:05:00Z"]).await;
    assert!(code == Some(1) && out.contains("nobody knows the public key `00000000000000000000000000000000`"), "{out}");
    keys.put_public_key(OTHER.of_day(7));
    let before = endpoint.logs().calls("ListPublicKeys");
    let (code, out, err) = trailwatch(&endpoint, &["verify", &url, "--until", "2026-01-05T04:05:00Z"]).await;
    assert_eq!((code, endpoint.logs().calls("ListPublicKeys") - before), (Some(0), 2), "{out}{err}");
    insta::assert_snapshot!(out, @r"
    111122223333 eu-west-1 main: 4 of 4 digests good; 6 of 6 log files good; 2026-01-05T00:05:07Z to 2026-01-05T04:05:07Z
    111122223333 eu-west-1 main (backfill): 1 of 1 digest good; 1 of 1 log file good; 2026-01-05T01:05:07Z to 2026-01-05T02:05:07Z
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_tells_what_is_wrong_for_people_and_for_programs() {
    let endpoint = Endpoint::start().await.unwrap();
    let mut day = day();
    day.tree.files.remove(&day.logs[1]);
    day.tree.change(&day.logs[2].clone(), |text| text.replace("Fire", "Calm"));
    day.tree.files.remove(&day.digests[2]);
    day.tree.files.insert("AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/05/x.json.gz".into(), File::default());
    day.tree.deliver(endpoint.buckets());
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, SIGNER.listed()).unwrap();
    let (url, keys) = (format!("s3://{BUCKET}/AWSLogs"), keys.to_str().unwrap());
    let (code, out, _) =
        trailwatch(&endpoint, &["verify", &url, "--until", "2026-01-05T04:05:00Z", "--public-keys", keys]).await;
    assert_eq!((code, endpoint.logs().calls("ListPublicKeys")), (Some(1), 0));
    let out =
        out.replace("s3://trail-bucket/AWSLogs/111122223333", "…").replace("/eu-west-1/2026/01/05/111122223333", "");
    let out =
        out.replace("s3://trail-bucket/AWSLogs/111122223333", "…").replace("/eu-west-1/2026/01/05/111122223333", "");
    insta::assert_snapshot!(out, @r"
    …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T030507Z.json.gz: it is not there; …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T040507Z.json.gz names it as the one before it
    …/CloudTrail_CloudTrail_eu-west-1_20260105T0035Z_log01.json.gz: it is not there; …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T010507Z.json.gz names it
    …/CloudTrail_CloudTrail_eu-west-1_20260105T0115Z_log10.json.gz: its content was changed: it has not the hash that …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T020507Z.json.gz names
    …/CloudTrail/us-east-1/: there is no digest for any of 1 log files (is validation switched on?)
    111122223333 eu-west-1 main: 3 of 3 digests good; 4 of 6 log files good; 2026-01-05T00:05:07Z to 2026-01-05T04:05:07Z
    ");
    let (code, out, _) = trailwatch(
        &endpoint,
        &["verify", &url, "--until", "2026-01-05T04:05:00Z", "--public-keys", keys, "--format", "json"],
    )
    .await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["problems"].as_array().unwrap().len()), (Some(1), 4));
    assert_eq!(report["problems"][0]["kind"], "digest-missing");
    assert_eq!(report["chains"][0]["logs_good"], 4);

    let (code, _, err) = trailwatch(&endpoint, &["verify", "s3://trial-bucket/", "--public-keys", keys]).await;
    assert!(code == Some(254) && err.contains("did you mean `trail-bucket`?"), "{err}");
    let (code, _, err) =
        trailwatch(&endpoint, &["verify", &format!("s3://{BUCKET}/none/"), "--public-keys", keys]).await;
    assert!(code == Some(1) && err.contains("there is nothing to verify"), "{err}");
}
