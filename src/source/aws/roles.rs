//! Roles that are assumed one after the other, each with the credentials of the one before.
//!
//! The SDK assumes them anew whenever their credentials run out. Each is tried at once as well, so that a role that cannot be
//! assumed is told at the start and by its name.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_cloudwatchlogs::config::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_cloudwatchlogs::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::access::{Access, chain, profile};
use super::trouble::{Failure, FailureKind, causes};
use crate::source::SourceError;

/// What CloudTrail's records of our own calls bear as the name of the session.
const SESSION_NAME: &str = "trailwatch";

/// Gives a configuration the credentials of the last role; the same if there are no roles.
pub(super) async fn assumed(access: &Access, mut config: SdkConfig) -> Result<SdkConfig, SourceError> {
    for number in 0..access.roles.len() {
        let provider = provider(access, number, &config).await;
        if let Err(error) = provider.provide_credentials().await {
            let failure =
                causes(&error).find_map(|cause| cause.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>());
            let failure = failure.map(Failure::of);
            let failure = failure.unwrap_or_else(|| Failure::new(FailureKind::Credentials, chain(&error)));
            let region = config.region().map(ToString::to_string).unwrap_or_default();
            return Err(SourceError::Refused(refused(access, number, &region, &failure)));
        }
        config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
    }
    Ok(config)
}

async fn provider(access: &Access, number: usize, config: &SdkConfig) -> AssumeRoleProvider {
    // Nobody waits out what fails within a provider, so the SDK has to.
    let retrying = config.to_builder().retry_config(RetryConfig::standard()).build();
    let role = access.roles[number].as_str();
    let mut builder = AssumeRoleProvider::builder(role).session_name(SESSION_NAME).configure(&retrying);
    if let Some(id) = access.external_id.as_ref().filter(|_| number + 1 == access.roles.len()) {
        builder = builder.external_id(id);
    }
    builder.build().await
}

/// Says which role cannot be assumed, from where, and what to do.
fn refused(access: &Access, number: usize, region: &str, failure: &Failure) -> String {
    let role = &access.roles[number];
    let caller = match number.checked_sub(1) {
        Some(before) => format!("role `{}`", access.roles[before]),
        None => profile(access),
    };
    let is_last = number + 1 == access.roles.len();
    let (by_id, ask) = match (&access.external_id, is_last) {
        (Some(_), true) => (" with this external id", ""),
        (None, true) => ("", "; where the policy asks for an external id, give `--external-id` or `external_id`"),
        (_, false) => ("", ""),
    };
    let hint = match failure.kind {
        FailureKind::Denied => format!(
            " (let the trust policy of the role allow {caller}{by_id}, and allow {caller} `sts:AssumeRole` on the role{ask})"
        ),
        FailureKind::Credentials => {
            format!(" (renew the credentials of {caller}, with single sign-on by `aws sso login`)")
        }
        FailureKind::Unavailable => " (STS of that region has to be reachable)".to_owned(),
        _ => String::new(),
    };
    format!("cannot assume role `{role}` with {caller} in region `{region}`: {failure}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let role = |account| format!("arn:aws:iam::{account}:role/reader").parse().unwrap();
        Access {
            profile: Some("audit".into()),
            roles: vec![role("111122223333"), role("444455556666")],
            ..Access::default()
        }
    }

    #[test]
    fn which_role_was_tried_and_by_whom_is_told() {
        let denied = Failure::new(FailureKind::Denied, "AccessDenied: not authorized");
        insta::assert_snapshot!(refused(&access(), 0, "eu-west-1", &denied), @"cannot assume role `arn:aws:iam::111122223333:role/reader` with profile `audit` in region `eu-west-1`: AccessDenied: not authorized (let the trust policy of the role allow profile `audit`, and allow profile `audit` `sts:AssumeRole` on the role)");
        insta::assert_snapshot!(refused(&access(), 1, "eu-west-1", &denied), @"cannot assume role `arn:aws:iam::444455556666:role/reader` with role `arn:aws:iam::111122223333:role/reader` in region `eu-west-1`: AccessDenied: not authorized (let the trust policy of the role allow role `arn:aws:iam::111122223333:role/reader`, and allow role `arn:aws:iam::111122223333:role/reader` `sts:AssumeRole` on the role; where the policy asks for an external id, give `--external-id` or `external_id`)");
        let access = Access { external_id: Some("id".into()), ..access() };
        insta::assert_snapshot!(refused(&access, 1, "eu-west-1", &denied), @"cannot assume role `arn:aws:iam::444455556666:role/reader` with role `arn:aws:iam::111122223333:role/reader` in region `eu-west-1`: AccessDenied: not authorized (let the trust policy of the role allow role `arn:aws:iam::111122223333:role/reader` with this external id, and allow role `arn:aws:iam::111122223333:role/reader` `sts:AssumeRole` on the role)");
        let expired = Failure::new(FailureKind::Credentials, "ExpiredToken: expired");
        insta::assert_snapshot!(refused(&access, 0, "eu-west-1", &expired), @"cannot assume role `arn:aws:iam::111122223333:role/reader` with profile `audit` in region `eu-west-1`: ExpiredToken: expired (renew the credentials of profile `audit`, with single sign-on by `aws sso login`)");
    }
}
