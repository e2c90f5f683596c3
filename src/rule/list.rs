//! Lists of values with a name: declared in TOML, their values there or in a table of CSV or JSON beside it.
//!
//! Every value is held to the list's type when it is read, so that a mistake in row 5,000 of a table is told with its
//! place, and is no value that nothing is ever equal to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::value::RawValue;

use super::diagnostic::{Diagnostic, SourceText};
use super::file::At;
use super::file::shared::ListFile;
use super::key::Problem;
use super::operand;
use crate::condition::{List, Pattern, list::Values};
use crate::event::dictionary::nearest;
use crate::event::identity::is_account;

/// The most values of a list.
const VALUES_MAX: usize = 100_000;
/// The most globs of a list: each is tried by itself.
const GLOBS_MAX: usize = 1_000;
/// How many bad values of a list are told one by one.
const PROBLEMS_SHOWN_MAX: usize = 10;

/// What the values of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Account,
    Arn,
    Cidr,
    Glob,
}

/// The types of lists, as they are written.
pub(super) const KINDS: [&str; 5] = ["string", "account", "arn", "cidr", "glob"];

impl Kind {
    fn named(name: &str) -> Option<Self> {
        let kinds = [Self::Text, Self::Account, Self::Arn, Self::Cidr, Self::Glob];
        KINDS.iter().zip(kinds).find(|(known, _)| **known == name).map(|(_, kind)| kind)
    }
}

/// Gives the text of a table by the name that a list has for it.
pub(super) type Open<'o> = dyn FnMut(&str) -> Result<Arc<SourceText>, String> + 'o;

/// Judges a list; `None` if anything is wrong with it.
pub(super) fn compile(
    file: &ListFile,
    source: &Arc<SourceText>,
    open: &mut Open<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<List> {
    let before = problems.len();
    let mut compiler = Compiler { source, problems, told: 0 };
    compiler.name(&file.name);
    let kind = match &file.kind {
        Some(kind) => compiler.kind(kind),
        None => Kind::Text,
    };
    let mut values = Vec::new();
    for (value, span) in file.values.iter().flatten() {
        values.extend(compiler.value(kind, value).map_err(|problem| compiler.tell(source, span, problem)).ok());
    }
    match (&file.file, &file.column) {
        (Some(name), column) => compiler.table(kind, name, column.as_ref(), open, &mut values),
        (None, Some((_, span))) => {
            let problem = Problem::new("a column, and no file that it is of").hint("add `file = \"….csv\"`");
            compiler.tell(source, span, problem);
        }
        (None, None) => {}
    }
    compiler.size(file, kind, values.len());
    compiler.rest();
    (problems.len() == before).then(|| List::new(file.name.0.clone(), together(kind, values)))
}

/// A value that was found good.
enum Value {
    Text(Box<str>),
    Network(IpNet),
    Glob(Pattern),
}

fn together(kind: Kind, values: Vec<Value>) -> Values {
    let networks =
        values.iter().filter_map(|value| if let Value::Network(network) = value { Some(*network) } else { None });
    match kind {
        Kind::Cidr => Values::Networks(networks.collect()),
        Kind::Glob => Values::Globs(
            values
                .into_iter()
                .filter_map(|value| if let Value::Glob(glob) = value { Some(glob) } else { None })
                .collect(),
        ),
        _ => Values::Texts(
            values
                .into_iter()
                .filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None })
                .collect(),
        ),
    }
}

struct Compiler<'c> {
    source: &'c Arc<SourceText>,
    problems: &'c mut Vec<Diagnostic>,
    /// How many problems there were, also those that were not told one by one.
    told: usize,
}

