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
}

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<'t> {
    pub content: &'t [u8],
    /// Where it lies.
    pub start: u32,
    /// Whether it stands for anything else than itself.
    pub is_escaped: bool,
}

/// A text, and what strings stop at in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    text: &'t [u8],
    stops: &'t [u32],
}

/// A place in a text that is in no string: what comes next, and the number of the next stop above it, in one word.
/// Handed back in two, it would go through memory, and reading would take twice as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    const START: Self = Self(0);

    #[inline(always)]
    pub fn at(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    fn stop(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    fn new(at: u32, stop: u32) -> Self {
        Self(u64::from(stop) << 32 | u64::from(at))
    }
}

/// A text, and how far it has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'t> {
    source: &'t Source<'t>,
    place: Place,
}

impl<'t> Source<'t> {
    pub fn new(text: &'t str, stops: &'t Stops) -> Self {
        Self { text: text.as_bytes(), stops: stops.all() }
    }

    /// A reader of all of it.
    pub fn start(&'t self) -> Reader<'t> {
        self.reader(Place::START)
    }

    /// A reader of what starts at a place.
    pub fn reader(&'t self, place: Place) -> Reader<'t> {
        Reader { source: self, place }
    }
}

impl<'t> Reader<'t> {
    /// Where what comes next lies.
    #[inline(always)]
    pub fn place(self) -> Place {
        self.place
    }

    /// Goes on from where something has been passed.
    #[inline(always)]
    pub fn go_on(&mut self, place: Place) {
        self.place = place;
    }

    #[inline(always)]
    fn next(self) -> Option<u8> {
        self.source.text.get(self.place.at() as usize).copied()
    }

    fn rest(self) -> &'t [u8] {
        self.source.text.get(self.place.at() as usize..).unwrap_or_default()
    }

    /// One of the next stops.
    #[inline(always)]
    fn stop(self, ahead: u32) -> Result<u32, Refusal> {
        self.source.stops.get((self.place.stop() + ahead) as usize).copied().ok_or(Refusal::NotJson)
    }

    /// The next byte that is not white space, of which there is none in most records; 0 at the end.
    #[inline(always)]
    pub fn peek(&mut self) -> u8 {
        match self.next() {
            Some(next) if next > b' ' => next,
            _ => {
                self.place = self.beyond_space();
                self.next().unwrap_or(0)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn beyond_space(self) -> Place {
        let (mut at, mut stop) = (self.place.at(), self.place.stop());
        while let Some(&space @ (b' ' | b'\t' | b'\r' | b'\n')) = self.source.text.get(at as usize) {
            at += 1;
            stop += u32::from(space != b' ');
        }
        Place::new(at, stop)
    }

    /// Passes over so many bytes that come next, which are known and no stops.
    #[inline(always)]
    pub fn pass(&mut self, bytes: usize) {
        self.place.0 += bytes as u64;
    }

    /// Passes over a byte that has to come next, white space aside.
    #[inline(always)]
    pub fn expect(&mut self, expected: u8) -> Result<(), Refusal> {
        if self.peek() != expected {
            return Err(Refusal::NotJson);
        }
        self.pass(1);
        Ok(())
    }

    /// Reads a string of which the quote comes next.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Text<'t>, Refusal> {
        let start = self.place.at() + 1;
        debug_assert_eq!(self.stop(0), Ok(start - 1), "what strings stop at, outside strings, is looked at as well");
        let end = self.stop(1)?;
        let mut behind = Place::new(end + 1, self.place.stop() + 2);
        let is_escaped = self.source.text[end as usize] != b'"';
        if is_escaped {
            behind = self.behind_escapes()?;
        }
        self.place = behind;
        let end = behind.at() - 1;
        Ok(Text { content: &self.source.text[start as usize..end as usize], start, is_escaped })
    }

    /// Goes to the end of a string that stops at something else first.
    #[inline(never)]
    fn behind_escapes(self) -> Result<Place, Refusal> {
        let mut ahead = 1;
        loop {
            let stop = self.stop(ahead)?;
            ahead += 1;
            match &self.source.text[stop as usize..] {
                [b'"', ..] => return Ok(Place::new(stop + 1, self.place.stop() + ahead)),
                [b'\\', b'"' | b'\\', ..] => ahead += 1,
                [b'\\', b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {}
                // A lone surrogate is JSON, though it stands for no character.
                [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {}
                // Control characters have to be escaped.
                _ => return Err(Refusal::NotJson),
            }
        }
    }

    /// Passes over a number of any size and returns its text.
    #[inline(always)]
    pub fn number(&mut self) -> Result<&'t [u8], Refusal> {
        let rest = self.rest();
        let number = rest.get(..number_bytes(rest)).unwrap_or_default();
        if number.is_empty() {
            return Err(Refusal::NotJson);
        }
        self.pass(number.len());
        Ok(number)
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
        let mut reader = source.start();
        let Text { content, start, is_escaped } = reader.string().ok()?;
        assert_eq!(start, 1);
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some((owned(content), is_escaped, owned(reader.rest())))
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
