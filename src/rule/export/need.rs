//! What every match of a condition needs, in words that AWS's own filters have.
//!
//! A condition is weakened, never changed: whatever has no such word is left out of an "all of", and makes an "any of"
//! say nothing. So an event for which the condition holds always has what it needs, and some others have it too.

use std::collections::{BTreeMap, BTreeSet};

use crate::condition::{Condition, Field, Literal, Pattern, Predicate, Test, Text};
use crate::event::envelope::{Unwrapped, unwrapped};
use crate::event::{Case, Derived, Path};

/// The fields that filters can be asked about: plain ones, which hold no objects or arrays and which CloudTrail always
/// spells so. Parameters are not among them, since their spelling varies and our paths do not mind it.
pub const FIELDS: [&str; 26] = [
    SOURCE,
    NAME,
    "awsRegion",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventType",
    "managementEvent",
    READ_ONLY,
    "recipientAccountId",
    "requestID",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "userAgent",
    "vpcEndpointId",
    "userIdentity.type",
    "userIdentity.accessKeyId",
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.invokedBy",
    "userIdentity.principalId",
    "userIdentity.userName",
    "insightDetails.eventSource",
    "insightDetails.eventName",
];
pub const SOURCE: &str = "eventSource";
pub const NAME: &str = "eventName";
pub const READ_ONLY: &str = "readOnly";

/// What a value is wanted to be like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub how: How,
    /// Whether the case of letters is ignored; the text is then in lower case.
    pub nocase: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    /// The truth value, or its spelling as a string.
    Flag(bool),
    /// A string that is not empty.
    Present,
}

/// One way to match: each of the fields must have a value that is like one of those wanted. Without fields it is any
/// event's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way(pub BTreeMap<&'static str, BTreeSet<Wanted>>);

/// The most ways that are kept apart.
const WAYS_MAX: usize = 256;

/// The ways in which a condition can hold; none if it cannot.
pub fn ways(condition: &Condition) -> Vec<Way> {
    of(condition, true)
}

/// The ways in which a condition holds, or fails.
fn of(condition: &Condition, holds: bool) -> Vec<Way> {
    match condition {
        Condition::All(inner) if holds => all_of(inner, holds),
        Condition::Any(inner) if !holds => all_of(inner, holds),
        Condition::All(inner) | Condition::Any(inner) => {
            compact(inner.iter().flat_map(|part| of(part, holds)).collect())
        }
        Condition::Not(inner) => of(inner, !holds),
        // What must hold within one element of each array holds of the whole.
        Condition::Together(inner) if holds => of(inner, true),
        Condition::Is(predicate) if holds => of_predicate(predicate),
        _ => vec![Way::default()],
    }
}

fn all_of(inner: &[Condition], holds: bool) -> Vec<Way> {
    inner.iter().fold(vec![Way::default()], |so_far, part| both(so_far, of(part, holds)))
}

/// Any way of the one together with any way of the other.
fn both(mut one: Vec<Way>, mut other: Vec<Way>) -> Vec<Way> {
    if one.len() * other.len() > WAYS_MAX {
        (one, other) = (in_one(&one), in_one(&other));
    }
    compact(one.iter().flat_map(|way| other.iter().map(|more| way.and(more))).collect())
}

/// Ways that differ in one field only become one.
pub fn compact(ways: Vec<Way>) -> Vec<Way> {
    let mut kept: Vec<Way> = Vec::new();
    for way in ways {
        // Lists come one value after the other, so the last way is the likeliest to go together with the next.
        if !kept.last_mut().is_some_and(|last| last.take_in(&way)) {
            kept.push(way);
        }
    }
    if kept.iter().any(Way::is_anything) {
        return vec![Way::default()];
    }
    if kept.len() > WAYS_MAX {
        return in_one(&kept);
    }
    let mut merged: Vec<Way> = Vec::new();
    for way in kept {
        if !merged.iter_mut().any(|earlier| earlier.take_in(&way)) {
            merged.push(way);
        }
    }
    merged
}

/// Ways that another one includes are not needed.
pub fn without_subsumed(ways: Vec<Way>) -> Vec<Way> {
    let includes = |wide: &Way, way: &Way| {
        wide != way && wide.0.iter().all(|(field, values)| way.0.get(field).is_some_and(|own| own.is_subset(values)))
    };
    let needed = ways.iter().filter(|way| !ways.iter().any(|wide| includes(wide, way)));
    needed.cloned().collect()
}

/// One way that all of them are: of the fields that all have, any of the values.
fn in_one(ways: &[Way]) -> Vec<Way> {
    let Some((first, others)) = ways.split_first() else { return Vec::new() };
    let mut all = first.clone();
    for way in others {
        all.0.retain(|field, _| way.0.contains_key(field));
        for (field, values) in &mut all.0 {
            values.extend(way.0[field].iter().cloned());
        }
    }
    vec![all]
}

impl Way {
    pub fn is_anything(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with other values of a field.
    pub fn with(&self, field: &'static str, values: impl IntoIterator<Item = Wanted>) -> Self {
        let mut way = self.clone();
        way.0.insert(field, values.into_iter().collect());
        way
    }

    fn one(field: &'static str, how: How, nocase: bool) -> Self {
        Self(BTreeMap::from([(field, BTreeSet::from([Wanted { how, nocase }]))]))
    }

    /// Both. A field may have several values, so two demands on one field are not one: the stricter is kept.
    fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (field, values) in &other.0 {
            let own = both.0.entry(field).or_insert_with(|| values.clone());
            if looseness(values) < looseness(own) {
                own.clone_from(values);
            }
        }
        both
    }

