//! One event: its bytes, and a view of the fields that somebody asked for.
//!
//! A [`RawEvent`] is owned and goes between tasks; an [`Event`] borrows a raw event and the buffers of a
//! [`Projection`], lives inside one synchronous call, and never builds a tree of JSON values.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::delivery::{Origin, Place};

pub mod derived;
pub mod dictionary;
pub mod envelope;
pub mod identity;
pub mod path;
pub mod projection;
pub(crate) mod raw;
pub mod time;

pub use derived::Derived;
pub use identity::{Actor, ActorKind};
pub use path::{Case, Path};
pub use projection::{FieldId, Fields, Projection, Value, Values};
use projection::{Turn, is_bare_ascii};
use raw::Member;

/// One event, owned, cheap to send between tasks.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// The record's own bytes: one JSON object, exactly as it came.
    pub bytes: Bytes,
    /// Where it came from.
    pub origin: Origin,
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A CloudTrail record: an API call, a sign-in, a service's own event.
    CloudTrail,
    /// A CloudTrail Insights record.
    Insight,
    /// A CloudTrail summary of data events.
    Aggregated,
    /// A finding of Trailwatch, come back as an event.
    Finding,
    /// Any other JSON object.
    Other,
}

macro_rules! base_fields {
    ($($(#[$doc:meta])* $name:ident = $path:literal,)*) => {
        /// The fields that identity, keys, derived fields and outputs read: wanted of every event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Base { $(#[doc = concat!("`", $path, "`")] $name,)* }

        impl Base {
            /// The paths, in the order of their numbers.
            const PATHS: &'static [&'static str] = &[$($path,)*];
        }
    };
}

base_fields! {
    EventVersion = "eventVersion",
    EventId = "eventID",
    EventTime = "eventTime",
    EventSource = "eventSource",
    EventName = "eventName",
    EventType = "eventType",
    EventCategory = "eventCategory",
    AwsRegion = "awsRegion",
    RecipientAccountId = "recipientAccountId",
    AccountId = "accountId",
    SourceIpAddress = "sourceIPAddress",
    UserAgent = "userAgent",
    ErrorCode = "errorCode",
    ErrorMessage = "errorMessage",
    ReadOnly = "readOnly",
    ConsoleSession = "sessionCredentialFromConsole",
    ConsoleLogin = "responseElements.ConsoleLogin",
    IdentityType = "userIdentity.type",
    IdentityPrincipal = "userIdentity.principalId",
    IdentityArn = "userIdentity.arn",
    IdentityAccount = "userIdentity.accountId",
    IdentityKey = "userIdentity.accessKeyId",
    IdentityUser = "userIdentity.userName",
    IdentityInvokedBy = "userIdentity.invokedBy",
    IdentityCredential = "userIdentity.credentialId",
    IdentityOnBehalfOf = "userIdentity.onBehalfOf.userId",
    IssuerType = "userIdentity.sessionContext.sessionIssuer.type",
    IssuerArn = "userIdentity.sessionContext.sessionIssuer.arn",
    IssuerAccount = "userIdentity.sessionContext.sessionIssuer.accountId",
    IssuerUser = "userIdentity.sessionContext.sessionIssuer.userName",
    SessionMfa = "userIdentity.sessionContext.attributes.mfaAuthenticated",
    SessionCreated = "userIdentity.sessionContext.attributes.creationDate",
    InsightSource = "insightDetails.eventSource",
    InsightName = "insightDetails.eventName",
    InsightState = "insightDetails.state",
    ResourceAccount = "resources.accountId",
    ResourceArn = "resources.ARN",
    RequestRoleArn = "requestParameters.roleArn",
    RequestRoleName = "requestParameters.roleName",
    RequestUserName = "requestParameters.userName",
    RequestBucket = "requestParameters.bucketName",
    DetailType = "detail-type",
    EnvelopeId = "id",
    OriginalEventId = "addendum.originalEventID",
    SchemaVersion = "schema_version",
    FindingRule = "rule.id",
}

impl Base {
    /// What an event's kind, key and time are told by.
    pub const KEYS: &'static [Base] = &[
        Base::EventId,
        Base::EventTime,
        Base::EventSource,
        Base::EventName,
        Base::EventType,
        Base::EventCategory,
        Base::RecipientAccountId,
        Base::AccountId,
        Base::EnvelopeId,
        Base::OriginalEventId,
        Base::DetailType,
        Base::InsightSource,
        Base::InsightName,
        Base::SchemaVersion,
        Base::FindingRule,
    ];

    /// The path of the field, as rules write it.
    pub fn path(self) -> &'static str {
        Self::PATHS[self as usize]
    }
}

