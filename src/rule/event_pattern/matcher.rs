//! What stands in the lists of a pattern: values, and objects such as `{"prefix": "Put"}`.

use std::ops::Range;

use ipnet::IpNet;
use serde_json::value::RawValue;

use super::Asked;
use super::read::{Reader, string};
use crate::condition::test::How;
use crate::condition::test::strict::{AnyCase, Bound, Decimal, address};
use crate::condition::{Literal, Pattern, Strict, Test, Text};
use crate::event::dictionary::nearest;
use crate::event::raw::{elements, raw_members};
use crate::rule::key::Problem;

/// The matchers there are.
pub const MATCHERS: [&str; 9] =
    ["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr", "exactly"];
/// What `anything-but` may negate besides values.
const NEGATED: [&str; 4] = ["prefix", "suffix", "equals-ignore-case", "wildcard"];

/// Of an error the part of the text that it is about.
type Read<'t, T> = Result<T, (&'t str, Problem)>;

fn wrong<'t, T>(part: &'t RawValue, problem: Problem) -> Read<'t, T> {
    Err((part.get(), problem))
}

/// Reads a value of a list.
pub fn value<'t>(reader: &mut Reader<'t>, raw: &'t RawValue, place: Range<usize>, asked: &mut Asked) {
    let test = match raw.get().as_bytes().first() {
        Some(b'{') => match matcher(raw) {
            Ok(Matcher::Test(test)) => Ok(test),
            Ok(Matcher::Missing) => {
                asked.missing = Some(place);
                return;
            }
            Err(error) => Err(error),
        },
        Some(b'[') => wrong(raw, Problem::new("a list within a list").hint("leave the inner brackets out")),
        Some(b'"') => Ok(equals(&string(raw))),
        Some(b't') => Ok(Test::Strictly(Strict::Flag(true))),
        Some(b'f') => Ok(Test::Strictly(Strict::Flag(false))),
        Some(b'n') => Ok(Test::Null),
        _ => Ok(Test::Strictly(Strict::Number(Decimal::new(raw.get())))),
    };
    match test {
        Ok(test) => asked.tests.push((test, place)),
        Err((part, problem)) => reader.complain(part, problem),
    }
}

/// An address is the same however it is spelt.
fn equals(text: &str) -> Test {
    match address(text) {
        Some(address) => Test::Strictly(Strict::Address(address)),
        None => exactly(text),
    }
}

fn exactly(text: &str) -> Test {
    Test::Equals(Literal::Text(Text::new(text, false)))
}

fn any_case(how: How, text: &str) -> Test {
    Test::Strictly(Strict::AnyCase(how, AnyCase::new(text)))
}

enum Matcher {
    Test(Test),
    Missing,
}

fn matcher(raw: &RawValue) -> Read<'_, Matcher> {
    let (name, value) = only_member(raw, "a matcher")?;
    Ok(Matcher::Test(match string(name).as_str() {
        "exactly" => exactly(&text(value, "exactly")?),
        "prefix" if value.get().starts_with('{') => any_case(How::StartsWith, &ignoring_case(value)?),
        "suffix" if value.get().starts_with('{') => any_case(How::EndsWith, &ignoring_case(value)?),
        name @ ("prefix" | "suffix" | "equals-ignore-case" | "wildcard") => by_name(name, value)?,
        "anything-but" => anything_but(value)?,
        "numeric" => numeric(value)?,
        "cidr" => Test::Strictly(Strict::Network(network(value)?)),
        "exists" => match value.get() {
            "true" => Test::Strictly(Strict::Leaf),
            "false" => return Ok(Matcher::Missing),
            other => {
                let problem = Problem::new("`exists` is `true` or `false`, without quotes");
                let flag = other.trim_matches('"').to_ascii_lowercase();
                let is_flag = matches!(flag.as_str(), "true" | "false");
                return wrong(value, if is_flag { problem.hint(format!("write `{flag}`")) } else { problem });
            }
        },
        other => {
            let problem = Problem::new(format!("unknown matcher `{other}`"));
            let problem = match foreign(other) {
                Some(ours) => problem.hint(ours),
                None => problem.near_or(nearest(other, MATCHERS), || known(&MATCHERS[..MATCHERS.len() - 1])),
            };
            return wrong(name, problem);
        }
    }))
}

