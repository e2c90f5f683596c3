//! How deep brackets nest, found without parsing.
//!
//! Brackets are counted first, also those inside strings: a record with no more of them than the limit cannot be too
//! deep, and that is nearly every record. Only others are walked with strings skipped.

use memchr::{memchr_iter, memchr2, memchr2_iter};

/// How many brackets open in `text`, strings included.
pub(super) fn openings(text: &[u8]) -> usize {
    memchr2_iter(b'{', b'[', text).count()
}

/// How many brackets close in a line that is about to be taken as one object unparsed, strings included; `None` if it
/// may be something else: if a bracket opens right after an object closed, which JSON has nowhere outside strings, so
/// several documents may stand on the line; or if not as many braces close as open, so the document may go on below.
/// The latter is not asked where it `ends`. (Braces inside strings only cost the slower way.)
pub(super) fn closings_of_one(line: &[u8], ends: bool) -> Option<usize> {
    let (mut closings, mut braces) = (0, 0);
    for at in memchr2_iter(b'}', b']', line) {
        closings += 1;
        if line[at] == b'}' {
            braces += 1;
            if opens(&line[at + 1..]) {
                return None;
            }
        }
    }
    (ends || memchr_iter(b'{', line).count() == braces).then_some(closings)
}

/// Whether a bracket opens at the start, white space aside.
fn opens(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'{' | b'[') => true,
        Some(byte) if byte.is_ascii_whitespace() => matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[')),
        _ => false,
    }
}

/// Whether brackets outside strings nest deeper than `nesting_max`. For text that is not JSON, any answer will do.
pub(super) fn is_deeper_than(text: &[u8], nesting_max: usize) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(text, at),
            _ => {}
        }
        if depth > nesting_max {
            return true;
        }
    }
    false
}

/// Just after the string whose content starts at `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        // Whatever is escaped does not end the string.
        at += 1;
    }
    text.len()
}