/// A projection that reads every base field and whatever else is wanted. The base fields' numbers are those of
/// [`Base`]; the other paths follow.
pub fn projection_of(wanted: impl IntoIterator<Item = Path>) -> Projection {
    Projection::new(paths_of(wanted))
}

/// The paths that rules name, numbered behind the base fields. A path that is a base field's has its number.
#[derive(Debug, Clone)]
pub struct Paths(Vec<Path>);

/// Which fields a projection is to read. To start with, those of [`Base::KEYS`].
#[derive(Debug, Clone)]
pub struct Wanted(Vec<bool>);

impl Default for Paths {
    fn default() -> Self {
        Self(paths_of([]))
    }
}

impl Paths {
    /// The number of a path, which should be asked for once.
    pub fn field(&mut self, path: &Path) -> FieldId {
        let known = self.0[..Base::PATHS.len()].iter().position(|base| base.is_same(path));
        FieldId(known.unwrap_or_else(|| {
            self.0.push(path.clone());
            self.0.len() - 1
        }) as u32)
    }

    /// A projection that reads what is wanted and nothing else, so that a record is not searched for what nobody
    /// asks; of every record only what is wanted at first. An event read with it has an actor, an outcome and so on
    /// only as far as those derived fields are wanted.
    pub fn projection(self, first: &Wanted, later: &Wanted) -> Projection {
        Projection::in_turn(self.0, |field| match (first.has(field), later.has(field)) {
            (true, _) => Some(Turn::First),
            (false, true) => Some(Turn::Later),
            (false, false) => None,
        })
    }
}

impl Default for Wanted {
    fn default() -> Self {
        let mut wanted = Self(Vec::new());
        Base::KEYS.iter().for_each(|&base| wanted.field(FieldId(base as u32)));
        wanted
    }
}

impl Wanted {
    fn has(&self, FieldId(field): FieldId) -> bool {
        self.0.get(field as usize).copied().unwrap_or(false)
    }

    /// Wants a field.
    pub fn field(&mut self, FieldId(field): FieldId) {
        let fields = self.0.len().max(field as usize + 1);
        self.0.resize(fields, false);
        self.0[field as usize] = true;
    }

    /// Wants all that a derived field is worked out of.
    pub fn derived(&mut self, derived: Derived) {
        derived.inputs().iter().for_each(|&base| self.field(FieldId(base as u32)));
    }
}

fn paths_of(wanted: impl IntoIterator<Item = Path>) -> Vec<Path> {
    let base = Base::PATHS.iter().filter_map(|path| Path::parse(path, Case::Insensitive).ok());
    base.chain(wanted).collect()
}

/// The number that the `n`th wanted path has in a projection made by [`projection_of`].
pub fn wanted_field(n: usize) -> FieldId {
    FieldId((Base::PATHS.len() + n) as u32)
}

/// A view of an event: what a projection found in it.
pub struct Event<'a> {
    text: &'a str,
    fields: &'a Fields,
    kind: OnceCell<EventKind>,
    actor: OnceCell<Actor<'a>>,
    strings: OnceCell<Vec<Cow<'a, str>>>,
    is_bare: OnceCell<bool>,
    is_plain: OnceCell<bool>,
    envelope_source: OnceCell<Option<String>>,
    record: OnceCell<Option<&'a RawValue>>,
    members: OnceCell<Vec<Member<'a>>>,
}

impl<'a> Event<'a> {
    /// Reads a record through a projection made by [`projection_of`], or by [`Paths::projection`] for what is matched
    /// only.
    pub fn read(text: &'a str, projection: &Projection, fields: &'a mut Fields) -> Result<Self, serde_json::Error> {
        projection.read(text, fields)?;
        Ok(Self::view(text, fields))
    }

