//! Sigma rules: `.yml` files, each of which may hold several documents.
//!
//! Facts: the Sigma rules specification 2.1 and its appendix of modifiers. What a rule of another log source says is
//! not judged at all; it is left out, and told. What we cannot judge of a rule of ours is an error: a rule that is
//! dropped quietly finds nothing.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use super::key::Problem;
use super::{LeftOut, Reading, Rule, Severity, Shared, Template};
use crate::condition::Condition;
use crate::event::dictionary::nearest;

mod detection;
mod item;
mod value;
mod yaml;

use yaml::{Kind, Node, Scalar, Value};

/// Whether a file is one of Sigma's, by its ending.
pub fn is_named(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// What only a translation wants of a rule, beside the rule itself.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// The selections that the condition names.
    pub selections: Vec<(String, Condition)>,
    pub author: Option<String>,
    /// What the rule did not say, or says without use.
    pub changes: Vec<String>,
}

/// Reads the rules of a file.
pub(super) fn read(name: &Path, text: String, shared: &Shared) -> Reading {
    read_whole(name, text, shared).0
}

/// Reads the rules of a file, with the details of each.
pub(super) fn read_whole(name: &Path, text: String, shared: &Shared) -> (Reading, Vec<Details>) {
    let source = Arc::new(SourceText { name: name.display().to_string(), text });
    let mut reading = Reading::default();
    let mut details = Vec::new();
    let (documents, problem) = yaml::read(&source);
    let documents: Vec<Node> = documents.into_iter().filter(|document| !document.is_null()).collect();
    reading.problems.extend(problem);
    if documents.is_empty() && reading.problems.is_empty() {
        reading.problems.push(Diagnostic::new(&source, 0..0, "there is no rule in this file").hint(LEAST));
    }
    let stem = name.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    for (number, document) in documents.iter().enumerate() {
        let id = match number {
            0 => id_of(&stem),
            number => format!("{}-{}", id_of(&stem), number + 1),
        };
        let mut reader = Reader { source: &source, shared, problems: Vec::new(), details: Details::default() };
        match reader.document(document, &id) {
            Read::LeftOut(reason) => {
                reading.left_out.push(LeftOut { source: Arc::clone(&source), at: document.span.start, reason });
            }
            Read::Rule(Some(rule)) if reader.problems.is_empty() => {
                reading.rules.push(*rule);
                details.push(reader.details);
            }
            Read::Rule(_) => reading.problems.append(&mut reader.problems),
        }
    }
    reading.problems.sort_by_key(|problem| problem.span.start);
    (reading, details)
}

const LEAST: &str = "a Sigma rule has at least a `title`, a `logsource` and a `detection`";

/// A name made an id: lower-case letters and digits, with hyphens between.
pub(super) fn id_of(name: &str) -> String {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).filter(|word| !word.is_empty());
    let id: String = words.collect::<Vec<_>>().join("-").chars().take(ID_STEM_LENGTH_MAX).collect();
    if id.is_empty() { "rule".to_owned() } else { id }
}

/// What is left of the longest id when a document's number follows.
const ID_STEM_LENGTH_MAX: usize = 90;

enum Read {
    Rule(Option<Box<Rule>>),
    LeftOut(String),
}

struct Reader<'r> {
    source: &'r Arc<SourceText>,
    shared: &'r Shared,
    problems: Vec<Diagnostic>,
    details: Details,
}

