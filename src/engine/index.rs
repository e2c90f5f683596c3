//! From the values of an event to the rules that may match it.
//!
//! Rules are filed by field. A value of a field is folded once, looked up once among the exact strings, and passed once
//! for all the strings at once that rules look for within values; so looking up does not grow with the number of
//! rules. What is found is a candidate: its predicates have the last word.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::anchor::{Anchors, COMMON, Fit, Key, Needle, sortable};
use super::fold::fold;
use super::grams::Strings;
use super::program::Memo;
use super::{RuleId, Slot};
use crate::condition::Field;
use crate::condition::test::digits;
use crate::event::{Event, FieldId, Value};

type Map<K, V> = HashMap<K, V, RandomState>;

/// Look-ups by value.
#[derive(Debug, Default)]
pub struct Index {
    fields: Vec<FieldIndex>,
    /// By number of a field of the record: its place in `fields`.
    read: Vec<Option<u32>>,
    /// The places of the fields that are worked out.
    derived: Vec<u32>,
    /// By strings that may stand wherever there are strings.
    anywhere: Parts,
    /// The same, of those that only strings with escapes have.
    anywhere_escaped: Parts,
    pairs: Vec<PairIndex>,
    always: Box<[RuleId]>,
    unanchored: Box<[RuleId]>,
}

/// Rules by the values of one field.
#[derive(Debug)]
struct FieldIndex {
    slot: Slot,
    /// Whether numbers are also looked up as strings, and strings as numbers.
    loose: bool,
    exact: Map<Box<str>, Vec<RuleId>>,
    /// The length of the longest of those.
    exact_bytes_max: usize,
    parts: Parts,
    networks: Networks,
    numbers: Numbers,
    bools: [Vec<RuleId>; 2],
    present: Vec<RuleId>,
}

/// Rules by strings within values.
#[derive(Debug, Default)]
struct Parts {
    /// While the index is built.
    numbers: Map<String, usize>,
    /// By string: where it must stand, and the rules.
    rules: Vec<Vec<(Where, RuleId)>>,
    strings: Strings,
}

/// Where a string must stand in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Start,
    End,
    Anywhere,
}

/// Rules by networks: one look-up for each length of prefix that occurs.
#[derive(Debug, Default)]
struct Networks {
    lengths: Vec<(bool, u8)>,
    rules: Map<IpNet, Vec<RuleId>>,
}

/// Rules by numbers, bounds in their order.
#[derive(Debug, Default)]
struct Numbers {
    equal: Map<i64, Vec<RuleId>>,
    at_least: Vec<(i64, RuleId)>,
    at_most: Vec<(i64, RuleId)>,
}

/// Rules by the values of two fields, which are numbered so that a pair is a small key.
#[derive(Debug)]
struct PairIndex {
    slots: (Slot, Slot),
    first: Map<Box<str>, u32>,
    second: Map<Box<str>, u32>,
    rules: Map<(u32, u32), Vec<RuleId>>,
}

/// Room for texts that are made of an event's. Used again and again.
#[derive(Debug, Default)]
pub struct Buffers {
    folded: String,
    unescaped: String,
}

/// Gathers the ways in which rules can be found.
#[derive(Debug, Default)]
pub struct Builder {
    rules: Vec<(RuleId, Vec<Anchors>)>,
}

/// From so many rules under one key on, other ways to find them are looked at.
const CROWD: u32 = 8;

impl Builder {
    /// Takes in a rule with the ways in which it can be found, the best first.
    pub fn add(&mut self, rule: RuleId, choices: Vec<Anchors>) {
        self.rules.push((rule, choices));
    }

    /// Files every rule, and finishes the index.
    pub fn finish(self, mut slot: impl FnMut(&Field) -> Slot) -> Index {
        let (mut index, mut always, mut unanchored) = (Index::default(), Vec::new(), Vec::new());
        let crowds = Crowds::of(&self.rules);
        for &(rule, ref choices) in &self.rules {
            let Some(anchors) = crowds.choose(choices) else {
                always.push(rule);
                unanchored.push(rule);
                continue;
            };
            if anchors.cost >= COMMON {
                unanchored.push(rule);
            }
            for key in &anchors.keys {
                index.file(rule, key, &mut slot);
            }
        }
        index.fields.iter_mut().for_each(FieldIndex::finish);
        index.anywhere.finish();
        index.anywhere_escaped.finish();
        index.always = always.into_boxed_slice();
        index.unanchored = unanchored.into_boxed_slice();
        index
    }
}

