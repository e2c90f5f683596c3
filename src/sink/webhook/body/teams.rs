//! An Adaptive Card for a workflow of Microsoft Teams ("when a Teams webhook request is received").
//!
//! Values stand only in `TextRun`s, which know no Markdown, where a `TextBlock` or a `FactSet` would make links of it. A
//! mention needs an entry under `msteams`, and there is none.

use serde_json::{Value, json};

use super::{facts, fitted, headline, plain};
use crate::finding::Finding;

/// What keeps a card under the 28 KB that Teams takes, whatever its text is made of: a unit of UTF-16 is three bytes at
/// most, also where JSON escapes it.
const HEADLINE_MAX: usize = 500;
const VALUE_MAX: usize = 500;

/// The message.
pub(super) fn message(finding: &Finding) -> Value {
    let headline = fitted(&headline(finding), HEADLINE_MAX, plain);
    let mut body = vec![line(json!([{"type": "TextRun", "text": headline, "weight": "Bolder", "size": "Medium"}]))];
    body.extend(facts(finding).into_iter().map(|(name, value)| {
        let value = fitted(&value, VALUE_MAX, plain);
        line(json!([{"type": "TextRun", "text": format!("{name}: "), "weight": "Bolder"}, {"type": "TextRun", "text": value}]))
    }));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    json!({
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    })
}

fn line(runs: Value) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}
