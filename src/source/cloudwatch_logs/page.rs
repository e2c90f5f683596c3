//! One call of `FilterLogEvents`: a query goes out, a page or a failure comes back.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::builders::FilterLogEventsFluentBuilder;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use bytes::Bytes;

use super::group::Group;
use crate::source::aws::trouble::{Failure, FailureKind};

/// How long a call may take, whatever the client's own limits are.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What one call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// The first timestamp, in milliseconds.
    pub(super) from_ms: i64,
    /// The last timestamp, inclusive; `None` is the open end.
    pub(super) to_ms: Option<i64>,
    /// What the last page of the same range gave.
    pub(super) token: Option<String>,
}

/// What one call gave.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) records: Vec<LogRecord>,
    pub(super) token: Option<String>,
}

/// A log event as the service gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogRecord {
    pub(super) stream: String,
    pub(super) id: String,
    pub(super) timestamp_ms: i64,
    pub(super) ingestion_ms: i64,
    pub(super) message: Bytes,
}

/// How a query names the group. The service takes a name or an identifier, not both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Name,
    Arn,
}

/// Calls the service once.
pub(super) async fn read(
    client: &Client,
    (group, naming): (&Group, Naming),
    filter_pattern: Option<&str>,
    query: &Query,
) -> Result<Page, Failure> {
    let call = filter_log_events(client, (group, naming))
        .start_time(query.from_ms.max(0))
        .set_end_time(query.to_ms)
        .set_filter_pattern(filter_pattern.map(str::to_owned))
        .set_next_token(query.token.clone());
    answer(call, query).await
}

/// Calls the service once for the newest events, whatever they are.
pub(super) async fn read_newest(
    client: &Client,
    (group, naming): (&Group, Naming),
    from_ms: i64,
    limit: i32,
) -> Result<Page, Failure> {
    let query = Query { from_ms, to_ms: None, token: None };
    let call =
        filter_log_events(client, (group, naming)).start_time(from_ms.max(0)).limit(limit).start_from_head(false);
    answer(call, &query).await
}

fn filter_log_events(client: &Client, (group, naming): (&Group, Naming)) -> FilterLogEventsFluentBuilder {
    let arn = group.arn.as_ref().filter(|_| naming == Naming::Arn).map(|arn| arn.text.clone());
    let name = arn.is_none().then(|| group.name.clone());
    client.filter_log_events().set_log_group_identifier(arn).set_log_group_name(name)
}

async fn answer(call: FilterLogEventsFluentBuilder, query: &Query) -> Result<Page, Failure> {
    match tokio::time::timeout(CALL_TIMEOUT, call.send()).await {
        Ok(Ok(output)) => Ok(Page::new(output, query)),
        Ok(Err(error)) => Err(Failure::of(&error)),
        Err(_) => Err(Failure::new(FailureKind::Unavailable, "no answer in time")),
    }
}

impl Page {
    /// Takes what lies in the range that was asked for.
    fn new(output: FilterLogEventsOutput, query: &Query) -> Self {
        let events = output.events.unwrap_or_default().into_iter();
        let wanted = query.from_ms..=query.to_ms.unwrap_or(i64::MAX);
        let records = events.map(|event| LogRecord::new(event, query.from_ms));
        let records = records.filter(|record| wanted.contains(&record.timestamp_ms)).collect();
        Self { records, token: output.next_token.filter(|token| !token.is_empty()) }
    }
}

impl LogRecord {
    /// An event without a timestamp, which the service never gives, counts as the start of what was asked for.
    fn new(event: FilteredLogEvent, from_ms: i64) -> Self {
        let timestamp_ms = event.timestamp.unwrap_or(from_ms);
        Self {
            stream: event.log_stream_name.unwrap_or_default(),
            id: event.event_id.unwrap_or_default(),
            timestamp_ms,
            ingestion_ms: event.ingestion_time.unwrap_or(timestamp_ms),
            message: Bytes::from(event.message.unwrap_or_default()),
        }
    }
}
