//! The dashboard, the alert rules and the documentation know the metrics that there are, and no others.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::cloudformation::path;

const DASHBOARD: &str = "contrib/grafana/trailwatch.json";
const ALERTS: &str = "contrib/prometheus/alerts.yml";

/// The samples of a text of metrics: their names, each with its labels.
fn samples(metrics: &str) -> BTreeMap<String, BTreeSet<String>> {
    let sample = Regex::new(r"(?m)^(trailwatch_\w+)(?:\{(.*)\})? ").unwrap();
    let label = Regex::new(r#"(\w+)=""#).unwrap();
    let mut samples: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in sample.captures_iter(metrics) {
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        samples
            .entry(found[1].to_owned())
            .or_default()
            .extend(label.captures_iter(labels).map(|label| label[1].to_owned()));
    }
    samples
}

/// Every expression of the dashboard and the alerts, with the text in which its labels are shown.
fn expressions() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path(DASHBOARD)).unwrap()).unwrap();
    let targets =
        dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let of = |value: &Value, legend: &Value| (value.as_str().unwrap().to_owned(), legend.to_string());
    let mut all: Vec<_> = targets.map(|target| of(&target["expr"], &target["legendFormat"])).collect();
    let alerts = crate::cloudformation::yaml(&std::fs::read_to_string(path(ALERTS)).unwrap());
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        all.push(of(&rule["expr"], &rule["annotations"]));
    }
    assert!(all.len() > 30);
    all
}

/// Labels that an expression groups by or that its text shows, but for those that Prometheus itself gives.
fn labels(expression: &str, shown: &str) -> BTreeSet<String> {
    let grouped = Regex::new(r"by \(([^)]*)\)").unwrap();
    let mut labels: BTreeSet<String> = BTreeSet::new();
    for found in grouped.captures_iter(expression) {
        labels.extend(found[1].split(',').map(|label| label.trim().to_owned()));
    }
    let legend = Regex::new(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}").unwrap();
    labels.extend(legend.captures_iter(shown).map(|found| found[1].to_owned()));
    labels.retain(|label| !["job", "instance"].contains(&label.as_str()));
    labels
}

/// Holds what the dashboard and the alerts ask for against what a run tells.
fn check_expressions(samples: &BTreeMap<String, BTreeSet<String>>) {
    let metric = Regex::new(r"trailwatch_\w+").unwrap();
    for (expression, shown) in expressions() {
        let names: Vec<&str> = metric.find_iter(&expression).map(|found| found.as_str()).collect();
        let mut known = BTreeSet::new();
        for name in names {
            known.extend(
                samples.get(name).unwrap_or_else(|| panic!("no `{name}` is told, which `{expression}` asks for")),
            );
        }
        for label in labels(&expression, &shown) {
            assert!(known.contains(&label), "`{label}` is no label of what `{expression}` asks for");
        }
    }
}

/// The names of the metrics that alerts ask for.
fn alarmed(samples: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let alerts = std::fs::read_to_string(path(ALERTS)).unwrap();
    let metric = Regex::new(r"trailwatch_\w+").unwrap();
    let expressions = crate::cloudformation::yaml(&alerts)["groups"][0]["rules"].as_array().unwrap().clone();
    let expressions: String = expressions.iter().map(|rule| rule["expr"].to_string()).collect();
    let names = metric.find_iter(&expressions).map(|found| found.as_str().to_owned());
    names.filter(|name| samples.contains_key(name)).map(|name| metric_of(&name)).collect()
}

/// The metric that a sample belongs to: a histogram has several.
fn metric_of(sample: &str) -> String {
    let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|part| sample.strip_suffix(part));
    of_histogram.unwrap_or(sample).to_owned()
}

/// The names in the table of metrics in docs/operating.md, each with when it is worth an alarm.
fn documented() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path("docs/operating.md")).unwrap();
    let (_, table) = text.split_once("| metric, after `trailwatch_` |").unwrap();
    let rows = table.split("\n\n").next().unwrap().lines().skip(2);
    let names = Regex::new(r"`(\w+)`").unwrap();
    let mut documented = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let metrics = names.captures_iter(cells[1]).map(|found| format!("trailwatch_{}", &found[1]));
        documented.extend(metrics.map(|metric| (metric, cells[3].to_owned())));
    }
    documented
}

/// All of it, over what `/metrics` of a run answers that has a source and a sink and has found something.
pub fn check(metrics: &str) {
    let samples = samples(metrics);
    check_expressions(&samples);
    let told: BTreeSet<String> = samples.keys().map(|name| metric_of(name)).collect();
    let documented = documented();
    assert_eq!(told, documented.keys().cloned().collect(), "docs/operating.md has a table of all metrics");
    let worth_an_alarm = documented.into_iter().filter(|(_, when)| !when.is_empty()).map(|(metric, _)| metric);
    let without_alert: Vec<String> = worth_an_alarm.filter(|metric| !alarmed(&samples).contains(metric)).collect();
    assert!(
        without_alert.is_empty(),
        "{ALERTS} has no rule for what docs/operating.md calls an alarm: {without_alert:?}"
    );
}
