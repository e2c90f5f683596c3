//! Ways to match, written as one filter pattern of CloudWatch Logs.
//!
//! The pattern is made narrow first. A long list, or one with wildcards, becomes a regular expression, of which the service
//! takes two. If that is not enough, the pattern is widened until it fits: wildcards go where there are too many; other
//! fields than service and call; the calls of the service that needs most room; at last calls that begin alike become one.

use std::collections::{BTreeMap, BTreeSet};

use super::need::{How, NAME, SOURCE, Wanted, Way, compact, without_subsumed};
use super::{Exported, equals};
use crate::rule::filter_pattern::{PATTERN_LENGTH_MAX, REGEXES_MAX};

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

/// What was widened, sort by sort, since there may be much of one.
#[derive(Default)]
struct Widened {
    wildcards: Vec<String>,
    fields: BTreeSet<&'static str>,
    /// Services, with the number of calls that were named.
    services: Vec<String>,
    /// How calls begin, with their number.
    verbs: Vec<String>,
}

impl Widened {
    fn told(self) -> Vec<String> {
        let mut told = self.wildcards;
        let fields: Vec<&str> = self.fields.into_iter().collect();
        for (what, list) in [
            ("nothing but service and call is asked where they are named, and not", fields.join(", ")),
            ("every call, in place of so many, of", self.services.join(", ")),
            ("every call that begins so, in place of so many:", self.verbs.join(", ")),
        ] {
            if !list.is_empty() {
                told.push(format!("{what} {list}"));
            }
        }
        told
    }
}

/// Writes a pattern; `None` if none can say it within the limits, or if there is nothing to say.
pub(super) fn write(mut ways: Vec<Way>, told: &mut Vec<String>) -> Option<Exported> {
    let mut widened = Widened::default();
    while !ways.is_empty() {
        let text = shortest(&ways);
        let changed = if wildcards(&text) > WILDCARDS_MAX {
            without_wildcards(&mut ways, &mut widened) || without_details(&mut ways, &mut widened)
        } else if length(&text) > PATTERN_LENGTH_MAX {
            without_details(&mut ways, &mut widened)
                || without_calls(&mut ways, &mut widened).is_some()
                || with_a_prefix(&mut ways, &mut widened).is_some()
        } else {
            told.extend(widened.told());
            return Some(Exported { text, reads: true });
        };
        if !changed {
            let limits =
                format!("{PATTERN_LENGTH_MAX} characters, {REGEXES_MAX} regular expressions and {WILDCARDS_MAX} `*`");
            told.push(format!("no pattern of {limits} can say it"));
            break;
        }
        ways = without_subsumed(compact(ways));
    }
    None
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn wildcards(text: &str) -> usize {
    text.matches('*').count()
}

/// Asks for less where most wildcards are: any text in place of several, and then nothing where something else is asked.
fn without_wildcards(ways: &mut [Way], widened: &mut Widened) -> bool {
    let all = ways.iter().enumerate().flat_map(|(number, way)| way.0.keys().map(move |&field| (number, field)));
    let stars = |&(number, field): &(usize, &'static str)| wildcards(&plain(field, &ways[number].0[field]));
    let Some(at) = all.filter(|at| stars(at) > 1 || ways[at.0].0.len() > 1).max_by_key(stars) else { return false };
    let (most, (number, field)) = (stars(&at), at);
    match most {
        0 => return false,
        1 => {
            ways[number].0.remove(field);
            let beside: Vec<&str> = ways[number].0.keys().copied().collect();
            widened.wildcards.push(format!("nothing is asked of {field} beside {}", beside.join(", ")));
        }
        _ => {
            ways[number] = ways[number].with(field, [Wanted { how: How::Present, nocase: false }]);
            widened.wildcards.push(format!("any {field}, in place of {most} wildcards"));
        }
    }
    true
}

/// Leaves out everything but services and calls where there are any.
fn without_details(ways: &mut [Way], widened: &mut Widened) -> bool {
    let mut changed = false;
    for way in ways.iter_mut().filter(|way| way.0.contains_key(SOURCE) || way.0.contains_key(NAME)) {
        let others: Vec<&'static str> = way.0.keys().copied().filter(|field| ![SOURCE, NAME].contains(field)).collect();
        changed |= !others.is_empty();
        others.iter().for_each(|field| drop(way.0.remove(field)));
        widened.fields.extend(others);
    }
    changed
}

/// Leaves out the calls of the services whose calls need most room.
fn without_calls(ways: &mut [Way], widened: &mut Widened) -> Option<()> {
    let room = |way: &Way| if way.0.contains_key(SOURCE) { way.0.get(NAME).map_or(0, room) } else { 0 };
    let widest = ways.iter_mut().max_by_key(|way| room(way)).filter(|way| room(way) > 0)?;
    let calls = widest.0.remove(NAME)?.len();
    widened.services.push(format!("{} ({calls})", equals(widest, SOURCE).join(", ")));
    Some(())
}

/// How many characters values need, about.
fn room(values: &BTreeSet<Wanted>) -> usize {
    values.iter().map(|wanted| value(wanted).len() + NAME.len() + 5).sum()
}

/// Calls without a service that begin with the same word become one: those that are most.
fn with_a_prefix(ways: &mut [Way], widened: &mut Widened) -> Option<()> {
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for name in ways.iter().flat_map(|way| equals(way, NAME)) {
        *words.entry(first_word(name).to_owned()).or_default() += 1;
    }
    let of_several = words.into_iter().filter(|(word, calls)| !word.is_empty() && *calls > 1);
    let (word, calls) = of_several.max_by_key(|(_, calls)| *calls)?;
    for values in ways.iter_mut().filter_map(|way| way.0.get_mut(NAME)) {
        let before = values.len();
        values.retain(|wanted| !matches!(&wanted.how, How::Equals(name) if first_word(name) == word));
        if values.len() < before {
            values.insert(Wanted { how: How::StartsWith(word.clone()), nocase: false });
        }
    }
    widened.verbs.push(format!("{word} ({calls})"));
    Some(())
}

/// The verb of a call.
fn first_word(name: &str) -> &str {
    let next = name.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase());
    next.map_or(name, |(at, _)| &name[..at])
}

/// What is wanted of a field, in both spellings.
struct Demand<'w> {
    field: &'static str,
    values: &'w BTreeSet<Wanted>,
    plain: String,
    regex: Option<String>,
}

