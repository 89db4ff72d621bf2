// SPDX-License-Identifier: Apache-2.0
//! What the data plane asks of whoever knows users and clusters.
//!
//! ```text
//!   registry ──identify──▶ Authorizer ──▶ open | htpasswd | (cluster: reviews)
//!            ──decide───▶
//! ```
//!
//! The registry turns a request into [`Credentials`] and a list of [`Access`]es, and asks an
//! [`Authorizer`] two questions: who is this, and may they do all of that. It never learns how the
//! answer was found. Decisions are asked for in one batch per request, so an implementation that
//! needs round trips can make one; and they are per (identity, verb, repository), so an
//! implementation can cache them under that key.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oci::RepositoryName;

/// A value that must not reach a log, an error or a `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself; the name makes every use visible in review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the `Authorization` header carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// No header, or a scheme that is neither Basic nor Bearer.
    None,
    /// RFC 7617.
    Basic {
        /// The part before the first colon.
        user: String,
        /// The part behind it.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
    /// A Basic or Bearer header that cannot be read. Never the same as none: it is refused.
    Malformed,
}

/// Who a request speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// User name as logged and as sent in notifications; empty for an anonymous caller.
    pub name: Arc<str>,
    /// Stable id where the authority has one, else empty.
    pub uid: Arc<str>,
    /// False for the anonymous caller.
    pub authenticated: bool,
}

impl Identity {
    /// The caller without credentials.
    pub fn anonymous() -> Self {
        Self { name: "".into(), uid: "".into(), authenticated: false }
    }
}

/// What a caller wants to do. The words are those of the challenge's access list
/// (registry.md 1.4): `pull`, `push`, `delete` and `*` for the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read manifests, blobs, tags, referrers.
    Pull,
    /// Write manifests and blobs.
    Push,
    /// Remove manifests, blobs, tags.
    Delete,
    /// List repositories, or any other registry-wide read.
    List,
}

impl Verb {
    /// The word used in access lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::List => "*",
        }
    }
}

/// What the verb is applied to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// One repository.
    Repository(RepositoryName),
    /// The list of repositories.
    Catalog,
    /// `/extensions/v2/metrics`.
    Metrics,
    /// Any blob, whatever repositories refer to it (`/admin/blobs`).
    AnyBlob,
}

/// One permission that a request needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// What is wanted.
    pub verb: Verb,
    /// On what.
    pub resource: Resource,
}

impl Access {
    /// The permission `verb` on a repository.
    pub fn repository(verb: Verb, name: RepositoryName) -> Self {
        Self { verb, resource: Resource::Repository(name) }
    }
}

/// The answer to one [`Access`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allowed,
    /// It may not; the text says what is missing, for a person, and holds no secret.
    Denied(String),
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// Why no identity or decision could be given.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    /// The credentials are missing where some are needed.
    #[error("credentials are required")]
    Required,
    /// The credentials are wrong, expired or unreadable.
    #[error("the credentials were refused")]
    Refused,
    /// The authority could not be asked: a failure of it is never a "no".
    #[error("the authority cannot be reached: {0}")]
    Unavailable(String),
}

/// What the answer to a refused request tells the client to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// `Basic realm=…`, with `error=` where the reason is to be told.
    Basic {
        /// The realm word.
        realm: String,
        /// Text for `error=`.
        error: Option<String>,
    },
    /// `Bearer realm="…"` whose realm is the token endpoint at this path of the public address.
    Bearer {
        /// Absolute path of the token endpoint.
        token_path: String,
    },
}

/// Who may do what. Implementations bound every wait and every cache.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Says who the credentials speak for.
    async fn identify(&self, credentials: &Credentials) -> Result<Identity, AuthError>;

    /// Decides every access of one request, in the order asked.
    ///
    /// Returns exactly `wanted.len()` decisions.
    async fn decide(
        &self,
        identity: &Identity,
        credentials: &Credentials,
        wanted: &[Access],
    ) -> Result<Vec<Decision>, AuthError>;

    /// The challenge to send with a 401.
    fn challenge(&self, cause: &AuthError) -> Challenge;

    /// True when every caller may do everything, so that the data plane can skip both questions.
    /// Only the open registry says so.
    fn is_open(&self) -> bool {
        false
    }
}
