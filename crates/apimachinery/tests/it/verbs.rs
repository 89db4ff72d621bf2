// SPDX-License-Identifier: Apache-2.0
//! Every verb once as clients use it, and the refusals they meet most.

use apimachinery::local::Local;
use futures_util::StreamExt as _;
use rbac::UserInfo;
use serde_json::{Value, json};

use crate::server::{json as ask, server};

const MAPS: &str = "/api/v1/namespaces/n/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/n/deployments";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": name}}, "data": data})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

#[tokio::test]
async fn an_object_lives() {
    let server = server().await;
    let (code, made) = ask(&server, "POST", MAPS, JSON, &map("x", &json!({"k": "v"}))).await;
    assert_eq!(code, 201, "{made}");
    let (version, uid) =
        (made["metadata"]["resourceVersion"].clone(), made["metadata"]["uid"].clone());
    assert!(version.is_string() && uid.is_string());
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "kubectl");

    let (code, status) = ask(&server, "POST", MAPS, JSON, &map("x", &json!({}))).await;
    assert_eq!((code, status["message"].as_str()), (409, Some("configmaps \"x\" already exists")));

    let (code, got) = ask(&server, "GET", &format!("{MAPS}/x"), "", &Value::Null).await;
    assert_eq!((code, &got), (200, &made));

    let (code, patched) =
        ask(&server, "PATCH", &format!("{MAPS}/x"), MERGE, &json!({"data": {"k": null, "l": "w"}}))
            .await;
    assert_eq!((code, &patched["data"]), (200, &json!({"l": "w"})));
    let (_, same) =
        ask(&server, "PATCH", &format!("{MAPS}/x"), MERGE, &json!({"data": {"l": "w"}})).await;
    assert_eq!(
        same["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"],
        "no change, no version"
    );

    let mut stale = made.clone();
    stale["data"] = json!({"z": "z"});
    let (code, status) = ask(&server, "PUT", &format!("{MAPS}/x"), JSON, &stale).await;
    assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")));
    stale["metadata"]["resourceVersion"] = Value::Null;
    let (code, put) = ask(&server, "PUT", &format!("{MAPS}/x"), JSON, &stale).await;
    assert_eq!((code, &put["metadata"]["uid"]), (200, &uid));

    let (code, status) = ask(
        &server,
        "DELETE",
        &format!("{MAPS}/x"),
        JSON,
        &json!({"propagationPolicy": "Background"}),
    )
    .await;
    assert_eq!((code, status["status"].as_str()), (200, Some("Success")));
    let (code, status) = ask(&server, "GET", &format!("{MAPS}/x"), "", &Value::Null).await;
    assert_eq!((code, status["message"].as_str()), (404, Some("configmaps \"x\" not found")));
}

#[tokio::test]
async fn lists_select_and_page() {
    let server = server().await;
    for name in ["a", "b", "c"] {
        assert_eq!(ask(&server, "POST", MAPS, JSON, &map(name, &json!({}))).await.0, 201);
    }
    let (_, page) = ask(&server, "GET", &format!("{MAPS}?limit=2"), "", &Value::Null).await;
    assert_eq!(page["kind"], "ConfigMapList");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["metadata"]["remainingItemCount"], 1);
    let token = page["metadata"]["continue"].as_str().expect("a token");
    // Something made meanwhile is not in the rest of this list.
    assert_eq!(ask(&server, "POST", MAPS, JSON, &map("d", &json!({}))).await.0, 201);
    let (_, rest) =
        ask(&server, "GET", &format!("{MAPS}?limit=2&continue={token}"), "", &Value::Null).await;
    let names: Vec<&Value> =
        rest["items"].as_array().expect("items").iter().map(|i| &i["metadata"]["name"]).collect();
    assert_eq!(names, ["c"]);
    let (_, one) =
        ask(&server, "GET", &format!("{MAPS}?labelSelector=app%3Db"), "", &Value::Null).await;
    assert_eq!(one["items"].as_array().map(Vec::len), Some(1));
    let (_, named) =
        ask(&server, "GET", "/api/v1/configmaps?fieldSelector=metadata.name%3Dc", "", &Value::Null)
            .await;
    assert_eq!(named["items"].as_array().map(Vec::len), Some(1));
    let (code, _) =
        ask(&server, "GET", &format!("{MAPS}?fieldSelector=spec.x%3Dc"), "", &Value::Null).await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn status_and_scale_are_parts_of_a_deployment() {
    let server = server().await;
    let (code, made) = ask(&server, "POST", DEPLOYMENTS, JSON, &deployment("d")).await;
    assert_eq!((code, &made["metadata"]["generation"]), (201, &json!(1)), "{made}");
    let target = format!("{DEPLOYMENTS}/d");
    let (code, scaled) =
        ask(&server, "PATCH", &format!("{target}/scale"), MERGE, &json!({"spec": {"replicas": 3}}))
            .await;
    assert_eq!(
        (code, &scaled["kind"], &scaled["spec"]["replicas"]),
        (200, &json!("Scale"), &json!(3)),
        "{scaled}"
    );
    assert_eq!(scaled["status"]["selector"], "a=b");
    let (_, got) = ask(&server, "GET", &target, "", &Value::Null).await;
    assert_eq!((&got["spec"]["replicas"], &got["metadata"]["generation"]), (&json!(3), &json!(2)));
    let status = json!({"status": {"replicas": 3}, "spec": {"replicas": 9}});
    let (code, after) = ask(&server, "PATCH", &format!("{target}/status"), MERGE, &status).await;
    assert_eq!(
        (code, &after["spec"]["replicas"], &after["status"]["replicas"]),
        (200, &json!(3), &json!(3))
    );
    assert_eq!(after["metadata"]["generation"], 2, "a status is no new generation");
    let (_, main) =
        ask(&server, "PATCH", &target, MERGE, &json!({"status": {"replicas": 7}})).await;
    assert_eq!(main["status"]["replicas"], 3, "the main resource leaves the status alone");
}

