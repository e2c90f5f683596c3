//! A message for Discord's webhooks: one embed, and nobody may be mentioned.
//!
//! Discord reads Markdown, links and mentions in every text. A backslash before a punctuation mark makes it a plain
//! character, so all of them get one.

use serde_json::{Value, json};

use super::{facts, fitted, headline};
use crate::finding::Finding;
use crate::rule::Severity;

/// The limits of an embed, <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>. All texts
/// together may have 6,000 characters.
const TITLE_MAX: usize = 256;
const VALUE_MAX: usize = 500;

/// The message.
pub(super) fn message(finding: &Finding) -> Value {
    let fields: Vec<Value> = facts(finding)
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value_of(&value), "inline": true}))
        .collect();
    json!({
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": fitted(&headline(finding), TITLE_MAX, escape),
            "color": colour(finding.severity),
            "fields": fields,
        }],
    })
}

/// A field may not be empty.
fn value_of(value: &str) -> String {
    if value.trim().is_empty() { "\\-".to_owned() } else { fitted(value, VALUE_MAX, escape) }
}

/// Escapes for Markdown, whichever.
pub(super) fn escape(out: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

fn colour(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 0x8b_00_00,
        Severity::High => 0xd9_3f_0b,
        Severity::Medium => 0xfb_ca_04,
        Severity::Low => 0x1d_76_db,
        Severity::Informational => 0x9a_a0_a6,
    }
}
