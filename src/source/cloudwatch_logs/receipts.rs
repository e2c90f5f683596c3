//! Which receipts are committed, and which position they carry.
//!
//! A pass that is complete sets a mark: the last receipt handed over by then, and the position it leads to. The
//! position that may be saved is that of the newest mark all of whose receipts are committed.

use std::collections::{BTreeSet, VecDeque};

use super::position::Position;
use crate::delivery::Receipt;

/// Marks that wait for their receipts. Beyond it the oldest goes, and the position moves a little later.
const MARKS_MAX: usize = 4_096;

/// The receipts of one source, counted from 1.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    issued: u64,
    /// All receipts up to this one are committed.
    committed: u64,
    /// Receipts beyond, committed out of order.
    ahead: BTreeSet<u64>,
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    after: u64,
    position: Position,
}

impl Receipts {
    /// Gives out the next receipt.
    pub(super) fn issue(&mut self) -> Receipt {
        self.issued += 1;
        Receipt(self.issued)
    }

    /// Notes that the position holds once everything handed over so far is committed.
    pub(super) fn mark(&mut self, position: Position) {
        let mark = Mark { after: self.issued, position };
        if self.marks.back().is_some_and(|last| last.after == mark.after) {
            self.marks.pop_back();
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
        self.forget_passed();
    }

    /// The position that may be saved once these receipts are committed too. Changes nothing.
    pub(super) fn position_after(&self, receipts: &[Receipt]) -> Option<Position> {
        let more: BTreeSet<u64> = receipts.iter().map(|receipt| receipt.0).collect();
        let mut committed = self.committed;
        while self.ahead.contains(&(committed + 1)) || more.contains(&(committed + 1)) {
            committed += 1;
        }
        let reached = self.marks.iter().rev().find(|mark| mark.after <= committed);
        reached.map(|mark| mark.position)
    }

    /// Takes receipts as committed.
    pub(super) fn commit(&mut self, receipts: &[Receipt]) {
        let news = receipts.iter().map(|receipt| receipt.0).filter(|receipt| *receipt > self.committed);
        self.ahead.extend(news);
        while self.ahead.remove(&(self.committed + 1)) {
            self.committed += 1;
        }
        self.forget_passed();
    }

    /// Drops the marks that a newer one has overtaken.
    fn forget_passed(&mut self) {
        while self.marks.get(1).is_some_and(|second| second.after <= self.committed) {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn issue(receipts: &mut Receipts, count: usize) -> Vec<Receipt> {
        (0..count).map(|_| receipts.issue()).collect()
    }

    fn at(ms: i64) -> Option<Position> {
        Some(Position::at(ms))
    }

    #[test]
    fn the_position_waits_for_all_receipts_before_its_mark() {
        let mut receipts = Receipts::default();
        let first = issue(&mut receipts, 2);
        receipts.mark(Position::at(10));
        let second = issue(&mut receipts, 1);
        receipts.mark(Position::at(20));
        assert_eq!(receipts.position_after(&second), None);
        assert_eq!(receipts.position_after(&first), at(10));
        receipts.commit(&second);
        assert_eq!(receipts.position_after(&first[..1]), None);
        assert_eq!(receipts.position_after(&first), at(20));
        receipts.commit(&first);
        assert_eq!(receipts.position_after(&[]), at(20));
    }

    #[test]
    fn a_quiet_pass_moves_the_position_without_receipts() {
        let mut receipts = Receipts::default();
        receipts.mark(Position::at(10));
        assert_eq!(receipts.position_after(&[]), at(10));
        receipts.mark(Position::at(20));
        assert_eq!((receipts.position_after(&[]), receipts.marks.len()), (at(20), 1));
    }

    #[test]
    fn marks_are_bounded() {
        let mut receipts = Receipts::default();
        let all: Vec<Receipt> = (0..MARKS_MAX as i64 + 10)
            .map(|ms| {
                let receipt = receipts.issue();
                receipts.mark(Position::at(ms));
                receipt
            })
            .collect();
        assert_eq!(receipts.marks.len(), MARKS_MAX);
        assert_eq!(receipts.position_after(&all[..5]), None);
        assert_eq!(receipts.position_after(&all), at(MARKS_MAX as i64 + 9));
    }

    proptest! {
        /// Against the plain reading of the contract: a mark counts when every receipt before it is committed.
        #[test]
        fn any_order_of_commits_gives_the_newest_whole_mark(
            batches in prop::collection::vec(0usize..5, 1..20),
            seed in any::<u64>(),
        ) {
            let mut receipts = Receipts::default();
            let mut marks = Vec::new();
            let mut open = Vec::new();
            for (number, count) in batches.iter().enumerate() {
                open.extend(issue(&mut receipts, *count));
                receipts.mark(Position::at(number as i64));
                marks.push((open.len() as u64, number as i64));
            }
            fastrand::Rng::with_seed(seed).shuffle(&mut open);
            let mut committed = BTreeSet::new();
            for group in open.chunks(3) {
                committed.extend(group.iter().map(|receipt| receipt.0));
                let whole = |after: u64| (1..=after).all(|receipt| committed.contains(&receipt));
                let expected = marks.iter().rev().find(|(after, _)| whole(*after)).and_then(|(_, ms)| at(*ms));
                prop_assert_eq!(receipts.position_after(group), expected);
                receipts.commit(group);
                prop_assert_eq!(receipts.position_after(&[]), expected);
            }
        }
    }
}