/// How many rules would be filed under each key: at first, if each went its best way; then those that would be in a
/// crowd there, each in all the other ways it has.
struct Crowds<'r> {
    best: Crowd<'r>,
    others: Crowd<'r>,
}

/// How many rules there are by key.
#[derive(Default)]
struct Crowd<'r>(Map<&'r Key, u32>);

impl<'r> Crowds<'r> {
    fn of(rules: &'r [(RuleId, Vec<Anchors>)]) -> Self {
        let (mut best, mut others) = (Crowd::default(), Crowd::default());
        rules.iter().filter_map(|(_, choices)| choices.first()).for_each(|anchors| best.add(anchors));
        for (_, choices) in rules {
            if let [first, rest @ ..] = &choices[..]
                && best.around(first) > CROWD
            {
                rest.iter().for_each(|anchors| others.add(anchors));
            }
        }
        Self { best, others }
    }

    /// The best way, unless too many rules go it and another is much less crowded.
    fn choose<'a>(&self, choices: &'a [Anchors]) -> Option<&'a Anchors> {
        let best = choices.first()?;
        let crowd = self.best.around(best);
        if crowd <= CROWD {
            return Some(best);
        }
        let around = |anchors: &Anchors| self.best.around(anchors) + self.others.around(anchors);
        let others = choices[1..].iter().filter(|anchors| anchors.cost < COMMON);
        let quietest = others.min_by_key(|anchors| around(anchors));
        Some(quietest.filter(|other| around(other) <= crowd / 4).unwrap_or(best))
    }
}

impl<'r> Crowd<'r> {
    fn add(&mut self, anchors: &'r Anchors) {
        anchors.keys.iter().for_each(|key| *self.0.entry(key).or_default() += 1);
    }

    /// How many are at the most crowded of these keys.
    fn around(&self, anchors: &Anchors) -> u32 {
        anchors.keys.iter().filter_map(|key| self.0.get(key)).copied().max().unwrap_or(0)
    }
}

impl Index {
    /// The rules that no anchor, or only one that most events have, leads to.
    pub fn unanchored(&self) -> &[RuleId] {
        &self.unanchored
    }

    fn file(&mut self, rule: RuleId, key: &Key, slot: &mut impl FnMut(&Field) -> Slot) {
        match key {
            Key::Anywhere(text) if is_written_with_escapes(text) => {
                self.anywhere_escaped.file(rule, text, Where::Anywhere);
            }
            Key::Anywhere(text) => self.anywhere.file(rule, text, Where::Anywhere),
            Key::One(field, needle) => self.field(slot(field)).file(rule, needle),
            Key::Two((f, a), (g, b)) => {
                let pair = self.pair((slot(f), slot(g)));
                let key = (number(&mut pair.first, a), number(&mut pair.second, b));
                pair.rules.entry(key).or_default().push(rule);
            }
        }
    }

    fn field(&mut self, slot: Slot) -> &mut FieldIndex {
        let at = self.place(slot).unwrap_or_else(|| {
            let next = self.fields.len() as u32;
            self.fields.push(FieldIndex::new(slot));
            match slot {
                Slot::Read(FieldId(field)) => {
                    self.read.resize(self.read.len().max(field as usize + 1), None);
                    self.read[field as usize] = Some(next);
                }
                Slot::Derived(_) | Slot::Anywhere => self.derived.push(next),
            }
            next
        });
        &mut self.fields[at as usize]
    }

    fn place(&self, slot: Slot) -> Option<u32> {
        match slot {
            Slot::Read(FieldId(field)) => self.read.get(field as usize).copied().flatten(),
            _ => self.derived.iter().copied().find(|&at| self.fields[at as usize].slot == slot),
        }
    }

