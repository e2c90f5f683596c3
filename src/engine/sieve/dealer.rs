//! Which bytes strings go by in a sieve, and which bucket each is dealt into: chosen so that little else passes.
//!
//! What passes is reckoned against a record as it usually is: by how often each code stands in it, and by all the places of
//! text that most records have or many.

use std::array;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::{CODES, FOUR, SHORTEST, code};
use crate::engine::anchor::USUAL_VALUES;

/// What codes are looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// One for all.
    Whole,
    /// One for each half: a bucket lets pass whatever has a half that some of its codes have and another that some
    /// have.
    Halves,
}

/// A bit for each of some codes.
pub type Codes = u64;

/// What four neighbouring bytes may be.
pub type Four = [Codes; FOUR];

/// Deals strings into buckets.
struct Dealer {
    tables: Tables,
    buckets: Vec<Bucket>,
    /// How many strings go by each four.
    crowds: HashMap<Four, u32, RandomState>,
}

/// What usual text is made of.
struct Usual {
    /// By code: what share of bytes have it.
    shares: [f64; CODES],
    /// How often a four stands in a record.
    fours: HashMap<Four, f64, RandomState>,
    /// By byte of a four, and by its code: the places of fours that have it there.
    marks: Vec<[Marks; CODES]>,
}

/// Some of the places of usual text: a bit for each.
type Marks = [u64; WORDS];

/// So many words of bits, and how many of them are for what stands in nearly every record.
const WORDS: usize = 52;
const WORDS_OF_EVERY: usize = 20;

/// Worked out once.
static USUAL: LazyLock<Usual> = LazyLock::new(Usual::new);

/// What passes a bucket.
#[derive(Debug, Clone)]
struct Bucket {
    /// By byte of a four.
    codes: Four,
    /// By byte of a four: what share of bytes have such codes.
    shares: [f64; FOUR],
    /// By byte of a four: the places of usual text that have such codes.
    marks: [Marks; FOUR],
    /// How many places of a record pass by chance, and how many of usual text.
    by_chance: f64,
    usual: f64,
}

/// What nearly every record has: names, and the signs that stand between them and their values.
pub(super) const USUAL_RECORD: &str = concat!(
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

/// So many places a record has.
const PLACES: f64 = 1_500.0;

/// In so many records stands what stands in many.
const IN_MANY: f64 = 1.0 / 4.0;

/// In so many records any four stands that strings go by, however rare it is in usual text: who writes an event chooses.
const CHOSEN: f64 = 0.000_25;

/// What passes each of so many buckets that strings are dealt into, and where in each string the bytes stand that it goes by.
pub fn deal(tables: Tables, buckets: usize, texts: &[&str]) -> (Vec<Four>, Vec<usize>) {
    let mut dealer = Dealer { tables, buckets: vec![Bucket::EMPTY; buckets], crowds: HashMap::default() };
    let mut places = vec![0; texts.len()];
    // What is short has few fours to go by, so it comes first; what is long finds some that pass already.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&number| texts[number].len());
    order.iter().for_each(|&number| places[number] = dealer.deal(texts[number]));
    (dealer.buckets.iter().map(|bucket| bucket.codes).collect(), places)
}

impl Tables {
    /// What passes where some codes are to pass.
    fn passing(self, codes: Codes) -> Codes {
        if self == Self::Whole {
            return codes;
        }
        let rows = || (0..CODES as u32).step_by(16).map(|row| (row, codes >> row & 0xffff));
        let low = rows().fold(0, |all, (_, low)| all | low);
        rows().filter(|&(_, low)| low > 0).fold(0, |all, (row, _)| all | low << row)
    }
}

/// The fours of a text, in their order.
fn fours(text: &str) -> impl Iterator<Item = Four> {
    text.as_bytes().array_windows().map(|four: &[u8; FOUR]| four.map(|byte| 1 << code(byte)))
}

/// What those pass for who look no further than at three bytes.
fn threes(text: &str) -> impl Iterator<Item = Four> {
    text.as_bytes().array_windows().map(|three| {
        let [a, b, c] = three.map(|byte| 1 << code(byte));
        [a, b, c, Codes::MAX]
    })
}

/// The numbers of the codes that are among some.
fn each(mut codes: Codes) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = codes.trailing_zeros();
        codes &= codes.wrapping_sub(1);
        (lowest < Codes::BITS).then_some(lowest as usize)
    })
}

