//! `trailwatch rules new`: a rule file to go on from, made of events.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::command::{Exit, events, say};
use crate::event::derived::{self, Outcome};
use crate::event::{Base, Event, EventKind, Fields, projection_of};

#[derive(Debug, Args)]
pub struct New {
    /// Files with the events that the rule is for, in any form that `scan` reads; `-` is standard input.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// The rule's id; made of the service and the call if it is not given.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// The most events that one rule is made of; each becomes a test.
const EVENTS_MAX: usize = 10;
/// The most parameters that are offered as lines.
const LINES_MAX: usize = 40;

/// What is taken from an event.
struct Seed {
    source: String,
    name: String,
    outcome: &'static str,
    read_only: Option<Value>,
    error_code: Option<String>,
    parameters: Value,
    /// Only of sign-ins, whose outcome it tells.
    response: Option<Value>,
}

impl New {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (mut seeds, mut others, mut more) = (Vec::new(), 0u64, 0u64);
        let read = events::each(self.events, |_, text| {
            Ok(Seed::of(text).map(|seed| match seed {
                Some(_) if seeds.len() == EVENTS_MAX => more += 1,
                Some(seed) => seeds.push(seed),
                None => others += 1,
            }))
        })?;
        if others > 0 {
            say("warning", &format!("{others} not of CloudTrail, left out"));
        }
        if more > 0 {
            say("warning", &format!("only the first {EVENTS_MAX} events are used"));
        }
        let Some(first) = seeds.first() else {
            say("error", "there is no CloudTrail record to make a rule of");
            return Ok(Exit::Incomplete);
        };
        let id = self.id.unwrap_or_else(|| id_of(first));
        write!(anstream::stdout(), "{}", rule(&id, &seeds))?;
        Ok(read.exit())
    }
}

impl Seed {
    fn of(text: &str) -> Result<Option<Self>, serde_json::Error> {
        let mut fields = Fields::default();
        let event = Event::read(text, &projection_of([]), &mut fields)?;
        let (Some(source), Some(name)) = (event.text_of(Base::EventSource), event.text_of(Base::EventName)) else {
            return Ok(None);
        };
        if event.kind() != EventKind::CloudTrail {
            return Ok(None);
        }
        let tells_outcome = event.text_of(Base::ConsoleLogin).is_some();
        let mut record: Map<String, Value> = serde_json::from_str(text)?;
        Ok(Some(Self {
            source: source.to_owned(),
            name: name.to_owned(),
            outcome: Outcome::of(&event).as_str(),
            read_only: record.remove("readOnly"),
            error_code: event.text_of(Base::ErrorCode).map(str::to_owned),
            parameters: record.remove("requestParameters").unwrap_or_default(),
            response: record.remove("responseElements").filter(|_| tells_outcome),
        }))
    }
}

/// `CreateUser` of `iam.amazonaws.com` becomes `iam-create-user`.
fn id_of(seed: &Seed) -> String {
    let mut id = derived::service(&seed.source).to_owned();
    let mut before = '-';
    for c in format!("-{}", derived::api(&seed.name)).chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            id.push('-');
        }
        id.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        before = c;
    }
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(100).collect()
}

