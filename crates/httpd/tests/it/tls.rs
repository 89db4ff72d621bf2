// SPDX-License-Identifier: Apache-2.0
//! TLS: versions, suites, client certificates, resumption, reload, bad files.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use httpd::{Limits, MinVersion, Tls, TlsError, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Client, PATIENCE, Running, get, read_to_end};

/// A certificate authority with a folder for what it issues.
pub struct Ca {
    pub folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(params, key);
        let ca = Self { folder: tempfile::tempdir().expect("a folder"), issuer, pem };
        std::fs::write(ca.path("ca.pem"), &ca.pem).expect("written");
        ca.issue("localhost");
        ca
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes certificate and key for `name`, replacing those before.
    pub fn issue(&self, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("valid");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        for (file, content) in [("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())] {
            // Replaced by rename, as secrets are: a new inode even within the clock's resolution.
            std::fs::write(self.path("new"), content).expect("written");
            std::fs::rename(self.path("new"), self.path(file)).expect("renamed");
        }
    }

    pub fn settings(&self) -> TlsSettings {
        TlsSettings::new(self.path("cert.pem"), self.path("key.pem"))
    }

    pub fn server(&self) -> Tls {
        Tls::new(self.settings()).expect("valid files")
    }

    /// A client that trusts this authority; with a certificate if `own`.
    pub fn client(&self, alpn: &[&[u8]], own: bool) -> ClientConfig {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.pem.as_bytes());
        roots.add(authority.expect("PEM")).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = if own {
            let chain = CertificateDer::from_pem_file(self.path("cert.pem")).expect("PEM");
            let key = PrivateKeyDer::from_pem_file(self.path("key.pem")).expect("PEM");
            builder.with_client_auth_cert(vec![chain], key).expect("a pair")
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

pub async fn handshake(
    server: &Running,
    config: Arc<ClientConfig>,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(config).connect(name, server.connect().await).await
}

pub async fn connect(
    server: &Running,
    ca: &Ca,
    alpn: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    handshake(server, Arc::new(ca.client(alpn, false)), "localhost").await
}

#[tokio::test]
async fn http1_is_served_with_and_without_alpn() {
    let ca = Ca::new();
    let server = Running::with(Limits::default(), Some(Arc::new(ca.server())));
    for alpn in [&[b"http/1.1".as_slice()][..], &[]] {
        let mut client = Client::new(connect(&server, &ca, alpn).await.expect("TLS"));
        let answer = client.ask(get("/inspect")).await;
        assert!(answer.text().ends_with("tls=true"), "{}", answer.text());
        // A large body each way, in pipelined requests.
        let data = crate::support::pattern(1 << 20);
        let head =
            format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", data.len());
        client.send([head.as_bytes(), &data, get("/hello").as_bytes()].concat()).await;
        assert!(client.answer().await.body == data);
        assert_eq!(client.answer().await.text(), "hello");
    }
}

#[tokio::test]
async fn certificates_are_reloaded_and_bad_ones_ignored() {
    let ca = Ca::new();
    let tls = Arc::new(ca.server());
    let server = Running::with(Limits::default(), Some(Arc::clone(&tls)));
    let config = Arc::new(ca.client(&[], false));
    handshake(&server, config.clone(), "localhost").await.expect("first certificate");
    assert!(!tls.reload().expect("unchanged"));
    std::fs::write(ca.path("cert.pem"), "garbage").expect("written");
    let error = tls.reload().expect_err("no certificate").to_string();
    assert!(error.ends_with("cert.pem: no certificate found"), "{error}");
    handshake(&server, config.clone(), "localhost").await.expect("the old one is in force");
    ca.issue("other.example");
    assert!(tls.reload().expect("new files"));
    handshake(&server, Arc::new(ca.client(&[], false)), "localhost").await.expect_err("gone");
    handshake(&server, Arc::new(ca.client(&[], false)), "other.example").await.expect("new");
}

#[tokio::test]
async fn files_are_watched() {
    let ca = Ca::new();
    let mut settings = ca.settings();
    settings.reload_interval = Duration::from_millis(20);
    let server = Running::with(Limits::default(), Some(Arc::new(Tls::new(settings).unwrap())));
    ca.issue("other.example");
    let config = Arc::new(ca.client(&[], false));
    let picked_up =
        async { while handshake(&server, config.clone(), "other.example").await.is_err() {} };
    tokio::time::timeout(PATIENCE, picked_up).await.expect("picked up");
}

#[tokio::test]
async fn sessions_are_resumed_also_after_a_new_certificate() {
    let ca = Ca::new();
    let tls = Arc::new(ca.server());
    let server = Running::with(Limits::default(), Some(Arc::clone(&tls)));
    let config = Arc::new(ca.client(&[], false));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let stream = handshake(&server, Arc::clone(&config), "localhost").await.expect("TLS");
        let mut client = Client::new(stream);
        // The ticket comes behind the handshake: an answer makes sure it was read.
        assert_eq!(client.ask(get("/hello")).await.status, 200);
        let kind = client.stream.get_ref().1.handshake_kind().expect("done");
        let same = matches!(
            (kind, expected),
            (HandshakeKind::Resumed, HandshakeKind::Resumed)
                | (
                    HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest,
                    HandshakeKind::Full
                )
        );
        assert!(same, "{kind:?}");
        ca.issue("localhost");
        tls.reload().expect("new files");
    }
}

#[tokio::test]
async fn client_certificates_are_required_and_verified() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let mut settings = ca.settings();
    settings.client_cas = vec![ca.path("ca.pem")];
    let server = Running::with(Limits::default(), Some(Arc::new(Tls::new(settings).unwrap())));
    let config = Arc::new(ca.client(&[], true));
    let mut client = Client::new(handshake(&server, config, "localhost").await.expect("TLS"));
    assert_eq!(client.ask(get("/hello")).await.status, 200);
    let mut strange = ca.client(&[], false);
    let none = Arc::new(strange.clone());
    strange.client_auth_cert_resolver = stranger.client(&[], true).client_auth_cert_resolver;
    for config in [none, Arc::new(strange)] {
        // TLS 1.3 clients learn of the refusal when they read.
        if let Ok(mut stream) = handshake(&server, config, "localhost").await {
            assert!(stream.read(&mut [0]).await.is_err());
        }
    }
    while server.handle.stats().handshake_failures < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn versions_and_suites_are_as_configured() {
    let ca = Ca::new();
    let mut settings = ca.settings();
    settings.min_version = MinVersion::Tls13;
    settings.cipher_suites = vec!["TLS_AES_256_GCM_SHA384".to_owned()];
    let server = Running::with(Limits::default(), Some(Arc::new(Tls::new(settings).unwrap())));
    let stream = connect(&server, &ca, &[]).await.expect("TLS 1.3");
    let suite = stream.get_ref().1.negotiated_cipher_suite().expect("one").suite();
    assert_eq!(suite.as_str(), Some("TLS13_AES_256_GCM_SHA384"));
    let old = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    handshake(&server, Arc::new(old), "localhost").await.expect_err("TLS 1.2");
}

#[test]
fn bad_settings_are_named() {
    let ca = Ca::new();
    let fails = |change: &dyn Fn(&mut TlsSettings)| {
        let mut settings = ca.settings();
        change(&mut settings);
        let error = Tls::new(settings).expect_err("refused");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        // Who prints an error prints its causes behind it.
        assert!(cause.is_none_or(|cause| !error.to_string().contains(&cause)), "{error}");
        error.to_string()
    };
    let error = fails(&|s| s.cipher_suites = vec!["RC4".into()]);
    assert!(error.starts_with("unknown cipher suite \"RC4\", valid are: TLS_"), "{error}");
    let error = fails(&|s| s.key = "/nonexistent/key".into());
    assert_eq!(error, "cannot read /nonexistent/key");
    let error = fails(&|s| s.key = s.certificate.clone());
    assert!(error.ends_with("cert.pem: no usable private key found"), "{error}");
    let error = fails(&|s| s.client_cas = vec![s.key.clone()]);
    assert!(error.ends_with("key.pem: no certificate found"), "{error}");
    let other = Ca::new();
    let mut settings = ca.settings();
    settings.key = other.path("key.pem");
    assert!(matches!(Tls::new(settings), Err(TlsError::Pair { .. })));
}

#[tokio::test]
async fn a_client_that_does_not_shake_hands_is_dropped() {
    let ca = Ca::new();
    let limits = Limits { tls_handshake: Duration::from_millis(100), ..Limits::default() };
    let server = Running::with(limits, Some(Arc::new(ca.server())));
    assert!(read_to_end(&mut server.connect().await).await.is_empty());
    assert_eq!(server.handle.stats().handshake_failures, 1);
}

#[tokio::test]
async fn plain_http_is_told_to_use_tls() {
    let ca = Ca::new();
    let server = Running::with(Limits::default(), Some(Arc::new(ca.server())));
    // More than the first segment: what is not read must not reset the connection.
    let long = format!("POST / HTTP/1.1\r\nHost: t\r\n\r\n{}", "x".repeat(100_000));
    for (count, request) in [(1, get("/hello")), (2, long)] {
        let answer = server.raw(request.as_bytes()).await;
        assert_eq!(
            answer,
            "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        );
        assert_eq!(server.handle.stats().handshake_failures, count);
    }
    // Anything else that is not TLS gets TLS's own answer, an alert.
    assert_eq!(server.raw(b"\x00\x01\x02\x03\x04\x05").await.as_bytes().first(), Some(&0x15));
    // And a client that opens and closes without a byte harms nobody.
    drop(server.connect().await);
    connect(&server, &ca, &[]).await.expect("TLS still works");
}
