//! Trails: whether they log and deliver, and whether they record what Trailwatch itself does.

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::Region;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::Trail;

use super::report::About;
use super::way::Way;
use super::{log_group, selector};
use crate::source::aws::trouble::Failure;
use crate::source::cloudwatch_logs::name_of;

const DESCRIBE: &str = "cloudtrail:DescribeTrails";
const STATUS: &str = "cloudtrail:GetTrailStatus";
const SELECTORS: &str = "cloudtrail:GetEventSelectors";
const KEYS: &str = "cloudtrail:ListPublicKeys";

/// Deliveries that are older than this are worth a look. They come about every five minutes, if anything happens.
const DELIVERY_AGE_MAX_S: i64 = 3_600;

/// Where a trail delivers to.
pub(super) enum To<'t> {
    LogGroup(&'t str),
    Bucket(&'t str),
}

/// Looks at a trail that was named, and at its log group.
pub(super) async fn look(way: &Way, name: &str, about: &mut About<'_>) {
    let Some(trail) = named(way, name, about).await else { return };
    let Some(arn) = trail.cloud_watch_logs_log_group_arn().filter(|arn| !arn.is_empty()) else {
        let todo = "let it deliver to one, or read its bucket";
        return about.fail(DESCRIBE, "the trail delivers to no log group", todo);
    };
    about.ok(DESCRIBE, format!("it delivers to `{}`", arn.trim_end_matches(":*")));
    let region = arn.split(':').nth(3).unwrap_or(&way.region).to_owned();
    let config = way.config.to_builder().region(Region::new(region.clone())).build();
    log_group::look(&Way { config, region, ..way.clone() }, arn, about).await;
    status_and_selectors(way, &trail, &To::LogGroup(arn), about).await;
}

/// Looks at a trail that was named, of which the events come by its bucket or by EventBridge.
pub(super) async fn look_at_health(way: &Way, name: &str, about: &mut About<'_>) {
    let Some(trail) = named(way, name, about).await else { return };
    let bucket = trail.s3_bucket_name().unwrap_or_default();
    about.ok(DESCRIBE, format!("trail `{name}` delivers to the bucket `{bucket}`"));
    status_and_selectors(way, &trail, &To::Bucket(bucket), about).await;
}

/// Finds a trail; `None` after saying why it cannot be.
async fn named(way: &Way, name: &str, about: &mut About<'_>) -> Option<Trail> {
    let client = Client::new(&way.config);
    match client.describe_trails().trail_name_list(name).send().await {
        Ok(answer) => {
            let found = answer.trail_list.unwrap_or_default().into_iter().next();
            if found.is_none() {
                let todo = "`aws cloudtrail describe-trails` lists them; `--region` chooses another region";
                about.fail(DESCRIBE, format!("there is no trail `{name}` in `{}`", way.region), todo);
            }
            found
        }
        Err(error) => {
            about.failed(DESCRIBE, "*", &Failure::of(&error));
            None
        }
    }
}

/// Looks at the trails that deliver somewhere, as far as this account sees them.
pub(super) async fn that_deliver(way: &Way, to: &To<'_>, about: &mut About<'_>) {
    let trails = match Client::new(&way.config).describe_trails().send().await {
        Ok(answer) => answer.trail_list.unwrap_or_default(),
        Err(error) => return about.unseen(DESCRIBE, "*", &Failure::of(&error)),
    };
    let trails: Vec<&Trail> = trails.iter().filter(|trail| to.is_of(trail)).collect();
    if trails.is_empty() {
        about.skip(DESCRIBE, "no trail that delivers here is seen from this account and region");
    }
    for trail in trails {
        status_and_selectors(way, trail, to, about).await;
    }
}

/// Looks whether the keys can be had that digests of this region are signed with.
pub(super) async fn public_keys(way: &Way, about: &mut About<'_>) {
    match Client::new(&way.config).list_public_keys().send().await {
        Ok(_) => about.ok(KEYS, format!("keys of digests can be had in `{}`", way.region)),
        Err(error) => about.failed(KEYS, "*", &Failure::of(&error)),
    }
}

impl To<'_> {
    fn is_of(&self, trail: &Trail) -> bool {
        match self {
            Self::LogGroup(group) => {
                let arn = trail.cloud_watch_logs_log_group_arn().unwrap_or_default();
                let is_exact = !group.starts_with("arn:") || arn.trim_end_matches(":*") == group.trim_end_matches(":*");
                !arn.is_empty() && is_exact && name_of(arn) == name_of(group)
            }
            Self::Bucket(bucket) => trail.s3_bucket_name() == Some(bucket),
        }
    }
}

