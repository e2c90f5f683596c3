//! A rule as it was written: the TOML document with every span, before it is judged.
//!
//! The document is walked by hand, since a reader by types would stop at the first mistake. A key that is misspelt, or
//! has a value of the wrong type, is complained about once, and not a second time for being missing.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, SourceText};
use super::json;
use crate::event::Derived;
use crate::event::dictionary::{RECORD_FIELDS, nearest};

pub mod shared;

/// A value with its place in the text.
pub type At<T> = (T, Range<usize>);

/// A rule as it was written.
#[derive(Debug, Default)]
pub struct RuleFile {
    /// `id`
    pub id: Option<At<String>>,
    /// `title`
    pub title: Option<At<String>>,
    /// `description`
    pub description: Option<At<String>>,
    /// `severity`
    pub severity: Option<At<String>>,
    /// `tags`
    pub tags: Vec<At<String>>,
    /// `references`
    pub references: Vec<At<String>>,
    /// `false_positives`
    pub false_positives: Vec<At<String>>,
    /// `zone`
    pub zone: Option<At<String>>,
    /// `[match]`
    pub matches: Option<Block>,
    /// `[[either]]`
    pub either: Vec<Block>,
    /// `[selections.NAME]`, or `[[selections.NAME]]`: blocks of which any may hold.
    pub selections: Vec<SelectionFile>,
    /// `condition`
    pub condition: Option<At<String>>,
    /// `event_pattern`
    pub event_pattern: Option<At<String>>,
    /// `filter_pattern`
    pub filter_pattern: Option<At<String>>,
    /// `[[except]]`
    pub except: Vec<ExceptionFile>,
    /// `alert.group_by`
    pub group_by: Vec<At<String>>,
    /// `alert.suppress`
    pub suppress: Option<At<String>>,
    /// `[[test]]`
    pub tests: Vec<TestFile>,
}

/// A block of lines that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Where the block is.
    pub span: Range<usize>,
    /// Its lines, in writing order; without those that cannot be read.
    pub lines: Vec<Line>,
    /// Whether nothing was written at all.
    pub is_empty: bool,
}

/// A key, with the modifiers still in it, and its operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The key, dotted tables joined.
    pub key: At<String>,
    /// What stands on the right.
    pub operand: At<Operand>,
}

/// What stands on the right of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A string.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// A truth value.
    Bool(bool),
    /// A list.
    List(Vec<At<Operand>>),
    /// A date or a time.
    Time(String),
    /// Lines about what is inside a value.
    Lines(Block),
}

/// `[selections.NAME]`
#[derive(Debug)]
pub struct SelectionFile {
    /// Its name.
    pub name: At<String>,
    /// Blocks of which any may hold.
    pub blocks: Vec<Block>,
}

impl SelectionFile {
    /// The names of shared selections that its lines use.
    pub fn used(&self) -> impl Iterator<Item = &str> {
        let uses =
            self.blocks.iter().flat_map(|block| &block.lines).filter(|line| USE_KEYS.contains(&line.key.0.as_str()));
        uses.flat_map(|line| line.operand.0.texts()).filter_map(|(text, _)| text)
    }
}

impl Operand {
    /// The strings that stand there, or `None` for what is none; with places where they have their own.
    pub fn texts(&self) -> Vec<(Option<&str>, Option<&Range<usize>>)> {
        match self {
            Self::Text(text) => vec![(Some(text), None)],
            Self::List(list) => list
                .iter()
                .map(|(operand, span)| match operand {
                    Self::Text(text) => (Some(text.as_str()), Some(span)),
                    _ => (None, Some(span)),
                })
                .collect(),
            _ => vec![(None, None)],
        }
    }
}

/// The keys of lines that are selections which rules share: those that must hold, and those that must not.
pub(super) const USE_KEYS: [&str; 2] = ["use", "use_not"];

/// `[[except]]`
#[derive(Debug)]
pub struct ExceptionFile {
    /// Where it is.
    pub span: Range<usize>,
    /// `name`
    pub name: Option<At<String>>,
    /// `owner`
    pub owner: Option<At<String>>,
    /// `reason`
    pub reason: Option<At<String>>,
    /// `expires`
    pub expires: Option<At<String>>,
    /// `when`
    pub when: Option<Block>,
}

/// `[[test]]`
#[derive(Debug)]
pub struct TestFile {
    /// Where it is.
    pub span: Range<usize>,
    /// `name`
    pub name: Option<At<String>>,
    /// `expect`
    pub expect: Option<At<String>>,
    /// `event`
    pub event: Option<At<serde_json::Value>>,
}

