//! The filter language of CloudWatch Logs for JSON events: `{ $.eventName = "Put*" && $.errorCode NOT EXISTS }`.
//!
//! A pattern goes to the service as it is and is judged here again, so where AWS's documentation leaves the meaning
//! open the reading here is the wider one: it may show what the service would have left out, never the reverse. A
//! missing field is different from every value, a bare number is equal to its own text, and what has a wildcard also
//! fits the text of a number. What the service refuses to take is refused here.
//!
//! Grammar: "Filter pattern syntax" in the CloudWatch Logs user guide.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, SourceText};
use crate::condition::{
    Comparison, Condition, Field, Literal, Number, Pattern, Test, Text, test::may_be_number_or_flag,
};
use crate::event::dictionary::RECORD_FIELDS;

mod regex;
mod token;

use token::Token;

/// The longest pattern that the service takes, in characters.
pub const PATTERN_LENGTH_MAX: usize = 1_024;
/// The most regular expressions that the service takes in a pattern.
pub const REGEXES_MAX: usize = 2;
/// The deepest nesting of parentheses.
const NESTING_MAX: usize = 50;
/// In how many arrays a pattern may ask for every element, and a selector.
const EVERY_MAX: usize = 3;
const EVERY_MAX_OF_SELECTOR: usize = 1;

/// Reads a pattern. `name` is what messages call it.
pub fn parse(name: &str, text: &str) -> Result<Condition, Diagnostic> {
    let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
    read(&source).map(|(condition, _)| condition)
}

/// Reads a pattern that is the whole text; also returns where each predicate stands, in the order of
/// [`Condition::visit`].
pub(super) fn read(source: &Arc<SourceText>) -> Result<(Condition, Vec<Range<usize>>), Diagnostic> {
    let text = source.text.as_str();
    if !text.trim_start().starts_with('{') {
        return Err(no_braces(source));
    }
    let tokens = token::tokens(source)?;
    let mut parser = Parser { source, tokens, at: 0, places: Vec::new(), regexes: 0, every: 0 };
    parser.expect(&Token::Open, "a JSON filter pattern stands in braces")?;
    let condition = parser.alternatives(0)?;
    parser.expect(&Token::Close, "expected `&&`, `||` or `}`")?;
    match parser.peek() {
        None => Ok((condition, parser.places)),
        Some(Token::And | Token::Or) => {
            Err(parser.error("the pattern has ended before this").hint("one pair of braces holds all"))
        }
        Some(_) => Err(parser.error("the pattern has ended before this")),
    }
}

/// The complaint about a pattern of another kind, or one whose braces were left out.
fn no_braces(source: &Arc<SourceText>) -> Diagnostic {
    let whole = source.text.trim();
    let start = source.text.len() - source.text.trim_start().len();
    let word = whole.split_whitespace().next().unwrap_or_default();
    let problem = complaint(source, start..start + word.len(), "a JSON filter pattern stands in braces");
    let name = whole.trim_start_matches('.');
    let is_field = |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.starts_with([' ', '.', '=', '!']));
    problem.hint(match whole.chars().next() {
        Some('[') => "space-delimited patterns are not for JSON: write `{ $.eventName = \"…\" }`".to_owned(),
        Some('$') => format!("write `{{ {whole} }}`"),
        _ if RECORD_FIELDS.iter().any(|known| is_field(known)) => format!("write `{{ $.{name} }}`"),
        _ => "write `{ $.eventName = \"…\" }`".to_owned(),
    })
}

fn complaint(source: &Arc<SourceText>, span: Range<usize>, message: &str) -> Diagnostic {
    Diagnostic::new(source, span, message)
}

struct Parser<'p> {
    source: &'p Arc<SourceText>,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    /// Where the predicates read so far stand.
    places: Vec<Range<usize>>,
    regexes: usize,
    every: usize,
}

/// What is equal to a value in a wide reading, any of these, and what surely is.
struct Readings {
    wide: Vec<Test>,
    strict: Test,
}

