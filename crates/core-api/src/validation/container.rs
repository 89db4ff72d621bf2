// SPDX-License-Identifier: Apache-2.0
//! Containers of pods.

use std::collections::BTreeSet;

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::{one_of, probe, quantities, volume};
use crate::object::{has, items, number, text};

/// The protocols that ports may have, as lists of them are printed.
pub(crate) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// The containers that a pod runs.
pub(crate) fn regular(spec: &Value, volumes: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let path = path.child("containers");
    let containers = items(spec, "/containers");
    if containers.is_empty() {
        return errors.push(Error::required(&path, ""));
    }
    let mut names = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        let path = path.index(at);
        common(container, volumes, &path, errors);
        let name = text(container, "/name");
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        hooks_and_probes(container, &path, errors);
    }
    host_ports(containers, &path, errors);
}

/// The containers that run before.
pub(crate) fn init(spec: &Value, volumes: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let path = path.child("initContainers");
    let mut names: BTreeSet<&str> =
        items(spec, "/containers").iter().map(|one| text(one, "/name")).collect();
    for (at, container) in items(spec, "/initContainers").iter().enumerate() {
        let path = path.index(at);
        common(container, volumes, &path, errors);
        let name = text(container, "/name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        if text(container, "/restartPolicy") == "Always" {
            hooks_and_probes(container, &path, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if has(container, &format!("/{field}")) {
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.push(Error::forbidden(&path.child(field), detail));
            }
        }
    }
}

fn common(container: &Value, volumes: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let name = text(container, "/name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    } else {
        errors.invalid_each(&path.child("name"), name, api::names::dns1123_label(name));
    }
    if text(container, "/image").is_empty() {
        errors.push(Error::required(&path.child("image"), ""));
    }
    one_of(container, path, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"], errors);
    ports(container, &path.child("ports"), errors);
    environment(container, path, errors);
    mounts(container, volumes, &path.child("volumeMounts"), errors);
    one_of(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], errors);
    if let Some(resources) = container.get("resources") {
        quantities::container(resources, &path.child("resources"), errors);
    }
}

fn hooks_and_probes(container: &Value, path: &Path, errors: &mut ErrorList) {
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = container.pointer(&format!("/lifecycle/{hook}")) {
            probe::handler(handler, &path.child("lifecycle").child(hook), errors);
        }
    }
    for (field, single) in
        [("livenessProbe", true), ("readinessProbe", false), ("startupProbe", true)]
    {
        let Some(found) = container.get(field).filter(|found| !found.is_null()) else { continue };
        if single {
            probe::single_success(found, &path.child(field), errors);
        } else {
            probe::probe(found, &path.child(field), errors);
        }
    }
}

fn ports(container: &Value, path: &Path, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for (at, port) in items(container, "/ports").iter().enumerate() {
        let path = path.index(at);
        let name = text(port, "/name");
        if !name.is_empty() {
            let messages = api::names::port_name(name);
            if !messages.is_empty() {
                errors.invalid_each(&path.child("name"), name, messages);
            } else if !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), name));
            }
        }
        match number(port, "/containerPort").unwrap_or(0) {
            0 => errors.push(Error::required(&path.child("containerPort"), "")),
            found => port_number(found, &path.child("containerPort"), errors),
        }
        if let Some(found) = number(port, "/hostPort").filter(|found| *found != 0) {
            port_number(found, &path.child("hostPort"), errors);
        }
        one_of(port, &path, "protocol", &PROTOCOLS, errors);
    }
}

/// A port between 1 and 65535.
pub(crate) fn port_number(port: i64, path: &Path, errors: &mut ErrorList) {
    for message in api::names::port_number(port) {
        errors.push(Error::invalid(path, port, message));
    }
}

fn host_ports(containers: &[Value], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (c, container) in containers.iter().enumerate() {
        for (p, port) in items(container, "/ports").iter().enumerate() {
            let Some(number) = number(port, "/hostPort").filter(|number| *number != 0) else {
                continue;
            };
            let key = format!("{}/{}/{number}", text(port, "/protocol"), text(port, "/hostIP"));
            if !seen.insert(key.clone()) {
                let path = path.index(c).child("ports").index(p).child("hostPort");
                errors.push(Error::duplicate(&path, key));
            }
        }
    }
}

fn environment(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, variable) in items(container, "/env").iter().enumerate() {
        let path = path.child("env").index(at);
        let name = text(variable, "/name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else if name.contains('=') || !name.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.push(Error::invalid(&path.child("name"), name, detail));
        }
        let Some(from) = variable.get("valueFrom").filter(|from| !from.is_null()) else { continue };
        let path = path.child("valueFrom");
        if !text(variable, "/value").is_empty() {
            errors.push(Error::invalid(
                &path,
                "",
                "may not be specified when `value` is not empty",
            ));
        }
        let sources =
            ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
        let given: Vec<&str> =
            sources.into_iter().filter(|source| has(from, &format!("/{source}"))).collect();
        match given.as_slice() {
            [] => {
                let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
                errors.push(Error::invalid(&path, "", detail));
            }
            [one] => {
                if matches!(*one, "configMapKeyRef" | "secretKeyRef") {
                    for field in ["name", "key"] {
                        if text(from, &format!("/{one}/{field}")).is_empty() {
                            errors.push(Error::required(&path.child(one).child(field), ""));
                        }
                    }
                }
            }
            _ => errors.push(Error::invalid(
                &path,
                "",
                "may not have more than one field specified at a time",
            )),
        }
    }
    for (at, source) in items(container, "/envFrom").iter().enumerate() {
        let path = path.child("envFrom").index(at);
        let given: Vec<&str> = ["configMapRef", "secretRef"]
            .into_iter()
            .filter(|one| has(source, &format!("/{one}")))
            .collect();
        match given.as_slice() {
            [one] => {
                if text(source, &format!("/{one}/name")).is_empty() {
                    errors.push(Error::required(&path.child(one).child("name"), ""));
                }
            }
            [] => errors.push(Error::invalid(
                &path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            _ => errors.push(Error::invalid(
                &path,
                "",
                "may not have more than one field specified at a time",
            )),
        }
    }
}

fn mounts(container: &Value, volumes: &BTreeSet<&str>, path: &Path, errors: &mut ErrorList) {
    let mut places = BTreeSet::new();
    for (at, mount) in items(container, "/volumeMounts").iter().enumerate() {
        let path = path.index(at);
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        }
        if !volumes.contains(name) {
            errors.push(Error::not_found(&path.child("name"), name));
        }
        if place.is_empty() {
            errors.push(Error::required(&path.child("mountPath"), ""));
        }
        if !places.insert(place) {
            errors.push(Error::invalid(&path.child("mountPath"), place, "must be unique"));
        }
        volume::descending(text(mount, "/subPath"), &path.child("subPath"), errors);
    }
}
