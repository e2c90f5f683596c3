//! A listener that nobody can wear out: so many connections at a time, each for so long.
//!
//! A connection has one time for everything: for being slow to ask as for being slow to read the answer. What comes while
//! all places are taken waits for one.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 32;

/// How long a connection may last.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// The listener.
pub struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    time_max: Duration,
}

impl BoundedListener {
    /// Sets bounds to a listener.
    pub fn new(listener: TcpListener) -> Self {
        Self::with(listener, CONNECTIONS_MAX, CONNECTION_TIME_MAX)
    }

    fn with(listener: TcpListener, connections_max: usize, time_max: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections_max)), time_max }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        // The inherent `accept` gives up on an error; the trait's waits and tries again.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection { stream, time: Box::pin(sleep(self.time_max)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when its time is over, and gives back its place.
pub struct Connection {
    stream: TcpStream,
    time: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// What the stream says, unless it says nothing and the time is over.
    fn in_time<T>(&mut self, context: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            return said;
        }
        ready!(self.time.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_read(context, to);
        self.in_time(context, said)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(context, from);
        self.in_time(context, said)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, said)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_shutdown(context);
        self.in_time(context, said)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    /// Nothing here takes longer, even on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn listen(connections_max: usize, time_max: Duration) -> (BoundedListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (BoundedListener::with(listener, connections_max, time_max), address)
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let (mut listener, address) = listen(2, PATIENCE).await;
        let mut callers = Vec::new();
        for _ in 0..3 {
            callers.push(TcpStream::connect(address).await.unwrap());
        }
        let first = timeout(PATIENCE, listener.accept()).await.unwrap();
        let _second = timeout(PATIENCE, listener.accept()).await.unwrap();
        assert!(timeout(Duration::from_millis(200), listener.accept()).await.is_err(), "there is no place");
        drop(first);
        timeout(PATIENCE, listener.accept()).await.unwrap();
    }

    #[tokio::test]
    async fn who_is_slow_to_ask_or_to_read_is_cut_off() {
        let (mut listener, address) = listen(1, Duration::from_millis(20)).await;
        let _caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = listener.accept().await;
        let asked = timeout(PATIENCE, connection.read(&mut [0])).await.unwrap();
        assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(connection);
        let _caller = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = listener.accept().await;
        let answer = async {
            loop {
                if let Err(error) = connection.write_all(&[0; 1 << 16]).await {
                    return error;
                }
            }
        };
        assert_eq!(timeout(PATIENCE, answer).await.unwrap().kind(), io::ErrorKind::TimedOut);
    }
}
