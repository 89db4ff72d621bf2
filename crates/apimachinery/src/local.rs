// SPDX-License-Identifier: Apache-2.0
//! The server without a socket: a `tower` service for clients in the same process, kube-rs' among them.
//!
//! The same requests and the same authorization as over HTTPS; only who asks is vouched for by whoever made the service.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::status::Status;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt as _;
use http::Method;
use http_body_util::BodyExt as _;
use rbac::UserInfo;
use serde_json::Value;

use crate::auth::Vouched;
use crate::body::{self, BoxError, Response};
use crate::server::Server;

/// A client's way into a server of the same process, as a certain user.
#[derive(Clone)]
pub struct Local {
    server: Arc<Server>,
    user: UserInfo,
}

impl Local {
    /// Requests to `server` as `user`.
    #[must_use]
    pub fn new(server: Arc<Server>, user: UserInfo) -> Self {
        Self { server, user }
    }
}

impl<B> tower_service::Service<http::Request<B>> for Local
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let server = self.server.clone();
        let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        request.extensions_mut().insert(Vouched(self.user.clone()));
        Box::pin(async move { Ok(server.handle(request).await) })
    }
}

/// An event of a watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: String,
    /// The object.
    pub object: Value,
}

/// Most bytes of an answer that is read whole.
const ANSWER_LIMIT: usize = 256 << 20;

impl Local {
    /// Sends a request without a body and reads the answer as JSON.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn get(&self, target: &str) -> Result<Value, Status> {
        self.send(Method::GET, target, None, "").await
    }

    /// Creates an object in a collection.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn create(&self, target: &str, object: &Value) -> Result<Value, Status> {
        self.send(Method::POST, target, Some(object), "application/json").await
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn replace(&self, target: &str, object: &Value) -> Result<Value, Status> {
        self.send(Method::PUT, target, Some(object), "application/json").await
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn merge(&self, target: &str, patch: &Value) -> Result<Value, Status> {
        self.send(Method::PATCH, target, Some(patch), "application/merge-patch+json").await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn delete(&self, target: &str, options: Option<&Value>) -> Result<Value, Status> {
        self.send(Method::DELETE, target, options, "application/json").await
    }

    /// Follows a collection; the stream ends when the server ends the watch.
    ///
    /// # Errors
    /// The Status that the server answered.
    pub async fn watch(
        &self,
        target: &str,
    ) -> Result<impl Stream<Item = Event> + Send + Unpin + use<>, Status> {
        let response = self.answer(Method::GET, target, None, "").await?;
        let body = http_body_util::BodyStream::new(response.into_body());
        let lines = Lines { body, buffer: Vec::new(), scanned: 0 };
        Ok(Box::pin(futures_util::stream::unfold(lines, |mut lines| async move {
            Some((lines.next().await?, lines))
        })))
    }

    async fn answer(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
        content_type: &str,
    ) -> Result<Response, Status> {
        let body = body.map_or_else(body::empty, |value| body::full(value.to_string()));
        let mut request = http::Request::builder().method(method).uri(target);
        if !content_type.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        let mut request = request.body(body).map_err(|e| Status::bad_request(e.to_string()))?;
        request.extensions_mut().insert(Vouched(self.user.clone()));
        let response = self.server.handle(request).await;
        if response.status().is_success() {
            return Ok(response);
        }
        let bytes =
            body::collect(response.into_body(), ANSWER_LIMIT).await.map_err(Status::internal)?;
        Err(serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Status::internal(String::from_utf8_lossy(&bytes))))
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
        content_type: &str,
    ) -> Result<Value, Status> {
        let response = self.answer(method, target, body, content_type).await?;
        let bytes =
            body::collect(response.into_body(), ANSWER_LIMIT).await.map_err(Status::internal)?;
        serde_json::from_slice(&bytes).map_err(Status::internal)
    }
}

/// A watch's body, line by line.
struct Lines {
    body: http_body_util::BodyStream<crate::body::Body>,
    buffer: Vec<u8>,
    scanned: usize,
}

impl Lines {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(at) = self.buffer.iter().skip(self.scanned).position(|byte| *byte == b'\n')
            {
                let line: Vec<u8> = self.buffer.drain(..=self.scanned + at).collect();
                self.scanned = 0;
                let mut event: Value = serde_json::from_slice(&line).ok()?;
                let kind = event.get("type")?.as_str()?.to_owned();
                return Some(Event { kind, object: event["object"].take() });
            }
            self.scanned = self.buffer.len();
            let frame = self.body.next().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
