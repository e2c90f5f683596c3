//! Standard output: one readable line an event, findings that stand out, or one JSON object a line, of ours or of others'
//! making.
//!
//! Everything that came from outside is escaped before a terminal sees it. Colours are always written here and taken
//! out again by the stream below where they are not wanted.

use std::io::{self, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use futures::future::{BoxFuture, FutureExt, ready};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::{Gone, Outcome, Sink};
use crate::event::derived::{self, Outcome as CallOutcome};
use crate::event::envelope::REPLAY_NAME;
use crate::event::{
    Base, Case, Event, EventKind, FieldId, Fields, Path, Projection, Value, projection_of, wanted_field,
};
use crate::finding::Finding;
use crate::finding::foreign::{ecs, ocsf};
use crate::rule::Severity;
use crate::untrusted::{Untrusted, UntrustedJson, shortened};

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
    /// Findings alone, one a line, each a Detection Finding of OCSF.
    Ocsf,
    /// Findings alone, one a line, each a document of the Elastic Common Schema.
    Ecs,
}

/// Writes events and findings to a stream.
pub struct Printer<W> {
    out: W,
    format: Format,
    projection: Projection,
    fields: Fields,
}

/// Where a call says what it is about, the most telling first.
const TARGETS: [&str; 33] = [
    "requestParameters.bucketName",
    "requestParameters.samplingRuleUpdate.ruleName",
    "requestParameters.samplingRule.ruleName",
    "requestParameters.ruleName",
    "requestParameters.groupName",
    "requestParameters.userName",
    "requestParameters.roleName",
    "requestParameters.roleArn",
    "requestParameters.policyArn",
    "requestParameters.policyName",
    "requestParameters.functionName",
    "requestParameters.instanceId",
    "requestParameters.instancesSet.items.instanceId",
    "requestParameters.keyId",
    "requestParameters.encryptionContext.aws:s3:arn",
    "requestParameters.secretId",
    "requestParameters.tableName",
    "requestParameters.queueUrl",
    "requestParameters.topicArn",
    "requestParameters.logGroupName",
    "requestParameters.clusterName",
    "requestParameters.cluster",
    "requestParameters.stackName",
    "requestParameters.repositoryName",
    "requestParameters.dBInstanceIdentifier",
    "requestParameters.destination",
    "requestParameters.groupId",
    "requestParameters.volumeId",
    "requestParameters.trailName",
    "requestParameters.name",
    "requestParameters.type",
    "requestParameters.resourceArn",
    "resources.ARN",
];

impl<W: Write> Printer<W> {
    /// A printer onto a stream.
    pub fn new(out: W, format: Format) -> Self {
        let targets = TARGETS.iter().chain([&REPLAY_NAME]);
        let targets = targets.filter_map(|path| Path::parse(path, Case::Insensitive).ok());
        Self { out, format, projection: projection_of(targets), fields: Fields::default() }
    }

    /// Writes one event.
    pub fn event(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Only what has been read before comes here, so neither can fail.
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        match self.format {
            Format::Text => {}
            Format::Json => return one_line(&mut self.out, text),
            Format::Ocsf | Format::Ecs => return Ok(()),
        }
        match Event::read(text, &self.projection, &mut self.fields) {
            Ok(event) => event_line(&mut self.out, &event),
            Err(_) => Ok(()),
        }
    }

    /// Writes a finding, below its event (`indented`) or on its own.
    pub fn finding(&mut self, finding: &Finding, indented: bool) -> io::Result<()> {
        match self.format {
            Format::Json => one_line(&mut self.out, &finding.to_json()),
            Format::Ocsf => one_line(&mut self.out, &ocsf::detection_finding(finding, Timestamp::now()).to_string()),
            Format::Ecs => one_line(&mut self.out, &ecs::alert(finding, Timestamp::now()).to_string()),
            Format::Text if indented => {
                let style = style(finding.severity);
                let word = finding.severity.as_str().to_uppercase();
                let (title, rule) = (Untrusted(&finding.title), Untrusted(&finding.rule.id));
                writeln!(self.out, "  {style}▲ {word} {title}{style:#} {DIM}[{rule}]{DIM:#}")
            }
            Format::Text => finding_block(&mut self.out, finding),
        }
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write + Send> Sink for Printer<W> {
    fn name(&self) -> &str {
        "stdout"
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        let written = batch.iter().try_for_each(|finding| self.finding(finding, false)).and_then(|()| self.flush());
        ready(written.map(|()| vec![Outcome::Delivered; batch.len()]).map_err(Gone)).boxed()
    }
}

/// JSON text as one line that no terminal obeys.
fn one_line(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", UntrustedJson(text))
}

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::White.on(AnsiColor::Red).bold(),
        Severity::High => RED.bold(),
        Severity::Medium => YELLOW.bold(),
        Severity::Low => CYAN.bold(),
        Severity::Informational => BOLD,
    }
}

