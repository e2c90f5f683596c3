//! What a run has done: every event, reject, repeat and wait, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::CourierReport;
use super::evaluate::Judged;
use crate::decode::Reject;
use crate::event::EventKind;
use crate::rule::Severity;
use crate::source::SourceReport;
use crate::source::distribution::Distribution;

/// The counts of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// CloudTrail records, each once.
    pub records: u64,
    /// CloudTrail Insights.
    pub insights: u64,
    /// CloudTrail's summaries of data events.
    pub aggregated: u64,
    /// Findings of Trailwatch that came as events.
    pub findings_as_events: u64,
    /// Other JSON objects.
    pub others: u64,
    /// Events that the filter left out.
    pub filtered: u64,
    /// Events that came again.
    pub duplicates: u64,
    /// Findings about events that were stated anew, each of which had been made before.
    pub restated: u64,
    /// Matches that lead to no finding, since the event records a call of ours that only reads.
    pub own_matches: u64,
    /// Probes of CloudWatch that carry no event.
    pub controls: u64,
    /// Events whose time is missing or cannot be read.
    pub timeless: u64,
    /// Events that came in the object of another account than their own.
    pub misplaced: u64,
    /// Events of accounts that are not wanted of their source: neither matched nor counted as events.
    pub foreign: u64,
    /// Parts that did not decode.
    pub rejects: u64,
    /// The first rejects, for a person to look at: at most [`Summary::REJECTS_KEPT`].
    pub first_rejects: Vec<Reject>,
    /// Whether the run stopped since there were as many events as were wanted.
    pub had_enough: bool,
    /// Findings by rule.
    pub findings: BTreeMap<String, (Severity, u64)>,
    /// Matches that are no findings of their own, by rule: each is counted on a finding, and told by a digest.
    pub held_back: BTreeMap<String, u64>,
    /// Digests of those.
    pub digests: u64,
    /// Windows that are open, by rule.
    pub windows_open: BTreeMap<String, u64>,
    /// Windows that ended before their time, since there were too many.
    pub windows_ended_early: u64,
    /// Findings that no sink would take.
    pub undelivered: u64,
    /// Findings that were brought to a sink again.
    pub delivery_retries: u64,
    /// Commits that failed and were made again.
    pub commit_retries: u64,
    /// Events that were received and not committed, since the run was stopped while the store failed.
    pub uncommitted: u64,
    /// Event keys that were forgotten since the memory for them is bounded.
    pub keys_forgotten: u64,
    /// What it took to match an event, of some: in nanoseconds.
    pub matching: Distribution,
    /// What came by each source.
    pub tallies: Vec<(Arc<str>, Tally)>,
    /// The earliest and the latest event time.
    pub times: Option<(Timestamp, Timestamp)>,
    /// What became of the outbox, by sink.
    pub couriers: Vec<(Arc<str>, CourierReport)>,
    /// The sources' own counts.
    pub sources: Vec<(Arc<str>, SourceReport)>,
}

impl Summary {
    /// How many rejects are kept to be shown.
    pub const REJECTS_KEPT: usize = 10;

    /// All events, each once.
    pub fn events(&self) -> u64 {
        self.records + self.insights + self.aggregated + self.findings_as_events + self.others
    }

    /// All findings.
    pub fn findings_total(&self) -> u64 {
        self.findings.values().map(|(_, count)| count).sum()
    }

    /// All matches that were held back.
    pub fn held_back_total(&self) -> u64 {
        self.held_back.values().sum()
    }

    /// The findings at least so severe.
    pub fn findings_from(&self, severity: Severity) -> u64 {
        self.findings.values().filter(|(found, _)| *found >= severity).map(|(_, count)| count).sum()
    }

    pub(super) fn count_event(&mut self, event: &Judged, now: Timestamp) {
        let Judged { source, kind, time, delivered_ms, wanted, .. } = *event;
        let tally = self.tally(source);
        tally.events[kind as usize] += 1;
        if let Some(time) = time {
            tally.lag.note(now.duration_since(time).as_millis());
        }
        if let Some(delivered_ms) = delivered_ms {
            tally.delivery_lag.note(now.as_millisecond().saturating_sub(delivered_ms).into());
        }
        match kind {
            EventKind::CloudTrail => self.records += 1,
            EventKind::Insight => self.insights += 1,
            EventKind::Aggregated => self.aggregated += 1,
            EventKind::Finding => self.findings_as_events += 1,
            EventKind::Other => self.others += 1,
        }
        if !wanted {
            self.filtered += 1;
        }
        let Some(time) = time else {
            self.timeless += u64::from(kind == EventKind::CloudTrail);
            return;
        };
        self.times = Some(match self.times {
            None => (time, time),
            Some((first, last)) => (first.min(time), last.max(time)),
        });
    }

    /// What came by a source, by its number.
    pub(super) fn tally(&mut self, source: usize) -> &mut Tally {
        &mut self.tallies[source].1
    }

    pub(super) fn count_finding(&mut self, rule: &str, severity: Severity) {
        match self.findings.get_mut(rule) {
            Some((_, count)) => *count += 1,
            None => {
                self.findings.insert(rule.to_owned(), (severity, 1));
            }
        }
    }

    pub(super) fn count_held_back(&mut self, rule: &str) {
        match self.held_back.get_mut(rule) {
            Some(count) => *count += 1,
            None => drop(self.held_back.insert(rule.to_owned(), 1)),
        }
    }

    pub(super) fn count_rejects(&mut self, source: usize, reason: &'static str, count: u64) {
        self.rejects += count;
        *self.tally(source).rejects.entry(reason).or_default() += count;
    }

    pub(super) fn count_reject(&mut self, source: usize, reject: &Reject) {
        self.count_rejects(source, reject.reason.as_str(), 1);
        if self.first_rejects.len() < Self::REJECTS_KEPT {
            self.first_rejects.push(reject.clone());
        }
    }
}

/// What came by one source.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    events: [u64; 5],
    /// Events that had come before, by this or another source.
    pub duplicates: u64,
    /// Parts that did not decode, by the word of their reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Events of accounts that are not wanted of it.
    pub foreign: u64,
    /// How long after it happened an event was here, in milliseconds.
    pub lag: Distribution,
    /// How long after the service had it an event was here, in milliseconds, where the service says when that was.
    pub delivery_lag: Distribution,
    /// When something of it was last committed.
    pub committed: Option<Timestamp>,
}

impl Tally {
    /// Events of a kind, each once.
    pub fn events(&self, kind: EventKind) -> u64 {
        self.events[kind as usize]
    }
}
