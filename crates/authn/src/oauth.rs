// SPDX-License-Identifier: Apache-2.0
//! Access tokens of the OAuth server. Only a digest is stored, as the name of an `OAuthAccessToken`:
//! who reads the store cannot log in, and a look-up by name compares digests, so that its timing says
//! nothing about a token.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jwk::BadKey;

const PREFIX: &str = "sha256~";

/// Longer strings are no tokens.
const MAX: usize = 256;

/// A new token and the name of its object.
pub struct AccessToken {
    token: String,
    name: String,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("name", &self.name).finish_non_exhaustive()
    }
}

impl AccessToken {
    /// 256 random bits.
    pub fn generate() -> Result<Self, BadKey> {
        let mut random = [0; 32];
        SystemRandom::new().fill(&mut random).map_err(|_| BadKey::NoRandom)?;
        let secret = URL_SAFE_NO_PAD.encode(random);
        Ok(Self { name: digest_name(&secret), token: format!("{PREFIX}{secret}") })
    }

    /// For the client, once.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// For the store.
    pub fn object_name(&self) -> &str {
        &self.name
    }
}

fn digest_name(secret: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())))
}

/// Where a presented token is looked up.
#[derive(Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The object of this name: the digest of the part after the prefix.
    Digest(String),
    /// Before 4.6 a token was the object's own name. Only for a store that still holds such objects:
    /// the name is the secret, and whoever may list the objects has it.
    Legacy(String),
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(name) => f.debug_tuple("Digest").field(name).finish(),
            Self::Legacy(_) => f.write_str("Legacy(..)"),
        }
    }
}

/// How to find the object of a bearer token; `None` if it is no OAuth token. Presenting an object's
/// name finds another name: the digest is taken of whatever follows the prefix.
pub fn lookup(token: &str, legacy: bool) -> Option<Lookup> {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    if token.len() > MAX {
        return None;
    }
    match token.strip_prefix(PREFIX) {
        Some(secret) => plain(secret).then(|| Lookup::Digest(digest_name(secret))),
        None => {
            (legacy && token.len() >= 32 && plain(token)).then(|| Lookup::Legacy(token.to_owned()))
        }
    }
}
