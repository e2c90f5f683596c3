//! `trailwatch.toml`: what a run is made of. Nothing is opened, asked or connected to here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::layer::{Place, Table};
use super::secret::{Kept, Secrets, Vault};
use super::section::{Effective, Reading, Section};
use crate::pipeline::{Patience, Route};
use crate::rule::{Diagnostic, SourceText};
#[cfg(feature = "aws")]
use crate::sink::eventbridge;
use crate::sink::stdout::Format;
#[cfg(feature = "webhook")]
use crate::sink::webhook;
#[cfg(feature = "listen")]
use crate::source::http;
use crate::source::role::{ROLE_FORM, RoleArn};

mod sinks;
mod sources;

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Run {
    /// The folder of its state.
    pub state: PathBuf,
    /// What tells it from other runs.
    pub instance: String,
    /// How long it may take to end, once it was told to.
    pub drain: Duration,
    /// When the configuration and the rules are read anew.
    pub reload: Reload,
    /// Where alarms go.
    pub alarms: AlarmsTo,
    /// Rule files and folders; the shipped rules if there are none.
    pub rules: Vec<PathBuf>,
    /// Files and folders of what rules share.
    pub shared: Vec<PathBuf>,
    /// Where the admin listener listens, if anywhere.
    pub admin: Option<SocketAddr>,
    /// When silence is an alarm.
    pub silence: Silence,
    /// How the log is written.
    pub log: LogFormat,
    /// Where events come from.
    pub sources: Vec<SourceSettings>,
    /// Where findings go.
    pub sinks: Vec<SinkSettings>,
    /// What nobody may print.
    pub secrets: Secrets,
    /// Secrets that are still to be got from those who keep them. Until then a run cannot begin.
    pub kept: Vec<Kept>,
}

/// When the configuration and the rules are read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// When a file has changed, and at a signal.
    Change,
    /// At a signal only.
    Signal,
}

/// Where it is told what is wrong with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmsTo {
    /// In the log and by the admin listener.
    Log,
    /// As events, too, which lead to findings.
    Findings,
}

/// When silence is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// How many times the usual gap between two events.
    pub factor: u32,
    /// And no sooner than this.
    pub at_least: Duration,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, for programs elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A source.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// Its name, in reports and among positions.
    pub name: Arc<str>,
    /// The accounts whose events are wanted of it; of any, if there are none.
    pub accounts: Vec<String>,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// `cloudwatch-logs`
    LogGroup(LogGroup),
    /// `sqs`
    Queue(Queue),
    /// `http`
    #[cfg(feature = "listen")]
    Http(Box<http::Settings>),
    /// `files`: paths of files and folders, read once.
    Files(Vec<PathBuf>),
}

impl SourceKind {
    /// Whether events are to be expected of it as long as the run goes on.
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Files(_))
    }
}

/// A log group that is followed.
#[derive(Debug, Clone)]
pub struct LogGroup {
    /// Which.
    pub what: Followed,
    /// How AWS is reached.
    pub access: AwsAccess,
    /// How far back the first start reads.
    pub since: Duration,
    /// A filter pattern: what it does not let through is not sent.
    pub filter: Option<String>,
    /// Whether a live tail shows what comes at once.
    pub live: bool,
}

/// A queue that is read.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its URL, name or ARN.
    pub queue: String,
    /// How AWS is reached.
    pub access: AwsAccess,
    /// How long SQS hides a message from other readers before it has to hear of us again.
    pub visibility: Duration,
    /// The buckets whose objects may be read; any, if there are none.
    pub buckets: Vec<String>,
    /// The account that every bucket must belong to; any, if there is none.
    pub bucket_owner: Option<String>,
    /// The trail whose events come by it, by its name or ARN: it is told if that stops.
    pub trail: Option<String>,
}

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// A log group, by its name or ARN.
    Group(String),
    /// The log group of a trail, by the trail's name or ARN.
    Trail(String),
}

/// How AWS is reached; what is not said is found as the AWS CLI finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsAccess {
    /// The profile.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Another endpoint.
    pub endpoint_url: Option<String>,
    /// Roles to assume, each with the credentials of the one before.
    pub roles: Vec<RoleArn>,
    /// What the trust policy of the last role asks for.
    pub external_id: Option<String>,
}

/// A sink.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// Which findings it is to have.
    pub route: Route,
    /// How long it is tried.
    pub patience: Patience,
    /// What it is.
    pub kind: SinkKind,
}

/// What a sink is.
#[derive(Clone)]
pub enum SinkKind {
    /// `stdout`
    Stdout(Format),
    /// `webhook`
    #[cfg(feature = "webhook")]
    Webhook(Box<webhook::Settings>),
    /// `eventbridge`
    #[cfg(feature = "aws")]
    EventBridge(eventbridge::Settings, Box<AwsAccess>),
}

impl SinkKind {
    /// The word of `type`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            #[cfg(feature = "webhook")]
            Self::Webhook(_) => "webhook",
            #[cfg(feature = "aws")]
            Self::EventBridge(..) => "eventbridge",
        }
    }
}

/// Settings may hold secrets.
impl std::fmt::Debug for SinkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a configuration came to.
#[derive(Debug)]
pub struct Configuration {
    /// What a run is made of, if nothing is wrong.
    pub run: Option<Run>,
    /// Everything that is wrong.
    pub problems: Vec<Diagnostic>,
    /// Every value that counts, and where it comes from.
    pub effective: Vec<Effective>,
}

