//! The one ordered consumer: de-duplication, the transaction, and what follows once it holds.
//!
//! Evaluate, then commit, then remember: a group's keys go into memory only when the store has them, and a commit
//! that fails is brought again as it is.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify as Bell, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::courier::Route;
use super::evaluate::{Evaluated, Item, Judged, Receipts};
use super::summary::Summary;
use super::{Bounds, Tap, acknowledge};
use crate::decode::Reject;
use crate::delivery::Origin;
use crate::event::EventKey;
use crate::finding::Finding;
use crate::sink::{Gone, Outcome, Sink};
use crate::source::{Notice, NoticeLevel, Notify, Source};
use crate::store::{Outgoing, Store, Transaction};

/// Owns everything that has memory.
pub struct Sequencer {
    sources: Vec<Arc<dyn Source>>,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
    routes: Vec<(Route, Arc<Bell>)>,
    tap: Option<Box<dyn Tap>>,
    bounds: Bounds,
    notify: Notify,
    stop: CancellationToken,
    seen: Seen,
    summary: Summary,
}

/// Where everything goes.
#[derive(Default)]
pub struct Outputs {
    /// Sinks that are brought findings as they are committed.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What goes into the outbox, and the bell of the courier who brings it on.
    pub routes: Vec<(Route, Arc<Bell>)>,
    /// Who watches every event.
    pub tap: Option<Box<dyn Tap>>,
}

/// A group on its way: what will be true once the store has it.
#[derive(Default)]
struct Group {
    transaction: Transaction,
    /// By source.
    receipts: Vec<Receipts>,
    events: Vec<Judged>,
    rejects: Vec<Reject>,
    keys: HashSet<EventKey>,
    /// Given back when the group is dealt with.
    weights: Vec<OwnedSemaphorePermit>,
    more_rejects: u64,
    duplicates: u64,
    controls: u64,
}

impl Sequencer {
    /// A sequencer before its first group. It knows what the store has seen.
    pub fn new(
        sources: Vec<Arc<dyn Source>>,
        store: Box<dyn Store>,
        outputs: Outputs,
        bounds: Bounds,
        notify: Notify,
        stop: CancellationToken,
    ) -> Self {
        let Outputs { sinks, routes, tap } = outputs;
        let (mut seen, mut summary) = (Seen::new(bounds.keys_remembered), Summary::default());
        seen.remember(&store.seen(), &mut summary);
        // What an earlier run forgot is not this one's to tell.
        summary.keys_forgotten = 0;
        Self { sources, store, sinks, routes, tap, bounds, notify, stop, seen, summary }
    }

    /// Takes in a group of batches, and returns once it is committed and delivered. `Err` says that nobody reads the
    /// output any more.
    pub async fn take(&mut self, batches: Vec<Evaluated>) -> Result<(), Gone> {
        let group = self.gather(batches);
        if !self.commit(&group.transaction).await {
            self.summary.uncommitted += group.events.len() as u64;
            return Ok(());
        }
        self.seen.remember(&group.transaction.seen, &mut self.summary);
        if !group.transaction.outgoing.is_empty() {
            self.routes.iter().for_each(|(_, bell)| bell.notify_one());
        }
        self.count(&group);
        self.show(&group)?;
        self.deliver(&group.transaction.findings).await?;
        acknowledge(&self.sources, &group.receipts, &self.notify).await;
        Ok(())
    }

    /// The counts, at the end; and whether the tap could finish.
    pub fn finish(mut self) -> (Summary, Result<(), Gone>) {
        let finished = self.tap.as_mut().map_or(Ok(()), |tap| tap.finish().map_err(Gone));
        (self.summary, finished)
    }

    fn gather(&mut self, batches: Vec<Evaluated>) -> Group {
        let mut group = Group { receipts: vec![Receipts::default(); self.sources.len()], ..Group::default() };
        for batch in batches {
            group.receipts[batch.source].extend(batch.receipts);
            group.weights.push(batch.weight);
            group.controls += batch.controls;
            group.more_rejects += batch.more_rejects;
            for item in batch.items {
                match item {
                    Item::Reject(reject) => group.rejects.push(reject),
                    Item::Event(event) if self.seen.has(&event.key) || !group.keys.insert(event.key) => {
                        group.duplicates += 1;
                    }
                    Item::Event(event) => group.events.push(event),
                }
            }
        }
        let findings: Vec<_> = group.events.iter().flat_map(|event| event.findings.iter().cloned()).collect();
        group.transaction = Transaction {
            checkpoints: checkpoints(&self.sources, &group.receipts),
            seen: group.events.iter().map(|event| event.key).collect(),
            outgoing: self.outgoing(&findings),
            findings,
        };
        group
    }

