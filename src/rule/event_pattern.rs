//! EventBridge's event patterns: `{"source": ["aws.xray"], "detail": {"eventName": [{"prefix": "Put"}]}}`.
//!
//! A pattern names fields by their place, and lists for each what one of its values must be. It means here exactly what
//! it means to the service, as far as the service's open matcher (`event-ruler`) shows; docs/rules.md says where it does
//! not. [`read`] takes the JSON apart, [`matcher`] reads what stands in the lists, and a [`Pattern`] comes to a
//! [`Condition`] over fields of the event as it is, or as EventBridge would have sent it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use super::key::Problem;
use crate::condition::{Condition, Field, Strict, Test};
use crate::event::Path;

mod matcher;
mod read;

/// A pattern that has been found good.
#[derive(Debug)]
pub struct Pattern {
    /// Of these one must hold: a pattern without `$or` has one.
    alternatives: Vec<Alternative>,
    /// Where something stands behind the pattern, which the service does not read.
    pub rest: Option<Range<usize>>,
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

impl Problem {
    /// The complaint about a text that is all there is.
    fn at_part_of(self, source: &Arc<SourceText>) -> Diagnostic {
        let span = self.part.unwrap_or(0..source.text.len());
        let diagnostic = Diagnostic::new(source, span, self.message).label(self.label);
        Diagnostic { hint: self.hint, ..diagnostic }
    }
}

impl Pattern {
    /// What must hold of an event as it is.
    pub fn verbatim(&self) -> Condition {
        self.condition(&|path| Field::Path(Path::joined(path))).0
    }

    /// What must hold of an event, whether it came in the envelope that EventBridge sends it in or not.
    pub(super) fn enveloped(&self) -> Compiled {
        self.condition(&|path| Field::Enveloped(Path::joined(path)))
    }

    fn condition(&self, field: &dyn Fn(&str) -> Field) -> Compiled {
        let mut places = Vec::new();
        let alternatives = self.alternatives.iter().map(|asked| alternative(asked, field, &mut places));
        (Condition::any(alternatives.collect()), places)
    }
}

/// Paths that begin with different names lie in no common array, so each by itself may hold anywhere.
fn alternative(asked: &Alternative, field: &dyn Fn(&str) -> Field, places: &mut Vec<Range<usize>>) -> Condition {
    let first = |path: &String| path.split('.').next().unwrap_or_default().to_owned();
    let mut groups: Vec<(String, Vec<Condition>)> = Vec::new();
    let mut paths: Vec<&String> = asked.keys().collect();
    // Such names may stand between one another: `a`, `a-b`, `a.c`.
    paths.sort_by_cached_key(|path| (first(path), (*path).clone()));
    for path in paths {
        let condition = asked[path].condition(&field(path), places);
        match groups.last_mut() {
            Some((name, group)) if *name == first(path) => group.push(condition),
            _ => groups.push((first(path), vec![condition])),
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