    fn pair(&mut self, slots: (Slot, Slot)) -> &mut PairIndex {
        let at = self.pairs.iter().position(|pair| pair.slots == slots).unwrap_or_else(|| {
            let (first, second, rules) = (Map::default(), Map::default(), Map::default());
            self.pairs.push(PairIndex { slots, first, second, rules });
            self.pairs.len() - 1
        });
        &mut self.pairs[at]
    }

    /// The rules without anchors.
    pub fn always(&self) -> &[RuleId] {
        &self.always
    }

    /// Notes every rule that may match the event and is not one of [`Index::always`], each once.
    pub fn candidates(&self, event: &Event<'_>, memo: &mut Memo, buffers: &mut Buffers) {
        let buffer = &mut buffers.folded;
        for pair in &self.pairs {
            pair.candidates(event, memo, buffer);
        }
        // Of thousands of fields an event has a few.
        for &FieldId(found) in event.found() {
            if let Some(&Some(at)) = self.read.get(found as usize) {
                self.fields[at as usize].candidates(event, memo, buffer);
            }
        }
        for &at in &self.derived {
            self.fields[at as usize].candidates(event, memo, buffer);
        }
        if !(self.anywhere.strings.is_empty() && self.anywhere_escaped.strings.is_empty()) {
            self.look_up_anywhere(event, memo, buffers);
        }
    }

    /// The strings that are looked for wherever there are strings, and the numbers by which they are noted; never noted are those
    /// that only strings with escapes have.
    pub fn anywhere(&self) -> impl Iterator<Item = (&str, u32)> {
        let never = self.anywhere_escaped.strings.texts().zip(std::iter::repeat(u32::MAX));
        self.anywhere.strings.texts().zip(0..).chain(never)
    }

    /// The record's text is passed once for all its strings, with the signs between them and with names, which are left out
    /// where they are plain. Only what is written with escapes has to be looked at by itself.
    fn look_up_anywhere(&self, event: &Event<'_>, memo: &mut Memo, buffers: &mut Buffers) {
        if event.is_bare() {
            return self.sight(event, memo);
        }
        self.anywhere.look_up_in_any_case(event.text(), memo, &mut buffers.folded, is_no_name);
        if memchr::memchr(b'\\', event.text().as_bytes()).is_some() {
            buffers.unescaped.clear();
            event.write_escaped(&mut buffers.unescaped);
            for parts in [&self.anywhere, &self.anywhere_escaped] {
                parts.look_up_in_any_case(&buffers.unescaped, memo, &mut buffers.folded, |_, _| true);
            }
        }
    }

    /// Where every string is written as it is, what is found is remembered too, for the rules that ask for it.
    fn sight(&self, event: &Event<'_>, memo: &mut Memo) {
        let Parts { strings, rules, .. } = &self.anywhere;
        memo.sightings.are_all = true;
        let looked = strings.find(event.text(), |number, start| {
            if !is_no_name(event.text(), strings.ends_at(number, start)) {
                return ControlFlow::Continue(0);
            }
            match event.string_at(start) {
                Some(string) => memo.sightings.note(number, string),
                // Between strings, or in a name that ends far behind.
                None if event.is_plain() => return ControlFlow::Continue(0),
                None => memo.sightings.are_all = false,
            }
            let asking = &rules[number][..];
            asking.iter().for_each(|&(_, rule)| memo.propose(rule));
            ControlFlow::Continue(asking.len())
        });
        if looked.is_err() {
            memo.sightings.are_all = false;
            self.anywhere.propose_all(memo);
        }
    }
}

/// Whether a string with such a part is never written as it is.
fn is_written_with_escapes(text: &str) -> bool {
    text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
}

fn number(numbers: &mut Map<Box<str>, u32>, value: &str) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(value.into()).or_insert(next)
}

impl PairIndex {
    fn candidates(&self, event: &Event<'_>, memo: &mut Memo, buffer: &mut String) {
        strings(self.slots.0, event, |first| {
            fold(first, buffer);
            let Some(&first) = self.first.get(buffer.as_str()) else { return };
            strings(self.slots.1, event, |second| {
                fold(second, buffer);
                let pair = self.second.get(buffer.as_str()).and_then(|&second| self.rules.get(&(first, second)));
                pair.into_iter().for_each(|rules| memo.propose_all(rules));
            });
        });
    }
}

