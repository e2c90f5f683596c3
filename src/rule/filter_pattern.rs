//! The filter language of CloudWatch Logs for JSON events: `{ $.eventName = "Put*" && $.errorCode NOT EXISTS }`.
//!
//! A pattern goes to the service as it is and is judged here again, so where AWS's documentation leaves the meaning
//! open the reading here is the wider one: it may show what the service would have left out, never the reverse. A
//! missing field is different from every value, and a bare number is equal to its own text.
//!
//! Grammar: "Filter pattern syntax" in the CloudWatch Logs user guide. Positions in arrays (`[0]`) are not read yet.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use crate::condition::{Comparison, Condition, Field, Literal, Number, Pattern, Test, Text};
use crate::event::{Case, Path};

/// The longest pattern that the service takes, in characters.
pub const PATTERN_LENGTH_MAX: usize = 1_024;
/// The deepest nesting of parentheses.
const NESTING_MAX: usize = 50;

/// Reads a pattern. `name` is what messages call it.
pub fn parse(name: &str, text: &str) -> Result<Condition, Diagnostic> {
    let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
    let tokens = tokens(&source)?;
    let mut parser = Parser { source: &source, tokens, at: 0 };
    parser.expect(&Token::Open, "a JSON filter pattern stands in braces").map_err(|problem| {
        let inside = if text.trim_start().starts_with('$') { text.trim() } else { "$.eventName = \"…\"" };
        problem.hint(format!("write `{{ {inside} }}`"))
    })?;
    let condition = parser.alternatives(0)?;
    parser.expect(&Token::Close, "expected `&&`, `||` or `}`")?;
    match parser.peek() {
        None => Ok(condition),
        Some(_) => Err(parser.error("the pattern has ended before this")),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
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
    /// The names of a selector.
    Selector(Vec<String>),
    /// A string in quotes, its escapes resolved but for those of `*`.
    Quoted(String),
    /// `%…%`
    Regex(String),
    /// A word without quotes.
    Word(String),
}

fn complaint(source: &Arc<SourceText>, span: Range<usize>, message: &str) -> Diagnostic {
    Diagnostic::new(source, span, message)
}

fn tokens(source: &Arc<SourceText>) -> Result<Vec<(Token, Range<usize>)>, Diagnostic> {
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
    let rest = &source.text[at..];
    if rest.starts_with("==") {
        return Err(complaint(source, at..at + 2, "`==` is not of this language").hint("write `=`"));
    }
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((token.clone(), sign.len()));
    }
    match rest.as_bytes()[0] {
        b'$' => selector(source, at),
        b'"' => quoted(source, at),
        b'%' => match rest[1..].find('%') {
            Some(end) => Ok((Token::Regex(rest[1..1 + end].to_owned()), end + 2)),
            None => Err(complaint(source, at..at + 1, "this `%` has no counterpart").hint("write `%regex%`")),
        },
        b'\'' => {
            let inside = rest[1..].split('\'').next().unwrap_or("");
            let len = (inside.len() + 2).min(rest.len());
            let problem = complaint(source, at..at + len, "a string stands in double quotes");
            Err(problem.hint(format!("write `\"{inside}\"`")))
        }
        _ => {
            let len = rest.find(|c: char| c.is_whitespace() || "(){}=<>!&|\"".contains(c)).unwrap_or(rest.len());
            match len {
                0 => Err(lone_sign(source, at)),
                len => Ok((Token::Word(rest[..len].to_owned()), len)),
            }
        }
    }
}

fn lone_sign(source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let sign = source.text[at..].chars().next().unwrap_or(' ');
    let problem = complaint(source, at..at + sign.len_utf8(), &format!("a lone `{sign}`"));
    match sign {
        '&' | '|' => problem.hint(format!("write `{sign}{sign}`")),
        '!' => problem.hint("write `!=`"),
        _ => problem,
    }
}

