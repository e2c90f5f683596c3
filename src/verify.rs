//! Whether CloudTrail's files are what CloudTrail delivered: digests, their signatures, the chains that they make, and the log
//! files that they name.
//!
//! The decision worth knowing: every digest of the time in question is looked at by itself, and then held against its
//! neighbours. So one that is missing or changed hides nothing that is wrong elsewhere. A log file counts as vouched for only
//! if a digest names it that is good itself; and files that no digest names are looked for, which a walk along the chain
//! would never meet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::source::SourceError;
use crate::source::archive::{Archive, Unreadable};

mod chain;
mod content;
pub mod digest;
pub mod keys;
mod place;
pub mod report;
mod watch;

use content::{aside, content, is_same, sha256};
use digest::delivered;
pub use keys::Keys;
pub use place::{Place, Range};
use report::{ProblemKind, Report};
pub use watch::Watch;

/// Files that are read at the same time.
const READ_AT_ONCE: usize = 8;

/// How long after its delivery a log file may be without a digest that names it: they come every hour or so.
const PENDING_MAX: SignedDuration = SignedDuration::from_hours(2);

/// Verifies an archive. See the module's documentation.
pub struct Verifier {
    archive: Arc<dyn Archive>,
    keys: Keys,
    range: Range,
    now: Timestamp,
    only: Only,
}

/// Whose files are asked about; of an empty list, everybody's.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Accounts.
    pub accounts: Vec<String>,
    /// Regions of the events.
    pub regions: Vec<String>,
}

/// What digests say of a place.
#[derive(Default)]
struct View {
    chains: Vec<report::ChainReport>,
    named: HashMap<String, Named>,
    /// When the time ends that the last digest is about, by its name.
    last_end: Option<Timestamp>,
    /// The same of those that are not bad.
    last_good_end: Option<Timestamp>,
    /// Why none of the digests could be held against a key.
    locked: Option<SourceError>,
}

/// A log file that a good digest names.
struct Named {
    /// `None` if the digest has a hash of a kind that nobody knows.
    hash: Option<String>,
    digest: Arc<str>,
    /// The number of the digest's chain.
    chain: usize,
    /// Whether the digest's signature was found good.
    is_signed: bool,
}

impl Verifier {
    /// What an archive holds of a stretch of time, to be held against public keys. What time it is tells what may be still
    /// to come.
    pub fn new(archive: Arc<dyn Archive>, keys: Keys, range: Range, now: Timestamp) -> Self {
        Self { archive, keys, range, now, only: Only::default() }
    }

    /// The same of some accounts and regions.
    pub fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    /// Verifies what lies below a folder, which ends in a slash or is empty. `told` is told of each place that is done with.
    /// A place whose keys cannot be had is a problem of its own, and an error if there is no other.
    pub async fn verify(&self, prefix: &str, told: impl Fn(&Place, &Report)) -> Result<Report, SourceError> {
        let (mut report, mut locked) = (Report::default(), Vec::new());
        let places = self.places(prefix).await?;
        for place in &places {
            locked.extend(self.verify_place(place, &mut report).await?);
            told(place, &report);
        }
        if locked.len() == places.len()
            && let Some(error) = locked.pop()
        {
            return Err(error);
        }
        report.problems.sort();
        Ok(report)
    }

    /// Whose files lie below a folder.
    async fn places(&self, prefix: &str) -> Result<Vec<Place>, SourceError> {
        let is_asked = |asked: &[String], name: &String| asked.is_empty() || asked.contains(name);
        let mut places = place::places(&*self.archive, prefix).await?;
        places.retain(|place| {
            is_asked(&self.only.accounts, &place.account) && is_asked(&self.only.regions, &place.region)
        });
        Ok(places)
    }

    /// Verifies a place; returns why that is not possible, if it is not.
    async fn verify_place(&self, place: &Place, report: &mut Report) -> Result<Option<SourceError>, SourceError> {
        let mut view = self.view(place, report).await?;
        if view.locked.is_some() {
            return Ok(view.locked);
        }
        self.look_for_end(place, &view, report).await?;
        let logs = self.archive.keys(&place.logs(), self.range.log_days()).await?;
        self.look_for_unnamed(place, &view, &logs, report);
        self.verify_logs(&mut view, report).await;
        report.chains.append(&mut view.chains);
        Ok(None)
    }

