// SPDX-License-Identifier: Apache-2.0
//! `APIVersions`, `APIGroupList`, `APIGroup`, `APIResourceList`.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Group};

/// `/api`.
pub fn versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    })
}

/// `/apis`.
pub fn groups(catalog: &Catalog) -> Value {
    let groups: Vec<Value> =
        catalog.groups().iter().filter(|group| !group.name.is_empty()).map(group_value).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let mut value = group_value(catalog.group(name).filter(|group| !group.name.is_empty())?);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

fn group_value(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions()
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{}/{version}", group.name), "version": version}))
        .collect();
    let preferred = versions.first().cloned().unwrap_or_default();
    json!({"name": group.name, "versions": versions, "preferredVersion": preferred})
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub fn resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let found = catalog.group(group)?;
    let mut resources = Vec::new();
    for (resource, _) in found.in_version(version) {
        let mut value = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs.names(),
        });
        if !resource.short_names.is_empty() {
            value["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            value["categories"] = json!(resource.categories);
        }
        if let Some(hash) = storage_hash(resource) {
            value["storageVersionHash"] = hash.into();
        }
        resources.push(value);
        for sub in &resource.subresources {
            let mut value = json!({
                "name": format!("{}/{}", resource.plural, sub.name),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind.kind,
                "verbs": sub.verbs.names(),
            });
            if sub.kind.group != resource.group || sub.kind.version != version {
                value["group"] = sub.kind.group.as_str().into();
                value["version"] = sub.kind.version.as_str().into();
            }
            resources.push(value);
        }
    }
    if resources.is_empty() {
        return None;
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
    )
}

/// Changes when the stored version does; clients only compare it.
fn storage_hash(resource: &crate::resource::Resource) -> Option<String> {
    use base64::Engine as _;
    if !matches!(resource.source, crate::resource::Source::Stored { .. }) {
        return None;
    }
    let version = resource.versions.get(resource.storage_version)?;
    let text = format!("{}/{}/{}", resource.group, version.name, resource.kind);
    let hash = crate::digest::sha256(text.as_bytes());
    Some(base64::engine::general_purpose::STANDARD.encode(&hash[..8]))
}
