//! Messages that are no CloudTrail records, as a log group collects them over the years.

use fastrand::Rng;

use super::Made;

/// Text that other writers leave in a log group.
const STRAY_LINES: &[&str] = &[
    "CWL CONTROL MESSAGE: Checking health of destination Firehose.",
    "START RequestId: 7c1d2f00-1111-4222-8333-944455556666 Version: $LATEST",
    "2026/01/05 09:00:00 [notice] 7#7: signal process started",
    "{eventName: StopLogging, eventSource: cloudtrail.amazonaws.com}",
];

/// Makes a message that is not JSON: a stray line, or a record that breaks off.
pub(super) fn make(rng: &mut Rng, record: &str) -> Made {
    let message = if rng.bool() {
        let end = record.len() * rng.usize(30..=90) / 100;
        record[..record.floor_char_boundary(end)].to_owned()
    } else {
        rng.choice(STRAY_LINES).copied().unwrap_or_default().to_owned()
    };
    Made { message, event_id: None }
}
