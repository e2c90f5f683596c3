//! What a reader can rely on, and what it must not.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::sim::logs::LogEvent;

const NOW_MS: i64 = 1_767_603_600_000;

fn logs() -> Logs {
    let logs = Logs::new();
    logs.clock().freeze_at(NOW_MS);
    logs.create_group("g");
    logs
}

fn put(logs: &Logs, timestamp_ms: i64, message: &str) -> String {
    logs.put("g", "s", LogEvent { timestamp_ms, message: message.into() })
}

fn call(logs: &Logs, request: Value) -> Result<Value, Refusal> {
    logs.call("FilterLogEvents", request, PageCut::default())
}

fn cut(logs: &Logs, request: &Value, events_max: usize) -> Value {
    let cut = PageCut { events_max: Some(events_max), always_token: true };
    logs.call("FilterLogEvents", request.clone(), cut).unwrap()
}

fn with_token(request: &Value, page: &Value) -> Value {
    let mut request = request.clone();
    request["nextToken"] = page["nextToken"].clone();
    request
}

fn texts(page: &Value, field: &str) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event[field].as_str().unwrap().to_owned()).collect()
}

/// Reads all pages; the limit of each is asked of `limit`. Asserts that no token comes twice.
fn read_all(logs: &Logs, request: &Value, mut limit: impl FnMut() -> usize) -> Vec<Value> {
    let (mut pages, mut tokens) = (Vec::new(), HashSet::new());
    let mut request = request.clone();
    loop {
        request["limit"] = limit().into();
        let page = call(logs, request.clone()).unwrap();
        pages.extend(page["events"].as_array().unwrap().iter().cloned());
        let Some(token) = page["nextToken"].as_str() else {
            return pages;
        };
        assert!(tokens.insert(token.to_owned()), "token {token} came twice");
        request = with_token(&request, &page);
    }
}

#[test]
fn pages_show_every_visible_event_once_and_in_order() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let logs = logs();
        let mut visible = Vec::new();
        for number in 0..rng.usize(0..120) {
            // Few timestamps, so that many events share one; the clock moves now and then.
            let timestamp_ms = NOW_MS + rng.i64(0..8);
            logs.clock().advance(Duration::from_millis(rng.u64(0..2)));
            let event = LogEvent { timestamp_ms, message: format!("{number}") };
            let stream = ["a", "b", "c"][rng.usize(0..3)];
            if rng.u8(0..5) == 0 {
                logs.put_visible_at("g", stream, event, NOW_MS + 3_600_000);
            } else {
                visible.push((timestamp_ms, logs.put("g", stream, event)));
            }
        }
        visible.sort();
        let newest_first = rng.bool();
        let request = json!({"logGroupName": "g", "startFromHead": !newest_first, "startTime": NOW_MS});
        if newest_first {
            visible.reverse();
        }
        let expected: Vec<String> = visible.into_iter().map(|(_, id)| id).collect();
        let seen = read_all(&logs, &request, || rng.usize(1..15));
        let ids: Vec<&str> = seen.iter().map(|event| event["eventId"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "seed {seed}");
    }
}

#[test]
fn both_ends_of_the_range_are_inclusive() {
    let logs = logs();
    for timestamp_ms in 1..=5 {
        put(&logs, timestamp_ms, &timestamp_ms.to_string());
    }
    let page = call(&logs, json!({"logGroupName": "g", "startTime": 2, "endTime": 4})).unwrap();
    assert_eq!(texts(&page, "message"), ["2", "3", "4"]);
    let page = call(&logs, json!({"logGroupName": "g", "startTime": 3, "endTime": 3})).unwrap();
    assert_eq!(texts(&page, "message"), ["3"]);
    assert_eq!(page["searchedLogStreams"], json!([]));
}

