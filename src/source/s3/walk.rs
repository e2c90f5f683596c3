//! Which keys are read, in which order: folder by folder, and in CloudTrail's folders only the days that are wanted.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Settings;
use super::object::bucket_region;
use crate::source::aws::trouble::Failure;
use crate::source::layout::{FileKind, Folder, TrailFile, before_day, folder};

/// What is read outside of CloudTrail's layout, by the end of the key.
const ENDINGS: [&str; 6] = [".json", ".json.gz", ".ndjson", ".jsonl", ".log", ".gz"];

/// What is still to be listed, and which days are wanted.
pub(super) struct Walk {
    /// The next step is the last.
    steps: Vec<Step>,
    since: Option<Date>,
    until: Option<Date>,
}

/// One listing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    prefix: String,
    /// Lists what is in a folder, and not what is in its folders.
    one_level: bool,
    after: Option<String>,
    token: Option<String>,
}

/// What one call gave.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) keys: Vec<String>,
    /// What the objects take up together.
    pub(super) bytes: u64,
    /// Objects of the page that are not read.
    pub(super) passed_over: u64,
}

/// What becomes of a key.
enum Verdict {
    Read,
    PassOver,
    /// It, and all behind it in its folder, is of a later day.
    Later,
}

impl Walk {
    pub(super) fn new(settings: &Settings) -> Self {
        let day = |ms: i64| Timestamp::from_millisecond(ms).ok().map(|time| time.to_zoned(TimeZone::UTC).date());
        let mut walk = Self {
            steps: Vec::new(),
            since: settings.since_ms.and_then(day),
            until: settings.until_ms.and_then(day).and_then(|day| day.checked_add(1.day()).ok()),
        };
        match settings.prefix.is_empty() || settings.prefix.ends_with('/') {
            true => walk.push_folder(&settings.prefix),
            // A part of a name, or the whole name of an object.
            false => walk.push(&settings.prefix, true, None),
        }
        walk
    }

    pub(super) fn has_ended(&self) -> bool {
        self.steps.is_empty()
    }

    fn push(&mut self, prefix: &str, one_level: bool, after: Option<String>) {
        self.steps.push(Step { prefix: prefix.to_owned(), one_level, after, token: None });
    }

    /// Puts a folder before all that is still to be listed.
    fn push_folder(&mut self, prefix: &str) {
        let has_days = self.since.is_some() || self.until.is_some();
        match folder(prefix) {
            Folder::Other => {}
            Folder::Above => self.push(prefix, true, None),
            Folder::Events => self.push(prefix, has_days, None),
            Folder::Region => {
                let after = self.since.and_then(|since| before_day(prefix, since));
                self.push(prefix, false, after);
            }
        }
    }

    /// Makes the next call. A failure changes nothing; with it comes the bucket's region, where S3 says another.
    pub(super) async fn list(
        &mut self,
        client: &Client,
        settings: &Settings,
        region: Option<&str>,
    ) -> Result<Listed, (Failure, Option<String>)> {
        let Some(step) = self.steps.last() else { return Ok(Listed::default()) };
        let call = client
            .list_objects_v2()
            .bucket(&settings.bucket)
            .prefix(&step.prefix)
            .set_delimiter(step.one_level.then(|| "/".to_owned()))
            .set_start_after(step.after.clone())
            .set_continuation_token(step.token.clone())
            .set_expected_bucket_owner(settings.bucket_owner.clone());
        let answer = match region {
            Some(region) => {
                let config = aws_sdk_s3::config::Builder::new().region(Region::new(region.to_owned()));
                call.customize().config_override(config).send().await
            }
            None => call.send().await,
        };
        match answer {
            Ok(output) => Ok(self.take(output)),
            Err(error) => Err((Failure::of(&error), bucket_region(&error))),
        }
    }

    fn take(&mut self, output: ListObjectsV2Output) -> Listed {
        let Some(step) = self.steps.pop() else { return Listed::default() };
        let mut listed = Listed::default();
        let mut has_more = true;
        for object in output.contents.unwrap_or_default() {
            let key = object.key.unwrap_or_default();
            match self.verdict(&key) {
                Verdict::Read => {
                    listed.bytes += object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                    listed.keys.push(key);
                }
                Verdict::PassOver => listed.passed_over += 1,
                Verdict::Later => {
                    has_more = step.one_level || folder(&step.prefix) != Folder::Region;
                    if !has_more {
                        break;
                    }
                }
            }
        }
        if let Some(token) = output.next_continuation_token.filter(|_| has_more) {
            self.steps.push(Step { token: Some(token), ..step });
        }
        let folders = output.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
        for folder in folders.collect::<Vec<_>>().iter().rev() {
            self.push_folder(folder);
        }
        listed
    }

    fn verdict(&self, key: &str) -> Verdict {
        match TrailFile::of(key) {
            Some(file) if file.kind == FileKind::Digest => Verdict::PassOver,
            Some(file) if self.until.is_some_and(|until| file.day > until) => Verdict::Later,
            Some(file) if self.since.is_some_and(|since| file.day < since) => Verdict::PassOver,
            Some(_) => Verdict::Read,
            None if ENDINGS.iter().any(|ending| key.ends_with(ending)) => Verdict::Read,
            None => Verdict::PassOver,
        }
    }
}
