//! The parts of a rule, as its author sees them: what tests should make hold and fail, and what mutations change.

use std::fmt;

use crate::condition::line::{Node, Tree};
use crate::condition::{Condition, Explanation, Line, Predicate, Test, Within};
use crate::rule::{Rule, Written};

/// A part of a rule.
#[derive(Debug, Clone)]
pub struct Part<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Its node of the condition, numbered from the top, each node before what is in it; of what stands inside a value,
    /// the node of the line that the value is tested by.
    pub node: usize,
    /// The lines that it stands inside of, by their predicates, the outermost first; none for most parts.
    pub within: Vec<&'r Predicate>,
    /// The condition that the node is.
    pub condition: &'r Condition,
    /// What it is to the author.
    pub role: Role<'r>,
    /// Its first predicate, counted as [`Condition::visit`] goes.
    first: usize,
}

/// What a part is to the author of its rule.
#[derive(Debug, Clone, Copy)]
pub enum Role<'r> {
    /// A line.
    Line,
    /// One value of a line's list.
    Value,
    /// One of several alternatives that is more than a line.
    Alternative,
    /// All of several alternatives, or what must not hold as a whole.
    Group,
    /// An exception.
    Exception(&'r str),
}

/// The parts of a rule, in writing order.
pub fn parts(rule: &Rule) -> Vec<Part<'_>> {
    let mut walk = Walk { rule, parts: Vec::new(), within: Vec::new(), outermost: None, node: 0, predicate: 0 };
    let (wanted, excepted) = rule.parted(&rule.condition);
    if !rule.exceptions.is_empty() {
        // The outermost "all of" is a node too.
        walk.node += 1;
    }
    match wanted[..] {
        [whole] if rule.exceptions.is_empty() => walk.block(whole),
        _ => wanted.into_iter().for_each(|condition| walk.part(condition)),
    }
    // Those in files of their own come last, and the rule's tests are not about them.
    let own = rule.exceptions.iter().take_while(|exception| exception.written.source == rule.source);
    for (exception, condition) in own.zip(excepted) {
        walk.exception(&exception.name, condition);
    }
    walk.parts
}

/// Whether each node of an explanation holds, by the nodes' numbers.
pub fn truths(explanation: &Explanation) -> Vec<bool> {
    fn walk(explanation: &Explanation, truths: &mut Vec<bool>) {
        truths.push(explanation.holds());
        match explanation.node() {
            Node::All(inner) | Node::Any(inner) => inner.iter().for_each(|inner| walk(inner, truths)),
            Node::Not(inner) => walk(inner, truths),
            Node::Is(_) => {}
        }
    }
    let mut truths = Vec::new();
    walk(explanation, &mut truths);
    truths
}

impl Part<'_> {
    /// Where the part was written, if that is known.
    pub fn place(&self) -> Option<Written> {
        self.rule.places.get(self.first).cloned()
    }

    /// The condition that the part, or its opposite, holds of some value that it is asked of. Only for what stands inside
    /// a value.
    pub(super) fn of_some_value(&self, holds: bool) -> Condition {
        let condition = self.condition.clone();
        let condition = if holds { condition } else { condition.negated() };
        self.within.iter().rev().fold(condition, |condition, outer| put_inside(outer, condition))
    }
}

/// A line that asks something else of its values.
pub(super) fn put_inside(outer: &Predicate, condition: Condition) -> Condition {
    let test = match &outer.test {
        Test::Within(within) => Test::Within(Within { condition: Box::new(condition), ..within.clone() }),
        other => other.clone(),
    };
    Condition::is(outer.field.clone(), test)
}

/// ``line `eventName equals "StopLogging"` ``, ``exception `the account for tests` ``
impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = || {
            let mut first = None;
            self.condition.visit(&mut |predicate| first = first.or(Some(predicate)));
            first.map(ToString::to_string).unwrap_or_default()
        };
        match self.role {
            Role::Line => write!(f, "line `{}`", Line::of(self.condition).map_or_else(first, |line| line.to_string())),
            Role::Value => write!(f, "value `{}`", first()),
            Role::Alternative => write!(f, "alternative that begins with `{}`", first()),
            Role::Group => write!(f, "group that begins with `{}`", first()),
            Role::Exception(name) => write!(f, "exception `{name}`"),
        }?;
        match self.within.last() {
            Some(outer) => write!(f, " inside `{}`", outer.field),
            None => Ok(()),
        }
    }
}

