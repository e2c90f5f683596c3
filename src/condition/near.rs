//! How near an event came to a condition, and what it lacked.
//!
//! Counted are lines. Of alternatives only the one counts that came nearest, so that the others' lines, which were
//! never meant to hold together with it, do not make an event look far away.

use std::cmp::Ordering;

use super::explain::{Explanation, Seen};
use super::line::{Line, Node, Tree};

/// How near an event came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nearness<'e> {
    /// The lines that hold, along the nearest branch.
    pub holding: u32,
    /// The lines of that branch.
    pub lines: u32,
    /// Those that do not hold.
    pub misses: Vec<Miss<'e>>,
}

/// What did not hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Miss<'e> {
    /// A line, and what its field had.
    Line(Line<'e>, &'e [Seen]),
    /// Something that must not hold as a whole, and did.
    Excluded(&'e Explanation),
    /// Lines that hold, but not within one element of each array.
    Apart,
    /// Alternatives of which there is none.
    Nothing,
}

/// Says how near an event came to what these explanations, all of which must hold, are of.
pub fn nearness<'e>(parts: impl IntoIterator<Item = &'e Explanation>) -> Nearness<'e> {
    parts.into_iter().map(of).fold(Nearness::default(), Nearness::and)
}

fn of(explanation: &Explanation) -> Nearness<'_> {
    if let Some(line) = Line::of(explanation) {
        return Nearness::one(explanation.holds(), || Miss::Line(line, explanation.seen()));
    }
    if let Explanation::Together(holds, inner) = explanation {
        return of(inner).together(*holds);
    }
    match explanation.node() {
        Node::All(inner) => nearness(inner),
        // The first of those that came equally near is the one.
        Node::Any(inner) => inner
            .iter()
            .map(of)
            .reduce(|best, next| if next.order(&best) == Ordering::Greater { next } else { best })
            .unwrap_or_else(|| Nearness::one(false, || Miss::Nothing)),
        Node::Not(inner) => Nearness::one(explanation.holds(), || Miss::Excluded(inner)),
        Node::Is(_) => Nearness::default(),
    }
}

impl<'e> Nearness<'e> {
    fn one(holds: bool, miss: impl FnOnce() -> Miss<'e>) -> Self {
        Self { holding: u32::from(holds), lines: 1, misses: if holds { Vec::new() } else { vec![miss()] } }
    }

    /// What is judged within elements of arrays may hold where the lines by themselves do not, and the reverse.
    fn together(self, holds: bool) -> Self {
        match holds {
            true => Self { holding: self.lines, misses: Vec::new(), ..self },
            false if self.misses.is_empty() => Self { lines: self.lines + 1, misses: vec![Miss::Apart], ..self },
            false => self,
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.holding += other.holding;
        self.lines += other.lines;
        self.misses.extend(other.misses);
        self
    }

    /// Which came nearer: by the share of the lines that hold, then by how few do not.
    pub fn order(&self, other: &Self) -> Ordering {
        let share = |a: &Self, b: &Self| u64::from(a.holding) * u64::from(b.lines.max(1));
        share(self, other).cmp(&share(other, self)).then_with(|| other.misses.len().cmp(&self.misses.len()))
    }
}
