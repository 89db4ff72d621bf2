// SPDX-License-Identifier: Apache-2.0
//! Whether a user may write a role or a binding: nobody hands out what they do not have, unless they
//! may `escalate` (write any rules into that role) or `bind` (hand out that role), or are in
//! `system:masters`.

use crate::attributes::{Attributes, MASTERS, UserInfo};
use crate::cover::{compact, covers, describe};
use crate::model::{
    API_GROUP, ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyRule, Role, RoleBinding, RoleRef,
};
use crate::policy::Policy;
use crate::text::{quote, quote_list};

/// Why a role or binding may not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Escalation {
    /// It would give more than the user has. The text goes into a 403 as its cause.
    #[error("{0}")]
    Refused(String),
    /// The role to be bound does not exist, so nobody knows what it would give: 404.
    #[error("{kind}.rbac.authorization.k8s.io \"{name}\" not found")]
    NoSuchRole {
        /// `roles` or `clusterroles`.
        kind: &'static str,
        /// The role's name.
        name: String,
    },
    /// The reference is to something that is no role: 400.
    #[error("unsupported role reference kind: {}", quote(.0))]
    UnknownKind(String),
}

/// Refuses if the user does not hold all of `wanted` in the namespace (empty: in the whole cluster).
pub fn confirm_no_escalation(
    policy: &Policy,
    user: &UserInfo,
    namespace: &str,
    wanted: &[PolicyRule],
) -> Result<(), Escalation> {
    let own = policy.rules_for(user, namespace);
    let missing = covers(&own.rules, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<_> = compact(missing).iter().map(describe).collect();
    lines.sort();
    lines.dedup();
    let mut text = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.name),
        quote_list(&user.groups),
        lines.join("\n"),
    );
    if !own.evaluation_error.is_empty() {
        text.push_str(&format!("; resolution errors: [{}]", own.evaluation_error));
    }
    Err(Escalation::Refused(text))
}

/// Whether `role` may be written in place of `old` (`None`: created).
pub fn check_role(
    policy: &Policy,
    user: &UserInfo,
    role: &Role,
    old: Option<&Role>,
) -> Result<(), Escalation> {
    let namespace = role.metadata.namespace.as_str();
    if may(policy, user, "escalate", "roles", old_name(old.map(|old| &old.metadata)), namespace)
        || old.is_some_and(|old| {
            same_labels(&old.metadata, &role.metadata) && old.rules == role.rules
        })
    {
        return Ok(());
    }
    confirm_no_escalation(policy, user, namespace, &role.rules)
}

/// Whether `role` may be written in place of `old` (`None`: created). Who changes anything of a role
/// that gathers others must be able to do everything, because it may gather anything.
pub fn check_cluster_role(
    policy: &Policy,
    user: &UserInfo,
    role: &ClusterRole,
    old: Option<&ClusterRole>,
) -> Result<(), Escalation> {
    let unchanged = |old: &ClusterRole| {
        same_labels(&old.metadata, &role.metadata)
            && old.rules == role.rules
            && old.aggregation_rule == role.aggregation_rule
    };
    if may(policy, user, "escalate", "clusterroles", old_name(old.map(|old| &old.metadata)), "")
        || old.is_some_and(unchanged)
    {
        return Ok(());
    }
    confirm_no_escalation(policy, user, "", &role.rules)?;
    if gathers(role) || old.is_some_and(gathers) {
        let all = || vec!["*".to_owned()];
        let everything = [
            PolicyRule {
                verbs: all(),
                api_groups: all(),
                resources: all(),
                ..PolicyRule::default()
            },
            PolicyRule { verbs: all(), non_resource_urls: all(), ..PolicyRule::default() },
        ];
        let refused = "must have cluster-admin privileges to use the aggregationRule";
        confirm_no_escalation(policy, user, "", &everything)
            .map_err(|_| Escalation::Refused(refused.to_owned()))?;
    }
    Ok(())
}

/// Whether `binding` may be written in place of `old` (`None`: created).
pub fn check_role_binding(
    policy: &Policy,
    user: &UserInfo,
    binding: &RoleBinding,
    old: Option<&RoleBinding>,
) -> Result<(), Escalation> {
    let unchanged = old.is_some_and(|old| {
        same_labels(&old.metadata, &binding.metadata)
            && old.role_ref == binding.role_ref
            && old.subjects == binding.subjects
    });
    check_binding(policy, user, &binding.role_ref, &binding.metadata.namespace, unchanged)
}

/// Whether `binding` may be written in place of `old` (`None`: created).
pub fn check_cluster_role_binding(
    policy: &Policy,
    user: &UserInfo,
    binding: &ClusterRoleBinding,
    old: Option<&ClusterRoleBinding>,
) -> Result<(), Escalation> {
    let unchanged = old.is_some_and(|old| {
        same_labels(&old.metadata, &binding.metadata)
            && old.role_ref == binding.role_ref
            && old.subjects == binding.subjects
    });
    check_binding(policy, user, &binding.role_ref, "", unchanged)
}

fn check_binding(
    policy: &Policy,
    user: &UserInfo,
    role: &RoleRef,
    namespace: &str,
    unchanged: bool,
) -> Result<(), Escalation> {
    let kind = match role.kind.as_str() {
        "Role" => "roles",
        "ClusterRole" => "clusterroles",
        other => return Err(Escalation::UnknownKind(other.to_owned())),
    };
    if may(policy, user, "bind", kind, &role.name, namespace) || unchanged {
        return Ok(());
    }
    let rulebook = policy
        .resolve(role, namespace)
        .map_err(|_| Escalation::NoSuchRole { kind, name: role.name.clone() })?;
    confirm_no_escalation(policy, user, namespace, &rulebook.rules)
}

/// `escalate` or `bind`. A role that does not exist yet has no name in the request, so that leave to
/// `escalate` one role by its name is none to create it.
fn may(
    policy: &Policy,
    user: &UserInfo,
    verb: &str,
    kind: &str,
    name: &str,
    namespace: &str,
) -> bool {
    let ask = Attributes::resource(user, verb, API_GROUP, kind).named(name).in_namespace(namespace);
    user.is_in(MASTERS) || policy.authorize(&ask).is_allowed()
}

fn old_name(old: Option<&ObjectMeta>) -> &str {
    old.map_or("", |meta| meta.name.as_str())
}

/// What is not compared is what garbage collection changes: finalizers and owners.
fn same_labels(old: &ObjectMeta, new: &ObjectMeta) -> bool {
    old.labels == new.labels && old.annotations == new.annotations
}

fn gathers(role: &ClusterRole) -> bool {
    role.aggregation_rule.as_ref().is_some_and(|rule| !rule.cluster_role_selectors.is_empty())
}
