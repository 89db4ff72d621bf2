// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.1 as a client sees it (RFC 9112): the head of an answer, the three ways its body can
//! end, and a blocking connection for sequences of requests.

use std::fmt::Write as _;
use std::io;

use anyhow::{Context as _, Result, bail, ensure};

use super::transport::{Endpoint, Transport};

/// Largest head of an answer that is accepted.
const MAX_HEAD: usize = 32 * 1024;

/// Largest body that [`Connection::request`] keeps in memory.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What the head of an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub chunked: bool,
    /// `Connection: close`.
    pub close: bool,
    /// `Location`.
    pub location: Option<String>,
    /// `Link` (RFC 8288).
    pub link: Option<String>,
    /// `Docker-Content-Digest`.
    pub digest: Option<String>,
}

/// Reads a head from the start of `bytes`; `None` while it is incomplete. Returns the number of
/// bytes of the head. `full` also takes the headers that only sequences of requests need.
pub fn parse_head(bytes: &[u8], full: bool) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let used = match response.parse(bytes).context("the answer is not HTTP/1.1")? {
        httparse::Status::Complete(used) => used,
        httparse::Status::Partial => {
            ensure!(bytes.len() < MAX_HEAD, "the head of the answer exceeds {MAX_HEAD} bytes");
            return Ok(None);
        }
    };
    let mut head = Head { status: response.code.unwrap_or(0), ..Head::default() };
    for header in response.headers.iter() {
        let text = || String::from_utf8_lossy(header.value).into_owned();
        let name = header.name;
        if name.eq_ignore_ascii_case("content-length") {
            let value = std::str::from_utf8(header.value).ok().and_then(|v| v.trim().parse().ok());
            head.length = Some(value.context("Content-Length is not a number")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.close = header.value.eq_ignore_ascii_case(b"close");
        } else if !full {
        } else if name.eq_ignore_ascii_case("location") {
            head.location = Some(text());
        } else if name.eq_ignore_ascii_case("link") {
            head.link = Some(text());
        } else if name.eq_ignore_ascii_case("docker-content-digest") {
            head.digest = Some(text());
        }
    }
    Ok(Some((head, used)))
}

/// How much of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing more: the answer is complete.
    Done,
    /// So many bytes.
    Bytes(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunks(Chunks),
}

/// Place inside a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// In a chunk-size line; the size so far, and whether its digits have ended.
    Size(u64, bool),
    /// In the data of a chunk.
    Data(u64),
    /// In the line end after the data.
    DataEnd,
    /// In the trailer section; the number of bytes on the present line.
    Trailer(u64),
}

impl Rest {
    /// The body that belongs to `head`; answers to HEAD and 204, 304 have none.
    pub fn of(head: &Head, head_request: bool) -> Result<Self> {
        if head_request || head.status == 204 || head.status == 304 {
            return Ok(Self::Done);
        }
        if head.chunked {
            return Ok(Self::Chunks(Chunks::Size(0, false)));
        }
        match head.length {
            Some(0) => Ok(Self::Done),
            Some(length) => Ok(Self::Bytes(length)),
            None => bail!("the answer has neither Content-Length nor chunks"),
        }
    }

    /// Consumes received bytes, hands content to `sink`, and returns how many bytes were used.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize> {
        let mut used = 0;
        while used < bytes.len() {
            let left = &bytes[used..];
            match self {
                Self::Done => break,
                Self::Bytes(rest) => {
                    let take = left.len().min(usize::try_from(*rest).unwrap_or(usize::MAX));
                    sink(&left[..take]);
                    used += take;
                    *rest -= take as u64;
                    if *rest == 0 {
                        *self = Self::Done;
                    }
                }
                Self::Chunks(Chunks::Data(rest)) => {
                    let take = left.len().min(usize::try_from(*rest).unwrap_or(usize::MAX));
                    sink(&left[..take]);
                    used += take;
                    *rest -= take as u64;
                    if *rest == 0 {
                        *self = Self::Chunks(Chunks::DataEnd);
                    }
                }
                Self::Chunks(state) => {
                    let next = state.step(left[0])?;
                    used += 1;
                    *self = next.map_or(Self::Done, Self::Chunks);
                }
            }
        }
        Ok(used)
    }
}

impl Chunks {
    /// Advances by one byte of framing; `None` after the last chunk and its trailers.
    fn step(self, byte: u8) -> Result<Option<Self>> {
        Ok(Some(match self {
            Self::Size(0, _) if byte == b'\n' => Self::Trailer(0),
            Self::Size(size, _) if byte == b'\n' => Self::Data(size),
            Self::Size(size, false) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    ensure!(size < 1 << 48, "chunk size out of range");
                    Self::Size(size * 16 + u64::from(digit), false)
                }
                None if matches!(byte, b'\r' | b';' | b' ') => Self::Size(size, true),
                None => bail!("byte {byte:#04x} in a chunk size"),
            },
            Self::Size(size, true) => Self::Size(size, true),
            Self::DataEnd if byte == b'\n' => Self::Size(0, false),
            Self::DataEnd => Self::DataEnd,
            Self::Data(rest) => Self::Data(rest),
            Self::Trailer(0) if byte == b'\n' => return Ok(None),
            Self::Trailer(_) if byte == b'\n' => Self::Trailer(0),
            Self::Trailer(length) if byte == b'\r' => Self::Trailer(length),
            Self::Trailer(length) => Self::Trailer(length + 1),
        }))
    }
}

