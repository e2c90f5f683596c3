//! One finding as an entry of `PutEvents`: its detail, its size, and the way that it has come.
//!
//! The detail is the finding's own JSON with one member more, `trailwatch`, which says which instance sent it, how many
//! instances it has come through, and what was left out of it for its size.

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::finding::Finding;

/// What the entries of a call may have together, and so one entry alone: under 256 KB, whichever way that is counted. AWS
/// takes more by now, but not every target of a rule does.
const CALL_BYTES_MAX: usize = 256_000;

/// The size that EventBridge counts for a time.
const TIME_BYTES: usize = 14;

/// What the detail type of a digest ends with.
pub(super) const DIGEST: &str = " Digest";

/// The most instances that a finding about findings may come through.
const HOPS_MAX: usize = 8;

/// An event, ready to be put.
pub(super) struct Entry {
    detail_type: String,
    detail: String,
    time: Option<Timestamp>,
    trace_header: Option<String>,
    bytes: usize,
}

/// The member `trailwatch` of a detail.
#[derive(Serialize)]
struct Marker<'a> {
    /// Who sent it.
    instance: &'a str,
    /// How many instances it has come through, this one included.
    hops: usize,
    /// Which ones, the latest first.
    via: &'a [String],
    /// The members that were emptied, for the size.
    trimmed: &'a [&'a str],
}

/// A member of a finding, and how it is emptied.
type Trim = (&'static str, fn(&mut Finding));

/// What is emptied of a finding that is too large, in this order.
const TRIMS: [Trim; 3] = [
    ("events", |finding| finding.events.clear()),
    ("why", |finding| finding.why.clear()),
    ("group", |finding| finding.group.clear()),
];

impl Entry {
    /// The entry of a finding, or why it is not to be sent.
    pub(super) fn new(finding: &Finding, settings: &Settings, now_s: i64) -> Result<Self, String> {
        let via = way(finding)?;
        if via.contains(&settings.instance) {
            return Err(format!(
                "it is about a finding that came through `{}` itself (it would go in circles)",
                settings.instance
            ));
        }
        let time: Option<Timestamp> = finding.time.as_deref().and_then(|time| time.parse().ok());
        let detail_type = detail_type(finding, settings);
        let other_bytes = settings.source.len() + detail_type.len() + if time.is_some() { TIME_BYTES } else { 0 };
        let detail = detail(finding, &settings.instance, &via, CALL_BYTES_MAX - other_bytes)?;
        let bytes = detail.len() + other_bytes;
        Ok(Self { detail_type, detail, time, trace_header: trace_header(&finding.id, now_s), bytes })
    }

    /// The entry as the SDK has it.
    pub(super) fn request(&self, settings: &Settings) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&settings.bus)
            .source(&settings.source)
            .detail_type(&self.detail_type)
            .detail(&self.detail)
            .set_time(self.time.map(|time| DateTime::from_secs(time.as_second())))
            .set_trace_header(self.trace_header.clone())
            .build()
    }
}

/// A digest has a type of its own: whoever acts on each finding, and on the event in it, is not to be given one without.
fn detail_type(finding: &Finding, settings: &Settings) -> String {
    let digest = if finding.digest.is_some() { DIGEST } else { "" };
    format!("{}{digest}", settings.detail_type)
}

/// How many of the entries, from the first on, go into one call; at least one.
pub(super) fn fitting(entries: &[&Entry], entries_max: usize) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(entries_max).take_while(|entry| {
        bytes += entry.bytes;
        bytes <= CALL_BYTES_MAX
    });
    fits.count().max(1)
}

/// The detail, without as much of the finding as it takes to keep within the bytes.
fn detail(finding: &Finding, instance: &str, via: &[String], bytes_max: usize) -> Result<String, String> {
    let (mut finding, mut trimmed) = (finding.clone(), Vec::new());
    let mut trims = TRIMS.iter();
    loop {
        let marker = Marker { instance, hops: via.len() + 1, via, trimmed: &trimmed };
        let detail = marked(&finding.to_json(), &marker);
        if detail.len() <= bytes_max {
            return Ok(detail);
        }
        let Some((name, trim)) = trims.next() else {
            return Err(format!("it is too large for an event: {} bytes, and {bytes_max} are taken", detail.len()));
        };
        trim(&mut finding);
        trimmed.push(*name);
    }
}

/// A finding's JSON with the marker as its last member. The events in it stay as they were recorded.
fn marked(json: &str, marker: &Marker<'_>) -> String {
    let members = json.strip_suffix('}').unwrap_or(json);
    // Strings and numbers: there is nothing that could fail.
    format!("{members},\"trailwatch\":{}}}", serde_json::to_string(marker).unwrap_or_default())
}

/// The header by which X-Ray knows what came of one finding as one trace. Whether it is sampled is for its receivers.
fn trace_header(id: &str, now_s: i64) -> Option<String> {
    let is_id = id.len() >= 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| format!("Root=1-{now_s:08x}-{}", &id[..24]))
}

/// What a finding that has come back as an event says of its way, in its envelope or without it.
#[derive(Deserialize)]
struct Returned {
    trailwatch: Option<ReturnedMarker>,
    detail: Option<Box<Self>>,
}

#[derive(Deserialize)]
struct ReturnedMarker {
    instance: String,
    #[serde(default)]
    via: Vec<String>,
}

/// The instances that the events of a finding have come through as findings, the latest first.
fn way(finding: &Finding) -> Result<Vec<String>, String> {
    let ways = finding.events.iter().filter_map(|event| {
        // An event that says something else there is none of ours.
        let returned: Returned = serde_json::from_str(event.get()).ok()?;
        let marker = returned.trailwatch.or_else(|| returned.detail?.trailwatch)?;
        Some([vec![marker.instance], marker.via].concat())
    });
    match ways.max_by_key(Vec::len).unwrap_or_default() {
        way if way.len() >= HOPS_MAX => Err(format!("it is about a finding that came through {} instances", way.len())),
        way => Ok(way),
    }
}
