//! An alert for Alertmanager, which groups, silences and routes it.
//!
//! Labels tell alerts apart, so they hold what is the same at every try and the finding's id; what people read is in the
//! annotations. <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use serde_json::{Map, Value, json};

use super::{facts, fitted, plain};
use crate::finding::Finding;

const VALUE_MAX: usize = 1_000;

/// A list of one alert.
pub(super) fn alerts(finding: &Finding) -> Value {
    let labels = [
        ("alertname", Some(finding.rule.id.as_str())),
        ("severity", Some(finding.severity.as_str())),
        ("account", finding.account.as_deref()),
        ("region", finding.region.as_deref()),
        // Of a digest the labels are those of the finding that it stands beside, so that it is the same alert.
        ("finding", Some(finding.matter())),
    ];
    let labels: Map<String, Value> = labels.into_iter().filter_map(|(name, value)| Some(text(name, value?))).collect();
    let facts = facts(finding).into_iter().map(|(name, value)| text(&name.to_lowercase(), &value));
    let annotations: Map<String, Value> = [text("summary", &finding.title)].into_iter().chain(facts).collect();
    let mut alert = json!({"labels": labels, "annotations": annotations});
    if let Some(time) = &finding.time {
        alert["startsAt"] = fitted(time, VALUE_MAX, plain).into();
    }
    json!([alert])
}

fn text(name: &str, value: &str) -> (String, Value) {
    (name.to_owned(), fitted(value, VALUE_MAX, plain).into())
}
