// SPDX-License-Identifier: Apache-2.0
//! The `scale` subresource: an `autoscaling/v1` `Scale` over fields of the object.

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use http::StatusCode;
use serde_json::{Value, json};

use super::read_failed;
use super::write::{Part, change};
use crate::context::Call;
use crate::fields::Writer;
use crate::reply::{Answer, in_version};
use crate::resource::{ResourceParts, ScalePaths};
use crate::storage::Freshness;

/// The Scale of an object.
#[must_use]
pub fn scale_of(paths: &ScalePaths, object: &Value) -> Value {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let selector = paths.selector.as_deref().and_then(|pointer| object.pointer(pointer));
    let selector = match selector {
        Some(Value::String(text)) => text.clone(),
        Some(other) => {
            let parsed = api::selector::LabelSelector::from_object(Some(other));
            parsed.map(|selector| selector.to_string()).unwrap_or_default()
        }
        None => String::new(),
    };
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta::metadata(object).and_then(|m| m.get(field)) {
            metadata[field] = value.clone();
        }
    }
    let mut status = json!({"replicas": number(&paths.status)});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": number(&paths.spec)},
        "status": status,
    })
}

/// Reads the Scale.
///
/// # Errors
/// 404.
pub async fn get(
    call: &Call,
    parts: &ResourceParts<'_>,
    paths: &ScalePaths,
) -> Result<Answer, Status> {
    let entry = parts
        .storage
        .get(&call.key(&call.at.name), Freshness::Newest)
        .await
        .map_err(|e| read_failed(call, e))?;
    let Some(entry) = entry else {
        return Err(Status::not_found(&call.resource.group_resource(), &call.at.name));
    };
    Ok(Answer::Object(StatusCode::OK, scale_of(paths, &in_version(call, &entry))))
}

/// Writes the wanted number; `edit` makes the new Scale from the present one.
///
/// # Errors
/// 409 for another version than the Scale's, 422 for a negative number.
pub async fn set(
    call: &Call,
    parts: &ResourceParts<'_>,
    paths: &ScalePaths,
    mut edit: impl FnMut(&Value) -> Result<Value, Status> + Send,
) -> Result<Answer, Status> {
    let name = &call.at.name;
    let writer = Writer::update(call, Part::Subresource("scale"));
    let answer = change(call, parts, &writer, Part::Subresource("scale"), |old| {
        let scale = edit(&scale_of(paths, old))?;
        let version = meta::resource_version(&scale);
        if !version.is_empty() && version != meta::resource_version(old) {
            return Err(Status::modified(&call.resource.group_resource(), name));
        }
        let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
        if replicas < 0 {
            let mut errors = ErrorList::new();
            let path = Path::new("spec").child("replicas");
            errors.push(Error::invalid(&path, replicas, "must be greater than or equal to 0"));
            return Err(Status::invalid(
                &api::GroupKind::new("autoscaling", "Scale"),
                name,
                &errors,
            ));
        }
        let mut new = old.clone();
        set_pointer(&mut new, &paths.spec, replicas.into());
        Ok(Some(new))
    })
    .await?;
    Ok(match answer {
        Answer::Entry(code, entry) => {
            Answer::Object(code, scale_of(paths, &in_version(call, &entry)))
        }
        Answer::Object(code, object) => Answer::Object(code, scale_of(paths, &object)),
        other => other,
    })
}

/// Writes a value where a JSON pointer says, making the maps on the way.
fn set_pointer(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[step];
    }
    *at = value;
}
