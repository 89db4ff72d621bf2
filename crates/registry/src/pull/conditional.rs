// SPDX-License-Identifier: Apache-2.0
//! Conditional requests (RFC 9110 13) on content whose entity tag is its digest in quotes.
//!
//! For manifests the tag is also taken without quotes, as 4.6 did.

use http::{HeaderMap, HeaderValue, header};

/// What the conditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// How strictly entity tags are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Blobs: as the RFC has it.
    Required,
    /// Manifests: a bare digest is a tag too.
    Optional,
}

/// Evaluates `If-Match` and `If-None-Match` for a GET or HEAD. Content addressed by its digest has
/// no modification time, so the date conditions say nothing.
pub(crate) fn evaluate(headers: &HeaderMap, etag: &HeaderValue, quotes: Quotes) -> Verdict {
    if headers.contains_key(header::IF_MATCH)
        && !any_matches(headers, &header::IF_MATCH, etag, quotes, Weak::Differs)
    {
        return Verdict::Failed;
    }
    if any_matches(headers, &header::IF_NONE_MATCH, etag, quotes, Weak::Same) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` counts: without `If-Range`, or when that names this very content.
pub(crate) fn range_applies(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    match headers.get(header::IF_RANGE) {
        None => true,
        Some(value) => value == etag,
    }
}

/// Whether `W/"x"` is the same as `"x"` (weak comparison) or never matches (strong).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weak {
    Same,
    Differs,
}

fn any_matches(
    headers: &HeaderMap,
    name: &header::HeaderName,
    etag: &HeaderValue,
    quotes: Quotes,
    weak: Weak,
) -> bool {
    let quoted = etag.as_bytes();
    let bare = &quoted[1..quoted.len() - 1];
    headers.get_all(name).iter().flat_map(|v| v.as_bytes().split(|b| *b == b',')).any(|tag| {
        let tag = tag.trim_ascii();
        let tag = match tag.strip_prefix(b"W/") {
            Some(_) if weak == Weak::Differs => return false,
            Some(rest) => rest,
            None => tag,
        };
        tag == b"*" || tag == quoted || (quotes == Quotes::Optional && tag == bare)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: HeaderValue = HeaderValue::from_static("\"sha256:ab\"");

    fn verdict(name: &header::HeaderName, value: &str, quotes: Quotes) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        evaluate(&headers, &ETAG, quotes)
    }

    #[test]
    fn none_match() {
        use Quotes::{Optional, Required};
        use Verdict::{NotModified, Proceed};
        for (value, blob, manifest) in [
            ("\"sha256:ab\"", NotModified, NotModified),
            ("sha256:ab", Proceed, NotModified),
            ("W/\"sha256:ab\"", NotModified, NotModified),
            ("\"x\", \"sha256:ab\"", NotModified, NotModified),
            ("*", NotModified, NotModified),
            ("\"sha256:cd\"", Proceed, Proceed),
            ("", Proceed, Proceed),
        ] {
            assert_eq!(verdict(&header::IF_NONE_MATCH, value, Required), blob, "{value}");
            assert_eq!(verdict(&header::IF_NONE_MATCH, value, Optional), manifest, "{value}");
        }
    }

    #[test]
    fn must_match() {
        use Verdict::{Failed, Proceed};
        for (value, expected) in [
            ("\"sha256:ab\"", Proceed),
            ("*", Proceed),
            ("W/\"sha256:ab\"", Failed),
            ("\"sha256:cd\"", Failed),
        ] {
            assert_eq!(verdict(&header::IF_MATCH, value, Quotes::Required), expected, "{value}");
        }
    }

    #[test]
    fn a_range_of_other_content_is_no_range() {
        let mut headers = HeaderMap::new();
        assert!(range_applies(&headers, &ETAG));
        headers.insert(header::IF_RANGE, ETAG);
        assert!(range_applies(&headers, &ETAG));
        for other in ["\"sha256:cd\"", "W/\"sha256:ab\"", "Mon, 01 Jan 2024 00:00:00 GMT"] {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(other));
            assert!(!range_applies(&headers, &ETAG), "{other}");
        }
    }
}
