//! A CloudWatch Logs group, followed without losing an event, by polling `FilterLogEvents`.
//!
//! The decision worth knowing: a log event can become visible up to an hour after its timestamp, so the newest
//! timestamp seen says nothing about what was read. Every slice of time is read again at growing ages until it is
//! settled; repeats are removed by key. What is read when is decided in `schedule.rs`, without SDK and clock:
//!
//! ```text
//! Schedule ─Query─▶ page::read ─Page─▶ Memory ─new records─▶ Delivery ─▶ next()
//!     ▲                                  │ is it known?        └─ Receipts ◀─ commit()
//!     └───────── token, late ◀───────────┘
//! ```
//!
//! Pages are read one at a time and in order, so memory holds one page, and the keys of what is not settled.
//! Log streams are never listed: the list lags by up to an hour, and listing is itself a CloudTrail event.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::aws::trouble::{Failure, FailureKind, Trouble};
use super::aws::{lock, system_clock};
use super::{Notice, NoticeLevel, Notify, Source, SourceError, SourceReport};
use crate::delivery::{Delivery, LogPlace, Origin, Place, Receipt};
use crate::store::Checkpoint;

mod connect;
mod describe;
mod group;
mod live;
mod memory;
mod newest;
mod page;
mod position;
mod probe;
mod quota;
mod receipts;
mod refuse;
mod schedule;
mod trail;
mod watch;

pub use super::aws::trail::{
    TrailBucket, TrailConnect, TrailFinder, TrailGroup, WatchedTrail, find_trail_bucket, find_trail_group,
    trail_connector, trail_finder,
};
pub use super::aws::{Access, Clock, load};
pub use connect::{Connect, connector, local_connector};
pub use group::{is_group, name_of};
pub use live::LiveTail;
pub use quota::{DEFAULT_SHARE, Quota, filter_log_events_per_second};

use group::Group;
use live::Live;
use memory::{Key, Known, Memory};
use newest::Newest;
use page::{LogRecord, Naming, Page, Query};
use position::{Position, SETTLED_AGE_MS};
use probe::{Change, Probe};
use receipts::Receipts;
use schedule::{Plan, Progress, Schedule, Slot, Turn};
use watch::Watch;

/// Keys that are remembered where nothing else is said: an hour of 550 events a second, about 100 MB.
pub const MEMORY_KEYS_MAX: usize = 2_000_000;

/// How often the first call is tried again, where nothing is followed, before the way to AWS counts as wrong.
const TRIES_AT_START: u32 = 5;

/// How often it is looked at what reading does not show.
const WATCH_EVERY: Duration = Duration::from_secs(300);

/// The longest sleep between two looks at the clock, since a computer that was suspended sleeps longer than it knows.
const NAP_MAX: Duration = Duration::from_millis(500);

/// What to read, and how.
#[derive(Clone)]
pub struct Settings {
    /// The log group: its name, or its ARN (needed where it belongs to a linked source account).
    pub group: String,
    /// The region of the log group; that of the clients which `Connect` gives.
    pub region: String,
    /// The name for origins and reports; the group's name where it is `None`. Give one to tell groups of the same name in
    /// several regions apart.
    pub name: Option<String>,
    /// What the position is kept under; the name where it is `None`.
    pub position_key: Option<String>,
    /// The first timestamp wanted, inclusive, in milliseconds since 1970; `None` is now.
    pub start_ms: Option<i64>,
    /// The last timestamp wanted, inclusive, in milliseconds since 1970. When following, reading stops 30 seconds after
    /// it; events that become visible later than that are not waited for. `None` is for ever when following, else now.
    pub end_ms: Option<i64>,
    /// Whether to go on with what comes.
    pub follow: bool,
    /// The time from one look at the newest events to the next; 2 seconds.
    pub poll: Duration,
    /// A CloudWatch Logs filter pattern that the service applies; at most 1,024 characters.
    pub filter_pattern: Option<String>,
    /// How often to look without the filter pattern at one small page of the newest events, which are handed over too:
    /// so that silence can be told from what the pattern leaves out. Of effect when following by a pattern; `None` is
    /// never.
    pub probe_every: Option<Duration>,
    /// Whether, and how, a live tail shows what comes before a poll finds it. Of effect when following.
    pub live: Option<LiveTail>,
    /// How often to look whether the trail goes on; 5 minutes. Twelve times less often it is looked whether the group was
    /// made again and keeps events long enough. Of effect when following; `None` is never.
    pub watch_every: Option<Duration>,
    /// The trail that delivers to the group, where it is known.
    pub trail: Option<WatchedTrail>,
    /// How that is looked for where it is not known; `None` leaves it at that.
    pub trail_finder: Option<TrailFinder>,
    /// Of what is there at the start, hand over the newest so many events only; at most 100,000. Without `start_ms` they
    /// are looked for up to a week back. Of no effect together with `resume`.
    pub last: Option<usize>,
    /// The position of a checkpoint to go on from, instead of `start_ms`.
    pub resume: Option<String>,
    /// Whether the clients speak to something other than AWS, which may not know a group by its ARN: then its name is
    /// tried after it.
    pub other_endpoint: bool,
    /// Keys of unsettled events that are remembered; [`MEMORY_KEYS_MAX`]. When there are more, some events are handed
    /// over twice.
    pub memory_keys_max: usize,
    /// Where the time comes from; the system's clock.
    pub clock: Clock,
}

