//! `StartLiveTail` over HTTP: an answer that goes on, in frames of AWS's event streams.

use std::io;
use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::unsendable;
use crate::sim::Logs;
use crate::sim::fault::{Fault, StreamEnd};
use crate::sim::logs::{LiveRequest, LiveSession};
use crate::sim::refusal::Refusal;

/// An answer under way.
struct Answer {
    session: LiveSession,
    interval: Duration,
    /// What it comes to after so many updates.
    end: Option<(usize, StreamEnd)>,
    updates: usize,
    begun: bool,
    over: bool,
    closing: CancellationToken,
}

/// Opens a session; its answer ends when the endpoint is stopped.
pub(super) fn answer(
    logs: &Logs,
    body: Value,
    fault: Option<&Fault>,
    closing: CancellationToken,
) -> Result<Response, Refusal> {
    let request: LiveRequest = serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))?;
    let session = logs.start_live_tail(request)?;
    let end = match fault {
        Some(Fault::Stream { after_updates, then }) => Some((*after_updates, then.clone())),
        _ => None,
    };
    let interval = logs.live_interval();
    let answer = Answer { session, interval, end, updates: 0, begun: false, over: false, closing };
    let chunks = stream::unfold(answer, |mut answer| async move {
        let chunk = answer.next().await?;
        Some((chunk, answer))
    });
    let response = Response::builder().header("content-type", "application/vnd.amazon.eventstream");
    Ok(response.body(Body::from_stream(chunks)).unwrap_or_else(|_| unsendable()))
}

impl Answer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.over {
            return None;
        }
        if !self.begun {
            self.begun = true;
            let first = [event("initial-response", &json!({})), event("sessionStart", &self.session.start())];
            return Some(Ok(first.concat().into()));
        }
        tokio::select! {
            () = self.closing.cancelled() => return None,
            () = tokio::time::sleep(self.interval) => {}
        }
        let update = event("sessionUpdate", &self.session.update());
        match self.end.clone().filter(|(after, _)| *after == self.updates) {
            Some((_, end)) => self.end(end, &update).await,
            None => {
                self.updates += 1;
                Some(Ok(update.into()))
            }
        }
    }

    async fn end(&mut self, end: StreamEnd, update: &[u8]) -> Option<io::Result<Bytes>> {
        match end {
            StreamEnd::Closes => None,
            StreamEnd::Raises(code) => {
                self.over = true;
                Some(Ok(exception(&code).into()))
            }
            StreamEnd::Stalls => {
                self.closing.cancelled().await;
                None
            }
            StreamEnd::Breaks if self.updates == usize::MAX => {
                Some(Err(io::Error::other("the stream is broken on purpose")))
            }
            StreamEnd::Breaks => {
                // Half a frame first; the next call breaks the connection.
                self.updates = usize::MAX;
                self.end = Some((usize::MAX, StreamEnd::Breaks));
                Some(Ok(Bytes::copy_from_slice(&update[..update.len() / 2])))
            }
        }
    }
}

fn event(kind: &str, content: &Value) -> Vec<u8> {
    frame(&[(":message-type", "event"), (":event-type", kind)], content)
}

fn exception(code: &str) -> Vec<u8> {
    let content = json!({"message": "The session is ended on purpose."});
    frame(&[(":message-type", "exception"), (":exception-type", code)], &content)
}

fn frame(headers: &[(&str, &str)], content: &Value) -> Vec<u8> {
    let mut message = Message::new(content.to_string().into_bytes());
    for (name, value) in headers.iter().chain(&[(":content-type", "application/x-amz-json-1.1")]) {
        message = message.add_header(Header::new((*name).to_owned(), HeaderValue::String((*value).to_owned().into())));
    }
    let mut bytes = Vec::new();
    // Only headers longer than the format knows can fail.
    let _ = write_message_to(&message, &mut bytes);
    bytes
}
