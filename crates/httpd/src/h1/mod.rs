// SPDX-License-Identifier: Apache-2.0
//! The HTTP/1.1 connection loop.
//!
//! ```text
//!   idle (no buffer) ──readable──▶ head ──▶ Service::call ──▶ reply ──▶ rest of the body ──┐
//!      ▲                            ▲                                                      │
//!      └────────── nothing buffered ┴───────── the next request is here already ◀──────────┘
//! ```
//!
//! While idle a connection is its socket, a timer and a few words. The state of a request lives in
//! a future of its own, which exists from the first byte of a head to the end of the last reply.

mod body;
mod chunked;
mod head;
mod reply;
mod send;

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderValue, StatusCode, header};
use tokio::time::Instant;

pub(crate) use body::Receiver;
pub use chunked::{ChunkDecoder, ChunkError};
pub use head::{Framing, HeadError, HeadScanner, ParsedHead, parse_head};
pub(crate) use reply::{given_length, has_no_body, known_length};

use crate::body::Inner;
use crate::buffers::{Input, SMALL};
use crate::message::{Reply, ReplyBody};
use crate::server::{Core, Engine};
use crate::stop::Stop;
use crate::wire::{Patience, Wire, WireError};
use crate::{Body, Head, Sent, Service};
use head::H2_PREFACE;
use reply::{Plan, encode, plan};
use send::Sender;

/// How long a stopping server waits for the first request of a connection it has accepted.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(250);

/// An HTTP/1.1 connection between and during requests.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) input: Input,
    pub(crate) core: Arc<Core>,
    /// Requests answered so far.
    served: u64,
}

/// How a burst of requests ended.
enum Next {
    /// Nothing is buffered; the connection may be used again.
    Idle,
    /// Close; with `linger` the client may still be sending.
    Close { linger: bool },
    /// The connection is broken or its reply is: drop it without ceremony, so that the client
    /// cannot take a truncated reply for a whole one.
    Drop,
    /// The client speaks HTTP/2 with prior knowledge; its bytes are in the input buffer.
    Http2,
}

/// Serves a connection to its end. Returns it if it turns out to speak HTTP/2.
pub(crate) async fn serve<S: Service>(
    wire: Wire,
    engine: &Engine<S>,
    peer: SocketAddr,
) -> Option<(Wire, Input)> {
    let core = Arc::clone(&engine.core);
    let mut conn = Connection { wire, input: Input::default(), core, served: 0 };
    let limits = engine.core.limits;
    let mut patience = Patience::Until(Instant::now() + limits.head_time);
    loop {
        conn.input.release();
        let served = conn.served;
        let mut next = Next::Idle;
        // TLS may hold plaintext of which the socket knows nothing: try to read before waiting.
        if conn.wire.transport.is_tls() {
            next = Box::pin(requests(&mut conn, engine, peer)).await;
        }
        if matches!(next, Next::Idle) {
            let waited = match conn.wire.readable(patience, Stop::Drain).await {
                Err(WireError::Stopping) => {
                    // A request that is here already is served, and a client that has just
                    // connected is about to send its first one.
                    let grace = if served == 0 { FIRST_REQUEST_GRACE } else { Duration::ZERO };
                    conn.wire.readable(Patience::For(grace), Stop::Cut).await
                }
                waited => waited,
            };
            next = match waited {
                Ok(()) => Box::pin(requests(&mut conn, engine, peer)).await,
                Err(_) => Next::Close { linger: false },
            };
        }
        match next {
            Next::Idle if conn.served > served => {
                patience = Patience::Until(Instant::now() + limits.idle);
            }
            // Woken for nothing, or for a part of a TLS record: the same wait goes on.
            Next::Idle => {}
            Next::Close { linger } => {
                conn.input = Input::default();
                let linger = linger.then_some(limits.linger);
                Box::pin(conn.wire.close(linger)).await;
                return None;
            }
            Next::Drop => return None,
            Next::Http2 => return Some((conn.wire, conn.input)),
        }
    }
}

/// Serves requests as long as bytes of them are there.
async fn requests<S: Service>(conn: &mut Connection, engine: &Engine<S>, peer: SocketAddr) -> Next {
    loop {
        let len = match read_head(conn).await {
            Ok(Start::Head(len)) => len,
            Ok(Start::Nothing) => return Next::Idle,
            Ok(Start::End) => return Next::Close { linger: false },
            Ok(Start::Http2) => return Next::Http2,
            Err(HeadFailure::Refused(error)) => {
                tracing::debug!(%peer, %error, "request refused");
                return refuse(conn, error.status(), &error.to_string()).await;
            }
            Err(HeadFailure::Wire(WireError::TimedOut)) => {
                let text = "the request head did not arrive in time";
                return refuse(conn, StatusCode::REQUEST_TIMEOUT, text).await;
            }
            Err(HeadFailure::Wire(error)) => {
                tracing::debug!(%peer, %error, "connection ended in a request head");
                return Next::Drop;
            }
        };
        let parsed = head::parse_complete(
            skip_empty_line(&conn.input.filled()[..len]),
            &conn.core.limits.head,
        );
        conn.input.consume(len);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::debug!(%peer, %error, "request refused");
                return refuse(conn, error.status(), &error.to_string()).await;
            }
        };
        let next = exchange(conn, engine, peer, parsed).await;
        if !matches!(next, Next::Idle) || conn.input.is_empty() {
            return next;
        }
    }
}

/// The empty line that may precede a request line (RFC 9112 2.2).
fn skip_empty_line(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\r\n").unwrap_or(head)
}

