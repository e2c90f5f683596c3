//! The real store and the real outbox, with somebody who looks on.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use trailwatch::event::EventKey;
use trailwatch::finding::windows::{Window, WindowKey};
use trailwatch::store::{
    Checkpoint, DiskStore, Due, Outbox, PutOut, Settlement, Store, StoreError, Transaction, Waiting,
};

use super::world::World;

/// Notes every transaction.
pub struct WatchedStore {
    pub world: Arc<World>,
    pub life: u64,
    pub store: DiskStore,
}

impl Store for WatchedStore {
    fn commit<'a>(&'a mut self, transaction: &'a Transaction) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            let result = self.store.commit(transaction).await;
            let world = &self.world;
            // Nobody hears what a process says that is dying.
            if world.is_alive(self.life) {
                world.note(|| format!("a commit of {} events: {result:?}", transaction.seen.len()));
                let unsynced = world.disk.lock().unwrap().unsynced();
                if result.is_ok() {
                    keep(world, world.ledger.lock().unwrap().committed(transaction, unsynced));
                }
            }
            result
        }
        .boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.store.checkpoints()
    }

    fn seen(&self) -> Vec<EventKey> {
        self.store.seen()
    }

    fn windows(&self) -> Option<Vec<(WindowKey, Window)>> {
        self.store.windows()
    }
}

/// Notes every entry that is given to a courier, and what became of it.
pub struct WatchedOutbox {
    pub world: Arc<World>,
    pub life: u64,
    pub outbox: Arc<dyn Outbox>,
}

impl Outbox for WatchedOutbox {
    fn due(&self, sink: &str, now_ms: i64, entries_max: usize) -> Result<Due, StoreError> {
        let due = self.outbox.due(sink, now_ms, entries_max)?;
        let world = &self.world;
        if world.is_alive(self.life) {
            world.hold(due.unreadable.is_empty(), || "an entry cannot be read".to_owned());
            for entry in &due.entries {
                world.note(|| format!("{sink} is due {} for the {}. time", entry.number, entry.tries + 1));
                keep(world, world.ledger.lock().unwrap().due(entry, now_ms));
            }
        }
        Ok(due)
    }

    fn settle(&self, sink: &str, settlements: &[Settlement]) -> Result<Vec<PutOut>, StoreError> {
        let result = self.outbox.settle(sink, settlements);
        let world = &self.world;
        if world.is_alive(self.life) {
            world.note(|| format!("{sink}: {} settlements: {result:?}", settlements.len()));
            if result.is_ok() {
                let unsynced = world.disk.lock().unwrap().unsynced();
                keep(world, world.ledger.lock().unwrap().settled(sink, settlements, unsynced));
            }
        }
        result
    }

    fn keep(&self, name: &str, number: u64) -> Result<(), StoreError> {
        self.outbox.keep(name, number)
    }

    fn kept(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.outbox.kept(name)
    }

    fn waiting(&self, sink: &str) -> Result<Waiting, StoreError> {
        self.outbox.waiting(sink)
    }
}

fn keep(world: &World, promise: Result<(), String>) {
    if let Err(broken) = promise {
        world.violate(broken);
    }
}
