//! A rule written as TOML of ours, with the meaning that it has.
//!
//! Whatever a table of lines can say becomes one; what it cannot becomes named selections and a `condition`. A name
//! that a part of the rule had where it comes from is kept.

use std::fmt::Write as _;

use super::Rule;
use crate::condition::{Comparison, Condition, Field, Literal, Predicate, Test, test::How};
use crate::event::{Derived, Path};

/// The parts of a rule that had names where it comes from.
pub(super) type Named = (String, Condition);

/// Writes a rule; an error says what our language has no words for.
pub(super) fn rule(rule: &Rule, named: &[Named]) -> Result<String, String> {
    check_names(&rule.condition)?;
    let mut writer = Writer { named, tables: Vec::new() };
    let body = writer.body(&rule.condition)?;
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("id", string(&rule.id));
    line("title", string(&rule.title.written()));
    if !rule.description.is_empty() {
        line("description", paragraph(&rule.description));
    }
    line("severity", string(rule.severity.as_str()));
    for (key, list) in
        [("tags", &rule.tags), ("references", &rule.references), ("false_positives", &rule.false_positives)]
    {
        if !list.is_empty() {
            line(key, array(list.iter().map(|text| string(text)).collect()));
        }
    }
    if let Some(condition) = body {
        line("condition", string(&condition));
    }
    for (header, block) in writer.tables {
        let _ = writeln!(text, "\n{header}");
        for Line { key, value } in block {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    Ok(text)
}

/// A record's own field that bears the name of one that we work out cannot be named: ours would be read. Nor can one
/// element of an array.
fn check_names(condition: &Condition) -> Result<(), String> {
    let mut checked = Ok(());
    condition.visit(&mut |predicate| {
        for field in predicate.fields() {
            checked = std::mem::replace(&mut checked, Ok(())).and_then(|()| check_name(field));
        }
    });
    checked
}

fn check_name(field: &Field) -> Result<(), String> {
    match field {
        Field::Path(path) if path.has_positions() => Err(format!("`{path}` names an element by its position")),
        Field::Path(path) if !path.is_deep() && path.segments().iter().any(|name| &**name == Path::ANY_DEPTH) => {
            Err(format!("`{path}` has a name that stands for any number of names here"))
        }
        Field::Path(path) if Derived::named(&path.to_string()).is_some() => {
            Err(format!("`{path}` is worked out here, and would not be read from the record"))
        }
        _ => Ok(()),
    }
}

struct Writer<'w> {
    named: &'w [Named],
    /// Headers, and the lines below them.
    tables: Vec<(String, Block)>,
}

/// Lines of one table, no key twice.
type Block = Vec<Line>;

#[derive(Debug, Clone, PartialEq)]
struct Line {
    key: String,
    value: String,
}

impl Writer<'_> {
    /// Writes the tables; returns the `condition` that they need.
    fn body(&mut self, condition: &Condition) -> Result<Option<String>, String> {
        // Several names say more than the tables without names would.
        if self.named.len() > 1 {
            return Ok(Some(self.expression(condition, "part")?.text));
        }
        if let Some(block) = block(condition) {
            self.tables.push(("[match]".to_owned(), block));
            return Ok(None);
        }
        if let Some(blocks) = blocks(condition) {
            self.tables.extend(blocks.into_iter().map(|block| ("[[either]]".to_owned(), block)));
            return Ok(None);
        }
        Ok(Some(self.expression(condition, "part")?.text))
    }

    /// The expression that a condition comes to, as one term. `base` is what its parts are called.
    fn term(&mut self, condition: &Condition, base: &str) -> Result<String, String> {
        let expression = self.expression(condition, base)?;
        Ok(if expression.joined { format!("({})", expression.text) } else { expression.text })
    }

    fn expression(&mut self, condition: &Condition, base: &str) -> Result<Expression, String> {
        let named = self.named;
        if let Some((name, _)) = named.iter().find(|(_, named)| named == condition) {
            return match blocks(condition) {
                Some(blocks) => Ok(Expression::term(self.selection(name.clone(), blocks))),
                None => self.parts(condition, name),
            };
        }
        match blocks(condition) {
            Some(blocks) if !self.has_names(condition) => {
                let name = self.free_name(base);
                Ok(Expression::term(self.selection(name, blocks)))
            }
            _ => self.parts(condition, base),
        }
    }

    fn is_named(&self, condition: &Condition) -> bool {
        self.named.iter().any(|(_, named)| named == condition)
    }

    /// Whether a part of a condition has a name, so that it is better said by it.
    fn has_names(&self, condition: &Condition) -> bool {
        match condition {
            condition if self.is_named(condition) => true,
            Condition::Not(inner) => self.has_names(inner),
            Condition::All(inner) | Condition::Any(inner) => inner.iter().any(|part| self.has_names(part)),
            _ => false,
        }
    }

    /// Goes into a condition that no table can say.
    fn parts(&mut self, condition: &Condition, base: &str) -> Result<Expression, String> {
        match condition {
            Condition::Not(inner) => Ok(Expression::term(format!("not {}", self.term(inner, base)?))),
            Condition::Any(inner) => Ok(Expression::joined(self.terms(inner.iter(), base)?, " or ")),
            Condition::All(inner) => {
                let (lines, others): (Vec<&Condition>, Vec<&Condition>) =
                    inner.iter().partition(|part| !self.has_names(part) && line(part).is_some());
                let together = block(&Condition::All(lines.into_iter().cloned().collect()));
                let Some(block) = together.filter(|block| block.len() > 1) else {
                    return Ok(Expression::joined(self.terms(inner.iter(), base)?, " and "));
                };
                let name = self.free_name(base);
                let mut terms = vec![self.selection(name, vec![block])];
                terms.extend(self.terms(others.into_iter(), base)?);
                Ok(Expression::joined(terms, " and "))
            }
            Condition::Is(predicate) => Err(format!("`{predicate}` has no words in TOML")),
            #[allow(unreachable_patterns, reason = "the form may have more")]
            _ => Err("a part of it has no words in TOML".to_owned()),
        }
    }

    fn terms<'c>(&mut self, parts: impl Iterator<Item = &'c Condition>, base: &str) -> Result<Vec<String>, String> {
        parts.map(|part| self.term(part, base)).collect()
    }

    /// Writes a selection, unless it stands there.
    fn selection(&mut self, name: String, mut blocks: Vec<Block>) -> String {
        let key = key(&name);
        let brackets = if blocks.len() == 1 { ("[", "]") } else { ("[[", "]]") };
        let header = format!("{}selections.{key}{}", brackets.0, brackets.1);
        if !self.tables.iter().any(|(earlier, _)| *earlier == header) {
            self.tables.extend(blocks.drain(..).map(|block| (header.clone(), block)));
        }
        name
    }

    /// A name that nothing bears.
    fn free_name(&self, base: &str) -> String {
        let taken = |name: &str| {
            let header = format!("selections.{}]", key(name));
            self.named.iter().any(|(named, _)| named == name)
                || self.tables.iter().any(|(earlier, _)| earlier.contains(&header))
        };
        let names = (1..).map(|number| format!("{base}_{number}"));
        names.into_iter().find(|name| !taken(name)).unwrap_or_default()
    }
}

