//! What rules share: lists, selections, and exceptions in files of their own.
//!
//! It is read before the rules, since rules are compiled with it at hand. What ships with us is read first; what a user
//! has of the same name takes its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use super::compile::{self, Context};
use super::diagnostic::{Diagnostic, SourceText};
use super::expression::SELECTIONS_MAX;
use super::file::SelectionFile;
use super::file::shared::{SharedFile, is_shared};
use super::key::Problem;
use super::{Exception, Lint, LintCode, Rule, Written, expression, lint, list, syntax};
use crate::condition::line::Line;
use crate::condition::list::Values;
use crate::condition::{Condition, List, Pattern, Zone};
use crate::event::dictionary::nearest;

/// What rules share. What is broken is known by name, so that it is complained about once.
#[derive(Debug, Default)]
pub struct Shared {
    lists: BTreeMap<String, Entry<Arc<List>>>,
    selections: BTreeMap<String, Entry<SharedSelection>>,
    exceptions: Vec<SharedException>,
    /// Whether a list that is not there is taken to be provided later.
    assumes_lists: bool,
}

#[derive(Debug)]
struct Entry<T> {
    /// `None` if it is broken.
    value: Option<T>,
    written: Written,
    /// Whether it may be empty, or replaced: it ships with us.
    shipped: bool,
    may_be_empty: bool,
}

/// Lines with a name.
#[derive(Debug, Clone)]
pub(super) struct SharedSelection {
    pub condition: Condition,
    /// Where its predicates stand.
    pub places: Vec<Written>,
}

/// An exception, and the rules that it is for.
#[derive(Debug)]
struct SharedException {
    exception: Exception,
    places: Vec<Written>,
    rules: Vec<Wanted>,
    origin: Origin,
}

/// Rules by their id or by a tag.
#[derive(Debug)]
struct Wanted {
    text: String,
    pattern: Pattern,
    written: Written,
}

/// What marks the name of a tag, among the rules of an exception.
const TAG: &str = "tag:";

/// The text of a file that rules share.
#[derive(Debug)]
pub struct SharedText {
    source: Arc<SourceText>,
    origin: Origin,
}

/// How a file that rules share came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It ships with us; what a user has of the same name takes its place.
    Shipped,
    /// It was named, or stands in a folder that was.
    Named,
    /// It stands beside a rule that was named, so that it may be about other rules too.
    Beside,
}

/// A file that has been read.
struct Read<'t> {
    file: SharedFile,
    text: &'t SharedText,
    zone: Option<Zone>,
}

/// A selection as it was written, with the zone of its file.
type Selection<'f> = (&'f SelectionFile, Option<&'f Zone>);

impl SharedText {
    /// The text of a file, if it is one that rules share and no rule.
    pub fn of(name: &Path, bytes: &[u8], origin: Origin) -> Option<Self> {
        let text = super::without_mark(std::str::from_utf8(bytes).ok()?.to_owned());
        // Most files are rules, which need not be read twice.
        if super::sigma::is_named(name) || !["list", "selection", "exception"].iter().any(|key| text.contains(key)) {
            return None;
        }
        let source = Arc::new(SourceText { name: name.display().to_string(), text });
        let shared = is_shared(syntax::read(&source).0.get_ref());
        shared.then_some(Self { source, origin })
    }
}

impl Shared {
    /// Shares nothing, and takes every list that a rule names to be provided later.
    pub(super) fn assuming_lists() -> Self {
        Self { assumes_lists: true, ..Self::default() }
    }

    /// Reads files; `open` gives the text of a table that a file names.
    pub fn read(
        texts: &[SharedText],
        mut open: impl FnMut(&Path, &str) -> Result<Arc<SourceText>, String>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut shared = Self::default();
        let mut problems = Vec::new();
        let mut files = Vec::new();
        for text in texts {
            let (document, syntax) = syntax::read(&text.source);
            let mut found = Vec::new();
            let file = SharedFile::read(&text.source, document.get_ref(), syntax.is_empty(), &mut found);
            problems.extend(syntax::together(syntax, found));
            shared.add_lists(&file, text, &mut |name| open(Path::new(&text.source.name), name), &mut problems);
            let zone = compile::zone(file.zone.as_ref(), &text.source, &mut problems);
            files.push(Read { file, text, zone });
        }
        shared.add_selections(&files, &mut problems);
        for read in &files {
            shared.add_exceptions(read, &mut problems);
        }
        (shared, problems)
    }

    fn add_lists(
        &mut self,
        file: &SharedFile,
        text: &SharedText,
        open: &mut list::Open<'_>,
        problems: &mut Vec<Diagnostic>,
    ) {
        for list in &file.lists {
            let value = list::compile(list, &text.source, open, problems).map(Arc::new);
            let written = Written { source: Arc::clone(&text.source), span: list.name.1.clone() };
            let entry =
                Entry { value, written, shipped: text.origin == Origin::Shipped, may_be_empty: list.may_be_empty };
            problems.extend(put(&mut self.lists, &list.name.0, entry, "list"));
        }
    }

