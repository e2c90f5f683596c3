//! `FilterLogEvents`: which events a query shows, page by page.
//!
//! A token is a position in the order of reading, not an index into a result: an event that becomes visible between
//! two pages is on a later page if it sorts after the position, and is missed if it sorts before.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound::{Excluded, Included, Unbounded};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Group, Logs, PatternFilter, Position, State, Stored, limits, lock};
use crate::sim::refusal::Refusal;
use crate::sim::{ACCOUNT_ID, REGION};

/// How a fault shortens a page.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sim) struct PageCut {
    /// Most events on this page, whatever the query asks for.
    pub(in crate::sim) events_max: Option<usize>,
    /// Hands out a token even if nothing more is there.
    pub(in crate::sim) always_token: bool,
}

/// The request as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterRequest {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
    start_from_head: Option<bool>,
}

/// What a request asks for, checked. A token is bound to all of it but the limit and the direction.
#[derive(Debug, Hash)]
struct Query {
    group: String,
    streams: Streams,
    start_ms: i64,
    end_ms: i64,
    pattern: Option<String>,
}

#[derive(Debug, Hash)]
enum Streams {
    All,
    Named(Vec<String>),
    Prefixed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    OldestFirst,
    NewestFirst,
}

/// What a page token says.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    generation: u64,
    /// Makes each token differ from all others; the SDK's paginator stops at a token that it has seen.
    serial: u64,
    issued_ms: i64,
    query_hash: u64,
    direction: Direction,
    /// The last event shown; `None` before the first.
    after: Option<Position>,
}

/// How much a page may hold.
struct Room {
    events_max: usize,
    bytes_max: usize,
}

/// What of a group a query shows now.
struct View<'a> {
    query: &'a Query,
    filter: Option<&'a PatternFilter>,
    now_ms: i64,
}

struct Page {
    events: Vec<Value>,
    last: Option<Position>,
    more: bool,
}

impl Logs {
    pub(super) fn filter_log_events(&self, request: FilterRequest, cut: PageCut) -> Result<Value, Refusal> {
        let now_ms = self.now_ms();
        let limit = request.limit()?;
        let mut direction = request.direction()?;
        let token = request.next_token.as_deref().map(Token::read).transpose()?;
        let query = request.query()?;

        let mut state = lock(&self.shared.state);
        let group = state.group(&query.group)?;
        query.streams.check(group)?;
        let query_hash = query.hash_for(group);
        if let Some(token) = &token {
            token.check(query_hash, state.token_generation, now_ms)?;
            direction = token.direction;
        }
        let after = token.and_then(|token| token.after);

        let filter = lock(&self.shared.pattern_filter).clone();
        let view = View { query: &query, filter: filter.as_ref(), now_ms };
        let events_max = cut.events_max.map_or(limit, |cut| cut.min(limit));
        let room = Room { events_max, bytes_max: limits::PAGE_BYTES_MAX };
        let page = view.page(group, direction, after, &room);

        let last = page.last.or(after);
        let next_token =
            (page.more || cut.always_token).then(|| state.issue_token(query_hash, direction, last, now_ms));
        Ok(page.answer(next_token))
    }
}

impl FilterRequest {
    fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.limit.unwrap_or(limits::PAGE_EVENTS_MAX as i64);
        match usize::try_from(limit) {
            Ok(limit @ 1..=limits::PAGE_EVENTS_MAX) => Ok(limit),
            _ => Err(out_of_range("limit", limit, "between 1 and 10000")),
        }
    }

    fn direction(&self) -> Result<Direction, Refusal> {
        if self.start_from_head.unwrap_or(true) {
            return Ok(Direction::OldestFirst);
        }
        if self.start_time.unwrap_or(0) < limits::NEWEST_FIRST_SINCE_MS {
            let message = "startFromHead=false is supported only when startTime is on or after 2024-01-01";
            return Err(Refusal::invalid(message));
        }
        Ok(Direction::NewestFirst)
    }

    fn query(self) -> Result<Query, Refusal> {
        let (start_ms, end_ms) = (self.start_time.unwrap_or(0), self.end_time.unwrap_or(i64::MAX));
        if start_ms < 0 || end_ms < 0 {
            return Err(out_of_range("startTime or endTime", start_ms.min(end_ms), "at least 0"));
        }
        if start_ms > end_ms {
            return Err(Refusal::invalid("startTime must not be later than endTime"));
        }
        let pattern = self.filter_pattern.filter(|pattern| !pattern.is_empty());
        if pattern.as_ref().is_some_and(|pattern| pattern.chars().count() > limits::PATTERN_CHARS_MAX) {
            return Err(Refusal::invalid("filterPattern must have length less than or equal to 1024"));
        }
        let group = group_name(self.log_group_name, self.log_group_identifier)?;
        let streams = Streams::asked(self.log_stream_names, self.log_stream_name_prefix)?;
        Ok(Query { group, streams, start_ms, end_ms, pattern })
    }
}

