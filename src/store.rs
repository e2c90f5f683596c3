//! What must survive: the contract of the store, and the in-memory store that `tail` and `scan` use.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::event::EventKey;
use crate::finding::Finding;

mod memory;

pub use memory::MemoryStore;

/// How far a source has got, in the source's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the source.
    pub source: Arc<str>,
    /// The position as the source writes and reads it; nobody else looks inside.
    pub position: String,
}

/// One atomic step: all of it is in the store, or none.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// New positions, at most one for each source.
    pub checkpoints: Vec<Checkpoint>,
    /// Events seen for the first time.
    pub seen: Vec<EventKey>,
    /// Findings for the outbox.
    pub findings: Vec<Arc<Finding>>,
}

/// Keeps what must survive.
///
/// # Contract
///
/// One caller at a time. `Ok` from [`commit`](Store::commit) means that the whole transaction is durable, as durable
/// as this store promises to be; only then may anything be acknowledged to a source. After `Err` none of it holds,
/// and the caller brings the same transaction again; it is never evaluated anew.
pub trait Store: Send {
    /// Takes in a transaction.
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The positions of the last commit.
    fn checkpoints(&self) -> Vec<Checkpoint>;
}

/// Why a transaction is not in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write state: {0}")]
pub struct StoreError(pub String);
