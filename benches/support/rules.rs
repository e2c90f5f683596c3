//! Rules of ours, made from seeds: such as are shipped, and sets that lean on one kind of operator.

use std::path::Path;

use fastrand::Rng;
use trailwatch::event::dictionary::SERVICES;
use trailwatch::rule::{self, Rule};

use super::pattern::{Pattern, word};

/// Calls that trails hold many of.
pub const CALLS_COMMON: &[(&str, &str)] = &[
    ("sts", "AssumeRole"),
    ("kms", "Decrypt"),
    ("s3", "GetObject"),
    ("s3", "PutObject"),
    ("s3", "ListBuckets"),
    ("ec2", "DescribeInstances"),
    ("ec2", "RunInstances"),
    ("iam", "ListUsers"),
    ("lambda", "Invoke"),
    ("ssm", "GetParameter"),
    ("secretsmanager", "GetSecretValue"),
    ("sts", "GetCallerIdentity"),
];

const VERBS: &[&str] = &[
    "Create",
    "Delete",
    "Update",
    "Put",
    "Attach",
    "Detach",
    "Modify",
    "Start",
    "Stop",
    "Enable",
    "Disable",
    "Associate",
    "Register",
    "Deregister",
    "Revoke",
    "Authorize",
    "Import",
    "Export",
    "Tag",
    "Batch",
];
const NOUNS: &[&str] = &[
    "Policy",
    "Role",
    "User",
    "Group",
    "Key",
    "Trail",
    "Bucket",
    "Cluster",
    "Snapshot",
    "Image",
    "Function",
    "Stack",
    "Detector",
    "Domain",
    "Gateway",
    "Listener",
    "Pipeline",
    "Project",
    "Queue",
    "Topic",
    "Secret",
    "Session",
    "Table",
    "Volume",
    "Vpc",
    "Webhook",
    "Workspace",
    "Certificate",
    "Connector",
    "Endpoint",
];

/// A service's domain.
pub fn service(rng: &mut Rng) -> String {
    format!("{}.amazonaws.com", SERVICES[rng.usize(..SERVICES.len())])
}

/// A call that changes something: rare on any trail.
pub fn call(rng: &mut Rng) -> String {
    format!(
        "{}{}{}",
        VERBS[rng.usize(..VERBS.len())],
        NOUNS[rng.usize(..NOUNS.len())],
        ["", "Config", "V2"][rng.usize(..3)]
    )
}

/// The text of a rule file.
pub struct Written {
    pub name: String,
    pub text: String,
}

/// Reads rule files, all of which have to be good.
pub fn read(files: &[Written]) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(files.len());
    for file in files {
        let reading = rule::read(Path::new(&file.name), file.text.clone().into_bytes());
        if let Some(problem) = reading.problems.first() {
            panic!("{problem}\n{}", file.text);
        }
        rules.extend(reading.rules);
    }
    rules
}

/// Patterns as rules of ours.
pub fn of_patterns(patterns: &[Pattern]) -> Vec<Rule> {
    let written = |(number, pattern): (usize, &Pattern)| {
        let id = format!("bench-{number:05}");
        Written { name: format!("{id}.toml"), text: pattern.toml(&id) }
    };
    read(&patterns.iter().enumerate().map(written).collect::<Vec<_>>())
}

fn write(count: usize, seed: u64, mut lines: impl FnMut(usize, &mut Rng) -> String) -> Vec<Written> {
    let mut rng = Rng::with_seed(seed);
    let file = |number: usize| {
        let id = format!("bench-{number:05}");
        let text = format!(
            "id = \"{id}\"\ntitle = \"{{eventName}} by {{actor.name}} in {{recipientAccountId}}\"\n\
             severity = \"medium\"\n\n{}",
            lines(number, &mut rng)
        );
        Written { name: format!("{id}.toml"), text }
    };
    (0..count).map(file).collect()
}

/// Rules like the shipped ones: a service, some of its calls, how it ended, and often a condition or two on what was
/// asked for. One in ten is about a call that is common, and wants something of it that is rare.
pub fn like_shipped(count: usize) -> Vec<Written> {
    write(count, 7, |_, rng| {
        let is_common = rng.u8(..10) == 0;
        let (service, calls) = match is_common {
            true => common(rng),
            false => (service(rng), list(rng, 4, call)),
        };
        let outcome = ["success", "success", "success", "denied"][rng.usize(..4)];
        let mut text = format!("[match]\neventSource = {service:?}\neventName = [{calls}]\noutcome = {outcome:?}\n");
        let conditions = rng.usize(..3) + usize::from(is_common);
        let kinds = if is_common { CONDITIONS_RARE } else { 0..CONDITIONS };
        for kind in rng.choose_multiple(kinds, conditions) {
            text.push_str(&condition(kind, rng));
        }
        text.push_str(&blocks(rng));
        text
    })
}

