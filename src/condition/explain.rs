//! The naive evaluator: judges a condition predicate by predicate over the record's text, and keeps what it saw.
//!
//! It shares no index and no projection with the matcher, so that each can be held against the other.

use serde_json::value::RawValue;

use super::{Condition, Field, Predicate, Test, together};
use crate::event::envelope::{Unwrapped, is_bare, unwrapped};
use crate::event::raw::{Member, elements, members, string};
use crate::event::{Case, Event, Path, Value};

/// How a condition fared with an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Explanation {
    /// Every one had to hold.
    All(bool, Vec<Explanation>),
    /// At least one had to hold.
    Any(bool, Vec<Explanation>),
    /// The inner one had to fail.
    Not(bool, Box<Explanation>),
    /// The inner one had to hold within one element of each array. It was judged without that.
    Together(bool, Box<Explanation>),
    /// A predicate, and the values that the field had.
    Is(bool, Predicate, Vec<Seen>),
}

/// A value that was seen, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// JSON `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string.
    String(String),
    /// An object.
    Object,
    /// An array and its length.
    Array(u32),
    /// A number that was worked out.
    Integer(i64),
    /// An element or a document that was judged line by line: its text, and how it fared.
    Element(String, Box<Explanation>),
    /// A string in which there is no document, and why.
    NoDocument(String, String),
    /// What was made of a value, in words.
    Note(String),
}

/// Whether a condition holds of an event.
pub fn holds(condition: &Condition, event: &Event<'_>) -> bool {
    explain(condition, event).holds()
}

/// Judges every predicate of a condition, also where the outcome is already clear.
pub fn explain(condition: &Condition, event: &Event<'_>) -> Explanation {
    explain_at(condition, &Scope { event, element: None })
}

/// What fields are looked for in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'e> {
    /// The event.
    pub event: &'s Event<'e>,
    /// The part of it that paths begin at; the whole record if `None`.
    pub element: Option<&'s RawValue>,
}

pub(super) fn explain_at(condition: &Condition, scope: &Scope<'_, '_>) -> Explanation {
    match condition {
        Condition::All(inner) => {
            let inner: Vec<_> = inner.iter().map(|condition| explain_at(condition, scope)).collect();
            Explanation::All(inner.iter().all(Explanation::holds), inner)
        }
        Condition::Any(inner) => {
            let inner: Vec<_> = inner.iter().map(|condition| explain_at(condition, scope)).collect();
            Explanation::Any(inner.iter().any(Explanation::holds), inner)
        }
        Condition::Not(inner) => {
            let inner = explain_at(inner, scope);
            Explanation::Not(!inner.holds(), Box::new(inner))
        }
        Condition::Together(inner) => {
            Explanation::Together(together::holds(inner, scope.event), Box::new(explain_at(inner, scope)))
        }
        Condition::Is(predicate) => {
            let (holds, seen) = judge(predicate, scope);
            Explanation::Is(holds, predicate.clone(), seen)
        }
    }
}

fn judge(predicate: &Predicate, scope: &Scope<'_, '_>) -> (bool, Vec<Seen>) {
    match &predicate.test {
        Test::Within(within) => return within.judge(&predicate.field, scope),
        Test::Policy(policy) => return policy.judge_field(&predicate.field, scope),
        _ => {}
    }
    let mut seen = values_at(&predicate.field, scope);
    let found = seen.iter().map(Seen::value);
    let holds = match &predicate.test {
        Test::Relates(relation, other) => {
            let others = values_at(other, scope);
            relation.holds(found, others.iter().map(Seen::value))
        }
        test => test.passes(found),
    };
    if predicate.field == Field::Anywhere {
        keep_what_passed(&mut seen, &predicate.test);
    }
    (holds, seen)
}

/// Of all the strings of a record only a few that passed are worth showing.
fn keep_what_passed(seen: &mut Vec<Seen>, test: &Test) {
    seen.retain(|seen| test.passes(std::iter::once(seen.value())));
    seen.truncate(ANYWHERE_SHOWN_MAX);
}

/// How many of the strings found anywhere are kept.
const ANYWHERE_SHOWN_MAX: usize = 3;

