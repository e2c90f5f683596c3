//! Strings that must stand in whatever a glob or a regular expression fits.

use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal, Seq};
use regex_syntax::{ParserBuilder, hir::Hir};

use super::anchor::{Fit, part};
use crate::condition::Pattern;
use crate::condition::test::{PATTERN_NESTING_MAX, Part};

mod inner;

/// More alternatives than this say too little.
const LITERALS_MAX: usize = 64;
/// The shortest literal worth looking for, in bytes.
const LITERAL_BYTES_MIN: usize = 3;

/// How a value must fit that the pattern fits; `None` where the pattern does not say.
pub fn parts(pattern: &Pattern) -> Option<Vec<Fit>> {
    match pattern.glob_parts() {
        Some(parts) => Some(vec![of_glob(&parts, pattern)]),
        None => of_regex(pattern),
    }
}

/// The longest run of a glob without wildcards.
fn of_glob(parts: &[Part], pattern: &Pattern) -> Fit {
    let plain = |part: &Part| if let Part::Plain(c) = part { Some(*c) } else { None };
    let runs = parts.split(|part| plain(part).is_none()).map(|run| run.iter().filter_map(plain).collect());
    let runs: Vec<String> = runs.collect();
    let usable = runs.iter().enumerate().filter(|(_, run)| is_safe(run, pattern));
    match usable.max_by_key(|(_, run)| run.len()) {
        Some((0, run)) => part(run, Fit::Start),
        Some((_, run)) => part(run, Fit::Part),
        None => Fit::Present,
    }
}

/// Beyond ASCII a pattern that ignores case folds differently than strings do.
fn is_safe(run: &str, pattern: &Pattern) -> bool {
    !pattern.ignores_case() || run.is_ascii()
}

/// The literals that every fit begins with, or else those that it ends with or has in it: any of them.
fn of_regex(pattern: &Pattern) -> Option<Vec<Fit>> {
    let mut builder = ParserBuilder::new();
    builder.nest_limit(PATTERN_NESTING_MAX);
    let hir = builder.build().parse(pattern.source()).ok()?;
    let mut at_an_end = [ExtractKind::Prefix, ExtractKind::Suffix].into_iter();
    at_an_end.find_map(|kind| literals(&hir, kind, pattern)).or_else(|| {
        let hir = builder.case_insensitive(pattern.ignores_case()).build().parse(pattern.source()).ok()?;
        let strings = inner::required(&hir)?;
        let long_enough = strings.iter().all(|string| string.len() >= LITERAL_BYTES_MIN);
        long_enough.then(|| strings.iter().map(|string| part(string, Fit::Part)).collect())
    })
}

fn literals(hir: &Hir, kind: ExtractKind, pattern: &Pattern) -> Option<Vec<Fit>> {
    let mut extractor = Extractor::new();
    extractor.kind(kind).limit_total(LITERALS_MAX).limit_repeat(4);
    let found: Seq = extractor.extract(hir);
    let literals = found.literals()?;
    let usable = |literal: &Literal| {
        let text = std::str::from_utf8(literal.as_bytes()).ok()?;
        (text.len() >= LITERAL_BYTES_MIN && is_safe(text, pattern)).then(|| part(text, Fit::Part))
    };
    (!literals.is_empty()).then(|| literals.iter().map(usable).collect())?
}