/// Finds the group's name from the two parameters of which exactly one must be given.
pub(super) fn group_name(name: Option<String>, identifier: Option<String>) -> Result<String, Refusal> {
    match (name, identifier) {
        (Some(name), None) => check_group_name(name),
        (None, Some(identifier)) if identifier.starts_with("arn:") => group_of_arn(&identifier),
        (None, Some(name)) => check_group_name(name),
        _ => Err(Refusal::invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")),
    }
}

/// Refuses names that no group can have; an ARN is one.
pub(super) fn check_group_name(name: String) -> Result<String, Refusal> {
    let valid = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    if (1..=512).contains(&name.len()) && name.chars().all(valid) {
        return Ok(name);
    }
    Err(Refusal::invalid("logGroupName must match [\\.\\-_/#A-Za-z0-9]+ and have at most 512 characters"))
}

fn group_of_arn(arn: &str) -> Result<String, Refusal> {
    if arn.ends_with('*') {
        return Err(Refusal::invalid("logGroupIdentifier must not end with an asterisk"));
    }
    let local = format!("arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:");
    arn.strip_prefix(&local).map(str::to_owned).ok_or_else(super::no_such_group)
}

fn out_of_range(field: &str, value: i64, range: &str) -> Refusal {
    Refusal::invalid(format!("Value '{value}' at '{field}' failed to satisfy constraint: must be {range}"))
}

impl Streams {
    fn asked(names: Option<Vec<String>>, prefix: Option<String>) -> Result<Self, Refusal> {
        match (names, prefix) {
            (Some(_), Some(_)) => {
                Err(Refusal::invalid("logStreamNames and logStreamNamePrefix cannot be given together"))
            }
            (Some(names), None) if (1..=limits::STREAM_NAMES_MAX).contains(&names.len()) => Ok(Self::Named(names)),
            (Some(_), None) => Err(Refusal::invalid("logStreamNames must have between 1 and 100 members")),
            (None, Some(prefix)) => Ok(Self::Prefixed(prefix)),
            (None, None) => Ok(Self::All),
        }
    }

    fn check(&self, group: &Group) -> Result<(), Refusal> {
        let Self::Named(names) = self else {
            return Ok(());
        };
        if names.iter().all(|name| group.streams.contains_key(name)) {
            return Ok(());
        }
        Err(Refusal::not_found("The specified log stream does not exist."))
    }

    fn holds(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == stream),
            Self::Prefixed(prefix) => stream.starts_with(prefix.as_str()),
        }
    }
}

impl Query {
    fn hash_for(&self, group: &Group) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        group.serial.hash(&mut hasher);
        hasher.finish()
    }
}

