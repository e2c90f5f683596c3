//! What is said of odd rules: one file for each sort of oddity, one snapshot a file.

use std::path::Path;

use jiff::civil::date;
use trailwatch::rule::lint::Context;
use trailwatch::rule::{self, Calls, Carrier, Lint, LintCode, Rule};

use super::rules::rule_files;

/// The day on which the rules of these tests are judged.
const TODAY: jiff::civil::Date = date(2026, 1, 15);

/// What is odd about a rule. Where its name says so, it is for one source.
fn lints(path: &Path, rule: &Rule) -> Vec<Lint> {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let carriers = [("not-by-eventbridge", Carrier::Eventbridge), ("not-by-a-trail", Carrier::S3)];
    let carrier = carriers.iter().find(|(start, _)| name.starts_with(start)).map(|&(_, carrier)| carrier);
    trailwatch::rule::lint(rule, &Context { today: TODAY, calls: &Calls::default(), carrier })
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
        let lints = lints(&path, &read(&path));
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/odd-rules");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let drawn: Vec<String> =
            lints.iter().map(|lint| format!("[{}] {}", lint.code.as_str(), lint.diagnostic)).collect();
        let name = path.file_stem().unwrap().to_str().unwrap();
        settings.bind(|| insta::assert_snapshot!(name, drawn.join("\n\n")));
        assert_eq!(lints.len(), 1, "one oddity, one lint: {name}");
        told.extend(lints.iter().map(|lint| lint.code));
    }
    for code in LintCode::ALL {
        assert!(told.contains(code), "no rule shows `{}`", code.as_str());
    }
}

#[test]
fn lint_codes_stand_in_order() {
    assert!(LintCode::ALL.is_sorted_by_key(|code| code.as_str()));
}

#[test]
fn nothing_is_odd_about_good_rules() {
    for folder in ["rules", "tests/fixtures/good-rules", "tests/fixtures/explain"] {
        for path in rule_files(folder) {
            assert_eq!(lints(&path, &read(&path)), [], "{}", path.display());
        }
    }
}
