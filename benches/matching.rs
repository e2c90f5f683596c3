//! The hot path in parts: `cargo bench --bench matching`. Each figure is a throughput in bytes, so that two of one run
//! can be divided by each other; `ratios` does that with more care.

#![allow(clippy::unwrap_used, reason = "a bench may assume, and tell")]

mod support;

use std::hint::black_box;
use std::io::{Read, Write};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use support::work::{PARSERS, Work, skip};
use support::{events, is_measuring, rules};
use trailwatch::config;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Fields, projection_of};

/// Events that every group reads: one chunk and a little more.
fn events() -> Vec<String> {
    events::events(1, if is_measuring() { 3_000 } else { 30 })
}

/// A number of rules, fewer where nothing is measured.
fn some(count: usize) -> usize {
    if is_measuring() { count } else { count / 100 + 1 }
}

fn chunk() -> Bytes {
    Bytes::from(events().join("\n") + "\n")
}

/// Reading without rules: by each parser, by decoding alone, by the projection.
fn floor(criterion: &mut Criterion) {
    let chunk = chunk();
    let mut group = criterion.benchmark_group("floor");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    for &(name, parser) in PARSERS {
        group.bench_function(name, |bencher| bencher.iter(|| skip(parser, black_box(&chunk))));
    }
    let mut work = Work::default();
    group.bench_function("framing", |bencher| bencher.iter(|| work.frame(black_box(&chunk))));
    let (events, projection, mut fields) = (events(), projection_of([]), Fields::default());
    group.bench_function("projection of the base fields", |bencher| {
        bencher.iter(|| events.iter().filter(|event| projection.read(event, &mut fields).is_ok()).count());
    });
    group.finish();
}

/// Decoding and matching, by the number of rules like the shipped ones.
fn by_number(criterion: &mut Criterion) {
    let chunk = chunk();
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    for count in [0, 10, 100, 1_000, 10_000] {
        let rules = RuleSet::new(rules::read(&rules::like_shipped(if count == 0 { 0 } else { some(count) })));
        let mut work = Work::default();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| work.matches(&rules, black_box(&chunk)));
        });
    }
    group.finish();
}

/// Decoding and matching, by what the rules do.
fn by_operator(criterion: &mut Criterion) {
    let chunk = chunk();
    let mut group = criterion.benchmark_group("operator");
    group.throughput(Throughput::Bytes(chunk.len() as u64)).sample_size(20);
    for operator in rules::OPERATORS {
        let rules = RuleSet::new(rules::read(&rules::of_operator(operator, some(1_000))));
        let mut work = Work::default();
        group.bench_function(*operator, |bencher| bencher.iter(|| work.matches(&rules, black_box(&chunk))));
    }
    group.finish();
}

/// Matching, by how many events in a hundred match a rule.
fn by_share(criterion: &mut Criterion) {
    let mut rules = rules::read(&rules::like_shipped(some(1_000)));
    // Those fire at the attacks among the events.
    rules.extend(config::rules(&[]).rules);
    let rules = RuleSet::new(rules);
    let all = events::events(2, if is_measuring() { 40_000 } else { 1_000 });
    let mut scratch = Scratch::default();
    let (hits, misses): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|event| !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty());
    let mut group = criterion.benchmark_group("events that match");
    for share in [0, 1, 10, 100].into_iter().filter(|&share| share == 0 || !hits.is_empty()) {
        let pick = |n: usize| if n % 100 < share { &hits[n % hits.len()] } else { &misses[n % misses.len()] };
        let events: Vec<&String> = (0..some(2_000)).map(pick).collect();
        group.throughput(Throughput::Bytes(events.iter().map(|event| event.len() as u64).sum()));
        group.bench_function(BenchmarkId::from_parameter(format!("{share} %")), |bencher| {
            bencher.iter(|| {
                let mut matches = |event: &&String| rules.evaluate(event, &mut scratch).unwrap().matches.len();
                events.iter().map(&mut matches).sum::<usize>()
            });
        });
    }
    group.finish();
}

/// Reading rule files, and compiling what was read.
fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let files = rules::like_shipped(some(count));
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_function(BenchmarkId::new("read", count), |bencher| bencher.iter(|| rules::read(&files).len()));
        let read = rules::read(&files);
        group.bench_function(BenchmarkId::new("compile", count), |bencher| {
            bencher.iter_with_large_drop(|| RuleSet::new(read.clone()));
        });
    }
    group.finish();
}

/// Inflating, which bounds what `scan` can reach on gzipped objects.
fn gunzip(criterion: &mut Criterion) {
    let chunk = chunk();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&chunk).unwrap();
    let zipped = encoder.finish().unwrap();
    let mut out = Vec::with_capacity(chunk.len());
    let mut group = criterion.benchmark_group("gunzip");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    group.bench_function("zlib-rs", |bencher| {
        bencher.iter(|| {
            out.clear();
            MultiGzDecoder::new(&zipped[..]).read_to_end(&mut out).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, floor, by_number, by_operator, by_share, build, gunzip);
criterion_main!(benches);
