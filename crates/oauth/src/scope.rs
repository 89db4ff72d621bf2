// SPDX-License-Identifier: Apache-2.0
//! What a token may be used for, as OpenShift writes it: `user:full`, `user:info`, `role:view:project`…
//!
//! A scope takes away, it never gives: what a token may is what its user may and one of its scopes allows. Tokens
//! with a scope that is not known here are refused.

use std::fmt;
use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::{Authorizer, Decision};
use async_trait::async_trait;
use rbac::{Attributes, PolicyRule};

/// Under which key `UserInfo::extra` has a token's scopes.
pub const EXTRA: &str = "scopes.authorization.openshift.io";

/// Most scopes of a token.
pub(crate) const MAX_SCOPES: usize = 32;
/// Longest scope.
const MAX_LENGTH: usize = 512;

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `user:full`: all that the user may.
    Full,
    /// `user:info`: who the user is.
    Info,
    /// `user:check-access`: what the user may.
    CheckAccess,
    /// `user:list-scoped-projects`: projects that the other scopes reach.
    ListScopedProjects,
    /// `user:list-projects`: all projects of the user.
    ListProjects,
    /// `role:<cluster role>:<namespace or *>[:!]`.
    Role {
        /// The cluster role.
        name: String,
        /// The namespace; `*` for all and the cluster's scope.
        namespace: String,
        /// Whether secrets, tokens and roles are in it (`:!`).
        escalating: bool,
    },
}

