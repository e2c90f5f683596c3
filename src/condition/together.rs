//! Judges a condition within one element of each array: the careful part of the naive evaluator.
//!
//! Every value of a field lies in elements of the arrays around it. A [`Choice`] says which element of which array has
//! been used. Parts are judged in their order, each against every choice that the parts before it left possible:
//! a predicate keeps the choices that fit one of its values, and a negation those that its inner part cannot
//! be added to. Choices are kept only of arrays that matter to parts yet to come, so their number stays near the size of the
//! event; what an event made for the purpose can still drive up is bounded by [`WORK_MAX`], beyond which the elements no
//! longer count. An event cannot hide from a rule by being difficult.
//!
//! A value that is itself an element of an array, a string or a number, may stand beside its neighbours: not the array
//! that it stands in counts, but those around that. Only fields of the event's own text lie in arrays.

use std::collections::HashSet;
use std::iter::once;

use serde_json::value::RawValue;

use super::explain::{Seen, scalar};
use super::{Condition, Field, Predicate, Test, explain};
use crate::event::envelope::{Unwrapped, is_bare, unwrapped};
use crate::event::raw::{elements, members};
use crate::event::{Event, Path};

/// How often a choice is held against a value, for one condition and one event.
const WORK_MAX: usize = 200_000;

/// Where a value lies, or what has been chosen: arrays, by their place in memory, each with the number of an element.
/// Outer arrays come first, since they start first.
type Choice = Vec<(usize, u32)>;

/// A value, and the elements that it lies in.
struct Placed {
    value: Seen,
    elements: Choice,
}

/// A condition of which all is known but the elements: of each predicate, where the values lie that pass.
enum Part {
    All(Vec<Part>),
    Any(Vec<Part>),
    Not(Box<Part>),
    /// Sorted, none twice.
    Is(Vec<Choice>),
}

/// The work has reached its bound.
struct Exhausted;

/// Whether a condition holds within one element of each array.
pub fn holds(condition: &Condition, event: &Event<'_>) -> bool {
    let part = Part::of(condition, event);
    if !part.could_hold() {
        return false;
    }
    let mut judge = Judge { work: 0 };
    match judge.narrow(&part, vec![Choice::new()], &HashSet::new()) {
        Ok(choices) => !choices.is_empty(),
        Err(Exhausted) => true,
    }
}

impl Part {
    fn of(condition: &Condition, event: &Event<'_>) -> Self {
        let all = |inner: &[Condition]| inner.iter().map(|part| Self::of(part, event)).collect();
        match condition {
            Condition::All(inner) => Self::All(all(inner)),
            Condition::Any(inner) => Self::Any(all(inner)),
            Condition::Not(inner) => Self::Not(Box::new(Self::of(inner, event))),
            // What is asked within is asked of its own elements; outside it has no place.
            Condition::Together(inner) if holds(inner, event) => Self::All(Vec::new()),
            Condition::Together(_) => Self::Any(Vec::new()),
            Condition::Is(predicate) => Self::Is(passing(predicate, event)),
        }
    }

    /// Whether it could hold if elements did not count.
    fn could_hold(&self) -> bool {
        match self {
            Self::All(inner) => inner.iter().all(Self::could_hold),
            Self::Any(inner) => inner.iter().any(Self::could_hold),
            Self::Not(_) => true,
            Self::Is(places) => !places.is_empty(),
        }
    }

    /// Adds the arrays that its values lie in.
    fn arrays(&self, into: &mut HashSet<usize>) {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().for_each(|part| part.arrays(into)),
            Self::Not(inner) => inner.arrays(into),
            Self::Is(places) => into.extend(places.iter().flatten().map(|&(array, _)| array)),
        }
    }
}

/// Where the values lie that pass a predicate's test.
fn passing(predicate: &Predicate, event: &Event<'_>) -> Vec<Choice> {
    let Some(placed) = placed(&predicate.field, event) else {
        let holds = explain::holds(&Condition::Is(predicate.clone()), event);
        return if holds { vec![Choice::new()] } else { Vec::new() };
    };
    // These tests look at all values at once.
    if matches!(predicate.test, Test::Length(..) | Test::Relates(..)) {
        let holds = predicate.test.passes(placed.iter().map(|placed| placed.value.value()));
        return if holds { vec![Choice::new()] } else { Vec::new() };
    }
    let passing = placed.into_iter().filter(|placed| predicate.test.passes(once(placed.value.value())));
    distinct(passing.map(|placed| placed.elements).collect())
}

fn distinct(mut choices: Vec<Choice>) -> Vec<Choice> {
    choices.sort_unstable();
    choices.dedup();
    choices
}

struct Judge {
    work: usize,
}

