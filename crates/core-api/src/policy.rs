// SPDX-License-Identifier: Apache-2.0
//! policy/v1: disruption budgets.

use api::field::{Error, ErrorList, Path};
use apimachinery::resource::Resource;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{column, integer_at, with_name_and_age};
use crate::define::Define;
use crate::object::{has, plain};
use crate::rules::Rules;
use crate::validation::{int_or_percent, label_selector};

/// The storage key.
pub(crate) const BUDGETS: &str = "poddisruptionbudgets";

pub(crate) const BUDGET_RULES: Rules = Rules {
    prepare: |_, object, old| {
        if old.is_none() {
            object["status"] = json!({
                "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
            });
        }
    },
    validate,
    ..Rules::REPORTED
};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let bound = |pointer: &'static str| {
        move |object: &Value| {
            object.pointer(pointer).filter(|v| !v.is_null()).map_or_else(|| "N/A".to_owned(), plain)
        }
    };
    vec![
        Define::new("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
            .short(&["pdb"])
            .columns(with_name_and_age([
                column("Min Available", bound("/spec/minAvailable")),
                column("Max Unavailable", bound("/spec/maxUnavailable")),
                integer_at("Allowed Disruptions", "/status/disruptionsAllowed"),
            ]))
            .stored(&parts.storage, BUDGETS, BUDGET_RULES),
    ]
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    if has(object, "/spec/minAvailable") && has(object, "/spec/maxUnavailable") {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.push(Error::invalid(&path, object["spec"].clone(), detail));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        int_or_percent(&object["spec"][field], &path.child(field), errors);
    }
    if let Some(selector) = object.pointer("/spec/selector").filter(|selector| !selector.is_null())
    {
        label_selector(selector, &path.child("selector"), errors);
    }
}
