//! `trailwatch.toml`: what the author of a broken one sees, which layer counts, and that secrets stay secret.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trailwatch::config::run::{Followed, SourceKind};
use trailwatch::config::{self, Configuration, Overlay};
use trailwatch::rule::Severity;
use trailwatch::source::role::RoleArn;

use super::diagnostics::settings;
use super::rules::rule_files;

const BROKEN: &str = "tests/fixtures/broken-config";

fn read(paths: &[PathBuf], environment: &[(&str, &str)]) -> Configuration {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (configuration, unreadable) = config::configuration(paths, Overlay { environment, options: Vec::new() });
    assert!(unreadable.is_empty(), "{unreadable:?}");
    configuration
}

/// Reads a configuration of one file.
fn read_text(text: &str, environment: &[(&str, &str)]) -> Configuration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trailwatch.toml");
    std::fs::write(&path, text).unwrap();
    read(&[path], environment)
}

fn drawn(configuration: &Configuration) -> String {
    let drawn: Vec<String> = configuration.problems.iter().map(ToString::to_string).collect();
    drawn.join("\n\n")
}

#[test]
fn every_mistake_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in rule_files(BROKEN) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let configuration = read(&[path], &[]);
        let drawn = drawn(&configuration).replace(&format!("{}/", root.display()), "");
        settings("snapshots/broken-config").bind(|| insta::assert_snapshot!(name.as_str(), drawn));
        let several = name.starts_with("several-mistakes");
        assert_eq!(configuration.problems.len() > 1, several, "one mistake, one message: {name}\n{drawn}");
        assert!(configuration.run.is_none() && !drawn.is_empty(), "{name} is taken for good");
    }
}

#[test]
fn every_snapshot_is_of_a_broken_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(root.join("tests/it/snapshots/broken-config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(root.join(BROKEN).join(format!("{name}.toml")).exists(), "{}", path.display());
    }
}

/// What `config check` says of the example, with these variables set.
fn check_example(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(["config", "check", "--config", "examples/trailwatch.toml"]).env_clear();
    let output = command.envs(variables.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_example_is_good() {
    let secrets = [
        ("PAGERDUTY_KEY", "0123456789abcdef0123456789abcdef"),
        ("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x"),
    ];
    let (code, text) = check_example(&secrets);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 sources") && text.contains("3 sinks"), "{text}");
    let (code, text) = check_example(&[]);
    assert!(code == Some(1) && text.contains("the environment has no `SLACK_URL`"), "{text}");
}

const GOOD: &str = r#"
state = "state"
[sources.trail]
type = "cloudwatch-logs"
log_group = "one"
[sinks.on-call]
type = "stdout"
min_severity = "low"
"#;

#[test]
fn a_later_layer_counts_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("1.toml"), folder.path().join("2.toml"));
    std::fs::write(&one, GOOD).unwrap();
    std::fs::write(&two, "drain = \"7s\"\n[sources.trail]\nlog_group = \"two\"\n").unwrap();
    let environment = [
        ("TRAILWATCH__SOURCES__TRAIL__LOG_GROUP", "007"),
        ("TRAILWATCH__SINKS__ON_CALL__TAGS", "service.xray, service.s3"),
        ("TRAILWATCH__SILENCE__FACTOR", "3"),
        ("PATH", "/bin"),
    ];
    let group = |configuration: &Configuration| {
        let run = configuration.run.as_ref().unwrap_or_else(|| panic!("{}", drawn(configuration)));
        match &run.sources[0].kind {
            SourceKind::LogGroup(group) => group.what.clone(),
            other => panic!("{other:?}"),
        }
    };
    type Case<'c> = (&'c str, Vec<PathBuf>, &'c [(&'c str, &'c str)], &'c str);
    let cases: [Case<'_>; 4] = [
        ("one file", vec![one.clone()], &[], "one"),
        ("two files", vec![one.clone(), two.clone()], &[], "two"),
        ("a folder, by name", vec![folder.path().to_owned()], &[], "two"),
        ("the environment", vec![one, two], &environment, "007"),
    ];
    for (name, paths, environment, expected) in cases {
        assert_eq!(group(&read(&paths, environment)), Followed::Group(expected.to_owned()), "{name}");
    }
    let run = read(&[folder.path().to_owned()], &environment).run.unwrap();
    assert_eq!(run.sinks.len(), 1, "`ON_CALL` means the sink that there is");
    assert_eq!(run.sinks[0].route.tags, ["service.xray", "service.s3"]);
    assert_eq!(run.sinks[0].route.min_severity, Severity::Low);
    assert_eq!((run.silence.factor, run.drain.as_secs()), (3, 7));
    assert_eq!(run.state, folder.path().join("state"), "paths go from the folder of their file");
}

