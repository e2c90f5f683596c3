//! Prints how fast matching is, as shares of the floor: what docs/performance.md cites.
//!
//! `cargo bench --no-default-features --bench ratios`, with `-- --renew` to write it there. Everything is measured in one run, in many short rounds in each of which all take
//! their turn at the same chunk of events; a share is the median over the rounds. So a neighbour that takes the
//! machine away for a while hits all alike.

#![allow(clippy::unwrap_used, reason = "a bench may assume, and tell")]

mod support;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::work::{PARSERS, Skip, Work, skip};
use support::{document, events, is_measuring, pattern, rules, sigma};
use trailwatch::engine::{RuleSet, Scratch};

/// The sizes of the sets like the shipped rules.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// What a turn goes through: gone through before another program has its turn at the processor.
const CHUNK_BYTES: usize = 256 << 10;

/// How long a turn may be: one that is far slower than the others gets fewer lines.
const TURN: Duration = Duration::from_millis(2);
/// What a contender may take beforehand.
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
    /// The bytes that it goes through in a turn.
    turn_bytes: usize,
    /// Nanoseconds a byte, by round.
    took_ns: Vec<f64>,
}

impl Contender {
    fn new(name: impl Into<String>, work: impl FnMut(&Bytes) -> usize + 'static) -> Self {
        Self { name: name.into(), work: Box::new(work), turn_bytes: CHUNK_BYTES, took_ns: Vec::new() }
    }

    fn floor(name: &str, parser: Skip) -> Self {
        Self::new(name, move |chunk| skip(parser, chunk))
    }

    fn matching(name: impl Into<String>, rules: RuleSet) -> Self {
        let mut work = Work::default();
        Self::new(name, move |chunk| work.matches(&rules, chunk))
    }

    /// Lets buffers grow and memos fill, as they have in a long run, and finds out how much fits into a turn.
    fn warm(&mut self, chunks: &[Bytes]) {
        let started = Instant::now();
        let mut bytes = 0;
        for chunk in chunks.iter().take_while(|_| started.elapsed() < WARMING_MAX) {
            black_box((self.work)(chunk));
            bytes += chunk.len();
        }
        let share = TURN.as_secs_f64() / started.elapsed().as_secs_f64();
        self.turn_bytes = ((bytes as f64 * share) as usize).min(CHUNK_BYTES);
    }

    fn take_turn(&mut self, chunk: &Bytes) {
        let chunk = lines_within(chunk, self.turn_bytes);
        let started = Instant::now();
        black_box((self.work)(black_box(&chunk)));
        self.took_ns.push(started.elapsed().as_nanos() as f64 / chunk.len() as f64);
    }

    fn median(&self) -> f64 {
        median(self.took_ns.iter().copied())
    }

    /// How fast this one is, as a share of another: the median over the rounds.
    fn share_of(&self, other: &Contender) -> f64 {
        median(self.took_ns.iter().zip(&other.took_ns).map(|(mine, others)| others / mine))
    }
}

/// Whole lines of about so many bytes; one at least.
fn lines_within(chunk: &Bytes, bytes: usize) -> Bytes {
    let wanted = bytes.min(chunk.len());
    let end = memchr::memchr(b'\n', &chunk[wanted.saturating_sub(1)..]).map_or(chunk.len(), |at| wanted.max(1) + at);
    chunk.slice(..end)
}

fn main() {
    let extent = if is_measuring() { WHOLE } else { QUICK };
    let events = events::events(1, extent.events);
    let chunks = events::chunks(&events, CHUNK_BYTES);
    let mut contenders = contenders(&extent);
    contenders.iter_mut().for_each(|contender| contender.warm(&chunks));
    for round in 0..extent.rounds {
        let chunk = &chunks[round % chunks.len()];
        contenders.iter_mut().for_each(|contender| contender.take_turn(chunk));
    }
    let event_bytes = events.iter().map(String::len).sum::<usize>() as f64 / events.len() as f64;
    let sizes = format!("{}; {}.", events::sizes(&events), share_of_matches(&events, &extent));
    document::tell("ratios", &format!("{sizes}\n{}", table(&contenders, event_bytes)));
}

/// How many events match a rule like the shipped ones: few, as it is with rules that are any good.
fn share_of_matches(events: &[String], extent: &Extent) -> String {
    let rules = RuleSet::new(rules::read(&rules::like_shipped(1_000 / extent.smaller)));
    let mut scratch = Scratch::default();
    let matching = events.iter().filter(|event| !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty());
    format!(
        "{:.2} % of them match one of 1,000 rules like the shipped",
        100.0 * matching.count() as f64 / events.len() as f64
    )
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
    let rules = rules::read(&sigma::collection(3_000 / extent.smaller));
    all.push(Contender::matching("3000 of Sigma, for all systems", RuleSet::new(rules)));
    for operator in rules::OPERATORS {
        let rules = rules::read(&rules::of_operator(operator, count));
        all.push(Contender::matching(format!("1000 by `{operator}`"), RuleSet::new(rules)));
    }
    all
}

fn table(contenders: &[Contender], event_bytes: f64) -> String {
    let floors = PARSERS.iter().map(|(name, _)| of(contenders, name));
    let floor = floors.min_by(|a, b| a.median().total_cmp(&b.median())).unwrap();
    let mut text = format!("The floor is {}.\n\n| | share of the floor | ns an event |\n|---|---|---|\n", floor.name);
    for contender in contenders {
        let (share, ns) = (100.0 * contender.share_of(floor), contender.median() * event_bytes);
        let _ = writeln!(text, "| {} | {share:.1} % | {ns:.0} |", contender.name);
    }
    let (few, many) = (of(contenders, "100 like the shipped"), of(contenders, "10000 like the shipped"));
    let _ = writeln!(text, "\nFlatness: with 10,000 rules {:.2} of the rate with 100.", many.share_of(few));
    text
}

fn of<'c>(contenders: &'c [Contender], name: &str) -> &'c Contender {
    let at = contenders.iter().position(|contender| contender.name == name);
    &contenders[at.unwrap_or_else(|| panic!("nothing is called `{name}`"))]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
