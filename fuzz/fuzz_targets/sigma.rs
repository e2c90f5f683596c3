//! Any text is a file of Sigma rules or a list of complaints that can be drawn; a rule judges an event.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::rule;

const EVENT: &str =
    r#"{"eventName":"PutObject","eventSource":"s3.amazonaws.com","requestParameters":{"a":[1,"x",null]}}"#;

fuzz_target!(|text: &str| {
    let reading = rule::read(Path::new("fuzz.yml"), text.as_bytes().to_vec());
    reading.problems.iter().for_each(|problem| drop(problem.to_string()));
    let rules = RuleSet::new(reading.rules);
    drop(rules.evaluate(EVENT, &mut Scratch::default()));
});
