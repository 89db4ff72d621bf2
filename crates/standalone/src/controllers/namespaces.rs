// SPDX-License-Identifier: Apache-2.0
//! Namespaces: what each has from its beginning (service accounts, role bindings), and its end: everything in it is
//! deleted before it is.

use std::sync::Arc;

use api::meta;
use api::status::{Reason, Status};
use apimachinery::local::Local;
use apimachinery::resource::{Source, Verbs};
use apimachinery::server::Server;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{PAUSE, from_the_start};

/// The accounts of every namespace (image-api.md 11).
const ACCOUNTS: [&str; 3] = ["default", "builder", "deployer"];

/// Follows namespaces for ever.
pub async fn namespaces(local: Local, server: Arc<Server>) {
    loop {
        match local.watch(&from_the_start("/api/v1/namespaces")).await {
            Ok(mut events) => {
                while let Some(event) = events.next().await {
                    if matches!(event.kind.as_str(), "ADDED" | "MODIFIED") {
                        // One namespace's trouble must not hold the others.
                        if let Err(status) = reconcile(&local, &server, &event.object).await {
                            let name = meta::name(&event.object);
                            tracing::warn!(namespace = name, error = %status.message, "a namespace is not done yet");
                            retry(local.clone(), server.clone(), name.to_owned());
                        }
                    }
                }
            }
            Err(status) => tracing::warn!(error = %status.message, "namespaces cannot be watched"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tries again on the newest state, later and later, until it is done or the namespace is gone.
fn retry(local: Local, server: Arc<Server>, name: String) {
    tokio::spawn(async move {
        for attempt in 0..12 {
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(8))).await;
            match local.get(&format!("/api/v1/namespaces/{name}")).await {
                Ok(namespace) => match reconcile(&local, &server, &namespace).await {
                    Ok(()) => return,
                    Err(status) => {
                        tracing::debug!(namespace = name, error = %status.message, "not yet");
                    }
                },
                Err(status) if status.is(Reason::NotFound) => return,
                Err(_) => {}
            }
        }
    });
}

async fn reconcile(local: &Local, server: &Server, namespace: &Value) -> Result<(), Status> {
    if meta::is_being_deleted(namespace) {
        finish(local, server, namespace).await
    } else {
        furnish(local, namespace).await
    }
}

/// What a namespace has from its beginning; what is there is left alone.
async fn furnish(local: &Local, namespace: &Value) -> Result<(), Status> {
    let name = meta::name(namespace);
    for account in ACCOUNTS {
        let object =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
        made(local.create(&format!("/api/v1/namespaces/{name}/serviceaccounts"), &object).await)?;
    }
    for binding in rbac::namespace_bindings(name) {
        let mut object = serde_json::to_value(&binding).map_err(Status::internal)?;
        object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
        object["kind"] = "RoleBinding".into();
        let collection =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings");
        made(local.create(&collection, &object).await)?;
    }
    Ok(())
}

/// Made, or there already, or too late.
fn made(result: Result<Value, Status>) -> Result<(), Status> {
    match result {
        Err(status)
            if !status.is(Reason::AlreadyExists)
                && !status.is(Reason::NotFound)
                && status.code != 403 =>
        {
            Err(status)
        }
        _ => Ok(()),
    }
}

/// Deletes what is in a namespace that is being deleted; when nothing is left, lets the namespace go.
async fn finish(local: &Local, server: &Server, namespace: &Value) -> Result<(), Status> {
    let name = meta::name(namespace);
    let catalog = server.catalog();
    let mut left = 0;
    for resource in catalog.resources().filter(|resource| resource.namespaced) {
        let deletable = resource.verbs.has(Verbs::LIST.and(Verbs::DELETE_COLLECTION));
        if !deletable || !matches!(resource.source, Source::Stored { .. }) {
            continue;
        }
        let version = resource.versions.first().map_or("", |v| &v.name);
        let root = if resource.group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{}/{version}", resource.group)
        };
        let collection = format!("{root}/namespaces/{name}/{}", resource.plural);
        let list = local.get(&collection).await?;
        if list["items"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let options = json!({"propagationPolicy": "Background", "gracePeriodSeconds": 0});
        local.delete(&collection, Some(&options)).await?;
        let list = local.get(&collection).await?;
        left += list["items"].as_array().map_or(0, Vec::len);
    }
    if left > 0 {
        return Err(Status::conflict(
            &api::GroupResource::new("", "namespaces"),
            name,
            format!("{left} objects still have finalizers"),
        ));
    }
    let finalized = core_api::namespaces::finalized(namespace);
    match local.replace(&format!("/api/v1/namespaces/{name}/finalize"), &finalized).await {
        Err(status) if !status.is(Reason::NotFound) => Err(status),
        _ => Ok(()),
    }
}