/// The keys of a rule.
pub(super) const RULE_KEYS: [&str; 17] = [
    "id",
    "title",
    "description",
    "severity",
    "tags",
    "references",
    "false_positives",
    "zone",
    "match",
    "either",
    "selections",
    "condition",
    "event_pattern",
    "filter_pattern",
    "except",
    "alert",
    "test",
];

/// The keys of a rule that stand above its tables. `id` is not among them, since events may have a field of that name.
const HEAD_KEYS: [&str; 10] = [
    "title",
    "description",
    "severity",
    "tags",
    "references",
    "false_positives",
    "zone",
    "condition",
    "event_pattern",
    "filter_pattern",
];

/// The keys of an exception.
pub(super) const EXCEPTION_KEYS: [&str; 5] = ["name", "owner", "reason", "expires", "when"];
/// The keys of `[alert]`.
pub(super) const ALERT_KEYS: [&str; 2] = ["group_by", "suppress"];
/// The keys of a test.
pub(super) const TEST_KEYS: [&str; 3] = ["name", "expect", "event"];

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;
type Key<'i> = Spanned<Cow<'i, str>>;

impl RuleFile {
    /// Reads the document; everything that is wrong with its form goes to `problems`. What is missing is complained
    /// about only if the file could be read `whole`.
    pub(super) fn read(
        source: &Arc<SourceText>,
        document: &DeTable<'_>,
        whole: bool,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        Reader::new(source, whole, problems).rule(document)
    }
}

struct Reader<'r> {
    source: &'r Arc<SourceText>,
    whole: bool,
    /// Keys of the rule that were found, and complained about, in one of its tables.
    misplaced: Vec<String>,
    /// Whether it reads a rule that has no `id` where it belongs.
    lacks_id: bool,
    /// In how many tables of lines within lines the reader is.
    depth: usize,
    problems: &'r mut Vec<Diagnostic>,
}

/// How deep lines may stand within lines.
const LINES_DEPTH_MAX: usize = 8;

