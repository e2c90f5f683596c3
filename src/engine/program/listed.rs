//! A list of strings, of which a value must be one or hold one: asked in one go, however long the list.

use std::collections::{HashMap, HashSet};
use std::iter::once;
use std::ops::{ControlFlow, Range};

use foldhash::fast::RandomState;

use super::sightings::Sightings;
use crate::condition::test::in_lower_case;
use crate::condition::{Field, Literal, Predicate, Test};
use crate::engine::anchor::{Fit, first_part};
use crate::engine::grams::Strings;
use crate::engine::literal;
use crate::event::{Event, Value};

/// Strings to be asked for together.
#[derive(Debug)]
pub enum Listed {
    /// The value is in the set.
    Is(HashSet<Box<str>, RandomState>),
    /// The value is in the set of strings in lower case, once it is in lower case too.
    IsInAnyCase(HashSet<Box<str>, RandomState>),
    /// The value passes one of these tests, each of which wants the string of its number in it, and may want more.
    Holds(Strings, Box<[Test]>, Numbers),
}

/// What number each of a list's strings has where the index looks for it wherever there are strings; none if it does not look
/// for all of them.
type Numbers = Option<Box<[u32]>>;

/// From how many strings on a list is faster than going through them.
const LISTED_MIN: usize = 4;

impl Listed {
    /// Whether predicates of one field are such a list. Of all strings of an event, also a single one is.
    pub fn can_be(predicates: &[&Predicate]) -> bool {
        let is_anywhere = predicates.first().is_some_and(|first| first.field == Field::Anywhere);
        let nocase = predicates.first().is_some_and(|first| first.test.nocase());
        let are_exact = || {
            predicates.iter().all(|predicate| exact(&predicate.test).is_some_and(|_| predicate.test.nocase() == nocase))
        };
        let are_parts = || predicates.iter().all(|predicate| part(&predicate.test).is_some());
        (is_anywhere || predicates.len() >= LISTED_MIN) && (are_exact() || are_parts())
    }

    /// The list of which [`can_be`](Self::can_be) has said that it is one.
    pub fn of(predicates: &[Predicate], anywhere: &HashMap<Box<str>, u32, RandomState>) -> Self {
        let tests = || predicates.iter().map(|predicate| &predicate.test);
        let texts = tests().filter_map(exact).map(Into::into);
        match predicates.first().map(|first| &first.test) {
            Some(test) if part(test).is_some() => {
                let parts: Vec<Box<str>> = tests().filter_map(part).map(Into::into).collect();
                let numbers = parts.iter().map(|part| anywhere.get(part).copied()).collect();
                Self::Holds(Strings::new(parts), tests().cloned().collect(), numbers)
            }
            Some(test) if test.nocase() => Self::IsInAnyCase(texts.collect()),
            _ => Self::Is(texts.collect()),
        }
    }

    /// Whether a string is on the list, or passes one of its tests.
    pub fn has(&self, text: &str) -> bool {
        match self {
            Self::Is(texts) => texts.contains(text),
            Self::IsInAnyCase(texts) => is_in(text, texts),
            Self::Holds(strings, tests, _) => holds(text, strings, tests),
        }
    }

    /// Whether one of an event's strings is on the list, or passes one of its tests.
    pub fn has_string_of(&self, event: &Event<'_>, sightings: &Sightings) -> bool {
        let in_text = match self {
            Self::Holds(_, tests, Some(numbers)) if sightings.are_all => {
                Some(is_among(event, sightings, numbers, tests))
            }
            Self::Holds(strings, tests, _) => holds_string_of(event, strings, tests),
            _ => None,
        };
        in_text.unwrap_or_else(|| event.strings().iter().any(|text| self.has(text)))
    }
}

