//! What to read next, so that nothing is missed and the quota lasts. Pure: no SDK, no clock; time is an argument.
//!
//! Events become visible out of order, up to an hour after their timestamp. So every slice of time is read again at
//! growing ages until it is settled (see [`Position`]), by passes of four kinds. A pass reads all of a range, page by
//! page; only a complete pass moves the position.
//!
//! | pass | reads | when |
//! |---|---|---|
//! | head | from the newest cursor to the open end | at every poll |
//! | sweep | everything that is not settled | often, as long as it is cheap: finds late events in seconds |
//! | revisit | what one age still needs | when a sweep would be too dear |
//! | catch-up | slices of a past that was never read | at the start, and after a long absence; no head passes meanwhile |
//!
//! At most two passes are under way: a head pass goes between the pages of one of the others.

use super::page::Query;
use super::position::{AGES_MS, Position, SETTLED_AGE_MS};

/// The least time between sweeps.
const SWEEP_EVERY_MS_MIN: i64 = 5_000;

/// The time between sweeps that find nothing late, unless cost asks for more.
const SWEEP_EVERY_MS_CALM: i64 = 15_000;

/// If sweeps would have to be further apart than this to stay within their share, the revisits do their work alone.
const SWEEP_EVERY_MS_DEAR: i64 = 60_000;

/// The part of our calls that sweeps may take.
const SWEEP_SHARE: f64 = 0.1;

/// Head pages read in a row while another pass waits for its turn.
const HEAD_TURNS_MAX: u32 = 3;

/// The first slice of a catch-up. Cheap slices make the next one longer, dear ones shorter.
const SLICE_MS: i64 = 3_600_000;
const SLICE_MS_MIN: i64 = 60_000;
const SLICE_MS_MAX: i64 = 366 * 24 * SLICE_MS;
const SLICE_PAGES_FEW: u32 = 2;
const SLICE_PAGES_MANY: u32 = 20;

/// Where hints show what is new, the head is read this many times less often.
const HINTED_POLLS: i64 = 5;

/// A pass that has not ended after this many pages never will.
const PASS_PAGES_MAX: u32 = 1_000_000;

/// What does not change while a group is read.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Whether to go on once everything up to now is read.
    pub(super) follow: bool,
    /// The last timestamp wanted, inclusive. Always given when not following.
    pub(super) end_ms: Option<i64>,
    /// The time from one head pass to the next.
    pub(super) poll_ms: i64,
    /// Our share of the quota.
    pub(super) calls_per_second: f64,
}

/// The reading of one log group.
#[derive(Debug)]
pub(super) struct Schedule {
    plan: Plan,
    /// Nothing before it is wanted.
    start_ms: i64,
    position: Position,
    /// What this process has read itself, `[.0, .1)`. Outside of it nothing that is found is late.
    covered: Option<(i64, i64)>,
    head: Option<Pass>,
    other: Option<Pass>,
    head_began_ms: Option<i64>,
    head_turns: u32,
    sweeps: Sweeps,
    slice_ms: i64,
    finished: bool,
    /// Hints show what is new, so the head need not be read as often.
    hinted: bool,
}

/// When sweeps are due.
#[derive(Debug)]
struct Sweeps {
    began_ms: Option<i64>,
    /// What the next sweep is expected to cost.
    pages: f64,
    /// Sweeps in a row that found nothing late.
    calm: u32,
    allowed: bool,
}

/// Which of the two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Head,
    Other,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Read the next page of this pass.
    Read(Slot),
    /// Nothing is due for so many milliseconds.
    Wait(i64),
    /// Everything that was asked for is read.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Sweep,
    Revisit,
    CatchUp,
}

/// One reading of a range.
#[derive(Debug)]
struct Pass {
    kind: Kind,
    from_ms: i64,
    /// Inclusive; `None` is the open end.
    to_ms: Option<i64>,
    token: Option<String>,
    began_ms: i64,
    pages: u32,
    late: u64,
}

/// What a page meant for its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more.
    More,
    /// The range is read, and the position has moved.
    Complete,
    /// It has more pages than any range can have; it was given up and will be read anew.
    Endless,
}

impl Schedule {
    pub(super) fn new(plan: Plan, position: Position) -> Self {
        let is_over = plan.end_ms.is_some_and(|end_ms| position.settled() > end_ms);
        Self {
            plan,
            start_ms: position.settled(),
            position,
            covered: None,
            head: None,
            other: None,
            head_began_ms: None,
            head_turns: 0,
            sweeps: Sweeps { began_ms: None, pages: 1.0, calm: 0, allowed: true },
            slice_ms: SLICE_MS,
            finished: is_over,
            hinted: false,
        }
    }

