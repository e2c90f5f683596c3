//! Reading only the fields that somebody wants, in one walk over a record's text.
//!
//! The wanted paths form a trie; a key that leads nowhere in it has its value passed over. Strings are kept as spans of
//! the record's own text and copied only where they hold an escape. Nothing is allocated for a record once the buffers
//! have grown. The walk itself is in `walk`, how a text is read in `reader`, by the `stops` of its strings.
//!
//! Corners, the same for wanted and unwanted fields: a duplicate key contributes every one of its values; a lone
//! surrogate reads as U+FFFD; a number of any size is kept as its text; what nests deeper than [`DEPTH_MAX`] is refused.
//!
//! What is wanted of few records can be left for later: [`Projection::read`] then passes over it and notes where it
//! stands, and [`Projection::read_rest`] goes back there.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Error as _, IgnoredAny};

use super::path::{Case, Path, Step};
use reader::{Place, Refusal, Source, Span};
use stops::Stops;

mod reader;
mod stops;
mod unescape;
mod walk;

#[cfg(test)]
pub(crate) use stops::tests::levels;
pub(crate) use stops::{behind, filled_up, is_bare_ascii, write_down};
pub(crate) use unescape::unescape;
pub use walk::DEPTH_MAX;

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

/// When a path is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Of every record.
    First,
    /// Only of those of which the rest is asked for.
    Later,
}

/// A place in the trie. Children are sorted by the length of their name, those whose case counts first.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The fields that end here; last those of whole arrays, of which no element is a value.
    fields: Box<[FieldId]>,
    /// How many come before those.
    of_elements: usize,
    children: Box<[Child]>,
    by_length: Box<[[u32; 2]]>,
    /// Elements of the array here that paths single out, and where they lead.
    positions: Box<[(u32, u32)]>,
    /// Whether all that is here and below is left for later.
    is_for_later: bool,
}

#[derive(Debug, Clone)]
struct Child {
    name: Box<[u8]>,
    /// What names are told apart by without going to them.
    ends: Ends,
    case: Case,
    node: u32,
}

impl Projection {
    /// Compiles paths. The number of a path is its place in the list; equal paths are better given once.
    pub fn new(paths: Vec<Path>) -> Self {
        Self::in_turn(paths, |_| Some(Turn::First))
    }

    /// Compiles those of the paths whose number has a turn; the others keep their number and are never read.
    pub fn in_turn(paths: Vec<Path>, turn: impl Fn(FieldId) -> Option<Turn>) -> Self {
        let members = (0..paths.len() as u32).filter(|&number| turn(FieldId(number)).is_some()).collect();
        let mut projection = Self { nodes: Vec::new(), paths: Vec::new() };
        let steps: Vec<Vec<Step<'_>>> = paths.iter().map(|path| path.steps().collect()).collect();
        projection.build(&paths, &steps, members, 0);
        projection.leave_for_later(|field| turn(field) == Some(Turn::Later));
        projection.paths = paths;
        projection
    }

    /// Marks the nodes where nothing is read at first, there or below. What is below has the greater number.
    fn leave_for_later(&mut self, is_for_later: impl Fn(FieldId) -> bool) {
        for number in (0..self.nodes.len()).rev() {
            let node = &self.nodes[number];
            let mut below =
                node.children.iter().map(|child| child.node).chain(node.positions.iter().map(|&(_, node)| node));
            let all = node.fields.iter().all(|&field| is_for_later(field))
                && below.all(|node| self.nodes[node as usize].is_for_later);
            self.nodes[number].is_for_later = all;
        }
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
            children.push(Child {
                ends: Ends::of(name.as_bytes()),
                name: name.as_bytes().into(),
                case: spelling,
                node,
            });
        }
        let of_position = |position: u32| {
            let below = members.iter().copied().filter(|&member| step(member) == Some(Step::Position(position)));
            (position, self.build(paths, steps, below.collect(), depth + 1))
        };
        let positions = positions.into_iter().map(of_position).collect();
        let is_of_whole_arrays = |field: &FieldId| paths[field.0 as usize].is_of_whole_arrays();
        ending.sort_by_key(is_of_whole_arrays);
        let node = &mut self.nodes[number as usize];
        node.of_elements = ending.partition_point(|field| !is_of_whole_arrays(field));
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
        walk::walk(&self.nodes, text, fields).map_err(|refusal| error(text, refusal))
    }

    /// Reads what [`Projection::read`] has left for later of the same text.
    pub fn read_rest(&self, text: &str, fields: &mut Fields) {
        walk::walk_rest(&self.nodes, text, fields);
    }
}

