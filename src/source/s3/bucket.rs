//! A bucket as an archive: listed and read where it is asked for.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures::future::BoxFuture;
use std::sync::Mutex;

use super::object::{Calls, Terms, Whole, bucket_region, fetch};
use super::refuse::{object_hint, refused};
use super::{Connect, Settings, TRIES_MAX};
use crate::source::SourceError;
use crate::source::archive::{Archive, Days, Stored, Unreadable, is_asked_for};
use crate::source::aws::lock;
use crate::source::aws::trouble::{Failure, FailureKind, backoff};
use crate::source::layout::{TrailFile, before_day};
use crate::source::notification::Object;

/// A bucket. See the module's documentation.
pub struct Bucket {
    settings: Settings,
    client: Client,
    /// The region that S3 says the bucket is in.
    region: Mutex<Option<String>>,
}

/// What is listed, and from where on.
struct Listing<'l> {
    prefix: &'l str,
    one_level: bool,
    after: Option<String>,
    token: Option<String>,
}

impl Bucket {
    /// Connects to the bucket of these settings.
    pub async fn new(settings: Settings, connect: &Connect) -> Result<Self, SourceError> {
        Ok(Self { settings, client: connect().await?, region: Mutex::default() })
    }

    /// One page; what may pass by itself is waited out.
    async fn list(&self, listing: &Listing<'_>) -> Result<ListObjectsV2Output, SourceError> {
        let (mut waits, mut failures) = (backoff(), 0);
        loop {
            let error = match self.call(listing).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            failures += 1;
            let failure = Failure::of(&error);
            let elsewhere = bucket_region(&error).filter(|region| lock(&self.region).as_ref() != Some(region));
            let may_pass = matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable);
            if failures >= TRIES_MAX || !may_pass && elsewhere.is_none() {
                return Err(refused(&self.settings, &self.client, &failure).await);
            }
            match elsewhere {
                Some(region) => *lock(&self.region) = Some(region),
                None => tokio::time::sleep(waits.next().unwrap_or_default()).await,
            }
        }
    }

    async fn call(
        &self,
        listing: &Listing<'_>,
    ) -> Result<ListObjectsV2Output, SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error, HttpResponse>>
    {
        let call = self
            .client
            .list_objects_v2()
            .bucket(&self.settings.bucket)
            .prefix(listing.prefix)
            .set_delimiter(listing.one_level.then(|| "/".to_owned()))
            .set_start_after(listing.after.clone())
            .set_continuation_token(listing.token.clone())
            .set_expected_bucket_owner(self.settings.bucket_owner.clone());
        let region = lock(&self.region).clone();
        match region {
            Some(region) => {
                let config = aws_sdk_s3::config::Builder::new().region(Region::new(region));
                call.customize().config_override(config).send().await
            }
            None => call.send().await,
        }
    }

    async fn folders_below(&self, prefix: &str) -> Result<Vec<String>, SourceError> {
        let mut listing = Listing { prefix, one_level: true, after: None, token: None };
        let mut folders = Vec::new();
        loop {
            let page = self.list(&listing).await?;
            folders.extend(page.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix));
            listing.token = page.next_continuation_token;
            if listing.token.is_none() {
                return Ok(folders);
            }
        }
    }

    async fn keys_below(&self, prefix: &str, days: Days) -> Result<Vec<String>, SourceError> {
        let after = days.first.and_then(|first| before_day(prefix, first));
        let mut listing = Listing { prefix, one_level: false, after, token: None };
        let mut keys = Vec::new();
        loop {
            let page = self.list(&listing).await?;
            for key in page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
                match TrailFile::of(&key).map(|file| file.day) {
                    // Keys are in the order of days.
                    Some(day) if days.last.is_some_and(|last| day > last) => return Ok(keys),
                    _ if is_asked_for(&key, days) => keys.push(key),
                    _ => {}
                }
            }
            listing.token = page.next_continuation_token;
            if listing.token.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn stored(&self, key: &str) -> Result<Stored, Unreadable> {
        let region = lock(&self.region).clone();
        let object = Object { bucket: self.settings.bucket.clone(), key: key.to_owned(), region };
        let Settings { bucket_owner, object_bytes_max, .. } = self.settings.clone();
        let terms = Terms { bucket_owner, bytes_max: object_bytes_max, tries_max: TRIES_MAX };
        match fetch(&self.client, &object, &terms, &mut Calls::default()).await {
            Ok(Whole { bytes, mut metadata }) => Ok(Stored {
                bytes,
                signature: metadata.remove("signature"),
                generated: metadata.remove("backfill-generation-timestamp"),
            }),
            Err(failure) if failure.kind == FailureKind::NotFound => Err(Unreadable::Missing),
            Err(failure) => {
                let hint = object_hint(&self.settings, &self.client, &failure);
                Err(Unreadable::Other(format!("{failure}{hint}")))
            }
        }
    }
}

impl Archive for Bucket {
    fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.settings.bucket)
    }

    fn bucket(&self) -> Option<&str> {
        Some(&self.settings.bucket)
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, SourceError>> {
        Box::pin(self.folders_below(prefix))
    }

    fn keys<'a>(&'a self, prefix: &'a str, days: Days) -> BoxFuture<'a, Result<Vec<String>, SourceError>> {
        Box::pin(self.keys_below(prefix, days))
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, Unreadable>> {
        Box::pin(self.stored(key))
    }
}