fn strings<'e>(slot: Slot, event: &'e Event<'_>, mut each: impl FnMut(&'e str)) {
    let mut if_string = |value| {
        if let Value::String(text) = value {
            each(text);
        }
    };
    match slot {
        Slot::Read(field) => event.values(field).for_each(if_string),
        slot => slot.with(event, |values| values.for_each(&mut if_string)),
    }
}

impl FieldIndex {
    fn new(slot: Slot) -> Self {
        Self {
            slot,
            loose: false,
            exact: Map::default(),
            exact_bytes_max: 0,
            parts: Parts::default(),
            networks: Networks::default(),
            numbers: Numbers::default(),
            bools: [Vec::new(), Vec::new()],
            present: Vec::new(),
        }
    }

    fn file(&mut self, rule: RuleId, needle: &Needle) {
        self.loose |= needle.loose;
        match &needle.fit {
            Fit::Exact(text) => {
                self.exact_bytes_max = self.exact_bytes_max.max(text.len());
                self.exact.entry(text.as_str().into()).or_default().push(rule);
            }
            Fit::Start(text) => self.parts.file(rule, text, Where::Start),
            Fit::End(text) => self.parts.file(rule, text, Where::End),
            Fit::Part(text) => self.parts.file(rule, text, Where::Anywhere),
            Fit::Network(network) => self.networks.file(rule, *network),
            Fit::Equal(number) => self.numbers.equal.entry(*number).or_default().push(rule),
            Fit::AtLeast(number) => self.numbers.at_least.push((*number, rule)),
            Fit::AtMost(number) => self.numbers.at_most.push((*number, rule)),
            Fit::Bool(truth) => self.bools[usize::from(*truth)].push(rule),
            Fit::Present => self.present.push(rule),
        }
    }

    fn candidates(&self, event: &Event<'_>, memo: &mut Memo, buffer: &mut String) {
        match self.slot {
            // Nearly all; by themselves they are gone through faster.
            Slot::Read(field) => self.look_up_all(event.values(field), memo, buffer),
            slot => slot.with(event, |values| self.look_up_all(values, memo, buffer)),
        }
    }

    fn look_up_all<'e>(&self, values: impl Iterator<Item = Value<'e>>, memo: &mut Memo, buffer: &mut String) {
        let mut any = false;
        for value in values {
            any = true;
            self.look_up(value, memo, buffer);
        }
        if any {
            memo.propose_all(&self.present);
        }
    }

    fn finish(&mut self) {
        self.parts.finish();
        self.networks.lengths.sort_unstable();
        self.numbers.at_least.sort_unstable_by_key(|&(number, _)| number);
        self.numbers.at_most.sort_unstable_by_key(|&(number, _)| number);
    }

    fn look_up(&self, value: Value<'_>, memo: &mut Memo, buffer: &mut String) {
        match value {
            Value::String(text) => self.look_up_string(text, memo, buffer),
            Value::Integer(number) => {
                self.numbers.look_up(number as f64, memo);
                if self.loose {
                    self.look_up_text(digits(number, &mut [0; 20]), memo, buffer);
                }
            }
            Value::Number(text) => {
                text.parse().into_iter().for_each(|number| self.numbers.look_up(number, memo));
                if self.loose {
                    self.look_up_text(text, memo, buffer);
                }
            }
            Value::Bool(truth) => {
                memo.propose_all(&self.bools[usize::from(truth)]);
                if self.loose {
                    self.look_up_text(if truth { "true" } else { "false" }, memo, buffer);
                }
            }
            Value::Null | Value::Object | Value::Array(_) => {}
        }
    }

    fn look_up_string(&self, text: &str, memo: &mut Memo, buffer: &mut String) {
        self.look_up_text(text, memo, buffer);
        if !self.networks.lengths.is_empty()
            && let Ok(address) = text.parse()
        {
            self.networks.look_up(address, memo);
        }
        if let ("true" | "false", [no, yes]) = (text, &self.bools) {
            memo.propose_all(if text == "true" { yes } else { no });
        }
        if self.loose {
            text.parse().into_iter().for_each(|number| self.numbers.look_up(number, memo));
        }
    }

    fn look_up_text(&self, text: &str, memo: &mut Memo, buffer: &mut String) {
        if self.exact.is_empty() && self.parts.strings.is_empty() {
            return;
        }
        let is_ascii = text.is_ascii();
        if !is_ascii || text.len() <= self.exact_bytes_max {
            fold(text, buffer);
            self.exact.get(buffer.as_str()).into_iter().for_each(|rules| memo.propose_all(rules));
        }
        self.parts.look_up(if is_ascii { text } else { buffer }, memo);
    }
}