impl Settings {
    /// Settings to read what is there now, from now: nothing. Change what you need.
    pub fn new(group: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            region: region.into(),
            name: None,
            position_key: None,
            start_ms: None,
            end_ms: None,
            follow: false,
            poll: Duration::from_secs(2),
            filter_pattern: None,
            probe_every: None,
            live: None,
            watch_every: Some(WATCH_EVERY),
            trail: None,
            trail_finder: None,
            last: None,
            resume: None,
            other_endpoint: false,
            memory_keys_max: MEMORY_KEYS_MAX,
            clock: system_clock(),
        }
    }
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Neither a name nor an ARN.
    #[error(
        "`{group}` is neither the name nor the ARN of a log group (an ARN looks like \
         `arn:aws:logs:us-east-1:111122223333:log-group:NAME`)"
    )]
    Group {
        /// What was given.
        group: String,
    },
    /// The ARN says another region than the settings.
    #[error("log group `{group}` is in `{theirs}`, not in `{ours}` (choose its region: `--region {theirs}`)")]
    Region {
        /// The group's name.
        group: String,
        /// The region of the ARN.
        theirs: String,
        /// The region of the settings.
        ours: String,
    },
    /// A saved position that this version cannot go on from.
    #[error("cannot go on from the saved position of `{group}`: {reason} (start anew with `--since`)")]
    Position {
        /// The group's name.
        group: String,
        /// What is wrong with the position.
        reason: String,
    },
}

/// Follows one log group. See the module's documentation.
pub struct CloudWatchLogs {
    settings: Settings,
    group: Group,
    name: Arc<str>,
    position_key: Arc<str>,
    quota: Arc<Quota>,
    connect: Connect,
    notify: Notify,
    receipts: Mutex<Receipts>,
    began: Instant,
    report: Mutex<SourceReport>,
    reader: tokio::sync::Mutex<Reader>,
}

/// What `next` works with. Changed only between awaits, so that dropping its future loses nothing.
struct Reader {
    reading: Reading,
    memory: Memory,
    client: Option<Client>,
    naming: Naming,
    /// Whether any call went well. Before that, what a person has to put right is an error.
    succeeded: bool,
    /// Calls that fail.
    trouble: Trouble,
    /// Passes that do not come to their end.
    pass_trouble: Trouble,
    resume_at: Option<Instant>,
    probe: Option<Probe>,
    live: Option<Live>,
    watch: Option<Watch>,
    ready: Option<Vec<Delivery>>,
    told_of_gaps: bool,
}

/// The two ways of reading: the newest events first of all, then everything in its order.
enum Reading {
    Newest(Box<Newest>),
    Schedule(Box<Schedule>),
}

impl CloudWatchLogs {
    /// Makes a source. Nothing is read before the first `next`.
    ///
    /// `connect` must give clients of the settings' region with the SDK's retries switched off, as those of
    /// [`connector`] are: throttles are counted and waited out here.
    pub fn new(settings: Settings, quota: Arc<Quota>, connect: Connect, notify: Notify) -> Result<Self, SettingsError> {
        let group = Group::parse(&settings.group)?;
        if let Some(arn) = group.arn.as_ref().filter(|arn| arn.region != settings.region) {
            let (theirs, ours) = (arn.region.clone(), settings.region.clone());
            return Err(SettingsError::Region { group: group.name, theirs, ours });
        }
        let reader = Reader::new(&settings, &group, &quota)?;
        let name = settings.name.as_ref().unwrap_or(&group.name);
        let report = SourceReport { quota_calls_per_second: Some(quota.calls_per_second()), ..Default::default() };
        Ok(Self {
            position_key: settings.position_key.as_ref().unwrap_or(name).as_str().into(),
            name: name.as_str().into(),
            settings,
            group,
            quota,
            connect,
            notify,
            receipts: Mutex::default(),
            began: Instant::now(),
            report: Mutex::new(report),
            reader: tokio::sync::Mutex::new(reader),
        })
    }

