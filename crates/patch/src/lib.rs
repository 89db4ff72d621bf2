// SPDX-License-Identifier: Apache-2.0
//! The four ways in which a Kubernetes client changes part of an object, and the record of who set which field.
//!
//! ```text
//!  Content-Type of the PATCH                     module        driven by
//!  application/json-patch+json                   [json]        –
//!  application/merge-patch+json                  [merge]       –
//!  application/strategic-merge-patch+json        [strategic]   schema::View
//!  application/apply-patch+yaml                  [apply]       schema::View, metadata.managedFields
//!  any other write                               [apply::track_update]
//! ```
//!
//! Everything works on decoded JSON and touches neither a clock nor a store. The caller decodes bodies (and reports
//! duplicate keys), converts the object to the version of the request, and afterwards defaults, validates and stores the
//! result. Each error says which answer kube-apiserver gives to it ([`Answer`]).

pub mod apply;
pub mod json;
pub mod merge;
pub mod strategic;
mod text;

use serde_json::Value;

/// How deeply a document may be nested: twice what the JSON decoder lets through, so that patches can build on it.
pub const MAX_DEPTH: usize = 256;

/// The kind of `Status` that kube-apiserver answers an error with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 400, reason `BadRequest`.
    BadRequest,
    /// 409, reason `Conflict`.
    Conflict,
    /// 413, reason `RequestEntityTooLarge`.
    TooLarge,
    /// 422, reason `Invalid`.
    Invalid,
    /// 500 with the text as it is.
    Internal,
}

/// Whether a value is nested more deeply than `limit` containers.
pub(crate) fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|item| deeper_than(item, limit - 1)),
        Value::Object(fields) => {
            limit == 0 || fields.values().any(|value| deeper_than(value, limit - 1))
        }
        _ => false,
    }
}
