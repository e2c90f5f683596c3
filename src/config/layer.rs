//! The layers of a configuration (files, the environment, the command line) as one tree, in which every value knows
//! where it was written.
//!
//! Values of files have types. Those of the environment and of the command line are texts, and are taken for what is
//! asked of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::CONFIGURATION;
use crate::rule::{Diagnostic, SourceText, syntax};

/// A place in a text.
#[derive(Debug, Clone)]
pub struct Place {
    /// The text.
    pub source: Arc<SourceText>,
    /// Where in it, in bytes.
    pub span: Range<usize>,
}

/// A value, and where it was written.
#[derive(Debug, Clone)]
pub struct Item {
    /// The value.
    pub value: Value,
    /// Where its key stands; for an element of a list, where it does.
    pub key: Place,
    /// Where the value stands.
    pub place: Place,
    /// What wrote it.
    pub layer: Layer,
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string; outside of files, anything.
    Text(String),
    /// A number, by its text.
    Number(String),
    /// A truth value.
    Flag(bool),
    /// A date or a time.
    Time,
    /// A list.
    List(Vec<Item>),
    /// A table.
    Table(Table),
}

/// Items by their keys.
pub type Table = BTreeMap<String, Item>;

/// What a value was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Environment,
    /// An option of the command line.
    CommandLine,
}

impl Place {
    /// A complaint about this place.
    pub fn problem(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, self.span.clone(), message)
    }
}

impl Value {
    /// What it is, with an article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Flag(_) => "a truth value",
            Self::Time => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a file, and lays it over the tree. What is wrong with its TOML is told.
pub fn lay_file(tree: &mut Table, path: &Path, source: &Arc<SourceText>) -> Vec<Diagnostic> {
    let (document, problems) = syntax::read_as(source, &CONFIGURATION);
    let layer = Layer::File(path.to_owned());
    lay(tree, table(document.get_ref(), source, &layer));
    problems
}

/// The prefix of variables that are part of the configuration. What follows are names, with two underscores between them.
pub const ENVIRONMENT_PREFIX: &str = "TRAILWATCH__";

/// Lays the variables of the environment that are meant for it over the tree: `TRAILWATCH__SINKS__PAGER__URL`.
pub fn lay_environment(tree: &mut Table, variables: impl Iterator<Item = (String, String)>) {
    for (name, value) in variables {
        if let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) {
            let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            lay_text(tree, &path, &name, "environment", value, Layer::Environment);
        }
    }
}

/// Lays a value of the command line over the tree.
pub fn lay_option(tree: &mut Table, key: &str, option: &str, value: String) {
    lay_text(tree, &[key.to_owned()], option, "command line", value, Layer::CommandLine);
}

/// Lays one text over the tree, as if `written=value` stood in a file.
fn lay_text(tree: &mut Table, path: &[String], written: &str, name: &str, value: String, layer: Layer) {
    let text = format!("{written}={value}");
    let source = Arc::new(SourceText { name: name.to_owned(), text });
    let place = |span: Range<usize>| Place { source: Arc::clone(&source), span };
    let (key, whole) = (place(0..written.len()), place(written.len() + 1..source.text.len()));
    let mut item = Item { value: Value::Text(value), key: key.clone(), place: whole.clone(), layer: layer.clone() };
    let mut table = &*tree;
    let mut names = Vec::new();
    let empty = Table::new();
    for wanted in path {
        let known = table.keys().find(|known| variable_form(known) == variable_form(wanted));
        let name = known.unwrap_or(wanted).clone();
        table = match table.get(&name).map(|item| &item.value) {
            Some(Value::Table(inner)) => inner,
            _ => &empty,
        };
        names.push(name);
    }
    let Some(last) = names.pop() else { return };
    let mut laid = Table::from([(last, item)]);
    while let Some(name) = names.pop() {
        item = Item { value: Value::Table(laid), key: key.clone(), place: whole.clone(), layer: layer.clone() };
        laid = Table::from([(name, item)]);
    }
    lay(tree, laid);
}

/// A name as a variable's can be: letters without case, and no hyphens.
fn variable_form(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Lays a table over another: tables become one, of other values the upper one counts.
fn lay(below: &mut Table, above: Table) {
    for (name, item) in above {
        match (below.get_mut(&name).map(|item| &mut item.value), item.value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (_, value) => drop(below.insert(name, Item { value, ..item })),
        }
    }
}

fn table(document: &DeTable<'_>, source: &Arc<SourceText>, layer: &Layer) -> Table {
    let item = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key = Place { source: Arc::clone(source), span: key.span() };
        item(value, key, layer)
    };
    document.iter().map(|(key, value)| (key.get_ref().to_string(), item((key, value)))).collect()
}

fn item(value: &Spanned<DeValue<'_>>, key: Place, layer: &Layer) -> Item {
    let place = Place { source: Arc::clone(&key.source), span: value.span() };
    let element = |element: &Spanned<DeValue<'_>>| {
        let key = Place { source: Arc::clone(&place.source), span: element.span() };
        item(element, key, layer)
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Number(number.as_str().replace('_', "")),
        DeValue::Integer(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Value::Flag(*truth),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(array) => Value::List(array.iter().map(element).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, &place.source, layer)),
    };
    Item { value, key, place, layer: layer.clone() }
}