impl Reader<'_> {
    fn complain(&mut self, span: &Range<usize>, problem: Problem) {
        let diagnostic = Diagnostic::new(self.source, span.clone(), problem.message).label(problem.label);
        self.problems.push(Diagnostic { hint: problem.hint, ..diagnostic });
    }

    /// Takes a result apart; a problem, which may concern a part of the text, is complained about.
    fn ok<T>(&mut self, span: &Range<usize>, text: &str, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.complain(&self.source.place(span, text, problem.part.as_ref()), problem);
                None
            }
        }
    }

    fn document(&mut self, document: &Node, id: &str) -> Read {
        let Value::Map(members) = &document.value else {
            let problem = Problem::new(format!("a rule is a map, not {}", document.what()));
            self.complain(&document.span, problem.hint(LEAST));
            return Read::Rule(None);
        };
        let document = Members { members, span: &document.span };
        if let Some(reason) = document.get("logsource").and_then(foreign) {
            return Read::LeftOut(reason);
        }
        if self.refused(&document) {
            return Read::Rule(None);
        }
        self.twice(&document);
        let title = self.title(&document);
        self.require_source(&document);
        let severity = self.severity(&document);
        self.details.author = document.get("author").and_then(text).map(str::to_owned);
        let condition = match self.required(&document, "detection") {
            Some(detection) => detection::read(self, detection),
            None => None,
        };
        let mut references = self.texts(&document, "references");
        // The rule's own id, which other Sigma tools know it by.
        references.extend(document.get("id").and_then(text).map(|id| format!("sigma:{}", id.to_lowercase())));
        let (Some(title), Some(severity), Some(condition)) = (title, severity, condition) else {
            return Read::Rule(None);
        };
        Read::Rule(Some(Box::new(Rule {
            id: id.to_owned(),
            title,
            description: document
                .get("description")
                .and_then(text)
                .map_or(String::new(), |text| text.trim().to_owned()),
            severity,
            tags: self.texts(&document, "tags").iter().map(|tag| as_tag(tag)).collect(),
            references,
            false_positives: self.texts(&document, "falsepositives"),
            condition,
            exceptions: Vec::new(),
            places: Vec::new(),
            group_by: Vec::new(),
            suppress: None,
            tests: Vec::new(),
            source: Arc::clone(self.source),
            start: document.span.start,
        })))
    }

    /// Documents of other kinds than a rule of its own.
    fn refused(&mut self, document: &Members<'_>) -> bool {
        let kinds = [
            (
                "action",
                "`action` shares parts between documents, which is not read here",
                "write the parts into each rule",
            ),
            ("correlation", "a correlation joins several events, and rules judge one event at a time", ""),
            (
                "filter",
                "a filter changes other rules, which is not read here",
                "write it into each rule, after `and not`",
            ),
        ];
        for (key, message, hint) in kinds {
            let Some((name, _)) = document.members.iter().find(|(name, _)| name.text == key) else { continue };
            let problem = Problem::new(message);
            self.complain(&name.span, if hint.is_empty() { problem } else { problem.hint(hint) });
            return true;
        }
        false
    }

    fn twice(&mut self, document: &Members<'_>) {
        let mut keys = HashSet::new();
        for (key, _) in document.members {
            if !keys.insert(&key.text) {
                self.complain(&key.span, Problem::new(format!("`{}` stands twice", key.text)));
            }
        }
    }

    fn required<'d>(&mut self, document: &Members<'d>, name: &str) -> Option<&'d Node> {
        let found = document.get(name);
        if found.is_none() {
            let misspelt = document.members.iter().map(|(key, _)| key).find(|key| meant(&key.text) == Some(name));
            match misspelt {
                Some(key) => {
                    let problem = Problem::new(format!("unknown key `{}`", key.text));
                    self.complain(&key.span, problem.hint(format!("did you mean `{name}`?")));
                }
                None => {
                    let example = match name {
                        "title" => "add `title: what happened`",
                        "logsource" => "add `logsource: {product: aws, service: cloudtrail}`",
                        _ => "a detection has selections, and the `condition` that joins them",
                    };
                    let start = document.span.start;
                    self.complain(&(start..start), Problem::new(format!("the rule has no `{name}`")).hint(example));
                }
            }
        }
        found
    }

    fn title(&mut self, document: &Members<'_>) -> Option<Template> {
        let node = self.required(document, "title")?;
        match text(node) {
            Some(title) if !title.trim().is_empty() => {
                let plain = title.trim().replace('{', "{{").replace('}', "}}");
                self.ok(&node.span, title, Template::parse(&plain))
            }
            _ => {
                self.complain(&node.span, Problem::new("the title is empty").label("it heads every finding"));
                None
            }
        }
    }

    fn require_source(&mut self, document: &Members<'_>) {
        if let Some(node) = self.required(document, "logsource")
            && !matches!(node.value, Value::Map(_))
        {
            let problem = Problem::new(format!("expected a map, found {}", node.what()));
            self.complain(&node.span, problem.hint("write `product: aws` and `service: cloudtrail` below it"));
        }
    }

    /// A level that is not given is `medium`.
    fn severity(&mut self, document: &Members<'_>) -> Option<Severity> {
        let Some(node) = document.get("level") else {
            let misspelt = document.members.iter().find(|(key, _)| meant(&key.text) == Some("level"));
            if let Some((key, _)) = misspelt {
                let problem = Problem::new(format!("unknown key `{}`", key.text));
                self.complain(&key.span, problem.hint("did you mean `level`?"));
            }
            self.details.changes.push("it has no `level`: `medium` is assumed".to_owned());
            return Some(Severity::Medium);
        };
        let name = text(node).unwrap_or("");
        let found = Severity::named(&name.to_ascii_lowercase());
        if found.is_none() {
            let names = Severity::ALL.map(Severity::as_str);
            let problem = Problem::new(format!("unknown level `{name}`"));
            self.complain(
                &node.span,
                problem.near_or(Severity::meant(name), || format!("expected one of {}", names.join(", "))),
            );
        }
        found
    }

    /// A list of strings; a single one counts as a list.
    fn texts(&mut self, document: &Members<'_>, name: &str) -> Vec<String> {
        match document.get(name) {
            None => Vec::new(),
            Some(Node { value: Value::List(elements), .. }) => {
                elements.iter().filter_map(text).map(str::to_owned).collect()
            }
            Some(node) => text(node).map(str::to_owned).into_iter().collect(),
        }
    }
}

