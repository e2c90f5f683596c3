//! Prints how fast matching is, as shares of the floor: what docs/performance.md cites.
//!
//! `cargo bench --bench ratios`. Everything is measured in one run, in many short rounds in each of which all take
//! their turn at the same chunk of events; a share is the median over the rounds. So a neighbour that takes the
//! machine away for a while hits all alike.

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::work::{PARSERS, Skip, Work, skip};
use support::{events, is_measuring, pattern, rules, sigma};
use trailwatch::engine::RuleSet;

/// The sizes of the sets like the shipped rules.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// Short enough for a turn to be over before another program has its own.
const CHUNK_BYTES: usize = 256 << 10;

/// What one contender may take in all: one that is far slower than the others has fewer turns.
const TURNS_MAX: Duration = Duration::from_secs(2);
/// What it may take beforehand, so that buffers have grown and memos are warm as they are in a long run.
const WARMING_MAX: Duration = Duration::from_millis(300);

/// How much a run does.
struct Extent {
    events: usize,
    rounds: usize,
    /// Sets are made so many times smaller.
    smaller: usize,
}

const WHOLE: Extent = Extent { events: 12_000, rounds: 200, smaller: 1 };
const QUICK: Extent = Extent { events: 60, rounds: 2, smaller: 50 };

/// One that takes its turn.
struct Contender {
    name: String,
    work: Box<dyn FnMut(&Bytes) -> usize>,
    /// Nanoseconds, by round.
    took_ns: Vec<f64>,
}

impl Contender {
    fn new(name: impl Into<String>, work: impl FnMut(&Bytes) -> usize + 'static) -> Self {
        Self { name: name.into(), work: Box::new(work), took_ns: Vec::new() }
    }

    fn floor(name: &str, parser: Skip) -> Self {
        Self::new(name, move |chunk| skip(parser, chunk))
    }

    fn matching(name: impl Into<String>, rules: RuleSet) -> Self {
        let mut work = Work::default();
        Self::new(name, move |chunk| work.matches(&rules, chunk))
    }

    fn warm(&mut self, chunks: &[Bytes]) {
        let started = Instant::now();
        for chunk in chunks.iter().take_while(|_| started.elapsed() < WARMING_MAX) {
            black_box((self.work)(chunk));
        }
    }

    fn take_turn(&mut self, chunk: &Bytes) {
        if self.took_ns.iter().sum::<f64>() > TURNS_MAX.as_nanos() as f64 {
            return;
        }
        let started = Instant::now();
        black_box((self.work)(black_box(chunk)));
        self.took_ns.push(started.elapsed().as_nanos() as f64);
    }
}

fn main() {
    let extent = if is_measuring() { WHOLE } else { QUICK };
    let events = events::events(1, extent.events);
    println!("{}", events::sizes(&events));
    let chunks = events::chunks(&events, CHUNK_BYTES);
    let mut contenders = contenders(&extent);
    contenders.iter_mut().for_each(|contender| contender.warm(&chunks));
    for round in 0..extent.rounds {
        let chunk = &chunks[round % chunks.len()];
        contenders.iter_mut().for_each(|contender| contender.take_turn(chunk));
    }
    let per_round = |round: usize| events_in(&chunks[round % chunks.len()]);
    print(&contenders, &per_round);
}

fn events_in(chunk: &Bytes) -> f64 {
    memchr::memchr_iter(b'\n', chunk).count() as f64
}

fn contenders(extent: &Extent) -> Vec<Contender> {
    let mut all: Vec<Contender> = PARSERS.iter().map(|&(name, parser)| Contender::floor(name, parser)).collect();
    let mut framing = Work::default();
    all.push(Contender::new("framing alone", move |chunk| framing.frame(chunk)));
    all.push(Contender::matching("no rules", RuleSet::new(Vec::new())));
    for size in SIZES {
        let rules = rules::read(&rules::like_shipped(size / extent.smaller));
        all.push(Contender::matching(format!("{size} like the shipped"), RuleSet::new(rules)));
    }
    let count = 1_000 / extent.smaller;
    all.push(Contender::matching("1000 patterns, exact", RuleSet::new(rules::of_patterns(&pattern::exact(count)))));
    all.push(Contender::matching("1000 patterns, mixed", RuleSet::new(rules::of_patterns(&pattern::mixed(count)))));
    for size in [60, 740, 3_000] {
        let rules = rules::read(&sigma::sigma(size / extent.smaller));
        all.push(Contender::matching(format!("{size} of Sigma"), RuleSet::new(rules)));
    }
    for operator in rules::OPERATORS {
        let rules = rules::read(&rules::of_operator(operator, count));
        all.push(Contender::matching(format!("1000 by `{operator}`"), RuleSet::new(rules)));
    }
    all
}

fn print(contenders: &[Contender], events_in: &dyn Fn(usize) -> f64) {
    let Some(floor) = PARSERS.iter().map(|(name, _)| of(contenders, name)).min_by(|a, b| a.median().total_cmp(&b.median()))
    else {
        return;
    };
    println!("floor: {}, one core, framing included on both sides\n", floor.name);
    println!("| | share of the floor | ns an event |\n|---|---|---|");
    for contender in contenders {
        let each = median(contender.took_ns.iter().enumerate().map(|(round, ns)| ns / events_in(round)));
        println!("| {} | {:.1} % | {each:.0} |", contender.name, 100.0 * contender.share_of(floor));
    }
    let (few, many) = (of(contenders, "100 like the shipped"), of(contenders, "10000 like the shipped"));
    println!("\nflatness: at 10000 rules {:.2} of the rate at 100", many.share_of(few));
}

fn of<'c>(contenders: &'c [Contender], name: &str) -> &'c Contender {
    let at = contenders.iter().position(|contender| contender.name == name);
    &contenders[at.unwrap_or_else(|| panic!("nothing is called `{name}`"))]
}

impl Contender {
    fn median(&self) -> f64 {
        median(self.took_ns.iter().copied())
    }

    /// How fast this one is, as a share of another: the median over the rounds.
    fn share_of(&self, other: &Contender) -> f64 {
        median(self.took_ns.iter().zip(&other.took_ns).map(|(mine, others)| others / mine))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
