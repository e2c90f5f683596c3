//! How far a log group has been read, for each age: what a checkpoint holds.
//!
//! ```text
//!            c5          c4      c3     c2   c1 c0       now
//! ───────────┼───────────┼───────┼──────┼────┼──┼─────────┼──▶ timestamp
//!  settled   │ read when │ 16 min│ 6 min│2min│30│5 s old  │
//!  for good  │ > 16 min  │       │      │    │ s│ or less │
//! ```

use serde::{Deserialize, Serialize};

/// The ages at which a slice of time is read again, in milliseconds. Nothing is expected to become visible later
/// than the last of them after its timestamp.
pub(super) const AGES_MS: [i64; 6] = [5_000, 30_000, 120_000, 360_000, 960_000, 3_600_000];

/// How old a slice is when it is read for the last time.
pub(super) const SETTLED_AGE_MS: i64 = AGES_MS[AGES_MS.len() - 1];

/// The version of the text form.
const VERSION: u32 = 1;

/// One cursor for each age, newest first, in milliseconds since 1970.
///
/// Everything with a timestamp below cursor `k` has been read by a pass that began when it was at least `AGES_MS[k]`
/// old. So no cursor is below the next one, and what lies below the last one is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) cursors: [i64; AGES_MS.len()],
}

/// The text form of a [`Position`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    cursors_ms: [i64; AGES_MS.len()],
}

impl Position {
    /// Nothing from `start_ms` on has been read.
    pub(super) fn at(start_ms: i64) -> Self {
        Self { cursors: [start_ms; AGES_MS.len()] }
    }

    /// The cursor that passes of the head start from.
    pub(super) fn head(&self) -> i64 {
        self.cursors[0]
    }

    /// The cursor below which nothing is read again.
    pub(super) fn settled(&self) -> i64 {
        self.cursors[AGES_MS.len() - 1]
    }

    /// Takes in that a pass which began at `began_ms` has read all of `[from_ms, to_ms]`; `None` is the open end.
    pub(super) fn read(&mut self, from_ms: i64, to_ms: Option<i64>, began_ms: i64) {
        for (cursor, age_ms) in self.cursors.iter_mut().zip(AGES_MS) {
            if from_ms <= *cursor {
                *cursor = (*cursor).max(reach(to_ms, began_ms, age_ms));
            }
        }
    }

    /// Moves cursors back that could not be where they are at `now_ms`: the clock was ahead when they were set.
    /// Nothing before `start_ms` was ever wanted.
    pub(super) fn not_ahead_of(&mut self, now_ms: i64, start_ms: i64) {
        for (cursor, age_ms) in self.cursors.iter_mut().zip(AGES_MS) {
            *cursor = (*cursor).min((now_ms - age_ms).max(start_ms.min(now_ms)));
        }
    }

    /// The text for a checkpoint.
    pub(super) fn write(&self) -> String {
        let Self { cursors } = self;
        let cursors = cursors.map(|cursor| cursor.to_string()).join(",");
        format!(r#"{{"version":{VERSION},"cursors_ms":[{cursors}]}}"#)
    }

    /// Reads what [`write`](Self::write) wrote; the error says why it cannot be.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!("it has version {}, and only version {VERSION} is known", written.version));
        }
        if !written.cursors_ms.is_sorted_by(|newer, older| newer >= older) {
            return Err("its cursors are out of order".to_owned());
        }
        Ok(Self { cursors: written.cursors_ms })
    }
}

/// How far a pass speaks for an age. Future-dated events move nothing, so this is never beyond the time it began.
fn reach(to_ms: Option<i64>, began_ms: i64, age_ms: i64) -> i64 {
    let aged = began_ms - age_ms;
    to_ms.map_or(aged, |to_ms| to_ms.min(aged))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_pass_moves_the_cursors_of_all_ages_that_it_covers() {
        let mut position = Position::at(NOW - 7_200_000);
        position.read(NOW - 7_200_000, None, NOW);
        assert_eq!(position.cursors, AGES_MS.map(|age_ms| NOW - age_ms));
        position.read(position.head(), None, NOW + 1_000);
        assert_eq!(position.head(), NOW - 4_000);
        assert_eq!(position.cursors[1], NOW - 30_000, "the head pass did not read what the next age still needs");
    }

    #[test]
    fn a_pass_with_an_end_reaches_no_further_than_that() {
        let mut position = Position::at(NOW - 7_200_000);
        position.read(NOW - 7_200_000, Some(NOW - 60_000), NOW);
        assert_eq!(position.cursors[..3], [NOW - 60_000, NOW - 60_000, NOW - 120_000]);
    }

    #[test]
    fn nothing_moves_backwards() {
        let start = Position::at(NOW);
        let mut position = start;
        position.read(NOW, None, NOW + 1_000);
        assert_eq!(position, start);
    }

    #[test]
    fn a_clock_that_was_ahead_is_made_good() {
        let mut position = Position::at(NOW + 600_000);
        position.not_ahead_of(NOW, 0);
        assert_eq!(position.cursors, AGES_MS.map(|age_ms| NOW - age_ms));
        position.not_ahead_of(NOW - 1_000, NOW - 10_000);
        assert_eq!(position.cursors[..3], [NOW - 6_000, NOW - 30_000, NOW - 120_000], "no further back than need be");
    }

    #[test]
    fn the_text_form_comes_back() {
        let mut position = Position::at(NOW - 100_000);
        position.read(NOW - 100_000, None, NOW);
        assert_eq!(Position::parse(&position.write()), Ok(position));
    }

    #[test]
    fn what_is_no_position_is_told() {
        let cases = [
            ("", "EOF"),
            (r#"{"version":2,"cursors_ms":[6,5,4,3,2,1]}"#, "version 2"),
            (r#"{"version":1,"cursors_ms":[1,2,3,4,5,6]}"#, "out of order"),
            (r#"{"version":1,"cursors_ms":[1]}"#, "length"),
            (r#"{"version":1,"cursors_ms":[6,5,4,3,2,1],"more":1}"#, "unknown field"),
        ];
        for (text, reason) in cases {
            let error = Position::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
