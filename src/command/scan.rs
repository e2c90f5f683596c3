//! `trailwatch scan`: the rules over what is already there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{Exit, OutputArgs, RuleArgs, notify, report, runtime, say, stop_on_signal};
use crate::decode::Limits;
use crate::engine::RuleSet;
use crate::pipeline::{Bounds, Ended, Pipeline, Summary};
use crate::rule::Severity;
use crate::source::Source;
use crate::source::file::{FileLimits, Files};
use crate::store::MemoryStore;

#[derive(Debug, Args)]
pub struct Scan {
    /// Files or folders: JSON lines, `{"Records":[…]}`, gzipped or not; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Ends with exit code 1 if there is a finding at least so severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Shows no progress and no summary.
    #[arg(long, short)]
    quiet: bool,
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
        let (summary, ended, interrupted) = runtime()?.block_on(self.scan(rules));
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

    async fn scan(&self, rules: Vec<crate::rule::Rule>) -> (Summary, Ended, bool) {
        let stop = stop_on_signal();
        let files = Arc::new(Files::new(self.paths.clone(), FileLimits::default(), notify()));
        let bar = self.progress(&files, &stop);
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(rules)),
            filter: None,
            sources: vec![Arc::clone(&files) as Arc<dyn Source>],
            store: Box::new(MemoryStore::default()),
            sinks: vec![Box::new(self.output.printer())],
            couriers: None,
            tap: None,
            limits: Limits::default(),
            bounds: Bounds::default(),
            notify: notify(),
            stop: stop.clone(),
        };
        let (summary, ended) = pipeline.run().await;
        let interrupted = stop.is_cancelled() && ended == Ended::Finished;
        bar.finish_and_clear();
        (summary, ended, interrupted)
    }

    /// A bar on standard error, if that is a terminal.
    fn progress(&self, files: &Arc<Files>, stop: &CancellationToken) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (files, shown, stop) = (Arc::clone(files), bar.clone(), stop.clone());
        tokio::spawn(async move {
            while !shown.is_finished() && !stop.is_cancelled() {
                let progress = files.progress();
                shown.set_length(progress.total_bytes().max(progress.read_bytes()));
                shown.set_position(progress.read_bytes());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        bar
    }
}
