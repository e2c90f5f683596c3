//! `scan` over what a trail left in a bucket: which part of it, in which order, how far, and whether it can be trusted.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use trailwatch::event::EventKey;
use trailwatch::sim::{Endpoint, Fault, LogEvent, REGION, Trail};
use trailwatch::source::file::{FileLimits, Files};
use trailwatch::source::s3::{Objects, Settings, local_connector};
use trailwatch::source::{Source, cloudwatch_logs};
use trailwatch::store::{DiskStore, Limits, Store as _, Transaction};

use super::notices::Notices;
use super::s3::{run, run_all};
use super::sqs::patiently;
use super::trail_tree::{ACCOUNT, BUCKET, SIGNER, Tree, gzip};
use super::verify::{binary, trailwatch};

const URL: &str = "s3://trail-bucket/";

/// A rule that fires for every event that [`record`] makes.
fn rules() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rule = "id = \"fire\"\ntitle = \"fire\"\nseverity = \"high\"\n[match]\neventName = \"Fire\"\n";
    std::fs::write(folder.path().join("fire.toml"), rule).unwrap();
    folder
}

fn record(number: usize) -> Value {
    let minute = (number * 7) % 60;
    json!({"eventVersion": "1.11", "eventSource": "s3.amazonaws.com", "eventName": "Fire", "recipientAccountId": ACCOUNT,
           "eventTime": format!("2026-01-05T00:{minute:02}:00Z"), "eventID": format!("e0000000-0000-4000-8000-{number:012}")})
}

fn put(endpoint: &Endpoint, key: &str, records: &[Value]) {
    let body = gzip(json!({"Records": records}).to_string().as_bytes());
    endpoint.buckets().put(BUCKET, key, body);
}

fn key(account: &str, region: &str, day: u32, n: usize) -> String {
    let name = format!("{account}_CloudTrail_{region}_202601{day:02}T0005Z_{n:016}.json.gz");
    format!("AWSLogs/{account}/CloudTrail/{region}/2026/01/{day:02}/{name}")
}

/// The events of the findings in an output of JSON lines, in their order.
fn found(out: &str) -> Vec<usize> {
    let id = |line: &str| {
        let finding: Value = serde_json::from_str(line).unwrap();
        finding["event_ids"][0].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
    };
    out.lines().map(id).collect()
}

fn source(endpoint: &Endpoint, settings: Settings) -> Objects {
    Objects::new(settings, local_connector(endpoint.url(), REGION), Notices::default().notify())
}

