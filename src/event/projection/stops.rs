//! What strings stop at in a text: its quotes, backslashes and control characters, inside strings and outside.

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x16, u8x64};

/// Where they stand. Used again and again.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// Room for more than there are.
    places: Vec<u32>,
    count: usize,
}

/// So many bytes are looked at together: as many as a word has bits.
const BLOCK: usize = 64;

/// So many stops of a block are written down without asking how many there are: hardly a block has more, and a guess at the
/// number that fails takes longer.
const AT_ONCE: usize = 16;

impl Stops {
    /// Finds those of a text.
    pub fn find(&mut self, text: &str) {
        dispatch!(Level::new(), simd => self.find_by(simd, text.as_bytes()));
    }

    /// In their order.
    pub fn all(&self) -> &[u32] {
        &self.places[..self.count]
    }

    /// Finds those of a text, with what the processor has.
    #[inline(always)]
    fn find_by<S: Simd>(&mut self, simd: S, text: &[u8]) {
        self.count = 0;
        let (blocks, rest) = text.as_chunks();
        for (number, block) in blocks.iter().enumerate() {
            self.push(simd, (number * BLOCK) as u32, stops(simd, block));
        }
        let mut block = [b' '; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        self.push(simd, (blocks.len() * BLOCK) as u32, stops(simd, &block));
    }

    /// Adds those of the block that starts at a place.
    #[inline(always)]
    fn push<S: Simd>(&mut self, simd: S, start: u32, stops: mask8x64<S>) {
        if self.places.len() < self.count + BLOCK {
            self.places.resize((self.count + BLOCK) * 2, 0);
        }
        let places = &mut self.places[self.count..self.count + BLOCK];
        let mut bits = stops.to_bitmask();
        let count = bits.count_ones() as usize;
        self.count += count;
        if has_compress(simd.level()) {
            let numbers = u8x64::from_slice(simd, &NUMBERS);
            let (half, other) = simd.compress_u8x64(numbers, stops).split();
            let (a, b) = half.split();
            put(a, start, &mut places[..16]);
            if count > 16 {
                put(b, start, &mut places[16..32]);
                let (c, d) = other.split();
                put(c, start, &mut places[32..48]);
                put(d, start, &mut places[48..64]);
            }
            return;
        }
        let mut next = || {
            let next = start + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            next
        };
        for place in &mut places[..AT_ONCE] {
            *place = next();
        }
        if count > AT_ONCE {
            for place in &mut places[AT_ONCE..count] {
                *place = next();
            }
        }
    }
}

#[inline(always)]
fn put<S: Simd>(numbers: u8x16<S>, start: u32, places: &mut [u32]) {
    let (a, b) = numbers.widen();
    let ((a, b), (c, d)) = (a.widen(), b.widen());
    (a + start).store_slice(&mut places[..4]);
    (b + start).store_slice(&mut places[4..8]);
    (c + start).store_slice(&mut places[8..12]);
    (d + start).store_slice(&mut places[12..16]);
}

const NUMBERS: [u8; 64] = {
    let mut numbers = [0; 64];
    let mut number = 0;
    while number < 64 {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn has_compress(level: Level) -> bool {
    level.as_avx512().is_some()
}

/// The stops of a block, a bit each.
#[inline(always)]
fn stops<S: Simd>(simd: S, block: &[u8; BLOCK]) -> mask8x64<S> {
    let bytes = u8x64::from_slice(simd, block);
    bytes.simd_eq(b'"') | bytes.simd_eq(b'\\') | bytes.simd_lt(b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_looking_at_each_byte_finds(text in "(?s)([\\x00-\\x22\\\\a-c\\x7f-\u{ff}]|\"{1,99}|[a-z]{1,99}){0,99}") {
            let is_stop = |&(_, byte): &(usize, u8)| byte < b' ' || matches!(byte, b'"' | b'\\');
            let expected: Vec<u32> = text.bytes().enumerate().filter(is_stop).map(|(place, _)| place as u32).collect();
            let mut stops = Stops::default();
            stops.find("\"\"\"");
            stops.find(&text);
            prop_assert_eq!(stops.all(), expected);
        }
    }
}
