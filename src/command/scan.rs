//! `trailwatch scan`: the rules over what is already there.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::time::{Moment, is_nothing_between, moment, within};
use super::{Exit, OutputArgs, RuleArgs, notify, open_state, report, runtime, say, stop_on_signal};
use crate::condition::Condition;
use crate::decode::Limits;
use crate::engine::RuleSet;
use crate::pipeline::{Accounts, Bounds, Ended, Handle, Pipeline, Summary, Suppression};
use crate::rule::{Rule, Severity};
use crate::sink::{Gone, Sink};
use crate::source::Source;
use crate::store::{self, Checkpoint, DiskStore, Store as _, Transaction};

mod asked;
mod bar;
mod inputs;
mod sorted;

use inputs::Inputs;
use sorted::{Held, Sorted, bring};

#[derive(Debug, Args)]
pub struct Scan {
    /// Files or folders: JSON lines, `{"Records":[…]}`, gzipped or not; `-` is standard input, `s3://BUCKET/PREFIX` are the
    /// objects of a bucket.
    #[arg(required_unless_present = "trail", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A trail, whose bucket is looked up; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    trail: Vec<String>,
    /// Only events from then on: `30d`, `2h30m`, or a time. Of CloudTrail's objects, days before it are not read.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Moment>,
    /// Only events before then. Of CloudTrail's objects, days after it are not read, but one.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,
    #[cfg(feature = "aws")]
    #[command(flatten)]
    objects: ObjectArgs,
    /// Ends after that many events, each counted once.
    #[arg(long, value_name = "N")]
    max_events: Option<u64>,
    /// Shows findings in the order of their events' times, once everything is read; 100,000 at a time.
    #[arg(long, conflicts_with = "state")]
    sort: bool,
    /// A folder that keeps how far a bucket was read: a scan that was ended goes on from there, and repeats nothing.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::aws::AwsArgs,
    /// Ends with exit code 1 if there is a finding at least so severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Makes every match a finding of its own: no rule's `suppress` holds anything back.
    #[arg(long)]
    every_match: bool,
    /// Shows no progress and no summary.
    #[arg(long, short)]
    quiet: bool,
}

/// Which objects of a bucket are read, and what is asked of them.
#[cfg(feature = "aws")]
#[derive(Debug, Args)]
struct ObjectArgs {
    #[command(flatten)]
    only: super::verify::OnlyArgs,
    /// The account that buckets must belong to.
    #[arg(long, value_name = "ACCOUNT")]
    bucket_owner: Option<String>,
    /// Holds every object against CloudTrail's digests as it is read, and tells which ones they do not vouch for.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    keys: super::verify::KeyArgs,
}

/// What came of a scan.
struct Scanned {
    summary: Summary,
    ended: Ended,
    interrupted: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOn {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl From<FailOn> for Severity {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Informational => Severity::Informational,
            FailOn::Low => Severity::Low,
            FailOn::Medium => Severity::Medium,
            FailOn::High => Severity::High,
            FailOn::Critical => Severity::Critical,
        }
    }
}

impl Scan {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(rules) = self.rules.load() else { return Ok(Exit::BadRules) };
        if is_nothing_between(self.since, self.until) {
            say("error", "`--until` lies before `--since`: nothing is in between");
            return Ok(Exit::Usage);
        }
        let filter = within(None, self.since, self.until)?;
        let Scanned { summary, ended, interrupted } = match runtime()?.block_on(self.scan(rules, filter)) {
            Ok(scanned) => scanned,
            Err(exit) => return Ok(exit),
        };
        if !self.quiet {
            report::rejects(&summary);
            report::summary(&summary);
        }
        if interrupted {
            say("warning", &format!("interrupted: not everything was read{}", self.how_to_go_on()));
            return Ok(Exit::Interrupted);
        }
        let exit = report::exit(&summary, &ended);
        let found = self.fail_on.is_some_and(|severity| summary.findings_from(severity.into()) > 0);
        Ok(if found && exit != Exit::SourceFailed { Exit::Found } else { exit })
    }

    fn how_to_go_on(&self) -> &'static str {
        if self.state.is_some() { " (the same command goes on from here)" } else { "" }
    }

    async fn scan(&self, rules: Vec<Rule>, filter: Option<Condition>) -> Result<Scanned, Exit> {
        let stop = stop_on_signal();
        self.claim(&rules).await?;
        let store = open_state(self.state.as_deref()).ok_or(Exit::Internal)?;
        let checkpoints = store.checkpoints();
        let inputs = tokio::select! {
            inputs = self.inputs(&checkpoints) => inputs?,
            () = stop.cancelled() => return Err(Exit::Interrupted),
        };
        let (sources, held) = (inputs.sources.clone(), Held::default());
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(rules)),
            filter,
            sources: sources.clone(),
            accounts: Accounts::default(),
            store,
            sinks: vec![self.sink(&held)],
            couriers: None,
            tap: None,
            limits: Limits::default(),
            bounds: Bounds {
                events_max: self.max_events.unwrap_or(u64::MAX),
                suppression: self.suppression(),
                ..Bounds::default()
            },
            notify: notify(),
            stop: stop.clone(),
        };
        let (handle, run) = pipeline.begin();
        let bar = self.bar(&inputs, handle, &stop);
        let (summary, ended) = run.await;
        bar.finish_and_clear();
        let ended = match bring(&mut self.output.printer(), held.take()).await {
            Err(Gone(error)) if ended == Ended::Finished => Ended::OutputFailed(error.to_string()),
            _ => ended,
        };
        let interrupted = stop.is_cancelled() && !summary.had_enough && ended == Ended::Finished;
        if ended == Ended::Finished && !interrupted && !summary.had_enough {
            self.begin_anew_next_time(&sources).await;
        }
        Ok(Scanned { summary, ended, interrupted })
    }

    /// How fast files are read says nothing about what is in them.
    fn suppression(&self) -> Suppression {
        if self.every_match { Suppression::Off } else { Suppression::ToTheEnd }
    }

    fn bar(&self, inputs: &Inputs, handle: Handle, stop: &CancellationToken) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = bar::follow(inputs.progress.clone(), handle, stop.clone());
        if !bar.is_hidden() {
            inputs.measure();
        }
        bar
    }

    fn sink(&self, held: &Held) -> Box<dyn Sink> {
        match self.sort {
            true => Box::new(Sorted::new(self.output.printer(), held.clone())),
            false => Box::new(self.output.printer()),
        }
    }

    /// Everything was read. A position at the end would keep the next scan from what comes under earlier keys; what was seen
    /// stays known.
    async fn begin_anew_next_time(&self, sources: &[Arc<dyn Source>]) {
        let Some(folder) = &self.state else { return };
        let position = |source: &Arc<dyn Source>| Checkpoint { source: source.name(), position: String::new() };
        let checkpoints = sources.iter().map(position).collect();
        let stored = match DiskStore::open(folder, store::Limits::default()) {
            Ok((mut store, _)) => store.commit(&Transaction { checkpoints, ..Transaction::default() }).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            say("warning", &format!("{error} (the next scan goes on behind what was read last)"));
        }
    }
}
