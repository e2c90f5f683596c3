//! The tables below `sinks`.

#[cfg(all(feature = "listen", feature = "webhook"))]
use std::net::{IpAddr, SocketAddr};
#[cfg(feature = "aws")]
use std::sync::Arc;
#[cfg(any(feature = "aws", feature = "webhook"))]
use std::time::Duration;

#[cfg(all(feature = "listen", feature = "webhook"))]
use super::SourceKind;
#[cfg(feature = "aws")]
use super::access;
use super::{SinkKind, SinkSettings, SourceSettings};
use crate::config::section::Section;
use crate::pipeline::{Patience, Route};
use crate::rule::Severity;
#[cfg(feature = "aws")]
use crate::sink::eventbridge;
use crate::sink::stdout::Format;
#[cfg(feature = "webhook")]
use crate::sink::webhook;

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

pub(super) fn sink(
    name: &str,
    instance: &str,
    sources: &[SourceSettings],
    mut section: Section<'_, '_>,
) -> Option<SinkSettings> {
    #[cfg(not(feature = "aws"))]
    let _ = instance;
    #[cfg(not(all(feature = "listen", feature = "webhook")))]
    let _ = sources;
    section.require("type", "type = \"stdout\"");
    let Some(kind) = section.choice("type", SINK_TYPES) else {
        section.give_up();
        return None;
    };
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let min_severity = section.choice_or("min_severity", &severities, 0);
    let route = Route { sink: name.into(), min_severity, tags: section.texts("tags") };
    let patience = match kind {
        SinkType::Stdout => Patience::default(),
        #[cfg(any(feature = "aws", feature = "webhook"))]
        _ => tried(&mut section),
    };
    let kind = match kind {
        SinkType::Stdout => {
            let words = [("text", Format::Text), ("json", Format::Json), ("ocsf", Format::Ocsf), ("ecs", Format::Ecs)];
            Some(SinkKind::Stdout(section.choice_or("format", &words, 0)))
        }
        #[cfg(feature = "webhook")]
        SinkType::Webhook => webhook_sink(name, &mut section).map(|settings| {
            #[cfg(feature = "listen")]
            refuse_circle(sources, &settings.url, &mut section);
            SinkKind::Webhook(Box::new(settings))
        }),
        #[cfg(feature = "aws")]
        SinkType::EventBridge => eventbridge_sink(name, instance, &mut section),
    };
    section.finish();
    Some(SinkSettings { route, patience, kind: kind? })
}

/// The shortest pause after a failure: without one, a sink that is away would be tried without end and without rest.
#[cfg(any(feature = "aws", feature = "webhook"))]
const RETRY_LEAST: Duration = Duration::from_millis(1);

/// The shortest deadline: what is given up sooner may never have been tried.
#[cfg(any(feature = "aws", feature = "webhook"))]
const DEADLINE_LEAST: Duration = Duration::from_secs(1);

/// How long a sink that may be away is tried.
#[cfg(any(feature = "aws", feature = "webhook"))]
fn tried(section: &mut Section<'_, '_>) -> Patience {
    let by_default = Patience::default();
    let wait_min = section.duration_from("retry_min", RETRY_LEAST, by_default.wait_min);
    let wait_max = section.duration("retry_max", by_default.wait_max.max(wait_min));
    if wait_max < wait_min {
        section.complain("retry_max", "`retry_max` is shorter than `retry_min`");
    }
    Patience {
        wait_min,
        wait_max,
        deadline: section.duration_from("deadline", DEADLINE_LEAST, by_default.deadline),
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
    let (problems, kept) = (section.problems(), section.kept());
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
        && section.kept() == kept
        && let Err(error) = webhook::Webhook::new(name, settings.clone())
    {
        section.complain(error.setting, error.problem);
    }
    Some(settings)
}

/// Findings that a source of this run takes in would be events, and lead to findings.
#[cfg(all(feature = "listen", feature = "webhook"))]
fn refuse_circle(sources: &[SourceSettings], url: &str, section: &mut Section<'_, '_>) {
    let listens_there = |source: &&SourceSettings| match &source.kind {
        SourceKind::Http(settings) => leads_to(url, settings.address),
        _ => false,
    };
    if let Some(source) = sources.iter().find(listens_there) {
        let text =
            format!("there `sources.{}` listens: findings would come back as events (name another)", source.name);
        section.complain("url", text);
    }
}

/// Whether a URL is that of an address of this machine. Names are not looked up, but for the one that all machines have.
#[cfg(all(feature = "listen", feature = "webhook"))]
fn leads_to(url: &str, address: SocketAddr) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    let is_of_machine = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_here = match host.parse().map(|host: IpAddr| host.to_canonical()) {
        Ok(host) => host == address.ip() || is_of_machine(host) && is_of_machine(address.ip()),
        Err(_) => host == "localhost" && is_of_machine(address.ip()),
    };
    is_here && url.port_or_known_default() == Some(address.port())
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
            section.require("template", "template = '''{\"text\": {{ title }}}'''` with `escape = \"slack\"");
            let words = [
                ("json", Escape::Json),
                ("slack", Escape::Slack),
                ("markdown", Escape::Markdown),
                ("html", Escape::Html),
                ("text", Escape::Text),
            ];
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
    Some(SinkKind::EventBridge(settings, Box::new(access(section))))
}
