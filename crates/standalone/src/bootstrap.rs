// SPDX-License-Identifier: Apache-2.0
//! What must exist before the first request: the shipped roles and bindings, mended where they are damaged, and the
//! objects of the cluster, made where they are absent.

use api::meta;
use api::status::{Reason, Status};
use apimachinery::catalog::Catalog;
use apimachinery::local::Local;
use core_api::SharedPolicy;
use core_api::bootstrap::{About, objects};
use rbac::{Action, Policy, PolicyObjects, Repair, repairs, shipped};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Makes and mends.
///
/// # Errors
/// The first request that is refused.
pub async fn run(
    local: &Local,
    catalog: &Catalog,
    policy: &SharedPolicy,
    about: &About,
    settings: &core_api::Settings,
) -> Result<(), Status> {
    let mut others = Vec::new();
    for object in objects(about, settings) {
        if meta::kind(&object) == "Namespace" {
            create(local, catalog, object).await?;
        } else {
            others.push(object);
        }
    }
    for repair in repairs(shipped(), &current(local).await?) {
        mend(local, repair).await?;
    }
    for object in others {
        create(local, catalog, object).await?;
    }
    // What the controllers will keep true from now on.
    policy.replace(Policy::new(&current(local).await?));
    Ok(())
}

/// All roles and bindings there are.
async fn current(local: &Local) -> Result<PolicyObjects, Status> {
    Ok(PolicyObjects {
        cluster_roles: all(local, "clusterroles").await?,
        roles: all(local, "roles").await?,
        cluster_role_bindings: all(local, "clusterrolebindings").await?,
        role_bindings: all(local, "rolebindings").await?,
    })
}

async fn all<T: DeserializeOwned>(local: &Local, resource: &str) -> Result<Vec<T>, Status> {
    let mut list = local.get(&format!("{RBAC}/{resource}")).await?;
    let items =
        list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    items.into_iter().map(|item| serde_json::from_value(item).map_err(Status::internal)).collect()
}

async fn mend(local: &Local, repair: Repair) -> Result<(), Status> {
    match repair {
        Repair::ClusterRole(action, role) => {
            put(local, action, "ClusterRole", "clusterroles", &role).await
        }
        Repair::Role(action, role) => put(local, action, "Role", "roles", &role).await,
        Repair::ClusterRoleBinding(action, binding) => {
            put(local, action, "ClusterRoleBinding", "clusterrolebindings", &binding).await
        }
        Repair::RoleBinding(action, binding) => {
            put(local, action, "RoleBinding", "rolebindings", &binding).await
        }
    }
}

async fn put(
    local: &Local,
    action: Action,
    kind: &str,
    plural: &str,
    object: &impl Serialize,
) -> Result<(), Status> {
    let mut object = serde_json::to_value(object).map_err(Status::internal)?;
    object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
    object["kind"] = kind.into();
    let collection = match meta::namespace(&object) {
        "" => format!("{RBAC}/{plural}"),
        namespace => format!("{RBAC}/namespaces/{namespace}/{plural}"),
    };
    let one = format!("{collection}/{}", escape(meta::name(&object)));
    match action {
        Action::Nothing => Ok(()),
        Action::Update => local.replace(&one, &object).await.map(drop),
        Action::Create | Action::Recreate => {
            if action == Action::Recreate {
                local.delete(&one, None).await?;
            }
            meta::remove(&mut object, "resourceVersion");
            tolerate_existing(local.create(&collection, &object).await)
        }
    }
}

/// Makes an object unless it is there.
async fn create(local: &Local, catalog: &Catalog, object: Value) -> Result<(), Status> {
    let gvk = meta::gvk(&object).map_err(Status::internal)?;
    let resource = catalog
        .group(&gvk.group)
        .and_then(|group| group.resources.iter().find(|r| r.kind == gvk.kind));
    let Some(resource) = resource else {
        return Err(Status::internal(format!(
            "no resource is served for {} {}",
            gvk.api_version(),
            gvk.kind
        )));
    };
    let root = if gvk.group.is_empty() {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{}", gvk.api_version())
    };
    let collection = if resource.namespaced {
        format!("{root}/namespaces/{}/{}", meta::namespace(&object), resource.plural)
    } else {
        format!("{root}/{}", resource.plural)
    };
    let status = object.get("status").cloned();
    let name = escape(meta::name(&object));
    match local.create(&collection, &object).await {
        Ok(_) => {}
        Err(status) if status.is(Reason::AlreadyExists) => return Ok(()),
        Err(status) => return Err(status),
    }
    if let (Some(status), true) = (status, resource.subresource("status").is_some()) {
        local.merge(&format!("{collection}/{name}/status"), &json!({"status": status})).await?;
    }
    Ok(())
}

fn tolerate_existing(result: Result<Value, Status>) -> Result<(), Status> {
    match result {
        Err(status) if !status.is(Reason::AlreadyExists) => Err(status),
        _ => Ok(()),
    }
}

/// Names of roles hold colons, which a path takes as they are; anything else of a path's own is escaped.
fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}
