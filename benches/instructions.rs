//! Counts the instructions of matching under valgrind, and holds them against what is written down beside this file.
//!
//! `cargo bench --no-default-features --bench instructions`, with `-- --renew` to write the counts down anew. No clock
//! is trusted: the same events are gone through once and three times, and the difference is what two passes take, all
//! starting-up left out. Written down is not the count but its ratio to that of `serde_json` passing over the same
//! events in the same run, which moves little from one compiler to the next.
//!
//! The program behind it goes through standard input, for profilers too: `--run RULES PASSES` goes so often through the
//! events that `--events` writes. RULES is a number of rules like the shipped, or `sigma-740`, `collection-3000`,
//! `mixed-1000`, `exact-1000`, or an operator with a number, as `glob-1000`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may assume, and tell")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use bytes::Bytes;
use support::work::{PARSERS, Work, skip};
use support::{events, is_measuring, pattern, rules, sigma};
use trailwatch::engine::RuleSet;
use trailwatch::rule::Rule;

const EVENTS: usize = 2_000;

/// What the others are divided by: the first of the parsers, which takes the same way on every machine.
const FLOOR: &str = "floor";

/// Numbers of rules like the shipped ones.
const SETS: [&str; 3] = ["0", "100", "1000"];

/// What a ratio may grow by.
const GROWTH_MAX: f64 = 1.10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [run, set, passes] if run == "--run" => {
            go(set, passes.parse().unwrap(), &standard_input());
            ExitCode::SUCCESS
        }
        [events] if events == "--events" => {
            std::io::stdout().write_all(&chunk(EVENTS)).unwrap();
            ExitCode::SUCCESS
        }
        _ if !is_measuring() => {
            let chunk = chunk(20);
            ["floor", "10"].iter().for_each(|set| go(set, 1, &chunk));
            ExitCode::SUCCESS
        }
        _ => judge(arguments.iter().any(|argument| argument == "--renew")),
    }
}

fn chunk(count: usize) -> Bytes {
    Bytes::from(events::events(3, count).join("\n") + "\n")
}

fn standard_input() -> Bytes {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).unwrap();
    Bytes::from(bytes)
}

/// What runs under valgrind.
fn go(set: &str, passes: usize, chunk: &Bytes) {
    let mut work = Work::default();
    let rules = rules_of(set).map(RuleSet::new);
    for _ in 0..passes {
        std::hint::black_box(match &rules {
            Some(rules) => work.matches(rules, chunk),
            None => skip(PARSERS[0].1, chunk),
        });
    }
}

/// The rules of a set; none for the floor.
fn rules_of(set: &str) -> Option<Vec<Rule>> {
    if set == FLOOR {
        return None;
    }
    let (kind, count) = set.rsplit_once('-').unwrap_or(("", set));
    let count = count.parse().unwrap();
    Some(match kind {
        "sigma" => rules::read(&sigma::sigma(count)),
        "calls" => rules::read(&sigma::calls(count)),
        "collection" => rules::read(&sigma::collection(count)),
        operator if rules::OPERATORS.contains(&operator) => rules::read(&rules::of_operator(operator, count)),
        "mixed" => rules::of_patterns(&pattern::mixed(count)),
        "exact" => rules::of_patterns(&pattern::exact(count)),
        _ => rules::read(&rules::like_shipped(count)),
    })
}

fn judge(renew: bool) -> ExitCode {
    let valgrind = Command::new("valgrind").arg("--version").output();
    if valgrind.is_err() || !cfg!(target_arch = "x86_64") {
        println!("instructions: not counted (that takes valgrind, on the architecture that was written down: x86_64)");
        return ExitCode::SUCCESS;
    }
    let chunk = chunk(EVENTS);
    let floor = instructions(FLOOR, &chunk);
    println!("{floor:>10.0} instructions for an event to be passed over by {}", PARSERS[0].0);
    let ratios: BTreeMap<String, f64> =
        SETS.iter().map(|set| (set.to_string(), instructions(set, &chunk) / floor)).collect();
    if renew {
        let text = ratios.iter().fold(String::new(), |mut text, (set, ratio)| {
            let _ = writeln!(text, "{set} {ratio:.3}");
            text
        });
        std::fs::write(baseline(), text).unwrap();
    }
    compare(&ratios)
}

/// Says how the ratios stand to those written down.
fn compare(ratios: &BTreeMap<String, f64>) -> ExitCode {
    let text = std::fs::read_to_string(baseline()).unwrap();
    let written: BTreeMap<&str, f64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(set, ratio)| (set, ratio.parse().unwrap()))
        .collect();
    let mut exit = ExitCode::SUCCESS;
    for (set, ratio) in ratios {
        let before = written[set.as_str()];
        let grown = *ratio > before * GROWTH_MAX;
        println!(
            "{ratio:>10.3} times as many with {set} rules (written down: {before:.3}){}",
            if grown { ": TOO MANY" } else { "" }
        );
        if grown {
            exit = ExitCode::FAILURE;
        }
    }
    if exit != ExitCode::SUCCESS {
        println!(
            "instructions: matching has become more than a tenth dearer (if that is meant, run \
             `cargo bench --no-default-features --bench instructions -- --renew` and commit `{}`)",
            baseline().display()
        );
    }
    exit
}

fn baseline() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches", "instructions.txt"].iter().collect()
}

/// The instructions for an event once everything is warm.
fn instructions(set: &str, chunk: &Bytes) -> f64 {
    let (once, thrice) = (counted(set, 1, chunk), counted(set, 3, chunk));
    (thrice - once) / 2.0 / EVENTS as f64
}

/// Runs this program under valgrind and reads the count off it.
fn counted(set: &str, passes: usize, chunk: &Bytes) -> f64 {
    let mut valgrind = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--run", set, &passes.to_string()])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    valgrind.stdin.take().unwrap().write_all(chunk).unwrap();
    let output = valgrind.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find(|line| line.contains("refs:")).unwrap_or_else(|| panic!("no count in:\n{told}"));
    let digits: String = line.rsplit("refs:").take(1).flat_map(str::chars).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
