//! One call of `DescribeLogGroups`: what the service says of a group beside its events.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{LogGroup, LogGroupClass};

use super::group::Group;
use crate::source::aws::trouble::{Failure, FailureKind};

/// How long the call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What is said of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// Without a trailing `:*`.
    pub(super) arn: String,
    /// When it was made, in milliseconds since 1970.
    pub(super) created_ms: Option<i64>,
    /// For how many days it keeps events; for ever where there is none.
    pub(super) retention_days: Option<i32>,
    /// Whether it is of the class that is read seldom, which has no live tail.
    pub(super) is_infrequent: bool,
}

/// Asks once. `None` says that there is no such group among those of the account: it may be a linked account's.
pub(super) async fn describe(client: &Client, group: &Group) -> Result<Option<Described>, Failure> {
    // Names come in order, so a name comes before all that begin with it.
    let call = client.describe_log_groups().log_group_name_prefix(&group.name).send();
    let answer = match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| Failure::of(&error))?,
        Err(_) => return Err(Failure::new(FailureKind::Unavailable, "no answer in time")),
    };
    let mut described = answer.log_groups.unwrap_or_default().into_iter();
    let described = described.find(|described| described.log_group_name.as_deref() == Some(group.name.as_str()));
    let described = described.and_then(Described::new);
    Ok(described.filter(|described| group.arn.as_ref().is_none_or(|arn| arn.text == described.arn)))
}

impl Described {
    fn new(group: LogGroup) -> Option<Self> {
        let arn = group.log_group_arn.or(group.arn)?;
        Some(Self {
            arn: arn.strip_suffix(":*").map(str::to_owned).unwrap_or(arn),
            created_ms: group.creation_time,
            retention_days: group.retention_in_days,
            is_infrequent: group.log_group_class == Some(LogGroupClass::InfrequentAccess),
        })
    }
}
