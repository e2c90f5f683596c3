//! Findings as events on an EventBridge bus, for automation to match with rules of its own.
//!
//! A call that fails concerns all its entries; a call that succeeds answers for each entry by itself. Only what failed
//! is brought again.

use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;

use super::{Cause, Gone, Outcome, Sink};
use crate::finding::Finding;

mod answer;
mod connect;
mod entry;

pub use super::SettingsError;
use answer::Failure;
pub use connect::{Connect, connector, local_connector};
use entry::Entry;

/// How findings become events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bus, by its name or ARN; `default` by default.
    pub bus: String,
    /// The events' `source`; `trailwatch` by default. What begins with `aws.` is AWS's own.
    pub source: String,
    /// The events' `detail-type`; `Trailwatch Finding` by default. Of digests ` Digest` is added to it.
    pub detail_type: String,
    /// The name of this Trailwatch among those that read each other's findings. A finding about a finding that came
    /// through this one is not sent, so it must be another name for each of them, and stay the same over restarts.
    pub instance: String,
}

impl Settings {
    /// Settings for a Trailwatch with a name, all else by default.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            bus: "default".to_owned(),
            source: "trailwatch".to_owned(),
            detail_type: "Trailwatch Finding".to_owned(),
            instance: instance.into(),
        }
    }

    fn check(&self) -> Result<(), SettingsError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
        let bus = if self.bus.starts_with("arn:") { self.bus.replace(':', "") } else { self.bus.clone() };
        let problem = |setting, problem| Err(SettingsError::new(setting, problem));
        if bus.is_empty() || bus.len() > 1_600 || !bus.chars().all(good) {
            return problem("bus", "it is neither the name nor the ARN of an event bus (`default` is every account's)");
        }
        if self.source.is_empty() || self.source.len() > 256 || self.source.starts_with("aws.") {
            return problem("source", "a source has 1 to 256 bytes and does not begin with `aws.`, which is AWS's own");
        }
        if self.detail_type.is_empty() || self.detail_type.len() > 128 - entry::DIGEST.len() {
            return problem("detail_type", "it has 1 to 121 bytes (` Digest` is added for those)");
        }
        if self.instance.is_empty() || self.instance.len() > 64 || !self.instance.chars().all(good) {
            return problem(
                "instance",
                "a name of 1 to 64 letters, digits, `.`, `-`, `_` or `/` is wanted, another for each Trailwatch",
            );
        }
        Ok(())
    }
}

/// What a call takes.
const ENTRIES_MAX: usize = 10;

/// Brings findings to a bus.
pub struct EventBridge {
    name: Arc<str>,
    settings: Settings,
    connect: Connect,
    client: Option<Client>,
}

/// What became of the entries of a call, in their order.
type Answer = Result<Vec<Outcome>, Failure>;

impl EventBridge {
    /// A sink with a name. `connect` gives the client, at the first batch and again when credentials ran out.
    pub fn new(name: impl Into<Arc<str>>, settings: Settings, connect: Connect) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { name: name.into(), settings, connect, client: None })
    }

    async fn deliver_all(&mut self, batch: &[Arc<Finding>]) -> Vec<Outcome> {
        let now_s = Timestamp::now().as_second();
        let entries: Vec<Result<Entry, String>> =
            batch.iter().map(|finding| Entry::new(finding, &self.settings, now_s)).collect();
        let good: Vec<&Entry> = entries.iter().flatten().collect();
        let mut answers = self.put_all(&good).await.into_iter();
        let outcome = |entry: Result<Entry, String>| match entry {
            Ok(_) => answers.next(),
            Err(problem) => Some(Outcome::Refused(problem)),
        };
        entries.into_iter().map_while(outcome).collect()
    }

    /// Puts entries, call by call. A call that finds nobody there is the last.
    async fn put_all(&mut self, entries: &[&Entry]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(entries.len());
        while outcomes.len() < entries.len() {
            let rest = &entries[outcomes.len()..];
            let call = &rest[..entry::fitting(rest, ENTRIES_MAX)];
            let answer = match self.put(call).await {
                Err(Failure::Blamed(_)) if call.len() > 1 => self.put_singly(call).await,
                answer => answer,
            };
            match answer {
                Ok(answers) => outcomes.extend(answers),
                Err(Failure::Blamed(reason)) => outcomes.push(Outcome::Refused(reason)),
                Err(Failure::Away(cause, reason)) => {
                    outcomes.resize(outcomes.len() + call.len(), Outcome::retry(cause, reason));
                    break;
                }
            }
        }
        outcomes
    }

    /// Finds out which entry a call is refused for.
    async fn put_singly(&mut self, entries: &[&Entry]) -> Answer {
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            match self.put(&[entry]).await {
                Ok(answers) => outcomes.extend(answers),
                Err(Failure::Blamed(reason)) => outcomes.push(Outcome::Refused(reason)),
                // Those that were put are among the outcomes of this call; the others come again.
                Err(Failure::Away(cause, reason)) => {
                    outcomes.resize(entries.len(), Outcome::retry(cause, reason));
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    /// Makes one call.
    async fn put(&mut self, entries: &[&Entry]) -> Answer {
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert((self.connect)().await.map_err(|why| Failure::Away(Cause::NoAnswer, why))?),
        };
        let entries: Vec<PutEventsRequestEntry> = entries.iter().map(|entry| entry.request(&self.settings)).collect();
        let count = entries.len();
        match client.put_events().set_entries(Some(entries)).send().await {
            Ok(answer) => Ok(answer::outcomes(answer.entries(), count)),
            Err(error) => {
                if answer::is_about_access(&error) {
                    self.client = None;
                }
                Err(Failure::of(&error, &self.settings.bus))
            }
        }
    }
}

impl Sink for EventBridge {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.deliver_all(batch).map(Ok).boxed()
    }
}
