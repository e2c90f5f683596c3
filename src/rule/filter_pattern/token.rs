//! The words of a filter pattern, each with its place.

use std::ops::Range;
use std::sync::Arc;

use super::complaint;
use crate::event::{Case, Path};
use crate::rule::diagnostic::{Diagnostic, SourceText};
use crate::rule::syntax::TYPOGRAPHIC;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Open,
    Close,
    ParenOpen,
    ParenClose,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// A selector, and through how many arrays it asks for every element.
    Selector(Path, usize),
    /// A string in quotes, its escapes resolved but for those that wildcards need.
    Quoted(String),
    /// `%…%`
    Regex(String),
    /// A word without quotes.
    Word(String),
}

const SIGNS: [(&str, Token); 12] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("!=", Token::NotEqual),
    ("<=", Token::LessOrEqual),
    (">=", Token::GreaterOrEqual),
    ("{", Token::Open),
    ("}", Token::Close),
    ("(", Token::ParenOpen),
    (")", Token::ParenClose),
    ("=", Token::Equal),
    ("<", Token::Less),
    (">", Token::Greater),
];

/// What other languages write, and what it is here.
const FOREIGN_SIGNS: [(&str, &str); 6] =
    [("==", "="), ("=~", "= %regex%"), ("!~", "!= %regex%"), ("<>", "!="), ("=>", ">="), ("=<", "<=")];

/// What no name without quotes has in it.
const NAME_ENDS: &str = "(){}[].:=<>!&|\"'%,";

/// The most digits of a position: no event has elements that need more.
const POSITION_DIGITS_MAX: usize = 6;

pub(super) fn tokens(source: &Arc<SourceText>) -> Result<Vec<(Token, Range<usize>)>, Diagnostic> {
    let text = source.text.as_str();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, len) = token(source, at)?;
        tokens.push((token, at..at + len));
        at += len;
    }
    Ok(tokens)
}

/// The token at a place that is no white space.
fn token(source: &Arc<SourceText>, at: usize) -> Result<(Token, usize), Diagnostic> {
    let rest = &source.text[at..];
    if let Some((sign, ours)) = FOREIGN_SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        let problem = complaint(source, at..at + sign.len(), &format!("`{sign}` is not of this language"));
        return Err(problem.hint(format!("write `{ours}`")));
    }
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((token.clone(), sign.len()));
    }
    match rest.as_bytes()[0] {
        b'$' => Selector { source, start: at, at: at + 1, names: Vec::new(), positions: Vec::new(), every: 0 }.read(),
        b'"' => quoted(source, at),
        b'%' => regex(source, at),
        b'\'' => Err(single_quotes(source, at)),
        b'[' => Err(list(source, at)),
        _ => word(source, at),
    }
}

/// A bracket that no selector stands before.
fn list(source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let rest = &source.text[at..];
    let len = rest.find(']').map_or(1, |close| close + 1);
    let problem = complaint(source, at..at + len, "a list is not of this language");
    problem.hint("each value has its comparison: `( $.a = one || $.a = two )`")
}

fn word(source: &Arc<SourceText>, at: usize) -> Result<(Token, usize), Diagnostic> {
    let rest = &source.text[at..];
    if let Some(quote) = rest.chars().next().filter(|c| TYPOGRAPHIC.contains(c)) {
        let inside =
            rest[quote.len_utf8()..].split(|c| TYPOGRAPHIC.contains(&c) || c == '"').next().unwrap_or_default();
        let problem = complaint(source, at..at + quote.len_utf8(), "a string stands in double quotes");
        return Err(problem.hint(format!("write `\"{inside}\"`, with plain quotes")));
    }
    let len = rest.find(|c: char| c.is_whitespace() || "(){}=<>!&|\"".contains(c)).unwrap_or(rest.len());
    match len {
        0 => Err(lone_sign(source, at)),
        len => Ok((Token::Word(rest[..len].to_owned()), len)),
    }
}

fn regex(source: &Arc<SourceText>, at: usize) -> Result<(Token, usize), Diagnostic> {
    let inside = &source.text[at + 1..];
    match inside.find('%') {
        Some(0) => Err(complaint(source, at..at + 2, "an empty regular expression").hint("write `%regex%`")),
        Some(end) => Ok((Token::Regex(inside[..end].to_owned()), end + 2)),
        None => Err(complaint(source, at..at + 1, "this `%` has no counterpart").hint("write `%regex%`")),
    }
}

fn single_quotes(source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let rest = &source.text[at..];
    let inside = rest[1..].split('\'').next().unwrap_or("");
    let len = (inside.len() + 2).min(rest.len());
    let problem = complaint(source, at..at + len, "a string stands in double quotes");
    problem.hint(format!("write `\"{inside}\"`"))
}

