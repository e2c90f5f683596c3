//! What the author of a broken rule or pattern sees: one file a mistake, one snapshot a file.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use trailwatch::config;
use trailwatch::rule::shared::{Origin, SharedText};
use trailwatch::rule::{self, Diagnostic, Shared, SourceText, event_pattern, filter_pattern};

use super::rules::rule_files;

const BROKEN_RULES: &str = "tests/fixtures/broken-rules";
const BROKEN_SIGMA: &str = "tests/fixtures/broken-sigma";
const BROKEN_SHARED: &str = "tests/fixtures/broken-shared";

pub fn settings(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

fn problems(name: &Path, bytes: Vec<u8>) -> Vec<Diagnostic> {
    rule::read(Path::new(name.file_name().unwrap()), bytes).problems
}

fn drawn(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_mistake_is_explained() {
    explained(BROKEN_RULES, "snapshots/broken-rules");
}

#[test]
fn every_mistake_in_a_sigma_rule_is_explained() {
    explained(BROKEN_SIGMA, "snapshots/broken-sigma");
}

fn explained(rules: &str, snapshots: &str) {
    for path in rule_files(rules) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let problems = problems(&path, std::fs::read(&path).unwrap());
        settings(snapshots).bind(|| insta::assert_snapshot!(name, drawn(&problems)));
        let several = name.starts_with("several-mistakes");
        assert_eq!(problems.len() > 1, several, "one mistake, one message: {name}\n{}", drawn(&problems));
    }
}

/// The folders in a folder of this repository, by name; relative, so that messages are the same everywhere.
pub fn folders(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_mistake_in_what_rules_share_is_explained() {
    for folder in folders(BROKEN_SHARED) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let loaded = config::rules(std::slice::from_ref(&folder));
        let drawn = drawn(&loaded.problems).replace(&format!("{}/", folder.display()), "");
        settings("snapshots/broken-shared").bind(|| insta::assert_snapshot!(name, drawn));
        assert!(loaded.unreadable.is_empty());
        let lines: HashSet<_> =
            loaded.problems.iter().map(|problem| (&problem.source.name, problem.position().0)).collect();
        assert_eq!(lines.len(), 1, "one mistake, one place: {name}\n{drawn}");
    }
}

#[test]
fn every_snapshot_is_of_a_broken_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (rules, ending, snapshots) in [(BROKEN_RULES, "toml", "broken-rules"), (BROKEN_SIGMA, "yml", "broken-sigma")] {
        for entry in std::fs::read_dir(root.join("tests/it/snapshots").join(snapshots)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let rule = format!("{rules}/{}.{ending}", name.strip_suffix(".snap").unwrap_or(&name));
            assert!(root.join(rule).exists(), "{name} is of no broken rule");
        }
    }
}

