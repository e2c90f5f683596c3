//! Times on the command line: how long ago, or when.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A point in time as a person gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long before now.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// The moment in milliseconds since 1970.
    pub fn ms(self, now: SystemTime) -> i64 {
        match self {
            Self::At(time) => time.as_millisecond(),
            Self::Ago(ago) => {
                let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                now.saturating_sub(ago).as_millis() as i64
            }
        }
    }
}

/// Reads `10m`, `2h30m`, `1h 30m`, or RFC 3339 as in `2026-11-22T05:00Z`.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Moment::Ago(ago));
    }
    let minutes_only = text.strip_suffix('Z').map(|head| format!("{head}:00Z"));
    let time = text.parse().or_else(|error| minutes_only.and_then(|text| text.parse().ok()).ok_or(error));
    time.map(Moment::At).map_err(|_: jiff::Error| {
        "neither a duration such as `10m` or `2h30m` nor a time such as `2026-11-22T05:00:00Z`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_and_times() {
        assert_eq!(moment("2h30m"), Ok(Moment::Ago(Duration::from_secs(9_000))));
        assert_eq!(moment("1h 30m"), Ok(Moment::Ago(Duration::from_secs(5_400))));
        for text in ["2026-11-22T05:00Z", "2026-11-22T05:00:00Z", "2026-11-22T06:00:00+01:00"] {
            let Ok(Moment::At(time)) = moment(text) else { panic!("{text}") };
            assert_eq!(time.to_string(), "2026-11-22T05:00:00Z");
        }
        assert!(moment("yesterday").is_err());
    }
}
