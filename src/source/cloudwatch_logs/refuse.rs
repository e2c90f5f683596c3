//! What a person is told when a call fails: as an error at the start, as a notice later on.

use super::{CloudWatchLogs, NoticeLevel, Reader, SourceError};
use crate::source::aws::nearest::{did_you_mean, nearest};
use crate::source::aws::trouble::{Failure, FailureKind};

/// Groups that are looked at for near names.
const GROUPS_MAX: i32 = 50;

impl CloudWatchLogs {
    /// The final error for a failure at the start.
    pub(super) async fn refused(&self, reader: &Reader, failure: &Failure) -> SourceError {
        let (name, region) = (&self.group.name, &self.settings.region);
        SourceError::Refused(match failure.kind {
            FailureKind::NotFound => self.no_such_group(reader).await,
            FailureKind::Denied => format!(
                "not allowed to read log group `{name}` in `{region}`: {failure} (allow `logs:FilterLogEvents` on `{}`)",
                self.group.policy_arn(region)
            ),
            FailureKind::Credentials => format!(
                "the credentials for log group `{name}` in `{region}` are not accepted: {failure} (renew them, with \
                 single sign-on by `aws sso login`; `--profile` chooses others)"
            ),
            FailureKind::Unavailable => format!(
                "cannot reach CloudWatch Logs in `{region}`: {failure} (check `--region`, `--endpoint-url` and the network)"
            ),
            _ => format!("CloudWatch Logs refuses to read `{name}` in `{region}`: {failure}{}", self.pattern_hint()),
        })
    }

    /// The notice for a failure that is waited out.
    pub(super) fn waiting(&self, failure: &Failure) -> (NoticeLevel, String) {
        let (name, region) = (&self.group.name, &self.settings.region);
        match failure.kind {
            FailureKind::Throttled => (
                NoticeLevel::Warn,
                format!(
                    "CloudWatch Logs throttles the reading of `{name}`; going on more slowly (`{region}` allows {} calls \
                     a second to everybody in the account together)",
                    self.quota.calls_per_second()
                ),
            ),
            FailureKind::Credentials => (
                NoticeLevel::Error,
                format!(
                    "the credentials for log group `{name}` in `{region}` are no longer accepted: {failure}; waiting for \
                     new ones (renew them, with single sign-on by `aws sso login`)"
                ),
            ),
            FailureKind::NotFound => {
                (NoticeLevel::Error, format!("log group `{name}` in `{region}` is gone; waiting for it to come back"))
            }
            FailureKind::Denied => (
                NoticeLevel::Error,
                format!(
                    "no longer allowed to read log group `{name}` in `{region}`: {failure}; waiting (allow \
                     `logs:FilterLogEvents` on `{}`)",
                    self.group.policy_arn(region)
                ),
            ),
            FailureKind::Refused | FailureKind::Parameter => {
                (NoticeLevel::Error, format!("CloudWatch Logs refuses to read `{name}`: {failure}; trying again"))
            }
            FailureKind::Unavailable | FailureKind::Circle => {
                (NoticeLevel::Warn, format!("cannot read `{name}` in `{region}`: {failure}; trying until it works"))
            }
        }
    }

    fn pattern_hint(&self) -> String {
        let pattern = self.settings.filter_pattern.as_deref();
        pattern.map(|pattern| format!(" (the filter pattern is `{pattern}`)")).unwrap_or_default()
    }

    async fn no_such_group(&self, reader: &Reader) -> String {
        let (name, region) = (&self.group.name, &self.settings.region);
        let names = self.some_group_names(reader).await;
        let hint = did_you_mean(&nearest(name, names.iter().map(String::as_str)));
        let list =
            || format!("`aws logs describe-log-groups --region {region}` lists them; `--region` chooses another");
        format!("no log group `{name}` in `{region}` ({})", hint.unwrap_or_else(list))
    }

    /// Names that begin like the one wanted, by one call; none if that is not allowed.
    async fn some_group_names(&self, reader: &Reader) -> Vec<String> {
        let Some(client) = &reader.client else { return Vec::new() };
        let name = &self.group.name;
        // An account can have thousands of groups. Typos seldom stand in the first quarter of a name.
        let prefix: String = name.chars().take((name.len() / 4).max(3)).collect();
        self.report().calls += 1;
        let call = client.describe_log_groups().log_group_name_prefix(prefix).limit(GROUPS_MAX);
        let Ok(answer) = call.send().await else { return Vec::new() };
        answer.log_groups.unwrap_or_default().into_iter().filter_map(|group| group.log_group_name).collect()
    }
}
