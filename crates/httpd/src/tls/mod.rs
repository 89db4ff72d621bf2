// SPDX-License-Identifier: Apache-2.0
//! TLS: configuration from files, reload when the files change.
//!
//! [`Tls`] is built from [`TlsSettings`] and given to a listener. The whole rustls configuration
//! is swapped on reload; connections keep the one they began with.

mod names;
mod reload;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

pub use names::{cipher_suite_names, tls_version_names};
use reload::Fingerprint;

/// Sessions of TLS 1.2 clients without tickets that can be resumed.
const SESSIONS: usize = 4096;

/// Lowest protocol version that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What a TLS listener is made of.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// PEM file with the certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// Lowest version.
    pub min_version: MinVersion,
    /// IANA names of the suites to offer, in order of preference; empty for the default.
    pub cipher_suites: Vec<String>,
    /// PEM files of CAs. If there are any, clients must show a certificate of one of them.
    pub client_cas: Vec<PathBuf>,
    /// Offer HTTP/2 in ALPN.
    pub http2: bool,
    /// How often the files are looked at.
    pub reload_interval: Duration,
}

impl TlsSettings {
    /// The defaults with a certificate and its key.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            min_version: MinVersion::default(),
            cipher_suites: Vec::new(),
            client_cas: Vec::new(),
            http2: true,
            reload_interval: Duration::from_secs(10),
        }
    }
}

/// Why a TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any of the content.
        reason: String,
    },
    /// Certificate and key do not fit together or are of no use.
    #[error("certificate {} and key {} cannot be used", certificate.display(), key.display())]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A cipher suite we do not have.
    #[error("unknown cipher suite {name:?}, valid are: {}", valid.join(", "))]
    CipherSuite {
        /// As configured.
        name: String,
        /// What could have been configured.
        valid: Vec<&'static str>,
    },
    /// The settings exclude each other.
    #[error("the TLS settings cannot be combined")]
    Settings(#[source] rustls::Error),
}

/// A TLS configuration that follows its files.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    /// What the files were when `current` was made. Also serialises reloads.
    seen: Mutex<Fingerprint>,
}

impl Tls {
    /// Reads the files and builds the configuration.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let seen = Fingerprint::of(&settings);
        let config = build(&settings, None)?;
        Ok(Self { settings, current: RwLock::new(Arc::new(config)), seen: Mutex::new(seen) })
    }

    /// The configuration for the next handshake.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Reads the files again if they changed; true if so. On an error the old configuration stays
    /// in force and the files are tried again at the next call.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock();
        let now = Fingerprint::of(&self.settings);
        if now == *seen {
            return Ok(false);
        }
        // Tickets outlive a new certificate, but not new client CAs: resumption skips the check
        // of the client's certificate.
        let keep = now.same_client_cas(&seen).then(|| self.current());
        let config = build(&self.settings, keep.as_deref())?;
        *self.current.write() = Arc::new(config);
        *seen = now;
        Ok(true)
    }

    /// Looks at the files now and then, for as long as the future is polled.
    pub(crate) async fn watch_files(self: Arc<Self>) {
        let mut failing = false;
        loop {
            tokio::time::sleep(self.settings.reload_interval).await;
            let tls = Arc::clone(&self);
            let done = tokio::task::spawn_blocking(move || tls.reload()).await;
            match done {
                Ok(Ok(true)) => {
                    failing = false;
                    let certificate = self.settings.certificate.display();
                    tracing::info!(%certificate, "TLS certificate reloaded");
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    // Said once: files are often replaced one after the other.
                    if !std::mem::replace(&mut failing, true) {
                        let error = with_causes(&error);
                        tracing::warn!(%error, "TLS files changed but cannot be used");
                    }
                }
                Err(error) => tracing::error!(%error, "TLS reload ended unexpectedly"),
            }
        }
    }
}

/// An error with its causes on one line: a `Display` text does not repeat its source's.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn build(settings: &TlsSettings, old: Option<&ServerConfig>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(provider(&settings.cipher_suites)?);
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Settings)?;
    let builder = if settings.client_cas.is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_verifier(client_verifier(&settings.client_cas, &provider)?)
    };
    let chain = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|source| TlsError::Pair {
        certificate: settings.certificate.clone(),
        key: settings.key.clone(),
        source,
    })?;
    config.alpn_protocols = if settings.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    config.ignore_client_order = true;
    // Clients open several short connections; one ticket each is enough, the default is two.
    config.send_tls13_tickets = 1;
    if let Some(old) = old {
        config.ticketer = Arc::clone(&old.ticketer);
        config.session_storage = Arc::clone(&old.session_storage);
    } else {
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Settings)?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    }
    Ok(config)
}

fn provider(names: &[String]) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    if names.is_empty() {
        return Ok(provider);
    }
    provider.cipher_suites = names
        .iter()
        .map(|name| {
            names::cipher_suite(name).ok_or_else(|| TlsError::CipherSuite {
                name: name.clone(),
                valid: names::cipher_suite_names(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(provider)
}

fn client_verifier(
    files: &[PathBuf],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in files {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| content(path, format!("not a usable CA: {error}")))?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    builder.build().map_err(|error| TlsError::Settings(rustls::Error::General(error.to_string())))
}

fn content(path: &Path, reason: impl Into<String>) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason: reason.into() }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(path, format!("not valid PEM: {error}")))?;
    if chain.is_empty() {
        return Err(content(path, "no certificate found"));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|_| content(path, "no usable private key found"))
}