#[test]
fn roles_are_one_or_a_chain() {
    let (outer, inner) = ("arn:aws:iam::111122223333:role/outer", "arn:aws:iam::444455556666:role/inner");
    let one = format!("role_arn = \"{outer}\"");
    let chain = format!("role_arn = [\"{outer}\", \"{inner}\"]\nexternal_id = \"id\"");
    let listed = format!("{outer},{inner}");
    let environment = [("TRAILWATCH__SOURCES__TRAIL__ROLE_ARN", listed.as_str())];
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [&'c str], Option<&'c str>);
    let cases: [Case<'_>; 3] = [
        (&one, &[], &[outer], None),
        (&chain, &[], &[outer, inner], Some("id")),
        ("", &environment, &[outer, inner], None),
    ];
    for (line, environment, roles, external_id) in cases {
        let text = GOOD.replace("log_group = \"one\"", &format!("log_group = \"one\"\n{line}"));
        let configuration = read_text(&text, environment);
        let run = configuration.run.as_ref().unwrap_or_else(|| panic!("{}", drawn(&configuration)));
        let SourceKind::LogGroup(group) = &run.sources[0].kind else { panic!("{:?}", run.sources) };
        let found: Vec<&str> = group.access.roles.iter().map(RoleArn::as_str).collect();
        assert_eq!((found.as_slice(), group.access.external_id.as_deref()), (roles, external_id), "{line}");
    }
}

#[test]
fn a_mistake_in_the_environment_is_explained_there() {
    let environment = [("TRAILWATCH__SINKS__ON_CALL__MIN_SEVERITY", "hihg"), ("TRAILWATCH__SNIKS__X__TYPE", "stdout")];
    let drawn = drawn(&read_text(GOOD, &environment));
    settings("snapshots").bind(|| insta::assert_snapshot!("config-environment", drawn));
}

#[test]
fn values_are_shown_with_their_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trailwatch.toml");
    std::fs::write(folder.path().join("token"), "s3cr3t-token\n").unwrap();
    let webhook = "[sinks.hook]\ntype = \"webhook\"\nurl = \"https://hooks.example.com/T0/B0\"\nsigning_keys = \
        [\"whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\"]\n[sinks.hook.headers]\nAuthorization = \"Bearer ${file:token}\"\n";
    std::fs::write(&path, format!("instance = \"test\"\n{GOOD}{webhook}")).unwrap();
    let configuration = read(&[path], &[("TRAILWATCH__DRAIN", "5s")]);
    assert!(configuration.run.is_some(), "{}", drawn(&configuration));
    let shown: Vec<String> = configuration
        .effective
        .iter()
        .map(|effective| format!("{} = {}  # {}", effective.key, effective.value, effective.origin))
        .collect();
    let shown = shown.join("\n").replace(&folder.path().display().to_string(), "[FOLDER]");
    for secret in ["T0/B0", "c2VjcmV0", "s3cr3t"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{configuration:?}").replace("https://hooks.example.com/T0/B0", "").contains("s3cr3t"));
    }
    settings("snapshots").bind(|| insta::assert_snapshot!("config-effective", shown));
}

proptest! {
    /// However a configuration is damaged, it is read without panic, and what is wrong can be drawn.
    #[test]
    fn damaged_text_is_explained(at in 0usize..400, len in 0usize..30, put in "[a-z\\[\\]={}\"'$.\n0é]{0,8}") {
        let webhook = "[sinks.hook]\ntype = \"webhook\"\nurl = \"https://hooks.example.com/T0/B0\"\nsigning_keys = [\"x\"]\n\
            headers = { A = \"${env:PATH}\" }\n[silence]\nfactor = 3\n";
        let mut text: Vec<char> = format!("{GOOD}{webhook}").chars().collect();
        let (start, end) = (at.min(text.len()), (at + len).min(text.len()));
        text.splice(start..end, put.chars());
        let configuration = read_text(&text.iter().collect::<String>(), &[]);
        let drawn = drawn(&configuration);
        prop_assert_eq!(configuration.run.is_none(), !drawn.is_empty());
    }
}

#[test]
fn no_complaint_draws_a_secret() {
    let text = format!(
        "{GOOD}[sinks.hook]\ntype = \"webhook\"\nurl = \"https://hooks.example.com/T0/B0\"\nheaders = {{ Authorization = \
         \"Bearer abcdef\", X = 5 }}\nroutingkey = \"\"\"\nabcdefgh\n\"\"\"\nbody = \"pager\"\n"
    );
    let drawn = drawn(&read_text(&text, &[]));
    for secret in ["T0/B0", "abcdef"] {
        assert!(!drawn.contains(secret), "{drawn}");
    }
    for broken in [
        "url = \"T0/B0",
        "url = \"x\" T0/B0",
        "url = \"x\"\nurl = \"T0/B0\"",
        "headers = { A = \"abcdef\"",
        "signing_keys = [\n  \"whsec_T0/B0==\",\n  \"abcdef=\"\n  \"abcdef\"\n]",
        "url = \n[\"T0/B0\"",
        "url = \"\"\"\nabcdef=T0/B0\n\"\"\" x",
    ] {
        let text = format!("{GOOD}[sinks.hook]\ntype = \"webhook\"\n{broken}\n");
        let configuration = read_text(&text, &[]);
        let drawn = self::drawn(&configuration);
        assert!(configuration.run.is_none() && !drawn.contains("T0/B0") && !drawn.contains("abcdef"), "{drawn}");
    }
    for expected in ["`pager` cannot be `body`", "expected a string, found a number", "unknown key `routingkey`"] {
        assert!(drawn.contains(expected), "{expected} is missing in\n{drawn}");
    }
}
