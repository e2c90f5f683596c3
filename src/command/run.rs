//! `trailwatch run`: the daemon. Everything it is made of stands in `trailwatch.toml`.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "aws")]
use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::config_file::ConfigArgs;
use super::{Exit, count, left_out, oddities, report, runtime};
use crate::config::run::AlarmsTo;
use crate::config::{self, Effective, Run};
use crate::decode::{Limits, Reject};
use crate::engine::RuleSet;
use crate::event::RawEvent;
use crate::finding::Finding;
use crate::pipeline::{Accounts, Bounds, Couriers, Ended, Handle, Pipeline, Route, Summary, Tap};
use crate::rule::Rule;
use crate::source::alarms::{Alarm, AlarmKind, Alarms};
use crate::source::{Notice, NoticeLevel, Notify, Source};
use crate::store::{self, DiskStore, Store};

#[cfg(feature = "aws")]
mod admin;
mod alarm;
#[cfg(feature = "aws")]
mod aws;
mod backlog;
mod changes;
mod log;
#[cfg(feature = "aws")]
mod metrics;
pub mod parts;
pub mod reload;
mod silence;
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "it is the admin listener that asks"))]
mod status;
mod supervisor;

use backlog::Backlog;
use changes::Watched;
use log::Log;
use reload::Difference;
use silence::{Change, Watch};
use status::Status;
use supervisor::Hangups;

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// How often sources are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it is kept what is usual of each source.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// How long work on other threads may go on after the end.
const THREADS_END: Duration = Duration::from_secs(2);

impl RunArgs {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (run, effective) = match self.config.load_whole() {
            Ok(loaded) => loaded,
            Err(exit) => return Ok(exit),
        };
        let log = Log::new(run.log, run.secrets.clone());
        log.take_panics();
        let Some(rules) = load_rules(&run, &log) else { return Ok(Exit::BadRules) };
        let runtime = runtime()?;
        let watched = Watched::new(self.config.paths().unwrap_or_default(), &run);
        let alarms = Arc::new(Alarms::new(run.instance.clone()));
        let daemon = Daemon { alarms, config: self.config, run, effective, log };
        // A panic has been told by then. It is a defect, and going on could hide that something is lost.
        let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(daemon.go(rules, watched))));
        runtime.shutdown_timeout(THREADS_END);
        ran.unwrap_or(Ok(Exit::Internal))
    }
}

/// The rules of a run; `None`, after saying why, if any is broken.
fn load_rules(run: &Run, log: &Log) -> Option<Vec<Rule>> {
    let loaded = config::rules_with(&run.rules, &run.shared);
    left_out(&loaded).iter().for_each(|text| log.info(text));
    if !loaded.is_good() {
        reload::problems(&loaded).iter().for_each(|problem| log.error(problem));
        return None;
    }
    // As at a reload: what is refused while it runs must not slip in by a restart.
    let failed = reload::failed_tests(&loaded.rules);
    if !failed.is_empty() {
        failed.iter().for_each(|problem| log.error(problem));
        return None;
    }
    oddities(&loaded).iter().for_each(|text| log.warn(text));
    Some(alarm::with(loaded.rules, run.alarms))
}

/// Tells what did not decode; the log keeps floods away.
struct Undecoded(Notify);

impl Tap for Undecoded {
    fn wants_events(&self) -> bool {
        false
    }

    fn event(&mut self, _: &RawEvent, _: &[Arc<Finding>]) -> io::Result<()> {
        Ok(())
    }

