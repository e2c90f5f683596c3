//! What is around the pipeline and outlives it: time, chance, faults, and the record of what happened.
//!
//! Whatever the pipeline does outside itself is a step here: every use of the disk, of a source, of a sink. A crash may come
//! at each. Between two steps nothing can change that a crash would leave behind, so that is a crash at any await, too.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trailwatch::pipeline::Handle;

use super::ledger::Ledger;
use super::plan::{self, Plan};
use super::{disk, sources};

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process is killed; what it wrote stays.
    Kill,
    /// The machine loses power; what it did not sync is there, is not, or is torn.
    PowerCut,
    /// The disk takes nothing more for a while.
    DiskFull,
    /// A write fails in its midst.
    WriteFails,
    /// A sync fails, and part of what was written is not safe.
    SyncFails,
    /// A read fails.
    ReadFails,
    /// The receiver takes none of a batch.
    Busy,
    /// The receiver asks to be left alone for a time.
    AsksToWait,
    /// The receiver takes what it likes of a batch.
    Picky,
    /// The receiver says nothing for minutes.
    Hangs,
    /// The receiver has what it was brought, and its answer is lost.
    AnswerLost,
    /// The sink gets no further than the middle of a batch.
    GetsNoFurther,
    /// The sink is gone for good, until the next start.
    SinkGone,
    /// A source has nothing to say for a minute.
    SourceSlow,
    /// A source cannot go on, until the next start.
    SourceFails,
    /// A source hands over what it has handed over before.
    HandsOverAgain,
    /// The queue does not hear an acknowledgement, or answers that it did not.
    AcknowledgementLost,
    /// What was acknowledged comes again.
    ComesBack,
    /// Rules and routes are replaced by others that say the same.
    Reload,
    /// Rules that are broken are refused.
    BrokenReload,
    /// An orderly stop, and a new start.
    Stop,
    /// The clock is set.
    ClockSet,
}

impl Fault {
    /// All of them, and how many of 10,000 chances each takes where a seed has it at all.
    pub const ALL: [(Fault, u32); 22] = [
        (Fault::Kill, 30),
        (Fault::PowerCut, 40),
        (Fault::DiskFull, 15),
        (Fault::WriteFails, 60),
        (Fault::SyncFails, 150),
        (Fault::ReadFails, 40),
        (Fault::Busy, 1_000),
        (Fault::AsksToWait, 500),
        (Fault::Picky, 1_000),
        (Fault::Hangs, 300),
        (Fault::AnswerLost, 700),
        (Fault::GetsNoFurther, 700),
        (Fault::SinkGone, 60),
        (Fault::SourceSlow, 60),
        (Fault::SourceFails, 60),
        (Fault::HandsOverAgain, 300),
        (Fault::AcknowledgementLost, 1_000),
        (Fault::ComesBack, 500),
        (Fault::Reload, 20),
        (Fault::BrokenReload, 10),
        (Fault::Stop, 10),
        (Fault::ClockSet, 10),
    ];
}

/// How much longer than its faults a run may take.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);
/// Steps after which a run goes round in circles.
const STEPS_MAX: u64 = 400_000;
/// How far the clock is set at most.
const DAY_MS: i64 = 24 * 3_600_000;
/// Lines of the record that a failure shows.
const LINES_SHOWN: usize = 60;

/// The world of one seed.
pub struct World {
    pub seed: u64,
    pub plan: Plan,
    pub disk: Mutex<disk::File>,
    pub queue: Mutex<sources::Messages>,
    pub ledger: Mutex<Ledger>,
    /// By which a run is changed and stopped while it goes on.
    controls: Mutex<Option<(Handle, CancellationToken)>>,
    core: Mutex<Core>,
    fallen: Notify,
}

struct Core {
    rng: Rng,
    /// How many of 10,000 chances each fault takes; nothing in a calm world.
    rates: BTreeMap<Fault, u32>,
    faults_until: Duration,
    /// Which life this is, and whether it still goes on.
    life: u64,
    is_alive: bool,
    /// Whether it ended for want of power.
    is_dark: bool,
    begun: Option<Instant>,
    /// The time of the lives before.
    elapsed: Duration,
    clock_off_ms: i64,
    /// Whether the clock has gone a day ahead. It does not come back: windows of that time would be open for a day.
    is_day_ahead: bool,
    steps: u64,
    /// Faults as they came.
    schedule: Vec<String>,
    met: BTreeMap<Fault, u64>,
    digest: DefaultHasher,
    lines: VecDeque<String>,
    violation: Option<String>,
}

