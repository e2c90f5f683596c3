//! `trailwatch demo`: the whole way of an event on made-up ones, without an AWS account.
//!
//! The endpoint is a stand-in on the loopback; the SDK, the source, the rules and the pipeline are the real ones.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::tail::TailTap;
use super::{Exit, OutputArgs, RuleArgs, count, line, notify, report, runtime, say, stop_on_signal};
use crate::decode::{Limits, Reject};
use crate::engine::RuleSet;
use crate::event::RawEvent;
use crate::finding::Finding;
use crate::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary, Suppression, Tap};

use crate::sim::{Endpoint, Label, LogEvent, Logs, Planned, REGION, Stream};
use crate::source::Source;
use crate::source::cloudwatch_logs::{CloudWatchLogs, DEFAULT_SHARE, Quota, Settings, local_connector};
use crate::store::MemoryStore;

#[derive(Debug, Args)]
pub struct Demo {
    /// How many events to play.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    events: u64,
    /// How many of them a second.
    #[arg(long, default_value_t = 40.0, value_parser = rate)]
    rate: f64,
    /// What makes the events: the same seed, the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.1 to 100000".to_owned()),
    }
}

const GROUP: &str = "/aws/cloudtrail/demo";
const STREAM: &str = "111122223333_CloudTrail_us-east-1";
/// How late the late events of the demo are: later than the head of the log is read again, soon enough to wait for.
const LATE_MS: std::ops::RangeInclusive<u64> = 6_000..=9_000;
/// How long after the last event the demo waits at most for what is still to be found.
const PATIENCE: Duration = Duration::from_secs(60);

impl Demo {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(rules) = self.rules.load() else { return Ok(Exit::BadRules) };
        runtime()?.block_on(self.play(RuleSet::new(rules)))
    }

    async fn play(self, rules: RuleSet) -> anyhow::Result<Exit> {
        let stop = stop_on_signal();
        let endpoint = Endpoint::start().await?;
        endpoint.logs().create_group(GROUP);
        let start_ms = endpoint.logs().clock().now_ms();
        let plan = self.plan(start_ms);
        line(&format!(
            "Playing {} into a CloudWatch Logs of our own at {}, and following it with {}.\n",
            count(self.events, "made-up CloudTrail event"),
            endpoint.url(),
            count(rules.rules().len(), "rule"),
        ));

        let source = follower(&endpoint.url(), start_ms)?;
        let watched = Arc::clone(&source);
        let found = Arc::new(Mutex::new(HashSet::new()));
        let tap = DemoTap { inner: TailTap::new(self.output.printer(), None), found: Arc::clone(&found) };
        let player = tokio::spawn(play(plan.clone(), endpoint.logs().clone(), stop.clone()));
        let watcher = tokio::spawn(watch(Arc::clone(&source), self.events, player, stop.clone()));
        let pipeline = Pipeline {
            rules: Arc::new(rules),
            filter: None,
            sources: vec![source],
            accounts: Accounts::default(),
            store: Box::new(MemoryStore::default()),
            sinks: Vec::new(),
            couriers: None,
            tap: Some(Box::new(tap)),
            limits: Limits::default(),
            bounds: Bounds { suppression: Suppression::Off, ..Bounds::default() },
            notify: notify(),
            stop,
        };
        let (summary, ended) = pipeline.run().await;
        let complete = watched.report().deliveries >= self.events;
        watcher.abort();
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tell(&plan, &found, &summary, &ended, complete))
    }

    fn plan(&self, start_ms: i64) -> Vec<Planned> {
        let stream = Stream::at_rate(self.seed, start_ms, self.rate);
        stream
            .take(self.events as usize)
            .map(|mut planned| {
                if planned.late {
                    let delay = &mut planned.timing.visible_delay_ms;
                    *delay = (*delay).clamp(*LATE_MS.start(), *LATE_MS.end());
                }
                planned
            })
            .collect()
    }
}

/// The real source, on the stand-in.
fn follower(url: &str, start_ms: i64) -> anyhow::Result<Arc<dyn Source>> {
    let settings = Settings {
        start_ms: Some(start_ms),
        follow: true,
        poll: Duration::from_millis(500),
        ..Settings::new(GROUP, REGION)
    };
    let quota = Arc::new(Quota::new(REGION, DEFAULT_SHARE));
    Ok(Arc::new(CloudWatchLogs::new(settings, quota, local_connector(url, REGION), notify())?))
}

/// Puts each event into the log when its time has come.
async fn play(plan: Vec<Planned>, logs: Logs, stop: CancellationToken) {
    for planned in plan {
        let wait = planned.timing.delivery_ms - logs.clock().now_ms();
        if wait > 0 {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(wait as u64)) => {}
            }
        }
        let event = LogEvent { timestamp_ms: planned.timing.delivery_ms, message: planned.message.clone() };
        logs.put_visible_at(GROUP, STREAM, event, planned.timing.visible_at_ms());
    }
}

/// Ends the demo once everything has been read.
async fn watch(source: Arc<dyn Source>, events: u64, player: tokio::task::JoinHandle<()>, stop: CancellationToken) {
    let _ = player.await;
    if !stop.is_cancelled() && source.report().deliveries < events {
        line("(all is played; waiting for what shows late)");
    }
    let complete = async {
        while source.report().deliveries < events {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, complete).await;
    stop.cancel();
}

/// Notes which events led to findings.
struct DemoTap<T> {
    inner: T,
    found: Arc<Mutex<HashSet<String>>>,
}

impl<T: Tap> Tap for DemoTap<T> {
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        let ids = findings.iter().flat_map(|finding| finding.event_ids.iter().cloned());
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        self.inner.event(raw, findings)
    }

    fn reject(&mut self, reject: &Reject) -> io::Result<()> {
        self.inner.reject(reject)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Holds what was found against what was planted.
fn tell(plan: &[Planned], found: &HashSet<String>, summary: &Summary, ended: &Ended, complete: bool) -> Exit {
    line("");
    report::summary(summary);
    if *ended != Ended::Finished {
        return report::exit(summary, ended);
    }
    if !complete {
        say("warning", "interrupted: not everything was played and read");
        return Exit::Interrupted;
    }
    let ids = |wanted: fn(&Label) -> bool| -> HashSet<&str> {
        let of_interest = plan.iter().filter(|planned| wanted(&planned.label) && !planned.repeated);
        of_interest.filter_map(|planned| planned.event_id.as_deref()).collect()
    };
    let told = |wanted: fn(&Label) -> bool| {
        let ids = ids(wanted);
        let hits = ids.iter().filter(|id| found.contains(**id)).count();
        format!("{hits} of {}", ids.len())
    };
    line(&format!(
        "Planted and found: {} X-Ray changes, {} attacks. Planted beside them: {} repeated, {} late, {} broken.",
        told(|label| matches!(label, Label::XrayChange(_))),
        told(|label| matches!(label, Label::Attack(_))),
        plan.iter().filter(|planned| planned.repeated).count(),
        plan.iter().filter(|planned| planned.late).count(),
        plan.iter().filter(|planned| planned.label == Label::Broken).count(),
    ));
    // What is broken was planted: it is no failure of the demo.
    Exit::Done
}
