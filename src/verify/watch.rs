//! Verifying while somebody else reads: each log file is held against its digest as it comes, so that what is vouched for is
//! the very bytes that are used.
//!
//! The digests of a place are read when its first log file comes. Places of which none came are looked at in the end.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::digest::delivered;
use super::report::{ProblemKind, Report};
use super::{Place, Verifier, View};
use crate::source::s3::Witness;
use crate::source::{Notice, NoticeLevel, Notify, SourceError};

/// Places whose digests are kept at hand. Log files come in the order of places, several at a time.
const PLACES_MAX: usize = 4;

/// Verifies what somebody else reads. See the module's documentation.
pub struct Watch {
    verifier: Verifier,
    /// The part of the archive that is read.
    prefix: String,
    notify: Notify,
    places: tokio::sync::Mutex<Places>,
    /// Log files that were delivered after the last digest.
    pending: AtomicU64,
}

#[derive(Default)]
struct Places {
    at_hand: VecDeque<(Place, Arc<View>)>,
    seen: BTreeSet<Place>,
    problems: u64,
}

impl Watch {
    /// Watches the reading of all below a folder of the archive, which ends in a slash or is empty.
    pub fn new(verifier: Verifier, prefix: &str, notify: Notify) -> Self {
        Self {
            verifier,
            prefix: prefix.to_owned(),
            notify,
            places: tokio::sync::Mutex::default(),
            pending: AtomicU64::new(0),
        }
    }

    /// What the digests of a place say. What is wrong with them is told when they are read.
    async fn view(&self, place: &Place) -> Result<Arc<View>, SourceError> {
        let places = &mut *self.places.lock().await;
        if let Some((_, view)) = places.at_hand.iter().find(|(known, _)| known == place) {
            return Ok(Arc::clone(view));
        }
        let mut report = Report::default();
        let view = Arc::new(self.verifier.view(place, &mut report).await?);
        if places.seen.insert(place.clone()) {
            self.verifier.look_for_missing(place, &view, &mut report).await?;
            self.tell(&report, &mut places.problems);
        }
        places.at_hand.push_front((place.clone(), Arc::clone(&view)));
        places.at_hand.truncate(PLACES_MAX);
        Ok(view)
    }

    fn tell(&self, report: &Report, problems: &mut u64) {
        *problems += report.problems.len() as u64 + report.more_problems;
        for problem in &report.problems {
            let text = format!("`{}`: {}", problem.place, problem.text);
            (self.notify)(Notice { level: NoticeLevel::Error, text });
        }
    }

    async fn judge_file(&self, key: &str, body: &Bytes) -> Result<(), String> {
        let Some(place) = Place::of_file(key) else {
            return Err("no digest is about it: it is none of CloudTrail's".to_owned());
        };
        let view = self.view(&place).await.map_err(|error| format!("its digests cannot be read: {error}"))?;
        match view.named.get(key) {
            Some(named) => self.verifier.judge_content(body.clone(), named).await.map_err(|(_, text)| text),
            None if let Some(error) = &view.locked => Err(format!("its digests cannot be checked: {error}")),
            None if self.verifier.is_pending(&view, key) => {
                self.pending.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            None if !self.verifier.range.has(delivered(key)) => Ok(()),
            None => Err("no digest that is good names it".to_owned()),
        }
    }

    async fn look_at_the_rest(&self) -> Result<(), SourceError> {
        for place in self.verifier.places(&self.prefix).await? {
            let is_seen = self.places.lock().await.seen.contains(&place);
            if !is_seen {
                self.view(&place).await?;
            }
        }
        Ok(())
    }
}

impl Witness for Watch {
    fn judge<'a>(&'a self, key: &'a str, body: &'a Bytes) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.judge_file(key, body))
    }

    fn finish(&self) -> BoxFuture<'_, u64> {
        Box::pin(async {
            let rest = self.look_at_the_rest().await;
            if let pending @ 1.. = self.pending.swap(0, Ordering::Relaxed) {
                let text = format!("log files that no digest names as yet, delivered after the last one: {pending}");
                (self.notify)(Notice { level: NoticeLevel::Info, text });
            }
            let problems = &mut self.places.lock().await.problems;
            if let Err(error) = rest {
                let text = format!("not all digests could be looked at: {error}");
                (self.notify)(Notice { level: NoticeLevel::Error, text });
                *problems += 1;
            }
            std::mem::take(problems)
        })
    }
}

impl Verifier {
    /// Tells which log files are named and not there.
    async fn look_for_missing(&self, place: &Place, view: &View, report: &mut Report) -> Result<(), SourceError> {
        let logs = self.archive.keys(&place.logs(), self.range.log_days()).await?;
        let logs: BTreeSet<String> = logs.into_iter().collect();
        if view.locked.is_some() {
            return Ok(());
        }
        for (key, named) in view.named.iter().filter(|(key, _)| self.range.has(delivered(key))) {
            if key.starts_with(&place.logs()) && !logs.contains(key) {
                let text = format!("it is not there; {} names it", self.archive.place(&named.digest));
                report.problem(ProblemKind::LogMissing, self.archive.place(key), text);
            }
        }
        report.problems.sort();
        Ok(())
    }
}
