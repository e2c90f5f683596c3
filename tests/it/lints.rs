//! What is said of odd rules: one file for each sort of oddity, one snapshot a file.

use std::path::Path;

use jiff::civil::date;
use trailwatch::config;
use trailwatch::rule::{self, Lint, LintCode, Rule, lint};

use super::diagnostics::{folders, settings};
use super::rules::{good_rules, rule_files};

/// The day on which the rules of these tests are judged.
const TODAY: jiff::civil::Date = date(2026, 1, 15);

fn read(path: &Path) -> Rule {
    let reading = rule::read(Path::new(path.file_name().unwrap()), std::fs::read(path).unwrap());
    reading.rules.into_iter().next().unwrap_or_else(|| panic!("{}: {:?}", path.display(), reading.problems))
}

#[test]
fn every_oddity_is_told() {
    let mut told = Vec::new();
    let sigma = rule_files("tests/fixtures/odd-sigma");
    for path in rule_files("tests/fixtures/odd-rules").into_iter().chain(sigma) {
        let lints = lint(&read(&path), TODAY);
        let drawn: Vec<String> =
            lints.iter().map(|lint| format!("[{}] {}", lint.code.as_str(), lint.diagnostic)).collect();
        let name = path.file_stem().unwrap().to_str().unwrap();
        settings("snapshots/odd-rules").bind(|| insta::assert_snapshot!(name, drawn.join("\n\n")));
        assert_eq!(lints.len(), 1, "one oddity, one lint: {name}");
        told.extend(lints.iter().map(|lint| lint.code));
    }
    told.extend(oddities_of_what_is_shared());
    for code in LintCode::ALL {
        assert!(told.contains(code), "no rule shows `{}`", code.as_str());
    }
}

/// The same of what rules share: one folder for each.
fn oddities_of_what_is_shared() -> Vec<LintCode> {
    let mut told = Vec::new();
    for folder in folders("tests/fixtures/odd-shared") {
        let loaded = config::rules(std::slice::from_ref(&folder));
        let lints: Vec<Lint> = loaded.rules.iter().flat_map(|rule| lint(rule, TODAY)).collect();
        let lints: Vec<Lint> = lints.into_iter().chain(loaded.shared.lint(&loaded.rules, TODAY)).collect();
        let drawn: Vec<String> =
            lints.iter().map(|lint| format!("[{}] {}", lint.code.as_str(), lint.diagnostic)).collect();
        let name = folder.file_name().unwrap().to_str().unwrap();
        settings("snapshots/odd-shared").bind(|| insta::assert_snapshot!(name, drawn.join("\n\n")));
        assert_eq!(lints.len(), 1, "one oddity, one lint: {name}");
        told.extend(lints.iter().map(|lint| lint.code));
    }
    told
}

#[test]
fn lint_codes_stand_in_order() {
    assert!(LintCode::ALL.is_sorted_by_key(|code| code.as_str()));
}

#[test]
fn nothing_is_odd_about_good_rules() {
    for folder in ["rules", "tests/fixtures/good-rules", "tests/fixtures/explain", "tests/fixtures/explain-inside"] {
        for rule in good_rules(folder) {
            assert_eq!(lint(&rule, TODAY), [], "{}", rule.id);
        }
    }
}
