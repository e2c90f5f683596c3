//! Log groups as CloudWatch Logs shows them to a reader.
//!
//! Events are kept in the order in which they are read: (timestamp, ingestion time, number of the put). An event may
//! be put now and become visible later, which is what the service does and what careless readers lose.

mod describe;
mod live;
mod read;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ledger::{Ledger, Request};
use super::refusal::Refusal;
use super::{ACCOUNT_ID, Clock, Faults, REGION, lock};

pub(super) use live::{LiveRequest, LiveSession};
pub(super) use read::PageCut;

/// The limits that the stand-in holds to, as AWS documents them.
pub mod limits {
    /// Most events on a page of `FilterLogEvents`, and the default.
    pub const PAGE_EVENTS_MAX: usize = 10_000;
    /// Most bytes on a page of `FilterLogEvents`; a page holds at least one event all the same.
    pub const PAGE_BYTES_MAX: usize = 1_048_576;
    /// What each event counts for beyond its message.
    pub const EVENT_OVERHEAD_BYTES: usize = 26;
    /// Largest event of a put, overhead included.
    pub const EVENT_BYTES_MAX: usize = 1_048_576;
    /// Most events in a put.
    pub const BATCH_EVENTS_MAX: usize = 10_000;
    /// Most bytes in a put, overhead included.
    pub const BATCH_BYTES_MAX: usize = 1_048_576;
    /// Longest time between the first and the last event of a put.
    pub const BATCH_SPAN_MS_MAX: i64 = 24 * HOUR_MS;
    /// Longest filter pattern.
    pub const PATTERN_CHARS_MAX: usize = 1_024;
    /// Most stream names in a query.
    pub const STREAM_NAMES_MAX: usize = 100;
    /// How long a page token lives.
    pub const TOKEN_LIFE_MS: i64 = 24 * HOUR_MS;
    /// How far ahead of now an event may be dated.
    pub const FUTURE_MS_MAX: i64 = 2 * HOUR_MS;
    /// How old an event may be when it is put.
    pub const AGE_MS_MAX: i64 = 14 * 24 * HOUR_MS;
    /// Most groups on a page of `DescribeLogGroups`, and the default.
    pub const GROUPS_PAGE_MAX: usize = 50;
    /// Most groups of a live tail.
    pub const LIVE_GROUPS_MAX: usize = 10;
    /// Most live tails of an account at the same time.
    pub const LIVE_SESSIONS_MAX: usize = 15;
    /// Most events in an update of a live tail.
    pub const UPDATE_EVENTS_MAX: usize = 500;
    /// Earliest start of a query that reads the newest events first: 2024-01-01T00:00:00Z.
    pub const NEWEST_FIRST_SINCE_MS: i64 = 1_704_067_200_000;

    const HOUR_MS: i64 = 3_600_000;
}

/// The class of log groups that nothing else is said of.
const STANDARD: &str = "STANDARD";

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// One event to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When the event is said to have occurred, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Its text.
    pub message: String,
}

/// A CloudWatch Logs account of one region; a handle that is cheap to clone.
#[derive(Clone, Default)]
pub struct Logs {
    shared: Arc<Shared>,
}

type PatternFilter = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    pattern_filter: Mutex<Option<PatternFilter>>,
    faults: Faults,
    ledger: Ledger,
    clock: Clock,
    live_interval: Mutex<Duration>,
    live_open: Arc<AtomicUsize>,
    live_made: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            pattern_filter: Mutex::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            clock: Clock::default(),
            live_interval: Mutex::new(Duration::from_secs(1)),
            live_open: Arc::default(),
            live_made: AtomicU64::default(),
        }
    }
}

#[derive(Default)]
struct State {
    groups: BTreeMap<String, Group>,
    groups_made: u64,
    events_put: u64,
    tokens_made: u64,
    token_generation: u64,
}

struct Group {
    /// Tells a group from one of the same name that was deleted before.
    serial: u64,
    created_ms: i64,
    class: String,
    retention_days: Option<u32>,
    streams: BTreeMap<String, StreamMeta>,
    events: BTreeMap<Position, Stored>,
    /// The events in the order in which they were put.
    puts: Vec<Position>,
}

struct StreamMeta {
    created_ms: i64,
    last_event_ms: Option<i64>,
}

/// Where an event stands in the order of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    timestamp_ms: i64,
    ingested_ms: i64,
    put: u64,
}

struct Stored {
    stream: Arc<str>,
    message: Arc<str>,
    visible_at_ms: i64,
}

impl Logs {
    /// Makes an account without groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes sure that a group exists.
    pub fn create_group(&self, group: &str) {
        let now_ms = self.now_ms();
        lock(&self.shared.state).ensure_group(group, now_ms);
    }

    /// Deletes a group with its events; says whether there was one.
    pub fn delete_group(&self, group: &str) -> bool {
        lock(&self.shared.state).groups.remove(group).is_some()
    }

    /// Sets a group's class, such as `INFREQUENT_ACCESS`; says whether there is such a group.
    pub fn set_class(&self, group: &str, class: &str) -> bool {
        lock(&self.shared.state).groups.get_mut(group).map(|group| group.class = class.to_owned()).is_some()
    }

    /// Sets for how many days a group keeps events; says whether there is such a group.
    pub fn set_retention(&self, group: &str, days: u32) -> bool {
        lock(&self.shared.state).groups.get_mut(group).map(|group| group.retention_days = Some(days)).is_some()
    }

    /// Puts an event that can be read at once, and returns its `eventId`. Makes the group and the stream if need be.
    pub fn put(&self, group: &str, stream: &str, event: LogEvent) -> String {
        self.put_visible_at(group, stream, event, i64::MIN)
    }

