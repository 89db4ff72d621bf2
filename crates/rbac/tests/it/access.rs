// SPDX-License-Identifier: Apache-2.0
//! Decisions, reasons, reviews and refusals.

use std::collections::BTreeMap;
use std::time::Instant;

use rbac::{
    AggregationRule, Attributes, ClusterRole, Decision, LabelSelector, Policy, PolicyRule,
    Requirement, Role, aggregate, cause, forbidden, hint, namespace_bindings, shipped,
};
use serde_json::json;

use crate::{bind, bind_cluster, cluster_role, meta, role_ref, rule, subject, user};

const AUTHENTICATED: &str = "system:authenticated system:authenticated:oauth";

#[test]
fn a_reason_names_binding_role_and_subject() {
    let mut policy = Policy::new(shipped());
    let view = || role_ref("ClusterRole", "view");
    policy.set_role_binding(&bind("shop", "readers", view(), subject("User", "", "alice")));
    policy.set_role_binding(&bind("shop", "bots", view(), subject("ServiceAccount", "", "bot")));
    policy.set_cluster_role_binding(&bind_cluster(
        "ops",
        "cluster-reader",
        subject("Group", "", "ops"),
    ));
    let reason = |who: &rbac::UserInfo| {
        let ask = Attributes::resource(who, "list", "", "pods").in_namespace("shop");
        policy.authorize(&ask)
    };
    let allowed = |reason: &str| Decision::Allowed { reason: reason.into() };
    assert_eq!(
        reason(&user("alice", AUTHENTICATED)),
        allowed(
            r#"RBAC: allowed by RoleBinding "readers/shop" of ClusterRole "view" to User "alice""#
        )
    );
    assert_eq!(
        reason(&user("system:serviceaccount:shop:bot", "")),
        allowed(
            r#"RBAC: allowed by RoleBinding "bots/shop" of ClusterRole "view" to ServiceAccount "bot/shop""#
        )
    );
    assert_eq!(
        reason(&user("carol", "ops")),
        allowed(
            r#"RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "cluster-reader" to Group "ops""#
        )
    );
    assert_eq!(reason(&user("root", "system:masters")), allowed(""));
    // A service account of the same name elsewhere, or a user whose name begins alike, is another.
    assert!(!reason(&user("system:serviceaccount:other:bot", "")).is_allowed());
    assert!(!reason(&user("alice2", "")).is_allowed());
}

#[test]
fn missing_roles_are_told_and_do_not_hide_others() {
    let mut policy = Policy::default();
    let to = || subject("User", "", "u");
    policy.set_role_binding(&bind("n", "a", role_ref("ClusterRole", "gone"), to()));
    policy.set_role_binding(&bind("n", "b", role_ref("Role", "gone"), to()));
    policy.set_role_binding(&bind("n", "c", role_ref("Thing", "gone"), to()));
    let who = user("u", "");
    let ask = Attributes::resource(&who, "get", "", "pods").in_namespace("n");
    let text = r#"[clusterrole.rbac.authorization.k8s.io "gone" not found, role.rbac.authorization.k8s.io "gone" not found, unsupported role reference kind: "Thing"]"#;
    assert_eq!(policy.authorize(&ask), Decision::NoOpinion { reason: format!("RBAC: {text}") });
    assert_eq!(policy.rules_for(&who, "n").evaluation_error, text);
    let role = Role { metadata: meta("n", "gone"), rules: vec![rule("get", "core", "pods")] };
    policy.set_role(&role);
    assert!(policy.authorize(&ask).is_allowed());
    assert_eq!(policy.authorize(&ask.clone().in_namespace("m")).reason(), "");
    policy.remove_role("n", "gone");
    assert!(!policy.authorize(&ask).is_allowed());
}

#[test]
fn changes_take_effect_one_at_a_time() {
    let mut policy = Policy::default();
    let who = user("u", "g");
    let ask = Attributes::resource(&who, "get", "", "pods").in_namespace("n");
    policy.set_cluster_role(&cluster_role("r", vec![rule("get", "core", "pods")]));
    let mut binding = bind("n", "b", role_ref("ClusterRole", "r"), subject("User", "", "u"));
    binding.subjects.push(subject("Group", "", "g"));
    binding.subjects.push(subject("User", "", "u"));
    policy.set_role_binding(&binding);
    assert!(policy.authorize(&ask).is_allowed());
    assert_eq!(policy.rules_for(&who, "n").rules.len(), 1, "each binding counts once");
    binding.subjects = vec![subject("Group", "", "g")];
    policy.set_role_binding(&binding);
    assert!(policy.authorize(&ask).is_allowed());
    assert!(!policy.authorize(&Attributes { user: &user("u", ""), ..ask.clone() }).is_allowed());
    policy.set_cluster_role(&cluster_role("r", vec![rule("list", "core", "pods")]));
    assert!(!policy.authorize(&ask).is_allowed());
    policy.set_cluster_role(&cluster_role("r", vec![rule("get", "core", "pods")]));
    policy.remove_role_binding("n", "b");
    assert!(!policy.authorize(&ask).is_allowed());
}