struct Members<'d> {
    members: &'d [(yaml::Key, Node)],
    span: &'d Range<usize>,
}

impl<'d> Members<'d> {
    fn get(&self, name: &str) -> Option<&'d Node> {
        self.members.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }
}

/// A scalar's text; `None` for null, lists and maps.
fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(Scalar { text, kind }) if *kind != Kind::Null => Some(text),
        _ => None,
    }
}

/// The keys without which a rule says something else.
const KEYS: [&str; 4] = ["title", "logsource", "detection", "level"];
/// Others that Sigma knows. Beside them a rule may have any.
const OTHER_KEYS: [&str; 15] = [
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "references",
    "author",
    "date",
    "modified",
    "fields",
    "falsepositives",
    "tags",
    "scope",
];

/// The key that a misspelt one was meant to be.
fn meant(key: &str) -> Option<&'static str> {
    if OTHER_KEYS.contains(&key) { None } else { nearest(key, KEYS).filter(|near| *near != key) }
}

/// The service whose rules are ours.
const OUR_SERVICE: &str = "cloudtrail";

/// Why a log source is not ours; `None` if it is. The product may go unsaid: no other has a service of that name.
fn foreign(logsource: &Node) -> Option<String> {
    let Value::Map(members) = &logsource.value else { return None };
    let members = Members { members, span: &logsource.span };
    let of = |name| members.get(name).and_then(text).map(str::to_ascii_lowercase);
    let is_aws = of("product").is_none_or(|product| product == "aws");
    if is_aws && of("service").as_deref() == Some(OUR_SERVICE) {
        return None;
    }
    let told: Vec<String> =
        ["product", "service", "category"].iter().filter_map(|name| Some(format!("{name} {}", of(name)?))).collect();
    if told.is_empty() {
        return Some("logsource without a product".to_owned());
    }
    let misspelt = is_aws && of("service").is_some_and(|service| nearest(&service, [OUR_SERVICE]).is_some());
    let hint = if misspelt { format!(" (did you mean `{OUR_SERVICE}`?)") } else { String::new() };
    Some(format!("logsource {}{hint}", told.join(", ")))
}

/// A tag with nothing in it that ours have not.
fn as_tag(tag: &str) -> String {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-:/".contains(c);
    tag.trim().to_lowercase().chars().map(|c| if fine(c) { c } else { '-' }).collect()
}
