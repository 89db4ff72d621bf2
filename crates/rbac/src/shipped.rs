// SPDX-License-Identifier: Apache-2.0
//! The roles and bindings that exist before anybody made one: those of Kubernetes 1.36 and of
//! OpenShift 4.6, with what has changed there since (image-api.md 11). They are data in `policy/`,
//! whose origin and deviations `policy/README.md` tells.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aggregate::aggregate;
use crate::model::{
    API_GROUP, AUTOUPDATE, ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyObjects, Role,
    RoleBinding, RoleRef, Subject,
};

const FILES: [&str; 2] =
    [include_str!("../policy/kubernetes.json"), include_str!("../policy/openshift.json")];

/// All that is shipped, with the annotation that lets it be repaired and with the rules of aggregated
/// roles filled in.
pub fn shipped() -> &'static PolicyObjects {
    static SHIPPED: OnceLock<PolicyObjects> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let mut all = PolicyObjects::default();
        for file in FILES {
            let objects: Vec<Value> =
                serde_json::from_str(file).expect("the shipped files are checked by a test");
            for object in objects {
                add(&mut all, object).expect("the shipped files are checked by a test");
            }
        }
        for role in aggregate(&all.cluster_roles) {
            if let Some(place) =
                all.cluster_roles.iter().position(|one| one.metadata.name == role.metadata.name)
            {
                all.cluster_roles[place] = role;
            }
        }
        all
    })
}

fn add(all: &mut PolicyObjects, object: Value) -> Result<(), serde_json::Error> {
    match object["kind"].as_str().unwrap_or_default() {
        "ClusterRole" => {
            all.cluster_roles.push(read(object, |one: &mut ClusterRole| &mut one.metadata)?);
        }
        "Role" => all.roles.push(read(object, |one: &mut Role| &mut one.metadata)?),
        "ClusterRoleBinding" => all
            .cluster_role_bindings
            .push(read(object, |one: &mut ClusterRoleBinding| &mut one.metadata)?),
        _ => all.role_bindings.push(read(object, |one: &mut RoleBinding| &mut one.metadata)?),
    }
    Ok(())
}

fn read<T: DeserializeOwned>(
    object: Value,
    meta: impl Fn(&mut T) -> &mut ObjectMeta,
) -> Result<T, serde_json::Error> {
    let mut one = serde_json::from_value(object)?;
    meta(&mut one).annotations.insert(AUTOUPDATE.to_owned(), "true".to_owned());
    Ok(one)
}

/// The three bindings that every namespace gets when it appears (image-api.md 11). They are created
/// when no binding of the name exists and never altered: without subjects they are switched off.
pub fn namespace_bindings(namespace: &str) -> [RoleBinding; 3] {
    let group = Subject {
        kind: "Group".to_owned(),
        api_group: API_GROUP.to_owned(),
        name: format!("system:serviceaccounts:{namespace}"),
        namespace: String::new(),
    };
    let account = |name: &str| Subject {
        kind: "ServiceAccount".to_owned(),
        api_group: String::new(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    let binding = |name: &str, role: &str, subject, does: &str| RoleBinding {
        metadata: ObjectMeta {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            annotations: [(
                "openshift.io/description".to_owned(),
                format!(
                    "Allows {does}  It is auto-managed by a controller; remove subjects to disable."
                ),
            )]
            .into(),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: API_GROUP.to_owned(),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: vec![subject],
    };
    [
        binding(
            "system:image-pullers",
            "system:image-puller",
            group,
            "all pods in this namespace to pull images from this namespace.",
        ),
        binding(
            "system:image-builders",
            "system:image-builder",
            account("builder"),
            "builds in this namespace to push images to this namespace.",
        ),
        binding(
            "system:deployers",
            "system:deployer",
            account("deployer"),
            "deploymentconfigs in this namespace to rollout pods in this namespace.",
        ),
    ]
}
