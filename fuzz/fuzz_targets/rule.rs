//! Any text is a rule, something that rules share, or a list of complaints that can be drawn; a rule's tests run, and what it
//! is exported into can be read.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trailwatch::engine::trial::run_tests;
use trailwatch::rule::export::{Target, export};
use trailwatch::rule::shared::{Origin, SharedText};
use trailwatch::rule::{Rule, Shared, filter_pattern};

fuzz_target!(|text: &str| {
    if let Some(text) = SharedText::of(Path::new("fuzz.toml"), text.as_bytes(), Origin::Named) {
        let (_, problems) = Shared::read(&[text], |_, _| Err("there is none".to_owned()));
        problems.iter().for_each(|problem| drop(problem.to_string()));
    }
    match Rule::parse(Path::new("fuzz.toml"), text.to_owned()) {
        Ok(rule) => {
            run_tests(&rule);
            exported(rule);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| drop(problem.to_string()));
        }
    }
});

/// What a rule is exported into can be read.
fn exported(rule: Rule) {
    let rules = [rule];
    for pattern in export(&rules, Target::FilterPattern).patterns {
        filter_pattern::parse("exported", &pattern.text).unwrap();
    }
    drop(export(&rules, Target::EventPattern));
}
