//! Silence is an alarm: a source that hands over nothing for much longer than it usually does.
//!
//! A trail that was stopped, a subscription that was taken away and a filter that fits nothing look the same from here:
//! nothing comes, and nothing fails.

use std::time::Duration;

use crate::config::run::Silence;

/// The longest silence that is never told, however seldom events usually come.
const PATIENCE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Watches one source. Time is an argument: how long ago the run began.
#[derive(Debug)]
pub struct Watch {
    settings: Silence,
    /// What the source had handed over at the last look.
    count: u64,
    /// When that was last more than before.
    heard: Duration,
    /// The usual gap, as far as it is known: a mean in which the latest gaps count most.
    usual: Option<Duration>,
    silent: bool,
}

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// It is silent now, for so long.
    Silent(Duration),
    /// It was silent, and is no more.
    Heard,
}

impl Watch {
    /// A watch from the start of a run, to which an earlier one may have told the usual gap.
    pub fn new(settings: Silence, usual: Option<Duration>) -> Self {
        Self { settings, count: 0, heard: Duration::ZERO, usual, silent: false }
    }

    /// The usual gap, as far as it is known.
    pub fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// Takes in how much the source has handed over by now.
    pub fn look(&mut self, now: Duration, count: u64) -> Option<Change> {
        let gap = now.saturating_sub(self.heard);
        if count == self.count {
            let begins = !self.silent && gap > self.patience();
            self.silent |= begins;
            return begins.then_some(Change::Silent(gap));
        }
        // What is handed over first in a run may have waited while nothing ran: that says little of what is usual.
        if self.usual.is_none() || self.count > 0 {
            self.usual = Some(self.usual.map_or(gap, |usual| (usual * 7 + gap) / 8));
        }
        (self.count, self.heard) = (count, now);
        std::mem::take(&mut self.silent).then_some(Change::Heard)
    }

    /// Whether it is silent, and for how long.
    pub fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.silent.then(|| now.saturating_sub(self.heard))
    }

    /// How long a silence is nothing to speak of.
    fn patience(&self) -> Duration {
        let Silence { factor, at_least } = self.settings;
        let usual = self.usual.map_or(Duration::ZERO, |usual| usual.saturating_mul(factor));
        usual.min(PATIENCE_MAX).max(at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Silence = Silence { factor: 10, at_least: Duration::from_secs(900) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Looks every five seconds; the source hands something over every `gap` until `end`. When alarms begin and end.
    fn alarms(gap: u64, end: u64, then: u64) -> Vec<(u64, Change)> {
        let mut watch = Watch::new(SETTINGS, None);
        let count = |now: u64| now.min(end) / gap + u64::from(now >= then);
        let looks = (0..=then + 10).step_by(5);
        looks.filter_map(|now| Some((now, watch.look(seconds(now), count(now))?))).collect()
    }

    #[test]
    fn a_silence_far_longer_than_usual_is_told_once_and_so_is_its_end() {
        let cases = [
            ("busy, so the least counts", 5, 1_000, 3_000, Some(1_905)),
            ("one in five minutes: ten times that", 300, 9_000, 20_000, Some(9_000 + 3_005)),
            ("nothing ever comes", 1_000_000, 1, 1_000, Some(905)),
            ("a gap that is no longer than usual", 300, 9_000, 11_000, None),
        ];
        for (name, gap, end, then, begins) in cases {
            let expected: Vec<_> = match begins {
                Some(begins) => {
                    let heard = if gap > end { 0 } else { end / gap * gap };
                    vec![(begins, Change::Silent(seconds(begins - heard))), (then, Change::Heard)]
                }
                None => Vec::new(),
            };
            assert_eq!(alarms(gap, end, then), expected, "{name}");
        }
    }

    #[test]
    fn what_an_earlier_run_knew_is_the_patience_of_the_next() {
        for (usual, is_silent) in [(None, true), (Some(seconds(300)), false)] {
            let mut watch = Watch::new(SETTINGS, usual);
            assert_eq!(watch.look(seconds(2_000), 0).is_some(), is_silent, "{usual:?}");
            assert_eq!(watch.look(seconds(3_001), 0).is_some(), !is_silent, "{usual:?}");
        }
    }

    #[test]
    fn a_restart_changes_nothing_about_what_is_usual() {
        for (known, then) in [(None, seconds(2)), (Some(seconds(800)), seconds(800))] {
            let mut watch = Watch::new(SETTINGS, known);
            watch.look(seconds(2), 1);
            assert_eq!(watch.usual(), Some(then), "{known:?}");
        }
        let mut watch = Watch::new(SETTINGS, Some(seconds(800)));
        watch.look(seconds(2), 1);
        watch.look(seconds(10), 2);
        assert_eq!(watch.usual(), Some(seconds(701)), "from then on it is learnt");
    }

    #[test]
    fn patience_has_an_end() {
        let mut watch = Watch::new(SETTINGS, None);
        watch.look(seconds(100_000), 1);
        assert_eq!(watch.look(seconds(100_000 + 86_400), 1), None);
        assert_eq!(watch.look(seconds(100_000 + 86_401), 1), Some(Change::Silent(seconds(86_401))));
    }
}