/// Why a text was refused, in the words of the parser that all else is decoded with.
#[cold]
fn error(text: &str, refusal: Refusal) -> serde_json::Error {
    match (serde_json::from_str::<IgnoredAny>(text), refusal) {
        (Err(error), _) => error,
        (Ok(_), Refusal::TooDeep) => {
            serde_json::Error::custom(format_args!("a record nests no deeper than {DEPTH_MAX} levels"))
        }
        (Ok(_), Refusal::TooLarge) => serde_json::Error::custom("a record has less than 4 GiB"),
        (Ok(_), Refusal::NotJson) => serde_json::Error::custom("a record is a JSON object"),
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
    /// Where a key leads.
    fn child(&self, key: &[u8]) -> Option<u32> {
        let [first, end] = *self.by_length.get(key.len())?;
        if first == end {
            return None;
        }
        let ends = Ends::of(key);
        let found =
            self.children[first as usize..end as usize].iter().find(|child| match child.ends.difference(ends) {
                0 if key.len() <= Ends::BYTES => true,
                difference => difference & !IN_CASE == 0 && child.case.same(&child.name, key),
            });
        found.map(|child| child.node)
    }
}

/// By length of a name: where the names of that length begin and end.
fn by_length(children: &[Child]) -> Box<[[u32; 2]]> {
    let longest = children.last().map_or(0, |child| child.name.len());
    let start = |length| children.partition_point(|child| child.name.len() < length) as u32;
    (0..=longest).map(|length| [start(length), start(length + 1)]).collect()
}

/// The first eight bytes of a name and the last eight, which overlap where it is shorter than both.
#[derive(Debug, Clone, Copy)]
struct Ends(u64, u64);

/// What letters differ in if they only differ in case.
const IN_CASE: u64 = u64::MAX / 255 * 0x20;

impl Ends {
    /// How many bytes of a name they tell all of.
    const BYTES: usize = 16;

    #[inline]
    fn of(name: &[u8]) -> Self {
        match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => Self(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => Self(name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
        }
    }

    /// The bits that differ, of two names of one length.
    #[inline]
    fn difference(self, other: Self) -> u64 {
        (self.0 ^ other.0) | (self.1 ^ other.1)
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
    /// A key that holds escapes, without them.
    key: String,
    /// What was left for later, and where it starts.
    later: Vec<(walk::At, Place)>,
    /// Of the text that was read last.
    stops: Stops,
}

impl Fields {
    fn reset(&mut self, fields: usize) {
        self.slots.clear();
        self.unescaped.clear();
        self.later.clear();
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

    /// Every string of the text that was read last, wherever it stands, in its order. Names of members are none.
    pub(crate) fn strings<'a>(&'a self, text: &'a str) -> Vec<Cow<'a, str>> {
        let source = Source::new(text, &self.stops);
        let string = |span: Span| {
            if !span.is_escaped {
                return Cow::Borrowed(source.get(span));
            }
            let mut string = String::new();
            unescape(source.quoted(span), &mut string);
            Cow::Owned(string)
        };
        reader::strings(&source).map(string).collect()
    }

    /// Whether the text that was read last, in which every string is written as it is, has neither control characters nor a space
    /// behind any: which places are within one, and whether it is a name, is plain from the quotes and one byte more.
    pub(crate) fn is_plain(&self, text: &str) -> bool {
        let at = |place: u32| text.as_bytes().get(place as usize);
        let (strings, rest) = self.stops.all().as_chunks();
        let is_plain =
            |&[start, end]: &[u32; 2]| at(start) == Some(&b'"') && at(end) == Some(&b'"') && at(end + 1) != Some(&b' ');
        rest.is_empty() && strings.iter().all(is_plain)
    }

    /// Where the string is that a place of such a text is in. Names of members are none.
    pub(crate) fn string_at(&self, text: &str, place: usize) -> Option<Range<usize>> {
        let quotes = self.stops.all();
        let before = quotes.partition_point(|&quote| (quote as usize) < place);
        let start = *quotes[..before].last().filter(|_| before % 2 == 1)? as usize + 1;
        let end = *quotes.get(before)? as usize;
        let is_name = text.as_bytes().get(end + 1) == Some(&b':');
        (!is_name).then_some(start..end)
    }

    /// Appends what those of the strings stand for that are written with escapes, with a control character between them.
    pub(crate) fn write_escaped(&self, text: &str, out: &mut String) {
        let source = Source::new(text, &self.stops);
        for span in reader::strings(&source).filter(|span| span.is_escaped) {
            unescape(source.quoted(span), out);
            out.push('\0');
        }
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
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::value::RawValue;

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

    fn strings(text: &str) -> Vec<String> {
        let mut fields = Fields::default();
        Projection::new(Vec::new()).read(text, &mut fields).unwrap();
        fields.strings(text).into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn finds_strings_at_every_depth_and_nothing_else() {
        let text = "\t{\"a\":\"1\",\n\"b\" : {\"c\":[\"2\",{\"d\":\"\\u0033\"},[[\"4\\\\\" ]]]},\"e\":5,\"f\":true,\"\\\"\":6.5e400,\"\":\"\"}\n";
        assert_eq!(strings(text), ["1", "2", "3", "4\\", ""]);
        assert_eq!(strings(r#"{"a":"\ud800:","b":{"c":"x"}}"#), ["\u{fffd}:", "x"]);
        assert_eq!(strings("{}"), [""; 0]);
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
    fn what_is_left_for_later_is_found_then_and_nothing_twice() {
        let text = r#"{"a":{"b":1,"c":[{"d":"x"},{"d":"\u0079"}]},"A":{"b":2},"e":[[{"f":null}],7],"g":"z"}"#;
        let paths = ["a", "a.b", "a.c.d", "a.c", "e.f", "e", "g", "a.missing"]
            .map(|path| Path::parse(path, Case::Insensitive).unwrap());
        let found = |fields: &Fields| -> Vec<String> {
            let values = |field| fields.values(text, FieldId(field)).map(|value| format!("{value:?}"));
            (0..paths.len() as u32).map(|field| values(field).collect::<Vec<_>>().join(" ")).collect()
        };
        let mut fields = Fields::default();
        Projection::new(paths.to_vec()).read(text, &mut fields).unwrap();
        let all = found(&fields);
        for split in 0_u32..1 << paths.len() {
            let is_first = |field: FieldId| split >> field.0 & 1 == 1;
            let turn = |field| Some(if is_first(field) { Turn::First } else { Turn::Later });
            let projection = Projection::in_turn(paths.to_vec(), turn);
            projection.read(text, &mut fields).unwrap();
            let at_first = found(&fields);
            for field in (0..paths.len()).filter(|&field| is_first(FieldId(field as u32))) {
                assert_eq!(at_first[field], all[field], "{split:b}");
            }
            projection.read_rest(text, &mut fields);
            assert_eq!(found(&fields), all, "{split:b}");
        }
    }

    /// Pieces of JSON that make trouble when put together.
    const SCRAPS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u12",
        "\\ud800",
        "ab",
        "\n",
        "\u{1}",
        " ",
        "\n",
        "\u{1}",
        "é",
        "0",
        "1",
        "-",
        ".5",
        ".",
        "e",
        "E+",
        "true",
        "nul",
        "null",
        "\"a\":",
        "\"z\":",
        "\"\\u0061\":",
        "{\"b\":",
        "\"x\"",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_is_taken_is_what_serde_json_takes(scraps in vec(select(SCRAPS), 0..14), broken in any::<bool>()) {
            let within = scraps.concat();
            let text = if broken { within } else { format!("{{\"a\":{within}}}") };
            let projection = Projection::new(vec![Path::parse("a.b", Case::Insensitive).unwrap()]);
            let is_object = |raw: &RawValue| raw.get().starts_with('{');
            let expected = serde_json::from_str::<&RawValue>(&text).is_ok_and(is_object);
            prop_assert_eq!(projection.read(&text, &mut Fields::default()).is_ok(), expected, "{}", text);
        }
    }

    #[test]
    fn control_characters_stand_between_values_and_in_no_string() {
        for (text, is_good) in [
            ("{\n\t\"a\" :\r\n [ 1,\n 2 ] }\n", true),
            ("{\"a\":\"x\ny\"}", false),
            ("{\"b\":\"x\u{0}\"}", false),
            ("{\"b\":{\"c\u{1f}\":1}}", false),
            ("{\"a\":\"\\n\t\"}", false),
            ("{\"a\":1\u{1}}", false),
            ("{\"a\":\"\u{7f}\"}", true),
        ] {
            let projection = Projection::new(vec![Path::parse("a", Case::Insensitive).unwrap()]);
            assert_eq!(projection.read(text, &mut Fields::default()).is_ok(), is_good, "{text:?}");
        }
    }

    #[test]
    fn nesting_has_a_bound_wanted_or_not() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let most = DEPTH_MAX as usize - 1;
        for path in ["a", "other"] {
            let projection = Projection::new(vec![Path::parse(path, Case::Insensitive).unwrap()]);
            let read = |levels| projection.read(&nested(levels), &mut Fields::default());
            assert!(read(most).is_ok(), "{path}");
            for levels in [most + 1, 1_000_000] {
                assert_eq!(read(levels).unwrap_err().to_string(), "a record nests no deeper than 256 levels", "{path}");
            }
        }
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
