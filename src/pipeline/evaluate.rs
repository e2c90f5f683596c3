//! Decoding and matching of a batch: pure work, done off the async threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::accounts::{Accounts, Own};
use super::handle::{Current, Round};
use crate::condition::{self, Condition};
use crate::decode::{self, Decoded, Limits, Reason, Reject};
use crate::delivery::{Delivery, Origin, Receipt};
use crate::engine::{self, RuleId, RuleSet, Scratch};
use crate::event::{
    Case, Event, EventKey, EventKind, Fields, Path, Projection, RawEvent, Value, projection_of, wanted_field,
};
use crate::finding::{Finding, Match};
use crate::source::Source;
use crate::source::distribution::Distribution;
use crate::source::layout::TrailFile;

/// What came of a batch.
pub struct Evaluated {
    /// The number of the source.
    pub source: usize,
    /// The receipts of the batch.
    pub receipts: Receipts,
    /// What was in it, in order.
    pub items: Vec<Item>,
    /// Parts that did not decode, beyond those that are told one by one: by the word of their reason.
    pub more_rejects: BTreeMap<&'static str, u64>,
    /// Probes of CloudWatch that carry no event.
    pub controls: u64,
    /// What it took to match some of its events, in nanoseconds.
    pub matching: Distribution,
    /// Its share of the way, to be held until the batch is dealt with.
    pub weight: OwnedSemaphorePermit,
}

/// Receipts, by what was in their deliveries.
#[derive(Debug, Clone, Default)]
pub struct Receipts {
    /// Of those that held something, or nothing at all.
    pub good: Vec<Receipt>,
    /// Of those in which there is something, none of which is an event.
    pub undecodable: Vec<Receipt>,
}

impl Receipts {
    /// Adds others.
    pub fn extend(&mut self, other: Self) {
        self.good.extend(other.good);
        self.undecodable.extend(other.undecodable);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Receipt> {
        self.good.iter().chain(&self.undecodable).copied().collect()
    }
}

/// How many parts of one batch that did not decode are told one by one; garbage may hold millions.
const REJECTS_TOLD_MAX: usize = 1_000;

/// What any delivery may inflate to without having been weighed for it: payloads within others do not say what they hold.
const UNWEIGHED_BYTES_MAX: usize = 8 << 20;

/// Of so many events of a batch one is measured, the first among them.
const MEASURED_ONE_IN: u64 = 64;

/// What it took to match some of the events of a batch.
#[derive(Default)]
struct Samples {
    events: u64,
    times: Distribution,
}

impl Samples {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = self.events.is_multiple_of(MEASURED_ONE_IN).then(Instant::now);
        self.events += 1;
        let done = work();
        if let Some(began) = began {
            self.times.note(began.elapsed().as_nanos() as i128);
        }
        done
    }
}

/// Where the events of a delivery come from.
struct Whence {
    /// The number of the source.
    source: usize,
    /// Whose events should be in it.
    owner: Option<u64>,
    /// When the service had it, by what the service says: what is in the delivery may say anything.
    delivered_ms: Option<i64>,
}

/// One thing that was in a batch.
pub enum Item {
    /// An event.
    Event(Judged),
    /// An event of an account that is not wanted of its source.
    Foreign(Foreign),
    /// Bytes that did not decode.
    Reject(Reject),
}

/// An event of an account that is not wanted of its source.
pub struct Foreign {
    /// Where it came from.
    pub origin: Origin,
    /// Whose it is.
    pub account: String,
}

/// An event that was held against the rules.
pub struct Judged {
    /// The number of the source that brought it.
    pub source: usize,
    /// What makes it the same as another.
    pub key: EventKey,
    /// What it is.
    pub kind: EventKind,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// When the service had it, in milliseconds since 1970, if that is known.
    pub delivered_ms: Option<i64>,
    /// Whether it passes the filter.
    pub wanted: bool,
    /// Where it came from, if that is the object of another account than its own.
    pub misplaced: Option<Origin>,
    /// Rules that it matches for nothing, since it records a call of ours.
    pub own_matches: u64,
    /// The rules that it matches, until it is known which of them are findings.
    pub matches: Vec<Match>,
    /// What it matches by, if anything: its findings go where that says.
    pub ruled: Option<Arc<Ruled>>,
    /// What it led to.
    pub findings: Vec<Arc<Finding>>,
    /// The event itself, if somebody watches.
    pub raw: Option<RawEvent>,
}

/// Rules and where their findings go, which are replaced together. The buffers remember what is about these rules.
pub struct Ruled {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The couriers.
    pub rounds: Vec<Round>,
    buffers: Mutex<Vec<Buffers>>,
}

