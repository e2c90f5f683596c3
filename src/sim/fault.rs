//! Faults that tests script, and the throttle.
//!
//! A fault is chosen by counting calls, never by chance, so that a failing test fails again. The queue comes first,
//! then the periodic fault, then the throttle.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lock;
use super::refusal::Refusal;

/// The operation that faults apply to when none is named.
const DEFAULT_OPERATION: &str = "FilterLogEvents";

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, HTTP 400.
    Throttle,
    /// Any other error answer.
    Error {
        /// HTTP status.
        status: u16,
        /// Error code, such as `ExpiredTokenException`.
        code: String,
        /// Human-readable message.
        message: String,
    },
    /// A page without events but with a token; the call with that token goes on where this one stood.
    EmptyPage,
    /// A page of at most this many events, with a token if more are there.
    ShortPage(usize),
    /// `PutEvents` answers well, but says that the entries at these places failed with these codes.
    FailedEntries(Vec<(usize, String)>),
    /// The right answer, taken at once but sent only after this long.
    Delay(Duration),
    /// The connection is reset without an answer.
    Reset,
    /// The answer breaks off in the middle of its body.
    TruncatedBody,
    /// A stream goes well for so many updates, and ends like this before the next.
    Stream {
        /// Updates that are sent.
        after_updates: usize,
        /// What comes then.
        then: StreamEnd,
    },
    /// Every second entry of a batch fails, through no fault of the sender.
    HalfFails,
}

/// How a stream comes to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// In good order.
    Closes,
    /// The connection breaks in the middle of a frame.
    Breaks,
    /// Nothing comes any more, and nothing says so.
    Stalls,
    /// An exception of this name is the last frame.
    Raises(String),
}

impl Fault {
    /// Makes an error answer.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// Makes the answer to credentials that have run out.
    pub fn expired_token() -> Self {
        Self::error(400, "ExpiredTokenException", "The security token included in the request is expired")
    }

    /// Makes the answer to credentials that are not known.
    pub fn unrecognized_client() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::error(400, "UnrecognizedClientException", message)
    }

    /// Makes the answer to a caller without permission.
    pub fn access_denied() -> Self {
        let message = "User is not authorized to perform this action because no identity-based policy allows it";
        Self::error(400, "AccessDeniedException", message)
    }

    /// Makes the answer of a service that cannot serve right now.
    pub fn unavailable() -> Self {
        let message = "The service cannot complete the request.";
        Self::error(503, "ServiceUnavailableException", message)
    }

    /// Makes the answer of a service that broke.
    pub fn internal_failure() -> Self {
        let message = "The request processing has failed because of an unknown error.";
        Self::error(500, "InternalFailure", message)
    }

    /// Gives the error answer that this fault is, if it is one.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Throttle => Some(Refusal::new("ThrottlingException", "Rate exceeded")),
            Self::Error { status, code, message } => {
                Some(Refusal { status: *status, code: code.clone(), message: message.clone() })
            }
            _ => None,
        }
    }
}

/// The script of faults; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    queues: HashMap<String, VecDeque<Fault>>,
    every: HashMap<String, Every>,
    bucket: Option<Bucket>,
    throttled: u64,
}

#[derive(Debug)]
struct Every {
    period: u64,
    fault: Fault,
    seen: u64,
}

impl Faults {
    /// Queues a fault for the next `FilterLogEvents` call that has none yet.
    pub fn next(&self, fault: Fault) {
        self.next_for(DEFAULT_OPERATION, fault);
    }

    /// Queues a fault for the next call of a named operation. Pages can be emptied or cut only for `FilterLogEvents`.
    pub fn next_for(&self, operation: &str, fault: Fault) {
        let mut script = lock(&self.script);
        script.queues.entry(operation.to_owned()).or_default().push_back(fault);
    }

    /// Lets every `period`-th `FilterLogEvents` call from now on meet a fault; replaces what was set before.
    ///
    /// With a period of 1, [`Fault::EmptyPage`] keeps a reader turning pages for ever.
    pub fn set_every(&self, period: u64, fault: Fault) {
        self.set_every_for(DEFAULT_OPERATION, period, fault);
    }

    /// The same for the calls of a named operation.
    pub fn set_every_for(&self, operation: &str, period: u64, fault: Fault) {
        let every = Every { period: period.max(1), fault, seen: 0 };
        lock(&self.script).every.insert(operation.to_owned(), every);
    }

