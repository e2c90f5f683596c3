//! One object, fetched whole: a body that breaks off is gone on with where it broke.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::{Bytes, BytesMut};

use crate::source::SourceReport;
use crate::source::aws::trouble::{Failure, FailureKind, backoff};
use crate::source::notification::Object;

/// How long the next piece of a body may take.
const PIECE_MAX: Duration = Duration::from_secs(30);

/// What holds for every object of a source.
#[derive(Debug, Clone)]
pub(in crate::source) struct Terms {
    /// The account that buckets must belong to.
    pub(in crate::source) bucket_owner: Option<String>,
    /// The bytes of an object.
    pub(in crate::source) bytes_max: u64,
    /// Calls in a row that bring nothing, before fetching ends.
    pub(in crate::source) tries_max: u32,
}

/// What fetching took.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::source) struct Calls {
    pub(in crate::source) calls: u64,
    pub(in crate::source) throttles: u64,
    pub(in crate::source) retries: u64,
}

impl Calls {
    pub(in crate::source) fn count(self, report: &mut SourceReport) {
        report.calls += self.calls;
        report.throttles += self.throttles;
        report.retries += self.retries;
    }
}

/// The region that S3 says a bucket is in, where a call went to another.
pub(crate) fn bucket_region<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let SdkError::ServiceError(answer) = error else { return None };
    let is_elsewhere = matches!(answer.raw().status().as_u16(), 301 | 307)
        || matches!(answer.err().code(), Some("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"));
    answer.raw().headers().get("x-amz-bucket-region").filter(|_| is_elsewhere).map(str::to_owned)
}

/// An object, with what its owner wrote beside it.
#[derive(Debug, Default)]
pub(in crate::source) struct Whole {
    pub(in crate::source) bytes: Bytes,
    pub(in crate::source) metadata: HashMap<String, String>,
}

/// What is there of an object.
#[derive(Default)]
struct Part {
    bytes: BytesMut,
    metadata: HashMap<String, String>,
    /// The version that the bytes are of.
    tag: Option<String>,
    /// The region that S3 says the bucket is in.
    region: Option<String>,
    /// Calls that were made at once after one that failed.
    turns: u32,
}

/// Times that an object may turn out to be elsewhere, or to have changed.
const TURNS_MAX: u32 = 3;

/// Fetches an object. What may pass by itself is waited out for some calls.
pub(in crate::source) async fn fetch(
    client: &Client,
    object: &Object,
    terms: &Terms,
    calls: &mut Calls,
) -> Result<Whole, Failure> {
    let mut part = Part { region: object.region.clone(), ..Part::default() };
    let (mut waits, mut tries) = (backoff(), 0);
    loop {
        let before = part.bytes.len();
        calls.calls += 1;
        let failure = match part.go_on(client, object, terms).await {
            Ok(true) => return Ok(Whole { bytes: part.bytes.freeze(), metadata: part.metadata }),
            Ok(false) => continue,
            Err(failure) => failure,
        };
        let is_better = part.bytes.len() > before;
        tries = if is_better { 0 } else { tries + 1 };
        match failure.kind {
            FailureKind::Throttled => calls.throttles += 1,
            FailureKind::Unavailable => calls.retries += 1,
            _ => return Err(failure),
        }
        if tries >= terms.tries_max {
            return Err(failure);
        }
        if !is_better {
            tokio::time::sleep(waits.next().unwrap_or_default()).await;
        }
    }
}

impl Part {
    /// Makes one call for what is missing. `Ok(false)` says that another has to be made at once.
    async fn go_on(&mut self, client: &Client, object: &Object, terms: &Terms) -> Result<bool, Failure> {
        let range = (!self.bytes.is_empty()).then(|| format!("bytes={}-", self.bytes.len()));
        let call = client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_expected_bucket_owner(terms.bucket_owner.clone())
            .set_if_match(range.as_ref().and(self.tag.clone()))
            .set_range(range);
        let region = self.region.clone().map(|region| aws_sdk_s3::config::Builder::new().region(Region::new(region)));
        let answer = match region {
            Some(region) => call.customize().config_override(region).send().await,
            None => call.send().await,
        };
        match answer {
            Ok(output) => self.take(output, terms).await.map(|()| true),
            Err(error) => self.turn_round(&error).map(|()| false),
        }
    }

    async fn take(&mut self, mut output: GetObjectOutput, terms: &Terms) -> Result<(), Failure> {
        if output.content_range.is_none() {
            // All of it, whatever was asked for.
            self.bytes.clear();
        }
        let rest = output.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        let total = self.bytes.len() as u64 + rest;
        if total > terms.bytes_max {
            return Err(too_large(total, terms.bytes_max));
        }
        self.tag = output.e_tag.take();
        self.metadata = output.metadata.take().unwrap_or_default();
        loop {
            match tokio::time::timeout(PIECE_MAX, output.body.next()).await {
                Ok(Some(Ok(piece))) => self.bytes.extend_from_slice(&piece),
                Ok(None) if self.bytes.len() as u64 >= total => return Ok(()),
                Ok(Some(Err(_)) | None) => return Err(self.torn(total)),
                Err(_) => return Err(Failure::new(FailureKind::Unavailable, "no answer in time")),
            }
            if self.bytes.len() as u64 > terms.bytes_max {
                return Err(too_large(self.bytes.len() as u64, terms.bytes_max));
            }
        }
    }

    /// The body broke off. One that is whole and still wrong is fetched anew.
    fn torn(&mut self, total: u64) -> Failure {
        let text = format!("the body broke off after {} of {total} bytes", self.bytes.len());
        if self.bytes.len() as u64 >= total {
            self.bytes.clear();
        }
        Failure::new(FailureKind::Unavailable, text)
    }

    /// Takes in what can be put right by another call: another region, another version of the object.
    fn turn_round<E>(&mut self, error: &SdkError<E, HttpResponse>) -> Result<(), Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failure = Failure::of(error);
        let SdkError::ServiceError(answer) = error else { return Err(failure) };
        self.turns += 1;
        if self.turns > TURNS_MAX {
            return Err(failure);
        }
        let status = answer.raw().status().as_u16();
        if let Some(region) = bucket_region(error).filter(|region| self.region.as_ref() != Some(region)) {
            self.region = Some(region);
            return Ok(());
        }
        if matches!(status, 412 | 416) && !self.bytes.is_empty() {
            self.bytes.clear();
            return Ok(());
        }
        Err(failure)
    }
}

fn too_large(bytes: u64, bytes_max: u64) -> Failure {
    Failure::new(FailureKind::Refused, format!("it has {bytes} bytes, more than {bytes_max}"))
}
