//! The engines, each behind the same two questions.

use std::collections::BTreeSet;

use rsigma_eval::event::JsonEvent;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::rule::Rule;

use crate::support::pattern::Pattern;

/// One that matches events.
pub trait Engine {
    /// The numbers of the rules that match.
    fn matches(&mut self, event: &str) -> BTreeSet<u32>;

    /// How many rules match: what is timed.
    fn count(&mut self, event: &str) -> usize;
}

/// This project's.
pub struct Trailwatch {
    rules: RuleSet,
    scratch: Scratch,
}

impl Trailwatch {
    pub fn new(rules: &[Rule]) -> Self {
        Self { rules: RuleSet::new(rules.to_vec()), scratch: Scratch::default() }
    }
}

impl Engine for Trailwatch {
    fn matches(&mut self, event: &str) -> BTreeSet<u32> {
        self.rules.evaluate(event, &mut self.scratch).unwrap().matches.iter().map(|id| id.0).collect()
    }

    fn count(&mut self, event: &str) -> usize {
        self.rules.evaluate(event, &mut self.scratch).unwrap().matches.len()
    }
}

/// quamina-rs: EventBridge's patterns.
pub struct Quamina(quamina::Quamina<u32>);

impl Quamina {
    pub fn new(patterns: &[Pattern]) -> Self {
        let mut quamina = quamina::Quamina::new();
        for (number, pattern) in patterns.iter().enumerate() {
            quamina.add_pattern(number as u32, &pattern.eventbridge()).unwrap();
        }
        Self(quamina)
    }
}

impl Engine for Quamina {
    fn matches(&mut self, event: &str) -> BTreeSet<u32> {
        self.0.matches_for_event(event.as_bytes()).unwrap().into_iter().collect()
    }

    fn count(&mut self, event: &str) -> usize {
        self.0.matches_for_event(event.as_bytes()).unwrap().len()
    }
}

/// rsigma: Sigma rules, indexed.
pub struct Rsigma(rsigma_eval::Engine);

impl Rsigma {
    pub fn new(texts: &[String], prefilters: bool) -> Self {
        let mut engine = rsigma_eval::Engine::new();
        engine.set_bloom_prefilter(prefilters);
        engine.set_cross_rule_ac(prefilters);
        let collection = rsigma_parser::parse_sigma_yaml(&texts.join("---\n")).unwrap();
        engine.add_collection(&collection).unwrap();
        assert_eq!(engine.rule_count(), texts.len());
        Self(engine)
    }
}

impl Engine for Rsigma {
    fn matches(&mut self, event: &str) -> BTreeSet<u32> {
        let value = serde_json::from_str(event).unwrap();
        let results = self.0.evaluate(&JsonEvent::borrow(&value));
        let number = |title: &str| title.rsplit(' ').next().unwrap().parse().unwrap();
        results.iter().map(|result| number(&result.header.rule_title)).collect()
    }

    fn count(&mut self, event: &str) -> usize {
        let value = serde_json::from_str(event).unwrap();
        self.0.evaluate(&JsonEvent::borrow(&value)).len()
    }
}

/// sigma-rust: Sigma rules, one after the other.
pub struct SigmaRust(Vec<sigma_rust::Rule>);

impl SigmaRust {
    pub fn new(texts: &[String]) -> Self {
        Self(texts.iter().map(|text| sigma_rust::rule_from_yaml(text).unwrap()).collect())
    }
}

impl Engine for SigmaRust {
    fn matches(&mut self, event: &str) -> BTreeSet<u32> {
        let event = sigma_rust::event_from_json(event).unwrap();
        (0..).zip(&self.0).filter(|(_, rule)| rule.is_match(&event)).map(|(number, _)| number).collect()
    }

    fn count(&mut self, event: &str) -> usize {
        let event = sigma_rust::event_from_json(event).unwrap();
        self.0.iter().filter(|rule| rule.is_match(&event)).count()
    }
}
