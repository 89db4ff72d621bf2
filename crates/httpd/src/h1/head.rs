// SPDX-License-Identifier: Apache-2.0
//! Request heads: from bytes to a checked [`ParsedHead`].
//!
//! httparse splits the lines; this module decides what a registry is willing to understand. Where
//! RFC 9112 lets a recipient choose between repairing and refusing, it refuses: a head that two
//! servers could read differently is how requests are smuggled past a proxy.

use std::mem::MaybeUninit;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::{HeadLimits, Target};

/// What every HTTP/2 client sends first (RFC 9113 3.4).
pub(crate) const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How the request's body is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
}

/// A request head that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedHead {
    /// Method.
    pub method: Method,
    /// Target in origin form (or `*`).
    pub target: Target,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    /// Header fields; `Host` is the absolute form's authority if there was one.
    pub headers: HeaderMap,
    /// The body's delimitation.
    pub framing: Framing,
    /// The client waits for `100 Continue`.
    pub expects_continue: bool,
    /// The client wants to use the connection again.
    pub keep_alive: bool,
    /// Bytes of the head, including the empty line that ends it.
    pub len: usize,
}

/// Why a head is refused. Each refusal ends the connection: where the next request would begin is
/// not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP, or HTTP that can be read in two ways.
    #[error("{0}")]
    Malformed(&'static str),
    /// Request target above its limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Head above its limit, or too many fields.
    #[error("the request head is too large")]
    TooLarge,
    /// Not HTTP/1.0 or 1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// A transfer coding other than chunked.
    #[error("the transfer coding is not supported")]
    TransferCoding,
    /// An expectation other than `100-continue` (RFC 9110 10.1.1).
    #[error("the expectation cannot be met")]
    Expectation,
}

impl HeadError {
    /// The status that answers it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }
}

/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
///
/// The answer does not depend on how the bytes were cut into pieces.
#[derive(Clone, Debug, Default)]
pub struct HeadScanner {
    scanned: usize,
    line_start: usize,
    lines: usize,
}

impl HeadScanner {
    /// Looks at `bytes`, which begin with the head's first byte and extend those of the call
    /// before. Returns the head's length once its empty line is there.
    pub fn scan(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let unscanned = bytes.get(self.scanned..).unwrap_or_default();
        for (i, &byte) in unscanned.iter().enumerate() {
            let at = self.scanned + i;
            if at >= limits.bytes {
                return Err(HeadError::TooLarge);
            }
            // The request line is the target, a method and a version; a first line that is longer
            // by more than those can only be a long target.
            if self.lines == 0 && at - self.line_start > limits.target + 64 {
                return Err(HeadError::TargetTooLong);
            }
            if byte == b'\n' {
                if at == self.line_start || bytes[at - 1] != b'\r' {
                    return Err(HeadError::Malformed("a line does not end in CR LF"));
                }
                let empty = at == self.line_start + 1;
                if empty && self.lines == 0 && self.line_start > 0 {
                    return Err(HeadError::Malformed("empty lines before the request line"));
                }
                self.line_start = at + 1;
                if !empty {
                    self.lines += 1;
                } else if self.lines > 0 {
                    return Ok(Some(at + 1));
                }
                // One empty line before the request line is skipped (RFC 9112 2.2).
            } else if at > self.line_start && bytes[at - 1] == b'\r' {
                return Err(HeadError::Malformed("a CR is not followed by LF"));
            }
        }
        self.scanned = bytes.len();
        Ok(None)
    }
}

/// Parses one request head at the beginning of `bytes`; `None` when it is not complete yet.
pub fn parse_head(bytes: &[u8], limits: &HeadLimits) -> Result<Option<ParsedHead>, HeadError> {
    match HeadScanner::default().scan(bytes, limits)? {
        Some(len) => parse_complete(&bytes[..len], limits).map(Some),
        None => Ok(None),
    }
}

/// Parses a head that [`HeadScanner`] found complete.
pub(crate) fn parse_complete(head: &[u8], limits: &HeadLimits) -> Result<ParsedHead, HeadError> {
    let mut table = [MaybeUninit::<httparse::Header<'_>>::uninit(); HeadLimits::MAX_FIELDS];
    let fields = limits.fields.min(HeadLimits::MAX_FIELDS);
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut table[..fields]) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(HeadError::Malformed("the head is malformed")),
        Err(error) => return Err(refuse(error, head)),
    }
    let version = match request.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let method = request.method.unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| HeadError::Malformed("the method is malformed"))?;
    let raw_target = request.path.unwrap_or_default();
    if raw_target.len() > limits.target {
        return Err(HeadError::TargetTooLong);
    }
    let (target, authority) = parse_target(&method, raw_target)?;

    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| HeadError::Malformed("a header name is malformed"))?;
        let value = HeaderValue::from_bytes(field.value)
            .map_err(|_| HeadError::Malformed("a header value is malformed"))?;
        headers.append(name, value);
    }

    check_host(&mut headers, version, authority)?;
    let framing = framing(&mut headers, version)?;
    Ok(ParsedHead {
        expects_continue: expects_continue(&headers, version)?,
        keep_alive: keep_alive(&headers, version),
        method,
        target,
        version,
        headers,
        framing,
        len: head.len(),
    })
}

