// SPDX-License-Identifier: Apache-2.0
//! Outbound HTTP/1.1: an address that was configured, and connections to it. Redirects are never
//! followed: credentials in configured headers are for the configured host only.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where systems keep the certificates they trust, most common first.
const TRUST_FILES: [&str; 4] = [
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Why outbound TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of `SSL_CERT_FILE` cannot be read.
    #[error("cannot read the certificates in {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// TLS itself.
    #[error("cannot set up TLS for outbound connections")]
    Tls(#[from] rustls::Error),
}

/// TLS that trusts what the system trusts: the file of `SSL_CERT_FILE`, else the system's bundle.
/// A certificate that cannot be used is passed over, as by every other program.
///
/// # Errors
/// See [`TrustError`].
pub fn client_tls() -> Result<rustls::ClientConfig, TrustError> {
    let configured = std::env::var("SSL_CERT_FILE").ok().filter(|path| !path.is_empty());
    let path = configured.or_else(|| {
        TRUST_FILES.iter().find(|path| Path::new(path).exists()).map(|p| (*p).to_owned())
    });
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = path {
        let certificates = CertificateDer::pem_file_iter(&path)
            .map_err(|source| TrustError::Read { path, source })?;
        roots.add_parsable_certificates(certificates.flatten());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A configured URL, taken apart.
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Path and query.
    pub(crate) path: Uri,
    /// Value for `Host`.
    pub(crate) authority: HeaderValue,
}

impl Address {
    /// Takes an `http://` or `https://` URL apart. The error says what is wrong with it.
    pub(crate) fn parse(url: &str, tls: Arc<rustls::ClientConfig>) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "the url is not a URL")?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("the url must begin with http:// or https://"),
        };
        let authority = uri.authority().ok_or("the url has no host")?;
        if authority.as_str().contains('@') {
            return Err("credentials in the url are not supported; use headers");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if is_tls {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| "the url's host is not a name")?;
            Some((TlsConnector::from(tls), name))
        } else {
            None
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            path: path.parse().map_err(|_| "the url's path is not valid")?,
            authority: HeaderValue::from_str(authority.as_str())
                .map_err(|_| "the url's host is not a name")?,
            host,
            tls,
        })
    }

    /// Opens a connection. It is closed when the returned sender is dropped.
    pub(crate) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ConnectError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => open(TokioIo::new(stream)).await,
            Some((connector, name)) => {
                open(TokioIo::new(connector.connect(name.clone(), stream).await?)).await
            }
        }
    }
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot connect")]
    Connect(#[from] io::Error),
    #[error("the exchange failed")]
    Exchange(#[from] hyper::Error),
}

async fn open<T>(io: T) -> Result<SendRequest<Full<Bytes>>, ConnectError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await?;
    // Ends when the sender is dropped or the other side closes; its error shows at the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// Asks a URL with HEAD: the health check by HTTP (registry.md 6.5).
pub struct Probe {
    address: Address,
    headers: HeaderMap,
    timeout: Duration,
}

/// Why a probe got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection, or it broke.
    #[error("no answer: {0}")]
    Failed(String),
    /// Nothing in time.
    #[error("no answer in time")]
    TimedOut,
}

impl Probe {
    /// A probe of `url`. The error says what is wrong with the URL.
    pub fn new(
        url: &str,
        headers: HeaderMap,
        timeout: Duration,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, &'static str> {
        Ok(Self { address: Address::parse(url, tls)?, headers, timeout })
    }

    /// The status of the answer.
    ///
    /// # Errors
    /// See [`ProbeError`].
    pub async fn head(&self) -> Result<StatusCode, ProbeError> {
        match tokio::time::timeout(self.timeout, self.exchange()).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Err(ProbeError::Failed(cause.unwrap_or_else(|| error.to_string())))
            }
            Err(_) => Err(ProbeError::TimedOut),
        }
    }

    async fn exchange(&self) -> Result<StatusCode, ConnectError> {
        let mut sender = self.address.connect().await?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = Method::HEAD;
        *request.uri_mut() = self.address.path.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::HOST, self.address.authority.clone());
        Ok(sender.send_request(request).await?.status())
    }
}