impl Usual {
    fn new() -> Self {
        let every = [USUAL_RECORD, USUAL_VALUES];
        // Numbers, versions and addresses are everywhere; and what is in no usual text is not never there.
        let numbers = std::iter::repeat_n("0123456789.-/", 30);
        let mut counts = [1_u32; CODES];
        let bytes = every.into_iter().chain([OFTEN]).chain(numbers).flat_map(str::bytes);
        bytes.for_each(|byte| counts[code(byte)] += 1);
        let total: u32 = counts.iter().sum();
        let shares = counts.map(|count| f64::from(count) / f64::from(total));
        let mut made = Self { shares, fours: HashMap::default(), marks: vec![[[0; WORDS]; CODES]; FOUR] };
        made.know(&every, 0..WORDS_OF_EVERY, 1.0);
        made.know(&[OFTEN], WORDS_OF_EVERY..WORDS, IN_MANY);
        made
    }

    /// Takes in texts that stand in so many records, whose places have their bits in some of the words.
    fn know(&mut self, texts: &[&str], words: Range<usize>, records: f64) {
        let places = words.flat_map(|word| (0..u64::BITS).map(move |bit| (word, 1 << bit)));
        for (four, (word, place)) in texts.iter().flat_map(|text| fours(text)).zip(places) {
            for (marks, codes) in self.marks.iter_mut().zip(four) {
                each(codes).for_each(|code| marks[code][word] |= place);
            }
        }
        let all = texts.iter().flat_map(|text| fours(text).chain(threes(text)));
        all.for_each(|four| *self.fours.entry(four).or_default() += records);
    }

    /// How often a four stands in a record.
    fn often(&self, four: Four) -> f64 {
        let by_chance: f64 = four.into_iter().map(|codes| self.share(codes)).product();
        by_chance * PLACES + self.fours.get(&four).copied().unwrap_or_default()
    }

    /// What share of bytes have one of some codes.
    fn share(&self, codes: Codes) -> f64 {
        each(codes).map(|code| self.shares[code]).sum()
    }
}

impl Dealer {
    /// What it costs a string to go by a four. Those that share one are often about the same matter and share more, and then each
    /// is compared wherever it stands: so a crowd weighs as its square.
    fn crowd(&self, four: Four) -> f64 {
        let strings = self.crowds.get(&four).copied().unwrap_or_default();
        f64::from(strings + 1).powi(2) * (USUAL.often(four) + CHOSEN)
    }

    /// The fours of a string, what it costs to go by each, and where they stand: those first that cost least.
    fn by_crowd(&self, text: &str) -> Vec<(f64, usize, Four)> {
        let is_short = text.len() == SHORTEST;
        let fours = fours(text).chain(threes(text).filter(|_| is_short)).enumerate();
        let mut by_crowd: Vec<_> = fours.map(|(place, four)| (self.crowd(four), place, four)).collect();
        by_crowd.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
        by_crowd
    }

