//! The matcher held against the naive evaluator: the same events, the same rules, the same verdicts.

use std::path::Path as FilePath;

use proptest::collection::vec;
use proptest::prelude::*;
use trailwatch::condition::explain::{self, Seen};
use trailwatch::condition::{Field, holds};
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::shared::{Origin, SharedText};
use trailwatch::rule::{self, Rule, Shared};

/// Names and values from small sets, so that rules and events meet often.
fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "eventSource",
        "eventName",
        "awsRegion",
        "requestParameters.a",
        "requestParameters.a.b",
        "requestParameters.A.B",
        "requestParameters.list.x",
        "requestParameters.**.x",
        "**.a.b",
        "errorCode",
        "outcome",
        "service",
        "is_write",
        "actor.name",
        "resources.ARN",
        "userIdentity.userName",
        "userAgent",
        "sourceIPAddress",
        "src.ip",
    ])
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "ec2.amazonaws.com",
            "xray.amazonaws.com",
            "PutThing",
            "GetThing",
            "AccessDenied",
            "x",
            "X",
            "xy",
            "success",
            "denied",
            "ec2",
            "10",
            "true",
            "é\"\\u00e9",
            "É",
            "ΟΔΟΣ",
            "οδος",
            "ſ",
            "\u{212a}",
            "İ",
            "10.1.2.3",
            "10.200.0.1",
            "2001:db8::1",
            "010.1.2.3",
            "1e1",
        ])
        .prop_map(str::to_owned),
        "[a-cX. ]{1,4}",
    ]
}

fn scalar() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        4 => text().prop_map(Into::into),
        1 => (-3i64..12).prop_map(Into::into),
        1 => (-2.0f64..2.0).prop_map(Into::into),
        1 => any::<bool>().prop_map(Into::into),
        1 => Just(serde_json::Value::Null),
        1 => prop::sample::select(vec![
            r#"{"a":"x"}"#,
            r#"[{"a":"x","b":"y"},{"list":{"x":"10"}}]"#,
            "%7B%22a%22%3A%22ec2%22%7D",
            "{",
        ]).prop_map(Into::into),
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Into::into),
            vec((prop::sample::select(vec!["a", "b", "A", "x", "list"]), inner), 0..3)
                .prop_map(|members| { members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }),
        ]
    })
}

pub fn event() -> impl Strategy<Value = String> {
    let keys = vec![
        "eventSource",
        "eventName",
        "EVENTNAME",
        "userAgent",
        "sourceIPAddress",
        "awsRegion",
        "requestParameters",
        "errorCode",
        "resources",
        "userIdentity",
        "readOnly",
        "other",
    ];
    let members = vec((prop::sample::select(keys), prop_oneof![scalar(), value()]), 0..10);
    (members, 0..4).prop_map(|(members, manner)| {
        // Written by hand, so that a key may stand twice.
        let member = |(key, value): &(&str, serde_json::Value)| match manner {
            0 => format!("\n \"{key}\" :\t{value:#} "),
            _ => format!("\"{key}\":{value}"),
        };
        let text = format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","));
        // No name has an `X` in it.
        if manner == 1 { text.replace('X', "\\u0058") } else { text }
    })
}

