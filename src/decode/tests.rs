//! Tables: one row a shape, each with its name. A row says in full what comes out, events and rejects.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::delivery::{LogPlace, Place};

mod properties;

const RECORD: &str = r#"{"eventVersion":"1.08","eventName":"A"}"#;

fn decoded_from(body: impl Into<Vec<u8>>, limits: &Limits) -> Decoded {
    let mut out = Decoded::default();
    decode(&Bytes::from(body.into()), &Origin::line("f", 1), limits, &mut out);
    out
}

fn decoded(body: impl Into<Vec<u8>>) -> Decoded {
    decoded_from(body, &Limits::default())
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn base64_gzip(text: &str) -> String {
    STANDARD.encode(gzip(text))
}

/// What came out: a line an event, a line a reject.
fn told(out: &Decoded) -> Vec<String> {
    let events = out.events.iter().map(|event| format!("{} {}", event.origin, String::from_utf8_lossy(&event.bytes)));
    let rejects = out.rejects.iter().map(|reject| {
        let Reject { origin, reason, excerpt, bytes } = reject;
        format!("{origin} rejects {bytes}: `{excerpt}`: {reason}")
    });
    let controls = (out.controls > 0).then(|| format!("{} controls", out.controls));
    events.chain(rejects).chain(controls).collect()
}

#[track_caller]
fn check(name: &str, body: impl Into<Vec<u8>>, expected: &[&str]) {
    check_within(name, body, &Limits::default(), expected);
}

#[track_caller]
fn check_within(name: &str, body: impl Into<Vec<u8>>, limits: &Limits, expected: &[&str]) {
    let body = body.into();
    let got = told(&decoded_from(body.clone(), limits));
    assert!(
        got == expected,
        "{name}\n   body {}\nexpected {expected:#?}\n     got {got:#?}",
        String::from_utf8_lossy(&body)
    );
}

#[test]
fn documents() {
    check("nothing", "", &[]);
    check("white space only", " \r\n\t\n", &[]);
    check("one record", RECORD, &[r#"f:1 {"eventVersion":"1.08","eventName":"A"}"#]);
    check(
        "record with other members first",
        r#"{"a":1,"eventVersion":"1.08"}"#,
        &[r#"f:1 {"a":1,"eventVersion":"1.08"}"#],
    );
    check("JSON lines", "{\"a\":1}\n{\"b\":2}\n", &[r#"f:1 {"a":1}"#, r#"f:2 {"b":2}"#]);
    check(
        "JSON lines with CRLF and blank lines",
        "{\"a\":1}\r\n\r\n \n{\"b\":2}",
        &[r#"f:1 {"a":1}"#, r#"f:4 {"b":2}"#],
    );
    check(
        "record lines with CRLF and spaces",
        "  {\"eventVersion\":1} \r\n\t{\"eventVersion\":2}\r\n",
        &[r#"f:1 {"eventVersion":1}"#, r#"f:2 {"eventVersion":2}"#],
    );
    check(
        "byte order mark",
        "\u{FEFF}{\"eventVersion\":1}\n{\"a\":1}",
        &[r#"f:1 {"eventVersion":1}"#, r#"f:2 {"a":1}"#],
    );
    check("byte order mark alone", "\u{FEFF}", &[]);
    check(
        "pretty-printed, one after the other",
        "{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}\n",
        &["f:1 {\n  \"a\": 1\n}", "f:4 {\n  \"b\": 2\n}"],
    );
    check(
        "pretty-printed record that starts as a record line does",
        "{\"eventVersion\": \"1\",\n \"b\": {\n }}\n{\"c\":3}",
        &["f:1 {\"eventVersion\": \"1\",\n \"b\": {\n }}", r#"f:4 {"c":3}"#],
    );
    check("several on one line", r#"{"a":1}{"b":2} {"c":3}"#, &[r#"f:1 {"a":1}"#, r#"f:1 {"b":2}"#, r#"f:1 {"c":3}"#]);
    check(
        "several records on one line",
        r#"{"eventVersion":1} {"eventVersion":2}{"eventVersion":{}}"#,
        &[r#"f:1 {"eventVersion":1}"#, r#"f:1 {"eventVersion":2}"#, r#"f:1 {"eventVersion":{}}"#],
    );
    check(
        "brackets in a string that look like two documents",
        r#"{"eventVersion":"}{"}"#,
        &[r#"f:1 {"eventVersion":"}{"}"#],
    );
    check("a record line is not parsed", r#"{"eventVersion":oops}"#, &[r#"f:1 {"eventVersion":oops}"#]);
}

#[test]
fn records_and_arrays() {
    check("Records", r#"{"Records":[{"eventVersion":1},{"a":1}]}"#, &[r#"f:1 {"eventVersion":1}"#, r#"f:1 {"a":1}"#]);
    check(
        "Records, a record a line",
        "{\"Records\":[\n{\"eventVersion\":1},\n{\"a\":1}\n]}",
        &[r#"f:2 {"eventVersion":1}"#, r#"f:3 {"a":1}"#],
    );
    let record = r#"{"eventVersion":"1","Records":[{"a":1} ]}"#;
    check("Records of a record", record, &[&format!("f:1 {record}")]);
    check("Records of a record, text follows", format!("{record} {{}}"), &[&format!("f:1 {record}"), "f:1 {}"]);
    check(
        "Records of a record, cut off",
        r#"{"eventVersion":"1","Records":[{"a":1},{"b":"#,
        &[
            r#"f:1 rejects 44: `{"eventVersion":"1","Records":[{"a":1},{"b":`: not JSON: it ends where a value was expected at column 44"#,
        ],
    );
    check("Records, empty", r#"{"Records":[]}"#, &[]);
    check("Records with a name that is escaped", r#"{"\u0052ecords" : [{}]}"#, &["f:1 {}"]);
    check("Records twice", r#"{"Records":[{"a":1}],"Records":[{"b":2}]}"#, &[r#"f:1 {"a":1}"#, r#"f:1 {"b":2}"#]);
    check("Records that is no array", r#"{"Records":"\ud800"}"#, &[r#"f:1 {"Records":"\ud800"}"#]);
    check("array", r#"[{"eventVersion":1}, {"a":1}]"#, &[r#"f:1 {"eventVersion":1}"#, r#"f:1 {"a":1}"#]);
    check("array, empty", "[]", &[]);
    check(
        "array of pretty-printed records",
        "[\n  {\n    \"a\": 1\n  },\n  {\"eventVersion\": 1}\n]\n",
        &["f:2 {\n    \"a\": 1\n  }", r#"f:5 {"eventVersion": 1}"#],
    );
    check(
        "elements that are no objects",
        r#"{"Records":[1,{"a":1},"s",[{}],null,true]}"#,
        &[
            r#"f:1 {"a":1}"#,
            "f:1 rejects 1: `1`: a number where an object was expected",
            "f:1 rejects 3: `\"s\"`: a string where an object was expected",
            "f:1 rejects 4: `[{}]`: an array where an object was expected",
            "f:1 rejects 4: `null`: null where an object was expected",
            "f:1 rejects 4: `true`: a boolean where an object was expected",
        ],
    );
    check(
        "Records cut off",
        "{\"Records\":[{\"a\":1},{\"b\":2},{\"c",
        &[r#"f:1 {"a":1}"#, r#"f:1 {"b":2}"#, "f:1 rejects 4: `,{\"c`: not JSON: it ends within a string at column 31"],
    );
    check(
        "Records cut off before the first",
        "{\"Records\":[",
        &["f:1 rejects 12: `{\"Records\":[`: not JSON: it ends within a list at column 12"],
    );
    check(
        "Records cut off after an element",
        "{\"Records\":[{\"a\":1}\n",
        &[r#"f:1 {"a":1}"#, "f:1 rejects 0: ``: not JSON: it ends within a list on the next line at column 0"],
    );
    check(
        "Records, pretty-printed, cut off, text follows",
        "{\"Records\": [\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": oops\n  }\n]}\n{\"c\":3}\n",
        &[
            "f:2 {\n    \"a\": 1\n  }",
            r#"f:9 {"c":3}"#,
            "f:4 rejects 14: `,\n{\n\"b\": oops\n}\n]}`: not JSON: no value starts like this 2 lines down at column 10",
        ],
    );
}

#[test]
fn envelopes() {
    let call =
        |detail: &str| format!(r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{detail}}}"#);
    check("API call", call(RECORD), &[r#"f:1 {"eventVersion":"1.08","eventName":"A"}"#]);
    check(
        "Insight, which has no name",
        call(r#"{"eventType":"AwsCloudTrailInsight","eventVersion":"1.08"}"#),
        &[r#"f:1 {"eventType":"AwsCloudTrailInsight","eventVersion":"1.08"}"#],
    );
    check(
        "record without a version",
        call(r#"{"eventName":"A","eventSource":"b"}"#),
        &[r#"f:1 {"eventName":"A","eventSource":"b"}"#],
    );
    check(
        "array of envelopes",
        format!("[{},\n{}]", call(RECORD), call(RECORD)),
        &[&format!("f:1 {RECORD}"), &format!("f:2 {RECORD}")],
    );
    let replayed = |name: &str| call(RECORD).replace("\"version\"", &format!("\"replay-name\":{name},\"version\""));
    let marked = r#"f:1 {"eventVersion":"1.08","eventName":"A","replay-name":"after the \"outage\""}"#;
    check("sent by a replay", replayed(r#""after the \"outage\"""#), &[marked]);
    check("a replay without a name", replayed("1"), &[&format!("f:1 {RECORD}")]);
    let other = call(r#"{"eventName":"SERVICE_STEADY_STATE"}"#);
    check("another service's event", other.as_str(), &[&format!("f:1 {other}")]);
    let other = call(r#""a string""#);
    check("detail that is no object", other.as_str(), &[&format!("f:1 {other}")]);
    let other = r#"{"detail":{"eventVersion":"1"}}"#;
    check("no detail-type", other, &[&format!("f:1 {other}")]);
}

fn payload(message_type: &str, messages: &[&str]) -> String {
    let log_event = |(at, message): (usize, &&str)| {
        format!(r#"{{"id":"id{at}","timestamp":{},"message":{}}}"#, 1000 + at, serde_json::to_string(message).unwrap())
    };
    let log_events: Vec<String> = messages.iter().enumerate().map(log_event).collect();
    format!(
        r#"{{"messageType":"{message_type}","owner":"1","logGroup":"group","logStream":"stream","logEvents":[{}]}}"#,
        log_events.join(",")
    )
}

#[test]
fn what_lookup_events_prints() {
    let record = r#"{"eventVersion":"1.08","eventName":"A"}"#;
    let event = |record: &str| format!("{{\"EventId\":\"1\",\"CloudTrailEvent\":{}}}", serde_json::Value::from(record));
    let body = format!("{{\n \"Events\": [\n  {},\n  {},\n  {{}}\n ]\n}}", event(record), event("{"));
    let mut out = Decoded::default();
    decode(&Bytes::from(body), &Origin::line("f", 1), &Limits::default(), &mut out);
    assert_eq!(out.events.iter().map(|event| &event.bytes[..]).collect::<Vec<_>>(), [record.as_bytes()]);
    assert_eq!(out.rejects.len(), 2);
    // An `Events` of somebody else's stays what it is.
    let other = Bytes::from(r#"{"Events":[{"a":1}]}"#);
    let mut out = Decoded::default();
    decode(&other, &Origin::line("f", 1), &Limits::default(), &mut out);
    assert_eq!((out.events.len(), out.rejects.len()), (1, 0));
}

#[test]
fn subscription_payloads() {
    let data = payload("DATA_MESSAGE", &[RECORD, "{\"a\":1}\n{\"b\":2}", "plain text"]);
    let expected = &[
        r#"group stream id0 {"eventVersion":"1.08","eventName":"A"}"#,
        r#"group stream id1 {"a":1}"#,
        r#"group stream id1 {"b":2}"#,
        "group stream id2 rejects 10: `plain text`: not JSON: no value starts like this at column 1",
    ];
    let lambda = format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, base64_gzip(&data));
    check("plain", data.as_str(), expected);
    check("gzip", gzip(&data), expected);
    check("base64 of gzip", base64_gzip(&data), expected);
    check("what Lambda is called with", lambda.as_str(), expected);
    check("what Lambda is called with, slashes escaped", lambda.replace('/', "\\/"), expected);
    check("a gzip file of base64 lines", gzip(format!("{}\n", base64_gzip(&data))), expected);

    check(
        "control message",
        payload("CONTROL_MESSAGE", &["CWL CONTROL MESSAGE: Checking health of destination"]),
        &["1 controls"],
    );
    let other = payload("OTHER", &["{}"]);
    check("another type", other.as_str(), &[&format!("f:1 {other}")]);
    check(
        "no message",
        r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"x"},7]}"#,
        &[
            "f:1 rejects 10: `{\"id\":\"x\"}`: no readable string `message` in the wrapper",
            "f:1 rejects 1: `7`: a number where an object was expected",
        ],
    );
    check(
        "a message that stands for no text",
        r#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"\ud800"}]}"#,
        &["f:1 rejects 20: `{\"message\":\"\\ud800\"}`: no readable string `message` in the wrapper"],
    );
    check(
        "no data for Lambda",
        r#"{"awslogs":{}}"#,
        &["f:1 rejects 14: `{\"awslogs\":{}}`: no readable string `awslogs.data` in the wrapper"],
    );
    check(
        "no base64 for Lambda",
        r#"{"awslogs":{"data":"%"}}"#,
        &["f:1 rejects 24: `{\"awslogs\":{\"data\":\"%\"}}`: not base64: invalid symbol 37, offset 0"],
    );
    check(
        "cut off",
        &data[..data.len() - 5],
        &[
            expected[0],
            expected[1],
            expected[2],
            "f:1 rejects 50: `,{\"id\":\"id2\",\"timestamp\":1002,\"message\":\"plain tex`: not JSON: it ends within a string at column 297",
        ],
    );
}

#[test]
fn a_log_event_has_its_own_place() {
    let out = decoded(payload("DATA_MESSAGE", &["{}"]));
    let place = LogPlace { stream: "stream".into(), event_id: "id0".into(), timestamp_ms: 1000, ingestion_ms: 1000 };
    assert_eq!(out.events[0].origin, Origin { source: "group".into(), place: Place::LogEvent(place.into()) });
}

#[test]
fn base64_text() {
    let wrapped: Vec<u8> = base64_gzip(r#"{"a":"a somewhat longer record, for more than one line of base64"}"#)
        .as_bytes()
        .chunks(64)
        .flat_map(|line| [line, b"\n"].concat())
        .collect();
    let record = r#"f:1 {"a":"a somewhat longer record, for more than one line of base64"}"#;
    check("in lines of 64", [&wrapped[..], b"{\"b\":2}"].concat(), &[record, r#"f:3 {"b":2}"#]);
    let long = format!(r#"{{"a":"{}"}}"#, (0..60).map(|n| (n * n).to_string()).collect::<String>());
    let lines = format!("{0}\n{0}\n123\n", base64_gzip(&long));
    check(
        "JSON lines of it",
        lines,
        &[
            &format!("f:1 {long}"),
            &format!("f:2 {long}"),
            "f:3 rejects 3: `123`: a number where an object was expected",
        ],
    );
    check(
        "only looks like it",
        "H4sIfoo bar\n{}",
        &[
            "f:2 {}",
            "f:1 rejects 11: `H4sIfoo bar`: not base64: invalid last symbol 0x72 ('r') at offset 9, decoded as 0b00101011",
        ],
    );
}

#[test]
fn broken_text() {
    let broken = "rejects 6: `{\"a\":}`: not JSON: no value starts like this at column 6";
    check(
        "a line",
        "{\"a\":1}\n{\"a\":}\n{\"b\":2}\n",
        &[r#"f:1 {"a":1}"#, r#"f:3 {"b":2}"#, &format!("f:2 {broken}")],
    );
    check(
        "an indented line",
        "  {\"a\":}",
        &["f:1 rejects 6: `{\"a\":}`: not JSON: no value starts like this at column 8"],
    );
    check("two lines", "{\"a\":}\n{\"a\":}", &[&format!("f:1 {broken}"), &format!("f:2 {broken}")]);
}

#[test]
fn lines_cut_off() {
    check(
        "a line cut off between good ones",
        "{\"a\":1\n{\"b\":2}\n{\"c\":3}",
        &[
            r#"f:2 {"b":2}"#,
            r#"f:3 {"c":3}"#,
            "f:1 rejects 6: `{\"a\":1`: not JSON: expected `,` or `}` on the next line at column 1",
        ],
    );
    check(
        "a line cut off within a string",
        "{\"a\":\"x\n{\"b\":2}",
        &[
            r#"f:2 {"b":2}"#,
            "f:1 rejects 7: `{\"a\":\"x`: not JSON: a line break or control character within a string at column 7",
        ],
    );
    check(
        "a line cut off before a value, which swallows the next",
        "{\"a\":\n{\"eventVersion\":1}\n{\"c\":3}",
        &[
            r#"f:2 {"eventVersion":1}"#,
            r#"f:3 {"c":3}"#,
            "f:1 rejects 5: `{\"a\":`: not JSON: expected `,` or `}` 2 lines down at column 1",
        ],
    );
    check(
        "a record line cut off",
        "{\"eventVersion\":1,\n{\"eventVersion\":2}\n",
        &[
            r#"f:2 {"eventVersion":2}"#,
            "f:1 rejects 18: `{\"eventVersion\":1,`: not JSON: an object's key must be a string in quotes on the next line at column 1",
        ],
    );
    check(
        "the last line cut off",
        "{\"a\":1}\n{\"b\":",
        &[r#"f:1 {"a":1}"#, "f:2 rejects 5: `{\"b\":`: not JSON: it ends where a value was expected at column 5"],
    );
}

#[test]
fn what_is_no_document_or_more_than_one() {
    check(
        "text after a document",
        "{\"a\":1} x\n{\"b\":2}",
        &[r#"f:1 {"a":1}"#, r#"f:2 {"b":2}"#, "f:1 rejects 1: `x`: not JSON: no value starts like this at column 9"],
    );
    check(
        "plain text",
        "hello world\n[12:30] started\n",
        &[
            "f:1 rejects 11: `hello world`: not JSON: no value starts like this at column 1",
            "f:2 rejects 15: `[12:30] started`: not JSON: expected `,` or `]` at column 4",
        ],
    );
    check(
        "no objects",
        "\"s\"\n1.5\ntrue\nnull\n",
        &[
            "f:1 rejects 3: `\"s\"`: a string where an object was expected",
            "f:2 rejects 3: `1.5`: a number where an object was expected",
            "f:3 rejects 4: `true`: a boolean where an object was expected",
            "f:4 rejects 4: `null`: null where an object was expected",
        ],
    );
    check(
        "a number before an object costs the line",
        "1 {\"a\":1}\n{}",
        &["f:2 {}", "f:1 rejects 9: `1 {\"a\":1}`: not JSON: something stands behind its end at column 3"],
    );
    check(
        "pretty-printed, one broken",
        "{\n  \"a\": oops,\n  \"b\": [\n    1\n  ]\n}\n{\n  \"c\": 3\n}",
        &[
            "f:7 {\n  \"c\": 3\n}",
            "f:1 rejects 20: `{\n\"a\": oops,\n\"b\": [\n1\n]\n}`: not JSON: no value starts like this on the next line at column 8",
        ],
    );
    check(
        "pretty-printed, cut off",
        "{\"x\":0}\n{\n\"a\": {\n\"b\": 1\n}\n",
        &[
            r#"f:1 {"x":0}"#,
            "f:2 rejects 14: `{\n\"a\": {\n\"b\": 1\n}`: not JSON: it ends within an object 4 lines down at column 0",
        ],
    );
    check(
        "a lone closing bracket",
        "}\n{}",
        &["f:2 {}", "f:1 rejects 1: `}`: not JSON: no value starts like this at column 1"],
    );
    check(
        "NUL bytes",
        "\0\0{}\n{\"a\":1}\n",
        &[r#"f:2 {"a":1}"#, "f:1 rejects 4: `\0\0{}`: not JSON: no value starts like this at column 1"],
    );
}

#[test]
fn invalid_utf8() {
    let not_utf8 = "not UTF-8 (convert it first, as with `iconv -t utf-8`)";
    check(
        "a line among others",
        b"{\"a\":1}\n{\"b\":\"\xff\"}\n{\"eventVersion\":3}\n",
        &[
            r#"f:1 {"a":1}"#,
            r#"f:3 {"eventVersion":3}"#,
            &format!("f:2 rejects 9: `{{\"b\":\"\u{FFFD}\"}}`: {not_utf8}"),
        ],
    );
    check(
        "a record line",
        b"{\"eventVersion\":\"\xff\"}\n{\"eventVersion\":3}",
        &[r#"f:2 {"eventVersion":3}"#, &format!("f:1 rejects 20: `{{\"eventVersion\":\"\u{FFFD}\"}}`: {not_utf8}")],
    );
    check(
        "the part of a record that looks whole",
        b"{\"eventVersion\":{}\xff}",
        &[&format!("f:1 rejects 20: `{{\"eventVersion\":{{}}\u{FFFD}}}`: {not_utf8}")],
    );
    check(
        "two lines of it",
        b"\xff\n\xfe \n",
        &[&format!("f:1 rejects 1: `\u{FFFD}`: {not_utf8}"), &format!("f:2 rejects 1: `\u{FFFD}`: {not_utf8}")],
    );
    check(
        "documents before it on the line",
        b"{\"a\":1} {\"b\":\"\xff\"}",
        &[r#"f:1 {"a":1}"#, &format!("f:1 rejects 9: `{{\"b\":\"\u{FFFD}\"}}`: {not_utf8}")],
    );
    check(
        "within Records",
        b"{\"Records\":[{\"a\":1},{\"b\":\"\xff\"}]}\n{}",
        &[r#"f:1 {"a":1}"#, "f:2 {}", &format!("f:1 rejects 12: `,{{\"b\":\"\u{FFFD}\"}}]}}`: {not_utf8}")],
    );
    check(
        "within a pretty-printed document",
        b"{\n  \"a\": 1,\n  \"b\": \"\xff\",\n  \"c\": 3\n}\n{}",
        &["f:6 {}", &format!("f:1 rejects 24: `{{\n\"a\": 1,\n\"b\": \"\u{FFFD}\",\n\"c\": 3\n}}`: {not_utf8}")],
    );
}

#[test]
fn oddities_that_are_valid_pass() {
    for (name, record) in [
        ("lone surrogate", r#"{"a":"\ud800"}"#),
        ("lone surrogate in a name", r#"{"\udfff":1}"#),
        ("huge number", r#"{"a":1e999999,"b":123456789012345678901234567890}"#),
        ("duplicate keys", r#"{"a":1,"a":2}"#),
        ("escaped NUL", r#"{"a":"\u0000"}"#),
        (
            "brackets in a string",
            r#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{"}"#,
        ),
    ] {
        check(name, record, &[&format!("f:1 {record}")]);
        check(name, format!(r#"{{"Records":[{record}]}}"#), &[&format!("f:1 {record}")]);
        let line = record.replacen('{', r#"{"eventVersion":"1.08","#, 1);
        check(name, line.as_str(), &[&format!("f:1 {line}")]);
    }
}

#[test]
fn records_too_large_or_too_deep() {
    let limits = Limits { record_bytes_max: 40, nesting_max: 3, ..Limits::default() };
    let large = format!(r#"{{"eventVersion":"{}"}}"#, "x".repeat(30));
    let too_large = format!(
        "rejects 49: `{large}`: a record of 49 bytes, more than 40 (is it one record? CloudTrail's are smaller)"
    );
    check_within("too large, a line", format!("{large}\n{{}}"), &limits, &["f:2 {}", &format!("f:1 {too_large}")]);
    check_within("too large, an element", format!("[{large},{{}}]"), &limits, &["f:1 {}", &format!("f:1 {too_large}")]);
    let deep = r#"{"eventVersion":[{"a":[]}]}"#;
    check_within(
        "too deep, a line",
        format!("{deep}\n{{}}"),
        &limits,
        &["f:2 {}", &format!("f:1 rejects 27: `{deep}`: nested deeper than 3 levels")],
    );
    check_within(
        "too deep, an element",
        format!("[{deep},{{}}]"),
        &limits,
        &["f:1 {}", &format!("f:1 rejects 27: `{deep}`: nested deeper than 3 levels")],
    );
    let just = r#"{"a":[{"b":"[[["},[]]}"#;
    check_within("just not too deep", just, &limits, &[&format!("f:1 {just}")]);
}

#[test]
fn deep_nesting_and_long_lines_do_not_overflow() {
    for start in [r#"{"eventVersion":"#, r#"{"a":"#, r#"{"Records":[{"a":"#, "[{\"a\":"] {
        for depth in [100, 100_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            let end = if start.contains('[') { if start.starts_with('[') { "}]" } else { "}]}" } } else { "}" };
            let out = decoded(format!("{start}{open}{close}{end}\n{{}}"));
            assert_eq!((out.events.len(), out.rejects.len()), (1, 1), "{start} {depth}");
            let out = decoded(format!("{start}{open}\n{{}}"));
            assert_eq!(out.rejects.len(), 1, "{start} {depth} open");
        }
    }
    let out = decoded(format!("{{\"a\":\"{}\"}}\n{{}}", "x".repeat(5 << 20)));
    assert_eq!((out.events.len(), out.rejects.len()), (1, 1));
}

#[test]
fn wrappers_are_limited() {
    let limits = Limits { wrappers_max: 2, ..Limits::default() };
    let too_deep = "wrapped more than 2 times (unpack the outer layers first)";
    let inner = r#"{"Records":[{}]}"#;
    check_within("as many as allowed", gzip(inner), &limits, &["f:1 {}"]);
    check_within(
        "Records in Records",
        format!(r#"[{{"Records":[{inner},{{}}]}}]"#),
        &limits,
        &["f:1 {}", &format!("f:1 rejects 16: `{inner}`: {too_deep}")],
    );
    check_within(
        "cut off",
        r#"{"Records":[{"Records":[{"Records":[{}"#,
        &Limits { wrappers_max: 0, ..limits.clone() },
        &[
            "f:1 rejects 38: `{\"Records\":[{\"Records\":[{\"Records\":[{}`: not JSON: it ends within a list at column 38",
        ],
    );
    let out = decoded_from(gzip(gzip(gzip("{}"))), &limits);
    assert!(out.events.is_empty());
    assert_eq!(out.rejects.len(), 1);
    assert_eq!(out.rejects[0].reason, Reason::WrappedTooDeep { wrappers_max: 2 });
    check("the deepest that AWS builds", gzip(gzip(payload("DATA_MESSAGE", &[inner]))), &["group stream id0 {}"]);
}

#[test]
fn gzip_streams() {
    let record = ["f:1 {}"];
    check("gzip", gzip("{}"), &record);
    check(
        "members, one after the other",
        [gzip("{}\n"), gzip(""), gzip("{\"b\""), gzip(":2}")].concat(),
        &["f:1 {}", r#"f:2 {"b":2}"#],
    );
    check("zeros after it", [gzip("{}"), vec![0; 100]].concat(), &record);
    let later = "what came before it is decoded (fetch or copy it again)";
    check(
        "other bytes after it",
        [gzip("{}"), b"junk".to_vec()].concat(),
        &["f:1 {}", &format!("f:1 rejects 0: ``: broken gzip: 4 bytes after its end that are no gzip; {later}")],
    );
    check(
        "cut off in the header",
        &gzip("{}")[..4],
        &[&format!("f:1 rejects 0: ``: broken gzip: unexpected end of file; {later}")],
    );
    let mut wrong_sum = gzip("{}\n{\"eventVersion\":1}");
    let sum_at = wrong_sum.len() - 8;
    wrong_sum[sum_at] ^= 1;
    check(
        "wrong checksum",
        wrong_sum,
        &[
            "f:1 {}",
            r#"f:2 {"eventVersion":1}"#,
            &format!("f:2 rejects 0: ``: broken gzip: corrupt gzip stream does not have a matching checksum; {later}"),
        ],
    );
}

#[test]
fn inflating_stops_at_the_limit() {
    let lines = "{\"eventVersion\":{}}\n".repeat(1000);
    let reason = Reason::InflatedTooLarge { inflated_bytes_max: 50 };
    let limits = Limits { inflated_bytes_max: 50, ..Limits::default() };
    let out = decoded_from(gzip(&lines), &limits);
    assert_eq!(out.events.len(), 2);
    assert_eq!(told(&out)[2], format!("f:3 rejects 10: `{{\"eventVer`: {reason}"));
    assert_eq!(out.rejects.len(), 1);

    // Cut just where a record seems to end.
    let out = decoded_from(gzip(&lines), &Limits { inflated_bytes_max: 58, ..Limits::default() });
    assert_eq!((out.events.len(), out.rejects.len()), (2, 1));
    // At the end of a line, of a record, and of all.
    let out = decoded_from(gzip(&lines), &Limits { inflated_bytes_max: 60, ..Limits::default() });
    assert_eq!((out.events.len(), out.rejects.len(), out.rejects[0].bytes), (3, 1, 0));
    let out = decoded_from(gzip(&lines), &Limits { inflated_bytes_max: 59, ..Limits::default() });
    assert_eq!((out.events.len(), out.rejects.len(), out.rejects[0].bytes), (3, 1, 0));
    let out = decoded_from(gzip(&lines), &Limits { inflated_bytes_max: lines.len(), ..Limits::default() });
    assert_eq!((out.events.len(), out.rejects.len()), (1000, 0));

    // The limit is one for all streams of a delivery.
    let small = base64_gzip(&"{\"a\":\"some text, no two alike: 3f 9c 0b 77 12 e4\"}\n".repeat(20));
    let limits = Limits { inflated_bytes_max: 1500, ..Limits::default() };
    let out = decoded_from(format!("{small}\n{small}\n{small}\n"), &limits);
    assert_eq!((out.events.len(), out.rejects.len()), (29, 2));
}

#[test]
fn a_cut_tells_itself_once_whatever_it_cuts() {
    let pretty = "{\n\"a\": 1\n}\n{\n\"b\": [\n1,\n2,\n3\n]\n}\n";
    let records = "{\"Records\":[{\"a\":1},{\"b\":2},{\"c\":3}]}";
    let unicode = "{\"a\":\"äöü\"}\n{\"b\":\"äöü\"}\n";
    for text in [pretty, records, unicode] {
        for inflated_bytes_max in 0..text.len() {
            let limits = Limits { inflated_bytes_max, ..Limits::default() };
            let out = decoded_from(gzip(text), &limits);
            assert_eq!(out.rejects.len(), 1, "{text} cut at {inflated_bytes_max}: {:#?}", told(&out));
            assert_eq!(
                out.rejects[0].reason,
                Reason::InflatedTooLarge { inflated_bytes_max },
                "{text} at {inflated_bytes_max}"
            );
        }
    }
}

#[test]
fn a_bomb_stops_early() {
    let bomb = gzip(format!("{{}}\n{}", " ".repeat(8 << 20)));
    let inflated = gzip::inflate(&bomb, 0, &Limits::default());
    assert!(inflated.bytes.len() < 2 << 20, "{}", inflated.bytes.len());
    check(
        "bomb",
        bomb,
        &[
            "f:1 {}",
            "f:2 rejects 0: ``: inflates to over 200 times its size; what came before is decoded (unpack it if you trust it)",
        ],
    );
}

#[test]
fn parts_are_limited() {
    let limits = Limits { parts_max: 3, ..Limits::default() };
    let too_many = "more than 3 records in one delivery; those before are decoded (split it)";
    let three = ["f:1 {}", "f:2 {}", "f:3 {}"];
    check_within("as many as allowed", "{}\n{}\n{}\n", &limits, &three);
    check_within(
        "lines",
        "{}\n{}\n{}\n{}\nx\n",
        &limits,
        &[&three[..], &[&format!("f:4 rejects 5: `{{}}\nx\n`: {too_many}")]].concat(),
    );
    check_within(
        "elements",
        "[{},\n{},\n{},\n{},{},{}]\nx\n",
        &limits,
        &[&three[..], &[&format!("f:4 rejects 12: `{{}},{{}},{{}}]\nx\n`: {too_many}")]].concat(),
    );
    check_within(
        "elements, cut off",
        "[{},\n{},\n{},\n{},{},{}",
        &limits,
        &[&three[..], &[&format!("f:4 rejects 8: `{{}},{{}},{{}}`: {too_many}")]].concat(),
    );
    let out = decoded_from(payload("DATA_MESSAGE", &["{}", "x", "{}{}", "{}"]), &limits);
    assert_eq!((out.events.len(), out.rejects.len()), (2, 2));
    // Each delivery anew.
    let mut out = Decoded::default();
    for _ in 0..4 {
        decode(&Bytes::from_static(b"{}\n{}"), &Origin::whole("f"), &limits, &mut out);
    }
    assert_eq!((out.events.len(), out.rejects.len()), (8, 0));
}

/// Nothing here takes longer than a moment unless something is walked again and again.
#[test]
fn time_is_linear_in_the_text() {
    const COUNT: usize = 20_000;
    let spaced = format!("{}{}", "{}{\"eventVersion\":1}{} ".repeat(COUNT), " ".repeat(1 << 20));
    for (name, text) in [
        ("opening brackets", "{\n".repeat(COUNT)),
        ("opening arrays", "[\n".repeat(COUNT)),
        ("members left open", "{\"a\":\n".repeat(COUNT)),
        ("members left open, indented", " {\"a\":\n".repeat(COUNT)),
        ("records left open", "{\"eventVersion\":\n".repeat(COUNT)),
        ("Records left open", "{\"Records\":[{},\n".repeat(COUNT)),
        ("strings left open", "{\"a\":\"\n".repeat(COUNT)),
        ("pretty-printed, broken late", "{\n\"a\":1,\n".repeat(COUNT)),
        ("one long line of documents", "{}".repeat(COUNT)),
        ("one long line with white space at its end", spaced),
        ("one long line of records", "{\"eventVersion\":1}".repeat(COUNT)),
        ("one long line of what is broken", "{\"a\":1}x".repeat(COUNT)),
        ("blank lines", " \n".repeat(COUNT)),
        ("base64 starts", "H4sI\n".repeat(COUNT)),
        ("brackets apart", format!("{{\"eventVersion\":{}1}}", "[    ".repeat(COUNT))),
    ] {
        let out = decoded(text);
        assert!(out.parts() > 0 || name == "blank lines", "{name}");
    }
    let bad = b"{\"a\":\xff\n".repeat(COUNT);
    assert_eq!(decoded(bad).rejects.len(), COUNT);
    assert_eq!(decoded(gzip("{}\n").repeat(1000)).events.len(), 1000);
}

#[test]
fn excerpts_end_between_characters() {
    let text = "ä".repeat(100);
    let reject = Reject::new(Origin::whole("f"), Reason::NotUtf8, format!("x{text}").as_bytes());
    assert_eq!(reject.excerpt, format!("x{}", "ä".repeat(59)));
    assert_eq!(reject.bytes, 201);
    let reject = Reject::new(Origin::whole("f"), Reason::NotUtf8, &[0x80; 200]);
    assert_eq!(reject.excerpt.chars().count(), 117);
}

#[test]
fn events_are_slices_of_the_body() {
    let body = Bytes::from(format!("{{\"Records\":[{RECORD}]}}\n{RECORD}\n"));
    let mut out = Decoded::default();
    decode(&body, &Origin::whole("f"), &Limits::default(), &mut out);
    let range = body.as_ptr_range();
    assert_eq!(out.events.len(), 2);
    assert!(out.events.iter().all(|event| range.contains(&event.bytes.as_ptr())));
}

#[test]
fn later_stages_give_the_same_reason() {
    let error = serde_json::from_str::<serde_json::Value>("{\"a\":}").unwrap_err();
    assert_eq!(Reason::from(error), Reason::NotJson { message: "no value starts like this".into(), column: 6 });
}

#[test]
fn every_fixture_decodes() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records");
    let files: Vec<_> = std::fs::read_dir(fixtures).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for path in files {
        let out = decoded(std::fs::read(&path).unwrap());
        assert!(!out.events.is_empty(), "{}", path.display());
        assert!(out.rejects.is_empty(), "{}: {:#?}", path.display(), told(&out));
    }
}