/// The bytes of a request without a body.
pub fn request_bytes(
    method: &str,
    endpoint: &Endpoint,
    path: &str,
    headers: &[(&str, &str)],
) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", endpoint.address);
    if let Some(value) = &endpoint.authorization {
        let _ = write!(out, "Authorization: {value}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// An answer held in memory.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Fails with the start of the body unless the status is the expected one.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.head.status == status,
            "status {} instead of {status}: {}",
            self.head.status,
            String::from_utf8_lossy(&self.body[..self.body.len().min(300)])
        );
        Ok(self)
    }
}

/// A keep-alive connection that sends one request at a time and waits for its answer.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    endpoint: Endpoint,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to a server.
    pub fn open(endpoint: &Endpoint) -> Result<Self> {
        let transport = Transport::connect(endpoint)
            .with_context(|| format!("connecting to {}", endpoint.address))?;
        Ok(Self { transport, endpoint: endpoint.clone(), buffer: vec![0; 64 * 1024] })
    }

    /// Whether the TLS session was resumed.
    pub fn resumed(&self) -> Option<bool> {
        self.transport.resumed()
    }

    /// Sends a request and reads the whole answer. A body of no parts sends no `Content-Length`
    /// for GET and HEAD, and a length of 0 for other methods.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[&[u8]],
    ) -> Result<Answer> {
        self.exchange(method, path, headers, body).with_context(|| format!("{method} {path}"))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[&[u8]],
    ) -> Result<Answer> {
        let length: usize = body.iter().map(|part| part.len()).sum();
        let length_text = length.to_string();
        let mut all = headers.to_vec();
        if !matches!(method, "GET" | "HEAD") {
            all.push(("Content-Length", &length_text));
        }
        let mut head = request_bytes(method, &self.endpoint, path, &all);
        if length <= 32 * 1024 {
            // One segment for a small request, as clients with a write buffer send it.
            body.iter().for_each(|part| head.extend_from_slice(part));
            self.transport.send(&head)?;
        } else {
            self.transport.send(&head)?;
            for part in body {
                self.transport.send(part)?;
            }
        }
        self.answer(method == "HEAD")
    }

    fn answer(&mut self, head_request: bool) -> Result<Answer> {
        let mut filled = 0;
        let (head, used) = loop {
            if filled == self.buffer.len() {
                bail!("the head of the answer exceeds {filled} bytes");
            }
            filled += self.some(filled)?;
            if let Some(parsed) = parse_head(&self.buffer[..filled], true)? {
                if parsed.0.status != 100 {
                    break parsed;
                }
                self.buffer.copy_within(parsed.1..filled, 0);
                filled -= parsed.1;
            }
        };
        let mut rest = Rest::of(&head, head_request)?;
        let mut body = Vec::new();
        rest.feed(&self.buffer[used..filled], |bytes| body.extend_from_slice(bytes))?;
        while rest != Rest::Done {
            let filled = self.some(0)?;
            rest.feed(&self.buffer[..filled], |bytes| body.extend_from_slice(bytes))?;
            ensure!(body.len() <= MAX_BODY, "the body of the answer exceeds {MAX_BODY} bytes");
        }
        Ok(Answer { head, body })
    }

    fn some(&mut self, from: usize) -> Result<usize> {
        match self.transport.receive(&mut self.buffer[from..], true)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            received => Ok(received),
        }
    }
}

/// Path and query of a `Location` or `Link` target, which may be absolute.
pub fn path_of(url: &str) -> &str {
    let Some(after) = url.find("://").map(|at| &url[at + 3..]) else { return url };
    after.find('/').map_or("/", |at| &after[at..])
}

/// The target of `Link: <target>; rel="next"`.
pub fn next_link(link: &str) -> Option<&str> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| path_of(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_read_in_pieces() {
        let bytes = b"HTTP/1.1 202 Accepted\r\nLocation: http://h:1/v2/a?x=1\r\ncontent-length: 7\r\n\r\nbody";
        for end in 0..bytes.len() - 4 {
            assert_eq!(parse_head(&bytes[..end], true).unwrap(), None, "{end}");
        }
        let (head, used) = parse_head(bytes, true).unwrap().unwrap();
        assert_eq!((head.status, head.length, used), (202, Some(7), bytes.len() - 4));
        assert_eq!(path_of(&head.location.unwrap()), "/v2/a?x=1");
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let wire = b"4;x=1\r\nWiki\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\nNEXT";
        for cut in 1..wire.len() {
            let mut rest = Rest::Chunks(Chunks::Size(0, false));
            let (mut body, mut used) = (Vec::new(), 0);
            for piece in [&wire[..cut], &wire[cut..]] {
                used += rest.feed(piece, |bytes| body.extend_from_slice(bytes)).unwrap();
            }
            assert_eq!(rest, Rest::Done, "{cut}");
            assert_eq!(body, b"Wiki0123456789abcdef");
            assert_eq!(used, wire.len() - 4);
        }
        let mut rest = Rest::Chunks(Chunks::Size(0, false));
        assert!(rest.feed(b"zz\r\n", |_| ()).is_err());
    }

    #[test]
    fn links() {
        assert_eq!(
            next_link("</v2/a/tags/list?n=1&last=x>; rel=\"next\""),
            Some("/v2/a/tags/list?n=1&last=x")
        );
        assert_eq!(next_link("<http://h/v2/_catalog?n=1>; rel=\"next\""), Some("/v2/_catalog?n=1"));
        assert_eq!(next_link("</v2/>; rel=\"prev\""), None);
    }
}
