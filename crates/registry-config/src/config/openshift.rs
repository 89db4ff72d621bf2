// SPDX-License-Identifier: Apache-2.0
//! `openshift`: what the registry does as part of OpenShift (registry.md 4.1, 6.6).
//!
//! Defaults are per key. The original's are per section, so that writing one key of a section
//! changed the others; registry.md 4.1 decides against that.

use std::time::Duration;

use crate::problem::{Origin, Problem, WarningKind};
use crate::read::{Path, Reader, Scope, Setting};
use crate::schema::{Leaf, Shape};
use crate::value::{Secret, Url};
use crate::yaml::{Node, Value};

settings! {
    /// What the registry does as part of OpenShift. `requests` applies to every registry.
    pub struct OpenShift {
        /// Version of the section's format. `REGISTRY_OPENSHIFT_VERSION` is ignored.
        "version" => version: OpenShiftVersion = "1.0"
            wrong "Unsupported openshift configuration version";
        /// How clients reach the registry inside the cluster.
        "server" => server: Server = "{}";
        /// Authentication.
        "auth" => auth: OpenShiftAuth = "{}";
        /// The audit log.
        "audit" => audit: Audit = "{}";
        /// Metrics on `/extensions/v2/metrics`.
        "metrics" => metrics: Metrics = "{}";
        /// Limits on requests at a time.
        "requests" => requests: Requests = "{}";
        /// Quota of projects.
        "quota" => quota: Quota = "{}";
        /// What is remembered about blobs and repositories.
        "cache" => cache: RepositoryCache = "{}";
        /// Images of other registries.
        "pullthrough" => pull_through: PullThrough = "{}";
        /// Old clients.
        "compatibility" => compatibility: OpenShiftCompatibility = "{}";
        /// File with the address and credentials of the API server; without it, those of the pod.
        "kubeconfig" => kubeconfig: Option<String> = "";
    }
}

/// The version of the section's format, 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenShiftVersion;

impl Setting for OpenShiftVersion {
    const SHAPE: Shape =
        Shape::Leaf(Leaf { name: "version", expected: "1.0", choices: &["1.0"], secret: false });

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "1.0" => Some(Self),
            _ => {
                reader.wrong::<Self>(node, at);
                None
            }
        }
    }
}

settings! {
    /// How clients reach the registry inside the cluster.
    pub struct Server {
        /// Host and port; part of the names of images. Required with `auth: openshift`.
        "addr" => addr: Option<String> = "";
    }
}

settings! {
    /// Authentication.
    pub struct OpenShiftAuth checked by check_auth {
        /// Realm of Basic challenges.
        "realm" => realm: String = "openshift";
        /// URL (scheme and host) of the token endpoint, when clients reach the registry under
        /// another one than they ask for.
        "tokenrealm" => token_realm: Option<Url> = "";
    }
}

settings! {
    /// The audit log.
    pub struct Audit {
        /// Whether operations on blobs, manifests and tags are logged with their user.
        "enabled" => enabled: bool = "false";
    }
}

settings! {
    /// Metrics on `/extensions/v2/metrics`.
    pub struct Metrics {
        /// Whether they are served.
        "enabled" => enabled: bool = "false";
        /// Bearer token that opens the page; with it set, nothing else does. Without it, it is open to
        /// every user of the password file, and on an open registry to everybody.
        "secret" => secret: Secret = "";
    }
}

settings! {
    /// Limits on requests at a time. Reads are GET, HEAD and OPTIONS.
    pub struct Requests {
        /// Limits on reads.
        "read" => read: RequestLimits = "{}";
        /// Limits on everything else.
        "write" => write: RequestLimits = "{}";
    }
}

settings! {
    /// Limits on one class of requests. A request beyond them is answered with 429.
    pub struct RequestLimits {
        /// Requests that run at a time; 0 means no limit.
        "maxrunning" => max_running: u32 = "0";
        /// Requests that wait at a time.
        "maxinqueue" => max_in_queue: u32 = "0";
        /// How long a request waits; 0 means as long as its client.
        "maxwaitinqueue" => max_wait_in_queue: Duration = "0s" in "0s" .. "1h";
    }
}

settings! {
    /// Quota of projects.
    pub struct Quota {
        /// Whether pushes are checked against limit ranges and quota.
        "enabled" => enabled: bool = "false";
        /// How long limits are remembered; 0 means not at all.
        "cachettl" => cache_ttl: Duration = "1m" in "0s" .. "24h";
    }
}

settings! {
    /// What is remembered about blobs and repositories.
    pub struct RepositoryCache {
        /// Whether nothing is.
        "disabled" => disabled: bool = "false";
        /// How long.
        "blobrepositoryttl" => blob_repository_ttl: Duration = "10m" in "0s" .. "24h";
    }
}

settings! {
    /// Images of other registries that image streams refer to.
    pub struct PullThrough checked by check_pull_through {
        /// Always on, as in the original.
        "enabled" => enabled: bool = "true";
        /// Whether their blobs are stored when they are pulled.
        "mirror" => mirror: bool = "true";
    }
}

settings! {
    /// Old clients.
    pub struct OpenShiftCompatibility {
        /// Whether Docker manifests of schema version 2 may be pushed.
        "acceptschema2" => accept_schema2: bool = "true";
    }
}

fn check_auth(auth: &mut OpenShiftAuth, scope: &Scope<'_>, reader: &mut Reader) {
    let Some(url) = &auth.token_realm else { return };
    let rest = url.after_authority();
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let text = if rest.len() > path.len() {
        "tokenrealm config option may not contain query parameters or a fragment".to_owned()
    } else if path.trim_matches('/').is_empty() {
        return;
    } else {
        format!("tokenrealm config option may not contain a path ({path:?} was specified)")
    };
    reader.error(
        &scope.at.child("tokenrealm"),
        scope.origin_of("tokenrealm"),
        Problem::Value(text),
    );
}

fn check_pull_through(section: &mut PullThrough, scope: &Scope<'_>, reader: &mut Reader) {
    if !section.enabled {
        let text = "pullthrough can't be disabled anymore".to_owned();
        let origin: &Origin = scope.origin_of("enabled");
        reader.warn(&scope.at.child("enabled"), origin, WarningKind::NoEffect, text);
        section.enabled = true;
    }
}
