// SPDX-License-Identifier: Apache-2.0
//! The objects that exist before anybody made one (guide-commands.md 7). Roles and bindings come from `rbac`; what a
//! controller or operator makes (the registry's own objects, service accounts) is not here.
//!
//! Whoever starts the server creates what is absent and leaves alone what is there: people edit these. A status that an
//! object has here goes in by a second write, through `/status`, as everybody's does.

use serde_json::{Value, json};

use crate::backend::Settings;

/// Namespaces that a new cluster has.
pub const NAMESPACES: [&str; 9] = [
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "openshift",
    "openshift-config",
    "openshift-config-managed",
    "openshift-image-registry",
    "openshift-infra",
];

/// The built-in administrator: user name, identity, group.
pub const KUBEADMIN: &str = "kube:admin";
/// The group that the shipped binding `cluster-admins` names.
pub const KUBEADMIN_GROUP: &str = "system:cluster-admins";

/// Facts about this cluster that some of the objects tell.
#[derive(Debug, Clone)]
pub struct About {
    /// Where the OAuth server is reached, `https://host:port`.
    pub issuer: String,
    /// The registry's address inside the cluster.
    pub registry: String,
    /// The version that `clusterversions/version` reports.
    pub version: String,
    /// A uid for the cluster, made once.
    pub cluster_id: String,
}

/// All of them, namespaces first.
#[must_use]
pub fn objects(about: &About, settings: &Settings) -> Vec<Value> {
    let mut all: Vec<Value> = NAMESPACES.iter().map(|name| namespace(name)).collect();
    all.extend(configuration(about, settings));
    all.extend(oauth_clients(about));
    all.push(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": settings.service_addresses.api_server().to_string(),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }));
    for (name, value, description) in [
        (
            "system-node-critical",
            2_000_001_000_i64,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ] {
        all.push(json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description,
        }));
    }
    all
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn config(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name},
        "spec": spec, "status": status,
    })
}

fn configuration(about: &About, settings: &Settings) -> Vec<Value> {
    let domain = settings.apps_domain.clone().unwrap_or_default();
    let none = json!({});
    let network = json!({"serviceNetwork": [settings.service_addresses.to_string()]});
    let platform = json!({"type": "None"});
    let infrastructure = json!({
        "infrastructureName": "berth", "platform": "None", "platformStatus": platform,
        "controlPlaneTopology": "SingleReplica", "infrastructureTopology": "SingleReplica",
    });
    vec![
        config("Image", "cluster", &none, &json!({"internalRegistryHostname": about.registry})),
        config("Infrastructure", "cluster", &json!({"platformSpec": platform}), &infrastructure),
        config("Ingress", "cluster", &json!({"domain": domain}), &none),
        config("Network", "cluster", &network, &network),
        config("Proxy", "cluster", &none, &none),
        config("OAuth", "cluster", &none, &none),
        config("DNS", "cluster", &none, &none),
        config("APIServer", "cluster", &none, &none),
        config("Scheduler", "cluster", &none, &none),
        config("Project", "cluster", &none, &none),
        config("Build", "cluster", &none, &none),
        config("FeatureGate", "cluster", &none, &none),
        config(
            "ClusterVersion",
            "version",
            &json!({"clusterID": about.cluster_id}),
            &json!({"desired": {"version": about.version, "image": ""}, "history": [], "observedGeneration": 1, "versionHash": ""}),
        ),
    ]
}

/// Clients that `oc`, a browser and the command line log in through.
fn oauth_clients(about: &About) -> Vec<Value> {
    let issuer = about.issuer.trim_end_matches('/');
    let client = |name: &str, challenge: bool, redirect: String| {
        json!({
            "apiVersion": "oauth.openshift.io/v1", "kind": "OAuthClient", "metadata": {"name": name},
            "respondWithChallenges": challenge, "redirectURIs": [redirect], "grantMethod": "auto",
        })
    };
    vec![
        client("openshift-challenging-client", true, format!("{issuer}/oauth/token/implicit")),
        client("openshift-browser-client", false, format!("{issuer}/oauth/token/display")),
        // Loopback redirects of `oc login --web`; the port is not part of what is compared.
        json!({
            "apiVersion": "oauth.openshift.io/v1", "kind": "OAuthClient", "metadata": {"name": "openshift-cli-client"},
            "respondWithChallenges": false, "grantMethod": "auto",
            "redirectURIs": ["http://127.0.0.1/callback", "http://[::1]/callback"],
        }),
    ]
}
