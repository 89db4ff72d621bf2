// SPDX-License-Identifier: Apache-2.0
//! Certificates, passwords and the client files that carry them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// User name and password of the tests' one account.
#[derive(Clone)]
pub struct Credentials {
    /// Login name.
    pub user: String,
    /// Clear-text password.
    pub password: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { user: "tester".into(), password: "correct horse battery".into() }
    }
}

impl Credentials {
    /// Value of an `Authorization` header (RFC 7617).
    pub fn basic(&self) -> String {
        format!("Basic {}", self.encoded())
    }

    fn encoded(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.user, self.password))
    }

    /// Writes an htpasswd file with a bcrypt entry of low cost.
    pub fn write_htpasswd(&self, path: &Path) -> Result<()> {
        let hash = bcrypt::hash(&self.password, 5)?;
        std::fs::write(path, format!("{}:{hash}\n", self.user))?;
        Ok(())
    }

    /// Writes `config.json` as the Docker client does (also read by crane, oras, skopeo, podman).
    pub fn write_docker_config(&self, directory: &Path, host: &str) -> Result<PathBuf> {
        let path = directory.join("config.json");
        let entry = serde_json::json!({ "auths": { host: { "auth": self.encoded() } } });
        std::fs::write(&path, serde_json::to_vec_pretty(&entry)?)?;
        Ok(path)
    }
}

/// A certificate authority of one test with one server certificate for loopback.
pub struct Authority {
    /// PEM file with the authority's certificate, to be trusted by clients.
    pub authority_file: PathBuf,
    /// PEM file with the server's certificate.
    pub certificate_file: PathBuf,
    /// PEM file with the server's private key.
    pub key_file: PathBuf,
    root: rcgen::Certificate,
}

impl Authority {
    /// Creates the authority and its files in `directory`.
    pub fn create(directory: &Path) -> Result<Self> {
        let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new())?;
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "system test authority");
        let root_key = rcgen::KeyPair::generate()?;
        let root = parameters.self_signed(&root_key)?;
        let issuer = rcgen::Issuer::new(parameters, root_key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut leaf = rcgen::CertificateParams::new(names)?;
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "system test server");
        let leaf_key = rcgen::KeyPair::generate()?;
        let certificate = leaf.signed_by(&leaf_key, &issuer)?;

        let made = Self {
            authority_file: directory.join("authority.crt"),
            certificate_file: directory.join("server.crt"),
            key_file: directory.join("server.key"),
            root,
        };
        std::fs::write(&made.authority_file, made.root.pem())?;
        std::fs::write(&made.certificate_file, certificate.pem())?;
        std::fs::write(&made.key_file, leaf_key.serialize_pem())?;
        Ok(made)
    }

    /// TLS client settings that trust this authority and offer `protocols` by ALPN (RFC 7301).
    pub fn client(&self, protocols: &[&[u8]]) -> Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.der().clone()).context("trust the test authority")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}
