// SPDX-License-Identifier: Apache-2.0
//! Resource requests and limits: names, signs, requests not above limits.

use api::field::{Error, ErrorList, Path};
use api::quantity::Quantity;
use serde_json::Value;

use crate::object::map;

/// The resources that a container may name without a domain.
const PLAIN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// `resources` of a container.
pub(crate) fn container(resources: &Value, path: &Path, errors: &mut ErrorList) {
    let limits = map(resources, "/limits");
    for (name, value) in limits.into_iter().flatten() {
        one(name, value, &path.child("limits").key(name), errors);
    }
    for (name, value) in map(resources, "/requests").into_iter().flatten() {
        let path = path.child("requests").key(name);
        one(name, value, &path, errors);
        let limit = limits.and_then(|limits| limits.get(name));
        let (Ok(request), Some(Ok(limit))) =
            (Quantity::from_value(value), limit.map(Quantity::from_value))
        else {
            continue;
        };
        let path = Path::new(path.as_str().trim_end_matches(&format!("[{name}]")).to_owned());
        if request > limit {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(Error::invalid(&path, request.to_string(), detail));
        } else if is_extended(name) && request != limit {
            let detail = format!("must be equal to {name} limit of {limit}");
            errors.push(Error::invalid(&path, request.to_string(), detail));
        }
    }
}

fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

fn one(name: &str, value: &Value, path: &Path, errors: &mut ErrorList) {
    errors.invalid_each(path, name, api::names::qualified_name(name));
    if !name.contains('/') && !PLAIN.contains(&name) && !name.starts_with("hugepages-") {
        errors.push(Error::invalid(path, name, "must be a standard resource for containers"));
    }
    not_negative(value, path, errors);
}

/// Any amount of a resource list.
pub(crate) fn not_negative(value: &Value, path: &Path, errors: &mut ErrorList) {
    if let Ok(quantity) = Quantity::from_value(value)
        && quantity.signum() < 0
    {
        errors.push(Error::invalid(
            path,
            quantity.to_string(),
            "must be greater than or equal to 0",
        ));
    }
}
