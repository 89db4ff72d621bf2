// SPDX-License-Identifier: Apache-2.0
//! `apiVersion`, `kind` and `metadata` of an object held as JSON.
//!
//! Readers give "nothing" for what is absent, empty or of the wrong type (types are checked when an object is decoded);
//! writers make `metadata` where it is missing.

use serde_json::{Map, Value};

pub use crate::group::{
    GroupKind, GroupResource, GroupVersion, GroupVersionError, GroupVersionKind,
    GroupVersionResource,
};

/// The finalizer that orphans dependents before the object goes.
pub const FINALIZER_ORPHAN: &str = "orphan";
/// The finalizer that waits for dependents to be deleted.
pub const FINALIZER_FOREGROUND: &str = "foregroundDeletion";

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The object's `apiVersion`, empty if absent.
#[must_use]
pub fn api_version(object: &Value) -> &str {
    text(object, "apiVersion")
}

/// The object's `kind`, empty if absent.
#[must_use]
pub fn kind(object: &Value) -> &str {
    text(object, "kind")
}

/// The object's group, version and kind.
///
/// # Errors
/// When `apiVersion` holds more than one slash.
pub fn gvk(object: &Value) -> Result<GroupVersionKind, GroupVersionError> {
    Ok(GroupVersion::parse(api_version(object))?.with_kind(kind(object)))
}

/// Writes `apiVersion` and `kind`.
pub fn set_gvk(object: &mut Value, gvk: &GroupVersionKind) {
    if let Some(map) = as_map(object) {
        map.insert("apiVersion".to_owned(), gvk.api_version().into());
        map.insert("kind".to_owned(), gvk.kind.clone().into());
    }
}

/// The object as a map; a `null` becomes an empty one.
fn as_map(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The object's `metadata`, if it is a structure.
#[must_use]
pub fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The object's `metadata`, made where it is missing; `None` when the object or its metadata is no structure.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    as_map(as_map(object)?.entry("metadata").or_insert(Value::Null))
}

/// A text field of `metadata`, empty if absent.
#[must_use]
pub fn string<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// A whole-number field of `metadata`.
#[must_use]
pub fn integer(object: &Value, field: &str) -> Option<i64> {
    metadata(object)?.get(field)?.as_i64()
}

/// Writes a field of `metadata`.
pub fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(metadata) = metadata_mut(object) {
        metadata.insert(field.to_owned(), value.into());
    }
}

/// Writes a text field of `metadata`; an empty text removes it, as Go's `omitempty` does.
pub fn set_string(object: &mut Value, field: &str, value: &str) {
    if value.is_empty() {
        remove(object, field);
    } else {
        set(object, field, value);
    }
}

/// Takes a field out of `metadata`.
pub fn remove(object: &mut Value, field: &str) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove(field)
}

macro_rules! text_fields {
    ($($get:ident $set:ident $field:literal),* $(,)?) => {$(
        #[doc = concat!("`metadata.", $field, "`, empty if absent.")]
        #[must_use]
        pub fn $get(object: &Value) -> &str {
            string(object, $field)
        }

        #[doc = concat!("Writes `metadata.", $field, "`; an empty text removes it.")]
        pub fn $set(object: &mut Value, value: &str) {
            set_string(object, $field, value);
        }
    )*};
}

text_fields! {
    name set_name "name",
    generate_name set_generate_name "generateName",
    namespace set_namespace "namespace",
    uid set_uid "uid",
    resource_version set_resource_version "resourceVersion",
    self_link set_self_link "selfLink",
    creation_timestamp set_creation_timestamp "creationTimestamp",
    deletion_timestamp set_deletion_timestamp "deletionTimestamp",
}

/// `metadata.generation`, 0 if absent.
#[must_use]
pub fn generation(object: &Value) -> i64 {
    integer(object, "generation").unwrap_or_default()
}

/// Writes `metadata.generation`.
pub fn set_generation(object: &mut Value, generation: i64) {
    set(object, "generation", generation);
}

/// `metadata.deletionGracePeriodSeconds`.
#[must_use]
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    integer(object, "deletionGracePeriodSeconds")
}

/// Whether the object's deletion has begun.
#[must_use]
pub fn is_being_deleted(object: &Value) -> bool {
    !deletion_timestamp(object).is_empty()
}

fn entries<'a>(
    object: &'a Value,
    field: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    metadata(object)
        .and_then(|it| it.get(field))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

fn entry<'a>(object: &'a Value, field: &str, key: &str) -> Option<&'a str> {
    metadata(object)?.get(field)?.get(key)?.as_str()
}

fn set_entry(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(metadata) = metadata_mut(object) else { return };
    if let Some(map) = as_map(metadata.entry(field).or_insert(Value::Null)) {
        map.insert(key.to_owned(), value.into());
    }
}

fn remove_entry(object: &mut Value, field: &str, key: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let map = metadata.get_mut(field)?.as_object_mut()?;
    let removed = map.remove(key);
    if map.is_empty() {
        metadata.remove(field);
    }
    removed
}

/// All labels.
pub fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    entries(object, "labels")
}

/// One label's value.
#[must_use]
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    entry(object, "labels", key)
}