impl Judge {
    fn step(&mut self) -> Result<(), Exhausted> {
        self.work += 1;
        if self.work > WORK_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// The choices with which a part holds, out of those made before it. Of them only the arrays in `later` are kept.
    fn narrow(&mut self, part: &Part, choices: Vec<Choice>, later: &HashSet<usize>) -> Result<Vec<Choice>, Exhausted> {
        if choices.is_empty() {
            return Ok(choices);
        }
        match part {
            Part::All(parts) => self.narrow_by_all(parts, choices, later),
            Part::Any(parts) => {
                let mut kept = Vec::new();
                for part in parts {
                    kept.extend(self.narrow(part, choices.clone(), later)?);
                }
                Ok(distinct(kept))
            }
            Part::Not(inner) => {
                let mut kept = Vec::new();
                for choice in choices {
                    self.step()?;
                    if self.narrow(inner, vec![choice.clone()], &HashSet::new())?.is_empty() {
                        kept.push(only(&choice, later));
                    }
                }
                Ok(distinct(kept))
            }
            Part::Is(places) => self.narrow_by_value(places, &choices, later),
        }
    }

    fn narrow_by_all(
        &mut self,
        parts: &[Part],
        mut choices: Vec<Choice>,
        later: &HashSet<usize>,
    ) -> Result<Vec<Choice>, Exhausted> {
        for (number, part) in parts.iter().enumerate() {
            let mut then = later.clone();
            parts[number + 1..].iter().for_each(|part| part.arrays(&mut then));
            choices = self.narrow(part, choices, &then)?;
        }
        if parts.is_empty() {
            choices = distinct(choices.iter().map(|choice| only(choice, later)).collect());
        }
        Ok(choices)
    }

    fn narrow_by_value(
        &mut self,
        places: &[Choice],
        choices: &[Choice],
        later: &HashSet<usize>,
    ) -> Result<Vec<Choice>, Exhausted> {
        // An array that nobody has chosen from, and nobody will, makes no difference.
        let mut relevant = later.clone();
        relevant.extend(choices.iter().flatten().map(|&(array, _)| array));
        let places = distinct(places.iter().map(|place| only(place, &relevant)).collect());
        let mut kept = HashSet::new();
        for choice in choices {
            self.fitting(&places, 0, choice, &mut |place| {
                kept.insert(only(&joined(choice, place), later));
            })?;
        }
        Ok(kept.into_iter().collect())
    }

    /// Finds the places that a choice allows. All of them share what lies before number `depth`; they are sorted, so
    /// those in one element of an array stand together.
    fn fitting(
        &mut self,
        mut places: &[Choice],
        depth: usize,
        choice: &Choice,
        found: &mut dyn FnMut(&Choice),
    ) -> Result<(), Exhausted> {
        while let Some(first) = places.first() {
            self.step()?;
            let Some(&(array, element)) = first.get(depth) else {
                found(first);
                places = &places[1..];
                continue;
            };
            let chosen = choice.binary_search_by_key(&array, |&(array, _)| array).map(|at| choice[at].1).ok();
            let wanted = chosen.unwrap_or(element);
            let start = places.partition_point(|place| place[depth] < (array, wanted));
            let end = places.partition_point(|place| place[depth] <= (array, wanted));
            self.fitting(&places[start..end], depth + 1, choice, found)?;
            let next = match chosen {
                Some(_) => places.partition_point(|place| place[depth].0 <= array),
                None => end,
            };
            places = &places[next..];
        }
        Ok(())
    }
}

/// What a choice says of some arrays.
fn only(choice: &Choice, arrays: &HashSet<usize>) -> Choice {
    choice.iter().filter(|(array, _)| arrays.contains(array)).copied().collect()
}

fn joined(choice: &Choice, place: &Choice) -> Choice {
    let mut joined: Choice = choice.iter().chain(place).copied().collect();
    joined.sort_unstable();
    joined.dedup();
    joined
}

/// Every value of a field of the event's own text, with the elements that it lies in; `None` for other fields.
fn placed(field: &Field, event: &Event<'_>) -> Option<Vec<Placed>> {
    match field {
        Field::Path(path) => Some(find(&path.to_string(), event)),
        Field::Enveloped(path) if is_bare(event.kind()) => match unwrapped(&path.to_string()) {
            Unwrapped::Path(path) => Some(find(path, event)),
            _ => None,
        },
        Field::Enveloped(path) => Some(find(&path.to_string(), event)),
        Field::Derived(_) | Field::Anywhere => None,
    }
}

/// Every value of a path in which a dot may be part of a name.
pub fn values(path: &Path, event: &Event<'_>) -> Vec<Seen> {
    find(&path.to_string(), event).into_iter().map(|placed| placed.value).collect()
}

fn find(path: &str, event: &Event<'_>) -> Vec<Placed> {
    let mut found = Vec::new();
    if let Ok(record) = serde_json::from_str::<&RawValue>(event.text()) {
        resolve(record, Some(path), &mut Vec::new(), &mut found);
    }
    found
}

/// Follows a path, of which `rest` is left; nothing is left of one that ends here.
fn resolve(raw: &RawValue, rest: Option<&str>, within: &mut Choice, found: &mut Vec<Placed>) {
    let text = raw.get();
    let mut here = |value: Seen, within: &Choice| found.push(Placed { value, elements: within.clone() });
    match (text.as_bytes().first(), rest) {
        (Some(b'['), _) => {
            let elements = elements(text);
            if rest.is_none() {
                here(Seen::Array(elements.len() as u32), within);
            }
            for (number, element) in elements.into_iter().enumerate() {
                if element.get().starts_with(['[', '{']) {
                    within.push((text.as_ptr() as usize, number as u32));
                    resolve(element, rest, within, found);
                    within.pop();
                } else {
                    resolve(element, rest, within, found);
                }
            }
        }
        (Some(b'{'), None) => here(Seen::Object, within),
        (Some(b'{'), Some(rest)) => {
            for (name, value) in members(text) {
                match rest.strip_prefix(&*name) {
                    Some("") => resolve(value, None, within, found),
                    Some(below) => {
                        if let Some(below) = below.strip_prefix('.') {
                            resolve(value, Some(below), within, found);
                        }
                    }
                    None => {}
                }
            }
        }
        (_, None) => here(scalar(text), within),
        _ => {}
    }
}