#[test]
fn a_page_is_cut_at_a_mebibyte_but_never_empty() {
    let logs = logs();
    let third = "x".repeat(limits::PAGE_BYTES_MAX / 3 - limits::EVENT_OVERHEAD_BYTES);
    for _ in 0..4 {
        put(&logs, NOW_MS, &third);
    }
    put(&logs, NOW_MS, &"y".repeat(2 * limits::PAGE_BYTES_MAX));
    put(&logs, NOW_MS, "z");
    let mut request = json!({"logGroupName": "g"});
    let mut sizes = Vec::new();
    loop {
        let page = call(&logs, request.clone()).unwrap();
        sizes.push(page["events"].as_array().unwrap().len());
        if page.get("nextToken").is_none() {
            break;
        }
        request = with_token(&request, &page);
    }
    assert_eq!(sizes, [3, 1, 1, 1]);
}

#[test]
fn a_token_is_bound_to_its_query() {
    let logs = logs();
    for timestamp_ms in 1..=3 {
        put(&logs, timestamp_ms, "m");
    }
    let request = json!({"logGroupName": "g", "limit": 1, "startTime": 1});
    let page = call(&logs, request.clone()).unwrap();
    let same = with_token(&request, &page);
    assert!(call(&logs, same.clone()).is_ok());
    assert!(call(&logs, same.clone()).is_ok(), "a retry may send a token again");

    let others = [
        ("startTime", json!(2)),
        ("endTime", json!(9)),
        ("filterPattern", json!("x")),
        ("logStreamNames", json!(["s"])),
        ("nextToken", json!("rubbish")),
    ];
    for (field, value) in others {
        let mut other = same.clone();
        other[field] = value;
        let refusal = call(&logs, other).unwrap_err();
        assert_eq!(refusal.code, "InvalidParameterException", "{field}");
    }
}

#[test]
fn tokens_expire() {
    let logs = logs();
    put(&logs, 1, "m");
    put(&logs, 2, "m");
    let request = json!({"logGroupName": "g", "limit": 1});
    let token = |logs: &Logs| with_token(&request, &call(logs, request.clone()).unwrap());

    let revoked = token(&logs);
    logs.expire_tokens();
    assert_eq!(call(&logs, revoked).unwrap_err(), bad_token());
    let aged = token(&logs);
    logs.clock().advance(Duration::from_hours(24));
    assert_eq!(call(&logs, aged).unwrap_err(), bad_token());
    let orphaned = token(&logs);
    logs.delete_group("g");
    assert_eq!(call(&logs, orphaned.clone()).unwrap_err().code, "ResourceNotFoundException");
    put(&logs, 1, "m");
    assert_eq!(call(&logs, orphaned).unwrap_err(), bad_token());
}

#[test]
fn an_empty_page_is_not_the_end() {
    let logs = logs();
    put(&logs, 1, "a");
    put(&logs, 2, "b");
    let request = json!({"logGroupName": "g"});
    let empty = cut(&logs, &request, 0);
    assert_eq!(empty["events"], json!([]));
    let again = cut(&logs, &with_token(&request, &empty), 0);
    assert_ne!(again["nextToken"], empty["nextToken"]);
    let short = cut(&logs, &with_token(&request, &again), 1);
    assert_eq!(texts(&short, "message"), ["a"]);
    let rest = call(&logs, with_token(&request, &short)).unwrap();
    assert_eq!(texts(&rest, "message"), ["b"]);
    assert_eq!(rest.get("nextToken"), None);
}

#[test]
fn a_late_event_shows_behind_the_token_but_not_before_it() {
    let logs = logs();
    put(&logs, 10, "first");
    put(&logs, 30, "last");
    for (timestamp_ms, message) in [(5, "late, before"), (20, "late, after")] {
        let event = LogEvent { timestamp_ms, message: message.into() };
        logs.put_visible_at("g", "s", event, NOW_MS + 1_000);
    }
    let request = json!({"logGroupName": "g", "limit": 1});
    let page = call(&logs, request.clone()).unwrap();
    assert_eq!(texts(&page, "message"), ["first"]);
    logs.clock().advance(Duration::from_millis(999));
    let page_too_early = call(&logs, with_token(&request, &page)).unwrap();
    assert_eq!(texts(&page_too_early, "message"), ["last"]);
    logs.clock().advance(Duration::from_millis(1));
    let page = call(&logs, with_token(&request, &page)).unwrap();
    assert_eq!(texts(&page, "message"), ["late, after"]);
    let all = call(&logs, json!({"logGroupName": "g"})).unwrap();
    assert_eq!(texts(&all, "message"), ["late, before", "first", "late, after", "last"]);
}

