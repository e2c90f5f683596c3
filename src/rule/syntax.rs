//! The TOML of a file: what its reader complains about, said so that it helps whoever writes a rule or a configuration.
//!
//! TOML's reader goes on behind a mistake, so that all of a file's mistakes are told at once. What it makes of the
//! mistake itself is a guess, though: complaints that may only follow from the guess are left out.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, Error};

use super::diagnostic::{Diagnostic, SourceText};
use super::file::shared::{LIST_KEYS, SHARED_EXCEPTION_KEYS, SHARED_KEYS};
use super::file::{ALERT_KEYS, EXCEPTION_KEYS, RULE_KEYS, TEST_KEYS};

/// What sort of file it is: what advice goes by.
#[derive(Debug, Clone, Copy)]
pub struct Form<'f> {
    /// Keys of its outermost table. A broken text with none of them is no such file at all.
    pub keys: &'f [&'f [&'f str]],
    /// What to do about a text that is no such file.
    pub no_toml: fn(&str) -> &'static str,
    /// Whether it has lines about events, which may stand in several blocks.
    pub has_lines: bool,
}

/// Rules, and what they share.
const RULES: Form<'_> = Form { keys: &[&RULE_KEYS, &SHARED_KEYS], no_toml, has_lines: true };

/// Reads the TOML of a file of rules; says what is wrong with it, at most once a line.
pub(super) fn read(source: &Arc<SourceText>) -> (Spanned<DeTable<'_>>, Vec<Diagnostic>) {
    read_as(source, &RULES)
}

/// The same of a file of another form.
pub fn read_as<'s>(source: &'s Arc<SourceText>, form: &Form<'_>) -> (Spanned<DeTable<'s>>, Vec<Diagnostic>) {
    let (document, mut errors) = DeTable::parse_recoverable(&source.text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let known = document.get_ref().keys().any(|key| form.keys.iter().any(|keys| keys.contains(&&**key.get_ref())));
    if let (Some(first), false) = (errors.first(), known) {
        let problem = Diagnostic::new(source, first.span().unwrap_or(0..0), "this is not TOML")
            .hint((form.no_toml)(&source.text));
        return (Spanned::new(0..0, DeTable::new()), vec![problem]);
    }
    let line = |error: &Error| source.text[..error.span().map_or(0, |span| span.start)].matches('\n').count();
    errors.dedup_by_key(|error| line(error));
    let mut problems: Vec<Diagnostic> = errors.iter().map(|error| explain(source, form, error)).collect();
    problems.dedup_by(|later, earlier| follows(earlier, later));
    (document, problems)
}

/// Whether a complaint is about the rest of a string that the earlier one says is not closed, or about the same line.
fn follows(earlier: &Diagnostic, later: &Diagnostic) -> bool {
    let (line, next) = (earlier.position().0, later.position().0);
    let is_rest = earlier.message == NOT_CLOSED && next == line + 1 && self::line(later).matches('"').count() % 2 == 1;
    line == next || is_rest
}

const NOT_CLOSED: &str = "this string is not closed";

/// What to do about a file of another language.
fn no_toml(text: &str) -> &'static str {
    if text.trim_start().starts_with('{') {
        return "a rule is written in TOML; an event pattern stands in it as `event_pattern = '''{…}'''`";
    }
    match text.contains("logsource:") || text.contains("detection:") {
        true => "Sigma rules are read from files that end in `.yml`",
        false => "a rule is written in TOML: `id = \"…\"`, `title = \"…\"`, `severity = \"…\"`, `[match]`",
    }
}

