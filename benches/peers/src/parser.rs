//! The parsers that could stand under the projection, beside each other: what it takes to pass over a record.

use std::time::Instant;

use crate::support::work::PARSERS;

type Pass<'p> = (&'p str, Box<dyn FnMut(&str) -> bool>);

pub fn table(events: &[String]) -> String {
    let mut passes: Vec<Pass<'_>> =
        PARSERS.iter().map(|&(name, skip)| (name, Box::new(skip) as Box<dyn FnMut(&str) -> bool>)).collect();
    let mut buffer = Vec::new();
    passes.push((
        "simd-json tape",
        // It writes into what it reads, so there has to be a copy, as there would have to be in the matcher.
        Box::new(move |event| {
            buffer.clear();
            buffer.extend_from_slice(event.as_bytes());
            simd_json::to_tape(&mut buffer).is_ok()
        }),
    ));
    passes.push(("serde_json Value", Box::new(|event| serde_json::from_str::<serde_json::Value>(event).is_ok())));
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); passes.len()];
    for round in 0..101 {
        let from = round * events.len() / 110;
        for ((_, pass), took) in passes.iter_mut().zip(&mut took) {
            let started = Instant::now();
            assert!(events[from..from + 40].iter().all(|event| pass(event)));
            took.push(started.elapsed().as_nanos() as f64);
        }
    }
    let mut text = "| parser | rate, as a share of the first |\n|---|---|\n".to_owned();
    for ((name, _), mine) in passes.iter().zip(&took) {
        let mut ratios: Vec<f64> = took[0].iter().zip(mine).map(|(first, mine)| first / mine).collect();
        ratios.sort_by(f64::total_cmp);
        text.push_str(&format!("| {name} | {:.2} |\n", ratios[ratios.len() / 2]));
    }
    text
}