    fn reject(&mut self, reject: &Reject) -> io::Result<()> {
        let text = format!("{}: not decoded: {}", reject.origin, reject.reason);
        (self.0)(Notice { level: NoticeLevel::Warn, text });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for the panic of a task that goes on as long as the run, and takes it over.
async fn until_panic(task: Option<JoinHandle<()>>) -> Infallible {
    if let Some(task) = task
        && let Err(error) = task.await
    {
        resume_unwind(error.into_panic());
    }
    std::future::pending().await
}

/// A run, and where it tells what happens.
struct Daemon {
    alarms: Arc<Alarms>,
    config: ConfigArgs,
    run: Run,
    /// Every value that counts.
    effective: Vec<Effective>,
    log: Arc<Log>,
}

impl Daemon {
    async fn go(self, rules: Vec<Rule>, watched: Watched) -> anyhow::Result<Exit> {
        let (stop, hangups) = (super::stop_on_signal(), Hangups::listen());
        let Some(store) = self.open_state() else { return Ok(Exit::Internal) };
        let sources = tokio::select! {
            sources = self.sources(&store) => sources,
            () = stop.cancelled() => return Ok(Exit::Interrupted),
        };
        let Some(sources) = sources else { return Ok(Exit::SourceFailed) };
        let deliveries = parts::sinks(&self.run.sinks)?;
        self.tell_stranded(&store);
        let sink_names = deliveries.iter().map(|delivery| Arc::clone(&delivery.route.sink)).collect();
        let outbox = store.outbox();
        let pipeline = Pipeline {
            rules: Arc::new(RuleSet::new(rules)),
            filter: None,
            sources,
            accounts: self.accounts().await,
            store: Box::new(store),
            sinks: Vec::new(),
            couriers: Some(Couriers { outbox: Arc::clone(&outbox), deliveries, drain: self.run.drain * 3 / 4 }),
            tap: Some(Box::new(Undecoded(self.log.notify()))),
            limits: Limits::default(),
            bounds: Bounds::default(),
            notify: self.log.notify(),
            stop: stop.clone(),
        };
        let (handle, running) = pipeline.begin();
        let status = Arc::new(Status::new(handle, outbox, sink_names));
        let admin = self.open_admin(&status).await?;
        self.tell_start(&status.handle);
        supervisor::ready();
        // On a task of its own: an output that nobody reads holds up its writer, and not the end of the run.
        let running = tokio::spawn(running);
        tokio::select! {
            ran = running => {
                let (summary, ended) = ran.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
                let waiting = status.waiting().await.iter().map(|(_, waiting)| waiting.entries).sum();
                Ok(self.end(&summary, &ended, waiting, stop.is_cancelled()))
            }
            exit = self.deadline(&stop) => Ok(exit),
            never = until_panic(admin) => match never {},
            never = self.look_after(&status) => match never {},
            never = self.reload_when_asked(hangups, watched, &status) => match never {},
        }
    }

    /// Whose events are wanted of which source, and which calls are our own.
    async fn accounts(&self) -> Accounts {
        let mut accounts = Accounts::default();
        self.run.sources.iter().for_each(|source| accounts.only(Arc::clone(&source.name), source.accounts.clone()));
        #[cfg(feature = "aws")]
        aws::callers(&self.run, &self.log.notify()).await.iter().for_each(|caller| accounts.call_as(caller));
        accounts
    }

    /// The sources, which go on from the state; `None` after saying why there are none.
    async fn sources(&self, store: &DiskStore) -> Option<Vec<Arc<dyn Source>>> {
        let sources = parts::sources(&self.run.sources, &store.checkpoints(), &self.log.notify()).await;
        let mut sources = sources.map_err(|error| self.log.error(&format!("{error:#}"))).ok()?;
        // Files end, and then the run does.
        if self.run.alarms == AlarmsTo::Findings && self.run.sources.iter().any(|source| source.kind.is_live()) {
            sources.push(Arc::clone(&self.alarms) as Arc<dyn Source>);
        }
        Some(sources)
    }

    #[cfg(feature = "aws")]
    async fn open_admin(&self, status: &Arc<Status>) -> anyhow::Result<Option<JoinHandle<()>>> {
        let Some(address) = self.run.admin else { return Ok(None) };
        let started = admin::start(address, Arc::clone(status)).await;
        let (bound, task) = started.with_context(|| format!("the admin listener cannot listen on {address}"))?;
        self.log.info(&format!("http://{bound} answers /livez, /readyz and /metrics"));
        Ok(Some(task))
    }

    #[cfg(not(feature = "aws"))]
    async fn open_admin(&self, _: &Arc<Status>) -> anyhow::Result<Option<JoinHandle<()>>> {
        if self.run.admin.is_some() {
            self.log.warn("this build has no admin listener (build it with the feature `aws`)");
        }
        Ok(None)
    }

    /// Opens the state; `None` after saying why it cannot be.
    fn open_state(&self) -> Option<DiskStore> {
        match DiskStore::open(&self.run.state, store::Limits::default()) {
            Ok((store, opened)) => {
                if let Some((aside, reason)) = &opened.set_aside {
                    let text = format!("{reason} (it is kept as {}, and reading begins anew)", aside.display());
                    self.alarm(AlarmKind::StateSetAside, &aside.display().to_string(), true, &text);
                }
                if opened.windows_unreadable > 0 {
                    self.log.error(&opened.told_of_windows());
                }
                Some(store)
            }
            Err(error) => {
                self.log.error(&error.to_string());
                None
            }
        }
    }

    /// Tells of findings that wait for sinks which there are no more.
    fn tell_stranded(&self, store: &DiskStore) {
        let known = |sink: &str| self.run.sinks.iter().any(|known| *known.route.sink == *sink);
        for (sink, number) in store.waiting_by_sink().unwrap_or_default().iter().filter(|(sink, _)| !known(sink)) {
            let hint = format!("`trailwatch outbox drop --waiting --all --sink {sink}` drops them");
            let number = count(*number, "finding");
            self.log.warn(&format!("{number} in the outbox for sink `{sink}`, which is not configured ({hint})"));
        }
    }

    fn tell_start(&self, handle: &Handle) {
        let sources: Vec<&str> = self.run.sources.iter().map(|source| &*source.name).collect();
        let sinks: Vec<&str> = self.run.sinks.iter().map(|sink| &*sink.route.sink).collect();
        let rules = count(handle.rules().rules().len(), "rule");
        let (sources, sinks) = (sources.join(", "), sinks.join(", "));
        self.log.info(&format!("`{}` follows {sources} with {rules}; findings go to {sinks}", self.run.instance));
    }

    /// Waits for the end of the time that a stop may take.
    async fn deadline(&self, stop: &CancellationToken) -> Exit {
        stop.cancelled().await;
        supervisor::stopping();
        let drain = humantime::format_duration(self.run.drain);
        self.log.info(&format!("stopping: what was received is dealt with, for {drain} at most"));
        tokio::time::sleep(self.run.drain).await;
        self.log.warn("not all that was received could be dealt with in time (nothing is lost: it is read again)");
        Exit::Incomplete
    }

    /// A watch for each source, which knows what was usual in an earlier run.
    async fn watches(&self, status: &Status) -> Vec<Watch> {
        let names = self.run.sources.iter().map(|source| Arc::clone(&source.name)).collect();
        let usual = status.usual_gaps(names).await;
        usual.into_iter().map(|usual| Watch::new(self.run.silence, usual)).collect()
    }

    fn usual_gaps(&self, watches: &[Watch]) -> Vec<(Arc<str>, Duration)> {
        let named = self.run.sources.iter().zip(watches);
        named.filter_map(|(source, watch)| Some((Arc::clone(&source.name), watch.usual()?))).collect()
    }

    /// Looks at the sources now and then, and tells the service manager that all is well.
    async fn look_after(&self, status: &Status) -> Infallible {
        let begun = Instant::now();
        let live = |name: &str| self.run.sources.iter().any(|source| *source.name == *name && source.kind.is_live());
        let (mut backlog, mut troubles) = (Backlog::default(), BTreeSet::new());
        let (mut watches, mut kept) = (self.watches(status).await, Instant::now());
        let every = supervisor::watchdog().map_or(LOOK_EVERY, |watchdog| LOOK_EVERY.min(watchdog / 2));
        loop {
            supervisor::alive();
            let (now, mut silent) = (begun.elapsed(), Vec::new());
            let sources = status.handle.summary().sources;
            for ((name, report), watch) in sources.iter().zip(&mut watches).filter(|((name, _), _)| live(name)) {
                self.tell_silence(name, watch.look(now, report.deliveries));
                self.raise_troubles(name, &report.troubles, &mut troubles);
                silent.push((Arc::clone(name), watch.silent_for(now)));
            }
            status.tell_silence(silent);
            if kept.elapsed() >= KEEP_EVERY {
                status.keep_usual_gaps(self.usual_gaps(&watches)).await;
                kept = Instant::now();
            }
            for (sink, change) in backlog.look(&status.waiting().await, Timestamp::now().as_millisecond()) {
                self.alarm(AlarmKind::SinkBehind, &sink, change.level == NoticeLevel::Error, &change.text);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Reads everything anew whenever somebody asks for it, or a file has changed.
    async fn reload_when_asked(&self, mut hangups: Hangups, mut watched: Watched, status: &Status) -> Infallible {
        loop {
            tokio::select! {
                () = hangups.next() => {}
                () = watched.next() => self.log.info("files have changed, and are read anew"),
            }
            supervisor::reloading();
            // What changes while it is read is read once more.
            watched.known();
            if let Some(run) = self.reload(status).await {
                watched.follow(&run);
            }
            supervisor::ready();
        }
    }

    /// Takes rules and routes over, if everything is good: what a run would be made of now.
    async fn reload(&self, status: &Status) -> Option<Run> {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || reload::read(&config)).await;
        // One that panics has been told, and is as good as refused.
        let renewed = match read.unwrap_or_else(|_| Err(vec!["it cannot be read anew".to_owned()].into())) {
            Ok(renewed) => renewed,
            Err(reload::Refusal { problems, rules }) => {
                problems.iter().for_each(|problem| self.log.error(problem));
                let text = "what was read anew is not taken over, and the run goes on as it was";
                self.alarm(AlarmKind::ReloadRefused, &self.run.instance, true, text);
                status.tell_refused(rules);
                return None;
            }
        };
        let difference = Difference::between(status.handle.rules().rules(), renewed.rules.rules());
        let has_other_secrets = renewed.run.secrets != self.run.secrets;
        let routes: Vec<Route> = renewed.run.sinks.iter().map(|sink| sink.route.clone()).collect();
        status.handle.replace(renewed.rules, &routes);
        self.log.info(&format!("taken over: {difference}"));
        let mut later = reload::restart_needed(&self.effective, &renewed.effective);
        // Which one cannot be told: values of secrets are not among those that are compared.
        later.extend(has_other_secrets.then(|| "a secret".to_owned()));
        if !later.is_empty() {
            self.log.warn(&format!("changed, and in force after a restart only: {}", later.join(", ")));
        }
        status.tell_reloaded();
        Some(renewed.run)
    }

    fn output_failed(&self, reason: &str) -> Exit {
        self.log.error(&format!("cannot write the output: {reason} (what was not written waits in the outbox)"));
        Exit::Internal
    }

    fn tell_silence(&self, source: &str, change: Option<Change>) {
        match change {
            Some(Change::Silent(silence)) => {
                let silence = report::duration(silence.as_millis() as u64);
                let hint = "is the trail on, and does it still deliver there?";
                let text = format!("source `{source}` has been silent for {silence}, far longer than usual ({hint})");
                self.alarm(AlarmKind::SourceSilent, source, true, &text);
            }
            Some(Change::Heard) => {
                let text = format!("source `{source}` is silent no more");
                self.alarm(AlarmKind::SourceSilent, source, false, &text);
            }
            None => {}
        }
    }

    /// Tells of something that is wrong, or is so no more: in the log, and as an event.
    fn alarm(&self, kind: AlarmKind, name: &str, begins: bool, text: &str) {
        match begins {
            true => self.log.error(text),
            false => self.log.info(text),
        }
        self.raise(&Alarm { kind, name, begins, text });
    }

    fn raise(&self, alarm: &Alarm<'_>) {
        if self.run.alarms == AlarmsTo::Findings && !self.alarms.raise(alarm, Timestamp::now()) {
            self.log.warn("too many alarms wait to be matched: one more is in the log only");
        }
    }

    /// Raises what a source has told by itself.
    fn raise_troubles(&self, source: &str, now: &[String], known: &mut BTreeSet<(String, String)>) {
        let raise = |text: &str, begins| {
            let kind = AlarmKind::SourceTrouble;
            self.raise(&Alarm { kind, name: source, begins, text });
        };
        known.retain(|(of, text)| {
            let stays = of != source || now.contains(text);
            if !stays {
                raise(text, false);
            }
            stays
        });
        for text in now {
            if known.insert((source.to_owned(), text.clone())) {
                raise(text, true);
            }
        }
    }

    fn end(&self, summary: &Summary, ended: &Ended, waiting: u64, told: bool) -> Exit {
        match self.log.is_json() {
            true => self.log.info(&format!(
                "ended: {}, {}, {} held back",
                count(summary.events(), "event"),
                count(summary.findings_total(), "finding"),
                summary.held_back_total()
            )),
            false => report::summary(summary),
        }
        if waiting > 0 {
            self.log.warn(&format!("{} in the outbox: the next start brings them", count(waiting, "finding")));
        }
        match ended {
            Ended::SourceFailed(error) => {
                self.log.error(&error.to_string());
                Exit::SourceFailed
            }
            // A reader that leaves ends a command, and is a failure of what is to run for years.
            Ended::OutputClosed => self.output_failed("nobody reads it any more"),
            Ended::OutputFailed(error) => self.output_failed(error),
            Ended::Finished if summary.uncommitted > 0 => Exit::Incomplete,
            // Whoever stops a run after a year does not ask what could not be decoded on its third day.
            Ended::Finished if told => Exit::Done,
            Ended::Finished if waiting > 0 => Exit::Incomplete,
            Ended::Finished => report::exit(summary, ended),
        }
    }
}
