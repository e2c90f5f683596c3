//! Which keys are read: folder by folder, and in CloudTrail's folders only the days that are wanted. They come in the order
//! that S3 has them in, so that of any key it is known what came before it.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Settings;
use super::object::bucket_region;
use crate::source::aws::trouble::Failure;
use crate::source::layout::{FileKind, Folder, TrailFile, Whose, before_day, folder, whose};

/// What is read outside of CloudTrail's layout, by the end of the key.
const ENDINGS: [&str; 6] = [".json", ".json.gz", ".ndjson", ".jsonl", ".log", ".gz"];

/// What is still to be listed, and which days are wanted.
pub(super) struct Walk {
    /// The next is the last.
    steps: Vec<Next>,
    since: Option<Date>,
    until: Option<Date>,
    accounts: Vec<String>,
    regions: Vec<String>,
    /// The key up to which everything was read before.
    done: Option<String>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    /// Keys that are listed already, behind folders that had to be listed first.
    Keys(Listed),
    List(Step),
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

/// One line of a page.
enum Entry<'o> {
    Object(&'o str, u64),
    Folder(&'o str),
}

impl Entry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Folder(name) => name,
        }
    }
}

/// What a page holds, objects and folders in the order of their names.
fn entries(output: &ListObjectsV2Output) -> Vec<Entry<'_>> {
    let size = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    let objects = output.contents().iter().filter_map(|object| Some(Entry::Object(object.key()?, size(object.size))));
    let folders = output.common_prefixes().iter().filter_map(|folder| Some(Entry::Folder(folder.prefix()?)));
    let mut entries: Vec<_> = objects.chain(folders).collect();
    entries.sort_by(|one, other| one.name().cmp(other.name()));
    entries
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
            accounts: settings.accounts.clone(),
            regions: settings.regions.clone(),
            done: settings.resume.clone().filter(|done| done.starts_with(&settings.prefix)),
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
        let done = self.done.as_deref().filter(|done| !one_level && done.starts_with(prefix));
        let after = after.max(done.map(str::to_owned));
        self.steps.push(Next::List(Step { prefix: prefix.to_owned(), one_level, after, token: None }));
    }

    /// Whether everything in a folder was read before.
    fn is_done(&self, folder: &str) -> bool {
        self.done.as_deref().is_some_and(|done| folder < done && !done.starts_with(folder))
    }

    /// Whether somebody's files are wanted, as far as it is known whose they are.
    fn wants(&self, Whose { account, region }: Whose<'_>) -> bool {
        let is_wanted = |chosen: &[String], name: Option<&str>| {
            chosen.is_empty() || name.is_none_or(|name| chosen.iter().any(|chosen| chosen == name))
        };
        is_wanted(&self.accounts, account) && is_wanted(&self.regions, region)
    }

    /// Puts a folder before all that is still to be listed.
    fn push_folder(&mut self, prefix: &str) {
        if !self.wants(whose(prefix)) || self.is_done(prefix) {
            return;
        }
        let is_chosen = self.since.is_some() || self.until.is_some() || !self.regions.is_empty();
        match folder(prefix) {
            Folder::Other | Folder::Account(FileKind::Digest) | Folder::Region(FileKind::Digest) => {}
            Folder::Above => self.push(prefix, true, None),
            Folder::Account(FileKind::Events) => self.push(prefix, is_chosen, None),
            Folder::Region(FileKind::Events) => {
                let after = self.since.and_then(|since| before_day(prefix, since));
                self.push(prefix, false, after);
            }
        }
    }

    /// Keys for which no call has to be made.
    pub(super) fn listed(&mut self) -> Option<Listed> {
        match self.steps.pop()? {
            Next::Keys(listed) => Some(listed),
            step => {
                self.steps.push(step);
                None
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
        let Some(Next::List(step)) = self.steps.last() else { return Ok(Listed::default()) };
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

    /// Takes in a page.
    fn take(&mut self, output: ListObjectsV2Output) -> Listed {
        let Some(Next::List(step)) = self.steps.pop() else { return Listed::default() };
        // What comes before all folders, and what comes behind each.
        let (mut first, mut more) = (Listed::default(), Vec::<(String, Listed)>::new());
        let mut has_more = true;
        for entry in entries(&output) {
            let (key, bytes) = match entry {
                Entry::Object(key, bytes) => (key, bytes),
                Entry::Folder(folder) => {
                    more.push((folder.to_owned(), Listed::default()));
                    continue;
                }
            };
            if self.done.as_deref().is_some_and(|done| key <= done) {
                continue;
            }
            let listed = more.last_mut().map_or(&mut first, |(_, behind)| behind);
            match self.verdict(key) {
                Verdict::Read => {
                    listed.bytes += bytes;
                    listed.keys.push(key.to_owned());
                }
                Verdict::PassOver => listed.passed_over += 1,
                Verdict::Later => {
                    has_more = step.one_level || folder(&step.prefix) != Folder::Region(FileKind::Events);
                    if !has_more {
                        break;
                    }
                }
            }
        }
        if let Some(token) = output.next_continuation_token.filter(|_| has_more) {
            self.steps.push(Next::List(Step { token: Some(token), ..step }));
        }
        for (folder, behind) in more.into_iter().rev() {
            self.steps.push(Next::Keys(behind));
            self.push_folder(&folder);
        }
        first
    }

    fn verdict(&self, key: &str) -> Verdict {
        match TrailFile::of(key) {
            Some(file) if file.kind == FileKind::Digest => Verdict::PassOver,
            Some(TrailFile { account, region, .. })
                if !self.wants(Whose { account: Some(account), region: Some(region) }) =>
            {
                Verdict::PassOver
            }
            Some(file) if self.until.is_some_and(|until| file.day > until) => Verdict::Later,
            Some(file) if self.since.is_some_and(|since| file.day < since) => Verdict::PassOver,
            Some(_) => Verdict::Read,
            None if !self.accounts.is_empty() || !self.regions.is_empty() => Verdict::PassOver,
            None if ENDINGS.iter().any(|ending| key.ends_with(ending)) => Verdict::Read,
            None => Verdict::PassOver,
        }
    }
}
