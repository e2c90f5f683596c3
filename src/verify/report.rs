//! What came of verifying: what was held against what, and each thing that is wrong.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A digest that another names as the one before it is not there.
    DigestMissing,
    /// A digest cannot be read.
    DigestUnreadable,
    /// A digest lies elsewhere than it was delivered to.
    DigestMoved,
    /// There is no signature beside a digest.
    SignatureMissing,
    /// The signature of a digest does not fit.
    SignatureWrong,
    /// Nobody knows the key that a digest names.
    KeyUnknown,
    /// The keys of a region cannot be had, and none of its digests be held against them.
    KeyUnavailable,
    /// A digest is not the one that the next one names.
    ChainBroken,
    /// No digest is about a stretch of time.
    Gap,
    /// No digest is about the last hours of the time that was asked for.
    ChainEnds,
    /// There are log files and no digests.
    NoDigests,
    /// A log file that a digest names is not there.
    LogMissing,
    /// A log file has another content than when it was delivered.
    LogChanged,
    /// A log file that a digest names cannot be read.
    LogUnreadable,
    /// A log file lies in another bucket, where it was not looked for.
    LogElsewhere,
    /// No digest that is good names a log file.
    LogUnnamed,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where: a URL or a path.
    pub place: String,
    /// What sort of thing.
    pub kind: ProblemKind,
    /// What, in words. Not escaped.
    pub text: String,
}

/// The digests of one trail for one account and region, and what they name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// The account.
    pub account: String,
    /// The region of the events.
    pub region: String,
    /// The trail's name.
    pub trail: String,
    /// The region that the trail was made in.
    pub home_region: String,
    /// Whether these digests were made later, for log files that came too late for the others.
    pub backfill: bool,
    /// Digests.
    pub digests: u64,
    /// Those that are as they were delivered.
    pub digests_good: u64,
    /// Those whose signature is not known: in a copy on disk the newest of each chain.
    pub digests_unsigned: u64,
    /// Log files that good digests name, of the time that was asked for.
    pub logs: u64,
    /// Those that are as they were delivered.
    pub logs_good: u64,
    /// Those that are as a digest says whose own signature is not known.
    pub logs_unsigned: u64,
    /// The beginning of the time that the digests are about.
    #[serde(serialize_with = "time")]
    pub from: Option<Timestamp>,
    /// Its end.
    #[serde(serialize_with = "time")]
    pub to: Option<Timestamp>,
}

fn time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

/// What came of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By account, region and trail.
    pub chains: Vec<ChainReport>,
    /// What is wrong, in the order of places; at most [`Report::PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// What is wrong beyond those.
    pub more_problems: u64,
    /// Log files that were delivered after the last digest: one that names them is still to come.
    pub logs_pending: u64,
}

impl Report {
    /// Problems that are kept to be told one by one.
    pub const PROBLEMS_MAX: usize = 10_000;

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.more_problems == 0
    }

    /// Adds what is wrong, if there is room.
    pub(super) fn problem(&mut self, kind: ProblemKind, place: String, text: impl Into<String>) {
        match self.problems.len() < Self::PROBLEMS_MAX {
            true => self.problems.push(Problem { place, kind, text: text.into() }),
            false => self.more_problems += 1,
        }
    }
}
