// SPDX-License-Identifier: Apache-2.0
//! A damaged policy is found and repaired, and what an administrator wanted stays.

use rbac::{AUTOUPDATE, Action, ClusterRole, PolicyObjects, Repair, repairs, shipped};

use crate::{role_ref, rule, subject};

/// Does what is to be done.
fn apply(current: &mut PolicyObjects, todo: Vec<Repair>) {
    fn put<T>(list: &mut Vec<T>, one: T, same: impl Fn(&T, &T) -> bool) {
        list.retain(|old| !same(old, &one));
        list.push(one);
    }
    for repair in todo {
        match repair {
            Repair::ClusterRole(_, one) => {
                put(&mut current.cluster_roles, one, |a, b| a.metadata.name == b.metadata.name);
            }
            Repair::Role(_, one) => put(&mut current.roles, one, |a, b| {
                (&a.metadata.namespace, &a.metadata.name)
                    == (&b.metadata.namespace, &b.metadata.name)
            }),
            Repair::ClusterRoleBinding(_, one) => {
                put(&mut current.cluster_role_bindings, one, |a, b| {
                    a.metadata.name == b.metadata.name
                });
            }
            Repair::RoleBinding(_, one) => put(&mut current.role_bindings, one, |a, b| {
                (&a.metadata.namespace, &a.metadata.name)
                    == (&b.metadata.namespace, &b.metadata.name)
            }),
        }
    }
}

#[test]
fn an_empty_cluster_gets_all_and_then_nothing() {
    let mut current = PolicyObjects::default();
    let todo = repairs(shipped(), &current);
    assert!(todo.len() > 150);
    apply(&mut current, todo);
    assert_eq!(repairs(shipped(), &current), []);
    assert_eq!(current.cluster_roles.len(), shipped().cluster_roles.len());
}

fn damage(name: &str, change: impl FnOnce(&mut ClusterRole)) -> (ClusterRole, Vec<Repair>) {
    let mut current = shipped().clone();
    let role = current.cluster_roles.iter_mut().find(|one| one.metadata.name == name).unwrap();
    change(role);
    (role.clone(), repairs(shipped(), &current))
}

#[test]
fn lost_rules_come_back_and_added_ones_stay() {
    let extra = rule("get", "example.org", "widgets");
    let (_, todo) = damage("system:image-puller", |role| role.rules = vec![extra.clone()]);
    let [Repair::ClusterRole(Action::Update, repaired)] = todo.as_slice() else {
        panic!("{todo:?}")
    };
    assert_eq!(repaired.rules[0], extra);
    assert!(repaired.rules[1..].iter().all(|one| one.resources == ["imagestreams/layers"]));
    let (_, todo) = damage("system:image-puller", |role| role.rules.push(extra));
    assert_eq!(todo, []);
}

#[test]
fn a_protected_role_is_left_alone() {
    let (_, todo) = damage("system:image-puller", |role| {
        role.rules.clear();
        role.metadata.annotations.insert(AUTOUPDATE.into(), "false".into());
    });
    assert_eq!(todo, []);
}

#[test]
fn labels_and_selectors_come_back() {
    let (_, todo) = damage("registry-viewer", |role| role.metadata.labels.clear());
    assert_eq!(todo.len(), 1);
    let (_, todo) = damage("cluster-reader", |role| role.aggregation_rule = None);
    let [Repair::ClusterRole(Action::Update, repaired)] = todo.as_slice() else {
        panic!("{todo:?}")
    };
    assert_eq!(repaired.aggregation_rule.as_ref().unwrap().cluster_role_selectors.len(), 2);
    let (damaged, todo) = damage("registry-viewer", |role| {
        role.aggregation_rule = Some(rbac::AggregationRule::default());
    });
    let [Repair::ClusterRole(Action::Update, repaired)] = todo.as_slice() else {
        panic!("{todo:?}")
    };
    assert_eq!(*repaired, ClusterRole { aggregation_rule: None, ..damaged });
}

#[test]
fn bindings_get_their_subjects_and_their_role_back() {
    let mut current = shipped().clone();
    let find = |current: &mut PolicyObjects, name: &str| {
        current.cluster_role_bindings.iter().position(|one| one.metadata.name == name).unwrap()
    };
    let place = find(&mut current, "cluster-readers");
    current.cluster_role_bindings[place].subjects = vec![subject("User", "", "auditor")];
    let place = find(&mut current, "basic-users");
    current.cluster_role_bindings[place].role_ref = role_ref("ClusterRole", "cluster-admin");
    let todo = repairs(shipped(), &current);
    let [
        Repair::ClusterRoleBinding(Action::Update, readers),
        Repair::ClusterRoleBinding(Action::Recreate, basic),
    ] = todo.as_slice()
    else {
        panic!("{todo:?}")
    };
    assert_eq!(readers.subjects.len(), 2);
    assert_eq!(readers.subjects[0].name, "auditor");
    assert_eq!(basic.role_ref.name, "basic-user");
    assert_eq!(basic.subjects[0].name, "system:authenticated");
}