    /// Throttles `FilterLogEvents` above this rate, with a burst of one second's calls. Infinity lifts the limit.
    pub fn throttle_above(&self, calls_per_second: f64) {
        let bucket = calls_per_second.is_finite().then(|| Bucket::new(calls_per_second));
        lock(&self.script).bucket = bucket;
    }

    /// Forgets all faults, queued and periodic, and lifts the throttle.
    pub fn clear(&self) {
        let mut script = lock(&self.script);
        script.queues.clear();
        script.every.clear();
        script.bucket = None;
    }

    /// Counts the queued faults that no call has met yet.
    pub fn pending(&self) -> usize {
        lock(&self.script).queues.values().map(VecDeque::len).sum()
    }

    /// Counts the calls that were answered with `ThrottlingException`, for whichever reason.
    pub fn throttled(&self) -> u64 {
        lock(&self.script).throttled
    }

    /// Takes the fault that this call meets.
    pub(super) fn take(&self, operation: &str, now_ms: i64) -> Option<Fault> {
        let mut script = lock(&self.script);
        let fault = script.take(operation, now_ms);
        if fault == Some(Fault::Throttle) {
            script.throttled += 1;
        }
        fault
    }
}

impl Script {
    fn take(&mut self, operation: &str, now_ms: i64) -> Option<Fault> {
        let periodic = self.periodic(operation);
        if let Some(fault) = self.queues.get_mut(operation).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if periodic.is_some() || operation != DEFAULT_OPERATION {
            return periodic;
        }
        let over = self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now_ms));
        over.then_some(Fault::Throttle)
    }

    fn periodic(&mut self, operation: &str) -> Option<Fault> {
        let every = self.every.get_mut(operation)?;
        every.seen += 1;
        every.seen.is_multiple_of(every.period).then(|| every.fault.clone())
    }
}

/// A token bucket that holds one second's calls, and at least one.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    updated_ms: Option<i64>,
}

impl Bucket {
    fn new(per_second: f64) -> Self {
        Self { per_second, tokens: per_second.max(1.0), updated_ms: None }
    }

    fn take(&mut self, now_ms: i64) -> bool {
        let elapsed_ms = now_ms - self.updated_ms.unwrap_or(now_ms);
        self.updated_ms = Some(now_ms);
        let refill = elapsed_ms.max(0) as f64 / 1_000.0 * self.per_second;
        self.tokens = (self.tokens + refill).min(self.per_second.max(1.0));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(faults: &Faults, calls: usize) -> Vec<Option<Fault>> {
        (0..calls).map(|_| faults.take(DEFAULT_OPERATION, 0)).collect()
    }

    #[test]
    fn queued_faults_come_in_order_and_once() {
        let faults = Faults::default();
        faults.next(Fault::Throttle);
        faults.next(Fault::EmptyPage);
        assert_eq!(faults.pending(), 2);
        assert_eq!(takes(&faults, 3), [Some(Fault::Throttle), Some(Fault::EmptyPage), None]);
        assert_eq!((faults.pending(), faults.throttled()), (0, 1));
    }

    #[test]
    fn every_third_call_meets_the_periodic_fault() {
        let faults = Faults::default();
        faults.set_every(3, Fault::Reset);
        let hit: Vec<bool> = takes(&faults, 7).iter().map(Option::is_some).collect();
        assert_eq!(hit, [false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_fault_for_one_operation_spares_the_others() {
        let faults = Faults::default();
        faults.next_for("DescribeTrails", Fault::access_denied());
        faults.set_every(1, Fault::Reset);
        assert_eq!(faults.take("GetTrailStatus", 0), None);
        assert_eq!(faults.take("DescribeTrails", 0), Some(Fault::access_denied()));
        assert_eq!(faults.take("DescribeTrails", 0), None);
    }

    #[test]
    fn the_bucket_lets_through_its_rate() {
        let faults = Faults::default();
        faults.throttle_above(2.0);
        let passed = |now_ms| faults.take(DEFAULT_OPERATION, now_ms).is_none();
        assert_eq!([passed(0), passed(0), passed(0)], [true, true, false]);
        assert_eq!([passed(500), passed(500)], [true, false]);
        assert_eq!([passed(60_000), passed(60_000), passed(60_000)], [true, true, false]);
        faults.throttle_above(f64::INFINITY);
        assert!(passed(60_000));
    }
}
