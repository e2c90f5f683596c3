//! Where deliveries come from: the contract that every source keeps.
//!
//! A source reads; it never decodes, matches or prints. It may be asked for the next batch while earlier batches are
//! still being worked on, and it forgets nothing until it is told that a receipt is committed.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::delivery::{Delivery, Receipt};
use crate::store::Checkpoint;

use distribution::Distribution;

pub mod alarms;
pub mod archive;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod cloudwatch_logs;
pub mod distribution;
pub mod file;
#[cfg(feature = "listen")]
pub mod http;
pub mod layout;
pub mod notification;
mod progress;
pub mod role;
#[cfg(feature = "aws")]
pub mod s3;
#[cfg(feature = "aws")]
pub mod sqs;

/// A stream of deliveries with receipts.
///
/// # Contract
///
/// The pipeline calls, for each source:
///
/// 1. [`next`](Source::next) again and again, from one task, never two at once. `Ok(Some(batch))` hands over
///    deliveries (never an empty batch); `Ok(None)` says that the source has ended and `next` will not be called
///    again; `Err` is final: the source cannot go on, and everything it handed over so far still counts. What can be
///    waited out (throttling, credentials that expired, a network that is away) is waited out inside `next` and told
///    as a [`Notice`].
/// 2. [`checkpoint`](Source::checkpoint) with receipts that are about to be committed (maybe none): what must be on disk so that a
///    new process continues after them. It changes nothing, since the store may still refuse.
/// 3. [`commit`](Source::commit) with the same receipts once the store holds the findings and the checkpoint. Only
///    then may the source acknowledge to the service, or move its position. Receipts may come in any order and in
///    any grouping, each once.
/// 4. [`reject`](Source::reject) in place of `commit`, at the same moment, with the receipts of deliveries in which
///    nothing could be decoded. A source whose service sets aside what nobody can read leaves it there.
/// 5. [`close`](Source::close) at the very end, once, also after an error: nothing more will be committed.
///
/// Dropping the future of `next` loses nothing: deliveries not yet handed over are handed over by a later call.
pub trait Source: Send + Sync {
    /// The name that origins, checkpoints and reports carry.
    fn name(&self) -> Arc<str>;

    /// Waits for the next batch of deliveries. See the contract.
    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>>;

    /// What to remember if these receipts are committed; `None`, unless the source knows better, for there is nothing to
    /// resume from.
    fn checkpoint(&self, _receipts: &[Receipt]) -> Option<Checkpoint> {
        None
    }

    /// Takes receipts as committed. Nobody is told, unless the source knows better.
    fn commit<'a>(&'a self, _receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Takes receipts as dealt with, of deliveries in which nothing could be decoded, or not all.
    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.commit(receipts)
    }

    /// Finishes what was committed, and gives back to the service what was not.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The counts so far.
    fn report(&self) -> SourceReport;
}

/// Why a source cannot go on, or could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The service refused, and waiting will not help.
    #[error("{0}")]
    Refused(String),
    /// A file or a stream could not be read.
    #[error("{0}")]
    Io(String),
}

/// Something a person should be told, at the moment it happens. Said once for each condition, not once for each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub level: NoticeLevel,
    /// One sentence, not escaped.
    pub text: String,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Odd, but nothing is lost.
    Warn,
    /// Something is lost or somebody has to act.
    Error,
}

/// Where notices go. Called from the source's task; must not block.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// What a source has done so far. Everything is a count since the start unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Deliveries handed over.
    pub deliveries: u64,
    /// Bytes of deliveries handed over.
    pub bytes: u64,
    /// API calls made, failed ones included.
    pub calls: u64,
    /// Pages that held no event but a token for more.
    pub empty_pages: u64,
    /// Deliveries that were not there when their time was first read, and were found by a later reading.
    pub late: u64,
    /// The times between the timestamps of late deliveries and their finding, in milliseconds.
    pub lateness: Distribution,
    /// Deliveries that came again and were not handed over again.
    pub repeats: u64,
    /// Deliveries whose timestamp lay in the future when they were read.
    pub future: u64,
    /// Calls that the service throttled.
    pub throttles: u64,
    /// Calls that failed for another reason and were made again.
    pub retries: u64,
    /// Looks without the filter pattern, where one is sent.
    pub probes: u64,
    /// Deliveries seen by those.
    pub probed: u64,
    /// Deliveries that a live tail showed before a poll found them.
    pub live: u64,
    /// Events that it showed and for which there was no room; polls found them.
    pub live_dropped: u64,
    /// Updates in which it left events out; polls found them.
    pub live_sampled: u64,
    /// Times without it after it had been on; polls went on.
    pub live_gaps: u64,
    /// Times that the source had to wait for credentials.
    pub credential_waits: u64,
    /// Tokens that the service would not take any more.
    pub expired_tokens: u64,
    /// Deliveries handed over twice because a bounded memory was full; the sequencer removes them.
    pub memory_overflows: u64,
    /// Files, objects or parts that could not be read.
    pub unreadable: u64,
    /// Messages received from a queue, repeats included.
    pub messages: u64,
    /// Messages that had been received before, by whomever.
    pub received_again: u64,
    /// Messages that were left to the queue, since something in them could not be read or decoded.
    pub left: u64,
    /// Messages that were visible again before the queue could be told what became of them.
    pub expired: u64,
    /// Messages by which S3 or CloudTrail tried whether any arrive.
    pub tests: u64,
    /// Objects read.
    pub objects: u64,
    /// Objects that no digest vouches for, and what else is wrong with digests, where they are asked.
    pub unvouched: u64,
    /// Objects that were passed over, since they hold no events of CloudTrail: digests and what else lies in a bucket.
    pub passed_over: u64,
    /// Times that something was lost before it could be read: a log group deleted, or its retention too short.
    pub gaps: u64,
    /// What is wrong at present though reading goes well: a trail that has stopped, say.
    pub troubles: Vec<String>,
    /// Requests that came in, refused ones included.
    pub requests: u64,
    /// Requests that showed no secret that is known.
    pub unauthorized: u64,
    /// Requests in which there was nothing to decode, or not all of it could be.
    pub undecodable: u64,
    /// Requests whose body was too large.
    pub too_large: u64,
    /// Requests that came faster than the rate allows.
    pub limited: u64,
    /// Requests that were told to come again: there was no room, or no commit in time.
    pub postponed: u64,
    /// Requests for another path, by another method, or that broke off.
    pub misdirected: u64,
    /// The newest timestamp seen, in milliseconds since 1970.
    pub newest_ms: Option<i64>,
    /// Everything with an earlier timestamp was read at least once, in milliseconds since 1970.
    pub read_ms: Option<i64>,
    /// Everything with an earlier timestamp was read for the last time, in milliseconds since 1970.
    pub settled_ms: Option<i64>,
    /// Everything before and up to it in the source's own order was committed: the key of an object.
    pub position: Option<String>,
    /// For how long the source has been there, in milliseconds; for a share of the quota.
    pub age_ms: u64,
    /// Of the calls those that the quota counts.
    pub quota_calls: u64,
    /// The calls a second that the service allows here, and of which this source takes at most half.
    pub quota_calls_per_second: Option<u32>,
}

impl SourceReport {
    /// The part of the quota that was used since the start, between 0 and 1; `None` where there is no quota.
    pub fn quota_share(&self) -> Option<f64> {
        let allowed = f64::from(self.quota_calls_per_second?) * self.age_ms as f64 / 1e3;
        (allowed > 0.0).then(|| self.quota_calls as f64 / allowed)
    }
}
