//! Fields that no record holds but every rule author needs: who, how it ended, whether it writes.
//!
//! They are worked out from the record alone. What they read of the user agent is only a hint: whoever makes the call
//! chooses it.

use std::net::IpAddr;

use super::envelope;
use super::identity::{self, ActorKind};
use super::{Base, Event, EventKind, Value};

macro_rules! derived_fields {
    ($($(#[$doc:meta])* $name:ident = $path:literal,)*) => {
        /// A field that is worked out of a CloudTrail event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Derived {
            $($(#[$doc])* $name,)*
            /// The `source` of the envelope that EventBridge sends the event in. Only event patterns name it.
            EnvelopeSource,
            /// The `detail-type` of that envelope. Only event patterns name it.
            EnvelopeDetailType,
        }

        impl Derived {
            /// Every derived field with the name that rules use.
            pub const ALL: &'static [(&'static str, Derived)] = &[$(($path, Derived::$name),)*];
        }
    };
}

derived_fields! {
    /// The name a person would use for the actor.
    ActorName = "actor.name",
    /// `root`, `iam_user`, `role`, `sso_user`, `federated`, `directory`, `aws_service`, `account`, `anonymous`, `unknown`.
    ActorKind = "actor.kind",
    /// The actor's own account.
    ActorAccount = "actor.account",
    /// The actor's ARN without a session.
    ActorArn = "actor.arn",
    /// `long_term` or `temporary`; missing where the record names no credentials.
    KeyKind = "key.kind",
    /// The name of the role session.
    SessionName = "session.name",
    /// Whether the session bears the name of an EC2 instance.
    SessionIsInstance = "session.is_instance",
    /// Whether the session was opened with a second factor; missing where the record does not say.
    SessionMfa = "session.mfa",
    /// Seconds from the session's start to the event.
    SessionAge = "session.age",
    /// `success`, `failure` or `denied`.
    Outcome = "outcome",
    /// The service without its domain: `xray`.
    Service = "service",
    /// The call without the version that some services put behind it.
    Api = "api",
    /// Whether the call changes something.
    IsWrite = "is_write",
    /// Whether it was made in, or with credentials of, the console.
    IsConsole = "is_console",
    /// Whether it came from an infrastructure-as-code tool.
    IsIac = "is_iac",
    /// The kind of program that made the call.
    UaFamily = "ua.family",
    /// The source address, where it is one.
    SrcIp = "src.ip",
    /// Whether the call came from an AWS service.
    SrcIsAws = "src.is_aws",
    /// Whether the actor belongs to another account than the one that recorded the event.
    CrossAccount = "cross_account",
    /// The account of the resource acted upon.
    TargetAccount = "target.account",
    /// The ARN of the resource acted upon.
    TargetArn = "target.arn",
    /// The IAM user acted upon.
    TargetUser = "target.user",
    /// The role acted upon.
    TargetRole = "target.role",
    /// The bucket acted upon.
    TargetBucket = "target.bucket",
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was allowed, or not judged, and failed.
    Failure,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    /// The word that rules and findings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }

    /// How the call of an event ended.
    pub fn of(event: &Event<'_>) -> Self {
        match event.text_of(Base::ErrorCode) {
            Some(code) if is_denial(code) => Self::Denied,
            Some(_) => Self::Failure,
            None if event.text_of(Base::ConsoleLogin) == Some("Failure") => Self::Failure,
            None => Self::Success,
        }
    }
}

/// The spellings of a denial differ from service to service (`AccessDenied`, `Client.UnauthorizedOperation`, …).
fn is_denial(code: &str) -> bool {
    ["AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError", "Forbidden"]
        .iter()
        .any(|part| code.contains(part))
}

impl Derived {
    /// The derived field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, derived)| derived)
    }

    /// The name that rules use.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnvelopeSource => "source",
            Self::EnvelopeDetailType => "detail-type",
            _ => Self::ALL.iter().find(|&&(_, derived)| derived == self).map_or("", |&(name, _)| name),
        }
    }

    /// The words the field may hold, where they are few.
    pub fn words(self) -> Option<Vec<&'static str>> {
        match self {
            Self::ActorKind => Some(ActorKind::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::KeyKind => Some(vec!["long_term", "temporary"]),
            Self::Outcome => Some(vec!["success", "failure", "denied"]),
            Self::UaFamily => Some(UA_FAMILIES.iter().map(|&(_, family)| family).chain(["other"]).collect()),
            _ => None,
        }
    }

    /// Whether the field is either true or false.
    pub fn is_flag(self) -> bool {
        matches!(
            self,
            Self::SessionIsInstance
                | Self::SessionMfa
                | Self::IsWrite
                | Self::IsConsole
                | Self::IsIac
                | Self::SrcIsAws
                | Self::CrossAccount
        )
    }

    /// The base fields that the value is worked out of, beside [`Base::KEYS`].
    pub fn inputs(self) -> &'static [Base] {
        match self {
            Self::ActorName
            | Self::ActorKind
            | Self::ActorAccount
            | Self::ActorArn
            | Self::KeyKind
            | Self::SessionName
            | Self::SessionIsInstance
            | Self::CrossAccount => identity::INPUTS,
            Self::SessionMfa => &[Base::SessionMfa],
            Self::SessionAge => &[Base::SessionCreated],
            Self::Outcome => &[Base::ErrorCode, Base::ConsoleLogin],
            Self::Service | Self::Api | Self::EnvelopeSource | Self::EnvelopeDetailType => &[],
            Self::IsWrite => &[Base::ReadOnly],
            Self::IsConsole => &[Base::UserAgent, Base::ConsoleSession],
            Self::IsIac => &[Base::UserAgent, Base::SourceIpAddress, Base::IdentityInvokedBy],
            Self::UaFamily => &[Base::UserAgent],
            Self::SrcIp | Self::SrcIsAws => &[Base::SourceIpAddress],
            Self::TargetAccount => &[Base::ResourceAccount, Base::ResourceArn, Base::RequestRoleArn],
            Self::TargetArn => &[Base::ResourceArn, Base::RequestRoleArn],
            Self::TargetUser => &[Base::RequestUserName],
            Self::TargetRole => &[Base::RequestRoleName, Base::RequestRoleArn],
            Self::TargetBucket => &[Base::RequestBucket],
        }
    }

    /// The field's value for an event; `None` where it is missing, as for everything that is not CloudTrail's.
    pub fn of<'a>(self, event: &'a Event<'_>) -> Option<Value<'a>> {
        if !matches!(event.kind(), EventKind::CloudTrail | EventKind::Insight | EventKind::Aggregated) {
            return None;
        }
        let text = Value::String;
        let actor = || event.actor();
        match self {
            Self::ActorName => Some(text(actor().name)),
            Self::ActorKind => Some(text(actor().kind.as_str())),
            Self::ActorAccount => actor().account.map(text),
            Self::ActorArn => actor().arn.map(text),
            Self::KeyKind => actor().key.as_str().map(text),
            Self::SessionName => actor().session.map(text),
            Self::SessionIsInstance => actor().session.map(|name| Value::Bool(is_instance(name))),
            Self::SessionMfa => event.value_of(Base::SessionMfa).and_then(flag).map(Value::Bool),
            Self::SessionAge => session_age(event).map(Value::Integer),
            Self::Outcome => (event.kind() == EventKind::CloudTrail).then(|| text(Outcome::of(event).as_str())),
            Self::Service => event.source().map(service).map(text),
            Self::Api => event.name().map(api).map(text),
            Self::IsWrite => is_write(event).map(Value::Bool),
            Self::IsConsole => Some(Value::Bool(is_console(event))),
            Self::IsIac => Some(Value::Bool(is_iac(event))),
            Self::UaFamily => event.text_of(Base::UserAgent).map(ua_family).map(text),
            Self::SrcIp => source(event).filter(|ip| ip.parse::<IpAddr>().is_ok()).map(text),
            Self::SrcIsAws => source(event).map(|source| Value::Bool(is_aws(source))),
            Self::CrossAccount => cross_account(event).map(Value::Bool),
            Self::TargetAccount => target_account(event).map(text),
            Self::TargetArn => event.text_of(Base::ResourceArn).or(event.text_of(Base::RequestRoleArn)).map(text),
            Self::TargetUser => event.text_of(Base::RequestUserName).map(text),
            Self::TargetRole => target_role(event).map(text),
            Self::TargetBucket => event.text_of(Base::RequestBucket).map(text),
            Self::EnvelopeSource => event.envelope_source().map(text),
            Self::EnvelopeDetailType => Some(text(envelope::detail_type(event))),
        }
    }
}