/// The text of a rule that matches the events.
fn rule(id: &str, seeds: &[Seed]) -> String {
    let all = |of: fn(&Seed) -> &str| any_of(&seeds.iter().map(of).collect());
    let mut text = format!(
        "id = {}\n\
         title = \"{{eventName}} by {{actor.name}} in {{recipientAccountId}} {{awsRegion}}\"\n\
         description = \"\"\"\n\
         What happened.\n\n\
         Why it matters:\n\n\
         Check first:\n\
         \"\"\"\n\
         severity = \"medium\"\n\
         tags = [{}]\n\n\
         [match]\n\
         eventSource = {}\n\
         eventName = {}\n\
         outcome = {}\n",
        quoted(id),
        quoted(&format!("service.{}", derived::service(&seeds[0].source).to_ascii_lowercase())),
        all(|seed| &seed.source),
        all(|seed| &seed.name),
        all(|seed| seed.outcome),
    );
    let lines = offered(seeds);
    if !lines.is_empty() {
        text.push_str("# What the events had; take the `#` away where it matters.\n");
        lines.iter().for_each(|line| text.push_str(&format!("# {line}\n")));
    }
    text.push_str("\n[alert]\ngroup_by = [\"recipientAccountId\", \"awsRegion\", \"actor.arn\"]\n");
    for (number, seed) in seeds.iter().enumerate() {
        let name = if seeds.len() == 1 { seed.name.clone() } else { format!("{} ({})", seed.name, number + 1) };
        text.push_str(&test(&name, "match", seed, seed.error_code.as_deref()));
    }
    text.push_str(&near_miss(seeds));
    text
}

/// One value, or a list of several.
fn any_of(values: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    if quoted.len() == 1 { quoted[0].clone() } else { format!("[{}]", quoted.join(", ")) }
}

/// The parameters as lines; of those that differ from event to event the first.
fn offered(seeds: &[Seed]) -> Vec<String> {
    let mut lines = BTreeSet::new();
    seeds.iter().take(1).for_each(|seed| flatten("requestParameters", &seed.parameters, &mut lines));
    lines.into_iter().take(LINES_MAX).collect()
}

fn flatten(path: &str, value: &Value, lines: &mut BTreeSet<String>) {
    let operand = match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('\\', r"\\").replace('.', r"\.");
                flatten(&format!("{path}.{name}"), value, lines);
            }
            return;
        }
        // A path goes through arrays.
        Value::Array(elements) => return elements.iter().take(1).for_each(|element| flatten(path, element, lines)),
        Value::String(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => return,
    };
    lines.insert(format!("{} = {operand}", quoted(path)));
}

fn test(name: &str, expect: &str, seed: &Seed, error_code: Option<&str>) -> String {
    let mut event = Map::new();
    event.insert("eventSource".to_owned(), seed.source.as_str().into());
    event.insert("eventName".to_owned(), seed.name.as_str().into());
    event.extend(seed.read_only.clone().map(|read_only| ("readOnly".to_owned(), read_only)));
    event.extend(error_code.map(|code| ("errorCode".to_owned(), code.into())));
    if !seed.parameters.is_null() {
        event.insert("requestParameters".to_owned(), seed.parameters.clone());
    }
    event.extend(seed.response.clone().map(|response| ("responseElements".to_owned(), response)));
    let json = serde_json::to_string_pretty(&event).unwrap_or_default();
    let mut text = String::new();
    let _ = write!(
        text,
        "\n[[test]]\nname = {}\nexpect = {}\nevent = {}\n",
        quoted(name),
        quoted(expect),
        multi_line(&json)
    );
    text
}

/// The same call with the other outcome: a near miss to begin with.
fn near_miss(seeds: &[Seed]) -> String {
    let outcomes: BTreeSet<&str> = seeds.iter().map(|seed| seed.outcome).collect();
    let others = [("denied", Some("AccessDenied")), ("success", None), ("failure", Some("ValidationException"))];
    let other = others.iter().find(|(outcome, _)| !outcomes.contains(outcome));
    let comment = "\n# Write near misses: what looks like it and is not meant.";
    match other {
        Some((outcome, code)) => format!("{comment}{}", test(outcome, "no match", &seeds[0], *code)),
        None => format!("{comment}\n"),
    }
}

/// A basic string of TOML: JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    // TOML wants DEL escaped too.
    json.replace('\u{7f}', "\\u007f")
}

/// A literal string over several lines, where the text can stand in one.
fn multi_line(text: &str) -> String {
    let literal = !text.contains("''") && !text.contains(|c: char| c.is_control() && c != '\n');
    if literal { format!("'''\n{text}'''") } else { quoted(text) }
}
