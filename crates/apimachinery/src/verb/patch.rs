// SPDX-License-Identifier: Apache-2.0
//! patch: JSON, merge and strategic patches, and server-side apply.

use api::meta;
use api::status::{Reason, Status};
use http::HeaderMap;
use patch::{Answer as PatchAnswer, json, merge, strategic};
use serde_json::Value;

use super::write::{Part, change, create_named};
use super::{read_failed, scale as scale_verb};
use crate::codec;
use crate::context::Call;
use crate::fields::{self, Writer};
use crate::objectmeta;
use crate::reply::Answer;
use crate::resource::{ResourceParts, ScalePaths};

/// What kinds of patch there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    Strategic,
    /// Server-side apply.
    Apply,
}

const KINDS: [(&str, Kind); 4] = [
    ("application/json-patch+json", Kind::Json),
    ("application/merge-patch+json", Kind::Merge),
    ("application/strategic-merge-patch+json", Kind::Strategic),
    ("application/apply-patch+yaml", Kind::Apply),
];

/// The patch type of a request; `strategic` says whether the kind knows strategic patches (custom resources do not).
fn kind(headers: &HeaderMap, strategic: bool) -> Result<Kind, Status> {
    let media_type = codec::media_type(headers);
    let known: Vec<&str> = KINDS
        .iter()
        .filter(|(_, kind)| strategic || *kind != Kind::Strategic)
        .map(|(name, _)| *name)
        .collect();
    KINDS
        .iter()
        .find(|(name, kind)| *name == media_type && (strategic || *kind != Kind::Strategic))
        .map(|(_, kind)| *kind)
        .ok_or_else(|| Status::unsupported_media_type(&known))
}

/// A patch that was decoded once and may be applied to several states.
enum Decoded {
    Json(json::Patch),
    Merge(Value),
    Strategic(Value),
}

impl Decoded {
    fn read(kind: Kind, bytes: &[u8]) -> Result<Self, Status> {
        let value = codec::json(bytes)?.value;
        match kind {
            Kind::Json => json::Patch::decode(value)
                .map(Self::Json)
                .map_err(|e| refused(e.answer(), &e.message())),
            Kind::Strategic => Ok(Self::Strategic(value)),
            Kind::Merge | Kind::Apply => Ok(Self::Merge(value)),
        }
    }

    fn apply(&self, schema: &schema::Schema, object: Value) -> Result<Value, Status> {
        match self {
            Self::Json(patch) => patch
                .apply(object, json::Dialect::Kubernetes)
                .map_err(|e| refused(e.answer(), &e.message())),
            Self::Merge(patch) => {
                merge::apply(object, patch.clone()).map_err(|e| refused(e.answer(), &e.to_string()))
            }
            Self::Strategic(patch) => strategic::apply(schema.view(), object, patch.clone())
                .map_err(|e| refused(e.answer(), &e.message())),
        }
    }
}

/// What is answered to a patch that does not apply.
pub(crate) fn refused(answer: PatchAnswer, message: &str) -> Status {
    let reason = match answer {
        PatchAnswer::BadRequest => Reason::BadRequest,
        PatchAnswer::Conflict => Reason::Conflict,
        PatchAnswer::TooLarge => Reason::RequestEntityTooLarge,
        PatchAnswer::Invalid => Reason::Invalid,
        PatchAnswer::Internal => Reason::InternalError,
    };
    Status::failure(reason, message)
}

/// Patches an object or its status.
///
/// # Errors
/// What the patch, validation, admission and the store refuse.
pub async fn patch(
    call: &Call,
    parts: &ResourceParts<'_>,
    bytes: &[u8],
    part: Part,
) -> Result<Answer, Status> {
    match kind(&call.headers, call.version().protobuf)? {
        Kind::Apply => apply(call, parts, bytes, part).await,
        kind => by_patch(call, parts, &Decoded::read(kind, bytes)?, part).await,
    }
}

