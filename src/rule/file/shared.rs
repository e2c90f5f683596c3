//! A file of what rules share, as it was written: lists, selections, and exceptions that name the rules they are for.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{At, ExceptionFile, RULE_KEYS, Reader, SelectionFile, Table, Value};
use crate::event::dictionary::nearest;
use crate::rule::diagnostic::{Diagnostic, SourceText};

/// What rules share, as it was written.
#[derive(Debug, Default)]
pub struct SharedFile {
    /// `zone`
    pub zone: Option<At<String>>,
    /// `[lists.NAME]`
    pub lists: Vec<ListFile>,
    /// `[selections.NAME]`
    pub selections: Vec<SelectionFile>,
    /// `[[exception]]`, and the rules that it is for.
    pub exceptions: Vec<(ExceptionFile, Vec<At<String>>)>,
}

/// `[lists.NAME]`
#[derive(Debug)]
pub struct ListFile {
    /// Its name.
    pub name: At<String>,
    /// `type`
    pub kind: Option<At<String>>,
    /// `values`
    pub values: Option<Vec<At<String>>>,
    /// `file`
    pub file: Option<At<String>>,
    /// `column`
    pub column: Option<At<String>>,
    /// `may_be_empty`
    pub may_be_empty: bool,
}

/// The keys of a file that rules share.
pub(in crate::rule) const SHARED_KEYS: [&str; 4] = ["zone", "lists", "selections", "exception"];
/// The keys of a list.
pub(in crate::rule) const LIST_KEYS: [&str; 7] =
    ["type", "values", "file", "column", "description", "owner", "may_be_empty"];
/// The keys of an exception in a file that rules share.
pub(in crate::rule) const SHARED_EXCEPTION_KEYS: [&str; 6] = ["name", "owner", "reason", "expires", "rules", "when"];

impl SharedFile {
    /// Reads the document; everything that is wrong with its form goes to `problems`.
    pub(in crate::rule) fn read(
        source: &Arc<SourceText>,
        document: &DeTable<'_>,
        whole: bool,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        Reader::new(source, whole, problems).shared(document)
    }
}

impl Reader<'_> {
    fn shared(&mut self, table: &Table<'_>) -> SharedFile {
        let mut file = SharedFile::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "zone" => file.zone = self.text(value, "the name of a time zone, in quotes"),
                "lists" => file.lists = self.lists(value),
                "selections" => file.selections = self.selections(value),
                "exception" => {
                    let tables = self.tables("exception", value);
                    file.exceptions =
                        tables.into_iter().map(|(table, span)| self.shared_exception(table, span)).collect();
                }
                _ => self.unknown_key(key, &SHARED_KEYS),
            }
        }
        file
    }

    fn lists(&mut self, value: &Value<'_>) -> Vec<ListFile> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value, "tables such as `[lists.trusted_accounts]`");
            return Vec::new();
        };
        let mut lists = Vec::new();
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Table(list) => lists.push(self.list((key.get_ref().to_string(), key.span()), list)),
                _ => {
                    self.wrong_type(value, "a table");
                    let hint = format!("write `{}.values = […]`", key.get_ref());
                    self.problems.last_mut().into_iter().for_each(|problem| problem.hint = Some(hint.clone()));
                }
            }
        }
        lists
    }

    fn list(&mut self, name: At<String>, table: &Table<'_>) -> ListFile {
        let mut file = ListFile { name, kind: None, values: None, file: None, column: None, may_be_empty: false };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "type" => file.kind = self.text(value, "a string such as `\"account\"`"),
                "values" => file.values = Some(self.texts(value)),
                "file" => file.file = self.text(value, "the name of a file, in quotes"),
                "column" => file.column = self.text(value, "the name of a column, in quotes"),
                "description" | "owner" => drop(self.text(value, "a string")),
                "may_be_empty" => match value.get_ref() {
                    DeValue::Boolean(truth) => file.may_be_empty = *truth,
                    _ => self.wrong_type(value, "`true` or `false`, without quotes"),
                },
                _ => self.unknown_key(key, &LIST_KEYS),
            }
        }
        if self.whole && !table.contains_key("values") && !table.contains_key("file") {
            let problem = self.problem(file.name.1.clone(), format!("the list `{}` has no values", file.name.0));
            problem.hint = Some("add `values = […]`, or `file = \"….csv\"`; both may be empty".to_owned());
        }
        file
    }

    fn shared_exception(&mut self, table: &Table<'_>, span: Range<usize>) -> (ExceptionFile, Vec<At<String>>) {
        let rules = table.get("rules").map(|value| self.texts(value)).unwrap_or_default();
        let names_none =
            matches!(table.get("rules").map(|value| value.get_ref()), Some(DeValue::Array(list)) if list.is_empty());
        if self.whole && (names_none || !table.contains_key("rules")) {
            let problem = self.problem(span.clone(), "an exception in a file of its own names the rules it is for");
            problem.hint =
                Some("add `rules = [\"id-of-a-rule\"]`; also `\"tag:service.s3\"`, or `\"xray-*\"`".to_owned());
        }
        (self.exception(table, span, &SHARED_EXCEPTION_KEYS), rules)
    }
}

/// Whether a document is a file of what rules share, and no rule. Its keys may be misspelt.
pub(in crate::rule) fn is_shared(document: &DeTable<'_>) -> bool {
    const OF_RULES: [&str; 6] = ["id", "title", "severity", "match", "either", "condition"];
    let has = |keys: &[&str]| keys.iter().any(|key| document.contains_key(*key));
    let is_near = |key: &str| !RULE_KEYS.contains(&key) && nearest(key, SHARED_KEYS[1..].iter().copied()).is_some();
    let is_meant = || document.keys().any(|key| is_near(key.get_ref()));
    (has(&SHARED_KEYS[1..]) || is_meant()) && !has(&OF_RULES)
}
