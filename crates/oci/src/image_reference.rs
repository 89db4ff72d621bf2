// SPDX-License-Identifier: Apache-2.0
//! References as people write them: `[host[:port]/]name[:tag][@digest]`.
//!
//! Nothing is filled in: which registry is meant without a host, and which tag without a tag, is
//! for the caller to say.

use std::{fmt, net::Ipv6Addr, str::FromStr, sync::Arc};

use crate::{Digest, DigestError, NameError, RepositoryName, Tag, TagError};

/// An image somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    host: Option<Arc<str>>,
    name: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// The part before the first slash looks like a host but is no host name, address or port.
    #[error("the registry's address is not of the form host or host:port")]
    Host,
    /// The repository's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part behind the colon.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The part behind the at sign.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ImageReference {
    /// Parses a reference. The first component is a host if a repository name could not begin
    /// with it or it is how hosts look: it has a dot, a colon or an upper-case letter, or is
    /// `localhost`.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn parse(text: &str) -> Result<Self, ImageReferenceError> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (host, path) = match text.split_once('/') {
            Some((host, path)) if looks_like_host(host) => (Some(host), path),
            _ => (None, text),
        };
        let (name, tag) = match path.split_once(':') {
            Some((name, tag)) => (name, Some(Tag::parse(tag)?)),
            None => (path, None),
        };
        if host.is_some_and(|host| !is_host(host)) {
            return Err(ImageReferenceError::Host);
        }
        let name = RepositoryName::parse(name)?;
        Ok(Self { host: host.map(Arc::from), name, tag, digest })
    }

    /// Host and port of the registry, as written.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The repository.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was written. With a tag as well the digest decides.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

fn looks_like_host(component: &str) -> bool {
    component == "localhost"
        || component.bytes().any(|byte| matches!(byte, b'.' | b':') || byte.is_ascii_uppercase())
}

/// `host`, `host:port`, or the same with an IPv6 address in brackets (RFC 3986, section 3.2.2).
fn is_host(text: &str) -> bool {
    let (valid, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
        None => {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_host_name(name), rest)
        }
    };
    valid && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        write!(f, "{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        Self::parse(text)
    }
}
