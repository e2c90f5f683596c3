//! The outcome of a run as JUnit's XML: a suite for each rule. Coverage and mutations have no place in it.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Run, Tried, sentence};
use crate::engine::trial::{TestOutcome, Verdict};
use crate::rule::RuleTest;

pub fn document(run: &Run<'_>) -> anyhow::Result<String> {
    let mut report = Report::new("trailwatch rules test");
    report.add_test_suites(run.rules.iter().map(suite));
    Ok(report.to_string()?)
}

fn suite(tried: &Tried<'_>) -> TestSuite {
    let mut suite = TestSuite::new(tried.rule.id.as_str());
    suite.add_test_cases(tried.tests.iter().map(|(test, outcome)| case(tried, test, outcome)));
    suite
}

fn case(tried: &Tried<'_>, test: &RuleTest, outcome: &TestOutcome) -> TestCase {
    let status = if outcome.passed {
        TestCaseStatus::success()
    } else {
        let verdict = Verdict { rule: tried.rule, explanation: outcome.explanation.clone() };
        let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
        failed.set_message(sentence(test, outcome, &verdict));
        failed
    };
    let mut case = TestCase::new(test.name.as_str(), status);
    case.set_classname(tried.rule.id.as_str()).set_time(tried.each);
    case.extra.insert("file".into(), tried.rule.source.name.as_str().into());
    case
}
