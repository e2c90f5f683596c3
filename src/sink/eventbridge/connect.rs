//! How EventBridge is reached. What profile, region and endpoint are is for the caller to load: the sink knows no
//! configuration.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{Builder, Credentials};
use futures::future::BoxFuture;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives a client, or says why there is none. The SDK's retries must be off: couriers wait.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Client, String>> + Send + Sync>;

/// Makes a [`Connect`] of what loads the client's configuration, which it does anew each time.
pub fn connector<L, F>(load: L) -> Connect
where
    L: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Builder, String>> + Send + 'static,
{
    Arc::new(move || {
        let config = load();
        Box::pin(async move {
            let config = config.await?.retry_config(RetryConfig::disabled()).timeout_config(timeouts());
            Ok(Client::from_conf(config.build()))
        })
    })
}

/// Makes a [`Connect`] for a stand-in of AWS on this machine, with credentials that are made up.
pub fn local_connector(endpoint_url: impl Into<String>, region: impl Into<String>) -> Connect {
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.into()))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new("AKIDLOCAL", "local", None, None, "local"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    Arc::new(move || Box::pin(std::future::ready(Ok(client.clone()))))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(CALL_TIMEOUT).build()
}
