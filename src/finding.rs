//! What leaves: a rule that matched, with the evidence. Its JSON is a public, versioned format (`docs/findings.md`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::condition::explain::{self, Seen};
use crate::condition::{Field, explain as judge};
use crate::event::{Base, Event, EventKey};
use crate::rule::{Rule, Severity};
use crate::untrusted::shortened;

pub mod digest;
pub mod foreign;
mod group;
pub mod windows;

pub use digest::Digest;
pub use group::GroupKey;
pub use windows::{Match, Windows};

/// The version of the format. The second number rises when fields are added, the first when any changes its meaning.
pub const SCHEMA_VERSION: &str = "1.1";

/// A rule that matched, and what it matched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// The version of this format.
    pub schema_version: Cow<'static, str>,
    /// The same for the same rule and events, however often and by whatever way they come.
    pub id: String,
    /// When the event happened, by its own account, in RFC 3339; null where it does not say.
    pub time: Option<String>,
    /// The rule.
    pub rule: FindingRule,
    /// The rule's severity.
    #[serde(with = "severity")]
    pub severity: Severity,
    /// The rule's title with the event's values filled in.
    pub title: String,
    /// Who did it.
    pub actor: FindingActor,
    /// The account that recorded the event.
    pub account: Option<String>,
    /// The region it was recorded in.
    pub region: Option<String>,
    /// The source address, or the service that called.
    pub source_ip: Option<String>,
    /// What says which findings belong together: the fields of the rule's `group_by`, in its order.
    pub group: Vec<FindingGroup>,
    /// CloudTrail's ids of the events.
    pub event_ids: Vec<String>,
    /// The events as they were recorded, line breaks between their fields aside.
    pub events: Vec<Box<RawValue>>,
    /// The predicates that decided, at most [`WHY_MAX`].
    pub why: Vec<Why>,
    /// What was held back, if this finding stands for matches that are no findings of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What a finding says of its rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindingRule {
    /// The rule's id.
    pub id: String,
    /// The rule's title, its values not filled in.
    pub title: String,
    /// The rule's severity.
    #[serde(with = "severity")]
    pub severity: Severity,
    /// The rule's tags.
    pub tags: Vec<String>,
}

/// What a finding says of the actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindingActor {
    /// The name a person would use.
    pub name: String,
    /// The sort of actor.
    pub kind: Cow<'static, str>,
    /// The actor's own account.
    pub account: Option<String>,
    /// The actor's ARN without a session.
    pub arn: Option<String>,
    /// The name of the role session.
    pub session: Option<String>,
}

/// A field that says what belongs together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindingGroup {
    /// The field.
    pub field: String,
    /// Its value in the event; null where it is missing.
    pub value: Option<String>,
}

/// A predicate that held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Why {
    /// The field.
    pub field: String,
    /// How it was tested.
    pub operator: String,
    /// What it was tested against.
    pub value: String,
    /// What the event had, at most 500 characters; null where the field was missing.
    pub seen: Option<String>,
}

/// A severity by its word.
mod severity {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::rule::Severity;

    pub fn serialize<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(severity.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        let word = String::deserialize(deserializer)?;
        Severity::named(&word).ok_or_else(|| D::Error::custom(format!("unknown severity `{word}`")))
    }
}

/// The longest seen value that a finding carries outside the event itself, in characters.
const SEEN_WIDTH_MAX: usize = 500;

impl Finding {
    /// Makes the finding of a rule that matched an event.
    pub fn new(rule: &Rule, event: &Event<'_>, key: &EventKey) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let actor = event.actor();
        Self {
            schema_version: Cow::Borrowed(SCHEMA_VERSION),
            id: id(rule, &EventKey::of_occasion(event, *key)),
            time: event.time().map(|time| time.to_string()),
            rule: FindingRule {
                id: rule.id.clone(),
                title: rule.title.unfilled(),
                severity: rule.severity,
                tags: rule.tags.clone(),
            },
            severity: rule.severity,
            title: rule.title.render(|field| value(field, event)),
            actor: FindingActor {
                name: actor.name.to_owned(),
                kind: Cow::Borrowed(actor.kind.as_str()),
                account: own(actor.account),
                arn: own(actor.arn),
                session: own(actor.session),
            },
            account: own(event.account()),
            region: own(event.text_of(Base::AwsRegion)),
            source_ip: own(event.text_of(Base::SourceIpAddress)),
            group: rule
                .group_by
                .iter()
                .map(|field| FindingGroup { field: field.to_string(), value: value(field, event) })
                .collect(),
            event_ids: own(event.text_of(Base::EventId)).into_iter().collect(),
            events: event.record().map(on_one_line).into_iter().collect(),
            why: why(rule, event),
            digest: None,
        }
    }

    /// The id of the finding that this one is about: its own, or that of the finding that a digest stands beside.
    pub fn matter(&self) -> &str {
        self.digest.as_ref().map_or(&self.id, |digest| &digest.of)
    }

    /// The finding as one line of JSON.
    pub fn to_json(&self) -> String {
        // Every field is a string, a list or raw JSON: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A line break inside a string of JSON is escaped, so those that are left mean nothing.
fn on_one_line(json: &RawValue) -> Box<RawValue> {
    let broken = memchr::memchr2(b'\n', b'\r', json.get().as_bytes());
    let joined = broken.and_then(|_| RawValue::from_string(json.get().replace(['\n', '\r'], " ")).ok());
    joined.unwrap_or_else(|| json.to_owned())
}

fn id(rule: &Rule, key: &EventKey) -> String {
    let mut hash = Sha256::new();
    hash.update((rule.id.len() as u64).to_be_bytes());
    hash.update(rule.id.as_bytes());
    hash.update(key.as_bytes());
    written(hash)
}

/// The first half of a hash, as ids are written.
fn written(hash: Sha256) -> String {
    let hash = hash.finalize();
    format!("{:032x}", u128::from_be_bytes(std::array::from_fn(|at| hash[at])))
}

/// The first value of a field, for a person to read.
fn value(field: &Field, event: &Event<'_>) -> Option<String> {
    explain::values(field, event).into_iter().find(|seen| !matches!(seen, Seen::Null)).map(|seen| seen.to_string())
}

/// The most predicates that a finding names.
pub const WHY_MAX: usize = 50;

fn why(rule: &Rule, event: &Event<'_>) -> Vec<Why> {
    let mut all = Vec::new();
    judge(&rule.condition, event).decisive(&mut |predicate, seen, negated| {
        if all.len() >= WHY_MAX {
            return;
        }
        let operator = predicate.test.operator();
        let shown: Vec<String> = seen.iter().map(Seen::to_string).collect();
        all.push(Why {
            field: predicate.field.to_string(),
            operator: if negated { format!("not {operator}") } else { operator.to_owned() },
            value: predicate.test.operand(),
            seen: (!shown.is_empty()).then(|| shortened(&shown.join(", "), SEEN_WIDTH_MAX)),
        });
    });
    all
}
