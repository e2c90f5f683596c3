//! Named selections and what joins them: `selection and not 1 of filter*`, in Sigma rules and in ours.
//!
//! From least to most binding: `or`, `and`, `not`, `1 of` and `all of`. The words mind no case.

use std::ops::Range;

use super::key::Problem;
use super::shared::Shared;
use crate::condition::Condition;
use crate::event::dictionary::nearest;

/// The deepest nesting of parentheses and `not`s.
const NESTING_MAX: usize = 50;
/// The most predicates that a rule may come to once its selections stand where they are named.
pub(super) const PREDICATES_MAX: usize = 50_000;

/// The longest expression, in words.
const WORDS_MAX: usize = 2_000;
/// The most selections of a rule.
pub(super) const SELECTIONS_MAX: usize = 1_000;

/// What must hold of the selections, and where each part of it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// `name`
    Name(String, Range<usize>),
    /// `1 of name*` and, if the flag is set, `all of name*`; `them` is `*`.
    Of(bool, String, Range<usize>),
}

/// A selection: its name and what it means; `None` if it is broken, which has been told.
pub(super) type Selection = (String, Option<Condition>);

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expression, Problem> {
    let words = words(text);
    if words.len() > WORDS_MAX {
        return Err(Problem::new(format!("a condition of {} words", words.len())).label(format!("at most {WORDS_MAX}")));
    }
    let mut parser = Parser { text, words, at: 0 };
    let expression = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("expected `and`, `or` or the end")),
    }
}

/// The words and parentheses of a text, with their places.
fn words(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let len = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' | ')' | '|' => 1,
            _ => text[at..].find(|c: char| c.is_whitespace() || "()|".contains(c)).unwrap_or(text.len() - at),
        };
        words.push((&text[at..at + len], at..at + len));
        at += len;
    }
    words
}

/// Signs that other languages have for words of this one.
const SIGNS: [(&str, &str); 4] = [("&", "and"), ("&&", "and"), ("!", "not"), (",", "and")];

/// What cannot be the name of a selection.
const WORDS: [&str; 6] = ["and", "or", "not", "of", "them", "all"];

struct Parser<'t> {
    text: &'t str,
    words: Vec<(&'t str, Range<usize>)>,
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.at).map(|(word, _)| *word)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// The place of the word at hand, or the end.
    fn place(&self) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.words.get(self.at).map_or(end.saturating_sub(1)..end, |(_, place)| place.clone())
    }

    fn error(&self, message: impl Into<String>) -> Problem {
        Problem { part: Some(self.place()), ..Problem::new(message) }
    }

    fn unexpected(&self, expected: &str) -> Problem {
        match self.peek() {
            None => self.error("the condition ends too early").label(expected),
            Some("|") if self.words.get(self.at + 1).is_some_and(|(next, _)| *next == "|") => {
                self.error("`||` is not of this language").hint("write `or`")
            }
            Some("|") => self
                .error("a condition with `|` counts events, and rules judge one event at a time")
                .hint("leave out what follows `|`, if the rule is of use without it"),
            Some("near") => self.error("`near` joins several events, and rules judge one event at a time"),
            Some(")") => self.error("this `)` closes nothing"),
            Some(word) => {
                let problem = self.error(format!("`{word}` does not belong here"));
                match self.meant(word) {
                    Some(hint) => problem.hint(hint),
                    None => problem.label(expected),
                }
            }
        }
    }

    /// What a word was meant to be that does not belong where it stands; or what the one before it was.
    fn meant(&self, word: &str) -> Option<String> {
        if let Some((_, meant)) = SIGNS.iter().find(|(sign, _)| *sign == word) {
            return Some(format!("write `{meant}`"));
        }
        if let Some(near) = nearest(word, ["and", "or"]) {
            return Some(format!("did you mean `{near}`?"));
        }
        let (before, _) = self.words.get(self.at.checked_sub(1)?)?;
        let is_not = nearest(before, ["not"]).is_some();
        is_not.then(|| format!("did you mean `not` where `{before}` stands?"))
    }

    fn alternatives(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut parts = vec![self.conjunction(depth)?];
        while self.take("or") {
            parts.push(self.conjunction(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut parts = vec![self.term(depth)?];
        while self.take("and") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Expression, Problem> {
        if depth >= NESTING_MAX {
            return Err(self.error("nested too deeply").label(format!("at most {NESTING_MAX} deep")));
        }
        if self.take("not") {
            return Ok(Expression::Not(Box::new(self.term(depth + 1)?)));
        }
        let start = self.place();
        if self.take("(") {
            let inner = self.alternatives(depth + 1)?;
            return match self.take(")") {
                true => Ok(inner),
                false if self.peek().is_none() => {
                    Err(Problem { part: Some(start), ..Problem::new("this `(` is not closed") })
                }
                false => Err(self.unexpected("expected `and`, `or` or `)`")),
            };
        }
        let is_of = self.words.get(self.at + 1).is_some_and(|(word, _)| word.eq_ignore_ascii_case("of"));
        if is_of { self.of(start) } else { self.name() }
    }

    /// `1 of them`, `any of them`, `all of them`; or a name with `*` for `them`.
    fn of(&mut self, start: Range<usize>) -> Result<Expression, Problem> {
        let all = match self.peek().map(str::to_ascii_lowercase).as_deref() {
            Some("1" | "any") => false,
            Some("all") => true,
            other => {
                let how_many = other.unwrap_or("").to_owned();
                let problem = self.error(format!("`{how_many} of` is not known"));
                return Err(problem.label("expected `1 of` or `all of`"));
            }
        };
        self.at += 2;
        let end = self.place().end;
        match self.peek() {
            Some(word) if word.eq_ignore_ascii_case("them") => {
                self.at += 1;
                Ok(Expression::Of(all, "*".to_owned(), start.start..end))
            }
            Some(word) if is_name(word) => {
                self.at += 1;
                Ok(Expression::Of(all, word.to_owned(), start.start..end))
            }
            _ => Err(self.unexpected("expected `them`, or a name with `*`")),
        }
    }

    fn name(&mut self) -> Result<Expression, Problem> {
        match self.peek() {
            Some(word) if word.starts_with('!') => {
                Err(self.error("`!` is not of this language").hint(format!("write `not {}`", &word[1..])))
            }
            Some(word) if is_name(word) => {
                let place = self.place();
                self.at += 1;
                Ok(Expression::Name(word.to_owned(), place))
            }
            _ => Err(self.unexpected("expected the name of a selection")),
        }
    }
}

fn is_name(word: &str) -> bool {
    !matches!(word, "(" | ")" | "|") && !WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a selection may bear a name, so that a condition can name it.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    if words(name).len() != 1 || !is_name(name) || name.contains('*') {
        return Err(Problem::new(format!("`{name}` cannot be the name of a selection"))
            .label("letters, digits, `_` and `-`, and no word of the condition's language"));
    }
    Ok(())
}

impl Expression {
    /// Which selections are named, in whatever way.
    pub(super) fn names<'s>(&self, selections: &'s [Selection]) -> Vec<&'s str> {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().flat_map(|inner| inner.names(selections)).collect(),
            Self::Not(inner) => inner.names(selections),
            Self::Name(name, _) => selections.iter().map(|(known, _)| known.as_str()).filter(|k| k == name).collect(),
            Self::Of(_, pattern, _) => matching(pattern, selections).map(|(name, _)| name.as_str()).collect(),
        }
    }

    /// Puts selections where they are named, the rule's own or shared ones. `None` if one of them is broken.
    pub(super) fn resolve(&self, selections: &[Selection], shared: &Shared) -> Result<Option<Condition>, Problem> {
        Resolver { selections, shared, predicates: 0 }.resolve(self)
    }
}

