//! The left-hand side of a line: a field, and after `|` the modifiers that say how it is tested.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use crate::condition::{Comparison, Field};
use crate::event::dictionary::{IDENTITY_FIELDS, RECORD_FIELDS, nearest};
use crate::event::{Case, Derived, Path};

/// A key, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The field that is tested.
    pub field: Field,
    /// How.
    pub shape: Shape,
    /// What the field is looked for in.
    pub scope: Scope,
}

/// What the fields of a key are looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The event, whose fields are known.
    #[default]
    Event,
    /// An element or a document, whose fields may bear any name.
    Inside,
}

/// How a field is tested: what the modifiers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// What is done with the field's value.
    pub operator: Operator,
    /// What is measured before it is compared.
    pub measure: Option<Measure>,
    /// Whether the operand names a field instead of being a value.
    pub fieldref: bool,
    /// Whether all of a list must hold, and not any.
    pub all: bool,
    /// Whether the case of letters is ignored.
    pub nocase: bool,
    /// Whether a number or truth value also counts as its text, and a string that is a number as that number.
    pub loose: bool,
    /// Whether strings are read as JSON, for lines about what is in them.
    pub json: bool,
    /// Whether the lines are about one element.
    pub any: bool,
    /// Whether the whole is turned round.
    pub not: bool,
}

/// What is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operator {
    /// It is the same.
    #[default]
    Equals,
    /// It contains the operand.
    Contains,
    /// It starts with the operand.
    StartsWith,
    /// It ends with the operand.
    EndsWith,
    /// A regular expression fits somewhere.
    Regex,
    /// A glob fits the whole.
    Glob,
    /// It is an address of a network.
    Cidr,
    /// It is in the list that the operand names.
    In,
    /// It is there, or is not.
    Exists,
    /// It is null, or is not.
    Null,
    /// It compares as a number.
    Compare(Comparison),
    /// It is a policy document that is as a table says.
    Policy,
}

/// What is measured of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Its length.
    Length,
    /// The hour of a time.
    Hour,
    /// The day of a time.
    Weekday,
}

