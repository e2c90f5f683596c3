//! One session of a live tail: how it is opened, what it shows, and how it ends.
//!
//! The SDK neither notices that a session is dead nor begins another, and waits for its first word for ever. So every wait
//! here has an end.

use std::fmt;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::interceptors::BeforeSerializationInterceptorContextMut;
use aws_sdk_cloudwatchlogs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::start_live_tail::{StartLiveTailError, StartLiveTailOutput};
use aws_sdk_cloudwatchlogs::types::{LiveTailSessionLogEvent, LiveTailSessionUpdate, StartLiveTailResponseStream};
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{Keeper, LiveTail};
use crate::source::SourceError;
use crate::source::aws::trouble::{Failure, FailureKind};
use crate::source::cloudwatch_logs::describe::describe;
use crate::source::cloudwatch_logs::group::Group;
use crate::source::cloudwatch_logs::page::LogRecord;

/// How long opening a session may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// A session that is open.
pub(super) struct Session {
    output: StartLiveTailOutput,
    began: Instant,
    silence_max: Duration,
    age_max: Duration,
}

/// What the service shows at a time, which is nothing most of the time.
pub(super) struct Update {
    pub(super) records: Vec<LogRecord>,
    /// There was more.
    pub(super) sampled: bool,
}

/// Why there is no session any more, or none at all.
#[derive(Debug)]
pub(super) enum End {
    /// It was old enough to be given up for a new one.
    Aged,
    /// The service ended it.
    Closed,
    /// The service said nothing for so long.
    Silent(Duration),
    /// It broke.
    Broken(String),
    /// All sessions that the account may have are open.
    LimitReached,
    /// The group's class has no live tail.
    WrongClass,
    /// Nobody may look up the ARN that a live tail needs, or start one.
    Denied { failure: Failure, action: &'static str },
    /// The group cannot be found.
    NotFound,
    /// The call failed.
    Failed(Failure),
}

impl Session {
    /// Opens a session, with credentials loaded anew.
    pub(super) async fn open(keeper: &Keeper) -> Result<Self, End> {
        let open = async {
            let no_credentials = |error: SourceError| Failure::new(FailureKind::Credentials, error.to_string());
            let client = (keeper.connect)().await.map_err(|error| End::Failed(no_credentials(error)))?;
            keeper.hints.count_call();
            let arn = arn_of(&client, &keeper.group).await?;
            keeper.hints.count_call();
            start(&client, arn, keeper.filter_pattern.clone(), keeper.other_endpoint).await
        };
        let output = timeout(OPEN_TIMEOUT, open).await.unwrap_or(Err(End::Silent(OPEN_TIMEOUT)))?;
        let LiveTail { silence_max, age_max, .. } = keeper.settings;
        Ok(Self { output, began: Instant::now(), silence_max, age_max })
    }

    /// Waits for the next update, of which there is one every second.
    pub(super) async fn next(&mut self) -> Result<Update, End> {
        loop {
            if self.began.elapsed() >= self.age_max {
                return Err(End::Aged);
            }
            let Ok(word) = timeout(self.silence_max, self.output.response_stream.recv()).await else {
                return Err(End::Silent(self.silence_max));
            };
            match word {
                Ok(Some(StartLiveTailResponseStream::SessionUpdate(update))) => return Ok(Update::new(update)),
                Ok(Some(_)) => {}
                Ok(None) => return Err(End::Closed),
                // After an error the SDK may go on with what comes next, but nobody knows what is missing.
                Err(SdkError::ServiceError(error)) if error.err().is_session_timeout_exception() => {
                    return Err(End::Closed);
                }
                Err(SdkError::ServiceError(error)) => {
                    let error = error.err();
                    return Err(End::Broken(error.message().or(error.code()).unwrap_or("an error").to_owned()));
                }
                Err(error) => return Err(End::Broken(DisplayErrorContext(error).to_string())),
            }
        }
    }
}

/// Starts a session at AWS's own host for it, or at another endpoint as that is.
async fn start(
    client: &Client,
    arn: String,
    pattern: Option<String>,
    other_endpoint: bool,
) -> Result<StartLiveTailOutput, End> {
    let call = client.start_live_tail().log_group_identifiers(arn).set_log_event_filter_pattern(pattern);
    let answer = match other_endpoint {
        true => call.customize().interceptor(WithoutPrefix).send().await,
        false => call.send().await,
    };
    answer.map_err(|error| End::refused(&error))
}

/// The service takes ARNs only, and by no means those of groups without a live tail.
async fn arn_of(client: &Client, group: &Group) -> Result<String, End> {
    let described = match describe(client, group).await {
        Ok(described) => described,
        Err(_) if group.arn.is_some() => None,
        Err(failure) => return Err(End::failed(failure, "logs:DescribeLogGroups")),
    };
    if described.as_ref().is_some_and(|described| described.is_infrequent) {
        return Err(End::WrongClass);
    }
    let given = group.arn.as_ref().map(|arn| arn.text.clone());
    given.or(described.map(|described| described.arn)).ok_or(End::NotFound)
}

impl End {
    fn refused(error: &SdkError<StartLiveTailError, HttpResponse>) -> Self {
        match error.as_service_error() {
            Some(refusal) if refusal.is_limit_exceeded_exception() => Self::LimitReached,
            _ => Self::failed(Failure::of(error), "logs:StartLiveTail"),
        }
    }