const DRAIN_DEFAULT: Duration = Duration::from_secs(20);
/// Sources are looked at every few seconds.
const SILENCE_LEAST: Duration = Duration::from_secs(10);
const SILENCE_DEFAULT: Silence = Silence { factor: 10, at_least: Duration::from_secs(900) };

/// Reads the tree that all layers came to, with the secrets of a vault. `syntax` is what is wrong with the TOML of its
/// files, of which `first` is one.
pub fn read(tree: &Table, vault: Vault, syntax: Vec<Diagnostic>, first: Arc<SourceText>) -> Configuration {
    let mut reading = Reading::new(syntax.is_empty(), vault);
    let place = Place { source: first, span: 0..0 };
    let run = outermost(Section::outermost(tree, place, &mut reading));
    reading.hide_plain_secrets();
    let syntax = syntax.into_iter().map(|problem| reading.without_values(problem)).collect();
    let problems = crate::rule::syntax::together(syntax, reading.problems);
    let secrets = reading.secrets;
    let kept = reading.kept;
    let run = run.filter(|_| problems.is_empty()).map(|run| Run { secrets, kept, ..run });
    Configuration { run, problems, effective: reading.effective }
}

fn outermost(mut section: Section<'_, '_>) -> Option<Run> {
    section.require("state", "state = \"/var/lib/trailwatch\"");
    let state = section.file("state");
    let instance = section.text_or("instance", &host_name());
    let drain = section.duration("drain", DRAIN_DEFAULT);
    let reload = section.choice_or("reload", &[("change", Reload::Change), ("signal", Reload::Signal)], 0);
    let alarms = section.choice_or("alarms", &[("log", AlarmsTo::Log), ("findings", AlarmsTo::Findings)], 0);
    let (rules, shared) = section.within("rules", rules).unwrap_or_default();
    let admin = section.within("admin", admin).flatten();
    let silence = section.within("silence", silence).unwrap_or(SILENCE_DEFAULT);
    let log = section.within("log", log).unwrap_or(LogFormat::Auto);
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    section.require("sources", "[sources.trail]` with a `type` and what it reads; also `[sources.files]");
    section.tables("sources", |name, section| sources.extend(sources::source(name, section)));
    section.require("sinks", "[sinks.out]` with `type = \"stdout\"");
    section.tables("sinks", |name, section| sinks.extend(sinks::sink(name, &instance, &sources, section)));
    // A host's name changes with each container, and findings that come back under an older one would go round.
    #[cfg(feature = "aws")]
    if sinks.iter().any(|sink| matches!(sink.kind, SinkKind::EventBridge(..))) {
        section.require(
            "instance",
            "instance = \"prod-eu\"`, the name by which it knows what comes back from `eventbridge",
        );
    }
    section.finish();
    let state = state?;
    Some(Run {
        state,
        instance,
        drain,
        reload,
        alarms,
        rules,
        shared,
        admin,
        silence,
        log,
        sources,
        sinks,
        secrets: Secrets::default(),
        kept: Vec::new(),
    })
}

fn rules(mut section: Section<'_, '_>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let found = (section.files("paths"), section.files("shared"));
    section.finish();
    found
}

fn admin(mut section: Section<'_, '_>) -> Option<SocketAddr> {
    let listen = section.parsed("listen", "an address and a port such as `127.0.0.1:9464`", |text| text.parse().ok());
    let is_open = section.flag("allow_remote", false);
    if listen.is_some_and(|address: SocketAddr| !address.ip().is_loopback() && !is_open) {
        let hint =
            "write `allow_remote = true` if only those can reach it who may; it tells how the run fares to anybody";
        section.complain("listen", format!("this is no address of this machine alone ({hint})"));
    }
    section.finish();
    listen
}

fn silence(mut section: Section<'_, '_>) -> Silence {
    let factor = section.number("factor", 2..=1_000, SILENCE_DEFAULT.factor.into()) as u32;
    let at_least = section.duration_from("at_least", SILENCE_LEAST, SILENCE_DEFAULT.at_least);
    section.finish();
    Silence { factor, at_least }
}

fn log(mut section: Section<'_, '_>) -> LogFormat {
    let words = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = section.choice_or("format", &words, 0);
    section.finish();
    format
}

/// How AWS is reached.
fn access(section: &mut Section<'_, '_>) -> AwsAccess {
    let is_url = |text: &str| (text.starts_with("http://") || text.starts_with("https://")).then(|| text.to_owned());
    let roles = section.one_or_more("role_arn", ROLE_FORM, |text| text.parse().ok());
    let external_id = section.text("external_id");
    if external_id.is_some() && roles.is_empty() && section.item("role_arn").is_none() {
        section.complain("external_id", "an external id goes with a role (add `role_arn`)");
    }
    AwsAccess {
        roles,
        external_id,
        profile: section.text("profile"),
        region: section.text("region"),
        endpoint_url: section.parsed("endpoint_url", "a URL that starts with `http://` or `https://`", is_url),
    }
}

/// The host's name; `trailwatch` where it cannot be told.
fn host_name() -> String {
    // A unit that is shut in may not see the first.
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = files.iter().find_map(|file| std::fs::read_to_string(file).ok());
    let name = name.map(|name| name.trim().to_owned()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "trailwatch".to_owned())
}
