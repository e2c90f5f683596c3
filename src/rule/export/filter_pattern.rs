//! Ways to match, written as one filter pattern of CloudWatch Logs.
//!
//! The pattern is made narrow first and widened until it fits: other fields than service and call go first, then the calls
//! of the service that needs most room, and at last calls that begin alike become one.

use std::collections::{BTreeMap, BTreeSet};

use super::need::{How, NAME, SOURCE, Wanted, Way, compact, without_subsumed};
use super::{Exported, equals};
use crate::rule::filter_pattern::PATTERN_LENGTH_MAX;

/// The most wildcards. The documentation counts those of selectors; those of values are held to the same.
const WILDCARDS_MAX: usize = 3;

/// Whether the language has words for it: it minds case, and what escapes mean in it is not documented.
pub(super) fn can_say(wanted: &Wanted) -> bool {
    match &wanted.how {
        _ if wanted.nocase => false,
        How::Equals(text) => is_plain(text),
        How::StartsWith(text) | How::EndsWith(text) | How::Contains(text) => is_plain(text) && !text.is_empty(),
        How::Flag(_) | How::Present => true,
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '*'))
}

/// Writes a pattern; `None` if none can say it within the limits, or if there is nothing to say.
pub(super) fn write(mut ways: Vec<Way>, widened: &mut Vec<String>) -> Option<Exported> {
    if ways.is_empty() {
        return None;
    }
    loop {
        let text = text(&ways);
        if text.chars().count() <= PATTERN_LENGTH_MAX && text.matches('*').count() <= WILDCARDS_MAX {
            return Some(Exported { text, reads: true });
        }
        let told = without_details(&mut ways).or_else(|| without_calls(&mut ways)).or_else(|| with_a_prefix(&mut ways));
        match told {
            Some(told) => widened.push(told),
            None => {
                *widened =
                    vec![format!("no pattern of {PATTERN_LENGTH_MAX} characters and {WILDCARDS_MAX} `*` can say it")];
                return None;
            }
        }
    }
}

/// Leaves out everything but services and calls where there are any.
fn without_details(ways: &mut Vec<Way>) -> Option<String> {
    let mut dropped = BTreeSet::new();
    for way in ways.iter_mut().filter(|way| way.0.contains_key(SOURCE) || way.0.contains_key(NAME)) {
        way.0.retain(|field, _| {
            let kept = [SOURCE, NAME].contains(field);
            if !kept {
                dropped.insert(*field);
            }
            kept
        });
    }
    *ways = without_subsumed(compact(std::mem::take(ways)));
    let names: Vec<&str> = dropped.into_iter().collect();
    (!names.is_empty()).then(|| format!("nothing is asked of {} where a service or call is named", names.join(", ")))
}

/// Leaves out the calls of the services whose calls need most room.
fn without_calls(ways: &mut Vec<Way>) -> Option<String> {
    let room = |way: &Way| if way.0.contains_key(SOURCE) { way.0.get(NAME).map_or(0, room) } else { 0 };
    let widest = ways.iter_mut().max_by_key(|way| room(way)).filter(|way| room(way) > 0)?;
    let calls = widest.0.remove(NAME)?.len();
    let services = equals(widest, SOURCE).join(", ");
    *ways = without_subsumed(compact(std::mem::take(ways)));
    Some(format!("every call of {services}, in place of {calls}"))
}

/// How many characters values need, about.
fn room(values: &BTreeSet<Wanted>) -> usize {
    values.iter().map(|wanted| value(wanted).len() + NAME.len() + 5).sum()
}

/// Calls without a service that begin with the same word become one: those that need most room.
fn with_a_prefix(ways: &mut Vec<Way>) -> Option<String> {
    if text(ways).matches('*').count() >= WILDCARDS_MAX {
        return None;
    }
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for name in ways.iter().flat_map(|way| equals(way, NAME)) {
        *words.entry(first_word(name).to_owned()).or_default() += name.len() + NAME.len() + 5;
    }
    let (word, _) = words.into_iter().filter(|(word, _)| !word.is_empty()).max_by_key(|(_, room)| *room)?;
    let mut replaced = 0;
    for values in ways.iter_mut().filter_map(|way| way.0.get_mut(NAME)) {
        let before = values.len();
        values.retain(|wanted| !matches!(&wanted.how, How::Equals(name) if first_word(name) == word));
        if values.len() < before {
            replaced += before - values.len();
            values.insert(Wanted { how: How::StartsWith(word.clone()), nocase: false });
        }
    }
    *ways = compact(std::mem::take(ways));
    Some(format!("calls that begin with `{word}`, in place of {replaced}"))
}

/// The verb of a call.
fn first_word(name: &str) -> &str {
    let next = name.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase());
    next.map_or(name, |(at, _)| &name[..at])
}

/// The pattern: ways that agree in their services share the words for them.
fn text(ways: &[Way]) -> String {
    let mut by_source: BTreeMap<Option<&BTreeSet<Wanted>>, Vec<Vec<String>>> = BTreeMap::new();
    for way in ways {
        let others = way.0.iter().filter(|(field, _)| **field != SOURCE);
        let parts = others.map(|(field, values)| any(values.iter().map(|wanted| comparison(field, wanted)))).collect();
        by_source.entry(way.0.get(SOURCE)).or_default().push(parts);
    }
    let groups = by_source.into_iter().flat_map(|(sources, ways)| {
        let ways: Vec<String> = ways.into_iter().map(|parts| parts.join("&&")).collect();
        let Some(sources) = sources else { return ways };
        let source = any(sources.iter().map(|wanted| comparison(SOURCE, wanted)));
        match ways.iter().any(String::is_empty) {
            true => vec![source],
            false => vec![format!("{source}&&{}", any(ways.into_iter()))],
        }
    });
    format!("{{{}}}", groups.collect::<Vec<_>>().join("||"))
}

/// Any of several, in parentheses where they are needed.
fn any(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match &parts[..] {
        [one] => one.clone(),
        many => format!("({})", many.join("||")),
    }
}

fn comparison(field: &str, wanted: &Wanted) -> String {
    match wanted.how {
        How::Flag(flag) => {
            let word = if flag { "TRUE" } else { "FALSE" };
            format!("($.{field} IS {word}||$.{field}=\"{flag}\")")
        }
        _ => format!("$.{field}={}", value(wanted)),
    }
}

fn value(wanted: &Wanted) -> String {
    match &wanted.how {
        How::Equals(text) if is_word(text) => text.clone(),
        How::Equals(text) => format!("\"{text}\""),
        How::StartsWith(text) => format!("\"{text}*\""),
        How::EndsWith(text) => format!("\"*{text}\""),
        How::Contains(text) => format!("\"*{text}*\""),
        How::Flag(flag) => flag.to_string(),
        How::Present => "\"*\"".to_owned(),
    }
}

/// What needs no quotes, and is nothing but a string without them.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
