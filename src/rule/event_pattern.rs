//! EventBridge's event patterns: `{"source": ["aws.xray"], "detail": {"eventName": [{"prefix": "Put"}]}}`.
//!
//! A pattern names fields by their place, and lists for each what one of its values must be. It means here exactly what
//! it means to the service, as far as the service's open matcher (`event-ruler`) shows; docs/rules.md says where it does
//! not. `read` takes the JSON apart, `matcher` reads what stands in the lists, and a [`Pattern`] comes to a
//! [`Condition`] over fields of the event as it is, or as EventBridge would have sent it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use super::key::Problem;
use crate::condition::{Condition, Field, Literal, Strict, Test, Text};
use crate::event::Path;
use crate::event::envelope::SIGN_IN;

mod matcher;
mod read;

/// A pattern that has been found good.
#[derive(Debug)]
pub struct Pattern {
    /// Of these one must hold: a pattern without `$or` has one.
    alternatives: Vec<Alternative>,
    /// Where something stands behind the pattern, which the service does not read.
    rest: Option<Range<usize>>,
}

/// What is asked of each path, in the order in which the service goes through them.
type Alternative = BTreeMap<String, Rc<Asked>>;

/// A list: one of its values must fit.
#[derive(Debug, Default)]
struct Asked {
    /// What a value may pass, with its place.
    tests: Vec<(Test, Range<usize>)>,
    /// Where the list says that the field may be missing.
    missing: Option<Range<usize>>,
}

/// A condition, and where each of its predicates stands in the pattern.
type Compiled = (Condition, Vec<Range<usize>>);

/// Reads a pattern that is to be matched against events as they are. `name` is what messages call it.
pub fn parse(name: &str, text: &str) -> Result<Pattern, Vec<Diagnostic>> {
    let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
    read::read(text).map_err(|problems| problems.into_iter().map(|problem| problem.at_part_of(&source)).collect())
}

/// What must hold of an event for a rule with this pattern, whether the event came in the envelope that EventBridge sends
/// it in or not.
pub(super) fn compile(text: &str) -> Result<Compiled, Vec<Problem>> {
    let pattern = read::read(text)?;
    if let Some(rest) = pattern.rest {
        let problem = Problem::new("something stands behind the pattern").label("the pattern has ended before this");
        return Err(vec![Problem { part: Some(rest), ..problem }]);
    }
    let (condition, places) = pattern.condition(Sort::Enveloped);
    Ok((respelt(condition), places))
}

/// Of the two spellings of a sign-in's `detail-type` events have the first.
fn respelt(condition: Condition) -> Condition {
    let all = |inner: Vec<Condition>| inner.into_iter().map(respelt).collect();
    match condition {
        Condition::All(inner) => Condition::All(all(inner)),
        Condition::Any(inner) => Condition::Any(all(inner)),
        Condition::Not(inner) => Condition::Not(Box::new(respelt(*inner))),
        Condition::Together(inner) => Condition::Together(Box::new(respelt(*inner))),
        Condition::Is(predicate) if predicate.field.to_string() == "detail-type" => {
            Condition::is(predicate.field, respelt_test(predicate.test))
        }
        other => other,
    }
}

fn respelt_test(test: Test) -> Test {
    match test {
        Test::Equals(Literal::Text(text)) if text.as_str() == SIGN_IN[1] => {
            Test::Equals(Literal::Text(Text::new(SIGN_IN[0], false)))
        }
        Test::AnythingBut(test) => Test::AnythingBut(Box::new(respelt_test(*test))),
        Test::Strictly(Strict::OneOf(tests)) => {
            Test::Strictly(Strict::OneOf(tests.into_iter().map(respelt_test).collect()))
        }
        other => other,
    }
}

impl Problem {
    /// The complaint about a text that is all there is.
    fn at_part_of(self, source: &Arc<SourceText>) -> Diagnostic {
        let span = self.part.unwrap_or(0..source.text.len());
        let diagnostic = Diagnostic::new(source, span, self.message).label(self.label);
        Diagnostic { hint: self.hint, ..diagnostic }
    }
}

impl Pattern {
    /// A word about what stands behind the pattern, which the service does not read.
    pub fn rest_of(&self, name: &str, text: &str) -> Option<Diagnostic> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let rest = Diagnostic::new(&source, self.rest.clone()?, "what stands behind the pattern is not read");
        Some(rest.label("the pattern has ended before this"))
    }

    /// What must hold of an event as it is.
    pub fn verbatim(&self) -> Condition {
        self.condition(Sort::AsItIs).0
    }

    fn condition(&self, sort: Sort) -> Compiled {
        let mut places = Vec::new();
        let alternatives = self.alternatives.iter().map(|asked| alternative(asked, sort, &mut places));
        (Condition::any(alternatives.collect()), places)
    }
}

/// What sort of events a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Any JSON object, as it is.
    AsItIs,
    /// EventBridge's, of which `detail` is an object.
    Enveloped,
}

impl Sort {
    fn field(self, path: &str) -> Field {
        match self {
            Self::AsItIs => Field::Path(Path::joined(path)),
            Self::Enveloped => Field::Enveloped(Path::joined(path)),
        }
    }

    /// The names that paths must have in common to lie in one array.
    fn group(self, path: &str) -> &str {
        let above = if self == Self::Enveloped && path.starts_with("detail.") { "detail.".len() } else { 0 };
        path[above..].find('.').map_or(path, |dot| &path[..above + dot])
    }
}

/// Paths of different groups lie in no common array, so each by itself may hold anywhere.
fn alternative(asked: &Alternative, sort: Sort, places: &mut Vec<Range<usize>>) -> Condition {
    let mut groups: Vec<(&str, Vec<Condition>)> = Vec::new();
    let mut paths: Vec<&String> = asked.keys().collect();
    // Other names may stand between those of a group: `a`, `a-b`, `a.c`.
    paths.sort_by_key(|path| (sort.group(path), *path));
    for path in paths {
        let condition = asked[path].condition(&sort.field(path), places);
        match groups.last_mut() {
            Some((name, group)) if *name == sort.group(path) => group.push(condition),
            _ => groups.push((sort.group(path), vec![condition])),
        }
    }
    let together = |group: Vec<Condition>| match group.len() {
        1 => Condition::all(group),
        _ => Condition::Together(Box::new(Condition::All(group))),
    };
    Condition::all(groups.into_iter().map(|(_, group)| together(group)).collect())
}

impl Asked {
    fn condition(&self, field: &Field, places: &mut Vec<Range<usize>>) -> Condition {
        let mut values = Vec::with_capacity(self.tests.len() + 1);
        for (test, place) in &self.tests {
            values.push(Condition::is(field.clone(), test.clone()));
            places.push(place.clone());
        }
        if let Some(place) = &self.missing {
            values.push(Condition::is(field.clone(), Test::Strictly(Strict::Leaf)).negated());
            places.push(place.clone());
        }
        Condition::any(values)
    }
}
