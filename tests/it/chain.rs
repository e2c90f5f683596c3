//! The whole chain of `examples/automation` on moto, with the real binary: a change of X-Ray's encryption enters a log group,
//! the first Trailwatch puts a finding on a bus, one rule leads it to where the automation is started, another into a queue,
//! and a second Trailwatch has a rule about it. Each may make the calls that its policy in the template grants, and no others.
//!
//! moto makes the stack of the template, but for what it does not know: a queue stands for the automation, and policies are
//! for all resources, since it asks for no others.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cloudformation::{ACCOUNT, REGION, STACK, path};
use crate::moto::{Moto, now_ms};
use crate::run::{Daemon, get, wait};
use crate::templates::{CHAIN, KEY, by_automation, by_hand, change, change_in, statements, template};

const STREAM: &str = "123456789012_CloudTrail_us-east-1";

/// Makes a call of an API that is spoken in forms; the answer is XML.
async fn query(moto: &Moto, service: &str, fields: &[(&str, &str)]) -> String {
    let encoded = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    let body = fields.iter().map(encoded).collect::<Vec<_>>().join("&");
    // moto tells by it which service is meant, and checks nothing of it at first.
    let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260115/{REGION}/{service}/aws4_request, Signature=x");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(&moto.url).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.header("authorization", credential).body(body).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{fields:?}: {text}");
    text
}

/// What stands in an element of XML.
fn element<'x>(xml: &'x str, name: &str) -> &'x str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

/// An access key: its id and its secret.
type Key = (String, String);

/// The stack of the template, and who uses it.
struct Lab {
    moto: Moto,
    outputs: HashMap<String, String>,
    folder: tempfile::TempDir,
    /// May do all.
    admin: Key,
    first: Key,
    second: Key,
}

/// The template, as moto can make it.
fn body() -> Value {
    let mut body = template(CHAIN).body;
    body["Resources"]["Restored"] = json!({"Type": "AWS::SQS::Queue"});
    body["Outputs"]["Restored"] = json!({"Value": {"Ref": "Restored"}});
    let target = json!([{"Id": "automation", "Arn": {"Fn::GetAtt": ["Restored", "Arn"]}}]);
    body["Resources"]["RestoreRule"]["Properties"]["Targets"] = target;
    for rule in ["RestoreRule", "FindingsRule"] {
        // moto takes no reference for the name of a bus.
        body["Resources"][rule]["Properties"]["EventBusName"] = STACK.into();
        body["Resources"][rule]["DependsOn"] = "Bus".into();
    }
    body
}

async fn make_stack(moto: &Moto) -> HashMap<String, String> {
    let body = body().to_string();
    let (key, value) = ("Parameters.member.1.ParameterKey", "Parameters.member.1.ParameterValue");
    let fields =
        [("Action", "CreateStack"), ("StackName", STACK), ("TemplateBody", &body), (key, "KeyArn"), (value, KEY)];
    query(moto, "cloudformation", &fields).await;
    let stack = query(moto, "cloudformation", &[("Action", "DescribeStacks"), ("StackName", STACK)]).await;
    assert_eq!(element(&stack, "StackStatus"), "CREATE_COMPLETE");
    let outputs = element(&stack, "Outputs").split("<member>").skip(1);
    outputs.map(|output| (element(output, "OutputKey").to_owned(), element(output, "OutputValue").to_owned())).collect()
}

/// A user who may make the calls of these statements.
async fn make_user(moto: &Moto, name: &str, mut statements: Vec<Value>) -> Key {
    for statement in &mut statements {
        *statement = json!({"Effect": "Allow", "Action": statement["Action"], "Resource": "*"});
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    query(moto, "iam", &[("Action", "CreateUser"), ("UserName", name)]).await;
    let put = [("Action", "PutUserPolicy"), ("UserName", name), ("PolicyName", "all"), ("PolicyDocument", &policy)];
    query(moto, "iam", &put).await;
    let made = query(moto, "iam", &[("Action", "CreateAccessKey"), ("UserName", name)]).await;
    (element(&made, "AccessKeyId").to_owned(), element(&made, "SecretAccessKey").to_owned())
}

/// From now on moto asks who calls, and whether they may.
async fn ask_for_leave(moto: &Moto) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}/moto-api/reset-auth", moto.url)).header("content-type", "text/plain");
    assert!(request.body("0").send().await.unwrap().status().is_success());
}