/// The selections that fit a name with `*`. Those whose name begins with `_` are meant only where the pattern's does.
fn matching<'s>(pattern: &str, selections: &'s [Selection]) -> impl Iterator<Item = &'s Selection> {
    selections.iter().filter(move |(name, _)| pattern.starts_with('_') || !name.starts_with('_')).filter(
        move |(name, _)| {
            let mut parts = pattern.split('*');
            let first = parts.next().unwrap_or("");
            let Some(mut rest) = name.strip_prefix(first) else { return false };
            let Some(last) = pattern.contains('*').then(|| parts.next_back().unwrap_or("")) else {
                return rest.is_empty();
            };
            for part in parts {
                let Some(at) = rest.find(part) else { return false };
                rest = &rest[at + part.len()..];
            }
            rest.ends_with(last)
        },
    )
}

struct Resolver<'s> {
    selections: &'s [Selection],
    shared: &'s Shared,
    predicates: usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, expression: &Expression) -> Result<Option<Condition>, Problem> {
        match expression {
            Expression::All(inner) => Ok(self.each(inner)?.map(Condition::all)),
            Expression::Any(inner) => Ok(self.each(inner)?.map(Condition::any)),
            Expression::Not(inner) => Ok(self.resolve(inner)?.map(Condition::negated)),
            Expression::Name(name, place) => {
                let selections = self.selections;
                let shared = self.shared.selection(name);
                match (selections.iter().find(|(known, _)| known == name), shared) {
                    (Some((_, selection)), _) => self.put(selection.as_ref(), place),
                    (None, Ok(shared)) => self.put(shared.map(|shared| &shared.condition), place),
                    (None, Err(_)) => Err(self.unknown(name, place)),
                }
            }
            Expression::Of(all, pattern, place) => {
                let selections = self.selections;
                let found: Vec<&Selection> = matching(pattern, selections).collect();
                if found.is_empty() {
                    return Err(self.unknown(pattern, place));
                }
                let parts: Result<Option<Vec<Condition>>, Problem> =
                    found.into_iter().map(|(_, selection)| self.put(selection.as_ref(), place)).collect();
                Ok(parts?.map(if *all { Condition::all } else { Condition::any }))
            }
        }
    }

    fn each(&mut self, inner: &[Expression]) -> Result<Option<Vec<Condition>>, Problem> {
        // All are gone through, so that an unknown name is told beside a broken selection.
        let parts: Result<Vec<Option<Condition>>, Problem> = inner.iter().map(|inner| self.resolve(inner)).collect();
        Ok(parts?.into_iter().collect())
    }

    fn put(&mut self, selection: Option<&Condition>, place: &Range<usize>) -> Result<Option<Condition>, Problem> {
        let Some(condition) = selection else { return Ok(None) };
        condition.visit(&mut |_| self.predicates += 1);
        match self.predicates > PREDICATES_MAX {
            true => Err(Problem {
                part: Some(place.clone()),
                ..Problem::new(format!("the rule comes to more than {PREDICATES_MAX} predicates"))
            }),
            false => Ok(Some(condition.clone())),
        }
    }

    fn unknown(&self, name: &str, place: &Range<usize>) -> Problem {
        let names = self.selections.iter().map(|(name, _)| name.as_str()).chain(self.shared.selection_names());
        let problem = match name {
            "*" => Problem::new("there is no selection"),
            name if name.contains('*') => Problem::new(format!("no selection fits `{name}`")),
            name => Problem::new(format!("there is no selection `{name}`")),
        };
        let listed: Vec<&str> = names.clone().take(NAMES_SHOWN_MAX).collect();
        let problem = problem.near_or(nearest(name.trim_end_matches('*'), names), || match listed.is_empty() {
            true => String::new(),
            false => format!("expected one of {}", listed.join(", ")),
        });
        Problem { part: Some(place.clone()), ..problem }
    }
}

