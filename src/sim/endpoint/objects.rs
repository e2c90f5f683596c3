//! S3's part of the endpoint: `GetObject`, `ListObjectsV2` and `ListBuckets`, with the bucket in the path.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Services, broken_off, unsendable};
use crate::sim::buckets::{Found, Page, Query, Wanted};
use crate::sim::refusal::Refusal;
use crate::sim::{Fault, REGION};

/// A request, read.
struct Request {
    bucket: String,
    key: String,
    parameters: HashMap<String, String>,
}

impl Request {
    fn read(method: &Method, uri: &Uri) -> Option<Self> {
        let path = uri.path().strip_prefix('/')?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (*method == Method::GET).then(|| Self {
            bucket: decoded(bucket),
            key: decoded(key),
            parameters: pairs(uri.query().unwrap_or("")),
        })
    }

    fn operation(&self) -> &'static str {
        match (self.bucket.is_empty(), self.key.is_empty()) {
            (true, _) => "ListBuckets",
            (false, true) => "ListObjectsV2",
            (false, false) => "GetObject",
        }
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The names and values of a query or a form.
pub(super) fn pairs(text: &str) -> HashMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(&value.replace('+', " ")))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// Answers one request, with the fault that it meets.
pub(super) async fn answer(services: &Services, method: &Method, uri: &Uri, headers: &HeaderMap) -> (Response, bool) {
    let Some(request) = Request::read(method, uri) else {
        return (refuse(&Refusal { status: 405, ..Refusal::new("MethodNotAllowed", "only GET is known here") }), false);
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let body = json!({"Bucket": request.bucket, "Key": request.key, "Range": header("range"),
                      "Parameters": request.parameters});
    services.logs.record("S3", request.operation(), body);
    let fault = services.logs.faults().take(request.operation(), services.logs.clock().now_ms());
    if fault == Some(Fault::Throttle) {
        let busy = Refusal { status: 503, ..Refusal::new("SlowDown", "Please reduce your request rate.") };
        return (refuse(&busy), false);
    }
    if let Some(refusal) = fault.as_ref().and_then(Fault::refusal) {
        return (refuse(&refusal), false);
    }
    if let Err(refusal) = services.roles.admit(super::tokens::access_key(headers), request.operation()) {
        return (refuse(&refusal), false);
    }
    if let Some(Fault::Delay(delay)) = &fault {
        tokio::time::sleep(*delay).await;
    }
    let owner = header("x-amz-expected-bucket-owner");
    let truncate = fault == Some(Fault::TruncatedBody);
    let answer = if request.bucket.is_empty() {
        Ok(xml(200, &buckets(&services.buckets.names())))
    } else if request.key.is_empty() {
        list(services, &request, owner)
    } else {
        let wanted = Wanted { range: header("range"), if_match: header("if-match"), owner };
        services.buckets.get(&request.bucket, &request.key, &wanted).map(|found| give(found, truncate))
    };
    (answer.unwrap_or_else(|refusal| refuse(&refusal)), fault == Some(Fault::Reset))
}

fn give(found: Found, truncate: bool) -> Response {
    let mut response = Response::builder()
        .status(if found.range.is_some() { 206 } else { 200 })
        .header("content-length", found.bytes.len())
        .header("etag", found.tag);
    if let Some(range) = found.range {
        response = response.header("content-range", range);
    }
    for (name, value) in &found.metadata {
        response = response.header(format!("x-amz-meta-{name}"), value);
    }
    let body = if truncate { broken_off(&found.bytes) } else { Body::from(found.bytes) };
    response.body(body).unwrap_or_else(|_| unsendable())
}

fn list(services: &Services, request: &Request, owner: Option<&str>) -> Result<Response, Refusal> {
    // A token is the name that the page before ended with.
    let token = request.parameter("continuation-token");
    let query = Query {
        prefix: request.parameter("prefix"),
        delimiter: request.parameter("delimiter"),
        after: if token.is_empty() { request.parameter("start-after") } else { token },
        count: request.parameter("max-keys").parse().ok(),
    };
    let page = services.buckets.list(&request.bucket, &query, owner)?;
    Ok(xml(200, &listing(&page)))
}

fn listing(page: &Page) -> String {
    let mut text = String::from("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    let _ = write!(text, "<IsTruncated>{}</IsTruncated>", page.next.is_some());
    if let Some(next) = &page.next {
        let _ = write!(text, "<NextContinuationToken>{}</NextContinuationToken>", escaped(next));
    }
    for (key, size) in &page.keys {
        let _ = write!(text, "<Contents><Key>{}</Key><Size>{size}</Size></Contents>", escaped(key));
    }
    for prefix in &page.prefixes {
        let _ = write!(text, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(prefix));
    }
    text + "</ListBucketResult>"
}

fn buckets(names: &[String]) -> String {
    let bucket = |name: &String| format!("<Bucket><Name>{}</Name></Bucket>", escaped(name));
    let buckets: String = names.iter().map(bucket).collect();
    format!("<ListAllMyBucketsResult><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>")
}

fn refuse(refusal: &Refusal) -> Response {
    let (code, message) = (escaped(&refusal.code), escaped(&refusal.message));
    xml(refusal.status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

pub(super) fn xml(status: u16, text: &str) -> Response {
    let body = Bytes::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}"));
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/xml")
        .header("content-length", body.len())
        .header("x-amz-bucket-region", REGION);
    response.body(Body::from(body)).unwrap_or_else(|_| unsendable())
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
