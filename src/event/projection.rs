//! Reading only the fields that somebody wants, in one walk over a record's text.
//!
//! The wanted paths form a trie; a key that leads nowhere in it has its value skipped by the parser. Strings are kept
//! as spans of the record's own text and copied only where they hold an escape. Nothing is allocated for a record once
//! the buffers have grown.
//!
//! There are two walks that find the same. The quick one looks one byte ahead, at where a key ends, to know what kind of
//! value follows, and has the parser do no more than that kind needs: text with an escape and numbers are taken raw and
//! read here, what is not wanted is passed over. The careful one takes every value's raw text, at twice the price, and
//! is the answer to what the parser refuses though it is JSON: lone surrogates in keys, and nesting beyond its limit.
//!
//! The parser keeps a stack, which it allocates, while it passes over a value that nests, and copies what it unescapes.
//! So values that nest are gone through here member by member, down to those that do not, and escapes are undone by a
//! lexer that writes into a buffer of ours. What is left to allocate for is odd: a key with an escape, a text with an
//! escape that follows an object or an array within one array, a text with a closing bracket before values that nest.
//!
//! Corners, the same for wanted and unwanted fields: a duplicate key contributes every one of its values; a lone
//! surrogate reads as U+FFFD; a number of any size is kept as its text; nesting is bounded by the caller.

use std::fmt;

use memchr::memchr;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use self::skip::{Skip, past_space, peek, value_after};
use super::path::{Case, Path, Step};

mod skip;
mod unescape;

pub(crate) use unescape::unescape;

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
            // What the quick walk refuses may still be JSON: a lone surrogate in a key, nesting beyond the parser's limit.
            Err(_) => {
                fields.reset(self.paths.len());
                self.walk(text, fields, true)
            }
        }
    }

    fn walk(&self, text: &str, fields: &mut Fields, careful: bool) -> Result<(), serde_json::Error> {
        let escapes = memchr(b'\\', text.as_bytes()).is_some();
        let mut walker = Walker { projection: self, fields, text, escapes };
        let mut json = serde_json::Deserializer::from_str(text);
        let root = At { walker: &mut walker, node: 0, start: None, is_element: false };
        if careful {
            let raw: &RawValue = Deserialize::deserialize(&mut json)?;
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
    let bytes = name.as_bytes();
    let head = match bytes.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => bytes.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
    };
    head | 0x2020_2020_2020_2020
}

/// What one walk carries along.
struct Walker<'w> {
    projection: &'w Projection,
    fields: &'w mut Fields,
    text: &'w str,
    /// Whether anything in the text is escaped.
    escapes: bool,
}

/// A walker standing at a node, about to read the value there.
struct At<'x, 'w> {
    walker: &'x mut Walker<'w>,
    node: u32,
    /// Where the value starts in the record's text, if that is known.
    start: Option<usize>,
    /// Whether the value is an element of an array that was passed through: positions are those of the outer one.
    is_element: bool,
}