struct Walk<'r> {
    rule: &'r Rule,
    parts: Vec<Part<'r>>,
    /// The lines that the walk is inside of.
    within: Vec<&'r Predicate>,
    /// The node and the predicate of the first of them: what stands inside has none of its own.
    outermost: Option<(usize, usize)>,
    /// The number of the next node.
    node: usize,
    /// The number of the next predicate.
    predicate: usize,
}

impl<'r> Walk<'r> {
    fn note(&mut self, condition: &'r Condition, role: Role<'r>) {
        let (node, first) = self.outermost.unwrap_or((self.node, self.predicate));
        let within = self.within.clone();
        self.parts.push(Part { rule: self.rule, node, within, condition, role, first });
    }

    /// A block of lines: of a "match", an alternative, an exception.
    fn block(&mut self, condition: &'r Condition) {
        match condition {
            Condition::All(inner) => {
                self.node += 1;
                inner.iter().for_each(|inner| self.part(inner));
            }
            other => self.part(other),
        }
    }

    /// One of the things that a block holds.
    fn part(&mut self, condition: &'r Condition) {
        if Line::of(condition).is_some() {
            self.note(condition, Role::Line);
            return self.values(condition);
        }
        match condition {
            Condition::All(_) => self.block(condition),
            Condition::Any(inner) => {
                self.note(condition, Role::Group);
                self.node += 1;
                inner.iter().for_each(|inner| self.alternative(inner));
            }
            Condition::Together(inner) => {
                self.node += 1;
                self.block(inner);
            }
            Condition::Not(inner) => {
                self.note(condition, Role::Group);
                self.node += 1;
                self.inside(inner);
            }
            // A predicate is a line.
            Condition::Is(_) => {}
        }
    }

    fn alternative(&mut self, condition: &'r Condition) {
        match condition {
            Condition::All(_) => {
                self.note(condition, Role::Alternative);
                self.block(condition);
            }
            other => self.part(other),
        }
    }

    fn exception(&mut self, name: &'r str, condition: &'r Condition) {
        self.note(condition, Role::Exception(name));
        match condition {
            Condition::Not(inner) => {
                self.node += 1;
                self.inside(inner);
            }
            // An exception of one line with `not` is that line.
            other => self.inside(other),
        }
    }

    /// What stands in something that is a part already: not once more what is that part itself.
    fn inside(&mut self, condition: &'r Condition) {
        match condition {
            Condition::All(_) => self.block(condition),
            line if Line::of(line).is_some() => self.values(line),
            other => self.part(other),
        }
    }

    /// Steps over a line; the values of a list are parts of their own.
    fn values(&mut self, condition: &'r Condition) {
        let node = self.node;
        self.node += 1;
        match condition {
            Condition::All(inner) | Condition::Any(inner) => {
                for value in inner {
                    if inner.len() > 1 {
                        self.note(value, Role::Value);
                    }
                    self.values(value);
                }
            }
            Condition::Not(inner) | Condition::Together(inner) => self.values(inner),
            Condition::Is(predicate) => {
                self.inside_value(predicate, node);
                self.predicate += 1;
            }
        }
    }

    fn inside_value(&mut self, outer: &'r Predicate, node: usize) {
        let Test::Within(within) = &outer.test else { return };
        let (next, predicate, outermost) = (self.node, self.predicate, self.outermost);
        self.outermost = outermost.or(Some((node, predicate)));
        self.within.push(outer);
        for line in lines(&within.condition) {
            self.note(line, Role::Line);
            self.values(line);
        }
        self.within.pop();
        (self.node, self.predicate, self.outermost) = (next, predicate, outermost);
    }
}

/// The lines that a block holds.
fn lines(condition: &Condition) -> &[Condition] {
    match condition {
        Condition::All(lines) if Line::of(condition).is_none() => lines,
        line => std::slice::from_ref(line),
    }
}
