// SPDX-License-Identifier: Apache-2.0
//! Pod specifications, as pods and everything with a pod template have them.

use std::collections::BTreeSet;

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::{container, one_of, volume};
use crate::object::{has, items, map, number, text};

/// What an update of a pod may change, as the refusal names it.
const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with a name.
type NameRule = fn(&str) -> Vec<String>;

/// A pod specification. `more` are volumes that will be there though the specification does not name them (claim
/// templates of stateful sets).
pub(crate) fn spec(spec: &Value, path: &Path, more: &[&str], errors: &mut ErrorList) {
    let mut volumes: BTreeSet<&str> =
        volume::all(items(spec, "/volumes"), &path.child("volumes"), errors);
    volumes.extend(more);
    container::regular(spec, &volumes, path, errors);
    container::init(spec, &volumes, path, errors);
    one_of(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"], errors);
    one_of(
        spec,
        path,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        errors,
    );
    for (key, value) in map(spec, "/nodeSelector").into_iter().flatten() {
        let path = path.child("nodeSelector");
        errors.invalid_each(&path, key, api::names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&path, value, api::names::label_value(value));
    }
    let named: [(&str, NameRule); 6] = [
        ("serviceAccountName", api::names::dns1123_subdomain),
        ("nodeName", api::names::dns1123_subdomain),
        ("hostname", api::names::dns1123_label),
        ("subdomain", api::names::dns1123_label),
        ("priorityClassName", api::names::dns1123_subdomain),
        ("runtimeClassName", api::names::dns1123_subdomain),
    ];
    for (field, rule) in named {
        let found = text(spec, &format!("/{field}"));
        if !found.is_empty() {
            errors.invalid_each(&path.child(field), found, rule(found));
        }
    }
    if let Some(seconds) =
        number(spec, "/activeDeadlineSeconds").filter(|s| !(1..=i64::from(i32::MAX)).contains(s))
    {
        let detail = "must be between 1 and 2147483647, inclusive";
        errors.push(Error::invalid(&path.child("activeDeadlineSeconds"), seconds, detail));
    }
    if let Some(grace) = number(spec, "/terminationGracePeriodSeconds").filter(|grace| *grace < 0) {
        let path = path.child("terminationGracePeriodSeconds");
        errors.push(Error::invalid(&path, grace, "must be greater than or equal to 0"));
    }
    host_network_ports(spec, path, errors);
    tolerations(spec, path, errors);
}

/// On the host's network a container's port is the host's.
fn host_network_ports(spec: &Value, path: &Path, errors: &mut ErrorList) {
    if !crate::object::flag(spec, "/hostNetwork") {
        return;
    }
    for (c, one) in items(spec, "/containers").iter().enumerate() {
        for (p, port) in items(one, "/ports").iter().enumerate() {
            let host = number(port, "/hostPort").unwrap_or(0);
            if host != number(port, "/containerPort").unwrap_or(0) {
                let path =
                    path.child("containers").index(c).child("ports").index(p).child("hostPort");
                errors.push(Error::invalid(
                    &path,
                    host,
                    "must match `containerPort` when `hostNetwork` is true",
                ));
            }
        }
    }
}

fn tolerations(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, one) in items(spec, "/tolerations").iter().enumerate() {
        let path = path.child("tolerations").index(at);
        let (key, operator) = (text(one, "/key"), text(one, "/operator"));
        if !key.is_empty() {
            errors.invalid_each(&path.child("key"), key, api::names::qualified_name(key));
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(Error::invalid(&path.child("operator"), operator, detail));
        }
        if !matches!(operator, "" | "Equal" | "Exists" | "Lt" | "Gt") {
            errors.push(Error::not_supported(
                &path.child("operator"),
                operator,
                &["Equal", "Exists"],
            ));
        }
        let effect = text(one, "/effect");
        if !effect.is_empty() && !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
        {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.push(Error::not_supported(&path.child("effect"), effect, &known));
        }
    }
}

/// What may change of a pod that exists.
pub(crate) fn update(new: &Value, old: &Value, errors: &mut ErrorList) {
    let path = Path::new("spec");
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/{list}");
        if items(new, &pointer).len() != items(old, &pointer).len() {
            let detail = "pod updates may not add or remove containers";
            return errors.push(Error::forbidden(&path.child(list), detail));
        }
    }
    let (now, before) =
        (number(new, "/spec/activeDeadlineSeconds"), number(old, "/spec/activeDeadlineSeconds"));
    let at_deadline = path.child("activeDeadlineSeconds");
    match (now, before) {
        (Some(now), Some(before)) if now > before => {
            let detail = "must be less than or equal to previous value";
            return errors.push(Error::invalid(&at_deadline, now, detail));
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            return errors.push(Error::invalid(&at_deadline, Value::Null, detail));
        }
        _ => {}
    }
    let tolerations = items(new, "/spec/tolerations");
    if items(old, "/spec/tolerations").iter().any(|one| !tolerations.contains(one)) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(Error::forbidden(&path.child("tolerations"), detail));
    }
    let mut same = new.get("spec").cloned().unwrap_or(Value::Null);
    let was = old.get("spec").cloned().unwrap_or(Value::Null);
    for list in ["containers", "initContainers"] {
        let images: Vec<Value> =
            items(&was, &format!("/{list}")).iter().map(|one| one["image"].clone()).collect();
        for (one, image) in crate::object::each(&mut same, &format!("/{list}")).zip(images) {
            one["image"] = image;
        }
    }
    let mut free = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if number(&was, "/terminationGracePeriodSeconds").is_some_and(|grace| grace < 0)
        && number(&same, "/terminationGracePeriodSeconds") == Some(1)
    {
        free.push("terminationGracePeriodSeconds");
    }
    for field in free {
        match was.get(field) {
            Some(value) => same[field] = value.clone(),
            None => {
                crate::object::remove(&mut same, field);
            }
        }
    }
    if same != was {
        let changed = difference(&was, &same);
        let detail = format!("pod updates may not change fields other than {UPDATABLE}\n{changed}");
        errors.push(Error::forbidden(&path, detail));
    }
}

/// Which top-level fields differ; upstream prints a diff of Go structures here, which no client reads.
pub(crate) fn difference(old: &Value, new: &Value) -> String {
    let keys = |value: &Value| {
        value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let all: BTreeSet<String> =
        [keys(old), keys(new)].into_iter().flat_map(|keys: Vec<String>| keys).collect();
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let lines = all
        .iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| format!("{key}: {} became {}", show(old.get(key)), show(new.get(key))));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a client should know of a pod specification that is not wrong.
pub(crate) fn warnings(spec: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    for (list, containers) in [
        ("initContainers", items(spec, "/initContainers")),
        ("containers", items(spec, "/containers")),
    ] {
        for (c, container) in containers.iter().enumerate() {
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            for (e, variable) in items(container, "/env").iter().enumerate() {
                let name = text(variable, "/name");
                if !seen.insert(name) {
                    let path = path.child(list).index(c).child("env").index(e);
                    warnings.push(format!(
                        "{path}: hides previous definition of {name:?}, which may be dropped when using apply"
                    ));
                }
            }
        }
    }
    if has(spec, "/serviceAccount")
        && text(spec, "/serviceAccount") != text(spec, "/serviceAccountName")
    {
        warnings.push(format!(
            "{}: deprecated since v1.0; use spec.serviceAccountName instead",
            path.child("serviceAccount")
        ));
    }
    warnings
}
