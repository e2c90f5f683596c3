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

    /// Notes a string and the value that it stands in.
    pub fn note(&mut self, number: usize, value: Range<usize>) {
        if self.seen.len() < NOTED_MAX {
            self.seen.push((number as u32, value));
        } else {
            self.are_all = false;
        }
    }

    /// The values that a string stands in, each once: they are noted in their order.
    pub fn of(&self, number: u32) -> impl Iterator<Item = Range<usize>> {
        let mut last = None;
        let values = self.seen.iter().filter(move |&&(seen, _)| seen == number).map(|(_, value)| value.clone());
        values.filter(move |value| last.replace(value.clone()).as_ref() != Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_holds_a_string_often_is_given_once() {
        let mut sightings = Sightings::default();
        for (number, value) in [(1, 3..9), (0, 3..9), (1, 3..9), (1, 3..9), (1, 11..19), (0, 11..19)] {
            sightings.note(number, value);
        }
        assert_eq!(sightings.of(1).collect::<Vec<_>>(), [3..9, 11..19]);
    }
}
