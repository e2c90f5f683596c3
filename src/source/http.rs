//! Requests: events that EventBridge sends here as an API destination, one a request.
//!
//! The decision worth knowing: a request is answered with 200 when what it brought is committed, and not before. Until then
//! its sender has it, and after any answer that asks for it brings it again. Nobody without a secret makes us read a body.
//!
//! ```text
//! connection ─▶ receive: path, method, secret, rate, room, body ─Delivery─▶ next()
//!      ▲                                  └─ waits ◀─ Held ◀─ commit(), reject(), close()
//!      └────────────────── Answer ◀────────────┘
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{OnceCell, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Notice, NoticeLevel, Notify, Source, SourceError, SourceReport};
use crate::delivery::{Delivery, Receipt};

pub mod accept;
mod answer;
mod held;
mod receive;
mod secret;
mod server;
mod settings;
mod tls;

#[cfg(test)]
mod tests;

pub use settings::{Scheme, Settings, SettingsError, TlsFiles};

use accept::Door;
use held::{Fate, Held};
use receive::Gate;
use server::Server;

/// Deliveries of one batch at most. Each is bounded by [`Settings::body_bytes_max`].
const BATCH_MAX: usize = 16;

/// Receives requests. See the module's documentation.
pub struct Http {
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    arrived: tokio::sync::Mutex<mpsc::Receiver<Delivery>>,
    server: OnceCell<Server>,
}

/// What receiving and committing have in common.
struct Shared {
    settings: Settings,
    name: Arc<str>,
    gate: Gate,
    held: Mutex<Held>,
    /// Has room for all that may be held.
    arrivals: mpsc::Sender<Delivery>,
    report: Mutex<SourceReport>,
    notify: Notify,
    /// Nothing more is received.
    closing: CancellationToken,
}

impl Http {
    /// Makes a source. Reads the certificate, and listens nowhere yet.
    pub fn new(settings: Settings, notify: Notify) -> Result<Self, SettingsError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let (arrivals, arrived) = mpsc::channel(settings.requests_max);
        let shared = Shared {
            name: settings.name.as_deref().unwrap_or("http").into(),
            gate: Gate::new(&settings)?,
            // The gate knows their digests.
            settings: Settings { secrets: Vec::new(), ..settings },
            held: Mutex::default(),
            arrivals,
            report: Mutex::default(),
            notify,
            closing: CancellationToken::new(),
        };
        let (arrived, server) = (tokio::sync::Mutex::new(arrived), OnceCell::new());
        Ok(Self { shared: Arc::new(shared), tls, arrived, server })
    }

    /// Listens, unless it does so already. Returns the address, whose port the system may have chosen.
    pub async fn listen(&self) -> Result<SocketAddr, SourceError> {
        Ok(self.server.get_or_try_init(|| self.open()).await?.address)
    }

    async fn open(&self) -> Result<Server, SourceError> {
        let Settings { address, path, connections_max, .. } = &self.shared.settings;
        let door = Door::open(*address, *connections_max).await;
        let door = door.map_err(|error| {
            SourceError::Io(format!("source `{}` cannot listen on {address}: {error}", self.shared.name))
        })?;
        let (address, scheme) = (door.address(), if self.tls.is_some() { "https" } else { "http" });
        self.shared.notify(NoticeLevel::Info, format!("listening on {scheme}://{address}{path}"));
        Ok(Server::start(door, self.tls.clone(), Arc::clone(&self.shared)))
    }

    fn settle(&self, receipts: &[Receipt], fate: Fate) {
        self.shared.held().settle(receipts, fate);
    }
}

impl Source for Http {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.shared.name)
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(async {
            self.listen().await?;
            let mut batch = Vec::new();
            // Whoever sends holds on to the sending half, so that there is no end.
            self.arrived.lock().await.recv_many(&mut batch, BATCH_MAX).await;
            let mut report = self.shared.report();
            report.deliveries += batch.len() as u64;
            report.bytes += batch.iter().map(|delivery| delivery.body.len() as u64).sum::<u64>();
            drop(report);
            Ok(Some(batch))
        })
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.settle(receipts, Fate::Committed);
        Box::pin(std::future::ready(Ok(())))
    }

    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.settle(receipts, Fate::Undecodable);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whoever still waits is told to come again.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.held().give_up();
            self.shared.closing.cancel();
            if let Some(server) = self.server.get() {
                server.end().await;
            }
        })
    }

    fn report(&self) -> SourceReport {
        self.shared.report().clone()
    }
}

/// Senders without an answer bring again what they sent.
impl Drop for Http {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> MutexGuard<'_, SourceReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}
