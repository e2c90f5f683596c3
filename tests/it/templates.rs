//! The templates of `examples/`: their policies grant what Trailwatch calls, their patterns match what comes, their commands
//! are ones that it takes, and their script does what it should.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cloudformation::{ACCOUNT, REGION, Template};
use crate::event_pattern::{condition, matches};
use crate::findings::found;
use crate::rules::good_rules;

/// The key of the chain's rule.
pub const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub const CHAIN: &str = "examples/automation/template.yaml";
const ORGANISATION: &str = "examples/infrastructure/organisation-bucket.yaml";
const GIVEN: [(&str, &str); 3] =
    [("KeyArn", KEY), ("BucketName", "example-trail"), ("OrganisationId", "o-example1234")];

const READ_GROUP: &[&str] = &["logs:FilterLogEvents"];
const EMPTY_QUEUE: &[&str] =
    &["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
const GET: &[&str] = &["s3:GetObject"];
const LIST: &[&str] = &["s3:ListBucket"];
const DECRYPT: &[&str] = &["kms:Decrypt"];
const PUT: &[&str] = &["events:PutEvents"];

pub fn template(name: &str) -> Template {
    Template::read(name, &GIVEN)
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map_or_else(|| vec![value.as_str().unwrap()], |all| all.iter().map(|v| v.as_str().unwrap()).collect())
}

/// The statements of a policy.
pub fn statements(template: &Template, policy: &str) -> Vec<Value> {
    let statements = template.at(&format!("/Resources/{policy}/Properties/PolicyDocument/Statement"));
    statements.as_array().unwrap().clone()
}

#[test]
fn a_policy_grants_what_is_called_and_no_more() {
    let encrypted = [GIVEN.as_slice(), &[("EncryptWithKey", "yes")]].concat();
    for (name, template, policy, expected) in [
        (
            "log group",
            template("examples/infrastructure/trail-to-log-group.yaml"),
            "TrailwatchPolicy",
            [READ_GROUP].as_slice(),
        ),
        (
            "queue of events",
            template("examples/infrastructure/events-to-queue.yaml"),
            "TrailwatchPolicy",
            &[EMPTY_QUEUE],
        ),
        (
            "queue of objects",
            template("examples/infrastructure/objects-to-queue.yaml"),
            "TrailwatchPolicy",
            &[EMPTY_QUEUE, GET],
        ),
        ("organisation", template(ORGANISATION), "TrailwatchPolicy", &[EMPTY_QUEUE, GET, LIST]),
        (
            "with a key",
            Template::read(ORGANISATION, &encrypted),
            "TrailwatchPolicy",
            &[EMPTY_QUEUE, GET, LIST, DECRYPT],
        ),
        ("first of the chain", template(CHAIN), "TrailwatchPolicy", &[READ_GROUP, PUT]),
        ("second of the chain", template(CHAIN), "SecondPolicy", &[EMPTY_QUEUE, PUT]),
    ] {
        let statements = statements(&template, policy);
        let actions = statements.iter().flat_map(|statement| strings(&statement["Action"]));
        let expected: BTreeSet<&str> = expected.iter().copied().flatten().copied().collect();
        assert_eq!(actions.collect::<BTreeSet<_>>(), expected, "{name}");
        for resource in statements.iter().flat_map(|statement| strings(&statement["Resource"])) {
            assert!(resource != "*" && !resource.ends_with(":*:*"), "{name}: {resource}");
        }
    }
}

/// Whatever is granted to services is bound to where the call comes from.
#[test]
fn whoever_sends_is_named() {
    for name in ["events-to-queue", "objects-to-queue", "organisation-bucket"]
        .map(|name| format!("examples/infrastructure/{name}.yaml"))
    {
        let template = template(&name);
        for kind in ["AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"] {
            for statement in template.of_type(kind).iter().flat_map(|policy| statements(&template, policy)) {
                assert!(statement.to_string().contains("aws:SourceArn"), "{name}: {statement}");
            }
        }
    }
}

/// The pattern of a rule in a template.
fn pattern(template: &Template, rule: &str) -> String {
    template.at(&format!("/Resources/{rule}/Properties/EventPattern")).to_string()
}

/// What must and must not match a pattern, each with a name.
fn check(pattern: &str, events: &[(&str, Value, bool)]) {
    let condition = condition(pattern);
    for (name, event, expected) in events {
        assert_eq!(matches(&condition, &event.to_string()), *expected, "{name}: {event}\n{pattern}");
    }
}

#[test]
fn events_of_cloudtrail_go_into_the_queue() {
    let of = |source: &str, detail_type: &str| json!({"source": source, "detail-type": detail_type, "detail": {}});
    let template = template("examples/infrastructure/events-to-queue.yaml");
    check(
        &pattern(&template, "Rule"),
        &[
            ("a call", of("aws.xray", "AWS API Call via CloudTrail"), true),
            ("a sign-in", of("aws.signin", "AWS Console Sign In via CloudTrail"), true),
            ("a sign-in, spelt as documented", of("aws.signin", "AWS Console Signin via CloudTrail"), true),
            ("an Insight", of("aws.cloudtrail", "AWS Insight via CloudTrail"), true),
            ("an event of a service's own", of("aws.xray", "AWS X-Ray Insight Update"), false),
            ("somebody who plays CloudTrail", of("example.orders", "AWS API Call via CloudTrail"), false),
        ],
    );
    let state = template.at("/Resources/Rule/Properties/State");
    assert_eq!(state, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "else what only reads is missing");
}

/// A record of a change of X-Ray's encryption.
pub fn change(number: usize, who: &Value, request: &Value) -> String {
    change_in(REGION, number, who, request)
}

/// The same, in some region.
pub fn change_in(region: &str, number: usize, who: &Value, request: &Value) -> String {
    json!({
        "eventVersion": "1.11",
        "userIdentity": who,
        "eventTime": "2026-01-15T12:00:00Z",
        "eventSource": "xray.amazonaws.com",
        "eventName": "PutEncryptionConfig",
        "awsRegion": region,
        "sourceIPAddress": "198.51.100.7",
        "requestParameters": request,
        "eventID": format!("e0000000-0000-4000-8000-{number:012}"),
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    })
    .to_string()
}

/// A user of IAM.
#[cfg(all(feature = "aws", feature = "webhook"))]
pub fn by_hand() -> Value {
    json!({"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/nikki"), "accountId": ACCOUNT, "userName": "nikki"})
}