/// Service and call of what trails hold many of.
fn common(rng: &mut Rng) -> (String, String) {
    let (service, call) = CALLS_COMMON[rng.usize(..CALLS_COMMON.len())];
    (format!("{service}.amazonaws.com"), format!("{call:?}"))
}

const CONDITIONS: u8 = 12;
/// Those that hold of few events.
const CONDITIONS_RARE: std::ops::Range<u8> = 0..6;

/// A line as rules add it to service and call.
fn condition(kind: u8, rng: &mut Rng) -> String {
    let parameter = NOUNS[rng.usize(..NOUNS.len())].to_ascii_lowercase();
    let number = rng.u32(..);
    match kind {
        0 => format!(
            "\"requestParameters.{parameter}Arn|endswith\" = [\":policy/Administrator\", \":policy/x{number}\"]\n"
        ),
        1 => format!("\"requestParameters.{parameter}Name|startswith\" = \"prod-{number}\"\n"),
        2 => format!("\"requestParameters.{parameter}.rate|lte\" = {}\n", number % 100),
        3 => format!("\"requestParameters.{parameter}Document|contains\" = [\"\\\"*\\\"\", \"{number}\"]\n"),
        4 => format!("\"requestParameters.{parameter}Enabled\" = false\n"),
        5 => format!("\"requestParameters.{parameter}Id|exists\" = true\n"),
        6 => "\"userAgent|not|contains\" = [\"Terraform\", \"Pulumi\"]\n".to_owned(),
        7 => "\"sourceIPAddress|not|cidr\" = [\"10.0.0.0/8\", \"192.0.2.0/24\"]\n".to_owned(),
        8 => {
            format!("\"userIdentity.sessionContext.sessionIssuer.userName|not\" = [\"ci-deploy\", \"role-{number}\"]\n")
        }
        9 => "\"userIdentity.type\" = [\"IAMUser\", \"Root\"]\n".to_owned(),
        10 => "\"requestParameters.userName|not|fieldref\" = \"userIdentity.userName\"\n".to_owned(),
        _ => "\"actor.kind\" = [\"role\", \"root\"]\n".to_owned(),
    }
}

/// Alternatives and exceptions, where a rule has any.
fn blocks(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0 => format!(
            "\n[[either]]\n\"requestParameters.rule.fixedRate|lte\" = 0\n\n[[either]]\n\"responseElements.rule.limit|lte\" = {}\n",
            rng.u8(..)
        ),
        1 | 2 => format!(
            "\n[[except]]\nname = \"known\"\nwhen = {{ \"userIdentity.arn|endswith\" = \":role/known-{}\" }}\n",
            rng.u16(..)
        ),
        _ => String::new(),
    }
}

fn list(rng: &mut Rng, below: usize, mut value: impl FnMut(&mut Rng) -> String) -> String {
    let values: Vec<String> = (0..rng.usize(1..below)).map(|_| format!("{:?}", value(rng))).collect();
    values.join(", ")
}

/// Kinds of operators, each the whole of its rules.
pub const OPERATORS: &[&str] = &[
    "exact",
    "nocase",
    "startswith",
    "endswith",
    "contains",
    "contains nocase",
    "glob",
    "re",
    "cidr",
    "gt",
    "exists",
    "not",
];

/// Rules of one line, with one operator.
pub fn of_operator(operator: &str, count: usize) -> Vec<Written> {
    write(count, 13, |number, rng| {
        let line = match operator {
            "exact" => format!("eventName = {:?}", format!("{}{number}", call(rng))),
            "nocase" => format!("\"eventName|nocase\" = {:?}", format!("{}{number}", call(rng))),
            "startswith" => {
                format!("\"userIdentity.arn|startswith\" = \"arn:aws:sts::{:012}:assumed-role/r{number}\"", rng.u32(..))
            }
            "endswith" => format!("\"userIdentity.arn|endswith\" = \":role/{}-{number}\"", word(rng)),
            "contains" => format!("\"userAgent|contains\" = {:?}", word(rng)),
            "contains nocase" => format!("\"userAgent|nocase|contains\" = {:?}", word(rng)),
            "glob" => format!("\"userAgent|glob\" = \"*{}*md/{}*\"", word(rng), rng.u8(..)),
            "re" => format!("\"userAgent|re\" = 'x{number}/[0-9]+\\.{}'", rng.u8(..)),
            "cidr" => format!("\"sourceIPAddress|cidr\" = \"{}.{}.{}.0/24\"", rng.u8(11..200), rng.u8(..), rng.u8(..)),
            "gt" => format!("\"requestParameters.durationSeconds|gt\" = {}", 43_000 + number),
            "exists" => format!("\"requestParameters.p{number}.q|exists\" = true"),
            _ => format!("\"eventName|not\" = {:?}\n\"requestParameters.p{}|exists\" = true", call(rng), number % 20),
        };
        format!("[match]\n{line}\n")
    })
}