    /// Takes another way in, if the two then say no more than both.
    fn take_in(&mut self, other: &Self) -> bool {
        let fields = |way: &Self| way.0.keys().copied().collect::<Vec<_>>();
        if fields(self) != fields(other) {
            return false;
        }
        let mut different = self.0.keys().copied().filter(|field| self.0[field] != other.0[field]);
        let (first, second) = (different.next(), different.next());
        match (first, second) {
            (None, _) => true,
            (Some(field), None) => {
                let more = other.0[field].iter().cloned();
                self.0.get_mut(field).is_some_and(|own| {
                    own.extend(more);
                    true
                })
            }
            _ => false,
        }
    }
}

/// How much a field's values are thought to let through: the less, the better.
fn looseness(values: &BTreeSet<Wanted>) -> (bool, usize) {
    (values.iter().any(|wanted| !matches!(wanted.how, How::Equals(_))), values.len())
}

fn of_predicate(predicate: &Predicate) -> Vec<Way> {
    let ways = match &predicate.field {
        Field::Path(path) => of_path(path, &predicate.test).map(|way| vec![way]),
        Field::Derived(derived) => of_derived(*derived, &predicate.test),
        Field::Enveloped(path) => match unwrapped(&path.to_string()) {
            Unwrapped::Path(path) => of_path(&Path::joined(path), &predicate.test).map(|way| vec![way]),
            Unwrapped::Derived(derived) => of_derived(derived, &predicate.test),
            Unwrapped::Always(_) | Unwrapped::Missing => None,
        },
        Field::Anywhere => None,
    };
    ways.unwrap_or_else(|| vec![Way::default()])
}

/// The name of a field that filters can be asked about.
pub fn field(path: &Path) -> Option<&'static str> {
    let same = |name: &&str| {
        let names = name.split('.');
        names.clone().count() == path.segments().len()
            && names.zip(path.segments()).all(|(name, segment)| match path.case() {
                Case::Insensitive => segment.eq_ignore_ascii_case(name),
                _ => **segment == *name,
            })
    };
    FIELDS.into_iter().find(same).filter(|_| !path.has_positions())
}

fn of_path(path: &Path, test: &Test) -> Option<Way> {
    let field = field(path)?;
    if let Test::Equals(Literal::Bool(flag)) = test {
        return Some(Way::one(field, How::Flag(*flag), false));
    }
    let (how, nocase) = of_text(test)?;
    Some(Way::one(field, how, nocase))
}

/// What a test says of a string.
fn of_text(test: &Test) -> Option<(How, bool)> {
    let said = |text: &Text, how: fn(String) -> How| Some((how(text.as_str().to_owned()), text.nocase()));
    match test {
        Test::Equals(Literal::Text(text)) => said(text, How::Equals),
        Test::StartsWith(text) => said(text, How::StartsWith),
        Test::EndsWith(text) => said(text, How::EndsWith),
        Test::Contains(text) => said(text, How::Contains),
        Test::Fits(pattern) if !test.nocase() => of_glob(pattern).map(|start| (How::StartsWith(start), false)),
        _ => None,
    }
}

/// How a string begins that fits a glob.
fn of_glob(pattern: &Pattern) -> Option<String> {
    let start = pattern.source().split(['*', '?', '\\']).next().unwrap_or("");
    (pattern.is_glob() && !start.is_empty()).then(|| start.to_owned())
}

/// A field that is worked out says something of those that it is worked out of.
fn of_derived(derived: Derived, test: &Test) -> Option<Vec<Way>> {
    let (how, nocase) = of_text(test)?;
    let is = |word: &str| matches!(&how, How::Equals(text) if text == word);
    match derived {
        Derived::Service => Some(with_insights(SOURCE, "insightDetails.eventSource", how, nocase)),
        Derived::Api => Some(with_insights(NAME, "insightDetails.eventName", how, nocase)),
        Derived::EnvelopeSource => of_envelope_source(&how),
        Derived::Outcome if is("denied") => Some(vec![Way::one("errorCode", How::Present, false)]),
        Derived::ActorKind if is("root") => Some(vec![
            Way::one("userIdentity.type", How::Equals("Root".to_owned()), false),
            Way::one("userIdentity.arn", How::EndsWith("root".to_owned()), false),
        ]),
        _ => None,
    }
}

/// The service that an envelope names. Insights all come from one.
fn of_envelope_source(how: &How) -> Option<Vec<Way>> {
    let How::Equals(source) = how else { return None };
    let service = How::StartsWith(source.strip_prefix("aws.")?.to_owned());
    let mut ways = with_insights(SOURCE, "insightDetails.eventSource", service, false);
    if source == "aws.cloudtrail" {
        let equals = |text: &str| How::Equals(text.to_owned());
        ways.push(Way::one("eventCategory", equals("Insight"), false));
        ways.push(Way::one("eventType", equals("AwsCloudTrailInsight"), false));
    }
    Some(ways)
}

/// A service or call without its ending: how the whole one begins, wherever it stands.
fn with_insights(field: &'static str, of_insight: &'static str, how: How, nocase: bool) -> Vec<Way> {
    let how = match how {
        How::Equals(text) | How::StartsWith(text) => How::StartsWith(text),
        How::EndsWith(text) | How::Contains(text) => How::Contains(text),
        other => other,
    };
    [field, of_insight].map(|field| Way::one(field, how.clone(), nocase)).into()
}
