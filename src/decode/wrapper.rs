//! What a JSON value is, and what is taken out of it: `Records`, arrays, envelopes, subscription payloads.
//!
//! Wrappers are told by the few members that make them one, so that one with unforeseen further members still opens.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::object::{self, Value};
use super::within::offset_in;
use super::{Body, Decoder, Reason, Within, nesting};
use crate::delivery::{LogPlace, Origin, Place};
use crate::event::envelope::REPLAY_NAME;

/// How CloudTrail's own records start. What starts so is a record, not a wrapper.
pub(super) const RECORD_START: &str = "{\"eventVersion\"";

/// What a wrapper holds.
enum Content<'v, 'a> {
    Elements(&'v [&'a RawValue]),
    LogEvents(&'v [&'a RawValue]),
    /// What `aws cloudtrail lookup-events` prints.
    LookedUp(&'v [&'a RawValue]),
    Control,
    Lambda(&'a RawValue),
    Record(&'a RawValue),
    /// A record that a replay of the name sent.
    Replayed(&'a RawValue, &'a RawValue),
}

impl Decoder<'_> {
    /// Takes a valid JSON object or array of which `value` is what a scan found.
    pub(super) fn value(&mut self, within: &mut Within<'_>, text: &str, value: &Value<'_>, wrappers: usize) {
        match content(text, value) {
            None => self.event(within, text.as_bytes(), nesting::openings(text.as_bytes())),
            Some(_) if wrappers >= self.limits.wrappers_max => {
                self.reject(within, text.as_bytes(), self.wrapped_too_deep());
            }
            Some(content) => self.unwrap(within, text, value, content, wrappers + 1),
        }
    }

    /// Takes the complete elements of a wrapper that breaks off. Returns how much of `text` is dealt with.
    pub(super) fn salvage(&mut self, within: &mut Within<'_>, text: &str, value: &Value<'_>, wrappers: usize) -> usize {
        let Some(content) = content(text, value) else { return 0 };
        let (Content::Elements(elements) | Content::LogEvents(elements)) = content else { return 0 };
        // Without an object among them it is no wrapper but plain text, like `[12:30] started`.
        let holds_objects = elements.iter().any(|element| element.get().starts_with('{'));
        match elements.last() {
            Some(last) if holds_objects && wrappers < self.limits.wrappers_max => {
                let end = offset_in(text.as_bytes(), last.get().as_bytes()) + last.get().len();
                self.unwrap(within, text, value, content, wrappers + 1);
                end
            }
            _ => 0,
        }
    }

    fn unwrap(
        &mut self,
        within: &mut Within<'_>,
        text: &str,
        value: &Value<'_>,
        content: Content<'_, '_>,
        wrappers: usize,
    ) {
        match content {
            Content::Elements(elements) => self.elements(within, elements, wrappers),
            Content::LogEvents(log_events) => self.log_events(within, log_events, value, wrappers),
            Content::LookedUp(events) => self.looked_up(within, events, wrappers),
            Content::Control => self.out.controls += 1,
            Content::Lambda(awslogs) => self.lambda(within, text, awslogs, wrappers),
            Content::Record(detail) => {
                let record = detail.get().as_bytes();
                self.event(within, record, nesting::openings(record));
            }
            Content::Replayed(detail, name) => self.replayed(within, detail.get(), name.get(), wrappers),
        }
    }

    /// Takes a record, with the name of the replay as one member more at its end: so it can be seen and asked for.
    fn replayed(&mut self, within: &mut Within<'_>, record: &str, name: &str, wrappers: usize) {
        let origin = within.origin_of(record.as_bytes());
        let marked = format!("{},\"{REPLAY_NAME}\":{name}}}", record.strip_suffix('}').unwrap_or(record));
        let bytes = Bytes::from(marked);
        let body = Body { bytes: &bytes, origin: &origin, wrappers, counts_lines: false, cut: None };
        self.event(&mut Within::new(&body), &bytes, nesting::openings(&bytes));
    }

    fn elements(&mut self, within: &mut Within<'_>, elements: &[&RawValue], wrappers: usize) {
        for element in elements {
            let text = element.get();
            if self.is_full(within, text.as_bytes()) {
                return;
            }
            if text.starts_with(RECORD_START) {
                self.event(within, text.as_bytes(), nesting::openings(text.as_bytes()));
            } else if text.starts_with('{') {
                let value = object::scan(text, self.parts_left() + 1).value;
                self.value(within, text, &value, wrappers);
            } else {
                self.reject(within, text.as_bytes(), not_an_object(text));
            }
        }
    }

    fn log_events(&mut self, within: &mut Within<'_>, log_events: &[&RawValue], payload: &Value<'_>, wrappers: usize) {
        let group = payload.log_group.and_then(object::string);
        let source = group.map_or_else(|| Arc::clone(&within.origin.source), |group| Arc::from(&*group));
        let stream = payload.log_stream.and_then(object::string).unwrap_or_default();
        for log_event in log_events {
            let text = log_event.get();
            if self.is_full(within, text.as_bytes()) {
                return;
            }
            if !text.starts_with('{') {
                self.reject(within, text.as_bytes(), not_an_object(text));
                continue;
            }
            let log_event = object::scan(text, 0).value;
            let Some(message) = log_event.message.and_then(|message| string_bytes(within, message)) else {
                self.reject(within, text.as_bytes(), Reason::NoContent { field: "message" });
                continue;
            };
            let origin = Origin { source: Arc::clone(&source), place: log_place(&stream, &log_event) };
            self.body(Body { bytes: &message, origin: &origin, wrappers, counts_lines: false, cut: None });
        }
    }

    fn looked_up(&mut self, within: &mut Within<'_>, events: &[&RawValue], wrappers: usize) {
        for event in events {
            let text = event.get();
            if self.is_full(within, text.as_bytes()) {
                return;
            }
            match cloudtrail_event(text).and_then(|record| string_bytes(within, record)) {
                Some(record) => {
                    let origin = within.origin_of(text.as_bytes());
                    self.body(Body { bytes: &record, origin: &origin, wrappers, counts_lines: false, cut: None });
                }
                None => self.reject(within, text.as_bytes(), Reason::NoContent { field: "CloudTrailEvent" }),
            }
        }
    }

    fn lambda(&mut self, within: &mut Within<'_>, text: &str, awslogs: &RawValue, wrappers: usize) {
        let data = awslogs.get().starts_with('{').then(|| object::scan(awslogs.get(), 0).value.data).flatten();
        match data.and_then(object::string) {
            Some(data) => self.base64(within, text.as_bytes(), &data, wrappers),
            None => self.reject(within, text.as_bytes(), Reason::NoContent { field: "awslogs.data" }),
        }
    }

    /// Decodes what `data` is the base64 of. `part` is where it stands in the buffer.
    pub(super) fn base64(&mut self, within: &mut Within<'_>, part: &[u8], data: &str, wrappers: usize) {
        let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        match STANDARD_PAD_INDIFFERENT.decode(packed) {
            Ok(bytes) => {
                let origin = within.origin_of(part);
                let bytes = Bytes::from(bytes);
                self.body(Body { bytes: &bytes, origin: &origin, wrappers, counts_lines: false, cut: None });
            }
            Err(error) => self.reject(within, part, Reason::not_base64(&error)),
        }
    }
}

