//! A bucket of CloudTrail's, or a copy of one on disk, looked into by key: for who asks for certain files, and not for all
//! there is.

use std::path::PathBuf;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::civil::Date;

use super::SourceError;
use super::layout::TrailFile;

mod folder;

pub use folder::Copy;

/// One file, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The bytes, as they lie there.
    pub bytes: Bytes,
    /// The signature that CloudTrail writes beside a digest. A copy on disk has none.
    pub signature: Option<String>,
    /// When a digest that was made later was made, where it says so.
    pub generated: Option<String>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not there.
    #[error("it is not there")]
    Missing,
    /// It is there, or may be.
    #[error("{0}")]
    Other(String),
}

/// Days of delivery; of a range without an end, all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Option<Date>,
    /// The last.
    pub last: Option<Date>,
}

impl Days {
    /// Whether a day is one of them.
    pub fn has(&self, day: Date) -> bool {
        self.first.is_none_or(|first| day >= first) && self.last.is_none_or(|last| day <= last)
    }
}

/// Files by their keys, which are those of the bucket they lie in or were copied from.
///
/// What may pass by itself is waited out. [`SourceError`] is final: nothing more can be learnt.
pub trait Archive: Send + Sync {
    /// How a person finds a key: its URL, or its path.
    fn place(&self, key: &str) -> String;

    /// The name of the bucket; `None` of a copy, which does not know it.
    fn bucket(&self) -> Option<&str>;

    /// The folders right below a prefix that ends in a slash, or is empty, by their whole names; in their order.
    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, SourceError>>;

    /// The keys of CloudTrail's files below the folder of a region, of certain days; in their order. With them those that
    /// lie in no day's folder, as far as they are met.
    fn keys<'a>(&'a self, prefix: &'a str, days: Days) -> BoxFuture<'a, Result<Vec<String>, SourceError>>;

    /// Reads a file.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, Unreadable>>;
}

/// Whether a key that is below the folder of a region is of certain days. Of those in no day's folder only what somebody may
/// take for events.
pub(super) fn is_asked_for(key: &str, days: Days) -> bool {
    match TrailFile::of(key) {
        Some(file) => days.has(file.day),
        None => key.ends_with(".gz") || key.ends_with(".json"),
    }
}

/// The key that a path has below a root.
fn key_of(root: &std::path::Path, path: &std::path::Path) -> Option<String> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// Where a key lies below a root; `None` if it leads elsewhere.
fn path_of(root: &std::path::Path, key: &str) -> Option<PathBuf> {
    let is_plain = key.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']));
    is_plain.then(|| root.join(key))
}
