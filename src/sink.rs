//! Where findings go: the contract that every sink keeps.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::finding::Finding;
#[cfg(any(feature = "aws", feature = "webhook"))]
use crate::untrusted::{Untrusted, shortened};

#[cfg(feature = "aws")]
pub mod eventbridge;
pub mod stdout;
#[cfg(feature = "webhook")]
pub mod webhook;

/// Takes findings out.
///
/// # Contract
///
/// One caller at a time; batches come in the order in which findings were committed, and a batch comes again only as
/// far as it was answered with [`Outcome::Retry`], or not answered. The answer has one outcome for each finding of the
/// batch, in its order. A sink that gets no further, since nobody is there or it is asked to wait, answers for the first
/// ones only: the others were not tried, and come again once it may go on. `Err` says that the sink is gone for good, as
/// standard output is when its reader has left.
pub trait Sink: Send {
    /// The name that reports carry.
    fn name(&self) -> &str;

    /// Delivers a batch.
    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>>;

    /// How findings are brought one by one, some of them at the same time, if the receiver takes them so.
    fn one_by_one(&self) -> Option<Bring> {
        None
    }
}

/// Brings one finding, whatever becomes of others.
pub type Bring = Arc<dyn Fn(Arc<Finding>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Not now: bring it again.
    Retry {
        /// What kind of failure it is.
        cause: Cause,
        /// What the receiver said.
        reason: String,
        /// How long it wants to be left alone, if it said so.
        after: Option<Duration>,
    },
    /// Never: the receiver will not have it.
    Refused(String),
}

/// Why a finding has to be brought again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The receiver has too much to do.
    Throttled,
    /// The receiver answered that it could not, or that we may not.
    Failed,
    /// There was no answer, or nobody could even be asked.
    NoAnswer,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Throttled, Self::Failed, Self::NoAnswer];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// The receiver is gone for good.
#[derive(Debug, thiserror::Error)]
#[error("output closed: {0}")]
pub struct Gone(pub std::io::Error);

/// A setting of a sink that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {problem}")]
pub struct SettingsError {
    /// The setting, as the sink's `Settings` call it.
    pub setting: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

#[cfg(any(feature = "aws", feature = "webhook"))]
impl SettingsError {
    fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// The longest text of a receiver that is told, in characters.
#[cfg(any(feature = "aws", feature = "webhook"))]
const TOLD_WIDTH: usize = 200;

/// The beginning of what a receiver, or the way to it, said, made safe to show.
#[cfg(any(feature = "aws", feature = "webhook"))]
fn told(text: &str) -> String {
    Untrusted(&shortened(text.trim(), TOLD_WIDTH)).to_string()
}

/// The text of the innermost cause: the outer ones only say that something failed.
#[cfg(any(feature = "aws", feature = "webhook"))]
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

impl Outcome {
    /// To be brought again, whenever that is.
    pub fn retry(cause: Cause, reason: impl Into<String>) -> Self {
        Self::Retry { cause, reason: reason.into(), after: None }
    }

    /// How long the receiver wants to be left alone, if it said so.
    pub fn asked_for(&self) -> Option<Duration> {
        match self {
            Self::Retry { after, .. } => *after,
            Self::Delivered | Self::Refused(_) => None,
        }
    }

    /// Why the receiver does not have it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Retry { reason, .. } | Self::Refused(reason) => Some(reason),
            Self::Delivered => None,
        }
    }
}
