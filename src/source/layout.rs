//! Where CloudTrail puts its files in a bucket: what a key says of the file. Pure.
//!
//! ```text
//! [PREFIX/]AWSLogs/[o-ORGANISATION/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/FILE
//! ```
//!
//! Other folders beside `CloudTrail` are `CloudTrail-Digest`, whose files only vouch for others, `CloudTrail-Insight`, and
//! further kinds of events. The day is that of delivery; events in the file may be older.

use jiff::civil::Date;

/// What a file of CloudTrail holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Events, of whatever kind.
    Events,
    /// Hashes of other files.
    Digest,
}

/// What a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrailFile<'k> {
    /// The account whose events it holds.
    pub account: &'k str,
    /// What the file holds.
    pub kind: FileKind,
    /// The region of the events.
    pub region: &'k str,
    /// When it was delivered.
    pub day: Date,
}

/// What a folder of the layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Something in which events of CloudTrail may be, further down.
    Above,
    /// An account's files of a kind: folders of regions.
    Account(FileKind),
    /// An account's files of a kind in a region, or some days of them: keys are in the order of days.
    Region(FileKind),
    /// Other services' logs.
    Other,
}

/// Whose files lie in a folder, as far as its name says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whose<'k> {
    /// The account.
    pub account: Option<&'k str>,
    /// The region of the events.
    pub region: Option<&'k str>,
}

impl<'k> TrailFile<'k> {
    /// Reads a key; `None` if it is not one of CloudTrail's.
    pub fn of(key: &'k str) -> Option<Self> {
        let mut parts = below_logs(key)?;
        let account = account(&mut parts)?;
        let kind = file_kind(parts.next()?)?;
        let (region, year, month, day) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        parts.next().filter(|file| !file.is_empty())?;
        let day = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
        Some(Self { account, kind, region, day })
    }
}

/// What a folder is, by its name from the bucket's root, which ends in a slash.
pub fn folder(prefix: &str) -> Folder {
    let Some(mut parts) = below_logs(prefix) else { return Folder::Above };
    let kind = match account(&mut parts).and_then(|_| parts.next()) {
        None | Some("") => return Folder::Above,
        Some(name) => file_kind(name),
    };
    match (kind, parts.next()) {
        (Some(kind), None | Some("")) => Folder::Account(kind),
        (Some(kind), Some(_)) => Folder::Region(kind),
        (None, _) => Folder::Other,
    }
}

/// Whose files lie in a folder, by its name from the bucket's root, which ends in a slash.
pub fn whose(prefix: &str) -> Whose<'_> {
    let Some(mut parts) = prefix.strip_suffix('/').and_then(below_logs) else { return Whose::default() };
    let account = account(&mut parts);
    let region = account.and_then(|_| parts.nth(1));
    Whose { account, region }
}

/// The folder of an account and region that a folder of days, or their region's own, lies in, with the day appended:
/// what sorts before all keys of that day and behind those of the day before.
pub fn before_day(prefix: &str, day: Date) -> Option<String> {
    let below = below_logs(prefix)?;
    let depth = match below.clone().next() {
        Some(first) if first.starts_with("o-") => 4,
        _ => 3,
    };
    let end = prefix.len() - below.clone().map(|part| part.len() + 1).sum::<usize>() + 1;
    let region = below.take(depth).collect::<Vec<_>>().join("/");
    Some(format!("{}{region}/{:04}/{:02}/{:02}", &prefix[..end], day.year(), day.month(), day.day()))
}

/// The parts behind `AWSLogs/`.
fn below_logs(key: &str) -> Option<std::str::Split<'_, char>> {
    let below = key.strip_prefix("AWSLogs/").or_else(|| key.split_once("/AWSLogs/").map(|(_, below)| below));
    below.map(|below| below.split('/'))
}

/// The account, behind the organisation where there is one.
fn account<'k>(parts: &mut std::str::Split<'k, char>) -> Option<&'k str> {
    let first = parts.next()?;
    let account = if first.starts_with("o-") { parts.next()? } else { first };
    Some(account).filter(|account| !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()))
}

