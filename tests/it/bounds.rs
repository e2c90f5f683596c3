//! The bounds that belong to no other file's tests, each reached.

use std::process::Command;

use trailwatch::config;
use trailwatch::rule::Rule;

const RULE: &str = "id = \"x\"\ntitle = \"x\"\nseverity = \"low\"\n[match]\n";

#[test]
fn a_rule_file_has_a_largest_size() {
    let folder = tempfile::tempdir().unwrap();
    let comment = format!("# {}\n", "x".repeat(1 << 20));
    std::fs::write(folder.path().join("large.toml"), format!("{RULE}eventName = \"A\"\n{comment}")).unwrap();
    std::fs::write(folder.path().join("small.toml"), format!("{RULE}eventName = \"A\"\n")).unwrap();
    let loaded = config::rules(&[folder.path().to_owned()]);
    assert_eq!(loaded.rules.len(), 1, "the others are loaded all the same");
    assert_eq!(loaded.unreadable.len(), 1);
    assert!(loaded.unreadable[0].1.to_string().contains("bytes"), "{:?}", loaded.unreadable);
}

#[test]
fn a_list_has_a_greatest_length() {
    let rule = |values: usize| {
        let list: Vec<String> = (0..values).map(|n| format!("\"{n}\"")).collect();
        Rule::parse("list.toml".as_ref(), format!("{RULE}eventName = [{}]\n", list.join(",")))
    };
    assert!(rule(10_000).is_ok());
    let problems = rule(10_001).unwrap_err();
    assert!(problems.len() == 1 && problems[0].to_string().contains("at most 10000"), "{}", problems[0]);
}

#[test]
fn a_finding_names_a_bounded_number_of_predicates() {
    use trailwatch::event::{Event, EventKey, Fields, projection_of};
    use trailwatch::finding::{Finding, WHY_MAX};

    let list: Vec<String> = (0..500).map(|n| format!("\"{n}\"")).collect();
    let rule = Rule::parse("x.toml".as_ref(), format!("{RULE}\"eventName|not\" = [{}]\n", list.join(","))).unwrap();
    let mut fields = Fields::default();
    let event = Event::read(r#"{"eventName":"A","eventSource":"s"}"#, &projection_of([]), &mut fields).unwrap();
    let key = EventKey::of(&event, &trailwatch::delivery::Origin::whole("x"));
    assert_eq!(Finding::new(&rule, &event, &key).why.len(), WHY_MAX);
}

#[test]
fn tail_tells_a_bounded_number_of_rejects_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("garbage.log");
    std::fs::write(&file, "garbage\n".repeat(50)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trailwatch")).arg("tail").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("not JSON").count(), 20, "{said}");
    assert!(said.contains("only counted") && said.contains("50 parts not decoded"), "{said}");
    assert_eq!(output.status.code(), Some(3));
}
