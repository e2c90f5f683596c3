//! Taking the time: each rule alone, in turns with no rules at all.
//!
//! What a rule costs is the difference between reading events with it and without. Both are timed one right after the
//! other, over and over, on a slice of the events that is spread over all of them; the median of the differences is
//! little moved by what else the machine does meanwhile. What rules share, such as a field that several of them read,
//! counts for each of them: together they cost less than the sum.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::engine::{RuleSet, Scratch};
use crate::rule::Rule;

/// Events in one turn.
const TURN_EVENTS: usize = 200;
/// Turns that everything has at least.
const TURNS_MIN: usize = 5;

/// What was found out.
pub struct Costs<'r> {
    /// How many events there were.
    pub events: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Reading an event without rules, in nanoseconds.
    pub floor_ns: f64,
    /// What all rules together add to that.
    pub together_ns: f64,
    /// By rule, in the order of the rules.
    pub rules: Vec<Cost<'r>>,
}

/// What one rule costs.
pub struct Cost<'r> {
    pub rule: &'r Rule,
    /// What it adds to the reading of an event, on average over events, in nanoseconds.
    pub ns: f64,
    /// For how many events it has to be evaluated.
    pub candidates: u64,
    /// How many events it matches.
    pub matches: u64,
    /// Whether nothing leads to it, or only what most events have.
    pub is_unanchored: bool,
}

impl<'r> Costs<'r> {
    /// Measures for about so long.
    pub fn measure(rules: &'r [Rule], events: &[String], time: Duration) -> Self {
        let lean: Vec<Rule> = rules.iter().map(lean).collect();
        let mut costs = counted(rules, &lean, events);
        let (none, all) = (RuleSet::new(Vec::new()), RuleSet::new(lean.clone()));
        let mut timer = Timer { events, turn: 0 };
        let (mut floors, mut together, mut each) = (Vec::new(), Vec::new(), vec![Vec::new(); rules.len()]);
        let started = Instant::now();
        while timer.turn < TURNS_MIN || started.elapsed() < time {
            together.push(timer.difference(&none, &all, &mut floors));
            for (rule, differences) in lean.iter().zip(&mut each) {
                // Made anew each time: thousands of them would not fit into memory.
                let alone = RuleSet::new(vec![rule.clone()]);
                differences.push(timer.difference(&none, &alone, &mut floors));
            }
            timer.turn += 1;
        }
        costs.floor_ns = median(floors);
        costs.together_ns = median(together).max(0.0);
        costs.rules.iter_mut().zip(each).for_each(|(cost, differences)| cost.ns = median(differences).max(0.0));
        costs
    }

    /// What the rules cost if each is taken alone, summed up.
    pub fn sum_ns(&self) -> f64 {
        self.rules.iter().map(|cost| cost.ns).sum()
    }
}

/// The rule without what matching does not need.
fn lean(rule: &Rule) -> Rule {
    Rule { tests: Vec::new(), ..rule.clone() }
}

/// Goes through all events once and counts.
fn counted<'r>(rules: &'r [Rule], lean: &[Rule], events: &[String]) -> Costs<'r> {
    let set = RuleSet::new(lean.to_vec());
    let unanchored: HashSet<&str> = set.unanchored().map(|rule| rule.id.as_str()).collect();
    let cost = |rule: &'r Rule| {
        let is_unanchored = unanchored.contains(rule.id.as_str());
        Cost { rule, ns: 0.0, candidates: 0, matches: 0, is_unanchored }
    };
    let mut costs: Vec<Cost<'_>> = rules.iter().map(cost).collect();
    let mut scratch = Scratch::default();
    for event in events {
        // Only what is JSON has been kept.
        if let Ok(evaluated) = set.evaluate(event, &mut scratch) {
            evaluated.matches.iter().for_each(|id| costs[id.0 as usize].matches += 1);
            scratch.candidates().iter().for_each(|id| costs[id.0 as usize].candidates += 1);
        }
    }
    let bytes = events.iter().map(String::len).sum();
    Costs { events: events.len(), bytes, floor_ns: 0.0, together_ns: 0.0, rules: costs }
}

struct Timer<'e> {
    events: &'e [String],
    turn: usize,
}

impl Timer<'_> {
    /// How much longer an event takes with `rules` than with `none`, in nanoseconds; notes what it takes with none.
    fn difference(&self, none: &RuleSet, rules: &RuleSet, floors: &mut Vec<f64>) -> f64 {
        let floor = self.time(none);
        floors.push(floor);
        self.time(rules) - floor
    }

    /// What an event takes, in nanoseconds, once buffers have grown.
    fn time(&self, rules: &RuleSet) -> f64 {
        let mut scratch = Scratch::default();
        self.go_through(rules, &mut scratch);
        let started = Instant::now();
        let events = self.go_through(rules, &mut scratch);
        started.elapsed().as_nanos() as f64 / events.max(1) as f64
    }

    fn go_through(&self, rules: &RuleSet, scratch: &mut Scratch) -> usize {
        let step = self.events.len().div_ceil(TURN_EVENTS);
        let slice = self.events.iter().skip(self.turn % step).step_by(step);
        slice.map(|event| black_box(rules.evaluate(event, scratch).is_ok())).filter(|&good| good).count()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_that_is_far_off() {
        assert_eq!(median(vec![3.0, 1_000.0, 1.0, 2.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn every_event_has_its_turn() {
        let events: Vec<String> = (0..1_001).map(|number| format!("{{\"n\":{number}}}")).collect();
        let none = RuleSet::new(Vec::new());
        let turns = (0..6).map(|turn| Timer { events: &events, turn }.go_through(&none, &mut Scratch::default()));
        assert_eq!(turns.sum::<usize>(), 1_001);
    }
}
