//! What a way by which records come does not carry.
//!
//! A trail's log group and its bucket hold the same records. EventBridge leaves calls that only read out, unless the
//! rule there says otherwise; but it has events that no trail writes.

use super::{LintCode, Linter, branches, exacts, is_named};
use crate::condition::{Condition, Field, Literal, Predicate, Test};
use crate::event::Derived;
use crate::event::derived::is_read;

/// A way by which records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A trail's log group.
    CloudwatchLogs,
    /// EventBridge.
    Eventbridge,
    /// A trail's bucket.
    S3,
}

impl Linter<'_> {
    /// Complains of a rule of which nothing comes this way.
    pub(super) fn carried(&mut self, carrier: Carrier) {
        let lacking: Option<Vec<&Condition>> = branches(self.rule)
            .iter()
            .map(|lines| lines.iter().copied().find(|line| carrier.lacks(line, lines)))
            .collect();
        let Some(&line) = lacking.as_ref().and_then(|lines| lines.first()) else { return };
        let mut first = None;
        line.visit(&mut |predicate| first = first.or(Some(predicate)));
        let Some(first) = first else { return };
        let (message, hint) = match carrier {
            Carrier::Eventbridge => (
                "EventBridge does not carry calls that only read: the rule never fires there",
                "its rule must be in the state `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`",
            ),
            Carrier::CloudwatchLogs | Carrier::S3 => (
                "a trail does not write this: the rule never fires from its log group or bucket",
                "such events come by EventBridge only",
            ),
        };
        let diagnostic = self.at_predicate(first, message).hint(hint);
        self.add(LintCode::NotCarried, diagnostic);
    }
}

impl Carrier {
    /// Whether events for which a line holds, beside the others, do not come this way.
    fn lacks(self, line: &Condition, lines: &[&Condition]) -> bool {
        match self {
            Self::Eventbridge => is_read_only(line) && !lines.iter().any(|line| is_data(line)),
            Self::CloudwatchLogs | Self::S3 => match exacts(line) {
                Some((field, false, types)) if is_named(field, "detail-type") => {
                    !types.iter().any(|name| name.ends_with(" via CloudTrail"))
                }
                _ => false,
            },
        }
    }
}

fn is_read_only(line: &Condition) -> bool {
    let flag = |field: &Field, truth: bool| match field {
        Field::Derived(Derived::IsWrite) => !truth,
        field => truth && is_named(field, "readOnly"),
    };
    match line {
        Condition::Is(Predicate { field, test: Test::Equals(Literal::Bool(truth)) }) => flag(field, *truth),
        line => match exacts(line) {
            Some((field, false, calls)) if is_named(field, "eventName") => calls.iter().all(|call| is_read(call)),
            _ => false,
        },
    }
}

/// Whether a line asks for data events, which EventBridge carries as the trail's selectors have it, read or write.
fn is_data(line: &Condition) -> bool {
    match line {
        Condition::Is(Predicate { field, test: Test::Equals(Literal::Bool(false)) }) => {
            is_named(field, "managementEvent")
        }
        line => match exacts(line) {
            Some((field, false, texts)) => {
                (is_named(field, "eventCategory") && !texts.contains("Management"))
                    || (is_named(field, "eventName") && texts.iter().any(|call| super::is_data_call(call)))
            }
            _ => false,
        },
    }
}
