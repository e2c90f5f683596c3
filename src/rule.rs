//! Rules: what was written ([`RuleFile`]), and what it means ([`Rule`]).
//!
//! Reading a rule reports everything that is wrong with it, not the first thing, each with its place, a caret and a
//! hint. What comes out holds a [`Condition`] and nothing of the language it was written in.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::string::FromUtf8Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use crate::condition::line::{Node, Tree};
use crate::condition::{Condition, Field, Predicate};
use crate::event::dictionary;

mod compile;
pub mod diagnostic;
pub mod event_pattern;
pub mod export;
mod expression;
mod file;
pub mod filter_pattern;
pub mod import;
mod json;
mod key;
pub mod lint;
mod list;
mod operand;
mod policy;
pub mod schema;
pub mod shared;
pub mod sigma;
pub mod syntax;
pub mod template;
mod write;

pub use diagnostic::{Diagnostic, SourceText};
pub use file::RuleFile;
pub use lint::{Calls, Carrier, Lint, LintCode, lint};
pub use shared::Shared;
pub use template::Template;

/// A rule that has been found good.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The rule's name: lower case, digits and hyphens; unique among the rules loaded together.
    pub id: String,
    /// What a finding is headed with, its values yet to be filled in.
    pub title: Template,
    /// What happened, why it matters, what to check first.
    pub description: String,
    /// How much a finding matters.
    pub severity: Severity,
    /// Free words, among them `attack.…` for ATT&CK and `service.…`.
    pub tags: Vec<String>,
    /// Pages to read.
    pub references: Vec<String>,
    /// What else may look like this.
    pub false_positives: Vec<String>,
    /// What must hold of an event, the exceptions included: each is, negated and in this order, one of the last parts
    /// of the outermost "all of".
    pub condition: Condition,
    /// The exceptions, with what their author says of them.
    pub exceptions: Vec<Exception>,
    /// Where each predicate of the condition was written, in the order of [`Condition::visit`]. May be shorter: not
    /// every dialect tells.
    pub places: Vec<Written>,
    /// Fields whose values say what belongs together; findings that agree in them are about one matter.
    pub group_by: Vec<Field>,
    /// For how long after a finding further matches of its group are only counted, by the events' time.
    pub suppress: Option<Duration>,
    /// The rule's own tests.
    pub tests: Vec<RuleTest>,
    /// Where it was written.
    pub source: Arc<SourceText>,
    /// Where in it the rule begins, in bytes: a file of Sigma's may hold several.
    pub start: usize,
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text: the rule's own, or that of a file that rules share.
    pub source: Arc<SourceText>,
    /// Where in it, in bytes.
    pub span: Range<usize>,
}

/// When a rule does not match although its lines hold.
#[derive(Debug, Clone)]
pub struct Exception {
    /// What it is for.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Why there is one.
    pub reason: Option<String>,
    /// The last day on which it holds, in UTC.
    pub expires: Option<Date>,
    /// What must hold of an event for it to be excepted, the expiry included.
    pub when: Condition,
    /// Where it was written.
    pub written: Written,
}

/// What a file of rules comes to.
#[derive(Debug, Default)]
pub struct Reading {
    /// The rules that were found good.
    pub rules: Vec<Rule>,
    /// Everything that is wrong with the others.
    pub problems: Vec<Diagnostic>,
    /// Rules that are about other logs.
    pub left_out: Vec<LeftOut>,
}

/// A rule that was left out, since it is not about CloudTrail.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// The file.
    pub source: Arc<SourceText>,
    /// Where in it the rule begins, in bytes.
    pub at: usize,
    /// What it is about.
    pub reason: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a line in a log.
    Informational,
    /// Worth a look some time.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth being called.
    High,
    /// Worth being woken.
    Critical,
}

/// An event and whether the rule must match it.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// What the test is called.
    pub name: String,
    /// Whether the rule must match.
    pub matches: bool,
    /// The whole event, the part that was given merged over the neutral record.
    pub event: String,
    /// Where the test stands, in bytes of the rule's text.
    pub offset: usize,
}

impl Severity {
    /// Every severity, least first.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word that rules and findings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

