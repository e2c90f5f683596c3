//! What is odd about a rule that is not wrong: it lacks tests, says a thing in a roundabout way, or can hardly match.
//!
//! What comes from outside is in the [`Context`], so the same rule is judged the same on the same day.

use std::collections::HashSet;

use jiff::civil::Date;

use super::{Diagnostic, Exception, Rule, Written};
use crate::condition::{Condition, Field, Line, Literal, Predicate, Test, Within};
use crate::event::dictionary::{IDENTITY_FIELDS, RECORD_FIELDS, nearest};
use crate::event::{self, Case};

mod calls;
mod carrier;
mod kinds;
mod known;

pub(super) use known::DATA_EVENTS;
mod regex;
mod tested;

pub use calls::Calls;
pub use carrier::Carrier;

/// What lints go by, besides the rule.
#[derive(Debug)]
pub struct Context<'c> {
    /// The day, in UTC.
    pub today: Date,
    /// The calls that services have.
    pub calls: &'c Calls,
    /// The way by which records will come, if that is known.
    pub carrier: Option<Carrier>,
}

/// The tag with which a rule says itself that it needs data events.
const NEEDS_DATA_EVENTS: &str = "needs.data-events";

/// Something odd, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// What sort of thing it is.
    pub code: LintCode,
    /// Where, what, and what to do.
    pub diagnostic: Diagnostic,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The sorts of odd things.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum LintCode { $($(#[$doc])* $name,)* }

        impl LintCode {
            /// Every code, in alphabetical order.
            pub const ALL: &'static [LintCode] = &[$(Self::$name,)*];

            /// The name that messages use.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    /// A word that CloudTrail spells with other letters large.
    CaseMismatch = "case-mismatch",
    /// A call that a trail carries only where its event selectors ask for it.
    DataEvent = "data-event",
    /// A list without values, which nothing is in.
    EmptyList = "empty-list",
    /// An exception that excepts everything the rule matches.
    ExceptionCoversRule = "exception-covers-rule",
    /// An exception whose last day is past.
    ExceptionExpired = "exception-expired",
    /// An exception in a file of its own that no rule has.
    ExceptionUnused = "exception-unused",
    /// A string that is probably a truth value in the record.
    FlagInQuotes = "flag-in-quotes",
    /// Lines that cannot hold together.
    NeverMatches = "never-matches",
    /// A rule of which no test says that it matches.
    NoFiringTest = "no-firing-test",
    /// A rule of which no test says what it must not match.
    NoNearMiss = "no-near-miss",
    /// A rule without tests.
    NoTest = "no-test",
    /// Events that do not come by the way that was named.
    NotCarried = "not-carried",
    /// A text test of a field that holds an object, which has no text.
    ObjectAsText = "object-as-text",
    /// A regular expression that asks for a plain text.
    PlainRegex = "plain-regex",
    /// A `*` that stands for itself.
    PlainStar = "plain-star",
    /// A member of a test's event that no record has.
    TestFieldUnknown = "test-field-unknown",
    /// A string asked of what is never one, or the other way round.
    TypeMismatch = "type-mismatch",
    /// A call that its service does not have.
    UnknownEventName = "unknown-event-name",
    /// A field that no record has.
    UnknownField = "unknown-field",
}

/// Says what is odd about a rule, in the order of its text.
pub fn lint(rule: &Rule, context: &Context<'_>) -> Vec<Lint> {
    let mut linter = Linter { rule, context, lints: Vec::new() };
    linter.tests();
    linter.tested();
    linter.predicates();
    linter.branches();
    context.carrier.into_iter().for_each(|carrier| linter.carried(carrier));
    rule.exceptions.iter().for_each(|exception| linter.exception(exception, context.today));
    linter.lints.sort_by_key(|lint| lint.diagnostic.span.start);
    linter.lints
}

struct Linter<'r> {
    rule: &'r Rule,
    context: &'r Context<'r>,
    lints: Vec<Lint>,
}

impl<'r> Linter<'r> {
    fn at(&self, place: std::ops::Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.rule.source, place, message)
    }

    fn at_predicate(&self, predicate: &Predicate, message: impl Into<String>) -> Diagnostic {
        match self.rule.place_of(predicate) {
            Some(Written { source, span }) => Diagnostic::new(&source, span, message),
            None => self.at(self.rule.id_place(), message),
        }
    }

    fn add(&mut self, code: LintCode, diagnostic: Diagnostic) {
        self.lints.push(Lint { code, diagnostic });
    }

    fn tests(&mut self) {
        // A Sigma rule has no place for tests.
        if self.rule.is_sigma() {
            return;
        }
        let tests = &self.rule.tests;
        let (code, message) = match (tests.iter().any(|test| test.matches), tests.iter().any(|test| !test.matches)) {
            (true, true) => return,
            (false, false) => (LintCode::NoTest, "no test shows what the rule matches, or does not"),
            (false, true) => (LintCode::NoFiringTest, "no test shows what the rule matches"),
            (true, false) => (LintCode::NoNearMiss, "no test shows what the rule must not match"),
        };
        let expect = if code == LintCode::NoNearMiss { "no match" } else { "match" };
        let hint = format!("add a `[[test]]` with `expect = \"{expect}\"`");
        self.add(code, self.at(self.rule.id_place(), message).hint(hint));
    }

    /// What is odd about predicates by themselves.
    fn predicates(&mut self) {
        let rule = self.rule;
        rule.condition.visit(&mut |predicate| {
            self.kind(predicate);
            match &predicate.test {
                Test::Within(within) => self.inside(predicate, within),
                Test::Equals(Literal::Text(text)) if !text.nocase() => self.text(predicate, text.as_str()),
                Test::StartsWith(text) => self.star_in_part(predicate, text.as_str(), "", "*"),
                Test::EndsWith(text) => self.star_in_part(predicate, text.as_str(), "*", ""),
                Test::Contains(text) => self.star_in_part(predicate, text.as_str(), "*", "*"),
                _ => self.roundabout(predicate, predicate),
            }
        });
        self.fields();
    }

    /// What is odd about fields, once for each.
    fn fields(&mut self) {
        let rule = self.rule;
        let mut seen = HashSet::new();
        rule.condition.visit(&mut |predicate| {
            if let Field::Path(path) = &predicate.field
                && seen.insert((&predicate.field, wants_text(&predicate.test)))
            {
                self.unknown_field(predicate, path);
                self.object_as_text(predicate);
            }
        });
    }

    /// A path that ignores case was looked up when it was read.
    fn unknown_field(&mut self, predicate: &Predicate, path: &event::Path) {
        if path.case() == Case::Insensitive {
            return;
        }
        let (known, name) = match path.segments() {
            [first, second, ..] if &**first == "userIdentity" => (IDENTITY_FIELDS, second),
            [first, ..] => (RECORD_FIELDS, first),
            [] => return,
        };
        if known.contains(&&**name) {
            return;
        }
        let diagnostic = self.at_field(predicate, format!("no record has a field `{}`", predicate.field));
        let hint = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.add(LintCode::UnknownField, Diagnostic { hint, ..diagnostic.label("this is as if it were missing") });
    }

    fn object_as_text(&mut self, predicate: &Predicate) {
        let field = &predicate.field;
        if wants_text(&predicate.test) && known::OBJECTS.iter().any(|object| is_named(field, object)) {
            let diagnostic = self.at_field(predicate, format!("`{field}` is an object, which has no text"));
            let hint = format!("name what is in it: `{field}.…`");
            self.add(LintCode::ObjectAsText, diagnostic.hint(hint));
        }
    }

    /// At the line of a predicate; where the places of predicates are not kept, at the first line with its field.
    fn at_field(&self, predicate: &Predicate, message: impl Into<String>) -> Diagnostic {
        if let Some(Written { source, span }) = self.rule.place_of(predicate) {
            return Diagnostic::new(&source, span, message);
        }
        let place = (|| {
            let name = predicate.field.to_string();
            let text = &self.rule.source.text;
            let start = self.rule.start;
            let detection = start + text[start..].find("detection").unwrap_or(0);
            let is_key = |at: &usize| {
                let inside = text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
                *at >= detection && !inside && text[at + name.len()..].starts_with([':', '|'])
            };
            let start = text.match_indices(&name).map(|(at, _)| at).find(is_key)?;
            Some(start..start + name.len())
        })();
        self.at(place.unwrap_or_else(|| self.rule.id_place()), message)
    }

    /// What is odd about lines inside a value, whose place is that of the whole.
    fn inside(&mut self, whole: &Predicate, within: &Within) {
        within.condition.visit(&mut |predicate| match &predicate.test {
            Test::Within(within) => self.inside(whole, within),
            _ => self.roundabout(predicate, whole),
        });
    }

    /// What is said in a roundabout way, or said of a string and meant of a truth value, whatever the field.
    fn roundabout(&mut self, predicate: &Predicate, whole: &Predicate) {
        match &predicate.test {
            Test::Fits(pattern) if !pattern.is_glob() => {
                self.regex(predicate, pattern.source(), predicate.test.nocase(), whole)
            }
            Test::Equals(Literal::Text(text)) if !text.nocase() && matches!(text.as_str(), "true" | "false") => {
                self.flag(text.as_str(), whole)
            }
            _ => {}
        }
    }

    fn flag(&mut self, text: &str, place: &Predicate) {
        let diagnostic = self.at_predicate(place, format!("`\"{text}\"` is not the truth value {text}"));
        let hint = format!("write `{text}` without quotes: it is the truth value, and also the string");
        self.add(LintCode::FlagInQuotes, diagnostic.hint(hint));
    }

    fn regex(&mut self, predicate: &Predicate, source: &str, nocase: bool, place: &Predicate) {
        let Some((modifier, text)) = regex::plain(source) else { return };
        let nocase = if nocase { "|nocase" } else { "" };
        let key = format!("{}{nocase}{modifier}", predicate.field);
        let key = if key.contains('|') { format!("\"{key}\"") } else { key };
        let diagnostic = self.at_predicate(place, "this regular expression asks for a plain text");
        self.add(LintCode::PlainRegex, diagnostic.hint(format!("write `{key} = {text:?}`")));
    }

    /// A `*` in a part of a name, none of which has one.
    fn star_in_part(&mut self, predicate: &Predicate, text: &str, before: &str, after: &str) {
        let is_name = ["eventName", "eventSource", "awsRegion"].iter().any(|name| is_named(&predicate.field, name));
        if is_name && text.contains('*') {
            let (field, glob) = (&predicate.field, format!("{before}{text}{after}").replace("**", "*"));
            let message = format!("`{field}` never has `{text}` in it: `*` stands for itself");
            let diagnostic = self.at_predicate(predicate, message);
            self.add(LintCode::PlainStar, diagnostic.hint(format!("write `\"{field}|glob\" = {glob:?}`")));
        }
    }

    fn text(&mut self, predicate: &Predicate, text: &str) {
        let field = predicate.field.to_string();
        if matches!(text, "true" | "false") && matches!(predicate.field, Field::Path(_)) {
            return self.flag(text, predicate);
        }
        if text.contains('*') && is_single(&predicate.field) && matches!(predicate.field, Field::Path(_)) {
            let diagnostic =
                self.at_predicate(predicate, format!("`{field}` is never `{text}`: `*` stands for itself"));
            return self.add(LintCode::PlainStar, diagnostic.hint(format!("write `\"{field}|glob\" = {text:?}`")));
        }
        let words =
            known::WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&field)).map_or(&[][..], |known| known.1);
        let other_case = words.iter().find(|word| **word != text && word.eq_ignore_ascii_case(text));
        let lower = text.to_ascii_lowercase();
        let region = (field.eq_ignore_ascii_case("awsRegion") && lower != text).then_some(lower.as_str());
        if let Some(meant) = other_case.copied().or(region) {
            let diagnostic = self.at_predicate(predicate, format!("`{field}` is never `{text}`: case counts"));
            self.add(LintCode::CaseMismatch, diagnostic.hint(format!("write `{meant}`")));
        }
    }

    /// What is odd about lines that stand together.
    fn branches(&mut self) {
        let branches = branches(self.rule);
        let broken: Vec<Option<&Predicate>> = branches.iter().map(|lines| contradiction(lines)).collect();
        let every = broken.iter().all(Option::is_some);
        for predicate in broken.into_iter().flatten().take(if every { 1 } else { usize::MAX }) {
            let what = if every { "the rule can never match" } else { "this alternative can never hold" };
            let diagnostic = self.at_predicate(predicate, what).label("contradicts another line");
            self.add(LintCode::NeverMatches, diagnostic);
        }
        let (mut seen, mut seen_kinds) = (HashSet::new(), HashSet::new());
        for lines in &branches {
            let Some(service) = only_service(lines) else { continue };
            for predicate in lines.iter().filter_map(|line| wanted_names(line)).flatten() {
                if seen.insert(std::ptr::from_ref(predicate)) {
                    self.event_name(service, predicate);
                }
            }
            for predicate in lines.iter().flat_map(|line| predicates_of(line)) {
                if seen_kinds.insert(std::ptr::from_ref(predicate)) {
                    self.parameter_kind(service, predicate);
                }
            }
        }
    }

    fn event_name(&mut self, service: &str, predicate: &Predicate) {
        let Some(name) = exact(predicate).filter(|name| !name.contains('*')) else { return };
        if let Err(hint) = self.context.calls.judge(service, name) {
            let diagnostic = self.at_predicate(predicate, format!("`{service}` has no call `{name}`"));
            return self.add(LintCode::UnknownEventName, Diagnostic { hint, ..diagnostic });
        }
        let is_said = self.rule.tags.iter().any(|tag| tag == NEEDS_DATA_EVENTS);
        let data = known::DATA_EVENTS.iter().find(|(known, _)| *known == service);
        if !is_said && data.is_some_and(|(_, calls)| calls.contains(&name)) {
            let diagnostic = self.at_predicate(predicate, format!("`{name}` is a data event"));
            let hint =
                "a trail carries it only where its event selectors ask for it; say so with the tag `needs.data-events`";
            self.add(LintCode::DataEvent, diagnostic.hint(hint));
        }
    }

    fn is_own(&self, exception: &Exception) -> bool {
        exception.written.source == self.rule.source
    }

    /// Which rule is meant, where the exception does not stand in it.
    fn of_rule(&self, exception: &Exception) -> String {
        if self.is_own(exception) { String::new() } else { format!("the rule is `{}`", self.rule.id) }
    }

    fn exception(&mut self, exception: &Exception, today: Date) {
        // What is in a file of its own is told once, and not of each of its rules.
        if self.is_own(exception) {
            self.lints.extend(expired(exception, today));
        }
        let lines: Vec<&Condition> = conjuncts(&exception.when).filter(|line| !is_expiry(line)).collect();
        let covered = |branch: &Vec<&Condition>| lines.iter().all(|line| branch.iter().any(|own| implies(own, line)));
        if branches(self.rule).iter().all(covered) {
            let message = format!("exception `{}` covers the whole rule", exception.name);
            let diagnostic = at(exception, message).label(self.of_rule(exception));
            self.add(LintCode::ExceptionCoversRule, diagnostic.hint("except less, or switch the rule off"));
        }
    }
}