    async fn next_batch(&self) -> Result<Option<Vec<Delivery>>, SourceError> {
        let reader = &mut *self.reader.lock().await;
        loop {
            self.watch(reader);
            if reader.ready.is_none() {
                self.take_hints(reader);
            }
            if let Some(batch) = reader.ready.take() {
                return Ok(Some(batch));
            }
            if let Some(resume_at) = reader.resume_at {
                if reader.sleep_until(resume_at).await {
                    reader.resume_at = None;
                }
                continue;
            }
            if let Some(client) = reader.client_to_probe_with((self.settings.clock)()) {
                self.probe(reader, &client).await;
                continue;
            }
            match reader.reading.turn((self.settings.clock)()) {
                Turn::Finished => return Ok(None),
                Turn::Wait(wait_ms) => _ = reader.sleep_until(Instant::now() + nap(wait_ms)).await,
                Turn::Read(slot) => match self.read_page(reader, slot).await? {
                    Ok(page) => self.take_page(reader, slot, page),
                    Err(failure) => self.take_failure(reader, slot, failure).await?,
                },
            }
        }
    }

    /// Reads the next page. The outer error is final; the inner one is for [`take_failure`](Self::take_failure).
    async fn read_page(&self, reader: &mut Reader, slot: Slot) -> Result<Result<Page, Failure>, SourceError> {
        let client = match &reader.client {
            Some(client) => client.clone(),
            None => match (self.connect)().await {
                Ok(client) => reader.client.insert(client).clone(),
                Err(error) if reader.succeeded => {
                    return Ok(Err(Failure::new(FailureKind::Credentials, error.to_string())));
                }
                Err(error) => return Err(error),
            },
        };
        self.quota.take().await;
        self.report().count_call();
        let pattern = self.settings.filter_pattern.as_deref();
        Ok(page::read(&client, (&self.group, reader.naming), pattern, &reader.reading.query(slot)).await)
    }

    /// Looks at the newest events without the pattern. A failure is that of one look: the next is not far.
    async fn probe(&self, reader: &mut Reader, client: &Client) {
        self.quota.take().await;
        self.report().count_call();
        let from_ms = (self.settings.clock)() - probe::BACK_MS;
        let page = page::read_newest(client, (&self.group, reader.naming), from_ms, probe::EVENTS_MAX).await;
        let Ok(Page { records, .. }) = page else {
            self.report().retries += 1;
            return;
        };
        let mut report = self.report();
        (report.probes, report.probed) = (report.probes + 1, report.probed + records.len() as u64);
        drop(report);
        match reader.probe.as_mut().map(|probe| probe.found(records.len())) {
            Some(Change::Silent) => {
                let text = format!("`{}` has no events at all of the last 10 minutes, whatever the pattern", self.name);
                self.tell(NoticeLevel::Warn, text);
            }
            Some(Change::Alive) => self.tell(NoticeLevel::Info, format!("`{}` has events again", self.name)),
            _ => {}
        }
        self.take_probed(reader, records);
    }

    /// Hands over what a look found and the pattern did not. It is not late: nothing has read past it.
    fn take_probed(&self, reader: &mut Reader, records: Vec<LogRecord>) {
        let now_ms = (self.settings.clock)();
        let mut news = Vec::new();
        for record in records {
            let known = reader.memory.remember_read(record.key(), || record.content_key());
            self.report().count(known, false, now_ms.saturating_sub(record.timestamp_ms));
            if known != Known::Repeat {
                news.push(record);
            }
        }
        self.make_ready(reader, news);
        self.mind_gaps(reader);
    }

    fn take_page(&self, reader: &mut Reader, slot: Slot, page: Page) {
        reader.succeeded = true;
        if reader.trouble.over() {
            self.tell(NoticeLevel::Info, format!("reading `{}` again", self.name));
            reader.watch.iter_mut().for_each(Watch::look_now);
        }
        if page.records.is_empty() && page.token.is_some() {
            self.report().empty_pages += 1;
        }
        let goes_round = page.token.is_some() && page.token == reader.reading.query(slot).token;
        let late = self.take_records(reader, page.records);
        if goes_round {
            reader.reading.give_up(slot);
            self.report().retries += 1;
            let text = "the service gives the same token again and again".to_owned();
            return self.wait_for_pass(reader, Failure::new(FailureKind::Circle, text));
        }
        self.turn_page(reader, slot, page.token, late);
        self.begin_live(reader);
    }

