//! Credentials are found where the AWS CLI finds them: each way there is, with the real binary, and what is told where there are
//! none.

use std::path::Path;
use std::process::Command;

use super::receiver::{Receiver, Request, answer};

/// SHA-1 of `corp`: the name of a single sign-on session's file.
const SESSION_FILE: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

const LATER: &str = "2099-01-01T00:00:00Z";

/// All that gives credentials, and a log group that holds nothing.
fn script(_: usize, request: &Request) -> Option<String> {
    let json = [("content-type", "application/x-amz-json-1.1")];
    let given = |id: &str| {
        format!(
            r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"{LATER}",
                "LastUpdated":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let line = request.line.as_str();
    Some(if request.headers.contains_key("x-amz-target") {
        answer(200, &json, r#"{"events":[]}"#)
    } else if request.body.contains("AssumeRoleWithWebIdentity") {
        answer(
            200,
            &[("content-type", "text/xml")],
            &format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <AccessKeyId>AKIDWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>{LATER}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                 </AssumeRoleWithWebIdentityResponse>"
            ),
        )
    } else if line.contains("/federation/credentials") {
        let body = r#"{"roleCredentials":{"accessKeyId":"AKIDSSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#;
        answer(200, &[("content-type", "application/json")], body)
    } else if line.starts_with("PUT /latest/api/token") {
        answer(200, &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token")
    } else if line.contains("/security-credentials/machine") || line.contains("/security-credentials-extended/machine")
    {
        answer(200, &[], &given("AKIDMACHINE"))
    } else if line.contains("/meta-data/iam/security-credentials") {
        answer(200, &[], "machine")
    } else if line.starts_with("GET /task") {
        answer(200, &[], &given("AKIDTASK"))
    } else {
        answer(404, &[], "")
    })
}

/// The binary in a home of its own, whose files these are.
fn trailwatch(home: &Path, receiver: &Receiver) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(["tail", "--log-group", "trail"]).env_clear().env("HOME", home).env("AWS_REGION", "us-east-1");
    let url = base(receiver);
    command.env("AWS_ENDPOINT_URL", &url).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
    command.env("AWS_CONFIG_FILE", home.join("config")).env("AWS_SHARED_CREDENTIALS_FILE", home.join("credentials"));
    command
}

fn base(receiver: &Receiver) -> String {
    format!("http://{}", receiver.address)
}

/// Exit code and standard error.
async fn ran(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let process = format!(
        r#"{{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"s","SessionToken":"t","Expiration":"{LATER}"}}"#
    );
    let config = format!(
        "[profile process]\ncredential_process = /bin/cat {}\n\
         [profile broken]\ncredential_process = /bin/cat {}\n\
         [profile web]\nrole_arn = arn:aws:iam::111122223333:role/web\nweb_identity_token_file = {}\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Audit\n\
         [profile away]\nsso_session = gone\nsso_account_id = 111122223333\nsso_role_name = Audit\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n\
         [sso-session gone]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n",
        at("process.json"),
        at("no-such-file"),
        at("token"),
    );
    let session = format!(
        r#"{{"accessToken":"token","expiresAt":"{LATER}","region":"us-east-1","startUrl":"https://example.awsapps.com/start"}}"#
    );
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    for (name, text) in [
        ("config", config.as_str()),
        ("credentials", "[static]\naws_access_key_id = AKIDSTATIC\naws_secret_access_key = s\n"),
        ("process.json", &process),
        ("token", "token"),
        (&format!(".aws/sso/cache/{SESSION_FILE}"), &session),
    ] {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_found_by_each_way_that_the_aws_cli_knows() {
    let home = home();
    for (profile, key) in [
        (Some("static"), "AKIDSTATIC"),
        (Some("process"), "AKIDPROCESS"),
        (Some("web"), "AKIDWEB"),
        (Some("sso"), "AKIDSSO"),
        (None, "AKIDMACHINE"),
    ] {
        let receiver = Receiver::start(script).await;
        let mut command = trailwatch(home.path(), &receiver);
        command.args(profile.iter().flat_map(|profile| ["--profile", profile]));
        let (code, stderr) = ran(command).await;
        assert_eq!(code, Some(0), "{profile:?}: {stderr}");
        let reads: Vec<Request> = receiver.requests();
        let signed: Vec<&String> = reads
            .iter()
            .filter(|request| {
                request.headers.get("x-amz-target").is_some_and(|target| target.contains("FilterLogEvents"))
            })
            .filter_map(|request| request.headers.get("authorization"))
            .collect();
        assert!(!signed.is_empty() && signed.iter().all(|by| by.contains(&format!("Credential={key}/"))), "{signed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_gives_its_own() {
    let (home, receiver) = (home(), Receiver::start(script).await);
    let mut command = trailwatch(home.path(), &receiver);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/task", base(&receiver)));
    let (code, stderr) = ran(command).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        receiver.requests().iter().any(|request| {
            request.headers.get("authorization").is_some_and(|by| by.contains("Credential=AKIDTASK/"))
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_none_it_is_told_what_was_tried_and_what_to_do() {
    let (home, receiver) = (home(), Receiver::start(|_, _| Some(answer(404, &[], ""))).await);
    for (profile, told) in [
        ("away", ["profile `away` in region `us-east-1`", "SSO token", "`aws sso login --profile away`"]),
        ("broken", ["profile `broken` in region `us-east-1`", "external process", "`--profile`"]),
        ("web", ["profile `web` in region `us-east-1`", "error", "`--profile`"]),
        ("nosuch", ["profile `nosuch`", "`us-east-1`", "`--profile`"]),
    ] {
        let mut command = trailwatch(home.path(), &receiver);
        command.args(["--profile", profile]);
        let (code, stderr) = ran(command).await;
        assert_eq!(code, Some(254), "{profile}: {stderr}");
        assert!(told.iter().all(|told| stderr.contains(told)), "{profile}: {stderr}");
    }
}
