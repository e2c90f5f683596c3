//! JSON strings, read up to their end and judged, with what stands in them left where it is.
//!
//! Most of a record's bytes are text in quotes. So a string's end is looked for many bytes at a time, and the lexer has
//! what is left: escapes. Control characters, which no string may hold, are not looked at here: hardly a record has any
//! at all, which [`Projection::read`](super::Projection::read) finds out once for the whole text.

use hifijson::escape::{self, Lex as _, Lit};
use hifijson::token::Lex as _;
use hifijson::{Error, Read as _, SliceLexer, str};
use memchr::memchr2;
use wide::u8x16;

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<'t> {
    pub content: &'t [u8],
    /// Whether it stands for anything else than itself.
    pub is_escaped: bool,
}

/// Reads a string of which the quote comes next.
#[inline(always)]
pub(super) fn string<'t>(lexer: &mut SliceLexer<'t>) -> Result<Text<'t>, Error> {
    let rest = lexer.discarded().as_slice();
    let end = stop(rest).ok_or(str::Error::Eof)?;
    if rest[end] == b'\\' {
        return escaped_string(rest, lexer);
    }
    *lexer = SliceLexer::new(&rest[end + 1..]);
    Ok(Text { content: &rest[..end], is_escaped: false })
}

/// The first quote or backslash. Most strings are short, and a call for many bytes would take longer than their bytes do.
#[inline(always)]
fn stop(rest: &[u8]) -> Option<usize> {
    let mut passed = 0;
    while passed < NEAR
        && let Some(chunk) = rest[passed..].first_chunk::<16>()
    {
        let bytes = u8x16::new(*chunk);
        let found = (bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask();
        if found != 0 {
            return Some(passed + found.trailing_zeros() as usize);
        }
        passed += 16;
    }
    memchr2(b'"', b'\\', &rest[passed..]).map(|at| passed + at)
}

/// How far a string's end is looked for without a call.
const NEAR: usize = 64;

/// Reads on in a string that is not plain up to its end, from its start.
fn escaped_string<'t>(content: &'t [u8], lexer: &mut SliceLexer<'t>) -> Result<Text<'t>, Error> {
    loop {
        let rest = lexer.as_slice();
        let stop = memchr2(b'"', b'\\', rest).ok_or(str::Error::Eof)?;
        *lexer = SliceLexer::new(&rest[stop + 1..]);
        if rest[stop] == b'"' {
            let before = content.len() - rest.len() + stop;
            return Ok(Text { content: &content[..before], is_escaped: true });
        }
        pass_escape(lexer).map_err(str::Error::Escape)?;
    }
}

/// Passes over what follows a backslash. A lone surrogate is JSON, though it stands for no character.
fn pass_escape(lexer: &mut SliceLexer<'_>) -> Result<(), escape::Error> {
    match lexer.take_next().ok_or(escape::Error::Eof)? {
        b'u' => lexer.hex::<u16>().map(drop),
        kind => Lit::try_from(kind).map(drop).ok_or(escape::Error::InvalidKind(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text after an opening quote reads as, and what is left behind it.
    fn read(text: &str) -> Option<(String, bool, String)> {
        let quoted = format!("\"{text}");
        let mut lexer = SliceLexer::new(quoted.as_bytes());
        let Text { content, is_escaped } = string(&mut lexer).ok()?;
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some((owned(content), is_escaped, owned(lexer.as_slice())))
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        for length in 0..40 {
            for plain in ["a", "\u{7f}", "é", "\u{10ffff}", "!", "]"] {
                let content = plain.repeat(length);
                assert_eq!(read(&format!("{content}\",1")), Some((content.clone(), false, ",1".to_owned())));
                let escaped = format!(r#"{content}\"\\\/\b\f\n\r\t\u00e9\ud800{content}"#);
                assert_eq!(read(&format!("{escaped}\"")), Some((escaped, true, String::new())));
                for broken in ["", "\\", "\\x", "\\u12g4", "\\u12"] {
                    assert_eq!(read(&format!("{content}{broken}")), None, "{content}{broken}");
                    assert_eq!(read(&format!("{content}\\n{broken}")), None, "{content}{broken}");
                }
            }
        }
    }
}
