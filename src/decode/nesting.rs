//! How deep brackets nest, found without parsing.
//!
//! Brackets are counted first, also those inside strings: a record with no more of them than the limit cannot be too
//! deep, and that is nearly every record. Only others are walked with strings skipped.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x64};
use memchr::{memchr_iter, memchr2, memchr2_iter};

/// How many brackets open in `text`, strings included.
pub(super) fn openings(text: &[u8]) -> usize {
    memchr2_iter(b'{', b'[', text).count()
}

/// How many brackets close in a line that is about to be taken as one object unparsed, strings included; `None` if it
/// may be something else: if right after an object closed a bracket opens, which JSON has nowhere outside strings, or white
/// space follows, so several documents may stand on the line; or if not as many braces close as open, so the document may
/// go on below. The latter is not asked where it `ends`. (What stands inside strings only costs the slower way.)
pub(super) fn closings_of_one(line: &[u8], ends: bool) -> Option<usize> {
    let Closings { all, of_objects, are_followed, .. } = dispatch!(Level::new(), simd => closings(simd, line));
    (!are_followed && (ends || memchr_iter(b'{', line).count() == of_objects)).then_some(all)
}

/// The brackets that close in a text, up to where it is found to be several documents.
#[derive(Default)]
struct Closings {
    all: usize,
    of_objects: usize,
    /// Whether an object is followed by white space or by a bracket that opens.
    are_followed: bool,
    /// Whether an object closes with the last byte that has been looked at.
    is_last: bool,
}

#[inline(always)]
fn closings<S: Simd>(simd: S, text: &[u8]) -> Closings {
    let mut found = Closings::default();
    let (blocks, rest) = text.as_chunks();
    for block in blocks {
        found.look_at(simd, block);
        // Of a line of many documents only the first is to be looked at, each time.
        if found.are_followed {
            return found;
        }
    }
    let mut block = [b'.'; 64];
    block[..rest.len()].copy_from_slice(rest);
    found.look_at(simd, &block);
    found
}

impl Closings {
    #[inline(always)]
    fn look_at<S: Simd>(&mut self, simd: S, block: &[u8; 64]) {
        let bytes = u8x64::from_slice(simd, block);
        let braces = bytes.simd_eq(b'}').to_bitmask();
        let others = bytes.simd_eq(b']').to_bitmask();
        // The two that open differ in one bit.
        let next = (bytes | b' ').simd_eq(b'{') | bytes.simd_le(b' ');
        self.all += (braces | others).count_ones() as usize;
        self.of_objects += braces.count_ones() as usize;
        self.are_followed |= next.to_bitmask() & (braces << 1 | u64::from(self.is_last)) != 0;
        self.is_last = braces >> 63 == 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What looking at each byte finds: the brackets that close, and whether an object is followed.
    fn slowly(text: &[u8]) -> (usize, usize, bool) {
        let count = |wanted: &[u8]| text.iter().filter(|byte| wanted.contains(byte)).count();
        let is_next = |byte: u8| byte <= b' ' || matches!(byte, b'{' | b'[');
        (count(b"}]"), count(b"}"), text.windows(2).any(|two| two[0] == b'}' && is_next(two[1])))
    }

    #[test]
    fn brackets_are_found_wherever_blocks_end() {
        for pair in ["}{", "}[", "} ", "}\n", "},", "}}", "]}", "]{", "{}", "\u{fd}}"] {
            for before in (0..4).chain(58..70).chain(122..134) {
                for behind in [0, 1, 62, 63, 64, 65] {
                    let text = format!("{}{pair}{}", "x".repeat(before), "x".repeat(behind));
                    let (all, of_objects, are_followed) = slowly(text.as_bytes());
                    let found = dispatch!(Level::new(), simd => closings(simd, text.as_bytes()));
                    assert_eq!(found.are_followed, are_followed, "{pair:?} after {before}, before {behind}");
                    if !are_followed {
                        assert_eq!((found.all, found.of_objects), (all, of_objects), "{pair:?} after {before}");
                    }
                }
            }
        }
    }

    #[test]
    fn of_many_documents_only_the_first_is_looked_at() {
        let text = "{}".repeat(1_000);
        let found = dispatch!(Level::new(), simd => closings(simd, text.as_bytes()));
        assert!(found.are_followed);
        assert_eq!(found.all, 32, "those of one block");
    }
}