impl Parts {
    fn file(&mut self, rule: RuleId, text: &str, place: Where) {
        let next = self.rules.len();
        let number = *self.numbers.entry(text.to_owned()).or_insert(next);
        if number == next {
            self.rules.push(Vec::new());
        }
        self.rules[number].push((place, rule));
    }

    fn finish(&mut self) {
        let mut texts = vec![Box::default(); self.rules.len()];
        for (text, number) in std::mem::take(&mut self.numbers) {
            texts[number] = text.into_boxed_str();
        }
        self.strings = Strings::new(texts);
    }

    /// Looks for all strings within a text, where they are what is asked for.
    fn look_up_in_any_case(
        &self,
        text: &str,
        memo: &mut Memo,
        buffer: &mut String,
        is_asked: impl Fn(&str, usize) -> bool,
    ) {
        if text.is_ascii() {
            return self.look_up_where(text, memo, |end| is_asked(text, end));
        }
        fold(text, buffer);
        self.look_up_where(buffer, memo, |end| is_asked(buffer, end));
    }

    /// Looks for all strings within a value that is ASCII or folded.
    fn look_up(&self, text: &str, memo: &mut Memo) {
        self.look_up_where(text, memo, |_| true);
    }

    fn look_up_where(&self, text: &str, memo: &mut Memo, is_asked: impl Fn(usize) -> bool) {
        let looked = self.strings.find(text, |number, start| {
            let end = self.strings.ends_at(number, start);
            if is_asked(end) {
                for &(place, rule) in &self.rules[number] {
                    let stands = match place {
                        Where::Start => start == 0,
                        Where::End => end == text.len(),
                        Where::Anywhere => true,
                    };
                    if stands {
                        memo.propose(rule);
                    }
                }
            }
            ControlFlow::Continue(self.rules[number].len())
        });
        if looked.is_err() {
            self.propose_all(memo);
        }
    }

    fn propose_all(&self, memo: &mut Memo) {
        self.rules.iter().flatten().for_each(|&(_, rule)| memo.propose(rule));
    }
}

/// Whether what ends here in the text of a record may be part of a string, and not only of a name. Where that is not plain from
/// what is near, it may be.
fn is_no_name(text: &str, end: usize) -> bool {
    const NEAR: usize = 256;
    let rest = &text.as_bytes()[end..];
    let rest = &rest[..rest.len().min(NEAR)];
    let Some(quote) = memchr::memchr(b'"', rest) else { return true };
    // Behind an escape the string goes on.
    let is_closed = !rest[..quote].contains(&b'\\');
    !(is_closed && rest[quote + 1..].trim_ascii_start().starts_with(b":"))
}

impl Networks {
    fn file(&mut self, rule: RuleId, network: IpNet) {
        let length = (network.addr().is_ipv4(), network.prefix_len());
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
        }
        self.rules.entry(network).or_default().push(rule);
    }

    fn look_up(&self, address: IpAddr, memo: &mut Memo) {
        for &(is_ipv4, length) in &self.lengths {
            if is_ipv4 == address.is_ipv4()
                && let Ok(network) = IpNet::new(address, length)
                && let Some(rules) = self.rules.get(&network.trunc())
            {
                memo.propose_all(rules);
            }
        }
    }
}

impl Numbers {
    fn look_up(&self, number: f64, memo: &mut Memo) {
        let number = sortable(number);
        if let Some(rules) = self.equal.get(&number) {
            memo.propose_all(rules);
        }
        let up_to = self.at_least.partition_point(|&(bound, _)| bound <= number);
        self.at_least[..up_to].iter().for_each(|&(_, rule)| memo.propose(rule));
        let from = self.at_most.partition_point(|&(bound, _)| bound < number);
        self.at_most[from..].iter().for_each(|&(_, rule)| memo.propose(rule));
    }
}
