// SPDX-License-Identifier: Apache-2.0
//! One self-signed certificate for all servers of a run, and client settings that trust it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The certificate of a run.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM certificate.
    pub certificate: PathBuf,
    /// PEM private key (ECDSA P-256).
    pub key: PathBuf,
    trusted: CertificateDer<'static>,
}

impl Tls {
    /// Makes a certificate for 127.0.0.1 and writes it below `folder`.
    pub fn generate(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()])
            .context("making a certificate")?;
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self { certificate, key, trusted: made.cert.der().clone() })
    }

    /// Client settings that trust the certificate, with or without resumption. Each server needs
    /// its own: sessions are remembered by address, which all servers share.
    pub fn client(&self, resume: bool) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !resume {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}
