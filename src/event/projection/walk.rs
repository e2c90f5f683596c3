//! The walk over a record's text: every byte of it is found to be JSON, and what is wanted is kept.
//!
//! The reader is driven by hand, with no stack and no buffer, and takes what JSON has: lone surrogates, and numbers of
//! any size. So there is one walk, whatever stands in the text.

use super::reader::{Place, Reader, Refusal, Source, Span};
use super::{FieldId, Fields, Kind, Node, Turn, unescape};

/// How deep a record may nest. The walk goes down by recursion, so there has to be an end; decoding sets a lower one.
pub const DEPTH_MAX: u32 = 256;

/// Reads the object that `text` must be, by the trie of what is wanted.
pub(super) fn walk(nodes: &[Node], text: &str, fields: &mut Fields) -> Result<(), Refusal> {
    // Places are of 32 bits.
    if u32::try_from(text.len()).is_err() {
        return Err(Refusal::TooLarge);
    }
    fields.stops.find(text);
    on(nodes, text, fields, Turn::First, |walk| {
        let root = At { node: 0, depth: 0, is_element: false };
        let mut reader = Reader::new(walk.source, Place::START);
        if reader.peek() != b'{' {
            return Err(Refusal::NotJson);
        }
        reader.go_on(walk.object(root, reader.place())?);
        if reader.is_at_end() { Ok(()) } else { Err(Refusal::NotJson) }
    })
}

/// Reads what was left for later of an object that has been read.
pub(super) fn walk_rest(nodes: &[Node], text: &str, fields: &mut Fields) {
    let mut later = std::mem::take(&mut fields.later);
    on(nodes, text, fields, Turn::Later, |walk| {
        for (at, place) in later.drain(..) {
            let first = Reader::new(walk.source, place).peek();
            let read = walk.value(at, first, place);
            debug_assert!(read.is_ok(), "it was passed over before");
        }
    });
    fields.later = later;
}

/// Walks over a text of which the stops are found.
fn on<R>(nodes: &[Node], text: &str, fields: &mut Fields, turn: Turn, work: impl FnOnce(&mut Walk<'_>) -> R) -> R {
    let stops = std::mem::take(&mut fields.stops);
    let done = work(&mut Walk { nodes, fields, source: &Source::new(text, &stops), turn });
    fields.stops = stops;
    done
}

struct Walk<'w> {
    nodes: &'w [Node],
    fields: &'w mut Fields,
    source: &'w Source<'w>,
    turn: Turn,
}

/// The place behind what has been passed.
type Passed = Result<Place, Refusal>;

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    node: u32,
    depth: u32,
    /// Whether it is an element of an array that was passed through: positions are those of the outer one.
    is_element: bool,
}

impl At {
    fn member(self, node: u32) -> Self {
        Self { node, depth: self.depth + 1, is_element: false }
    }

    fn element(self) -> Self {
        Self { depth: self.depth + 1, is_element: true, ..self }
    }
}

