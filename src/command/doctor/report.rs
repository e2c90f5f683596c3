//! What was found, a check a line.

use std::io::{self, Write};

use serde::Serialize;

use crate::config::Secrets;
use crate::source::aws::trouble::{Failure, FailureKind};
use crate::untrusted::{Untrusted, UntrustedJson};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// It works, and somebody should know this.
    Warning,
    /// It does not work.
    Failed,
    /// It was not tried, or cannot be seen.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) state: State,
    /// What was looked at.
    pub(super) subject: String,
    /// The call that was made, by the name of its permission; empty if none was.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) call: &'static str,
    /// What it means.
    pub(super) says: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) todo: Option<String>,
}

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<Check>,
    secrets: Secrets,
}

/// Checks of one thing.
pub(super) struct About<'r> {
    report: &'r mut Report,
    subject: &'r str,
}

impl Report {
    /// Keeps these out of what is said from now on.
    pub(super) fn hide(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    pub(super) fn about<'r>(&'r mut self, subject: &'r str) -> About<'r> {
        About { report: self, subject }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| check.state == State::Failed)
    }

    pub(super) fn human(&self, out: &mut impl Write) -> io::Result<()> {
        for Check { state, subject, call, says, todo } in &self.checks {
            let (word, colour) = match state {
                State::Ok => ("ok", anstyle::AnsiColor::Green),
                State::Warning => ("warning", anstyle::AnsiColor::Yellow),
                State::Failed => ("failed", anstyle::AnsiColor::Red),
                State::Skipped => ("skipped", anstyle::AnsiColor::BrightBlack),
            };
            let style = colour.on_default();
            let call = if call.is_empty() { String::new() } else { format!("{call}: ") };
            let todo = todo.as_ref().map(|todo| format!(" ({todo})")).unwrap_or_default();
            let text = format!("{subject}: {call}{says}{todo}");
            writeln!(out, "{style}{word:<8}{style:#} {}", Untrusted(&text))?;
        }
        Ok(())
    }

    pub(super) fn json(&self, out: &mut impl Write) -> io::Result<()> {
        self.checks.iter().try_for_each(|check| {
            writeln!(out, "{}", UntrustedJson(&serde_json::to_string(check).map_err(io::Error::other)?))
        })
    }

    /// Adds a check, unless the same was made for something else already.
    fn add(&mut self, check: Check) {
        let says = self.secrets.hide(&check.says);
        let check = Check { says, ..check };
        if !self.checks.contains(&check) {
            self.checks.push(check);
        }
    }
}

impl About<'_> {
    pub(super) fn ok(&mut self, call: &'static str, says: impl Into<String>) {
        self.add(State::Ok, call, says, None);
    }

    pub(super) fn warn(&mut self, call: &'static str, says: impl Into<String>, todo: impl Into<String>) {
        self.add(State::Warning, call, says, Some(todo.into()));
    }

    pub(super) fn fail(&mut self, call: &'static str, says: impl Into<String>, todo: impl Into<String>) {
        self.add(State::Failed, call, says, Some(todo.into()));
    }

    pub(super) fn skip(&mut self, call: &'static str, says: impl Into<String>) {
        self.add(State::Skipped, call, says, None);
    }

    /// A call without which nothing works has failed.
    pub(super) fn failed(&mut self, call: &'static str, resource: &str, failure: &Failure) {
        self.fail(call, failure.to_string(), what_to_do(call, resource, failure));
    }

    /// A call that only the doctor makes has failed.
    pub(super) fn unseen(&mut self, call: &'static str, resource: &str, failure: &Failure) {
        let todo = what_to_do(call, resource, failure);
        let says = format!("{failure}; only `doctor` makes this call");
        self.add(State::Skipped, call, says, Some(todo));
    }

    fn add(&mut self, state: State, call: &'static str, says: impl Into<String>, todo: Option<String>) {
        self.report.add(Check { state, subject: self.subject.to_owned(), call, says: says.into(), todo });
    }
}

fn what_to_do(call: &str, resource: &str, failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Denied => format!("allow `{call}` on `{resource}`"),
        FailureKind::Credentials => "renew the credentials, with single sign-on by `aws sso login`".to_owned(),
        FailureKind::NotFound => format!("there is no `{resource}`: check the name, the region and the account"),
        FailureKind::Throttled => "try again in a while".to_owned(),
        FailureKind::Unavailable => "check `--region`, `--endpoint-url` and the network".to_owned(),
        FailureKind::Parameter | FailureKind::Circle | FailureKind::Refused => {
            format!("find out why AWS refuses this on `{resource}`")
        }
    }
}
