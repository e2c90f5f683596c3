//! What must survive: the contract of the store and of the outbox in it.
//!
//! [`MemoryStore`] keeps nothing beyond the process, for `tail` and `scan`. [`DiskStore`] is for a process that comes
//! back: positions, seen events and the outbox are in one file, and change in one transaction.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::event::EventKey;
use crate::finding::Finding;
use crate::finding::windows::{Window, WindowKey};

mod blocking;
mod disk;
mod memory;
mod outbox;

pub(crate) use blocking::blocking;
pub use disk::{Choice, DiskStore, Inspector, Limits, Medium, Opened, Overview, Repaired, Salvaged, Shelf, repair};
pub use memory::MemoryStore;
pub use outbox::{Due, Entry, Outbox, Outgoing, Overflow, PutOut, Settlement, Unreadable, Waiting};

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
    /// What those events led to.
    pub findings: Vec<Arc<Finding>>,
    /// Which sinks are to have them: what goes into the outbox.
    pub outgoing: Vec<Outgoing>,
    /// Windows as they are from then on; `None` if they are over.
    pub windows: Vec<(WindowKey, Option<Window>)>,
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

    /// The positions of the last commit, also that of an earlier process.
    fn checkpoints(&self) -> Vec<Checkpoint>;

    /// The events that earlier processes saw, as far as they are remembered; the oldest first.
    fn seen(&self) -> Vec<EventKey> {
        Vec::new()
    }

    /// The windows that earlier processes left open. `None` if this store keeps none: what they held back has to be told
    /// before the process ends.
    fn windows(&self) -> Option<Vec<(WindowKey, Window)>> {
        None
    }
}

/// Why a transaction is not in the store, or something cannot be read from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read or written.
    #[error("cannot keep state in {path}: {reason}")]
    Disk {
        /// The file.
        path: String,
        /// What the system or the database says.
        reason: String,
    },
    /// The file is damaged, or was written by another version.
    #[error("the state in {path} cannot be read: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What the database says.
        reason: String,
    },
    /// Another process has the file open.
    #[error("the state in {path} is in use by another process (give each its own folder)")]
    InUse {
        /// The file.
        path: String,
    },
    /// There is no state in the folder.
    #[error("there is no state in {folder} (`trailwatch run` makes one; name its folder with `--state`)")]
    Missing {
        /// The folder.
        folder: String,
    },
    /// Another store cannot write.
    #[error("cannot write state: {0}")]
    Other(String),
}
