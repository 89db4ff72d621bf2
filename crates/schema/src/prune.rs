// SPDX-License-Identifier: Apache-2.0
//! Fields that a schema does not know: found, or taken away.

use serde_json::Value;

use crate::json::MAX_REPORTED;
use crate::path::Path;
use crate::{ObjectType, Type, View};

/// The paths of fields that the schema does not know; at most [`MAX_REPORTED`].
#[must_use]
pub fn unknown_fields(view: View<'_>, value: &Value) -> Vec<String> {
    let mut walk = Finder { path: Path::default(), found: Vec::new() };
    walk.value(view, value);
    walk.found
}

/// Takes away fields that the schema does not know. Gives the paths of (the first [`MAX_REPORTED`] of) them.
pub fn prune(view: View<'_>, value: &mut Value) -> Vec<String> {
    let found = unknown_fields(view, value);
    if !found.is_empty() {
        remove(view, value);
    }
    found
}

/// Whether an object of that type keeps a field that is not among its fields.
fn keeps(object: &ObjectType, name: &str) -> bool {
    object.preserve_unknown
        || (object.embedded_resource && matches!(name, "apiVersion" | "kind" | "metadata"))
}

struct Finder {
    path: Path,
    found: Vec<String>,
}

impl Finder {
    fn value(&mut self, view: View<'_>, value: &Value) {
        match (view.ty, value) {
            (Type::Object(id), Value::Object(map)) => {
                let object = view.types.get(*id);
                for (name, inner) in map {
                    let before = self.path.field(name);
                    match view.field(name) {
                        Some(view) => self.value(view, inner),
                        None if keeps(object, name) || self.found.len() >= MAX_REPORTED => {}
                        None => self.found.push(self.path.text()),
                    }
                    self.path.leave(before);
                }
            }
            (Type::Map(_), Value::Object(map)) => {
                for (name, inner) in map {
                    let before = self.path.field(name);
                    if let Some(view) = view.field(name) {
                        self.value(view, inner);
                    }
                    self.path.leave(before);
                }
            }
            (Type::List(_), Value::Array(items)) => {
                let Some(view) = view.items() else { return };
                for (at, item) in items.iter().enumerate() {
                    let before = self.path.index(at);
                    self.value(view, item);
                    self.path.leave(before);
                }
            }
            _ => {}
        }
    }
}

fn remove(view: View<'_>, value: &mut Value) {
    match (view.ty, value) {
        (Type::Object(id), Value::Object(map)) => {
            let object = view.types.get(*id);
            map.retain(|name, inner| match view.field(name) {
                Some(view) => {
                    remove(view, inner);
                    true
                }
                None => keeps(object, name),
            });
        }
        (Type::Map(_), Value::Object(map)) => {
            for (name, inner) in map {
                if let Some(view) = view.field(name) {
                    remove(view, inner);
                }
            }
        }
        (Type::List(_), Value::Array(items)) => {
            let Some(view) = view.items() else { return };
            for item in items {
                remove(view, item);
            }
        }
        _ => {}
    }
}
