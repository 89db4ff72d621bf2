// SPDX-License-Identifier: Apache-2.0
//! Which Go packages the table is made from, and which API groups they are.

/// A package of API types.
pub(super) struct Package {
    /// Its short name in the table.
    pub(super) short: &'static str,
    /// Its import path in Go.
    pub(super) import: &'static str,
    /// Its folder under the source folder.
    pub(super) folder: &'static str,
    /// What its types' names begin with in OpenAPI.
    pub(super) openapi: &'static str,
    /// The API group; `-` for packages without kinds of their own.
    pub(super) group: &'static str,
    /// The version.
    pub(super) version: &'static str,
    /// The kinds that are wanted; all if empty.
    pub(super) only: &'static [&'static str],
    /// Whether its protobuf form is usable. That of CRDs has hand-written parts, and nobody speaks it: Kubernetes
    /// itself stores CRDs as JSON.
    pub(super) protobuf: bool,
}

macro_rules! package {
    ($short:expr, $folder:expr, $import:expr, $openapi:expr, $group:expr, $version:expr) => {
        Package {
            short: $short,
            import: $import,
            folder: $folder,
            openapi: $openapi,
            group: $group,
            version: $version,
            only: &[],
            protobuf: true,
        }
    };
}

macro_rules! kubernetes {
    ($name:literal, $version:literal, $group:literal) => {
        package!(
            concat!($name, "/", $version),
            concat!("api/", $name, "/", $version),
            concat!("k8s.io/api/", $name, "/", $version),
            concat!("io.k8s.api.", $name, ".", $version),
            $group,
            $version
        )
    };
}

macro_rules! openshift {
    ($name:literal, $version:literal) => {
        package!(
            concat!("openshift/", $name, "/", $version),
            concat!("openshift-api/", $name, "/", $version),
            concat!("github.com/openshift/api/", $name, "/", $version),
            concat!("com.github.openshift.api.", $name, ".", $version),
            concat!($name, ".openshift.io"),
            $version
        )
    };
}

/// All of them; the order is that of the table.
pub(super) const PACKAGES: &[Package] = &[
    package!(
        "meta/v1",
        "apimachinery/pkg/apis/meta/v1",
        "k8s.io/apimachinery/pkg/apis/meta/v1",
        "io.k8s.apimachinery.pkg.apis.meta.v1",
        "meta.k8s.io",
        "v1"
    ),
    kubernetes!("core", "v1", ""),
    kubernetes!("admission", "v1", "admission.k8s.io"),
    kubernetes!("admissionregistration", "v1", "admissionregistration.k8s.io"),
    kubernetes!("apps", "v1", "apps"),
    kubernetes!("authentication", "v1", "authentication.k8s.io"),
    kubernetes!("authorization", "v1", "authorization.k8s.io"),
    kubernetes!("autoscaling", "v1", "autoscaling"),
    kubernetes!("autoscaling", "v2", "autoscaling"),
    kubernetes!("batch", "v1", "batch"),
    kubernetes!("batch", "v1beta1", "batch"),
    kubernetes!("certificates", "v1", "certificates.k8s.io"),
    kubernetes!("coordination", "v1", "coordination.k8s.io"),
    kubernetes!("discovery", "v1", "discovery.k8s.io"),
    kubernetes!("events", "v1", "events.k8s.io"),
    kubernetes!("events", "v1beta1", "events.k8s.io"),
    kubernetes!("flowcontrol", "v1", "flowcontrol.apiserver.k8s.io"),
    kubernetes!("networking", "v1", "networking.k8s.io"),
    kubernetes!("node", "v1", "node.k8s.io"),
    kubernetes!("policy", "v1", "policy"),
    kubernetes!("policy", "v1beta1", "policy"),
    kubernetes!("rbac", "v1", "rbac.authorization.k8s.io"),
    kubernetes!("scheduling", "v1", "scheduling.k8s.io"),
    kubernetes!("storage", "v1", "storage.k8s.io"),
    Package {
        protobuf: false,
        ..package!(
            "apiextensions/v1",
            "apiextensions-apiserver/pkg/apis/apiextensions/v1",
            "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
            "apiextensions.k8s.io",
            "v1"
        )
    },
    package!(
        "apiregistration/v1",
        "kube-aggregator/pkg/apis/apiregistration/v1",
        "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
        "apiregistration.k8s.io",
        "v1"
    ),
    openshift!("apps", "v1"),
    openshift!("authorization", "v1"),
    openshift!("build", "v1"),
    Package { protobuf: false, ..openshift!("config", "v1") },
    openshift!("image", "v1"),
    openshift!("oauth", "v1"),
    Package {
        only: &["ImageContentSourcePolicy", "ImageContentSourcePolicyList"],
        protobuf: false,
        ..openshift!("operator", "v1alpha1")
    },
    openshift!("project", "v1"),
    openshift!("quota", "v1"),
    openshift!("route", "v1"),
    openshift!("security", "v1"),
    openshift!("template", "v1"),
    openshift!("user", "v1"),
];

/// Types whose JSON form Go code of its own writes: import path, name, and the table's word for them.
pub(super) const SPECIAL: &[(&str, &str, &str)] = &[
    ("k8s.io/apimachinery/pkg/api/resource", "Quantity", "q"),
    ("k8s.io/apimachinery/pkg/util/intstr", "IntOrString", "x"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Time", "t"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "MicroTime", "u"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Duration", "d"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "FieldsV1", "a"),
    ("k8s.io/apimachinery/pkg/runtime", "RawExtension", "a"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSON", "a"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSONSchemaPropsOrArray", "a"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSONSchemaPropsOrBool", "a"),
    (
        "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
        "JSONSchemaPropsOrStringArray",
        "a",
    ),
    ("time", "Duration", "l"),
    ("k8s.io/apimachinery/pkg/types", "UID", "s"),
    ("k8s.io/apimachinery/pkg/types", "NodeName", "s"),
    ("k8s.io/apimachinery/pkg/types", "NamespacedName", "a"),
];
