//! The one ordered consumer: de-duplication, the transaction, and what follows once it holds.
//!
//! Evaluate, then commit, then remember: a group's keys go into memory only when the store has them, and a commit
//! that fails is brought again as it is.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::evaluate::{Evaluated, Foreign, Item, Judged, Receipts};
use super::handle::{Handle, outgoing};
use super::summary::{Summary, Tally};
use super::{Bounds, Clock, Suppression, Tap, acknowledge};
use crate::decode::Reject;
use crate::delivery::Origin;
use crate::event::EventKey;
use crate::finding::windows::Delta;
use crate::finding::{Finding, Windows};
use crate::sink::{Gone, Outcome, Sink};
use crate::source::distribution::Distribution;
use crate::source::{Notice, NoticeLevel, Notify, Source};
use crate::store::{Outgoing, Store, Transaction};

#[cfg(test)]
mod tests;

/// Owns everything that has memory.
pub struct Sequencer {
    sources: Vec<Arc<dyn Source>>,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
    tap: Option<Box<dyn Tap>>,
    handle: Handle,
    clock: Clock,
    bounds: Bounds,
    notify: Notify,
    stop: CancellationToken,
    seen: Seen,
    windows: Windows,
    /// Whether windows outlast the run.
    windows_stay: bool,
    summary: Summary,
}

/// Where everything goes.
pub struct Outputs {
    /// Sinks that are brought findings as they are committed.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Who watches every event.
    pub tap: Option<Box<dyn Tap>>,
    /// Who watches the run, and which sinks have couriers.
    pub handle: Handle,
    /// What time it is.
    pub clock: Clock,
}

