// SPDX-License-Identifier: Apache-2.0
//! Projects, users, roles in their older form.

use serde_json::json;

use crate::server::{Cluster, user};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn a_request_makes_a_project_and_its_administrator() {
    let cluster = Cluster::new().await;
    let anna = user("anna", &["system:authenticated", "system:authenticated:oauth"]);
    let requests = "/apis/project.openshift.io/v1/projectrequests";
    let may = cluster.ask(&anna, "GET", requests, &[], None).await;
    assert_eq!((may.code, &may.body["status"]), (200, &json!("Success")), "{}", may.body);
    let body =
        json!({"metadata": {"name": "hers"}, "displayName": "Hers", "description": "of Anna"});
    let made = cluster.ask(&anna, "POST", requests, &JSON, Some(&body)).await;
    assert_eq!((made.code, &made.body["kind"]), (201, &json!("Project")), "{}", made.body);
    assert_eq!(made.body["metadata"]["annotations"]["openshift.io/requester"], "anna");
    let twice = cluster.ask(&anna, "POST", requests, &JSON, Some(&body)).await;
    assert_eq!(
        (twice.code, twice.message()),
        (409, "project.project.openshift.io \"hers\" already exists")
    );
    for (name, text) in [
        (
            "openshift",
            "project.project.openshift.io \"openshift\" is forbidden: cannot request a project with the name \"openshift\"",
        ),
        (
            "kube-x",
            "project.project.openshift.io \"kube-x\" is forbidden: cannot request a project starting with \"kube-\"",
        ),
    ] {
        let body = json!({"metadata": {"name": name}});
        let refused = cluster.ask(&anna, "POST", requests, &JSON, Some(&body)).await;
        assert_eq!((refused.code, refused.message()), (403, text));
    }
    // She sees her own, and may get and delete it though she has no rights at the cluster's scope.
    let projects = "/apis/project.openshift.io/v1/projects";
    let listed = cluster.ask(&anna, "GET", projects, &[], None).await;
    let names: Vec<&str> = listed.body["items"]
        .as_array()
        .map(|items| items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect())
        .unwrap_or_default();
    assert_eq!(names, ["hers"], "{}", listed.body);
    assert_eq!(cluster.get(projects).await.body["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(cluster.ask(&anna, "GET", &format!("{projects}/n"), &[], None).await.code, 403);
    assert_eq!(cluster.ask(&anna, "GET", &format!("{projects}/hers"), &[], None).await.code, 200);
    let made = cluster
        .ask(
            &anna,
            "POST",
            "/api/v1/namespaces/hers/secrets",
            &JSON,
            Some(&json!({"metadata": {"name": "s"}})),
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.body);
    let gone = cluster.ask(&anna, "DELETE", &format!("{projects}/hers"), &JSON, None).await;
    assert_eq!(gone.code, 200, "{}", gone.body);
    assert_eq!(cluster.get("/api/v1/namespaces/hers").await.body["status"]["phase"], "Terminating");
    // Who may not is told so.
    let nobody = user("system:anonymous", &["system:unauthenticated"]);
    assert_eq!(cluster.ask(&nobody, "GET", requests, &[], None).await.code, 403);
    let bot = user("bot", &["system:authenticated"]);
    let refused = cluster.ask(&bot, "GET", requests, &[], None).await;
    assert_eq!(
        (refused.code, refused.message()),
        (403, "You may not request a new project via this API.")
    );
}

#[tokio::test]
async fn of_a_project_only_the_words_for_people_change() {
    let cluster = Cluster::new().await;
    let one = "/apis/project.openshift.io/v1/projects/default";
    let answer = cluster
        .merge(one, json!({"metadata": {"annotations": {"openshift.io/display-name": "N"}}}))
        .await;
    assert_eq!((answer.code, &answer.body["kind"]), (200, &json!("Project")), "{}", answer.body);
    let answer = cluster.merge(one, json!({"metadata": {"annotations": {"x": "y"}}})).await;
    assert_eq!(
        answer.message(),
        "Project.project.openshift.io \"default\" is invalid: metadata.annotations[x]: Invalid value: \"y\": field is immutable, try updating the namespace"
    );
    assert_eq!(
        cluster
            .row("/apis/project.openshift.io/v1/projects?fieldSelector=metadata.name%3Ddefault")
            .await["Display Name"],
        "N"
    );
    let stored = cluster.get("/api/v1/namespaces/default").await.body;
    assert_eq!((&stored["kind"], &stored["apiVersion"]), (&json!("Namespace"), &json!("v1")));
}

#[tokio::test]
async fn who_am_i() {
    let cluster = Cluster::new().await;
    let anna = user("anna", &["system:authenticated", "b"]);
    let me = cluster.ask(&anna, "GET", "/apis/user.openshift.io/v1/users/~", &[], None).await;
    assert_eq!((me.code, &me.body["metadata"]["name"]), (200, &json!("anna")), "{}", me.body);
    assert_eq!(me.body["groups"], json!(["b", "system:authenticated"]));
    let made = cluster
        .made(
            "/apis/user.openshift.io/v1/users",
            json!({"metadata": {"name": "anna"}, "fullName": "Anna A."}),
        )
        .await;
    let me = cluster.ask(&anna, "GET", "/apis/user.openshift.io/v1/users/~", &[], None).await;
    assert_eq!(
        (&me.body["metadata"]["uid"], &me.body["fullName"]),
        (&made["metadata"]["uid"], &json!("Anna A."))
    );
    let review = cluster
        .ask(
            &anna,
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            &JSON,
            Some(&json!({})),
        )
        .await;
    assert_eq!(
        (review.code, &review.body["status"]["userInfo"]["username"]),
        (201, &json!("anna")),
        "{}",
        review.body
    );
}

#[tokio::test]
async fn a_mapping_ties_a_user_to_an_identity() {
    let cluster = Cluster::new().await;
    let base = "/apis/user.openshift.io/v1";
    let user = cluster.made(&format!("{base}/users"), json!({"metadata": {"name": "u"}})).await;
    let identity =
        json!({"metadata": {"name": "p:u"}, "providerName": "p", "providerUserName": "u"});
    cluster.made(&format!("{base}/identities"), identity).await;
    let mapping = json!({"identity": {"name": "p:u"}, "user": {"name": "u"}});
    cluster.made(&format!("{base}/useridentitymappings"), mapping.clone()).await;
    assert_eq!(cluster.create(&format!("{base}/useridentitymappings"), mapping).await.code, 409);
    assert_eq!(cluster.get(&format!("{base}/users/u")).await.body["identities"], json!(["p:u"]));
    let identity = cluster.get(&format!("{base}/identities/p:u")).await.body;
    assert_eq!(identity["user"], json!({"name": "u", "uid": user["metadata"]["uid"]}));
    assert_eq!(
        cluster.admin("DELETE", &format!("{base}/useridentitymappings/p:u"), None).await.code,
        200
    );
    assert_eq!(cluster.get(&format!("{base}/useridentitymappings/p:u")).await.code, 404);
    assert_eq!(cluster.get(&format!("{base}/users/u")).await.body["identities"], json!([]));
}

#[tokio::test]
async fn a_binding_has_two_forms() {
    let cluster = Cluster::new().await;
    let legacy = "/apis/authorization.openshift.io/v1/namespaces/n/rolebindings";
    let body = json!({"metadata": {"name": "b"}, "roleRef": {"name": "view"}, "userNames": ["u", "system:serviceaccount:n:s"]});
    cluster.made(legacy, body).await;
    let stored =
        cluster.get("/apis/rbac.authorization.k8s.io/v1/namespaces/n/rolebindings/b").await.body;
    assert_eq!(stored["apiVersion"], "rbac.authorization.k8s.io/v1");
    assert_eq!(
        stored["roleRef"],
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"})
    );
    assert_eq!(
        stored["subjects"][1],
        json!({"kind": "ServiceAccount", "name": "s", "namespace": "n"})
    );
    let shown = cluster.get(legacy).await.body;
    assert_eq!(shown["items"][0]["userNames"], json!(["u", "system:serviceaccount:n:s"]));
}

#[tokio::test]
async fn configuration_refuses_strategic_patches() {
    let cluster = Cluster::new().await;
    let images = "/apis/config.openshift.io/v1/images";
    cluster.made(images, json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let admin = user("admin", &["system:masters"]);
    let answer = cluster
        .ask(&admin, "PATCH", &format!("{images}/cluster"), &strategic, Some(&json!({})))
        .await;
    assert_eq!(
        (answer.code, &answer.body["reason"]),
        (415, &json!("UnsupportedMediaType")),
        "{}",
        answer.body
    );
    let merged = cluster
        .merge(
            &format!("{images}/cluster"),
            json!({"spec": {"additionalTrustedCA": {"name": "c"}}}),
        )
        .await;
    assert_eq!(
        (merged.code, &merged.body["metadata"]["generation"]),
        (200, &json!(2)),
        "{}",
        merged.body
    );
}
