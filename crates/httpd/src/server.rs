// SPDX-License-Identifier: Apache-2.0
//! The server: listeners in, connections out, and the graceful stop.
//!
//! [`Server::serve`] runs one accept loop per listener and one task per connection. When its
//! `shutdown` future completes, it stops accepting, lets requests in flight finish within
//! [`Limits::drain`], and cuts the rest.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::buffers::{Buffers, Input};
use crate::listener::Listener;
use crate::socket::{ReadAhead, Socket, Transport};
use crate::stats::{Counters, Stats};
use crate::stop::{Connections, Seat, Stop};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{Limits, Service, h1, h2};

/// How long a failing accept is paused: descriptors come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After the drain time handlers see failing reads and writes; this long they may take to notice
/// and be logged before their tasks are dropped.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// What connections share and that does not depend on the service's type.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) limits: Limits,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) stats: Counters,
    connections: Arc<Connections>,
}

/// What connections share.
pub(crate) struct Engine<S> {
    pub(crate) service: S,
    pub(crate) core: Arc<Core>,
}

/// A server that has not started yet.
pub struct Server<S> {
    engine: Arc<Engine<S>>,
    accepting: watch::Sender<bool>,
    listeners: Vec<(Listener, Option<Arc<Tls>>)>,
}

/// What became of the connections when the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still at work when the drain time was over.
    pub cut: usize,
}

/// Looks at a running server and steers its accepting.
#[derive(Clone, Debug)]
pub struct Handle {
    core: Arc<Core>,
    accepting: watch::Sender<bool>,
}

impl Handle {
    /// The present counters.
    pub fn stats(&self) -> Stats {
        self.core.stats.snapshot(self.core.connections.len())
    }

    /// Pauses or resumes accepting. With a listening socket shared by several processes, the
    /// others get the connections meanwhile.
    pub fn set_accepting(&self, accepting: bool) {
        self.accepting.send_replace(accepting);
    }
}

impl<S: Service> Server<S> {
    /// A server for `service` without listeners.
    pub fn new(service: S, limits: Limits) -> Self {
        let core = Core {
            limits,
            buffers: Buffers::new(limits.large_buffers),
            stats: Counters::default(),
            connections: Arc::default(),
        };
        Self {
            engine: Arc::new(Engine { service, core: Arc::new(core) }),
            accepting: watch::Sender::new(true),
            listeners: Vec::new(),
        }
    }

    /// Adds a listener, with TLS or without.
    #[must_use]
    pub fn listen(mut self, listener: Listener, tls: Option<Arc<Tls>>) -> Self {
        self.listeners.push((listener, tls));
        self
    }

    /// A handle that stays useful while the server runs.
    pub fn handle(&self) -> Handle {
        Handle { core: Arc::clone(&self.engine.core), accepting: self.accepting.clone() }
    }

    /// Serves until `shutdown` completes, then stops gracefully.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let core = Arc::clone(&self.engine.core);
        // Beyond the semaphore's own maximum there is nothing to limit.
        let slots = core.limits.connections.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(slots));
        let mut accepting = JoinSet::new();
        for (listener, tls) in self.listeners {
            if let Some(tls) = &tls {
                accepting.spawn(Arc::clone(tls).watch_files());
            }
            let acceptor = Acceptor {
                engine: Arc::clone(&self.engine),
                tls,
                slots: Arc::clone(&slots),
                accepting: self.accepting.subscribe(),
            };
            accepting.spawn(acceptor.run(listener));
        }
        shutdown.await;

        // Ending the accept loops closes our listening sockets.
        accepting.shutdown().await;
        core.connections.stop(Stop::Drain);
        if tokio::time::timeout(core.limits.drain, core.connections.empty()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = core.connections.len();
        core.connections.stop(Stop::Cut);
        if tokio::time::timeout(CUT_GRACE, core.connections.empty()).await.is_err() {
            core.connections.abort();
        }
        Drained { cut }
    }
}

