// SPDX-License-Identifier: Apache-2.0
//! Public keys inside signatures: JSON Web Keys (RFC 7517, RFC 7518 section 6) with libtrust's
//! identifiers.

use std::fmt;

use aws_lc_rs::signature::{
    self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};

use super::{SignatureError, jws::base64};
use crate::{Algorithm, Digest};

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Material);

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Ec { curve: &'static Curve, point: Vec<u8> },
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

#[derive(PartialEq, Eq)]
struct Curve {
    name: &'static str,
    /// Length of a coordinate in bytes.
    size: usize,
    /// Name of the one signature algorithm for it (RFC 7518, section 3.4).
    algorithm: &'static str,
    /// DER of its object identifier (RFC 5480, section 2.1.1.1).
    oid: &'static [u8],
}

static P256: Curve = Curve {
    name: "P-256",
    size: 32,
    algorithm: "ES256",
    oid: &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
};
static P384: Curve =
    Curve { name: "P-384", size: 48, algorithm: "ES384", oid: &[0x06, 5, 0x2b, 0x81, 4, 0, 34] };
static P521: Curve =
    Curve { name: "P-521", size: 66, algorithm: "ES512", oid: &[0x06, 5, 0x2b, 0x81, 4, 0, 35] };

/// `id-ecPublicKey` and `rsaEncryption`, the latter with its NULL parameter.
const EC_OID: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const RSA_OID: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];

/// A key on the wire. Fields in the order in which Go writes maps.
#[derive(Serialize, Deserialize)]
pub(super) struct Jwk {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    crv: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    e: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kid: String,
    kty: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    n: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    x: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    y: String,
}

impl PublicKey {
    /// A P-256 key from its point, uncompressed.
    pub(super) fn p256(point: &[u8]) -> Self {
        Self(Material::Ec { curve: &P256, point: point.to_vec() })
    }

    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, SignatureError> {
        let number = |text: &str| base64::decode(text).ok_or(SignatureError::Key);
        let key = match jwk.kty.as_str() {
            "EC" => {
                let curve = [&P256, &P384, &P521]
                    .into_iter()
                    .find(|curve| curve.name == jwk.crv)
                    .ok_or(SignatureError::Key)?;
                let (x, y) = (number(&jwk.x)?, number(&jwk.y)?);
                if x.len() != curve.size || y.len() != curve.size {
                    return Err(SignatureError::Key);
                }
                let point = [&[4][..], &x, &y].concat();
                Self(Material::Ec { curve, point })
            }
            "RSA" => {
                let plain = |number: Vec<u8>| -> Vec<u8> {
                    number.into_iter().skip_while(|&byte| byte == 0).collect()
                };
                let (modulus, exponent) = (plain(number(&jwk.n)?), plain(number(&jwk.e)?));
                if modulus.is_empty() || exponent.is_empty() {
                    return Err(SignatureError::Key);
                }
                Self(Material::Rsa { modulus, exponent })
            }
            _ => return Err(SignatureError::Key),
        };
        if !jwk.kid.is_empty() && jwk.kid != key.id() {
            return Err(SignatureError::KeyId);
        }
        Ok(key)
    }

    pub(super) fn to_jwk(&self) -> Jwk {
        let empty = String::new;
        let jwk = Jwk {
            crv: empty(),
            e: empty(),
            kid: self.id(),
            kty: empty(),
            n: empty(),
            x: empty(),
            y: empty(),
        };
        match &self.0 {
            Material::Ec { curve, point } => Jwk {
                crv: curve.name.to_owned(),
                kty: "EC".to_owned(),
                x: base64::encode(&point[1..=curve.size]),
                y: base64::encode(&point[1 + curve.size..]),
                ..jwk
            },
            Material::Rsa { modulus, exponent } => Jwk {
                e: base64::encode(exponent),
                kty: "RSA".to_owned(),
                n: base64::encode(modulus),
                ..jwk
            },
        }
    }