impl<'r> Reader<'r> {
    fn new(source: &'r Arc<SourceText>, whole: bool, problems: &'r mut Vec<Diagnostic>) -> Self {
        Reader { source, whole, misplaced: Vec::new(), lacks_id: false, depth: 0, problems }
    }
}

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.problems.push(Diagnostic::new(self.source, span, message));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn rule(&mut self, table: &Table<'_>) -> RuleFile {
        let mut file = RuleFile::default();
        if table.is_empty() && self.whole {
            let problem = self.problem(0..0, "there is no rule in this file");
            problem.hint = Some("a rule has at least an `id`, a `title`, a `severity` and a `[match]`".to_owned());
            return file;
        }
        self.lacks_id = !has(table, "id", &RULE_KEYS);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "lists" | "exception" => {
                    let problem = self.problem(key.span(), format!("`{}` stands in a rule", key.get_ref()));
                    problem.label = "what rules share stands in a file without a rule".to_owned();
                }
                "id" => file.id = self.text(value, "a string"),
                "title" => file.title = self.text(value, "a string"),
                "description" => file.description = self.text(value, "a string"),
                "severity" => file.severity = self.text(value, "a string such as `\"medium\"`"),
                "tags" => file.tags = self.texts(value),
                "references" => file.references = self.texts(value),
                "false_positives" => file.false_positives = self.texts(value),
                "zone" => file.zone = self.text(value, "the name of a time zone, in quotes"),
                "match" => file.matches = self.block("match", key.span(), value),
                "either" => file.either = self.blocks("either", value),
                "selections" => file.selections = self.selections(value),
                "condition" => file.condition = self.text(value, "a string such as `\"one and not two\"`"),
                "event_pattern" => file.event_pattern = self.text(value, "a string of JSON"),
                "filter_pattern" => {
                    file.filter_pattern = self.text(value, "a string such as `'{ $.eventName = \"StopLogging\" }'`")
                }
                "except" => file.except = self.exceptions(value),
                "alert" => self.alert(value, &mut file),
                "test" => file.tests = self.tests(value),
                _ => self.unknown_key(key, &RULE_KEYS),
            }
        }
        for (name, example) in [
            ("id", "id = \"service-what-happened\""),
            ("title", "title = \"what happened, by {actor.name}\""),
            ("severity", "severity = \"medium\""),
        ] {
            self.require(table, &(0..0), &RULE_KEYS, name, &format!("the rule has no `{name}`"), example);
        }
        self.require_match(table);
        file
    }

    /// Complains of a key that is missing: not there, not misspelt, and not in the wrong table.
    fn require(
        &mut self,
        table: &Table<'_>,
        place: &Range<usize>,
        known: &[&str],
        name: &str,
        message: &str,
        example: &str,
    ) {
        let is_wrapped = known.contains(&"id") && ["rule", "rules"].iter().any(|wrapper| table.contains_key(*wrapper));
        if self.whole
            && !is_wrapped
            && !has(table, name, known)
            && !self.misplaced.iter().any(|misplaced| misplaced == name)
        {
            self.problem(place.clone(), message).hint = Some(format!("add `{example}`"));
        }
    }

    /// Complains of a rule that says nothing about what it matches.
    fn require_match(&mut self, table: &Table<'_>) {
        let empty = match table.get_key_value("match") {
            None if has(table, "match", &RULE_KEYS) => return,
            None => 0..0,
            Some((key, value)) => match value.get_ref() {
                DeValue::Table(lines) if lines.is_empty() => self.header_or(key.span(), value),
                _ => return,
            },
        };
        let either = table.get("either").map(|value| value.get_ref());
        let no_blocks = matches!(either, Some(DeValue::Array(blocks)) if blocks.is_empty());
        let others = ["condition", "selections", "event_pattern", "filter_pattern"];
        let has_foreign = FOREIGN_KEYS.iter().any(|(key, _)| table.contains_key(*key));
        let has_condition = has_foreign || others.iter().any(|name| has(table, name, &RULE_KEYS));
        if self.whole && !has_condition && (no_blocks || !has(table, "either", &RULE_KEYS)) {
            let problem = self.problem(empty, "the rule has nothing to match");
            problem.hint = Some("write at least one line below `[match]`: `eventName = \"StopLogging\"`".to_owned());
        }
    }

    fn unknown_key(&mut self, key: &Key<'_>, known: &[&str]) {
        let name = key.get_ref().as_ref();
        if self.is_of_the_head(name) && !known.contains(&"id") {
            return self.misplaced(key);
        }
        let near = meant(name, known);
        let problem = self.problem(key.span(), format!("unknown key `{name}`"));
        let foreign = FOREIGN_KEYS.iter().find(|(foreign, _)| *foreign == name).filter(|_| known.contains(&"id"));
        match (near, foreign) {
            (Some(near), _) => problem.hint = Some(format!("did you mean `{near}`?")),
            (None, Some((_, hint))) => problem.hint = Some((*hint).to_owned()),
            (None, None) => problem.label = format!("expected one of {}", known.join(", ")),
        }
    }

    /// Whether a key that stands in a table belongs above all tables. An event may have an `id`, but no rule is without.
    fn is_of_the_head(&self, name: &str) -> bool {
        HEAD_KEYS.contains(&name) || (name == "id" && self.lacks_id)
    }

    fn misplaced(&mut self, key: &Key<'_>) {
        let name = key.get_ref().to_string();
        let problem = self.problem(key.span(), format!("`{name}` stands in a table, but belongs to the rule"));
        problem.hint = Some("move it up, above the first `[table]`".to_owned());
        self.misplaced.push(name);
    }

    /// The header of a table that has one, else its key.
    fn header_or(&self, key: Range<usize>, value: &Value<'_>) -> Range<usize> {
        let has_header = self.source.text.get(value.span()).is_some_and(|text| text.starts_with('['));
        if has_header { value.span() } else { key }
    }

    fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        self.problem(value.span(), format!("expected {expected}, found {}", with_article(found)));
    }

    fn text(&mut self, value: &Value<'_>, expected: &str) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                self.wrong_type(value, expected);
                None
            }
        }
    }

    /// A string of a list; a number there was meant to be one.
    fn quoted(&mut self, value: &Value<'_>) -> Option<At<String>> {
        let text = self.text(value, "a string");
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return text,
        };
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(format!("put it into quotes: `\"{number}\"`"));
        }
        text
    }

    fn texts(&mut self, value: &Value<'_>) -> Vec<At<String>> {
        if let DeValue::Array(array) = value.get_ref() {
            return array.iter().filter_map(|element| self.quoted(element)).collect();
        }
        self.wrong_type(value, "a list of strings");
        if let (DeValue::String(text), Some(problem)) = (value.get_ref(), self.problems.last_mut()) {
            problem.hint = Some(format!("write `[\"{text}\"]`"));
        }
        Vec::new()
    }

    fn tables<'t, 'i>(&mut self, name: &str, value: &'t Value<'i>) -> Vec<(&'t Table<'i>, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(array) => array
                .iter()
                .filter_map(|element| match element.get_ref() {
                    DeValue::Table(table) => Some((table, element.span())),
                    _ => {
                        self.wrong_type(element, "a table");
                        None
                    }
                })
                .collect(),
            DeValue::Table(table) => {
                let problem = self
                    .problem(value.span(), format!("`{name}` is a list of tables, since there may be more than one"));
                problem.hint = Some(format!("write `[[{name}]]`, with two brackets"));
                vec![(table, value.span())]
            }
            _ => {
                self.wrong_type(value, &format!("`[[{name}]]` tables"));
                Vec::new()
            }
        }
    }

    fn block(&mut self, name: &str, span: Range<usize>, value: &Value<'_>) -> Option<Block> {
        match value.get_ref() {
            DeValue::Table(table) => Some(self.lines(self.header_or(span, value), table)),
            DeValue::Array(tables) if matches!(tables.iter().as_slice(), [only] if only.get_ref().is_table()) => {
                let problem = self.problem(value.span(), format!("`{name}` is one table, not a list of them"));
                problem.hint = Some("write its header with one bracket on each side".to_owned());
                None
            }
            DeValue::Array(tables) if tables.iter().all(|element| element.get_ref().is_table()) => {
                let problem = self.problem(value.span(), format!("there may be only one `{name}`"));
                let more = if name == "match" { "[[either]]" } else { "[[except]]" };
                problem.hint = Some(format!("put its lines into one table; blocks of which any may hold are `{more}`"));
                None
            }
            _ => {
                self.wrong_type(value, "a table of lines such as `eventName = \"StopLogging\"`");
                None
            }
        }
    }

    fn selections(&mut self, value: &Value<'_>) -> Vec<SelectionFile> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value, "tables such as `[selections.reads]`");
            return Vec::new();
        };
        let mut selections: Vec<SelectionFile> = Vec::new();
        for (key, value) in table {
            let blocks = match value.get_ref() {
                DeValue::Array(_) => self.blocks(&format!("selections.{}", key.get_ref()), value),
                DeValue::Table(lines) => vec![self.lines(self.header_or(key.span(), value), lines)],
                _ => {
                    self.wrong_type(value, "a table of lines such as `eventName = \"StopLogging\"`");
                    Vec::new()
                }
            };
            selections.push(SelectionFile { name: (key.get_ref().to_string(), key.span()), blocks });
        }
        // `1 of` goes by the order of writing, so that explanations do.
        selections.sort_by_key(|selection| selection.name.1.start);
        selections
    }

    fn blocks(&mut self, name: &str, value: &Value<'_>) -> Vec<Block> {
        self.tables(name, value).into_iter().map(|(table, span)| self.lines(span, table)).collect()
    }

    fn lines(&mut self, span: Range<usize>, table: &Table<'_>) -> Block {
        let mut lines = Vec::new();
        self.flatten("", table, &mut lines);
        lines.sort_by_key(|line| line.key.1.start);
        Block { span, lines, is_empty: table.is_empty() }
    }

    /// Dotted keys are tables within tables to TOML, and one path to us.
    fn flatten(&mut self, above: &str, table: &Table<'_>, lines: &mut Vec<Line>) {
        for (key, value) in table {
            let name = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
            match value.get_ref() {
                // Elements have fields of all names.
                _ if self.depth == 0 && self.is_of_the_head(&name) => self.misplaced(key),
                DeValue::Table(inner) if inner.is_empty() => {
                    self.problem(value.span(), format!("nothing is said about `{name}`"));
                }
                DeValue::Table(inner) if !name.contains('|') => self.flatten(&name, inner, lines),
                _ => {
                    if let Some(operand) = self.operand(value) {
                        let place = key_start(&self.source.text, key.span().start)..key.span().end;
                        lines.push(Line { key: (name, place), operand: (operand, value.span()) });
                    }
                }
            }
        }
    }

    fn operand(&mut self, value: &Value<'_>) -> Option<Operand> {
        Some(match value.get_ref() {
            DeValue::String(text) => Operand::Text(text.to_string()),
            DeValue::Integer(number) => match integer(number) {
                Some(text) => Operand::Number(text),
                None => {
                    self.problem(value.span(), "a number too large to compare with");
                    return None;
                }
            },
            DeValue::Float(number) => Operand::Number(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Operand::Bool(*truth),
            DeValue::Datetime(time) => Operand::Time(time.to_string()),
            DeValue::Array(array) => Operand::List(
                array.iter().filter_map(|element| Some((self.operand(element)?, element.span()))).collect(),
            ),
            DeValue::Table(table) => Operand::Lines(self.inner_lines(value.span(), table)?),
        })
    }

    /// Lines within a line.
    fn inner_lines(&mut self, span: Range<usize>, table: &Table<'_>) -> Option<Block> {
        if self.depth == LINES_DEPTH_MAX {
            self.problem(span, "tables of lines nested too deeply").label = format!("at most {LINES_DEPTH_MAX} deep");
            return None;
        }
        self.depth += 1;
        let block = self.lines(span, table);
        self.depth -= 1;
        Some(block)
    }

    fn exceptions(&mut self, value: &Value<'_>) -> Vec<ExceptionFile> {
        self.tables("except", value)
            .into_iter()
            .map(|(table, span)| self.exception(table, span, &EXCEPTION_KEYS))
            .collect()
    }

    fn exception(&mut self, table: &Table<'_>, span: Range<usize>, known: &[&str]) -> ExceptionFile {
        let mut file = ExceptionFile { span, name: None, owner: None, reason: None, expires: None, when: None };
        let mut has_field = false;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => file.name = self.text(value, "a string"),
                "owner" => file.owner = self.text(value, "a string"),
                "reason" => file.reason = self.text(value, "a string"),
                "expires" => file.expires = self.date(value),
                "when" => file.when = self.block("when", key.span(), value),
                name if names_field(name) => {
                    has_field = true;
                    let problem = self.problem(key.span(), format!("the field `{name}` stands outside of `when`"));
                    problem.hint = Some("what is excepted goes into `when = { … }`".to_owned());
                }
                // What else there is has been read.
                name if known.contains(&name) => {}
                _ => self.unknown_key(key, known),
            }
        }
        let example = "name = \"what it is for\"";
        self.require(table, &file.span, known, "name", "an exception needs a `name`", example);
        if !has_field {
            let example = "when = { recipientAccountId = \"111122223333\" }";
            self.require(table, &file.span, known, "when", "an exception needs `when`", example);
        }
        file
    }

    fn date(&mut self, value: &Value<'_>) -> Option<At<String>> {
        if let DeValue::Datetime(time) = value.get_ref() {
            return Some((time.to_string(), value.span()));
        }
        self.wrong_type(value, "a date such as `2027-01-31`, without quotes");
        let quoted = value.get_ref().as_str().filter(|text| text.parse::<jiff::civil::Date>().is_ok());
        if let (Some(date), Some(problem)) = (quoted, self.problems.last_mut()) {
            problem.hint = Some(format!("write `{date}`"));
        }
        None
    }

    fn alert(&mut self, value: &Value<'_>, file: &mut RuleFile) {
        let DeValue::Table(table) = value.get_ref() else { return self.wrong_type(value, "a table") };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "group_by" => file.group_by = self.texts(value),
                "suppress" => file.suppress = self.text(value, "a duration such as `\"1h\"`"),
                _ => self.unknown_key(key, &ALERT_KEYS),
            }
        }
    }

    fn tests(&mut self, value: &Value<'_>) -> Vec<TestFile> {
        self.tables("test", value).into_iter().map(|(table, span)| self.test(table, span)).collect()
    }

    fn test(&mut self, table: &Table<'_>, span: Range<usize>) -> TestFile {
        let mut file = TestFile { span, name: None, expect: None, event: None };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => file.name = self.text(value, "a string"),
                "expect" => file.expect = self.text(value, "`\"match\"` or `\"no match\"`"),
                "event" => file.event = self.event(value),
                _ => self.unknown_key(key, &TEST_KEYS),
            }
        }
        for (name, message, example) in [
            ("name", "a test needs a `name`", "name = \"what happens\""),
            ("expect", "a test needs `expect`", "expect = \"match\"` or `expect = \"no match\""),
            ("event", "a test needs an `event`", "event = { eventName = \"StopLogging\" }"),
        ] {
            self.require(table, &file.span, &TEST_KEYS, name, message, example);
        }
        file
    }

    fn event(&mut self, value: &Value<'_>) -> Option<At<serde_json::Value>> {
        match value.get_ref() {
            DeValue::Table(_) => Some((json(value.get_ref()), value.span())),
            DeValue::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(event @ serde_json::Value::Object(_)) => Some((event, value.span())),
                Ok(_) => {
                    self.problem(value.span(), "a test's event is a JSON object, in braces");
                    None
                }
                Err(error) => {
                    self.not_json(value.span(), text, &error);
                    None
                }
            },
            _ => {
                self.wrong_type(value, "a table or a string of JSON");
                None
            }
        }
    }

    fn not_json(&mut self, span: Range<usize>, text: &str, error: &serde_json::Error) {
        let problem = json::problem("event", text, error);
        let place = self.source.place(&span, text, problem.part.as_ref());
        self.problems.push(problem.at_place(self.source, place));
    }
}

