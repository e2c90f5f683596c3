//! What must be true: who was promised what, what is safe on the disk, and what each sink has.
//!
//! The ledger sees every transaction, every entry of the outbox and every delivery, and keeps its own account of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use trailwatch::event::EventKey;
use trailwatch::finding::Finding;
use trailwatch::finding::windows::WindowKey;
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
    /// The same the other way round.
    occasions: BTreeMap<String, Occasion>,
    /// Of the storm's findings: their group.
    groups: BTreeMap<Occasion, String>,
    /// Windows that are open.
    windows: BTreeSet<WindowKey>,
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
}

/// A finding that the outbox has for a sink.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owed {
    Waiting,
    Delivered,
    Dead,
}

struct Known {
    occasion: Occasion,
    is_settled: bool,
    due_ms: i64,
    /// When it was tried; a clock that is set back ends its wait.
    tried_ms: i64,
}

/// What a finding is about.
fn occasion(finding: &Finding) -> Occasion {
    match &finding.digest {
        Some(digest) => (format!("{} beside {}", finding.rule.id, digest.of), digest.count),
        None => (finding.rule.id.clone(), plan::number(&finding.event_ids[0])),
    }
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
        if plan::is_of_storm(finding) {
            let group = finding.group.first().and_then(|group| group.value.clone());
            self.groups.insert(occasion.clone(), group.unwrap_or_default());
        } else if let Some(expected) = &self.expected_ids {
            let expected = expected.get(&occasion);
            hold(expected == Some(&finding.id), || {
                format!("{occasion:?} has the id {}, and {expected:?} without faults", finding.id)
            })?;
        }
        let id = self.ids.entry(occasion.clone()).or_insert_with(|| finding.id.clone()).clone();
        hold(id == finding.id, || format!("{occasion:?} has two ids: {id} and {}", finding.id))?;
        let other = self.occasions.entry(finding.id.clone()).or_insert_with(|| occasion.clone());
        hold(*other == occasion, || format!("{other:?} and {occasion:?} have one id"))?;
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
        for (key, window) in &transaction.windows {
            match window {
                Some(_) => self.windows.insert(*key),
                None => self.windows.remove(key),
            };
        }
        for outgoing in &transaction.outgoing {
            let occasion = self.see(&outgoing.finding)?;
            // A commit that failed may have come through, and what it was about may be delivered before this one.
            let key = (outgoing.sink.to_string(), occasion);
            hold(self.owed.get(&key) != Some(&Owed::Waiting), || format!("{key:?} is put into the outbox twice"))?;
            self.owed.entry(key).or_insert(Owed::Waiting);
        }
        Ok(())
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
        let known = self.entries.entry(key).or_insert(Known {
            occasion: occasion.clone(),
            is_settled: false,
            due_ms: 0,
            tried_ms: 0,
        });
        hold(known.occasion == occasion, || format!("the number of {:?} is used again", known.occasion))?;
        hold(!known.is_settled, || format!("{occasion:?} was settled for {}, and comes again", entry.sink))?;
        let touched_ms = if known.tried_ms == 0 { entry.since_ms } else { known.tried_ms };
        let is_due = known.due_ms <= now_ms || now_ms < touched_ms;
        hold(is_due, || format!("{occasion:?} comes before it is due"))
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
            if let Settlement::Again { tried_ms, due_ms, .. } = settlement {
                (known.tried_ms, known.due_ms) = (*tried_ms, *due_ms);
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
    pub fn reopened(&mut self, seen: &[EventKey], windows: BTreeSet<WindowKey>, waiting: &[Entry]) -> Held {
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
        self.windows = windows;
        Ok(())
    }

    /// How many windows are open.
    pub fn windows_open(&self) -> usize {
        self.windows.len()
    }

    /// The end: every sink has all that it is to have, and nothing else.
    pub fn complete(&self, plan: &Plan, routes: &[Route], is_calm: bool) -> Held {
        for route in routes {
            self.complete_sink(plan, route)?;
        }
        let repeated = self.accepted.iter().find(|(_, times)| **times > 1);
        hold(!is_calm || repeated.is_none(), || format!("without a fault {repeated:?}"))?;
        hold(!is_calm || self.printed.len() == self.ids.len(), || "not everything was printed".to_owned())
    }

    fn complete_sink(&self, plan: &Plan, route: &Route) -> Held {
        let sink = &*route.sink;
        let all = self.accepted.keys().chain(&self.refused).filter(|(other, _)| other == sink);
        let all: BTreeSet<&Occasion> = all.map(|(_, occasion)| occasion).collect();
        let (of_storm, others): (BTreeSet<&Occasion>, BTreeSet<&Occasion>) =
            all.into_iter().partition(|occasion| self.groups.contains_key(*occasion));
        let expected = plan.expected(route);
        let lost = expected.iter().find(|occasion| !others.contains(occasion));
        hold(lost.is_none(), || format!("{sink} never had {lost:?}"))?;
        let foreign = others.iter().find(|occasion| !expected.contains(**occasion));
        hold(foreign.is_none(), || format!("{sink} has {foreign:?}, which is not for it"))?;
        let (told, expected) = (self.told_of_storm(&of_storm), plan.expected_of_storm(route));
        hold(told == expected, || format!("{sink} is told of {told:?} matches of the storm, of {expected:?}"))
    }

    /// How many matches findings and digests tell of, by group.
    fn told_of_storm(&self, occasions: &BTreeSet<&Occasion>) -> BTreeMap<String, u64> {
        let mut told = BTreeMap::new();
        for occasion in occasions {
            let is_digest = occasion.0.contains(" beside ");
            *told.entry(self.groups[*occasion].clone()).or_default() += if is_digest { occasion.1 } else { 1 };
        }
        told
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
