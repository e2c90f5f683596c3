//! By what a rule can be found: values of which an event must have one for the rule to match at all.
//!
//! Of everything that is necessary for a rule the most selective serves as its anchor, and never what most events have
//! if there is anything better. Where a rule names both the service and the call, the two together are one key.

use ipnet::IpNet;

use super::fold::folded;
use super::literal;
use super::spell::is_unspelt;
use crate::condition::list::{List, Values};
use crate::condition::test::strict::Decimal;
use crate::condition::{Comparison, Condition, Field, Literal, Number, Predicate, Strict, Test};
use crate::event::derived;
use crate::event::dictionary::RECORD_FIELDS;

/// Keys of which an event must have at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    /// The keys.
    pub keys: Vec<Key>,
    /// How many events they are thought to let through: less is better.
    pub cost: u32,
}

/// What an event must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A field with a value that fits.
    One(Field, Needle),
    /// Any string that has this in it. Folded.
    Anywhere(String),
    /// Two fields that have these strings among their values, folded.
    Two((Field, String), (Field, String)),
}

/// What one of a field's values must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Needle {
    /// How it must fit.
    pub fit: Fit,
    /// Whether a number counts as its text, and a string that is a number as that number.
    pub loose: bool,
}

/// How a value fits. Strings are folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fit {
    /// It is this string.
    Exact(String),
    /// It starts with this.
    Start(String),
    /// It ends with this.
    End(String),
    /// It has this in it.
    Part(String),
    /// It is an address of this network.
    Network(IpNet),
    /// It is this number, as [`sortable`] has it.
    Equal(i64),
    /// It is this number or less.
    AtMost(i64),
    /// It is this number or more.
    AtLeast(i64),
    /// It is this truth value, or its text.
    Bool(bool),
    /// It is there.
    Present,
}

/// The most keys that one rule is filed under.
const KEYS_MAX: usize = 50_000;
/// The most values of a list that a rule is filed under.
const LISTED_MAX: usize = 10_000;
/// The most pairs of a service and a call among them.
const PAIRS_MAX: usize = 4_096;
/// How many ways to find a rule are weighed against each other.
const CHOICES_MAX: usize = 8;
/// The most bytes of a string that are looked for within values.
const PART_BYTES_MAX: usize = 32;
/// The fewest: what is shorter stands in too many values.
const PART_BYTES_MIN: usize = 2;
/// The fewest that are looked for in all that an event says.
const ANYWHERE_BYTES_MIN: usize = 3;

/// From this cost on, anchors are so common that nothing is gained by them.
pub const COMMON: u32 = 1_000;

