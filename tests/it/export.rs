//! Rules and the patterns that they are exported into: what a rule matches fits a pattern.
//!
//! Patterns are judged by our own readers of the two languages; an event pattern gets the event in an envelope.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use trailwatch::condition::{Condition, holds};
use trailwatch::config;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::Origin;
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::export::{EVENT_PATTERN_LENGTH_MAX, Export, Target, export};
use trailwatch::rule::filter_pattern::{self, PATTERN_LENGTH_MAX};
use trailwatch::rule::{Rule, event_pattern};

use super::corpus::corpus;
use super::engine::{event, read, read_sigma, rule, sigma_rule, text};

/// Patterns of both languages, ready to be judged.
struct Patterns<'r> {
    filter: Export<'r>,
    filter_condition: Option<Condition>,
    event: Export<'r>,
    event_conditions: Vec<Condition>,
}

impl<'r> Patterns<'r> {
    fn of(rules: &'r [Rule]) -> Self {
        let (filter, event) = (export(rules, Target::FilterPattern), export(rules, Target::EventPattern));
        let filter_condition = filter.patterns.first().map(|pattern| {
            assert!(pattern.text.chars().count() <= PATTERN_LENGTH_MAX, "{}", pattern.text);
            assert!(pattern.text.matches('*').count() <= 3, "{}", pattern.text);
            filter_pattern::parse("exported", &pattern.text).unwrap_or_else(|problem| panic!("{problem}"))
        });
        let event_conditions = event.patterns.iter().map(|pattern| {
            assert!(pattern.text.chars().count() <= EVENT_PATTERN_LENGTH_MAX, "{}", pattern.text);
            event_pattern::parse("exported", &pattern.text)
                .unwrap_or_else(|problems| panic!("{}", problems[0]))
                .verbatim()
        });
        let event_conditions = event_conditions.collect();
        Self { filter, filter_condition, event, event_conditions }
    }

    /// The ids of rules that match an event and are said to be reached, with the pattern that hides it from them.
    fn hidden(&self, event: &Event<'_>) -> Vec<String> {
        let passes_filter = has_an_array_for_a_value(event.text())
            || self.filter_condition.as_ref().is_none_or(|condition| holds(condition, event));
        let enveloped = format!("{{\"detail\":{}}}", event.text());
        let mut fields = Fields::default();
        let enveloped = Event::read(&enveloped, &projection_of([]), &mut fields).unwrap();
        let passes_event = self.event_conditions.iter().any(|condition| holds(condition, &enveloped));
        let mut hidden = Vec::new();
        for (export, passes) in [(&self.filter, passes_filter), (&self.event, passes_event)] {
            let reached = export.coverage.iter().filter(|coverage| coverage.unreached.is_empty());
            let matched = reached.filter(|coverage| !passes && holds(&coverage.rule.condition, event));
            hidden.extend(matched.map(|coverage| {
                let patterns: Vec<&str> = export.patterns.iter().map(|pattern| pattern.text.as_str()).collect();
                format!("{}: {}", coverage.rule.id, patterns.join("\n"))
            }));
        }
        hidden
    }
}

/// Whether a field that patterns ask for is an array, as CloudTrail never writes it. CloudWatch finds nothing in it.
fn has_an_array_for_a_value(text: &str) -> bool {
    let asked =
        ["eventSource", "eventName", "awsRegion", "errorCode", "userAgent", "sourceIPAddress", "readOnly", "type"];
    let is_array = |rest: &str| rest.trim_start_matches([' ', '\t', '\n', ':']).starts_with('[');
    asked.iter().any(|name| text.split(&format!("\"{name}\"")).skip(1).any(is_array))
}

fn hidden(patterns: &Patterns<'_>, text: &str) -> Vec<String> {
    let mut fields = Fields::default();
    patterns.hidden(&Event::read(text, &projection_of([]), &mut fields).unwrap())
}

