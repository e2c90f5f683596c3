//! An export as one JSON object.

use serde_json::{Value, json};

use super::{STATE, STATE_WITH_READS, limit};
use crate::rule::export::{Coverage, Export, Exported, Target};

pub fn object(export: &Export<'_>, target: Target) -> Value {
    json!({
        "to": if target == Target::FilterPattern { "filter-pattern" } else { "event-pattern" },
        "complete": export.is_complete(),
        "length_max": limit(target),
        "patterns": export.patterns.iter().map(|exported| pattern(exported, target)).collect::<Vec<_>>(),
        "widened": export.widened,
        "rules": export.coverage.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn pattern(exported: &Exported, target: Target) -> Value {
    let mut object = json!({ "pattern": exported.text, "length": exported.text.chars().count() });
    if target == Target::EventPattern {
        object["state"] = if exported.reads { STATE_WITH_READS } else { STATE }.into();
    }
    object
}

fn rule(coverage: &Coverage<'_>) -> Value {
    json!({
        "id": coverage.rule.id,
        "reached": coverage.unreached.is_empty(),
        "reasons": coverage.unreached,
        "loosely_by": coverage.loosely_by,
        "data_events": coverage.data_events,
    })
}
