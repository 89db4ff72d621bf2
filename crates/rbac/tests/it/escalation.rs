// SPDX-License-Identifier: Apache-2.0
//! Texts and exceptions of the escalation check, and what must always hold of `covers`.

use proptest::prelude::*;
use rbac::{
    Attributes, ClusterRole, Escalation, Policy, PolicyRule, breakdown, check_cluster_role,
    check_role, check_role_binding, covers, rule_allows, rules_allow, shipped,
};

use crate::{bind, bind_cluster, cluster_role, meta, role_ref, rule, subject, user};

fn policy() -> Policy {
    let mut policy = Policy::new(shipped());
    policy.set_role_binding(&bind(
        "n",
        "a",
        role_ref("ClusterRole", "admin"),
        subject("User", "", "ann"),
    ));
    policy
}

fn role(rules: Vec<PolicyRule>) -> rbac::Role {
    rbac::Role { metadata: meta("n", "r"), rules }
}

#[test]
fn the_text_lists_what_is_missing() {
    let wanted = vec![
        rule("get list", "core", "pods nodes"),
        PolicyRule { resource_names: vec!["x".into()], ..rule("use", "policy", "psp") },
        PolicyRule { non_resource_urls: vec!["/m".into()], ..rule("get", "", "") },
    ];
    let error = check_role(&policy(), &user("ann", "a b"), &role(wanted), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "user \"ann\" (groups=[\"a\" \"b\"]) is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}\n\
         {APIGroups:[\"policy\"], Resources:[\"psp\"], ResourceNames:[\"x\"], Verbs:[\"use\"]}\n\
         {NonResourceURLs:[\"/m\"], Verbs:[\"get\"]}"
    );
}

#[test]
fn who_may_escalate_or_bind_need_not_hold() {
    let mut policy = policy();
    let everything = || vec![rule("*", "*", "*")];
    let (ann, root) = (user("ann", ""), user("root", "system:masters"));
    assert!(check_role(&policy, &ann, &role(everything()), None).is_err());
    assert_eq!(check_role(&policy, &root, &role(everything()), None), Ok(()));
    let named = |verb: &str, kind: &str, name: &str| PolicyRule {
        resource_names: vec![name.into()],
        ..rule(verb, rbac::API_GROUP, kind)
    };
    policy.set_cluster_role(&cluster_role(
        "special",
        vec![named("escalate", "roles", "r"), named("bind", "clusterroles", "cluster-admin")],
    ));
    policy.set_role_binding(&bind(
        "n",
        "s",
        role_ref("ClusterRole", "special"),
        subject("User", "", "ann"),
    ));
    // By name it holds for the role that exists, not for one that is to be made.
    assert!(check_role(&policy, &ann, &role(everything()), None).is_err());
    assert_eq!(check_role(&policy, &ann, &role(everything()), Some(&role(Vec::new()))), Ok(()));
    let to = || subject("User", "", "eve");
    let admin = bind("n", "x", role_ref("ClusterRole", "cluster-admin"), to());
    assert_eq!(check_role_binding(&policy, &ann, &admin, None), Ok(()));
    let elsewhere = bind("m", "x", role_ref("ClusterRole", "cluster-admin"), to());
    assert!(check_role_binding(&policy, &ann, &elsewhere, None).is_err());
    let gone = bind("n", "x", role_ref("ClusterRole", "gone"), to());
    assert_eq!(
        check_role_binding(&policy, &ann, &gone, None).unwrap_err().to_string(),
        r#"clusterroles.rbac.authorization.k8s.io "gone" not found"#
    );
    let odd = bind("n", "x", role_ref("Thing", "gone"), to());
    assert_eq!(
        check_role_binding(&policy, &ann, &odd, None),
        Err(Escalation::UnknownKind("Thing".into()))
    );
}

