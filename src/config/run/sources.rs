//! The tables below `sources`.

use std::time::Duration;

use super::{Followed, LogGroup, Queue, SourceKind, SourceSettings, access};
use crate::config::section::Section;

const SINCE_DEFAULT: Duration = Duration::from_secs(600);

/// The sorts of sources.
#[derive(Clone, Copy)]
enum SourceType {
    LogGroup,
    Queue,
    Files,
}

pub(super) fn source(name: &str, mut section: Section<'_, '_>) -> Option<SourceSettings> {
    section.require("type", "type = \"cloudwatch-logs\"");
    let words = [("cloudwatch-logs", SourceType::LogGroup), ("sqs", SourceType::Queue), ("files", SourceType::Files)];
    let Some(kind) = section.choice("type", &words) else {
        section.give_up();
        return None;
    };
    let kind = match kind {
        SourceType::LogGroup => log_group(&mut section).map(SourceKind::LogGroup),
        SourceType::Queue => queue(&mut section).map(SourceKind::Queue),
        SourceType::Files => {
            section.require("paths", "paths = [\"events/\"]");
            Some(SourceKind::Files(section.files("paths")))
        }
    };
    section.finish();
    Some(SourceSettings { name: name.into(), kind: kind? })
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
    Some(Queue { queue: queue?, access, visibility, buckets, bucket_owner })
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
