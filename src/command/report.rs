//! The summary at the end of a run, on standard error.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Exit, count, line, say, thousands};
use crate::pipeline::summary::Tally;
use crate::pipeline::{Ended, Summary};
use crate::rule::Severity;
use crate::source::SourceReport;
use crate::source::distribution::Distribution;
use crate::untrusted::{Untrusted, shortened};

/// A run that lasts as long has a share of the quota worth telling.
const SHARE_AFTER_MS: u64 = 10_000;

/// Prints the summary: what was read, what was odd, what was found.
pub fn summary(summary: &Summary) {
    line(&text(summary));
}

fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}{value}");
    };
    row("events", &events(summary));
    if let Some((first, last)) = summary.times {
        row("from", &format!("{first:.0} to {last:.0}"));
    }
    if let Some(odd) = odd(summary) {
        row("odd", &odd);
    }
    let live = summary.sources.iter().any(|(_, report)| report.newest_ms.is_some());
    for lag in lags(summary).iter().filter(|_| live) {
        row("lag", lag);
    }
    for (name, report) in &summary.sources {
        if report.calls > 0 {
            row("read", &format!("{}: {}", Untrusted(name), calls(report)));
        }
        if report.requests > 0 {
            row("received", &format!("{}: {}", Untrusted(name), requests(report)));
        }
    }
    row("findings", &findings(summary));
    for (rule, severity, number) in by_severity(summary) {
        let held = summary.held_back.get(rule).map_or(String::new(), |held| format!(" (+{})", thousands(*held)));
        row("", &format!("{:>7}  {severity:<14} {}{held}", thousands(number), Untrusted(rule)));
    }
    text
}

fn events(summary: &Summary) -> String {
    let kinds = [
        (summary.insights, "insight"),
        (summary.aggregated, "aggregated"),
        (summary.findings_as_events, "finding"),
        (summary.others, "not CloudTrail's"),
    ];
    let mut text = thousands(summary.events());
    let named: Vec<String> =
        kinds.iter().filter(|(number, _)| *number > 0).map(|(n, kind)| format!("{} {kind}", thousands(*n))).collect();
    if !named.is_empty() {
        let _ = write!(text, " ({})", named.join(", "));
    }
    if summary.filtered > 0 {
        let _ = write!(text, ", {} left out by the filter", thousands(summary.filtered));
    }
    text
}

