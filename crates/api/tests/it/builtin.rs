// SPDX-License-Identifier: Apache-2.0
//! The table of built-in kinds: all of it is read, and facts that others depend on are spot-checked.

use api::builtin;
use schema::{ListKind, Type};
use serde_json::json;

#[test]
fn every_kind_the_server_needs_is_there() {
    let needed = [
        (
            "",
            "v1",
            "Pod Secret ConfigMap ServiceAccount Namespace Event Service Endpoints PersistentVolumeClaim PersistentVolume Node PodTemplate ReplicationController LimitRange ResourceQuota Binding List",
        ),
        (
            "apps",
            "v1",
            "Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision DeploymentList",
        ),
        ("batch", "v1", "Job CronJob"),
        ("batch", "v1beta1", "CronJob"),
        ("autoscaling", "v1", "Scale HorizontalPodAutoscaler"),
        ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        ("policy", "v1", "PodDisruptionBudget Eviction"),
        ("coordination.k8s.io", "v1", "Lease"),
        ("discovery.k8s.io", "v1", "EndpointSlice"),
        ("events.k8s.io", "v1", "Event"),
        ("networking.k8s.io", "v1", "Ingress IngressClass NetworkPolicy"),
        ("storage.k8s.io", "v1", "StorageClass CSIDriver VolumeAttachment"),
        ("rbac.authorization.k8s.io", "v1", "Role RoleBinding ClusterRole ClusterRoleBinding"),
        ("authentication.k8s.io", "v1", "TokenReview TokenRequest SelfSubjectReview"),
        (
            "authorization.k8s.io",
            "v1",
            "SubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview LocalSubjectAccessReview",
        ),
        ("certificates.k8s.io", "v1", "CertificateSigningRequest"),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "v1", "APIService"),
        (
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
        ),
        ("scheduling.k8s.io", "v1", "PriorityClass"),
        ("node.k8s.io", "v1", "RuntimeClass"),
        (
            "meta.k8s.io",
            "v1",
            "Status DeleteOptions PartialObjectMetadata PartialObjectMetadataList Table",
        ),
        (
            "image.openshift.io",
            "v1",
            "Image ImageStream ImageStreamTag ImageStreamImport ImageStreamMapping ImageSignature ImageStreamImage ImageTag ImageStreamLayers",
        ),
        ("route.openshift.io", "v1", "Route"),
        ("project.openshift.io", "v1", "Project ProjectRequest"),
        ("user.openshift.io", "v1", "User Group Identity UserIdentityMapping"),
        (
            "oauth.openshift.io",
            "v1",
            "OAuthAccessToken OAuthClient OAuthAuthorizeToken OAuthClientAuthorization UserOAuthAccessToken",
        ),
        (
            "config.openshift.io",
            "v1",
            "Image ClusterOperator ClusterVersion Infrastructure Ingress OAuth",
        ),
        ("operator.openshift.io", "v1alpha1", "ImageContentSourcePolicy"),
        ("security.openshift.io", "v1", "SecurityContextConstraints"),
        ("apps.openshift.io", "v1", "DeploymentConfig"),
        ("build.openshift.io", "v1", "Build BuildConfig"),
        ("quota.openshift.io", "v1", "ClusterResourceQuota AppliedClusterResourceQuota"),
        (
            "authorization.openshift.io",
            "v1",
            "RoleBinding LocalResourceAccessReview SubjectAccessReview ResourceAccessReview",
        ),
        ("template.openshift.io", "v1", "Template"),
    ];
    for (group, version, kinds) in needed {
        for kind in kinds.split(' ') {
            let schema = builtin::schema(group, version, kind);
            assert!(
                schema.is_some_and(|it| it.view().field("kind").is_some()),
                "{group}/{version} {kind}"
            );
        }
    }
    assert!(builtin::schema("apps", "v1", "DeleteOptions").is_some());
    assert!(builtin::schema("apps", "v1", "Nothing").is_none());
    assert!(builtin::find("", "v1", "Pod").expect("there").namespaced);
    assert!(!builtin::find("", "v1", "Node").expect("there").namespaced);
    assert!(!builtin::find("user.openshift.io", "v1", "User").expect("there").namespaced);
}

