//! What is wrong with a text that should be JSON, said so that it helps whoever wrote it by hand.
//!
//! `serde_json` says where it stumbled, in words of its grammar. What stands at that place tells what was meant: a
//! comment, a quote of another language, a comma too many.

use std::ops::Range;

use super::key::Problem;
use super::syntax::TYPOGRAPHIC;

/// The complaint about a text, `what` it is, that `serde_json` has refused. Its part is one of the text.
pub(super) fn problem(what: &str, text: &str, error: &serde_json::Error) -> Problem {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (before + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default();
    let found = Stumble { text, at }.found(reason, error.is_eof());
    let problem = Problem::new(format!("the {what} is not JSON: {}", found.reason));
    Problem { part: Some(found.part), hint: found.hint, ..problem }
}

/// Where the reader stumbled.
#[derive(Clone, Copy)]
struct Stumble<'t> {
    text: &'t str,
    at: usize,
}

/// What was found there.
struct Found {
    part: Range<usize>,
    reason: String,
    hint: Option<String>,
}

impl Found {
    fn new(part: Range<usize>, reason: impl Into<String>) -> Self {
        Self { part, reason: reason.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '$' | '@' | '*')
}

impl<'t> Stumble<'t> {
    fn after(self) -> &'t str {
        &self.text[self.at..]
    }

    fn next(self) -> Option<char> {
        self.after().chars().next()
    }

    /// The sign at the place; nothing at the end.
    fn sign(self) -> Range<usize> {
        self.at..self.at + self.next().map_or(0, char::len_utf8)
    }

    /// The word that the place is in.
    fn word(self) -> Range<usize> {
        let start = self.text[..self.at].trim_end_matches(is_word).len();
        let len = self.after().find(|c| !is_word(c)).unwrap_or(self.after().len());
        start..self.at + len
    }

    fn found(self, reason: &str, is_end: bool) -> Found {
        let in_string = reason.starts_with("control character") || reason.contains("escape");
        match self.next() {
            _ if is_end => self.unclosed(),
            _ if in_string => self.in_string(reason),
            Some('\u{feff}') => Found::new(self.sign(), "a byte order mark").hint("save the text as UTF-8 without one"),
            Some('/' | '#') => self.comment(),
            Some('\'') => self.quoted('\''),
            Some(quote) if TYPOGRAPHIC.contains(&quote) => self.quoted(quote),
            _ => match reason {
                "key must be a string" => self.key(),
                "expected value" | "expected ident" | "trailing comma" => self.value(),
                "expected `,` or `}`" => self.separator('}'),
                "expected `,` or `]`" => self.separator(']'),
                "expected `:`" if self.next() == Some('=') => Found::new(self.sign(), "`=` stands where `:` belongs"),
                "expected `:`" => Found::new(self.sign(), "`:` is missing before this"),
                "invalid number" => self.number(),
                "recursion limit exceeded" => Found::new(self.sign(), "nested too deeply"),
                other => Found::new(self.sign(), other),
            },
        }
    }

    /// The text ends too early: something that was opened is not closed.
    fn unclosed(self) -> Found {
        match open(self.text) {
            Some(at) => {
                let sign = &self.text[at..at + 1];
                let close = if sign == "\"" { "\"" } else { closing(sign) };
                Found::new(at..at + 1, format!("this `{sign}` is not closed"))
                    .hint(format!("write `{close}` where it ends"))
            }
            None => {
                let end = self.text.trim_end().len();
                Found::new(end..end, "it breaks off")
            }
        }
    }

    fn in_string(self, reason: &str) -> Found {
        if reason.contains("escape") {
            let start = self.text[..self.at].strip_suffix('\\').map_or(self.at, str::len);
            let place = start..self.sign().end;
            return Found::new(place.clone(), format!("`{}` means nothing in a string", &self.text[place]))
                .hint("write `\\\\` for a backslash");
        }
        let start = self.at + self.after().find(char::is_control).unwrap_or(0);
        match self.text[start..].chars().next() {
            Some('\n' | '\r') => Found::new(start..start, "a string breaks off at the end of the line")
                .hint("write `\"` at its end; a line break in a string is `\\n`"),
            Some('\t') => Found::new(start..start + 1, "a tab in a string").hint("write `\\t`"),
            _ => Found::new(start..start, "a control character in a string")
                .hint("write it as an escape, for example `\\u001b`"),
        }
    }

