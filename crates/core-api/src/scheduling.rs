// SPDX-License-Identifier: Apache-2.0
//! scheduling.k8s.io/v1: priority classes.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, boolean, integer_at};
use crate::define::Define;
use crate::object::{default_text, flag, number};
use crate::rules::Rules;
use crate::validation::immutable;

/// The highest value that users may give.
const HIGHEST: i64 = 1_000_000_000;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses")
            .short(&["pc"])
            .columns([
                apimachinery::table::Column::object_name(),
                integer_at("Value", "/value"),
                boolean("Global-Default", |object| flag(object, "/globalDefault")),
                apimachinery::table::Column::age(),
                at("PreemptionPolicy", "/preemptionPolicy"),
            ])
            .stored(
                &parts.storage,
                "priorityclasses",
                Rules {
                    generation: true,
                    prepare: |_, object, _| {
                        default_text(object, "preemptionPolicy", "PreemptLowerPriority");
                    },
                    validate,
                    ..Rules::PLAIN
                },
            ),
    ]
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let name = meta::name(object);
    if name.starts_with("system-") {
        if !matches!(name, "system-node-critical" | "system-cluster-critical") {
            let detail = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            let detail = format!("{detail}{name} is not a known system priority class");
            errors.push(Error::forbidden(&Path::new("metadata").child("name"), detail));
        }
    } else if number(object, "/value").is_some_and(|value| value > HIGHEST) {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.push(Error::forbidden(&Path::new("value"), detail));
    }
    if let Some(old) = old {
        immutable(object, old, "/value", errors);
        immutable(object, old, "/preemptionPolicy", errors);
    }
}
