//! The right-hand side of a line: what a field is tested against, and whether it can ever hold that.

use std::sync::Arc;

use ipnet::IpNet;

use super::file::Operand;
use super::key::{Key, Measure, Operator, Problem, Shape};
use crate::condition::list::Values;
use crate::condition::test::{Day, How};
use crate::condition::{
    Comparison, Condition, Field, List, Literal, Membership, Number, Pattern, Relation, Test, Text,
};
use crate::event::dictionary::{self, nearest};
use crate::event::{Base, Derived};
use crate::untrusted::shortened;

/// What a line with a single operand comes to, `not` aside.
pub(super) fn line(key: &Key, operand: &Operand) -> Result<Condition, Problem> {
    let is = |test| Ok(Condition::is(key.field.clone(), test));
    let either = |wanted: bool, test| {
        let condition = Condition::is(key.field.clone(), test);
        Ok(if wanted { condition } else { condition.negated() })
    };
    match (key.shape.operator, operand) {
        (Operator::Exists, Operand::Bool(wanted)) => either(*wanted, Test::Exists),
        (Operator::Null, Operand::Bool(wanted)) => either(*wanted, Test::Null),
        (Operator::Exists | Operator::Null, other) => Err(no_flag(other)),
        (_, Operand::List(_)) => {
            Err(Problem::new("a list within a list").hint("put its values into the list around it"))
        }
        (Operator::Policy, _) => {
            Err(Problem::new("expected a table").hint("write what is asked, as in `{ grants_public = true }`"))
        }
        (_, Operand::Lines(_)) => Err(Problem::new("expected a value, found a table").hint(format!(
            "`\"{field}|any\" = {{ … }}` asks for one element with all of it, `\"{field}|json\"` for a document in a string",
            field = key.field
        ))),
        _ if key.shape.has_lines() => Err(Problem::new("expected a table of lines").hint(format!(
            "write `{{ name = \"value\" }}`: what must hold of {}",
            if key.shape.any { "one element" } else { "the document" }
        ))),
        (Operator::In, _) => Err(Problem::new("expected the name of a list, in quotes")),
        _ if key.shape.fieldref => is(relation(key, operand)?),
        _ => match key.shape.measure {
            Some(measure) => is(measured(measure, &key.shape, operand)?),
            None if key.shape.loose => is(Test::Loosely(Box::new(plain(key, operand)?))),
            None => is(plain(key, operand)?),
        },
    }
}

/// That a field is in a list.
pub(super) fn membership(key: &Key, list: &Arc<List>) -> Result<Condition, Problem> {
    if key.shape.nocase && !matches!(list.values(), Values::Texts(_) | Values::Unknown) {
        return Err(Problem::new(format!("`nocase`, and the list `{}` holds no strings", list.name()))
            .label("networks have no letters, and case counts in a list of globs"));
    }
    let membership = Membership { list: Arc::clone(list), nocase: key.shape.nocase };
    Ok(Condition::is(key.field.clone(), Test::In(membership)))
}

fn relation(key: &Key, operand: &Operand) -> Result<Test, Problem> {
    let how = match key.shape.operator {
        Operator::Contains => How::Contains,
        Operator::StartsWith => How::StartsWith,
        Operator::EndsWith => How::EndsWith,
        _ => How::Equals,
    };
    let Operand::Text(name) = operand else {
        return Err(Problem::new("expected the name of a field, in quotes"));
    };
    Ok(Test::Relates(Relation { how, nocase: key.shape.nocase }, key.scope.field(name)?))
}

fn measured(measure: Measure, shape: &Shape, operand: &Operand) -> Result<Test, Problem> {
    let comparison = match shape.operator {
        Operator::Compare(comparison) => comparison,
        _ => Comparison::Equal,
    };
    match (measure, operand) {
        (Measure::Weekday, Operand::Text(name)) => Day::named(name).map(Test::Day).ok_or_else(|| {
            Problem::new(format!("unknown day `{name}`")).label(format!("expected one of {}", Day::NAMES.join(", ")))
        }),
        (Measure::Weekday, _) => Err(Problem::new("expected a day such as `\"sat\"`")),
        (Measure::Length | Measure::Hour, Operand::Number(text)) => {
            let number: u64 =
                text.parse().map_err(|_| Problem::new(format!("`{text}` is no whole number from 0 up")))?;
            if measure == Measure::Hour && number > 23 {
                return Err(Problem::new(format!("no day has an hour {number}")).label("expected 0 to 23"));
            }
            Ok(if measure == Measure::Hour { Test::Hour(comparison, number) } else { Test::Length(comparison, number) })
        }
        (Measure::Hour, Operand::Text(text)) if text.contains(['-', ':']) => {
            Err(Problem::new("expected a whole number from 0 to 23")
                .hint("write a list of hours, or two lines with `|hour|gte` and `|hour|lt`"))
        }
        (_, other) => Err(without_quotes(Problem::new("expected a whole number"), other)),
    }
}