impl Ruled {
    /// Rules that have not been used.
    pub fn new(rules: Arc<RuleSet>, rounds: Vec<Round>) -> Self {
        Self { rules, rounds, buffers: Mutex::default() }
    }
}

/// What is used again and again by one thread at a time.
#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    /// For events that are read whole.
    whole: Fields,
}

/// Holds what evaluating needs; shared by the threads that do it.
pub struct Evaluator {
    rules: Arc<Current<Ruled>>,
    /// Everything that a filter may name, and the account of an envelope.
    whole: Projection,
    filter: Option<Condition>,
    /// The accounts whose events are wanted, by source; of any, where there are none.
    accounts: Vec<Vec<String>>,
    own: Own,
    limits: Limits,
    /// For CloudTrail's own objects.
    strict: Limits,
    keep: bool,
    /// Held by what inflates to more than it said, so that there is one of its kind in memory.
    heavy: Mutex<()>,
}

impl Evaluator {
    /// `keep` says whether events are handed on whole.
    pub fn new(
        rules: Arc<Current<Ruled>>,
        filter: Option<Condition>,
        (accounts, sources): (&Accounts, &[Arc<dyn Source>]),
        limits: Limits,
        keep: bool,
    ) -> Self {
        let whole = projection_of(Path::parse("account", Case::Insensitive));
        let strict = Limits { gzip_members_max: 1, ..limits.clone() };
        let own = accounts.own();
        let accounts = sources.iter().map(|source| accounts.of(&source.name())).collect();
        Self { rules, whole, filter, accounts, own, limits, strict, keep, heavy: Mutex::default() }
    }

    /// Decodes and matches a batch.
    pub fn evaluate(&self, source: usize, batch: Vec<Delivery>, weight: OwnedSemaphorePermit) -> Evaluated {
        let ruled = self.rules.get();
        let mut buffers = ruled.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut evaluated = Evaluated {
            source,
            receipts: Receipts::default(),
            items: Vec::new(),
            more_rejects: BTreeMap::new(),
            controls: 0,
            matching: Distribution::default(),
            weight,
        };
        let (mut rejects, mut samples) = (0, Samples::default());
        for delivery in batch {
            let owner = owner(&delivery.origin);
            let limits = if owner.is_some() { &self.strict } else { &self.limits };
            // Until what was in it is judged.
            let (mut decoded, _alone) = self.decode(&delivery, limits);
            evaluated.controls += decoded.controls;
            let (before, holds_reject) = (evaluated.items.len(), !decoded.rejects.is_empty());
            let whence = Whence { source, owner, delivered_ms: delivery.origin.delivered_ms() };
            let events = std::mem::take(&mut decoded.events).into_iter();
            evaluated.items.extend(events.map(|raw| self.judge(raw, &whence, &ruled, &mut buffers, &mut samples)));
            let leaves_the_rest = decoded.rejects.iter().any(|reject| reject.reason.leaves_the_rest());
            let told = decoded.rejects.len().min(REJECTS_TOLD_MAX.saturating_sub(rejects));
            rejects += decoded.rejects.len();
            let more = decoded.rejects.split_off(told);
            more.iter().for_each(|reject| *evaluated.more_rejects.entry(reject.reason.as_str()).or_default() += 1);
            evaluated.items.extend(decoded.rejects.into_iter().map(Item::Reject));
            let holds_event = evaluated.items[before..].iter().any(|item| !matches!(item, Item::Reject(_)));
            let holds_reject = holds_reject || evaluated.items.len() > before;
            let Receipts { good, undecodable } = &mut evaluated.receipts;
            let is_undecodable = leaves_the_rest || holds_reject && !holds_event;
            if is_undecodable { undecodable } else { good }.push(delivery.receipt);
        }
        ruled.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        evaluated.matching = samples.times;
        evaluated
    }

    /// Decodes a delivery; again, and with no other of its kind, if it holds more than it has been weighed for.
    fn decode(&self, delivery: &Delivery, limits: &Limits) -> (Decoded, Option<MutexGuard<'_, ()>>) {
        let weighed = decode::told_inflated_bytes(&delivery.body).max(UNWEIGHED_BYTES_MAX);
        let light = Limits { inflated_bytes_max: weighed.min(limits.inflated_bytes_max), ..limits.clone() };
        let decoded = decoded(delivery, &light);
        let is_cut = |reject: &Reject| matches!(reject.reason, Reason::InflatedTooLarge { .. });
        if light == *limits || !decoded.rejects.iter().any(is_cut) {
            return (decoded, None);
        }
        drop(decoded);
        let alone = self.heavy.lock().unwrap_or_else(PoisonError::into_inner);
        (self::decoded(delivery, limits), Some(alone))
    }

