// SPDX-License-Identifier: Apache-2.0
//! The one way that every request takes.
//!
//! ```text
//!  request ─▶ RequestInfo ─▶ who (authenticate, impersonate) ─▶ admission to the queue ─▶ may they (authorize)
//!     ├─▶ paths of the server itself: health, version, discovery, OpenAPI, OAuth
//!     └─▶ resource ─▶ body (decoded, in shape) ─▶ verb ─▶ answer in the wanted form
//! ```

use std::sync::Arc;

use api::status::Status;
use api::time::Time;
use async_trait::async_trait;
use http::{Method, header};
use parking_lot::RwLock;
use percent_encoding::percent_decode_str;
use rbac::UserInfo;
use serde_json::Value;

use crate::auth::{self, Authenticator, Authorizer, Vouched};
use crate::body::{self, Body, Request, Response};
use crate::catalog::Catalog;
use crate::codec;
use crate::context::Call;
use crate::reply::{self, Answer};
use crate::request::accept::negotiate;
use crate::request::{Query, RequestInfo, Verb};
use crate::resource::{
    Admission, ResourceParts, Source, Subresource, SubresourceKind, Verbs, Virtual,
};
use crate::verb::{delete, patch, read, scale, watch, write};

/// Sizes that requests may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of a request's target.
    pub target: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Upstream takes 3 MiB; a stream with ten thousand tags needs more (design.md 5).
        Self { body: 32 << 20, target: 16 << 10 }
    }
}

/// Paths of a server that are no resources: health, version, OAuth.
#[async_trait]
pub trait Paths: Send + Sync + 'static {
    /// Answers, or gives the request back.
    async fn answer(
        &self,
        user: &UserInfo,
        info: &RequestInfo,
        request: Request,
    ) -> Result<Response, Box<Request>>;

    /// Whether anybody may ask for the path, whoever they are (login pages, health).
    fn is_public(&self, path: &str) -> bool;
}

/// An API server.
pub struct Server {
    catalog: RwLock<Arc<Catalog>>,
    authenticator: Arc<dyn Authenticator>,
    authorizer: Arc<dyn Authorizer>,
    admission: Vec<Arc<dyn Admission>>,
    paths: Vec<Arc<dyn Paths>>,
    documents: crate::openapi::Documents,
    limits: Limits,
    clock: fn() -> Time,
}

impl Server {
    /// A server of these resources.
    #[must_use]
    pub fn new(
        catalog: Catalog,
        authenticator: Arc<dyn Authenticator>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        Self {
            catalog: RwLock::new(Arc::new(catalog)),
            authenticator,
            authorizer,
            admission: Vec::new(),
            paths: Vec::new(),
            documents: crate::openapi::Documents::default(),
            limits: Limits::default(),
            clock: || Time::from_system(std::time::SystemTime::now()),
        }
    }

    /// Adds a plugin that sees every write.
    #[must_use]
    pub fn with_admission(mut self, plugin: Arc<dyn Admission>) -> Self {
        self.admission.push(plugin);
        self
    }

    /// Adds paths beside the resources.
    #[must_use]
    pub fn with_paths(mut self, paths: Arc<dyn Paths>) -> Self {
        self.paths.push(paths);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> Time) -> Self {
        self.clock = clock;
        self
    }

