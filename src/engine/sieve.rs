//! Where in a text one of many strings may stand, whatever the case of ASCII letters.
//!
//! Of each string three neighbouring bytes are remembered, dealt into buckets. A bucket lets pass what has, byte for byte,
//! halves that some of its threes have there, so sixty-four places of a text are held against eight buckets by six look-ups
//! and as many steps. What passes is held against the strings by whoever asked. Which three bytes of a string, and which
//! bucket, is chosen so that little else passes. (After Teddy, of Wang et al., Hyperscan: A Fast Multi-pattern Regex Matcher
//! for Modern CPUs, 2019.)

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::LazyLock;

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x16, u8x64};
use foldhash::fast::RandomState;

use super::anchor::USUAL_VALUES;
use crate::event::projection::write_down;

/// Three neighbouring bytes.
pub type Three = [u8; 3];

/// What lets strings pass.
#[derive(Debug)]
pub struct Sieve(Box<[Eight]>);

/// Of eight buckets, by byte of a three and by half of it: a bit for each bucket that it passes.
#[derive(Debug, Clone, Copy, Default)]
struct Eight {
    low: [[u8; 16]; 3],
    high: [[u8; 16]; 3],
}

/// Deals strings into buckets.
struct Dealer {
    buckets: Vec<Bucket>,
    /// How many strings go by each three.
    crowds: Crowds,
}

/// How often there is each three.
type Crowds = HashMap<Three, u64, RandomState>;

/// What usual text is made of.
struct Usual {
    weights: Weights,
    threes: Crowds,
    /// By byte of a three: the places of threes that have such a half there.
    low: [[Marks; 16]; 3],
    high: [[Marks; 16]; 3],
}

/// Some of the places of usual text: a bit for each, so many words of them for what stands in nearly every record.
type Marks = [u64; 32];
const IN_EVERY: usize = 20;

/// Worked out once.
static USUAL: LazyLock<Usual> = LazyLock::new(Usual::new);

/// What passes a bucket.
#[derive(Debug, Clone, Default)]
struct Bucket {
    /// By byte of a three: a bit for each half.
    low: [u16; 3],
    high: [u16; 3],
    /// By byte of a three: how much of any text has such halves.
    weights: [u64; 3],
    /// By byte of a three: the places of usual text that have such halves.
    usual_low: [Marks; 3],
    usual_high: [Marks; 3],
    /// How much passes it.
    weight: u64,
}

/// How much of any text is such a byte, by its halves, the high one first.
struct Weights([[u64; 16]; 16]);

/// What nearly every record has: names, and the signs that stand between them and their values.
const USUAL_RECORD: &str = concat!(
    r#"{"eventversion":"1.11","useridentity":{"type":"iam","principalid":"aroa:","arn":"arn:","accountid":"1","#,
    r#""accesskeyid":"asia","username":"a","sessioncontext":{"sessionissuer":{"type":"role","principalid":"b","arn":"arn:","#,
    r#""accountid":"2","username":"c"},"attributes":{"creationdate":"2026","mfaauthenticated":"false"},"webidfederationdata":{}},"#,
    r#""invokedby":"d"},"eventtime":"2026","eventsource":"e","eventname":"f","awsregion":"us-","sourceipaddress":"3","#,
    r#""useragent":"g","requestparameters":{"h":"i","name":"k"},"responseelements":null,"additionaleventdata":{"l":"m"},"#,
    r#""requestid":"4","eventid":"5","readonly":true,"resources":[{"accountid":"6","type":"aws::","arn":"arn:"},{"n":"o"}],"#,
    r#""eventtype":"awsapicall","managementevent":true,"recipientaccountid":"7","eventcategory":"management","code":0,"#,
    r#""tlsdetails":{"tlsversion":"tlsv1.3","ciphersuite":"tls_aes_128_gcm_sha256","clientprovidedhostheader":"8.com"}}"#,
);

