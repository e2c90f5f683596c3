//! Bytes as a source gave them → events and rejects. Nothing is dropped without a word, and nothing is copied that
//! does not have to be.
//!
//! What is understood, alone or inside one another:
//!
//! | shape | becomes |
//! |---|---|
//! | a record, JSON lines, several pretty-printed documents one after the other | an event each |
//! | `{"Records":[…]}`, or an array at the top | an event for each element |
//! | an EventBridge envelope (`detail-type` and `detail`) | the CloudTrail record in `detail`; the envelope itself where `detail` is something else. A `replay-name` stays, at the end of the record |
//! | a CloudWatch Logs subscription payload | what each `message` holds, with the log event as its origin; a control message is counted |
//! | the form that Lambda is called with, `{"awslogs":{"data":"…"}}` | what the data holds |
//! | gzip, also of several members, also as base64 | what it inflates to, within limits |
//!
//! The decision worth knowing: a line that starts with `{"eventVersion"` and ends with `}` is taken as a record
//! *without parsing it*. The matcher's projection walks every record anyway and rejects there, with a
//! [`Reason::NotJson`] of the same kind, what turns out to be broken. Such a line is checked here for UTF-8, size and
//! nesting only. Everything else goes through `serde_json` once, so each event that comes that way is known to be one
//! valid JSON object.
//!
//! One documented answer for each oddity:
//!
//! - Lone surrogates (`"\ud800"`) and numbers beyond any machine type are valid JSON text and pass. The exception is
//!   a lone surrogate in the `message` or `data` of a wrapper: it stands for no text, so there is nothing to decode.
//! - Duplicate keys of a record are left to the projection. If a wrapper has its array twice, all elements count; of
//!   its other members the last counts.
//! - A NUL byte outside a string is not JSON; inside a string it must be escaped, as JSON has it.
//! - Invalid UTF-8 costs the line that holds it; complete documents before it on that line are still events.
//! - Deep nesting never recurses: skipping is iterative, and wrappers are limited.
//! - A byte order mark at the start is skipped. Elements of `Records` that are not objects are rejected one by one.
//!
//! How broken text is got over, in time linear in its length, is told in `decode/text.rs`.

use bytes::Bytes;

use crate::delivery::Origin;
use crate::event::RawEvent;

mod gzip;
mod nesting;
mod object;
mod reject;
mod text;
mod within;
mod wrapper;

#[cfg(test)]
mod tests;

pub use reject::{Reason, Reject};
use text::Text;
use within::Within;

/// Whether the brackets of a JSON text nest deeper than that.
pub fn is_deeper_than(text: &str, nesting_max: usize) -> bool {
    nesting::is_deeper_than(text.as_bytes(), nesting_max)
}

/// What a gzip stream inflates to, or the bytes themselves if they are none. An error says why there may be more.
pub fn inflated(bytes: &Bytes, limits: &Limits) -> Result<Bytes, Reason> {
    if !bytes.starts_with(&gzip::MAGIC) {
        return Ok(bytes.clone());
    }
    let gzip::Inflated { bytes, stopped } = gzip::inflate(bytes, 0, limits);
    stopped.map_or(Ok(bytes.into()), Err)
}

/// The bytes that a body says it inflates to; none, if it is no gzip. Several members, and liars, inflate to more.
pub fn told_inflated_bytes(body: &Bytes) -> usize {
    if body.starts_with(&gzip::MAGIC) { gzip::told_size(body) } else { 0 }
}

/// What one delivery may cost. The defaults leave ample room above anything that AWS sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of one record; 1 MiB. CloudTrail's own end at 256 KiB, CloudWatch takes 1 MiB.
    pub record_bytes_max: usize,
    /// How deep a record may nest, itself counted as 1; 64.
    pub nesting_max: usize,
    /// What all gzip streams of one delivery may inflate to together, in bytes; 512 MiB.
    pub inflated_bytes_max: usize,
    /// How many times its compressed size a gzip stream may inflate to, judged once more than 1 MiB is out; 200.
    pub inflate_ratio_max: usize,
    /// How many members a gzip stream may have; any number. CloudTrail's own objects have one, and its digests vouch for no
    /// more than that.
    pub gzip_members_max: usize,
    /// How many wrappers may lie around an event; 4. Each gzip layer, `Records`, array, envelope, subscription payload
    /// and Lambda form counts as one. Base64 does not: it is only undone around gzip and in the Lambda form.
    pub wrappers_max: usize,
    /// Events and rejects that one delivery may give; 1,048,576. Keeps a body of tiny parts from filling the memory.
    pub parts_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes_max: 1 << 20,
            nesting_max: 64,
            inflated_bytes_max: 512 << 20,
            inflate_ratio_max: 200,
            gzip_members_max: usize::MAX,
            wrappers_max: 4,
            parts_max: 1 << 20,
        }
    }
}