/// A `condition`, and whether it needs parentheses where it is a part of another.
struct Expression {
    text: String,
    joined: bool,
}

impl Expression {
    fn term(text: String) -> Self {
        Self { text, joined: false }
    }

    fn joined(terms: Vec<String>, joint: &str) -> Self {
        Self { joined: terms.len() > 1, text: terms.join(joint) }
    }
}

/// What a table can say: lines that must all hold.
fn block(condition: &Condition) -> Option<Block> {
    if let Some(line) = line(condition) {
        return Some(vec![line]);
    }
    let Condition::All(inner) = condition else { return None };
    let lines: Vec<Line> = inner.iter().map(line).collect::<Option<_>>()?;
    let twice = lines.iter().enumerate().any(|(n, line)| lines[..n].iter().any(|earlier| earlier.key == line.key));
    (!twice && !lines.is_empty()).then_some(lines)
}

/// What tables of the same name can say: one of them must hold.
fn blocks(condition: &Condition) -> Option<Vec<Block>> {
    match (block(condition), condition) {
        (Some(block), _) => Some(vec![block]),
        (None, Condition::Any(inner)) if !inner.is_empty() => inner.iter().map(block).collect(),
        _ => None,
    }
}

/// What one line can say.
fn line(condition: &Condition) -> Option<Line> {
    let (negated, inner) = match condition {
        Condition::Not(inner) => (true, &**inner),
        other => (false, other),
    };
    let (all, predicates): (bool, Vec<&Predicate>) = match inner {
        Condition::Is(predicate) => (false, vec![predicate]),
        Condition::Any(inner) => (false, inner.iter().map(predicate).collect::<Option<_>>()?),
        Condition::All(inner) => (true, inner.iter().map(predicate).collect::<Option<_>>()?),
        _ => return None,
    };
    if let ([Predicate { field, test: Test::Exists | Test::Null }], true) = (&predicates[..], negated) {
        let word = if predicates[0].test == Test::Exists { "exists" } else { "null" };
        return Some(Line { key: string(&format!("{field}|{word}")), value: "false".to_owned() });
    }
    let operands: Vec<Operand> = predicates.iter().map(|predicate| operand(&predicate.test)).collect::<Option<_>>()?;
    let first = operands.first()?;
    let nocase = operands.iter().any(|operand| operand.nocase == Some(true));
    let of_one_kind = predicates.iter().all(|predicate| predicate.field == predicates[0].field)
        && operands.iter().all(|operand| {
            operand.words == first.words
                && operand.loose == first.loose
                && operand.nocase.is_none_or(|own| own == nocase)
        });
    if !of_one_kind || (operands.len() > 1 && first.alone) {
        return None;
    }
    let mut words = vec![predicates[0].field.to_string()];
    let flags = [(negated, "not"), (all, "all"), (first.loose, "loose"), (nocase, "nocase")];
    words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
    words.extend(first.words.iter().map(|word| (*word).to_owned()));
    let value = match &operands[..] {
        [one] if !all => one.value.clone(),
        many => array(many.iter().map(|operand| operand.value.clone()).collect()),
    };
    let text = words.join("|");
    Some(Line { key: if words.len() == 1 { dotted(&text) } else { string(&text) }, value })
}

