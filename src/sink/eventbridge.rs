//! Findings as events on an EventBridge bus, for automation to match with rules of its own.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};

use super::{Gone, Outcome, Sink};
use crate::finding::Finding;

pub mod connect;

pub use super::SettingsError;
pub use connect::{Connect, connector, local_connector};

/// How findings become events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bus, by its name or ARN; `default` by default.
    pub bus: String,
    /// The events' `source`; `trailwatch` by default. What begins with `aws.` is AWS's own.
    pub source: String,
    /// The events' `detail-type`; `Trailwatch Finding` by default.
    pub detail_type: String,
    /// The name of this Trailwatch among those that read each other's findings. Findings about findings that this one
    /// sent are not sent, so it must be another for each of them, and stay the same over restarts.
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
}

/// Brings findings to a bus.
pub struct EventBridge {
    name: Arc<str>,
    #[expect(dead_code, reason = "sending comes with the next commit")]
    settings: Settings,
    #[expect(dead_code, reason = "sending comes with the next commit")]
    connect: Connect,
}

impl EventBridge {
    /// A sink with a name. `connect` gives the client, at the first batch and again when credentials ran out.
    pub fn new(name: impl Into<Arc<str>>, settings: Settings, connect: Connect) -> Result<Self, SettingsError> {
        if settings.instance.is_empty() {
            return Err(SettingsError::new("instance", "there is none (name this Trailwatch, another name for each)"));
        }
        Ok(Self { name: name.into(), settings, connect })
    }
}

impl Sink for EventBridge {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        ready(Ok(vec![Outcome::retry("events are not put yet"); batch.len()])).boxed()
    }
}
