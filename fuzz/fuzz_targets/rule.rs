//! Any text is a rule, something that rules share, or a list of complaints that can be drawn; a rule's tests run.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trailwatch::engine::trial::run_tests;
use trailwatch::rule::shared::{Origin, SharedText};
use trailwatch::rule::{Rule, Shared};

fuzz_target!(|text: &str| {
    if let Some(text) = SharedText::of(Path::new("fuzz.toml"), text.as_bytes(), Origin::Named) {
        let (_, problems) = Shared::read(&[text], |_, _| Err("there is none".to_owned()));
        problems.iter().for_each(|problem| drop(problem.to_string()));
    }
    match Rule::parse(Path::new("fuzz.toml"), text.to_owned()) {
        Ok(rule) => drop(run_tests(&rule)),
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| drop(problem.to_string()));
        }
    }
});
