//! A receiver of webhooks that does as a test says: answers anything, slowly or not at all, and keeps what it was sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method and the path.
    pub line: String,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// What to do with a request: the bytes to answer; `None` to keep the connection open and say nothing. After an answer
/// that says `connection: close` the connection is closed, however much of it is missing.
type Script = dyn Fn(usize, &Request) -> Option<String> + Send + Sync;

/// A receiver on a free port of 127.0.0.1. It ends with the test's runtime.
pub struct Receiver {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// `script` is given how many requests came before.
    pub async fn start(script: impl Fn(usize, &Request) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::start_with(None, Arc::new(script)).await
    }

    /// A receiver that speaks TLS.
    pub async fn start_tls(config: ServerConfig) -> Self {
        let script: Arc<Script> = Arc::new(|_, _| Some(answer(200, &[], "")));
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config))), script).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (tls, script, kept) = (tls.clone(), Arc::clone(&script), Arc::clone(&kept));
                tokio::spawn(async move {
                    match tls {
                        None => serve(connection, &*script, &kept).await,
                        // A client that is not let in is seen by the client.
                        Some(tls) => match tls.accept(connection).await {
                            Ok(connection) => serve(connection, &*script, &kept).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

/// An answer as it goes over the wire.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} \r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Answers the requests of a connection until it ends.
async fn serve(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    kept: &Mutex<Vec<Request>>,
) -> Option<()> {
    loop {
        let request = read(&mut connection).await?;
        let before = {
            let mut kept = kept.lock().unwrap();
            kept.push(request.clone());
            kept.len() - 1
        };
        match script(before, &request) {
            Some(answer) => {
                connection.write_all(answer.as_bytes()).await.ok()?;
                if answer.contains("connection: close\r\n") {
                    connection.shutdown().await.ok()?;
                    return None;
                }
            }
            None => std::future::pending().await,
        }
    }
}

async fn read(connection: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await.ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}
