// SPDX-License-Identifier: Apache-2.0
//! route.openshift.io/v1. A route without a host gets one below the apps domain (in [`crate::admission`], which knows it).

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::storage::Field;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{at, column};
use crate::define::Define;
use crate::object::{default, default_text, each, has, items, number, plain, text};
use crate::rules::{Rules, StatusRule};
use crate::validation::probe::port_or_name;

/// The group.
pub(crate) const GROUP: &str = "route.openshift.io";
/// The mark of hosts that nobody chose.
pub(crate) const HOST_GENERATED: &str = "openshift.io/host.generated";
/// The weight of the only service.
const WEIGHT: i64 = 100;

const FIELDS: &[Field] = &[
    ("spec.path", |object| text(object, "/spec/path").to_owned()),
    ("spec.host", |object| text(object, "/spec/host").to_owned()),
    ("spec.to.name", |object| text(object, "/spec/to/name").to_owned()),
];

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new(GROUP, "v1", "Route", "routes").categories(&["all"]).columns(columns()).stored(
            &parts.storage,
            "/openshift.io/routes",
            Rules { fields: FIELDS, status: StatusRule::Apart, prepare, validate, ..Rules::PLAIN },
        ),
    ]
}

/// The host of a route that names none.
pub(crate) fn generated_host(route: &Value, domain: &str) -> String {
    format!("{}-{}.{domain}", meta::name(route), meta::namespace(route))
}

fn target(reference: &mut Value) {
    default_text(reference, "kind", "Service");
    default(reference, "weight", WEIGHT);
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default_text(spec, "wildcardPolicy", "None");
    if let Some(to) = spec.get_mut("to").filter(|to| to.is_object()) {
        target(to);
    }
    for backend in each(spec, "/alternateBackends") {
        target(backend);
    }
    // Older clients write it with capitals.
    if let Some(tls) = spec.get_mut("tls").filter(|tls| tls.is_object()) {
        let termination = text(tls, "/termination").to_lowercase();
        tls["termination"] = termination.into();
    }
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let (path, nothing) = (Path::new("spec"), json!({}));
    let spec = object.get("spec").unwrap_or(&nothing);
    let host = text(spec, "/host");
    if !host.is_empty() {
        errors.invalid_each(&path.child("host"), host, api::names::dns1123_subdomain(host));
        for label in host.split('.').filter(|label| label.len() > 63) {
            let detail = "must be no more than 63 characters";
            errors.push(Error::invalid(&path.child("host"), label, detail));
        }
    }
    let url = text(spec, "/path");
    if !url.is_empty() && !url.starts_with('/') {
        errors.push(Error::invalid(&path.child("path"), url, "path must begin with /"));
    }
    let termination = text(spec, "/tls/termination");
    if !url.is_empty() && termination == "passthrough" {
        let detail = "passthrough termination does not support paths";
        errors.push(Error::invalid(&path.child("path"), url, detail));
    }
    backend(&spec["to"], &path.child("to"), errors);
    let others = items(spec, "/alternateBackends");
    if others.len() > 3 {
        let detail = "cannot specify more than 3 alternate backends";
        errors.push(Error::required(&path.child("alternateBackends"), detail));
    }
    for (at, other) in others.iter().enumerate() {
        backend(other, &path.child("alternateBackends").index(at), errors);
    }
    if let Some(port) = spec.pointer("/port/targetPort") {
        match port {
            Value::String(name) if name.is_empty() => {
                errors.push(Error::required(&path.child("port").child("targetPort"), ""));
            }
            port => port_or_name(port, &path.child("port").child("targetPort"), errors),
        }
    }
    let wildcard = text(spec, "/wildcardPolicy");
    if !matches!(wildcard, "" | "None" | "Subdomain") {
        let known = ["None", "Subdomain"];
        errors.push(Error::not_supported(&path.child("wildcardPolicy"), wildcard, &known));
    }
    if has(spec, "/tls") {
        tls(&spec["tls"], &path.child("tls"), errors);
    }
}

