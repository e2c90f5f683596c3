//! What the index has found in an event wherever there are strings, so that rules need not look for it again.

use std::ops::Range;

/// The strings that were found, by their numbers in the index, and where in the text the values are that they stand in.
#[derive(Debug, Default)]
pub struct Sightings {
    /// Whether what is not among them is not there.
    pub are_all: bool,
    seen: Vec<(u32, Range<usize>)>,
}

/// So many are noted of one event; where there are more, rules look for themselves.
const NOTED_MAX: usize = 256;

impl Sightings {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.are_all = false;
        self.seen.clear();
    }

    /// Notes a string and the value that it stands in. Always true.
    pub fn note(&mut self, number: usize, value: Range<usize>) -> bool {
        if self.seen.len() < NOTED_MAX {
            self.seen.push((number as u32, value));
        } else {
            self.are_all = false;
        }
        true
    }

    /// Those of a string.
    pub fn of(&self, number: u32) -> impl Iterator<Item = Range<usize>> {
        self.seen.iter().filter(move |&&(seen, _)| seen == number).map(|(_, value)| value.clone())
    }
}