/// What is wrong with a key, a field's name or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What stands beside the caret.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
    /// The bytes of the key or value that it is about; all of them if `None`.
    pub part: Option<Range<usize>>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), label: String::new(), hint: None, part: None }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the word that was meant, where one is near.
    pub(super) fn near(self, near: Option<&str>) -> Self {
        match near {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Names the word that was meant, where one is near; says otherwise which words there are.
    pub(super) fn near_or(self, near: Option<&str>, label: impl FnOnce() -> String) -> Self {
        if near.is_some() { self.near(near) } else { self.label(label()) }
    }

    /// The complaint that it is at a place.
    pub(super) fn at_place(self, source: &Arc<SourceText>, span: Range<usize>) -> Diagnostic {
        let diagnostic = Diagnostic::new(source, span, self.message).label(self.label);
        Diagnostic { hint: self.hint, ..diagnostic }
    }

    fn at(mut self, part: Range<usize>) -> Self {
        self.part = Some(part);
        self
    }
}

/// Every modifier, for messages.
pub(super) const MODIFIERS: [&str; 24] = [
    "contains",
    "startswith",
    "endswith",
    "re",
    "glob",
    "cidr",
    "in",
    "exists",
    "gt",
    "gte",
    "lt",
    "lte",
    "fieldref",
    "all",
    "not",
    "nocase",
    "loose",
    "null",
    "len",
    "hour",
    "weekday",
    "any",
    "json",
    "policy",
];

/// Names that other tools have for our modifiers.
const ALIASES: [(&str, &str); 18] = [
    ("starts_with", "startswith"),
    ("prefix", "startswith"),
    ("ends_with", "endswith"),
    ("suffix", "endswith"),
    ("regex", "re"),
    ("wildcard", "glob"),
    ("like", "glob"),
    ("ne", "not"),
    ("neq", "not"),
    ("ignorecase", "nocase"),
    ("length", "len"),
    ("field", "fieldref"),
    ("anything-but", "not"),
    ("in_table", "in"),
    ("lookup", "in"),
    ("not_in", "not"),
    ("count", "len"),
    ("ip", "cidr"),
];

/// What other tools have modifiers for and is written otherwise here.
const FOREIGN: [(&str, &str); 10] = [
    ("equals", "a line without a modifier compares whole values: leave it out"),
    ("eq", "a line without a modifier compares whole values: leave it out"),
    ("is", "a line without a modifier compares whole values: leave it out"),
    ("between", "write two lines, one with `|gte` and one with `|lte`"),
    ("cased", "case counts without it: leave it out"),
    ("missing", "write `|exists` and `false`"),
    ("or", "a list is any of its values: leave it out"),
    ("and", "a list with `|all` is all of its values"),
    ("base64", "values in base64 are not decoded"),
    ("i", "to ignore the case of letters write `|nocase`"),
];

/// A key's modifiers, as far as they have been read.
#[derive(Default)]
struct Reading<'t> {
    shape: Shape,
    /// The modifiers so far, and where they stand.
    words: Vec<(&'t str, Range<usize>)>,
    /// The one of them that is the operator.
    operator: Option<&'t str>,
    /// The one of them that is the measure.
    measure: Option<&'t str>,
}

/// Takes a key apart: `requestParameters.name|not|contains`.
pub fn parse(text: &str, scope: Scope) -> Result<Key, Problem> {
    let mut words = text.split('|').scan(0, |start, word| {
        let at = *start..*start + word.len();
        *start = at.end + 1;
        Some((word, at))
    });
    let (name, at) = words.next().unwrap_or(("", 0..0));
    if text.split('|').any(|word| word.trim() != word) {
        let tight: Vec<&str> = text.split('|').map(str::trim).collect();
        return Err(Problem::new("spaces in a key").hint(format!("write `\"{}\"`", tight.join("|"))));
    }
    let field = match name {
        "" if text.starts_with('|') => return Err(Problem::new("a field is missing before `|`").at(at)),
        Field::ANYWHERE => Field::Anywhere,
        name => scope.field(name).map_err(|problem| match problem.part {
            None => problem.at(at),
            Some(_) => problem,
        })?,
    };
    let mut reading = Reading::default();
    for (word, at) in words {
        reading.add(word).map_err(|problem| problem.at(at.clone()))?;
        reading.words.push((word, at));
    }
    reading.check()?;
    match field {
        Field::Anywhere => reading.check_anywhere()?,
        Field::Derived(_) if reading.shape.operator == Operator::Policy => {
            return Err(Problem::new(format!("`{field}` is worked out, and never a policy")));
        }
        _ => {}
    }
    if reading.shape.has_lines() && !matches!(field, Field::Path(_)) {
        return Err(Problem::new(format!("there is nothing inside `{field}`"))
            .label("only fields of the record have elements and documents"));
    }
    Ok(Key { field, shape: reading.shape, scope })
}

impl Key {
    /// Whether a value that the field never holds is a mistake.
    pub fn is_checked(&self) -> bool {
        self.scope == Scope::Event && !self.shape.loose
    }
}

impl Shape {
    /// Whether lines follow, not a value.
    pub fn has_lines(&self) -> bool {
        self.any || self.json
    }
}

impl Scope {
    /// The field of a name. Inside, one of the whole event is `$.eventName`.
    pub fn field(self, name: &str) -> Result<Field, Problem> {
        let of_event = name.strip_prefix(Field::RECORD).and_then(|name| name.strip_prefix('.'));
        match (self, of_event) {
            (Self::Event, _) => field(name),
            (Self::Inside, None) => path(name).map(Field::Path),
            (Self::Inside, Some(of_event)) => match field(of_event)? {
                Field::Path(_) => path(name).map(Field::Path),
                derived => Ok(derived),
            },
        }
    }
}

fn path(name: &str) -> Result<Path, Problem> {
    let path = Path::parse(name, Case::Insensitive).map_err(|error| match name.strip_prefix('.') {
        Some(rest) => Problem::new(error.to_string()).hint(format!("paths begin without a dot: `{rest}`")),
        None => Problem::new(error.to_string()),
    })?;
    if let Some(name) = path.segments().iter().find(|name| has_position(name)) {
        let bare = name.split('[').next().unwrap_or_default();
        return Err(Problem::new(format!("`{name}` is no name of a field"))
            .hint(format!("paths go through arrays: write `{bare}`; lines about one element stand in `|any`")));
    }
    let depths = path.segments().iter().filter(|segment| path.is_any_depth(segment)).count();
    let mut pairs = path.segments().windows(2);
    if depths > Path::ANY_DEPTHS_MAX || pairs.any(|pair| pair.iter().all(|segment| path.is_any_depth(segment))) {
        return Err(Problem::new(format!("too many `{}` in a path", Path::ANY_DEPTH))
            .label(format!("at most {}, with names between them", Path::ANY_DEPTHS_MAX)));
    }
    if path.segments().last().is_some_and(|segment| path.is_any_depth(segment)) {
        return Err(Problem::new(format!("`{}` at the end of a path", Path::ANY_DEPTH))
            .hint("say which field is meant, at whatever depth: `requestParameters.**.cidrIp`"));
    }
    Ok(path)
}

/// Whether a name ends as in other languages the elements of an array are asked for: `items[0]`, `items[*]`, `items[]`.
fn has_position(name: &str) -> bool {
    let inside = name.strip_suffix(']').and_then(|name| name.split_once('[')).map(|(_, inside)| inside);
    inside.is_some_and(|inside| inside == "*" || inside.bytes().all(|b| b.is_ascii_digit()))
}

impl<'t> Reading<'t> {
    fn add(&mut self, word: &'t str) -> Result<(), Problem> {
        if self.words.iter().any(|&(earlier, _)| earlier == word) {
            return Err(Problem::new(format!("modifier `{word}` stands twice")));
        }
        match word {
            "not" => self.shape.not = true,
            "all" => self.shape.all = true,
            "nocase" => self.shape.nocase = true,
            "loose" => self.shape.loose = true,
            "fieldref" => self.shape.fieldref = true,
            "any" => self.shape.any = true,
            "json" => self.shape.json = true,
            "len" => return self.measure(Measure::Length, word),
            "hour" => return self.measure(Measure::Hour, word),
            "weekday" => return self.measure(Measure::Weekday, word),
            "contains" => return self.operator(Operator::Contains, word),
            "startswith" => return self.operator(Operator::StartsWith, word),
            "endswith" => return self.operator(Operator::EndsWith, word),
            "re" => return self.operator(Operator::Regex, word),
            "glob" => return self.operator(Operator::Glob, word),
            "cidr" => return self.operator(Operator::Cidr, word),
            "in" => return self.operator(Operator::In, word),
            "exists" => return self.operator(Operator::Exists, word),
            "null" => return self.operator(Operator::Null, word),
            "gt" => return self.operator(Operator::Compare(Comparison::Greater), word),
            "gte" => return self.operator(Operator::Compare(Comparison::GreaterOrEqual), word),
            "lt" => return self.operator(Operator::Compare(Comparison::Less), word),
            "lte" => return self.operator(Operator::Compare(Comparison::LessOrEqual), word),
            "policy" => return self.operator(Operator::Policy, word),
            unknown => return Err(unknown_modifier(unknown)),
        }
        Ok(())
    }

    fn operator(&mut self, operator: Operator, word: &'t str) -> Result<(), Problem> {
        self.shape.operator = operator;
        self.operator.replace(word).map_or(Ok(()), |earlier| Err(exclusive(earlier, word)))
    }

    fn measure(&mut self, measure: Measure, word: &'t str) -> Result<(), Problem> {
        self.shape.measure = Some(measure);
        self.measure.replace(word).map_or(Ok(()), |earlier| Err(exclusive(earlier, word)))
    }

    /// Refuses combinations that say nothing.
    fn check(&self) -> Result<(), Problem> {
        let shape = &self.shape;
        if shape.has_lines() {
            return self.check_lines();
        }
        let compares = matches!(shape.operator, Operator::Compare(_));
        let textual =
            matches!(shape.operator, Operator::Equals | Operator::Contains | Operator::StartsWith | Operator::EndsWith);
        if let Some(measure) = self.measure {
            let fits = self.operator.is_none() || (compares && shape.measure != Some(Measure::Weekday));
            let flags = [(shape.fieldref, "fieldref"), (shape.nocase, "nocase"), (shape.loose, "loose")];
            let other = flags.iter().find(|(set, _)| *set).map(|&(_, word)| word);
            if let Some(other) = other.or(self.operator.filter(|_| !fits)) {
                return Err(self.unfit(other, measure));
            }
        }
        if shape.loose && shape.fieldref {
            return Err(self.unfit("loose", "fieldref"));
        }
        let Some(operator) = self.operator else { return Ok(()) };
        if shape.fieldref && !textual {
            return Err(self.unfit("fieldref", operator));
        }
        if shape.nocase && !textual && !matches!(shape.operator, Operator::Regex | Operator::Glob | Operator::In) {
            return Err(self.unfit("nocase", operator));
        }
        if shape.loose && !textual && !compares && !matches!(shape.operator, Operator::Regex | Operator::Glob) {
            return Err(self.unfit("loose", operator));
        }
        if shape.all && (compares || matches!(shape.operator, Operator::Exists | Operator::Null)) {
            return Err(self.unfit("all", operator));
        }
        Ok(())
    }

    /// Refuses what belongs to the lines, where lines follow.
    fn check_lines(&self) -> Result<(), Problem> {
        let goes = ["any", "json", "not", "all"];
        let own = if self.shape.any { "any" } else { "json" };
        match self.words.iter().find(|(word, _)| !goes.contains(word)) {
            Some((word, _)) => {
                let hint = format!("write it inside: `{{ name|{word} = … }}`, with quotes around the key");
                Err(self.unfit(word, own).hint(hint))
            }
            None => Ok(()),
        }
    }

    /// Refuses what cannot be asked of strings that stand anywhere.
    fn check_anywhere(&self) -> Result<(), Problem> {
        let textual = ["contains", "startswith", "endswith", "re", "glob", "cidr", "in", "all", "not", "nocase"];
        match self.words.iter().find(|(word, _)| !textual.contains(word)) {
            Some((word, at)) => Err(Problem::new(format!("modifier `{word}` does not go with `{}`", Field::ANYWHERE))
                .label("it stands for every string of the record")
                .at(at.clone())),
            None => Ok(()),
        }
    }

    fn unfit(&self, word: &str, other: &str) -> Problem {
        let problem = Problem::new(format!("modifier `{word}` does not go with `{other}`"));
        match self.words.iter().find(|&&(known, _)| known == word) {
            Some((_, at)) => problem.at(at.clone()),
            None => problem,
        }
    }
}

fn exclusive(earlier: &str, later: &str) -> Problem {
    Problem::new(format!("modifiers `{earlier}` and `{later}` exclude each other"))
        .hint("write two lines, one with each")
}

fn unknown_modifier(unknown: &str) -> Problem {
    let problem = match unknown {
        "" => Problem::new("a modifier is missing after `|`"),
        unknown => Problem::new(format!("unknown modifier `{unknown}`")),
    };
    if let Some((_, hint)) = FOREIGN.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(unknown)) {
        return problem.hint(*hint);
    }
    if let Some((word @ ("any" | "json"), inside)) = unknown.split_once('.') {
        return problem.hint(format!("what is inside stands on the right: `\"…|{word}\" = {{ {inside} = … }}`"));
    }
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(unknown)).map(|&(_, name)| name);
    problem
        .near_or(alias.or_else(|| nearest(unknown, MODIFIERS)), || format!("expected one of {}", MODIFIERS.join(", ")))
}

