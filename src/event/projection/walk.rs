//! The walk over a record's text: every byte of it is found to be JSON, and what is wanted is kept.
//!
//! The reader is driven by hand, with no stack and no buffer, and takes what JSON has: lone surrogates, and numbers of
//! any size. So there is one walk, whatever stands in the text.

use super::reader::{Place, Reader, Refusal, Source, Text};
use super::{FieldId, Fields, Kind, Node, Turn, unescape};

/// How deep a record may nest. The walk goes down by recursion, so there has to be an end; decoding sets a lower one.
pub const DEPTH_MAX: u32 = 256;

/// Reads the object that `text` must be, by the trie of what is wanted.
pub(super) fn walk(nodes: &[Node], text: &str, fields: &mut Fields) -> Result<(), Refusal> {
    fields.stops.find(text);
    on(nodes, text, fields, Turn::First, |walk, source| {
        let root = At { node: 0, depth: 0, is_element: false };
        let mut reader = source.start();
        if reader.peek() != b'{' {
            return Err(Refusal::NotJson);
        }
        reader.go_on(walk.object(root, reader)?);
        if reader.is_at_end() { Ok(()) } else { Err(Refusal::NotJson) }
    })
}

/// Reads what was left for later of an object that has been read.
pub(super) fn walk_rest(nodes: &[Node], text: &str, fields: &mut Fields) {
    let mut later = std::mem::take(&mut fields.later);
    on(nodes, text, fields, Turn::Later, |walk, source| {
        for (at, place) in later.drain(..) {
            let mut reader = source.reader(place);
            let read = walk.value(at, reader.peek(), reader);
            debug_assert!(read.is_ok(), "it was passed over before");
        }
    });
    fields.later = later;
}

/// Walks over a text of which the stops are found.
fn on<R>(
    nodes: &[Node],
    text: &str,
    fields: &mut Fields,
    turn: Turn,
    work: impl for<'t> FnOnce(&mut Walk<'_, 't>, &'t Source<'t>) -> R,
) -> R {
    let stops = std::mem::take(&mut fields.stops);
    let done = work(&mut Walk { nodes, fields, text, turn }, &Source::new(text, &stops));
    fields.stops = stops;
    done
}

struct Walk<'w, 't> {
    nodes: &'w [Node],
    fields: &'w mut Fields,
    text: &'t str,
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

impl<'w, 't> Walk<'w, 't> {
    fn node(&self, at: At) -> &'w Node {
        &self.nodes[at.node as usize]
    }

    /// Takes in a value that lies below where the walk is, or leaves it for later.
    fn below(&mut self, at: At, first: u8, reader: Reader<'t>) -> Passed {
        if self.turn == Turn::First && self.node(at).is_for_later {
            self.fields.later.push((at, reader.place()));
            return skip(first, at.depth, reader);
        }
        self.value(at, first, reader)
    }

    /// Takes in the value of which the first byte comes next.
    fn value(&mut self, at: At, first: u8, mut reader: Reader<'t>) -> Passed {
        match first {
            b'"' => self.string(at, reader.string()?),
            b'{' => return self.object(at, reader),
            b'[' => return self.array(at, reader),
            b'-' | b'0'..=b'9' => self.number(at, reader.place().at(), reader.number()?),
            _ => self.keep(at, reader.word()?.map_or(Kind::Null, Kind::Bool)),
        }
        Ok(reader.place())
    }

    fn object(&mut self, at: At, reader: Reader<'t>) -> Passed {
        self.keep(at, Kind::Object);
        members(reader, at.depth, |key, first, reader| match self.child(at, key) {
            Some(node) => self.below(at.member(node), first, reader),
            None => skip(first, at.depth + 1, reader),
        })
    }

    /// Where a key leads.
    fn child(&mut self, at: At, key: Text<'_>) -> Option<u32> {
        if !key.is_escaped {
            return self.node(at).child(key.content);
        }
        self.fields.key.clear();
        unescape(quoted(self.text, key), &mut self.fields.key);
        self.node(at).child(self.fields.key.as_bytes())
    }

