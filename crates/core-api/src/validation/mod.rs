// SPDX-License-Identifier: Apache-2.0
//! What is refused, in Kubernetes' words, where several kinds refuse the same.
//!
//! Covered is what Berth acts on and what clients commonly get wrong (design.md 5); other fields round-trip as they are.

pub(crate) mod container;
pub(crate) mod pod;
pub(crate) mod pod_defaults;
pub(crate) mod probe;
pub(crate) mod quantities;
pub(crate) mod template;
pub(crate) mod volume;

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

use crate::object::{items, map, number, text};

/// Refuses a negative number.
pub(crate) fn not_negative(object: &Value, path: &Path, field: &str, errors: &mut ErrorList) {
    if let Some(found) = number(object, &format!("/{field}")).filter(|found| *found < 0) {
        errors.push(Error::invalid(
            &path.child(field),
            found,
            "must be greater than or equal to 0",
        ));
    }
}

/// Refuses a change of the value at a pointer.
pub(crate) fn immutable(new: &Value, old: &Value, pointer: &str, errors: &mut ErrorList) {
    let (now, before) = (new.pointer(pointer), old.pointer(pointer));
    if now != before {
        let value = now.cloned().unwrap_or(Value::Null);
        errors.push(Error::invalid(&path_of(pointer), value, "field is immutable"));
    }
}

/// Refuses a text that is none of these; an empty one is required.
pub(crate) fn one_of(
    object: &Value,
    path: &Path,
    field: &str,
    known: &[&str],
    errors: &mut ErrorList,
) {
    match text(object, &format!("/{field}")) {
        "" => errors.push(Error::required(&path.child(field), "")),
        found if known.contains(&found) => {}
        found => errors.push(Error::not_supported(&path.child(field), found, known)),
    }
}

/// As [`one_of`], where an absent text is fine.
pub(crate) fn one_of_or_none(
    object: &Value,
    path: &Path,
    field: &str,
    known: &[&str],
    errors: &mut ErrorList,
) {
    if !text(object, &format!("/{field}")).is_empty() {
        one_of(object, path, field, known, errors);
    }
}

/// A pointer as a field path.
pub(crate) fn path_of(pointer: &str) -> Path {
    pointer.split('/').skip(1).fold(Path::root(), |path, step| path.child(step))
}

/// A `metav1.LabelSelector` object.
pub(crate) fn label_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    for (key, value) in map(selector, "/matchLabels").into_iter().flatten() {
        let path = path.child("matchLabels");
        errors.invalid_each(&path, key, api::names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&path, value, api::names::label_value(value));
    }
    for (at, one) in items(selector, "/matchExpressions").iter().enumerate() {
        let path = path.child("matchExpressions").index(at);
        let values = items(one, "/values");
        match text(one, "/operator") {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(Error::required(&path.child("values"), detail));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(&path.child("values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(Error::invalid(
                &path.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        let key = text(one, "/key");
        errors.invalid_each(&path.child("key"), key, api::names::qualified_name(key));
    }
}

/// A whole number or a percentage that is not negative.
pub(crate) fn int_or_percent(value: &Value, path: &Path, errors: &mut ErrorList) {
    match value {
        Value::String(text) => errors.invalid_each(path, text, api::names::percent(text)),
        Value::Number(_) => {
            if let Some(found) = value.as_i64().filter(|found| *found < 0) {
                errors.push(Error::invalid(path, found, "must be greater than or equal to 0"));
            }
        }
        _ => {}
    }
}

/// The number in a whole number or a percentage.
pub(crate) fn amount(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::String(text)) => text.trim_end_matches('%').parse().unwrap_or(0),
        Some(value) => value.as_i64().unwrap_or(0),
        None => 0,
    }
}