    /// What is served now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().clone()
    }

    /// Changes what is served: a custom resource came or went.
    pub fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) {
        let mut catalog = self.catalog.write();
        change(Arc::make_mut(&mut catalog));
    }

    /// Answers a request; every failure is an answer too.
    pub async fn handle(&self, request: Request) -> Response {
        match self.serve(request).await {
            Ok(response) => response,
            Err(status) => reply::status(&status),
        }
    }

    async fn serve(&self, request: Request) -> Result<Response, Status> {
        let target = request.uri().path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        if target.len() > self.limits.target {
            return Err(Status::bad_request(format!(
                "the request's target is longer than {} bytes",
                self.limits.target
            )));
        }
        let path = percent_decode_str(request.uri().path())
            .decode_utf8()
            .map_err(|_| Status::bad_request("the request's path is not UTF-8"))?
            .into_owned();
        let raw_query = request.uri().query().unwrap_or_default().to_owned();
        let info = RequestInfo::parse(request.method(), &path, &raw_query);
        let public =
            info.resource().is_none() && self.paths.iter().any(|paths| paths.is_public(&path));
        let (parts, body) = request.into_parts();
        let user = match self.who(&parts).await {
            Ok(user) => user,
            // A login page must open for somebody whose old token is no longer good.
            Err(_) if public => authn::groups::anonymous(),
            Err(status) => return Err(status),
        };
        if !public {
            auth::permit(&*self.authorizer, &auth::attributes(&user, &info)).await.map_err(
                |status| {
                    // Anonymous requests that may not go on are asked to say who they are.
                    if user.name == authn::groups::ANONYMOUS
                        && status.code == 403
                        && parts.headers.get(header::AUTHORIZATION).is_some()
                    {
                        Status::unauthorized()
                    } else {
                        status
                    }
                },
            )?;
        }
        match info.resource() {
            Some(at) if !at.resource.is_empty() => {
                self.resource(user, info, parts, body, raw_query).await
            }
            _ => self.path(&user, &info, Request::from_parts(parts, body)).await,
        }
    }

    async fn who(&self, parts: &http::request::Parts) -> Result<UserInfo, Status> {
        let user = match parts.extensions.get::<Vouched>() {
            Some(Vouched(user)) => user.clone(),
            None => self
                .authenticator
                .authenticate(parts)
                .await?
                .unwrap_or_else(authn::groups::anonymous),
        };
        auth::impersonate(&*self.authorizer, user, &parts.headers).await
    }

    async fn path(
        &self,
        user: &UserInfo,
        info: &RequestInfo,
        request: Request,
    ) -> Result<Response, Status> {
        let catalog = self.catalog();
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            if let Some(answer) = crate::discovery::answer(&catalog, &info.path, request.headers())
            {
                return answer;
            }
            if let Some(answer) = self.documents.answer(&catalog, &info.path, request.headers()) {
                return answer;
            }
        }
        let mut request = request;
        for paths in &self.paths {
            match paths.answer(user, info, request).await {
                Ok(response) => return Ok(response),
                Err(back) => request = *back,
            }
        }
        Err(Status::no_such_path())
    }

    async fn resource(
        &self,
        user: UserInfo,
        info: RequestInfo,
        parts: http::request::Parts,
        body: Body,
        raw_query: String,
    ) -> Result<Response, Status> {
        let at = info.resource().cloned().unwrap_or_default();
        let (resource, version) = self
            .catalog()
            .find(&at.group, &at.version, &at.resource)
            .ok_or_else(Status::no_such_path)?;
        if !resource.namespaced && !at.namespace.is_empty() && at.resource != "namespaces" {
            return Err(Status::no_such_path());
        }
        let query = Query::parse(&raw_query).map_err(|e| Status::bad_request(e.to_string()))?;
        let accept = parts
            .headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
            .join(",");
        let protobuf =
            resource.versions.get(version).is_some_and(|v| v.protobuf) && info.verb != Verb::Watch;
        let wanted = negotiate(&accept, protobuf).ok_or_else(|| {
            Status::not_acceptable(&[
                "application/json",
                "application/yaml",
                "application/vnd.kubernetes.protobuf",
            ])
        });
        let subresource = if at.subresource.is_empty() {
            None
        } else {
            let first = at.subresource.split('/').next().unwrap_or_default();
            Some(resource.subresource(first).cloned().ok_or_else(Status::no_such_path)?)
        };
        let wanted = match (wanted, &subresource) {
            (Ok(wanted), _) => wanted,
            // Logs and streams are no objects; what a client accepts says nothing of them.
            (Err(_), Some(Subresource { rules: SubresourceKind::Virtual(_), .. })) => {
                crate::request::accept::Wanted {
                    form: crate::request::accept::As::Object,
                    encoding: crate::request::accept::Encoding::Json,
                }
            }
            (Err(status), _) => return Err(status),
        };
        let verbs = subresource.as_ref().map_or(resource.verbs, |sub| sub.verbs);
        if !verbs.has(needed(info.verb)) {
            return Err(Status::method_not_supported(
                &resource.group_resource(),
                info.verb.as_str(),
            ));
        }
        let headers = parts.headers.clone();
        let now = (self.clock)();
        let call = Call::new(
            user,
            info,
            query,
            raw_query,
            headers,
            now,
            resource.clone(),
            version,
            wanted,
        );
        if let Some(text) = &call.version().deprecation {
            call.warn(text.clone());
        }
        let rules = match &subresource {
            Some(Subresource { rules: SubresourceKind::Virtual(rules), .. }) => Some(rules.clone()),
            None => match &resource.source {
                Source::Virtual(rules) => Some(rules.clone()),
                Source::Stored { strategy, .. } if call.info.verb == Verb::Get => {
                    strategy.made(&call.at.name)
                }
                Source::Stored { .. } => None,
            },
            Some(_) => None,
        };
        if let Some(rules) = &rules {
            return self
                .made(&call, rules, subresource.as_ref(), Request::from_parts(parts, body))
                .await;
        }
        let Source::Stored { storage, strategy } = &resource.source else {
            return Err(Status::no_such_path());
        };
        let parts = ResourceParts { storage, strategy: &**strategy, admission: &self.admission };
        let answer = match call.info.verb {
            Verb::Watch => {
                // A watch outlives this call: it is answered as it is.
                return match watch::watch(call, storage).await? {
                    Answer::Raw(response) => Ok(response),
                    _ => Err(Status::no_such_path()),
                };
            }
            Verb::Get => match &subresource {
                Some(Subresource { rules: SubresourceKind::Scale(paths), .. }) => {
                    scale::get(&call, &parts, paths).await?
                }
                _ => read::get(&call, storage).await?,
            },
            Verb::List => read::list(&call, storage).await?,
            _ => {
                let bytes = self.read_body(body).await?;
                self.write(&call, &parts, subresource.as_ref(), &bytes).await?
            }
        };
        reply::render(&call, answer)
    }

    async fn read_body(&self, body: Body) -> Result<bytes::Bytes, Status> {
        body::collect(body, self.limits.body).await.map_err(|error| match error {
            body::ReadError::TooLarge { .. } => Status::request_entity_too_large(error),
            body::ReadError::Broken(_) => Status::bad_request(error.to_string()),
        })
    }

    /// The verbs that change a stored object.
    async fn write(
        &self,
        call: &Call,
        parts: &ResourceParts<'_>,
        subresource: Option<&Subresource>,
        bytes: &[u8],
    ) -> Result<Answer, Status> {
        let schema = &call.version().schema;
        let kind = call.kind();
        let part = match subresource.map(|sub| &sub.rules) {
            None => write::Part::Main,
            Some(_) => write::Part::Status,
        };
        if let Some(Subresource { rules: SubresourceKind::Scale(paths), kind, .. }) = subresource {
            return match call.info.verb {
                Verb::Update => {
                    let decoded = codec::decode(&call.headers, bytes)?;
                    let body = codec::shape(call, decoded, kind, &crate::openapi::scale_schema())?;
                    scale::set(call, parts, paths, move |_| Ok(body.clone())).await
                }
                _ => patch::scale(call, parts, paths, bytes).await,
            };
        }
        match call.info.verb {
            Verb::Create => {
                let body = codec::shape(call, codec::decode(&call.headers, bytes)?, &kind, schema)?;
                write::create(call, parts, body).await
            }
            Verb::Update => {
                let body = codec::shape(call, codec::decode(&call.headers, bytes)?, &kind, schema)?;
                write::update(call, parts, body, part).await
            }
            Verb::Patch => patch::patch(call, parts, bytes, part).await,
            Verb::Delete | Verb::DeleteCollection => {
                let body = if bytes.is_empty() {
                    None
                } else {
                    Some(codec::decode(&call.headers, bytes)?.value)
                };
                let options = delete::Options::read(call, body.as_ref())?;
                if call.info.verb == Verb::Delete {
                    delete::delete(call, parts, &options).await
                } else {
                    delete::delete_collection(call, parts, &options).await
                }
            }
            _ => Err(Status::method_not_supported(
                &call.resource.group_resource(),
                call.info.verb.as_str(),
            )),
        }
    }

    /// A resource or subresource that is made, not stored.
    async fn made(
        &self,
        call: &Call,
        rules: &Arc<dyn Virtual>,
        subresource: Option<&Subresource>,
        request: Request,
    ) -> Result<Response, Status> {
        if rules.takes_raw_request() {
            return reply::render(call, rules.raw(call, request).await?);
        }
        let writes = !call.info.verb.is_read();
        let body = if writes {
            let bytes = self.read_body(request.into_body()).await?;
            if bytes.is_empty() {
                None
            } else if call.info.verb == Verb::Patch {
                Some(patch::raw(call, &bytes)?)
            } else {
                let decoded = codec::decode(&call.headers, &bytes)?;
                if matches!(call.info.verb, Verb::Delete | Verb::DeleteCollection) {
                    Some(decoded.value)
                } else {
                    Some(self.made_body(call, rules, subresource, decoded)?)
                }
            }
        } else {
            None
        };
        reply::render(call, rules.call(call, body).await?)
    }

    fn made_body(
        &self,
        call: &Call,
        rules: &Arc<dyn Virtual>,
        subresource: Option<&Subresource>,
        decoded: codec::Decoded,
    ) -> Result<Value, Status> {
        let kind = match subresource {
            Some(sub) => sub.kind.clone(),
            None => call.kind(),
        };
        match rules.body_schema() {
            Some(schema) => codec::shape(call, decoded, &kind, &schema),
            None if subresource.is_none() => {
                codec::shape(call, decoded, &kind, &call.version().schema)
            }
            None => Ok(decoded.value),
        }
    }
}

fn needed(verb: Verb) -> Verbs {
    match verb {
        Verb::Get => Verbs::GET,
        Verb::List => Verbs::LIST,
        Verb::Watch => Verbs::WATCH,
        Verb::Create => Verbs::CREATE,
        Verb::Update => Verbs::UPDATE,
        Verb::Patch => Verbs::PATCH,
        Verb::Delete => Verbs::DELETE,
        Verb::DeleteCollection => Verbs::DELETE_COLLECTION,
        Verb::Other(_) => Verbs::ALL,
    }
}
