//! Shows events in the order of their own time: holds each back for a while, in case an earlier one comes.
//!
//! Only what is shown waits. An event is committed as ever, so a run that is killed does not show what it held back.
//!
//! ```text
//! event() ─▶ waiting, by event time ─▶ whatever has waited long enough, and all that is earlier ─▶ Tap
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;

use crate::decode::Reject;
use crate::event::{Event, Fields, Projection, RawEvent, projection_of};
use crate::finding::Finding;
use crate::pipeline::Tap;

/// The most events that are held back, and the most bytes of them. Beyond it the earliest are shown at once.
const EVENTS_MAX: usize = 50_000;
const BYTES_MAX: usize = 64 << 20;

/// How often it is looked whether something has waited long enough.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A tap before which events wait.
pub struct HoldBack<T> {
    held: Arc<Mutex<Held<T>>>,
}

/// What waits. Time is an argument.
struct Held<T> {
    tap: T,
    patience: Duration,
    projection: Projection,
    fields: Fields,
    waiting: BTreeMap<Place, (RawEvent, Vec<Arc<Finding>>)>,
    arrivals: VecDeque<(Instant, Place)>,
    bytes: usize,
    taken: u64,
    /// Why the tap could take no more, until somebody is told.
    failure: Option<io::Error>,
}

/// Where an event stands in the order of showing: by its time, and those of one time as they came.
type Place = (Timestamp, u64);

impl<T: Tap + 'static> HoldBack<T> {
    /// Holds every event back for so long.
    pub fn new(tap: T, patience: Duration) -> Self {
        let held = Arc::new(Mutex::new(Held::new(tap, patience)));
        let looked_at = Arc::downgrade(&held);
        std::thread::spawn(move || {
            while let Some(held) = looked_at.upgrade() {
                lock(&held).look(Instant::now());
                drop(held);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { held }
    }
}

fn lock<T>(held: &Mutex<Held<T>>) -> MutexGuard<'_, Held<T>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Tap> Tap for HoldBack<T> {
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()> {
        lock(&self.held).take(raw, findings, Instant::now())
    }

    /// It stands beside findings that are long shown, so there is nothing to sort it among.
    fn digest(&mut self, digest: &Finding) -> io::Result<()> {
        lock(&self.held).tap.digest(digest)
    }

    fn reject(&mut self, reject: &Reject) -> io::Result<()> {
        lock(&self.held).tap.reject(reject)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.held).release(Instant::now())
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut held = lock(&self.held);
        held.show_up_to((Timestamp::MAX, u64::MAX))?;
        held.tap.finish()
    }
}

impl<T: Tap> Held<T> {
    fn new(tap: T, patience: Duration) -> Self {
        Self {
            tap,
            patience,
            projection: projection_of([]),
            fields: Fields::default(),
            waiting: BTreeMap::new(),
            arrivals: VecDeque::new(),
            bytes: 0,
            taken: 0,
            failure: None,
        }
    }