/// What to write for a matcher of another language.
fn foreign(name: &str) -> Option<&'static str> {
    let plain: String = name.to_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | '$' | ' ')).collect();
    Some(match plain.as_str() {
        "startswith" | "beginswith" | "starts" => "write `{\"prefix\": \"…\"}`",
        "endswith" | "ends" => "write `{\"suffix\": \"…\"}`",
        "contains" | "includes" | "like" | "glob" | "match" | "matches" | "re" | "regex" | "regexp" => {
            "there are no regular expressions; write `{\"wildcard\": \"*…*\"}`, in which `*` is any text"
        }
        "not" | "ne" | "neq" | "notequals" | "notin" | "nin" | "isnot" | "!=" => "write `{\"anything-but\": …}`",
        "equals" | "equal" | "eq" | "is" | "in" | "anyof" | "oneof" | "=" | "==" => {
            "values stand in the list as they are: `[\"a\", \"b\"]`"
        }
        "ignorecase" | "nocase" | "iequals" | "caseinsensitive" => "write `{\"equals-ignore-case\": \"…\"}`",
        "gt" | "gte" | "lt" | "lte" | "between" | "range" | ">" | ">=" | "<" | "<=" => {
            "numbers are compared by `{\"numeric\": [\">=\", 0, \"<\", 5]}`"
        }
        "ip" | "ipaddress" | "cidrip" | "network" | "cidrmatch" => "write `{\"cidr\": \"10.0.0.0/8\"}`",
        "missing" | "null" | "isnull" | "notexists" => {
            "a field that is missing is `{\"exists\": false}`, one that is null is `null`"
        }
        _ => return None,
    })
}

fn known(names: &[&str]) -> String {
    format!("expected one of {}", names.join(", "))
}

/// The one member that an object may have.
fn only_member<'t>(raw: &'t RawValue, what: &str) -> Read<'t, (&'t RawValue, &'t RawValue)> {
    match raw_members(raw.get())[..] {
        [member] => Ok(member),
        [] => wrong(raw, Problem::new(format!("an empty object is not {what}")).label(known(&MATCHERS[..8]))),
        [_, (second, _), ..] => {
            let problem = Problem::new("more than one key in an object of a list").label("each needs its own object");
            wrong(second, problem.hint("write `{…}, {…}`, of which one must fit; there is no way to ask for both"))
        }
    }
}

fn text<'t>(value: &'t RawValue, name: &str) -> Read<'t, String> {
    match value.get().starts_with('"') {
        true => Ok(string(value)),
        false => {
            let problem = Problem::new(format!("`{name}` takes a string"));
            let each = elements(value.get()).into_iter().filter(|_| value.get().starts_with('['));
            let each: Vec<String> = each.take(2).map(|element| format!("{{\"{name}\": {}}}", element.get())).collect();
            wrong(value, if each.is_empty() { problem } else { problem.hint(format!("write `{}`", each.join(", "))) })
        }
    }
}

/// `{"equals-ignore-case": "…"}`, within `prefix` or `suffix`.
fn ignoring_case(raw: &RawValue) -> Read<'_, String> {
    let (name, value) = only_member(raw, "a matcher")?;
    match string(name).as_str() {
        "equals-ignore-case" => text(value, "equals-ignore-case"),
        other => {
            let problem = Problem::new(format!("`{other}` cannot stand here"));
            wrong(name, problem.label("only `equals-ignore-case` can"))
        }
    }
}

/// A matcher that takes one string and has no other form.
fn by_name<'t>(name: &str, value: &'t RawValue) -> Read<'t, Test> {
    let text = text(value, name)?;
    Ok(match name {
        "prefix" => Test::StartsWith(Text::new(&text, false)),
        "suffix" => Test::EndsWith(Text::new(&text, false)),
        "wildcard" => wildcard(value, &text)?,
        _ => any_case(How::Equals, &text),
    })
}

