//! `trailwatch scan`: the rules over what is already there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::time::{Moment, is_nothing_between, moment, within};
use super::{Exit, OutputArgs, RuleArgs, notify, report, runtime, say, stop_on_signal};
use crate::condition::Condition;
use crate::decode::Limits;
use crate::engine::RuleSet;
use crate::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary, Suppression};
use crate::rule::{Rule, Severity};
use crate::source::Source;
use crate::source::file::{FileLimits, Files, Progress};
use crate::store::MemoryStore;

#[derive(Debug, Args)]
pub struct Scan {
    /// Files or folders: JSON lines, `{"Records":[…]}`, gzipped or not; `-` is standard input, `s3://BUCKET/PREFIX` are the
    /// objects of a bucket.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only events from then on: `30d`, `2h30m`, or a time. Of CloudTrail's objects, days before it are not read.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Moment>,
    /// Only events before then. Of CloudTrail's objects, days after it are not read, but one.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,
    /// The account that buckets must belong to.
    #[arg(long, value_name = "ACCOUNT")]
    bucket_owner: Option<String>,
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

/// Where events come from, and how far each has got.
#[derive(Default)]
struct Inputs {
    sources: Vec<Arc<dyn Source>>,
    progress: Vec<Progress>,
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
        let Some(inputs) = self.inputs() else { return Ok(Exit::Usage) };
        let (summary, ended, interrupted) = runtime()?.block_on(self.scan(rules, filter, inputs));
        if !self.quiet {
            report::rejects(&summary);
            report::summary(&summary);
        }
        if interrupted {
            say("warning", "interrupted: not everything was read");
            return Ok(Exit::Interrupted);
        }
        let exit = report::exit(&summary, &ended);
        let found = self.fail_on.is_some_and(|severity| summary.findings_from(severity.into()) > 0);
        Ok(if found && exit != Exit::SourceFailed { Exit::Found } else { exit })
    }

    /// What is named, as sources; `None` after saying what is wrong.
    fn inputs(&self) -> Option<Inputs> {
        let mut inputs = Inputs::default();
        let (objects, files): (Vec<_>, Vec<_>) =
            self.paths.iter().cloned().partition(|path| path.to_string_lossy().starts_with("s3://"));
        for url in objects {
            let (source, progress) = self.objects(&url.to_string_lossy())?;
            inputs.sources.push(source);
            inputs.progress.push(progress);
        }
        if !files.is_empty() {
            let files = Files::new(files, FileLimits::default(), notify());
            inputs.progress.push(files.progress());
            inputs.sources.push(Arc::new(files));
        }
        Some(inputs)
    }

    #[cfg(feature = "aws")]
    fn objects(&self, url: &str) -> Option<(Arc<dyn Source>, Progress)> {
        let source = self.aws.objects(url, (self.since, self.until), self.bucket_owner.as_deref())?;
        let progress = source.progress();
        Some((Arc::new(source), progress))
    }

    #[cfg(not(feature = "aws"))]
    fn objects(&self, _: &str) -> Option<(Arc<dyn Source>, Progress)> {
        say("error", "this build cannot talk to AWS (build it with the feature `aws`)");
        None
    }

    async fn scan(&self, rules: Vec<Rule>, filter: Option<Condition>, inputs: Inputs) -> (Summary, Ended, bool) {
        let stop = stop_on_signal();
        let bar = self.progress(inputs.progress, &stop);
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(rules)),
            filter,
            sources: inputs.sources,
            accounts: Accounts::default(),
            store: Box::new(MemoryStore::default()),
            sinks: vec![Box::new(self.output.printer())],
            couriers: None,
            tap: None,
            limits: Limits::default(),
            bounds: Bounds { suppression: self.suppression(), ..Bounds::default() },
            notify: notify(),
            stop: stop.clone(),
        };
        let (summary, ended) = pipeline.run().await;
        let interrupted = stop.is_cancelled() && ended == Ended::Finished;
        bar.finish_and_clear();
        (summary, ended, interrupted)
    }

    /// How fast files are read says nothing about what is in them.
    fn suppression(&self) -> Suppression {
        if self.every_match { Suppression::Off } else { Suppression::ToTheEnd }
    }

    /// A bar on standard error, if that is a terminal.
    fn progress(&self, inputs: Vec<Progress>, stop: &CancellationToken) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (shown, stop) = (bar.clone(), stop.clone());
        tokio::spawn(async move {
            while !shown.is_finished() && !stop.is_cancelled() {
                let read: u64 = inputs.iter().map(Progress::read_bytes).sum();
                let total: u64 = inputs.iter().map(Progress::total_bytes).sum();
                shown.set_length(total.max(read));
                shown.set_position(read);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        bar
    }
}