/// As many objects as a small trail makes in a day, of which every fifth holds what another region's holds too.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_tree_with_copies_across_regions_counts_once() {
    let endpoint = Endpoint::start().await.unwrap();
    let regions = ["ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"];
    let (mut number, mut objects, mut copies) = (0, 0, 0);
    for n in 0..96 {
        for (at, region) in regions.iter().enumerate() {
            let mut records: Vec<Value> = (0..5).map(|of_object| record(number + of_object)).collect();
            number += 5;
            // A global service's event is delivered to other regions too.
            if n % 5 == at {
                put(&endpoint, &key(ACCOUNT, regions[(at + 1) % 4], 6, n), &records);
                (objects, copies) = (objects + 1, copies + records.len());
            }
            // And some come twice in one file.
            if n % 32 == 0 {
                records.push(records[0].clone());
                copies += 1;
            }
            put(&endpoint, &key(ACCOUNT, region, 5, n), &records);
            objects += 1;
        }
    }
    endpoint.buckets().set_page_max(50);
    let faults = endpoint.logs().faults();
    faults.set_every_for("GetObject", 9, Fault::TruncatedBody);
    faults.set_every_for("ListObjectsV2", 5, Fault::Throttle);
    let source = source(&endpoint, Settings::of_url(URL).unwrap());
    let summary = run(source).await;
    assert_eq!((summary.events(), summary.duplicates), (number as u64, copies as u64));
    assert_eq!((summary.sources[0].1.objects, summary.rejects, summary.misplaced), (objects, 0, 0));
    let share = copies as f64 / (number + copies) as f64;
    assert!((0.15..0.25).contains(&share), "{share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_accounts_and_regions_that_are_wanted_are_listed() {
    let endpoint = Endpoint::start().await.unwrap();
    for (n, (account, region)) in
        [(ACCOUNT, "eu-west-1"), (ACCOUNT, "us-east-1"), ("444455556666", "eu-west-1"), ("444455556666", "us-east-1")]
            .into_iter()
            .enumerate()
    {
        put(&endpoint, &key(account, region, 5, n), &[record(n)]);
        put(&endpoint, &key(account, region, 5, n).replace("AWSLogs", "AWSLogs/o-abc"), &[record(10 + n)]);
    }
    put(&endpoint, "copies/a.json", &[record(20)]);
    let numbers = |keys: Vec<String>| -> Vec<usize> {
        let number = |key: &String| {
            let number: usize = key[..key.len() - 8].rsplit('_').next().unwrap().parse().unwrap();
            number + if key.contains("o-abc") { 10 } else { 0 }
        };
        keys.iter().map(number).collect()
    };
    for (name, accounts, regions, prefix, expected) in [
        ("an account", vec!["444455556666"], vec![], "", vec![2, 3, 12, 13]),
        ("a region", vec![], vec!["eu-west-1"], "", vec![0, 2, 10, 12]),
        ("both", vec![ACCOUNT], vec!["us-east-1"], "", vec![1, 11]),
        (
            "two regions of an organisation",
            vec![],
            vec!["us-east-1", "eu-west-1"],
            "AWSLogs/o-abc/",
            vec![10, 11, 12, 13],
        ),
        ("another one than the folder's", vec![ACCOUNT], vec![], "AWSLogs/444455556666/", vec![]),
        ("nobody's", vec!["1"], vec![], "", vec![]),
    ] {
        let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let settings = Settings {
            accounts: own(accounts),
            regions: own(regions),
            ..Settings::of_url(&format!("{URL}{prefix}")).unwrap()
        };
        let before = endpoint.logs().requests().len();
        let (source, mut keys) = (source(&endpoint, settings.clone()), Vec::new());
        while let Some(batch) = patiently(source.next()).await.unwrap() {
            keys.extend(batch.iter().map(|delivery| delivery.origin.source.to_string()));
        }
        let mut read = numbers(keys);
        read.sort();
        assert_eq!(read, expected, "{name}");
        let listed = endpoint
            .logs()
            .requests()
            .split_off(before)
            .into_iter()
            .filter_map(|request| request.body["Parameters"]["prefix"].as_str().map(str::to_owned));
        for prefix in listed {
            let is_other = |chosen: &[String], all: &[&str]| {
                all.iter()
                    .any(|name| !chosen.is_empty() && !chosen.contains(&(*name).to_owned()) && prefix.contains(name))
            };
            assert!(!is_other(&settings.accounts, &[ACCOUNT, "444455556666"]), "{name}: listed {prefix}");
            assert!(!is_other(&settings.regions, &["eu-west-1", "us-east-1"]), "{name}: listed {prefix}");
        }
    }
}

