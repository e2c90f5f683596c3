//! `trailwatch sink test`: a sample finding through a sink as it is configured.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::config_file::ConfigArgs;
use super::run::parts;
use super::{Exit, runtime, say};
use crate::delivery::Origin;
use crate::event::{Event, EventKey, Fields, projection_of};
use crate::finding::Finding;
use crate::rule::Rule;
use crate::sink::Outcome;

#[derive(Debug, Subcommand)]
pub enum Sink {
    /// Sends a sample finding, which says that it is one, through a sink, and says what came of it.
    Test(Test),
}

impl Sink {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Test(test) => test.run(),
        }
    }
}

#[derive(Debug, Args)]
pub struct Test {
    /// The name of the sink.
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Test {
    fn run(self) -> anyhow::Result<Exit> {
        let (run, _) = match self.config.load_whole() {
            Ok(loaded) => loaded,
            Err(exit) => return Ok(exit),
        };
        let Some(settings) = run.sinks.iter().find(|sink| *sink.route.sink == *self.name) else {
            let names: Vec<&str> = run.sinks.iter().map(|sink| &*sink.route.sink).collect();
            say("error", &format!("there is no sink `{}` (there are {})", self.name, names.join(", ")));
            return Ok(Exit::Usage);
        };
        let mut sink = parts::sink(settings)?;
        let sample = [Arc::new(sample()?)];
        // Once: a person waits for what comes of it, and nothing is kept.
        let outcomes = runtime()?.block_on(sink.deliver(&sample))?;
        let what = match outcomes.into_iter().next() {
            Some(Outcome::Delivered) => {
                say("note", &format!("sink `{}` has taken the sample, finding {}", self.name, sample[0].id));
                return Ok(Exit::Done);
            }
            Some(Outcome::Retry { reason, .. }) => format!("did not take the sample: {reason} (a run tries again)"),
            Some(Outcome::Refused(reason)) => format!("refuses the sample: {reason}"),
            None => "gave no answer".to_owned(),
        };
        say("error", &run.secrets.hide(&format!("sink `{}` {what}", self.name)));
        Ok(Exit::Found)
    }
}

/// The rule that the sample is a finding of.
const RULE: &str = "id = \"trailwatch-sink-test\"\ntitle = \"This is a test of Trailwatch. Nothing happened.\"\n\
    severity = \"critical\"\ntags = [\"trailwatch.sink-test\"]\n[match]\neventName = \"SinkTest\"\n";

/// A finding that says of itself that it is a sample. Its severity is the highest, so that it is seen wherever others are.
fn sample() -> anyhow::Result<Finding> {
    let rule = Rule::parse(Path::new("sink-test.toml"), RULE.to_owned())
        .map_err(|problems| anyhow::anyhow!("the sample is broken: {problems:?}"))?;
    let now = jiff::Timestamp::now();
    let event = serde_json::json!({
        "eventVersion": "1.11",
        "eventID": format!("00000000-0000-4000-8000-{:012x}", now.as_millisecond()),
        "eventTime": format!("{now:.0}"),
        "eventSource": "trailwatch.invalid",
        "eventName": "SinkTest",
        "awsRegion": "us-east-1",
        "recipientAccountId": "000000000000",
        "sourceIPAddress": "192.0.2.1",
        "userIdentity": { "type": "Unknown", "userName": "trailwatch sink test" },
    })
    .to_string();
    let mut fields = Fields::default();
    let event = Event::read(&event, &projection_of([]), &mut fields)?;
    Ok(Finding::new(&rule, &event, &EventKey::of(&event, &Origin::whole("sink test"))))
}
