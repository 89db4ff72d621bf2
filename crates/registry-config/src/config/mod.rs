// SPDX-License-Identifier: Apache-2.0
//! The configuration, section by section: the schema and the typed result in one.
//!
//! Each module holds the sections of one top-level key, in the order of distribution's reference.
//! Fields without `Option` have a default; `Option` means that there is no default to have.

pub mod auth;
pub mod berth;
pub mod health;
pub mod http;
pub mod ignored;
pub mod log;
pub mod middleware;
pub mod notifications;
pub mod openshift;
pub mod storage;
pub mod validation;

use crate::problem::Problem;
use crate::read::{Path, Reader, Scope, Setting};
use crate::schema::{Leaf, Shape};
use crate::yaml::{Node, Value};

settings! {
    /// The whole configuration of a registry. The file has the format of distribution's, version
    /// 0.1, with the `openshift` section of the OpenShift registry and a `berth` section of our own.
    pub struct Config checked by check_config {
        /// Version of the file's format; always 0.1.
        "version" => version: Version = "" wrong "Unsupported version: \"{}\"; expected 0.1";
        /// What is logged, and how.
        "log" => log: log::Log = "{}";
        /// Where content is stored: exactly one driver, and what concerns all of them.
        "storage" => storage: storage::Storage = "{}";
        /// How clients are authenticated and authorized: at most one method. Without it the
        /// registry is open to everybody who can reach it.
        "auth" => auth: auth::Auth = "{}";
        /// Middleware of the original registries.
        "middleware" => middleware: middleware::Middlewares = "{}";
        /// Error reporting services.
        "reporting" => reporting: ignored::Reporting = "{}"
            ignored "errors are logged, not sent to a reporting service";
        /// The listener and what it answers with.
        "http" => http: http::Http = "{}";
        /// Webhooks that are told about pushes, pulls and deletes.
        "notifications" => notifications: notifications::Notifications = "{}";
        /// The original registries' descriptor cache.
        "redis" => redis: ignored::Redis = "{}"
            ignored "descriptors are cached in memory";
        /// Checks that take the registry out of service while they fail.
        "health" => health: health::Health = "{}";
        /// Distribution's pull-through cache of one remote registry.
        "proxy" => proxy: ignored::Proxy = "{}"
            ignored "the OpenShift registry pulls through per image stream instead";
        /// Old manifest formats.
        "compatibility" => compatibility: Compatibility = "{}";
        /// What a manifest must satisfy to be accepted.
        "validation" => validation: validation::Validation = "{}";
        /// Rules about the content of repositories.
        "policy" => policy: Policy = "{}";
        /// The catalog of repositories.
        "catalog" => catalog: Catalog = "{}";
        /// Lists of tags.
        "tags" => tags: Tags = "{}";
        /// What the registry does as part of OpenShift.
        "openshift" => openshift: openshift::OpenShift = "{}";
        /// What only Berth has.
        "berth" => berth: berth::Berth = "{}";
    }
}

settings! {
    /// Old manifest formats.
    pub struct Compatibility {
        /// Docker manifests of schema version 1.
        "schema1" => schema1: Schema1 = "{}";
    }
}

settings! {
    /// Docker manifests of schema version 1. They are always accepted and served, as by the
    /// OpenShift registry.
    pub struct Schema1 {
        /// Private key (PEM or JSON Web Key, ECDSA on the curve P-256) that signs converted
        /// manifests; without it one is made when it is first needed.
        "signingkeyfile" env "TRUSTKEY" => signing_key_file: Option<String> = "";
        /// Forced on.
        "enabled" => enabled: bool = "true" ignored "schema 1 is always enabled";
    }
}

settings! {
    /// Rules about the content of repositories.
    pub struct Policy {
        /// Rules for repositories.
        "repository" => repository: RepositoryPolicy = "{}";
    }
}

settings! {
    /// Rules for repositories.
    pub struct RepositoryPolicy {
        /// Classes of content that may be pushed (`image`, `plugin`); empty means all.
        "classes" => classes: Vec<String> = "[]";
    }
}

settings! {
    /// The catalog of repositories.
    pub struct Catalog {
        /// The most repositories in one answer.
        "maxentries" => max_entries: u32 = "1000" in "1" .. "1000000";
    }
}

settings! {
    /// Lists of tags.
    pub struct Tags {
        /// The most tags in one answer; a longer list has a `Link` to the rest.
        "maxtags" => max_tags: u32 = "10000" in "1" .. "1000000";
    }
}

/// The version of the file's format, 0.1. There is only one, so there is nothing to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version;

impl Setting for Version {
    const SHAPE: Shape =
        Shape::Leaf(Leaf { name: "version", expected: "0.1", choices: &["0.1"], secret: false });

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "0.1" => {}
            // A missing version is the empty one to the original.
            Value::Null => {
                let problem =
                    Problem::Missing("Unsupported version: \"\"; expected 0.1".to_owned());
                reader.error(at, &node.origin, problem);
            }
            _ => reader.wrong::<Self>(node, at),
        }
        // Read on: the rest of the file may have errors too.
        Some(Self)
    }
}

/// What concerns several sections.
fn check_config(config: &mut Config, scope: &Scope<'_>, reader: &mut Reader) {
    use storage::DescriptorCache;

    if config.storage.cache.blob_descriptor == DescriptorCache::Redis && !scope.has("redis") {
        let text = "redis configuration required to use for layerinfo cache".to_owned();
        let cache = scope.map.get("storage").and_then(|storage| storage.find(&["cache"]));
        let origin = cache.map_or(scope.origin, |cache| {
            let key = cache.find(&["blobdescriptor"]).or_else(|| cache.find(&["layerinfo"]));
            &key.unwrap_or(cache).origin
        });
        let at = scope.at.child("storage.cache.blobdescriptor");
        reader.error(&at, origin, Problem::Conflict(text));
    }
    if config.auth == auth::Auth::OpenShift && config.openshift.server.addr.is_none() {
        let text = "configuration error in openshift.server.addr: REGISTRY_OPENSHIFT_SERVER_ADDR \
                    variable must be set when running outside of Kubernetes cluster";
        let at = scope.at.child("openshift.server.addr");
        reader.error(&at, &crate::problem::Origin::Default, Problem::Missing(text.to_owned()));
    }
}