/// Says so if the last day of an exception is past.
pub(super) fn expired(exception: &Exception, today: Date) -> Option<Lint> {
    let day = exception.expires.filter(|day| *day < today)?;
    let diagnostic = at(exception, format!("exception `{}` expired on {day}", exception.name));
    let diagnostic = diagnostic.hint("take it out, or give it a later day");
    Some(Lint { code: LintCode::ExceptionExpired, diagnostic })
}

/// A complaint about an exception.
fn at(exception: &Exception, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&exception.written.source, exception.written.span.clone(), message)
}

/// The lines that hold together if a rule matches, once for each alternative.
fn branches(rule: &Rule) -> Vec<Vec<&Condition>> {
    let (wanted, _) = rule.parted(&rule.condition);
    let mut lines: Vec<&Condition> = wanted.into_iter().flat_map(conjuncts).collect();
    let group = lines.iter().position(|line| matches!(line, Condition::Any(_)) && Line::of(*line).is_none());
    match group.map(|group| lines.remove(group)) {
        Some(Condition::Any(alternatives)) => alternatives
            .iter()
            .map(|alternative| lines.iter().copied().chain(conjuncts(alternative)).collect())
            .collect(),
        _ => vec![lines],
    }
}

fn conjuncts(condition: &Condition) -> impl Iterator<Item = &Condition> {
    match condition {
        Condition::All(inner) => inner.iter(),
        other => std::slice::from_ref(other).iter(),
    }
}

