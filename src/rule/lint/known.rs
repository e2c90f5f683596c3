//! What lints know of services: their calls, which of them are data events, and the words of a few fields.
//!
//! Only services whose calls are all listed are held to the list.

/// Services of which every call is known.
///
/// X-Ray: the API model of 2016-04-12, and the list of data events of "Logging X-Ray API calls with CloudTrail".
pub const OPERATIONS: &[(&str, &[&str])] = &[(
    "xray.amazonaws.com",
    &[
        "BatchGetTraces",
        "CancelTraceRetrieval",
        "CreateGroup",
        "CreateSamplingRule",
        "DeleteGroup",
        "DeleteResourcePolicy",
        "DeleteSamplingRule",
        "GetEncryptionConfig",
        "GetGroup",
        "GetGroups",
        "GetIndexingRules",
        "GetInsight",
        "GetInsightEvents",
        "GetInsightImpactGraph",
        "GetInsightSummaries",
        "GetRetrievedTracesGraph",
        "GetSamplingRules",
        "GetSamplingStatisticSummaries",
        "GetSamplingTargets",
        "GetServiceGraph",
        "GetTimeSeriesServiceStatistics",
        "GetTraceGraph",
        "GetTraceSegmentDestination",
        "GetTraceSummaries",
        "ListResourcePolicies",
        "ListRetrievedTraces",
        "ListTagsForResource",
        "PutEncryptionConfig",
        "PutResourcePolicy",
        "PutTelemetryRecords",
        "PutTraceSegments",
        "StartTraceRetrieval",
        "TagResource",
        "UntagResource",
        "UpdateGroup",
        "UpdateIndexingRule",
        "UpdateSamplingRule",
        "UpdateTraceSegmentDestination",
    ],
)];

/// Calls that are data events: a trail carries them only where its event selectors ask for them.
pub const DATA_EVENTS: &[(&str, &[&str])] = &[
    (
        "xray.amazonaws.com",
        &[
            "BatchGetTraces",
            "GetSamplingTargets",
            "GetServiceGraph",
            "GetTimeSeriesServiceStatistics",
            "GetTraceGraph",
            "GetTraceSummaries",
            "PutTelemetryRecords",
            "PutTraceSegments",
        ],
    ),
    (
        "s3.amazonaws.com",
        &[
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CopyObject",
            "CreateMultipartUpload",
            "DeleteObject",
            "DeleteObjects",
            "GetObject",
            "GetObjectAcl",
            "HeadObject",
            "ListObjects",
            "PutObject",
            "PutObjectAcl",
            "RestoreObject",
            "UploadPart",
        ],
    ),
    ("lambda.amazonaws.com", &["Invoke", "InvokeExecution"]),
    (
        "dynamodb.amazonaws.com",
        &[
            "BatchGetItem",
            "BatchWriteItem",
            "DeleteItem",
            "GetItem",
            "PutItem",
            "Query",
            "Scan",
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
        ],
    ),
];

/// Fields that hold one of a few words, always spelt the same.
pub const WORDS: &[(&str, &[&str])] = &[
    (
        "userIdentity.type",
        &[
            "AWSAccount",
            "AWSService",
            "AssumedRole",
            "Directory",
            "FederatedUser",
            "IAMUser",
            "IdentityCenterUser",
            "Role",
            "Root",
            "SAMLUser",
            "Unknown",
            "WebIdentityUser",
        ],
    ),
    (
        "eventType",
        &[
            "AwsAggregatedEvent",
            "AwsApiCall",
            "AwsCloudTrailInsight",
            "AwsConsoleAction",
            "AwsConsoleSignIn",
            "AwsServiceEvent",
            "AwsVpceEvent",
        ],
    ),
    ("eventCategory", &["Aggregated", "Data", "Insight", "Management", "NetworkActivity"]),
];

/// Fields that hold an object, or nothing. Some services put a string into `requestParameters`; it is then not what a
/// rule looks for that names a service.
pub const OBJECTS: &[&str] = &[
    "additionalEventData",
    "insightDetails",
    "requestParameters",
    "responseElements",
    "serviceEventDetails",
    "tlsDetails",
    "userIdentity",
    "userIdentity.sessionContext",
    "userIdentity.sessionContext.attributes",
    "userIdentity.sessionContext.sessionIssuer",
];

/// Fields that hold at most one value, so that no two values can be asked of them at once. Derived fields do too.
pub const SINGLE: &[&str] = &[
    "awsRegion",
    "errorCode",
    "eventCategory",
    "eventName",
    "eventSource",
    "eventType",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "sourceIPAddress",
    "userAgent",
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.type",
    "userIdentity.userName",
];
