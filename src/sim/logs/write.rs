//! The operations that fill a group over the wire, as strict as the service where [`Logs::put`] is not.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{LogEvent, Logs, State, StreamMeta, limits, lock, no_such_group, read};
use crate::sim::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupRequest {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamRequest {
    log_group_name: String,
    log_stream_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRequest {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
}

#[derive(Deserialize)]
pub(super) struct InputEvent {
    timestamp: i64,
    message: String,
}

impl Logs {
    pub(super) fn create_log_group(&self, request: GroupRequest) -> Result<Value, Refusal> {
        let name = read::check_group_name(request.log_group_name)?;
        let now_ms = self.now_ms();
        let mut state = lock(&self.shared.state);
        if state.groups.contains_key(&name) {
            return Err(already_exists("log group"));
        }
        state.ensure_group(&name, now_ms);
        Ok(json!({}))
    }

    pub(super) fn create_log_stream(&self, request: StreamRequest) -> Result<Value, Refusal> {
        let now_ms = self.now_ms();
        let mut state = lock(&self.shared.state);
        let group = state.groups.get_mut(&request.log_group_name).ok_or_else(no_such_group)?;
        if group.streams.contains_key(&request.log_stream_name) {
            return Err(already_exists("log stream"));
        }
        let meta = StreamMeta { created_ms: now_ms, last_event_ms: None };
        group.streams.insert(request.log_stream_name, meta);
        Ok(json!({}))
    }

    pub(super) fn delete_log_group(&self, request: GroupRequest) -> Result<Value, Refusal> {
        if self.delete_group(&request.log_group_name) { Ok(json!({})) } else { Err(no_such_group()) }
    }

    pub(super) fn put_log_events(&self, request: PutRequest) -> Result<Value, Refusal> {
        let now_ms = self.now_ms();
        let mut state = lock(&self.shared.state);
        if !state.group(&request.log_group_name)?.streams.contains_key(&request.log_stream_name) {
            return Err(Refusal::not_found("The specified log stream does not exist."));
        }
        check_batch(&request.log_events)?;
        let rejected = Rejected::of(&request.log_events, now_ms);
        state.put_batch(request, &rejected, now_ms);
        let next = format!("{:056}", state.events_put);
        Ok(rejected.answer(&next))
    }
}

fn already_exists(what: &str) -> Refusal {
    Refusal::new("ResourceAlreadyExistsException", format!("The specified {what} already exists"))
}

fn check_batch(events: &[InputEvent]) -> Result<(), Refusal> {
    if !(1..=limits::BATCH_EVENTS_MAX).contains(&events.len()) {
        return Err(Refusal::invalid("logEvents must have between 1 and 10000 members"));
    }
    let sizes = events.iter().map(|event| event.message.len() + limits::EVENT_OVERHEAD_BYTES);
    if sizes.clone().any(|bytes| bytes > limits::EVENT_BYTES_MAX) {
        return Err(Refusal::invalid("Log event too large: an event has at most 1048576 bytes"));
    }
    if sizes.sum::<usize>() > limits::BATCH_BYTES_MAX {
        return Err(Refusal::invalid("Upload too large: a batch has at most 1048576 bytes"));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        let message = "Log events in a single PutLogEvents request must be in chronological order.";
        return Err(Refusal::invalid(message));
    }
    let ends = (events.first(), events.last());
    if let (Some(first), Some(last)) = ends
        && last.timestamp - first.timestamp > limits::BATCH_SPAN_MS_MAX
    {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// The part of an ordered batch that is not taken, as counts from either end.
struct Rejected {
    /// Index after the last event that is too old.
    too_old_end: usize,
    /// Index of the first event that is too new.
    too_new_start: usize,
    len: usize,
}

impl Rejected {
    fn of(events: &[InputEvent], now_ms: i64) -> Self {
        let oldest_ms = now_ms - limits::AGE_MS_MAX;
        let newest_ms = now_ms + limits::FUTURE_MS_MAX;
        Self {
            too_old_end: events.partition_point(|event| event.timestamp < oldest_ms),
            too_new_start: events.partition_point(|event| event.timestamp <= newest_ms),
            len: events.len(),
        }
    }

    fn answer(&self, next_sequence_token: &str) -> Value {
        let mut info = Map::new();
        if self.too_old_end > 0 {
            info.insert("tooOldLogEventEndIndex".into(), self.too_old_end.into());
        }
        if self.too_new_start < self.len {
            info.insert("tooNewLogEventStartIndex".into(), self.too_new_start.into());
        }
        let mut answer = Map::new();
        answer.insert("nextSequenceToken".into(), next_sequence_token.into());
        if !info.is_empty() {
            answer.insert("rejectedLogEventsInfo".into(), info.into());
        }
        Value::Object(answer)
    }
}

impl State {
    fn put_batch(&mut self, request: PutRequest, rejected: &Rejected, now_ms: i64) {
        let PutRequest { log_group_name, log_stream_name, log_events } = request;
        let taken = log_events.into_iter().take(rejected.too_new_start).skip(rejected.too_old_end);
        for InputEvent { timestamp, message } in taken {
            let event = LogEvent { timestamp_ms: timestamp, message };
            self.insert(&log_group_name, &log_stream_name, event, i64::MIN, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::logs::PageCut;

    const NOW_MS: i64 = 1_767_603_600_000;

    fn logs() -> Logs {
        let logs = Logs::new();
        logs.clock().freeze_at(NOW_MS);
        call(&logs, "CreateLogGroup", json!({"logGroupName": "g"})).unwrap();
        call(&logs, "CreateLogStream", json!({"logGroupName": "g", "logStreamName": "s"})).unwrap();
        logs
    }

    fn call(logs: &Logs, operation: &str, body: Value) -> Result<Value, Refusal> {
        logs.call(operation, body, PageCut::default())
    }

    fn put(logs: &Logs, timestamps: &[i64]) -> Result<Value, Refusal> {
        let events: Vec<Value> = timestamps.iter().map(|t| json!({"timestamp": t, "message": "m"})).collect();
        let body = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
        call(logs, "PutLogEvents", body)
    }

    #[test]
    fn a_batch_is_taken_in_order_only() {
        let logs = logs();
        put(&logs, &[NOW_MS - 1, NOW_MS, NOW_MS]).unwrap();
        assert_eq!(logs.event_count("g"), 3);
        assert_eq!(put(&logs, &[NOW_MS, NOW_MS - 1]).unwrap_err().code, "InvalidParameterException");
        let wide = [NOW_MS - limits::BATCH_SPAN_MS_MAX - 1, NOW_MS];
        assert_eq!(put(&logs, &wide).unwrap_err().code, "InvalidParameterException");
        assert_eq!(put(&logs, &[]).unwrap_err().code, "InvalidParameterException");
    }

    #[test]
    fn events_too_old_or_too_new_are_left_out_and_told() {
        let logs = logs();
        let edge = NOW_MS - limits::AGE_MS_MAX;
        let answer = put(&logs, &[edge - 2, edge - 1, edge]).unwrap();
        assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 2}));
        let edge = NOW_MS + limits::FUTURE_MS_MAX;
        let answer = put(&logs, &[edge, edge + 1]).unwrap();
        assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooNewLogEventStartIndex": 1}));
        assert_eq!(logs.event_count("g"), 2);
    }

    #[test]
    fn what_exists_or_does_not_is_refused_by_name() {
        let logs = logs();
        let code = |operation, body| call(&logs, operation, body).unwrap_err().code;
        assert_eq!(code("CreateLogGroup", json!({"logGroupName": "g"})), "ResourceAlreadyExistsException");
        let stream = json!({"logGroupName": "g", "logStreamName": "s"});
        assert_eq!(code("CreateLogStream", stream), "ResourceAlreadyExistsException");
        assert_eq!(code("DeleteLogGroup", json!({"logGroupName": "h"})), "ResourceNotFoundException");
        assert_eq!(code("DeleteLogGroup", json!({"logGroupName": 5})), "SerializationException");
        assert_eq!(code("StartQuery", json!({})), "UnknownOperationException");
    }
}
