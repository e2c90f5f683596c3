//! Any text is an event pattern or a list of complaints that can be drawn; a pattern judges any event, and so does a rule
//! with it, the same way in the matcher as in the naive evaluator. The first line is the event.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trailwatch::condition::holds;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::{Rule, event_pattern};

fuzz_target!(|text: &str| {
    let (event, pattern) = text.split_once('\n').unwrap_or(("{}", text));
    match event_pattern::parse("fuzz", pattern) {
        Ok(pattern) => {
            let mut fields = Fields::default();
            if let Ok(event) = Event::read(event, &projection_of([]), &mut fields) {
                holds(&pattern.verbatim(), &event);
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| drop(problem.to_string()));
        }
    }
    let rule = format!("id = \"x\"\ntitle = \"x\"\nseverity = \"low\"\nevent_pattern = '''{pattern}'''\n");
    if let Ok(rule) = Rule::parse(Path::new("fuzz.toml"), rule) {
        agree(rule, event);
    }
});

fn agree(rule: Rule, text: &str) {
    let mut fields = Fields::default();
    let Ok(event) = Event::read(text, &projection_of([]), &mut fields) else { return };
    let naive = holds(&rule.condition, &event);
    let mut scratch = Scratch::default();
    let rules = RuleSet::new(vec![rule]);
    let found = rules.evaluate(text, &mut scratch).is_ok_and(|evaluated| !evaluated.matches.is_empty());
    assert_eq!(found, naive, "the matcher and the naive evaluator disagree");
}