    /// An event without a time of its own goes by when it came.
    fn take(&mut self, raw: &RawEvent, findings: &[Arc<Finding>], now: Instant) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)?;
        let place = (self.time(raw).unwrap_or_else(Timestamp::now), self.taken);
        self.taken += 1;
        // A copy, since the event's bytes hold on to the whole document that they came in.
        let copy = RawEvent { bytes: Bytes::copy_from_slice(&raw.bytes), origin: raw.origin.clone() };
        self.bytes += copy.bytes.len();
        self.waiting.insert(place, (copy, findings.to_vec()));
        self.arrivals.push_back((now, place));
        if self.arrivals.len() > 2 * EVENTS_MAX {
            self.arrivals.retain(|(_, place)| self.waiting.contains_key(place));
        }
        while self.waiting.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some((&earliest, _)) = self.waiting.first_key_value() else { break };
            self.show_up_to(earliest)?;
        }
        Ok(())
    }

    fn time(&mut self, raw: &RawEvent) -> Option<Timestamp> {
        let text = std::str::from_utf8(&raw.bytes).ok()?;
        Event::read(text, &self.projection, &mut self.fields).ok()?.time()
    }

    /// Looks again, where nobody can be told of a failure at once.
    fn look(&mut self, now: Instant) {
        if self.failure.is_none() && !self.waiting.is_empty() {
            self.failure = self.release(now).err();
        }
    }

    /// Shows what has waited long enough, and all that is earlier than that: so nothing waits longer.
    fn release(&mut self, now: Instant) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)?;
        let mut last = None;
        while let Some((_, place)) =
            self.arrivals.pop_front_if(|(arrived, _)| now.duration_since(*arrived) >= self.patience)
        {
            last = last.max(Some(place));
        }
        last.map_or(Ok(()), |last| self.show_up_to(last))?;
        self.tap.flush()
    }

    fn show_up_to(&mut self, last: Place) -> io::Result<()> {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= last) {
            let (raw, findings) = entry.remove();
            self.bytes -= raw.bytes.len();
            self.tap.event(&raw, &findings)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Origin;

    /// Keeps what it is shown.
    #[derive(Default)]
    struct Shown(Vec<String>);

    impl Tap for Shown {
        fn event(&mut self, raw: &RawEvent, _: &[Arc<Finding>]) -> io::Result<()> {
            let text = std::str::from_utf8(&raw.bytes).map_err(io::Error::other)?;
            self.0.push(text.chars().filter(char::is_ascii_digit).skip(12).collect());
            Ok(())
        }

        fn reject(&mut self, _: &Reject) -> io::Result<()> {
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn event(second: u32) -> RawEvent {
        let text = format!(r#"{{"eventTime":"2026-01-15T12:00:{second:02}Z"}}"#);
        RawEvent { bytes: Bytes::from(text), origin: Origin::whole("g") }
    }

    fn held(patience: u64) -> Held<Shown> {
        Held::new(Shown::default(), Duration::from_secs(patience))
    }

    #[test]
    fn what_comes_within_its_patience_is_sorted_and_nothing_waits_longer() {
        let (mut held, begin) = (held(10), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (second, came) in [(30, 0), (10, 5), (40, 6), (20, 8)] {
            held.take(&event(second), &[], at(came)).unwrap();
        }
        for (now, shown) in [(9, &[][..]), (10, &["10", "20", "30"]), (15, &["10", "20", "30"])] {
            held.release(at(now)).unwrap();
            assert_eq!(held.tap.0, shown, "after {now} s");
        }
        held.release(at(16)).unwrap();
        assert_eq!((held.tap.0.last().unwrap().as_str(), held.bytes, held.waiting.len()), ("40", 0, 0));
    }

    #[test]
    fn events_of_one_time_stay_as_they_came() {
        let (mut held, now) = (held(0), Instant::now());
        for number in 0..3 {
            let text = format!(r#"{{"eventTime":"2026-01-15T12:00:07Z","number":{number}}}"#);
            held.take(&RawEvent { bytes: Bytes::from(text), origin: Origin::whole("g") }, &[], now).unwrap();
        }
        held.release(now).unwrap();
        assert_eq!(held.tap.0, ["070", "071", "072"]);
    }

    #[test]
    fn beyond_the_bound_the_earliest_are_shown_at_once() {
        let (mut held, now) = (held(1_000), Instant::now());
        for _ in 0..EVENTS_MAX {
            held.take(&event(30), &[], now).unwrap();
        }
        held.take(&event(10), &[], now).unwrap();
        assert_eq!((held.tap.0.as_slice(), held.waiting.len()), (&["10".to_owned()][..], EVENTS_MAX));
    }

    #[test]
    fn at_the_end_everything_is_shown() {
        let mut tap = HoldBack::new(Shown::default(), Duration::from_secs(1_000));
        for second in [2, 1] {
            tap.event(&event(second), &[]).unwrap();
        }
        tap.finish().unwrap();
        assert_eq!(lock(&tap.held).tap.0, ["01", "02"]);
    }
}