#[test]
fn broken_filter_patterns_are_explained() {
    let patterns = [
        "",
        "ERROR",
        "$.eventName = \"PutObject\"",
        "{ $.eventName = \"PutObject\"",
        "{ $.eventName = \"PutObject }",
        "{ $.eventName = }",
        "{ $.eventName \"PutObject\" }",
        "{ $.eventName == \"PutObject\" }",
        "{ $.eventName EXISTS }",
        "{ $.eventName NOT \"PutObject\" }",
        "{ $.errorCode IS MISSING }",
        "{ eventName = \"PutObject\" }",
        "{ eventSource = s3.amazonaws.com && $.eventName = \"PutObject\" }",
        "{ $.eventName = \"PutObject\" & $.awsRegion = \"us-east-1\" }",
        "{ $.eventName = \"PutObject\" AND $.awsRegion = \"us-east-1\" }",
        "{ $.eventName = \"PutObject\" $.awsRegion = \"us-east-1\" }",
        "{ ($.eventName = \"PutObject\" || $.eventName = \"GetObject\" }",
        "{ $.eventName = \"PutObject\" } { $.awsRegion = \"us-east-1\" }",
        "{ $.eventName = 'PutObject' && $.awsRegion = 'us-east-1' }",
        "{ $.eventName = %Put( }",
        "{ $.requestParameters.maxResults > \"3\" }",
        "{ $.resources[-1].ARN = \"*\" }",
        "{ $.resources[1000000].ARN = \"*\" }",
        "{ $.resources[*][0].ARN = \"*\" }",
        "{ $.resources[ARN] = \"*\" }",
        "{ $.resources['ARN = \"*\" }",
        "{ $[0].eventName = \"*\" }",
        "{ $.requestParameters.* = \"secret\" }",
        "{ $.a[*].b[*].c = 1 }",
        "{ $.a[*] = 1 && $.b[*] = 2 && $.c[*] = 3 && $.d[*] = 4 }",
        "{ $.resources[].ARN = \"*\" }",
        "{ $.resources[*.ARN = \"*\" }",
        "{ $. = \"PutObject\" }",
        "{ $.userIdentity..arn = \"*\" }",
        "{ $.eventName = \"監査\" && $.awsRegion ! \"us-east-1\" }",
        "[ip, user, status = 4*]",
        "{ $.eventName =~ %Put% }",
        "{ $.eventName %Put% }",
        "{ $.eventName <> \"PutObject\" }",
        "{ $.eventName = %Put(Object|Acl)% }",
        "{ $.eventName = %Put Object% }",
        "{ $.eventName = %Put!% }",
        "{ $.eventName = %\\bPut% }",
        "{ $.eventName = %% }",
        "{ $.eventName = %[a% }",
        "{ $.eventName = %a% || $.eventName = %b% || $.eventName = %c% }",
        "{ $.errorCode IS NOT NULL }",
        "{ $.errorCode NOT NULL }",
        "{ !($.eventName = \"PutObject\") }",
        "{ NOT ($.eventName = \"PutObject\") }",
        "{ $.eventName = (PutObject || GetObject) }",
        "{ $.eventName IN (\"PutObject\", \"GetObject\") }",
        "{ $.eventName contains \"Put\" }",
        "{ $.userName = $.requestParameters.userName }",
        "{ $.userAgent = aws cli }",
        "{ $.eventTime > \"2026-01-01T00:00:00Z\" }",
        "{ $.n > 1_000 }",
        "{ $.eventName = PutObject && }",
        "{ $.eventName = PutObject } && { $.awsRegion = \"us-east-1\" }",
        "{ $.eventName: \"PutObject\" }",
        "{ $.eventName = \"Put\\",
        "eventName = \"PutObject\"",
        "fields @timestamp | filter eventName = \"PutObject\"",
        "{ $.eventName = [\"PutObject\", \"GetObject\"] }",
        "{ $.eventName in [PutObject, GetObject] }",
        "{ $.eventName = \"PutObject\" || \"GetObject\" }",
        "{ $.eventName NOT IN (\"PutObject\", \"GetObject\") }",
        "{ $.eventName NOT LIKE \"Put*\" }",
        "{ $.errorCode NOT EXIST }",
        "{ $.errorCode DOES NOT EXIST }",
        "{ $.errorCode IS not \"x\" }",
        "{ $.n BETWEEN 1 AND 5 }",
        "{ $.n > $.m }",
        "{ $.eventName }",
        "{ $.eventName.contains(\"Put\") }",
        "{ }",
        "{ \"Root\" }",
        "{\"eventName\": [\"PutObject\"]}",
        "{ $.eventName = “PutObject” }",
        "{ $eventName = \"PutObject\" }",
        "{ .eventName = \"PutObject\" }",
        "{ ($.a = 1 || $.b = 2",
        "{ $.a = 1) }",
        "{ $.a = 1; $.b = 2 }",
        "{ $.errorCode IS NULL",
    ];
    let mut text = String::new();
    for pattern in patterns {
        let problem = filter_pattern::parse("--filter", pattern).err().map(|problem| problem.to_string());
        text += &format!("{}\n\n", problem.unwrap_or_else(|| format!("{pattern}: no problem")));
    }
    settings("snapshots").bind(|| insta::assert_snapshot!("broken-filter-patterns", text));
}

