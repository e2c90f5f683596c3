//! The tests that a value can be put to, with their exact meaning.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{Field, Membership, Policy, Within, Zone};
use crate::event::{Value, time};

mod glob;
mod pattern;
pub mod strict;

pub(crate) use glob::Part;
pub use pattern::{PATTERN_NESTING_MAX, Pattern};
pub use strict::Strict;

/// What a value must pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// Anything is there, `null` and empty objects and arrays included.
    Exists,
    /// The value is `null`.
    Null,
    /// The value is this one. See [`Literal`].
    Equals(Literal),
    /// A string that starts so.
    StartsWith(Text),
    /// A string that ends so.
    EndsWith(Text),
    /// A string that holds this.
    Contains(Text),
    /// A string that fits a glob or a regular expression.
    Fits(Pattern),
    /// A string that is an address of this network. What is no address fails.
    InNetwork(IpNet),
    /// A string that is in this list.
    In(Membership),
    /// A number that compares so.
    Number(Comparison, Number),
    /// A length that compares so: of a string in bytes, of an array in elements. Where the field holds an array, only
    /// arrays are measured, not what is in them.
    Length(Comparison, u64),
    /// A time whose hour of the day, in UTC, compares so.
    Hour(Comparison, u64),
    /// A time that falls on this day, in UTC.
    Day(Day),
    /// A time whose hour or day passes this test in a zone, not in UTC.
    InZone(Zone, Box<Test>),
    /// A time before this one.
    Before(Timestamp),
    /// A plain value, neither object nor array, that fails this test.
    AnythingBut(Box<Test>),
    /// A value that passes this test, or does so in its other guise: a number or truth value as its text, a string that
    /// is a number as that number.
    Loosely(Box<Test>),
    /// A value that passes a test which takes JSON by its types, as EventBridge does.
    Strictly(Strict),
    /// A string that stands so to a string of another field.
    Relates(Relation, Field),
    /// An array of which an element has these lines, or a string with a document that has them.
    Within(Within),
    /// A policy document of which one statement is like this.
    Policy(Box<Policy>),
}

/// A string to look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    /// The string, in lower case where case is ignored.
    wanted: String,
    /// The string as it was written.
    written: Box<str>,
    nocase: bool,
}

/// A value to be equal to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Literal {
    /// A string.
    Text(Text),
    /// A number: equal as numbers are, so 1.0 is 1; never equal to a string.
    Number(Number),
    /// A truth value: also equal to its own spelling as a string, since CloudTrail writes some flags so.
    Bool(bool),
}

/// A number, by its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

/// How two numbers must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

/// How two strings must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The manner.
    pub how: How,
    /// Whether the case of letters is ignored.
    pub nocase: bool,
}

/// The manners in which one string stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// They are the same.
    Equals,
    /// The first starts with the second.
    StartsWith,
    /// The first ends with the second.
    EndsWith,
    /// The first contains the second.
    Contains,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub Weekday);

