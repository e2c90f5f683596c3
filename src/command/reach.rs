//! What is reached within AWS, as options or a configuration name it: `iam-policy` and `doctor` ask the same.

use clap::Args;

use super::aws::AwsArgs;
use super::config_file::ConfigArgs;
use super::{Exit, say};
use crate::config::run::{AwsAccess, Followed, SinkKind, SinkSettings, SourceKind, SourceSettings};
use crate::config::{Effective, Kept, Run};
use crate::sink::eventbridge;
use crate::source::aws::{Access, region};
use crate::source::cloudwatch_logs::is_group;
use crate::source::{s3, sqs};

/// Sources and sinks, by the options of the other commands or by a configuration.
#[derive(Debug, Clone, Args)]
pub struct ReachArgs {
    /// Objects that are scanned, as `s3://BUCKET/PREFIX`. Without any of these the configuration is looked at.
    #[arg(value_name = "URL")]
    objects: Vec<String>,
    /// Those objects are held against digests, as by `verify` and `scan --verify`.
    #[arg(long, requires = "objects")]
    verify: bool,
    /// The name or ARN of a log group; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    log_group: Vec<String>,
    /// A trail, whose log group is read; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    trail: Vec<String>,
    /// A live tail shows what comes to those log groups, as with `tail --live`.
    #[arg(long)]
    live: bool,
    /// A queue; may be repeated.
    #[arg(long, value_name = "NAME|URL|ARN")]
    queue: Vec<String>,
    /// A bucket whose objects a queue's messages name; may be repeated.
    #[arg(long, value_name = "NAME", requires = "queue")]
    bucket: Vec<String>,
    /// The account that buckets must belong to.
    #[arg(long, value_name = "ACCOUNT")]
    bucket_owner: Option<String>,
    /// A bus that findings are put on; may be repeated.
    #[arg(long, value_name = "NAME|ARN")]
    event_bus: Vec<String>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is reached, and the configuration that names it, if one does.
pub struct Reached {
    pub places: Vec<Place>,
    pub run: Option<Run>,
}

/// One source or sink within AWS, or a secret.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name in the configuration, or as it was named.
    pub name: String,
    /// How it is reached; the region is what its name says, if it says one.
    pub access: Access,
    pub what: What,
}

/// What it is.
#[derive(Debug, Clone)]
pub enum What {
    LogGroup { name: String, is_live: bool },
    Trail { name: String, is_live: bool },
    Queue { queue: String, buckets: Vec<String>, bucket_owner: Option<String>, trail: Option<String> },
    Objects { settings: Box<s3::Settings>, is_verified: bool },
    Bus(eventbridge::Settings),
    Secret(Kept),
}

impl ReachArgs {
    /// Everything that was named, without secrets that services keep; `Err` after saying what is wrong.
    pub async fn reached(&self) -> Result<Reached, Exit> {
        self.reached_by(|config| config.load().ok_or(Exit::BadRules)).await
    }

    /// The same, with all secrets.
    pub async fn reached_whole(&self) -> Result<Reached, Exit> {
        self.reached_by(|config| tokio::task::block_in_place(|| config.load_whole())).await
    }

    async fn reached_by(
        &self,
        load: impl Fn(&ConfigArgs) -> Result<(Run, Vec<Effective>), Exit>,
    ) -> Result<Reached, Exit> {
        if !self.names_any() {
            let (run, _) = load(&self.config)?;
            return good(Reached { places: of_run(&run).await, run: Some(run) });
        }
        if self.config.is_named() {
            say("error", "name sources and sinks, or a configuration of them with `--config`, not both");
            return Err(Exit::Usage);
        }
        let is_live = self.live;
        let mut whats: Vec<What> =
            self.log_group.iter().cloned().map(|name| What::LogGroup { name, is_live }).collect();
        whats.extend(self.trail.iter().cloned().map(|name| What::Trail { name, is_live }));
        whats.extend(self.queue.iter().map(|queue| What::Queue {
            queue: queue.clone(),
            buckets: self.bucket.clone(),
            bucket_owner: self.bucket_owner.clone(),
            trail: None,
        }));
        for url in &self.objects {
            let Some(settings) = s3::Settings::of_url(url) else {
                say("error", &format!("`{url}` is no bucket (it looks like `s3://BUCKET/PREFIX`)"));
                return Err(Exit::Usage);
            };
            let settings = s3::Settings { bucket_owner: self.bucket_owner.clone(), ..settings };
            whats.push(What::Objects { settings: Box::new(settings), is_verified: self.verify });
        }
        let bus = |bus: &String| eventbridge::Settings { bus: bus.clone(), ..eventbridge::Settings::new("trailwatch") };
        whats.extend(self.event_bus.iter().map(bus).map(What::Bus));
        let mut places = Vec::new();
        for what in whats {
            places.push(Place::new(what.as_named(), self.aws.access(), what).await);
        }
        good(Reached { places, run: None })
    }