    /// Deals a string into a bucket by some of its bytes; where in it those stand.
    fn deal(&mut self, text: &str) -> usize {
        let mut best: Option<(f64, usize, usize, Four)> = None;
        // Those that are empty are all alike.
        let empty = self.buckets.iter().position(Bucket::is_empty).unwrap_or_default();
        for (crowd, place, four) in self.by_crowd(text) {
            // None of those that come now is better.
            if best.is_some_and(|(least, ..)| crowd >= least) {
                break;
            }
            let differing = |&(number, bucket): &(usize, &Bucket)| !bucket.is_empty() || number == empty;
            for (number, bucket) in self.buckets.iter().enumerate().filter(differing) {
                let left = best.map_or(f64::INFINITY, |(least, ..)| least - crowd);
                if let Some(more) = bucket.more_with(bucket.opened(self.tables, four), left) {
                    best = Some((crowd + more, place, number, four));
                }
            }
        }
        debug_assert!(best.is_some(), "a string has at least three bytes");
        let Some((_, place, number, four)) = best else { return 0 };
        let bucket = &mut self.buckets[number];
        bucket.take(bucket.opened(self.tables, four));
        *self.crowds.entry(four).or_default() += 1;
        place
    }
}

impl Bucket {
    const EMPTY: Self =
        Self { codes: [0; FOUR], shares: [0.0; FOUR], marks: [[0; WORDS]; FOUR], by_chance: 0.0, usual: 0.0 };

    fn is_empty(&self) -> bool {
        self.codes == Self::EMPTY.codes
    }

    /// What else would pass, byte for byte, if a four is to.
    fn opened(&self, tables: Tables, four: Four) -> Four {
        array::from_fn(|byte| tables.passing(self.codes[byte] | four[byte]) & !self.codes[byte])
    }

    /// Lets more pass.
    fn take(&mut self, opened: Four) {
        (self.by_chance, self.usual) = (self.by_chance_with(opened), self.usual_with(opened));
        for (byte, codes) in opened.into_iter().enumerate() {
            self.codes[byte] |= codes;
            self.shares[byte] += USUAL.share(codes);
            each(codes).for_each(|code| add(&mut self.marks[byte], &USUAL.marks[byte][code]));
        }
    }

    /// How many more places of a record would pass with those codes besides, if that is less than so many.
    fn more_with(&self, opened: Four, most: f64) -> Option<f64> {
        let is_less = |&more: &f64| more < most;
        let by_chance = Some(self.by_chance_with(opened) - self.by_chance).filter(is_less)?;
        // This takes longer.
        Some(by_chance + self.usual_with(opened) - self.usual).filter(is_less)
    }

    fn by_chance_with(&self, opened: Four) -> f64 {
        let shares = self.shares.iter().zip(opened).map(|(share, codes)| share + USUAL.share(codes));
        shares.product::<f64>() * PLACES
    }

    fn usual_with(&self, opened: Four) -> f64 {
        let mut passing = [u64::MAX; WORDS];
        for (byte, codes) in opened.into_iter().enumerate() {
            let mut marks = self.marks[byte];
            each(codes).for_each(|code| add(&mut marks, &USUAL.marks[byte][code]));
            passing.iter_mut().zip(marks).for_each(|(passing, marks)| *passing &= marks);
        }
        let count = |words: &[u64]| f64::from(words.iter().map(|word| word.count_ones()).sum::<u32>());
        let (every, many) = passing.split_at(WORDS_OF_EVERY);
        count(every) + count(many) * IN_MANY
    }
}

fn add(places: &mut Marks, others: &Marks) {
    places.iter_mut().zip(others).for_each(|(word, others)| *word |= others);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_usual_text_has_its_marks() {
        assert!(USUAL_RECORD.len() + USUAL_VALUES.len() <= WORDS_OF_EVERY * 64);
        assert!(OFTEN.len() <= (WORDS - WORDS_OF_EVERY) * 64);
    }

    #[test]
    fn of_halves_all_that_they_make_up_passes() {
        for (codes, passing) in [
            (0, 0),
            (1 << 0x35, 1 << 0x35),
            (1 << 0x31 | 1 << 0x05, 1 << 0x31 | 1 << 0x35 | 1 << 0x01 | 1 << 0x05),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(Tables::Halves.passing(codes), passing, "{codes:x}");
            assert_eq!(Tables::Whole.passing(codes), codes);
        }
    }
}
