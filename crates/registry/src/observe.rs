// SPDX-License-Identifier: Apache-2.0
//! What a request leaves behind: log lines (registry.md 6.3) and metrics (6.1). The only place of
//! this crate that speaks to `telemetry`.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use httpd::{Head, Sent};
use telemetry::families::{Finished, Operation as Metric, RegistryMetrics};
use telemetry::log::{Level, Line, Value, redact_query};
use telemetry::metrics::LabelValue;

use crate::exchange::Exchange;
use crate::operation::Operation;
use crate::reply::error::{CLIENT_CLOSED_REQUEST, Error};
use crate::route::{self, Item, Route};
use crate::settings::Settings;

/// Where requests are written down.
pub(crate) struct Observer {
    metrics: Arc<RegistryMetrics>,
    access_log: bool,
    audit: bool,
}

impl Observer {
    pub(crate) fn new(metrics: Arc<RegistryMetrics>, settings: &Settings) -> Self {
        Self { metrics, access_log: settings.access_log, audit: settings.audit }
    }

    /// The metrics page.
    pub(crate) fn metrics_page(&self) -> String {
        self.metrics.scrape()
    }

    /// A request passed the limiter.
    pub(crate) fn started(&self, exchange: &mut Exchange) {
        exchange.in_flight = Some(self.metrics.http.started());
    }

    /// A request did not.
    pub(crate) fn overloaded(&self) {
        self.metrics.own.refused("requests");
    }

    /// A caller has too many uploads in progress.
    pub(crate) fn too_many_uploads(&self) {
        self.metrics.own.refused("uploads");
    }

    /// The route of a request is known.
    pub(crate) fn routed(&self, exchange: &mut Exchange, route: &Route<'_>) {
        if let Some(routes) = &self.metrics.routes {
            let handler = handler_name(route);
            exchange.route = Some((handler, routes.started(handler)));
        }
    }

    /// The answer is ready, and its head about to be written.
    pub(crate) fn answered(&self, head: &Head, exchange: &Exchange) {
        if exchange.in_flight.is_some() {
            self.metrics.http.header_written(head.received.elapsed());
        }
    }

    /// A request passed authorization.
    pub(crate) fn authorized(&self, head: &Head, exchange: &Exchange, route: &Route<'_>) {
        let line = Line::info("authorized request");
        if line.is_enabled() {
            let id = exchange.id.to_string();
            let line = with_user(with_request(line, head, &id), exchange);
            with_vars(line, route).emit();
        }
    }

    /// An operation begins that the audit log names (registry.md 6.3).
    pub(crate) fn begun(&self, head: &Head, exchange: &Exchange, route: &Route<'_>) {
        if self.audit {
            audit(head, exchange, route, "begin");
        }
    }

    /// A request was refused by authorization.
    pub(crate) fn refused(&self, head: &Head, exchange: &Exchange, route: &Route<'_>, why: &Error) {
        let (message, detail) = why.log_texts();
        let line = Line::warning(format!("error authorizing context: {message}"));
        if line.is_enabled() {
            let id = exchange.id.to_string();
            let line = with_vars(with_request(line, head, &id), route);
            line.field("err.detail", detail).emit();
        }
    }

    /// An answer was sent.
    pub(crate) fn completed(&self, head: &Head, sent: Sent, exchange: &Exchange, prefix: &str) {
        let status = logged_status(exchange, sent);
        if exchange.in_flight.is_some() {
            let finished = Finished {
                method: head.method.as_str(),
                status,
                duration: sent.duration,
                request_size: request_size(head),
                response_size: sent.written,
            };
            self.metrics.http.finished(&finished);
            if let Some(operation) = exchange.operation.and_then(|o| metric(o, &head.method)) {
                self.metrics.http.operation(operation, sent.duration);
            }
            if let Some(operation) = exchange.operation.and_then(|o| tag_metric(o, head)) {
                self.metrics.http.operation(operation, sent.duration);
            }
            if let (Some(routes), Some((handler, _))) = (&self.metrics.routes, &exchange.route) {
                routes.finished(handler, &finished);
            }
        }
        if self.audit
            && let Ok(route) = route::parse(prefix, head.target.path())
        {
            let failed = exchange.failure.is_some() || status >= 400;
            audit(head, exchange, &route, if failed { "error" } else { "success" });
        }
        if exchange.application {
            self.application_line(head, sent, status, exchange, prefix);
        }
        if self.access_log {
            let line = Line::info("response");
            if line.is_enabled() {
                let id = exchange.id.to_string();
                let line = with_request(line, head, &id);
                with_response(line, exchange, sent, status).emit();
            }
        }
    }

