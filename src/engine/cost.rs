//! For which events a rule has to be evaluated at all: what `rules bench` tells beside the time.

use super::{RuleId, Scratch};

impl Scratch {
    /// The rules that the latest event was held against, in no order: those that it might have matched.
    pub fn candidates(&self) -> &[RuleId] {
        self.memo.candidates()
    }
}
