//! Rules of other tools, translated into files of ours, with an honest word about each.

use std::collections::BTreeSet;
use std::path::Path;

use super::write::{self, Named};
use super::{Reading, Rule, Severity, Shared, SourceText, Template, filter_pattern, sigma};
use crate::condition::{Condition, Field, Literal, Predicate, Test};

mod event_pattern;

/// Which language rules come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Sigma, in YAML.
    Sigma,
    /// Filter patterns of CloudWatch Logs: a file with one, or JSON as `aws logs describe-metric-filters` prints it.
    FilterPattern,
    /// Event patterns of EventBridge: a file with one, or JSON that describes rules of EventBridge.
    EventPattern,
}

/// What came of one rule.
#[derive(Debug)]
pub struct Imported {
    /// Where it came from: a file, and in a file of several the rule's name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a rule.
#[derive(Debug)]
pub enum Outcome {
    /// It was translated.
    Written {
        /// The id of the rule, and the name of its file.
        id: String,
        /// The TOML.
        text: String,
        /// What is different; empty where it says the same.
        changes: Vec<String>,
    },
    /// It cannot be translated, or is broken, for these reasons.
    Refused(Vec<String>),
    /// It is not about CloudTrail.
    LeftOut(String),
}

/// Whether a file of a folder holds rules of a dialect, by its name.
pub fn is_named(dialect: Dialect, name: &Path) -> bool {
    match dialect {
        Dialect::Sigma => sigma::is_named(name),
        Dialect::EventPattern => name.extension().is_some_and(|ending| ending == "json"),
        Dialect::FilterPattern => {
            name.extension().is_some_and(|ending| ["json", "txt", "pattern"].iter().any(|known| ending == *known))
        }
    }
}

/// Translates every rule of a file.
pub fn import(dialect: Dialect, name: &Path, bytes: Vec<u8>) -> Vec<Imported> {
    match (dialect, String::from_utf8(bytes)) {
        (_, Err(_)) => {
            let outcome = Outcome::Refused(vec!["the file is not UTF-8".to_owned()]);
            vec![Imported { name: name.display().to_string(), outcome }]
        }
        (Dialect::Sigma, Ok(text)) => of_sigma(name, super::without_mark(text)),
        (Dialect::FilterPattern, Ok(text)) => of_patterns(name, &text),
        (Dialect::EventPattern, Ok(text)) => event_pattern::import(name, &text),
    }
}

fn of_sigma(name: &Path, text: String) -> Vec<Imported> {
    let (reading, details) = sigma::read_whole(name, text, &Shared::assuming_lists());
    let file = name.display().to_string();
    let Reading { rules, problems, left_out } = reading;
    let several = rules.len() + left_out.len() > 1;
    let mut imported = Vec::new();
    for (rule, detail) in rules.iter().zip(details) {
        let mut comments = vec![format!("Translated from the Sigma rule {file}")];
        comments.extend(detail.author.map(|author| format!("Author of the Sigma rule: {author}")));
        let changes = detail.changes.into_iter().chain(lists_of(rule)).collect();
        let name = if several { format!("{file}: {}", rule.title.unfilled()) } else { file.clone() };
        imported.push(Imported { name, outcome: written(rule, &detail.selections, &comments, changes) });
    }
    for rule in left_out {
        imported.push(Imported { name: file.clone(), outcome: Outcome::LeftOut(rule.reason) });
    }
    if !problems.is_empty() {
        let reasons = problems.iter().map(|problem| {
            let (line, column) = problem.position();
            let label = if problem.label.is_empty() { String::new() } else { format!(" ({})", problem.label) };
            format!("{line}:{column}: {}{label}", problem.message)
        });
        imported.push(Imported { name: file, outcome: Outcome::Refused(reasons.collect()) });
    }
    imported
}

/// What is to be done about the lists that a rule names and that come with no rule.
fn lists_of(rule: &Rule) -> Vec<String> {
    let mut names = BTreeSet::new();
    rule.condition.visit(&mut |predicate| {
        if let Test::In(membership) = &predicate.test {
            names.insert(membership.list.name().to_owned());
        }
    });
    let needs =
        |name| format!("the list `{name}` must be provided: declare `[lists.{name}]` in a file beside the rule");
    names.into_iter().map(needs).collect()
}

/// Writes a rule, and reads it again, since our own reader is the judge of what our language has.
fn written(rule: &Rule, named: &[Named], comments: &[String], changes: Vec<String>) -> Outcome {
    let body = match write::rule(rule, named) {
        Ok(body) => body,
        Err(reason) => return Outcome::Refused(vec![reason]),
    };
    let comments: String = comments.iter().map(|comment| format!("# {}\n", in_one_line(comment))).collect();
    let text = format!("{comments}\n{body}");
    let name = format!("{}.toml", rule.id);
    match Rule::parse_with(Path::new(&name), text.clone(), &Shared::assuming_lists()) {
        Ok(_) => Outcome::Written { id: rule.id.clone(), text, changes },
        Err(problems) => Outcome::Refused(problems.iter().map(|problem| problem.message.clone()).collect()),
    }
}

fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn of_patterns(name: &Path, text: &str) -> Vec<Imported> {
    let file = name.display().to_string();
    let stem = name.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    if text.trim_start().starts_with('[') || name.extension().is_some_and(|ending| ending == "json") {
        return match serde_json::from_str(text) {
            Ok(json) => patterns_in(&json, &stem)
                .into_iter()
                .map(|(title, pattern)| Imported {
                    name: format!("{file}: {title}"),
                    outcome: of_pattern(&file, &title, &pattern),
                })
                .collect(),
            Err(error) => {
                vec![Imported { name: file, outcome: Outcome::Refused(vec![format!("it is not JSON: {error}")]) }]
            }
        };
    }
    let outcome = of_pattern(&file, &stem, text.trim());
    vec![Imported { name: file, outcome }]
}

/// Every pattern with its name, from a list of metric or subscription filters.
fn patterns_in(json: &serde_json::Value, stem: &str) -> Vec<(String, String)> {
    let list = ["metricFilters", "subscriptionFilters"].iter().find_map(|key| json[*key].as_array());
    let list = list.or_else(|| json.as_array()).map_or(std::slice::from_ref(json), Vec::as_slice);
    let of = |filter: &serde_json::Value, keys: [&str; 2]| {
        keys.iter().find_map(|key| Some(filter[*key].as_str()?.to_owned()))
    };
    let filters = list.iter().enumerate();
    filters
        .filter_map(|(number, filter)| {
            let pattern = of(filter, ["filterPattern", "filter_pattern"])?;
            Some((of(filter, ["filterName", "name"]).unwrap_or_else(|| format!("{stem} {}", number + 1)), pattern))
        })
        .collect()
}

fn of_pattern(file: &str, title: &str, pattern: &str) -> Outcome {
    let condition = match filter_pattern::parse(file, pattern) {
        Ok(condition) => condition,
        Err(problem) => {
            let (_, column) = problem.position();
            return Outcome::Refused(vec![format!("character {column} of the pattern: {}", problem.message)]);
        }
    };
    let mut changes = Vec::new();
    let condition = reworded(condition, &mut changes);
    let title = match Template::parse(&title.replace('{', "{{").replace('}', "}}")) {
        Ok(title) => title,
        Err(problem) => return Outcome::Refused(vec![problem.message]),
    };
    let id = sigma::id_of(&title.unfilled());
    let rule = Rule {
        id,
        title,
        description: String::new(),
        severity: Severity::Medium,
        tags: Vec::new(),
        references: Vec::new(),
        false_positives: Vec::new(),
        condition,
        exceptions: Vec::new(),
        places: Vec::new(),
        group_by: Vec::new(),
        suppress: None,
        tests: Vec::new(),
        source: std::sync::Arc::new(SourceText { name: file.to_owned(), text: pattern.to_owned() }),
        start: 0,
    };
    let comments = [format!("Translated from the filter pattern {}", in_one_line(pattern))];
    written(&rule, &[], &comments, changes)
}

/// Says in our words what only filter patterns say; notes what becomes different by it.
fn reworded(condition: Condition, changes: &mut Vec<String>) -> Condition {
    let mut note = |change: &str| {
        if !changes.iter().any(|earlier| earlier == change) {
            changes.push(change.to_owned());
        }
    };
    if let Condition::Any(inner) = &condition {
        if let [Condition::Not(missing), Condition::Is(Predicate { field, test: Test::AnythingBut(test) })] = &inner[..]
            && **missing == Condition::is(field.clone(), Test::Exists)
        {
            note(INEQUALITY);
            return reworded(Condition::is(field.clone(), (**test).clone()).negated(), changes);
        }
        if let Some((field, number)) = number_or_its_text(inner) {
            note(BARE_NUMBER);
            return Condition::is(field.clone(), Test::Loosely(Box::new(Test::Equals(number.clone()))));
        }
    }
    match condition {
        Condition::All(inner) => flat(inner, changes, |part| matches!(part, Condition::All(_)), Condition::all),
        Condition::Any(inner) => flat(inner, changes, |part| matches!(part, Condition::Any(_)), Condition::any),
        Condition::Not(inner) => reworded(*inner, changes).negated(),
        other => other,
    }
}

const INEQUALITY: &str = "`!=` holds if no value of the field is equal; the pattern's holds if one differs";
const BARE_NUMBER: &str = "a number without quotes also fits any string that is the same number";

/// The parts, those that are of the same kind opened: `a && b && c` is one list, however it was put in parentheses.
fn flat(
    inner: Vec<Condition>,
    changes: &mut Vec<String>,
    same: impl Fn(&Condition) -> bool,
    join: impl Fn(Vec<Condition>) -> Condition,
) -> Condition {
    let mut parts = Vec::new();
    for part in inner {
        match reworded(part, changes) {
            part if !same(&part) => parts.push(part),
            Condition::All(inner) | Condition::Any(inner) => parts.extend(inner),
            part => parts.push(part),
        }
    }
    join(parts)
}

/// The two readings of a number without quotes.
fn number_or_its_text(inner: &[Condition]) -> Option<(&Field, &Literal)> {
    let [
        Condition::Is(Predicate { field, test: Test::Equals(number @ Literal::Number(_)) }),
        Condition::Is(Predicate { field: other, test: Test::Equals(Literal::Text(_)) }),
    ] = inner
    else {
        return None;
    };
    (field == other).then_some((field, number))
}
