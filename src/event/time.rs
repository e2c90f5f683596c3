//! Times as CloudTrail writes them, and as it should not.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Reads RFC 3339, the basic form of ISO 8601 (`20230710T114231Z`, seen in `creationDate`), and the unpadded form
/// of AWS's own X-Ray example (`2018-9-01T00:24:36Z`).
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| parse_odd(text))
}

fn parse_odd(text: &str) -> Option<Timestamp> {
    ["%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M%SZ"].into_iter().find_map(|format| {
        let broken_down = strtime::parse(format, text).ok()?;
        let civil: DateTime = broken_down.to_datetime().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_occur() {
        for (text, expected) in [
            ("2023-07-10T11:42:36Z", "2023-07-10T11:42:36Z"),
            ("2023-07-10T11:42:36.123Z", "2023-07-10T11:42:36.123Z"),
            ("2018-9-01T00:24:36Z", "2018-09-01T00:24:36Z"),
            ("2023-7-1T00:24:36Z", "2023-07-01T00:24:36Z"),
            ("20230710T114231Z", "2023-07-10T11:42:31Z"),
            ("2023-07-10T13:42:36+02:00", "2023-07-10T11:42:36Z"),
        ] {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "now", "2023-13-01T00:00:00Z", "2023-07-10"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
