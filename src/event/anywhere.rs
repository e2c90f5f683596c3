//! Every string of a record, wherever it stands: for searches that name no field.
//!
//! Like the projection's, the quick walk takes strings as the parser hands them out, and the careful one, over raw
//! text, is the answer to what the parser refuses: numbers beyond its types and lone surrogates.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::projection::unescape;

/// The strings of a record that has been read before, in no order that means anything. Names of members are none.
pub fn strings(text: &str) -> Vec<Cow<'_, str>> {
    let mut found = Vec::new();
    match Quick(&mut found).deserialize(&mut serde_json::Deserializer::from_str(text)) {
        Ok(()) => found,
        Err(_) => serde_json::from_str(text).map(carefully).unwrap_or_default(),
    }
}

struct Quick<'f, 'a>(&'f mut Vec<Cow<'a, str>>);

impl<'a> DeserializeSeed<'a> for Quick<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Quick<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Quick(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Quick(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.0.push(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(Cow::Owned(text.to_owned()));
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

/// Goes down without recursion, level by level.
fn carefully(record: &RawValue) -> Vec<Cow<'_, str>> {
    let mut found = Vec::new();
    let mut waiting = vec![record];
    while let Some(raw) = waiting.pop() {
        let text = raw.get();
        let mut json = serde_json::Deserializer::from_str(text);
        // The text has been through the parser, so the one answer to an error is that nothing is in there.
        let _ = match text.as_bytes().first() {
            Some(b'{') => json.deserialize_map(Parts(&mut waiting)),
            Some(b'[') => json.deserialize_seq(Parts(&mut waiting)),
            Some(b'"') => {
                let mut string = String::new();
                unescape(text, &mut string);
                found.push(Cow::Owned(string));
                Ok(())
            }
            _ => Ok(()),
        };
    }
    found
}

/// Gathers the values of one object or array.
struct Parts<'w, 'a>(&'w mut Vec<&'a RawValue>);

impl<'a> Visitor<'a> for Parts<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            self.0.push(map.next_value()?);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            self.0.push(element);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut strings: Vec<Cow<'_, str>>) -> Vec<String> {
        strings.sort();
        strings.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn finds_strings_at_every_depth_and_nothing_else() {
        let text = r#"{"a":"1","b":{"c":["2",{"d":"\u0033"},[["4"]]]},"e":5,"f":true,"g":null,"h":6.5,"":""}"#;
        assert_eq!(sorted(strings(text)), ["", "1", "2", "3", "4"]);
    }

    #[test]
    fn both_walks_find_the_same() {
        for text in
            [r#"{"a":["x",{"b":"y"}],"c":"\n"}"#, r#"{"a":1e400,"b":"x"}"#, r#"{"a":"\ud800","b":{"c":"x"}}"#, "{}"]
        {
            let careful = serde_json::from_str(text).map(carefully).unwrap();
            assert_eq!(sorted(strings(text)), sorted(careful), "{text}");
        }
        let deep = format!("{{\"a\":{}\"x\"{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(sorted(strings(&deep)), ["x"]);
    }
}
