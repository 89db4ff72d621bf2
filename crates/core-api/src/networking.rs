// SPDX-License-Identifier: Apache-2.0
//! networking.k8s.io/v1: network policies, ingresses and their classes.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{NONE, at, at_or, column, selector, with_name_and_age};
use crate::define::Define;
use crate::object::{default, default_text, each, has, items, map, number, text};
use crate::rules::{Rules, StatusRule};
use crate::validation::{immutable, label_selector, one_of};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
            .short(&["netpol"])
            .columns(with_name_and_age([selector("Pod-Selector", "/spec/podSelector")]))
            .stored(
                &parts.storage,
                "networkpolicies",
                Rules {
                    generation: true,
                    prepare: policy_defaults,
                    validate: validate_policy,
                    ..Rules::PLAIN
                },
            ),
        Define::new("networking.k8s.io", "v1", "Ingress", "ingresses")
            .short(&["ing"])
            .columns(ingress_columns())
            .stored(
                &parts.storage,
                "ingress",
                Rules {
                    status: StatusRule::Apart,
                    generation: true,
                    prepare: |_, object, old| {
                        if old.is_none() {
                            object["status"] = json!({"loadBalancer": {}});
                        }
                    },
                    validate: validate_ingress,
                    ..Rules::PLAIN
                },
            ),
        Define::new("networking.k8s.io", "v1", "IngressClass", "ingressclasses")
            .columns(class_columns())
            .stored(
                &parts.storage,
                "ingressclasses",
                Rules { generation: true, validate: validate_class, ..Rules::PLAIN },
            ),
    ]
}

fn policy_defaults(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec, "podSelector", json!({}));
    if items(spec, "/policyTypes").is_empty() {
        let egress = has(spec, "/egress");
        spec["policyTypes"] =
            if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    for list in ["/ingress", "/egress"] {
        for rule in each(spec, list) {
            for port in each(rule, "/ports") {
                default_text(port, "protocol", "TCP");
            }
        }
    }
}

fn validate_policy(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    if let Some(selector) = object.pointer("/spec/podSelector") {
        label_selector(selector, &path.child("podSelector"), errors);
    }
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        for (at, rule) in items(object, &format!("/spec/{list}")).iter().enumerate() {
            let path = path.child(list).index(at);
            for (p, port) in items(rule, "/ports").iter().enumerate() {
                let path = path.child("ports").index(p);
                one_of(port, &path, "protocol", &crate::validation::container::PROTOCOLS, errors);
            }
            for (p, peer) in items(rule, &format!("/{peers}")).iter().enumerate() {
                let path = path.child(peers).index(p);
                let given = ["podSelector", "namespaceSelector", "ipBlock"];
                if !given.iter().any(|field| has(peer, &format!("/{field}"))) {
                    errors.push(Error::required(&path, "must specify a peer"));
                }
            }
        }
    }
    for (at, kind) in items(object, "/spec/policyTypes").iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            let path = path.child("policyTypes").index(at);
            errors.push(Error::not_supported(&path, kind.clone(), &["Egress", "Ingress"]));
        }
    }
}

fn validate_ingress(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let rules = items(object, "/spec/rules");
    let by_default = object.pointer("/spec/defaultBackend").filter(|backend| !backend.is_null());
    if rules.is_empty() && by_default.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(Error::invalid(&path, rules.to_vec(), detail));
    }
    if let Some(backend) = by_default {
        validate_backend(backend, &path.child("defaultBackend"), errors);
    }
    for (r, rule) in rules.iter().enumerate() {
        let path = path.child("rules").index(r);
        let host = text(rule, "/host");
        if !host.is_empty() && !host.starts_with("*.") {
            errors.invalid_each(&path.child("host"), host, api::names::dns1123_subdomain(host));
        }
        let Some(http) = rule.get("http").filter(|http| !http.is_null()) else { continue };
        let path = path.child("http").child("paths");
        if items(http, "/paths").is_empty() {
            errors.push(Error::required(&path, ""));
        }
        for (p, one) in items(http, "/paths").iter().enumerate() {
            let path = path.index(p);
            match text(one, "/pathType") {
                "" => errors
                    .push(Error::required(&path.child("pathType"), "pathType must be specified")),
                "Exact" | "Prefix" => {
                    let value = text(one, "/path");
                    if !value.starts_with('/') {
                        errors.push(Error::invalid(
                            &path.child("path"),
                            value,
                            "must be an absolute path",
                        ));
                    }
                }
                "ImplementationSpecific" => {}
                other => {
                    let known = ["Exact", "ImplementationSpecific", "Prefix"];
                    errors.push(Error::not_supported(&path.child("pathType"), other, &known));
                }
            }
            validate_backend(&one["backend"], &path.child("backend"), errors);
        }
    }
}

fn validate_backend(backend: &Value, path: &Path, errors: &mut ErrorList) {
    if has(backend, "/resource") {
        return;
    }
    let Some(service) = backend.get("service").filter(|service| !service.is_null()) else {
        return errors
            .push(Error::required(path, "either `service` or `resource` must be specified"));
    };
    let path = path.child("service");
    let name = text(service, "/name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    } else {
        errors.invalid_each(&path.child("name"), name, api::names::dns1035_label(name));
    }
    let (port, by_name) =
        (number(service, "/port/number").unwrap_or(0), text(service, "/port/name"));
    if port == 0 && by_name.is_empty() {
        errors.push(Error::required(&path, "port name or number is required"));
    }
}

fn validate_class(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec").child("controller");
    match text(object, "/spec/controller") {
        "" => errors.push(Error::required(&path, "")),
        name if !name.contains('/') => {
            errors.push(Error::invalid(
                &path,
                name,
                "must be a domain-prefixed path (such as \"acme.io/foo\")",
            ));
        }
        _ => {}
    }
    if let Some(old) = old {
        immutable(object, old, "/spec/controller", errors);
    }
}

fn ingress_columns() -> Vec<Column> {
    let hosts = |object: &Value| {
        let rules = items(object, "/spec/rules");
        let hosts: Vec<&str> = rules
            .iter()
            .take(3)
            .map(|rule| text(rule, "/host"))
            .filter(|host| !host.is_empty())
            .collect();
        match (hosts.is_empty(), rules.len()) {
            (true, _) => "*".to_owned(),
            (false, count) if count > 3 => format!("{} + {} more...", hosts.join(","), count - 3),
            _ => hosts.join(","),
        }
    };
    let addresses = |object: &Value| {
        let mut all: Vec<&str> = items(object, "/status/loadBalancer/ingress")
            .iter()
            .map(|one| if has(one, "/ip") { text(one, "/ip") } else { text(one, "/hostname") })
            .collect();
        all.sort_unstable();
        all.dedup();
        all.join(",")
    };
    with_name_and_age([
        at_or("Class", "/spec/ingressClassName", NONE),
        column("Hosts", hosts),
        column("Address", addresses),
        column("Ports", |object| {
            if items(object, "/spec/tls").is_empty() { "80" } else { "80, 443" }.to_owned()
        }),
    ])
}

fn class_columns() -> Vec<Column> {
    with_name_and_age([
        at("Controller", "/spec/controller"),
        column("Parameters", |object| {
            let Some(parameters) = map(object, "/spec/parameters") else { return NONE.to_owned() };
            let part =
                |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
            match part("apiGroup") {
                "" => format!("{}/{}", part("kind"), part("name")),
                group => format!("{}.{group}/{}", part("kind"), part("name")),
            }
        }),
    ])
}
