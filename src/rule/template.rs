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
    Field(Field),
}

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
            let name = &after[..end];
            let place = at + 1..at + 1 + name.len().max(1);
            let field = key::field(name).map_err(|problem| Problem { part: Some(place), ..problem })?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field(field));
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
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field),
            Part::Text(_) => None,
        })
    }

    /// Fills in values; a field that is missing shows as `-`.
    pub fn render(&self, value: impl Fn(&Field) -> Option<String>) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(field) => {
                    let value = value(field).unwrap_or_else(|| "-".to_owned());
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
                Part::Field(field) => write!(text, "{{{field}}}"),
            };
            text
        })
    }

    /// The template with its fields' names in place of values.
    pub fn unfilled(&self) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                Part::Text(plain) => write!(text, "{plain}"),
                Part::Field(field) => write!(text, "{{{field}}}"),
            };
            text
        })
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
    fn says_what_is_wrong() {
        for (text, at) in [("a {b", 2), ("a } b", 2), ("x {nosuchfield}", 3), ("{}", 1)] {
            assert_eq!(Template::parse(text).unwrap_err().part.unwrap().start, at, "{text}");
        }
    }
}
