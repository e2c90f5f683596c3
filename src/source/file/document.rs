//! Lines or a document? Decided by the first line that is not blank.

use std::io::{self, Read};

use serde::de::IgnoredAny;

/// The part of a file that is looked at.
pub(super) const SNIFF_BYTES: usize = 1 << 20;

/// Bytes read at once. A pipe gives what is there.
const READ_BYTES: usize = 64 << 10;

/// How a stream is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In chunks of whole lines.
    Lines,
    /// Whole.
    Document,
}

/// The start of a stream.
pub(super) struct Start {
    pub(super) bytes: Vec<u8>,
    pub(super) form: Form,
    /// Why there is no more, if reading failed.
    pub(super) broken: Option<io::Error>,
}

/// Reads as much as it takes to know the form.
pub(super) fn sniff(input: &mut dyn Read) -> Start {
    let mut bytes = Vec::new();
    loop {
        let has_ended = match read_some(input, &mut bytes) {
            Ok(count) => count == 0,
            Err(error) => return Start { form: form(&bytes, true), bytes, broken: Some(error) },
        };
        if has_ended || bytes.len() >= SNIFF_BYTES || first_line(&bytes).is_some() {
            return Start { form: form(&bytes, has_ended), bytes, broken: None };
        }
    }
}

/// Reads what is there, at the end of `bytes`.
pub(super) fn read_some(input: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let before = bytes.len();
    bytes.resize(before + READ_BYTES, 0);
    let result = loop {
        match input.read(&mut bytes[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    bytes.truncate(before + *result.as_ref().unwrap_or(&0));
    result
}

fn form(bytes: &[u8], has_ended: bool) -> Form {
    match first_line(bytes) {
        Some(line) => form_of_line(line),
        None if has_ended => Form::Document,
        None => form_of_long_line(trimmed(bytes)),
    }
}

/// The first line that is not blank, once its end is there.
fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = trimmed(bytes);
    memchr::memchr(b'\n', bytes).map(|end| &bytes[..end])
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start()
}

/// A line that stops in the middle of a JSON value begins a document of several lines.
fn form_of_line(line: &[u8]) -> Form {
    if !matches!(line.first(), Some(b'{' | b'[')) {
        return Form::Lines;
    }
    match serde_json::from_slice::<IgnoredAny>(line) {
        Err(error) if error.is_eof() => Form::Document,
        _ => Form::Lines,
    }
}

/// A line longer than what is looked at: an array, or CloudTrail's own file format, is one long document.
fn form_of_long_line(start: &[u8]) -> Form {
    let is_records = start.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"Records\""));
    if is_records || start.first() == Some(&b'[') { Form::Document } else { Form::Lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, form: Form) {
        let start = sniff(&mut text.as_bytes());
        assert_eq!(start.form, form, "{}", &text[..text.len().min(40)]);
        assert!(text.as_bytes().starts_with(&start.bytes));
    }

    #[test]
    fn whole_values_and_other_texts_are_lines() {
        for text in
            ["{}\n", "{\"a\":1}\n{\"b\"", "\n\n {}\n{", "[1]\n", "a log line\n", "{} {}\n", "{broken\n", "\u{feff}{}\n"]
        {
            check(text, Form::Lines);
        }
    }

    #[test]
    fn values_of_several_lines_are_documents() {
        for text in ["{\n\"a\":1}\n", "[\n{}]", "{\"Records\":[\n{}]}", "", "{\"no\":\"feed\"}", "\n\n{"] {
            check(text, Form::Document);
        }
    }

    #[test]
    fn lines_too_long_to_look_at() {
        let long = "x".repeat(2 * SNIFF_BYTES);
        check(&format!("{{ \"Records\":[{{\"a\":\"{long}\"}}]}}"), Form::Document);
        check(&format!("[\"{long}\"]"), Form::Document);
        check(&format!("{{\"a\":\"{long}\"}}\n"), Form::Lines);
        check(&long, Form::Lines);
    }
}
