//! Webhooks against a receiver that does as it is told: what is sent, what each answer means, who is spoken to at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use trailwatch::finding::Finding;
use trailwatch::sink::webhook::{Settings, Webhook};
use trailwatch::sink::{Cause, Outcome, Sink};

use crate::foreign::finding;
use crate::receiver::{Receiver, Request, answer};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Settings for a receiver of the test's own.
fn local(receiver: &Receiver) -> Settings {
    // A machine that is busy may be slow.
    let timeout = Duration::from_secs(60);
    Settings { allow_private: true, timeout, ..Settings::new(receiver.url()) }
}

fn webhook(settings: Settings) -> Webhook {
    Webhook::new("hook", settings).unwrap_or_else(|error| panic!("{error}"))
}

fn findings(count: usize) -> Vec<Arc<Finding>> {
    (0..count).map(|n| Arc::new(Finding { id: format!("{n:032x}"), ..finding() })).collect()
}

async fn deliver(settings: Settings, count: usize) -> Vec<Outcome> {
    webhook(settings).deliver(&findings(count)).await.unwrap()
}

/// What becomes of one finding that is answered so.
async fn answered(answer: String) -> Outcome {
    let receiver = Receiver::start(move |_, _| Some(answer.clone())).await;
    deliver(local(&receiver), 1).await.remove(0)
}

fn retry(cause: Cause, reason: &str, after_s: Option<u64>) -> Outcome {
    Outcome::Retry { cause, reason: reason.to_owned(), after: after_s.map(Duration::from_secs) }
}

#[tokio::test]
async fn what_a_receiver_echoes_of_our_secrets_is_not_told() {
    let receiver = Receiver::start(|_, request| {
        let echoed = format!("Cannot {} {:?} {}", request.line, request.headers, "x".repeat(300));
        Some(answer(404, &[], &echoed))
    })
    .await;
    let url = receiver.url().replace("/hook", "/services/T0/B0/hook?token=abcdefgh");
    let headers = vec![("Authorization".into(), "Bearer s3cr3t".into())];
    let outcome = webhook(Settings { headers, url, ..local(&receiver) }).deliver(&findings(1)).await.unwrap().remove(0);
    let Outcome::Refused(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("Cannot POST <redacted>"), "{reason}");
    for secret in ["T0/B0", "abcdefgh", "s3cr3t"] {
        assert!(!reason.contains(secret), "{reason}");
    }
}

#[tokio::test]
async fn a_request_holds_one_finding_and_says_which() {
    let receiver = Receiver::start(|_, _| Some(answer(204, &[], ""))).await;
    let settings = Settings {
        headers: vec![("Authorization".into(), "Bearer abc".into()), ("X-Team".into(), "red".into())],
        ..local(&receiver)
    };
    assert_eq!(deliver(settings, 3).await, vec![Outcome::Delivered; 3]);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    for (request, finding) in requests.iter().zip(findings(3)) {
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.body, finding.to_json());
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        assert_eq!((header("webhook-id"), header("idempotency-key")), (Some(&*finding.id), Some(&*finding.id)));
        assert_eq!((header("authorization"), header("x-team")), (Some("Bearer abc"), Some("red")));
        assert_eq!(header("content-type"), Some("application/json"));
        assert!(header("user-agent").unwrap().starts_with("trailwatch/"));
        assert!(header("webhook-timestamp").unwrap().parse::<i64>().unwrap() > 1_700_000_000);
        assert_eq!(header("webhook-signature"), None);
    }
}