    /// Compiles selections, those first that others use.
    fn add_selections(&mut self, files: &[Read<'_>], problems: &mut Vec<Diagnostic>) {
        let mut waiting: BTreeMap<String, Entry<Selection<'_>>> = BTreeMap::new();
        for Read { file, text, zone } in files {
            for selection in &file.selections {
                let written = Written { source: Arc::clone(&text.source), span: selection.name.1.clone() };
                let value = Some((selection, zone.as_ref()));
                let entry = Entry { value, written, shipped: text.origin == Origin::Shipped, may_be_empty: false };
                if waiting.len() == SELECTIONS_MAX {
                    return problems.push(entry.written.say(format!("more than {SELECTIONS_MAX} shared selections")));
                }
                problems.extend(put(&mut waiting, &selection.name.0, entry, "selection"));
            }
        }
        while !waiting.is_empty() {
            let uses_waiting = |(file, _): Selection<'_>| file.used().any(|name| waiting.contains_key(name));
            let ready = waiting.iter().find(|(_, entry)| !entry.value.is_some_and(uses_waiting));
            let Some(name) = ready.map(|(name, _)| name.clone()) else {
                return self.circular(waiting, problems);
            };
            if let Some(entry) = waiting.remove(&name) {
                self.add_selection(entry, problems);
            }
        }
    }

    fn add_selection(&mut self, entry: Entry<Selection<'_>>, problems: &mut Vec<Diagnostic>) {
        let Entry { value: Some((file, zone)), written, .. } = entry else { return };
        let value = match expression::check_name(&file.name.0) {
            Ok(()) => {
                let context = Context { source: &written.source, shared: self, zone };
                let compiled = compile::selection(&context, file, problems);
                compiled.map(|(condition, places)| SharedSelection { condition, places })
            }
            Err(problem) => {
                problems.push(problem.at_place(&written.source, written.span.clone()));
                None
            }
        };
        let entry = Entry { value, written, shipped: entry.shipped, may_be_empty: false };
        self.selections.insert(file.name.0.clone(), entry);
    }

    /// Complains of selections that lead to themselves, or to such.
    fn circular(&mut self, waiting: BTreeMap<String, Entry<Selection<'_>>>, problems: &mut Vec<Diagnostic>) {
        let names: Vec<&str> = waiting.keys().map(String::as_str).collect();
        let message = format!("selections that use each other: {}", names.join(", "));
        if let Some(first) = waiting.values().next() {
            let problem = Problem::new(message).hint("write what they have in common into a selection of its own");
            problems.push(problem.at_place(&first.written.source, first.written.span.clone()));
        }
        for (name, entry) in waiting {
            self.selections.insert(name, Entry { value: None, ..entry.empty() });
        }
    }

    fn add_exceptions(&mut self, Read { file, text, zone }: &Read<'_>, problems: &mut Vec<Diagnostic>) {
        for (exception, rules) in &file.exceptions {
            let context = Context { source: &text.source, shared: self, zone: zone.as_ref() };
            let compiled = compile::exception(&context, exception, problems);
            let rules = rules.iter().filter_map(|(name, span)| {
                let written = Written { source: Arc::clone(&text.source), span: span.clone() };
                wanted(name, written).map_err(|problem| problems.push(problem)).ok()
            });
            let rules: Vec<Wanted> = rules.collect();
            if let Some((exception, places)) = compiled {
                self.exceptions.push(SharedException { exception, places, rules, origin: text.origin });
            }
        }
    }

    /// The list of a name; `Ok(None)` if it is broken.
    pub(super) fn list(&self, name: &str) -> Result<Option<Arc<List>>, Problem> {
        match self.lists.get(name) {
            Some(entry) => Ok(entry.value.clone()),
            None if self.assumes_lists => Ok(Some(Arc::new(List::new(name, Values::Unknown)))),
            None => {
                Err(unknown("list", name, self.lists.keys(), "with `values = […]`; values themselves need no list"))
            }
        }
    }

    /// The selection of a name; `Ok(None)` if it is broken.
    pub(super) fn selection(&self, name: &str) -> Result<Option<&SharedSelection>, Problem> {
        match self.selections.get(name) {
            Some(entry) => Ok(entry.value.as_ref()),
            None => Err(unknown("shared selection", name, self.selections.keys(), "with its lines")),
        }
    }

    /// The names of selections.
    pub(super) fn selection_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.selections.keys().map(String::as_str)
    }

    /// Gives a rule the exceptions that are for it, behind its own.
    pub fn except(&self, rule: &mut Rule) {
        for shared in &self.exceptions {
            if shared.rules.iter().any(|wanted| wanted.is(rule)) {
                shared.except(rule);
            }
        }
    }

