//! `trailwatch verify`: whether log files are what CloudTrail delivered.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::aws::AwsArgs;
use super::time::{Moment, is_nothing_between, moment};
use super::{Exit, count, runtime, say, thousands};
use crate::source::SourceError;
use crate::source::archive::{Archive, Copy};
use crate::source::aws::public_keys;
use crate::source::s3;
use crate::untrusted::{Untrusted, UntrustedJson};
use crate::verify::report::{ChainReport, Report};
use crate::verify::{Keys, Only, Place, Range, Verifier, keys};

#[derive(Debug, Args)]
pub struct Verify {
    /// `s3://BUCKET/PREFIX`, or a folder that such a place was copied to: everything, or one account's or region's folder.
    #[arg(value_name = "PLACE")]
    place: String,
    /// Only log files delivered from then on: `30d`, `2h30m`, or a time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Moment>,
    /// Only log files delivered before then.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,
    #[command(flatten)]
    only: OnlyArgs,
    #[command(flatten)]
    keys: KeyArgs,
    /// The account that the bucket must belong to.
    #[arg(long, value_name = "ACCOUNT")]
    bucket_owner: Option<String>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    aws: AwsArgs,
}

/// Whose files count.
#[derive(Debug, Clone, Default, Args)]
pub struct OnlyArgs {
    /// Only CloudTrail's files of this account; may be repeated. Those of others are not even listed.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Vec<String>,
    /// Only CloudTrail's files of this region, whatever region the bucket is in; may be repeated.
    #[arg(long, value_name = "REGION")]
    pub event_region: Vec<String>,
}

/// Which public keys count.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// What `aws cloudtrail list-public-keys` printed: no other key counts, and AWS is not asked; may be repeated.
    #[arg(long, value_name = "FILE")]
    public_keys: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object.
    Json,
}

impl KeyArgs {
    /// The keys in the files, or those that CloudTrail has.
    pub fn keys(&self, aws: &AwsArgs) -> anyhow::Result<Keys> {
        if self.public_keys.is_empty() {
            return Ok(Keys::asked_for(public_keys::finder(aws.access())));
        }
        let mut all = Vec::new();
        for path in &self.public_keys {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let keys = keys::read_keys(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            all.extend(keys);
        }
        Ok(Keys::given(all))
    }
}

impl Verify {
    pub fn run(self) -> anyhow::Result<Exit> {
        if is_nothing_between(self.since, self.until) {
            say("error", "`--until` lies before `--since`: nothing is in between");
            return Ok(Exit::Usage);
        }
        let keys = self.keys.keys(&self.aws)?;
        match runtime()?.block_on(self.report(keys)) {
            Ok(report) => self.show(&report),
            Err(error) => {
                say("error", &error.to_string());
                Ok(Exit::SourceFailed)
            }
        }
    }

    async fn report(&self, keys: Keys) -> Result<Report, SourceError> {
        let (archive, prefix) = self.archive().await?;
        let OnlyArgs { account, event_region } = self.only.clone();
        let only = Only { accounts: account, regions: event_region };
        let verifier = Verifier::new(archive, keys, range(self.since, self.until), Timestamp::now()).only(only);
        verifier.verify(&prefix, |place, report| self.tell(place, report)).await
    }

    /// What is to be verified, and the part of it.
    async fn archive(&self) -> Result<(Arc<dyn Archive>, String), SourceError> {
        if !self.place.starts_with("s3://") {
            let copy = Copy::new(self.place.as_ref())?;
            let prefix = copy.prefix().to_owned();
            return Ok((Arc::new(copy), prefix));
        }
        let Some(settings) = s3::Settings::of_url(&self.place) else {
            let text = format!("`{}` is no bucket (it looks like `s3://BUCKET/PREFIX`)", self.place);
            return Err(SourceError::Refused(text));
        };
        let prefix = as_folder(&settings.prefix);
        let settings = s3::Settings { bucket_owner: self.bucket_owner.clone(), ..settings };
        let bucket = s3::Bucket::new(settings, &s3::connector(self.aws.access())).await?;
        Ok((Arc::new(bucket), prefix))
    }

    /// Large trees take their time.
    fn tell(&self, place: &Place, report: &Report) {
        let logs: u64 = report.chains.iter().map(|chain| chain.logs).sum();
        let problems = report.problems.len() as u64 + report.more_problems;
        let so_far = format!("{}, {} so far", count(logs, "log file"), count(problems, "problem"));
        say("note", &format!("{} {}: done ({so_far})", place.account, place.region));
    }

    fn show(&self, report: &Report) -> anyhow::Result<Exit> {
        let mut out = anstream::stdout();
        match self.format {
            Format::Text => write!(out, "{}", text(report))?,
            Format::Json => writeln!(out, "{}", UntrustedJson(&serde_json::to_string(report)?))?,
        }
        out.flush()?;
        if report.chains.is_empty() && report.is_good() {
            say(
                "error",
                &format!("there is nothing to verify in {} (is it where CloudTrail delivers to?)", self.place),
            );
            return Ok(Exit::Found);
        }
        Ok(if report.is_good() { Exit::Done } else { Exit::Found })
    }
}

/// A stretch of time as it is given.
fn range(since: Option<Moment>, until: Option<Moment>) -> Range {
    let now = std::time::SystemTime::now();
    let time = |moment: Moment| Timestamp::from_millisecond(moment.ms(now)).ok();
    Range { since: since.and_then(time), until: until.and_then(time) }
}

/// A prefix as the name of a folder.
pub fn as_folder(prefix: &str) -> String {
    match prefix.is_empty() || prefix.ends_with('/') {
        true => prefix.to_owned(),
        false => format!("{prefix}/"),
    }
}

/// The report for people: what is wrong, then what was looked at.
fn text(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let _ = writeln!(text, "{}: {}", Untrusted(&problem.place), Untrusted(&problem.text));
    }
    if report.more_problems > 0 {
        let _ = writeln!(text, "… and {}", count(report.more_problems, "more problem"));
    }
    for chain in &report.chains {
        let _ = writeln!(text, "{}", line(chain));
    }
    if report.logs_pending > 0 {
        let pending = count(report.logs_pending, "log file");
        let _ = writeln!(text, "{pending} delivered after the last digest: one that names them is still to come");
    }
    text
}

fn line(chain: &ChainReport) -> String {
    let of = |good: u64, all: u64, noun: &str| format!("{} of {} good", thousands(good), count(all, noun));
    let ChainReport { account, region, trail, .. } = chain;
    let backfill = if chain.backfill { " (backfill)" } else { "" };
    let mut line = format!("{account} {region} {}{backfill}: ", Untrusted(trail));
    line += &of(chain.digests_good, chain.digests, "digest");
    if chain.digests_unsigned > 0 {
        let _ = write!(line, ", {} without a signature to check", thousands(chain.digests_unsigned));
    }
    let _ = write!(line, "; {}", of(chain.logs_good, chain.logs, "log file"));
    if chain.logs_unsigned > 0 {
        let _ = write!(line, ", {} named by a digest without one", thousands(chain.logs_unsigned));
    }
    if let (Some(from), Some(to)) = (chain.from, chain.to) {
        let _ = write!(line, "; {from} to {to}");
    }
    line
}