    /// A schedule that goes on from a pass which was made without it.
    pub(super) fn after_pass(plan: Plan, from_ms: i64, to_ms: i64, began_ms: i64) -> Self {
        let mut schedule = Self::new(plan, Position::at(from_ms));
        let mut pass = Pass::new(Kind::CatchUp, from_ms, Some(to_ms), began_ms);
        pass.pages = 1;
        schedule.finished = !schedule.plan.follow;
        schedule.complete(&pass);
        schedule
    }

    /// How far everything has been read.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// What to read next for a slot whose turn it is.
    pub(super) fn query(&self, slot: Slot) -> Query {
        match self.slot(slot) {
            Some(pass) => Query { from_ms: pass.from_ms, to_ms: pass.to_ms, token: pass.token.clone() },
            None => Query { from_ms: self.position.head(), to_ms: self.plan.end_ms, token: None },
        }
    }

    /// Everything before this timestamp will not be read again.
    pub(super) fn settled_ms(&self) -> i64 {
        let from = [&self.head, &self.other].into_iter().flatten().map(|pass| pass.from_ms).min();
        from.map_or(self.position.settled(), |from_ms| from_ms.min(self.position.settled()))
    }

    /// Whether an event that is new has a timestamp that was read already.
    pub(super) fn is_late(&self, timestamp_ms: i64) -> bool {
        self.covered.is_some_and(|(from_ms, to_ms)| (from_ms..to_ms).contains(&timestamp_ms))
    }

    /// Sweeps are of no use while their repeats are not known as such.
    pub(super) fn allow_sweeps(&mut self, allowed: bool) {
        self.sweeps.allowed = allowed;
    }

    /// Whether an event with this timestamp is among what is wanted.
    pub(super) fn wants(&self, timestamp_ms: i64) -> bool {
        let end_ms = self.plan.end_ms.unwrap_or(i64::MAX);
        (self.start_ms..=end_ms).contains(&timestamp_ms)
    }

    /// Whether somebody else shows what is new, so that the head may be read less often. Revisits stay as they are.
    pub(super) fn rely_on_hints(&mut self, hinted: bool) {
        self.hinted = hinted;
    }

    /// Has the head read next, whenever that was done last.
    pub(super) fn read_head_now(&mut self) {
        self.head_began_ms = None;
    }

    /// Decides what to do at `now_ms`, and begins passes that are due.
    pub(super) fn turn(&mut self, now_ms: i64) -> Turn {
        if self.finished {
            return Turn::Finished;
        }
        if self.position.head() > now_ms {
            self.go_back_to(now_ms);
        }
        if self.other.is_none() {
            self.other = self.due(now_ms);
        }
        if self.head.is_none() && self.head_is_due(now_ms) {
            self.head = Some(Pass::new(Kind::Head, self.position.head(), self.plan.end_ms, now_ms));
            self.head_began_ms = Some(now_ms);
        }
        match (&self.head, &self.other) {
            (None, None) => Turn::Wait(self.next_due_ms().saturating_sub(now_ms).max(1)),
            (Some(_), None) => Turn::Read(Slot::Head),
            (None, Some(_)) => Turn::Read(Slot::Other),
            (Some(_), Some(_)) => Turn::Read(self.fair_slot()),
        }
    }

    /// Takes in that the next page of a pass was read, with the token for more and the number of late events on it.
    pub(super) fn page_read(&mut self, slot: Slot, token: Option<String>, late: u64) -> Progress {
        let Some(pass) = self.slot_mut(slot) else {
            return Progress::Complete;
        };
        pass.pages = pass.pages.saturating_add(1);
        pass.late += late;
        pass.token = token;
        if pass.token.is_none() {
            if let Some(pass) = self.slot_mut(slot).take() {
                self.complete(&pass);
            }
            return Progress::Complete;
        }
        if pass.pages < PASS_PAGES_MAX {
            return Progress::More;
        }
        self.abandon(slot);
        Progress::Endless
    }

    /// Reads the range of a pass from its beginning: its token is no longer good.
    pub(super) fn restart(&mut self, slot: Slot, now_ms: i64) {
        if let Some(pass) = self.slot_mut(slot) {
            pass.token = None;
            pass.pages = 0;
            pass.began_ms = now_ms;
        }
    }

    /// Gives a pass up. Nothing moves, so the same range is due again.
    pub(super) fn abandon(&mut self, slot: Slot) {
        *self.slot_mut(slot) = None;
    }

