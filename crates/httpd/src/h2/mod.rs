// SPDX-License-Identifier: Apache-2.0
//! HTTP/2: hyper's protocol engine over our transports, in front of the same [`Service`].
//!
//! hyper frames, multiplexes and controls flow; this module adds what it does not have: an idle
//! limit, a limit for clients that do not read, the server's stop, and the translation of bodies.

mod reply;
mod request;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub(crate) use request::Receiver;

use crate::Service;
use crate::buffers::Input;
use crate::server::Engine;
use crate::socket::Transport;
use crate::stop::{Seat, Stop};

/// After GOAWAY on an idle connection, how long the client may take to close it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves one HTTP/2 connection to its end. `input` holds bytes that were read already.
pub(crate) async fn serve<S: Service>(
    transport: Transport,
    input: Input,
    engine: &Arc<Engine<S>>,
    peer: SocketAddr,
    seat: &Seat,
) {
    let limits = &engine.core.limits;
    let origin = request::Origin { peer, tls: transport.is_tls() };
    let activity = Arc::new(Activity::new());
    // Dropping the executor drops the streams' tasks: they do not outlive the connection.
    let streams = Streams::default();
    let service = service_fn({
        let engine = Arc::clone(engine);
        let activity = Arc::clone(&activity);
        move |request| {
            let answer =
                request::answer(Arc::clone(&engine), Arc::clone(&activity), origin, request);
            async move { Ok::<_, Infallible>(answer.await) }
        }
    });
    let mut builder = http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2.streams)
        .max_header_list_size(limits.h2.header_list)
        .max_pending_accept_reset_streams(limits.h2.pending_resets)
        .max_local_error_reset_streams(limits.h2.error_resets)
        .initial_stream_window_size(limits.h2.stream_window)
        .initial_connection_window_size(limits.h2.connection_window)
        .keep_alive_interval(limits.h2.ping_interval)
        .keep_alive_timeout(limits.h2.ping_timeout);
    let io = TokioIo::new(Replayed { input, transport });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut timer = pin!(sleep_until(activity.opened));
    let mut draining = false;
    let ended = poll_fn(|cx| {
        let stop = seat.entry.watch(cx);
        if stop >= Stop::Drain && !draining {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(done) = connection.as_mut().poll(cx) {
            return Poll::Ready(done.map_err(|error| error.to_string()));
        }
        if stop == Stop::Cut {
            return Poll::Ready(Err("the server is stopping".to_owned()));
        }
        while timer.as_mut().poll(cx).is_ready() {
            match activity.judge(limits) {
                Verdict::Fine { look_again } => timer.as_mut().reset(look_again),
                Verdict::Stuck => {
                    return Poll::Ready(Err("the client stopped reading".to_owned()));
                }
                Verdict::Idle if draining => return Poll::Ready(Ok(())),
                Verdict::Idle => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + GOODBYE);
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    })
    .await;
    streams.abort();
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "HTTP/2 connection failed");
    }
}

/// What happens on a connection, for its time limits.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    requests: AtomicU64,
    active: AtomicUsize,
    /// Reply bodies that wait for the client and not for their source.
    sending: AtomicUsize,
    /// Milliseconds after `opened` of the last progress.
    progress: AtomicU64,
}

enum Verdict {
    Fine { look_again: Instant },
    Idle,
    Stuck,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicU64::new(0),
            active: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            progress: AtomicU64::new(0),
        }
    }

    fn progressed(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.fetch_max(now, Relaxed);
    }

    fn judge(&self, limits: &crate::Limits) -> Verdict {
        let last = self.opened + Duration::from_millis(self.progress.load(Relaxed));
        let patience = if self.sending.load(Relaxed) > 0 {
            limits.write_idle
        } else if self.requests.load(Relaxed) == 0 {
            limits.head_time
        } else {
            limits.idle
        };
        let now = Instant::now();
        // What is waited for may change before the time is over; the shortest limit decides when
        // to look again.
        let soonest = now + limits.write_idle.min(limits.head_time).min(limits.idle);
        if now < last + patience {
            return Verdict::Fine { look_again: soonest.min(last + patience) };
        }
        if self.sending.load(Relaxed) > 0 {
            return Verdict::Stuck;
        }
        // A handler at work is not idle, however long it takes.
        if self.active.load(Relaxed) > 0 {
            return Verdict::Fine { look_again: soonest };
        }
        Verdict::Idle
    }

    fn begin(self: &Arc<Self>) -> Active {
        self.requests.fetch_add(1, Relaxed);
        self.active.fetch_add(1, Relaxed);
        self.progressed();
        Active(Arc::clone(self))
    }
}

/// Counts a request from its head to the end of its reply.
#[derive(Debug)]
pub(crate) struct Active(Arc<Activity>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.progressed();
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// Runs a connection's streams as tasks that end with it.
#[derive(Clone, Debug, Default)]
struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Streams {
    fn abort(&self) {
        self.tasks.lock().abort_all();
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}

/// A transport behind bytes that were read from it before.
struct Replayed {
    input: Input,
    transport: Transport,
}

impl AsyncRead for Replayed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.input.is_empty() {
            return Pin::new(&mut this.transport).poll_read(cx, buf);
        }
        let n = this.input.filled().len().min(buf.remaining());
        buf.put_slice(&this.input.filled()[..n]);
        this.input.consume(n);
        this.input.release();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}
