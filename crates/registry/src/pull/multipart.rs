// SPDX-License-Identifier: Apache-2.0
//! `multipart/byteranges` bodies (RFC 9110 14.6): pieces of a file between lines of text.

use bytes::Bytes;
use http::HeaderValue;
use httpd::{FileRange, Part};
use uuid::Uuid;

use super::range::ByteRange;

/// The boundary of one answer. It cannot stand in the content but by chance of 2^-122.
pub(crate) struct Boundary(String);

impl Boundary {
    pub(crate) fn new(id: Uuid) -> Self {
        Self(id.simple().to_string())
    }

    /// `Content-Type` of the whole.
    pub(crate) fn content_type(&self) -> HeaderValue {
        HeaderValue::try_from(format!("multipart/byteranges; boundary={}", self.0))
            .expect("hexadecimal digits are allowed in a header")
    }

    /// What stands before a piece.
    fn opening(&self, range: ByteRange, size: u64, is_first: bool) -> Bytes {
        let line_end = if is_first { "" } else { "\r\n" };
        Bytes::from(format!(
            "{line_end}--{}\r\nContent-Range: {}\r\nContent-Type: application/octet-stream\r\n\r\n",
            self.0,
            range.content_range(size)
        ))
    }

    fn closing(&self) -> Bytes {
        Bytes::from(format!("\r\n--{}--\r\n", self.0))
    }

    /// Puts the pieces between their lines, and says how long it all is.
    pub(crate) fn assemble(&self, size: u64, pieces: Vec<(ByteRange, Piece)>) -> (Vec<Part>, u64) {
        let mut parts = Vec::with_capacity(pieces.len() * 2 + 1);
        let mut length = 0;
        for (at, (range, piece)) in pieces.into_iter().enumerate() {
            let opening = self.opening(range, size, at == 0);
            length += opening.len() as u64 + range.len;
            parts.push(Part::Bytes(opening));
            parts.push(match piece {
                Piece::File(file) => Part::File(file),
                Piece::Bytes(bytes) => Part::Bytes(bytes),
            });
        }
        let closing = self.closing();
        length += closing.len() as u64;
        parts.push(Part::Bytes(closing));
        (parts, length)
    }
}

/// The content of one range.
pub(crate) enum Piece {
    File(FileRange),
    Bytes(Bytes),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_the_rfc_shows() {
        let boundary = Boundary::new(Uuid::from_u128(1));
        let piece = |first, text: &'static str| {
            let range = ByteRange { first, len: text.len() as u64 };
            (range, Piece::Bytes(Bytes::from_static(text.as_bytes())))
        };
        let (parts, length) = boundary.assemble(10, vec![piece(0, "ab"), piece(4, "ef")]);
        let body: Vec<u8> = parts
            .iter()
            .flat_map(|part| match part {
                Part::Bytes(bytes) => bytes.to_vec(),
                Part::File(_) => unreachable!("the pieces are bytes"),
            })
            .collect();
        assert_eq!(body.len() as u64, length);
        let b = "00000000000000000000000000000001";
        assert_eq!(
            String::from_utf8(body).unwrap(),
            format!(
                "--{b}\r\nContent-Range: bytes 0-1/10\r\nContent-Type: application/octet-stream\r\n\
                 \r\nab\r\n--{b}\r\nContent-Range: bytes 4-5/10\r\nContent-Type: \
                 application/octet-stream\r\n\r\nef\r\n--{b}--\r\n"
            )
        );
    }
}
