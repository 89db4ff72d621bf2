// SPDX-License-Identifier: Apache-2.0
//! A server on a socket: TLS with client certificates where they are sent, HTTP/1.1 and HTTP/2, bounded, stoppable.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::auth::PeerCertificates;
use crate::body::Request;
use crate::server::Server;

/// How many connections are held at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(30);
/// How many requests one HTTP/2 connection may have at once (client-go opens one connection for everything).
const MAX_STREAMS: u32 = 1000;
/// Bytes of a head's buffer, which bounds the headers.
const MAX_HEAD: usize = 64 << 10;
/// How long open requests may go on after the stop; watches are ended before that.
const DRAIN: Duration = Duration::from_secs(5);

/// The TLS settings of the moment; a new value is used by the next connection.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// Serves until `stop` ends, then lets open requests finish for a moment.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsSource>,
    server: Arc<Server>,
    stop: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = Arc::new(GracefulShutdown::new());
    tokio::pin!(stop);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: a moment's rest lets others close theirs.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (server, tls, watcher) = (server.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            connection(stream, peer, tls, server, watcher).await;
        });
    }
    drop(listener);
    if let Ok(graceful) = Arc::try_unwrap(graceful) {
        let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsSource>,
    server: Arc<Server>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let Some(tls) = tls else {
        return http(
            TokioIo::new(stream),
            Connection { peer, certificates: None },
            server,
            watcher,
        )
        .await;
    };
    let handshake = TlsAcceptor::from(tls()).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%peer, "TLS handshake took too long"),
    };
    let certificates =
        stream.get_ref().1.peer_certificates().map(|chain| {
            PeerCertificates(Arc::new(chain.iter().map(|one| one.to_vec()).collect()))
        });
    http(TokioIo::new(stream), Connection { peer, certificates }, server, watcher).await;
}

/// What is known of a connection.
#[derive(Clone)]
struct Connection {
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
}

/// The client's address; an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

async fn http<I>(
    io: I,
    about: Connection,
    server: Arc<Server>,
    watcher: hyper_util::server::graceful::Watcher,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let peer = about.peer;
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (server, about) = (server.clone(), about.clone());
        async move {
            let mut request: Request = request.map(|body| body.map_err(Into::into).boxed_unsync());
            request.extensions_mut().insert(PeerAddress(about.peer));
            if let Some(certificates) = about.certificates {
                request.extensions_mut().insert(certificates);
            }
            Ok::<_, Infallible>(server.handle(request).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection_with_upgrades(io, service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