    /// `response completed`, or `response completed with error`.
    fn application_line(
        &self,
        head: &Head,
        sent: Sent,
        status: u16,
        exchange: &Exchange,
        prefix: &str,
    ) {
        let Some(failure) = &exchange.failure else {
            if (200..400).contains(&status) {
                let line = Line::info("response completed");
                if line.is_enabled() {
                    let id = exchange.id.to_string();
                    let line = with_request(line, head, &id);
                    with_response(line, exchange, sent, status).emit();
                }
            }
            return;
        };
        // The refusal has its own line.
        if exchange.identity.is_none() && failure.status == StatusCode::UNAUTHORIZED {
            return;
        }
        // Clients ask with HEAD whether something exists: a no is no error.
        let is_probe = head.method == Method::HEAD && status == 404;
        let level = if is_probe { Level::Info } else { Level::Error };
        let line = Line::new(level, "response completed with error");
        if !line.is_enabled() {
            return;
        }
        let id = exchange.id.to_string();
        let line = with_request(line, head, &id);
        let line = with_response(line, exchange, sent, status);
        let mut line = with_user(line, exchange)
            .field("err.code", failure.code.log_word())
            .field("err.message", &failure.message);
        if !failure.detail.is_empty() {
            line = line.field("err.detail", &failure.detail);
        }
        match route::parse(prefix, head.target.path()) {
            Ok(route) => with_vars(line, &route).emit(),
            Err(_) => line.emit(),
        }
    }
}

/// Two lines for each operation, and two more for the tag that it reads or moves.
fn audit(head: &Head, exchange: &Exchange, route: &Route<'_>, status: &'static str) {
    let Some(operation) = exchange.operation else { return };
    let Some(name) = metric(operation, &head.method) else { return };
    let tag = tag_metric(operation, head);
    let id = exchange.id.to_string();
    for name in [Some(name), tag].into_iter().flatten() {
        let line = with_request(Line::info(name.as_str()), head, &id);
        let line = with_vars(with_user(line, exchange), route)
            .field("openshift.logger", "audit")
            .field("openshift.request.status", status);
        match exchange.failure.as_ref().filter(|_| status == "error") {
            Some(failure) => line.field("openshift.request.error", &failure.message).emit(),
            None => line.emit(),
        }
    }
}

/// The `operation` label of `imageregistry_request_duration_seconds`.
fn metric(operation: Operation, method: &Method) -> Option<Metric> {
    Some(match operation {
        Operation::Ping | Operation::ListRepositories | Operation::Metrics => return None,
        Operation::ListTags => Metric::TagServiceAll,
        Operation::GetManifest | Operation::ListReferrers => Metric::ManifestServiceGet,
        Operation::PutManifest => Metric::ManifestServicePut,
        Operation::DeleteManifest => Metric::ManifestServiceDelete,
        Operation::GetBlob if method == Method::HEAD => Metric::BlobStoreStat,
        Operation::GetBlob => Metric::BlobStoreServeBlob,
        Operation::DeleteBlob | Operation::RemoveAnyBlob => Metric::BlobStoreDelete,
        Operation::StartUpload => Metric::BlobStoreCreate,
        Operation::UploadStatus | Operation::AppendUpload => Metric::BlobStoreResume,
        Operation::FinishUpload => Metric::BlobWriterCommit,
        Operation::CancelUpload => Metric::BlobWriterCancel,
    })
}

/// What a request for a manifest by tag is counted as besides: the original asks its tag service
/// first.
fn tag_metric(operation: Operation, head: &Head) -> Option<Metric> {
    let metric = match operation {
        Operation::GetManifest => Metric::TagServiceGet,
        Operation::PutManifest => Metric::TagServiceTag,
        Operation::DeleteManifest => Metric::TagServiceUntag,
        _ => return None,
    };
    // A digest has a colon, perhaps escaped; a tag has neither colon nor percent sign.
    let reference = head.target.path().rsplit('/').next().unwrap_or_default();
    (!reference.contains([':', '%'])).then_some(metric)
}

