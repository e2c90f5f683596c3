//! What a person is told when a bucket or an object cannot be read.

use aws_sdk_s3::Client;

use super::{Objects, Settings, SourceError};
use crate::source::aws::nearest::{did_you_mean, nearest};
use crate::source::aws::partition;
use crate::source::aws::trouble::{Failure, FailureKind};

impl Objects {
    /// The final error for a bucket that cannot be listed.
    pub(super) async fn refused(&self, client: &Client, failure: &Failure) -> SourceError {
        self.report().calls += u64::from(failure.kind == FailureKind::NotFound);
        refused(&self.settings, client, failure).await
    }

    /// What to do about an object that cannot be read.
    pub(super) fn object_hint(&self, client: &Client, failure: &Failure) -> String {
        object_hint(&self.settings, client, failure)
    }
}

/// The final error for a bucket that cannot be listed.
pub(super) async fn refused(settings: &Settings, client: &Client, failure: &Failure) -> SourceError {
    let (bucket, url) = (&settings.bucket, settings.url());
    SourceError::Refused(match failure.kind {
        FailureKind::NotFound => no_such_bucket(bucket, client).await,
        FailureKind::Denied => {
            let arn = arn(bucket, client);
            let owner = settings.bucket_owner.as_ref();
            let owner = owner.map(|owner| format!("; or it is not account {owner}'s")).unwrap_or_default();
            format!("not allowed to list {url}: {failure} (allow `s3:ListBucket` on `{arn}`{owner})")
        }
        FailureKind::Credentials => format!(
            "the credentials for bucket `{bucket}` are not accepted: {failure} (renew them, with single sign-on by `aws \
             sso login`; `--profile` chooses others)"
        ),
        FailureKind::Unavailable => {
            format!("cannot reach S3: {failure} (check `--region`, `--endpoint-url` and the network)")
        }
        _ => format!("S3 refuses to list {url}: {failure}"),
    })
}

/// What to do about an object that cannot be read.
pub(super) fn object_hint(settings: &Settings, client: &Client, failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Denied => format!(
            " (allow `s3:GetObject` on `{}/*`, and `kms:Decrypt` on its key if it is encrypted by one)",
            arn(&settings.bucket, client)
        ),
        _ => String::new(),
    }
}

fn arn(bucket: &str, client: &Client) -> String {
    let region = client.config().region().map(AsRef::as_ref).unwrap_or_default();
    format!("arn:{}:s3:::{bucket}", partition(region))
}

async fn no_such_bucket(bucket: &str, client: &Client) -> String {
    let buckets = client.list_buckets().send().await.ok().and_then(|answer| answer.buckets).unwrap_or_default();
    let names: Vec<String> = buckets.into_iter().filter_map(|bucket| bucket.name).collect();
    let hint = did_you_mean(&nearest(bucket, names.iter().map(String::as_str)));
    let list = || "`aws s3 ls` lists yours".to_owned();
    format!("no bucket `{bucket}` ({})", hint.unwrap_or_else(list))
}
