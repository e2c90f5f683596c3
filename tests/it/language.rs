//! The meaning of lines, as docs/rules.md has it: matcher and naive evaluator, the same answer and the right one.

use std::path::Path;

use trailwatch::condition::holds;
use trailwatch::engine::trial::run_tests;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::Rule;

/// Whether a rule of these lines matches an event.
fn matches(lines: &str, event: &str) -> bool {
    let text = format!("id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n{lines}\n");
    let rule = Rule::parse(Path::new("r.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut fields = Fields::default();
    let read = Event::read(event, &projection_of([]), &mut fields).unwrap();
    let expected = holds(&rule.condition, &read);
    let found = !RuleSet::new(vec![rule]).evaluate(event, &mut Scratch::default()).unwrap().matches.is_empty();
    assert_eq!(found, expected, "the matcher disagrees: {lines} of {event}");
    found
}

/// What a line about `requestParameters.x` says of values of it; `-` stands for none.
#[track_caller]
fn check(line: &str, holds_of: &[&str], fails_of: &[&str]) {
    let line = line.replace("x|", "requestParameters.x|");
    for (values, expected) in [(holds_of, true), (fails_of, false)] {
        for value in values {
            let member = if *value == "-" { String::new() } else { format!("\"x\":{value}") };
            let event = format!("{{\"eventSource\":\"s\",\"eventName\":\"A\",\"requestParameters\":{{{member}}}}}");
            assert_eq!(matches(&line, &event), expected, "{line} of {value}");
        }
    }
}

/// The values of the table below, `-` for none.
const VALUES: [&str; 12] = [
    "-",
    "null",
    "\"\"",
    "\"a\"",
    "7",
    "true",
    r#"["a","b"]"#,
    "[]",
    r#"{"k":"a"}"#,
    r#"[["a"]]"#,
    "\"7\"",
    "\"true\"",
];

#[test]
fn every_modifier_of_every_sort_of_value() {
    for (line, holds_of) in [
        //                                    -  ""  7 [ab] {}  "7"
        (r#"x| = "a""#, "...y..y..y.."),
        (r#"x|not = "a""#, "yyy.yy.yy.yy"),
        (r#"x| = """#, "..y........."),
        (r#"x| = 7"#, "....y......."),
        (r#"x| = 7.0"#, "....y......."),
        (r#"x| = "7""#, "..........y."),
        (r#"x|loose = 7"#, "....y.....y."),
        (r#"x|loose = "7""#, "....y.....y."),
        (r#"x| = true"#, ".....y.....y"),
        (r#"x| = "true""#, "...........y"),
        (r#"x|loose = "true""#, ".....y.....y"),
        (r#"x|not = true"#, "yyyyy.yyyyy."),
        (r#"x|nocase = "A""#, "...y..y..y.."),
        (r#"x| = ["a", "7"]"#, "...y..y..yy."),
        (r#"x|all = ["a", "b"]"#, "......y....."),
        (r#"x|not|all = ["a", "b"]"#, "yyyyyy.yyyyy"),
        (r#"x|contains = "a""#, "...y..y..y.."),
        (r#"x|not|contains = "a""#, "yyy.yy.yy.yy"),
        (r#"x|startswith = "a""#, "...y..y..y.."),
        (r#"x|endswith = "a""#, "...y..y..y.."),
        (r#"x|loose|contains = "r""#, ".....y.....y"),
        (r#"x|re = "^$""#, "..y........."),
        (r#"x|glob = "*""#, "..yy..y..yyy"),
        (r#"x|cidr = "0.0.0.0/0""#, "............"),
        (r#"x|not|cidr = "0.0.0.0/0""#, "yyyyyyyyyyyy"),
        (r#"x|gt = 6"#, "....y......."),
        (r#"x|not|lte = 6"#, "yyyyyyyyyyyy"),
        (r#"x|loose|gte = 7"#, "....y.....y."),
        (r#"x|exists = true"#, ".yyyyyyyyyyy"),
        (r#"x|exists = false"#, "y..........."),
        (r#"x|null = true"#, ".y.........."),
        (r#"x|null = false"#, "y.yyyyyyyyyy"),
        (r#"x|len = 0"#, "..y....y...."),
        (r#"x|len = 1"#, "...y.....yy."),
        (r#"x|len|gte = 2"#, "......y....y"),
        (r#"x|not|len|gte = 2"#, "yyyyyy.yyyy."),
        (r#"x|fieldref = "requestParameters.x""#, "..yyyyy..yyy"),
        (r#"x|not|fieldref = "requestParameters.x""#, "yy.....yy..."),
        (r#"x|hour = 0"#, "............"),
        (r#"x|not|weekday = "mon""#, "yyyyyyyyyyyy"),
        (r#"x|any = { k = "a" }"#, "........y..."),
        (r#"x|not|any = { k = "a" }"#, "yyyyyyyy.yyy"),
        (r#"x|json = { k = "a" }"#, "........y..."),
        (r#"x|not|json = { k = "a" }"#, "yyyyyyyy.yyy"),
    ] {
        let line = line.replacen("x|", "\"x|", 1).replacen(" = ", "\" = ", 1).replacen("|\"", "\"", 1);
        for (value, expected) in VALUES.iter().zip(holds_of.chars()) {
            let line = line.replacen("\"x", "\"requestParameters.x", 1);
            let member = if *value == "-" { String::new() } else { format!("\"x\":{value}") };
            let event = format!("{{\"requestParameters\":{{{member}}}}}");
            assert_eq!(matches(&line, &event), expected == 'y', "{line} of {value}");
        }
    }
}

#[test]
fn numbers_are_compared_by_their_text() {
    for (line, holds_of, fails_of) in [
        (r#""x|gt" = 9007199254740992"#, &["9007199254740993"][..], &["9007199254740992"][..]),
        ("\"x|gte\" = 0.1", &["0.1", "1e400", "1e-1"], &["0.09", "-1e400"]),
        ("\"x|\" = 1000", &["1e3", "1000.0"], &["\"1000\"", "1000.5"]),
        ("\"x|loose\" = 1000", &["\"1e3\"", "\"1000\""], &["\"0x3e8\"", "\" 1000\""]),
    ] {
        check(&line.replace("|\"", "\"").replace("\"x\"", "\"requestParameters.x\""), holds_of, fails_of);
    }
}

#[test]
fn hours_and_days_are_those_of_the_zone() {
    let matches_in = |zone: &str, lines: &str, time: &str| {
        let text = format!("id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n{zone}\n[match]\n{lines}\n");
        let rule = Rule::parse(Path::new("r.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0]));
        let event = format!("{{\"eventTime\":\"{time}\"}}");
        !RuleSet::new(vec![rule]).evaluate(&event, &mut Scratch::default()).unwrap().matches.is_empty()
    };
    let (berlin, kolkata) = ("zone = \"Europe/Berlin\"", "zone = \"asia/kolkata\"");
    for (zone, line, time, expected) in [
        ("", "\"eventTime|hour\" = 22", "2026-01-15T22:30:00Z", true),
        (berlin, "\"eventTime|hour\" = 23", "2026-01-15T22:30:00Z", true),
        // Summer time.
        (berlin, "\"eventTime|hour\" = 0", "2026-07-15T22:30:00Z", true),
        (berlin, "\"eventTime|hour|gte\" = 1", "2026-07-15T22:30:00Z", false),
        (berlin, "\"eventTime|weekday\" = \"thu\"", "2026-07-15T22:30:00Z", true),
        (berlin, "\"eventTime|weekday\" = \"wed\"", "2026-07-15T22:30:00Z", false),
        (kolkata, "\"eventTime|hour\" = [3, 4]", "2026-07-15T22:30:00Z", true),
        (berlin, "\"eventTime|hour\" = [22, 23, 0, 1]", "2026-03-29T00:59:59Z", true),
        // The hour from two to three is not there.
        (berlin, "\"eventTime|hour\" = 3", "2026-03-29T01:00:00Z", true),
        (berlin, "\"eventTime|hour\" = 3", "no time", false),
    ] {
        assert_eq!(matches_in(zone, line, time), expected, "{zone} {line} of {time}");
    }
}

#[test]
fn two_stars_are_any_depth() {
    let line = r#""requestParameters.**.cidr" = "0.0.0.0/0""#;
    let of = |text: &str| format!("{{\"requestParameters\":{text},\"other\":{{\"cidr\":\"1\"}}}}");
    for (name, line, parameters, expected) in [
        ("at once", line, r#"{"cidr":"0.0.0.0/0"}"#, true),
        ("deep", line, r#"{"a":{"b":[[{"CIDR":["0.0.0.0/0"]}]]}}"#, true),
        ("below itself", line, r#"{"cidr":{"cidr":"0.0.0.0/0"}}"#, true),
        ("another value", line, r#"{"a":{"cidr":"10.0.0.0/8"}}"#, false),
        ("another name", line, r#"{"cidrs":"0.0.0.0/0"}"#, false),
        ("no object", line, "null", false),
        ("outside", r#""requestParameters.**.cidr" = "1""#, "{}", false),
        ("from the top", r#""**.cidr" = "1""#, "{}", true),
        ("not there", r#""requestParameters.**.x|exists" = false"#, r#"{"y":1}"#, true),
        ("not, of a missing field", r#""requestParameters.**.x|not" = 1"#, "{}", true),
        ("names behind", r#""requestParameters.**.a.b" = 1"#, r#"{"z":[{"a":{"b":1}}]}"#, true),
        ("twice", r#""requestParameters.**.a.**.b" = 1"#, r#"{"z":{"a":{"y":{"b":1}}}}"#, true),
        ("of a list", r#""requestParameters.**.x" = ["p", "q", "r", "s", "t"]"#, r#"{"a":{"x":"t"}}"#, true),
        (
            "with another field",
            r#""requestParameters.**.x|fieldref" = "requestParameters.o""#,
            r#"{"a":{"x":"1"},"o":"1"}"#,
            true,
        ),
        (
            "as the other field",
            r#""requestParameters.x|fieldref" = "requestParameters.**.y""#,
            r#"{"x":1,"a":{"y":1}}"#,
            true,
        ),
        (
            "an element",
            r#""requestParameters.**.items|any" = { a = 1, b = 2 }"#,
            r#"{"z":{"items":[{"a":1,"b":2}]}}"#,
            true,
        ),
        ("inside", r#""requestParameters.l|any" = { "**.x" = 1, y = 2 }"#, r#"{"l":[{"a":{"x":1},"y":2}]}"#, true),
    ] {
        assert_eq!(matches(line, &of(parameters)), expected, "{name}");
    }
}

#[test]
fn one_element_has_all_of_it() {
    let line = r#""x|any" = { port = 22, cidr = "0.0.0.0/0" }"#;
    let whole = r#"{"port":22,"cidr":"0.0.0.0/0"}"#;
    check(
        line,
        &[
            &format!("[{whole}]"),
            &format!("[{{\"port\":22}},{whole}]"),
            whole,
            &format!("{{\"items\":[{whole}]}}"),
            &format!("{{\"items\":{whole}}}"),
            &format!("[[{{}},{whole}]]"),
            r#"[{"PORT":22,"cidr":["10.0.0.0/8","0.0.0.0/0"]}]"#,
        ],
        &[
            "-",
            "null",
            "22",
            r#""22""#,
            "[]",
            "{}",
            "[22]",
            r#"[{"port":22},{"cidr":"0.0.0.0/0"}]"#,
            r#"{"items":[{"port":22},{"cidr":"0.0.0.0/0"}]}"#,
        ],
    );
    check(&line.replace("|any", "|not|any"), &["-", "null", "[]", r#"[{"port":22}]"#], &[whole]);
}

#[test]
fn only_objects_are_elements() {
    check(
        r#""x|any" = { "a|not" = 1 }"#,
        &[r#"[{"b":1}]"#, r#"{"b":1}"#],
        &["-", "null", "1", "[1]", "[]", "{}", r#"[{"a":1}]"#],
    );
}

#[test]
fn elements_have_elements() {
    let line = r#""x|any" = { port = 22, "ranges|any" = { cidr = "0.0.0.0/0", "note|exists" = false } }"#;
    check(
        line,
        &[r#"{"items":[{"port":22,"ranges":{"items":[{"cidr":"0.0.0.0/0"}]}}]}"#],
        &[
            r#"[{"port":22,"ranges":[{"cidr":"0.0.0.0/0","note":"x"},{"cidr":"10.0.0.0/8"}]}]"#,
            r#"[{"port":22},{"ranges":[{"cidr":"0.0.0.0/0"}]}]"#,
        ],
    );
    let paths = r#""x|any" = { port = 22, ranges.items.cidr = "0.0.0.0/0" }"#;
    check(paths, &[r#"[{"port":22,"ranges":{"items":[{"cidr":"0.0.0.0/0"}]}}]"#], &[r#"[{"port":22}]"#]);
}

#[test]
fn lists_of_tables_are_alternatives() {
    let either = r#""x|any" = [{ a = 1 }, { a = 2, b = 3 }]"#;
    check(either, &[r#"[{"a":1}]"#, r#"[{"a":2,"b":3}]"#], &[r#"[{"a":2},{"b":3}]"#]);
    check(&either.replace("|any", "|all|any"), &[r#"[{"a":2,"b":3},{"a":1}]"#], &[r#"[{"a":1}]"#]);
}

#[test]
fn documents_are_read() {
    let line = r#""x|json" = { Version = "2012-10-17", Statement.Effect = "Allow" }"#;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny"},{"Effect":"Allow"}]}"#;
    let quoted = serde_json::Value::from(document).to_string();
    let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%7D%7D";
    check(
        line,
        &[
            document,
            &quoted,
            &format!("[\"x\",{quoted}]"),
            &format!("\"{encoded}\""),
            &format!("\"{}\"", encoded.replace('%', "%25")),
        ],
        &["-", "null", "1", "\"\"", "\"{\"", "\"{}\"", "{}", "\"%7B\"", "[]"],
    );
    check(&line.replace("|json", "|not|json"), &["-", "\"{\""], &[&quoted]);
}

#[test]
fn elements_of_documents_and_documents_of_elements() {
    let line = r#""x|json|any" = { a = 1, b = 2 }"#;
    let elements = |text: &str| serde_json::Value::from(text).to_string();
    check(
        line,
        &[&elements(r#"[{"a":1,"b":2}]"#), &elements(r#"{"a":1,"b":2}"#)],
        &[&elements(r#"[{"a":1},{"b":2}]"#)],
    );
    let line = r#""x|json" = { "Statement|any" = { Effect = "Allow", Principal = "*" } }"#;
    let document = r#"{"Statement":[{"Effect":"Allow","Principal":"*"}]}"#;
    let apart = r#"{"Statement":[{"Effect":"Allow"},{"Principal":"*"}]}"#;
    check(line, &[&elements(document)], &[&elements(apart)]);
    let line = r#""x|any" = { name = "p", "value|json" = { a = 1 } }"#;
    check(
        line,
        &[r#"[{"name":"p","value":"{\"a\":1}"}]"#],
        &[r#"[{"name":"p","value":"{\"a\":2}"},{"value":"{\"a\":1}"}]"#],
    );
}

#[test]
fn the_whole_record_can_be_named_inside() {
    check(r#""x|any" = { a = 1, "$.eventName" = "A", "$.outcome" = "success" }"#, &[r#"[{"a":1}]"#], &["[]"]);
    check(r#""x|any" = { a = 1, "$.eventName|not" = "A" }"#, &[], &[r#"[{"a":1}]"#]);
    let line = r#""x|any" = { "a|fieldref" = "$.eventName", "b|fieldref" = "$.outcome" }"#;
    check(line, &[r#"[{"a":"A","b":"success"}]"#], &[r#"[{"a":"B","b":"success"}]"#, r#"[{"a":"A","b":"denied"}]"#]);
    check(
        r#""x|any" = { "a|not|fieldref" = "b", "a|exists" = true }"#,
        &[r#"[{"a":"1","b":"2"}]"#],
        &[r#"[{"a":"1","b":"1"}]"#],
    );
}

#[test]
fn whole_rules_of_the_documentation_are_good() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md")).unwrap();
    let blocks = text.split("```toml\n").skip(1).filter_map(|block| block.split("\n```").next());
    let whole: Vec<&str> = blocks.filter(|block| block.starts_with("id = ")).collect();
    assert!(whole.len() > 5);
    for text in whole {
        let rule = Rule::parse(Path::new("docs/rules.md"), text.to_owned())
            .unwrap_or_else(|problems| panic!("{}", problems[0]));
        for (test, outcome) in run_tests(&rule) {
            assert!(outcome.passed, "{}: {}", rule.id, test.name);
        }
    }
}
