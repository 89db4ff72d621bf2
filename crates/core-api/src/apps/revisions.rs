// SPDX-License-Identifier: Apache-2.0
//! Controller revisions: what stateful and daemon sets looked like.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{NONE, column, with_name_and_age};
use crate::define::Define;
use crate::object::number;
use crate::rules::Rules;
use crate::validation::not_negative;

pub(super) fn resource(parts: &Parts) -> Resource {
    let owner = |object: &Value| match meta::controller(object) {
        // As upstream prints it: `statefulset.apps/web`.
        Some(owner) => {
            let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
            let kind = owner.kind.to_lowercase();
            if group.is_empty() {
                format!("{kind}/{}", owner.name)
            } else {
                format!("{kind}.{group}/{}", owner.name)
            }
        }
        None => NONE.to_owned(),
    };
    Define::new("apps", "v1", "ControllerRevision", "controllerrevisions")
        .columns(with_name_and_age([
            column("Controller", owner),
            column("Revision", |object| number(object, "/revision").unwrap_or(0).to_string()),
        ]))
        .stored(&parts.storage, "controllerrevisions", Rules { validate, ..Rules::PLAIN })
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    not_negative(object, &Path::root(), "revision", errors);
    if let Some(old) = old
        && object.get("data") != old.get("data")
    {
        let value = object.get("data").cloned().unwrap_or_default();
        errors.push(Error::invalid(&Path::new("data"), value, "field is immutable"));
    }
}