/// The string that a value must be; in lower case where case is ignored.
fn exact(test: &Test) -> Option<&str> {
    match test {
        Test::Equals(Literal::Text(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// A string that a value must hold in whatever case, if there is one that is long enough to be looked for.
fn part(test: &Test) -> Option<String> {
    match test {
        Test::Contains(text) if text.as_str().len() >= 2 => Some(first_part(text.as_str().to_ascii_lowercase())),
        Test::Fits(pattern) if pattern.is_glob() => match literal::parts(pattern)?.pop()? {
            Fit::Part(text) | Fit::Start(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a string is in a set of strings in lower case.
fn is_in(text: &str, texts: &HashSet<Box<str>, RandomState>) -> bool {
    if !text.is_ascii() {
        return texts.contains(text.to_lowercase().as_str());
    }
    let mut buffer = [0; 256];
    std::str::from_utf8(&in_lower_case(text.as_bytes(), &mut buffer)).is_ok_and(|text| texts.contains(text))
}

/// What is found without regard to case is put to its test. Beyond ASCII, where letters change their length with their case,
/// and in what seems to hold everything, the tests go through the text one after the other.
fn holds(text: &str, strings: &Strings, tests: &[Test]) -> bool {
    let passes = |test: &Test| test.passes(once(Value::String(text)));
    let mut is_held = false;
    let looked = text.is_ascii().then(|| {
        strings.find(text, |number, _| {
            is_held = passes(&tests[number]);
            if is_held { ControlFlow::Break(()) } else { ControlFlow::Continue(text.len()) }
        })
    });
    is_held || (looked != Some(Ok(())) && tests.iter().any(passes))
}

/// Goes by what the index has found.
fn is_among(event: &Event<'_>, sightings: &Sightings, numbers: &[u32], tests: &[Test]) -> bool {
    let passes = |value: Range<usize>, test: &Test| test.passes(once(Value::String(&event.text()[value])));
    numbers.iter().zip(tests).any(|(&number, test)| sightings.of(number).any(|value| passes(value, test)))
}

/// Goes through the text of the whole record once, where that is plain. None where that does not tell, or there is too much.
fn holds_string_of(event: &Event<'_>, strings: &Strings, tests: &[Test]) -> Option<bool> {
    if !event.is_plain() {
        return None;
    }
    let mut is_held = false;
    let looked = strings.find(event.text(), |number, start| {
        let string = &event.text()[event.string_at(start).unwrap_or_default()];
        is_held = tests[number].passes(once(Value::String(string)));
        if is_held { ControlFlow::Break(()) } else { ControlFlow::Continue(string.len()) }
    });
    (is_held || looked.is_ok()).then_some(is_held)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::condition::{Pattern, Text};
    use crate::event::projection::{Fields, Projection};

    type Make = fn(&str, bool) -> Test;

    /// A word, a whole value, and a word with another letter somewhere behind it.
    const MAKE: [Make; 3] = [
        |text, nocase| Test::Contains(Text::new(text, nocase)),
        |text, nocase| Test::Equals(Literal::Text(Text::new(text, nocase))),
        |text, nocase| Test::Fits(Pattern::glob(&format!("*{text}*b*"), nocase).unwrap()),
    ];

    fn predicates(texts: &[(String, bool)], make: impl Fn(usize) -> Make) -> Vec<Predicate> {
        let of = |(number, (text, nocase)): (usize, &(String, bool))| Predicate {
            field: Field::Anywhere,
            test: make(number)(text, *nocase),
        };
        texts.iter().enumerate().map(of).collect()
    }

    /// All of one kind, and words mixed with globs.
    fn kinds(texts: &[(String, bool)]) -> Vec<Vec<Predicate>> {
        let mut kinds: Vec<_> = MAKE.iter().map(|&make| predicates(texts, |_| make)).collect();
        kinds.push(predicates(texts, |number| MAKE[number % 2 * 2]));
        kinds.retain(|predicates| Listed::can_be(&predicates.iter().collect::<Vec<_>>()));
        kinds
    }

    proptest! {
        #[test]
        fn a_list_has_what_one_of_its_tests_passes(
            texts in proptest::collection::vec(("[aAbBéİ\u{212a}]{1,4}", any::<bool>()), 4..9),
            value in "[abAB]{0,9}|[aAbBkéİ\u{212a}ſ]{0,9}",
        ) {
            for predicates in kinds(&texts) {
                let expected = predicates.iter().any(|predicate| predicate.test.passes(once(Value::String(&value))));
                prop_assert_eq!(Listed::of(&predicates, &HashMap::default()).has(&value), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_has_a_string_if_one_of_its_values_does(
            texts in proptest::collection::vec(("[aAbB\":12é]{2,3}", any::<bool>()), 1..9),
            values in proptest::collection::vec("[abAB:12]{0,5}|[abAB]{40,80}|[abB\\\\\"éÉ]{0,4}", 1..4),
            name in "[ab]{0,3}",
            is_pretty in any::<bool>(),
        ) {
            let record = serde_json::json!({ &name: { "x": &values, "b": 12 } });
            let record = if is_pretty { format!("{record:#}") } else { record.to_string() };
            let mut fields = Fields::default();
            Projection::new(Vec::new()).read(&record, &mut fields).unwrap();
            let event = Event::view(&record, &fields);
            for predicates in kinds(&texts) {
                let passes = |value: &String| predicates.iter().any(|predicate| predicate.test.passes(once(Value::String(value))));
                prop_assert_eq!(Listed::of(&predicates, &HashMap::default()).has_string_of(&event, &Sightings::default()), values.iter().any(passes), "{}", record);
            }
        }
    }

    #[test]
    fn globs_are_on_lists_with_words() {
        let texts = ["wget", "curl"].map(|text| (text.to_owned(), true));
        assert_eq!(kinds(&texts).len(), 4, "no kind is left out");
        let short = [("a".to_owned(), true)];
        assert!(
            kinds(&short).iter().all(|kind| matches!(kind[0].test, Test::Equals(_))),
            "what is too short is not looked for"
        );
    }

    #[test]
    fn what_seems_to_hold_everything_is_gone_through() {
        let texts: Vec<(String, bool)> = (2..40).map(|length| ("A".repeat(length), false)).collect();
        let list = Listed::of(&predicates(&texts, |_| MAKE[0]), &HashMap::default());
        assert!(!list.has(&"a".repeat(100_000)));
        assert!(list.has(&format!("{}AA", "a".repeat(100_000))));
        let has_string_of = |text: &str| {
            let mut fields = Fields::default();
            Projection::new(Vec::new()).read(text, &mut fields).unwrap();
            list.has_string_of(&Event::view(text, &fields), &Sightings::default())
        };
        let name = "a".repeat(100_000);
        assert!(!has_string_of(&format!(r#"{{"AA{name}":"{name}"}}"#)));
        assert!(has_string_of(&format!(r#"{{"{name}":"a","b":"xAA"}}"#)));
    }
}
