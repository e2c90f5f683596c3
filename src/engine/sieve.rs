//! Where in a text one of many strings may stand, whatever the case of ASCII letters.
//!
//! Of each string four neighbouring bytes are remembered, dealt into buckets. A bucket lets pass what has, byte for byte,
//! what some of its fours have there, so sixty-four places of a text are held against eight buckets by four look-ups
//! and as many steps. What passes is held against the strings by whoever asked. Which four bytes of a string, and which
//! bucket, is chosen so that little else passes. (After Teddy, of Wang et al., Hyperscan: A Fast Multi-pattern Regex Matcher
//! for Modern CPUs, 2019, which looks up halves of bytes, in tables of sixteen. Whatever their case, those of ASCII that text
//! has fit into tables of sixty-four.)

use std::array;
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::LazyLock;

use fearless_simd::{Level, Simd, dispatch, mask8x64, prelude::*, u8x64};
use foldhash::fast::RandomState;

use super::anchor::USUAL_VALUES;
use crate::event::projection::write_down;

/// What lets strings pass.
#[derive(Debug)]
pub struct Sieve(Box<[Eight]>);

/// Of eight buckets, by byte of a four and by its letter: a bit for each bucket that it passes.
#[derive(Debug, Clone, Copy)]
struct Eight([[u8; LETTERS]; FOUR]);

/// The same, in registers.
type Tables<S> = [u8x64<S>; FOUR];

/// So many bytes a string goes by.
const FOUR: usize = 4;

/// How many bytes a string has at least. The shortest has one less to go by.
pub const SHORTEST: usize = FOUR - 1;

/// So many letters there are: what is kept of a byte. Bytes beyond ASCII and control characters share those of others.
const LETTERS: usize = 64;

/// In place of a letter: any.
const ANY: u8 = LETTERS as u8;

/// The letters of four neighbouring bytes.
type Four = [u8; FOUR];

/// Deals strings into buckets.
struct Dealer {
    buckets: Vec<Bucket>,
    /// How many strings go by each four.
    crowds: HashMap<Four, u32, RandomState>,
}

/// What usual text is made of.
struct Usual {
    /// By letter, and for any: of how many bytes it is one.
    shares: [f64; LETTERS + 1],
    /// How often a four stands in a record.
    fours: HashMap<Four, f64, RandomState>,
    /// By byte of a four, and by its letter: the places of fours that have it there.
    marks: [[Marks; LETTERS + 1]; FOUR],
}

/// Some of the places of usual text: a bit for each, so many words of them for what stands in nearly every record.
type Marks = [u64; MARKS];
const MARKS: usize = 64;
const IN_EVERY: usize = 20;

/// Worked out once.
static USUAL: LazyLock<Usual> = LazyLock::new(Usual::new);

/// What passes a bucket.
#[derive(Debug, Clone)]
struct Bucket {
    /// By byte of a four: a bit for each letter.
    letters: [u64; FOUR],
    /// By byte of a four: of how many bytes of any text it is one of those letters.
    shares: [f64; FOUR],
    /// By byte of a four: the places of usual text that have such letters.
    marks: [Marks; FOUR],
    /// How many places of a record pass it.
    passing: f64,
}

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

/// What stands in many records besides: names of calls and of parameters, what user agents call themselves, why calls are refused.
const OFTEN: &str = "describe list get put create update delete attach console signin sampling search group key bucket instance \
    function policy policies version table secret state status running active enabled value filterset items maxresults nexttoken \
    rolearn rolesessionname assumedroleuser assumedroleid sts:: durationseconds credentials sessiontoken expiration identity_provider \
    encryptioncontext algorithm clientrequesttoken tagset resourcetypes securitygroup subnet vpc networkinterface volume snapshot \
    statement effect allow action resource principal condition document string log metric alarm cluster service topic queue \
    signatureversion sigv4 bytestransferredin authenticationmethod authheader x-amz-id-2 vpcendpointid sharedeventid \
    errorcode accessdenied client.unauthorizedoperation throttling notfound nosuch exception invalid errormessage user: arn:aws:iam:: \
    is not authorized to perform: on resource: because no identity-based policy allows the action an error occurred does not exist \
    boto3/ botocore/ md/botocore# ua/2.0 os/linux# md/arch#x86_64 lang/python# md/pyimpl#cpython m/ cfg/retry-mode#standard \
    exec-env/aws_lambda_ exec-env/cloudshell aws-sdk-go-v2/ lang/go# md/goos#linux md/goarch#amd64 api/ aws-sdk-java/ openjdk_64-bit \
    aws-sdk-js/3 lang/js md/nodejs# aws-internal/ aws internal cloudformation autoscaling lambda.amazonaws.com command/ prompt/off \
    apn/1.0 hashicorp/1.0 terraform/1.9 (+https://www.terraform.io) terraform-provider-aws/5 (+https://registry.terraform.io/providers/) \
    ec2 s3 sts kms ssm iam monitoring logs secretsmanager dynamodb organizations ecdhe-rsa-aes128-gcm-sha256 tlsv1.2 \
    assumed-role/aws-service-role/awsserviceroleforconfig awsreservedsso_administratoraccess_ deploy backup admin test prod dev \
    mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/ safari/ macintosh; intel mac os x linux";