/// Whether a table has a key, or one that is probably meant to be it.
fn has(table: &Table<'_>, name: &str, known: &[&str]) -> bool {
    table
        .keys()
        .map(|key| key.get_ref().as_ref())
        .any(|key: &str| key == name || (!known.contains(&key) && meant(key, known) == Some(name)))
}

/// What other tools call our keys.
const ALIASES: [(&str, &str); 7] = [
    ("level", "severity"),
    ("priority", "severity"),
    ("pattern", "event_pattern"),
    ("filter", "filter_pattern"),
    ("detection", "match"),
    ("exclude", "except"),
    ("ignore", "except"),
];

/// Keys that other tools have for what is written otherwise here.
const FOREIGN_KEYS: [(&str, &str); 18] = [
    ("rule", ONE_A_FILE),
    ("rules", ONE_A_FILE),
    ("count", ONE_EVENT),
    ("distinct", ONE_EVENT),
    ("sequence", ONE_EVENT),
    ("threshold", ONE_EVENT),
    ("timeframe", ONE_EVENT),
    ("window", ONE_EVENT),
    ("enabled", "a rule is in use as long as its file is in the folder"),
    ("disabled", "a rule is in use as long as its file is in the folder"),
    ("name", "a rule's name is its `id`, and what heads its findings the `title`"),
    ("or", "blocks of which any may hold are `[[either]]`"),
    ("any", "blocks of which any may hold are `[[either]]`"),
    ("and", "lines that must all hold stand below `[match]`"),
    ("all", "lines that must all hold stand below `[match]`"),
    ("not", "what must not hold is a line with `|not`, or an `[[except]]` block"),
    ("logsource", "Sigma rules are read from files that end in `.yml`"),
    ("query", "lines such as `eventName = \"StopLogging\"` stand below `[match]`"),
];

