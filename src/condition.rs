//! The one intermediate form that every dialect of rules compiles into.
//!
//! A [`Condition`] says what must hold of an event; it says nothing about how to find out quickly. The
//! [`explain`](explain::explain) evaluator beside it is deliberately naive: it says why, and it is the oracle that the
//! fast matcher is tested against.

use std::fmt;

use crate::event::{Derived, Path};

pub mod document;
pub mod explain;
pub mod line;
pub mod list;
pub mod near;
pub mod policy;
pub mod test;
mod together;
pub mod within;
pub mod zone;

pub use explain::{Explanation, explain, holds};
pub use line::Line;
pub use list::{List, Membership};
pub use near::{Miss, Nearness, nearness};
pub use policy::Policy;
pub use test::{Comparison, Literal, Number, Pattern, Relation, Strict, Test, Text};
pub use within::Within;
pub use zone::Zone;

/// What must hold of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Every one must hold; true of an empty list.
    All(Vec<Condition>),
    /// At least one must hold; false of an empty list.
    Any(Vec<Condition>),
    /// It must not hold.
    Not(Box<Condition>),
    /// The inner one must hold within one element of each array: what is used of several fields must not lie in
    /// different elements of the same one, and what must be missing is judged within the elements used before it.
    Together(Box<Condition>),
    /// A predicate of one field.
    Is(Predicate),
}

/// A test of a field's values: it holds if any of them passes. So a missing field fails every test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Predicate {
    /// The field.
    pub field: Field,
    /// What one of its values must pass.
    pub test: Test,
}

/// A field of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// A field of the record.
    Path(Path),
    /// A field that is worked out.
    Derived(Derived),
    /// Any string of the record, wherever it stands.
    Anywhere,
    /// A field of the envelope that EventBridge sends events in, `detail.…` among them. A record of CloudTrail has it
    /// whether it came in an envelope or not; any other event has what its own text says.
    Enveloped(Path),
}

impl Field {
    /// What rules write for any string of the record.
    pub const ANYWHERE: &str = "**";
    /// The first name of a path that, inside a value, leads from the whole record.
    pub const RECORD: &str = "$";

    /// Whether it is looked for at any depth, so that no projection knows where it is.
    pub fn is_deep(&self) -> bool {
        matches!(self, Self::Path(path) if path.is_deep())
    }
}

impl Condition {
    /// The condition that a field passes a test.
    pub fn is(field: Field, test: Test) -> Self {
        Self::Is(Predicate { field, test })
    }

    /// The opposite; `not not x` is `x`.
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// All of the conditions; a single one stands for itself.
    pub fn all(mut conditions: Vec<Condition>) -> Self {
        if conditions.len() == 1 { conditions.remove(0) } else { Self::All(conditions) }
    }

    /// Any of the conditions; a single one stands for itself.
    pub fn any(mut conditions: Vec<Condition>) -> Self {
        if conditions.len() == 1 { conditions.remove(0) } else { Self::Any(conditions) }
    }

    /// Calls `visit` with every predicate, in writing order. Lines inside a value are part of its one predicate.
    pub fn visit<'c>(&'c self, visit: &mut dyn FnMut(&'c Predicate)) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|inner| inner.visit(visit)),
            Self::Not(inner) | Self::Together(inner) => inner.visit(visit),
            Self::Is(predicate) => visit(predicate),
        }
    }

    /// Whether some predicate reads another field than [`Field::Anywhere`].
    pub fn reads_fields(&self) -> bool {
        let mut reads = false;
        self.visit(&mut |predicate| reads |= predicate.fields().any(|field| *field != Field::Anywhere));
        reads
    }
}

impl Predicate {
    /// Every field of the event that the predicate reads by itself: one, or two where it compares fields; and the derived
    /// ones that lines inside a value name.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        let mut fields = vec![&self.field];
        match &self.test {
            Test::Relates(_, other) => fields.push(other),
            Test::Within(within) => within.condition.visit(&mut |inner| {
                fields.extend(inner.fields().filter(|field| matches!(field, Field::Derived(_))));
            }),
            _ => {}
        }
        fields.into_iter()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::Enveloped(path) => path.fmt(f),
            Self::Derived(derived) => f.write_str(derived.name()),
            Self::Anywhere => f.write_str(Self::ANYWHERE),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.test)
    }
}
