//! Who did it: every form of `userIdentity` resolved to one actor.
//!
//! AWS describes the forms in the CloudTrail user guide, "CloudTrail userIdentity element".

use super::{Base, Event};

/// The one who made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor<'a> {
    /// What sort of actor it is.
    pub kind: ActorKind,
    /// The name a person would use: the user, the role, the service; `root` for root.
    pub name: &'a str,
    /// The actor's own account, not the one that was acted upon.
    pub account: Option<&'a str>,
    /// The ARN without the session: of the role for a role session, else as recorded.
    pub arn: Option<&'a str>,
    /// The name of the role session.
    pub session: Option<&'a str>,
    /// How long the credentials live.
    pub key: KeyKind,
}

/// The sorts of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// The root user of an account, by its own or by assumed credentials.
    Root,
    /// An IAM user, with long-lived keys or in a session.
    IamUser,
    /// A role's session: a workload's, a person's, or one that a service works in.
    Role,
    /// A person through IAM Identity Center.
    SsoUser,
    /// A federated, SAML or web identity.
    Federated,
    /// A user of a directory service.
    Directory,
    /// An AWS service by itself.
    AwsService,
    /// Somebody of another account, of whom nothing more is told.
    Account,
    /// A call without credentials.
    Anonymous,
    /// The record does not say.
    Unknown,
}

/// How long the credentials of a call live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// An access key of an IAM user or of root (`AKIA…`).
    LongTerm,
    /// Session credentials (`ASIA…`, or a session context).
    Temporary,
    /// None are recorded.
    None,
}

/// The base fields that an actor is resolved from.
pub(super) const INPUTS: &[Base] = &[
    Base::IdentityType,
    Base::IdentityPrincipal,
    Base::IdentityArn,
    Base::IdentityAccount,
    Base::IdentityKey,
    Base::IdentityUser,
    Base::IdentityInvokedBy,
    Base::IdentityCredential,
    Base::IdentityOnBehalfOf,
    Base::IssuerArn,
    Base::IssuerAccount,
    Base::IssuerUser,
    Base::SessionCreated,
];

impl ActorKind {
    /// Every kind, for rules that name one.
    pub const ALL: [Self; 10] = [
        Self::Root,
        Self::IamUser,
        Self::Role,
        Self::SsoUser,
        Self::Federated,
        Self::Directory,
        Self::AwsService,
        Self::Account,
        Self::Anonymous,
        Self::Unknown,
    ];

    /// The word that rules and findings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::IamUser => "iam_user",
            Self::Role => "role",
            Self::SsoUser => "sso_user",
            Self::Federated => "federated",
            Self::Directory => "directory",
            Self::AwsService => "aws_service",
            Self::Account => "account",
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
        }
    }
}

impl KeyKind {
    /// The word that rules use; `None` where no credentials are recorded.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::LongTerm => Some("long_term"),
            Self::Temporary => Some("temporary"),
            Self::None => None,
        }
    }
}

impl<'a> Actor<'a> {
    /// Resolves the actor of an event.
    pub fn of(event: &Event<'a>) -> Self {
        let arn = event.text_of(Base::IdentityArn);
        let kind = kind(event, arn);
        let session = session_name(event, arn);
        Self {
            kind,
            name: name(event, kind, arn, session).unwrap_or("unknown"),
            account: account(event, arn),
            arn: event.text_of(Base::IssuerArn).filter(|_| is_session(arn)).or(arn),
            session,
            key: key(event),
        }
    }
}

fn kind(event: &Event<'_>, arn: Option<&str>) -> ActorKind {
    match event.text_of(Base::IdentityType) {
        Some("Root") => ActorKind::Root,
        Some("IAMUser") => ActorKind::IamUser,
        Some("AssumedRole" | "Role") => role_kind(event, arn),
        Some("IdentityCenterUser") => ActorKind::SsoUser,
        Some("FederatedUser" | "SAMLUser" | "WebIdentityUser") => ActorKind::Federated,
        Some("Directory") => ActorKind::Directory,
        Some("AWSService") => ActorKind::AwsService,
        Some("AWSAccount") if is_anonymous(event) => ActorKind::Anonymous,
        Some("AWSAccount") => ActorKind::Account,
        _ => kind_without_type(event, arn),
    }
}

/// Some records carry no type; the rest of the identity often tells.
fn kind_without_type(event: &Event<'_>, arn: Option<&str>) -> ActorKind {
    match arn.map(resource) {
        Some("root") => ActorKind::Root,
        Some(resource) if resource.starts_with("user/") => ActorKind::IamUser,
        Some(resource) if resource.starts_with("assumed-role/") => role_kind(event, arn),
        Some(resource) if resource.starts_with("federated-user/") => ActorKind::Federated,
        _ if event.text_of(Base::IdentityInvokedBy).is_some() => ActorKind::AwsService,
        _ if is_anonymous(event) => ActorKind::Anonymous,
        _ if is_own_event(event) => ActorKind::AwsService,
        _ => ActorKind::Unknown,
    }
}