fn backend(reference: &Value, path: &Path, errors: &mut ErrorList) {
    let kind = text(reference, "/kind");
    if kind != "Service" && has(reference, "/kind") {
        errors.push(Error::invalid(&path.child("kind"), kind, "must reference a Service"));
    }
    if text(reference, "/name").is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    if let Some(weight) = number(reference, "/weight").filter(|weight| !(0..=256).contains(weight))
    {
        let detail = "weight must be an integer between 0 and 256";
        errors.push(Error::invalid(&path.child("weight"), weight, detail));
    }
}

/// Certificates are not repeated in errors.
fn tls(tls: &Value, path: &Path, errors: &mut ErrorList) {
    let forbids = |fields: &[&str], kind: &str, errors: &mut ErrorList| {
        for field in fields {
            if !text(tls, &format!("/{field}")).is_empty() {
                let detail = format!("{kind} termination does not support this field");
                errors.push(Error::invalid(&path.child(field), "redacted", detail));
            }
        }
    };
    match text(tls, "/termination") {
        "passthrough" => {
            let all = ["certificate", "key", "caCertificate", "destinationCACertificate"];
            forbids(&all, "passthrough", errors);
        }
        "edge" => forbids(&["destinationCACertificate"], "edge", errors),
        "reencrypt" => {}
        other => {
            let detail = "invalid value for termination, acceptable values are edge, passthrough, reencrypt, or empty (no tls specified)";
            errors.push(Error::invalid(&path.child("termination"), other, detail));
        }
    }
    let insecure = text(tls, "/insecureEdgeTerminationPolicy");
    if !matches!(insecure, "" | "None" | "Allow" | "Redirect") {
        let detail = "invalid value for InsecureEdgeTerminationPolicy option, acceptable values are None, Allow, Redirect, or empty";
        errors.push(Error::invalid(&path.child("insecureEdgeTerminationPolicy"), insecure, detail));
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::object_name(),
        column("Host/Port", host),
        at("Path", "/spec/path"),
        column("Services", services),
        column("Port", |object| {
            object.pointer("/spec/port/targetPort").map_or_else(|| "<all>".to_owned(), plain)
        }),
        column("Termination", |object| {
            let insecure = text(object, "/spec/tls/insecureEdgeTerminationPolicy");
            match (text(object, "/spec/tls/termination"), insecure) {
                (termination, "") => termination.to_owned(),
                (termination, insecure) => format!("{termination}/{insecure}"),
            }
        }),
        at("Wildcard", "/spec/wildcardPolicy"),
    ]
}

/// The host, and whether a router refused it.
fn host(object: &Value) -> String {
    let wanted = text(object, "/spec/host");
    for router in items(object, "/status/ingress") {
        let admitted =
            items(router, "/conditions").iter().find(|one| text(one, "/type") == "Admitted");
        match admitted.map(|one| (text(one, "/status"), text(one, "/reason"))) {
            Some(("True", _)) => return text(router, "/host").to_owned(),
            Some((_, "")) | None => {}
            Some((_, reason)) => return reason.to_owned(),
        }
    }
    wanted.to_owned()
}

fn services(object: &Value) -> String {
    let others = items(object, "/spec/alternateBackends");
    let name = text(object, "/spec/to/name");
    if others.is_empty() {
        return name.to_owned();
    }
    let weight = |reference: &Value| number(reference, "/weight").unwrap_or(WEIGHT);
    let all: Vec<&Value> = object.pointer("/spec/to").into_iter().chain(others).collect();
    let total: i64 = all.iter().map(|one| weight(one)).sum::<i64>().max(1);
    let shown =
        all.iter().map(|one| format!("{}({}%)", text(one, "/name"), weight(one) * 100 / total));
    shown.collect::<Vec<_>>().join(",")
}
