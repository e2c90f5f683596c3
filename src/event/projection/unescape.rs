//! What a JSON string stands for, written into a buffer: `serde_json` would allocate for each.

use hifijson::escape::{Error, Lex as _};
use hifijson::str::LexWrite as _;
use hifijson::{Read as _, SliceLexer};

/// Appends what a JSON string in quotes stands for. The text has been through the walk, so what can still be wrong is a
/// lone surrogate, which no Rust string can hold: it becomes U+FFFD.
pub(crate) fn unescape(quoted: &str, out: &mut String) {
    let mut lexer = SliceLexer::new(quoted.get(1..).unwrap_or("").as_bytes());
    let plain = |bytes: &mut &[u8], out: &mut &mut String| {
        out.push_str(&String::from_utf8_lossy(bytes));
        Ok::<(), hifijson::str::Error>(())
    };
    let _ = lexer.str_fold(out, plain, |lexer, out| {
        out.push(escaped(lexer)?);
        Ok(())
    });
}

/// The character that the escape stands for of which the backslash is read.
fn escaped(lexer: &mut SliceLexer<'_>) -> Result<char, Error> {
    let kind = lexer.take_next().ok_or(Error::Eof)?;
    let digits = lexer.as_slice();
    match lexer.escape(kind) {
        Err(Error::InvalidChar(_) | Error::ExpectedLowSurrogate) => {
            // What follows a lone surrogate stands for itself.
            *lexer = SliceLexer::new(digits.get(4..).unwrap_or_default());
            Ok(char::REPLACEMENT_CHARACTER)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_what_the_parser_says() {
        for quoted in
            [r#""""#, r#""plain é""#, r#""\"\\\/\b\f\n\r\t""#, r#""a\u0041\u00e9\ud83d\ude00z""#, r#""\u0000""#]
        {
            let mut found = String::new();
            unescape(quoted, &mut found);
            assert_eq!(found, serde_json::from_str::<String>(quoted).unwrap(), "{quoted}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_replaced_and_takes_nothing_with_it() {
        for (quoted, expected) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\ud800\u0041b""#, "\u{fffd}Ab"),
            (r#""\udc00\ud800x\ud83d\ude00""#, "\u{fffd}\u{fffd}x\u{1f600}"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        ] {
            let mut found = String::new();
            unescape(quoted, &mut found);
            assert_eq!(found, expected, "{quoted}");
        }
    }
}
