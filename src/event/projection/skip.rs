//! Passing over what nobody wants, without the parser's having to remember how deep it is.

use std::fmt;

use memchr::memchr3;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::offset;

/// Passes over one value.
pub(super) struct Skip<'t> {
    /// The record's text.
    pub text: &'t str,
    /// Where the value starts in it, if that is known.
    pub start: Option<usize>,
    /// How deep it lies below what is wanted.
    pub depth: u32,
}

/// How deep values are gone through here; what lies deeper is left to the parser, which has no limit when it skips.
const DEPTH_MAX: u32 = 64;

/// The byte that a value starts with; zero if that is not known.
pub(super) fn peek(text: &str, start: Option<usize>) -> u8 {
    start.and_then(|start| text.as_bytes().get(start)).copied().unwrap_or(0)
}

/// Where the value of a key starts that is part of the text and has no escapes in it.
pub(super) fn value_after(text: &str, key: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = offset(text, key) + key.len();
    if bytes.get(quote + 1) == Some(&b':') && bytes.get(quote + 2).is_some_and(|byte| *byte > b' ') {
        return Some(quote + 2);
    }
    Some(past_space(text, past_space(text, quote + 1) + 1))
}

/// The place of the first byte from here on that is no white space.
pub(super) fn past_space(text: &str, from: usize) -> usize {
    let spaces =
        text.as_bytes().get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    from + spaces
}

impl<'t> Skip<'t> {
    fn below(&self, start: Option<usize>) -> Self {
        Self { start, depth: self.depth + 1, ..*self }
    }
}

impl<'de> DeserializeSeed<'de> for Skip<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let nests = |start| self.depth < DEPTH_MAX && !is_flat(self.text.as_bytes(), start);
        match (peek(self.text, self.start), self.start) {
            (b'{', Some(start)) if nests(start) => deserializer.deserialize_map(self),
            (b'[', Some(start)) if nests(start) => deserializer.deserialize_seq(self),
            (0, _) if self.depth < DEPTH_MAX => deserializer.deserialize_any(self),
            _ => IgnoredAny::deserialize(deserializer).map(drop),
        }
    }
}

impl<'de> Visitor<'de> for Skip<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(start) = map.next_key_seed(After(self.text))? {
            match peek(self.text, start) {
                0 | b'{' | b'[' => map.next_value_seed(self.below(start))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self.below(None))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key for where its value starts.
struct After<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for After<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for After<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Option<usize>, E> {
        Ok(value_after(self.0, key))
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<usize>, E> {
        Ok(None)
    }
}

/// Whether nothing seems to nest in the object or array that starts at `start`: whether it closes before another opens.
/// Brackets inside strings are not told apart; to be wrong about them costs the parser's stack, or a slower way.
fn is_flat(bytes: &[u8], start: usize) -> bool {
    let close = if bytes[start] == b'{' { b'}' } else { b']' };
    let content = &bytes[start + 1..];
    memchr3(b'{', b'[', close, content).is_none_or(|bracket| content[bracket] == close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_is_what_holds_no_other_value_that_nests() {
        for (text, expected) in [
            ("{}", true),
            ("[]", true),
            (r#"{"a":1,"b":"x"}"#, true),
            ("[1,[2]]", false),
            (r#"{"a":"x","b":[]}"#, false),
        ] {
            assert_eq!(is_flat(text.as_bytes(), 0), expected, "{text}");
        }
    }

    #[test]
    fn a_value_starts_behind_its_key() {
        for text in [r#"{"a":1}"#, r#"{"a" : 1}"#, "{\"a\":\n 1}"] {
            let start = value_after(text, &text[2..3]);
            assert_eq!(peek(text, start), b'1', "{text}");
        }
    }
}