/// A group on its way: what will be true once the store has it.
#[derive(Default)]
struct Group {
    transaction: Transaction,
    /// By source.
    receipts: Vec<Receipts>,
    events: Vec<Judged>,
    /// Matches that are counted on a finding.
    held_back: Vec<Arc<Finding>>,
    windows_ended_early: u64,
    /// Each with the number of its source.
    foreign: Vec<(usize, Foreign)>,
    /// Each with the number of its source.
    rejects: Vec<(usize, Reject)>,
    keys: HashSet<EventKey>,
    /// Given back when the group is dealt with.
    weights: Vec<OwnedSemaphorePermit>,
    /// By source: what did not decode and is not among the rejects.
    more_rejects: Vec<BTreeMap<&'static str, u64>>,
    /// By source.
    duplicates: Vec<u64>,
    restated: u64,
    controls: u64,
    /// What it took to match some of its events, in nanoseconds.
    matching: Distribution,
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
        let Outputs { sinks, tap, handle, clock } = outputs;
        let tallies = sources.iter().map(|source| (source.name(), Tally::default())).collect();
        let mut summary = Summary { tallies, ..Summary::default() };
        let mut seen = Seen::new(bounds.keys_remembered);
        seen.remember(&store.seen(), &mut summary);
        // What an earlier run forgot is not this one's to tell.
        summary.keys_forgotten = 0;
        let kept = store.windows();
        let windows_stay = kept.is_some() && bounds.suppression != Suppression::ToTheEnd;
        let windows = Windows::restored(kept.unwrap_or_default());
        summary.windows_open.clone_from(windows.by_rule());
        handle.publish(&summary);
        Self { sources, store, sinks, tap, handle, clock, bounds, notify, stop, seen, windows, windows_stay, summary }
    }

    /// Takes in a group of batches, and returns once it is committed and delivered. `Err` says that nobody reads the
    /// output any more.
    pub async fn take(&mut self, batches: Vec<Evaluated>) -> Result<(), Gone> {
        if self.summary.had_enough {
            return Ok(());
        }
        let is_tick = batches.is_empty();
        let group = self.gather(batches);
        if is_tick && group.transaction.windows.is_empty() {
            return Ok(());
        }
        self.settle(group).await
    }

    /// Ends the windows that nothing keeps: what they held back has to be told now.
    pub async fn end_windows(&mut self) -> Result<(), Gone> {
        if self.windows_stay || self.windows.is_empty() {
            return Ok(());
        }
        let (mut group, mut delta) = (self.group(), Delta::default());
        self.windows.end_all(&mut delta);
        self.complete(&mut group, delta);
        self.settle(group).await
    }

    /// How long it is until a window is over. A clock may be set back, so it is never long.
    pub fn until_due(&self) -> Option<Duration> {
        if self.bounds.suppression != Suppression::ByTheClock {
            return None;
        }
        let wait_ms = self.windows.next_due_ms()?.saturating_sub(self.now_ms()).clamp(0, NAP_MAX_MS);
        Some(Duration::from_millis(wait_ms as u64))
    }

    /// Commits a group, and does what follows.
    async fn settle(&mut self, mut group: Group) -> Result<(), Gone> {
        if !self.commit(&group.transaction).await {
            self.summary.uncommitted += group.events.len() as u64;
            return Ok(());
        }
        self.seen.remember(&group.transaction.seen, &mut self.summary);
        if !group.transaction.outgoing.is_empty() {
            self.handle.ring();
        }
        self.count(&group);
        self.windows.apply(std::mem::take(&mut group.transaction.windows));
        self.summary.windows_open.clone_from(self.windows.by_rule());
        self.stop_if_enough();
        self.handle.publish(&self.summary);
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

    fn group(&self) -> Group {
        let count = self.sources.len();
        Group {
            receipts: vec![Receipts::default(); count],
            more_rejects: vec![BTreeMap::new(); count],
            duplicates: vec![0; count],
            ..Group::default()
        }
    }

    fn gather(&self, batches: Vec<Evaluated>) -> Group {
        let mut group = self.group();
        for batch in batches {
            let (source, receipts) = (batch.source, batch.receipts.clone());
            // One that is not taken in whole is not acknowledged either.
            if self.gather_batch(batch, &mut group) {
                group.receipts[source].extend(receipts);
            }
        }
        let windows = self.hold_back(&mut group);
        self.complete(&mut group, windows);
        group
    }

    /// Decides which matches are findings, and which windows are over.
    fn hold_back(&self, group: &mut Group) -> Delta {
        let (mut delta, now_ms) = (Delta::default(), self.now_ms());
        for event in &mut group.events {
            for matched in event.matches.drain(..) {
                let is_off = self.bounds.suppression == Suppression::Off;
                match is_off || self.windows.lets_through(&mut delta, &matched, now_ms) {
                    true => event.findings.push(matched.finding),
                    false => group.held_back.push(matched.finding),
                }
            }
        }
        if self.bounds.suppression != Suppression::ToTheEnd {
            self.windows.end_due(&mut delta, now_ms);
        }
        self.windows.end_surplus(&mut delta, self.bounds.windows_open);
        delta
    }

    /// Makes the transaction of a group of which all is known.
    fn complete(&self, group: &mut Group, windows: Delta) {
        let Delta { changed, digests, ended_early } = windows;
        let outgoing = self.outgoing(group, &digests);
        let findings = group.events.iter().flat_map(|event| event.findings.iter().cloned());
        let findings: Vec<_> = findings.chain(digests).collect();
        group.windows_ended_early = ended_early;
        let found = group.events.iter().flat_map(|event| &event.findings).chain(&group.held_back);
        let known = found.map(|finding| EventKey::of_finding(&finding.id));
        group.transaction = Transaction {
            checkpoints: checkpoints(&self.sources, &group.receipts),
            seen: group.events.iter().map(|event| event.key).chain(known).collect(),
            outgoing,
            findings,
            windows: changed.into_iter().collect(),
        };
    }

    /// Which sinks are to have what: findings by the routes beside their rules, digests by those of now.
    fn outgoing(&self, group: &Group, digests: &[Arc<Finding>]) -> Vec<Outgoing> {
        let of_event = |event: &Judged| {
            event.ruled.as_ref().map(|ruled| outgoing(&ruled.rounds, &event.findings)).unwrap_or_default()
        };
        let of_digests = outgoing(&self.handle.rules.get().rounds, digests);
        group.events.iter().flat_map(of_event).chain(of_digests).collect()
    }

    /// Takes in a batch; `false` if there are enough events before its end.
    fn gather_batch(&self, batch: Evaluated, group: &mut Group) -> bool {
        group.weights.push(batch.weight);
        group.controls += batch.controls;
        group.matching.merge(&batch.matching);
        for (reason, more) in batch.more_rejects {
            *group.more_rejects[batch.source].entry(reason).or_default() += more;
        }
        for item in batch.items {
            match item {
                Item::Reject(reject) => group.rejects.push((batch.source, reject)),
                // Not remembered: another source may bring it, of which it is wanted.
                Item::Foreign(foreign) => group.foreign.push((batch.source, foreign)),
                Item::Event(event) if self.seen.has(&event.key) || group.keys.contains(&event.key) => {
                    group.duplicates[batch.source] += 1;
                }
                Item::Event(_) if self.summary.events() + group.events.len() as u64 >= self.bounds.events_max => {
                    return false;
                }
                Item::Event(mut event) => {
                    group.keys.insert(event.key);
                    self.leave_out_known(&mut event, group);
                    group.events.push(event);
                }
            }
        }
        true
    }

    fn stop_if_enough(&mut self) {
        if self.summary.events() >= self.bounds.events_max {
            self.summary.had_enough = true;
            self.stop.cancel();
        }
    }

    /// An event and its re-statement lead to findings under one id: the one that comes second says nothing new.
    fn leave_out_known(&self, event: &mut Judged, group: &mut Group) {
        let before = event.matches.len();
        event.matches.retain(|matched| {
            let key = EventKey::of_finding(&matched.finding.id);
            !self.seen.has(&key) && group.keys.insert(key)
        });
        group.restated += (before - event.matches.len()) as u64;
    }

    /// Brings the transaction until the store has it; `false` if the run is stopped before that.
    async fn commit(&mut self, transaction: &Transaction) -> bool {
        let mut wait = COMMIT_WAIT_MIN;
        loop {
            let Err(error) = self.store.commit(transaction).await else {
                if wait > COMMIT_WAIT_MIN {
                    self.notice(NoticeLevel::Info, "state is written again".to_owned());
                    self.handle.tell_trouble(None);
                }
                return true;
            };
            self.summary.commit_retries += 1;
            self.handle.tell_trouble(Some(error.to_string()));
            if wait == COMMIT_WAIT_MIN {
                self.notice(NoticeLevel::Error, format!("{error} (nothing is acknowledged until it can be written)"));
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(COMMIT_WAIT_MAX),
            }
        }
    }

    fn count(&mut self, group: &Group) {
        let now = self.clock.now();
        for (source, (duplicates, rejects)) in group.duplicates.iter().zip(&group.more_rejects).enumerate() {
            self.summary.duplicates += duplicates;
            self.summary.tally(source).duplicates += duplicates;
            rejects.iter().for_each(|(reason, count)| self.summary.count_rejects(source, reason, *count));
        }
        for (source, receipts) in group.receipts.iter().enumerate() {
            if !receipts.good.is_empty() || !receipts.undecodable.is_empty() {
                self.summary.tally(source).committed = Some(now);
            }
        }
        self.summary.restated += group.restated;
        self.summary.controls += group.controls;
        self.summary.matching.merge(&group.matching);
        for event in &group.events {
            self.summary.count_event(event, now);
            self.summary.own_matches += event.own_matches;
            if let Some(origin) = &event.misplaced {
                self.take_misplaced(origin, event.key.account().unwrap_or_default());
            }
        }
        for (source, foreign) in &group.foreign {
            self.summary.tally(*source).foreign += 1;
            self.take_foreign(foreign);
        }
        for finding in &group.transaction.findings {
            match &finding.digest {
                None => self.summary.count_finding(&finding.rule.id, finding.severity),
                Some(_) => self.summary.digests += 1,
            }
        }
        for finding in &group.held_back {
            self.summary.count_held_back(&finding.rule.id);
        }
        self.summary.windows_ended_early += group.windows_ended_early;
        for (source, reject) in &group.rejects {
            self.summary.count_reject(*source, reject);
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

    /// Somebody feeds the source by mistake, or the list is not complete.
    fn take_foreign(&mut self, Foreign { origin, account }: &Foreign) {
        self.summary.foreign += 1;
        if self.summary.foreign == 1 {
            let text = format!(
                "{origin}: brought an event of account {account}, which is not wanted of it (it is neither shown nor \
                 matched, and further ones are only counted)"
            );
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
            for digest in group.transaction.findings.iter().filter(|finding| finding.digest.is_some()) {
                tap.digest(digest)?;
            }
            for (_, reject) in &group.rejects {
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
                    biased;
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

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    fn notice(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}

const COMMIT_WAIT_MIN: Duration = Duration::from_millis(50);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(5);
const NAP_MAX_MS: i64 = 60_000;

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
