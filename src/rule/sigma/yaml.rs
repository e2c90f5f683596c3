//! The YAML of a Sigma file: documents as trees in which everything knows its place.
//!
//! Plain scalars mean what YAML 1.2 says, so `no` and `on` are strings. Aliases are refused, not expanded, and tags
//! are refused: no rule needs them. The size of a tree is bounded by that of its text, its depth by a limit.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::rule::diagnostic::{Diagnostic, SourceText};

/// The deepest nesting of lists and maps.
const NESTING_MAX: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In writing order; a key may stand twice.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub text: String,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scalar {
    /// The text, whatever it means.
    pub text: String,
    pub kind: Kind,
}

/// What a scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool(bool),
    Null,
}

impl Node {
    /// What the value is, for messages.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Text => "a string",
                Kind::Number => "a number",
                Kind::Bool(_) => "a truth value",
                Kind::Null => "null",
            },
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == Kind::Null)
    }
}

/// The documents of a file, up to where it is no YAML any more.
pub(super) fn read(source: &Arc<SourceText>) -> (Vec<Node>, Option<Diagnostic>) {
    let mut options = Options::default();
    options.block_nesting_limit = NESTING_MAX;
    options.flow_nesting_limit = NESTING_MAX;
    let parser = Parser::new_from_str_with_options(&source.text, options);
    let mut reader = Reader { source, parser };
    let mut documents = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => return (documents, None),
            Err(problem) => return (documents, Some(*problem)),
        }
    }
}

struct Reader<'s> {
    source: &'s Arc<SourceText>,
    parser: Parser<'s, StrInput<'s>>,
}

type Read<T> = Result<T, Box<Diagnostic>>;

impl<'s> Reader<'s> {
    fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(self.source, span, message))
    }

    fn next(&mut self) -> Read<Option<(Event<'s>, Range<usize>)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, bytes(&span)))),
            Some(Err(error)) => Err(Box::new(explain(self.source, &error))),
        }
    }

    fn document(&mut self) -> Read<Option<Node>> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(None),
                event => return self.node(event, span, 0).map(Some),
            }
        }
        Ok(None)
    }

    fn node(&mut self, event: Event<'s>, span: Range<usize>, depth: usize) -> Read<Node> {
        if let Some(tag) = event.tag() {
            let message = format!("the tag `{}` is not read here", tag.original());
            return Err(Box::new(Diagnostic::new(self.source, span, message).hint("leave it out")));
        }
        if depth > NESTING_MAX {
            return Err(self.problem(span, format!("nested more than {NESTING_MAX} deep")));
        }
        match event {
            // To YAML the lines are one text, which nobody means.
            Event::Scalar(_, ScalarStyle::Plain, ..) if self.is_dashes(&span) => {
                let problem = Diagnostic::new(self.source, span.start..span.start + 1, "a space is missing behind `-`");
                Err(Box::new(problem.hint("write each value of a list as `- value`")))
            }
            Event::Scalar(text, style, ..) => {
                let kind = if style == ScalarStyle::Plain { plain(&text) } else { Kind::Text };
                Ok(Node { value: Value::Scalar(Scalar { text: text.into_owned(), kind }), span })
            }
            Event::SequenceStart(..) => self.list(span, depth),
            Event::MappingStart(..) => self.map(span, depth),
            Event::Alias(_) => {
                let problem = Diagnostic::new(self.source, span, "an alias of YAML is not expanded here");
                Err(Box::new(problem.hint("write out what it stands for")))
            }
            _ => Err(self.problem(span, "expected a value")),
        }
    }

    /// Whether lines stand there that each begin with a dash.
    fn is_dashes(&self, span: &Range<usize>) -> bool {
        let text = self.source.text.get(span.clone()).unwrap_or_default();
        text.contains('\n') && text.lines().all(|line| line.trim_start().starts_with('-'))
    }

    fn list(&mut self, start: Range<usize>, depth: usize) -> Read<Node> {
        let mut elements: Vec<Node> = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            elements.push(self.node(event, span, depth + 1)?);
        }
        let end = elements.last().map_or(start.end, |last| last.span.end);
        Ok(Node { value: Value::List(elements), span: start.start..end.max(start.end) })
    }

    fn map(&mut self, start: Range<usize>, depth: usize) -> Read<Node> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        while let Some((event, span)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                event => self.node(event, span, depth + 1)?,
            };
            let Value::Scalar(Scalar { text, .. }) = key.value else {
                return Err(self.problem(key.span, "a key is a name, not a list or map"));
            };
            let Some((event, span)) = self.next()? else { break };
            members.push((Key { text, span: key.span }, self.node(event, span, depth + 1)?));
        }
        let first = members.first().map_or(start.start, |(key, _)| key.span.start);
        let end = members.last().map_or(start.end, |(_, last)| last.span.end);
        Ok(Node { value: Value::Map(members), span: first.min(start.start)..end.max(start.end) })
    }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

/// What a scalar without quotes means, by the core schema of YAML 1.2. A number that begins with 0 is text, as account
/// ids are.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        text if is_number(text) => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && !padded
        && digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Says what is wrong with the YAML, in words that do not need its specification.