impl Lab {
    /// `None`, said aloud, where moto is not installed.
    async fn new() -> Option<Self> {
        let moto = Moto::start()?;
        let outputs = make_stack(&moto).await;
        let of = |policy| statements(&template(CHAIN), policy);
        let admin = make_user(&moto, "admin", vec![json!({"Action": "*"})]).await;
        let first = make_user(&moto, "first", of("TrailwatchPolicy")).await;
        let second = make_user(&moto, "second", of("SecondPolicy")).await;
        ask_for_leave(&moto).await;
        Some(Self { moto, outputs, folder: tempfile::tempdir().unwrap(), admin, first, second })
    }

    fn config(&self) -> aws_config::SdkConfig {
        self.moto.config_of(&self.admin.0, &self.admin.1)
    }

    async fn put(&self, records: &[String]) {
        let (client, group) = (aws_sdk_cloudwatchlogs::Client::new(&self.config()), &self.outputs["LogGroup"]);
        client.create_log_stream().log_group_name(group).log_stream_name(STREAM).send().await.unwrap();
        let event = |record: &String| InputLogEvent::builder().timestamp(now_ms()).message(record).build().unwrap();
        let put = client.put_log_events().log_group_name(group).log_stream_name(STREAM);
        put.set_log_events(Some(records.iter().map(event).collect())).send().await.unwrap();
    }

