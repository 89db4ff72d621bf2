// SPDX-License-Identifier: Apache-2.0
//! node.k8s.io/v1: runtime classes.

use api::field::{Error, ErrorList, Path};
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, with_name_and_age};
use crate::define::Define;
use crate::object::text;
use crate::rules::Rules;
use crate::validation::immutable;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses")
            .columns(with_name_and_age([at("Handler", "/handler")]))
            .stored(&parts.storage, "runtimeclasses", Rules { validate, ..Rules::PLAIN }),
    ]
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let handler = text(object, "/handler");
    if handler.is_empty() {
        errors.push(Error::required(&Path::new("handler"), ""));
    } else {
        errors.invalid_each(&Path::new("handler"), handler, api::names::dns1123_label(handler));
    }
    if let Some(old) = old {
        immutable(object, old, "/handler", errors);
    }
}
