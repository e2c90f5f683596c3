//! The naive evaluator: judges a condition predicate by predicate over the record's text, and keeps what it saw.
//!
//! It shares no index and no projection with the matcher, so that each can be held against the other.

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::policy::Judgement;
use super::{Condition, Field, Policy, Predicate, Test, together};
use crate::event::envelope::{Unwrapped, is_bare, unwrapped};
use crate::event::projection::unescape;
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
    /// What was made of a value, in words.
    Note(String),
}

/// Whether a condition holds of an event.
pub fn holds(condition: &Condition, event: &Event<'_>) -> bool {
    explain(condition, event).holds()
}

/// Judges every predicate of a condition, also where the outcome is already clear.
pub fn explain(condition: &Condition, event: &Event<'_>) -> Explanation {
    match condition {
        Condition::All(inner) => {
            let inner: Vec<_> = inner.iter().map(|condition| explain(condition, event)).collect();
            Explanation::All(inner.iter().all(Explanation::holds), inner)
        }
        Condition::Any(inner) => {
            let inner: Vec<_> = inner.iter().map(|condition| explain(condition, event)).collect();
            Explanation::Any(inner.iter().any(Explanation::holds), inner)
        }
        Condition::Not(inner) => {
            let inner = explain(inner, event);
            Explanation::Not(!inner.holds(), Box::new(inner))
        }
        Condition::Together(inner) => {
            Explanation::Together(together::holds(inner, event), Box::new(explain(inner, event)))
        }
        Condition::Is(predicate) => {
            let (holds, seen) = judge(predicate, event);
            Explanation::Is(holds, predicate.clone(), seen)
        }
    }
}

/// Whether a predicate holds, and what was seen.
fn judge(predicate: &Predicate, event: &Event<'_>) -> (bool, Vec<Seen>) {
    if let Test::Policy(policy) = &predicate.test {
        return judge_policy(policy, &predicate.field, event);
    }
    let mut seen = values(&predicate.field, event);
    let found = seen.iter().map(Seen::value);
    let holds = match &predicate.test {
        Test::Relates(relation, other) => {
            let others = values(other, event);
            relation.holds(found, others.iter().map(Seen::value))
        }
        test => test.passes(found),
    };
    if predicate.field == Field::Anywhere {
        keep_what_passed(&mut seen, &predicate.test);
    }
    (holds, seen)
}

/// Policies are read from their own text. Of several the notes on those that are as asked come first.
fn judge_policy(policy: &Policy, field: &Field, event: &Event<'_>) -> (bool, Vec<Seen>) {
    let Field::Path(path) = field else { return (false, Vec::new()) };
    let found = raw_values(path, event).into_iter().filter(|raw| !raw.get().starts_with('['));
    let mut judged: Vec<Judgement> = found.map(|raw| policy.judge(raw, event.account())).collect();
    judged.sort_by_key(|judgement| !judgement.holds);
    judged.truncate(NOTES_SHOWN_MAX);
    let holds = judged.first().is_some_and(|first| first.holds);
    (holds, judged.into_iter().map(|judgement| Seen::Note(judgement.note)).collect())
}

/// How many policies of one field are told of.
const NOTES_SHOWN_MAX: usize = 3;

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
            Self::String(text) | Self::Note(text) => Value::String(text),
            Self::Object => Value::Object,
            Self::Array(count) => Value::Array(*count),
            Self::Integer(number) => Value::Integer(*number),
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
            Self::Number(text) | Self::String(text) | Self::Note(text) => f.write_str(text),
            Self::Object => f.write_str("{…}"),
            Self::Array(count) => write!(f, "[{count}]"),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

/// Every value of a field, found the slow way.
pub fn values(field: &Field, event: &Event<'_>) -> Vec<Seen> {
    match field {
        Field::Path(path) if path.case() == Case::Joined => together::values(path, event),
        Field::Path(path) => raw_values(path, event).into_iter().map(seen).collect(),
        Field::Derived(derived) => derived.of(event).map(Seen::of).into_iter().collect(),
        Field::Anywhere => serde_json::from_str(event.text()).map(strings).unwrap_or_default(),
        Field::Enveloped(path) if is_bare(event.kind()) => match unwrapped(&path.to_string()) {
            Unwrapped::Path(path) => together::values(&Path::joined(path), event),
            Unwrapped::Derived(derived) => values(&Field::Derived(derived), event),
            Unwrapped::Always(text) => vec![Seen::String(text.to_owned())],
            Unwrapped::Missing => Vec::new(),
        },
        Field::Enveloped(path) => together::values(path, event),
    }
}

/// The JSON of every value of a field of the record.
fn raw_values<'e>(path: &Path, event: &Event<'e>) -> Vec<&'e RawValue> {
    let mut found = Vec::new();
    if let Ok(record) = serde_json::from_str::<&RawValue>(event.text()) {
        resolve(record, path, 0, &mut found);
    }
    found
}

fn seen(raw: &RawValue) -> Seen {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => Seen::Object,
        Some(b'[') => Seen::Array(elements(text).len() as u32),
        _ => scalar(text),
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

/// Follows a path from its name number `depth` on.
fn resolve<'r>(raw: &'r RawValue, path: &Path, depth: usize, found: &mut Vec<&'r RawValue>) {
    let text = raw.get();
    let ends = depth == path.segments().len();
    if ends {
        found.push(raw);
    }
    match text.as_bytes().first() {
        Some(b'[') => elements(text).into_iter().for_each(|element| resolve(element, path, depth, found)),
        Some(b'{') if !ends => {
            for (key, value) in members(text) {
                if path.case().same(&path.segments()[depth], &key) {
                    resolve(value, path, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

pub(super) fn scalar(text: &str) -> Seen {
    match text.as_bytes().first() {
        Some(b'"') => Seen::String(string(text)),
        Some(b't') => Seen::Bool(true),
        Some(b'f') => Seen::Bool(false),
        Some(b'n') => Seen::Null,
        _ => Seen::Number(text.to_owned()),
    }
}

/// What a JSON string in quotes stands for.
pub(super) fn string(quoted: &str) -> String {
    let mut string = String::new();
    unescape(quoted, &mut string);
    string
}

pub(crate) fn elements(text: &str) -> Vec<&RawValue> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(element) = array.next_element()? {
                all.push(element);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(All).unwrap_or_default()
}

pub(super) fn members(text: &str) -> Vec<(String, &RawValue)> {
    raw_members(text).into_iter().map(|(key, value)| (string(key.get()), value)).collect()
}

/// The members of an object, their keys as they stand in the text.
pub(crate) fn raw_members(text: &str) -> Vec<(&RawValue, &RawValue)> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(member) = object.next_entry()? {
                all.push(member);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(All).unwrap_or_default()
}
