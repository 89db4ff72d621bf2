// SPDX-License-Identifier: Apache-2.0
//! A server to ask.

use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::{Authenticator, Authorizer, Decision};
use apimachinery::body::{self, Request, Response};
use apimachinery::catalog::{Catalog, Place};
use apimachinery::resource::{
    Resource, ScalePaths, Source, Strategy, Subresource, SubresourceKind, Verbs, Version,
};
use apimachinery::server::Server;
use apimachinery::storage::{Field, Storage};
use apimachinery::table::{Column, default_columns};
use apistore::Memory;
use async_trait::async_trait;
use rbac::{Attributes, UserInfo};
use serde_json::Value;

/// Everybody is `tester`.
struct Anybody;

#[async_trait]
impl Authenticator for Anybody {
    async fn authenticate(&self, _: &http::request::Parts) -> Result<Option<UserInfo>, Status> {
        Ok(Some(UserInfo {
            name: "tester".into(),
            groups: vec!["system:authenticated".into()],
            ..UserInfo::default()
        }))
    }
}

/// Everything but what is called `forbidden` is allowed.
struct Everything;

#[async_trait]
impl Authorizer for Everything {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Result<Decision, Status> {
        Ok(Decision { allowed: attributes.name != "forbidden", reason: String::new() })
    }
}

struct ConfigMaps;
impl Strategy for ConfigMaps {}

struct Deployments;
impl Strategy for Deployments {
    fn has_status(&self) -> bool {
        true
    }

    fn counts_generations(&self) -> bool {
        true
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }
}

fn resource(
    storage: &Arc<Storage>,
    group: &str,
    plural: &str,
    kind: &str,
    strategy: Arc<dyn Strategy>,
) -> Resource {
    let columns: Arc<Vec<Column>> = Arc::new(default_columns());
    Resource {
        group: group.into(),
        versions: vec![Version {
            name: "v1".into(),
            schema: api::builtin::schema(group, "v1", kind).expect("a built-in kind"),
            protobuf: true,
            from_storage: None,
            to_storage: None,
            deprecation: None,
            columns,
        }],
        storage_version: 0,
        plural: plural.into(),
        singular: kind.to_lowercase(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        namespaced: true,
        short_names: Vec::new(),
        categories: Vec::new(),
        verbs: Verbs::ALL,
        source: Source::Stored {
            storage: storage.resource(&format!("/registry/{plural}/"), strategy.fields()),
            strategy,
        },
        subresources: Vec::new(),
    }
}

/// A new server with config maps and deployments.
pub async fn server() -> Arc<Server> {
    let storage = Storage::new(Arc::new(Memory::default()), "/registry/");
    storage.start().await.expect("the memory store starts");
    let mut deployments =
        resource(&storage, "apps", "deployments", "Deployment", Arc::new(Deployments));
    let own = api::GroupVersionKind::new("apps", "v1", "Deployment");
    deployments.subresources = vec![
        Subresource {
            name: "status".into(),
            kind: own,
            verbs: Verbs::GET_UPDATE_PATCH,
            rules: SubresourceKind::Status,
        },
        Subresource {
            name: "scale".into(),
            kind: api::GroupVersionKind::new("autoscaling", "v1", "Scale"),
            verbs: Verbs::GET_UPDATE_PATCH,
            rules: SubresourceKind::Scale(Arc::new(ScalePaths {
                spec: "/spec/replicas".into(),
                status: "/status/replicas".into(),
                selector: Some("/spec/selector".into()),
            })),
        },
    ];
    let catalog = Catalog::new([
        (Place::BuiltIn, resource(&storage, "", "configmaps", "ConfigMap", Arc::new(ConfigMaps))),
        (Place::BuiltIn, deployments),
    ]);
    Arc::new(Server::new(catalog, Arc::new(Anybody), Arc::new(Everything)))
}

/// Sends a request; `content_type` may be empty.
pub async fn send(
    server: &Server,
    method: &str,
    target: &str,
    content_type: &str,
    bytes: Vec<u8>,
) -> Response {
    let mut request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("user-agent", "kubectl/v1 (test)");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let request: Request = request.body(body::full(bytes)).expect("a request");
    server.handle(request).await
}

/// Sends JSON and reads JSON.
pub async fn json(
    server: &Server,
    method: &str,
    target: &str,
    content_type: &str,
    value: &Value,
) -> (u16, Value) {
    let bytes = if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
    let response = send(server, method, target, content_type, bytes).await;
    let code = response.status().as_u16();
    let bytes = body::collect(response.into_body(), 1 << 20).await.expect("a body");
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