/// Puts the complaints about a file together: of the others only those that do not follow from TOML's.
pub fn together(mut syntax: Vec<Diagnostic>, mut others: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if !syntax.is_empty() {
        let lines: Vec<usize> = syntax.iter().map(|problem| problem.position().0).collect();
        // Below a broken header nothing stands in the table that it was written for.
        let is_header = |problem: &&Diagnostic| line(problem).trim_start().starts_with('[');
        let end = syntax.iter().find(is_header).map_or(usize::MAX, |problem| problem.span.start);
        // What TOML's reader made up stands nowhere.
        let is_made_up = |problem: &Diagnostic| problem.span.is_empty() && problem.span.start == 0;
        others.retain(|problem| {
            problem.span.start < end && !is_made_up(problem) && !lines.contains(&problem.position().0)
        });
    }
    syntax.extend(others);
    syntax.sort_by_key(|problem| problem.span.start);
    syntax
}

/// The line that a complaint is about.
fn line(problem: &Diagnostic) -> &str {
    let place = Place { source: &problem.source, form: &RULES, span: problem.span.clone() };
    &problem.source.text[place.line()]
}

/// Turns a complaint of TOML's reader into one that helps.
fn explain(source: &Arc<SourceText>, form: &Form<'_>, error: &Error) -> Diagnostic {
    let message = error.message().lines().next().unwrap_or("");
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let place = Place { source, form, span: error.span().unwrap_or(0..0) };
    match what {
        "invalid unquoted key" => place.sign_in_key(),
        "key with no value" => place.no_equals(),
        "duplicate key" => place.twice(),
        _ if what.starts_with("cannot extend value") => place.value_and_table(),
        "string values must be quoted" | "invalid boolean" | "invalid float" | "missing value" => place.no_value(),
        "unexpected leading zero" => place.leading_zero(),
        "invalid date" | "invalid time" | "invalid datetime" | "invalid date-time" => place.no_date(expected),
        "missing escaped value" => place.no_escape(),
        _ if what.starts_with("invalid") && what.ends_with("string") => place.string(what, expected),
        "extra `=`" => place.say("`==` is not of this language").hint("write `=`"),
        "unexpected key or value" => place.behind_a_value(),
        "unclosed array" => place.say("this list is not closed").hint("write `]` behind its last value"),
        "unclosed inline table" => place.say("this table is not closed").hint("write `}` behind its last value"),
        "unclosed table" => place.say("this header is not closed").hint("write `]` behind its name"),
        "unclosed array table" => place.say("this header is not closed").hint("write `]]` behind its name"),
        "missing comma between array elements" if place.is_key() => place.list_not_closed(),
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            place.say("a comma is missing before this")
        }
        "carriage return must be followed by newline" => {
            place.say("a carriage return without a line feed").hint("end lines as Unix or as Windows does")
        }
        "cannot recurse further; max recursion depth met" | "recursion limit" => place.say("nested too deeply"),
        _ if expected.is_empty() || expected == "nothing" => place.say(what),
        _ => place.say(what).label(format!("expected {expected}")),
    }
}

/// Where TOML's reader stumbled.
struct Place<'s> {
    source: &'s Arc<SourceText>,
    form: &'s Form<'s>,
    span: Range<usize>,
}

/// The quotes of print, which programs for letters put in the place of those that are typed.
pub(super) const TYPOGRAPHIC: [char; 7] = ['“', '”', '„', '‘', '’', '«', '»'];

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

