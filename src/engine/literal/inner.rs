//! Strings within a regular expression that neither begin nor end it: of the parts that all must fit, the longest that
//! is plain text, or one of several.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::LITERALS_MAX;
use crate::engine::fold::{folded, same};

/// Strings, folded, of which a value must hold at least one for the expression to fit; `None` if none is known.
pub fn required(tree: &Hir) -> Option<Vec<String>> {
    match tree.kind() {
        HirKind::Literal(_) | HirKind::Class(_) => plain(tree).map(|text| vec![text]),
        HirKind::Capture(group) => required(&group.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => required(&repeated.sub),
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Alternation(branches) => of_branches(branches),
        _ => None,
    }
}

/// Whichever branch fits, one of its strings is there.
fn of_branches(branches: &[Hir]) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    for branch in branches {
        strings.extend(required(branch)?);
        if strings.len() > LITERALS_MAX {
            return None;
        }
    }
    Some(strings)
}

/// All parts fit, so the best of them serves; neighbours that are plain characters count as one.
fn of_sequence(parts: &[Hir]) -> Option<Vec<String>> {
    let mut best = Vec::new();
    let mut run = String::new();
    let mut offer = |strings: Vec<String>| {
        if shortest(&best) < shortest(&strings) {
            best = strings;
        }
    };
    for part in parts {
        match plain(part) {
            Some(text) => run.push_str(&text),
            None => {
                offer(vec![std::mem::take(&mut run)]);
                required(part).into_iter().for_each(&mut offer);
            }
        }
    }
    offer(vec![run]);
    (!best.is_empty()).then_some(best)
}

fn shortest(strings: &[String]) -> usize {
    strings.iter().map(String::len).min().unwrap_or(0)
}

/// The one string, but for its case, that a part stands for.
fn plain(part: &Hir) -> Option<String> {
    match part.kind() {
        HirKind::Literal(literal) => str::from_utf8(&literal.0).ok().map(folded),
        // No letter has more than a few forms, so more characters than that are never one.
        HirKind::Class(Class::Unicode(class)) => {
            same(class.iter().flat_map(|range| range.start()..=range.end()).take(16)).map(String::from)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use regex_syntax::Parser;

    use super::*;

    #[test]
    fn the_longest_string_within_an_expression_is_required() {
        for (regex, expected) in [
            (r"\d+-kali-\d+", Some(&["-kali-"][..])),
            (r"\d(?i)Kali[0-9]", Some(&["kali"])),
            (r"\d(abc|def+g)x?\d", Some(&["abc", "de"])),
            (r"\d(abc.*defg)+\d", Some(&["defg"])),
            (r"[ab](abc)?[cd]", None),
            (r"\d(abc|)\d", None),
            (r".*", None),
        ] {
            let found = required(&Parser::new().parse(regex).unwrap());
            let found: Option<Vec<&str>> = found.as_ref().map(|found| found.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{regex}");
        }
    }
}