/// Keys at every depth, of folders and of objects that are called alike.
const ODD: &[&str] = &[
    "AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/01/05/a.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/05/b.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/05/c.json.gz",
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/06/d.json.gz",
    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/05/e.json.gz",
    "AWSLogs/444455556666/CloudTrail/eu-west-1/2026/01/05/f.json.gz",
    "AWSLogs/notes.json",
    "copies/a.json",
    "copies/b/c.json",
    "copies.json",
    "z.json",
];

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_behind_any_key() {
    let endpoint = Endpoint::start().await.unwrap();
    ODD.iter().for_each(|key| endpoint.buckets().put(BUCKET, key, "{}"));
    let read = async |settings: Settings| {
        let (source, mut keys) = (source(&endpoint, settings), Vec::new());
        while let Some(batch) = patiently(source.next()).await.unwrap() {
            let receipts: Vec<_> = batch.iter().map(|delivery| delivery.receipt).collect();
            let position = source.checkpoint(&receipts).unwrap().position;
            assert!(batch[0].origin.source.ends_with(&position));
            source.commit(&receipts).await.unwrap();
            keys.push(position);
        }
        keys
    };
    for (page_max, regions, prefix) in [
        (1_000, vec![], ""),
        (2, vec![], ""),
        (2, vec!["eu-west-1".to_owned()], ""),
        (1, vec![], "AWSLogs/111122223333/Cloud"),
    ] {
        endpoint.buckets().set_page_max(page_max);
        let settings = Settings { regions, ..Settings::of_url(&format!("{URL}{prefix}")).unwrap() };
        let all = read(settings.clone()).await;
        assert!(all.len() >= 5 && all.is_sorted(), "{all:?}");
        for done in 0..all.len() {
            let rest = read(Settings { resume: Some(all[done].clone()), ..settings.clone() }).await;
            assert_eq!(rest, all[done + 1..], "behind {}, pages of {page_max}", all[done]);
        }
        let elsewhere = read(Settings { resume: Some("other/key".into()), ..settings.clone() }).await;
        assert!(prefix.is_empty() || elsewhere == all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_stands_behind_what_is_committed_in_whatever_order() {
    let endpoint = Endpoint::start().await.unwrap();
    ["a.json", "b.json", "c.json"].iter().for_each(|key| endpoint.buckets().put(BUCKET, key, "{}"));
    let source = source(&endpoint, Settings::of_url(URL).unwrap());
    let mut receipts = Vec::new();
    while let Some(batch) = patiently(source.next()).await.unwrap() {
        receipts.extend(batch.iter().map(|delivery| delivery.receipt));
    }
    let position = |receipts: &[_]| source.checkpoint(receipts).map(|checkpoint| checkpoint.position);
    assert_eq!(position(&receipts[1..2]), None);
    source.commit(&receipts[1..2]).await.unwrap();
    assert_eq!(position(&receipts[..1]).as_deref(), Some("b.json"));
    assert_eq!(position(&receipts[2..]), None);
    source.commit(&receipts[..1]).await.unwrap();
    assert_eq!(position(&receipts[2..]).as_deref(), Some("c.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_to_an_object_of_cloudtrails_is_no_event() {
    let endpoint = Endpoint::start().await.unwrap();
    let both = |first: usize| {
        let member = |n: usize| gzip(json!({"Records": [record(n)]}).to_string().as_bytes());
        [member(first), member(first + 1)].concat()
    };
    endpoint.buckets().put(BUCKET, &key(ACCOUNT, "eu-west-1", 5, 1), both(1));
    endpoint.buckets().put(BUCKET, "copies/a.json.gz", both(3));
    let summary = run(source(&endpoint, Settings::of_url(URL).unwrap())).await;
    assert_eq!((summary.events(), summary.rejects), (3, 1));
    insta::assert_snapshot!(summary.first_rejects[0].reason, @"more than one gzip stream; what is in the first is decoded (CloudTrail's objects have one: who added to it?)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_read_where_it_delivers_to() {
    let endpoint = Endpoint::start().await.unwrap();
    let trail = |name: &str| Trail { s3_bucket: BUCKET.into(), ..Trail::to_group(name, "group") };
    endpoint.trails().put(trail("plain"));
    endpoint.trails().put(Trail { s3_key_prefix: Some("a/b".into()), ..trail("prefixed") });
    endpoint.trails().put(Trail { is_organization: true, ..trail("all") });
    put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, 1), &[record(1)]);
    put(&endpoint, &format!("a/b/{}", key(ACCOUNT, "eu-west-1", 5, 2)), &[record(2)]);
    put(&endpoint, &key("444455556666", "eu-west-1", 5, 3), &[record(3)]);
    put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, 4).replace("AWSLogs", "AWSLogs/o-abc"), &[record(4)]);
    let rules = rules();
    let rules = ["--rules", rules.path().to_str().unwrap(), "-o", "json", "--quiet"];
    for (name, expected) in [("plain", vec![1]), ("prefixed", vec![2]), ("all", vec![1, 3, 4])] {
        let (code, out, err) = trailwatch(&endpoint, &[&["scan", "--trail", name], &rules[..]].concat()).await;
        assert_eq!((code, found(&out)), (Some(0), expected), "{name}: {err}");
    }
    let (code, _, err) = trailwatch(&endpoint, &["scan", "--trail", "plane"]).await;
    assert!(code == Some(254) && err.contains("did you mean `plain`?"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_ends_after_so_many_events_and_goes_on_from_there() {
    let endpoint = Endpoint::start().await.unwrap();
    (0..20)
        .for_each(|n| put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, n), &[record(2 * n), record(2 * n + 1), record(0)]));
    let (rules, state) = (rules(), tempfile::tempdir().unwrap());
    let args = ["scan", URL, "--rules", rules.path().to_str().unwrap(), "-o", "json", "--max-events"];
    let (code, out, err) = trailwatch(&endpoint, &[&args[..], &["7"]].concat()).await;
    assert_eq!((code, found(&out)), (Some(0), (0..7).collect::<Vec<_>>()), "{err}");
    let mut all = Vec::new();
    for _ in 0..6 {
        let state = ["7", "--state", state.path().to_str().unwrap()];
        let (code, out, err) = trailwatch(&endpoint, &[&args[..], &state[..]].concat()).await;
        assert_eq!(code, Some(0), "{err}");
        all.extend(found(&out));
    }
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    let list = "id = \"few\"\ntitle = \"few\"\nseverity = \"high\"\n[match]\n\"recipientAccountId|in\" = \"few\"\n";
    let shared = tempfile::tempdir().unwrap();
    let lists = "[lists.few]\nvalues = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\"]\n";
    std::fs::write(rules.path().join("few.toml"), list).unwrap();
    std::fs::write(shared.path().join("lists.toml"), lists).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let with_list = ["7", "--shared", shared.path().to_str().unwrap(), "--state", fresh.path().to_str().unwrap()];
    for _ in 0..3 {
        let (code, _, err) = trailwatch(&endpoint, &[&args[..], &with_list[..]].concat()).await;
        assert_eq!(code, Some(0), "a list has no order of its own: {err}");
    }
    std::fs::write(shared.path().join("lists.toml"), lists.replace('7', "8")).unwrap();
    assert_eq!(trailwatch(&endpoint, &[&args[..], &with_list[..]].concat()).await.0, Some(2));
    std::fs::remove_file(rules.path().join("few.toml")).unwrap();
    let other_rules = self::rules();
    std::fs::write(other_rules.path().join("fire.toml"), list.replace("few", "other").replace("|in", "")).unwrap();
    for other in [
        ["--since", "2026-01-05T00:00:00Z"],
        ["--account", ACCOUNT],
        ["--event-region", "eu-west-1"],
        ["--rules", other_rules.path().to_str().unwrap()],
    ] {
        let state = ["7", "--state", state.path().to_str().unwrap()];
        let (code, out, err) = trailwatch(&endpoint, &[&args[..], &state[..], &other[..]].concat()).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{other:?}");
        assert!(err.contains("is of another scan: its rules, `--since`"), "{other:?}: {err}");
    }
}

/// As an older program left it, which did not write down what it had been asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_has_seen_events_and_does_not_say_what_for_is_refused() {
    let endpoint = Endpoint::start().await.unwrap();
    put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, 0), &[record(0)]);
    let (rules, state) = (rules(), tempfile::tempdir().unwrap());
    for (seen, expected) in [(0, Some(0)), (1, Some(2))] {
        let folder = state.path().join(seen.to_string());
        let seen = (0..seen).map(|number| EventKey::of_finding(&number.to_string())).collect();
        let (mut store, _) = DiskStore::open(&folder, Limits::default()).unwrap();
        store.commit(&Transaction { seen, ..Transaction::default() }).await.unwrap();
        drop(store);
        let args = ["scan", URL, "--rules", rules.path().to_str().unwrap(), "--state", folder.to_str().unwrap()];
        let (code, _, err) = trailwatch(&endpoint, &args).await;
        assert_eq!((code, err.contains("is of another scan")), (expected, expected == Some(2)), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_one_account_is_not_gone_on_with_for_another() {
    const OTHER: &str = "444455556666";
    let endpoint = Endpoint::start().await.unwrap();
    for n in 0..4 {
        [ACCOUNT, OTHER].iter().for_each(|account| put(&endpoint, &key(account, "eu-west-1", 5, n), &[record(n)]));
    }
    let (rules, state) = (rules(), tempfile::tempdir().unwrap());
    let (rules, state) = (rules.path().to_str().unwrap(), state.path().to_str().unwrap());
    let args = ["scan", URL, "--rules", rules, "-o", "json", "--state", state, "--max-events", "2", "--account"];
    for (account, expected) in [(ACCOUNT, Some(0)), (OTHER, Some(2)), (ACCOUNT, Some(0))] {
        let (code, out, err) = trailwatch(&endpoint, &[&args[..], &[account]].concat()).await;
        assert_eq!((code, found(&out).len()), (expected, if code == Some(0) { 2 } else { 0 }), "{account}: {err}");
    }
}

/// No more than eight are fetched at the same time, so it is one of the first eight.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_given_up_is_fetched_when_the_scan_goes_on() {
    let endpoint = Endpoint::start().await.unwrap();
    (0..20).for_each(|n| put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, n), &[record(n)]));
    endpoint.logs().faults().next_for("GetObject", Fault::error(403, "AccessDenied", "Access Denied"));
    let (rules, state) = (rules(), tempfile::tempdir().unwrap());
    let (rules, state) = (rules.path().to_str().unwrap(), state.path().to_str().unwrap());
    let args = ["scan", URL, "--rules", rules, "-o", "json", "--state", state, "--max-events", "12"];
    let mut all = Vec::new();
    for (expected, count) in [(Some(3), 12), (Some(0), 8), (Some(0), 0)] {
        let (code, out, err) = trailwatch(&endpoint, &args).await;
        let found = found(&out);
        assert_eq!((code, found.len()), (expected, count), "{err}");
        all.extend(found);
    }
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_is_killed_goes_on_and_repeats_nothing() {
    let endpoint = Endpoint::start().await.unwrap();
    let regions = ["eu-west-1", "us-east-1"];
    for n in 0..150 {
        // Each event lies there twice, far apart.
        regions.iter().for_each(|region| put(&endpoint, &key(ACCOUNT, region, 5, n), &[record(n)]));
    }
    let (rules, state) = (rules(), tempfile::tempdir().unwrap());
    let command = || {
        let mut command = binary(&endpoint);
        command.args(["scan", URL, "--rules", rules.path().to_str().unwrap(), "-o", "json", "--quiet", "--state"]);
        command.arg(state.path()).stderr(Stdio::null());
        command
    };
    let mut all = Vec::new();
    for kill in [30, 60, 90] {
        all.extend(found(&killed_after(command(), &endpoint, kill).await));
    }
    let output = tokio::task::spawn_blocking({
        let mut command = command();
        move || command.output().unwrap()
    });
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let before = endpoint.logs().calls("GetObject");
    all.extend(found(std::str::from_utf8(&output.stdout).unwrap()));
    let once: BTreeSet<usize> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "a finding was repeated");
    // What was committed and not yet printed at a kill is not printed again: a group for each kill at most.
    assert!(once.len() >= 150 - 3 * 16, "{} of 150", once.len());
    assert!(endpoint.logs().calls("GetObject") < 300 + 3 * 64, "what was read was read again");

    // What is new is found, wherever it lies, and nothing else.
    put(&endpoint, &key(ACCOUNT, "eu-west-1", 4, 0), &[record(500)]);
    let output = tokio::task::spawn_blocking({
        let mut command = command();
        move || command.output().unwrap()
    });
    assert_eq!(found(std::str::from_utf8(&output.await.unwrap().stdout).unwrap()), [500]);
    assert_eq!(endpoint.logs().calls("GetObject") - before, 301);
}