impl<'w> At<'_, 'w> {
    fn node(&self) -> &'w Node {
        &self.walker.projection.nodes[self.node as usize]
    }

    fn again(&mut self, start: Option<usize>) -> At<'_, 'w> {
        At { walker: &mut *self.walker, node: self.node, start, is_element: true }
    }

    fn down(&mut self, node: u32, start: Option<usize>) -> At<'_, 'w> {
        At { walker: &mut *self.walker, node, start, is_element: false }
    }

    /// The elements that paths single out here.
    fn positions(&self) -> &'w [(u32, u32)] {
        if self.is_element { &[] } else { &self.node().positions }
    }

    /// Keeps a value for every field that ends here, of an element for those of which elements are values.
    fn keep(&mut self, kind: Kind) {
        for &field in &self.node().fields {
            let is_part = self.is_element && self.walker.projection.paths[field.0 as usize].is_of_whole_arrays();
            if !is_part {
                self.walker.fields.push(field, kind);
            }
        }
    }

    /// Where a part of the record's text lies in it.
    fn span(&self, part: &str) -> (u32, u32) {
        (offset(self.walker.text, part) as u32, part.len() as u32)
    }

    /// Keeps a string, given with its quotes.
    fn keep_string(&mut self, quoted: &str) {
        if memchr(b'\\', quoted.as_bytes()).is_some() {
            return self.keep_unescaped(|buffer| unescape(quoted, buffer));
        }
        let (start, len) = self.span(&quoted[1..quoted.len() - 1]);
        self.keep(Kind::String { start, len });
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

    fn keep_number(&mut self, text: &str) {
        match text.parse() {
            Ok(number) if text != "-0" => self.keep(Kind::Integer(number)),
            _ => {
                let (start, len) = self.span(text);
                self.keep(Kind::Number { start, len });
            }
        }
    }

    /// Takes in a value by its text.
    fn raw(mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') if self.node().children.is_empty() => self.keep(Kind::Object),
            Some(b'{') => return serde_json::Deserializer::from_str(text).deserialize_map(Raw(self)),
            Some(b'[') => {
                let positions = self.positions();
                if !positions.is_empty() {
                    let singled_out = Positions { at: self.again(None), positions };
                    serde_json::Deserializer::from_str(text).deserialize_seq(singled_out)?;
                }
                return serde_json::Deserializer::from_str(text).deserialize_seq(Raw(self));
            }
            Some(b'"') => self.keep_string(text),
            Some(b't') => self.keep(Kind::Bool(true)),
            Some(b'f') => self.keep(Kind::Bool(false)),
            Some(b'n') => self.keep(Kind::Null),
            _ => self.keep_number(text),
        }
        Ok(())
    }

    /// Keeps an array, whose elements `read` goes through and counts.
    fn array<E>(&mut self, read: impl FnOnce(&mut Self) -> Result<u32, E>) -> Result<(), E> {
        let first = self.walker.fields.slots.len();
        self.keep(Kind::Array(0));
        let after = self.walker.fields.slots.len();
        let count = read(self)?;
        for slot in &mut self.walker.fields.slots[first..after] {
            slot.kind = Kind::Array(count);
        }
        Ok(())
    }
}

