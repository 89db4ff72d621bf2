// SPDX-License-Identifier: Apache-2.0
//! Answers that are not JSON: the text pages of the router, redirects and the empty 200s.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use httpd::{Reply, ReplyBody};

use super::headers::{With, from_text, value};

/// A plain text answer as Go's `http.Error` writes it, which is what clients of 4.6 see.
pub(crate) fn text(status: StatusCode, body: &'static str) -> Reply {
    Reply::new(status)
        .with(&header::CONTENT_TYPE, value::TEXT.clone())
        .with(&header::X_CONTENT_TYPE_OPTIONS, value::NOSNIFF.clone())
        .with_body(ReplyBody::Bytes(Bytes::from_static(body.as_bytes())))
}

/// No route has this path.
pub(crate) fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// The route exists, the method does not.
pub(crate) fn method_not_allowed(allow: &'static str) -> Reply {
    text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n")
        .with(&header::ALLOW, HeaderValue::from_static(allow))
}

/// The queue of requests is full, or the wait in it too long (registry.md 6.6).
pub(crate) fn too_many_requests() -> Reply {
    text(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later.\n")
        .with(&header::RETRY_AFTER, value::RETRY_1.clone())
}

/// A path that differs from a route only by its last slash.
pub(crate) fn moved(to: &str) -> Reply {
    let escaped = to.replace('&', "&amp;").replace('"', "&#34;").replace('<', "&lt;");
    let escaped = escaped.replace('>', "&gt;").replace('\'', "&#39;");
    Reply::new(StatusCode::MOVED_PERMANENTLY)
        .with(&header::LOCATION, from_text(to))
        .with(&header::CONTENT_TYPE, value::HTML.clone())
        .with_body(ReplyBody::Bytes(
            format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n").into(),
        ))
}

/// `/healthz` and `/`.
pub(crate) fn alive() -> Reply {
    Reply::new(StatusCode::OK)
        .with(&header::CACHE_CONTROL, value::NO_CACHE.clone())
        .with(&header::CONTENT_LENGTH, value::ZERO.clone())
}

/// `/healthz` and `/` of a process that is about to stop.
pub(crate) fn stopping() -> Reply {
    let mut reply = alive();
    reply.status = StatusCode::SERVICE_UNAVAILABLE;
    reply
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    Reply::new(status)
        .with(&header::CONTENT_TYPE, value::JSON.clone())
        .with_body(ReplyBody::Bytes(body.into()))
}

/// An answer without content whose length is still said.
pub(crate) fn empty(status: StatusCode) -> Reply {
    Reply::new(status).with(&header::CONTENT_LENGTH, value::ZERO.clone())
}
