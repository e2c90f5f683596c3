//! The wire, seen by a bare TCP client.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::sim::{LogEvent, Trail};

const FILTER: &str = "Logs_20140328.FilterLogEvents";

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

/// Sends one request on a connection of its own and reads until the server closes it.
async fn raw(endpoint: &Endpoint, target: &str, body: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(endpoint.address).await?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: sim\r\nx-amz-target: {target}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn call(endpoint: &Endpoint, target: &str, body: Value) -> Answer {
    let text = raw(endpoint, target, &body.to_string()).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap() }
}

async fn endpoint() -> Endpoint {
    let endpoint = Endpoint::start().await.unwrap();
    for timestamp_ms in 1..=3 {
        endpoint.logs().put("g", "s", LogEvent { timestamp_ms, message: format!("m{timestamp_ms}") });
    }
    endpoint
}

fn group() -> Value {
    json!({"logGroupName": "g"})
}

#[tokio::test]
async fn answers_and_errors_have_the_form_of_aws_json() {
    let endpoint = endpoint().await;
    let answer = call(&endpoint, FILTER, group()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["events"].as_array().unwrap().len(), 3);
    assert!(answer.head.contains("content-type: application/x-amz-json-1.1"), "{}", answer.head);
    assert!(answer.head.contains("x-amzn-requestid: "), "{}", answer.head);

    let answer = call(&endpoint, FILTER, json!({"logGroupName": "none"})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["__type"], "ResourceNotFoundException");
    assert!(answer.head.contains("x-amzn-errortype: ResourceNotFoundException"), "{}", answer.head);
}

#[tokio::test]
async fn targets_may_bear_a_namespace() {
    let endpoint = endpoint().await;
    endpoint.trails().put(Trail::to_group("main", "g"));
    let long = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.DescribeTrails";
    for target in [long, "CloudTrail_20131101.DescribeTrails"] {
        let answer = call(&endpoint, target, json!({})).await;
        assert_eq!(answer.body["trailList"][0]["Name"], "main");
    }
    for target in ["S3_2006.ListBuckets", "Logs_20140328.StartQuery", "nonsense"] {
        assert_eq!(call(&endpoint, target, json!({})).await.body["__type"], "UnknownOperationException");
    }
}

#[tokio::test]
async fn groups_can_be_filled_over_the_wire() {
    let endpoint = endpoint().await;
    let now_ms = endpoint.logs().clock().now_ms();
    let stream = json!({"logGroupName": "new", "logStreamName": "s"});
    call(&endpoint, "Logs_20140328.CreateLogGroup", json!({"logGroupName": "new"})).await;
    call(&endpoint, "Logs_20140328.CreateLogStream", stream.clone()).await;
    let mut put = stream;
    put["logEvents"] = json!([{"timestamp": now_ms, "message": "hello"}]);
    assert_eq!(call(&endpoint, "Logs_20140328.PutLogEvents", put).await.status, 200);
    let answer = call(&endpoint, FILTER, json!({"logGroupName": "new"})).await;
    assert_eq!(answer.body["events"][0]["message"], "hello");
}

#[tokio::test]
async fn calls_are_counted_and_kept() {
    let endpoint = endpoint().await;
    let mut request = group();
    request["filterPattern"] = "{ $.eventName = \"x\" }".into();
    call(&endpoint, FILTER, request.clone()).await;
    endpoint.logs().faults().next(Fault::Throttle);
    call(&endpoint, FILTER, request.clone()).await;
    assert_eq!(endpoint.logs().calls("FilterLogEvents"), 2);
    assert_eq!(endpoint.logs().calls("DescribeLogStreams"), 0);
    let requests = endpoint.logs().requests();
    assert_eq!(requests[1].body, request);
    assert_eq!(requests[1].service, "Logs_20140328");
}