#[test]
fn names_restrict_what_has_a_name() {
    let mut policy = Policy::default();
    let named = PolicyRule {
        resource_names: vec!["app".into()],
        ..rule("get list create deletecollection", "core", "pods")
    };
    policy.set_cluster_role(&cluster_role("r", vec![named, rule("get", "*", "*/scale")]));
    policy.set_cluster_role_binding(&bind_cluster("b", "r", subject("User", "", "u")));
    let who = user("u", "");
    let may =
        |verb, name| policy.authorize(&Attributes::resource(&who, verb, "", "pods").named(name));
    assert!(may("get", "app").is_allowed() && may("list", "app").is_allowed());
    assert!(!may("get", "other").is_allowed() && !may("list", "").is_allowed());
    assert!(!may("create", "").is_allowed() && !may("deletecollection", "").is_allowed());
    let scale = Attributes::resource(&who, "get", "apps", "deployments").subresource("scale");
    assert!(policy.authorize(&scale).is_allowed());
    let other = Attributes { subresource: "autoscale", ..scale };
    assert!(!policy.authorize(&other).is_allowed());
}

#[test]
fn reviews_list_rules_and_subjects() {
    let mut policy = Policy::new(shipped());
    namespace_bindings("shop").iter().for_each(|one| policy.set_role_binding(one));
    policy.set_role_binding(&bind(
        "shop",
        "local",
        role_ref("ClusterRole", "system:image-puller"),
        subject("ServiceAccount", "", "bot"),
    ));
    let who = user("nobody", "");
    let ask = Attributes::resource(&who, "get", "image.openshift.io", "imagestreams/layers")
        .in_namespace("shop");
    let (subjects, error) = policy.subjects_for(&ask);
    let names: Vec<_> = subjects.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names[0], "system:masters");
    for expected in
        ["system:cluster-admins", "system:admin", "system:serviceaccounts:shop", "builder"]
    {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    assert!(subjects.contains(&subject("ServiceAccount", "shop", "bot")));
    assert!(!names.contains(&"system:authenticated") && error.is_empty());
    let rules = policy.rules_for(&user("system:anonymous", "system:unauthenticated"), "shop");
    let status = rules.status();
    assert_eq!(status["incomplete"], json!(false));
    assert_eq!(status["nonResourceRules"][0]["verbs"], json!(["get"]));
    let pods = user("system:serviceaccount:shop:default", "system:serviceaccounts:shop");
    assert!(policy.authorize(&Attributes { user: &pods, ..ask.clone() }).is_allowed());
    assert!(!policy.authorize(&Attributes { user: &pods, ..ask }.in_namespace("x")).is_allowed());
}

#[test]
fn a_refusal_says_what_upstream_says() {
    let who = user("alice", AUTHENTICATED);
    let ask = Attributes::resource(&who, "list", "", "pods").in_namespace("shop");
    assert_eq!(
        forbidden(&ask, ""),
        r#"pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "shop""#
    );
    let images =
        Attributes::resource(&who, "delete", "image.openshift.io", "images").named("sha256:0");
    assert_eq!(
        forbidden(&images, "because"),
        r#"images.image.openshift.io "sha256:0" is forbidden: User "alice" cannot delete resource "images" in API group "image.openshift.io" at the cluster scope: because"#
    );
    assert_eq!(
        forbidden(&Attributes::path(&who, "get", "/a<b>&\u{202e}"), ""),
        r#"forbidden: User "alice" cannot get path "/a&lt;b&gt;&amp;\u202e""#
    );
    let log = Attributes::resource(&who, "get", "", "pods").subresource("log").in_namespace("shop");
    assert_eq!(
        cause(&log, ""),
        r#"User "alice" cannot get resource "pods/log" in API group "" in the namespace "shop""#
    );
}

