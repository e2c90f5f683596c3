//! `trailwatch tail`: `tail -f` for CloudTrail.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;

use self::hold_back::HoldBack;
use super::time::{Moment, is_nothing_between, moment, within};
use super::{Exit, OutputArgs, RuleArgs, line, notify, open_state, report, runtime, say, stop_on_signal};
use crate::condition::Condition;
use crate::decode::{Limits, Reject};
use crate::engine::RuleSet;
use crate::event::RawEvent;
use crate::finding::Finding;
use crate::pipeline::{Accounts, Bounds, Ended, Pipeline, Summary, Suppression, Tap};
use crate::rule::export::{self, Target};
use crate::rule::{Rule, filter_pattern};
use crate::sink::stdout::Printer;
use crate::source::Source;
use crate::source::file::{FileLimits, Files};
use crate::store::Checkpoint;

mod hold_back;

#[derive(Debug, Args)]
pub struct Tail {
    /// Files or folders in place of a log group; `-` is standard input.
    #[arg(value_name = "PATH", conflicts_with_all = ["log_group", "trail", "queue", "follow"])]
    paths: Vec<PathBuf>,
    /// The name or ARN of CloudTrail's log group; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    log_group: Vec<String>,
    /// A trail, whose log group is looked up; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    trail: Vec<String>,
    /// An SQS queue of events, or of notifications of CloudTrail's objects in S3; may be repeated. Messages are deleted once
    /// they are shown.
    #[arg(long, value_name = "NAME|URL|ARN")]
    queue: Vec<String>,
    /// A bucket whose objects may be read when a queue's message names them; may be repeated. Any bucket if not given.
    #[arg(long, value_name = "NAME", requires = "queue")]
    bucket: Vec<String>,
    /// The account that those buckets must belong to.
    #[arg(long, value_name = "ACCOUNT", requires = "queue")]
    bucket_owner: Option<String>,
    /// Shows and matches the events of this account only; may be repeated. Those of others are counted and told of.
    #[arg(long, value_name = "ACCOUNT", value_parser = account, conflicts_with = "paths")]
    account: Vec<String>,
    /// Goes on with what comes.
    #[arg(long, short)]
    follow: bool,
    /// Shows what comes to log groups within a second, by a live tail beside the polls. It has a price: see the manual.
    #[arg(long, requires = "follow")]
    live: bool,
    /// How long to hold events back, to show them in the order of their own time: `5s`, or `0s` for not at all. 2s if
    /// several sources are followed, else not at all.
    #[arg(long, value_name = "DURATION", requires = "follow", value_parser = humantime::parse_duration)]
    hold_back: Option<Duration>,
    /// Where to start: `10m`, `2h30m`, or a time. For log groups by delivery (10m if not given), for files by event time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Moment>,
    /// Where to end.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,
    /// Shows only the last N of what is there at the start.
    #[arg(long = "lines", short = 'n', value_name = "N")]
    last: Option<usize>,
    /// A folder that keeps how far a log group was read: the next start goes on from there, and repeats nothing.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["paths", "last"])]
    state: Option<PathBuf>,
    /// A CloudWatch Logs filter pattern: `{ $.errorCode = "AccessDenied*" }`.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Shows findings only, not the events.
    #[arg(long)]
    findings: bool,
    /// Lets CloudWatch leave out what no rule can match. Now and then it is looked at what is left out.
    #[arg(long, requires_all = ["findings", "follow"], conflicts_with = "filter")]
    pushdown: bool,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::aws::AwsArgs,
    #[cfg(feature = "listen")]
    #[command(flatten)]
    listener: super::listen::ListenArgs,
}

impl Tail {
    pub fn run(self) -> anyhow::Result<Exit> {
        let from_files = !self.paths.is_empty();
        let from_groups = !self.log_group.is_empty() || !self.trail.is_empty();
        if !from_files && !from_groups && self.queue.is_empty() && !self.listens() {
            let hint = "name a --log-group, a --trail, a --queue, an address to --listen on or a file; `trailwatch demo` \
                        needs nothing";
            say("error", &format!("nothing to read ({hint})"));
            return Ok(Exit::Usage);
        }
        if !from_files && !from_groups && (self.since.is_some() || self.until.is_some() || self.last.is_some()) {
            say(
                "error",
                "`--since`, `--until` and `-n` choose from log groups and files; a queue or a listener gives what comes",
            );
            return Ok(Exit::Usage);
        }
        if self.live && !from_groups {
            say("error", "`--live` is for log groups (name a `--log-group` or a `--trail`)");
            return Ok(Exit::Usage);
        }
        let filter = match self.filter.as_deref().map(|pattern| filter_pattern::parse("--filter", pattern)) {
            None => None,
            Some(Ok(condition)) => Some(condition),
            Some(Err(problem)) => {
                line(&problem.to_string());
                return Ok(Exit::Usage);
            }
        };
        let Some(rules) = self.rules.load() else { return Ok(Exit::BadRules) };
        if is_nothing_between(self.since, self.until) {
            say("error", "`--until` lies before `--since`: nothing is in between");
            return Ok(Exit::Usage);
        }
        let pushed_down = match self.pushdown.then(|| pushed_down(&rules)) {
            Some(Err(exit)) => return Ok(exit),
            Some(Ok(pattern)) => Some(pattern),
            None => None,
        };
        let (summary, ended, stopped) = match runtime()?.block_on(self.tail(rules, filter, pushed_down)) {
            Ok(done) => done,
            Err(exit) => return exit,
        };
        if self.follow {
            line("");
            report::summary(&summary);
        } else if summary.rejects > 0 {
            say("warning", &format!("{} not decoded", super::count(summary.rejects, "part")));
        }
        if stopped && !self.follow && ended == Ended::Finished {
            say("warning", "interrupted: not everything was read");
            return Ok(Exit::Interrupted);
        }
        Ok(report::exit(&summary, &ended))
    }

