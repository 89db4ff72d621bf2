// SPDX-License-Identifier: Apache-2.0
//! A transport with patience: every wait has a deadline, a minimum rate and hears of the stop.
//!
//! The HTTP/1.1 loop does all its I/O through [`Wire::drive`]. One timer per connection is armed
//! for the nearest deadline ever asked for and checked lazily when it fires, so a busy keep-alive
//! connection does not touch the timer wheel for each request.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::Limits;
use crate::buffers::LARGE;
use crate::socket::Transport;
use crate::stop::{Entry, Stop};

/// Why the wire gave up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the client was too slow")]
    TimedOut,
    #[error("the server is stopping")]
    Stopping,
}

/// How long a wait may last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    Until(Instant),
    For(Duration),
}

/// Wakes a task at a deadline that is moved often and reached seldom.
#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// True when `deadline` has passed; else the task is woken by then.
    fn poll_passed(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // Armed for later than needed: move it. Armed for earlier: let it fire and look again.
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// Average speed over the time we waited for the client, not over the time we worked.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Counts a transfer; false when the client has been too slow for a whole window.
    fn keeps_up(&mut self, waited: Duration, bytes: usize, limits: &Limits) -> bool {
        self.bytes += bytes as u64;
        self.waited += waited;
        if limits.min_rate == 0 || self.waited < limits.rate_window {
            return true;
        }
        let enough = self.bytes as f64 >= limits.min_rate as f64 * self.waited.as_secs_f64();
        *self = Self::default();
        enough
    }
}

/// A connection's transport, timer and stop signal.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) transport: Transport,
    entry: Arc<Entry>,
    timer: Timer,
    incoming: Pace,
    outgoing: Pace,
}

impl Wire {
    pub(crate) fn new(transport: Transport, entry: Arc<Entry>) -> Self {
        Self {
            transport,
            entry,
            timer: Timer::default(),
            incoming: Pace::default(),
            outgoing: Pace::default(),
        }
    }

