// SPDX-License-Identifier: Apache-2.0
//! The error codes of the registry protocol (registry.md 1.4) and the one place where a failure of
//! any part becomes a status, a JSON body and a log line.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use httpd::{BodyError, Reply};
use serde::Serialize;

use super::headers::{name, value};
use super::pages;

/// A code of the error table. Code, status and default message belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Anything that has no code of its own.
    Unknown,
    /// The operation exists but is switched off.
    Unsupported,
    /// Who are you?
    Unauthorized,
    /// You may not.
    Denied,
    /// A part that is needed cannot be reached, or the server is stopping.
    Unavailable,
    /// Too much at once.
    TooManyRequests,
    /// Content and digest differ, or the digest cannot be read.
    DigestInvalid,
    /// Content and announced length differ.
    SizeInvalid,
    /// A chunk does not begin where the session ends.
    RangeInvalid,
    /// Not a repository name.
    NameInvalid,
    /// Not a tag.
    TagInvalid,
    /// No such repository.
    NameUnknown,
    /// No such manifest.
    ManifestUnknown,
    /// The manifest cannot be read, or contradicts itself or what it names.
    ManifestInvalid,
    /// The signature of a schema 1 manifest does not verify.
    ManifestUnverified,
    /// A manifest names content that is not there.
    ManifestBlobUnknown,
    /// No such blob.
    BlobUnknown,
    /// No such upload.
    BlobUploadUnknown,
    /// The `_state` of an upload is missing, forged, or of another upload.
    BlobUploadInvalid,
    /// `n` is not a number from 0 to the maximum.
    PaginationNumberInvalid,
}

impl Code {
    /// Every code, for the reference page and its test.
    pub const ALL: [Self; 20] = [
        Self::Unknown,
        Self::Unsupported,
        Self::Unauthorized,
        Self::Denied,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::DigestInvalid,
        Self::SizeInvalid,
        Self::RangeInvalid,
        Self::NameInvalid,
        Self::TagInvalid,
        Self::NameUnknown,
        Self::ManifestUnknown,
        Self::ManifestInvalid,
        Self::ManifestUnverified,
        Self::ManifestBlobUnknown,
        Self::BlobUnknown,
        Self::BlobUploadUnknown,
        Self::BlobUploadInvalid,
        Self::PaginationNumberInvalid,
    ];

    /// The table: wire word, status, message.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unknown => ("UNKNOWN", 500, "unknown error"),
            Self::Unsupported => ("UNSUPPORTED", 405, "The operation is unsupported."),
            Self::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            Self::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            Self::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
            Self::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            Self::DigestInvalid => {
                ("DIGEST_INVALID", 400, "provided digest did not match uploaded content")
            }
            Self::SizeInvalid => {
                ("SIZE_INVALID", 400, "provided length did not match content length")
            }
            Self::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            Self::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            Self::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            Self::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            Self::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            Self::ManifestUnverified => {
                ("MANIFEST_UNVERIFIED", 400, "manifest failed signature verification")
            }
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            Self::BlobUploadUnknown => {
                ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry")
            }
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 404, "blob upload invalid"),
            Self::PaginationNumberInvalid => {
                ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")
            }
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status that goes with it.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("the table holds valid statuses")
    }

    /// The message unless a handler says more.
    pub const fn message(self) -> &'static str {
        self.row().2
    }

    /// The word as logs show it in `err.code`: lower case with spaces.
    pub fn log_word(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', " ")
    }
}

/// What the log says when the client went away before the answer (nginx' word for it).
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A refused or failed request.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    status: StatusCode,
    message: Cow<'static, str>,
    /// JSON text; empty for none.
    detail: String,
    headers: HeaderMap,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// Result of a handler.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with the code's own status and message.
    pub(crate) fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            status: code.status(),
            message: Cow::Borrowed(code.message()),
            detail: String::new(),
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    /// Adds what a person can act on.
    pub(crate) fn detail(mut self, detail: impl Serialize) -> Self {
        self.0.detail = serde_json::to_string(&detail).unwrap_or_default();
        self
    }

    /// Replaces the message.
    pub(crate) fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Replaces the status where the protocol wants another one with the same code.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Keeps the cause for the log; the client never sees it.
    pub(crate) fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Box::new(cause));
        self
    }

    /// Ask again in a second.
    pub(crate) fn retry_soon(self) -> Self {
        self.header(&header::RETRY_AFTER, value::RETRY_1.clone())
    }

    /// The request's target is not a repository name.
    pub(crate) fn name_invalid(given: &str) -> Self {
        let shown: String = given.chars().take(300).collect();
        Self::new(Code::NameInvalid).detail(format!(
            "{shown:?} is not a repository name: lower case letters, digits and . _ - between \
             them, in components joined by /, at most 255 bytes"
        ))
    }

    /// The text is not a digest this registry knows.
    pub(crate) fn digest_invalid(given: &str) -> Self {
        let shown: String = given.chars().take(200).collect();
        Self::new(Code::DigestInvalid).detail(format!(
            "{shown:?} is not a digest: sha256, sha384 or sha512, a colon, and the hash in lower \
             case hexadecimal"
        ))
    }

    /// The code.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// What the log wants to know beside the code: message, detail, and the chain of causes.
    pub(crate) fn log_texts(&self) -> (String, String) {
        let mut detail = self.0.detail.clone();
        let mut cause: Option<&dyn StdError> = match &self.0.cause {
            Some(cause) => Some(&**cause),
            None => None,
        };
        while let Some(error) = cause {
            if !detail.is_empty() {
                detail.push_str(": ");
            }
            detail.push_str(&error.to_string());
            cause = error.source();
        }
        (self.0.message.to_string(), detail)
    }

    /// The status that will be sent.
    pub(crate) fn status_code(&self) -> StatusCode {
        self.0.status
    }

    /// The answer.
    pub(crate) fn into_reply(self) -> Reply {
        let body = self.body();
        let mut reply = pages::json(self.0.status, body);
        for (name, value) in &self.0.headers {
            reply.headers.append(name, value.clone());
        }
        reply
    }

    fn body(&self) -> String {
        let message = serde_json::to_string(&self.0.message).unwrap_or_default();
        let mut body =
            format!("{{\"errors\":[{{\"code\":\"{}\",\"message\":{message}", self.0.code.as_str());
        if !self.0.detail.is_empty() {
            body.push_str(",\"detail\":");
            body.push_str(&self.0.detail);
        }
        body.push_str("}]}\n");
        body
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status, self.body().trim_end())
    }
}

