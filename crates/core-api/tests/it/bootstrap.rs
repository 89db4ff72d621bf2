// SPDX-License-Identifier: Apache-2.0
//! What a new cluster begins with can be created as it is.

use core_api::bootstrap::{About, objects};

use crate::server::Cluster;

#[tokio::test]
async fn each_object_is_accepted() {
    let cluster = Cluster::new().await;
    let about = About {
        issuer: "https://localhost:6443".to_owned(),
        registry: "image-registry.openshift-image-registry.svc:5000".to_owned(),
        version: "4.6.0".to_owned(),
        cluster_id: "0".to_owned(),
    };
    let catalog = cluster.server().catalog();
    for object in objects(&about, &cluster.parts.settings) {
        let kind = object["kind"].as_str().unwrap_or_default();
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, name) = version.split_once('/').unwrap_or(("", version));
        let resource = catalog
            .resources()
            .find(|resource| resource.kind == kind && resource.group == group)
            .unwrap_or_else(|| panic!("{kind} is not served"));
        let base =
            if group.is_empty() { format!("/api/{name}") } else { format!("/apis/{version}") };
        let place = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("/namespaces/{namespace}"),
            None => String::new(),
        };
        let answer =
            cluster.create(&format!("{base}{place}/{}", resource.plural), object.clone()).await;
        // The test's cluster has `default` already.
        assert!(
            answer.code == 201 || object["metadata"]["name"] == "default",
            "{object}: {}",
            answer.body
        );
    }
    let image = cluster.get("/apis/config.openshift.io/v1/images/cluster").await;
    assert_eq!(image.code, 200, "{}", image.body);
}
