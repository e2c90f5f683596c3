//! What was put on the buses of EventBridge: `PutEvents`, with its limits and its failures entry by entry. And which rules
//! there are, which are only told of.

use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::lock;
use super::refusal::Refusal;

/// Limits of <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>. A call may have grown to 1 MB
/// since; what keeps to less is taken everywhere.
const ENTRIES_MAX: usize = 10;
const CALL_BYTES_MAX: usize = 262_144;

/// An event that was put.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutEvent {
    /// The bus, by its name or ARN; `None` for the default one.
    pub event_bus_name: Option<String>,
    /// Who says it.
    #[serde(default)]
    pub source: String,
    /// What sort of thing it says.
    #[serde(default)]
    pub detail_type: String,
    /// What it says, in JSON.
    #[serde(default)]
    pub detail: String,
    /// When it happened, in seconds since the Unix epoch.
    pub time: Option<f64>,
    /// The X-Ray trace that it belongs to.
    pub trace_header: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// The buses of an account; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Buses {
    put: Arc<Mutex<Vec<PutEvent>>>,
    rules: Arc<Mutex<Vec<Rule>>>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    state: String,
    pattern: String,
    target_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByTarget {
    target_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<PutEvent>,
}

impl Buses {
    /// Gives the events that were taken, in their order.
    pub fn put(&self) -> Vec<PutEvent> {
        lock(&self.put).clone()
    }

    /// Makes a rule of the default bus. It is only told of: no event is brought to its target.
    pub fn put_rule(&self, name: &str, state: &str, pattern: &str, target_arn: &str) {
        let [name, state, pattern, target_arn] = [name, state, pattern, target_arn].map(str::to_owned);
        lock(&self.rules).push(Rule { name, state, pattern, target_arn });
    }

    /// Carries out an operation. Of its entries those at the places in `failing` fail with that code.
    pub(super) fn call(&self, operation: &str, body: Value, failing: &[(usize, String)]) -> Result<Value, Refusal> {
        match operation {
            "PutEvents" => self.put_events(parse(body)?, failing),
            "ListRuleNamesByTarget" => Ok(self.rules_of(&parse::<ByTarget>(body)?.target_arn)),
            "DescribeRule" => self.describe_rule(&parse::<ByName>(body)?.name),
            _ => Err(Refusal::new("UnknownOperationException", format!("unknown operation `{operation}`"))),
        }
    }

    fn rules_of(&self, target_arn: &str) -> Value {
        let rules = lock(&self.rules);
        let names: Vec<&str> =
            rules.iter().filter(|rule| rule.target_arn == target_arn).map(|rule| rule.name.as_str()).collect();
        json!({"RuleNames": names})
    }

    fn describe_rule(&self, name: &str) -> Result<Value, Refusal> {
        let rules = lock(&self.rules);
        let rule = rules.iter().find(|rule| rule.name == name);
        let told = rule.map(|rule| json!({"Name": rule.name, "State": rule.state, "EventPattern": rule.pattern}));
        told.ok_or_else(|| Refusal::not_found(format!("Rule {name} does not exist on EventBus default.")))
    }

    fn put_events(&self, PutEvents { entries }: PutEvents, failing: &[(usize, String)]) -> Result<Value, Refusal> {
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            return Err(invalid(format!("{} entries", entries.len())));
        }
        if entries.iter().map(size).sum::<usize>() >= CALL_BYTES_MAX {
            return Err(invalid("Total size of the entries in the request is over the limit.".to_owned()));
        }
        let scripted = |place| failing.iter().find(|(at, _)| *at == place).map(|(_, code)| code.as_str());
        let codes: Vec<Option<&str>> =
            entries.iter().enumerate().map(|(place, entry)| scripted(place).or_else(|| fault_of(entry))).collect();
        let answers: Vec<Value> = codes.iter().enumerate().map(|(place, code)| answer(place, *code)).collect();
        let failed = codes.iter().flatten().count();
        let taken = entries.into_iter().zip(&codes).filter(|(_, code)| code.is_none()).map(|(entry, _)| entry);
        lock(&self.put).extend(taken);
        Ok(json!({"FailedEntryCount": failed, "Entries": answers}))
    }
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))
}

fn invalid(message: String) -> Refusal {
    Refusal::new("ValidationException", message)
}

fn answer(place: usize, code: Option<&str>) -> Value {
    match code {
        None => json!({"EventId": format!("11710aed-b79e-4468-a20b-{place:012}")}),
        Some(code) => json!({"ErrorCode": code, "ErrorMessage": format!("entry {place} is not taken")}),
    }
}

/// As <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html> has it.
fn size(entry: &PutEvent) -> usize {
    let time = if entry.time.is_some() { 14 } else { 0 };
    let resources: usize = entry.resources.iter().map(String::len).sum();
    time + entry.source.len() + entry.detail_type.len() + entry.detail.len() + resources
}

/// What the service finds wrong with an entry.
fn fault_of(entry: &PutEvent) -> Option<&'static str> {
    if entry.source.is_empty() || entry.detail_type.is_empty() || entry.detail.is_empty() {
        Some("InvalidArgument")
    } else if entry.source.starts_with("aws.") {
        Some("NotAuthorizedForSourceException")
    } else if serde_json::from_str::<Value>(&entry.detail).is_ok_and(|detail| detail.is_object()) {
        None
    } else {
        Some("MalformedDetail")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(entries: &Value) -> Result<Value, Refusal> {
        Buses::default().call("PutEvents", json!({"Entries": entries}), &[])
    }

    #[test]
    fn entries_fail_one_by_one() {
        let entry = |source: &str, detail: &str| json!({"Source": source, "DetailType": "t", "Detail": detail});
        let entries =
            json!([entry("a", "{}"), entry("aws.s3", "{}"), entry("a", "["), entry("a", "7"), entry("", "{}")]);
        let answer = put(&entries).unwrap();
        let codes: Vec<Option<&str>> =
            answer["Entries"].as_array().unwrap().iter().map(|entry| entry["ErrorCode"].as_str()).collect();
        let wrong = ["NotAuthorizedForSourceException", "MalformedDetail", "MalformedDetail", "InvalidArgument"];
        assert_eq!(codes, [None, Some(wrong[0]), Some(wrong[1]), Some(wrong[2]), Some(wrong[3])]);
        assert_eq!(answer["FailedEntryCount"], 4);
    }

    #[test]
    fn a_call_has_its_limits() {
        let entry = |bytes: usize| json!({"Source": "ab", "DetailType": "cd", "Detail": "{}".to_owned() + &" ".repeat(bytes - 2)});
        let entries = |count: usize, bytes: usize| Value::from(vec![entry(bytes); count]);
        assert!(put(&entries(10, 100)).is_ok() && put(&entries(11, 100)).is_err() && put(&entries(0, 2)).is_err());
        assert!(put(&entries(1, CALL_BYTES_MAX - 5)).is_ok() && put(&entries(1, CALL_BYTES_MAX - 4)).is_err());
    }
}