    fn comment(self) -> Found {
        let after = self.after();
        let len = match after.starts_with("/*") {
            true => after.find("*/").map_or(after.len(), |end| end + 2),
            false => after.find('\n').unwrap_or(after.len()),
        };
        if !["//", "/*", "#"].iter().any(|start| after.starts_with(start)) {
            return Found::new(self.sign(), "`/` does not belong here").hint("strings stand in double quotes");
        }
        Found::new(self.at..self.at + after[..len].trim_end().len(), "a comment").hint("JSON has none: take it out")
    }

    /// A string in quotes that JSON does not have.
    fn quoted(self, quote: char) -> Found {
        let line = self.after().lines().next().unwrap_or_default();
        let inside = line.trim_start_matches(quote);
        let is_close = |c| if quote == '\'' { c == '\'' } else { TYPOGRAPHIC.contains(&c) || c == '"' };
        let inside = inside.split(is_close).next().unwrap_or_default();
        let end = self.at
            + line[quote.len_utf8()..].find(is_close).map_or(line.len(), |end| {
                let close = line[quote.len_utf8() + end..].chars().next().map_or(0, char::len_utf8);
                quote.len_utf8() + end + close
            });
        Found::new(self.at..end, "a string stands in double quotes").hint(format!("write `\"{inside}\"`"))
    }

    /// Where a key belongs.
    fn key(self) -> Found {
        match self.next() {
            Some('}') => self.comma(),
            Some(',') => Found::new(self.sign(), "a comma with nothing before it").hint("take it out"),
            Some(c) if is_word(c) => {
                let name = &self.text[self.word()];
                Found::new(self.word(), "a key stands in double quotes").hint(format!("write `\"{name}\"`"))
            }
            _ => Found::new(self.sign(), "a key is missing before this"),
        }
    }

    /// Where a value belongs.
    fn value(self) -> Found {
        match self.next() {
            Some('}' | ']') if self.text[..self.at].trim_end().ends_with(',') => self.comma(),
            Some('(') => Found::new(self.sign(), "`(` does not belong here").hint("a list stands in `[` and `]`"),
            Some(c) if is_word(c) => self.bare(),
            _ => Found::new(self.sign(), "a value is missing before this"),
        }
    }

    /// A comma behind the last value.
    fn comma(self) -> Found {
        let before = self.text[..self.at].trim_end();
        match before.strip_suffix(',') {
            Some(start) => Found::new(start.len()..before.len(), "a comma with nothing behind it")
                .hint("JSON has none behind the last value: take it out"),
            None => Found::new(self.sign(), "a key is missing before this"),
        }
    }

    /// A word that is no value.
    fn bare(self) -> Found {
        let word = &self.text[self.word()];
        let (reason, hint) = match word.to_ascii_lowercase().as_str() {
            flag @ ("true" | "false" | "null") => (format!("`{word}` is no value"), format!("write `{flag}`")),
            "none" | "nil" | "undefined" => (format!("`{word}` is no value"), "write `null`".to_owned()),
            lower if lower.parse::<f64>().is_ok() => return self.number(),
            _ => ("a string stands in double quotes".to_owned(), format!("write `\"{word}\"`")),
        };
        Found::new(self.word(), reason).hint(hint)
    }

    fn number(self) -> Found {
        let number = &self.text[self.word()];
        let plain = number.trim_start_matches('+');
        let found = Found::new(self.word(), format!("`{number}` is no number of JSON"));
        match plain.strip_prefix('.') {
            Some(digits) => found.hint(format!("write `0.{digits}`")),
            None if plain.starts_with('0') || plain == number => {
                found.hint(format!("if it is text, write `\"{number}\"`"))
            }
            None => found.hint(format!("write `{plain}`")),
        }
    }

    /// Behind a value, where a comma belongs or the end of what it stands in.
    fn separator(self, close: char) -> Found {
        match self.next() {
            Some('}' | ']') => Found::new(self.sign(), format!("`{close}` is missing before this")),
            Some(';') => Found::new(self.sign(), "`;` stands where `,` belongs"),
            Some(c) if is_word(c) && self.text[..self.at].ends_with(is_word) => self.number(),
            _ => Found::new(self.sign(), "a comma is missing before this"),
        }
    }
}