fn refuse(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooLarge,
        httparse::Error::Version if names_a_version(head) => HeadError::Version,
        httparse::Error::HeaderName => HeadError::Malformed("a header name is malformed"),
        httparse::Error::HeaderValue => HeadError::Malformed("a header value is malformed"),
        _ => HeadError::Malformed("the request line is malformed"),
    }
}

/// True when the request line is well-formed but for a version that we do not have.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&b| b == b' ').skip(2);
    let version = words.next().and_then(|word| word.strip_prefix(b"HTTP/"));
    let digits = matches!(version, Some([major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit());
    digits && words.next().is_none()
}

/// Origin form, absolute form (reduced to origin form plus authority) or `*` (RFC 9112 3.2).
fn parse_target<'a>(method: &Method, raw: &'a str) -> Result<(Target, Option<&'a str>), HeadError> {
    if !raw.bytes().all(|byte| byte.is_ascii_graphic()) || raw.contains('#') {
        return Err(HeadError::Malformed("the request target has forbidden characters"));
    }
    if raw.starts_with('/') || (raw == "*" && method == Method::OPTIONS) {
        return Ok((Target::new(raw), None));
    }
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| {
            let head = raw.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| &raw[scheme.len()..])
        })
        .ok_or(HeadError::Malformed("the request target is in no form we serve"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return Err(HeadError::Malformed("the request target's authority is malformed"));
    }
    let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((Target::new(target), Some(authority)))
}

/// Bytes of `uri-host [":" port]` (RFC 3986 3.2.2), without user information.
fn is_host(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte))
}

/// RFC 9112 3.2: exactly one `Host` in HTTP/1.1; an absolute form's authority replaces it.
fn check_host(
    headers: &mut HeaderMap,
    version: Version,
    authority: Option<&str>,
) -> Result<(), HeadError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => {
            return Err(HeadError::Malformed("the Host field is missing"));
        }
        (None, _) => {}
        (Some(host), None) if is_host(host.as_bytes()) => {}
        (Some(_), None) => return Err(HeadError::Malformed("the Host field is malformed")),
        (Some(_), Some(_)) => {
            return Err(HeadError::Malformed("there are several Host fields"));
        }
    }
    if let Some(authority) = authority {
        let value = HeaderValue::from_str(authority)
            .map_err(|_| HeadError::Malformed("the request target's authority is malformed"))?;
        headers.insert(HOST, value);
    }
    Ok(())
}

/// RFC 9112 6.1 to 6.3, refusing instead of repairing.
fn framing(headers: &mut HeaderMap, version: Version) -> Result<Framing, HeadError> {
    let coded = headers.contains_key(TRANSFER_ENCODING);
    let Some(first) = headers.get(CONTENT_LENGTH) else {
        return if coded { coding(headers, version) } else { Ok(Framing::None) };
    };
    if coded {
        return Err(HeadError::Malformed("both Transfer-Encoding and Content-Length"));
    }
    let mut all = headers.get_all(CONTENT_LENGTH).iter();
    if all.any(|value| value != first) {
        return Err(HeadError::Malformed("Content-Length fields differ"));
    }
    let length = decimal(first.as_bytes())
        .ok_or(HeadError::Malformed("the Content-Length is not a number"))?;
    // Repeated but equal fields become one, so that nobody downstream sees a list.
    let first = first.clone();
    headers.insert(CONTENT_LENGTH, first);
    Ok(Framing::Length(length))
}

fn coding(headers: &HeaderMap, version: Version) -> Result<Framing, HeadError> {
    if version == Version::HTTP_10 {
        return Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"));
    }
    let mut fields = headers.get_all(TRANSFER_ENCODING).iter();
    let only = fields.next().map(HeaderValue::as_bytes).unwrap_or_default();
    if fields.next().is_some() {
        return Err(HeadError::Malformed("there are several Transfer-Encoding fields"));
    }
    if only.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    // A list with `chunked` in it is at best a coding we do not have and at worst two readings.
    let known_inside = only.split(|&b| b == b',').any(|token| {
        let token = token.trim_ascii();
        token.is_empty() || token.eq_ignore_ascii_case(b"chunked")
    });
    let plain = only.iter().all(|&b| b.is_ascii_alphanumeric() || b", -\t".contains(&b));
    if known_inside || !plain {
        return Err(HeadError::Malformed("the Transfer-Encoding is malformed"));
    }
    Err(HeadError::TransferCoding)
}

/// `1*DIGIT` without sign, blanks or lists; `None` also when it does not fit.
fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn expects_continue(headers: &HeaderMap, version: Version) -> Result<bool, HeadError> {
    // An HTTP/1.0 client cannot understand 100; its expectation is ignored (RFC 9110 10.1.1).
    if version == Version::HTTP_10 {
        return Ok(false);
    }
    let mut expects = false;
    for value in headers.get_all(EXPECT) {
        if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::Expectation);
        }
        expects = true;
    }
    Ok(expects)
}

/// RFC 9112 9.3.
fn keep_alive(headers: &HeaderMap, version: Version) -> bool {
    let mut close = false;
    let mut keep = false;
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|&b| b == b',') {
            let token = token.trim_ascii();
            close |= token.eq_ignore_ascii_case(b"close");
            keep |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    !close && (version == Version::HTTP_11 || keep)
}
