//! The HTTP client that a webhook's settings ask for, and what is wrong with them.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::tls::{Certificate, Identity};
use reqwest::{Client, ClientBuilder, Url, redirect, retry};

use super::address::{self, Guard};
use super::{Settings, SettingsError};
use crate::sink::innermost;

const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Headers that are written here, or by HTTP itself.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// The URL, if it may be spoken to. Complaints do not quote it: the path of a chat hook is a secret.
pub(super) fn url(settings: &Settings) -> Result<Url, SettingsError> {
    let bad = |problem: String| SettingsError::new("url", problem);
    let url: Url = settings
        .url
        .parse()
        .map_err(|error| bad(format!("it is not a URL: {error} (give one like `https://example.com/hook`)")))?;
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http || settings.allow_private => {}
        "http" => return Err(bad("it is not `https` (set `allow_http` to send findings in the clear)".to_owned())),
        other => return Err(bad(format!("`{other}` is no way to send a finding (give an `https` URL)"))),
    }
    if !settings.allow_private
        && let Some(problem) = literal_address(&url).and_then(address::refusal)
    {
        return Err(bad(format!("its host is {problem}")));
    }
    Ok(url)
}

/// How many addresses a webhook's host has that may be spoken to; an error says why there is none, and not which host it
/// is. Nothing is connected to. With a proxy it is the proxy that looks the host up.
pub async fn addresses(settings: &Settings) -> Result<usize, String> {
    let url = url(settings).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, url.port_or_known_default().unwrap_or(443))).await;
    let found: Vec<IpAddr> = found.map_err(|_| "its host is not found".to_owned())?.map(|at| at.ip()).collect();
    let problem = |address: &IpAddr| if settings.allow_private { None } else { address::refusal(*address) };
    let (good, bad): (Vec<&IpAddr>, Vec<&IpAddr>) = found.iter().partition(|address| problem(address).is_none());
    match bad.first().and_then(|address| problem(address)) {
        Some(problem) if good.is_empty() => Err(format!("its host is {problem}")),
        _ if good.is_empty() => Err("its host has no address".to_owned()),
        _ => Ok(good.len()),
    }
}

/// The address that stands in a URL in place of a name, so that no name is looked up.
fn literal_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The headers that every request carries.
pub(super) fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, SettingsError> {
    let bad = |problem: String| SettingsError::new("headers", problem);
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let parsed: HeaderName = name.parse().map_err(|_| bad(format!("`{name}` is not the name of a header")))?;
        if OWN_HEADERS.contains(&parsed.as_str()) {
            return Err(bad(format!("`{name}` is written by Trailwatch (leave it out)")));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| bad(format!("the value of `{name}` has characters that no header takes")))?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// The client.
pub(super) fn client(settings: &Settings) -> Result<Client, SettingsError> {
    if settings.timeout.is_zero() || settings.timeout > TIMEOUT_MAX {
        return Err(SettingsError::new("timeout", "it is not between 1 millisecond and 5 minutes"));
    }
    let mut builder = Client::builder()
        .user_agent(concat!("trailwatch/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .pool_max_idle_per_host(1);
    if !settings.use_proxy {
        builder = builder.no_proxy();
    }
    if !settings.allow_private {
        let proxies = if settings.use_proxy { proxy_hosts(std::env::vars()) } else { Vec::new() };
        builder = builder.dns_resolver(Guard { proxies });
    }
    let (builder, blamed) = with_tls(builder, settings)?;
    // What is in the files is looked at when all of it is put together.
    builder.build().map_err(|error| SettingsError::new(blamed, format!("no client can be made: {}", innermost(&error))))
}

/// The hosts of the proxies that the environment names. They may be anywhere; what is reached without them may not.
fn proxy_hosts(environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let names = ["http_proxy", "https_proxy", "all_proxy"];
    let proxies = environment.filter(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
    let host = |(_, proxy): (String, String)| {
        let url = Url::parse(&proxy).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("http://{proxy}")).ok());
        url?.host_str().map(str::to_owned)
    };
    proxies.filter_map(host).collect()
}

fn with_tls(mut builder: ClientBuilder, settings: &Settings) -> Result<(ClientBuilder, &'static str), SettingsError> {
    let mut blamed = "url";
    if let Some(path) = &settings.ca_file {
        blamed = "ca_file";
        builder = builder.tls_certs_only(certificates(path)?);
    }
    match (&settings.client_certificate_file, &settings.client_key_file) {
        (Some(certificate), Some(key)) => {
            blamed = "client_certificate_file";
            builder = builder.identity(identity(certificate, key)?);
        }
        (None, None) => {}
        (Some(_), None) => {
            return Err(SettingsError::new("client_key_file", "it is missing (a certificate needs its key)"));
        }
        (None, Some(_)) => {
            return Err(SettingsError::new("client_certificate_file", "it is missing (a key needs its certificate)"));
        }
    }
    Ok((builder, blamed))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, SettingsError> {
    let bad = |problem: String| SettingsError::new("ca_file", format!("{}: {problem}", path.display()));
    let found = Certificate::from_pem_bundle(&read("ca_file", path)?).map_err(|error| bad(innermost(&error)))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate (PEM is wanted, `-----BEGIN CERTIFICATE-----`)".to_owned()));
    }
    Ok(found)
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, SettingsError> {
    let mut pem = read("client_certificate_file", certificate)?;
    pem.push(b'\n');
    pem.extend(read("client_key_file", key)?);
    Identity::from_pem(&pem).map_err(|error| {
        let problem = format!("{} with {}: {}", certificate.display(), key.display(), innermost(&error));
        SettingsError::new("client_certificate_file", format!("{problem} (both are wanted as PEM)"))
    })
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|error| SettingsError::new(setting, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_known_by_their_hosts() {
        let of = |name: &str, proxy: &str| proxy_hosts(std::iter::once((name.to_owned(), proxy.to_owned())));
        assert_eq!(of("HTTPS_PROXY", "http://user:word@proxy.example.com:3128"), ["proxy.example.com"]);
        assert_eq!(of("all_proxy", "proxy.example.com:3128"), ["proxy.example.com"]);
        assert!(of("NO_PROXY", "example.com").is_empty());
    }
}
