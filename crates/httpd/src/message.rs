// SPDX-License-Identifier: Apache-2.0
//! Requests and replies as handlers see them.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, StatusCode, Version};

/// A request target in origin form, exactly as sent (RFC 9112 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    raw: String,
    path_len: usize,
}

impl Target {
    /// Splits a target at its first `?`.
    pub fn new(raw: impl Into<String>) -> Self {
        let raw = raw.into();
        let path_len = raw.find('?').unwrap_or(raw.len());
        Self { raw, path_len }
    }

    /// Path and query as sent.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The path as sent, percent-encoding untouched.
    pub fn path(&self) -> &str {
        &self.raw[..self.path_len]
    }

    /// What follows the first `?`, or the empty string.
    pub fn query(&self) -> &str {
        self.raw.get(self.path_len + 1..).unwrap_or("")
    }
}

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// Method, in any case the client chose.
    pub method: Method,
    /// Target in origin form; an absolute form is reduced to it and its authority put into `Host`.
    pub target: Target,
    /// HTTP/1.0, 1.1 or 2.
    pub version: Version,
    /// Header fields. With HTTP/2 `:authority` stands as `host`.
    pub headers: HeaderMap,
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether TLS carried the request.
    pub tls: bool,
    /// When the last byte of the head was read.
    pub received: Instant,
}

/// Why a request body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client closed the connection, reset the stream, or the network failed.
    #[error("the client went away: {0}")]
    Disconnected(#[source] io::Error),
    /// The client sent too slowly for the configured limits.
    #[error("the client sent nothing for too long")]
    TimedOut,
    /// Chunked framing or HTTP/2 framing was broken.
    #[error("the body's framing is invalid: {0}")]
    Malformed(&'static str),
    /// More than the caller's limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server is stopping and its drain time is over.
    #[error("the server is stopping")]
    Stopping,
}

/// A part of an open file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file; positioned reads only, so one handle serves many replies.
    pub file: Arc<File>,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

/// A fallible stream of chunks.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// One piece of a body made of several.
#[derive(Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file.
    File(FileRange),
}

/// The body of a reply.
pub enum ReplyBody {
    /// None.
    Empty,
    /// In memory.
    Bytes(Bytes),
    /// Part of a file, sent without copying where the connection allows.
    File(FileRange),
    /// Several pieces one after another (multipart/byteranges).
    Parts(Vec<Part>),
    /// Produced while it is sent. Chunked unless the reply carries `Content-Length`; fewer or more
    /// bytes than announced break the connection.
    Stream(ByteStream),
}

/// What a handler returns.
///
/// The engine adds `Content-Length` for bodies whose length it knows (unless the header is there
/// already, as in answers to HEAD), `Date`, and the connection's own fields. It sends no body in
/// answer to HEAD and with statuses that have none (1xx, 204, 304).
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: ReplyBody,
    /// Close the connection after this reply.
    pub close: bool,
}

impl Reply {
    /// A reply without header fields or body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ReplyBody::Empty, close: false }
    }

    /// Adds the body.
    #[must_use]
    pub fn with_body(mut self, body: ReplyBody) -> Self {
        self.body = body;
        self
    }
}
