//! Looking for a few short strings within a text, whatever the case of ASCII letters.
//!
//! Of each string three neighbouring bytes are remembered. All places of a block of the text are held against them at once, so
//! it takes as many steps as there are strings, and no table.

use std::ops::ControlFlow;

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x64};

use super::anchor::{USUAL_NAMES, USUAL_VALUES};

/// Three bytes of each string, in order.
#[derive(Debug, Default)]
pub struct Threes(Box<[Three]>);

#[derive(Debug)]
struct Three {
    bytes: [u8; 3],
    /// The number of the string, and where the bytes stand in it.
    place: (u32, u32),
}

/// So many places are looked at together.
const BLOCK: usize = 64;

/// A block with what stands behind it.
const BLOCK_BYTES: usize = BLOCK + 2;

/// The bit that tells letters of one case from those of the other.
const IN_CASE: u8 = b' ';

impl Threes {
    /// Those of strings of at least three bytes, with their numbers: of each the three that stand least often where every
    /// record has them.
    pub fn of<'t>(texts: impl Iterator<Item = (u32, &'t str)>) -> Self {
        let usual = || [USUAL_NAMES, USUAL_VALUES].into_iter().flat_map(|text| text.as_bytes().windows(3));
        let count = |three: &[u8]| usual().filter(|usual| *usual == three).count();
        let three = |(number, text): (u32, &str)| {
            let threes = (0..).zip(text.as_bytes().array_windows::<3>());
            let (before, bytes) = threes.min_by_key(|(_, three)| count(&three[..]))?;
            Some(Three { bytes: bytes.map(|byte| byte | IN_CASE), place: (number, before) })
        };
        let mut threes: Vec<Three> = texts.filter_map(three).collect();
        threes.sort_by_key(|three| three.bytes);
        Self(threes.into())
    }

    /// Calls `compare` with each place of a text where three such bytes stand, and the string that has them.
    pub fn look_through<B>(
        &self,
        text: &[u8],
        compare: &mut impl FnMut(usize, &[(u32, u32)]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if self.0.is_empty() {
            return ControlFlow::Continue(());
        }
        dispatch!(Level::new(), simd => self.pass_over(simd, text, compare))
    }

    #[inline(always)]
    fn pass_over<B, S: Simd>(
        &self,
        simd: S,
        text: &[u8],
        compare: &mut impl FnMut(usize, &[(u32, u32)]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut start = 0;
        while let Some(block) = text[start..].first_chunk() {
            self.look_at(simd, block, start, compare)?;
            start += BLOCK;
        }
        // Zeros are taken for spaces. A string that would end there does not: it is compared with what there is.
        let mut block = [0; BLOCK_BYTES];
        block[..text.len() - start].copy_from_slice(&text[start..]);
        self.look_at(simd, &block, start, compare)
    }

    /// Looks at the places of a block, each with the bytes behind it.
    #[inline(always)]
    fn look_at<B, S: Simd>(
        &self,
        simd: S,
        block: &[u8; BLOCK_BYTES],
        start: usize,
        compare: &mut impl FnMut(usize, &[(u32, u32)]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let first = u8x64::from_slice(simd, &block[..BLOCK]) | IN_CASE;
        let second = u8x64::from_slice(simd, &block[1..=BLOCK]) | IN_CASE;
        let third = u8x64::from_slice(simd, &block[2..]) | IN_CASE;
        let mut hits = mask8x64::splat(simd, false);
        for Three { bytes: [a, b, c], .. } in &self.0 {
            hits |= first.simd_eq(*a) & second.simd_eq(*b) & third.simd_eq(*c);
        }
        let mut hits = hits.to_bitmask();
        while hits != 0 {
            let at = hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let found = [block[at] | IN_CASE, block[at + 1] | IN_CASE, block[at + 2] | IN_CASE];
            let from = self.0.partition_point(|three| three.bytes < found);
            for three in self.0[from..].iter().take_while(|three| three.bytes == found) {
                compare(start + at, &[three.place])?;
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_string_is_found_wherever_blocks_end(
            texts in vec("[ab é]{3,5}", 0..6),
            before in "[ab]{0,3}|x{55,75}|x{120,140}",
            within in "[abAB é]{0,9}",
            behind in "[ab ]{0,3}|x{0,70}",
        ) {
            let text = format!("{before}{within}{behind}");
            let threes = Threes::of((0..).zip(texts.iter().map(String::as_str)));
            let mut found = Vec::new();
            let _ = threes.look_through(text.as_bytes(), &mut |at, places: &[(u32, u32)]| {
                found.extend(places.iter().map(|&(number, before)| (at, number, before)));
                ControlFlow::<()>::Continue(())
            });
            for (number, sought) in texts.iter().enumerate() {
                let starts = (0..text.len()).filter(|&start| {
                    let there = text.as_bytes().get(start..start + sought.len());
                    there.is_some_and(|there| there.eq_ignore_ascii_case(sought.as_bytes()))
                });
                let mine = || found.iter().filter(|(_, of, _)| *of as usize == number);
                for start in starts {
                    prop_assert!(mine().any(|&(at, _, before)| at - before as usize == start), "{sought} at {start} of {text}");
                }
            }
        }
    }
}
