//! `StartLiveTail`: what a session shows, update by update.
//!
//! A session shows what becomes visible after it began, once, without ids, and never what was there before. Of more than
//! [`limits::UPDATE_EVENTS_MAX`] events between two updates it shows so many, and says that it sampled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Group, Logs, PatternFilter, Position, Stored, limits, lock, read};
use crate::sim::refusal::Refusal;

/// The request as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sim) struct LiveRequest {
    log_group_identifiers: Vec<String>,
    log_event_filter_pattern: Option<String>,
}

/// One session that is open, on one or several groups.
pub(in crate::sim) struct LiveSession {
    logs: Logs,
    watched: Vec<Watched>,
    pattern: Option<String>,
    identifiers: Vec<String>,
    number: u64,
    _open: Open,
}

/// How far a session has looked at one group.
struct Watched {
    name: String,
    identifier: String,
    /// The group when the session began; one that is made again is another.
    serial: u64,
    /// The puts that were looked at.
    puts: usize,
    /// Those of them that could not be seen yet.
    hidden: Vec<Position>,
}

/// Counts a session as open until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Logs {
    /// Sets the time from one update of a live tail to the next; a second at first, as the service has it.
    pub fn set_live_interval(&self, interval: Duration) {
        *lock(&self.shared.live_interval) = interval;
    }

    /// Counts the live tails that are open.
    pub fn live_sessions(&self) -> usize {
        self.shared.live_open.load(Ordering::SeqCst)
    }

    pub(in crate::sim) fn live_interval(&self) -> Duration {
        *lock(&self.shared.live_interval)
    }

    /// Opens a session.
    pub(in crate::sim) fn start_live_tail(&self, request: LiveRequest) -> Result<LiveSession, Refusal> {
        let identifiers = request.log_group_identifiers;
        if !(1..=limits::LIVE_GROUPS_MAX).contains(&identifiers.len()) {
            return Err(Refusal::invalid("logGroupIdentifiers must have between 1 and 10 members"));
        }
        let watched = identifiers.iter().map(|identifier| self.watch(identifier)).collect::<Result<_, _>>()?;
        let before = self.shared.live_open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.shared.live_open));
        if before >= limits::LIVE_SESSIONS_MAX {
            let message = "The maximum number of concurrent Live Tail sessions has been reached.";
            return Err(Refusal::new("LimitExceededException", message));
        }
        let number = self.shared.live_made.fetch_add(1, Ordering::SeqCst);
        let pattern = request.log_event_filter_pattern.filter(|pattern| !pattern.is_empty());
        Ok(LiveSession { logs: self.clone(), watched, pattern, identifiers, number, _open: open })
    }

    /// The service takes ARNs only.
    fn watch(&self, identifier: &str) -> Result<Watched, Refusal> {
        if !identifier.starts_with("arn:") {
            return Err(Refusal::invalid("logGroupIdentifiers must be ARNs"));
        }
        let name = read::group_name(None, Some(identifier.to_owned()))?;
        let state = lock(&self.shared.state);
        let group = state.group(&name)?;
        if group.class != super::STANDARD {
            return Err(Refusal::new("InvalidOperationException", "Live Tail needs log groups of the Standard class."));
        }
        let now_ms = self.now_ms();
        let hidden = group.events.iter().filter(|(_, event)| event.visible_at_ms > now_ms);
        let hidden = hidden.map(|(position, _)| *position).collect();
        let (serial, puts) = (group.serial, group.puts.len());
        Ok(Watched { name, identifier: identifier.to_owned(), serial, puts, hidden })
    }
}

impl LiveSession {
    /// The content of `sessionStart`.
    pub(in crate::sim) fn start(&self) -> Value {
        json!({
            "requestId": format!("11111111-0000-4000-8000-{:012x}", self.number),
            "sessionId": format!("22222222-0000-4000-8000-{:012x}", self.number),
            "logGroupIdentifiers": self.identifiers,
            "logEventFilterPattern": self.pattern,
        })
    }

