//! Roles that are assumed: in a chain, anew while running, and what is said of one that cannot be.

use std::process::{Command, Stdio};
use std::time::Duration;

use trailwatch::sim::{Endpoint, LogEvent};

const OUTER: &str = "arn:aws:iam::111122223333:role/outer";
const INNER: &str = "arn:aws:iam::444455556666:role/inner";
const GROUP: &str = "trail-group";

/// The real binary against an endpoint, with credentials that are good for assuming roles.
pub fn trailwatch(endpoint: &Endpoint, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command
        .args(args)
        .args(["--endpoint-url", &endpoint.url(), "--region", "us-east-1"])
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
    command
}

/// Its exit code, what it printed, and what it said.
pub async fn ran(mut command: Command) -> (Option<i32>, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn endpoint() -> Endpoint {
    let endpoint = Endpoint::start().await.unwrap();
    endpoint.roles().create(OUTER, None, None);
    endpoint.roles().create(INNER, Some(OUTER), Some("between-us"));
    let record = r#"{"eventVersion":"1.11","eventID":"e1","eventName":"GetGroups","eventSource":"xray.amazonaws.com"}"#;
    let event = LogEvent { timestamp_ms: endpoint.logs().clock().now_ms() - 1_000, message: record.into() };
    endpoint.logs().put(GROUP, "s", event);
    endpoint
}

const CHAIN: [&str; 9] =
    ["tail", "--log-group", GROUP, "--role-arn", OUTER, "--role-arn", INNER, "--external-id", "between-us"];

#[tokio::test]
async fn calls_are_made_with_the_last_role_of_a_chain() {
    let endpoint = endpoint().await;
    let (code, stdout, stderr) = ran(trailwatch(&endpoint, &CHAIN)).await;
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stdout}{stderr}");
    let roles = endpoint.roles();
    assert!(roles.calls(INNER, "FilterLogEvents") > 0);
    assert_eq!((roles.calls(OUTER, "FilterLogEvents"), roles.calls("", "FilterLogEvents")), (0, 0));
    assert!(roles.session_names(INNER).iter().all(|name| name == "trailwatch"));
    endpoint.stop().await;
}

#[tokio::test]
async fn credentials_of_a_role_are_renewed_while_running() {
    let endpoint = endpoint().await;
    // The SDK renews what is good for less than ten seconds at every call. Starting takes three.
    endpoint.roles().set_life(Duration::from_secs(8));
    let enough = 6;
    let mut command = trailwatch(&endpoint, &CHAIN);
    command.arg("-f").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let reads = || endpoint.roles().calls(INNER, "FilterLogEvents");
    while endpoint.roles().session_names(INNER).len() < enough || reads() < 2 {
        assert!(std::time::Instant::now() < deadline, "the role was not assumed again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    endpoint.stop().await;
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_told_with_what_was_tried() {
    let endpoint = endpoint().await;
    for (name, args) in [
        ("not-trusted", vec!["tail", "--log-group", GROUP, "--role-arn", INNER, "--external-id", "between-us"]),
        ("second-of-a-chain", vec!["tail", "--log-group", GROUP, "--role-arn", OUTER, "--role-arn", INNER]),
        ("no-role", vec!["tail", "--log-group", GROUP, "--role-arn", "reader"]),
        ("external-id-without-role", vec!["tail", "--log-group", GROUP, "--external-id", "x"]),
    ] {
        let (code, stdout, stderr) = ran(trailwatch(&endpoint, &args)).await;
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/roles");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let shown = format!("exit code {code:?}\n{stdout}{stderr}");
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }
    endpoint.stop().await;
}
