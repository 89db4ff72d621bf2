// SPDX-License-Identifier: Apache-2.0
//! The seam between the engine and what it serves.

use std::future::Future;
use std::time::Duration;

use http::StatusCode;

use crate::{Body, Head, Reply};

/// What became of a reply.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The status that was sent.
    pub status: StatusCode,
    /// Bytes of body that were written to the connection.
    pub written: u64,
    /// From the last byte of the request's head to the last byte of the reply.
    pub duration: Duration,
    /// False when the connection broke, or the reply's source failed, before its end.
    pub complete: bool,
}

/// A thing that answers requests. One value serves all connections.
pub trait Service: Send + Sync + 'static {
    /// What [`Service::call`] wants to remember until the reply was sent (log fields, metrics).
    type Context: Send;

    /// Answers one request. Never fails: an error is a reply.
    ///
    /// What the call leaves unread of the body, the engine drains within its limits or closes the
    /// connection.
    fn call<'a>(
        &'a self,
        head: &'a Head,
        body: &'a mut Body<'_>,
    ) -> impl Future<Output = (Reply, Self::Context)> + Send + 'a;

    /// Told once per request, when its reply has been sent or has failed.
    ///
    /// Not told of a call that panicked (the client gets 500 and the panic is logged), nor of one
    /// that was dropped because the server's drain time was over: their context does not exist.
    fn completed(&self, head: &Head, sent: Sent, context: Self::Context);
}