/// The field of a name: a derived one, or a path into the record. Refuses what no record has.
pub fn field(name: &str) -> Result<Field, Problem> {
    if let Some(derived) = Derived::named(name) {
        return Ok(Field::Derived(derived));
    }
    if name == Field::ANYWHERE {
        return Err(Problem::new("one field is named here").label("this stands for every string of the record"));
    }
    if let Some((bare, _)) = name.split_once('|') {
        let problem = Problem::new("a field is named here, without modifiers").hint(format!("write `{bare}`"));
        return Err(problem.at(bare.len()..name.len()));
    }
    let path = path(name)?;
    check_names(name, &path)?;
    Ok(Field::Path(path))
}

fn check_names(name: &str, path: &Path) -> Result<(), Problem> {
    let known = |names: &[&str], name: &str| {
        names.iter().any(|known| known.eq_ignore_ascii_case(name)) || path.is_any_depth(name)
    };
    let first = &*path.segments()[0];
    if !known(RECORD_FIELDS, first) {
        return Err(unknown_field(name, first));
    }
    match path.segments().get(1) {
        Some(second) if first.eq_ignore_ascii_case("userIdentity") && !known(IDENTITY_FIELDS, second) => {
            let near = nearest(second, IDENTITY_FIELDS.iter().copied()).map(|near| format!("userIdentity.{near}"));
            Err(Problem::new(format!("no record has a field `{first}.{second}`"))
                .near_or(near.as_deref(), || format!("below `userIdentity` there are {}", IDENTITY_FIELDS.join(", "))))
        }
        _ => Ok(()),
    }
}

