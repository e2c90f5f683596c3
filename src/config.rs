//! Loading of what a run is made of: rules from folders, or the shipped ones from the binary itself.

use std::io;
use std::path::{Path, PathBuf};

use crate::rule::{self, Diagnostic, LeftOut, Rule, sigma};

/// The shipped rules: their paths and texts.
const PACK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pack.rs"));

/// The largest rule file, in bytes.
const RULE_FILE_BYTES_MAX: u64 = 1 << 20;

/// Rules that were loaded, and everything that was wrong with others.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The good ones, by path.
    pub rules: Vec<Rule>,
    /// Rules that are not about CloudTrail.
    pub left_out: Vec<LeftOut>,
    /// What is wrong in files that could be read.
    pub problems: Vec<Diagnostic>,
    /// Files and folders that could not be read, with the reason.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

impl Loaded {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.unreadable.is_empty()
    }

    /// How much has been found, good or not.
    fn count(&self) -> usize {
        self.rules.len() + self.left_out.len() + self.problems.len() + self.unreadable.len()
    }
}

/// Loads the rules under paths, or the shipped ones where there are no paths.
pub fn rules(paths: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    if paths.is_empty() {
        for (name, text) in PACK {
            take(Path::new(name), text.as_bytes().to_vec(), &mut loaded);
        }
    }
    for path in paths {
        load(path, &mut loaded);
    }
    loaded.problems.extend(rule::duplicates(&loaded.rules));
    loaded
}

fn load(path: &Path, loaded: &mut Loaded) {
    let before = loaded.count();
    let is_toml = |name: &Path| name.extension().is_some_and(|extension| extension == "toml");
    let files = files(path, |name| is_toml(name) || sigma::is_named(name), &mut loaded.unreadable);
    for (path, bytes) in files {
        take(&path, bytes, loaded);
    }
    if loaded.count() == before {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "no rule files (`*.toml`, `*.yml`) in it");
        loaded.unreadable.push((path.to_owned(), nothing));
    }
}

/// A file, or those below a folder whose name is `wanted`, with what is in them; by name.
pub fn files(
    path: &Path,
    wanted: impl Fn(&Path) -> bool,
    unreadable: &mut Vec<(PathBuf, io::Error)>,
) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name().follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && (entry.depth() == 0 || wanted(entry.path())) => {
                match read(entry.path()) {
                    Ok(bytes) => files.push((entry.into_path(), bytes)),
                    Err(error) => unreadable.push((entry.into_path(), error)),
                }
            }
            Ok(_) => {}
            Err(error) => {
                let at = error.path().unwrap_or(path).to_owned();
                let reason = error.into_io_error().unwrap_or_else(|| io::Error::other("a loop of symbolic links"));
                unreadable.push((at, reason));
            }
        }
    }
    files
}

/// The text of a file beside rules.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > RULE_FILE_BYTES_MAX {
        let message = format!("a rule file of {bytes} bytes, more than {RULE_FILE_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    std::fs::read(path)
}

fn take(name: &Path, bytes: Vec<u8>, loaded: &mut Loaded) {
    let mut reading = rule::read(name, bytes);
    loaded.rules.append(&mut reading.rules);
    loaded.left_out.append(&mut reading.left_out);
    loaded.problems.append(&mut reading.problems);
}
