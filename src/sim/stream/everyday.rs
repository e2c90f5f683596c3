//! Everyday traffic: what accounts do all day, with the shares that real trails show.
//!
//! None of it should move a sensible rule: no root, no console sign-in without MFA by an IAM user, no public policy,
//! no permission handed out.

use fastrand::Rng;

use super::fill::Filler;
use super::operation::{Operation, read, write};
use super::people::Kind::{self, Ci, Function, Human, Instance, KeyUser, MfaUser, Partner, Service, ServiceRole};
use super::people::{Actor, Cast};
use super::record::{Object, Record, iso};
use super::{Made, uuid};

const PERSON: &[Kind] = &[Human, MfaUser];
const CLIENT: &[Kind] = &[Human, MfaUser, KeyUser, Ci];
const SCRIPT: &[Kind] = &[KeyUser, Ci];
const WORKLOAD: &[Kind] = &[Instance, Function];
const INSTANCE: &[Kind] = &[Instance];
const FUNCTION: &[Kind] = &[Function];
const DEPLOY: &[Kind] = &[Ci];
const AWS: &[Kind] = &[Service];
const AWS_ROLE: &[Kind] = &[ServiceRole];
const PARTNER: &[Kind] = &[Partner];

const ROLE_TOUCHED: &str =
    r#"[{"accountId":"$account","type":"AWS::IAM::Role","ARN":"arn:aws:iam::$account:role/$app-role"}]"#;
const SERVICE_ROLE_TOUCHED: &str = r#"[{"accountId":"$account","type":"AWS::IAM::Role","ARN":"arn:aws:iam::$account:role/aws-service-role/$self/AWSServiceRole"}]"#;
const KEY_TOUCHED: &str =
    r#"[{"accountId":"$account","type":"AWS::KMS::Key","ARN":"arn:aws:kms:$region:$account:key/$key"}]"#;
const OBJECT_TOUCHED: &str = r#"[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::$app-data-$account/$iso/$uuid.parquet"},{"accountId":"$account","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::$app-data-$account"}]"#;
const BUCKET_TOUCHED: &str =
    r#"[{"accountId":"$account","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::$app-data-$account"}]"#;
const BUCKET: &str = r#"{"bucketName":"$app-data-$account","Host":"$app-data-$account.s3.$region.amazonaws.com"}"#;
const OBJECT: &str = r#"{"bucketName":"$app-data-$account","Host":"$app-data-$account.s3.$region.amazonaws.com","key":"$iso/$uuid.parquet"}"#;
const TRANSFER: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"$digest","bytesTransferredOut":$bytes}"#;
const CREDENTIALS: &str = r#"{"credentials":{"accessKeyId":"$sessionkey","sessionToken":"$token","expiration":"$expiry"},"assumedRoleUser":{"assumedRoleId":"$roleid:$self","arn":"arn:aws:sts::$account:assumed-role/$app-role/$self"}}"#;
const SERVICE_CREDENTIALS: &str = r#"{"credentials":{"accessKeyId":"$sessionkey","sessionToken":"$token","expiration":"$expiry"},"assumedRoleUser":{"assumedRoleId":"$roleid:session-$hex","arn":"arn:aws:sts::$account:assumed-role/AWSServiceRole/session-$hex"}}"#;

