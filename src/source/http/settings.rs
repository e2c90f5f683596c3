//! Where to listen, to whom, and within which bounds.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How requests are received. It holds secrets, so it is printed without them.
#[derive(Clone)]
pub struct Settings {
    /// The address and port; a port of 0 is any that is free.
    pub address: SocketAddr,
    /// The one path that is answered; `/events`.
    pub path: String,
    /// The name for origins and reports; `http`.
    pub name: Option<String>,
    /// The certificate to show and its key. Without it requests come in the clear, by way of a proxy that speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Whether requests may come in the clear from other machines.
    pub allow_http: bool,
    /// How a secret is shown.
    pub scheme: Scheme,
    /// The header that shows it, unless the scheme is [`Scheme::Basic`]; `X-Api-Key`.
    pub header: String,
    /// The secrets, any of which will do: several while one takes another's place. For [`Scheme::Basic`] each is
    /// `USER:PASSWORD`.
    pub secrets: Vec<String>,
    /// Whether nobody needs a secret. Only for an address of this machine alone.
    pub allow_anybody: bool,
    /// The bytes of a body; 2 MiB. An event of EventBridge has 1 MB at most, and what is refused for its size never comes
    /// again.
    pub body_bytes_max: usize,
    /// Requests whose bodies are held, from the first byte until their commit; 128.
    pub requests_max: usize,
    /// Connections at the same time; further ones wait to be accepted; 256.
    pub connections_max: usize,
    /// Requests a second that are taken, with as many at once after a pause; 1,000. EventBridge sends at most 300 unless
    /// asked for more.
    pub requests_per_second: u32,
    /// How long a request may take, its body and its commit together; 4.5 seconds, for EventBridge waits 5.
    pub answer_within: Duration,
}

/// How a secret is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As the value of a header: what a connection of EventBridge calls an API key.
    Header,
    /// As a name and a password.
    Basic,
}

/// Files of PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with the chain that leads to an authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A shorter secret could be guessed.
const SECRET_LENGTH_MIN: usize = 16;

impl Settings {
    /// Settings for an address, all else by default.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, ..Self::default() }
    }

    /// Looks for what is wrong, but for secrets and files.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let bad = |setting, problem: &str| Err(SettingsError { setting, problem: problem.to_owned() });
        let is_near = self.address.ip().is_loopback();
        if self.tls.is_none() && !is_near && !self.allow_http {
            let hint = "name a certificate; or set `allow_http` if only a proxy of yours that speaks TLS can reach it";
            return bad("listen", &format!("requests from other machines would come in the clear ({hint})"));
        }
        if self.allow_anybody && !is_near {
            return bad("allow_anybody", "other machines can reach this address, so a secret is needed");
        }
        if self.allow_anybody != self.secrets.is_empty() {
            return match self.allow_anybody {
                true => bad("allow_anybody", "there are secrets, so not anybody may send (leave one of them out)"),
                false => {
                    bad("secrets", "without a secret anybody could send events (give one, of 16 characters or more)")
                }
            };
        }
        if self.secrets.iter().any(|secret| secret.len() < SECRET_LENGTH_MIN) {
            return bad("secrets", "a secret is shorter than 16 characters (`openssl rand -hex 32` makes a good one)");
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#', ' ']) {
            return bad("path", "it is no path (one begins with `/`)");
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            path: "/events".to_owned(),
            name: None,
            tls: None,
            allow_http: false,
            scheme: Scheme::Header,
            header: "X-Api-Key".to_owned(),
            secrets: Vec::new(),
            allow_anybody: false,
            body_bytes_max: 2 << 20,
            requests_max: 128,
            connections_max: 256,
            requests_per_second: 1_000,
            answer_within: Duration::from_millis(4_500),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = format!("{} secrets", self.secrets.len());
        f.debug_struct("Settings").field("address", &self.address).field("secrets", &secrets).finish_non_exhaustive()
    }
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {problem}")]
pub struct SettingsError {
    /// The setting, by its name in a configuration.
    pub setting: &'static str,
    /// What is wrong with it. It quotes no secret.
    pub problem: String,
}
