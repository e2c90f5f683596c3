//! Tests that take JSON by its types and numbers by their value, as EventBridge's event patterns do.
//!
//! What these tests have in common with the others is left to the others: a string that equals, begins so, fits a glob.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{How, Test};
use crate::event::Value;

/// A test that knows no coercion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Strict {
    /// Any value but an object or an array.
    Leaf,
    /// This truth value, and not its spelling as a string.
    Flag(bool),
    /// A number of this value. See [`Decimal`].
    Number(Decimal),
    /// A number between two bounds. What no double holds exactly is between none.
    Between(Option<Bound>, Option<Bound>),
    /// A string that is this address, however it is spelt.
    Address(IpAddr),
    /// A string that is an address of this network, however it is spelt.
    Network(IpNet),
    /// A string that stands so to a text in any case.
    AnyCase(How, AnyCase),
    /// A value that passes any of these tests: for a negation of them all.
    OneOf(Box<[Test]>),
}

/// A number that is compared by value where a double holds it exactly, and by its text where none does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    text: Box<str>,
    /// The bits of the double, so that decimals can be hashed.
    exact: Option<u64>,
}

/// An end of a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bound {
    /// Where it is.
    pub at: Decimal,
    /// Whether the range goes up to it but does not hold it.
    pub open: bool,
}

/// A text of which each letter stands for its lower-case and its upper-case form. Either may have several letters: `ß`
/// is also `SS`. A letter is not itself where it is neither of its forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnyCase {
    written: Box<str>,
    /// `None` where a letter has no forms, so that nothing fits: one that takes two units of UTF-16.
    forms: Option<Box<[Forms]>>,
}

/// The lower-case and the upper-case form of a letter.
type Forms = [Box<str>; 2];

impl Strict {
    /// Whether a value passes.
    pub fn passes(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Leaf, value) => !matches!(value, Value::Object | Value::Array(_)),
            (Self::Flag(wanted), Value::Bool(truth)) => *wanted == truth,
            (Self::Number(wanted), value) => Decimal::of(value).is_some_and(|found| found.is(wanted)),
            (Self::Between(low, high), value) => Decimal::of(value).is_some_and(|found| found.is_within(low, high)),
            (Self::Address(wanted), Value::String(text)) => address(text) == Some(*wanted),
            (Self::Network(network), Value::String(text)) => {
                address(text).is_some_and(|found| network.contains(&found))
            }
            (Self::AnyCase(how, wanted), Value::String(text)) => wanted.fits(*how, text),
            (Self::OneOf(tests), value) => tests.iter().any(|test| test.passes_one(value)),
            _ => false,
        }
    }

    /// The word for the test.
    pub(super) fn operator(&self) -> &'static str {
        match self {
            Self::Leaf => "exists",
            Self::Flag(_) | Self::Number(_) => "equals",
            Self::Between(..) => "is a number",
            Self::Address(_) => "is the address",
            Self::Network(_) => "in network",
            Self::AnyCase(how, _) => how.word(),
            Self::OneOf(_) => "any of",
        }
    }

    /// What the value is tested against.
    pub(super) fn operand(&self) -> String {
        match self {
            Self::Leaf => String::new(),
            Self::Flag(truth) => truth.to_string(),
            Self::Number(number) => number.text.to_string(),
            Self::Between(low, high) => {
                let low = low.as_ref().map(|bound| bound.drawn('>'));
                let high = high.as_ref().map(|bound| bound.drawn('<'));
                low.into_iter().chain(high).collect::<Vec<_>>().join(" and ")
            }
            Self::Address(address) => address.to_string(),
            Self::Network(network) => network.to_string(),
            Self::AnyCase(_, text) => format!("{:?}", text.written),
            Self::OneOf(tests) => tests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Bound {
    fn drawn(&self, sign: char) -> String {
        format!("{sign}{} {}", if self.open { "" } else { "=" }, self.at.text)
    }
}

impl Decimal {
    /// A number by its text in JSON.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), exact: exact(text).map(f64::to_bits) }
    }

    /// The number's value, if a double holds it exactly.
    pub fn value(&self) -> Option<f64> {
        self.exact.map(f64::from_bits)
    }

    /// The number that a value is.
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(Self::new(&number.to_string())),
            Value::Number(text) => Some(Self::new(text)),
            _ => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self.exact, other.exact) {
            (Some(a), Some(b)) => a == b,
            _ => self.text == other.text,
        }
    }

    fn is_within(&self, low: &Option<Bound>, high: &Option<Bound>) -> bool {
        let Some(value) = self.value() else { return false };
        let above = |bound: f64, open| if open { value > bound } else { value >= bound };
        let below = |bound: f64, open| if open { value < bound } else { value <= bound };
        let holds = |bound: &Option<Bound>, judge: &dyn Fn(f64, bool) -> bool| match bound {
            Some(bound) => bound.at.value().is_some_and(|at| judge(at, bound.open)),
            None => true,
        };
        holds(low, &above) && holds(high, &below)
    }
}

