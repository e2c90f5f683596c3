//! Any text is a rule or a list of complaints that can be drawn; a rule's tests run.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trailwatch::engine::trial::run_tests;
use trailwatch::rule::Rule;

fuzz_target!(|text: &str| {
    match Rule::parse(Path::new("fuzz.toml"), text.to_owned()) {
        Ok(rule) => drop(run_tests(&rule)),
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| drop(problem.to_string()));
        }
    }
});
