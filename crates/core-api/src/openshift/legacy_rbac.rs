// SPDX-License-Identifier: Apache-2.0
//! Roles and bindings of authorization.openshift.io/v1: the objects of rbac.authorization.k8s.io in their older form.

use api::field::ErrorList;
use apimachinery::resource::Resource;
use rbac::{API_GROUP, service_account_name};
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::column;
use crate::define::Define;
use crate::object::{default, default_text, each, items, text, texts};
use crate::rbac_kinds::{
    CLUSTER_ROLE_BINDING_RULES, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLE_RULES, CLUSTER_ROLES,
    ROLE_BINDING_RULES, ROLE_BINDINGS, ROLE_RULES, ROLES,
};
use crate::reviews::openshift::GROUP;
use crate::rules::Rules;

const STORED: &str = "rbac.authorization.k8s.io/v1";

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let define = |kind, plural| Define::new(GROUP, "v1", kind, plural);
    let names = || [apimachinery::table::Column::object_name()];
    vec![
        define("ClusterRole", "clusterroles").columns(names()).view(show_role, store_role).stored(
            &parts.storage,
            CLUSTER_ROLES,
            as_stored(CLUSTER_ROLE_RULES, |object, old, errors| {
                validated(object, old, store_role, CLUSTER_ROLE_RULES, errors);
            }),
        ),
        define("Role", "roles").columns(names()).view(show_role, store_role).stored(
            &parts.storage,
            ROLES,
            as_stored(ROLE_RULES, |object, old, errors| {
                validated(object, old, store_role, ROLE_RULES, errors);
            }),
        ),
        define("ClusterRoleBinding", "clusterrolebindings")
            .columns(binding_columns())
            .view(show_binding, store_binding)
            .stored(
                &parts.storage,
                CLUSTER_ROLE_BINDINGS,
                as_stored(CLUSTER_ROLE_BINDING_RULES, |object, old, errors| {
                    validated(object, old, store_binding, CLUSTER_ROLE_BINDING_RULES, errors);
                }),
            ),
        define("RoleBinding", "rolebindings")
            .columns(binding_columns())
            .view(show_binding, store_binding)
            .stored(
                &parts.storage,
                ROLE_BINDINGS,
                as_stored(ROLE_BINDING_RULES, |object, old, errors| {
                    validated(object, old, store_binding, ROLE_BINDING_RULES, errors);
                }),
            ),
    ]
}

/// The rules of the stored kind; defaults are filled in by the conversion.
fn as_stored(rules: Rules, validate: fn(&Value, Option<&Value>, &mut ErrorList)) -> Rules {
    Rules { prepare: |_, _, _| {}, validate, ..rules }
}

fn validated(
    object: &Value,
    old: Option<&Value>,
    store: fn(&mut Value),
    rules: Rules,
    errors: &mut ErrorList,
) {
    let stored = |object: &Value| {
        let mut object = object.clone();
        store(&mut object);
        object
    };
    (rules.validate)(&stored(object), old.map(stored).as_ref(), errors);
}

/// A role or binding of this group as it is stored; for whom asks about its contents.
pub(crate) fn to_stored(object: &Value) -> Value {
    let mut object = object.clone();
    if api::meta::kind(&object).ends_with("Binding") {
        store_binding(&mut object);
    } else {
        store_role(&mut object);
    }
    object
}

/// What rules have here and not there.
pub(crate) fn add_legacy_fields(rule: &mut Value) {
    default(rule, "attributeRestrictions", Value::Null);
    for list in ["apiGroups", "resources"] {
        default(rule, list, json!([]));
    }
}

fn show_role(object: &mut Value) {
    default(object, "rules", json!([]));
    for rule in each(object, "/rules") {
        add_legacy_fields(rule);
    }
}

fn store_role(object: &mut Value) {
    object["apiVersion"] = STORED.into();
    for rule in each(object, "/rules") {
        crate::object::remove(rule, "attributeRestrictions");
        let paths = !texts(rule, "/nonResourceURLs").is_empty();
        for list in ["apiGroups", "resources"] {
            if paths && texts(rule, &format!("/{list}")).is_empty() {
                crate::object::remove(rule, list);
            }
        }
        // An absent group is the core's.
        if !paths && texts(rule, "/apiGroups").is_empty() {
            rule["apiGroups"] = json!([""]);
        }
    }
}

