//! The counts of a run in the words of Prometheus. They are put together when somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::status::{Status, age};
use crate::decode::Reason;
use crate::event::EventKind;
use crate::pipeline::Summary;
use crate::pipeline::summary::Tally;
use crate::sink::Cause;
use crate::source::SourceReport;
use crate::source::aws::requests::{self, Requests};
use crate::source::distribution::Distribution;
use crate::store::Waiting;

type Labels = Vec<(&'static str, String)>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// All of them, as text.
pub async fn text(status: &Status) -> Result<String, fmt::Error> {
    let mut metrics = Metrics(Registry::with_prefix("trailwatch"));
    let summary = status.handle.summary();
    metrics.run(status, &summary);
    metrics.events(&summary);
    metrics.tallies(&summary.tallies);
    metrics.sources(&summary.sources);
    metrics.requests();
    metrics.sinks(&summary, &status.waiting().await);
    metrics.told(status);
    let mut text = String::new();
    encode(&mut text, &metrics.0)?;
    Ok(text)
}

/// A count of a source: its name, what it says, and where it stands.
type SourceCount = (&'static str, &'static str, fn(&SourceReport) -> u64);

/// What is counted of each source.
const SOURCE_COUNTS: [SourceCount; 22] = [
    ("source_deliveries", "Deliveries handed over", |report| report.deliveries),
    ("source_bytes", "Bytes of deliveries handed over", |report| report.bytes),
    ("source_late_events", "Deliveries found by a later reading of their time", |report| report.late),
    ("source_duplicates", "Deliveries that came again and were not handed over", |report| report.repeats),
    ("source_calls", "API calls, also those that failed", |report| report.calls),
    ("source_throttles", "API calls that were throttled", |report| report.throttles),
    ("source_retries", "API calls that failed otherwise and were made again", |report| report.retries),
    ("source_credential_waits", "Waits for credentials", |report| report.credential_waits),
    ("source_gaps", "Times that something was lost before it could be read", |report| report.gaps),
    ("source_live", "Deliveries that a live tail showed before a poll found them", |report| report.live),
    ("source_live_dropped", "Events of a live tail that there was no room for", |report| report.live_dropped),
    ("source_live_sampled", "Updates of a live tail that left events out", |report| report.live_sampled),
    ("source_live_gaps", "Times without a live tail after it had been on", |report| report.live_gaps),
    ("source_left", "Messages left to their queue, since they could not be read", |report| report.left),
    ("source_expired", "Messages that could not be kept hidden until they were done with", |report| report.expired),
    ("source_unreadable", "Files, objects or parts that could not be read", |report| report.unreadable),
    ("source_requests", "Requests that came in, refused ones included", |report| report.requests),
    ("source_unauthorized", "Requests that showed no secret that is known", |report| report.unauthorized),
    ("source_undecodable", "Requests in which something does not decode", |report| report.undecodable),
    ("source_too_large", "Requests whose body was too large", |report| report.too_large),
    ("source_limited", "Requests over the rate", |report| report.limited),
    ("source_postponed", "Requests that were told to come again", |report| report.postponed),
];

/// What an event may be, in the words of the label.
const KINDS: [(EventKind, &str); 5] = [
    (EventKind::CloudTrail, "cloudtrail"),
    (EventKind::Insight, "insight"),
    (EventKind::Aggregated, "aggregated"),
    (EventKind::Finding, "finding"),
    (EventKind::Other, "other"),
];

/// A time of a source, in milliseconds since 1970.
type SourceTime = (&'static str, &'static str, fn(&SourceReport) -> Option<i64>);

/// How far each source has got.
const SOURCE_TIMES: [SourceTime; 3] = [
    ("source_newest_timestamp_seconds", "The newest timestamp seen", |report| report.newest_ms),
    ("source_read_timestamp_seconds", "Everything before it was read", |report| report.read_ms),
    ("source_settled_timestamp_seconds", "Everything before it was read for the last time", |report| report.settled_ms),
];

struct Metrics(Registry);

impl Metrics {
    fn counters(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, count) in rows {
            family.get_or_create(&labels).inc_by(count);
        }
        self.0.register(name, help, family);
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.counters(name, help, [(Labels::new(), count)]);
    }

    fn gauges(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, FloatGauge>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [(Labels::new(), value)]);
    }

    /// Distributions, and how many of their units make a second.
    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, Distribution)>,
        units_per_second: f64,
    ) {
        self.0.register(name, help, Histograms { rows: rows.into_iter().collect(), units_per_second });
    }

    fn run(&mut self, status: &Status, summary: &Summary) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.0.register("build", "The version of the program", version);
        self.gauge("start_time_seconds", "When the run began", seconds(status.begun));
        self.gauge("rules", "Rules that events are matched with", status.handle.rules().rules().len() as f64);
        let stuck = f64::from(u8::from(status.handle.trouble().is_some()));
        self.gauge("state_unwritable", "Whether nothing can be committed at present", stuck);
        self.counter("commit_retries", "Commits that failed and were made again", summary.commit_retries);
        self.counter(
            "keys_forgotten",
            "Events that are no longer remembered, for there were too many",
            summary.keys_forgotten,
        );
    }

    fn events(&mut self, summary: &Summary) {
        self.counter("own_matches", "Matches that are no findings, since the call was our own", summary.own_matches);
        self.counter("restated", "Findings about events stated anew that had been made before", summary.restated);
        self.counter("misplaced", "Events in the object of another account", summary.misplaced);
        let rules = summary.findings.iter();
        let rules = rules.map(|(rule, (severity, count))| {
            (vec![("rule", rule.clone()), ("severity", severity.as_str().to_owned())], *count)
        });
        self.counters("rule_matches", "Findings", rules);
        let held_back = summary.held_back.iter().map(|(rule, count)| (vec![("rule", rule.clone())], *count));
        self.counters("rule_held_back", "Matches that are counted on a finding", held_back);
        self.counter("digests", "Findings that tell of matches held back", summary.digests);
        let windows = summary.windows_open.iter();
        let windows = windows.map(|(rule, count)| (vec![("rule", rule.clone())], *count as f64));
        self.gauges("window_keys", "Findings of a rule whose windows are open", windows);
        self.counter(
            "window_evictions",
            "Windows that ended before their time, for there were too many",
            summary.windows_ended_early,
        );
        let help = "What it took to match an event with all rules: one event in 64, and the first of each batch";
        self.histograms("rule_eval_seconds", help, [(Labels::new(), summary.matching.clone())], 1e9);
    }

    /// What came by each source.
    fn tallies(&mut self, tallies: &[(Arc<str>, Tally)]) {
        let of_kinds = tallies.iter().flat_map(|(source, tally)| {
            KINDS.map(|(kind, name)| (labels_with(source, "kind", name), tally.events(kind)))
        });
        self.counters("source_events", "Events, each once", of_kinds);
        let parse_errors = tallies.iter().flat_map(|(source, tally)| {
            let reasons: BTreeSet<&str> = Reason::WORDS.into_iter().chain(tally.rejects.keys().copied()).collect();
            let of = |reason| tally.rejects.get(reason).copied().unwrap_or(0);
            reasons.into_iter().map(move |reason| (labels_with(source, "reason", reason), of(reason)))
        });
        self.counters("source_parse_errors", "Parts that did not decode", parse_errors);
        let dropped = tallies.iter().flat_map(|(source, tally)| {
            [("duplicate", tally.duplicates), ("foreign", tally.foreign)].map(|(reason, count)| {
                let intentional = [("intentional", "true".to_owned())];
                (labels_with(source, "reason", reason).into_iter().chain(intentional).collect(), count)
            })
        });
        self.counters("events_dropped", "Events that were left out, as they are meant to be", dropped);
        let now_ms = Timestamp::now().as_millisecond();
        let ages = tallies.iter().filter_map(|(source, tally)| {
            Some((labels("source", source), age(tally.committed?.as_millisecond(), now_ms).as_secs_f64()))
        });
        self.gauges("checkpoint_age_seconds", "How long ago something of a source was last committed", ages);
        let lags = tallies.iter().map(|(source, tally)| (labels("source", source), tally.lag.clone()));
        self.histograms("source_lag_seconds", "The time from an event's own time until it was here", lags, 1e3);
        let lags = tallies.iter().map(|(source, tally)| (labels("source", source), tally.delivery_lag.clone()));
        let help = "The time from when the service had an event until it was here";
        self.histograms("source_delivery_lag_seconds", help, lags, 1e3);
    }

    fn sources(&mut self, sources: &[(Arc<str>, SourceReport)]) {
        for (name, help, count) in SOURCE_COUNTS {
            self.counters(name, help, sources.iter().map(|(source, report)| (labels("source", source), count(report))));
        }
        let lateness = sources.iter().map(|(source, report)| (labels("source", source), report.lateness.clone()));
        let help = "The time from the timestamp of a late delivery until it was found";
        self.histograms("source_lateness_seconds", help, lateness, 1e3);
        for (name, help, time) in SOURCE_TIMES {
            let rows = sources.iter();
            let rows = rows.filter_map(|(source, report)| Some((labels("source", source), time(report)? as f64 / 1e3)));
            self.gauges(name, help, rows);
        }
        let shares = sources.iter();
        let shares = shares.filter_map(|(source, report)| Some((labels("source", source), report.quota_share()?)));
        self.gauges("source_quota_share", "The part of the quota of calls that was used since the start", shares);
        let troubles = sources.iter().map(|(source, report)| (labels("source", source), report.troubles.len() as f64));
        self.gauges("source_troubles", "What is wrong though reading goes well: a trail that has stopped", troubles);
    }

    /// What the process has asked of AWS, for whatever purpose.
    fn requests(&mut self) {
        let made = requests::made();
        let of = |((service, operation), requests): (&(String, String), &Requests)| {
            let labels = |result: &str| {
                vec![("service", service.clone()), ("op", operation.clone()), ("result", result.to_owned())]
            };
            requests.by_result().map(|(result, count)| (labels(result), count))
        };
        self.counters("aws_requests", "Requests to AWS, each try, by what came of them", made.iter().flat_map(of));
        let throttled = made.values().map(|requests| requests.throttled).sum();
        self.counter("aws_throttles", "Requests to AWS that were throttled", throttled);
    }

    fn sinks(&mut self, summary: &Summary, waiting: &[(Arc<str>, Waiting)]) {
        let results = summary.couriers.iter().flat_map(|(sink, report)| {
            let of =
                |result: &str, count: u64| (vec![("sink", sink.to_string()), ("result", result.to_owned())], count);
            [of("delivered", report.delivered), of("given_up", report.dead)]
        });
        self.counters("sink_deliveries", "Findings that a sink has, or never will", results);
        let retries = summary.couriers.iter().flat_map(|(sink, report)| {
            Cause::ALL.map(|cause| {
                let labels = vec![("sink", sink.to_string()), ("reason", cause.as_str().to_owned())];
                (labels, report.retried.get(&cause).copied().unwrap_or(0))
            })
        });
        self.counters("sink_retries", "Findings that a sink did not take and is brought again, by why", retries);
        let put_out = summary.couriers.iter().map(|(sink, report)| (labels("sink", sink), report.put_out));
        self.counters("sink_dead_letters_forgotten", "Dead letters put out, for there were too many", put_out);
        let length = waiting.iter().map(|(sink, waiting)| (labels("sink", sink), waiting.entries as f64));
        self.gauges("sink_queue_length", "Findings that wait for a sink", length);
        let dead = waiting.iter().map(|(sink, waiting)| (labels("sink", sink), waiting.dead as f64));
        self.gauges("sink_dead_letters", "Findings kept that were given up", dead);
        let now_ms = Timestamp::now().as_millisecond();
        let oldest = waiting.iter().map(|(sink, waiting)| {
            let age = waiting.oldest_ms.map(|oldest_ms| age(oldest_ms, now_ms)).unwrap_or_default();
            (labels("sink", sink), age.as_secs_f64())
        });
        self.gauges("sink_oldest_pending_seconds", "How long the oldest finding has waited for a sink", oldest);
    }

    fn told(&mut self, status: &Status) {
        let (told, current) = (status.told(), status.handle.rules());
        let mut rules: BTreeMap<&str, u64> = current.rules().iter().map(|rule| (rule.id.as_str(), 0)).collect();
        rules.extend(told.rule_errors.iter().map(|(rule, count)| (rule.as_str(), *count)));
        let rules = rules.into_iter().map(|(rule, count)| (vec![("rule", rule.to_owned())], count));
        self.counters("rule_errors", "Times that a rule was to blame for a refused reload", rules);
        let silent = told.silent.iter();
        let silent =
            silent.map(|(source, silent)| (labels("source", source), silent.unwrap_or_default().as_secs_f64()));
        self.gauges("source_silent_seconds", "How long a source has been silent, if far longer than usual", silent);
        let good = f64::from(u8::from(!told.reload_failed));
        self.gauge("config_last_reload_successful", "Whether the configuration was taken over when last read", good);
        let reloaded = told.reloaded.map_or(0.0, seconds);
        self.gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was last taken over",
            reloaded,
        );
    }
}

fn labels_with(source: &Arc<str>, name: &'static str, value: &str) -> Labels {
    vec![("source", source.to_string()), (name, value.to_owned())]
}

fn labels(name: &'static str, value: &Arc<str>) -> Labels {
    vec![(name, value.to_string())]
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}

/// Distributions as histograms.
#[derive(Debug)]
struct Histograms {
    rows: Vec<(Labels, Distribution)>,
    units_per_second: f64,
}

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (labels, distribution) in &self.rows {
            let seconds = |units: u64| units as f64 / self.units_per_second;
            let mut buckets: Vec<(f64, u64)> =
                distribution.buckets().map(|(units, count)| (seconds(units), count)).collect();
            // What is over the last bound has none.
            if let Some(last) = buckets.last_mut() {
                last.0 = f64::MAX;
            }
            let sum = seconds(distribution.sum());
            if labels.is_empty() {
                encoder.encode_histogram::<NoLabelSet>(sum, distribution.len(), &buckets, None)?;
            } else {
                let mut labelled = encoder.encode_family(labels)?;
                labelled.encode_histogram::<NoLabelSet>(sum, distribution.len(), &buckets, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histograms {
    const TYPE: MetricType = MetricType::Histogram;
}