/// Identity Center works through roles of a reserved name; the session then bears the person's name.
fn role_kind(event: &Event<'_>, arn: Option<&str>) -> ActorKind {
    let role = event.text_of(Base::IssuerUser).or_else(|| arn.and_then(role_of_session));
    match role {
        Some(role) if role.starts_with("AWSReservedSSO_") => ActorKind::SsoUser,
        _ => ActorKind::Role,
    }
}

/// A service's own event has nobody else behind it, if it names nobody.
fn is_own_event(event: &Event<'_>) -> bool {
    event.text_of(Base::EventType) == Some("AwsServiceEvent")
        && [Base::IdentityType, Base::IdentityPrincipal, Base::IdentityArn, Base::IdentityUser]
            .into_iter()
            .all(|field| event.text_of(field).is_none())
}

fn is_anonymous(event: &Event<'_>) -> bool {
    event.text_of(Base::IdentityAccount) == Some("ANONYMOUS_PRINCIPAL")
        || event.text_of(Base::IdentityAccount) == Some("anonymous")
        || event.text_of(Base::IdentityPrincipal).is_some_and(|id| id.eq_ignore_ascii_case("anonymous"))
}

fn name<'a>(event: &Event<'a>, kind: ActorKind, arn: Option<&'a str>, session: Option<&'a str>) -> Option<&'a str> {
    let user = event.text_of(Base::IdentityUser);
    let principal = event.text_of(Base::IdentityPrincipal);
    let last = || arn.map(last_name);
    match kind {
        ActorKind::Root => Some("root"),
        ActorKind::Role => {
            event.text_of(Base::IssuerUser).or_else(|| arn.and_then(role_of_session)).or_else(last).or(principal)
        }
        ActorKind::SsoUser if is_session(arn) => session.or(user),
        ActorKind::SsoUser => user.or_else(|| event.text_of(Base::IdentityOnBehalfOf)).or(principal),
        ActorKind::AwsService => event.text_of(Base::IdentityInvokedBy).or(principal).or_else(|| event.source()),
        ActorKind::Account => event.text_of(Base::IdentityAccount).or(principal),
        ActorKind::Anonymous => Some("anonymous"),
        _ => user.or_else(last).or(principal),
    }
}

fn account<'a>(event: &Event<'a>, arn: Option<&'a str>) -> Option<&'a str> {
    event
        .text_of(Base::IdentityAccount)
        .filter(|account| is_account(account))
        .or_else(|| arn.and_then(account_of_arn))
        .or_else(|| event.text_of(Base::IssuerAccount))
}

fn session_name<'a>(event: &Event<'a>, arn: Option<&'a str>) -> Option<&'a str> {
    if let Some(arn) = arn.filter(|arn| is_session(Some(arn))) {
        // A session's name holds no slash, a role's path may.
        return Some(last_name(arn));
    }
    let principal = event.text_of(Base::IdentityPrincipal)?;
    principal.starts_with("AROA").then(|| principal.split_once(':').map(|(_, session)| session)).flatten()
}

fn key(event: &Event<'_>) -> KeyKind {
    match event.text_of(Base::IdentityKey) {
        Some(key) if key.starts_with("AKIA") => KeyKind::LongTerm,
        Some(key) if key.starts_with("ASIA") => KeyKind::Temporary,
        _ if event.value_of(Base::SessionCreated).is_some() => KeyKind::Temporary,
        _ if event.text_of(Base::IdentityCredential).is_some() => KeyKind::Temporary,
        _ => KeyKind::None,
    }
}

/// The account in an ARN (`arn:partition:service:region:account:resource`).
pub fn account_of_arn(arn: &str) -> Option<&str> {
    let account = arn.strip_prefix("arn:")?.split(':').nth(3)?;
    is_account(account).then_some(account)
}

/// Whether a text is an account's number.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// What follows the last slash of an ARN, or its resource.
pub fn last_name(arn: &str) -> &str {
    let resource = resource(arn);
    resource.rsplit_once('/').map_or(resource, |(_, name)| name)
}

fn resource(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn is_session(arn: Option<&str>) -> bool {
    arn.is_some_and(|arn| resource(arn).starts_with("assumed-role/"))
}

fn role_of_session(arn: &str) -> Option<&str> {
    let session = resource(arn).strip_prefix("assumed-role/")?;
    let (role, _) = session.rsplit_once('/')?;
    Some(role)
}