fn lone_sign(source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let sign = source.text[at..].chars().next().unwrap_or(' ');
    let problem = complaint(source, at..at + sign.len_utf8(), &format!("a lone `{sign}`"));
    match sign {
        '&' | '|' => problem.hint(format!("write `{sign}{sign}`")),
        '!' => problem.hint("write `!=`, or turn the comparisons round: there is no `!( … )`"),
        _ => problem,
    }
}

fn quoted(source: &Arc<SourceText>, start: usize) -> Result<(Token, usize), Diagnostic> {
    let mut value = String::new();
    let mut chars = source.text[start + 1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Quoted(value), at + 2)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '/'))) => value.push(escaped),
                // Wildcards need to know these two.
                Some((_, escaped)) => value.extend(['\\', escaped]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err(complaint(source, start..start + 1, "this quote is not closed").hint("write `\"` at the end of the string"))
}

/// Reads `$.a.b`, `$.a[0].b`, `$.a[*].b`, `$.['a.b']`.
struct Selector<'s> {
    source: &'s Arc<SourceText>,
    start: usize,
    at: usize,
    names: Vec<String>,
    positions: Vec<(usize, u32)>,
    every: usize,
}

impl Selector<'_> {
    fn read(mut self) -> Result<(Token, usize), Diagnostic> {
        loop {
            let rest = &self.source.text[self.at..];
            let bracket = rest.strip_prefix('.').unwrap_or(rest);
            if bracket.starts_with('[') {
                self.at += rest.len() - bracket.len();
                self.bracket()?;
            } else if rest.starts_with('.') {
                self.name()?;
            } else {
                break;
            }
        }
        let (source, place) = (self.source, self.start..self.at);
        if self.names.is_empty() {
            let name = source.text[place.end..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let name = if name.is_empty() { "eventName" } else { name };
            return Err(complaint(source, place, "a selector names a field").hint(format!("write `$.{name}`")));
        }
        let path = Path::from_segments(self.names, Case::Sensitive)
            .and_then(|path| path.with_positions(self.positions))
            .map_err(|error| complaint(source, place.clone(), &error.to_string()))?;
        let path = if source.text[..place.end].ends_with("[*]") { path } else { path.of_whole_arrays() };
        Ok((Token::Selector(path, self.every), place.len()))
    }

    fn name(&mut self) -> Result<(), Diagnostic> {
        let name = &self.source.text[self.at + 1..];
        let len = name.find(|c: char| c.is_whitespace() || NAME_ENDS.contains(c)).unwrap_or(name.len());
        let place = self.at..self.at + 1 + len;
        match &name[..len] {
            "" => {
                let problem = complaint(self.source, place, "a name is missing after this dot");
                return Err(problem.hint("a selector names every step: `$.userIdentity.arn`"));
            }
            "*" => {
                let problem =
                    complaint(self.source, place, "`*` stands for the elements of an array, not for any name");
                return Err(problem.hint("write `[*]` behind the array's name, or the name"));
            }
            name => self.names.push(name.to_owned()),
        }
        self.at = place.end;
        Ok(())
    }

    /// What stands in brackets: a name in quotes, a position, or a star.
    fn bracket(&mut self) -> Result<(), Diagnostic> {
        let inside = &self.source.text[self.at + 1..];
        let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let close = match quote {
            Some(quote) => inside[1..].find(&format!("{quote}]")).map(|end| end + 2),
            None => inside.find(']'),
        };
        let Some(close) = close else {
            let problem = complaint(self.source, self.at..self.at + 1, "this bracket is not closed");
            return Err(problem.hint("write `['name']`, `[0]` or `[*]`"));
        };
        let place = self.at..self.at + close + 2;
        match &inside[..close] {
            name if quote.is_some() && close > 2 => self.names.push(name[1..close - 1].to_owned()),
            element => self.element(element, &place)?,
        }
        self.at = place.end;
        Ok(())
    }

    /// `*`, or a position.
    fn element(&mut self, inside: &str, place: &Range<usize>) -> Result<(), Diagnostic> {
        let say = |message: &str| complaint(self.source, place.clone(), message);
        let is_number = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
        if self.names.is_empty() && (is_number || inside == "*") {
            return Err(say("an event is an object, not an array").hint("name a field before the bracket"));
        }
        match inside {
            "*" => self.every += 1,
            _ if is_number && self.every > 0 => {
                return Err(say("a position behind `[*]` is not supported").hint("write `[*]` for both, or neither"));
            }
            digits if is_number => match digits.parse() {
                Ok(position) if digits.len() <= POSITION_DIGITS_MAX => {
                    self.positions.push((self.names.len() - 1, position));
                }
                _ => return Err(say("no array has so many elements")),
            },
            _ if inside.starts_with('-') => {
                return Err(say("positions are counted from 0 at the start").hint("write `[*]` for any element"));
            }
            name if name.chars().next().is_some_and(char::is_alphabetic) => {
                return Err(say("a name in brackets stands in quotes").hint(format!("write `['{name}']`")));
            }
            _ => return Err(say("neither a name nor an element").hint("write `['name']`, `[0]` or `[*]`")),
        }
        Ok(())
    }
}
