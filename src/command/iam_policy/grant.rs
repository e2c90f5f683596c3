//! Which calls each source, sink and secret needs, and on what. Pure.

use serde_json::{Value, json};

use crate::command::reach::{Place, What};
use crate::config::{Keeper, Kept};
use crate::source::aws::partition;
use crate::source::{cloudwatch_logs, sqs};

/// What stands where something is not known, and what belongs there.
pub(super) const PLACEHOLDERS: [(&str, &str); 3] = [
    (ACCOUNT, "the account (or give `--account`)"),
    (REGION, "the region (or give `--region`)"),
    (LOG_GROUP, "the name of the trail's log group (or give `--log-group` in place of `--trail`)"),
];

const ACCOUNT: &str = "ACCOUNT";
const REGION: &str = "REGION";
const LOG_GROUP: &str = "LOG_GROUP";

/// What a statement is for; its `Sid`, and the order of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    AssumeRoles,
    ReadLogGroups,
    FindTrails,
    ReadQueues,
    FindQueues,
    ReadObjects,
    ListObjects,
    VerifyDigests,
    PutFindings,
    GetSecrets,
    HintAtLogGroups,
    HintAtTrails,
    HintAtQueues,
    HintAtBuckets,
    TellMissingObjects,
    DiagnoseLogGroups,
    DiagnoseTrails,
    DiagnoseRules,
    DiagnoseBuckets,
}

impl Purpose {
    /// Whether it only serves better messages.
    pub(super) fn is_hint(self) -> bool {
        (Self::HintAtLogGroups..Self::DiagnoseLogGroups).contains(&self)
    }

    /// Whether only `doctor` asks for it.
    pub(super) fn is_of_doctor(self) -> bool {
        self >= Self::DiagnoseLogGroups
    }
}

/// Actions on resources.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grant {
    pub(super) purpose: Purpose,
    pub(super) actions: &'static [&'static str],
    pub(super) resources: Vec<String>,
    pub(super) condition: Option<Value>,
}

/// What is known where a name does not say it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
}

impl Grant {
    pub(super) fn new<R>(purpose: Purpose, actions: &'static [&'static str], resources: R) -> Self
    where
        R: IntoIterator<Item = String>,
    {
        Self { purpose, actions, resources: resources.into_iter().collect(), condition: None }
    }
}

/// What a source or sink needs, what its hints do, and what `doctor` does.
pub(super) fn of(what: &What, known: &Known) -> Vec<Grant> {
    match what {
        What::LogGroup { name, is_live } => log_group(name, *is_live, known),
        What::Trail { name: trail, is_live } => {
            let known = Known { account: part(trail, 4).or_else(|| known.account.clone()), ..known.clone() };
            let find = Grant::new(Purpose::FindTrails, &["cloudtrail:DescribeTrails"], ["*".to_owned()]);
            let watch = Grant::new(Purpose::HintAtTrails, &["cloudtrail:GetTrailStatus"], ["*".to_owned()]);
            [find, watch].into_iter().chain(log_group(LOG_GROUP, *is_live, &known)).collect()
        }
        What::Queue { queue, buckets, trail, .. } => {
            let watch = trail.as_ref().map(|_| {
                let actions = &["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"];
                Grant::new(Purpose::FindTrails, actions, ["*".to_owned()])
            });
            read_queue(queue, buckets, known).into_iter().chain(watch).collect()
        }
        What::Objects { settings, is_verified } => {
            let keys = Grant::new(Purpose::VerifyDigests, &["cloudtrail:ListPublicKeys"], ["*".to_owned()]);
            let scan = scan(&settings.bucket, &settings.prefix, known);
            scan.into_iter().chain(is_verified.then_some(keys)).collect()
        }
        What::Bus(settings) => {
            let bus = match settings.bus.starts_with("arn:") {
                true => settings.bus.clone(),
                false => format!("{}event-bus/{}", known.arn("events", None), settings.bus),
            };
            let condition = Some(json!({"StringEquals": {"events:source": settings.source}}));
            vec![Grant { condition, ..Grant::new(Purpose::PutFindings, &["events:PutEvents"], [bus]) }]
        }
        What::Secret(kept) => vec![secret(kept, known)],
    }
}

impl Known {
    fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(REGION)
    }

    /// The beginning of an ARN, up to the account and the colon after it.
    fn arn(&self, service: &str, account: Option<&str>) -> String {
        let account = account.or(self.account.as_deref()).unwrap_or(ACCOUNT);
        format!("arn:{}:{service}:{}:{account}:", partition(self.region()), self.region())
    }

    fn bucket(&self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", partition(self.region()))
    }
}

/// A part of an ARN; `None` of a name.
fn part(arn: &str, number: usize) -> Option<String> {
    arn.strip_prefix("arn:")?;
    arn.split(':').nth(number).filter(|part| !part.is_empty()).map(str::to_owned)
}