/// A 64-bit float as an integer of the same order.
pub fn sortable(number: f64) -> i64 {
    // Zero has two signs and one meaning.
    let bits = (number + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The ways in which the rule with this condition can be found, the most selective first; none if it may match any
/// event.
pub fn choices(condition: &Condition) -> Vec<Anchors> {
    let mut choices = match condition {
        Condition::Is(predicate) => of_predicate(predicate).into_iter().collect(),
        Condition::Not(_) => Vec::new(),
        Condition::Together(inner) => choices(inner),
        Condition::Any(inner) => of_any(inner).into_iter().collect(),
        Condition::All(inner) => of_all(inner),
    };
    choices.sort_by_key(|anchors: &Anchors| (anchors.cost, anchors.keys.len()));
    choices.truncate(CHOICES_MAX);
    choices
}

fn of_predicate(predicate: &Predicate) -> Option<Anchors> {
    if predicate.field.is_deep() || is_unspelt(&predicate.field) {
        return None;
    }
    let (test, loose) = match &predicate.test {
        Test::Loosely(test) => (&**test, true),
        test => (test, false),
    };
    let fits = fits(test);
    if predicate.field == Field::Anywhere {
        return anywhere(fits);
    }
    let cost = fits.iter().map(|fit| cost(&predicate.field, fit)).max()?;
    let key = |fit| Key::One(predicate.field.clone(), Needle { fit, loose });
    Some(Anchors { keys: fits.into_iter().map(key).collect(), cost })
}

/// The whole text of the event is looked at, and what is short stands in most of them.
fn anywhere(fits: Vec<Fit>) -> Option<Anchors> {
    let part = |fit| match fit {
        Fit::Exact(text) | Fit::Start(text) | Fit::End(text) | Fit::Part(text) if text.len() >= ANYWHERE_BYTES_MIN => {
            Some(first_part(text))
        }
        _ => None,
    };
    let parts: Vec<String> = fits.into_iter().map(part).collect::<Option<_>>()?;
    let cost = if parts.iter().any(|part| USUAL_VALUES.contains(part.as_str())) { COMMON } else { ANYWHERE_COST };
    (!parts.is_empty()).then(|| Anchors { keys: parts.into_iter().map(Key::Anywhere).collect(), cost })
}

/// As much of a string as is looked for. The predicate judges the rest.
pub fn first_part(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(PART_BYTES_MAX));
    text
}

/// How a value may fit that passes the test: in one of these ways. Every test asks for a value at all.
fn fits(test: &Test) -> Vec<Fit> {
    match test {
        Test::Equals(Literal::Text(text)) => vec![Fit::Exact(folded(text.as_str()))],
        Test::Equals(Literal::Number(number)) => numbered(number, Fit::Equal),
        Test::Equals(Literal::Bool(truth)) => vec![Fit::Bool(*truth)],
        Test::StartsWith(text) => vec![part(text.as_str(), Fit::Start)],
        Test::EndsWith(text) => vec![part_from_end(text.as_str())],
        Test::Contains(text) => vec![part(text.as_str(), Fit::Part)],
        Test::Fits(pattern) => literal::parts(pattern).unwrap_or_else(|| vec![Fit::Present]),
        Test::Strictly(strict) => vec![of_strict(strict)],
        Test::InNetwork(network) => vec![Fit::Network(network.trunc())],
        Test::In(membership) => listed(&membership.list),
        Test::Number(Comparison::Equal, number) => numbered(number, Fit::Equal),
        Test::Number(Comparison::Less | Comparison::LessOrEqual, number) => numbered(number, Fit::AtMost),
        Test::Number(Comparison::Greater | Comparison::GreaterOrEqual, number) => numbered(number, Fit::AtLeast),
        _ => vec![Fit::Present],
    }
}

/// Addresses can be spelt in ways that the index does not read, and letters have forms that it does not fold.
fn of_strict(strict: &Strict) -> Fit {
    let number = |decimal: &Decimal, fit: fn(i64) -> Fit| decimal.value().map(|value| fit(sortable(value)));
    match strict {
        Strict::Flag(truth) => Some(Fit::Bool(*truth)),
        Strict::Number(decimal) => number(decimal, Fit::Equal),
        Strict::Between(Some(low), _) => number(&low.at, Fit::AtLeast),
        Strict::Between(None, Some(high)) => number(&high.at, Fit::AtMost),
        _ => None,
    }
    .unwrap_or(Fit::Present)
}

/// The values of a list, where they are neither none nor too many.
fn listed(list: &List) -> Vec<Fit> {
    let fits: Vec<Fit> = match list.values() {
        Values::Texts(texts) if texts.len() <= LISTED_MAX => {
            texts.iter().map(|text| Fit::Exact(folded(text))).collect()
        }
        Values::Networks(networks) => {
            networks.iter().take(LISTED_MAX + 1).map(|&network| Fit::Network(network)).collect()
        }
        _ => Vec::new(),
    };
    if fits.is_empty() || fits.len() > LISTED_MAX { vec![Fit::Present] } else { fits }
}

/// Floats are less exact than the comparison, so bounds are inclusive.
fn numbered(number: &Number, fit: fn(i64) -> Fit) -> Vec<Fit> {
    vec![number.as_str().parse().map_or(Fit::Present, |number| fit(sortable(number)))]
}

/// The start of a string that must stand in a value.
pub fn part(text: &str, fit: fn(String) -> Fit) -> Fit {
    let text = first_part(folded(text));
    if text.len() < PART_BYTES_MIN { Fit::Present } else { fit(text) }
}

/// The end of a string that a value must end with.
fn part_from_end(text: &str) -> Fit {
    let text = folded(text);
    let from = text.ceil_char_boundary(text.len().saturating_sub(PART_BYTES_MAX));
    if text.len() < PART_BYTES_MIN { Fit::Present } else { Fit::End(text[from..].to_owned()) }
}

/// Whichever alternative holds, its anchors hold.
fn of_any(inner: &[Condition]) -> Option<Anchors> {
    let mut all = Anchors { keys: Vec::new(), cost: 0 };
    for condition in inner {
        let best = choices(condition).into_iter().next()?;
        all.keys.extend(best.keys);
        all.cost = all.cost.max(best.cost);
        if all.keys.len() > KEYS_MAX {
            return None;
        }
    }
    all.keys.sort_unstable();
    all.keys.dedup();
    Some(all)
}

/// Every part holds, so any of them serves; best of all a service together with a call.
fn of_all(inner: &[Condition]) -> Vec<Anchors> {
    let mut all: Vec<Anchors> = inner.iter().flat_map(choices).collect();
    let service = all.iter().find_map(|anchors| anchors.names_of("eventSource"));
    let call = all.iter().find_map(|anchors| anchors.names_of("eventName"));
    if let (Some(service), Some(call)) = (service, call)
        && service.len() * call.len() <= PAIRS_MAX
    {
        let pair = |one: &(Field, String)| call.iter().map(|other| Key::Two(one.clone(), other.clone())).collect();
        let keys = service.iter().flat_map(|one| -> Vec<Key> { pair(one) }).collect();
        let is_everyday = call.iter().any(|(_, name)| is_everyday(name));
        all.push(Anchors { keys, cost: if is_everyday { EVERYDAY_COST } else { PAIR_COST } });
    }
    all
}

impl Anchors {
    /// The strings of which the record's own field of that name must have one, if that is what these anchors say.
    fn names_of(&self, name: &str) -> Option<Vec<(Field, String)>> {
        let named = |key: &Key| match key {
            Key::One(field, Needle { fit: Fit::Exact(text), loose: false }) if is_field(field, name) => {
                Some((field.clone(), text.clone()))
            }
            _ => None,
        };
        self.keys.iter().map(named).collect()
    }
}

fn is_field(field: &Field, name: &str) -> bool {
    matches!(field, Field::Path(path)
        if path.segments().len() == 1 && path.segments()[0].eq_ignore_ascii_case(name))
}

const PAIR_COST: u32 = 5;
/// The cost of what is looked for in all that an event says.
const ANYWHERE_COST: u32 = 100;

/// What stands among the values of nearly every record.
pub const USUAL_VALUES: &str = "iamuser assumedrole awsservice arn:aws:iam:: arn:aws:sts:: assumed-role/ user/ role/ false \
    amazonaws.com us-east-1 aws-cli/ awsapicall management 2026-01-01t00:00:00z";

/// The cost of a call that trails are full of: of the parameters that a rule asks for, any tells more.
const EVERYDAY_COST: u32 = 40;

/// Whether trails are full of such calls, however the name is spelt: those that read, and those that programs make
/// with every piece of their work.
fn is_everyday(name: &str) -> bool {
    let starts_with = |verb: &&str| name.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb));
    derived::READ_VERBS.iter().any(starts_with) || EVERYDAY_CALLS.iter().any(|call| call.eq_ignore_ascii_case(name))
}