/// What a connection begins its next request with.
enum Start {
    /// A complete head of so many bytes is buffered.
    Head(usize),
    /// Nothing yet.
    Nothing,
    /// The client closed.
    End,
    /// The HTTP/2 preface.
    Http2,
}

enum HeadFailure {
    Refused(HeadError),
    Wire(WireError),
}

async fn read_head(conn: &mut Connection) -> Result<Start, HeadFailure> {
    let core = Arc::clone(&conn.core);
    let limits = &core.limits;
    let mut scanner = HeadScanner::default();
    let mut deadline = None;
    loop {
        let bytes = conn.input.filled();
        let preface = limits.h2.cleartext
            && !conn.wire.transport.is_tls()
            && bytes.iter().zip(H2_PREFACE).all(|(a, b)| a == b);
        if preface && bytes.len() >= H2_PREFACE.len() {
            return Ok(Start::Http2);
        }
        if !preface {
            match scanner.scan(bytes, &limits.head) {
                Ok(Some(len)) => return Ok(Start::Head(len)),
                Ok(None) => {}
                Err(error) => return Err(HeadFailure::Refused(error)),
            }
        }
        let fresh = conn.input.is_empty();
        let space = conn.input.space(&core.buffers, SMALL.max(limits.head.bytes + 1));
        if space.is_empty() {
            return Err(HeadFailure::Refused(HeadError::TooLarge));
        }
        let n = match conn.wire.read_now(space).await {
            Ok(Some(n)) => n,
            Ok(None) if fresh => return Ok(Start::Nothing),
            Ok(None) => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + limits.head_time);
                conn.wire.read_head(space, deadline).await.map_err(HeadFailure::Wire)?
            }
            Err(_) if fresh => return Ok(Start::End),
            Err(error) => return Err(HeadFailure::Wire(error.into())),
        };
        if n == 0 {
            let cut = HeadFailure::Wire(WireError::Io(io::ErrorKind::UnexpectedEof.into()));
            return if fresh { Ok(Start::End) } else { Err(cut) };
        }
        conn.input.added(n);
    }
}

/// One request and its reply.
async fn exchange<S: Service>(
    conn: &mut Connection,
    engine: &Engine<S>,
    peer: SocketAddr,
    parsed: ParsedHead,
) -> Next {
    let in_flight = engine.core.stats.request();
    conn.served += 1;
    let head = Head {
        method: parsed.method,
        target: parsed.target,
        version: parsed.version,
        headers: parsed.headers,
        peer,
        tls: conn.wire.transport.is_tls(),
        received: std::time::Instant::now(),
    };
    let receiver = Receiver::new(conn, parsed.framing, parsed.expects_continue);
    let mut body = Body::new(Inner::H1(receiver));
    let called = AssertUnwindSafe(engine.service.call(&head, &mut body)).catch_unwind().await;
    let Inner::H1(mut receiver) = body.into_inner() else {
        // The body was made five lines above; a handler cannot put another one in its place
        // except by swapping it for one of its own, which leaves the connection unusable.
        return Next::Drop;
    };
    let (mut reply, context) = match called {
        Ok((reply, context)) => (reply, Some(context)),
        Err(_) => {
            tracing::error!(%peer, method = %head.method, path = head.target.path(),
                "the handler panicked");
            (failure(StatusCode::INTERNAL_SERVER_ERROR, "internal error"), None)
        }
    };
    let reusable = receiver.settle().await;
    let finished = receiver.is_finished();
    let conn = receiver.connection();
    let plan = plan(&head.method, head.version, &reply);
    let close = !parsed.keep_alive
        || reply.close
        || !reusable
        || plan == Plan::UntilClose
        || conn.wire.is_stopping();

    let mut out = Vec::with_capacity(1024);
    encode(&mut out, &reply, plan, head.version, close);
    let mut sender = Sender::new(conn, out);
    let body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    let sent = sender.send(body, plan).await;
    let written = sender.written;
    drop(in_flight);
    if let Some(context) = context {
        let sent = Sent {
            status: reply.status,
            written,
            duration: head.received.elapsed(),
            complete: sent.is_ok(),
        };
        engine.service.completed(&head, sent, context);
    }
    if let Err(error) = sent {
        tracing::debug!(%peer, %error, "reply not delivered");
        return Next::Drop;
    }
    if close {
        // Closing with unread bytes in the kernel would reset the connection.
        return Next::Close { linger: !finished || !conn.input.is_empty() };
    }
    if !finished && !receiver.discard(false).await {
        return Next::Close { linger: true };
    }
    Next::Idle
}

/// Answers a request that never reached the service, and ends the connection.
async fn refuse(conn: &mut Connection, status: StatusCode, text: &str) -> Next {
    let reply = failure(status, text);
    let mut out = Vec::with_capacity(512);
    encode(
        &mut out,
        &reply,
        Plan::Length(known_length(&reply.body).unwrap_or(0)),
        http::Version::HTTP_11,
        true,
    );
    if let ReplyBody::Bytes(bytes) = &reply.body {
        out.extend_from_slice(bytes);
    }
    conn.core.stats.refused();
    match conn.wire.write_all(&conn.core.limits, &out).await {
        Ok(()) => Next::Close { linger: true },
        Err(_) => Next::Drop,
    }
}

/// A reply of the engine itself.
pub(crate) fn failure(status: StatusCode, text: &str) -> Reply {
    let mut reply = Reply::new(status);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers.insert(header::CONTENT_TYPE, plain);
    reply.body = ReplyBody::Bytes(format!("{text}\n").into());
    reply.close = true;
    reply
}
