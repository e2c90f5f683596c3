//! Log groups and queues as sources: from names, ARNs, URLs and trails to what is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;

mod place;

pub use place::GroupPlace;

use super::time::Moment;
use super::{Exit, notify, say, source_failed};
use crate::config::run::AwsAccess;
use crate::source::aws::account;
use crate::source::cloudwatch_logs::{
    Access, CloudWatchLogs, DEFAULT_SHARE, LiveTail, Quota, Settings, TrailGroup, WatchedTrail, connector,
    find_trail_bucket, find_trail_group, load, name_of, trail_connector, trail_finder,
};
use crate::source::role::RoleArn;
use crate::source::sqs::{self, Sqs};
use crate::source::{Notice, NoticeLevel, Notify, Source, SourceError};
use crate::store::Checkpoint;

/// The habits of the AWS CLI.
#[derive(Debug, Clone, Args)]
pub struct AwsArgs {
    /// A profile of the AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// The region of the log group, queue or bucket.
    #[arg(long)]
    region: Option<String>,
    /// The URL of another endpoint.
    #[arg(long, value_name = "URL", value_parser = url)]
    endpoint_url: Option<String>,
    /// A role to assume; may be repeated: each is assumed with the credentials of the one before.
    #[arg(long, value_name = "ARN")]
    role_arn: Vec<RoleArn>,
    /// What the trust policy of the last role asks for.
    #[arg(long, value_name = "ID", requires = "role_arn")]
    external_id: Option<String>,
}

fn url(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("a URL starts with `http://` or `https://`".to_owned()),
    }
}

/// The shares of calls: all log groups that one account reads in a region have one in common.
#[derive(Default)]
pub struct Quotas(HashMap<(Caller, String), Arc<Quota>>);

/// For whom calls count. A log group of another account, named by its ARN, is read by the account of the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// An account.
    Account(String),
    /// Whoever a profile stands for, where credentials do not say their account.
    Profile(Option<String>),
}

impl Quotas {
    /// The share of a caller in a region.
    pub fn of(&mut self, caller: &Caller, region: &str) -> Arc<Quota> {
        let place = (caller.clone(), region.to_owned());
        let quota = self.0.entry(place).or_insert_with(|| Arc::new(Quota::new(region, DEFAULT_SHARE)));
        Arc::clone(quota)
    }
}

/// What is wanted of every log group and queue.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'w> {
    /// Names and ARNs of groups.
    pub groups: &'w [String],
    /// Names and ARNs of trails.
    pub trails: &'w [String],
    /// Names, URLs and ARNs of queues.
    pub queues: &'w [String],
    /// The buckets that messages may name; empty for any.
    pub buckets: &'w [String],
    /// The account that those must belong to.
    pub bucket_owner: Option<&'w str>,
    /// Where to start.
    pub since: Option<Moment>,
    /// Where to end.
    pub until: Option<Moment>,
    /// Only the last so many of what is there.
    pub last: Option<usize>,
    /// Whether to go on.
    pub follow: bool,
    /// Whether a live tail shows what comes at once.
    pub live: bool,
    /// How far an earlier run got; it counts for more than `since`.
    pub checkpoints: &'w [Checkpoint],
    /// What the service is to leave out.
    pub pattern: Option<&'w str>,
    /// Whether to look without the pattern now and then.
    pub probe: bool,
}

/// A log group that is wanted.
#[derive(Clone)]
pub struct Place {
    /// Its name or ARN.
    pub group: String,
    /// Its region.
    pub region: String,
    /// The trail that it was found by.
    pub trail: Option<WatchedTrail>,
}

impl AwsArgs {
    /// Makes a source of each group, trail and queue; what is wrong has been said.
    pub async fn sources(&self, wanted: &Wanted<'_>) -> Result<Vec<Arc<dyn Source>>, Exit> {
        let mut sources = self.log_groups(wanted).await?;
        sources.extend(self.queues(wanted).await?);
        Ok(sources)
    }

