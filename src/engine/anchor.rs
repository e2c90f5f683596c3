//! By what a rule can be found: values of which an event must have one for the rule to match at all.
//!
//! Of the sets of values that are necessary the most selective is taken, and never one that most events have. Where a
//! rule names both the service and the call, the two together are one key.

use crate::condition::{Condition, Field, Literal, Predicate, Test};

/// Keys of which an event must have at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    /// The keys.
    pub keys: Vec<Key>,
    /// How many events they are thought to let through: less is better.
    cost: u32,
}

/// One or two exact values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A field has this string among its values.
    One(Field, String),
    /// Two fields have these strings among their values.
    Two((Field, String), (Field, String)),
}

/// The most pairs that one rule may be found by.
const PAIRS_MAX: usize = 4_096;

/// The best anchors of a condition; `None` if it may hold of any event.
pub fn of(condition: &Condition) -> Option<Anchors> {
    match condition {
        Condition::Is(predicate) => of_predicate(predicate),
        Condition::Not(_) => None,
        Condition::Any(inner) => of_any(inner),
        Condition::All(inner) => of_all(inner),
    }
}

fn of_predicate(predicate: &Predicate) -> Option<Anchors> {
    match &predicate.test {
        // To look all strings of every event up costs more than to evaluate the rule.
        _ if predicate.field == Field::Anywhere => None,
        Test::Equals(Literal::Text(text)) if !text.nocase() => Some(Anchors {
            keys: vec![Key::One(predicate.field.clone(), text.as_str().to_owned())],
            cost: cost(&predicate.field),
        }),
        _ => None,
    }
}

/// Whichever alternative holds, its anchors hold.
fn of_any(inner: &[Condition]) -> Option<Anchors> {
    let mut all = Anchors { keys: Vec::new(), cost: 0 };
    for condition in inner {
        let anchors = of(condition)?;
        all.keys.extend(anchors.keys);
        all.cost = all.cost.max(anchors.cost);
    }
    all.keys.sort();
    all.keys.dedup();
    Some(all)
}

/// Every part holds, so the best of them serves; best of all a service together with a call.
fn of_all(inner: &[Condition]) -> Option<Anchors> {
    let candidates: Vec<Anchors> = inner.iter().filter_map(of).collect();
    let service = candidates.iter().find(|anchors| anchors.are_all_of("eventSource"));
    let call = candidates.iter().find(|anchors| anchors.are_all_of("eventName"));
    if let (Some(service), Some(call)) = (service, call)
        && service.keys.len() * call.keys.len() <= PAIRS_MAX
        && candidates.iter().all(|anchors| anchors.cost >= PAIR_COST)
    {
        return Some(pairs(service, call));
    }
    candidates.into_iter().min_by_key(|anchors| (anchors.cost, anchors.keys.len()))
}

fn pairs(service: &Anchors, call: &Anchors) -> Anchors {
    let mut keys = Vec::with_capacity(service.keys.len() * call.keys.len());
    for service in &service.keys {
        for call in &call.keys {
            if let (Key::One(f, source), Key::One(g, name)) = (service, call) {
                keys.push(Key::Two((f.clone(), source.clone()), (g.clone(), name.clone())));
            }
        }
    }
    Anchors { keys, cost: PAIR_COST }
}

impl Anchors {
    fn are_all_of(&self, name: &str) -> bool {
        self.keys.iter().all(|key| matches!(key, Key::One(field, _) if is_field(field, name)))
    }
}

fn is_field(field: &Field, name: &str) -> bool {
    matches!(field, Field::Path(path)
        if path.segments().len() == 1 && path.segments()[0].eq_ignore_ascii_case(name))
}

const PAIR_COST: u32 = 5;

/// What share of events has a given value in the field: a rough order, smallest first.
fn cost(field: &Field) -> u32 {
    match field {
        Field::Anywhere => COMMON,
        Field::Derived(derived) => match derived.name() {
            "api" => 12,
            "service" => 31,
            "actor.name" | "session.name" | "src.ip" | "target.arn" | "target.bucket" | "target.user" => 20,
            _ => COMMON,
        },
        Field::Path(path) => match path.segments() {
            [name] => match name.to_ascii_lowercase().as_str() {
                "eventname" => 10,
                "eventsource" => 30,
                "sourceipaddress" | "useragent" | "errorcode" | "eventid" | "requestid" => 15,
                _ => COMMON,
            },
            [first, second] if first.eq_ignore_ascii_case("userIdentity") => match second.to_ascii_lowercase().as_str()
            {
                "type" | "accountid" => COMMON,
                _ => 20,
            },
            _ => 20,
        },
    }
}

/// A field of which most events have the same few values: regions, accounts, kinds, outcomes.
const COMMON: u32 = 1_000;
