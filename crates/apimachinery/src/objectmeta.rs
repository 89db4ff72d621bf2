// SPDX-License-Identifier: Apache-2.0
//! The metadata that every object has: what the server sets, what a client may change, what is valid.

use api::field::{Error, ErrorList, Path};
use api::status::Status;
use api::{GroupResource, meta, names};
use serde_json::Value;

use crate::context::Call;
use crate::resource::{NameRule, Strategy};

/// Most bytes of all annotations of an object.
const ANNOTATIONS_LIMIT: usize = 256 << 10;
/// Finalizers that are words of Kubernetes', not qualified names.
const PLAIN_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Sets what a new object gets from the server and refuses what a client may not say.
///
/// # Errors
/// 400 for a wrong namespace or a `resourceVersion`.
pub fn for_create(call: &Call, object: &mut Value) -> Result<(), Status> {
    same_namespace(call, object)?;
    if !meta::resource_version(object).is_empty() {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        meta::remove(object, field);
    }
    meta::set_uid(object, &uuid::Uuid::new_v4().to_string());
    meta::set_creation_timestamp(object, &call.now.to_string());
    Ok(())
}

/// The namespace of the path, which the object may repeat but not contradict.
///
/// # Errors
/// 400.
pub fn same_namespace(call: &Call, object: &mut Value) -> Result<(), Status> {
    if !call.resource.namespaced {
        meta::remove(object, "namespace");
        return Ok(());
    }
    let namespace = meta::namespace(object);
    if namespace.is_empty() {
        meta::set_namespace(object, &call.at.namespace);
    } else if namespace != call.at.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// A body whose name is not the path's.
#[must_use]
pub fn wrong_name(body: &str, path: &str) -> Status {
    Status::bad_request(format!(
        "the name of the object ({body}) does not match the name on the URL ({path})"
    ))
}

/// A precondition on the uid that does not hold.
#[must_use]
pub fn wrong_uid(resource: &GroupResource, name: &str, wanted: &str, found: &str) -> Status {
    let cause =
        format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    Status::conflict(resource, name, cause)
}

/// Puts back what no update changes.
pub fn for_update(call: &Call, old: &Value, new: &mut Value) {
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        match meta::metadata(old).and_then(|metadata| metadata.get(field)) {
            Some(value) => meta::set(new, field, value.clone()),
            None => {
                meta::remove(new, field);
            }
        }
    }
    meta::set_resource_version(new, meta::resource_version(old));
    if call.resource.namespaced {
        meta::set_namespace(new, meta::namespace(old));
    }
}

/// What is wrong with an object's metadata.
#[must_use]
pub fn validate(call: &Call, strategy: &dyn Strategy, object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = Path::new("metadata");
    let generate = meta::generate_name(object);
    if !generate.is_empty() {
        let masked = names::mask_trailing_dash(generate);
        errors.invalid_each(
            &root.child("generateName"),
            generate,
            check_name(strategy.name_rule(), &masked),
        );
    }
    let name = meta::name(object);
    if name.is_empty() {
        errors.push(Error::required(&root.child("name"), "name or generateName is required"));
    } else {
        errors.invalid_each(&root.child("name"), name, check_name(strategy.name_rule(), name));
    }
    if call.resource.namespaced {
        let namespace = meta::namespace(object);
        errors.invalid_each(&root.child("namespace"), namespace, names::dns1123_label(namespace));
    }
    labels_and_annotations(object, &root, &mut errors);
    finalizers(object, &root, &mut errors);
    owners(object, &root, &mut errors);
    errors
}

/// What is wrong with a change of the metadata.
#[must_use]
pub fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = Path::new("metadata");
    for field in ["name", "namespace"] {
        let (now, before) = (meta::string(new, field), meta::string(old, field));
        if now != before {
            errors.push(Error::invalid(&root.child(field), now, "field is immutable"));
        }
    }
    if meta::is_being_deleted(old) {
        for finalizer in meta::finalizers(new) {
            if !meta::has_finalizer(old, finalizer) {
                let detail = "no new finalizers can be added if the object is being deleted, found new finalizers";
                errors.push(Error::forbidden(
                    &root.child("finalizers"),
                    format!("{detail} []string{{{finalizer:?}}}"),
                ));
            }
        }
    }
    labels_and_annotations(new, &root, &mut errors);
    finalizers(new, &root, &mut errors);
    owners(new, &root, &mut errors);
    errors
}

fn check_name(rule: NameRule, name: &str) -> Vec<String> {
    match rule {
        NameRule::Subdomain => names::dns1123_subdomain(name),
        NameRule::Label => names::dns1123_label(name),
        NameRule::Label1035 => names::dns1035_label(name),
        NameRule::PathSegment => names::path_segment(name),
    }
}

fn labels_and_annotations(object: &Value, root: &Path, errors: &mut ErrorList) {
    let path = root.child("labels");
    for (key, value) in meta::labels(object) {
        errors.invalid_each(&path, key, names::qualified_name(key));
        errors.invalid_each(&path, value, names::label_value(value));
    }
    let path = root.child("annotations");
    let mut size = 0;
    for (key, value) in meta::annotations(object) {
        errors.invalid_each(&path, key, names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_LIMIT {
        errors.push(Error::too_long(&path, ANNOTATIONS_LIMIT));
    }
}

fn finalizers(object: &Value, root: &Path, errors: &mut ErrorList) {
    let path = root.child("finalizers");
    for (at, finalizer) in meta::finalizers(object).enumerate() {
        let path = path.index(at);
        errors.invalid_each(&path, finalizer, names::qualified_name(finalizer));
        if !finalizer.contains('/') && !PLAIN_FINALIZERS.contains(&finalizer) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(Error::invalid(&path, finalizer, detail));
        }
    }
}

fn owners(object: &Value, root: &Path, errors: &mut ErrorList) {
    let path = root.child("ownerReferences");
    let mut controllers = Vec::new();
    for (at, owner) in meta::owner_references(object).enumerate() {
        let path = path.index(at);
        for (field, value) in [
            ("apiVersion", owner.api_version),
            ("kind", owner.kind),
            ("name", owner.name),
            ("uid", owner.uid),
        ] {
            if value.is_empty() {
                let detail = if field == "apiVersion" {
                    "version must not be empty"
                } else {
                    "must not be empty"
                };
                errors.push(Error::invalid(&path.child(field), value, detail));
            }
        }
        if owner.controller {
            controllers.push(owner.name);
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        errors.push(Error::invalid(&path, "", detail));
    }
}
