//! What must be true: who was promised what, what is safe on the disk, and what each sink has.
//!
//! The ledger sees every transaction, every entry of the outbox and every delivery, and keeps its own account of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use trailwatch::event::EventKey;
use trailwatch::finding::Finding;
use trailwatch::pipeline::Route;
use trailwatch::store::{Entry, Settlement, Transaction};

use super::plan::{self, Ids, Occasion, Plan};

/// The account of one run.
#[derive(Default)]
pub struct Ledger {
    /// The ids of a run without faults; `None` in that run itself.
    expected_ids: Option<Ids>,
    /// The ids that findings had, wherever they were seen.
    ids: Ids,
    safe: HashSet<EventKey>,
    /// Of sources: the newest safe position.
    pub positions: BTreeMap<String, String>,
    /// By sink and occasion: what is safe in the outbox.
    owed: BTreeMap<(String, Occasion), Owed>,
    /// By sink and number: the entries of the outbox.
    entries: BTreeMap<(String, u64), Known>,
    /// By sink and occasion: how often the receiver has it.
    accepted: BTreeMap<(String, Occasion), u64>,
    refused: BTreeSet<(String, Occasion)>,
    printed: BTreeMap<Occasion, u64>,
    /// What a commit was about that failed: it may have come through all the same.
    doubtful: BTreeSet<Occasion>,
}

/// A finding that the outbox has for a sink.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
enum Owed {
    #[default]
    Waiting,
    Delivered,
    Dead,
}

struct Known {
    occasion: Occasion,
    is_settled: bool,
    due_ms: i64,
}

/// What a finding is about.
pub fn occasion(finding: &Finding) -> Occasion {
    (finding.rule.id.clone(), plan::number(&finding.event_ids[0]))
}

type Held = Result<(), String>;

fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Ledger {
    /// An account that knows the ids of a run without faults.
    pub fn knowing(ids: Ids) -> Self {
        Self { expected_ids: Some(ids), ..Self::default() }
    }

    /// The ids that findings had.
    pub fn ids(&self) -> Ids {
        self.ids.clone()
    }

    /// Whether the transaction that an event came in is sure to survive.
    pub fn is_safe(&self, key: &EventKey) -> bool {
        self.safe.contains(key)
    }

    /// Whether anything at all is safe.
    pub fn has_any(&self) -> bool {
        !self.safe.is_empty() || !self.positions.is_empty()
    }

    /// A finding is seen: it has the one id of its occasion.
    fn see(&mut self, finding: &Finding) -> Result<Occasion, String> {
        let occasion = occasion(finding);
        if let Some(expected) = &self.expected_ids {
            let expected = expected.get(&occasion);
            hold(expected == Some(&finding.id), || {
                format!("{occasion:?} has the id {}, and {expected:?} without faults", finding.id)
            })?;
        }
        let id = self.ids.entry(occasion.clone()).or_insert_with(|| finding.id.clone()).clone();
        hold(id == finding.id, || format!("{occasion:?} has two ids: {id} and {}", finding.id))?;
        Ok(occasion)
    }

    /// A transaction is in the store, which says so.
    pub fn committed(&mut self, transaction: &Transaction, unsynced: usize) -> Held {
        hold(unsynced == 0, || format!("a commit leaves {unsynced} writes that a power cut undoes"))?;
        for key in &transaction.seen {
            hold(self.safe.insert(*key), || "an event is committed twice".to_owned())?;
        }
        for checkpoint in &transaction.checkpoints {
            self.positions.insert(checkpoint.source.to_string(), checkpoint.position.clone());
        }
        for outgoing in &transaction.outgoing {
            let occasion = self.see(&outgoing.finding)?;
            let owed = self.owed.insert((outgoing.sink.to_string(), occasion.clone()), Owed::Waiting);
            hold(owed.is_none(), || format!("{occasion:?} is put into the outbox twice"))?;
        }
        Ok(())
    }

    /// A transaction failed, and is brought again. It may be there all the same.
    pub fn failed(&mut self, transaction: &Transaction) {
        self.doubtful.extend(transaction.findings.iter().map(|finding| occasion(finding)));
    }

    /// The outbox gives an entry to a courier.
    pub fn due(&mut self, entry: &Entry, now_ms: i64) -> Held {
        let occasion = self.see(&entry.finding)?;
        let key = (entry.sink.to_string(), entry.number);
        let twin = self
            .entries
            .iter()
            .find(|(other, known)| other.0 == key.0 && other.1 != key.1 && known.occasion == occasion);
        hold(twin.is_none(), || format!("{occasion:?} is twice in the outbox for {}", key.0))?;
        let known =
            self.entries.entry(key).or_insert(Known { occasion: occasion.clone(), is_settled: false, due_ms: 0 });
        hold(known.occasion == occasion, || format!("the number of {:?} is used again", known.occasion))?;
        hold(!known.is_settled, || format!("{occasion:?} was settled for {}, and comes again", entry.sink))?;
        hold(known.due_ms <= now_ms, || format!("{occasion:?} comes before it is due"))
    }

    /// What became of entries is on the disk.
    pub fn settled(&mut self, sink: &str, settlements: &[Settlement], unsynced: usize) -> Held {
        hold(unsynced == 0, || format!("a settlement leaves {unsynced} writes that a power cut undoes"))?;
        for settlement in settlements {
            let (number, end) = match settlement {
                Settlement::Delivered { number } => (*number, Some(Owed::Delivered)),
                Settlement::Dead { number, .. } => (*number, Some(Owed::Dead)),
                Settlement::Again { number, .. } => (*number, None),
            };
            let known = self.entries.get_mut(&(sink.to_owned(), number)).ok_or("a settlement of nothing")?;
            if let Settlement::Again { due_ms, .. } = settlement {
                known.due_ms = *due_ms;
            }
            let Some(end) = end else { continue };
            known.is_settled = true;
            let key = (sink.to_owned(), known.occasion.clone());
            match end {
                Owed::Dead => {
                    hold(self.refused.contains(&key), || format!("{key:?} is given up, and was not refused"))?
                }
                _ => hold(self.accepted.contains_key(&key), || format!("{key:?} counts as delivered, and is not"))?,
            }
            self.owed.insert(key, end);
        }
        Ok(())
    }

    /// A receiver has a finding.
    pub fn accepted(&mut self, sink: &str, finding: &Finding) -> Held {
        let key = (sink.to_owned(), self.see(finding)?);
        *self.accepted.entry(key).or_default() += 1;
        Ok(())
    }

    /// A receiver will never have a finding.
    pub fn refused(&mut self, sink: &str, finding: &Finding) -> Held {
        let key = (sink.to_owned(), self.see(finding)?);
        self.refused.insert(key);
        Ok(())
    }

    /// A finding is printed, which is done once at most.
    pub fn printed(&mut self, finding: &Finding) -> Held {
        let occasion = self.see(finding)?;
        let times = self.printed.entry(occasion.clone()).or_default();
        *times += 1;
        hold(*times == 1, || format!("{occasion:?} is printed twice"))
    }

    /// A new life finds what the ones before have left: all that was safe, and maybe what they were about to make so.
    pub fn reopened(&mut self, seen: &[EventKey], waiting: &[Entry]) -> Held {
        let seen: HashSet<&EventKey> = seen.iter().collect();
        let forgotten = self.safe.iter().filter(|key| !seen.contains(key)).count();
        hold(forgotten == 0, || format!("{forgotten} events that were safe are forgotten"))?;
        let waiting: BTreeSet<(String, Occasion)> =
            waiting.iter().map(|entry| (entry.sink.to_string(), occasion(&entry.finding))).collect();
        let mut owed = self.owed.iter().filter(|(_, owed)| **owed == Owed::Waiting).map(|(key, _)| key);
        // A settlement that was under way may hold.
        let lost =
            owed.find(|key| !waiting.contains(key) && !self.accepted.contains_key(key) && !self.refused.contains(key));
        hold(lost.is_none(), || format!("{lost:?} was in the outbox, and is not any more"))?;
        self.safe.extend(seen);
        Ok(())
    }

    /// The end: every sink has all that it is to have, and nothing else.
    pub fn complete(&self, plan: &Plan, routes: &[Route], is_calm: bool) -> Held {
        for route in routes {
            let expected = plan.expected(route);
            for occasion in &expected {
                let key = (route.sink.to_string(), occasion.clone());
                let times = self.accepted.get(&key).copied().unwrap_or_default();
                let is_refused = self.refused.contains(&key);
                hold(times > 0 || is_refused, || format!("{} never had {occasion:?}", route.sink))?;
                hold(!is_calm || times <= 1, || format!("{} has {occasion:?} {times} times", route.sink))?;
            }
            let has = self.accepted.keys().chain(&self.refused).filter(|(sink, _)| *sink == *route.sink);
            let foreign: Vec<_> = has.filter(|(_, occasion)| !expected.contains(occasion)).collect();
            hold(foreign.is_empty(), || format!("{} has what is not for it: {foreign:?}", route.sink))?;
        }
        hold(!is_calm || self.printed.len() == self.ids.len(), || "not everything was printed".to_owned())
    }

    /// How often sinks had what they had already.
    pub fn repeats(&self) -> u64 {
        self.accepted.values().map(|times| times - 1).sum()
    }

    /// How much they had.
    pub fn deliveries(&self) -> u64 {
        self.accepted.values().sum()
    }
}
