//! `trailwatch rules list`: what there is, by family, the most severe first.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::path::Path;

use clap::{Args, ValueEnum};

use super::Paths;
use crate::command::explain::draw::{BOLD, DIM};
use crate::command::{Exit, complain, tell_left_out};
use crate::rule::Rule;
use crate::untrusted::{Untrusted, shortened};

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
            Format::Human => human(&rules, terminal_columns(), &mut anstream::stdout())?,
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

/// The columns of the terminal; `None` where the list goes to a file or another program.
fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// The column in which ids stand.
const ID_COLUMN: usize = 16;

/// Titles with less room than this beside their ids stand below them.
const TITLE_COLUMNS_MIN: usize = 50;

/// Where titles stand, and how many characters of them are shown before an ellipsis.
#[derive(Debug, Clone, Copy)]
enum Titles {
    Beside(usize),
    Below(usize),
}

impl Titles {
    fn of(columns: Option<usize>, id_width: usize) -> Self {
        let Some(columns) = columns else { return Self::Beside(usize::MAX) };
        match columns.saturating_sub(ID_COLUMN + id_width + 2) {
            left if left >= TITLE_COLUMNS_MIN => Self::Beside(left - 1),
            _ => Self::Below(columns.saturating_sub(ID_COLUMN + 1)),
        }
    }
}

fn human(rules: &[&Rule], columns: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let id_width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let titles = Titles::of(columns, id_width);
    for members in by_family(rules) {
        writeln!(out, "{BOLD}{}{BOLD:#}", Untrusted(family(members[0])))?;
        for rule in members {
            let (severity, id, title) = (rule.severity.as_str(), &rule.id, rule.title.outline());
            write!(out, "  {severity:<13} ")?;
            match titles {
                Titles::Beside(width) => write!(out, "{id:<id_width$}  {}", dim(&shortened(&title, width)))?,
                Titles::Below(width) => write!(out, "{id}\n{:ID_COLUMN$}{}", "", dim(&shortened(&title, width)))?,
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn dim(title: &str) -> String {
    format!("{DIM}{}{DIM:#}", Untrusted(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: Option<usize>, expected: &str) {
        let title = "Trail {requestParameters.name or requestParameters.trailName} of {recipientAccountId} stopped by {actor.name}";
        let text =
            format!("id = \"trail-stopped\"\ntitle = \"{title}\"\nseverity = \"high\"\n[match]\neventName = \"A\"\n");
        let rule = Rule::parse(Path::new("rules/trails/a.toml"), text).unwrap();
        let mut out = Vec::new();
        human(&[&rule], columns, &mut out).unwrap();
        let printed = anstream::adapter::strip_str(str::from_utf8(&out).unwrap()).to_string();
        assert_eq!(printed, expected, "{columns:?}");
    }

    #[test]
    fn a_list_fits_its_terminal() {
        let whole = "Trail {name} of {recipientAccountId} stopped by {actor.name}";
        check(None, &format!("trails\n  high          trail-stopped  {whole}\n"));
        check(Some(120), &format!("trails\n  high          trail-stopped  {whole}\n"));
        let cut = "trails\n  high          trail-stopped  Trail {name} of {recipientAccountId} stopped by {act…\n";
        check(Some(84), cut);
        check(Some(80), &format!("trails\n  high          trail-stopped\n                {whole}\n"));
        check(Some(40), "trails\n  high          trail-stopped\n                Trail {name} of {recipi…\n");
    }
}
