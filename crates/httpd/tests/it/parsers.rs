// SPDX-License-Identifier: Apache-2.0
//! Properties of the pure parsers: they never panic, and how bytes were cut does not matter.

use httpd::{ChunkDecoder, ChunkError, HeadError, HeadLimits, HeadScanner, parse_head};
use proptest::collection::vec;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 400, fields: 8, target: 60 };

/// Heads that are nearly right: pieces that matter to a parser, in any order.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        3 => Just(&b"\r\n"[..]),
        1 => Just(&b"GET /a HTTP/1.1\r\nHost: t\r\n"[..]),
        1 => Just(&b"POST http://h/x?y HTTP/1.1\r\n"[..]),
        1 => Just(&b"Content-Length: 3\r\n"[..]),
        1 => Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        1 => Just(&b"Connection: close\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b":"[..]),
        1 => Just(&b"\xff\0"[..]),
        1 => Just(&b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..]),
    ];
    vec(pieces, 0..16).prop_map(|pieces| pieces.concat())
}

/// Scans bytes that arrive in pieces of the given sizes.
fn scan(bytes: &[u8], cuts: &[usize]) -> Result<Option<usize>, HeadError> {
    let mut scanner = HeadScanner::default();
    let mut end = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        end = (end + cut).min(bytes.len());
        if let Some(len) = scanner.scan(&bytes[..end], &LIMITS)? {
            return Ok(Some(len));
        }
    }
    Ok(None)
}

fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        3 => (1usize..40).prop_map(|n| {
            [format!("{n:x}\r\n").into_bytes(), vec![b'd'; n], b"\r\n".to_vec()].concat()
        }),
        1 => Just(b"3;a=\"b\"\r\nabc\r\n".to_vec()),
        1 => Just(b"0\r\n\r\n".to_vec()),
        1 => Just(b"0\r\nA: b\r\n\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"ffffffffffffffff".to_vec()),
    ];
    vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// What a body decodes to, how it ended and how much was eaten.
type Decoded = (Vec<u8>, Result<bool, ChunkError>, usize);

fn decode(bytes: &[u8], cuts: &[usize]) -> Decoded {
    let mut decoder = ChunkDecoder::default();
    let (mut data, mut at, mut end) = (Vec::new(), 0, 0);
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        end = (end + cut).min(bytes.len());
        while at < end && !decoder.is_done() {
            let left = usize::try_from(decoder.data_left()).unwrap_or(usize::MAX);
            if left > 0 {
                let n = left.min(end - at);
                data.extend_from_slice(&bytes[at..at + n]);
                decoder.data_moved(n as u64);
                at += n;
                continue;
            }
            match decoder.framing(&bytes[at..end]) {
                Ok(n) => at += n,
                // How far a refused piece was looked at is of no interest.
                Err(error) => return (data, Err(error), 0),
            }
        }
    }
    (data, Ok(decoder.is_done()), at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn heads_do_not_depend_on_the_cuts(bytes in nearly_a_head(), cuts in vec(1usize..20, 0..64)) {
        let whole = scan(&bytes, &[]);
        prop_assert_eq!(scan(&bytes, &cuts), whole);
        let parsed = parse_head(&bytes, &LIMITS);
        match whole {
            Ok(Some(len)) => {
                // Bytes behind the head do not change it.
                prop_assert_eq!(parse_head(&bytes[..len], &LIMITS), parsed.clone());
                if let Ok(head) = parsed {
                    let head = head.expect("complete");
                    prop_assert_eq!(head.len, len);
                    prop_assert!(head.headers.len() <= LIMITS.fields);
                    prop_assert!(head.target.as_str().len() <= LIMITS.target);
                }
            }
            Ok(None) => prop_assert_eq!(parsed, Ok(None)),
            Err(error) => prop_assert_eq!(parsed, Err(error)),
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in vec(any::<u8>(), 0..500)) {
        let _ = parse_head(&bytes, &LIMITS);
        let with_line = [b"GET / HTTP/1.1\r\nHost: t\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat();
        let _ = parse_head(&with_line, &HeadLimits::default());
    }

    #[test]
    fn chunks_do_not_depend_on_the_cuts(bytes in nearly_chunked(), cuts in vec(1usize..20, 0..64)) {
        prop_assert_eq!(decode(&bytes, &cuts), decode(&bytes, &[]));
    }
}
