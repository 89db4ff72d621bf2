// SPDX-License-Identifier: Apache-2.0
//! OpenAPI documents, made from the catalog's schemas.
//!
//! v3: an index, and one document a group version, each named by its hash so that clients keep it. v2: one document, in
//! JSON and in the protobuf form that older kubectl insists on (guide-commands.md 1.5). They are made when first asked
//! for and kept until the catalog changes.

mod gnostic;
mod operations;
mod types;
mod v2;
mod v3;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use api::status::Status;
use bytes::Bytes;
use http::{HeaderMap, header};
use parking_lot::Mutex;

use crate::body::Response;
use crate::catalog::Catalog;
use crate::discovery::document;
use crate::request::accept::clauses;

pub use types::scale_schema;

const JSON: &str = "application/json";
/// Clients ask for `…v2@v1.0+protobuf`, but an `@` in an answer's type is an error to them; upstream answers so, too.
const PROTOBUF_V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The documents of the present catalog.
#[derive(Default)]
pub struct Documents {
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    of: Weak<Catalog>,
    documents: HashMap<String, Bytes>,
}

impl Documents {
    /// Answers an OpenAPI path, or `None` when the path is none.
    #[must_use]
    pub fn answer(
        &self,
        catalog: &Arc<Catalog>,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Result<Response, Status>> {
        let rest = path.strip_prefix("/openapi/")?;
        let rest = rest.trim_end_matches('/');
        let answer = match rest.split_once('/') {
            None if rest == "v2" => {
                let protobuf = wants_protobuf(headers);
                let (name, content_type) =
                    if protobuf { ("v2.pb", PROTOBUF_V2) } else { ("v2", JSON) };
                let bytes = self.get(catalog, name, || {
                    let document = v2::document(catalog);
                    Some(if protobuf {
                        gnostic::encode(&document).into()
                    } else {
                        document.to_string().into()
                    })
                });
                bytes.map(|bytes| document(headers, content_type, bytes, true))
            }
            None if rest == "v3" => {
                self.index(catalog).map(|bytes| document(headers, JSON, bytes, true))
            }
            Some(("v3", at)) => {
                self.group_version(catalog, at).map(|bytes| document(headers, JSON, bytes, true))
            }
            _ => None,
        };
        Some(answer.ok_or_else(Status::no_such_path))
    }

    /// A document, made at its first use.
    fn get(
        &self,
        catalog: &Arc<Catalog>,
        name: &str,
        make: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let mut made = self.made.lock();
        if !std::ptr::eq(made.of.as_ptr(), Arc::as_ptr(catalog)) {
            *made = Made { of: Arc::downgrade(catalog), documents: HashMap::new() };
        }
        if let Some(bytes) = made.documents.get(name) {
            return Some(bytes.clone());
        }
        let bytes = make()?;
        made.documents.insert(name.to_owned(), bytes.clone());
        Some(bytes)
    }

    fn group_version(&self, catalog: &Arc<Catalog>, at: &str) -> Option<Bytes> {
        self.get(catalog, at, || {
            let (group, version) = match at.split_once('/')? {
                ("api", version) => ("", version),
                ("apis", rest) => rest.split_once('/')?,
                _ => return None,
            };
            Some(v3::document(catalog, group, version)?.to_string().into())
        })
    }

    fn index(&self, catalog: &Arc<Catalog>) -> Option<Bytes> {
        let mut paths = serde_json::Map::new();
        for group in catalog.groups() {
            for version in group.versions() {
                let at = if group.name.is_empty() {
                    format!("api/{version}")
                } else {
                    format!("apis/{}/{version}", group.name)
                };
                let hash = crate::digest::hex(&self.group_version(catalog, &at)?);
                let url = format!("/openapi/v3/{at}?hash={hash}");
                paths.insert(at, serde_json::json!({"serverRelativeURL": url}));
            }
        }
        Some(serde_json::json!({"paths": paths}).to_string().into())
    }
}

fn wants_protobuf(headers: &HeaderMap) -> bool {
    let accept =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    clauses(accept)
        .iter()
        .map(|clause| clause.media_type)
        .find(|media_type| {
            matches!(*media_type, "application/json" | "*/*")
                || media_type.contains("openapi.spec.v2")
        })
        .is_some_and(|media_type| media_type.contains("openapi.spec.v2"))
}
