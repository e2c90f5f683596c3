//! The public halves of the keys that CloudTrail signs digests with.

use std::sync::Arc;

use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::primitives::DateTime;
use futures::future::BoxFuture;

use super::access::{Access, load_for};
use super::requests::Counted;
use super::trouble::{Failure, FailureKind};
use crate::source::SourceError;

/// A key that digests of one region are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The name that digests call it by.
    pub fingerprint: String,
    /// An RSA public key of PKCS#1, in DER.
    pub der: Vec<u8>,
}

/// Finds the keys that a region's digests were signed with between two moments, in seconds since 1970.
pub type FindKeys =
    Arc<dyn Fn(String, i64, i64) -> BoxFuture<'static, Result<Vec<PublicKey>, SourceError>> + Send + Sync>;

/// Pages of keys that are asked for at most.
const PAGES_MAX: usize = 100;

/// Asks CloudTrail.
pub fn finder(access: Access) -> FindKeys {
    let access = Arc::new(access);
    Arc::new(move |region, from, to| {
        let access = Access { region: Some(region.clone()), ..(*access).clone() };
        Box::pin(async move {
            let config = load_for(&access, "CLOUDTRAIL").await?.config;
            let config = aws_sdk_cloudtrail::config::Builder::from(&config).region(Region::new(region.clone()));
            let config = config.retry_config(RetryConfig::standard()).interceptor(Counted);
            let client = Client::from_conf(config.build());
            list(&client, from, to).await.map_err(|failure| refused(&region, &failure))
        })
    })
}

async fn list(client: &Client, from: i64, to: i64) -> Result<Vec<PublicKey>, Failure> {
    let (mut keys, mut token) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let call = client.list_public_keys().start_time(DateTime::from_secs(from)).end_time(DateTime::from_secs(to));
        let answer = call.set_next_token(token).send().await.map_err(|error| Failure::of(&error))?;
        for key in answer.public_key_list.unwrap_or_default() {
            if let (Some(fingerprint), Some(value)) = (key.fingerprint, key.value) {
                keys.push(PublicKey { fingerprint, der: value.into_inner() });
            }
        }
        token = answer.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(keys)
}

fn refused(region: &str, failure: &Failure) -> SourceError {
    let hint = match failure.kind {
        FailureKind::Denied => " (allow `cloudtrail:ListPublicKeys`, or give the keys with `--public-keys`)",
        FailureKind::Credentials => " (renew the credentials, with single sign-on by `aws sso login`)",
        _ => " (`--public-keys` takes what `aws cloudtrail list-public-keys` printed)",
    };
    SourceError::Refused(format!("cannot list the public keys of CloudTrail in `{region}`: {failure}{hint}"))
}
