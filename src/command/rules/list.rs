//! `trailwatch rules list`: what there is, by family, the most severe first.

use std::cmp::Reverse;
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Args, ValueEnum};

use super::Paths;
use crate::command::explain::draw::{BOLD, DIM};
use crate::command::{Exit, complain, tell_left_out};
use crate::rule::Rule;
use crate::untrusted::Untrusted;

mod markdown;

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    paths: Paths,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// An index by family, service and technique: this is what `rules/README.md` is.
    Markdown,
}

impl List {
    pub fn run(self) -> anyhow::Result<Exit> {
        let loaded = self.paths.load();
        tell_left_out(&loaded);
        let mut rules: Vec<&Rule> = loaded.rules.iter().collect();
        rules.sort_by_key(|rule| (family(rule), Reverse(rule.severity), &rule.id));
        match self.format {
            Format::Human => human(&rules)?,
            Format::Markdown => anstream::stdout().write_all(markdown::index(&rules).as_bytes())?,
        }
        if !loaded.is_good() {
            complain(&loaded);
            return Ok(Exit::BadRules);
        }
        Ok(Exit::Done)
    }
}

/// The folder that a rule's file stands in.
fn family(rule: &Rule) -> &str {
    let folder = Path::new(&rule.source.name).parent().and_then(Path::file_name);
    folder.and_then(|name| name.to_str()).unwrap_or(".")
}

/// Rules that stand in order, in one piece for each family.
fn by_family<'a>(rules: &'a [&'a Rule]) -> impl Iterator<Item = &'a [&'a Rule]> {
    rules.chunk_by(|one, other| family(one) == family(other))
}

fn human(rules: &[&Rule]) -> io::Result<()> {
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut out = anstream::stdout();
    for members in by_family(rules) {
        writeln!(out, "{BOLD}{}{BOLD:#}", Untrusted(family(members[0])))?;
        for rule in members {
            let (severity, id) = (rule.severity.as_str(), &rule.id);
            writeln!(out, "  {severity:<13} {id:<width$}  {DIM}{}{DIM:#}", Untrusted(&rule.title.unfilled()))?;
        }
    }
    Ok(())
}
