//! The trail that delivers to a log group.

use aws_sdk_cloudtrail::types::Trail;

use super::group::Group;
use crate::source::aws::trail::{TrailFinder, WatchedTrail, describe};
use crate::source::aws::trouble::{Failure, FailureKind};

/// The trail that delivers to a log group, if one does, as far as `DescribeTrails` shows it in the group's region.
pub(super) async fn trail_of_group(
    finder: &TrailFinder,
    group: &Group,
    region: &str,
) -> Result<Option<WatchedTrail>, Failure> {
    let connected = finder(region)().await;
    let client = connected.map_err(|error| Failure::new(FailureKind::Credentials, error.to_string()))?;
    let delivers_there = |trail: &Trail| {
        let arn = trail.cloud_watch_logs_log_group_arn.as_deref().unwrap_or_default();
        Group::parse(arn).is_ok_and(|found| {
            let is_in_region = found.arn.as_ref().is_some_and(|arn| arn.region == region);
            let is_that_arn = group.arn.as_ref().is_none_or(|arn| found.arn.as_ref() == Some(arn));
            found.name == group.name && is_in_region && is_that_arn
        })
    };
    let found = describe(&client, None).await?.into_iter().find(delivers_there);
    Ok(found.and_then(|trail| {
        let connect = finder(trail.home_region.as_deref().unwrap_or(region));
        Some(WatchedTrail { name: trail.name?, arn: trail.trail_arn?, connect })
    }))
}
