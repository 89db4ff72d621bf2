// SPDX-License-Identifier: Apache-2.0
//! Endpoints, as the older form of endpoint slices.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{NONE, column, with_name_and_age};
use crate::define::Define;
use crate::object::{default_text, each, items, number, text};
use crate::rules::Rules;
use crate::validation::container::{PROTOCOLS, port_number};
use crate::validation::one_of;

/// How many addresses a cell shows.
const SHOWN: usize = 3;

pub(super) fn resource(parts: &Parts) -> Resource {
    Define::new("", "v1", "Endpoints", "endpoints")
        .short(&["ep"])
        .columns(with_name_and_age([column("Endpoints", addresses)]))
        .stored(&parts.storage, "services/endpoints", Rules { prepare, validate, ..Rules::PLAIN })
}

fn prepare(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    for subset in each(object, "/subsets") {
        for port in each(subset, "/ports") {
            default_text(port, "protocol", "TCP");
        }
    }
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    for (at, subset) in items(object, "/subsets").iter().enumerate() {
        let path = Path::new("subsets").index(at);
        let ports = items(subset, "/ports");
        if items(subset, "/addresses").is_empty() && items(subset, "/notReadyAddresses").is_empty()
        {
            errors.push(Error::required(&path, "must specify `addresses` or `notReadyAddresses`"));
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (a, address) in items(subset, &format!("/{list}")).iter().enumerate() {
                let path = path.child(list).index(a).child("ip");
                let ip = text(address, "/ip");
                match ip.parse::<std::net::IpAddr>() {
                    Err(_) => {
                        let detail =
                            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                        errors.push(Error::invalid(&path, ip, detail));
                    }
                    Ok(ip) if ip.is_loopback() => {
                        let detail = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
                        errors.push(Error::invalid(&path, ip.to_string(), detail));
                    }
                    Ok(ip) if ip.is_unspecified() => {
                        let detail = format!("may not be unspecified ({ip})");
                        errors.push(Error::invalid(&path, ip.to_string(), detail));
                    }
                    Ok(_) => {}
                }
            }
        }
        for (p, port) in ports.iter().enumerate() {
            let path = path.child("ports").index(p);
            let name = text(port, "/name");
            if name.is_empty() && ports.len() > 1 {
                errors.push(Error::required(&path.child("name"), ""));
            } else if !name.is_empty() {
                errors.invalid_each(&path.child("name"), name, api::names::dns1123_label(name));
            }
            port_number(number(port, "/port").unwrap_or(0), &path.child("port"), errors);
            one_of(port, &path, "protocol", &PROTOCOLS, errors);
        }
    }
}

fn addresses(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in items(object, "/subsets") {
        let ips: Vec<&str> =
            items(subset, "/addresses").iter().map(|address| text(address, "/ip")).collect();
        let ports = items(subset, "/ports");
        if ports.is_empty() {
            all.extend(ips.iter().map(|ip| (*ip).to_owned()));
        }
        for port in ports.iter().filter_map(|port| number(port, "/port")) {
            all.extend(ips.iter().map(|ip| match ip.contains(':') {
                true => format!("[{ip}]:{port}"),
                false => format!("{ip}:{port}"),
            }));
        }
    }
    if items(object, "/subsets").is_empty() {
        return NONE.to_owned();
    }
    match all.len() {
        count if count > SHOWN => format!("{} + {} more...", all[..SHOWN].join(","), count - SHOWN),
        _ => all.join(","),
    }
}
