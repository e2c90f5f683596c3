//! The JSON Schema of rule files, with which editors complete and check them.
//!
//! It is written by hand beside the reader, which walks the document by hand too; tests hold it against the reader's
//! keys, every shipped rule and broken ones. It is the laxer of the two: what a line means, only the reader knows.

use serde_json::{Map, Value, json};

use super::Severity;
use super::file::shared::{LIST_KEYS, SHARED_EXCEPTION_KEYS, SHARED_KEYS};
use super::file::{ALERT_KEYS, EXCEPTION_KEYS, RULE_KEYS, TEST_KEYS, USE_KEYS};
use super::key::MODIFIERS;
use super::list::KINDS;
use super::policy::POLICY_KEYS;
use crate::event::Derived;
use crate::event::dictionary::RECORD_FIELDS;

/// The schema, draft 7: the newest that every TOML editor knows.
pub fn schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Trailwatch rule",
        "description": "What a CloudTrail event must be like to lead to a finding. The whole language is in docs/rules.md.",
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "title", "severity"],
        "anyOf": [
            { "required": ["match"] },
            { "required": ["either"] },
            { "required": ["selections", "condition"] },
            { "required": ["event_pattern"] },
            { "required": ["filter_pattern"] },
        ],
        "properties": properties(&RULE_KEYS, rule_key),
        "definitions": {
            "block": block(),
            "line": line(),
            "exception": object(&EXCEPTION_KEYS, &["name", "when"], exception_key),
            "test": object(&TEST_KEYS, &TEST_KEYS, test_key),
            "policy": object(&POLICY_KEYS, &[], policy_key),
        },
    })
}

/// The schema of files that rules share.
pub fn shared_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Trailwatch: what rules share",
        "description": "Lists, selections, and exceptions that name the rules they are for. See docs/rules.md.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties(&SHARED_KEYS, shared_key),
        "definitions": {
            "block": block(),
            "line": line(),
            "list": {
                "type": "object",
                "additionalProperties": false,
                "anyOf": [{ "required": ["values"] }, { "required": ["file"] }],
                "properties": properties(&LIST_KEYS, list_key),
            },
            "policy": object(&POLICY_KEYS, &[], policy_key),
            "exception": object(&SHARED_EXCEPTION_KEYS, &["name", "rules", "when"], exception_key),
        },
    })
}

fn shared_key(key: &str) -> Value {
    match key {
        "lists" => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,100}$" },
            "additionalProperties": { "$ref": "#/definitions/list" },
            "description": "Values with a name, for the modifier `in`.",
        }),
        "selections" => json!({
            "description": "Named blocks, for `use`, `use_not` and `condition`; of a list of blocks any may hold.",
            "type": "object",
            "additionalProperties": rule_key("selections")["additionalProperties"],
        }),
        "exception" => list_of("exception", "Exceptions, and the rules that each is for."),
        other => rule_key(other),
    }
}

fn list_key(key: &str) -> Value {
    match key {
        "type" => json!({ "enum": KINDS, "description": "What the values are; `string` without it." }),
        "values" => texts("The values."),
        "file" => text("A table beside this file: `.csv`, `.txt` or `.json`."),
        "column" => text("The column of the table, or the member of its objects."),
        "description" => json!({ "type": "string", "description": "What the values have in common." }),
        "owner" => json!({ "type": "string", "description": "Who keeps the list." }),
        "may_be_empty" => json!({ "type": "boolean", "description": "Whether it is well that nothing is in it." }),
        _ => json!({}),
    }
}

fn object(keys: &[&str], required: &[&str], of: fn(&str) -> Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties(keys, of),
    })
}

fn properties(keys: &[&str], of: fn(&str) -> Value) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), of(key))).collect::<Map<_, _>>().into()
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

fn list_of(definition: &str, description: &str) -> Value {
    json!({
        "type": "array",
        "minItems": 1,
        "items": { "$ref": format!("#/definitions/{definition}") },
        "description": description,
    })
}

fn one_or_more(definition: &str) -> Value {
    let one = json!({ "$ref": format!("#/definitions/{definition}") });
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}

fn block_of(description: &str) -> Value {
    json!({ "allOf": [{ "$ref": "#/definitions/block" }], "description": description })
}

fn rule_key(key: &str) -> Value {
    match key {
        "id" => json!({
            "type": "string",
            "pattern": "^[a-z0-9-]{1,100}$",
            "description": "The rule's name: lower-case letters, digits, hyphens. Part of every finding's id.",
        }),
        "title" => text("What a finding is headed with; `{field}` is filled in."),
        "description" => json!({
            "type": "string",
            "description": "What happened, why it matters, what to check first.",
        }),
        "severity" => json!({
            "enum": Severity::ALL.map(Severity::as_str),
            "description": "How much a finding matters.",
        }),
        "tags" => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[a-z0-9._:/-]+$" },
            "description": "`attack.…` for ATT&CK, `service.…` for the service, and free words.",
        }),
        "references" => texts("Pages to read."),
        "false_positives" => texts("What else may look like this."),
        "zone" => text("The time zone of hours and days, such as `Europe/Berlin`; UTC without it."),
        "match" => block_of("Lines that must all hold."),
        "either" => list_of("block", "Blocks of lines, at least one of which must hold."),
        "selections" => json!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "anyOf": [
                    { "$ref": "#/definitions/block" },
                    { "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/block" } },
                ],
            },
            "description": "Named blocks, which `condition` joins; of a list of blocks any may hold.",
        }),
        "event_pattern" => text("An event pattern of EventBridge, as JSON."),
        "filter_pattern" => text("A filter pattern of CloudWatch Logs: `{ $.eventName = \"StopLogging\" }`."),
        "condition" => text("How the selections are joined: `one and not two`."),
        "except" => list_of("exception", "Exceptions, none of which may hold."),
        "alert" => object(&ALERT_KEYS, &[], alert_key),
        "test" => list_of("test", "The rule's own tests: one that fires, and a near miss."),
        _ => json!({}),
    }
}