    async fn queues(&self, wanted: &Wanted<'_>) -> Result<Vec<Arc<dyn Source>>, Exit> {
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        let mut seen = HashSet::new();
        for queue in wanted.queues.iter().filter(|queue| seen.insert(*queue)) {
            let region = match sqs::region_of(queue) {
                Some(region) => region,
                None => self.region_of_config().await.map_err(source_failed)?,
            };
            let settings = sqs::Settings {
                follow: wanted.follow,
                buckets: wanted.buckets.to_vec(),
                bucket_owner: wanted.bucket_owner.map(str::to_owned),
                ..sqs::Settings::new(queue, &region)
            };
            let access = Access { region: Some(region), ..self.access() };
            let source = Sqs::new(settings, sqs::connector(access), notify()).map_err(|error| {
                say("error", &error.to_string());
                Exit::Usage
            })?;
            say("note", &format!("messages of queue `{}` are deleted once they are shown", source.name()));
            sources.push(Arc::new(source));
        }
        Ok(sources)
    }

    /// The place in a bucket that a trail delivers to.
    pub async fn bucket_of(&self, trail: &str) -> Result<String, SourceError> {
        let found = find_trail_bucket(&load(&self.access()).await?, trail).await?;
        let url = format!("s3://{}/{}", found.bucket, found.prefix);
        say("note", &format!("trail `{}` delivers to {url}", found.trail));
        Ok(url)
    }

    /// The region where none is named.
    pub async fn region_of_config(&self) -> Result<String, SourceError> {
        let config = load(&self.access()).await?;
        Ok(config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default())
    }

    async fn log_groups(&self, wanted: &Wanted<'_>) -> Result<Vec<Arc<dyn Source>>, Exit> {
        let places = self.places(wanted, &notify()).await.map_err(source_failed)?;
        let mut quotas = Quotas::default();
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        let Some(Place { region, .. }) = places.first() else { return Ok(sources) };
        let caller = self.caller(region).await.map_err(source_failed)?;
        let place_of = |place: &Place| GroupPlace::of(None, &place.group, &place.region, &self.role_arn);
        let beside: Vec<GroupPlace> = places.iter().map(place_of).collect();
        for Place { group, region, trail } in places.clone() {
            let name = name_apart(&group, &region, &places);
            let kept_at = GroupPlace::of(None, &group, &region, &self.role_arn);
            let older = name.clone().unwrap_or_else(|| name_of(&group).to_owned());
            let quota = quotas.of(&caller, &region);
            let access = Access { region: Some(region.clone()), ..self.access() };
            let other_endpoint = self.has_other_endpoint();
            let trail_finder = Some(trail_finder(self.access()));
            let settings = Settings { name, other_endpoint, trail, trail_finder, ..settings(wanted, group, region) };
            let kept = kept_at.kept(wanted.checkpoints, Some(&older), &beside);
            let settings = resumed(settings, &kept_at, kept);
            match CloudWatchLogs::new(settings, quota, connector(access), notify()) {
                Ok(source) => sources.push(Arc::new(source)),
                Err(error) => {
                    say("error", &error.to_string());
                    return Err(Exit::Usage);
                }
            }
        }
        Ok(sources)
    }

    /// What a configuration says.
    pub fn of(access: &AwsAccess) -> Self {
        let AwsAccess { profile, region, endpoint_url, roles, external_id } = access.clone();
        Self { profile, region, endpoint_url, role_arn: roles, external_id }
    }

    /// How AWS is reached.
    pub fn access(&self) -> Access {
        let Self { profile, region, endpoint_url, role_arn, external_id } = self.clone();
        Access { profile, region, endpoint_url, roles: role_arn, external_id }
    }

    /// For whom calls count.
    pub async fn caller(&self, region: &str) -> Result<Caller, SourceError> {
        let access = Access { region: Some(region.to_owned()), ..self.access() };
        Ok(account(&access).await?.map_or_else(|| Caller::Profile(self.profile.clone()), Caller::Account))
    }

    /// Whether something other than AWS is spoken to.
    pub fn has_other_endpoint(&self) -> bool {
        let named = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"];
        self.endpoint_url.is_some() || named.iter().any(|name| std::env::var_os(name).is_some())
    }