fn wildcard<'t>(value: &'t RawValue, text: &str) -> Read<'t, Test> {
    let mut glob = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                let problem = Problem::new("two `*` in a row in a wildcard");
                return wrong(value, problem.hint("one stands for any text; a star itself is `\\\\*` in JSON"));
            }
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '\\')) => glob.extend(['\\', escaped]),
                _ => {
                    let problem = Problem::new("an unknown escape in a wildcard");
                    return wrong(value, problem.hint("only `\\*` and `\\\\` are known; in JSON each `\\` is doubled"));
                }
            },
            // It means itself here, unlike in a glob.
            '?' => glob.push_str("\\?"),
            other => glob.push(other),
        }
    }
    match Pattern::glob(&glob, false) {
        Ok(pattern) => Ok(Test::Fits(pattern)),
        Err(reason) => wrong(value, Problem::new(format!("the wildcard cannot be used: {reason}"))),
    }
}

fn anything_but(value: &RawValue) -> Read<'_, Test> {
    let tests = match value.get().as_bytes().first() {
        Some(b'{') => {
            let (name, inner) = only_member(value, "what `anything-but` takes")?;
            negated(name, inner)?
        }
        Some(b'[') => negated_values(value)?,
        _ => vec![negated_value(value)?],
    };
    let test = match <[Test; 1]>::try_from(tests) {
        Ok([test]) => test,
        Err(tests) => Test::Strictly(Strict::OneOf(tests.into())),
    };
    Ok(Test::AnythingBut(Box::new(test)))
}

/// `{"prefix": "…"}` or `{"prefix": ["…", "…"]}` within `anything-but`.
fn negated<'t>(name: &'t RawValue, value: &'t RawValue) -> Read<'t, Vec<Test>> {
    let spelt = string(name);
    if !NEGATED.contains(&spelt.as_str()) {
        let problem = Problem::new(format!("`anything-but` cannot negate `{spelt}`"));
        return wrong(name, problem.near_or(nearest(&spelt, NEGATED), || known(&NEGATED)));
    }
    let listed = if value.get().starts_with('[') { elements(value.get()) } else { vec![value] };
    if listed.is_empty() {
        return wrong(value, Problem::new("an empty list").label("there is nothing to negate"));
    }
    let tests = listed.into_iter().map(|value| {
        if matches!(spelt.as_str(), "prefix" | "suffix") && value.get() == "\"\"" {
            let problem = Problem::new(format!("an empty `{spelt}` within `anything-but`"));
            return wrong(value, problem.label("every string has it, so none would fit"));
        }
        by_name(&spelt, value)
    });
    tests.collect()
}

/// Several values, all of one kind.
fn negated_values(list: &RawValue) -> Read<'_, Vec<Test>> {
    let values = elements(list.get());
    let Some(first) = values.first() else {
        return wrong(list, Problem::new("an empty list").label("there is nothing to negate"));
    };
    let is_string = |value: &RawValue| value.get().starts_with('"');
    let mut tests = Vec::with_capacity(values.len());
    for value in &values {
        tests.push(negated_value(value)?);
        if is_string(value) != is_string(first) {
            let problem = Problem::new("strings and numbers in one list of `anything-but`");
            return wrong(
                value,
                problem.label(if is_string(first) { "the others are strings" } else { "the others are numbers" }),
            );
        }
    }
    Ok(tests)
}

fn negated_value(value: &RawValue) -> Read<'_, Test> {
    match value.get().as_bytes().first() {
        Some(b'"') => Ok(exactly(&string(value))),
        Some(b'-' | b'0'..=b'9') => Ok(Test::Strictly(Strict::Number(representable(value)?))),
        _ => {
            let problem = Problem::new("`anything-but` takes a string, a number, a list of either, or an object");
            let hint = match value.get() {
                "null" | "true" | "false" => {
                    "it fits `null` and truth values of itself, since it fits all but what is named"
                }
                _ => "for example `{\"anything-but\": [\"a\", \"b\"]}` or `{\"anything-but\": {\"prefix\": \"a\"}}`",
            };
            wrong(value, problem.hint(hint))
        }
    }
}

/// A number that a double holds.
fn representable(value: &RawValue) -> Read<'_, Decimal> {
    let number = Decimal::new(value.get());
    if number.value().is_some() {
        return Ok(number);
    }
    let problem = Problem::new("a number that no double holds exactly");
    wrong(value, problem.label("it cannot be compared").hint("as a value of a list it is compared by its text"))
}

