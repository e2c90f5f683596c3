//! Which matches are findings, and which are counted on one: the windows that `[alert] suppress` opens.
//!
//! A match that no window takes in is a finding, and opens a window around its event's time. Others of its group whose
//! time is less than `suppress` away, earlier or later, belong to it and are counted, in whatever order they come:
//!
//! ```text
//!        suppress     suppress
//!    ├───────────────┼───────────────┤ event time
//!          ×         ●    ×× ×              ● the next one is a finding again
//! ```
//!
//! Every match is a finding or is counted, once. A window is over some time after its last event can have happened: what is
//! late has a part of `suppress` again to come, and so has what is read long after it happened. Then a digest tells what was
//! held back. Time is an input, and what changes is a [`Delta`], to be applied once it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digest::{Held, kept};
use super::{Finding, GroupKey};
use crate::event::{Event, EventKey, EventKind};
use crate::rule::Rule;

/// How long after its end a window waits for what comes late, at most. CloudTrail hands most events over within it.
const LATENESS_MAX: Duration = Duration::from_secs(15 * 60);

/// A rule that matched an event.
#[derive(Debug, Clone)]
pub struct Match {
    /// The finding that it is, if no window takes it in.
    pub finding: Arc<Finding>,
    /// The windows that may; none if every match of the rule is a finding.
    pub hold: Option<Hold>,
}

/// Which windows may take a match in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The group that it belongs to.
    pub group: GroupKey,
    /// When its event happened.
    pub time_ms: i64,
    /// How far from a finding matches are held back: the rule's `suppress`.
    pub reach_ms: i64,
}

impl Match {
    /// The match of a rule. An event that does not tell its time is a finding at each match; so is a finding that has come
    /// back as an event, whose way is in it and would be in no digest.
    pub fn new(rule: &Rule, event: &Event<'_>, key: &EventKey) -> Self {
        let hold = || {
            let (reach, time) = (rule.suppress?, event.time()?);
            let group = GroupKey::of(rule, event);
            Some(Hold { group, time_ms: time.as_millisecond(), reach_ms: ms(reach) })
        };
        let hold = if event.kind() == EventKind::Finding { None } else { hold() };
        Self { finding: Arc::new(Finding::new(rule, event, key)), hold }
    }
}

/// A window, by its group and the time of the event that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// The group.
    pub group: GroupKey,
    /// The time of the event that opened it.
    pub anchor_ms: i64,
}

/// A window that is open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    /// The finding that opened it, without its evidence.
    opener: Box<Finding>,
    /// When it is over, by the clock.
    due_ms: i64,
    /// What it has held back.
    held: Option<Held>,
}

impl Window {
    /// The window that a match opens. An event from long ago, or from the future, keeps it open as long as one from now.
    fn open(finding: &Finding, hold: &Hold, now_ms: i64) -> Self {
        let lateness_ms = hold.reach_ms.min(ms(LATENESS_MAX));
        let end_ms = hold.time_ms.saturating_add(hold.reach_ms);
        let end_ms = end_ms.clamp(now_ms, now_ms.saturating_add(hold.reach_ms));
        Self { opener: Box::new(kept(finding)), due_ms: end_ms.saturating_add(lateness_ms), held: None }
    }

    /// Counts a match. What opened the window may come again once its key is forgotten.
    fn hold_back(&mut self, finding: &Finding, time_ms: i64) {
        if finding.id == self.opener.id {
            return;
        }
        match &mut self.held {
            Some(held) => held.add(finding, time_ms),
            None => self.held = Some(Held::new(finding, time_ms)),
        }
    }

    /// How many matches it has held back.
    pub fn count(&self) -> u64 {
        self.held.as_ref().map_or(0, Held::count)
    }

    fn digest(&self) -> Option<Arc<Finding>> {
        self.held.as_ref().map(|held| Arc::new(held.digest(&self.opener)))
    }
}

/// What becomes of windows by a group of matches: true once it is applied.
#[derive(Debug, Default)]
pub struct Delta {
    /// Windows as they are from then on; `None` if they are over.
    pub changed: BTreeMap<WindowKey, Option<Window>>,
    /// The digests of those that are over and held something back.
    pub digests: Vec<Arc<Finding>>,
    /// Windows that ended before their time, since there were too many.
    pub ended_early: u64,
}

/// The windows that are open.
#[derive(Debug, Default)]
pub struct Windows {
    open: BTreeMap<WindowKey, Window>,
    /// The same, by when they are over.
    due: BTreeSet<(i64, WindowKey)>,
    /// How many there are of each rule that has any.
    by_rule: BTreeMap<String, u64>,
}

