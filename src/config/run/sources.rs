//! The tables below `sources`.

use std::time::Duration;

use super::{Followed, LogGroup, Queue, SourceKind, SourceSettings, access};
use crate::config::section::Section;
use crate::pipeline::Accounts;
#[cfg(feature = "listen")]
use crate::source::http;

const SINCE_DEFAULT: Duration = Duration::from_secs(600);

/// The sorts of sources.
#[derive(Clone, Copy)]
enum SourceType {
    LogGroup,
    Queue,
    #[cfg(feature = "listen")]
    Http,
    Files,
}

const SOURCE_TYPES: &[(&str, SourceType)] = &[
    ("cloudwatch-logs", SourceType::LogGroup),
    ("sqs", SourceType::Queue),
    #[cfg(feature = "listen")]
    ("http", SourceType::Http),
    ("files", SourceType::Files),
];

pub(super) fn source(name: &str, mut section: Section<'_, '_>) -> Option<SourceSettings> {
    section.require("type", "type = \"cloudwatch-logs\"");
    let Some(kind) = section.choice("type", SOURCE_TYPES) else {
        section.give_up();
        return None;
    };
    let kind = match kind {
        SourceType::LogGroup => log_group(&mut section).map(SourceKind::LogGroup),
        SourceType::Queue => queue(&mut section).map(SourceKind::Queue),
        #[cfg(feature = "listen")]
        SourceType::Http => http_listener(name, &mut section).map(|settings| SourceKind::Http(Box::new(settings))),
        SourceType::Files => {
            section.require("paths", "paths = [\"events/\"]");
            Some(SourceKind::Files(section.files("paths")))
        }
    };
    let accounts = section.texts("accounts");
    if !accounts.iter().all(|account| Accounts::is_account(account)) {
        section.complain("accounts", "an account has twelve digits");
    }
    section.finish();
    Some(SourceSettings { name: name.into(), accounts, kind: kind? })
}

fn log_group(section: &mut Section<'_, '_>) -> Option<LogGroup> {
    let what = match (section.text("log_group"), section.text("trail")) {
        (Some(group), None) => Some(Followed::Group(group)),
        (None, Some(trail)) => Some(Followed::Trail(trail)),
        (Some(_), Some(_)) => {
            section.complain("trail", "a source follows a `log_group` or the one of a `trail`, not both");
            None
        }
        (None, None) => {
            section.require("log_group", "log_group = \"aws-cloudtrail-logs\"` or `trail = \"main\"");
            None
        }
    };
    let access = access(section);
    let since = section.duration("since", SINCE_DEFAULT);
    let filter = section.text("filter");
    if let Some(problem) = filter.as_deref().and_then(filter_problem) {
        section.complain("filter", problem);
    }
    let live = section.flag("live", false);
    Some(LogGroup { what: what?, access, since, filter, live })
}

/// As long as SQS hides messages by default, and at most.
const VISIBILITY_DEFAULT: Duration = Duration::from_secs(60);
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3_600);

fn queue(section: &mut Section<'_, '_>) -> Option<Queue> {
    section.require("queue", "queue = \"https://sqs.us-east-1.amazonaws.com/111122223333/NAME\"");
    let (queue, access) = (section.text("queue"), access(section));
    let visibility = section.duration("visibility", VISIBILITY_DEFAULT);
    if visibility < Duration::from_secs(1) || visibility > VISIBILITY_MAX {
        section.complain("visibility", "SQS hides messages for 1 second to 12 hours");
    }
    let (buckets, bucket_owner) = (section.texts("buckets"), section.text("bucket_owner"));
    let trail = section.text("trail");
    Some(Queue { queue: queue?, access, visibility, buckets, bucket_owner, trail })
}

#[cfg(feature = "listen")]
fn http_listener(name: &str, section: &mut Section<'_, '_>) -> Option<http::Settings> {
    let problems = section.problems();
    section.require("listen", "listen = \"0.0.0.0:8443\"");
    let address = section.parsed("listen", "an address and a port such as `0.0.0.0:8443`", |text| text.parse().ok());
    let by_default = http::Settings::default();
    let schemes = [("header", http::Scheme::Header), ("basic", http::Scheme::Basic)];
    let settings = http::Settings {
        address: address.unwrap_or(by_default.address),
        path: section.text_or("path", &by_default.path),
        name: Some(name.to_owned()),
        tls: tls_files(section),
        allow_http: section.flag("allow_http", by_default.allow_http),
        scheme: section.choice_or("auth", &schemes, 0),
        header: section.text_or("header", &by_default.header),
        secrets: section.secrets("secrets"),
        allow_anybody: section.flag("allow_anybody", by_default.allow_anybody),
        requests_per_second: section.number("rate", 1..=100_000, by_default.requests_per_second.into()) as u32,
        ..by_default
    };
    if section.problems() == problems
        && let Err(error) = http::Http::new(settings.clone(), std::sync::Arc::new(|_| ()))
    {
        section.complain(error.setting, error.problem);
    }
    address.map(|_| settings)
}

/// The certificate and its key, of which neither is of use alone.
#[cfg(feature = "listen")]
fn tls_files(section: &mut Section<'_, '_>) -> Option<http::TlsFiles> {
    match (section.file("certificate_file"), section.file("key_file")) {
        (Some(certificate), Some(key)) => Some(http::TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            section.complain("certificate_file", "a certificate needs its key (name it in `key_file`)");
            None
        }
        (None, Some(_)) => {
            section.complain("key_file", "a key needs its certificate (name it in `certificate_file`)");
            None
        }
    }
}

/// What is wrong with a filter pattern that CloudWatch is to be sent.
fn filter_problem(pattern: &str) -> Option<String> {
    use crate::rule::filter_pattern::{PATTERN_LENGTH_MAX, parse};
    if pattern.chars().count() > PATTERN_LENGTH_MAX {
        return Some(format!("CloudWatch takes no filter pattern of more than {PATTERN_LENGTH_MAX} characters"));
    }
    let problem = parse("filter", pattern).err()?;
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!(" (hint: {hint})"));
    Some(format!("the filter pattern, from its character {} on: {}{hint}", problem.position().1, problem.message))
}
