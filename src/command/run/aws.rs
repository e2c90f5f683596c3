//! The parts of a run that talk to AWS, as a configuration names them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;

use crate::command::aws::{AwsArgs, GroupPlace, Place, Quotas, Wanted, resumed, settings};
use crate::command::reach;
use crate::command::time::Moment;
use crate::config::Run;
use crate::config::run::{AwsAccess, Followed, LogGroup, Queue};
use crate::sink::eventbridge;
use crate::source::aws::requests::Counted;
use crate::source::aws::trail::named_trail;
use crate::source::cloudwatch_logs::{Access, CloudWatchLogs, Settings, connector, load, trail_finder};
use crate::source::sqs::{self, Sqs};
use crate::source::{Notice, NoticeLevel, Notify, Source};
use crate::store::Checkpoint;

/// How long AWS may take to say who calls it. A run begins without, if need be.
const WHO_TIME_MAX: Duration = Duration::from_secs(5);

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
    let kept_at = GroupPlace::of(Some(name), &group, &region, &access.roles);
    let settings = Settings {
        name: Some(name.to_owned()),
        other_endpoint: args.has_other_endpoint(),
        trail,
        trail_finder: Some(trail_finder(args.access())),
        ..settings(&wanted, group, region)
    };
    if kept_at.is_another(checkpoints) {
        let text = format!("source `{name}` reads another log group than before, and begins by `since`");
        notify(Notice { level: NoticeLevel::Info, text });
    }
    let settings = resumed(settings, &kept_at, kept_at.kept(checkpoints, Some(name), &[]));
    let source = CloudWatchLogs::new(settings, quota, connector(access), Arc::clone(notify))?;
    Ok(Arc::new(source))
}

/// Makes a source of a queue.
pub async fn queue(name: &str, queue: &Queue, notify: &Notify) -> anyhow::Result<Arc<dyn Source>> {
    let args = AwsArgs::of(&queue.access);
    let region = match sqs::region_of(&queue.queue) {
        Some(region) => region,
        None => args.region_of_config().await?,
    };
    let trail = queue.trail.as_deref().map(|trail| named_trail(args.access(), trail));
    let settings = sqs::Settings {
        trail,
        name: Some(name.to_owned()),
        visibility: queue.visibility,
        buckets: queue.buckets.clone(),
        bucket_owner: queue.bucket_owner.clone(),
        ..sqs::Settings::new(&queue.queue, &region)
    };
    let access = Access { region: Some(region), ..args.access() };
    Ok(Arc::new(Sqs::new(settings, sqs::connector(access), Arc::clone(notify))?))
}

/// Who the calls of a run are made by: roles as they are named, others as AWS says, which needs no permission.
pub async fn callers(run: &Run, notify: &Notify) -> Vec<String> {
    let mut ways: Vec<Access> = Vec::new();
    for access in reach::of_run(run).await.into_iter().map(|place| place.access) {
        if !ways.iter().any(|way| (&way.profile, &way.roles) == (&access.profile, &access.roles)) {
            ways.push(access);
        }
    }
    let asked = join_all(ways.iter().map(|way| tokio::time::timeout(WHO_TIME_MAX, caller(way)))).await;
    let known: Vec<String> = asked.into_iter().filter_map(|caller| caller.ok().flatten()).collect();
    if known.len() < ways.len() {
        let text = "AWS does not say as whom it is called: calls of our own cannot be told from others".to_owned();
        notify(Notice { level: NoticeLevel::Warn, text });
    }
    known
}

async fn caller(way: &Access) -> Option<String> {
    if let Some(role) = way.roles.last() {
        return Some(role.to_string());
    }
    let config = aws_sdk_sts::config::Builder::from(&load(way).await.ok()?).interceptor(Counted);
    let client = aws_sdk_sts::Client::from_conf(config.build());
    client.get_caller_identity().send().await.ok()?.arn
}

/// How a bus is reached.
pub fn event_bus(access: &AwsAccess) -> eventbridge::Connect {
    let access = AwsArgs::of(access).access();
    eventbridge::connector(move || {
        let access = access.clone();
        async move {
            let config = load(&access).await.map_err(|error| error.to_string())?;
            Ok(aws_sdk_eventbridge::config::Builder::from(&config).interceptor(Counted))
        }
    })
}
