// SPDX-License-Identifier: Apache-2.0
//! `APIGroupDiscoveryList`.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Group};
use crate::resource::{Resource, Subresource};

/// The core group alone, or all others in order.
pub fn groups(catalog: &Catalog, core: bool, api_version: &str) -> Value {
    let items: Vec<Value> =
        catalog.groups().iter().filter(|group| group.name.is_empty() == core).map(group).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items})
}

fn group(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions()
        .into_iter()
        .map(|version| {
            let resources: Vec<Value> = group
                .in_version(version)
                .map(|(resource, _)| self::resource(resource, version))
                .collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        })
        .collect();
    let mut metadata = json!({"creationTimestamp": null});
    if !group.name.is_empty() {
        metadata["name"] = group.name.as_str().into();
    }
    json!({"metadata": metadata, "versions": versions})
}

fn resource(resource: &Resource, version: &str) -> Value {
    let mut value = json!({
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs.names(),
    });
    if !resource.short_names.is_empty() {
        value["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        value["categories"] = json!(resource.categories);
    }
    if !resource.subresources.is_empty() {
        value["subresources"] =
            resource.subresources.iter().map(|sub| subresource(sub, resource, version)).collect();
    }
    value
}

fn subresource(sub: &Subresource, resource: &Resource, version: &str) -> Value {
    // A subresource of the object's own kind is answered in the version that was asked for.
    let version = if sub.kind.group == resource.group && sub.kind.kind == resource.kind {
        version
    } else {
        &sub.kind.version
    };
    json!({
        "subresource": sub.name,
        "responseKind": {"group": sub.kind.group, "version": version, "kind": sub.kind.kind},
        "verbs": sub.verbs.names(),
    })
}