    /// Goes on to the next page, or takes in that the pass is complete.
    fn turn_page(&self, reader: &mut Reader, slot: Slot, token: Option<String>, late: u64) {
        match &mut reader.reading {
            Reading::Newest(newest) => {
                if newest.page_read(token) {
                    self.end_newest(reader);
                }
            }
            Reading::Schedule(schedule) => match schedule.page_read(slot, token, late) {
                Progress::More => {}
                Progress::Complete => self.end_pass(reader),
                Progress::Endless => self.tell(
                    NoticeLevel::Error,
                    format!(
                        "reading `{}` does not come to an end; beginning again (lower the rate of events, or filter)",
                        self.name
                    ),
                ),
            },
        }
    }

    fn end_pass(&self, reader: &mut Reader) {
        reader.pass_trouble.over();
        if let Reading::Schedule(schedule) = &mut reader.reading {
            reader.memory.settle(schedule.settled_ms());
            schedule.allow_sweeps(!reader.memory.has_gaps());
            let position = schedule.position();
            lock(&self.receipts).mark(position);
            let mut report = self.report();
            (report.read_ms, report.settled_ms) = (Some(position.head()), Some(position.settled()));
        }
    }

    /// Hands over the newest events, and goes on from where their reading began.
    fn end_newest(&self, reader: &mut Reader) {
        let Reading::Newest(newest) = &mut reader.reading else { return };
        let records = newest.take();
        let plan = plan(&self.settings, &self.quota, newest.end_ms);
        let schedule = Schedule::after_pass(plan, newest.from_ms, newest.end_ms, newest.began_ms);
        self.make_ready(reader, records);
        reader.reading = Reading::Schedule(Box::new(schedule));
        self.end_pass(reader);
    }

    /// Sorts out what is new on a page, and makes it ready. Returns how many were late.
    fn take_records(&self, reader: &mut Reader, records: Vec<LogRecord>) -> u64 {
        let now_ms = (self.settings.clock)();
        let mut news = Vec::with_capacity(records.len());
        let late_before = self.report().late;
        for record in records {
            let key = record.key();
            match &mut reader.reading {
                Reading::Newest(newest) => {
                    if record.timestamp_ms >= newest.began_ms - SETTLED_AGE_MS {
                        reader.memory.remember_read(key, || record.content_key());
                    }
                    newest.keep(key, record);
                }
                Reading::Schedule(schedule) => {
                    let known = reader.memory.remember_read(key, || record.content_key());
                    let is_late = known == Known::New && schedule.is_late(record.timestamp_ms);
                    self.report().count(known, is_late, now_ms.saturating_sub(record.timestamp_ms));
                    if known != Known::Repeat {
                        news.push(record);
                    }
                }
            }
        }
        self.make_ready(reader, news);
        self.mind_gaps(reader);
        self.report().late - late_before
    }

    /// Makes records into the batch that is handed over next, in the order of their timestamps.
    fn make_ready(&self, reader: &mut Reader, mut records: Vec<LogRecord>) {
        if records.is_empty() {
            return;
        }
        records.sort_by_key(|record| record.timestamp_ms);
        let (mut report, mut receipts) = (self.report(), lock(&self.receipts));
        report.deliveries += records.len() as u64;
        report.bytes += records.iter().map(|record| record.message.len() as u64).sum::<u64>();
        report.newest_ms = report.newest_ms.max(records.last().map(|record| record.timestamp_ms));
        let deliveries = records.into_iter().map(|record| record.into_delivery(&self.name, receipts.issue()));
        reader.ready = Some(deliveries.collect());
    }

    /// Tells once that the memory is full.
    fn mind_gaps(&self, reader: &mut Reader) {
        if !reader.memory.has_gaps() || reader.told_of_gaps {
            return;
        }
        reader.told_of_gaps = true;
        let text = format!(
            "`{}` has more than {} events that may still change; the oldest are no longer remembered and some are \
             read twice (nothing is lost, repeats are removed later)",
            self.name, self.settings.memory_keys_max
        );
        self.tell(NoticeLevel::Warn, text);
    }

