//! Trails: where one delivers to, and whether it still does.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::Builder;
use aws_sdk_cloudtrail::types::Trail;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::access::{Access, load};
use super::nearest::{did_you_mean, nearest};
use super::requests::Counted;
use super::trouble::{Failure, FailureKind};
use crate::source::{Notice, NoticeLevel, SourceError};

/// Where a trail delivers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailGroup {
    /// The trail's name.
    pub trail: String,
    /// The trail's ARN.
    pub trail_arn: String,
    /// The ARN of its log group, without a trailing `:*`.
    pub group_arn: String,
    /// The region of the log group; connect there.
    pub region: String,
    /// The region in which the trail was made and is changed.
    pub home_region: String,
}

/// Where a trail puts its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailBucket {
    /// The trail's name.
    pub trail: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it that holds the trail's files, with a slash at its end. Of an organisation's trail it is that of all
    /// accounts.
    pub prefix: String,
}

/// Finds the bucket of a trail, as [`find_trail_group`] finds its log group.
pub async fn find_trail_bucket(config: &SdkConfig, trail: &str) -> Result<TrailBucket, SourceError> {
    bucket_of(trail, find(config, trail, "the bucket with `s3://BUCKET/PREFIX`").await?)
}

/// Finds the log group of a trail, given by its name or ARN, with one or two calls of `DescribeTrails`.
///
/// Trails of other regions that follow this one too are found by name; see
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html>.
pub async fn find_trail_group(config: &SdkConfig, trail: &str) -> Result<TrailGroup, SourceError> {
    group_of(trail, find(config, trail, "the log group with `--log-group`").await?)
}

/// Finds a trail. `instead` is what a person may name where it cannot be looked up.
async fn find(config: &SdkConfig, trail: &str, instead: &str) -> Result<Trail, SourceError> {
    let retrying = Builder::from(config).retry_config(RetryConfig::standard()).interceptor(Counted);
    let client = Client::from_conf(retrying.build());
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let found = match describe(&client, Some(trail)).await {
        Ok(found) => found,
        // An ARN of no trail is refused; a name of no trail gives an empty list.
        Err(failure) if is_unknown(&failure) => Vec::new(),
        Err(failure) => return Err(refused(trail, &region, &failure, instead)),
    };
    match found.into_iter().next() {
        Some(found) => Ok(found),
        None => Err(no_such_trail(&client, trail, &region).await),
    }
}

/// Gives a client of CloudTrail in a trail's home region.
pub type TrailConnect = Arc<dyn Fn() -> BoxFuture<'static, Result<Client, SourceError>> + Send + Sync>;

/// A trail that is asked whether it goes on.
#[derive(Clone)]
pub struct WatchedTrail {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How CloudTrail is reached.
    pub connect: TrailConnect,
}

/// Gives a [`TrailConnect`] of a region.
pub type TrailFinder = Arc<dyn Fn(&str) -> TrailConnect + Send + Sync>;

/// Makes a [`TrailFinder`].
pub fn trail_finder(access: Access) -> TrailFinder {
    Arc::new(move |region| trail_connector(Access { region: Some(region.to_owned()), ..access.clone() }))
}

/// Gives a trail that is known by its name or ARN; `None` if there is none.
pub type FindTrail = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<WatchedTrail>, SourceError>> + Send + Sync>;

/// Makes a [`FindTrail`] that looks for it from the region of `access`.
pub fn named_trail(access: Access, name: &str) -> FindTrail {
    let (access, name) = (Arc::new(access), name.to_owned());
    Arc::new(move || {
        let (access, name) = (Arc::clone(&access), name.clone());
        Box::pin(async move {
            let found = find(&load(&access).await?, &name, "no trail").await?;
            let home = found.home_region.or_else(|| access.region.clone());
            let connect = trail_connector(Access { region: home, ..(*access).clone() });
            Ok(found.name.zip(found.trail_arn).map(|(name, arn)| WatchedTrail { name, arn, connect }))
        })
    })
}

