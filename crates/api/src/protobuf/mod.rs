// SPDX-License-Identifier: Apache-2.0
//! Kubernetes' protobuf form of the built-in kinds.
//!
//! A body is `k8s\0` and a `runtime.Unknown` message, which names the kind and holds the object's own message. Field
//! numbers come from [`crate::builtin`]. kubectl sends most objects that it makes itself this way, and etcd of an
//! existing cluster holds them so.
//!
//! The input is not trusted: unknown fields are skipped, sizes are checked before anything is taken, and depth and the
//! number of values are bounded.

mod decode;
mod encode;
mod wire;

use serde_json::Value;

use crate::{GroupVersion, GroupVersionKind, builtin};

/// What every body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";
/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// How deep messages may nest.
pub const MAX_DEPTH: usize = 100;

/// Why a body is not understood, or an object cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// It does not begin with [`MAGIC`].
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Prefix,
    /// No kind of that name has a known protobuf form.
    #[error("no protobuf form of kind {0} is known")]
    Kind(String),
    /// The `apiVersion` is none.
    #[error(transparent)]
    GroupVersion(#[from] crate::meta::GroupVersionError),
    /// It ends within a value.
    #[error("unexpected EOF")]
    Truncated,
    /// A number has more than ten bytes.
    #[error("proto: integer overflow")]
    Overflow,
    /// A wire type that does not exist or does not fit the field.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// The wire type.
        wire: u8,
        /// The field.
        field: String,
    },
    /// A text that is not UTF-8.
    #[error("field {0} is not valid UTF-8")]
    Utf8(String),
    /// Embedded JSON that is not JSON.
    #[error("field {0} does not hold JSON")]
    Json(String),
    /// A time out of range.
    #[error("field {0} holds no valid time")]
    Time(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    Depth,
    /// More values than a body of this size should hold.
    #[error("too many values")]
    TooMany,
    /// A value of another type than the field's.
    #[error("field {0} has the wrong type")]
    Type(String),
}

/// Reads a body: the kind it says it is, and the object with `apiVersion` and `kind` set.
///
/// # Errors
/// When the body is malformed or of a kind without a known protobuf form.
pub fn decode(body: &[u8]) -> Result<(GroupVersionKind, Value), ProtobufError> {
    decode_as(body, None)
}

/// Reads a body whose kind is known from elsewhere where the body does not name one (options of requests).
///
/// # Errors
/// As [`decode`].
pub fn decode_as(
    body: &[u8],
    default: Option<&GroupVersionKind>,
) -> Result<(GroupVersionKind, Value), ProtobufError> {
    let message = body.strip_prefix(MAGIC).ok_or(ProtobufError::Prefix)?;
    let unknown = wire::unknown(message)?;
    let gvk = match default {
        Some(gvk) if unknown.kind.is_empty() => gvk.clone(),
        _ => GroupVersion::parse(&unknown.api_version)?.with_kind(unknown.kind),
    };
    if unknown.content_type.as_str() == "application/json" {
        let value =
            serde_json::from_slice(unknown.raw).map_err(|_| ProtobufError::Json("raw".into()))?;
        return Ok((gvk, value));
    }
    let kind = known(&gvk)?;
    let mut value = decode::object(unknown.raw, builtin::types(), kind.ty)?;
    crate::meta::set_gvk(&mut value, &gvk);
    Ok((gvk, value))
}

/// Writes an object. Fields that the kind does not have are left out.
///
/// # Errors
/// When the kind has no known protobuf form, or a field has a value of the wrong type.
pub fn encode(gvk: &GroupVersionKind, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let kind = known(gvk)?;
    let raw = encode::object(object, builtin::types(), kind.ty)?;
    Ok(wire::envelope(&gvk.api_version(), &gvk.kind, &raw))
}

fn known(gvk: &GroupVersionKind) -> Result<&'static builtin::Kind, ProtobufError> {
    builtin::find(&gvk.group, &gvk.version, &gvk.kind)
        .filter(|it| it.protobuf)
        .ok_or_else(|| ProtobufError::Kind(gvk.to_string()))
}

/// Whether the kind has a known protobuf form.
#[must_use]
pub fn supports(gvk: &GroupVersionKind) -> bool {
    known(gvk).is_ok()
}