/// What deliveries held. Reuse one for many deliveries to save allocations: [`decode`] only adds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The events, in the order in which they stand.
    pub events: Vec<RawEvent>,
    /// What did not decode, in the order in which it stands.
    pub rejects: Vec<Reject>,
    /// CloudWatch's `CONTROL_MESSAGE` probes, which hold no events.
    pub controls: u64,
}

impl Decoded {
    fn parts(&self) -> usize {
        self.events.len() + self.rejects.len()
    }
}

/// Decodes one delivery's body and adds what it held to `out`.
///
/// An event's bytes are the record's own, byte for byte (but for the name of a replay): a slice of `body` where the record stands there as it is,
/// a slice of the inflated or unescaped buffer where it does not. Lines are counted from `origin`; inside gzip they
/// are the lines of the inflated text.
pub fn decode(body: &Bytes, origin: &Origin, limits: &Limits, out: &mut Decoded) {
    let parts_max = out.parts().saturating_add(limits.parts_max);
    let mut decoder = Decoder { limits, out, parts_max, inflated_bytes: 0, stopped: false };
    decoder.body(Body { bytes: body, origin, wrappers: 0, counts_lines: true, cut: None });
}

/// One call of [`decode`] while it runs.
struct Decoder<'d> {
    limits: &'d Limits,
    out: &'d mut Decoded,
    /// `out` may grow to this many parts, and one more reject that says so.
    parts_max: usize,
    /// Over all gzip streams so far.
    inflated_bytes: usize,
    /// Set once `parts_max` is reached and told; nothing is added from then on.
    stopped: bool,
}

/// A buffer to decode: the delivery's own, or one that came out of a wrapper.
struct Body<'b> {
    bytes: &'b Bytes,
    origin: &'b Origin,
    wrappers: usize,
    /// False inside wrappers that stand within a line: their lines are not the source's.
    counts_lines: bool,
    /// Why the bytes end before the text does, if so.
    cut: Option<Reason>,
}

impl Decoder<'_> {
    fn body(&mut self, body: Body<'_>) {
        if body.bytes.starts_with(&gzip::MAGIC) { self.gzip(body) } else { Text::decode(self, body) }
    }

    fn gzip(&mut self, body: Body<'_>) {
        if body.wrappers >= self.limits.wrappers_max {
            return self.reject(&mut Within::new(&body), body.bytes, self.wrapped_too_deep());
        }
        let inflated = gzip::inflate(body.bytes, self.inflated_bytes, self.limits);
        self.inflated_bytes += inflated.bytes.len();
        self.body(Body {
            bytes: &Bytes::from(inflated.bytes),
            wrappers: body.wrappers + 1,
            cut: body.cut.or(inflated.stopped),
            ..body
        });
    }

    /// Adds a record, unless it is too large or too deep. `brackets` is how many open or close in it, at most.
    fn event(&mut self, within: &mut Within<'_>, record: &[u8], brackets: usize) {
        let Limits { record_bytes_max, nesting_max, .. } = *self.limits;
        if record.len() > record_bytes_max {
            return self.reject(within, record, Reason::TooLarge { record_bytes: record.len(), record_bytes_max });
        }
        if brackets > nesting_max && nesting::is_deeper_than(record, nesting_max) {
            return self.reject(within, record, Reason::TooDeep { nesting_max });
        }
        if !self.is_full(within, record) {
            let origin = within.origin_of(record);
            self.out.events.push(RawEvent { bytes: within.bytes.slice_ref(record), origin });
        }
    }

    fn reject(&mut self, within: &mut Within<'_>, part: &[u8], reason: Reason) {
        if !self.is_full(within, part) {
            let origin = within.origin_of(part);
            self.out.rejects.push(Reject::new(origin, reason, part));
        }
    }

    fn wrapped_too_deep(&self) -> Reason {
        Reason::WrappedTooDeep { wrappers_max: self.limits.wrappers_max }
    }

    fn parts_left(&self) -> usize {
        self.parts_max.saturating_sub(self.out.parts())
    }

    /// Whether there is no room for the part that starts at `part`. The first to find out rejects all from there on.
    fn is_full(&mut self, within: &mut Within<'_>, part: &[u8]) -> bool {
        if !self.stopped && self.parts_left() == 0 {
            self.stopped = true;
            let rest = &within.bytes[within.offset_of(part)..];
            let reason = Reason::TooManyParts { parts_max: self.limits.parts_max };
            self.out.rejects.push(Reject::new(within.origin_of(part), reason, rest));
        }
        self.stopped
    }
}