fn predicate(condition: &Condition) -> Option<&Predicate> {
    match condition {
        Condition::Is(predicate) => Some(predicate),
        _ => None,
    }
}

/// A test, as modifiers and a value.
struct Operand {
    words: Vec<&'static str>,
    value: String,
    /// `None` where it makes no difference.
    nocase: Option<bool>,
    loose: bool,
    /// Whether there may be no list of them.
    alone: bool,
}

/// `None` for what our lines have no words for.
fn operand(test: &Test) -> Option<Operand> {
    let of = |words: &[&'static str], value: String| Operand {
        words: words.to_vec(),
        value,
        nocase: None,
        loose: false,
        alone: false,
    };
    let text = |words: &[&'static str], text: &crate::condition::Text| {
        let written = if text.nocase() { text.written() } else { text.as_str() };
        Operand { nocase: Some(text.nocase()), ..of(words, string(written)) }
    };
    let alone = |operand: Operand| Operand { alone: true, ..operand };
    Some(match test {
        Test::Loosely(test) => Operand { loose: true, ..operand(test)? },
        Test::Equals(Literal::Text(wanted)) => text(&[], wanted),
        Test::Equals(Literal::Number(wanted)) => of(&[], number(wanted.as_str())?),
        Test::Equals(Literal::Bool(wanted)) => of(&[], wanted.to_string()),
        Test::StartsWith(wanted) => text(&["startswith"], wanted),
        Test::EndsWith(wanted) => text(&["endswith"], wanted),
        Test::Contains(wanted) => text(&["contains"], wanted),
        Test::Fits(pattern) => {
            let word = if pattern.is_glob() { "glob" } else { "re" };
            Operand { nocase: Some(test.nocase()), ..of(&[word], string(pattern.source())) }
        }
        Test::InNetwork(network) => of(&["cidr"], string(&network.to_string())),
        Test::In(membership) => {
            Operand { nocase: Some(membership.nocase), ..of(&["in"], string(membership.list.name())) }
        }
        Test::Exists => alone(of(&["exists"], "true".to_owned())),
        Test::Null => alone(of(&["null"], "true".to_owned())),
        Test::Number(comparison, wanted) => alone(of(&[compared(*comparison)?], number(wanted.as_str())?)),
        Test::Hour(Comparison::Equal, hour) => of(&["hour"], hour.to_string()),
        Test::Hour(comparison, hour) => alone(of(&["hour", compared(*comparison)?], hour.to_string())),
        Test::Relates(relation, other @ (Field::Path(_) | Field::Derived(_))) => {
            let mut words = match relation.how {
                How::Equals => vec![],
                How::StartsWith => vec!["startswith"],
                How::EndsWith => vec!["endswith"],
                How::Contains => vec!["contains"],
            };
            words.push("fieldref");
            Operand { nocase: Some(relation.nocase), ..of(&words, string(&other.to_string())) }
        }
        Test::Policy(policy) => of(&["policy"], policy.to_string()),
        _ => return None,
    })
}

