//! The certificate that is shown, and its key.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::{SettingsError, TlsFiles};

/// Reads the files. TLS 1.2 and 1.3, and HTTP/1.1 within.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, SettingsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable(CERTIFICATE, &files.certificate, &error))?;
    if chain.is_empty() {
        return Err(bad(CERTIFICATE, &files.certificate, "it holds no certificate (it has to be PEM)"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(KEY, &files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| bad(KEY, &files.key, &format!("it does not fit the certificate: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

const CERTIFICATE: &str = "certificate_file";
const KEY: &str = "key_file";

fn unreadable(setting: &'static str, path: &Path, error: &dyn std::fmt::Display) -> SettingsError {
    bad(setting, path, &format!("cannot be read: {error} (it has to be PEM)"))
}

fn bad(setting: &'static str, path: &Path, problem: &str) -> SettingsError {
    SettingsError { setting, problem: format!("{}: {problem}", path.display()) }
}
