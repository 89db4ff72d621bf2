// SPDX-License-Identifier: Apache-2.0
//! What of the shipped policy is missing or damaged, at start and as often as wanted. Repairs only
//! add: permissions and subjects that an administrator added stay, and an object with the annotation
//! `autoupdate: "false"` is left alone altogether.

use std::collections::{BTreeMap, HashMap};

use crate::cover::covers;
use crate::model::{
    AUTOUPDATE, AggregationRule, ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyObjects,
    PolicyRule, Role, RoleBinding, RoleRef, Subject,
};

/// What has to be done so that an object is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Create it.
    Create,
    /// Write it.
    Update,
    /// Delete and create it: a binding's role cannot be changed.
    Recreate,
}

/// One object compared with what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The object as it is to be written.
    pub object: T,
    /// What to do with it; [`Action::Nothing`] if it is protected.
    pub action: Action,
    /// Whether an administrator has taken it out of the repairs.
    pub protected: bool,
    /// Of roles: what they did not permit. Filled for protected roles too.
    pub missing_rules: Vec<PolicyRule>,
    /// Of bindings: whom they did not name.
    pub missing_subjects: Vec<Subject>,
}

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A cluster role.
    ClusterRole(Action, ClusterRole),
    /// A role; its namespace may have to be created first.
    Role(Action, Role),
    /// A cluster role binding.
    ClusterRoleBinding(Action, ClusterRoleBinding),
    /// A role binding; its namespace may have to be created first.
    RoleBinding(Action, RoleBinding),
}

/// All that has to be done, roles before the bindings that name them. Aggregated roles are left to
/// [`crate::aggregate`], which follows their parts.
pub fn repairs(shipped: &PolicyObjects, current: &PolicyObjects) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let cluster_roles = by_name(&current.cluster_roles, |one| &one.metadata);
    for one in &shipped.cluster_roles {
        let outcome = reconcile_cluster_role(find(&cluster_roles, &one.metadata), one);
        push(&mut repairs, outcome, Repair::ClusterRole);
    }
    let roles = by_name(&current.roles, |one| &one.metadata);
    for one in &shipped.roles {
        push(&mut repairs, reconcile_role(find(&roles, &one.metadata), one), Repair::Role);
    }
    let cluster_bindings = by_name(&current.cluster_role_bindings, |one| &one.metadata);
    for one in &shipped.cluster_role_bindings {
        let outcome = reconcile_cluster_role_binding(find(&cluster_bindings, &one.metadata), one);
        push(&mut repairs, outcome, Repair::ClusterRoleBinding);
    }
    let bindings = by_name(&current.role_bindings, |one| &one.metadata);
    for one in &shipped.role_bindings {
        let outcome = reconcile_role_binding(find(&bindings, &one.metadata), one);
        push(&mut repairs, outcome, Repair::RoleBinding);
    }
    repairs
}

type ByName<'a, T> = HashMap<(&'a str, &'a str), &'a T>;

fn by_name<T>(list: &[T], meta: impl Fn(&T) -> &ObjectMeta) -> ByName<'_, T> {
    list.iter().map(|one| (key(meta(one)), one)).collect()
}

fn key(meta: &ObjectMeta) -> (&str, &str) {
    (&meta.namespace, &meta.name)
}

fn find<'a, T>(index: &ByName<'a, T>, meta: &ObjectMeta) -> Option<&'a T> {
    index.get(&key(meta)).copied()
}

fn push<T>(repairs: &mut Vec<Repair>, outcome: Outcome<T>, repair: impl Fn(Action, T) -> Repair) {
    if outcome.action != Action::Nothing {
        repairs.push(repair(outcome.action, outcome.object));
    }
}

/// A cluster role against what it should permit and gather.
pub fn reconcile_cluster_role(
    existing: Option<&ClusterRole>,
    expected: &ClusterRole,
) -> Outcome<ClusterRole> {
    let Some(existing) = existing else {
        return Outcome {
            missing_rules: expected.rules.clone(),
            ..outcome(Action::Create, expected.clone(), None)
        };
    };
    let mut object = existing.clone();
    merge(&mut object.metadata, &expected.metadata);
    let missing_rules = covers(&existing.rules, &expected.rules);
    object.rules.extend(missing_rules.iter().cloned());
    match (&mut object.aggregation_rule, &expected.aggregation_rule) {
        (aggregation, None) => *aggregation = None,
        (Some(existing), Some(expected)) => add_selectors(existing, expected),
        (none, Some(expected)) => *none = Some(expected.clone()),
    }
    let action = if object == *existing { Action::Nothing } else { Action::Update };
    Outcome { missing_rules, ..outcome(action, object, Some(&existing.metadata)) }
}

