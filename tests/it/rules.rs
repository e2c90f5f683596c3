//! Every shipped rule, held to its own tests, and its tests to what they are worth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use trailwatch::config;
use trailwatch::engine::trial::coverage::coverage;
use trailwatch::engine::trial::run_tests;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::rule::{Rule, Severity};
use trailwatch::sim::{Label, Stream};

/// The rule files below a folder of this repository, without those of what rules share.
pub fn rule_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.ends_with("rules/shared") => {}
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "toml" || extension == "yml" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The rules below a folder of this repository, all of them good.
pub fn good_rules(folder: &str) -> Vec<Rule> {
    let loaded = config::rules(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)]);
    let problems: String = loaded.problems.iter().map(|problem| format!("{problem}\n")).collect();
    assert!(loaded.is_good(), "{problems}{:?}", loaded.unreadable);
    loaded.rules
}

fn shipped() -> Vec<Rule> {
    let rules = good_rules("rules");
    assert!(rules.len() >= 10);
    rules
}

#[test]
fn every_shipped_rule_passes_its_own_tests() {
    for rule in shipped() {
        for (test, outcome) in run_tests(&rule) {
            assert!(
                outcome.passed,
                "{}: {}: matched {}\n{:#?}",
                rule.id, test.name, outcome.matched, outcome.explanation
            );
        }
    }
}

/// That no mutation survives is held by `cli.rs`, since it is the command that knows of leave.
#[test]
fn the_tests_of_every_shipped_rule_reach_all_of_it() {
    for rule in shipped() {
        let outcomes = run_tests(&rule);
        let coverage = coverage(&rule, &outcomes);
        let gaps: Vec<String> = coverage.gaps.iter().map(|gap| gap.part.to_string()).collect();
        assert!(gaps.is_empty(), "{}: {gaps:#?}", rule.id);
    }
}

#[test]
fn every_shipped_rule_names_its_schema() {
    for rule in shipped() {
        assert!(rule.source.text.starts_with("#:schema ../../docs/rule.schema.json\n"), "{}", rule.id);
    }
}

/// What the generator calls everyday, and what it plants to look like an attack, is the benign budget: nothing of it is
/// worth a look today. What it plants as a change or an attack is found.
#[test]
fn everyday_events_are_quiet_and_attacks_are_not() {
    let rules = RuleSet::new(shipped());
    let mut scratch = Scratch::default();
    let mut counts = HashMap::new();
    for planned in (0..4).flat_map(|seed| Stream::new(seed).take(2_500)) {
        if planned.label == Label::Broken {
            continue;
        }
        let found = rules.evaluate(&planned.message, &mut scratch).unwrap().matches;
        let found: Vec<&Rule> = found.iter().map(|id| rules.rule(*id)).collect();
        let loud: Vec<&str> =
            found.iter().filter(|rule| rule.severity >= Severity::Medium).map(|rule| rule.id.as_str()).collect();
        if planned.label.is_of_interest() {
            assert!(!found.is_empty(), "{:?}: {}", planned.label, planned.message);
        } else {
            assert!(loud.is_empty(), "{loud:?}: {:?}: {}", planned.label, planned.message);
        }
        *counts.entry(planned.label.is_of_interest()).or_insert(0) += 1;
    }
    assert!(counts[&false] > 9_000 && counts[&true] > 50, "{counts:?}");
}
