//! What is told of rules' tests: what they reach, and what they would not notice.

use std::path::Path;

use trailwatch::condition::Condition;
use trailwatch::engine::trial::coverage::coverage;
use trailwatch::engine::trial::mutation::mutants;
use trailwatch::engine::trial::part::{parts, truths};
use trailwatch::engine::trial::run_tests;
use trailwatch::engine::trial::verdict::judge;
use trailwatch::rule::Rule;

use super::rules::good_rules;

const HEAD: &str = "id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n";

fn rule(text: &str) -> Rule {
    Rule::parse(Path::new("r.toml"), format!("{HEAD}{text}")).unwrap()
}

fn test(event: &str, expect: &str) -> String {
    format!("\n[[test]]\nname = \"n\"\nexpect = \"{expect}\"\nevent = '{event}'\n")
}

#[track_caller]
fn check_survivors(lines: &str, tests: &[(&str, &str)], expected: &[&str]) {
    let tests: String = tests.iter().map(|(event, expect)| test(event, expect)).collect();
    let rule = rule(&format!("{lines}{tests}"));
    let outcomes = run_tests(&rule);
    assert!(outcomes.iter().all(|(_, outcome)| outcome.passed));
    let survivors = mutants(&rule).into_iter().filter(|mutant| mutant.survives(&outcomes));
    assert_eq!(survivors.map(|mutant| mutant.to_string()).collect::<Vec<_>>(), expected);
}

const TWO_LINES: &str = "[match]\neventName = \"A\"\nawsRegion = \"x\"\n";
const LIST: &str = "[match]\neventName = [\"A\", \"B\"]\n";
const EXCEPT: &str = "[match]\neventName = \"A\"\n[[except]]\nname = \"e\"\nwhen = { awsRegion = \"x\" }\n";
const EITHER: &str =
    "[match]\nawsRegion = \"x\"\n[[either]]\neventName = \"A\"\n[[either]]\neventName = \"B\"\nis_write = true\n";

