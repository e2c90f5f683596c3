//! What a request holds: the finding in the form that its receiver takes. Pure.
//!
//! Whoever calls AWS chooses names and parameters, and findings show them. In a chat they could mention people, or be links;
//! so every preset says how text is kept text there, and the property tests hold it to that.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::SettingsError;
use crate::finding::Finding;
use crate::untrusted::{Untrusted, shortened};

mod alertmanager;
mod discord;
mod pagerduty;
mod slack;
mod teams;
mod template;

pub use template::Escape;

/// Where PagerDuty takes events: the `url` of a sink with [`Body::PagerDuty`], outside the EU.
pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// What a request holds.
#[derive(Clone)]
pub enum Body {
    /// The finding's own JSON.
    Json,
    /// A message for a Slack incoming webhook.
    Slack,
    /// An Adaptive Card for a Microsoft Teams workflow.
    Teams,
    /// A message for a Discord webhook.
    Discord,
    /// An event for PagerDuty's Events API v2, usually at [`PAGERDUTY_URL`].
    PagerDuty {
        /// The integration's key.
        routing_key: String,
    },
    /// An alert for Alertmanager's API v2, at `/api/v2/alerts`.
    Alertmanager,
    /// What a template makes of the finding.
    Template {
        /// The template, in the language of Jinja. The fields of the finding's JSON are its variables.
        text: String,
        /// What values are made safe for.
        escape: Escape,
    },
}

/// Writes the bodies of requests.
pub struct Writer(Form);

enum Form {
    Json,
    Preset(fn(&Finding) -> Value),
    PagerDuty(String),
    Template(Box<template::Template>),
}

impl Writer {
    /// A writer of one kind of body.
    pub fn new(body: Body) -> Result<Self, SettingsError> {
        Ok(Self(match body {
            Body::Json => Form::Json,
            Body::Slack => Form::Preset(slack::message),
            Body::Teams => Form::Preset(teams::message),
            Body::Discord => Form::Preset(discord::message),
            Body::Alertmanager => Form::Preset(alertmanager::alerts),
            Body::PagerDuty { routing_key } if routing_key.is_empty() => {
                let problem = "there is none (copy the integration key of a PagerDuty service)";
                return Err(SettingsError::new("routing_key", problem));
            }
            Body::PagerDuty { routing_key } => Form::PagerDuty(routing_key),
            Body::Template { text, escape } => Form::Template(Box::new(template::Template::new(text, escape)?)),
        }))
    }

    /// The body for a finding, or why there can be none.
    pub fn write(&self, finding: &Finding) -> Result<String, String> {
        match &self.0 {
            Form::Json => Ok(finding.to_json()),
            Form::Preset(message) => Ok(message(finding).to_string()),
            Form::PagerDuty(routing_key) => Ok(pagerduty::event(finding, routing_key).to_string()),
            Form::Template(template) => template.render(finding),
        }
    }

    /// The type of what is written.
    pub fn content_type(&self) -> &'static str {
        match &self.0 {
            Form::Template(template) => template.content_type(),
            _ => "application/json",
        }
    }
}

/// The severity and the title, as a message begins.
fn headline(finding: &Finding) -> String {
    format!("{} {}", finding.severity.as_str().to_uppercase(), finding.title)
}

/// What a message says below its headline: what is known of rule, place, actor, source, time and event. A digest says who
/// and when of all that it stands for.
fn facts(finding: &Finding) -> Vec<(&'static str, Cow<'_, str>)> {
    let actor = &finding.actor;
    let of = |text: &'_ Option<String>| text.clone().map(Cow::Owned);
    let place = [
        ("Rule", Some(Cow::Borrowed(finding.rule.id.as_str()))),
        ("Account", of(&finding.account)),
        ("Region", of(&finding.region)),
    ];
    let rest = match &finding.digest {
        None => vec![
            ("Actor", Some(Cow::Borrowed(actor.name.as_str()))),
            ("Session", of(&actor.session)),
            ("Source", of(&finding.source_ip)),
            ("Time", of(&finding.time)),
        ],
        Some(digest) => vec![
            ("Actors", Some(Cow::Owned(digest.named_actors()))),
            ("First", Some(Cow::Borrowed(digest.first.as_str()))),
            ("Last", Some(Cow::Borrowed(digest.last.as_str()))),
            ("Finding", Some(Cow::Borrowed(digest.of.as_str()))),
        ],
    };
    let event = ("Event", finding.event_ids.first().map(|id| Cow::Borrowed(id.as_str())));
    place.into_iter().chain(rest).chain([event]).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A text in which nothing is hidden, escaped for its destination, and cut so that it is within so many UTF-16 units,
/// which is what the receivers' limits count or less.
fn fitted(text: &str, units_max: usize, escape: impl Fn(&mut String, char)) -> String {
    let visible = Untrusted(&shortened(text, units_max)).to_string();
    let (mut fitted, mut units) = (String::new(), 0);
    for c in visible.chars() {
        let before = fitted.len();
        escape(&mut fitted, c);
        units += fitted[before..].encode_utf16().count();
        // The last unit is the ellipsis'.
        if units >= units_max {
            fitted.truncate(before);
            let _ = fitted.write_char('…');
            break;
        }
    }
    fitted
}

/// For receivers to whom text is text.
fn plain(out: &mut String, c: char) {
    out.push(c);
}
