//! The HTTP server: AWS JSON and S3's XML on a loopback port.
//!
//! One address answers for CloudWatch Logs, CloudTrail, EventBridge, SQS and those who keep secrets, by the target header,
//! for STS, by forms, and for S3, by path. Signatures are not checked.

mod cut;
mod live;
mod objects;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::logs::PageCut;
use super::queues::query_code;
use super::refusal::Refusal;
use super::{Buckets, Buses, Fault, Logs, Queues, Roles, Secrets, Trails};
use cut::{CuttableListener, Scissors};

/// Largest request body: a full batch of log events, with room for what JSON escapes add.
const BODY_BYTES_MAX: usize = 8 * 1_048_576;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    logs: Logs,
    trails: Trails,
    buses: Buses,
    queues: Queues,
    buckets: Buckets,
    roles: Roles,
    secrets: Secrets,
    /// The server runs until this is dropped.
    running: Option<oneshot::Sender<()>>,
    /// Streams go on until this is dropped.
    streaming: Option<DropGuard>,
    server: JoinHandle<()>,
}

impl Endpoint {
    /// Starts a server for an empty account on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Logs::new(), Trails::default()).await
    }

    /// Starts a server for what exists already.
    pub async fn start_with(logs: Logs, trails: Trails) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let buses = Buses::default();
        let (queues, buckets) = (Queues::new(logs.clock().clone()), Buckets::default());
        let roles = Roles::new(logs.clock().clone());
        let closing = CancellationToken::new();
        let secrets = Secrets::default();
        let services = Services {
            logs: logs.clone(),
            trails: trails.clone(),
            buses: buses.clone(),
            queues: queues.clone(),
            buckets: buckets.clone(),
            roles: roles.clone(),
            secrets: secrets.clone(),
            answered: Arc::default(),
            closing: closing.clone(),
        };
        let router = Router::new()
            .route("/", post(answer).get(answer_for_objects))
            .fallback(answer_for_objects)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(services)
            .into_make_service_with_connect_info::<Scissors>();
        let (running, stopped) = oneshot::channel();
        let serve = axum::serve(CuttableListener::new(listener), router).with_graceful_shutdown(async move {
            // The sender is only ever dropped; there is nothing to receive.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move {
            // An accept that fails is retried within; serving has no other way to fail.
            let _ = serve.await;
        });
        let (running, streaming) = (Some(running), Some(closing.drop_guard()));
        Ok(Self { address, logs, trails, buses, queues, buckets, roles, secrets, running, streaming, server })
    }

    /// Gives the URL to set as the SDK's endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the log groups that this server answers from.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Gives the trails that this server answers from.
    pub fn trails(&self) -> &Trails {
        &self.trails
    }

    /// Gives the buses that this server takes events for.
    pub fn buses(&self) -> &Buses {
        &self.buses
    }

    /// Gives the queues that this server answers from.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Gives the buckets that this server answers from.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Gives the roles that this server hands out credentials of.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Gives the secrets and parameters that this server answers from.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Stops the server and waits until calls under way are answered and the port is closed.
    pub async fn stop(mut self) {
        drop(self.running.take());
        drop(self.streaming.take());
        // A server task that panicked is as stopped as one that ended.
        let _ = (&mut self.server).await;
    }
}

#[derive(Clone)]
struct Services {
    logs: Logs,
    trails: Trails,
    buses: Buses,
    queues: Queues,
    buckets: Buckets,
    roles: Roles,
    secrets: Secrets,
    answered: Arc<AtomicU64>,
    closing: CancellationToken,
}

async fn answer_for_objects(
    State(services): State<Services>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (response, cut) = objects::answer(&services, &method, &uri, &headers).await;
    if cut {
        scissors.cut();
    }
    response
}

