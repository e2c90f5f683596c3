//! What a rule's tests reach: whether some test makes each part hold, and some other makes it fail.

use super::part::{Part, Role, parts, truths};
use super::{TestOutcome, holds_of};
use crate::rule::{Rule, RuleTest};

/// What the tests of a rule reach.
#[derive(Debug)]
pub struct Coverage<'r> {
    /// How many outcomes there are: two for each part.
    pub outcomes: usize,
    /// Those that no test leads to.
    pub gaps: Vec<Gap<'r>>,
}

/// An outcome that no test leads to.
#[derive(Debug)]
pub struct Gap<'r> {
    /// The part.
    pub part: Part<'r>,
    /// Whether it never holds, and not never fails. Of an exception: whether it never excepts.
    pub never_holds: bool,
}

/// Says what a rule's tests reach, by how they went.
pub fn coverage<'r>(rule: &'r Rule, tests: &[(&RuleTest, TestOutcome)]) -> Coverage<'r> {
    let truths: Vec<Vec<bool>> = tests.iter().map(|(_, outcome)| truths(&outcome.explanation)).collect();
    let mut coverage = Coverage { outcomes: 0, gaps: Vec::new() };
    // A group holds and fails as its alternatives do.
    for part in parts(rule).into_iter().filter(|part| !matches!(part.role, Role::Group)) {
        coverage.outcomes += 2;
        let is_exception = matches!(part.role, Role::Exception(_));
        for never_holds in [true, false] {
            // The node of an exception is its negation.
            let wanted = never_holds != is_exception;
            let is_reached = if part.within.is_empty() {
                truths.iter().any(|truths| truths.get(part.node) == Some(&wanted))
            } else {
                let condition = part.of_some_value(wanted);
                tests.iter().any(|(test, _)| holds_of(&condition, test))
            };
            if !is_reached {
                coverage.gaps.push(Gap { part: part.clone(), never_holds });
            }
        }
    }
    coverage
}

impl Coverage<'_> {
    /// How many outcomes some test leads to.
    pub fn reached(&self) -> usize {
        self.outcomes - self.gaps.len()
    }
}
