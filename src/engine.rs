//! All rules compiled together for matching, as `RegexSet` is to regexes.
//!
//! The path of an event: its bytes are projected onto the fields that any rule reads; exact values of a few selective
//! fields lead to candidate rules; only candidates are evaluated, each predicate at most once for an event. An event
//! that concerns no rule costs its projection and a few look-ups, whatever the number of rules, and allocates nothing.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::condition::{Field, Predicate};
use crate::delivery::Origin;
use crate::event::{self, Event, EventKey, EventKind, FieldId, Fields, Projection, Value};
use crate::rule::Rule;

mod anchor;
mod index;
mod program;
pub mod trial;

use index::Index;
use program::{Atom, AtomId, Memo, Program};

/// Rules, compiled for matching. Immutable; to be shared between threads.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    projection: Projection,
    atoms: Vec<Atom>,
    /// By rule.
    programs: Vec<Program>,
    index: Index,
}

/// A rule's place in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// The buffers that evaluating needs, kept from event to event. One for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    fields: Fields,
    memo: Memo,
    matches: Vec<RuleId>,
}

/// What came of one event.
#[derive(Debug)]
pub struct Evaluated<'s> {
    /// Read only as far as the rules and the key want it: not to be handed out.
    event: Event<'s>,
    /// The rules that it matches, in the set's order.
    pub matches: &'s [RuleId],
}

impl Evaluated<'_> {
    /// What the event is.
    pub fn kind(&self) -> EventKind {
        self.event.kind()
    }

    /// When it happened, by its own account.
    pub fn time(&self) -> Option<Timestamp> {
        self.event.time()
    }

    /// What makes it the same as another.
    pub fn key(&self, origin: &Origin) -> EventKey {
        EventKey::of(&self.event, origin)
    }
}

impl RuleSet {
    /// Compiles rules for matching.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut builder = Builder::default();
        let mut index = index::Builder::default();
        let programs = rules
            .iter()
            .enumerate()
            .map(|(number, rule)| {
                index.add(RuleId(number as u32), anchor::of(&rule.condition), |field| builder.slot(field));
                builder.program(&rule.condition)
            })
            .collect();
        let projection = event::matching_projection(builder.paths, builder.derived);
        Self { rules, projection, atoms: builder.atoms, programs, index: index.finish() }
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule of the set.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    /// The rules that nothing leads to: each is evaluated for every event.
    pub fn unanchored(&self) -> impl Iterator<Item = &Rule> {
        self.index.always().iter().map(|&id| self.rule(id))
    }

    /// Reads an event and finds the rules that it matches. An error says why the text is no JSON object.
    pub fn evaluate<'s>(&self, text: &'s str, scratch: &'s mut Scratch) -> Result<Evaluated<'s>, serde_json::Error> {
        let Scratch { fields, memo, matches } = scratch;
        let event = Event::read(text, &self.projection, fields)?;
        matches.clear();
        memo.next_event(self.atoms.len(), self.rules.len());
        self.index.candidates(&event, memo);
        for candidate in 0..memo.candidates().len() {
            let id = memo.candidates()[candidate];
            if self.programs[id.0 as usize].holds(&self.atoms, &event, memo) {
                matches.push(id);
            }
        }
        matches.sort_unstable();
        Ok(Evaluated { event, matches })
    }
}

/// Where the values of a field come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// From the record.
    Read(FieldId),
    /// Worked out.
    Derived(event::Derived),
    /// All strings of the record.
    Anywhere,
}

impl Slot {
    /// Calls `judge` with the field's values, which may be gone through more than once.
    fn with<'e, R>(self, event: &'e Event<'_>, judge: impl FnOnce(&mut dyn Iterator<Item = Value<'e>>) -> R) -> R {
        match self {
            Slot::Read(field) => judge(&mut event.values(field)),
            Slot::Derived(derived) => judge(&mut derived.of(event).into_iter()),
            Slot::Anywhere => judge(&mut event.strings().iter().map(|text| Value::String(text))),
        }
    }
}

/// Interns paths and predicates, so that what rules share is read and judged once.
#[derive(Default)]
struct Builder {
    paths: Vec<event::Path>,
    derived: Vec<event::Derived>,
    slots: HashMap<Field, Slot>,
    atoms: Vec<Atom>,
    interned: HashMap<Vec<Predicate>, AtomId>,
}

impl Builder {
    fn slot(&mut self, field: &Field) -> Slot {
        if let Some(&slot) = self.slots.get(field) {
            return slot;
        }
        let slot = match field {
            Field::Derived(derived) => {
                self.derived.push(*derived);
                Slot::Derived(*derived)
            }
            Field::Anywhere => Slot::Anywhere,
            Field::Path(path) => {
                self.paths.push(path.clone());
                Slot::Read(event::wanted_field(self.paths.len() - 1))
            }
        };
        self.slots.insert(field.clone(), slot);
        slot
    }
}
