//! Globs: what a whole value must be like.
//!
//! A glob whose only wildcard is `*` is runs of plain text. The first starts the value and the last ends it; the others
//! stand between, each behind the one before. If there is a way to place them, placing each where it stands first is one. So
//! they are looked for in one go over the value, without an automaton.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::in_lower_case;

/// A part of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// This character.
    Plain(char),
    /// `*`.
    AnyText,
    /// `?`.
    AnyCharacter,
}

/// Takes a glob apart. `\` takes the next character as it is.
pub fn parse(source: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::AnyText,
            '?' => Part::AnyCharacter,
            '\\' => match chars.next() {
                Some(escaped) => Part::Plain(escaped),
                None => return Err("a lone `\\` at the end (write `\\\\` for a backslash)".to_owned()),
            },
            plain => Part::Plain(plain),
        });
    }
    Ok(parts)
}

/// The runs of a glob; in lower case where case is ignored.
#[derive(Debug)]
pub struct Runs {
    first: Box<[u8]>,
    between: Box<[Finder<'static>]>,
    /// None where there is no wildcard, so that the first is all.
    last: Option<Box<[u8]>>,
    nocase: bool,
}

impl Runs {
    /// Those of a glob, if they say all of it: none where a wildcard stands for one character, or where letters beyond ASCII
    /// are to be taken in any case.
    pub fn of(glob: &[Part], nocase: bool) -> Option<Self> {
        let is_plain = |part: &Part| match part {
            Part::Plain(c) => !nocase || c.is_ascii(),
            Part::AnyText => true,
            Part::AnyCharacter => false,
        };
        if !glob.iter().all(is_plain) {
            return None;
        }
        let letter = |part: &Part| match part {
            Part::Plain(c) if nocase => Some(c.to_ascii_lowercase()),
            Part::Plain(c) => Some(*c),
            _ => None,
        };
        let run = |parts: &[Part]| Box::from(parts.iter().filter_map(letter).collect::<String>().into_bytes());
        let mut runs: Vec<Box<[u8]>> = glob.split(|part| *part == Part::AnyText).map(run).collect();
        let last = if runs.len() > 1 { runs.pop() } else { None };
        let mut runs = runs.into_iter();
        let first = runs.next()?;
        let between = runs.filter(|run| !run.is_empty()).map(|run| Finder::new(&run).into_owned()).collect();
        Some(Self { first, between, last, nocase })
    }

    /// Whether a value is like that.
    pub fn fit(&self, value: &str) -> bool {
        if !self.nocase || value.is_ascii() {
            return self.stand_in(value.as_bytes());
        }
        self.stand_in(value.chars().map(of_ascii).collect::<String>().as_bytes())
    }

    fn stand_in(&self, value: &[u8]) -> bool {
        let Some((start, rest)) = value.split_at_checked(self.first.len()) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() && self.is(start, &self.first) };
        let Some(between) = rest.len().checked_sub(last.len()) else { return false };
        let (between, end) = rest.split_at(between);
        self.is(start, &self.first) && self.is(end, last) && self.stand_between(between)
    }

    fn stand_between(&self, value: &[u8]) -> bool {
        if self.between.is_empty() {
            return true;
        }
        let mut buffer = [0; 256];
        let value = if self.nocase { in_lower_case(value, &mut buffer) } else { Cow::Borrowed(value) };
        let mut rest = &*value;
        self.between.iter().all(|run| {
            let found = run.find(rest);
            rest = found.map_or(rest, |at| &rest[at + run.needle().len()..]);
            found.is_some()
        })
    }

    /// Whether a stretch of a value is this run, which is as long. To compare nothing with nothing takes long: an empty box
    /// points nowhere, and a masked load from there, as glibc does with AVX-512, is a fault that the processor has to suppress.
    fn is(&self, stretch: &[u8], run: &[u8]) -> bool {
        run.is_empty() || if self.nocase { stretch.eq_ignore_ascii_case(run) } else { stretch == run }
    }
}

/// The letter of ASCII that a regular expression takes for the same in any case, if there is one: Unicode's simple case folding
/// has two beyond ASCII.
fn of_ascii(c: char) -> char {
    match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other,
    }
}
