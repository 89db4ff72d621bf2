// SPDX-License-Identifier: Apache-2.0
//! Who this control plane is: its authority, its serving certificate, the administrator's client certificate, and the
//! key that signs service accounts' tokens. Made at the first start, renewed before they end.

use std::net::IpAddr;
use std::sync::Arc;

use authn::authority::{
    Authority, AuthorityError, Identity, covers_names, issued_by, needs_renewal,
};
use authn::jwk::{BadKey, KeySet, SigningKey};
use authn::jwt::{Issuer, Verifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};

use crate::data_dir::{DataDir, DataDirError};

/// The group of the administrator's certificate.
const ADMIN_GROUP: &str = "system:masters";
/// The administrator's name.
const ADMIN: &str = "system:admin";
/// Who signs service accounts' tokens.
pub const TOKEN_ISSUER: &str = "https://kubernetes.default.svc";

/// Why keys or certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The files.
    #[error(transparent)]
    Files(#[from] DataDirError),
    /// The authority.
    #[error("certificate authority: {0}")]
    Authority(#[from] AuthorityError),
    /// A key.
    #[error("signing key: {0}")]
    Key(#[from] BadKey),
    /// The TLS library.
    #[error("TLS: {0}")]
    Tls(String),
}

/// All of it.
pub struct Keys {
    authority: Authority,
    serving: Identity,
    admin: Identity,
    /// Issues service accounts' tokens.
    pub issuer: Issuer,
    /// Checks them.
    pub verifier: Verifier,
}

impl Keys {
    /// Reads what there is and makes what is missing, does not cover `names`, or ends soon.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(
        dir: &DataDir,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<Self, IdentityError> {
        let authority = match read(dir, "ca")? {
            Some(identity) => Authority::from_identity(identity)?,
            None => {
                let authority = Authority::generate("berth", now)?;
                write(dir, "ca", authority.identity())?;
                authority
            }
        };
        let good = |identity: &Identity| {
            let certificate = identity.certificate_pem();
            !needs_renewal(certificate, now)
                && issued_by(certificate, authority.identity().certificate_pem())
        };
        let serving = match read(dir, "serving")?
            .filter(|i| good(i) && covers_names(i.certificate_pem(), names))
        {
            Some(identity) => identity,
            None => {
                let identity = authority.serving(names, now)?;
                write(dir, "serving", &identity)?;
                identity
            }
        };
        let admin = match read(dir, "admin")?.filter(good) {
            Some(identity) => identity,
            None => {
                let identity = authority.client(ADMIN, Some(ADMIN_GROUP), now)?;
                write(dir, "admin", &identity)?;
                identity
            }
        };
        let key = match dir.read("pki/accounts.key")? {
            Some(text) => SigningKey::from_pem(&text)?,
            None => {
                let key = SigningKey::generate()?;
                dir.write("pki/accounts.key", &key.to_pem())?;
                key
            }
        };
        let keys = KeySet::new([key.verifying_key().clone()])?;
        let issuers = vec![TOKEN_ISSUER.to_owned()];
        let verifier = Verifier { issuers, keys, legacy: true };
        let issuer = Issuer { name: TOKEN_ISSUER.to_owned(), key };
        Ok(Self { authority, serving, admin, issuer, verifier })
    }

    /// The TLS settings: our certificate, and client certificates of our authority where a client has one.
    ///
    /// # Errors
    /// [`IdentityError::Tls`].
    pub fn tls(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let fail = |error: &dyn std::fmt::Display| IdentityError::Tls(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in
            certificates(self.authority.identity().certificate_pem()).map_err(|e| fail(&e))?
        {
            roots.add(certificate).map_err(|e| fail(&e))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|e| fail(&e))?;
        let mut chain = certificates(self.serving.certificate_pem()).map_err(|e| fail(&e))?;
        chain.extend(
            certificates(self.authority.identity().certificate_pem()).map_err(|e| fail(&e))?,
        );
        let key = PrivateKeyDer::from_pem_slice(self.serving.key_pem().as_bytes())
            .map_err(|e| fail(&e))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| fail(&e))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(|e| fail(&e))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self, server: &str) -> String {
        let ca = STANDARD.encode(self.authority.identity().certificate_pem());
        let certificate = STANDARD.encode(self.admin.certificate_pem());
        let key = STANDARD.encode(self.admin.key_pem());
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: berth\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\nusers:\n- name: admin\n  user:\n    client-certificate-data: \
             {certificate}\n    client-key-data: {key}\ncontexts:\n- name: admin\n  context:\n    cluster: berth\n    \
             user: admin\n    namespace: default\ncurrent-context: admin\n"
        )
    }
}

/// The names and addresses that the API is reached by.
#[must_use]
pub fn serving_names(bind: IpAddr) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    for service in [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ] {
        names.push(service.to_owned());
    }
    if !bind.is_loopback() && !bind.is_unspecified() {
        names.push(bind.to_string());
    }
    names
}

fn certificates(
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, tokio_rustls::rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}

fn read(dir: &DataDir, name: &str) -> Result<Option<Identity>, IdentityError> {
    let (certificate, key) =
        (dir.read(&format!("pki/{name}.crt"))?, dir.read(&format!("pki/{name}.key"))?);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Identity::from_pem(&certificate, &key)?)),
        // A crash between the two leaves one; both are made anew.
        _ => Ok(None),
    }
}

fn write(dir: &DataDir, name: &str, identity: &Identity) -> Result<(), IdentityError> {
    dir.write(&format!("pki/{name}.key"), identity.key_pem())?;
    Ok(dir.write(&format!("pki/{name}.crt"), identity.certificate_pem())?)
}
