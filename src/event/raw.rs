//! A text of JSON taken apart one level at a time, each part as it stands in the text: for all that reads the slow way.

use std::borrow::Cow;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::projection::unescape;

/// The elements of an array; none of what is no array.
pub(crate) fn elements(text: &str) -> Vec<&RawValue> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(element) = array.next_element()? {
                all.push(element);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(All).unwrap_or_default()
}

/// A member of an object: its name and its value.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object, with their names.
pub(crate) fn members(text: &str) -> Vec<Member<'_>> {
    raw_members(text).into_iter().map(|(key, value)| (string(key.get()), value)).collect()
}

/// What a JSON string in quotes stands for.
pub(crate) fn string(quoted: &str) -> Cow<'_, str> {
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        _ => {
            let mut string = String::new();
            unescape(quoted, &mut string);
            Cow::Owned(string)
        }
    }
}

/// The members of an object, their keys as they stand in the text.
pub(crate) fn raw_members(text: &str) -> Vec<(&RawValue, &RawValue)> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(member) = object.next_entry()? {
                all.push(member);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(All).unwrap_or_default()
}