fn no_flag(operand: &Operand) -> Problem {
    let problem = Problem::new("expected `true` or `false`, without quotes");
    match operand {
        Operand::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") => {
            problem.hint(format!("write `{}`", text.to_ascii_lowercase()))
        }
        _ => problem,
    }
}

/// Hints at quotes around what would be right without them.
fn without_quotes(problem: Problem, operand: &Operand) -> Problem {
    match operand {
        Operand::Text(text) if Number::parse(text).is_some() => problem.hint("leave the quotes out"),
        _ => problem,
    }
}

fn plain(key: &Key, operand: &Operand) -> Result<Test, Problem> {
    let nocase = key.shape.nocase;
    match (key.shape.operator, operand) {
        (Operator::Compare(comparison), Operand::Number(text)) => Ok(Test::Number(comparison, number(text)?)),
        (Operator::Compare(_), Operand::Text(text)) if text.parse::<jiff::Timestamp>().is_ok() => {
            Err(Problem::new("expected a number")
                .hint("of times the hour and the day are compared, with `|hour` and `|weekday`"))
        }
        (Operator::Compare(_), other) => Err(without_quotes(Problem::new("expected a number"), other)),
        (Operator::Equals, Operand::Text(text)) => {
            if key.is_checked() {
                check_text(&key.field, text)?;
            }
            Ok(Test::Equals(Literal::Text(Text::new(text, nocase))))
        }
        (Operator::Equals, Operand::Number(_) | Operand::Bool(_)) if key.field == Field::Anywhere => {
            Err(Problem::new("expected a string").label(format!("`{}` is every string of the record", key.field)))
        }
        (Operator::Equals, Operand::Number(text)) => {
            if key.is_checked() {
                check_number(&key.field, text)?;
            }
            Ok(Test::Equals(Literal::Number(number(text)?)))
        }
        (Operator::Equals, Operand::Bool(truth)) => {
            if key.is_checked() {
                check_bool(&key.field, *truth)?;
            }
            Ok(Test::Equals(Literal::Bool(*truth)))
        }
        (Operator::Cidr, Operand::Text(text)) => network(text).map(Test::InNetwork),
        (Operator::Glob, Operand::Text(text)) => pattern("glob", text, Pattern::glob(text, nocase)),
        (_, Operand::Text(text)) if text.is_empty() => Err(Problem::new("an empty text")
            .label("every string has it in it")
            .hint(format!("to ask whether the field is there, write `\"{}|exists\" = true`", key.field))),
        (Operator::Contains, Operand::Text(text)) => Ok(Test::Contains(Text::new(text, nocase))),
        (Operator::StartsWith, Operand::Text(text)) => Ok(Test::StartsWith(Text::new(text, nocase))),
        (Operator::EndsWith, Operand::Text(text)) => Ok(Test::EndsWith(Text::new(text, nocase))),
        (Operator::Regex, Operand::Text(text)) => pattern("regular expression", text, Pattern::regex(text, nocase)),
        (_, Operand::Number(text) | Operand::Time(text)) => Err(not_a_string(text)),
        (_, Operand::Bool(truth)) => Err(not_a_string(&truth.to_string())),
        (_, Operand::Text(_) | Operand::List(_) | Operand::Lines(_)) => Err(Problem::new("expected one value")),
    }
}

fn not_a_string(value: &str) -> Problem {
    Problem::new("expected a string").hint(format!("put it into quotes: `\"{value}\"`"))
}

fn number(text: &str) -> Result<Number, Problem> {
    Number::parse(text).ok_or_else(|| Problem::new(format!("`{text}` is no number that JSON has")))
}

pub(super) fn pattern(kind: &str, text: &str, pattern: Result<Pattern, String>) -> Result<Test, Problem> {
    compiled(kind, text, pattern).map(Test::Fits)
}

/// A glob in which case counts.
pub(super) fn glob(text: &str) -> Result<Pattern, Problem> {
    compiled("glob", text, Pattern::glob(text, false))
}

fn compiled(kind: &str, text: &str, pattern: Result<Pattern, String>) -> Result<Pattern, Problem> {
    pattern.map_err(|error| {
        let problem = Problem::new(format!("`{}` is no {kind}: {error}", shortened(text, VALUE_WIDTH_MAX)));
        match error.contains("look-around") {
            true => problem.hint("write a second line that says what must not fit, with `|not|re`"),
            false => problem,
        }
    })
}

/// How much of a pattern a message repeats, in characters.
const VALUE_WIDTH_MAX: usize = 60;

