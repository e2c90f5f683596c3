//! A buffer and how far its lines are counted: from a slice of it to the slice's origin.
//!
//! Lines are counted forward only, as parts are told in the order in which they stand, so that each byte is looked
//! at once. They are not counted at all where the origin has no line.

use bytes::Bytes;

use super::Body;
use crate::delivery::{Origin, Place};

/// The buffer that parts are slices of.
pub(super) struct Within<'b> {
    pub(super) bytes: &'b Bytes,
    pub(super) origin: &'b Origin,
    counts_lines: bool,
    counted_to: usize,
    lines: u64,
}

impl<'b> Within<'b> {
    pub(super) fn new(body: &Body<'b>) -> Self {
        let counts_lines = body.counts_lines && matches!(body.origin.place, Place::Line(_));
        Self { bytes: body.bytes, origin: body.origin, counts_lines, counted_to: 0, lines: 0 }
    }

    /// Where `part`, a slice of the buffer, came from.
    pub(super) fn origin_of(&mut self, part: &[u8]) -> Origin {
        if !self.counts_lines {
            return self.origin.clone();
        }
        let offset = self.offset_of(part);
        if let Some(passed) = self.bytes.get(self.counted_to..offset) {
            self.lines += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.counted_to = offset;
        }
        self.origin.advanced(self.lines)
    }

    /// Takes note that the line on which the last part stands ends at `feed`, so that it is not counted byte by byte.
    pub(super) fn pass_line(&mut self, feed: usize) {
        if self.counts_lines && self.bytes.get(feed) == Some(&b'\n') {
            self.lines += 1;
            self.counted_to = feed + 1;
        }
    }

    pub(super) fn offset_of(&self, part: &[u8]) -> usize {
        offset_in(self.bytes, part)
    }
}

/// Where `part` starts in `whole`, of which it is a slice.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    debug_assert!(offset + part.len() <= whole.len(), "not a slice of it");
    offset
}
