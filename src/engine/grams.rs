//! Looking for many strings within a text at once, whatever the case of ASCII letters.
//!
//! Of each string a row of grams is remembered, two to four that start one byte after the other, and where in the string they
//! stand; of all such rows one that few of the other strings have. A text is gone through in steps as long as the row, so
//! that one gram of it is come by. Each gram of the text that a step leads to is looked up in a filter of some kilobytes,
//! and only where that says so are strings compared. No such look waits for the one before, as the steps of an automaton
//! do, so several are made at the same time. (After Wu and Manber, A Fast Algorithm for Multi-Pattern Searching, 1994.)
//! Grams are four bytes, fewer in strings of less than five. But short strings would shorten the steps for all. So where there are
//! some, four bytes of each string are remembered and looked for at every place, by way of a sieve (`sieve`): of all strings if
//! they are few, of the short ones if those are. Only strings of two bytes never go that way.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

use super::sieve::{self, Sieve};
use crate::event::projection::filled_up;

/// Strings to look for.
#[derive(Debug, Default)]
pub struct Strings {
    texts: Vec<Box<str>>,
    sieved: Option<Box<Sieved>>,
    /// Of the others, by the length of the grams.
    grams: Vec<Grams>,
}

/// A text holds so much of what is looked for, or of what looks like it, that looking has been given up.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMuch;

/// How many strings may be compared with what stands in a text, beside one for each of its bytes.
const COMPARED_MAX: usize = 16_384;

/// So many strings go through a sieve at most.
const SIEVED_MAX: usize = 2_048;

/// How long grams are at most, in bytes: as long as what strings go by in a sieve.
const LONGEST: usize = sieve::FOUR;

/// The steps in which a text is gone through where some string is short.
const STEP: usize = 2;
/// The longest steps, where all are long enough.
const LONG_STEP: usize = 4;

/// Strings by a gram of them, all of one length.
#[derive(Debug)]
struct Grams {
    bytes: usize,
    /// The steps in which a text is gone through; of each string so many grams are remembered.
    step: usize,
    /// A bit for each hash of a gram; so many words that a power of two is one more than the last bit's number.
    filter: Box<[u64]>,
    /// By gram: the number of the string, and where the gram stands in it.
    places: Places,
}

/// Strings that are looked for at every place, by way of a sieve; then by the four bytes that they go by there.
#[derive(Debug)]
struct Sieved {
    sieve: Sieve,
    fours: Grams,
    /// Of strings that have no more.
    threes: Grams,
}

/// By gram: the strings that have it, and where.
type Places = HashMap<u32, Vec<Place>, RandomState>;

/// Where a gram stands in a string.
#[derive(Debug)]
struct Place {
    number: u32,
    before: u32,
    /// Of up to eight bytes of the string, the gram's among them, how many stand before the gram; then the bytes in one word, with
    /// the bit set that tells letters of one case from those of the other, and which of the word's bytes they are.
    near_before: u32,
    near: u64,
    near_mask: u64,
}

/// The bit that tells letters of one case from those of the other, in each byte of a word.
const IN_CASE: u64 = u64::from_le_bytes([b' '; NEAR]);

/// So many bytes are compared before whole strings are, which lie elsewhere in memory.
const NEAR: usize = size_of::<u64>();

/// With so many strings at one gram, long steps are not worth it.
const CROWD_MAX: usize = 8;

impl Strings {
    /// What looks for the texts, whose numbers are their places. None has less than two bytes, and all are in lower case.
    pub fn new(texts: Vec<Box<str>>) -> Self {
        Self::sieving(texts, SIEVED_MAX)
    }

