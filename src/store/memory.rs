//! A store that lives as long as the process: for `tail` and `scan`, which keep nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};

use super::{Checkpoint, Store, StoreError, Transaction};

/// Keeps the newest position of each source. Findings and seen ids live on in the pipeline itself.
#[derive(Debug, Default)]
pub struct MemoryStore {
    positions: BTreeMap<Arc<str>, String>,
}

impl Store for MemoryStore {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        for checkpoint in &transaction.checkpoints {
            self.positions.insert(Arc::clone(&checkpoint.source), checkpoint.position.clone());
        }
        ready(Ok(())).boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.positions
            .iter()
            .map(|(source, position)| Checkpoint { source: Arc::clone(source), position: position.clone() })
            .collect()
    }
}
