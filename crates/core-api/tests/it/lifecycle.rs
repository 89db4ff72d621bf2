// SPDX-License-Identifier: Apache-2.0
//! Defaults, statuses, generations, namespaces that end, pods that are bound and evicted, scale.

use serde_json::json;

use crate::server::{Cluster, template, workload};

#[tokio::test]
async fn defaults_are_filled_in() {
    let cluster = Cluster::new().await;
    let object = json!({"metadata": {"name": "d"}, "spec": workload(), "status": {"replicas": 9}});
    let made = cluster.made("/apis/apps/v1/namespaces/n/deployments", object).await;
    let spec = &made["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    assert_eq!(
        (&spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]),
        (&json!(10), &json!(600))
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(
        (&pod["restartPolicy"], &pod["dnsPolicy"]),
        (&json!("Always"), &json!("ClusterFirst"))
    );
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(made["status"], json!({}), "a creator does not set the status");
    assert_eq!(made["metadata"]["generation"], 1);

    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let made = cluster.made("/api/v1/namespaces/n/services", service.clone()).await;
    assert_eq!(
        (&made["spec"]["type"], &made["spec"]["sessionAffinity"]),
        (&json!("ClusterIP"), &json!("None"))
    );
    assert_eq!(made["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    let address = made["spec"]["clusterIP"].clone();
    assert!(address.as_str().is_some_and(|address| address.starts_with("172.30.")), "{address}");
    // Made again it most likely is where it was; beside another it is not.
    let other = cluster.made("/api/v1/namespaces/default/services", service).await;
    assert_ne!(other["spec"]["clusterIP"], address);
    let headless = json!({"metadata": {"name": "h"}, "spec": {"clusterIP": "None"}});
    let made = cluster.made("/api/v1/namespaces/n/services", headless).await;
    assert_eq!(made["spec"]["clusterIPs"], json!(["None"]));
}

#[tokio::test]
async fn status_and_specification_go_separate_ways() {
    let cluster = Cluster::new().await;
    let one = "/apis/apps/v1/namespaces/n/deployments/d";
    cluster
        .made(
            "/apis/apps/v1/namespaces/n/deployments",
            json!({"metadata": {"name": "d"}, "spec": workload()}),
        )
        .await;
    let status = json!({"spec": {"replicas": 5}, "status": {"replicas": 1, "readyReplicas": 1}});
    let answer = cluster.merge(&format!("{one}/status"), status.clone()).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(
        (&answer.body["spec"]["replicas"], &answer.body["status"]["readyReplicas"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer.body["metadata"]["generation"], 1);
    let answer =
        cluster.merge(one, json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 0}})).await;
    assert_eq!(
        (&answer.body["spec"]["replicas"], &answer.body["status"]["readyReplicas"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(answer.body["metadata"]["generation"], 2);
    let answer =
        cluster.merge(&format!("{one}/status"), json!({"status": {"readyReplicas": 2}})).await;
    let text = "Deployment.apps \"d\" is invalid: status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas";
    assert_eq!(answer.message(), text);
    let scale = cluster.merge(&format!("{one}/scale"), json!({"spec": {"replicas": 4}})).await;
    assert_eq!(
        (&scale.body["kind"], &scale.body["spec"]["replicas"]),
        (&json!("Scale"), &json!(4))
    );
    assert_eq!(scale.body["status"]["selector"], "a=b");
}

#[tokio::test]
async fn a_namespace_ends_in_two_steps() {
    let cluster = Cluster::new().await;
    let missing = cluster
        .create("/api/v1/namespaces/absent/configmaps", json!({"metadata": {"name": "c"}}))
        .await;
    assert_eq!((missing.code, missing.message()), (404, "namespaces \"absent\" not found"));
    let gone = cluster.admin("DELETE", "/api/v1/namespaces/n", None).await;
    assert_eq!(gone.body["status"]["phase"], "Terminating", "{}", gone.body);
    let late =
        cluster.create("/api/v1/namespaces/n/configmaps", json!({"metadata": {"name": "c"}})).await;
    assert_eq!(late.code, 403);
    assert_eq!(
        late.message(),
        "configmaps \"c\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert_eq!(late.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let kept = cluster.admin("DELETE", "/api/v1/namespaces/default", None).await;
    assert_eq!(
        kept.message(),
        "namespaces \"default\" is forbidden: this namespace may not be deleted"
    );
}

#[tokio::test]
async fn pods_get_an_account_a_node_and_an_end() {
    let cluster = Cluster::new().await;
    let pods = "/api/v1/namespaces/n/pods";
    let pod =
        cluster.made(pods, json!({"metadata": {"name": "p"}, "spec": template()["spec"]})).await;
    assert_eq!(pod["spec"]["serviceAccountName"], "default");
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["qosClass"]),
        (&json!("Pending"), &json!("BestEffort"))
    );
    let mounts = &pod["spec"]["containers"][0]["volumeMounts"];
    assert_eq!(mounts[0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    let other = json!({"metadata": {"name": "q"}, "spec": {"serviceAccountName": "x", "containers": [{"name": "c", "image": "i"}]}});
    let refused = cluster.create(pods, other).await;
    assert_eq!(
        refused.message(),
        "pods \"q\" is forbidden: error looking up service account n/x: serviceaccount \"x\" not found"
    );
    let target = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "one"}});
    let bound = cluster.create(&format!("{pods}/p/binding"), target.clone()).await;
    assert_eq!(bound.code, 201, "{}", bound.body);
    let twice = cluster.create("/api/v1/namespaces/n/bindings", target).await;
    assert_eq!(twice.code, 409, "{}", twice.body);
    assert!(
        twice.message().ends_with("pod p is already assigned to node \"one\""),
        "{}",
        twice.body
    );
    // Bound, it is given time; with none left it goes.
    let marked = cluster.admin("DELETE", &format!("{pods}/p"), None).await;
    assert_eq!(marked.body["metadata"]["deletionGracePeriodSeconds"], 30, "{}", marked.body);
    assert_eq!(cluster.row(pods).await["Status"], "Terminating");
    cluster.admin("DELETE", &format!("{pods}/p"), Some(&json!({"gracePeriodSeconds": 0}))).await;
    assert_eq!(cluster.get(&format!("{pods}/p")).await.code, 404);
}

#[tokio::test]
async fn a_budget_refuses_an_eviction() {
    let cluster = Cluster::new().await;
    let pods = "/api/v1/namespaces/n/pods";
    cluster
        .made(
            pods,
            json!({"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": template()["spec"]}),
        )
        .await;
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}});
    cluster.made("/apis/policy/v1/namespaces/n/poddisruptionbudgets", budget).await;
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}});
    let refused = cluster.create(&format!("{pods}/p/eviction"), eviction.clone()).await;
    assert_eq!(
        (refused.code, refused.message()),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    let status = json!({"status": {"disruptionsAllowed": 1}});
    let allowed =
        cluster.merge("/apis/policy/v1/namespaces/n/poddisruptionbudgets/b/status", status).await;
    assert_eq!(allowed.code, 200, "{}", allowed.body);
    assert_eq!(cluster.create(&format!("{pods}/p/eviction"), eviction).await.code, 201);
    assert_eq!(cluster.get(&format!("{pods}/p")).await.code, 404);
}