    /// True once the server has begun to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.entry.stop() != Stop::No
    }

    /// Polls `step` until it is done, the patience ends or the server stops at level `until`.
    /// Also returns how long it had to wait.
    async fn drive<T>(
        &mut self,
        patience: Patience,
        until: Stop,
        mut step: impl FnMut(&mut Transport, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Result<(T, Duration), WireError> {
        let mut began: Option<(Instant, Instant)> = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = step(&mut self.transport, cx) {
                let waited = began.map_or(Duration::ZERO, |(start, _)| start.elapsed());
                return Poll::Ready(done.map(|value| (value, waited)).map_err(WireError::Io));
            }
            if self.entry.watch(cx) >= until {
                return Poll::Ready(Err(WireError::Stopping));
            }
            let (_, deadline) = *began.get_or_insert_with(|| {
                let now = Instant::now();
                let deadline = match patience {
                    Patience::Until(deadline) => deadline,
                    Patience::For(duration) => now + duration,
                };
                (now, deadline)
            });
            if self.timer.poll_passed(cx, deadline) {
                return Poll::Ready(Err(WireError::TimedOut));
            }
            Poll::Pending
        })
        .await
    }

    /// Waits, holding no buffer, until there is something to read. A stop at level `until` ends
    /// the wait.
    pub(crate) async fn readable(
        &mut self,
        patience: Patience,
        until: Stop,
    ) -> Result<(), WireError> {
        let waiting = |transport: &mut Transport, cx: &mut Context<'_>| {
            transport.socket().poll_read_ready(cx)
        };
        self.drive(patience, until, waiting).await.map(drop)
    }

    /// Reads what is there without waiting; `None` when nothing is.
    pub(crate) async fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // The runtime's budget may not turn "there is something" into "not now"; writing the
        // replies is what makes a busy connection yield.
        tokio::task::unconstrained(poll_fn(|cx| match poll_read(&mut self.transport, cx, buffer) {
            Poll::Ready(done) => Poll::Ready(done.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        }))
        .await
    }

    /// Reads at least one byte of a request head; 0 is the end of the connection.
    pub(crate) async fn read_head(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, WireError> {
        let reading =
            |transport: &mut Transport, cx: &mut Context<'_>| poll_read(transport, cx, buffer);
        self.drive(Patience::Until(deadline), Stop::Cut, reading).await.map(|(n, _)| n)
    }

    /// Runs one read of a request body under the body's limits.
    pub(crate) async fn read_body(
        &mut self,
        limits: &Limits,
        step: impl FnMut(&mut Transport, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Result<usize, WireError> {
        let (n, waited) = self.drive(Patience::For(limits.body_idle), Stop::Cut, step).await?;
        if !self.incoming.keeps_up(waited, n, limits) {
            return Err(WireError::TimedOut);
        }
        Ok(n)
    }

    /// Runs one write under the reply's limits.
    pub(crate) async fn write_step(
        &mut self,
        limits: &Limits,
        step: impl FnMut(&mut Transport, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Result<usize, WireError> {
        let (n, waited) = self.drive(Patience::For(limits.write_idle), Stop::Cut, step).await?;
        if !self.outgoing.keeps_up(waited, n, limits) {
            return Err(WireError::TimedOut);
        }
        Ok(n)
    }

    /// Writes some of the slices, at least one byte. `more` tells the kernel that a file follows
    /// at once, so that the head does not travel in a packet of its own. Over TLS the caller
    /// flushes.
    pub(crate) async fn write_some(
        &mut self,
        limits: &Limits,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Result<usize, WireError> {
        match self.write_step(limits, |transport, cx| poll_write(transport, cx, slices, more)).await
        {
            Ok(0) => Err(WireError::Io(io::ErrorKind::WriteZero.into())),
            done => done,
        }
    }

    /// Writes all bytes and flushes.
    pub(crate) async fn write_all(
        &mut self,
        limits: &Limits,
        mut bytes: &[u8],
    ) -> Result<(), WireError> {
        while !bytes.is_empty() {
            let n = self.write_some(limits, &[IoSlice::new(bytes)], false).await?;
            bytes = &bytes[n..];
        }
        self.flush(limits).await
    }

    /// Hands what the TLS layer still holds to the kernel.
    pub(crate) async fn flush(&mut self, limits: &Limits) -> Result<(), WireError> {
        if !self.transport.is_tls() {
            return Ok(());
        }
        let flushing = |transport: &mut Transport, cx: &mut Context<'_>| {
            Pin::new(transport).poll_flush(cx).map_ok(|()| 0)
        };
        self.drive(Patience::For(limits.write_idle), Stop::Cut, flushing).await.map(drop)
    }

    /// Bounds what the TLS layer may hold of a reply to about `chunk` bytes, so that a slow reader
    /// costs no more than the buffer it was given.
    pub(crate) fn bound_tls_buffer(&mut self, chunk: usize) {
        if let Transport::Tls(stream) = &mut self.transport {
            stream.get_mut().1.set_buffer_limit(Some(chunk.min(LARGE)));
        }
    }

    /// Sends the end of our direction, then reads and drops until the client closes or the time
    /// is over: closing with unread data in the receive buffer would make the kernel send a reset
    /// that can overtake the reply.
    pub(crate) async fn close(&mut self, linger: Option<Duration>) {
        let deadline = Instant::now() + linger.unwrap_or(Duration::from_secs(1));
        let closing =
            |transport: &mut Transport, cx: &mut Context<'_>| Pin::new(transport).poll_shutdown(cx);
        let closed = self.drive(Patience::Until(deadline), Stop::Cut, closing).await;
        if closed.is_err() || linger.is_none() {
            return;
        }
        let mut scratch = [0; 4096];
        let draining = |transport: &mut Transport, cx: &mut Context<'_>| {
            // A bounded number of reads per poll: a flooding client must not keep the worker.
            for _ in 0..64 {
                let n = ready!(
                    transport
                        .socket()
                        .poll_read_with(cx, |fd| { Ok(rustix::io::read(fd, &mut scratch)?) })
                )?;
                if n == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        };
        let _ = self.drive(Patience::Until(deadline), Stop::Cut, draining).await;
    }
}

/// One read into `buffer`.
pub(crate) fn poll_read(
    transport: &mut Transport,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(transport).poll_read(cx, &mut read))?;
    Poll::Ready(Ok(read.filled().len()))
}

fn poll_write(
    transport: &mut Transport,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    more: bool,
) -> Poll<io::Result<usize>> {
    match transport {
        Transport::Plain(socket) if more => {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            let first = slices.first().map_or(&[][..], |slice| slice);
            socket.poll_write_with(cx, |fd| Ok(rustix::net::send(fd, first, flags)?))
        }
        _ => Pin::new(transport).poll_write_vectored(cx, slices),
    }
}
