//! An answer that says no, as AWS services say it.

/// An error answer: HTTP status, error code, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    /// Makes a refusal with status 400, which the services use for nearly everything.
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// Makes the answer to a parameter that breaks the operation's rules.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    /// Makes the answer to a name that stands for nothing.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// Makes the answer to a body that is not the operation's JSON.
    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        Self::new("SerializationException", error.to_string())
    }
}