impl Explanation {
    /// Whether the condition held.
    pub fn holds(&self) -> bool {
        match self {
            Self::All(holds, _)
            | Self::Any(holds, _)
            | Self::Not(holds, _)
            | Self::Together(holds, _)
            | Self::Is(holds, ..) => *holds,
        }
    }

    /// Calls `visit` with the predicates that made a condition hold (or fail), and whether each was wanted not to
    /// hold. Of alternatives only those that decided it.
    pub fn decisive<'e>(&'e self, visit: &mut dyn FnMut(&'e Predicate, &'e [Seen], bool)) {
        self.walk(false, visit);
    }

    fn walk<'e>(&'e self, negated: bool, visit: &mut dyn FnMut(&'e Predicate, &'e [Seen], bool)) {
        match self {
            Self::All(holds, inner) | Self::Any(holds, inner) => {
                for explanation in inner.iter().filter(|explanation| explanation.holds() == *holds) {
                    explanation.walk(negated, visit);
                }
            }
            Self::Not(_, inner) => inner.walk(!negated, visit),
            Self::Together(_, inner) => inner.walk(negated, visit),
            Self::Is(_, predicate, seen) => visit(predicate, seen, negated),
        }
    }
}

impl Seen {
    /// The value, borrowed.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(text) => Value::Number(text),
            Self::String(text) => Value::String(text),
            Self::Object => Value::Object,
            Self::Array(count) => Value::Array(*count),
            Self::Integer(number) => Value::Integer(*number),
            Self::Element(..) => Value::Object,
            Self::NoDocument(text, _) | Self::Note(text) => Value::String(text),
        }
    }

    /// The value that a text of JSON is, without what is in it.
    pub(super) fn of_raw(raw: &RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'[') => Self::Array(elements(text).len() as u32),
            Some(b'{') => Self::Object,
            _ => scalar(text),
        }
    }

    /// How an element fared, line by line.
    pub fn inside(&self) -> Option<&Explanation> {
        match self {
            Self::Element(_, explanation) => Some(explanation),
            _ => None,
        }
    }

    /// The value, owned.
    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(text) => Self::Number(text.to_owned()),
            Value::String(text) => Self::String(text.to_owned()),
            Value::Object => Self::Object,
            Value::Array(count) => Self::Array(count),
            Value::Integer(number) => Self::Integer(number),
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Number(text) | Self::String(text) => f.write_str(text),
            Self::Object => f.write_str("{…}"),
            Self::Array(count) => write!(f, "[{count}]"),
            Self::Integer(number) => number.fmt(f),
            Self::Element(text, _) | Self::NoDocument(text, _) | Self::Note(text) => f.write_str(text),
        }
    }
}

/// Every value of a field, found the slow way.
pub fn values(field: &Field, event: &Event<'_>) -> Vec<Seen> {
    values_at(field, &Scope { event, element: None })
}

fn values_at(field: &Field, scope: &Scope<'_, '_>) -> Vec<Seen> {
    let mut found = Vec::new();
    match field {
        Field::Derived(derived) => found.extend(derived.of(scope.event).map(Seen::of)),
        Field::Anywhere => found.extend(scope.whole().map(strings).unwrap_or_default()),
        Field::Path(path) if path.case() == Case::Joined => return together::values(path, scope.event),
        Field::Path(path) => scope.lead(path).into_iter().for_each(|end| match path.is_of_whole_arrays() {
            true => found.push(Seen::of_raw(end)),
            false => flatten(end, &mut found),
        }),
        Field::Enveloped(path) => return enveloped(path, scope.event),
    }
    found
}

/// The values of a field of an envelope, whether the event came in one or not.
fn enveloped(path: &Path, event: &Event<'_>) -> Vec<Seen> {
    if !is_bare(event.kind()) {
        return together::values(path, event);
    }
    match unwrapped(&path.to_string()) {
        Unwrapped::Path(path) => together::values(&Path::joined(path), event),
        Unwrapped::Derived(derived) => values(&Field::Derived(derived), event),
        Unwrapped::Always(text) => vec![Seen::String(text.to_owned())],
        Unwrapped::Missing => Vec::new(),
    }
}

/// Where a path of the record leads, arrays on the way gone through, as it stands there.
pub(super) fn raw_values<'s>(field: &Field, scope: &Scope<'s, '_>) -> Vec<&'s RawValue> {
    if let Field::Path(path) = field { scope.lead(path) } else { Vec::new() }
}

