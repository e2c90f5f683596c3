//! `trailwatch rules import`: rules of other tools, written as files of ours.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Exit, count, say};
use crate::config;
use crate::rule::import::{self, Dialect, Imported, Outcome};
use crate::untrusted::Untrusted;

#[derive(Debug, Args)]
pub struct Import {
    /// What the rules are written in.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    from: From,
    /// The folder that gets the files, in a folder `imported` of its own.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Files of rules, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Sigma rules, `*.yml`.
    Sigma,
    /// Filter patterns of CloudWatch Logs: a pattern a file, or the JSON of `aws logs describe-metric-filters`.
    FilterPattern,
    /// Event patterns of EventBridge: a pattern a file, the JSON of `aws events list-rules`, or a CloudFormation template.
    EventPattern,
}

/// How many rules came out how.
#[derive(Default)]
struct Counts {
    translated: u64,
    changed: u64,
    refused: u64,
    left_out: u64,
}

impl Import {
    pub fn run(self) -> anyhow::Result<Exit> {
        let dialect = match self.from {
            From::Sigma => Dialect::Sigma,
            From::FilterPattern => Dialect::FilterPattern,
            From::EventPattern => Dialect::EventPattern,
        };
        let folder = self.out.join("imported");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut unreadable = Vec::new();
        let mut counts = Counts::default();
        for path in &self.paths {
            for (name, bytes) in config::files(path, |name| import::is_named(dialect, name), &mut unreadable) {
                for imported in import::import(dialect, &name, bytes) {
                    tell(&folder, &imported, &mut counts)?;
                }
            }
        }
        for (path, error) in &unreadable {
            say("error", &format!("{}: {error}", path.display()));
        }
        summary(&counts, dialect)?;
        Ok(if counts.refused == 0 && unreadable.is_empty() { Exit::Done } else { Exit::Incomplete })
    }
}

/// Writes a rule that was translated, and says of any what came of it.
fn tell(folder: &Path, imported: &Imported, counts: &mut Counts) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    let name = Untrusted(&imported.name);
    let (word, reasons) = match &imported.outcome {
        Outcome::LeftOut(reason) => {
            counts.left_out += 1;
            ("left out", std::slice::from_ref(reason))
        }
        Outcome::Refused(reasons) => {
            counts.refused += 1;
            ("refused", &reasons[..])
        }
        Outcome::Written { id, text, changes } => match write(&folder.join(format!("{id}.toml")), text) {
            Err(error) => {
                counts.refused += 1;
                writeln!(out, "{:<11}{name}\n{:<11}{}", "refused", "", Untrusted(&error))?;
                return Ok(());
            }
            Ok(()) if changes.is_empty() => {
                counts.translated += 1;
                ("translated", &[][..])
            }
            Ok(()) => {
                counts.changed += 1;
                ("changed", &changes[..])
            }
        },
    };
    writeln!(out, "{word:<11}{name}")?;
    for reason in reasons {
        writeln!(out, "{:<11}{}", "", Untrusted(reason))?;
    }
    Ok(())
}

/// A file that says something else is somebody's, and stays.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    match std::fs::read(path) {
        Ok(found) if found == text.as_bytes() => Ok(()),
        Ok(_) => Err(format!("{}: the file exists, and differs", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => std::fs::write(path, text).map_err(told),
        Err(error) => Err(told(error)),
    }
}

fn summary(counts: &Counts, dialect: Dialect) -> anyhow::Result<()> {
    let Counts { translated, changed, refused, left_out } = counts;
    let total = count(translated + changed + refused + left_out, "rule");
    writeln!(
        anstream::stdout(),
        "------------\n{total}: {translated} translated, {changed} changed, {refused} refused, {left_out} left out"
    )?;
    if translated + changed > 0 && dialect != Dialect::Sigma {
        say("note", "patterns have no severity: all of them got `medium`");
    }
    if translated + changed > 0 && dialect != Dialect::EventPattern {
        say("note", "in all of them the case of letters in the names of fields no longer counts");
    }
    Ok(())
}
