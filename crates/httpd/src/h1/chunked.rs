// SPDX-License-Identifier: Apache-2.0
//! The chunked transfer coding (RFC 9112 7.1), receiving side.
//!
//! [`ChunkDecoder`] eats framing bytes only; the data of a chunk is the caller's to move, so that
//! it can go from the socket straight into the handler's buffer. Extensions and trailers are
//! bounded and dropped.

/// Bytes of extensions in one chunk's size line.
const EXTENSION_LINE: usize = 256;
/// Bytes of extensions in one body; a body of one-byte chunks with long extensions would make us
/// read hundreds of bytes for each byte we were asked for (CVE-2023-39326).
const EXTENSION_BODY: usize = 16 * 1024;
/// Bytes of the trailer section.
const TRAILERS: usize = 8 * 1024;

/// Why a chunked body is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A size that is not a hexadecimal number, or too long a one.
    #[error("a chunk size is malformed")]
    Size,
    /// Missing CR LF, or a CR or LF alone.
    #[error("a chunk line does not end in CR LF")]
    LineEnd,
    /// Extensions above their limit, or with control characters.
    #[error("the chunk extensions are malformed or too long")]
    Extension,
    /// Trailers above their limit.
    #[error("the trailer section is too long")]
    Trailers,
}

impl ChunkError {
    /// The message as a constant.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Size => "a chunk size is malformed",
            Self::LineEnd => "a chunk line does not end in CR LF",
            Self::Extension => "the chunk extensions are malformed or too long",
            Self::Trailers => "the trailer section is too long",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size, after so many digits.
    Size(u8),
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the first byte of a trailer line.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Where a body's framing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkDecoder {
    state: State,
    left: u64,
    line_extension: usize,
    extension: usize,
    trailers: usize,
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self { state: State::Size(0), left: 0, line_extension: 0, extension: 0, trailers: 0 }
    }
}

impl ChunkDecoder {
    /// Bytes of data that come next; 0 while framing comes next or at the end.
    pub fn data_left(&self) -> u64 {
        if self.state == State::Data { self.left } else { 0 }
    }

    /// True after the last chunk and its trailers.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Counts `n` bytes of data, at most [`ChunkDecoder::data_left`], as moved.
    pub fn data_moved(&mut self, n: u64) {
        debug_assert!(n <= self.data_left());
        self.left = self.left.saturating_sub(n);
        if self.state == State::Data && self.left == 0 {
            self.state = State::DataCr;
        }
    }

    /// Eats framing from the front of `bytes`, up to the next data or the end of the body.
    /// Returns how many bytes it ate.
    pub fn framing(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        let mut eaten = 0;
        for &byte in bytes {
            if matches!(self.state, State::Data | State::Done) {
                break;
            }
            self.step(byte)?;
            eaten += 1;
        }
        Ok(eaten)
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.state = match (self.state, byte) {
            (State::Size(1..) | State::Extension, b'\r') => State::SizeLf,
            (State::Size(1..), b';') => {
                self.line_extension = 0;
                State::Extension
            }
            (State::Size(digits), _) => self.size_digit(digits, byte)?,
            (State::Extension, _) => {
                self.line_extension += 1;
                self.extension += 1;
                let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
                let fits =
                    self.line_extension <= EXTENSION_LINE && self.extension <= EXTENSION_BODY;
                if !text || !fits {
                    return Err(ChunkError::Extension);
                }
                State::Extension
            }
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => State::Done,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::TrailerStart | State::Trailer, other) if other != b'\n' => {
                self.trailers += 1;
                if self.trailers > TRAILERS {
                    return Err(ChunkError::Trailers);
                }
                State::Trailer
            }
            _ => return Err(ChunkError::LineEnd),
        };
        Ok(())
    }

    fn size_digit(&mut self, digits: u8, byte: u8) -> Result<State, ChunkError> {
        let value = (byte as char).to_digit(16).ok_or(ChunkError::Size)?;
        // 16 digits fill 64 bits; more could only be leading zeros or an overflow.
        if digits == 16 {
            return Err(ChunkError::Size);
        }
        if digits == 0 {
            self.left = 0;
        }
        self.left = (self.left << 4) | u64::from(value);
        Ok(State::Size(digits + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a whole body cut into pieces of `cut` bytes: data and unconsumed rest.
    fn decode(body: &[u8], cut: usize) -> Result<(Vec<u8>, usize), ChunkError> {
        let mut decoder = ChunkDecoder::default();
        let mut data = Vec::new();
        let mut at = 0;
        while at < body.len() && !decoder.is_done() {
            let piece = &body[at..(at + cut).min(body.len())];
            let left = usize::try_from(decoder.data_left()).expect("fits in tests");
            if left > 0 {
                let n = left.min(piece.len());
                data.extend_from_slice(&piece[..n]);
                decoder.data_moved(n as u64);
                at += n;
            } else {
                at += decoder.framing(piece)?;
            }
        }
        Ok((data, body.len() - at))
    }

    #[test]
    fn decodes_chunks_extensions_and_trailers() {
        let body = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nNEXT";
        for cut in 1..body.len() {
            assert_eq!(decode(body, cut), Ok((b"hello world".to_vec(), 4)), "cut {cut}");
        }
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        let cases: [(&[u8], ChunkError); 13] = [
            (b"5\nhello\r\n", ChunkError::Size),
            (b"\r\n", ChunkError::Size),
            (b"+5\r\n", ChunkError::Size),
            (b"0x5\r\n", ChunkError::Size),
            (b"5 \r\n", ChunkError::Size),
            (b"-1\r\n", ChunkError::Size),
            (b"00000000000000005\r\n", ChunkError::Size),
            (b"5\rXhello", ChunkError::LineEnd),
            (b"5\r\nhelloX", ChunkError::LineEnd),
            (b"5\r\nhello\rX", ChunkError::LineEnd),
            (b"5;a\nb\r\n", ChunkError::Extension),
            (b"0\r\nA: b\n\r\n", ChunkError::LineEnd),
            (b"0\r\n\n", ChunkError::LineEnd),
        ];
        for (body, error) in cases {
            // A bare LF inside a trailer is refused as a line end too.
            assert_eq!(decode(body, 64), Err(error), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn bounds_extensions_and_trailers() {
        let long = [b"1;".as_slice(), &[b'x'; 300], b"\r\n"].concat();
        assert_eq!(decode(&long, 1000), Err(ChunkError::Extension));
        let many = [b"1;".as_slice(), &[b'x'; 200], b"\r\na\r\n"].concat().repeat(100);
        assert_eq!(decode(&many, 1000), Err(ChunkError::Extension));
        let trailers = [b"0\r\n".as_slice(), &b"A: b\r\n".repeat(4000)].concat();
        assert_eq!(decode(&trailers, 1000), Err(ChunkError::Trailers));
    }
}
