//! Whether a rule's tests would notice a mistake: the rule is changed in one place at a time, and some test must fail.
//!
//! Most changes are made to the explanations of the tests, not to the rule: every predicate has been judged there, so a
//! changed rule costs a walk over truth values. Of what stands inside values only the nearest is explained, so a change
//! there makes another condition, which is judged anew.

use std::fmt;

use super::part::{Part, Role, parts, put_inside};
use super::{TestOutcome, holds_of};
use crate::condition::line::{Node, Tree};
use crate::condition::{Condition, Explanation, Test};
use crate::rule::{Rule, RuleTest};

/// A rule with one part changed.
#[derive(Debug, Clone)]
pub struct Mutant<'r> {
    /// The part.
    pub part: Part<'r>,
    /// What was done to it.
    pub change: Change,
}

/// What is done to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is taken out.
    Drop,
    /// It is turned round.
    Flip,
}

/// Every rule that differs from this one in one part.
pub fn mutants(rule: &Rule) -> Vec<Mutant<'_>> {
    let mut mutants = Vec::new();
    for part in parts(rule) {
        // To turn round an alternative or a value says nothing more than to drop it does.
        if matches!(part.role, Role::Line | Role::Exception(_)) {
            mutants.push(Mutant { part: part.clone(), change: Change::Flip });
        }
        mutants.push(Mutant { part, change: Change::Drop });
    }
    mutants
}

impl Mutant<'_> {
    /// Whether no test fails because of the change.
    pub fn survives(&self, tests: &[(&RuleTest, TestOutcome)]) -> bool {
        if self.part.within.is_empty() {
            return tests.iter().all(|(test, outcome)| self.matches(&outcome.explanation) == test.matches);
        }
        let condition = self.changed(&self.part.rule.condition).unwrap_or(Condition::All(Vec::new()));
        tests.iter().all(|(test, _)| holds_of(&condition, test) == test.matches)
    }

    /// The condition with the change made, also inside values; `None` if nothing is left of it.
    fn changed(&self, condition: &Condition) -> Option<Condition> {
        if std::ptr::eq(condition, self.part.condition) {
            return match self.change {
                Change::Drop => None,
                Change::Flip => Some(condition.clone().negated()),
            };
        }
        let each = |inner: &[Condition]| inner.iter().filter_map(|inner| self.changed(inner)).collect();
        Some(match condition {
            Condition::All(inner) => Condition::All(each(inner)),
            Condition::Any(inner) => Condition::Any(each(inner)),
            Condition::Not(inner) => Condition::Not(Box::new(self.changed(inner)?)),
            Condition::Together(inner) => Condition::Together(Box::new(self.changed(inner)?)),
            Condition::Is(predicate) => match &predicate.test {
                Test::Within(within) => {
                    let inside = self.changed(&within.condition).unwrap_or(Condition::All(Vec::new()));
                    put_inside(predicate, inside)
                }
                _ => condition.clone(),
            },
        })
    }

    fn matches(&self, explanation: &Explanation) -> bool {
        self.holds(explanation, &mut 0, true)
    }

    /// Whether a node holds with the change made; `neutral` is what does not weigh in the node around it.
    fn holds(&self, explanation: &Explanation, node: &mut usize, neutral: bool) -> bool {
        let own = *node;
        *node += 1;
        // No short cuts: every node has to be counted.
        let mut each = |inner: &[Explanation], neutral| -> Vec<bool> {
            inner.iter().map(|inner| self.holds(inner, node, neutral)).collect()
        };
        let holds = match explanation.node() {
            Node::All(inner) => each(inner, true).into_iter().all(|holds| holds),
            Node::Any(inner) => each(inner, false).into_iter().any(|holds| holds),
            Node::Not(inner) => !self.holds(inner, node, neutral),
            Node::Is(_) => explanation.holds(),
        };
        let holds = match explanation {
            // With a change inside, only what its lines say by themselves is known.
            Explanation::Together(together, _) if !(own..*node).contains(&self.part.node) => *together,
            _ => holds,
        };
        match self.change {
            _ if own != self.part.node => holds,
            Change::Drop => neutral,
            Change::Flip => !holds,
        }
    }
}

/// ``without line `eventName equals "StopLogging"` ``
impl fmt::Display for Mutant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.change {
            Change::Drop => write!(f, "without {}", self.part),
            Change::Flip => write!(f, "the opposite of {}", self.part),
        }
    }
}
