//! What is answered and when, without a network: time is tokio's, and stands still while anybody works.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Duration, Instant, sleep};

use super::*;

const SECRET: &str = "0123456789abcdef-secret";

/// A source that listens nowhere, and what it tells.
struct Lab {
    http: Arc<Http>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { secrets: vec![SECRET.to_owned()], ..Settings::default() };
        change(&mut settings);
        let told = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&told);
        let notify: Notify = Arc::new(move |notice: Notice| kept.lock().unwrap().push(notice.text));
        Self { http: Arc::new(Http::new(settings, notify).unwrap()), told }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> StatusCode {
        self.http.shared.receive(Ipv4Addr::LOCALHOST.into(), request).await.response().status()
    }

    /// A request that goes on by itself.
    fn send(&self, body: &'static str) -> tokio::task::JoinHandle<StatusCode> {
        let shared = Arc::clone(&self.http.shared);
        tokio::spawn(async move { shared.receive(Ipv4Addr::LOCALHOST.into(), post(body)).await.response().status() })
    }

    /// The receipts of what is there, which is so many.
    async fn receipts(&self, count: usize) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        while receipts.len() < count {
            let batch = self.http.next().await.unwrap().unwrap();
            receipts.extend(batch.iter().map(|delivery| delivery.receipt));
        }
        receipts
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