/// The predicates of a line, whether they are wanted or not.
fn predicates_of(line: &Condition) -> Vec<&Predicate> {
    Line::of(line).map(|line| line.predicates).unwrap_or_default()
}

/// Whether some service has a data event of that name.
fn is_data_call(name: &str) -> bool {
    known::DATA_EVENTS.iter().any(|(_, calls)| calls.contains(&name))
}

fn is_expiry(condition: &Condition) -> bool {
    matches!(condition, Condition::Is(Predicate { test: Test::Before(_), .. }))
}

/// Whether a test asks for the text of a value, or for its number.
fn wants_text(test: &Test) -> bool {
    match test {
        Test::Loosely(inner) => wants_text(inner),
        Test::Equals(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Contains(_) | Test::Fits(_) => true,
        _ => false,
    }
}

/// The exact string that a predicate asks for.
fn exact(predicate: &Predicate) -> Option<&str> {
    match &predicate.test {
        Test::Equals(Literal::Text(text)) if !text.nocase() => Some(text.as_str()),
        _ => None,
    }
}

/// The exact strings of which a line asks for any, and its field.
fn exacts(condition: &Condition) -> Option<(&Field, bool, HashSet<&str>)> {
    let line = Line::of(condition)?;
    let texts: Option<HashSet<&str>> = line.predicates.iter().map(|predicate| exact(predicate)).collect();
    let any = !line.all || line.predicates.len() == 1;
    texts.filter(|_| any).map(|texts| (line.field(), line.negated, texts))
}

/// Whether the one line cannot hold without the other.
fn implies(line: &Condition, other: &Condition) -> bool {
    line == other
        || match (exacts(line), exacts(other)) {
            (Some((field, false, texts)), Some((same, false, more))) => field == same && texts.is_subset(&more),
            _ => false,
        }
}

/// A predicate of a line that cannot hold beside another one.
fn contradiction<'c>(lines: &[&'c Condition]) -> Option<&'c Predicate> {
    lines.iter().enumerate().skip(1).find_map(|(number, line)| {
        let broken = lines[..number].iter().any(|earlier| contradict(earlier, line));
        broken.then(|| Line::of(*line).map(|line| line.predicates[0])).flatten()
    })
}

