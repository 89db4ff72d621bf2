// SPDX-License-Identifier: Apache-2.0
//! Discovery: which groups, versions and resources there are (guide-commands.md 1.1).
//!
//! In both forms: aggregated (one document for `/api`, one for `/apis`, with an ETag) and legacy (one a group version).

mod aggregated;
mod legacy;

use api::status::Status;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::body::{self, Response};
use crate::catalog::Catalog;
use crate::request::accept::{Encoding, clauses};

/// The two versions of the aggregated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    V2,
    V2Beta1,
    Legacy,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
            Self::Legacy => Encoding::Json.media_type(),
        }
    }
}

fn wanted(headers: &HeaderMap) -> Form {
    let accept =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for clause in clauses(accept) {
        let aggregated = clause.parameter("as") == Some("APIGroupDiscoveryList")
            && clause.parameter("g") == Some("apidiscovery.k8s.io");
        match (aggregated, clause.parameter("v")) {
            (true, Some("v2")) => return Form::V2,
            (true, Some("v2beta1")) => return Form::V2Beta1,
            (true, _) => {}
            (false, _) => return Form::Legacy,
        }
    }
    Form::Legacy
}

/// Answers a discovery path, or `None` when the path is none.
#[must_use]
pub fn answer(
    catalog: &Catalog,
    path: &str,
    headers: &HeaderMap,
) -> Option<Result<Response, Status>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let value = match parts.as_slice() {
        ["api" | "apis"] => {
            let core = parts == ["api"];
            let form = wanted(headers);
            let value = match form {
                Form::Legacy if core => legacy::versions(),
                Form::Legacy => legacy::groups(catalog),
                Form::V2 => aggregated::groups(catalog, core, "apidiscovery.k8s.io/v2"),
                Form::V2Beta1 => aggregated::groups(catalog, core, "apidiscovery.k8s.io/v2beta1"),
            };
            return Some(Ok(document(
                headers,
                form.content_type(),
                value.to_string().into(),
                form != Form::Legacy,
            )));
        }
        ["api", version] => legacy::resources(catalog, "", version),
        ["apis", group] => legacy::group(catalog, group),
        ["apis", group, version] => legacy::resources(catalog, group, version),
        _ => return None,
    };
    let value = value.ok_or_else(Status::no_such_path);
    Some(value.map(|value| {
        document(headers, Encoding::Json.media_type(), value.to_string().into(), false)
    }))
}

/// A document that changes only with the catalog; with an ETag, and 304 for a client that has it.
pub(crate) fn document(
    headers: &HeaderMap,
    content_type: &'static str,
    bytes: Bytes,
    tagged: bool,
) -> Response {
    let etag = tagged.then(|| format!("\"{}\"", crate::digest::hex(&bytes)));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = etag.as_deref().is_some_and(|etag| {
        known.is_some_and(|known| {
            known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
        })
    });
    let mut response = Response::new(if unchanged { body::empty() } else { body::full(bytes) });
    let head = response.headers_mut();
    head.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        head.insert(header::ETAG, etag);
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    }
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}
