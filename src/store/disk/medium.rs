//! What a state lies on: a file and a clock. Tests have one that fails, and forgets what was not synced.

use std::fmt::Debug;
use std::fs::OpenOptions;
use std::path::Path;
use std::{fs, io};

use jiff::Timestamp;
use redb::{Builder, Database, DatabaseError};

/// Where the file of a state is, and what time it is there.
pub trait Medium: Debug + Send + Sync {
    /// Makes the folder of the file, unless it is there.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// Opens the file, which is made if there is none.
    fn open(&self, file: &Path, builder: &Builder) -> Result<Database, DatabaseError>;

    /// Gives the file another name. `AlreadyExists` says that something else has it, which stays as it is.
    fn rename(&self, file: &Path, aside: &Path) -> io::Result<()>;

    /// What time it is.
    fn now(&self) -> Timestamp;
}

/// The machine's own files and clock.
#[derive(Debug)]
pub(super) struct Machine;

impl Medium for Machine {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut folders = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        folders.recursive(true).create(folder)
    }

    fn open(&self, file: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // Findings that wait hold whole events.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(file)?;
        builder.create(file)
    }

    fn rename(&self, file: &Path, aside: &Path) -> io::Result<()> {
        // Who makes the name has it, so that nothing is written over.
        fs::File::create_new(aside)?;
        fs::rename(file, aside).inspect_err(|_| drop(fs::remove_file(aside)))
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
