// SPDX-License-Identifier: Apache-2.0
//! What the resources need of whoever puts the server together: the storage, the policy, tokens, nodes.

use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::Authorizer;
use apimachinery::body::Request;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::storage::Storage;
use async_trait::async_trait;
use rbac::UserInfo;
use serde_json::Value;

use crate::access::SharedPolicy;
use crate::cluster_ip::AddressRange;

/// Everything that [`crate::resources`] and [`crate::admission()`] need.
#[derive(Clone)]
pub struct Parts {
    /// Where objects are.
    pub storage: Arc<Storage>,
    /// The roles and bindings as they are now; kept true by a controller.
    pub policy: Arc<SharedPolicy>,
    /// Who decides requests; reviews ask the same.
    pub authorizer: Arc<dyn Authorizer>,
    /// Who issues and checks tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Who reaches the nodes.
    pub nodes: Arc<dyn Nodes>,
    /// What an administrator sets.
    pub settings: Arc<Settings>,
}

/// What an administrator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where services' addresses come from.
    pub service_addresses: AddressRange,
    /// Where services' node ports come from.
    pub node_ports: std::ops::RangeInclusive<u16>,
    /// The domain below which routes without a host get one; none: they stay without.
    pub apps_domain: Option<String>,
    /// What users read who may not request projects.
    pub project_request_message: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_addresses: AddressRange::default(),
            node_ports: 30_000..=32_767,
            apps_domain: None,
            project_request_message: None,
        }
    }
}

/// What a TokenReview learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// The token is good for these of the audiences that were asked about.
    Good(UserInfo, Vec<String>),
    /// It is not; a reason only if it is no secret.
    Bad(String),
}

/// Issues and checks tokens.
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// Answers a TokenRequest (defaulted, validated) for a service account: the same object with its status.
    ///
    /// # Errors
    /// What refuses it.
    async fn issue(&self, call: &Call, account: &Value, request: Value) -> Result<Value, Status>;

    /// Whose a token is.
    ///
    /// # Errors
    /// When that cannot be found out now.
    async fn review(&self, token: &str, audiences: &[String]) -> Result<Review, Status>;
}

/// A stream to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// A new process.
    Exec,
    /// The one that runs.
    Attach,
    /// Its ports.
    PortForward,
}

/// Reaches nodes.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// A container's log; parameters are in the call's raw query.
    ///
    /// # Errors
    /// What refuses it.
    async fn log(&self, call: &Call, pod: &Value) -> Result<Answer, Status>;

    /// Connects a stream.
    ///
    /// # Errors
    /// What refuses it.
    async fn stream(
        &self,
        call: &Call,
        pod: &Value,
        stream: Stream,
        request: Request,
    ) -> Result<Answer, Status>;

    /// Any other request to a node's or pod's own server (`proxy`).
    ///
    /// # Errors
    /// What refuses it.
    async fn proxy(&self, call: &Call, target: &Value, request: Request) -> Result<Answer, Status>;
}

/// Tokens and nodes of a server that has neither: it says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotHere;

fn not_here(what: &str) -> Status {
    Status::service_unavailable(format!("{what} are not available on this server"))
}

#[async_trait]
impl Tokens for NotHere {
    async fn issue(
        &self,
        _call: &Call,
        _account: &Value,
        _request: Value,
    ) -> Result<Value, Status> {
        Err(not_here("service account tokens"))
    }

    async fn review(&self, _token: &str, _audiences: &[String]) -> Result<Review, Status> {
        Ok(Review::Bad(String::new()))
    }
}

#[async_trait]
impl Nodes for NotHere {
    async fn log(&self, _call: &Call, _pod: &Value) -> Result<Answer, Status> {
        Err(not_here("logs"))
    }

    async fn stream(&self, _: &Call, _: &Value, _: Stream, _: Request) -> Result<Answer, Status> {
        Err(not_here("streams"))
    }

    async fn proxy(
        &self,
        _call: &Call,
        _target: &Value,
        _request: Request,
    ) -> Result<Answer, Status> {
        Err(not_here("nodes"))
    }
}
