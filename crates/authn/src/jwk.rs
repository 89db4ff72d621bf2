// SPDX-License-Identifier: Apache-2.0
//! Keys of tokens: the one that signs, those that verify, and how they are published (RFC 7517, RFC
//! 7638). A key is for one algorithm: P-256 for ES256, RSA for RS256. What a token says about its
//! algorithm is compared with the key's, never followed.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pem;

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It cannot be read.
    #[error("the key cannot be read")]
    Malformed,
    /// It is of a kind or size that is not used here.
    #[error("the key is neither P-256 nor RSA of 2048 to 8192 bits")]
    Unsupported,
    /// It is meant for something else than signatures, or for another algorithm.
    #[error("the key is not meant for signatures of its kind")]
    WrongUse,
    /// Two keys have the same id.
    #[error("two keys have the same id")]
    DuplicateId,
    /// The generator of random numbers failed.
    #[error("no random numbers")]
    NoRandom,
}

/// Signs tokens with ES256. Its private half leaves it only through [`SigningKey::to_pem`].
pub struct SigningKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    public: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, BadKey> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| BadKey::NoRandom)?;
        Self::from_pkcs8(document.as_ref())
    }

    /// A key as [`SigningKey::to_pem`] writes it.
    pub fn from_pem(text: &str) -> Result<Self, BadKey> {
        Self::from_pkcs8(&pem::decode(text, "PRIVATE KEY").ok_or(BadKey::Malformed)?)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, BadKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| BadKey::Unsupported)?;
        let public = VerifyingKey::from_point(pair.public_key().as_ref())?;
        Ok(Self { pair, pkcs8: pkcs8.to_vec(), public })
    }

    /// PKCS #8, for a file that only its owner reads.
    pub fn to_pem(&self) -> String {
        pem::encode(&self.pkcs8, "PRIVATE KEY")
    }

    /// The public half.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BadKey> {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).map_err(|_| BadKey::NoRandom)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    id: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The point, uncompressed.
    P256(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl VerifyingKey {
    fn from_point(point: &[u8]) -> Result<Self, BadKey> {
        if point.len() != 65 || point[0] != 4 {
            return Err(BadKey::Unsupported);
        }
        Ok(Self::with_thumbprint(Kind::P256(point.to_vec())))
    }

    fn from_rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let trim = |bytes: &[u8]| {
            bytes.iter().position(|byte| *byte != 0).map_or(Vec::new(), |at| bytes[at..].to_vec())
        };
        let (n, e) = (trim(n), trim(e));
        if !(256..=1024).contains(&n.len()) || e.is_empty() || e.len() > 4 {
            return Err(BadKey::Unsupported);
        }
        Ok(Self::with_thumbprint(Kind::Rsa { n, e }))
    }

    fn with_thumbprint(kind: Kind) -> Self {
        let mut key = Self { id: String::new(), kind };
        // RFC 7638: the required members in the order of their names, without spaces.
        let members = Value::Object(key.members()).to_string();
        key.id = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        key
    }

    /// From a PEM public key or certificate.
    pub fn from_pem(text: &str) -> Result<Self, BadKey> {
        if let Some(der) = pem::decode(text, "PUBLIC KEY") {
            let (_, info) = SubjectPublicKeyInfo::from_der(&der).map_err(|_| BadKey::Malformed)?;
            return Self::from_info(&info);
        }
        let der = pem::decode(text, "CERTIFICATE").ok_or(BadKey::Malformed)?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| BadKey::Malformed)?;
        Self::from_info(certificate.public_key())
    }

    fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, BadKey> {
        match info.parsed().map_err(|_| BadKey::Malformed)? {
            // Curves with points of the same length (secp256k1) have another parameter.
            PublicKey::EC(point)
                if info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok())
                    == Some(x509_parser::oid_registry::OID_EC_P256) =>
            {
                Self::from_point(point.data())
            }
            PublicKey::RSA(key) => Self::from_rsa(key.modulus, key.exponent),
            _ => Err(BadKey::Unsupported),
        }
    }

    /// From a JSON web key. One that has a private half, or is for encryption, is refused.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, BadKey> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            decoded.ok_or(BadKey::Malformed)
        };
        let verifies = match jwk.get("key_ops") {
            None => true,
            Some(Value::Array(ops)) => ops.iter().any(|op| op == "verify"),
            Some(_) => false,
        };
        if jwk.contains_key("d") || text("use").is_some_and(|one| one != "sig") || !verifies {
            return Err(BadKey::WrongUse);
        }
        let mut key = match text("kty") {
            Some("EC") if text("crv") == Some("P-256") => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(BadKey::Malformed);
                }
                Self::from_point(&[&[4], x.as_slice(), &y].concat())?
            }
            Some("RSA") => Self::from_rsa(&bytes("n")?, &bytes("e")?)?,
            _ => return Err(BadKey::Unsupported),
        };
        if jwk.get("alg").is_some_and(|alg| alg != key.algorithm()) {
            return Err(BadKey::WrongUse);
        }
        if let Some(id) = text("kid") {
            id.clone_into(&mut key.id);
        }
        Ok(key)
    }

    /// By what tokens name it: the thumbprint, or what the key's own document says.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The only algorithm that it is used with.
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::P256(_) => "ES256",
            Kind::Rsa { .. } => "RS256",
        }
    }

    /// The members that RFC 7638 requires; a map is sorted by name.
    fn members(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let value = match &self.kind {
            Kind::P256(point) => json!({
                "crv": "P-256", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..]),
            }),
            Kind::Rsa { n, e } => json!({"e": encode(e), "kty": "RSA", "n": encode(n)}),
        };
        match value {
            Value::Object(mut members) => {
                members.sort_keys();
                members
            }
            _ => Map::new(),
        }
    }

    /// The key for a JWKS.
    pub fn to_jwk(&self) -> Value {
        let mut members = self.members();
        members.insert("use".to_owned(), json!("sig"));
        members.insert("alg".to_owned(), json!(self.algorithm()));
        members.insert("kid".to_owned(), json!(self.id));
        Value::Object(members)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Kind::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// The keys that are believed. While keys are rotated there are several: first the new one is added
/// everywhere, then it signs, and the old one goes when its last token has ended.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, BadKey> {
        let mut set = Self::default();
        for key in keys {
            if set.keys.contains(&key) {
                continue;
            }
            if set.get(&key.id).is_some() {
                return Err(BadKey::DuplicateId);
            }
            set.keys.push(key);
        }
        Ok(set)
    }

    /// From a JWKS document, at most 100 keys. One key that is refused makes all refused, so that a
    /// damaged document is noticed.
    pub fn from_jwks(document: &[u8]) -> Result<Self, BadKey> {
        let object = crate::strict::object(document).ok_or(BadKey::Malformed)?;
        let keys = object.get("keys").and_then(Value::as_array).ok_or(BadKey::Malformed)?;
        if keys.len() > 100 {
            return Err(BadKey::Malformed);
        }
        let keys: Result<Vec<_>, _> = keys
            .iter()
            .map(|key| VerifyingKey::from_jwk(key.as_object().ok_or(BadKey::Malformed)?))
            .collect();
        Self::new(keys?)
    }

    /// The key of that id.
    pub fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// The document served at `/openid/v1/jwks`.
    pub fn to_jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(VerifyingKey::to_jwk).collect::<Vec<_>>()})
    }

    /// The document served at `/.well-known/openid-configuration`.
    pub fn discovery(&self, issuer: &str, jwks_uri: &str) -> Value {
        let mut algorithms: Vec<_> = self.keys.iter().map(VerifyingKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        json!({
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        })
    }
}
