//! Why a rule matched an event, or how near it came.

use crate::condition::{Explanation, Nearness, explain, nearness};
use crate::event::{Event, Fields, projection_of};
use crate::rule::{Exception, Rule};

/// How one event fared with one rule.
#[derive(Debug)]
pub struct Verdict<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// How each predicate fared.
    pub explanation: Explanation,
}

/// Says how an event fares with rules. An error says why the text is no JSON object.
pub fn judge<'r>(rules: impl IntoIterator<Item = &'r Rule>, text: &str) -> Result<Vec<Verdict<'r>>, serde_json::Error> {
    let mut fields = Fields::default();
    let event = Event::read(text, &projection_of([]), &mut fields)?;
    Ok(rules.into_iter().map(|rule| Verdict { rule, explanation: explain(&rule.condition, &event) }).collect())
}

impl Verdict<'_> {
    /// Whether the rule matches.
    pub fn matched(&self) -> bool {
        self.explanation.holds()
    }

    /// How near the event came to what the rule wants, its exceptions aside.
    pub fn nearness(&self) -> Nearness<'_> {
        nearness(self.rule.parted(&self.explanation).0)
    }

    /// The exceptions that hold of the event.
    pub fn excepted_by(&self) -> Vec<&Exception> {
        let (_, negated) = self.rule.parted(&self.explanation);
        self.rule
            .exceptions
            .iter()
            .zip(negated)
            .filter(|(_, not)| !not.holds())
            .map(|(exception, _)| exception)
            .collect()
    }
}
