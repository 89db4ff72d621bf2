// SPDX-License-Identifier: Apache-2.0
//! Every stored kind: the smallest object is created, read, listed, printed, changed and deleted.

use apimachinery::resource::{Source, Verbs};
use serde_json::{Value, json};

use crate::server::{Cluster, template, workload};

/// What a kind needs beside a name; kinds that need nothing are not named.
fn smallest(group: &str, kind: &str) -> Value {
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    });
    let claim =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    match (group, kind) {
        ("", "Pod") => json!({"spec": template()["spec"]}),
        ("", "PodTemplate") => json!({"template": template()}),
        ("", "Service") => json!({"spec": {"ports": [{"port": 80}]}}),
        ("", "ReplicationController") => json!({"spec": {"template": template()}}),
        ("", "PersistentVolumeClaim") => json!({"spec": claim}),
        ("", "PersistentVolume") => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"},
        }}),
        ("", "Event") => json!({"involvedObject": {"namespace": "n"}}),
        ("events.k8s.io", _) => json!({
            "regarding": {"namespace": "n"}, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "a", "reason": "r",
            "reportingController": "example.com/c", "reportingInstance": "i", "type": "Normal",
        }),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => {
            json!({"spec": workload()})
        }
        ("apps", "ControllerRevision") => json!({"revision": 1}),
        ("batch", "Job") => json!({"spec": {"template": never()}}),
        ("batch", "CronJob") => {
            json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": never()}}}})
        }
        ("autoscaling", _) => {
            json!({"spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}})
        }
        ("networking.k8s.io", "NetworkPolicy") => json!({"spec": {"podSelector": {}}}),
        ("networking.k8s.io", "Ingress") => {
            json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}})
        }
        ("networking.k8s.io", "IngressClass") => json!({"spec": {"controller": "example.com/c"}}),
        ("node.k8s.io", _) => json!({"handler": "h"}),
        ("scheduling.k8s.io", _) => json!({"value": 5}),
        ("storage.k8s.io", "StorageClass") => json!({"provisioner": "example.com/p"}),
        ("discovery.k8s.io", _) => json!({"addressType": "IPv4", "endpoints": []}),
        ("certificates.k8s.io", _) => {
            json!({"spec": {"request": "eA==", "usages": ["client auth"], "signerName": "example.com/s"}})
        }
        ("apiextensions.k8s.io", _) => json!({"metadata": {"name": "xs.example.com"}, "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "xs", "kind": "X"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }}),
        ("apiregistration.k8s.io", _) => json!({"metadata": {"name": "v1.example.com"}, "spec": {
            "group": "example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
        }}),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding,
        ("authorization.openshift.io", "RoleBinding" | "ClusterRoleBinding") => {
            json!({"roleRef": {"name": "view"}})
        }
        ("oauth.openshift.io", "OAuthAccessToken" | "OAuthAuthorizeToken") => {
            let name = format!("sha256~{}", "x".repeat(43));
            json!({"metadata": {"name": name}, "clientName": "c", "userName": "u", "userUID": "1"})
        }
        ("oauth.openshift.io", "OAuthClientAuthorization") => {
            json!({"metadata": {"name": "u:c"}, "clientName": "c", "userName": "u", "userUID": "1"})
        }
        ("user.openshift.io", "Identity") => {
            json!({"metadata": {"name": "p:u"}, "providerName": "p", "providerUserName": "u"})
        }
        ("route.openshift.io", _) => json!({"spec": {"to": {"name": "s"}}}),
        ("quota.openshift.io", _) => {
            json!({"spec": {"selector": {"annotations": {"a": "b"}}, "quota": {}}})
        }
        _ => json!({}),
    }
}

fn never() -> Value {
    let mut template = template();
    template["spec"]["restartPolicy"] = "Never".into();
    template
}