impl World {
    /// A world in which things go wrong; or nothing does, if it is calm.
    pub fn new(seed: u64, ledger: Ledger, is_calm: bool) -> Arc<Self> {
        let plan = Plan::of(seed);
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        // Each seed has faults of its own: what always goes wrong at once hides what goes wrong alone.
        let mut rates = BTreeMap::new();
        for (fault, rate) in Fault::ALL {
            if rng.bool() && !is_calm {
                rates.insert(fault, rate * rng.u32(1..=4) / 2);
            }
        }
        let faults_until = Duration::from_secs(rng.u64(60..=900));
        let core = Core {
            rng,
            rates,
            faults_until,
            life: 0,
            is_alive: false,
            is_dark: false,
            begun: None,
            elapsed: Duration::ZERO,
            clock_off_ms: 0,
            is_day_ahead: false,
            steps: 0,
            schedule: Vec::new(),
            met: BTreeMap::new(),
            digest: DefaultHasher::new(),
            lines: VecDeque::new(),
            violation: None,
        };
        Arc::new(Self {
            seed,
            disk: Mutex::default(),
            queue: Mutex::new(sources::Messages::of(&plan)),
            ledger: Mutex::new(ledger),
            controls: Mutex::default(),
            core: Mutex::new(core),
            fallen: Notify::new(),
            plan,
        })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap()
    }

    /// Begins a life, within its runtime, and returns its number. What is random in the pipeline is so by the seed.
    pub fn begin_life(&self) -> u64 {
        let mut core = self.core();
        core.life += 1;
        core.is_alive = true;
        core.begun = Some(Instant::now());
        fastrand::seed(self.seed.wrapping_add(core.life));
        let life = core.life;
        core.note(|| format!("life {life} begins"));
        core.life
    }

    /// A run has begun, which people may now meddle with.
    pub fn hand_controls(&self, handle: Handle, stop: CancellationToken) {
        *self.controls.lock().unwrap() = Some((handle, stop));
    }

    /// Ends it, and lets some time pass until the next. What a power cut does to the disk, it does now.
    pub fn end_life(&self) {
        self.controls.lock().unwrap().take();
        let mut core = self.core();
        core.is_alive = false;
        let pause = Duration::from_millis(core.rng.u64(10..10_000));
        core.elapsed = core.elapsed() + pause;
        core.begun = None;
        let is_dark = std::mem::take(&mut core.is_dark);
        drop(core);
        if is_dark {
            self.disk.lock().unwrap().cut_power(&mut |range| self.random(range));
        }
    }

    /// Waits for a crash, or for a promise to be broken.
    pub async fn fall(&self, life: u64) {
        while self.is_alive(life) {
            self.fallen.notified().await;
        }
    }

    /// Whether a life goes on.
    pub fn is_alive(&self, life: u64) -> bool {
        let core = self.core();
        core.is_alive && core.life == life
    }

    /// How long it has been since the first start.
    pub fn elapsed(&self) -> Duration {
        self.core().elapsed()
    }

    /// What the clock says, which may be set.
    pub fn now(&self) -> Timestamp {
        let core = self.core();
        let start = Timestamp::from_millisecond(1_767_603_600_000 + core.clock_off_ms).unwrap();
        start + SignedDuration::try_from(core.elapsed()).unwrap()
    }

    /// Something is done outside the pipeline. `false` says that a crash comes before it is.
    pub fn step(&self, what: &str) -> bool {
        let mut core = self.core();
        if !core.is_alive {
            return false;
        }
        core.steps += 1;
        core.note(|| what.to_owned());
        if core.steps > STEPS_MAX {
            core.violate(format!("there is no end after {STEPS_MAX} steps"));
        } else if core.elapsed() > core.faults_until + PATIENCE {
            core.violate("there is no end long after the last fault".to_owned());
        }
        let crash = [Fault::Kill, Fault::PowerCut].into_iter().find(|&fault| core.strikes(fault, what));
        if crash.is_some() || core.violation.is_some() {
            core.is_alive = false;
            self.fallen.notify_one();
        }
        core.is_dark = crash == Some(Fault::PowerCut);
        let is_alive = core.is_alive;
        drop(core);
        if is_alive {
            self.meddle(what);
        }
        is_alive
    }

