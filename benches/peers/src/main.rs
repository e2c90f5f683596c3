//! Matching beside other engines: the same rules on the same events, one core, parsing included.
//!
//! `cargo run --release` in this folder, with `-- --renew` to write the table into docs/performance.md. Each engine is first held to ours match for match; then all take turns at
//! the same events, and what is printed is the median, over the rounds, of how many times as fast we are.

mod engine;
mod parser;
#[path = "../../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use engine::{Engine, Quamina, Rsigma, SigmaRust, Trailwatch};
use support::{document, events, pattern, rules, sigma};

/// How long one turn takes; slow engines get fewer events.
const TURN: Duration = Duration::from_millis(20);
const ROUNDS: usize = 15;
/// How long the comparison of matches may take an engine.
const COMPARISON: Duration = Duration::from_secs(5);

type Peer = (&'static str, Box<dyn FnOnce() -> Box<dyn Engine>>);

fn main() {
    let events = events::events(5, 6_000);
    document::tell("parsers", &parser::table(&events));
    let mut table =
        "| rules | peer | we are so many times as fast | matches compared |\n|---|---|---|---|\n".to_owned();
    for (name, make, counts) in [
        ("exact", pattern::exact as fn(usize) -> Vec<pattern::Pattern>, &[10, 100, 1_000, 10_000][..]),
        ("mixed", pattern::mixed, &[10, 100, 1_000, 10_000]),
        ("contains", pattern::contains, &[10, 100, 1_000]),
    ] {
        for &count in counts {
            let patterns = make(count);
            let ours = Trailwatch::new(&rules::of_patterns(&patterns));
            let quamina = Box::new(move || Box::new(Quamina::new(&patterns)) as Box<dyn Engine>);
            compare(&format!("{count} patterns, {name}"), ours, vec![("quamina", quamina)], &events, &mut table);
        }
    }
    for (name, make, counts) in [
        ("of Sigma", sigma::sigma as fn(usize) -> Vec<rules::Written>, &[60, 740, 3_000][..]),
        ("of Sigma, services even", sigma::even, &[740, 3_000]),
        ("of Sigma, for calls", sigma::calls, &[740]),
        ("of Sigma, for all systems", sigma::collection, &[740, 3_000]),
    ] {
        for &count in counts {
            compare_sigma(&format!("{count} {name}"), make(count), &events, &mut table);
        }
    }
    document::tell("peers", &table);
}

fn compare_sigma(name: &str, files: Vec<rules::Written>, events: &[String], table: &mut String) {
    let ours = Trailwatch::new(&rules::read(&files));
    let texts: Vec<String> = files.into_iter().map(|file| file.text).collect();
    let peer = |make: fn(&[String]) -> Box<dyn Engine>| {
        let texts = texts.clone();
        Box::new(move || make(&texts)) as Box<dyn FnOnce() -> Box<dyn Engine>>
    };
    let peers = vec![
        ("rsigma", peer(|texts| Box::new(Rsigma::new(texts, false)))),
        ("rsigma, prefilters on", peer(|texts| Box::new(Rsigma::new(texts, true)))),
        ("sigma-rust", peer(|texts| Box::new(SigmaRust::new(texts)))),
    ];
    compare(name, ours, peers, events, table);
}

fn compare(set: &str, mut ours: Trailwatch, peers: Vec<Peer>, events: &[String], table: &mut String) {
    for (name, make) in peers {
        let row = catch_unwind(AssertUnwindSafe(|| {
            let mut peer = make();
            let compared = hold_against(&mut ours, &mut *peer, events);
            (race(&mut ours, &mut *peer, events), compared)
        }));
        let row = match row {
            Ok((times, compared)) => format!("| {set} | {name} | {times:.1} | {compared} |\n"),
            Err(_) => format!("| {set} | {name} | it gave up | |\n"),
        };
        eprint!("{row}");
        table.push_str(&row);
    }
}

/// Holds the matches of as many events as time allows against ours; how many matches there were, in how many events.
fn hold_against(ours: &mut Trailwatch, peer: &mut dyn Engine, events: &[String]) -> String {
    let started = Instant::now();
    let (mut matches, mut count, mut differing) = (0, 0, 0);
    for event in events {
        let (mine, others): (BTreeSet<u32>, BTreeSet<u32>) = (ours.matches(event), peer.matches(event));
        if mine != others {
            differing += 1;
            eprintln!("ours {mine:?}, theirs {others:?}: {event}");
        }
        (matches, count) = (matches + mine.len(), count + 1);
        if started.elapsed() > COMPARISON {
            break;
        }
    }
    let verdict = if differing == 0 { "all the same".to_owned() } else { format!("{differing} EVENTS DIFFER") };
    format!("{matches} in {count} events, {verdict}")
}

/// How many times as fast we are as the peer: the median over the rounds.
fn race(ours: &mut Trailwatch, peer: &mut dyn Engine, events: &[String]) -> f64 {
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let from = round * events.len() / ROUNDS;
            turn(peer, events, from) / turn(ours, events, from)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Nanoseconds an event, over as many events as a turn has time for, from one of them on and round and round.
fn turn(engine: &mut dyn Engine, events: &[String], from: usize) -> f64 {
    let started = Instant::now();
    let mut count = 0;
    let (before, behind) = events.split_at(from);
    for few in behind.chunks(20).chain(before.chunks(20)).cycle() {
        few.iter().for_each(|event| _ = std::hint::black_box(engine.count(event)));
        count += few.len();
        if started.elapsed() > TURN {
            break;
        }
    }
    started.elapsed().as_nanos() as f64 / count as f64
}
