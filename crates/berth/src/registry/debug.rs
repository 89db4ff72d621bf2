// SPDX-License-Identifier: Apache-2.0
//! The debug listener (`http.debug.addr`): health with reasons, and metrics if asked for. It has
//! no authentication, so it belongs on an address that only operators reach.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use httpd::{Body, Head, Reply, ReplyBody, Sent, Service};
use telemetry::families::RegistryMetrics;
use telemetry::health::Health;

/// What the debug listener serves.
pub(super) struct Debug {
    pub(super) health: Health,
    pub(super) metrics: Arc<RegistryMetrics>,
    /// Path of the metrics, if they are served here.
    pub(super) metrics_path: Option<String>,
}

impl Debug {
    fn answer(&self, head: &Head) -> Reply {
        let path = head.target.path();
        let is_health = path == "/debug/health";
        let is_metrics = self.metrics_path.as_deref() == Some(path);
        if !is_health && !is_metrics {
            return text(
                StatusCode::NOT_FOUND,
                "text/plain; charset=utf-8",
                "404 page not found\n",
            );
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let mut reply = text(
                StatusCode::METHOD_NOT_ALLOWED,
                "text/plain; charset=utf-8",
                "Method not allowed\n",
            );
            reply.headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        if is_metrics {
            return text(StatusCode::OK, telemetry::metrics::CONTENT_TYPE, self.metrics.scrape());
        }
        let failures = self.health.failures();
        let status =
            if failures.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = serde_json::to_string(&failures).unwrap_or_else(|_| "{}".to_owned());
        text(status, "application/json; charset=utf-8", body)
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<String>) -> Reply {
    let mut reply = Reply::new(status).with_body(ReplyBody::Bytes(body.into().into()));
    reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

impl Service for Debug {
    type Context = ();

    async fn call<'a>(&'a self, head: &'a Head, _: &'a mut Body<'_>) -> (Reply, ()) {
        (self.answer(head), ())
    }

    fn completed(&self, _: &Head, _: Sent, (): ()) {}
}
