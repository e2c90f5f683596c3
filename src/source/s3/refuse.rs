//! What a person is told when a bucket or an object cannot be read.

use aws_sdk_s3::Client;

use super::{Objects, SourceError};
use crate::source::aws::nearest::{did_you_mean, nearest};
use crate::source::aws::partition;
use crate::source::aws::trouble::{Failure, FailureKind};

impl Objects {
    /// The final error for a bucket that cannot be listed.
    pub(super) async fn refused(&self, client: &Client, failure: &Failure) -> SourceError {
        let bucket = &self.settings.bucket;
        SourceError::Refused(match failure.kind {
            FailureKind::NotFound => self.no_such_bucket(client).await,
            FailureKind::Denied => {
                let arn = self.arn(client);
                let owner = self.settings.bucket_owner.as_ref();
                let owner = owner.map(|owner| format!("; or it is not account {owner}'s")).unwrap_or_default();
                format!("not allowed to list {}: {failure} (allow `s3:ListBucket` on `{arn}`{owner})", self.name)
            }
            FailureKind::Credentials => format!(
                "the credentials for bucket `{bucket}` are not accepted: {failure} (renew them, with single sign-on by `aws \
                 sso login`; `--profile` chooses others)"
            ),
            FailureKind::Unavailable => {
                format!("cannot reach S3: {failure} (check `--region`, `--endpoint-url` and the network)")
            }
            _ => format!("S3 refuses to list {}: {failure}", self.name),
        })
    }

    /// What to do about an object that cannot be read.
    pub(super) fn object_hint(&self, client: &Client, failure: &Failure) -> String {
        match failure.kind {
            FailureKind::Denied => format!(
                " (allow `s3:GetObject` on `{}/*`, and `kms:Decrypt` on its key if it is encrypted by one)",
                self.arn(client)
            ),
            _ => String::new(),
        }
    }

    fn arn(&self, client: &Client) -> String {
        let region = client.config().region().map(AsRef::as_ref).unwrap_or_default();
        format!("arn:{}:s3:::{}", partition(region), self.settings.bucket)
    }

    async fn no_such_bucket(&self, client: &Client) -> String {
        self.report().calls += 1;
        let buckets = client.list_buckets().send().await.ok().and_then(|answer| answer.buckets).unwrap_or_default();
        let names: Vec<String> = buckets.into_iter().filter_map(|bucket| bucket.name).collect();
        let hint = did_you_mean(&nearest(&self.settings.bucket, names.iter().map(String::as_str)));
        let list = || "`aws s3 ls` lists yours".to_owned();
        format!("no bucket `{}` ({})", self.settings.bucket, hint.unwrap_or_else(list))
    }
}
