//! A door that only so many go through at the same time: connections accepted within a bound.
//!
//! Whoever finds all places taken waits in the queue of the system, which is bounded as well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long nothing is accepted after the system could not: it has no files left, say.
const PAUSE: Duration = Duration::from_millis(250);

/// A listener with places.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Semaphore>,
}

/// A connection, and its place until that is dropped.
#[derive(Debug)]
pub struct Guest {
    /// The connection.
    pub stream: TcpStream,
    /// Who connected.
    pub from: SocketAddr,
    /// To be held for as long as the connection lasts.
    pub place: OwnedSemaphorePermit,
}

impl Door {
    /// Listens on an address.
    pub async fn open(address: SocketAddr, connections_max: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let places = Arc::new(Semaphore::new(connections_max));
        Ok(Self { address: listener.local_addr()?, listener, places })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a free place, and for somebody to take it; after an error it can be asked again. May be dropped at any
    /// time.
    pub async fn next(&self) -> io::Result<Guest> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        match self.listener.accept().await {
            Ok((stream, from)) => Ok(Guest { stream, from, place }),
            Err(error) => {
                tokio::time::sleep(PAUSE).await;
                Err(error)
            }
        }
    }
}
