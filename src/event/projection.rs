//! Reading only the fields that somebody wants, in one walk over a record's text.
//!
//! The wanted paths form a trie; a key that leads nowhere in it has its value skipped by the parser. Strings are kept
//! as spans of the record's own text and copied only where they hold an escape. Nothing is allocated for a record once
//! the buffers have grown.
//!
//! There are two walks that find the same. The quick one takes strings and whole numbers as the parser hands them out.
//! The careful one takes every value's raw text, at twice the price, and is the answer to what the parser cannot hand
//! out exactly: fractions, whose digits count, numbers beyond its types, and lone surrogates.
//!
//! Corners, the same for wanted and unwanted fields: a duplicate key contributes every one of its values; a lone
//! surrogate reads as U+FFFD; a number of any size is kept as its text; nesting is bounded by the caller.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::path::{Case, Path, Step};

/// The number of a path within its projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u32);

/// A value found in a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`: present, and equal to nothing but null.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number that is no whole number of 64 bits, as its text in the record.
    Number(&'a str),
    /// A string, unescaped.
    String(&'a str),
    /// An object; its members have paths of their own.
    Object,
    /// An array and how many elements it has; the elements are values of the same path.
    Array(u32),
    /// A whole number.
    Integer(i64),
}

/// A set of wanted paths, ready to read records with.
#[derive(Debug, Clone)]
pub struct Projection {
    nodes: Vec<Node>,
    paths: Vec<Path>,
}

/// A place in the trie. Children are sorted by the length of their name, those whose case counts first.
#[derive(Debug, Clone, Default)]
struct Node {
    fields: Box<[FieldId]>,
    children: Box<[Child]>,
    by_length: Box<[[u32; 2]]>,
    /// Elements of the array here that paths single out, and where they lead.
    positions: Box<[(u32, u32)]>,
}

#[derive(Debug, Clone)]
struct Child {
    name: Box<str>,
    /// The start of the name, to tell names apart without going to it.
    head: u64,
    case: Case,
    node: u32,
}

impl Projection {
    /// Compiles paths. The number of a path is its place in the list; equal paths are better given once.
    pub fn new(paths: Vec<Path>) -> Self {
        Self::of_some(paths, |_| true)
    }

    /// Compiles those of the paths whose number is `wanted`; the others keep their number and are never read.
    pub fn of_some(paths: Vec<Path>, wanted: impl Fn(FieldId) -> bool) -> Self {
        let mut projection = Self { nodes: Vec::new(), paths };
        let members = (0..projection.paths.len() as u32).filter(|&number| wanted(FieldId(number))).collect();
        let paths = std::mem::take(&mut projection.paths);
        let steps: Vec<Vec<Step<'_>>> = paths.iter().map(|path| path.steps().collect()).collect();
        projection.build(&paths, &steps, members, 0);
        projection.paths = paths;
        projection
    }

    /// The wanted paths, by number.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Adds the node for the paths that share what lies above `depth`, and returns its number. A spelling that some
    /// path insists on gets a child of its own, which the paths that ignore case pass through as well.
    fn build(&mut self, paths: &[Path], steps: &[Vec<Step<'_>>], members: Vec<u32>, depth: usize) -> u32 {
        let number = self.nodes.len() as u32;
        self.nodes.push(Node::default());
        let step = |member: u32| steps[member as usize].get(depth).copied();
        let case = |member: u32| paths[member as usize].case();
        let (mut ending, mut names, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for &member in &members {
            match step(member) {
                None => ending.push(FieldId(member)),
                Some(Step::Name(name)) => names.push((name, case(member))),
                Some(Step::Position(position)) => positions.push(position),
            }
        }
        names.sort_by_cached_key(|&(name, case)| (name.len(), case, folded(name, case), name));
        names.dedup_by_key(|&mut (name, case)| (case, folded(name, case)));
        positions.sort_unstable();
        positions.dedup();

        let mut children = Vec::with_capacity(names.len());
        for (name, spelling) in names {
            let leads_on = |&member: &u32| {
                let exact_enough = spelling == Case::Sensitive || case(member) == Case::Insensitive;
                exact_enough && matches!(step(member), Some(Step::Name(wanted)) if case(member).same(wanted, name))
            };
            let below = members.iter().copied().filter(leads_on).collect();
            let node = self.build(paths, steps, below, depth + 1);
            children.push(Child { head: head(name), name: name.into(), case: spelling, node });
        }
        let of_position = |position: u32| {
            let below = members.iter().copied().filter(|&member| step(member) == Some(Step::Position(position)));
            (position, self.build(paths, steps, below.collect(), depth + 1))
        };
        let positions = positions.into_iter().map(of_position).collect();
        let node = &mut self.nodes[number as usize];
        node.fields = ending.into();
        node.by_length = by_length(&children);
        node.children = children.into_boxed_slice();
        node.positions = positions;
        number
    }

    /// Reads a record, which must be one JSON object and nothing else, into `fields`. On an error `fields` holds
    /// nothing of use.
    pub fn read(&self, text: &str, fields: &mut Fields) -> Result<(), serde_json::Error> {
        fields.reset(self.paths.len());
        match self.walk(text, fields, false) {
            Ok(()) => Ok(()),
            // What the quick walk refuses may still be JSON: a number beyond a double, a lone surrogate.
            Err(_) => {
                fields.reset(self.paths.len());
                self.walk(text, fields, true)
            }
        }
    }

    fn walk(&self, text: &str, fields: &mut Fields, careful: bool) -> Result<(), serde_json::Error> {
        let mut walker = Walker { projection: self, fields, base: text.as_ptr() as usize, careful };
        let mut json = serde_json::Deserializer::from_str(text);
        let root = At { walker: &mut walker, node: 0, is_element: false };
        if careful {
            let raw: &RawValue = serde::Deserialize::deserialize(&mut json)?;
            json.end()?;
            require_object(raw)?;
            root.raw(raw)
        } else {
            (&mut json).deserialize_map(root)?;
            json.end()
        }
    }
}

fn require_object(raw: &RawValue) -> Result<(), serde_json::Error> {
    match raw.get().as_bytes().first() {
        Some(b'{') => Ok(()),
        _ => Err(serde_json::Error::custom("a record is a JSON object")),
    }
}

/// What two names agree in if they are one.
fn folded(name: &str, case: Case) -> String {
    match case {
        Case::Sensitive | Case::Joined => name.to_owned(),
        Case::Insensitive => name.to_ascii_lowercase(),
    }
}

impl Node {
    fn child(&self, key: &str) -> Option<u32> {
        let [first, end] = *self.by_length.get(key.len())?;
        if first == end {
            return None;
        }
        let head = head(key);
        let alike = self.children[first as usize..end as usize].iter().filter(|child| child.head == head);
        alike.into_iter().find(|child| child.case.same(&child.name, key)).map(|child| child.node)
    }
}

/// By length of a name: where the names of that length begin and end.
fn by_length(children: &[Child]) -> Box<[[u32; 2]]> {
    let longest = children.last().map_or(0, |child| child.name.len());
    let start = |length| children.partition_point(|child| child.name.len() < length) as u32;
    (0..=longest).map(|length| [start(length), start(length + 1)]).collect()
}

/// The first eight bytes of a name, the same for either case of a letter.
fn head(name: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = name.len().min(8);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

/// What one walk carries along.
struct Walker<'w> {
    projection: &'w Projection,
    fields: &'w mut Fields,
    /// The address of the record's text: a string that the parser lends lies so far behind it.
    base: usize,
    careful: bool,
}

/// A walker standing at a node, about to read the value there.
struct At<'x, 'w> {
    walker: &'x mut Walker<'w>,
    node: u32,
    /// Whether the value is an element of an array that was passed through: positions are those of the outer one.
    is_element: bool,
}

impl<'w> At<'_, 'w> {
    fn node(&self) -> &'w Node {
        &self.walker.projection.nodes[self.node as usize]
    }

    fn again(&mut self) -> At<'_, 'w> {
        At { walker: &mut *self.walker, node: self.node, is_element: true }
    }

    fn down(&mut self, node: u32) -> At<'_, 'w> {
        At { walker: &mut *self.walker, node, is_element: false }
    }

    /// The elements that paths single out here.
    fn positions(&self) -> &'w [(u32, u32)] {
        if self.is_element { &[] } else { &self.node().positions }
    }

    /// Keeps a value for every field that ends here.
    fn keep(&mut self, kind: Kind) {
        for &field in &self.node().fields {
            self.walker.fields.push(field, kind);
        }
    }

    /// Keeps a string that is part of the record's text.
    fn keep_borrowed(&mut self, text: &str) {
        let start = (text.as_ptr() as usize - self.walker.base) as u32;
        self.keep(Kind::String { start, len: text.len() as u32 });
    }

    /// Keeps a string that differs from the record's text.
    fn keep_unescaped(&mut self, write: impl FnOnce(&mut String)) {
        if self.node().fields.is_empty() {
            return;
        }
        let buffer = &mut self.walker.fields.unescaped;
        let start = buffer.len();
        write(buffer);
        let len = (buffer.len() - start) as u32;
        self.keep(Kind::Unescaped { start: start as u32, len });
    }

    /// Takes in a value by its text.
    fn raw(mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') if self.node().children.is_empty() => self.keep(Kind::Object),
            Some(b'{') => return serde_json::Deserializer::from_str(text).deserialize_map(self),
            Some(b'[') => {
                let positions = self.positions();
                if !positions.is_empty() {
                    let singled_out = Positions { at: self.again(), positions };
                    serde_json::Deserializer::from_str(text).deserialize_seq(singled_out)?;
                }
                return serde_json::Deserializer::from_str(text).deserialize_seq(self);
            }
            Some(b'"') if memchr::memchr(b'\\', text.as_bytes()).is_none() => {
                self.keep_borrowed(&text[1..text.len() - 1]);
            }
            Some(b'"') => self.keep_unescaped(|buffer| unescape(text, buffer)),
            Some(b't') => self.keep(Kind::Bool(true)),
            Some(b'f') => self.keep(Kind::Bool(false)),
            Some(b'n') => self.keep(Kind::Null),
            _ => match text.parse() {
                Ok(number) if text != "-0" => self.keep(Kind::Integer(number)),
                _ => {
                    let start = (text.as_ptr() as usize - self.walker.base) as u32;
                    self.keep(Kind::Number { start, len: text.len() as u32 });
                }
            },
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // An array with elements that paths single out is walked twice, so its text is needed.
        if self.walker.careful || !self.positions().is_empty() {
            let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
            return self.raw(raw).map_err(D::Error::custom);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.keep(Kind::Object);
        let node = self.node();
        while let Some(child) = map.next_key_seed(Key { node, careful: self.walker.careful })? {
            match child {
                Some(child) => map.next_value_seed(self.down(child))?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let first = self.walker.fields.slots.len();
        self.keep(Kind::Array(0));
        let mut count = 0;
        while elements.next_element_seed(self.again())?.is_some() {
            count += 1;
        }
        let kept = self.node().fields.len();
        for slot in &mut self.walker.fields.slots[first..first + kept] {
            slot.kind = Kind::Array(count);
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<(), E> {
        self.keep_borrowed(text);
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.keep_unescaped(|buffer| buffer.push_str(text));
        Ok(())
    }

    fn visit_bool<E>(mut self, truth: bool) -> Result<(), E> {
        self.keep(Kind::Bool(truth));
        Ok(())
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.keep(Kind::Null);
        Ok(())
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<(), E> {
        self.keep(Kind::Integer(number));
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(0.0),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        match self.node().fields.is_empty() {
            true => Ok(()),
            false => Err(E::custom("a number to be read carefully")),
        }
    }
}

/// Reads the elements of an array that paths single out.
struct Positions<'x, 'w> {
    at: At<'x, 'w>,
    positions: &'w [(u32, u32)],
}

impl<'de> Visitor<'de> for Positions<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        for number in 0.. {
            let node = self.positions.iter().find(|&&(position, _)| position == number);
            let more = match node {
                Some(&(_, node)) => elements.next_element_seed(self.at.down(node))?.is_some(),
                None => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Finds the child that a key leads to.
struct Key<'n> {
    node: &'n Node,
    careful: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<u32>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u32>, D::Error> {
        if !self.careful {
            return deserializer.deserialize_str(self);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        let mut name = String::new();
        unescape(raw.get(), &mut name);
        Ok(self.node.child(&name))
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<u32>, E> {
        Ok(self.node.child(key))
    }
}

/// Appends what a JSON string in quotes stands for. The text has been through the parser, so the one thing that can
/// still be wrong is a lone surrogate, which no Rust string can hold: it becomes U+FFFD.
pub(crate) fn unescape(quoted: &str, out: &mut String) {
    struct Append<'o>(&'o mut String);
    impl<'de> Visitor<'de> for Append<'_> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E>(self, text: &str) -> Result<(), E> {
            self.0.push_str(text);
            Ok(())
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<(), E> {
            self.0.push_str(&String::from_utf8_lossy(bytes));
            Ok(())
        }
    }
    let exact = serde_json::Deserializer::from_str(quoted).deserialize_str(Append(out));
    if exact.is_err() {
        let lossy = serde_json::Deserializer::from_str(quoted).deserialize_bytes(Append(out));
        debug_assert!(lossy.is_ok(), "the parser has accepted this string before");
    }
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    /// A span of the record.
    Number {
        start: u32,
        len: u32,
    },
    /// A span of the record.
    String {
        start: u32,
        len: u32,
    },
    /// A span of the buffer of unescaped strings.
    Unescaped {
        start: u32,
        len: u32,
    },
    Object,
    /// The number of elements.
    Array(u32),
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    kind: Kind,
    next: u32,
}

/// What a projection found in one record: spans, to be read beside the record's text. Used again and again.
#[derive(Debug, Default)]
pub struct Fields {
    slots: Vec<Slot>,
    /// By field: the first and the last of its slots.
    ends: Vec<(u32, u32)>,
    unescaped: String,
}

impl Fields {
    fn reset(&mut self, fields: usize) {
        self.slots.clear();
        self.unescaped.clear();
        self.ends.clear();
        self.ends.resize(fields, (NONE, NONE));
    }

    fn push(&mut self, field: FieldId, kind: Kind) {
        let number = self.slots.len() as u32;
        self.slots.push(Slot { kind, next: NONE });
        let (first, last) = &mut self.ends[field.0 as usize];
        if *first == NONE {
            *first = number;
        } else {
            self.slots[*last as usize].next = number;
        }
        *last = number;
    }

    /// The values of a field, in the record's order.
    pub fn values<'a>(&'a self, text: &'a str, field: FieldId) -> Values<'a> {
        let next = self.ends.get(field.0 as usize).map_or(NONE, |&(first, _)| first);
        Values { fields: self, text, next }
    }
}

/// The values of one field.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    fields: &'a Fields,
    text: &'a str,
    next: u32,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.next == NONE {
            return None;
        }
        let slot = self.fields.slots[self.next as usize];
        self.next = slot.next;
        let span = |start: u32, len: u32| start as usize..(start + len) as usize;
        Some(match slot.kind {
            Kind::Null => Value::Null,
            Kind::Bool(truth) => Value::Bool(truth),
            Kind::Integer(number) => Value::Integer(number),
            Kind::Number { start, len } => Value::Number(&self.text[span(start, len)]),
            Kind::String { start, len } => Value::String(&self.text[span(start, len)]),
            Kind::Unescaped { start, len } => Value::String(&self.fields.unescaped[span(start, len)]),
            Kind::Object => Value::Object,
            Kind::Array(count) => Value::Array(count),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[(&str, Case)], text: &str) -> Vec<Vec<String>> {
        let paths: Vec<Path> = paths.iter().map(|(path, case)| Path::parse(path, *case).unwrap()).collect();
        let projection = Projection::new(paths);
        let mut fields = Fields::default();
        projection.read(text, &mut fields).unwrap();
        (0..projection.paths().len() as u32)
            .map(|field| fields.values(text, FieldId(field)).map(|value| format!("{value:?}")).collect())
            .collect()
    }

    fn one(path: &str, text: &str) -> Vec<String> {
        read(&[(path, Case::Insensitive)], text).remove(0)
    }

    #[test]
    fn keeps_values_as_they_are_written() {
        let text = r#" {"a":{"s":"x","e":"q\"\u0041","n":1.50e3,"t":true,"f":false,"z":null,"o":{},"l":[]}} "#;
        for (path, expected) in [
            ("a.s", "String(\"x\")"),
            ("a.e", "String(\"q\\\"A\")"),
            ("a.n", "Number(\"1.50e3\")"),
            ("a.t", "Bool(true)"),
            ("a.f", "Bool(false)"),
            ("a.z", "Null"),
            ("a.o", "Object"),
            ("a.l", "Array(0)"),
            ("a", "Object"),
        ] {
            assert_eq!(one(path, text), [expected], "{path}");
        }
        assert!(one("a.missing", text).is_empty());
        assert!(one("a.s.deeper", text).is_empty());
    }

    #[test]
    fn passes_through_arrays() {
        let text = r#"{"r":[{"k":"1"},{"k":["2","3"]},7,[{"k":4}]]}"#;
        assert_eq!(one("r.k", text), ["String(\"1\")", "Array(2)", "String(\"2\")", "String(\"3\")", "Integer(4)"]);
        assert_eq!(one("r", text), ["Array(4)", "Object", "Object", "Integer(7)", "Array(1)", "Object"]);
    }

    #[test]
    fn a_position_singles_an_element_out() {
        let text = r#"{"a":[{"b":1},[{"b":2}],{"b":[3,[4,5]]}],"o":{"b":[6]}}"#;
        for (names, positions, expected) in [
            ("a.b", vec![(0, 0)], vec!["Integer(1)"]),
            ("a.b", vec![(0, 1)], vec!["Integer(2)"]),
            ("a.b", vec![(0, 1), (0, 0)], vec!["Integer(2)"]),
            ("a.b", vec![(0, 2), (1, 1), (1, 0)], vec!["Integer(4)"]),
            ("a.b", vec![(0, 2), (1, 1)], vec!["Array(2)", "Integer(4)", "Integer(5)"]),
            ("a.b", vec![(1, 0)], vec!["Integer(3)"]),
            ("a", vec![(0, 1)], vec!["Array(1)", "Object"]),
            ("a.b", vec![(0, 3)], vec![]),
            ("o.b", vec![(0, 0)], vec![]),
            ("o.b", vec![(1, 0)], vec!["Integer(6)"]),
        ] {
            let path = |text| Path::parse(text, Case::Sensitive).unwrap();
            let whole = [path("a"), path("a.b"), path("o.b")];
            let singled_out = path(names).with_positions(positions.clone()).unwrap();
            let projection = Projection::new(whole.into_iter().chain([singled_out]).collect());
            let mut fields = Fields::default();
            projection.read(text, &mut fields).unwrap();
            let found = |field| fields.values(text, FieldId(field)).map(|v| format!("{v:?}")).collect::<Vec<_>>();
            assert_eq!(found(3), expected, "{names} {positions:?}");
            assert_eq!(found(1).len(), 7, "the whole is read as without it: {:?}", found(1));
        }
    }

    #[test]
    fn a_spelling_that_counts_lives_beside_one_that_does_not() {
        let text = r#"{"eventName":1,"EVENTNAME":2,"eventname":3}"#;
        let found = read(
            &[("eventName", Case::Sensitive), ("eventname", Case::Insensitive), ("EVENTNAME", Case::Sensitive)],
            text,
        );
        assert_eq!(found[0], ["Integer(1)"]);
        assert_eq!(found[1], ["Integer(1)", "Integer(2)", "Integer(3)"]);
        assert_eq!(found[2], ["Integer(2)"]);
    }

    #[test]
    fn deeper_paths_keep_their_case_rule() {
        let text = r#"{"A":{"b":1},"a":{"B":2}}"#;
        let found = read(&[("a.b", Case::Sensitive), ("a.b", Case::Insensitive), ("A.b", Case::Sensitive)], text);
        assert_eq!(found[0], [] as [&str; 0]);
        assert_eq!(found[1], ["Integer(1)", "Integer(2)"]);
        assert_eq!(found[2], ["Integer(1)"]);
    }

    #[test]
    fn a_duplicate_key_contributes_every_value() {
        assert_eq!(one("a.b", r#"{"a":{"b":1},"a":{"b":2,"b":3}}"#).len(), 3);
    }

    #[test]
    fn hostile_text_reads_the_same_wanted_or_not() {
        for text in [
            r#"{"a":1e400,"b":"x"}"#,
            r#"{"a":"\ud800","b":"x"}"#,
            r#"{"\udfff":"","b":"x"}"#,
            r#"{"a":{"\ud800":1},"b":"x"}"#,
            r#"{"a":123456789012345678901234567890,"b":"x"}"#,
            r#"{"a":"\u0000","b":"x"}"#,
        ] {
            for path in ["a", "a.deeper", "other"] {
                let found = read(&[(path, Case::Insensitive), ("b", Case::Insensitive)], text);
                assert_eq!(found[1], ["String(\"x\")"], "{path} in {text}");
            }
        }
        assert_eq!(one("a", r#"{"a":1e400}"#), ["Number(\"1e400\")"]);
        assert!(one("a", r#"{"a":"\ud800!"}"#)[0].ends_with("!\")"));
    }

    #[test]
    fn what_is_no_object_is_an_error_wherever_it_stands() {
        let projection = Projection::new(vec![Path::parse("a.b", Case::Insensitive).unwrap()]);
        let mut fields = Fields::default();
        for text in [
            "",
            "{",
            "[]",
            "1",
            "\"x\"",
            r#"{"a":{"b":1}"#,
            r#"{"a":1}x"#,
            r#"{"a":01}"#,
            r#"{"z":01}"#,
            "{\"a\":\"\u{1}\"}",
            "{\"z\":\"\u{1}\"}",
            "{\"\u{1}\":1}",
            "{\"a\":{\"\u{1}\":1}}",
            r#"{"a":{"b":tru}}"#,
            r#"{"a" 1}"#,
            r#"{"a":1,}"#,
            r#"{"z":"\x"}"#,
            r#"{"a":{"b":"\x"}}"#,
        ] {
            assert!(projection.read(text, &mut fields).is_err(), "{text}");
        }
    }
}
