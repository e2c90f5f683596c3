//! Where in a text one of many strings may stand, whatever the case of ASCII letters.
//!
//! Of each string four neighbouring bytes are remembered, dealt into buckets (`dealer`). A bucket lets pass what has, byte for
//! byte, what some of its fours have there, so sixty-four places of a text are held against eight buckets by a few look-ups
//! and as many steps. What passes is held against the strings by whoever asked. (After Teddy, of Wang et al., Hyperscan: A Fast
//! Multi-pattern Regex Matcher for Modern CPUs, 2019, which looks up halves of bytes, in tables of sixteen.) Where the processor
//! has larger tables it is whole bytes that are looked up: whatever their case, those of ASCII that text has are sixty-four.

mod dealer;

use std::array;
use std::ops::ControlFlow;

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x16, u8x64};

use crate::event::projection::{behind, filled_up, write_down};
use dealer::{Four, Tables};

/// What lets strings pass.
#[derive(Debug)]
pub struct Sieve(Eights);

/// Eight buckets each: by byte of a four, what its code or a half of it passes, a bit for each bucket.
#[derive(Debug)]
enum Eights {
    Whole(Box<[Whole]>),
    Halves(Box<[Halves]>),
}

/// So many bytes a string goes by.
pub const FOUR: usize = 4;

/// How many bytes a string has at least. The shortest has one less to go by.
pub const SHORTEST: usize = FOUR - 1;

/// So many codes there are: what is kept of a byte. Bytes beyond ASCII and control characters share those of others.
const CODES: usize = 64;

/// By byte of a four and by its code.
type Whole = [[u8; CODES]; FOUR];

/// By byte of a four and by the halves of its code, the low one first, with two more bits above the high one.
type Halves = [[[u8; 16]; 2]; FOUR];

/// For fewer strings there are eight buckets.
const FEW_STRINGS: usize = 96;

/// For more there are twice as many, and eight more for each so many.
const EIGHT_STRINGS: usize = 600;

/// So many places are looked at together.
const BLOCK: usize = 64;

/// A block with what stands behind it.
const BLOCK_BYTES: usize = BLOCK + FOUR - 1;

/// When so many places are listed they are looked at, with those of the block that was added last.
const LISTED: usize = BLOCK / 2;

/// Room for them.
type Room = [u32; ROOM];
const ROOM: usize = LISTED + BLOCK;

/// Hardly a block lets more places pass.
const FEW: usize = 4;

impl Sieve {
    /// What lets strings pass, and where in each the bytes stand that it goes by.
    pub fn of(texts: &[&str]) -> (Self, Vec<usize>) {
        let eights = if texts.len() < FEW_STRINGS { 1 } else { 2 + texts.len() / EIGHT_STRINGS };
        Self::with(tables_of(Level::new()), eights, texts)
    }

    /// The same with such look-ups, and so many times eight buckets.
    fn with(tables: Tables, eights: usize, texts: &[&str]) -> (Self, Vec<usize>) {
        let (buckets, places) = dealer::deal(tables, 8 * eights, texts);
        let eights = buckets.chunks(8).map(whole);
        let eights = match tables {
            Tables::Whole => Eights::Whole(eights.collect()),
            Tables::Halves => Eights::Halves(eights.map(|eight| eight.map(|table| halves(&table))).collect()),
        };
        (Self(eights), places)
    }

    /// Calls `found` with the places of a text where the bytes may stand that a string goes by, some at a time. Whether a string is
    /// there is for the caller to see, who gets lists: so there is no branch to be guessed while they are written.
    pub fn look_through<B>(&self, text: &[u8], found: &mut impl FnMut(&[u32]) -> ControlFlow<B>) -> ControlFlow<B> {
        self.look_through_with(Level::new(), text, found)
    }

