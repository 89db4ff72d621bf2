// SPDX-License-Identifier: Apache-2.0
//! Keeping secrets out of logged request targets.

use std::borrow::Cow;

const REPLACEMENT: &str = "[redacted]";

/// Replaces the values of the named query parameters of a URI by `[redacted]`.
///
/// Names are compared after percent-decoding, as the server does when it reads them, so that
/// `%5Fstate` is redacted like `_state`. Everything else is kept byte for byte.
pub fn redact_query<'a>(uri: &'a str, names: &[&str]) -> Cow<'a, str> {
    let Some((path, query)) = uri.split_once('?') else { return Cow::Borrowed(uri) };
    if !pairs(query).any(|(name, value)| value.is_some() && is_named(name, names)) {
        return Cow::Borrowed(uri);
    }
    let mut out = String::with_capacity(uri.len());
    out.push_str(path);
    for (at, (name, value)) in pairs(query).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        out.push_str(name);
        if let Some(value) = value {
            out.push('=');
            out.push_str(if is_named(name, names) { REPLACEMENT } else { value });
        }
    }
    Cow::Owned(out)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

fn is_named(encoded: &str, names: &[&str]) -> bool {
    names.iter().any(|name| decoded(encoded).eq(name.bytes()))
}

fn decoded(encoded: &str) -> impl Iterator<Item = u8> {
    let bytes = encoded.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            at += 3;
            return Some((high * 16 + low) as u8);
        }
        at += 1;
        Some(if byte == b'+' { b' ' } else { byte })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let names = &["_state", "token"];
        let table = [
            ("/v2/", "/v2/"),
            ("/v2/?", "/v2/?"),
            ("/v2/?digest=sha256:aa&n=1", "/v2/?digest=sha256:aa&n=1"),
            ("/u?_state=s3cret%3D%3D&digest=x", "/u?_state=[redacted]&digest=x"),
            ("/u?digest=x&_state=s3cret", "/u?digest=x&_state=[redacted]"),
            ("/u?_state=a=b&_state=c", "/u?_state=[redacted]&_state=[redacted]"),
            ("/u?%5Fstate=s3cret&%5fst%61te=t", "/u?%5Fstate=[redacted]&%5fst%61te=[redacted]"),
            ("/u?token=a&x", "/u?token=[redacted]&x"),
            ("/u?token", "/u?token"),
            ("/u?tokens=a&mytoken=b", "/u?tokens=a&mytoken=b"),
            ("/u?_state=", "/u?_state=[redacted]"),
            ("/u?a?token=b&token=c?d", "/u?a?token=b&token=[redacted]"),
            ("/u?%=1&%4=2&token=x", "/u?%=1&%4=2&token=[redacted]"),
        ];
        for (uri, want) in table {
            assert_eq!(redact_query(uri, names), want);
        }
        assert!(matches!(redact_query("/v2/?n=1", names), Cow::Borrowed(_)));
    }
}
