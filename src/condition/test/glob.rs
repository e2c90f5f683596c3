//! Globs: what a whole value must be like.
//!
//! A glob whose only wildcard is `*` is runs of plain text. The first starts the value and the last ends it; the others
//! stand between, each behind the one before. If there is a way to place them, placing each where it stands first is one. So
//! they are looked for in one go over the value, without an automaton.

use memchr::memmem::Finder;

/// A wildcard of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcard {
    /// `*`.
    AnyText,
    /// `?`.
    AnyCharacter,
}

/// Takes a glob apart, into plain characters and wildcards.
pub fn parse(source: &str) -> Result<Vec<Result<char, Wildcard>>, String> {
    let mut parts = Vec::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Err(Wildcard::AnyText),
            '?' => Err(Wildcard::AnyCharacter),
            '\\' => match chars.next() {
                Some(escaped) => Ok(escaped),
                None => return Err("a lone `\\` at the end (write `\\\\` for a backslash)".to_owned()),
            },
            plain => Ok(plain),
        });
    }
    Ok(parts)
}

/// The runs of a glob; in lower case where case is ignored.
#[derive(Debug, Clone)]
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
    pub fn of(glob: &[Result<char, Wildcard>], nocase: bool) -> Option<Self> {
        let is_plain = |part: &Result<char, Wildcard>| match part {
            Ok(c) => !nocase || c.is_ascii(),
            Err(wildcard) => *wildcard == Wildcard::AnyText,
        };
        if !glob.iter().all(is_plain) {
            return None;
        }
        let run = |part: &[Result<char, Wildcard>]| -> Box<[u8]> {
            let text: String =
                part.iter().flatten().map(|c| if nocase { c.to_ascii_lowercase() } else { *c }).collect();
            text.into_bytes().into()
        };
        let mut runs: Vec<Box<[u8]>> = glob.split(Result::is_err).map(run).collect();
        let last = if runs.len() > 1 { runs.pop() } else { None };
        let mut runs = runs.into_iter();
        let first = runs.next()?;
        let between = runs.filter(|run| !run.is_empty()).map(|run| Finder::new(&run).into_owned()).collect();
        Some(Self { first, between, last, nocase })
    }

    /// Whether a value is like that.
    pub fn fit(&self, value: &str) -> bool {
        if self.nocase { self.fit_in_any_case(value) } else { self.stand_in(value.as_bytes()) }
    }

    fn fit_in_any_case(&self, value: &str) -> bool {
        let mut buffer = [0; 256];
        match buffer.get_mut(..value.len()) {
            // As user agents and names are: not copied to the heap.
            Some(short) if value.is_ascii() => {
                short.copy_from_slice(value.as_bytes());
                short.make_ascii_lowercase();
                self.stand_in(short)
            }
            _ => self.stand_in(value.chars().map(in_lower_case).collect::<String>().as_bytes()),
        }
    }

    fn stand_in(&self, value: &[u8]) -> bool {
        let Some(rest) = behind(value, &self.first) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        let Some(mut rest) = before(rest, last) else { return false };
        self.between.iter().all(|run| {
            let found = run.find(rest);
            rest = found.map_or(rest, |at| &rest[at + run.needle().len()..]);
            found.is_some()
        })
    }
}

/// What is behind the start of a value, if it starts so. To compare nothing with nothing takes long: an empty box points
/// nowhere, and a masked load from there, as glibc does with AVX-512, is a fault that the processor has to suppress.
fn behind<'v>(value: &'v [u8], start: &[u8]) -> Option<&'v [u8]> {
    if start.is_empty() { Some(value) } else { value.strip_prefix(start) }
}

/// What is before the end of a value, if it ends so.
fn before<'v>(value: &'v [u8], end: &[u8]) -> Option<&'v [u8]> {
    if end.is_empty() { Some(value) } else { value.strip_suffix(end) }
}

/// The letter of ASCII in lower case that a regular expression takes for the same, if there is one: Unicode's simple case
/// folding has two beyond ASCII.
fn in_lower_case(c: char) -> char {
    match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}
