//! The messages that are held: received, and neither deleted nor given back. Pure: time is an argument.
//!
//! A message is one or several *parts*, each of which is a delivery: the message itself, or an object that it names. It is
//! deleted when all its parts are committed. If one of them could not be read or decoded, the message is *left*: it becomes
//! visible again after a wait that grows with the times it was received, until the queue's redrive policy moves it to the
//! dead-letter queue.
//!
//! ```text
//! receive ─▶ working ──all parts committed──▶ to be deleted ─▶ gone
//!             │  ▲ └────one part spoilt─────▶ to be left ────▶ gone
//!             └──┘ kept hidden at half of the visibility
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::delivery::Receipt;

/// The longest wait before a message that was left is visible again.
const LEFT_MS_MAX: i64 = 15 * 60_000;

/// SQS hides no message for longer than this after it was received.
const HIDDEN_MS_MAX: i64 = 12 * 3_600_000;

/// How long after a failed call the next is made for the same message.
const RETRY_MS: i64 = 2_000;

/// A message's number here, counted from 1.
pub(super) type Number = u64;

/// What is to be done about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Delete it.
    Delete,
    /// Show it again after so many seconds.
    Leave(i32),
    /// Hide it for longer.
    Hide,
}

/// One line of work for SQS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) number: Number,
    pub(super) handle: String,
    pub(super) need: Need,
}

/// What became of taking a message in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New(Number),
    /// It is held already; from now on by its newer handle.
    Repeat,
}

#[derive(Debug)]
struct Message {
    id: String,
    handle: String,
    received: u32,
    /// Parts that are neither committed nor spoilt.
    open: usize,
    spoilt: bool,
    since_ms: i64,
    /// When something is to be done next while it is worked on; `None` once SQS will hide it no longer.
    hide_ms: Option<i64>,
    /// When what is to be done at the end may be tried.
    end_ms: i64,
}

/// All messages that are held.
#[derive(Debug)]
pub(super) struct Held {
    visibility_ms: i64,
    messages: BTreeMap<Number, Message>,
    numbers: HashMap<String, Number>,
    receipts: HashMap<Receipt, Number>,
    messages_seen: u64,
    receipts_issued: u64,
}

impl Held {
    pub(super) fn new(visibility_ms: i64) -> Self {
        Self {
            visibility_ms,
            messages: BTreeMap::new(),
            numbers: HashMap::new(),
            receipts: HashMap::new(),
            messages_seen: 0,
            receipts_issued: 0,
        }
    }

    /// Whether SQS hides a message no longer: it takes half a day from its receipt at most.
    pub(super) fn is_hidden_no_longer(&self, number: Number, now_ms: i64) -> bool {
        self.messages.get(&number).is_none_or(|message| now_ms >= self.hidden_until_ms(message))
    }

