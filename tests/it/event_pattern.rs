//! What EventBridge's event patterns mean: every corner of every matcher, one table a topic.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use trailwatch::condition::{Condition, holds};
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::{Rule, event_pattern};

/// A name, a pattern, and events with whether they match.
type Row<'r> = (&'r str, &'r str, &'r [(&'r str, bool)]);

pub fn condition(pattern: &str) -> Condition {
    let drawn = |problems: Vec<trailwatch::rule::Diagnostic>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    };
    event_pattern::parse("pattern", pattern).unwrap_or_else(|problems| panic!("{}", drawn(problems))).verbatim()
}

pub fn matches(condition: &Condition, event: &str) -> bool {
    let mut fields = Fields::default();
    let event = Event::read(event, &projection_of([]), &mut fields).unwrap_or_else(|error| panic!("{event}: {error}"));
    holds(condition, &event)
}

/// Holds every event of every row against its pattern; tells all that differ, not the first.
fn check(rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (name, pattern, events) in rows {
        let condition = condition(pattern);
        for (event, expected) in *events {
            let found = matches(&condition, event);
            if found != *expected {
                wrong.push(format!("{name}: {pattern} on {event}: expected {expected}, got {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn structure() {
    check(&[
        (
            "one field",
            r#"{"a":["x"]}"#,
            &[
                (r#"{"a":"x"}"#, true),
                (r#"{"a":"y"}"#, false),
                (r#"{"b":"x"}"#, false),
                (r#"{}"#, false),
                (r#"{"a":"x","b":"y"}"#, true),
                (r#"{"b":{"a":"x"}}"#, false),
            ],
        ),
        (
            "any of a list",
            r#"{"a":["x","y"]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"a":"y"}"#, true), (r#"{"a":"z"}"#, false)],
        ),
        (
            "all of the fields",
            r#"{"a":["x"],"b":["y"]}"#,
            &[
                (r#"{"a":"x","b":"y"}"#, true),
                (r#"{"b":"y","a":"x"}"#, true),
                (r#"{"a":"x"}"#, false),
                (r#"{"a":"x","b":"x"}"#, false),
            ],
        ),
        (
            "nested",
            r#"{"a":{"b":{"c":["x"]}}}"#,
            &[
                (r#"{"a":{"b":{"c":"x"}}}"#, true),
                (r#"{"a":{"b":"x"}}"#, false),
                (r#"{"a":{"b":{"c":{"d":"x"}}}}"#, false),
            ],
        ),
        ("an object is no leaf", r#"{"a":["x"]}"#, &[(r#"{"a":{"x":"x"}}"#, false), (r#"{"a":{"":"x"}}"#, false)]),
        (
            "names in full",
            r#"{"ab":["x"]}"#,
            &[(r#"{"a":"x"}"#, false), (r#"{"abc":"x"}"#, false), (r#"{"AB":"x"}"#, false)],
        ),
        ("an empty name", r#"{"":["x"]}"#, &[(r#"{"":"x"}"#, true), (r#"{"a":"x"}"#, false)]),
        ("an empty name within", r#"{"a":{"":["x"]}}"#, &[(r#"{"a":{"":"x"}}"#, true), (r#"{"a":"x"}"#, false)]),
        (
            "dots join names in the pattern",
            r#"{"a.b":["x"]}"#,
            &[(r#"{"a":{"b":"x"}}"#, true), (r#"{"a.b":"x"}"#, true), (r#"{"a":{"c":"x"}}"#, false)],
        ),
        (
            "dots join names in the event",
            r#"{"a":{"b":{"c":["x"]}}}"#,
            &[
                (r#"{"a.b.c":"x"}"#, true),
                (r#"{"a.b":{"c":"x"}}"#, true),
                (r#"{"a":{"b.c":"x"}}"#, true),
                (r#"{"a":{"b":{"c":"x"}}}"#, true),
                (r#"{"a.b.c.d":"x"}"#, false),
                (r#"{"a.bc":"x"}"#, false),
            ],
        ),
        ("the last of a path twice", r#"{"a":["x"],"a":["y"]}"#, &[(r#"{"a":"x"}"#, false), (r#"{"a":"y"}"#, true)]),
        (
            "the last, one of them dotted",
            r#"{"a":{"b":["x"]},"a.b":["y"]}"#,
            &[(r#"{"a":{"b":"x"}}"#, false), (r#"{"a":{"b":"y"}}"#, true)],
        ),
        (
            "a path and one below it",
            r#"{"a":["y"],"a":{"b":["x"]}}"#,
            &[
                (r#"{"a":"y"}"#, false),
                (r#"{"a":{"b":"x"}}"#, false),
                (r#"{"a":"y","a":{"b":"x"}}"#, true),
                (r#"{"a":["y",{"b":"x"}]}"#, true),
            ],
        ),
        (
            "a name twice in the event",
            r#"{"a":["x"]}"#,
            &[(r#"{"a":"x","a":"y"}"#, true), (r#"{"a":"y","a":"x"}"#, true)],
        ),
        (
            "an object twice in the event",
            r#"{"a":{"b":["1"],"c":["2"]}}"#,
            &[(r#"{"a":{"b":"1"},"a":{"c":"2"}}"#, true), (r#"{"a":{"b":"1"},"a":{"b":"3"}}"#, false)],
        ),
        ("what stands behind the pattern", "{\"a\":[\"x\"]} }, \"b\"", &[(r#"{"a":"x"}"#, true)]),
        ("white space", "\n{ \"a\" :\t[ \"x\" , \"y\" ] }\r\n", &[(r#"{"a":"y"}"#, true)]),
        (
            "a field named like a matcher",
            r#"{"prefix":["x"],"numeric":{"exists":[1]}}"#,
            &[(r#"{"prefix":"x","numeric":{"exists":1}}"#, true), (r#"{"prefix":"x"}"#, false)],
        ),
    ]);
}

#[test]
fn strings() {
    check(&[
        (
            "exact",
            r#"{"a":["abc"]}"#,
            &[
                (r#"{"a":"abc"}"#, true),
                (r#"{"a":"ABC"}"#, false),
                (r#"{"a":"abcd"}"#, false),
                (r#"{"a":"ab"}"#, false),
                (r#"{"a":" abc"}"#, false),
                (r#"{"a":""}"#, false),
            ],
        ),
        (
            "empty",
            r#"{"a":[""]}"#,
            &[(r#"{"a":""}"#, true), (r#"{"a":" "}"#, false), (r#"{"a":null}"#, false), ("{}", false)],
        ),
        ("a string is no number", r#"{"a":["300"]}"#, &[(r#"{"a":300}"#, false), (r#"{"a":"300"}"#, true)]),
        (
            "a string is no literal",
            r#"{"a":["true","null"]}"#,
            &[(r#"{"a":true}"#, false), (r#"{"a":null}"#, false), (r#"{"a":"true"}"#, true), (r#"{"a":"null"}"#, true)],
        ),
        (
            "escapes in the pattern",
            r#"{"\u0061":["\u0041\/\n"]}"#,
            &[(r#"{"a":"A/\n"}"#, true), (r#"{"a":"A\/\u000a"}"#, true)],
        ),
        ("escapes in the event", r#"{"a":["A/"]}"#, &[(r#"{"\u0061":"\u0041\/"}"#, true)]),
        ("surrogate pairs", r#"{"😀":["😀"]}"#, &[(r#"{"\ud83d\ude00":"\ud83d\ude00"}"#, true)]),
        ("no normalisation", r#"{"a":["é"]}"#, &[(r#"{"a":"\u00e9"}"#, true), (r#"{"a":"e\u0301"}"#, false)]),
        ("quotes", r#"{"a":["\"x\""]}"#, &[(r#"{"a":"\"x\""}"#, true), (r#"{"a":"x"}"#, false)]),
        (
            "exactly",
            r#"{"a":[{"exactly":"10.0.0.1"}]}"#,
            &[(r#"{"a":"10.0.0.1"}"#, true), (r#"{"a":"10.0.0.01"}"#, false)],
        ),
        ("a wildcard's sign is a sign", r#"{"a":["x*"]}"#, &[(r#"{"a":"x*"}"#, true), (r#"{"a":"xy"}"#, false)]),
    ]);
}

#[test]
fn addresses_as_values() {
    check(&[
        (
            "version 4",
            r#"{"a":["10.0.0.1"]}"#,
            &[
                (r#"{"a":"10.0.0.1"}"#, true),
                (r#"{"a":"10.0.0.01"}"#, true),
                (r#"{"a":"010.0.0.1"}"#, true),
                (r#"{"a":"10.0.0.2"}"#, false),
                (r#"{"a":"10.0.0.1 "}"#, false),
                (r#"{"a":"::ffff:a00:1"}"#, true),
            ],
        ),
        (
            "version 6",
            r#"{"a":["::1"]}"#,
            &[
                (r#"{"a":"::1"}"#, true),
                (r#"{"a":"0:0:0:0:0:0:0:1"}"#, true),
                (r#"{"a":"::0001"}"#, true),
                (r#"{"a":"::2"}"#, false),
            ],
        ),
        ("letters of version 6", r#"{"a":["2001:db8::a"]}"#, &[(r#"{"a":"2001:DB8::A"}"#, true)]),
        (
            "beside other values",
            r#"{"a":["x","10.0.0.1"]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"a":"10.0.0.001"}"#, true)],
        ),
        ("no address", r#"{"a":["10.0.0"]}"#, &[(r#"{"a":"10.0.0"}"#, true), (r#"{"a":"10.0.00"}"#, false)]),
        (
            "anything-but takes them as text",
            r#"{"a":[{"anything-but":"10.0.0.1"}]}"#,
            &[(r#"{"a":"10.0.0.01"}"#, true), (r#"{"a":"10.0.0.1"}"#, false)],
        ),
    ]);
}

#[test]
fn numbers_and_literals() {
    check(&[
        (
            "by value",
            r#"{"a":[300]}"#,
            &[
                (r#"{"a":300}"#, true),
                (r#"{"a":300.0}"#, true),
                (r#"{"a":3e2}"#, true),
                (r#"{"a":3.0E+2}"#, true),
                (r#"{"a":30000e-2}"#, true),
                (r#"{"a":"300"}"#, false),
                (r#"{"a":301}"#, false),
                (r#"{"a":300.0000001}"#, false),
                (r#"{"a":-300}"#, false),
                (r#"{"a":true}"#, false),
            ],
        ),
        ("written with an exponent", r#"{"a":[3.018e2]}"#, &[(r#"{"a":301.8}"#, true), (r#"{"a":301.80}"#, true)]),
        (
            "zero has no sign",
            r#"{"a":[0]}"#,
            &[
                (r#"{"a":0}"#, true),
                (r#"{"a":-0}"#, true),
                (r#"{"a":0.0}"#, true),
                (r#"{"a":-0.0}"#, true),
                (r#"{"a":0e5}"#, true),
                (r#"{"a":null}"#, false),
            ],
        ),
        ("minus zero", r#"{"a":[-0.0]}"#, &[(r#"{"a":0}"#, true)]),
        ("small", r#"{"a":[0.1]}"#, &[(r#"{"a":1e-1}"#, true), (r#"{"a":0.10000000000000001}"#, false)]),
        ("negative", r#"{"a":[-1.5]}"#, &[(r#"{"a":-1.50}"#, true), (r#"{"a":1.5}"#, false)]),
        (
            "beyond a double: by its text",
            r#"{"a":[9007199254740993]}"#,
            &[
                (r#"{"a":9007199254740993}"#, true),
                (r#"{"a":9007199254740993.0}"#, false),
                (r#"{"a":9007199254740992}"#, false),
                (r#"{"a":9007199254740994}"#, false),
            ],
        ),
        (
            "2^53 is a double",
            r#"{"a":[9007199254740992]}"#,
            &[(r#"{"a":9007199254740992.0}"#, true), (r#"{"a":9007199254740993}"#, false)],
        ),
        (
            "2^64-1",
            r#"{"a":[18446744073709551615]}"#,
            &[
                (r#"{"a":18446744073709551615}"#, true),
                (r#"{"a":18446744073709551616}"#, false),
                (r#"{"a":1.8446744073709551615e19}"#, false),
            ],
        ),
        (
            "beyond every double",
            r#"{"a":[1e400]}"#,
            &[(r#"{"a":1e400}"#, true), (r#"{"a":1E400}"#, false), (r#"{"a":10e399}"#, false)],
        ),
        (
            "many digits",
            r#"{"a":[3.141592653589793238462643383279]}"#,
            &[(r#"{"a":3.141592653589793238462643383279}"#, true), (r#"{"a":3.141592653589793}"#, false)],
        ),
        (
            "an account is a number like others",
            r#"{"a":[123456789012]}"#,
            &[(r#"{"a":123456789012}"#, true), (r#"{"a":123456789012.0}"#, true), (r#"{"a":"123456789012"}"#, false)],
        ),
        (
            "true",
            r#"{"a":[true]}"#,
            &[(r#"{"a":true}"#, true), (r#"{"a":false}"#, false), (r#"{"a":"true"}"#, false), (r#"{"a":1}"#, false)],
        ),
        (
            "false",
            r#"{"a":[false]}"#,
            &[
                (r#"{"a":false}"#, true),
                (r#"{"a":"false"}"#, false),
                (r#"{"a":0}"#, false),
                (r#"{"a":null}"#, false),
                ("{}", false),
            ],
        ),
        (
            "null",
            r#"{"a":[null]}"#,
            &[
                (r#"{"a":null}"#, true),
                ("{}", false),
                (r#"{"a":"null"}"#, false),
                (r#"{"a":""}"#, false),
                (r#"{"a":[]}"#, false),
                (r#"{"a":{}}"#, false),
                (r#"{"a":[null]}"#, true),
            ],
        ),
        (
            "all kinds",
            r#"{"a":["x",1,true,null]}"#,
            &[
                (r#"{"a":"x"}"#, true),
                (r#"{"a":1.0}"#, true),
                (r#"{"a":true}"#, true),
                (r#"{"a":null}"#, true),
                (r#"{"a":false}"#, false),
            ],
        ),
    ]);
}

#[test]
fn prefix_suffix_and_case() {
    check(&[
        (
            "prefix",
            r#"{"a":[{"prefix":"ab"}]}"#,
            &[
                (r#"{"a":"abc"}"#, true),
                (r#"{"a":"ab"}"#, true),
                (r#"{"a":"a"}"#, false),
                (r#"{"a":"Abc"}"#, false),
                (r#"{"a":"cab"}"#, false),
                ("{}", false),
            ],
        ),
        ("prefix of strings only", r#"{"a":[{"prefix":"1"}]}"#, &[(r#"{"a":"12"}"#, true), (r#"{"a":12}"#, false)]),
        (
            "an empty prefix",
            r#"{"a":[{"prefix":""}]}"#,
            &[
                (r#"{"a":""}"#, true),
                (r#"{"a":"x"}"#, true),
                (r#"{"a":1}"#, false),
                (r#"{"a":null}"#, false),
                ("{}", false),
            ],
        ),
        (
            "suffix",
            r#"{"a":[{"suffix":".png"}]}"#,
            &[
                (r#"{"a":"x.png"}"#, true),
                (r#"{"a":".png"}"#, true),
                (r#"{"a":"x.PNG"}"#, false),
                (r#"{"a":"png"}"#, false),
                (r#"{"a":"x.png "}"#, false),
            ],
        ),
        ("an empty suffix", r#"{"a":[{"suffix":""}]}"#, &[(r#"{"a":"x"}"#, true), (r#"{"a":true}"#, false)]),
        ("prefix with more bytes", r#"{"a":[{"prefix":"é"}]}"#, &[(r#"{"a":"éa"}"#, true), (r#"{"a":"è"}"#, false)]),
        (
            "equals-ignore-case",
            r#"{"a":[{"equals-ignore-case":"Alice"}]}"#,
            &[
                (r#"{"a":"alice"}"#, true),
                (r#"{"a":"ALICE"}"#, true),
                (r#"{"a":"aLiCe"}"#, true),
                (r#"{"a":"alicf"}"#, false),
                (r#"{"a":"alices"}"#, false),
                (r#"{"a":"alic"}"#, false),
            ],
        ),
        (
            "ignoring case of numbers' text",
            r#"{"a":[{"equals-ignore-case":"1"}]}"#,
            &[(r#"{"a":1}"#, false), (r#"{"a":"1"}"#, true)],
        ),
        ("empty", r#"{"a":[{"equals-ignore-case":""}]}"#, &[(r#"{"a":""}"#, true), (r#"{"a":"x"}"#, false)]),
        (
            "letters beyond ASCII",
            r#"{"a":[{"equals-ignore-case":"É"}]}"#,
            &[(r#"{"a":"é"}"#, true), (r#"{"a":"É"}"#, true), (r#"{"a":"e"}"#, false)],
        ),
        (
            "sharp s",
            r#"{"a":[{"equals-ignore-case":"ß"}]}"#,
            &[(r#"{"a":"ß"}"#, true), (r#"{"a":"SS"}"#, true), (r#"{"a":"ss"}"#, false)],
        ),
        (
            "sharp s within",
            r#"{"a":[{"equals-ignore-case":"straße"}]}"#,
            &[(r#"{"a":"STRASSE"}"#, true), (r#"{"a":"strasse"}"#, false)],
        ),
        (
            "SS is not sharp s",
            r#"{"a":[{"equals-ignore-case":"SS"}]}"#,
            &[(r#"{"a":"ss"}"#, true), (r#"{"a":"ß"}"#, false)],
        ),
        (
            "k is not the kelvin sign",
            r#"{"a":[{"equals-ignore-case":"k"}]}"#,
            &[(r#"{"a":"K"}"#, true), (r#"{"a":"\u212a"}"#, false)],
        ),
        (
            "the kelvin sign is k",
            r#"{"a":[{"equals-ignore-case":"\u212a"}]}"#,
            &[(r#"{"a":"k"}"#, true), (r#"{"a":"\u212a"}"#, true), (r#"{"a":"K"}"#, false)],
        ),
        (
            "sigma is not final sigma",
            r#"{"a":[{"equals-ignore-case":"σ"}]}"#,
            &[(r#"{"a":"σ"}"#, true), (r#"{"a":"Σ"}"#, true), (r#"{"a":"ς"}"#, false)],
        ),
        (
            "final sigma is the capital",
            r#"{"a":[{"equals-ignore-case":"ς"}]}"#,
            &[(r#"{"a":"ς"}"#, true), (r#"{"a":"Σ"}"#, true), (r#"{"a":"σ"}"#, false)],
        ),
        ("forms of other lengths", r#"{"a":[{"equals-ignore-case":"Ⱥx"}]}"#, &[(r#"{"a":"ⱥX"}"#, true)]),
        (
            "dotted I",
            r#"{"a":[{"equals-ignore-case":"İ"}]}"#,
            &[(r#"{"a":"i̇"}"#, true), (r#"{"a":"İ"}"#, true), (r#"{"a":"i"}"#, false)],
        ),
        (
            "letters above U+FFFF fit nothing",
            r#"{"a":[{"equals-ignore-case":"𐐀"}]}"#,
            &[(r#"{"a":"𐐀"}"#, false), (r#"{"a":"𐐨"}"#, false)],
        ),
        (
            "prefix ignoring case",
            r#"{"a":[{"prefix":{"equals-ignore-case":"EventB"}}]}"#,
            &[
                (r#"{"a":"eventbridge"}"#, true),
                (r#"{"a":"EVENTB"}"#, true),
                (r#"{"a":"event"}"#, false),
                (r#"{"a":"an EventB"}"#, false),
                (r#"{"a":1}"#, false),
            ],
        ),
        (
            "an empty prefix ignoring case",
            r#"{"a":[{"prefix":{"equals-ignore-case":""}}]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"a":1}"#, false)],
        ),
        (
            "suffix ignoring case",
            r#"{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}"#,
            &[(r#"{"a":"x.png"}"#, true), (r#"{"a":"x.Png"}"#, true), (r#"{"a":"x.pnga"}"#, false)],
        ),
        (
            "suffix with forms of other lengths",
            r#"{"a":[{"suffix":{"equals-ignore-case":"ß"}}]}"#,
            &[(r#"{"a":"FUSS"}"#, true), (r#"{"a":"fuß"}"#, true), (r#"{"a":"fuss"}"#, false)],
        ),
    ]);
}

#[test]
fn wildcards() {
    check(&[
        (
            "within",
            r#"{"a":[{"wildcard":"a*c"}]}"#,
            &[
                (r#"{"a":"abc"}"#, true),
                (r#"{"a":"ac"}"#, true),
                (r#"{"a":"abcbc"}"#, true),
                (r#"{"a":"abcd"}"#, false),
                (r#"{"a":"xabc"}"#, false),
                (r#"{"a":"Abc"}"#, false),
            ],
        ),
        (
            "alone",
            r#"{"a":[{"wildcard":"*"}]}"#,
            &[(r#"{"a":""}"#, true), (r#"{"a":"x"}"#, true), (r#"{"a":1}"#, false), (r#"{"a":null}"#, false)],
        ),
        (
            "at both ends",
            r#"{"a":[{"wildcard":"*b*"}]}"#,
            &[(r#"{"a":"abc"}"#, true), (r#"{"a":"b"}"#, true), (r#"{"a":"ac"}"#, false)],
        ),
        (
            "several",
            r#"{"a":[{"wildcard":"*/bin/*.js"}]}"#,
            &[(r#"{"a":"/usr/bin/x.js"}"#, true), (r#"{"a":"/bin/.js"}"#, true), (r#"{"a":"/usr/x.js"}"#, false)],
        ),
        ("over lines", r#"{"a":[{"wildcard":"a*b"}]}"#, &[(r#"{"a":"a\n\nb"}"#, true), (r#"{"a":"a😀b"}"#, true)]),
        ("without a star", r#"{"a":[{"wildcard":"abc"}]}"#, &[(r#"{"a":"abc"}"#, true), (r#"{"a":"abcd"}"#, false)]),
        ("empty", r#"{"a":[{"wildcard":""}]}"#, &[(r#"{"a":""}"#, true), (r#"{"a":"x"}"#, false)]),
        (
            "a star escaped",
            r#"{"a":[{"wildcard":"a\\*b*"}]}"#,
            &[(r#"{"a":"a*bc"}"#, true), (r#"{"a":"axbc"}"#, false)],
        ),
        (
            "a backslash escaped",
            r#"{"a":[{"wildcard":"a\\\\*b"}]}"#,
            &[(r#"{"a":"a\\xb"}"#, true), (r#"{"a":"a*b"}"#, false)],
        ),
        (
            "an escaped star beside a star",
            r#"{"a":[{"wildcard":"\\**"}]}"#,
            &[(r#"{"a":"*x"}"#, true), (r#"{"a":"x"}"#, false)],
        ),
        (
            "signs of globs and regexes",
            r#"{"a":[{"wildcard":"a?[b].+*"}]}"#,
            &[(r#"{"a":"a?[b].+x"}"#, true), (r#"{"a":"axb.+x"}"#, false)],
        ),
        ("strings only", r#"{"a":[{"wildcard":"1*"}]}"#, &[(r#"{"a":12}"#, false), (r#"{"a":"12"}"#, true)]),
        (
            "beside others",
            r#"{"a":[{"wildcard":"x*"},"y"]}"#,
            &[(r#"{"a":"xx"}"#, true), (r#"{"a":"y"}"#, true), (r#"{"a":"z"}"#, false)],
        ),
    ]);
}

#[test]
fn anything_but() {
    check(&[
        (
            "a string",
            r#"{"a":[{"anything-but":"x"}]}"#,
            &[
                (r#"{"a":"x"}"#, false),
                (r#"{"a":"y"}"#, true),
                (r#"{"a":""}"#, true),
                (r#"{"a":5}"#, true),
                (r#"{"a":null}"#, true),
                (r#"{"a":true}"#, true),
                ("{}", false),
                (r#"{"a":[]}"#, false),
                (r#"{"a":{}}"#, false),
                (r#"{"a":{"b":1}}"#, false),
            ],
        ),
        (
            "of arrays any element",
            r#"{"a":[{"anything-but":"x"}]}"#,
            &[
                (r#"{"a":["x","y"]}"#, true),
                (r#"{"a":["x","x"]}"#, false),
                (r#"{"a":["x",{}]}"#, false),
                (r#"{"a":["x",null]}"#, true),
            ],
        ),
        (
            "a number",
            r#"{"a":[{"anything-but":300}]}"#,
            &[
                (r#"{"a":300}"#, false),
                (r#"{"a":3e2}"#, false),
                (r#"{"a":301}"#, true),
                (r#"{"a":"300"}"#, true),
                (r#"{"a":null}"#, true),
                (r#"{"a":9007199254740993}"#, true),
            ],
        ),
        (
            "a list of strings",
            r#"{"a":[{"anything-but":["x","y"]}]}"#,
            &[
                (r#"{"a":"x"}"#, false),
                (r#"{"a":"y"}"#, false),
                (r#"{"a":"z"}"#, true),
                (r#"{"a":["x","y"]}"#, false),
                (r#"{"a":["x","z"]}"#, true),
                (r#"{"a":1}"#, true),
            ],
        ),
        ("a list of one", r#"{"a":[{"anything-but":["x"]}]}"#, &[(r#"{"a":"x"}"#, false), (r#"{"a":"y"}"#, true)]),
        (
            "a list of numbers",
            r#"{"a":[{"anything-but":[1,2.0]}]}"#,
            &[(r#"{"a":1.0}"#, false), (r#"{"a":2}"#, false), (r#"{"a":3}"#, true), (r#"{"a":"1"}"#, true)],
        ),
        (
            "the empty string",
            r#"{"a":[{"anything-but":""}]}"#,
            &[(r#"{"a":""}"#, false), (r#"{"a":"x"}"#, true), (r#"{"a":null}"#, true)],
        ),
        (
            "a prefix",
            r#"{"a":[{"anything-but":{"prefix":"in"}}]}"#,
            &[
                (r#"{"a":"init"}"#, false),
                (r#"{"a":"in"}"#, false),
                (r#"{"a":"i"}"#, true),
                (r#"{"a":"x"}"#, true),
                (r#"{"a":1}"#, true),
                (r#"{"a":null}"#, true),
                ("{}", false),
            ],
        ),
        (
            "prefixes",
            r#"{"a":[{"anything-but":{"prefix":["a","b"]}}]}"#,
            &[(r#"{"a":"ax"}"#, false), (r#"{"a":"bx"}"#, false), (r#"{"a":"cx"}"#, true)],
        ),
        (
            "a suffix",
            r#"{"a":[{"anything-but":{"suffix":".txt"}}]}"#,
            &[(r#"{"a":"x.txt"}"#, false), (r#"{"a":"x.TXT"}"#, true), (r#"{"a":false}"#, true)],
        ),
        (
            "suffixes",
            r#"{"a":[{"anything-but":{"suffix":[".txt",".rtf"]}}]}"#,
            &[(r#"{"a":"x.rtf"}"#, false), (r#"{"a":"x.doc"}"#, true)],
        ),
        (
            "ignoring case",
            r#"{"a":[{"anything-but":{"equals-ignore-case":"init"}}]}"#,
            &[(r#"{"a":"INIT"}"#, false), (r#"{"a":"init"}"#, false), (r#"{"a":"inits"}"#, true), (r#"{"a":7}"#, true)],
        ),
        (
            "several ignoring case",
            r#"{"a":[{"anything-but":{"equals-ignore-case":["a","b"]}}]}"#,
            &[(r#"{"a":"B"}"#, false), (r#"{"a":"c"}"#, true)],
        ),
        (
            "the empty string ignoring case",
            r#"{"a":[{"anything-but":{"equals-ignore-case":""}}]}"#,
            &[(r#"{"a":""}"#, false), (r#"{"a":"c"}"#, true)],
        ),
        (
            "a wildcard",
            r#"{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}"#,
            &[(r#"{"a":"/lib/x"}"#, false), (r#"{"a":"/bin/x"}"#, true), (r#"{"a":1}"#, true)],
        ),
        (
            "wildcards",
            r#"{"a":[{"anything-but":{"wildcard":["a*","*z"]}}]}"#,
            &[(r#"{"a":"ab"}"#, false), (r#"{"a":"bz"}"#, false), (r#"{"a":"b"}"#, true)],
        ),
        (
            "beside a value",
            r#"{"a":["x",{"anything-but":["x","y"]}]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"a":"y"}"#, false), (r#"{"a":"z"}"#, true)],
        ),
        (
            "two of them",
            r#"{"a":[{"anything-but":"x"},{"anything-but":"y"}]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"a":"y"}"#, true)],
        ),
    ]);
}

#[test]
fn numeric() {
    check(&[
        (
            "equal",
            r#"{"a":[{"numeric":["=",5]}]}"#,
            &[(r#"{"a":5}"#, true), (r#"{"a":5.0}"#, true), (r#"{"a":"5"}"#, false), (r#"{"a":6}"#, false)],
        ),
        (
            "greater",
            r#"{"a":[{"numeric":[">",5]}]}"#,
            &[(r#"{"a":5}"#, false), (r#"{"a":5.000001}"#, true), (r#"{"a":-6}"#, false), (r#"{"a":1e300}"#, true)],
        ),
        ("at least", r#"{"a":[{"numeric":[">=",5]}]}"#, &[(r#"{"a":5}"#, true), (r#"{"a":4.999999}"#, false)]),
        (
            "less",
            r#"{"a":[{"numeric":["<",5]}]}"#,
            &[(r#"{"a":5}"#, false), (r#"{"a":4}"#, true), (r#"{"a":-1e300}"#, true)],
        ),
        ("at most", r#"{"a":[{"numeric":["<=",5]}]}"#, &[(r#"{"a":5}"#, true), (r#"{"a":5.1}"#, false)]),
        (
            "between",
            r#"{"a":[{"numeric":[">",0,"<=",5]}]}"#,
            &[
                (r#"{"a":0}"#, false),
                (r#"{"a":0.000001}"#, true),
                (r#"{"a":5}"#, true),
                (r#"{"a":5.01}"#, false),
                (r#"{"a":"3"}"#, false),
                (r#"{"a":null}"#, false),
                (r#"{"a":true}"#, false),
                ("{}", false),
            ],
        ),
        (
            "one value between, not two",
            r#"{"a":[{"numeric":[">",0,"<",5]}]}"#,
            &[(r#"{"a":[-1,6]}"#, false), (r#"{"a":[-1,3]}"#, true)],
        ),
        (
            "negative bounds",
            r#"{"a":[{"numeric":[">=",-2.5,"<",-1]}]}"#,
            &[(r#"{"a":-2.5}"#, true), (r#"{"a":-1}"#, false)],
        ),
        (
            "beyond a double is in no range",
            r#"{"a":[{"numeric":[">",0]}]}"#,
            &[
                (r#"{"a":9007199254740993}"#, false),
                (r#"{"a":9007199254740992}"#, true),
                (r#"{"a":1e309}"#, false),
                (r#"{"a":5e-324}"#, false),
                (r#"{"a":123456789012345678901234567890}"#, false),
                (r#"{"a":1e308}"#, true),
            ],
        ),
        ("zero", r#"{"a":[{"numeric":[">=",0]}]}"#, &[(r#"{"a":-0.0}"#, true), (r#"{"a":-0.1}"#, false)]),
        ("above zero", r#"{"a":[{"numeric":[">",-0.0]}]}"#, &[(r#"{"a":0}"#, false)]),
        (
            "six digits and more",
            r#"{"a":[{"numeric":[">",0.1234567,"<",0.1234569]}]}"#,
            &[(r#"{"a":0.1234568}"#, true), (r#"{"a":0.12345}"#, false)],
        ),
        (
            "beside others",
            r#"{"a":[{"numeric":["<",0]},"x",10]}"#,
            &[(r#"{"a":-1}"#, true), (r#"{"a":"x"}"#, true), (r#"{"a":10}"#, true), (r#"{"a":5}"#, false)],
        ),
    ]);
}

#[test]
fn exists() {
    check(&[
        (
            "there",
            r#"{"a":[{"exists":true}]}"#,
            &[
                (r#"{"a":"x"}"#, true),
                (r#"{"a":""}"#, true),
                (r#"{"a":0}"#, true),
                (r#"{"a":false}"#, true),
                (r#"{"a":null}"#, true),
                ("{}", false),
                (r#"{"b":1}"#, false),
                (r#"{"a":{}}"#, false),
                (r#"{"a":{"b":1}}"#, false),
                (r#"{"a":[]}"#, false),
                (r#"{"a":[{}]}"#, false),
                (r#"{"a":[[]]}"#, false),
                (r#"{"a":[{"b":1}]}"#, false),
                (r#"{"a":["x"]}"#, true),
                (r#"{"a":[[1]]}"#, true),
                (r#"{"a":[[],null]}"#, true),
            ],
        ),
        (
            "missing",
            r#"{"a":[{"exists":false}]}"#,
            &[
                ("{}", true),
                (r#"{"b":1}"#, true),
                (r#"{"a":"x"}"#, false),
                (r#"{"a":null}"#, false),
                (r#"{"a":{}}"#, true),
                (r#"{"a":{"b":1}}"#, true),
                (r#"{"a":[]}"#, true),
                (r#"{"a":[{}]}"#, true),
                (r#"{"a":[[]]}"#, true),
                (r#"{"a":["x"]}"#, false),
            ],
        ),
        (
            "missing within",
            r#"{"a":{"b":[{"exists":false}]}}"#,
            &[
                ("{}", true),
                (r#"{"a":1}"#, true),
                (r#"{"a":{"c":1}}"#, true),
                (r#"{"a":{"b":1}}"#, false),
                (r#"{"a":[{"c":1},{"b":1}]}"#, false),
                (r#"{"a.b":1}"#, false),
            ],
        ),
        (
            "missing or a value",
            r#"{"a":["x",{"exists":false}]}"#,
            &[
                ("{}", true),
                (r#"{"a":"x"}"#, true),
                (r#"{"a":"y"}"#, false),
                (r#"{"a":[]}"#, true),
                (r#"{"a":["y","x"]}"#, true),
            ],
        ),
        (
            "missing or null",
            r#"{"a":[null,{"exists":false}]}"#,
            &[("{}", true), (r#"{"a":null}"#, true), (r#"{"a":1}"#, false)],
        ),
        ("there or missing", r#"{"a":[{"exists":true},{"exists":false}]}"#, &[("{}", true), (r#"{"a":1}"#, true)]),
        (
            "one there, one missing",
            r#"{"a":[{"exists":true}],"b":[{"exists":false}]}"#,
            &[(r#"{"a":1}"#, true), (r#"{"a":1,"b":2}"#, false), (r#"{"c":1}"#, false)],
        ),
        (
            "missing before and behind",
            r#"{"b":["x"],"a":[{"exists":false}],"c":[{"exists":false}]}"#,
            &[(r#"{"b":"x"}"#, true), (r#"{"b":"x","a":1}"#, false), (r#"{"b":"x","c":1}"#, false)],
        ),
    ]);
}

#[test]
fn networks() {
    check(&[
        (
            "version 4",
            r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#,
            &[
                (r#"{"a":"10.0.0.0"}"#, true),
                (r#"{"a":"10.0.0.255"}"#, true),
                (r#"{"a":"10.0.1.0"}"#, false),
                (r#"{"a":"010.0.0.9"}"#, true),
                (r#"{"a":"10.0.0.256"}"#, false),
                (r#"{"a":"10.0.0"}"#, false),
                (r#"{"a":"10.0.0.1/32"}"#, false),
                (r#"{"a":" 10.0.0.1"}"#, false),
                (r#"{"a":"ec2.amazonaws.com"}"#, false),
                (r#"{"a":"AWS Internal"}"#, false),
                (r#"{"a":167772161}"#, false),
                (r#"{"a":null}"#, false),
                (r#"{"a":"::ffff:a00:1"}"#, true),
                (r#"{"a":"::ffff:10.0.0.1"}"#, false),
                (r#"{"a":"::1"}"#, false),
            ],
        ),
        (
            "host bits do not count",
            r#"{"a":[{"cidr":"10.0.0.77/24"}]}"#,
            &[(r#"{"a":"10.0.0.1"}"#, true), (r#"{"a":"10.0.0.200"}"#, true)],
        ),
        (
            "no whole byte",
            r#"{"a":[{"cidr":"10.0.0.128/25"}]}"#,
            &[(r#"{"a":"10.0.0.127"}"#, false), (r#"{"a":"10.0.0.128"}"#, true)],
        ),
        (
            "all of version 4",
            r#"{"a":[{"cidr":"0.0.0.0/0"}]}"#,
            &[(r#"{"a":"203.0.113.9"}"#, true), (r#"{"a":"x"}"#, false)],
        ),
        (
            "a single address",
            r#"{"a":[{"cidr":"10.0.0.1/32"}]}"#,
            &[(r#"{"a":"10.0.0.1"}"#, true), (r#"{"a":"10.0.0.2"}"#, false)],
        ),
        (
            "version 6",
            r#"{"a":[{"cidr":"2001:db8::/32"}]}"#,
            &[
                (r#"{"a":"2001:db8::1"}"#, true),
                (r#"{"a":"2001:0DB8:ffff:ffff:ffff:ffff:ffff:ffff"}"#, true),
                (r#"{"a":"2001:db9::"}"#, false),
                (r#"{"a":"[2001:db8::1]"}"#, false),
                (r#"{"a":"2001:db8::1%eth0"}"#, false),
                (r#"{"a":"32.1.13.184"}"#, false),
            ],
        ),
        (
            "a single address of version 6",
            r#"{"a":[{"cidr":"::1/128"}]}"#,
            &[(r#"{"a":"::1"}"#, true), (r#"{"a":"::2"}"#, false)],
        ),
        (
            "several",
            r#"{"a":[{"cidr":"10.0.0.0/8"},{"cidr":"192.168.0.0/16"}]}"#,
            &[(r#"{"a":"10.9.9.9"}"#, true), (r#"{"a":"192.168.9.9"}"#, true), (r#"{"a":"172.16.0.1"}"#, false)],
        ),
    ]);
}

#[test]
fn alternatives() {
    check(&[
        (
            "two",
            r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#,
            &[
                (r#"{"a":"x"}"#, true),
                (r#"{"b":"y"}"#, true),
                (r#"{"a":"x","b":"y"}"#, true),
                (r#"{"a":"y","b":"x"}"#, false),
                ("{}", false),
            ],
        ),
        (
            "beside a field",
            r#"{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}"#,
            &[(r#"{"a":"x","c":"z"}"#, true), (r#"{"a":"x"}"#, false), (r#"{"c":"z"}"#, false)],
        ),
        (
            "within a field",
            r#"{"d":{"$or":[{"a":["x"]},{"b":["y"]}],"c":["z"]}}"#,
            &[
                (r#"{"d":{"b":"y","c":"z"}}"#, true),
                (r#"{"d":{"b":"y"}}"#, false),
                (r#"{"b":"y","d":{"c":"z"}}"#, false),
            ],
        ),
        (
            "within one another",
            r#"{"$or":[{"a":["x"]},{"$or":[{"b":["y"]},{"c":["z"]}]}]}"#,
            &[(r#"{"a":"x"}"#, true), (r#"{"b":"y"}"#, true), (r#"{"c":"z"}"#, true), (r#"{"c":"x"}"#, false)],
        ),
        (
            "two of them multiply",
            r#"{"$or":[{"a":["1"]},{"b":["1"]}],"d":{"$or":[{"a":["2"]},{"b":["2"]}]}}"#,
            &[
                (r#"{"a":"1","d":{"b":"2"}}"#, true),
                (r#"{"b":"1","d":{"a":"2"}}"#, true),
                (r#"{"a":"1"}"#, false),
                (r#"{"d":{"a":"2"}}"#, false),
            ],
        ),
        (
            "several fields of a branch",
            r#"{"$or":[{"a":["x"],"b":["y"]},{"c":["z"]}]}"#,
            &[(r#"{"a":"x","b":"y"}"#, true), (r#"{"a":"x"}"#, false), (r#"{"a":"x","c":"z"}"#, true)],
        ),
        (
            "a branch replaces what stands outside",
            r#"{"a":["o"],"$or":[{"a":["i"]},{"b":["y"]}]}"#,
            &[
                (r#"{"a":"i"}"#, true),
                (r#"{"a":"o"}"#, false),
                (r#"{"a":"o","b":"y"}"#, true),
                (r#"{"a":"i","b":"n"}"#, true),
            ],
        ),
        (
            "what stands behind replaces the branch",
            r#"{"$or":[{"a":["i"]},{"b":["y"]}],"a":["o"]}"#,
            &[(r#"{"a":"i"}"#, false), (r#"{"a":"o"}"#, true)],
        ),
        (
            "matchers in branches",
            r#"{"$or":[{"n":[{"numeric":[">",5]}]},{"s":[{"prefix":"p"}]},{"m":[{"exists":false}]}]}"#,
            &[(r#"{"n":6,"m":1}"#, true), (r#"{"n":5,"m":1}"#, false), (r#"{"s":"pq","m":1}"#, true), ("{}", true)],
        ),
        (
            "elements within a branch",
            r#"{"$or":[{"r":{"a":["1"],"b":["2"]}},{"r":{"c":["3"]}}]}"#,
            &[
                (r#"{"r":[{"a":"1"},{"b":"2"}]}"#, false),
                (r#"{"r":[{"a":"1","b":"2"}]}"#, true),
                (r#"{"r":[{"a":"1"},{"c":"3"}]}"#, true),
            ],
        ),
        ("a field named $or", r#"{"$or":["x"]}"#, &[(r#"{"$or":"x"}"#, true), ("{}", false)]),
        (
            "a field named $or with matchers",
            r#"{"$or":[{"prefix":"x"},{"suffix":"y"}]}"#,
            &[(r#"{"$or":"xa"}"#, true), (r#"{"$or":"a"}"#, false)],
        ),
        ("an object named $or", r#"{"$or":{"a":["x"]}}"#, &[(r#"{"$or":{"a":"x"}}"#, true), (r#"{"a":"x"}"#, false)]),
        ("names that are reserved only within", r#"{"regex":["x"]}"#, &[(r#"{"regex":"x"}"#, true)]),
    ]);
}

#[test]
fn arrays() {
    check(&[
        (
            "any element",
            r#"{"a":["x"]}"#,
            &[
                (r#"{"a":["y","x"]}"#, true),
                (r#"{"a":["y"]}"#, false),
                (r#"{"a":[]}"#, false),
                (r#"{"a":[["y"],["x"]]}"#, true),
                (r#"{"a":[[["x"]]]}"#, true),
                (r#"{"a":[1,null,{"x":"x"},"x"]}"#, true),
            ],
        ),
        (
            "through arrays",
            r#"{"a":{"b":["x"]}}"#,
            &[
                (r#"{"a":[{"b":"y"},{"b":"x"}]}"#, true),
                (r#"{"a":[[{"b":"x"}]]}"#, true),
                (r#"{"a":[{"b":["y","x"]}]}"#, true),
                (r#"{"a":["x"]}"#, false),
            ],
        ),
        (
            "not across elements",
            r#"{"r":{"a":["1"],"b":["2"]}}"#,
            &[
                (r#"{"r":[{"a":"1","b":"2"}]}"#, true),
                (r#"{"r":[{"a":"1"},{"b":"2"}]}"#, false),
                (r#"{"r":[{"a":"1","b":"3"},{"a":"3","b":"2"}]}"#, false),
                (r#"{"r":[{"a":"1","b":"3"},{"a":"1","b":"2"}]}"#, true),
                (r#"{"r":{"a":"1","b":"2"}}"#, true),
                (r#"{"r":[{"a":["1","9"],"b":["9","2"]}]}"#, true),
            ],
        ),
        (
            "scalars of sibling arrays",
            r#"{"t":["x","z"],"u":["w","y"]}"#,
            &[(r#"{"t":["q","x"],"u":["y","q"]}"#, true)],
        ),
        (
            "different arrays",
            r#"{"a":{"x":["1"]},"b":{"y":["2"]}}"#,
            &[(r#"{"a":[{"x":"1"},{}],"b":[{},{"y":"2"}]}"#, true)],
        ),
        (
            "arrays within arrays",
            r#"{"r":{"s":{"a":["1"],"b":["2"]}}}"#,
            &[
                (r#"{"r":[{"s":[{"a":"1"},{"b":"2"}]}]}"#, false),
                (r#"{"r":[{"s":[{"a":"1"}]},{"s":[{"b":"2"}]}]}"#, false),
                (r#"{"r":[{"s":[{"a":"9"}]},{"s":[{"a":"9"},{"a":"1","b":"2"}]}]}"#, true),
            ],
        ),
        (
            "of different depth",
            r#"{"r":{"k":["1"],"s":{"a":["2"]}}}"#,
            &[
                (r#"{"r":[{"k":"1","s":[{"a":"9"},{"a":"2"}]}]}"#, true),
                (r#"{"r":[{"k":"1","s":[{"a":"9"}]},{"k":"9","s":[{"a":"2"}]}]}"#, false),
            ],
        ),
        (
            "sibling arrays within an element",
            r#"{"r":{"s":{"a":["1"]},"t":{"b":["2"]}}}"#,
            &[
                (r#"{"r":[{"s":[{"a":"1"},{}],"t":[{},{"b":"2"}]}]}"#, true),
                (r#"{"r":[{"s":[{"a":"1"}]},{"t":[{"b":"2"}]}]}"#, false),
            ],
        ),
        (
            "nested brackets",
            r#"{"r":{"a":["1"],"b":["2"]}}"#,
            &[
                (r#"{"r":[[{"a":"1"},{"b":"2"}]]}"#, false),
                (r#"{"r":[[{"a":"1"}],[{"b":"2"}]]}"#, false),
                (r#"{"r":[[{"a":"1","b":"2"}]]}"#, true),
            ],
        ),
        (
            "the array of a name twice",
            r#"{"r":{"a":["1"],"b":["2"]}}"#,
            &[(r#"{"r":[{"a":"1"},{}],"r":[{},{"b":"2"}]}"#, true), (r#"{"r":[{"a":"1"},{"b":"2"}],"r":[]}"#, false)],
        ),
        (
            "three fields",
            r#"{"r":{"a":["1"],"b":["2"],"c":["3"]}}"#,
            &[
                (r#"{"r":[{"a":"1","b":"2"},{"b":"2","c":"3"},{"a":"1","c":"3"}]}"#, false),
                (r#"{"r":[{"a":"1","b":"2"},{"c":"3","a":"1","b":"2"}]}"#, true),
            ],
        ),
        (
            "array and object beside",
            r#"{"d":{"r":{"a":["1"],"b":["2"]},"n":["x"]}}"#,
            &[
                (r#"{"d":{"r":[{"a":"1","b":"2"}],"n":"x"}}"#, true),
                (r#"{"d":[{"r":{"a":"1","b":"2"}},{"n":"x"}]}"#, false),
            ],
        ),
        (
            "a dotted name within an array",
            r#"{"r":{"a":{"b":["1"]},"c":["2"]}}"#,
            &[(r#"{"r":[{"a.b":"1","c":"2"}]}"#, true), (r#"{"r":[{"a.b":"1"},{"c":"2"}]}"#, false)],
        ),
        (
            "a dotted name is another array",
            r#"{"r":{"a":["1"],"b":["2"]}}"#,
            &[(r#"{"r.a":"1","r":[{"a":"9"},{"b":"2"}]}"#, true)],
        ),
        (
            "anything-but within one element",
            r#"{"r":{"a":[{"anything-but":"1"}],"b":["2"]}}"#,
            &[(r#"{"r":[{"a":"1","b":"2"},{"a":"3"}]}"#, false), (r#"{"r":[{"a":"1"},{"a":"3","b":"2"}]}"#, true)],
        ),
        (
            "the values of one field may differ",
            r#"{"r":{"a":["1","2"],"b":["x"]}}"#,
            &[(r#"{"r":[{"a":"3","b":"x"},{"a":"2","b":"x"}]}"#, true)],
        ),
    ]);
}

#[test]
fn what_is_missing_within_elements() {
    check(&[
        (
            "judged within what was chosen",
            r#"{"r":{"k":["1"],"v":[{"exists":false}]}}"#,
            &[
                (r#"{"r":[{"k":"1","v":"q"},{"k":"1"}]}"#, true),
                (r#"{"r":[{"k":"1","v":"q"},{"k":"2"}]}"#, false),
                (r#"{"r":[{"k":"1"},{"k":"2","v":"q"}]}"#, true),
                (r#"{"r":[{"k":"1","v":"q"}]}"#, false),
                (r#"{"r":{"k":"1"}}"#, true),
            ],
        ),
        (
            "behind what is chosen",
            r#"{"r":{"k":["1"],"z":[{"exists":false}]}}"#,
            &[(r#"{"r":[{"k":"1"},{"z":"q","k":"2"}]}"#, true)],
        ),
        (
            "before anything is chosen",
            r#"{"r":{"a":[{"exists":false}],"k":["1"]}}"#,
            &[(r#"{"r":[{"k":"1"},{"a":"q","k":"2"}]}"#, false), (r#"{"r":[{"k":"1"},{"k":"2"}]}"#, true)],
        ),
        (
            "between",
            r#"{"r":{"a":["1"],"b":[{"exists":false}],"c":["3"]}}"#,
            &[(r#"{"r":[{"a":"1","c":"3"},{"b":"2"}]}"#, true), (r#"{"r":[{"a":"1","b":"2","c":"3"}]}"#, false)],
        ),
        (
            "missing or a value",
            r#"{"r":{"k":["1"],"v":["x",{"exists":false}]}}"#,
            &[
                (r#"{"r":[{"k":"1","v":"y"},{"k":"2"}]}"#, false),
                (r#"{"r":[{"k":"1","v":"x"},{"k":"2","v":"y"}]}"#, true),
                (r#"{"r":[{"k":"1"},{"k":"2","v":"y"}]}"#, true),
            ],
        ),
        (
            "of an array deeper down",
            r#"{"r":{"k":["1"],"s":{"v":[{"exists":false}]}}}"#,
            &[
                (r#"{"r":[{"k":"1","s":[{"v":1}]},{"k":"2"}]}"#, false),
                (r#"{"r":[{"k":"1","s":[{"w":1}]},{"k":"2","s":{"v":1}}]}"#, true),
            ],
        ),
        (
            "an empty object in the element",
            r#"{"r":{"k":["1"],"v":[{"exists":false}]}}"#,
            &[(r#"{"r":[{"k":"1","v":{}}]}"#, true), (r#"{"r":[{"k":"1","v":null}]}"#, false)],
        ),
    ]);
}

/// Patterns as the documentation of the services shows them, and events of theirs.
#[test]
fn patterns_of_everyday() {
    let event = r#"{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"EC2 Instance State-change Notification",
        "source":"aws.ec2","account":"111122223333","time":"2026-01-15T12:00:00Z","region":"us-west-1",
        "resources":["arn:aws:ec2:us-west-1:111122223333:instance/i-1234567890abcdef0"],
        "detail":{"instance-id":"i-1234567890abcdef0","state":"terminated","c-count":5,"d-count":12,"x-limit":301.8,
        "source-ip":"10.0.0.33","creation-time":null,"userName":"","size":2.3842E-5,
        "ipPermissions":{"items":[{"fromPort":22,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}},
        {"fromPort":443,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}}}"#;
    for (name, pattern, expected) in [
        ("source", r#"{"source":["aws.ec2"]}"#, true),
        ("detail type", r#"{"detail-type":["EC2 Instance State-change Notification"]}"#, true),
        ("state", r#"{"source":["aws.ec2"],"detail":{"state":["terminated","stopped"]}}"#, true),
        ("another state", r#"{"source":["aws.ec2"],"detail":{"state":["running"]}}"#, false),
        ("resources", r#"{"resources":[{"prefix":"arn:aws:ec2:us-west-1:"}]}"#, true),
        (
            "a resource by its whole name",
            r#"{"resources":["arn:aws:ec2:us-west-1:111122223333:instance/i-1234567890abcdef0"]}"#,
            true,
        ),
        ("prefix of a time", r#"{"time":[{"prefix":"2026-01-15"}]}"#, true),
        ("null", r#"{"detail":{"creation-time":[null]}}"#, true),
        ("empty string", r#"{"detail":{"userName":[""]}}"#, true),
        ("anything but", r#"{"detail":{"state":[{"anything-but":"initializing"}]}}"#, true),
        ("anything but numbers", r#"{"detail":{"x-limit":[{"anything-but":[100,200,300]}]}}"#, true),
        ("anything but a prefix", r#"{"detail":{"state":[{"anything-but":{"prefix":"term"}}]}}"#, false),
        ("ranges", r#"{"detail":{"c-count":[{"numeric":[">",0,"<=",5]}],"d-count":[{"numeric":["<",10]}]}}"#, false),
        ("a number with an exponent", r#"{"detail":{"x-limit":[{"numeric":["=",3.018e2]}]}}"#, true),
        ("a small number", r#"{"detail":{"size":[0.000023842]}}"#, true),
        ("network", r#"{"detail":{"source-ip":[{"cidr":"10.0.0.0/24"}]}}"#, true),
        ("exists", r#"{"detail":{"state":[{"exists":true}],"reason":[{"exists":false}]}}"#, true),
        (
            "or",
            r#"{"detail":{"$or":[{"c-count":[{"numeric":[">",100]}]},{"x-limit":[{"numeric":["=",301.8]}]}]}}"#,
            true,
        ),
        (
            "a port and its range in one element",
            r#"{"detail":{"ipPermissions":{"items":{"fromPort":[22],"ipRanges":{"items":{"cidrIp":["0.0.0.0/0"]}}}}}}"#,
            false,
        ),
        (
            "a port and its range",
            r#"{"detail":{"ipPermissions":{"items":{"fromPort":[443],"ipRanges":{"items":{"cidrIp":["0.0.0.0/0"]}}}}}}"#,
            true,
        ),
    ] {
        assert_eq!(matches(&condition(pattern), event), expected, "{name}: {pattern}");
    }
}

/// A rule with a pattern and nothing else.
fn rule(pattern: &str) -> Rule {
    let text = format!("id = \"x\"\ntitle = \"x\"\nseverity = \"low\"\nevent_pattern = '''{pattern}'''\n");
    Rule::parse(Path::new("x.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// Whether the matcher finds the rule, and whether the naive evaluator does.
fn both(rule: &Rule, event: &str) -> (bool, bool) {
    let rules = RuleSet::new(vec![rule.clone()]);
    let mut scratch = Scratch::default();
    let found = !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty();
    (found, matches(&rule.condition, event))
}

const RECORD: &str = r#"{"eventVersion":"1.11","eventSource":"xray.amazonaws.com","eventName":"UpdateSamplingRule",
    "eventType":"AwsApiCall","eventCategory":"Management","awsRegion":"eu-west-1","recipientAccountId":"111122223333",
    "eventTime":"2026-01-15T12:00:00Z","errorCode":"AccessDenied","requestParameters":{"fixedRate":0.0,
    "tags":[{"key":"a.b","value":"1"},{"key":"c","value":"2"}],"labels":{"app.kubernetes.io/name":"x"}}}"#;

#[test]
fn a_record_matches_with_and_without_its_envelope() {
    let enveloped = format!(
        r#"{{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.xray","account":"111122223333",
        "time":"2026-01-15T12:00:00Z","region":"eu-west-1","resources":[],"detail":{RECORD}}}"#
    );
    for (pattern, expected) in [
        (r#"{"detail":{"eventName":["UpdateSamplingRule"]}}"#, true),
        (r#"{"detail":{"eventName":["DeleteSamplingRule"]}}"#, false),
        (r#"{"source":["aws.xray"]}"#, true),
        (r#"{"source":[{"prefix":"aws."}]}"#, true),
        (r#"{"source":[{"anything-but":"aws.xray"}]}"#, false),
        (r#"{"source":["aws.ec2"]}"#, false),
        (r#"{"detail-type":["AWS API Call via CloudTrail"]}"#, true),
        (r#"{"detail-type":["AWS Service Event via CloudTrail"]}"#, false),
        (r#"{"account":["111122223333"],"region":["eu-west-1"]}"#, true),
        (r#"{"time":[{"prefix":"2026-01-"}]}"#, true),
        (r#"{"version":["0"]}"#, true),
        (r#"{"resources":[{"exists":false}]}"#, true),
        (r#"{"detail":{"errorCode":[{"exists":false}]}}"#, false),
        (r#"{"detail":{"errorMessage":[{"exists":false}],"errorCode":[{"suffix":"Denied"}]}}"#, true),
        (r#"{"eventName":["UpdateSamplingRule"]}"#, false),
        (r#"{"detail":{"requestParameters":{"fixedRate":[0]}}}"#, true),
        (r#"{"detail":{"requestParameters":{"tags":{"key":["a.b"],"value":["1"]}}}}"#, true),
        (r#"{"detail":{"requestParameters":{"tags":{"key":["a.b"],"value":["2"]}}}}"#, false),
        (r#"{"detail":{"requestParameters":{"labels":{"app.kubernetes.io/name":["x"]}}}}"#, true),
        (
            r#"{"source":["aws.xray"],"detail":{"eventSource":["xray.amazonaws.com"],"eventName":[{"prefix":"Update"}]}}"#,
            true,
        ),
        (r#"{"$or":[{"source":["aws.ec2"]},{"detail":{"errorCode":["AccessDenied"]}}]}"#, true),
        (r#"{"a":["b"]}"#, false),
    ] {
        assert_eq!(both(&rule(pattern), RECORD), (expected, expected), "{pattern}");
        assert_eq!(matches(&condition(pattern), &enveloped), expected, "{pattern} with the envelope");
    }
}

#[test]
fn every_kind_of_record_has_its_detail_type() {
    let sign_in = r#"["AWS Console Signin via CloudTrail"]"#;
    for (expected, record) in [
        (r#"["AWS API Call via CloudTrail"]"#, json!({"eventType": "AwsApiCall"})),
        (r#"["AWS API Call via CloudTrail"]"#, json!({})),
        (r#"["AWS Service Event via CloudTrail"]"#, json!({"eventType": "AwsServiceEvent"})),
        (r#"["AWS Console Sign In via CloudTrail"]"#, json!({"eventType": "AwsConsoleSignIn"})),
        (sign_in, json!({"eventType": "AwsConsoleSignIn"})),
        (r#"["AWS Console Action via CloudTrail"]"#, json!({"eventType": "AwsConsoleAction"})),
        (r#"["AWS Network Activity Event via CloudTrail"]"#, json!({"eventType": "AwsVpceEvents"})),
        (r#"["AWS Insight via CloudTrail"]"#, json!({"eventType": "AwsCloudTrailInsight", "eventCategory": "Insight"})),
    ] {
        let mut whole = json!({"eventSource": "signin.amazonaws.com", "eventName": "X"});
        whole.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        let pattern = format!(r#"{{"detail-type":{expected}}}"#);
        assert_eq!(both(&rule(&pattern), &whole.to_string()), (true, true), "{pattern} on {whole}");
        let opposite = format!(r#"{{"detail-type":[{{"anything-but":{expected}}}]}}"#);
        assert_eq!(both(&rule(&opposite), &whole.to_string()), (false, false), "{opposite} on {whole}");
    }
    let insight = r#"{"eventCategory":"Insight","insightDetails":{"eventSource":"ec2.amazonaws.com"}}"#;
    assert_eq!(both(&rule(r#"{"source":["aws.cloudtrail"]}"#), insight), (true, true));
}

#[test]
fn events_that_are_not_of_cloudtrail_match_as_they_are() {
    let event =
        r#"{"detail-type":"AWS X-Ray Insight Update","source":"aws.xray","detail":{"State":"ACTIVE"},"id":"7"}"#;
    for (pattern, expected) in [
        (r#"{"source":["aws.xray"],"detail":{"State":["ACTIVE"]}}"#, true),
        (r#"{"source":["aws.xray"],"detail":{"State":["CLOSED"]}}"#, false),
        (r#"{"id":["7"]}"#, true),
        (r#"{"version":["0"]}"#, false),
        (r#"{"detail":{"eventName":[{"exists":false}]}}"#, true),
    ] {
        assert_eq!(both(&rule(pattern), event), (expected, expected), "{pattern}");
    }
}

/// A second reading of the service's algorithm: fields flattened and sorted, one step for each path of the pattern.
mod steps {
    use super::*;

    /// The number of an array, and of an element.
    type Membership = BTreeMap<usize, usize>;

    pub struct Flat {
        fields: Vec<(String, Value, Membership)>,
        arrays: usize,
    }

    pub fn flat(event: &Value) -> Flat {
        let mut flat = Flat { fields: Vec::new(), arrays: 0 };
        flat.add(String::new(), event, &mut Membership::new());
        flat
    }

    impl Flat {
        fn add(&mut self, path: String, value: &Value, membership: &mut Membership) {
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        self.add(below, value, membership);
                    }
                }
                Value::Array(elements) => {
                    let array = self.arrays;
                    self.arrays += 1;
                    for (number, element) in elements.iter().enumerate() {
                        if element.is_object() || element.is_array() {
                            membership.insert(array, number);
                        }
                        self.add(path.clone(), element, membership);
                        membership.remove(&array);
                    }
                }
                scalar => self.fields.push((path, scalar.clone(), membership.clone())),
            }
        }

        pub fn fits(&self, asked: &[(String, Vec<Value>)], chosen: &Membership) -> bool {
            let Some(((path, wanted), rest)) = asked.split_first() else { return true };
            let here = || self.fields.iter().filter(|(found, ..)| found == path);
            let step = here().any(|(_, value, membership)| {
                let fits = wanted.iter().any(|wanted| {
                    wanted == value
                        || *wanted == json!({"exists": true})
                        || wanted.get("anything-but").is_some_and(|but| but != value)
                });
                fits && joined(chosen, membership).is_some_and(|chosen| self.fits(rest, &chosen))
            });
            let absent = || here().all(|(.., membership)| joined(chosen, membership).is_none());
            step || (wanted.contains(&json!({"exists": false})) && absent() && self.fits(rest, chosen))
        }
    }

    fn joined(a: &Membership, b: &Membership) -> Option<Membership> {
        let agree = b.iter().all(|(array, element)| a.get(array).is_none_or(|other| other == element));
        agree.then(|| a.iter().chain(b).map(|(&array, &element)| (array, element)).collect())
    }
}

const NAMES: [&str; 5] = ["a", "b", "r", "a.b", "r.a"];

fn an_event() -> impl Strategy<Value = Value> {
    prop_oneof![any_event(), an_event_of_elements()]
}

/// An array of objects that have much in common, arrays of such objects among it.
fn an_event_of_elements() -> impl Strategy<Value = Value> {
    let object = |value: BoxedStrategy<Value>| {
        prop::collection::btree_map(prop::sample::select(&["a", "b", "c", "r"][..]), value, 1..4)
            .prop_map(|members| json!(members))
    };
    let scalar = prop::sample::select(vec![json!("1"), json!("1"), json!("2"), json!(["1", "2"])]).boxed();
    let inner = prop_oneof![3 => scalar.clone(), 1 => vec(object(scalar), 0..3).prop_map(Value::from)];
    vec(object(inner.boxed()), 1..4).prop_map(|elements| json!({ "r": elements }))
}

fn any_event() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        prop::sample::select(vec![json!("1"), json!("2"), json!("3")]),
        prop::sample::select(vec![json!(null), json!(true), json!([]), json!({})]),
    ];
    let value = scalar.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => vec((prop::sample::select(&NAMES[..]), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>()),
        ]
    });
    vec((prop::sample::select(&NAMES[..]), value), 0..4)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>())
}

/// What is asked of paths.
fn asked() -> impl Strategy<Value = BTreeMap<String, Vec<Value>>> {
    let path = prop_oneof![
        prop::sample::select(vec!["a", "b", "r", "a.b", "r.a", "r.b", "r.r.a", "r.r.b", "r.a.b", "a.b.a", "a.a"]),
        prop::sample::select(vec!["r.a", "r.b", "r.c", "r.r.a", "r.r.b"]),
    ];
    let one = prop::sample::select(vec![
        json!("1"),
        json!("1"),
        json!("2"),
        json!(null),
        json!({"exists": false}),
        json!({"exists": false}),
        json!({"exists": true}),
        json!({"anything-but": "1"}),
    ]);
    prop::collection::btree_map(path.prop_map(str::to_owned), vec(one, 1..3), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_naive_evaluator_goes_the_services_way(asked in asked(), event in an_event()) {
        let pattern = json!(asked).to_string();
        let in_order: Vec<(String, Vec<Value>)> = asked.into_iter().collect();
        let expected = steps::flat(&event).fits(&in_order, &BTreeMap::new());
        prop_assert_eq!(matches(&condition(&pattern), &event.to_string()), expected, "{} on {}", pattern, event);
    }

    #[test]
    fn the_matcher_agrees_with_the_naive_evaluator(
        asked in asked(),
        more in asked(),
        event in an_event(),
        as_record in any::<bool>(),
        within in any::<bool>(),
    ) {
        let both_ways = json!({"$or": [asked, more]});
        let pattern = if within { json!({"detail": both_ways}) } else { both_ways }.to_string();
        let mut event = if within && !as_record { json!({"detail": event, "detail-type": "x"}) } else { event };
        if as_record {
            let members = event.as_object_mut().unwrap();
            members.extend([("eventSource".to_owned(), json!("s")), ("eventName".to_owned(), json!("n"))]);
        }
        let (found, naive) = both(&rule(&pattern), &event.to_string());
        prop_assert_eq!(found, naive, "{} on {}", pattern, event);
        let enveloped = if as_record { json!({"detail": event}) } else { event.clone() };
        if within {
            let verbatim = matches(&condition(&pattern), &enveloped.to_string());
            prop_assert_eq!(naive, verbatim, "{} on {}", pattern, enveloped);
        }
    }
}

/// The longest that one judgement of a hostile event may take, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn judged_in_time(name: &str, pattern: &str, event: &str) -> bool {
    let rule = rule(pattern);
    let start = Instant::now();
    let (found, naive) = both(&rule, event);
    assert_eq!(found, naive, "{name}");
    assert!(start.elapsed() < PATIENCE, "{name} took {:?}", start.elapsed());
    found
}

#[test]
fn hostile_events_are_judged_in_time() {
    let elements = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(",");
    let pair = r#"{"r":{"a":["1"],"b":["2"],"c":[{"exists":false}]}}"#;
    let apart = format!(r#"{{"r":[{},{{"b":"2"}}]}}"#, elements(10_000, &|_| r#"{"a":"1"}"#.to_owned()));
    assert!(!judged_in_time("a large array", pair, &apart));
    let once =
        format!(r#"{{"r":[{},{{"a":"1","b":"2"}}]}}"#, elements(10_000, &|n| format!(r#"{{"a":"1","b":"{n}x"}}"#)));
    assert!(judged_in_time("a large array with one that fits", pair, &once));

    let twice = format!(
        "{{{}}}",
        elements(20, &|_| format!(r#""r":[{}]"#, elements(30, &|n| format!(r#"{{"a":"1","b":"{n}"}}"#))))
    );
    let crossed = r#"{"r":{"a":["1"],"b":["5"],"c":["1",{"exists":false}],"d":[{"exists":false}],"e":["9"]}}"#;
    assert!(!judged_in_time("an array twenty times", crossed, &twice));

    let brackets = format!(r#"{{"r":{}{{"a":"1"}}{}}}"#, "[".repeat(60), "]".repeat(60));
    assert!(!judged_in_time("many brackets", pair, &brackets));
}

#[test]
fn an_event_that_takes_too_much_work_matches() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let element = |number: usize| format!(r#"{{"{}":"1"}}"#, names[number % names.len()]);
    // Five arrays give one field each, and six are asked for.
    let array = (0..600).map(element).collect::<Vec<_>>().join(",");
    let event = format!("{{{}}}", vec![format!(r#""r":[{array}]"#); 5].join(","));
    let of = |names: &[&str]| {
        let asked: Vec<String> = names.iter().map(|name| format!(r#""{name}":["1"]"#)).collect();
        format!(r#"{{"r":{{{}}}}}"#, asked.join(","))
    };
    assert!(judged_in_time("more work than the bound", &of(&names), &event));
    let small = format!(r#"{{"r":[{}]}}"#, (0..6).map(element).collect::<Vec<_>>().join(","));
    assert!(!judged_in_time("less work than the bound", &of(&names), &small));
}

#[test]
fn hostile_patterns_are_judged_in_time() {
    let branches: Vec<Value> = (0..1_000).map(|n| json!({"r": {"a": [n.to_string()], "b": ["2"]}})).collect();
    let pattern = json!({"$or": branches}).to_string();
    let event = json!({"r": (0..40).map(|n| json!({"a": n.to_string(), "b": "1"})).collect::<Vec<_>>()});
    assert!(!judged_in_time("a thousand alternatives", &pattern, &event.to_string()));

    let values: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    assert!(judged_in_time("many values", &json!({"a": values}).to_string(), r#"{"a":"49999"}"#));
    let starred = format!(r#"{{"a":[{{"wildcard":"{}"}}]}}"#, "*a".repeat(500));
    assert!(!judged_in_time("many stars", &starred, &format!(r#"{{"a":"{}b"}}"#, "a".repeat(50_000))));
    let long = "ß".repeat(1_000);
    let folded = format!(r#"{{"a":[{{"equals-ignore-case":"{long}"}}]}}"#);
    assert!(judged_in_time("letters with several forms", &folded, &format!(r#"{{"a":"{}"}}"#, "SS".repeat(1_000))));

    for broken in [
        format!("{}{}", r#"{"a":"#.repeat(5_000), r#"["x"]"#.to_owned() + &"}".repeat(5_000)),
        json!({"$or": (0..40).map(|n| json!({"$or": (0..40).map(|m| json!({"a": [n, m]})).collect::<Vec<_>>()})).collect::<Vec<_>>()}).to_string(),
        json!({"a": {"$or": [{"b": [1]}, {"c": [1]}]}, "b": {"$or": vec![json!({"b": [1]}); 501]}}).to_string(),
    ] {
        let start = Instant::now();
        let _ = event_pattern::parse("pattern", &broken);
        assert!(start.elapsed() < PATIENCE);
    }
}
