//! The files of one account in one region: where they lie, and what of them is asked about.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::source::SourceError;
use crate::source::archive::{Archive, Days};
use crate::source::layout::{FileKind, Folder, TrailFile, folder, whose};

/// One account's files in one region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folder of the account, with a slash at its end.
    pub root: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

const DIGESTS: &str = "CloudTrail-Digest/";
const LOGS: &str = "CloudTrail/";

impl Place {
    /// The folder of its digests.
    pub(super) fn digests(&self) -> String {
        format!("{}{DIGESTS}{}/", self.root, self.region)
    }

    /// The folder of its log files.
    pub(super) fn logs(&self) -> String {
        format!("{}{LOGS}{}/", self.root, self.region)
    }

    /// The place of a file of CloudTrail's, by its key.
    pub(super) fn of_file(key: &str) -> Option<Self> {
        let TrailFile { account, region, .. } = TrailFile::of(key)?;
        let logs = key.find("AWSLogs/")?;
        let end = logs + key[logs..].find(&format!("/{account}/"))? + account.len() + 2;
        Some(Self { root: key[..end].to_owned(), account: account.to_owned(), region: region.to_owned() })
    }

    /// The key under which an archive has what a digest names. A copy may lie under another prefix than in its bucket.
    pub(super) fn key_in(&self, archive: &dyn Archive, bucket: &str, object: &str) -> Option<String> {
        match archive.bucket() {
            Some(own) => (own == bucket).then(|| object.to_owned()),
            None => {
                let above = &self.root[..self.root.find("AWSLogs/")?];
                Some(format!("{above}{}", &object[object.find("AWSLogs/")?..]))
            }
        }
    }
}

/// A stretch of time, by when log files were delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// Its beginning.
    pub since: Option<Timestamp>,
    /// Its end, which is no part of it.
    pub until: Option<Timestamp>,
}

/// Digests are about an hour or so. Those before and after a stretch may name files of it.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

impl Range {
    /// Whether a log file that was delivered then is asked about; one whose name does not say when is.
    pub(super) fn has(&self, delivered: Option<Timestamp>) -> bool {
        let Some(time) = delivered else { return true };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    /// Whether a digest is needed whose time ends then.
    pub(super) fn needs_digest(&self, end: Timestamp) -> bool {
        let start = end.checked_sub(MARGIN).unwrap_or(end);
        let after = self.since.is_none_or(|since| end > since.checked_sub(MARGIN).unwrap_or(since));
        after && self.until.is_none_or(|until| start < until.checked_add(MARGIN).unwrap_or(until))
    }

    /// The days of digests that are needed.
    pub(super) fn digest_days(&self) -> Days {
        let first = self.since.and_then(|since| since.checked_sub(MARGIN).ok());
        days(first, self.until.and_then(|until| until.checked_add(MARGIN + MARGIN).ok()))
    }

    /// The day before its beginning, and the one that it begins on, if it has one.
    pub(super) fn days_before(&self) -> Option<Days> {
        let since = self.since?;
        Some(days(since.checked_sub(SignedDuration::from_hours(24)).ok(), Some(since)))
    }

    /// The days of log files.
    pub(super) fn log_days(&self) -> Days {
        days(self.since, self.until)
    }
}

fn days(first: Option<Timestamp>, last: Option<Timestamp>) -> Days {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    Days { first: first.map(day), last: last.map(day) }
}

/// Finds the places below a folder of an archive, in the order of their keys.
pub(super) async fn places(archive: &dyn Archive, prefix: &str) -> Result<Vec<Place>, SourceError> {
    let asked = whose(prefix);
    let mut above = vec![start(prefix)];
    let mut places = Vec::new();
    while let Some(prefix) = above.pop() {
        for below in archive.folders(&prefix).await? {
            match folder(&below) {
                Folder::Above => above.push(below),
                Folder::Account(_)
                    if below.ends_with(&format!("/{DIGESTS}")) || below.ends_with(&format!("/{LOGS}")) =>
                {
                    places.extend(archive.folders(&below).await?.iter().filter_map(|region| place(&prefix, region)));
                }
                Folder::Account(FileKind::Events | FileKind::Digest) | Folder::Region(_) | Folder::Other => {}
            }
        }
    }
    places.retain(|place| asked.region.is_none_or(|region| place.region == region));
    places.sort();
    places.dedup();
    Ok(places)
}

/// The folder of the account that a folder lies in, or the folder itself if it lies in none.
fn start(prefix: &str) -> String {
    let Some(account) = whose(prefix).account else { return prefix.to_owned() };
    let logs = prefix.find("AWSLogs/").unwrap_or(0);
    let end = prefix[logs..].find(&format!("/{account}/")).map_or(prefix.len(), |at| logs + at + account.len() + 2);
    prefix[..end].to_owned()
}

fn place(root: &str, region: &str) -> Option<Place> {
    let whose = whose(region);
    Some(Place { root: root.to_owned(), account: whose.account?.to_owned(), region: whose.region?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_at_the_account() {
        for (prefix, expected) in [
            ("", ""),
            ("a/", "a/"),
            ("AWSLogs/", "AWSLogs/"),
            ("AWSLogs/o-abc/", "AWSLogs/o-abc/"),
            ("AWSLogs/111122223333/", "AWSLogs/111122223333/"),
            ("a/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/", "a/AWSLogs/o-abc/111122223333/"),
        ] {
            assert_eq!(start(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn log_files_say_their_place() {
        let key = "a/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/01/05/f.json.gz";
        let place = Place::of_file(key).unwrap();
        assert_eq!(place.digests(), "a/AWSLogs/o-abc/111122223333/CloudTrail-Digest/eu-west-1/");
        assert!(key.starts_with(&place.logs()));
        assert_eq!(Place::of_file("copies/f.json.gz"), None);
    }

    #[test]
    fn digests_around_a_stretch_are_needed() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let range = Range { since: Some(at("2026-01-05T10:00:00Z")), until: Some(at("2026-01-05T12:00:00Z")) };
        for (end, needed) in [
            ("2026-01-05T09:00:00Z", false),
            ("2026-01-05T09:30:00Z", true),
            ("2026-01-05T13:59:00Z", true),
            ("2026-01-05T14:00:00Z", false),
        ] {
            assert_eq!(range.needs_digest(at(end)), needed, "{end}");
        }
        assert!(range.has(Some(at("2026-01-05T10:00:00Z"))) && !range.has(Some(at("2026-01-05T12:00:00Z"))));
    }
}