#[test]
fn streams_are_chosen_by_name_or_prefix() {
    let logs = logs();
    for stream in ["one_1", "one_2", "two_1"] {
        logs.put("g", stream, LogEvent { timestamp_ms: 1, message: stream.into() });
    }
    let page = call(&logs, json!({"logGroupName": "g", "logStreamNamePrefix": "one"})).unwrap();
    assert_eq!(texts(&page, "logStreamName"), ["one_1", "one_2"]);
    let page = call(&logs, json!({"logGroupName": "g", "logStreamNames": ["two_1"]})).unwrap();
    assert_eq!(texts(&page, "message"), ["two_1"]);
    let unknown = call(&logs, json!({"logGroupName": "g", "logStreamNames": ["three"]}));
    assert_eq!(unknown.unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn a_group_may_be_named_by_its_arn() {
    let logs = logs();
    put(&logs, 1, "m");
    let arn = logs.group_arn("g");
    assert_eq!(texts(&call(&logs, json!({"logGroupIdentifier": arn})).unwrap(), "message"), ["m"]);
    assert!(call(&logs, json!({"logGroupIdentifier": "g"})).is_ok());
    let foreign = arn.replace(ACCOUNT_ID, "999999999999");
    let refusal = call(&logs, json!({"logGroupIdentifier": foreign})).unwrap_err();
    assert_eq!(refusal.code, "ResourceNotFoundException");
}

#[test]
fn a_pattern_is_applied_only_by_a_filter() {
    let logs = logs();
    put(&logs, 1, "apple");
    put(&logs, 2, "pear");
    let request = json!({"logGroupName": "g", "filterPattern": "pear", "limit": 1});
    assert_eq!(texts(&call(&logs, request.clone()).unwrap(), "message"), ["apple"]);
    logs.set_pattern_filter(|pattern, message| message.contains(pattern));
    let page = call(&logs, request).unwrap();
    assert_eq!(texts(&page, "message"), ["pear"]);
    assert_eq!(page.get("nextToken"), None);
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let logs = logs();
    let arn = logs.group_arn("g");
    let cases = [
        ("neither name", json!({})),
        ("both names", json!({"logGroupName": "g", "logGroupIdentifier": "g"})),
        ("an ARN as a name", json!({"logGroupName": arn})),
        ("an ARN with an asterisk", json!({"logGroupIdentifier": format!("{arn}:*")})),
        ("limit 0", json!({"logGroupName": "g", "limit": 0})),
        ("limit 10,001", json!({"logGroupName": "g", "limit": 10_001})),
        ("start after end", json!({"logGroupName": "g", "startTime": 2, "endTime": 1})),
        ("negative start", json!({"logGroupName": "g", "startTime": -1})),
        ("long pattern", json!({"logGroupName": "g", "filterPattern": "é".repeat(1_025)})),
        ("names and prefix", json!({"logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s"})),
        ("no stream name", json!({"logGroupName": "g", "logStreamNames": []})),
        ("newest first from 2023", json!({"logGroupName": "g", "startFromHead": false, "startTime": 1})),
    ];
    for (name, request) in cases {
        assert_eq!(call(&logs, request).unwrap_err().code, "InvalidParameterException", "{name}");
    }
    let fits = json!({"logGroupName": "g", "filterPattern": "é".repeat(1_024), "limit": 10_000});
    assert!(call(&logs, fits).is_ok());
    let nowhere = call(&logs, json!({"logGroupName": "h"})).unwrap_err();
    assert_eq!(nowhere.code, "ResourceNotFoundException");
}