/// The signature that a receiver works out for itself.
fn expected_signature(key: &[u8], request: &Request) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    let (id, time) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn every_key_signs_and_the_id_stays_the_same_over_tries() {
    use base64::Engine;
    let receiver = Receiver::start(|before, _| Some(answer(if before == 0 { 500 } else { 200 }, &[], ""))).await;
    let old = base64::engine::general_purpose::STANDARD.decode(&KEY[6..]).unwrap();
    let new = [9_u8; 32];
    let encoded = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(new));
    let mut webhook = webhook(Settings { signing_keys: vec![KEY.to_owned(), encoded], ..local(&receiver) });
    let batch = findings(1);
    assert!(matches!(webhook.deliver(&batch).await.unwrap()[..], [Outcome::Retry { .. }]));
    assert_eq!(webhook.deliver(&batch).await.unwrap(), [Outcome::Delivered]);
    let requests = receiver.requests();
    for request in &requests {
        let signatures = [expected_signature(&old, request), expected_signature(&new, request)].join(" ");
        assert_eq!(request.headers["webhook-signature"], signatures);
    }
    let ids: Vec<&str> = requests.iter().map(|request| request.headers["webhook-id"].as_str()).collect();
    assert_eq!(ids, [batch[0].id.as_str(); 2]);
}

