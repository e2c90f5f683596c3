//! What a policy document must be like: the test behind `|policy`.
//!
//! Everything that is asked must be true of *one* statement that allows. What narrows such a statement is judged where
//! that is certain, and otherwise told and not judged: a grant that may be narrow still counts as one.

use std::fmt;

use serde_json::value::RawValue;

use super::Field;
use super::explain::{Scope, Seen, raw_values};
use super::list::Membership;
use crate::event::raw::elements;

mod confine;
pub mod document;
pub mod glob;
mod judge;

pub use document::{Document, NotAPolicy};
pub use glob::Glob;

/// What one statement that allows must be like. What is empty is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Whether it lets everyone in.
    pub grants_public: Option<bool>,
    /// Whether it lets in somebody of another account than the record's own.
    pub grants_external: Option<bool>,
    /// Accounts, organizations and networks that do not count as another's.
    pub trusted: Vec<String>,
    /// Lists of such.
    pub trusted_lists: Vec<Membership>,
    /// It names one of these principals.
    pub principals: Vec<Glob>,
    /// It allows some call that one of these fits.
    pub allows: Vec<Glob>,
    /// It allows every call that any of these fits.
    pub allows_all: Vec<Glob>,
    /// It is about some resource that one of these fits.
    pub resources: Vec<Glob>,
    /// It is about every resource that any of these fits.
    pub resources_all: Vec<Glob>,
    /// It has a condition on one of these keys.
    pub has_condition: Vec<Glob>,
    /// It has no condition on any of these keys that binds.
    pub lacks_condition: Vec<Glob>,
}

/// How many policies of one field are told of.
const NOTES_SHOWN_MAX: usize = 3;

/// What came of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether some statement is as asked.
    pub holds: bool,
    /// Which statement, and why; or why none.
    pub note: String,
}

impl Policy {
    /// The most text that the lists of one policy may have together, in bytes. It bounds what a document costs.
    pub const BYTES_MAX: usize = 4_096;

    /// Judges what a field holds; of an array each element. The notes on those that are as asked come first.
    pub(super) fn judge_field(&self, field: &Field, scope: &Scope<'_, '_>) -> (bool, Vec<Seen>) {
        let mut waiting = raw_values(field, scope);
        waiting.reverse();
        let mut judged = Vec::new();
        while let Some(value) = waiting.pop() {
            match value.get().starts_with('[') {
                true => waiting.extend(elements(value.get()).into_iter().rev()),
                false => judged.push(self.judge(value, scope.event.account())),
            }
        }
        judged.sort_by_key(|judgement| !judgement.holds);
        judged.truncate(NOTES_SHOWN_MAX);
        let holds = judged.first().is_some_and(|first| first.holds);
        (holds, judged.into_iter().map(|judgement| Seen::Note(judgement.note)).collect())
    }

    /// Judges a document, given the account whose record it stands in.
    pub fn judge(&self, value: &RawValue, account: Option<&str>) -> Judgement {
        match Document::read(value) {
            Ok(document) => judge::judge(self, &document, account),
            Err(reason) => Judgement { holds: false, note: format!("no policy: {reason}") },
        }
    }

    /// Whether anything is asked of a statement's principals.
    fn asks_for_principals(&self) -> bool {
        self.grants_public.is_some() || self.grants_external.is_some() || !self.principals.is_empty()
    }

    /// The lists, with the keys that rules have for them.
    pub fn lists(&self) -> [(&'static str, &[Glob]); 7] {
        [
            ("principals", &self.principals),
            ("allows", &self.allows),
            ("allows_all", &self.allows_all),
            ("resources", &self.resources),
            ("resources_all", &self.resources_all),
            ("has_condition", &self.has_condition),
            ("lacks_condition", &self.lacks_condition),
        ]
    }
}

/// As rules write it: `{ grants_public = true, allows = ["iam:*"] }`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [("grants_public", self.grants_public), ("grants_external", self.grants_external)];
        let mut parts: Vec<String> =
            flags.iter().filter_map(|(name, flag)| Some(format!("{name} = {}", (*flag)?))).collect();
        let lists = self.trusted_lists.iter().map(|membership| membership.list.name());
        let trusted: Vec<&str> = self.trusted.iter().map(String::as_str).chain(lists).collect();
        let lists = self.lists().map(|(name, globs)| (name, globs.iter().map(Glob::as_str).collect::<Vec<_>>()));
        for (name, list) in std::iter::once(("trusted", trusted)).chain(lists).filter(|(_, list)| !list.is_empty()) {
            parts.push(format!("{name} = {}", serde_json::Value::from(list).to_string().replace("\",\"", "\", \"")));
        }
        write!(f, "{{ {} }}", parts.join(", "))
    }
}
