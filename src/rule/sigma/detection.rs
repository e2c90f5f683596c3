//! The heart of a Sigma rule: named selections, and the condition that joins them.

use std::collections::HashSet;
use std::ops::Range;

use super::Reader;
use super::item::{self, Item};
use super::yaml::{Key, Node, Value};
use crate::condition::Condition;
use crate::rule::expression::{self, SELECTIONS_MAX, Selection};
use crate::rule::key::Problem;
use crate::rule::shared::Shared;

/// The longest list of values.
const LIST_MAX: usize = 10_000;
/// The longest list of conditions.
const CONDITIONS_MAX: usize = 100;

/// What a detection says; `None` if it says nothing that can be judged, which has been complained about.
pub(super) fn read(reader: &mut Reader<'_>, detection: &Node) -> Option<Condition> {
    let Value::Map(members) = &detection.value else {
        let problem = Problem::new(format!("expected a map, found {}", detection.what()));
        reader.complain(&detection.span, problem.label("selections, and the `condition` that joins them"));
        return None;
    };
    let mut selections: Vec<Selection> = Vec::new();
    let mut condition = None;
    for (key, node) in members {
        if selections.len() == SELECTIONS_MAX {
            reader.complain(&key.span, Problem::new(format!("more than {SELECTIONS_MAX} selections")));
            return None;
        }
        if selections.iter().any(|(earlier, _)| *earlier == key.text) {
            reader.complain(&key.span, Problem::new(format!("`{}` stands twice", key.text)));
        }
        match key.text.as_str() {
            "condition" => condition = Some(node),
            "timeframe" => {
                let message = "a `timeframe` joins several events, and rules judge one event at a time";
                reader.complain(&key.span, Problem::new(message));
            }
            name => {
                if let Some(()) = reader.ok(&key.span, name, expression::check_name(name)) {
                    let selection = reader.selection(key, node);
                    selections.push((name.to_owned(), selection));
                }
            }
        }
    }
    match condition {
        Some(condition) => {
            let condition = reader.conditions(condition, &selections);
            reader.note_unused(&selections);
            condition
        }
        None => {
            let names: Vec<&str> = selections.iter().map(|(name, _)| name.as_str()).collect();
            let example = names.first().map_or("selection", |name| name);
            let problem = Problem::new("the detection has no `condition`");
            reader.complain(
                &start(&detection.span),
                problem.hint(format!("add `condition: {example}` below `detection`")),
            );
            None
        }
    }
}

fn start(span: &Range<usize>) -> Range<usize> {
    span.start..span.start
}

