// SPDX-License-Identifier: Apache-2.0
//! From hyper's request to ours, and the handler's call.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Activity;
use super::reply::{Completion, Frames};
use crate::body::Inner;
use crate::h1::{failure, given_length};
use crate::message::{BodyError, Target};
use crate::server::Engine;
use crate::{Body, Head, Service};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    pub(super) tls: bool,
}

/// Answers one stream.
pub(super) async fn answer<S: Service>(
    engine: Arc<Engine<S>>,
    activity: Arc<Activity>,
    origin: Origin,
    request: Request<Incoming>,
) -> Response<Frames<S>> {
    let active = activity.begin();
    let (parts, incoming) = request.into_parts();
    let mut headers = parts.headers;
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    let raw = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let refused = if parts.method == Method::CONNECT {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else if raw.len() > engine.core.limits.head.target {
        Some(StatusCode::URI_TOO_LONG)
    } else {
        None
    };
    let head = Head {
        method: parts.method,
        target: Target::new(raw),
        version: parts.version,
        headers,
        peer: origin.peer,
        tls: origin.tls,
        received: std::time::Instant::now(),
    };
    if let Some(status) = refused {
        engine.core.stats.refused();
        let reply = failure(status, status.canonical_reason().unwrap_or_default());
        return Frames::response(engine, head, reply, None, active);
    }
    let receiver = Receiver::new(
        incoming,
        given_length(&head.headers),
        engine.core.limits.body_idle,
        Arc::clone(&activity),
    );
    let in_flight = engine.core.stats.request();
    let mut body = Body::new(Inner::H2(receiver));
    let called = AssertUnwindSafe(engine.service.call(&head, &mut body)).catch_unwind().await;
    drop(in_flight);
    match called {
        Ok((reply, context)) => {
            let completion = Some(Completion::new(context));
            Frames::response(Arc::clone(&engine), head, reply, completion, active)
        }
        Err(_) => {
            tracing::error!(peer = %origin.peer, method = %head.method,
                path = head.target.path(), "the handler panicked");
            let reply = failure(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
            Frames::response(Arc::clone(&engine), head, reply, None, active)
        }
    }
}

/// A request body on an HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    incoming: Incoming,
    rest: Bytes,
    announced: Option<u64>,
    patience: Duration,
    activity: Arc<Activity>,
}

impl Receiver {
    fn new(
        incoming: Incoming,
        announced: Option<u64>,
        patience: Duration,
        activity: Arc<Activity>,
    ) -> Self {
        Self { incoming, rest: Bytes::new(), announced, patience, activity }
    }

    pub(crate) fn announced(&self) -> Option<u64> {
        self.announced
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.rest.is_empty() && self.incoming.is_end_stream()
    }

    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        while self.rest.is_empty() {
            let next = tokio::time::timeout(self.patience, self.incoming.frame())
                .await
                .map_err(|_| BodyError::TimedOut)?;
            match next {
                None => return Ok(0),
                // Trailers are dropped, as with HTTP/1.1.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    return Err(BodyError::Disconnected(io::Error::other(error)));
                }
            }
            self.activity.progressed();
        }
        let n = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
