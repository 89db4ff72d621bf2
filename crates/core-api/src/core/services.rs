// SPDX-License-Identifier: Apache-2.0
//! Services: defaults, validation, table. Addresses are given out in [`crate::admission`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::{NameRule, Resource};
use apimachinery::storage::Field;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{NONE, at, column, label_map};
use crate::define::Define;
use crate::object::{default, default_text, each, has, items, number, text, texts};
use crate::rules::{Rules, StatusRule};
use crate::validation::container::{PROTOCOLS, port_number};
use crate::validation::one_of;
use crate::validation::probe::port_or_name;

/// The storage key.
pub(crate) const KEY: &str = "services/specs";

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

const FIELDS: &[Field] = &[
    ("spec.clusterIP", |object| text(object, "/spec/clusterIP").to_owned()),
    ("spec.type", |object| text(object, "/spec/type").to_owned()),
];

pub(crate) const RULES: Rules = Rules {
    names: NameRule::Label1035,
    fields: FIELDS,
    status: StatusRule::Apart,
    prepare,
    validate,
    returns_deleted: true,
    ..Rules::PLAIN
};

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("", "v1", "Service", "services")
            .short(&["svc"])
            .all()
            .columns(columns())
            .stored(&parts.storage, KEY, RULES),
    ]
}

/// Whether a service of this type has an address of its own.
pub(crate) fn wants_address(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName"
}

/// Whether a service of this type has ports on the nodes.
pub(crate) fn wants_node_ports(service: &Value) -> bool {
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => service
            .pointer("/spec/allocateLoadBalancerNodePorts")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        _ => false,
    }
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({"loadBalancer": {}});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default_text(spec, "sessionAffinity", "None");
    default_text(spec, "type", "ClusterIP");
    if text(spec, "/sessionAffinity") == "ClientIP" {
        default(spec, "sessionAffinityConfig", json!({}));
        default(&mut spec["sessionAffinityConfig"], "clientIP", json!({}));
        default(&mut spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds", 10_800);
    }
    for port in each(spec, "/ports") {
        default_text(port, "protocol", "TCP");
        let number = number(port, "/port").unwrap_or(0);
        if matches!(port.get("targetPort"), None | Some(Value::Null))
            || port["targetPort"] == 0
            || port["targetPort"] == ""
        {
            port["targetPort"] = number.into();
        }
    }
    let kind = text(spec, "/type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    if kind != "ExternalName" {
        default_text(spec, "internalTrafficPolicy", "Cluster");
        default_text(spec, "ipFamilyPolicy", "SingleStack");
        default(spec, "ipFamilies", json!(["IPv4"]));
    }
    // An address is kept by those who update without naming it, as clients of old do.
    if let Some(old) = old
        && kind != "ExternalName"
        && wants_address(old)
    {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = old.pointer(&format!("/spec/{field}")) {
                default(spec, field, value.clone());
            }
        }
        let ports = items(old, "/spec/ports").to_vec();
        for port in each(spec, "/ports") {
            let same = |other: &&Value| {
                other["port"] == port["port"] && other["protocol"] == port["protocol"]
            };
            let kept = ports.iter().find(same).and_then(|other| other.get("nodePort")).cloned();
            if let (Some(kept), true) = (kept, matches!(kind.as_str(), "NodePort" | "LoadBalancer"))
            {
                default(port, "nodePort", kept);
            }
        }
    }
    // The list and its first entry say the same.
    match (text(spec, "/clusterIP").to_owned(), items(spec, "/clusterIPs").is_empty()) {
        (address, true) if !address.is_empty() => spec["clusterIPs"] = json!([address]),
        (address, false) if address.is_empty() => spec["clusterIP"] = spec["clusterIPs"][0].clone(),
        _ => {}
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let spec = object.get("spec").filter(|spec| spec.is_object()).unwrap_or(&nothing);
    let path = Path::new("spec");
    let (kind, address) = (text(spec, "/type"), text(spec, "/clusterIP"));
    let headless = address == "None";
    let ports = items(spec, "/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(Error::required(&path.child("ports"), ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.push(Error::invalid(&path.child("clusterIPs").index(0), "None", detail));
        }
        "ExternalName" => {
            if !address.is_empty() {
                let detail = "may not be set for ExternalName services";
                errors.push(Error::forbidden(&path.child("clusterIPs"), detail));
            }
            match text(spec, "/externalName").trim_end_matches('.') {
                "" => errors.push(Error::required(&path.child("externalName"), "")),
                name => {
                    errors.invalid_each(
                        &path.child("externalName"),
                        name,
                        api::names::dns1123_subdomain(name),
                    );
                }
            }
        }
        _ => {}
    }
    let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for (at, port) in ports.iter().enumerate() {
        let path = path.child("ports").index(at);
        one_port(port, ports.len() > 1, &mut names, &path, errors);
        let key = (number(port, "/port"), text(port, "/protocol"));
        if !taken.insert(key) {
            let value = json!({"protocol": port["protocol"], "port": port["port"]});
            errors.push(Error::duplicate(&path, value));
        }
    }
    for (key, value) in crate::object::map(spec, "/selector").into_iter().flatten() {
        let path = path.child("selector");
        errors.invalid_each(&path, key, api::names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&path, value, api::names::label_value(value));
    }
    one_of(spec, &path, "sessionAffinity", &["ClientIP", "None"], errors);
    for (at, address) in texts(spec, "/clusterIPs").into_iter().enumerate() {
        if address != "None" && address.parse::<std::net::IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(Error::invalid(&path.child("clusterIPs").index(at), address, detail));
        }
    }
    if !items(spec, "/clusterIPs").is_empty() && items(spec, "/clusterIPs")[0] != spec["clusterIP"]
    {
        let detail = "first value must match `clusterIP`";
        errors.push(Error::invalid(&path.child("clusterIPs"), spec["clusterIPs"].clone(), detail));
    }
    one_of(spec, &path, "type", &TYPES, errors);
    if !wants_node_ports(object) {
        for (at, port) in ports.iter().enumerate() {
            if number(port, "/nodePort").is_some_and(|port| port != 0) {
                let detail = format!("may not be used when `type` is '{kind}'");
                errors.push(Error::forbidden(
                    &path.child("ports").index(at).child("nodePort"),
                    detail,
                ));
            }
        }
    }
    if let Some(old) = old {
        keep_address(object, old, errors);
    }
}

