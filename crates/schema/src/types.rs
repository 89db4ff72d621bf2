// SPDX-License-Identifier: Apache-2.0
//! Whether values have the JSON types that a schema says, in the words of Go's decoder.
//!
//! (A custom resource's violations are worded differently; they are the business of its own validation.)

use serde_json::Value;

use crate::model::Type;
use crate::{Types, View};

/// A value of the wrong type. Displayed as kube-apiserver does, for example
/// `json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("json: cannot unmarshal {found} into Go {place}")]
pub struct TypeError {
    /// Where, in full: `spec.containers[0].name`.
    pub path: String,
    found: String,
    place: String,
}

/// The first value of a wrong type, if there is one. `null` is of every type: it means absence.
///
/// Formats inside strings (quantities, times, base64) are not looked at.
///
/// # Errors
/// With that value's place.
pub fn check_types(view: View<'_>, value: &Value) -> Result<(), TypeError> {
    let root = Place { structure: "", fields: Vec::new(), path: String::new() };
    check(view, value, &root)
}

#[derive(Clone)]
struct Place<'a> {
    /// The innermost structure's name in Go.
    structure: &'a str,
    fields: Vec<&'a str>,
    path: String,
}

fn check(view: View<'_>, value: &Value, place: &Place<'_>) -> Result<(), TypeError> {
    if value.is_null() {
        return Ok(());
    }
    let wrong = || {
        let ty = go_name(view.types, view.ty);
        let place_text = if place.fields.is_empty() {
            format!("value of type {ty}")
        } else {
            format!("struct field {}.{} of type {ty}", place.structure, place.fields.join("."))
        };
        Err(TypeError { path: place.path.clone(), found: found(view.ty, value), place: place_text })
    };
    match (view.ty, value) {
        (Type::Object(id), Value::Object(map)) => {
            let object = view.types.get(*id);
            for (name, inner) in map {
                let Some(field) = object.field(name) else { continue };
                let mut here = place.clone();
                here.structure = short(&object.name);
                here.fields.push(&field.name);
                here.path = join(&place.path, name);
                check(View { types: view.types, ty: &field.ty }, inner, &here)?;
            }
            Ok(())
        }
        (Type::Map(map), Value::Object(entries)) => {
            for (name, inner) in entries {
                let here = Place { path: join(&place.path, name), ..place.clone() };
                check(View { types: view.types, ty: &map.values }, inner, &here)?;
            }
            Ok(())
        }
        (Type::List(list), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                let here = Place { path: format!("{}[{at}]", place.path), ..place.clone() };
                check(View { types: view.types, ty: &list.items }, item, &here)?;
            }
            Ok(())
        }
        (Type::Integer(bits), Value::Number(number)) => {
            let whole = number.as_i64();
            let fits = whole.is_some_and(|it| *bits == 64 || i32::try_from(it).is_ok());
            if fits { Ok(()) } else { wrong() }
        }
        (Type::Any, _)
        | (
            Type::String
            | Type::Bytes
            | Type::Quantity
            | Type::IntOrString
            | Type::Time
            | Type::MicroTime
            | Type::Duration,
            Value::String(_),
        )
        | (Type::Quantity | Type::Number, Value::Number(_))
        | (Type::Boolean, Value::Bool(_)) => Ok(()),
        (Type::IntOrString, Value::Number(number)) => {
            if number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()) {
                Ok(())
            } else {
                wrong()
            }
        }
        _ => wrong(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn found(ty: &Type, value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
        // Go names the number only where a number is wanted.
        Value::Number(it) if matches!(ty, Type::Integer(_) | Type::IntOrString) => {
            format!("number {it}")
        }
        Value::Number(_) => "number".to_owned(),
    }
}

/// `Pod` of `io.k8s.api.core.v1.Pod`.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn go_name(types: &Types, ty: &Type) -> String {
    match ty {
        Type::Any => "interface {}".to_owned(),
        Type::String | Type::Time | Type::MicroTime | Type::Duration | Type::Quantity => {
            "string".to_owned()
        }
        Type::Bytes => "[]uint8".to_owned(),
        Type::Integer(bits) => format!("int{bits}"),
        Type::IntOrString => "int32".to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Object(id) => {
            let name = &types.get(*id).name;
            let mut parts = name.rsplitn(3, '.');
            match (parts.next(), parts.next()) {
                (Some(name), Some(package)) => format!("{package}.{name}"),
                _ => name.clone(),
            }
        }
        Type::Map(map) => format!("map[string]{}", go_name(types, &map.values)),
        Type::List(list) => format!("[]{}", go_name(types, &list.items)),
    }
}
