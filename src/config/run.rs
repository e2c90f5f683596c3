//! `trailwatch.toml`: what a run is made of. Nothing is opened, asked or connected to here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::layer::{Place, Table};
use super::secret::Secrets;
use super::section::{Effective, Reading, Section};
use crate::pipeline::{Patience, Route};
use crate::rule::{Diagnostic, Severity, SourceText};
#[cfg(feature = "aws")]
use crate::sink::eventbridge;
use crate::sink::stdout::Format;
#[cfg(feature = "webhook")]
use crate::sink::webhook;

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Run {
    /// The folder of its state.
    pub state: PathBuf,
    /// What tells it from other runs.
    pub instance: String,
    /// How long it may take to end, once it was told to.
    pub drain: Duration,
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
    EventBridge(eventbridge::Settings, AwsAccess),
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
const SINCE_DEFAULT: Duration = Duration::from_secs(600);
const SILENCE_DEFAULT: Silence = Silence { factor: 10, at_least: Duration::from_secs(900) };

const SEVERITIES: [(&str, Severity); 5] = [
    ("informational", Severity::Informational),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];

/// Reads the tree that all layers came to. `syntax` is what is wrong with the TOML of its files, of which `first` is one.
pub fn read(tree: &Table, syntax: Vec<Diagnostic>, first: Arc<SourceText>) -> Configuration {
    let mut reading = Reading::new(syntax.is_empty());
    let place = Place { source: first, span: 0..0 };
    let run = outermost(Section::outermost(tree, place, &mut reading));
    reading.hide_plain_secrets();
    let problems = crate::rule::syntax::together(syntax, reading.problems);
    let secrets = reading.secrets;
    let run = run.filter(|_| problems.is_empty()).map(|run| Run { secrets, ..run });
    Configuration { run, problems, effective: reading.effective }
}

fn outermost(mut section: Section<'_, '_>) -> Option<Run> {
    section.require("state", "state = \"/var/lib/trailwatch\"");
    let state = section.file("state");
    let instance = section.text_or("instance", &host_name());
    let drain = section.duration("drain", DRAIN_DEFAULT);
    let (rules, shared) = section.within("rules", rules).unwrap_or_default();
    let admin = section.within("admin", admin).flatten();
    let silence = section.within("silence", silence).unwrap_or(SILENCE_DEFAULT);
    let log = section.within("log", log).unwrap_or(LogFormat::Auto);
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    section.require("sources", "[sources.trail]` with a `type` and what it reads; also `[sources.files]");
    section.tables("sources", |name, section| sources.extend(source(name, section)));
    section.require("sinks", "[sinks.out]` with `type = \"stdout\"");
    section.tables("sinks", |name, section| sinks.extend(sink(name, &instance, section)));
    section.finish();
    let state = state?;
    Some(Run {
        state,
        instance,
        drain,
        rules,
        shared,
        admin,
        silence,
        log,
        sources,
        sinks,
        secrets: Secrets::default(),
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
    let at_least = section.duration("at_least", SILENCE_DEFAULT.at_least);
    section.finish();
    Silence { factor, at_least }
}

fn log(mut section: Section<'_, '_>) -> LogFormat {
    let words = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = section.choice_or("format", &words, 0);
    section.finish();
    format
}

/// The sorts of sources.
#[derive(Clone, Copy)]
enum SourceType {
    LogGroup,
    Queue,
    Files,
}

fn source(name: &str, mut section: Section<'_, '_>) -> Option<SourceSettings> {
    section.require("type", "type = \"cloudwatch-logs\"");
    let words = [("cloudwatch-logs", SourceType::LogGroup), ("sqs", SourceType::Queue), ("files", SourceType::Files)];
    let Some(kind) = section.choice("type", &words) else {
        section.give_up();
        return None;
    };
    let kind = match kind {
        SourceType::LogGroup => log_group(&mut section).map(SourceKind::LogGroup),
        SourceType::Queue => queue(&mut section).map(SourceKind::Queue),
        SourceType::Files => {
            section.require("paths", "paths = [\"events/\"]");
            Some(SourceKind::Files(section.files("paths")))
        }
    };
    section.finish();
    Some(SourceSettings { name: name.into(), kind: kind? })
}

fn log_group(section: &mut Section<'_, '_>) -> Option<LogGroup> {
    let what = match (section.text("log_group"), section.text("trail")) {
        (Some(group), None) => Some(Followed::Group(group)),
        (None, Some(trail)) => Some(Followed::Trail(trail)),
        (Some(_), Some(_)) => {
            section.complain("trail", "a source follows a `log_group` or the one of a `trail`, not both");
            None
        }
        (None, None) => {
            section.require("log_group", "log_group = \"aws-cloudtrail-logs\"` or `trail = \"main\"");
            None
        }
    };
    let access = access(section);
    let since = section.duration("since", SINCE_DEFAULT);
    let filter = section.text("filter");
    if let Some(problem) = filter.as_deref().and_then(filter_problem) {
        section.complain("filter", problem);
    }
    Some(LogGroup { what: what?, access, since, filter })
}

/// As long as SQS hides messages by default, and at most.
const VISIBILITY_DEFAULT: Duration = Duration::from_secs(60);
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3_600);

fn queue(section: &mut Section<'_, '_>) -> Option<Queue> {
    section.require("queue", "queue = \"https://sqs.us-east-1.amazonaws.com/111122223333/NAME\"");
    let (queue, access) = (section.text("queue"), access(section));
    let visibility = section.duration("visibility", VISIBILITY_DEFAULT);
    if visibility < Duration::from_secs(1) || visibility > VISIBILITY_MAX {
        section.complain("visibility", "SQS hides messages for 1 second to 12 hours");
    }
    let (buckets, bucket_owner) = (section.texts("buckets"), section.text("bucket_owner"));
    Some(Queue { queue: queue?, access, visibility, buckets, bucket_owner })
}

/// What is wrong with a filter pattern that CloudWatch is to be sent.
fn filter_problem(pattern: &str) -> Option<String> {
    use crate::rule::filter_pattern::{PATTERN_LENGTH_MAX, parse};
    if pattern.chars().count() > PATTERN_LENGTH_MAX {
        return Some(format!("CloudWatch takes no filter pattern of more than {PATTERN_LENGTH_MAX} characters"));
    }
    let problem = parse("filter", pattern).err()?;
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!(" (hint: {hint})"));
    Some(format!("the filter pattern, from its character {} on: {}{hint}", problem.position().1, problem.message))
}

fn access(section: &mut Section<'_, '_>) -> AwsAccess {
    let is_url = |text: &str| (text.starts_with("http://") || text.starts_with("https://")).then(|| text.to_owned());
    AwsAccess {
        profile: section.text("profile"),
        region: section.text("region"),
        endpoint_url: section.parsed("endpoint_url", "a URL that starts with `http://` or `https://`", is_url),
    }
}

/// The sorts of sinks.
#[derive(Clone, Copy)]
enum SinkType {
    Stdout,
    #[cfg(feature = "webhook")]
    Webhook,
    #[cfg(feature = "aws")]
    EventBridge,
}

const SINK_TYPES: &[(&str, SinkType)] = &[
    ("stdout", SinkType::Stdout),
    #[cfg(feature = "webhook")]
    ("webhook", SinkType::Webhook),
    #[cfg(feature = "aws")]
    ("eventbridge", SinkType::EventBridge),
];

fn sink(name: &str, _instance: &str, mut section: Section<'_, '_>) -> Option<SinkSettings> {
    section.require("type", "type = \"stdout\"");
    let Some(kind) = section.choice("type", SINK_TYPES) else {
        section.give_up();
        return None;
    };
    let min_severity = section.choice_or("min_severity", &SEVERITIES, 0);
    let route = Route { sink: name.into(), min_severity, tags: section.texts("tags") };
    let mut patience = Patience::default();
    let kind = match kind {
        SinkType::Stdout => {
            let words = [("text", Format::Text), ("json", Format::Json), ("ocsf", Format::Ocsf), ("ecs", Format::Ecs)];
            Some(SinkKind::Stdout(section.choice_or("format", &words, 0)))
        }
        #[cfg(feature = "webhook")]
        SinkType::Webhook => {
            patience = tried(&mut section);
            webhook_sink(name, &mut section).map(|settings| SinkKind::Webhook(Box::new(settings)))
        }
        #[cfg(feature = "aws")]
        SinkType::EventBridge => {
            patience = tried(&mut section);
            eventbridge_sink(name, _instance, &mut section)
        }
    };
    section.finish();
    Some(SinkSettings { route, patience, kind: kind? })
}

/// How long a sink that may be away is tried.
#[cfg(any(feature = "aws", feature = "webhook"))]
fn tried(section: &mut Section<'_, '_>) -> Patience {
    let by_default = Patience::default();
    Patience {
        wait_min: section.duration("retry_min", by_default.wait_min),
        wait_max: section.duration("retry_max", by_default.wait_max),
        deadline: section.duration("deadline", by_default.deadline),
        spacing: section.duration("spacing", by_default.spacing),
        ..by_default
    }
}

/// What a request of a webhook holds.
#[cfg(feature = "webhook")]
#[derive(Clone, Copy, PartialEq)]
enum BodyType {
    Json,
    Slack,
    Teams,
    Discord,
    PagerDuty,
    Alertmanager,
    Template,
}

#[cfg(feature = "webhook")]
const BODIES: [(&str, BodyType); 7] = [
    ("json", BodyType::Json),
    ("slack", BodyType::Slack),
    ("teams", BodyType::Teams),
    ("discord", BodyType::Discord),
    ("pagerduty", BodyType::PagerDuty),
    ("alertmanager", BodyType::Alertmanager),
    ("template", BodyType::Template),
];

#[cfg(feature = "webhook")]
fn webhook_sink(name: &str, section: &mut Section<'_, '_>) -> Option<webhook::Settings> {
    let problems = section.problems();
    let kind = section.choice_or("body", &BODIES, 0);
    let body = webhook_body(kind, section);
    let url = section.secret("url");
    if kind != BodyType::PagerDuty {
        section.require("url", "url = \"${env:NAME}\"` or `url = \"https://…\"");
    }
    let by_default = webhook::Settings::new(url.unwrap_or_else(|| webhook::PAGERDUTY_URL.to_owned()));
    let settings = webhook::Settings {
        body: body?,
        signing_keys: section.secrets("signing_keys"),
        headers: section.secret_table("headers"),
        timeout: section.duration("timeout", by_default.timeout),
        ca_file: section.file("ca_file"),
        client_certificate_file: section.file("client_certificate_file"),
        client_key_file: section.file("client_key_file"),
        allow_private: section.flag("allow_private", by_default.allow_private),
        allow_http: section.flag("allow_http", by_default.allow_http),
        use_proxy: section.flag("use_proxy", by_default.use_proxy),
        ..by_default
    };
    if section.problems() == problems
        && let Err(error) = webhook::Webhook::new(name, settings.clone())
    {
        section.complain(error.setting, error.problem);
    }
    Some(settings)
}

#[cfg(feature = "webhook")]
fn webhook_body(kind: BodyType, section: &mut Section<'_, '_>) -> Option<webhook::Body> {
    use webhook::{Body, Escape};
    Some(match kind {
        BodyType::Json => Body::Json,
        BodyType::Slack => Body::Slack,
        BodyType::Teams => Body::Teams,
        BodyType::Discord => Body::Discord,
        BodyType::Alertmanager => Body::Alertmanager,
        BodyType::PagerDuty => {
            section.require("routing_key", "routing_key = \"${env:NAME}\"");
            Body::PagerDuty { routing_key: section.secret("routing_key")? }
        }
        BodyType::Template => {
            section.require("template", "template = '''{\"text\": {{ title }}}'''");
            let words = [("json", Escape::Json), ("html", Escape::Html), ("text", Escape::Text)];
            let escape = section.choice_or("escape", &words, 0);
            Body::Template { text: section.text("template")?, escape }
        }
    })
}

#[cfg(feature = "aws")]
fn eventbridge_sink(name: &str, instance: &str, section: &mut Section<'_, '_>) -> Option<SinkKind> {
    let by_default = eventbridge::Settings::new(instance);
    let settings = eventbridge::Settings {
        bus: section.text_or("bus", &by_default.bus),
        source: section.text_or("source", &by_default.source),
        detail_type: section.text_or("detail_type", &by_default.detail_type),
        ..by_default
    };
    let connect: eventbridge::Connect = Arc::new(|| Box::pin(std::future::ready(Err(String::new()))));
    if let Err(error) = eventbridge::EventBridge::new(name, settings.clone(), connect) {
        section.complain(error.setting, error.problem);
    }
    Some(SinkKind::EventBridge(settings, access(section)))
}

/// The host's name; `trailwatch` where it cannot be told.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.map(|name| name.trim().to_owned()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "trailwatch".to_owned())
}
