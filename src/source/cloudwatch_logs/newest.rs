//! The last few events of what is there at the start, for `-n`.
//!
//! The service can read newest first, but not everywhere (emulators ignore it), so the window is read as ever and
//! only its newest events are kept. Without a start the window grows into the past until enough are found.

use std::collections::BTreeMap;

use super::memory::Key;
use super::page::{LogRecord, Query};

/// The most events that can be asked for.
pub(super) const EVENTS_MAX: usize = 100_000;

/// The most bytes of messages that are kept.
const BYTES_MAX: usize = 256 << 20;

const MINUTE_MS: i64 = 60_000;

/// How far back the windows reach that are tried one after the other.
const WINDOWS_MS: [i64; 5] =
    [10 * MINUTE_MS, 60 * MINUTE_MS, 6 * 60 * MINUTE_MS, 24 * 60 * MINUTE_MS, 7 * 24 * 60 * MINUTE_MS];

/// The reading of the newest events up to a time.
#[derive(Debug)]
pub(super) struct Newest {
    wanted: usize,
    kept: BTreeMap<(i64, i64, Key), LogRecord>,
    kept_bytes: usize,
    /// When the reading began.
    pub(super) began_ms: i64,
    /// The end of it all, inclusive.
    pub(super) end_ms: i64,
    /// The part that is being read now, inclusive on both ends.
    pub(super) from_ms: i64,
    to_ms: i64,
    token: Option<String>,
    /// Windows not tried yet, the largest first.
    wider_ms: Vec<i64>,
}

impl Newest {
    pub(super) fn new(wanted: usize, start_ms: Option<i64>, end_ms: i64, now_ms: i64) -> Self {
        let end_ms = end_ms.min(now_ms);
        let mut wider_ms: Vec<i64> = WINDOWS_MS.iter().rev().map(|window_ms| (end_ms - window_ms).max(0)).collect();
        if start_ms.is_some() {
            wider_ms.clear();
        }
        let from_ms = start_ms.or_else(|| wider_ms.pop()).unwrap_or(0).min(end_ms);
        Self {
            wanted: wanted.min(EVENTS_MAX),
            kept: BTreeMap::new(),
            kept_bytes: 0,
            began_ms: now_ms,
            end_ms,
            from_ms,
            to_ms: end_ms,
            token: None,
            wider_ms,
        }
    }

    /// What to read next.
    pub(super) fn query(&self) -> Query {
        Query { from_ms: self.from_ms, to_ms: Some(self.to_ms), token: self.token.clone() }
    }

    /// Keeps an event if it is among the newest.
    pub(super) fn keep(&mut self, key: Key, record: LogRecord) {
        self.kept_bytes += record.message.len();
        let replaced = self.kept.insert((record.timestamp_ms, record.ingestion_ms, key), record);
        self.kept_bytes -= replaced.map_or(0, |record| record.message.len());
        while self.kept.len() > self.wanted || self.kept_bytes > BYTES_MAX {
            let Some((_, oldest)) = self.kept.pop_first() else { return };
            self.kept_bytes -= oldest.message.len();
        }
    }

    /// Takes in the token of a page. True once enough is read.
    pub(super) fn page_read(&mut self, token: Option<String>) -> bool {
        self.token = token;
        if self.token.is_some() {
            return false;
        }
        if self.kept.len() >= self.wanted {
            return true;
        }
        let Some(wider_ms) = self.wider_ms.pop() else { return true };
        self.to_ms = self.from_ms - 1;
        self.from_ms = wider_ms;
        self.from_ms > self.to_ms
    }

    /// Reads the part under way again.
    pub(super) fn restart(&mut self) {
        self.token = None;
    }

    /// The events that were kept, oldest first.
    pub(super) fn take(&mut self) -> Vec<LogRecord> {
        std::mem::take(&mut self.kept).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn record(timestamp_ms: i64) -> (Key, LogRecord) {
        let record = LogRecord { timestamp_ms, ..LogRecord::default() };
        (Key::new(timestamp_ms, 0, &timestamp_ms.to_string(), "", b""), record)
    }

    fn keep(newest: &mut Newest, timestamps_ms: &[i64]) {
        for timestamp_ms in timestamps_ms {
            let (key, record) = record(*timestamp_ms);
            newest.keep(key, record);
        }
    }

    #[test]
    fn only_the_newest_are_kept_in_order() {
        let mut newest = Newest::new(2, Some(NOW - 10), NOW, NOW);
        keep(&mut newest, &[NOW - 1, NOW - 5, NOW - 3, NOW - 3]);
        assert!(newest.page_read(None));
        let kept: Vec<i64> = newest.take().iter().map(|record| record.timestamp_ms).collect();
        assert_eq!(kept, [NOW - 3, NOW - 1]);
    }

    #[test]
    fn the_window_grows_until_enough_is_found() {
        let mut newest = Newest::new(2, None, NOW, NOW);
        assert_eq!((newest.from_ms, newest.to_ms), (NOW - 10 * MINUTE_MS, NOW));
        keep(&mut newest, &[NOW - 1]);
        assert!(!newest.page_read(Some("more".into())));
        assert!(!newest.page_read(None));
        assert_eq!((newest.from_ms, newest.to_ms), (NOW - 60 * MINUTE_MS, NOW - 10 * MINUTE_MS - 1));
        keep(&mut newest, &[NOW - 20 * MINUTE_MS]);
        assert!(newest.page_read(None));
    }

    #[test]
    fn the_window_ends_at_a_week() {
        let mut newest = Newest::new(2, None, NOW, NOW);
        let windows = 1 + (0..100).take_while(|_| !newest.page_read(None)).count();
        assert_eq!((windows, newest.from_ms), (5, NOW - 7 * 24 * 60 * MINUTE_MS));
    }
}
