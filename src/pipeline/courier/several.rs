//! A courier that goes several ways at once: findings are brought one by one, as many at a time as the receiver bears.
//!
//! Who does not answer holds up one finding and no other, and what was answered for is settled at once: a crash brings
//! again only what was on its way.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::{Courier, NAP_MAX, Nap, Next};
use crate::sink::{Bring, Outcome};
use crate::store::{Entry, Settlement};

/// Findings on their way at the same time, while the sink takes any.
const AT_ONCE_MAX: usize = 16;

/// And while it seems to be away. More than one, since it may be a single finding that a receiver stumbles over.
const AT_ONCE_AWAY: usize = 3;

/// What is on its way, and what is next.
#[derive(Default)]
struct UnderWay {
    brought: FuturesUnordered<BoxFuture<'static, (Entry, Outcome)>>,
    numbers: HashSet<u64>,
    ready: VecDeque<Entry>,
    /// Failures in a row since the sink took anything, or was last left alone.
    failures: usize,
    /// Until then the sink is left alone.
    held_until: Option<Instant>,
}

impl UnderWay {
    fn hold(&mut self, wait: Duration) {
        self.held_until = self.held_until.max(Some(Instant::now() + wait));
    }

    fn left_alone_for(&self) -> Option<Duration> {
        self.held_until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn start(&mut self, entry: Entry, bring: &Bring) {
        self.numbers.insert(entry.number);
        let outcome = bring(Arc::clone(&entry.finding));
        self.brought.push(async move { (entry, outcome.await) }.boxed());
    }

    /// Waits for an answer, and takes in the others that are there.
    async fn answered(&mut self) -> (Vec<Entry>, Vec<Outcome>) {
        let mut answered: Vec<_> = self.brought.next().await.into_iter().collect();
        while let Some(Some(next)) = self.brought.next().now_or_never() {
            answered.push(next);
        }
        for (entry, _) in &answered {
            self.numbers.remove(&entry.number);
        }
        answered.into_iter().unzip()
    }
}

impl Courier {
    /// Works until it is told to end and nothing is left that the sink would take.
    pub(super) async fn run_several(&mut self, bring: &Bring) {
        let mut way = UnderWay::default();
        loop {
            let nap = self.start(&mut way, bring).await;
            if !way.brought.is_empty() {
                self.wait_for_some(&mut way, nap).await;
            } else if self.ending.is_cancelled() {
                match self.left_at_end(&nap) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return,
                }
            } else {
                self.rest(nap).await;
            }
        }
    }

    /// Sends out as many as may be, and says until when there is nothing to send.
    async fn start(&mut self, way: &mut UnderWay, bring: &Bring) -> Nap {
        loop {
            if let Some(left) = way.left_alone_for().max(self.asked_to_wait()) {
                return Nap::Held(left);
            }
            if way.brought.len() >= self.at_once_max() {
                return Nap::Held(NAP_MAX);
            }
            match way.ready.pop_front() {
                Some(entry) => way.start(entry, bring),
                None => match self.fetch(way).await {
                    Next::Again => {}
                    Next::Rest(nap) => return nap,
                },
            }
        }
    }

    /// So many are under way at most; and if so many fail in a row, the sink is left alone.
    fn at_once_max(&self) -> usize {
        if self.failures > 0 { AT_ONCE_AWAY } else { AT_ONCE_MAX }
    }

    /// Gets more of what is due.
    async fn fetch(&mut self, way: &mut UnderWay) -> Next {
        let due = match self.due(way.brought.len()).await {
            Ok(due) => due,
            Err(error) => {
                way.hold(self.failed(&error.to_string()));
                return Next::Again;
            }
        };
        if !due.unreadable.is_empty() {
            let next = self.set_unreadable_aside(due.unreadable).await;
            if let Next::Rest(Nap::Held(wait)) = next {
                way.hold(wait);
            }
            return Next::Again;
        }
        let nap = self.until_due(due.next_ms);
        let new: Vec<Entry> = due.entries.into_iter().filter(|entry| !way.numbers.contains(&entry.number)).collect();
        if new.is_empty() {
            return Next::Rest(nap);
        }
        let new = self.without_late(way, new).await;
        way.ready.extend(new);
        Next::Again
    }

    /// While the sink is away, what has waited too long is not even tried.
    async fn without_late(&mut self, way: &mut UnderWay, entries: Vec<Entry>) -> Vec<Entry> {
        if self.failures == 0 {
            return entries;
        }
        let (mut late, mut others) = (Vec::new(), Vec::new());
        for entry in entries {
            match self.too_late(&entry, "the sink did not get to it") {
                Some(settlement) => late.push(settlement),
                None => others.push(entry),
            }
        }
        if !late.is_empty() {
            self.settle_and_count(way, late).await;
        }
        others
    }

    async fn wait_for_some(&mut self, way: &mut UnderWay, nap: Nap) {
        let (wait, may_ring) = match nap {
            Nap::UntilDue(wait) => (wait.min(NAP_MAX), true),
            Nap::Held(wait) => (wait, false),
        };
        let (entries, outcomes) = tokio::select! {
            biased;
            answered = way.answered() => answered,
            () = self.bell.notified(), if may_ring => return,
            () = tokio::time::sleep(wait) => return,
        };
        self.take(way, &entries, outcomes).await;
    }

    /// Settles what was answered for, and decides whether the sink is left alone.
    async fn take(&mut self, way: &mut UnderWay, entries: &[Entry], outcomes: Vec<Outcome>) {
        let asked_for = outcomes.iter().filter_map(Outcome::asked_for).max();
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Retry { .. });
        self.asked(asked_for).await;
        let mut hold = asked_for;
        if outcomes.iter().all(failed) {
            way.failures += outcomes.len();
            let reason = outcomes.iter().find_map(Outcome::reason).unwrap_or_default();
            if way.failures >= self.at_once_max() {
                way.failures = 0;
                hold = hold.max(Some(self.failed(reason)));
            } else if way.brought.is_empty() {
                self.tell_failure(reason);
            }
        } else {
            way.failures = 0;
            self.over();
        }
        if let Some(hold) = hold {
            way.hold(hold);
        }
        let settlements = self.settlements(entries, outcomes, hold.unwrap_or_default());
        self.settle_and_count(way, settlements).await;
    }

    /// What cannot be settled is brought again, under the same ids, and no sooner than the sink allows.
    async fn settle_and_count(&mut self, way: &mut UnderWay, settlements: Vec<Settlement>) {
        match self.settle(settlements.clone()).await {
            Ok(()) => self.count(&settlements),
            Err(error) => way.hold(self.failed(&error.to_string())),
        }
    }
}
