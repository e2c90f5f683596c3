//! How SQS and S3 are reached.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::source::SourceError;
use crate::source::aws::access::{Access, load_for, local};
use crate::source::aws::requests::Counted;
use crate::source::s3;

/// The clients that a queue is read with.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For the messages.
    pub sqs: aws_sdk_sqs::Client,
    /// For the objects that messages speak of.
    pub s3: aws_sdk_s3::Client,
}

/// Gives clients, with credentials loaded anew at each call. The SDK's retries must be off: failures are counted and
/// waited out by the source.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Clients, SourceError>> + Send + Sync>;

/// Makes a [`Connect`] that loads everything anew each time.
pub fn connector(access: Access) -> Connect {
    let access = Arc::new(access);
    Arc::new(move || {
        let access = Arc::clone(&access);
        Box::pin(async move {
            let sqs = aws_sdk_sqs::config::Builder::from(&load_for(&access, "SQS").await?.config);
            let sqs = aws_sdk_sqs::Client::from_conf(sqs.interceptor(Counted).build());
            let loaded = load_for(&access, "S3").await?;
            Ok(Clients { sqs, s3: s3::client(&loaded.config, loaded.endpoint_url.is_some()) })
        })
    })
}

/// Makes a [`Connect`] for a stand-in of AWS on this machine, with credentials that are made up.
pub fn local_connector(endpoint_url: impl Into<String>, region: impl Into<String>) -> Connect {
    let config = local(endpoint_url, region);
    let clients = Clients { sqs: aws_sdk_sqs::Client::new(&config), s3: s3::client(&config, true) };
    Arc::new(move || Box::pin(std::future::ready(Ok(clients.clone()))))
}
