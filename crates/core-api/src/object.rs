// SPDX-License-Identifier: Apache-2.0
//! Reading and defaulting parts of an object held as JSON, by JSON pointer. What is absent or of another type reads as
//! nothing: types were checked when the object was decoded.

use serde_json::{Map, Value};

/// The text at a pointer, empty if absent.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The boolean at a pointer, false if absent.
pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a pointer, empty if absent.
pub(crate) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the list at a pointer.
pub(crate) fn texts<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    items(object, pointer).iter().filter_map(Value::as_str).collect()
}

/// The map at a pointer.
pub(crate) fn map<'a>(object: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    object.pointer(pointer).and_then(Value::as_object)
}

/// How many entries the map at a pointer has.
pub(crate) fn entries(object: &Value, pointer: &str) -> usize {
    map(object, pointer).map_or(0, Map::len)
}

/// Whether something other than null stands at a pointer.
pub(crate) fn has(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).is_some_and(|value| !value.is_null())
}

/// The structure at a pointer, made where it is missing; nothing if the way leads through another type.
pub(crate) fn make<'a>(object: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        let map = at.as_object_mut()?;
        let slot = map.entry(step).or_insert(Value::Null);
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        at = slot;
    }
    at.is_object().then_some(at)
}

/// Writes a value into a structure unless something stands there.
pub(crate) fn default(structure: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(map) = structure.as_object_mut() {
        let slot = map.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.into();
        }
    }
}

/// As [`default`], where an empty text counts as nothing too (Go cannot tell them apart).
pub(crate) fn default_text(structure: &mut Value, field: &str, value: &str) {
    if structure.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
        set(structure, field, value);
    }
}

/// Writes a field of a structure.
pub(crate) fn set(structure: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(map) = structure.as_object_mut() {
        map.insert(field.to_owned(), value.into());
    }
}

/// Takes a field out of a structure.
pub(crate) fn remove(structure: &mut Value, field: &str) -> Option<Value> {
    structure.as_object_mut()?.remove(field)
}

/// The list at a pointer, to change its items.
pub(crate) fn each<'a>(
    object: &'a mut Value,
    pointer: &str,
) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A value as Go prints it in lists of texts: strings without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