    async fn take_failure(&self, reader: &mut Reader, slot: Slot, failure: Failure) -> Result<(), SourceError> {
        match failure.kind {
            FailureKind::Throttled => self.report().throttles += 1,
            FailureKind::Parameter if reader.reading.query(slot).token.is_some() => {
                self.report().expired_tokens += 1;
                reader.reading.restart(slot, (self.settings.clock)());
                self.wait_for_pass(reader, failure);
                return Ok(());
            }
            FailureKind::NotFound if self.settings.other_endpoint && reader.naming_may_change() => {
                // Not every service that is spoken to knows identifiers. AWS does, and there the same name may be
                // another account's group.
                reader.naming = Naming::Name;
                return Ok(());
            }
            // Somebody waits for what is there now; only who follows can wait for the way to come back.
            FailureKind::Unavailable
                if !self.settings.follow && !reader.succeeded && reader.trouble.failures() >= TRIES_AT_START =>
            {
                return Err(self.refused(reader, &failure).await);
            }
            FailureKind::Unavailable | FailureKind::Circle => self.report().retries += 1,
            _ if !reader.succeeded => return Err(self.refused(reader, &failure).await),
            FailureKind::Credentials => {
                reader.client = None;
                let is_new = !reader.trouble.is(FailureKind::Credentials);
                self.report().credential_waits += u64::from(is_new);
            }
            _ => self.report().retries += 1,
        }
        let (wait, tell) = reader.trouble.failed(failure.kind);
        reader.resume_at = Some(Instant::now() + wait);
        if tell {
            let (level, text) = self.waiting(&failure);
            self.tell(level, text);
        }
        Ok(())
    }

    /// Waits before a pass is read anew.
    fn wait_for_pass(&self, reader: &mut Reader, failure: Failure) {
        let (wait, tell) = reader.pass_trouble.failed(failure.kind);
        reader.resume_at = Some(Instant::now() + wait);
        if tell {
            let text = format!("reading `{}` did not come to its end: {failure}; beginning again", self.name);
            self.tell(NoticeLevel::Warn, text);
        }
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }

    fn report(&self) -> MutexGuard<'_, SourceReport> {
        lock(&self.report)
    }

    fn checkpoint_at(&self, position: Position) -> Checkpoint {
        Checkpoint { source: Arc::clone(&self.position_key), position: position.write() }
    }
}

impl Source for CloudWatchLogs {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(self.next_batch())
    }

    /// Also of use with no receipts at all: a quiet group gets on without any.
    fn checkpoint(&self, receipts: &[Receipt]) -> Option<Checkpoint> {
        lock(&self.receipts).position_after(receipts).map(|position| self.checkpoint_at(position))
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            lock(&self.receipts).commit(receipts);
            Ok(())
        })
    }

    fn report(&self) -> SourceReport {
        let age_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        SourceReport { age_ms, ..lock(&self.report).clone() }
    }
}

impl Reader {
    /// Whether the ARN has not been found and the name not been tried.
    fn naming_may_change(&self) -> bool {
        !self.succeeded && self.naming == Naming::Arn
    }

    /// The client, if it is time for a look without the pattern. Before anything has been read there is none.
    fn client_to_probe_with(&mut self, now_ms: i64) -> Option<Client> {
        let client = self.client.as_ref().filter(|_| self.succeeded)?;
        self.probe.as_mut()?.is_due(now_ms).then(|| client.clone())
    }

    /// Sleeps to the end, unless the live tail shows something before; whether it did sleep.
    async fn sleep_until(&self, until: Instant) -> bool {
        let Some(live) = &self.live else {
            tokio::time::sleep_until(until).await;
            return true;
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => true,
            () = live.hints.arrive() => false,
        }
    }

    fn new(settings: &Settings, group: &Group, quota: &Quota) -> Result<Self, SettingsError> {
        let reading = Reading::new(settings, group, quota)?;
        Ok(Self {
            memory: match settings.live {
                Some(_) => Memory::with_hints(settings.memory_keys_max),
                None => Memory::new(settings.memory_keys_max),
            },
            client: None,
            naming: if group.arn.is_some() { Naming::Arn } else { Naming::Name },
            succeeded: false,
            trouble: Trouble::default(),
            pass_trouble: Trouble::default(),
            resume_at: None,
            probe: settings
                .probe_every
                .filter(|_| settings.follow && settings.filter_pattern.is_some())
                .map(Probe::new),
            live: None,
            watch: settings
                .watch_every
                .filter(|_| settings.follow)
                .map(|every| Watch::new(every, reading.begins_ms(), settings.trail.clone())),
            ready: None,
            told_of_gaps: false,
            reading,
        })
    }
}