fn log_group(group: &str, is_live: bool, known: &Known) -> Vec<Grant> {
    let account = part(group, 4);
    let arn = format!("{}log-group:", known.arn("logs", account.as_deref()));
    let read = format!("{arn}{}", cloudwatch_logs::name_of(group));
    let reads: &[&str] = if is_live { READ_LIVE } else { &["logs:FilterLogEvents"] };
    vec![
        // The service asks for the one or the other, by the call and its age.
        Grant::new(Purpose::ReadLogGroups, reads, [format!("{read}:*"), read]),
        // AWS judges this call against all groups.
        Grant::new(Purpose::HintAtLogGroups, &["logs:DescribeLogGroups"], [format!("{arn}*")]),
        Grant::new(Purpose::DiagnoseLogGroups, &["logs:DescribeLogGroups"], [format!("{arn}*")]),
        Grant::new(
            Purpose::HintAtTrails,
            &["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"],
            ["*".to_owned()],
        ),
        diagnose_trails(),
    ]
}

const READ_LIVE: &[&str] = &["logs:FilterLogEvents", "logs:StartLiveTail"];

/// Trails are found by where they deliver to, and may be of other regions and accounts.
fn diagnose_trails() -> Grant {
    let actions = &["cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"];
    Grant::new(Purpose::DiagnoseTrails, actions, ["*".to_owned()])
}

const READ_QUEUE: &[&str] =
    &["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

fn read_queue(queue: &str, buckets: &[String], known: &Known) -> Vec<Grant> {
    let arn = sqs::arn_of(queue, known.region(), known.account.as_deref().unwrap_or(ACCOUNT)).unwrap_or_default();
    let mut grants = vec![Grant::new(Purpose::ReadQueues, READ_QUEUE, [arn.clone()])];
    if !queue.contains("://") {
        grants.push(Grant::new(Purpose::FindQueues, &["sqs:GetQueueUrl"], [arn]));
    }
    grants.push(Grant::new(Purpose::HintAtQueues, &["sqs:ListQueues"], ["*".to_owned()]));
    let rules = &["events:DescribeRule", "events:ListRuleNamesByTarget"];
    grants.push(Grant::new(Purpose::DiagnoseRules, rules, ["*".to_owned()]));
    if !buckets.is_empty() {
        let arns = buckets.iter().map(|bucket| known.bucket(bucket));
        let objects = arns.clone().map(|arn| format!("{arn}/*AWSLogs/*"));
        grants.push(Grant::new(Purpose::ReadObjects, &["s3:GetObject"], objects));
        grants.push(Grant::new(Purpose::TellMissingObjects, &["s3:ListBucket"], arns.clone()));
        grants.push(Grant::new(Purpose::DiagnoseBuckets, &["s3:ListBucket"], arns));
        grants.push(diagnose_trails());
    }
    grants
}

fn scan(bucket: &str, prefix: &str, known: &Known) -> Vec<Grant> {
    let arn = known.bucket(bucket);
    let condition = (!prefix.is_empty()).then(|| json!({"StringLike": {"s3:prefix": format!("{prefix}*")}}));
    vec![
        Grant::new(Purpose::ReadObjects, &["s3:GetObject"], [format!("{arn}/{prefix}*")]),
        Grant { condition, ..Grant::new(Purpose::ListObjects, &["s3:ListBucket"], [arn]) },
        Grant::new(Purpose::HintAtBuckets, &["s3:ListAllMyBuckets"], ["*".to_owned()]),
        diagnose_trails(),
    ]
}

fn secret(kept: &Kept, known: &Known) -> Grant {
    let name = &kept.name;
    let (action, arn): (&[_], _) = match kept.keeper {
        // The service puts six characters behind the names of secrets.
        Keeper::SecretsManager => {
            let arn = format!("{}secret:{name}-??????", known.arn("secretsmanager", None));
            (&["secretsmanager:GetSecretValue"], arn)
        }
        // A version or label of a parameter is no part of its ARN.
        Keeper::ParameterStore => {
            let name = name.split(':').next().unwrap_or(name).trim_start_matches('/');
            (&["ssm:GetParameter"], format!("{}parameter/{name}", known.arn("ssm", None)))
        }
    };
    Grant::new(Purpose::GetSecrets, action, [if name.starts_with("arn:") { name.clone() } else { arn }])
}

/// What a policy cannot know, for people.
pub(super) fn cautions(place: &Place) -> Vec<String> {
    let encrypted = |what: &str| format!("if a key of KMS encrypts the {what}, add `kms:Decrypt` on that key");
    match &place.what {
        What::Queue { buckets, .. } if buckets.is_empty() => vec![
            "if messages name objects in S3, name their buckets with `--bucket`, or `buckets` in the configuration"
                .to_owned(),
            encrypted("queue"),
        ],
        What::Queue { .. } => vec![encrypted("queue or its buckets")],
        What::Objects { .. } => vec![encrypted("bucket")],
        What::Secret(_) => vec![encrypted("secrets")],
        What::LogGroup { .. } | What::Trail { .. } | What::Bus(_) => Vec::new(),
    }
}
