//! What a person is told when the queue cannot be read: as an error at the start, as a notice later on.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::{Clients, NoticeLevel, Shared, SourceError};
use crate::source::aws::nearest::{did_you_mean, nearest};
use crate::source::aws::trouble::{Failure, FailureKind};

/// Queues that are looked at for near names.
const QUEUES_MAX: i32 = 1_000;

impl Shared {
    /// The URL of the queue, asked for where only a name was given.
    pub(super) async fn url_of_queue(&self, clients: &Clients) -> Result<String, Failure> {
        if let Some(url) = &self.queue.url {
            return Ok(url.clone());
        }
        self.report().calls += 1;
        let call = clients.sqs.get_queue_url().queue_name(&self.queue.name);
        let answer = call.set_queue_owner_aws_account_id(self.queue.account.clone()).send().await;
        let url = answer.map_err(|error| Failure::of(&error))?.queue_url;
        url.ok_or_else(|| Failure::new(FailureKind::Refused, "the queue has no URL"))
    }

    /// Warns of a queue that keeps what nobody can read for ever, if that may be seen.
    pub(super) async fn mind_dead_letters(&self, client: &Client, url: &str) {
        self.report().calls += 1;
        let call = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::RedrivePolicy);
        let Ok(answer) = call.send().await else { return };
        if answer.attributes.unwrap_or_default().contains_key(&QueueAttributeName::RedrivePolicy) {
            return;
        }
        let text = format!(
            "queue `{}` has no dead-letter queue: a message that cannot be read comes again until its retention is over (set \
             a redrive policy)",
            self.name
        );
        self.notify(NoticeLevel::Warn, text);
    }

    /// The final error for a failure at the start.
    pub(super) async fn refused(&self, failure: &Failure) -> SourceError {
        let (name, region) = (&self.queue.name, &self.settings.region);
        SourceError::Refused(match failure.kind {
            FailureKind::NotFound => self.no_such_queue().await,
            FailureKind::Denied => format!(
                "not allowed to read queue `{name}` in `{region}`: {failure} (allow `sqs:ReceiveMessage`, `sqs:DeleteMessage`, \
                 `sqs:ChangeMessageVisibility`, `sqs:GetQueueUrl` and `sqs:GetQueueAttributes` on `{}`)",
                self.policy_arn()
            ),
            FailureKind::Credentials => format!(
                "the credentials for queue `{name}` in `{region}` are not accepted: {failure} (renew them, with single \
                 sign-on by `aws sso login`; `--profile` chooses others)"
            ),
            FailureKind::Unavailable => format!(
                "cannot reach SQS in `{region}`: {failure} (check `--region`, `--endpoint-url` and the network)"
            ),
            _ => format!("SQS refuses to read queue `{name}` in `{region}`: {failure}"),
        })
    }

    /// The notice for a failure that is waited out.
    pub(super) fn waiting(&self, failure: &Failure) -> (NoticeLevel, String) {
        let (name, region) = (&self.queue.name, &self.settings.region);
        match failure.kind {
            FailureKind::Throttled => {
                (NoticeLevel::Warn, format!("SQS throttles the reading of queue `{name}`; going on more slowly"))
            }
            FailureKind::Credentials => (
                NoticeLevel::Error,
                format!(
                    "the credentials for queue `{name}` in `{region}` are no longer accepted: {failure}; waiting for new \
                     ones (renew them, with single sign-on by `aws sso login`)"
                ),
            ),
            FailureKind::NotFound => {
                (NoticeLevel::Error, format!("queue `{name}` in `{region}` is gone; waiting for it to come back"))
            }
            FailureKind::Denied => (
                NoticeLevel::Error,
                format!(
                    "no longer allowed to read queue `{name}` in `{region}`: {failure}; waiting (allow `sqs:ReceiveMessage` \
                     on `{}`)",
                    self.policy_arn()
                ),
            ),
            FailureKind::Refused | FailureKind::Parameter | FailureKind::Circle => {
                (NoticeLevel::Error, format!("SQS refuses to read queue `{name}`: {failure}; trying again"))
            }
            FailureKind::Unavailable => (
                NoticeLevel::Warn,
                format!("cannot read queue `{name}` in `{region}`: {failure}; trying until it works"),
            ),
        }
    }

    async fn no_such_queue(&self) -> String {
        let (name, region) = (&self.queue.name, &self.settings.region);
        let names = self.some_queue_names().await;
        let hint = did_you_mean(&nearest(name, names.iter().map(String::as_str)));
        let list = || format!("`aws sqs list-queues --region {region}` lists them; `--region` chooses another");
        format!("no queue `{name}` in `{region}` ({})", hint.unwrap_or_else(list))
    }

    /// Names that begin like the one wanted, by one call; none if that is not allowed.
    async fn some_queue_names(&self) -> Vec<String> {
        let Ok(clients) = (self.connect)().await else { return Vec::new() };
        // Typos seldom stand in the first quarter of a name.
        let prefix: String = self.queue.name.chars().take((self.queue.name.len() / 4).max(1)).collect();
        self.report().calls += 1;
        let answer = clients.sqs.list_queues().queue_name_prefix(prefix).max_results(QUEUES_MAX).send().await;
        let urls = answer.map(|answer| answer.queue_urls.unwrap_or_default()).unwrap_or_default();
        urls.iter().filter_map(|url| url.rsplit('/').next()).map(str::to_owned).collect()
    }
}
