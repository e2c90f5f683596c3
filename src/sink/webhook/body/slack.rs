//! A message for Slack's incoming webhooks, in Block Kit.
//!
//! Values stand only in `plain_text`, which knows no mark-up, mentions or links, with the three characters escaped that
//! Slack itself reads in every text. <https://docs.slack.dev/messaging/formatting-message-text>

use serde_json::{Value, json};

use super::{facts, fitted, headline};
use crate::finding::Finding;

/// The limits of a header and of a field, <https://docs.slack.dev/reference/block-kit/blocks>.
const HEADER_MAX: usize = 150;
const FIELD_MAX: usize = 500;

/// The message.
pub(super) fn message(finding: &Finding) -> Value {
    let headline = headline(finding);
    let fields: Vec<Value> =
        facts(finding).into_iter().map(|(name, value)| plain_text(&format!("{name}: {value}"), FIELD_MAX)).collect();
    json!({
        // What notifications show, and what is read out.
        "text": fitted(&headline, FIELD_MAX, escape),
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            {"type": "header", "text": plain_text(&headline, HEADER_MAX)},
            {"type": "section", "fields": fields},
        ],
    })
}

fn plain_text(text: &str, units_max: usize) -> Value {
    json!({"type": "plain_text", "text": fitted(text, units_max, escape), "emoji": false})
}

/// As Slack asks for: <https://docs.slack.dev/messaging/formatting-message-text/>.
pub(super) fn escape(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}
