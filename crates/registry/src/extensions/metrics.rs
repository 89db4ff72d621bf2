// SPDX-License-Identifier: Apache-2.0
//! `GET /extensions/v2/metrics` (registry.md 6.2).

use http::{HeaderValue, StatusCode, header};
use httpd::{Reply, ReplyBody};

use crate::app::Call;
use crate::reply::headers::With;

/// The page, in Prometheus' text format.
pub(crate) fn page(call: &Call<'_>) -> Reply {
    const TEXT_FORMAT: HeaderValue =
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Reply::new(StatusCode::OK)
        .with(&header::CONTENT_TYPE, TEXT_FORMAT)
        .with_body(ReplyBody::Bytes(call.registry.observer.metrics_page().into()))
}
