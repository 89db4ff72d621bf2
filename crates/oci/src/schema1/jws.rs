// SPDX-License-Identifier: Apache-2.0
//! libtrust's pretty-printed JSON Web Signatures.
//!
//! The signatures are inserted as a last key into the JSON text that they sign. Their protected
//! headers say how to undo this: keep `formatLength` bytes of the document and append
//! `formatTail`. What is signed is the protected header, a dot, and the payload, both in base64
//! (RFC 7515, section 5.1).

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{PublicKey, SigningKey, public_key::Jwk};
use crate::{
    Algorithm, Digest,
    json::{self, Bounded},
};

/// Each one costs the verifier some ten microseconds or more. Documents have one.
const MAX_SIGNATURES: usize = 16;

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Schema 1 is accepted with signatures only.
    #[error("the schema 1 manifest is not signed")]
    Unsigned,
    /// The signatures cannot be decoded.
    #[error("the manifest's signatures are malformed: {0}")]
    Malformed(String),
    /// They disagree on what is signed.
    #[error("the manifest's signatures disagree on the text that they sign")]
    Conflict,
    /// They claim to sign more than there is.
    #[error("the manifest's signatures claim to sign more than the document has")]
    Length,
    /// There is no key, or none that can be used.
    #[error("a signature of the manifest comes without an EC or RSA key that could verify it")]
    Key,
    /// The key calls itself by another key's name.
    #[error("the key of a manifest's signature does not have the id that it claims")]
    KeyId,
    /// The algorithm does not go with the key.
    #[error("the algorithm of a manifest's signature does not fit its key")]
    Algorithm,
    /// The text or the signature was altered.
    #[error("a signature of the manifest does not verify")]
    Mismatch,
}

/// A signature in the terms of RFC 7515, section 7.2.1.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// Whatever was wrong with the key is told when the signature is verified.
    key: Result<PublicKey, SignatureError>,
    algorithm: String,
    signature: Vec<u8>,
    /// As it is in the document, because that is what is signed.
    protected: String,
}

#[derive(Deserialize)]
struct Wire {
    signatures: Option<Bounded<WireSignature, MAX_SIGNATURES>>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    header: WireHeader,
    signature: String,
    protected: String,
}

#[derive(Serialize, Deserialize)]
struct WireHeader {
    jwk: Option<Jwk>,
    alg: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Protected {
    format_length: usize,
    format_tail: String,
    #[serde(default)]
    time: String,
}

/// A document taken apart: the payload, and what was inserted.
pub(super) type Parts = (Vec<u8>, Vec<Signature>);

/// Takes a document apart; `None` if it has no key `signatures`.
pub(super) fn split(document: &[u8]) -> Result<Option<Parts>, SignatureError> {
    let wire: Wire = json::decode(document).map_err(SignatureError::Malformed)?;
    let Some(Bounded(signatures)) = wire.signatures else {
        return Ok(None);
    };
    let mut format: Option<(usize, Vec<u8>)> = None;
    let mut read = Vec::with_capacity(signatures.len());
    for WireSignature { header, signature, protected } in signatures {
        let malformed = || SignatureError::Malformed("a field is not base64".to_owned());
        let decoded = base64::decode(&protected).ok_or_else(malformed)?;
        let decoded: Protected = json::decode(&decoded).map_err(SignatureError::Malformed)?;
        let tail = base64::decode(&decoded.format_tail).ok_or_else(malformed)?;
        match &format {
            None => format = Some((decoded.format_length, tail)),
            Some((length, known)) if *length == decoded.format_length && *known == tail => {}
            Some(_) => return Err(SignatureError::Conflict),
        }
        read.push(Signature {
            key: header.jwk.as_ref().map_or(Err(SignatureError::Key), PublicKey::from_jwk),
            algorithm: header.alg,
            signature: base64::decode(&signature).ok_or_else(malformed)?,
            protected,
        });
    }
    let (length, tail) = format.ok_or(SignatureError::Unsigned)?;
    let mut payload = document.get(..length).ok_or(SignatureError::Length)?.to_vec();
    payload.extend_from_slice(&tail);
    Ok(Some((payload, read)))
}

/// Verifies all signatures of a payload.
pub(super) fn verify(
    payload: &[u8],
    signatures: &[Signature],
) -> Result<Vec<PublicKey>, SignatureError> {
    if signatures.is_empty() {
        return Err(SignatureError::Unsigned);
    }
    let payload = base64::encode(payload);
    signatures
        .iter()
        .map(|Signature { key, algorithm, signature, protected }| {
            let key = key.clone()?;
            key.verify(algorithm, format!("{protected}.{payload}").as_bytes(), signature)?;
            Ok(key)
        })
        .collect()
}

/// Why a text cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Signatures are inserted before the closing brace of an object that is not empty.
    #[error("only a JSON object with at least one key can be signed")]
    NoObject,
    /// A second key `signatures` would leave open which one counts.
    #[error("the document has a key signatures already")]
    Signed,
    /// The cryptographic library failed, or the time cannot be expressed.
    #[error("the manifest could not be signed")]
    Failed,
}

