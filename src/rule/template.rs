//! Titles with the event's values in them: `X-Ray group {requestParameters.groupName} deleted by {actor.name}`.

use std::fmt::Write as _;

use super::key::{self, Problem};
use crate::condition::Field;

/// A text with places for fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of the first of these that has one.
    First(Vec<Field>),
}

/// Stands between the fields of a place.
const OR: &str = " or ";

/// The longest value that a title shows, in characters.
const VALUE_WIDTH_MAX: usize = 120;

impl Template {
    /// Reads a template; `{{` and `}}` are single braces.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            plain.push_str(&rest[..brace]);
            let at = text.len() - rest.len() + brace;
            let after = &rest[brace + 1..];
            if rest[brace..].starts_with("{{") || rest[brace..].starts_with("}}") {
                plain.push_str(&rest[brace..=brace]);
                rest = &after[1..];
                continue;
            }
            let end = match after.find('}') {
                Some(end) if rest.as_bytes()[brace] == b'{' => end,
                _ => return Err(lone_brace(at)),
            };
            let first = fields(&after[..end], at + 1)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::First(first));
            rest = &after[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The fields that the template names.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.parts.iter().flat_map(|part| match part {
            Part::First(fields) => fields.as_slice(),
            Part::Text(_) => &[],
        })
    }

    /// Fills in values; where no field has one stands `-`.
    pub fn render(&self, value: impl Fn(&Field) -> Option<String>) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::First(fields) => {
                    let value = fields.iter().find_map(&value).unwrap_or_else(|| "-".to_owned());
                    text.push_str(&crate::untrusted::shortened(&value, VALUE_WIDTH_MAX));
                }
            }
            text
        })
    }

    /// The template as a rule writes it.
    pub fn written(&self) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                Part::Text(plain) => write!(text, "{}", plain.replace('{', "{{").replace('}', "}}")),
                Part::First(fields) => write!(text, "{{{}}}", names(fields)),
            };
            text
        })
    }

    /// The template as a list shows it: in place of a value the last name of the first field that may have it.
    pub fn outline(&self) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                Part::Text(plain) => write!(text, "{plain}"),
                Part::First(fields) => write!(text, "{{{}}}", fields.first().map(short_name).unwrap_or_default()),
            };
            text
        })
    }

    /// The template with its fields' names in place of values.
    pub fn unfilled(&self) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                Part::Text(plain) => write!(text, "{plain}"),
                Part::First(fields) => write!(text, "{{{}}}", names(fields)),
            };
            text
        })
    }
}

/// Reads what stands between braces; `at` is where it begins in the template.
fn fields(names: &str, mut at: usize) -> Result<Vec<Field>, Problem> {
    let mut fields = Vec::new();
    for name in names.split(OR) {
        let place = at..at + name.len().max(1);
        fields.push(key::field(name).map_err(|problem| Problem { part: Some(place), ..problem })?);
        at += name.len() + OR.len();
    }
    Ok(fields)
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(Field::to_string).collect::<Vec<_>>().join(OR)
}

/// The name without what it is a member of; that of a derived field is short as it is.
fn short_name(field: &Field) -> String {
    let name = field.to_string();
    match field {
        Field::Derived(_) => name,
        _ => name.rsplit('.').next().unwrap_or_default().to_owned(),
    }
}

fn lone_brace(at: usize) -> Problem {
    let problem = Problem::new("a lone brace").hint("write `{field}` for a value, `{{` or `}}` for a brace");
    Problem { part: Some(at..at + 1), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_values() {
        let template = Template::parse("{{x}} {eventName} by {actor.name}").unwrap();
        let rendered = template.render(|field| (field.to_string() == "eventName").then(|| "Put".to_owned()));
        assert_eq!(rendered, "{x} Put by -");
        assert_eq!(template.fields().count(), 2);
    }

    #[test]
    fn the_first_field_with_a_value_is_shown() {
        let text =
            "group {responseElements.group.groupName or requestParameters.groupName} by {actor.name or eventName}";
        let template = Template::parse(text).unwrap();
        let of = |known: &str| template.render(|field| field.to_string().ends_with(known).then(|| "it".to_owned()));
        assert_eq!(of(".group.groupName"), "group it by -");
        assert_eq!(of("Parameters.groupName"), "group it by -");
        assert_eq!(of("eventName"), "group - by it");
        assert_eq!((template.fields().count(), template.written().as_str()), (4, text));
        assert_eq!(template.outline(), "group {groupName} by {actor.name}");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, at) in [
            ("{eventName or nosuchfield}", 14),
            ("{eventName or }", 14),
            ("a {b", 2),
            ("a } b", 2),
            ("x {nosuchfield}", 3),
            ("{}", 1),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().part.unwrap().start, at, "{text}");
        }
    }
}