impl Test {
    /// Whether a field with these values passes: whether any of them does. Tests that need more than the field's
    /// values never pass here: [`Relation::holds`] is for those that compare two fields, and what is inside a value, a
    /// policy among it, only the naive evaluator judges.
    pub fn passes<'v>(&self, values: impl Iterator<Item = Value<'v>> + Clone) -> bool {
        if let Self::Length(comparison, length) = self {
            return length_passes(values, *comparison, *length);
        }
        let mut values = values;
        values.any(|value| self.passes_one(value))
    }

    fn passes_one(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Exists, _) | (Self::Null, Value::Null) => true,
            (Self::Equals(literal), value) => literal.equals(value),
            (Self::StartsWith(text), Value::String(value)) => text.starts(value),
            (Self::EndsWith(text), Value::String(value)) => text.ends(value),
            (Self::Contains(text), Value::String(value)) => text.is_in(value),
            (Self::Fits(pattern), Value::String(value)) => pattern.fits(value),
            (Self::InNetwork(network), Value::String(value)) => in_network(network, value),
            (Self::In(membership), Value::String(value)) => membership.holds(value),
            (Self::Number(comparison, number), value) => {
                number.order_of(value).is_some_and(|order| comparison.holds(order))
            }
            (Self::Hour(..) | Self::Day(_), Value::String(value)) => self.passes_in(value, &TimeZone::UTC),
            (Self::InZone(zone, test), Value::String(value)) => test.passes_in(value, zone.rules()),
            (Self::AnythingBut(_), Value::Object | Value::Array(_)) => false,
            (Self::AnythingBut(test), value) => !test.passes_one(value),
            (Self::Loosely(test), value) => test.passes_one(value) || test.passes_in_other_guise(value),
            (Self::Strictly(strict), value) => strict.passes(value),
            (Self::Before(end), Value::String(value)) => time::parse(value).is_some_and(|found| found < *end),
            _ => false,
        }
    }

    /// Whether a time passes by the hour or day that it has in a zone.
    fn passes_in(&self, value: &str, zone: &TimeZone) -> bool {
        let time = time::parse(value).map(|time| time.to_zoned(zone.clone()));
        time.is_some_and(|time| match self {
            Self::Hour(comparison, hour) => comparison.holds((time.hour() as u64).cmp(hour)),
            Self::Day(day) => time.weekday() == day.0,
            _ => false,
        })
    }

    fn passes_in_other_guise(&self, value: Value<'_>) -> bool {
        match value {
            Value::Integer(number) => self.passes_one(Value::String(digits(number, &mut [0; 20]))),
            Value::Number(text) => self.passes_one(Value::String(text)),
            Value::Bool(truth) => self.passes_one(Value::String(if truth { "true" } else { "false" })),
            Value::String(text) if is_number(text) => self.passes_one(Value::Number(text)),
            _ => false,
        }
    }

    /// The word for the test, as findings and explanations use it.
    pub fn operator(&self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Null => "is null",
            Self::Equals(_) => "equals",
            Self::StartsWith(_) => "starts with",
            Self::EndsWith(_) => "ends with",
            Self::Contains(_) => "contains",
            Self::Fits(pattern) if pattern.is_glob() => "fits glob",
            Self::Fits(_) => "fits regex",
            Self::InNetwork(_) => "in network",
            Self::In(_) => "in list",
            Self::Number(comparison, _) => comparison.word(),
            Self::Length(..) => "has length",
            Self::Hour(..) => "has hour",
            Self::Day(_) => "falls on",
            Self::Before(_) => "before",
            Self::AnythingBut(_) => "anything but",
            Self::Loosely(test) | Self::InZone(_, test) => test.operator(),
            Self::Strictly(strict) => strict.operator(),
            Self::Relates(relation, _) => relation.how.word(),
            Self::Within(within) => within.operator(),
            Self::Policy(_) => "is a policy with",
        }
    }

    /// What the value is tested against; empty where the word says it all.
    pub fn operand(&self) -> String {
        match self {
            Self::Exists | Self::Null => String::new(),
            Self::Equals(literal) => literal.to_string(),
            Self::StartsWith(text) | Self::EndsWith(text) | Self::Contains(text) => text.written.to_string(),
            Self::Fits(pattern) => pattern.source().to_owned(),
            Self::InNetwork(network) => network.to_string(),
            Self::In(membership) => membership.list.name().to_owned(),
            Self::Number(_, number) => number.0.clone(),
            Self::Length(comparison, n) | Self::Hour(comparison, n) => format!("{} {n}", comparison.sign()),
            Self::Day(day) => day.name().to_owned(),
            Self::Before(end) => end.to_string(),
            Self::AnythingBut(test) => test.to_string(),
            Self::Loosely(test) => test.operand(),
            Self::Strictly(strict) => strict.operand(),
            Self::InZone(zone, test) => format!("{} in {zone}", test.operand()),
            Self::Relates(_, field) => format!("{{{field}}}"),
            Self::Within(within) => within.to_string(),
            Self::Policy(policy) => policy.to_string(),
        }
    }

    /// Whether the test ignores the case of letters.
    pub fn nocase(&self) -> bool {
        match self {
            Self::Equals(Literal::Text(text))
            | Self::StartsWith(text)
            | Self::EndsWith(text)
            | Self::Contains(text) => text.nocase,
            Self::Fits(pattern) => pattern.ignores_case(),
            Self::Relates(relation, _) => relation.nocase,
            Self::Loosely(test) => test.nocase(),
            Self::Strictly(strict) => matches!(strict, Strict::AnyCase(..)),
            Self::In(membership) => membership.nocase,
            _ => false,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Loosely(test) = self {
            return write!(f, "{test}, loosely");
        }
        f.write_str(self.operator())?;
        match self {
            Self::Exists | Self::Null | Self::Strictly(Strict::Leaf) => {}
            Self::Equals(Literal::Text(text))
            | Self::StartsWith(text)
            | Self::EndsWith(text)
            | Self::Contains(text) => write!(f, " {:?}", text.written)?,
            Self::Fits(pattern) => write!(f, " {:?}", pattern.source())?,
            other => write!(f, " {}", other.operand())?,
        }
        if self.nocase() { f.write_str(" (any case)") } else { Ok(()) }
    }
}

