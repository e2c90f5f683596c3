//! Text that somebody else chose, made safe to show.
//!
//! Whoever calls AWS chooses user agents, names and parameters; a terminal obeys what is hidden in them. Everything
//! that is shown to a person goes through [`Untrusted`]; JSON output has its own escapes.

use std::fmt::{self, Write as _};

/// Shows a text with everything escaped that a terminal could obey or that could forge a line: control characters
/// (C0, DEL, C1), line and paragraph separators, and characters that turn or hide text.
pub struct Untrusted<'a>(pub &'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return f.write_str(self.0);
        }
        let mut plain = 0;
        for (at, c) in self.0.char_indices().filter(|&(_, c)| is_dangerous(c)) {
            f.write_str(&self.0[plain..at])?;
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "\\u{{{:x}}}", other as u32)?,
            }
            plain = at + c.len_utf8();
        }
        f.write_str(&self.0[plain..])
    }
}

/// Whether there is nothing in a text but what ASCII has that can be seen, and spaces. Nearly all texts are such.
fn is_plain(text: &str) -> bool {
    // To the end, since then many bytes are looked at together.
    text.bytes().fold(true, |plain, byte| plain & (b' '..0x7f).contains(&byte))
}

fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Shows JSON on one line and with the same characters escaped as JSON escapes them, so that it still means the same.
pub struct UntrustedJson<'a>(pub &'a str);

impl fmt::Display for UntrustedJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return f.write_str(self.0);
        }
        let mut plain = 0;
        for (at, c) in self.0.char_indices().filter(|&(_, c)| is_dangerous(c)) {
            f.write_str(&self.0[plain..at])?;
            match c {
                // Outside of strings; inside they are escaped already.
                '\n' | '\r' | '\t' => f.write_char(' ')?,
                other => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
            plain = at + c.len_utf8();
        }
        f.write_str(&self.0[plain..])
    }
}

/// A text shortened to about `width` characters, with an ellipsis where something is missing.
pub fn shortened(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some((end, _)) => {
            let mut short = text[..end].to_owned();
            let _ = short.write_char('…');
            short
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        for (text, shown) in [
            ("plain é 日本 🙂", "plain é 日本 🙂"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{7f}", "a\\u{7f}"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
        ] {
            assert_eq!(Untrusted(text).to_string(), shown);
        }
    }

    #[test]
    fn json_means_the_same_after_it_is_escaped() {
        let hostile = "{\n\t\"a\": \"\u{9b}2J\u{202e}\u{7f}\u{e0041}é\"}";
        let shown = UntrustedJson(hostile).to_string();
        assert!(!shown.chars().any(is_dangerous), "{shown}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(hostile));
    }

    proptest! {
        #[test]
        fn no_dangerous_character_comes_through(text in any::<String>()) {
            prop_assert!(!Untrusted(&text).to_string().chars().any(is_dangerous));
        }
    }
}
