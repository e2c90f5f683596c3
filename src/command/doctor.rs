//! `trailwatch doctor`: makes each call that a run needs, changes nothing, and says what to do about what is wrong.
//!
//! Every call is one that reads and costs little. What can only be tried by doing it (taking a message, putting an event) is
//! not tried, which is said.

use clap::{Args, ValueEnum};

use super::reach::{Place, ReachArgs, Reached, What};
use super::{Exit, runtime};

mod bucket;
mod here;
mod log_group;
mod queue;
mod report;
mod rule;
mod selector;
mod sender;
mod trail;
mod way;

use report::{About, Report};
use way::{Way, Ways};

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    reach: ReachArgs,
    /// How checks are written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

impl Doctor {
    pub fn run(self) -> anyhow::Result<Exit> {
        let runtime = runtime()?;
        let reached = match runtime.block_on(self.reach.reached_whole()) {
            Ok(reached) => reached,
            Err(exit) => return Ok(exit),
        };
        let report = runtime.block_on(look(&reached));
        let mut out = anstream::stdout().lock();
        match self.format {
            Format::Human => report.human(&mut out)?,
            Format::Json => report.json(&mut out)?,
        }
        Ok(if report.has_failed() { Exit::Found } else { Exit::Done })
    }
}

/// Looks at everything, one after the other: what is said is to be read in its order.
async fn look(reached: &Reached) -> Report {
    let mut report = Report::default();
    if let Some(run) = &reached.run {
        report.hide(run.secrets.clone());
        here::look(run, &mut report).await;
    }
    let mut ways = Ways::default();
    for place in &reached.places {
        let Some(way) = ways.open(&place.access, &mut report).await else {
            report.about(&place.name).skip("", "nothing could be tried without credentials");
            continue;
        };
        look_at(place, &way, &mut report.about(&place.name)).await;
    }
    log_group::shares(&reached.places, &ways, &mut report);
    report
}

async fn look_at(place: &Place, way: &Way, about: &mut About<'_>) {
    match &place.what {
        What::LogGroup { name: group, .. } => {
            log_group::look(way, group, about).await;
            trail::that_deliver(way, &trail::To::LogGroup(group), about).await;
        }
        What::Trail { name, .. } => trail::look(way, name, about).await,
        What::Queue { queue, buckets, bucket_owner, trail } => {
            queue::look(way, queue, about).await;
            if let Some(trail) = trail {
                trail::look_at_health(way, trail, about).await;
            }
            for bucket in buckets {
                bucket::look(way, bucket, "", bucket_owner.as_deref(), bucket::Listing::ForDoctor, about).await;
                trail::that_deliver(way, &trail::To::Bucket(bucket), about).await;
            }
        }
        What::Objects { settings, is_verified } => {
            let owner = settings.bucket_owner.as_deref();
            bucket::look(way, &settings.bucket, &settings.prefix, owner, bucket::Listing::Needed, about).await;
            trail::that_deliver(way, &trail::To::Bucket(&settings.bucket), about).await;
            if *is_verified {
                trail::public_keys(way, about).await;
            }
        }
        What::Bus(_) => {
            let says = "not tried, as it would put an event (`trailwatch sink test NAME` puts a sample)";
            about.skip("events:PutEvents", says);
        }
        // Got with the configuration, or else nothing was looked at.
        What::Secret(_) => {}
    }
}
