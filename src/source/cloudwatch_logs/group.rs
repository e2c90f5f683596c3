//! Which log group: a name, or an ARN that may belong to another account.

use super::SettingsError;
use crate::source::aws::partition;

/// The name of a group that may be given by its ARN.
pub fn name_of(group: &str) -> &str {
    match group.split_once(":log-group:") {
        Some((_, name)) => name.strip_suffix(":*").unwrap_or(name),
        None => group,
    }
}

/// Whether this is the name or the ARN of a log group.
pub fn is_group(text: &str) -> bool {
    Group::parse(text).is_ok()
}

/// A log group as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    /// Without a trailing `:*`, as the service wants it.
    pub(super) arn: Option<Arn>,
}

/// The parts of a log group's ARN that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arn {
    pub(super) text: String,
    pub(super) region: String,
}

impl Group {
    /// Reads a name, or `arn:PARTITION:logs:REGION:ACCOUNT:log-group:NAME` with or without `:*`.
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let refuse = || SettingsError::Group { group: text.to_owned() };
        if !text.starts_with("arn:") {
            let is_name = is_name(text);
            return is_name.then(|| Self { name: text.to_owned(), arn: None }).ok_or_else(refuse);
        }
        let trimmed = text.strip_suffix(":*").unwrap_or(text);
        let parts: Vec<&str> = trimmed.split(':').collect();
        match parts[..] {
            ["arn", _, "logs", region, _, "log-group", name] if is_name(name) && !region.is_empty() => {
                let arn = Arn { text: trimmed.to_owned(), region: region.to_owned() };
                Ok(Self { name: name.to_owned(), arn: Some(arn) })
            }
            _ => Err(refuse()),
        }
    }

    /// The ARN to name in a policy: the one given, or one with the account left open.
    pub(super) fn policy_arn(&self, region: &str) -> String {
        match &self.arn {
            Some(arn) => format!("{}:*", arn.text),
            None => format!("arn:{}:logs:{region}:*:log-group:{}:*", partition(region), self.name),
        }
    }
}

/// Names have 1 to 512 of the characters that the CreateLogGroup page lists.
fn is_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    (1..=512).contains(&text.len()) && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns() {
        let arn = "arn:aws:logs:eu-west-1:111122223333:log-group:aws-cloudtrail-logs";
        for (text, name, region) in [
            ("CloudTrail/DefaultLogGroup", "CloudTrail/DefaultLogGroup", None),
            (arn, "aws-cloudtrail-logs", Some("eu-west-1")),
            (&format!("{arn}:*"), "aws-cloudtrail-logs", Some("eu-west-1")),
        ] {
            let group = Group::parse(text).unwrap();
            assert_eq!((group.name.as_str(), group.arn.as_ref().map(|arn| arn.region.as_str())), (name, region));
            assert!(group.arn.is_none_or(|parsed| parsed.text == arn));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "a b", "group*", "arn:aws:s3:::bucket", "arn:aws:logs:eu-west-1:1:log-group:", "arn:x"] {
            assert!(Group::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_arn_for_a_policy() {
        let group = Group::parse("trail").unwrap();
        assert_eq!(group.policy_arn("cn-north-1"), "arn:aws-cn:logs:cn-north-1:*:log-group:trail:*");
        assert_eq!(group.policy_arn("us-gov-west-1"), "arn:aws-us-gov:logs:us-gov-west-1:*:log-group:trail:*");
        assert_eq!(group.policy_arn("us-east-1"), "arn:aws:logs:us-east-1:*:log-group:trail:*");
    }
}