fn request(method: Method, path: &str, secret: Option<&str>, body: &'static str) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path);
    let builder = secret.into_iter().fold(builder, |builder, secret| builder.header("x-api-key", secret));
    builder.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    request(Method::POST, "/events", Some(SECRET), body)
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_to_wait_for_is_refused_at_once() {
    let lab = Lab::with(|settings| settings.body_bytes_max = 8);
    for (name, request, expected) in [
        ("another path", request(Method::POST, "/", Some(SECRET), "{}"), 404),
        ("below the path", request(Method::POST, "/events/x", Some(SECRET), "{}"), 404),
        ("another method", request(Method::GET, "/events", Some(SECRET), ""), 405),
        ("a method that is not ours to know", request(Method::DELETE, "/events", None, ""), 405),
        ("no secret", request(Method::POST, "/events", None, "{}"), 401),
        ("another secret", request(Method::POST, "/events", Some("0123456789abcdef-other"), "{}"), 401),
        ("a body over the bound", request(Method::POST, "/events", Some(SECRET), "{\"a\": 12}"), 413),
        ("no body", request(Method::POST, "/events", Some(SECRET), ""), 400),
        ("a query does not matter", request(Method::POST, "/events?a=b", Some(SECRET), ""), 400),
    ] {
        let begun = Instant::now();
        assert_eq!(lab.answer(request).await.as_u16(), expected, "{name}");
        assert_eq!(begun.elapsed(), Duration::ZERO, "{name}");
    }
    let report = lab.http.report();
    let counts = [report.requests, report.misdirected, report.unauthorized, report.too_large, report.undecodable];
    assert_eq!((counts, report.deliveries), ([9, 4, 2, 1, 2], 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_say_its_length_is_bounded_all_the_same() {
    let lab = Lab::with(|settings| settings.body_bytes_max = 8);
    let frames = (0..4).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"{}\n"))));
    let request = post("").map(|_| StreamBody::new(stream::iter(frames)));
    assert_eq!(lab.http.shared.receive(Ipv4Addr::LOCALHOST.into(), request).await, answer::Answer::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_or_breaks_off_is_given_up() {
    let lab = Lab::new();
    let (pending, begun) =
        (post("").map(|_| StreamBody::new(stream::pending::<Result<_, std::io::Error>>())), Instant::now());
    assert_eq!(lab.http.shared.receive(Ipv4Addr::LOCALHOST.into(), pending).await, answer::Answer::TooSlow);
    assert_eq!(begun.elapsed().as_millis(), 4_500);
    let broken =
        post("").map(|_| StreamBody::new(stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("gone"))])));
    assert_eq!(lab.http.shared.receive(Ipv4Addr::LOCALHOST.into(), broken).await, answer::Answer::TooSlow);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_before_its_commit() {
    for (name, fate, expected) in [("committed", Fate::Committed, 200), ("nothing to decode", Fate::Undecodable, 400)] {
        let lab = Lab::new();
        let waiting = lab.send("{\"a\":1}");
        let receipts = lab.receipts(1).await;
        sleep(Duration::from_secs(4)).await;
        assert!(!waiting.is_finished(), "{name}");
        match fate {
            Fate::Committed => lab.http.commit(&receipts).await.unwrap(),
            Fate::Undecodable => lab.http.reject(&receipts).await.unwrap(),
        }
        assert_eq!(waiting.await.unwrap().as_u16(), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_committed_in_time_is_to_come_again() {
    let lab = Lab::new();
    let begun = Instant::now();
    let response = lab.http.shared.receive(Ipv4Addr::LOCALHOST.into(), post("{}")).await.response();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(begun.elapsed().as_millis(), 4_500);
    assert_eq!(lab.http.report().postponed, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded_until_it_is_committed() {
    let lab = Lab::with(|settings| settings.requests_max = 2);
    let waiting = [lab.send("{}"), lab.send("{}")];
    let receipts = lab.receipts(2).await;
    assert!(receipts.is_sorted());
    assert_eq!(lab.answer(post("{}")).await.as_u16(), 503, "there is no place");
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().as_u16(), 503, "it is not committed");
    }
    assert_eq!(lab.answer(post("{}")).await.as_u16(), 503, "its sender has gone, what it brought is still held");
    lab.http.commit(&receipts).await.unwrap();
    let waiting = lab.send("{}");
    let receipts = lab.receipts(1).await;
    lab.http.commit(&receipts).await.unwrap();
    assert_eq!(waiting.await.unwrap().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_rate_is_to_come_again() {
    let lab = Lab::with(|settings| settings.requests_per_second = 1);
    // The rate goes by the machine's clock: one a second are taken, however slow the machine is.
    for _ in 0..1_000 {
        let response = lab.http.shared.receive(Ipv4Addr::LOCALHOST.into(), post("")).await.response();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["retry-after"], "1");
            assert_eq!(lab.http.report().limited, 1);
            return;
        }
    }
    panic!("the rate has no bound");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_at_the_end_is_to_come_again() {
    let lab = Lab::new();
    let waiting = lab.send("{}");
    let receipts = lab.receipts(1).await;
    lab.http.close().await;
    assert_eq!(waiting.await.unwrap().as_u16(), 503);
    assert_eq!(lab.answer(post("{}")).await.as_u16(), 503);
    lab.http.commit(&receipts).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_once_and_quote_nothing() {
    let lab = Lab::new();
    for sent in ["0123456789abcdef-guess1", "0123456789abcdef-guess2"] {
        lab.answer(request(Method::POST, "/events", Some(sent), "{}")).await;
    }
    let told = lab.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("127.0.0.1 without a good secret") && !told[0].contains("guess"), "{told:?}");
    sleep(Duration::from_secs(3_600)).await;
    lab.answer(request(Method::POST, "/events", None, "{}")).await;
    assert_eq!(lab.told().len(), 2);
    assert!(!format!("{:?}", lab.http.shared.settings).contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_the_connection() {
    for (name, sent) in [("nothing", ""), ("half a head", "POST /events HTTP/1.1\r\nhost: x\r\nx-")] {
        let lab = Lab::new();
        let (mut near, far) = tokio::io::duplex(1 << 10);
        let begun = Instant::now();
        near.write_all(sent.as_bytes()).await.unwrap();
        server::talk(far, Ipv4Addr::LOCALHOST.into(), &lab.http.shared).await;
        assert_eq!(begun.elapsed().as_secs(), 15, "{name}");
        assert_eq!(lab.http.report().requests, 0, "{name}");
    }
}

#[test]
fn settings_that_would_let_anybody_in_are_refused() {
    let away = "192.0.2.1:8443".parse().unwrap();
    let secrets = vec![SECRET.to_owned()];
    let good = Settings { secrets: secrets.clone(), ..Settings::default() };
    for (name, settings, expected) in [
        ("in the clear, from elsewhere", Settings { address: away, ..good.clone() }, "listen"),
        ("in the clear, said so", Settings { address: away, allow_http: true, ..good.clone() }, ""),
        ("no secret", Settings { secrets: vec![], ..good.clone() }, "secrets"),
        ("no secret, said so", Settings { secrets: vec![], allow_anybody: true, ..good.clone() }, ""),
        (
            "no secret, from elsewhere",
            Settings { address: away, allow_http: true, secrets: vec![], allow_anybody: true, ..good.clone() },
            "allow_anybody",
        ),
        ("secrets, and anybody", Settings { allow_anybody: true, ..good.clone() }, "allow_anybody"),
        ("a short secret", Settings { secrets: vec!["0123456789abcde".to_owned()], ..good.clone() }, "secrets"),
        ("a path that is none", Settings { path: "events".to_owned(), ..good.clone() }, "path"),
        (
            "no certificate",
            Settings { tls: Some(TlsFiles { certificate: "/nowhere".into(), key: "/nowhere".into() }), ..good.clone() },
            "certificate_file",
        ),
    ] {
        let found = Http::new(settings, Arc::new(|_| ())).err().map_or("", |error| error.setting);
        assert_eq!(found, expected, "{name}");
    }
}