    /// The same, with so many that go through a sieve at most.
    fn sieving(texts: Vec<Box<str>>, sieved_max: usize) -> Self {
        debug_assert!(texts.iter().all(|text| text.len() >= STEP), "too short to be come by");
        let shorter = |bytes: usize| texts.iter().filter(move |text| text.len() < bytes).count();
        // From so many bytes on strings leave steps as long as can be, or their grams; what is shorter goes through the sieve.
        // With all others, unless those are many: two ways take longer than one, but where all are long, grams alone do less.
        const LONG: usize = LONGEST + LONG_STEP - 1;
        let from = match shorter(LONG) {
            0 => Some(0),
            _ => [usize::MAX, LONG, LONGEST + STEP - 1, LONGEST].into_iter().find(|&from| shorter(from) <= sieved_max),
        };
        let is_sieved = |text: &str| (sieve::SHORTEST..from.unwrap_or_default()).contains(&text.len());
        let numbered = (0..).zip(texts.iter().map(|text| &**text));
        let (sieved, others): (Vec<_>, Vec<_>) = numbered.partition(|(_, text)| is_sieved(text));
        let sieved = (!sieved.is_empty()).then(|| Box::new(Sieved::of(&sieved)));
        let mut grams: Vec<Grams> = (1..=LONGEST).map(|bytes| Grams::of(&others, bytes)).collect();
        grams.retain(|grams| !grams.places.is_empty());
        Self { texts, sieved, grams }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The strings, in the order of their numbers.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    /// Where a string ends that starts at a place.
    pub fn ends_at(&self, number: usize, start: usize) -> usize {
        start + self.texts[number].len()
    }

    /// Calls `found` for every place of a text where one of the strings stands, with the string's number and where it
    /// starts, until it has had enough. What it returns counts as so many comparisons.
    pub fn find(
        &self,
        text: &str,
        mut found: impl FnMut(usize, usize) -> ControlFlow<(), usize>,
    ) -> Result<(), TooMuch> {
        let mut left = COMPARED_MAX + text.len();
        let text = text.as_bytes();
        let mut compare = |at: usize, places: &[Place]| {
            for place in places {
                let mut cost = 1;
                if let Some(start) = place.start(at, text, &self.texts) {
                    cost += found(place.number as usize, start).map_break(Ok)?;
                }
                left = left.saturating_sub(cost);
                if left == 0 {
                    return ControlFlow::Break(Err(TooMuch));
                }
            }
            ControlFlow::Continue(())
        };
        let mut looked = self.sieved.iter().try_for_each(|sieved| sieved.look_through(text, &mut compare));
        if looked.is_continue() {
            looked = self.grams.iter().try_for_each(|grams| grams.look_through(text, &mut compare));
        }
        looked.break_value().unwrap_or(Ok(()))
    }
}

/// What to do with the strings that have a gram, where it stands.
trait Compare: FnMut(usize, &[Place]) -> ControlFlow<Result<(), TooMuch>> {}

impl<F: FnMut(usize, &[Place]) -> ControlFlow<Result<(), TooMuch>>> Compare for F {}

impl Place {
    fn new(number: u32, before: usize, text: &str) -> Self {
        let from = before.min(text.len().saturating_sub(NEAR));
        let (mut near, mut mask) = ([0; NEAR], [0; NEAR]);
        for (place, &byte) in text.as_bytes()[from..].iter().take(NEAR).enumerate() {
            (near[place], mask[place]) = (byte | b' ', u8::MAX);
        }
        Self {
            number,
            before: before as u32,
            near_before: (before - from) as u32,
            near: u64::from_le_bytes(near),
            near_mask: u64::from_le_bytes(mask),
        }
    }

    /// Where the string starts in a text, if it stands there with its gram at a place.
    fn start(&self, at: usize, text: &[u8], texts: &[Box<str>]) -> Option<usize> {
        let near = text.get(at.wrapping_sub(self.near_before as usize)..).and_then(|rest| rest.first_chunk());
        if near.is_some_and(|&near| (u64::from_le_bytes(near) | IN_CASE) & self.near_mask != self.near) {
            return None;
        }
        let sought = texts[self.number as usize].as_bytes();
        let start = at.wrapping_sub(self.before as usize);
        let there = text.get(start..start.wrapping_add(sought.len()))?;
        there.eq_ignore_ascii_case(sought).then_some(start)
    }
}

impl Sieved {
    fn of(texts: &[(u32, &str)]) -> Self {
        let (sieve, starts) = Sieve::of(&texts.iter().map(|&(_, text)| text).collect::<Vec<_>>());
        let (mut fours, mut threes) = (Places::default(), Places::default());
        for (&(number, text), before) in texts.iter().zip(starts) {
            let rest = &text.as_bytes()[before..];
            let places = match (rest.first_chunk::<LONGEST>(), rest.first_chunk::<{ sieve::SHORTEST }>()) {
                (Some(four), _) => fours.entry(gram(four)).or_default(),
                (None, Some(three)) => threes.entry(gram(three)).or_default(),
                (None, None) => continue,
            };
            places.push(Place::new(number, before, text));
        }
        Self { sieve, fours: Grams::at(LONGEST, 1, fours), threes: Grams::at(sieve::SHORTEST, 1, threes) }
    }

    /// Calls `compare` with each place of a text where a gram stands, and the strings that have it.
    fn look_through(&self, text: &[u8], compare: &mut impl Compare) -> ControlFlow<Result<(), TooMuch>> {
        self.sieve.look_through(text, &mut |places| {
            places.iter().try_for_each(|&at| self.look_at(at as usize, text, compare))
        })
    }

