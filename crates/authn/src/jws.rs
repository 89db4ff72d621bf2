// SPDX-License-Identifier: Apache-2.0
//! Signed tokens in the compact form (RFC 7515): three parts of base64url, one signature. Nothing of
//! the token chooses the key or the algorithm; its key id only picks one of the keys that are
//! believed anyway, and `jwk`, `jku` and `x5c` are not read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::jwk::{BadKey, KeySet, SigningKey, VerifyingKey};
use crate::strict;

/// Longer tokens are refused before anything is read. Headers of 16 KiB are what servers take.
pub const MAX_TOKEN: usize = 16 << 10;

/// Why a token is refused. The reasons are for logs; a client learns only that it is not logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is longer than [`MAX_TOKEN`].
    #[error("the token is too long")]
    TooLong,
    /// It is no signed token, or its parts are no JSON objects, or a member occurs twice.
    #[error("the token is malformed")]
    Malformed,
    /// It demands an extension (`crit`, `b64`), and none is known here.
    #[error("the token demands an unknown extension")]
    Critical,
    /// No key that is believed has its key id.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// Its algorithm is not that of the key.
    #[error("the token names an algorithm that its key is not for")]
    Algorithm,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// Another issuer made it.
    #[error("the token comes from another issuer")]
    Issuer,
    /// It is meant for others.
    #[error("the token is meant for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Required claims are missing or contradict each other.
    #[error("the token's claims are incomplete or contradict each other")]
    Claims,
    /// What it is bound to is gone or has been replaced.
    #[error("what the token is bound to does not exist any more")]
    Unbound,
}

/// The payload of a signed token whose signature is right, whatever it says.
pub fn verify(token: &str, keys: &KeySet) -> Result<Vec<u8>, Invalid> {
    if token.len() > MAX_TOKEN {
        return Err(Invalid::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Invalid::Malformed);
    };
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    let header = strict::object(&decode(header)?).ok_or(Invalid::Malformed)?;
    let payload = decode(payload)?;
    let signature = decode(signature)?;
    let algorithm = check_header(&header)?;
    match header.get("kid") {
        Some(Value::String(id)) => {
            let key = keys.get(id).ok_or(Invalid::UnknownKey)?;
            check_signature(key, algorithm, signed, &signature)?;
        }
        Some(_) => return Err(Invalid::Malformed),
        // Tokens of old have no key id: any key that fits will do.
        None => {
            let mut verdict = Err(Invalid::UnknownKey);
            for key in keys.iter() {
                verdict = check_signature(key, algorithm, signed, &signature);
                if verdict.is_ok() {
                    break;
                }
            }
            verdict?;
        }
    }
    Ok(payload)
}

/// The algorithm that the header names; whether it is the key's is decided later.
fn check_header(header: &Map<String, Value>) -> Result<&str, Invalid> {
    if header.contains_key("crit") || header.contains_key("b64") || header.contains_key("zip") {
        return Err(Invalid::Critical);
    }
    header.get("alg").and_then(Value::as_str).ok_or(Invalid::Malformed)
}

fn check_signature(
    key: &VerifyingKey,
    algorithm: &str,
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Invalid> {
    if algorithm != key.algorithm() {
        return Err(Invalid::Algorithm);
    }
    if key.verifies(signed, signature) { Ok(()) } else { Err(Invalid::Signature) }
}

/// Strictly base64url: no padding, no spaces, no bits that mean nothing.
fn decode(part: &str) -> Result<Vec<u8>, Invalid> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Malformed)
}

/// A token.
pub(crate) fn sign(claims: &Value, key: &SigningKey) -> Result<String, BadKey> {
    sign_bytes(claims.to_string().as_bytes(), key)
}

/// A token with this payload.
pub(crate) fn sign_bytes(payload: &[u8], key: &SigningKey) -> Result<String, BadKey> {
    let public = key.verifying_key();
    let header = json!({"alg": public.algorithm(), "kid": public.id()});
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(token)
}
