//! How old a finding in the outbox is, whatever becomes of the clock.
//!
//! A clock that is set forward makes everything old at once, and so does a machine that was off. Neither says that a sink
//! had its chance.

use std::time::Duration;

use tokio::time::Instant;

use super::since;

/// So long a courier tries, whatever the age of a finding, unless the deadline itself is shorter.
const TRIED_LEAST: Duration = Duration::from_secs(300);

/// A clock that says an earlier time has not been set: 2020.
const CLOCKLESS_MS: i64 = 1_577_836_800_000;

/// When a courier began, by the clock and by a time that nobody sets.
pub(super) struct Age {
    begun_ms: i64,
    begun: Instant,
}

impl Age {
    /// Begins now.
    pub(super) fn begin(now_ms: i64) -> Self {
        Self { begun_ms: now_ms, begun: Instant::now() }
    }

    /// Whether what came at a time is so old. What the clock has jumped ahead since the beginning does not count.
    pub(super) fn has_reached(&self, deadline: Duration, since_ms: i64, now_ms: i64) -> bool {
        let elapsed = self.begun.elapsed();
        let steady_ms = self.begun_ms.saturating_add(elapsed.as_millis() as i64);
        // Where a machine begins without a clock, the jump is to the truth.
        let now_ms = if self.begun_ms < CLOCKLESS_MS { now_ms } else { now_ms.min(steady_ms) };
        let age_ms = since(since_ms, now_ms);
        elapsed >= deadline.min(TRIED_LEAST) && age_ms >= deadline.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[tokio::test(start_paused = true)]
    async fn a_finding_grows_old_by_time_and_not_by_the_clock() {
        let now_ms = 500_000 * HOUR_MS;
        let age = Age::begin(now_ms);
        assert!(!age.has_reached(DAY, now_ms - 48 * HOUR_MS, now_ms), "nothing was tried since the start");
        tokio::time::advance(Duration::from_secs(3_600)).await;
        for (what, since_h, clock_h, is_old) in [
            ("it came before the start", -48, 1, true),
            ("it came at the start", 0, 1, false),
            ("the clock is a day ahead", 0, 25, false),
            ("it came when the clock was ahead", 25, 25, false),
            ("the clock is a day behind", 0, -23, false),
            ("it came when the clock was behind", -23, -23, false),
        ] {
            let is = age.has_reached(DAY, now_ms + since_h * HOUR_MS, now_ms + clock_h * HOUR_MS);
            assert_eq!(is, is_old, "{what}");
        }
        tokio::time::advance(DAY).await;
        assert!(age.has_reached(DAY, now_ms, now_ms + 25 * HOUR_MS));
        let clockless = Age::begin(0);
        tokio::time::advance(TRIED_LEAST).await;
        assert!(clockless.has_reached(DAY, now_ms, now_ms + 25 * HOUR_MS), "the clock was set when it had begun");
    }
}
