//! Conditions of event patterns, said with fields that a projection reads.
//!
//! A pattern's fields are not the record's: one may stand in an envelope or not, and a dot in its path may be a dot in a
//! name. Here each becomes the few fields that it can be, so that patterns are indexed and judged like all other rules.
//! What must hold within one element of an array is judged plainly where the event has no array with several elements on
//! the way, and left to the naive evaluator only where it has one and everything else holds.

use std::collections::BTreeMap;

use crate::condition::{Comparison, Condition, Field, Predicate, Test};
use crate::event::envelope::{Unwrapped, unwrapped};
use crate::event::{Case, Derived, Path};

/// The longest path that is spelt out; there are 2^(n-1) ways to put dots into names.
const NAMES_MAX: usize = 7;

/// The same condition, without fields of envelopes and without paths whose dots may be part of names, as far as it goes.
pub fn spelt_out(condition: &Condition) -> Condition {
    let mut has_envelope = false;
    condition.visit(&mut |predicate| has_envelope |= matches!(predicate.field, Field::Enveloped(_)));
    if !has_envelope {
        return Speller { bare: false }.condition(condition);
    }
    let is_record = Condition::is(Field::Derived(Derived::EnvelopeDetailType), Test::Exists);
    let bare = Speller { bare: true }.condition(condition);
    let as_it_is = Speller { bare: false }.condition(condition);
    Condition::Any(vec![
        Condition::All(vec![is_record.clone(), bare]),
        Condition::All(vec![is_record.negated(), as_it_is]),
    ])
}

/// Whether a field is one that no projection reads.
pub fn is_unspelt(field: &Field) -> bool {
    match field {
        Field::Enveloped(_) => true,
        Field::Path(path) => path.case() == Case::Joined,
        _ => false,
    }
}

/// Spells for records without an envelope, or for events as they are.
struct Speller {
    bare: bool,
}

/// What a field is in events of the one sort or the other.
enum Meant {
    /// A path whose dots may be part of names.
    Joined(Path),
    /// A field that is read as it is.
    Plain(Field),
    /// Always this string.
    Always(&'static str),
    /// Never there.
    Missing,
}

impl Speller {
    fn meant(&self, field: &Field) -> Meant {
        match field {
            Field::Enveloped(path) if self.bare => match unwrapped(&path.to_string()) {
                Unwrapped::Path(path) => Meant::Joined(Path::joined(path)),
                Unwrapped::Derived(derived) => Meant::Plain(Field::Derived(derived)),
                Unwrapped::Always(text) => Meant::Always(text),
                Unwrapped::Missing => Meant::Missing,
            },
            Field::Enveloped(path) => Meant::Joined(path.clone()),
            Field::Path(path) if path.case() == Case::Joined => Meant::Joined(path.clone()),
            other => Meant::Plain(other.clone()),
        }
    }

    fn condition(&self, condition: &Condition) -> Condition {
        match condition {
            Condition::All(inner) => Condition::All(inner.iter().map(|part| self.condition(part)).collect()),
            Condition::Any(inner) => self.any(inner),
            Condition::Not(inner) => self.condition(inner).negated(),
            Condition::Together(inner) => self.together(inner),
            Condition::Is(predicate) => self.tests(&predicate.field, &[&predicate.test]),
        }
    }

    /// Several values of one field stay together, so that they can be looked up at once.
    fn any(&self, inner: &[Condition]) -> Condition {
        let predicates: Option<Vec<&Predicate>> = inner.iter().map(predicate).collect();
        match predicates.as_deref() {
            Some(predicates @ [first, ..]) if predicates.iter().all(|other| other.field == first.field) => {
                let tests: Vec<&Test> = predicates.iter().map(|predicate| &predicate.test).collect();
                self.tests(&first.field, &tests)
            }
            _ => Condition::any(inner.iter().map(|part| self.condition(part)).collect()),
        }
    }

    /// One value of a field passes one of the tests.
    fn tests(&self, field: &Field, tests: &[&Test]) -> Condition {
        let any = |field: &Field| {
            Condition::any(tests.iter().map(|test| Condition::is(field.clone(), (*test).clone())).collect())
        };
        match self.meant(field) {
            Meant::Plain(field) => any(&field),
            Meant::Always(text) => {
                let value = crate::event::Value::String(text);
                let passes = tests.iter().any(|test| test.passes(std::iter::once(value)));
                if passes { Condition::All(Vec::new()) } else { Condition::Any(Vec::new()) }
            }
            Meant::Missing => Condition::Any(Vec::new()),
            Meant::Joined(path) => match spellings(&path) {
                Some(paths) => Condition::any(paths.into_iter().map(|path| any(&Field::Path(path))).collect()),
                None => any(field),
            },
        }
    }