impl Readings {
    fn only(test: Test) -> Self {
        Self { wide: vec![test.clone()], strict: test }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn before(&self) -> Option<&Token> {
        self.tokens.get(self.at.checked_sub(1)?).map(|(token, _)| token)
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
            None if *token == Token::ParenClose => problem.hint("write `)` for every `(`, and `}` at the end"),
            None => problem.hint("write `}` at the end"),
            Some(Token::Close) => problem.hint("write `)` for every `(`"),
            Some(Token::ParenClose) => problem.hint("this `)` has no `(`: take it out"),
            Some(Token::Selector(..)) => problem.hint("write `&&` or `||` before it"),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => problem.hint("write `&&`"),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("or") => problem.hint("write `||`"),
            Some(Token::Word(word)) if matches!(word.as_str(), "," | ";") => problem.hint("write `&&` or `||`"),
            Some(Token::Word(_)) if matches!(self.before(), Some(Token::Word(_))) => {
                problem.hint("a string of several words stands in double quotes")
            }
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
            Some(Token::Selector(..)) => self.comparison(),
            found => {
                let problem = self.error("expected a selector such as `$.eventName`, or `(`");
                Err(match found {
                    Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                        problem.hint("there is no `NOT ( … )`; write `!=`, or `NOT EXISTS` behind a selector")
                    }
                    Some(Token::Word(word)) => {
                        problem.hint(format!("write `$.{}`", word.trim_start_matches(['@', '.'])))
                    }
                    Some(Token::Quoted(text)) if matches!(self.before(), Some(Token::And | Token::Or)) => {
                        problem.hint(format!("each comparison has its selector: `$.eventName = \"{text}\"`"))
                    }
                    Some(Token::Quoted(_)) if self.source.text.contains("\":") => {
                        problem.hint("event patterns are EventBridge's; a filter pattern is `{ $.eventName = \"…\" }`")
                    }
                    Some(Token::Quoted(text)) => {
                        problem.hint(format!("a field is named by a selector: `$.eventName = \"{text}\"`"))
                    }
                    Some(Token::Close) if matches!(self.before(), Some(Token::Open)) => {
                        problem.hint("write for example `{ $.eventName = \"*\" }`")
                    }
                    Some(Token::Close | Token::ParenClose) if matches!(self.before(), Some(Token::And | Token::Or)) => {
                        problem.hint("something is missing behind the last sign")
                    }
                    _ => problem,
                })
            }
        }
    }

    fn comparison(&mut self) -> Result<Condition, Diagnostic> {
        let start = self.at;
        let field = self.selector()?;
        let condition = match self.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("is") => self.is(field)?,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => self.not_exists(field)?,
            Some(Token::Equal) => {
                let readings = self.value()?.wide.into_iter();
                Condition::any(readings.map(|test| Condition::is(field.clone(), test)).collect())
            }
            Some(Token::NotEqual) => {
                // True of a missing field, and as soon as one of several values differs. Only the strict reading
                // counts: what is equal only in the wide one may be different to the service.
                let test = self.value()?.strict;
                let missing = Condition::is(field.clone(), Test::Exists).negated();
                Condition::any(vec![missing, Condition::is(field, Test::AnythingBut(Box::new(test)))])
            }
            Some(Token::Less) => self.order(field, Comparison::Less)?,
            Some(Token::LessOrEqual) => self.order(field, Comparison::LessOrEqual)?,
            Some(Token::Greater) => self.order(field, Comparison::Greater)?,
            Some(Token::GreaterOrEqual) => self.order(field, Comparison::GreaterOrEqual)?,
            _ => return Err(self.no_operator()),
        };
        let place = self.tokens[start].1.start..self.tokens[self.at - 1].1.end;
        condition.visit(&mut |_| self.places.push(place.clone()));
        Ok(condition)
    }

    fn selector(&mut self) -> Result<Field, Diagnostic> {
        let (path, every) = match self.peek() {
            Some(Token::Selector(path, every)) => (path.clone(), *every),
            _ => return Err(self.error("expected a selector")),
        };
        self.every += every;
        if every > EVERY_MAX_OF_SELECTOR {
            return Err(self.error("the service takes one `[*]` in a selector"));
        }
        if self.every > EVERY_MAX {
            return Err(self.error(&format!("the service takes {EVERY_MAX} `[*]` in a pattern")));
        }
        self.at += 1;
        Ok(Field::Path(path))
    }

    fn no_operator(&self) -> Diagnostic {
        let problem = self.error("expected `=`, `!=`, `<`, `>`, `<=`, `>=`, `IS` or `NOT EXISTS`");
        problem.hint(match self.peek() {
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "exists" => "the language has only `NOT EXISTS`; for the opposite write `= \"*\"`",
                "does" => "what is not there is `NOT EXISTS`",
                "in" => "write `( $.a = one || $.a = two )`",
                "like" | "contains" | "matches" | "startswith" | "endswith" => "write `= \"*text*\"` or `= %regex%`",
                "between" => "write `( $.a >= 1 && $.a <= 5 )`",
                "eq" | "is" | "equals" | ":" => "write `=`",
                "ne" | "neq" => "write `!=`",
                "gt" | "gte" | "lt" | "lte" => "write `>`, `>=`, `<` or `<=`",
                _ => "an operator is missing before this",
            },
            Some(Token::Regex(_)) => "write `= %regex%`",
            Some(Token::ParenOpen) => "there are no functions; write `= \"*text*\"` or `= %regex%`",
            Some(Token::Quoted(_)) => "an operator is missing before this",
            _ => "for a field that is there, with any value, write `= \"*\"`",
        })
    }

    /// Past the operator, which has been seen.
    fn not_exists(&mut self, field: Field) -> Result<Condition, Diagnostic> {
        self.at += 1;
        if !self.word("EXISTS") {
            let problem = self.error("expected `EXISTS`");
            let word = match self.peek() {
                Some(Token::Word(word)) => word.to_ascii_lowercase(),
                _ => String::new(),
            };
            return Err(problem.hint(match word.as_str() {
                "null" => "for what is there and not null write `= \"*\"`",
                "in" => "write `( $.a != one && $.a != two )`",
                "like" | "contains" | "matches" | "startswith" | "endswith" => "write `!= \"*text*\"`",
                "exist" | "existing" => "did you mean `EXISTS`?",
                _ => "unequal is written `!=`",
            }));
        }
        self.at += 1;
        Ok(Condition::is(field, Test::Exists).negated())
    }

    fn is(&mut self, field: Field) -> Result<Condition, Diagnostic> {
        self.at += 1;
        let word = match self.peek() {
            Some(Token::Word(word)) => word.to_ascii_uppercase(),
            _ => String::new(),
        };
        let test = match word.as_str() {
            "NULL" => Test::Null,
            "TRUE" => Test::Equals(Literal::Bool(true)),
            "FALSE" => Test::Equals(Literal::Bool(false)),
            other => {
                let problem = self.error("expected `NULL`, `TRUE` or `FALSE`");
                return Err(problem.hint(match other {
                    "NOT" => "there is no `IS NOT`: for what is there write `= \"*\"`, for what differs `!=`",
                    "MISSING" | "EMPTY" | "ABSENT" => "what is not there is `NOT EXISTS`",
                    _ => "what is equal to a string is written `= \"…\"`",
                }));
            }
        };
        self.at += 1;
        Ok(Condition::is(field, test))
    }

    /// The value behind an operator.
    fn value(&mut self) -> Result<Readings, Diagnostic> {
        self.at += 1;
        let readings = match self.peek().cloned() {
            Some(Token::Quoted(text)) => self.text(&text)?,
            Some(Token::Regex(text)) => Readings::only(Test::Fits(self.regex(&text)?)),
            Some(Token::Word(word)) => match (number(&word), flag(&word)) {
                (Some(number), _) => {
                    let strict = Test::Equals(number);
                    Readings { wide: vec![strict.clone(), self.text(&word)?.strict], strict }
                }
                (_, Some(flag)) => Readings { wide: vec![flag], ..self.text(&word)? },
                _ => self.text(&word)?,
            },
            found => {
                let problem = self.error("expected a value: a word, a number, a \"string\" or a %regex%");
                return Err(match found {
                    Some(Token::ParenOpen) => problem.hint("each value has its selector: `( $.a = one || $.a = two )`"),
                    Some(Token::Selector(..)) => problem.hint("two fields cannot be compared with each other"),
                    _ => problem.hint("for any value write `\"*\"`"),
                });
            }
        };
        self.at += 1;
        Ok(readings)
    }

    fn regex(&mut self, text: &str) -> Result<Pattern, Diagnostic> {
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            let message = format!("the service takes {} regular expressions in a pattern", REGEXES_MAX);
            return Err(self.error(&message).hint("write `\"text*\"`, or join them by `|` within one"));
        }
        regex::compile(text).map_err(|refused| {
            let start = self.tokens[self.at].1.start + 1;
            let place = start + refused.at.start..start + refused.at.end;
            let problem = complaint(self.source, place, &refused.message);
            Diagnostic { hint: refused.hint.map(str::to_owned), ..problem }
        })
    }

    /// A text that may hold `*`; with one it may also be that of a number.
    fn text(&self, text: &str) -> Result<Readings, Diagnostic> {
        let strict = wildcards(text).map_err(|message| self.error(&message))?;
        match strict {
            Test::Equals(_) => Ok(Readings::only(strict)),
            _ if !text.split('*').all(may_be_number_or_flag) => Ok(Readings::only(strict)),
            _ => Ok(Readings { wide: vec![Test::Loosely(Box::new(strict.clone()))], strict }),
        }
    }

    fn order(&mut self, field: Field, comparison: Comparison) -> Result<Condition, Diagnostic> {
        self.at += 1;
        let found = match self.peek() {
            Some(Token::Word(word)) => number(word),
            _ => None,
        };
        let Some(Literal::Number(number)) = found else {
            let problem = self.error("expected a number");
            return Err(match self.peek() {
                Some(Token::Quoted(text)) if number(text).is_some() => problem.hint("leave the quotes out"),
                Some(Token::Quoted(_)) => problem.hint("strings, times among them, have no order here"),
                Some(Token::Selector(..)) => problem.hint("two fields cannot be compared with each other"),
                _ => problem.hint("numbers are written `500`, `-1.5` or `10e3`"),
            });
        };
        self.at += 1;
        Ok(Condition::is(field, Test::Number(comparison, number)))
    }
}

