//! What a live tail has shown and nobody has taken yet, bounded: what is over the bound is dropped and counted.

use std::sync::Mutex;

use tokio::sync::Notify as Bell;

use crate::source::aws::lock;
use crate::source::cloudwatch_logs::page::LogRecord;

/// Between the task that reads the live tail and the source that hands over.
#[derive(Debug)]
pub(in crate::source::cloudwatch_logs) struct Hints {
    records_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    bell: Bell,
}

/// What waits.
#[derive(Debug, Default)]
pub(in crate::source::cloudwatch_logs) struct Waiting {
    pub(in crate::source::cloudwatch_logs) records: Vec<LogRecord>,
    bytes: usize,
    /// Whether a session is under way and well.
    pub(in crate::source::cloudwatch_logs) are_good: bool,
    /// Whether something was not shown since this was last taken, or may not have been.
    pub(in crate::source::cloudwatch_logs) missed: bool,
    /// How many records were dropped, for there was no room.
    pub(in crate::source::cloudwatch_logs) dropped: u64,
    /// Updates that were only a sample.
    pub(in crate::source::cloudwatch_logs) sampled: u64,
    /// Calls that were made.
    pub(in crate::source::cloudwatch_logs) calls: u64,
    /// Times without a session after one was good.
    pub(in crate::source::cloudwatch_logs) gaps: u64,
}

impl Hints {
    pub(in crate::source::cloudwatch_logs) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { records_max, bytes_max, waiting: Mutex::default(), bell: Bell::new() }
    }

    /// Puts the records of an update.
    pub(super) fn put(&self, records: Vec<LogRecord>, sampled: bool) {
        if records.is_empty() && !sampled {
            return;
        }
        let mut waiting = lock(&self.waiting);
        waiting.sampled += u64::from(sampled);
        waiting.missed |= sampled;
        for record in records {
            let bytes = waiting.bytes + record.message.len();
            if waiting.records.len() < self.records_max && bytes <= self.bytes_max {
                waiting.bytes = bytes;
                waiting.records.push(record);
            } else {
                waiting.dropped += 1;
                waiting.missed = true;
            }
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// Says whether a session is well.
    pub(super) fn set_good(&self, are_good: bool) {
        let mut waiting = lock(&self.waiting);
        if waiting.are_good == are_good {
            return;
        }
        waiting.are_good = are_good;
        waiting.gaps += u64::from(!are_good);
        // After a session has ended, and before the next has begun, nothing was shown.
        waiting.missed = true;
        drop(waiting);
        self.bell.notify_one();
    }

    /// Counts a call of the service.
    pub(super) fn count_call(&self) {
        lock(&self.waiting).calls += 1;
    }

    /// Takes everything that waits.
    pub(in crate::source::cloudwatch_logs) fn take(&self) -> Waiting {
        let mut waiting = lock(&self.waiting);
        let are_good = waiting.are_good;
        std::mem::replace(&mut waiting, Waiting { are_good, ..Waiting::default() })
    }

    /// Waits until there is something to take.
    pub(in crate::source::cloudwatch_logs) async fn arrive(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn records(count: usize, bytes: usize) -> Vec<LogRecord> {
        vec![LogRecord { message: Bytes::from(vec![b'x'; bytes]), ..LogRecord::default() }; count]
    }

    #[test]
    fn what_is_over_a_bound_is_dropped_and_counted() {
        for (put, taken, dropped) in [(records(5, 1), 3, 2), (records(2, 40), 2, 0), (records(3, 40), 2, 1)] {
            let hints = Hints::new(3, 100);
            hints.put(put, false);
            let waiting = hints.take();
            assert_eq!((waiting.records.len(), waiting.dropped, waiting.missed), (taken, dropped, dropped > 0));
            hints.put(records(3, 1), false);
            assert_eq!(hints.take().records.len(), 3, "there is room again");
        }
    }

    #[test]
    fn a_sample_and_the_beginning_and_end_of_a_session_leave_something_out() {
        let hints = Hints::new(3, 100);
        hints.set_good(true);
        assert!(hints.take().missed);
        hints.set_good(true);
        assert!(!hints.take().missed);
        hints.put(records(1, 1), true);
        let waiting = hints.take();
        assert_eq!((waiting.missed, waiting.sampled, waiting.are_good), (true, 1, true));
        hints.set_good(false);
        let waiting = hints.take();
        assert_eq!((waiting.missed, waiting.gaps, waiting.are_good), (true, 1, false));
    }
}