#[test]
fn a_hint_names_the_least_role_that_helps() {
    let policy = Policy::new(shipped());
    let alice = user("alice", AUTHENTICATED);
    let bot = user("system:serviceaccount:shop:bot", AUTHENTICATED);
    let odd = user("o'neil; rm", AUTHENTICATED);
    let anonymous = user("system:anonymous", "system:unauthenticated");
    let layers = |who, verb| {
        Attributes::resource(who, verb, "image.openshift.io", "imagestreams/layers")
            .in_namespace("shop")
    };
    let pull = hint(&policy, &layers(&bot, "get")).unwrap();
    assert_eq!(pull.role, "system:image-puller");
    assert_eq!(
        pull.command,
        "oc policy add-role-to-user system:image-puller system:serviceaccount:shop:bot -n shop"
    );
    assert_eq!(
        pull.kubectl,
        "kubectl create rolebinding image-puller-system-serviceaccount-shop-bot --clusterrole=system:image-puller --serviceaccount=shop:bot -n shop"
    );
    assert_eq!(hint(&policy, &layers(&alice, "update")).unwrap().role, "system:image-pusher");
    let pods = Attributes::resource(&alice, "list", "", "pods").in_namespace("shop");
    assert_eq!(hint(&policy, &pods).unwrap().role, "view");
    let bindings =
        Attributes::resource(&odd, "create", rbac::API_GROUP, "rolebindings").in_namespace("shop");
    assert_eq!(
        hint(&policy, &bindings).unwrap().command,
        r"oc policy add-role-to-user registry-admin 'o'\''neil; rm' -n shop"
    );
    let nodes = Attributes::resource(&alice, "list", "", "nodes");
    assert_eq!(
        hint(&policy, &nodes).unwrap().command,
        "oc adm policy add-cluster-role-to-user cluster-reader alice"
    );
    assert_eq!(
        hint(&policy, &layers(&anonymous, "get")).unwrap().command,
        "oc policy add-role-to-group system:image-puller system:unauthenticated -n shop"
    );
    assert_eq!(hint(&policy, &layers(&anonymous, "update")), None);
    assert_eq!(hint(&policy, &Attributes { user: &anonymous, ..nodes }), None);
}

#[test]
fn aggregated_roles_follow_their_parts() {
    let labelled = |name: &str, key: &str, rules| {
        let mut role = cluster_role(name, rules);
        role.metadata.labels = BTreeMap::from([(key.to_owned(), "true".to_owned())]);
        role
    };
    let gathering = |name: &str, selector| ClusterRole {
        aggregation_rule: Some(AggregationRule { cluster_role_selectors: vec![selector] }),
        ..labelled(name, "outer", Vec::new())
    };
    let one = rule("get", "core", "pods");
    let inner = LabelSelector {
        match_labels: BTreeMap::from([("inner".to_owned(), "true".to_owned())]),
        ..LabelSelector::default()
    };
    let outer = LabelSelector {
        match_expressions: vec![Requirement {
            key: "outer".into(),
            operator: "Exists".into(),
            values: Vec::new(),
        }],
        ..LabelSelector::default()
    };
    let roles = [
        gathering("a-outer", outer),
        gathering("b-inner", inner),
        labelled("c", "inner", vec![one.clone(), one.clone()]),
    ];
    let changed = aggregate(&roles);
    let names: Vec<_> = changed.iter().map(|one| one.metadata.name.as_str()).collect();
    assert_eq!(names, ["a-outer", "b-inner"]);
    assert!(changed.iter().all(|role| role.rules == [one.clone()]));
    let again = [changed[0].clone(), changed[1].clone(), roles[2].clone()];
    assert!(aggregate(&again).is_empty());
    assert!(aggregate(&shipped().cluster_roles).is_empty());
}

/// Not a benchmark: a bound that only a change of complexity breaks, also in a debug build.
#[test]
fn an_answer_does_not_depend_on_the_number_of_bindings() {
    let mut policy = Policy::new(shipped());
    for number in 0..20_000 {
        let to = subject("User", "", &format!("user-{number}"));
        let name = format!("binding-{number}");
        policy.set_cluster_role_binding(&bind_cluster(&name, "view", to.clone()));
        policy.set_role_binding(&bind("shop", &name, role_ref("ClusterRole", "edit"), to));
    }
    let who = user("user-77", AUTHENTICATED);
    let ask = Attributes::resource(&who, "update", "image.openshift.io", "imagestreams")
        .subresource("layers")
        .in_namespace("shop");
    let refused = Attributes { resource: "unheard-of", ..ask.clone() };
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(policy.authorize(&ask).is_allowed());
        assert!(!policy.authorize(&refused).is_allowed());
    }
    let each = start.elapsed() / 2_000;
    println!("{each:?} per decision");
    assert!(each.as_micros() < 500, "{each:?}");
}