/// A line of a rule. Not every combination is one: those are left out by the reader.
fn line() -> impl Strategy<Value = String> {
    let quoted = || text().prop_map(|text| format!("{text:?}").replace("\\u{e9}", "é"));
    let texts = || prop_oneof![quoted(), vec(quoted(), 1..7).prop_map(|list| format!("[{}]", list.join(", ")))];
    let of = |modifiers: &[&'static str]| prop::sample::select(modifiers.to_vec());
    let textual = of(&[
        "",
        "",
        "|not",
        "|contains",
        "|not|contains",
        "|startswith",
        "|endswith|nocase",
        "|nocase",
        "|nocase|contains",
        "|startswith|nocase",
        "|loose",
        "|loose|nocase",
        "|re",
        "|re|nocase",
        "|glob",
        "|glob|nocase",
    ]);
    prop_oneof![
        6 => (prop_oneof![9 => field(), 1 => Just("**")], textual, texts()).prop_map(|(field, modifiers, operand)| format!("\"{field}{modifiers}\" = {operand}\n")),
        1 => (field(), of(&["|exists", "|null", "|not|exists", ""]), any::<bool>())
            .prop_map(|(field, modifiers, truth)| format!("\"{field}{modifiers}\" = {truth}\n")),
        1 => (field(), of(&["|cidr", "|not|cidr"]), of(&["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0"]))
            .prop_map(|(field, modifiers, network)| format!("\"{field}{modifiers}\" = \"{network}\"\n")),
        1 => (field(), of(&["|gt", "|lte", "|gte", "", "|loose"]), -2.0f64..2.0)
            .prop_map(|(field, modifiers, number)| format!("\"{field}{modifiers}\" = {number:?}\n")),
        1 => (field(), of(&["|gt", "|lte", "|not|lt", "", "|loose", "|len", "|len|gte"]), 0i64..12)
            .prop_map(|(field, modifiers, number)| format!("\"{field}{modifiers}\" = {number}\n")),
        1 => (field(), of(&["|fieldref", "|not|fieldref", "|startswith|fieldref"]), field())
            .prop_map(|(field, modifiers, other)| format!("\"{field}{modifiers}\" = \"{other}\"\n")),
        1 => (field(), of(&["|all|contains", "|all"]), vec(quoted(), 1..3))
            .prop_map(|(field, modifiers, list)| format!("\"{field}{modifiers}\" = [{}]\n", list.join(", "))),
    ]
}

/// A line about what is inside a value, or one that is not.
fn outer_line() -> impl Strategy<Value = String> {
    let of = |modifiers: &[&'static str]| prop::sample::select(modifiers.to_vec());
    let inner = prop_oneof![
        4 => (of(&["a", "b", "A.b", "x", "a|not", "b|contains", "x|exists"]), text())
            .prop_map(|(key, text)| match key.ends_with("exists") {
                true => format!("\"{key}\" = true"),
                false => format!("\"{key}\" = {}", serde_json::Value::from(text)),
            }),
        1 => (of(&["$.eventName", "$.outcome", "$.requestParameters.a", "x"]))
            .prop_map(|other| format!("\"a|fieldref\" = \"{other}\"")),
        1 => text().prop_map(|text| format!("\"list|any\" = {{ x = {} }}", serde_json::Value::from(text))),
    ];
    let inner = vec(inner, 1..3).prop_map(|lines| format!("{{ {} }}", lines.join(", ")));
    prop_oneof![
        4 => line(),
        1 => (field(), of(&["|in", "|not|in", "|in|nocase"]), of(&["\"texts\"", "\"networks\"", "[\"texts\", \"globs\"]"]))
            .prop_map(|(field, modifiers, lists)| format!("\"{field}{modifiers}\" = {lists}\n")),
        1 => (of(&["use", "use_not"]), of(&["\"puts\"", "[\"puts\", \"others\"]"]))
            .prop_map(|(key, names)| format!("{key} = {names}\n")),
        1 => (field(), of(&["|any", "|not|any", "|json", "|json|any", "|not|json"]), inner)
            .prop_map(|(field, modifiers, inner)| format!("\"{field}{modifiers}\" = {inner}\n")),
    ]
}

fn block() -> impl Strategy<Value = String> {
    vec(outer_line(), 1..4).prop_map(|lines| {
        let mut seen = std::collections::HashSet::new();
        lines.into_iter().filter(|line| seen.insert(line.split(" = ").next().unwrap().to_owned())).collect()
    })
}

pub fn rule() -> impl Strategy<Value = String> {
    (block(), vec(block(), 0..3), prop::option::of(block())).prop_map(|(matches, either, except)| {
        let either: String = either.iter().map(|block| format!("[[either]]\n{block}")).collect();
        let except =
            except.map(|block| format!("[[except]]\nname = \"x\"\n[except.when]\n{block}")).unwrap_or_default();
        format!("title = \"t\"\nseverity = \"low\"\n[match]\n{matches}{either}{except}")
    })
}

/// A line of a selection of Sigma. A backslash and a quote are doubled where YAML's single quotes want it.
fn sigma_line() -> impl Strategy<Value = String> {
    let quoted = || {
        prop_oneof![4 => text(), 1 => "[a-c*?\\\\1-3]{1,4}"].prop_map(|text| format!("'{}'", text.replace('\'', "''")))
    };
    let plain = prop::sample::select(vec!["null", "true", "false", "10", "-1.5", "''", "1"]).prop_map(str::to_owned);
    let values = || vec(quoted(), 1..6).prop_map(|list| format!("[{}]", list.join(", ")));
    let of = |modifiers: &[&'static str]| prop::sample::select(modifiers.to_vec());
    let textual =
        of(&["", "", "", "|contains", "|startswith", "|endswith", "|cased", "|neq", "|endswith|cased", "|re", "|re|i"]);
    prop_oneof![
        4 => (field(), textual, prop_oneof![quoted(), values()]).prop_map(|(field, modifiers, value)| format!("{field}{modifiers}: {value}")),
        2 => (field(), of(&["", "|neq"]), prop_oneof![plain.clone(), vec(prop_oneof![plain, quoted()], 1..4).prop_map(|list| format!("[{}]", list.join(", ")))])
            .prop_map(|(field, modifiers, value)| format!("{field}{modifiers}: {value}")),
        1 => (field(), any::<bool>()).prop_map(|(field, flag)| format!("{field}|exists: {flag}")),
        1 => (field(), of(&["|gt", "|lte"]), -2i64..11).prop_map(|(field, modifier, n)| format!("{field}{modifier}: {n}")),
        1 => (field(), of(&["|fieldref", "|fieldref|neq|cased"]), field()).prop_map(|(field, modifier, other)| format!("{field}{modifier}: {other}")),
        1 => (field(), of(&["|contains|all", "|all|neq"]), values()).prop_map(|(field, modifiers, values)| format!("{field}{modifiers}: {values}")),
        1 => (of(&["'|all'", "'|re'", "'|cased'"]), values()).prop_map(|(key, values)| format!("{key}: {values}")),
    ]
}

fn sigma_selection() -> impl Strategy<Value = String> {
    let map = || {
        vec(sigma_line(), 1..4).prop_map(|lines| {
            let mut seen = std::collections::HashSet::new();
            let lines = lines.into_iter().filter(|line| seen.insert(line.split(": ").next().unwrap().to_owned()));
            lines.collect::<Vec<_>>()
        })
    };
    prop_oneof![
        3 => map().prop_map(|lines| format!("\n            {}", lines.join("\n            "))),
        1 => vec(map(), 1..3).prop_map(|maps| {
            maps.iter().map(|lines| format!("\n            - {}", lines.join("\n              "))).collect()
        }),
        1 => vec(prop_oneof!["[a-z0-9.]{1,3}", text()], 1..4).prop_map(|words| {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "''"))).collect();
            format!(" [{}]", quoted.join(", "))
        }),
    ]
}

