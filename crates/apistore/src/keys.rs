// SPDX-License-Identifier: Apache-2.0
//! Ranges of keys: where the keys with a prefix begin and end, in the order of their bytes.

/// The least string greater than every string with that prefix; none when there is no such string.
///
/// UTF-8 sorts by code point, so the last character that can grow is exchanged for its successor.
pub(crate) fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn ends() {
        assert_eq!(prefix_end("/a/").as_deref(), Some("/a0"));
        assert_eq!(prefix_end("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(prefix_end("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(prefix_end("\u{10ffff}"), None);
        assert_eq!(prefix_end(""), None);
        for (prefix, key) in [("/a", "/a\u{10ffff}"), ("/é", "/éz"), ("/a", "/a")] {
            assert!(key < prefix_end(prefix).expect("an end").as_str());
        }
    }
}
