//! Patterns that a string may fit: globs and regular expressions.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::Regex;

use super::glob::{self, Part, Runs};

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
    Runs(Arc<Runs>),
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

    /// The parts of a glob; none of a regular expression.
    pub(crate) fn glob_parts(&self) -> Option<Vec<Part>> {
        self.glob.then(|| glob::parse(&self.source).unwrap_or_default())
    }

    /// Compiles a regular expression, which may fit anywhere in a value.
    pub fn regex(source: &str, nocase: bool) -> Result<Self, String> {
        check_length(source)?;
        let compiled = Compiled::Regex(regex(source, nocase)?);
        Ok(Self { compiled, source: source.to_owned(), glob: false, nocase })
    }

    /// Compiles a glob, which must fit a whole value: `*` is any text, `?` any one character, `\` takes the next
    /// character as it is.
    pub fn glob(source: &str, nocase: bool) -> Result<Self, String> {
        check_length(source)?;
        let glob = glob::parse(source)?;
        let compiled = match Runs::of(&glob, nocase) {
            Some(runs) => Compiled::Runs(Arc::new(runs)),
            None => Compiled::Regex(regex(&spelt_out(&glob), nocase)?),
        };
        Ok(Self { compiled, source: source.to_owned(), glob: true, nocase })
    }
}

fn check_length(source: &str) -> Result<(), String> {
    if source.len() > PATTERN_TEXT_MAX {
        return Err(format!("longer than {PATTERN_TEXT_MAX} bytes"));
    }
    Ok(())
}

/// The regular expression that fits what a glob fits.
fn spelt_out(glob: &[Part]) -> String {
    let mut regex = String::from(r"(?s)\A");
    for part in glob {
        match part {
            Part::AnyText => regex.push_str(".*"),
            Part::AnyCharacter => regex.push('.'),
            Part::Plain(plain) => regex.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
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

    fn by_regex(glob: &str, nocase: bool) -> Regex {
        regex(&spelt_out(&glob::parse(glob).unwrap()), nocase).unwrap()
    }

    proptest! {
        #[test]
        fn a_glob_fits_what_its_regular_expression_fits(
            source in "([abAks*]|\\\\[a*?k]|é){0,9}|[ab*?]{0,6}",
            nocase: bool,
            text in "[abABkKsS*?é\n\u{17f}\u{212a}]{0,12}|a{100,300}[bs\u{17f}]?",
        ) {
            let glob = Pattern::glob(&source, nocase).unwrap();
            let expected = by_regex(&source, nocase).is_match(&text);
            prop_assert_eq!(glob.fits(&text), expected, "{} {}", source, text);
        }
    }

    /// All texts of these characters that have so many at most.
    fn all(characters: &[char], most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut longest = all.clone();
        for _ in 0..most {
            longest = longest.iter().flat_map(|text| characters.iter().map(move |c| format!("{text}{c}"))).collect();
            all.extend_from_slice(&longest);
        }
        all
    }

    #[test]
    fn every_short_glob_fits_what_its_regular_expression_fits() {
        let texts = all(&['a', 'b'], 6);
        for source in all(&['a', 'b', '*'], 5) {
            let (glob, expected) = (Pattern::glob(&source, false).unwrap(), by_regex(&source, false));
            for text in &texts {
                assert_eq!(glob.fits(text), expected.is_match(text), "{source} {text}");
            }
        }
    }

    #[test]
    fn case_is_ignored_as_a_regular_expression_ignores_it() {
        let long = |length: usize| format!("A{}B", "x".repeat(length - 2));
        for (glob, text, fits) in [
            ("*k*", "\u{212a}", true),
            ("*S", "é\u{17f}", true),
            ("k*s", "Ké\u{17f}", true),
            ("a*x*b", &long(255), true),
            ("a*x*b", &long(256), true),
            ("a*x*b", &long(257), true),
            ("A*Xb*b", &long(300), false),
            ("*I*", "\u{130}", false),
            ("É*a", "éA", true),
        ] {
            assert_eq!(Pattern::glob(glob, true).unwrap().fits(text), fits, "{glob} {text}");
            assert_eq!(by_regex(glob, true).is_match(text), fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_of_many_wildcards_is_judged_in_time() {
        let begun = std::time::Instant::now();
        let many = format!("{}*c*", "*a".repeat(2_000));
        assert!(!Pattern::glob(&many, true).unwrap().fits(&"A".repeat(1_000_000)));
        let long = format!("*{}b*", "a".repeat(4_000));
        assert!(!Pattern::glob(&long, false).unwrap().fits(&"a".repeat(1_000_000)));
        assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
    }
}
