//! A seeded stream of CloudTrail events, each with a label that says what a detector should make of it.
//!
//! The stream is dealt from decks: every deck holds exact numbers of each kind of event, in shuffled order. So the
//! shares hold in short runs too, and the first deck holds one of everything of interest. All that is random comes
//! from the seed; the same (seed, base, interval) gives the same bytes.

mod broken;
mod deck;
mod everyday;
mod fill;
mod operation;
mod people;
mod planted;
mod record;
mod summary;

use std::collections::VecDeque;

use fastrand::Rng;

use self::deck::{Deck, Kind};
use self::everyday::Everyday;
use self::people::Cast;

pub use planted::{ATTACKS, LOOK_ALIKES, XRAY_CHANGES};
pub use summary::Summary;

/// When the first event of [`Stream::new`] is delivered: 2026-01-05T09:00:00Z.
const DEFAULT_BASE_MS: i64 = 1_767_603_600_000;

/// How far apart the events of [`Stream::new`] are delivered.
const DEFAULT_INTERVAL_MS: u64 = 100;

/// How many records a repeat is chosen from.
const RECENT_MAX: usize = 32;

/// What an event is, to the eyes of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// Everyday traffic.
    Everyday,
    /// Harmless, but close to what rules look for; one of [`LOOK_ALIKES`].
    LookAlike(&'static str),
    /// A change of the X-Ray configuration; one of [`XRAY_CHANGES`].
    XrayChange(&'static str),
    /// An attack; one of [`ATTACKS`].
    Attack(&'static str),
    /// Not a record at all: no JSON, or JSON that breaks off.
    Broken,
}

impl Label {
    /// Tells whether a detector should report the event.
    pub fn is_of_interest(&self) -> bool {
        matches!(self, Self::XrayChange(_) | Self::Attack(_))
    }
}

/// When things happen to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When it is delivered to the log group: its log timestamp, in milliseconds since the Unix epoch.
    pub delivery_ms: i64,
    /// How long before its delivery it happened: `eventTime` is `delivery_ms - event_age_ms`, in whole seconds.
    pub event_age_ms: u64,
    /// How long after its delivery it becomes visible to readers. Zero unless it is late.
    pub visible_delay_ms: u64,
}

impl Timing {
    /// Gives the time from which readers can see the event.
    pub fn visible_at_ms(&self) -> i64 {
        self.delivery_ms.saturating_add_unsigned(self.visible_delay_ms)
    }

    fn event_ms(&self) -> i64 {
        self.delivery_ms.saturating_sub_unsigned(self.event_age_ms)
    }
}

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The text as it is put into the log group.
    pub message: String,
    /// What it is.
    pub label: Label,
    /// When it happened, is delivered and becomes visible.
    pub timing: Timing,
    /// Its `eventID`; `None` if it is broken.
    pub event_id: Option<String>,
    /// Whether it repeats an earlier message byte for byte, as delivery at least once does.
    pub repeated: bool,
    /// Whether it becomes visible only some time after its log timestamp.
    pub late: bool,
}

/// An endless stream of events.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: Rng,
    cast: Cast,
    everyday: Everyday,
    deck: Deck,
    recent: VecDeque<Planned>,
    last_of_interest: Option<Planned>,
    base_ms: i64,
    interval_us: u64,
    dealt: u64,
    usual_age_ms: u64,
}

impl Stream {
    /// Makes a stream that starts at a fixed time and delivers ten events a second.
    pub fn new(seed: u64) -> Self {
        Self::starting_at(seed, DEFAULT_BASE_MS, DEFAULT_INTERVAL_MS)
    }

    /// Makes a stream of `events_per_second`, also of more than one a millisecond, the first delivered at `base_ms`.
    pub fn at_rate(seed: u64, base_ms: i64, events_per_second: f64) -> Self {
        let interval_us = (1e6 / events_per_second).round() as u64;
        Self { interval_us, ..Self::starting_at(seed, base_ms, 0) }
    }

