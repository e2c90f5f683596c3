//! What the walk reads a text by: tokens of JSON, one after the other.
//!
//! Most of a record's bytes are text in quotes. So all that strings stop at is found beforehand, sixty-four bytes at a
//! time, and listed: where a string ends is then looked up, however long it is, and no string waits for the end of the one
//! before to be found. Outside strings every byte is looked at, so that the next in the list is always where a string
//! starts. (Langdale and Lemire, Parsing Gigabytes of JSON per Second, 2019.)

use hifijson::num::Lex as _;
use hifijson::{SliceLexer, num};

use super::stops::Stops;

/// Why a text is refused. As wide as a place, so that either is handed back in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Refusal {
    NotJson,
    TooDeep,
    TooLarge,
}

/// A stretch of a text: of a string what stands between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    /// Whether it stands for anything else than itself.
    pub is_escaped: bool,
}

/// A text, and what strings stop at in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub text: &'t str,
    stops: &'t [u32],
}

/// A place in a text that is in no string: what comes next, and the number of the next stop above it, in one word. Handed
/// over in two, it would go through memory, and reading would take twice as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

/// A text, and how far it has been read. What is not inlined takes the place instead, for the same reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'t> {
    source: &'t Source<'t>,
    /// What comes next.
    at: usize,
    /// The next stop.
    stop: usize,
}

impl Span {
    pub fn bytes(self) -> u32 {
        self.end - self.start
    }
}

impl<'t> Source<'t> {
    pub fn new(text: &'t str, stops: &'t Stops) -> Self {
        Self { text, stops: stops.all() }
    }

    pub fn get(&self, span: Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// A string with its quotes.
    pub fn quoted(&self, span: Span) -> &'t str {
        &self.text[span.start as usize - 1..span.end as usize + 1]
    }
}

impl Place {
    pub const START: Self = Self(0);

    #[inline(always)]
    fn new(at: usize, stop: usize) -> Self {
        Self((stop as u64) << 32 | at as u64)
    }
}

impl<'t> Reader<'t> {
    /// A reader of what starts at a place.
    #[inline(always)]
    pub fn new(source: &'t Source<'t>, Place(place): Place) -> Self {
        Self { source, at: place as u32 as usize, stop: (place >> 32) as usize }
    }

    #[inline(always)]
    pub fn source(self) -> &'t Source<'t> {
        self.source
    }

    /// Where what comes next lies.
    #[inline(always)]
    pub fn place(self) -> Place {
        Place::new(self.at, self.stop)
    }

    /// Goes on from where something has been passed.
    #[inline(always)]
    pub fn go_on(&mut self, place: Place) {
        *self = Self::new(self.source, place);
    }

    #[inline(always)]
    fn next(self) -> Option<u8> {
        self.source.text.as_bytes().get(self.at).copied()
    }

    fn rest(self) -> &'t [u8] {
        self.source.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space, of which there is none in most records; 0 at the end.
    #[inline(always)]
    pub fn peek(&mut self) -> u8 {
        match self.next() {
            Some(next) if next > b' ' => next,
            _ => {
                self.go_on(beyond_space(self.source, self.place()));
                self.next().unwrap_or(0)
            }
        }
    }

    /// Passes over so many bytes that come next, which are known and no stops.
    #[inline(always)]
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Passes over a byte if it comes next, white space aside.
    #[inline(always)]
    pub fn takes(&mut self, expected: u8) -> bool {
        let takes = self.next() == Some(expected) || self.peek() == expected;
        self.at += usize::from(takes);
        takes
    }