/// Makes a [`TrailConnect`]; `access` names the home region.
pub fn trail_connector(access: Access) -> TrailConnect {
    let access = Arc::new(access);
    Arc::new(move || {
        let access = Arc::clone(&access);
        Box::pin(async move {
            let config = load(&access).await?;
            Ok(Client::from_conf(Builder::from(&config).interceptor(Counted).build()))
        })
    })
}

/// By which of its ways the events of a trail come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum By {
    /// Its log group.
    LogGroup,
    /// Its bucket, and whoever tells what comes there.
    Bucket,
}

/// What `GetTrailStatus` says of a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct TrailState {
    is_logging: bool,
    stopped_ms: Option<i64>,
    /// Why it could not deliver last, by the way in question.
    delivery_error: Option<String>,
}

impl WatchedTrail {
    /// Asks once.
    pub(in crate::source) async fn state(&self, by: By) -> Result<TrailState, Failure> {
        let credentials = |error: SourceError| Failure::new(FailureKind::Credentials, error.to_string());
        let client = (self.connect)().await.map_err(credentials)?;
        let answer = client.get_trail_status().name(&self.arn).send().await.map_err(|error| Failure::of(&error))?;
        let delivery_error = match by {
            By::LogGroup => answer.latest_cloud_watch_logs_delivery_error,
            By::Bucket => answer.latest_delivery_error.or(answer.latest_notification_error),
        };
        Ok(TrailState {
            is_logging: answer.is_logging.unwrap_or(true),
            stopped_ms: answer.stop_logging_time.and_then(|time| time.to_millis().ok()),
            delivery_error: delivery_error.filter(|error| !error.is_empty()),
        })
    }
}

impl TrailState {
    /// What is wrong with it, if anything is.
    fn trouble(&self, trail: &str, by: By) -> Option<String> {
        if !self.is_logging {
            let since = self.stopped_ms.map(|ms| format!(" since {}", time(ms))).unwrap_or_default();
            return Some(format!(
                "trail `{trail}` has not been logging{since} (start it: `aws cloudtrail start-logging --name {trail}`)"
            ));
        }
        let error = self.delivery_error.as_ref()?;
        let (to, hint) = match by {
            By::LogGroup => ("log group", "look at the role that it delivers with"),
            By::Bucket => ("bucket, or tell of it", "look at the policies of the bucket and of the topic"),
        };
        Some(format!("trail `{trail}` cannot deliver to its {to}: {error} ({hint})"))
    }
}

/// What is known of how a trail does.
#[derive(Debug, Default)]
pub(in crate::source) struct TrailHealth {
    trouble: Option<String>,
    /// Nobody may ask, which was told.
    is_denied: bool,
}

impl TrailHealth {
    /// Whether it is of use to ask.
    pub(in crate::source) fn may_ask(&self) -> bool {
        !self.is_denied
    }

    /// What is wrong, as it was told.
    pub(in crate::source) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }

    /// Takes in an answer: what is to be told of it, if that is news.
    pub(in crate::source) fn take(
        &mut self,
        trail: &str,
        by: By,
        answer: Result<TrailState, Failure>,
    ) -> Option<Notice> {
        let trouble = match answer {
            Ok(state) => state.trouble(trail, by),
            Err(failure) if is_unknown(&failure) => Some(format!("trail `{trail}` does not exist any more")),
            Err(failure) if failure.kind == FailureKind::Denied => {
                self.is_denied = true;
                let text = format!(
                    "it is not noticed if trail `{trail}` stops: {failure} (allow `cloudtrail:GetTrailStatus`)"
                );
                return Some(Notice { level: NoticeLevel::Info, text });
            }
            Err(_) => return None,
        };
        if trouble == self.trouble {
            return None;
        }
        self.trouble = trouble;
        Some(match &self.trouble {
            Some(trouble) => Notice { level: NoticeLevel::Error, text: trouble.clone() },
            None => Notice { level: NoticeLevel::Info, text: format!("trail `{trail}` logs and delivers again") },
        })
    }
}

