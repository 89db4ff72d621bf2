// SPDX-License-Identifier: Apache-2.0
//! Escalation and reviews.

use rbac::UserInfo;
use serde_json::{Value, json};

use crate::server::{Answer, Cluster, user};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// An administrator of the namespace `n`, and of nothing else.
async fn administrator(cluster: &Cluster) -> UserInfo {
    let binding = json!({
        "metadata": {"name": "admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "User", "name": "anna"}],
    });
    let made = cluster.made(&format!("{RBAC}/namespaces/n/rolebindings"), binding).await;
    cluster.parts.policy.set(&made);
    user("anna", &["system:authenticated"])
}

async fn post(cluster: &Cluster, who: &UserInfo, target: &str, body: Value) -> Answer {
    cluster.ask(who, "POST", target, &[("content-type", "application/json")], Some(&body)).await
}

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_have() {
    let cluster = Cluster::new().await;
    let anna = administrator(&cluster).await;
    let roles = format!("{RBAC}/namespaces/n/roles");
    let own = json!({"metadata": {"name": "own"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let answer = post(&cluster, &anna, &roles, own).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    let more = json!({"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]});
    let answer = post(&cluster, &anna, &roles, more.clone()).await;
    assert_eq!(answer.code, 403, "{}", answer.body);
    let begin = "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"anna\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}";
    assert_eq!(answer.message(), begin);
    let legacy = "/apis/authorization.openshift.io/v1/namespaces/n";
    assert_eq!(post(&cluster, &anna, &format!("{legacy}/roles"), more).await.code, 403);
    let bindings = format!("{RBAC}/namespaces/n/rolebindings");
    let binding = |role: &str| {
        json!({
            "metadata": {"name": format!("to-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": "eve"}],
        })
    };
    assert_eq!(post(&cluster, &anna, &bindings, binding("view")).await.code, 201);
    assert_eq!(post(&cluster, &anna, &bindings, binding("cluster-admin")).await.code, 403);
    let body = json!({"metadata": {"name": "x"}, "roleRef": {"name": "cluster-admin"}, "userNames": ["eve"]});
    assert_eq!(post(&cluster, &anna, &format!("{legacy}/rolebindings"), body).await.code, 403);
    let absent = post(&cluster, &anna, &bindings, binding("absent")).await;
    assert_eq!(
        (absent.code, absent.message()),
        (404, "clusterroles.rbac.authorization.k8s.io \"absent\" not found")
    );
}

#[tokio::test]
async fn reviews_answer_as_requests_are_decided() {
    let cluster = Cluster::new().await;
    let anna = administrator(&cluster).await;
    let review = |verb: &str, namespace: &str| json!({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace}}});
    let mine = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (verb, namespace, allowed) in
        [("list", "n", true), ("list", "default", false), ("escalate", "n", false)]
    {
        let answer = post(&cluster, &anna, mine, review(verb, namespace)).await;
        assert_eq!(
            (answer.code, &answer.body["status"]["allowed"]),
            (201, &json!(allowed)),
            "{verb} {namespace}"
        );
    }
    let mut about = review("list", "n");
    about["spec"]["user"] = "anna".into();
    let answer =
        cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", about.clone()).await;
    assert_eq!(answer.body["status"]["allowed"], true, "{}", answer.body);
    let elsewhere = cluster
        .create("/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews", about)
        .await;
    assert_eq!(elsewhere.code, 422, "{}", elsewhere.body);
    let none = post(&cluster, &anna, mine, json!({"spec": {}})).await;
    assert!(
        none.message().ends_with(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        ),
        "{}",
        none.body
    );
    let rules = post(
        &cluster,
        &anna,
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        json!({"spec": {"namespace": "n"}}),
    )
    .await;
    assert!(
        rules.body["status"]["resourceRules"].as_array().is_some_and(|rules| rules.len() > 5),
        "{}",
        rules.body
    );
}

#[tokio::test]
async fn openshifts_reviews() {
    let cluster = Cluster::new().await;
    let anna = administrator(&cluster).await;
    let base = "/apis/authorization.openshift.io/v1";
    let who = json!({"verb": "get", "resourceAPIGroup": "image.openshift.io", "resource": "imagestreams/layers"});
    let answer =
        post(&cluster, &anna, &format!("{base}/namespaces/n/localresourceaccessreviews"), who)
            .await;
    assert_eq!(
        (answer.code, &answer.body["kind"]),
        (201, &json!("ResourceAccessReviewResponse")),
        "{}",
        answer.body
    );
    assert!(
        answer.body["users"].as_array().is_some_and(|users| users.contains(&json!("anna"))),
        "{}",
        answer.body
    );
    assert!(
        answer.body["groups"]
            .as_array()
            .is_some_and(|groups| groups.contains(&json!("system:masters")))
    );
    let may = json!({"verb": "create", "resourceAPIGroup": "project.openshift.io", "resource": "projectrequests"});
    let oauth = user("anna", &["system:authenticated", "system:authenticated:oauth"]);
    let answer = post(&cluster, &oauth, &format!("{base}/subjectaccessreviews"), may).await;
    assert_eq!((answer.code, &answer.body["allowed"]), (201, &json!(true)), "{}", answer.body);
    let others = json!({"verb": "get", "resource": "pods", "user": "eve"});
    let answer = post(&cluster, &oauth, &format!("{base}/subjectaccessreviews"), others).await;
    assert_eq!(answer.code, 403, "{}", answer.body);
}

#[tokio::test]
async fn a_host_of_ones_own_needs_leave() {
    let cluster = Cluster::new().await;
    let editor = user("ed", &["system:authenticated"]);
    let role = json!({"metadata": {"name": "routes"}, "rules": [
        {"apiGroups": ["route.openshift.io"], "resources": ["routes"], "verbs": ["create"]}]});
    cluster.parts.policy.set(&cluster.made(&format!("{RBAC}/namespaces/n/roles"), role).await);
    let binding = json!({"metadata": {"name": "routes"}, "subjects": [{"kind": "User", "name": "ed"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "routes"}});
    cluster
        .parts
        .policy
        .set(&cluster.made(&format!("{RBAC}/namespaces/n/rolebindings"), binding).await);
    let routes = "/apis/route.openshift.io/v1/namespaces/n/routes";
    let route = |name: &str, host: &str| json!({"metadata": {"name": name}, "spec": {"host": host, "to": {"name": "s"}}});
    let refused = post(&cluster, &editor, routes, route("a", "bank.example.com")).await;
    assert_eq!(
        refused.message(),
        "Route.route.openshift.io \"a\" is invalid: spec.host: Forbidden: you do not have permission to set the host field of the route"
    );
    let made = post(&cluster, &editor, routes, route("b", "")).await;
    assert_eq!(
        (made.code, &made.body["spec"]["host"]),
        (201, &json!("b-n.apps.test")),
        "{}",
        made.body
    );
}