async fn answer(
    State(services): State<Services>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if tokens::is_asked(&headers) {
        return tokens::answer(&services, &headers, &body);
    }
    let request_id = services.next_request_id();
    let call = match Call::read(&headers, &body) {
        Ok(call) => call,
        Err(refusal) => return respond(Err(refusal), &request_id, false),
    };
    services.logs.record(&call.service, &call.operation, call.body.clone());
    let fault = services.logs.faults().take(&call.operation, services.logs.clock().now_ms());
    if fault == Some(Fault::Reset) {
        scissors.cut();
    }
    if let Some(refusal) = fault.as_ref().and_then(Fault::refusal) {
        return respond(Err(refusal), &request_id, false);
    }
    if let Err(refusal) = services.roles.admit(tokens::access_key(&headers), &call.operation) {
        return respond(Err(refusal), &request_id, false);
    }
    if call.operation == "StartLiveTail" {
        let opened = live::answer(&services.logs, call.body, fault.as_ref(), services.closing.clone());
        return opened.unwrap_or_else(|refusal| respond(Err(refusal), &request_id, false));
    }
    let answer = services.carry_out(call, fault.as_ref()).await;
    if let Some(Fault::Delay(delay)) = &fault {
        tokio::time::sleep(*delay).await;
    }
    respond(answer, &request_id, fault == Some(Fault::TruncatedBody))
}

fn page_cut(fault: Option<&Fault>) -> PageCut {
    match fault {
        Some(Fault::EmptyPage) => PageCut { events_max: Some(0), always_token: true },
        Some(Fault::ShortPage(events_max)) => PageCut { events_max: Some(*events_max), always_token: false },
        _ => PageCut::default(),
    }
}

impl Services {
    async fn carry_out(&self, call: Call, fault: Option<&Fault>) -> Result<Value, Refusal> {
        if call.service.starts_with("Logs_") {
            return self.logs.call(&call.operation, call.body, page_cut(fault));
        }
        if call.service == "AmazonSQS" {
            let half_fails = fault == Some(&Fault::HalfFails);
            return self.queues.call(&call.operation, call.body, half_fails).await;
        }
        if call.service == "AWSEvents" {
            let failing = if let Some(Fault::FailedEntries(failing)) = fault { failing.as_slice() } else { &[] };
            return self.buses.call(&call.operation, call.body, failing);
        }
        if call.service.starts_with("CloudTrail_") {
            return self.trails.call(&call.operation, call.body);
        }
        if call.service == "secretsmanager" {
            return self.secrets.secret(&call.operation, call.body);
        }
        if call.service == "AmazonSSM" {
            return self.secrets.parameter(&call.operation, call.body);
        }
        Err(Refusal::new("UnknownOperationException", format!("unknown service `{}`", call.service)))
    }

    fn next_request_id(&self) -> String {
        let number = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

/// One call, read from a request.
struct Call {
    /// The target's part before the operation, without any namespace.
    service: String,
    operation: String,
    body: Value,
}

impl Call {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or("");
        let Some((service, operation)) = target.rsplit_once('.') else {
            let message = format!("`{target}` is not a target");
            return Err(Refusal::new("UnknownOperationException", message));
        };
        let service = service.rsplit('.').next().unwrap_or(service);
        let body = if body.is_empty() { b"{}" } else { body };
        let body = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
        Ok(Self { service: service.to_owned(), operation: operation.to_owned(), body })
    }
}

fn respond(answer: Result<Value, Refusal>, request_id: &str, truncate: bool) -> Response {
    let (status, error_type, body) = match answer {
        Ok(body) => (200, None, body),
        Err(refusal) => {
            let body = json!({"__type": refusal.code, "message": refusal.message});
            (refusal.status, Some(refusal.code), body)
        }
    };
    let text = body.to_string();
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amzn-requestid", request_id)
        .header("content-length", text.len());
    if let Some(error_type) = error_type {
        if let Some(code) = query_code(&error_type) {
            response = response.header("x-amzn-query-error", code);
        }
        response = response.header("x-amzn-errortype", error_type);
    }
    let body = if truncate { broken_off(text.as_bytes()) } else { Body::from(text) };
    response.body(body).unwrap_or_else(|_| unsendable())
}

/// Stands in for an answer whose scripted status or code HTTP cannot carry.
fn unsendable() -> Response {
    let mut response = Response::new(Body::from("the scripted fault cannot be sent over HTTP"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Makes a body that ends in an error half-way; the server then closes the connection.
fn broken_off(text: &[u8]) -> Body {
    let half = Bytes::copy_from_slice(&text[..text.len() / 2]);
    let end = stream::once(async {
        // Lets the server send the first half before it meets the error.
        tokio::task::yield_now().await;
        Err(io::Error::other("the answer is truncated on purpose"))
    });
    Body::from_stream(stream::once(async move { Ok(half) }).chain(end))
}

#[cfg(test)]
mod tests;
