// SPDX-License-Identifier: Apache-2.0
//! rbac.authorization.k8s.io/v1. Whether a user may write what they write is asked in [`crate::admission`].

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::{NameRule, Resource};
use apimachinery::table::Column;
use rbac::API_GROUP;
use serde_json::Value;

use crate::Parts;
use crate::columns::{column, name_and_created, with_name_and_age};
use crate::define::Define;
use crate::object::{default_text, each, has, items, text, texts};
use crate::rules::Rules;
use crate::validation::label_selector;

/// Storage keys; authorization.openshift.io shows the same objects.
pub(crate) const ROLES: &str = "roles";
pub(crate) const CLUSTER_ROLES: &str = "clusterroles";
pub(crate) const ROLE_BINDINGS: &str = "rolebindings";
pub(crate) const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings";

/// Rules of roles and cluster roles.
pub(crate) const ROLE_RULES: Rules = Rules {
    names: NameRule::PathSegment,
    validate: |object, _, errors| rules(object, true, errors),
    create_on_update: true,
    ..Rules::PLAIN
};

pub(crate) const CLUSTER_ROLE_RULES: Rules =
    Rules { validate: |object, _, errors| cluster_role(object, errors), ..ROLE_RULES };

pub(crate) const ROLE_BINDING_RULES: Rules = Rules {
    prepare: binding_defaults,
    validate: |object, old, errors| binding(object, old, true, errors),
    ..ROLE_RULES
};

pub(crate) const CLUSTER_ROLE_BINDING_RULES: Rules = Rules {
    validate: |object, old, errors| binding(object, old, false, errors),
    ..ROLE_BINDING_RULES
};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let define = |kind, plural| Define::new(API_GROUP, "v1", kind, plural);
    vec![
        define("Role", "roles").columns(name_and_created()).stored(
            &parts.storage,
            ROLES,
            ROLE_RULES,
        ),
        define("ClusterRole", "clusterroles").columns(name_and_created()).stored(
            &parts.storage,
            CLUSTER_ROLES,
            CLUSTER_ROLE_RULES,
        ),
        define("RoleBinding", "rolebindings").columns(binding_columns()).stored(
            &parts.storage,
            ROLE_BINDINGS,
            ROLE_BINDING_RULES,
        ),
        define("ClusterRoleBinding", "clusterrolebindings").columns(binding_columns()).stored(
            &parts.storage,
            CLUSTER_ROLE_BINDINGS,
            CLUSTER_ROLE_BINDING_RULES,
        ),
    ]
}

/// Users, groups and accounts of a binding, as both forms' tables show them.
fn subjects(object: &Value, kind: &str) -> String {
    let named = items(object, "/subjects").iter().filter(|one| text(one, "/kind") == kind);
    let names = named.map(|one| match kind {
        "ServiceAccount" => format!("{}/{}", text(one, "/namespace"), text(one, "/name")),
        _ => text(one, "/name").to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Columns of bindings.
pub(crate) fn binding_columns() -> Vec<Column> {
    let role = |object: &Value| match text(object, "/roleRef/kind") {
        "" => text(object, "/roleRef/name").to_owned(),
        kind => format!("{kind}/{}", text(object, "/roleRef/name")),
    };
    let mut columns = with_name_and_age([column("Role", role)]);
    columns.extend([
        column("Users", |object| subjects(object, "User")).wide(),
        column("Groups", |object| subjects(object, "Group")).wide(),
        column("ServiceAccounts", |object| subjects(object, "ServiceAccount")).wide(),
    ]);
    columns
}

fn binding_defaults(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    for subject in each(object, "/subjects") {
        if matches!(text(subject, "/kind"), "User" | "Group") {
            default_text(subject, "apiGroup", API_GROUP);
        }
    }
    if let Some(role) = object.get_mut("roleRef").filter(|role| role.is_object()) {
        default_text(role, "apiGroup", API_GROUP);
    }
}

fn rules(object: &Value, namespaced: bool, errors: &mut ErrorList) {
    for (at, rule) in items(object, "/rules").iter().enumerate() {
        let path = Path::new("rules").index(at);
        if texts(rule, "/verbs").is_empty() {
            errors.push(Error::required(
                &path.child("verbs"),
                "verbs must contain at least one value",
            ));
        }
        let paths = texts(rule, "/nonResourceURLs");
        let (groups, resources) = (texts(rule, "/apiGroups"), texts(rule, "/resources"));
        if !paths.is_empty() {
            let at = path.child("nonResourceURLs");
            let value = rule["nonResourceURLs"].clone();
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(Error::invalid(&at, value.clone(), detail));
            }
            if !groups.is_empty()
                || !resources.is_empty()
                || !texts(rule, "/resourceNames").is_empty()
            {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(Error::invalid(&at, value, detail));
            }
            continue;
        }
        if groups.is_empty() {
            let detail = "resource rules must supply at least one api group";
            errors.push(Error::required(&path.child("apiGroups"), detail));
        }
        if resources.is_empty() {
            let detail = "resource rules must supply at least one resource";
            errors.push(Error::required(&path.child("resources"), detail));
        }
    }
}

fn cluster_role(object: &Value, errors: &mut ErrorList) {
    rules(object, false, errors);
    if !has(object, "/aggregationRule") {
        return;
    }
    let path = Path::new("aggregationRule").child("clusterRoleSelectors");
    let selectors = items(object, "/aggregationRule/clusterRoleSelectors");
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(Error::required(&path, detail));
    }
    for (at, selector) in selectors.iter().enumerate() {
        label_selector(selector, &path.index(at), errors);
    }
}

fn binding(object: &Value, old: Option<&Value>, namespaced: bool, errors: &mut ErrorList) {
    let path = Path::new("roleRef");
    let group = text(object, "/roleRef/apiGroup");
    if group != API_GROUP {
        errors.push(Error::not_supported(&path.child("apiGroup"), group, &[API_GROUP]));
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let kind = text(object, "/roleRef/kind");
    if !kinds.contains(&kind) {
        errors.push(Error::not_supported(&path.child("kind"), kind, kinds));
    }
    let name = text(object, "/roleRef/name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    } else {
        errors.invalid_each(&path.child("name"), name, api::names::path_segment(name));
    }
    for (at, subject) in items(object, "/subjects").iter().enumerate() {
        one_subject(subject, namespaced, &Path::new("subjects").index(at), errors);
    }
    if let Some(old) = old
        && object.get("roleRef") != old.get("roleRef")
    {
        errors.push(Error::invalid(&path, object["roleRef"].clone(), "cannot change roleRef"));
    }
}

fn one_subject(subject: &Value, namespaced: bool, path: &Path, errors: &mut ErrorList) {
    let (name, group) = (text(subject, "/name"), text(subject, "/apiGroup"));
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    match text(subject, "/kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.invalid_each(&path.child("name"), name, api::names::dns1123_subdomain(name));
            }
            if !group.is_empty() {
                errors.push(Error::not_supported(&path.child("apiGroup"), group, &[""]));
            }
            if !namespaced && text(subject, "/namespace").is_empty() {
                errors.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != API_GROUP {
                errors.push(Error::not_supported(&path.child("apiGroup"), group, &[API_GROUP]));
            }
        }
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(Error::not_supported(&path.child("kind"), other, &kinds));
        }
    }
}
