//! A complaint as one line of JSON.

use serde_json::json;

use super::Complaint;
use crate::untrusted::UntrustedJson;

pub fn object(complaint: &Complaint) -> String {
    let diagnostic = &complaint.diagnostic;
    let (line, column) = diagnostic.position();
    let object = json!({
        "level": complaint.level.as_str(),
        "code": complaint.code,
        "file": diagnostic.source.name,
        "line": line,
        "column": column,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "hint": diagnostic.hint,
    });
    UntrustedJson(&object.to_string()).to_string()
}