/// `$.a.b`, `$.a[*].b`, `$.['a.b']`
fn selector(source: &Arc<SourceText>, start: usize) -> Result<(Token, usize), Diagnostic> {
    let text = source.text.as_str();
    let mut names = Vec::new();
    let mut at = start + 1;
    loop {
        let rest = &text[at..];
        let bracket = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(inside) = bracket.strip_prefix('[') {
            let open = at + (rest.len() - bracket.len());
            let Some(close) = inside.find(']') else {
                return Err(complaint(source, open..open + 1, "this bracket is not closed"));
            };
            match bracketed(&inside[..close]) {
                Some(Bracket::Name(name)) => names.push(name),
                Some(Bracket::Every) => {}
                Some(Bracket::Position) => {
                    return Err(complaint(source, open..open + close + 2, "positions in arrays are not supported")
                        .hint("write `[*]` for any element"));
                }
                None => {
                    return Err(complaint(source, open..open + close + 2, "neither a name nor an array")
                        .hint("write `['name']` or `[*]`"));
                }
            }
            at = open + close + 2;
        } else if let Some(name) = rest.strip_prefix('.') {
            let len = name.find(|c: char| c.is_whitespace() || "(){}[].=<>!&|\"%,".contains(c)).unwrap_or(name.len());
            if len == 0 {
                return Err(complaint(source, at..at + 1, "a name is missing after this dot"));
            }
            names.push(name[..len].to_owned());
            at += 1 + len;
        } else {
            break;
        }
    }
    match names.is_empty() {
        true => Err(complaint(source, start..at, "a selector names a field").hint("for example `$.eventName`")),
        false => Ok((Token::Selector(names), at - start)),
    }
}

enum Bracket {
    Name(String),
    Every,
    Position,
}