/// For fewer strings there are eight buckets.
const FEW_STRINGS: usize = 96;

/// For more there are twice as many, and eight more for each so many.
const EIGHT_STRINGS: usize = 600;

/// So many places a record has.
const PLACES: f64 = 1_500.0;

/// In so many records stands what stands in many.
const IN_MANY: f64 = 1.0 / 16.0;

/// In so many records any four stands that strings go by, however rare it is in usual text: who writes an event chooses.
const CHOSEN: f64 = 0.000_25;

/// So many places are looked at together.
const BLOCK: usize = 64;

/// A block with what stands behind it.
const BLOCK_BYTES: usize = BLOCK + FOUR - 1;

/// So many places are listed before they are looked at, and a block's.
const LISTED: usize = 2 * BLOCK;

/// Room for them.
type Room = [u32; ROOM];
const ROOM: usize = LISTED + 2 * BLOCK;

/// Few blocks let more places pass.
const FEW: usize = 4;

impl Sieve {
    /// What lets strings pass, and where in each the bytes stand that it goes by.
    pub fn of(texts: &[&str]) -> (Self, Vec<usize>) {
        let eights = if texts.len() < FEW_STRINGS { 1 } else { 2 + texts.len() / EIGHT_STRINGS };
        Self::with_eights(eights, texts)
    }

    /// The same, with so many times eight buckets.
    fn with_eights(eights: usize, texts: &[&str]) -> (Self, Vec<usize>) {
        let mut dealer = Dealer::new(eights);
        let mut places = vec![0; texts.len()];
        // What is short has few fours to go by, so it comes first; what is long finds some that pass already.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&number| texts[number].len());
        order.iter().for_each(|&number| places[number] = dealer.deal(texts[number]));
        (Self(dealer.buckets.chunks(8).map(Eight::new).collect()), places)
    }

    /// Calls `found` with the places of a text where the bytes may stand that a string goes by, some at a time. Whether a string is
    /// there is for the caller to see, who gets lists so that nothing has to be guessed while they are written.
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

    /// Lists places of a text that pass, from one on; up to where, and how many. The tables of a few eights stay in registers.
    #[inline(always)]
    fn list<S: Simd>(&self, simd: S, text: &[u8], start: usize, room: &mut Room) -> (usize, usize) {
        match *self.0 {
            [one] => list(simd, [one.tables(simd)], &[], text, start, room),
            [one, two] => list(simd, [one, two].map(|eight| eight.tables(simd)), &[], text, start, room),
            [one, two, three, ref rest @ ..] => {
                list(simd, [one, two, three].map(|eight| eight.tables(simd)), rest, text, start, room)
            }
            [] => (text.len(), 0),
        }
    }
}

#[inline(always)]
fn list<const COUNT: usize, S: Simd>(
    simd: S,
    tables: [Tables<S>; COUNT],
    rest: &[Eight],
    text: &[u8],
    mut start: usize,
    room: &mut Room,
) -> (usize, usize) {
    let mut count = 0;
    while count <= LISTED
        && let Some(block) = text[start..].first_chunk()
    {
        let passing = passing(simd, &tables, rest, block);
        count += write_down::<FEW, S>(simd, passing, start as u32, &mut room[count..count + BLOCK]);
        start += BLOCK;
    }
    if count > LISTED {
        return (start, count);
    }
    // No string starts at the last two bytes, so one block has all that is left. Zeros behind the text pass for spaces.
    let passing = passing(simd, &tables, rest, &filled_up(&text[start..]));
    count += write_down::<FEW, S>(simd, passing, start as u32, &mut room[count..count + BLOCK]);
    (text.len(), room[..count].partition_point(|&place| (place as usize) < text.len()))
}

