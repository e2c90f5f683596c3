//! What is wrong with a run, as events: rules match them and sinks are told, like of anything else that happened.
//!
//! Nothing is kept of an alarm before it is committed. A run that is killed raises it again at its next start, as long as what
//! it is about goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::{Source, SourceError, SourceReport};
use crate::delivery::{Delivery, Origin, Receipt};

/// The name of the source, and what its events name as theirs.
pub const NAME: &str = "trailwatch.alarms";

/// What is in the place of EventBridge's `detail-type`.
pub const DETAIL_TYPE: &str = "Trailwatch Alarm";

/// Alarms that wait to be read.
const WAITING_MAX: usize = 1_000;

/// Deliveries of one batch at most.
const BATCH_MAX: usize = 16;

/// What an alarm is about; the word is `detail.kind` of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmKind {
    /// A source hands over nothing for much longer than usual.
    SourceSilent,
    /// A source says that something is wrong though it can read: its trail has stopped.
    SourceTrouble,
    /// Findings wait for a sink for too long.
    SinkBehind,
    /// State that could not be read was set aside.
    StateSetAside,
    /// What was read anew is not taken over.
    ReloadRefused,
}

impl AlarmKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceSilent => "source-silent",
            Self::SourceTrouble => "source-trouble",
            Self::SinkBehind => "sink-behind",
            Self::StateSetAside => "state-set-aside",
            Self::ReloadRefused => "reload-refused",
        }
    }
}

/// Something that is wrong, or is so no more.
#[derive(Debug, Clone, Copy)]
pub struct Alarm<'a> {
    /// What it is about.
    pub kind: AlarmKind,
    /// Which source, sink or file.
    pub name: &'a str,
    /// Whether it begins; else it is over.
    pub begins: bool,
    /// What to tell a person.
    pub text: &'a str,
}

/// The alarms of one run, as a source without an end.
pub struct Alarms {
    /// The name of the instance.
    instance: String,
    raised: mpsc::Sender<Delivery>,
    arrived: tokio::sync::Mutex<mpsc::Receiver<Delivery>>,
    report: Mutex<SourceReport>,
}

impl Alarms {
    /// The alarms of an instance.
    pub fn new(instance: impl Into<String>) -> Self {
        let (raised, arrived) = mpsc::channel(WAITING_MAX);
        Self { instance: instance.into(), raised, arrived: tokio::sync::Mutex::new(arrived), report: Mutex::default() }
    }

    /// Raises an alarm; `false` if there is no room for it.
    #[must_use]
    pub fn raise(&self, alarm: &Alarm<'_>, now: Timestamp) -> bool {
        let mut report = self.report();
        report.newest_ms = Some(now.as_millisecond());
        report.deliveries += 1;
        let receipt = Receipt(report.deliveries);
        let body = event(&self.instance, alarm, now).into();
        self.raised.try_send(Delivery { body, origin: Origin::whole(NAME), receipt }).is_ok()
    }

    fn report(&self) -> MutexGuard<'_, SourceReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event, in the form of EventBridge's.
fn event(instance: &str, alarm: &Alarm<'_>, now: Timestamp) -> String {
    let Alarm { kind, name, begins, text } = alarm;
    let (kind, state) = (kind.as_str(), if *begins { "begins" } else { "ends" });
    json!({
        "version": "0",
        "id": format!("{instance}/{kind}/{name}/{state}/{}", now.as_microsecond()),
        "detail-type": DETAIL_TYPE,
        "source": NAME,
        "time": now.to_string(),
        "detail": {"kind": kind, "state": state, "name": name, "text": text, "instance": instance},
    })
    .to_string()
}

impl Source for Alarms {
    fn name(&self) -> Arc<str> {
        NAME.into()
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(async {
            let mut batch = Vec::new();
            // The sending half is here, so that there is no end.
            self.arrived.lock().await.recv_many(&mut batch, BATCH_MAX).await;
            self.report().bytes += batch.iter().map(|delivery| delivery.body.len() as u64).sum::<u64>();
            Ok(Some(batch))
        })
    }

    fn report(&self) -> SourceReport {
        self.report().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_is_an_event_like_those_of_eventbridge() {
        let alarms = Alarms::new("prod-eu");
        let now = "2026-01-05T03:05:00Z".parse().unwrap();
        let alarm = Alarm { kind: AlarmKind::SourceSilent, name: "trail", begins: true, text: "silent \"for\" 2h" };
        assert!(alarms.raise(&alarm, now));
        let batch = alarms.next().await.unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&batch[0].body).unwrap();
        insta::assert_snapshot!(event, @r#"{"detail":{"instance":"prod-eu","kind":"source-silent","name":"trail","state":"begins","text":"silent \"for\" 2h"},"detail-type":"Trailwatch Alarm","id":"prod-eu/source-silent/trail/begins/1767582300000000","source":"trailwatch.alarms","time":"2026-01-05T03:05:00Z","version":"0"}"#);
    }

    #[tokio::test]
    async fn there_is_a_bound() {
        let alarms = Alarms::new("x");
        let alarm = Alarm { kind: AlarmKind::SinkBehind, name: "pager", begins: false, text: "" };
        let raised = (0..=WAITING_MAX).filter(|_| alarms.raise(&alarm, Timestamp::UNIX_EPOCH)).count();
        assert_eq!(raised, WAITING_MAX);
        assert_eq!(alarms.next().await.unwrap().unwrap().len(), BATCH_MAX);
    }
}
