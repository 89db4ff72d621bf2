// SPDX-License-Identifier: Apache-2.0
//! Config maps, and the rules of keys that secrets share.

use api::field::{Error, ErrorList, Path};
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{integer, with_name_and_age};
use crate::define::Define;
use crate::object::{entries, flag, has, map};
use crate::rules::Rules;

/// Most bytes of all values together.
pub(super) const MAX_SIZE: usize = 1 << 20;

pub(super) fn resource(parts: &Parts) -> Resource {
    let mut data = integer("Data", |object| {
        i64::try_from(entries(object, "/data") + entries(object, "/binaryData")).unwrap_or(i64::MAX)
    });
    data.kind = "string";
    Define::new("", "v1", "ConfigMap", "configmaps")
        .short(&["cm"])
        .columns(with_name_and_age([data]))
        .stored(&parts.storage, "configmaps", Rules { validate, ..Rules::PLAIN })
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    if let Some(old) = old {
        frozen(object, old, &["data", "binaryData"], errors);
    }
    let mut size = 0;
    for (key, value) in map(object, "/data").into_iter().flatten() {
        check_key("data", key, errors);
        if has(object, &format!("/binaryData/{}", escaped(key))) {
            let path = Path::new("data").key(key);
            errors.push(Error::invalid(
                &path,
                key.as_str(),
                "duplicate of key present in binaryData",
            ));
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in map(object, "/binaryData").into_iter().flatten() {
        check_key("binaryData", key, errors);
        size += decoded_size(value);
    }
    if size > MAX_SIZE {
        errors.push(Error::too_long(&Path::root().child(""), MAX_SIZE));
    }
}

/// The key as a step of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// One key of `data`.
pub(super) fn check_key(field: &str, key: &str, errors: &mut ErrorList) {
    errors.invalid_each(&Path::new(field).key(key), key, api::names::config_map_key(key));
}

/// The bytes that base64 text stands for.
pub(super) fn decoded_size(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// What is marked immutable stays as it is, the mark included.
pub(super) fn frozen(object: &Value, old: &Value, fields: &[&str], errors: &mut ErrorList) {
    if !flag(old, "/immutable") {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    if !flag(object, "/immutable") {
        errors.push(Error::forbidden(&Path::new("immutable"), detail));
    }
    for field in fields {
        if object.get(*field) != old.get(*field) {
            errors.push(Error::forbidden(&Path::new(*field), detail));
        }
    }
}
