// SPDX-License-Identifier: Apache-2.0
//! Sending a reply: head and body in as few system calls as the body allows.

use std::io::{self, IoSlice};

use bytes::Bytes;
use futures_util::StreamExt;

use crate::file::{Source, WINDOW};
use crate::h1::Connection;
use crate::h1::reply::Plan;
use crate::message::{ByteStream, FileRange, Part, ReplyBody};
use crate::socket::Transport;
use crate::wire::WireError;

/// Up to this size a body is copied behind the head and sent with it in one call; a copy of 16 KiB
/// costs less than a second system call.
const INLINE: u64 = 16 * 1024;

/// Why a reply did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the reply's source failed: {0}")]
    Source(#[source] io::Error),
    #[error("the reply's source has fewer bytes than announced")]
    Short,
    #[error("the reply's source has more bytes than announced")]
    Long,
}

/// Sends one reply. `written` counts bytes of body, also when sending fails.
pub(crate) struct Sender<'c> {
    conn: &'c mut Connection,
    /// Head bytes, and small body bytes behind them, that have not been written.
    pending: Vec<u8>,
    /// How much of `pending` is body.
    pending_body: usize,
    pub(crate) written: u64,
}

impl<'c> Sender<'c> {
    pub(crate) fn new(conn: &'c mut Connection, head: Vec<u8>) -> Self {
        Self { conn, pending: head, pending_body: 0, written: 0 }
    }

    /// Sends head and body.
    pub(crate) async fn send(&mut self, body: ReplyBody, plan: Plan) -> Result<(), SendError> {
        match (plan, body) {
            (Plan::Bodyless(_), _) | (_, ReplyBody::Empty) => {}
            (_, ReplyBody::Bytes(bytes)) => self.bytes(&bytes).await?,
            (_, ReplyBody::File(range)) => self.file(range).await?,
            (_, ReplyBody::Parts(parts)) => {
                for part in parts {
                    match part {
                        Part::Bytes(bytes) => self.bytes(&bytes).await?,
                        Part::File(range) => self.file(range).await?,
                    }
                }
            }
            // A future of its own on the heap: streams are rare and the state is large.
            (plan, ReplyBody::Stream(stream)) => Box::pin(self.stream(stream, plan)).await?,
        }
        self.write(&[], false).await?;
        self.conn.wire.flush(&self.conn.core.limits).await?;
        Ok(())
    }

    async fn bytes(&mut self, bytes: &Bytes) -> Result<(), SendError> {
        if bytes.len() as u64 + self.pending_body as u64 <= INLINE {
            self.pending.extend_from_slice(bytes);
            self.pending_body += bytes.len();
            return Ok(());
        }
        self.write(&[bytes], false).await
    }

