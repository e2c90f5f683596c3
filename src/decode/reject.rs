//! What did not decode, and why. Each reason says what to do where there is something to do.
//!
//! The same reasons serve later stages that read the JSON further, so that one kind of broken record is told in one
//! way.

use thiserror::Error;

use crate::delivery::Origin;

const EXCERPT_BYTES_MAX: usize = 120;

/// Bytes that did not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where they stood.
    pub origin: Origin,
    /// Why they did not decode.
    pub reason: Reason,
    /// The first 120 bytes, lines without their indentation; invalid UTF-8 replaced, nothing escaped: whoever prints
    /// it does that.
    pub excerpt: String,
    /// How many bytes did not decode, without the white space around lines. 0 where the text was cut off between two
    /// records.
    pub bytes: usize,
}

impl Reject {
    /// A reject of `part`.
    pub fn new(origin: Origin, reason: Reason, part: &[u8]) -> Self {
        Self { origin, reason, excerpt: excerpt(part, EXCERPT_BYTES_MAX), bytes: part.len() }
    }

    /// Adds a further line that belongs to the same broken document.
    pub(super) fn extend(&mut self, line: &[u8]) {
        self.bytes += line.len();
        let room = EXCERPT_BYTES_MAX.saturating_sub(self.excerpt.len() + 1);
        if room > 0 && !line.is_empty() {
            self.excerpt.push('\n');
            self.excerpt.push_str(&excerpt(line, room));
        }
    }
}

/// Why bytes did not decode.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// The text is not JSON.
    #[error("not JSON: {message} at column {column}")]
    NotJson {
        /// What the parser expected or met, and how many lines down if not on the first.
        message: String,
        /// The column on that line, counted in bytes from 1.
        column: usize,
    },
    /// The line holds bytes that are not UTF-8.
    #[error("not UTF-8 (convert it first, as with `iconv -t utf-8`)")]
    NotUtf8,
    /// JSON, but no object.
    #[error("{found} where an object was expected")]
    NotAnObject {
        /// What it is: `a string`, `a number`…
        found: &'static str,
    },
    /// The record is too large.
    #[error(
        "a record of {record_bytes} bytes, more than {record_bytes_max} (is it one record? CloudTrail's are smaller)"
    )]
    TooLarge {
        /// Its size.
        record_bytes: usize,
        /// The limit.
        record_bytes_max: usize,
    },
    /// The record nests too deep.
    #[error("nested deeper than {nesting_max} levels")]
    TooDeep {
        /// The limit.
        nesting_max: usize,
    },
    /// Too many wrappers around one another.
    #[error("wrapped more than {wrappers_max} times (unpack the outer layers first)")]
    WrappedTooDeep {
        /// The limit.
        wrappers_max: usize,
    },
    /// The gzip stream is broken or ends early; what came before that is decoded.
    #[error("broken gzip: {message}; what came before it is decoded (fetch or copy it again)")]
    NotGzip {
        /// What is wrong with it.
        message: String,
    },
    /// Something was appended to a gzip stream of which there is to be one; what came before that is decoded.
    #[error(
        "more than one gzip stream; what is in the first is decoded (CloudTrail's objects have one: who added to it?)"
    )]
    MoreMembers,
    /// Inflating was stopped at the limit; what came before that is decoded.
    #[error("inflates to over {inflated_bytes_max} bytes; what came before is decoded (split it, or unpack it first)")]
    InflatedTooLarge {
        /// The limit.
        inflated_bytes_max: usize,
    },
    /// Inflating was stopped since it gives far more than any log does; what came before that is decoded.
    #[error(
        "inflates to over {inflate_ratio_max} times its size; what came before is decoded (unpack it if you trust it)"
    )]
    InflatesTooMuch {
        /// The limit.
        inflate_ratio_max: usize,
    },
    /// What should be base64 is not.
    #[error("not base64: {message}")]
    NotBase64 {
        /// What is wrong with it.
        message: String,
    },
    /// A wrapper lacks the string that holds its content.
    #[error("no readable string `{field}` in the wrapper")]
    NoContent {
        /// The member that is missing, of another type, or holds escapes that stand for no text.
        field: &'static str,
    },
    /// The delivery holds more parts than may be taken at once; those before are decoded.
    #[error("more than {parts_max} records in one delivery; those before are decoded (split it)")]
    TooManyParts {
        /// The limit.
        parts_max: usize,
    },
}