    #[inline(always)]
    fn look_at(&self, at: usize, text: &[u8], compare: &mut impl Compare) -> ControlFlow<Result<(), TooMuch>> {
        let rest = &text[at..];
        // A string that goes on behind the text's end is not in it.
        let four = rest.first_chunk().copied().unwrap_or_else(|| filled_up(rest));
        self.fours.look_up(at, gram(&four), compare)?;
        if self.threes.places.is_empty() {
            return ControlFlow::Continue(());
        }
        let [first, second, third, _] = four;
        self.threes.look_up(at, gram(&[first, second, third]), compare)
    }
}

impl Grams {
    /// Those of the texts that grams of a length are right for.
    fn of(texts: &[(u32, &str)], bytes: usize) -> Self {
        let is_right = |text: &str| bytes == (text.len() + 1 - STEP).min(LONGEST);
        let chosen: Vec<(u32, &str)> = texts.iter().copied().filter(|(_, text)| is_right(text)).collect();
        let shortest = chosen.iter().map(|(_, text)| text.len()).min().unwrap_or_default();
        // Fewer looks do not make up for many strings at each.
        let longest = (shortest + 1).saturating_sub(bytes).min(LONG_STEP);
        let few_at_each = (STEP + 1..=longest)
            .rev()
            .map(|step| (step, places_of(&chosen, bytes, step)))
            .find(|(_, places)| crowd(places) <= CROWD_MAX);
        let (step, places) = few_at_each.unwrap_or_else(|| (STEP, places_of(&chosen, bytes, STEP)));
        Self::at(bytes, step, places)
    }

    fn at(bytes: usize, step: usize, places: Places) -> Self {
        // So sparse that a gram that is not sought is seldom taken for one that is.
        let bits = (places.len() * 64).next_power_of_two().clamp(1 << 10, 1 << HASH_BITS);
        let mut filter: Box<[u64]> = vec![0; bits / 64].into();
        for &gram in places.keys() {
            let (word, bit) = bit(gram, filter.len());
            filter[word] |= bit;
        }
        Self { bytes, step, filter, places }
    }

    /// Calls `compare` with each place of a text where a gram stands, and the strings that have it.
    fn look_through(&self, text: &[u8], compare: &mut impl Compare) -> ControlFlow<Result<(), TooMuch>> {
        match self.bytes {
            LONGEST if self.step == LONG_STEP => self.pass_over::<LONGEST, LONG_STEP>(text, compare),
            LONGEST if self.step > STEP => self.pass_over::<LONGEST, 3>(text, compare),
            LONGEST => self.pass_over::<LONGEST, STEP>(text, compare),
            3 => self.pass_over::<3, STEP>(text, compare),
            2 => self.pass_over::<2, STEP>(text, compare),
            _ => self.pass_over::<1, STEP>(text, compare),
        }
    }

