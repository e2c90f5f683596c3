//! What is read out of the records below `tests/fixtures`: kinds, times, actors, derived fields, keys.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use trailwatch::condition::explain::Seen;
use trailwatch::config;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::{LogPlace, Origin, Place};
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::identity::KeyKind;
use trailwatch::event::{
    ActorKind, Derived, Event, EventKey, EventKind, Fields, Paths, Projection, RawEvent, Wanted, projection_of,
};
use trailwatch::rule::Severity;

/// The text of `FOLDER/NAME`.
fn fixture(name: &str) -> String {
    std::fs::read_to_string(folder("").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The names `FOLDER/NAME` of a folder's fixtures.
fn names(of: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(of)).unwrap();
    entries.map(|entry| format!("{of}/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

/// What a text decodes to, without any reject.
fn events(text: &str) -> Vec<RawEvent> {
    let mut decoded = Decoded::default();
    decode(&Bytes::from(text.to_owned()), &Origin::line("fixture", 1), &Limits::default(), &mut decoded);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    decoded.events
}

/// Reads a text that holds one event.
fn read<R>(text: &str, look: impl FnOnce(&Event<'_>) -> R) -> R {
    let events = events(text);
    assert_eq!(events.len(), 1, "{text}");
    let mut fields = Fields::default();
    let text = std::str::from_utf8(&events[0].bytes).unwrap();
    look(&Event::read(text, &projection_of([]), &mut fields).unwrap())
}

/// The key of a text's one event, which came from somewhere.
fn key_from(text: &str, origin: &Origin) -> EventKey {
    read(text, |event| EventKey::of(event, origin))
}

fn key(text: &str) -> EventKey {
    key_from(text, &Origin::whole("somewhere"))
}

fn log_event(group: &str, event_id: &str) -> Origin {
    let place = LogPlace { stream: "s".to_owned(), event_id: event_id.to_owned(), timestamp_ms: 1, ingestion_ms: 2 };
    Origin { source: group.into(), place: Place::LogEvent(Arc::new(place)) }
}

#[test]
fn every_fixture_is_an_event_with_its_own_bytes() {
    for name in [names("seed"), names("identities"), names("records")].into_iter().flatten() {
        let text = fixture(&name);
        let events = events(&text);
        let expected: Vec<String> = match name.as_str() {
            "records/records-object.json" => {
                let object: std::collections::HashMap<&str, Vec<&serde_json::value::RawValue>> =
                    serde_json::from_str(&text).unwrap();
                object["Records"].iter().map(|record| record.get().to_owned()).collect()
            }
            "records/eventbridge-api-call.json" => {
                let start = text.find("\"detail\": ").unwrap() + "\"detail\": ".len();
                vec![text[start..text.rfind('}').unwrap()].trim_end().to_owned()]
            }
            _ => vec![text.trim().to_owned()],
        };
        let found: Vec<&str> = events.iter().map(|event| std::str::from_utf8(&event.bytes).unwrap()).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// AWS's own example of an X-Ray record, with all that is odd about it.
#[test]
fn the_seed_case_is_read_and_is_no_finding() {
    let text = fixture("seed/get-encryption-config.json");
    read(&text, |event| {
        assert_eq!(event.kind(), EventKind::CloudTrail);
        assert_eq!(event.time().unwrap().to_string(), "2018-09-01T00:24:36Z");
        let actor = event.actor();
        assert_eq!((actor.kind, actor.name, actor.key), (ActorKind::Role, "MyRole", KeyKind::Temporary));
        assert_eq!((actor.session, actor.account), (Some("MyName"), Some("123456789012")));
        assert_eq!(actor.arn, Some("arn:aws:iam::123456789012:role/MyRole"));
        assert_eq!(shown(Derived::IsWrite, event).as_deref(), Some("false"), "readOnly is missing, the verb tells");
    });
    let rules = shipped();
    let mut scratch = Scratch::default();
    let evaluated = rules.evaluate(&text, &mut scratch).unwrap();
    assert!(
        evaluated.matches.is_empty(),
        "{:?}",
        evaluated.matches.iter().map(|id| &rules.rule(*id).id).collect::<Vec<_>>()
    );
}

#[test]
fn no_shipped_rule_finds_anything_worth_a_look_in_the_identities() {
    let rules = shipped();
    let mut scratch = Scratch::default();
    for name in names("identities") {
        let text = fixture(&name);
        let matches = rules.evaluate(&text, &mut scratch).unwrap().matches;
        let loud = matches.iter().map(|id| rules.rule(*id)).filter(|rule| rule.severity > Severity::Informational);
        let loud: Vec<&str> = loud.map(|rule| rule.id.as_str()).collect();
        assert!(loud.is_empty(), "{name}: {loud:?}");
    }
}

fn shipped() -> RuleSet {
    let loaded = config::rules(&[]);
    assert!(loaded.is_good());
    assert!(loaded.rules.len() >= 10);
    RuleSet::new(loaded.rules)
}

/// What is to be read of an identity: kind, name, account, how long the key lives, session.
type Identity = (ActorKind, &'static str, Option<&'static str>, KeyKind, Option<&'static str>);

const OWN: Option<&str> = Some("111122223333");
const OTHER: Option<&str> = Some("444455556666");

const IDENTITIES: &[(&str, Identity)] = {
    use ActorKind::*;
    use KeyKind::{LongTerm, Temporary};
    const NO_KEY: KeyKind = KeyKind::None;
    &[
        ("aws-account-anonymous", (Anonymous, "anonymous", None, NO_KEY, None)),
        ("aws-account", (Account, "444455556666", OTHER, NO_KEY, Some("mallory"))),
        ("aws-service", (AwsService, "lambda.amazonaws.com", None, NO_KEY, None)),
        ("directory", (Directory, "dave", OWN, NO_KEY, None)),
        ("ec2-role-session-imdsv1", (Role, "web", OWN, Temporary, Some("i-1234567890abcdef0"))),
        ("ec2-role-session-imdsv2", (Role, "web", OWN, Temporary, Some("i-1234567890abcdef0"))),
        ("federated-user-from-root", (Federated, "bob", OWN, Temporary, None)),
        // Not the user whose keys it was made with.
        ("federated-user", (Federated, "bob", OWN, Temporary, None)),
        ("hidden-user-name", (IamUser, "HIDDEN_DUE_TO_SECURITY_REASONS", OWN, NO_KEY, None)),
        ("iam-user-console-session-mfa", (IamUser, "alice", OWN, Temporary, None)),
        ("iam-user-empty-access-key-id", (IamUser, "alice", OWN, NO_KEY, None)),
        ("iam-user-long-lived-key", (IamUser, "alice", OWN, LongTerm, None)),
        ("iam-user-no-access-key-id", (IamUser, "alice", OWN, NO_KEY, None)),
        // A person, not the reserved role that the person works through.
        (
            "identity-center-permission-set-on-behalf-of",
            (SsoUser, "alice@example.com", OWN, Temporary, Some("alice@example.com")),
        ),
        ("identity-center-permission-set", (SsoUser, "alice@example.com", OWN, Temporary, Some("alice@example.com"))),
        ("identity-center-user", (SsoUser, "544894e8-80c1-707f-60e3-3ba6510dfac1", OWN, Temporary, None)),
        ("in-scope-of-function", (Role, "worker", OWN, Temporary, Some("worker"))),
        // The account in whose scope a service works is not the service's own.
        ("in-scope-of-source", (AwsService, "sns.amazonaws.com", None, NO_KEY, None)),
        ("invoked-by-delegate", (Role, "partner-access", OWN, Temporary, Some("provider"))),
        // No key is recorded, but a session with its start.
        ("role-session-basic-creation-date", (Role, "deploy", OWN, Temporary, Some("alice"))),
        // CloudFormation made the call for the role, with the role's rights.
        ("role-session-forward-access", (Role, "deploy", OWN, Temporary, Some("alice"))),
        ("role-session-other-account", (Role, "deploy", OTHER, Temporary, Some("alice"))),
        ("role-session-source-identity", (Role, "deploy", OWN, Temporary, Some("alice"))),
        ("role-session-web-identity", (Role, "ci", OWN, Temporary, Some("build-42"))),
        ("role-session", (Role, "deploy", OWN, Temporary, Some("alice"))),
        ("role", (Role, "deploy", OWN, NO_KEY, None)),
        ("root-by-assume-root", (Root, "root", OTHER, Temporary, None)),
        // Its `userName` is the account's alias, which is nobody's name.
        ("root-with-account-alias", (Root, "root", OWN, Temporary, None)),
        ("root", (Root, "root", OWN, Temporary, None)),
        ("saml-user", (Federated, "carol@example.com", None, NO_KEY, None)),
        (
            "service-linked-role",
            (Role, "AWSServiceRoleForAppSync", OWN, Temporary, Some("xray-daemon-0000000000000000001")),
        ),
        ("type-missing", (AwsService, "ec2.amazonaws.com", OWN, NO_KEY, None)),
        ("unknown", (Unknown, "erin@example.com", OWN, NO_KEY, None)),
        ("user-identity-absent", (AwsService, "kms.amazonaws.com", None, NO_KEY, None)),
        ("user-identity-null", (AwsService, "kms.amazonaws.com", None, NO_KEY, None)),
        ("web-identity-user", (Federated, "repo:example/app:ref:refs/heads/main", None, NO_KEY, None)),
    ]
};

#[test]
fn every_form_of_identity_gives_its_actor() {
    for (name, expected) in IDENTITIES {
        read(&fixture(&format!("identities/{name}.json")), |event| {
            let actor = event.actor();
            assert_eq!((actor.kind, actor.name, actor.account, actor.key, actor.session), *expected, "{name}");
        });
    }
    let listed: BTreeSet<String> = IDENTITIES.iter().map(|(name, _)| format!("identities/{name}.json")).collect();
    assert_eq!(listed, names("identities"), "every fixture has its row");
    for kind in ActorKind::ALL {
        assert!(IDENTITIES.iter().any(|(_, identity)| identity.0 == kind), "no row for {kind:?}");
    }
}

#[test]
fn the_arn_of_a_session_is_the_roles() {
    for (name, expected) in [
        ("role-session", Some("arn:aws:iam::111122223333:role/deploy")),
        (
            "service-linked-role",
            Some("arn:aws:iam::111122223333:role/aws-service-role/appsync.amazonaws.com/AWSServiceRoleForAppSync"),
        ),
        ("iam-user-console-session-mfa", Some("arn:aws:iam::111122223333:user/alice")),
        // The issuer of a federated user is another principal.
        ("federated-user", Some("arn:aws:sts::111122223333:federated-user/bob")),
        ("aws-service", None),
    ] {
        read(&fixture(&format!("identities/{name}.json")), |event| assert_eq!(event.actor().arn, expected, "{name}"));
    }
}

const KINDS: &[(&str, &[EventKind])] = {
    use EventKind::{Aggregated, CloudTrail, Insight, Other};
    &[
        ("addendum-delivery-delay", &[CloudTrail]),
        ("addendum-updated-data", &[CloudTrail]),
        ("aggregated", &[Aggregated]),
        ("console-login-failure", &[CloudTrail]),
        ("console-login-success", &[CloudTrail]),
        ("data-event-xray-trace", &[CloudTrail]),
        ("escapes", &[CloudTrail]),
        ("eventbridge-api-call", &[CloudTrail]),
        // An envelope around something that is no record.
        ("eventbridge-xray-insight-update", &[Other]),
        ("insight-end", &[Insight]),
        ("insight-start", &[Insight]),
        ("network-activity-denied", &[CloudTrail]),
        ("records-object", &[CloudTrail, CloudTrail]),
        ("request-parameters-absent", &[CloudTrail]),
        ("request-parameters-string", &[CloudTrail]),
        ("service-event", &[CloudTrail]),
        ("terminal-escapes", &[CloudTrail]),
        ("version-1.00", &[CloudTrail]),
        ("version-1.01", &[CloudTrail]),
        ("version-1.02", &[CloudTrail]),
        ("version-1.03", &[CloudTrail]),
        ("version-1.04", &[CloudTrail]),
        ("version-1.05", &[CloudTrail]),
        ("version-1.06", &[CloudTrail]),
        ("version-1.07", &[CloudTrail]),
        ("version-1.08", &[CloudTrail]),
        ("version-1.09", &[CloudTrail]),
        ("version-1.10", &[CloudTrail]),
        ("version-1.11", &[CloudTrail]),
    ]
};

fn kind(text: &str) -> EventKind {
    read(text, |event| event.kind())
}

#[test]
fn every_record_is_of_its_kind() {
    for (name, expected) in KINDS {
        let events = events(&fixture(&format!("records/{name}.json")));
        let found: Vec<_> = events.iter().map(|event| kind(std::str::from_utf8(&event.bytes).unwrap())).collect();
        assert_eq!(found, *expected, "{name}");
    }
    let listed: BTreeSet<String> = KINDS.iter().map(|(name, _)| format!("records/{name}.json")).collect();
    assert_eq!(listed, names("records"), "every fixture has its row");
}

#[test]
fn kinds_are_told_by_few_members() {
    for (text, expected) in [
        (r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}"#, EventKind::CloudTrail),
        (r#"{"eventSource":"s3.amazonaws.com","eventName":""}"#, EventKind::Other),
        (r#"{"eventSource":"s3.amazonaws.com"}"#, EventKind::Other),
        (r#"{"eventVersion":"1.11","eventType":"AwsCloudTrailInsight"}"#, EventKind::Insight),
        (r#"{"eventVersion":"1.0","eventType":"AwsAggregatedEvent"}"#, EventKind::Aggregated),
        (r#"{"schema_version":"1.0","rule":{"id":"x"}}"#, EventKind::Finding),
        (r#"{"schema_version":"1.0","rule":"x"}"#, EventKind::Other),
        ("{}", EventKind::Other),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

fn shown(derived: Derived, event: &Event<'_>) -> Option<String> {
    derived.of(event).map(|value| Seen::of(value).to_string())
}

/// The text of a fixture, or the text itself where it is JSON.
fn given(text: &str) -> String {
    if text.starts_with('{') { text.to_owned() } else { fixture(&format!("{text}.json")) }
}

/// A record with these members beside the two that make it one.
macro_rules! record {
    ($($members:literal)?) => {
        concat!(r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject""#, $(",", $members,)? "}")
    };
}

/// An event (a fixture's name or JSON), a derived field, and its value; `None` where it is missing.
const DERIVED: &[(&str, Derived, Option<&str>)] = {
    use Derived::*;
    const NO_RECORD: &str = "records/eventbridge-xray-insight-update";
    const ROLE: &str = "identities/role-session";
    const EC2: &str = "identities/ec2-role-session-imdsv2";
    const CONSOLE: &str = "identities/iam-user-console-session-mfa";
    const BARE: &str = record!();
    &[
        (ROLE, ActorName, Some("deploy")),
        ("records/service-event", ActorName, Some("AWS Internal")),
        ("records/insight-start", ActorName, Some("unknown")),
        (NO_RECORD, ActorName, None),
        (ROLE, ActorKind, Some("role")),
        ("identities/identity-center-permission-set", ActorKind, Some("sso_user")),
        (NO_RECORD, ActorKind, None),
        (ROLE, ActorAccount, Some("111122223333")),
        ("identities/aws-account-anonymous", ActorAccount, None),
        (ROLE, ActorArn, Some("arn:aws:iam::111122223333:role/deploy")),
        ("identities/saml-user", ActorArn, None),
        ("identities/iam-user-long-lived-key", KeyKind, Some("long_term")),
        (ROLE, KeyKind, Some("temporary")),
        ("identities/aws-service", KeyKind, None),
        (ROLE, SessionName, Some("alice")),
        ("identities/iam-user-long-lived-key", SessionName, None),
        (EC2, SessionIsInstance, Some("true")),
        (ROLE, SessionIsInstance, Some("false")),
        ("identities/root", SessionIsInstance, None),
        (CONSOLE, SessionMfa, Some("true")),
        (ROLE, SessionMfa, Some("false")),
        ("identities/iam-user-long-lived-key", SessionMfa, None),
        // From 11:30:00 to 12:00:08.
        (ROLE, SessionAge, Some("1808")),
        ("identities/role-session-basic-creation-date", SessionAge, Some("1809")),
        ("seed/get-encryption-config", SessionAge, Some("0")),
        ("identities/iam-user-long-lived-key", SessionAge, None),
        (ROLE, Outcome, Some("success")),
        ("records/terminal-escapes", Outcome, Some("denied")),
        ("records/network-activity-denied", Outcome, Some("denied")),
        ("records/console-login-failure", Outcome, Some("failure")),
        ("records/console-login-success", Outcome, Some("success")),
        (record!(r#""errorCode":"NoSuchKey""#), Outcome, Some("failure")),
        (record!(r#""errorCode":"Client.UnauthorizedOperation""#), Outcome, Some("denied")),
        (record!(r#""errorCode":null"#), Outcome, Some("success")),
        ("records/insight-start", Outcome, None),
        ("records/aggregated", Outcome, None),
        (ROLE, Service, Some("ec2")),
        ("records/insight-start", Service, Some("xray")),
        ("records/aggregated", Service, Some("xray")),
        (r#"{"eventSource":"ec2.amazonaws.com.cn","eventName":"x"}"#, Service, Some("ec2")),
        (NO_RECORD, Service, None),
        (ROLE, Api, Some("DescribeInstances")),
        ("records/insight-start", Api, Some("UpdateSamplingRule")),
        (
            r#"{"eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionCode20150331v2"}"#,
            Api,
            Some("UpdateFunctionCode"),
        ),
        (r#"{"eventSource":"lambda.amazonaws.com","eventName":"CreateFunction20150331"}"#, Api, Some("CreateFunction")),
        ("records/aggregated", Api, None),
        ("records/addendum-updated-data", IsWrite, Some("true")),
        (ROLE, IsWrite, Some("false")),
        ("records/version-1.00", IsWrite, Some("true")),
        ("seed/get-encryption-config", IsWrite, Some("false")),
        (record!(r#""readOnly":"false""#), IsWrite, Some("true")),
        ("records/aggregated", IsWrite, None),
        (CONSOLE, IsConsole, Some("true")),
        ("records/console-login-success", IsConsole, Some("true")),
        (record!(r#""userAgent":"signin.amazonaws.com""#), IsConsole, Some("true")),
        (record!(r#""userAgent":"RDS Console, aws-internal/3 aws-sdk-java/1.11.975""#), IsConsole, Some("true")),
        (record!(r#""sessionCredentialFromConsole":"false""#), IsConsole, Some("false")),
        (ROLE, IsConsole, Some("false")),
        (NO_RECORD, IsConsole, None),
        ("identities/role-session-forward-access", IsIac, Some("true")),
        (record!(r#""userAgent":"APN/1.0 HashiCorp/1.0 Terraform/1.9.0""#), IsIac, Some("true")),
        (ROLE, IsIac, Some("false")),
        (NO_RECORD, IsIac, None),
        (ROLE, UaFamily, Some("aws-cli")),
        (CONSOLE, UaFamily, Some("browser")),
        ("identities/role-session-forward-access", UaFamily, Some("cloudformation")),
        ("identities/aws-service", UaFamily, Some("aws-service")),
        ("seed/get-encryption-config", UaFamily, Some("aws-sdk-ruby")),
        ("records/data-event-xray-trace", UaFamily, Some("other")),
        ("records/network-activity-denied", UaFamily, None),
        (ROLE, SrcIp, Some("198.51.100.7")),
        (record!(r#""sourceIPAddress":"2001:db8::1""#), SrcIp, Some("2001:db8::1")),
        ("identities/aws-service", SrcIp, None),
        (BARE, SrcIp, None),
        ("identities/aws-service", SrcIsAws, Some("true")),
        ("records/service-event", SrcIsAws, Some("true")),
        (ROLE, SrcIsAws, Some("false")),
        (BARE, SrcIsAws, None),
        ("identities/role-session-other-account", CrossAccount, Some("true")),
        ("identities/aws-account", CrossAccount, Some("true")),
        (ROLE, CrossAccount, Some("false")),
        // A service belongs to no account, and the anonymous to none that is known.
        ("identities/type-missing", CrossAccount, None),
        ("identities/aws-account-anonymous", CrossAccount, None),
        ("identities/aws-service", TargetAccount, Some("111122223333")),
        (
            record!(r#""requestParameters":{"roleArn":"arn:aws:iam::444455556666:role/r"}"#),
            TargetAccount,
            Some("444455556666"),
        ),
        (
            record!(r#""resources":[{"ARN":"arn:aws:sns:us-east-1:444455556666:t"}]"#),
            TargetAccount,
            Some("444455556666"),
        ),
        ("records/data-event-xray-trace", TargetAccount, None),
        ("identities/aws-service", TargetArn, Some("arn:aws:iam::111122223333:role/worker")),
        ("identities/aws-account", TargetArn, Some("arn:aws:iam::111122223333:role/partner")),
        (ROLE, TargetArn, None),
        ("identities/invoked-by-delegate", TargetUser, Some("alice")),
        (ROLE, TargetUser, None),
        ("identities/aws-service", TargetRole, Some("worker")),
        (record!(r#""requestParameters":{"roleName":"admin"}"#), TargetRole, Some("admin")),
        (ROLE, TargetRole, None),
        ("records/escapes", TargetBucket, Some("amzn-s3-demo-bucket")),
        ("records/request-parameters-string", TargetBucket, None),
    ]
};

#[test]
fn derived_fields_have_their_values() {
    for (text, derived, expected) in DERIVED {
        let found = read(&given(text), |event| shown(*derived, event));
        assert_eq!(found.as_deref(), *expected, "{} of {text}", derived.name());
    }
    for (name, derived) in Derived::ALL {
        let rows = || DERIVED.iter().filter(|(_, found, _)| found == derived);
        assert!(rows().any(|(.., expected)| expected.is_some()), "no row with a value of {name}");
        assert!(rows().any(|(.., expected)| expected.is_none()), "no row where {name} is missing");
    }
}

/// A projection such as the matcher's, which reads what one derived field needs.
fn reading(derived: Option<Derived>) -> Projection {
    let mut wanted = Wanted::default();
    derived.into_iter().for_each(|derived| wanted.derived(derived));
    Paths::default().projection(&wanted, &wanted)
}

/// The matcher reads only what rules name: each derived field has to say all that it needs.
#[test]
fn a_derived_field_is_the_same_where_nothing_else_is_read() {
    for (text, derived, expected) in DERIVED {
        let events = events(&given(text));
        let text = std::str::from_utf8(&events[0].bytes).unwrap();
        let mut fields = Fields::default();
        let event = Event::read(text, &reading(Some(*derived)), &mut fields).unwrap();
        assert_eq!(shown(*derived, &event).as_deref(), *expected, "{} of {text}", derived.name());
    }
    for (name, _) in IDENTITIES {
        let text = fixture(&format!("identities/{name}.json"));
        let whole = read(&text, |event| format!("{:?}", event.actor()));
        let mut fields = Fields::default();
        let event = Event::read(&text, &reading(Some(Derived::ActorName)), &mut fields).unwrap();
        assert_eq!(format!("{:?}", event.actor()), whole, "{name}");
    }
}

#[test]
fn kind_key_and_time_are_the_same_where_nothing_else_is_read() {
    let nothing = reading(None);
    for name in [names("seed"), names("identities"), names("records")].into_iter().flatten() {
        for raw in events(&fixture(&name)) {
            let text = std::str::from_utf8(&raw.bytes).unwrap();
            let told = |projection| {
                let mut fields = Fields::default();
                let event = Event::read(text, projection, &mut fields).unwrap();
                let names = format!("{:?} {:?} {:?}", event.account(), event.source(), event.name());
                (event.kind(), event.time(), EventKey::of(&event, &raw.origin), names)
            };
            assert_eq!(told(&nothing), told(&projection_of([])), "{name}");
        }
    }
}

#[test]
fn words_and_flags_are_what_the_fields_say_of_themselves() {
    for (text, derived, expected) in DERIVED {
        let Some(expected) = expected else { continue };
        if let Some(words) = derived.words() {
            assert!(words.contains(expected), "{} of {text}", derived.name());
        }
        assert_eq!(derived.is_flag(), matches!(*expected, "true" | "false"), "{} of {text}", derived.name());
    }
}

#[test]
fn nothing_is_derived_of_what_is_not_cloudtrails() {
    for text in [r#"{"schema_version":"1.0","rule":{"id":"x"},"awsRegion":"us-east-1"}"#, r#"{"readOnly":false}"#] {
        read(text, |event| {
            for (name, derived) in Derived::ALL {
                assert_eq!(shown(*derived, event), None, "{name} of {text}");
            }
        });
    }
}

/// An event with an account and an id.
fn with_ids(account: &str, id: &str) -> String {
    format!(
        r#"{{"eventSource":"s3.amazonaws.com","eventName":"PutObject","recipientAccountId":"{account}","eventID":"{id}"}}"#
    )
}

const ID: &str = "e0000000-0000-4000-8000-0000000000aa";

#[test]
fn an_event_has_one_key_whatever_way_it_comes() {
    let record = with_ids("111122223333", ID);
    let envelope = format!(r#"{{"id":"eb000000","detail-type":"AWS API Call via CloudTrail","detail":{record}}}"#);
    let message = serde_json::Value::from(record.as_str());
    let payload = format!(
        r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{{"id":"1","timestamp":1,"message":{message}}}]}}"#
    );
    let indented = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&record).unwrap()).unwrap();
    let expected = key(&record);
    for text in [&envelope, &format!(r#"{{"Records":[{record}]}}"#), &payload, &indented] {
        assert_eq!(key(text), expected, "{text}");
    }
    assert_eq!(key_from(&record, &log_event("group", "1")), expected);
    assert_eq!(key_from(&record, &log_event("another", "2")), expected);
}

#[test]
fn other_accounts_and_ids_have_other_keys() {
    let keys = [
        key(&with_ids("111122223333", ID)),
        key(&with_ids("111122223334", ID)),
        key(&with_ids("111122223333", "e0000000-0000-4000-8000-0000000000ab")),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

/// One action told to two accounts is two events, each with its own id.
#[test]
fn twins_of_a_shared_event_have_different_keys() {
    let twin = |account: &str, id: &str| {
        let text = with_ids(account, id);
        format!(r#"{},"sharedEventID":"5a5a5a5a-0000-4000-8000-000000000001"}}"#, text.strip_suffix('}').unwrap())
    };
    let other = "e0000000-0000-4000-8000-0000000000ab";
    assert_ne!(key(&twin("111122223333", ID)), key(&twin("444455556666", other)));
    assert_ne!(key(&twin("111122223333", ID)), key(&twin("111122223333", other)));
    assert_ne!(key(&fixture("records/insight-start.json")), key(&fixture("records/insight-end.json")));
}

#[test]
fn ids_of_another_form_are_hashed_and_not_merged() {
    let exact = |key: EventKey| key.as_bytes()[0] == 0;
    // As it is kept, so that what was seen is known again.
    let kept = [0, 0, 0, 25, 223, 102, 144, 229, 0xe0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xaa];
    assert_eq!(*key(&with_ids("111122223333", ID)).as_bytes(), kept);
    let odd = [
        ("111122223333", "E0000000-0000-4000-8000-0000000000AA"),
        ("11112222333", ID),
        ("011112222333", &ID[1..]),
        ("1111222233333", ID),
        ("+11122223333", ID),
        ("", ID),
        ("111122223333", "e000000000004000800000000000000000aa"),
        ("111122223333", "e0000000-0000-4000-8000-0000000000ag"),
        ("111122223333", "not a UUID"),
    ];
    let mut keys = BTreeSet::from([key(&with_ids("111122223333", ID)), key(&with_ids("011112222333", ID))]);
    for (account, id) in odd {
        let key = key(&with_ids(account, id));
        assert!(!exact(key), "{account} {id}");
        assert!(keys.insert(key), "{account} {id} has another's key");
    }
}

#[test]
fn a_summary_of_data_events_goes_by_its_own_account_and_id() {
    let text = fixture("records/aggregated.json");
    assert_eq!(key(&text), key(&with_ids("111122223333", "e0000000-0000-4000-8000-000000000115")));
    assert_eq!(key(&text), key_from(&text, &log_event("group", "1")));
}

#[test]
fn an_event_without_id_goes_by_its_log_event_and_at_last_by_its_bytes() {
    let text = fixture("records/version-1.00.json");
    assert!(!text.contains("eventID"));
    let at = |group: &str, id: &str| key_from(&text, &log_event(group, id));
    assert_eq!(at("group", "1"), at("group", "1"));
    assert_ne!(at("group", "1"), at("group", "2"), "two log events are two events, though they read alike");
    assert_ne!(at("group", "1"), at("other", "1"));
    // Live Tail gives no id: the bytes have to do, wherever they stand.
    assert_eq!(at("group", ""), key_from(&text, &Origin::line("file", 7)));
    assert_ne!(key(&text), key(&text.replace("StopInstances", "StartInstances")));
}

#[test]
fn an_envelope_around_something_else_goes_by_its_own_id() {
    let text = fixture("records/eventbridge-xray-insight-update.json");
    let at = |text: &str, line| key_from(text, &Origin::line("file", line));
    assert_eq!(at(&text, 1), at(&text, 2));
    assert_eq!(key_from(&text, &log_event("group", "1")), at(&text, 1));
    assert_ne!(at(&text.replace("eb000000-", "eb000001-"), 1), at(&text, 1));
}

/// Whatever else is logged as JSON may well call many things `id`.
#[test]
fn an_id_of_something_else_makes_two_events_not_one() {
    assert_ne!(key(r#"{"id":"1","message":"started"}"#), key(r#"{"id":"1","message":"stopped"}"#));
}
