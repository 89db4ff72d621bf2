// SPDX-License-Identifier: Apache-2.0
//! What an object looks like after it went through Go's types.
//!
//! Kubernetes decodes what it gets into Go structures and writes those: empty plain fields vanish, structures and
//! fields without `omitempty` appear. Clients compare what they sent with what they read, so this is part of the
//! protocol. Only types that come from Go ([`crate::ObjectType::go`]) are touched.

use serde_json::{Map, Value};

use crate::default::is_empty;
use crate::{Empty, Type, View};

/// Rewrites `value` as Go would write it. `scalar` rewrites each value of a type that has a canonical form of its own
/// (quantities, times, durations).
pub fn normalise(view: View<'_>, value: &mut Value, scalar: &mut dyn FnMut(&Type, &mut Value)) {
    match (view.ty, &mut *value) {
        (Type::Object(id), Value::Object(map)) => {
            let object = view.types.get(*id);
            for (name, inner) in map.iter_mut() {
                if let Some(view) = view.field(name) {
                    normalise(view, inner, scalar);
                }
            }
            if object.go.is_empty() {
                return;
            }
            for (at, field) in object.fields.iter().enumerate() {
                let here = map.get(&field.name);
                match object.go_field(at).empty {
                    Empty::Kept if here.is_some_and(Value::is_null) => {
                        map.remove(&field.name);
                    }
                    Empty::Dropped if here.is_some_and(is_empty) => {
                        map.remove(&field.name);
                    }
                    Empty::Zero if here.is_none_or(Value::is_null) => {
                        let mut zero = zero(&field.ty);
                        normalise(View { types: view.types, ty: &field.ty }, &mut zero, scalar);
                        map.insert(field.name.clone(), zero);
                    }
                    Empty::Null if here.is_none() => {
                        map.insert(field.name.clone(), Value::Null);
                    }
                    _ => {}
                }
            }
        }
        (Type::Map(_), Value::Object(map)) => {
            for (name, inner) in map {
                if let Some(view) = view.field(name) {
                    fill(view, inner);
                    normalise(view, inner, scalar);
                }
            }
        }
        (Type::List(_), Value::Array(items)) => {
            let Some(view) = view.items() else { return };
            for item in items {
                fill(view, item);
                normalise(view, item, scalar);
            }
        }
        (Type::Any | Type::Object(_) | Type::Map(_) | Type::List(_), _) => {}
        (ty, value) => scalar(ty, value),
    }
}

/// Items and entries cannot be absent: `null` is the zero value.
fn fill(view: View<'_>, value: &mut Value) {
    if value.is_null() {
        *value = zero(view.ty);
    }
}

/// The value that Go gives what was never set.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::String => Value::String(String::new()),
        Type::Integer(_) | Type::Number | Type::IntOrString => Value::from(0),
        Type::Boolean => Value::Bool(false),
        Type::Quantity => Value::String("0".to_owned()),
        Type::Duration => Value::String("0s".to_owned()),
        Type::Object(_) => Value::Object(Map::new()),
        Type::Any | Type::Bytes | Type::Time | Type::MicroTime | Type::Map(_) | Type::List(_) => {
            Value::Null
        }
    }
}