/// A role against what it should permit.
pub fn reconcile_role(existing: Option<&Role>, expected: &Role) -> Outcome<Role> {
    let Some(existing) = existing else {
        return Outcome {
            missing_rules: expected.rules.clone(),
            ..outcome(Action::Create, expected.clone(), None)
        };
    };
    let mut object = existing.clone();
    merge(&mut object.metadata, &expected.metadata);
    let missing_rules = covers(&existing.rules, &expected.rules);
    object.rules.extend(missing_rules.iter().cloned());
    let action = if object == *existing { Action::Nothing } else { Action::Update };
    Outcome { missing_rules, ..outcome(action, object, Some(&existing.metadata)) }
}

/// A cluster role binding against what it should bind.
pub fn reconcile_cluster_role_binding(
    existing: Option<&ClusterRoleBinding>,
    expected: &ClusterRoleBinding,
) -> Outcome<ClusterRoleBinding> {
    let view = existing.map(|one| (&one.metadata, &one.role_ref, one.subjects.as_slice()));
    let wanted = (&expected.metadata, &expected.role_ref, expected.subjects.as_slice());
    binding(view, wanted, |metadata, subjects| ClusterRoleBinding {
        metadata,
        role_ref: expected.role_ref.clone(),
        subjects,
    })
}

/// A role binding against what it should bind.
pub fn reconcile_role_binding(
    existing: Option<&RoleBinding>,
    expected: &RoleBinding,
) -> Outcome<RoleBinding> {
    let view = existing.map(|one| (&one.metadata, &one.role_ref, one.subjects.as_slice()));
    let wanted = (&expected.metadata, &expected.role_ref, expected.subjects.as_slice());
    binding(view, wanted, |metadata, subjects| RoleBinding {
        metadata,
        role_ref: expected.role_ref.clone(),
        subjects,
    })
}

type View<'a> = (&'a ObjectMeta, &'a RoleRef, &'a [Subject]);

fn binding<T>(
    existing: Option<View<'_>>,
    expected: View<'_>,
    make: impl FnOnce(ObjectMeta, Vec<Subject>) -> T,
) -> Outcome<T> {
    let (wanted_meta, wanted_role, wanted) = expected;
    let old = existing.map(|(meta, ..)| meta);
    let (action, meta, subjects, missing) = match existing {
        None => (Action::Create, wanted_meta.clone(), wanted.to_vec(), wanted.to_vec()),
        Some((_, role, _)) if role != wanted_role => {
            (Action::Recreate, wanted_meta.clone(), wanted.to_vec(), wanted.to_vec())
        }
        Some((meta, _, subjects)) => {
            let mut merged = meta.clone();
            merge(&mut merged, wanted_meta);
            let missing: Vec<_> =
                wanted.iter().filter(|one| !subjects.contains(one)).cloned().collect();
            let same = missing.is_empty() && merged == *meta;
            let action = if same { Action::Nothing } else { Action::Update };
            (action, merged, [subjects, &missing].concat(), missing)
        }
    };
    Outcome { missing_subjects: missing, ..outcome(action, make(meta, subjects), old) }
}

fn outcome<T>(action: Action, object: T, old: Option<&ObjectMeta>) -> Outcome<T> {
    let protected =
        old.and_then(|meta| meta.annotations.get(AUTOUPDATE)).is_some_and(|value| value == "false");
    Outcome {
        object,
        action: if protected { Action::Nothing } else { action },
        protected,
        missing_rules: Vec::new(),
        missing_subjects: Vec::new(),
    }
}

/// Adds labels and annotations; those that are there win.
fn merge(meta: &mut ObjectMeta, expected: &ObjectMeta) {
    let add = |to: &mut BTreeMap<String, String>, from: &BTreeMap<String, String>| {
        for (key, value) in from {
            to.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    add(&mut meta.labels, &expected.labels);
    add(&mut meta.annotations, &expected.annotations);
}

fn add_selectors(existing: &mut AggregationRule, expected: &AggregationRule) {
    for selector in &expected.cluster_role_selectors {
        if !existing.cluster_role_selectors.contains(selector) {
            existing.cluster_role_selectors.push(selector.clone());
        }
    }
}
