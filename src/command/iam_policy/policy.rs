//! Grants as a policy of IAM: one statement a purpose, in an order that stays the same. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::grant::Grant;

/// A policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    action: BTreeSet<&'static str>,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Policy {
    pub(super) fn of(grants: &[Grant]) -> Self {
        let mut statements: BTreeMap<_, Statement> = BTreeMap::new();
        for grant in grants {
            let condition = grant.condition.as_ref().map(ToString::to_string);
            let statement = statements.entry((grant.purpose, condition)).or_insert_with(|| Statement {
                sid: format!("{:?}", grant.purpose),
                effect: "Allow",
                action: BTreeSet::new(),
                resource: BTreeSet::new(),
                condition: grant.condition.clone(),
            });
            statement.action.extend(grant.actions);
            statement.resource.extend(grant.resources.iter().cloned());
        }
        let mut statement: Vec<Statement> = statements.into_values().collect();
        number(&mut statement);
        Self { version: "2012-10-17", statement }
    }

    /// Whether a part of a resource is this word.
    pub(super) fn names(&self, word: &str) -> bool {
        let resources = self.statement.iter().flat_map(|statement| &statement.resource);
        resources.flat_map(|resource| resource.split([':', '/'])).any(|part| part == word)
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// Tells statements of one purpose apart, since no two may have the same `Sid`.
fn number(statements: &mut [Statement]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for statement in statements {
        let times = seen.entry(statement.sid.clone()).or_default();
        *times += 1;
        if *times > 1 {
            statement.sid = format!("{}{times}", statement.sid);
        }
    }
}
