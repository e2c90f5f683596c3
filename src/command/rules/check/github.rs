//! A complaint as a workflow command of GitHub Actions, which shows it beside the line.

use super::{Complaint, Level};
use crate::untrusted::Untrusted;

pub fn command(complaint: &Complaint) -> String {
    let diagnostic = &complaint.diagnostic;
    let (line, column) = diagnostic.position();
    let command = match complaint.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    };
    let mut text = diagnostic.message.clone();
    for more in [Some(&diagnostic.label).filter(|label| !label.is_empty()), diagnostic.hint.as_ref()] {
        text.extend(more.map(|more| format!(" ({more})")));
    }
    let (file, title) = (property(&diagnostic.source.name), property(complaint.code));
    format!("::{command} file={file},line={line},col={column},title={title}::{}", message(&text))
}

/// Line breaks would end the command; they are escaped as every other sign is that a terminal obeys.
fn message(text: &str) -> String {
    Untrusted(&text.replace('%', "%25")).to_string()
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_ends_a_command_or_a_property() {
        assert_eq!(message("100%\r\n::error::x"), r"100%25\r\n::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }
}
