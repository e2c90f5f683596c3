//! Looking for many strings within a text at once, whatever the case of ASCII letters.
//!
//! Of each string two grams are remembered, four bytes in a row and the four that start one byte later, and where in the
//! string they stand; of all such pairs one that few of the other strings have. A text is gone through in steps of two bytes,
//! so that one of the two is come by. Each gram of it is looked up in a filter of a few kilobytes, and only where that says
//! so are strings compared. No such look waits for the one before, so several are made at the same time; an automaton takes
//! its steps one after the other, each from where in the memory the last has led. (After Wu and Manber, A Fast Algorithm for
//! Multi-Pattern Searching, 1994.) Strings of less than five bytes are looked for by shorter grams.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

/// Strings to look for.
#[derive(Debug, Default)]
pub struct Strings {
    texts: Vec<Box<str>>,
    /// By the length of the grams.
    grams: Vec<Grams>,
}

/// A text holds so much of what is looked for, or of what looks like it, that looking has been given up.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMuch;

/// How many strings may be compared with what stands in a text, beside one for each of its bytes.
const COMPARED_MAX: usize = 16_384;

/// How long grams are at most, in bytes.
const LONGEST: usize = 4;

/// A text is gone through in such steps, and of a string so many grams are remembered.
const STEP: usize = 2;

/// Strings by a gram of them, all of one length.
#[derive(Debug)]
struct Grams {
    bytes: usize,
    /// A bit for each hash of a gram; so many words that a power of two is one more than the last bit's number.
    filter: Box<[u64]>,
    /// By gram: the number of the string, and where the gram stands in it.
    places: HashMap<u32, Vec<(u32, u32)>, RandomState>,
}

impl Strings {
    /// What looks for the texts, whose numbers are their places. None has less than two bytes, and all are in lower case.
    pub fn new(texts: Vec<Box<str>>) -> Self {
        let mut grams: Vec<Grams> = (1..=LONGEST).map(|bytes| Grams::of(&texts, bytes)).collect();
        grams.retain(|grams| !grams.places.is_empty());
        Self { texts, grams }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Where a string ends that starts at a place.
    pub fn ends_at(&self, number: usize, start: usize) -> usize {
        start + self.texts[number].len()
    }

    /// Calls `found` for every place of a text where one of the strings stands, with the string's number and where it
    /// starts. What it returns counts as so many comparisons.
    pub fn find(&self, text: &str, mut found: impl FnMut(usize, usize) -> usize) -> Result<(), TooMuch> {
        let mut left = COMPARED_MAX + text.len();
        let mut compare = |at: usize, places: &[(u32, u32)]| {
            for &(number, before) in places {
                let sought = self.texts[number as usize].as_bytes();
                let start = at.wrapping_sub(before as usize);
                let there = text.as_bytes().get(start..start.wrapping_add(sought.len()));
                let is_it = there.is_some_and(|there| there.eq_ignore_ascii_case(sought));
                let cost = if is_it { 1 + found(number as usize, start) } else { 1 };
                left = left.saturating_sub(cost);
            }
            if left == 0 { ControlFlow::Break(TooMuch) } else { ControlFlow::Continue(()) }
        };
        let looked = self.grams.iter().try_for_each(|grams| grams.look_through(text.as_bytes(), &mut compare));
        looked.break_value().map_or(Ok(()), Err)
    }
}

impl Grams {
    /// Those of the texts that grams of a length are right for.
    fn of(texts: &[Box<str>], bytes: usize) -> Self {
        let is_right = |text: &str| bytes == (text.len() + 1 - STEP).min(LONGEST);
        let chosen = || texts.iter().enumerate().filter(|(_, text)| is_right(text));
        let mut crowds: HashMap<u32, u32, RandomState> = HashMap::default();
        for (_, text) in chosen() {
            grams_of(text, bytes).for_each(|gram| *crowds.entry(gram).or_default() += 1);
        }
        let mut places: HashMap<u32, Vec<(u32, u32)>, RandomState> = HashMap::default();
        for (number, text) in chosen() {
            let grams: Vec<u32> = grams_of(text, bytes).collect();
            let rows = grams.windows(STEP).enumerate();
            let crowd = |row: &[u32]| row.iter().map(|gram| crowds[gram]).sum::<u32>();
            let Some((start, row)) = rows.min_by_key(|(_, row)| crowd(row)) else { continue };
            for (before, &gram) in (start..).zip(row) {
                places.entry(gram).or_default().push((number as u32, before as u32));
            }
        }
        // So sparse that a gram that is not sought is seldom taken for one that is.
        let bits = (places.len() * 64).next_power_of_two().clamp(1 << 10, 1 << HASH_BITS);
        let mut filter: Box<[u64]> = vec![0; bits / 64].into();
        for &gram in places.keys() {
            let (word, bit) = bit(gram, filter.len());
            filter[word] |= bit;
        }
        Self { bytes, filter, places }
    }

