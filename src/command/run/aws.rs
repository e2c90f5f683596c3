//! The parts of a run that talk to AWS, as a configuration names them.

use std::sync::Arc;

use anyhow::Context as _;

use crate::command::aws::{AwsArgs, Place, Quotas, Wanted, resumed, settings};
use crate::command::time::Moment;
use crate::config::run::{AwsAccess, Followed, LogGroup, Queue};
use crate::sink::eventbridge;
use crate::source::cloudwatch_logs::{Access, CloudWatchLogs, Settings, connector, load};
use crate::source::sqs::{self, Sqs};
use crate::source::{Notify, Source};
use crate::store::Checkpoint;

/// Makes a source of a log group.
pub async fn log_group(
    name: &str,
    group: &LogGroup,
    checkpoints: &[Checkpoint],
    quotas: &mut Quotas,
    notify: &Notify,
) -> anyhow::Result<Arc<dyn Source>> {
    let args = AwsArgs::of(&group.access);
    let (groups, trails) = match &group.what {
        Followed::Group(group) => (vec![group.clone()], Vec::new()),
        Followed::Trail(trail) => (Vec::new(), vec![trail.clone()]),
    };
    let wanted = Wanted {
        groups: &groups,
        trails: &trails,
        since: Some(Moment::Ago(group.since)),
        follow: true,
        live: group.live,
        checkpoints,
        pattern: group.filter.as_deref(),
        ..Wanted::default()
    };
    let Place { group, region, trail } =
        args.places(&wanted, notify).await?.into_iter().next().context("there is no log group")?;
    let quota = quotas.of(&args.caller(&region).await?, &region);
    let access = Access { region: Some(region.clone()), ..args.access() };
    let settings = Settings {
        name: Some(name.to_owned()),
        other_endpoint: args.has_other_endpoint(),
        trail,
        ..settings(&wanted, group, region)
    };
    let source = CloudWatchLogs::new(resumed(settings, checkpoints), quota, connector(access), Arc::clone(notify))?;
    Ok(Arc::new(source))
}

/// Makes a source of a queue.
pub async fn queue(name: &str, queue: &Queue, notify: &Notify) -> anyhow::Result<Arc<dyn Source>> {
    let args = AwsArgs::of(&queue.access);
    let region = match sqs::region_of(&queue.queue) {
        Some(region) => region,
        None => args.region_of_config().await?,
    };
    let settings = sqs::Settings {
        name: Some(name.to_owned()),
        visibility: queue.visibility,
        buckets: queue.buckets.clone(),
        bucket_owner: queue.bucket_owner.clone(),
        ..sqs::Settings::new(&queue.queue, &region)
    };
    let access = Access { region: Some(region), ..args.access() };
    Ok(Arc::new(Sqs::new(settings, sqs::connector(access), Arc::clone(notify))?))
}

/// How a bus is reached.
pub fn event_bus(access: &AwsAccess) -> eventbridge::Connect {
    let access = AwsArgs::of(access).access();
    eventbridge::connector(move || {
        let access = access.clone();
        async move { load(&access).await.map_err(|error| error.to_string()) }
    })
}
