//! Ways to match, written as event patterns of EventBridge: as few as there is room for.
//!
//! EventBridge ignores case its own way, letter by letter. Ours is that of Unicode, which makes a `k` of the Kelvin sign
//! and more than one letter of others; so only the part of a text is asked for on which the two agree.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::need::{How, NAME, Wanted, Way};
use super::{Exported, writes_only};

/// The longest pattern, in characters.
pub(super) const LENGTH_MAX: usize = 2_048;

/// Writes patterns.
pub(super) fn write(ways: Vec<Way>, widened: &mut Vec<String>) -> Vec<Exported> {
    let (writing, reading): (Vec<Way>, Vec<Way>) = ways.into_iter().partition(writes_only);
    let mut patterns = Vec::new();
    for (ways, reads) in [(writing, false), (reading, true)] {
        let mut parts: Vec<Value> = Vec::new();
        for way in ways.into_iter().flat_map(|way| split(way, widened)) {
            parts.push(detail(&way));
            if length(&pattern(&parts)) > LENGTH_MAX {
                let next = parts.split_off(parts.len() - 1);
                patterns.push(Exported { text: pattern(&parts), reads });
                parts = next;
            }
        }
        if !parts.is_empty() {
            patterns.push(Exported { text: pattern(&parts), reads });
        }
    }
    patterns
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Parts a way that is too long for a pattern: its longest list is halved, as long as what stands beside it leaves room;
/// else less is asked.
fn split(way: Way, widened: &mut Vec<String>) -> Vec<Way> {
    let total = room_of(&way);
    let longest = |way: &Way, but: &str| {
        let fields = way.0.iter().filter(|(field, _)| **field != but);
        fields.max_by_key(|(_, values)| room(values)).map(|(field, values)| (*field, room(values), values.len()))
    };
    let Some((field, length, number)) = longest(&way, "").filter(|_| total > LENGTH_MAX) else { return vec![way] };
    if number == 1 {
        widened.push(format!("any {field}, in place of one of {length} characters"));
        return split(way.with(field, [Wanted { how: How::Present, nocase: false }]), widened);
    }
    if total - length > LENGTH_MAX / 2
        && let Some((field, _, number)) = longest(&way, NAME)
    {
        widened.push(format!("any {field}, in place of {number}"));
        return split(way.with(field, [Wanted { how: How::Present, nocase: false }]), widened);
    }
    let values: Vec<Wanted> = way.0[field].iter().cloned().collect();
    let halves = values.chunks(number.div_ceil(2)).map(|half| way.with(field, half.iter().cloned()));
    halves.flat_map(|half| split(half, widened)).collect()
}

/// How many characters the pattern of a way has.
fn room_of(way: &Way) -> usize {
    length(&pattern(&[detail(way)]))
}

/// How many characters values have.
fn room(values: &BTreeSet<Wanted>) -> usize {
    values.iter().flat_map(matchers).map(|matcher| length(&matcher.to_string()) + 1).sum()
}

/// The pattern of several ways, of which an event has to go one.
fn pattern(parts: &[Value]) -> String {
    match parts {
        [one] => json!({ "detail": one }).to_string(),
        many => json!({ "detail": { "$or": many } }).to_string(),
    }
}

fn detail(way: &Way) -> Value {
    let mut detail = Map::new();
    for (field, values) in &way.0 {
        let mut matchers: Vec<Value> = values.iter().flat_map(matchers).collect();
        if matchers.iter().any(|matcher| *matcher == any_value()) {
            matchers = vec![any_value()];
        }
        let mut at = &mut detail;
        let mut names = field.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.insert(name.to_owned(), Value::Array(matchers));
                break;
            }
            let Value::Object(inner) = at.entry(name).or_insert_with(|| json!({})) else { break };
            at = inner;
        }
    }
    detail.into()
}

fn matchers(wanted: &Wanted) -> Vec<Value> {
    match wanted.how {
        // CloudTrail writes some flags as strings.
        How::Flag(flag) => vec![flag.into(), flag.to_string().into()],
        _ => vec![matcher(wanted)],
    }
}

fn matcher(wanted: &Wanted) -> Value {
    match &wanted.how {
        How::Equals(text) if !wanted.nocase => json!(text),
        How::StartsWith(text) if !wanted.nocase => json!({ "prefix": text }),
        How::EndsWith(text) if !wanted.nocase => json!({ "suffix": text }),
        How::Contains(text) if !wanted.nocase => {
            json!({ "wildcard": format!("*{}*", text.replace('\\', "\\\\").replace('*', "\\*")) })
        }
        How::Equals(text) if text.chars().all(is_agreed) => json!({ "equals-ignore-case": text }),
        How::Equals(text) | How::StartsWith(text) if !agreed_start(text).is_empty() => {
            json!({ "prefix": { "equals-ignore-case": agreed_start(text) } })
        }
        How::Equals(text) | How::EndsWith(text) if !agreed_end(text).is_empty() => {
            json!({ "suffix": { "equals-ignore-case": agreed_end(text) } })
        }
        How::Flag(flag) => json!(flag),
        _ => any_value(),
    }
}

fn any_value() -> Value {
    json!({ "exists": true })
}

/// Whether nothing but a letter and its capital becomes this letter in lower case, to either.
fn is_agreed(c: char) -> bool {
    c.is_ascii() && c != 'k'
}

/// What a text begins with, of letters that are agreed upon. A dotted capital I also begins with an `i` in lower case.
fn agreed_start(text: &str) -> &str {
    let len = text.find(|c| !is_agreed(c)).unwrap_or(text.len());
    text[..len].trim_end_matches('i')
}

fn agreed_end(text: &str) -> &str {
    text.rfind(|c| !is_agreed(c)).map_or(text, |at| &text[at + text[at..].chars().next().map_or(1, char::len_utf8)..])
}