impl Compiler<'_> {
    fn tell(&mut self, source: &Arc<SourceText>, span: &std::ops::Range<usize>, problem: Problem) {
        self.told += 1;
        if self.told <= PROBLEMS_SHOWN_MAX {
            self.problems.push(problem.at_place(source, span.clone()));
        }
    }

    /// Says how many more problems there are.
    fn rest(&mut self) {
        let more = self.told.saturating_sub(PROBLEMS_SHOWN_MAX);
        if let (Some(last), true) = (self.problems.last_mut(), more > 0) {
            last.hint = Some(format!("and {more} more like this in the list"));
        }
    }

    fn name(&mut self, (name, span): &At<String>) {
        let fine = (1..=NAME_LENGTH_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fine {
            let problem = Problem::new(format!("`{name}` cannot be the name of a list"));
            self.tell(self.source, span, problem.label("letters, digits, `_` and `-`, at most 100"));
        }
    }

    fn kind(&mut self, (name, span): &At<String>) -> Kind {
        Kind::named(name).unwrap_or_else(|| {
            let near = match name.as_str() {
                "ip" | "network" | "ips" => Some("cidr"),
                "accounts" => Some("account"),
                "text" => Some("string"),
                other => nearest(other, KINDS),
            };
            let problem = Problem::new(format!("unknown type `{name}` of a list"));
            self.tell(self.source, span, problem.near_or(near, || format!("expected one of {}", KINDS.join(", "))));
            Kind::Text
        })
    }

    fn value(&self, kind: Kind, text: &str) -> Result<Value, Problem> {
        match kind {
            _ if text.is_empty() => Err(Problem::new("an empty value in a list")),
            Kind::Account if !is_account(text) => {
                Err(Problem::new(format!("`{text}` is no account")).label("an account has twelve digits"))
            }
            Kind::Arn if text.split(':').count() < 6 || !text.starts_with("arn:") => {
                Err(Problem::new(format!("`{text}` is no ARN"))
                    .label("expected `arn:partition:service:region:account:resource`"))
            }
            Kind::Text | Kind::Account | Kind::Arn => Ok(Value::Text(text.into())),
            Kind::Cidr => operand::network(text).map(Value::Network),
            Kind::Glob => operand::glob(text).map(Value::Glob),
        }
    }

    fn size(&mut self, file: &ListFile, kind: Kind, size: usize) {
        let max = if kind == Kind::Glob { GLOBS_MAX } else { VALUES_MAX };
        if size > max {
            let problem = Problem::new(format!("a list of {size} values"));
            self.tell(self.source, &file.name.1, problem.label(format!("at most {max}")));
        }
    }

    /// Adds the values of a table.
    fn table(
        &mut self,
        kind: Kind,
        (name, span): &At<String>,
        column: Option<&At<String>>,
        open: &mut Open<'_>,
        values: &mut Vec<Value>,
    ) {
        let table = match open(name) {
            Ok(table) => table,
            Err(why) => {
                let problem = Problem::new(format!("`{name}` cannot be read: {why}"));
                return self.tell(self.source, span, problem.label("named from the folder of this file"));
            }
        };
        let rows = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
            Some("csv" | "txt") => self.csv(&table, column),
            Some("json") => self.json(&table, column),
            _ => {
                let problem = Problem::new(format!("`{name}` is no table"));
                return self.tell(
                    self.source,
                    span,
                    problem.label("expected a file that ends in `.csv`, `.txt` or `.json`"),
                );
            }
        };
        for row in rows {
            let value = row.and_then(|(text, span)| self.value(kind, &text).map_err(|problem| (problem, span)));
            match value {
                Ok(value) => values.push(value),
                Err((problem, span)) => self.tell(&table, &span, problem),
            }
        }
    }

    /// The values of CSV: of a column that the first row names, or else the first of each row.
    fn csv(&mut self, table: &Arc<SourceText>, column: Option<&At<String>>) -> Vec<Row> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(column.is_some())
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(table.text.as_bytes());
        let number = match column {
            None => 0,
            Some((wanted, span)) => {
                let headers = reader.headers().cloned().unwrap_or_default();
                match headers.iter().position(|header| header == wanted) {
                    Some(number) => number,
                    None => {
                        let problem = Problem::new(format!("`{}` has no column `{wanted}`", table.name));
                        let all: Vec<&str> = headers.iter().collect();
                        let label = || format!("its first row has {}", all.join(", "));
                        self.tell(self.source, span, problem.near_or(nearest(wanted, headers.iter()), label));
                        return Vec::new();
                    }
                }
            }
        };
        reader.records().take(VALUES_MAX + 1).map(|record| field(table, record, number)).collect()
    }

    /// The values of JSON: an array of strings, or of objects with a member.
    fn json(&mut self, table: &Arc<SourceText>, column: Option<&At<String>>) -> Vec<Row> {
        match serde_json::from_str::<Vec<&RawValue>>(&table.text) {
            Ok(rows) => rows.into_iter().take(VALUES_MAX + 1).map(|row| member(table, row, column)).collect(),
            Err(error) => {
                let lines = table.text.split_inclusive('\n').take(error.line().saturating_sub(1));
                let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
                let message = error.to_string();
                let reason = message.split(" at line ").next().unwrap_or("");
                vec![Err((Problem::new(format!("no JSON array of values: {reason}")), at..at + 1))]
            }
        }
    }
}

/// A value of a table with its place in it, or what is wrong there.
type Row = Result<At<String>, (Problem, std::ops::Range<usize>)>;

/// The longest name of a list, in bytes.
const NAME_LENGTH_MAX: usize = 100;

/// One field of a row of CSV.
fn field(table: &SourceText, record: Result<csv::StringRecord, csv::Error>, number: usize) -> Row {
    let record = record.map_err(|error| {
        let at = error.position().map_or(0, |position| position.byte() as usize);
        (Problem::new(format!("a row that cannot be read: {error}")), at..at + 1)
    })?;
    let mut at = record.position().map_or(0, |position| position.byte() as usize);
    // A row begins where the one before ended, blank lines and comments included.
    let mut place = at..at;
    for field in record.iter().take(number + 1) {
        let found = table.text.get(at..).and_then(|rest| rest.find(field)).map_or(at, |offset| at + offset);
        place = found..found + field.len();
        at = place.end;
    }
    match record.get(number) {
        Some(field) => Ok((field.to_owned(), place)),
        None => Err((Problem::new(format!("a row without a column {}", number + 1)), place)),
    }
}

/// A string of JSON, or the member of an object.
fn member(table: &SourceText, row: &RawValue, column: Option<&At<String>>) -> Row {
    let place = |raw: &RawValue| {
        let start = raw.get().as_ptr() as usize - table.text.as_ptr() as usize;
        start..start + raw.get().len()
    };
    let value = match column {
        None => row,
        Some((name, _)) => match serde_json::from_str::<BTreeMap<String, &RawValue>>(row.get()) {
            Ok(object) => match object.get(name) {
                Some(value) => *value,
                None => return Err((Problem::new(format!("an object without `{name}`")), place(row))),
            },
            Err(_) => return Err((Problem::new(format!("expected an object with `{name}`")), place(row))),
        },
    };
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => Ok((text, place(value))),
        Err(_) => Err((Problem::new("expected a string"), place(value))),
    }
}