/// Whether a text consists of what the texts of numbers and truth values, in any case, consist of. What does not can
/// be no part of one.
pub fn may_be_number_or_flag(text: &str) -> bool {
    text.chars().all(|c| "0123456789+-.etrufals".contains(c.to_ascii_lowercase()))
}

/// The digits of a number, in a buffer that holds those of the longest.
pub(crate) fn digits(number: i64, buffer: &mut [u8; 20]) -> &str {
    let mut left = &mut buffer[..];
    let unused = write!(left, "{number}").map_or(0, |()| left.len());
    str::from_utf8(&buffer[..20 - unused]).unwrap_or("")
}

/// ASCII in lower case: what is short, as user agents and names are, without an allocation.
pub(crate) fn in_lower_case<'b>(text: &[u8], buffer: &'b mut [u8; 256]) -> Cow<'b, [u8]> {
    let Some(short) = buffer.get_mut(..text.len()) else { return Cow::Owned(text.to_ascii_lowercase()) };
    short.copy_from_slice(text);
    short.make_ascii_lowercase();
    Cow::Borrowed(short)
}

/// Whether a string is the text of a number, as JSON has them.
fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn length_passes<'v>(values: impl Iterator<Item = Value<'v>> + Clone, comparison: Comparison, length: u64) -> bool {
    let arrays_only = values.clone().any(|value| matches!(value, Value::Array(_)));
    let mut values = values;
    values.any(|value| match value {
        Value::Array(count) => comparison.holds(u64::from(count).cmp(&length)),
        Value::String(text) if !arrays_only => comparison.holds((text.len() as u64).cmp(&length)),
        _ => false,
    })
}

fn in_network(network: &IpNet, value: &str) -> bool {
    value.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
}

impl Text {
    /// A string to look for, as it is or in any case.
    pub fn new(wanted: &str, nocase: bool) -> Self {
        Self { wanted: if nocase { wanted.to_lowercase() } else { wanted.to_owned() }, written: wanted.into(), nocase }
    }

    /// The string; in lower case where case is ignored.
    pub fn as_str(&self) -> &str {
        &self.wanted
    }

    /// The string as it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether the case of letters is ignored.
    pub fn nocase(&self) -> bool {
        self.nocase
    }

    fn equals(&self, value: &str) -> bool {
        self.judge(value, |value, wanted| value == wanted, |value, wanted| value.eq_ignore_ascii_case(wanted))
    }

    fn starts(&self, value: &str) -> bool {
        let in_any_case = |value: &[u8], wanted: &[u8]| {
            value.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        };
        self.judge(value, |value, wanted| value.starts_with(wanted), in_any_case)
    }

    fn ends(&self, value: &str) -> bool {
        let in_any_case = |value: &[u8], wanted: &[u8]| {
            let start = value.len().checked_sub(wanted.len());
            start.is_some_and(|start| value[start..].eq_ignore_ascii_case(wanted))
        };
        self.judge(value, |value, wanted| value.ends_with(wanted), in_any_case)
    }

    fn is_in(&self, value: &str) -> bool {
        self.judge(value, |value, wanted| value.contains(wanted), is_in_any_case)
    }

    /// Case is ignored as Unicode's lower case has it, so that `É` is `é`. Where both are ASCII, as nearly always, nothing
    /// has to be copied for it.
    fn judge(&self, value: &str, by: impl Fn(&str, &str) -> bool, in_any_case: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        if !self.nocase {
            by(value, &self.wanted)
        } else if value.is_ascii() && self.wanted.is_ascii() {
            in_any_case(value.as_bytes(), self.wanted.as_bytes())
        } else {
            by(&value.to_lowercase(), &self.wanted)
        }
    }
}

