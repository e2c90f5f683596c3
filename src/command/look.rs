//! Files looked over at an interval, in place of being told of changes by the system.
//!
//! Folders of rules and configurations are small, a look costs no more than listing them, and it works where no changes are
//! told of: over a network, in a container. What a name stands for is looked at too, so that a link which is turned to
//! another folder, as Kubernetes does with its config maps, is a change whatever is in there.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// All files below some paths, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look(Vec<Seen>);

/// What tells whether a file has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    /// Where it is, all links followed.
    place: Option<PathBuf>,
    written: Option<SystemTime>,
    bytes: u64,
}

impl Look {
    /// Looks at every file below the paths. What cannot be read is for whoever reads it to tell.
    pub fn at<P: AsRef<Path>>(paths: &[P]) -> Self {
        let entries = paths.iter().flat_map(|path| walkdir::WalkDir::new(path).sort_by_file_name().follow_links(true));
        let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
        let seen = files.filter_map(|entry| {
            let told = entry.metadata().ok()?;
            let place = entry.path().canonicalize().ok();
            Some(Seen { place, written: told.modified().ok(), bytes: told.len(), path: entry.into_path() })
        });
        Self(seen.collect())
    }
}

/// Tells of changes once they are over: an editor may write a file in several steps, and a tool many files.
#[derive(Debug)]
pub struct Changes {
    known: Option<Look>,
    last: Look,
}

impl Changes {
    /// Changes from a look on; all is new if there is none.
    pub fn since(known: Option<Look>) -> Self {
        let last = known.clone().unwrap_or_default();
        Self { known, last }
    }

    /// Takes in a look: whether something has changed, and nothing any more since the look before.
    pub fn take(&mut self, now: Look) -> bool {
        let is_settled = now == self.last;
        let is_news = is_settled && self.known.as_ref() != Some(&now);
        if is_news {
            self.known = Some(now.clone());
        }
        self.last = now;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_told_once_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "1").unwrap();
        let look = || Look::at(&[folder.path()]);
        let mut changes = Changes::since(Some(look()));
        assert!(!changes.take(look()), "nothing has changed");
        fs::write(&file, "12").unwrap();
        assert!(!changes.take(look()), "it may go on");
        fs::write(&file, "123").unwrap();
        assert!(!changes.take(look()), "and did");
        assert!(changes.take(look()));
        assert!(!changes.take(look()), "told already");
        fs::write(&file, "1").unwrap();
        changes.take(look());
        fs::remove_file(&file).unwrap();
        changes.take(look());
        assert!(changes.take(look()), "a file that is gone is a change");
    }

    #[test]
    fn all_is_new_where_there_was_no_look_before() {
        let mut changes = Changes::since(None);
        let look = Look::at(&[Path::new("no/such/folder")]);
        assert!(changes.take(look.clone()));
        assert!(!changes.take(look));
    }

    /// As Kubernetes swaps a config map: the files' names lead through `..data`, which is turned to another folder.
    #[cfg(unix)]
    #[test]
    fn a_link_that_is_turned_is_a_change_though_the_files_look_alike() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            let file = fs::File::create(at(version).join("trailwatch.toml")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/trailwatch.toml", at("trailwatch.toml")).unwrap();
        let look = || Look::at(&[at("trailwatch.toml")]);
        let mut changes = Changes::since(Some(look()));
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(!changes.take(look()));
        assert!(changes.take(look()));
    }
}
