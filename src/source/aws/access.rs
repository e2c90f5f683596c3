//! How AWS is reached: profile, region, endpoint, credentials, and errors that say which of them is missing.

use std::error::Error;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudwatchlogs::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};

use super::roles::assumed;
use super::trouble::{brief, causes};
use crate::source::SourceError;
use crate::source::role::RoleArn;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a page may come in slower than the SDK thinks right.
const STALL_GRACE: Duration = Duration::from_secs(20);

/// What the user says about reaching AWS. What is `None` comes from the environment and the AWS files, as ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The name of a profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// A region, such as `eu-west-1`.
    pub region: Option<String>,
    /// The URL of an endpoint to use for every service.
    pub endpoint_url: Option<String>,
    /// Roles to assume, each with the credentials of the one before.
    pub roles: Vec<RoleArn>,
    /// What the trust policy of the last role asks for.
    pub external_id: Option<String>,
}

/// A configuration, and the endpoint that it leads to where that is not AWS's own.
pub(in crate::source) struct Loaded {
    pub(in crate::source) config: SdkConfig,
    pub(in crate::source) endpoint_url: Option<String>,
}

/// Loads the configuration for the clients of one service, whose endpoint a variable may name: `AWS_ENDPOINT_URL_` and
/// `service`.
pub(in crate::source) async fn load_for(access: &Access, service: &str) -> Result<Loaded, SourceError> {
    let config = load(access).await?;
    let named = std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok();
    let endpoint_url = access.endpoint_url.clone().or(named).or_else(|| config.endpoint_url().map(str::to_owned));
    Ok(Loaded { config: without_proxy_for(config, endpoint_url.as_deref()), endpoint_url })
}

/// Loads the configuration that all clients are made of, and makes sure that there are a region and credentials.
pub async fn load(access: &Access) -> Result<SdkConfig, SourceError> {
    let mut config = loader(access).load().await;
    if let Some(profile) = &access.profile {
        config = with_credentials_of(profile, config);
    }
    let Some(region) = config.region() else {
        return Err(SourceError::Refused(no_region(access)));
    };
    check_credentials(access, region, &config).await?;
    let url = config.endpoint_url().map(str::to_owned);
    assumed(access, without_proxy_for(config, url.as_deref())).await
}

/// The region that was named or is configured; `None` where nothing says it. Connects to nothing.
pub async fn region(access: &Access) -> Option<String> {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &access.profile {
        profile = profile.profile_name(name);
    }
    let chain = RegionProviderChain::first_try(access.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    chain.region().await.map(|region| region.to_string())
}

/// The account that calls are made by, and count for; `None` where credentials do not say it.
pub async fn account(access: &Access) -> Result<Option<String>, SourceError> {
    if let Some(role) = access.roles.last() {
        return Ok(Some(role.account().to_owned()));
    }
    let config = load(access).await?;
    let Some(provider) = config.credentials_provider() else { return Ok(None) };
    let credentials = provider.provide_credentials().await.ok();
    Ok(credentials.and_then(|credentials| credentials.account_id().map(|account| account.as_str().to_owned())))
}

/// The configuration for a stand-in of AWS on this machine, with credentials that are made up.
pub(in crate::source) fn local(endpoint_url: impl Into<String>, region: impl Into<String>) -> SdkConfig {
    let credentials = Credentials::new("AKIDLOCAL", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.into()))
        .endpoint_url(endpoint_url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn loader(access: &Access) -> aws_config::ConfigLoader {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_GRACE).build());
    if let Ok(name) = AppName::new("trailwatch") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &access.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader
}

/// A profile that was named counts for more than credentials in the environment, as with the AWS CLI. The SDK's own
/// chain has it the other way round.
fn with_credentials_of(profile: &str, config: SdkConfig) -> SdkConfig {
    let region = ProviderConfig::without_region().with_region(config.region().cloned());
    let provider = ProfileFileCredentialsProvider::builder().configure(&region).profile_name(profile).build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(CALL_TIMEOUT).build()
}

/// The SDK's own client sends even calls to this machine through `HTTP_PROXY`.
fn without_proxy_for(config: SdkConfig, url: Option<&str>) -> SdkConfig {
    if !url.is_some_and(is_loopback) {
        return config;
    }
    config.into_builder().http_client(aws_smithy_http_client::Builder::new().build_http()).build()
}

/// Whether a URL is plain HTTP to this machine.
fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let is_loopback_ip = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    is_loopback_ip || host == "localhost" || host.ends_with(".localhost")
}

async fn check_credentials(access: &Access, region: &Region, config: &SdkConfig) -> Result<(), SourceError> {
    let Some(provider) = config.credentials_provider() else {
        return Err(SourceError::Refused(no_credentials(access, region, "there is no way to get any")));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(SourceError::Refused(no_credentials(access, region, &chain(&error)))),
    }
}

fn no_region(access: &Access) -> String {
    format!(
        "no region is set for {} (give `--region`, set `AWS_REGION`, or add `region = ...` to the profile)",
        profile(access)
    )
}

fn no_credentials(access: &Access, region: &Region, why: &str) -> String {
    let name = profile_name(access);
    let login = name.as_ref().map(|name| format!(" --profile {name}")).unwrap_or_default();
    format!(
        "no credentials for {} in region `{region}`: {why} (run `aws sso login{login}` or `aws configure{login}`, or \
         choose another profile with `--profile`)",
        profile(access)
    )
}

pub(super) fn profile(access: &Access) -> String {
    profile_name(access).map_or_else(|| "the default profile".to_owned(), |name| format!("profile `{name}`"))
}

fn profile_name(access: &Access) -> Option<String> {
    access.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()))
}

/// An error with its causes, from the outside in.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(brief).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_in_the_clear() {
        let here = ["http://127.0.0.1:4566", "http://localhost", "http://[::1]:80/x", "http://logs.localhost:1/"];
        let away = ["https://127.0.0.1:4566", "http://10.0.0.1", "http://localhost.example.com", "localhost:4566", ""];
        assert!(here.iter().all(|url| is_loopback(url)));
        assert!(!away.iter().any(|url| is_loopback(url)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let access = Access { profile: Some("audit".into()), ..Access::default() };
        insta::assert_snapshot!(no_region(&access), @"no region is set for profile `audit` (give `--region`, set `AWS_REGION`, or add `region = ...` to the profile)");
        insta::assert_snapshot!(no_credentials(&access, &Region::new("eu-west-1"), "the token is expired"), @"no credentials for profile `audit` in region `eu-west-1`: the token is expired (run `aws sso login --profile audit` or `aws configure --profile audit`, or choose another profile with `--profile`)");
    }
}