    /// Which sinks are to have the findings.
    fn outgoing(&self, findings: &[Arc<Finding>]) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        for finding in findings {
            let takers = self.routes.iter().filter(|(route, _)| route.takes(finding));
            outgoing.extend(
                takers.map(|(route, _)| Outgoing { sink: Arc::clone(&route.sink), finding: Arc::clone(finding) }),
            );
        }
        outgoing
    }

    /// Brings the transaction until the store has it; `false` if the run is stopped before that.
    async fn commit(&mut self, transaction: &Transaction) -> bool {
        let mut wait = COMMIT_WAIT_MIN;
        loop {
            let Err(error) = self.store.commit(transaction).await else {
                if wait > COMMIT_WAIT_MIN {
                    self.notice(NoticeLevel::Info, "state is written again".to_owned());
                }
                return true;
            };
            self.summary.commit_retries += 1;
            if wait == COMMIT_WAIT_MIN {
                self.notice(NoticeLevel::Error, format!("{error} (nothing is acknowledged until it can be written)"));
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(COMMIT_WAIT_MAX),
            }
        }
    }

    fn count(&mut self, group: &Group) {
        let now = Timestamp::now();
        self.summary.duplicates += group.duplicates;
        self.summary.controls += group.controls;
        self.summary.rejects += group.more_rejects;
        for event in &group.events {
            self.summary.count_event(event.kind, event.time, event.wanted, now);
            if let Some(origin) = &event.misplaced {
                self.take_misplaced(origin, event.key.account().unwrap_or_default());
            }
        }
        for finding in &group.transaction.findings {
            self.summary.count_finding(&finding.rule.id, finding.severity);
        }
        for reject in &group.rejects {
            self.summary.count_reject(reject);
        }
    }

    /// CloudTrail writes an account's events under its own key. Somebody else may have written this one.
    fn take_misplaced(&mut self, origin: &Origin, account: u64) {
        self.summary.misplaced += 1;
        if self.summary.misplaced == 1 {
            let text =
                format!("{origin}: holds an event of account {account:012}, whose key this is not (who wrote it?)");
            self.notice(NoticeLevel::Warn, text);
        }
    }

    fn show(&mut self, group: &Group) -> Result<(), Gone> {
        let Some(tap) = &mut self.tap else { return Ok(()) };
        let mut show = || {
            for event in &group.events {
                if let Some(raw) = &event.raw {
                    tap.event(raw, &event.findings)?;
                }
            }
            for reject in &group.rejects {
                tap.reject(reject)?;
            }
            tap.flush()
        };
        show().map_err(Gone)
    }

    async fn deliver(&mut self, findings: &[Arc<Finding>]) -> Result<(), Gone> {
        let mut sinks = std::mem::take(&mut self.sinks);
        let mut result = Ok(());
        for sink in &mut sinks {
            result = result.and(self.deliver_to(sink.as_mut(), findings.to_vec()).await);
        }
        self.sinks = sinks;
        result
    }

    /// Brings findings to a sink until it has taken or refused each of them, or has had its tries.
    async fn deliver_to(&mut self, sink: &mut dyn Sink, mut findings: Vec<Arc<Finding>>) -> Result<(), Gone> {
        let mut wait = COMMIT_WAIT_MIN;
        for left in (0..self.bounds.deliveries_tried).rev() {
            if findings.is_empty() {
                return Ok(());
            }
            findings = self.deliver_once(sink, findings).await?;
            if left > 0 && !findings.is_empty() {
                self.summary.delivery_retries += findings.len() as u64;
                tokio::select! {
                    () = self.stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => wait = (wait * 2).min(COMMIT_WAIT_MAX),
                }
            }
        }
        for finding in &findings {
            self.undelivered(sink.name(), finding, "it asked for it again until it was given up");
        }
        Ok(())
    }

    /// Brings findings to a sink; returns those that it wants again. A finding without an answer is one of them.
    async fn deliver_once(
        &mut self,
        sink: &mut dyn Sink,
        findings: Vec<Arc<Finding>>,
    ) -> Result<Vec<Arc<Finding>>, Gone> {
        let mut outcomes = sink.deliver(&findings).await?.into_iter();
        let mut again = Vec::new();
        for finding in findings {
            match outcomes.next() {
                Some(Outcome::Delivered) => {}
                Some(Outcome::Refused(reason)) => self.undelivered(sink.name(), &finding, &reason),
                Some(Outcome::Retry { .. }) | None => again.push(finding),
            }
        }
        Ok(again)
    }

    fn undelivered(&mut self, sink: &str, finding: &Finding, reason: &str) {
        self.summary.undelivered += 1;
        self.notice(NoticeLevel::Error, format!("sink `{sink}` did not take finding {}: {reason}", finding.id));
    }

    fn notice(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}

const COMMIT_WAIT_MIN: Duration = Duration::from_millis(50);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Where every source stands once the receipts are committed; a source may have got further without any.
fn checkpoints(sources: &[Arc<dyn Source>], receipts: &[Receipts]) -> Vec<crate::store::Checkpoint> {
    sources.iter().zip(receipts).filter_map(|(source, receipts)| source.checkpoint(&receipts.all())).collect()
}

/// The keys of events that were seen, in two generations: when the newer is full, the older is forgotten.
struct Seen {
    generation_max: usize,
    newer: HashSet<EventKey>,
    older: HashSet<EventKey>,
}

impl Seen {
    fn new(keys_max: usize) -> Self {
        Self { generation_max: (keys_max / 2).max(1), newer: HashSet::new(), older: HashSet::new() }
    }

    fn has(&self, key: &EventKey) -> bool {
        self.newer.contains(key) || self.older.contains(key)
    }

    fn remember(&mut self, keys: &[EventKey], summary: &mut Summary) {
        for &key in keys {
            if self.newer.len() >= self.generation_max {
                summary.keys_forgotten += self.older.len() as u64;
                self.older = std::mem::take(&mut self.newer);
            }
            self.newer.insert(key);
        }
    }
}
