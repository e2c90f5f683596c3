//! A body of the user's own making: a template in the language of Jinja.
//!
//! Templates are written by whoever runs Trailwatch, and values by whoever calls AWS. So values are escaped for where they
//! go without being asked, and a template can neither run for ever nor write without end.

use std::borrow::Cow;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};

use super::{SettingsError, discord, fitted, slack};
use crate::finding::Finding;
use crate::untrusted::{Untrusted, shortened};

/// The name that complaints give to the template.
const NAME: &str = "template";

/// The steps of one rendering. One step also pays for 64 bytes that are written, so a body has 3 MB at most.
const FUEL: u64 = 50_000;

/// How much of a complaint is told, in characters.
const COMPLAINT_WIDTH: usize = 300;

const TEXT: AutoEscape = AutoEscape::Custom(Cow::Borrowed("text"));
const SLACK: AutoEscape = AutoEscape::Custom(Cow::Borrowed("slack"));
const MARKDOWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("markdown"));

/// What the values that a template shows are made safe for, and so what the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// JSON: each value is written as JSON, a string with its quotes.
    #[default]
    Json,
    /// JSON whose strings Slack shows as they are: without mentions, links and formats.
    Slack,
    /// JSON whose strings are text in Markdown, as Discord and the cards of Teams read it.
    Markdown,
    /// HTML.
    Html,
    /// Plain text: characters that are no text are written as escapes, line breaks too.
    Text,
}

/// A template, read.
pub(super) struct Template {
    environment: Environment<'static>,
    escape: Escape,
}

impl Template {
    /// Reads a template.
    pub(super) fn new(text: String, escape: Escape) -> Result<Self, SettingsError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(move |_| match escape {
            Escape::Json => AutoEscape::Json,
            Escape::Slack => SLACK,
            Escape::Markdown => MARKDOWN,
            Escape::Html => AutoEscape::Html,
            Escape::Text => TEXT,
        });
        environment.set_formatter(write_value);
        environment.add_template_owned(NAME, text).map_err(|error| {
            SettingsError::new("template", format!("{} (see docs/operating.md)", complaint(&error)))
        })?;
        Ok(Self { environment, escape })
    }

    /// What the template makes of a finding.
    pub(super) fn render(&self, finding: &Finding) -> Result<String, String> {
        let failed = |error: Error| format!("the template fails: {}{}", complaint(&error), hint(error.kind()));
        // The events are raw text to everybody else.
        let fields: serde_json::Value = serde_json::from_str(&finding.to_json())
            .map_err(|error| format!("the finding cannot be taken apart for the template: {error}"))?;
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let text = template.render(Value::from(Serde(fields))).map_err(failed)?;
        match self.escape {
            Escape::Json | Escape::Slack | Escape::Markdown => checked(text),
            Escape::Html | Escape::Text => Ok(text),
        }
    }

    /// The type of what it makes.
    pub(super) fn content_type(&self) -> &'static str {
        match self.escape {
            Escape::Json | Escape::Slack | Escape::Markdown => "application/json",
            Escape::Html => "text/html; charset=utf-8",
            Escape::Text => "text/plain; charset=utf-8",
        }
    }
}

fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match state.auto_escape() {
        _ if value.is_safe() => escape_formatter(out, state, value),
        escape if *escape == TEXT => write!(out, "{}", Untrusted(&value.to_string())).map_err(Error::from),
        escape if *escape == SLACK => write_json(out, value, slack::escape),
        escape if *escape == MARKDOWN => write_json(out, value, discord::escape),
        _ => escape_formatter(out, state, value),
    }
}

/// Writes JSON, each string of which is escaped for its destination first.
fn write_json(out: &mut Output<'_>, value: &Value, escape: fn(&mut String, char)) -> Result<(), Error> {
    let json =
        serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    // In one piece, as each is paid for.
    out.write_str(&escaped(json, escape).to_string()).map_err(Error::from)
}

fn escaped(json: serde_json::Value, escape: fn(&mut String, char)) -> serde_json::Value {
    use serde_json::Value as Json;
    let text = |text: &str| fitted(text, usize::MAX, escape);
    match json {
        Json::String(string) => Json::String(text(&string)),
        Json::Array(list) => list.into_iter().map(|value| escaped(value, escape)).collect(),
        Json::Object(object) => object.into_iter().map(|(name, value)| (text(&name), escaped(value, escape))).collect(),
        other => other,
    }
}

fn checked(text: String) -> Result<String, String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "the template does not make JSON: {error} (values are written as JSON, quotes and all: write `{{{{ title }}}}`, \
             not `\"{{{{ title }}}}\"`)"
        )),
    }
}

fn complaint(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    Untrusted(&shortened(&format!("{line}{what}"), COMPLAINT_WIDTH)).to_string()
}

fn hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UndefinedError => " (not every event has every field: `|default(none)` says what to take instead)",
        ErrorKind::OutOfFuel => " (it takes too many steps or writes too much)",
        _ => "",
    }
}