/// Whether ASCII stands in ASCII. It is looked for where the one byte of it stands that most texts lack; long texts are
/// copied, so that the time stays linear in them.
fn is_in_any_case(value: &[u8], wanted: &[u8]) -> bool {
    const WORK_MAX: usize = 1 << 16;
    if value.len().saturating_mul(wanted.len()) > WORK_MAX {
        let (value, wanted) = (value.to_ascii_lowercase(), wanted.to_ascii_lowercase());
        return memchr::memmem::find(&value, &wanted).is_some();
    }
    let Some(last) = value.len().checked_sub(wanted.len()) else { return false };
    let Some(at) = wanted.iter().position(|byte| !byte.is_ascii_alphabetic()).or(wanted.len().checked_sub(1)) else {
        return true;
    };
    let (lower, upper) = (wanted[at].to_ascii_lowercase(), wanted[at].to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, &value[at..=last + at])
        .any(|start| value[start..start + wanted.len()].eq_ignore_ascii_case(wanted))
}

impl Literal {
    fn equals(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(text), Value::String(value)) => text.equals(value),
            (Self::Number(number), value) => number.order_of(value) == Some(Ordering::Equal),
            (Self::Bool(wanted), Value::Bool(value)) => *wanted == value,
            (Self::Bool(wanted), Value::String(value)) => value == if *wanted { "true" } else { "false" },
            _ => false,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&text.written),
            Self::Number(number) => f.write_str(&number.0),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

impl Number {
    /// Reads a number as JSON or TOML write it; `None` for what is none, and for infinities.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.replace('_', "");
        let plain = plain.strip_prefix('+').unwrap_or(&plain);
        match plain.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(Self(plain.to_owned())),
            _ => None,
        }
    }

    /// The number's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How a value compares to this number; `None` for what is no number.
    fn order_of(&self, value: Value<'_>) -> Option<Ordering> {
        match value {
            Value::Number(text) => compare(text, &self.0),
            Value::Integer(number) => compare_integer(number, &self.0),
            _ => None,
        }
    }
}

fn compare_integer(a: i64, b: &str) -> Option<Ordering> {
    match b.parse::<i128>() {
        Ok(b) => Some(i128::from(a).cmp(&b)),
        Err(_) => (a as f64).partial_cmp(&b.parse().ok()?),
    }
}

/// Compares whole numbers exactly, whatever their size up to 38 digits, and all others as doubles.
fn compare(a: &str, b: &str) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return Some(a.cmp(&b));
    }
    a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?)
}

impl Comparison {
    /// Whether an order of value to operand is the one asked for.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Equal => "equals",
            Self::Less => "less than",
            Self::LessOrEqual => "at most",
            Self::Greater => "greater than",
            Self::GreaterOrEqual => "at least",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// From so many values on, those of the second field are hashed to find one that is equal.
const HASHED_FROM: usize = 16;
/// How many pairs are compared where one value is sought within others, so that two long arrays cost no more than this.
const PAIRS_COMPARED_MAX: usize = 1_000_000;

impl Relation {
    /// Whether any value of the first field stands so to any value of the second. Of two fields with thousands of values
    /// each, where it is not asked whether they are equal, only the first million pairs are compared.
    pub fn holds<'v>(
        self,
        values: impl Iterator<Item = Value<'v>>,
        others: impl Iterator<Item = Value<'v>> + Clone,
    ) -> bool {
        let mut values = values;
        if self.how == How::Equals && others.clone().nth(HASHED_FROM).is_some() {
            let others: HashSet<Comparable> = others.filter_map(|other| self.comparable(other)).collect();
            return values.any(|value| self.comparable(value).is_some_and(|value| others.contains(&value)));
        }
        let mut left = PAIRS_COMPARED_MAX;
        values.any(|value| {
            let pairs = others.clone().take(left);
            left = left.saturating_sub(others.clone().count());
            pairs.into_iter().any(|other| self.holds_between(value, other))
        })
    }

