//! How a run fares: what the admin listener tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::backlog;
use crate::command::report;
use crate::pipeline::Handle;
use crate::store::{Outbox, Waiting};

/// What is known of a run.
pub struct Status {
    /// The run.
    pub handle: Handle,
    /// When it began.
    pub begun: Timestamp,
    outbox: Arc<dyn Outbox>,
    /// Sinks that have couriers.
    sinks: Vec<Arc<str>>,
    told: Mutex<Told>,
}

/// What the daemon has told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// For each source, in their order, for how long it has been silent, if that is longer than usual.
    pub silent: Vec<(Arc<str>, Option<Duration>)>,
    /// Whether the configuration was taken over when it was last read.
    pub reload_failed: bool,
    /// When it was last taken over.
    pub reloaded: Option<Timestamp>,
    /// How often each rule was to blame that it was not.
    pub rule_errors: BTreeMap<String, u64>,
}

impl Status {
    /// The status of a run that begins.
    pub fn new(handle: Handle, outbox: Arc<dyn Outbox>, sinks: Vec<Arc<str>>) -> Self {
        let begun = Timestamp::now();
        let told = Mutex::new(Told { reloaded: Some(begun), ..Told::default() });
        Self { handle, begun, outbox, sinks, told }
    }

    /// What the daemon has told.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells which sources are silent.
    pub fn tell_silence(&self, silent: Vec<(Arc<str>, Option<Duration>)>) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).silent = silent;
    }

    /// Tells that the configuration was taken over.
    pub fn tell_reloaded(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        (told.reload_failed, told.reloaded) = (false, Some(Timestamp::now()));
    }

    /// Tells that it was not, and which rules are to blame.
    pub fn tell_refused(&self, rules: BTreeSet<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.reload_failed = true;
        rules.into_iter().for_each(|rule| *told.rule_errors.entry(rule).or_default() += 1);
    }

    /// How much waits for each sink; nothing where that cannot be read at present.
    pub async fn waiting(&self) -> Vec<(Arc<str>, Waiting)> {
        let (outbox, sinks) = (Arc::clone(&self.outbox), self.sinks.clone());
        let waiting = tokio::task::spawn_blocking(move || {
            let of = |sink: Arc<str>| outbox.waiting(&sink).ok().map(|waiting| (sink, waiting));
            sinks.into_iter().filter_map(of).collect()
        });
        waiting.await.unwrap_or_default()
    }

    /// The usual gap between two deliveries of each source, as an earlier run has kept it; `None` where none has, or it
    /// cannot be read.
    pub async fn usual_gaps(&self, sources: Vec<Arc<str>>) -> Vec<Option<Duration>> {
        let (outbox, count) = (Arc::clone(&self.outbox), sources.len());
        let kept = move || {
            let of = |source: &Arc<str>| outbox.kept(&usual_gap_of(source)).ok().flatten().map(Duration::from_millis);
            sources.iter().map(of).collect()
        };
        tokio::task::spawn_blocking(kept).await.unwrap_or_else(|_| vec![None; count])
    }

    /// Keeps them for the next run. What cannot be kept is learned anew there.
    pub async fn keep_usual_gaps(&self, gaps: Vec<(Arc<str>, Duration)>) {
        let outbox = Arc::clone(&self.outbox);
        let keep = move || {
            for (source, gap) in gaps {
                let _ = outbox.keep(&usual_gap_of(&source), u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
            }
        };
        let _ = tokio::task::spawn_blocking(keep).await;
    }

    /// Why the run is not as it should be.
    pub async fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.handle.trouble().into_iter().collect();
        let long = |silence: Duration| report::duration(silence.as_millis() as u64);
        for (source, silent) in self.told().silent {
            reasons.extend(silent.map(|silence| format!("source `{source}` has been silent for {}", long(silence))));
        }
        for (source, report) in self.handle.summary().sources {
            reasons.extend(report.troubles.iter().map(|trouble| format!("source `{source}`: {trouble}")));
        }
        let now_ms = Timestamp::now().as_millisecond();
        reasons
            .extend(self.waiting().await.iter().filter_map(|(sink, waiting)| backlog::behind(sink, waiting, now_ms)));
        reasons
    }
}

/// What the usual gap of a source is kept under, in milliseconds.
fn usual_gap_of(source: &str) -> String {
    format!("usual gap of source {source}")
}

/// The time from one moment to a later one.
pub fn age(from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(to_ms.saturating_sub(from_ms).try_into().unwrap_or(0))
}
