//! A copy of a bucket in a folder, as `aws s3 sync` makes one.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::{Archive, Days, Stored, Unreadable, is_asked_for, key_of, path_of};
use crate::source::SourceError;

/// The bytes of a file; a larger one is not read.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// The name of the folder that all of CloudTrail's files lie below.
const LOGS: &str = "AWSLogs";

/// A copy of a bucket. See the module's documentation.
#[derive(Debug, Clone)]
pub struct Copy {
    root: PathBuf,
    /// The part of the bucket that was asked for; ends in a slash, or is empty.
    prefix: String,
}

impl Copy {
    /// Takes a folder as a copy of a bucket's root or, if it lies within a folder `AWSLogs`, of a part of one.
    pub fn new(folder: &Path) -> Result<Self, SourceError> {
        let told = |error: io::Error| SourceError::Io(format!("{}: {error}", folder.display()));
        let whole = folder.canonicalize().map_err(told)?;
        if !whole.is_dir() {
            return Err(SourceError::Io(format!("{}: not a folder", folder.display())));
        }
        let logs = whole.ancestors().find(|above| above.file_name().is_some_and(|name| name == LOGS));
        let root = logs.and_then(Path::parent).unwrap_or(&whole).to_path_buf();
        let prefix = key_of(&root, &whole).filter(|prefix| !prefix.is_empty());
        Ok(Self { prefix: prefix.map(|prefix| prefix + "/").unwrap_or_default(), root })
    }

    /// The part of the bucket that the folder stands for.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is in a folder, by name: whether it is a folder, and its key.
    fn entries(&self, prefix: &str) -> Result<Vec<(bool, String)>, SourceError> {
        let Some(folder) = self.folder(prefix) else { return Ok(Vec::new()) };
        let told = |error: io::Error| SourceError::Io(format!("{}: {error}", folder.display()));
        let listed = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(told)?,
        };
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(told)?;
            let is_folder = entry.file_type().map_err(told)?.is_dir();
            entries.extend(key_of(&self.root, &entry.path()).map(|key| (is_folder, key)));
        }
        entries.sort();
        Ok(entries)
    }

    fn folder(&self, prefix: &str) -> Option<PathBuf> {
        match prefix.strip_suffix('/') {
            None => Some(self.root.clone()),
            Some(prefix) => path_of(&self.root, prefix),
        }
    }

    fn folders_below(&self, prefix: &str) -> Result<Vec<String>, SourceError> {
        let entries = self.entries(prefix)?.into_iter();
        Ok(entries.filter(|(is_folder, _)| *is_folder).map(|(_, key)| key + "/").collect())
    }

    /// A link to a folder is no folder, so there are no loops.
    fn keys_below(&self, prefix: &str, days: Days) -> Result<Vec<String>, SourceError> {
        let (mut folders, mut keys) = (vec![prefix.to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for (is_folder, key) in self.entries(&folder)? {
                match is_folder {
                    true => folders.push(key + "/"),
                    false if is_asked_for(&key, days) => keys.push(key),
                    false => {}
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn stored(&self, key: &str) -> Result<Stored, Unreadable> {
        let path = path_of(&self.root, key).ok_or(Unreadable::Missing)?;
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Unreadable::Missing,
            _ => Unreadable::Other(error.to_string()),
        };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(told)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(told)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Unreadable::Other(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        Ok(Stored { bytes: bytes.into(), ..Stored::default() })
    }

    /// Does blocking work elsewhere.
    fn aside<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> BoxFuture<'static, T> {
        let copy = self.clone();
        let task = tokio::task::spawn_blocking(move || work(&copy));
        Box::pin(async { task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) })
    }
}

impl Archive for Copy {
    fn place(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn bucket(&self) -> Option<&str> {
        None
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, SourceError>> {
        let prefix = prefix.to_owned();
        self.aside(move |copy| copy.folders_below(&prefix))
    }

    fn keys<'a>(&'a self, prefix: &'a str, days: Days) -> BoxFuture<'a, Result<Vec<String>, SourceError>> {
        let prefix = prefix.to_owned();
        self.aside(move |copy| copy.keys_below(&prefix, days))
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, Unreadable>> {
        let key = key.to_owned();
        self.aside(move |copy| copy.stored(&key))
    }
}