    /// The same with so much of what the processor has.
    fn look_through_with<B>(
        &self,
        level: Level,
        text: &[u8],
        found: &mut impl FnMut(&[u32]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (mut start, mut room) = (0, [0; ROOM]);
        while start < text.len() {
            let count;
            (start, count) = dispatch!(level, simd => self.list(simd, text, start, &mut room));
            found(&room[..count])?;
        }
        ControlFlow::Continue(())
    }

    /// Lists places of a text that pass, from one on; up to where, and how many. Nothing is called meanwhile, so that the tables of
    /// a few eights stay in registers.
    #[inline(always)]
    fn list<S: Simd>(&self, simd: S, text: &[u8], start: usize, room: &mut Room) -> (usize, usize) {
        match &self.0 {
            Eights::Halves(eights) => list(simd, &**eights, text, start, room),
            Eights::Whole(eights) => match &**eights {
                [one] => list(simd, &Loaded::new(simd, [one], &[]), text, start, room),
                [one, two] => list(simd, &Loaded::new(simd, [one, two], &[]), text, start, room),
                [one, two, three, rest @ ..] => {
                    list(simd, &Loaded::new(simd, [one, two, three], rest), text, start, room)
                }
                // There are always some.
                [] => (text.len(), 0),
            },
        }
    }
}

/// What looks codes up.
trait LookUp<S: Simd> {
    /// The buckets that places pass with the codes that stand there and behind them.
    fn passing(&self, simd: S, codes: [u8x64<S>; FOUR]) -> u8x64<S>;
}

/// Eights of which some are in registers.
struct Loaded<'e, S: Simd, const COUNT: usize> {
    loaded: [[u8x64<S>; FOUR]; COUNT],
    rest: &'e [Whole],
}

impl<'e, S: Simd, const COUNT: usize> Loaded<'e, S, COUNT> {
    #[inline(always)]
    fn new(simd: S, first: [&Whole; COUNT], rest: &'e [Whole]) -> Self {
        Self { loaded: first.map(|eight| load(simd, eight)), rest }
    }
}

#[inline(always)]
fn load<S: Simd>(simd: S, eight: &Whole) -> [u8x64<S>; FOUR] {
    eight.map(|table| u8x64::from_slice(simd, &table))
}

impl<S: Simd, const COUNT: usize> LookUp<S> for Loaded<'_, S, COUNT> {
    #[inline(always)]
    fn passing(&self, simd: S, codes: [u8x64<S>; FOUR]) -> u8x64<S> {
        let mut passing = u8x64::splat(simd, 0);
        for &eight in &self.loaded {
            passing |= look_up(eight, codes);
        }
        for eight in self.rest {
            passing |= look_up(load(simd, eight), codes);
        }
        passing
    }
}

#[inline(always)]
fn look_up<S: Simd>([a, b, c, d]: [u8x64<S>; FOUR], [first, second, third, fourth]: [u8x64<S>; FOUR]) -> u8x64<S> {
    a.swizzle_dyn(first) & b.swizzle_dyn(second) & c.swizzle_dyn(third) & d.swizzle_dyn(fourth)
}

impl<S: Simd> LookUp<S> for [Halves] {
    #[inline(always)]
    fn passing(&self, simd: S, codes: [u8x64<S>; FOUR]) -> u8x64<S> {
        let table = |halves: &[u8; 16]| u8x64::block_splat(u8x16::from_slice(simd, halves));
        let mut passing = u8x64::splat(simd, 0);
        for eight in self {
            let mut of_eight = u8x64::splat(simd, u8::MAX);
            for ([low, high], codes) in eight.iter().zip(codes) {
                of_eight &= table(low).swizzle_dyn_within_blocks(codes & 0x0f);
                of_eight &= table(high).swizzle_dyn_within_blocks(codes >> 4);
            }
            passing |= of_eight;
        }
        passing
    }
}

#[inline(always)]
fn list<S: Simd>(
    simd: S,
    eights: &(impl LookUp<S> + ?Sized),
    text: &[u8],
    mut start: usize,
    room: &mut Room,
) -> (usize, usize) {
    let mut count = 0;
    while count <= LISTED
        && let Some(block) = text[start..].first_chunk()
    {
        let passing = passing(simd, eights, block);
        count += write_down::<FEW, S>(simd, passing, start as u32, &mut room[count..count + BLOCK]);
        start += BLOCK;
    }
    if count > LISTED {
        return (start, count);
    }
    if let Some(block) = text.last_chunk() {
        let at = text.len() - BLOCK_BYTES;
        if start - at < BLOCK {
            let passing = passing(simd, eights, block) & behind(simd, start - at);
            count += write_down::<FEW, S>(simd, passing, at as u32, &mut room[count..count + BLOCK]);
        }
        // Whether the last three bytes are a string is left to be seen. One place at least of the block was looked at before, so that
        // there is room.
        room[count] = (text.len() - SHORTEST) as u32;
        return (text.len(), count + 1);
    }
    let passing = passing(simd, eights, &filled_up(&text[start..]));
    count += write_down::<FEW, S>(simd, passing, start as u32, &mut room[count..count + BLOCK]);
    (text.len(), room[..count].partition_point(|&place| (place as usize) < text.len()))
}