    /// Reads a string of which the quote comes next.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Span, Refusal> {
        let start = self.at + 1;
        debug_assert_eq!(self.source.stops.get(self.stop), Some(&(self.at as u32)), "outside strings all is looked at");
        let &end = self.source.stops.get(self.stop + 1).ok_or(Refusal::NotJson)?;
        let is_escaped = self.source.text.as_bytes().get(end as usize) != Some(&b'"');
        if is_escaped {
            self.go_on(behind_escapes(self.source, self.place())?);
        } else {
            self.at = end as usize + 1;
            self.stop += 2;
        }
        Ok(Span { start: start as u32, end: self.at as u32 - 1, is_escaped })
    }

    /// Goes to the next string, over whatever is before it, and reads it. None where there is no more.
    fn next_string(&mut self) -> Option<Span> {
        while let Some(&stop) = self.source.stops.get(self.stop) {
            self.at = stop as usize;
            if self.next() == Some(b'"') {
                return self.string().ok();
            }
            // White space.
            self.stop += 1;
        }
        None
    }

    /// Passes over a number of any size and returns it.
    #[inline(always)]
    pub fn number(&mut self) -> Result<Span, Refusal> {
        let start = self.at;
        let bytes = number_bytes(self.rest());
        if bytes == 0 {
            return Err(Refusal::NotJson);
        }
        self.pass(bytes);
        Ok(Span { start: start as u32, end: self.at as u32, is_escaped: false })
    }

    /// Passes over `true`, `false` or `null`, whichever comes next.
    #[inline(always)]
    pub fn word(&mut self) -> Result<Option<bool>, Refusal> {
        let (word, len) = match self.rest() {
            [b't', b'r', b'u', b'e', ..] => (Some(true), 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Some(false), 5),
            [b'n', b'u', b'l', b'l', ..] => (None, 4),
            _ => return Err(Refusal::NotJson),
        };
        self.pass(len);
        Ok(word)
    }

    /// Whether there is nothing more.
    pub fn is_at_end(mut self) -> bool {
        self.peek() == 0 && self.rest().is_empty()
    }
}

/// The strings of a text that has been found to be JSON, wherever they stand. Names of members are none.
pub(super) fn strings<'t>(source: &'t Source<'t>) -> impl Iterator<Item = Span> {
    let mut reader = Reader::new(source, Place::START);
    std::iter::from_fn(move || {
        loop {
            let string = reader.next_string()?;
            if reader.peek() != b':' {
                return Some(string);
            }
        }
    })
}

/// Goes beyond white space.
#[cold]
#[inline(never)]
fn beyond_space(source: &Source<'_>, place: Place) -> Place {
    let mut reader = Reader::new(source, place);
    while let Some(space @ (b' ' | b'\t' | b'\r' | b'\n')) = reader.next() {
        reader.at += 1;
        // All but the space itself are stops.
        reader.stop += usize::from(space != b' ');
    }
    reader.place()
}

/// Goes behind the end of a string that stops at something else first.
#[inline(never)]
fn behind_escapes(source: &Source<'_>, place: Place) -> Result<Place, Refusal> {
    let mut next = Reader::new(source, place).stop + 1;
    loop {
        let &stop = source.stops.get(next).ok_or(Refusal::NotJson)?;
        next += 1;
        match &source.text.as_bytes()[stop as usize..] {
            [b'"', ..] => return Ok(Place::new(stop as usize + 1, next)),
            [b'\\', b'"' | b'\\', ..] => next += 1,
            [b'\\', b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {}
            // A lone surrogate is JSON, though it stands for no character.
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {}
            // Control characters have to be escaped.
            _ => return Err(Refusal::NotJson),
        }
    }
}

/// How long the number is that a text starts with; 0 if there is none.
#[inline(never)]
fn number_bytes(text: &[u8]) -> usize {
    let mut lexer = SliceLexer::new(text);
    let read: Result<_, num::Error> = lexer.num_ignore().validate();
    if read.is_ok() { text.len() - lexer.as_slice().len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text after an opening quote reads as, and what is left behind it.
    fn read(text: &str) -> Option<(String, bool, String)> {
        let quoted = format!("\"{text}");
        let mut stops = Stops::default();
        stops.find(&quoted);
        let source = Source::new(&quoted, &stops);
        let mut reader = Reader::new(&source, Place::START);
        let string = reader.string().ok()?;
        assert_eq!(source.quoted(string), format!("\"{}\"", source.get(string)));
        let rest = String::from_utf8(reader.rest().to_vec()).unwrap();
        Some((source.get(string).to_owned(), string.is_escaped, rest))
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        for length in (0..40).chain([62, 63, 64, 65, 127, 128, 129, 1_000]) {
            for plain in ["a", "\u{7f}", "é", "\u{10ffff}", "!", "]"] {
                let content = plain.repeat(length);
                assert_eq!(read(&format!("{content}\",1")), Some((content.clone(), false, ",1".to_owned())));
                let escaped = format!(r#"{content}\"\\\/\b\f\n\r\t\u00e9\ud800{content}"#);
                assert_eq!(read(&format!("{escaped}\"")), Some((escaped, true, String::new())));
                for broken in ["", "\\", "\\x", "\\u12g4", "\\u12", "\\u12\"4"] {
                    assert_eq!(read(&format!("{content}{broken}")), None, "{content}{broken}");
                    assert_eq!(read(&format!("{content}\\n{broken}")), None, "{content}{broken}");
                }
            }
        }
    }
}