#[test]
fn a_line_is_noticed_by_an_event_that_lacks_only_it() {
    check_survivors(
        TWO_LINES,
        &[(r#"{"eventName":"A","awsRegion":"x"}"#, "match")],
        &["without line `eventName equals \"A\"`", "without line `awsRegion equals \"x\"`"],
    );
    check_survivors(
        TWO_LINES,
        &[(r#"{"eventName":"A","awsRegion":"x"}"#, "match"), (r#"{"eventName":"A"}"#, "no match")],
        &["without line `eventName equals \"A\"`"],
    );
}

#[test]
fn every_value_of_a_list_is_noticed_by_an_event_with_it() {
    let near_miss = (r#"{"eventName":"C"}"#, "no match");
    check_survivors(LIST, &[(r#"{"eventName":"A"}"#, "match"), near_miss], &["without value `eventName equals \"B\"`"]);
    check_survivors(LIST, &[(r#"{"eventName":"A"}"#, "match"), (r#"{"eventName":"B"}"#, "match"), near_miss], &[]);
}

const INSIDE: &str = "[match]\n\"requestParameters.rules|any\" = { port = [22, 23], from = \"all\" }\n";
const DEEPER: &str = "[match]\n\"requestParameters.doc|json\" = { \"rules|not|any\" = { port = 22 } }\n";

#[test]
fn lines_inside_a_value_count_each() {
    let asked = |rules: &str| format!(r#"{{"requestParameters":{{"rules":{rules}}}}}"#);
    let (one, other) = (asked(r#"[{"port":22,"from":"all"}]"#), asked(r#"[{"port":23,"from":"all"}]"#));
    let apart = asked(r#"[{"port":22,"from":"office"},{"port":443,"from":"all"}]"#);
    check_survivors(
        INSIDE,
        &[(&one, "match"), ("{}", "no match")],
        &[
            "without line `port equals any of 22, 23` inside `requestParameters.rules`",
            "without value `port equals 23` inside `requestParameters.rules`",
            "without line `from equals \"all\"` inside `requestParameters.rules`",
        ],
    );
    check_survivors(INSIDE, &[(&one, "match"), (&other, "match"), (&apart, "no match")], &[]);
    let document = |rules: &str| format!(r#"{{"requestParameters":{{"doc":"{{\"rules\":{rules}}}"}}}}"#);
    let (without, with) = (document(r#"[{\"port\":443}]"#), document(r#"[{\"port\":443},{\"port\":22}]"#));
    check_survivors(DEEPER, &[(&without, "match"), (&with, "no match"), ("{}", "no match")], &[]);
    check_survivors(
        DEEPER,
        &[(&without, "match"), ("{}", "no match")],
        &["without line `rules not any element has { port equals 22 }` inside `requestParameters.doc`"],
    );
}

#[test]
fn coverage_goes_into_values() {
    let gaps = |events: &[&str]| -> Vec<(String, bool)> {
        let tests: String = events.iter().map(|event| test(event, "no match")).collect();
        let rule = rule(&format!("{INSIDE}{tests}"));
        let outcomes = run_tests(&rule);
        let gaps = coverage(&rule, &outcomes).gaps;
        gaps.iter()
            .map(|gap| (gap.part.to_string(), gap.never_holds))
            .filter(|(part, _)| part.contains("inside"))
            .collect()
    };
    let apart = r#"{"requestParameters":{"rules":[{"port":22,"from":"office"},{"port":443,"from":"all"}]}}"#;
    assert_eq!(gaps(&[apart]), [("value `port equals 23` inside `requestParameters.rules`".to_owned(), true)]);
    assert_eq!(gaps(&[apart, r#"{"requestParameters":{"rules":{"port":23}}}"#]), []);
    assert_eq!(gaps(&["{}"]).len(), 8, "where there is no value, nothing is seen of one");
}

#[test]
fn an_exception_is_noticed_by_an_event_that_it_excepts() {
    let (fires, near_miss) = ((r#"{"eventName":"A"}"#, "match"), (r#"{"eventName":"B"}"#, "no match"));
    check_survivors(EXCEPT, &[fires, near_miss], &["without exception `e`"]);
    check_survivors(EXCEPT, &[fires, near_miss, (r#"{"eventName":"A","awsRegion":"x"}"#, "no match")], &[]);
}

#[test]
fn every_alternative_and_what_is_in_it_counts() {
    check_survivors(
        EITHER,
        &[(r#"{"eventName":"A","awsRegion":"x"}"#, "match"), (r#"{"awsRegion":"x"}"#, "no match")],
        &[
            "without line `awsRegion equals \"x\"`",
            "without alternative that begins with `eventName equals \"B\"`",
            "the opposite of line `eventName equals \"B\"`",
            "without line `eventName equals \"B\"`",
            "the opposite of line `is_write equals true`",
            "without line `is_write equals true`",
        ],
    );
}

#[test]
fn coverage_counts_both_outcomes_of_every_part() {
    let rule = rule(&format!("{EXCEPT}{}", test(r#"{"eventName":"A"}"#, "match")));
    let outcomes = run_tests(&rule);
    let coverage = coverage(&rule, &outcomes);
    let gaps: Vec<_> = coverage.gaps.iter().map(|gap| (gap.part.to_string(), gap.never_holds)).collect();
    assert_eq!(gaps, [("line `eventName equals \"A\"`".to_owned(), false), ("exception `e`".to_owned(), true)]);
    assert_eq!((coverage.reached(), coverage.outcomes), (2, 4));
}

/// Parts name nodes by number and predicates by place: both must be those of the condition.
#[test]
fn parts_stand_where_they_were_written() {
    for rule in [
        "rules",
        "tests/fixtures/good-rules",
        "tests/fixtures/odd-rules",
        "tests/fixtures/explain",
        "tests/fixtures/explain-inside",
    ]
    .iter()
    .flat_map(|folder| good_rules(folder))
    {
        let mut predicates = 0;
        rule.condition.visit(&mut |_| predicates += 1);
        assert_eq!(rule.places.len(), predicates, "{}", rule.id);
        let verdict = judge([&rule], "{}").unwrap().remove(0);
        let nodes = truths(&verdict.explanation).len();
        for part in parts(&rule) {
            assert!(part.node < nodes, "{}: {part}", rule.id);
            // What stands inside a value is told by the place of the whole.
            let condition = part.within.first().map_or(part.condition.clone(), |&outer| Condition::Is(outer.clone()));
            let mut first = None;
            condition.visit(&mut |predicate| first = first.or(Some(predicate)));
            let (place, operand) = (part.place().unwrap(), first.unwrap().test.operand());
            let word = operand.rsplit(' ').next().unwrap();
            let written = &place.source.text[place.span];
            assert!(written.contains(word) || operand.len() > 10, "{}: `{operand}` in {written}", rule.id);
        }
    }
}
