// SPDX-License-Identifier: Apache-2.0
//! Reply heads: status line, header section, and which delimitation the body gets.

use std::cell::Cell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, StatusCode, Version};

use crate::message::{Part, Reply, ReplyBody};

/// How the reply's body is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// No body follows; the length is what a GET would have sent, if it is known.
    Bodyless(Option<u64>),
    /// So many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Until the connection ends: a stream of unknown length for an HTTP/1.0 client.
    UntilClose,
}

/// The number of bytes in a body, if it is known without producing it.
pub(crate) fn known_length(body: &ReplyBody) -> Option<u64> {
    match body {
        ReplyBody::Empty => Some(0),
        ReplyBody::Bytes(bytes) => Some(bytes.len() as u64),
        ReplyBody::File(range) => Some(range.len),
        ReplyBody::Parts(parts) => Some(
            parts
                .iter()
                .map(|part| match part {
                    Part::Bytes(bytes) => bytes.len() as u64,
                    Part::File(range) => range.len,
                })
                .sum(),
        ),
        ReplyBody::Stream(_) => None,
    }
}

/// The handler's own `Content-Length`.
pub(crate) fn given_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// True for statuses that never have a body (RFC 9110 6.4.1).
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// Decides how the body is sent.
pub(crate) fn plan(method: &Method, version: Version, reply: &Reply) -> Plan {
    let given = given_length(&reply.headers);
    let known = known_length(&reply.body);
    if has_no_body(reply.status) {
        let allowed = reply.status == StatusCode::NOT_MODIFIED;
        return Plan::Bodyless(given.filter(|_| allowed));
    }
    if method == Method::HEAD {
        // An empty body says nothing about what GET would have sent.
        return Plan::Bodyless(given.or(known.filter(|len| *len > 0)));
    }
    match (known, given) {
        (Some(known), _) => Plan::Length(known),
        (None, Some(given)) => Plan::Length(given),
        (None, None) if version == Version::HTTP_10 => Plan::UntilClose,
        (None, None) => Plan::Chunked,
    }
}

/// Appends the head of a reply.
pub(crate) fn encode(out: &mut Vec<u8>, reply: &Reply, plan: Plan, version: Version, close: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(reply.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reply.status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &reply.headers {
        if is_ours(name) {
            continue;
        }
        push_name(out, name.as_str());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !reply.headers.contains_key(DATE) {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(&date());
        out.extend_from_slice(b"\r\n");
    }
    match plan {
        Plan::Length(length) | Plan::Bodyless(Some(length)) => {
            // Writing to a Vec does not fail.
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        Plan::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Plan::Bodyless(None) | Plan::UntilClose => {}
    }
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if version == Version::HTTP_10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Fields that belong to the connection and not to the handler.
fn is_ours(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == CONTENT_LENGTH
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || name.as_str() == "keep-alive"
}

/// `docker-content-digest` as `Docker-Content-Digest`: names are case-insensitive to clients, but
/// scripts grep for the form that registries have always sent.
fn push_name(out: &mut Vec<u8>, name: &str) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    let mut word_start = true;
    for byte in &mut out[start..] {
        if word_start {
            byte.make_ascii_uppercase();
        }
        word_start = *byte == b'-';
    }
}

/// The present time as an IMF-fixdate (RFC 9110 5.6.7), formatted once per second and thread.
fn date() -> [u8; 29] {
    thread_local! {
        static CACHED: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [b' '; 29])) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with(|cached| {
        let (at, text) = cached.get();
        if at == second {
            return text;
        }
        let mut text = [b' '; 29];
        // The format has exactly 29 characters.
        let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(now));
        cached.set((second, text));
        text
    })
}