/// A single address is a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, Problem> {
    text.parse()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into))
        .map_err(|_| Problem::new(format!("`{text}` is no network")).hint("write `10.0.0.0/8` or `2001:db8::/32`"))
}

/// The base field that a field is, if it is one.
fn is_base(field: &Field, base: Base) -> bool {
    matches!(field, Field::Path(path) if path.to_string().eq_ignore_ascii_case(base.path()))
}

/// Refuses a string that the field can never hold.
fn check_text(field: &Field, text: &str) -> Result<(), Problem> {
    if is_base(field, Base::EventSource) {
        return check_service(text);
    }
    if (is_base(field, Base::RecipientAccountId) || is_base(field, Base::IdentityAccount))
        && !crate::event::identity::is_account(text)
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
    {
        return Err(Problem::new(format!("`{text}` is no account")).label("an account has twelve digits"));
    }
    let Field::Derived(derived) = field else { return Ok(()) };
    if let (Derived::Service, Some((service, _))) = (derived, text.split_once('.')) {
        return Err(Problem::new(format!("`{field}` is never `{text}`"))
            .hint(format!("it is the name without the domain: write `{service}`")));
    }
    if derived.is_flag() {
        return Err(Problem::new(format!("`{field}` is true or false")).hint("leave the quotes out"));
    }
    match derived.words() {
        Some(words) if !words.contains(&text) => {
            let problem = Problem::new(format!("`{field}` is never `{text}`"))
                .label(format!("expected one of {}", words.join(", ")));
            Err(problem.near(nearest(text, words)))
        }
        _ => Ok(()),
    }
}

fn check_service(source: &str) -> Result<(), Problem> {
    if dictionary::is_known_service(source) && dictionary::is_service_form(source) {
        return Ok(());
    }
    let problem = Problem::new(format!("`{source}` is no service"));
    match service_meant(source) {
        Some(meant) => Err(problem.hint(format!("did you mean `{meant}.amazonaws.com`?"))),
        None if dictionary::is_service_form(source) => Ok(()),
        None => Err(problem.label("CloudTrail writes the service's domain, as in `iam.amazonaws.com`")),
    }
}

/// The known service that was probably meant by a text that is none.
fn service_meant(source: &str) -> Option<&'static str> {
    let name = source.strip_prefix("aws.").unwrap_or(source).to_ascii_lowercase();
    let name = name.strip_suffix(".amazonaws.com").unwrap_or(name.split('.').next().unwrap_or(""));
    let known = dictionary::SERVICES.iter().copied();
    // CloudWatch is the one service that everybody calls otherwise.
    let renamed = match name {
        "cloudwatch" => Some("monitoring"),
        "cloudwatchlogs" => Some("logs"),
        "eventbridge" => Some("events"),
        "stepfunctions" => Some("states"),
        "sso-admin" => Some("sso"),
        _ => None,
    };
    if let Some(meant) = renamed.or_else(|| known.clone().find(|known| *known == name)) {
        return Some(meant);
    }
    // AWS has services that are not in the dictionary, and short names are all near each other.
    let may_be_one = dictionary::is_service_form(source) && name.len() <= SERVICE_NAME_SHORT_MAX;
    nearest(name, known).filter(|_| !may_be_one)
}

/// The longest name of a service that is not taken for a misspelt other one.
const SERVICE_NAME_SHORT_MAX: usize = 4;

/// Fields that hold strings in every record, so that a number is never equal to them.
const TEXT_FIELDS: [Base; 12] = [
    Base::EventVersion,
    Base::EventSource,
    Base::EventName,
    Base::EventTime,
    Base::AwsRegion,
    Base::RecipientAccountId,
    Base::SourceIpAddress,
    Base::UserAgent,
    Base::ErrorCode,
    Base::IdentityType,
    Base::IdentityAccount,
    Base::IdentityUser,
];

fn check_number(field: &Field, text: &str) -> Result<(), Problem> {
    let textual = TEXT_FIELDS.iter().any(|&base| is_base(field, base))
        || matches!(field, Field::Derived(derived) if *derived != Derived::SessionAge);
    if textual {
        return Err(
            Problem::new(format!("`{field}` is never a number")).hint(format!("put it into quotes: `\"{text}\"`"))
        );
    }
    Ok(())
}

fn check_bool(field: &Field, truth: bool) -> Result<(), Problem> {
    let textual = TEXT_FIELDS.iter().any(|&base| is_base(field, base))
        || matches!(field, Field::Derived(derived) if !derived.is_flag());
    if textual {
        return Err(Problem::new(format!("`{field}` is never {truth}"))
            .hint(format!("to ask whether it is there, write `\"{field}|exists\" = {truth}`")));
    }
    Ok(())
}