fn alert_key(key: &str) -> Value {
    match key {
        "group_by" => texts("Fields whose values say what belongs together."),
        "suppress" => {
            text("For how long after a finding further matches of its group are only counted: `1h`. From `1s` to `7d`.")
        }
        _ => json!({}),
    }
}

fn exception_key(key: &str) -> Value {
    match key {
        "name" => text("What it is for."),
        "owner" => json!({ "type": "string", "description": "Who answers for it." }),
        "reason" => json!({ "type": "string", "description": "Why there is one." }),
        "expires" => json!({
            "type": "string",
            "format": "date",
            "description": "The last day on which it holds, by the event's time in UTC; without quotes.",
        }),
        "rules" => json!({
            "type": "array",
            "minItems": 1,
            "items": { "type": "string", "pattern": "^(tag:)?[a-z0-9*._:/-]+$" },
            "description": "The rules that it is for: ids, or `tag:` and a tag; `*` is any text.",
        }),
        "when" => block_of("The lines that must all hold for an event to be excepted."),
        _ => json!({}),
    }
}

fn test_key(key: &str) -> Value {
    match key {
        "name" => text("What happens in it."),
        "expect" => json!({ "enum": ["match", "no match"], "description": "Whether the rule must match." }),
        "event" => json!({
            "type": ["object", "string"],
            "description": "The event in part, as a table or as JSON; it is merged over an everyday record.",
        }),
        _ => json!({}),
    }
}

fn policy_key(key: &str) -> Value {
    let strings = |description: &str| {
        json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "minItems": 1, "items": { "type": "string" } }],
            "description": description,
        })
    };
    match key {
        "grants_public" => json!({ "type": "boolean", "description": "Whether it lets everyone in." }),
        "grants_external" => json!({ "type": "boolean", "description": "Whether it lets in another account." }),
        "trusted" => strings("Accounts, organizations, networks and names of lists that do not count as another's."),
        "principals" => strings("It names one of these: `*`, an account, `arn:…`, `service:…`, `federated:…`."),
        "allows" => strings("It allows some call that one of these fits: `s3:Get*`."),
        "allows_all" => strings("It allows every call that any of these fits: `*`."),
        "resources" => strings("It is about some resource that one of these fits."),
        "resources_all" => strings("It is about every resource that any of these fits: `*`."),
        "has_condition" => strings("It has a condition on one of these keys."),
        "lacks_condition" => strings("It has no condition on any of these keys that binds."),
        _ => json!({}),
    }
}

/// Lines by their keys. The fields are there to be completed; any other name may bear a line too, since names do not
/// mind case.
fn block() -> Value {
    let line = || json!({ "$ref": "#/definitions/line" });
    let derived = Derived::ALL.iter().map(|&(name, _)| name);
    let fields = RECORD_FIELDS.iter().copied().chain(derived).chain(USE_KEYS).map(|name| (name.to_owned(), line()));
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": key_pattern() },
        "properties": fields.collect::<Map<_, _>>(),
        "patternProperties": { "\\|policy(\\||$)": one_or_more("policy") },
        "additionalProperties": line(),
    })
}

/// A field, and after `|` modifiers.
fn key_pattern() -> String {
    format!("^[^|]+(\\|({}))*$", MODIFIERS.join("|"))
}

/// What stands on the right: a value, a list of values, what stands below a dotted key, or lines about what is inside.
fn line() -> Value {
    let value = json!(["string", "number", "boolean"]);
    json!({
        "anyOf": [
            { "type": value },
            { "type": "array", "minItems": 1, "items": { "type": value } },
            { "$ref": "#/definitions/block" },
            { "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/block" } },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_something_of_every_key() {
        let (rule, shared) = (schema(), shared_schema());
        for (schema, keys, place) in [
            (&rule, &RULE_KEYS[..], "/properties"),
            (&rule, &ALERT_KEYS, "/properties/alert/properties"),
            (&rule, &EXCEPTION_KEYS, "/definitions/exception/properties"),
            (&rule, &TEST_KEYS, "/definitions/test/properties"),
            (&rule, &POLICY_KEYS, "/definitions/policy/properties"),
            (&shared, &SHARED_KEYS, "/properties"),
            (&shared, &LIST_KEYS, "/definitions/list/properties"),
            (&shared, &SHARED_EXCEPTION_KEYS, "/definitions/exception/properties"),
        ] {
            let told = schema.pointer(place).unwrap().as_object().unwrap();
            assert_eq!(told.len(), keys.len(), "{place}");
            for key in keys {
                assert!(told[*key].as_object().is_some_and(|told| !told.is_empty()), "nothing is said of `{key}`");
            }
        }
    }
}