    /// The event whose text was read into these fields.
    pub fn view(text: &'a str, fields: &'a Fields) -> Self {
        Self {
            text,
            fields,
            kind: OnceCell::new(),
            actor: OnceCell::new(),
            strings: OnceCell::new(),
            is_bare: OnceCell::new(),
            is_plain: OnceCell::new(),
            envelope_source: OnceCell::new(),
            record: OnceCell::new(),
            members: OnceCell::new(),
        }
    }

    /// The record's text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// What the event is. Found out once.
    pub fn kind(&self) -> EventKind {
        *self.kind.get_or_init(|| self.find_kind())
    }

    /// The fields that have values, in no order that means anything.
    pub fn found(&self) -> &[FieldId] {
        self.fields.found()
    }

    /// The values of a field, in the record's order; none if the field is missing.
    pub fn values(&self, field: FieldId) -> Values<'a> {
        self.fields.values(self.text, field)
    }

    /// The first value of a base field, if it is a string that is not empty.
    pub fn text_of(&self, field: Base) -> Option<&'a str> {
        match self.values(FieldId(field as u32)).next() {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The first value of a base field.
    pub fn value_of(&self, field: Base) -> Option<Value<'a>> {
        self.values(FieldId(field as u32)).next()
    }

    /// Who did it. Worked out once.
    pub fn actor(&self) -> &Actor<'a> {
        self.actor.get_or_init(|| Actor::of(self))
    }

    /// Every string of the event, wherever it stands. Gathered once.
    pub fn strings(&self) -> &[Cow<'a, str>] {
        self.strings.get_or_init(|| self.fields.strings(self.text))
    }

    /// Whether the text is ASCII in which every string is written as it is. Found out once.
    pub(crate) fn is_bare(&self) -> bool {
        *self.is_bare.get_or_init(|| is_bare_ascii(self.text))
    }

    /// The same, with neither control characters nor a space behind any string. Found out once.
    pub(crate) fn is_plain(&self) -> bool {
        *self.is_plain.get_or_init(|| self.is_bare() && self.fields.is_plain(self.text))
    }

    /// Where the string is that a place of the text is in, if the text is plain.
    pub(crate) fn string_at(&self, place: usize) -> Option<Range<usize>> {
        if self.is_plain() { self.fields.string_at(self.text, place) } else { None }
    }

    /// Appends the strings that are written with escapes, without them, and with a control character between them.
    pub(crate) fn write_escaped(&self, out: &mut String) {
        self.fields.write_escaped(self.text, out);
    }

    /// The record as JSON, without what stands around it. Found once.
    pub(crate) fn record(&self) -> Option<&'a RawValue> {
        *self.record.get_or_init(|| serde_json::from_str(self.text).ok())
    }

    /// The record's members, whatever was read of it. Found once.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        self.members.get_or_init(|| raw::members(self.text))
    }

    /// The `source` of the envelope that EventBridge sends it in. Worked out once.
    fn envelope_source(&self) -> Option<&str> {
        self.envelope_source.get_or_init(|| envelope::source(self)).as_deref()
    }

    /// When it happened, by the event's own account.
    pub fn time(&self) -> Option<Timestamp> {
        self.text_of(Base::EventTime).and_then(time::parse)
    }

    /// The account whose trail recorded it.
    pub fn account(&self) -> Option<&'a str> {
        self.text_of(Base::RecipientAccountId).or_else(|| self.text_of(Base::AccountId))
    }

    /// The service called, as CloudTrail names it (`xray.amazonaws.com`). Insights keep it among their details.
    pub fn source(&self) -> Option<&'a str> {
        self.text_of(Base::EventSource).or_else(|| self.text_of(Base::InsightSource))
    }

    /// The call made. Insights keep it among their details.
    pub fn name(&self) -> Option<&'a str> {
        self.text_of(Base::EventName).or_else(|| self.text_of(Base::InsightName))
    }

    fn find_kind(&self) -> EventKind {
        let is = |field, text| self.text_of(field) == Some(text);
        if is(Base::EventCategory, "Insight") || is(Base::EventType, "AwsCloudTrailInsight") {
            EventKind::Insight
        } else if is(Base::EventCategory, "Aggregated") || is(Base::EventType, "AwsAggregatedEvent") {
            EventKind::Aggregated
        } else if self.text_of(Base::EventSource).is_some() && self.text_of(Base::EventName).is_some() {
            EventKind::CloudTrail
        } else if self.value_of(Base::SchemaVersion).is_some() && self.text_of(Base::FindingRule).is_some() {
            EventKind::Finding
        } else {
            EventKind::Other
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind()).field("text", &self.text).finish_non_exhaustive()
    }
}