    /// Fields below different names lie in no common array, so only those below the same one are of concern.
    fn together(&self, inner: &Condition) -> Condition {
        let Condition::All(parts) = inner else { return self.carefully(std::slice::from_ref(inner)) };
        let mut groups: BTreeMap<String, Vec<Condition>> = BTreeMap::new();
        let mut alone = Vec::new();
        for part in parts {
            match self.first_name(part) {
                Some(name) => groups.entry(name).or_default().push(part.clone()),
                None => alone.push(self.condition(part)),
            }
        }
        let groups = groups.into_values().map(|group| match &group[..] {
            [part] => self.condition(part),
            several => self.carefully(several),
        });
        Condition::all(alone.into_iter().chain(groups).collect())
    }

    /// The first name of the one path that a part is about; `None` if it lies in no array.
    fn first_name(&self, part: &Condition) -> Option<String> {
        self.path(part).map(|path| path.segments()[0].to_string())
    }

    fn path(&self, part: &Condition) -> Option<Path> {
        let mut field = None;
        part.visit(&mut |predicate| field = field.or(Some(&predicate.field)));
        match self.meant(field?) {
            Meant::Joined(path) => Some(path),
            _ => None,
        }
    }

    /// Parts that must all hold within one element of each array.
    fn carefully(&self, parts: &[Condition]) -> Condition {
        let careful = Condition::Together(Box::new(Condition::All(parts.to_vec())));
        let plain = Condition::All(parts.iter().map(|part| self.condition(part)).collect());
        let mut all: Vec<Condition> = without_negations(&plain).into_iter().collect();
        let Some(arrays) = self.arrays(parts) else {
            all.push(careful);
            return Condition::All(all);
        };
        all.push(Condition::Any(vec![
            Condition::All(vec![arrays.clone().negated(), plain]),
            Condition::All(vec![arrays, careful]),
        ]));
        Condition::All(all)
    }

    /// Whether there is an array with several elements where two of the parts' paths may go through it; `None` if that
    /// cannot be asked.
    fn arrays(&self, parts: &[Condition]) -> Option<Condition> {
        let mut shared: BTreeMap<Vec<Box<str>>, usize> = BTreeMap::new();
        for part in parts {
            let path = self.path(part)?;
            for names in 1..=path.segments().len() {
                *shared.entry(path.segments()[..names].to_vec()).or_default() += 1;
            }
        }
        let mut questions = Vec::new();
        for (names, _) in shared.into_iter().filter(|&(_, paths)| paths > 1) {
            for path in spellings(&Path::joined(&names.join(".")))? {
                questions.push(Condition::is(Field::Path(path), Test::Length(Comparison::Greater, 1)));
            }
        }
        Some(Condition::Any(questions))
    }
}

fn predicate(condition: &Condition) -> Option<&Predicate> {
    match condition {
        Condition::Is(predicate) => Some(predicate),
        _ => None,
    }
}

/// Every path that a path stands for whose dots may be part of names; `None` if there are too many, or a name is empty.
fn spellings(path: &Path) -> Option<Vec<Path>> {
    let names = path.segments();
    if names.len() > NAMES_MAX {
        return None;
    }
    let mut spellings = Vec::new();
    for joints in 0..1u32 << (names.len() - 1) {
        let mut spelt = vec![names[0].to_string()];
        for (number, name) in names[1..].iter().enumerate() {
            match spelt.last_mut() {
                Some(last) if joints >> number & 1 == 1 => *last = format!("{last}.{name}"),
                _ => spelt.push(name.to_string()),
            }
        }
        spellings.push(Path::from_segments(spelt, Case::Sensitive).ok()?);
    }
    Some(spellings)
}

/// What is left of a condition if whatever must not hold is taken for granted; `None` if that is nothing.
fn without_negations(condition: &Condition) -> Option<Condition> {
    match condition {
        Condition::All(inner) => {
            let left: Vec<Condition> = inner.iter().filter_map(without_negations).collect();
            (!left.is_empty()).then(|| Condition::all(left))
        }
        Condition::Any(inner) => Some(Condition::any(inner.iter().map(without_negations).collect::<Option<_>>()?)),
        Condition::Together(inner) => without_negations(inner),
        Condition::Not(_) => None,
        Condition::Is(_) => Some(condition.clone()),
    }
}
