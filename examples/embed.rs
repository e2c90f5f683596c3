//! Trailwatch inside another program: one rule over events that are at hand, without source, sink, clock or network.
//!
//! ```sh
//! cargo run --no-default-features --example embed < examples/events/xray.jsonl
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::Bytes;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::Origin;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, Fields, projection_of};
use trailwatch::finding::Finding;
use trailwatch::rule::Rule;

const RULE: &str = r#"
id = "sampling-off"
title = "{requestParameters.samplingRuleUpdate.ruleName} records nothing, says {actor.name}"
severity = "high"

[match]
eventSource = "xray.amazonaws.com"
eventName = "UpdateSamplingRule"
"requestParameters.samplingRuleUpdate.fixedRate|lte" = 0
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;
    let mut out = io::stdout().lock();

    // What is wrong with a rule says where, and what to do.
    let rule = Rule::parse(Path::new("sampling-off.toml"), RULE.to_owned())
        .map_err(|problems| problems.iter().map(|problem| problem.to_string()).collect::<String>())?;
    let rules = RuleSet::new(vec![rule]);

    // Lines, arrays, `Records`, envelopes, gzip: whatever events come in.
    let mut decoded = Decoded::default();
    decode(&Bytes::from(body), &Origin::whole("stdin"), &Limits::default(), &mut decoded);
    for reject in &decoded.rejects {
        writeln!(out, "not decoded: {}", reject.reason)?;
    }

    // Buffers that are kept from event to event: an event that matches nothing allocates nothing.
    let mut scratch = Scratch::default();
    let everything = projection_of([]);
    for raw in &decoded.events {
        let text = std::str::from_utf8(&raw.bytes)?;
        let evaluated = rules.evaluate(text, &mut scratch)?;
        let key = evaluated.key(&raw.origin);
        for &id in evaluated.matches {
            let mut fields = Fields::default();
            let event = Event::read(text, &everything, &mut fields)?;
            let finding = Finding::new(rules.rule(id), &event, &key);
            writeln!(out, "{} {}: {}", finding.id, finding.severity.as_str(), finding.title)?;
        }
    }
    Ok(())
}
