// SPDX-License-Identifier: Apache-2.0
//! Pod templates and the selectors that go with them.

use api::field::{Error, ErrorList, Path};
use api::selector::LabelSelector;
use serde_json::{Value, json};

use super::{label_selector, pod, pod_defaults};
use crate::object::{entries, has, items, map, number, text};

/// Fills in the template at a pointer of an object.
pub(crate) fn defaults(object: &mut Value, pointer: &str) {
    if let Some(template) = object.pointer_mut(pointer).filter(|template| template.is_object()) {
        crate::object::default(template, "metadata", json!({}));
        if let Some(spec) = template.get_mut("spec") {
            pod_defaults::spec(spec);
        }
    }
}

/// A template by itself.
pub(crate) fn template(template: &Value, path: &Path, more: &[&str], errors: &mut ErrorList) {
    for (key, value) in map(template, "/metadata/labels").into_iter().flatten() {
        let path = path.child("labels");
        errors.invalid_each(&path, key, api::names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&path, value, api::names::label_value(value));
    }
    for key in map(template, "/metadata/annotations").into_iter().flat_map(serde_json::Map::keys) {
        errors.invalid_each(
            &path.child("annotations"),
            key,
            api::names::qualified_name(&key.to_lowercase()),
        );
    }
    let nothing = json!({});
    let spec = template.get("spec").filter(|spec| spec.is_object()).unwrap_or(&nothing);
    pod::spec(spec, &path.child("spec"), more, errors);
}

/// Selector and template of a workload: the selector must be there, select something, and select the template.
/// `kind` is what the refusal of an empty selector calls it.
pub(crate) fn selected(spec: &Value, kind: &str, more: &[&str], errors: &mut ErrorList) {
    let path = Path::new("spec");
    let selector = spec.get("selector").filter(|selector| !selector.is_null());
    let at_selector = path.child("selector");
    match selector {
        None => errors.push(Error::required(&at_selector, "")),
        Some(selector) => {
            label_selector(selector, &at_selector, errors);
            if entries(selector, "/matchLabels") + items(selector, "/matchExpressions").len() == 0 {
                let detail = format!("empty selector is invalid for {kind}");
                errors.push(Error::invalid(&at_selector, selector.clone(), detail));
            }
        }
    }
    let Ok(parsed) = LabelSelector::from_object(selector) else {
        let value = selector.cloned().unwrap_or(Value::Null);
        return errors.push(Error::invalid(&at_selector, value, "invalid label selector"));
    };
    let Some(found) = spec.get("template").filter(|template| !template.is_null()) else {
        return errors.push(Error::required(&path.child("template"), ""));
    };
    mismatch(&parsed, found, &path.child("template"), errors);
    template(found, &path.child("template"), more, errors);
}

/// A selector that does not select its own template.
pub(crate) fn mismatch(
    selector: &LabelSelector,
    template: &Value,
    path: &Path,
    errors: &mut ErrorList,
) {
    if selector.requirements().is_empty() {
        return;
    }
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or(Value::Null);
    let nothing = serde_json::Map::new();
    if !selector.matches(labels.as_object().unwrap_or(&nothing)) {
        let path = path.child("metadata").child("labels");
        errors.push(Error::invalid(&path, labels, "`selector` does not match template `labels`"));
    }
}

/// Pods of a workload that keeps them running are always restarted and have no deadline.
pub(crate) fn always(template: &Value, kind: &str, errors: &mut ErrorList) {
    let path = Path::new("spec").child("template").child("spec");
    let policy = text(template, "/spec/restartPolicy");
    if policy != "Always" {
        errors.push(Error::not_supported(&path.child("restartPolicy"), policy, &["Always"]));
    }
    if has(template, "/spec/activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(Error::forbidden(&path.child("activeDeadlineSeconds"), detail));
    }
}

/// Numbers of a status that cannot be negative nor above the number of replicas.
pub(crate) fn replica_counts(status: &Value, bounded: &[&str], errors: &mut ErrorList) {
    let path = Path::new("status");
    let replicas = number(status, "/replicas").unwrap_or(0);
    for field in ["observedGeneration", "replicas"].iter().chain(bounded) {
        super::not_negative(status, &path, field, errors);
    }
    for field in bounded {
        if let Some(found) = number(status, &format!("/{field}")).filter(|found| *found > replicas)
        {
            errors.push(Error::invalid(
                &path.child(field),
                found,
                "cannot be greater than status.replicas",
            ));
        }
    }
}