/// A time as people write it; the number where it is none.
pub(in crate::source) fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}

pub(in crate::source) async fn describe(client: &Client, trail: Option<&str>) -> Result<Vec<Trail>, Failure> {
    let names = trail.map(|trail| vec![trail.to_owned()]);
    let answer = client.describe_trails().set_trail_name_list(names).send().await;
    answer.map(|answer| answer.trail_list.unwrap_or_default()).map_err(|error| Failure::of(&error))
}

fn group_of(asked: &str, trail: Trail) -> Result<TrailGroup, SourceError> {
    let name = trail.name.unwrap_or_else(|| asked.to_owned());
    let home_region = trail.home_region.unwrap_or_default();
    let Some(arn) = trail.cloud_watch_logs_log_group_arn.filter(|arn| !arn.is_empty()) else {
        return Err(SourceError::Refused(format!(
            "trail `{name}` delivers to no log group (add one: `aws cloudtrail update-trail --region {home_region} --name \
             {name} --cloud-watch-logs-log-group-arn ARN --cloud-watch-logs-role-arn ARN`)"
        )));
    };
    let group_arn = arn.strip_suffix(":*").unwrap_or(&arn).to_owned();
    let region = group_arn.split(':').nth(3).filter(|region| !region.is_empty()).unwrap_or(&home_region).to_owned();
    let trail_arn = trail.trail_arn.unwrap_or_else(|| name.clone());
    Ok(TrailGroup { trail: name, trail_arn, group_arn, region, home_region })
}

fn bucket_of(asked: &str, trail: Trail) -> Result<TrailBucket, SourceError> {
    let name = trail.name.unwrap_or_else(|| asked.to_owned());
    let Some(bucket) = trail.s3_bucket_name.filter(|bucket| !bucket.is_empty()) else {
        return Err(SourceError::Refused(format!("trail `{name}` delivers to no bucket")));
    };
    let above = trail.s3_key_prefix.filter(|prefix| !prefix.is_empty()).map(|prefix| prefix + "/").unwrap_or_default();
    let account =
        trail.trail_arn.as_deref().and_then(|arn| arn.split(':').nth(4)).filter(|account| !account.is_empty());
    let below = account.filter(|_| trail.is_organization_trail != Some(true));
    let below = below.map(|account| format!("{account}/")).unwrap_or_default();
    Ok(TrailBucket { trail: name, bucket, prefix: format!("{above}AWSLogs/{below}") })
}

fn is_unknown(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotFound || failure.text.starts_with("TrailNotFoundException")
}

fn refused(trail: &str, region: &str, failure: &Failure, instead: &str) -> SourceError {
    let hint = match failure.kind {
        FailureKind::Denied => format!(" (allow `cloudtrail:DescribeTrails`, or name {instead})"),
        FailureKind::Credentials => " (renew the credentials, with single sign-on by `aws sso login`)".to_owned(),
        _ => String::new(),
    };
    SourceError::Refused(format!("cannot look up trail `{trail}` in `{region}`: {failure}{hint}"))
}

async fn no_such_trail(client: &Client, trail: &str, region: &str) -> SourceError {
    let trails = describe(client, None).await.unwrap_or_default();
    let names: Vec<String> = trails.into_iter().filter_map(|trail| trail.name).collect();
    let wanted = trail.rsplit('/').next().unwrap_or(trail);
    let hint = did_you_mean(&nearest(wanted, names.iter().map(String::as_str)))
        .unwrap_or_else(|| "`aws cloudtrail describe-trails` lists them; `--region` chooses another region".to_owned());
    SourceError::Refused(format!("no trail `{trail}` in `{region}` ({hint})"))
}
