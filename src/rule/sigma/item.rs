//! One line of a selection: `field|modifier|modifier: value`.

use std::sync::Arc;

use super::value::{self, Position};
use super::yaml::{Kind, Scalar};
use crate::condition::list::Values;
use crate::condition::test::How;
use crate::condition::{Comparison, Condition, Field, List, Literal, Membership, Number, Pattern, Relation, Test};
use crate::event::dictionary::nearest;
use crate::event::path::PathError;
use crate::event::{Case, Path};
use crate::rule::key::Problem;
use crate::rule::operand;

/// A field and how it is tested.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    field: Field,
    operator: Operator,
    /// Whether all of a list must hold, and not any.
    all: bool,
    cased: bool,
    /// Whether the whole is turned round.
    neq: bool,
    fieldref: bool,
    /// Whether values are names of lists between percent signs.
    pub expand: bool,
    /// The letters `i`, `m` and `s`, for a regular expression.
    flags: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Cidr,
    Exists,
    Compare(Comparison),
    /// The hour of a time, compared so.
    Hour(Comparison),
}

/// Every modifier that is read, for messages.
const MODIFIERS: [&str; 19] = [
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "exists",
    "cased",
    "lt",
    "lte",
    "gt",
    "gte",
    "fieldref",
    "neq",
    "hour",
    "expand",
];

/// Modifiers of Sigma that are refused, and why.
const REFUSED: [(&str, &str); 13] = [
    ("windash", "it is for the flags of Windows command lines"),
    ("base64", ENCODED),
    ("base64offset", ENCODED),
    ("utf16", ENCODED),
    ("utf16le", ENCODED),
    ("utf16be", ENCODED),
    ("wide", ENCODED),
    ("minute", TIME),
    ("day", TIME),
    ("week", TIME),
    ("month", TIME),
    ("year", TIME),
    ("near", "it joins several events"),
];
const ENCODED: &str = "records of CloudTrail hold no values encoded so";
const TIME: &str = "of a time only the `hour` is read";

/// Takes a key apart. Without a field it searches every string of the record.
pub(super) fn parse(text: &str) -> Result<Item, Problem> {
    let mut at = 0;
    let mut words = text.split('|').map(|word| {
        let place = at..at + word.len();
        at = place.end + 1;
        (word, place)
    });
    let (name, place) = words.next().unwrap_or(("", 0..0));
    let field = field(name).map_err(|problem| Problem { part: Some(place), ..problem })?;
    let mut item = Item::of(field);
    let mut operator = None;
    for (word, place) in words {
        item.modify(word, &mut operator).map_err(|problem| Problem { part: Some(place), ..problem })?;
    }
    item.check()?;
    Ok(item)
}

/// A path as Sigma writes it: dots go into objects, and the case of letters counts.
fn field(name: &str) -> Result<Field, Problem> {
    if name.is_empty() {
        return Ok(Field::Anywhere);
    }
    Path::from_segments(name.split('.').map(str::to_owned).collect(), Case::Sensitive).map(Field::Path).map_err(
        |error| match error {
            PathError::EmptyName => Problem::new("an empty name in the path").label("dots go into objects"),
            error => Problem::new(error.to_string()),
        },
    )
}

impl Item {
    /// The item of a value that stands without a key: a search of every string.
    pub fn keyword() -> Self {
        Self::of(Field::Anywhere)
    }

    fn of(field: Field) -> Self {
        Self {
            operator: if field == Field::Anywhere { Operator::Contains } else { Operator::Equals },
            field,
            all: false,
            cased: false,
            neq: false,
            fieldref: false,
            expand: false,
            flags: String::new(),
        }
    }

