//! What `|policy` says of policies as they are found in accounts: by the matcher, by the naive evaluator, and in words.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use trailwatch::condition::explain::Seen;
use trailwatch::condition::policy::document::DOCUMENT_BYTES_MAX;
use trailwatch::condition::{Explanation, explain};
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::rule::Rule;

/// The account of every record.
const OWN: &str = "111122223333";

fn rule(asked: &str) -> Rule {
    let text = format!(
        "id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n\"requestParameters.policy|policy\" = {{ {asked} }}\n"
    );
    Rule::parse(Path::new("r.toml"), text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn record(policy: &Value) -> String {
    json!({"recipientAccountId": OWN, "eventName": "PutThing", "requestParameters": {"policy": policy}}).to_string()
}

/// Whether the rule matches, and what is said of the policy.
fn judged(rule: &Rule, record: &str) -> String {
    let mut fields = Fields::default();
    let event = Event::read(record, &projection_of([]), &mut fields).unwrap();
    let explanation = explain(&rule.condition, &event);
    let rules = RuleSet::new(vec![rule.clone()]);
    let mut scratch = Scratch::default();
    let matched = !rules.evaluate(record, &mut scratch).unwrap().matches.is_empty();
    assert_eq!(matched, explanation.holds(), "the matcher and the naive evaluator differ on {record}");
    let Explanation::Is(_, _, seen) = &explanation else { panic!("one line is one predicate") };
    let notes: Vec<String> = seen.iter().map(Seen::to_string).collect();
    format!("{}: {}", if matched { "yes" } else { "no" }, notes.join(" | "))
}

#[track_caller]
fn check(name: &str, asked: &str, policy: &Value, expected: &str) {
    let rule = rule(asked);
    assert_eq!(judged(&rule, &record(policy)), expected, "{name}: an object");
    let text = policy.to_string();
    assert_eq!(judged(&rule, &record(&text.clone().into())), expected, "{name}: a string");
    let encoded = percent_encoded(&text);
    assert_eq!(judged(&rule, &record(&encoded.clone().into())), expected, "{name}: URL-encoded");
    assert_eq!(judged(&rule, &record(&percent_encoded(&encoded).into())), expected, "{name}: URL-encoded twice");
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A policy of these statements.
fn policy<const N: usize>(statements: [Value; N]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements.to_vec()})
}

fn allow(more: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::invoices/*"});
    statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    statement.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    statement
}

fn deny(more: Value) -> Value {
    let mut statement = allow(more);
    statement["Effect"] = "Deny".into();
    statement
}

#[test]
fn public_grants() {
    let ask = "grants_public = true";
    let everyone = |more: Value| {
        let mut statement = allow(more);
        statement["Principal"] = "*".into();
        policy([statement])
    };
    let when = |condition: Value| everyone(json!({"Condition": condition}));
    for (name, document, expected) in [
        ("everyone", everyone(json!({})), "yes: statement 1 grants everyone"),
        ("everyone, by kind", policy([allow(json!({"Principal": {"AWS": "*"}}))]), "yes: statement 1 grants everyone"),
        (
            "everyone in a list",
            policy([allow(json!({"Principal": {"AWS": ["arn:aws:iam::111122223333:root", "*"]}}))]),
            "yes: statement 1 grants everyone",
        ),
        ("with a name", everyone(json!({"Sid": "PublicRead"})), "yes: statement 1 `PublicRead` grants everyone"),
        (
            "names in small letters",
            json!({"statement": {"effect": "Allow", "principal": "*", "action": "sns:*"}}),
            "yes: statement 1 grants everyone",
        ),
        (
            "the second of two",
            policy([allow(json!({"Principal": {"Service": "sns.amazonaws.com"}})), allow(json!({"Principal": "*"}))]),
            "yes: statement 2 grants everyone",
        ),
        (
            "all but somebody",
            policy([allow(json!({"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}))]),
            "yes: statement 1 grants everyone",
        ),
        (
            "an account",
            policy([allow(json!({"Principal": {"AWS": "444455556666"}}))]),
            "no: statement 1 does not grant everyone",
        ),
        (
            "any account's role of a name",
            policy([allow(json!({"Principal": {"AWS": "arn:aws:iam::*:role/build"}}))]),
            "yes: statement 1 grants everyone",
        ),
        (
            "a service",
            policy([allow(json!({"Principal": {"Service": "cloudfront.amazonaws.com"}}))]),
            "no: statement 1 does not grant everyone",
        ),
        ("a policy of an identity", policy([allow(json!({}))]), "no: statement 1 names no principal"),
        ("nothing but a denial", policy([deny(json!({"Principal": "*"}))]), "no: no statement allows anything"),
        ("no statement", policy([]), "no: no statement allows anything"),
        (
            "an organization",
            when(json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
            "no: statement 1 is confined by Condition on `aws:PrincipalOrgID`",
        ),
        (
            "a key in another case",
            when(json!({"stringequals": {"AWS:SourceOwner": "111122223333"}})),
            "no: statement 1 is confined by Condition on `AWS:SourceOwner`",
        ),
        (
            "an organization, perhaps",
            when(json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalOrgID`, not judged",
        ),
        (
            "any organization",
            when(json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalOrgID`, not judged",
        ),
        (
            "any organization but one",
            when(json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalOrgID`, not judged",
        ),
        (
            "all values of what may be missing",
            when(json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-a1/r-b2/ou-c3/"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalOrgPaths`, not judged",
        ),
        (
            "a unit of an organization",
            when(json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-a1/r-b2/ou-c3/*"]}})),
            "no: statement 1 is confined by Condition on `aws:PrincipalOrgPaths`",
        ),
        (
            "a variable is nobody known",
            when(json!({"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:SourceAccount`, not judged",
        ),
        (
            "an endpoint",
            when(json!({"StringEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}})),
            "no: statement 1 is confined by Condition on `aws:SourceVpce`",
        ),
        (
            "one of several values is anything",
            when(json!({"StringLike": {"aws:SourceVpce": ["vpce-1a2b3c4d", "*"]}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:SourceVpce`, not judged",
        ),
        (
            "resources of an account",
            when(json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}})),
            "no: statement 1 is confined by Condition on `aws:SourceArn`",
        ),
        (
            "a bucket, whose ARN has no account",
            when(json!({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::invoices"}})),
            "no: statement 1 is confined by Condition on `aws:SourceArn`",
        ),
        (
            "resources of any account",
            when(json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:alarms"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:SourceArn`, not judged",
        ),
        (
            "an office",
            when(json!({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "2001:db8::/32"]}})),
            "no: statement 1 is confined by Condition on `aws:SourceIp`",
        ),
        (
            "half the internet",
            when(json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:SourceIp`, not judged",
        ),
        (
            "sessions of a role",
            when(json!({"StringLike": {"aws:userid": "AROAEXAMPLEEXAMPLEEXA:*"}})),
            "no: statement 1 is confined by Condition on `aws:userid`",
        ),
        (
            "a referer",
            when(
                json!({"StringLike": {"aws:Referer": "https://example.com/*"}, "Bool": {"aws:SecureTransport": true}}),
            ),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:SecureTransport`, `aws:Referer`, not judged",
        ),
        (
            "what nothing narrows is named first",
            policy([
                allow(json!({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}})),
                allow(json!({"Principal": "*"})),
            ]),
            "yes: statement 2 grants everyone",
        ),
    ] {
        check(name, ask, &document, expected);
    }
}

#[test]
fn denials() {
    let ask = "grants_public = true";
    let public = |more: Value| {
        let mut statement = allow(more);
        statement["Principal"] = "*".into();
        statement
    };
    let narrowed = "yes: statement 1 grants everyone; narrowed by Deny of statement 2, not judged";
    for (name, denial, expected) in [
        ("of the same", deny(json!({"Principal": "*"})), "no: statement 1 is denied by statement 2"),
        (
            "of more",
            deny(json!({"Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": "*", "Sid": "Closed"})),
            "no: statement 1 is denied by statement 2 `Closed`",
        ),
        (
            "of all but another call",
            deny(json!({"Principal": "*", "Action": null, "NotAction": "s3:ListBucket", "Resource": "*"})),
            "no: statement 1 is denied by statement 2",
        ),
        (
            "of all but this call",
            deny(json!({"Principal": "*", "Action": null, "NotAction": "s3:Get*"})),
            "yes: statement 1 grants everyone",
        ),
        (
            "of another call",
            deny(json!({"Principal": "*", "Action": "s3:PutObject"})),
            "yes: statement 1 grants everyone",
        ),
        (
            "of another bucket",
            deny(json!({"Principal": "*", "Resource": "arn:aws:s3:::logs/*"})),
            "yes: statement 1 grants everyone",
        ),
        ("of a part", deny(json!({"Principal": "*", "Resource": "arn:aws:s3:::invoices/2025/*"})), narrowed),
        ("of somebody", deny(json!({"Principal": {"AWS": "444455556666"}})), narrowed),
        ("of all but somebody", deny(json!({"NotPrincipal": {"AWS": "111122223333"}})), narrowed),
        (
            "without TLS",
            deny(json!({"Principal": "*", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}})),
            narrowed,
        ),
        (
            "of a resource that is not known",
            deny(json!({"Principal": "*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"})),
            narrowed,
        ),
    ] {
        check(name, ask, &policy([public(json!({})), denial]), expected);
    }
    let two = policy([
        public(json!({"Action": ["s3:GetObject", "s3:PutObject"]})),
        deny(json!({"Principal": "*", "Action": "s3:Put*"})),
        deny(json!({"Principal": "*", "Action": "s3:Get*"})),
    ]);
    check("of one call each", ask, &two, "no: statement 1 is denied by statement 3");
    let account = policy([
        allow(json!({"Principal": {"AWS": "arn:aws:iam::444455556666:role/build"}})),
        deny(json!({"Principal": {"AWS": "arn:aws:iam::444455556666:root"}})),
    ]);
    check("of the whole account", "grants_external = true", &account, "no: statement 1 is denied by statement 2");
    let spared = policy([
        allow(json!({"Principal": {"AWS": ["arn:aws:iam::444455556666:role/build", "777788889999"]}})),
        deny(json!({"NotPrincipal": {"AWS": "arn:aws:iam::444455556666:role/build"}})),
    ]);
    check(
        "of all but one of two",
        "grants_external = true",
        &spared,
        "yes: statement 1 grants `arn:aws:iam::444455556666:role/build`",
    );
    let identity =
        policy([allow(json!({"Action": "*", "Resource": "*"})), deny(json!({"Action": "iam:*", "Resource": "*"}))]);
    check("of what is asked", "allows = \"iam:PassRole\"", &identity, "no: statement 1 is denied by statement 2");
    check(
        "of a part of what is asked",
        "allows_all = \"*\"",
        &identity,
        "yes: statement 1 allows `*`; narrowed by Deny of statement 2, not judged",
    );
}

#[test]
fn grants_to_other_accounts() {
    let ask = "grants_external = true";
    let to = |principal: Value| policy([allow(json!({"Principal": principal}))]);
    let role = "arn:aws:iam::444455556666:role/build";
    let canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let when = |principal: &str, condition: Value| {
        policy([allow(json!({"Principal": {"AWS": principal}, "Condition": condition}))])
    };
    for (name, asked, document, expected) in [
        ("by number", ask, to(json!({"AWS": "444455556666"})), "yes: statement 1 grants `444455556666`"),
        ("a role", ask, to(json!({"AWS": role})), "yes: statement 1 grants `arn:aws:iam::444455556666:role/build`"),
        (
            "a session",
            ask,
            to(json!({"AWS": "arn:aws:sts::444455556666:assumed-role/build/ci"})),
            "yes: statement 1 grants `arn:aws:sts::444455556666:assumed-role/build/ci`",
        ),
        (
            "in another partition",
            ask,
            to(json!({"AWS": "arn:aws-us-gov:iam::444455556666:root"})),
            "yes: statement 1 grants `arn:aws-us-gov:iam::444455556666:root`",
        ),
        (
            "one of two",
            ask,
            to(json!({"AWS": [format!("arn:aws:iam::{OWN}:root"), role]})),
            "yes: statement 1 grants `arn:aws:iam::444455556666:role/build`",
        ),
        (
            "its own",
            ask,
            to(json!({"AWS": format!("arn:aws:iam::{OWN}:root")})),
            "no: statement 1 grants no other account",
        ),
        ("its own by number", ask, to(json!({"AWS": OWN})), "no: statement 1 grants no other account"),
        (
            "a service",
            ask,
            to(json!({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]})),
            "no: statement 1 grants no other account",
        ),
        ("everyone", ask, to(json!("*")), "yes: statement 1 grants everyone"),
        (
            "by canonical id",
            ask,
            to(json!({"CanonicalUser": canonical})),
            "yes: statement 1 grants `canonical:79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be`",
        ),
        (
            "by an id that tells no account",
            ask,
            to(json!({"AWS": "AIDAEXAMPLEEXAMPLEEXA"})),
            "yes: statement 1 grants `AIDAEXAMPLEEXAMPLEEXA`",
        ),
        (
            "an identity provider of another account",
            ask,
            to(json!({"Federated": "arn:aws:iam::444455556666:saml-provider/okta"})),
            "yes: statement 1 grants `federated:arn:aws:iam::444455556666:saml-provider/okta`",
        ),
        (
            "an identity provider of its own",
            ask,
            to(json!({"Federated": format!("arn:aws:iam::{OWN}:saml-provider/okta")})),
            "no: statement 1 grants no other account",
        ),
        (
            "a trusted one",
            "grants_external = true, trusted = [\"444455556666\"]",
            to(json!({"AWS": role})),
            "no: statement 1 grants no other account",
        ),
        (
            "another than the trusted one",
            "grants_external = true, trusted = [\"777788889999\"]",
            to(json!({"AWS": role})),
            "yes: statement 1 grants `arn:aws:iam::444455556666:role/build`",
        ),
        (
            "everyone of its own account",
            ask,
            when("*", json!({"StringEquals": {"aws:PrincipalAccount": OWN}})),
            "no: statement 1 is confined to trusted ones by Condition on `aws:PrincipalAccount`",
        ),
        (
            "everyone of another account",
            ask,
            when("*", json!({"StringEquals": {"aws:PrincipalAccount": [OWN, "444455556666"]}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalAccount`, not judged",
        ),
        (
            "everyone of some organization",
            ask,
            when("*", json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
            "yes: statement 1 grants everyone; narrowed by Condition on `aws:PrincipalOrgID`, not judged",
        ),
        (
            "everyone of a trusted organization",
            "grants_external = true, trusted = \"o-a1b2c3d4e5\"",
            when("*", json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
            "no: statement 1 is confined to trusted ones by Condition on `aws:PrincipalOrgID`",
        ),
        (
            "a role with an external id",
            ask,
            when("444455556666", json!({"StringEquals": {"sts:ExternalId": "42"}})),
            "yes: statement 1 grants `444455556666`; narrowed by Condition on `sts:ExternalId`, not judged",
        ),
        (
            "another account, and not everyone",
            "grants_external = true, grants_public = false",
            to(json!("*")),
            "no: statement 1 grants everyone",
        ),
        (
            "everyone or nobody else",
            "grants_external = false, allows = \"s3:*\"",
            to(json!({"AWS": role})),
            "no: statement 1 grants another account",
        ),
    ] {
        check(name, asked, &document, expected);
    }
}

#[test]
fn calls_resources_and_conditions() {
    let of = |more: Value| policy([allow(more)]);
    let admin = || of(json!({"Action": "*", "Resource": "*"}));
    let all_but_iam = || of(json!({"Action": null, "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}));
    let github = |condition: Value| {
        let provider = format!("arn:aws:iam::{OWN}:oidc-provider/token.actions.githubusercontent.com");
        of(json!({
            "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity", "Resource": null,
            "Condition": condition,
        }))
    };
    let no_sub = "principals = \"federated:*token.actions.githubusercontent.com\", \
                  lacks_condition = \"token.actions.githubusercontent.com:sub\"";
    let aud = json!({"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}});
    for (name, asked, document, expected) in [
        ("everything allows a call", "allows = [\"iam:PassRole\"]", admin(), "yes: statement 1 allows `*`"),
        (
            "a call in another case",
            "allows = [\"iam:passrole\"]",
            of(json!({"Action": "IAM:PassRole"})),
            "yes: statement 1 allows `IAM:PassRole`",
        ),
        (
            "globs that cross",
            "allows = \"s3:Get*\"",
            of(json!({"Action": ["s3:*Object", "s3:List*"]})),
            "yes: statement 1 allows `s3:*Object`",
        ),
        (
            "globs that do not",
            "allows = \"s3:Put*\"",
            of(json!({"Action": "s3:Get*"})),
            "no: statement 1 does not allow `s3:Put*`",
        ),
        (
            "all but others",
            "allows = \"ec2:*\"",
            all_but_iam(),
            "yes: statement 1 allows all but `iam:*`, `organizations:*`",
        ),
        ("all but these", "allows = \"iam:PassRole\"", all_but_iam(), "no: statement 1 does not allow `iam:PassRole`"),
        ("all", "allows_all = \"*\", resources_all = \"*\"", admin(), "yes: statement 1 allows `*`, is about `*`"),
        ("all of a service", "allows_all = [\"iam:*\"]", admin(), "yes: statement 1 allows `*`"),
        ("all but some is not all", "allows_all = \"*\"", all_but_iam(), "no: statement 1 does not allow `*`"),
        (
            "all but others is all of these",
            "allows_all = \"kms:*\"",
            all_but_iam(),
            "yes: statement 1 allows all but `iam:*`, `organizations:*`",
        ),
        (
            "some of all",
            "allows_all = \"iam:*\"",
            of(json!({"Action": "iam:Get*"})),
            "no: statement 1 does not allow `iam:*`",
        ),
        (
            "every one of two",
            "allows_all = [\"iam:*\", \"sts:*\"]",
            of(json!({"Action": ["iam:*"]})),
            "no: statement 1 does not allow `sts:*`",
        ),
        (
            "a resource",
            "resources = \"arn:aws:s3:::invoices/2026/*\"",
            of(json!({})),
            "yes: statement 1 is about `arn:aws:s3:::invoices/*`",
        ),
        (
            "another resource",
            "resources = \"arn:aws:s3:::logs/*\"",
            of(json!({})),
            "no: statement 1 is not about `arn:aws:s3:::logs/*`",
        ),
        (
            "a resource in another case",
            "resources = \"arn:aws:s3:::Invoices/*\"",
            of(json!({})),
            "no: statement 1 is not about `arn:aws:s3:::Invoices/*`",
        ),
        (
            "all but a resource",
            "resources = \"arn:aws:s3:::logs/*\"",
            of(json!({"Resource": null, "NotResource": "arn:aws:s3:::invoices/*"})),
            "yes: statement 1 is about all but `arn:aws:s3:::invoices/*`",
        ),
        ("one resource of all", "resources_all = \"*\"", of(json!({})), "no: statement 1 is not about `*`"),
        (
            "what is asked is asked of one statement",
            "grants_public = true, allows = \"s3:Put*\"",
            policy([
                allow(json!({"Principal": "*"})),
                allow(json!({"Principal": {"AWS": OWN}, "Action": "s3:PutObject"})),
            ]),
            "no: statement 1 does not allow `s3:Put*`; statement 2 does not grant everyone",
        ),
        (
            "GitHub with no repository",
            no_sub,
            github(aud.clone()),
            "yes: statement 1 grants `federated:arn:aws:iam::111122223333:oidc-provider/token.actions.githubuserconten…`, \
             has no Condition on `token.actions.githubusercontent.com:sub` that binds; narrowed by Condition on \
             `token.actions.githubusercontent.com:aud`, not judged",
        ),
        (
            "GitHub with a repository",
            no_sub,
            github(json!({"StringLike": {"token.actions.githubusercontent.com:sub": "repo:acme/shop:*"}})),
            "no: statement 1 has a Condition on `token.actions.githubusercontent.com:sub`",
        ),
        (
            "GitHub with any repository",
            "lacks_condition = \"*:sub\"",
            github(json!({"StringLike": {"token.actions.githubusercontent.com:SUB": "*"}})),
            "yes: statement 1 has no Condition on `*:sub` that binds; narrowed by Condition on \
             `token.actions.githubusercontent.com:SUB`, not judged",
        ),
        (
            "a service for whomever it works",
            "principals = \"service:*\", lacks_condition = [\"aws:SourceAccount\", \"aws:SourceArn\"]",
            of(json!({"Principal": {"Service": "sns.amazonaws.com"}})),
            "yes: statement 1 grants `service:sns.amazonaws.com`, has no Condition on `aws:SourceAccount`, `aws:SourceArn` that binds",
        ),
        (
            "a service that works for us",
            "principals = \"service:*\", lacks_condition = [\"aws:SourceAccount\", \"aws:SourceArn\"]",
            of(
                json!({"Principal": {"Service": "sns.amazonaws.com"}, "Condition": {"StringEquals": {"aws:sourceaccount": OWN}}}),
            ),
            "no: statement 1 has a Condition on `aws:sourceaccount`",
        ),
        (
            "a condition that is there",
            "has_condition = [\"sts:ExternalId\"], allows = \"sts:*\"",
            of(json!({"Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "42"}}})),
            "yes: statement 1 allows `sts:AssumeRole`, has a Condition on `sts:ExternalId`; narrowed by Condition on `sts:ExternalId`, not judged",
        ),
        (
            "a condition that is not",
            "has_condition = \"sts:ExternalId\"",
            of(json!({})),
            "no: statement 1 has no Condition on `sts:ExternalId`",
        ),
        (
            "everyone by name",
            "principals = \"*\"",
            of(json!({"Principal": {"AWS": "*"}})),
            "yes: statement 1 grants everyone",
        ),
        (
            "somebody is not everyone",
            "principals = \"*\"",
            of(json!({"Principal": {"AWS": OWN}})),
            "no: statement 1 names `111122223333`",
        ),
        (
            "an account by its roles",
            "principals = \"arn:aws:iam::444455556666:*\"",
            of(json!({"Principal": {"AWS": ["arn:aws:iam::444455556666:role/build"]}})),
            "yes: statement 1 grants `arn:aws:iam::444455556666:role/build`",
        ),
    ] {
        check(name, asked, &document, expected);
    }
}

#[test]
fn policies_as_services_write_them() {
    let key = policy([json!({
        "Sid": "Enable IAM User Permissions", "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{OWN}:root")}, "Action": "kms:*", "Resource": "*",
    })]);
    let managed_key = policy([json!({
        "Sid": "Allow access through S3", "Effect": "Allow", "Principal": {"AWS": "*"},
        "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*",
        "Condition": {"StringEquals": {"kms:CallerAccount": OWN, "kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    })]);
    let topic = json!({
        "Version": "2008-10-17", "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": ["SNS:GetTopicAttributes", "SNS:Publish"], "Resource": format!("arn:aws:sns:us-east-1:{OWN}:alarms"),
            "Condition": {"StringEquals": {"AWS:SourceOwner": OWN}},
        }],
    });
    let xray = policy([json!({
        "Sid": "SNSAccess", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["xray:PutTraceSegments", "xray:GetSamplingRules", "xray:GetSamplingTargets"], "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": OWN}, "StringLike": {"aws:SourceArn": format!("arn:aws:sns:us-east-1:{OWN}:*")}},
    })]);
    let sink = policy([json!({
        "Effect": "Allow", "Principal": "*", "Resource": "*", "Action": ["oam:CreateLink", "oam:UpdateLink"],
        "Condition": {"ForAllValues:StringEquals": {"oam:ResourceTypes": ["AWS::XRay::Trace"]}},
    })]);
    let repository = policy([json!({
        "Sid": "Pull", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::444455556666:root"]},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    })]);
    let distribution = policy([json!({
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*",
    })]);
    let (public, external) = ("grants_public = true", "grants_external = true");
    for (name, asked, document, expected) in [
        ("a key, by default", external, key, "no: statement 1 `Enable IAM User Permissions` grants no other account"),
        (
            "a key of S3",
            public,
            managed_key.clone(),
            "no: statement 1 `Allow access through S3` is confined by Condition on `kms:CallerAccount`",
        ),
        (
            "a key of S3, of another",
            external,
            managed_key,
            "no: statement 1 `Allow access through S3` is confined to trusted ones by Condition on `kms:CallerAccount`",
        ),
        (
            "a topic, by default",
            public,
            topic.clone(),
            "no: statement 1 `__default_statement_ID` is confined by Condition on `AWS:SourceOwner`",
        ),
        (
            "a topic, by default, of another",
            external,
            topic,
            "no: statement 1 `__default_statement_ID` is confined to trusted ones by Condition on `AWS:SourceOwner`",
        ),
        ("traces of topics", external, xray.clone(), "no: statement 1 `SNSAccess` grants no other account"),
        (
            "traces of topics, whosever",
            "principals = \"service:*\", lacks_condition = \"aws:Source*\"",
            xray,
            "no: statement 1 `SNSAccess` has a Condition on `aws:SourceAccount`",
        ),
        (
            "a sink for all",
            public,
            sink,
            "yes: statement 1 grants everyone; narrowed by Condition on `oam:ResourceTypes`, not judged",
        ),
        ("a repository", external, repository, "yes: statement 1 `Pull` grants `arn:aws:iam::444455556666:root`"),
        (
            "a distribution, which may be anyone's",
            external,
            distribution,
            "yes: statement 1 grants `arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE`",
        ),
    ] {
        check(name, asked, &document, expected);
    }
}

#[test]
fn what_is_no_policy_says_why() {
    let rule = rule("grants_public = true");
    let of = |statement: Value| json!({"Statement": statement});
    let long = format!("{{\"Statement\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX));
    let deep = format!("{{\"Statement\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let many = policy([])
        .to_string()
        .replace("[]", &format!("[{}]", vec!["{\"Effect\":\"Deny\",\"Action\":\"*\"}"; 1_001].join(",")));
    let mut wrapped = policy([]).to_string();
    (0..5).for_each(|_| wrapped = Value::from(wrapped.as_str()).to_string());
    for (name, value, expected) in [
        ("a null", Value::Null, "no: no policy: no JSON object"),
        ("a number", json!(7), "no: no policy: no JSON object"),
        ("a word", json!("AdministratorAccess"), "no: no policy: not a JSON object or array"),
        ("an empty string", json!(""), "no: no policy: not a JSON object or array"),
        ("an empty list", json!([]), "no: "),
        (
            "half of one",
            json!("{\"Statement\":[{\"Effect\":"),
            "no: no policy: EOF while parsing a value at line 1 column 24",
        ),
        ("bytes that are no text", json!("%ff%fe"), "no: no policy: not UTF-8 once it is URL-decoded"),
        ("no statements", json!({"Version": "2012-10-17"}), "no: no policy: there is no `Statement`"),
        ("a statement that is a word", of(json!("Allow")), "no: no policy: statement 1: no JSON object"),
        ("no effect", of(json!({"Action": "*"})), "no: no policy: statement 1: there is no `Effect`"),
        (
            "another effect",
            of(json!({"Effect": "Permit"})),
            "no: no policy: statement 1: the `Effect` is neither `Allow` nor `Deny`",
        ),
        (
            "no calls",
            of(json!({"Effect": "Allow", "Principal": "*"})),
            "no: no policy: statement 1: there is neither `Action` nor `NotAction`",
        ),
        (
            "calls that are numbers",
            of(json!({"Effect": "Allow", "Action": [1]})),
            "no: no policy: statement 1: its calls and resources are strings, or lists of strings",
        ),
        (
            "calls and all but calls",
            of(json!({"Effect": "Allow", "Action": "a:b", "NotAction": "a:c"})),
            "no: no policy: statement 1: what is named and what is left out exclude each other",
        ),
        (
            "a principal of an unknown kind",
            of(json!([{"Effect": "Allow", "Action": "*", "Principal": {"Robot": "x"}}])),
            "no: no policy: statement 1: a principal of an unknown kind",
        ),
        (
            "a condition that is a word",
            of(json!([{"Effect": "Allow", "Action": "*", "Condition": "never"}])),
            "no: no policy: statement 1: its `Condition` has values by keys by operators",
        ),
        ("one that is too long", json!(long), "no: no policy: longer than 65536 bytes"),
        ("one that is too deep", json!(deep), "no: no policy: nested more than 64 deep"),
        ("too many statements", json!(many), "no: no policy: more than 1000 statements"),
        ("one wrapped too often", json!(wrapped), "no: no policy: not a JSON object or array"),
    ] {
        assert_eq!(judged(&rule, &record(&value)), expected, "{name}");
    }
    let missing = json!({"recipientAccountId": OWN, "requestParameters": {}}).to_string();
    assert_eq!(judged(&rule, &missing), "no: ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What a policy is damaged with means something to JSON, to URLs or to IAM.
    #[test]
    fn a_damaged_policy_is_judged_the_same_however_it_is_wrapped(
        damages in vec((any::<usize>(), 0..12usize, prop::sample::select(vec!["", "{", "]", "\"", "*", "%7B", "${", ":", ",", "\\u", "é"])), 0..4),
    ) {
        let mut text = policy([
            allow(json!({"Sid": "One", "Principal": {"AWS": ["444455556666", "*"]}, "Action": ["s3:*Object", "s3:Get?bject"]})),
            allow(json!({"NotPrincipal": {"AWS": OWN}, "Condition": {"StringLike": {"aws:SourceArn": "arn:aws:s3:::*"}}})),
            deny(json!({"Principal": "*", "Action": null, "NotAction": "s3:Put*", "Resource": "arn:aws:s3:::${aws:userid}/*"})),
        ])
        .to_string();
        for (at, length, sign) in damages {
            let start = text.floor_char_boundary(at % (text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end.max(start), sign);
        }
        let ask = rule("grants_external = true, allows = \"s3:Get*\", lacks_condition = \"aws:SourceA*\"");
        let judged_text = judged(&ask, &record(&text.clone().into()));
        prop_assert_eq!(judged(&ask, &record(&percent_encoded(&text).into())), judged_text.clone());
        if let Ok(object @ Value::Object(_)) = serde_json::from_str::<Value>(&text) {
            let again = object.to_string();
            prop_assert_eq!(judged(&ask, &record(&object)), judged(&ask, &record(&again.into())));
        }
    }
}

#[test]
fn what_stands_twice_counts_twice() {
    let twice = r#"{"Statement":[{"Effect":"Deny","Effect":"Allow","Action":"s3:GetObject","Action":"iam:*","Principal":"*"}]}"#;
    let note = judged(&rule("allows = \"iam:PassRole\""), &record(&twice.into()));
    assert_eq!(note, "yes: statement 1 allows `iam:*`");
}

#[test]
fn of_several_policies_any_may_be_as_asked() {
    let (closed, open) =
        (policy([allow(json!({"Principal": {"AWS": OWN}}))]), policy([allow(json!({"Principal": "*"}))]));
    let note = judged(&rule("grants_public = true"), &record(&json!([closed, open.to_string()])));
    assert_eq!(note, "yes: statement 1 grants everyone | statement 1 does not grant everyone");
}

#[test]
fn a_hostile_policy_is_judged_quickly() {
    let globs: Vec<String> = (0..300).map(|n| format!("s3:{}{n}", "a*".repeat(40))).collect();
    let hostile = policy([
        allow(json!({"Principal": "*", "Action": globs})),
        deny(json!({"Principal": "*", "Action": globs.iter().map(|glob| format!("{glob}b")).collect::<Vec<_>>()})),
    ]);
    let begun = std::time::Instant::now();
    let note = judged(&rule("grants_public = true"), &record(&hostile));
    assert_eq!(note, "yes: statement 1 grants everyone; narrowed by Deny of statement 2, not judged");
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
}

#[test]
fn of_several_tables_any_or_all_must_hold() {
    let of = |key: &str, record: &str| {
        let text = format!(
            "id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n\"requestParameters.policy|{key}\" = \
             [{{ grants_public = true }}, {{ allows = \"iam:*\" }}]\n"
        );
        let rules = RuleSet::new(vec![Rule::parse(Path::new("r.toml"), text).unwrap()]);
        !rules.evaluate(record, &mut Scratch::default()).unwrap().matches.is_empty()
    };
    let public = allow(json!({"Principal": "*"}));
    let mighty = allow(json!({"Principal": {"AWS": OWN}, "Action": "iam:*"}));
    for (name, document, any, all) in [
        ("neither", policy([]), false, false),
        ("one", policy([public.clone()]), true, false),
        ("the other", policy([mighty.clone()]), true, false),
        ("both, in two statements", policy([public, mighty]), true, true),
    ] {
        let record = record(&document);
        assert_eq!((of("policy", &record), of("policy|all", &record)), (any, all), "{name}");
        assert_eq!((of("not|policy", &record), of("not|policy|all", &record)), (!any, !all), "{name}, not");
    }
}

#[test]
fn cheaper_lines_are_judged_first() {
    let text = "id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n\
                \"requestParameters.policy|policy\" = { grants_public = true }\n\"eventName|startswith\" = \"Other\"\n";
    let rules = RuleSet::new(vec![Rule::parse(Path::new("r.toml"), text.to_owned()).unwrap()]);
    let globs = vec!["s3:a*a*a*a*a*a*a*a*a*a*a*a"; 1_000];
    let record = record(&policy([
        allow(json!({"Principal": "*", "Action": globs})),
        deny(json!({"Principal": "*", "Action": globs})),
    ]));
    let mut scratch = Scratch::default();
    let begun = std::time::Instant::now();
    for _ in 0..500 {
        assert!(rules.evaluate(&record, &mut scratch).unwrap().matches.is_empty());
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
