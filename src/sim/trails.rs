//! What CloudTrail says about its trails: `DescribeTrails`, `GetTrailStatus` and `GetEventSelectors`; and the keys it signs
//! with: `ListPublicKeys`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{ACCOUNT_ID, REGION, lock};

/// A trail's settings and health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Name, unique in the account's region.
    pub name: String,
    /// Bucket that it delivers to.
    pub s3_bucket: String,
    /// What the keys of its files begin with, without a slash at the end.
    pub s3_key_prefix: Option<String>,
    /// Region in which it was made.
    pub home_region: String,
    /// ARN of the log group that it delivers to, ending in `:*` as CloudTrail shows it.
    pub log_group_arn: Option<String>,
    /// Whether it follows all regions.
    pub is_multi_region: bool,
    /// Whether it follows all accounts of an organization.
    pub is_organization: bool,
    /// What it records, as `GetEventSelectors` tells it.
    pub selectors: Value,
    /// How it does.
    pub status: TrailStatus,
}

/// A trail's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailStatus {
    /// Whether it is recording.
    pub is_logging: bool,
    /// Newest delivery to CloudWatch Logs, in milliseconds since the Unix epoch.
    pub latest_logs_delivery_ms: Option<i64>,
    /// Why the newest delivery to CloudWatch Logs failed.
    pub latest_logs_delivery_error: Option<String>,
    /// Newest delivery to the bucket, in milliseconds since the Unix epoch.
    pub latest_delivery_ms: Option<i64>,
    /// Why the newest delivery to the bucket failed.
    pub latest_delivery_error: Option<String>,
    /// When it was last switched on, in milliseconds since the Unix epoch.
    pub start_logging_ms: Option<i64>,
    /// When it was last switched off, in milliseconds since the Unix epoch.
    pub stop_logging_ms: Option<i64>,
}

impl Trail {
    /// Makes a multi-region trail that is logging and delivers to a log group.
    pub fn to_group(name: &str, group: &str) -> Self {
        Self {
            name: name.to_owned(),
            s3_bucket: format!("trail-{ACCOUNT_ID}"),
            s3_key_prefix: None,
            home_region: REGION.to_owned(),
            log_group_arn: Some(format!("arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{group}:*")),
            is_multi_region: true,
            is_organization: false,
            selectors: json!({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true,
                                                   "DataResources": [], "ExcludeManagementEventSources": []}]}),
            status: TrailStatus { is_logging: true, ..TrailStatus::default() },
        }
    }

    /// Gives the trail's ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:cloudtrail:{}:{ACCOUNT_ID}:trail/{}", self.home_region, self.name)
    }

    fn describe(&self) -> Value {
        let role = format!("arn:aws:iam::{ACCOUNT_ID}:role/CloudTrail_CloudWatchLogs_Role");
        let mut answer = object(json!({
            "Name": self.name,
            "S3BucketName": self.s3_bucket,
            "IncludeGlobalServiceEvents": true,
            "IsMultiRegionTrail": self.is_multi_region,
            "HomeRegion": self.home_region,
            "TrailARN": self.arn(),
            "LogFileValidationEnabled": true,
            "HasCustomEventSelectors": false,
            "HasInsightSelectors": false,
            "IsOrganizationTrail": self.is_organization,
        }));
        if let Some(prefix) = &self.s3_key_prefix {
            answer.insert("S3KeyPrefix".into(), prefix.as_str().into());
        }
        if let Some(arn) = &self.log_group_arn {
            answer.insert("CloudWatchLogsLogGroupArn".into(), arn.as_str().into());
            answer.insert("CloudWatchLogsRoleArn".into(), role.into());
        }
        Value::Object(answer)
    }
}