/// What stands in many records besides: names of calls and of parameters, and what user agents call themselves.
const OFTEN: &str = "describe list get put create update console signin sampling search group key bucket instance function \
    filterset items maxresults nexttoken rolearn rolesessionname durationseconds encryptioncontext algorithm \
    signatureversion sigv4 bytestransferredin authenticationmethod authheader x-amz-id-2 \
    boto3/ botocore/ md/botocore# ua/2.0 os/linux# md/arch#x86_64 lang/python# md/pyimpl#cpython m/ cfg/retry-mode#standard \
    exec-env/aws_lambda_ aws-sdk-go-v2/ aws-sdk-java/ aws-internal/ terraform/ command/ prompt/off ec2 s3 sts kms ssm \
    https:// mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/ safari/ macintosh";

/// For fewer strings there are eight buckets.
const FEW_STRINGS: usize = 96;

/// For more there are twice as many, and eight more for each so many.
const EIGHT_STRINGS: usize = 600;

/// As how many strings a three counts where it stands in usual text.
const USUAL_CROWD: u64 = 16;

/// What any three weighs for those that go by it, however rare it is in usual text: who writes an event chooses.
const WEIGHT_MIN: u64 = 1_000;

/// What a place weighs that stands in nearly every record and passes a bucket: as much as one that chance lets pass, of the one
/// and a half thousand places that a record has. One of what stands in many records weighs a fourth.
const PASSING: u64 = 4_000_000;

/// So many places are looked at together.
const BLOCK: usize = 64;

/// A block with what stands behind it.
const BLOCK_BYTES: usize = BLOCK + 2;

/// So many places are listed before they are looked at, and a block's.
const LISTED: usize = 2 * BLOCK;

/// Few blocks let more places pass.
const FEW: usize = 4;

/// The bit that tells letters of one case from those of the other.
const IN_CASE: u8 = b' ';

impl Sieve {
    /// What lets strings of at least three bytes pass, and where in each the three bytes stand that it goes by: with a fourth
    /// behind them, where the string has one.
    pub fn of(texts: &[&str]) -> (Self, Vec<usize>) {
        let eights = if texts.len() < FEW_STRINGS { 1 } else { 2 + texts.len() / EIGHT_STRINGS };
        Self::with_eights(eights, texts)
    }

    /// The same, with so many times eight buckets.
    fn with_eights(eights: usize, texts: &[&str]) -> (Self, Vec<usize>) {
        let mut dealer = Dealer::new(eights);
        let mut places = vec![0; texts.len()];
        // What is short has few threes to go by, so it comes first; what is long finds some that pass already.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&number| texts[number].len());
        order.iter().for_each(|&number| places[number] = dealer.deal(texts[number]));
        (Self(dealer.buckets.chunks(8).map(Eight::new).collect()), places)
    }

    /// Calls `found` with the places of a text where the three bytes of a string may stand, some at a time. Whether a string is
    /// there is for the caller to see, who gets lists so that nothing has to be guessed while they are written.
    pub fn look_through<B>(&self, text: &[u8], found: &mut impl FnMut(&[u32]) -> ControlFlow<B>) -> ControlFlow<B> {
        dispatch!(Level::new(), simd => self.pass_over(simd, text, found))
    }

