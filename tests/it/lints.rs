//! What is said of odd rules: one file for each sort of oddity, one snapshot a file.

use std::path::Path;

use jiff::civil::date;
use trailwatch::config;
use trailwatch::rule::lint::Context;
use trailwatch::rule::{self, Calls, Carrier, Lint, LintCode, Rule};

use super::diagnostics::{folders, settings};
use super::rules::{good_rules, rule_files};

/// The day on which the rules of these tests are judged.
const TODAY: jiff::civil::Date = date(2026, 1, 15);

/// What is odd about a rule. Where its name says so, it is for one source.
fn lints(name: &str, rule: &Rule) -> Vec<Lint> {
    let carriers = [("not-by-eventbridge", Carrier::Eventbridge), ("not-by-a-trail", Carrier::S3)];
    let carrier = carriers.iter().find(|(start, _)| name.starts_with(start)).map(|&(_, carrier)| carrier);
    trailwatch::rule::lint(rule, &Context { today: TODAY, calls: &Calls::default(), carrier })
}

fn name_of(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn read(path: &Path) -> Rule {
    let reading = rule::read(Path::new(path.file_name().unwrap()), std::fs::read(path).unwrap());
    reading.rules.into_iter().next().unwrap_or_else(|| panic!("{}: {:?}", path.display(), reading.problems))
}

#[test]
fn every_oddity_is_told() {
    let mut told = Vec::new();
    let sigma = rule_files("tests/fixtures/odd-sigma");
    for path in rule_files("tests/fixtures/odd-rules").into_iter().chain(sigma) {
        let lints = lints(name_of(&path), &read(&path));
        let drawn: Vec<String> =
            lints.iter().map(|lint| format!("[{}] {}", lint.code.as_str(), lint.diagnostic)).collect();
        let name = name_of(&path);
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
        let of_rules: Vec<Lint> = loaded.rules.iter().flat_map(|rule| lints("", rule)).collect();
        let lints: Vec<Lint> = of_rules.into_iter().chain(loaded.shared.lint(&loaded.rules, TODAY)).collect();
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
fn each_rule_of_a_file_is_told_of_at_its_own_place() {
    let rule = |field: &str| {
        format!(
            "title: t\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n    a: {{{field}: x, eventName: y}}\n    condition: a\n"
        )
    };
    let text = [rule("eventNmae"), rule("awsRegion"), rule("eventNmae")].join("---\n");
    let reading = rule::read(Path::new("several.yml"), text.into_bytes());
    let told = |rule: &Rule| -> Vec<(&str, (usize, usize))> {
        lints("", rule).iter().map(|lint| (lint.code.as_str(), lint.diagnostic.position())).collect()
    };
    let places: Vec<_> = reading.rules.iter().map(told).collect();
    assert_eq!(places, [vec![("unknown-field", (4, 9))], vec![], vec![("unknown-field", (16, 9))]]);
}

#[test]
fn lint_codes_stand_in_order() {
    assert!(LintCode::ALL.is_sorted_by_key(|code| code.as_str()));
}

#[test]
fn nothing_is_odd_about_good_rules() {
    for folder in ["rules", "tests/fixtures/good-rules", "tests/fixtures/explain", "tests/fixtures/explain-inside"] {
        for rule in good_rules(folder) {
            assert_eq!(lints("", &rule), [], "{}", rule.id);
        }
    }
}
