//! `StartLiveTail` beside the polls: a hint that is fast, and never the guarantee.
//!
//! A live tail shows events within a second, but it samples, drops what a slow reader leaves, ends after three hours, and
//! may fall silent without a word. So nothing waits for it and nothing relies on it: what it shows is handed over at once
//! and remembered, and the polls, which read everything anyway, know it then as a repeat.
//!
//! ```text
//!             session ─records─▶ Hints ─▶ next()        polls ─▶ Memory: shown before?
//!   it ends, samples or is silent ─▶ told, and the head is read at once
//! ```

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::group::Group;
use super::memory::Known;
use super::{CloudWatchLogs, Connect, Notice, NoticeLevel, Notify, Reader, Reading};

mod hints;
mod session;

pub(super) use hints::{Hints, Waiting};
use session::{End, Session};

/// How long a session has to have been good for the next pause to be a short one.
const STEADY: Duration = Duration::from_secs(60);

/// A sample that comes so long after the last one is told anew.
const SAMPLES_APART: Duration = Duration::from_secs(600);

/// How a live tail is kept.
#[derive(Debug, Clone, Copy)]
pub struct LiveTail {
    /// A session that says nothing for so long is given up; 10 seconds. The service says something every second.
    pub silence_max: Duration,
    /// At this age a session is given up for a new one; 2 hours and 50 minutes. The service ends it after 3 hours.
    pub age_max: Duration,
    /// The pause after a session that came to nothing; a second. It doubles up to `pause_max`.
    pub pause_min: Duration,
    /// The longest such pause; 10 minutes.
    pub pause_max: Duration,
    /// Events that wait to be handed over; 10,000. What is over it is dropped, and found by a poll.
    pub hints_max: usize,
    /// Bytes of those events; 32 MiB.
    pub hint_bytes_max: usize,
}

impl Default for LiveTail {
    fn default() -> Self {
        Self {
            silence_max: Duration::from_secs(10),
            age_max: Duration::from_secs(170 * 60),
            pause_min: Duration::from_secs(1),
            pause_max: Duration::from_secs(600),
            hints_max: 10_000,
            hint_bytes_max: 32 << 20,
        }
    }
}

/// A live tail under way. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) hints: Arc<Hints>,
    _task: JoinSet<()>,
}

impl CloudWatchLogs {
    /// Begins with the live tail once polls have shown that the group can be read.
    pub(super) fn begin_live(&self, reader: &mut Reader) {
        let Some(settings) = self.settings.live.filter(|_| self.settings.follow) else { return };
        if reader.live.is_some() || !matches!(reader.reading, Reading::Schedule(_)) {
            return;
        }
        let hints = Arc::new(Hints::new(settings.hints_max, settings.hint_bytes_max));
        let keeper = Keeper {
            settings,
            name: Arc::clone(&self.name),
            group: self.group.clone(),
            filter_pattern: self.settings.filter_pattern.clone(),
            other_endpoint: self.settings.other_endpoint,
            connect: Arc::clone(&self.connect),
            notify: Arc::clone(&self.notify),
            hints: Arc::clone(&hints),
            told: Told::default(),
        };
        let mut task = JoinSet::new();
        task.spawn(keeper.run());
        reader.live = Some(Live { hints, _task: task });
    }

    /// Makes ready what the live tail has shown and nobody has handed over.
    pub(super) fn take_hints(&self, reader: &mut Reader) {
        let Some(live) = &reader.live else { return };
        let Reading::Schedule(schedule) = &mut reader.reading else { return };
        let hints = live.hints.take();
        schedule.rely_on_hints(hints.are_good);
        if hints.missed {
            schedule.read_head_now();
        }
        let now_ms = (self.settings.clock)();
        let mut report = self.report();
        report.add_live(&hints);
        let mut news = Vec::new();
        for record in hints.records {
            if !schedule.wants(record.timestamp_ms) || !reader.memory.remember_hint(record.content_key()) {
                continue;
            }
            report.live += 1;
            let is_late = schedule.is_late(record.timestamp_ms);
            report.count(Known::New, is_late, now_ms.saturating_sub(record.timestamp_ms));
            news.push(record);
        }
        drop(report);
        self.make_ready(reader, news);
    }
}