    /// Puts an event that no read shows before `visible_at_ms` by the [`Clock`]; otherwise like [`Logs::put`].
    ///
    /// Nothing is refused here, so that tests can make what AWS would not take.
    pub fn put_visible_at(&self, group: &str, stream: &str, event: LogEvent, visible_at_ms: i64) -> String {
        let now_ms = self.now_ms();
        let mut state = lock(&self.shared.state);
        state.ensure_group(group, now_ms);
        let position = state.insert(group, stream, event, visible_at_ms, now_ms);
        position.event_id()
    }

    /// Counts the events of a group, visible or not.
    pub fn event_count(&self, group: &str) -> usize {
        lock(&self.shared.state).groups.get(group).map_or(0, |group| group.events.len())
    }

    /// Gives the ARN by which a query may name a group.
    pub fn group_arn(&self, group: &str) -> String {
        format!("arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{group}")
    }

    /// Decides which messages match a `filterPattern`. Without it, a pattern is recorded and lets everything through.
    ///
    /// The filter runs while the groups are locked: it must not call back.
    pub fn set_pattern_filter(&self, filter: impl Fn(&str, &str) -> bool + Send + Sync + 'static) {
        *lock(&self.shared.pattern_filter) = Some(Arc::new(filter));
    }

    /// Makes every page token that was handed out so far invalid.
    pub fn expire_tokens(&self) {
        lock(&self.shared.state).token_generation += 1;
    }

    /// Gives the faults that calls will meet.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Gives the clock that ingestion, visibility, tokens and the throttle go by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Counts the calls of an operation, of either service, answered well or not.
    pub fn calls(&self, operation: &str) -> u64 {
        self.shared.ledger.calls(operation)
    }

    /// Gives the newest requests, oldest first; at most [`REQUESTS_KEPT_MAX`](super::REQUESTS_KEPT_MAX).
    pub fn requests(&self) -> Vec<Request> {
        self.shared.ledger.requests()
    }

    pub(super) fn record(&self, service: &str, operation: &str, body: Value) {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        self.shared.ledger.record(Request { service, operation, body, at_ms: self.now_ms() });
    }

    /// Carries out an operation. `cut` shortens the page of a `FilterLogEvents`.
    pub(super) fn call(&self, operation: &str, body: Value, cut: PageCut) -> Result<Value, Refusal> {
        match operation {
            "FilterLogEvents" => self.filter_log_events(parse(body)?, cut),
            "DescribeLogGroups" => self.describe_log_groups(parse(body)?),
            "DescribeLogStreams" => self.describe_log_streams(parse(body)?),
            "CreateLogGroup" => self.create_log_group(parse(body)?),
            "CreateLogStream" => self.create_log_stream(parse(body)?),
            "DeleteLogGroup" => self.delete_log_group(parse(body)?),
            "PutLogEvents" => self.put_log_events(parse(body)?),
            _ => Err(Refusal::new("UnknownOperationException", format!("unknown operation `{operation}`"))),
        }
    }

    fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        let sizes: HashMap<_, _> = state.groups.iter().map(|(name, group)| (name, group.events.len())).collect();
        f.debug_struct("Logs").field("events", &sizes).finish_non_exhaustive()
    }
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))
}

impl State {
    fn ensure_group(&mut self, name: &str, now_ms: i64) {
        if self.groups.contains_key(name) {
            return;
        }
        self.groups_made += 1;
        let group = Group {
            serial: self.groups_made,
            created_ms: now_ms,
            class: STANDARD.to_owned(),
            retention_days: None,
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            puts: Vec::new(),
        };
        self.groups.insert(name.to_owned(), group);
    }

    fn group(&self, name: &str) -> Result<&Group, Refusal> {
        self.groups.get(name).ok_or_else(no_such_group)
    }

    /// Puts an event into a group that exists.
    fn insert(&mut self, group: &str, stream: &str, event: LogEvent, visible_at_ms: i64, now_ms: i64) -> Position {
        self.events_put += 1;
        let LogEvent { timestamp_ms, message } = event;
        let position = Position { timestamp_ms, ingested_ms: now_ms, put: self.events_put };
        if let Some(group) = self.groups.get_mut(group) {
            group.note_stream(stream, timestamp_ms, now_ms);
            let stored = Stored { stream: stream.into(), message: message.into(), visible_at_ms };
            group.events.insert(position, stored);
            group.puts.push(position);
        }
        position
    }
}

fn no_such_group() -> Refusal {
    Refusal::not_found("The specified log group does not exist.")
}

impl Group {
    fn note_stream(&mut self, stream: &str, timestamp_ms: i64, now_ms: i64) {
        let fresh = StreamMeta { created_ms: now_ms, last_event_ms: None };
        let meta = self.streams.entry(stream.to_owned()).or_insert(fresh);
        meta.last_event_ms = meta.last_event_ms.max(Some(timestamp_ms));
    }
}

impl Group {
    /// Nothing before it is kept any more.
    fn kept_since_ms(&self, now_ms: i64) -> i64 {
        self.retention_days.map_or(i64::MIN, |days| now_ms - i64::from(days) * DAY_MS)
    }
}

impl Position {
    /// Gives the `eventId`: 56 digits, as AWS's have, in the order of reading.
    fn event_id(&self) -> String {
        format!("3{:015}{:015}{:025}", self.timestamp_ms, self.ingested_ms, self.put)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_unique_and_long() {
        let logs = Logs::new();
        let event = LogEvent { timestamp_ms: 1_767_603_600_000, message: "twice".into() };
        let ids = [logs.put("g", "s", event.clone()), logs.put("g", "s", event)];
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| id.len() == 56 && id.bytes().all(|b| b.is_ascii_digit())));
        assert_eq!(logs.event_count("g"), 2);
    }
}