const ROLE: &str = "trailwatch-restore-xray-us-east-1";

/// The automation.
pub fn by_automation() -> Value {
    json!({
        "type": "AssumedRole",
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/Automation"),
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": {"type": "Role", "userName": ROLE, "accountId": ACCOUNT}},
    })
}

/// The event that EventBridge makes of the finding which the rules of the chain have about a record.
#[cfg(all(feature = "aws", feature = "webhook"))]
async fn put(record: &str) -> Value {
    use std::sync::Arc;
    use trailwatch::sim::Endpoint;
    use trailwatch::sink::eventbridge::{EventBridge, Settings, local_connector};
    use trailwatch::sink::{Outcome, Sink};
    let finding = found(good_rules("examples/automation/rules"), record).remove(0);
    let endpoint = Endpoint::start().await.unwrap();
    let mut sink = EventBridge::new("bus", Settings::new("first"), local_connector(endpoint.url(), REGION)).unwrap();
    assert_eq!(sink.deliver(&[Arc::new(finding)]).await.unwrap(), [Outcome::Delivered]);
    let event = endpoint.buses().put().remove(0);
    let detail: Value = serde_json::from_str(&event.detail).unwrap();
    json!({"source": event.source, "detail-type": event.detail_type, "detail": detail})
}

#[cfg(all(feature = "aws", feature = "webhook"))]
#[tokio::test]
async fn findings_set_the_automation_off_and_nothing_else_does() {
    let template = template(CHAIN);
    let finding = put(&change(1, &by_hand(), &json!({"type": "NONE"}))).await;
    let with = |pointer: &str, value: Value| {
        let mut other = finding.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        other
    };
    let restore = [
        ("a finding", finding.clone(), true),
        ("of another rule", with("/detail/rule/id", json!("root-used")), false),
        ("about another account", with("/detail/account", json!("444455556666")), false),
        ("about another region", with("/detail/region", json!("eu-central-1")), false),
        ("of a second Trailwatch", with("/detail/trailwatch/hops", json!(2)), false),
        ("of somebody else", with("/source", json!("example.orders")), false),
    ];
    check(&pattern(&template, "RestoreRule"), &restore);
    let expected = [true, true, true, true, true, false];
    let all: Vec<_> =
        restore.into_iter().zip(expected).map(|((name, event, _), expected)| (name, event, expected)).collect();
    check(&pattern(&template, "FindingsRule"), &all);
    let passed = template.at("/Resources/RestoreRule/Properties/Targets/0/InputTransformer/InputPathsMap/finding");
    assert_eq!(passed, "$.detail.id");
    let allowed = template.at("/Resources/Restore/Properties/Content/parameters/FindingId/allowedPattern");
    let allowed = regex::Regex::new(allowed.as_str().unwrap()).unwrap();
    assert!(allowed.is_match(finding["detail"]["id"].as_str().unwrap()), "the automation takes the ids of findings");
}

