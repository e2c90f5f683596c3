//! What a person sees of the binary itself: its help, every message, its exit codes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use regex::Regex;

const SCANNED: &str = "tests/fixtures/scan/with-garbage.jsonl";
const CLEAN: &str = "tests/fixtures/scan/clean.jsonl";
const TRAIL_RULE: &str = "tests/fixtures/good-rules/trail-stopped.toml";

const EXPLAINED: &str = "tests/fixtures/explain/events.jsonl";
const CALL_UNKNOWN: &str = "tests/fixtures/odd-rules/call-unknown.toml";
const POLICIES: &str = "tests/fixtures/explain/policy-events.jsonl";
const BLINDED_RULE: &str = "tests/fixtures/explain/sampling-blinded.toml";
const SEVERITY_UNKNOWN: &str = "tests/fixtures/broken-rules/severity-unknown.toml";

/// The binary, in a world with nothing in it: no terminal, no colours, no AWS.
fn trailwatch(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(args).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// Everything that the command shows, with how it ends.
fn shown(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| normalised(std::str::from_utf8(bytes).unwrap());
    let code = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!("exit code {code}\n----- stdout\n{}----- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

/// Takes out what differs from run to run: how long things took. Shows escapes, so that a snapshot has none.
fn normalised(text: &str) -> String {
    let took = Regex::new(r#"\[ *[0-9.]+m?s\]|(time=|"took_ms":)"?[0-9.e-]+"?"#).unwrap();
    took.replace_all(text, "$1[TIME]").replace('\u{1b}', "␛")
}

#[track_caller]
fn check(name: &str, args: &[&str]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("trailwatch {}", args.join(" ")).trim_end());
    settings.bind(|| insta::assert_snapshot!(name, shown(trailwatch(args))));
}

#[test]
fn help() {
    for (name, args) in [
        ("help", vec!["--help"]),
        ("help-demo", vec!["demo", "--help"]),
        ("help-tail", vec!["tail", "--help"]),
        ("help-scan", vec!["scan", "--help"]),
        ("help-verify", vec!["verify", "--help"]),
        ("help-explain", vec!["explain", "--help"]),
        ("help-rules", vec!["rules", "--help"]),
        ("help-rules-list", vec!["rules", "list", "--help"]),
        ("help-rules-check", vec!["rules", "check", "--help"]),
        ("help-rules-test", vec!["rules", "test", "--help"]),
        ("help-rules-match", vec!["rules", "match", "--help"]),
        ("help-rules-bench", vec!["rules", "bench", "--help"]),
        ("help-rules-new", vec!["rules", "new", "--help"]),
        ("help-rules-import", vec!["rules", "import", "--help"]),
        ("help-rules-export", vec!["rules", "export", "--help"]),
        ("help-run", vec!["run", "--help"]),
        ("help-config", vec!["config", "--help"]),
        ("help-config-show", vec!["config", "show", "--help"]),
        ("help-state", vec!["state", "--help"]),
        ("help-state-show", vec!["state", "show", "--help"]),
        ("help-outbox", vec!["outbox", "--help"]),
        ("help-outbox-list", vec!["outbox", "list", "--help"]),
        ("help-outbox-retry", vec!["outbox", "retry", "--help"]),
        ("help-outbox-drop", vec!["outbox", "drop", "--help"]),
        ("help-sink-test", vec!["sink", "test", "--help"]),
        ("help-doctor", vec!["doctor", "--help"]),
        ("help-iam-policy", vec!["iam-policy", "--help"]),
    ] {
        check(name, &args);
    }
}

#[test]
fn wrong_arguments() {
    for (name, args) in [
        ("arguments-missing", vec![]),
        ("command-misspelt", vec!["tial"]),
        ("option-misspelt", vec!["scan", "--rule", TRAIL_RULE, SCANNED]),
        ("scan-without-a-path", vec!["scan"]),
        ("scan-of-no-bucket", vec!["scan", "s3://a b"]),
        ("scan-until-before-since", vec!["scan", SCANNED, "--since", "1d", "--until", "2d"]),
        ("scan-fail-on-unknown-severity", vec!["scan", "--fail-on", "hihg", SCANNED]),
        ("tail-without-arguments", vec!["tail"]),
        ("tail-since-unreadable", vec!["tail", "--since", "yesterday", SCANNED]),
        ("tail-file-and-log-group", vec!["tail", SCANNED, "--log-group", "trail"]),
        ("explain-without-an-event", vec!["explain", "--rule", "trail-stopped"]),
        ("rules-test-filter-broken", vec!["rules", "test", "--filter", "(", TRAIL_RULE]),
        ("rules-bench-time-unreadable", vec!["rules", "bench", "--time", "long"]),
        ("rules-test-coverage-of-too-much", vec!["rules", "test", "--coverage-min", "101", TRAIL_RULE]),
        ("tail-filter-broken", vec!["tail", SCANNED, "--filter", "{ $.eventName == StopLogging }"]),
        ("tail-file-and-queue", vec!["tail", SCANNED, "--queue", "trail"]),
        ("tail-since-of-a-queue", vec!["tail", "--queue", "trail", "--since", "10m"]),
        ("tail-bucket-without-queue", vec!["tail", "--log-group", "trail", "--bucket", "b"]),
        ("tail-pushdown-without-findings", vec!["tail", "-f", "--log-group", "trail", "--pushdown"]),
        (
            "tail-pushdown-of-what-cannot-be-said",
            vec![
                "tail",
                "-f",
                "--log-group",
                "trail",
                "--findings",
                "--pushdown",
                "--rules",
                "tests/fixtures/sigma/keywords.yml",
            ],
        ),
        ("tail-filter-unclosed", vec!["tail", SCANNED, "--filter", "{ $.eventName = \"StopLogging }"]),
    ] {
        check(name, &args);
    }
}

#[test]
fn configuration_and_state() {
    const BROKEN: &str = "tests/fixtures/broken-config/several-mistakes.toml";
    for (name, args) in [
        ("config-check-broken", vec!["config", "check", "--config", BROKEN]),
        ("config-check-without-one", vec!["config", "check"]),
        ("config-check-no-such-file", vec!["config", "check", "--config", "no-such.toml"]),
        ("run-broken", vec!["run", "--config", BROKEN]),
        ("state-show-without-one", vec!["state", "show", "--state", "no-such-folder"]),
        ("outbox-retry-without-numbers", vec!["outbox", "retry", "--state", "no-such-folder"]),
    ] {
        check(name, &args);
    }
}

#[test]
fn rules_match() {
    const EVENTS: &str = "tests/fixtures/match/events.jsonl";
    const EVENT: &str = "tests/fixtures/match/event.json";
    const PATTERN: &str = "tests/fixtures/match/pattern.json";
    let given = |pattern| ["rules", "match", "--event-pattern", pattern];
    for (name, args) in [
        ("rules-match", [&given(PATTERN)[..], &[EVENT]].concat()),
        ("rules-match-several", [&given(PATTERN)[..], &[EVENT, EVENTS]].concat()),
        ("rules-match-json", [&given(PATTERN)[..], &[EVENTS, "--format", "json"]].concat()),
        ("rules-match-inline", [&given(r#"{"source":["aws.ec2"]}"#)[..], &[EVENT]].concat()),
        ("rules-match-broken-pattern", [&given(r#"{"source":["aws.ec2"],"detail":{"a":"x"}}"#)[..], &[EVENT]].concat()),
        ("rules-match-something-behind", [&given(r#"{"source":["aws.xray"]}}"#)[..], &[EVENT]].concat()),
        ("rules-match-no-such-pattern", [&given("no-such.json")[..], &[EVENT]].concat()),
        ("rules-match-no-such-event", [&given(PATTERN)[..], &["no-such.json", EVENT]].concat()),
        ("rules-match-no-objects", [&given(PATTERN)[..], &["tests/fixtures/match/array.json", TRAIL_RULE]].concat()),
        ("rules-match-filter", vec!["rules", "match", "--filter", "{ $.detail.n > 3 }", EVENTS]),
        ("rules-match-filter-broken", vec!["rules", "match", "--filter", "{ $.n => 3 }", EVENTS]),
        ("rules-match-two-patterns", [&given(PATTERN)[..], &["--filter", "{ $.a = 1 }", EVENT]].concat()),
        ("rules-match-nothing", vec!["rules", "match", EVENT]),
    ] {
        check(name, &args);
    }
}

#[test]
fn rules_import_of_event_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let args = ["rules", "import", "--from", "event-pattern", "tests/fixtures/event-patterns", "--out", out];
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("rules-import-event-patterns", shown(trailwatch(&args))));
    let mut written = String::new();
    for entry in walkdir::WalkDir::new(out).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            written += &format!("# ----- {}\n", entry.file_name().to_str().unwrap());
            written += &std::fs::read_to_string(entry.path()).unwrap();
        }
    }
    settings.bind(|| insta::assert_snapshot!("rules-import-event-patterns-written", written));
}

#[test]
fn findings_are_shown_without_their_events() {
    check("tail-findings", &["tail", SCANNED, "--findings", "--rules", TRAIL_RULE]);
    check("tail-findings-as-json", &["tail", SCANNED, "--findings", "-o", "json", "--rules", TRAIL_RULE]);
}

#[test]
fn rules_import() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let sigma = "tests/fixtures/sigma/several_documents.yml";
    let broken = "tests/fixtures/broken-sigma/condition-aggregation.yml";
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let args = ["rules", "import", "--from", "sigma", sigma, broken, "--out", out];
    let first = shown(trailwatch(&args));
    let second = shown(trailwatch(&args));
    assert_eq!(first, second, "what stands there already is the same");
    settings.bind(|| insta::assert_snapshot!("rules-import", first));
    let written = folder.path().join("imported/several-documents-2.toml");
    settings.bind(|| insta::assert_snapshot!("rules-import-written", std::fs::read_to_string(&written).unwrap()));
    std::fs::write(&written, "mine").unwrap();
    let third = shown(trailwatch(&args)).replace(out, "OUT");
    settings.bind(|| insta::assert_snapshot!("rules-import-over-a-file-of-mine", third));
}

#[test]
fn rules() {
    for (name, args) in [
        ("rules-check-sigma", vec!["rules", "check", "tests/fixtures/sigma/several_documents.yml"]),
        ("rules-list-of-a-folder", vec!["rules", "list", "tests/fixtures/failing-rules"]),
        ("rules-check-good", vec!["rules", "check", TRAIL_RULE]),
        ("rules-check-without-an-anchor", vec!["rules", "check", "tests/fixtures/failing-rules"]),
        (
            "rules-check-broken",
            vec![
                "rules",
                "check",
                "tests/fixtures/broken-rules/several-mistakes-and-broken-toml.toml",
                "tests/fixtures/broken-rules/not-utf8.toml",
                TRAIL_RULE,
            ],
        ),
        ("rules-check-the-same-id-twice", vec!["rules", "check", TRAIL_RULE, TRAIL_RULE]),
        ("rules-check-of-nothing", vec!["rules", "check", "src", "no/such/folder"]),
        ("rules-test-passing", vec!["rules", "test", TRAIL_RULE]),
        ("rules-test-failing", vec!["rules", "test", "tests/fixtures/failing-rules"]),
        ("rules-test-broken", vec!["rules", "test", "tests/fixtures/broken-rules/severity-unknown.toml"]),
        ("rules-list-broken", vec!["rules", "list", "tests/fixtures/broken-rules/severity-unknown.toml"]),
    ] {
        check(name, &args);
    }
}

#[test]
fn rules_export() {
    const DATA_EVENT: &str = "tests/fixtures/odd-rules/call-a-data-event.toml";
    const KEYWORDS: &str = "tests/fixtures/sigma/keywords.yml";
    for (name, args) in [
        ("rules-export-filter-pattern", vec!["--to", "filter-pattern", TRAIL_RULE, BLINDED_RULE]),
        ("rules-export-event-pattern", vec!["--to", "event-pattern", TRAIL_RULE, BLINDED_RULE]),
        ("rules-export-json", vec!["--to", "event-pattern", "--format", "json", "--rules", TRAIL_RULE]),
        ("rules-export-unreached", vec!["--to", "filter-pattern", KEYWORDS, DATA_EVENT]),
        ("rules-export-broken", vec!["--to", "filter-pattern", SEVERITY_UNKNOWN]),
        ("rules-export-to-nowhere", vec!["--to", "sql", "rules"]),
    ] {
        check(name, &[vec!["rules", "export"], args].concat());
    }
}

#[test]
fn explain() {
    let named = ["--rule", BLINDED_RULE];
    for (name, args) in [
        ("explain-a-rule", [&named[..], &[EXPLAINED]].concat()),
        ("explain-a-rule-as-json", [&named[..], &["-o", "json", EXPLAINED]].concat()),
        ("explain-a-policy", vec!["explain", "--rule", "xray-resource-policy-put", POLICIES]),
        ("explain-a-match", vec!["explain", "--rule", TRAIL_RULE, CLEAN]),
        ("explain-all-rules", vec!["--rules", "tests/fixtures/odd-rules", EXPLAINED]),
        ("explain-every-rule", vec!["--all", "--rules", "tests/fixtures/odd-rules", CLEAN]),
        ("explain-by-id", vec!["--rule", "trail-stopped", "--rules", TRAIL_RULE, SCANNED]),
        ("explain-id-misspelt", vec!["--rule", "trail-stoped", "--rules", TRAIL_RULE, CLEAN]),
        ("explain-broken-rule", vec!["--rule", "tests/fixtures/broken-rules/severity-unknown.toml", CLEAN]),
        ("explain-no-such-file", vec!["--rule", TRAIL_RULE, "no/such/file.json"]),
        ("explain-nothing", vec!["--rule", TRAIL_RULE, "/dev/null"]),
    ] {
        let args = args.strip_prefix(&["explain"]).unwrap_or(&args);
        check(name, &[&["explain"], args].concat());
    }
}

const INSIDE: &str = "tests/fixtures/explain-inside/events.jsonl";

#[test]
fn what_is_inside_values_is_explained() {
    let rule = ["--rule", "tests/fixtures/explain-inside/ssh-open.toml"];
    let exceptions = ["--exceptions", "tests/fixtures/exceptions"];
    check("explain-inside", &[&["explain"], &rule[..], &[INSIDE]].concat());
    check("explain-inside-json", &[&["explain", "-o", "json"], &rule[..], &[INSIDE]].concat());
    check("explain-exception-of-its-own-file", &[&["explain"], &rule[..], &exceptions, &[INSIDE]].concat());
    let rules = ["--rules", "tests/fixtures/explain-inside"];
    check("scan-with-exceptions", &[&["scan"], &rules[..], &exceptions, &[INSIDE]].concat());
    check("rules-check-with-exceptions", &[&["rules", "check"], &rules[..], &exceptions].concat());
    check("rules-test-with-exceptions", &[&["rules", "test"], &rules[..], &exceptions].concat());
    check("scan-with-exceptions-that-are-rules", &["scan", "--exceptions", "tests/fixtures/explain-inside", INSIDE]);
}

#[test]
fn rules_tried_in_other_ways() {
    for (name, args) in [
        ("rules-test-coverage", vec!["test", "--coverage", BLINDED_RULE]),
        ("rules-test-coverage-too-low", vec!["test", "--coverage-min", "90%", BLINDED_RULE]),
        ("rules-test-mutate", vec!["test", "--mutate", BLINDED_RULE]),
        ("rules-test-filter", vec!["test", "--filter", "^trail-stopped::st", "tests/fixtures/failing-rules"]),
        ("rules-test-filter-of-nothing", vec!["test", "--filter", "nosuchtest", TRAIL_RULE]),
        ("rules-test-junit", vec!["test", "--format", "junit", "tests/fixtures/failing-rules/trail-stopped.toml"]),
        ("rules-test-json", vec!["test", "--format", "json", "--coverage", "--mutate", BLINDED_RULE]),
        ("rules-check-warnings-denied", vec!["check", "--deny-warnings", "tests/fixtures/odd-rules/no-near-miss.toml"]),
        (
            "rules-check-more-calls-known",
            vec!["check", "--known-events", "tests/fixtures/known-events/more.toml", CALL_UNKNOWN],
        ),
        (
            "rules-check-known-calls-broken",
            vec!["check", "--known-events", "tests/fixtures/known-events/broken.toml", CALL_UNKNOWN],
        ),
        ("rules-check-known-calls-missing", vec!["check", "--known-events", "no/such/file.toml", TRAIL_RULE]),
        (
            "rules-check-for-eventbridge",
            vec!["check", "--source", "eventbridge", "tests/fixtures/odd-rules/not-by-eventbridge.toml", TRAIL_RULE],
        ),
        (
            "rules-check-for-a-log-group",
            vec!["check", "--source", "cloudwatch-logs", "tests/fixtures/odd-rules/not-by-eventbridge.toml"],
        ),
        ("rules-check-json", vec!["check", "--format", "json", "tests/fixtures/failing-rules", SEVERITY_UNKNOWN]),
        ("rules-check-github", vec!["check", "--format", "github", "tests/fixtures/failing-rules", SEVERITY_UNKNOWN]),
        ("rules-check-sarif", vec!["check", "--format", "sarif", "tests/fixtures/failing-rules", SEVERITY_UNKNOWN]),
        ("rules-new", vec!["new", EXPLAINED]),
        ("rules-new-of-no-record", vec!["new", "tests/fixtures/records/insight-start.json"]),
    ] {
        check(name, &[&["rules"], &args[..]].concat());
    }
}

/// A survivor has to be given leave, with a reason beside the line.
/// Takes out what was measured. The dearest rule stands first, so the rules' lines are put into an order of their own.
fn without_costs(shown: &str) -> String {
    let cost = Regex::new(r#" +[0-9.]+ (ns|%)|("(?:[a-z]+_)?(?:ns|percent)":)[0-9.]+"#).unwrap();
    let masked = cost.replace_all(shown, "$2 [$1]");
    let is_rule = |line: &&str| line.contains("[ns] [%]");
    let mut rules: Vec<&str> = masked.lines().filter(is_rule).collect();
    rules.sort_unstable();
    let mut rules = rules.into_iter();
    let lines = masked.lines().map(|line| if is_rule(&line) { rules.next().unwrap() } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_rules_cost() {
    let folder = "tests/fixtures/failing-rules";
    for (name, args) in [
        ("rules-bench", vec!["--rules", folder, SCANNED]),
        ("rules-bench-json", vec!["--rules", folder, "--format", "json", SCANNED]),
        ("rules-bench-made-up-events", vec!["--rules", TRAIL_RULE]),
        ("rules-bench-without-events", vec!["--rules", TRAIL_RULE, "tests/fixtures/good-rules"]),
        ("rules-bench-broken-rule", vec!["--rules", SEVERITY_UNKNOWN]),
    ] {
        let args = [&["rules", "bench", "--time", "0s"], &args[..]].concat();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/cli");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(format!("trailwatch {}", args.join(" ")));
        settings.bind(|| insta::assert_snapshot!(name, without_costs(&shown(trailwatch(&args)))));
    }
}

#[test]
fn no_change_of_a_shipped_rule_goes_unnoticed() {
    let output = trailwatch(&["rules", "test", "--mutate", "--coverage-min", "100"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_new_rule_is_good_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.toml");
    for (event, is_record) in [
        (EXPLAINED, true),
        (CLEAN, true),
        ("tests/fixtures/records/console-login-failure.json", true),
        ("tests/fixtures/records/escapes.json", true),
        ("tests/fixtures/records/terminal-escapes.json", true),
        ("tests/fixtures/records/insight-end.json", false),
    ] {
        let made = trailwatch(&["rules", "new", event]).output().unwrap();
        assert_eq!(made.status.success(), is_record, "{event}: {made:?}");
        if is_record {
            std::fs::write(&path, &made.stdout).unwrap();
            for verb in ["check", "test"] {
                let output = trailwatch(&["rules", verb, path.to_str().unwrap()]).output().unwrap();
                assert!(output.status.success(), "{event}: {output:?}\n{}", String::from_utf8_lossy(&made.stdout));
            }
        }
    }
}

/// `cargo run -- rules list --format markdown > rules/README.md` makes it anew.
#[test]
fn the_index_of_the_shipped_rules_is_up_to_date() {
    let output = trailwatch(&["rules", "list", "--format", "markdown"]).output().unwrap();
    let index = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/README.md")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), index);
}

#[test]
fn the_shipped_rules_are_used_where_none_are_named() {
    let output = |args| {
        let output = trailwatch(args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = output(&["rules", "list"]).lines().filter(|line| line.starts_with(' ')).count();
    assert!(listed >= 10);
    assert_eq!(output(&["rules", "check"]), format!("{listed} rules without a problem\n"));
}

#[test]
fn rules_that_cannot_be_used_end_a_run() {
    check("scan-rules-unknown-folder", &["scan", "--rules", "no/such/folder", SCANNED]);
    check("scan-rules-broken", &["scan", "--rules", "tests/fixtures/broken-rules/severity-unknown.toml", SCANNED]);
    check("tail-rules-unknown-folder", &["tail", "--rules", "no/such/folder", SCANNED]);
}

#[test]
fn garbage_is_told_and_stops_nothing() {
    check("scan-with-garbage", &["scan", "--rules", TRAIL_RULE, SCANNED]);
    check("scan-with-garbage-quiet", &["scan", "--quiet", "--rules", TRAIL_RULE, SCANNED]);
    check("tail-with-garbage", &["tail", "--rules", TRAIL_RULE, SCANNED]);
}

#[test]
fn a_storm_is_a_finding_and_a_digest() {
    let scan = ["scan", "--rules", "tests/fixtures/storm/denied.toml", "tests/fixtures/storm/events.jsonl"];
    check("scan-storm", &scan);
    check("scan-storm-json", &[&scan[..], &["-q", "-o", "json"]].concat());
    check("tail-storm-findings", &["tail", "--findings", "--rules", scan[2], scan[3]]);
    let every = shown(trailwatch(&[&scan[..], &["-q", "--every-match", "-o", "json"]].concat()));
    assert_eq!(every.matches("\"schema_version\"").count(), 1_250);
    assert!(!every.contains("\"digest\""));
}

#[test]
fn findings_decide_the_exit_code_where_asked() {
    check("scan-clean", &["scan", "--rules", TRAIL_RULE, CLEAN]);
    check("scan-fail-on-high", &["scan", "--rules", TRAIL_RULE, "--fail-on", "high", CLEAN]);
    check("scan-fail-on-critical", &["scan", "--rules", TRAIL_RULE, "--fail-on", "critical", CLEAN]);
    check("scan-fail-on-high-with-garbage", &["scan", "--rules", TRAIL_RULE, "--fail-on", "high", "-q", SCANNED]);
}

#[test]
fn paths_with_nothing_to_read() {
    check("scan-folder-without-events", &["scan", "--rules", TRAIL_RULE, "tests/fixtures/good-rules"]);
    check("tail-no-such-file", &["tail", "--rules", TRAIL_RULE, "no/such/file.json"]);
    check("scan-no-such-file", &["scan", "--rules", TRAIL_RULE, "no/such/file.json", SCANNED]);
}

#[test]
fn colours_are_shown_where_they_are_wanted() {
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let output = trailwatch(args).envs(variables.iter().copied()).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| bytes.contains(&0x1b))
    };
    let scan = ["scan", "--rules", TRAIL_RULE, SCANNED];
    let always = ["scan", "--rules", TRAIL_RULE, "--color", "always", SCANNED];
    let never = ["scan", "--rules", TRAIL_RULE, "--color", "never", SCANNED];
    assert_eq!(coloured(&scan, &[]), [false, false], "no terminal");
    assert_eq!(coloured(&scan, &[("NO_COLOR", "1")]), [false, false], "NO_COLOR");
    assert_eq!(coloured(&scan, &[("CLICOLOR_FORCE", "1")]), [true, true], "CLICOLOR_FORCE");
    assert!(coloured(&always, &[])[0], "--color always");
    assert!(coloured(&always, &[("NO_COLOR", "1")])[0], "--color always goes before NO_COLOR");
    assert!(!coloured(&never, &[("CLICOLOR_FORCE", "1")])[0], "--color never goes before CLICOLOR_FORCE");
    check("scan-in-colour", &always);
}

/// A pipe whose reader has gone before anything is written.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_has_gone_ends_a_run_quietly() {
    for args in [
        vec!["rules", "list"],
        vec!["rules", "check"],
        vec!["rules", "test", TRAIL_RULE],
        vec!["rules", "new", CLEAN],
        vec!["rules", "schema"],
        vec!["explain", CLEAN],
        vec!["scan", "--quiet", "--rules", TRAIL_RULE, CLEAN],
        vec!["tail", "--rules", TRAIL_RULE, CLEAN],
        vec!["--help"],
    ] {
        let output = trailwatch(&args).stdout(closed_pipe()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_in_between_ends_a_run_quietly() {
    let mut tail = trailwatch(&["tail", "--rules", TRAIL_RULE, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tail.stdout.take());
    let event = std::fs::read(format!("{}/{CLEAN}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    // The program may be gone before it has read everything.
    let _ = tail.stdin.take().unwrap().write_all(&event.repeat(1_000));
    let mut said = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((tail.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn nobody_has_to_listen_to_complaints() {
    let broken = "tests/fixtures/broken-rules/several-mistakes.toml";
    for (args, code) in [
        (vec!["rules", "check", broken], 1),
        (vec!["scan", "--rules", broken, SCANNED], 253),
        (vec!["scan", "--rules", TRAIL_RULE, SCANNED], 3),
    ] {
        let status = trailwatch(&args).stdout(Stdio::null()).stderr(closed_pipe()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

/// A full disk is no reader that has gone.
#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_told() {
    for args in [["scan", EVENTS], ["tail", EVENTS]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_trailwatch"))
            .args(args)
            .args(["--rules", "tests/fixtures/good-rules"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(full)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(255), "{said}");
        assert!(said.contains("cannot write the output"), "{said}");
    }
}

#[test]
fn an_endpoint_without_a_scheme_is_no_url() {
    check("tail-endpoint-without-scheme", &["tail", "--log-group", "x", "--endpoint-url", "localhost:4566"]);
}

#[test]
fn an_end_before_the_start_is_refused() {
    check("tail-until-before-since", &["tail", "--log-group", "x", "--since", "1m", "--until", "5m"]);
}

const EVENTS: &str = "tests/fixtures/scan/with-garbage.jsonl";
