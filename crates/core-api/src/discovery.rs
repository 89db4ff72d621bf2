// SPDX-License-Identifier: Apache-2.0
//! discovery.k8s.io/v1: endpoint slices.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, column, first_of, with_name_and_age};
use crate::define::Define;
use crate::object::{default, default_text, each, items, number, text, texts};
use crate::rules::Rules;
use crate::validation::{immutable, one_of};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let ports = |object: &Value| {
        let one = |port: &Value| match number(port, "/port") {
            Some(port) => port.to_string(),
            None if !text(port, "/name").is_empty() => text(port, "/name").to_owned(),
            None => "*".to_owned(),
        };
        first_of(&items(object, "/ports").iter().map(one).collect::<Vec<_>>(), 3)
    };
    let endpoints = |object: &Value| {
        let all = items(object, "/endpoints").iter().flat_map(|one| texts(one, "/addresses"));
        first_of(&all.map(str::to_owned).collect::<Vec<_>>(), 3)
    };
    vec![
        Define::new("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
            .columns(with_name_and_age([
                at("AddressType", "/addressType"),
                column("Ports", ports),
                column("Endpoints", endpoints),
            ]))
            .stored(
                &parts.storage,
                "endpointslices",
                Rules { generation: true, prepare, validate, ..Rules::PLAIN },
            ),
    ]
}

fn prepare(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    for port in each(object, "/ports") {
        default(port, "name", "");
        default_text(port, "protocol", "TCP");
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    one_of(object, &Path::root(), "addressType", &["FQDN", "IPv4", "IPv6"], errors);
    let kind = text(object, "/addressType");
    for (e, endpoint) in items(object, "/endpoints").iter().enumerate() {
        let path = Path::new("endpoints").index(e).child("addresses");
        let addresses = texts(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.push(Error::required(&path, "must contain at least 1 address"));
        }
        for (a, address) in addresses.into_iter().enumerate() {
            let path = path.index(a);
            match kind {
                "IPv4" if address.parse::<std::net::Ipv4Addr>().is_err() => {
                    errors.push(Error::invalid(&path, address, "must be a valid IPv4 address"));
                }
                "IPv6" if address.parse::<std::net::Ipv6Addr>().is_err() => {
                    errors.push(Error::invalid(&path, address, "must be a valid IPv6 address"));
                }
                "FQDN" => {
                    errors.invalid_each(&path, address, api::names::dns1123_subdomain(address));
                }
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    for (at, port) in items(object, "/ports").iter().enumerate() {
        let path = Path::new("ports").index(at);
        let name = text(port, "/name");
        if names.contains(&name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        names.push(name);
        one_of(port, &path, "protocol", &crate::validation::container::PROTOCOLS, errors);
    }
    if let Some(old) = old {
        immutable(object, old, "/addressType", errors);
    }
}