    async fn tail(
        &self,
        rules: Vec<Rule>,
        filter: Option<Condition>,
        pushed_down: Option<String>,
    ) -> Result<(Summary, Ended, bool), anyhow::Result<Exit>> {
        let stop = stop_on_signal();
        let from_files = !self.paths.is_empty();
        let Some(store) = open_state(self.state.as_deref()) else { return Err(Ok(Exit::Internal)) };
        let (sources, filter) = if from_files {
            let files = Files::new(self.paths.clone(), FileLimits::default(), notify());
            (vec![Arc::new(files) as Arc<dyn Source>], within(filter, self.since, self.until).map_err(Err)?)
        } else {
            let checkpoints = store.checkpoints();
            let sources = tokio::select! {
                sources = self.live_sources(&checkpoints, pushed_down.as_deref()) => sources?,
                () = stop.cancelled() => return Err(Ok(Exit::Interrupted)),
            };
            (sources, filter)
        };
        let ring = self.last.filter(|_| from_files).map(|last| last.min(LAST_MAX));
        let tap = self.tap(sources.len(), ring);
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(rules)),
            filter,
            accounts: self.accounts(&sources),
            sources,
            store,
            sinks: Vec::new(),
            couriers: None,
            tap: Some(tap),
            limits: Limits::default(),
            bounds: Bounds { suppression: self.suppression(), ..Bounds::default() },
            notify: notify(),
            stop: stop.clone(),
        };
        if self.follow {
            let names: Vec<String> = pipeline.sources.iter().map(|source| source.name().to_string()).collect();
            let rules = super::count(pipeline.rules.rules().len(), "rule");
            say("note", &format!("following {} with {rules}; Ctrl-C ends it", names.join(", ")));
        }
        let (summary, ended) = pipeline.run().await;
        Ok((summary, ended, stop.is_cancelled()))
    }

    /// Where every event is shown, every match is shown below its event. So is it where only the last are shown.
    fn suppression(&self) -> Suppression {
        match self.findings && self.last.is_none() {
            true if self.follow => Suppression::ByTheClock,
            true => Suppression::ToTheEnd,
            false => Suppression::Off,
        }
    }

    /// Who prints, and holds back before if that is wanted.
    fn tap(&self, sources: usize, ring: Option<usize>) -> Box<dyn Tap> {
        let tap = TailTap { findings_only: self.findings, ..TailTap::new(self.output.printer(), ring) };
        let several = self.follow && sources > 1;
        let hold_back = self.hold_back.unwrap_or(if several { HOLD_BACK } else { Duration::ZERO });
        if hold_back.is_zero() { Box::new(tap) } else { Box::new(HoldBack::new(tap, hold_back)) }
    }

    /// Whose events are wanted of which source.
    fn accounts(&self, sources: &[Arc<dyn Source>]) -> Accounts {
        let mut accounts = Accounts::default();
        sources.iter().for_each(|source| accounts.only(source.name(), self.account.clone()));
        accounts
    }

    async fn live_sources(
        &self,
        checkpoints: &[Checkpoint],
        pushed_down: Option<&str>,
    ) -> Result<Vec<Arc<dyn Source>>, anyhow::Result<Exit>> {
        let of_aws = [&self.log_group, &self.trail, &self.queue].iter().any(|names| !names.is_empty());
        let of_aws = if of_aws { self.aws_sources(checkpoints, pushed_down).await? } else { Vec::new() };
        Ok(of_aws.into_iter().chain(self.listening_source().await?).collect())
    }

    #[cfg(feature = "listen")]
    async fn listening_source(&self) -> Result<Option<Arc<dyn Source>>, anyhow::Result<Exit>> {
        self.listener.source().await.map_err(Ok)
    }

    #[cfg(not(feature = "listen"))]
    async fn listening_source(&self) -> Result<Option<Arc<dyn Source>>, anyhow::Result<Exit>> {
        Ok(None)
    }

    #[cfg(feature = "listen")]
    fn listens(&self) -> bool {
        self.listener.is_asked_for()
    }

    #[cfg(not(feature = "listen"))]
    fn listens(&self) -> bool {
        false
    }

    #[cfg(feature = "aws")]
    async fn aws_sources(
        &self,
        checkpoints: &[Checkpoint],
        pushed_down: Option<&str>,
    ) -> Result<Vec<Arc<dyn Source>>, anyhow::Result<Exit>> {
        let wanted = super::aws::Wanted {
            groups: &self.log_group,
            trails: &self.trail,
            queues: &self.queue,
            buckets: &self.bucket,
            bucket_owner: self.bucket_owner.as_deref(),
            since: self.since,
            until: self.until,
            last: self.last,
            follow: self.follow,
            live: self.live,
            checkpoints,
            // The service takes no longer ones; whatever it lets through is judged here again.
            pattern: self
                .filter
                .as_deref()
                .filter(|pattern| pattern.chars().count() <= filter_pattern::PATTERN_LENGTH_MAX)
                .or(pushed_down),
            probe: pushed_down.is_some(),
        };
        self.aws.sources(&wanted).await.map_err(Ok)
    }

    #[cfg(not(feature = "aws"))]
    async fn aws_sources(
        &self,
        _: &[Checkpoint],
        _: Option<&str>,
    ) -> Result<Vec<Arc<dyn Source>>, anyhow::Result<Exit>> {
        say("error", "this build cannot talk to AWS (build it with the feature `aws`)");
        Err(Ok(Exit::Usage))
    }
}

