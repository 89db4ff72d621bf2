// SPDX-License-Identifier: Apache-2.0
//! Names of repositories, taken from URLs, scopes and configuration.
//!
//! The grammar is that of the OCI distribution-spec ("Pulling manifests"), components being
//! `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`. Checked by hand in one pass: the text comes from
//! anybody who can open a connection.

use std::sync::Arc;

use crate::text::checked_text;

/// A repository's name: path components joined by `/`, at most 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

/// Why a text is no repository name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no text.
    #[error("a repository name cannot be empty")]
    Empty,
    /// Longer than [`RepositoryName::MAX_LENGTH`].
    #[error("a repository name has at most 255 bytes, not {length}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Two slashes in a row, or one at an end.
    #[error("a repository name cannot have an empty path component (position {at})")]
    EmptyComponent {
        /// Offset in bytes.
        at: usize,
    },
    /// An upper-case letter or another character that never occurs in names.
    #[error(
        "a repository name consists of lower-case letters, digits and the separators . _ - / \
         (position {at})"
    )]
    Character {
        /// Offset in bytes.
        at: usize,
    },
    /// A separator at an end of a component, or an unknown combination of separators.
    #[error(
        "in a repository name only one of: a dot, one or two underscores, dashes, may stand \
         between letters or digits (position {at})"
    )]
    Separator {
        /// Offset in bytes.
        at: usize,
    },
}

impl RepositoryName {
    /// The most bytes a name may have. The distribution-spec leaves it to clients and registries;
    /// 255 is what all of them keep to.
    pub const MAX_LENGTH: usize = 255;

    /// Parses a name.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(NameError::TooLong { length: text.len() });
        }
        let mut start = 0;
        for component in text.as_bytes().split(|&byte| byte == b'/') {
            check_component(component, start)?;
            start += component.len() + 1;
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path components, of which there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

/// `start` is where the component begins, for the error only.
fn check_component(component: &[u8], start: usize) -> Result<(), NameError> {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if component.is_empty() {
        return Err(NameError::EmptyComponent { at: start });
    }
    if let Some(at) = component
        .iter()
        .position(|&byte| !alphanumeric(byte) && !matches!(byte, b'.' | b'_' | b'-'))
    {
        return Err(NameError::Character { at: start + at });
    }
    let mut at = 0;
    loop {
        let word = component[at..].iter().take_while(|&&byte| alphanumeric(byte)).count();
        if word == 0 {
            // A separator at the beginning or at the end.
            return Err(NameError::Separator { at: start + at.min(component.len() - 1) });
        }
        at += word;
        if at == component.len() {
            return Ok(());
        }
        let length = component[at..].iter().take_while(|&&byte| !alphanumeric(byte)).count();
        let separator = &component[at..at + length];
        let known =
            matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&byte| byte == b'-');
        if !known {
            return Err(NameError::Separator { at: start + at });
        }
        at += length;
    }
}

checked_text!(RepositoryName, NameError, "a repository name");