impl Reading {
    fn new(settings: &Settings, group: &Group, quota: &Quota) -> Result<Self, SettingsError> {
        let now_ms = (settings.clock)();
        let plan = plan(settings, quota, now_ms);
        if let Some(text) = &settings.resume {
            let error = |reason| SettingsError::Position { group: group.name.clone(), reason };
            let mut position = Position::parse(text).map_err(error)?;
            position.not_ahead_of(now_ms, i64::MIN);
            return Ok(Self::Schedule(Box::new(Schedule::new(plan, position))));
        }
        if let Some(wanted) = settings.last {
            let end_ms = settings.end_ms.unwrap_or(now_ms);
            return Ok(Self::Newest(Box::new(Newest::new(wanted, settings.start_ms, end_ms, now_ms))));
        }
        let start_ms = settings.start_ms.unwrap_or(now_ms).min(now_ms);
        Ok(Self::Schedule(Box::new(Schedule::new(plan, Position::at(start_ms)))))
    }

    /// Nothing from here on has been read.
    fn begins_ms(&self) -> i64 {
        match self {
            Self::Newest(newest) => newest.began_ms,
            Self::Schedule(schedule) => schedule.position().head(),
        }
    }

    fn turn(&mut self, now_ms: i64) -> Turn {
        match self {
            Self::Newest(_) => Turn::Read(Slot::Other),
            Self::Schedule(schedule) => schedule.turn(now_ms),
        }
    }

    fn query(&self, slot: Slot) -> Query {
        match self {
            Self::Newest(newest) => newest.query(),
            Self::Schedule(schedule) => schedule.query(slot),
        }
    }

    /// The token is no longer good.
    fn restart(&mut self, slot: Slot, now_ms: i64) {
        match self {
            Self::Newest(newest) => newest.restart(),
            Self::Schedule(schedule) => schedule.restart(slot, now_ms),
        }
    }

    /// The pass will not come to its end.
    fn give_up(&mut self, slot: Slot) {
        match self {
            Self::Newest(newest) => newest.restart(),
            Self::Schedule(schedule) => schedule.abandon(slot),
        }
    }
}

impl LogRecord {
    fn key(&self) -> Key {
        Key::new(self.timestamp_ms, self.ingestion_ms, &self.id, &self.stream, &self.message)
    }

    /// The key of all that is said of it but its id.
    fn content_key(&self) -> Key {
        Key::new(self.timestamp_ms, self.ingestion_ms, "", &self.stream, &self.message)
    }

    fn into_delivery(self, source: &Arc<str>, receipt: Receipt) -> Delivery {
        let place = LogPlace {
            stream: self.stream,
            event_id: self.id,
            timestamp_ms: self.timestamp_ms,
            ingestion_ms: self.ingestion_ms,
        };
        let origin = Origin { source: Arc::clone(source), place: Place::LogEvent(Arc::new(place)) };
        Delivery { body: self.message, origin, receipt }
    }
}

impl SourceReport {
    /// Counts a call that the quota counts too.
    fn count_call(&mut self) {
        self.calls += 1;
        self.quota_calls += 1;
    }

    /// Counts how a live tail went.
    fn add_live(&mut self, hints: &live::Waiting) {
        self.calls += hints.calls;
        self.live_dropped += hints.dropped;
        self.live_sampled += hints.sampled;
        self.live_gaps += hints.gaps;
    }

    /// Counts what was known of a record that was read `age_ms` after its timestamp.
    fn count(&mut self, known: Known, is_late: bool, age_ms: i64) {
        match known {
            Known::Repeat => self.repeats += 1,
            Known::Forgotten => self.memory_overflows += 1,
            Known::New => self.future += u64::from(age_ms < 0),
        }
        if is_late {
            self.late += 1;
            self.lateness.note(age_ms.into());
        }
    }
}

fn plan(settings: &Settings, quota: &Quota, now_ms: i64) -> Plan {
    Plan {
        follow: settings.follow,
        end_ms: if settings.follow { settings.end_ms } else { Some(settings.end_ms.unwrap_or(now_ms)) },
        poll_ms: i64::try_from(settings.poll.as_millis()).unwrap_or(i64::MAX),
        calls_per_second: quota.our_calls_per_second(),
    }
}

fn nap(wait_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)).min(NAP_MAX)
}