fn show_binding(object: &mut Value) {
    let (mut users, mut groups, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
    let own = api::meta::namespace(object).to_owned();
    for subject in items(object, "/subjects") {
        let (kind, name) = (text(subject, "/kind"), text(subject, "/name"));
        let system = name.contains(':');
        let shown = match kind {
            "User" => {
                users.push(name.to_owned());
                json!({"kind": if system { "SystemUser" } else { "User" }, "name": name})
            }
            "Group" => {
                groups.push(name.to_owned());
                json!({"kind": if system { "SystemGroup" } else { "Group" }, "name": name})
            }
            _ => {
                let namespace = match text(subject, "/namespace") {
                    "" => own.as_str(),
                    namespace => namespace,
                };
                users.push(service_account_name(namespace, name));
                json!({"kind": kind, "name": name, "namespace": namespace})
            }
        };
        subjects.push(shown);
    }
    let list = |names: Vec<String>| if names.is_empty() { Value::Null } else { names.into() };
    let mut role = json!({"name": text(object, "/roleRef/name")});
    if text(object, "/roleRef/kind") == "Role" {
        role["namespace"] = own.as_str().into();
    }
    object["userNames"] = list(users);
    object["groupNames"] = list(groups);
    object["subjects"] = subjects.into();
    object["roleRef"] = role;
}

fn store_binding(object: &mut Value) {
    object["apiVersion"] = STORED.into();
    let own = api::meta::namespace(object).to_owned();
    let mut subjects = Vec::new();
    for subject in items(object, "/subjects") {
        let name = text(subject, "/name");
        subjects.push(match text(subject, "/kind") {
            "User" | "SystemUser" => json!({"kind": "User", "apiGroup": API_GROUP, "name": name}),
            "Group" | "SystemGroup" => {
                json!({"kind": "Group", "apiGroup": API_GROUP, "name": name})
            }
            kind => {
                let mut account = json!({"kind": kind, "name": name});
                let namespace = text(subject, "/namespace");
                account["namespace"] =
                    if namespace.is_empty() { own.as_str().into() } else { namespace.into() };
                account
            }
        });
    }
    if subjects.is_empty() {
        for name in texts(object, "/userNames") {
            let account =
                name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            subjects.push(match account {
                Some((namespace, name)) => {
                    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
                }
                None => json!({"kind": "User", "apiGroup": API_GROUP, "name": name}),
            });
        }
        for name in texts(object, "/groupNames") {
            subjects.push(json!({"kind": "Group", "apiGroup": API_GROUP, "name": name}));
        }
    }
    crate::object::remove(object, "userNames");
    crate::object::remove(object, "groupNames");
    if subjects.is_empty() {
        crate::object::remove(object, "subjects");
    } else {
        object["subjects"] = subjects.into();
    }
    let kind = if text(object, "/roleRef/namespace").is_empty() { "ClusterRole" } else { "Role" };
    let name = text(object, "/roleRef/name").to_owned();
    object["roleRef"] = json!({"apiGroup": API_GROUP, "kind": kind, "name": name});
    default_text(&mut object["roleRef"], "apiGroup", API_GROUP);
}

fn binding_columns() -> Vec<apimachinery::table::Column> {
    let role = |object: &Value| match text(object, "/roleRef/namespace") {
        "" => format!("/{}", text(object, "/roleRef/name")),
        namespace => format!("{namespace}/{}", text(object, "/roleRef/name")),
    };
    let of_kinds = |kinds: [&'static str; 2]| {
        move |object: &Value| {
            let found =
                items(object, "/subjects").iter().filter(|one| kinds.contains(&text(one, "/kind")));
            found.map(|one| text(one, "/name")).collect::<Vec<_>>().join(", ")
        }
    };
    vec![
        apimachinery::table::Column::object_name(),
        column("Role", role),
        column("Users", of_kinds(["User", "SystemUser"])),
        column("Groups", of_kinds(["Group", "SystemGroup"])),
        column("Service Accounts", of_kinds(["ServiceAccount", ""])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_survives_both_ways() {
        let stored = json!({
            "apiVersion": STORED, "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "n"},
            "roleRef": {"apiGroup": API_GROUP, "kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "apiGroup": API_GROUP, "name": "u"},
                {"kind": "Group", "apiGroup": API_GROUP, "name": "system:authenticated"},
                {"kind": "ServiceAccount", "name": "s", "namespace": "m"},
            ],
        });
        let mut shown = stored.clone();
        show_binding(&mut shown);
        assert_eq!(shown["userNames"], json!(["u", "system:serviceaccount:m:s"]));
        assert_eq!(shown["groupNames"], json!(["system:authenticated"]));
        assert_eq!(shown["subjects"][1]["kind"], "SystemGroup");
        assert_eq!(shown["roleRef"], json!({"name": "view"}));
        store_binding(&mut shown);
        assert_eq!(shown, stored);
    }

    #[test]
    fn names_alone_make_subjects() {
        let mut object = json!({"kind": "RoleBinding", "metadata": {"namespace": "n"}, "roleRef": {"name": "r", "namespace": "n"},
            "userNames": ["u", "system:serviceaccount:n:s"], "groupNames": ["g"]});
        store_binding(&mut object);
        assert_eq!(object["roleRef"]["kind"], "Role");
        let kinds: Vec<&str> =
            items(&object, "/subjects").iter().map(|one| text(one, "/kind")).collect();
        assert_eq!(kinds, ["User", "ServiceAccount", "Group"]);
    }
}
