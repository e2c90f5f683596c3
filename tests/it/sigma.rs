//! Sigma rules: what each construct means, row by row, and rules of every kind with events beside them.

use std::path::{Path, PathBuf};

use trailwatch::condition::holds;
use trailwatch::config;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::{self, Rule, Severity};

const RULES: &str = "tests/fixtures/sigma";

/// The one rule of a detection.
fn rule_of(detection: &str) -> Rule {
    let text = format!("title: t\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}\n");
    let reading = rule::read(Path::new("t.yml"), text.into_bytes());
    let problems: String = reading.problems.iter().map(|problem| format!("{problem}\n")).collect();
    reading.rules.into_iter().next().unwrap_or_else(|| panic!("{problems}"))
}

/// Whether a rule matches; the matcher and the naive evaluator must agree.
pub fn matches(rule: &Rule, event: &str) -> bool {
    let rules = RuleSet::new(vec![rule.clone()]);
    let mut scratch = Scratch::default();
    let matched = !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty();
    let mut fields = Fields::default();
    let event = Event::read(event, &projection_of([]), &mut fields).unwrap();
    assert_eq!(matched, holds(&rule.condition, &event), "matcher and naive evaluator differ");
    matched
}

/// Holds one line of a selection against events.
fn check_line(line: &str, rows: &[(&str, bool)]) {
    let rule = rule_of(&format!("    s:\n        {line}\n    condition: s"));
    for (event, expected) in rows {
        assert_eq!(matches(&rule, event), *expected, "{line} on {event}");
    }
}