impl Scope {
    /// Reads a scope; `None` for an unknown one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        match text {
            "user:full" => return Some(Self::Full),
            "user:info" => return Some(Self::Info),
            "user:check-access" => return Some(Self::CheckAccess),
            "user:list-scoped-projects" => return Some(Self::ListScopedProjects),
            "user:list-projects" => return Some(Self::ListProjects),
            _ => {}
        }
        let rest = text.strip_prefix("role:")?;
        let (rest, escalating) = rest.strip_suffix(":!").map_or((rest, false), |rest| (rest, true));
        // Names of roles have colons themselves.
        let (name, namespace) = rest.rsplit_once(':')?;
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        (plain(name) && plain(namespace) && namespace != "!").then(|| Self::Role {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            escalating,
        })
    }

    /// The rules of the scope; [`Scope::Full`] and [`Scope::Role`] have none of their own.
    fn rules(&self) -> Vec<PolicyRule> {
        let list = ["list", "watch"].as_slice();
        match self {
            Self::Full | Self::Role { .. } => Vec::new(),
            Self::Info => vec![
                PolicyRule {
                    resource_names: vec!["~".into()],
                    ..rule(&["get"], &["user.openshift.io", ""], &["users"])
                },
                rule(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
            ],
            Self::CheckAccess => vec![
                rule(
                    &["create"],
                    &["authorization.k8s.io"],
                    &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                ),
                rule(
                    &["create"],
                    &["authorization.openshift.io", ""],
                    &["selfsubjectrulesreviews"],
                ),
            ],
            Self::ListScopedProjects | Self::ListProjects => {
                vec![rule(list, &["project.openshift.io", ""], &["projects"])]
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("user:full"),
            Self::Info => f.write_str("user:info"),
            Self::CheckAccess => f.write_str("user:check-access"),
            Self::ListScopedProjects => f.write_str("user:list-scoped-projects"),
            Self::ListProjects => f.write_str("user:list-projects"),
            Self::Role { name, namespace, escalating } => {
                write!(f, "role:{name}:{namespace}{}", if *escalating { ":!" } else { "" })
            }
        }
    }
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> PolicyRule {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    PolicyRule {
        verbs: own(verbs),
        api_groups: own(groups),
        resources: own(resources),
        ..PolicyRule::default()
    }
}

/// The rules of a cluster role, by its name.
pub type ClusterRoles = Arc<dyn Fn(&str) -> Option<Vec<PolicyRule>> + Send + Sync>;

/// Paths that every client needs to find its way.
const DISCOVERY: [&str; 10] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/readyz",
    "/openapi/*",
    "/version",
    "/version/",
];

/// Resources by which more can be had than the role says: only with `:!`.
const ESCALATING: [(&str, &str); 14] = [
    ("", "secrets"),
    ("image.openshift.io", "imagestreams/secrets"),
    ("", "imagestreams/secrets"),
    ("", "serviceaccounts/token"),
    ("oauth.openshift.io", "oauthauthorizetokens"),
    ("oauth.openshift.io", "oauthaccesstokens"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("authorization.openshift.io", "roles"),
    ("authorization.openshift.io", "rolebindings"),
    ("authorization.openshift.io", "clusterroles"),
    ("authorization.openshift.io", "clusterrolebindings"),
];

fn is_escalating(attributes: &Attributes<'_>) -> bool {
    let whole = if attributes.subresource.is_empty() {
        attributes.resource.to_owned()
    } else {
        format!("{}/{}", attributes.resource, attributes.subresource)
    };
    ESCALATING.iter().any(|(group, resource)| {
        *group == attributes.api_group
            && whole
                .strip_prefix(resource)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether one of the scopes allows a request. No scopes: nothing is allowed.
#[must_use]
pub fn permits(scopes: &[String], attributes: &Attributes<'_>, roles: &ClusterRoles) -> bool {
    let parsed: Option<Vec<Scope>> = scopes.iter().map(|text| Scope::parse(text)).collect();
    let Some(parsed) = parsed.filter(|scopes| !scopes.is_empty()) else { return false };
    let discovery = PolicyRule {
        verbs: vec!["get".into(), "head".into()],
        non_resource_urls: DISCOVERY.iter().map(|path| (*path).to_owned()).collect(),
        ..PolicyRule::default()
    };
    rbac::rule_allows(attributes, &discovery)
        || parsed.iter().any(|scope| permits_one(scope, attributes, roles))
}

fn permits_one(scope: &Scope, attributes: &Attributes<'_>, roles: &ClusterRoles) -> bool {
    match scope {
        Scope::Full => true,
        Scope::Role { name, namespace, escalating } => {
            let here = namespace == "*"
                || (attributes.resource_request && namespace == attributes.namespace);
            let safe = *escalating || !attributes.resource_request || !is_escalating(attributes);
            here && safe && roles(name).is_some_and(|rules| rbac::rules_allow(attributes, &rules))
        }
        other => rbac::rules_allow(attributes, &other.rules()),
    }
}

/// Asks the scopes of whoever came with a scoped token before another authorizer is asked.
pub struct ScopeAuthorizer {
    inner: Arc<dyn Authorizer>,
    roles: ClusterRoles,
}

impl ScopeAuthorizer {
    /// Puts scopes in front of an authorizer.
    pub fn new(inner: Arc<dyn Authorizer>, roles: ClusterRoles) -> Self {
        Self { inner, roles }
    }
}

#[async_trait]
impl Authorizer for ScopeAuthorizer {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Result<Decision, Status> {
        if let Some(scopes) = attributes.user.extra.get(EXTRA)
            && !permits(scopes, attributes, &self.roles)
        {
            let reason = format!("scopes [{}] prevent this action", scopes.join(" "));
            return Ok(Decision { allowed: false, reason });
        }
        self.inner.authorize(attributes).await
    }

    fn hint(&self, attributes: &Attributes<'_>) -> Option<String> {
        self.inner.hint(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbac::UserInfo;

    fn roles() -> ClusterRoles {
        Arc::new(|name| match name {
            "view" => Some(vec![rule(&["get"], &[""], &["pods"])]),
            "system:all" => Some(vec![rule(&["*"], &["*"], &["*"])]),
            _ => None,
        })
    }

    fn asks(
        scopes: &[&str],
        verb: &str,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        let user = UserInfo::default();
        let mut attributes = Attributes::resource(&user, verb, group, resource);
        attributes.namespace = namespace;
        attributes.name = name;
        let scopes: Vec<String> = scopes.iter().map(|it| (*it).to_owned()).collect();
        permits(&scopes, &attributes, &roles())
    }

    #[test]
    fn scopes_are_read_and_written() {
        for text in [
            "user:full",
            "user:info",
            "user:check-access",
            "user:list-projects",
            "role:view:a",
            "role:system:all:*:!",
        ] {
            assert_eq!(Scope::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "user:",
            "user:Full",
            "role:view",
            "role::a",
            "role:view:",
            "role:view:!",
            "other:x",
            "role:a b:c",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn scopes_restrict() {
        let users = "user.openshift.io";
        let table = [
            (asks(&["user:full"], "delete", "", "secrets", "a", "x"), true),
            (asks(&["user:info"], "get", users, "users", "", "~"), true),
            (asks(&["user:info"], "get", users, "users", "", "other"), false),
            (asks(&["user:info"], "get", "", "pods", "a", "x"), false),
            (
                asks(
                    &["user:check-access"],
                    "create",
                    "authorization.k8s.io",
                    "selfsubjectaccessreviews",
                    "",
                    "",
                ),
                true,
            ),
            (
                asks(&["user:list-projects"], "list", "project.openshift.io", "projects", "", ""),
                true,
            ),
            (asks(&["role:view:a"], "get", "", "pods", "a", "x"), true),
            (asks(&["role:view:a"], "get", "", "pods", "b", "x"), false),
            (asks(&["role:view:*"], "get", "", "pods", "b", "x"), true),
            (asks(&["role:system:all:a"], "get", "", "secrets", "a", "x"), false),
            (asks(&["role:system:all:a:!"], "get", "", "secrets", "a", "x"), true),
            (asks(&["role:unknown:*"], "get", "", "pods", "a", "x"), false),
            (asks(&["user:full", "user:unknown"], "get", "", "pods", "a", "x"), false),
            (asks(&[], "get", "", "pods", "a", "x"), false),
        ];
        for (row, (got, want)) in table.iter().enumerate() {
            assert_eq!(got, want, "row {row}");
        }
    }
}
