//! For which events a rule has to be evaluated at all: what `rules bench` tells beside the time.

use super::{RuleId, RuleSet, Scratch};
use crate::event::Event;

impl RuleSet {
    /// The rules that have to be evaluated for an event, in the set's order: those that may match it.
    pub fn candidates<'s>(&self, text: &str, scratch: &'s mut Scratch) -> Result<&'s [RuleId], serde_json::Error> {
        let Scratch { fields, memo, matches } = scratch;
        let event = Event::read(text, &self.projection, fields)?;
        memo.next_event(self.atoms.len(), self.rules.len());
        self.index.candidates(&event, memo);
        matches.clear();
        matches.extend_from_slice(memo.candidates());
        matches.sort_unstable();
        Ok(matches)
    }

    /// Whether nothing leads to the rule, so that it is evaluated for every event.
    pub fn is_unanchored(&self, id: RuleId) -> bool {
        self.index.always().contains(&id)
    }
}