#[tokio::test]
async fn error_faults_are_answered_as_scripted() {
    let endpoint = endpoint().await;
    let faults = [
        (Fault::Throttle, 400, "ThrottlingException"),
        (Fault::expired_token(), 400, "ExpiredTokenException"),
        (Fault::unrecognized_client(), 400, "UnrecognizedClientException"),
        (Fault::access_denied(), 400, "AccessDeniedException"),
        (Fault::unavailable(), 503, "ServiceUnavailableException"),
        (Fault::internal_failure(), 500, "InternalFailure"),
    ];
    for (fault, status, code) in faults {
        endpoint.logs().faults().next(fault);
        let answer = call(&endpoint, FILTER, group()).await;
        assert_eq!((answer.status, answer.body["__type"].as_str()), (status, Some(code)));
    }
    assert_eq!(call(&endpoint, FILTER, group()).await.status, 200);
}

#[tokio::test]
async fn page_faults_leave_a_token_to_go_on_with() {
    let endpoint = endpoint().await;
    endpoint.logs().faults().next(Fault::EmptyPage);
    endpoint.logs().faults().next(Fault::ShortPage(2));
    let mut request = group();
    let mut sizes = Vec::new();
    loop {
        let answer = call(&endpoint, FILTER, request.clone()).await.body;
        sizes.push(answer["events"].as_array().unwrap().len());
        let Some(token) = answer.get("nextToken") else {
            break;
        };
        request["nextToken"] = token.clone();
    }
    assert_eq!(sizes, [0, 2, 1]);
}

#[tokio::test]
async fn a_reset_ends_the_connection_without_an_answer() {
    let endpoint = endpoint().await;
    endpoint.logs().faults().next(Fault::Reset);
    let error = raw(&endpoint, FILTER, &group().to_string()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(call(&endpoint, FILTER, group()).await.status, 200);
}

#[tokio::test]
async fn a_truncated_body_is_shorter_than_it_says() {
    let endpoint = endpoint().await;
    endpoint.logs().faults().next(Fault::TruncatedBody);
    let text = raw(&endpoint, FILTER, &group().to_string()).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let declared = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!body.is_empty() && body.len() < declared.parse().unwrap(), "{body}");
}

#[tokio::test]
async fn a_delayed_answer_shows_what_was_there_at_the_call() {
    let endpoint = endpoint().await;
    endpoint.logs().faults().next(Fault::Delay(Duration::from_millis(20)));
    let started = std::time::Instant::now();
    let answer = call(&endpoint, FILTER, group()).await;
    assert!(started.elapsed() >= Duration::from_millis(20));
    assert_eq!(answer.body["events"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_throttle_goes_by_the_clock() {
    let endpoint = endpoint().await;
    endpoint.logs().clock().freeze_at(1_767_603_600_000);
    endpoint.logs().faults().throttle_above(1.0);
    assert_eq!(call(&endpoint, FILTER, group()).await.status, 200);
    assert_eq!(call(&endpoint, FILTER, group()).await.body["__type"], "ThrottlingException");
    endpoint.logs().clock().advance(Duration::from_secs(1));
    assert_eq!(call(&endpoint, FILTER, group()).await.status, 200);
    assert_eq!(endpoint.logs().faults().throttled(), 1);
}

#[tokio::test]
async fn a_stopped_endpoint_refuses_connections_and_keeps_its_logs() {
    let endpoint = endpoint().await;
    let (address, logs) = (endpoint.address, endpoint.logs().clone());
    endpoint.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    let endpoint = Endpoint::start_with(logs, Trails::default()).await.unwrap();
    assert_eq!(call(&endpoint, FILTER, group()).await.status, 200);
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_stop() {
    let endpoint = endpoint().await;
    let _silent = TcpStream::connect(endpoint.address).await.unwrap();
    let mut kept_alive = TcpStream::connect(endpoint.address).await.unwrap();
    kept_alive.write_all(b"POST / HTTP/1.1\r\nhost: sim\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut first_bytes = [0; 12];
    kept_alive.read_exact(&mut first_bytes).await.unwrap();
    assert_eq!(&first_bytes, b"HTTP/1.1 400");
    let stopped = tokio::time::timeout(Duration::from_secs(10), endpoint.stop()).await;
    assert!(stopped.is_ok(), "the stop waits for idle connections");
}

#[tokio::test]
async fn a_dropped_endpoint_closes_its_port() {
    let endpoint = endpoint().await;
    let mut connection = TcpStream::connect(endpoint.address).await.unwrap();
    drop(endpoint);
    // The server closes what is open as it stops, so reading ends.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
}