/// The shortest text: the demands that gain most by it are written as regular expressions.
fn shortest(ways: &[Way]) -> String {
    let groups = by_source(ways);
    let sources = groups.keys().flatten().map(|sources| (SOURCE, *sources));
    let others = ways.iter().flat_map(|way| way.0.iter().map(|(field, values)| (*field, values)));
    let demands = sources.chain(others.filter(|(field, _)| *field != SOURCE));
    let mut demands: Vec<Demand<'_>> = demands.map(|(field, values)| Demand::new(field, values)).collect();
    let (mut regexes, mut text) = (Vec::new(), text(&groups, &[]));
    while regexes.len() < REGEXES_MAX {
        let too_wild = wildcards(&text) > WILDCARDS_MAX;
        if !too_wild && length(&text) <= PATTERN_LENGTH_MAX {
            break;
        }
        let gain = |demand: &Demand<'_>| if too_wild { wildcards(&demand.plain) } else { demand.saving() };
        let best = (0..demands.len()).filter(|&at| demands[at].regex.is_some()).max_by_key(|&at| gain(&demands[at]));
        let Some(best) = best.filter(|&at| gain(&demands[at]) > 0) else { break };
        regexes.push(demands.swap_remove(best));
        text = self::text(&groups, &regexes);
    }
    text
}

type Groups<'w> = BTreeMap<Option<&'w BTreeSet<Wanted>>, Vec<&'w Way>>;

/// Ways that agree in their services share the words for them.
fn by_source(ways: &[Way]) -> Groups<'_> {
    let mut groups = Groups::new();
    for way in ways {
        groups.entry(way.0.get(SOURCE)).or_default().push(way);
    }
    groups
}

fn text(groups: &Groups<'_>, regexes: &[Demand<'_>]) -> String {
    let say = |field: &str, values: &BTreeSet<Wanted>| {
        let chosen = regexes.iter().find(|demand| demand.field == field && std::ptr::eq(demand.values, values));
        chosen.and_then(|demand| demand.regex.clone()).unwrap_or_else(|| plain(field, values))
    };
    let parts = groups.iter().flat_map(|(sources, ways)| {
        let ways = ways.iter().map(|way| {
            let others = way.0.iter().filter(|(field, _)| **field != SOURCE);
            others.map(|(field, values)| say(field, values)).collect::<Vec<_>>().join("&&")
        });
        let ways: Vec<String> = ways.collect();
        let Some(source) = sources.map(|sources| say(SOURCE, sources)) else { return ways };
        match ways.iter().any(String::is_empty) {
            true => vec![source],
            false => vec![format!("{source}&&{}", any(ways.into_iter()))],
        }
    });
    format!("{{{}}}", parts.collect::<Vec<_>>().join("||"))
}

impl<'w> Demand<'w> {
    fn new(field: &'static str, values: &'w BTreeSet<Wanted>) -> Self {
        Self { field, values, plain: plain(field, values), regex: regex(field, values) }
    }

    fn saving(&self) -> usize {
        self.regex.as_ref().map_or(0, |regex| self.plain.len().saturating_sub(regex.len()))
    }
}

fn plain(field: &str, values: &BTreeSet<Wanted>) -> String {
    any(values.iter().map(|wanted| comparison(field, wanted)))
}

/// The same as one regular expression; a little wider where that is shorter.
fn regex(field: &str, values: &BTreeSet<Wanted>) -> Option<String> {
    let alternatives = values.iter().map(|wanted| {
        Some(match &wanted.how {
            How::Equals(text) if field == SOURCE && text.ends_with(DOMAIN) => {
                format!("^{}\\.", escaped(&text[..text.len() - DOMAIN.len()]))
            }
            How::Equals(text) => format!("^{}$", escaped(text)),
            How::StartsWith(text) => format!("^{}", escaped(text)),
            How::EndsWith(text) => format!("{}$", escaped(text)),
            How::Contains(text) => escaped(text),
            How::Flag(_) | How::Present => return None,
        })
    });
    let alternatives: Vec<String> = alternatives.collect::<Option<_>>()?;
    Some(format!("$.{field}=%{}%", alternatives.join("|")))
}

/// What all services end with.
const DOMAIN: &str = ".amazonaws.com";

/// A text in a regular expression; what the service does not take there is any one character.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || ":_#=@/;,-".contains(c) => escaped.push(c),
            c if "^$?[]{}|+.".contains(c) => escaped.extend(['\\', c]),
            _ => escaped.push('.'),
        }
    }
    escaped
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
