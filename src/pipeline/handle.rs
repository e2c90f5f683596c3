//! What may be seen and changed of a run while it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify as Bell;

use super::courier::{CourierReport, Route};
use super::evaluate::Ruled;
use super::summary::Summary;
use crate::engine::RuleSet;
use crate::finding::Finding;
use crate::source::Source;
use crate::store::Outgoing;

/// A run that goes on. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    sources: Vec<Arc<dyn Source>>,
    pub(super) rules: Arc<Current<Ruled>>,
    summary: Arc<Mutex<Summary>>,
    trouble: Arc<Mutex<Option<String>>>,
}

/// A courier, as others see it: what it is to have, how it is told of it, and what it has done.
#[derive(Clone)]
pub(super) struct Round {
    pub route: Route,
    pub bell: Arc<Bell>,
    pub report: Arc<Mutex<CourierReport>>,
}

impl Handle {
    pub(super) fn new(sources: Vec<Arc<dyn Source>>, rules: Arc<RuleSet>, routes: Vec<Round>) -> Self {
        let rules = Arc::new(Current::new(Ruled::new(rules, routes)));
        Self { sources, rules, summary: Arc::default(), trouble: Arc::default() }
    }

    /// The counts so far; those of a group are added once it is dealt with.
    pub fn summary(&self) -> Summary {
        let mut summary = lock(&self.summary).clone();
        self.complete(&mut summary);
        summary
    }

    /// Why nothing can be committed at present.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// The rules that batches are matched with from now on.
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.rules.get().rules)
    }

    /// Replaces all rules, and what couriers are to have, at once. A batch is matched with the old ones or with the new ones,
    /// and its findings go where the same say. What is in the outbox stays there.
    pub fn replace(&self, rules: RuleSet, routes: &[Route]) {
        let mut rounds = self.rules.get().rounds.clone();
        for round in &mut rounds {
            if let Some(route) = routes.iter().find(|route| route.sink == round.route.sink) {
                round.route = route.clone();
            }
        }
        self.rules.set(Ruled::new(Arc::new(rules), rounds));
    }

    /// Tells couriers that something is in the outbox.
    pub(super) fn ring(&self) {
        self.rules.get().rounds.iter().for_each(|round| round.bell.notify_one());
    }

    pub(super) fn publish(&self, summary: &Summary) {
        *lock(&self.summary) = summary.clone();
    }

    pub(super) fn tell_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }

    /// Adds what couriers and sources count themselves.
    pub(super) fn complete(&self, summary: &mut Summary) {
        let ruled = self.rules.get();
        summary.couriers =
            ruled.rounds.iter().map(|round| (Arc::clone(&round.route.sink), lock(&round.report).clone())).collect();
        summary.couriers.sort_by(|one, other| one.0.cmp(&other.0));
        summary.sources = self.sources.iter().map(|source| (source.name(), source.report())).collect();
    }
}

/// Which sinks are to have the findings.
pub(super) fn outgoing(rounds: &[Round], findings: &[Arc<Finding>]) -> Vec<Outgoing> {
    let mut outgoing = Vec::new();
    for finding in findings {
        let takers = rounds.iter().filter(|round| round.route.takes(finding));
        let to = |round: &Round| Outgoing { sink: Arc::clone(&round.route.sink), finding: Arc::clone(finding) };
        outgoing.extend(takers.map(to));
    }
    outgoing
}

/// A value that is replaced whole while others use it.
pub(super) struct Current<T>(Mutex<Arc<T>>);

impl<T> Current<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub fn get(&self) -> Arc<T> {
        Arc::clone(&lock(&self.0))
    }

    fn set(&self, value: T) {
        *lock(&self.0) = Arc::new(value);
    }
}

/// A panic elsewhere leaves all of it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
