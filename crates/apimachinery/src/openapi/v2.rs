// SPDX-License-Identifier: Apache-2.0
//! The one OpenAPI 2.0 (Swagger) document.

use serde_json::{Value, json};

use super::operations::{self, Operation, path_parameters};
use super::types::Definitions;
use crate::catalog::Catalog;

const PREFIX: &str = "#/definitions/";

/// The name of a definition whose type has none of its own, as custom resources are named: the group's parts reversed.
#[must_use]
pub fn fallback_name(group: &str, version: &str, kind: &str) -> String {
    if group.is_empty() {
        return format!("io.k8s.api.core.{version}.{kind}");
    }
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// A list of a kind.
#[must_use]
pub fn list_definition(item: &Value, gvk: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "items": {"type": "array", "items": item},
            "metadata": {"type": "object"},
        },
        "x-kubernetes-group-version-kind": [gvk],
    })
}

/// The document.
#[must_use]
pub fn document(catalog: &Catalog) -> Value {
    let mut definitions = Definitions::new(PREFIX);
    let mut paths = serde_json::Map::new();
    for resource in catalog.resources() {
        for (at, version) in resource.versions.iter().enumerate() {
            let (group, name) = (resource.group.as_str(), version.name.as_str());
            let gvk = json!({"group": group, "version": name, "kind": resource.kind});
            let object =
                definitions.root(&version.schema, &fallback_name(group, name, &resource.kind), gvk);
            let list_gvk = json!({"group": group, "version": name, "kind": resource.list_kind});
            let list = definitions.add(
                &fallback_name(group, name, &resource.list_kind),
                list_definition(&object, &list_gvk),
            );
            paths.extend(operations::paths(operations::of(resource, at), |operation| {
                write(operation, &object, &list)
            }));
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": crate::version::GIT_VERSION},
        "paths": paths,
        "definitions": definitions.finish(),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        "security": [{"BearerToken": []}],
    })
}

fn write(operation: &Operation, object: &Value, list: &Value) -> Value {
    let mut parameters: Vec<Value> = path_parameters(&operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "type": "string"}))
        .chain(
            operation
                .query
                .iter()
                .map(|(name, kind)| json!({"name": name, "in": "query", "type": kind})),
        )
        .collect();
    if operation.body {
        let schema = match operation.action {
            "post" | "put" => object.clone(),
            _ => json!({"type": "object"}),
        };
        let required = !operation.action.starts_with("delete");
        parameters
            .push(json!({"name": "body", "in": "body", "required": required, "schema": schema}));
    }
    let answer = if operation.list { list } else { object };
    json!({
        "operationId": operation.id,
        "consumes": ["*/*"],
        "produces": ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": answer}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.gvk,
    })
}
