// SPDX-License-Identifier: Apache-2.0
//! How documents written by others are decoded: bounded in depth and in list lengths, with errors
//! short enough to be sent back.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// No manifest or image configuration nests deeper. The JSON library limits recursion on the way
/// to fields we know, but not inside those that are skipped.
const MAX_DEPTH: usize = 100;

/// Characters of a decoder's message that are passed on; it may quote the document.
const MAX_MESSAGE: usize = 300;

/// Decodes a whole document.
///
/// # Errors
/// The decoder's message, shortened if need be.
pub(crate) fn decode<'d, T: Deserialize<'d>>(document: &'d [u8]) -> Result<T, String> {
    // Checked as a whole, because strings in skipped fields are not looked at later.
    let text = std::str::from_utf8(document)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    check_depth(document)?;
    serde_json::from_str(text).map_err(|error| shorten(&error.to_string()))
}

fn check_depth(document: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in document {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("nested more than {MAX_DEPTH} levels deep"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Keeps beginning and end, as the position comes last.
pub(crate) fn shorten(message: &str) -> String {
    let count = message.chars().count();
    if count <= MAX_MESSAGE {
        return message.to_owned();
    }
    let half = MAX_MESSAGE / 2;
    let start: String = message.chars().take(half).collect();
    let end: String = message.chars().skip(count - half).collect();
    format!("{start} … {end}")
}

/// A list of at most `MAX` elements; one more is an error at once.
#[derive(Debug)]
pub(crate) struct Bounded<T, const MAX: usize>(pub(crate) Vec<T>);

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for List<T, MAX> {
            type Value = Bounded<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if list.len() == MAX {
                        return Err(de::Error::custom(format_args!("more than {MAX} entries")));
                    }
                    list.push(element);
                }
                Ok(Bounded(list))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check_depth(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert!(check_depth(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        let text = format!(r#"["{}\"{}\\"]"#, "[".repeat(1000), "{".repeat(1000));
        assert_eq!(check_depth(text.as_bytes()), Ok(()));
        // The quote behind an escaped backslash ends the string.
        let text = format!(r#"["\\",{}]"#, "[".repeat(1000));
        assert!(check_depth(text.as_bytes()).is_err());
    }

    #[test]
    fn messages_do_not_grow_with_the_document() {
        let document = format!(r#"["{}"]"#, "ä".repeat(100_000));
        let message = decode::<Vec<u32>>(document.as_bytes()).expect_err("a string is no number");
        assert!(message.chars().count() <= MAX_MESSAGE + 3, "{message}");
        assert!(message.ends_with(|last: char| last.is_ascii_digit()), "{message}");
    }

    #[test]
    fn one_entry_too_many_is_an_error() {
        assert_eq!(decode::<Bounded<u8, 3>>(b"[1,2,3]").expect("three fit").0, [1, 2, 3]);
        assert!(decode::<Bounded<u8, 3>>(b"[1,2,3,4]").is_err());
    }
}