fn numeric(value: &RawValue) -> Read<'_, Test> {
    const EXAMPLE: &str = "for example `[\">\", 0]`, `[\"=\", 1]` or `[\">\", 0, \"<=\", 5]`";
    if !value.get().starts_with('[') {
        return wrong(value, Problem::new("`numeric` takes a list of an operator and a number").hint(EXAMPLE));
    }
    let parts = elements(value.get());
    let [operator, number, more @ ..] = &parts[..] else {
        return wrong(value, Problem::new("`numeric` needs an operator and a number").hint(EXAMPLE));
    };
    let (sign, bound) = (comparison(operator)?, bounding(number)?);
    match (sign.as_str(), more) {
        ("=", []) => Ok(Test::Strictly(Strict::Number(bound))),
        ("<" | "<=", []) => Ok(Test::Strictly(Strict::Between(None, Some(Bound { at: bound, open: sign == "<" })))),
        (">" | ">=", []) => Ok(Test::Strictly(Strict::Between(Some(Bound { at: bound, open: sign == ">" }), None))),
        (">" | ">=", [second, end]) => {
            let low = Bound { at: bound, open: sign == ">" };
            let sign = comparison(second)?;
            if !matches!(sign.as_str(), "<" | "<=") {
                let problem = Problem::new(format!("`{sign}` cannot be the upper end of a range"));
                return wrong(second, problem.label("expected `<` or `<=`"));
            }
            let high = Bound { at: bounding(end)?, open: sign == "<" };
            if low.at.value() >= high.at.value() {
                return wrong(
                    end,
                    Problem::new("the range is empty").label("the upper end must be above the lower one"),
                );
            }
            Ok(Test::Strictly(Strict::Between(Some(low), Some(high))))
        }
        (_, [first, ..]) => {
            let problem = match sign.as_str() {
                ">" | ">=" => Problem::new("a range has two ends").hint(EXAMPLE),
                "=" => Problem::new("nothing can stand behind `=` and its number"),
                _ => Problem::new("the lower end of a range comes first").hint("for example `[\">\", 0, \"<\", 5]`"),
            };
            wrong(first, problem)
        }
        (_, []) => wrong(value, Problem::new("`numeric` needs an operator and a number").hint(EXAMPLE)),
    }
}

fn comparison(raw: &RawValue) -> Read<'_, String> {
    const SIGNS: [&str; 5] = ["=", "<", "<=", ">", ">="];
    let sign = if raw.get().starts_with('"') { string(raw) } else { String::new() };
    if SIGNS.contains(&sign.as_str()) {
        return Ok(sign);
    }
    let problem = Problem::new(format!("{} is no operator of `numeric`", raw.get()));
    let problem = problem.label(format!("expected one of {}", SIGNS.join(" ")));
    wrong(raw, if sign == "==" { problem.hint("write `\"=\"`") } else { problem })
}

fn bounding(raw: &RawValue) -> Read<'_, Decimal> {
    if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return representable(raw);
    }
    let problem = Problem::new("expected a number");
    let quoted = raw.get().trim_matches('"');
    let is_number = raw.get().starts_with('"') && quoted.parse::<f64>().is_ok();
    wrong(raw, if is_number { problem.hint("leave the quotes out") } else { problem })
}

/// A network; what stands behind its prefix does not count.
fn network(value: &RawValue) -> Read<'_, IpNet> {
    let text = text(value, "cidr")?;
    let Some((written, prefix)) = text.split_once('/') else {
        let problem = Problem::new("a network needs the length of its prefix");
        return wrong(value, problem.hint(format!("write `\"{text}/24\"`; an address alone is a value: `\"{text}\"`")));
    };
    let Some(address) = address(written) else {
        return wrong(value, Problem::new(format!("`{written}` is no IP address")));
    };
    let length = if address.is_ipv4() { 32 } else { 128 };
    let prefix = Some(prefix).filter(|prefix| prefix.bytes().all(|b| b.is_ascii_digit()));
    let network = prefix.and_then(|prefix| prefix.parse().ok()).and_then(|prefix| IpNet::new(address, prefix).ok());
    match network {
        Some(network) => Ok(network),
        None => wrong(
            value,
            Problem::new("no network has a prefix of that length").label(format!("expected 0 to {length}")),
        ),
    }
}
