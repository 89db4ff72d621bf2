// SPDX-License-Identifier: Apache-2.0
//! The address by which a client reached the registry, for `Location` (registry.md 1.9) and for the
//! realm of a Bearer challenge (2.1).
//!
//! Order: the configured address; else what a proxy says in `Forwarded`; else `X-Forwarded-*`; else
//! `Host` and TLS. Values that could not stand in a URL are passed over.

use std::borrow::Cow;

use http::HeaderMap;
use httpd::Head;

use crate::settings::Settings;

/// The part of a URL in front of `/v2/…`; empty for relative addresses.
pub(crate) fn base(head: &Head, settings: &Settings) -> String {
    if let Some(url) = &settings.public_url {
        // A path in the configured address stands for the prefix.
        let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let prefix = if has_path { "" } else { settings.prefix.as_str() };
        return format!("{url}{prefix}");
    }
    if settings.relative_urls {
        return settings.prefix.clone();
    }
    match request_origin(head, true) {
        Some(origin) => format!("{origin}{}", settings.prefix),
        None => settings.prefix.clone(),
    }
}

/// The realm of the token endpoint: at the root, whatever the prefix, and `Forwarded` is not read.
pub(crate) fn token_realm(head: &Head, settings: &Settings, path: &str) -> String {
    let origin = match &settings.public_url {
        Some(url) => {
            let authority = url.find("://").map_or(0, |at| at + 3);
            let end = url[authority..].find('/').map_or(url.len(), |at| authority + at);
            Some(url[..end].to_owned())
        }
        None => request_origin(head, false),
    };
    format!("{}{path}", origin.unwrap_or_default())
}

