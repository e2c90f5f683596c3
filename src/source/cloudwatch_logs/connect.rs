//! How CloudWatch Logs is reached.

use std::sync::Arc;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;
use futures::future::BoxFuture;

use crate::source::SourceError;
use crate::source::aws::access::{Access, load_for, local};
use crate::source::aws::requests::Counted;

/// Gives a client, with credentials loaded anew at each call. The SDK's retries must be off: failures are counted and
/// waited out by the source.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Client, SourceError>> + Send + Sync>;

/// Makes a [`Connect`] that loads everything anew each time.
pub fn connector(access: Access) -> Connect {
    let access = Arc::new(access);
    Arc::new(move || {
        let access = Arc::clone(&access);
        Box::pin(async move {
            let config = load_for(&access, "CLOUDWATCH_LOGS").await?.config;
            Ok(Client::from_conf(Builder::from(&config).interceptor(Counted).build()))
        })
    })
}

/// Makes a [`Connect`] for a stand-in of AWS on this machine, with credentials that are made up.
pub fn local_connector(endpoint_url: impl Into<String>, region: impl Into<String>) -> Connect {
    let client = Client::new(&local(endpoint_url, region));
    Arc::new(move || Box::pin(std::future::ready(Ok(client.clone()))))
}
