// SPDX-License-Identifier: Apache-2.0
//! Query parameters: looked up where they stand in the request line, decoded only when asked for.

use std::borrow::Cow;

/// The values of a parameter, in order, decoded. A value whose encoding is broken or not UTF-8 is
/// left out: no handler may take it for something else.
pub(crate) fn all<'q>(query: &'q str, key: &'q str) -> impl Iterator<Item = Cow<'q, str>> {
    query
        .split('&')
        .filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == key).then_some(value)
        })
        .filter_map(decode)
}

/// The first value of a parameter.
pub(crate) fn first<'q>(query: &'q str, key: &'q str) -> Option<Cow<'q, str>> {
    all(query, key).next()
}

/// Whether a parameter is there at all, readable or not.
pub(crate) fn has(query: &str, key: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(key))
}

/// Undoes percent-encoding and `+`.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Percent-encodes a value for a query, as Go's `url.QueryEscape` does.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_found_and_decoded() {
        let query = "mount=sha256%3Aab&from=a%2Fb&tag=x&tag=y+z&empty&bad=%4&worse=%ff";
        assert_eq!(first(query, "mount").unwrap(), "sha256:ab");
        assert_eq!(first(query, "from").unwrap(), "a/b");
        assert_eq!(all(query, "tag").collect::<Vec<_>>(), ["x", "y z"]);
        assert_eq!(first(query, "empty").unwrap(), "");
        assert_eq!(first(query, "bad"), None);
        assert_eq!(first(query, "worse"), None);
        assert!(has(query, "bad") && !has(query, "ba") && !has("", "x"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn decoding_undoes_encoding(value in ".{0,40}") {
            let query = format!("a=1&k={}&z=", encode(&value));
            prop_assert_eq!(first(&query, "k").unwrap(), value);
        }

        #[test]
        fn any_query_is_survived(query in ".{0,80}") {
            let _ = first(&query, "k");
        }
    }
}