    /// Starts a Trailwatch with a configuration of the examples; what is given here counts for more than the file.
    fn start(&self, name: &str, key: &Key, given: &[(&str, &str)]) -> Daemon {
        let file = |suffix: &str| self.folder.path().join(format!("{name}{suffix}"));
        let config = path("examples/automation").join(if name == "first" { "" } else { name }).join("trailwatch.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
        command.args(["run", "--config"]).arg(config).env_clear();
        command.envs([("AWS_ACCESS_KEY_ID", &key.0), ("AWS_SECRET_ACCESS_KEY", &key.1)]);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("TRAILWATCH__STATE", file(".state"));
        command
            .env("TRAILWATCH__ADMIN__LISTEN", "127.0.0.1:0")
            .env("TRAILWATCH__SINKS__BUS__ENDPOINT_URL", &self.moto.url);
        command.env("TRAILWATCH__SINKS__BUS__REGION", REGION).env("TRAILWATCH__SINKS__BUS__BUS", STACK);
        command.envs(given.iter().copied()).stdin(Stdio::null());
        command
            .stdout(std::fs::File::create(file(".out")).unwrap())
            .stderr(std::fs::File::create(file(".log")).unwrap());
        Daemon(command.spawn().unwrap())
    }

    fn start_first(&self) -> Daemon {
        let given = [
            ("TRAILWATCH__SOURCES__TRAIL__LOG_GROUP", &*self.outputs["LogGroup"]),
            ("TRAILWATCH__SOURCES__TRAIL__REGION", REGION),
            ("TRAILWATCH__SOURCES__TRAIL__ENDPOINT_URL", &self.moto.url),
        ];
        self.start("first", &self.first, &given)
    }

    fn start_second(&self, more: &[(&str, &str)]) -> Daemon {
        let given = [
            ("TRAILWATCH__SOURCES__FINDINGS__QUEUE", &*self.outputs["Queue"]),
            ("TRAILWATCH__SOURCES__FINDINGS__REGION", REGION),
            ("TRAILWATCH__SOURCES__FINDINGS__ENDPOINT_URL", &self.moto.url),
        ];
        self.start("second", &self.second, &[&given, more].concat())
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// What the first or the second tells of itself.
    fn metrics(&self, name: &str) -> String {
        let log = self.text(&format!("{name}.log"));
        let address = log.split("http://").find_map(|part| part.split_once(" answers")).map(|(address, _)| address);
        address.map(|address| get(address, "/metrics", address)).unwrap_or_default()
    }

    /// Waits until the second has had so many events, and its bus so many findings of it, so many refused.
    async fn wait_for_second(&self, events: usize, delivered: usize, given_up: usize) {
        let expected = [
            format!("trailwatch_source_events_total{{source=\"findings\",kind=\"other\"}} {events}"),
            format!("trailwatch_sink_deliveries_total{{sink=\"bus\",result=\"delivered\"}} {delivered}"),
            format!("trailwatch_sink_deliveries_total{{sink=\"bus\",result=\"given_up\"}} {given_up}"),
        ];
        let all_told = || {
            let metrics = self.metrics("second");
            expected.iter().all(|line| metrics.lines().any(|told| told == line))
        };
        wait(&format!("{expected:?}"), all_told).await;
    }

    /// Takes the events that would have started the automation: their details.
    async fn restored(&self) -> Vec<Value> {
        let (client, queue) = (aws_sdk_sqs::Client::new(&self.config()), &self.outputs["Restored"]);
        let received = client.receive_message().queue_url(queue).max_number_of_messages(10).send().await.unwrap();
        let mut details = Vec::new();
        for message in received.messages.unwrap_or_default() {
            let mut event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            details.push(event["detail"].take());
            let delete = client.delete_message().queue_url(queue).receipt_handle(message.receipt_handle().unwrap());
            delete.send().await.unwrap();
        }
        details
    }

    /// The findings that the second printed.
    fn printed(&self) -> Vec<Value> {
        self.text("second.out").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn stop(&self, daemons: [Daemon; 2]) {
        for mut daemon in daemons {
            daemon.signal("TERM");
            assert_eq!(daemon.code().await, Some(0));
        }
    }
}

impl Drop for Lab {
    /// What both said, where a test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("first:\n{}\nsecond:\n{}", self.text("first.log"), self.text("second.log"));
        }
    }
}

/// What the automation does, a change by a user here, and one by a role in another region.
fn records() -> [String; 3] {
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/deploy/1");
    let role = json!({"type": "AssumedRole", "arn": arn, "accountId": ACCOUNT});
    [
        change(3, &by_automation(), &json!({"type": "KMS", "keyId": KEY})),
        change(1, &by_hand(), &json!({"type": "NONE"})),
        change_in("eu-central-1", 2, &role, &json!({"type": "NONE"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_sets_the_automation_off_once_and_a_second_trailwatch_has_a_rule_about_it() {
    let Some(lab) = Lab::new().await else { return };
    lab.put(&records()).await;
    let daemons = [lab.start_first(), lab.start_second(&[])];
    // Two findings of the first, and its own about one of them, which leads to nothing.
    lab.wait_for_second(3, 1, 0).await;
    let restored = lab.restored().await;
    assert_eq!(restored.len(), 1, "{restored:?}");
    assert_eq!(restored[0]["event_ids"], json!(["e0000000-0000-4000-8000-000000000001"]));
    assert_eq!(restored[0]["trailwatch"]["instance"], "xray-guard");
    lab.stop(daemons).await;
    let printed = lab.printed();
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert_eq!(printed[0]["rule"]["id"], "xray-encryption-altered-by-hand");
    assert_eq!(printed[0]["events"][0]["detail"]["id"], restored[0]["id"]);
    assert!(lab.restored().await.is_empty(), "what the second makes of it sets nothing off");
}

/// A rule that would find all findings, its own among them.
const ECHO: &str =
    "id = \"echo\"\ntitle = \"echo\"\nseverity = \"low\"\n[match]\n\"detail-type\" = \"Trailwatch Finding\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_about_all_findings_does_not_go_in_circles() {
    let Some(lab) = Lab::new().await else { return };
    let echo: &Path = &lab.folder.path().join("echo.toml");
    std::fs::write(echo, ECHO).unwrap();
    lab.put(&records()).await;
    let daemons = [lab.start_first(), lab.start_second(&[("TRAILWATCH__RULES__PATHS", echo.to_str().unwrap())])];
    // An echo for each of the two; each comes back, and the echo of the echo is not sent.
    lab.wait_for_second(4, 2, 2).await;
    lab.stop(daemons).await;
    assert_eq!((lab.printed().len(), lab.restored().await.len()), (4, 1));
    assert!(lab.text("second.log").contains("it would go in circles"), "{}", lab.text("second.log"));
}