impl Windows {
    /// Windows that were open before.
    pub fn restored(windows: impl IntoIterator<Item = (WindowKey, Window)>) -> Self {
        let mut restored = Self::default();
        windows.into_iter().for_each(|(key, window)| restored.insert(key, window));
        restored
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many are open of each rule that has any.
    pub fn by_rule(&self) -> &BTreeMap<String, u64> {
        &self.by_rule
    }

    /// When the next one is over, by the clock.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Whether a match is a finding. If not, it is counted.
    pub fn lets_through(&self, delta: &mut Delta, matched: &Match, now_ms: i64) -> bool {
        let Some(hold) = &matched.hold else { return true };
        let Some(key) = self.taking_in(delta, hold) else {
            let key = WindowKey { group: hold.group, anchor_ms: hold.time_ms };
            delta.changed.insert(key, Some(Window::open(&matched.finding, hold, now_ms)));
            return true;
        };
        let window = delta.changed.entry(key).or_insert_with(|| self.open.get(&key).cloned());
        if let Some(window) = window {
            window.hold_back(&matched.finding, hold.time_ms);
        }
        false
    }

    /// The window that takes a match in: of several the latest that opened before it.
    fn taking_in(&self, delta: &Delta, hold: &Hold) -> Option<WindowKey> {
        let at = |anchor_ms| WindowKey { group: hold.group, anchor_ms };
        let from = Bound::Excluded(at(hold.time_ms.saturating_sub(hold.reach_ms)));
        let to = Bound::Excluded(at(hold.time_ms.saturating_add(hold.reach_ms)));
        let before = self.open.range((from, to)).map(|(key, _)| *key).filter(|key| !delta.changed.contains_key(key));
        let since = delta.changed.range((from, to)).filter(|(_, window)| window.is_some()).map(|(key, _)| *key);
        let earlier = |key: &WindowKey| key.anchor_ms <= hold.time_ms;
        let keys: BTreeSet<WindowKey> = before.chain(since).collect();
        keys.iter().rev().find(|key| earlier(key)).or(keys.first()).copied()
    }

    /// Ends the windows whose time has come.
    pub fn end_due(&self, delta: &mut Delta, now_ms: i64) {
        let due = self.due.iter().take_while(|(due_ms, _)| *due_ms <= now_ms);
        due.for_each(|(_, key)| self.end(delta, *key));
    }

    /// Ends as many windows before their time as are too many, those first that would be over first.
    pub fn end_surplus(&self, delta: &mut Delta, windows_max: usize) {
        let is_new = |key: &WindowKey| !self.open.contains_key(key);
        let (mut new, mut over) = (Vec::new(), 0);
        for (key, window) in &delta.changed {
            match window {
                None => over += 1,
                Some(window) if is_new(key) => new.push((window.due_ms, *key)),
                Some(_) => {}
            }
        }
        let surplus = (self.open.len() + new.len() - over).saturating_sub(windows_max);
        if surplus == 0 {
            return;
        }
        new.sort_unstable();
        let known = self.due.iter().copied().chain(new);
        let open = known.filter(|(_, key)| !matches!(delta.changed.get(key), Some(None)));
        let early: Vec<WindowKey> = open.take(surplus).map(|(_, key)| key).collect();
        early.into_iter().for_each(|key| self.end(delta, key));
        delta.ended_early += surplus as u64;
    }

    /// Ends all windows.
    pub fn end_all(&self, delta: &mut Delta) {
        self.due.iter().for_each(|(_, key)| self.end(delta, *key));
    }

    fn end(&self, delta: &mut Delta, key: WindowKey) {
        let window = match delta.changed.insert(key, None) {
            Some(changed) => changed,
            None => self.open.get(&key).cloned(),
        };
        delta.digests.extend(window.and_then(|window| window.digest()));
    }

    /// Makes what was changed true.
    pub fn apply(&mut self, changed: impl IntoIterator<Item = (WindowKey, Option<Window>)>) {
        for (key, window) in changed {
            self.remove(&key);
            if let Some(window) = window {
                self.insert(key, window);
            }
        }
    }

    fn insert(&mut self, key: WindowKey, window: Window) {
        self.due.insert((window.due_ms, key));
        match self.by_rule.get_mut(&window.opener.rule.id) {
            Some(count) => *count += 1,
            None => drop(self.by_rule.insert(window.opener.rule.id.clone(), 1)),
        }
        self.open.insert(key, window);
    }

    fn remove(&mut self, key: &WindowKey) {
        let Some(window) = self.open.remove(key) else { return };
        self.due.remove(&(window.due_ms, *key));
        let rule = &window.opener.rule.id;
        if let Some(count) = self.by_rule.get_mut(rule) {
            *count -= 1;
            if *count == 0 {
                self.by_rule.remove(rule);
            }
        }
    }
}

/// A duration that was checked to be no longer than days.
fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