fn finding_block(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let style = style(finding.severity);
    let word = finding.severity.as_str().to_uppercase();
    let time = finding.time.as_deref().unwrap_or("time unknown");
    writeln!(out, "{DIM}{time}{DIM:#} {style}▲ {word} {}{style:#}", Untrusted(&finding.title))?;
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let (rule, account, region) = (&finding.rule.id, dash(&finding.account), dash(&finding.region));
    let event = finding.event_ids.first().map_or("-", String::as_str);
    let details = match &finding.digest {
        None => {
            let (actor, source) = (&finding.actor.name, dash(&finding.source_ip));
            format!("{rule} · {account} {region} · {actor} from {source} · event {event}")
        }
        Some(digest) => {
            let (actors, first, of) = (digest.named_actors(), &digest.first, &digest.of);
            format!(
                "{rule} · {account} {region} · {actors} since {first} · event {event} and more · beside finding {of}"
            )
        }
    };
    writeln!(out, "    {DIM}{}{DIM:#}", Untrusted(&details))
}

/// Time, account, region, actor, call, outcome, source, target.
fn event_line(out: &mut impl Write, event: &Event<'_>) -> io::Result<()> {
    if matches!(event.kind(), EventKind::Other | EventKind::Finding) {
        return other_line(out, event);
    }
    let time = time_of(event);
    let account = event.account().unwrap_or("-");
    let region = event.text_of(Base::AwsRegion).unwrap_or("-");
    let call = call_of(event);
    let (outcome, colour) = outcome_of(event);
    let source = shown(event.text_of(Base::SourceIpAddress).unwrap_or("-"), 40);
    write!(
        out,
        "{DIM}{time}{DIM:#} {} {} {CYAN}{}{CYAN:#} {BOLD}{}{BOLD:#} {colour}{outcome}{colour:#} {source}",
        padded(&shown(account, 12), 12),
        padded(&shown(region, 20), 14),
        padded(&shown(&actor_of(event), 30), 30),
        padded(&shown(&call, 48), 36),
    )?;
    if let Some(target) = target_of(event) {
        write!(out, " {DIM}→{DIM:#} {}", shown(target, 100))?;
    }
    match text_of(event, wanted_field(TARGETS.len())) {
        Some(replay) => writeln!(out, " {DIM}replay {}{DIM:#}", shown(replay, 64)),
        None => writeln!(out),
    }
}

fn other_line(out: &mut impl Write, event: &Event<'_>) -> io::Result<()> {
    let what = event.text_of(Base::DetailType).unwrap_or("other JSON");
    writeln!(out, "{DIM}{}{DIM:#} {} {}", padded("-", 20), shown(what, 60), shown(event.text(), 160))
}

fn time_of(event: &Event<'_>) -> String {
    match event.time() {
        Some(time) => format!("{time:.0}"),
        None => padded(&shown(event.text_of(Base::EventTime).unwrap_or("-"), 20), 20),
    }
}

fn call_of(event: &Event<'_>) -> String {
    let service = event.source().map_or("-", derived::service);
    let name = event.name().unwrap_or("-");
    match event.kind() {
        EventKind::Insight => {
            format!("insight {} {service}:{name}", event.text_of(Base::InsightState).unwrap_or("-"))
        }
        EventKind::Aggregated => format!("summary {service}:{name}"),
        _ => format!("{service}:{name}"),
    }
}

fn actor_of(event: &Event<'_>) -> String {
    let actor = event.actor();
    match actor.session {
        Some(session) if session != actor.name => format!("{}/{session}", actor.name),
        _ => actor.name.to_owned(),
    }
}

fn outcome_of(event: &Event<'_>) -> (String, Style) {
    if event.kind() != EventKind::CloudTrail {
        return (padded("-", 6), DIM);
    }
    match CallOutcome::of(event) {
        CallOutcome::Success => (padded("ok", 6), GREEN),
        CallOutcome::Failure => (padded("failed", 6), YELLOW),
        CallOutcome::Denied => (padded("denied", 6), RED),
    }
}

fn target_of<'a>(event: &Event<'a>) -> Option<&'a str> {
    (0..TARGETS.len()).find_map(|n| text_of(event, wanted_field(n)))
}

/// The first text of a field that is not empty.
fn text_of<'a>(event: &Event<'a>, field: FieldId) -> Option<&'a str> {
    event.values(field).find_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

fn shown(text: &str, width: usize) -> String {
    Untrusted(&shortened(text, width)).to_string()
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, format: Format) -> String {
        let mut printer = Printer::new(anstream::StripStream::new(Vec::new()), format);
        printer.event(text.as_bytes()).unwrap();
        String::from_utf8(printer.out.into_inner()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let hostile = "{\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"Get\\nObject\",\n\"eventTime\":\"2026-01-15T12:00:00Z\",\
            \"sourceIPAddress\":\"\\u001b[31m\",\"requestParameters\":{\"bucketName\":\"a\\u202eb\"}}";
        let text = printed(hostile, Format::Text);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains("2026-01-15T12:00:00Z") && text.contains("s3:Get\\nObject"), "{text}");
        let replayed = hostile.replacen('{', "{\"replay-name\":\"after\\nit\",", 1);
        assert!(printed(&replayed, Format::Text).ends_with(" replay after\\nit\n"), "{text}");
        let json = printed(hostile, Format::Json);
        assert_eq!(json.matches('\n').count(), 1);
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
}