/// A Sigma rule. Not every one is one: those are left out by the reader.
pub fn sigma_rule() -> impl Strategy<Value = String> {
    let conditions = vec![
        "a1",
        "a1 and not a2",
        "a1 or b and not a2",
        "1 of a*",
        "all of a* and not b",
        "not (a1 or b)",
        "1 of them",
        "not all of them",
        "[a1 and b, a2]",
    ];
    (sigma_selection(), sigma_selection(), sigma_selection(), prop::sample::select(conditions)).prop_map(
        |(a1, a2, b, condition)| {
            format!(
                "title: t\nlogsource:\n    product: aws\n    service: cloudtrail\ndetection:\n        a1:{a1}\n        \
                 a2:{a2}\n        b:{b}\n        condition: {condition}\n"
            )
        },
    )
}

pub fn read_sigma(texts: &[String]) -> Vec<Rule> {
    let numbered = texts.iter().enumerate();
    numbered.flat_map(|(n, text)| rule::read(FilePath::new(&format!("s{n}.yml")), text.clone().into()).rules).collect()
}

const SHARED: &str = r#"
[lists.texts]
values = ["x", "PutThing", "ec2.amazonaws.com", "success", "10"]
[lists.networks]
type = "cidr"
values = ["10.0.0.0/8"]
[lists.globs]
type = "glob"
values = ["Get*", "?y"]

[selections.puts]
"eventName|contains" = "Put"
use_not = ["others"]
[[selections.others]]
awsRegion = "x"
[[selections.others]]
"requestParameters.a|any" = { b = "x" }

[[exception]]
name = "e"
rules = ["r1", "r*3", "s*"]
when = { "requestParameters.**.x" = "xy" }
"#;

fn shared() -> Shared {
    let text = SharedText::of(FilePath::new("shared.toml"), SHARED.as_bytes(), Origin::Named).unwrap();
    let (shared, problems) = Shared::read(&[text], |_, _| Err(String::new()));
    assert_eq!(problems, []);
    shared
}

pub fn read(texts: &[String]) -> Vec<Rule> {
    let shared = shared();
    let numbered = texts.iter().enumerate().map(|(n, text)| format!("id = \"r{n}\"\n{text}"));
    numbered.flat_map(|text| rule::read_with(FilePath::new("generated.toml"), text.into(), &shared).rules).collect()
}