struct Acceptor<S> {
    engine: Arc<Engine<S>>,
    tls: Option<Arc<Tls>>,
    slots: Arc<Semaphore>,
    accepting: watch::Receiver<bool>,
}

impl<S: Service> Acceptor<S> {
    async fn run(mut self, listener: Listener) {
        loop {
            // The senders live in `Server` and its handles; when all are gone nobody can pause us.
            let _ = self.accepting.wait_for(|accepting| *accepting).await;
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let mut paused = self.accepting.clone();
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Ok(_) = paused.wait_for(|accepting| !*accepting) => continue,
            };
            match accepted {
                Ok((socket, peer)) => self.spawn(socket, peer, slot),
                Err(error) if is_connection_error(&error) => {}
                Err(error) => {
                    self.engine.core.stats.accept_failed();
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, socket: Socket, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        let core = &self.engine.core;
        core.stats.accepted();
        let seat = core.connections.enter();
        let id = seat.id;
        let engine = Arc::clone(&self.engine);
        let tls = self.tls.clone();
        let task = tokio::spawn(async move {
            connection(socket, peer, tls, &engine, &seat).await;
            drop((seat, slot));
        });
        core.connections.attach(id, task.abort_handle());
    }
}

/// Errors that concern the connection that was to be accepted, not the listener.
fn is_connection_error(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn connection<S: Service>(
    socket: Socket,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    engine: &Arc<Engine<S>>,
    seat: &Seat,
) {
    let (transport, http2) = match tls {
        None => (Transport::Plain(socket), false),
        Some(tls) => match Box::pin(handshake(socket, &tls, engine)).await {
            Ok(Greeting::Tls { transport, http2 }) => (transport, http2),
            Ok(Greeting::PlainHttp(socket)) => {
                engine.core.stats.handshake_failed();
                tracing::debug!(%peer, "the client sent an HTTP request to a TLS listener");
                return Box::pin(refuse_plain(socket, engine, seat)).await;
            }
            Err(error) => {
                engine.core.stats.handshake_failed();
                tracing::debug!(%peer, %error, "TLS handshake failed");
                return;
            }
        },
    };
    if http2 {
        return Box::pin(h2::serve(transport, Input::default(), engine, peer, seat)).await;
    }
    let wire = Wire::new(transport, Arc::clone(&seat.entry));
    if let Some((wire, input)) = h1::serve(wire, engine, peer).await {
        Box::pin(h2::serve(wire.transport, input, engine, peer, seat)).await;
    }
}

/// How a connection to a TLS listener began.
enum Greeting {
    /// The handshake is done.
    Tls { transport: Transport, http2: bool },
    /// The client speaks HTTP without TLS; nothing has been read.
    PlainHttp(Socket),
}

async fn handshake<S>(socket: Socket, tls: &Tls, engine: &Engine<S>) -> std::io::Result<Greeting> {
    let deadline = tokio::time::Instant::now() + engine.core.limits.tls_handshake;
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let first = tokio::time::timeout_at(deadline, socket.peek()).await.map_err(late)??;
    // A handshake begins with a record of type 22 (RFC 8446 5.1), a request with a method's name.
    if first.is_some_and(|byte| byte.is_ascii_uppercase()) {
        return Ok(Greeting::PlainHttp(socket));
    }
    let socket = ReadAhead::new(socket, Arc::clone(&engine.core.buffers));
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
    // A stop lets handshakes finish: behind them comes a first request.
    let accepting = tokio::time::timeout_at(deadline, acceptor.accept(socket));
    let stream = accepting.await.map_err(late)??;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Greeting::Tls { transport: Transport::Tls(Box::new(stream)), http2 })
}

/// What Go's server answers to a request without TLS; clients look for this text.
const PLAIN_TO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

async fn refuse_plain<S>(socket: Socket, engine: &Engine<S>, seat: &Seat) {
    let limits = &engine.core.limits;
    let mut wire = Wire::new(Transport::Plain(socket), Arc::clone(&seat.entry));
    if wire.write_all(limits, PLAIN_TO_TLS).await.is_ok() {
        wire.close(Some(limits.linger)).await;
    }
}
