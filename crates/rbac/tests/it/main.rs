// SPDX-License-Identifier: Apache-2.0
//! The evaluator against upstream's, and the texts, reviews, escalation checks and repairs.
#![allow(clippy::unwrap_used)]

mod access;
mod escalation;
mod repair;
mod table;

use rbac::{
    API_GROUP, ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyRule, RoleBinding, RoleRef,
    Subject, UserInfo,
};

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().map(|one| if one == "core" { "" } else { one }.to_owned()).collect()
}

/// A rule; `core` is the core group.
fn rule(verbs: &str, groups: &str, resources: &str) -> PolicyRule {
    PolicyRule {
        verbs: list(verbs),
        api_groups: list(groups),
        resources: list(resources),
        ..PolicyRule::default()
    }
}

fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { name: name.into(), namespace: namespace.into(), ..ObjectMeta::default() }
}

fn cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: meta("", name), rules, aggregation_rule: None }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: API_GROUP.into(), kind: kind.into(), name: name.into() }
}

fn subject(kind: &str, namespace: &str, name: &str) -> Subject {
    let api_group = if kind == "ServiceAccount" { "" } else { API_GROUP };
    Subject {
        kind: kind.into(),
        api_group: api_group.into(),
        name: name.into(),
        namespace: namespace.into(),
    }
}

fn bind(namespace: &str, name: &str, role: RoleRef, to: Subject) -> RoleBinding {
    RoleBinding { metadata: meta(namespace, name), role_ref: role, subjects: vec![to] }
}

fn bind_cluster(name: &str, role: &str, to: Subject) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: meta("", name),
        role_ref: role_ref("ClusterRole", role),
        subjects: vec![to],
    }
}

fn user(name: &str, groups: &str) -> UserInfo {
    UserInfo { name: name.into(), groups: list(groups), ..UserInfo::default() }
}