    /// Calls `compare` with each place of a text where a gram stands, and the strings that have it.
    fn look_through(
        &self,
        text: &[u8],
        compare: &mut impl FnMut(usize, &[(u32, u32)]) -> ControlFlow<TooMuch>,
    ) -> ControlFlow<TooMuch> {
        match self.bytes {
            LONGEST => self.pass_over::<LONGEST>(text, compare),
            3 => self.pass_over::<3>(text, compare),
            2 => self.pass_over::<2>(text, compare),
            _ => self.pass_over::<1>(text, compare),
        }
    }

    fn pass_over<const BYTES: usize>(
        &self,
        text: &[u8],
        compare: &mut impl FnMut(usize, &[(u32, u32)]) -> ControlFlow<TooMuch>,
    ) -> ControlFlow<TooMuch> {
        let words = self.filter.len();
        for (at, window) in text.array_windows::<BYTES>().enumerate().step_by(STEP) {
            let gram = gram(window);
            let (word, bit) = bit(gram, words);
            if self.filter[word] & bit != 0 {
                self.places.get(&gram).map_or(ControlFlow::Continue(()), |places| compare(at, places))?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The bytes of a gram in one word, with the bit set that tells letters of one case from those of the other.
#[inline(always)]
fn gram<const BYTES: usize>(window: &[u8; BYTES]) -> u32 {
    let mut word = [0; LONGEST];
    word[..BYTES].copy_from_slice(window);
    u32::from_le_bytes(word) | u32::from_le_bytes([b' '; LONGEST])
}

/// All grams of a length that a text has.
fn grams_of(text: &str, bytes: usize) -> impl Iterator<Item = u32> {
    text.as_bytes().windows(bytes).map(|window| {
        let mut word = [0; LONGEST];
        word[..window.len()].copy_from_slice(window);
        gram(&word)
    })
}

/// How many bits of a hash are looked at, at most.
const HASH_BITS: u32 = 18;

/// The word of a filter that holds the bit of a gram, and the bit: by the first bits of a multiplicative hash (Knuth, The Art
/// of Computer Programming, 6.4).
#[inline(always)]
fn bit(gram: u32, words: usize) -> (usize, u64) {
    let hash = (gram.wrapping_mul(0x9E37_79B1) >> (u32::BITS - HASH_BITS)) as usize;
    (hash / 64 & (words - 1), 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn found(texts: &[String], within: &str) -> Vec<(usize, usize)> {
        let strings = Strings::new(texts.iter().map(|text| text.as_str().into()).collect());
        let mut found = Vec::new();
        let looked = strings.find(within, |number, start| {
            found.push((number, start));
            0
        });
        assert_eq!(looked, Ok(()));
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn every_occurrence_is_found_and_nothing_else(
            texts in vec("[ab]{2,7}|[ab{é]{2,7}", 0..9),
            within in "[abABc{é\\[]{0,60}",
        ) {
            let lower = within.to_ascii_lowercase();
            let mut expected: Vec<(usize, usize)> = Vec::new();
            for (number, text) in texts.iter().enumerate() {
                let starts = (0..within.len()).filter(|&start| lower.as_bytes()[start..].starts_with(text.as_bytes()));
                expected.extend(starts.map(|start| (number, start)));
            }
            prop_assert_eq!(found(&texts, &within), expected);
        }
    }

    #[test]
    fn strings_are_told_apart_by_what_few_of_them_have() {
        let texts: Vec<Box<str>> = (100..1_100).map(|number| format!("tool-number-{number}/").into()).collect();
        let strings = Strings::new(texts);
        let crowd = strings.grams[0].places.values().map(Vec::len).max();
        assert!(crowd < Some(20), "{crowd:?} strings share a gram");
    }

    #[test]
    fn looking_is_given_up_where_a_text_holds_too_much() {
        let texts: Vec<Box<str>> = (2..1_000).map(|length| "a".repeat(length).into()).collect();
        let strings = Strings::new(texts);
        assert_eq!(strings.find(&"a".repeat(100_000), |_, _| 0), Err(TooMuch));
        assert_eq!(strings.find(&"b".repeat(100_000), |_, _| 0), Ok(()));
        assert_eq!(Strings::new(vec!["aa".into()]).find(&"a".repeat(100_000), |_, _| 10), Err(TooMuch));
    }
}
