//! Findings by HTTP: one request each, signed, in the form that the receiver wants.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};

use super::{Gone, Outcome, Sink};
use crate::finding::Finding;

pub use super::SettingsError;

/// Where PagerDuty takes events: the `url` of a sink with [`Body::PagerDuty`], if it is not in the EU.
pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// How findings are sent. It holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Settings {
    /// Where to. `https`, unless [`Settings::allow_http`] or [`Settings::allow_private`]. For chat hooks it is a secret.
    pub url: String,
    /// What a request holds.
    pub body: Body,
    /// The keys to sign with, each `whsec_` and base64; the receiver takes any of them. None: no signature.
    pub signing_keys: Vec<String>,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How long a request may take, the answer included. 10 seconds by default, 5 minutes at most.
    pub timeout: Duration,
    /// At least this long from one request to the next; zero by default. Chat hooks take about one a second.
    pub spacing: Duration,
    /// A file of CA certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate with its chain (PEM), for receivers that ask for one.
    pub client_certificate_file: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub client_key_file: Option<PathBuf>,
    /// Whether addresses of this machine and of private networks may be spoken to.
    pub allow_private: bool,
    /// Whether `http` will do.
    pub allow_http: bool,
    /// Whether to go by the proxies that `HTTPS_PROXY` and its like name. The proxy then resolves names, and is trusted to keep out
    /// what addresses it should.
    pub use_proxy: bool,
}

impl Settings {
    /// Settings for a receiver, all else by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            body: Body::Json,
            signing_keys: Vec::new(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            spacing: Duration::ZERO,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            allow_private: false,
            allow_http: false,
            use_proxy: false,
        }
    }
}

/// What a request holds.
#[derive(Clone)]
pub enum Body {
    /// The finding's own JSON.
    Json,
    /// A message for a Slack incoming webhook.
    Slack,
    /// An Adaptive Card for a Microsoft Teams workflow.
    Teams,
    /// A message for a Discord webhook.
    Discord,
    /// An event for PagerDuty's Events API v2.
    PagerDuty {
        /// The integration's key.
        routing_key: String,
    },
    /// An alert for Alertmanager's API v2 (`/api/v2/alerts`).
    Alertmanager,
    /// What a template makes of the finding.
    Template {
        /// The template, in the language of Jinja. The finding's fields are its variables.
        text: String,
        /// What values are made safe for.
        escape: Escape,
    },
}

/// What the values that a template shows are made safe for, and so the content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// JSON: each value is written as JSON, a string with its quotes.
    #[default]
    Json,
    /// HTML.
    Html,
    /// Plain text: control characters are written as escapes.
    Text,
}

/// Brings findings to a receiver by HTTP.
pub struct Webhook {
    name: Arc<str>,
    #[expect(dead_code, reason = "sending comes with the next commit")]
    settings: Settings,
}

impl Webhook {
    /// A sink with a name. Reads the files that the settings name.
    pub fn new(name: impl Into<Arc<str>>, settings: Settings) -> Result<Self, SettingsError> {
        if settings.url.is_empty() {
            return Err(SettingsError::new("url", "there is none (give the receiver's `https` URL)"));
        }
        Ok(Self { name: name.into(), settings })
    }
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        ready(Ok(vec![Outcome::retry("webhooks are not sent yet"); batch.len()])).boxed()
    }
}
