//! What EventBridge's answers mean for the findings: of a call as a whole, and of each of its entries.

use std::error::Error;

use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::PutEventsResultEntry;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::sink::{Cause, Outcome, innermost, told};

/// Why a call as a whole came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing is wrong with the entries: nobody was there, or nobody may.
    Away(Cause, String),
    /// The call is refused for what is in it.
    Blamed(String),
}

impl Failure {
    /// Reads an error of the SDK by its code, since hardly any is modeled.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, bus: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let (code, message) = (answer.err().code().unwrap_or_default(), answer.err().message());
                let said = told(&format!("{code}: {}", message.unwrap_or("no message")));
                by_code(code, answer.raw().status().as_u16(), &said, bus)
            }
            SdkError::TimeoutError(_) => Self::Away(Cause::NoAnswer, "EventBridge gave no answer in time".to_owned()),
            other => Self::Away(Cause::NoAnswer, format!("cannot put events: {}", told(&innermost(other)))),
        }
    }
}

fn by_code(code: &str, status: u16, said: &str, bus: &str) -> Failure {
    let away = |said| Failure::Away(cause(code), said);
    match code {
        "ValidationException" | "ValidationError" | "InvalidParameterValue" | "SerializationException" => {
            Failure::Blamed(said.to_owned())
        }
        "AccessDeniedException" => away(format!("{said} (allow `events:PutEvents` on the bus `{bus}`)")),
        "ResourceNotFoundException" => away(format!("{said} (is there a bus `{bus}` in this region?)")),
        _ if status == 413 => Failure::Blamed(said.to_owned()),
        _ => away(said.to_owned()),
    }
}

/// `ThrottlingException` of a call as of an entry, and what others in the SDK's tables begin or end with the same word.
fn cause(code: &str) -> Cause {
    if code.contains("Throttl") { Cause::Throttled } else { Cause::Failed }
}

/// Whether the next call should load the credentials anew.
pub(super) fn is_about_access<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            ["AccessDenied", "Expired", "UnrecognizedClient", "Signature", "Token"]
                .iter()
                .any(|part| code.contains(part))
        }
        // Credentials that cannot be loaded come as a failed dispatch.
        SdkError::DispatchFailure(_) => true,
        _ => false,
    }
}

/// What became of each entry. Where the answer has nothing to say about one, it is brought again.
pub(super) fn outcomes(entries: &[PutEventsResultEntry], count: usize) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = entries.iter().take(count).map(outcome).collect();
    outcomes.resize_with(count, || Outcome::retry(Cause::NoAnswer, "EventBridge says nothing about it"));
    outcomes
}

fn outcome(entry: &PutEventsResultEntry) -> Outcome {
    let Some(code) = entry.error_code() else { return Outcome::Delivered };
    let said = told(&format!("{code}: {}", entry.error_message().unwrap_or("no message")));
    if is_final(code) { Outcome::Refused(said) } else { Outcome::retry(cause(code), said) }
}

/// The codes of <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html> that stay what
/// they are however often one tries. A permission that is missing may be given.
fn is_final(code: &str) -> bool {
    matches!(
        code,
        "InvalidAccountIdException"
            | "InvalidArgument"
            | "MalformedDetail"
            | "RedactionFailure"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_refused_for_what_is_in_it_or_comes_again() {
        let away = |code: &str, status| matches!(by_code(code, status, "said", "b"), Failure::Away(..));
        for (code, status) in [
            ("ThrottlingException", 400),
            ("AccessDeniedException", 400),
            ("ExpiredTokenException", 400),
            ("ResourceNotFoundException", 400),
            ("InternalException", 500),
            ("ServiceUnavailable", 503),
            ("", 400),
        ] {
            assert!(away(code, status), "{code} {status}");
        }
        for (code, status) in [("ValidationException", 400), ("SerializationException", 400), ("", 413)] {
            assert!(!away(code, status), "{code} {status}");
        }
    }

    #[test]
    fn an_answer_that_is_too_short_leaves_the_rest_for_later() {
        let good = PutEventsResultEntry::builder().event_id("1").build();
        let outcomes = outcomes(&[good.clone(), good], 3);
        assert_eq!(outcomes[..2], [Outcome::Delivered, Outcome::Delivered]);
        assert!(matches!(outcomes[2], Outcome::Retry { .. }));
    }
}