    /// Makes a stream whose first event is delivered at `base_ms`, the others each `interval_ms` later.
    pub fn starting_at(seed: u64, base_ms: i64, interval_ms: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let cast = Cast::new(&mut rng);
        let deck = Deck::first(&mut rng);
        Self {
            rng,
            cast,
            everyday: Everyday::default(),
            deck,
            recent: VecDeque::with_capacity(RECENT_MAX),
            last_of_interest: None,
            base_ms,
            interval_us: interval_ms.saturating_mul(1_000),
            dealt: 0,
            usual_age_ms: 150_000,
        }
    }

    fn deal(&mut self) -> Planned {
        let card = self.deck.draw(&mut self.rng);
        let timing = self.time(card.late);
        self.dealt += 1;
        let planned = match card.kind {
            Kind::Repeat => self.repeat(timing),
            kind => self.fresh(kind, timing, card.late),
        };
        self.remember(&planned);
        planned
    }

    /// Times the next event. Most events of a while are about equally old, since CloudTrail delivers in batches.
    fn time(&mut self, late: bool) -> Timing {
        let delivery_ms = self.base_ms.saturating_add_unsigned(self.dealt.saturating_mul(self.interval_us) / 1_000);
        let drift_ms = self.rng.u64(0..=600);
        self.usual_age_ms = (self.usual_age_ms + drift_ms).saturating_sub(300).clamp(60_000, 300_000);
        let straggles = self.rng.u8(0..100) < 12;
        let extra_ms = if straggles { self.rng.u64(1_000..=240_000) } else { 0 };
        let visible_delay_ms = if late { self.rng.u64(3_000..=40_000) } else { 0 };
        Timing { delivery_ms, event_age_ms: self.usual_age_ms + extra_ms, visible_delay_ms }
    }

    fn fresh(&mut self, kind: Kind, timing: Timing, late: bool) -> Planned {
        let event_ms = timing.event_ms();
        let (rng, cast) = (&mut self.rng, &self.cast);
        let made = match kind {
            Kind::Everyday | Kind::Repeat => self.everyday.call(rng, cast, event_ms),
            Kind::Denied => self.everyday.denied(rng, cast, event_ms),
            Kind::SignIn => self.everyday.sign_in(rng, cast, event_ms),
            Kind::Service => self.everyday.service(rng, cast, event_ms),
            Kind::Insight => self.everyday.insight(rng, cast, event_ms),
            Kind::Planted(label) => planted::make(label, rng, cast, event_ms),
            Kind::Broken => {
                let record = self.everyday.call(rng, cast, event_ms);
                broken::make(rng, &record.message)
            }
        };
        let label = match kind {
            Kind::Planted(label) => label,
            Kind::Broken => Label::Broken,
            _ => Label::Everyday,
        };
        Planned { message: made.message, event_id: made.event_id, label, timing, repeated: false, late }
    }

    /// Repeats an event of interest if that has not been done, else any recent one.
    fn repeat(&mut self, timing: Timing) -> Planned {
        let original = match self.last_of_interest.take() {
            Some(original) => original,
            None => match self.rng.choice(&self.recent) {
                Some(original) => original.clone(),
                None => return self.fresh(Kind::Everyday, timing, false),
            },
        };
        let event_age_ms = timing.delivery_ms.abs_diff(original.timing.event_ms());
        Planned { timing: Timing { event_age_ms, ..timing }, repeated: true, late: false, ..original }
    }

    fn remember(&mut self, planned: &Planned) {
        if planned.repeated || planned.label == Label::Broken {
            return;
        }
        if planned.label.is_of_interest() {
            self.last_of_interest = Some(planned.clone());
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(planned.clone());
    }
}

impl Iterator for Stream {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        Some(self.deal())
    }
}

/// A message as a maker hands it over.
#[derive(Debug)]
struct Made {
    message: String,
    event_id: Option<String>,
}

/// Makes a random version-4 UUID.
fn uuid(rng: &mut Rng) -> String {
    let (high, low) = (rng.u64(..), rng.u64(..));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0x0fff);
    let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

#[cfg(test)]
mod tests;