impl Reason {
    /// All that [`as_str`](Self::as_str) may say.
    pub const WORDS: [&str; 13] = [
        "not_json",
        "not_utf8",
        "not_an_object",
        "too_large",
        "too_deep",
        "wrapped_too_deep",
        "not_gzip",
        "more_members",
        "inflated_too_large",
        "inflates_too_much",
        "not_base64",
        "no_content",
        "too_many_parts",
    ];

    /// The word for it, under which it is counted.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::NotAnObject { .. } => "not_an_object",
            Self::TooLarge { .. } => "too_large",
            Self::TooDeep { .. } => "too_deep",
            Self::WrappedTooDeep { .. } => "wrapped_too_deep",
            Self::NotGzip { .. } => "not_gzip",
            Self::MoreMembers => "more_members",
            Self::InflatedTooLarge { .. } => "inflated_too_large",
            Self::InflatesTooMuch { .. } => "inflates_too_much",
            Self::NotBase64 { .. } => "not_base64",
            Self::NoContent { .. } => "no_content",
            Self::TooManyParts { .. } => "too_many_parts",
        }
    }

    /// Whether nothing of the delivery was looked at from there on, so that events may have been missed.
    pub fn leaves_the_rest(&self) -> bool {
        use Reason::{InflatedTooLarge, InflatesTooMuch, MoreMembers, NotGzip, TooManyParts};
        let is_about_gzip =
            matches!(self, InflatedTooLarge { .. } | InflatesTooMuch { .. } | MoreMembers | NotGzip { .. });
        is_about_gzip || matches!(self, TooManyParts { .. })
    }

    /// The reason for a parser's error.
    pub fn not_json(error: &serde_json::Error) -> Self {
        Self::not_json_after(error, 0, 0)
    }

    /// The same where the parser began after `bytes` bytes of its first line, and what is rejected starts `lines`
    /// lines further down.
    pub(super) fn not_json_after(error: &serde_json::Error, bytes: usize, lines: usize) -> Self {
        let mut message = error.to_string();
        // The error ends with its place, which goes into a field of its own.
        if let Some(place) = message.rfind(" at line ") {
            message.truncate(place);
        }
        let mut message = in_plain_words(message);
        match error.line().saturating_sub(lines) {
            0 | 1 => {}
            2 => message.push_str(" on the next line"),
            line => message = format!("{message} {} lines down", line - 1),
        }
        let column = error.column() + if error.line() <= 1 { bytes } else { 0 };
        Self::NotJson { message, column }
    }

    pub(super) fn not_base64(error: &base64::DecodeError) -> Self {
        let message = error.to_string().replace("Invalid", "invalid");
        Self::NotBase64 { message: message.trim_end_matches('.').to_owned() }
    }
}

impl From<serde_json::Error> for Reason {
    fn from(error: serde_json::Error) -> Self {
        Self::not_json(&error)
    }
}

/// The parser's own words where they say enough, ours where they do not.
fn in_plain_words(message: String) -> String {
    let plain = match message.as_str() {
        "EOF while parsing a string" => "it ends within a string",
        "EOF while parsing a list" => "it ends within a list",
        "EOF while parsing an object" => "it ends within an object",
        "EOF while parsing a value" => "it ends where a value was expected",
        "expected ident" => "a word that is none of `true`, `false` and `null`",
        "expected value" => "no value starts like this",
        "key must be a string" => "an object's key must be a string in quotes",
        "trailing characters" => "something stands behind its end",
        _ if message.starts_with("control character") => "a line break or control character within a string",
        _ => return message,
    };
    plain.to_owned()
}

fn excerpt(part: &[u8], bytes_max: usize) -> String {
    let mut end = part.len().min(bytes_max);
    // Not within a character, which would show as broken though it is not. A character has at most three more bytes.
    for _ in 0..3 {
        if end > 0 && part.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
            end -= 1;
        }
    }
    String::from_utf8_lossy(&part[..end]).into_owned()
}