impl TrailStatus {
    fn describe(&self) -> Value {
        let mut answer = object(json!({"IsLogging": self.is_logging}));
        let times = [
            ("LatestCloudWatchLogsDeliveryTime", self.latest_logs_delivery_ms),
            ("LatestDeliveryTime", self.latest_delivery_ms),
            ("StartLoggingTime", self.start_logging_ms),
            ("StopLoggingTime", self.stop_logging_ms),
        ];
        for (name, time_ms) in times {
            if let Some(time_ms) = time_ms {
                answer.insert(name.into(), (time_ms as f64 / 1_000.0).into());
            }
        }
        let errors = [
            ("LatestCloudWatchLogsDeliveryError", &self.latest_logs_delivery_error),
            ("LatestDeliveryError", &self.latest_delivery_error),
        ];
        for (name, error) in errors {
            if let Some(error) = error {
                answer.insert(name.into(), error.as_str().into());
            }
        }
        Value::Object(answer)
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The trails of an account; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trails {
    trails: Arc<Mutex<BTreeMap<String, Trail>>>,
    public_keys: Arc<Mutex<Vec<PublicKey>>>,
}

/// The public half of a key that digests were signed with for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Name of the key.
    pub fingerprint: String,
    /// The key in DER.
    pub der: Vec<u8>,
    /// When it began to be used, in seconds since the Unix epoch.
    pub from_seconds: i64,
    /// When it was last used.
    pub to_seconds: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeysRequest {
    start_time: f64,
    end_time: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeRequest {
    trail_name_list: Option<Vec<String>>,
    include_shadow_trails: Option<bool>,
}

#[derive(Deserialize)]
struct StatusRequest {
    #[serde(rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
struct SelectorsRequest {
    #[serde(rename = "TrailName")]
    trail_name: String,
}

impl Trails {
    /// Adds a trail, or replaces the one of that name.
    pub fn put(&self, trail: Trail) {
        lock(&self.trails).insert(trail.name.clone(), trail);
    }

    /// Removes a trail; says whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        lock(&self.trails).remove(name).is_some()
    }

    /// Sets how a trail does; says whether there is one of that name.
    pub fn set_status(&self, name: &str, status: TrailStatus) -> bool {
        lock(&self.trails).get_mut(name).map(|trail| trail.status = status).is_some()
    }

    /// Adds a key.
    pub fn put_public_key(&self, key: PublicKey) {
        lock(&self.public_keys).push(key);
    }

    pub(super) fn call(&self, operation: &str, body: Value) -> Result<Value, Refusal> {
        match operation {
            "DescribeTrails" => self.describe_trails(parse(body)?),
            "ListPublicKeys" => self.list_public_keys(parse(body)?),
            "GetTrailStatus" => self.get_trail_status(&parse::<StatusRequest>(body)?.name),
            "GetEventSelectors" => self.get_event_selectors(&parse::<SelectorsRequest>(body)?.trail_name),
            _ => Err(Refusal::new("UnknownOperationException", format!("unknown operation `{operation}`"))),
        }
    }

    fn describe_trails(&self, request: DescribeRequest) -> Result<Value, Refusal> {
        let names = request.trail_name_list.unwrap_or_default();
        let shadows = request.include_shadow_trails.unwrap_or(true);
        let trails = lock(&self.trails);
        let named = |trail: &&Trail| names.is_empty() || names.iter().any(|name| trail.answers_to(name));
        let here = |trail: &&Trail| trail.home_region == REGION || (shadows && trail.is_multi_region);
        let list: Vec<Value> = trails.values().filter(named).filter(here).map(Trail::describe).collect();
        Ok(json!({"trailList": list}))
    }

    fn list_public_keys(&self, request: KeysRequest) -> Result<Value, Refusal> {
        let keys = lock(&self.public_keys);
        let is_used = |key: &&PublicKey| {
            key.to_seconds as f64 >= request.start_time && key.from_seconds as f64 <= request.end_time
        };
        let listed = |key: &PublicKey| {
            json!({"Fingerprint": key.fingerprint, "Value": STANDARD.encode(&key.der),
                   "ValidityStartTime": key.from_seconds as f64, "ValidityEndTime": key.to_seconds as f64})
        };
        let list: Vec<Value> = keys.iter().filter(is_used).map(listed).collect();
        Ok(json!({"PublicKeyList": list}))
    }

    fn get_trail_status(&self, name: &str) -> Result<Value, Refusal> {
        let trails = lock(&self.trails);
        let trail = trails.values().find(|trail| trail.answers_to(name));
        trail.map(|trail| trail.status.describe()).ok_or_else(|| unknown(name))
    }

    fn get_event_selectors(&self, name: &str) -> Result<Value, Refusal> {
        let trails = lock(&self.trails);
        let trail = trails.values().find(|trail| trail.answers_to(name)).ok_or_else(|| unknown(name))?;
        let mut answer = object(trail.selectors.clone());
        answer.insert("TrailARN".into(), trail.arn().into());
        Ok(Value::Object(answer))
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new("TrailNotFoundException", format!("Unknown trail: {name} for the user: {ACCOUNT_ID}"))
}

impl Trail {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.arn() == name
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trails() -> Trails {
        let trails = Trails::default();
        trails.put(Trail::to_group("main", "trail-group"));
        let elsewhere = Trail { home_region: "eu-west-1".into(), ..Trail::to_group("other", "other-group") };
        trails.put(elsewhere);
        trails
    }

    fn names(answer: &Value) -> Vec<&str> {
        answer["trailList"].as_array().unwrap().iter().map(|trail| trail["Name"].as_str().unwrap()).collect()
    }

    #[test]
    fn trails_are_described_by_name_arn_and_place() {
        let trails = trails();
        let describe = |body| trails.call("DescribeTrails", body).unwrap();
        assert_eq!(names(&describe(json!({}))), ["main", "other"]);
        assert_eq!(names(&describe(json!({"includeShadowTrails": false}))), ["main"]);
        let arn = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/other";
        assert_eq!(names(&describe(json!({"trailNameList": [arn]}))), ["other"]);
        let group = "arn:aws:logs:us-east-1:111122223333:log-group:trail-group:*";
        assert_eq!(describe(json!({}))["trailList"][0]["CloudWatchLogsLogGroupArn"], group);
    }

    #[test]
    fn status_is_told_in_seconds() {
        let trails = trails();
        let status = TrailStatus { latest_logs_delivery_ms: Some(1_500), ..TrailStatus::default() };
        assert!(trails.set_status("main", status));
        let answer = trails.call("GetTrailStatus", json!({"Name": "main"})).unwrap();
        assert_eq!(answer, json!({"IsLogging": false, "LatestCloudWatchLogsDeliveryTime": 1.5}));
        let refusal = trails.call("GetTrailStatus", json!({"Name": "none"})).unwrap_err();
        assert_eq!(refusal.code, "TrailNotFoundException");
        assert!(trails.remove("main") && !trails.remove("main"));
    }
}