/// Where a part of a text lies in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// Stands for the first byte of a value that is to be read raw, whatever it is.
const RAW: u8 = b'#';

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    /// Where the value ends, if that is known.
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        let text = self.walker.text;
        // An array with elements that paths single out is walked twice, so its text is needed.
        let first = match peek(text, self.start) {
            0 | b'[' if !self.positions().is_empty() => RAW,
            first => first,
        };
        match first {
            b'"' if !self.walker.escapes => deserializer.deserialize_str(self),
            b'{' => deserializer.deserialize_map(self),
            b'[' => deserializer.deserialize_seq(self),
            0 => deserializer.deserialize_any(self),
            _ => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                let end = offset(text, raw.get()) + raw.get().len();
                self.raw(raw).map_err(D::Error::custom)?;
                Ok(Some(end))
            }
        }
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Option<usize>, A::Error> {
        self.keep(Kind::Object);
        let (text, node) = (self.walker.text, self.node());
        while let Some((child, start)) = map.next_key_seed(Key { text, node })? {
            match (child, peek(text, start)) {
                (Some(child), _) => drop(map.next_value_seed(self.down(child, start))?),
                (None, 0 | b'{' | b'[') => map.next_value_seed(Skip { text, start, depth: 0 })?,
                (None, _) => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Option<usize>, A::Error> {
        let text = self.walker.text;
        let mut start = self.start.map(|start| past_space(text, start + 1));
        self.array(|at| {
            let mut count = 0;
            while let Some(end) = elements.next_element_seed(at.again(start))? {
                count += 1;
                start = end.map(|end| past_space(text, past_space(text, end) + 1));
            }
            Ok(count)
        })?;
        Ok(None)
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<Option<usize>, E> {
        let (start, len) = self.span(text);
        self.keep(Kind::String { start, len });
        Ok(Some((start + len) as usize + 1))
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Option<usize>, E> {
        self.keep_unescaped(|buffer| buffer.push_str(text));
        Ok(None)
    }

    fn visit_bool<E>(mut self, truth: bool) -> Result<Option<usize>, E> {
        self.keep(Kind::Bool(truth));
        Ok(None)
    }

    fn visit_unit<E>(mut self) -> Result<Option<usize>, E> {
        self.keep(Kind::Null);
        Ok(None)
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<Option<usize>, E> {
        self.keep(Kind::Integer(number));
        Ok(None)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Option<usize>, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(0.0),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Option<usize>, E> {
        match self.node().fields.is_empty() {
            true => Ok(None),
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
        let mut number = 0;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if let Some(&(_, node)) = self.positions.iter().find(|&&(position, _)| position == number) {
                self.at.down(node, None).raw(element).map_err(A::Error::custom)?;
            }
            number += 1;
        }
        Ok(())
    }
}

/// Finds the child that a key leads to, and where its value starts.
struct Key<'n> {
    text: &'n str,
    node: &'n Node,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = (Option<u32>, Option<usize>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = (Option<u32>, Option<usize>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok((self.node.child(key), value_after(self.text, key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.node.child(key), None))
    }
}

/// The careful walk's way through an object or an array: everything by its text.
struct Raw<'x, 'w>(At<'x, 'w>);

impl<'de> Visitor<'de> for Raw<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.0.keep(Kind::Object);
        let mut name = String::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            name.clear();
            unescape(key.get(), &mut name);
            if let Some(child) = self.0.node().child(&name) {
                self.0.down(child, None).raw(value).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        self.0.array(|at| {
            let mut count = 0;
            while let Some(element) = elements.next_element::<&RawValue>()? {
                at.again(None).raw(element).map_err(A::Error::custom)?;
                count += 1;
            }
            Ok(count)
        })
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
    /// The fields that have slots.
    found: Vec<FieldId>,
    unescaped: String,
}

impl Fields {
    fn reset(&mut self, fields: usize) {
        self.slots.clear();
        self.unescaped.clear();
        // Of thousands of fields a record has a few.
        for field in self.found.drain(..) {
            self.ends[field.0 as usize] = (NONE, NONE);
        }
        self.ends.resize(fields, (NONE, NONE));
    }

    fn push(&mut self, field: FieldId, kind: Kind) {
        let number = self.slots.len() as u32;
        self.slots.push(Slot { kind, next: NONE });
        let (first, last) = &mut self.ends[field.0 as usize];
        if *first == NONE {
            *first = number;
            self.found.push(field);
        } else {
            self.slots[*last as usize].next = number;
        }
        *last = number;
    }

    /// The fields that have values, in the order in which they were found.
    pub fn found(&self) -> &[FieldId] {
        &self.found
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
    fn of_whole_arrays_no_element_is_a_value() {
        let text = r#"{"a":["x",[1],{"b":["y"]}],"b":"z","c":{"b":[[2],3]}}"#;
        let path = |text| Path::parse(text, Case::Sensitive).unwrap();
        let singled_out = path("a").with_positions(vec![(0, 0)]).unwrap().of_whole_arrays();
        let wholes = ["a", "a.b", "b", "c.b"].map(|text| path(text).of_whole_arrays());
        let projection = Projection::new(wholes.into_iter().chain([path("a"), path("c.b"), singled_out]).collect());
        let mut fields = Fields::default();
        for spelt in [text.to_owned(), text.replace("\"z\"", "\"\\u007a\"")] {
            projection.read(&spelt, &mut fields).unwrap();
            let found = |n| fields.values(&spelt, FieldId(n)).map(|value| format!("{value:?}")).collect::<Vec<_>>();
            let expected = [
                vec!["Array(3)"],
                vec!["Array(1)"],
                vec!["String(\"z\")"],
                vec!["Array(2)"],
                vec!["Array(3)", "String(\"x\")", "Array(1)", "Integer(1)", "Object"],
                vec!["Array(2)", "Array(1)", "Integer(2)", "Integer(3)"],
                vec!["String(\"x\")"],
            ];
            for (n, expected) in expected.iter().enumerate() {
                assert_eq!(found(n as u32), *expected, "path {n} of {spelt}");
            }
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