/// What the value wraps; `None` if it is no wrapper.
fn content<'v, 'a>(text: &str, value: &'v Value<'a>) -> Option<Content<'v, 'a>> {
    if text.starts_with(RECORD_START) {
        return None;
    }
    if let Some(elements) = value.elements.as_ref().or(value.records.as_ref()) {
        return Some(Content::Elements(elements));
    }
    if let (Some(log_events), Some(message_type)) = (&value.log_events, value.message_type) {
        match message_type.get() {
            "\"DATA_MESSAGE\"" => return Some(Content::LogEvents(log_events)),
            "\"CONTROL_MESSAGE\"" => return Some(Content::Control),
            _ => {}
        }
    }
    if let Some(events) = &value.events
        && events.first().is_some_and(|event| cloudtrail_event(event.get()).is_some())
    {
        return Some(Content::LookedUp(events));
    }
    if let Some(awslogs) = value.awslogs {
        return Some(Content::Lambda(awslogs));
    }
    let detail = value.detail.filter(|detail| value.has_detail_type && is_record(detail.get()))?;
    Some(match value.replay_name.filter(|name| name.get().starts_with('"')) {
        Some(name) => Content::Replayed(detail, name),
        None => Content::Record(detail),
    })
}

/// The record within an event of `LookupEvents`: a string of JSON.
fn cloudtrail_event(text: &str) -> Option<&RawValue> {
    text.starts_with('{').then(|| object::scan(text, 0).value.cloudtrail_event).flatten()
}

fn is_record(text: &str) -> bool {
    text.starts_with(RECORD_START) || (text.starts_with('{') && object::scan(text, 0).value.is_cloudtrail_record())
}

/// The string's bytes: a slice of the buffer where nothing is escaped.
fn string_bytes(within: &Within<'_>, raw: &RawValue) -> Option<Bytes> {
    object::string(raw).map(|string| match string {
        Cow::Borrowed(slice) => within.bytes.slice_ref(slice.as_bytes()),
        Cow::Owned(string) => Bytes::from(string),
    })
}

/// A subscription payload has one time only, so it stands for both.
fn log_place(stream: &str, log_event: &Value<'_>) -> Place {
    let timestamp_ms = log_event.timestamp.and_then(|number| number.get().parse().ok()).unwrap_or_default();
    let event_id = log_event.id.and_then(object::string).unwrap_or_default().into_owned();
    let stream = stream.to_owned();
    Place::LogEvent(Arc::new(LogPlace { stream, event_id, timestamp_ms, ingestion_ms: timestamp_ms }))
}

/// The reason for a JSON value that is no object.
pub(super) fn not_an_object(text: &str) -> Reason {
    let found = match text.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    Reason::NotAnObject { found }
}
