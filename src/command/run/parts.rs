//! From settings to what a pipeline is made of.

use std::sync::Arc;

#[cfg(any(feature = "aws", feature = "listen", feature = "webhook"))]
use anyhow::Context as _;

#[cfg(feature = "aws")]
use super::aws;
#[cfg(feature = "aws")]
use crate::command::aws::Quotas;
use crate::command::printer;
use crate::config::run::{SinkKind, SinkSettings, SourceKind, SourceSettings};
use crate::pipeline::SinkDelivery;
use crate::sink::Sink;
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

/// Makes the sinks. Standard output is one like the others: what could not be written waits in the outbox.
pub fn sinks(settings: &[SinkSettings]) -> anyhow::Result<Vec<SinkDelivery>> {
    let delivery = |settings: &SinkSettings| {
        let (route, patience) = (settings.route.clone(), settings.patience);
        Ok(SinkDelivery { route, sink: sink(settings)?, patience })
    };
    settings.iter().map(delivery).collect()
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
