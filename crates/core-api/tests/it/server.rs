// SPDX-License-Identifier: Apache-2.0
//! A server over a store in memory, asked in the same process as an administrator or anybody else.

use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::{Authenticator, Vouched};
use apimachinery::body;
use apimachinery::catalog::Catalog;
use apimachinery::server::Server;
use apimachinery::storage::Storage;
use async_trait::async_trait;
use core_api::{NotHere, Parts, RbacAuthorizer, Settings, SharedPolicy};
use http::request::Parts as Head;
use http_body_util::BodyExt as _;
use rbac::{Policy, UserInfo};
use serde_json::{Value, json};

struct Nobody;

#[async_trait]
impl Authenticator for Nobody {
    async fn authenticate(&self, _request: &Head) -> Result<Option<UserInfo>, Status> {
        Ok(None)
    }
}

pub struct Cluster {
    server: Arc<Server>,
    pub parts: Parts,
}

/// An answer: code, body, `Warning` headers.
pub struct Answer {
    pub code: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

impl Answer {
    /// The message of a Status.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

pub fn user(name: &str, groups: &[&str]) -> UserInfo {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    UserInfo { name: name.to_owned(), groups, ..UserInfo::default() }
}

impl Cluster {
    /// With the namespaces `default` and `n`, the shipped roles, and the account `default` in `n`.
    pub async fn new() -> Self {
        let storage = Storage::new(Arc::new(apistore::Memory::default()), "/");
        storage.start().await.expect("a store in memory");
        let policy = Arc::new(SharedPolicy::new(Policy::new(rbac::shipped())));
        let authorizer = Arc::new(RbacAuthorizer::new(policy.clone()));
        let settings =
            Settings { apps_domain: Some("apps.test".to_owned()), ..Settings::default() };
        let parts = Parts {
            storage,
            policy,
            authorizer: authorizer.clone(),
            tokens: Arc::new(NotHere),
            nodes: Arc::new(NotHere),
            settings: Arc::new(settings),
        };
        let catalog = Catalog::new(core_api::resources(&parts));
        let mut server = Server::new(catalog, Arc::new(Nobody), authorizer);
        for plugin in core_api::admission(&parts) {
            server = server.with_admission(plugin);
        }
        let cluster = Self { server: Arc::new(server), parts };
        for name in ["default", "n"] {
            cluster.made("/api/v1/namespaces", json!({"metadata": {"name": name}})).await;
        }
        cluster
            .made("/api/v1/namespaces/n/serviceaccounts", json!({"metadata": {"name": "default"}}))
            .await;
        cluster
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Any request, as anybody, with headers.
    pub async fn ask(
        &self,
        who: &UserInfo,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        content: Option<&Value>,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = content.map(Value::to_string).unwrap_or_default();
        let mut request = request.body(body::full(bytes)).expect("a request");
        request.extensions_mut().insert(Vouched(who.clone()));
        let response = self.server.handle(request).await;
        let code = response.status().as_u16();
        let warnings =
            response.headers().get_all("warning").iter().filter_map(|value| value.to_str().ok());
        let warnings = warnings.map(str::to_owned).collect();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        Answer { code, body, warnings }
    }

    pub async fn admin(&self, method: &str, target: &str, content: Option<&Value>) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask(&user("admin", &["system:masters"]), method, target, &json, content).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.admin("GET", target, None).await
    }

    pub async fn create(&self, target: &str, object: Value) -> Answer {
        self.admin("POST", target, Some(&object)).await
    }

    /// Creates what must be created.
    pub async fn made(&self, target: &str, object: Value) -> Value {
        let answer = self.create(target, object).await;
        assert_eq!(answer.code, 201, "{target}: {}", answer.body);
        answer.body
    }

    pub async fn merge(&self, target: &str, patch: Value) -> Answer {
        let headers = [("content-type", "application/merge-patch+json")];
        self.ask(&user("admin", &["system:masters"]), "PATCH", target, &headers, Some(&patch)).await
    }

    /// The cells of the only row of a table, by the names of its columns.
    pub async fn row(&self, target: &str) -> Value {
        let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
        let answer =
            self.ask(&user("admin", &["system:masters"]), "GET", target, &accept, None).await;
        assert_eq!(answer.body["kind"], "Table", "{target}: {}", answer.body);
        let names = answer.body["columnDefinitions"].as_array().cloned().unwrap_or_default();
        let cells = answer.body["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
        assert_eq!(names.len(), cells.len(), "{target}");
        names
            .into_iter()
            .zip(cells)
            .map(|(column, cell)| (column["name"].as_str().unwrap_or_default().to_owned(), cell))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The template of a pod that is as small as pods get.
pub fn template() -> Value {
    json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

/// The specification of a workload around it.
pub fn workload() -> Value {
    json!({"selector": {"matchLabels": {"a": "b"}}, "template": template()})
}
