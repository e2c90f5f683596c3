//! The envelope in which EventBridge sends CloudTrail's records, worked out for records that came without it, or were
//! taken out of it.
//!
//! So a pattern for the service finds the same in a record from a log group. What nobody can know, the envelope's `id`
//! and `resources`, is missing; for CloudTrail's events EventBridge leaves `resources` empty anyway.

use super::derived::service;
use super::{Base, Derived, Event, EventKind};

/// What a field of the envelope is in a bare record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwrapped<'p> {
    /// A field of the record, by its path.
    Path(&'p str),
    /// A field that is worked out.
    Derived(Derived),
    /// The same string in every envelope.
    Always(&'static str),
    /// Missing.
    Missing,
}

/// What a field of the envelope, by its path, is in a bare record.
pub fn unwrapped(path: &str) -> Unwrapped<'_> {
    match path {
        "source" => Unwrapped::Derived(Derived::EnvelopeSource),
        "detail-type" => Unwrapped::Derived(Derived::EnvelopeDetailType),
        "account" => Unwrapped::Path(Base::RecipientAccountId.path()),
        "region" => Unwrapped::Path(Base::AwsRegion.path()),
        "time" => Unwrapped::Path(Base::EventTime.path()),
        "version" => Unwrapped::Always("0"),
        REPLAY_NAME => Unwrapped::Path(REPLAY_NAME),
        other => other.strip_prefix("detail.").map_or(Unwrapped::Missing, Unwrapped::Path),
    }
}

/// The member of an envelope that names the replay which sent it. A record keeps it when it is taken out.
pub const REPLAY_NAME: &str = "replay-name";

/// Whether events of a kind are records that have no envelope.
pub fn is_bare(kind: EventKind) -> bool {
    matches!(kind, EventKind::CloudTrail | EventKind::Insight | EventKind::Aggregated)
}

/// The `source` of a record's envelope.
pub(super) fn source(event: &Event<'_>) -> Option<String> {
    match event.kind() {
        EventKind::Insight => Some("aws.cloudtrail".to_owned()),
        _ => event.source().map(|source| format!("aws.{}", service(source))),
    }
}

/// The `detail-type` of a record's envelope.
pub(super) fn detail_type(event: &Event<'_>) -> &'static str {
    let is_network_activity = event.text_of(Base::EventCategory) == Some("NetworkActivity");
    match event.text_of(Base::EventType) {
        _ if event.kind() == EventKind::Insight => "AWS Insight via CloudTrail",
        Some("AwsServiceEvent") => "AWS Service Event via CloudTrail",
        Some("AwsConsoleSignIn") => SIGN_IN[0],
        Some("AwsConsoleAction") => "AWS Console Action via CloudTrail",
        Some("AwsVpceEvents") => "AWS Network Activity Event via CloudTrail",
        _ if is_network_activity => "AWS Network Activity Event via CloudTrail",
        _ => "AWS API Call via CloudTrail",
    }
}

/// The two spellings of a sign-in's `detail-type`: that of events, and another one of the documentation.
pub const SIGN_IN: [&str; 2] = ["AWS Console Sign In via CloudTrail", "AWS Console Signin via CloudTrail"];