impl Place<'_> {
    fn say(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.source, self.span.clone(), message)
    }

    fn at(&self, span: Range<usize>) -> Self {
        Place { source: self.source, form: self.form, span }
    }

    /// What stands at the place.
    fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or("")
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or("")
    }

    fn after(&self) -> &str {
        self.source.text.get(self.span.start..).unwrap_or("")
    }

    /// The line with the place, without its end.
    fn line(&self) -> Range<usize> {
        let start = self.before().rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.after().find('\n').map_or(self.source.text.len(), |newline| self.before().len() + newline);
        start..end
    }

    /// The key that the place is in: up to white space or `=`.
    fn key(&self) -> Range<usize> {
        let start = self.before().trim_end_matches(|c| is_bare(c) || c == '.').len();
        let len = self.after().find(|c: char| c.is_whitespace() || c == '=').unwrap_or(self.after().len());
        start..self.span.start + len
    }

    /// The word or number that the place is in.
    fn word(&self) -> Self {
        let in_word = |c| is_bare(c) || matches!(c, '.' | '+' | ':');
        let start = self.before().trim_end_matches(in_word).len();
        let len = self.after().find(|c| !in_word(c)).unwrap_or(self.after().len());
        self.at(start..self.span.start + len)
    }

    fn sign_in_key(&self) -> Diagnostic {
        let key = self.at(self.key());
        let name = key.text();
        match self.after().chars().next() {
            Some(':') => {
                let name = name.trim_end_matches(':');
                self.say("`:` stands where `=` belongs").hint(format!("write `{name} = …`"))
            }
            Some(sign) if !sign.is_whitespace() => {
                key.say(format!("a key with `{sign}` in it needs quotes")).hint(format!("write `\"{name}\" = …`"))
            }
            _ => self.say("a key is missing"),
        }
    }

    fn no_equals(&self) -> Diagnostic {
        if self.after().starts_with(':') {
            return self.say("`:` stands where `=` belongs");
        }
        let problem = self.say("`=` is missing before this");
        match self.source.text[self.line()].contains('=') {
            true => problem.hint("a key with spaces or other signs in it needs quotes"),
            false => problem,
        }
    }

    fn twice(&self) -> Diagnostic {
        let name = self.text();
        if self.source.text[self.line()].trim_start().starts_with('[') {
            let blocks = if self.form.has_lines { "; blocks of which any may hold are `[[either]]`" } else { "" };
            let hint = format!("put all its lines below the first `[{name}]`{blocks}");
            return self.say(format!("table `{name}` stands twice")).hint(hint);
        }
        let key = self.at(self.key());
        let key = key.text().trim_matches(['"', '\'']);
        if self.source.text.matches(key).count() < 2 {
            return self
                .say(format!("`{key}` belongs to a table with a header of its own"))
                .hint("put the line below that header, or do without it");
        }
        let problem = self.say(format!("`{key}` stands twice in one table"));
        let known = [&RULE_KEYS[..], &EXCEPTION_KEYS, &ALERT_KEYS, &TEST_KEYS, &LIST_KEYS, &SHARED_EXCEPTION_KEYS];
        if !self.form.has_lines || known.iter().any(|keys| keys.contains(&key)) {
            return problem.hint("leave one of them out");
        }
        let modified = if key.contains('|') { String::new() } else { format!(", add a modifier (`\"{key}|not\"`)") };
        problem.hint(format!("put the values into one list{modified}, or write an `[[either]]` block for each"))
    }

    fn value_and_table(&self) -> Diagnostic {
        let key = self.at(self.key());
        let problem = self.say(format!("`{}` has a value above, so that nothing can stand below it", self.text()));
        match key.text().contains(['[', ']']) {
            true => problem,
            false => problem.hint(format!("quotes make a key of its own: `\"{}\" = …`", key.text())),
        }
    }

    fn no_value(&self) -> Diagnostic {
        let text = self.text().trim();
        let problem = self.say(format!("`{text}` is no value"));
        match text.to_ascii_lowercase().as_str() {
            "" => self.say("a value is missing"),
            _ if text.starts_with(TYPOGRAPHIC) => {
                let plain = text.trim_matches(TYPOGRAPHIC);
                self.say("these are no quotes of TOML").hint(format!("write `\"{plain}\"`, with plain quotes"))
            }
            "yes" | "on" => problem.hint("a flag is `true`; a string needs quotes"),
            "no" | "off" => problem.hint("a flag is `false`; a string needs quotes"),
            word @ ("true" | "false") => problem.hint(format!("write `{word}`")),
            "null" | "nil" | "none" if !self.form.has_lines => problem.hint("TOML has no null: leave the line out"),
            "null" | "nil" | "none" => {
                let key = self.source.text[self.line()].split('=').next().unwrap_or_default();
                let key = key.trim().trim_matches(['"', '\'']);
                problem.hint(format!(
                    "TOML has no null: a field that is null is `\"{key}|null\" = true`, one that is missing \
                     `\"{key}|exists\" = false`"
                ))
            }
            date if date.split('/').count() == 3 && date.bytes().all(|b| b.is_ascii_digit() || b == b'/') => {
                problem.hint("a date is written as `2027-01-31`, without quotes")
            }
            _ if self.source.text[self.line()].trim_start().starts_with("expires") => {
                problem.hint("a date is written as `2027-01-31`, without quotes")
            }
            _ => self.say("a string needs quotes").hint(format!("write `\"{text}\"`")),
        }
    }

    /// Whether a key begins here, with its `=`.
    fn is_key(&self) -> bool {
        let line = self.source.text[self.span.start..self.line().end].split(['"', '\'']).next().unwrap_or_default();
        line.split_once('=').is_some_and(|(key, _)| key.trim().chars().all(|c| is_bare(c) || c == '.'))
    }

    fn list_not_closed(&self) -> Diagnostic {
        let open = self.before().rfind('[').unwrap_or(self.span.start);
        self.at(open..open + 1).say("this list is not closed").hint("write `]` behind its last value")
    }

    /// Something behind a value that has ended.
    fn behind_a_value(&self) -> Diagnostic {
        let line = &self.source.text[self.line()];
        let value = line.split_once('=').map_or("", |(_, value)| value.trim());
        match self.after().chars().next() {
            Some(',') => self
                .say("several values stand in brackets")
                .hint(format!("write `[{}]`", value.trim_end_matches([',', ' ']))),
            Some(';') => self.say("`;` does not end a line of TOML").hint("take it out"),
            _ => self
                .say("something stands behind the value")
                .hint("a line has one value, of which several stand in brackets: `[\"a\", \"b\"]`"),
        }
    }

    fn leading_zero(&self) -> Diagnostic {
        let word = self.word();
        word.say("a number does not begin with 0").hint(format!("if it is text, write `\"{}\"`", word.text()))
    }

    fn no_date(&self, expected: &str) -> Diagnostic {
        let problem = self.say(format!("`{}` is no date", self.text()));
        if expected.is_empty() { problem } else { problem.label(format!("expected {expected}")) }
    }

    fn no_escape(&self) -> Diagnostic {
        let start = self.before().strip_suffix('\\').map_or(self.span.start, str::len);
        let len = self.after().chars().next().map_or(0, char::len_utf8);
        let escape = self.at(start..self.span.start + len);
        escape
            .say(format!("`{}` means nothing in a string", escape.text()))
            .hint("write `\\\\` for a backslash, or put the string into single quotes, which take every sign as it is")
    }

    fn string(&self, what: &str, expected: &str) -> Diagnostic {
        if self.text().chars().any(char::is_control) && !self.text().contains('\n') {
            return self.say("a control character in a string").hint("write it as an escape, for example `\\u001b`");
        }
        let quotes = match what {
            "invalid multi-line basic string" => "\"\"\"",
            "invalid multi-line literal string" => "'''",
            "invalid basic string" if expected == "`\"`" => "\"",
            "invalid literal string" if expected == "`'`" => "'",
            _ => return self.say(what).label(format!("expected {expected}")),
        };
        // Where a string over many lines is not closed, what was read last tells nothing; where it opens does.
        match self.before().rfind(quotes) {
            Some(open) => self.at(open..open + quotes.len()),
            None => self.at(self.span.clone()),
        }
        .say(NOT_CLOSED)
        .hint(match quotes.len() {
            1 => format!("write `{quotes}` at its end; a string over several lines stands in `{}`", quotes.repeat(3)),
            _ => format!("write `{quotes}` at its end"),
        })
    }
}
