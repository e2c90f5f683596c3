//! From the values of an event to the rules that may match it.

use std::collections::HashMap;

use super::anchor::{Anchors, Key};
use super::program::Memo;
use super::{RuleId, Slot};
use crate::condition::Field;
use crate::event::{Event, Value};

/// Look-ups by exact value.
#[derive(Debug, Default)]
pub struct Index {
    ones: Vec<One>,
    twos: Vec<Two>,
    always: Box<[RuleId]>,
}

/// Rules by the value of one field.
#[derive(Debug)]
struct One {
    slot: Slot,
    rules: HashMap<Box<str>, Vec<RuleId>>,
}

/// Rules by the values of two fields, which are numbered so that a pair is a small key.
#[derive(Debug)]
struct Two {
    slots: (Slot, Slot),
    first: HashMap<Box<str>, u32>,
    second: HashMap<Box<str>, u32>,
    rules: HashMap<(u32, u32), Vec<RuleId>>,
}

/// Gathers the rules' anchors.
#[derive(Debug, Default)]
pub struct Builder {
    index: Index,
    always: Vec<RuleId>,
}

impl Builder {
    /// Files a rule under its anchors, or under none.
    pub fn add(&mut self, rule: RuleId, anchors: Option<Anchors>, mut slot: impl FnMut(&Field) -> Slot) {
        let Some(anchors) = anchors else { return self.always.push(rule) };
        for key in anchors.keys {
            match key {
                Key::One(field, value) => self.one(slot(&field)).rules.entry(value.into()).or_default().push(rule),
                Key::Two((f, a), (g, b)) => {
                    let two = self.two((slot(&f), slot(&g)));
                    let pair = (number(&mut two.first, a), number(&mut two.second, b));
                    two.rules.entry(pair).or_default().push(rule);
                }
            }
        }
    }

    fn one(&mut self, slot: Slot) -> &mut One {
        let ones = &mut self.index.ones;
        let at = ones.iter().position(|one| one.slot == slot).unwrap_or_else(|| {
            ones.push(One { slot, rules: HashMap::new() });
            ones.len() - 1
        });
        &mut ones[at]
    }

    fn two(&mut self, slots: (Slot, Slot)) -> &mut Two {
        let twos = &mut self.index.twos;
        let at = twos.iter().position(|two| two.slots == slots).unwrap_or_else(|| {
            twos.push(Two { slots, first: HashMap::new(), second: HashMap::new(), rules: HashMap::new() });
            twos.len() - 1
        });
        &mut twos[at]
    }

    /// The finished index.
    pub fn finish(self) -> Index {
        Index { always: self.always.into_boxed_slice(), ..self.index }
    }
}

fn number(numbers: &mut HashMap<Box<str>, u32>, value: String) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(value.into()).or_insert(next)
}

impl Index {
    /// The rules without anchors.
    pub fn always(&self) -> &[RuleId] {
        &self.always
    }

    /// Notes every rule that may match the event, each once.
    pub fn candidates(&self, event: &Event<'_>, memo: &mut Memo) {
        for one in &self.ones {
            strings(one.slot, event, |value| {
                if let Some(rules) = one.rules.get(value) {
                    rules.iter().for_each(|&rule| memo.propose(rule));
                }
            });
        }
        for two in &self.twos {
            strings(two.slots.0, event, |first| {
                let Some(&first) = two.first.get(first) else { return };
                strings(two.slots.1, event, |second| {
                    let pair = two.second.get(second).and_then(|&second| two.rules.get(&(first, second)));
                    if let Some(rules) = pair {
                        rules.iter().for_each(|&rule| memo.propose(rule));
                    }
                });
            });
        }
        self.always.iter().for_each(|&rule| memo.propose(rule));
    }
}

fn strings<'e>(slot: Slot, event: &'e Event<'_>, mut each: impl FnMut(&'e str)) {
    slot.with(event, |values| {
        for value in values {
            if let Value::String(text) = value {
                each(text);
            }
        }
    });
}