fn explain(source: &Arc<SourceText>, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(0).min(source.text.len());
    let say = |message: &str| Diagnostic::new(source, at..at + 1, message);
    match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            say("a tab where YAML wants spaces").hint("indent with spaces")
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            say("a quote is not closed").hint("a quote within single quotes is written twice: `''`")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            say("this stands behind the closing quote").hint("a quote within single quotes is written twice: `''`")
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            say("neither a key with `:` nor a value").hint("write `key: value`")
        }
        ErrorKind::UnknownAnchor => say("an alias of nothing").hint("a value that begins with `*` needs quotes"),
        ErrorKind::UnclosedFlowCollection { open } => say(&format!("a `{open}` is not closed")),
        ErrorKind::UnknownQuotedScalarEscape => {
            say("this escape means nothing in double quotes").hint("single quotes take a backslash as it is")
        }
        ErrorKind::RecursionLimitExceeded => say(&format!("nested more than {NESTING_MAX} deep")),
        ErrorKind::MappingValueNotAllowed => match key_above(&source.text, at) {
            Some(key) => Diagnostic::new(source, key, "a key without `:`").hint("write `:` behind it"),
            None => say("a second `:` on the line").hint("put the value into quotes"),
        },
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            say("this stands further left or right than what it belongs to").hint("indent members of one map alike")
        }
        _ => match source.text[at..].chars().next().filter(|sign| "%@`".contains(*sign)) {
            Some(sign) => say(&format!("a value cannot begin with `{sign}`")).hint("put the value into quotes"),
            None if open_list(&source.text, at).is_some() => {
                let open = open_list(&source.text, at).unwrap_or(at);
                let problem = Diagnostic::new(source, open..open + 1, "this list is not closed");
                problem.hint("write `]` behind its last value")
            }
            None => say(&format!("this is not YAML: {}", error.info().lines().next().unwrap_or(""))),
        },
    }
}

/// The key that the line above the place consists of, if it lacks its `:` and what follows belongs to it.
fn key_above(text: &str, at: usize) -> Option<Range<usize>> {
    let line_start = text[..at].rfind('\n')?;
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let above = text[..line_start].lines().next_back()?;
    let start = line_start - above.len() + indent(above);
    let is_key = !above.contains([':', '#', '"', '\'']) && !above.trim_start().starts_with('-');
    let goes_deeper = indent(above) < indent(&text[line_start + 1..]);
    let key = above.trim();
    (is_key && goes_deeper && !key.is_empty()).then(|| start..start + key.len())
}

/// Where a list in brackets begins that is not closed on its own line, and lies before the place.
fn open_list(text: &str, at: usize) -> Option<usize> {
    let open = text[..at].rfind('[')?;
    let between = &text[open..at];
    (between.contains('\n') && !between.contains(']')).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText { name: "x.yml".into(), text: text.into() })
    }

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        for (text, kind) in [
            ("x", Kind::Text),
            ("'1'", Kind::Text),
            ("\"true\"", Kind::Text),
            ("1", Kind::Number),
            ("-1.5e3", Kind::Number),
            ("0", Kind::Number),
            ("0.5", Kind::Number),
            ("012345678901", Kind::Text),
            ("1_000", Kind::Text),
            ("0x10", Kind::Text),
            (".inf", Kind::Text),
            ("1.2.3", Kind::Text),
            ("2026-01-01", Kind::Text),
            ("True", Kind::Bool(true)),
            ("no", Kind::Text),
            ("~", Kind::Null),
            ("", Kind::Null),
        ] {
            let (documents, problem) = read(&source(&format!("a: {text}\n")));
            assert_eq!(problem, None, "{text}");
            let Value::Map(members) = &documents[0].value else { panic!("{text}") };
            let Value::Scalar(scalar) = &members[0].1.value else { panic!("{text}") };
            assert_eq!(scalar.kind, kind, "{text}");
        }
    }

    #[test]
    fn everything_knows_its_place() {
        let text = "é: x\nlist:\n    - 'two'\n    - three: {four: 5}\n";
        let source = source(text);
        let (documents, _) = read(&source);
        fn places(node: &Node, found: &mut Vec<Range<usize>>) {
            match &node.value {
                Value::Scalar(_) => found.push(node.span.clone()),
                Value::List(elements) => elements.iter().for_each(|element| places(element, found)),
                Value::Map(members) => members.iter().for_each(|(key, value)| {
                    found.push(key.span.clone());
                    places(value, found);
                }),
            }
        }
        let mut found = Vec::new();
        places(&documents[0], &mut found);
        let shown: Vec<&str> = found.into_iter().map(|span| &text[span]).collect();
        assert_eq!(shown, ["é", "x", "list", "'two'", "three", "four", "5"]);
    }

    #[test]
    fn what_is_hostile_is_refused_quickly() {
        let bomb = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\n".to_owned();
        for text in [bomb, "[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(10_000), "a: !!binary x".into()] {
            let (_, problem) = read(&source(&text));
            assert!(problem.is_some(), "{}", &text[..20.min(text.len())]);
        }
    }
}
