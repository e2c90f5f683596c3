//! The walk over a record's text: every byte of it is found to be JSON, and what is wanted is kept.
//!
//! `hifijson`'s lexer is driven by hand. It knows no recursion, no stack and no buffer of its own, and takes what JSON
//! has: lone surrogates, and numbers of any size. So there is one walk, whatever stands in the text.

use hifijson::num::Lex as _;
use hifijson::token::Lex as _;
use hifijson::{Error, Expect, SliceLexer};

use super::string::{Text, string};
use super::{FieldId, Fields, Kind, Node, Turn, unescape};

/// How deep a record may nest. The walk goes down by recursion, so there has to be an end; decoding sets a lower one.
pub const DEPTH_MAX: u32 = 256;

type Lexer<'t> = SliceLexer<'t>;

/// Reads the object that `text` must be, by the trie of what is wanted.
pub(super) fn walk(nodes: &[Node], text: &str, fields: &mut Fields) -> Result<(), Error> {
    let mut walk = Walk { nodes, fields, text, turn: Turn::First };
    let root = At { node: 0, depth: 0, is_element: false };
    Lexer::new(text.as_bytes()).exactly_one(peek, |first, lexer| match first {
        b'{' => walk.object(root, lexer),
        _ => Err(Expect::Value.into()),
    })
}

/// Reads what was left for later of an object that has been read.
pub(super) fn walk_rest(nodes: &[Node], text: &str, fields: &mut Fields) {
    let later = std::mem::take(&mut fields.later);
    let mut walk = Walk { nodes, fields, text, turn: Turn::Later };
    for &(at, start) in &later {
        let rest = &text.as_bytes()[start as usize..];
        let read = rest.first().map(|&first| walk.value(at, first, &mut Lexer::new(rest)));
        debug_assert_eq!(read, Some(Ok(())), "it was passed over before");
    }
    fields.later = later;
    fields.later.clear();
}