/// What the store says, as the protocol says it.
impl From<blobstore::Error> for Error {
    fn from(error: blobstore::Error) -> Self {
        use blobstore::Error as Store;
        match error {
            Store::DigestMismatch { expected, actual } => {
                Self::new(Code::DigestInvalid).detail(DigestMismatch {
                    digest: expected.to_string(),
                    reason: format!("the content has the digest {actual}"),
                })
            }
            Store::UploadUnknown => Self::new(Code::BlobUploadUnknown),
            Store::UploadOffset { expected, actual } => Self::new(Code::RangeInvalid).detail(
                format!("the session holds {actual} bytes, the request continues at {expected}"),
            ),
            Store::UploadBusy => Self::new(Code::TooManyRequests)
                .detail("another request is sending to this upload; try again later")
                .retry_soon(),
            Store::Stopping => {
                Self::new(Code::Unavailable).detail("the registry is stopping").retry_soon()
            }
            other => Self::from_storage(other),
        }
    }
}

#[derive(Serialize)]
struct DigestMismatch {
    #[serde(rename = "Digest")]
    digest: String,
    #[serde(rename = "Reason")]
    reason: String,
}

impl Error {
    /// Storage trouble is told by kind; paths and system texts stay in the log.
    fn from_storage(error: blobstore::Error) -> Self {
        use storage::driver::Error as Driver;
        let answer = match &error {
            full if full.is_no_space() => Self::new(Code::Unavailable)
                .status(StatusCode::INSUFFICIENT_STORAGE)
                .detail("the registry's storage is full"),
            blobstore::Error::Storage(Driver::Busy { .. }) => Self::new(Code::Unavailable)
                .detail("the registry's storage is busy; try again later")
                .retry_soon(),
            blobstore::Error::Storage(Driver::Forbidden { .. }) => Self::new(Code::Unknown)
                .detail("the registry may not access its storage; see the log"),
            blobstore::Error::Damaged(digest) => Self::new(Code::Unknown)
                .detail(format!("the stored content of {digest} is damaged; push it again")),
            _ => Self::new(Code::Unknown).detail("the registry's storage failed; see the log"),
        };
        answer.caused_by(error)
    }
}

/// A body that did not arrive whole.
impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        let answer = match &error {
            BodyError::Disconnected(_) => Self::new(Code::Unknown).status(
                StatusCode::from_u16(CLIENT_CLOSED_REQUEST).expect("499 lies within 100..1000"),
            ),
            BodyError::TimedOut => Self::new(Code::Unknown)
                .status(StatusCode::REQUEST_TIMEOUT)
                .detail("the body arrived too slowly"),
            BodyError::Malformed(what) => Self::new(Code::SizeInvalid).detail(*what),
            BodyError::TooLarge { limit } => Self::new(Code::SizeInvalid)
                .status(StatusCode::PAYLOAD_TOO_LARGE)
                .detail(format!("the body is larger than {limit} bytes")),
            BodyError::Stopping => {
                Self::new(Code::Unavailable).detail("the registry is stopping").retry_soon()
            }
        };
        answer.caused_by(error)
    }
}

/// Adds the header that every answer of the application carries.
pub(crate) fn stamp(reply: &mut Reply) {
    reply.headers.insert(&name::API_VERSION, value::REGISTRY_2_0.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_protocols() {
        let error = Error::new(Code::ManifestUnknown).detail(serde_json::json!({"Tag": "nope"}));
        assert_eq!(
            error.body(),
            "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\
             \"detail\":{\"Tag\":\"nope\"}}]}\n"
        );
        assert_eq!(
            Error::new(Code::BlobUploadInvalid).body().len(),
            76,
            "the length seen on the 4.6 registry"
        );
    }

    #[test]
    fn words_are_unique_and_statuses_are_errors() {
        let mut words: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().as_u16() >= 400, "{code:?}");
        }
        assert_eq!(Code::ManifestUnknown.log_word(), "manifest unknown");
    }

    #[test]
    fn causes_reach_the_log_only() {
        let error = Error::from(BodyError::Disconnected(std::io::Error::other("reset by peer")));
        assert_eq!(error.status_code().as_u16(), 499);
        assert!(!error.body().contains("reset by peer"));
        assert!(error.log_texts().1.contains("reset by peer"));
    }
}
