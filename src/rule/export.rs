//! Rules compiled down to the filters that AWS applies itself, so that it sends less: filter patterns of CloudWatch Logs
//! and event patterns of EventBridge.
//!
//! What comes out lets every event through that one of the rules it covers would match, and some others; whatever it lets
//! through is judged by the rules again. Where the services' limits are too narrow it is widened, and says so. What a
//! rule needs is worked out in `need`; a rule of which nothing that every match needs can be said is not covered.

use super::Rule;
use crate::condition::{Condition, Field, Predicate};

mod event_pattern;
mod filter_pattern;
mod need;

use need::{How, NAME, READ_ONLY, SOURCE, Way};

/// The longest event pattern that EventBridge takes, in characters.
pub const EVENT_PATTERN_LENGTH_MAX: usize = event_pattern::LENGTH_MAX;

/// The filters that AWS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One filter pattern of CloudWatch Logs, for a log group that CloudTrail delivers to.
    FilterPattern,
    /// Event patterns of EventBridge, for rules of the default bus.
    EventPattern,
}

/// What rules were compiled into.
#[derive(Debug)]
pub struct Export<'r> {
    /// The patterns: an event has to fit one of them. None if no pattern can say it, and all events have to be read.
    pub patterns: Vec<Exported>,
    /// What became of each rule.
    pub coverage: Vec<Coverage<'r>>,
    /// Where the patterns let more through than the rules need, for the sake of the limits.
    pub widened: Vec<String>,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its text.
    pub text: String,
    /// Whether the events it is for may only read. EventBridge leaves those out, unless its rule asks for them.
    pub reads: bool,
}

/// What became of a rule.
#[derive(Debug)]
pub struct Coverage<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Why the patterns do not reach it; empty if they do.
    pub unreached: Vec<String>,
    /// The fields by which alone the patterns reach it in some way, where most events have the same few values in them.
    pub loosely_by: Vec<&'static str>,
    /// The calls among those it is about that trails carry only where their event selectors ask for them.
    pub data_events: Vec<String>,
}

impl Export<'_> {
    /// Whether every event that any of the rules matches fits a pattern.
    pub fn is_complete(&self) -> bool {
        !self.patterns.is_empty() && self.coverage.iter().all(|coverage| coverage.unreached.is_empty())
    }
}

/// Compiles rules.
pub fn export(rules: &[Rule], target: Target) -> Export<'_> {
    let mut ways = Vec::new();
    let mut coverage = Vec::new();
    for rule in rules {
        let own = sayable(need::ways(&rule.condition), target);
        let is_reached = !own.iter().any(Way::is_anything);
        let unreached = if is_reached { Vec::new() } else { reasons(&rule.condition, target) };
        let loosely_by = own.iter().find(|way| is_loose(way)).map_or(Vec::new(), |way| way.0.keys().copied().collect());
        coverage.push(Coverage { rule, unreached, loosely_by, data_events: data_events(&own) });
        if is_reached {
            ways.extend(own);
        }
    }
    let ways = need::without_subsumed(need::compact(ways));
    let mut widened = Vec::new();
    let patterns = match target {
        Target::FilterPattern => filter_pattern::write(ways, &mut widened).into_iter().collect(),
        Target::EventPattern => event_pattern::write(ways, &mut widened),
    };
    Export { patterns, coverage, widened }
}

/// Leaves out what the language has no words for.
fn sayable(ways: Vec<Way>, target: Target) -> Vec<Way> {
    let known = ways.into_iter().map(|mut way| {
        way.0.retain(|_, values| match target {
            Target::FilterPattern => values.iter().all(filter_pattern::can_say),
            Target::EventPattern => true,
        });
        way
    });
    need::compact(known.collect())
}

/// Whether a way asks only for what most events have.
fn is_loose(way: &Way) -> bool {
    const COMMON: [&str; 7] = [
        "awsRegion",
        "eventCategory",
        "eventType",
        "managementEvent",
        READ_ONLY,
        "recipientAccountId",
        "userIdentity.type",
    ];
    way.0.iter().all(|(field, values)| COMMON.contains(field) && !values.iter().any(is_rare))
}

/// Root does little.
fn is_rare(wanted: &need::Wanted) -> bool {
    matches!(&wanted.how, How::Equals(text) if text == "Root")
}

/// The calls that are data events, of services that a way names together with them.
fn data_events(ways: &[Way]) -> Vec<String> {
    let mut found = Vec::new();
    for way in ways {
        let (sources, names) = (equals(way, SOURCE), equals(way, NAME));
        for (source, calls) in super::lint::DATA_EVENTS {
            let called = names.iter().filter(|name| sources.contains(source) && calls.contains(name));
            found.extend(called.map(|name| (*name).to_owned()));
        }
    }
    found
}

/// The exact values that a way wants of a field.
fn equals<'w>(way: &'w Way, field: &str) -> Vec<&'w str> {
    let exact = |wanted: &'w need::Wanted| match &wanted.how {
        How::Equals(text) if !wanted.nocase => Some(text.as_str()),
        _ => None,
    };
    way.0.get(field).into_iter().flatten().filter_map(exact).collect()
}

/// Whether what a way is for surely changes something.
fn writes_only(way: &Way) -> bool {
    way.0.get(READ_ONLY).is_some_and(|values| values.iter().all(|wanted| wanted.how == How::Flag(false)))
}

/// How many reasons are given.
const REASONS_MAX: usize = 3;

/// Why nothing can be said that every match needs.
fn reasons(condition: &Condition, target: Target) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    condition.visit(&mut |predicate| {
        let reason = reason(predicate, target);
        if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    });
    reasons
}

fn reason(predicate: &Predicate, target: Target) -> String {
    let Predicate { field, test } = predicate;
    match field {
        Field::Derived(_) => format!("`{field}` is worked out here"),
        Field::Anywhere => "it searches the whole record".to_owned(),
        Field::Path(path) | Field::Enveloped(path) if need::field(path).is_none() => {
            format!("`{field}` is no field that is spelt the same in every record")
        }
        _ if test.nocase() && target == Target::FilterPattern => format!("`{field}` is compared in any case"),
        _ => format!("`{field}` {}: not every match needs it, or no filter can say it", test.operator()),
    }
}
