//! The JSON of a pattern, taken apart with the place of everything in it.
//!
//! `serde_json` says where the text is no JSON, and gives parts of it as slices, whose place is where they stand in the
//! text. Everything that is wrong is complained about, not the first thing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::matcher::{self, MATCHERS};
use super::{Alternative, Asked, Pattern};
use crate::event::projection::unescape;
use crate::event::raw::{elements, raw_members};
use crate::rule::json;
use crate::rule::key::Problem;

/// The most alternatives that several `$or` may multiply out to, as EventBridge has it.
const ALTERNATIVES_MAX: usize = 1_000;
/// The most values of all alternatives together.
const VALUES_MAX: usize = 100_000;
/// The deepest nesting.
const NESTING_MAX: usize = 100;
/// The name that alternatives stand under.
const OR: &str = "$or";

/// Names that EventBridge keeps for itself within `$or`.
const RESERVED: [&str; 25] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "html",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Reads a pattern.
pub fn read(text: &str) -> Result<Pattern, Vec<Problem>> {
    let (raw, rest) = first_object(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader { text, problems: Vec::new(), depth: 0, in_alternative: false };
    let mut alternatives = vec![BTreeMap::new()];
    reader.object(raw, None, &mut alternatives);
    if reader.problems.is_empty() { Ok(Pattern { alternatives, rest }) } else { Err(reader.problems) }
}

/// The object that the text begins with, and where something stands behind it.
fn first_object(text: &str) -> Result<(&RawValue, Option<Range<usize>>), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::new("the pattern is empty").hint("for example `{\"source\": [\"aws.xray\"]}`"));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let raw = match values.next() {
        Some(Ok(raw)) => raw,
        Some(Err(error)) => return Err(json::problem("pattern", text, &error)),
        None => return Err(Problem::new("the pattern is empty")),
    };
    if !raw.get().starts_with('{') {
        let problem = Problem { part: Some(place(text, raw.get())), ..Problem::new("a pattern is a JSON object") };
        return Err(problem.hint("it stands in braces: `{\"source\": [\"aws.xray\"]}`"));
    }
    let end = values.byte_offset();
    let rest = text[end..].trim();
    Ok((raw, (!rest.is_empty()).then(|| place(text, rest))))
}

/// Where a slice of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

pub(super) struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    depth: usize,
    in_alternative: bool,
}

impl<'t> Reader<'t> {
    /// Complains about a part of the text.
    pub(super) fn complain(&mut self, part: &str, problem: Problem) {
        self.problems.push(Problem { part: Some(place(self.text, part)), ..problem });
    }

    /// Reads what stands in braces below a path, into every alternative there is.
    fn object(&mut self, raw: &'t RawValue, path: Option<&str>, alternatives: &mut Vec<Alternative>) {
        let members = raw_members(raw.get());
        if members.is_empty() {
            let problem = Problem::new("an empty object").label("it asks of no field");
            return self.complain(raw.get(), problem.hint("to ask that a field is there write `[{\"exists\": true}]`"));
        }
        if self.depth == NESTING_MAX {
            return self.complain(raw.get(), Problem::new(format!("objects nest deeper than {NESTING_MAX}")));
        }
        self.depth += 1;
        for (key, value) in members {
            self.member(key, value, path, alternatives);
        }
        self.depth -= 1;
    }

    fn member(
        &mut self,
        key: &'t RawValue,
        value: &'t RawValue,
        path: Option<&str>,
        alternatives: &mut Vec<Alternative>,
    ) {
        let name = string(key);
        if name == OR && !is_field(value) {
            return self.or(key, value, path, alternatives);
        }
        if self.in_alternative && RESERVED.contains(&name.as_str()) {
            let problem = Problem::new(format!("`{name}` cannot be the name of a field within `{OR}`"));
            return self.complain(key.get(), problem.label("EventBridge keeps it for itself"));
        }
        if let Some(hint) = joined(&name).filter(|_| is_alternatives(value)) {
            let problem = Problem::new(format!("`{name}` is the name of a field here"));
            return self.complain(key.get(), problem.hint(hint));
        }
        let path = path.map_or(name.clone(), |above| format!("{above}.{name}"));
        match value.get().as_bytes().first() {
            Some(b'{') => self.object(value, Some(&path), alternatives),
            Some(b'[') => {
                let asked = Rc::new(self.asked(value));
                for alternative in alternatives {
                    alternative.insert(path.clone(), Rc::clone(&asked));
                }
            }
            _ => {
                let problem = Problem::new("a field is asked for with a list or an object");
                let hint = match MATCHERS.contains(&name.as_str()) {
                    true => format!("a matcher stands in a list: `[{{\"{name}\": {}}}]`", value.get()),
                    false => format!("write `[{}]`", value.get()),
                };
                self.complain(value.get(), problem.hint(hint));
            }
        }
    }

