//! Times on the command line: how long ago, or when.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::condition::{Condition, Field, Test};
use crate::event::{Base, Case, Path};

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

/// The filter, and that events are of the time between two moments. Files and objects hold events of any time.
pub fn within(
    filter: Option<Condition>,
    since: Option<Moment>,
    until: Option<Moment>,
) -> anyhow::Result<Option<Condition>> {
    let now = SystemTime::now();
    let before = |moment: Moment| -> anyhow::Result<Condition> {
        let path = Path::parse(Base::EventTime.path(), Case::Sensitive)?;
        let time = Timestamp::from_millisecond(moment.ms(now)).context("a time out of range")?;
        Ok(Condition::is(Field::Path(path), Test::Before(time)))
    };
    let mut parts: Vec<Condition> = filter.into_iter().collect();
    if let Some(since) = since {
        parts.push(before(since)?.negated());
    }
    if let Some(until) = until {
        parts.push(before(until)?);
    }
    Ok((!parts.is_empty()).then(|| Condition::all(parts)))
}

/// Whether nothing lies between two moments.
pub fn is_nothing_between(since: Option<Moment>, until: Option<Moment>) -> bool {
    let now = SystemTime::now();
    matches!((since, until), (Some(since), Some(until)) if until.ms(now) < since.ms(now))
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
