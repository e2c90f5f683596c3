//! Leave to read a large document: there is one at a time between its file and the pipeline.
//!
//! It is given to files in their turn only. One that had it before its turn would keep it from the file that all wait for.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Leave to have a large document in memory, until it is dropped.
pub struct Permit(SyncSender<()>);

impl Drop for Permit {
    fn drop(&mut self) {
        // There is room for the only one, and nobody to have it where the reading has ended.
        _ = self.0.try_send(());
    }
}

/// Gives leave, to one after the other.
pub struct Permits {
    returned: Receiver<()>,
    to: SyncSender<()>,
}

impl Permits {
    /// One permit, to be had.
    pub fn new() -> Self {
        let (to, returned) = sync_channel(1);
        drop(Permit(to.clone()));
        Self { returned, to }
    }

    /// Waits until nobody else has it.
    pub fn next(&self) -> Permit {
        // It cannot fail: the other end is held here.
        _ = self.returned.recv();
        Permit(self.to.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_is_one_at_a_time() {
        let permits = Permits::new();
        let first = permits.next();
        assert!(permits.returned.try_recv().is_err(), "it is not to be had twice");
        let other = thread::spawn(move || drop(first));
        let second = permits.next();
        other.join().unwrap();
        drop(permits);
        drop(second);
    }
}
