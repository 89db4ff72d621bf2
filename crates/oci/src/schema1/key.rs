// SPDX-License-Identifier: Apache-2.0
//! The key with which the registry signs the schema 1 manifests that it makes.
//!
//! Operators configure it as a file (`compatibility.schema1.signingkeyfile`); without one each
//! process makes its own.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::PublicKey;

/// An ECDSA key on the curve P-256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No block of a kind that holds a private key.
    #[error("the file has no PEM block EC PRIVATE KEY or PRIVATE KEY")]
    NoKey,
    /// The block is not base64.
    #[error("the PEM block of the key is malformed")]
    Pem,
    /// Not a key, or one of another kind.
    #[error("the key is not an ECDSA private key on the curve P-256")]
    Kind,
    /// The system gave no random numbers.
    #[error("a key could not be generated")]
    Generate,
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::Generate)?;
        Ok(Self { pair })
    }

    /// Reads a key from PEM: SEC 1 (RFC 5915) or PKCS #8, with or without the headers that
    /// libtrust writes.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let block = |label: &str| {
            let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
            rest.split_once(&format!("-----END {label}-----")).map(|(body, _)| body)
        };
        let body =
            block("EC PRIVATE KEY").or_else(|| block("PRIVATE KEY")).ok_or(KeyError::NoKey)?;
        // RFC 1421 headers, such as libtrust's key id, have a colon, base64 has not.
        let base64: String = body
            .lines()
            .filter(|line| !line.contains(':'))
            .flat_map(str::chars)
            .filter(|char| !char.is_ascii_whitespace())
            .collect();
        let der = STANDARD.decode(base64).map_err(|_| KeyError::Pem)?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| KeyError::Kind)?;
        Ok(Self { pair })
    }

    /// The key that verifies.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::p256(self.pair.public_key().as_ref())
    }

    pub(super) fn sign_message(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

/// Shows the public part only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public_key().id()).finish()
    }
}
