//! Findings in the order of their events' times: held back until everything is read, or there are too many to hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::super::{count, say};
use crate::finding::Finding;
use crate::sink::{Gone, Outcome, Sink};

/// Findings that are held back at most. When there are more, those are shown, and sorting begins anew.
const HELD_MAX: usize = 100_000;

/// Findings that are held back. Cheap to clone.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Vec<Arc<Finding>>>>);

/// Holds findings back from a sink. What is left at the end is for its maker to bring.
pub struct Sorted<S> {
    sink: S,
    held: Held,
    held_max: usize,
    is_told: bool,
}

impl Held {
    /// Takes out what is held, in order; what has no time comes first.
    pub fn take(&self) -> Vec<Arc<Finding>> {
        let mut findings = std::mem::take(&mut *self.lock());
        findings.sort_by_cached_key(|finding| time(finding));
        findings
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Finding>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(finding: &Finding) -> Option<Timestamp> {
    finding.time.as_deref().and_then(|time| time.parse().ok())
}

impl<S: Sink> Sorted<S> {
    /// Holds back what is for a sink.
    pub fn new(sink: S, held: Held) -> Self {
        Self { sink, held, held_max: HELD_MAX, is_told: false }
    }

    async fn hold(&mut self, batch: &[Arc<Finding>]) -> Result<Vec<Outcome>, Gone> {
        let held = {
            let mut held = self.held.lock();
            held.extend(batch.iter().cloned());
            held.len()
        };
        if held >= self.held_max {
            if !std::mem::replace(&mut self.is_told, true) {
                let many = count(self.held_max, "finding");
                say("warning", &format!("more than {many}: they are sorted among so many, and not over all"));
            }
            bring(&mut self.sink, self.held.take()).await?;
        }
        Ok(vec![Outcome::Delivered; batch.len()])
    }
}

/// Brings findings to a sink that is never asked for any of them again, as standard output is.
pub async fn bring(sink: &mut impl Sink, findings: Vec<Arc<Finding>>) -> Result<(), Gone> {
    sink.deliver(&findings).await.map(drop)
}

impl<S: Sink> Sink for Sorted<S> {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        Box::pin(self.hold(batch))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::{Event, EventKey, Fields, projection_of};
    use crate::rule::Rule;

    /// Notes the times that it is brought, a line for each batch.
    struct Noting(Arc<Mutex<Vec<String>>>);

    impl Sink for Noting {
        fn name(&self) -> &str {
            "noting"
        }

        fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
            let times: Vec<&str> = batch.iter().map(|finding| finding.time.as_deref().unwrap_or("none")).collect();
            self.0.lock().unwrap().push(times.join(" "));
            Box::pin(std::future::ready(Ok(vec![Outcome::Delivered; batch.len()])))
        }
    }

    fn finding(time: &str) -> Arc<Finding> {
        let rule = "id = \"a\"\ntitle = \"a\"\nseverity = \"low\"\n[match]\neventName = \"A\"\n".to_owned();
        let rule = Rule::parse(Path::new("a.toml"), rule).unwrap();
        let text = format!(r#"{{"eventName":"A","eventSource":"a","eventTime":"{time}"}}"#);
        let mut fields = Fields::default();
        let event = Event::read(&text, &projection_of([]), &mut fields).unwrap();
        Arc::new(Finding::new(&rule, &event, &EventKey::from_bytes([0; 24])))
    }

    #[tokio::test]
    async fn findings_are_sorted_over_all_up_to_the_bound_and_in_parts_beyond_it() {
        let (noted, held) = (Arc::default(), Held::default());
        let mut sorted = Sorted { held_max: 3, ..Sorted::new(Noting(Arc::clone(&noted)), held.clone()) };
        let batch = ["2026-01-05T03:00:00Z", "", "2026-01-05T02:00:00.5Z", "2026-01-05T02:00:00Z"].map(finding);
        sorted.deliver(&batch[..2]).await.unwrap();
        assert!(noted.lock().unwrap().is_empty());
        sorted.deliver(&batch[2..3]).await.unwrap();
        sorted.deliver(&batch[3..]).await.unwrap();
        assert_eq!(*noted.lock().unwrap(), ["none 2026-01-05T02:00:00.5Z 2026-01-05T03:00:00Z"]);
        bring(&mut sorted.sink, held.take()).await.unwrap();
        assert_eq!(noted.lock().unwrap()[1], "2026-01-05T02:00:00Z");
    }
}