/// Kills a scan once it has made so many more calls for objects; returns what it printed, whole lines only.
async fn killed_after(mut command: Command, endpoint: &Endpoint, calls: u64) -> String {
    let goal = endpoint.logs().calls("GetObject") + calls;
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let printed = tokio::task::spawn_blocking(move || std::io::read_to_string(out).unwrap());
    patiently(async {
        while endpoint.logs().calls("GetObject") < goal {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let printed = printed.await.unwrap();
    printed[..printed.rfind('\n').map_or(0, |at| at + 1)].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_sorted_by_time_where_that_is_asked_for() {
    let endpoint = Endpoint::start().await.unwrap();
    (0..9).for_each(|n| put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, n), &[record(n)]));
    let rules = rules();
    let args = ["scan", URL, "--rules", rules.path().to_str().unwrap(), "-o", "json", "--quiet"];
    let (_, out, _) = trailwatch(&endpoint, &args).await;
    assert_eq!(found(&out), (0..9).collect::<Vec<_>>());
    let (code, out, _) = trailwatch(&endpoint, &[&args[..], &["--sort"]].concat()).await;
    // Seven minutes apart, within the hour.
    assert_eq!((code, found(&out)), (Some(0), (0..9).collect::<Vec<_>>()));
    put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, 9), &[record(9)]);
    let (_, out, _) = trailwatch(&endpoint, &[&args[..], &["--sort"]].concat()).await;
    assert_eq!(found(&out), [0, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
}

/// A day of two hours with digests.
fn vouched_for() -> (Tree, Vec<String>) {
    let mut tree = Tree::new("AWSLogs/", "eu-west-1");
    let mut logs = Vec::new();
    for hour in 0..2 {
        let named: Vec<String> = (0..2)
            .map(|n| {
                tree.log(&format!("{hour:02}:{}", 15 + 20 * n), &format!("log{hour}{n}"), &[record(10 * hour + n)])
            })
            .collect();
        tree.digest(hour as u32, &[&named[0], &named[1]]);
        logs.extend(named);
    }
    (tree, logs)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_held_against_digests_as_they_are_read() {
    let (tree, logs) = vouched_for();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, SIGNER.listed()).unwrap();
    let rules = rules();
    let scan = async |tree: &Tree, also: &[&str]| {
        let endpoint = Endpoint::start().await.unwrap();
        tree.deliver(endpoint.buckets());
        let args = ["scan", URL, "--verify", "--public-keys", keys.to_str().unwrap(), "-o", "json"];
        let rules = ["--rules", rules.path().to_str().unwrap()];
        let (code, out, err) = trailwatch(&endpoint, &[&args[..], &rules[..], also].concat()).await;
        let told = err.lines().filter(|line| line.starts_with("error: ")).collect::<Vec<_>>().join("\n");
        (code, found(&out).len(), told.replace("s3://trail-bucket/AWSLogs/111122223333", "…"))
    };
    assert_eq!(scan(&tree, &[]).await, (Some(0), 4, String::new()));
    assert_eq!(scan(&tree, &["--account", "444455556666"]).await, (Some(0), 0, String::new()));

    let mut tampered = tree.clone();
    tampered.change(&logs[0], |text| text.replace("e0000000", "f0000000"));
    tampered.files.remove(&logs[1]);
    tampered.log("01:30", "forged", &[record(99)]);
    let (code, findings, told) = scan(&tampered, &[]).await;
    assert_eq!((code, findings), (Some(3), 4));
    let told = told.replace("/eu-west-1/2026/01/05/111122223333", "");
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: `…/CloudTrail_CloudTrail_eu-west-1_20260105T0015Z_log00.json.gz`: its content was changed: it has not the hash that …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T010507Z.json.gz names
    error: `…/CloudTrail_CloudTrail_eu-west-1_20260105T0035Z_log01.json.gz`: it is not there; …/CloudTrail-Digest_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T010507Z.json.gz names it
    error: `…/CloudTrail_CloudTrail_eu-west-1_20260105T0130Z_forged.json.gz`: no digest that is good names it
    ");

    // What is not even there to be read is told as well.
    let mut emptied = tree;
    logs.iter().for_each(|key| drop(emptied.files.remove(key)));
    let (code, _, told) = scan(&emptied, &[]).await;
    assert_eq!((code, told.matches("it is not there").count()), (Some(3), 4), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_knows_the_total_ahead() {
    let endpoint = Endpoint::start().await.unwrap();
    (0..30).for_each(|n| endpoint.buckets().put(BUCKET, &format!("{n:02}.json"), "{}"));
    endpoint.buckets().set_page_max(4);
    let source = Arc::new(source(&endpoint, Settings::of_url(URL).unwrap()));
    patiently(source.measure()).await;
    assert_eq!((source.progress().total_bytes(), source.progress().read_bytes()), (60, 0));
    while patiently(source.next()).await.unwrap().is_some() {}
    assert_eq!((source.progress().total_bytes(), source.progress().read_bytes()), (60, 60));
}

/// The log group of a trail, its bucket, an organisation's trail in the same bucket, and a file of a rule of EventBridge.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_by_several_ways_counts_once() {
    let endpoint = Endpoint::start().await.unwrap();
    let (logs, group) = (endpoint.logs(), "aws-cloudtrail-logs");
    logs.create_group(group);
    let folder = tempfile::tempdir().unwrap();
    let mut envelopes = String::new();
    for n in 0..30 {
        let record = record(n);
        let event = LogEvent { timestamp_ms: logs.clock().now_ms() - 1_000, message: record.to_string() };
        logs.put(group, "111122223333_CloudTrail_us-east-1", event);
        put(&endpoint, &key(ACCOUNT, "eu-west-1", 5, n), std::slice::from_ref(&record));
        put(
            &endpoint,
            &key(ACCOUNT, "eu-west-1", 5, n).replace("AWSLogs", "AWSLogs/o-abc"),
            std::slice::from_ref(&record),
        );
        let envelope = json!({"version": "0", "id": format!("{n}"), "detail-type": "AWS API Call via CloudTrail",
                              "source": "aws.s3", "account": ACCOUNT, "detail": record});
        envelopes += &format!("{envelope}\n");
    }
    let file = folder.path().join("envelopes.jsonl");
    std::fs::write(&file, envelopes).unwrap();
    let clock = logs.clock().clone();
    let settings = cloudwatch_logs::Settings {
        start_ms: Some(clock.now_ms() - 600_000),
        clock: Arc::new(move || clock.now_ms()),
        ..cloudwatch_logs::Settings::new(group, REGION)
    };
    let notify = Notices::default().notify();
    let quota = Arc::new(cloudwatch_logs::Quota::of_calls(10_000, 1.0));
    let connect = cloudwatch_logs::local_connector(endpoint.url(), REGION);
    let group = cloudwatch_logs::CloudWatchLogs::new(settings, quota, connect, Arc::clone(&notify)).unwrap();
    let files = Files::new(vec![file], FileLimits::default(), notify);
    let objects = source(&endpoint, Settings::of_url(URL).unwrap());
    let summary = run_all(vec![Arc::new(group), Arc::new(objects), Arc::new(files)]).await;
    assert_eq!((summary.events(), summary.duplicates, summary.rejects), (30, 90, 0));
}
