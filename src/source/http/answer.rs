//! The answers, and what each means to EventBridge: 429 and 5xx are brought again, every other refusal is not.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Everything in it is committed.
    Committed,
    /// Nothing in it is an event, or not all of it could be decoded.
    Undecodable,
    /// It shows no secret that is known.
    Unauthorized,
    /// It is for another path.
    NotFound,
    /// It is no `POST`.
    NotPost,
    /// Its body did not come in time, or broke off.
    TooSlow,
    /// Its body is too large.
    TooLarge,
    /// There are more than the rate allows: come again in so many seconds.
    TooMany {
        /// How long to wait.
        seconds: u64,
    },
    /// Nothing more can be taken at present, or it is not committed in time, or the run ends.
    Later,
}

/// How long a sender is asked to wait where nobody knows when there will be room.
const LATER_SECONDS: u64 = 5;

impl Answer {
    fn status(self) -> StatusCode {
        match self {
            Self::Committed => StatusCode::OK,
            Self::Undecodable => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Later => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        Some(match self {
            Self::NotPost => (ALLOW, HeaderValue::from_static("POST")),
            Self::TooMany { seconds } => (RETRY_AFTER, seconds.into()),
            Self::Later => (RETRY_AFTER, LATER_SECONDS.into()),
            // HTTP wants a scheme to be named; senders go by their settings.
            Self::Unauthorized => (WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"events\"")),
            _ => return None,
        })
    }

    /// Whether the connection has had its use: nobody is to try secrets, or to send slowly, on one that is open.
    fn ends_connection(self) -> bool {
        matches!(self, Self::Unauthorized | Self::TooSlow | Self::TooLarge)
    }

    /// What goes over the wire. Nothing that was sent comes back.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let status = self.status();
        let text = format!("{}\n", status.canonical_reason().unwrap_or_default().to_ascii_lowercase());
        let mut response = Response::new(Full::new(text.into()));
        *response.status_mut() = status;
        response.headers_mut().extend(self.header());
        if self.ends_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