/// The places of a block that pass a bucket with what stands there and behind them.
#[inline(always)]
fn passing<const COUNT: usize, S: Simd>(
    simd: S,
    tables: &[Tables<S>; COUNT],
    rest: &[Eight],
    block: &[u8; BLOCK_BYTES],
) -> mask8x64<S> {
    let letters = [letters(simd, block, 0), letters(simd, block, 1), letters(simd, block, 2), letters(simd, block, 3)];
    let mut passing = u8x64::splat(simd, 0);
    for tables in tables {
        passing |= look_up(tables, &letters);
    }
    for eight in rest {
        passing |= look_up(&eight.tables(simd), &letters);
    }
    passing.simd_gt(0)
}

/// The buckets that places pass.
#[inline(always)]
fn look_up<S: Simd>([a, b, c, d]: &Tables<S>, [first, second, third, fourth]: &[u8x64<S>; FOUR]) -> u8x64<S> {
    a.swizzle_dyn(*first) & b.swizzle_dyn(*second) & c.swizzle_dyn(*third) & d.swizzle_dyn(*fourth)
}

/// The last bytes of a text, as a block.
fn filled_up(rest: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// What tells a byte from others, whatever its case: all its bits but the one for that and the highest.
const fn letter(byte: u8) -> u8 {
    byte & 0x1f | byte >> 1 & 0x20
}

/// The fours of a text, in their order.
fn fours(text: &str) -> impl Iterator<Item = Four> {
    text.as_bytes().array_windows().map(|four: &Four| four.map(letter))
}

/// What those pass for who look no further than at three bytes.
fn threes(text: &str) -> impl Iterator<Item = Four> {
    text.as_bytes().array_windows().map(|&[a, b, c]| [letter(a), letter(b), letter(c), ANY])
}

/// The letters that stand so far behind each place of a block.
#[inline(always)]
fn letters<S: Simd>(simd: S, block: &[u8; BLOCK_BYTES], behind: usize) -> u8x64<S> {
    let bytes = u8x64::from_slice(simd, &block[behind..behind + BLOCK]);
    (bytes & !0x20 | (bytes >> 1) & 0x20) & 0x3f
}

impl Eight {
    #[inline(always)]
    fn tables<S: Simd>(&self, simd: S) -> Tables<S> {
        self.0.map(|table| u8x64::from_slice(simd, &table))
    }

    fn new(buckets: &[Bucket]) -> Self {
        let passing = |byte: usize, letter: usize| {
            let bits =
                buckets.iter().enumerate().map(|(number, bucket)| (bucket.letters[byte] >> letter & 1) << number);
            bits.sum::<u64>() as u8
        };
        Self(array::from_fn(|byte| array::from_fn(|letter| passing(byte, letter))))
    }
}

impl Usual {
    fn new() -> Self {
        let every = [USUAL_RECORD, USUAL_VALUES];
        // Numbers, versions and addresses are everywhere; and what is in no usual text is not never there.
        let numbers = std::iter::repeat_n("0123456789.-/", 30);
        let mut counts = [1_u32; LETTERS];
        let bytes = every.into_iter().chain([OFTEN]).chain(numbers).flat_map(str::bytes);
        bytes.for_each(|byte| counts[usize::from(letter(byte))] += 1);
        let total: u32 = counts.iter().sum();
        let share = |letter: usize| counts.get(letter).map_or(1.0, |&count| f64::from(count) / f64::from(total));
        let marks = array::from_fn(|_| array::from_fn(|letter| [if letter < LETTERS { 0 } else { u64::MAX }; MARKS]));
        let mut made = Self { shares: array::from_fn(share), fours: HashMap::default(), marks };
        made.know(&every, 0..IN_EVERY, 1.0);
        made.know(&[OFTEN], IN_EVERY..MARKS, IN_MANY);
        made
    }

    /// Takes in texts that stand in so many records, whose places have their bits in some of the words.
    fn know(&mut self, texts: &[&str], words: Range<usize>, records: f64) {
        let bits = words.flat_map(|word| (0..u64::BITS).map(move |bit| (word, 1 << bit)));
        for (four, (word, bit)) in texts.iter().flat_map(|text| fours(text)).zip(bits) {
            for (byte, letter) in four.into_iter().enumerate() {
                self.marks[byte][usize::from(letter)][word] |= bit;
            }
        }
        let all = texts.iter().flat_map(|text| fours(text).chain(threes(text)));
        all.for_each(|four| *self.fours.entry(four).or_default() += records);
    }

    /// How often a four stands in a record.
    fn often(&self, four: Four) -> f64 {
        let by_chance: f64 = four.into_iter().map(|letter| self.shares[usize::from(letter)]).product();
        by_chance * PLACES + self.fours.get(&four).copied().unwrap_or_default()
    }
}

impl Dealer {
    fn new(eights: usize) -> Self {
        Self { buckets: vec![Bucket::EMPTY; 8 * eights], crowds: HashMap::default() }
    }

    /// What it costs a string to go by a four. Those that share one are often about the same matter and share more, and then each
    /// is compared wherever it stands: so a crowd weighs as its square.
    fn crowd(&self, four: Four) -> f64 {
        let strings = self.crowds.get(&four).copied().unwrap_or_default();
        f64::from(strings + 1).powi(2) * (USUAL.often(four) + CHOSEN)
    }

    /// Deals a string into a bucket by some of its bytes; where in it those stand.
    fn deal(&mut self, text: &str) -> usize {
        let mut best: Option<(f64, usize, usize, Four)> = None;
        // Those that are empty are all alike.
        let empty = self.buckets.iter().position(Bucket::is_empty).unwrap_or_default();
        let is_short = text.len() == SHORTEST;
        for (place, four) in fours(text).chain(threes(text).filter(|_| is_short)).enumerate() {
            let crowd = self.crowd(four);
            let differing = |&(number, bucket): &(usize, &Bucket)| !bucket.is_empty() || number == empty;
            for (number, bucket) in self.buckets.iter().enumerate().filter(differing) {
                let left = best.map_or(f64::INFINITY, |(least, ..)| least - crowd);
                if let Some(more) = bucket.more_with(four, left) {
                    best = Some((crowd + more, place, number, four));
                }
            }
        }
        let Some((_, place, number, four)) = best else { return 0 };
        self.buckets[number].take(four);
        *self.crowds.entry(four).or_default() += 1;
        place
    }
}

impl Bucket {
    const EMPTY: Self = Self { letters: [0; FOUR], shares: [0.0; FOUR], marks: [[0; MARKS]; FOUR], passing: 0.0 };

    fn is_empty(&self) -> bool {
        self.letters == Self::EMPTY.letters
    }

    /// Takes in a four.
    fn take(&mut self, four: Four) {
        self.passing = self.by_chance_with(four) + self.usual_with(four);
        for (byte, letter) in four.into_iter().enumerate() {
            self.shares[byte] = self.share_with(byte, letter);
            self.letters[byte] |= if letter == ANY { u64::MAX } else { 1 << letter };
            add(&mut self.marks[byte], &USUAL.marks[byte][usize::from(letter)]);
        }
    }

    /// How many more places of a record would pass it with a four besides, if that is less than so many.
    fn more_with(&self, four: Four, most: f64) -> Option<f64> {
        let by_chance = self.by_chance_with(four) - self.passing;
        // What usual text has to say takes longer.
        let more = || by_chance + self.usual_with(four);
        Some(by_chance).filter(|&more| more < most).map(|_| more()).filter(|&more| more < most)
    }

    fn by_chance_with(&self, four: Four) -> f64 {
        let shares = four.into_iter().enumerate().map(|(byte, letter)| self.share_with(byte, letter));
        shares.product::<f64>() * PLACES
    }

    fn usual_with(&self, four: Four) -> f64 {
        let others: [&Marks; FOUR] = array::from_fn(|byte| &USUAL.marks[byte][usize::from(four[byte])]);
        let passing = |word: usize| {
            let words = self.marks.iter().zip(others).map(|(marks, others)| marks[word] | others[word]);
            words.fold(u64::MAX, |passing, word| passing & word).count_ones()
        };
        let count = |words: Range<usize>| f64::from(words.map(passing).sum::<u32>());
        count(0..IN_EVERY) + count(IN_EVERY..MARKS) * IN_MANY
    }

    fn share_with(&self, byte: usize, letter: u8) -> f64 {
        match letter {
            ANY => 1.0,
            letter if self.letters[byte] >> letter & 1 == 1 => self.shares[byte],
            letter => self.shares[byte] + USUAL.shares[usize::from(letter)],
        }
    }
}

fn add(places: &mut Marks, others: &Marks) {
    places.iter_mut().zip(others).for_each(|(word, others)| *word |= others);
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
        let _ = sieve.look_through_with(level, text.as_bytes(), note);
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
                *crowds.entry(&text.as_bytes()[place..place + FOUR]).or_default() += 1;
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
        assert!(OFTEN.len() <= (MARKS - IN_EVERY) * 64);
    }
}