/// Writes one label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "labels", key, value);
}

/// Takes one label away, and the map with the last of them.
pub fn remove_label(object: &mut Value, key: &str) -> Option<Value> {
    remove_entry(object, "labels", key)
}

/// All annotations.
pub fn annotations(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    entries(object, "annotations")
}

/// One annotation's value.
#[must_use]
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    entry(object, "annotations", key)
}

/// Writes one annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "annotations", key, value);
}

/// Takes one annotation away, and the map with the last of them.
pub fn remove_annotation(object: &mut Value, key: &str) -> Option<Value> {
    remove_entry(object, "annotations", key)
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    metadata(object)
        .and_then(|it| it.get(field))
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// All finalizers.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "finalizers").iter().filter_map(Value::as_str)
}

/// Whether that finalizer is there.
#[must_use]
pub fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    finalizers(object).any(|it| it == finalizer)
}

/// Adds a finalizer unless it is there.
pub fn add_finalizer(object: &mut Value, finalizer: &str) {
    if has_finalizer(object, finalizer) {
        return;
    }
    let Some(metadata) = metadata_mut(object) else { return };
    let slot = metadata.entry("finalizers").or_insert(Value::Null);
    match slot {
        Value::Array(items) => items.push(finalizer.into()),
        other => *other = Value::Array(vec![finalizer.into()]),
    }
}

/// Takes a finalizer away, and the list with the last of them. Says whether it was there.
pub fn remove_finalizer(object: &mut Value, finalizer: &str) -> bool {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return false;
    };
    let Some(items) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = items.len();
    items.retain(|it| it.as_str() != Some(finalizer));
    let removed = items.len() != before;
    if items.is_empty() {
        metadata.remove("finalizers");
    }
    removed
}

/// One of `metadata.ownerReferences`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerReference<'a> {
    /// The owner's `apiVersion`.
    pub api_version: &'a str,
    /// The owner's kind.
    pub kind: &'a str,
    /// The owner's name.
    pub name: &'a str,
    /// The owner's uid.
    pub uid: &'a str,
    /// Whether the owner manages this object; at most one does.
    pub controller: bool,
    /// Whether foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}

/// All owners.
pub fn owner_references(object: &Value) -> impl Iterator<Item = OwnerReference<'_>> {
    let flag = |it: &Value, field: &str| it.get(field).and_then(Value::as_bool).unwrap_or(false);
    list(object, "ownerReferences").iter().map(move |it| OwnerReference {
        api_version: text(it, "apiVersion"),
        kind: text(it, "kind"),
        name: text(it, "name"),
        uid: text(it, "uid"),
        controller: flag(it, "controller"),
        block_owner_deletion: flag(it, "blockOwnerDeletion"),
    })
}

/// The owner that manages the object.
#[must_use]
pub fn controller(object: &Value) -> Option<OwnerReference<'_>> {
    owner_references(object).find(|it| it.controller)
}

/// `metadata.managedFields`.
#[must_use]
pub fn managed_fields(object: &Value) -> &[Value] {
    list(object, "managedFields")
}

/// Writes `metadata.managedFields`; an empty list removes it.
pub fn set_managed_fields(object: &mut Value, entries: Vec<Value>) {
    if entries.is_empty() {
        remove(object, "managedFields");
    } else {
        set(object, "managedFields", entries);
    }
}

/// `NAMESPACE/NAME`, or the name alone.
#[must_use]
pub fn key(object: &Value) -> String {
    match namespace(object) {
        "" => name(object).to_owned(),
        namespace => format!("{namespace}/{}", name(object)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_is_there_and_nothing_else() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "d", "namespace": "n", "generation": 3, "labels": {"a": "b", "odd": 1},
            "ownerReferences": [{"kind": "X", "controller": true}]}});
        assert_eq!(gvk(&object), Ok(GroupVersionKind::new("apps", "v1", "Deployment")));
        assert_eq!(key(&object), "n/d");
        assert_eq!(generation(&object), 3);
        assert_eq!(labels(&object).collect::<Vec<_>>(), [("a", "b")]);
        assert_eq!(controller(&object).map(|it| it.kind), Some("X"));
        assert_eq!(name(&json!({"metadata": {"name": 5}})), "");
        assert_eq!(name(&json!([])), "");
    }

    #[test]
    fn writes_make_metadata_and_leave_no_empty_maps() {
        let mut object = json!({"metadata": null});
        set_name(&mut object, "x");
        set_label(&mut object, "a", "b");
        add_finalizer(&mut object, "f/g");
        add_finalizer(&mut object, "f/g");
        assert_eq!(
            object,
            json!({"metadata": {"name": "x", "labels": {"a": "b"}, "finalizers": ["f/g"]}})
        );
        remove_label(&mut object, "a");
        assert!(remove_finalizer(&mut object, "f/g"));
        assert!(!remove_finalizer(&mut object, "f/g"));
        set_name(&mut object, "");
        assert_eq!(object, json!({"metadata": {}}));
        // Nothing happens to what is no object.
        let mut odd = json!("text");
        set_name(&mut odd, "x");
        assert_eq!(odd, json!("text"));
    }
}
