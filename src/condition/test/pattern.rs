//! Patterns that a string may fit: globs and regular expressions.

use std::hash::{Hash, Hasher};

use regex::Regex;

use super::glob::{self, Runs, Wildcard};

/// A compiled pattern with the text it was compiled from.
#[derive(Debug, Clone)]
pub struct Pattern {
    compiled: Compiled,
    source: String,
    glob: bool,
    nocase: bool,
}

#[derive(Debug, Clone)]
enum Compiled {
    Runs(Runs),
    Regex(Regex),
}

/// The largest automaton that one pattern may compile into, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting of groups in a regular expression.
pub const PATTERN_NESTING_MAX: u32 = 50;
/// The longest text of a pattern, in bytes.
const PATTERN_TEXT_MAX: usize = 4_096;

impl Pattern {
    /// The text that it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a string fits.
    pub fn fits(&self, text: &str) -> bool {
        match &self.compiled {
            Compiled::Runs(runs) => runs.fit(text),
            Compiled::Regex(regex) => regex.is_match(text),
        }
    }

    /// Whether it is a glob, and not a regular expression.
    pub fn is_glob(&self) -> bool {
        self.glob
    }

    /// Whether the case of letters is ignored.
    pub fn ignores_case(&self) -> bool {
        self.nocase
    }

    /// Compiles a regular expression, which may fit anywhere in a value.
    pub fn regex(source: &str, nocase: bool) -> Result<Self, String> {
        is_short(source)?;
        let compiled = Compiled::Regex(regex(source, nocase)?);
        Ok(Self { compiled, source: source.to_owned(), glob: false, nocase })
    }

    /// Compiles a glob, which must fit a whole value: `*` is any text, `?` any one character, `\` takes the next
    /// character as it is.
    pub fn glob(source: &str, nocase: bool) -> Result<Self, String> {
        is_short(source)?;
        let glob = glob::parse(source)?;
        let compiled = match Runs::of(&glob, nocase) {
            Some(runs) => Compiled::Runs(runs),
            None => Compiled::Regex(regex(&spelt_out(&glob), nocase)?),
        };
        Ok(Self { compiled, source: source.to_owned(), glob: true, nocase })
    }
}

fn is_short(source: &str) -> Result<(), String> {
    if source.len() > PATTERN_TEXT_MAX {
        return Err(format!("longer than {PATTERN_TEXT_MAX} bytes"));
    }
    Ok(())
}

/// The regular expression that fits what a glob fits.
fn spelt_out(glob: &[Result<char, Wildcard>]) -> String {
    let mut regex = String::from(r"(?s)\A");
    for part in glob {
        match part {
            Err(Wildcard::AnyText) => regex.push_str(".*"),
            Err(Wildcard::AnyCharacter) => regex.push('.'),
            Ok(plain) => regex.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(r"\z");
    regex
}

fn regex(regex: &str, nocase: bool) -> Result<Regex, String> {
    let built = regex::RegexBuilder::new(regex)
        .case_insensitive(nocase)
        .size_limit(PATTERN_BYTES_MAX)
        .nest_limit(PATTERN_NESTING_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("compiles to more than {PATTERN_BYTES_MAX} bytes"),
        // The rest of the message draws the pattern again; its last line says what is wrong.
        other => other.to_string().lines().last().unwrap_or("").trim_start_matches("error: ").to_owned(),
    })
}

/// Patterns are the same if they were written the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.glob, self.nocase) == (&other.source, other.glob, other.nocase)
    }
}
impl Eq for Pattern {}
impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.source, self.glob, self.nocase).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_glob_fits_what_its_regular_expression_fits(
            source in "([abAks*]|\\\\[a*?k]|é){0,9}|[ab*?]{0,6}",
            nocase: bool,
            text in "[abABkKsS*?é\n\u{17f}\u{212a}]{0,12}|a{100,300}[bs\u{17f}]?",
        ) {
            let glob = Pattern::glob(&source, nocase).unwrap();
            let expected = regex(&spelt_out(&glob::parse(&source).unwrap()), nocase).unwrap().is_match(&text);
            prop_assert_eq!(glob.fits(&text), expected, "{} {}", source, text);
        }
    }

    #[test]
    fn a_glob_of_many_wildcards_is_judged_in_time() {
        let glob = Pattern::glob(&"*a".repeat(2_000), true).unwrap();
        assert!(glob.fits(&"A".repeat(1_000_000)));
        assert!(!glob.fits(&"b".repeat(1_000_000)));
        let glob = Pattern::glob(&format!("*{}b*", "a".repeat(4_000)), false).unwrap();
        assert!(!glob.fits(&"a".repeat(1_000_000)));
    }
}