#[tokio::test]
async fn each_lives_and_dies() {
    let cluster = Cluster::new().await;
    let catalog = cluster.server().catalog();
    let mut count = 0;
    for resource in catalog.resources() {
        let Source::Stored { .. } = resource.source else { continue };
        for version in &resource.versions {
            if !resource.verbs.has(Verbs::CREATE) {
                continue;
            }
            let base = if resource.group.is_empty() {
                "/api".to_owned()
            } else {
                format!("/apis/{}", resource.group)
            };
            let place = if resource.namespaced { "/namespaces/n" } else { "" };
            let list = format!("{base}/{}{place}/{}", version.name, resource.plural);
            let mut object = smallest(&resource.group, &resource.kind);
            if object["metadata"]["name"].is_null() {
                object["metadata"]["name"] = "it".into();
            }
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let one = format!("{list}/{name}");
            let made = cluster.create(&list, object).await;
            assert_eq!(made.code, 201, "create {list}: {}", made.body);
            assert_eq!(made.body["kind"], resource.kind.as_str(), "{list}");
            for field in ["uid", "resourceVersion", "creationTimestamp"] {
                assert!(made.body["metadata"][field].is_string(), "{list} has no {field}");
            }
            let group_version = if resource.group.is_empty() {
                version.name.clone()
            } else {
                format!("{}/{}", resource.group, version.name)
            };
            assert_eq!(made.body["apiVersion"], group_version.as_str(), "{list}");
            let read = cluster.get(&one).await;
            assert_eq!(read.body, made.body, "{one}");
            // Written as it was read, nothing changes.
            let same = cluster.admin("PUT", &one, Some(&read.body)).await;
            assert_eq!(same.code, 200, "PUT {one}: {}", same.body);
            assert_eq!(same.body, read.body, "PUT {one}");
            let marked = cluster
                .merge(
                    &one,
                    json!({"metadata": {"annotations": {"openshift.io/description": "x"}}}),
                )
                .await;
            assert_eq!(marked.code, 200, "PATCH {one}: {}", marked.body);
            assert_ne!(
                marked.body["metadata"]["resourceVersion"],
                read.body["metadata"]["resourceVersion"]
            );
            assert!(
                !cluster
                    .row(&format!("{list}?limit=500"))
                    .await
                    .as_object()
                    .expect("cells")
                    .is_empty()
            );
            if resource.verbs.has(Verbs::LIST) {
                let listed = cluster
                    .get(&format!(
                        "{list}?fieldSelector=metadata.name%3D{}",
                        name.replace('~', "%7E")
                    ))
                    .await;
                assert_eq!(
                    listed.body["items"].as_array().map(Vec::len),
                    Some(1),
                    "{list}: {}",
                    listed.body
                );
                assert_eq!(listed.body["kind"], resource.list_kind.as_str());
            }
            let gone = cluster.admin("DELETE", &one, None).await;
            assert_eq!(gone.code, 200, "DELETE {one}: {}", gone.body);
            let ends_in_steps = matches!(
                (resource.group.as_str(), resource.kind.as_str()),
                ("", "Namespace") | ("project.openshift.io", _)
            );
            if !ends_in_steps {
                // Orphans of kinds that orphan wait for the collector.
                let after = cluster.get(&one).await;
                let waits = after.body["metadata"]["finalizers"] == json!(["orphan"]);
                assert!(after.code == 404 || waits, "{one}: {}", after.body);
                if waits {
                    cluster.merge(&one, json!({"metadata": {"finalizers": null}})).await;
                    assert_eq!(cluster.get(&one).await.code, 404, "{one}");
                }
            } else {
                assert_eq!(cluster.get(&one).await.body["status"]["phase"], "Terminating");
                let done = core_api::namespaces::finalized(
                    &cluster.get("/api/v1/namespaces/it").await.body,
                );
                let answer =
                    cluster.admin("PUT", "/api/v1/namespaces/it/finalize", Some(&done)).await;
                assert_eq!(answer.code, 200, "{}", answer.body);
                assert_eq!(cluster.get(&one).await.code, 404);
            }
            count += 1;
        }
    }
    assert!(count > 80, "only {count} kinds were seen");
}