    fn names_any(&self) -> bool {
        let named = [&self.objects, &self.log_group, &self.trail, &self.queue, &self.event_bus];
        named.iter().any(|names| !names.is_empty())
    }
}

/// Refuses names that cannot be: in a policy they could stand for more than was meant.
fn good(reached: Reached) -> Result<Reached, Exit> {
    let wrong = reached.places.iter().filter(|place| !place.what.can_be());
    let wrong: Vec<&str> = wrong.map(|place| place.name.as_str()).collect();
    wrong.iter().for_each(|name| say("error", &format!("{name} has no name that one can have")));
    if wrong.is_empty() { Ok(reached) } else { Err(Exit::Usage) }
}

/// What a configuration names.
pub async fn of_run(run: &Run) -> Vec<Place> {
    let mut places = Vec::new();
    for (name, access, what) in run.sources.iter().filter_map(of_source).chain(run.sinks.iter().filter_map(of_sink)) {
        places.push(Place::new(name, AwsArgs::of(access).access(), what).await);
    }
    for what in run.kept.iter().cloned().map(What::Secret) {
        places.push(Place::new(what.as_named(), Access::default(), what).await);
    }
    places
}

fn of_source(source: &SourceSettings) -> Option<(String, &AwsAccess, What)> {
    let (access, what) = match &source.kind {
        SourceKind::LogGroup(group) => {
            let is_live = group.live;
            let what = match group.what.clone() {
                Followed::Group(name) => What::LogGroup { name, is_live },
                Followed::Trail(name) => What::Trail { name, is_live },
            };
            (&group.access, what)
        }
        SourceKind::Queue(queue) => {
            let (buckets, bucket_owner) = (queue.buckets.clone(), queue.bucket_owner.clone());
            let (name, trail) = (queue.queue.clone(), queue.trail.clone());
            (&queue.access, What::Queue { queue: name, buckets, bucket_owner, trail })
        }
        #[cfg(feature = "listen")]
        SourceKind::Http(_) => return None,
        SourceKind::Files(_) => return None,
    };
    Some((format!("source `{}`", source.name), access, what))
}

fn of_sink(sink: &SinkSettings) -> Option<(String, &AwsAccess, What)> {
    let SinkKind::EventBridge(settings, access) = &sink.kind else { return None };
    Some((format!("sink `{}`", sink.route.sink), access, What::Bus(settings.clone())))
}

impl What {
    fn as_named(&self) -> String {
        match self {
            Self::LogGroup { name, .. } => format!("log group `{name}`"),
            Self::Trail { name, .. } => format!("trail `{name}`"),
            Self::Queue { queue, .. } => format!("queue `{queue}`"),
            Self::Objects { settings, .. } => format!("`s3://{}/{}`", settings.bucket, settings.prefix),
            Self::Bus(settings) => format!("bus `{}`", settings.bus),
            Self::Secret(kept) => format!("secret `{kept}`"),
        }
    }

    /// Whether there can be one of that name.
    fn can_be(&self) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
        match self {
            Self::LogGroup { name, .. } => is_group(name),
            Self::Trail { name, .. } => !name.is_empty() && name.chars().all(is_plain),
            Self::Queue { queue, .. } => sqs::arn_of(queue, "", "").is_some(),
            Self::Objects { settings, .. } => !settings.prefix.contains(['*', '?', '$']),
            Self::Bus(settings) => settings.bus.chars().all(is_plain),
            // It was judged when it was read.
            Self::Secret(_) => true,
        }
    }

    /// The region that its name says.
    fn region(&self) -> Option<String> {
        let of_arn = |arn: &str| Some(arn.strip_prefix("arn:")?.split(':').nth(2)?.to_owned());
        let region = match self {
            Self::LogGroup { name, .. } | Self::Trail { name, .. } => of_arn(name),
            Self::Queue { queue, .. } => sqs::region_of(queue),
            Self::Bus(settings) => of_arn(&settings.bus),
            Self::Secret(kept) => of_arn(&kept.name),
            Self::Objects { .. } => None,
        };
        region.filter(|region| !region.is_empty())
    }
}

impl Place {
    async fn new(name: String, access: Access, what: What) -> Self {
        let region = match what.region() {
            Some(region) => Some(region),
            None => region(&access).await,
        };
        Self { name, access: Access { region, ..access }, what }
    }
}