#[test]
fn labels_and_aggregation_are_ways_to_escalate_too() {
    let mut policy = policy();
    policy.set_cluster_role(&cluster_role(
        "writer",
        vec![rule("*", rbac::API_GROUP, "clusterroles")],
    ));
    // `*` on cluster roles holds `escalate`; the verbs alone do not.
    let verbs = vec![rule("create update patch get", rbac::API_GROUP, "clusterroles")];
    policy.set_cluster_role(&cluster_role("editor", verbs.clone()));
    policy.set_cluster_role_binding(&bind_cluster("w", "writer", subject("User", "", "wim")));
    policy.set_cluster_role_binding(&bind_cluster("e", "editor", subject("User", "", "eve")));
    let (wim, eve) = (user("wim", ""), user("eve", ""));
    let strong = cluster_role("strong", vec![rule("*", "*", "*")]);
    assert_eq!(check_cluster_role(&policy, &wim, &strong, None), Ok(()));
    assert!(check_cluster_role(&policy, &eve, &strong, None).is_err());
    // Unchanged it may be written (finalizers, owners); with a label it might join `admin`.
    assert_eq!(check_cluster_role(&policy, &eve, &strong, Some(&strong)), Ok(()));
    let mut labelled = strong.clone();
    labelled
        .metadata
        .labels
        .insert("rbac.authorization.k8s.io/aggregate-to-view".into(), "true".into());
    assert!(check_cluster_role(&policy, &eve, &labelled, Some(&strong)).is_err());
    let everything =
        rbac::AggregationRule { cluster_role_selectors: vec![rbac::LabelSelector::default()] };
    let gathering = ClusterRole { aggregation_rule: Some(everything), ..cluster_role("g", verbs) };
    assert_eq!(
        check_cluster_role(&policy, &eve, &gathering, None).unwrap_err().to_string(),
        "must have cluster-admin privileges to use the aggregationRule"
    );
    let tightened = ClusterRole { aggregation_rule: None, ..gathering.clone() };
    assert!(check_cluster_role(&policy, &eve, &tightened, Some(&gathering)).is_err());
}

fn some(words: &'static [&'static str], max: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(words).prop_map(str::to_owned), 0..=max)
}

// As validation has them: a rule is about resources or about paths.
prop_compose! {
    fn any_rule()(
        about_paths in any::<bool>(),
        verbs in some(&["get", "list", "*"], 2),
        api_groups in some(&["", "apps", "*"], 2),
        resources in some(&["pods", "pods/log", "jobs/log", "*/log", "*"], 2),
        resource_names in some(&["a", "b"], 2),
        non_resource_urls in some(&["/a", "/a/*", "/a/b", "/*", "*"], 2),
    ) -> PolicyRule {
        if about_paths {
            PolicyRule { verbs, non_resource_urls, ..PolicyRule::default() }
        } else {
            PolicyRule { verbs, api_groups, resources, resource_names, ..PolicyRule::default() }
        }
    }
}

prop_compose! {
    fn any_rules()(rules in prop::collection::vec(any_rule(), 0..4)) -> Vec<PolicyRule> { rules }
}

/// All requests that the words above can distinguish.
fn every_request(mut check: impl FnMut(&Attributes<'_>)) {
    let who = user("u", "");
    for verb in ["get", "list", "watch"] {
        for group in ["", "apps", "other"] {
            for (resource, subresource) in [
                ("pods", ""),
                ("pods", "log"),
                ("jobs", "log"),
                ("x", "log"),
                ("x", ""),
                ("pods", "x"),
            ] {
                for name in ["", "a", "b", "c"] {
                    check(
                        &Attributes::resource(&who, verb, group, resource)
                            .subresource(subresource)
                            .named(name),
                    );
                }
            }
        }
        for path in ["/a", "/a/", "/a/b", "/a/b/c", "/b", ""] {
            check(&Attributes::path(&who, verb, path));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The promise: whoever covers some rules can do all that these permit.
    #[test]
    fn covered_rules_permit_nothing_more(owner in any_rules(), wanted in any_rules()) {
        let missing = covers(&owner, &wanted);
        every_request(|ask| {
            if rules_allow(ask, &wanted) && !rules_allow(ask, &owner) {
                assert!(rules_allow(ask, &missing), "{ask:?} slips through");
            }
        });
    }

    #[test]
    fn rules_cover_themselves_and_their_parts(rules in any_rules()) {
        prop_assert!(covers(&rules, &rules).is_empty());
        let parts: Vec<_> = rules.iter().flat_map(breakdown).collect();
        prop_assert!(covers(&rules, &parts).is_empty());
        every_request(|ask| {
            assert_eq!(rules_allow(ask, &rules), parts.iter().any(|part| rule_allows(ask, part)));
        });
    }

    #[test]
    fn more_rules_cover_no_less(owner in any_rules(), more in any_rules(), wanted in any_rules()) {
        let before = covers(&owner, &wanted);
        let after = covers(&[owner, more].concat(), &wanted);
        prop_assert!(after.iter().all(|one| before.contains(one)));
    }
}
