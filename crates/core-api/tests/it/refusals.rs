// SPDX-License-Identifier: Apache-2.0
//! What is refused, word for word as kube-apiserver 1.36 refuses it.

use serde_json::{Value, json};

use crate::server::{Cluster, template, workload};

fn changed(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).expect("a field that is there") = value;
    object
}

#[tokio::test]
async fn creations() {
    let cluster = Cluster::new().await;
    let (core, apps) = ("/api/v1/namespaces/n", "/apis/apps/v1/namespaces/n");
    let deployment = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
    let pod = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
    let container = |more: Value| {
        let mut one = json!({"name": "c", "image": "i"});
        one.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        json!({"automountServiceAccountToken": false, "containers": [one]})
    };
    let table = [
        (
            format!("{apps}/deployments"),
            deployment(changed(workload(), "/selector/matchLabels", json!({"a": "c"}))),
            "Deployment.apps \"x\" is invalid: spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
        ),
        (
            format!("{apps}/deployments"),
            deployment(changed(workload(), "/selector", json!({}))),
            "Deployment.apps \"x\" is invalid: spec.selector: Invalid value: {}: empty selector is invalid for deployment",
        ),
        (
            format!("{apps}/deployments"),
            deployment(changed(workload(), "/template/spec/containers", json!([{"name": "c"}]))),
            "Deployment.apps \"x\" is invalid: spec.template.spec.containers[0].image: Required value",
        ),
        (
            format!("{core}/pods"),
            pod(json!({"containers": []})),
            "Pod \"x\" is invalid: spec.containers: Required value",
        ),
        (
            format!("{core}/pods"),
            pod(container(
                json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
            )),
            "Pod \"x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            format!("{core}/pods"),
            pod(container(json!({"ports": [{"containerPort": 70000}]}))),
            "Pod \"x\" is invalid: spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            format!("{core}/pods"),
            pod(container(json!({"imagePullPolicy": "Sometimes"}))),
            "Pod \"x\" is invalid: spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ),
        (
            format!("{core}/pods"),
            pod(container(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}))),
            "Pod \"x\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            format!("{core}/pods"),
            pod(container(json!({"livenessProbe": {}}))),
            "Pod \"x\" is invalid: spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            format!("{core}/services"),
            json!({"metadata": {"name": "x"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}, {"port": 2}]}}),
            "Service \"x\" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
        ),
        (
            format!("{core}/services"),
            json!({"metadata": {"name": "x"}, "spec": {"clusterIP": "1.2.3.4", "ports": [{"port": 1}]}}),
            "Service \"x\" is invalid: spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 172.30.0.0/16",
        ),
        (
            format!("{core}/secrets"),
            json!({"metadata": {"name": "x"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
            "Secret \"x\" is invalid: data[tls.key]: Required value",
        ),
        (
            format!("{core}/secrets"),
            json!({"metadata": {"name": "x"}, "type": "kubernetes.io/basic-auth"}),
            "Secret \"x\" is invalid: [data[username]: Required value, data[password]: Required value]",
        ),
        (
            format!("{core}/persistentvolumeclaims"),
            json!({"metadata": {"name": "x"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
            "PersistentVolumeClaim \"x\" is invalid: spec.accessModes: Required value: at least 1 access mode is required",
        ),
        (
            "/apis/batch/v1/namespaces/n/jobs".to_owned(),
            json!({"metadata": {"name": "x"}, "spec": {"template": template()}}),
            "Job.batch \"x\" is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ),
        (
            "/apis/batch/v1/namespaces/n/cronjobs".to_owned(),
            json!({"metadata": {"name": "x"}, "spec": {"schedule": "60 * * * *", "jobTemplate": {"spec": {
                "template": changed(template(), "/spec", json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}))}}}}),
            "CronJob.batch \"x\" is invalid: spec.schedule: Invalid value: \"60 * * * *\": end of range (60) above maximum (59): 60",
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/n/roles".to_owned(),
            json!({"metadata": {"name": "x"}, "rules": [{"resources": ["pods"], "apiGroups": [""], "verbs": []}]}),
            "Role.rbac.authorization.k8s.io \"x\" is invalid: rules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            "/apis/route.openshift.io/v1/namespaces/n/routes".to_owned(),
            json!({"metadata": {"name": "x"}, "spec": {"path": "p", "to": {"kind": "Service", "name": ""}}}),
            "Route.route.openshift.io \"x\" is invalid: [spec.path: Invalid value: \"p\": path must begin with /, spec.to.name: Required value]",
        ),
    ];
    for (target, object, message) in table {
        let answer = cluster.create(&target, object).await;
        assert_eq!(answer.message(), message, "{target}: {}", answer.body);
        assert_eq!((answer.code, &answer.body["reason"]), (422, &json!("Invalid")), "{target}");
    }
}

#[tokio::test]
async fn changes_of_what_does_not_change() {
    let cluster = Cluster::new().await;
    let (core, apps) = ("/api/v1/namespaces/n", "/apis/apps/v1/namespaces/n");
    cluster
        .made(
            &format!("{apps}/deployments"),
            json!({"metadata": {"name": "d"}, "spec": workload()}),
        )
        .await;
    let secret = json!({"metadata": {"name": "s"}, "immutable": true, "data": {"k": "dg=="}});
    cluster.made(&format!("{core}/secrets"), secret).await;
    cluster.made(&format!("{core}/services"), json!({"metadata": {"name": "v"}, "spec": {"clusterIP": "172.30.0.7", "ports": [{"port": 1}]}})).await;
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    cluster.made("/apis/rbac.authorization.k8s.io/v1/namespaces/n/rolebindings", binding).await;
    let table = [
        (
            format!("{apps}/deployments/d"),
            json!({"spec": {"selector": {"matchLabels": {"c": "d"}}, "template": {"metadata": {"labels": {"c": "d"}}}}}),
            "Deployment.apps \"d\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"c\":\"d\"}}: field is immutable",
        ),
        (
            format!("{core}/secrets/s"),
            json!({"type": "other"}),
            "Secret \"s\" is invalid: type: Invalid value: \"other\": field is immutable",
        ),
        (
            format!("{core}/secrets/s"),
            json!({"stringData": {"k": "w"}}),
            "Secret \"s\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
        ),
        (
            format!("{core}/services/v"),
            json!({"spec": {"clusterIP": "172.30.0.8", "clusterIPs": ["172.30.0.8"]}}),
            "Service \"v\" is invalid: spec.clusterIPs[0]: Invalid value: [\"172.30.0.8\"]: may not change once set",
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/n/rolebindings/b".to_owned(),
            json!({"roleRef": {"name": "edit"}}),
            "RoleBinding.rbac.authorization.k8s.io \"b\" is invalid: roleRef: Invalid value: {\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"edit\"}: cannot change roleRef",
        ),
    ];
    for (target, patch, message) in table {
        let answer = cluster.merge(&target, patch).await;
        assert_eq!(answer.message(), message, "{target}: {}", answer.body);
        assert_eq!(answer.code, 422);
    }
}

#[tokio::test]
async fn a_pod_changes_its_image_and_little_else() {
    let cluster = Cluster::new().await;
    let pods = "/api/v1/namespaces/n/pods";
    cluster.made(pods, json!({"metadata": {"name": "p"}, "spec": template()["spec"]})).await;
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let admin = crate::server::user("admin", &["system:masters"]);
    let image = json!({"spec": {"containers": [{"name": "c", "image": "j:2"}]}});
    let answer = cluster.ask(&admin, "PATCH", &format!("{pods}/p"), &strategic, Some(&image)).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(answer.body["metadata"]["generation"], 2);
    let command = json!({"spec": {"containers": [{"name": "c", "command": ["x"]}]}});
    let answer =
        cluster.ask(&admin, "PATCH", &format!("{pods}/p"), &strategic, Some(&command)).await;
    let begin = "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,";
    assert!(answer.message().starts_with(begin), "{}", answer.body);
}

#[tokio::test]
async fn a_secret_stands_in_no_error() {
    let cluster = Cluster::new().await;
    let object = json!({"metadata": {"name": "x"}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{\"auths\": hunter2"}});
    let answer = cluster.create("/api/v1/namespaces/n/secrets", object).await;
    assert_eq!(answer.code, 422);
    assert!(!answer.body.to_string().contains("hunter2"), "{}", answer.body);
    assert!(answer.message().contains("<secret contents redacted>"), "{}", answer.body);
}
