//! Lines about what is inside one value: an element of an array, or the document in a string.
//!
//! To the condition around it, it is a test of one field like any other. Fields inside are relative to the element;
//! it is judged over the record's own text, and only ever by the naive evaluator.

use std::cmp::Ordering;
use std::fmt;

use serde_json::value::RawValue;

use super::explain::{Scope, Seen, explain_at, raw_values, text_of};
use super::{Condition, Explanation, Field, Line, Nearness, document, nearness};
use crate::event::raw::{elements, members};

/// What must hold of an element or a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Within {
    /// Whether strings are read as JSON first. What is no string is taken as it is.
    pub json: bool,
    /// Whether one element must do it all. What is no array is an element by itself.
    pub any: bool,
    /// What must hold of it.
    pub condition: Box<Condition>,
}

/// The member that EC2 wraps its arrays in.
const WRAPPER: &str = "items";

impl Within {
    /// The words for it, as findings and explanations use them.
    pub fn operator(&self) -> &'static str {
        match (self.json, self.any) {
            (true, true) => "as JSON, any element has",
            (true, false) => "as JSON has",
            (false, _) => "any element has",
        }
    }

    /// Whether one of the things that the field holds passes, and what was seen: the nearest of them, and strings that
    /// could not be read; where there was none of them, the values.
    pub(super) fn judge(&self, field: &Field, scope: &Scope<'_, '_>) -> (bool, Vec<Seen>) {
        let values = raw_values(field, scope);
        let mut judged = Judged { within: self, scope, nearest: None, unreadable: Vec::new() };
        for value in &values {
            judged.value(value);
        }
        let Judged { nearest, mut unreadable, .. } = judged;
        let holds = nearest.as_ref().is_some_and(|nearest| nearest.explanation.holds());
        if let Some(nearest) = nearest {
            unreadable.insert(0, Seen::Element(nearest.text, Box::new(nearest.explanation)));
        } else if unreadable.is_empty() {
            unreadable.extend(values.into_iter().map(Seen::of_raw));
        }
        (holds, unreadable)
    }
}

/// What has been judged so far.
struct Judged<'w, 's, 'e> {
    within: &'w Within,
    scope: &'w Scope<'s, 'e>,
    nearest: Option<Nearest>,
    unreadable: Vec<Seen>,
}

/// The element that came nearest.
struct Nearest {
    text: String,
    explanation: Explanation,
}

impl Judged<'_, '_, '_> {
    fn value(&mut self, value: &RawValue) {
        if self.within.json { self.document(value) } else { self.each_element(value) }
    }

    /// Reads strings; of an array with strings in it, each of them.
    fn document(&mut self, value: &RawValue) {
        if let Some(text) = text_of(value) {
            if let Err(why) = self.text(&text) {
                self.unreadable.push(Seen::NoDocument(text, why));
            }
            return;
        }
        let inner = elements(value.get());
        match inner.iter().any(|element| element.get().starts_with('"')) {
            true => inner.into_iter().for_each(|element| self.document(element)),
            false => self.inside(value),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let json = document::read(text)?;
        let document: &RawValue = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        self.inside(document);
        Ok(())
    }

    fn inside(&mut self, document: &RawValue) {
        match document.get().as_bytes().first() {
            _ if self.within.any => self.each_element(document),
            Some(b'{' | b'[') => self.element(document),
            _ => {}
        }
    }

    /// Objects are elements, and nothing else has fields. An empty one is how AWS writes a list of none.
    fn each_element(&mut self, value: &RawValue) {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'[') => elements(text).into_iter().for_each(|element| self.each_element(element)),
            Some(b'{') => match &members(text)[..] {
                [] => {}
                [(name, inner)] if name.eq_ignore_ascii_case(WRAPPER) => self.each_element(inner),
                _ => self.element(value),
            },
            _ => {}
        }
    }

    fn element(&mut self, element: &RawValue) {
        if self.nearest.as_ref().is_some_and(|nearest| nearest.explanation.holds()) {
            return;
        }
        let scope = Scope { element: Some(element), ..*self.scope };
        let explanation = explain_at(&self.within.condition, &scope);
        let nearer = |nearest: &Nearest| {
            let of = |explanation| -> Nearness<'_> { nearness([explanation]) };
            explanation.holds() || of(&explanation).order(&of(&nearest.explanation)) == Ordering::Greater
        };
        if self.nearest.as_ref().is_none_or(nearer) {
            self.nearest = Some(Nearest { text: element.get().to_owned(), explanation });
        }
    }
}

/// `{ fromPort equals 22 and cidrIp equals "0.0.0.0/0" }`
impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ {} }}", drawn(&self.condition))
    }
}

fn drawn(condition: &Condition) -> String {
    if let Some(line) = Line::of(condition) {
        return line.to_string();
    }
    let joined = |inner: &[Condition], with: &str| inner.iter().map(drawn).collect::<Vec<_>>().join(with);
    match condition {
        Condition::All(inner) => joined(inner, " and "),
        Condition::Any(inner) => format!("({})", joined(inner, " or ")),
        Condition::Not(inner) => format!("not ({})", drawn(inner)),
        Condition::Together(inner) => drawn(inner),
        Condition::Is(predicate) => predicate.to_string(),
    }
}