    #[inline(always)]
    fn pass_over<B, S: Simd>(
        &self,
        simd: S,
        text: &[u8],
        found: &mut impl FnMut(&[u32]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut room = [0; LISTED + BLOCK];
        let mut count = 0;
        for start in (0..text.len()).step_by(BLOCK) {
            let rest = &text[start..];
            let passing = match rest.first_chunk() {
                Some(block) => self.passing(simd, block),
                None => self.passing(simd, &filled_up(rest)),
            };
            count += write_down::<FEW, S>(simd, passing, start as u32, &mut room[count..count + BLOCK]);
            if count > LISTED {
                found(within(text, &room[..count]))?;
                count = 0;
            }
        }
        found(within(text, &room[..count]))
    }

    /// The places of a block that pass a bucket with the bytes behind them.
    #[inline(always)]
    fn passing<S: Simd>(&self, simd: S, block: &[u8; BLOCK_BYTES]) -> mask8x64<S> {
        let (first, second, third) = (halves(simd, block, 0), halves(simd, block, 1), halves(simd, block, 2));
        let mut passing = u8x64::splat(simd, 0);
        for eight in &self.0 {
            passing |= eight.passing(simd, 0, first) & eight.passing(simd, 1, second) & eight.passing(simd, 2, third);
        }
        passing.simd_gt(0)
    }
}

/// Those of some places, in their order, that are in a text: not those of the zeros behind it, which pass for spaces.
fn within<'p>(text: &[u8], places: &'p [u32]) -> &'p [u32] {
    &places[..places.partition_point(|&place| (place as usize) < text.len())]
}

