// SPDX-License-Identifier: Apache-2.0
//! Tags, and the last part of a manifest's URL: a tag or a digest.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{Digest, DigestError, text::checked_text};

/// A tag, `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (OCI distribution-spec, "Pulling manifests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// Why a text is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// There is no text.
    #[error("a tag cannot be empty")]
    Empty,
    /// Longer than [`Tag::MAX_LENGTH`].
    #[error("a tag has at most 128 characters, not {length}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that may not stand there.
    #[error(
        "a tag consists of letters, digits, underscores, dots and dashes, and begins with none of \
         the last two (position {at})"
    )]
    Character {
        /// Offset in bytes.
        at: usize,
    },
}

impl Tag {
    /// The most characters, all ASCII, that a tag may have.
    pub const MAX_LENGTH: usize = 128;

    /// Parses a tag.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(TagError::TooLong { length: text.len() });
        }
        let allowed = |at: usize, byte: u8| {
            byte.is_ascii_alphanumeric() || byte == b'_' || (at > 0 && matches!(byte, b'.' | b'-'))
        };
        match text.bytes().enumerate().find(|&(at, byte)| !allowed(at, byte)) {
            Some((at, _)) => Err(TagError::Character { at }),
            None => Ok(Self(text.into())),
        }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked_text!(Tag, TagError, "a tag");

/// What names a manifest within its repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A name that may point to other content tomorrow.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// Why a text is no reference. The two kinds are answered with different error codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has a colon, which makes it a digest, but it is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// It is no tag.
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl Reference {
    /// Parses a reference. No tag has a colon and every digest has one, so a mistyped digest is
    /// an error and never becomes a tag.
    ///
    /// # Errors
    /// Says which of the two it was taken for and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }

    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    /// The digest, if it is one.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}
