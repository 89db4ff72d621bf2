// SPDX-License-Identifier: Apache-2.0
//! The `Authorization` header: Basic (RFC 7617) and Bearer (RFC 6750).

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};
use ports::{Credentials, Secret};

/// Longest header that is read; tokens of clusters stay below 16 KiB.
const MAX_LEN: usize = 32 << 10;

/// Padding is optional, as some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the credentials of a request.
pub(crate) fn parse(headers: &HeaderMap) -> Credentials {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Credentials::None };
    // Two headers could mean two people to two parsers.
    if values.next().is_some() || value.len() > MAX_LEN {
        return Credentials::Malformed;
    }
    let Ok(value) = value.to_str() else { return Credentials::Malformed };
    let value = value.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("basic") {
        basic(rest).unwrap_or(Credentials::Malformed)
    } else if scheme.eq_ignore_ascii_case("bearer") {
        bearer(rest)
    } else {
        Credentials::None
    }
}

fn basic(encoded: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    if password.is_empty() || decoded.contains(char::is_control) {
        return None;
    }
    Some(Credentials::Basic { user: user.to_owned(), password: Secret::new(password) })
}

fn bearer(token: &str) -> Credentials {
    // b64token of RFC 6750 2.1.
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    match token {
        // 4.6 takes an empty token for none.
        "" => Credentials::None,
        token if token.bytes().all(legal) => Credentials::Bearer(Secret::new(token)),
        _ => Credentials::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(value: &str) -> Credentials {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        parse(&headers)
    }

    fn basic_of(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.into(), password: Secret::new(password) }
    }

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!(parse(&HeaderMap::new()), Credentials::None);
        assert_eq!(of("Basic YWxpY2U6cHc="), basic_of("alice", "pw"));
        assert_eq!(of("bASIC  YWxpY2U6cHc"), basic_of("alice", "pw"));
        assert_eq!(of("Basic YTpiOmM="), basic_of("a", "b:c"), "splits at the first colon");
        assert_eq!(of("Basic"), Credentials::Malformed);
        assert_eq!(of("Basic !!!"), Credentials::Malformed);
        assert_eq!(of("Basic YWxpY2U6"), Credentials::Malformed, "empty password");
        assert_eq!(of("Basic YWxpY2U="), Credentials::Malformed, "no colon");
        assert_eq!(of("Bearer t-._~+/="), Credentials::Bearer(Secret::new("t-._~+/=")));
        assert_eq!(of("Bearer"), Credentials::None);
        assert_eq!(of("Bearer a b"), Credentials::Malformed);
        assert_eq!(of("Negotiate xyz"), Credentials::None);
    }

    #[test]
    fn two_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(parse(&headers), Credentials::Malformed);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_pair_comes_through(user in "[a-zA-Z0-9@._-]{0,20}", password in "[ -~]{1,30}") {
            let header = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
            prop_assert_eq!(of(&header), basic_of(&user, &password));
        }

        #[test]
        fn anything_is_survived(value in "[ -~]{0,60}") {
            let _ = of(&value);
        }
    }
}