#[tokio::test]
async fn apply_owns_and_conflicts() {
    let server = server().await;
    let apply = "application/apply-patch+yaml";
    let one = map("x", &json!({"k": "1", "mine": "1"}));
    let (code, made) =
        ask(&server, "PATCH", &format!("{MAPS}/x?fieldManager=one"), apply, &one).await;
    assert_eq!(code, 201, "{made}");
    let two = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "2"}});
    let (code, conflict) =
        ask(&server, "PATCH", &format!("{MAPS}/x?fieldManager=two"), apply, &two).await;
    assert_eq!(
        (code, &conflict["details"]["causes"][0]["field"]),
        (409, &json!(".data.k")),
        "{conflict}"
    );
    let (code, forced) =
        ask(&server, "PATCH", &format!("{MAPS}/x?fieldManager=two&force=true"), apply, &two).await;
    assert_eq!((code, &forced["data"]), (200, &json!({"k": "2", "mine": "1"})));
    let (_, again) =
        ask(&server, "PATCH", &format!("{MAPS}/x?fieldManager=two"), apply, &two).await;
    assert_eq!(again["metadata"]["resourceVersion"], forced["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn bad_bodies_say_what_is_wrong() {
    let server = server().await;
    let strict = format!("{MAPS}?fieldValidation=Strict");
    let mut wrong = map("x", &json!({}));
    wrong["dta"] = json!({});
    let (code, status) = ask(&server, "POST", &strict, JSON, &wrong).await;
    assert_eq!(code, 400);
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.contains("strict decoding error: unknown field \"dta\""), "{message}");
    let (code, _) = ask(&server, "POST", MAPS, JSON, &wrong).await;
    assert_eq!(code, 201, "only warned of");
    let (code, status) = ask(&server, "POST", MAPS, JSON, &map("Bad_Name", &json!({}))).await;
    assert_eq!(code, 422, "{status}");
    let (code, _) = ask(&server, "POST", MAPS, "text/plain", &map("y", &json!({}))).await;
    assert_eq!(code, 415);
    let (code, status) = ask(&server, "GET", &format!("{MAPS}/forbidden"), "", &Value::Null).await;
    assert_eq!(code, 403);
    let message = status["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with(
            "configmaps \"forbidden\" is forbidden: User \"tester\" cannot get resource"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let server = server().await;
    let mut held = map("x", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    assert_eq!(ask(&server, "POST", MAPS, JSON, &held).await.0, 201);
    let (code, marked) = ask(&server, "DELETE", &format!("{MAPS}/x"), "", &Value::Null).await;
    assert_eq!(code, 200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    let release = json!({"metadata": {"finalizers": null}});
    assert_eq!(ask(&server, "PATCH", &format!("{MAPS}/x"), MERGE, &release).await.0, 200);
    assert_eq!(ask(&server, "GET", &format!("{MAPS}/x"), "", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_watch_tells_and_resumes() {
    let server = server().await;
    let local =
        Local::new(server.clone(), UserInfo { name: "local".into(), ..UserInfo::default() });
    let first = local.create(MAPS, &map("a", &json!({}))).await.expect("created");
    let list = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&watch=true";
    let mut watch = local.watch(&format!("{MAPS}?{list}")).await.expect("a watch");
    let added = watch.next().await.expect("an event");
    assert_eq!((added.kind.as_str(), &added.object), ("ADDED", &first));
    let end = watch.next().await.expect("an event");
    assert_eq!(end.kind, "BOOKMARK");
    assert_eq!(end.object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    local.merge(&format!("{MAPS}/a"), &json!({"data": {"k": "v"}})).await.expect("patched");
    local.delete(&format!("{MAPS}/a"), None).await.expect("deleted");
    assert_eq!(watch.next().await.map(|e| e.kind), Some("MODIFIED".into()));
    assert_eq!(watch.next().await.map(|e| e.kind), Some("DELETED".into()));
    let since = first["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let mut resumed =
        local.watch(&format!("{MAPS}?watch=true&resourceVersion={since}")).await.expect("a watch");
    assert_eq!(resumed.next().await.map(|e| e.kind), Some("MODIFIED".into()));
    assert_eq!(resumed.next().await.map(|e| e.kind), Some("DELETED".into()));
}

#[tokio::test]
async fn discovery_and_openapi_name_what_is_served() {
    let server = server().await;
    let (_, groups) = ask(&server, "GET", "/apis", "", &Value::Null).await;
    assert_eq!(groups["groups"][0]["name"], "apps");
    let (_, core) = ask(&server, "GET", "/api/v1", "", &Value::Null).await;
    assert_eq!(core["resources"][0]["name"], "configmaps");
    let (_, index) = ask(&server, "GET", "/openapi/v3", "", &Value::Null).await;
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("a document");
    let (_, document) = ask(&server, "GET", url, "", &Value::Null).await;
    let patch =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    let named = patch["parameters"]
        .as_array()
        .expect("parameters")
        .iter()
        .any(|p| p["name"] == "fieldValidation");
    assert!(named && patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment");
}
