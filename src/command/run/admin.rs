//! How the run fares, over HTTP: `/livez`, `/readyz`, `/metrics`. It answers questions, and takes no orders.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::metrics;
use super::status::Status;

mod listener;

use listener::BoundedListener;

/// The type of the text that Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens, and answers on a task of its own until the run ends.
pub async fn start(address: SocketAddr, status: Arc<Status>) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(measure))
        .with_state(status)
        .layer(from_fn_with_state(bound, known_host))
        .layer(from_fn(close));
    // An accept that fails is tried again within; serving has no other way to fail.
    let task = tokio::spawn(async move { _ = axum::serve(BoundedListener::new(listener), router).await });
    Ok((bound, task))
}

/// Refuses what was sent to another name: a page in a browser on this machine, whose name was made to mean this address.
async fn known_host(State(bound): State<SocketAddr>, request: Request, next: Next) -> Response {
    if bound.ip().is_loopback() && !is_local(request.headers(), bound) {
        return (StatusCode::FORBIDDEN, "this listener answers to its own address and to `localhost`\n")
            .into_response();
    }
    next.run(request).await
}

/// Keeps no connection for a next question, which its time could cut short.
async fn close(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_local(headers: &HeaderMap, bound: SocketAddr) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    host == bound.to_string() || host == format!("localhost:{}", bound.port())
}

async fn ready(State(status): State<Arc<Status>>) -> Response {
    let reasons = status.reasons().await;
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    (code, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn measure(State(status): State<Arc<Status>>) -> Response {
    match metrics::text(&status).await {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