impl View<'_> {
    fn page(&self, group: &Group, direction: Direction, after: Option<Position>, room: &Room) -> Page {
        let mut page = Page { events: Vec::new(), last: None, more: false };
        let mut bytes = 0;
        for (position, event) in self.remaining(group, direction, after).filter(|(_, event)| self.shows(event)) {
            bytes += event.message.len() + limits::EVENT_OVERHEAD_BYTES;
            let too_big = bytes > room.bytes_max && !page.events.is_empty();
            if page.events.len() == room.events_max || too_big {
                page.more = true;
                break;
            }
            page.events.push(event.answer(position));
            page.last = Some(*position);
        }
        page
    }

    /// Walks what the time range holds beyond a position.
    fn remaining<'g>(
        &self,
        group: &'g Group,
        direction: Direction,
        after: Option<Position>,
    ) -> Box<dyn Iterator<Item = (&'g Position, &'g Stored)> + 'g> {
        let (start_ms, end_ms) = (self.query.start_ms, self.query.end_ms);
        let kept_since_ms = group.kept_since_ms(self.now_ms);
        let first = Position { timestamp_ms: start_ms.max(kept_since_ms), ingested_ms: i64::MIN, put: 0 };
        let last = Position { timestamp_ms: end_ms, ingested_ms: i64::MAX, put: u64::MAX };
        match direction {
            Direction::OldestFirst => {
                let from = after.map_or(Included(first), Excluded);
                let events = group.events.range((from, Unbounded));
                Box::new(events.take_while(move |(position, _)| **position <= last))
            }
            Direction::NewestFirst => {
                let until = after.map_or(Included(last), Excluded);
                let events = group.events.range((Unbounded, until)).rev();
                Box::new(events.take_while(move |(position, _)| **position >= first))
            }
        }
    }

    fn shows(&self, event: &Stored) -> bool {
        if event.visible_at_ms > self.now_ms || !self.query.streams.holds(&event.stream) {
            return false;
        }
        match (&self.query.pattern, self.filter) {
            (Some(pattern), Some(filter)) => filter(pattern, &event.message),
            _ => true,
        }
    }
}

impl Stored {
    fn answer(&self, position: &Position) -> Value {
        json!({
            "logStreamName": &*self.stream,
            "timestamp": position.timestamp_ms,
            "message": &*self.message,
            "ingestionTime": position.ingested_ms,
            "eventId": position.event_id(),
        })
    }
}

impl Page {
    fn answer(self, next_token: Option<String>) -> Value {
        let mut answer = Map::new();
        answer.insert("events".into(), self.events.into());
        answer.insert("searchedLogStreams".into(), Value::Array(Vec::new()));
        if let Some(next_token) = next_token {
            answer.insert("nextToken".into(), next_token.into());
        }
        Value::Object(answer)
    }
}

impl State {
    fn issue_token(&mut self, query_hash: u64, direction: Direction, after: Option<Position>, now_ms: i64) -> String {
        self.tokens_made += 1;
        let (generation, serial) = (self.token_generation, self.tokens_made);
        Token { generation, serial, issued_ms: now_ms, query_hash, direction, after }.write()
    }
}

impl Token {
    fn write(&self) -> String {
        let direction = if self.direction == Direction::NewestFirst { "b" } else { "f" };
        let after = self.after.map_or_else(String::new, |after| {
            format!("/{:x}/{:x}/{:x}", after.timestamp_ms, after.ingested_ms, after.put)
        });
        let Self { generation, serial, issued_ms, query_hash, .. } = self;
        format!("{direction}/{generation:x}/{serial:x}/{issued_ms:x}/{query_hash:x}{after}")
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        Self::parse(text).ok_or_else(bad_token)
    }

    fn parse(text: &str) -> Option<Self> {
        let (direction, numbers) = text.split_once('/')?;
        let direction = match direction {
            "f" => Direction::OldestFirst,
            "b" => Direction::NewestFirst,
            _ => return None,
        };
        let numbers: Vec<u64> =
            numbers.split('/').map(|hex| u64::from_str_radix(hex, 16)).collect::<Result<_, _>>().ok()?;
        let (head, position) = numbers.split_first_chunk::<4>()?;
        let after = match *position {
            [] => None,
            [timestamp_ms, ingested_ms, put] => {
                Some(Position { timestamp_ms: timestamp_ms as i64, ingested_ms: ingested_ms as i64, put })
            }
            _ => return None,
        };
        let [generation, serial, issued_ms, query_hash] = *head;
        Some(Self { generation, serial, issued_ms: issued_ms as i64, query_hash, direction, after })
    }

    fn check(&self, query_hash: u64, generation: u64, now_ms: i64) -> Result<(), Refusal> {
        let fresh = now_ms - self.issued_ms < limits::TOKEN_LIFE_MS;
        if fresh && self.generation == generation && self.query_hash == query_hash {
            return Ok(());
        }
        Err(bad_token())
    }
}

fn bad_token() -> Refusal {
    Refusal::invalid("The specified nextToken is invalid.")
}

#[cfg(test)]
mod tests;