struct Walk<'w, 't> {
    nodes: &'w [Node],
    fields: &'w mut Fields,
    text: &'t str,
    turn: Turn,
}

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
    fn below(&mut self, at: At, first: u8, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        if self.turn == Turn::First && self.node(at).is_for_later {
            self.fields.later.push((at, offset(self.text, lexer.as_slice()) as u32));
            return skip(first, at.depth, lexer);
        }
        self.value(at, first, lexer)
    }

    /// Takes in the value of which the first byte comes next.
    fn value(&mut self, at: At, first: u8, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        match first {
            b'"' => self.string(at, string(lexer)?),
            b'{' => return self.object(at, lexer),
            b'[' => return self.array(at, lexer),
            b'-' | b'0'..=b'9' => return self.number(at, lexer),
            _ => self.keep(at, word(lexer)?),
        }
        Ok(())
    }

    fn object(&mut self, at: At, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        self.keep(at, Kind::Object);
        members(lexer, at.depth, |key, first, lexer| match self.child(at, key) {
            Some(node) => self.below(at.member(node), first, lexer),
            None => skip(first, at.depth + 1, lexer),
        })
    }

    /// Where a key leads.
    fn child(&mut self, at: At, key: Text<'t>) -> Option<u32> {
        if !key.is_escaped {
            return self.node(at).child(key.content);
        }
        self.fields.key.clear();
        unescape(quoted(self.text, key), &mut self.fields.key);
        self.node(at).child(self.fields.key.as_bytes())
    }

    fn array(&mut self, at: At, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        let (node, mut count) = (self.node(at), 0);
        if !at.is_element && !node.positions.is_empty() {
            self.single_out(at, &mut Lexer::new(lexer.as_slice()))?;
        }
        let first_slot = self.fields.slots.len();
        self.keep(at, Kind::Array(0));
        let after = self.fields.slots.len();
        elements(lexer, at.depth, |first, lexer| {
            count += 1;
            self.value(at.element(), first, lexer)
        })?;
        for slot in &mut self.fields.slots[first_slot..after] {
            slot.kind = Kind::Array(count);
        }
        Ok(())
    }

    /// Reads the elements of an array that paths single out, which are then read once more with all of them.
    fn single_out(&mut self, at: At, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        let (positions, mut position) = (&self.node(at).positions, 0);
        elements(lexer, at.depth, |first, lexer| {
            let wanted = positions.iter().find(|&&(wanted, _)| wanted == position);
            position += 1;
            match wanted {
                Some(&(_, node)) => self.below(at.member(node), first, lexer),
                None => skip(first, at.depth + 1, lexer),
            }
        })
    }

    fn string(&mut self, at: At, string: Text<'t>) {
        if self.kept(at).is_empty() {
            return;
        }
        let kind = if string.is_escaped {
            let start = self.fields.unescaped.len();
            unescape(quoted(self.text, string), &mut self.fields.unescaped);
            Kind::Unescaped { start: start as u32, len: (self.fields.unescaped.len() - start) as u32 }
        } else {
            Kind::String { start: offset(self.text, string.content) as u32, len: string.content.len() as u32 }
        };
        self.keep(at, kind);
    }

    fn number(&mut self, at: At, lexer: &mut Lexer<'t>) -> Result<(), Error> {
        let rest = lexer.as_slice();
        lexer.num_ignore().validate()?;
        if !self.kept(at).is_empty() {
            let (start, len) = (offset(self.text, rest), rest.len() - lexer.as_slice().len());
            let kind = match self.text[start..start + len].parse() {
                Ok(number) if rest[..len] != *b"-0" => Kind::Integer(number),
                _ => Kind::Number { start: start as u32, len: len as u32 },
            };
            self.keep(at, kind);
        }
        Ok(())
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

/// The next byte that is not white space, of which there is none in most records.
#[inline(always)]
fn peek(lexer: &mut Lexer<'_>) -> Option<u8> {
    match lexer.as_slice().first() {
        Some(&next) if next > b' ' => Some(next),
        _ => lexer.ws_peek(),
    }
}

/// Passes over the value of which the first byte comes next.
#[inline(always)]
fn skip(first: u8, depth: u32, lexer: &mut Lexer<'_>) -> Result<(), Error> {
    match first {
        b'"' => drop(string(lexer)?),
        b'{' | b'[' => skip_nested(first, depth, lexer)?,
        b'-' | b'0'..=b'9' => _ = lexer.num_ignore().validate()?,
        _ => drop(word(lexer)?),
    }
    Ok(())
}

/// Passes over an object or an array: of what stands in it, only what nests again takes a call.
fn skip_nested(first: u8, depth: u32, lexer: &mut Lexer<'_>) -> Result<(), Error> {
    match first {
        b'{' => members(lexer, depth, |_, first, lexer| skip(first, depth + 1, lexer)),
        _ => elements(lexer, depth, |first, lexer| skip(first, depth + 1, lexer)),
    }
}

/// Goes through the members of an object. `each` is given the key and the first byte of the value, which comes next.
#[inline]
fn members<'t>(
    lexer: &mut Lexer<'t>,
    depth: u32,
    mut each: impl FnMut(Text<'t>, u8, &mut Lexer<'t>) -> Result<(), Error>,
) -> Result<(), Error> {
    within_bounds(depth)?;
    lexer.discarded().seq(b'}', peek, |first, lexer| {
        if first != b'"' {
            return Err(Expect::String.into());
        }
        let key = string(lexer)?;
        lexer.expect(peek, b':').ok_or(Expect::Colon)?;
        each(key, peek(lexer).ok_or(Expect::Value)?, lexer)
    })
}

/// Goes through the elements of an array. `each` is given the first byte of each, which comes next.
#[inline]
fn elements<'t>(
    lexer: &mut Lexer<'t>,
    depth: u32,
    each: impl FnMut(u8, &mut Lexer<'t>) -> Result<(), Error>,
) -> Result<(), Error> {
    within_bounds(depth)?;
    lexer.discarded().seq(b']', peek, each)
}

fn within_bounds(depth: u32) -> Result<(), Error> {
    if depth < DEPTH_MAX { Ok(()) } else { Err(Error::Depth) }
}

/// Reads `true`, `false` or `null`.
fn word(lexer: &mut Lexer<'_>) -> Result<Kind, Expect> {
    Ok(lexer.null_or_bool().ok_or(Expect::Value)?.map_or(Kind::Null, Kind::Bool))
}

/// A string with its quotes.
fn quoted<'t>(text: &'t str, string: Text<'t>) -> &'t str {
    let start = offset(text, string.content);
    &text[start - 1..start + string.content.len() + 1]
}

/// Where a part of a text lies in it.
fn offset(text: &str, part: &[u8]) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}