/// `scheme://authority` as the request tells it.
fn request_origin(head: &Head, read_forwarded: bool) -> Option<String> {
    let own_scheme = if head.tls { "https" } else { "http" };
    let host = first(&head.headers, "host").filter(|h| is_authority(h));
    if read_forwarded && let Some(line) = text(&head.headers, "forwarded") {
        let forwarded = Forwarded::parse(line);
        let scheme = forwarded.proto.unwrap_or(own_scheme);
        let authority = forwarded.host.or_else(|| host.map(Cow::Borrowed))?;
        return Some(format!("{scheme}://{authority}"));
    }
    let scheme = first(&head.headers, "x-forwarded-proto").and_then(scheme).unwrap_or(own_scheme);
    let Some(forwarded_host) = first(&head.headers, "x-forwarded-host").filter(|h| is_authority(h))
    else {
        return Some(format!("{scheme}://{}", host?));
    };
    let port = first(&head.headers, "x-forwarded-port").and_then(|p| p.parse::<u16>().ok());
    let default = if scheme == "https" { 443 } else { 80 };
    match port {
        Some(port) if port != default && !has_port(forwarded_host) => {
            Some(format!("{scheme}://{forwarded_host}:{port}"))
        }
        _ => Some(format!("{scheme}://{forwarded_host}")),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The first of a comma-separated list.
fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = text(headers, name)?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

fn scheme(text: &str) -> Option<&'static str> {
    if text.eq_ignore_ascii_case("https") {
        Some("https")
    } else if text.eq_ignore_ascii_case("http") {
        Some("http")
    } else {
        None
    }
}

/// Host, or host and port, in characters that mean nothing else in a URL.
fn is_authority(text: &str) -> bool {
    text.len() <= 260
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

fn has_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// The first element of a `Forwarded` header (RFC 7239).
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded<'h> {
    proto: Option<&'static str>,
    host: Option<Cow<'h, str>>,
}

impl<'h> Forwarded<'h> {
    fn parse(line: &'h str) -> Self {
        let mut found = Self::default();
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            let Some((name, after)) = rest.split_once('=') else { return found };
            let Some((value, after)) = forwarded_value(after) else { return found };
            if name.eq_ignore_ascii_case("proto") {
                found.proto = found.proto.or(scheme(&value));
            } else if name.eq_ignore_ascii_case("host") && is_authority(&value) {
                found.host = found.host.or(Some(value));
            }
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.starts_with(';') {
                return found;
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn forwarded_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        return Some((Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue, Method, Version};
    use httpd::Target;
    use ports::Secret;
    use proptest::prelude::*;

    fn head(tls: bool, headers: &[(&'static str, &str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        Head {
            method: Method::GET,
            target: Target::new("/v2/"),
            version: Version::HTTP_11,
            headers: map,
            peer: ([127, 0, 0, 1], 1).into(),
            tls,
            received: std::time::Instant::now(),
        }
    }

    #[test]
    fn the_address_is_the_one_the_client_used() {
        let settings = Settings::new(Secret::new("s"));
        type Case<'a> = (bool, &'a [(&'static str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            (false, &[("host", "r:5000")], "http://r:5000"),
            (true, &[("host", "r")], "https://r"),
            (false, &[], ""),
            (false, &[("host", "r/evil")], ""),
            (false, &[("host", "r"), ("x-forwarded-proto", "https, http")], "https://r"),
            (false, &[("host", "r"), ("x-forwarded-proto", "gopher")], "http://r"),
            (
                false,
                &[("host", "r"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "p, q")],
                "https://p",
            ),
            (
                false,
                &[("host", "r"), ("x-forwarded-host", "p"), ("x-forwarded-port", "8443")],
                "http://p:8443",
            ),
            (
                false,
                &[("host", "r"), ("x-forwarded-host", "p:1"), ("x-forwarded-port", "8443")],
                "http://p:1",
            ),
            (false, &[("host", "r"), ("x-forwarded-port", "8443")], "http://r"),
            (
                false,
                &[
                    ("host", "r"),
                    ("forwarded", "for=1.2.3.4;host=p.example:8443;proto=https, host=q"),
                    ("x-forwarded-host", "other"),
                ],
                "https://p.example:8443",
            ),
            (false, &[("host", "r"), ("forwarded", "proto=https")], "https://r"),
        ];
        for (tls, headers, expected) in cases {
            assert_eq!(base(&head(*tls, headers), &settings), *expected, "{headers:?}");
        }
    }

    #[test]
    fn a_configured_address_wins() {
        let head = head(false, &[("host", "r"), ("forwarded", "host=p")]);
        let mut settings = Settings::new(Secret::new("s"));
        settings.prefix = "/reg".into();
        assert_eq!(base(&head, &settings), "http://p/reg");
        settings.relative_urls = true;
        assert_eq!(base(&head, &settings), "/reg");
        settings.public_url = Some("https://x".into());
        assert_eq!(base(&head, &settings), "https://x/reg");
        settings.public_url = Some("https://x/y".into());
        assert_eq!(base(&head, &settings), "https://x/y");
        assert_eq!(token_realm(&head, &settings, "/openshift/token"), "https://x/openshift/token");
    }

    #[test]
    fn the_realm_does_not_read_forwarded() {
        let head = head(false, &[("host", "r:1"), ("forwarded", "host=p;proto=https")]);
        let settings = Settings { prefix: "/reg".into(), ..Settings::new(Secret::new("s")) };
        assert_eq!(token_realm(&head, &settings, "/t"), "http://r:1/t");
    }

    #[test]
    fn quoted_values_are_unquoted() {
        let found = Forwarded::parse(r#"host="[::1]:80" ; proto="https""#);
        assert_eq!(found.host.as_deref(), Some("[::1]:80"));
        assert_eq!(found.proto, Some("https"));
        assert_eq!(Forwarded::parse("host=\"open"), Forwarded::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn nothing_but_an_authority_gets_through(line in ".{0,60}") {
            if let Some(host) = Forwarded::parse(&line).host {
                prop_assert!(is_authority(&host));
            }
        }
    }
}