async fn status_and_selectors(way: &Way, trail: &Trail, to: &To<'_>, about: &mut About<'_>) {
    let (name, arn) = (trail.name().unwrap_or_default(), trail.trail_arn().unwrap_or_default());
    let home = trail.home_region().unwrap_or(&way.region).to_owned();
    let config = aws_sdk_cloudtrail::config::Builder::from(&way.config).region(Region::new(home.clone()));
    let client = Client::from_conf(config.build());
    match client.get_trail_status().name(arn).send().await {
        Ok(status) => {
            let now_s = jiff::Timestamp::now().as_second();
            judge(name, &home, &status, to, now_s, about);
        }
        Err(error) => about.unseen(STATUS, arn, &Failure::of(&error)),
    }
    match client.get_event_selectors().trail_name(arn).send().await {
        Ok(selectors) => {
            let buckets = [trail.s3_bucket_name(), if let To::Bucket(bucket) = to { Some(*bucket) } else { None }];
            let mut buckets: Vec<&str> = buckets.into_iter().flatten().collect();
            buckets.dedup();
            for bucket in buckets {
                let objects = format!("{}/", way.bucket_arn(bucket));
                let (basic, advanced) = (selectors.event_selectors(), selectors.advanced_event_selectors());
                let covers = selector::covers(basic, advanced, &objects);
                tell_covered(name, bucket, covers, about);
            }
        }
        Err(error) => about.unseen(SELECTORS, arn, &Failure::of(&error)),
    }
}

fn tell_covered(name: &str, bucket: &str, covers: bool, about: &mut About<'_>) {
    if covers {
        let says = format!(
            "trail `{name}` records data events of its own bucket `{bucket}`: each object that it delivers, and each that is \
             read, makes another event"
        );
        about.warn(SELECTORS, says, "leave the bucket out with an advanced selector on `resources.ARN`");
    } else {
        about.ok(SELECTORS, format!("trail `{name}` records no data events of its bucket `{bucket}`"));
    }
}

/// Judges how a trail does.
fn judge(name: &str, home: &str, status: &GetTrailStatusOutput, to: &To<'_>, now_s: i64, about: &mut About<'_>) {
    if status.is_logging() != Some(true) {
        let since = status.stop_logging_time().map(|time| format!(" since {}", shown(time))).unwrap_or_default();
        let todo = format!("`aws cloudtrail start-logging --region {home} --name {name}`");
        return about.fail(STATUS, format!("trail `{name}` is not logging{since}"), todo);
    }
    let (what, time, error) = match to {
        To::LogGroup(_) => (
            "the log group",
            status.latest_cloud_watch_logs_delivery_time(),
            status.latest_cloud_watch_logs_delivery_error(),
        ),
        To::Bucket(_) => ("the bucket", status.latest_delivery_time(), status.latest_delivery_error()),
    };
    // An error of the other delivery is worth a word as well: it is the same trail.
    let other = match to {
        To::LogGroup(_) => ("the bucket", status.latest_delivery_error()),
        To::Bucket(_) => ("the log group", status.latest_cloud_watch_logs_delivery_error()),
    };
    for (what, error) in [(what, error), other] {
        if let Some(error) = error.filter(|error| !error.is_empty()) {
            let todo = format!("look at the permissions that CloudTrail has on {what}");
            about.warn(STATUS, format!("trail `{name}` could not deliver to {what} last: {error}"), todo);
        }
    }
    match time {
        Some(time) if now_s - time.secs() > DELIVERY_AGE_MAX_S => {
            let says = format!("trail `{name}` is logging, but delivered to {what} last at {}", shown(time));
            about.warn(STATUS, says, "on a quiet account this is nothing; else look at what CloudTrail may do there");
        }
        Some(time) => {
            about.ok(STATUS, format!("trail `{name}` is logging, and delivered to {what} at {}", shown(time)))
        }
        None => {
            let says = format!("trail `{name}` is logging, but has never delivered to {what}");
            about.warn(STATUS, says, "within the first minutes of a trail this is nothing");
        }
    }
}

fn shown(time: &DateTime) -> String {
    jiff::Timestamp::from_second(time.secs()).map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}
