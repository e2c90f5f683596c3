//! Requests that wait to be told what became of what they brought. Pure but for the channels.

use std::collections::HashMap;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::delivery::Receipt;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Everything in it is committed.
    Committed,
    /// Nothing in it is an event, or decoding had to stop before its end.
    Undecodable,
}

/// What was received, and is not yet dealt with.
#[derive(Debug, Default)]
pub(super) struct Held {
    issued: u64,
    waiting: HashMap<Receipt, Waiting>,
    /// Nobody will be told anything any more.
    is_over: bool,
}

/// Who waits. A sender that gave up waiting keeps its place: what it brought is still on its way.
#[derive(Debug)]
struct Waiting {
    tell: oneshot::Sender<Fate>,
    _place: OwnedSemaphorePermit,
}

impl Held {
    /// Takes a delivery in, which occupies its place until it is settled; `None` once all is over.
    pub(super) fn take(&mut self, place: OwnedSemaphorePermit) -> Option<(Receipt, oneshot::Receiver<Fate>)> {
        if self.is_over {
            return None;
        }
        self.issued += 1;
        let (receipt, (tell, told)) = (Receipt(self.issued), oneshot::channel());
        self.waiting.insert(receipt, Waiting { tell, _place: place });
        Some((receipt, told))
    }

    /// Tells those who wait for these receipts.
    pub(super) fn settle(&mut self, receipts: &[Receipt], fate: Fate) {
        for waiting in receipts.iter().filter_map(|receipt| self.waiting.remove(receipt)) {
            // It may have gone.
            let _ = waiting.tell.send(fate);
        }
    }

    /// Lets all go that wait, untold.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
        self.waiting.clear();
    }
}
