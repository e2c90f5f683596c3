//! What was handed over already and could be read again: the keys of the unsettled events, bounded.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Where hints are taken in: all events by their content, since a hint has no id.
    by_content: Option<BTreeMap<Key, Seen>>,
    /// The newest timestamp of which a key had to be dropped.
    forgotten_ms: Option<i64>,
}

/// Who has seen a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A hint; its event has been handed over and no poll has come to it.
    ByHint,
    /// A poll.
    ByPoll,
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
        Self { keys: BTreeSet::new(), keys_max: keys_max.max(1), by_content: None, forgotten_ms: None }
    }

    /// A memory that takes hints in too, and needs twice the room.
    pub(super) fn with_hints(keys_max: usize) -> Self {
        Self { by_content: Some(BTreeMap::new()), ..Self::new(keys_max) }
    }

    /// Takes in an event that a poll has read; `content` is its key without its id. Of events that do not differ but in
    /// their ids a hint stands for one.
    pub(super) fn remember_read(&mut self, key: Key, content: impl FnOnce() -> Key) -> Known {
        let known = self.remember(key);
        if known == Known::Repeat || self.by_content.is_none() {
            return known;
        }
        let was_shown = self.see(content(), Seen::ByPoll) == Some(Seen::ByHint);
        if was_shown { Known::Repeat } else { known }
    }

    /// Takes a hint in, and says whether its event is to be handed over. One that cannot be told from what was handed over
    /// is left to the polls.
    pub(super) fn remember_hint(&mut self, content: Key) -> bool {
        let may_be_known = self.forgotten_ms.is_some_and(|forgotten_ms| content.timestamp_ms <= forgotten_ms);
        let is_known = self.by_content.as_ref().is_none_or(|known| known.contains_key(&content));
        if may_be_known || is_known {
            return false;
        }
        self.see(content, Seen::ByHint);
        true
    }

    fn see(&mut self, content: Key, seen: Seen) -> Option<Seen> {
        let by_content = self.by_content.as_mut()?;
        let before = by_content.insert(content, seen);
        if by_content.len() > self.keys_max
            && let Some((oldest, _)) = by_content.pop_first()
        {
            self.forgotten_ms = self.forgotten_ms.max(Some(oldest.timestamp_ms));
        }
        before
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
        if let Some(by_content) = &mut self.by_content {
            while by_content.first_key_value().is_some_and(|(oldest, _)| oldest.timestamp_ms < settled_ms) {
                by_content.pop_first();
            }
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
    fn a_hint_and_its_poll_come_to_one() {
        let content = |text: &'static [u8]| Key::new(1, 0, "", "stream", text);
        let mut memory = Memory::with_hints(10);
        assert!(memory.remember_hint(content(b"shown first")));
        assert!(!memory.remember_hint(content(b"shown first")), "a session may show it again");
        assert_eq!(memory.remember_read(key(1, "a"), || content(b"shown first")), Known::Repeat);
        assert_eq!(memory.remember_read(key(1, "b"), || content(b"shown first")), Known::New, "the same text again");
        assert_eq!(memory.remember_read(key(1, "a"), || content(b"shown first")), Known::Repeat);
        assert_eq!(memory.remember_read(key(1, "c"), || content(b"read first")), Known::New);
        assert!(!memory.remember_hint(content(b"read first")));
        memory.settle(2);
        assert!(memory.remember_hint(content(b"read first")), "nothing is kept of what is settled");
    }

    #[test]
    fn a_hint_that_may_be_known_is_left_to_the_polls() {
        let content = |timestamp_ms| Key::new(timestamp_ms, 0, "", "stream", b"message");
        let mut memory = Memory::with_hints(2);
        for timestamp_ms in 1..=3 {
            memory.remember_read(key(timestamp_ms, "id"), || content(timestamp_ms));
        }
        assert!(!memory.remember_hint(content(1)));
        assert!(memory.remember_hint(content(4)));
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
