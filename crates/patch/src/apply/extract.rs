// SPDX-License-Identifier: Apache-2.0
//! The fields that an object sets, and what is wrong with an applied configuration.

use std::fmt::Write as _;

use schema::{Type, View};
use serde_json::Value;

use super::path::Step;
use super::set::Set;
use super::shape::{Shape, field, item, shape, step};
use crate::text::{Plain, go_type};

/// How many problems of one configuration are told.
const MAX_PROBLEMS: usize = 100;

/// The fields that `value` sets: scalars and atomic containers, entries of maps, items of lists, and fields that are null
/// or an empty object.
///
/// # Errors
/// With the reason, when a list's item cannot be told apart from others.
pub(super) fn field_set(view: View<'_>, value: &Value) -> Result<Set, String> {
    Ok(extract(view, value)?.1)
}

/// Whether the value is a leaf, and the fields inside.
fn extract(view: View<'_>, value: &Value) -> Result<(bool, Set), String> {
    let mut set = Set::default();
    let shape = shape(view, Some(value));
    match (shape, value) {
        (Shape::Scalar | Shape::Atomic, _) => return Ok((true, set)),
        (Shape::Structure(_) | Shape::Map(_), Value::Object(fields)) => {
            for (name, value) in fields {
                let (child, declared) = field(view, shape, name);
                let (leaf, inner) = extract(child, value)?;
                let empty =
                    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                set.graft(&Step::field(name), leaf || empty || !declared, inner);
            }
        }
        (Shape::Set(items) | Shape::Keyed(items, _), Value::Array(list)) => {
            let steps =
                list.iter().map(|value| step(view, shape, value)).collect::<Result<Vec<_>, _>>()?;
            let mut seen = Set::default();
            let mut twice = Set::default();
            for step in &steps {
                let node = seen.node(step);
                if node.member {
                    twice.node(step).member = true;
                }
                node.member = true;
            }
            for (step, value) in steps.into_iter().zip(list) {
                // Items that cannot be told apart are owned as one.
                let inner = if twice.get(&step).is_some() {
                    Set::default()
                } else {
                    extract(item(view, items), value)?.1
                };
                set.graft(&step, true, inner);
            }
        }
        _ => {}
    }
    Ok((false, set))
}

/// Everything about `value` that its type does not allow, as lines `path: message`.
pub(super) fn problems(view: View<'_>, value: &Value, duplicates: bool) -> Vec<String> {
    let mut walker = Problems { path: String::new(), found: Vec::new(), duplicates };
    walker.check(view, value);
    walker.found
}

struct Problems {
    path: String,
    found: Vec<String>,
    duplicates: bool,
}

impl Problems {
    fn tell(&mut self, message: &str) {
        if self.found.len() < MAX_PROBLEMS {
            let colon = if self.path.is_empty() { "" } else { ": " };
            self.found.push(format!("{}{colon}{message}", self.path));
        }
    }

    fn inside(&mut self, step: &dyn std::fmt::Display, view: View<'_>, value: &Value) {
        let length = self.path.len();
        // Writing to a string cannot fail.
        let _ = write!(self.path, "{step}");
        self.check(view, value);
        self.path.truncate(length);
    }

    fn check(&mut self, view: View<'_>, value: &Value) {
        if value.is_null() {
            return;
        }
        match view.ty {
            Type::Object(_) | Type::Map(_) => self.check_map(view, value),
            Type::List(_) => self.check_list(view, value),
            Type::Any => {}
            _ => self.check_scalar(view.ty, value),
        }
    }

    fn check_map(&mut self, view: View<'_>, value: &Value) {
        let Value::Object(fields) = value else {
            return self.tell(&format!("expected map, got &{{{}}}", Plain(value)));
        };
        for (name, value) in fields {
            let known = view
                .object()
                .is_none_or(|object| object.preserve_unknown || object.field(name).is_some());
            if !known {
                let length = self.path.len();
                let _ = write!(self.path, ".{name}");
                self.tell("field not declared in schema");
                self.path.truncate(length);
                return;
            }
            if let Some(child) = view.field(name) {
                self.inside(&Step::field(name), child, value);
            }
        }
    }

    fn check_list(&mut self, view: View<'_>, value: &Value) {
        let Value::Array(list) = value else {
            return self.tell(&format!("expected list, got &{{{}}}", Plain(value)));
        };
        let Some(items) = view.items() else { return };
        let shape = shape(view, Some(value));
        let mut seen = Set::default();
        for (at, value) in list.iter().enumerate() {
            let step = if matches!(shape, Shape::Atomic) {
                Step::Index(i64::try_from(at).unwrap_or(i64::MAX))
            } else {
                match step(view, shape, value) {
                    Ok(step) => step,
                    Err(reason) => return self.tell(&format!("element {at}: {reason}")),
                }
            };
            let node = seen.node(&step);
            if node.member && !self.duplicates {
                self.tell(&format!("duplicate entries for key {step}"));
            }
            node.member = true;
            self.inside(&step, items, value);
        }
    }

    fn check_scalar(&mut self, ty: &Type, value: &Value) {
        let shown = || match value {
            Value::String(text) => format!("&value.valueUnstructured{{Value:{text:?}}}"),
            other => format!("&value.valueUnstructured{{Value:{}}}", Plain(other)),
        };
        match ty {
            Type::Integer(_) | Type::Number if !value.is_number() => {
                self.tell(&format!("expected numeric (int or float), got {}", go_type(value)));
            }
            Type::Boolean if !value.is_boolean() => {
                self.tell(&format!("expected boolean, got &{{{}}}", Plain(value)));
            }
            Type::String | Type::Bytes | Type::Time | Type::MicroTime | Type::Duration
                if !value.is_string() =>
            {
                self.tell(&format!("expected string, got {}", shown()));
            }
            Type::Quantity | Type::IntOrString if value.is_object() || value.is_array() => {
                self.tell(&format!("expected any scalar, got &{{{}}}", Plain(value)));
            }
            _ => {}
        }
    }
}
