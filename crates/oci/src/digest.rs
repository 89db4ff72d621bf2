// SPDX-License-Identifier: Apache-2.0
//! Content digests: `algorithm:hex`, parsed from URLs, headers and manifests.
//!
//! A [`Digest`] is a plain value of 65 bytes. Only digests that could be verified exist: the
//! algorithm is one that we compute, and the hex part is lower case and of exactly its length
//! (OCI image-spec, descriptor.md, "Digests").

use std::{fmt, hash::Hash, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Hasher;

/// The longest value, that of SHA-512.
const MAX_BYTES: usize = 64;

/// A registered digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which nearly all content uses.
    Sha256,
    /// SHA-384, found in old content only.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in front of the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Length of a value in bytes; in hex it is twice that.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// There is no colon.
    #[error("a digest has the form algorithm:hex, for example sha256:4418…")]
    Form,
    /// An algorithm that nobody registered, or that nobody should use any more.
    #[error("the digest algorithm is not one of sha256, sha384, sha512")]
    Algorithm,
    /// Too few or too many hex digits.
    #[error("a {algorithm} digest has {} hex digits, not {found}", algorithm.size() * 2)]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// Number of bytes behind the colon.
        found: usize,
    },
    /// A character other than `0`-`9` and `a`-`f`.
    #[error("the digest has a character that is not a lower-case hex digit at position {at}")]
    Character {
        /// Offset in the hex part.
        at: usize,
    },
}

/// The digest of some content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zero behind the value's length, so that the derived comparisons hold.
    bytes: [u8; MAX_BYTES],
}

impl Digest {
    /// Parses `algorithm:hex`.
    ///
    /// # Errors
    /// Says which part is wrong. The text itself is not repeated: it may be long and hostile.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError::Form)?;
        let algorithm = Algorithm::parse(name).ok_or(DigestError::Algorithm)?;
        if hex.len() != algorithm.size() * 2 {
            return Err(DigestError::Length { algorithm, found: hex.len() });
        }
        let mut bytes = [0; MAX_BYTES];
        for (index, pair) in hex.as_bytes().chunks_exact(2).enumerate() {
            let nibble = |at: usize| {
                hex_value(pair[at]).ok_or(DigestError::Character { at: index * 2 + at })
            };
            bytes[index] = nibble(0)? << 4 | nibble(1)?;
        }
        Ok(Self { algorithm, bytes })
    }

    /// Computes the digest of content that is in memory.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// A digest from its raw value; `None` if the length does not fit the algorithm.
    pub fn from_bytes(algorithm: Algorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.size() {
            return None;
        }
        let mut bytes = [0; MAX_BYTES];
        bytes[..value.len()].copy_from_slice(value);
        Some(Self { algorithm, bytes })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part behind the colon.
    pub fn hex(&self) -> String {
        let mut buffer = [0; TEXT_MAX];
        let text = self.text(&mut buffer);
        text[self.algorithm.as_str().len() + 1..].to_owned()
    }

    /// The raw value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size()]
    }

    fn text<'b>(&self, buffer: &'b mut [u8; TEXT_MAX]) -> &'b str {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let name = self.algorithm.as_str().as_bytes();
        buffer[..name.len()].copy_from_slice(name);
        buffer[name.len()] = b':';
        let mut end = name.len() + 1;
        for byte in self.as_bytes() {
            buffer[end] = DIGITS[usize::from(byte >> 4)];
            buffer[end + 1] = DIGITS[usize::from(byte & 15)];
            end += 2;
        }
        std::str::from_utf8(&buffer[..end]).expect("a name, a colon and hex digits are ASCII")
    }
}

/// Algorithm name, colon, hex digits.
const TEXT_MAX: usize = 7 + 2 * MAX_BYTES;

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Hashes the value without its padding. Not fewer bytes: clients may ask for digests that belong
/// to no content, so with a prefix they could choose keys that collide in our maps.
impl Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; TEXT_MAX]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; TEXT_MAX]))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                Digest::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
