//! The whole pipeline under faults, by seed: real pipeline, state and couriers; simulated sources, receivers, clock and disk.
//!
//! A seed says what happens: which events come, how, and what goes wrong at which step. The pipeline runs on one thread, by a
//! time that goes on when everybody waits, so the same seed is the same run. What must be true in spite of it all is in
//! `ledger`. A finding's occasion, and so its id, is taken from a run of the same seed in which nothing goes wrong.
//!
//! `TRAILWATCH_SEEDS=100000` runs as many, `TRAILWATCH_SEED=7` the one that failed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod disk;
mod ledger;
mod life;
mod plan;
mod sinks;
mod sources;
mod watch;
mod world;

use ledger::Ledger;
use world::Fault;

/// How many seeds a test run goes through.
const SEEDS: u64 = 300;

/// What came of a seed.
struct Outcome {
    trace: u64,
    met: BTreeMap<Fault, u64>,
    repeats: u64,
    deliveries: u64,
}

/// Runs a seed without faults, and then with them.
fn simulate(seed: u64) -> Result<Outcome, String> {
    let told = |failure: String| format!("seed {seed}: {failure}");
    let calm = life::run(seed, Ledger::default(), true).map_err(told)?;
    let ids = calm.ledger.lock().unwrap().ids();
    let world = life::run(seed, Ledger::knowing(ids), false).map_err(told)?;
    let ledger = world.ledger.lock().unwrap();
    Ok(Outcome { trace: world.trace(), met: world.met(), repeats: ledger.repeats(), deliveries: ledger.deliveries() })
}

/// The same, when the product panics too.
fn simulate_safely(seed: u64) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| simulate(seed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("seed {seed}: a panic: {}", text.unwrap_or("without words")))
    })
}

/// Runs seeds on all cores, and returns what came of each, in their order, and the failures.
fn simulate_all(seeds: Range<u64>) -> (Vec<Outcome>, Vec<String>) {
    let (next, results) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let result = simulate_safely(seed);
            results.lock().unwrap().insert(seed, result);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
    for result in results.into_inner().unwrap().into_values() {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(failure) => failures.push(failure),
        }
    }
    (outcomes, failures)
}

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    let seeds = match number_in("TRAILWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_in("TRAILWATCH_SEEDS").unwrap_or(SEEDS),
    };
    let (count, is_whole) = (seeds.end - seeds.start, seeds.end - seeds.start >= SEEDS);
    let (outcomes, failures) = simulate_all(seeds);
    assert!(failures.is_empty(), "{} of {count} seeds fail; the first:\n{}", failures.len(), failures[0]);
    let mut met: BTreeMap<Fault, u64> = BTreeMap::new();
    for (fault, times) in outcomes.iter().flat_map(|outcome| &outcome.met) {
        *met.entry(*fault).or_default() += times;
    }
    let deliveries: u64 = outcomes.iter().map(|outcome| outcome.deliveries).sum();
    let repeats: u64 = outcomes.iter().map(|outcome| outcome.repeats).sum();
    println!("{count} seeds, {deliveries} deliveries of which {repeats} were repeats, faults {met:?}");
    // A simulation in which something never goes wrong says nothing of it.
    let missing: Vec<_> = Fault::ALL.iter().filter(|(fault, _)| !met.contains_key(fault)).collect();
    assert!(!is_whole || missing.is_empty(), "never went wrong: {missing:?}");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..10 {
        let traces = [(); 2].map(|()| simulate(seed).unwrap_or_else(|failure| panic!("{failure}")).trace);
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}
