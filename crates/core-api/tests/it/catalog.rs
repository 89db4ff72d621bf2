// SPDX-License-Identifier: Apache-2.0
//! The catalog as a whole: order of groups, shapes, names that clients rely on.

use apimachinery::catalog::{Catalog, Place};
use apimachinery::resource::Source;

use crate::server::Cluster;

#[tokio::test]
async fn groups_come_in_the_order_that_gives_bare_names_their_meaning() {
    let cluster = Cluster::new().await;
    let catalog = cluster.server().catalog();
    let groups: Vec<&str> = catalog.groups().iter().map(|group| group.name.as_str()).collect();
    let at = |name: &str| {
        groups.iter().position(|group| *group == name).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(groups.first(), Some(&""));
    let order = [
        "apps",
        "apps.openshift.io",
        "authorization.openshift.io",
        "build.openshift.io",
        "oauth.openshift.io",
        "project.openshift.io",
        "quota.openshift.io",
        "route.openshift.io",
        "security.openshift.io",
        "template.openshift.io",
        "user.openshift.io",
        "config.openshift.io",
        "operator.openshift.io",
    ];
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
    }
    for group in catalog.groups().iter().filter(|group| group.place == Place::BuiltIn) {
        assert!(!group.name.ends_with("openshift.io"), "{}", group.name);
    }
}

#[tokio::test]
async fn every_kind_has_a_shape_a_singular_and_columns_whose_first_is_its_name() {
    let cluster = Cluster::new().await;
    for resource in cluster.server().catalog().resources() {
        assert!(
            !resource.singular.is_empty() && resource.singular == resource.singular.to_lowercase()
        );
        for version in &resource.versions {
            let shape = version.schema.view().object();
            assert!(
                shape.is_some(),
                "{}.{}/{} has no shape",
                resource.plural,
                resource.group,
                version.name
            );
            let names = version.columns.iter().filter(|column| column.format == "name").count();
            let review = matches!(resource.source, Source::Virtual(_));
            assert!(
                names == 1 || review,
                "{}.{}: {names} name columns",
                resource.plural,
                resource.group
            );
        }
    }
}

#[tokio::test]
async fn custom_resources_of_openshift_refuse_what_custom_resources_refuse() {
    let cluster = Cluster::new().await;
    for resource in cluster.server().catalog().resources() {
        let custom =
            matches!(resource.group.as_str(), "config.openshift.io" | "operator.openshift.io");
        if custom {
            assert!(
                resource.versions.iter().all(|version| !version.protobuf),
                "{}",
                resource.plural
            );
        }
    }
}

#[tokio::test]
async fn the_category_all_is_what_the_guide_says() {
    let cluster = Cluster::new().await;
    let catalog: &Catalog = &cluster.server().catalog();
    let mut all: Vec<&str> = catalog
        .resources()
        .filter(|resource| resource.categories.iter().any(|category| category == "all"))
        .map(|resource| resource.plural.as_str())
        .collect();
    all.sort_unstable();
    assert_eq!(
        all,
        [
            "buildconfigs",
            "builds",
            "cronjobs",
            "daemonsets",
            "deploymentconfigs",
            "deployments",
            "horizontalpodautoscalers",
            "jobs",
            "pods",
            "replicasets",
            "replicationcontrollers",
            "routes",
            "services",
            "statefulsets",
        ]
    );
}