/// How many selections a message lists.
const NAMES_SHOWN_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Field, Test};
    use crate::event::{Case, Path};

    /// What an expression comes to, with the selections' names for their conditions.
    fn resolved(text: &str) -> Result<String, Problem> {
        let names = ["sel", "sel_a", "sel_b", "filter_x", "_hidden", "_hidden2"];
        let condition =
            |name: &str| Condition::is(Field::Path(Path::parse(name, Case::Sensitive).unwrap()), Test::Exists);
        let selections: Vec<Selection> = names.iter().map(|name| (name.to_string(), Some(condition(name)))).collect();
        Ok(drawn(&parse(text)?.resolve(&selections, &Shared::default())?.unwrap()))
    }

    fn drawn(condition: &Condition) -> String {
        let joined = |inner: &[Condition], with: &str| inner.iter().map(drawn).collect::<Vec<_>>().join(with);
        match condition {
            Condition::All(inner) => format!("({})", joined(inner, "&")),
            Condition::Any(inner) => format!("({})", joined(inner, "|")),
            Condition::Not(inner) => format!("!{}", drawn(inner)),
            Condition::Is(predicate) => predicate.field.to_string(),
            #[allow(unreachable_patterns, reason = "the form may have more")]
            _ => String::new(),
        }
    }

    #[test]
    fn expressions_bind_as_sigma_says() {
        for (text, expected) in [
            ("sel", "sel"),
            ("sel and filter_x", "(sel&filter_x)"),
            ("sel or sel_a and sel_b", "(sel|(sel_a&sel_b))"),
            ("(sel or sel_a) and sel_b", "((sel|sel_a)&sel_b)"),
            ("not sel and sel_a", "(!sel&sel_a)"),
            ("not (sel or sel_a)", "!(sel|sel_a)"),
            ("not not sel", "sel"),
            ("sel AND NOT filter_x", "(sel&!filter_x)"),
            ("1 of sel_*", "(sel_a|sel_b)"),
            ("any of sel_*", "(sel_a|sel_b)"),
            ("all of sel_*", "(sel_a&sel_b)"),
            ("not 1 of sel_* and sel", "(!(sel_a|sel_b)&sel)"),
            ("1 of *_b", "sel_b"),
            ("1 of s*_*a", "sel_a"),
            ("all of sel", "sel"),
            ("1 of them", "(sel|sel_a|sel_b|filter_x)"),
            ("all of _hid*", "(_hidden&_hidden2)"),
            ("sel and _hidden", "(sel&_hidden)"),
            ("(sel)or(sel_a)", "(sel|sel_a)"),
        ] {
            assert_eq!(resolved(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_told_with_its_place() {
        for (text, message, part) in [
            ("", "the condition ends too early", 0..0),
            ("sel and", "the condition ends too early", 6..7),
            ("sel sel_a", "`sel_a` does not belong here", 4..9),
            ("(sel or sel_a", "this `(` is not closed", 0..1),
            ("sel)", "this `)` closes nothing", 3..4),
            ("and sel", "`and` does not belong here", 0..3),
            ("2 of sel*", "`2 of` is not known", 0..1),
            ("1 of", "the condition ends too early", 3..4),
            ("sell", "there is no selection `sell`", 0..4),
            ("1 of x*", "no selection fits `x*`", 0..7),
            ("sel | count() > 5", "a condition with `|` counts events, and rules judge one event at a time", 4..5),
            ("sel near sel_a", "`near` joins several events, and rules judge one event at a time", 4..8),
        ] {
            let problem = resolved(text).unwrap_err();
            assert_eq!((problem.message.as_str(), problem.part), (message, Some(part)), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }
}