fn bracketed(inside: &str) -> Option<Bracket> {
    let quoted = |quote| inside.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match inside {
        "*" => Some(Bracket::Every),
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Some(Bracket::Position),
        _ => quoted('\'').or_else(|| quoted('"')).filter(|name| !name.is_empty()).map(|n| Bracket::Name(n.to_owned())),
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
                // A glob reads these two itself.
                Some((_, escaped)) => value.extend(['\\', escaped]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err(complaint(source, start..start + 1, "this quote is not closed"))
}

struct Parser<'p> {
    source: &'p Arc<SourceText>,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|(token, _)| token.clone());
        self.at += usize::from(token.is_some());
        token
    }

    fn word(&self, expected: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected))
    }

    /// A complaint about the token at hand, or about the end.
    fn error(&self, message: &str) -> Diagnostic {
        let end = self.source.text.trim_end().len();
        let span = self.tokens.get(self.at).map_or(end..end, |(_, span)| span.clone());
        complaint(self.source, span, message)
    }

    fn expect(&mut self, token: &Token, message: &str) -> Result<(), Diagnostic> {
        if self.peek() == Some(token) {
            self.at += 1;
            return Ok(());
        }
        let problem = self.error(message);
        Err(match self.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => problem.hint("write `&&`"),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("or") => problem.hint("write `||`"),
            _ => problem,
        })
    }

    fn alternatives(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let mut parts = vec![self.conjunction(depth)?];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            parts.push(self.conjunction(depth)?);
        }
        Ok(Condition::any(parts))
    }

    fn conjunction(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let mut parts = vec![self.term(depth)?];
        while self.peek() == Some(&Token::And) {
            self.at += 1;
            parts.push(self.term(depth)?);
        }
        Ok(Condition::all(parts))
    }

    fn term(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        match self.peek() {
            Some(Token::ParenOpen) if depth >= NESTING_MAX => Err(self.error("too many parentheses in one another")),
            Some(Token::ParenOpen) => {
                self.at += 1;
                let inner = self.alternatives(depth + 1)?;
                self.expect(&Token::ParenClose, "expected `&&`, `||` or `)`")?;
                Ok(inner)
            }
            Some(Token::Selector(_)) => self.comparison(),
            found => {
                let problem = self.error("expected a selector such as `$.eventName`, or `(`");
                Err(match found {
                    Some(Token::Word(word)) => problem.hint(format!("write `$.{word}`")),
                    _ => problem,
                })
            }
        }
    }

    fn comparison(&mut self) -> Result<Condition, Diagnostic> {
        let span = self.tokens[self.at].1.clone();
        let Some(Token::Selector(names)) = self.next() else { return Err(self.error("expected a selector")) };
        let path = Path::from_segments(names, Case::Sensitive)
            .map_err(|error| complaint(self.source, span, &error.to_string()))?;
        let field = Field::Path(path);
        if self.word("IS") {
            self.at += 1;
            return self.is(field);
        }
        if self.word("NOT") {
            self.at += 1;
            return match self.word("EXISTS") {
                true => {
                    self.at += 1;
                    Ok(Condition::is(field, Test::Exists).negated())
                }
                false => Err(self.error("expected `EXISTS`").hint("unequal is written `!=`")),
            };
        }
        match self.next() {
            Some(Token::Equal) => {
                let tests = self.values()?;
                Ok(Condition::any(tests.into_iter().map(|test| Condition::is(field.clone(), test)).collect()))
            }
            Some(Token::NotEqual) => {
                // True of a missing field, and as soon as one of several values differs. Of two readings the
                // first alone counts: what is equal only in the second may be different to the service.
                let test = self.values()?.swap_remove(0);
                let missing = Condition::is(field.clone(), Test::Exists).negated();
                Ok(Condition::any(vec![missing, Condition::is(field, Test::AnythingBut(Box::new(test)))]))
            }
            Some(Token::Less) => self.order(field, Comparison::Less),
            Some(Token::LessOrEqual) => self.order(field, Comparison::LessOrEqual),
            Some(Token::Greater) => self.order(field, Comparison::Greater),
            Some(Token::GreaterOrEqual) => self.order(field, Comparison::GreaterOrEqual),
            found => {
                self.at -= usize::from(found.is_some());
                let problem = self.error("expected `=`, `!=`, `<`, `>`, `<=`, `>=`, `IS` or `NOT EXISTS`");
                Err(match self.word("EXISTS") {
                    true => problem.hint("the language has only `NOT EXISTS`; for the opposite write `= \"*\"`"),
                    false => problem,
                })
            }
        }
    }

    fn is(&mut self, field: Field) -> Result<Condition, Diagnostic> {
        let test = match self.peek() {
            Some(Token::Word(word)) => match word.to_ascii_uppercase().as_str() {
                "NULL" => Test::Null,
                "TRUE" => Test::Equals(Literal::Bool(true)),
                "FALSE" => Test::Equals(Literal::Bool(false)),
                _ => return Err(self.error("expected `NULL`, `TRUE` or `FALSE`")),
            },
            _ => return Err(self.error("expected `NULL`, `TRUE` or `FALSE`")),
        };
        self.at += 1;
        Ok(Condition::is(field, test))
    }

    /// The readings of a value: a number without quotes may also be the text of one.
    fn values(&mut self) -> Result<Vec<Test>, Diagnostic> {
        let start = self.at;
        let value = match self.next() {
            Some(Token::Quoted(text)) => self.text(&text),
            Some(Token::Regex(text)) => Pattern::regex(&text, false)
                .map(Test::Fits)
                .map_err(|error| format!("`{text}` is no regular expression: {error}")),
            Some(Token::Word(word)) => match (Number::parse(&word), self.text(&word)) {
                (Some(number), Ok(text)) => return Ok(vec![Test::Equals(Literal::Number(number)), text]),
                (_, text) => text,
            },
            _ => Err("expected a value: a word, a number, a \"string\" or a %regex%".to_owned()),
        };
        value.map(|test| vec![test]).map_err(|message| {
            self.at = start;
            self.error(&message)
        })
    }

    /// A text that may hold `*`.
    fn text(&self, text: &str) -> Result<Test, String> {
        if !text.contains(['*', '\\']) {
            return Ok(Test::Equals(Literal::Text(Text::new(text, false))));
        }
        // `?` means itself here, unlike in a glob.
        Pattern::glob(&text.replace('?', "\\?"), false).map(Test::Fits)
    }

    fn order(&mut self, field: Field, comparison: Comparison) -> Result<Condition, Diagnostic> {
        let number = match self.peek() {
            Some(Token::Word(word)) => Number::parse(word),
            _ => None,
        };
        match number {
            Some(number) => {
                self.at += 1;
                Ok(Condition::is(field, Test::Number(comparison, number)))
            }
            None => {
                let problem = self.error("expected a number");
                Err(match self.peek() {
                    Some(Token::Quoted(text)) if Number::parse(text).is_some() => problem.hint("leave the quotes out"),
                    _ => problem,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::holds;
    use crate::event::{Event, Fields, projection_of};

    fn matches(pattern: &str, event: &str) -> bool {
        let condition = parse("--filter", pattern).unwrap_or_else(|problem| panic!("{problem}"));
        let mut fields = Fields::default();
        holds(&condition, &Event::read(event, &projection_of([]), &mut fields).unwrap())
    }

    #[test]
    fn patterns_mean_what_the_service_means() {
        let event =
            r#"{"eventName":"PutObject","n":10,"id":"10","t":true,"z":null,"a":[{"b":"x"},{"b":"y"}],"c.d":"e"}"#;
        for (pattern, expected) in [
            (r#"{ $.eventName = "PutObject" }"#, true),
            ("{ $.eventName = PutObject }", true),
            ("{$.eventName=Put*}", true),
            (r#"{ $.eventName = "*Object" }"#, true),
            (r#"{ $.eventName = "put*" }"#, false),
            (r#"{ $.eventName != "PutObject" }"#, false),
            (r#"{ $.missing != "x" }"#, true),
            ("{ $.a[*].b != x }", true),
            ("{ $.a[*].c != x }", true),
            ("{ $.n != 10 }", false),
            ("{ $.id != 10 }", true),
            (r#"{ $.id != "10" }"#, false),
            ("{ $.missing NOT EXISTS }", true),
            ("{ $.eventName NOT EXISTS }", false),
            ("{ $.n = 10 }", true),
            ("{ $.id = 10 }", true),
            ("{ $.n >= 10 && $.n < 11 }", true),
            ("{ $.n > 10 }", false),
            ("{ $.t IS TRUE }", true),
            ("{ $.z IS NULL }", true),
            ("{ $.missing IS NULL }", false),
            ("{ $.a[*].b = y }", true),
            ("{ $.['c.d'] = e }", true),
            (r#"{ $.n = 1 || $.n = 10 && $.t IS FALSE }"#, false),
            (r#"{ ($.n = 1 || $.n = 10) && $.t IS TRUE }"#, true),
            ("{ $.eventName = %^Put[A-Z]% }", true),
            ("{ $.eventname = PutObject }", false),
        ] {
            assert_eq!(matches(pattern, event), expected, "{pattern}");
        }
    }

    #[test]
    fn errors_point_at_the_place() {
        for (pattern, column) in [
            ("$.a = 1", 1),
            ("{ $.a = }", 9),
            ("{ $.a = 1", 10),
            ("{ $.a EXISTS }", 7),
            ("{ $.a = \"x }", 9),
            ("{ a = 1 }", 3),
            ("{ $.a IS 1 }", 10),
            ("{ ($.a = 1 }", 12),
            ("{ $.a < x }", 9),
            ("{ $.a[0] = 1 }", 6),
            ("{ $.a = 1 } x", 13),
            ("", 1),
        ] {
            let problem = parse("--filter", pattern).unwrap_err();
            assert_eq!(problem.position(), (1, column), "{pattern}\n{problem}");
        }
        assert!(parse("--filter", &format!("{{ {} }}", "(".repeat(10_000))).is_err());
    }
}
