// SPDX-License-Identifier: Apache-2.0
//! Probes and lifecycle hooks: exactly one way to ask, sensible numbers.

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::not_negative;
use crate::object::{has, items, number, text};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// A probe.
pub(crate) fn probe(probe: &Value, path: &Path, errors: &mut ErrorList) {
    handler(probe, path, errors);
    let numbers = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    for field in numbers {
        not_negative(probe, path, field, errors);
    }
    if let Some(grace) = number(probe, "/terminationGracePeriodSeconds").filter(|grace| *grace <= 0)
    {
        let path = path.child("terminationGracePeriodSeconds");
        errors.push(Error::invalid(&path, grace, "must be greater than 0"));
    }
}

/// A probe that may not wait for more than one success (liveness, startup).
pub(crate) fn single_success(found: &Value, path: &Path, errors: &mut ErrorList) {
    probe(found, path, errors);
    if let Some(threshold) = number(found, "/successThreshold").filter(|threshold| *threshold != 1)
    {
        errors.push(Error::invalid(&path.child("successThreshold"), threshold, "must be 1"));
    }
}

/// What a probe or hook does.
pub(crate) fn handler(handler: &Value, path: &Path, errors: &mut ErrorList) {
    let given: Vec<&str> =
        HANDLERS.into_iter().filter(|name| has(handler, &format!("/{name}"))).collect();
    for extra in given.iter().skip(1) {
        errors
            .push(Error::forbidden(&path.child(extra), "may not specify more than 1 handler type"));
    }
    let Some(first) = given.first() else {
        return errors.push(Error::required(path, "must specify a handler type"));
    };
    let (what, path) = (&handler[*first], path.child(first));
    match *first {
        "exec" if items(what, "/command").is_empty() => {
            errors.push(Error::required(&path.child("command"), ""));
        }
        "httpGet" => {
            if text(what, "/path").is_empty() {
                errors.push(Error::required(&path.child("path"), ""));
            }
            port(what, &path, errors);
            super::one_of(what, &path, "scheme", &["HTTP", "HTTPS"], errors);
        }
        "tcpSocket" => port(what, &path, errors),
        "grpc" => {
            let port = number(what, "/port").unwrap_or(0);
            for message in api::names::port_number(port) {
                errors.push(Error::invalid(&path.child("port"), port, message));
            }
        }
        _ => {}
    }
}

fn port(what: &Value, path: &Path, errors: &mut ErrorList) {
    port_or_name(&what["port"], &path.child("port"), errors);
}

/// A port's number or the name of a container's port.
pub(crate) fn port_or_name(port: &Value, path: &Path, errors: &mut ErrorList) {
    match port {
        Value::String(name) => errors.invalid_each(path, name, api::names::port_name(name)),
        other => {
            let number = other.as_i64().unwrap_or(0);
            for message in api::names::port_number(number) {
                errors.push(Error::invalid(path, number, message));
            }
        }
    }
}
