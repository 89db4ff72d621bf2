// SPDX-License-Identifier: Apache-2.0
//! What stands in a pod specification when nobody says otherwise.

use serde_json::{Value, json};

use crate::object::{default, default_text, each, flag, map, number, text};

/// Fills in a pod specification.
pub(crate) fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "securityContext", json!({}));
    default_text(spec, "schedulerName", "default-scheduler");
    // Two names of one thing; the old one follows.
    let account = match text(spec, "/serviceAccountName") {
        "" => text(spec, "/serviceAccount").to_owned(),
        named => named.to_owned(),
    };
    if !account.is_empty() {
        spec["serviceAccountName"] = account.as_str().into();
        spec["serviceAccount"] = account.into();
    }
    let host_network = flag(spec, "/hostNetwork");
    for list in ["/containers", "/initContainers", "/ephemeralContainers"] {
        for container in each(spec, list) {
            one(container, host_network);
        }
    }
    for volume in each(spec, "/volumes") {
        source(volume);
    }
}

fn one(container: &mut Value, host_network: bool) {
    let image = text(container, "/image").to_owned();
    // A moving tag is looked at each time.
    let policy = if is_latest(&image) { "Always" } else { "IfNotPresent" };
    default_text(container, "imagePullPolicy", policy);
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    requests(container);
    for port in each(container, "/ports") {
        default_text(port, "protocol", "TCP");
        let number = number(port, "/containerPort").unwrap_or(0);
        if host_network && number != 0 {
            default(port, "hostPort", number);
        }
    }
    for variable in each(container, "/env") {
        if let Some(reference) = variable.pointer_mut("/valueFrom/fieldRef") {
            default_text(reference, "apiVersion", "v1");
        }
        if let Some(reference) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
            default(reference, "divisor", "0");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else {
            continue;
        };
        for (field, value) in [
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ] {
            if number(probe, &format!("/{field}")).unwrap_or(0) == 0 {
                probe[field] = value.into();
            }
        }
        handler(probe);
        if let Some(grpc) = probe.get_mut("grpc") {
            default(grpc, "service", "");
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.pointer_mut(&format!("/lifecycle/{hook}")) {
            handler(hook);
        }
    }
}

fn handler(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet") {
        default_text(get, "path", "/");
        default_text(get, "scheme", "HTTP");
    }
}

/// A limit without a request is a request too.
fn requests(container: &mut Value) {
    let Some(limits) = map(container, "/resources/limits").cloned() else { return };
    let resources = &mut container["resources"];
    default(resources, "requests", json!({}));
    for (name, value) in limits {
        default(&mut resources["requests"], &name, value);
    }
    if resources["requests"].as_object().is_some_and(serde_json::Map::is_empty) {
        crate::object::remove(resources, "requests");
    }
}

fn source(volume: &mut Value) {
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(kind).filter(|source| source.is_object()) {
            default(source, "defaultMode", 0o644);
        }
    }
    if let Some(source) = volume.get_mut("hostPath").filter(|source| source.is_object()) {
        default(source, "type", "");
    }
    for source in each(volume, "/projected/sources") {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            default(token, "expirationSeconds", 3600);
        }
    }
    for item in each(volume, "/downwardAPI/items") {
        if let Some(reference) = item.get_mut("fieldRef") {
            default_text(reference, "apiVersion", "v1");
        }
    }
    if volume.as_object().is_some_and(|volume| volume.len() == 1 && volume.contains_key("name")) {
        volume["emptyDir"] = json!({});
    }
}

/// Whether a reference names no digest and no tag other than `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_tags_are_told_from_fixed_ones() {
        for (image, latest) in [
            ("a", true),
            ("a:latest", true),
            ("a:1", false),
            ("h:5000/a", true),
            ("h:5000/a:1", false),
            ("a@sha256:00", false),
        ] {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }
}
