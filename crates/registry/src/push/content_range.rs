// SPDX-License-Identifier: Apache-2.0
//! `Content-Range` of an upload chunk. The registry protocol has its own form, `<start>-<end>`
//! with both ends included; the form of RFC 9110 is not a chunk's and is refused.

/// First and last byte of a chunk, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl ContentRange {
    /// Reads the header's value.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (first, last) = value.trim().split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && last < u64::MAX).then_some(Self { first, last })
    }

    /// Number of bytes.
    pub(crate) fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Digits only: `str::parse` would take a `+`.
fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_two_numbers_in_order_are_a_range() {
        let of = |first, last| Some(ContentRange { first, last });
        assert_eq!(ContentRange::parse("0-0"), of(0, 0));
        assert_eq!(ContentRange::parse("10-19"), of(10, 19));
        for bad in [
            "",
            "-",
            "5",
            "0-",
            "-5",
            "9-0",
            "bytes 0-9/10",
            "bytes=0-9",
            "0-9/10",
            "+1-2",
            "a-b",
            "0--1",
            "18446744073709551615-18446744073709551615",
            "0-18446744073709551616",
            "0 - 9",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_is_read_says_what_was_written(first in 0u64..1 << 62, more in 0u64..1 << 62) {
            let range = ContentRange::parse(&format!("{first}-{}", first + more)).unwrap();
            prop_assert_eq!((range.first, range.len()), (first, more + 1));
        }

        #[test]
        fn anything_is_survived(value in "[0-9 a-z=/+-]{0,40}") {
            let _ = ContentRange::parse(&value);
        }
    }
}
