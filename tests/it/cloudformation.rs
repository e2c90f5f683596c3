//! CloudFormation's templates, as far as the examples use the language: read from YAML, and worked out as a stack would.

use std::path::{Path, PathBuf};

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value, json};

/// Where a stack is: its account, its region, and its name, which is also `trailwatch`.
pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";
pub const STACK: &str = "trailwatch";

/// A file of this repository.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A template as JSON, and the values of its parameters.
pub struct Template {
    pub body: Value,
    given: Vec<(&'static str, &'static str)>,
}

impl Template {
    /// The template in a file. What is not given has its default.
    pub fn read(name: &str, given: &[(&'static str, &'static str)]) -> Self {
        let text = std::fs::read_to_string(path(name)).unwrap();
        Self { body: yaml(&text), given: given.to_vec() }
    }

    /// What stands at a place of the template, worked out.
    pub fn at(&self, pointer: &str) -> Value {
        let value = self.body.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
        self.worked_out(value).unwrap_or_default()
    }

    /// The names of all resources of a type that the stack has.
    pub fn of_type(&self, kind: &str) -> Vec<String> {
        let resources = self.body["Resources"].as_object().unwrap().iter();
        let is_made = |resource: &Value| resource["Condition"].as_str().is_none_or(|name| self.holds(name));
        let found = resources.filter(|(_, resource)| resource["Type"] == kind && is_made(resource));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// A value without functions; nothing for `AWS::NoValue`.
    fn worked_out(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(values) => Some(values.iter().filter_map(|value| self.worked_out(value)).collect()),
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if name == "Ref" || name.starts_with("Fn::") => self.call(name, argument),
                _ => {
                    let all = members.iter();
                    Some(all.filter_map(|(name, value)| Some((name.clone(), self.worked_out(value)?))).collect())
                }
            },
            plain => Some(plain.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        match function {
            "Ref" => self.reference(argument.as_str()?).map(Value::from),
            "Fn::GetAtt" => Some(attribute(argument[0].as_str()?, argument[1].as_str()?).into()),
            "Fn::Sub" => Some(self.substituted(argument).into()),
            "Fn::If" => self.worked_out(&argument[if self.holds(argument[0].as_str()?) { 1 } else { 2 }]),
            "Fn::Equals" => Some((self.worked_out(&argument[0]) == self.worked_out(&argument[1])).into()),
            "Fn::Not" => Some((self.worked_out(&argument[0]) == Some(false.into())).into()),
            other => panic!("{other} is not known here"),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        self.worked_out(&self.body["Conditions"][condition]) == Some(true.into())
    }

    /// What `Ref` gives: of a resource, its name in the template.
    fn reference(&self, name: &str) -> Option<String> {
        let given = self.given.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| *value);
        match name {
            "AWS::NoValue" => None,
            "AWS::AccountId" => Some(ACCOUNT.to_owned()),
            "AWS::Region" => Some(REGION.to_owned()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::StackName" => Some(STACK.to_owned()),
            _ => {
                let default = || Some(self.body["Parameters"].get(name)?["Default"].as_str()?.to_owned());
                given.map(str::to_owned).or_else(default).or_else(|| Some(name.to_owned()))
            }
        }
    }

    fn substituted(&self, argument: &Value) -> String {
        let (text, own) = match argument {
            Value::Array(both) => (&both[0], self.worked_out(&both[1]).unwrap_or_default()),
            text => (text, Value::Null),
        };
        let value = |name: &str| match (own[name].as_str(), name.split_once('.')) {
            (Some(own), _) => own.to_owned(),
            (None, Some((resource, name))) => attribute(resource, name),
            (None, None) => self.reference(name).unwrap_or_default(),
        };
        let variables = regex::Regex::new(r"\$\{([^}]*)\}").unwrap();
        variables.replace_all(text.as_str().unwrap(), |found: &regex::Captures<'_>| value(&found[1])).into_owned()
    }
}

/// What stands for an attribute: `arn:of:Queue`.
fn attribute(resource: &str, attribute: &str) -> String {
    format!("{}:of:{resource}", attribute.to_lowercase())
}

/// A document of YAML, with the short forms of functions (`!Ref`) written out.
pub fn yaml(text: &str) -> Value {
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event.unwrap().0 {
            Event::StreamStart | Event::DocumentStart(..) => {}
            event => return node(&mut parser, event),
        }
    }
    panic!("there is no document")
}

fn next<'t>(parser: &mut Parser<'t, StrInput<'t>>) -> Event<'t> {
    parser.next_event().unwrap().unwrap().0
}

fn node<'t>(parser: &mut Parser<'t, StrInput<'t>>, event: Event<'t>) -> Value {
    let function = event.tag().map(|tag| tag.original());
    let value = match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
        Event::Scalar(text, ..) => Value::from(text.into_owned()),
        Event::SequenceStart(..) => list(parser),
        Event::MappingStart(..) => map(parser),
        other => panic!("{other:?} has no place here"),
    };
    match function.as_deref().and_then(|tag| tag.strip_prefix('!')) {
        None => value,
        Some("Ref") => json!({ "Ref": value }),
        Some("GetAtt") => json!({ "Fn::GetAtt": value.as_str().unwrap().split('.').collect::<Vec<_>>() }),
        Some(name) => json!({ format!("Fn::{name}"): value }),
    }
}

fn plain(text: &str) -> Value {
    serde_json::from_str(text).ok().filter(|value: &Value| !value.is_string()).unwrap_or_else(|| text.into())
}

fn list<'t>(parser: &mut Parser<'t, StrInput<'t>>) -> Value {
    let mut values = Vec::new();
    loop {
        match next(parser) {
            Event::SequenceEnd => return values.into(),
            event => values.push(node(parser, event)),
        }
    }
}

fn map<'t>(parser: &mut Parser<'t, StrInput<'t>>) -> Value {
    let mut members = Map::new();
    loop {
        match next(parser) {
            Event::MappingEnd => return members.into(),
            key => {
                let Value::String(key) = node(parser, key) else { panic!("a key is a name") };
                let event = next(parser);
                let value = node(parser, event);
                assert!(members.insert(key, value).is_none(), "a key stands twice");
            }
        }
    }
}
