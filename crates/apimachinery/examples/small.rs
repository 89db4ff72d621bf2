// SPDX-License-Identifier: Apache-2.0
//! The smallest server: config maps in memory, plain HTTP on loopback, everybody may do everything. For trying clients:
//!
//! ```text
//! cargo run -p apimachinery --example small -- 127.0.0.1:8001
//! kubectl --server http://127.0.0.1:8001 get configmaps
//! ```

use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::{Authenticator, Authorizer, Decision};
use apimachinery::catalog::{Catalog, Place};
use apimachinery::resource::{Resource, Source, Strategy, Verbs, Version};
use apimachinery::server::Server;
use apimachinery::storage::Storage;
use apimachinery::table::default_columns;
use apistore::Memory;
use async_trait::async_trait;
use rbac::{Attributes, UserInfo};

struct Open;

#[async_trait]
impl Authenticator for Open {
    async fn authenticate(&self, _: &http::request::Parts) -> Result<Option<UserInfo>, Status> {
        Ok(Some(UserInfo { name: "anybody".into(), ..UserInfo::default() }))
    }
}

#[async_trait]
impl Authorizer for Open {
    async fn authorize(&self, _: &Attributes<'_>) -> Result<Decision, Status> {
        Ok(Decision { allowed: true, reason: String::new() })
    }
}

struct Plain;
impl Strategy for Plain {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let storage = Storage::new(Arc::new(Memory::default()), "/registry/");
    storage.start().await?;
    let kinds = [
        ("", "configmaps", "ConfigMap", "cm"),
        ("", "secrets", "Secret", ""),
        ("apps", "deployments", "Deployment", "deploy"),
    ];
    let mut catalog = Catalog::default();
    for (group, plural, kind, short) in kinds {
        let resource = Resource {
            group: group.into(),
            versions: vec![Version {
                name: "v1".into(),
                schema: api::builtin::schema(group, "v1", kind).ok_or("not a built-in kind")?,
                protobuf: true,
                from_storage: None,
                to_storage: None,
                deprecation: None,
                columns: Arc::new(default_columns()),
            }],
            storage_version: 0,
            plural: plural.into(),
            singular: kind.to_lowercase(),
            kind: kind.into(),
            list_kind: format!("{kind}List"),
            namespaced: true,
            short_names: vec![short.into()],
            categories: Vec::new(),
            verbs: Verbs::ALL,
            source: Source::Stored {
                storage: storage.resource(&format!("/registry/{plural}/"), &[]),
                strategy: Arc::new(Plain),
            },
            subresources: Vec::new(),
        };
        catalog.add(Place::BuiltIn, resource);
    }
    let server = Arc::new(Server::new(catalog, Arc::new(Open), Arc::new(Open)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("serving on http://{}", listener.local_addr()?);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    apimachinery::serve::serve(listener, None, server, stop).await;
    Ok(())
}
