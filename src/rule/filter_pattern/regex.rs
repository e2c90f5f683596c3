//! The regular expressions that the service takes: a small part of the usual syntax.
//!
//! What it supports is listed in "Supported regular expressions" of the CloudWatch Logs user guide; anything else it
//! refuses. What it takes is compiled as any other regular expression of ours.

use std::ops::Range;

use crate::condition::Pattern;

const SIGNS: &str = ":_#=@/;,-";
const OPERATORS: &str = "^$?[]{}|\\*+.";
/// The letters that mean something behind a backslash.
const CLASSES: &str = "dDsSwWx";

/// What the service does not take, and where.
#[derive(Debug)]
pub(super) struct Refused {
    pub at: Range<usize>,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// Compiles what stands between the percent signs.
pub(super) fn compile(text: &str) -> Result<Pattern, Refused> {
    if let Some(refused) = unsupported(text) {
        return Err(refused);
    }
    Pattern::regex(text, false).map_err(|error| Refused {
        at: 0..text.len(),
        message: format!("`{text}` is no regular expression: {error}"),
        hint: None,
    })
}

fn unsupported(text: &str) -> Option<Refused> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let refused = |len: usize, message: String, hint| Some(Refused { at: at..at + len, message, hint });
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped.is_ascii_alphanumeric() && !CLASSES.contains(escaped) => {
                    let message = format!("the service does not know `\\{escaped}`");
                    return refused(2, message, Some("it knows \\d \\D \\s \\S \\w \\W and \\xHH"));
                }
                _ => {}
            },
            '(' | ')' => {
                let message = "the service takes no parentheses in regular expressions".to_owned();
                return refused(1, message, Some("write the alternatives out, or two comparisons joined by `||`"));
            }
            ' ' => {
                return refused(1, "the service takes no space in regular expressions".to_owned(), Some("write `\\s`"));
            }
            c if c.is_ascii_alphanumeric() || SIGNS.contains(c) || OPERATORS.contains(c) => {}
            c => {
                let message = format!("the service takes no `{c}` in regular expressions");
                let hint = if c.is_ascii() { "write `.` for any one character" } else { "write `.*` in its place" };
                return refused(c.len_utf8(), message, Some(hint));
            }
        }
    }
    None
}
