// SPDX-License-Identifier: Apache-2.0
//! Settings of the data plane as resolved: no option where there is a default. The binary makes
//! them from the configuration file; this crate does not know that file.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ports::Secret;

use crate::limits::requests::QueueSettings;

/// Everything a request handler may ask the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http.prefix` without its last slash; empty for none. Moves `/v2/` only.
    pub prefix: String,
    /// `http.host`: scheme and authority (and perhaps a path) that clients reach the registry by,
    /// without a last slash. Wins over anything a request says.
    pub public_url: Option<String>,
    /// `http.relativeurls`; has no effect beside `public_url`.
    pub relative_urls: bool,
    /// `http.headers`: sent with every answer of a route.
    pub extra_headers: Vec<(HeaderName, HeaderValue)>,
    /// `http.secret`: key of the `_state` of uploads. All replicas share it.
    pub upload_secret: Secret,
    /// `log.accesslog.disabled`, turned around.
    pub access_log: bool,
    /// `openshift.audit.enabled`: two log lines for each operation, with the user.
    pub audit: bool,
    /// `policy.repository.classes`: which classes of images may be pushed; empty for all.
    pub classes: Vec<String>,
    /// `storage.maintenance.readonly.enabled`
    pub read_only: bool,
    /// `storage.delete.enabled`
    pub delete_enabled: bool,
    /// The driver can redirect and `storage.redirect.disable` is off.
    pub redirects: bool,
    /// `openshift.metrics.enabled`: whether `/extensions/v2/metrics` exists.
    pub metrics_enabled: bool,
    /// `openshift.metrics.secret`
    pub metrics_secret: Option<Secret>,
    /// Manifests must name existing content (`validation` is not disabled). Off: sparse allowed.
    pub validation_enabled: bool,
    /// `validation.manifests.urls`: which URLs a foreign layer may name. `None`: any.
    pub layer_urls: Option<UrlPolicy>,
    /// `openshift.compatibility.acceptschema2`
    pub accept_schema2: bool,
    /// What clients may ask for at once, and how much of it.
    pub limits: Limits,
}

/// Limits of what a client controls.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests that read: `openshift.requests.read`.
    pub read: QueueSettings,
    /// Requests that write: `openshift.requests.write`.
    pub write: QueueSettings,
    /// Bytes of a manifest. 4 MiB as in the product.
    pub manifest_bytes: usize,
    /// Upload requests of one identity (or one address, for anonymous callers) at the same time.
    pub uploads_per_identity: usize,
    /// Repositories on a catalog page: `catalog.maxentries`.
    pub catalog_page: usize,
    /// Tags on a page of the tag list, also when the client names no number.
    pub tags_page: usize,
    /// Entries on a page of the referrers list.
    pub referrers_page: usize,
    /// `?tag=` parameters of one manifest PUT.
    pub tag_parameters: usize,
    /// Content a manifest may name: config, layers and children together.
    pub manifest_references: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: QueueSettings::default(),
            write: QueueSettings::default(),
            manifest_bytes: 4 << 20,
            uploads_per_identity: 1024,
            catalog_page: 1000,
            tags_page: 10_000,
            referrers_page: 1000,
            tag_parameters: 32,
            manifest_references: 10_000,
        }
    }
}

impl Settings {
    /// The defaults of the shipped configuration file (registry.md 4.1) with this upload secret.
    pub fn new(upload_secret: Secret) -> Self {
        Self {
            prefix: String::new(),
            public_url: None,
            relative_urls: false,
            extra_headers: Vec::new(),
            upload_secret,
            access_log: true,
            audit: false,
            classes: Vec::new(),
            read_only: false,
            delete_enabled: true,
            redirects: false,
            metrics_enabled: false,
            metrics_secret: None,
            validation_enabled: true,
            layer_urls: None,
            accept_schema2: true,
            limits: Limits::default(),
        }
    }
}

/// Decides about the URLs of foreign layers. The patterns of the configuration are regular
/// expressions; whoever reads the configuration compiles them, so that this crate needs no engine.
#[derive(Clone)]
pub struct UrlPolicy(std::sync::Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl UrlPolicy {
    /// A policy that answers whether a URL is allowed.
    pub fn new(is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(is_allowed))
    }

    /// Whether a URL is allowed.
    pub fn is_allowed(&self, url: &str) -> bool {
        (self.0)(url)
    }
}

impl std::fmt::Debug for UrlPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlPolicy")
    }
}

/// Where events go and how (registry.md 6.9).
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Name, for logs and the queue's directory.
    pub name: String,
    /// `http://` or `https://` address.
    pub url: String,
    /// Headers of every delivery. They may hold credentials and are never logged.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one delivery, connecting included. Default 1 s.
    pub timeout: Duration,
    /// Failures in a row after which the endpoint is left alone for `backoff`. Default 10.
    pub threshold: u32,
    /// First pause; doubles up to five minutes. Default 1 s.
    pub backoff: Duration,
    /// `ignoredmediatypes` and `ignore.mediatypes`.
    pub ignored_media_types: Vec<String>,
    /// `ignore.actions`: push, pull, mount, delete.
    pub ignored_actions: Vec<String>,
}

impl EndpointSettings {
    /// An endpoint with distribution's defaults.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            headers: Vec::new(),
            timeout: Duration::from_secs(1),
            threshold: 10,
            backoff: Duration::from_secs(1),
            ignored_media_types: Vec::new(),
            ignored_actions: Vec::new(),
        }
    }
}
