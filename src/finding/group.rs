//! What says that two matches are about one matter: the rule, and the values of its `group_by`.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::condition::explain;
use crate::event::Event;
use crate::rule::Rule;

/// A rule and the values of its `group_by` in an event, hashed: it is as long whatever the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey([u8; 16]);

impl GroupKey {
    /// The group of a match. Of a field with several values all count, in their order; without `group_by` all matches of
    /// a rule are one group.
    pub fn of(rule: &Rule, event: &Event<'_>) -> Self {
        let mut parts = Hash(Sha256::new());
        parts.add(rule.id.as_bytes());
        for field in &rule.group_by {
            let values = explain::values(field, event);
            parts.add(field.to_string().as_bytes());
            parts.add(&(values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| parts.add(value.to_string().as_bytes()));
        }
        let mut key = [0; 16];
        key.copy_from_slice(&parts.0.finalize()[..16]);
        Self(key)
    }

    /// The key as it is kept.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key that was kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A hash of parts, each with its length, so that no two lists of parts read the same.
struct Hash(Sha256);

impl Hash {
    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }
}
