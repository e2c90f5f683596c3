//! The log of a run, on standard error: text for people, one JSON object a line for programs. No secret is in it, and
//! no flood.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use crate::command::{line, say};
use crate::config::Secrets;
use crate::config::run::LogFormat;
use crate::source::{Notice, NoticeLevel, Notify};
use crate::untrusted::UntrustedJson;

/// The log.
pub struct Log {
    json: bool,
    secrets: Secrets,
    begun: Instant,
    limiter: Mutex<Limiter>,
}

impl Log {
    /// A log in a format, without secrets.
    pub fn new(format: LogFormat, secrets: Secrets) -> Arc<Self> {
        let json = match format {
            LogFormat::Json => true,
            LogFormat::Text => false,
            LogFormat::Auto => !std::io::IsTerminal::is_terminal(&std::io::stderr()),
        };
        Arc::new(Self { json, secrets, begun: Instant::now(), limiter: Mutex::default() })
    }

    /// Where sources, sinks and the pipeline tell what happens.
    pub fn notify(self: &Arc<Self>) -> Notify {
        let log = Arc::clone(self);
        Arc::new(move |notice: Notice| log.tell(notice.level, &notice.text))
    }

    /// Good to know.
    pub fn info(&self, text: &str) {
        self.tell(NoticeLevel::Info, text);
    }

    /// Odd, but nothing is lost.
    pub fn warn(&self, text: &str) {
        self.tell(NoticeLevel::Warn, text);
    }

    /// Something is lost, or somebody has to act.
    pub fn error(&self, text: &str) {
        self.tell(NoticeLevel::Error, text);
    }

    /// Takes in every panic of the process from now on.
    pub fn take_panics(self: &Arc<Self>) {
        let log = Arc::clone(self);
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
            let what = panic.payload_as_str().unwrap_or("it said nothing");
            log.error(&format!("a defect of this program{place}: {what} (please report it)"));
        }));
    }

    /// Whether a program reads it.
    pub fn is_json(&self) -> bool {
        self.json
    }

    fn tell(&self, level: NoticeLevel, text: &str) {
        let said = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).say(level, self.begun.elapsed());
        let Some(left_out) = said else { return };
        if left_out > 0 {
            self.write(
                NoticeLevel::Warn,
                &format!("{left_out} lines were left out of the log, for there were too many"),
            );
        }
        self.write(level, &self.secrets.hide(text));
    }

    fn write(&self, level: NoticeLevel, text: &str) {
        let (word, kind) = match level {
            NoticeLevel::Info => ("info", "note"),
            NoticeLevel::Warn => ("warn", "warning"),
            NoticeLevel::Error => ("error", "error"),
        };
        if !self.json {
            return say(kind, text);
        }
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let object = json!({ "time": time, "level": word, "text": text }).to_string();
        line(&UntrustedJson(&object).to_string());
    }
}

/// Lines of one level that are written within a window.
const LINES_MAX: u32 = 100;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(10);

/// Leaves lines out where there are too many of one level: a flood of one must not hide another.
#[derive(Debug, Default)]
struct Limiter {
    window: u64,
    said: [u32; 3],
    left_out: u64,
}

impl Limiter {
    /// Whether a line may be written so long after the start; `None` if not, else how many were left out before it.
    fn say(&mut self, level: NoticeLevel, since_start: Duration) -> Option<u64> {
        let window = since_start.as_secs() / WINDOW.as_secs();
        if window != self.window {
            (self.window, self.said) = (window, [0; 3]);
        }
        let said = &mut self.said[level as usize];
        if *said >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        *said += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted_and_hides_no_other_level() {
        let (mut limiter, at) = (Limiter::default(), Duration::from_secs);
        for _ in 0..LINES_MAX {
            assert_eq!(limiter.say(NoticeLevel::Warn, at(1)), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(limiter.say(NoticeLevel::Warn, at(9)), None);
        }
        assert_eq!(
            limiter.say(NoticeLevel::Error, at(9)),
            Some(7),
            "an error is said, and what was left out before it"
        );
        assert_eq!(limiter.say(NoticeLevel::Warn, at(10)), Some(0), "a new window");
    }
}