    fn hidden_until_ms(&self, message: &Message) -> i64 {
        message.since_ms + HIDDEN_MS_MAX - self.visibility_ms
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes in a message that was received for the `received`th time, with so many parts.
    pub(super) fn take(&mut self, id: &str, handle: String, received: u32, parts: usize, now_ms: i64) -> Taken {
        let hide_ms = Some(now_ms + self.visibility_ms / 2);
        if let Some(message) = self.numbers.get(id).and_then(|number| self.messages.get_mut(number)) {
            // Answers of calls side by side may overtake each other; the handle of the last receipt is the one that counts.
            if received >= message.received {
                (message.handle, message.received, message.since_ms) = (handle, received, now_ms);
                message.hide_ms = hide_ms;
            }
            return Taken::Repeat;
        }
        self.messages_seen += 1;
        let number = self.messages_seen;
        let id = id.to_owned();
        self.numbers.insert(id.clone(), number);
        let message =
            Message { id, handle, received, open: parts, spoilt: false, since_ms: now_ms, hide_ms, end_ms: now_ms };
        self.messages.insert(number, message);
        Taken::New(number)
    }

    /// The receipt of a part that is handed over.
    pub(super) fn issue(&mut self, number: Number) -> Receipt {
        self.receipts_issued += 1;
        let receipt = Receipt(self.receipts_issued);
        self.receipts.insert(receipt, number);
        receipt
    }

    /// Takes receipts as committed, or as those of parts that nobody could decode. Returns how many messages are to be left.
    pub(super) fn settle(&mut self, receipts: &[Receipt], spoilt: bool, now_ms: i64) -> u64 {
        let mut left = 0;
        for receipt in receipts {
            if let Some(number) = self.receipts.remove(receipt) {
                left += u64::from(self.close_part(number, spoilt, now_ms));
            }
        }
        left
    }

    /// Takes in that a part could not be read. Returns whether the message is to be left now.
    pub(super) fn spoil(&mut self, number: Number, now_ms: i64) -> bool {
        self.close_part(number, true, now_ms)
    }

    fn close_part(&mut self, number: Number, spoilt: bool, now_ms: i64) -> bool {
        let Some(message) = self.messages.get_mut(&number) else { return false };
        message.open = message.open.saturating_sub(1);
        message.spoilt |= spoilt;
        message.end_ms = now_ms;
        message.open == 0 && message.spoilt
    }

    /// What is to be done by now, deletions first; no more than `count` of either kind.
    pub(super) fn jobs(&self, now_ms: i64, count: usize) -> (Vec<Job>, Vec<Job>) {
        let (mut deletions, mut changes) = (Vec::new(), Vec::new());
        for (&number, message) in &self.messages {
            let Some(need) = self.need(message, now_ms) else { continue };
            let list = if need == Need::Delete { &mut deletions } else { &mut changes };
            if list.len() < count {
                list.push(Job { number, handle: message.handle.clone(), need });
            }
        }
        (deletions, changes)
    }

    /// A time further off than it can have been set to is past as well: the clock was set back.
    fn need(&self, message: &Message, now_ms: i64) -> Option<Need> {
        let is_due = |due_ms: i64, wait_ms: i64| due_ms <= now_ms || due_ms - now_ms > wait_ms;
        let is_over = message.open == 0;
        if is_over && is_due(message.end_ms, RETRY_MS) {
            return Some(if message.spoilt { Need::Leave(self.left_seconds(message.received)) } else { Need::Delete });
        }
        let hide = message.hide_ms.is_some_and(|hide_ms| is_due(hide_ms, self.visibility_ms));
        (!is_over && hide).then_some(Need::Hide)
    }

    /// When something is to be done next.
    pub(super) fn next_ms(&self) -> Option<i64> {
        let next = |message: &Message| if message.open == 0 { Some(message.end_ms) } else { message.hide_ms };
        self.messages.values().filter_map(next).min()
    }

    fn left_seconds(&self, received: u32) -> i32 {
        let wait_ms = self.visibility_ms.saturating_mul(1 << received.saturating_sub(1).min(16)).min(LEFT_MS_MAX);
        i32::try_from(wait_ms.max(self.visibility_ms) / 1_000).unwrap_or(i32::MAX)
    }

    /// A job that was begun at `began_ms` is done.
    pub(super) fn done(&mut self, job: &Job, began_ms: i64) {
        if job.need != Need::Hide {
            return self.forget(job.number);
        }
        let next_ms = began_ms + self.visibility_ms / 2;
        let until_ms = self.messages.get(&job.number).map_or(0, |message| self.hidden_until_ms(message));
        if let Some(message) = self.messages.get_mut(&job.number) {
            message.hide_ms = (next_ms < until_ms).then_some(next_ms);
        }
    }

    /// A job failed, and may be done later.
    pub(super) fn failed(&mut self, job: &Job, now_ms: i64) {
        let Some(message) = self.messages.get_mut(&job.number) else { return };
        match job.need {
            Need::Hide => message.hide_ms = Some(now_ms + RETRY_MS.min(self.visibility_ms / 4)),
            Need::Delete | Need::Leave(_) => message.end_ms = now_ms + RETRY_MS,
        }
    }

    /// SQS no longer takes a message's handle: it has been visible again. Work on it goes on; it will come again.
    pub(super) fn lost(&mut self, job: &Job) {
        match self.messages.get_mut(&job.number) {
            // Somebody else, or we, received it since: then the newer handle counts.
            Some(message) if message.handle != job.handle => {}
            Some(message) if message.open > 0 => message.hide_ms = None,
            Some(_) => self.forget(job.number),
            None => {}
        }
    }

    fn forget(&mut self, number: Number) {
        if let Some(message) = self.messages.remove(&number) {
            self.numbers.remove(&message.id);
        }
    }

    /// Gives up all that is worked on: those messages are to be shown to others at once. What is to be deleted or left
    /// stays so.
    pub(super) fn give_back(&mut self) -> Vec<Job> {
        self.receipts.clear();
        let open: Vec<Number> =
            self.messages.iter().filter(|(_, message)| message.open > 0).map(|(&number, _)| number).collect();
        let jobs = open.into_iter().filter_map(|number| {
            let handle = self.messages.get(&number)?.handle.clone();
            self.forget(number);
            Some(Job { number, handle, need: Need::Leave(0) })
        });
        jobs.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VISIBILITY_MS: i64 = 60_000;

    fn held() -> Held {
        Held::new(VISIBILITY_MS)
    }

    fn take(held: &mut Held, id: &str, received: u32, parts: usize, now_ms: i64) -> (Number, Vec<Receipt>) {
        let Taken::New(number) = held.take(id, format!("handle of {id}"), received, parts, now_ms) else {
            panic!("{id}")
        };
        (number, (0..parts).map(|_| held.issue(number)).collect())
    }

    fn needs(held: &Held, now_ms: i64) -> Vec<(Number, Need)> {
        let (deletions, changes) = held.jobs(now_ms, 10);
        deletions.iter().chain(&changes).map(|job| (job.number, job.need)).collect()
    }

    fn job(held: &Held, now_ms: i64) -> Job {
        let (deletions, changes) = held.jobs(now_ms, 10);
        deletions.into_iter().chain(changes).next().unwrap()
    }

    #[test]
    fn a_message_is_deleted_when_all_its_parts_are_committed() {
        let mut held = held();
        let (number, receipts) = take(&mut held, "a", 1, 2, 0);
        assert_eq!(held.settle(&receipts[..1], false, 5), 0);
        assert_eq!(needs(&held, 5), []);
        held.settle(&receipts[1..], false, 6);
        assert_eq!(needs(&held, 6), [(number, Need::Delete)]);
        let job = job(&held, 6);
        held.done(&job, 6);
        assert_eq!((held.len(), held.next_ms()), (0, None));
    }

    #[test]
    fn a_message_with_a_spoilt_part_is_left_for_longer_each_time() {
        for (received, seconds) in [(1, 60), (2, 120), (3, 240), (5, 900), (40, 900), (0, 60)] {
            let mut held = held();
            let (number, receipts) = take(&mut held, "a", received, 2, 0);
            assert!(!held.spoil(number, 1));
            assert_eq!(needs(&held, 1), []);
            assert_eq!(held.settle(&receipts[..1], false, 2), 1);
            assert_eq!(needs(&held, 2), [(number, Need::Leave(seconds))], "{received}");
        }
    }

    #[test]
    fn what_is_worked_on_is_kept_hidden_for_half_a_day() {
        let mut held = held();
        let (number, _) = take(&mut held, "a", 1, 1, 0);
        assert_eq!(needs(&held, 29_999), []);
        let (mut now_ms, mut calls) = (30_000, 0);
        while held.next_ms() == Some(now_ms) {
            assert_eq!(needs(&held, now_ms), [(number, Need::Hide)]);
            let job = job(&held, now_ms);
            held.done(&job, now_ms);
            (now_ms, calls) = (now_ms + 30_000, calls + 1);
        }
        assert!((HIDDEN_MS_MAX - 120_000..=HIDDEN_MS_MAX).contains(&now_ms), "{now_ms}");
        assert_eq!((needs(&held, i64::MAX), calls), (vec![], 1_437));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut held = held();
        let (open, _) = take(&mut held, "open", 1, 1, 10_000_000);
        let (done, receipts) = take(&mut held, "done", 1, 1, 10_000_000);
        held.settle(&receipts, false, 10_000_000);
        assert_eq!(needs(&held, 5_000_000), [(done, Need::Delete), (open, Need::Hide)]);
    }

    #[test]
    fn a_call_that_fails_is_made_again_a_little_later() {
        let mut held = held();
        let (number, receipts) = take(&mut held, "a", 1, 1, 0);
        let hide = job(&held, 30_000);
        held.failed(&hide, 30_000);
        assert_eq!((needs(&held, 31_999), needs(&held, 32_000)), (vec![], vec![(number, Need::Hide)]));
        held.settle(&receipts, false, 33_000);
        let delete = job(&held, 33_000);
        held.failed(&delete, 33_000);
        assert_eq!((needs(&held, 34_999), held.next_ms()), (vec![], Some(35_000)));
        assert_eq!(needs(&held, 35_000), [(number, Need::Delete)]);
    }

    #[test]
    fn a_message_that_comes_again_is_held_by_its_newer_handle() {
        let mut held = held();
        let (_, receipts) = take(&mut held, "a", 1, 1, 0);
        let hide = job(&held, 30_000);
        held.lost(&hide);
        assert_eq!(held.next_ms(), None);
        assert_eq!(held.take("a", "newer".into(), 2, 1, 70_000), Taken::Repeat);
        held.lost(&hide);
        assert_eq!((held.len(), held.next_ms()), (1, Some(100_000)));
        assert_eq!(held.take("a", "overtaken".into(), 1, 1, 71_000), Taken::Repeat);
        held.settle(&receipts, false, 80_000);
        assert_eq!(job(&held, 80_000).handle, "newer");
        held.lost(&hide);
        assert_eq!(held.len(), 1, "only the older handle is lost");
    }

    #[test]
    fn what_is_lost_at_its_end_is_forgotten() {
        let mut held = held();
        let (_, receipts) = take(&mut held, "a", 1, 1, 0);
        held.settle(&receipts, false, 1);
        let delete = job(&held, 1);
        held.lost(&delete);
        assert_eq!(held.len(), 0);
        take(&mut held, "a", 2, 1, 2);
    }

    #[test]
    fn at_the_end_what_is_worked_on_is_given_back_and_the_rest_goes_its_way() {
        let mut held = held();
        let (done, receipts) = take(&mut held, "done", 1, 1, 0);
        let (open, open_receipts) = take(&mut held, "open", 1, 1, 0);
        held.settle(&receipts, false, 1);
        let back = held.give_back();
        assert_eq!(back.iter().map(|job| (job.number, job.need)).collect::<Vec<_>>(), [(open, Need::Leave(0))]);
        assert_eq!(needs(&held, 1), [(done, Need::Delete)]);
        assert_eq!(held.settle(&open_receipts, false, 2), 0);
    }

    proptest! {
        /// Against the plain reading: a message is deleted if and only if all its parts were committed.
        #[test]
        fn a_message_ends_as_its_parts_do(
            messages in prop::collection::vec(prop::collection::vec(0..3_u8, 1..4), 1..12),
            seed in any::<u64>(),
        ) {
            let mut held = held();
            let mut fates = Vec::new();
            for (n, parts) in messages.iter().enumerate() {
                let (number, receipts) = take(&mut held, &n.to_string(), 1, parts.len(), 0);
                fates.extend(receipts.into_iter().zip(parts).map(|(receipt, &fate)| (number, receipt, fate)));
            }
            fastrand::Rng::with_seed(seed).shuffle(&mut fates);
            for (number, receipt, fate) in fates {
                match fate {
                    0 => _ = held.settle(&[receipt], false, 1),
                    1 => _ = held.settle(&[receipt], true, 1),
                    _ => _ = held.spoil(number, 1),
                }
            }
            let (deletions, changes) = held.jobs(1, 100);
            for (n, parts) in messages.iter().enumerate() {
                let (number, is_good) = (n as u64 + 1, parts.iter().all(|&fate| fate == 0));
                prop_assert_eq!(deletions.iter().any(|job| job.number == number), is_good);
                prop_assert_eq!(changes.iter().any(|job| job.number == number), !is_good);
            }
        }
    }
}
