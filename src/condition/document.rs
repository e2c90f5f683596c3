//! Documents inside strings: JSON, URL-encoded or not, as IAM, S3 and others write policies into records.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::event::raw::string;

/// The longest string that is read as a document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 18;
/// The deepest nesting of a document.
pub const DOCUMENT_DEPTH_MAX: usize = 64;
/// How often a string is decoded to get at a document: IAM encodes some twice.
const ROUNDS_MAX: usize = 4;

/// The JSON in a string, an object or array; an error says why there is none.
pub fn read(text: &str) -> Result<Cow<'_, str>, String> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS_MAX {
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(format!("longer than {DOCUMENT_BYTES_MAX} bytes"));
        }
        match text.trim_start().bytes().next() {
            Some(b'{' | b'[') => return check(&text).map(|()| text),
            Some(b'"') => {
                serde_json::from_str::<IgnoredAny>(&text).map_err(|error| error.to_string())?;
                text = Cow::Owned(string(text.trim()).into_owned());
            }
            _ if text.contains('%') => text = Cow::Owned(percent_decoded(&text)?),
            _ => break,
        }
    }
    Err("not a JSON object or array".to_owned())
}

fn check(text: &str) -> Result<(), String> {
    if depth(text) > DOCUMENT_DEPTH_MAX {
        return Err(format!("nested more than {DOCUMENT_DEPTH_MAX} deep"));
    }
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| error.to_string())
}

/// How deep brackets nest outside of strings. Tells more than there is of what is no JSON, never less.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// `%7B` is `{`. What only looks like an escape stays as it is.
fn percent_decoded(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match escape.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).map_err(|_| "not UTF-8 once it is URL-decoded".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_however_they_are_wrapped() {
        for (name, text, expected) in [
            ("as it is", r#"{"a":1}"#, r#"{"a":1}"#),
            ("an array", "[1]", "[1]"),
            ("space around", " {} ", " {} "),
            ("URL-encoded", "%7B%22a%22%3A%201%7D", r#"{"a": 1}"#),
            ("twice URL-encoded", "%257B%2522a%2522%253A1%257D", r#"{"a":1}"#),
            ("a percent sign inside", r#"{"a":"100%"}"#, r#"{"a":"100%"}"#),
            ("a string of JSON", r#""{\"a\":1}""#, r#"{"a":1}"#),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_document_is_told() {
        let deep = "[".repeat(100_000);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX));
        let wrapped = (0..6).fold("{}".to_owned(), |text, _| serde_json::Value::from(text).to_string());
        for (name, text, expected) in [
            ("empty", "", "not a JSON object or array"),
            ("a word", "alias/aws/s3", "not a JSON object or array"),
            ("a number", "1", "not a JSON object or array"),
            ("cut off", "{\"a\":", "EOF while parsing a value at line 1 column 5"),
            ("more behind it", "{}x", "trailing characters at line 1 column 3"),
            ("no escape", "%zz", "not a JSON object or array"),
            ("a multi-byte sign behind a percent sign", "%é", "not a JSON object or array"),
            ("not UTF-8", "%ff", "not UTF-8 once it is URL-decoded"),
            ("too deep", &deep, "nested more than 64 deep"),
            ("too long", &long, "longer than 262144 bytes"),
            ("wrapped too often", &wrapped, "not a JSON object or array"),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(expected), "{name}");
        }
    }
}