/// Twelve digits.
fn account(text: &str) -> Result<String, String> {
    match Accounts::is_account(text) {
        true => Ok(text.to_owned()),
        false => Err("an account has twelve digits".to_owned()),
    }
}

/// The pattern that lets everything through that a rule can match, after saying what it is. Without one that covers every
/// rule nothing is pushed down, since findings would be lost.
fn pushed_down(rules: &[Rule]) -> Result<String, Exit> {
    let export = export::export(rules, Target::FilterPattern);
    super::rules::export::tell(&export, Target::FilterPattern);
    match export.patterns.first().filter(|_| export.is_complete()) {
        Some(pattern) => {
            say("note", &format!("CloudWatch sends only {}", pattern.text));
            Ok(pattern.text.clone())
        }
        None => {
            let hint = "leave `--pushdown` out, or name rules with `--rules`";
            say("error", &format!("no pattern lets everything through that the rules match ({hint})"));
            Err(Exit::Usage)
        }
    }
}

/// Prints events and findings as they are committed.
pub(super) struct TailTap<W: Write> {
    printer: Printer<W>,
    findings_only: bool,
    /// The last events, where only so many are wanted; they are printed at the end.
    ring: Option<Ring>,
    rejects_shown: u64,
}

struct Ring {
    size: usize,
    events: VecDeque<(RawEvent, Vec<Arc<Finding>>)>,
}

/// How long events of several sources are held back where nothing else is said: a poll of each.
const HOLD_BACK: Duration = Duration::from_secs(2);

/// The most events that `-n` keeps of files.
const LAST_MAX: usize = 100_000;

/// How many rejects a tail shows one by one.
const REJECTS_SHOWN_MAX: u64 = 20;

impl<W: Write> TailTap<W> {
    pub fn new(printer: Printer<W>, last: Option<usize>) -> Self {
        let ring = last.map(|size| Ring { size, events: VecDeque::new() });
        Self { printer, findings_only: false, ring, rejects_shown: 0 }
    }

    fn print(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        if !self.findings_only {
            self.printer.event(&raw.bytes)?;
        }
        findings.iter().try_for_each(|finding| self.printer.finding(finding, !self.findings_only))
    }
}

impl<W: Write + Send> Tap for TailTap<W> {
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        let Some(ring) = &mut self.ring else { return self.print(raw, findings) };
        // A copy, since the event's bytes hold on to the whole document that they came in.
        let copy = RawEvent { bytes: Bytes::copy_from_slice(&raw.bytes), origin: raw.origin.clone() };
        ring.events.push_back((copy, findings.to_vec()));
        if ring.events.len() > ring.size {
            ring.events.pop_front();
        }
        Ok(())
    }

    fn digest(&mut self, digest: &Finding) -> io::Result<()> {
        self.printer.finding(digest, false)
    }

    fn reject(&mut self, reject: &Reject) -> io::Result<()> {
        self.rejects_shown += 1;
        match self.rejects_shown {
            ..=REJECTS_SHOWN_MAX => report::reject_line(reject),
            n if n == REJECTS_SHOWN_MAX + 1 => say("warning", "more that is not decoded is only counted"),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.printer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        let events = self.ring.as_mut().map(|ring| std::mem::take(&mut ring.events)).unwrap_or_default();
        events.iter().try_for_each(|(raw, findings)| self.print(raw, findings))?;
        self.printer.flush()
    }
}
