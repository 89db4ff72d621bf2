// SPDX-License-Identifier: Apache-2.0
//! Every bound a client can run into, with its default.
//!
//! The server's builder takes one [`Limits`]; listeners, connections and both protocol engines
//! read it. Nothing a client controls (sizes, counts, times) is without an entry here.

use std::time::Duration;

/// Bounds of a request head (RFC 9112 2.2, RFC 6585 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of request line and header section together; more is answered with 431.
    pub bytes: usize,
    /// Header fields; more is answered with 431. Values above [`HeadLimits::MAX_FIELDS`] act like it.
    pub fields: usize,
    /// Bytes of the request target; more is answered with 414.
    pub target: usize,
}

impl HeadLimits {
    /// The largest number of header fields that can be configured (the parser's table is on the
    /// stack).
    pub const MAX_FIELDS: usize = 256;
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, fields: 100, target: 8 * 1024 }
    }
}

/// Bounds of HTTP/2 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H2Limits {
    /// Offer `h2` in ALPN. Default on.
    pub enabled: bool,
    /// Accept HTTP/2 with prior knowledge on cleartext connections (RFC 9113 3.3). Default off.
    pub cleartext: bool,
    /// Requests at once on one connection.
    pub streams: u32,
    /// Decoded size of a header list (RFC 9113 6.5.2), which also bounds CONTINUATION floods. The
    /// counterpart of [`HeadLimits::bytes`].
    pub header_list: u32,
    /// Reset streams that may wait to be accepted before the connection is ended (CVE-2023-44487).
    pub pending_resets: usize,
    /// Streams we had to reset for the peer's errors before the connection is ended.
    pub error_resets: usize,
    /// Unread request bytes the client may send per request.
    pub stream_window: u32,
    /// Unread request bytes the client may send per connection.
    pub connection_window: u32,
    /// A silent connection with requests running is asked for a sign of life this often.
    pub ping_interval: Duration,
    /// How long the sign of life may take.
    pub ping_timeout: Duration,
}

impl Default for H2Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            cleartext: false,
            streams: 128,
            header_list: 64 * 1024,
            pending_resets: 20,
            error_resets: 1024,
            // One MiB keeps a 1 GB/s stream busy up to a round trip of 1 ms, and 100 MB/s up to
            // 10 ms, while a peer can make us hold no more than the connection's window.
            stream_window: 1024 * 1024,
            connection_window: 2 * 1024 * 1024,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// All bounds of a server. `Limits::default()` is meant for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; beyond it accepting pauses and clients wait in the kernel's backlog.
    pub connections: usize,
    /// Request heads.
    pub head: HeadLimits,
    /// From the first byte of a head to its last. Also the time for a new connection's first byte.
    pub head_time: Duration,
    /// From accept to the end of the TLS handshake.
    pub tls_handshake: Duration,
    /// A keep-alive connection without a request.
    pub idle: Duration,
    /// Waiting for one more byte of a request body.
    pub body_idle: Duration,
    /// Waiting until the client takes one more byte of a reply.
    pub write_idle: Duration,
    /// Bytes per second, in both directions, that a client has to reach on average over
    /// [`Limits::rate_window`] of waiting for it. 0 turns the check off.
    pub min_rate: u64,
    /// Time spent waiting for a client after which its rate is judged.
    pub rate_window: Duration,
    /// Bytes of a request body the engine reads and drops to keep a connection usable, when the
    /// handler did not read them.
    pub discard: u64,
    /// After a reply that ends the connection early, how long to go on reading so that the client
    /// sees the reply and not a reset.
    pub linger: Duration,
    /// On a graceful stop, how long requests in flight may take.
    pub drain: Duration,
    /// 256 KiB buffers for files that cannot be sent by the kernel (TLS, HTTP/2, cold files). When
    /// all are out, 16 KiB buffers serve the rest, so slow readers cannot add up.
    pub large_buffers: usize,
    /// HTTP/2.
    pub h2: H2Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head: HeadLimits::default(),
            head_time: Duration::from_secs(30),
            tls_handshake: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            body_idle: Duration::from_secs(60),
            write_idle: Duration::from_secs(60),
            min_rate: 256,
            rate_window: Duration::from_secs(60),
            discard: 256 * 1024,
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(29),
            large_buffers: 64,
            h2: H2Limits::default(),
        }
    }
}