    fn modify<'t>(&mut self, word: &'t str, earlier: &mut Option<&'t str>) -> Result<(), Problem> {
        let operator = match word {
            "all" => return flag(&mut self.all, word),
            "cased" => return flag(&mut self.cased, word),
            "neq" => return flag(&mut self.neq, word),
            "fieldref" => return flag(&mut self.fieldref, word),
            "expand" => return flag(&mut self.expand, word),
            "i" | "m" | "s" if self.operator == Operator::Regex => {
                self.flags.push_str(word);
                return Ok(());
            }
            "i" | "m" | "s" => return Err(Problem::new(format!("modifier `{word}` stands behind `re`"))),
            "contains" => Operator::Contains,
            "startswith" => Operator::StartsWith,
            "endswith" => Operator::EndsWith,
            "re" => Operator::Regex,
            "cidr" => Operator::Cidr,
            "exists" => Operator::Exists,
            "lt" => self.compare(Comparison::Less),
            "lte" => self.compare(Comparison::LessOrEqual),
            "gt" => self.compare(Comparison::Greater),
            "gte" => self.compare(Comparison::GreaterOrEqual),
            "hour" => Operator::Hour(Comparison::Equal),
            unknown => return Err(unknown_modifier(unknown)),
        };
        let follows_hour = *earlier == Some("hour") && matches!(operator, Operator::Hour(_)) && word != "hour";
        if let Some(earlier) = earlier.replace(word).filter(|_| !follows_hour) {
            return Err(Problem::new(format!("modifiers `{earlier}` and `{word}` exclude each other")));
        }
        self.operator = operator;
        Ok(())
    }

    fn compare(&self, comparison: Comparison) -> Operator {
        match self.operator {
            Operator::Hour(_) => Operator::Hour(comparison),
            _ => Operator::Compare(comparison),
        }
    }

    /// Refuses combinations that say nothing.
    fn check(&self) -> Result<(), Problem> {
        let textual =
            matches!(self.operator, Operator::Equals | Operator::Contains | Operator::StartsWith | Operator::EndsWith);
        if self.fieldref && !textual {
            return Err(Problem::new("modifier `fieldref` goes with `contains`, `startswith`, `endswith` or nothing"));
        }
        if self.expand && (self.fieldref || !(textual || self.operator == Operator::Cidr)) {
            return Err(Problem::new(
                "modifier `expand` goes with `contains`, `startswith`, `endswith`, `cidr` or nothing",
            ));
        }
        if self.cased && !textual {
            let problem = Problem::new("modifier `cased` is for strings");
            return Err(match self.operator {
                Operator::Regex => problem.label("a regular expression minds the case as it is"),
                _ => problem,
            });
        }
        if self.field == Field::Anywhere
            && (self.fieldref || !(textual || matches!(self.operator, Operator::Regex | Operator::Cidr)))
        {
            return Err(Problem::new("a field is missing before this modifier"));
        }
        Ok(())
    }

    /// The condition of a list of values, or of a single one.
    pub fn condition(&self, mut tests: Vec<Condition>) -> Condition {
        level(&mut tests);
        let condition = if self.all { Condition::all(tests) } else { Condition::any(tests) };
        if self.neq { condition.negated() } else { condition }
    }

    /// What one value comes to, `neq` aside.
    pub fn value(&self, scalar: &Scalar) -> Result<Condition, Problem> {
        let is = |test| Ok(Condition::is(self.field.clone(), test));
        if scalar.kind == Kind::Null {
            return self.null();
        }
        let text = scalar.text.as_str();
        match self.operator {
            Operator::Exists => match scalar.kind {
                Kind::Bool(true) => is(Test::Exists),
                Kind::Bool(false) => is(Test::Exists).map(Condition::negated),
                _ => Err(Problem::new("expected `true` or `false`, without quotes")
                    .hint("`true` asks that the field is there, `false` that it is not")),
            },
            _ if self.fieldref => is(self.relation(text)?),
            Operator::Equals => is(self.equals(scalar)?),
            Operator::Contains => is(self.text(text, Position::Anywhere)?),
            Operator::StartsWith => is(self.text(text, Position::Start)?),
            Operator::EndsWith => is(self.text(text, Position::End)?),
            Operator::Regex => is(self.regex(text)?),
            Operator::Cidr => is(Test::InNetwork(operand::network(text)?)),
            Operator::Compare(comparison) => {
                let number = Number::parse(text).ok_or_else(|| Problem::new("expected a number"))?;
                is(Test::Loosely(Box::new(Test::Number(comparison, number))))
            }
            Operator::Hour(comparison) => match text.parse() {
                Ok(hour @ 0..=23) => is(Test::Hour(comparison, hour)),
                _ => Err(Problem::new("expected an hour").label("0 to 23, in UTC")),
            },
        }
    }

    /// What the values of a list come to, each of them or all together.
    pub fn of_list(&self, list: &Arc<List>) -> Result<Vec<Condition>, Problem> {
        match (self.operator, list.values()) {
            (Operator::Equals, Values::Texts(_))
            | (Operator::Equals | Operator::Cidr, Values::Networks(_) | Values::Unknown) => {
                let of_texts = self.operator == Operator::Equals && !matches!(list.values(), Values::Networks(_));
                let nocase = !self.cased && of_texts;
                let membership = Membership { list: Arc::clone(list), nocase };
                Ok(vec![Condition::is(self.field.clone(), Test::In(membership))])
            }
            (_, Values::Texts(texts)) if self.operator != Operator::Cidr => {
                let mut texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                // A set has no order, and conditions have one.
                texts.sort_unstable();
                texts.into_iter().map(|text| self.value(&Scalar { text: text.to_owned(), kind: Kind::Text })).collect()
            }
            (_, Values::Unknown) => Err(Problem::new("`expand` with this modifier cannot be said in our lines")
                .label("`|in` compares whole values")),
            _ => Err(Problem::new(format!("the list `{}` is of another type than this modifier takes", list.name()))),
        }
    }

    /// To Sigma a field that is missing is null.
    fn null(&self) -> Result<Condition, Problem> {
        if self.operator != Operator::Equals || self.fieldref {
            return Err(Problem::new("null is compared without a modifier").hint("an empty string is `''`"));
        }
        let missing = Condition::is(self.field.clone(), Test::Exists).negated();
        Ok(Condition::any(vec![missing, Condition::is(self.field.clone(), Test::Null)]))
    }

    fn relation(&self, text: &str) -> Result<Test, Problem> {
        let how = match self.operator {
            Operator::Contains => How::Contains,
            Operator::StartsWith => How::StartsWith,
            Operator::EndsWith => How::EndsWith,
            _ => How::Equals,
        };
        match field(text)? {
            Field::Anywhere => Err(Problem::new("expected the name of a field")),
            other => Ok(Test::Relates(Relation { how, nocase: !self.cased }, other)),
        }
    }

    fn equals(&self, scalar: &Scalar) -> Result<Test, Problem> {
        match (scalar.kind, Number::parse(&scalar.text)) {
            (Kind::Number, Some(number)) => Ok(Test::Loosely(Box::new(Test::Equals(Literal::Number(number))))),
            // `True` without quotes is the flag, however it is written.
            (Kind::Bool(truth), _) => self.text(if truth { "true" } else { "false" }, Position::Whole),
            _ => self.text(&scalar.text, Position::Whole),
        }
    }

    fn text(&self, text: &str, position: Position) -> Result<Test, Problem> {
        if text.is_empty() && position != Position::Whole {
            return Err(Problem::new("an empty text").label("every string has it in it"));
        }
        let test = value::test(text, position, self.cased)?;
        Ok(match (test, &self.field) {
            // There are strings only.
            (Test::Loosely(test), Field::Anywhere) => *test,
            (test, _) => test,
        })
    }

    fn regex(&self, text: &str) -> Result<Test, Problem> {
        if text.is_empty() {
            return Err(Problem::new("an empty regular expression").label("it fits every string"));
        }
        let nocase = self.flags.contains('i');
        let others: String = ["m", "s"].into_iter().filter(|flag| self.flags.contains(flag)).collect();
        let source = if others.is_empty() { text.to_owned() } else { format!("(?{others}){text}") };
        let test =
            operand::pattern("regular expression", &source, Pattern::regex(&source, nocase)).map_err(|problem| {
                match problem.hint {
                    Some(_) => {
                        problem.hint("say what must not fit in a selection of its own, and join it with `and not`")
                    }
                    None => problem,
                }
            })?;
        Ok(if self.field == Field::Anywhere { test } else { Test::Loosely(Box::new(test)) })
    }
}

