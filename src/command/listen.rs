//! `--listen`: events by HTTP, from options to a source.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Exit, notify, say};
use crate::config::secret_of_file;
use crate::source::Source;
use crate::source::http::{Http, Scheme, Settings, TlsFiles};

/// The variable that holds a secret where no file is named.
const SECRET_VARIABLE: &str = "TRAILWATCH_LISTEN_SECRET";

/// Where to listen, and to whom.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Receives events that an API destination of EventBridge sends to this address, under `/events`.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "follow", conflicts_with = "paths")]
    listen: Option<SocketAddr>,
    /// The certificate that the listener shows, with its chain (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listens to other machines without TLS, which a proxy speaks.
    #[arg(long, requires = "listen", conflicts_with = "tls_cert")]
    allow_http: bool,
    /// A file with the secret that requests have to show; may be repeated. Else it is that in `TRAILWATCH_LISTEN_SECRET`.
    #[arg(long, value_name = "FILE", requires = "listen")]
    secret_file: Vec<PathBuf>,
    /// The header that shows the secret; `X-Api-Key` if not given.
    #[arg(long, value_name = "NAME", requires = "listen")]
    secret_header: Option<String>,
    /// Takes the secret as `USER:PASSWORD` of Basic authentication.
    #[arg(long, requires = "listen", conflicts_with = "secret_header")]
    basic_auth: bool,
    /// Takes events from anybody. Only on an address of this machine alone, such as `127.0.0.1`.
    #[arg(long, requires = "listen", conflicts_with = "secret_file")]
    allow_anybody: bool,
}

impl ListenArgs {
    /// Whether there is to be a listener.
    pub fn is_asked_for(&self) -> bool {
        self.listen.is_some()
    }

    /// A source that listens, if there is to be one; what is wrong has been said.
    pub async fn source(&self) -> Result<Option<Arc<dyn Source>>, Exit> {
        let Some(address) = self.listen else { return Ok(None) };
        let usage = |problem: String| {
            say("error", &format!("`--listen`: {problem}"));
            Exit::Usage
        };
        let settings = self.settings(address).map_err(usage)?;
        let source = Http::new(settings, notify()).map_err(|error| usage(error.problem))?;
        source.listen().await.map_err(|error| {
            say("error", &error.to_string());
            Exit::SourceFailed
        })?;
        Ok(Some(Arc::new(source)))
    }

    fn settings(&self, address: SocketAddr) -> Result<Settings, String> {
        let by_default = Settings::new(address);
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        Ok(Settings {
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
            allow_http: self.allow_http,
            scheme: if self.basic_auth { Scheme::Basic } else { Scheme::Header },
            header: self.secret_header.clone().unwrap_or(by_default.header),
            secrets: self.secrets()?,
            allow_anybody: self.allow_anybody,
            ..by_default
        })
    }

    fn secrets(&self) -> Result<Vec<String>, String> {
        if self.secret_file.is_empty() {
            let is_wanted = |secret: &String| !self.allow_anybody && !secret.is_empty();
            return Ok(std::env::var(SECRET_VARIABLE).ok().filter(is_wanted).into_iter().collect());
        }
        let read =
            |path: &PathBuf| secret_of_file(path).map_err(|reason| format!("cannot read {}: {reason}", path.display()));
        self.secret_file.iter().map(read).collect()
    }
}
