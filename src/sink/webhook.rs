//! Findings by HTTP: one request each, signed, in the form that the receiver wants.
//!
//! A request is made once, with a time-out; waiting and trying again is the courier's. The finding's id goes along with
//! every try, so that a receiver can tell a repeat. What the receiver answers is text that somebody else chose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};

use super::{Bring, Gone, Outcome, Sink};
use crate::finding::Finding;

mod address;
mod answer;
pub mod body;
mod client;
mod sign;

pub use super::SettingsError;
pub use body::{Body, Escape, PAGERDUTY_URL};
pub use client::addresses;

/// How findings are sent. It holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Settings {
    /// Where to. `https`, unless [`Settings::allow_http`] or [`Settings::allow_private`]. For chat hooks it is a secret.
    pub url: String,
    /// What a request holds; [`Body::Json`] by default.
    pub body: Body,
    /// The keys to sign with, each `whsec_` and the base64 of 24 to 64 bytes. A request carries a signature by each, so
    /// that a receiver can go from one key to the next. None: no signature.
    pub signing_keys: Vec<String>,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How long a request may take, the answer included: 10 seconds by default, 5 minutes at most.
    pub timeout: Duration,
    /// A file of CA certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate with its chain (PEM), for receivers that ask for one.
    pub client_certificate_file: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub client_key_file: Option<PathBuf>,
    /// Whether to speak to addresses of this machine and of private networks.
    pub allow_private: bool,
    /// Whether `http` will do.
    pub allow_http: bool,
    /// Whether to go by the proxies that `HTTPS_PROXY` and its like name. Names are then the proxy's to look up, and it
    /// is trusted to keep private addresses out.
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
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            allow_private: false,
            allow_http: false,
            use_proxy: false,
        }
    }
}

/// Requests in a row that may fail before the rest of a batch is left for later. More than one, since it may be a single
/// finding that a receiver stumbles over.
const FAILURES_MAX: usize = 3;

/// Brings findings to a receiver by HTTP.
pub struct Webhook {
    name: Arc<str>,
    way: Arc<Way>,
}

/// All that it takes to bring a finding.
struct Way {
    url: Url,
    client: Client,
    /// What every request carries.
    headers: HeaderMap,
    writer: body::Writer,
    keys: Vec<sign::Key>,
    hidden: answer::Hidden,
}

impl Webhook {
    /// A sink with a name. Reads the files that the settings name, and no other.
    pub fn new(name: impl Into<Arc<str>>, settings: Settings) -> Result<Self, SettingsError> {
        let url = client::url(&settings)?;
        let way = Way {
            hidden: answer::Hidden::new(secrets(&settings, &url)),
            url,
            headers: client::headers(&settings.headers)?,
            keys: settings.signing_keys.iter().map(|key| sign::Key::parse(key)).collect::<Result<_, _>>()?,
            client: client::client(&settings)?,
            writer: body::Writer::new(settings.body)?,
        };
        Ok(Self { name: name.into(), way: Arc::new(way) })
    }

    /// Sends findings until the receiver wants to be left alone, or seems to be away.
    async fn deliver_all(&self, batch: &[Arc<Finding>]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut failures = 0;
        for finding in batch {
            let outcome = self.way.send(finding).await;
            failures = if matches!(outcome, Outcome::Retry { .. }) { failures + 1 } else { 0 };
            let is_asked_to = matches!(outcome, Outcome::Retry { after: Some(_), .. });
            outcomes.push(outcome);
            if is_asked_to || failures >= FAILURES_MAX {
                break;
            }
        }
        outcomes
    }
}

impl Way {
    async fn send(&self, finding: &Finding) -> Outcome {
        let now = Timestamp::now();
        let body = match self.writer.write(finding) {
            Ok(body) => body,
            Err(problem) => return Outcome::Refused(problem),
        };
        let Some(headers) = self.headers_for(finding, &body, now) else {
            return Outcome::Refused("the finding's id does not go into a header".to_owned());
        };
        match self.client.post(self.url.clone()).headers(headers).body(body).send().await {
            Ok(response) => answer::outcome(response, now, &self.hidden).await,
            Err(error) => answer::failure(error),
        }
    }

    /// Those of <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, and what
    /// the settings add.
    fn headers_for(&self, finding: &Finding, body: &str, now: Timestamp) -> Option<HeaderMap> {
        let id = HeaderValue::from_str(&finding.id).ok()?;
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.writer.content_type()));
        headers.insert("idempotency-key", id.clone());
        headers.insert("webhook-id", id);
        headers.insert("webhook-timestamp", HeaderValue::from(now.as_second()));
        if !self.keys.is_empty() {
            let signatures = sign::signatures(&self.keys, &finding.id, now.as_second(), body);
            headers.insert("webhook-signature", HeaderValue::from_str(&signatures).ok()?);
        }
        Some(headers)
    }
}

/// What the settings hold that an answer might quote: of the URL all that is behind its host.
fn secrets(settings: &Settings, url: &Url) -> Vec<String> {
    let mut secrets = vec![settings.url.clone(), url.to_string(), url.path().to_owned()];
    secrets.extend(url.query().map(str::to_owned));
    secrets.extend(url.password().map(str::to_owned));
    secrets.extend(settings.headers.iter().map(|(_, value)| value.clone()));
    secrets.extend(settings.signing_keys.iter().cloned());
    if let Body::PagerDuty { routing_key } = &settings.body {
        secrets.push(routing_key.clone());
    }
    secrets
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
        self.deliver_all(batch).map(Ok).boxed()
    }

    fn one_by_one(&self) -> Option<Bring> {
        let way = Arc::clone(&self.way);
        Some(Arc::new(move |finding| {
            let way = Arc::clone(&way);
            async move { way.send(&finding).await }.boxed()
        }))
    }
}