    /// A value in a form that is the same for values that are equal.
    fn comparable(self, value: Value<'_>) -> Option<Comparable> {
        match value {
            Value::String(text) if self.nocase => Some(Comparable::Text(text.to_lowercase())),
            Value::String(text) => Some(Comparable::Text(text.to_owned())),
            Value::Bool(truth) => Some(Comparable::Bool(truth)),
            Value::Integer(number) => Some(Comparable::Whole(number.into())),
            Value::Number(text) => match (text.parse::<i128>(), text.parse::<f64>()) {
                (Ok(number), _) => Some(Comparable::Whole(number)),
                // A fraction of nothing is that whole number.
                (_, Ok(number)) if number.fract() == 0.0 && number.abs() < 1e18 => {
                    Some(Comparable::Whole(number as i128))
                }
                (_, Ok(number)) => Some(Comparable::Fraction(number.to_bits())),
                _ => None,
            },
            Value::Null | Value::Object | Value::Array(_) => None,
        }
    }

    fn holds_between(self, value: Value<'_>, other: Value<'_>) -> bool {
        match (value, other) {
            (Value::String(value), Value::String(other)) => {
                let other = Text::new(other, self.nocase);
                match self.how {
                    How::Equals => other.equals(value),
                    How::StartsWith => other.starts(value),
                    How::EndsWith => other.ends(value),
                    How::Contains => other.is_in(value),
                }
            }
            (Value::Bool(value), Value::Bool(other)) => self.how == How::Equals && value == other,
            (value, other) => self.how == How::Equals && same_number(value, other),
        }
    }
}

/// A value to be found among many.
#[derive(PartialEq, Eq, Hash)]
enum Comparable {
    Text(String),
    Bool(bool),
    Whole(i128),
    Fraction(u64),
}

fn same_number(a: Value<'_>, b: Value<'_>) -> bool {
    let order = match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(&b)),
        (Value::Integer(a), Value::Number(b)) | (Value::Number(b), Value::Integer(a)) => compare_integer(a, b),
        (Value::Number(a), Value::Number(b)) => compare(a, b),
        _ => None,
    };
    order == Some(Ordering::Equal)
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
            Self::Contains => "contains",
        }
    }
}

impl Day {
    /// The names that rules use, Monday first.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// The day of that name, short or long, in any case.
    pub fn named(name: &str) -> Option<Self> {
        const LONG: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let name = name.to_ascii_lowercase();
        let number = LONG.iter().zip(Self::NAMES).position(|(long, short)| *long == name || short == name)?;
        Weekday::from_monday_zero_offset(number as i8).ok().map(Self)
    }

    fn name(self) -> &'static str {
        Self::NAMES[self.0.to_monday_zero_offset() as usize]
    }
}

impl Hash for Day {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_monday_zero_offset().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: Relation = Relation { how: How::Equals, nocase: true };

    #[test]
    fn long_arrays_are_compared_as_short_ones_are() {
        let values = [
            Value::String("Ines"),
            Value::Integer(7),
            Value::Number("7.0"),
            Value::Number("0.5"),
            Value::Number("5e-1"),
            Value::Number("170141183460469231731687303715884105727"),
            Value::Bool(true),
            Value::Null,
            Value::Object,
        ];
        let filler = (0..100).map(|_| Value::String("somebody else"));
        for value in values {
            for other in
                [Value::String("INES"), Value::Integer(7), Value::Number("0.50"), Value::Bool(true), Value::Null]
            {
                let short = SAME.holds(std::iter::once(value), std::iter::once(other));
                let long = SAME.holds(std::iter::once(value), filler.clone().chain([other]));
                assert_eq!(short, long, "{value:?} {other:?}");
            }
        }
    }

    #[test]
    fn two_long_arrays_are_compared_in_time() {
        let long = (0..200_000).map(Value::Integer);
        assert!(SAME.holds(long.clone(), (199_999..400_000).map(Value::Integer)));
        let texts: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
        let strings = texts.iter().map(|text| Value::String(text));
        let within = Relation { how: How::Contains, nocase: false };
        assert!(!within.holds(strings.clone(), strings.map(|_| Value::String("x"))));
    }

    #[test]
    fn any_case_is_the_same_with_and_without_copying() {
        let long = "x".repeat(70_000) + "Needle";
        for (value, wanted, starts, ends, is_in) in [
            ("PutObject", "put", true, false, true),
            ("PutObject", "OBJECT", false, true, true),
            ("PutObject", "", true, true, true),
            ("Put", "PutObject", false, false, false),
            (long.as_str(), "needle", false, true, true),
            ("ÉTÉ", "été", true, true, true),
        ] {
            let text = Text::new(wanted, true);
            assert_eq!((text.starts(value), text.ends(value), text.is_in(value)), (starts, ends, is_in), "{wanted}");
        }
    }
}
