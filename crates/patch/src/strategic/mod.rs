// SPDX-License-Identifier: Apache-2.0
//! Strategic merge patch: a merge patch that knows the type of the object, and so merges lists item by item.
//!
//! | in the patch | does |
//! |---|---|
//! | `"$patch": "replace"` in an object | the object replaces the old one |
//! | `"$patch": "delete"` in an object | the old one becomes empty; with a merge key in a list item: the item goes |
//! | `"$patch": "replace"` in a list item | the patch's list replaces the old one |
//! | `"$retainKeys": […]` in an object | only these keys of the old object stay |
//! | `"$deleteFromPrimitiveList/f": […]` | these scalars leave the list `f` |
//! | `"$setElementOrder/f": […]` | the order of the list `f` (scalars, or objects with only the merge key) |
//!
//! `schema::PatchStrategy` says how each field merges. Where nothing is known of a value, objects merge and lists are
//! replaced; kube-apiserver answers 500 there.
//!
//! Order of a merged list: items that the patch (or `$setElementOrder`) names stand in its order; the others keep theirs,
//! each placed before the first named item that followed it in the old list.

mod error;
mod lists;
mod order;

use schema::{PatchStrategy, Type, View};
use serde_json::{Map, Value};

use crate::{MAX_DEPTH, deeper_than};

pub use error::Error;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

type Object = Map<String, Value>;

/// Applies `patch` to `object`, whose type `view` describes. Both are consumed, so that nothing is copied.
///
/// # Errors
/// When the patch is malformed or does not fit the object.
pub fn apply(view: View<'_>, object: Value, patch: Value) -> Result<Value, Error> {
    if deeper_than(&patch, MAX_DEPTH) || deeper_than(&object, MAX_DEPTH) {
        return Err(Error::TooDeep);
    }
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            merge_object(Some(view), object, patch).map(Value::Object)
        }
        _ => Err(Error::NotAnObject),
    }
}

static DEFAULT: PatchStrategy =
    PatchStrategy { merge: false, retain_keys: false, replace: false, merge_key: None };

/// What is known of one field: its type, and how it merges.
struct Known<'a> {
    view: Option<View<'a>>,
    strategy: &'a PatchStrategy,
}

fn lookup<'a>(view: Option<View<'a>>, name: &str) -> Known<'a> {
    let field = view.and_then(View::object).and_then(|object| object.field(name));
    let view = view.and_then(|view| view.field(name));
    let strategy = match (view.map(|view| view.ty), field) {
        (Some(Type::List(list)), _) => &list.patch,
        (_, Some(field)) => &field.patch,
        _ => &DEFAULT,
    };
    Known { view, strategy }
}

impl<'a> Known<'a> {
    fn items(&self) -> Option<View<'a>> {
        self.view.and_then(View::items)
    }

    /// The merge key; empty for a list of scalars.
    fn key(&self) -> &'a str {
        self.strategy.merge_key.as_deref().unwrap_or("")
    }
}

fn merge_object(
    view: Option<View<'_>>,
    mut old: Object,
    mut patch: Object,
) -> Result<Object, Error> {
    match patch.remove(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => return Ok(patch),
        Some(Value::String(directive)) if directive == "delete" => return Ok(Object::new()),
        Some(directive) => return Err(Error::directive(directive, patch)),
    }
    retain_keys(&mut old, &mut patch)?;
    set_orders(view, &mut old, &mut patch)?;

    for (name, new) in patch {
        let deletion = match name.strip_prefix(DELETE_FROM) {
            None => None,
            Some(rest) => Some(rest.strip_prefix('/').ok_or(Error::PrimitiveList)?.to_owned()),
        };
        let (name, deletes) = match deletion {
            Some(list) => (list, true),
            None => (name, false),
        };
        if new.is_null() {
            old.remove(&name);
            continue;
        }
        let known = lookup(view, &name);
        match (old.get_mut(&name), new) {
            (Some(Value::Object(value)), Value::Object(new)) => {
                *value = if known.strategy.replace {
                    new
                } else {
                    merge_object(known.view, std::mem::take(value), new)?
                };
            }
            (Some(Value::Array(items)), Value::Array(new)) => {
                *items = if deletes || known.strategy.merge {
                    lists::merge(&known, std::mem::take(items), new, deletes)?
                } else {
                    new
                };
            }
            // There is no list to delete from.
            (old, new) if deletes && !same_scalar_kind(old.as_deref(), &new) => {}
            (Some(value), new) if same_scalar_kind(Some(value), &new) => *value = new,
            (_, mut new) => {
                drop_nulls(&mut new);
                if drop_directives(&mut new) {
                    old.insert(name, new);
                } else {
                    old.remove(&name);
                }
            }
        }
    }
    Ok(old)
}

/// Whether both are scalars of one Go type.
fn same_scalar_kind(old: Option<&Value>, new: &Value) -> bool {
    match (old, new) {
        (Some(Value::String(_)), Value::String(_)) | (Some(Value::Bool(_)), Value::Bool(_)) => true,
        (Some(Value::Number(old)), Value::Number(new)) => old.is_f64() == new.is_f64(),
        _ => false,
    }
}

/// `$retainKeys`: of the old object only these stay, and the patch must not set others.
fn retain_keys(old: &mut Object, patch: &mut Object) -> Result<(), Error> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(Error::RetainKeys) };
    let keys: std::collections::HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let directive = |name: &str| name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
    if patch
        .iter()
        .any(|(name, new)| !new.is_null() && !directive(name) && !keys.contains(name.as_str()))
    {
        return Err(Error::RetainKeys);
    }
    old.retain(|name, _| keys.contains(name.as_str()));
    Ok(())
}

/// `$setElementOrder/f`: merges the list `f` of the patch, if there is one, and puts the result in order.
fn set_orders(view: Option<View<'_>>, old: &mut Object, patch: &mut Object) -> Result<(), Error> {
    let directives: Vec<String> =
        patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => return Err(Error::expected_list(&other.unwrap_or_default())),
        };
        let name = directive[SET_ORDER.len()..].strip_prefix('/').ok_or(Error::SetElementOrder)?;
        let list = |value: &mut Value| match value {
            Value::Array(items) => Ok(std::mem::take(items)),
            other => Err(Error::expected_list(other)),
        };
        let before = old.get_mut(name).map(list).transpose()?;
        let new = patch.get_mut(name).map(list).transpose()?;
        let known = lookup(view, name);
        order::validate(new.as_deref().unwrap_or_default(), &order, known.key())?;
        if before.is_none() && new.is_none() {
            continue;
        }
        patch.remove(name);
        let merged = lists::merge_in_order(&known, before, new, &order)?;
        old.insert(name.to_owned(), Value::Array(merged));
    }
    Ok(())
}

/// Removes what carries `$patch` from a value that is new to the object. False if the value itself does.
fn drop_directives(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            if fields.contains_key(PATCH) {
                return false;
            }
            fields.retain(|_, value| drop_directives(value));
        }
        Value::Array(items) => items.retain_mut(drop_directives),
        _ => {}
    }
    true
}

/// Removes fields that are null, at any depth.
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
