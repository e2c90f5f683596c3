//! Lines that ask for a string where there is a number or a flag, or the other way round: they can never hold.

use super::known::{KINDS, Kind, PARAMETER_KINDS};
use super::{LintCode, Linter, is_named};
use crate::condition::{Field, Literal, Predicate, Test};
use crate::event::Derived;

impl Linter<'_> {
    /// Judges a predicate by what its field always holds.
    pub(super) fn kind(&mut self, predicate: &Predicate) {
        let found = match &predicate.field {
            Field::Derived(derived) => Some(kind_of(*derived)),
            field => KINDS.iter().find(|(name, _)| is_named(field, name)).map(|&(_, kind)| kind),
        };
        found.into_iter().for_each(|kind| self.mismatch(predicate, kind));
    }

    /// The same of the parameters of a service's calls.
    pub(super) fn parameter_kind(&mut self, service: &str, predicate: &Predicate) {
        let of = |table: &&(&str, &[(&str, Kind)])| table.0 == service;
        let Some((_, kinds)) = PARAMETER_KINDS.iter().find(of) else { return };
        if let Some((_, kind)) = kinds.iter().find(|(name, _)| is_named(&predicate.field, name)) {
            self.mismatch(predicate, *kind);
        }
    }

    fn mismatch(&mut self, predicate: &Predicate, kind: Kind) {
        if fits(&predicate.test, kind) {
            return;
        }
        let (field, holds) = (&predicate.field, kind.words());
        let diagnostic = self.at_predicate(predicate, format!("`{field}` is always {holds}, so this can never hold"));
        let hint = match (&predicate.test, kind) {
            (Test::Equals(Literal::Text(text)), Kind::Number) => format!("leave the quotes out: `{}`", text.written()),
            (Test::Equals(Literal::Number(number)), Kind::Text) => {
                format!("put it into quotes: `\"{}\"`", number.as_str())
            }
            (_, Kind::Flag) => format!("write `{field} = true` or `false`"),
            _ => {
                "with `loose` a number also counts as its text, and a string that is a number as that number".to_owned()
            }
        };
        self.add(LintCode::TypeMismatch, diagnostic.hint(hint));
    }
}

fn kind_of(derived: Derived) -> Kind {
    match derived {
        Derived::SessionAge => Kind::Number,
        flag if flag.is_flag() => Kind::Flag,
        _ => Kind::Text,
    }
}

/// Whether a test can hold of a value of a kind. A flag in quotes has a lint of its own.
fn fits(test: &Test, kind: Kind) -> bool {
    let flag = |text: &str| matches!(text, "true" | "false");
    match test {
        Test::Equals(Literal::Text(text)) => {
            matches!(kind, Kind::Text | Kind::FlagInText) || (kind == Kind::Flag && flag(text.as_str()))
        }
        Test::Equals(Literal::Number(_)) | Test::Number(..) => kind == Kind::Number,
        Test::Equals(Literal::Bool(_)) => kind != Kind::Text && kind != Kind::Number,
        Test::StartsWith(_) | Test::EndsWith(_) | Test::Contains(_) | Test::Fits(_) | Test::InNetwork(_) => {
            matches!(kind, Kind::Text | Kind::FlagInText)
        }
        Test::Hour(..) | Test::Day(_) | Test::Before(_) | Test::Length(..) => kind == Kind::Text,
        _ => true,
    }
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::FlagInText => "the string `true` or `false`",
            Self::Flag => "true or false",
            Self::Number => "a number",
        }
    }
}
