//! What is measured: the ways of one chunk of lines. Each returns a number, so that nothing of it can be left out.

use std::sync::LazyLock;

use bytes::Bytes;
use hifijson::token::Lex as _;
use serde::de::IgnoredAny;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::Origin;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Fields, Projection};

/// The buffers that are kept from chunk to chunk.
pub struct Work {
    origin: Origin,
    limits: Limits,
    decoded: Decoded,
    scratch: Scratch,
}

impl Default for Work {
    fn default() -> Self {
        let origin = Origin::line("bench", 1);
        Self { origin, limits: Limits::default(), decoded: Decoded::default(), scratch: Scratch::default() }
    }
}

impl Work {
    /// Finds the records of a chunk.
    pub fn frame(&mut self, chunk: &Bytes) -> usize {
        self.decoded.events.clear();
        self.decoded.rejects.clear();
        decode(chunk, &self.origin, &self.limits, &mut self.decoded);
        self.decoded.events.len()
    }

    /// Finds the records and holds each against the rules; the number of matches.
    pub fn matches(&mut self, rules: &RuleSet, chunk: &Bytes) -> usize {
        self.frame(chunk);
        let mut matches = 0;
        for event in &self.decoded.events {
            let text = simdutf8::basic::from_utf8(&event.bytes).unwrap();
            matches += rules.evaluate(text, &mut self.scratch).unwrap().matches.len();
        }
        matches
    }
}

/// A parser that can pass over a value and say whether it was JSON.
pub type Skip = fn(&str) -> bool;

/// The parsers that the floor is chosen from.
pub const PARSERS: &[(&str, Skip)] = &[
    ("serde_json IgnoredAny", |line| serde_json::from_str::<IgnoredAny>(line).is_ok()),
    ("sonic-rs IgnoredAny", |line| sonic_rs::from_str::<IgnoredAny>(line).is_ok()),
    ("sonic-rs LazyValue", |line| sonic_rs::from_str::<sonic_rs::LazyValue<'_>>(line).is_ok()),
    ("hifijson ignore", |line| {
        let mut lexer = hifijson::SliceLexer::new(line.as_bytes());
        lexer.exactly_one(|lexer| lexer.ws_peek(), hifijson::ignore::parse).is_ok()
    }),
    ("the projection, nothing wanted", |line| NOTHING.read(line, &mut Fields::default()).is_ok()),
];

/// Wants nothing, so it passes over everything.
static NOTHING: LazyLock<Projection> = LazyLock::new(|| Projection::new(Vec::new()));

/// The floor: a chunk found to be UTF-8, split into lines, each found to be JSON and nothing kept of it.
pub fn skip(parser: Skip, chunk: &Bytes) -> usize {
    let text = simdutf8::basic::from_utf8(chunk).unwrap();
    let mut from = 0;
    let mut good = 0;
    for end in memchr::memchr_iter(b'\n', chunk) {
        good += usize::from(parser(&text[from..end]));
        from = end + 1;
    }
    good
}
