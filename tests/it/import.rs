//! Rules of other tools and what they are translated into: the same verdict on every event.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use trailwatch::condition::{Condition, holds};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::import::{Dialect, Imported, Outcome, import, is_named};
use trailwatch::rule::shared::{Origin, SharedText};
use trailwatch::rule::{self, Rule, Shared, filter_pattern};

use crate::engine::{event, sigma_rule};

/// The rules that a text is translated into, by their ids.
fn translated(dialect: Dialect, name: &str, text: &str) -> Vec<Rule> {
    let of = |imported: Imported| match imported.outcome {
        Outcome::Written { id, text, .. } => {
            let rule = Rule::parse(Path::new(&format!("{id}.toml")), text.clone());
            Some(rule.unwrap_or_else(|problems| panic!("{}\n{text}", problems[0])))
        }
        Outcome::Refused(_) | Outcome::LeftOut(_) => None,
    };
    import(dialect, Path::new(name), text.into()).into_iter().filter_map(of).collect()
}

fn judge(condition: &Condition, text: &str) -> bool {
    let mut fields = Fields::default();
    holds(condition, &Event::read(text, &projection_of([]), &mut fields).unwrap())
}

/// The fixtures: file names and texts.
fn fixtures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sigma");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if is_named(Dialect::Sigma, &path) {
            found.push((
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    found.sort();
    assert!(found.len() >= 15);
    found
}

fn originals(name: &str, text: &str) -> Vec<Rule> {
    rule::read(Path::new(name), text.into()).rules
}

#[test]
fn every_fixture_is_translated() {
    for (name, text) in fixtures() {
        let (originals, imports) = (originals(&name, &text), translated(Dialect::Sigma, &name, &text));
        assert_eq!(originals.len(), imports.len(), "{name}");
        for (original, import) in originals.iter().zip(&imports) {
            assert_eq!((&original.id, &original.tags), (&import.id, &import.tags), "{name}");
            assert_eq!(original.title.unfilled(), import.title.unfilled(), "{name}");
            assert_eq!((original.severity, &original.references), (import.severity, &import.references), "{name}");
            assert_eq!(
                (&original.description, &original.false_positives),
                (&import.description, &import.false_positives)
            );
        }
    }
}

#[test]
fn a_rule_and_its_translation_agree_on_the_events_beside_it() {
    for (name, text) in fixtures() {
        let events =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sigma").join(&name).with_extension("json");
        let Ok(events) = std::fs::read_to_string(events) else { continue };
        let events: serde_json::Value = serde_json::from_str(&events).unwrap();
        for import in translated(Dialect::Sigma, &name, &text) {
            for (word, expected) in [("match", true), ("no match", false)] {
                for event in events[word].as_array().unwrap() {
                    assert_eq!(judge(&import.condition, &event.to_string()), expected, "{name} on {event}");
                }
            }
        }
    }
}

#[test]
fn a_rule_and_its_translation_agree_on_recorded_events() {
    let Some(corpus) = crate::corpus::corpus() else { return };
    for file in ["sample_events.ndjson", "xray_synthetic.ndjson"] {
        let events = std::fs::read_to_string(corpus.join(file)).unwrap();
        for (name, text) in fixtures() {
            for (original, import) in originals(&name, &text).iter().zip(translated(Dialect::Sigma, &name, &text)) {
                for event in events.lines() {
                    let (a, b) = (judge(&original.condition, event), judge(&import.condition, event));
                    assert_eq!(a, b, "{name} on {event}");
                }
            }
        }
    }
}

/// Placeholders are told by name, and what was translated asks the list that is then provided.
#[test]
fn placeholders_are_translated_into_lists_and_what_has_no_words_is_refused() {
    let lists =
        "[lists.admins]\nvalues = [\"Ann\", \"b*\"]\n[lists.office]\ntype = \"cidr\"\nvalues = [\"10.0.0.0/8\"]";
    let lists = SharedText::of(Path::new("lists.toml"), lists.as_bytes(), Origin::Named).unwrap();
    let (shared, problems) = Shared::read(&[lists], |_, _| Err("there is none".to_owned()));
    assert_eq!(problems, []);
    let sigma = |line: &str| {
        format!(
            "title: t\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{a: {{{line}}}, condition: a}}\n"
        )
    };
    let events: Vec<String> = ["Ann", "ANN", "Anna", "b*", "bob", "10.1.1.1", "11.1.1.1"]
        .iter()
        .flat_map(|value| [format!(r#"{{"errorCode":"{value}"}}"#), format!(r#"{{"errorCode":["x","{value}"]}}"#)])
        .chain(["{}".to_owned()])
        .collect();
    for (line, written, named) in [
        ("'errorCode|expand': '%admins%'", "\"errorCode|nocase|in\" = \"admins\"", &["admins"][..]),
        ("'errorCode|cased|expand': '%admins%'", "\"errorCode|in\" = \"admins\"", &["admins"]),
        ("'errorCode|expand|neq': '%admins%'", "\"errorCode|not|nocase|in\" = \"admins\"", &["admins"]),
        ("'errorCode|cidr|expand': '%office%'", "\"errorCode|in\" = \"office\"", &["office"]),
    ] {
        let text = sigma(line);
        let imported = import(Dialect::Sigma, Path::new("x.yml"), text.clone().into());
        let [Imported { outcome: Outcome::Written { text: toml, changes, .. }, .. }] = &imported[..] else {
            panic!("{line}: {imported:?}")
        };
        assert!(toml.contains(written), "{line}: {toml}");
        let needs =
            |name| format!("the list `{name}` must be provided: declare `[lists.{name}]` in a file beside the rule");
        named.iter().for_each(|name| assert!(changes.contains(&needs(name)), "{line}: {changes:?}"));
        let original = &rule::read_with(Path::new("x.yml"), text.into(), &shared).rules[0];
        let import = Rule::parse_with(Path::new("x.toml"), toml.clone(), &shared).unwrap();
        for event in &events {
            let (a, b) = (judge(&original.condition, event), judge(&import.condition, event));
            assert_eq!(a, b, "{line} on {event}");
        }
    }
    for (line, reason) in [
        ("'errorCode|contains|expand': '%admins%'", "cannot be said in our lines"),
        ("'errorCode|endswith|expand': '%admins%'", "cannot be said in our lines"),
        ("'requestParameters.**.x': a", "stands for any number of names here"),
        ("'requestParameters.x[0]': a", "is no name of a field"),
    ] {
        let imported = import(Dialect::Sigma, Path::new("x.yml"), sigma(line).into());
        let [Imported { outcome: Outcome::Refused(reasons), .. }] = &imported[..] else { panic!("{imported:?}") };
        assert!(reasons[0].contains(reason), "{line}: {reasons:?}");
    }
}

#[test]
fn filter_patterns_agree_with_their_translations() {
    let events = [
        r#"{"eventName":"PutObject","errorCode":"AccessDenied","requestParameters":{"n":10,"t":true}}"#,
        r#"{"eventName":"GetObject","errorCode":null,"requestParameters":{"n":"10","t":"true"},"userIdentity":{"type":"Root"}}"#,
        r#"{"eventName":"StopLogging","userIdentity":{"type":"Root","invokedBy":"x"},"requestParameters":{"n":11}}"#,
        "{}",
    ];
    for pattern in [
        r#"{ $.eventName = "PutObject" }"#,
        r#"{ $.eventName = Put* || $.eventName = "Stop*" }"#,
        r#"{ ($.eventName = PutObject) || ($.eventName = GetObject) && ($.requestParameters.n = 10) }"#,
        r#"{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType != "AwsServiceEvent" }"#,
        r#"{ $.errorCode IS NULL || $.requestParameters.t IS TRUE }"#,
        r#"{ $.requestParameters.n >= 11 || $.errorCode = %Denied$% }"#,
        r#"{ ($.eventName != PutObject || $.errorCode != "x") && ($.eventName != GetObject || $.requestParameters.n > 3) }"#,
    ] {
        let original = filter_pattern::parse("pattern", pattern).unwrap();
        let imports = translated(Dialect::FilterPattern, "made.txt", pattern);
        let [import] = &imports[..] else { panic!("{pattern} is not translated") };
        for event in events {
            assert_eq!(judge(&original, event), judge(&import.condition, event), "{pattern} on {event}");
        }
    }
}

#[test]
fn filters_come_by_name_out_of_the_answer_of_the_command_line() {
    let answer = r#"{"metricFilters":[{"filterName":"Root used","filterPattern":"{ $.userIdentity.type = Root }"},
        {"filterName":"Old","filterPattern":"[ip, user]"}]}"#;
    let imported = import(Dialect::FilterPattern, Path::new("filters.json"), answer.into());
    let [good, bad] = &imported[..] else { panic!("{imported:?}") };
    assert!(matches!(&good.outcome, Outcome::Written { id, .. } if id == "root-used"), "{good:?}");
    assert!(matches!(&bad.outcome, Outcome::Refused(reasons) if reasons[0].starts_with("character 1")), "{bad:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_generated_rule_and_its_translation_agree(text in sigma_rule(), events in vec(event(), 1..8)) {
        // Names of fields that differ in case alone are told apart by Sigma only.
        let text = text.replace(".A.B", ".a.b");
        for (original, import) in originals("x.yml", &text).iter().zip(translated(Dialect::Sigma, "x.yml", &text)) {
            for event in &events {
                let event = event.replace("\"A\":", "\"a\":").replace("EVENTNAME", "eventName");
                let (a, b) = (judge(&original.condition, &event), judge(&import.condition, &event));
                prop_assert_eq!(a, b, "{} on {}", text, event);
            }
        }
    }
}

#[test]
fn most_generated_rules_are_translated() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut read, mut written) = (0, 0);
    for _ in 0..300 {
        let text = sigma_rule().new_tree(&mut runner).unwrap().current();
        // Names of ours are refused, which is not what is asked here.
        let ours = [("outcome", "errorCode"), ("is_write", "readOnly"), ("actor.name", "userIdentity.userName")];
        let text = ours.iter().fold(text, |text, (ours, theirs)| text.replace(ours, theirs));
        read += originals("x.yml", &text).len();
        written += translated(Dialect::Sigma, "x.yml", &text).len();
    }
    assert!(written * 2 > read, "only {written} of {read} generated rules are translated");
}