    /// The word that is probably meant by one that is none.
    fn meant(name: &str) -> Option<&'static str> {
        Some(match name.to_ascii_lowercase().as_str() {
            "info" | "notice" | "debug" => "informational",
            "warn" | "warning" | "moderate" => "medium",
            "error" | "major" => "high",
            "crit" | "fatal" | "emergency" => "critical",
            other => return dictionary::nearest(other, Self::ALL.map(Self::as_str)),
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads every rule of a file that shares nothing with others.
pub fn read(name: &Path, bytes: Vec<u8>) -> Reading {
    read_with(name, bytes, &Shared::default())
}

/// Reads every rule of a file: a TOML file holds one of ours, a YAML file any number of Sigma's. They use what is
/// shared, and the exceptions that name them are theirs.
pub fn read_with(name: &Path, bytes: Vec<u8>, shared: &Shared) -> Reading {
    let mut reading = if sigma::is_named(name) {
        match String::from_utf8(bytes) {
            Ok(text) => sigma::read(name, without_mark(text), shared),
            Err(error) => Reading { problems: vec![not_utf8(name, &error)], ..Reading::default() },
        }
    } else {
        match Rule::read(name, bytes, shared) {
            Ok(rule) => Reading { rules: vec![rule], ..Reading::default() },
            Err(problems) => Reading { problems, ..Reading::default() },
        }
    };
    reading.rules.iter_mut().for_each(|rule| shared.except(rule));
    reading
}

/// An editor's byte order mark is no part of the text.
fn without_mark(text: String) -> String {
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

impl Rule {
    fn read(name: &Path, bytes: Vec<u8>, shared: &Shared) -> Result<Self, Vec<Diagnostic>> {
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse_with(name, text, shared),
            Err(error) => Err(vec![not_utf8(name, &error)]),
        }
    }

    /// Reads a rule from the text of its file.
    pub fn parse(name: &Path, text: String) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_with(name, text, &Shared::default())
    }

    /// Reads a rule that uses what rules share from the text of its file.
    pub fn parse_with(name: &Path, text: String, shared: &Shared) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(SourceText { name: name.display().to_string(), text: without_mark(text) });
        let (document, syntax) = syntax::read(&source);
        let mut problems = Vec::new();
        let file = RuleFile::read(&source, document.get_ref(), syntax.is_empty(), &mut problems);
        let rule = compile::compile(&file, &source, shared, &mut problems);
        let problems = syntax::together(syntax, problems);
        match rule {
            Some(rule) if problems.is_empty() => Ok(rule),
            _ => Err(problems),
        }
    }

    /// Parts a tree of the rule's condition, or an explanation of it, into what must hold and the exceptions.
    pub fn parted<'t, T: Tree>(&self, tree: &'t T) -> (Vec<&'t T>, Vec<&'t T>) {
        match tree.node() {
            Node::All(parts) if !self.exceptions.is_empty() => {
                let (wanted, excepted) = parts.split_at(parts.len().saturating_sub(self.exceptions.len()));
                (wanted.iter().collect(), excepted.iter().collect())
            }
            _ => (vec![tree], Vec::new()),
        }
    }

    /// Where a predicate of the condition was written, if that is known.
    pub fn place_of(&self, predicate: &Predicate) -> Option<Written> {
        let (mut number, mut found) = (0, None);
        self.condition.visit(&mut |other| {
            found = found.or(std::ptr::eq(predicate, other).then_some(number));
            number += 1;
        });
        self.places.get(found?).cloned()
    }

    /// Whether the rule is one of Sigma's.
    pub fn is_sigma(&self) -> bool {
        sigma::is_named(Path::new(&self.source.name))
    }

    /// Where the rule says its id.
    pub fn id_place(&self) -> Range<usize> {
        // A Sigma rule's id is the name of its file.
        if self.is_sigma() {
            return self.start..self.start;
        }
        let (document, _) = syntax::read(&self.source);
        document.get_ref().get("id").map_or(0..0, |id| id.span())
    }

    /// Every field that the rule reads, in its condition or its outputs.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        let mut fields = Vec::new();
        self.condition.visit(&mut |predicate| fields.extend(predicate.fields()));
        fields.extend(self.title.fields());
        fields.extend(&self.group_by);
        fields.into_iter()
    }
}

/// Says where a file is not UTF-8.
fn not_utf8(name: &Path, error: &FromUtf8Error) -> Diagnostic {
    let bytes = error.as_bytes();
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]);
    let (text, at) = match is_utf16 {
        true => {
            let units = bytes[2..].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            (char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(), 0)
        }
        // What is none is drawn as a sign that stands for it; what stands before is as it was.
        false => (String::from_utf8_lossy(bytes).into_owned(), error.utf8_error().valid_up_to()),
    };
    let source = Arc::new(SourceText { name: name.display().to_string(), text });
    let what = if is_utf16 { "the file is UTF-16, not UTF-8" } else { "the file is not UTF-8" };
    Diagnostic::new(&source, at..at + char::REPLACEMENT_CHARACTER.len_utf8(), what).hint("save it as UTF-8")
}

/// Finds rules that bear the same id.
pub fn duplicates(rules: &[Rule]) -> Vec<Diagnostic> {
    let mut first = std::collections::HashMap::new();
    let mut problems = Vec::new();
    for rule in rules {
        let earlier: &&Rule = first.entry(rule.id.as_str()).or_insert(rule);
        if !std::ptr::eq(*earlier, rule) {
            problems.push(
                Diagnostic::new(&rule.source, rule.id_place(), format!("a second rule `{}`", rule.id))
                    .label(format!("the first is in {}", earlier.source.name))
                    .hint("give each rule an id of its own"),
            );
        }
    }
    problems
}