fn contradict(one: &Condition, other: &Condition) -> bool {
    if one.clone().negated() == *other {
        return true;
    }
    match (exacts(one), exacts(other)) {
        (Some((field, false, some)), Some((same, false, others))) if field == same => {
            is_single(field) && some.is_disjoint(&others)
        }
        // Of a field with several values one may be asked for and another ruled out.
        (Some((field, false, some)), Some((same, true, ruled_out)))
        | (Some((same, true, ruled_out)), Some((field, false, some)))
            if field == same =>
        {
            some.is_subset(&ruled_out)
        }
        _ => false,
    }
}

fn is_single(field: &Field) -> bool {
    match field {
        Field::Derived(_) => true,
        Field::Anywhere | Field::Enveloped(_) => false,
        Field::Path(path) => known::SINGLE.iter().any(|single| single.eq_ignore_ascii_case(&path.to_string())),
    }
}

fn is_named(field: &Field, name: &str) -> bool {
    matches!(field, Field::Path(path) if path.to_string().eq_ignore_ascii_case(name))
}

/// The one service that lines ask for.
fn only_service<'c>(lines: &[&'c Condition]) -> Option<&'c str> {
    let mut services = lines
        .iter()
        .filter_map(|line| exacts(line))
        .filter(|(field, negated, texts)| is_named(field, "eventSource") && !negated && texts.len() == 1);
    services.next()?.2.into_iter().next()
}

/// The predicates of a line that asks for names of calls.
fn wanted_names(line: &Condition) -> Option<Vec<&Predicate>> {
    let (field, negated, _) = exacts(line)?;
    (is_named(field, "eventName") && !negated).then(|| Line::of(line).map(|line| line.predicates)).flatten()
}