    /// Every group with its region, each once.
    pub async fn places(&self, wanted: &Wanted<'_>, notify: &Notify) -> Result<Vec<Place>, SourceError> {
        let mut places = Vec::new();
        let mut config = None;
        for group in wanted.groups {
            let region = match region_of_arn(group) {
                Some(region) => region.to_owned(),
                None => {
                    let config = match &config {
                        Some(config) => config,
                        None => config.insert(load(&self.access()).await?),
                    };
                    config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default()
                }
            };
            places.push(Place { group: group.clone(), region, trail: None });
        }
        for trail in wanted.trails {
            let config = load(&self.access()).await?;
            let found = find_trail_group(&config, trail).await?;
            let text = format!("trail `{}` delivers to {} in {}", found.trail, found.group_arn, found.region);
            notify(Notice { level: NoticeLevel::Info, text });
            places.push(self.place_of(found));
        }
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert((place.group.clone(), place.region.clone())));
        Ok(places)
    }

    fn place_of(&self, found: TrailGroup) -> Place {
        let access = Access { region: Some(found.home_region), ..self.access() };
        let trail = WatchedTrail { name: found.trail, arn: found.trail_arn, connect: trail_connector(access) };
        Place { group: found.group_arn, region: found.region, trail: Some(trail) }
    }
}

fn region_of_arn(group: &str) -> Option<&str> {
    group.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// How a log group is read.
pub fn settings(wanted: &Wanted<'_>, group: String, region: String) -> Settings {
    let now = SystemTime::now();
    let since = wanted.since.or(wanted.last.is_none().then_some(SINCE_DEFAULT));
    Settings {
        start_ms: since.map(|moment| moment.ms(now)),
        end_ms: wanted.until.map(|moment| moment.ms(now)),
        follow: wanted.follow,
        filter_pattern: wanted.pattern.map(str::to_owned),
        probe_every: wanted.probe.then_some(PROBE_EVERY),
        last: wanted.last,
        live: wanted.live.then(LiveTail::default),
        ..Settings::new(group, region)
    }
}

/// Settings that go on from where an earlier run got to. That may have kept it under an older name.
pub fn resumed(settings: Settings, kept_at: &GroupPlace, kept: Option<&Checkpoint>) -> Settings {
    let resume = kept.map(|checkpoint| checkpoint.position.clone());
    Settings { resume, position_key: Some(kept_at.key()), ..settings }
}

/// A name that tells a group from others of the same name, in other regions or accounts; `None` where none is needed.
fn name_apart(group: &str, region: &str, places: &[Place]) -> Option<String> {
    let alike = places.iter().filter(|other| name_of(&other.group) == name_of(group)).count();
    (alike > 1).then(|| if group.starts_with("arn:") { group.to_owned() } else { format!("{group} in {region}") })
}

/// How often to look without the pattern.
const PROBE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// How far back a log group is read where nothing else is said, as the AWS CLI has it.
const SINCE_DEFAULT: Moment = Moment::Ago(std::time::Duration::from_secs(600));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_one_share_in_a_region() {
        let account = |account: &str| Caller::Account(account.to_owned());
        let mut quotas = Quotas::default();
        let first = quotas.of(&account("111122223333"), "us-east-1");
        for (caller, region, is_the_same) in [
            (account("111122223333"), "us-east-1", true),
            (account("111122223333"), "eu-west-1", false),
            (account("444455556666"), "us-east-1", false),
            (Caller::Profile(None), "us-east-1", false),
        ] {
            assert_eq!(Arc::ptr_eq(&first, &quotas.of(&caller, region)), is_the_same, "{caller:?} {region}");
        }
    }

    #[tokio::test]
    async fn calls_count_for_the_account_of_the_last_role() {
        let role = |account| format!("arn:aws:iam::{account}:role/reader").parse().unwrap();
        let access = AwsAccess { roles: vec![role("111122223333"), role("444455556666")], ..AwsAccess::default() };
        let caller = AwsArgs::of(&access).caller("us-east-1").await.unwrap();
        assert_eq!(caller, Caller::Account("444455556666".into()));
    }
}
