//! Event patterns of EventBridge, from files with one each and from what describes rules: the JSON of `aws events
//! list-rules` and `describe-rule`, and templates of CloudFormation.
//!
//! A pattern stands in a rule of ours as it is, so nothing about it changes.

use std::path::Path;

use serde_json::value::RawValue;

use super::{Imported, Outcome, in_one_line};
use crate::event::projection::unescape;
use crate::event::raw::{elements, raw_members};
use crate::rule::write::string;
use crate::rule::{Rule, Severity, event_pattern, sigma};

/// A rule of EventBridge, as far as it matters.
struct Found {
    title: String,
    description: String,
    /// The text of the pattern; none of a rule that runs on a schedule.
    pattern: Option<String>,
    is_disabled: bool,
}

/// Translates every rule of a file.
pub(super) fn import(name: &Path, text: &str) -> Vec<Imported> {
    let file = name.display().to_string();
    let stem = name.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let found = serde_json::from_str::<&RawValue>(text).ok().and_then(described);
    let several = found.is_some();
    // What is no description is a pattern, or a broken one.
    let alone = || {
        vec![Found {
            title: stem,
            description: String::new(),
            pattern: Some(text.trim().to_owned()),
            is_disabled: false,
        }]
    };
    let imported = found.unwrap_or_else(alone).into_iter().map(|found| Imported {
        name: if several { format!("{file}: {}", found.title) } else { file.clone() },
        outcome: translated(&found, &file),
    });
    imported.collect()
}

/// The rules that a JSON text describes; `None` if it describes none.
fn described(raw: &RawValue) -> Option<Vec<Found>> {
    if let Some(rules) = member(raw, "Rules").filter(|rules| rules.get().starts_with('[')) {
        return Some(elements(rules.get()).into_iter().filter_map(|rule| found(rule, None)).collect());
    }
    if let Some(resources) = member(raw, "Resources").filter(|resources| resources.get().starts_with('{')) {
        let rules = raw_members(resources.get()).into_iter().filter_map(|(key, resource)| {
            let is_rule = member(resource, "Type").and_then(text_of)? == "AWS::Events::Rule";
            is_rule.then(|| found(member(resource, "Properties")?, text_of(key))).flatten()
        });
        return Some(rules.collect());
    }
    let is_rule = member(raw, "EventPattern").is_some_and(|pattern| !pattern.get().starts_with('['));
    is_rule.then(|| found(raw, None).into_iter().collect())
}

/// The rule that an object describes. `given` is what it is called if it has no name.
fn found(rule: &RawValue, given: Option<String>) -> Option<Found> {
    let of = |name: &str| member(rule, name).and_then(text_of);
    let pattern = member(rule, "EventPattern").map(|pattern| text_of(pattern).unwrap_or(pattern.get().to_owned()));
    Some(Found {
        title: of("Name").or(given).unwrap_or_else(|| "event-pattern".to_owned()),
        description: of("Description").unwrap_or_default(),
        pattern,
        is_disabled: of("State").is_some_and(|state| state == "DISABLED"),
    })
}

fn member<'a>(raw: &'a RawValue, wanted: &str) -> Option<&'a RawValue> {
    let members = if raw.get().starts_with('{') { raw_members(raw.get()) } else { Vec::new() };
    members.into_iter().find(|(key, _)| text_of(key).as_deref() == Some(wanted)).map(|(_, value)| value)
}

/// The string that a value is.
fn text_of(raw: &RawValue) -> Option<String> {
    let mut text = String::new();
    raw.get().starts_with('"').then(|| unescape(raw.get(), &mut text))?;
    Some(text)
}

fn translated(found: &Found, file: &str) -> Outcome {
    let Some(pattern) = &found.pattern else {
        return Outcome::LeftOut("it has no event pattern: it runs on a schedule".to_owned());
    };
    if let Err(problems) = event_pattern::parse(file, pattern) {
        let reasons = problems.iter().map(|problem| {
            let (line, column) = problem.position();
            format!("{line}:{column} of the pattern: {}", problem.message)
        });
        return Outcome::Refused(reasons.collect());
    }
    let id = sigma::id_of(&found.title);
    let text = written(&id, found, pattern, file);
    let changes = found.is_disabled.then(|| "it is disabled there, and is not here".to_owned());
    match Rule::parse(Path::new(&format!("{id}.toml")), text.clone()) {
        Ok(_) => Outcome::Written { id, text, changes: changes.into_iter().collect() },
        Err(problems) => Outcome::Refused(problems.into_iter().map(|problem| problem.message).collect()),
    }
}

fn written(id: &str, found: &Found, pattern: &str, file: &str) -> String {
    let title = string(&found.title.replace('{', "{{").replace('}', "}}"));
    let (severity, description) = (Severity::Medium, string(&found.description));
    let described = if found.description.is_empty() { String::new() } else { format!("description = {description}\n") };
    format!(
        "# Translated from the event pattern {}\n\nid = \"{id}\"\ntitle = {title}\n{described}severity = \"{severity}\"\n\
         event_pattern = {}\n",
        in_one_line(file),
        literal(pattern)
    )
}

/// A string that needs no escapes, where TOML has one for it.
fn literal(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    match text.contains("'''")
        || text.ends_with('\'')
        || text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        true => string(&text),
        false => format!("'''\n{text}'''"),
    }
}
