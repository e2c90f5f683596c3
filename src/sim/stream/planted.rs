//! What is planted among the everyday events: X-Ray changes, attacks, and harmless look-alikes of both.
//!
//! Names of X-Ray fields follow the API with the first letter lowered, as CloudTrail does; no real record of most of
//! these changes is public.

use fastrand::Rng;

use super::everyday::sign_in;
use super::operation::{Operation, read, write};
use super::people::Cast;
use super::people::Kind::{self, Human, Instance, KeyUser, MfaUser, Root};
use super::{Label, Made};

/// Names the kinds of X-Ray changes in the stream; each begins with its operation.
pub const XRAY_CHANGES: [&str; 9] = names(&XRAY_PLANTS);

/// Names the kinds of attacks in the stream; each begins with its operation.
pub const ATTACKS: [&str; 4] = names(&ATTACK_PLANTS);

/// Names the kinds of harmless look-alikes in the stream; each begins with its operation.
pub const LOOK_ALIKES: [&str; 6] = names(&LOOK_ALIKE_PLANTS);

/// How a planted event comes to be.
#[derive(Clone, Copy, Debug)]
enum Act {
    Works(Operation),
    IsDenied(Operation),
    RootSignsInWithoutMfa,
}

#[derive(Clone, Copy, Debug)]
struct Plant {
    name: &'static str,
    act: Act,
}

const fn works(name: &'static str, operation: Operation) -> Plant {
    Plant { name, act: Act::Works(operation) }
}

const fn names<const N: usize>(plants: &[Plant; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = plants[index].name;
        index += 1;
    }
    names
}

const PERSON: &[Kind] = &[Human, MfaUser];
const CLIENT: &[Kind] = &[Human, KeyUser];
const STOLEN: &[Kind] = &[KeyUser, Instance];
const USER: &[Kind] = &[KeyUser];

const ENCRYPTION_NONE: Operation = write(
    0,
    CLIENT,
    "xray",
    "PutEncryptionConfig",
    r#"{"type":"NONE"}"#,
    r#"{"encryptionConfig":{"status":"UPDATING","type":"NONE"}}"#,
);

const XRAY_PLANTS: [Plant; 9] = [
    works("PutEncryptionConfig to NONE", ENCRYPTION_NONE),
    works(
        "PutEncryptionConfig to a new KMS key",
        write(
            0,
            PERSON,
            "xray",
            "PutEncryptionConfig",
            r#"{"keyId":"arn:aws:kms:$region:$account:key/$key","type":"KMS"}"#,
            r#"{"encryptionConfig":{"keyId":"arn:aws:kms:$region:$account:key/$key","status":"UPDATING","type":"KMS"}}"#,
        ),
    ),
    works(
        "UpdateSamplingRule of Default to zero",
        write(
            0,
            CLIENT,
            "xray",
            "UpdateSamplingRule",
            r#"{"samplingRuleUpdate":{"ruleName":"Default","fixedRate":0.0,"reservoirSize":0}}"#,
            r#"{"samplingRuleRecord":{"samplingRule":{"ruleName":"Default","ruleARN":"arn:aws:xray:$region:$account:sampling-rule/Default","resourceARN":"*","priority":10000,"fixedRate":0.0,"reservoirSize":0,"serviceName":"*","serviceType":"*","host":"*","hTTPMethod":"*","uRLPath":"*","version":1,"attributes":{}},"createdAt":"Jan 12, 2024, 9:14:03 AM","modifiedAt":"$pretty"}}"#,
        ),
    ),
    works(
        "CreateSamplingRule with rate zero",
        write(
            0,
            STOLEN,
            "xray",
            "CreateSamplingRule",
            r#"{"samplingRule":{"ruleName":"$app-$hex","resourceARN":"*","priority":1,"fixedRate":0.0,"reservoirSize":0,"serviceName":"*","serviceType":"*","host":"*","hTTPMethod":"*","uRLPath":"*","version":1}}"#,
            r#"{"samplingRuleRecord":{"samplingRule":{"ruleName":"$app-$hex","ruleARN":"arn:aws:xray:$region:$account:sampling-rule/$app-$hex","resourceARN":"*","priority":1,"fixedRate":0.0,"reservoirSize":0,"serviceName":"*","serviceType":"*","host":"*","hTTPMethod":"*","uRLPath":"*","version":1,"attributes":{}},"createdAt":"$pretty","modifiedAt":"$pretty"}}"#,
        ),
    ),
    works(
        "DeleteSamplingRule",
        write(
            0,
            CLIENT,
            "xray",
            "DeleteSamplingRule",
            r#"{"ruleName":"$app"}"#,
            r#"{"samplingRuleRecord":{"samplingRule":{"ruleName":"$app","ruleARN":"arn:aws:xray:$region:$account:sampling-rule/$app","resourceARN":"*","priority":100,"fixedRate":0.1,"reservoirSize":5,"serviceName":"$app","serviceType":"*","host":"*","hTTPMethod":"*","uRLPath":"/api/*","version":1,"attributes":{}},"createdAt":"Mar 3, 2025, 2:40:51 PM","modifiedAt":"Mar 3, 2025, 2:40:51 PM"}}"#,
        ),
    ),
    works(
        "UpdateGroup without insights",
        write(
            0,
            PERSON,
            "xray",
            "UpdateGroup",
            r#"{"groupName":"$app","groupARN":"arn:aws:xray:$region:$account:group/$app/$hex","insightsConfiguration":{"insightsEnabled":false,"notificationsEnabled":false}}"#,
            r#"{"group":{"groupName":"$app","groupARN":"arn:aws:xray:$region:$account:group/$app/$hex","filterExpression":"service(\"$app\") AND fault = true","insightsConfiguration":{"insightsEnabled":false,"notificationsEnabled":false}}}"#,
        ),
    ),
    works(
        "PutResourcePolicy for everyone",
        write(
            0,
            STOLEN,
            "xray",
            "PutResourcePolicy",
            r#"{"policyName":"$app-shared","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[\"xray:PutTraceSegments\",\"xray:GetSamplingRules\"],\"Resource\":\"*\"}]}","bypassPolicyLockoutCheck":false}"#,
            r#"{"resourcePolicy":{"policyName":"$app-shared","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[\"xray:PutTraceSegments\",\"xray:GetSamplingRules\"],\"Resource\":\"*\"}]}","policyRevisionId":"1","lastUpdatedTime":"$pretty"}}"#,
        ),
    ),
    works(
        "UpdateTraceSegmentDestination",
        write(
            0,
            PERSON,
            "xray",
            "UpdateTraceSegmentDestination",
            r#"{"destination":"CloudWatchLogs"}"#,
            r#"{"destination":"CloudWatchLogs","status":"PENDING"}"#,
        ),
    ),
    Plant { name: "PutEncryptionConfig denied", act: Act::IsDenied(ENCRYPTION_NONE) },
];

