// SPDX-License-Identifier: Apache-2.0
//! The OpenAPI 3.0 document of a group version.

use serde_json::{Value, json};

use super::operations::{self, Operation, path_parameters};
use super::types::Definitions;
use crate::catalog::Catalog;

const PREFIX: &str = "#/components/schemas/";
const BODIES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// The document, if the group version is served.
#[must_use]
pub fn document(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let found = catalog.group(group)?;
    let mut definitions = Definitions::new(PREFIX);
    let mut paths = serde_json::Map::new();
    for (resource, at) in found.in_version(version) {
        let gvk = json!({"group": group, "version": version, "kind": resource.kind});
        let name = super::v2::fallback_name(group, version, &resource.kind);
        let schema = resource.versions.get(at).map(|v| v.schema.clone())?;
        let object = definitions.root(&schema, &name, gvk);
        let list_gvk = json!({"group": group, "version": version, "kind": resource.list_kind});
        let list = definitions.add(
            &super::v2::fallback_name(group, version, &resource.list_kind),
            super::v2::list_definition(&object, &list_gvk),
        );
        let all = operations::of(resource, at);
        paths.extend(operations::paths(all, |operation| write(operation, &object, &list)));
    }
    if paths.is_empty() {
        return None;
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": crate::version::GIT_VERSION},
        "paths": paths,
        "components": {
            "schemas": definitions.finish(),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        },
    }))
}

fn write(operation: &Operation, object: &Value, list: &Value) -> Value {
    let parameters: Vec<Value> = path_parameters(&operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}}))
        .chain(operation.query.iter().map(|(name, kind)| {
            json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
        }))
        .collect();
    let answer = if operation.list { list } else { object };
    let mut value = json!({
        "operationId": operation.id,
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": content(&BODIES, answer)}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.gvk,
    });
    if operation.body {
        let (types, schema): (&[&str], Value) = match operation.action {
            "patch" => (&PATCHES, json!({"type": "object"})),
            "delete" | "deletecollection" => (&BODIES[..1], json!({"type": "object"})),
            _ => (&BODIES, object.clone()),
        };
        let required = !operation.action.starts_with("delete");
        value["requestBody"] = json!({"content": content(types, &schema), "required": required});
    }
    value
}

fn content(types: &[&str], schema: &Value) -> Value {
    types
        .iter()
        .map(|t| ((*t).to_owned(), json!({"schema": schema})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