impl<'w> Walk<'w> {
    fn node(&self, at: At) -> &'w Node {
        &self.nodes[at.node as usize]
    }

    /// Takes in a value that lies below where the walk is, or leaves it for later.
    fn below(&mut self, at: At, first: u8, place: Place) -> Passed {
        if self.turn == Turn::First && self.node(at).is_for_later {
            self.fields.later.push((at, place));
            return skip(first, at.depth, Reader::new(self.source, place));
        }
        self.value(at, first, place)
    }

    /// Takes in the value of which the first byte comes next.
    fn value(&mut self, at: At, first: u8, place: Place) -> Passed {
        let mut reader = Reader::new(self.source, place);
        match first {
            b'"' => self.string(at, reader.string()?),
            b'{' => return self.object(at, place),
            b'[' => return self.array(at, place),
            b'-' | b'0'..=b'9' => self.number(at, reader.number()?),
            _ => self.keep(at, reader.word()?.map_or(Kind::Null, Kind::Bool)),
        }
        Ok(reader.place())
    }

    fn object(&mut self, at: At, place: Place) -> Passed {
        self.keep(at, Kind::Object);
        members(Reader::new(self.source, place), at.depth, |key, first, reader| match self.child(at, key) {
            Some(node) => self.below(at.member(node), first, reader.place()),
            None => skip(first, at.depth + 1, reader),
        })
    }

    /// Where a key leads.
    fn child(&mut self, at: At, key: Span) -> Option<u32> {
        if !key.is_escaped {
            return self.node(at).child(self.source.get(key).as_bytes());
        }
        self.fields.key.clear();
        unescape(self.source.quoted(key), &mut self.fields.key);
        self.node(at).child(self.fields.key.as_bytes())
    }

    fn array(&mut self, at: At, place: Place) -> Passed {
        let (node, mut count) = (self.node(at), 0);
        let reader = Reader::new(self.source, place);
        if !at.is_element && !node.positions.is_empty() {
            self.single_out(at, reader)?;
        }
        let first_slot = self.fields.slots.len();
        self.keep(at, Kind::Array(0));
        let after = self.fields.slots.len();
        let passed = elements(reader, at.depth, |first, reader| {
            count += 1;
            self.value(at.element(), first, reader.place())
        })?;
        for slot in &mut self.fields.slots[first_slot..after] {
            slot.kind = Kind::Array(count);
        }
        Ok(passed)
    }

    /// Reads the elements of an array that paths single out, which are then read once more with all of them.
    fn single_out(&mut self, at: At, reader: Reader<'w>) -> Passed {
        let (positions, mut position) = (&self.node(at).positions, 0);
        elements(reader, at.depth, |first, reader| {
            let wanted = positions.iter().find(|&&(wanted, _)| wanted == position);
            position += 1;
            match wanted {
                Some(&(_, node)) => self.below(at.member(node), first, reader.place()),
                None => skip(first, at.depth + 1, reader),
            }
        })
    }

    fn string(&mut self, at: At, string: Span) {
        if self.kept(at).is_empty() {
            return;
        }
        let kind = if string.is_escaped {
            let start = self.fields.unescaped.len();
            unescape(self.source.quoted(string), &mut self.fields.unescaped);
            Kind::Unescaped { start: start as u32, len: (self.fields.unescaped.len() - start) as u32 }
        } else {
            Kind::String { start: string.start, len: string.bytes() }
        };
        self.keep(at, kind);
    }

    fn number(&mut self, at: At, number: Span) {
        if self.kept(at).is_empty() {
            return;
        }
        let text = self.source.get(number);
        let kind = match text.parse() {
            Ok(integer) if text != "-0" => Kind::Integer(integer),
            _ => Kind::Number { start: number.start, len: number.bytes() },
        };
        self.keep(at, kind);
    }

    /// The fields that a value is kept for.
    fn kept(&self, at: At) -> &'w [FieldId] {
        let node = self.node(at);
        if at.is_element { &node.fields[..node.of_elements] } else { &node.fields }
    }

    /// Keeps a value for every field that ends here.
    fn keep(&mut self, at: At, kind: Kind) {
        for &field in self.kept(at) {
            self.fields.push(field, kind);
        }
    }
}

/// Passes over the value of which the first byte comes next.
#[inline(always)]
fn skip(first: u8, depth: u32, mut reader: Reader<'_>) -> Passed {
    match first {
        b'"' => _ = reader.string()?,
        b'{' | b'[' => return skip_nested(first, depth, reader.source(), reader.place()),
        b'-' | b'0'..=b'9' => _ = reader.number()?,
        _ => _ = reader.word()?,
    }
    Ok(reader.place())
}

/// Passes over an object or an array: of what stands in it, only what nests again takes a call.
fn skip_nested(first: u8, depth: u32, source: &Source<'_>, place: Place) -> Passed {
    let reader = Reader::new(source, place);
    match first {
        b'{' => members(reader, depth, |_, first, reader| skip(first, depth + 1, reader)),
        _ => elements(reader, depth, |first, reader| skip(first, depth + 1, reader)),
    }
}

/// Goes through the members of an object. `each` is given the key and the first byte of the value, which comes next.
#[inline(always)]
fn members<'t>(reader: Reader<'t>, depth: u32, mut each: impl FnMut(Span, u8, Reader<'t>) -> Passed) -> Passed {
    sequence(b'}', depth, reader, |first, mut reader| {
        if first != b'"' {
            return Err(Refusal::NotJson);
        }
        let key = reader.string()?;
        if !reader.takes(b':') {
            return Err(Refusal::NotJson);
        }
        each(key, reader.peek(), reader)
    })
}

/// Goes through the elements of an array. `each` is given the first byte of each, which comes next.
#[inline(always)]
fn elements<'t>(reader: Reader<'t>, depth: u32, each: impl FnMut(u8, Reader<'t>) -> Passed) -> Passed {
    sequence(b']', depth, reader, each)
}

/// Goes through what stands between a bracket, which comes next, and the one that closes it. `each` is given the first
/// byte of each part, which comes next.
#[inline(always)]
fn sequence<'t>(end: u8, depth: u32, mut reader: Reader<'t>, mut each: impl FnMut(u8, Reader<'t>) -> Passed) -> Passed {
    if depth >= DEPTH_MAX {
        return Err(Refusal::TooDeep);
    }
    reader.pass(1);
    if reader.takes(end) {
        return Ok(reader.place());
    }
    loop {
        let first = reader.peek();
        reader.go_on(each(first, reader)?);
        if reader.takes(b',') {
            continue;
        }
        return if reader.takes(end) { Ok(reader.place()) } else { Err(Refusal::NotJson) };
    }
}
