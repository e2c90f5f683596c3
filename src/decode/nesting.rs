//! How deep brackets nest, found without parsing.
//!
//! Brackets are counted first, also those inside strings: a record with no more of them than the limit cannot be too
//! deep, and that is nearly every record. Only others are walked with strings skipped.

use memchr::{memchr_iter, memchr2, memchr2_iter};

/// How many brackets open in `text`, strings included.
pub(super) fn openings(text: &[u8]) -> usize {
    memchr2_iter(b'{', b'[', text).count()
}

/// The same for a line that is about to be taken as one object unparsed; `None` if a bracket opens right after an
/// object closed. JSON has that nowhere outside strings, so several documents may stand on the line. `None` also if
/// not as many braces close as open: the document may go on below. (Braces inside strings only cost the slower way.)
pub(super) fn openings_of_one(line: &[u8]) -> Option<usize> {
    if memchr_iter(b'{', line).count() != memchr_iter(b'}', line).count() {
        return None;
    }
    let mut openings = 0;
    for at in memchr2_iter(b'{', b'[', line) {
        if line[..at].trim_ascii_end().last() == Some(&b'}') {
            return None;
        }
        openings += 1;
    }
    Some(openings)
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
