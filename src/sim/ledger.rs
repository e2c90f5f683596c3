//! What was asked: a count for each operation, and the newest requests.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use serde_json::Value;

use super::lock;

/// How many requests are kept; older ones are only counted.
pub const REQUESTS_KEPT_MAX: usize = 10_000;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The service's part of `X-Amz-Target`, such as `Logs_20140328`.
    pub service: String,
    /// The operation, such as `FilterLogEvents`.
    pub operation: String,
    /// The body. The `logEvents` of a `PutLogEvents` are replaced by their number, to keep the ledger small.
    pub body: Value,
    /// When it arrived, by the stand-ins' clock.
    pub at_ms: i64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    calls: HashMap<String, u64>,
    requests: VecDeque<Request>,
}

impl Ledger {
    pub(super) fn record(&self, mut request: Request) {
        if let Some(events) = request.body.get_mut("logEvents") {
            *events = events.as_array().map_or(0, Vec::len).into();
        }
        let mut pages = lock(&self.pages);
        *pages.calls.entry(request.operation.clone()).or_default() += 1;
        if pages.requests.len() == REQUESTS_KEPT_MAX {
            pages.requests.pop_front();
        }
        pages.requests.push_back(request);
    }

    pub(super) fn calls(&self, operation: &str) -> u64 {
        lock(&self.pages).calls.get(operation).copied().unwrap_or(0)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        lock(&self.pages).requests.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_the_count_is_not() {
        let ledger = Ledger::default();
        for at_ms in 0..REQUESTS_KEPT_MAX as i64 + 5 {
            let body = serde_json::json!({"logEvents": [1, 2, 3]});
            ledger.record(Request { service: "Logs".into(), operation: "PutLogEvents".into(), body, at_ms });
        }
        let requests = ledger.requests();
        assert_eq!(requests.len(), REQUESTS_KEPT_MAX);
        assert_eq!((requests[0].at_ms, &requests[0].body["logEvents"]), (5, &Value::from(3)));
        assert_eq!(ledger.calls("PutLogEvents"), REQUESTS_KEPT_MAX as u64 + 5);
        assert_eq!(ledger.calls("FilterLogEvents"), 0);
    }
}