    fn array(&mut self, at: At, reader: Reader<'t>) -> Passed {
        let (node, mut count) = (self.node(at), 0);
        if !at.is_element && !node.positions.is_empty() {
            self.single_out(at, reader)?;
        }
        let first_slot = self.fields.slots.len();
        self.keep(at, Kind::Array(0));
        let after = self.fields.slots.len();
        let passed = elements(reader, at.depth, |first, reader| {
            count += 1;
            self.value(at.element(), first, reader)
        })?;
        for slot in &mut self.fields.slots[first_slot..after] {
            slot.kind = Kind::Array(count);
        }
        Ok(passed)
    }

    /// Reads the elements of an array that paths single out, which are then read once more with all of them.
    fn single_out(&mut self, at: At, reader: Reader<'t>) -> Passed {
        let (positions, mut position) = (&self.node(at).positions, 0);
        elements(reader, at.depth, |first, reader| {
            let wanted = positions.iter().find(|&&(wanted, _)| wanted == position);
            position += 1;
            match wanted {
                Some(&(_, node)) => self.below(at.member(node), first, reader),
                None => skip(first, at.depth + 1, reader),
            }
        })
    }

    fn string(&mut self, at: At, string: Text<'_>) {
        if self.kept(at).is_empty() {
            return;
        }
        let kind = if string.is_escaped {
            let start = self.fields.unescaped.len();
            unescape(quoted(self.text, string), &mut self.fields.unescaped);
            Kind::Unescaped { start: start as u32, len: (self.fields.unescaped.len() - start) as u32 }
        } else {
            Kind::String { start: string.start, len: string.content.len() as u32 }
        };
        self.keep(at, kind);
    }

    fn number(&mut self, at: At, start: u32, number: &[u8]) {
        if self.kept(at).is_empty() {
            return;
        }
        let kind = match span(self.text, start, number.len()).parse() {
            Ok(integer) if number != b"-0" => Kind::Integer(integer),
            _ => Kind::Number { start, len: number.len() as u32 },
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
fn skip<'t>(first: u8, depth: u32, mut reader: Reader<'t>) -> Passed {
    match first {
        b'"' => drop(reader.string()?),
        b'{' | b'[' => return skip_nested(first, depth, reader),
        b'-' | b'0'..=b'9' => drop(reader.number()?),
        _ => drop(reader.word()?),
    }
    Ok(reader.place())
}

/// Passes over an object or an array: of what stands in it, only what nests again takes a call.
fn skip_nested<'t>(first: u8, depth: u32, reader: Reader<'t>) -> Passed {
    match first {
        b'{' => members(reader, depth, |_, first, reader| skip(first, depth + 1, reader)),
        _ => elements(reader, depth, |first, reader| skip(first, depth + 1, reader)),
    }
}

/// Goes through the members of an object. `each` is given the key and the first byte of the value, which comes next.
#[inline(always)]
fn members<'t>(reader: Reader<'t>, depth: u32, mut each: impl FnMut(Text<'t>, u8, Reader<'t>) -> Passed) -> Passed {
    sequence(b'}', depth, reader, |first, mut reader| {
        if first != b'"' {
            return Err(Refusal::NotJson);
        }
        let key = reader.string()?;
        reader.expect(b':')?;
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
    let mut next = reader.peek();
    if next == end {
        reader.pass(1);
        return Ok(reader.place());
    }
    loop {
        reader.go_on(each(next, reader)?);
        next = reader.peek();
        reader.pass(1);
        if next == end {
            return Ok(reader.place());
        }
        if next != b',' {
            return Err(Refusal::NotJson);
        }
        next = reader.peek();
    }
}

/// A string with its quotes.
fn quoted<'t>(text: &'t str, string: Text<'_>) -> &'t str {
    span(text, string.start - 1, string.content.len() + 2)
}

fn span(text: &str, start: u32, len: usize) -> &str {
    &text[start as usize..start as usize + len]
}
