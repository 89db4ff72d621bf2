// SPDX-License-Identifier: Apache-2.0
//! The `Range` header (RFC 9110 14.1, 14.2) against a known size.
//!
//! Where the RFC leaves a choice, Go's file server is followed, as the registries before did:
//! a range of bytes that cannot be read is 416, and a first byte behind the last is such a one.

/// Most ranges of one request. More are refused: they cost us more than the client.
pub(crate) const MAX_RANGES: usize = 64;

/// Bytes `first..first + len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    pub(crate) len: u64,
}

impl ByteRange {
    /// The value of `Content-Range`.
    pub(crate) fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.first + self.len - 1)
    }
}

/// What a request wants of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// One range.
    One(ByteRange),
    /// Several; two at least.
    Many(Vec<ByteRange>),
}

/// Why there is no such range; both are 416.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsatisfiable {
    /// The header cannot be read, or asks for too many.
    Invalid,
    /// Every range lies behind the end.
    NoOverlap,
}

/// Reads the header's value.
pub(crate) fn parse(header: &str, size: u64) -> Result<Wanted, Unsatisfiable> {
    let Some(list) = header.trim().strip_prefix("bytes=") else {
        // A unit that is not understood is ignored (RFC 9110 14.2).
        return Ok(Wanted::Whole);
    };
    let mut ranges = Vec::new();
    let mut beyond = false;
    for (count, spec) in list.split(',').map(str::trim).filter(|s| !s.is_empty()).enumerate() {
        if count == MAX_RANGES {
            return Err(Unsatisfiable::Invalid);
        }
        match one(spec, size)? {
            Some(range) => ranges.push(range),
            None => beyond = true,
        }
    }
    // Overlapping ranges that add up to more than the whole are an attack, not a wish.
    let total = ranges.iter().fold(0u64, |sum, r| sum.saturating_add(r.len));
    match ranges.as_slice() {
        [] if beyond => Err(Unsatisfiable::NoOverlap),
        [] => Ok(Wanted::Whole),
        _ if total > size => Ok(Wanted::Whole),
        [range] => Ok(Wanted::One(*range)),
        _ => Ok(Wanted::Many(ranges)),
    }
}

/// One `a-b`, `a-` or `-n`; `None` if it lies behind the end.
fn one(spec: &str, size: u64) -> Result<Option<ByteRange>, Unsatisfiable> {
    let (first, last) = spec.split_once('-').ok_or(Unsatisfiable::Invalid)?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let len = number(last)?.min(size);
        return Ok((len > 0).then_some(ByteRange { first: size - len, len }));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return Err(Unsatisfiable::Invalid);
    }
    if first >= size {
        return Ok(None);
    }
    Ok(Some(ByteRange { first, len: last.min(size - 1) - first + 1 }))
}

/// Digits only; a number beyond 64 bits is as good as the largest.
fn number(text: &str) -> Result<u64, Unsatisfiable> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unsatisfiable::Invalid);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: u64, len: u64) -> ByteRange {
        ByteRange { first, len }
    }

    #[test]
    fn ranges_as_go_reads_them() {
        use Unsatisfiable::{Invalid, NoOverlap};
        let cases = [
            ("bytes=500-1499", 2048, Ok(Wanted::One(range(500, 1000)))),
            ("bytes=500-", 2048, Ok(Wanted::One(range(500, 1548)))),
            ("bytes=-500", 2048, Ok(Wanted::One(range(1548, 500)))),
            ("bytes=-5000", 2048, Ok(Wanted::One(range(0, 2048)))),
            ("bytes=2000-5000", 2048, Ok(Wanted::One(range(2000, 48)))),
            ("bytes=500-0", 2048, Err(Invalid)),
            ("bytes=5000-10000", 2048, Err(NoOverlap)),
            ("bytes=0-0", 0, Err(NoOverlap)),
            ("bytes=-5", 0, Err(NoOverlap)),
            ("bytes=-0", 10, Err(NoOverlap)),
            ("bytes=x", 10, Err(Invalid)),
            ("bytes=1", 10, Err(Invalid)),
            ("bytes=-", 10, Err(Invalid)),
            ("bytes=+1-2", 10, Err(Invalid)),
            ("bytes=", 10, Ok(Wanted::Whole)),
            ("items=0-1", 10, Ok(Wanted::Whole)),
            ("bytes=0-1,4-5", 10, Ok(Wanted::Many(vec![range(0, 2), range(4, 2)]))),
            ("bytes=0-1, ,20-", 10, Ok(Wanted::One(range(0, 2)))),
            ("bytes=0-9,0-9", 10, Ok(Wanted::Whole)),
            ("bytes=0-99999999999999999999999", 10, Ok(Wanted::One(range(0, 10)))),
        ];
        for (header, size, expected) in cases {
            assert_eq!(parse(header, size), expected, "{header} of {size}");
        }
    }

    #[test]
    fn too_many_ranges_are_refused() {
        let list = |n: usize| {
            let ranges: Vec<_> = (0..n).map(|i| format!("{0}-{0}", i * 2)).collect();
            format!("bytes={}", ranges.join(","))
        };
        assert!(matches!(parse(&list(MAX_RANGES), 1 << 20), Ok(Wanted::Many(_))));
        assert_eq!(parse(&list(MAX_RANGES + 1), 1 << 20), Err(Unsatisfiable::Invalid));
        assert_eq!(parse(&list(1_000_000), 1 << 20), Err(Unsatisfiable::Invalid));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_range_lies_inside(header in "bytes=[0-9,-]{0,30}", size in 0u64..10_000) {
            let ranges = match parse(&header, size) {
                Ok(Wanted::One(range)) => vec![range],
                Ok(Wanted::Many(ranges)) => ranges,
                Ok(Wanted::Whole) | Err(_) => vec![],
            };
            for range in ranges {
                prop_assert!(range.len > 0 && range.first + range.len <= size);
            }
        }

        #[test]
        fn anything_is_survived(header in ".{0,60}", size: u64) {
            let _ = parse(&header, size);
        }
    }
}
