// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.1 as it comes from the socket: heads and chunked bodies.

use http::{Version, header};
use httpd::{ChunkDecoder, ChunkError, Framing, HeadError, HeadLimits, HeadScanner, ParsedHead};

use crate::cuts;

/// [`httpd::parse_head`]: does not depend on how the bytes arrive, keeps its limits, and reads the
/// same from what it would write.
pub fn head(data: &[u8]) {
    let limits = HeadLimits::default();
    let whole = httpd::parse_head(data, &limits);
    assert_eq!(scan(data, &limits), end(&whole), "the pieces must not matter");
    let small = HeadLimits { bytes: 256, fields: 4, target: 64 };
    if let Ok(Some(head)) = httpd::parse_head(data, &small) {
        check(&head, data, &small);
        assert_eq!(whole, Ok(Some(head)), "limits decide on acceptance only");
    }
    let Ok(Some(head)) = whole else { return };
    check(&head, data, &limits);
    // What follows the head belongs to the body.
    assert_eq!(httpd::parse_head(&data[..head.len], &limits), Ok(Some(head.clone())));
    assert_eq!(httpd::parse_head(&data[..head.len - 1], &limits), Ok(None));
    if let Some(written) = write(&head) {
        let read = httpd::parse_head(&written, &HeadLimits { bytes: usize::MAX, ..limits });
        assert_eq!(read, Ok(Some(ParsedHead { len: written.len(), ..head })));
    }
}

/// What the scanner alone finds, fed piece by piece; errors of the parser behind it are left out.
fn scan(data: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
    let (mut scanner, mut cut, mut have) = (HeadScanner::default(), cuts(data), 0);
    while have < data.len() {
        have = data.len().min(have + cut());
        if let Some(len) = scanner.scan(&data[..have], limits)? {
            return match httpd::parse_head(&data[..len], limits) {
                Ok(_) => Ok(Some(len)),
                Err(error) => Err(error),
            };
        }
    }
    Ok(None)
}

fn end(parsed: &Result<Option<ParsedHead>, HeadError>) -> Result<Option<usize>, HeadError> {
    parsed.as_ref().map(|head| head.as_ref().map(|head| head.len)).map_err(|error| *error)
}

fn check(head: &ParsedHead, data: &[u8], limits: &HeadLimits) {
    assert!(head.len <= data.len() && head.len <= limits.bytes);
    assert!(data[..head.len].ends_with(b"\r\n\r\n"));
    assert!(head.headers.len() <= limits.fields + 1, "the absolute form may add Host");
    assert!(head.target.path().starts_with('/') || head.target.as_str() == "*");
    assert!(head.target.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(head.headers.get_all(header::HOST).iter().count() <= 1);
    let length = head.headers.get(header::CONTENT_LENGTH);
    let coding = head.headers.contains_key(header::TRANSFER_ENCODING);
    match head.framing {
        Framing::None => assert!(length.is_none() && !coding),
        Framing::Chunked => assert!(length.is_none() && coding && head.version == Version::HTTP_11),
        Framing::Length(value) => {
            assert!(!coding);
            let text = length.and_then(|length| length.to_str().ok()).unwrap_or_default();
            assert_eq!(text.trim_start_matches('0'), value.to_string().trim_start_matches('0'));
        }
    }
}

/// The head as a client would send it anew.
fn write(head: &ParsedHead) -> Option<Vec<u8>> {
    let version = if head.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut out = format!("{} {} {version}\r\n", head.method, head.target.as_str()).into_bytes();
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    // A path may have been added to a target that was just within its limit, and a Host to fields
    // of which there was the full number.
    let limits = HeadLimits::default();
    let fits = head.target.as_str().len() <= limits.target && head.headers.len() <= limits.fields;
    fits.then_some(out)
}

/// [`ChunkDecoder`]: the pieces do not matter, and what is encoded comes back.
pub fn chunked(data: &[u8]) {
    let whole = decode(data, || usize::MAX);
    assert_eq!(decode(data, || 1), whole, "byte by byte");
    assert_eq!(decode(data, cuts(data)), whole, "piece by piece");
    assert!(whole.data.len() + whole.rest <= data.len());

    let (mut encoded, mut rest, mut cut) = (Vec::new(), data, cuts(data));
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(cut().min(rest.len()));
        encoded.extend(format!("{:x}\r\n", chunk.len()).bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
        rest = tail;
    }
    encoded.extend_from_slice(b"0\r\n\r\nGET ");
    let expected = Decoded { data: data.to_vec(), rest: 4, done: true, error: None };
    assert_eq!(decode(&encoded, cut), expected);
}

#[derive(Debug, PartialEq)]
struct Decoded {
    data: Vec<u8>,
    /// Bytes behind the end of the body; 0 after an error, where the number means nothing.
    rest: usize,
    done: bool,
    error: Option<ChunkError>,
}

fn decode(mut body: &[u8], mut cut: impl FnMut() -> usize) -> Decoded {
    let mut decoder = ChunkDecoder::default();
    let mut data = Vec::new();
    while !body.is_empty() && !decoder.is_done() {
        let mut piece = &body[..cut().min(body.len())];
        let arrived = piece.len();
        while !piece.is_empty() && !decoder.is_done() {
            let left = usize::try_from(decoder.data_left()).unwrap_or(usize::MAX).min(piece.len());
            let eaten = if left > 0 {
                data.extend_from_slice(&piece[..left]);
                decoder.data_moved(left as u64);
                left
            } else {
                match decoder.framing(piece) {
                    Ok(eaten) => eaten,
                    Err(error) => {
                        return Decoded { data, rest: 0, done: false, error: Some(error) };
                    }
                }
            };
            assert!(eaten > 0, "the decoder must get on");
            piece = &piece[eaten..];
        }
        body = &body[arrived - piece.len()..];
    }
    Decoded { data, rest: body.len(), done: decoder.is_done(), error: None }
}