#[tokio::test]
async fn old_versions_are_served_with_a_warning() {
    let cluster = Cluster::new().await;
    let mut pod = template();
    pod["spec"]["restartPolicy"] = "Never".into();
    let object = json!({"metadata": {"name": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": pod}}}});
    let old = "/apis/batch/v1beta1/namespaces/n/cronjobs";
    let made = cluster.create(old, object).await;
    assert_eq!(
        (made.code, &made.body["apiVersion"]),
        (201, &json!("batch/v1beta1")),
        "{}",
        made.body
    );
    assert!(
        made.warnings.iter().any(|text| text.contains("batch/v1beta1 CronJob is deprecated")),
        "{:?}",
        made.warnings
    );
    assert_eq!(
        cluster.get("/apis/batch/v1/namespaces/n/cronjobs/c").await.body["apiVersion"],
        "batch/v1"
    );

    let scaler = json!({"metadata": {"name": "h"}, "spec": {
        "maxReplicas": 3, "targetCPUUtilizationPercentage": 70, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
    }});
    cluster.made("/apis/autoscaling/v1/namespaces/n/horizontalpodautoscalers", scaler).await;
    let newest =
        cluster.get("/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers/h").await.body;
    assert_eq!(
        newest["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70,
        "{newest}"
    );
    assert_eq!(
        cluster.row("/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers").await["Targets"],
        "cpu: <unknown>/70%"
    );
}