    fn pass_over<const BYTES: usize, const STEP: usize>(
        &self,
        text: &[u8],
        compare: &mut impl Compare,
    ) -> ControlFlow<Result<(), TooMuch>> {
        for (at, window) in text.array_windows::<BYTES>().enumerate().step_by(STEP) {
            self.look_up(at, gram(window), compare)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `compare` if what stands at a place is one of the grams.
    #[inline(always)]
    fn look_up(&self, at: usize, gram: u32, compare: &mut impl Compare) -> ControlFlow<Result<(), TooMuch>> {
        let (word, bit) = bit(gram, self.filter.len());
        if self.filter[word] & bit == 0 {
            return ControlFlow::Continue(());
        }
        self.places.get(&gram).map_or(ControlFlow::Continue(()), |places| compare(at, places))
    }
}

/// Of each string, a row of so many grams as few others have.
fn places_of(texts: &[(u32, &str)], bytes: usize, row: usize) -> Places {
    let mut crowds: HashMap<u32, u32, RandomState> = HashMap::default();
    for (_, text) in texts {
        grams_of(text, bytes).for_each(|gram| *crowds.entry(gram).or_default() += 1);
    }
    let mut places = Places::default();
    for &(number, text) in texts {
        let grams: Vec<u32> = grams_of(text, bytes).collect();
        let rows = grams.windows(row).enumerate();
        let crowd = |row: &[u32]| row.iter().map(|gram| crowds[gram]).sum::<u32>();
        let Some((start, row)) = rows.min_by_key(|(_, row)| crowd(row)) else { continue };
        for (before, &gram) in (start..).zip(row) {
            places.entry(gram).or_default().push(Place::new(number, before, text));
        }
    }
    places
}

/// How many strings are at the most crowded gram.
fn crowd(places: &Places) -> usize {
    places.values().map(Vec::len).max().unwrap_or_default()
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
    ((hash / 64) & (words - 1), 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn strings(texts: &[String], sieved_max: usize) -> Strings {
        Strings::sieving(texts.iter().map(|text| text.as_str().into()).collect(), sieved_max)
    }

    fn found(strings: &Strings, within: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let looked = strings.find(within, |number, start| {
            found.push((number, start));
            ControlFlow::Continue(0)
        });
        assert_eq!(looked, Ok(()));
        found.sort_unstable();
        found
    }

    fn slowly(texts: &[String], within: &str) -> Vec<(usize, usize)> {
        let lower = within.to_ascii_lowercase();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let starts = (0..within.len()).filter(|&start| lower.as_bytes()[start..].starts_with(text.as_bytes()));
            found.extend(starts.map(|start| (number, start)));
        }
        found
    }

    proptest! {
        #[test]
        fn every_occurrence_is_found_and_nothing_else(
            texts in vec("[ab]{2,7}|[ab{é]{2,7}|[ab]{8,20}", 0..60),
            within in "[abABc{é\\[]{0,60}",
            planted in any::<prop::sample::Index>(),
            is_first in any::<bool>(),
            sieved_max in select(vec![0, 20, SIEVED_MAX]),
        ) {
            // At one of the ends, where less than eight bytes may be.
            let one = texts.get(planted.index(texts.len().max(1))).map_or("", String::as_str);
            let within = if is_first { format!("{one}{within}") } else { format!("{within}{one}") };
            prop_assert_eq!(found(&strings(&texts, sieved_max), &within), slowly(&texts, &within));
        }
    }

    proptest! {
        #[test]
        fn strings_that_are_all_long_are_found_in_long_steps(
            texts in prop_oneof![vec("[a-h]{7,12}", 1..9), vec("[a-h]{6}", 1..20)],
            within in vec("[a-hA-H]{0,9}", 9),
            places in vec(0..9_usize, 0..4),
        ) {
            let mut within = within;
            places.iter().for_each(|&place| within[place].push_str(&texts[place % texts.len()]));
            let within = within.concat();
            let strings = strings(&texts, 0);
            prop_assert_eq!(strings.grams[0].step, if texts[0].len() == 6 { 3 } else { LONG_STEP });
            prop_assert_eq!(found(&strings, &within), slowly(&texts, &within));
        }
    }

    #[test]
    fn strings_are_told_apart_by_what_few_of_them_have() {
        let texts: Vec<String> = (100..1_100).map(|number| format!("tool-number-{number}/")).collect();
        let strings = strings(&texts, SIEVED_MAX);
        let crowd = strings
            .sieved
            .iter()
            .map(|sieved| &sieved.fours)
            .chain(&strings.grams)
            .map(|grams| crowd(&grams.places))
            .max()
            .unwrap_or_default();
        assert!(crowd < 20, "{crowd} strings share a gram");
    }

    #[test]
    fn long_strings_go_through_a_sieve_only_beside_short_ones() {
        let ways = |texts: &[&str], sieved_max: usize| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            let strings = strings(&texts, sieved_max);
            (strings.sieved.is_some(), strings.grams.len())
        };
        assert_eq!(ways(&["mimikatz", "sqlmap/"], 2), (false, 1));
        assert_eq!(ways(&["mimikatz", "nmap"], 2), (true, 0));
        assert_eq!(ways(&["mimikatz", "sqlmap/", "nmap"], 2), (true, 1));
        assert_eq!(ways(&["mimikatz", "nmap", "hydra"], 1), (true, 1));
        assert_eq!(ways(&["id", "nmap"], 2), (true, 1));
    }

    #[test]
    fn looking_is_given_up_where_a_text_holds_too_much() {
        let texts: Vec<Box<str>> = (2..1_000).map(|length| "a".repeat(length).into()).collect();
        let strings = Strings::new(texts);
        assert_eq!(strings.find(&"a".repeat(100_000), |_, _| ControlFlow::Continue(0)), Err(TooMuch));
        assert_eq!(strings.find(&"b".repeat(100_000), |_, _| ControlFlow::Continue(0)), Ok(()));
        assert_eq!(
            Strings::new(vec!["aa".into()]).find(&"a".repeat(100_000), |_, _| ControlFlow::Continue(10)),
            Err(TooMuch)
        );
    }
}
