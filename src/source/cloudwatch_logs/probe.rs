//! Looks without the filter pattern, so that a reader who gets little still knows that the group is alive. Pure: time is
//! an argument.
//!
//! What a pattern leaves out cannot be told from silence. So now and then one small page of the newest events is read as
//! it is; it is bounded, counted, and handed over like everything else.

use std::time::Duration;

/// How far back a look goes.
pub(super) const BACK_MS: i64 = 600_000;

/// The most events of a look.
pub(super) const EVENTS_MAX: i32 = 50;

/// When to look, and what was found.
#[derive(Debug)]
pub(super) struct Probe {
    every_ms: i64,
    last_ms: Option<i64>,
    is_silent: bool,
}

/// What a look changes about what is known of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Nothing at all is delivered any more.
    Silent,
    /// Something is again.
    Alive,
}

impl Probe {
    /// Looks so often.
    pub(super) fn new(every: Duration) -> Self {
        Self { every_ms: i64::try_from(every.as_millis()).unwrap_or(i64::MAX), last_ms: None, is_silent: false }
    }

    /// Whether it is time for a look; if so it counts as begun.
    pub(super) fn is_due(&mut self, now_ms: i64) -> bool {
        // A clock that was set back must not keep it from looking.
        let waits = self.last_ms.is_some_and(|last| (0..self.every_ms).contains(&now_ms.saturating_sub(last)));
        if !waits {
            self.last_ms = Some(now_ms);
        }
        !waits
    }

    /// Takes in how many events a look found.
    pub(super) fn found(&mut self, events: usize) -> Change {
        let was_silent = std::mem::replace(&mut self.is_silent, events == 0);
        match (was_silent, self.is_silent) {
            (false, true) => Change::Silent,
            (true, false) => Change::Alive,
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_once_and_then_now_and_then() {
        let mut probe = Probe::new(Duration::from_secs(60));
        for (now_ms, due) in [
            (1_000, true),
            (1_000, false),
            (60_999, false),
            (61_000, true),
            (500, true),
            (501, false),
            (i64::MAX, true),
        ] {
            assert_eq!(probe.is_due(now_ms), due, "{now_ms}");
        }
    }

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let mut probe = Probe::new(Duration::from_secs(60));
        let changes = [3, 0, 0, 1, 2].map(|events| probe.found(events));
        assert_eq!(changes, [Change::None, Change::Silent, Change::None, Change::Alive, Change::None]);
    }
}
