// SPDX-License-Identifier: Apache-2.0
//! What a request is about: its path and method taken apart, before anybody is asked whether it may.
//!
//! Pure. Follows what Kubernetes' API conventions say of paths; the same facts feed authorization, audit and dispatch,
//! so that none of them can see another request than the others do.

use http::Method;

/// A request's verb as authorization sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one.
    Patch,
    /// Remove one.
    Delete,
    /// Remove many.
    DeleteCollection,
    /// A method of a path that names no resource, in lower case.
    Other(&'static str),
}

impl Verb {
    /// The verb as roles write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Other(method) => method,
        }
    }

    /// Whether the request changes nothing.
    #[must_use]
    pub fn is_read(self) -> bool {
        matches!(
            self,
            Self::Get | Self::List | Self::Watch | Self::Other("get" | "head" | "options")
        )
    }
}

/// What a path under `/api` or `/apis` names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourcePath {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The namespace, empty for the cluster's scope. For a namespace object itself this is its own name.
    pub namespace: String,
    /// The resource's plural; empty on discovery paths.
    pub resource: String,
    /// The object's name; empty for collections.
    pub name: String,
    /// The subresource and whatever follows it, joined by `/` (`proxy/a/b`); empty for the object itself.
    pub subresource: String,
}

/// A path, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A resource's collection, object or subresource.
    Resource(ResourcePath),
    /// Everything else: discovery, `/healthz`, `/version`, OpenAPI, OAuth.
    NonResource,
}

/// A request's target and verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// The path as it was sent (decoded).
    pub path: String,
    /// What it names.
    pub kind: Kind,
    /// What it wants.
    pub verb: Verb,
}

/// Namespace subresources that belong to the namespace object itself.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

impl RequestInfo {
    /// Takes a method, a decoded path and the raw query apart.
    ///
    /// `GET` on a collection is `watch` when the query says `watch=true` (or the old `/watch/` prefix is used), and a
    /// list or watch restricted by `fieldSelector=metadata.name=x` is authorized for that name.
    #[must_use]
    pub fn parse(method: &Method, path: &str, query: &str) -> Self {
        let mut info = Self {
            path: path.to_owned(),
            kind: Kind::NonResource,
            verb: Verb::Other(lower(method)),
        };
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let group = match parts.first() {
            Some(&"api") if parts.len() >= 3 => {
                parts.remove(0);
                String::new()
            }
            Some(&"apis") if parts.len() >= 4 => {
                parts.remove(0);
                parts.remove(0).to_owned()
            }
            _ => return info,
        };
        let version = parts.remove(0).to_owned();
        let legacy_watch = parts.first() == Some(&"watch") && parts.len() > 1;
        if legacy_watch {
            parts.remove(0);
        }
        let mut at = ResourcePath { group, version, ..ResourcePath::default() };
        if parts.first() == Some(&"namespaces") && parts.len() > 1 {
            at.namespace = parts[1].to_owned();
            let own = parts.len() == 2
                || (parts.len() == 3 && NAMESPACE_SUBRESOURCES.contains(&parts[2]));
            // Only the core group's namespaces are objects of that path; elsewhere it is a prefix alone.
            if !own || (!at.group.is_empty() && parts.len() > 2) {
                parts.drain(..2);
            }
        }
        let mut parts = parts.into_iter();
        at.resource = parts.next().unwrap_or_default().to_owned();
        at.name = parts.next().unwrap_or_default().to_owned();
        at.subresource = parts.collect::<Vec<_>>().join("/");
        let watch = legacy_watch || flag(query, "watch");
        info.verb = match (method.as_str(), at.name.is_empty()) {
            ("GET" | "HEAD", true) if watch => Verb::Watch,
            ("GET" | "HEAD", true) => Verb::List,
            ("GET" | "HEAD", false) if legacy_watch => Verb::Watch,
            ("GET" | "HEAD", false) => Verb::Get,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", false) => Verb::Delete,
            ("DELETE", true) => Verb::DeleteCollection,
            _ => info.verb,
        };
        if matches!(info.verb, Verb::List | Verb::Watch | Verb::DeleteCollection)
            && at.name.is_empty()
            && let Some(name) = selected_name(query)
        {
            at.name = name;
        }
        info.kind = Kind::Resource(at);
        info
    }

    /// The resource path, if the request names a resource.
    #[must_use]
    pub fn resource(&self) -> Option<&ResourcePath> {
        match &self.kind {
            Kind::Resource(at) => Some(at),
            Kind::NonResource => None,
        }
    }
}

/// The method in lower case, for the authorization of paths.
fn lower(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        _ => "unknown",
    }
}

/// Whether a boolean query parameter is set, as Kubernetes reads it: present without a value counts.
fn flag(query: &str, name: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).is_some_and(
        |(_, value)| !matches!(value.as_ref(), "0" | "false" | "False" | "FALSE" | "f" | "F"),
    )
}

/// The name that `fieldSelector=metadata.name=x` restricts a list to, when that is all it says of names.
fn selected_name(query: &str) -> Option<String> {
    let (_, selector) =
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "fieldSelector")?;
    selector.split(',').find_map(|term| {
        let (field, value) = term.split_once('=')?;
        let value = value.strip_prefix('=').unwrap_or(value);
        (field == "metadata.name" && !value.is_empty() && !value.contains('/'))
            .then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(method: &str, target: &str) -> (String, String, String, String, String, &'static str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let info = RequestInfo::parse(&method, path, query);
        let p = info.resource().cloned().unwrap_or_default();
        (p.group, p.namespace, p.resource, p.name, p.subresource, info.verb.as_str())
    }

    #[test]
    fn paths_are_taken_apart() {
        let table = [
            ("GET", "/api/v1/pods", ("", "", "pods", "", "", "list")),
            ("GET", "/api/v1/pods?watch=1", ("", "", "pods", "", "", "watch")),
            ("GET", "/api/v1/pods?watch=false", ("", "", "pods", "", "", "list")),
            ("GET", "/api/v1/watch/namespaces/a/pods", ("", "a", "pods", "", "", "watch")),
            ("GET", "/api/v1/namespaces/a", ("", "a", "namespaces", "a", "", "get")),
            (
                "PUT",
                "/api/v1/namespaces/a/finalize",
                ("", "a", "namespaces", "a", "finalize", "update"),
            ),
            ("GET", "/api/v1/namespaces/a/pods/b/log", ("", "a", "pods", "b", "log", "get")),
            (
                "POST",
                "/apis/apps/v1/namespaces/a/deployments",
                ("apps", "a", "deployments", "", "", "create"),
            ),
            (
                "DELETE",
                "/apis/apps/v1/namespaces/a/deployments",
                ("apps", "a", "deployments", "", "", "deletecollection"),
            ),
            (
                "GET",
                "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dx",
                ("", "a", "pods", "x", "", "list"),
            ),
            (
                "GET",
                "/api/v1/namespaces/a/services/s/proxy/x/y",
                ("", "a", "services", "s", "proxy/x/y", "get"),
            ),
            ("GET", "/apis/apps/v1", ("", "", "", "", "", "get")),
            ("HEAD", "/", ("", "", "", "", "", "head")),
        ];
        for (method, target, want) in table {
            let got = at(method, target);
            let want =
                (want.0.into(), want.1.into(), want.2.into(), want.3.into(), want.4.into(), want.5);
            assert_eq!(got, want, "{method} {target}");
        }
    }
}
