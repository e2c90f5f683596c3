//! The schedule against a simulated service: events that become visible late, pages of any size, calls of any length.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::memory::{Key, Known, Memory};
use super::*;

const NOW: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// An event of the simulated service.
#[derive(Debug, Clone, Copy)]
struct Event {
    timestamp_ms: i64,
    visible_ms: i64,
}

/// A service that shows events in the order of (timestamp, number), from their time of visibility on.
struct Service {
    events: BTreeMap<(i64, usize), i64>,
    page_events: usize,
}

/// What a reader has done.
struct World {
    service: Service,
    schedule: Schedule,
    memory: Memory,
    now_ms: i64,
    calls: u64,
    /// By event: how often it was handed over, and when first.
    handed: BTreeMap<usize, (u32, i64)>,
    late: BTreeSet<usize>,
    rng: fastrand::Rng,
    /// One call in so many fails in some way; 0 for none.
    fault_every: u32,
}

impl Service {
    fn new(events: &[Event], page_events: usize) -> Self {
        let keyed = events.iter().enumerate().map(|(number, event)| ((event.timestamp_ms, number), event.visible_ms));
        Self { events: keyed.collect(), page_events }
    }

    fn page(&self, pass: &Query, now_ms: i64, room: usize) -> (Vec<(i64, usize)>, Option<String>) {
        let after = pass.token.as_ref().map(|token| token.split_once('/').unwrap());
        let after = after.map(|(ms, number)| (ms.parse().unwrap(), number.parse::<usize>().unwrap()));
        let to = (pass.to_ms.unwrap_or(i64::MAX), usize::MAX);
        let mut page: Vec<(i64, usize)> = Vec::new();
        for (key, visible_ms) in self.events.range((pass.from_ms, 0)..=to.max((pass.from_ms, 0))) {
            if after.is_some_and(|after| *key <= after) || *visible_ms > now_ms {
                continue;
            }
            if page.len() == room {
                let (ms, number) = page.last().copied().or(after).unwrap_or((pass.from_ms - 1, 0));
                return (page, Some(format!("{ms}/{number}")));
            }
            page.push(*key);
        }
        (page, None)
    }
}

impl World {
    fn new(events: &[Event], page_events: usize, start_ms: i64, plan: Plan, seed: u64) -> Self {
        Self {
            service: Service::new(events, page_events),
            schedule: Schedule::new(plan, Position::at(start_ms)),
            memory: Memory::new(1_000_000),
            now_ms: NOW,
            calls: 0,
            handed: BTreeMap::new(),
            late: BTreeSet::new(),
            rng: fastrand::Rng::with_seed(seed),
            fault_every: 0,
        }
    }

    /// Runs until the given time, or until everything is read.
    fn run_until(&mut self, end_ms: i64) -> bool {
        while self.now_ms < end_ms {
            match self.schedule.turn(self.now_ms) {
                Turn::Finished => return true,
                Turn::Wait(wait_ms) => self.now_ms += wait_ms + self.rng.i64(0..50),
                Turn::Read(slot) => self.read(slot),
            }
        }
        false
    }

    fn read(&mut self, slot: Slot) {
        self.calls += 1;
        self.now_ms += self.rng.i64(20..300);
        if self.fault_every > 0 && self.rng.u32(0..self.fault_every) == 0 {
            return self.fail(slot);
        }
        let room = if self.rng.u8(0..10) == 0 { 0 } else { self.service.page_events };
        let (page, token) = self.service.page(&self.schedule.query(slot), self.now_ms, room);
        let late = page.into_iter().filter(|key| self.hand_over(*key)).count();
        self.schedule.page_read(slot, token, late as u64);
        self.memory.settle(self.schedule.settled_ms());
    }

    fn fail(&mut self, slot: Slot) {
        match self.rng.u8(0..3) {
            0 => self.schedule.restart(slot, self.now_ms),
            1 => self.schedule.abandon(slot),
            _ => self.now_ms += self.rng.i64(0..30_000),
        }
    }