/// The `handler` label: distribution's name of the route.
fn handler_name(route: &Route<'_>) -> &'static str {
    match route {
        Route::Ping => "base",
        Route::Catalog => "catalog",
        Route::Metrics => "extensions_metrics",
        Route::AnyBlob(_) => "admin_blobs",
        Route::Repository(_, item) => match item {
            Item::Tags => "tags",
            Item::Manifest(_) => "manifest",
            Item::Blob(_) => "blob",
            Item::Uploads => "blob_upload",
            Item::Upload(_) => "blob_upload_chunk",
            Item::Referrers(_) => "referrers",
        },
    }
}

/// The status for logs and metrics: 499 never goes over the wire to anybody.
fn logged_status(exchange: &Exchange, sent: Sent) -> u16 {
    match &exchange.failure {
        Some(failure) if failure.status.as_u16() == CLIENT_CLOSED_REQUEST => CLIENT_CLOSED_REQUEST,
        _ => sent.status.as_u16(),
    }
}

fn request_size(head: &Head) -> u64 {
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn with_request<'a>(line: Line<'a>, head: &'a Head, id: &'a str) -> Line<'a> {
    let text =
        |name| head.headers.get(name).map(|v: &http::HeaderValue| Value::Bytes(v.as_bytes()));
    line.field("http.request.id", id)
        .field("http.request.method", head.method.as_str())
        .field("http.request.uri", redact_query(head.target.as_str(), &["_state"]))
        .field("http.request.host", text(header::HOST).unwrap_or(Value::from("")))
        .field("http.request.remoteaddr", remote_address(head))
        .field("http.request.useragent", text(header::USER_AGENT).unwrap_or(Value::from("")))
        .maybe("http.request.referer", text(header::REFERER))
        .maybe("http.request.contenttype", text(header::CONTENT_TYPE))
}

fn with_response<'a>(line: Line<'a>, exchange: &'a Exchange, sent: Sent, status: u16) -> Line<'a> {
    let content_type = exchange.response_type.as_ref().map(|v| Value::Bytes(v.as_bytes()));
    line.field("http.response.status", status)
        .field("http.response.written", sent.written)
        .field("http.response.duration", sent.duration)
        .maybe("http.response.contenttype", content_type)
}

fn with_user<'a>(line: Line<'a>, exchange: &'a Exchange) -> Line<'a> {
    match &exchange.identity {
        Some(identity) if !identity.name.is_empty() => line
            .field("openshift.auth.user", &*identity.name)
            .field("openshift.auth.userid", &*identity.uid),
        _ => line.field("openshift.auth.user", "anonymous"),
    }
}

fn with_vars<'a>(line: Line<'a>, route: &'a Route<'_>) -> Line<'a> {
    match route {
        Route::Repository(name, item) => {
            let line = line.field("vars.name", name.as_str());
            match item {
                Item::Manifest(reference) => line.field("vars.reference", &**reference),
                Item::Blob(digest) | Item::Referrers(digest) => {
                    line.field("vars.digest", &**digest)
                }
                Item::Upload(id) => line.field("vars.uuid", *id),
                Item::Tags | Item::Uploads => line,
            }
        }
        Route::AnyBlob(digest) => line.field("vars.digest", &**digest),
        Route::Ping | Route::Catalog | Route::Metrics => line,
    }
}

/// The client as a proxy tells it, else the peer.
pub(crate) fn remote_address(head: &Head) -> String {
    forwarded_for(&head.headers).map_or_else(|| head.peer.to_string(), |ip| ip.to_string())
}

/// The first valid address of `X-Forwarded-For`, else `X-Real-Ip`.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let list = headers.get("x-forwarded-for").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let single = headers.get("x-real-ip").and_then(|v| v.to_str().ok()).unwrap_or_default();
    list.split(',').chain([single]).find_map(|text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_client_behind_proxies_is_named() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.insert("x-real-ip", HeaderValue::from_static("10.0.0.9"));
        assert_eq!(forwarded_for(&headers), Some([10, 0, 0, 9].into()));
        headers.insert("x-forwarded-for", HeaderValue::from_static("unknown, 10.0.0.1, 10.0.0.2"));
        assert_eq!(forwarded_for(&headers), Some([10, 0, 0, 1].into()));
    }
}
