//! What a source hands over, before anything is known about it: bytes, where they came from, and a receipt.
//!
//! Pure, so that decoding knows where its bytes came from without knowing any source.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

/// A unit of transport, with its bytes as they came: one log event, one queue message, one object, one chunk of
/// whole lines of a file.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The bytes as the service or file gave them: maybe compressed, maybe wrapped, maybe no JSON at all.
    pub body: Bytes,
    /// Where the bytes came from.
    pub origin: Origin,
    /// What commits this delivery once everything in it has been dealt with.
    pub receipt: Receipt,
}

/// The opaque token by which a source is told that a delivery is dealt with. Rises by delivery within one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(pub u64);

/// Where bytes came from, precise enough to find them again. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The source's name: a log group, a file's path, `-` for standard input.
    pub source: Arc<str>,
    /// The place within the source.
    pub place: Place,
}

/// A place within a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing more is known than the source.
    Whole,
    /// A line of a file, counted from 1. For a chunk of lines: its first line.
    Line(u64),
    /// An event of a CloudWatch Logs group.
    LogEvent(Arc<LogPlace>),
    /// A message of a queue.
    Message(Arc<MessagePlace>),
    /// An object that a message told of, by when that was sent, in milliseconds since 1970.
    Told(i64),
    /// A request, by the address that it came from.
    Request(IpAddr),
}

/// The coordinates of a CloudWatch Logs event, as `FilterLogEvents` gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// The log stream's name.
    pub stream: String,
    /// CloudWatch's id of the event; empty where the way of reading gives none.
    pub event_id: String,
    /// The log event's timestamp in milliseconds since 1970; for CloudTrail about the time of delivery, not of the call.
    pub timestamp_ms: i64,
    /// When CloudWatch took the event in, in milliseconds since 1970.
    pub ingestion_ms: i64,
}

/// The coordinates of a message, as SQS gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePlace {
    /// The message's id.
    pub id: String,
    /// When it was sent to the queue, in milliseconds since 1970.
    pub sent_ms: i64,
}

impl Origin {
    /// The start of a source, with no finer place.
    pub fn whole(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), place: Place::Whole }
    }

    /// A line of a file.
    pub fn line(source: impl Into<Arc<str>>, line: u64) -> Self {
        Self { source: source.into(), place: Place::Line(line) }
    }

    /// The same source, `lines` further on. Places that are not lines stay as they are.
    pub fn advanced(&self, lines: u64) -> Self {
        let place = match &self.place {
            Place::Line(first) => Place::Line(first + lines),
            other => other.clone(),
        };
        Self { source: Arc::clone(&self.source), place }
    }

    /// When the service had the bytes, if it said, in milliseconds since 1970: when CloudWatch took the log event in, or when
    /// the message was sent.
    pub fn delivered_ms(&self) -> Option<i64> {
        let ms = match &self.place {
            Place::LogEvent(place) => Some(place.ingestion_ms),
            Place::Told(sent_ms) => Some(*sent_ms),
            Place::Message(place) => Some(place.sent_ms),
            _ => None,
        };
        // Where nothing is said there is a zero.
        ms.filter(|ms| *ms > 0)
    }
}

/// `NAME`, `NAME:LINE`, `GROUP STREAM EVENT_ID`, `QUEUE MESSAGE_ID` or `NAME from ADDRESS`. Not escaped: whoever prints it does that.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Whole | Place::Told(_) => write!(f, "{}", self.source),
            Place::Line(line) => write!(f, "{}:{line}", self.source),
            Place::LogEvent(place) => write!(f, "{} {} {}", self.source, place.stream, place.event_id),
            Place::Message(place) => write!(f, "{} {}", self.source, place.id),
            Place::Request(from) => write!(f, "{} from {from}", self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_service_had_it_is_what_the_service_says() {
        let (stream, event_id) = (String::new(), String::new());
        let log = LogPlace { stream, event_id, timestamp_ms: 1_000, ingestion_ms: 2_000 };
        let message = |sent_ms| Place::Message(Arc::new(MessagePlace { id: String::new(), sent_ms }));
        for (place, expected) in [
            (Place::LogEvent(Arc::new(log)), Some(2_000)),
            (message(3_000), Some(3_000)),
            (message(0), None),
            (message(i64::MIN), None),
            (Place::Told(4_000), Some(4_000)),
            (Place::Whole, None),
            (Place::Line(7), None),
        ] {
            let origin = Origin { source: "x".into(), place: place.clone() };
            assert_eq!(origin.delivered_ms(), expected, "{place:?}");
        }
    }
}
