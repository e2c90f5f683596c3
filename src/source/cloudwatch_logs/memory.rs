//! What was handed over already and could be read again: the keys of the unsettled events, bounded.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Half a SHA-256: enough that two events never share one by accident.
type Hash = [u8; 16];

/// What identifies a log event within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// First, so that the oldest keys are the smallest.
    timestamp_ms: i64,
    hash: Hash,
}

/// What is known of an event that was just read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was not handed over before.
    New,
    /// It was handed over before.
    Repeat,
    /// It is as old as what had to be forgotten: maybe new, maybe not.
    Forgotten,
}

/// The keys of what was handed over and is not settled yet.
#[derive(Debug)]
pub(super) struct Memory {
    keys: BTreeSet<Key>,
    keys_max: usize,
    /// The newest timestamp of which a key had to be dropped.
    forgotten_ms: Option<i64>,
}

impl Key {
    /// The service's id is the identity where there is one; else everything that the service says.
    pub(super) fn new(timestamp_ms: i64, ingestion_ms: i64, id: &str, stream: &str, message: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(stream);
        if id.is_empty() {
            hasher.update([0]);
            hasher.update(ingestion_ms.to_be_bytes());
            hasher.update(message);
        } else {
            hasher.update([1]);
            hasher.update(id);
        }
        let mut hash = Hash::default();
        hash.copy_from_slice(&hasher.finalize()[..16]);
        Self { timestamp_ms, hash }
    }
}

impl Memory {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { keys: BTreeSet::new(), keys_max: keys_max.max(1), forgotten_ms: None }
    }

    /// Takes a key in, and says whether it was there. When full, the oldest key goes.
    pub(super) fn remember(&mut self, key: Key) -> Known {
        if !self.keys.insert(key) {
            return Known::Repeat;
        }
        let known = match self.forgotten_ms {
            Some(forgotten_ms) if key.timestamp_ms <= forgotten_ms => Known::Forgotten,
            _ => Known::New,
        };
        if self.keys.len() > self.keys_max
            && let Some(oldest) = self.keys.pop_first()
        {
            self.forgotten_ms = self.forgotten_ms.max(Some(oldest.timestamp_ms));
        }
        known
    }

    /// Drops what will not be read again: everything before `settled_ms`.
    pub(super) fn settle(&mut self, settled_ms: i64) {
        while self.keys.first().is_some_and(|oldest| oldest.timestamp_ms < settled_ms) {
            self.keys.pop_first();
        }
        self.forgotten_ms = self.forgotten_ms.filter(|forgotten_ms| *forgotten_ms >= settled_ms);
    }

    /// Whether something that is not settled yet had to be forgotten.
    pub(super) fn has_gaps(&self) -> bool {
        self.forgotten_ms.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(timestamp_ms: i64, id: &str) -> Key {
        Key::new(timestamp_ms, 0, id, "stream", b"message")
    }

    #[test]
    fn an_event_is_new_once() {
        let mut memory = Memory::new(10);
        assert_eq!(memory.remember(key(1, "a")), Known::New);
        assert_eq!(memory.remember(key(1, "b")), Known::New);
        assert_eq!(memory.remember(key(1, "a")), Known::Repeat);
    }

    #[test]
    fn without_an_id_everything_counts() {
        let base = Key::new(1, 2, "", "stream", b"message");
        assert_eq!(base, Key::new(1, 2, "", "stream", b"message"));
        for other in [
            Key::new(9, 2, "", "stream", b"message"),
            Key::new(1, 9, "", "stream", b"message"),
            Key::new(1, 2, "", "other", b"message"),
            Key::new(1, 2, "", "stream", b"other"),
            Key::new(1, 2, "x", "stream", b"message"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn settled_keys_go() {
        let mut memory = Memory::new(10);
        memory.remember(key(1, "a"));
        memory.remember(key(2, "b"));
        memory.settle(2);
        assert_eq!(memory.remember(key(1, "a")), Known::New);
        assert_eq!(memory.remember(key(2, "b")), Known::Repeat);
    }

    #[test]
    fn a_full_memory_forgets_the_oldest_and_knows_it() {
        let mut memory = Memory::new(2);
        for (timestamp_ms, id) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(memory.remember(key(timestamp_ms, id)), Known::New);
        }
        assert!(memory.has_gaps());
        assert_eq!(memory.remember(key(1, "a")), Known::Forgotten);
        assert_eq!(memory.remember(key(3, "c")), Known::Repeat);
        assert_eq!(memory.remember(key(2, "b")), Known::Repeat, "the older one was dropped, not this one");
        memory.settle(2);
        assert!(!memory.has_gaps());
    }
}
