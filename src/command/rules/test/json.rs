//! The outcome of a run for programs: one JSON object.

use serde_json::{Value, json};

use super::{Run, Tried, share};
use crate::command::explain::json::summary;
use crate::command::rules::line_of;
use crate::engine::trial::{Part, TestOutcome, Verdict};
use crate::rule::{Rule, RuleTest, Written};
use crate::untrusted::UntrustedJson;

pub fn document(run: &Run<'_>) -> String {
    let (tests, failed) = (run.tests(), run.failed());
    let mut document = json!({
        "tests": run.rules.iter().flat_map(|tried| tried.tests.iter().map(|of| test(tried, of))).collect::<Vec<_>>(),
        "summary": {
            "rules": run.rules.len(),
            "tests": tests,
            "passed": tests - failed,
            "failed": failed,
            "took_ms": run.took.as_secs_f64() * 1_000.0,
        },
    });
    if run.coverage {
        let rules: Vec<Value> = run.rules.iter().map(coverage).collect();
        document["coverage"] = json!({ "percent": run.percent(), "rules": rules });
    }
    if run.mutate {
        let tried: usize = run.rules.iter().map(|tried| tried.mutants).sum();
        document["mutations"] = json!({ "tried": tried, "survivors": survivors(run) });
    }
    UntrustedJson(&document.to_string()).to_string()
}

fn test(tried: &Tried<'_>, (test, outcome): &(&RuleTest, TestOutcome)) -> Value {
    let rule: &Rule = tried.rule;
    let verdict = Verdict { rule, explanation: outcome.explanation.clone() };
    json!({
        "rule": rule.id,
        "name": test.name,
        "file": rule.source.name,
        "line": line_of(&rule.source, test.offset..test.offset),
        "expected": test.matches,
        "passed": outcome.passed,
        "took_ms": tried.each.as_secs_f64() * 1_000.0,
        "verdict": summary(&verdict),
    })
}

fn coverage(tried: &Tried<'_>) -> Value {
    let (reached, outcomes) = (tried.coverage.reached(), tried.coverage.outcomes);
    let gaps = tried.coverage.gaps.iter().map(|gap| {
        let mut value = place(&gap.part);
        value["part"] = gap.part.to_string().into();
        value["never"] = if gap.never_holds { "holds" } else { "fails" }.into();
        value
    });
    json!({
        "rule": tried.rule.id,
        "percent": share(reached, outcomes),
        "reached": reached,
        "outcomes": outcomes,
        "gaps": gaps.collect::<Vec<_>>(),
    })
}

fn survivors(run: &Run<'_>) -> Vec<Value> {
    let survivors = run.survivors().map(|(tried, survivor)| {
        let mut value = place(&survivor.mutant.part);
        value["rule"] = tried.rule.id.as_str().into();
        value["mutation"] = survivor.mutant.to_string().into();
        value["reason"] = survivor.reason.clone().into();
        value
    });
    survivors.collect()
}

/// File and line of a part; the line is null where it is not known.
fn place(part: &Part<'_>) -> Value {
    match part.place() {
        Some(Written { source, span }) => json!({ "file": source.name, "line": line_of(&source, span) }),
        None => json!({ "file": part.rule.source.name, "line": null }),
    }
}
