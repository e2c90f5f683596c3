//! Connections: accepted within bounds, kept to time, and ended in good order.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::accept::{Door, Guest};

/// How long TLS may take to agree.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How long a head may take to come, and so a connection to be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// What a head may have in bytes.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long the last answers may take to be sent.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A server that goes on until its source closes.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    pub(super) fn start(door: Door, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> Self {
        let address = door.address();
        Self { address, task: Mutex::new(Some(tokio::spawn(serve(door, tls, shared)))) }
    }

    /// Waits for its end, which closing has begun.
    pub(super) async fn end(&self) {
        if let Some(task) = self.task.lock().await.take() {
            // A panic within has cost its connections only.
            let _ = task.await;
        }
    }
}

async fn serve(door: Door, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.closing.cancelled() => break,
            guest = door.next() => match guest {
                Ok(guest) => _ = connections.spawn(connect(guest, tls.clone(), Arc::clone(&shared))),
                Err(error) => shared.tell_unaccepted(&error),
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(door);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(END_WITHIN, all).await;
}

async fn connect(guest: Guest, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let Guest { stream, from, place: _place } = guest;
    match tls {
        None => talk(stream, from.ip(), &shared).await,
        // A sender that cannot agree knows by itself.
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                talk(stream, from.ip(), &shared).await;
            }
        }
    }
}

/// Answers the requests of a connection, one after the other, until either side ends it.
pub(super) async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, from: IpAddr, shared: &Shared) {
    let service = service_fn(async |request| Ok::<_, Infallible>(shared.receive(from, request).await.response()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shared.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // What goes wrong here the sender sees as well, and it brings again what it had no answer for.
    let _ = connection.await;
}