    /// Tells which log files nobody vouches for.
    fn look_for_unnamed(&self, place: &Place, view: &View, logs: &[String], report: &mut Report) {
        let unnamed = logs.iter().filter(|key| !view.named.contains_key(*key) && self.range.has(delivered(key)));
        if view.chains.is_empty() {
            if let count @ 1.. = unnamed.count() {
                let text = format!("there is no digest for any of {count} log files (is validation switched on?)");
                report.problem(ProblemKind::NoDigests, self.archive.place(&place.logs()), text);
            }
            return;
        }
        for key in unnamed {
            match self.is_pending(view, key) {
                true => report.logs_pending += 1,
                false => {
                    report.problem(ProblemKind::LogUnnamed, self.archive.place(key), "no digest that is good names it");
                }
            }
        }
    }

    /// Whether a digest that names a log file may still be to come.
    fn is_pending(&self, view: &View, key: &str) -> bool {
        let (Some(end), Some(delivered)) = (view.last_end, delivered(key)) else { return false };
        // Names tell the minute.
        let since_end = delivered.duration_since(end);
        let is_behind = since_end > SignedDuration::from_mins(-1) && since_end <= PENDING_MAX;
        is_behind && self.now.duration_since(end) <= PENDING_MAX
    }

    /// Tells that digests end before the time that was asked for does: whoever deletes the last ones leaves no other trace. A
    /// copy is as old as it is.
    async fn look_for_end(&self, place: &Place, view: &View, report: &mut Report) -> Result<(), SourceError> {
        if self.archive.bucket().is_none() {
            return Ok(());
        }
        let end = match view.last_good_end {
            None if view.chains.is_empty() => self.end_before(place).await?,
            end => end,
        };
        let Some(end) = end else { return Ok(()) };
        let asked = self.range.until.map_or(self.now, |until| until.min(self.now));
        if asked.duration_since(end) > PENDING_MAX {
            let text = format!(
                "no digest is about the time after {end} (was the trail or its validation ended? then ask with `--until`)"
            );
            report.problem(ProblemKind::ChainEnds, self.archive.place(&place.digests()), text);
        }
        Ok(())
    }

    /// The end of the last digest before the time in question, by its name, if that was shortly before. A place that has had
    /// none for days is one that nobody uses any more.
    async fn end_before(&self, place: &Place) -> Result<Option<Timestamp>, SourceError> {
        let Some(days) = self.range.days_before() else { return Ok(None) };
        let keys = self.archive.keys(&place.digests(), days).await?;
        let names = keys.iter().filter_map(|key| digest::DigestName::of(key, &place.account, &place.region));
        Ok(names.filter(|name| !name.chain.is_backfill).map(|name| name.end).max())
    }

    /// Holds log files against what digests say of them.
    async fn verify_logs(&self, view: &mut View, report: &mut Report) {
        let View { chains, named, .. } = view;
        let asked: BTreeMap<_, _> = named.iter().filter(|(key, _)| self.range.has(delivered(key))).collect();
        let judged =
            asked.into_iter().map(|(key, named)| async move { (key, named, self.judge_log(key, named).await) });
        let mut judged = stream::iter(judged).buffered(READ_AT_ONCE);
        while let Some((key, named, judged)) = judged.next().await {
            let chain = &mut chains[named.chain];
            chain.logs += 1;
            match judged {
                Ok(()) if named.is_signed => chain.logs_good += 1,
                Ok(()) => chain.logs_unsigned += 1,
                Err((kind, text)) => report.problem(kind, self.archive.place(key), text),
            }
        }
    }

    async fn judge_log(&self, key: &str, named: &Named) -> Result<(), (ProblemKind, String)> {
        let digest = self.archive.place(&named.digest);
        match self.archive.read(key).await {
            Ok(stored) => self.judge_content(stored.bytes, named).await,
            Err(Unreadable::Missing) => Err((ProblemKind::LogMissing, format!("it is not there; {digest} names it"))),
            Err(Unreadable::Other(error)) => Err((ProblemKind::LogUnreadable, format!("cannot read it: {error}"))),
        }
    }

    /// Whether a log file's bytes are those that a digest names.
    async fn judge_content(&self, bytes: Bytes, named: &Named) -> Result<(), (ProblemKind, String)> {
        let changed = |text: String| (ProblemKind::LogChanged, text);
        let hash = aside(move || content(&bytes).map(|content| sha256(&content))).await.map_err(changed)?;
        match &named.hash {
            Some(expected) if is_same(expected, &hash) => Ok(()),
            _ => {
                let digest = self.archive.place(&named.digest);
                Err(changed(format!("its content was changed: it has not the hash that {digest} names")))
            }
        }
    }
}
