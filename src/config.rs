//! Loading of what a run is made of: rules from folders, or the shipped ones from the binary itself, and
//! [`trailwatch.toml`](run).

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rule::shared::{Origin, SharedText};
use crate::rule::syntax::Form;
use crate::rule::{self, Diagnostic, LeftOut, Rule, Shared, SourceText, sigma};

mod layer;
pub mod run;
mod secret;
#[cfg_attr(not(feature = "webhook"), expect(dead_code, reason = "secrets are asked for by webhooks"))]
mod section;

pub use layer::ENVIRONMENT_PREFIX;
pub use run::{Configuration, Run};
pub use secret::{Keeper, Kept, Secrets, Vault, file as secret_of_file};
pub use section::Effective;

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
    /// What the rules share.
    pub shared: Shared,
}

impl Loaded {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.unreadable.is_empty()
    }
}

/// Loads the rules under paths, or the shipped ones where there are no paths.
pub fn rules(paths: &[PathBuf]) -> Loaded {
    rules_with(paths, &[])
}

/// The same, with further files of what rules share.
pub fn rules_with(paths: &[PathBuf], shared: &[PathBuf]) -> Loaded {
    let mut found = Found::default();
    for (name, text) in PACK {
        match SharedText::of(Path::new(name), text.as_bytes(), Origin::Shipped) {
            Some(text) => found.shared.push(text),
            None if paths.is_empty() => found.rules.push((PathBuf::from(name), text.as_bytes().to_vec())),
            None => {}
        }
    }
    paths.iter().for_each(|path| found.load_rules(path));
    shared.iter().for_each(|path| found.load_shared(path));
    // What was named by itself goes before what stands beside it.
    paths.iter().for_each(|path| found.look_beside(path));
    let (shared, problems) = Shared::read(&found.shared, table);
    let mut loaded = Loaded { problems, unreadable: found.unreadable, shared, ..Loaded::default() };
    for (name, bytes) in found.rules {
        let mut reading = rule::read_with(&name, bytes, &loaded.shared);
        loaded.rules.append(&mut reading.rules);
        loaded.left_out.append(&mut reading.left_out);
        loaded.problems.append(&mut reading.problems);
    }
    loaded.problems.extend(rule::duplicates(&loaded.rules));
    loaded
}

/// Files that were found.
#[derive(Default)]
struct Found {
    rules: Vec<(PathBuf, Vec<u8>)>,
    shared: Vec<SharedText>,
    /// Where files are that rules share, so that none is taken twice.
    places: HashSet<PathBuf>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl Found {
    fn load_rules(&mut self, path: &Path) {
        let before = self.unreadable.len();
        let files = files(path, |name| is_toml(name) || sigma::is_named(name), &mut self.unreadable);
        if files.is_empty() && self.unreadable.len() == before {
            self.nothing(path, "no rule files (`*.toml`, `*.yml`) in it");
        }
        for (path, bytes) in files {
            if !self.take_shared(&path, &bytes, Origin::Named) {
                self.rules.push((path, bytes));
            }
        }
    }

    fn load_shared(&mut self, path: &Path) {
        let before = self.unreadable.len();
        let files = files(path, is_toml, &mut self.unreadable);
        if files.is_empty() && self.unreadable.len() == before {
            self.nothing(path, "no files (`*.toml`) in it");
        }
        for (path, bytes) in files {
            if !self.take_shared(&path, &bytes, Origin::Named) {
                let what = "no file of `[lists.…]`, `[selections.…]` or `[[exception]]` (rules are named by `--rules`)";
                self.unreadable.push((path, io::Error::new(io::ErrorKind::InvalidData, what)));
            }
        }
    }

    /// Takes what rules share from the folder of a rule that is named by itself.
    fn look_beside(&mut self, path: &Path) {
        let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let Some(entries) = folder.filter(|_| path.is_file()).and_then(|folder| std::fs::read_dir(folder).ok()) else {
            return;
        };
        let mut others: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        others.sort();
        for other in others.iter().filter(|other| is_toml(other) && *other != path) {
            // What cannot be read and was not named is nobody's concern.
            if let Ok(bytes) = read(other, "a rule file", RULE_FILE_BYTES_MAX) {
                self.take_shared(other, &bytes, Origin::Beside);
            }
        }
    }

    /// Takes a file, once, if rules share what is in it; whether they do.
    fn take_shared(&mut self, path: &Path, bytes: &[u8], origin: Origin) -> bool {
        let Some(text) = SharedText::of(path, bytes, origin) else { return false };
        if self.places.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
            self.shared.push(text);
        }
        true
    }

    fn nothing(&mut self, path: &Path, what: &str) {
        self.unreadable.push((path.to_owned(), io::Error::new(io::ErrorKind::NotFound, what)));
    }
}

fn is_toml(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "toml")
}

/// The largest table of a list, in bytes.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// The text of a table that a file names, from the folder of that file.
fn table(file: &Path, name: &str) -> Result<Arc<SourceText>, String> {
    let path = file.parent().unwrap_or(Path::new("")).join(name);
    let bytes = read(&path, "a table", TABLE_BYTES_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceText { name: path.display().to_string(), text }))
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
                match read(entry.path(), "a file", RULE_FILE_BYTES_MAX) {
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
    let bytes = read(path, "a file", RULE_FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn read(path: &Path, what: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > bytes_max {
        let message = format!("{what} of {bytes} bytes, more than {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    std::fs::read(path)
}

/// What the configuration is, beside rules: what advice on its TOML goes by.
const CONFIGURATION: Form<'_> = Form {
    keys: &[&["state", "instance", "drain", "reload", "rules", "admin", "silence", "log", "sources", "sinks"]],
    no_toml: |_| "a configuration is written in TOML: `state = \"…\"`, `[sources.trail]`, `[sinks.pager]`",
    has_lines: false,
};

/// Values that lie over those of files.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// Variables of the environment, of which those count that begin with [`ENVIRONMENT_PREFIX`].
    pub environment: Vec<(String, String)>,
    /// Options of the command line: a key, the option, its value.
    pub options: Vec<(&'static str, &'static str, String)>,
}

/// Reads the configuration of files, or of the files in folders; a later one counts for more, and the overlay most.
pub fn configuration(paths: &[PathBuf], overlay: Overlay) -> (Configuration, Vec<(PathBuf, io::Error)>) {
    configuration_with(paths, overlay, Vault::default())
}

/// The same, with the secrets of a vault.
pub fn configuration_with(
    paths: &[PathBuf],
    overlay: Overlay,
    vault: Vault,
) -> (Configuration, Vec<(PathBuf, io::Error)>) {
    let (mut tree, mut problems, mut unreadable) = (layer::Table::new(), Vec::new(), Vec::new());
    let mut first = None;
    for (path, bytes) in paths.iter().flat_map(|path| files(path, is_toml, &mut unreadable)).collect::<Vec<_>>() {
        let Ok(text) = String::from_utf8(bytes) else {
            unreadable.push((path, io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")));
            continue;
        };
        let source = Arc::new(SourceText { name: path.display().to_string(), text });
        problems.extend(layer::lay_file(&mut tree, &path, &source));
        first.get_or_insert(source);
    }
    layer::lay_environment(&mut tree, overlay.environment.into_iter());
    for (key, option, value) in overlay.options {
        layer::lay_option(&mut tree, key, option, value);
    }
    let nowhere = || Arc::new(SourceText { name: "configuration".to_owned(), text: String::new() });
    (run::read(&tree, vault, problems, first.unwrap_or_else(nowhere)), unreadable)
}
