//! A role of IAM, by its ARN. Pure, and free of the SDK: configurations name roles too.

use std::fmt;
use std::str::FromStr;

/// The ARN of a role: `arn:PARTITION:iam::ACCOUNT:role/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleArn(String);

/// A text that is no role's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role (expected {ROLE_FORM})")]
pub struct NoRole(String);

/// What a role's ARN looks like.
pub const ROLE_FORM: &str = "an ARN such as `arn:aws:iam::111122223333:role/NAME`";

impl RoleArn {
    /// The account that the role belongs to.
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RoleArn {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = |text: &str| {
            let name = text.strip_prefix("role/").unwrap_or_default();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != '*')
        };
        match text.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", partition, "iam", "", account, name]
                if partition.starts_with("aws") && is_account(account) && is_name(name) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NoRole(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_names_its_account() {
        for (text, account) in [
            ("arn:aws:iam::111122223333:role/reader", "111122223333"),
            ("arn:aws-us-gov:iam::444455556666:role/path/to/a_reader+=,.@-", "444455556666"),
        ] {
            assert_eq!(text.parse::<RoleArn>().unwrap().account(), account);
        }
    }

    #[test]
    fn what_is_no_role_is_refused() {
        for text in [
            "",
            "reader",
            "arn:aws:iam::111122223333:user/reader",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam:us-east-1:111122223333:role/reader",
            "arn:aws:iam::1:role/reader",
            "arn:aws:sts::111122223333:assumed-role/reader/me",
        ] {
            assert!(text.parse::<RoleArn>().is_err(), "{text}");
        }
    }
}
