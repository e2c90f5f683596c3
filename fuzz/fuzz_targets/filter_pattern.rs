//! Any text is a filter pattern or a complaint that can be drawn.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trailwatch::rule::filter_pattern;

fuzz_target!(|text: &str| {
    if let Err(problem) = filter_pattern::parse("--filter", text) {
        drop(problem.to_string());
    }
});