#[test]
fn facts_of_fields() {
    let pod = builtin::schema("", "v1", "Pod").expect("there");
    let spec = pod.view().field("spec").expect("spec");
    let containers = spec.field("containers").expect("containers").list().expect("a list").clone();
    assert_eq!(containers.patch.merge_key.as_deref(), Some("name"));
    assert_eq!(containers.kind, ListKind::Map(vec!["name".to_owned()]));
    let volumes = spec.field("volumes").expect("volumes").list().expect("a list").clone();
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
    let volume = spec.field("volumes").and_then(schema::View::items).expect("items");
    // A field of an inlined structure stands among the others.
    assert!(volume.field("emptyDir").is_some_and(|it| it.object().is_some()));
    assert_eq!(volume.object().expect("a structure").inlined[0].proto, 2);
    let secret = builtin::schema("", "v1", "Secret").expect("there");
    let data = secret.view().field("data").expect("data").map().expect("a map").clone();
    assert_eq!(data.values, Type::Bytes);
    let image = builtin::schema("image.openshift.io", "v1", "Image").expect("there");
    assert_eq!(image.view().field("dockerImageMetadata").expect("it").ty, &Type::Any);
    let metadata = pod.view().object().expect("a structure").field("metadata").expect("it");
    assert_eq!(metadata.proto, 1);
    let volume = builtin::schema("", "v1", "PersistentVolume").expect("there");
    let claim = volume.view().field("spec").and_then(|it| it.field("claimRef")).expect("it");
    assert!(!claim.object().expect("a structure").atomic);
}

#[test]
fn defaults_and_unknown_fields() {
    let schema = builtin::schema("", "v1", "Pod").expect("there");
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"odd": 1, "dnsPolicy": "",
        "containers": [{"name": "c", "odd": 2, "ports": [{"containerPort": 1}]}]}});
    assert_eq!(schema::prune(schema.view(), &mut pod), ["spec.containers[0].odd", "spec.odd"]);
    schema::default(schema.view(), &mut pod);
    assert_eq!(
        pod["spec"],
        json!({"containers": [{"name": "c", "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 1, "protocol": "TCP"}]}],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30})
    );
    builtin::normalise(&schema, &mut pod);
    assert_eq!(pod["spec"]["containers"][0]["resources"], json!({}));
    assert_eq!(pod["status"], json!({}));
    assert_eq!(pod["metadata"], json!({}));
}

#[test]
fn objects_are_written_as_go_writes_them() {
    let schema = builtin::schema("apps", "v1", "Deployment").expect("there");
    let mut sent = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "creationTimestamp": null, "labels": {}},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "paused": false,
            "template": {"metadata": {"creationTimestamp": null}, "spec": {"containers": [
                {"name": "c", "resources": {"limits": {"cpu": "1000m", "memory": 1024}}}]}}}});
    builtin::normalise(&schema, &mut sent);
    assert_eq!(
        sent,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "strategy": {},
                "template": {"metadata": {}, "spec": {"containers": [
                    {"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1024"}}}]}}},
            "status": {}})
    );
}

#[test]
fn wrong_types_in_go_words() {
    let schema = builtin::schema("", "v1", "Pod").expect("there");
    let text = |value| schema::check_types(schema.view(), &value).expect_err("refused").to_string();
    assert_eq!(
        text(json!({"metadata": {"name": 5}})),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"
    );
    assert_eq!(
        text(json!({"spec": {"containers": {}}})),
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"
    );
    assert_eq!(
        text(json!({"spec": {"terminationGracePeriodSeconds": 1.5}})),
        "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64"
    );
    assert!(schema::check_types(schema.view(), &json!({"spec": null})).is_ok());
}
