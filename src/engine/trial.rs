//! Trying rules: on any event, and on their own tests; and trying those tests.

use super::{RuleSet, Scratch};
use crate::condition::{Condition, Explanation, explain, holds};
use crate::event::{Event, Fields, projection_of};
use crate::rule::{Rule, RuleTest};

pub mod coverage;
pub mod mutation;
pub mod part;
pub mod verdict;

pub use coverage::{Coverage, Gap};
pub use mutation::{Change, Mutant};
pub use part::{Part, Role};
pub use verdict::Verdict;

/// How one test of a rule went.
#[derive(Debug)]
pub struct TestOutcome {
    /// Whether the rule matched the event.
    pub matched: bool,
    /// Whether that was expected.
    pub passed: bool,
    /// How each predicate fared.
    pub explanation: Explanation,
}

/// Runs a rule's tests through the matcher. The explanation comes from the naive evaluator; if the two disagree the
/// test fails, whatever it expected.
pub fn run_tests(rule: &Rule) -> Vec<(&RuleTest, TestOutcome)> {
    let rules = RuleSet::new(vec![rule.clone()]);
    let mut scratch = Scratch::default();
    rule.tests.iter().map(|test| (test, run_test(&rules, rule, test, &mut scratch))).collect()
}

fn run_test(rules: &RuleSet, rule: &Rule, test: &RuleTest, scratch: &mut Scratch) -> TestOutcome {
    let matched = rules.evaluate(&test.event, scratch).is_ok_and(|evaluated| !evaluated.matches.is_empty());
    let mut fields = Fields::default();
    let explanation = match Event::read(&test.event, &projection_of([]), &mut fields) {
        Ok(event) => explain(&rule.condition, &event),
        Err(_) => Explanation::Any(false, Vec::new()),
    };
    TestOutcome { matched, passed: matched == test.matches && matched == explanation.holds(), explanation }
}

/// Whether a condition holds of a test's event, by the naive evaluator.
fn holds_of(condition: &Condition, test: &RuleTest) -> bool {
    let mut fields = Fields::default();
    Event::read(&test.event, &projection_of([]), &mut fields).is_ok_and(|event| holds(condition, &event))
}
