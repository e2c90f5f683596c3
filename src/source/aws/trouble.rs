//! What can go wrong with a call, and how often that is said.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The first wait after a failure, before jitter, which adds up to as much again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// The longest wait before jitter; with it about 30 seconds.
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Failures in a row before what may pass by itself is told.
const FAILURES_UNTOLD: u32 = 1;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// What the service or the SDK said.
    pub(crate) text: String,
}

/// What failures have in common that are dealt with in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Too many calls, ours or those of others in the account.
    Throttled,
    /// The service or the way to it is out of order.
    Unavailable,
    /// The credentials have run out, or there are none.
    Credentials,
    /// A parameter was refused; maybe the token.
    Parameter,
    /// There is no such log group, queue or object.
    NotFound,
    /// The credentials do not allow it.
    Denied,
    /// Pages that go round in a circle.
    Circle,
    /// Anything else that the service refuses.
    Refused,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Whether it says nothing of what was asked for, and passes: the service, the way to it or the credentials are away.
    pub(in crate::source) fn is_want_of_service(&self) -> bool {
        matches!(self.kind, FailureKind::Throttled | FailureKind::Unavailable | FailureKind::Credentials)
    }

    /// Reads an error of the SDK by its code, since many are not modeled on the operation that raises them.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let (code, message) = (answer.err().code(), answer.err().message());
                let kind = by_code(code.unwrap_or(""), answer.raw().status().as_u16());
                Self::new(kind, said(code, message))
            }
            SdkError::TimeoutError(_) => Self::new(FailureKind::Unavailable, "no answer in time"),
            other if is_about_credentials(other) => Self::new(FailureKind::Credentials, innermost(other)),
            SdkError::ConstructionFailure(_) => Self::new(FailureKind::Refused, DisplayErrorContext(error).to_string()),
            other => Self::new(FailureKind::Unavailable, innermost(other)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The codes are those of <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html>
/// and of its neighbours; the status decides about what is not listed.
pub(super) fn by_code(code: &str, status: u16) -> FailureKind {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "LimitExceededException"
        | "SlowDown"
        | "OverLimit"
        | "KmsThrottled"
        | "KMS.ThrottlingException" => FailureKind::Throttled,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => FailureKind::Credentials,
        "InvalidParameterException" => FailureKind::Parameter,
        "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "NoSuchKey"
        | "NoSuchBucket" => FailureKind::NotFound,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "KmsAccessDenied" | "AllAccessDisabled" => {
            FailureKind::Denied
        }
        "ServiceUnavailableException"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalError"
        | "InternalServerException" => FailureKind::Unavailable,
        _ => by_status(status),
    }
}

fn by_status(status: u16) -> FailureKind {
    match status {
        429 => FailureKind::Throttled,
        403 => FailureKind::Denied,
        408 | 500.. => FailureKind::Unavailable,
        _ => FailureKind::Refused,
    }
}

fn said(code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "an error without a name".to_owned(),
    }
}

/// Credentials that cannot be loaded come as a failed dispatch. Their error type is not part of the SDK's public
/// face, so it is known by its text.
fn is_about_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let text = cause.to_string();
        text.contains("redential") || text.contains("failed to load identity")
    })
}

/// The text of the innermost cause: the outer ones only say that dispatching failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(brief).unwrap_or_default()
}

/// The text of one error without what it lists on further lines, such as every way that was tried.
pub(in crate::source) fn brief(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_end_matches("Attempted:").trim_end_matches([' ', '.', ':']).to_owned()
}

/// An error and its causes, from the outside in.
pub(in crate::source) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Failures in a row: how long to wait, and what was said of them.
#[derive(Debug)]
pub(in crate::source) struct Trouble {
    kind: Option<FailureKind>,
    failures: u32,
    told: bool,
    backoff: ExponentialBackoff,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { kind: None, failures: 0, told: false, backoff: backoff() }
    }
}

impl Trouble {
    /// Takes a failure in: how long to wait, and whether it has to be told now.
    pub(in crate::source) fn failed(&mut self, kind: FailureKind) -> (Duration, bool) {
        if self.kind != Some(kind) {
            (self.kind, self.failures) = (Some(kind), 0);
            self.told = false;
        }
        self.failures += 1;
        let needs_somebody = matches!(
            kind,
            FailureKind::Credentials | FailureKind::NotFound | FailureKind::Denied | FailureKind::Refused
        );
        let tell = !self.told && (needs_somebody || self.failures > FAILURES_UNTOLD);
        self.told |= tell;
        (self.backoff.next().unwrap_or(BACKOFF_MAX), tell)
    }

    /// How many failures there have been in a row.
    pub(in crate::source) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether failures of this kind are going on.
    pub(in crate::source) fn is(&self, kind: FailureKind) -> bool {
        self.kind == Some(kind)
    }

    /// Takes in that a call went well: whether trouble that was told is over.
    pub(in crate::source) fn over(&mut self) -> bool {
        if self.kind.is_none() {
            return false;
        }
        std::mem::take(self).told
    }
}

/// Waits that grow and never end.
pub(in crate::source) fn backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::new().with_min_delay(BACKOFF_MIN).with_max_delay(BACKOFF_MAX);
    builder.with_factor(2.0).with_jitter().without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses() {
        for (code, status, kind) in [
            ("ThrottlingException", 400, FailureKind::Throttled),
            ("", 429, FailureKind::Throttled),
            ("ExpiredTokenException", 400, FailureKind::Credentials),
            ("InvalidParameterException", 400, FailureKind::Parameter),
            ("ResourceNotFoundException", 400, FailureKind::NotFound),
            ("QueueDoesNotExist", 400, FailureKind::NotFound),
            ("NoSuchKey", 404, FailureKind::NotFound),
            ("SlowDown", 503, FailureKind::Throttled),
            ("AccessDeniedException", 400, FailureKind::Denied),
            ("", 403, FailureKind::Denied),
            ("ServiceUnavailableException", 503, FailureKind::Unavailable),
            ("Whatever", 502, FailureKind::Unavailable),
            ("OptInRequired", 400, FailureKind::Refused),
        ] {
            assert_eq!(by_code(code, status), kind, "{code} {status}");
        }
    }

    #[test]
    fn waits_grow_to_half_a_minute_and_never_end() {
        let waits: Vec<Duration> = backoff().take(50).collect();
        assert_eq!(waits.len(), 50);
        assert!(waits[0] <= 2 * BACKOFF_MIN);
        assert!(waits.iter().all(|wait| *wait <= 2 * BACKOFF_MAX));
        assert!(waits[40..].iter().all(|wait| *wait >= BACKOFF_MAX));
    }

    #[test]
    fn an_episode_is_told_once_and_its_end_too() {
        let mut trouble = Trouble::default();
        let told: Vec<bool> = (0..5).map(|_| trouble.failed(FailureKind::Throttled).1).collect();
        assert_eq!(told, [false, true, false, false, false]);
        assert!(trouble.over());
        assert!(!trouble.over());
        assert!(!trouble.failed(FailureKind::Throttled).1);
        assert!(!trouble.over(), "a single hiccup is only counted");
        assert!(trouble.failed(FailureKind::Credentials).1);
        assert!(trouble.failed(FailureKind::Denied).1, "another trouble is another episode");
    }
}
