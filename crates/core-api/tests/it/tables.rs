// SPDX-License-Identifier: Apache-2.0
//! What `kubectl get` and `oc get` print.

use serde_json::json;

use crate::server::{Cluster, template, workload};

#[tokio::test]
async fn the_guides_columns() {
    let cluster = Cluster::new().await;
    let n = "/api/v1/namespaces/n";
    cluster
        .made(&format!("{n}/pods"), json!({"metadata": {"name": "p"}, "spec": template()["spec"]}))
        .await;
    let pod = cluster.row(&format!("{n}/pods")).await;
    assert_eq!(
        (&pod["Ready"], &pod["Status"], &pod["Restarts"]),
        (&json!("0/1"), &json!("Pending"), &json!("0"))
    );
    assert_eq!((&pod["IP"], &pod["Node"]), (&json!("<none>"), &json!("<none>")));

    cluster
        .made(
            "/apis/apps/v1/namespaces/n/deployments",
            json!({"metadata": {"name": "d"}, "spec": workload()}),
        )
        .await;
    let row = cluster.row("/apis/apps/v1/namespaces/n/deployments").await;
    assert_eq!(
        (&row["Ready"], &row["Up-to-date"], &row["Available"]),
        (&json!("0/1"), &json!(0), &json!(0))
    );
    assert_eq!(
        (&row["Containers"], &row["Images"], &row["Selector"]),
        (&json!("c"), &json!("i:1"), &json!("a=b"))
    );

    cluster
        .made(&format!("{n}/secrets"), json!({"metadata": {"name": "s"}, "stringData": {"k": "v"}}))
        .await;
    let row = cluster.row(&format!("{n}/secrets")).await;
    assert_eq!((&row["Type"], &row["Data"]), (&json!("Opaque"), &json!(1)));
    assert_eq!(cluster.row(&format!("{n}/serviceaccounts")).await["Secrets"], 0);

    let route = json!({"metadata": {"name": "r"}, "spec": {
        "to": {"name": "s"}, "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
    }});
    cluster.made("/apis/route.openshift.io/v1/namespaces/n/routes", route).await;
    let row = cluster.row("/apis/route.openshift.io/v1/namespaces/n/routes").await;
    assert_eq!(row["Host/Port"], "r-n.apps.test");
    assert_eq!((&row["Services"], &row["Port"]), (&json!("s"), &json!("<all>")));
    assert_eq!((&row["Termination"], &row["Wildcard"]), (&json!("edge/Redirect"), &json!("None")));

    let claim = json!({"metadata": {"name": "c"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
    }});
    cluster.made(&format!("{n}/persistentvolumeclaims"), claim).await;
    let row = cluster.row(&format!("{n}/persistentvolumeclaims")).await;
    assert_eq!(
        (&row["Status"], &row["Capacity"], &row["VolumeMode"]),
        (&json!("Pending"), &json!(""), &json!("Filesystem"))
    );
}

#[tokio::test]
async fn services_show_addresses_and_ports() {
    let cluster = Cluster::new().await;
    let services = "/api/v1/namespaces/n/services";
    let object = json!({"metadata": {"name": "s"}, "spec": {
        "type": "NodePort", "clusterIP": "172.30.0.9", "selector": {"a": "b"},
        "ports": [{"name": "x", "port": 80, "nodePort": 30001}],
    }});
    cluster.made(services, object).await;
    let row = cluster.row(services).await;
    assert_eq!(
        (&row["Cluster-IP"], &row["Port(s)"]),
        (&json!("172.30.0.9"), &json!("80:30001/TCP"))
    );
    assert_eq!((&row["External-IP"], &row["Selector"]), (&json!("<none>"), &json!("a=b")));
}

#[tokio::test]
async fn events_are_shown_in_both_forms() {
    let cluster = Cluster::new().await;
    let event = json!({
        "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"},
        "reason": "Started", "message": " it runs ", "type": "Normal", "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 3,
    });
    cluster.made("/api/v1/namespaces/n/events", event).await;
    let other = cluster.get("/apis/events.k8s.io/v1/namespaces/n/events/e").await.body;
    assert_eq!(other["apiVersion"], "events.k8s.io/v1");
    assert_eq!((&other["regarding"]["name"], &other["note"]), (&json!("p"), &json!(" it runs ")));
    assert_eq!(
        (&other["deprecatedCount"], &other["deprecatedSource"]["component"]),
        (&json!(3), &json!("kubelet"))
    );
    for target in ["/api/v1/namespaces/n/events", "/apis/events.k8s.io/v1/namespaces/n/events"] {
        let row = cluster.row(target).await;
        assert_eq!(
            (&row["Object"], &row["Message"]),
            (&json!("pod/p"), &json!("it runs")),
            "{target}"
        );
        assert_eq!((&row["Count"], &row["Source"]), (&json!("3"), &json!("kubelet")), "{target}");
    }
    let selected = cluster.get("/api/v1/events?fieldSelector=involvedObject.name%3Dq").await;
    assert_eq!(selected.body["items"], json!([]));
}
