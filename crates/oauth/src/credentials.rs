// SPDX-License-Identifier: Apache-2.0
//! What clients send to say who they are: a user name with a password, and cookies. Bounded, and never printed.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};

/// Longest `Authorization` header that is read.
const MAX_HEADER: usize = 8 << 10;
/// Longest user name.
const MAX_NAME: usize = 253;
/// Longest password.
const MAX_PASSWORD: usize = 1024;

/// Padding is optional: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden(String);

impl Hidden {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether two are the same, in a time that does not depend on where they differ.
    pub(crate) fn is(&self, other: &str) -> bool {
        let hash = |text: &str| digest(&SHA256, text.as_bytes());
        verify_slices_are_equal(hash(&self.0).as_ref(), hash(other).as_ref()).is_ok()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// A user name and a password, both within bounds and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) user: String,
    pub(crate) password: Hidden,
}

impl Basic {
    /// `None` if one is empty, too long, or holds control characters.
    pub(crate) fn new(user: &str, password: &str) -> Option<Self> {
        let fits = |text: &str, max: usize| {
            !text.is_empty() && text.len() <= max && !text.contains(char::is_control)
        };
        (fits(user, MAX_NAME) && fits(password, MAX_PASSWORD))
            .then(|| Self { user: user.to_owned(), password: Hidden::new(password) })
    }
}

/// User and password of `Authorization: Basic` (RFC 7617) as they are: both may be empty. `None` when there is no such
/// header, more than one, or it cannot be read.
pub(crate) fn basic_pair(headers: &HeaderMap) -> Option<(String, Hidden)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    // Two headers could mean two people to two readers.
    if values.next().is_some() || value.len() > MAX_HEADER {
        return None;
    }
    let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Hidden::new(password)))
}

/// The value of a cookie; `None` also when it is there twice with different values.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(value: &str) -> Option<(String, Hidden)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
        basic_pair(&headers)
    }

    #[test]
    fn the_header_is_read() {
        assert_eq!(of("bASIC YWxpY2U6cHc"), Some(("alice".into(), Hidden::new("pw"))));
        assert_eq!(of("Basic YTpiOmM="), Some(("a".into(), Hidden::new("b:c"))));
        assert_eq!(of("Basic YTo="), Some(("a".into(), Hidden::new(""))));
        for none in ["Basic", "Basic !!!", "Basic YWxpY2U=", "Bearer YTpi"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn names_and_passwords_are_bounded() {
        assert!(Basic::new("a", "b").is_some());
        assert!(Basic::new("", "b").is_none());
        assert!(Basic::new("a", "").is_none());
        assert!(Basic::new("a\n", "b").is_none());
        assert!(Basic::new("a", &"b".repeat(MAX_PASSWORD + 1)).is_none());
        assert!(Basic::new(&"a".repeat(MAX_NAME + 1), "b").is_none());
    }

    #[test]
    fn a_password_is_not_printed() {
        let shown = format!("{:?}", Basic::new("alice", "hunter2"));
        assert!(shown.contains("alice") && !shown.contains("hunter2"));
    }

    #[test]
    fn cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=4; a=5"));
        assert_eq!(cookie(&headers, "b"), Some("2=3"));
        assert_eq!(cookie(&headers, "c"), Some("4"));
        assert_eq!(cookie(&headers, "a"), None, "two different ones");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_pair_comes_through(user in "[^:\\pC]{0,20}", password in "\\PC{0,30}") {
            let header = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
            prop_assert_eq!(of(&header), Some((user, Hidden::new(password))));
        }
    }
}