#[tokio::test]
async fn each_answer_means_what_the_receiver_meant() {
    let body = "nope\u{1b}[31m\nsecond line";
    for status in [200, 201, 202, 204, 299] {
        let text = if status == 204 { "" } else { body };
        assert_eq!(answered(answer(status, &[], text)).await, Outcome::Delivered, "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let outcome = answered(answer(status, &[], body)).await;
        let unsaid = (status == 429).then_some(Duration::ZERO);
        assert!(matches!(&outcome, Outcome::Retry { after, .. } if *after == unsaid), "{status}: {outcome:?}");
        let outcome = answered(answer(status, &[("retry-after", "17")], "")).await;
        assert!(
            matches!(&outcome, Outcome::Retry { after: Some(wait), .. } if wait.as_secs() == 17),
            "{status}: {outcome:?}"
        );
    }
    let mut refusals = Vec::new();
    for status in [400, 401, 403, 404, 410, 413, 422, 499] {
        let Outcome::Refused(reason) = answered(answer(status, &[("retry-after", "1")], body)).await else {
            panic!("{status} is not refused");
        };
        refusals.push(reason);
    }
    for status in [301, 302, 303, 307, 308] {
        let location = [("location", "http://169.254.169.254/latest/\u{202e}x")];
        let Outcome::Refused(reason) = answered(answer(status, &location, "")).await else {
            panic!("{status} is not refused");
        };
        refusals.push(reason);
    }
    insta::assert_snapshot!("refusals", refusals.join("\n"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    let (to, location) = (elsewhere.url(), elsewhere.url());
    let receiver = Receiver::start(move |_, _| Some(answer(307, &[("location", &to)], ""))).await;
    let outcome = deliver(local(&receiver), 1).await.remove(0);
    assert!(matches!(&outcome, Outcome::Refused(reason) if reason.contains(&location)), "{outcome:?}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_receiver_that_asks_to_be_left_alone_is_left_alone() {
    let receiver = Receiver::start(|before, _| {
        Some(if before == 1 { answer(429, &[("retry-after", "30")], "slow down") } else { answer(200, &[], "") })
    })
    .await;
    let limited = retry(Cause::Throttled, "the receiver answered 429 Too Many Requests: slow down", Some(30));
    let outcomes = deliver(local(&receiver), 4).await;
    assert_eq!(outcomes, [Outcome::Delivered, limited], "the other two are not tried");
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn one_finding_that_a_receiver_stumbles_over_does_not_hold_up_the_others() {
    let receiver = Receiver::start(|before, _| Some(answer(if before == 0 { 500 } else { 200 }, &[], ""))).await;
    let outcomes = deliver(local(&receiver), 3).await;
    let failed = retry(Cause::Failed, "the receiver answered 500 Internal Server Error", None);
    assert_eq!(outcomes, [failed, Outcome::Delivered, Outcome::Delivered]);
    let receiver = Receiver::start(|_, _| Some(answer(500, &[], ""))).await;
    assert_eq!(deliver(local(&receiver), 50).await.len(), 3, "one that takes nothing is not asked fifty times");
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn a_receiver_without_an_answer_is_tried_again() {
    let silent = Receiver::start(|_, _| None).await;
    let settings = Settings { timeout: Duration::from_millis(50), ..local(&silent) };
    assert_eq!(deliver(settings, 1).await, [retry(Cause::NoAnswer, "the receiver gave no answer in time", None)]);

    // It was taken, whatever becomes of the rest of the answer.
    let half = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100\r\n\r\nhalf";
    let breaks_off = Receiver::start(|_, _| Some(half.to_owned())).await;
    assert_eq!(deliver(local(&breaks_off), 1).await, [Outcome::Delivered]);

    let garbage = Receiver::start(|_, _| Some("\u{1b}[31mhello\r\n\r\n".to_owned())).await;
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let closed = Settings { allow_private: true, ..Settings::new(format!("http://127.0.0.1:{port}/secret-path")) };
    for settings in [local(&garbage), closed] {
        let outcome = deliver(settings, 1).await.remove(0);
        let Outcome::Retry { reason, after: None, .. } = &outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("the receiver") && !reason.contains("secret-path"), "{reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_the_bound() {
    // More than that never comes: who waited for it would wait for the time-out.
    let long = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 999999999\r\n\r\n{}", "x".repeat(70_000));
    let receiver = Receiver::start(move |_, _| Some(long.clone())).await;
    let settings = Settings { timeout: Duration::from_secs(300), ..local(&receiver) };
    let outcome = tokio::time::timeout(Duration::from_secs(60), deliver(settings, 1)).await.unwrap().remove(0);
    assert!(
        matches!(&outcome, Outcome::Refused(reason) if reason.len() < 300 && reason.contains("xxx…")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn names_that_lead_inside_are_not_spoken_to() {
    let receiver = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    let url = format!("http://localhost:{}/hook", receiver.address.port());
    let settings = Settings { allow_http: true, ..Settings::new(url.as_str()) };
    let outcome = deliver(settings.clone(), 1).await.remove(0);
    let Outcome::Retry { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(
        reason.contains("`localhost` is `") && reason.contains("a loopback address (set `allow_private`"),
        "{reason}"
    );
    assert!(receiver.requests().is_empty());
    assert_eq!(deliver(Settings { allow_private: true, ..settings }, 1).await, [Outcome::Delivered]);
}

/// Runs itself again in a process of its own, since proxies are named by the environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_used_only_if_it_is_asked_for() {
    let direct = Settings { allow_http: true, ..Settings::new("http://receiver.invalid/hook") };
    if std::env::var_os("TRAILWATCH_TEST_HAS_PROXY").is_some() {
        assert!(matches!(deliver(direct.clone(), 1).await[..], [Outcome::Retry { .. }]));
        assert_eq!(deliver(Settings { use_proxy: true, ..direct }, 1).await, [Outcome::Delivered]);
        return;
    }
    let proxy = Receiver::start(|_, _| Some(answer(200, &[], ""))).await;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "webhook::a_proxy_of_the_environment_is_used_only_if_it_is_asked_for"]);
    child.env("TRAILWATCH_TEST_HAS_PROXY", "1").env("NO_PROXY", "").env("no_proxy", "");
    child.env("HTTP_PROXY", format!("http://{}", proxy.address)).env("http_proxy", format!("http://{}", proxy.address));
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let lines: Vec<String> = proxy.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["POST http://receiver.invalid/hook HTTP/1.1"]);
}

fn problem(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings::new("https://example.com/hook");
    change(&mut settings);
    Webhook::new("hook", settings).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn good_settings_are_good() {
    assert_eq!(problem(|_| {}), "");
    assert_eq!(problem(|settings| settings.headers = vec![("Authorization".into(), "Bearer x".into())]), "");
    assert_eq!(problem(|settings| settings.signing_keys = vec![KEY.into()]), "");
    assert_eq!(problem(|settings| (settings.url, settings.allow_http) = ("http://example.com".into(), true)), "");
    assert_eq!(problem(|settings| (settings.url, settings.allow_private) = ("http://127.0.0.1".into(), true)), "");
}

#[test]
fn what_is_wrong_with_settings_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let url = |text: &str| problem(|settings| settings.url = text.to_owned());
    let header = |name: &str, value: &str| problem(|settings| settings.headers = vec![(name.into(), value.into())]);
    let table = [
        ("no URL", url("")),
        ("no scheme", url("example.com")),
        ("in the clear", url("http://example.com/hook")),
        ("another scheme", url("ftp://example.com")),
        ("a private address", url("https://10.0.0.1/hook")),
        ("an address in disguise", url("https://0x7f.1/hook")),
        ("a mapped address", url("https://[::ffff:169.254.169.254]/hook")),
        ("a key that is none", problem(|settings| settings.signing_keys = vec!["secret".into()])),
        ("our own header", header("Webhook-Id", "1")),
        ("a header that is none", header("a b", "1")),
        ("a line break in a header", header("X-Token", "a\r\nX-Other: b")),
        ("no time", problem(|settings| settings.timeout = Duration::ZERO)),
        ("no file", problem(|settings| settings.ca_file = Some(folder.path().join("none.pem")))),
        ("an empty file", problem(|settings| settings.ca_file = Some(empty.clone()))),
        ("no key", problem(|settings| settings.client_certificate_file = Some(empty.clone()))),
        ("no certificate", problem(|settings| settings.client_key_file = Some(empty.clone()))),
        (
            "a certificate that is none",
            problem(|settings| {
                settings.client_certificate_file = Some(empty.clone());
                settings.client_key_file = Some(empty.clone());
            }),
        ),
    ];
    let told = |text: String| text.replace(folder.path().to_str().unwrap(), "FOLDER");
    let table: Vec<String> = table.into_iter().map(|(what, text)| format!("{what}\n  {}", told(text))).collect();
    insta::assert_snapshot!("webhook_settings", table.join("\n"));
}

/// A certificate authority with a server on `localhost` and a client, and their files.
struct Authority {
    folder: tempfile::TempDir,
    server: ServerConfig,
}

impl Authority {
    fn new(asks_for_client: bool) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let certificate =
                CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
            (certificate, key)
        };
        let folder = tempfile::tempdir().unwrap();
        let (client, client_key) = issue("trailwatch");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("client.pem"), client.pem()).unwrap();
        std::fs::write(folder.path().join("client.key"), client_key.serialize_pem()).unwrap();
        let (server, server_key) = issue("localhost");
        let builder = match asks_for_client {
            false => ServerConfig::builder().with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
        };
        let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
        let server = builder.with_single_cert(vec![server.der().clone()], key).unwrap();
        Self { folder, server }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }
}

#[tokio::test]
async fn a_receiver_is_trusted_by_its_own_authority_alone() {
    let authority = Authority::new(false);
    let receiver = Receiver::start_tls(authority.server.clone()).await;
    let url = format!("https://localhost:{}/hook", receiver.address.port());
    let settings = Settings { allow_private: true, ..Settings::new(url) };
    let stranger = deliver(settings.clone(), 1).await.remove(0);
    assert!(matches!(&stranger, Outcome::Retry { reason, .. } if reason.contains("certificate")), "{stranger:?}");
    let other = Authority::new(false);
    let wrong = deliver(Settings { ca_file: other.file("ca.pem"), ..settings.clone() }, 1).await.remove(0);
    assert!(matches!(&wrong, Outcome::Retry { reason, .. } if reason.contains("certificate")), "{wrong:?}");
    let right = Settings { ca_file: authority.file("ca.pem"), ..settings };
    assert_eq!(deliver(right, 1).await, [Outcome::Delivered]);
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new(true);
    let receiver = Receiver::start_tls(authority.server.clone()).await;
    let url = format!("https://localhost:{}/hook", receiver.address.port());
    let without = Settings { allow_private: true, ca_file: authority.file("ca.pem"), ..Settings::new(url) };
    let outcome = deliver(without.clone(), 1).await.remove(0);
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let with = Settings {
        client_certificate_file: authority.file("client.pem"),
        client_key_file: authority.file("client.key"),
        ..without
    };
    assert_eq!(deliver(with, 1).await, [Outcome::Delivered]);
}