const EVERYDAY_CALLS: [&str; 24] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "CreateLogStream",
    "CreateNetworkInterface",
    "CreateTags",
    "Decrypt",
    "DeleteMessage",
    "DeleteNetworkInterface",
    "DeleteObject",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "Invoke",
    "InvokeModel",
    "Publish",
    "PutItem",
    "PutObject",
    "ReceiveMessage",
    "RunInstances",
    "SendMessage",
    "TerminateInstances",
    "UpdateInstanceInformation",
    "UpdateItem",
];

/// What share of events has such a value in the field: a rough order, smallest first.
fn cost(field: &Field, fit: &Fit) -> u32 {
    let how = match fit {
        Fit::Exact(_) => 0,
        Fit::Start(text) | Fit::End(text) | Fit::Part(text) => match text.len() {
            8.. => 2,
            4.. => 6,
            _ => 16,
        },
        Fit::Network(network) if network.prefix_len() == 0 => COMMON,
        Fit::Network(_) => 4,
        Fit::Equal(_) => 6,
        Fit::Bool(_) => 12,
        Fit::AtMost(_) | Fit::AtLeast(_) => 14,
        Fit::Present => 16,
    };
    // Nearly every record has the fields that are not its parameters, so that they are there says nothing.
    let is_given = matches!(fit, Fit::Present | Fit::Bool(_)) && field_cost(field) < 20;
    match fit {
        _ if is_given => COMMON,
        Fit::Exact(call) if is_field(field, "eventName") && is_everyday(call) => EVERYDAY_COST + 2,
        _ => field_cost(field) + how,
    }
}

fn field_cost(field: &Field) -> u32 {
    match field {
        Field::Anywhere | Field::Enveloped(_) => COMMON,
        Field::Derived(derived) => match derived.name() {
            "api" => 12,
            "service" | "source" => 51,
            "actor.name" | "session.name" | "src.ip" | "target.arn" | "target.bucket" | "target.user" => 19,
            _ => COMMON,
        },
        Field::Path(path) => match path.segments() {
            [name] => match name.to_ascii_lowercase().as_str() {
                "eventname" => 10,
                "eventsource" => 50,
                // Of an event that EventBridge sent.
                "source" | "detail-type" => 51,
                "sourceipaddress" | "useragent" | "errorcode" | "eventid" | "requestid" => 15,
                // Of other systems' events, for whose rules there may be room beside those for CloudTrail.
                name if !RECORD_FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name)) => 20,
                _ => COMMON,
            },
            [first, second] if first.eq_ignore_ascii_case("userIdentity") => match second.to_ascii_lowercase().as_str()
            {
                "type" | "accountid" => COMMON,
                _ => 19,
            },
            _ => 20,
        },
    }
}