    /// What people do to a run, at any step.
    fn meddle(&self, at: &str) {
        if self.strikes(Fault::ClockSet, at) {
            self.core().set_clock();
        }
        let controls = self.controls.lock().unwrap().clone();
        let Some((handle, stop)) = controls else { return };
        if self.strikes(Fault::Reload, at) {
            handle.replace(plan::rules(self), &plan::routes());
        }
        if self.strikes(Fault::BrokenReload, at) {
            self.hold(plan::are_broken_rules_refused(), || "broken rules are taken".to_owned());
        }
        if self.strikes(Fault::Stop, at) {
            stop.cancel();
        }
    }

    /// Whether something goes wrong here.
    pub fn strikes(&self, fault: Fault, at: &str) -> bool {
        self.core().strikes(fault, at)
    }

    /// A number by chance.
    pub fn random(&self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.core().rng.u64(range)
    }

    /// Puts things into another order.
    pub fn shuffle<T>(&self, things: &mut [T]) {
        self.core().rng.shuffle(things);
    }

    /// Notes something that is no step.
    pub fn note(&self, what: impl FnOnce() -> String) {
        self.core().note(what);
    }

    /// Adds bytes to what two runs of a seed must have in common.
    pub fn digest(&self, bytes: &[u8]) {
        bytes.hash(&mut self.core().digest);
    }

    /// A promise is broken.
    pub fn violate(&self, what: impl Into<String>) {
        let mut core = self.core();
        core.violate(what.into());
        core.is_alive = false;
        self.fallen.notify_one();
    }

    /// Holds a promise.
    pub fn hold(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violate(otherwise());
        }
    }

    /// Whether the time of faults is over.
    pub fn is_calm(&self) -> bool {
        self.core().is_calm()
    }

    /// What was broken, with all that is needed to see it again.
    pub fn failure(&self) -> Option<String> {
        let core = self.core();
        let violation = core.violation.as_ref()?;
        let schedule = core.schedule.join("\n  ");
        let lines: Vec<&str> = core.lines.iter().map(String::as_str).collect();
        Some(format!(
            "{violation}\nfaults:\n  {schedule}\nat last:\n  {}\nagain: TRAILWATCH_SEED={} cargo test --test it simulation",
            lines.join("\n  "),
            self.seed
        ))
    }

    /// At the end every promise is kept.
    pub fn hold_complete(&self) {
        let is_calm = self.core().rates.is_empty();
        let complete = self.ledger.lock().unwrap().complete(&self.plan, &plan::routes(), is_calm);
        if let Err(broken) = complete {
            self.violate(broken);
        }
    }

    /// What two runs of a seed have in common.
    pub fn trace(&self) -> u64 {
        self.core().digest.finish()
    }

    /// How often everything went wrong.
    pub fn met(&self) -> BTreeMap<Fault, u64> {
        self.core().met.clone()
    }
}

impl Core {
    fn elapsed(&self) -> Duration {
        self.elapsed + self.begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    /// Sets the clock by minutes, and once by a day.
    fn set_clock(&mut self) {
        self.is_day_ahead |= self.rng.u8(0..4) == 0;
        let day_ms = if self.is_day_ahead { DAY_MS } else { 0 };
        self.clock_off_ms = day_ms + self.rng.i64(-600_000..=600_000);
    }

    fn is_calm(&self) -> bool {
        self.rates.is_empty() || self.elapsed() > self.faults_until
    }

    fn strikes(&mut self, fault: Fault, at: &str) -> bool {
        let Some(&rate) = self.rates.get(&fault).filter(|_| self.is_alive && !self.is_calm()) else { return false };
        let strikes = self.rng.u32(0..10_000) < rate;
        if strikes {
            *self.met.entry(fault).or_default() += 1;
            let line = format!("step {}, after {:?}: {fault:?} at {at}", self.steps, self.elapsed());
            self.schedule.push(line.clone());
            self.note(|| line);
        }
        strikes
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let line = format!("{:?} {}", self.elapsed(), what());
        line.hash(&mut self.digest);
        if self.lines.len() == LINES_SHOWN {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// What a process does that is dying is nobody's promise.
    fn violate(&mut self, what: String) {
        if !self.is_alive {
            return;
        }
        self.note(|| format!("BROKEN: {what}"));
        self.violation.get_or_insert(what);
    }
}
