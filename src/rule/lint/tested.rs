//! Names in the events of tests that no record has.

use super::{LintCode, Linter};
use crate::event::dictionary::{IDENTITY_FIELDS, RECORD_FIELDS, nearest};
use crate::rule::{Diagnostic, RuleTest};

impl Linter<'_> {
    /// Complains of members that are probably misspelt: what a test says by them, no rule can see.
    pub(super) fn tested(&mut self) {
        for test in &self.rule.tests {
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&test.event) else { continue };
            let below = |name: &str| event.get(name).and_then(|value| value.as_object());
            self.members("", event.as_object(), RECORD_FIELDS, test);
            self.members("userIdentity.", below("userIdentity"), IDENTITY_FIELDS, test);
        }
    }

    fn members(
        &mut self,
        above: &str,
        members: Option<&serde_json::Map<String, serde_json::Value>>,
        known: &[&str],
        test: &RuleTest,
    ) {
        for name in members.into_iter().flat_map(|members| members.keys()) {
            let near = nearest(name, known.iter().copied()).filter(|_| !known.contains(&name.as_str()));
            if let Some(near) = near {
                let message = format!("no record has a field `{above}{name}`");
                let diagnostic = Diagnostic::new(&self.rule.source, self.member_place(name, test), message);
                self.add(LintCode::TestFieldUnknown, diagnostic.hint(format!("did you mean `{above}{near}`?")));
            }
        }
    }

    /// Where the name stands first in the test; the test's own place where it is written otherwise.
    fn member_place(&self, name: &str, test: &RuleTest) -> std::ops::Range<usize> {
        let text = self.rule.source.text.get(test.offset..).unwrap_or("");
        match text.find(name) {
            Some(at) => test.offset + at..test.offset + at + name.len(),
            None => test.offset..test.offset,
        }
    }
}