/// A rule of the sort that people write: a service, calls, and some more.
fn plain_rule() -> impl Strategy<Value = String> {
    let names = vec(
        (text(), prop::sample::select(vec!["eventName", "eventSource", "errorCode", "awsRegion", "readOnly"])),
        1..6,
    );
    (names, prop::sample::select(vec!["", "|startswith", "|endswith", "|contains", "|nocase", "|startswith|nocase"]))
        .prop_map(|(values, modifier)| {
            let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (value, field) in values {
                lists.entry(field).or_default().push(format!("{value:?}").replace("\\u{e9}", "é"));
            }
            let lines = lists.iter().map(|(field, list)| format!("\"{field}{modifier}\" = [{}]\n", list.join(", ")));
            format!("title = \"t\"\nseverity = \"low\"\n[match]\n{}", lines.collect::<String>())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_a_rule_matches_fits_the_patterns(
        rules in vec(prop_oneof![rule(), plain_rule()], 1..20),
        sigma in vec(sigma_rule(), 0..4),
        events in vec(event(), 1..12),
    ) {
        let rules: Vec<Rule> = read(&rules).into_iter().chain(read_sigma(&sigma)).collect();
        let patterns = Patterns::of(&rules);
        for text in &events {
            // What CloudTrail spells so in every record is spelt so.
            let text = text.replace("EVENTNAME", "eventName");
            let hidden = hidden(&patterns, &text);
            prop_assert!(hidden.is_empty(), "hidden is {}\nfrom {:?}", text, hidden);
        }
    }
}

fn shipped(folder: &str) -> Vec<Rule> {
    let loaded = config::rules(&[FilePath::new(env!("CARGO_MANIFEST_DIR")).join(folder)]);
    assert!(loaded.is_good());
    loaded.rules
}

#[test]
fn the_shipped_rules_are_reached_and_their_tests_fit() {
    let rules = shipped("rules");
    let patterns = Patterns::of(&rules);
    for export in [&patterns.filter, &patterns.event] {
        let unreached: Vec<&str> = export
            .coverage
            .iter()
            .filter(|coverage| !coverage.unreached.is_empty())
            .map(|coverage| coverage.rule.id.as_str())
            .collect();
        assert!(unreached.is_empty() && !export.patterns.is_empty(), "{unreached:?}");
    }
    // Two of each, since the naive evaluator takes its time.
    for rule in &rules {
        for test in rule.tests.iter().filter(|test| test.matches).take(2) {
            assert_eq!(hidden(&patterns, &test.event), [] as [String; 0], "{}: {}", rule.id, test.name);
        }
    }
}

#[test]
fn recorded_events_that_rules_match_fit() {
    let Some(corpus) = corpus() else { return };
    let rules = shipped("rules/xray");
    let patterns = Patterns::of(&rules);
    let condition = patterns.filter_condition.as_ref().unwrap();
    let mut left_out = 0;
    for file in ["sample_events.ndjson", "xray_synthetic.ndjson"] {
        let body = Bytes::from(std::fs::read(corpus.join(file)).unwrap());
        let mut decoded = Decoded::default();
        decode(&body, &Origin::line(file.to_owned(), 1), &Limits::default(), &mut decoded);
        let mut fields = Fields::default();
        for raw in &decoded.events {
            let text = std::str::from_utf8(&raw.bytes).unwrap();
            assert_eq!(hidden(&patterns, text), [] as [String; 0], "{text}");
            let event = Event::read(text, &projection_of([]), &mut fields).unwrap();
            left_out += usize::from(!holds(condition, &event));
        }
    }
    assert!(left_out > 200, "{left_out}");
}

fn rules(bodies: &[&str]) -> Vec<Rule> {
    let texts = bodies.iter().enumerate();
    let texts = texts.map(|(n, body)| format!("id = \"r{n}\"\ntitle = \"t\"\nseverity = \"low\"\n{body}"));
    texts
        .map(|text| Rule::parse(FilePath::new("r.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0])))
        .collect()
}

fn exported(bodies: &[&str], target: Target) -> (Vec<String>, Vec<String>, Vec<String>) {
    let rules = rules(bodies);
    let export = export(&rules, target);
    let unreached = export.coverage.iter().flat_map(|coverage| coverage.unreached.clone()).collect();
    (export.patterns.into_iter().map(|pattern| pattern.text).collect(), unreached, export.widened)
}

#[test]
fn what_every_match_needs_is_said() {
    for (name, body, filter, event) in [
        (
            "a service and calls",
            "[match]\neventSource = \"iam.amazonaws.com\"\neventName = [\"CreateUser\", \"DeleteUser\"]",
            r#"{$.eventSource="iam.amazonaws.com"&&($.eventName=CreateUser||$.eventName=DeleteUser)}"#,
            r#"{"detail":{"eventName":["CreateUser","DeleteUser"],"eventSource":["iam.amazonaws.com"]}}"#,
        ),
        (
            "what filters cannot say is left out",
            "[match]\neventname = \"CreateUser\"\nis_write = true\nrequestParameters.userName = \"x\"",
            "{$.eventName=CreateUser}",
            r#"{"detail":{"eventName":["CreateUser"]}}"#,
        ),
        (
            "alternatives that differ in one field become one",
            "[match]\nreadOnly = false\n[[either]]\neventName = \"A\"\n[[either]]\neventName = \"B\"",
            r#"{($.eventName=A||$.eventName=B)&&($.readOnly IS FALSE||$.readOnly="false")}"#,
            r#"{"detail":{"eventName":["A","B"],"readOnly":[false,"false"]}}"#,
        ),
        (
            "a derived field says something of others",
            "[match]\nservice = \"iam\"\noutcome = \"denied\"\neventName = \"A\"",
            r#"{$.errorCode="*"&&$.eventName=A&&$.insightDetails.eventSource=%^iam%||$.eventSource="iam*"&&$.errorCode="*"&&$.eventName=A}"#,
            r#"{"detail":{"$or":[{"errorCode":[{"exists":true}],"eventName":["A"],"eventSource":[{"prefix":"iam"}]},{"errorCode":[{"exists":true}],"eventName":["A"],"insightDetails":{"eventSource":[{"prefix":"iam"}]}}]}}"#,
        ),
        (
            "the opposite of an opposite",
            "condition = \"not (not one or two)\"\n[selections.one]\neventName = \"A\"\n[selections.two]\nawsRegion = \"x\"",
            "{$.eventName=A}",
            r#"{"detail":{"eventName":["A"]}}"#,
        ),
        (
            "a filter pattern",
            "filter_pattern = '{ $.eventName = \"Put*\" && $.errorCode != \"x\" }'",
            r#"{$.eventName="Put*"}"#,
            r#"{"detail":{"eventName":[{"prefix":"Put"}]}}"#,
        ),
        (
            "an event pattern",
            "event_pattern = '{\"source\":[\"aws.iam\"],\"detail\":{\"eventName\":[\"A\",{\"prefix\":\"B\"}],\"x\":[1]}}'",
            r#"{($.eventName=A||$.eventName="B*")&&$.insightDetails.eventSource=%^iam%||$.eventSource="iam*"&&($.eventName=A||$.eventName="B*")}"#,
            r#"{"detail":{"$or":[{"eventName":["A",{"prefix":"B"}],"eventSource":[{"prefix":"iam"}]},{"eventName":["A",{"prefix":"B"}],"insightDetails":{"eventSource":[{"prefix":"iam"}]}}]}}"#,
        ),
        (
            "what looks like a number stands in quotes",
            "[match]\nrecipientAccountId = \"111122223333\"",
            r#"{$.recipientAccountId="111122223333"}"#,
            r#"{"detail":{"recipientAccountId":["111122223333"]}}"#,
        ),
    ] {
        assert_eq!(exported(&[body], Target::FilterPattern).0, [filter], "{name}");
        assert_eq!(exported(&[body], Target::EventPattern).0, [event], "{name}");
    }
}

#[test]
fn case_is_ignored_as_far_as_event_bridge_and_we_agree() {
    for (line, expected) in [
        ("\"eventName|nocase\" = \"CreateUser\"", r#"{"equals-ignore-case":"createuser"}"#),
        ("\"eventName|nocase\" = \"DeleteBucket\"", r#"{"prefix":{"equals-ignore-case":"deletebuc"}}"#),
        ("\"eventName|nocase\" = \"KillTask\"", r#"{"exists":true}"#),
        ("\"eventName|nocase|startswith\" = \"Describ\"", r#"{"prefix":{"equals-ignore-case":"describ"}}"#),
        ("\"eventName|nocase|startswith\" = \"ListI\"", r#"{"prefix":{"equals-ignore-case":"list"}}"#),
        ("\"eventName|nocase|endswith\" = \"KeyPair\"", r#"{"suffix":{"equals-ignore-case":"eypair"}}"#),
        ("\"eventName|nocase|contains\" = \"Key\"", r#"{"exists":true}"#),
    ] {
        let patterns = exported(&[&format!("[match]\n{line}")], Target::EventPattern).0;
        assert_eq!(patterns, [format!(r#"{{"detail":{{"eventName":[{expected}]}}}}"#)], "{line}");
    }
}

#[test]
fn what_cannot_be_said_has_its_reasons() {
    for (body, reason) in [
        (
            "[match]\nrequestParameters.a = \"x\"",
            "`requestParameters.a` is no field that is spelt the same in every record",
        ),
        ("[match]\nis_iac = true", "`is_iac` is worked out here"),
        ("[match]\n\"eventName|nocase\" = \"x\"", "`eventName` is compared in any case"),
        ("[match]\n\"**|contains\" = \"x\"", "it searches the whole record"),
        ("[match]\n\"eventName|not\" = \"x\"", "`eventName` equals: not every match needs it, or no filter can say it"),
        (
            "filter_pattern = '{ $.eventName[0] = x }'",
            "`eventName[0]` is no field that is spelt the same in every record",
        ),
    ] {
        let (patterns, unreached, _) = exported(&[body], Target::FilterPattern);
        assert_eq!((patterns.len(), unreached.as_slice()), (0, &[reason.to_owned()][..]), "{body}");
    }
}

#[test]
fn limits_widen_and_say_so() {
    let calls =
        |verb: &str, number: usize| (0..number).map(|n| format!("\"{verb}Thing{n}\"")).collect::<Vec<_>>().join(", ");
    let of_service = |service: &str, verb: &str, number| {
        format!(
            "[match]\neventSource = \"{service}.amazonaws.com\"\neventName = [{}]\nawsRegion = \"x\"",
            calls(verb, number)
        )
    };
    let of_no_service = |verb: &str, number| format!("[match]\neventName = [{}]", calls(verb, number));
    let many = [of_service("iam", "Put", 60), of_service("s3", "Get", 5)];
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (patterns, _, widened) = exported(&many, Target::FilterPattern);
    assert!(patterns[0].contains(r#"$.eventName=%^PutThing0$|^PutThing1$"#) && widened.is_empty(), "{patterns:?}");
    assert!(patterns[0].contains("$.awsRegion=\"x\""), "{patterns:?}");

    let more = [of_service("iam", "Put", 90), of_service("s3", "Get", 5)];
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let (patterns, _, widened) = exported(&more, Target::FilterPattern);
    assert!(
        patterns[0].starts_with(r#"{$.eventSource="iam.amazonaws.com"||$.eventSource="s3.amazonaws.com"&&("#),
        "{patterns:?}"
    );
    assert_eq!(
        widened,
        [
            "nothing but service and call is asked where they are named, and not awsRegion",
            "every call, in place of so many, of iam.amazonaws.com (90)",
        ]
    );
    let (patterns, _, widened) =
        exported(&[&of_no_service("Put", 90), &of_no_service("Get", 3)], Target::FilterPattern);
    assert_eq!(
        patterns,
        [r#"{($.eventName=GetThing0||$.eventName=GetThing1||$.eventName=GetThing2||$.eventName="Put*")}"#]
    );
    assert_eq!(widened, ["every call that begins so, in place of so many: Put (90)"]);

    let texts: Vec<String> = (0..9).map(|n| format!("\"text{n}\"")).collect();
    let texts = format!("[match]\nawsRegion = \"x\"\n\"FIELD|contains\" = [{}]", texts.join(", "));
    let wild: Vec<String> =
        ["userAgent", "errorMessage", "sourceIPAddress"].map(|field| texts.replace("FIELD", field)).into();
    let wild: Vec<&str> = wild.iter().map(String::as_str).collect();
    let (patterns, _, widened) = exported(&wild, Target::FilterPattern);
    assert_eq!(patterns[0].matches('%').count(), 4, "{patterns:?}");
    assert_eq!(widened, ["any sourceIPAddress, in place of 18 wildcards"]);

    let services: Vec<String> =
        (0..60).map(|n| of_service(&format!("a-service-of-a-long-name-{n}"), "Put", 2)).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let (patterns, _, widened) = exported(&services, Target::FilterPattern);
    assert!(patterns.is_empty(), "{patterns:?}");
    assert_eq!(widened, ["no pattern of 1024 characters, 2 regular expressions and 3 `*` can say it"]);
    let (patterns, _, _) = exported(&services[..30], Target::FilterPattern);
    assert!(patterns[0].starts_with(r"{$.eventSource=%^a-service-of-a-long-name-0\.|"), "{patterns:?}");

    let (patterns, _, widened) = exported(&[&of_no_service("Put", 500)], Target::EventPattern);
    assert!((4..12).contains(&patterns.len()) && widened.is_empty(), "{} {widened:?}", patterns.len());
    let long = format!("[match]\neventName = \"{}\"\nawsRegion = \"x\"", "x".repeat(3_000));
    let (patterns, _, widened) = exported(&[&long], Target::EventPattern);
    assert_eq!(patterns, [r#"{"detail":{"awsRegion":["x"],"eventName":[{"exists":true}]}}"#]);
    assert_eq!(widened, ["any eventName, in place of one of 3003 characters"]);
}

/// Rules as large as they may be are compiled in time that does not grow with the square of their lists.
#[test]
fn long_lists_are_quick() {
    let names: Vec<String> = (0..9_000).map(|n| format!("\"Call{n}\"")).collect();
    let body =
        format!("[match]\neventName = [{0}]\nawsRegion = [{0}]\n\"eventSource|startswith\" = [{0}]", names.join(", "));
    let started = std::time::Instant::now();
    assert!(exported(&[&body], Target::FilterPattern).0.is_empty());
    assert!(!exported(&[&body], Target::EventPattern).0.is_empty());
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}