/// Of a list either all tests take numbers by their text or none does: to those that did not it makes no difference.
fn level(tests: &mut [Condition]) {
    let is_loose = |condition: &Condition| matches!(condition, Condition::Is(predicate) if matches!(predicate.test, Test::Loosely(_)));
    if tests.len() < 2 || !tests.iter().any(is_loose) {
        return;
    }
    for condition in tests {
        if let Condition::Is(predicate) = condition
            && matches!(
                predicate.test,
                Test::Equals(_) | Test::Contains(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Fits(_)
            )
        {
            let test = std::mem::replace(&mut predicate.test, Test::Exists);
            predicate.test = Test::Loosely(Box::new(test));
        }
    }
}

fn flag(flag: &mut bool, word: &str) -> Result<(), Problem> {
    match std::mem::replace(flag, true) {
        true => Err(Problem::new(format!("modifier `{word}` stands twice"))),
        false => Ok(()),
    }
}

fn unknown_modifier(unknown: &str) -> Problem {
    if let Some((_, reason)) = REFUSED.iter().find(|(word, _)| *word == unknown) {
        return Problem::new(format!("modifier `{unknown}` is not supported")).label(*reason);
    }
    let problem = match unknown {
        "" => Problem::new("a modifier is missing after `|`"),
        unknown => Problem::new(format!("unknown modifier `{unknown}`")),
    };
    let near = match unknown {
        "not" | "ne" => Some("neq"),
        "regex" => Some("re"),
        "prefix" | "beginswith" => Some("startswith"),
        "suffix" => Some("endswith"),
        unknown => nearest(unknown, MODIFIERS),
    };
    problem.near_or(near, || format!("expected one of {}", MODIFIERS.join(", ")))
}