fn one_port<'a>(
    port: &'a Value,
    named: bool,
    names: &mut BTreeSet<&'a str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let name = text(port, "/name");
    if name.is_empty() {
        if named {
            errors.push(Error::required(&path.child("name"), ""));
        }
    } else {
        errors.invalid_each(&path.child("name"), name, api::names::dns1123_label(name));
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
    }
    port_number(number(port, "/port").unwrap_or(0), &path.child("port"), errors);
    one_of(port, path, "protocol", &PROTOCOLS, errors);
    port_or_name(&port["targetPort"], &path.child("targetPort"), errors);
    if let Some(node) = number(port, "/nodePort").filter(|node| !(0..=65535).contains(node)) {
        errors.push(Error::invalid(
            &path.child("nodePort"),
            node,
            "must be between 0 and 65535, inclusive",
        ));
    }
}

/// An address changes only together with the type that needs one.
fn keep_address(new: &Value, old: &Value, errors: &mut ErrorList) {
    if !wants_address(new) || !wants_address(old) {
        return;
    }
    let (now, before) = (text(new, "/spec/clusterIP"), text(old, "/spec/clusterIP"));
    if !before.is_empty() && now != before {
        let path = Path::new("spec").child("clusterIPs").index(0);
        let value = new.pointer("/spec/clusterIPs").cloned().unwrap_or_default();
        errors.push(Error::invalid(&path, value, "may not change once set"));
    }
}

/// The service's address, if it has a real one.
pub(crate) fn address(service: &Value) -> Option<Ipv4Addr> {
    text(service, "/spec/clusterIP").parse().ok()
}

fn columns() -> Vec<Column> {
    let external = |object: &Value| {
        let ips = texts(object, "/spec/externalIPs").join(",");
        match text(object, "/spec/type") {
            "ClusterIP" | "NodePort" if ips.is_empty() => NONE.to_owned(),
            "ClusterIP" | "NodePort" => ips,
            "ExternalName" => text(object, "/spec/externalName").to_owned(),
            "LoadBalancer" => {
                let mut all: BTreeSet<String> = BTreeSet::new();
                for one in items(object, "/status/loadBalancer/ingress") {
                    let name =
                        if has(one, "/ip") { text(one, "/ip") } else { text(one, "/hostname") };
                    all.insert(name.to_owned());
                }
                let mut all: Vec<String> = all.into_iter().collect();
                all.extend(texts(object, "/spec/externalIPs").into_iter().map(str::to_owned));
                if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
            }
            _ => "<unknown>".to_owned(),
        }
    };
    let ports = |object: &Value| {
        let one = |port: &Value| {
            let (number, protocol) = (number_of(port, "/port"), text(port, "/protocol"));
            match number_of(port, "/nodePort") {
                0 => format!("{number}/{protocol}"),
                node => format!("{number}:{node}/{protocol}"),
            }
        };
        let all: Vec<String> = items(object, "/spec/ports").iter().map(one).collect();
        if all.is_empty() { NONE.to_owned() } else { all.join(",") }
    };
    let own = |object: &Value| match texts(object, "/spec/clusterIPs").first() {
        Some(first) => (*first).to_owned(),
        None => NONE.to_owned(),
    };
    vec![
        Column::object_name(),
        at("Type", "/spec/type"),
        column("Cluster-IP", own),
        column("External-IP", external),
        column("Port(s)", ports),
        Column::age(),
        column("Selector", |object| label_map(object, "/spec/selector")).wide(),
    ]
}

fn number_of(object: &Value, pointer: &str) -> i64 {
    number(object, pointer).unwrap_or(0)
}
