//! What strings stop at in a text: its quotes, backslashes and control characters, inside strings and outside.
//!
//! They are found a block of bytes at a time, with what the processor has. What is called while that goes on is inlined,
//! closures too: what stays a function of its own is not compiled for that processor, and is half as fast.

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x64};

/// Where they stand. Used again and again.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// Room for more than there are.
    places: Vec<u32>,
    count: usize,
}

/// So many bytes are looked at together: as many as a word has bits.
const BLOCK: usize = 64;

/// So many blocks come between looks at how much room there is.
const PART: usize = 64;

/// Hardly a block has more stops.
const FEW: usize = 16;

impl Stops {
    /// Finds those of a text.
    pub fn find(&mut self, text: &str) {
        dispatch!(Level::new(), simd => self.find_by(simd, text.as_bytes()));
    }

    /// In their order.
    pub fn all(&self) -> &[u32] {
        &self.places[..self.count]
    }

    #[inline(always)]
    fn find_by<S: Simd>(&mut self, simd: S, text: &[u8]) {
        self.count = 0;
        let (blocks, rest) = text.as_chunks();
        for (number, part) in blocks.chunks(PART).enumerate() {
            let room = self.room(part.len() * BLOCK);
            self.count += find_in(simd, part, (number * PART * BLOCK) as u32, room);
        }
        if !rest.is_empty() {
            let (found, at) = match text.last_chunk() {
                Some(block) => (stops(simd, block) & behind(simd, BLOCK - rest.len()), text.len() - BLOCK),
                None => (stops(simd, &filled_up(rest)), 0),
            };
            self.count += write_down::<FEW, S>(simd, found, at as u32, self.room(BLOCK));
        }
    }

    /// Room for all that a part of so many bytes may have, and a block more.
    fn room(&mut self, bytes: usize) -> &mut [u32] {
        let needed = self.count + bytes + BLOCK;
        if self.places.len() < needed {
            self.places.resize(needed * 2, 0);
        }
        &mut self.places[self.count..needed]
    }
}

/// Writes down the stops of a part that starts at a place, and says how many there are. How many there are so far and how much
/// room is left stays in registers.
#[inline(always)]
fn find_in<S: Simd>(simd: S, part: &[[u8; BLOCK]], start: u32, room: &mut [u32]) -> usize {
    let (mut count, mut at) = (0, start);
    for block in part {
        count += write_down::<FEW, S>(simd, stops(simd, block), at, &mut room[count..count + BLOCK]);
        at += BLOCK as u32;
    }
    count
}

/// All places of a block but so many at its start.
#[inline(always)]
pub(crate) fn behind<S: Simd>(simd: S, places: usize) -> mask8x64<S> {
    mask8x64::from_bitmask(simd, u64::MAX << places)
}