impl Reader<'_> {
    /// A condition, or a list of which any may hold.
    fn conditions(&mut self, node: &Node, selections: &[Selection]) -> Option<Condition> {
        match &node.value {
            Value::List(list) if list.len() > CONDITIONS_MAX => {
                let problem = Problem::new(format!("a list of {} conditions", list.len()));
                self.complain(&node.span, problem.label(format!("at most {CONDITIONS_MAX}")));
                None
            }
            Value::List(list) if !list.is_empty() => {
                let conditions: Vec<Option<Condition>> =
                    list.iter().map(|condition| self.condition(condition, selections)).collect();
                conditions.into_iter().collect::<Option<_>>().map(Condition::any)
            }
            _ => self.condition(node, selections),
        }
    }

    fn note_unused(&mut self, selections: &[Selection]) {
        let details = &mut self.details;
        for (name, _) in selections {
            if !details.selections.iter().any(|(used, _)| used == name) {
                details.changes.push(format!("the condition does not name `{name}`, which is left out"));
            }
        }
    }

    fn condition(&mut self, node: &Node, selections: &[Selection]) -> Option<Condition> {
        let Some(text) = super::text(node) else {
            self.complain(&node.span, Problem::new(format!("expected a string, found {}", node.what())));
            return None;
        };
        let expression = self.ok(&node.span, text, expression::parse(text))?;
        let used = expression.names(selections);
        for (name, selection) in selections {
            if let Some(selection) = selection
                && used.contains(&name.as_str())
                && !self.details.selections.iter().any(|(known, _)| known == name)
            {
                self.details.selections.push((name.clone(), selection.clone()));
            }
        }
        self.ok(&node.span, text, expression.resolve(selections, &Shared::default()))?
    }

    /// A map, all lines of which must hold; a list, any element of which must; or a search word.
    fn selection(&mut self, key: &Key, node: &Node) -> Option<Condition> {
        match &node.value {
            Value::Map(_) => self.lines(&key.span, node),
            Value::List(list) if list.is_empty() => {
                self.complain(&key.span, Problem::new(format!("the selection `{}` is empty", key.text)));
                None
            }
            Value::List(list) => {
                let parts: Vec<Option<Condition>> = list.iter().map(|node| self.alternative(key, node)).collect();
                parts.into_iter().collect::<Option<_>>().map(Condition::any)
            }
            Value::Scalar(_) => self.alternative(key, node),
        }
    }

    fn alternative(&mut self, key: &Key, node: &Node) -> Option<Condition> {
        match &node.value {
            Value::Map(_) => self.lines(&node.span, node),
            Value::List(_) => {
                self.complain(&node.span, Problem::new("a list within a list"));
                None
            }
            Value::Scalar(_) if node.is_null() => {
                self.complain(&key.span, Problem::new(format!("the selection `{}` is empty", key.text)));
                None
            }
            Value::Scalar(_) => self.values(&Item::keyword(), std::slice::from_ref(node)),
        }
    }

    fn lines(&mut self, place: &Range<usize>, node: &Node) -> Option<Condition> {
        let Value::Map(members) = &node.value else { return None };
        if members.is_empty() {
            self.complain(place, Problem::new("the selection is empty").label("it would match every event"));
            return None;
        }
        let mut parts = Vec::new();
        let mut keys = HashSet::new();
        for (key, value) in members {
            if !keys.insert(&key.text) {
                let problem = Problem::new(format!("`{}` stands twice in one selection", key.text));
                self.complain(&key.span, problem.hint("put the values into one list, or make a selection of its own"));
            }
            parts.push(self.line(key, value));
        }
        parts.into_iter().collect::<Option<_>>().map(Condition::all)
    }

    fn line(&mut self, key: &Key, node: &Node) -> Option<Condition> {
        let item = self.ok(&key.span, &key.text, item::parse(&key.text))?;
        match &node.value {
            Value::List(list) if list.is_empty() => {
                let problem = Problem::new("an empty list").label("no value can be in it, so the line can never hold");
                self.complain(&key.span, problem);
                None
            }
            Value::List(list) if list.len() > LIST_MAX => {
                let problem = Problem::new(format!("a list of {} values", list.len()));
                self.complain(&key.span, problem.label(format!("at most {LIST_MAX}")));
                None
            }
            Value::List(list) => self.values(&item, list),
            Value::Scalar(_) => self.values(&item, std::slice::from_ref(node)),
            Value::Map(_) => {
                let problem = Problem::new("a map where a value belongs");
                self.complain(&key.span, problem.hint(format!("dots go into objects: `{}.…`", key.text)));
                None
            }
        }
    }

    fn values(&mut self, item: &Item, nodes: &[Node]) -> Option<Condition> {
        let tests: Vec<Option<Vec<Condition>>> = nodes
            .iter()
            .map(|node| if item.expand { self.expanded(item, node) } else { Some(vec![self.value(item, node)?]) })
            .collect();
        let tests: Vec<Vec<Condition>> = tests.into_iter().collect::<Option<_>>()?;
        Some(item.condition(tests.into_iter().flatten().collect()))
    }

    /// The values of the list that a placeholder names: `%name%`.
    fn expanded(&mut self, item: &Item, node: &Node) -> Option<Vec<Condition>> {
        let text = super::text(node).unwrap_or("");
        let name = text.strip_prefix('%').and_then(|name| name.strip_suffix('%')).filter(|name| !name.is_empty());
        let Some(name) = name.filter(|name| !name.contains('%')) else {
            let problem = Problem::new(format!("`{text}` is no placeholder"));
            self.complain(&node.span, problem.label("expected `%name%`, the name of a list, and nothing around it"));
            return None;
        };
        let list = self.shared.list(name);
        let list = self.ok(&node.span, text, list)??;
        let conditions = item.of_list(&list);
        self.ok(&node.span, text, conditions)
    }

    fn value(&mut self, item: &Item, node: &Node) -> Option<Condition> {
        match &node.value {
            Value::Scalar(scalar) => {
                let condition = item.value(scalar);
                self.ok(&node.span, &scalar.text, condition)
            }
            _ => {
                self.complain(&node.span, Problem::new(format!("expected one value, found {}", node.what())));
                None
            }
        }
    }
}