    /// The content of the next `sessionUpdate`.
    pub(in crate::sim) fn update(&mut self) -> Value {
        let now_ms = self.logs.now_ms();
        let filter = lock(&self.logs.shared.pattern_filter).clone();
        let state = lock(&self.logs.shared.state);
        let mut results = Vec::new();
        for watched in &mut self.watched {
            if let Ok(group) = state.group(&watched.name)
                && group.serial == watched.serial
            {
                watched.look(
                    group,
                    now_ms,
                    |event| fits(self.pattern.as_deref(), filter.as_ref(), event),
                    &mut results,
                );
            }
        }
        let sampled = results.len() > limits::UPDATE_EVENTS_MAX;
        results.truncate(limits::UPDATE_EVENTS_MAX);
        json!({"sessionMetadata": {"sampled": sampled}, "sessionResults": results})
    }
}

impl Watched {
    /// Adds what has become visible since the last look.
    fn look(&mut self, group: &Group, now_ms: i64, fits: impl Fn(&Stored) -> bool, results: &mut Vec<Value>) {
        let news = &group.puts[self.puts..];
        self.puts = group.puts.len();
        let candidates: Vec<Position> = self.hidden.drain(..).chain(news.iter().copied()).collect();
        for position in candidates {
            let Some(event) = group.events.get(&position) else { continue };
            if event.visible_at_ms > now_ms {
                self.hidden.push(position);
            } else if fits(event) {
                results.push(json!({
                    "logStreamName": &*event.stream,
                    "logGroupIdentifier": self.identifier,
                    "message": &*event.message,
                    "timestamp": position.timestamp_ms,
                    "ingestionTime": position.ingested_ms,
                }));
            }
        }
    }
}

fn fits(pattern: Option<&str>, filter: Option<&PatternFilter>, event: &Stored) -> bool {
    match (pattern, filter) {
        (Some(pattern), Some(filter)) => filter(pattern, &event.message),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::LogEvent;

    fn session(logs: &Logs) -> Result<LiveSession, Refusal> {
        let request = json!({"logGroupIdentifiers": [logs.group_arn("g")]});
        logs.start_live_tail(serde_json::from_value(request).unwrap())
    }

    fn put(logs: &Logs, message: &str, visible_at_ms: i64) {
        let event = LogEvent { timestamp_ms: logs.now_ms(), message: message.into() };
        logs.put_visible_at("g", "s", event, visible_at_ms);
    }

    fn messages(update: &Value) -> Vec<&str> {
        let results = update["sessionResults"].as_array().unwrap();
        results.iter().map(|event| event["message"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_session_shows_what_comes_once_and_when_it_is_visible() {
        let logs = Logs::new();
        put(&logs, "before", 0);
        put(&logs, "put before", logs.now_ms() + 60_000);
        let mut session = session(&logs).unwrap();
        put(&logs, "at once", 0);
        put(&logs, "later", logs.now_ms() + 60_000);
        assert_eq!(messages(&session.update()), ["at once"]);
        assert_eq!(messages(&session.update()), [""; 0]);
        logs.clock().advance(Duration::from_secs(61));
        let update = session.update();
        assert_eq!(messages(&update), ["put before", "later"]);
        assert_eq!(update["sessionResults"][0].get("eventId"), None);
    }

    #[test]
    fn a_crowd_is_sampled() {
        let logs = Logs::new();
        logs.create_group("g");
        let mut session = session(&logs).unwrap();
        for number in 0..=limits::UPDATE_EVENTS_MAX {
            put(&logs, &number.to_string(), 0);
        }
        let update = session.update();
        assert_eq!(messages(&update).len(), limits::UPDATE_EVENTS_MAX);
        assert_eq!(update["sessionMetadata"]["sampled"], true);
        assert_eq!(session.update(), json!({"sessionMetadata": {"sampled": false}, "sessionResults": []}));
    }

    #[test]
    fn sessions_are_limited_and_need_a_group_of_the_right_class() {
        let logs = Logs::new();
        assert_eq!(session(&logs).err().unwrap().code, "ResourceNotFoundException");
        logs.create_group("g");
        let open: Vec<_> = (0..limits::LIVE_SESSIONS_MAX).map(|_| session(&logs).unwrap()).collect();
        assert_eq!(session(&logs).err().unwrap().code, "LimitExceededException");
        assert_eq!(logs.live_sessions(), limits::LIVE_SESSIONS_MAX);
        drop(open);
        assert_eq!(logs.live_sessions(), 0);
        logs.set_class("g", "INFREQUENT_ACCESS");
        assert_eq!(session(&logs).err().unwrap().code, "InvalidOperationException");
    }
}
