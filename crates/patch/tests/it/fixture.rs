// SPDX-License-Identifier: Apache-2.0
//! The types of the recorded objects, and the recordings.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use schema::{Field, List, ListKind, Map, ObjectType, PatchStrategy, Schema, Type, Types};
use serde_json::Value;

/// Where the vectors lie. `PATCH_VECTORS` names a folder with others of the same form.
pub fn folder() -> PathBuf {
    std::env::var_os("PATCH_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    )
}

/// A file that is always ours.
pub fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

static SCHEMAS: LazyLock<HashMap<&str, Schema>> = LazyLock::new(|| {
    let builtin = [("", "Pod"), ("", "Service"), ("", "ConfigMap"), ("apps", "Deployment")];
    let builtin =
        builtin.map(|(group, kind)| (kind, api::builtin::schema(group, "v1", kind).unwrap()));
    let mut all = HashMap::from(builtin);
    let widget: Value = serde_json::from_str(&file("widget.json")).unwrap();
    let mut types = Types::default();
    let root = read_type(&mut types, &widget);
    all.insert("Widget", Schema { types: Arc::new(types), root });
    all.insert("Loose", Schema::any());
    all
});

/// The type of a built-in kind, of `Widget` (a custom resource with every kind of list and map) or `Loose` (one without a
/// schema).
pub fn schema(kind: &str) -> &'static Schema {
    &SCHEMAS[kind]
}

/// What an API server does with the result: the form that Go writes, or for custom resources no nulls.
pub fn stored(kind: &str, mut object: Value) -> Value {
    match kind {
        "Widget" => drop_nulls(&mut object),
        "Loose" => {}
        _ => api::builtin::normalise(schema(kind), &mut object),
    }
    object
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|_, value| {
            drop_nulls(value);
            !value.is_null()
        }),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The type that a structural schema describes.
fn read_type(types: &mut Types, definition: &Value) -> Type {
    let atomic = definition["x-kubernetes-map-type"] == "atomic";
    match definition["type"].as_str() {
        Some("string") => Type::String,
        Some("integer") => Type::Integer(64),
        Some("array") => {
            let keys = definition["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            let kind = match definition["x-kubernetes-list-type"].as_str() {
                Some("set") => ListKind::Set,
                Some("map") => {
                    ListKind::Map(keys.map(|key| key.as_str().unwrap().to_owned()).collect())
                }
                _ => ListKind::Atomic,
            };
            let items = read_type(types, &definition["items"]);
            Type::List(Box::new(List { items, kind, patch: PatchStrategy::default() }))
        }
        Some("object") if definition.get("properties").is_some() => {
            let fields = definition["properties"].as_object().unwrap().iter();
            let fields = fields.map(|(name, definition)| Field {
                name: name.clone(),
                ty: read_type(types, definition),
                required: false,
                nullable: false,
                default: definition.get("default").cloned(),
                proto: 0,
                inline: false,
                patch: PatchStrategy::default(),
            });
            let mut object = ObjectType::new("", fields.collect());
            object.atomic = atomic;
            Type::Object(types.add(object))
        }
        Some("object") if definition.get("additionalProperties").is_some() => {
            let values = read_type(types, &definition["additionalProperties"]);
            Type::Map(Box::new(Map { values, atomic }))
        }
        _ => Type::Any,
    }
}