/// The last bytes of a text, and spaces.
pub(crate) fn filled_up<const BYTES: usize>(rest: &[u8]) -> [u8; BYTES] {
    let mut block = [b' '; BYTES];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// The stops of a block.
#[inline(always)]
fn stops<S: Simd>(simd: S, block: &[u8; BLOCK]) -> mask8x64<S> {
    let bytes = u8x64::from_slice(simd, block);
    bytes.simd_eq(b'"') | bytes.simd_eq(b'\\') | bytes.simd_lt(b' ')
}

/// Whether a text is ASCII without any backslash.
pub(crate) fn is_bare_ascii(text: &str) -> bool {
    dispatch!(Level::new(), simd => is_bare_by(simd, text.as_bytes()))
}

#[inline(always)]
fn is_bare_by<S: Simd>(simd: S, text: &[u8]) -> bool {
    let last = match text.last_chunk() {
        Some(block) => others(simd, block),
        None => others(simd, &filled_up(text)),
    };
    let found = text.as_chunks().0.iter().fold(last, |found, block| found | others(simd, block));
    !found.any_true()
}

/// The bytes of a block that are backslashes or beyond ASCII.
#[inline(always)]
fn others<S: Simd>(simd: S, block: &[u8; BLOCK]) -> mask8x64<S> {
    let bytes = u8x64::from_slice(simd, block);
    bytes.simd_eq(b'\\') | bytes.simd_ge(0x80)
}

/// Writes down the places that were found in a block that starts at a place, and something behind them; says how many there are.
/// Hardly a block should have more than `FEW`. There must be room for as many as there are bytes.
#[inline(always)]
pub(crate) fn write_down<const FEW: usize, S: Simd>(
    simd: S,
    found: mask8x64<S>,
    start: u32,
    room: &mut [u32],
) -> usize {
    let bits = found.to_bitmask();
    if compresses(simd.level()) {
        write_together(simd, found, start, room);
    } else {
        write_singly::<FEW>(bits, start, room);
    }
    bits.count_ones() as usize
}

/// Whether the processor moves chosen bytes of a block together in one step, as those with AVX-512 do.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn compresses(level: Level) -> bool {
    level.as_avx512().is_some()
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn compresses(_: Level) -> bool {
    false
}

/// One after the other. So few as are usual are written down without asking how many there are: a guess at the number that fails
/// takes longer.
#[inline(always)]
fn write_singly<const FEW: usize>(mut bits: u64, start: u32, room: &mut [u32]) {
    let count = bits.count_ones() as usize;
    room[..FEW].iter_mut().for_each(|place| *place = start + take_lowest(&mut bits));
    if count > FEW {
        room[FEW..count].iter_mut().for_each(|place| *place = start + take_lowest(&mut bits));
    }
}

#[inline(always)]
fn take_lowest(bits: &mut u64) -> u32 {
    let lowest = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    lowest
}

/// Sixteen at a time: the numbers of the bytes that were found, moved together.
#[inline(always)]
fn write_together<S: Simd>(simd: S, found: mask8x64<S>, start: u32, room: &mut [u32]) {
    const NUMBERS: [u8; BLOCK] = {
        let mut numbers = [0; BLOCK];
        let mut number = 0;
        while number < BLOCK {
            numbers[number] = number as u8;
            number += 1;
        }
        numbers
    };
    let (low, high) = simd.compress_u8x64(u8x64::from_slice(simd, &NUMBERS), found).widen();
    let (first, second) = low.widen();
    (first + start).store_slice(&mut room[..16]);
    if found.to_bitmask().count_ones() > 16 {
        let (third, fourth) = high.widen();
        for (sixteen, room) in [second, third, fourth].into_iter().zip(room[16..].as_chunks_mut::<16>().0) {
            (sixteen + start).store_slice(room);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What this processor has, and what lesser ones do.
    pub(crate) fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let lesser =
            [best.as_avx2().map(Level::Avx2), best.as_sse4_2().map(Level::Sse4_2), best.as_sse2().map(Level::Sse2)];
        #[cfg(not(target_arch = "x86_64"))]
        let lesser = [None];
        lesser.into_iter().flatten().chain([best]).collect()
    }

    proptest! {
        #[test]
        fn they_are_what_looking_at_each_byte_finds(text in "(?s)([\\x00-\\x22\\\\a-c\\x7f-\u{ff}]|\"{1,99}|[a-z]{1,99}){0,99}|(\"{1,40}[a-z]{0,40}){90,140}") {
            let is_stop = |&(_, byte): &(usize, u8)| byte < b' ' || matches!(byte, b'"' | b'\\');
            let expected: Vec<u32> = text.bytes().enumerate().filter(is_stop).map(|(place, _)| place as u32).collect();
            for level in levels() {
                let mut stops = Stops::default();
                stops.find("\"\"\"");
                dispatch!(level, simd => stops.find_by(simd, text.as_bytes()));
                prop_assert_eq!(stops.all(), expected.as_slice(), "{:?}", level);
                let is_bare = dispatch!(level, simd => is_bare_by(simd, text.as_bytes()));
                prop_assert_eq!(is_bare, text.is_ascii() && !text.contains('\\'), "{:?}", level);
            }
        }
    }

    #[test]
    fn a_backslash_or_what_is_beyond_ascii_is_seen_wherever_it_stands() {
        for level in levels() {
            for length in [1, 63, 64, 65, 200] {
                for (byte, is_bare) in [(b'a', true), (b'"', true), (b'\n', true), (b'\\', false), (0xc3, false)] {
                    for place in [0, length / 2, length - 1] {
                        let mut text = vec![b'a'; length];
                        text[place] = byte;
                        let found = dispatch!(level, simd => is_bare_by(simd, &text));
                        assert_eq!(found, is_bare, "{level:?}: {byte} at {place} of {length}");
                    }
                }
            }
        }
    }
}
