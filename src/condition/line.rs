//! Conditions as their author wrote them: a list of values for one field is one line, whatever it compiled into.
//!
//! Explanations and counts go by lines: "one of four lines does not hold" says more than "twelve of fourteen
//! predicates hold" where eleven of them are the names of a list.

use std::fmt;

use super::explain::Seen;
use super::{Condition, Explanation, Field, Predicate, Strict, Test};

/// What conditions and their explanations have in common: their form.
pub trait Tree: Sized {
    /// The node at the top.
    fn node(&self) -> Node<'_, Self>;
}

/// A node of a condition or of an explanation.
#[derive(Debug)]
pub enum Node<'t, T> {
    /// Every one must hold.
    All(&'t [T]),
    /// At least one must hold.
    Any(&'t [T]),
    /// It must not hold.
    Not(&'t T),
    /// A predicate.
    Is(&'t Predicate),
}

impl Tree for Condition {
    fn node(&self) -> Node<'_, Self> {
        match self {
            Self::All(inner) => Node::All(inner),
            Self::Any(inner) => Node::Any(inner),
            Self::Not(inner) => Node::Not(inner),
            Self::Together(inner) => Node::All(std::slice::from_ref(inner)),
            Self::Is(predicate) => Node::Is(predicate),
        }
    }
}

impl Tree for Explanation {
    fn node(&self) -> Node<'_, Self> {
        match self {
            Self::All(_, inner) => Node::All(inner),
            Self::Any(_, inner) => Node::Any(inner),
            Self::Not(_, inner) => Node::Not(inner),
            Self::Together(_, inner) => Node::All(std::slice::from_ref(inner)),
            Self::Is(_, predicate, _) => Node::Is(predicate),
        }
    }
}

/// One field, one way to test it, one value or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'c> {
    /// The predicates: one, or one for each value of a list. Never none.
    pub predicates: Vec<&'c Predicate>,
    /// Whether all of several must hold, and not any.
    pub all: bool,
    /// Whether the whole is turned round.
    pub negated: bool,
}

impl<'c> Line<'c> {
    /// The line that a condition is, if it is one.
    pub fn of<T: Tree>(tree: &'c T) -> Option<Self> {
        match tree.node() {
            Node::Is(predicate) => Some(Self { predicates: vec![predicate], all: false, negated: false }),
            Node::Not(inner) => Self::of(inner).map(|line| Self { negated: !line.negated, ..line }),
            Node::Any(inner) => Self::of_list(inner, false),
            Node::All(inner) => Self::of_list(inner, true),
        }
    }

    fn of_list<T: Tree>(list: &'c [T], all: bool) -> Option<Self> {
        let predicates = list.iter().map(|tree| match tree.node() {
            Node::Is(predicate) => Some(predicate),
            _ => None,
        });
        let predicates: Vec<&Predicate> = predicates.collect::<Option<_>>()?;
        let first = predicates.first()?;
        let alike = |other: &&Predicate| {
            other.field == first.field
                && other.test.operator() == first.test.operator()
                && other.test.nocase() == first.test.nocase()
        };
        predicates.iter().all(alike).then_some(Self { predicates, all, negated: false })
    }

    /// The field that the line is about.
    pub fn field(&self) -> &'c Field {
        &self.predicates[0].field
    }

    /// How the field is tested, in words.
    pub fn operator(&self) -> &'static str {
        self.predicates[0].test.operator()
    }

    /// What is asked of the field: the line without the field, and without a plain "equals" or "is".
    pub fn wanted(&self) -> String {
        if matches!(self.predicates[0].test, Test::Exists | Test::Strictly(Strict::Leaf)) {
            return if self.negated { "none" } else { "any value" }.to_owned();
        }
        let test = self.test();
        let said = test.strip_prefix("equals ").or_else(|| test.strip_prefix("is "));
        said.map(str::to_owned).unwrap_or(test)
    }

    fn test(&self) -> String {
        let (not, operator) = (if self.negated { "not " } else { "" }, self.operator());
        if let [one] = self.predicates[..] {
            return format!("{not}{}", one.test);
        }
        let values: Vec<String> = self.predicates.iter().take(VALUES_SHOWN_MAX).map(|one| operand(one)).collect();
        let more = self.predicates.len() - values.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let which = if self.all { "all of" } else { "any of" };
        format!("{not}{operator} {which} {}{more}", values.join(", "))
    }
}

/// How many values of a list are shown.
const VALUES_SHOWN_MAX: usize = 6;

/// What a predicate tests against, as its own text shows it.
fn operand(predicate: &Predicate) -> String {
    let text = predicate.test.to_string();
    text.strip_prefix(predicate.test.operator()).unwrap_or(&text).trim_start().to_owned()
}

/// `eventName equals any of "StopLogging", "DeleteTrail"`
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field(), self.test())
    }
}

impl Explanation {
    /// What the field of a line had; nothing for what is no line.
    pub fn seen(&self) -> &[Seen] {
        match self {
            Self::Is(_, _, seen) => seen,
            Self::Not(_, inner) | Self::Together(_, inner) => inner.seen(),
            Self::All(_, inner) | Self::Any(_, inner) => inner.first().map_or(&[], Self::seen),
        }
    }

    /// How the elements and documents of a line fared whose lines are inside its values.
    pub fn lines_inside(&self) -> Vec<&Explanation> {
        match self {
            Self::Is(_, _, seen) => seen.iter().filter_map(Seen::inside).collect(),
            Self::Not(_, inner) | Self::Together(_, inner) => inner.lines_inside(),
            Self::All(_, inner) | Self::Any(_, inner) => inner.iter().flat_map(Self::lines_inside).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Comparison, Literal, Number, Text};
    use crate::event::{Case, Path};

    fn name() -> Field {
        Field::Path(Path::parse("eventName", Case::Insensitive).unwrap())
    }

    fn is(text: &str) -> Condition {
        Condition::is(name(), Test::Equals(Literal::Text(Text::new(text, false))))
    }

    #[test]
    fn lists_are_one_line() {
        let most = Condition::is(name(), Test::Number(Comparison::LessOrEqual, Number::parse("0").unwrap()));
        let long = Condition::Any((0..8).map(|n| is(&n.to_string())).collect());
        for (condition, shown, wanted) in [
            (is("A"), "eventName equals \"A\"", "\"A\""),
            (is("A").negated(), "eventName not equals \"A\"", "not equals \"A\""),
            (Condition::is(name(), Test::Exists).negated(), "eventName not exists", "none"),
            (most.clone(), "eventName at most 0", "at most 0"),
            (Condition::Any(vec![is("A"), is("B")]), "eventName equals any of \"A\", \"B\"", "any of \"A\", \"B\""),
            (
                Condition::All(vec![is("A"), is("B")]).negated(),
                "eventName not equals all of \"A\", \"B\"",
                "not equals all of \"A\", \"B\"",
            ),
            (
                long,
                "eventName equals any of \"0\", \"1\", \"2\", \"3\", \"4\", \"5\" and 2 more",
                "any of \"0\", \"1\", \"2\", \"3\", \"4\", \"5\" and 2 more",
            ),
        ] {
            let line = Line::of(&condition).unwrap();
            assert_eq!((line.to_string().as_str(), line.wanted().as_str()), (shown, wanted));
        }
        assert_eq!(Line::of(&Condition::Any(vec![is("A"), most])), None);
        assert_eq!(Line::of(&Condition::All(Vec::new())), None);
    }
}
