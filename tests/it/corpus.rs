//! Recorded events of the real world, which are not part of this repository: `TRAILWATCH_CORPUS` names their folder.

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use trailwatch::condition::holds;
use trailwatch::config;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::Origin;
use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::event::{Event, EventKey, EventKind, Fields, projection_of};
use trailwatch::rule::{Rule, Severity, filter_pattern};

/// The corpus, or nothing and a line that says so.
pub fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TRAILWATCH_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("TRAILWATCH_CORPUS is not set: nothing is tested here");
    }
    folder
}

/// Decodes a file, which must give no reject.
fn decoded(path: PathBuf) -> Decoded {
    let body = Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    let mut decoded = Decoded::default();
    decode(&body, &Origin::line(path.display().to_string(), 1), &Limits::default(), &mut decoded);
    assert!(decoded.rejects.is_empty(), "{}: {:?}", path.display(), decoded.rejects);
    decoded
}

/// Reads every event as a record with a time, an account and an actor; returns how many there are.
fn read_all(path: PathBuf) -> usize {
    let name = path.display().to_string();
    let decoded = decoded(path);
    let projection = projection_of([]);
    let mut fields = Fields::default();
    for raw in &decoded.events {
        let text = std::str::from_utf8(&raw.bytes).unwrap();
        let event =
            Event::read(text, &projection, &mut fields).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(event.kind(), EventKind::CloudTrail, "{name}: {text}");
        assert!(event.time().is_some(), "{name}: no time in {text}");
        assert!(event.actor().name != "unknown" || event.actor().kind.as_str() == "unknown", "{name}: {text}");
        let _ = EventKey::of(&event, &raw.origin);
    }
    decoded.events.len()
}

#[test]
fn every_recorded_event_is_read() {
    let Some(corpus) = corpus() else { return };
    assert_eq!(read_all(corpus.join("sample_events.ndjson")), 292);
}

#[test]
fn every_recorded_object_is_read() {
    let Some(corpus) = corpus() else { return };
    let files = std::fs::read_dir(corpus.join("records_files")).unwrap();
    let counts: Vec<usize> = files.map(|file| read_all(file.unwrap().path())).collect();
    assert!(counts.len() == 3 && counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// What the shipped rules find in a file: by event id, the rules.
fn found(rules: &RuleSet, path: PathBuf) -> HashMap<String, Vec<&Rule>> {
    let mut scratch = Scratch::default();
    let mut found = HashMap::new();
    for raw in decoded(path).events {
        let text = std::str::from_utf8(&raw.bytes).unwrap();
        let evaluated = rules.evaluate(text, &mut scratch).unwrap();
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        let matches = evaluated.matches.iter().map(|id| rules.rule(*id)).collect();
        found.insert(record["eventID"].as_str().unwrap().to_owned(), matches);
    }
    found
}

#[test]
fn xray_changes_are_found_and_look_alikes_are_not() {
    let Some(corpus) = corpus() else { return };
    let rules = RuleSet::new(config::rules(&[]).rules);
    let found = found(&rules, corpus.join("xray_synthetic.ndjson"));
    let labels = std::fs::read_to_string(corpus.join("xray_synthetic.labels.tsv")).unwrap();
    let mut counts = HashMap::new();
    for line in labels.lines() {
        let [_, id, label, call] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let rules = &found[id];
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        match label {
            "change" => assert!(!rules.is_empty(), "{call}: no finding"),
            "denied_change" => {
                assert!(ids.contains(&"xray-change-denied"), "{call}: {ids:?}");
                assert!(rules.iter().all(|rule| rule.severity < Severity::Medium), "{call}: {ids:?}");
            }
            "read" | "data_plane" | "job" | "tagging" => assert!(rules.is_empty(), "{call}: {ids:?}"),
            other => panic!("an unknown label: {other}"),
        }
        *counts.entry(label).or_insert(0) += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), found.len(), "every event has its label");
    assert_eq!((counts["change"], counts["denied_change"]), (10, 1));
}

/// The recorded attacks are drills, which say so.
#[test]
fn nothing_ordinary_is_worth_a_look_today() {
    let Some(corpus) = corpus() else { return };
    let rules = RuleSet::new(config::rules(&[]).rules);
    let mut scratch = Scratch::default();
    let mut drills = 0;
    for raw in decoded(corpus.join("sample_events.ndjson")).events {
        let text = std::str::from_utf8(&raw.bytes).unwrap();
        let matches = rules.evaluate(text, &mut scratch).unwrap().matches;
        let loud = matches.iter().map(|id| rules.rule(*id)).filter(|rule| rule.severity >= Severity::Medium);
        let loud: Vec<&str> = loud.map(|rule| rule.id.as_str()).collect();
        let is_drill = text.contains("stratus-red-team");
        assert!(is_drill || loud.is_empty(), "{loud:?}: {text}");
        drills += usize::from(is_drill && !loud.is_empty());
    }
    assert!(drills >= 13, "{drills}");
}

#[test]
fn published_filter_patterns_match_as_rules_do() {
    let Some(corpus) = corpus() else { return };
    let patterns: serde_json::Value =
        serde_json::from_slice(&std::fs::read(corpus.join("cis_metric_filters.json")).unwrap()).unwrap();
    let patterns: Vec<&str> =
        patterns.as_array().unwrap().iter().map(|pattern| pattern["filter_pattern"].as_str().unwrap()).collect();
    assert_eq!(patterns.len(), 31);
    let rules = patterns.iter().enumerate().map(|(number, pattern)| {
        let head = format!("id = \"n{number}\"\ntitle = \"x\"\nseverity = \"low\"\n");
        let text = format!("{head}filter_pattern = '''{pattern}'''\n");
        Rule::parse("pattern.toml".as_ref(), text).unwrap_or_else(|problems| panic!("{pattern}\n{}", problems[0]))
    });
    let rules = RuleSet::new(rules.collect());
    let (projection, mut fields, mut scratch) = (projection_of([]), Fields::default(), Scratch::default());
    let mut matched = 0;
    for raw in decoded(corpus.join("sample_events.ndjson")).events {
        let text = std::str::from_utf8(&raw.bytes).unwrap();
        let found = rules.evaluate(text, &mut scratch).unwrap().matches;
        for (number, pattern) in patterns.iter().enumerate() {
            let condition = filter_pattern::parse("pattern", pattern).unwrap();
            let expected = holds(&condition, &Event::read(text, &projection, &mut fields).unwrap());
            let is_found = found.iter().any(|id| rules.rule(*id).id == format!("n{number}"));
            assert_eq!(is_found, expected, "{pattern}\n{text}");
            matched += usize::from(expected);
        }
    }
    assert!(matched > 50, "{matched}");
}
