//! Which queue: a URL, a name, or an ARN that may belong to another account.

use super::SettingsError;
use crate::source::aws::partition;

/// A queue as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) name: String,
    /// Where none is given, the service is asked for it.
    pub(super) url: Option<String>,
    pub(super) account: Option<String>,
    /// The region that the URL or the ARN says.
    pub(super) region: Option<String>,
}

/// The region that a queue's URL or ARN says; `None` for names, and for URLs of other endpoints than AWS's.
pub fn region_of(queue: &str) -> Option<String> {
    Queue::parse(queue).ok()?.region
}

/// The ARN of a queue, with this region and account where it does not say its own; `None` of what is no queue.
pub fn arn_of(queue: &str, region: &str, account: &str) -> Option<String> {
    let queue = Queue::parse(queue).ok()?;
    let (region, account) = (queue.region.as_deref().unwrap_or(region), queue.account.as_deref().unwrap_or(account));
    Some(format!("arn:{}:sqs:{region}:{account}:{}", partition(region), queue.name))
}

impl Queue {
    /// Reads a name, `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or `arn:PARTITION:sqs:REGION:ACCOUNT:NAME`.
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let queue = match text.split_once("://") {
            Some((_, rest)) => Self::of_url(text, rest),
            None if text.starts_with("arn:") => Self::of_arn(text),
            None => Some(Self { name: text.to_owned(), url: None, account: None, region: None }),
        };
        let queue = queue.filter(|queue| is_name(&queue.name));
        queue.ok_or_else(|| SettingsError::Queue { queue: text.to_owned() })
    }

    fn of_url(url: &str, rest: &str) -> Option<Self> {
        let (host, path) = rest.trim_end_matches('/').split_once('/')?;
        let (account, name) = path.rsplit_once('/').map_or((None, path), |(account, name)| (Some(account), name));
        let account = account.map(str::to_owned);
        Some(Self { name: name.to_owned(), url: Some(url.to_owned()), account, region: region_of_host(host) })
    }

    fn of_arn(arn: &str) -> Option<Self> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", _, "sqs", region, account, name] if !region.is_empty() && !account.is_empty() => Some(Self {
                name: name.to_owned(),
                url: None,
                account: Some(account.to_owned()),
                region: Some(region.to_owned()),
            }),
            _ => None,
        }
    }

    /// The ARN to name in a policy; the account is left open where it is not known.
    pub(super) fn policy_arn(&self, region: &str) -> String {
        let account = self.account.as_deref().unwrap_or("*");
        format!("arn:{}:sqs:{region}:{account}:{}", partition(region), self.name)
    }
}

/// `sqs.REGION.amazonaws.com`, or as it was before, `REGION.queue.amazonaws.com`; also over IPv6 and FIPS.
fn region_of_host(host: &str) -> Option<String> {
    let is_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|domain| host.ends_with(domain));
    let mut labels = host.split('.');
    match (is_aws, labels.next()?, labels.next()?) {
        (true, "sqs" | "sqs-fips", region) => Some(region.to_owned()),
        (true, region, "queue") => Some(region.to_owned()),
        _ => None,
    }
}

/// Names have 1 to 80 letters, digits, `-` and `_`; those of FIFO queues end in `.fifo`.
fn is_name(text: &str) -> bool {
    let stem = text.strip_suffix(".fifo").unwrap_or(text);
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=80).contains(&text.len()) && !stem.is_empty() && stem.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_urls_and_arns() {
        for (text, name, account, region) in [
            ("trail-events", "trail-events", None, None),
            ("trail.fifo", "trail.fifo", None, None),
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/q", "q", Some("111122223333"), Some("eu-west-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "q", Some("1"), Some("cn-north-1")),
            ("https://sqs-fips.us-east-1.amazonaws.com/1/q", "q", Some("1"), Some("us-east-1")),
            ("https://us-east-2.queue.amazonaws.com/1/q", "q", Some("1"), Some("us-east-2")),
            ("https://sqs.us-east-1.api.aws/1/q", "q", Some("1"), Some("us-east-1")),
            ("http://127.0.0.1:4566/111122223333/q", "q", Some("111122223333"), None),
            ("http://localhost:9324/q", "q", None, None),
            ("arn:aws:sqs:eu-west-1:111122223333:q", "q", Some("111122223333"), Some("eu-west-1")),
        ] {
            let queue = Queue::parse(text).unwrap();
            assert_eq!(queue.name, name, "{text}");
            assert_eq!((queue.account.as_deref(), queue.region.as_deref()), (account, region), "{text}");
            assert_eq!(queue.url.is_some(), text.contains("://"), "{text}");
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for text in
            ["", "a b", "q*", "arn:aws:sns:eu-west-1:1:q", "arn:aws:sqs::1:q", "https://", "https://h", "a/b", ".fifo"]
        {
            assert!(Queue::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_arn_for_a_policy() {
        assert_eq!(Queue::parse("q").unwrap().policy_arn("us-gov-west-1"), "arn:aws-us-gov:sqs:us-gov-west-1:*:q");
        let queue = Queue::parse("https://sqs.eu-west-1.amazonaws.com/1/q").unwrap();
        assert_eq!(queue.policy_arn("eu-west-1"), "arn:aws:sqs:eu-west-1:1:q");
    }
}
