// SPDX-License-Identifier: Apache-2.0
//! How server-side apply looks at a value: owned as one, or as a container of fields or items.

use schema::{ListKind, ObjectType, Type, View};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::path::Step;

static ANY: Type = Type::Any;

/// One value's shape.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// Not a container.
    Scalar,
    /// A container that is owned as one value.
    Atomic,
    /// A structure.
    Structure(&'a ObjectType),
    /// A map, whose values have that type.
    Map(&'a Type),
    /// A set of scalars.
    Set(&'a Type),
    /// A list whose items are told apart by these fields.
    Keyed(&'a Type, &'a [String]),
    /// Null, of a type that is not known: whatever the other side is.
    Unknown,
}

impl Shape<'_> {
    /// Whether both sides of a comparison would be walked the same way. Sides of a known type always are.
    pub(super) fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// The shape of a value of that type.
pub(super) fn shape<'a>(view: View<'a>, value: Option<&Value>) -> Shape<'a> {
    match view.ty {
        Type::Object(id) => {
            let object = view.types.get(*id);
            if object.atomic { Shape::Atomic } else { Shape::Structure(object) }
        }
        Type::Map(map) if map.atomic => Shape::Atomic,
        Type::Map(map) => Shape::Map(&map.values),
        Type::List(list) => match &list.kind {
            ListKind::Atomic => Shape::Atomic,
            ListKind::Set => Shape::Set(&list.items),
            ListKind::Map(keys) => Shape::Keyed(&list.items, keys),
        },
        // A type that is deduced: maps are granular, lists atomic.
        Type::Any => match value {
            None | Some(Value::Null) => Shape::Unknown,
            Some(Value::Object(_)) => Shape::Map(&ANY),
            Some(Value::Array(_)) => Shape::Atomic,
            Some(_) => Shape::Scalar,
        },
        _ => Shape::Scalar,
    }
}

/// The view of a field, and whether the type declares it.
pub(super) fn field<'a>(view: View<'a>, shape: Shape<'a>, name: &str) -> (View<'a>, bool) {
    let (ty, declared) = match shape {
        Shape::Structure(object) => match object.field(name) {
            Some(field) => (&field.ty, true),
            None => (&ANY, false),
        },
        Shape::Map(values) => (values, false),
        _ => (&ANY, false),
    };
    (View { types: view.types, ty }, declared)
}

/// The view of items.
pub(super) fn item<'a>(view: View<'a>, items: &'a Type) -> View<'a> {
    View { types: view.types, ty: items }
}

/// What identifies an item of a set or keyed list.
pub(super) fn step(view: View<'_>, shape: Shape<'_>, value: &Value) -> Result<Step, String> {
    match shape {
        Shape::Keyed(items, keys) => {
            let fields = match value {
                Value::Object(fields) => fields,
                Value::Null => {
                    return Err("associative list with keys may not have a null element".to_owned());
                }
                _ => {
                    return Err(
                        "associative list with keys may not have non-map elements".to_owned()
                    );
                }
            };
            key_step(item(view, items), keys, fields)
        }
        _ => match value {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null"
                    .to_owned())
            }
            scalar => Ok(Step::Value(Arc::new(scalar.clone()))),
        },
    }
}

fn key_step(items: View<'_>, keys: &[String], fields: &Map<String, Value>) -> Result<Step, String> {
    let mut found: Vec<(String, Value)> = Vec::with_capacity(keys.len());
    for key in keys {
        let default = || {
            items
                .object()
                .and_then(|object| object.field(key))
                .and_then(|field| field.default.as_ref())
        };
        // A key field that is absent and has no default makes an identity of its own.
        if let Some(value) = fields.get(key).or_else(default) {
            found.push((key.clone(), value.clone()));
        }
    }
    if found.is_empty() && !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values \
             for any key fields)",
            keys.join(" ")
        ));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(Step::Key(found.into()))
}