    /// libtrust's identifier: of the SHA-256 of the key in DER the first 240 bits, in base32, four
    /// characters to a group.
    pub fn id(&self) -> String {
        let digest = Digest::of(Algorithm::Sha256, &self.to_der());
        let text = base32(&digest.as_bytes()[..30]);
        let groups: Vec<&str> =
            text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join(":")
    }

    /// Verifies a signature made with an algorithm named as in RFC 7518, section 3.1.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let outcome = match &self.0 {
            Material::Ec { curve, point } => {
                // The curve determines the algorithm; another name is a forgery.
                if algorithm != curve.algorithm {
                    return Err(SignatureError::Algorithm);
                }
                let with: &'static dyn VerificationAlgorithm = match curve.name {
                    "P-256" => &signature::ECDSA_P256_SHA256_FIXED,
                    "P-384" => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => &signature::ECDSA_P521_SHA512_FIXED,
                };
                UnparsedPublicKey::new(with, point).verify(message, signature)
            }
            Material::Rsa { modulus, exponent } => {
                let with = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return Err(SignatureError::Algorithm),
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(with, message, signature)
            }
        };
        outcome.map_err(|_| SignatureError::Mismatch)
    }

    /// SubjectPublicKeyInfo (RFC 5280, section 4.1).
    fn to_der(&self) -> Vec<u8> {
        const SEQUENCE: u8 = 0x30;
        let (algorithm, mut bits) = match &self.0 {
            Material::Ec { curve, point } => ([EC_OID, curve.oid].concat(), point.clone()),
            Material::Rsa { modulus, exponent } => {
                let numbers = [der_number(modulus), der_number(exponent)].concat();
                (RSA_OID.to_vec(), der(SEQUENCE, &numbers))
            }
        };
        bits.insert(0, 0); // no unused bits
        der(SEQUENCE, &[der(SEQUENCE, &algorithm), der(0x03, &bits)].concat())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id()).finish()
    }
}

/// Tag, length, content (X.690, section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    if content.len() < 128 {
        out.push(content.len() as u8);
    } else {
        let length = content.len().to_be_bytes();
        let digits = &length[length.iter().take_while(|&&byte| byte == 0).count()..];
        out.push(0x80 | digits.len() as u8);
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(content);
    out
}

/// A positive INTEGER; a zero keeps the first bit from being read as a sign.
fn der_number(digits: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
    der(0x02, &[sign, digits].concat())
}

/// RFC 4648, section 6. Only for lengths that are a multiple of five bytes: no padding.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bytes
        .chunks_exact(5)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
            (0..8).rev().map(move |at| char::from(LETTERS[(bits >> (5 * at) & 31) as usize]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rsa::KeySize,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
            ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair,
        },
    };

    use super::*;

    #[test]
    fn der_is_that_of_the_library() {
        for (curve, with) in [
            (&P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (&P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
            (&P521, &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let pair = EcdsaKeyPair::generate(with).expect("a key");
            let point = pair.public_key().as_ref().to_vec();
            let expected: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
            let key = PublicKey(Material::Ec { curve, point });
            assert_eq!(key.to_der(), expected.as_ref());
            assert_eq!(PublicKey::from_jwk(&key.to_jwk()), Ok(key));
        }
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let public = pair.public_key();
        let expected: PublicKeyX509Der<'_> = public.as_der().expect("DER");
        // RFC 8017, A.1.1: the modulus, then the exponent 65537 in five bytes.
        let numbers = public.as_ref();
        let key = PublicKey(Material::Rsa {
            modulus: numbers[numbers.len() - 5 - 256..numbers.len() - 5].to_vec(),
            exponent: vec![1, 0, 1],
        });
        assert_eq!(key.to_der(), expected.as_ref());
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()), Ok(key));
    }

    #[test]
    fn base32_of_the_standard() {
        assert_eq!(base32(b"fooba"), "MZXW6YTB"); // RFC 4648, section 10
    }
}
