//! Strings of Sigma: `*` is any text, `?` any one character, a backslash before one of the two or before another
//! backslash makes it itself, and before anything else is itself.

use crate::condition::{Literal, Number, Pattern, Test, Text, test::may_be_number_or_flag};
use crate::rule::key::Problem;

/// How a string must lie within a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Whole,
    Start,
    End,
    Anywhere,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    AnyText,
    AnyCharacter,
}

/// The test that a string with wildcards comes to: the plainest that says the same.
pub(super) fn test(text: &str, position: Position, cased: bool) -> Result<Test, Problem> {
    let mut parts = parts(text);
    if matches!(position, Position::End | Position::Anywhere) {
        parts.insert(0, Part::AnyText);
    }
    if matches!(position, Position::Start | Position::Anywhere) {
        parts.push(Part::AnyText);
    }
    parts.dedup_by(|second, first| *first == Part::AnyText && *second == Part::AnyText);
    let text = |text: &str| Text::new(text, !cased);
    let test = match parts.as_slice() {
        [] => Test::Equals(Literal::Text(text(""))),
        [Part::Text(whole)] => Test::Equals(Literal::Text(text(whole))),
        [Part::Text(start), Part::AnyText] => Test::StartsWith(text(start)),
        [Part::AnyText, Part::Text(end)] => Test::EndsWith(text(end)),
        [Part::AnyText, Part::Text(inside), Part::AnyText] => Test::Contains(text(inside)),
        parts => Test::Fits(Pattern::glob(&glob(parts), !cased).map_err(Problem::new)?),
    };
    let loose = may_fit_a_number_or_flag(&parts);
    Ok(if loose { Test::Loosely(Box::new(test)) } else { test })
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let wildcard = match c {
            '*' => Part::AnyText,
            '?' => Part::AnyCharacter,
            '\\' => {
                plain.push(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'));
                continue;
            }
            c => {
                plain.push(c);
                continue;
            }
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(wildcard);
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// The same as a glob of ours.
fn glob(parts: &[Part]) -> String {
    let mut glob = String::new();
    for part in parts {
        match part {
            Part::AnyText => glob.push('*'),
            Part::AnyCharacter => glob.push('?'),
            Part::Text(text) => text.chars().for_each(|c| {
                if matches!(c, '*' | '?' | '\\') {
                    glob.push('\\');
                }
                glob.push(c);
            }),
        }
    }
    glob
}

/// To Sigma all values are strings. Where no number's and no truth value's text can fit, strings alone are tested,
/// which is faster.
fn may_fit_a_number_or_flag(parts: &[Part]) -> bool {
    if let [Part::Text(whole)] = parts {
        return Number::parse(whole).is_some() || ["true", "false"].contains(&whole.to_lowercase().as_str());
    }
    !parts.is_empty() && parts.iter().all(|part| !matches!(part, Part::Text(text) if !may_be_number_or_flag(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;

    fn drawn(text: &str, position: Position) -> String {
        test(text, position, true).unwrap().to_string()
    }

    #[test]
    fn wildcards_come_to_the_plainest_test() {
        use Position::*;
        for (text, position, expected) in [
            ("PutX", Whole, r#"equals "PutX""#),
            ("", Whole, r#"equals """#),
            ("Put*", Whole, r#"starts with "Put""#),
            ("*Put", Whole, r#"ends with "Put""#),
            ("*Put**", Whole, r#"contains "Put""#),
            ("P*t", Whole, r#"fits glob "P*t""#),
            ("P?t", Whole, r#"fits glob "P?t""#),
            ("Put", Start, r#"starts with "Put""#),
            ("Put*", Start, r#"starts with "Put""#),
            ("Put", End, r#"ends with "Put""#),
            ("Put", Anywhere, r#"contains "Put""#),
            ("P*t", Anywhere, r#"fits glob "*P*t*""#),
            ("*", Whole, r#"fits glob "*", loosely"#),
            ("443", Whole, r#"equals "443", loosely"#),
            ("True", Whole, r#"equals "True", loosely"#),
            ("80*", Whole, r#"starts with "80", loosely"#),
            ("Truest", Whole, r#"equals "Truest""#),
        ] {
            assert_eq!(drawn(text, position), expected, "{text}");
        }
    }

    #[test]
    fn a_backslash_escapes_three_characters_and_is_itself_before_others() {
        for (text, fits, not) in [
            (r"a\*", r"a*", r"a\x"),
            (r"a\?", r"a?", r"ab"),
            (r"a\\", r"a\", r"a\\"),
            (r"a\\*", r"a\bc", r"abc"),
            (r"a\\\*", r"a\*", r"a\x"),
            (r"a\b", r"a\b", r"ab"),
            (r"a\", r"a\", r"a"),
            (r"a\\\\", r"a\\", r"a\"),
            (r"C:\Users\*", r"C:\Users*", r"C:\Users\x"),
        ] {
            let test = test(text, Position::Whole, true).unwrap();
            assert!(test.passes(std::iter::once(Value::String(fits))), "{text} does not fit {fits}");
            assert!(!test.passes(std::iter::once(Value::String(not))), "{text} fits {not}");
        }
    }
}
