// SPDX-License-Identifier: Apache-2.0
//! Defaults that do not depend on anything else in the object.

use serde_json::Value;

use crate::{Empty, Type, View};

/// Gives absent fields their defaults, from the outside in: a default may bring fields that have defaults themselves.
///
/// Absent is also what Go cannot tell from absent: `null` unless the field is nullable, and an empty value of a plain
/// field that Go would leave out.
pub fn default(view: View<'_>, value: &mut Value) {
    match (view.ty, value) {
        (Type::Object(id), Value::Object(map)) => {
            let object = view.types.get(*id);
            for (at, field) in object.fields.iter().enumerate() {
                let Some(default) = &field.default else { continue };
                let dropped = matches!(object.go_field(at).empty, Empty::Dropped);
                let absent = match map.get(&field.name) {
                    None => true,
                    Some(Value::Null) => !field.nullable,
                    Some(value) => dropped && !object.go.is_empty() && is_empty(value),
                };
                if absent {
                    map.insert(field.name.clone(), default.clone());
                }
            }
            for (name, inner) in map {
                if let Some(view) = view.field(name) {
                    self::default(view, inner);
                }
            }
        }
        (Type::Map(_), Value::Object(map)) => {
            for (name, inner) in map {
                if let Some(view) = view.field(name) {
                    self::default(view, inner);
                }
            }
        }
        (Type::List(_), Value::Array(items)) => {
            let Some(view) = view.items() else { return };
            for item in items {
                self::default(view, item);
            }
        }
        _ => {}
    }
}

/// What Go's `omitempty` leaves out of a plain field.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}
