//! In-process stand-ins for the AWS endpoints that Trailwatch speaks to, and a seeded stream of CloudTrail events.
//!
//! Serves `trailwatch demo` and the integration tests. It shares no code with the sources and sinks: two readings of AWS's
//! documentation that agree are worth more than one reading used twice.
//!
//! ```text
//! Stream ──Planned──▶ Logs.put_visible_at ──▶ Logs ◀── FilterLogEvents ── Endpoint ◀── HTTP ── the AWS SDK
//!                                              ▲                            │
//!                                           Faults, Clock       Trails, Buses, Queues, Buckets, Roles
//! ```
//!
//! - [`Endpoint`] speaks AWS JSON and S3's XML on a loopback port and stops when it is dropped.
//! - [`Logs`] holds log groups as CloudWatch Logs shows them: paged, with late visibility, tokens bound to a query; and as
//!   a live tail shows them.
//! - [`Trails`] holds what CloudTrail says about its trails.
//! - [`Buses`] keeps the events that were put on EventBridge's buses.
//! - [`Queues`] holds messages as SQS shows them: hidden once received, visible again in time, moved to dead letters.
//! - [`Buckets`] holds objects, to be listed and read in ranges.
//! - [`Roles`] hands out the credentials of roles, as STS does.
//! - [`Faults`] makes chosen calls fail, in a scripted and repeatable way.
//! - [`Stream`] plans events, each with a [`Label`] that says what a detector should make of it. It is here without the
//!   feature `aws` as well.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there"))]

#[cfg(feature = "aws")]
mod buckets;
#[cfg(feature = "aws")]
mod clock;
#[cfg(feature = "aws")]
mod endpoint;
#[cfg(feature = "aws")]
mod events;
#[cfg(feature = "aws")]
mod fault;
#[cfg(feature = "aws")]
mod ledger;
#[cfg(feature = "aws")]
mod logs;
#[cfg(feature = "aws")]
mod queues;
#[cfg(feature = "aws")]
mod refusal;
#[cfg(feature = "aws")]
mod roles;
#[cfg(feature = "aws")]
mod secrets;
mod stream;
#[cfg(feature = "aws")]
mod trails;

#[cfg(feature = "aws")]
pub use buckets::Buckets;
#[cfg(feature = "aws")]
pub use clock::Clock;
#[cfg(feature = "aws")]
pub use endpoint::Endpoint;
#[cfg(feature = "aws")]
pub use events::{Buses, PutEvent};
#[cfg(feature = "aws")]
pub use fault::{Fault, Faults, StreamEnd};
#[cfg(feature = "aws")]
pub use ledger::{REQUESTS_KEPT_MAX, Request};
#[cfg(feature = "aws")]
pub use logs::{LogEvent, Logs, limits};
#[cfg(feature = "aws")]
pub use queues::Queues;
#[cfg(feature = "aws")]
pub use roles::Roles;
#[cfg(feature = "aws")]
pub use secrets::Secrets;
pub use stream::{ATTACKS, LOOK_ALIKES, Label, Planned, Stream, Summary, Timing, XRAY_CHANGES};
#[cfg(feature = "aws")]
pub use trails::{PublicKey, Trail, TrailStatus, Trails};

/// The account that the stand-in endpoints answer for.
pub const ACCOUNT_ID: &str = "111122223333";

/// The region that the stand-in endpoints answer for.
pub const REGION: &str = "us-east-1";

/// Locks a mutex whose data stays whole even if a holder panicked.
#[cfg(feature = "aws")]
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
