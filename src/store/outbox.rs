//! Findings on their way to sinks: the contract of the outbox.
//!
//! A finding goes into the outbox in the transaction that commits its event, once for each sink that is to have it,
//! and leaves it when that sink has taken it or never will.

use std::sync::Arc;

use super::StoreError;
use crate::finding::Finding;

/// A finding for a sink.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The name of the sink.
    pub sink: Arc<str>,
    /// The finding.
    pub finding: Arc<Finding>,
}

/// A finding that waits for its sink.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number, which rises with time and is never used again.
    pub number: u64,
    /// The sink.
    pub sink: Arc<str>,
    /// The finding.
    pub finding: Arc<Finding>,
    /// When it came into the outbox, in milliseconds since 1970.
    pub since_ms: i64,
    /// When it is to be tried next, in milliseconds since 1970.
    pub due_ms: i64,
    /// How often it was tried.
    pub tries: u32,
    /// What came of the last try; empty before the first.
    pub reason: String,
}

/// What a sink may be brought now.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// The oldest entries that are due.
    pub entries: Vec<Entry>,
    /// When the next of the others is due; `None` if there are no others.
    pub next_ms: Option<i64>,
    /// Entries that cannot be read. What is settled as dead is kept with its bytes.
    pub unreadable: Vec<u64>,
    /// What had to give way since this was last asked, for more waited than the outbox holds for a sink.
    pub overflow: Overflow,
}

/// Entries that had to give way to newer ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overflow {
    /// Entries that were given up, the oldest first.
    pub given_up: u64,
    /// Dead letters that are kept no longer, for there were too many of these as well.
    pub put_out: u64,
}

impl Overflow {
    /// Adds what gave way later.
    pub fn add(&mut self, more: Self) {
        self.given_up += more.given_up;
        self.put_out += more.put_out;
    }
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The sink has it.
    Delivered {
        /// The entry.
        number: u64,
    },
    /// It is to be tried again.
    Again {
        /// The entry.
        number: u64,
        /// When it was tried, in milliseconds since 1970.
        tried_ms: i64,
        /// When it is due, in milliseconds since 1970.
        due_ms: i64,
        /// What the sink said.
        reason: String,
    },
    /// It is given up, and kept among the dead letters.
    Dead {
        /// The entry.
        number: u64,
        /// Why.
        reason: String,
    },
}

/// A dead letter that had to make room for a newer one.
#[derive(Debug, Clone)]
pub struct PutOut {
    /// The number that it had.
    pub number: u64,
    /// What it was about; `None` if that could not be read.
    pub finding: Option<Arc<Finding>>,
}

/// An entry that cannot be read, which a damaged file or an older program may leave. It is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number.
    pub number: u64,
    /// The sink.
    pub sink: Arc<str>,
    /// What there is in place of a finding.
    pub bytes: Vec<u8>,
}

/// How much waits for a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Entries that wait.
    pub entries: u64,
    /// Since when the oldest of them waits, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Entries that were given up.
    pub dead: u64,
}

/// Findings on their way to sinks.
///
/// # Contract
///
/// Calls may come from several threads, and block: bring them to a thread that may. One courier works for one sink,
/// so no entry is handed out to two. What a call has settled is durable when it returns; after `Err` nothing of it
/// holds, and the sink may be brought the same findings again.
pub trait Outbox: Send + Sync {
    /// The entries of a sink that are due, the oldest first, at most `entries_max`. One that was tried later than now is
    /// due: the clock was set back, and its wait cannot be told.
    fn due(&self, sink: &str, now_ms: i64, entries_max: usize) -> Result<Due, StoreError>;

    /// Notes what became of entries of a sink. Returns the dead letters that made room for newer ones.
    fn settle(&self, sink: &str, settlements: &[Settlement]) -> Result<Vec<PutOut>, StoreError>;

    /// Keeps a number under a name, for a later process.
    fn keep(&self, name: &str, number: u64) -> Result<(), StoreError>;

    /// The number that was last kept under a name.
    fn kept(&self, name: &str) -> Result<Option<u64>, StoreError>;

    /// How much waits for a sink.
    fn waiting(&self, sink: &str) -> Result<Waiting, StoreError>;
}