#[test]
fn broken_event_patterns_are_explained() {
    let patterns = [
        "",
        "source = aws.xray",
        "[{\"source\": [\"aws.xray\"]}]",
        "{\"source\": [\"aws.xray\"]",
        "{\"source\": [\"aws.xray\",]}",
        "{'source': ['aws.xray']}",
        "{\n  \"source\": [\"aws.xray\"],\n  \"detail\": {\"n\": [01]}\n}",
        "{\"n\": [NaN]}",
        "{\"s\": [\"a\tb\"]}",
        "{}",
        "{\"source\": \"aws.xray\"}",
        "{\"n\": 1}",
        "{\"source\": []}",
        "{\"detail\": {}}",
        "{\"source\": [[\"aws.xray\"]]}",
        "{\"source\": [{}]}",
        "{\"source\": [{\"prefx\": \"aws.\"}]}",
        "{\"source\": [{\"regex\": \"aws.*\"}]}",
        "{\"source\": [{\"prefix\": \"aws.\", \"suffix\": \"y\"}]}",
        "{\"source\": [{\"prefix\": 1}]}",
        "{\"source\": [{\"prefix\": {\"wildcard\": \"a*\"}}]}",
        "{\"source\": [{\"prefix\": {\"equals-ignore-case\": [\"a\"]}}]}",
        "{\"source\": [{\"suffix\": {}}]}",
        "{\"source\": [{\"equals-ignore-case\": null}]}",
        "{\"source\": [{\"wildcard\": \"a**b\"}]}",
        "{\"source\": [{\"wildcard\": \"a\\\\b*\"}]}",
        "{\"source\": [{\"wildcard\": \"a*\\\\\"}]}",
        "{\"n\": [{\"anything-but\": [\"a\", 1]}]}",
        "{\"n\": [{\"anything-but\": [1, \"a\"]}]}",
        "{\"n\": [{\"anything-but\": []}]}",
        "{\"n\": [{\"anything-but\": null}]}",
        "{\"n\": [{\"anything-but\": [true]}]}",
        "{\"n\": [{\"anything-but\": 9007199254740993}]}",
        "{\"n\": [{\"anything-but\": {\"prefix\": \"\"}}]}",
        "{\"n\": [{\"anything-but\": {\"suffix\": [\"a\", \"\"]}}]}",
        "{\"n\": [{\"anything-but\": {\"prefix\": []}}]}",
        "{\"n\": [{\"anything-but\": {\"prefix\": [1]}}]}",
        "{\"n\": [{\"anything-but\": {\"numeric\": [\">\", 1]}}]}",
        "{\"n\": [{\"anything-but\": {\"exists\": true}}]}",
        "{\"n\": [{\"anything-but\": {\"wildcard\": \"**\"}}]}",
        "{\"n\": [{\"anything-but\": {\"prefix\": {\"equals-ignore-case\": \"a\"}}}]}",
        "{\"n\": [{\"numeric\": 5}]}",
        "{\"n\": [{\"numeric\": []}]}",
        "{\"n\": [{\"numeric\": [\">\"]}]}",
        "{\"n\": [{\"numeric\": [\"=>\", 5]}]}",
        "{\"n\": [{\"numeric\": [\">\", \"5\"]}]}",
        "{\"n\": [{\"numeric\": [\"<\", 5, \">\", 0]}]}",
        "{\"n\": [{\"numeric\": [\">\", 5, \"<\", 5]}]}",
        "{\"n\": [{\"numeric\": [\">\", 0, \">\", 5]}]}",
        "{\"n\": [{\"numeric\": [\">\", 0, \"<\"]}]}",
        "{\"n\": [{\"numeric\": [\"=\", 0, \"<\", 1]}]}",
        "{\"n\": [{\"numeric\": [\">\", 0, \"<\", 1, \"<\", 2]}]}",
        "{\"n\": [{\"numeric\": [\">\", 9007199254740993]}]}",
        "{\"n\": [{\"numeric\": [\"<\", 1e400]}]}",
        "{\"n\": [{\"exists\": \"true\"}]}",
        "{\"n\": [{\"cidr\": \"10.0.0.1\"}]}",
        "{\"n\": [{\"cidr\": \"10.0.0.0/33\"}]}",
        "{\"n\": [{\"cidr\": \"10.0.0/8\"}]}",
        "{\"n\": [{\"cidr\": \"::1/129\"}]}",
        "{\"n\": [{\"cidr\": \"10.0.0.0/+8\"}]}",
        "{\"n\": [{\"cidr\": [\"10.0.0.0/8\"]}]}",
        "{\"$or\": []}",
        "{\"$or\": [{\"a\": [1]}]}",
        "{\"$or\": [{\"a\": [1]}, \"x\"]}",
        "{\"$or\": [{\"a\": [1]}, {}]}",
        "{\"$or\": \"x\"}",
        "{\"$or\": [{\"a\": [1]}, {\"prefix\": [1]}]}",
        "{\"$or\": [{\"a\": [1]}, {\"b\": {\"regex\": [1]}}]}",
        "{\"source\": [\"監査\"], \"detail\": {\"監査\": \"x\"}}",
        "{\"a\": \"x\", \"b\": [], \"c\": [{\"prefx\": \"y\"}]}",
        "{\n  // only X-Ray\n  \"source\": [\"aws.xray\"]\n}",
        "{\"source\": [\"aws.xray\"] # only X-Ray\n}",
        "{source: [\"aws.xray\"]}",
        "{\"source\": [aws.xray]}",
        "{\"source\": [“aws.xray”]}",
        "{\"source\": [\"aws.xray\"],}",
        "{\"source\": [\"aws.xray\"}",
        "{\"source\": [\"aws.xray}",
        "{\"source\" [\"aws.xray\"]}",
        "{\"source\" = [\"aws.xray\"]}",
        "{\"source\": [\"aws.xray\"] \"account\": [\"1\"]}",
        "{\"readOnly\": [False]}",
        "{\"n\": [.5]}",
        "{\"account\": [012345678901]}",
        "{\"s\": [\"\\d\"]}",
        "{\"source\": {\"prefix\": \"aws.\"}}",
        "{\"source\": [{\"contains\": \"x\"}]}",
        "{\"source\": [{\"not\": \"x\"}]}",
        "{\"source\": [{\"in\": [\"x\"]}]}",
        "{\"n\": [{\"gte\": 5}]}",
        "{\"n\": [{\"numeric\": [\"==\", 5]}]}",
        "{\"source\": [{\"prefix\": [\"aws.\", \"x.\"]}]}",
        "{\"or\": [{\"a\": [1]}, {\"b\": [1]}]}",
        "{\"$and\": [{\"a\": [1]}, {\"b\": [1]}]}",
    ];
    let mut text = String::new();
    for pattern in patterns {
        let problems = event_pattern::parse("pattern.json", pattern).err();
        let problems = problems.map(|problems| drawn(&problems));
        text += &format!("{}\n\n", problems.unwrap_or_else(|| format!("{pattern}: no problem")));
    }
    settings("snapshots").bind(|| insta::assert_snapshot!("broken-event-patterns", text));
}

