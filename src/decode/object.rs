//! One pass over one JSON value: where it ends, whether it is valid, and the few members that tell wrappers apart.
//!
//! The arrays of wrappers are taken apart in that same pass, so a file of a hundred thousand records is walked once,
//! and if it breaks off, the elements before the break are still there. Values are skipped by `serde_json` without
//! recursion and without judging their content: lone surrogates and huge numbers are valid JSON text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::within::offset_in;
use crate::event::envelope::REPLAY_NAME;

/// What a pass over a value found, up to its end or to where it breaks.
pub(super) struct Scan<'a> {
    pub(super) value: Value<'a>,
    /// Just after the value, or about where it breaks; from the start of the text.
    pub(super) end: usize,
    pub(super) error: Option<serde_json::Error>,
}

/// The members that matter, as they stand in the text.
#[derive(Default)]
pub(super) struct Value<'a> {
    /// The elements, if the value itself is an array.
    pub(super) elements: Option<Vec<&'a RawValue>>,
    pub(super) records: Option<Vec<&'a RawValue>>,
    pub(super) log_events: Option<Vec<&'a RawValue>>,
    /// What `aws cloudtrail lookup-events` prints.
    pub(super) events: Option<Vec<&'a RawValue>>,
    pub(super) cloudtrail_event: Option<&'a RawValue>,
    pub(super) message_type: Option<&'a RawValue>,
    pub(super) log_group: Option<&'a RawValue>,
    pub(super) log_stream: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) timestamp: Option<&'a RawValue>,
    pub(super) message: Option<&'a RawValue>,
    pub(super) awslogs: Option<&'a RawValue>,
    pub(super) data: Option<&'a RawValue>,
    pub(super) detail: Option<&'a RawValue>,
    pub(super) replay_name: Option<&'a RawValue>,
    pub(super) has_detail_type: bool,
    has_event_version: bool,
    has_event_source: bool,
    has_event_name: bool,
}

impl Value<'_> {
    /// Whether this is what CloudTrail writes. An Insight has a version but no name; other services' events may have
    /// a name, but neither a source with it nor a version.
    pub(super) fn is_cloudtrail_record(&self) -> bool {
        self.has_event_version || (self.has_event_source && self.has_event_name)
    }
}

/// Walks the object or array that `text` starts with. Of an array's elements at most `elements_max` are listed.
pub(super) fn scan(text: &str, elements_max: usize) -> Scan<'_> {
    let mut value = Value::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let result = if text.starts_with('[') {
        let into = value.elements.insert(Vec::new());
        Elements { into, elements_max }.deserialize(&mut json)
    } else {
        json.deserialize_map(Members { text, value: &mut value, elements_max })
    };
    let end = json.into_iter::<IgnoredAny>().byte_offset();
    Scan { value, end, error: result.err() }
}

/// The string that a raw value is, or `None` if it is another type or cannot be unescaped.
pub(super) fn string<'a>(raw: &'a RawValue) -> Option<Cow<'a, str>> {
    let content = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return Some(Cow::Borrowed(content));
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

struct Members<'p, 'a> {
    text: &'a str,
    value: &'p mut Value<'a>,
    elements_max: usize,
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        // Keys are taken raw: unescaping would refuse a lone surrogate.
        while let Some(key) = map.next_key::<&'a RawValue>()? {
            self.member(key, &mut map)?;
        }
        Ok(())
    }
}

impl<'a> Members<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &'a RawValue, map: &mut A) -> Result<(), A::Error> {
        let name = string(key).unwrap_or_default();
        let elements_max = self.elements_max;
        if let Some(into) = self.array(&name, key) {
            return map.next_value_seed(Elements { into, elements_max });
        }
        let value = &mut *self.value;
        let slot = match &*name {
            "messageType" => &mut value.message_type,
            "logGroup" => &mut value.log_group,
            "logStream" => &mut value.log_stream,
            "id" => &mut value.id,
            "timestamp" => &mut value.timestamp,
            "message" => &mut value.message,
            "awslogs" => &mut value.awslogs,
            "data" => &mut value.data,
            "detail" => &mut value.detail,
            REPLAY_NAME => &mut value.replay_name,
            "CloudTrailEvent" => &mut value.cloudtrail_event,
            _ => {
                value.note(&name);
                return map.next_value::<IgnoredAny>().map(drop);
            }
        };
        *slot = Some(map.next_value()?);
        Ok(())
    }

    /// Where the elements go if this member is a wrapper's array.
    fn array(&mut self, name: &str, key: &RawValue) -> Option<&mut Vec<&'a RawValue>> {
        let slot = match name {
            "Records" => &mut self.value.records,
            "logEvents" => &mut self.value.log_events,
            "Events" => &mut self.value.events,
            _ => return None,
        };
        // To ask the parser for an array where there is none would be an error, so look ahead.
        let after = offset_in(self.text.as_bytes(), key.get().as_bytes()) + key.get().len();
        let ahead = self.text[after..].trim_ascii_start().strip_prefix(':')?;
        ahead.trim_ascii_start().starts_with('[').then(|| slot.get_or_insert_default())
    }
}

impl Value<'_> {
    fn note(&mut self, name: &str) {
        match name {
            "detail-type" => self.has_detail_type = true,
            "eventVersion" => self.has_event_version = true,
            "eventSource" => self.has_event_source = true,
            "eventName" => self.has_event_name = true,
            _ => {}
        }
    }
}

struct Elements<'p, 'a> {
    into: &'p mut Vec<&'a RawValue>,
    elements_max: usize,
}

impl<'a> DeserializeSeed<'a> for Elements<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while self.into.len() < self.elements_max {
            match seq.next_element::<&'a RawValue>()? {
                Some(element) => self.into.push(element),
                None => return Ok(()),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
