// SPDX-License-Identifier: Apache-2.0
//! The paths of a resource and the operations on them, as far as clients read them: which kind, which verb, and that
//! writes take `fieldValidation`.

use serde_json::{Map, Value, json};

use crate::resource::{Resource, Verbs};

/// One operation.
pub struct Operation {
    /// `/apis/apps/v1/namespaces/{namespace}/deployments/{name}`.
    pub path: String,
    /// `get`, `post`, `put`, `patch`, `delete`.
    pub method: &'static str,
    /// Unique in a document.
    pub id: String,
    /// `x-kubernetes-action`.
    pub action: &'static str,
    /// Group, version and kind that it is about.
    pub gvk: Value,
    /// The names of its query parameters.
    pub query: Vec<(&'static str, &'static str)>,
    /// Whether it has a body.
    pub body: bool,
    /// Whether it answers with a list.
    pub list: bool,
}

const LIST: [(&str, &str); 9] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: [(&str, &str); 3] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const DELETE: [(&str, &str); 4] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

/// What stands where in the path, with the verb that it needs: method, verb, action, on one object.
const METHODS: [(&str, Verbs, &str, bool); 7] = [
    ("get", Verbs::LIST, "list", false),
    ("post", Verbs::CREATE, "post", false),
    ("delete", Verbs::DELETE_COLLECTION, "deletecollection", false),
    ("get", Verbs::GET, "get", true),
    ("put", Verbs::UPDATE, "put", true),
    ("patch", Verbs::PATCH, "patch", true),
    ("delete", Verbs::DELETE, "delete", true),
];

/// The operations of a resource in one of its versions.
#[must_use]
pub fn of(resource: &Resource, version: usize) -> Vec<Operation> {
    let version_name = resource.versions.get(version).map_or("", |v| &v.name);
    let root = if resource.group.is_empty() {
        format!("/api/{version_name}")
    } else {
        format!("/apis/{}/{version_name}", resource.group)
    };
    let scoped =
        if resource.namespaced { format!("{root}/namespaces/{{namespace}}") } else { root.clone() };
    let collection = format!("{scoped}/{}", resource.plural);
    let gvk = json!({"group": resource.group, "version": version_name, "kind": resource.kind});
    let camel = |text: &str| text.split(['.', '-', '/']).map(capital).collect::<String>();
    let group = if resource.group.is_empty() {
        "Core".to_owned()
    } else {
        camel(resource.group.split('.').next().unwrap_or_default())
    };
    let place = format!("{group}{}", capital(version_name));
    let namespaced = if resource.namespaced { "Namespaced" } else { "" };
    let mut all = Vec::new();
    for (method, verb, action, one) in METHODS {
        if !resource.verbs.has(verb) {
            continue;
        }
        let path = if one { format!("{collection}/{{name}}") } else { collection.clone() };
        let id = match action {
            "post" => format!("create{place}{namespaced}{}", resource.kind),
            "put" => format!("replace{place}{namespaced}{}", resource.kind),
            "get" => format!("read{place}{namespaced}{}", resource.kind),
            "deletecollection" => format!("delete{place}Collection{namespaced}{}", resource.kind),
            other => format!("{other}{place}{namespaced}{}", resource.kind),
        };
        let query = query(action);
        let body = matches!(action, "post" | "put" | "patch" | "delete" | "deletecollection");
        all.push(Operation {
            path,
            method,
            id,
            action,
            gvk: gvk.clone(),
            query,
            body,
            list: action == "list",
        });
    }
    if resource.namespaced && resource.verbs.has(Verbs::LIST) {
        let path = format!("{root}/{}", resource.plural);
        let id = format!("list{place}{}ForAllNamespaces", resource.kind);
        let query = query("list");
        all.push(Operation {
            path,
            method: "get",
            id,
            action: "list",
            gvk,
            query,
            body: false,
            list: true,
        });
    }
    for sub in &resource.subresources {
        let gvk =
            json!({"group": sub.kind.group, "version": sub.kind.version, "kind": sub.kind.kind});
        for (method, verb, action) in [
            ("get", Verbs::GET, "get"),
            ("post", Verbs::CREATE, "post"),
            ("put", Verbs::UPDATE, "put"),
            ("patch", Verbs::PATCH, "patch"),
        ] {
            if sub.verbs.has(verb) {
                let name = match action {
                    "get" => "read",
                    "post" => "create",
                    "put" => "replace",
                    other => other,
                };
                all.push(Operation {
                    path: format!("{collection}/{{name}}/{}", sub.name),
                    method,
                    id: format!("{name}{place}{namespaced}{}{}", resource.kind, camel(&sub.name)),
                    action,
                    gvk: gvk.clone(),
                    query: query(action),
                    body: method != "get",
                    list: false,
                });
            }
        }
    }
    all
}

fn query(action: &str) -> Vec<(&'static str, &'static str)> {
    match action {
        "list" => LIST.to_vec(),
        "post" | "put" => WRITE.to_vec(),
        "patch" => WRITE.into_iter().chain([("force", "boolean")]).collect(),
        "delete" => DELETE.to_vec(),
        "deletecollection" => {
            LIST.into_iter().chain(DELETE).filter(|(name, _)| !name.starts_with("watch")).collect()
        }
        _ => Vec::new(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Puts operations into a `paths` map; `write` makes the document's own form of one.
#[must_use]
pub fn paths(
    operations: Vec<Operation>,
    write: impl Fn(&Operation) -> Value,
) -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in operations {
        let entry = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        entry[operation.method] = write(&operation);
    }
    paths
}

/// The names of the parameters in a path.
pub fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}