/// What makes two events the same event, over all sources: the recipient's account and `eventID`, exact where they
/// have CloudTrail's form and hashed where they have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; 24]);

impl EventKey {
    /// The key of an event. Events without an `eventID` go by the id of their transport, and at last by their bytes.
    pub fn of(event: &Event<'_>, origin: &Origin) -> Self {
        let account = event.account().unwrap_or("");
        match event.text_of(Base::EventId).or_else(|| envelope_id(event)) {
            // It says more than the event that was seen under this id.
            Some(id) if event.text_of(Base::OriginalEventId) == Some(id) => {
                Self::hashed("stated anew", account, event.text().as_bytes())
            }
            Some(id) => Self::of_id(account, id),
            None => match &origin.place {
                Place::LogEvent(place) if !place.event_id.is_empty() => {
                    Self::hashed("log event", &origin.source, place.event_id.as_bytes())
                }
                _ => Self::hashed("bytes", "", event.text().as_bytes()),
            },
        }
    }

    /// The key of what happened. An event that states an earlier one anew, with more or other fields, is about the same.
    pub fn of_occasion(event: &Event<'_>, own: Self) -> Self {
        let original = event.text_of(Base::OriginalEventId);
        original.map_or(own, |id| Self::of_id(event.account().unwrap_or(""), id))
    }

    /// The key by which a finding is known, beside those of events.
    pub fn of_finding(id: &str) -> Self {
        Self::hashed("finding", "", id.as_bytes())
    }

    fn of_id(account: &str, id: &str) -> Self {
        Self::exact(account, id).unwrap_or_else(|| Self::hashed("id", account, id.as_bytes()))
    }

    /// The recipient's account, where the key is exact.
    pub fn account(&self) -> Option<u64> {
        let account = u64::from_be_bytes(*self.0.first_chunk()?);
        (self.0[0] == 0).then_some(account)
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// The key that has these bytes.
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// A twelve-digit account beside a UUID fits as it is.
    fn exact(account: &str, id: &str) -> Option<Self> {
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let account: u64 = account.parse().ok()?;
        let mut key = [0; 24];
        key[..8].copy_from_slice(&account.to_be_bytes());
        key[8..].copy_from_slice(&uuid(id)?);
        Some(Self(key))
    }

    /// The first byte of an exact key is zero; that of a hashed one is not.
    fn hashed(scope: &str, owner: &str, id: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [scope.as_bytes(), owner.as_bytes(), id] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut key = [0; 24];
        key.copy_from_slice(&digest[..24]);
        key[0] |= 0x80;
        Self(key)
    }
}

/// The id of an EventBridge envelope. An `id` of other JSON is anything.
fn envelope_id<'a>(event: &Event<'a>) -> Option<&'a str> {
    event.text_of(Base::DetailType).and_then(|_| event.text_of(Base::EnvelopeId))
}

/// The sixteen bytes of a lower-case UUID. Upper case would make two ids one, so it is not taken. No step depends on which
/// digit stands where: a processor guesses wrong at every other.
fn uuid(text: &str) -> Option<[u8; 16]> {
    const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut none = 0;
    let pairs = PAIRS.map(|at| {
        let [high, low] = [at, at + 1].map(|at| DIGITS[bytes[at] as usize]);
        none |= high | low;
        high << 4 | low
    });
    let is_divided = [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-');
    (none != NO_DIGIT && is_divided).then_some(pairs)
}

/// What is no digit, and has a bit that no digit has.
const NO_DIGIT: u8 = u8::MAX;

/// By byte: the lower-case hexadecimal digit that it is.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};