fn source<'a>(event: &Event<'a>) -> Option<&'a str> {
    event.text_of(Base::SourceIpAddress)
}

/// CloudTrail writes some flags as strings.
fn flag(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(flag),
        Value::String("true") => Some(true),
        Value::String("false") => Some(false),
        _ => None,
    }
}

fn is_instance(session: &str) -> bool {
    session.strip_prefix("i-").is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn session_age(event: &Event<'_>) -> Option<i64> {
    let start = super::time::parse(event.text_of(Base::SessionCreated)?)?;
    Some(event.time()?.duration_since(start).as_secs())
}

/// The service's name without the domain.
pub fn service(source: &str) -> &str {
    source.split_once(".amazonaws.com").map_or(source, |(service, _)| service)
}

/// Strips the API version that Lambda and others put behind a name (`UpdateFunctionCode20150331v2`).
pub fn api(name: &str) -> &str {
    let unversioned = match name.rsplit_once('v') {
        Some((head, tail)) if tail.len() <= 2 && tail.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => name,
    };
    let digits = unversioned.bytes().rev().take_while(u8::is_ascii_digit).count();
    let date = &unversioned[unversioned.len() - digits..];
    if digits == 8 && date.starts_with("20") { &unversioned[..unversioned.len() - 8] } else { name }
}

/// Old records do not say whether they read; the verb does.
fn is_write(event: &Event<'_>) -> Option<bool> {
    match event.value_of(Base::ReadOnly).and_then(flag) {
        Some(read_only) => Some(!read_only),
        None => event.name().map(|name| !is_read(name)),
    }
}

/// Whether a call only reads, by its verb.
pub fn is_read(name: &str) -> bool {
    READ_VERBS.iter().any(|verb| name.starts_with(verb))
}

/// What the names of calls that only read begin with.
pub(crate) const READ_VERBS: [&str; 18] = [
    "Get",
    "List",
    "Describe",
    "Head",
    "Lookup",
    "BatchGet",
    "BatchDescribe",
    "Search",
    "Query",
    "Scan",
    "Select",
    "Check",
    "Test",
    "View",
    "Preview",
    "Simulate",
    "Estimate",
    "Validate",
];

fn is_console(event: &Event<'_>) -> bool {
    let agent = event.text_of(Base::UserAgent).unwrap_or("");
    matches!(event.text_of(Base::EventType), Some("AwsConsoleSignIn" | "AwsConsoleAction"))
        || event.value_of(Base::ConsoleSession).and_then(flag) == Some(true)
        || CONSOLE_AGENTS.iter().any(|part| agent.contains(part))
}

const CONSOLE_AGENTS: [&str; 6] = [
    "console.amazonaws.com",
    "console.aws.amazon.com",
    "signin.amazonaws.com",
    "S3Console/",
    "AWS Console",
    "Console, aws-internal/",
];

fn is_iac(event: &Event<'_>) -> bool {
    let cloudformation = Some("cloudformation.amazonaws.com");
    let agent = event.text_of(Base::UserAgent).unwrap_or("");
    source(event) == cloudformation
        || event.text_of(Base::IdentityInvokedBy) == cloudformation
        || IAC_AGENTS.iter().any(|part| agent.contains(part))
}

const IAC_AGENTS: [&str; 8] = [
    "Terraform",
    "HashiCorp",
    "OpenTofu",
    "Pulumi",
    "cloudformation.amazonaws.com",
    "aws-cdk",
    "crossplane",
    "Ansible",
];

/// The first part that a user agent contains decides.
const UA_FAMILIES: [(&str, &str); 18] = [
    ("OpenTofu", "opentofu"),
    ("Terraform", "terraform"),
    ("Pulumi", "pulumi"),
    ("cloudformation.amazonaws.com", "cloudformation"),
    ("S3Console/", "console"),
    ("console.amazonaws.com", "console"),
    ("signin.amazonaws.com", "console"),
    ("aws-cli/", "aws-cli"),
    ("Boto3/", "boto3"),
    ("Botocore/", "botocore"),
    ("aws-sdk-go", "aws-sdk-go"),
    ("aws-sdk-java", "aws-sdk-java"),
    ("aws-sdk-js", "aws-sdk-js"),
    ("aws-sdk-ruby", "aws-sdk-ruby"),
    ("aws-sdk-rust", "aws-sdk-rust"),
    ("Mozilla/", "browser"),
    (".amazonaws.com", "aws-service"),
    ("AWS Internal", "aws-service"),
];

fn ua_family(agent: &str) -> &'static str {
    UA_FAMILIES.iter().find(|(part, _)| agent.contains(part)).map_or("other", |&(_, family)| family)
}

fn is_aws(source: &str) -> bool {
    source.ends_with(".amazonaws.com") || source.starts_with("AWS Internal")
}

/// Unknown where either account is, and for services, which belong to none.
fn cross_account(event: &Event<'_>) -> Option<bool> {
    let actor = event.actor();
    if actor.kind == ActorKind::AwsService {
        return None;
    }
    Some(actor.account? != event.account()?)
}

fn target_account<'a>(event: &Event<'a>) -> Option<&'a str> {
    event
        .text_of(Base::ResourceAccount)
        .or_else(|| event.text_of(Base::ResourceArn).and_then(identity::account_of_arn))
        .or_else(|| event.text_of(Base::RequestRoleArn).and_then(identity::account_of_arn))
}

fn target_role<'a>(event: &Event<'a>) -> Option<&'a str> {
    event.text_of(Base::RequestRoleName).or_else(|| event.text_of(Base::RequestRoleArn).map(identity::last_name))
}