#[test]
fn alternatives_that_multiply_without_bound_are_refused() {
    let branches = |field: &str| format!("{{\"$or\": [{}]}}", vec![format!("{{\"{field}\": [1]}}"); 32].join(", "));
    let fits = format!("{{\"a\": {}, \"b\": {{\"$or\": [{{\"x\": [1]}}, {{\"y\": [1]}}]}}}}", branches("x"));
    assert!(event_pattern::parse("pattern.json", &fits).is_ok());
    let pattern = format!("{{\"a\": {}, \"b\": {}}}", branches("x"), branches("y"));
    let problems = event_pattern::parse("pattern.json", &pattern).unwrap_err();
    assert!(problems[0].message.contains("multiply out to 1024"), "{}", problems[0]);
    let values: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let many = format!(
        "{{\"z\": [{}], \"a\": {}, \"b\": {{\"$or\": [{}]}}}}",
        values.join(","),
        branches("x"),
        vec!["{\"y\":[1]}"; 30].join(",")
    );
    let problems = event_pattern::parse("pattern.json", &many).unwrap_err();
    assert!(problems[0].message.contains("values"), "{}", problems[0]);
}

/// A way to damage a text; places are taken modulo what there is.
#[derive(Debug, Clone)]
enum Damage {
    Delete(usize, usize),
    Duplicate(usize, usize),
    Overwrite(usize, u8),
    Insert(usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    // What means something to TOML, to keys or to drawing.
    let signs: Vec<&str> = "\" ' \"\"\" ''' [ ] [[ { } = . | \n \r \t \\ # \u{feff} 🙂 \u{1b} \0".split(' ').collect();
    prop_oneof![
        (any::<usize>(), 0usize..200).prop_map(|(at, len)| Damage::Delete(at, len)),
        (any::<usize>(), 0usize..200).prop_map(|(at, len)| Damage::Duplicate(at, len)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        (any::<usize>(), prop::sample::select(signs)).prop_map(|(at, sign)| Damage::Insert(at, sign)),
    ]
}

fn part(text: &[u8], at: usize, len: usize) -> Range<usize> {
    let start = at % (text.len() + 1);
    start..(start + len).min(text.len())
}

impl Damage {
    fn apply(&self, text: &mut Vec<u8>) {
        match *self {
            Self::Delete(at, len) => drop(text.drain(part(text, at, len))),
            Self::Duplicate(at, len) => {
                let part = part(text, at, len);
                let copy = text[part.clone()].to_vec();
                text.splice(part.end..part.end, copy);
            }
            Self::Overwrite(at, byte) => {
                let part = part(text, at, 1);
                text[part].fill(byte);
            }
            Self::Insert(at, sign) => {
                let part = part(text, at, 0);
                text.splice(part, sign.bytes());
            }
        }
    }
}

fn check_problems(name: &str, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let reading = rule::read(Path::new(name), bytes);
    let problems = reading.problems;
    let read = reading.rules.len() + reading.left_out.len();
    prop_assert!(read > 0 || !problems.is_empty(), "refused without a reason");
    check_drawn(&problems)
}

fn check_drawn(problems: &[Diagnostic]) -> Result<(), TestCaseError> {
    for problem in problems {
        let drawn = problem.to_string();
        let (line, column) = problem.position();
        let name = &problem.source.name;
        let place = format!("{name}:{line}:{column}: ");
        prop_assert!(drawn.starts_with(&place), "{}", drawn);
        prop_assert!(!problem.message.is_empty(), "{}", drawn);
        prop_assert!(drawn.lines().all(|line| !line.contains(char::is_control)), "{:?}", drawn);
        prop_assert!((3..=4).contains(&drawn.lines().count()), "{}", drawn);
        prop_assert!(problem.span.end <= problem.source.text.len() + 1, "{}", drawn);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_rule_never_panics(which in any::<prop::sample::Index>(), damages in vec(damage(), 1..6)) {
        let rules = rule_files("rules");
        let mut text = std::fs::read(which.get(&rules)).unwrap();
        damages.iter().for_each(|damage| damage.apply(&mut text));
        check_problems("damaged.toml", text)?;
    }

    #[test]
    fn a_damaged_broken_rule_never_panics(which in any::<prop::sample::Index>(), damages in vec(damage(), 1..4)) {
        let rules = rule_files(BROKEN_RULES);
        let mut text = std::fs::read(which.get(&rules)).unwrap();
        damages.iter().for_each(|damage| damage.apply(&mut text));
        check_problems("damaged.toml", text)?;
    }

    #[test]
    fn a_damaged_sigma_rule_never_panics(which in any::<prop::sample::Index>(), damages in vec(damage(), 1..6)) {
        let mut rules = rule_files("tests/fixtures/sigma");
        rules.extend(rule_files(BROKEN_SIGMA));
        let mut text = std::fs::read(which.get(&rules)).unwrap();
        damages.iter().for_each(|damage| damage.apply(&mut text));
        check_problems("damaged.yml", text)?;
    }

    #[test]
    fn what_rules_share_never_panics_if_damaged(
        which in any::<prop::sample::Index>(),
        damages in vec(damage(), 1..4),
        damages_of_the_table in vec(damage(), 0..3),
        is_json in any::<bool>(),
    ) {
        let files: Vec<PathBuf> = ["shared.toml", "a.toml"].iter().flat_map(|name| {
            folders(BROKEN_SHARED).into_iter().map(move |folder| folder.join(name)).filter(|path| path.exists())
        }).chain(rule_files("rules/shared")).collect();
        let mut text = std::fs::read(which.get(&files)).unwrap();
        damages.iter().for_each(|damage| damage.apply(&mut text));
        let table: &[u8] = if is_json { b"[\n{\"account\": \"1\"},\n\"two\", 3]" } else { b"account,\"a \"\"b\"\n1,2\n#3\n\n4,\"5\n6\"\n" };
        let mut table = table.to_vec();
        damages_of_the_table.iter().for_each(|damage| damage.apply(&mut table));
        if let Some(text) = SharedText::of(Path::new("damaged.toml"), &text, Origin::Named) {
            let table = String::from_utf8_lossy(&table).into_owned();
            let table = Arc::new(SourceText { name: "table".to_owned(), text: table });
            check_drawn(&Shared::read(&[text], |_, _| Ok(Arc::clone(&table))).1)?;
        }
    }

    #[test]
    fn any_filter_pattern_is_judged(pattern in r#"[{}()$.a\[\]*'"%=!<>&|\\ 0é-]{0,24}"#) {
        if let Err(problem) = filter_pattern::parse("--filter", &pattern) {
            prop_assert!(problem.to_string().starts_with("--filter:1:"));
        }
    }

    #[test]
    fn any_event_pattern_is_judged(
        text in prop_oneof![
            r#"[{}\[\]",:a$01.e\\ \n*-]{0,24}"#,
            vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"$or\"", "\"prefix\"", "\"anything-but\"", "\"numeric\"", "\">\"",
                "1", "1e400", "null", "\"\\ud800\"", "\"exists\"", "false", "\"cidr\"", "\"::/0\"", "\"wildcard\"", "\"**\"",
            ]), 0..24).prop_map(|words| words.concat()),
        ],
    ) {
        match event_pattern::parse("pattern", &text) {
            Ok(pattern) => drop(pattern.verbatim()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| problem.to_string().starts_with("pattern:")));
            }
        }
    }
}