/// The exception of the rule and the role of the template belong together, or the automation would hear of itself.
#[test]
fn what_the_automation_does_is_no_finding() {
    let template = template(CHAIN);
    let role = template.at("/Resources/RestoreRole/Properties/RoleName");
    assert_eq!(role, ROLE);
    let rules = good_rules("examples/automation/rules");
    let count = |request: Value| found(rules.clone(), &change(1, &by_automation(), &request)).len();
    assert_eq!(count(json!({"type": "KMS", "keyId": KEY})), 0);
    assert_eq!(count(json!({"type": "KMS", "keyId": "alias/other"})), 1);
    assert_eq!(count(json!({"type": "NONE"})), 1);
}

/// The script of the automation, with an X-Ray that says what its setting is: what it did, and which calls it made.
fn restored(python: &Path, setting: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let script = template(CHAIN).at("/Resources/Restore/Properties/Content/mainSteps/0/inputs/Script");
    let (stand_in, calls) = (
        "import json\ncalls = []\nclass Client:\n    def __init__(self, setting):\n        self.setting = setting\n    def get_encryption_config(self):\n        return {'EncryptionConfig': self.setting}\n    def put_encryption_config(self, **request):\n        calls.append(request)\ndef client(name):\n    assert name == 'xray', name\n    return Client(json.loads(setting))\n",
        format!(
            "\nimport boto3, json, sys\nboto3.setting = sys.argv[1]\ndid = restore({{'wanted': '{KEY}'}}, None)['did']\nprint(json.dumps({{'did': did, 'calls': boto3.calls}}))\n"
        ),
    );
    std::fs::write(folder.path().join("boto3.py"), stand_in).unwrap();
    std::fs::write(folder.path().join("script.py"), format!("{}{calls}", script.as_str().unwrap())).unwrap();
    let output = Command::new(python).arg(folder.path().join("script.py")).arg(setting.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_automation_sets_the_key_unless_it_is_set() {
    let Ok(moto) = std::env::var("TRAILWATCH_MOTO") else {
        eprintln!("TRAILWATCH_MOTO is not set (tests/run sets it): left out");
        return;
    };
    let python = Path::new(&moto).with_file_name("python");
    let nothing = json!({"did": "nothing, the key is set", "calls": []});
    let set = json!({"did": "set the key again", "calls": [{"Type": "KMS", "KeyId": KEY}]});
    for (name, setting, expected) in [
        ("the default", json!({"Type": "NONE", "Status": "ACTIVE"}), &set),
        ("another key", json!({"Type": "KMS", "KeyId": "arn:aws:kms:us-east-1:123456789012:key/0"}), &set),
        ("the key that it was", json!({"Type": "NONE", "KeyId": KEY}), &set),
        ("the key", json!({"Type": "KMS", "KeyId": KEY, "Status": "UPDATING"}), &nothing),
        ("the key by its id", json!({"Type": "KMS", "KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab"}), &nothing),
    ] {
        assert_eq!(restored(&python, &setting), *expected, "{name}");
    }
}

/// Whether the binary knows all the arguments: what is not known is an error even where help is asked for behind it.
#[cfg(feature = "aws")]
fn is_taken(arguments: &str) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(arguments.split(' ')).arg("--help").output().unwrap().status.success()
}

#[cfg(feature = "aws")]
#[test]
fn the_commands_are_ones_that_are_taken() {
    let mut commands = Vec::new();
    for name in ["trail-to-log-group", "events-to-queue", "objects-to-queue", "organisation-bucket"] {
        let outputs = template(&format!("examples/infrastructure/{name}.yaml")).at("/Outputs");
        let values = outputs.as_object().unwrap().values().filter_map(|output| output["Value"].as_str());
        commands.extend(values.filter_map(|value| value.strip_prefix("trailwatch ")).map(str::to_owned));
    }
    assert_eq!(commands.len(), 5);
    for command in commands {
        assert!(is_taken(&command), "{command}");
    }
    assert!(!is_taken("tail --quue events"), "this would not have told a mistake");
}

#[cfg(all(feature = "aws", feature = "webhook"))]
#[test]
fn the_configurations_of_the_chain_are_good() {
    for name in ["trailwatch.toml", "second/trailwatch.toml"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        let config = crate::cloudformation::path("examples/automation").join(name);
        let output = command.args(["config", "check", "--config"]).arg(config).env_clear().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_rules_of_the_chain_pass_their_tests() {
    use trailwatch::engine::trial::run_tests;
    for folder in ["examples/automation/rules", "examples/automation/second/rules"] {
        let rules = good_rules(folder);
        assert!(!rules.is_empty());
        for (test, outcome) in rules.iter().flat_map(|rule| run_tests(rule)) {
            assert!(outcome.passed, "{folder}: {}", test.name);
        }
    }
}
