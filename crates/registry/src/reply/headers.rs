// SPDX-License-Identifier: Apache-2.0
//! Header names and values that clients depend on, built once, and the values made from digests.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use httpd::Reply;
use oci::Digest;

/// Names that the `http` crate does not have.
pub(crate) mod name {
    use http::HeaderName;

    pub(crate) static API_VERSION: HeaderName =
        HeaderName::from_static("docker-distribution-api-version");
    pub(crate) static CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
    pub(crate) static UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
    pub(crate) static OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
    pub(crate) static OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
    pub(crate) static OCI_FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
    pub(crate) static OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
    pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
}

/// Values that never change.
pub(crate) mod value {
    use http::HeaderValue;

    pub(crate) static REGISTRY_2_0: HeaderValue = HeaderValue::from_static("registry/2.0");
    pub(crate) static JSON: HeaderValue =
        HeaderValue::from_static("application/json; charset=utf-8");
    pub(crate) static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    pub(crate) static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
    pub(crate) static OCTET_STREAM: HeaderValue =
        HeaderValue::from_static("application/octet-stream");
    pub(crate) static OCI_INDEX: HeaderValue =
        HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
    pub(crate) static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    pub(crate) static NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
    pub(crate) static ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
    pub(crate) static BYTES: HeaderValue = HeaderValue::from_static("bytes");
    pub(crate) static ZERO: HeaderValue = HeaderValue::from_static("0");
    pub(crate) static RETRY_1: HeaderValue = HeaderValue::from_static("1");
}

/// A digest as the value of `Docker-Content-Digest` and, in quotes, of `ETag`. Both share one
/// allocation.
#[derive(Clone, Debug)]
pub(crate) struct DigestValues {
    /// `sha256:…`
    pub(crate) plain: HeaderValue,
    /// `"sha256:…"`
    pub(crate) quoted: HeaderValue,
}

impl DigestValues {
    /// Writes the digest once and cuts both values from it.
    pub(crate) fn of(digest: &Digest) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let algorithm = digest.algorithm().as_str();
        let raw = digest.as_bytes();
        let mut text = BytesMut::with_capacity(algorithm.len() + raw.len() * 2 + 3);
        text.put_u8(b'"');
        text.put_slice(algorithm.as_bytes());
        text.put_u8(b':');
        for byte in raw {
            text.put_u8(HEX[usize::from(byte >> 4)]);
            text.put_u8(HEX[usize::from(byte & 15)]);
        }
        text.put_u8(b'"');
        let quoted = text.freeze();
        let plain = quoted.slice(1..quoted.len() - 1);
        Self { plain: visible(plain), quoted: visible(quoted) }
    }
}

/// A header value from bytes that are printable ASCII by construction.
fn visible(bytes: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(bytes).expect("a digest is printable ASCII")
}

/// A header value from text of our own making; what is not allowed in a header becomes `?`, so that
/// nothing a client sent can split a header.
pub(crate) fn from_text(text: impl Into<String>) -> HeaderValue {
    let text: String = text.into();
    match HeaderValue::from_maybe_shared(Bytes::from(text)) {
        Ok(value) => value,
        Err(_) => HeaderValue::from_static("?"),
    }
}

/// A number as a header value.
pub(crate) fn number(n: u64) -> HeaderValue {
    HeaderValue::from(n)
}

/// Sets a header; short form used by every handler.
pub(crate) trait With {
    /// The same reply with one more header.
    fn with(self, name: &HeaderName, value: HeaderValue) -> Self;
}

impl With for Reply {
    fn with(mut self, name: &HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Algorithm;

    #[test]
    fn both_values_show_the_digest() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, b"x");
            let values = DigestValues::of(&digest);
            assert_eq!(values.plain.to_str().unwrap(), digest.to_string());
            assert_eq!(values.quoted.to_str().unwrap(), format!("\"{digest}\""));
        }
    }

    #[test]
    fn a_client_cannot_split_a_header() {
        assert_eq!(from_text("a\r\nSet-Cookie: b"), "?");
    }
}
