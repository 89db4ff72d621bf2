// SPDX-License-Identifier: Apache-2.0
//! Receiving a request body: from the socket into the handler's buffer.

use std::io::{self, IoSliceMut};
use std::task::{Context, Poll};

use crate::buffers::{Input, SMALL};
use crate::h1::Connection;
use crate::h1::chunked::{ChunkDecoder, ChunkError};
use crate::h1::head::Framing;
use crate::message::BodyError;
use crate::socket::Transport;
use crate::wire::{WireError, poll_read};

/// How far a read of chunk data may run into the next chunk's framing, to save a system call.
const OVERRUN: usize = 512;

#[derive(Debug)]
enum Remaining {
    Length(u64),
    Chunked(ChunkDecoder),
}

/// A request body on an HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Receiver<'c> {
    conn: &'c mut Connection,
    announced: Option<u64>,
    remaining: Remaining,
    /// `100 Continue` is owed before the first read.
    owes_continue: bool,
    /// The body broke; its end cannot be found any more.
    broken: bool,
}

impl<'c> Receiver<'c> {
    pub(crate) fn new(conn: &'c mut Connection, framing: Framing, expects_continue: bool) -> Self {
        let (announced, remaining) = match framing {
            Framing::None => (Some(0), Remaining::Length(0)),
            Framing::Length(length) => (Some(length), Remaining::Length(length)),
            Framing::Chunked => (None, Remaining::Chunked(ChunkDecoder::default())),
        };
        Self { conn, announced, remaining, owes_continue: expects_continue, broken: false }
    }

    /// The connection, for sending the reply.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.conn
    }

    pub(crate) fn announced(&self) -> Option<u64> {
        self.announced
    }

    pub(crate) fn is_finished(&self) -> bool {
        match &self.remaining {
            Remaining::Length(left) => *left == 0,
            Remaining::Chunked(decoder) => decoder.is_done(),
        }
    }

    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        if self.is_finished() || buffer.is_empty() {
            return Ok(0);
        }
        if self.broken {
            return Err(BodyError::Malformed("the body broke before"));
        }
        let done = self.read_some(buffer).await;
        self.broken = done.is_err();
        done
    }

    async fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let core = &self.conn.core;
        let wire = &mut self.conn.wire;
        let input = &mut self.conn.input;
        if std::mem::take(&mut self.owes_continue) && input.is_empty() {
            wire.write_all(&core.limits, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        match &mut self.remaining {
            Remaining::Length(left) => {
                let want = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let n = if input.is_empty() {
                    wire.read_body(&core.limits, |t, cx| poll_read(t, cx, &mut buffer[..want]))
                        .await?
                } else {
                    take(input, &mut buffer[..want])
                };
                if n == 0 {
                    return Err(BodyError::Disconnected(io::ErrorKind::UnexpectedEof.into()));
                }
                *left -= n as u64;
                input.release();
                Ok(n)
            }
            Remaining::Chunked(decoder) => {
                let mut error = None;
                let n = wire
                    .read_body(&core.limits, |t, cx| {
                        poll_chunked(t, cx, input, core, decoder, buffer, &mut error)
                    })
                    .await?;
                match error {
                    Some(error) => Err(BodyError::Malformed(ChunkError::reason(error))),
                    None => Ok(n),
                }
            }
        }
    }

    /// Before the reply's head is written: reads what has already arrived of an unread body.
    /// True when the connection can be used for another request.
    pub(crate) async fn settle(&mut self) -> bool {
        if self.is_finished() {
            return true;
        }
        // A client that waits for `100 Continue` may or may not send the body after another
        // status; nobody can tell which, so the connection ends (RFC 9110 10.1.1).
        if self.broken || (self.owes_continue && self.conn.input.is_empty()) {
            return false;
        }
        match &self.remaining {
            Remaining::Length(left) => *left <= self.conn.core.limits.discard,
            Remaining::Chunked(_) => self.discard(true).await,
        }
    }

    /// Reads and drops the rest within the limit; with `arrived` only what is already here.
    /// True when the end was reached.
    pub(crate) async fn discard(&mut self, arrived: bool) -> bool {
        let core = std::sync::Arc::clone(&self.conn.core);
        let mut allowance = core.limits.discard;
        let mut scratch = core.buffers.small();
        self.owes_continue = false;
        while !self.is_finished() {
            if arrived && self.conn.input.is_empty() {
                let space = self.conn.input.space(&core.buffers, SMALL);
                match self.conn.wire.read_now(space).await {
                    Ok(Some(n)) if n > 0 => self.conn.input.added(n),
                    _ => return false,
                }
            }
            match self.read(&mut scratch).await {
                Ok(n) if n as u64 <= allowance => allowance -= n as u64,
                _ => return false,
            }
        }
        true
    }
}

