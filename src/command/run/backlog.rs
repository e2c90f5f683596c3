//! A sink that is behind is an alarm: findings wait for it far longer than it takes to try again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::status::age;
use crate::command::{count, report};
use crate::source::{Notice, NoticeLevel};
use crate::store::Waiting;

/// How long a finding may wait for its sink before that is an alarm, and the run is not ready.
const BACKLOG_MAX: Duration = Duration::from_secs(300);

/// What is said of a sink for which a finding waits too long.
pub fn behind(sink: &str, waiting: &Waiting, now_ms: i64) -> Option<String> {
    let age = age(waiting.oldest_ms?, now_ms);
    let (entries, age_text) = (count(waiting.entries, "finding"), report::duration(age.as_millis() as u64));
    (age > BACKLOG_MAX).then(|| format!("sink `{sink}` is behind: {entries} in the outbox, the oldest for {age_text}"))
}

/// The sinks that are known to be behind.
#[derive(Debug, Default)]
pub struct Backlog(BTreeSet<Arc<str>>);

impl Backlog {
    /// Takes in how much waits by now. What begins and what ends is told, each once.
    pub fn look(&mut self, waiting: &[(Arc<str>, Waiting)], now_ms: i64) -> Vec<(Arc<str>, Notice)> {
        let mut changes = Vec::new();
        for (sink, waiting) in waiting {
            match behind(sink, waiting, now_ms) {
                Some(text) if self.0.insert(Arc::clone(sink)) => {
                    let text = format!("{text} (does it answer, and is its rate limit wide enough?)");
                    changes.push((Arc::clone(sink), Notice { level: NoticeLevel::Error, text }));
                }
                None if self.0.remove(sink) => {
                    let text = format!("sink `{sink}` is behind no more");
                    changes.push((Arc::clone(sink), Notice { level: NoticeLevel::Info, text }));
                }
                _ => {}
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_is_behind_is_told_once_and_so_is_its_end() {
        let waiting = |entries: u64, oldest_ms: Option<i64>| {
            vec![("pager".into(), Waiting { entries, oldest_ms, dead: 0 }), ("bus".into(), Waiting::default())]
        };
        let minutes = |minutes: i64| minutes * 60_000;
        let (mut backlog, mut told) = (Backlog::default(), Vec::new());
        for (now, entries, oldest) in [
            (0, 1, Some(0)),
            (5, 2, Some(0)),
            (6, 3, Some(0)),
            (7, 4, Some(0)),
            (8, 4, Some(7)),
            (9, 0, None),
            (20, 1, Some(10)),
        ] {
            let notices = backlog.look(&waiting(entries, oldest.map(minutes)), minutes(now));
            told.extend(notices.into_iter().map(|(_, notice)| format!("{now} {:?}: {}", notice.level, notice.text)));
        }
        insta::assert_snapshot!(told.join("\n"), @r"
        6 Error: sink `pager` is behind: 3 findings in the outbox, the oldest for 6m (does it answer, and is its rate limit wide enough?)
        8 Info: sink `pager` is behind no more
        20 Error: sink `pager` is behind: 1 finding in the outbox, the oldest for 10m (does it answer, and is its rate limit wide enough?)
        ");
    }
}
