//! JSON strings, read up to their end and judged, with what stands in them left where it is.
//!
//! Most of a record's bytes are text in quotes. So runs of plain bytes are passed over eight at a time, and the lexer
//! has what is left: escapes.

use hifijson::escape::{self, Lex as _, Lit};
use hifijson::token::Lex as _;
use hifijson::{Error, Read as _, SliceLexer, str};

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
    let (content, tail) = rest.split_at(plain_bytes(rest));
    match tail {
        [b'"', behind @ ..] => {
            *lexer = SliceLexer::new(behind);
            Ok(Text { content, is_escaped: false })
        }
        _ => escaped_string(rest, lexer),
    }
}

/// Reads on in a string that is not plain up to its end, from its start.
fn escaped_string<'t>(content: &'t [u8], lexer: &mut SliceLexer<'t>) -> Result<Text<'t>, Error> {
    loop {
        let rest = lexer.as_slice();
        *lexer = SliceLexer::new(&rest[plain_bytes(rest)..]);
        let before = content.len() - lexer.as_slice().len();
        match lexer.take_next() {
            Some(b'"') => return Ok(Text { content: &content[..before], is_escaped: true }),
            Some(b'\\') => pass_escape(lexer).map_err(str::Error::Escape)?,
            Some(_) => return Err(str::Error::Control.into()),
            None => return Err(str::Error::Eof.into()),
        }
    }
}

/// Passes over what follows a backslash. A lone surrogate is JSON, though it stands for no character.
fn pass_escape(lexer: &mut SliceLexer<'_>) -> Result<(), escape::Error> {
    match lexer.take_next().ok_or(escape::Error::Eof)? {
        b'u' => lexer.hex::<u16>().map(drop),
        kind => Lit::try_from(kind).map(drop).ok_or(escape::Error::InvalidKind(kind)),
    }
}

/// How many bytes stand for themselves, up to the first that may not: a quote, a backslash, a control character.
#[inline(always)]
fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return number * word.len() + special.trailing_zeros() as usize / 8;
        }
    }
    bytes.len() - rest.len() + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)).count()
}

/// The highest bit of the first byte in a word that is not plain, and perhaps of some behind it.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    // The highest bit of a byte is set where subtracting has borrowed; a borrow from further down only reaches bytes
    // behind one that is special itself.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (ONES << 7)
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
                for broken in ["", "\u{0}", "\u{1f}", "\n", "\\", "\\x", "\\u12g4", "\\u12"] {
                    assert_eq!(read(&format!("{content}{broken}")), None, "{content}{broken}");
                    assert_eq!(read(&format!("{content}\\n{broken}")), None, "{content}{broken}");
                }
            }
        }
    }

    #[test]
    fn every_byte_is_plain_but_a_few() {
        for byte in 0..=u8::MAX {
            let is_plain = !matches!(byte, b'"' | b'\\' | ..0x20);
            for before in 0..20 {
                let bytes = [vec![b'x'; before], vec![byte], vec![b'x'; 20]].concat();
                assert_eq!(plain_bytes(&bytes), if is_plain { before + 21 } else { before }, "{byte} after {before}");
            }
        }
    }
}