fn file_kind(folder: &str) -> Option<FileKind> {
    match folder {
        "CloudTrail-Digest" => Some(FileKind::Digest),
        "CloudTrail" => Some(FileKind::Events),
        _ => folder.starts_with("CloudTrail-").then_some(FileKind::Events),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const ACCOUNT: &str = "111122223333";

    #[test]
    fn keys_say_whose_what_where_and_when() {
        for (name, key, kind) in [
            ("plain", "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/26/f.json.gz", FileKind::Events),
            ("prefix", "a/b/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/26/f.json.gz", FileKind::Events),
            ("organisation", "AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/11/26/f.json.gz", FileKind::Events),
            ("insights", "AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/11/26/f.json.gz", FileKind::Events),
            ("digest", "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/26/f.json.gz", FileKind::Digest),
        ] {
            let expected = TrailFile { account: ACCOUNT, kind, region: "eu-west-1", day: date(2026, 11, 26) };
            assert_eq!(TrailFile::of(key), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_keys_are_not_cloudtrails() {
        for key in [
            "",
            "f.json.gz",
            "AWSLogs/111122223333/Config/eu-west-1/2026/11/26/f.json.gz",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/26/",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/13/26/f.json.gz",
            "AWSLogs/eve/CloudTrail/eu-west-1/2026/11/26/f.json.gz",
            "XAWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/26/f.json.gz",
            "CloudTrail/eu-west-1/2026/11/26/f.json.gz",
        ] {
            assert_eq!(TrailFile::of(key), None, "{key}");
        }
    }

    #[test]
    fn folders_are_told_apart() {
        for (prefix, expected) in [
            ("", Folder::Above),
            ("a/", Folder::Above),
            ("AWSLogs/", Folder::Above),
            ("a/AWSLogs/o-abc/", Folder::Above),
            ("AWSLogs/111122223333/", Folder::Above),
            ("AWSLogs/111122223333/CloudTrail/", Folder::Account(FileKind::Events)),
            ("AWSLogs/111122223333/CloudTrail-Insight/", Folder::Account(FileKind::Events)),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/", Folder::Region(FileKind::Events)),
            ("AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/", Folder::Region(FileKind::Events)),
            ("AWSLogs/111122223333/CloudTrail-Digest/", Folder::Account(FileKind::Digest)),
            ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/", Folder::Region(FileKind::Digest)),
            ("AWSLogs/111122223333/vpcflowlogs/", Folder::Other),
        ] {
            assert_eq!(folder(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn folders_say_whose_they_are() {
        for (prefix, account, region) in [
            ("", None, None),
            ("a/AWSLogs/", None, None),
            ("AWSLogs/o-abc/", None, None),
            ("AWSLogs/111122223333/", Some(ACCOUNT), None),
            ("a/AWSLogs/o-abc/111122223333/CloudTrail/", Some(ACCOUNT), None),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/", Some(ACCOUNT), Some("eu-west-1")),
            ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/", Some(ACCOUNT), Some("eu-west-1")),
        ] {
            assert_eq!(whose(prefix), Whose { account, region }, "{prefix}");
        }
    }

    #[test]
    fn a_day_begins_behind_the_day_before() {
        for (prefix, expected) in [
            ("AWSLogs/1/CloudTrail/eu-west-1/", "AWSLogs/1/CloudTrail/eu-west-1/2026/01/05"),
            ("a/AWSLogs/1/CloudTrail/eu-west-1/2026/", "a/AWSLogs/1/CloudTrail/eu-west-1/2026/01/05"),
            ("AWSLogs/o-abc/1/CloudTrail/eu-west-1/2026/01/", "AWSLogs/o-abc/1/CloudTrail/eu-west-1/2026/01/05"),
        ] {
            assert_eq!(before_day(prefix, date(2026, 1, 5)).as_deref(), Some(expected), "{prefix}");
        }
        assert_eq!(before_day("a/", date(2026, 1, 5)), None);
    }
}
