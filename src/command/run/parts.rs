//! From settings to what a pipeline is made of.

use std::sync::{Arc, Mutex, PoisonError};

#[cfg(any(feature = "aws", feature = "listen", feature = "webhook"))]
use anyhow::Context as _;
use futures::future::{BoxFuture, FutureExt};

#[cfg(feature = "aws")]
use super::aws;
#[cfg(feature = "aws")]
use crate::command::aws::Quotas;
use crate::command::printer;
use crate::config::run::{SinkKind, SinkSettings, SourceKind, SourceSettings};
use crate::finding::Finding;
use crate::pipeline::{Route, SinkDelivery};
use crate::sink::{Gone, Outcome, Sink};
use crate::source::file::{FileLimits, Files};
#[cfg(feature = "listen")]
use crate::source::http::Http;
use crate::source::{Notify, Source};
use crate::store::Checkpoint;

/// Makes the sources.
pub async fn sources(
    settings: &[SourceSettings],
    checkpoints: &[Checkpoint],
    notify: &Notify,
) -> anyhow::Result<Vec<Arc<dyn Source>>> {
    #[cfg(feature = "aws")]
    let mut quotas = Quotas::default();
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    for SourceSettings { name, kind, .. } in settings {
        sources.push(match kind {
            SourceKind::Files(paths) => {
                Arc::new(Files::new(paths.clone(), FileLimits::default(), Arc::clone(notify)).named(Arc::clone(name)))
            }
            #[cfg(feature = "aws")]
            SourceKind::LogGroup(group) => {
                let source = aws::log_group(name, group, checkpoints, &mut quotas, notify).await;
                source.with_context(|| format!("source `{name}`"))?
            }
            #[cfg(feature = "aws")]
            SourceKind::Queue(queue) => {
                aws::queue(name, queue, notify).await.with_context(|| format!("source `{name}`"))?
            }
            #[cfg(feature = "listen")]
            SourceKind::Http(settings) => {
                let source = Http::new(settings.as_ref().clone(), Arc::clone(notify));
                let source = source.with_context(|| format!("source `{name}`"))?;
                source.listen().await?;
                Arc::new(source)
            }
            #[cfg(not(feature = "aws"))]
            SourceKind::LogGroup(_) | SourceKind::Queue(_) => {
                let _ = checkpoints;
                anyhow::bail!("source `{name}`: this build cannot talk to AWS (build it with the feature `aws`)")
            }
        });
    }
    Ok(sources)
}

/// The sinks: those that are brought findings at once, and those that couriers go to.
pub struct Sinks {
    /// Those that cannot be away.
    pub near: Vec<Box<dyn Sink>>,
    /// What the near ones are to have.
    pub near_routes: Vec<Arc<Mutex<Route>>>,
    /// Those that can be away.
    pub far: Vec<SinkDelivery>,
}

/// Makes the sinks.
pub fn sinks(settings: &[SinkSettings]) -> anyhow::Result<Sinks> {
    let mut sinks = Sinks { near: Vec::new(), near_routes: Vec::new(), far: Vec::new() };
    for settings in settings {
        let (route, sink) = (settings.route.clone(), sink(settings)?);
        if matches!(settings.kind, SinkKind::Stdout(_)) {
            let route = Arc::new(Mutex::new(route));
            sinks.near.push(Box::new(Chosen { route: Arc::clone(&route), sink }));
            sinks.near_routes.push(route);
        } else {
            sinks.far.push(SinkDelivery { route, sink, patience: settings.patience });
        }
    }
    Ok(sinks)
}

/// Makes one sink.
pub fn sink(settings: &SinkSettings) -> anyhow::Result<Box<dyn Sink>> {
    #[cfg(any(feature = "aws", feature = "webhook"))]
    let name = &settings.route.sink;
    Ok(match &settings.kind {
        SinkKind::Stdout(format) => Box::new(printer(*format)),
        #[cfg(feature = "webhook")]
        SinkKind::Webhook(webhook) => {
            let sink = crate::sink::webhook::Webhook::new(Arc::clone(name), webhook.as_ref().clone());
            Box::new(sink.with_context(|| format!("sink `{name}`"))?)
        }
        #[cfg(feature = "aws")]
        SinkKind::EventBridge(bus, access) => {
            let sink =
                crate::sink::eventbridge::EventBridge::new(Arc::clone(name), bus.clone(), aws::event_bus(access));
            Box::new(sink.with_context(|| format!("sink `{name}`"))?)
        }
    })
}

/// A sink that is brought only what its route lets through.
struct Chosen {
    route: Arc<Mutex<Route>>,
    sink: Box<dyn Sink>,
}

impl Chosen {
    /// Brings what the route takes; the rest is as good as delivered.
    async fn bring(&mut self, batch: &[Arc<Finding>]) -> Result<Vec<Outcome>, Gone> {
        let route = self.route.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let taken: Vec<Arc<Finding>> = batch.iter().filter(|finding| route.takes(finding)).cloned().collect();
        let mut outcomes = match taken.is_empty() {
            true => Vec::new().into_iter(),
            false => self.sink.deliver(&taken).await?.into_iter(),
        };
        let no_answer = || Outcome::retry("the sink gave no answer");
        let outcome = |finding: &Arc<Finding>| match route.takes(finding) {
            true => outcomes.next().unwrap_or_else(no_answer),
            false => Outcome::Delivered,
        };
        Ok(batch.iter().map(outcome).collect())
    }
}

impl Sink for Chosen {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.bring(batch).boxed()
    }
}