    /// Every alternative is multiplied by those of `$or`.
    fn or(&mut self, key: &'t RawValue, value: &'t RawValue, path: Option<&str>, alternatives: &mut Vec<Alternative>) {
        if !value.get().starts_with('[') {
            let problem = Problem::new(format!("`{OR}` needs a list of objects, of which one must hold"));
            return self.complain(value.get(), problem);
        }
        let listed = elements(value.get());
        if let Some(other) = listed.iter().find(|element| !element.get().starts_with('{')) {
            let problem = Problem::new(format!("only objects can be alternatives of `{OR}`"));
            return self.complain(other.get(), problem.hint(format!("write `{{\"field\": [{}]}}`", other.get())));
        }
        if listed.len() < 2 {
            let problem = Problem::new(format!("`{OR}` needs at least two alternatives, and has {}", listed.len()));
            return self.complain(value.get(), problem);
        }
        let count = alternatives.len() * listed.len();
        if count > ALTERNATIVES_MAX {
            let problem = Problem::new(format!("the alternatives of `{OR}` multiply out to {count} or more"));
            return self.complain(key.get(), problem.label(format!("at most {ALTERNATIVES_MAX}")));
        }
        let before = std::mem::take(alternatives);
        let outside = std::mem::replace(&mut self.in_alternative, true);
        for element in listed {
            let mut branch = before.clone();
            self.object(element, path, &mut branch);
            alternatives.append(&mut branch);
        }
        self.in_alternative = outside;
        let values: usize = alternatives.iter().flat_map(BTreeMap::values).map(|asked| asked.tests.len() + 1).sum();
        if values > VALUES_MAX {
            let problem = Problem::new(format!("the alternatives multiply out to {values} values"));
            self.complain(key.get(), problem.label(format!("at most {VALUES_MAX}")));
            // What follows would multiply them again.
            alternatives.truncate(1);
        }
    }

    /// Reads the list of what a field may be.
    fn asked(&mut self, list: &'t RawValue) -> Asked {
        let mut asked = Asked::default();
        let values = elements(list.get());
        if values.is_empty() {
            let problem = Problem::new("an empty list").label("no value is in it, so it would never hold");
            self.complain(list.get(), problem);
        }
        for value in values {
            matcher::value(self, value, place(self.text, value.get()), &mut asked);
        }
        asked
    }
}

/// What to write for a word that joins objects in another language.
fn joined(name: &str) -> Option<&'static str> {
    Some(match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
        "or" | "any" | "anyof" | "any_of" => "did you mean `$or`?",
        "and" | "all" | "allof" | "all_of" => {
            "all fields of an object must hold: write them beside each other, without this"
        }
        "not" | "none" | "nor" => "what a field must not be is `[{\"anything-but\": …}]`",
        _ => return None,
    })
}

fn is_alternatives(value: &RawValue) -> bool {
    let is_object = |element: &&RawValue| element.get().starts_with('{') && !is_matcher(element);
    let listed = if value.get().starts_with('[') { elements(value.get()) } else { Vec::new() };
    !listed.is_empty() && listed.iter().all(is_object)
}

fn is_matcher(object: &RawValue) -> bool {
    match &raw_members(object.get())[..] {
        [(key, _)] => MATCHERS.contains(&string(key).as_str()),
        _ => false,
    }
}

/// Whether `$or` is the name of a field: what it has is nothing that could be alternatives, and all of it could be values.
fn is_field(value: &RawValue) -> bool {
    let is_value = |element: &&RawValue| match element.get().as_bytes().first() {
        Some(b'{') => is_matcher(element),
        first => first != Some(&b'['),
    };
    match value.get().as_bytes().first() {
        Some(b'[') => {
            let listed = elements(value.get());
            !listed.is_empty() && listed.iter().all(is_value)
        }
        first => first == Some(&b'{'),
    }
}

/// The string that a part of the text is.
pub(super) fn string(raw: &RawValue) -> String {
    let mut text = String::new();
    unescape(raw.get(), &mut text);
    text
}
