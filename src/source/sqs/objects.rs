//! Which of the objects that a message names are read, and what a person is told of the others.

use std::collections::HashSet;

use super::Shared;
use crate::delivery::{Delivery, Origin};
use crate::source::NoticeLevel;
use crate::source::aws::partition;
use crate::source::aws::trouble::{Failure, FailureKind};
use crate::source::layout::{FileKind, TrailFile};
use crate::source::notification::Object;

/// Messages and objects that are remembered to have been told of.
const TOLD_MAX: usize = 10_000;

/// What was told of, so that it is not told again each time that a message comes back.
#[derive(Debug, Default)]
pub(super) struct Passed {
    told: HashSet<String>,
    told_of_others: bool,
}

/// Objects, by what becomes of them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) wanted: Vec<Object>,
    /// Those that may not be read, and why.
    pub(super) refused: Vec<(Object, String)>,
}

impl Passed {
    /// Sorts out what is read. Digests, and what is not CloudTrail's, is passed over and counted.
    pub(super) fn sort(&mut self, shared: &Shared, objects: Vec<Object>) -> Sorted {
        let mut sorted = Sorted::default();
        let buckets = &shared.settings.buckets;
        for object in objects {
            match TrailFile::of(&object.key).map(|file| file.kind) {
                _ if !buckets.is_empty() && !buckets.contains(&object.bucket) => {
                    let text = format!(
                        "bucket `{}` is none of those that may be read; the message is left to the queue (allow it, or see \
                         who may send to the queue)",
                        object.bucket
                    );
                    sorted.refused.push((object, text));
                }
                Some(FileKind::Events) => sorted.wanted.push(object),
                Some(FileKind::Digest) => shared.report().passed_over += 1,
                None => {
                    shared.report().passed_over += 1;
                    self.tell_of_others(shared, &object);
                }
            }
        }
        sorted
    }

    fn tell_of_others(&mut self, shared: &Shared, object: &Object) {
        if std::mem::replace(&mut self.told_of_others, true) {
            return;
        }
        let text = format!(
            "queue `{}` tells of objects that are not CloudTrail's, `{}` first; they are passed over (only keys under \
             `AWSLogs/*/CloudTrail/` are read)",
            shared.name, object.key
        );
        shared.notify(NoticeLevel::Info, text);
    }

    /// Whether a message or an object has not been told of. Beyond the bound all is told of once more.
    pub(super) fn is_news(&mut self, origin: &Origin) -> bool {
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(origin.to_string())
    }
}

impl Shared {
    /// Why an object was not read.
    pub(super) fn unread_object(&self, object: &Object, failure: &Failure) -> String {
        let arn = format!("arn:{}:s3:::{}/*", partition(&self.settings.region), object.bucket);
        let hint = match failure.kind {
            FailureKind::Denied => format!(
                "; the message is left to the queue (allow `s3:GetObject` on `{arn}`, and `kms:Decrypt` on its key if it is \
                 encrypted by one; S3 says the same of an object that is not there, unless `s3:ListBucket` is allowed)"
            ),
            FailureKind::NotFound => "; the message is left to the queue (was it deleted?)".to_owned(),
            _ => "; the message is left to the queue".to_owned(),
        };
        format!("{failure}{hint}")
    }

    /// Why an object is not read yet.
    pub(super) fn no_object_now(&self, object: &Object, failure: &Failure) -> String {
        let hint = match failure.kind {
            FailureKind::Credentials => "renew the credentials, with single sign-on by `aws sso login`; until then",
            _ => "until it can be,",
        };
        format!(
            "s3://{}/{} cannot be fetched at present: {failure} ({hint} messages of queue `{}` that name objects are kept \
             hidden, and tried again)",
            object.bucket, object.key, self.name
        )
    }

    /// Counts what is handed over.
    pub(super) fn counted(&self, batch: Vec<Delivery>) -> Vec<Delivery> {
        let mut report = self.report();
        report.deliveries += batch.len() as u64;
        report.bytes += batch.iter().map(|delivery| delivery.body.len() as u64).sum::<u64>();
        batch
    }
}