/// A number as the language has them: digits with an optional sign, fraction and exponent.
fn number(word: &str) -> Option<Literal> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if plain { Number::parse(word).map(Literal::Number) } else { None }
}

/// A word that may also be meant as a truth value.
fn flag(word: &str) -> Option<Test> {
    match word {
        "true" => Some(Test::Equals(Literal::Bool(true))),
        "false" => Some(Test::Equals(Literal::Bool(false))),
        _ => None,
    }
}

/// The plainest test that says what a text with `*` says; `\*` is a star, and any escaped sign itself.
fn wildcards(text: &str) -> Result<Test, String> {
    let (starts, inner) = text.strip_prefix('*').map_or((false, text), |rest| (true, rest));
    let end = inner.strip_suffix('*').filter(|rest| !rest.ends_with('\\'));
    let (ends, inner) = end.map_or((false, inner), |rest| (true, rest));
    let plain = Text::new(inner, false);
    Ok(match (starts, ends) {
        _ if inner.contains(['*', '\\']) || (inner.is_empty() && starts) => {
            // `?` means itself here, unlike in a glob.
            Test::Fits(Pattern::glob(&text.replace('?', "\\?"), false)?)
        }
        (false, false) => Test::Equals(Literal::Text(plain)),
        (false, true) => Test::StartsWith(plain),
        (true, false) => Test::EndsWith(plain),
        (true, true) => Test::Contains(plain),
    })
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
        let event = r#"{"eventName":"PutObject","n":10,"id":"10","t":true,"z":null,"a":[{"b":"x"},{"b":"y"}],"c.d":"e",
                "m":[[1,2],[3]],"d']e":1,"s":["x","y"],"e":[],"v":[null]}"#;
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
            (r"{ $.eventName = %^\w{9}$% }", true),
            ("{ $.eventName = * }", true),
            ("{ $.n = * }", true),
            ("{ $.n = 1* }", true),
            ("{ $.n = \"\" }", false),
            ("{ $.z = * }", false),
            ("{ $.eventName = \"*tObj*\" }", true),
            (r#"{ $.eventName = "Put\*" }"#, false),
            ("{ $.n = 1e1 && $.n = +10.0 && $.n > -1.5E+2 }", true),
            ("{ $.n = 1_0 }", false),
            ("{ $.t = true }", true),
            ("{ $.t != true }", true),
            ("{ $.a[0].b = x }", true),
            ("{ $.a[1].b = x }", false),
            ("{ $.a[1]['b'] = y }", true),
            ("{ $.a[2].b NOT EXISTS }", true),
            ("{ $.a[2].b != y }", true),
            ("{ $.eventName[0] = * }", false),
            ("{ $.s = x }", false),
            ("{ $.s = * }", false),
            ("{ $.s != x }", false),
            ("{ $.s != z }", false),
            ("{ $.s NOT EXISTS }", false),
            ("{ $.e NOT EXISTS }", false),
            ("{ $.v IS NULL }", false),
            ("{ $.v[*] IS NULL }", true),
            ("{ $.s[*] = y }", true),
            ("{ $.s[*] != x }", true),
            ("{ $.s[0] = x }", true),
            ("{ $.s[1] = x }", false),
            ("{ $.m[0] = 1 }", false),
            ("{ $.a = * }", false),
            ("{ $.a.b = x }", true),
            ("{ $.m[1][0] = 3 }", true),
            ("{ $.m[0][0] = 3 }", false),
            (r#"{ $.["d']e"] = 1 }"#, true),
            ("{$.n=1||($.n=10&&($.t IS FALSE||$.z IS NULL))}", true),
            ("{ $.z\tis\nnull }", true),
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
            ("{ $.a[-1] = 1 }", 6),
            ("{ $.a = 1 } x", 13),
            ("", 1),
        ] {
            let problem = parse("--filter", pattern).unwrap_err();
            assert_eq!(problem.position(), (1, column), "{pattern}\n{problem}");
        }
        assert!(parse("--filter", &format!("{{ {} }}", "(".repeat(10_000))).is_err());
    }
}