    fn judge(
        &self,
        raw: RawEvent,
        &Whence { source, owner, delivered_ms }: &Whence,
        ruled: &Arc<Ruled>,
        Buffers { scratch, whole }: &mut Buffers,
        samples: &mut Samples,
    ) -> Item {
        let rules = &ruled.rules;
        let text = match simdutf8::basic::from_utf8(&raw.bytes) {
            Ok(text) => text,
            Err(_) => return reject(raw, Reason::NotUtf8),
        };
        let evaluated = match samples.measure(|| rules.evaluate(text, scratch)) {
            Ok(evaluated) => evaluated,
            Err(error) => return reject(raw, Reason::not_json(&error)),
        };
        if let Some(account) = self.unwanted_account(source, &evaluated, text) {
            return Item::Foreign(Foreign { origin: raw.origin, account });
        }
        let (kind, time, key) = (evaluated.kind(), evaluated.time(), evaluated.key(&raw.origin));
        let wanted = self.filter.as_ref().is_none_or(|filter| self.passes(filter, text));
        let matches = if wanted { evaluated.matches } else { &[] };
        let (matches, own_matches) = self.matches(rules, matches, text, whole, &key);
        let is_misplaced = matches!((owner, key.account()), (Some(owner), Some(account)) if owner != account);
        let misplaced = is_misplaced.then(|| raw.origin.clone());
        let ruled = (!matches.is_empty()).then(|| Arc::clone(ruled));
        let (findings, raw) = (Vec::new(), (self.keep && wanted).then_some(raw));
        Item::Event(Judged {
            source,
            key,
            kind,
            time,
            delivered_ms,
            wanted,
            misplaced,
            own_matches,
            matches,
            ruled,
            findings,
            raw,
        })
    }

    /// The account of an event, if it is not wanted of its source. An event that names none is nobody else's.
    fn unwanted_account(&self, source: usize, evaluated: &engine::Evaluated<'_>, text: &str) -> Option<String> {
        let wanted = &self.accounts[source];
        if wanted.is_empty() {
            return None;
        }
        let account = evaluated.account().map(str::to_owned).or_else(|| self.envelope_account(text))?;
        (!wanted.contains(&account)).then_some(account)
    }

    /// The account that EventBridge names around an event which is not CloudTrail's.
    fn envelope_account(&self, text: &str) -> Option<String> {
        let mut fields = Fields::default();
        let event = Event::read(text, &self.whole, &mut fields).ok()?;
        match event.values(wanted_field(0)).next()? {
            Value::String(account) => Some(account.to_owned()),
            _ => None,
        }
    }

    /// Judges the filter, which may name what no rule does.
    fn passes(&self, filter: &Condition, text: &str) -> bool {
        let mut fields = Fields::default();
        Event::read(text, &self.whole, &mut fields).is_ok_and(|event| condition::holds(filter, &event))
    }

    /// Makes findings of matches, for which the event is read whole; and how many there are that do not count.
    fn matches(
        &self,
        rules: &RuleSet,
        matches: &[RuleId],
        text: &str,
        fields: &mut Fields,
        key: &EventKey,
    ) -> (Vec<Match>, u64) {
        if matches.is_empty() {
            return (Vec::new(), 0);
        }
        match Event::read(text, &self.whole, fields) {
            Ok(event) if self.own.made(&event) => (Vec::new(), matches.len() as u64),
            Ok(event) => {
                let of = |&id| Match::new(rules.rule(id), &event, key);
                let mut matches: Vec<_> = matches.iter().map(of).collect();
                // The gravest first, since a person reads from above.
                matches.sort_by_key(|matched| std::cmp::Reverse(matched.finding.severity));
                (matches, 0)
            }
            // It has been read before.
            Err(_) => (Vec::new(), 0),
        }
    }
}

fn decoded(delivery: &Delivery, limits: &Limits) -> Decoded {
    let mut decoded = Decoded::default();
    decode::decode(&delivery.body, &delivery.origin, limits, &mut decoded);
    decoded
}

/// The account whose events an object of CloudTrail's should hold, by its key.
fn owner(origin: &Origin) -> Option<u64> {
    origin.source.strip_prefix("s3://").and_then(TrailFile::of)?.account.parse().ok()
}

fn reject(raw: RawEvent, reason: Reason) -> Item {
    Item::Reject(Reject::new(raw.origin, reason, &raw.bytes))
}