/// The places of a block that pass a bucket.
#[inline(always)]
fn passing<S: Simd>(simd: S, eights: &(impl LookUp<S> + ?Sized), block: &[u8; BLOCK_BYTES]) -> mask8x64<S> {
    let codes = [codes(simd, block, 0), codes(simd, block, 1), codes(simd, block, 2), codes(simd, block, 3)];
    eights.passing(simd, codes).simd_gt(0)
}

/// The codes that stand so far behind each place of a block. With AVX-512 they have two more bits above, which its look-ups leave
/// out of account; the library does not promise that, but a test holds it.
#[inline(always)]
fn codes<S: Simd>(simd: S, block: &[u8; BLOCK_BYTES], behind: usize) -> u8x64<S> {
    let bytes = u8x64::from_slice(simd, &block[behind..behind + BLOCK]);
    let codes = bytes & !0x20 | (bytes >> 1) & 0x20;
    if tables_of(simd.level()) == Tables::Whole { codes } else { codes & 0x3f }
}

/// What is kept of a byte: all its bits but the highest, and the one that tells letters of one case from those of the other.
fn code(byte: u8) -> usize {
    usize::from(byte & 0x1f | byte >> 1 & 0x20)
}

/// What a processor does best: one with AVX-512, as since Ice Lake, looks up sixty-four whole codes in one step.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tables_of(level: Level) -> Tables {
    if level.as_avx512().is_some() { Tables::Whole } else { Tables::Halves }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn tables_of(_: Level) -> Tables {
    Tables::Halves
}

/// The tables of eight buckets.
fn whole(buckets: &[Four]) -> Whole {
    let passing = |byte: usize, code: usize| {
        let bits = buckets.iter().enumerate().map(|(number, bucket)| (bucket[byte] >> code & 1) << number);
        bits.sum::<u64>() as u8
    };
    array::from_fn(|byte| array::from_fn(|code| passing(byte, code)))
}

