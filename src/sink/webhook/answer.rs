//! What a receiver's answer means for the finding.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::sink::{Cause, Outcome, innermost, told};

/// How much of an answer is read. A connection whose answer is longer is closed.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The longest that a receiver may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What a receiver knows and nobody else is to read, where it says so in its answer.
pub(super) struct Hidden(Vec<String>);

/// Shorter texts are no secrets, and would hide half of every answer.
const HIDDEN_LENGTH_MIN: usize = 6;

impl Hidden {
    /// Hides these texts, the longest first, since one may be part of another.
    pub(super) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts.into_iter().filter(|text| text.len() >= HIDDEN_LENGTH_MIN).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    /// What may be told of a text. Hidden before it is shortened: half a secret is one still.
    fn told(&self, text: &str) -> String {
        told(&self.0.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, "<redacted>")))
    }
}

/// What became of a finding that was answered.
pub(super) async fn outcome(response: Response, now: Timestamp, hidden: &Hidden) -> Outcome {
    let status = response.status();
    // Who answers 429 wants to be left alone, also without saying how long.
    let unsaid = (status == StatusCode::TOO_MANY_REQUESTS).then_some(Duration::ZERO);
    let (after, location) = (retry_after(response.headers(), now).or(unsaid), location(response.headers(), hidden));
    let body = read(response).await;
    match status.as_u16() {
        200..=299 => Outcome::Delivered,
        408 | 425 | 429 | 500..=599 => {
            let cause = if status == StatusCode::TOO_MANY_REQUESTS { Cause::Throttled } else { Cause::Failed };
            Outcome::Retry { cause, reason: said(status, &body, hidden), after }
        }
        300..=399 => Outcome::Refused(format!(
            "{}, which leads to `{location}`; redirects are not followed (set `url` to where it is now)",
            answered(status)
        )),
        410 => Outcome::Refused(format!(
            "{} (the hook is gone: remove the sink or give its new `url`)",
            said(status, &body, hidden)
        )),
        _ => Outcome::Refused(said(status, &body, hidden)),
    }
}

/// What became of a finding that got no answer.
pub(super) fn failure(error: reqwest::Error) -> Outcome {
    if error.is_timeout() {
        return Outcome::retry(Cause::NoAnswer, "the receiver gave no answer in time");
    }
    // Neither may name the URL.
    let error = error.without_url();
    let what = if error.is_connect() { "cannot reach the receiver" } else { "the receiver cannot be spoken to" };
    Outcome::retry(Cause::NoAnswer, format!("{what}: {}", told(&innermost(&error))))
}

fn said(status: StatusCode, body: &str, hidden: &Hidden) -> String {
    let answered = answered(status);
    match hidden.told(body) {
        excerpt if excerpt.is_empty() => answered,
        excerpt => format!("{answered}: {excerpt}"),
    }
}

fn answered(status: StatusCode) -> String {
    let words = status.canonical_reason().map(|words| format!(" {words}")).unwrap_or_default();
    format!("the receiver answered {}{words}", status.as_u16())
}

fn location(headers: &HeaderMap, hidden: &Hidden) -> String {
    let text = headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    hidden.told(&text.unwrap_or_default())
}

/// What there is of the body, within the bound. The status has said what matters, so that one that breaks off will do.
async fn read(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == BODY_BYTES_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// `Retry-After`, in seconds or as a date, within the bound.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("999999999", Some(3_600)),
            ("Thu, 15 Jan 2026 12:01:30 GMT", Some(90)),
            ("Thu, 15 Jan 2026 11:00:00 GMT", Some(0)),
            ("Fri, 16 Jan 2099 12:00:00 GMT", Some(3_600)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