fn compared(comparison: Comparison) -> Option<&'static str> {
    Some(match comparison {
        Comparison::Equal => return None,
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "lte",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "gte",
    })
}

/// A number as TOML has it: neither `.5` nor `1.` are.
fn number(text: &str) -> Option<String> {
    match text.parse::<i128>() {
        Ok(whole) => Some(whole.to_string()),
        Err(_) => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| format!("{number:?}")),
    }
}

/// A string in quotes.
pub(super) fn string(text: &str) -> String {
    let backslashes_only = text.contains('\\') && !text.contains(|c: char| c == '\'' || c.is_control());
    if backslashes_only {
        return format!("'{text}'");
    }
    // JSON's escapes are TOML's; but TOML wants one more sign escaped.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A string that may have several lines.
fn paragraph(text: &str) -> String {
    match text.contains('\n') && !text.contains(|c: char| c.is_control() && c != '\n') {
        true => format!("\"\"\"\n{}\n\"\"\"", text.replace('\\', "\\\\").replace("\"\"", "\"\\\"")),
        false => string(text),
    }
}

fn array(values: Vec<String>) -> String {
    let line = format!("[{}]", values.join(", "));
    match line.len() > LINE_LENGTH_MAX {
        true => values.iter().fold("[\n".to_owned(), |text, value| text + "    " + value + ",\n") + "]",
        false => line,
    }
}

/// From where on a list stands with one value a line.
const LINE_LENGTH_MAX: usize = 100;

/// One name of a key.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { string(name) }
}

/// A path as a key: without quotes where TOML needs none.
fn dotted(path: &str) -> String {
    let bare = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if bare { path.to_owned() } else { string(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_what_toml_reads() {
        for text in ["a", "a\"b", r"\d+", r"it's \d", "a\nb", "\u{7f}\u{1}", "é", "", "'", "\\'\""] {
            let written = format!("x = {}", string(text));
            let read = toml::de::DeTable::parse(&written).unwrap();
            assert_eq!(read.get_ref()["x"].get_ref().as_str(), Some(text), "{written}");
            let written = format!("x = {}", paragraph(text));
            let read = toml::de::DeTable::parse(&written).unwrap();
            assert_eq!(read.get_ref()["x"].get_ref().as_str().map(str::trim), Some(text.trim()), "{written}");
        }
        let (quotes, written) = ("a\n\"\"\"\"\\\n", paragraph("a\n\"\"\"\"\\\n"));
        let written = format!("x = {written}");
        let read = toml::de::DeTable::parse(&written).unwrap();
        assert_eq!(read.get_ref()["x"].get_ref().as_str().map(str::trim), Some(quotes.trim()));
    }

    #[test]
    fn numbers_are_what_toml_reads() {
        for (text, expected) in [("1", "1"), ("-0.5", "-0.5"), (".5", "0.5"), ("1e3", "1000.0"), ("007", "7")] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
    }
}