impl<'s> Scope<'s, '_> {
    /// What paths begin at.
    fn whole(&self) -> Option<&'s RawValue> {
        self.element.or_else(|| self.record())
    }

    fn record(&self) -> Option<&'s RawValue> {
        self.event.record()
    }

    /// Where a path leads.
    fn lead(&self, path: &Path) -> Vec<&'s RawValue> {
        let mut found = Vec::new();
        if self.element.is_none() && !path.is_any_depth(&path.segments()[0]) {
            // Found before, as nearly all that is asked is asked of the record.
            lead_on(self.event.members(), path, 0, &mut found);
        } else if let Some((start, depth)) = self.start(path) {
            lead(start, path, depth, &mut found);
        }
        found
    }

    /// Where a path begins, and with which of its names.
    fn start(&self, path: &Path) -> Option<(&'s RawValue, usize)> {
        match self.element {
            Some(_) if *path.segments()[0] == *Field::RECORD => Some((self.record()?, 1)),
            _ => Some((self.whole()?, 0)),
        }
    }
}

/// Every string of a record, in its order. Goes down without recursion.
fn strings(record: &RawValue) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut waiting = vec![record];
    while let Some(raw) = waiting.pop() {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'[') => waiting.extend(elements(text).into_iter().rev()),
            Some(b'{') => waiting.extend(members(text).into_iter().rev().map(|(_, value)| value)),
            Some(b'"') => found.push(scalar(text)),
            _ => {}
        }
    }
    found
}

/// A value; of an array, itself and each of its elements.
fn flatten(raw: &RawValue, found: &mut Vec<Seen>) {
    let seen = Seen::of_raw(raw);
    let is_array = matches!(seen, Seen::Array(_));
    found.push(seen);
    if is_array {
        elements(raw.get()).into_iter().for_each(|element| flatten(element, found));
    }
}

/// The element of an array that a path singles out behind one of its names; the value itself where it does not.
fn singled_out<'r>(raw: &'r RawValue, path: &Path, name: usize) -> Option<&'r RawValue> {
    let mut positions = path.positions_behind(name);
    positions.try_fold(raw, |raw, position| elements(raw.get()).into_iter().nth(position as usize))
}

/// Follows a path from its name number `depth` on.
fn lead<'r>(raw: &'r RawValue, path: &Path, depth: usize, found: &mut Vec<&'r RawValue>) {
    let text = raw.get();
    match text.as_bytes().first() {
        _ if depth == path.segments().len() => found.push(raw),
        _ if path.is_any_depth(&path.segments()[depth]) => lead_deep(raw, path, depth, found),
        Some(b'[') => elements(text).into_iter().for_each(|element| lead(element, path, depth, found)),
        Some(b'{') => lead_on(&members(text), path, depth, found),
        _ => {}
    }
}

/// Follows a path from its name number `depth` on, by the members of an object that have the name.
fn lead_on<'r>(members: &[Member<'r>], path: &Path, depth: usize, found: &mut Vec<&'r RawValue>) {
    for (key, value) in members {
        if path.case().same(&*path.segments()[depth], &**key)
            && let Some(value) = singled_out(value, path, depth)
        {
            lead(value, path, depth + 1, found);
        }
    }
}

/// Follows a path behind its name number `depth`, which stands for any number of names, from here and everything below.
fn lead_deep<'r>(raw: &'r RawValue, path: &Path, depth: usize, found: &mut Vec<&'r RawValue>) {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'[') => elements(text).into_iter().for_each(|element| lead_deep(element, path, depth, found)),
        Some(b'{') => {
            lead(raw, path, depth + 1, found);
            members(text).into_iter().for_each(|(_, value)| lead_deep(value, path, depth, found));
        }
        _ => {}
    }
}

/// The string that a text of JSON is, if it is one.
pub(super) fn text_of(raw: &RawValue) -> Option<String> {
    match scalar(raw.get()) {
        Seen::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn scalar(text: &str) -> Seen {
    match text.as_bytes().first() {
        Some(b'"') => Seen::String(string(text).into_owned()),
        Some(b't') => Seen::Bool(true),
        Some(b'f') => Seen::Bool(false),
        Some(b'n') => Seen::Null,
        _ => Seen::Number(text.to_owned()),
    }
}