async fn by_patch(
    call: &Call,
    parts: &ResourceParts<'_>,
    patch: &Decoded,
    part: Part,
) -> Result<Answer, Status> {
    if call.query.force.is_some() {
        return Err(Status::failure(
            Reason::Invalid,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ));
    }
    let schema = &call.version().schema;
    let gvk = call.kind();
    let writer = Writer::update(call, part);
    change(call, parts, &writer, part, |old| {
        let new = patch.apply(schema, old.clone())?;
        let new = codec::shape(
            call,
            codec::Decoded { value: new, duplicates: Vec::new() },
            &gvk,
            schema,
        )?;
        same_object(call, old, &new)?;
        Ok(Some(new))
    })
    .await
}

/// A patch may change neither which object it is about nor, unless it means to, past which version.
fn same_object(call: &Call, old: &Value, new: &Value) -> Result<(), Status> {
    if meta::name(new) != call.at.name {
        return Err(objectmeta::wrong_name(meta::name(new), &call.at.name));
    }
    if call.resource.namespaced && meta::namespace(new) != meta::namespace(old) {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let version = meta::resource_version(new);
    if !version.is_empty() && version != meta::resource_version(old) {
        return Err(Status::modified(&call.resource.group_resource(), &call.at.name));
    }
    if meta::uid(new) != meta::uid(old) && !meta::uid(new).is_empty() {
        return Err(objectmeta::wrong_uid(
            &call.resource.group_resource(),
            &call.at.name,
            meta::uid(new),
            meta::uid(old),
        ));
    }
    Ok(())
}

async fn apply(
    call: &Call,
    parts: &ResourceParts<'_>,
    bytes: &[u8],
    part: Part,
) -> Result<Answer, Status> {
    if call.query.field_manager.is_empty() {
        return Err(Status::failure(
            Reason::Invalid,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    let schema = &call.version().schema;
    let gvk = call.kind();
    let mut applied = codec::shape(call, codec::yaml(bytes)?, &gvk, schema)?;
    if meta::name(&applied).is_empty() {
        meta::set_name(&mut applied, &call.at.name);
    } else if meta::name(&applied) != call.at.name {
        return Err(objectmeta::wrong_name(meta::name(&applied), &call.at.name));
    }
    objectmeta::same_namespace(call, &mut applied)?;
    if !meta::managed_fields(&applied).is_empty() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let present =
        parts.storage.read(&call.key(&call.at.name)).await.map_err(|e| read_failed(call, e))?;
    let writer = Writer::apply(call, part, call.query.force.unwrap_or(false));
    if present.is_none() && part == Part::Main {
        if !meta::uid(&applied).is_empty() {
            let resource = call.resource.group_resource();
            return Err(objectmeta::wrong_uid(&resource, &call.at.name, meta::uid(&applied), ""));
        }
        let mut object = fields::apply(call, &writer, None, &applied)?;
        meta::remove(&mut object, "resourceVersion");
        objectmeta::for_create(call, &mut object)?;
        match create_named(call, parts, object, writer.clone()).await {
            // Somebody else made it meanwhile: then it is an apply to what is there.
            Err(status) if status.is(Reason::AlreadyExists) => {}
            done => return done,
        }
    }
    let version = meta::resource_version(&applied).to_owned();
    change(call, parts, &writer, part, |old| {
        if !version.is_empty() && version != meta::resource_version(old) {
            return Err(Status::modified(&call.resource.group_resource(), &call.at.name));
        }
        fields::apply(call, &writer, Some(old), &applied).map(Some)
    })
    .await
}

/// Patches a Scale.
///
/// # Errors
/// As [`patch`].
pub async fn scale(
    call: &Call,
    parts: &ResourceParts<'_>,
    paths: &ScalePaths,
    bytes: &[u8],
) -> Result<Answer, Status> {
    let schema = crate::openapi::scale_schema();
    let patch = match kind(&call.headers, true)? {
        // A Scale has two fields; applying one sets them.
        Kind::Apply => Decoded::Merge(codec::yaml(bytes)?.value),
        kind => Decoded::read(kind, bytes)?,
    };
    scale_verb::set(call, parts, paths, |scale| patch.apply(&schema, scale.clone())).await
}

/// The body of a patch of something that is made, not stored: a merge patch for its own rules to apply.
///
/// # Errors
/// 415 for other types of patch.
pub fn raw(call: &Call, bytes: &[u8]) -> Result<Value, Status> {
    match kind(&call.headers, true)? {
        Kind::Apply => Ok(codec::yaml(bytes)?.value),
        _ => Ok(codec::json(bytes)?.value),
    }
}