/// Everyday operations.
const OPERATIONS: &[Operation] = &[
    read(14, CLIENT, "ec2", "DescribeInstances", r#"{"instancesSet":{"items":[$instances]},"filterSet":{}}"#),
    read(6, INSTANCE, "ec2", "DescribeTags", r#"{"maxResults":1000,"filterSet":{"items":[{"name":"resource-id","valueSet":{"items":[{"value":"$self"}]}}]}}"#),
    read(6, CLIENT, "ec2", "DescribeSecurityGroups", r#"{"securityGroupSet":{},"securityGroupIdSet":{"items":[{"groupId":"$group"}]},"filterSet":{}}"#),
    read(5, CLIENT, "ec2", "DescribeVolumes", r#"{"volumeSet":{"items":[{"volumeId":"$volume"}]},"filterSet":{}}"#),
    read(4, CLIENT, "ec2", "DescribeSubnets", r#"{"subnetSet":{"items":[{"subnetId":"$subnet"}]},"filterSet":{}}"#),
    read(4, CLIENT, "ec2", "DescribeVpcs", r#"{"vpcSet":{"items":[{"vpcId":"$vpc"}]},"filterSet":{}}"#),
    read(4, AWS, "ec2", "DescribeNetworkInterfaces", r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"group-id","valueSet":{"items":[{"value":"$group"}]}}]}}"#),
    read(4, AWS, "ec2", "DescribeInstanceStatus", r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]},"filterSet":{},"includeAllInstances":false}"#).only("autoscaling"),
    read(3, DEPLOY, "ec2", "DescribeImages", r#"{"executableBySet":{},"imagesSet":{"items":[{"imageId":"$image"}]},"ownersSet":{},"filterSet":{}}"#),
    read(2, PERSON, "ec2", "DescribeRegions", r#"{"regionSet":{},"allRegions":true}"#),
    read(14, AWS, "sts", "AssumeRole", r#"{"roleArn":"arn:aws:iam::$account:role/aws-service-role/$self/AWSServiceRole","roleSessionName":"session-$hex","durationSeconds":3600}"#).answers(SERVICE_CREDENTIALS).touches(SERVICE_ROLE_TOUCHED),
    read(5, WORKLOAD, "sts", "AssumeRole", r#"{"roleArn":"arn:aws:iam::$account:role/$app-role","roleSessionName":"$self","durationSeconds":900}"#).answers(CREDENTIALS).touches(ROLE_TOUCHED),
    read(4, PARTNER, "sts", "AssumeRole", r#"{"roleArn":"arn:aws:iam::$account:role/$app-role","roleSessionName":"$self","externalId":"$uuid","durationSeconds":3600}"#).answers(CREDENTIALS).touches(ROLE_TOUCHED),
    read(5, SCRIPT, "sts", "GetCallerIdentity", "null"),
    read(14, WORKLOAD, "kms", "Decrypt", r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:lambda:FunctionArn":"arn:aws:lambda:$region:$account:function:$app"}}"#).touches(KEY_TOUCHED),
    read(5, AWS, "kms", "GenerateDataKey", r#"{"keyId":"arn:aws:kms:$region:$account:key/$key","encryptionContext":{"aws:cloudtrail:arn":"arn:aws:cloudtrail:$region:$account:trail/main","aws:s3:arn":"arn:aws:s3:::trail-$account/AWSLogs/$account/CloudTrail"},"keySpec":"AES_256"}"#).only("cloudtrail").touches(KEY_TOUCHED),
    read(3, CLIENT, "kms", "DescribeKey", r#"{"keyId":"alias/$app"}"#).touches(KEY_TOUCHED),
    read(2, PERSON, "kms", "ListAliases", r#"{"limit":100}"#),
    read(10, AWS_ROLE, "xray", "GetSamplingRules", "null"),
    read(2, PERSON, "xray", "GetGroups", r#"{}"#),
    read(2, PERSON, "xray", "GetSamplingStatisticSummaries", "null"),
    read(6, AWS, "s3", "GetBucketAcl", r#"{"bucketName":"$app-data-$account","Host":"$app-data-$account.s3.$region.amazonaws.com","acl":""}"#).only("cloudtrail").touches(BUCKET_TOUCHED).adds(TRANSFER),
    read(4, CLIENT, "s3", "ListBuckets", r#"{"Host":"s3.$region.amazonaws.com"}"#).adds(TRANSFER),
    read(4, CLIENT, "s3", "GetBucketLocation", BUCKET).touches(BUCKET_TOUCHED).adds(TRANSFER),
    read(3, DEPLOY, "s3", "GetBucketVersioning", BUCKET).touches(BUCKET_TOUCHED).adds(TRANSFER),
    read(3, AWS, "s3", "GetBucketTagging", BUCKET).only("config").touches(BUCKET_TOUCHED).adds(TRANSFER),
    read(8, WORKLOAD, "s3", "GetObject", OBJECT).touches(OBJECT_TOUCHED).adds(TRANSFER).data(),
    read(4, SCRIPT, "iam", "GetRole", r#"{"roleName":"$app-role"}"#),
    read(3, PERSON, "iam", "ListRoles", r#"{"maxItems":100}"#),
    read(3, SCRIPT, "iam", "ListAttachedRolePolicies", r#"{"roleName":"$app-role"}"#),
    read(2, PERSON, "iam", "ListUsers", "null"),
    read(2, PERSON, "iam", "ListAccessKeys", r#"{"userName":"$user"}"#),
    read(2, PERSON, "iam", "GetAccountSummary", "null"),
    read(4, CLIENT, "lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
    read(4, DEPLOY, "lambda", "GetFunction20150331v2", r#"{"functionName":"arn:aws:lambda:$region:$account:function:$app"}"#),
    read(5, WORKLOAD, "dynamodb", "DescribeTable", r#"{"tableName":"$table"}"#).touches(r#"[{"accountId":"$account","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:$region:$account:table/$table"}]"#),
    read(2, PERSON, "dynamodb", "ListTables", r#"{"limit":100}"#),
    read(4, WORKLOAD, "sqs", "GetQueueAttributes", r#"{"queueUrl":"https://sqs.$region.amazonaws.com/$account/$app-queue","attributeNames":["ApproximateNumberOfMessages"]}"#),
    read(2, CLIENT, "sns", "ListTopics", "null"),
    read(5, CLIENT, "logs", "DescribeLogGroups", r#"{"limit":50,"logGroupNamePrefix":"/aws/lambda/$app"}"#),
    read(2, PERSON, "logs", "StartQuery", r#"{"queryString":"fields @timestamp, @message | sort @timestamp desc","startTime":$epoch,"endTime":$epoch,"logGroupNames":["/aws/lambda/$app"]}"#).answers(r#"{"queryId":"$uuid"}"#),
    read(5, CLIENT, "monitoring", "DescribeAlarms", r#"{"maxRecords":100,"stateValue":"ALARM"}"#),
    read(5, SCRIPT, "monitoring", "ListMetrics", r#"{"namespace":"AWS/EC2","metricName":"$metric"}"#),
    read(3, SCRIPT, "cloudtrail", "DescribeTrails", r#"{"includeShadowTrails":false}"#),
    read(2, SCRIPT, "cloudtrail", "GetTrailStatus", r#"{"name":"arn:aws:cloudtrail:$region:$account:trail/main"}"#),
    read(2, PERSON, "cloudtrail", "LookupEvents", r#"{"maxResults":50}"#),
    read(4, CLIENT, "rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"$app-db","maxRecords":100}"#),
    read(6, DEPLOY, "elasticloadbalancing", "DescribeTargetHealth", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/$app/$hex"}"#),
    read(3, CLIENT, "elasticloadbalancing", "DescribeLoadBalancers", r#"{"pageSize":20}"#),
    read(4, DEPLOY, "ecs", "DescribeServices", r#"{"cluster":"main","services":["$app"]}"#),
    read(3, INSTANCE, "ecr", "GetAuthorizationToken", r#"{"registryIds":["$account"]}"#),
    read(3, INSTANCE, "ecr", "BatchGetImage", r#"{"registryId":"$account","repositoryName":"$app","imageIds":[{"imageDigest":"sha256:$digest"}],"acceptedMediaTypes":["application/vnd.oci.image.manifest.v1+json"]}"#),
    read(4, FUNCTION, "secretsmanager", "GetSecretValue", r#"{"secretId":"prod/$app/database"}"#),
    read(4, WORKLOAD, "ssm", "GetParameter", r#"{"name":"/$app/endpoint","withDecryption":false}"#),
    read(4, SCRIPT, "autoscaling", "DescribeAutoScalingGroups", r#"{"autoScalingGroupNames":["$app-fleet"],"maxRecords":100}"#),
    read(3, DEPLOY, "cloudformation", "DescribeStacks", r#"{"stackName":"$app"}"#),
    read(1, PERSON, "ce", "GetCostAndUsage", r#"{"timePeriod":{"start":"2026-01-01","end":"2026-01-31"},"granularity":"MONTHLY","metrics":["UnblendedCost"]}"#),
    read(1, PERSON, "organizations", "ListAccounts", r#"{}"#),
    write(5, INSTANCE, "ssm", "UpdateInstanceInformation", r#"{"instanceId":"$self","agentVersion":"3.3.2958.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","iPAddress":"10.0.1.$octet","computerName":"ip-10-0-1-$octet.ec2.internal","agentName":"amazon-ssm-agent"}"#, "null"),
    write(5, WORKLOAD, "logs", "CreateLogStream", r#"{"logGroupName":"/aws/lambda/$app","logStreamName":"$iso/$hex"}"#, "null"),
    write(5, WORKLOAD, "s3", "PutObject", OBJECT, r#"{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:$region:$account:key/$key"}"#).touches(OBJECT_TOUCHED).adds(TRANSFER).data(),
    write(3, DEPLOY, "ec2", "CreateTags", r#"{"resourcesSet":{"items":[{"resourceId":"$instance"}]},"tagSet":{"items":[{"key":"app","value":"$app"},{"key":"owner","value":"platform"}]}}"#, r#"{"requestId":"$uuid","_return":true}"#),
    write(2, AWS, "ec2", "RunInstances", r#"{"instancesSet":{"items":[{"imageId":"$image","minCount":1,"maxCount":1}]},"groupSet":{"items":[{"groupId":"$group"}]},"instanceType":"t3.small","blockDeviceMapping":{},"monitoring":{"enabled":false},"subnetId":"$subnet","disableApiTermination":false}"#, r#"{"requestId":"$uuid","reservationId":"r-$hex","ownerId":"$account","groupSet":{},"instancesSet":{"items":[{"instanceId":"$instance","imageId":"$image","instanceState":{"code":0,"name":"pending"},"instanceType":"t3.small","launchTime":$epochms,"placement":{"availabilityZone":"$zone","tenancy":"default"},"monitoring":{"state":"disabled"},"subnetId":"$subnet","vpcId":"$vpc","privateIpAddress":"10.0.2.$octet","architecture":"x86_64","rootDeviceType":"ebs","virtualizationType":"hvm","ebsOptimized":true,"metadataOptions":{"state":"pending","httpTokens":"required","httpPutResponseHopLimit":2,"httpEndpoint":"enabled"}}]}}"#).only("autoscaling"),
    write(2, AWS, "ec2", "TerminateInstances", r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]}}"#, r#"{"requestId":"$uuid","instancesSet":{"items":[{"instanceId":"$instance","currentState":{"code":32,"name":"shutting-down"},"previousState":{"code":16,"name":"running"}}]}}"#).only("autoscaling"),
    write(2, AWS, "ec2", "CreateNetworkInterface", r#"{"subnetId":"$subnet","description":"AWS Lambda VPC ENI-$app-$uuid","groupSet":{"items":[{"groupId":"$group"}]},"privateIpAddressesSet":{}}"#, r#"{"requestId":"$uuid","networkInterface":{"networkInterfaceId":"eni-0$hex","subnetId":"$subnet","vpcId":"$vpc","status":"pending","privateIpAddress":"10.0.3.$octet","interfaceType":"lambda"}}"#).only("lambda"),
    write(1, DEPLOY, "ec2", "AuthorizeSecurityGroupIngress", r#"{"groupId":"$group","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":5432,"toPort":5432,"groups":{},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/16","description":"$app to its database"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#, r#"{"requestId":"$uuid","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"$account","groupId":"$group","securityGroupRuleId":"sgr-0$hex","isEgress":false,"ipProtocol":"tcp","fromPort":5432,"toPort":5432,"cidrIpv4":"10.0.0.0/16"}]}}"#),
    write(2, DEPLOY, "lambda", "UpdateFunctionCode20150331v2", r#"{"functionName":"$app","s3Bucket":"artifacts-$account","s3Key":"$app/$digest.zip","publish":true,"dryRun":false}"#, r#"{"functionName":"$app","functionArn":"arn:aws:lambda:$region:$account:function:$app","runtime":"python3.12","role":"arn:aws:iam::$account:role/$app-role","handler":"app.handler","codeSize":$bytes,"timeout":30,"memorySize":512,"lastModified":"$iso","codeSha256":"$digest","version":"$number","tracingConfig":{"mode":"Active"},"revisionId":"$uuid","state":"Active","packageType":"Zip","architectures":["arm64"]}"#),
    write(3, FUNCTION, "lambda", "Invoke", r#"{"functionName":"arn:aws:lambda:$region:$account:function:$app","invocationType":"Event"}"#, "null").touches(r#"[{"accountId":"$account","type":"AWS::Lambda::Function","ARN":"arn:aws:lambda:$region:$account:function:$app"}]"#).adds(r#"{"customerEniId":"","functionVersion":"arn:aws:lambda:$region:$account:function:$app:$number"}"#).data(),
    write(2, DEPLOY, "ecs", "UpdateService", r#"{"cluster":"main","service":"$app","taskDefinition":"$app:$number","forceNewDeployment":true}"#, r#"{"service":{"serviceArn":"arn:aws:ecs:$region:$account:service/main/$app","serviceName":"$app","status":"ACTIVE","desiredCount":3,"runningCount":3,"pendingCount":0,"launchType":"FARGATE","taskDefinition":"arn:aws:ecs:$region:$account:task-definition/$app:$number","createdAt":"$pretty"}}"#),
    write(2, DEPLOY, "monitoring", "PutMetricAlarm", r#"{"alarmName":"$app-$metric","alarmDescription":"$metric of $app","actionsEnabled":true,"metricName":"$metric","namespace":"AWS/ApplicationELB","statistic":"Average","period":$period,"evaluationPeriods":3,"threshold":$number,"comparisonOperator":"GreaterThanThreshold"}"#, "null"),
    write(1, DEPLOY, "logs", "PutRetentionPolicy", r#"{"logGroupName":"/aws/lambda/$app","retentionInDays":365}"#, "null"),
    write(1, DEPLOY, "cloudformation", "ExecuteChangeSet", r#"{"changeSetName":"$app-$hex","stackName":"$app"}"#, "null"),
    write(1, DEPLOY, "ssm", "PutParameter", r#"{"name":"/$app/release","value":"HIDDEN_DUE_TO_SECURITY_REASONS","type":"String","overwrite":true}"#, r#"{"version":$number,"tier":"Standard"}"#),
    write(1, DEPLOY, "iam", "TagRole", r#"{"roleName":"$app-role","tags":[{"key":"owner","value":"platform"}]}"#, "null"),
    write(1, DEPLOY, "route53", "ChangeResourceRecordSets", r#"{"hostedZoneId":"Z$hex","changeBatch":{"changes":[{"action":"UPSERT","resourceRecordSet":{"name":"$app.example.com.","type":"CNAME","tTL":60,"resourceRecords":[{"value":"$app.internal.example.com"}]}}]}}"#, r#"{"changeInfo":{"id":"/change/C$hex","status":"PENDING","submittedAt":"$pretty"}}"#),
    write(2, AWS, "kms", "CreateGrant", r#"{"granteePrincipal":"arn:aws:iam::$account:role/aws-service-role/$self/AWSServiceRoleForAutoScaling","keyId":"arn:aws:kms:$region:$account:key/$key","operations":["Decrypt","GenerateDataKeyWithoutPlaintext","CreateGrant"],"constraints":{"encryptionContextSubset":{"aws:ebs:id":"$volume"}}}"#, r#"{"grantId":"$digest","keyId":"arn:aws:kms:$region:$account:key/$key"}"#).only("autoscaling").touches(KEY_TOUCHED),
    write(2, AWS, "elasticloadbalancing", "RegisterTargets", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/$app/$hex","targets":[{"id":"$instance","port":8080}]}"#, "null").only("autoscaling"),
];

/// Makes everyday events.
#[derive(Clone, Debug, Default)]
pub(super) struct Everyday {
    /// The Insight that has started and not ended.
    open_insight: Option<OpenInsight>,
}

#[derive(Clone, Debug)]
struct OpenInsight {
    shared_id: String,
    account: &'static str,
    region: &'static str,
    about: (&'static str, &'static str),
}

impl Everyday {
    /// Makes a call that works.
    pub(super) fn call(&self, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
        let operation = choose(rng, |_| true);
        operation.call(operation.choose_actor(cast, rng), rng, event_ms)
    }

    /// Makes a call by a client who lacks the permission for it.
    pub(super) fn denied(&self, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
        let by_client = |kind: &Kind| !matches!(kind, Service | ServiceRole | Partner);
        let operation = choose(rng, |operation| operation.by.iter().all(by_client));
        operation.denied(operation.choose_actor(cast, rng), rng, event_ms)
    }

    /// Makes a console sign-in: by an IAM user with MFA, or from Identity Center, where `MFAUsed` is always `No`.
    pub(super) fn sign_in(&self, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
        let by_user = rng.bool();
        let kinds = if by_user { &[MfaUser] } else { &[Human] };
        let actor = cast.choose(kinds, "", rng);
        let fails = by_user && rng.u8(0..8) == 0;
        let mut record = sign_in(actor, by_user, event_ms);
        if fails {
            // A failed sign-in has a message but no code.
            record.error_message = Some("Failed authentication".to_owned());
            record.response_json = r#"{"ConsoleLogin":"Failure"}"#.to_owned();
        }
        record.make(rng)
    }

    /// Makes an event that a service reports by itself.
    pub(super) fn service(&self, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
        let actor = cast.choose(&[Human], "", rng);
        let (source, name) = match rng.u8(0..3) {
            0 => ("kms", "RotateKey"),
            1 => ("secretsmanager", "RotationSucceeded"),
            _ => ("sso", "Federate"),
        };
        let mut filler = Filler::new(actor, actor.region, event_ms);
        let mut fill = |template: &str| filler.fill(template, rng);
        let (identity, additional, details) = match source {
            "kms" => (OWN_ACTION, None, Some(r#"{"keyId":"$key"}"#)),
            "sso" => (DIRECTORY_USER, None, Some(r#"{"role_name":"Developer","account_id":"$account"}"#)),
            _ => (OWN_ACTION, Some(ROTATED_SECRET), None),
        };
        Record {
            identity_json: fill(&identity.replace("$source", source)),
            source,
            name: name.to_owned(),
            ip: format!("{source}.amazonaws.com"),
            agent: format!("{source}.amazonaws.com"),
            response_json: "null".to_owned(),
            additional_json: additional.map(&mut fill),
            event_type: "AwsServiceEvent",
            service_details_json: details.map(&mut fill),
            tls_host: None,
            ..sign_in(actor, false, event_ms)
        }
        .make(rng)
    }

    /// Makes an Insight event: the start of one, or the end of the one that has started.
    pub(super) fn insight(&mut self, rng: &mut Rng, cast: &Cast, event_ms: i64) -> Made {
        match self.open_insight.take() {
            Some(open) => open.event("End", rng, event_ms),
            None => {
                let open = OpenInsight::new(rng, cast);
                let made = open.event("Start", rng, event_ms);
                self.open_insight = Some(open);
                made
            }
        }
    }
}

/// What a service did for itself has no principal, and no type of one either.
const OWN_ACTION: &str = r#"{"accountId":"$account","invokedBy":"$source.amazonaws.com"}"#;
const DIRECTORY_USER: &str = r#"{"type":"IdentityCenterUser","accountId":"$account","onBehalfOf":{"userId":"$uuid","identityStoreArn":"arn:aws:identitystore::$account:identitystore/d-$hex"},"credentialId":"$key"}"#;
const ROTATED_SECRET: &str = r#"{"SecretId":"arn:aws:secretsmanager:$region:$account:secret:prod/$app/database"}"#;

/// Drafts the record of a successful console sign-in.
pub(super) fn sign_in(actor: &Actor, mfa: bool, event_ms: i64) -> Record {
    let target = format!("https://{}.console.aws.amazon.com/console/home?region={}", actor.region, actor.region);
    let device = format!("arn:aws:iam::{}:mfa/{}", actor.account, actor.name);
    let additional = Object::new()
        .text("LoginTo", &target)
        .text("MobileVersion", "No")
        .maybe_text("MFAIdentifier", mfa.then_some(&device))
        .text("MFAUsed", if mfa { "Yes" } else { "No" })
        .end();
    Record {
        identity_json: actor.identity_at_sign_in(event_ms),
        event_ms,
        source: "signin",
        name: "ConsoleLogin".to_owned(),
        region: actor.region.to_owned(),
        ip: actor.ip.clone(),
        agent: actor.agent.clone(),
        error_code: None,
        error_message: None,
        request_json: "null".to_owned(),
        response_json: r#"{"ConsoleLogin":"Success"}"#.to_owned(),
        additional_json: Some(additional),
        has_request_id: false,
        read_only: false,
        resources_json: None,
        event_type: "AwsConsoleSignIn",
        is_data: false,
        recipient: actor.account,
        is_shared: false,
        service_details_json: None,
        tls_host: Some(format!("{}.signin.aws.amazon.com", actor.region)),
        from_console: false,
    }
}

fn choose(rng: &mut Rng, fits: impl Fn(&Operation) -> bool) -> &'static Operation {
    let fitting = || OPERATIONS.iter().filter(|operation| fits(operation));
    let mut left = rng.u32(0..fitting().map(|operation| operation.weight).sum());
    for operation in fitting() {
        if left < operation.weight {
            return operation;
        }
        left -= operation.weight;
    }
    &OPERATIONS[0]
}

impl OpenInsight {
    fn new(rng: &mut Rng, cast: &Cast) -> Self {
        let actor = cast.choose(&[Human], "", rng);
        let about = [("ec2", "RunInstances"), ("ssm", "UpdateInstanceInformation"), ("kms", "Decrypt")];
        Self {
            shared_id: uuid(rng),
            account: actor.account,
            region: actor.region,
            about: rng.choice(about).unwrap_or(about[0]),
        }
    }

    /// Writes the event. Its class has no principal, no source and no name but inside the details.
    fn event(&self, state: &str, rng: &mut Rng, event_ms: i64) -> Made {
        let event_id = uuid(rng);
        let baseline = r#"{"average":0.0020833333}"#;
        let statistics = Object::new()
            .raw("baseline", baseline)
            .raw("insight", r#"{"average":2.6}"#)
            .raw("insightDuration", if state == "End" { "7" } else { "1" })
            .raw("baselineDuration", "10080")
            .end();
        let details = Object::new()
            .text("state", state)
            .text("eventSource", &format!("{}.amazonaws.com", self.about.0))
            .text("eventName", self.about.1)
            .text("insightType", "ApiCallRateInsight")
            .raw("insightContext", &Object::new().raw("statistics", &statistics).end())
            .end();
        let message = Object::new()
            .text("eventVersion", "1.09")
            .text("eventTime", &iso(event_ms))
            .text("awsRegion", self.region)
            .text("eventID", &event_id)
            .text("eventType", "AwsCloudTrailInsight")
            .text("recipientAccountId", self.account)
            .text("sharedEventID", &self.shared_id)
            .raw("insightDetails", &details)
            .text("eventCategory", "Insight")
            .end();
        Made { message, event_id: Some(event_id) }
    }
}