/// The last bytes of a text, as a block.
fn filled_up(rest: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// The halves of the bytes that stand so far behind each place of a block, the low ones first.
#[inline(always)]
fn halves<S: Simd>(simd: S, block: &[u8; BLOCK_BYTES], behind: usize) -> (u8x64<S>, u8x64<S>) {
    let bytes = u8x64::from_slice(simd, &block[behind..behind + BLOCK]) | IN_CASE;
    (bytes & 0x0f, bytes >> 4)
}

/// What a table says of each half of a byte.
#[inline(always)]
fn look_up<S: Simd>(simd: S, table: &[u8; 16], halves: u8x64<S>) -> u8x64<S> {
    u8x64::block_splat(u8x16::from_slice(simd, table)).swizzle_dyn_within_blocks(halves)
}

impl Eight {
    /// The buckets that such bytes pass in that place of a three.
    #[inline(always)]
    fn passing<S: Simd>(&self, simd: S, byte: usize, (low, high): (u8x64<S>, u8x64<S>)) -> u8x64<S> {
        look_up(simd, &self.low[byte], low) & look_up(simd, &self.high[byte], high)
    }

    fn new(buckets: &[Bucket]) -> Self {
        let mut eight = Self::default();
        for (number, bucket) in buckets.iter().enumerate() {
            for byte in 0..3 {
                for half in 0..16 {
                    eight.low[byte][half] |= u8::from(bucket.low[byte] >> half & 1 == 1) << number;
                    eight.high[byte][half] |= u8::from(bucket.high[byte] >> half & 1 == 1) << number;
                }
            }
        }
        eight
    }
}

impl Usual {
    fn new() -> Self {
        let every = [USUAL_RECORD, USUAL_VALUES];
        let usual = || every.into_iter().chain([OFTEN]);
        // Numbers, versions and addresses are everywhere; and what is in no usual text is not never there.
        let numbers = std::iter::repeat_n("0123456789.-/", 30);
        let bytes = usual().chain(numbers).flat_map(str::bytes).map(|byte| byte | IN_CASE);
        let mut weights = Weights([[1; 16]; 16]);
        bytes.for_each(|byte| weights.0[usize::from(byte >> 4)][usize::from(byte & 0x0f)] += 1);
        let mut made = Self { weights, threes: Crowds::default(), low: Default::default(), high: Default::default() };
        made.know(0..IN_EVERY, &every);
        made.know(IN_EVERY..Marks::default().len(), &[OFTEN]);
        made
    }

    /// Takes in the threes of texts, whose places have their bits in some of the words.
    fn know(&mut self, words: Range<usize>, texts: &[&str]) {
        let bits = words.flat_map(|word| (0..64).map(move |bit| (word, 1 << bit)));
        let threes = texts.iter().flat_map(|text| text.as_bytes().array_windows());
        for (three, (word, bit)) in threes.zip(bits) {
            let three: Three = three.map(|byte| byte | IN_CASE);
            *self.threes.entry(three).or_default() += 1;
            for (byte, value) in three.into_iter().enumerate() {
                self.low[byte][usize::from(value & 0x0f)][word] |= bit;
                self.high[byte][usize::from(value >> 4)][word] |= bit;
            }
        }
    }
}

impl Dealer {
    fn new(eights: usize) -> Self {
        Self { buckets: vec![Bucket::default(); 8 * eights], crowds: Crowds::default() }
    }

    /// As how many strings those count that go by a three already. Those that share one are often about the same matter and share
    /// more, and then each is compared wherever it stands: so a crowd weighs as its square.
    fn crowd(&self, three: Three) -> u64 {
        let count = |crowds: &Crowds| crowds.get(&three).copied().unwrap_or_default();
        count(&self.crowds) + count(&USUAL.threes) * USUAL_CROWD
    }

    /// Deals a string into a bucket by three of its bytes; where in it those stand.
    fn deal(&mut self, text: &str) -> usize {
        let mut best: Option<(u64, usize, usize, Three)> = None;
        // Those that are empty are all alike.
        let empty = self.buckets.iter().position(|bucket| bucket.weight == 0).unwrap_or_default();
        let with_a_fourth = text.len().saturating_sub(1).max(size_of::<Three>()).min(text.len());
        for (place, three) in text.as_bytes()[..with_a_fourth].array_windows().enumerate() {
            let three = three.map(|byte| byte | IN_CASE);
            let crowd = self.crowd(three).pow(2) * USUAL.weights.of(three).max(WEIGHT_MIN);
            let differing = |&(number, bucket): &(usize, &Bucket)| bucket.weight > 0 || number == empty;
            for (number, bucket) in self.buckets.iter().enumerate().filter(differing) {
                // Where the crowd is worse than the best so far, nothing else needs to be looked at.
                let is_less = |cost| best.is_none_or(|(least, ..)| cost < least);
                let cost = is_less(crowd).then(|| crowd + (bucket.with(three).weight - bucket.weight));
                if let Some(cost) = cost.filter(|&cost| is_less(cost)) {
                    best = Some((cost, place, number, three));
                }
            }
        }
        let Some((_, place, number, three)) = best else { return 0 };
        self.buckets[number] = self.buckets[number].with(three);
        *self.crowds.entry(three).or_default() += 1;
        place
    }
}

impl Bucket {
    fn with(&self, three: Three) -> Self {
        let mut with = self.clone();
        for (byte, value) in three.into_iter().enumerate() {
            let (low, high) = (usize::from(value & 0x0f), usize::from(value >> 4));
            with.low[byte] |= 1 << low;
            with.high[byte] |= 1 << high;
            if (with.low[byte], with.high[byte]) != (self.low[byte], self.high[byte]) {
                with.weights[byte] = USUAL.weights.of_halves(with.low[byte], with.high[byte]);
                add(&mut with.usual_low[byte], &USUAL.low[byte][low]);
                add(&mut with.usual_high[byte], &USUAL.high[byte][high]);
            }
        }
        with.weight = with.weights.iter().product::<u64>() + with.usual() * PASSING / 4;
        with
    }

    /// How many places of usual text pass it, four times those of what stands in nearly every record.
    fn usual(&self) -> u64 {
        let halves = || self.usual_low.iter().chain(&self.usual_high);
        let passing = |word: usize| halves().fold(u64::MAX, |passing, places| passing & places[word]).count_ones();
        let times = |word: usize| if word < IN_EVERY { 4 } else { 1 };
        (0..Marks::default().len()).map(|word| u64::from(passing(word)) * times(word)).sum()
    }
}

fn add(places: &mut Marks, others: &Marks) {
    places.iter_mut().zip(others).for_each(|(word, others)| *word |= others);
}

impl Weights {
    fn of(&self, three: Three) -> u64 {
        three.iter().map(|byte| self.0[usize::from(byte >> 4)][usize::from(byte & 0x0f)]).product()
    }

    fn of_halves(&self, low: u16, high: u16) -> u64 {
        bits(high).map(|high| bits(low).map(|low| self.0[high][low]).sum::<u64>()).sum()
    }
}

/// The numbers of the bits that are set.
fn bits(mut halves: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = halves.trailing_zeros();
        halves &= halves.wrapping_sub(1);
        (lowest < u16::BITS).then_some(lowest as usize)
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::event::projection::levels;

    fn found(level: Level, sieve: &Sieve, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let note = &mut |places: &[u32]| {
            found.extend(places.iter().map(|&place| place as usize));
            ControlFlow::<()>::Continue(())
        };
        let _ = dispatch!(level, simd => sieve.pass_over(simd, text.as_bytes(), note));
        found
    }

    proptest! {
        #[test]
        fn every_string_passes_wherever_blocks_end(
            texts in vec("[a-d é/]{3,9}", 0..40),
            before in "[ab]{0,3}|x{55,75}|x{120,140}",
            within in "[abAB é]{0,9}",
            number in any::<prop::sample::Index>(),
            behind in "[ab ]{0,3}|x{0,70}",
            eights in 1..4_usize,
        ) {
            let one = texts.get(number.index(texts.len().max(1))).map_or(String::new(), |text| text.to_ascii_uppercase());
            let text = format!("{before}{within}{one}{behind}");
            let (sieve, places) = Sieve::with_eights(eights, &texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut all = levels().into_iter().map(|level| found(level, &sieve, &text));
            let found = all.next().unwrap_or_default();
            prop_assert!(all.all(|others| others == found), "whatever the processor has");
            for (sought, place) in texts.iter().zip(places) {
                let stands_at = |&start: &usize| {
                    let there = text.as_bytes().get(start..start + sought.len());
                    there.is_some_and(|there| there.eq_ignore_ascii_case(sought.as_bytes()))
                };
                prop_assert!(found.iter().all(|&place| place < text.len()));
                for start in (0..text.len()).filter(stands_at) {
                    prop_assert!(found.contains(&(start + place)), "{sought} at {start} of {text}");
                }
            }
        }
    }

    #[test]
    fn few_strings_go_by_the_same_bytes() {
        for start in ["テスト", "é-tool-", "arn:aws:iam::", "x_"] {
            let texts: Vec<String> = (1_000..1_300).map(|number| format!("{start}{:x}", number * 7_919_u64)).collect();
            let (_, places) = Sieve::of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut crowds: HashMap<&[u8], u32> = HashMap::new();
            for (text, place) in texts.iter().zip(places) {
                *crowds.entry(&text.as_bytes()[place..place + 3]).or_default() += 1;
            }
            let most = crowds.values().max().copied().unwrap_or_default();
            assert!(most < 60, "{most} strings go by the same bytes of {start}");
        }
    }

    #[test]
    fn little_of_usual_text_passes() {
        let mut number = 1_u32;
        let mut letter = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (number >> 24) as u8 % 26)
        };
        let texts: Vec<String> = (0..1_000).map(|_| (0..9).map(|_| letter()).collect()).collect();
        let (sieve, places) = Sieve::of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(places.iter().any(|place| *place > 0), "they are told apart by what they do not share");
        let usual = format!("{USUAL_RECORD} {USUAL_VALUES}");
        let passing = found(Level::new(), &sieve, &usual).len();
        assert!(passing * 30 < usual.len(), "{passing} of {}", usual.len());
    }

    #[test]
    fn all_of_usual_text_has_its_marks() {
        assert!(USUAL_RECORD.len() + USUAL_VALUES.len() <= IN_EVERY * 64);
        assert!(OFTEN.len() <= (Marks::default().len() - IN_EVERY) * 64);
    }
}
