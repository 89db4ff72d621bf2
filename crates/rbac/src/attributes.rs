// SPDX-License-Identifier: Apache-2.0
//! The question that authorization answers: who wants to do what with what. The user comes from
//! authentication, everything else from the request's method, path and query.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The group of everybody who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody else.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that may always do everything, whatever the roles say.
pub const MASTERS: &str = "system:masters";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// Unique at any one time.
    pub name: String,
    /// Distinguishes users who had the same name at different times; may be empty.
    pub uid: String,
    /// All groups, also virtual ones.
    pub groups: Vec<String>,
    /// What else the authenticator knows, for example scopes.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// Whether the user is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }
}

/// The user name of a service account.
pub fn service_account_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// `get`, `list`, …; of a path outside the resources the method in lower case.
    pub verb: &'a str,
    /// Empty is the core group.
    pub api_group: &'a str,
    /// The resource's plural. Clients also ask about `imagestreams/layers` in one piece, with an
    /// empty `subresource` (image-api.md 11); that equals the same in two pieces for every rule that
    /// names the resource.
    pub resource: &'a str,
    /// Empty for the resource itself.
    pub subresource: &'a str,
    /// Empty when no single object is meant; for lists and watches restricted by the field selector
    /// `metadata.name` that name.
    pub name: &'a str,
    /// Empty at the cluster scope.
    pub namespace: &'a str,
    /// The request's path; decides when `resource_request` is false.
    pub path: &'a str,
    /// Whether a resource is meant or a path outside of them (`/version`, `/healthz`).
    pub resource_request: bool,
}

impl<'a> Attributes<'a> {
    /// A question about a resource.
    pub fn resource(
        user: &'a UserInfo,
        verb: &'a str,
        api_group: &'a str,
        resource: &'a str,
    ) -> Self {
        Self {
            user,
            verb,
            api_group,
            resource,
            subresource: "",
            name: "",
            namespace: "",
            path: "",
            resource_request: true,
        }
    }

    /// A question about a path outside the resources.
    pub fn path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Self { path, resource_request: false, ..Self::resource(user, verb, "", "") }
    }

    /// The same about a namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &'a str) -> Self {
        Self { namespace, ..self }
    }

    /// The same about one object.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// The same about a subresource.
    #[must_use]
    pub fn subresource(self, subresource: &'a str) -> Self {
        Self { subresource, ..self }
    }

    /// `resource/subresource`, as rules write it.
    pub(crate) fn combined(&self) -> Cow<'a, str> {
        if self.subresource.is_empty() {
            Cow::Borrowed(self.resource)
        } else {
            Cow::Owned(format!("{}/{}", self.resource, self.subresource))
        }
    }
}
