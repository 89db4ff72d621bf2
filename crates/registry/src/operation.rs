// SPDX-License-Identifier: Apache-2.0
//! Route and method → [`Operation`]: the closed list of what the registry can be asked to do, what
//! each needs to be allowed, and whether it changes anything. A new operation does not compile
//! until it has answered all of that.

use http::Method;
use oci::RepositoryName;
use ports::{Access, Resource, Verb};

use crate::route::{Item, Route};

/// One thing to do. What it is done to stands in the [`Route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Ping,
    ListRepositories,
    ListTags,
    GetManifest,
    PutManifest,
    DeleteManifest,
    GetBlob,
    DeleteBlob,
    StartUpload,
    UploadStatus,
    AppendUpload,
    FinishUpload,
    CancelUpload,
    ListReferrers,
    Metrics,
    RemoveAnyBlob,
}

/// What an operation does to the store; `gate` decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Adds or replaces.
    Write,
    /// Removes what a client can pull.
    Delete,
}

/// The method does not exist here; these do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongMethod {
    pub(crate) allow: &'static str,
    /// The `Allow` of a read-only registry.
    pub(crate) allow_read_only: &'static str,
}

impl Operation {
    /// What this method does on this route.
    pub(crate) fn of(route: &Route<'_>, method: &Method) -> Result<Self, WrongMethod> {
        use Operation as Op;
        let read = method == Method::GET || method == Method::HEAD;
        let wrong = |allow, allow_read_only| Err(WrongMethod { allow, allow_read_only });
        match route {
            Route::Ping => Ok(Op::Ping),
            Route::Catalog if method == Method::GET => Ok(Op::ListRepositories),
            Route::Metrics if read => Ok(Op::Metrics),
            Route::Catalog | Route::Metrics => wrong("GET", "GET"),
            Route::AnyBlob(_) if method == Method::DELETE => Ok(Op::RemoveAnyBlob),
            Route::AnyBlob(_) => wrong("DELETE", "DELETE"),
            Route::Repository(_, item) => match (item, method.as_str()) {
                (Item::Tags, "GET") => Ok(Op::ListTags),
                (Item::Referrers(_), "GET") => Ok(Op::ListReferrers),
                (Item::Tags | Item::Referrers(_), _) => wrong("GET", "GET"),
                (Item::Manifest(_), "GET" | "HEAD") => Ok(Op::GetManifest),
                (Item::Manifest(_), "PUT") => Ok(Op::PutManifest),
                (Item::Manifest(_), "DELETE") => Ok(Op::DeleteManifest),
                (Item::Manifest(_), _) => wrong("DELETE, GET, HEAD, PUT", "GET, HEAD"),
                (Item::Blob(_), "GET" | "HEAD") => Ok(Op::GetBlob),
                (Item::Blob(_), "DELETE") => Ok(Op::DeleteBlob),
                (Item::Blob(_), _) => wrong("DELETE, GET, HEAD", "GET, HEAD"),
                (Item::Uploads, "POST") => Ok(Op::StartUpload),
                (Item::Uploads, _) => wrong("POST", "GET, HEAD"),
                (Item::Upload(_), "GET" | "HEAD") => Ok(Op::UploadStatus),
                (Item::Upload(_), "PATCH") => Ok(Op::AppendUpload),
                (Item::Upload(_), "PUT") => Ok(Op::FinishUpload),
                (Item::Upload(_), "DELETE") => Ok(Op::CancelUpload),
                (Item::Upload(_), _) => wrong("DELETE, GET, HEAD, PATCH, PUT", "GET, HEAD"),
            },
        }
    }

    /// What it does to the store.
    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::Ping
            | Self::ListRepositories
            | Self::ListTags
            | Self::GetManifest
            | Self::GetBlob
            | Self::UploadStatus
            | Self::ListReferrers
            | Self::Metrics => Effect::None,
            Self::PutManifest
            | Self::StartUpload
            | Self::AppendUpload
            | Self::FinishUpload
            | Self::CancelUpload => Effect::Write,
            Self::DeleteManifest | Self::DeleteBlob | Self::RemoveAnyBlob => Effect::Delete,
        }
    }
}

/// The permissions a request needs, by route and method alone: a wrong method asks for what a right
/// one of its kind would (registry.md 1.2, order of checks).
pub(crate) fn wanted(route: &Route<'_>, method: &Method) -> Vec<Access> {
    let of = |verb, name: &RepositoryName| Access::repository(verb, name.clone());
    match route {
        Route::Ping => Vec::new(),
        Route::Catalog => vec![Access { verb: Verb::List, resource: Resource::Catalog }],
        Route::Metrics => vec![Access { verb: Verb::Pull, resource: Resource::Metrics }],
        Route::AnyBlob(_) => vec![Access { verb: Verb::Delete, resource: Resource::AnyBlob }],
        Route::Repository(name, item) => match (item, method.as_str()) {
            // Whoever cancels an upload need not be able to pull (registry.md 2.3).
            (Item::Upload(_), "DELETE") => vec![of(Verb::Push, name)],
            (Item::Upload(_), "GET" | "HEAD") | (_, "POST" | "PUT" | "PATCH") => {
                vec![of(Verb::Pull, name), of(Verb::Push, name)]
            }
            (_, "DELETE") => vec![of(Verb::Delete, name)],
            _ => vec![of(Verb::Pull, name)],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [&str; 9] =
        ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "CONNECT", "FOO"];

    fn routes() -> Vec<Route<'static>> {
        let of = |item| Route::Repository(RepositoryName::parse("a/b").unwrap(), item);
        vec![
            Route::Ping,
            Route::Catalog,
            Route::Metrics,
            Route::AnyBlob("d".into()),
            of(Item::Tags),
            of(Item::Manifest("r".into())),
            of(Item::Blob("d".into())),
            of(Item::Uploads),
            of(Item::Upload("u")),
            of(Item::Referrers("d".into())),
        ]
    }

    #[test]
    fn whatever_changes_something_needs_push_or_delete() {
        for route in routes() {
            for method in METHODS {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let Ok(operation) = Operation::of(&route, &method) else { continue };
                let verbs: Vec<_> = wanted(&route, &method).iter().map(|a| a.verb).collect();
                match operation.effect() {
                    Effect::None => {}
                    Effect::Write => assert!(verbs.contains(&Verb::Push), "{operation:?}"),
                    Effect::Delete => assert_eq!(verbs, [Verb::Delete], "{operation:?}"),
                }
            }
        }
    }

    #[test]
    fn every_route_but_ping_needs_a_permission() {
        for route in routes() {
            for method in METHODS {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let none = wanted(&route, &method).is_empty();
                assert_eq!(none, route == Route::Ping, "{method} {route:?}");
            }
        }
    }

    #[test]
    fn allow_names_exactly_the_methods_that_work() {
        for route in routes().into_iter().skip(1) {
            let works =
                |m: &str| Operation::of(&route, &Method::from_bytes(m.as_bytes()).unwrap()).is_ok();
            let Err(wrong) = Operation::of(&route, &Method::OPTIONS) else { panic!() };
            for method in METHODS {
                let allowed = wrong.allow.split(", ").any(|m| m == method);
                let head_of_metrics = route == Route::Metrics && method == "HEAD";
                assert_eq!(works(method), allowed || head_of_metrics, "{method} {route:?}");
            }
        }
    }
}