/// What was not as it should be; `None` if all was.
fn odd(summary: &Summary) -> Option<String> {
    let sum = |of: fn(&SourceReport) -> u64| summary.sources.iter().map(|(_, report)| of(report)).sum::<u64>();
    let counts = [
        (summary.duplicates, "repeated".to_owned()),
        (summary.restated, "findings about the same event stated anew".to_owned()),
        (summary.own_matches, "matches of calls of our own".to_owned()),
        (sum(|report| report.late), late(summary)),
        (sum(|report| report.future), "from the future".to_owned()),
        (summary.rejects, "not decoded".to_owned()),
        (sum(|report| report.gaps), "gaps (what was lost before it could be read)".to_owned()),
        (sum(|report| report.unreadable), "unreadable".to_owned()),
        (sum(|report| report.unvouched), "not vouched for by digests".to_owned()),
        (sum(|report| report.left), "messages left to their queue".to_owned()),
        (sum(|report| report.expired), "messages visible again before they were deleted".to_owned()),
        (summary.misplaced, "in the object of another account".to_owned()),
        (summary.foreign, "of accounts that are not wanted".to_owned()),
        (summary.timeless, "without a readable time".to_owned()),
        (summary.keys_forgotten, "keys forgotten (repeats of them are not seen)".to_owned()),
        (sum(|report| report.memory_overflows), "ids forgotten by the source".to_owned()),
        (summary.commit_retries, "commits made again".to_owned()),
        (summary.uncommitted, "received and not committed".to_owned()),
        (summary.delivery_retries, "deliveries made again".to_owned()),
        (summary.undelivered, "findings not delivered".to_owned()),
        (summary.windows_ended_early, "windows ended early".to_owned()),
    ];
    let named: Vec<String> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", thousands(number)))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

fn late(summary: &Summary) -> String {
    let worst = summary.sources.iter().map(|(_, report)| report.lateness.max()).max().unwrap_or(0);
    format!("late (by up to {})", duration(worst))
}

fn calls(report: &SourceReport) -> String {
    let counts = [
        (report.messages, "messages"),
        (report.received_again, "received before"),
        (report.tests, "only tries"),
        (report.objects, "objects"),
        (report.passed_over, "passed over"),
        (report.empty_pages, "empty page"),
        (report.throttles, "throttled"),
        (report.retries, "made again"),
        (report.expired_tokens, "token expired"),
        (report.credential_waits, "waits for credentials"),
        (report.probes, "looks without the pattern"),
        (report.probed, "events seen by them"),
        (report.live, "shown by live tail first"),
        (report.live_dropped, "dropped by it"),
        (report.live_sampled, "samples"),
        (report.live_gaps, "gaps in it"),
    ];
    let mut text = listed(count(report.calls, "API call"), &counts);
    if report.age_ms >= SHARE_AFTER_MS && report.deliveries > 0 {
        let _ = write!(text, ", {:.2} for each delivery", report.calls as f64 / report.deliveries as f64);
    }
    // Of a moment a share says nothing.
    if let Some(share) = report.quota_share().filter(|_| report.age_ms >= SHARE_AFTER_MS) {
        let _ = write!(text, ", {:.1} % of the quota", share * 100.0);
    }
    let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(read) = time(report.read_ms) {
        let _ = write!(text, ", all up to {read:.0}");
    } else if let Some(newest) = time(report.newest_ms) {
        let _ = write!(text, ", the newest of {newest:.0}");
    }
    if let Some(position) = &report.position {
        let _ = write!(text, ", all up to `{}`", Untrusted(position));
    }
    text
}

/// What came by HTTP, and what was refused of it.
fn requests(report: &SourceReport) -> String {
    let counts = [
        (report.unauthorized, "without a good secret"),
        (report.undecodable, "not decoded"),
        (report.too_large, "too large"),
        (report.limited, "over the rate"),
        (report.postponed, "to come again"),
        (report.misdirected, "misdirected"),
    ];
    listed(count(report.requests, "request"), &counts)
}

/// A text, and behind it those of the counts that are not zero.
fn listed(mut text: String, counts: &[(u64, &str)]) -> String {
    for (number, what) in counts.iter().filter(|(number, _)| *number > 0) {
        let _ = write!(text, ", {} {what}", thousands(*number));
    }
    text
}

fn findings(summary: &Summary) -> String {
    let mut text = match summary.findings_total() {
        0 => "none".to_owned(),
        total => thousands(total),
    };
    if summary.held_back_total() > 0 {
        let _ = write!(text, ", and {} more held back", thousands(summary.held_back_total()));
    }
    if summary.digests > 0 {
        let _ = write!(text, " (told in {})", count(summary.digests, "digest"));
    }
    text
}

fn by_severity(summary: &Summary) -> Vec<(&str, Severity, u64)> {
    let mut rules: Vec<_> =
        summary.findings.iter().map(|(rule, (severity, number))| (rule.as_str(), *severity, *number)).collect();
    rules.sort_by_key(|&(rule, severity, number)| (std::cmp::Reverse((severity, number)), rule));
    rules
}

/// How long after they happened, and after the service had them, events were here: by source, if several brought any.
fn lags(summary: &Summary) -> Vec<String> {
    let within = |lag: &Distribution| {
        Some(format!("half within {}, all within {}", duration(lag.median()?), duration(lag.max())))
    };
    let of = |(name, tally): &(Arc<str>, Tally)| {
        let delivered = within(&tally.delivery_lag).map_or(String::new(), |text| format!(" (once delivered: {text})"));
        Some((name.clone(), within(&tally.lag)? + &delivered))
    };
    let lags: Vec<_> = summary.tallies.iter().filter_map(of).collect();
    let is_one = lags.len() == 1;
    lags.into_iter().map(|(name, lag)| if is_one { lag } else { format!("{}: {lag}", Untrusted(&name)) }).collect()
}

/// A duration to two parts: `3m 20s`.
pub fn duration(ms: u64) -> String {
    let rounded = if ms < 1_000 { Duration::from_millis(ms) } else { Duration::from_secs(ms.div_ceil(1_000)) };
    let text = humantime::format_duration(rounded).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Shows the first parts that did not decode, and how many more there were.
pub fn rejects(summary: &Summary) {
    for reject in &summary.first_rejects {
        reject_line(reject);
    }
    let more = summary.rejects - summary.first_rejects.len() as u64;
    if more > 0 {
        say("warning", &format!("{} more not decoded", thousands(more)));
    }
}

/// Shows one part that did not decode.
pub fn reject_line(reject: &crate::decode::Reject) {
    let excerpt = shortened(&reject.excerpt, 60);
    say("warning", &format!("{}: {}: {excerpt}", reject.origin, reject.reason));
}

/// The exit code that a run ends with, `--fail-on` aside.
pub fn exit(summary: &Summary, ended: &Ended) -> Exit {
    let unreadable = summary.sources.iter().any(|(_, report)| report.unreadable + report.unvouched > 0);
    match ended {
        Ended::SourceFailed(error) => {
            say("error", &error.to_string());
            Exit::SourceFailed
        }
        Ended::OutputClosed => Exit::Done,
        Ended::OutputFailed(error) => {
            say("error", &format!("cannot write the output: {error}"));
            Exit::Internal
        }
        Ended::Finished if summary.rejects > 0 || unreadable => Exit::Incomplete,
        Ended::Finished if summary.undelivered + summary.uncommitted > 0 => Exit::Incomplete,
        Ended::Finished => Exit::Done,
    }
}