#[test]
fn strings_mind_no_case_unless_told() {
    check_line("a: FooBar", &[(r#"{"a":"foobar"}"#, true), (r#"{"a":"FOOBAR"}"#, true), (r#"{"a":"foobarx"}"#, false)]);
    check_line("a: É", &[(r#"{"a":"é"}"#, true)]);
    check_line("a|cased: Foo", &[(r#"{"a":"Foo"}"#, true), (r#"{"a":"foo"}"#, false)]);
    check_line("a|contains|cased: Foo", &[(r#"{"a":"xFoo"}"#, true), (r#"{"a":"xfoo"}"#, false)]);
    check_line("a|cased: F*o", &[(r#"{"a":"Fxo"}"#, true), (r#"{"a":"fxo"}"#, false)]);
}

#[test]
fn the_case_of_fields_counts() {
    check_line("a.b: x", &[(r#"{"a":{"b":"x"}}"#, true), (r#"{"A":{"b":"x"}}"#, false), (r#"{"a.b":"x"}"#, false)]);
}

#[test]
fn modifiers_lie_where_they_say() {
    check_line("a|startswith: ab", &[(r#"{"a":"ABc"}"#, true), (r#"{"a":"cab"}"#, false)]);
    check_line("a|endswith: ab", &[(r#"{"a":"cAB"}"#, true), (r#"{"a":"abc"}"#, false)]);
    check_line("a|contains: ab", &[(r#"{"a":"cABd"}"#, true), (r#"{"a":"a-b"}"#, false)]);
    check_line("a|contains: a*b", &[(r#"{"a":"xa-bx"}"#, true), (r#"{"a":"ba"}"#, false)]);
    check_line("a|contains|all: [x, y]", &[(r#"{"a":"yx"}"#, true), (r#"{"a":"x"}"#, false)]);
    check_line("a|all|contains: [x, y]", &[(r#"{"a":["xa","ya"]}"#, true)]);
}

#[test]
fn wildcards_cross_everything() {
    check_line("a: 'x*z'", &[(r#"{"a":"x\n/z"}"#, true), (r#"{"a":"xz"}"#, true), (r#"{"a":"xzy"}"#, false)]);
    check_line("a: 'x?z'", &[(r#"{"a":"xéz"}"#, true), (r#"{"a":"xz"}"#, false)]);
    check_line("a: '*'", &[(r#"{"a":""}"#, true), (r#"{"a":5}"#, true), (r#"{"a":null}"#, false), ("{}", false)]);
    check_line("a: '*'", &[(r#"{"a":{"b":1}}"#, false), (r#"{"a":["x"]}"#, true), (r#"{"a":[]}"#, false)]);
    check_line(r"a: 'x\*'", &[(r#"{"a":"x*"}"#, true), (r#"{"a":"xy"}"#, false)]);
    check_line(r"a: 'c:\dir\*'", &[(r#"{"a":"c:\\dir*"}"#, true), (r#"{"a":"c:\\dir\\x"}"#, false)]);
    check_line(r"a: 'c:\dir\\*'", &[(r#"{"a":"c:\\dir\\x"}"#, true), (r#"{"a":"c:\\dirx"}"#, false)]);
}

#[test]
fn numbers_and_strings_of_them_are_one() {
    for line in ["a: 443", "a: '443'"] {
        check_line(line, &[(r#"{"a":443}"#, true), (r#"{"a":"443"}"#, true), (r#"{"a":4430}"#, false)]);
    }
    check_line("a: 1", &[(r#"{"a":1.0}"#, true), (r#"{"a":"1.0"}"#, true), (r#"{"a":true}"#, false)]);
    check_line("a: 012345678901", &[(r#"{"a":"012345678901"}"#, true), (r#"{"a":12345678901}"#, false)]);
    check_line("a|contains: 44", &[(r#"{"a":4443}"#, true), (r#"{"a":"x44"}"#, true), (r#"{"a":"4x4"}"#, false)]);
    check_line("a: '44*'", &[(r#"{"a":443}"#, true), (r#"{"a":344}"#, false)]);
    check_line("a: [443, https]", &[(r#"{"a":"443"}"#, true), (r#"{"a":"HTTPS"}"#, true), (r#"{"a":80}"#, false)]);
    check_line("a|gt: 5", &[(r#"{"a":6}"#, true), (r#"{"a":"6"}"#, true), (r#"{"a":"x"}"#, false), ("{}", false)]);
    check_line("a|lte: 0.5", &[(r#"{"a":0.5}"#, true), (r#"{"a":0.51}"#, false)]);
    check_line("a|lt: 9007199254740993", &[(r#"{"a":9007199254740992}"#, true), (r#"{"a":9007199254740993}"#, false)]);
}

#[test]
fn flags_are_their_text_in_any_case() {
    for line in ["a: true", "a: 'true'", "a: \"True\"", "a: TRUE"] {
        check_line(line, &[(r#"{"a":true}"#, true), (r#"{"a":"true"}"#, true), (r#"{"a":"TRUE"}"#, true)]);
        check_line(line, &[(r#"{"a":false}"#, false), (r#"{"a":1}"#, false), ("{}", false)]);
    }
    check_line("a: no", &[(r#"{"a":"No"}"#, true), (r#"{"a":false}"#, false)]);
}

#[test]
fn null_is_missing_or_null() {
    check_line("a: null", &[("{}", true), (r#"{"a":null}"#, true), (r#"{"a":""}"#, false), (r#"{"a":[]}"#, false)]);
    check_line("a:", &[("{}", true), (r#"{"a":0}"#, false)]);
    check_line("a: ''", &[("{}", false), (r#"{"a":""}"#, true), (r#"{"a":null}"#, false)]);
    check_line("a: [null, x]", &[("{}", true), (r#"{"a":"X"}"#, true), (r#"{"a":"y"}"#, false)]);
    check_line("a|neq: null", &[("{}", false), (r#"{"a":null}"#, false), (r#"{"a":"x"}"#, true)]);
    check_line("a.b: null", &[(r#"{"a":null}"#, true), (r#"{"a":{"b":1}}"#, false)]);
}

#[test]
fn to_exist_is_to_be_there() {
    check_line("a|exists: true", &[("{}", false), (r#"{"a":null}"#, true), (r#"{"a":""}"#, true)]);
    check_line("a|exists: false", &[("{}", true), (r#"{"a":null}"#, false)]);
}

#[test]
fn regular_expressions_mind_the_case_and_have_flags() {
    check_line("a|re: 'b+$'", &[(r#"{"a":"abb"}"#, true), (r#"{"a":"aBB"}"#, false), (r#"{"a":"bba"}"#, false)]);
    check_line("a|re|i: 'B+$'", &[(r#"{"a":"abb"}"#, true)]);
    check_line("a|re: 'x.y'", &[(r#"{"a":"x\ny"}"#, false)]);
    check_line("a|re|s: 'x.y'", &[(r#"{"a":"x\ny"}"#, true)]);
    check_line("a|re: '^y'", &[(r#"{"a":"x\ny"}"#, false)]);
    check_line("a|re|m|i: '^Y'", &[(r#"{"a":"x\ny"}"#, true)]);
    check_line(r"a|re: '^\d+$'", &[(r#"{"a":42}"#, true), (r#"{"a":"42"}"#, true)]);
    check_line("a|re: [x, y]", &[(r#"{"a":"y"}"#, true)]);
    check_line("a|re|all: [x, y]", &[(r#"{"a":"y"}"#, false), (r#"{"a":"xy"}"#, true)]);
}

#[test]
fn networks_hold_addresses_only() {
    check_line("a|cidr: 10.0.0.0/8", &[(r#"{"a":"10.9.9.9"}"#, true), (r#"{"a":"11.0.0.1"}"#, false)]);
    check_line("a|cidr: 10.0.0.0/8", &[(r#"{"a":"ec2.amazonaws.com"}"#, false), ("{}", false)]);
    check_line("a|cidr|neq: 10.0.0.0/8", &[(r#"{"a":"AWS Internal"}"#, true), ("{}", true)]);
    check_line("a|cidr: '2001:db8::/32'", &[(r#"{"a":"2001:db8::1"}"#, true)]);
    check_line("a|cidr: 192.0.2.7", &[(r#"{"a":"192.0.2.7"}"#, true)]);
}

#[test]
fn fields_are_compared_with_each_other() {
    check_line("a|fieldref: b.c", &[(r#"{"a":"X","b":{"c":"x"}}"#, true), (r#"{"a":"x"}"#, false), ("{}", false)]);
    check_line("a|fieldref|cased: b", &[(r#"{"a":"X","b":"x"}"#, false)]);
    check_line("a|fieldref|neq: b", &[(r#"{"a":"x","b":"x"}"#, false), (r#"{"a":"x"}"#, true)]);
    check_line("a|fieldref|endswith: b", &[(r#"{"a":"user/x","b":"x"}"#, true)]);
}

#[test]
fn the_hour_of_a_time_is_compared() {
    check_line("eventTime|hour: 3", &[(r#"{"eventTime":"2026-01-01T03:59:00Z"}"#, true), ("{}", false)]);
    check_line("eventTime|hour|gte: 18", &[(r#"{"eventTime":"2026-01-01T17:59:00Z"}"#, false)]);
}

#[test]
fn arrays_hold_if_any_element_does() {
    check_line("a.b: x", &[(r#"{"a":[{"b":"y"},{"b":["z","X"]}]}"#, true), (r#"{"a":[{"c":"x"}]}"#, false)]);
    check_line("a|neq: x", &[(r#"{"a":["x","y"]}"#, false), (r#"{"a":["y"]}"#, true)]);
}

#[test]
fn words_are_sought_in_every_string() {
    let rule = |keywords: &str| rule_of(&format!("    k:\n{keywords}\n    condition: k"));
    let one = rule("        - Need?e*x\n        - other");
    for (event, expected) in [
        (r#"{"a":{"b":[["a needle and x"]]}}"#, true),
        (r#"{"a":"OTHERS"}"#, true),
        (r#"{"other":1}"#, false),
        (r#"{"a":"nedle"}"#, false),
        (r#"{"a":1e999,"b":"other"}"#, true),
        (r#"{"a":"\ud800","b":"\u006fther"}"#, true),
    ] {
        assert_eq!(matches(&one, event), expected, "{event}");
    }
    let all = rule("        '|all': [x1, y1]");
    assert!(matches(&all, r#"{"a":"x1","b":"y1"}"#));
    assert!(!matches(&all, r#"{"a":"x1"}"#));
    let cased = rule("        '|cased': Xx");
    assert!(matches(&cased, r#"{"a":"aXxb"}"#) && !matches(&cased, r#"{"a":"xx"}"#));
    let regex = rule("        '|re': '^x+$'");
    assert!(matches(&regex, r#"{"a":"xx"}"#) && !matches(&regex, r#"{"a":"axx"}"#));
    let mixed = rule("        - eventName: A\n        - lonely");
    assert!(matches(&mixed, r#"{"eventName":"a"}"#) && matches(&mixed, r#"{"b":"lonely"}"#));
    assert!(matches(&rule_of("    k: lonely\n    condition: k"), r#"{"b":"so lonely"}"#));
    let digits = rule("        - 4242");
    assert!(matches(&digits, r#"{"b":"x4242"}"#) && !matches(&digits, r#"{"b":4242}"#));
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES).join(name)
}

#[test]
fn every_rule_matches_what_stands_beside_it() {
    let mut tried = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let reading = rule::read(&path.with_extension("yml"), std::fs::read(path.with_extension("yml")).unwrap());
        let [rule] = &reading.rules[..] else { panic!("{}: {:?}", path.display(), reading.problems) };
        let events: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (expected, word) in [(true, "match"), (false, "no match")] {
            for event in events[word].as_array().unwrap() {
                assert_eq!(matches(rule, &event.to_string()), expected, "{} on {event}", rule.id);
            }
        }
        tried += 1;
    }
    assert!(tried >= 14, "{tried}");
}

#[test]
fn a_folder_holds_rules_of_both_kinds_and_leaves_others_out() {
    let loaded = config::rules(&[fixture("")]);
    assert!(loaded.is_good(), "{:?}", loaded.problems);
    assert!(loaded.rules.len() >= 16);
    let [left_out] = &loaded.left_out[..] else { panic!("{:?}", loaded.left_out) };
    assert_eq!(left_out.reason, "logsource product windows, service system");
    assert!(left_out.source.name.ends_with("several_documents.yml"));
}

#[test]
fn what_a_rule_says_of_itself_is_kept() {
    let path = fixture("several_documents.yml");
    let rules = rule::read(&path, std::fs::read(&path).unwrap()).rules;
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["several-documents", "several-documents-2"]);
    assert_eq!((rules[0].severity, rules[1].severity), (Severity::Medium, Severity::Critical));
    assert_eq!(rules[1].tags, ["attack.defense-evasion", "attack.t1562"]);
    assert_eq!(rules[1].false_positives, ["maintenance"]);
    assert_eq!(rules[1].references.len(), 2);
    assert_eq!(rules[1].references[1], "sigma:aaaaaaaa-1111-4222-8333-444455556666");
}

#[test]
fn the_rule_of_another_log_stops_nothing_however_broken() {
    let text =
        "title: x\nlogsource: {category: process_creation, product: windows}\naction: global\ndetection: nonsense\n";
    let reading = rule::read(Path::new("t.yml"), text.into());
    assert!(reading.rules.is_empty() && reading.problems.is_empty());
    assert_eq!(reading.left_out[0].reason, "logsource product windows, category process_creation");
}

#[test]
fn log_sources_are_ours_by_their_service() {
    for (logsource, reason) in [
        ("{product: aws, service: cloudtrail}", None),
        ("{product: AWS, service: CloudTrail, definition: data events}", None),
        ("{service: cloudtrail}", None),
        ("{product: aws}", Some("logsource product aws")),
        ("{product: gcp, service: cloudtrail}", Some("logsource product gcp, service cloudtrail")),
        ("{product: aws, service: guardduty}", Some("logsource product aws, service guardduty")),
        (
            "{product: aws, service: cloudtrial}",
            Some("logsource product aws, service cloudtrial (did you mean `cloudtrail`?)"),
        ),
    ] {
        let text =
            format!("title: x\nlogsource: {logsource}\ndetection: {{s: {{eventName: StopLogging}}, condition: s}}\n");
        let reading = rule::read(Path::new("t.yml"), text.into());
        assert_eq!(reading.left_out.first().map(|left_out| left_out.reason.as_str()), reason, "{logsource}");
        assert_eq!(reading.rules.len(), usize::from(reason.is_none()), "{logsource}");
    }
}

#[test]
fn a_rule_that_would_grow_without_bound_is_refused() {
    let selection = format!("    s:\n        a: [{}]\n", vec!["x"; 5_000].join(", "));
    let text = format!(
        "title: x\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{selection}    condition: {}\n",
        vec!["s"; 50].join(" or ")
    );
    let reading = rule::read(Path::new("t.yml"), text.into());
    assert!(reading.problems[0].message.contains("more than 50000 predicates"), "{}", reading.problems[0]);
}