const ATTACK_PLANTS: [Plant; 4] = [
    works(
        "StopLogging",
        write(
            0,
            STOLEN,
            "cloudtrail",
            "StopLogging",
            r#"{"name":"arn:aws:cloudtrail:$region:$account:trail/main"}"#,
            "null",
        ),
    ),
    works(
        "CreateAccessKey for another user",
        write(
            0,
            CLIENT,
            "iam",
            "CreateAccessKey",
            r#"{"userName":"$user"}"#,
            r#"{"accessKey":{"accessKeyId":"$accesskey","status":"Active","userName":"$user","createDate":"$pretty"}}"#,
        ),
    ),
    works(
        "AttachUserPolicy of AdministratorAccess",
        write(
            0,
            CLIENT,
            "iam",
            "AttachUserPolicy",
            r#"{"userName":"$user","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#,
            "null",
        ),
    ),
    Plant { name: "ConsoleLogin by root without MFA", act: Act::RootSignsInWithoutMfa },
];

const LOOK_ALIKE_PLANTS: [Plant; 6] = [
    works("GetEncryptionConfig", read(0, PERSON, "xray", "GetEncryptionConfig", "null")),
    works(
        "UpdateSamplingRule to an ordinary rate",
        write(
            0,
            PERSON,
            "xray",
            "UpdateSamplingRule",
            r#"{"samplingRuleUpdate":{"ruleName":"$app","fixedRate":0.08,"reservoirSize":5}}"#,
            r#"{"samplingRuleRecord":{"samplingRule":{"ruleName":"$app","ruleARN":"arn:aws:xray:$region:$account:sampling-rule/$app","resourceARN":"*","priority":100,"fixedRate":0.08,"reservoirSize":5,"serviceName":"$app","serviceType":"*","host":"*","hTTPMethod":"*","uRLPath":"/api/*","version":1,"attributes":{}},"createdAt":"Mar 3, 2025, 2:40:51 PM","modifiedAt":"$pretty"}}"#,
        ),
    ),
    works(
        "UpdateGroup of the filter only",
        write(
            0,
            PERSON,
            "xray",
            "UpdateGroup",
            r#"{"groupName":"$app","filterExpression":"service(\"$app\") AND responsetime > 2"}"#,
            r#"{"group":{"groupName":"$app","groupARN":"arn:aws:xray:$region:$account:group/$app/$hex","filterExpression":"service(\"$app\") AND responsetime > 2","insightsConfiguration":{"insightsEnabled":true,"notificationsEnabled":true}}}"#,
        ),
    ),
    works(
        "StartLogging",
        write(
            0,
            PERSON,
            "cloudtrail",
            "StartLogging",
            r#"{"name":"arn:aws:cloudtrail:$region:$account:trail/main"}"#,
            "null",
        ),
    ),
    works(
        "CreateAccessKey for oneself",
        write(
            0,
            USER,
            "iam",
            "CreateAccessKey",
            r#"{"userName":"$self"}"#,
            r#"{"accessKey":{"accessKeyId":"$accesskey","status":"Active","userName":"$self","createDate":"$pretty"}}"#,
        ),
    ),
    works(
        "AttachUserPolicy of ReadOnlyAccess",
        write(
            0,
            PERSON,
            "iam",
            "AttachUserPolicy",
            r#"{"userName":"$user","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}"#,
            "null",
        ),
    ),
];

/// Makes the event that a label asks for.
pub(super) fn make(label: Label, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
    let (plants, name): (&[Plant], _) = match label {
        Label::XrayChange(name) => (&XRAY_PLANTS, name),
        Label::Attack(name) => (&ATTACK_PLANTS, name),
        Label::LookAlike(name) => (&LOOK_ALIKE_PLANTS, name),
        // Nothing of these kinds is planted; the first look-alike does no harm.
        Label::Everyday | Label::Broken => (&LOOK_ALIKE_PLANTS, LOOK_ALIKES[0]),
    };
    let act = plants.iter().find(|plant| plant.name == name).unwrap_or(&plants[0]).act;
    match act {
        Act::Works(operation) => operation.call(operation.choose_actor(cast, rng), rng, event_ms),
        Act::IsDenied(operation) => operation.denied(operation.choose_actor(cast, rng), rng, event_ms),
        Act::RootSignsInWithoutMfa => sign_in(cast.choose(&[Root], "", rng), false, event_ms).make(rng),
    }
}
