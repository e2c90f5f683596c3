//! The calls that may be made: one bucket for each region, shared by all sources that read in it.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};

/// The part of the quota that is taken where nothing else is said: the account's other readers need theirs.
pub const DEFAULT_SHARE: f64 = 0.5;

/// The least share: below it nothing would ever be read.
const SHARE_MIN: f64 = 0.01;

/// Our part of the `FilterLogEvents` quota of an account in one region.
///
/// Share one between all sources of the same account and region.
#[derive(Debug)]
pub struct Quota {
    calls_per_second: u32,
    share: f64,
    bucket: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Quota {
    /// Takes a share, greater than 0 and at most 1, of what the service allows in a region.
    pub fn new(region: &str, share: f64) -> Self {
        Self::of_calls(filter_log_events_per_second(region), share)
    }

    /// Takes a share of a known number of calls a second.
    pub fn of_calls(calls_per_second: u32, share: f64) -> Self {
        let calls_per_second = calls_per_second.max(1);
        let share = if share.is_finite() { share.clamp(SHARE_MIN, 1.0) } else { DEFAULT_SHARE };
        let ours = f64::from(calls_per_second) * share;
        // No more at once than in a second, so that any second stays within the share or one call above it.
        let burst = NonZeroU32::new(ours as u32).unwrap_or(NonZeroU32::MIN);
        let limit = governor::Quota::with_period(Duration::from_secs_f64(1.0 / ours))
            .unwrap_or_else(|| governor::Quota::per_second(NonZeroU32::MIN));
        let clock = DefaultClock::default();
        Self { calls_per_second, share, bucket: RateLimiter::direct(limit.allow_burst(burst)), clock }
    }

    /// The calls a second that the service allows.
    pub fn calls_per_second(&self) -> u32 {
        self.calls_per_second
    }

    /// The calls a second that are ours.
    pub fn our_calls_per_second(&self) -> f64 {
        f64::from(self.calls_per_second) * self.share
    }

    /// Waits until a call may be made.
    pub(super) async fn take(&self) {
        while let Err(not_until) = self.bucket.check() {
            let wait = not_until.wait_time_from(self.clock.now());
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}

/// The calls of `FilterLogEvents` a second that an account may make in a region. Cannot be raised.
///
/// From <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>.
pub fn filter_log_events_per_second(region: &str) -> u32 {
    match region {
        "us-east-1" => 25,
        "ap-northeast-3" | "ap-southeast-3" | "ca-west-1" | "eu-central-1" | "il-central-1" => 5,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_differ() {
        for (region, calls) in [("us-east-1", 25), ("eu-central-1", 5), ("eu-west-1", 10), ("no-where-1", 10)] {
            assert_eq!(filter_log_events_per_second(region), calls, "{region}");
        }
        assert_eq!(Quota::new("us-east-1", DEFAULT_SHARE).our_calls_per_second(), 12.5);
    }

    #[test]
    fn a_share_that_makes_no_sense_is_made_good() {
        for share in [0.0, -1.0, f64::NAN, f64::INFINITY, 7.0] {
            let ours = Quota::of_calls(10, share).our_calls_per_second();
            assert!((0.1..=10.0).contains(&ours), "{share}: {ours}");
        }
    }

    #[test]
    fn no_more_calls_at_once_than_a_second_has() {
        let quota = Quota::of_calls(10, 0.5);
        let at_once = (0..100).filter(|_| quota.bucket.check().is_ok()).count();
        assert_eq!(at_once, 5);
    }
}
