//! Every shipped rule, held to its own tests.

use std::path::{Path, PathBuf};

use trailwatch::engine::trial::run_tests;
use trailwatch::rule::Rule;

fn shipped() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_shipped_rule_passes_its_own_tests() {
    let paths = shipped();
    assert!(paths.len() >= 10);
    for path in paths {
        let rule = Rule::parse(&path, std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|problems| {
            panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
        });
        assert!(rule.tests.iter().any(|test| test.matches), "{} has no test that fires", rule.id);
        assert!(rule.tests.iter().any(|test| !test.matches), "{} has no near miss", rule.id);
        for (test, outcome) in run_tests(&rule) {
            assert!(
                outcome.passed,
                "{}: {}: matched {}\n{:#?}",
                rule.id, test.name, outcome.matched, outcome.explanation
            );
        }
    }
}
