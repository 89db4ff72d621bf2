// SPDX-License-Identifier: Apache-2.0
//! JSON merge patch, RFC 7386: null removes, objects merge, anything else replaces.
//!
//! One difference from the RFC is kube-apiserver's: where nothing, null or a non-object is replaced, nulls inside objects
//! inside the new value's lists vanish too.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{Answer, MAX_DEPTH, deeper_than};

/// Why a merge patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The patch is neither an object nor a list.
    #[error("Invalid JSON Patch")]
    NotAPatch,
    /// The object it is for is not an object.
    #[error("Invalid JSON Document")]
    NotAnObject,
    /// One of them is nested more than [`MAX_DEPTH`] deep.
    #[error("exceeded max depth")]
    TooDeep,
}

impl Error {
    /// How the request is answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::NotAPatch | Self::TooDeep => Answer::BadRequest,
            Self::NotAnObject => Answer::Internal,
        }
    }
}

/// Applies `patch` to `object`.
///
/// A patch that is a list becomes the result, as RFC 7386 demands; it then fails to decode as an object.
///
/// # Errors
/// When one of them cannot take part in a merge.
pub fn apply(object: Value, patch: Value) -> Result<Value, Error> {
    if deeper_than(&patch, MAX_DEPTH) || deeper_than(&object, MAX_DEPTH) {
        return Err(Error::TooDeep);
    }
    match (object, patch) {
        (_, mut patch @ Value::Array(_)) => {
            prune(&mut patch);
            Ok(patch)
        }
        (Value::Object(mut fields), Value::Object(patch)) => {
            merge(&mut fields, patch);
            Ok(Value::Object(fields))
        }
        (_, Value::Object(_)) => Err(Error::NotAnObject),
        _ => Err(Error::NotAPatch),
    }
}

fn merge(fields: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, mut new) in patch {
        if new.is_null() {
            fields.remove(&name);
            continue;
        }
        match (fields.get_mut(&name), new) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(old @ Value::Object(_)), new) => *old = new,
            (Some(old), value) => {
                new = value;
                prune(&mut new);
                *old = new;
            }
            (None, value) => {
                new = value;
                prune(&mut new);
                fields.insert(name, new);
            }
        }
    }
}

/// Removes fields that are null, at any depth; nulls that are items of lists stay.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|_, value| {
            prune(value);
            !value.is_null()
        }),
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
