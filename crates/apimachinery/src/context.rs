// SPDX-License-Identifier: Apache-2.0
//! One request on its way: who asks, for what, when, and in which form.

use std::sync::Arc;

use api::time::Time;
use http::HeaderMap;
use parking_lot::Mutex;
use rbac::UserInfo;

use crate::request::accept::Wanted;
use crate::request::{Query, RequestInfo, ResourcePath};
use crate::resource::{Resource, Version};

/// A request that names a served resource, authenticated and authorized.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub user: UserInfo,
    /// Path and verb.
    pub info: RequestInfo,
    /// The path's parts (also in `info`).
    pub at: ResourcePath,
    /// Query parameters.
    pub query: Query,
    /// The raw query, for resources with parameters of their own (logs, exec).
    pub raw_query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// When the request came.
    pub now: Time,
    /// The resource.
    pub resource: Arc<Resource>,
    /// The index of the requested version.
    pub version: usize,
    /// The form of the answer.
    pub wanted: Wanted,
    warnings: Warnings,
}

/// Texts for `Warning` headers, without repetition and bounded as upstream bounds them.
#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

/// Most bytes of warnings sent with one answer.
const MAX_WARNING_BYTES: usize = 4096;

impl Call {
    /// Puts the parts together.
    #[must_use]
    #[allow(clippy::too_many_arguments)] // It is a record; a builder would only rename the fields.
    pub fn new(
        user: UserInfo,
        info: RequestInfo,
        query: Query,
        raw_query: String,
        headers: HeaderMap,
        now: Time,
        resource: Arc<Resource>,
        version: usize,
        wanted: Wanted,
    ) -> Self {
        let at = info.resource().cloned().unwrap_or_default();
        let warnings = Warnings::default();
        Self { user, info, at, query, raw_query, headers, now, resource, version, wanted, warnings }
    }

    /// The requested version.
    ///
    /// # Panics
    /// Never: the dispatcher found the index in this resource.
    #[must_use]
    pub fn version(&self) -> &Version {
        self.resource.versions.get(self.version).expect("the index of a version of this resource")
    }

    /// `group/version` as requested.
    #[must_use]
    pub fn api_version(&self) -> String {
        self.resource.api_version(self.version)
    }

    /// Group, requested version and kind.
    #[must_use]
    pub fn kind(&self) -> api::GroupVersionKind {
        let (group, kind) = (self.resource.group.as_str(), self.resource.kind.as_str());
        api::GroupVersionKind::new(group, self.version().name.as_str(), kind)
    }

    /// Who is recorded as the manager of fields: `fieldManager`, else the client's name from `User-Agent`.
    #[must_use]
    pub fn field_manager(&self) -> String {
        if !self.query.field_manager.is_empty() {
            return self.query.field_manager.clone();
        }
        let agent = self
            .headers
            .get(http::header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or("unknown");
        let mut name: String =
            agent.split('/').next().unwrap_or_default().chars().take(128).collect();
        if name.is_empty() {
            name = "unknown".to_owned();
        }
        name
    }

    /// Adds a text that the client is warned with.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.0.lock();
        let size: usize = warnings.iter().map(String::len).sum();
        if !warnings.contains(&text) && size + text.len() <= MAX_WARNING_BYTES {
            warnings.push(text);
        }
    }

    /// What the client is warned of so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.0.lock().clone()
    }

    /// The key of an object of this request's namespace.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        object_key(&self.resource, &self.at.namespace, name)
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.plural, self.group)
    }
}

/// The key of an object below its resource's prefix.
#[must_use]
pub fn object_key(resource: &Resource, namespace: &str, name: &str) -> String {
    if resource.namespaced { format!("{namespace}/{name}") } else { name.to_owned() }
}