/// Moves buffered bytes to `buffer`.
fn take(input: &mut Input, buffer: &mut [u8]) -> usize {
    let n = input.filled().len().min(buffer.len());
    buffer[..n].copy_from_slice(&input.filled()[..n]);
    input.consume(n);
    n
}

/// Fills `buffer` with the data of as many chunks as are there. Framing goes through `input`.
fn poll_chunked(
    transport: &mut Transport,
    cx: &mut Context<'_>,
    input: &mut Input,
    core: &crate::server::Core,
    decoder: &mut ChunkDecoder,
    buffer: &mut [u8],
    error: &mut Option<ChunkError>,
) -> Poll<io::Result<usize>> {
    let mut filled = 0;
    while !decoder.is_done() && filled < buffer.len() {
        let left = usize::try_from(decoder.data_left()).unwrap_or(usize::MAX);
        let read = if left > 0 {
            let want = left.min(buffer.len() - filled);
            let space = &mut buffer[filled..filled + want];
            let read = if input.is_empty() {
                poll_read_chunk(transport, cx, space, input, core)
            } else {
                Poll::Ready(Ok(take(input, space)))
            };
            if let Poll::Ready(Ok(n)) = read {
                decoder.data_moved(n as u64);
                filled += n;
            }
            read
        } else if input.is_empty() {
            let read = poll_read(transport, cx, input.space(&core.buffers, SMALL));
            if let Poll::Ready(Ok(n)) = read {
                input.added(n);
            }
            read
        } else {
            match decoder.framing(input.filled()) {
                Ok(eaten) => input.consume(eaten),
                Err(broken) => {
                    *error = Some(broken);
                    return Poll::Ready(Ok(0));
                }
            }
            continue;
        };
        match read {
            Poll::Ready(Ok(n)) if n > 0 => {}
            // What was read before the wait, the end or the error is delivered first.
            _ if filled > 0 => break,
            Poll::Ready(Ok(_)) => {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            other => return other,
        }
    }
    input.release();
    Poll::Ready(Ok(filled))
}

/// Reads chunk data into `space` and, where the system call allows, the beginning of the next
/// chunk's framing into `input`.
fn poll_read_chunk(
    transport: &mut Transport,
    cx: &mut Context<'_>,
    space: &mut [u8],
    input: &mut Input,
    core: &crate::server::Core,
) -> Poll<io::Result<usize>> {
    let Transport::Plain(socket) = transport else {
        return poll_read(transport, cx, space);
    };
    let want = space.len();
    let rest = input.space(&core.buffers, SMALL);
    let overrun = rest.len().min(OVERRUN);
    let rest = &mut rest[..overrun];
    let read = socket.poll_read_with(cx, |fd| {
        let mut slices = [IoSliceMut::new(space), IoSliceMut::new(rest)];
        Ok(rustix::io::readv(fd, &mut slices)?)
    });
    read.map_ok(|n| {
        input.added(n.saturating_sub(want));
        n.min(want)
    })
}

impl From<WireError> for BodyError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Io(error) => Self::Disconnected(error),
            WireError::TimedOut => Self::TimedOut,
            WireError::Stopping => Self::Stopping,
        }
    }
}