    fn failed(failure: Failure, action: &'static str) -> Self {
        match failure.kind {
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Denied => Self::Denied { failure, action },
            _ => Self::Failed(failure),
        }
    }

    /// Whether another try would come to the same.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::WrongClass)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aged => write!(f, "it is renewed"),
            Self::Closed => write!(f, "the service ended it"),
            Self::Silent(silence) => {
                write!(f, "the service has said nothing for {}", humantime::format_duration(*silence))
            }
            Self::Broken(why) => write!(f, "it broke: {why}"),
            Self::LimitReached => write!(f, "the account has as many live tails open as it may have"),
            Self::WrongClass => write!(f, "log groups of the class Infrequent Access have none"),
            Self::Denied { failure, action } => write!(f, "{failure} (allow `{action}`)"),
            Self::NotFound => write!(f, "the log group is not found"),
            Self::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

impl Update {
    fn new(update: LiveTailSessionUpdate) -> Self {
        let sampled = update.session_metadata.is_some_and(|metadata| metadata.sampled);
        let records = update.session_results.unwrap_or_default().into_iter().filter_map(record).collect();
        Self { records, sampled }
    }
}

/// An event that a poll could not be held against, for want of a timestamp, is left to the poll.
fn record(event: LiveTailSessionLogEvent) -> Option<LogRecord> {
    let timestamp_ms = event.timestamp?;
    Some(LogRecord {
        stream: event.log_stream_name.unwrap_or_default(),
        id: String::new(),
        timestamp_ms,
        ingestion_ms: event.ingestion_time.unwrap_or(timestamp_ms),
        message: Bytes::from(event.message.unwrap_or_default()),
    })
}

/// Speaks to the endpoint that was given, as it is. The SDK would put `stream-` before any host, which only AWS's own have.
#[derive(Debug)]
struct WithoutPrefix;

impl Intercept for WithoutPrefix {
    fn name(&self) -> &'static str {
        "WithoutPrefix"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        cfg.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    /// Goes nowhere, and keeps where it was to go.
    #[derive(Debug, Clone, Default)]
    struct Nowhere(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Nowhere {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.0.lock().unwrap().push(request.uri().to_owned());
            HttpConnectorFuture::ready(Err(ConnectorError::io("nowhere".into())))
        }
    }

    #[tokio::test]
    async fn a_live_tail_has_a_host_of_its_own_at_aws_and_nowhere_else() {
        for (endpoint, expected) in [
            (None, "https://stream-logs.eu-west-1.amazonaws.com/"),
            (Some("http://localhost:4566"), "http://localhost:4566/"),
        ] {
            let nowhere = Nowhere::default();
            let connector = nowhere.clone();
            let config = aws_sdk_cloudwatchlogs::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
                .retry_config(aws_sdk_cloudwatchlogs::config::retry::RetryConfig::disabled())
                .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())));
            let config = match endpoint {
                Some(endpoint) => config.endpoint_url(endpoint),
                None => config,
            };
            let client = Client::from_conf(config.build());
            let arn = "arn:aws:logs:eu-west-1:111122223333:log-group:trail".to_owned();
            assert!(start(&client, arn, None, endpoint.is_some()).await.is_err());
            assert_eq!(*nowhere.0.lock().unwrap(), [expected]);
        }
    }
}
