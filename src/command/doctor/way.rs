//! How a source or sink is reached: credentials, and whose they are.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;

use super::report::Report;
use crate::source::aws::trouble::Failure;
use crate::source::aws::{Access, load, partition};

/// A way that is open.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) config: SdkConfig,
    pub(super) region: String,
    /// The account that calls are made by, if it is known.
    pub(super) account: Option<String>,
    /// Whether something other than AWS is spoken to.
    pub(super) is_elsewhere: bool,
}

/// Ways by how they were asked for.
#[derive(Default)]
pub(super) struct Ways(Vec<(Access, Option<Way>)>);

impl Ways {
    /// Opens a way, once; `None` after saying why it is closed.
    pub(super) async fn open(&mut self, access: &Access, report: &mut Report) -> Option<Way> {
        if let Some((_, way)) = self.0.iter().find(|(known, _)| known == access) {
            return way.clone();
        }
        let way = open(access, report).await;
        self.0.push((access.clone(), way.clone()));
        way
    }

    /// The account of a way that was opened.
    pub(super) fn account(&self, access: &Access) -> Option<&str> {
        let (_, way) = self.0.iter().find(|(known, _)| known == access)?;
        way.as_ref()?.account.as_deref()
    }
}

const WHO: &str = "sts:GetCallerIdentity";

async fn open(access: &Access, report: &mut Report) -> Option<Way> {
    let subject = match (access.roles.last(), &access.profile) {
        (Some(role), _) => format!("credentials of role `{role}`"),
        (None, Some(profile)) => format!("credentials of profile `{profile}`"),
        (None, None) => "credentials".to_owned(),
    };
    let mut about = report.about(&subject);
    let config = match load(access).await {
        // The doctor waits for nothing, so what passes by itself is for the SDK.
        Ok(config) => config.into_builder().retry_config(RetryConfig::standard()).build(),
        Err(error) => {
            about.fail("", error.to_string(), "nothing is read or sent without them");
            return None;
        }
    };
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    let mut account = access.roles.last().map(|role| role.account().to_owned());
    match answer {
        Ok(answer) => {
            about.ok(WHO, format!("calls in `{region}` are made as `{}`", answer.arn().unwrap_or("somebody unnamed")));
            account = answer.account.or(account);
        }
        // It needs no permission, so whoever cannot make it seldom can make others. Those will tell.
        Err(error) => about.skip(WHO, format!("{}: the account is not known", Failure::of(&error))),
    }
    let is_elsewhere = config.endpoint_url().is_some();
    Some(Way { config, region, account, is_elsewhere })
}

impl Way {
    /// The beginning of an ARN, up to the account and the colon after it.
    pub(super) fn arn(&self, service: &str) -> String {
        let account = self.account.as_deref().unwrap_or("*");
        format!("arn:{}:{service}:{}:{account}:", partition(&self.region), self.region)
    }

    pub(super) fn bucket_arn(&self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", partition(&self.region))
    }
}