    /// Says what is odd about what is shared, given all the rules.
    pub fn lint(&self, rules: &[Rule], today: Date) -> Vec<Lint> {
        let mut lints = Vec::new();
        for (name, entry) in &self.lists {
            if entry.value.as_ref().is_some_and(|list| list.is_empty()) && !entry.may_be_empty {
                let diagnostic = entry.written.say(format!("the list `{name}` is empty: nothing is in it"));
                lints.push(Lint {
                    code: LintCode::EmptyList,
                    diagnostic: diagnostic.hint("add `may_be_empty = true` if that is meant"),
                });
            }
        }
        for shared in &self.exceptions {
            lints.extend(lint::expired(&shared.exception, today));
            if shared.origin == Origin::Named {
                lints.extend(shared.rules.iter().filter_map(|wanted| wanted.unused(rules)));
            }
        }
        lints
    }
}

impl<T> Entry<T> {
    fn empty<U>(self) -> Entry<U> {
        Entry { value: None, written: self.written, shipped: self.shipped, may_be_empty: self.may_be_empty }
    }
}

impl Written {
    fn say(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, self.span.clone(), message)
    }
}

/// Puts something under its name. A second one of the same origin is a mistake.
fn put<T>(entries: &mut BTreeMap<String, Entry<T>>, name: &str, entry: Entry<T>, what: &str) -> Option<Diagnostic> {
    match entries.get(name) {
        Some(earlier) if earlier.shipped == entry.shipped => {
            let problem = entry.written.say(format!("a second {what} `{name}`"));
            Some(problem.label(format!("the first is in {}", earlier.written.source.name)))
        }
        _ => {
            entries.insert(name.to_owned(), entry);
            None
        }
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n String> + Clone, with: &str) -> Problem {
    let problem = Problem::new(format!("there is no {what} `{name}`"));
    if let Some(near) = nearest(name, known.clone().map(String::as_str)) {
        return problem.near(Some(near));
    }
    if let (true, Some((stem, "csv" | "txt" | "json"))) = (what == "list", name.rsplit_once('.')) {
        return problem
            .label("a list is named here, not a file")
            .hint(format!("declare it in a file beside the rules: `[lists.{stem}]`, with `file = \"{name}\"`"));
    }
    let names: Vec<&str> = known.take(NAMES_SHOWN_MAX).map(String::as_str).collect();
    let problem = if names.is_empty() { problem } else { problem.label(format!("there are {}", names.join(", "))) };
    let table = if what == "list" { "lists" } else { "selections" };
    problem.hint(format!("declare it in a file beside the rules: `[{table}.{name}]`, {with}"))
}

/// How many names a message lists.
const NAMES_SHOWN_MAX: usize = 10;

/// Reads the name of rules: an id or `tag:` and a tag, with `*` for any text.
fn wanted(text: &str, written: Written) -> Result<Wanted, Diagnostic> {
    let name = text.strip_prefix(TAG).unwrap_or(text);
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "*-._:/".contains(c);
    match Pattern::glob(name, false) {
        Ok(pattern) if !name.is_empty() && name.chars().all(fine) => {
            Ok(Wanted { text: text.to_owned(), pattern, written })
        }
        _ => Err(written
            .say(format!("`{text}` names no rules"))
            .label("expected an id, or `tag:` and a tag, in which `*` is any text")),
    }
}

impl SharedException {
    fn except(&self, rule: &mut Rule) {
        let mut predicates = 0;
        rule.condition.visit(&mut |_| predicates += 1);
        if rule.places.len() == predicates {
            rule.places.extend(self.places.iter().cloned());
        }
        // A line with a list, all of which must hold, is one part.
        let is_block = !rule.exceptions.is_empty() || Line::of(&rule.condition).is_none();
        let mut parts = match std::mem::replace(&mut rule.condition, Condition::All(Vec::new())) {
            Condition::All(parts) if is_block => parts,
            other => vec![other],
        };
        parts.push(self.exception.when.clone().negated());
        rule.condition = Condition::All(parts);
        rule.exceptions.push(self.exception.clone());
    }
}

impl Wanted {
    fn is(&self, rule: &Rule) -> bool {
        match self.text.starts_with(TAG) {
            true => rule.tags.iter().any(|tag| self.pattern.fits(tag)),
            false => self.pattern.fits(&rule.id),
        }
    }

    /// Says so if no rule is meant.
    fn unused(&self, rules: &[Rule]) -> Option<Lint> {
        if rules.iter().any(|rule| self.is(rule)) {
            return None;
        }
        let text = &self.text;
        let (what, near) = match text.strip_prefix(TAG) {
            Some(tag) => {
                ("no rule has the tag", nearest(tag, rules.iter().flat_map(|rule| &rule.tags).map(String::as_str)))
            }
            None => ("there is no rule", nearest(text, rules.iter().map(|rule| rule.id.as_str()))),
        };
        let diagnostic =
            self.written.say(format!("{what} `{}`, so this excepts nothing", text.trim_start_matches(TAG)));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        Some(Lint { code: LintCode::ExceptionUnused, diagnostic: Diagnostic { hint, ..diagnostic } })
    }
}