    /// Whether it was late.
    fn hand_over(&mut self, (timestamp_ms, number): (i64, usize)) -> bool {
        let key = Key::new(timestamp_ms, 0, &number.to_string(), "", b"");
        if self.memory.remember(key) != Known::New {
            return false;
        }
        let is_late = self.schedule.is_late(timestamp_ms);
        self.handed.entry(number).or_insert((0, self.now_ms)).0 += 1;
        is_late && self.late.insert(number)
    }

    /// A new process goes on from the position of this one.
    fn crash(&mut self) {
        let position = Position::parse(&self.schedule.position().write()).unwrap();
        self.schedule = Schedule::new(self.schedule.plan.clone(), position);
        self.memory = Memory::new(1_000_000);
    }

    /// The longest time from an event's visibility to its hand-over.
    fn delay_ms_max(&self, events: &[Event]) -> i64 {
        self.handed.iter().map(|(number, (_, handed_ms))| handed_ms - events[*number].visible_ms).max().unwrap_or(0)
    }
}

fn plan(calls_per_second: f64) -> Plan {
    Plan { follow: true, end_ms: None, poll_ms: 2_000, calls_per_second }
}

/// Events over a time from `NOW` on; some lag by up to 59 minutes, many by a few seconds, the rest not at all.
fn events(count: usize, over_ms: i64, late_in_10: u8) -> impl Strategy<Value = Vec<Event>> {
    let lag = (0..10u8, 0..59 * MINUTE, 0..4_000i64);
    let event = (0..over_ms, lag).prop_map(move |(offset_ms, (kind, long_ms, short_ms))| {
        let timestamp_ms = NOW + offset_ms;
        let lag_ms = if kind < late_in_10 { long_ms } else { short_ms };
        Event { timestamp_ms, visible_ms: timestamp_ms + lag_ms }
    });
    prop::collection::vec(event, 1..count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_handed_over_once(
        events in events(600, 2 * HOUR, 3),
        page_events in 1usize..200,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(&events, page_events, NOW, plan(2.5), seed);
        world.run_until(NOW + 5 * HOUR);
        for number in 0..events.len() {
            prop_assert_eq!(world.handed.get(&number).map(|(times, _)| *times), Some(1), "event {}", number);
        }
        // A poll every two seconds is 9,000 calls; the rest is what lateness costs.
        prop_assert!(world.calls < 14_000 + 60 * (events.len() / page_events) as u64 * 20, "{} calls", world.calls);
    }

    #[test]
    fn faults_and_crashes_lose_nothing(
        events in events(300, HOUR, 5),
        page_events in 1usize..50,
        fault_every in 3u32..40,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(&events, page_events, NOW, plan(10.0), seed);
        world.fault_every = fault_every;
        for hop in [7, 20, 21, 50, 130] {
            world.run_until(NOW + hop * MINUTE);
            world.crash();
        }
        world.now_ms += 3 * HOUR;
        world.fault_every = 0;
        world.run_until(NOW + 8 * HOUR);
        prop_assert_eq!(world.handed.len(), events.len());
    }

    #[test]
    fn reading_a_closed_past_hands_over_each_event_once(
        events in events(300, 24 * HOUR, 0),
        page_events in 1usize..50,
        seed in any::<u64>(),
    ) {
        let closed = Plan { follow: false, end_ms: Some(NOW + 12 * HOUR), ..plan(2.5) };
        let mut world = World::new(&events, page_events, NOW, closed, seed);
        world.now_ms = NOW + 48 * HOUR;
        prop_assert!(world.run_until(i64::MAX));
        let wanted = events.iter().filter(|event| event.timestamp_ms <= NOW + 12 * HOUR).count();
        prop_assert_eq!(world.handed.len(), wanted);
        prop_assert!(world.handed.values().all(|(times, _)| *times == 1));
        prop_assert!(world.late.is_empty(), "on a first reading nothing is late");
    }
}

/// Evenly spaced events, one in ten of them late by the given time.
fn steady(count: i64, every_ms: i64, lag_ms: i64) -> Vec<Event> {
    (0..count)
        .map(|number| {
            let timestamp_ms = NOW + number * every_ms;
            let lag_ms = if number % 10 == 0 { lag_ms } else { 0 };
            Event { timestamp_ms, visible_ms: timestamp_ms + lag_ms }
        })
        .collect()
}

#[test]
fn on_a_small_group_even_very_late_events_are_found_in_seconds() {
    let events = steady(360, 10_000, 40 * MINUTE);
    let mut world = World::new(&events, 10_000, NOW, plan(5.0), 1);
    world.run_until(NOW + 2 * HOUR);
    assert_eq!(world.handed.len(), events.len());
    assert_eq!(world.late.len(), 36);
    assert!(world.delay_ms_max(&events) < 35_000, "{} ms", world.delay_ms_max(&events));
    // Two hours are 3,600 polls; a sweep every 5 to 30 seconds adds 240 to 1,440, with pages left empty on top.
    assert!(world.calls < 5_500, "{} calls", world.calls);
}

#[test]
fn on_a_large_group_the_revisits_carry_the_guarantee() {
    // 10 events a second on pages of 100: all that is unsettled would be 360 pages and more.
    let events = steady(36_000, 100, 25 * MINUTE);
    let mut world = World::new(&events, 100, NOW, plan(2.5), 2);
    world.run_until(NOW + 150 * MINUTE);
    assert_eq!(world.handed.len(), events.len());
    assert!(world.handed.values().all(|(times, _)| *times == 1));
    let (pages, polls) = (36_000 / 100, 150 * 30);
    assert!(world.calls < polls * 3 / 2 + 12 * pages, "{} calls", world.calls);
}

#[test]
fn calls_per_event_are_bounded() {
    // The docs say so: a call every 2 seconds, every 10 with hints; besides, one every 5 seconds at most for a small group,
    // and 12 for every 1,000 events of 1 KB, which are a page, for a large one.
    for (name, every_ms, hinted, polls_an_hour) in [
        ("one event a minute", MINUTE, false, 1_800),
        ("one event a minute, with hints", MINUTE, true, 360),
        ("20 events a second", 50, false, 1_800),
        ("20 events a second, with hints", 50, true, 360),
    ] {
        let events = steady(2 * HOUR / every_ms, every_ms, 0);
        let mut world = World::new(&events, 1_000, NOW, plan(5.0), 5);
        world.schedule.rely_on_hints(hinted);
        world.run_until(NOW + 2 * HOUR);
        let thousands = events.len() as u64 / 1_000;
        let for_the_rest = if thousands < 10 { 2 * 720 } else { 12 * thousands };
        // The simulated service leaves a tenth of the pages empty.
        let calls_max = (2 * polls_an_hour + for_the_rest) * 11 / 10;
        assert!(world.calls < calls_max, "{name}: {} calls of {calls_max}", world.calls);
    }
}

#[test]
fn hints_slow_the_head_down_and_nothing_else() {
    for (hinted, calls) in [(false, 1), (true, 5)] {
        let mut schedule = Schedule::new(plan(5.0), Position::at(NOW));
        schedule.rely_on_hints(hinted);
        schedule.head_began_ms = Some(NOW);
        assert_eq!(schedule.head_due_ms(), NOW + calls * schedule.plan.poll_ms);
        schedule.read_head_now();
        assert!(schedule.head_due_ms() < NOW);
        let revisits: Vec<i64> = (1..AGES_MS.len()).map(|age| schedule.revisit_due_ms(age)).collect();
        schedule.rely_on_hints(!hinted);
        assert_eq!(revisits, (1..AGES_MS.len()).map(|age| schedule.revisit_due_ms(age)).collect::<Vec<_>>());
    }
}

#[test]
fn the_head_is_read_while_a_long_sweep_goes_on() {
    let events = steady(4_000, 1_000, 0);
    let mut world = World::new(&events, 100, NOW, plan(50.0), 3);
    world.run_until(NOW + 66 * MINUTE);
    assert_eq!(world.handed.len(), 3_960, "all up to about now");
    assert!(world.delay_ms_max(&events) < 5_000, "{} ms", world.delay_ms_max(&events));
}

#[test]
fn a_quiet_start_from_now_is_paced() {
    let mut world = World::new(&[], 100, NOW, plan(5.0), 4);
    world.run_until(NOW + 10 * MINUTE);
    assert!((280..420).contains(&world.calls), "{} calls", world.calls);
}

#[test]
fn a_long_past_is_read_in_slices_that_settle() {
    let mut schedule = Schedule::new(plan(5.0), Position::at(NOW - 100 * HOUR));
    let mut slices = 0;
    while schedule.position().settled() < NOW - HOUR {
        assert_eq!(schedule.turn(NOW), Turn::Read(Slot::Other));
        schedule.page_read(Slot::Other, None, 0);
        slices += 1;
    }
    assert!(slices < 10, "empty slices double: {slices}");
    assert_eq!(schedule.position().head(), NOW - 5_000);
}

#[test]
fn an_incomplete_pass_moves_nothing() {
    let start = Position::at(NOW - HOUR);
    let mut schedule = Schedule::new(plan(5.0), start);
    assert_eq!(schedule.turn(NOW), Turn::Read(Slot::Other));
    assert_eq!(schedule.page_read(Slot::Other, Some("more".into()), 0), Progress::More);
    schedule.abandon(Slot::Other);
    assert_eq!(schedule.position(), start);
    assert_eq!(schedule.turn(NOW), Turn::Read(Slot::Other), "the same range is due again");
    assert_eq!(schedule.query(Slot::Other).token, None);
}

#[test]
fn a_pass_without_an_end_is_given_up() {
    let mut schedule = Schedule::new(plan(5.0), Position::at(NOW - HOUR));
    schedule.turn(NOW);
    let mut pages = 1;
    while schedule.page_read(Slot::Other, Some(pages.to_string()), 0) == Progress::More {
        pages += 1;
    }
    assert_eq!(pages, PASS_PAGES_MAX);
    assert!(schedule.other.is_none());
}

#[test]
fn following_to_an_end_stops_after_the_grace() {
    let events = [Event { timestamp_ms: NOW + 60_000, visible_ms: NOW + 60_000 + 20_000 }];
    let to_end = Plan { end_ms: Some(NOW + 60_000), ..plan(5.0) };
    let mut world = World::new(&events, 10, NOW, to_end, 5);
    assert!(!world.run_until(NOW + 89_000));
    assert!(world.run_until(NOW + 95_000));
    assert_eq!(world.handed.len(), 1, "what came within the grace is there, and the end is inclusive");
}

#[test]
fn future_dated_events_show_at_once_and_move_nothing() {
    let events = [
        Event { timestamp_ms: NOW + 2 * HOUR, visible_ms: NOW },
        Event { timestamp_ms: NOW + 1_000, visible_ms: NOW + 1_500 },
    ];
    let mut world = World::new(&events, 10, NOW, plan(5.0), 6);
    world.run_until(NOW + 10_000);
    assert_eq!(world.handed.len(), 2);
    assert!(world.schedule.position().head() <= NOW + 10_000);
    world.run_until(NOW + 4 * HOUR);
    assert!(world.handed.values().all(|(times, _)| *times == 1), "{:?}", world.handed);
}

#[test]
fn a_clock_that_jumps_back_does_not_stop_the_reading() {
    let events = steady(60, 1_000, 0);
    let mut world = World::new(&events, 10, NOW, plan(5.0), 7);
    world.now_ms = NOW + 2 * HOUR;
    world.run_until(NOW + 2 * HOUR + 10_000);
    world.now_ms = NOW + 61_000;
    world.service = Service::new(&[Event { timestamp_ms: NOW + 62_000, visible_ms: NOW + 62_500 }], 10);
    world.handed.clear();
    world.run_until(NOW + 70_000);
    assert_eq!(world.handed.len(), 1);
}