/// The rules that an event matches, by the naive evaluator.
fn naively(rules: &RuleSet, text: &str) -> Vec<u32> {
    let mut fields = Fields::default();
    let event = Event::read(text, &projection_of([]), &mut fields).unwrap();
    let numbered = (0..).zip(rules.rules());
    numbered.filter(|(_, rule)| holds(&rule.condition, &event)).map(|(number, _)| number).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_matcher_agrees_with_the_naive_evaluator(
        rules in vec(rule(), 1..20),
        sigma in vec(sigma_rule(), 0..8),
        events in vec(event(), 1..6),
    ) {
        let rules = RuleSet::new(read(&rules).into_iter().chain(read_sigma(&sigma)).collect());
        let expected: Vec<Vec<u32>> = events.iter().map(|text| naively(&rules, text)).collect();
        let mut scratch = Scratch::default();
        // So often that the matcher may take to reading events whole at once.
        for (text, expected) in events.iter().zip(&expected).cycle().take(40) {
            let found: Vec<u32> = rules.evaluate(text, &mut scratch).unwrap().matches.iter().map(|id| id.0).collect();
            prop_assert_eq!(&found, expected, "event {}", text);
            let candidates: Vec<u32> = scratch.candidates().iter().map(|id| id.0).collect();
            prop_assert!(found.iter().all(|id| candidates.contains(id)), "{:?} of {:?}", found, candidates);
        }
    }
}

/// Words to look for wherever there are strings, some as long as is looked for at once and longer.
fn words() -> impl Strategy<Value = Vec<String>> {
    vec(
        prop_oneof![6 => "[abAB\":1,]{3,5}", 1 => "[ab]{31,34}", 1 => "[ab]{1,2}|éa[ab]", 1 => "[ab]\\\\[ab]|[ab]\n[ab]"],
        1..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn words_anywhere_are_found_where_the_naive_evaluator_finds_them(
        rules in vec((words(), any::<bool>(), 0..6_u8, "|eventName = \"x\"\n"), 1..6),
        values in vec(prop_oneof![9 => "[abAB:1]{0,9}", 1 => "[abAB\\\\\"é]{0,6}"], 1..5),
        planted in vec((any::<prop::sample::Index>(), "[ab]{0,3}", "[ab]{0,3}", any::<bool>()), 0..4),
        name in "[abAB]{0,6}",
        is_pretty in any::<bool>(),
    ) {
        let rule = |(words, cased, kind, call): &(Vec<String>, bool, u8, String)| {
            let modifier = if *cased { "" } else { "nocase|" };
            let open = |word: &String| {
                let word = word.replace('\\', "\\\\");
                [format!("{word}*a*"), format!("*{word}?*"), format!("*a*{word}")][usize::from(*kind % 3)].clone()
            };
            let (test, words) = if *kind < 3 { ("glob", words.iter().map(open).collect()) } else { ("contains", words.clone()) };
            format!("title = \"t\"\nseverity = \"low\"\n[match]\n{call}\"**|{modifier}{test}\" = {words:?}\n")
        };
        let texts: Vec<String> = rules.iter().map(rule).collect();
        let sought: Vec<String> = rules.iter().flat_map(|(words, ..)| words.clone()).collect();
        let rules = RuleSet::new(read(&texts));
        prop_assert_eq!(rules.rules().len(), texts.len());
        let mut values = values;
        for (which, before, behind, is_upper) in planted {
            let word = which.get(&sought);
            let word = if is_upper { word.to_ascii_uppercase() } else { word.clone() };
            values.push(format!("{before}{word}{behind}"));
        }
        let event = serde_json::json!({ "eventName": "x", &name: { "b": 12, "a": &values }, "c": [&name] });
        let text = if is_pretty { format!("{event:#}") } else { event.to_string() };
        let mut scratch = Scratch::default();
        let found: Vec<u32> = rules.evaluate(&text, &mut scratch).unwrap().matches.iter().map(|id| id.0).collect();
        prop_assert_eq!(found, naively(&rules, &text), "{} of {:?}", text, texts);
    }
}

proptest! {
    #[test]
    fn the_strings_of_a_record_are_those_that_the_naive_evaluator_finds(text in event()) {
        let mut fields = Fields::default();
        let event = Event::read(&text, &projection_of([]), &mut fields).unwrap();
        let quick: Vec<Seen> = event.strings().iter().map(|string| Seen::String(string.to_string())).collect();
        prop_assert_eq!(quick, explain::values(&Field::Anywhere, &event));
    }
}

#[test]
fn most_generated_rules_are_rules() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let texts: Vec<String> = (0..500).map(|_| rule().new_tree(&mut runner).unwrap().current()).collect();
    let good = read(&texts).len();
    assert!(good > 50, "only {good} of 500 generated rules are rules");
    let texts: Vec<String> = (0..500).map(|_| sigma_rule().new_tree(&mut runner).unwrap().current()).collect();
    let good = read_sigma(&texts).len();
    assert!(good > 300, "only {good} of 500 generated Sigma rules are rules");
}
