//! The time that the stand-ins live in: real by default, moved or frozen by tests.
//!
//! Tests age events and tokens by moving this clock, never by sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Marks a clock that follows real time.
const NOT_FROZEN: i64 = i64::MIN;

/// A shared clock in milliseconds since the Unix epoch. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    hands: Arc<Hands>,
}

#[derive(Debug)]
struct Hands {
    frozen_at_ms: AtomicI64,
    offset_ms: AtomicI64,
}

impl Clock {
    /// Makes a clock that follows real time.
    pub fn new() -> Self {
        let hands = Hands { frozen_at_ms: AtomicI64::new(NOT_FROZEN), offset_ms: AtomicI64::new(0) };
        Self { hands: Arc::new(hands) }
    }

    /// Tells the time.
    pub fn now_ms(&self) -> i64 {
        let base_ms = match self.hands.frozen_at_ms.load(Ordering::SeqCst) {
            NOT_FROZEN => real_now_ms(),
            frozen_at_ms => frozen_at_ms,
        };
        base_ms + self.hands.offset_ms.load(Ordering::SeqCst)
    }

    /// Moves the clock forward, whether it is frozen or not.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.hands.offset_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Stops the clock at a given time; from then on only [`Clock::advance`] moves it.
    pub fn freeze_at(&self, now_ms: i64) {
        self.hands.offset_ms.store(0, Ordering::SeqCst);
        self.hands.frozen_at_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn real_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::new();
        clock.freeze_at(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        clock.clone().advance(Duration::from_secs(2));
        assert_eq!(clock.now_ms(), 3_000);
    }
}