fn closing(open: &str) -> &'static str {
    if open == "{" { "}" } else { "]" }
}

/// The place of the innermost bracket, or of the quote, that is not closed.
fn open(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(_), '"') => quote = None,
            (Some(_), _) => {}
            (None, '"') => quote = Some(at),
            (None, '{' | '[') => open.push(at),
            (None, '}' | ']') => drop(open.pop()),
            _ => {}
        }
    }
    quote.or_else(|| open.pop())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn mistakes_are_told_with_what_to_do() {
        for (text, part, reason, hint) in [
            ("{'a': 1}", "'a'", "a string stands in double quotes", "write `\"a\"`"),
            ("{a: 1}", "a", "a key stands in double quotes", "write `\"a\"`"),
            ("{\"a\": [aws.xray]}", "aws.xray", "a string stands in double quotes", "write `\"aws.xray\"`"),
            ("{\"a\": “b”}", "“b”", "a string stands in double quotes", "write `\"b\"`"),
            ("{\"a\": 1,}", ",", "a comma with nothing behind it", "JSON has none behind the last value: take it out"),
            ("[1 , ]", ",", "a comma with nothing behind it", "JSON has none behind the last value: take it out"),
            ("{\"a\": 1,, \"b\": 2}", ",", "a comma with nothing before it", "take it out"),
            ("{ // why\n\"a\": 1}", "// why", "a comment", "JSON has none: take it out"),
            ("{\"a\": 1 # why\n}", "# why", "a comment", "JSON has none: take it out"),
            ("[1, /* why */ 2]", "/* why */", "a comment", "JSON has none: take it out"),
            ("{\"a\": [1]", "{", "this `{` is not closed", "write `}` where it ends"),
            ("{\"a\": [1", "[", "this `[` is not closed", "write `]` where it ends"),
            ("{\"a\": \"b}", "\"", "this `\"` is not closed", "write `\"` where it ends"),
            ("[True]", "True", "`True` is no value", "write `true`"),
            ("[None]", "None", "`None` is no value", "write `null`"),
            ("[.5]", ".5", "`.5` is no number of JSON", "write `0.5`"),
            ("[+5]", "+5", "`+5` is no number of JSON", "write `5`"),
            ("[012]", "012", "`012` is no number of JSON", "if it is text, write `\"012\"`"),
            ("[0x10]", "0x10", "`0x10` is no number of JSON", "if it is text, write `\"0x10\"`"),
            ("[\"a\\d\"]", "\\d", "`\\d` means nothing in a string", "write `\\\\` for a backslash"),
            ("[\"a\tb\"]", "\t", "a tab in a string", "write `\\t`"),
            ("\u{feff}[]", "\u{feff}", "a byte order mark", "save the text as UTF-8 without one"),
            ("(1)", "(", "`(` does not belong here", "a list stands in `[` and `]`"),
        ] {
            let error = serde_json::from_str::<&RawValue>(text).unwrap_err();
            let problem = problem("text", text, &error);
            assert_eq!(problem.message, format!("the text is not JSON: {reason}"), "{text}");
            assert_eq!(problem.hint.as_deref(), Some(hint), "{text}");
            assert!(problem.part.is_some_and(|place| text[place.clone()] == *part), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_told_where_it_belongs() {
        for (text, at, reason) in [
            ("[1 2]", 3, "a comma is missing before this"),
            ("{\"a\" [1]}", 5, "`:` is missing before this"),
            ("{\"a\" = 1}", 5, "`=` stands where `:` belongs"),
            ("{\"a\": [1}", 8, "`]` is missing before this"),
            ("{\"a\": 1; \"b\": 2}", 7, "`;` stands where `,` belongs"),
            ("{\"a\":}", 5, "a value is missing before this"),
        ] {
            let error = serde_json::from_str::<&RawValue>(text).unwrap_err();
            let problem = problem("text", text, &error);
            assert_eq!(problem.message, format!("the text is not JSON: {reason}"), "{text}");
            assert_eq!(problem.part.map(|part| part.start), Some(at), "{text}");
        }
    }
}