/// The double that a decimal number is: the one whose shortest decimal form has the same value. `0.1` is one, although
/// no double is exactly a tenth; `9007199254740993` is none. Zero has no sign.
fn exact(text: &str) -> Option<f64> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    let digits = Digits::of(text)?;
    let mut shortest = Digits::of(&format!("{value:e}"))?;
    if shortest.digits.len() == 1 {
        // At least two digits, as Java writes doubles; it makes a difference for the smallest ones.
        shortest = Digits::of(&format!("{value:.1e}"))?;
    }
    (digits == shortest).then_some(if value == 0.0 { 0.0 } else { value })
}

/// A decimal number without needless zeros: its sign, its digits, and the power of ten of the last one.
#[derive(Debug, PartialEq)]
struct Digits {
    negative: bool,
    digits: Vec<u8>,
    power: i64,
}

impl Digits {
    fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0').collect();
        let mut power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            power = power.checked_add(1)?;
        }
        match digits.is_empty() {
            true => Some(Self { negative: false, digits, power: 0 }),
            false => Some(Self { negative: unsigned.len() < text.len(), digits, power }),
        }
    }
}

/// The address that a text is: of version 4 with leading zeros or without, or of version 6; that of a version 4 address
/// in version 6 form is of version 4. Neither zones nor brackets, nor dots in version 6.
pub fn address(text: &str) -> Option<IpAddr> {
    if text.contains('.') {
        return version_4(text).map(IpAddr::V4);
    }
    let address: Ipv6Addr = text.parse().ok()?;
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn version_4(text: &str) -> Option<Ipv4Addr> {
    // So long is the longest without needless zeros; the service takes no longer ones.
    const LENGTH_MAX: usize = 15;
    let mut parts = [0u8; 4];
    let mut written = text.split('.');
    for part in &mut parts {
        let digits = written.next().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        *part = digits.parse().ok()?;
    }
    (written.next().is_none() && text.len() <= LENGTH_MAX).then(|| parts.into())
}

impl AnyCase {
    /// A text to look for in any case.
    pub fn new(written: &str) -> Self {
        let forms = written.chars().map(|c| {
            let lower: String = c.to_lowercase().collect();
            let upper: String = c.to_uppercase().collect();
            (c.len_utf16() == 1).then(|| [lower.into_boxed_str(), upper.into_boxed_str()])
        });
        Self { written: written.into(), forms: forms.collect() }
    }

    fn fits(&self, how: How, text: &str) -> bool {
        let Some(forms) = &self.forms else { return false };
        match how {
            How::Equals => ends(forms.iter(), text, from_start).contains(&text.len()),
            How::StartsWith => !ends(forms.iter(), text, from_start).is_empty(),
            How::EndsWith => !ends(forms.iter().rev(), text, from_end).is_empty(),
            How::Contains => false,
        }
    }
}

/// How much of a text the letters can take, one after the other, from that side where `taken` looks.
fn ends<'f>(
    letters: impl Iterator<Item = &'f Forms>,
    text: &str,
    taken: impl Fn(&str, usize, &str) -> bool,
) -> Vec<usize> {
    let mut ends = vec![0];
    for forms in letters {
        let mut next = Vec::with_capacity(ends.len());
        for &end in &ends {
            next.extend(forms.iter().filter(|form| taken(text, end, form)).map(|form| end + form.len()));
        }
        next.sort_unstable();
        next.dedup();
        ends = next;
        if ends.is_empty() {
            break;
        }
    }
    ends
}

fn from_start(text: &str, taken: usize, form: &str) -> bool {
    text[taken..].starts_with(form)
}

fn from_end(text: &str, taken: usize, form: &str) -> bool {
    text[..text.len() - taken].ends_with(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_hold_numbers_exactly_or_not() {
        for (text, held) in [
            ("0", true),
            ("-0", true),
            ("-0.0e5", true),
            ("0.1", true),
            ("300", true),
            ("3e2", true),
            ("30000e-2", true),
            ("0.30000000000000004", true),
            ("0.300000000000000001", false),
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("9007199254740994", true),
            ("18446744073709551615", false),
            ("123456789012345678901234567890", false),
            ("1e308", true),
            ("1e309", false),
            ("1e99999999999999999999", false),
            ("5e-324", false),
            ("4.9e-324", true),
            ("1e-400", false),
        ] {
            assert_eq!(exact(text).is_some(), held, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_service_reads_them() {
        for (text, same_as) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("010.0.0.01", Some("10.0.0.1")),
            ("0:0:0:0:0:0:0:1", Some("::1")),
            ("2001:DB8::A", Some("2001:db8::a")),
            ("::ffff:a00:1", Some("10.0.0.1")),
            ("::ffff:10.0.0.1", None),
            ("10.0.0", None),
            ("10.0.0.256", None),
            ("10.0.0.1.", None),
            ("+1.0.0.1", None),
            ("0010.0000.0000.1", None),
            ("[::1]", None),
            ("::1%eth0", None),
            (" ::1", None),
            ("ec2.amazonaws.com", None),
            ("", None),
        ] {
            assert_eq!(address(text), same_as.map(|same| same.parse().unwrap()), "{text}");
        }
    }
}