const ONE_A_FILE: &str = "a file is one rule, whose keys stand above all tables: `id = \"…\"`";
const ONE_EVENT: &str = "a rule judges one event at a time";

/// The key that is probably meant.
fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|&(_, ours)| ours);
    let alias = alias.and_then(|ours| known.iter().copied().find(|known| *known == ours));
    alias.or_else(|| nearest(name, known.iter().copied()))
}

/// Whether the first name of a key is that of a field.
fn names_field(name: &str) -> bool {
    let name = name.split('|').next().unwrap_or("");
    RECORD_FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name))
        || Derived::ALL.iter().any(|(known, _)| known.split('.').next() == Some(name))
}

/// Where a dotted key begins whose last name begins at `start`: TOML's reader tells only the places of the names.
fn key_start(text: &str, mut start: usize) -> usize {
    const SPACES: [char; 2] = [' ', '\t'];
    while let Some(before) = text[..start].trim_end_matches(SPACES).strip_suffix('.') {
        let before = before.trim_end_matches(SPACES);
        let name = match before.chars().next_back() {
            Some(quote @ ('"' | '\'')) => before[..before.len() - 1].rfind(quote),
            _ => Some(before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).len()),
        };
        match name {
            Some(name) if name < before.len() => start = name,
            _ => break,
        }
    }
    start
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// An integer's decimal text, whatever radix it was written in.
fn integer(number: &toml::de::DeInteger<'_>) -> Option<String> {
    match number.radix() {
        10 => Some(number.as_str().replace('_', "")),
        radix => i128::from_str_radix(&number.as_str().replace('_', ""), radix).ok().map(|number| number.to_string()),
    }
}

/// The JSON that a TOML value stands for.
fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => integer(number)
            .and_then(|text| text.parse().ok())
            .map_or_else(|| serde_json::Value::String(number.as_str().to_owned()), serde_json::Value::Number),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(serde_json::Value::Null, Into::into),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(array) => array.iter().map(|element| json(element.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}
