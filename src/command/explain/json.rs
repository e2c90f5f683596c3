//! Verdicts for programs: one JSON object for each event and rule.

use serde_json::{Value, json};

use crate::condition::explain::Seen;
use crate::condition::line::{Node, Tree};
use crate::condition::{Explanation, Line, Miss};
use crate::engine::trial::Verdict;
use crate::event::{Base, Event, Fields, RawEvent, projection_of};

/// A verdict on an event, with the whole tree.
pub fn verdict(event: &RawEvent, verdict: &Verdict<'_>) -> Value {
    let (wanted, _) = verdict.rule.parted(&verdict.explanation);
    json!({
        "origin": event.origin.to_string(),
        "event_id": event_id(event),
        "rule": verdict.rule.id,
        "verdict": summary(verdict),
        "parts": wanted.into_iter().map(tree).collect::<Vec<_>>(),
    })
}

/// What a verdict comes to, without the tree.
pub fn summary(verdict: &Verdict<'_>) -> Value {
    let nearness = verdict.nearness();
    json!({
        "matched": verdict.matched(),
        "lines": nearness.lines,
        "holding": nearness.holding,
        "misses": nearness.misses.iter().map(miss).collect::<Vec<_>>(),
        "excepted_by": verdict.excepted_by().iter().map(|exception| &exception.name).collect::<Vec<_>>(),
    })
}

fn miss(miss: &Miss<'_>) -> Value {
    match miss {
        Miss::Line(found, seen) => line(found, seen, false),
        Miss::Excluded(inner) => json!({"none_of": [tree(inner)], "holds": false}),
        Miss::Apart => json!({"together": false, "holds": false}),
        Miss::Nothing => json!({"any_of": [], "holds": false}),
    }
}

fn tree(explanation: &Explanation) -> Value {
    let holds = explanation.holds();
    if let Some(found) = Line::of(explanation) {
        return line(&found, explanation.seen(), holds);
    }
    if let Explanation::Together(_, inner) = explanation {
        let mut told = tree(inner);
        told["together"] = Value::from(true);
        told["holds"] = Value::from(holds);
        return told;
    }
    let (word, inner): (_, Vec<Value>) = match explanation.node() {
        Node::All(inner) => ("all_of", inner.iter().map(tree).collect()),
        Node::Any(inner) => ("any_of", inner.iter().map(tree).collect()),
        Node::Not(inner) => ("none_of", vec![tree(inner)]),
        Node::Is(_) => ("all_of", Vec::new()),
    };
    json!({ word: inner, "holds": holds })
}

fn line(line: &Line<'_>, seen: &[Seen], holds: bool) -> Value {
    let mut told = json!({
        "field": line.field().to_string(),
        "negated": line.negated,
        "operator": line.operator(),
        "all": line.all,
        "values": line.predicates.iter().map(|predicate| predicate.test.operand()).collect::<Vec<_>>(),
        "seen": seen.iter().map(value).collect::<Vec<_>>(),
        "holds": holds,
    });
    if let Some(inside) = seen.iter().find_map(inside) {
        told["inside"] = inside;
    }
    told
}

/// How an element or a document fared, or why there is none.
fn inside(seen: &Seen) -> Option<Value> {
    match seen {
        Seen::Element(_, explanation) => Some(tree(explanation)),
        Seen::NoDocument(_, why) => Some(json!({ "unreadable": why })),
        _ => None,
    }
}

/// A value as the event has it; objects and arrays as text.
fn value(seen: &Seen) -> Value {
    match seen {
        Seen::Null => Value::Null,
        Seen::Bool(truth) => Value::Bool(*truth),
        Seen::Integer(number) => Value::from(*number),
        Seen::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        other => Value::from(other.to_string()),
    }
}

fn event_id(event: &RawEvent) -> Option<String> {
    let mut fields = Fields::default();
    let text = std::str::from_utf8(&event.bytes).ok()?;
    let event = Event::read(text, &projection_of([]), &mut fields).ok()?;
    event.text_of(Base::EventId).map(str::to_owned)
}
