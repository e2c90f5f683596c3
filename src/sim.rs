//! In-process stand-ins for the AWS endpoints that Trailwatch reads, and a seeded stream of CloudTrail events.
//!
//! Serves `trailwatch demo` and the integration tests. It shares no code with the sources: two readings of AWS's
//! documentation that agree are worth more than one reading used twice.
//!
//! ```text
//! Stream ──Planned──▶ Logs.put_visible_at ──▶ Logs ◀── FilterLogEvents ── Endpoint ◀── HTTP ── the AWS SDK
//!                                              ▲                            │
//!                                           Faults, Clock                 Trails
//! ```
//!
//! - [`Endpoint`] speaks AWS JSON 1.1 on a loopback port and stops when it is dropped.
//! - [`Logs`] holds log groups as CloudWatch Logs shows them: paged, with late visibility, tokens bound to a query.
//! - [`Trails`] holds what CloudTrail says about its trails.
//! - [`Faults`] makes chosen calls fail, in a scripted and repeatable way.
//! - [`Stream`] plans events, each with a [`Label`] that says what a detector should make of it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there"))]

mod clock;
mod endpoint;
mod fault;
mod ledger;
mod logs;
mod refusal;
mod stream;
mod trails;

pub use clock::Clock;
pub use endpoint::Endpoint;
pub use fault::{Fault, Faults};
pub use ledger::{REQUESTS_KEPT_MAX, Request};
pub use logs::{LogEvent, Logs, limits};
pub use stream::{ATTACKS, LOOK_ALIKES, Label, Planned, Stream, Summary, Timing, XRAY_CHANGES};
pub use trails::{Trail, TrailStatus, Trails};

/// The account that the stand-in endpoints answer for.
pub const ACCOUNT_ID: &str = "111122223333";

/// The region that the stand-in endpoints answer for.
pub const REGION: &str = "us-east-1";

/// Locks a mutex whose data stays whole even if a holder panicked.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
