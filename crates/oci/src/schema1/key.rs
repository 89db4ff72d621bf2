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

use serde::Deserialize;

use super::{PublicKey, jws};

/// An ECDSA key on the curve P-256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
}

/// A private key as JSON. No `Debug`: it is a secret.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    #[serde(default)]
    crv: String,
    d: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No block of a kind that holds a private key.
    #[error("the file has no PEM block EC PRIVATE KEY or PRIVATE KEY, and is no JSON Web Key")]
    NoKey,
    /// The block is not base64.
    #[error("the PEM block of the key is malformed")]
    Pem,
    /// JSON, but not a private key.
    #[error("the JSON Web Key is malformed or has no private part")]
    Jwk,
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

    /// Reads the text of a key file, in one of the forms that distribution takes: a JSON Web Key
    /// (RFC 7517), or PEM: SEC 1 (RFC 5915) or PKCS #8, with or without the headers that libtrust
    /// writes.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        if text.trim_start().starts_with('{') { Self::from_jwk(text) } else { Self::from_pem(text) }
    }

    /// RFC 7518, section 6.2.2: the private number `d` beside the public point.
    fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let jwk: PrivateJwk = serde_json::from_str(text).map_err(|_| KeyError::Jwk)?;
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(KeyError::Kind);
        }
        let number = |text: &str| jws::base64::decode(text).ok_or(KeyError::Jwk);
        let point = [&[4][..], &number(&jwk.x)?, &number(&jwk.y)?].concat();
        let secret = number(&jwk.d)?;
        // The library checks the lengths and that the two belong together.
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret,
            &point,
        )
        .map_err(|_| KeyError::Kind)?;
        Ok(Self { pair })
    }

    fn from_pem(pem: &str) -> Result<Self, KeyError> {
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
