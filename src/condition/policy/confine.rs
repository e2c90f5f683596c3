//! Which conditions say that somebody known is meant.
//!
//! The keys are those by which S3 and IAM Access Analyzer tell that a policy is not public. What counts as a fixed value
//! is wider here where an account is certain all the same: sessions of one role, resources of one account.

use ipnet::IpNet;

use super::document::{Clause, account_of, is_account};

/// What a value of a key must be like to be fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Without wildcards.
    Plain,
    /// An ARN without wildcards, or at least with an account.
    Arn,
    /// Without wildcards up to the first slash.
    Path,
    /// Without wildcards up to the first colon.
    Session,
    /// A network that is not half the world.
    Network,
}

const KEYS: &[(&str, Kind)] = &[
    ("aws:PrincipalAccount", Kind::Plain),
    ("aws:PrincipalArn", Kind::Arn),
    ("aws:PrincipalOrgID", Kind::Plain),
    ("aws:PrincipalOrgPaths", Kind::Path),
    ("aws:SourceAccount", Kind::Plain),
    ("aws:SourceArn", Kind::Arn),
    ("aws:SourceIp", Kind::Network),
    ("aws:SourceOrgID", Kind::Plain),
    ("aws:SourceOrgPaths", Kind::Path),
    ("aws:SourceOwner", Kind::Plain),
    ("aws:SourceVpc", Kind::Plain),
    ("aws:SourceVpce", Kind::Plain),
    ("aws:userid", Kind::Session),
    ("kms:CallerAccount", Kind::Plain),
    ("s3:DataAccessPointAccount", Kind::Plain),
    ("s3:DataAccessPointArn", Kind::Arn),
];

/// Operators that hold only of the values listed.
const EQUALITIES: [&str; 6] =
    ["stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"];

/// The widest networks that S3 does not take for everyone.
const PREFIX_MIN: (u8, u8) = (8, 32);

impl Clause {
    /// Whether it lets only somebody known through.
    pub fn confines(&self) -> bool {
        let equality = self.positive().is_some_and(|operator| EQUALITIES.contains(&operator.as_str()));
        let Some(kind) = self.kind().filter(|_| equality) else { return false };
        !self.values.is_empty() && self.values.iter().all(|value| kind.is_fixed(value))
    }

    /// The accounts, organizations and networks that it lets through.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let kind = self.kind();
        self.values.iter().map(move |value| match kind {
            Some(Kind::Arn) => account_of(value).unwrap_or(value),
            Some(Kind::Path) => value.split('/').next().unwrap_or(value),
            _ => value,
        })
    }

    /// Whether it can fail of a request that lacks the key, or has another value than was meant.
    pub fn binds(&self) -> bool {
        self.positive().is_some() && !self.values.iter().any(|value| value.bytes().all(|b| b == b'*'))
    }

    /// The operator in lower case, if it holds only where the key is there and has the right value.
    fn positive(&self) -> Option<String> {
        let operator = self.operator.to_ascii_lowercase();
        let operator = operator.strip_prefix("foranyvalue:").unwrap_or(&operator);
        let lax = ["not", "null", "forallvalues:"].iter().any(|word| operator.contains(word));
        (!lax && !operator.ends_with("ifexists")).then(|| operator.to_owned())
    }

    fn kind(&self) -> Option<Kind> {
        KEYS.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key)).map(|&(_, kind)| kind)
    }
}

impl Kind {
    fn is_fixed(self, value: &str) -> bool {
        let fixed = |text: &str| !text.is_empty() && !text.contains(['*', '?']) && !text.contains("${");
        match self {
            Self::Plain => fixed(value),
            Self::Arn => fixed(value) || account_of(value).is_some_and(is_account),
            Self::Path => value.split_once('/').is_some_and(|(organization, _)| fixed(organization)),
            Self::Session => fixed(value.split(':').next().unwrap_or("")),
            Self::Network => match value.parse::<IpNet>() {
                Ok(IpNet::V4(network)) => network.prefix_len() >= PREFIX_MIN.0,
                Ok(IpNet::V6(network)) => network.prefix_len() >= PREFIX_MIN.1,
                Err(_) => value.parse::<std::net::IpAddr>().is_ok(),
            },
        }
    }
}
