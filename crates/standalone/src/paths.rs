// SPDX-License-Identifier: Apache-2.0
//! The server's own paths: health, version, keys of tokens' signatures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::status::Status;
use apimachinery::body::{self, Request, Response};
use apimachinery::request::RequestInfo;
use apimachinery::server::Paths;
use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use rbac::UserInfo;
use serde_json::Value;

use crate::identity::{Keys, TOKEN_ISSUER};

/// Health, version, keys.
pub struct Own {
    keys: Arc<Keys>,
    ready: Arc<AtomicBool>,
}

impl Own {
    /// `ready` turns true when the server may be sent requests, and false when it stops.
    #[must_use]
    pub fn new(keys: Arc<Keys>, ready: Arc<AtomicBool>) -> Self {
        Self { keys, ready }
    }

    fn page(&self, path: &str) -> Option<Response> {
        match path {
            "/" => Some(text(StatusCode::OK, "Berth's API server\n")),
            "/healthz" | "/livez" => Some(text(StatusCode::OK, "ok")),
            "/readyz" if self.ready.load(Ordering::Relaxed) => Some(text(StatusCode::OK, "ok")),
            "/readyz" => Some(text(StatusCode::SERVICE_UNAVAILABLE, "not ready")),
            "/version" => Some(json(&apimachinery::version::value())),
            "/openid/v1/jwks" => Some(json(&self.keys.verifier.keys.to_jwks())),
            "/.well-known/openid-configuration" => {
                let keys = format!("{TOKEN_ISSUER}/openid/v1/jwks");
                Some(json(&self.keys.verifier.keys.discovery(TOKEN_ISSUER, &keys)))
            }
            _ => None,
        }
    }
}

fn text(code: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn json(value: &Value) -> Response {
    apimachinery::reply::encoded(
        StatusCode::OK,
        value,
        apimachinery::request::accept::Encoding::Json,
    )
    .unwrap_or_else(|status: Status| apimachinery::reply::status(&status))
}

#[async_trait]
impl Paths for Own {
    async fn answer(
        &self,
        _: &UserInfo,
        info: &RequestInfo,
        request: Request,
    ) -> Result<Response, Box<Request>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Box::new(request));
        }
        self.page(&info.path).ok_or_else(|| Box::new(request))
    }

    fn is_public(&self, path: &str) -> bool {
        matches!(path, "/" | "/healthz" | "/livez" | "/readyz" | "/version")
    }
}
