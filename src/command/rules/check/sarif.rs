//! All complaints as one document of SARIF 2.1.0, as code scanning takes it.

use serde::Serialize;

use super::{Complaint, codes};
use crate::untrusted::UntrustedJson;

#[derive(Serialize)]
struct Log<'c> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'c>; 1],
}

#[derive(Serialize)]
struct Run<'c> {
    tool: Tool,
    results: Vec<SarifResult<'c>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
struct Descriptor {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'c> {
    rule_id: &'static str,
    level: &'static str,
    message: Message,
    locations: [Location<'c>; 1],
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'c> {
    physical_location: PhysicalLocation<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation<'c> {
    artifact_location: ArtifactLocation,
    region: Region<'c>,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region<'c> {
    start_line: usize,
    start_column: usize,
    snippet: Snippet<'c>,
}

#[derive(Serialize)]
struct Snippet<'c> {
    text: &'c str,
}

pub fn document(complaints: &[Complaint]) -> String {
    let driver = Driver {
        name: "trailwatch",
        version: env!("CARGO_PKG_VERSION"),
        rules: codes().map(|id| Descriptor { id }).collect(),
    };
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run { tool: Tool { driver }, results: complaints.iter().map(result).collect() }],
    };
    // Strings and numbers only: there is nothing that could fail.
    UntrustedJson(&serde_json::to_string(&log).unwrap_or_default()).to_string()
}

fn result(complaint: &Complaint) -> SarifResult<'_> {
    let diagnostic = &complaint.diagnostic;
    let (start_line, start_column) = diagnostic.position();
    let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    let line = diagnostic.source.text.lines().nth(start_line - 1).unwrap_or("");
    SarifResult {
        rule_id: complaint.code,
        level: complaint.level.as_str(),
        message: Message { text: format!("{}{hint}", diagnostic.message) },
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(&diagnostic.source.name) },
                region: Region { start_line, start_column, snippet: Snippet { text: line } },
            },
        }],
    }
}

/// A path as a URI reference: everything escaped but what a path may hold as it is.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_uri_references() {
        assert_eq!(super::uri("rules/x y/ü.toml"), "rules/x%20y/%C3%BC.toml");
    }
}