/// A table's halves, which pass no more than it does where it was dealt for halves.
fn halves(table: &[u8; CODES]) -> [[u8; 16]; 2] {
    let of = |is_of: &dyn Fn(usize, usize) -> bool| {
        array::from_fn(|half| {
            let passing = table.iter().enumerate().filter(|&(code, _)| is_of(code, half));
            passing.fold(0, |passing, (_, buckets)| passing | buckets)
        })
    };
    [of(&|code, half| code % 16 == half), of(&|code, half| code / 16 == half % 4)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::event::projection::levels;

    /// Whatever a processor has, with what it looks up best and the other.
    fn everywhere() -> impl Iterator<Item = (Level, Tables)> {
        levels().into_iter().flat_map(|level| [(level, Tables::Whole), (level, Tables::Halves)])
    }

    fn strs(texts: &[String]) -> Vec<&str> {
        texts.iter().map(String::as_str).collect()
    }

    fn found(level: Level, sieve: &Sieve, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let note = &mut |places: &[u32]| {
            found.extend(places.iter().map(|&place| place as usize));
            ControlFlow::<()>::Continue(())
        };
        let _ = sieve.look_through_with(level, text.as_bytes(), note);
        found
    }

    proptest! {
        #[test]
        fn every_string_passes_wherever_blocks_end(
            texts in vec("[a-d é/@_]{3,9}", 0..40),
            before in "[ab]{0,3}|x{55,75}|x{120,140}",
            within in "[abAB é]{0,9}",
            number in any::<prop::sample::Index>(),
            behind in "[ab ]{0,3}|x{0,70}",
            eights in 1..6_usize,
        ) {
            let one = texts.get(number.index(texts.len().max(1))).map_or(String::new(), |text| text.to_ascii_uppercase());
            let text = format!("{before}{within}{one}{behind}");
            for (level, tables) in everywhere() {
                let (sieve, places) = Sieve::with(tables, eights, &strs(&texts));
                let found = found(level, &sieve, &text);
                prop_assert!(found.is_sorted_by(|one, next| one < next), "{:?}", level);
                prop_assert!(found.iter().all(|&place| place < text.len()), "{:?}", level);
                for (sought, place) in texts.iter().zip(places) {
                    let stands_at = |&start: &usize| {
                        let there = text.as_bytes().get(start..start + sought.len());
                        there.is_some_and(|there| there.eq_ignore_ascii_case(sought.as_bytes()))
                    };
                    for start in (0..text.len()).filter(stands_at) {
                        prop_assert!(found.contains(&(start + place)), "{:?}: {sought} at {start} of {text}", level);
                    }
                }
            }
        }
    }

    #[test]
    fn strings_pass_at_every_place_near_the_ends() {
        for (level, tables) in everywhere() {
            let (sieve, places) = Sieve::with(tables, 2, &["abc", "xyzzy"]);
            for (sought, place) in ["abc", "xyzzy"].into_iter().zip(places) {
                for length in (5..9).chain(63..70).chain(126..137) {
                    for start in 0..=length - sought.len() {
                        let mut text = "-".repeat(length);
                        text.replace_range(start..start + sought.len(), sought);
                        let found = found(level, &sieve, &text);
                        assert!(found.contains(&(start + place)), "{level:?}: {sought} at {start} of {length}");
                        assert!(found.len() < 9, "{level:?}: {found:?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_processor_has_the_same_passes(
            texts in vec("[a-z/]{3,9}", 1..40),
            text in "[a-zA-Z/\"{]{0,300}",
            eights in 1..6_usize,
        ) {
            for tables in [Tables::Whole, Tables::Halves] {
                let (sieve, _) = Sieve::with(tables, eights, &strs(&texts));
                let all: Vec<_> = levels().into_iter().map(|level| found(level, &sieve, &text)).collect();
                prop_assert!(all.iter().all(|found| *found == all[0]));
            }
        }
    }

    #[test]
    fn more_is_listed_than_there_is_room_for_at_once() {
        for (level, tables) in everywhere() {
            let (sieve, _) = Sieve::with(tables, 1, &["aaaa"]);
            // At first as many as are listed before any is looked at.
            for before in [0, LISTED + 3] {
                for length in [3, 64, 66, 67, 200, 1_000] {
                    let text =
                        format!("{}{:w$}{}", "a".repeat(before), "", "a".repeat(length), w = BLOCK - before % BLOCK);
                    let start = text.len() - length;
                    let mut found = found(level, &sieve, &text);
                    found.pop_if(|last| *last + SHORTEST == text.len());
                    let expected = (0..before.saturating_sub(SHORTEST)).chain(start..text.len() - SHORTEST);
                    assert_eq!(found, expected.collect::<Vec<_>>(), "{level:?}: {length}");
                }
            }
        }
    }

    #[test]
    fn short_strings_are_dealt_first() {
        assert_eq!(Sieve::of(&["zqvx-qzxv"]).1, [0]);
        assert_eq!(Sieve::of(&["zqvx-qzxv", "qzx"]).1, [5, 0], "what passes for the short one costs the other nothing");
    }

    #[test]
    fn few_strings_go_by_the_same_bytes() {
        for start in ["テスト", "é-tool-", "arn:aws:iam::", "x_"] {
            let texts: Vec<String> = (1_000..1_300).map(|number| format!("{start}{:x}", number * 7_919_u64)).collect();
            let (_, places) = Sieve::of(&strs(&texts));
            let mut crowds: HashMap<&[u8], u32> = HashMap::new();
            for (text, place) in texts.iter().zip(places) {
                *crowds.entry(&text.as_bytes()[place..place + FOUR]).or_default() += 1;
            }
            let most = crowds.values().max().copied().unwrap_or_default();
            assert!(most < 60, "{most} strings go by the same bytes of {start}");
        }
    }

    #[test]
    fn little_of_usual_text_passes() {
        let stems =
            ["event", "account", "amazon", "session", "policy", "role/", "user", "request", "\":\"aws", "version"];
        let mut random = fastrand::Rng::with_seed(7);
        let mut letters = || -> String { (0..3).map(|_| random.lowercase()).collect() };
        let texts: Vec<String> =
            (0..400).map(|number| format!("{}{}{}", letters(), stems[number % stems.len()], letters())).collect();
        for (level, tables) in everywhere() {
            let (sieve, places) = Sieve::with(tables, 2, &strs(&texts));
            assert!(places.iter().any(|place| *place > 0), "they are told apart by what they do not share");
            let passing = found(level, &sieve, dealer::USUAL_RECORD).len();
            assert!(passing < 6, "{level:?} {tables:?}: {passing}");
        }
    }
}