/// A signed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The document, signature and all.
    pub bytes: Vec<u8>,
    /// Digest of the text that was signed, which is the manifest's.
    pub digest: Digest,
}

impl SigningKey {
    /// Signs a JSON text and inserts the signature, as registries do with a stored schema 1
    /// manifest and clients with a new one.
    ///
    /// # Errors
    /// When the text is no JSON object or signed already, or the cryptographic library fails.
    pub fn sign(&self, payload: &[u8], at: OffsetDateTime) -> Result<Signed, SignError> {
        let keys: BTreeMap<Cow<'_, str>, IgnoredAny> =
            json::decode(payload).map_err(|_| SignError::NoObject)?;
        if keys.contains_key("signatures") {
            return Err(SignError::Signed);
        }
        let length = format_length(payload).ok_or(SignError::NoObject)?;
        let time = at
            .to_offset(UtcOffset::UTC)
            .replace_nanosecond(0)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .ok_or(SignError::Failed)?;
        let format_tail = base64::encode(&payload[length..]);
        let protected = Protected { format_length: length, format_tail, time };
        let protected = serde_json::to_vec(&protected).map_err(|_| SignError::Failed)?;
        let protected = base64::encode(&protected);
        let message = format!("{protected}.{}", base64::encode(payload));
        let signature = self.sign_message(message.as_bytes()).ok_or(SignError::Failed)?;
        let signature = WireSignature {
            header: WireHeader { jwk: Some(self.public_key().to_jwk()), alg: "ES256".to_owned() },
            signature: base64::encode(&signature),
            protected,
        };
        let bytes = insert(&payload[..length], indent(payload), &[signature])
            .map_err(|_| SignError::Failed)?;
        Ok(Signed { bytes, digest: Digest::of(Algorithm::Sha256, payload) })
    }
}

/// Length of an object's text up to its last value.
fn format_length(payload: &[u8]) -> Option<usize> {
    let body = payload.trim_ascii_end().strip_suffix(b"}")?.trim_ascii_end();
    let sound = payload.trim_ascii_start().starts_with(b"{") && !body.ends_with(b",");
    (sound && body.trim_ascii_start().len() > 1).then_some(body.len())
}

/// What stands in front of the first key, if the text is indented.
fn indent(payload: &[u8]) -> Option<&str> {
    let rest = payload.strip_prefix(b"{\n")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok().filter(|indent| !indent.is_empty())
}

/// Appends `signatures` as a last key to a text that lacks its closing brace.
fn insert(
    text: &[u8],
    indent: Option<&str>,
    signatures: &[WireSignature],
) -> serde_json::Result<Vec<u8>> {
    let mut out = text.to_vec();
    let Some(indent) = indent else {
        out.extend_from_slice(b",\"signatures\":");
        out.extend(serde_json::to_vec(signatures)?);
        out.push(b'}');
        return Ok(out);
    };
    out.extend_from_slice(format!(",\n{indent}\"signatures\": ").as_bytes());
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut pretty = Vec::new();
    signatures.serialize(&mut serde_json::Serializer::with_formatter(&mut pretty, formatter))?;
    // The value itself is one level deep already.
    for byte in pretty {
        out.push(byte);
        if byte == b'\n' {
            out.extend_from_slice(indent.as_bytes());
        }
    }
    out.extend_from_slice(b"\n}");
    Ok(out)
}

/// Base64 with the URL alphabet and no padding (RFC 7515, section 2).
pub(super) mod base64 {
    use base64::{
        Engine as _,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
    };

    /// libtrust reads padded texts as well.
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    pub(in super::super) fn encode(bytes: &[u8]) -> String {
        general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(in super::super) fn decode(text: &str) -> Option<Vec<u8>> {
        ENGINE.decode(text).ok()
    }
}