fn unknown_field(name: &str, first: &str) -> Problem {
    let derived = Derived::ALL.iter().map(|&(name, _)| name);
    let family: Vec<&str> =
        derived.clone().filter(|known| known.split_once('.').is_some_and(|(family, _)| family == first)).collect();
    if !family.is_empty() {
        return Problem::new(format!("unknown field `{name}`"))
            .near_or(nearest(name, family.iter().copied()), || format!("expected one of {}", family.join(", ")));
    }
    let problem = Problem::new(format!("no record has a field `{first}`")).at(0..first.len());
    if let Some(rest) = name.strip_prefix("$.") {
        return problem.hint(format!("fields stand without `$.` here: `{rest}`"));
    }
    if first.eq_ignore_ascii_case("not") {
        return problem.hint("modifiers stand behind the field: `\"eventName|not\"`");
    }
    if let Some(near) = nearest(first, RECORD_FIELDS.iter().copied()) {
        return problem.hint(format!("did you mean `{near}{}`?", name.get(first.len()..).unwrap_or("")));
    }
    match nearest(name, derived) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        // A bare name is often a parameter written without the way to it.
        None => problem.hint(format!("a parameter of the call is `requestParameters.{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_come_to_a_shape() {
        let shape = |key: &str| parse(key, Scope::Event).unwrap().shape;
        assert_eq!(shape("eventName"), Shape::default());
        let contains = Shape { operator: Operator::Contains, ..Shape::default() };
        assert_eq!(shape("userAgent|contains"), contains);
        assert_eq!(shape("userAgent|not|contains|nocase"), Shape { not: true, nocase: true, ..contains });
        assert_eq!(shape("resources|len|gte").measure, Some(Measure::Length));
        assert_eq!(parse("outcome", Scope::Event).unwrap().field, Field::Derived(Derived::Outcome));
    }

    #[test]
    fn names_are_checked() {
        for (key, message, hint) in [
            ("eventnam", "no record has a field `eventnam`", "did you mean `eventName`?"),
            ("actor.nmae", "unknown field `actor.nmae`", "did you mean `actor.name`?"),
            (
                "userIdentity.username2",
                "no record has a field `userIdentity.username2`",
                "did you mean `userIdentity.userName`?",
            ),
            (
                "requestParameter.bucketName",
                "no record has a field `requestParameter`",
                "did you mean `requestParameters.bucketName`?",
            ),
            (
                "bucketName",
                "no record has a field `bucketName`",
                "a parameter of the call is `requestParameters.bucketName`",
            ),
            ("eventName|contians", "unknown modifier `contians`", "did you mean `contains`?"),
            ("eventName|prefix", "unknown modifier `prefix`", "did you mean `startswith`?"),
            ("eventName|re|glob", "modifiers `re` and `glob` exclude each other", "write two lines, one with each"),
        ] {
            let problem = parse(key, Scope::Event).unwrap_err();
            assert_eq!((problem.message.as_str(), problem.hint.as_deref()), (message, Some(hint)), "{key}");
        }
        for (key, part) in [
            ("userAgent|not|contians", 14..22),
            ("userAgent|not|contains|not", 23..26),
            ("eventnam|not", 0..8),
            ("requestParameters.a|gt|nocase", 23..29),
            ("userAgent|", 10..10),
        ] {
            assert_eq!(parse(key, Scope::Event).unwrap_err().part, Some(part), "{key}");
        }
        for key in ["eventName|not|not", "eventName|gt|nocase", "eventName|exists|all", "a..b", "eventName|len|hour"] {
            assert!(parse(key, Scope::Event).is_err(), "{key}");
        }
    }
}