    /// Writes `pending` and then `data`, which is body.
    async fn write(&mut self, data: &[&[u8]], more: bool) -> Result<(), SendError> {
        let mut slices = [IoSlice::new(&[]); 4];
        slices[0] = IoSlice::new(&self.pending);
        for (slot, piece) in slices[1..].iter_mut().zip(data) {
            *slot = IoSlice::new(piece);
        }
        let mut head_left = self.pending.len() - self.pending_body;
        let mut left = &mut slices[..=data.len()];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let n = self.conn.wire.write_some(&self.conn.core.limits, left, more).await?;
            let of_head = n.min(head_left);
            head_left -= of_head;
            self.written += (n - of_head) as u64;
            IoSlice::advance_slices(&mut left, n);
        }
        self.pending.clear();
        self.pending_body = 0;
        Ok(())
    }

    async fn file(&mut self, range: FileRange) -> Result<(), SendError> {
        let mut source = Source::new(range.file);
        let (mut at, end) = (range.offset, range.offset + range.len);
        if range.len + self.pending_body as u64 <= INLINE {
            self.small_file(&mut source, &mut at, end)?;
        }
        let mut resident = at;
        while at < end {
            let plain = matches!(self.conn.wire.transport, Transport::Plain(_));
            if plain && at >= resident {
                let window = WINDOW.min(end - at);
                if source.is_resident(at, window) {
                    resident = at + window;
                }
            }
            if plain && at < resident {
                if !self.pending.is_empty() {
                    self.write(&[], true).await?;
                }
                at += self.send_window(&source, at, resident - at).await?;
            } else {
                at += self.copy_window(&mut source, at, end - at).await?;
            }
        }
        Ok(())
    }

    /// Puts a small file that is in memory behind the head.
    fn small_file(&mut self, source: &mut Source, at: &mut u64, end: u64) -> Result<(), SendError> {
        let start = self.pending.len();
        let len = usize::try_from(end - *at).unwrap_or(0);
        self.pending.resize(start + len, 0);
        let read = source.read_nowait(&mut self.pending[start..], *at);
        let n = *read.as_ref().unwrap_or(&None).as_ref().unwrap_or(&0);
        self.pending.truncate(start + n);
        self.pending_body += n;
        *at += n as u64;
        match read.map_err(SendError::Source)? {
            Some(0) if len > 0 => Err(SendError::Short),
            _ => Ok(()),
        }
    }

    /// One `sendfile`, as far as the socket takes it.
    async fn send_window(&mut self, source: &Source, at: u64, len: u64) -> Result<u64, SendError> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let sent = self
            .conn
            .wire
            .write_step(&self.conn.core.limits, |transport, cx| {
                transport.socket().poll_write_with(cx, |socket| {
                    let mut offset = at;
                    Ok(rustix::fs::sendfile(socket, source.file(), Some(&mut offset), len)?)
                })
            })
            .await?;
        if sent == 0 {
            return Err(SendError::Short);
        }
        self.written += sent as u64;
        if sent == len {
            // The socket takes all we give: let other connections of this worker have a turn.
            tokio::task::yield_now().await;
        }
        Ok(sent as u64)
    }

    /// Reads into a pooled buffer and writes it.
    async fn copy_window(
        &mut self,
        source: &mut Source,
        at: u64,
        left: u64,
    ) -> Result<u64, SendError> {
        let buffer = self.conn.core.buffers.large();
        let len = usize::try_from(left).unwrap_or(usize::MAX);
        let (buffer, n) = source.read(buffer, at, len).await.map_err(SendError::Source)?;
        if n == 0 {
            return Err(SendError::Short);
        }
        self.conn.wire.bound_tls_buffer(buffer.len());
        self.write(&[&buffer[..n]], false).await?;
        Ok(n as u64)
    }

    async fn stream(&mut self, mut stream: ByteStream, plan: Plan) -> Result<(), SendError> {
        let mut left = match plan {
            Plan::Length(length) => Some(length),
            _ => None,
        };
        loop {
            // Before waiting for the source the client gets all that there is.
            let next = match futures_util::FutureExt::now_or_never(stream.next()) {
                Some(next) => next,
                None => {
                    self.write(&[], false).await?;
                    self.conn.wire.flush(&self.conn.core.limits).await?;
                    stream.next().await
                }
            };
            let Some(piece) = next else { break };
            let piece = piece.map_err(SendError::Source)?;
            if piece.is_empty() {
                continue;
            }
            match &mut left {
                Some(left) => {
                    *left = left.checked_sub(piece.len() as u64).ok_or(SendError::Long)?;
                    self.write(&[&piece], false).await?;
                }
                None if plan == Plan::Chunked => {
                    let size = format!("{:x}\r\n", piece.len());
                    let before = self.written;
                    self.write(&[size.as_bytes(), &piece, b"\r\n"], false).await?;
                    // Framing is no body.
                    self.written = before + piece.len() as u64;
                }
                None => self.write(&[&piece], false).await?,
            }
        }
        if left.is_some_and(|left| left > 0) {
            return Err(SendError::Short);
        }
        if plan == Plan::Chunked {
            // Counted as head: it is framing.
            self.pending.extend_from_slice(b"0\r\n\r\n");
        }
        Ok(())
    }
}