/// Keeps one live tail going: opens session after session, and says how it goes.
struct Keeper {
    settings: LiveTail,
    name: Arc<str>,
    group: Group,
    filter_pattern: Option<String>,
    other_endpoint: bool,
    connect: Connect,
    notify: Notify,
    hints: Arc<Hints>,
    told: Told,
}

/// What was said, so that it is said once.
#[derive(Debug, Default)]
struct Told {
    /// When the last session stopped being good.
    off_since: Option<Instant>,
    /// Whether it was said that the live tail is off.
    is_off: bool,
    was_on: bool,
    sampled_at: Option<Instant>,
}

impl Keeper {
    async fn run(mut self) {
        let mut pauses = self.pauses();
        loop {
            let began = Instant::now();
            let end = self.session().await;
            self.hints.set_good(false);
            self.told.off_since.get_or_insert_with(Instant::now);
            let is_renewal = matches!(end, End::Aged);
            if !is_renewal {
                self.tell_off(&end);
            }
            if end.is_final() {
                return;
            }
            if is_renewal || began.elapsed() >= STEADY {
                pauses = self.pauses();
            }
            if !is_renewal {
                tokio::time::sleep(pauses.next().unwrap_or(self.settings.pause_max)).await;
            }
        }
    }

    /// Opens a session, and takes in what it shows until it ends.
    async fn session(&mut self) -> End {
        let mut session = match Session::open(self).await {
            Ok(session) => session,
            Err(end) => return end,
        };
        loop {
            let update = match session.next().await {
                Ok(update) => update,
                Err(end) => return end,
            };
            self.tell_on();
            if update.sampled {
                self.tell_sampled();
            }
            self.hints.put(update.records, update.sampled);
        }
    }

    fn pauses(&self) -> ExponentialBackoff {
        let builder = ExponentialBuilder::new().with_factor(2.0).with_jitter().without_max_times();
        builder.with_min_delay(self.settings.pause_min).with_max_delay(self.settings.pause_max).build()
    }

    fn tell_on(&mut self) {
        self.hints.set_good(true);
        let off_since = self.told.off_since.take();
        let name = &self.name;
        let text = match (off_since, self.told.was_on, self.told.is_off) {
            (_, false, _) => {
                format!("live tail of `{name}` is on: events show as they come, and polls see to the rest")
            }
            (Some(since), true, true) => {
                format!("live tail of `{name}` is on again; polls read what came within {}", lasted(since))
            }
            (Some(since), true, false) => {
                format!("live tail of `{name}` was renewed; polls read what came within {}", lasted(since))
            }
            (None, true, _) => return,
        };
        (self.told.was_on, self.told.is_off) = (true, false);
        self.tell(NoticeLevel::Info, text);
    }

    /// Said once until it is on again.
    fn tell_off(&mut self, end: &End) {
        if std::mem::replace(&mut self.told.is_off, true) && !end.is_final() {
            return;
        }
        let next = if end.is_final() { "it is not tried again" } else { "it is tried again, less and less often" };
        let text = format!("live tail of `{}` is off: {end} (polls go on and read everything; {next})", self.name);
        self.tell(NoticeLevel::Warn, text);
    }

    fn tell_sampled(&mut self) {
        let last = self.told.sampled_at.replace(Instant::now());
        if last.is_none_or(|last| last.elapsed() >= SAMPLES_APART) {
            let text = format!(
                "live tail of `{}` leaves events out, for there are more than it shows at a time; polls read them",
                self.name
            );
            self.tell(NoticeLevel::Warn, text);
        }
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}

fn lasted(since: Instant) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(since.elapsed().as_secs().max(1)))
}