    /// The clock was ahead: nothing that was derived from it holds.
    fn go_back_to(&mut self, now_ms: i64) {
        self.position.not_ahead_of(now_ms, self.start_ms);
        (self.head, self.other, self.covered) = (None, None, None);
        (self.head_began_ms, self.sweeps.began_ms) = (None, None);
    }

    fn slot(&self, slot: Slot) -> &Option<Pass> {
        match slot {
            Slot::Head => &self.head,
            Slot::Other => &self.other,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut Option<Pass> {
        match slot {
            Slot::Head => &mut self.head,
            Slot::Other => &mut self.other,
        }
    }

    /// The head comes first, but does not starve the other pass.
    fn fair_slot(&mut self) -> Slot {
        if self.head_turns < HEAD_TURNS_MAX {
            self.head_turns += 1;
            return Slot::Head;
        }
        self.head_turns = 0;
        Slot::Other
    }

    /// The pass other than the head that should begin now.
    fn due(&mut self, now_ms: i64) -> Option<Pass> {
        let kind = if self.is_behind(now_ms) {
            Kind::CatchUp
        } else if self.is_final(now_ms) || self.sweep_due_ms() <= now_ms {
            Kind::Sweep
        } else {
            return self.revisit(now_ms);
        };
        self.sweeps.began_ms = Some(now_ms);
        Some(Pass::new(kind, self.position.settled(), self.slice_end(now_ms), now_ms))
    }

    /// Whether so much is unread that a head pass would be a long way from now.
    fn is_behind(&self, now_ms: i64) -> bool {
        let never_read = self.covered.is_none() && self.position.head() == self.position.settled();
        !self.plan.follow || never_read || now_ms - self.position.head() >= SETTLED_AGE_MS
    }

    /// Whether the end was so long ago that one more reading is enough: the grace is the second age.
    fn is_final(&self, now_ms: i64) -> bool {
        self.final_ms().is_some_and(|final_ms| final_ms <= now_ms)
    }

    fn final_ms(&self) -> Option<i64> {
        self.plan.end_ms.map(|end_ms| end_ms.saturating_add(AGES_MS[1]))
    }

    /// Where a reading of all that is not settled ends: a long past is read in slices, each of which settles.
    fn slice_end(&self, now_ms: i64) -> Option<i64> {
        let slice_end_ms = self.position.settled().saturating_add(self.slice_ms);
        let is_past = slice_end_ms < now_ms - SETTLED_AGE_MS;
        let is_before_end = self.plan.end_ms.is_none_or(|end_ms| slice_end_ms < end_ms);
        if is_past && is_before_end { Some(slice_end_ms) } else { self.plan.end_ms }
    }

    fn head_is_due(&self, now_ms: i64) -> bool {
        let suits = match &self.other {
            // It reads the head as well, and soon.
            Some(pass) if pass.kind == Kind::CatchUp => false,
            Some(pass) if pass.kind == Kind::Sweep => pass.pages > 0 || self.sweeps.pages > 1.0,
            _ => true,
        };
        suits && self.head_due_ms() <= now_ms
    }

    fn head_due_ms(&self) -> i64 {
        let is_over = self.plan.end_ms.is_some_and(|end_ms| self.position.head() >= end_ms);
        if is_over {
            return i64::MAX;
        }
        let slower = if self.hinted { HINTED_POLLS } else { 1 };
        let every_ms = self.plan.poll_ms.saturating_mul(slower);
        self.head_began_ms.map_or(i64::MIN, |began_ms| began_ms.saturating_add(every_ms))
    }

    fn sweep_due_ms(&self) -> i64 {
        let dearest_ms = self.sweeps.dearest_ms(self.plan.calls_per_second);
        if !self.sweeps.allowed || dearest_ms > SWEEP_EVERY_MS_DEAR {
            return i64::MAX;
        }
        self.sweeps.began_ms.map_or(i64::MIN, |began_ms| began_ms + self.sweeps.every_ms(dearest_ms))
    }

    /// Sweeps that come this often read every slice at every age.
    fn sweeps_suffice(&self) -> bool {
        self.sweeps.allowed && self.sweeps.dearest_ms(self.plan.calls_per_second) <= SWEEP_EVERY_MS_CALM
    }

    /// The revisit that is due, the oldest first: it may cover what the others need.
    fn revisit(&self, now_ms: i64) -> Option<Pass> {
        let ages = (1..AGES_MS.len()).rev();
        let mut due = ages.filter(|age| self.revisit_due_ms(*age) <= now_ms);
        due.next().map(|age| {
            let aged_ms = now_ms - AGES_MS[age];
            let to_ms = self.plan.end_ms.map_or(aged_ms, |end_ms| end_ms.min(aged_ms));
            Pass::new(Kind::Revisit, self.position.cursors[age], Some(to_ms), now_ms)
        })
    }

    /// When the revisit of an age is due: once there is half as much to read as the age is long.
    fn revisit_due_ms(&self, age: usize) -> i64 {
        let (cursor_ms, age_ms) = (self.position.cursors[age], AGES_MS[age]);
        let is_over = self.plan.end_ms.is_some_and(|end_ms| cursor_ms >= end_ms);
        if self.sweeps_suffice() || is_over {
            return i64::MAX;
        }
        cursor_ms + age_ms + age_ms / 2
    }

    fn next_due_ms(&self) -> i64 {
        let revisits = (1..AGES_MS.len()).map(|age| self.revisit_due_ms(age));
        let others = [self.head_due_ms(), self.sweep_due_ms(), self.final_ms().unwrap_or(i64::MAX)];
        revisits.chain(others).min().unwrap_or(i64::MAX)
    }

    fn complete(&mut self, pass: &Pass) {
        self.position.read(pass.from_ms, pass.to_ms, pass.began_ms);
        self.cover(pass);
        match pass.kind {
            Kind::Head => return,
            Kind::Revisit => {}
            Kind::Sweep | Kind::CatchUp => self.after_reading_all(pass),
        }
        self.sweeps.calm = if pass.late > 0 { 0 } else { self.sweeps.calm.saturating_add(1) };
        self.estimate(pass);
    }

    fn after_reading_all(&mut self, pass: &Pass) {
        if pass.to_ms == self.plan.end_ms {
            self.head_began_ms = self.head_began_ms.max(Some(pass.began_ms));
            let final_ms = self.final_ms().unwrap_or(i64::MAX);
            self.finished |= !self.plan.follow || final_ms <= pass.began_ms;
        } else if pass.pages <= SLICE_PAGES_FEW {
            self.slice_ms = (self.slice_ms * 2).min(SLICE_MS_MAX);
        } else if pass.pages > SLICE_PAGES_MANY {
            self.slice_ms = (self.slice_ms / 2).max(SLICE_MS_MIN);
        }
    }

    /// Joins what the pass read to what was read before; of two ranges that do not touch, the newer stays.
    fn cover(&mut self, pass: &Pass) {
        let aged_ms = pass.began_ms - AGES_MS[0];
        let to_ms = pass.to_ms.map_or(aged_ms, |to_ms| to_ms.min(aged_ms));
        let read = (pass.from_ms, to_ms);
        self.covered = match self.covered {
            Some(known) if known.0 <= read.1 && read.0 <= known.1 => Some((known.0.min(read.0), known.1.max(read.1))),
            Some(known) if known.1 >= read.1 => Some(known),
            _ => Some(read),
        };
    }

    /// Learns from a pass what a sweep would cost. Short ranges say little, since a page is the least that one costs.
    fn estimate(&mut self, pass: &Pass) {
        let (to_ms, unsettled_ms) = (pass.to_ms.unwrap_or(pass.began_ms), pass.began_ms - self.position.settled());
        let read_ms = to_ms - pass.from_ms;
        let tells = pass.kind != Kind::Revisit || read_ms >= AGES_MS[4] / 2;
        if tells {
            let scale = if read_ms > 0 { unsettled_ms.max(0) as f64 / read_ms as f64 } else { 1.0 };
            let scale = if pass.kind == Kind::Revisit { scale } else { scale.min(1.0) };
            self.sweeps.pages = (f64::from(pass.pages) * scale).max(1.0);
        }
    }
}

impl Sweeps {
    /// How far apart sweeps have to be for their cost.
    fn dearest_ms(&self, calls_per_second: f64) -> i64 {
        (self.pages / (SWEEP_SHARE * calls_per_second) * 1_000.0) as i64
    }

    /// Twice as far apart after each that found nothing late.
    fn every_ms(&self, dearest_ms: i64) -> i64 {
        let least_ms = dearest_ms.max(SWEEP_EVERY_MS_MIN);
        let calm_ms = least_ms << self.calm.min(3);
        calm_ms.min(SWEEP_EVERY_MS_CALM.max(least_ms))
    }
}

impl Pass {
    fn new(kind: Kind, from_ms: i64, to_ms: Option<i64>, began_ms: i64) -> Self {
        Self { kind, from_ms, to_ms, token: None, began_ms, pages: 0, late: 0 }
    }
}

#[cfg(test)]
mod tests;
