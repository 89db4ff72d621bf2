// SPDX-License-Identifier: Apache-2.0
//! What a refused user reads: upstream's sentence, and beyond it which role would help and the
//! command with which an administrator gives it.

use crate::attributes::{AUTHENTICATED, Attributes, UNAUTHENTICATED};
use crate::policy::Policy;
use crate::rule::rules_allow;
use crate::text::{quote, shell_word};

/// The message of the 403: `pods is forbidden: User "x" cannot list resource …`, with the
/// authorizer's reason after it, if there is one.
pub fn forbidden(attributes: &Attributes<'_>, reason: &str) -> String {
    let resource = match (attributes.resource, attributes.api_group) {
        ("", _) => String::new(),
        (resource, "") => resource.to_owned(),
        (resource, group) => format!("{resource}.{group}"),
    };
    let cause = cause(attributes, reason);
    match (resource.as_str(), attributes.name) {
        ("", _) => format!("forbidden: {cause}"),
        (resource, "") => format!("{resource} is forbidden: {cause}"),
        (resource, name) => format!("{resource} {} is forbidden: {cause}", quote(name)),
    }
}

/// The part after `is forbidden: `, for a `Status` that is put together elsewhere. What could be
/// taken for a page's markup is escaped, because the message holds what the client sent.
pub fn cause(attributes: &Attributes<'_>, reason: &str) -> String {
    let user = quote(&attributes.user.name);
    let verb = attributes.verb;
    let what = if !attributes.resource_request {
        format!("User {user} cannot {verb} path {}", quote(attributes.path))
    } else {
        let place = match attributes.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {}", quote(namespace)),
        };
        format!(
            "User {user} cannot {verb} resource {} in API group {} {place}",
            quote(&attributes.combined()),
            quote(attributes.api_group),
        )
    };
    let what = what.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if reason.is_empty() { what } else { format!("{what}: {reason}") }
}

/// How the refused request could be permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The least of the well-known roles that permits it.
    pub role: String,
    /// The command that gives it to the user, for who may.
    pub command: String,
    /// The same for who has only kubectl.
    pub kubectl: String,
}

impl Hint {
    /// One sentence.
    pub fn text(&self) -> String {
        format!(
            "the role {} permits it; an administrator grants it with: {}",
            quote(&self.role),
            self.command
        )
    }
}

/// From little to much. Roles of components are left out: they are not meant for people.
const LADDER: [&str; 19] = [
    "system:image-puller",
    "registry-viewer",
    "view",
    "system:image-pusher",
    "system:image-builder",
    "registry-editor",
    "edit",
    "registry-admin",
    "admin",
    "basic-user",
    "self-provisioner",
    "cluster-status",
    "system:image-auditor",
    "system:image-signer",
    "system:image-pruner",
    "storage-admin",
    "cluster-reader",
    "sudoer",
    "cluster-admin",
];

/// Which role would permit the request, as the roles are now. `None` if none of the well-known ones
/// does, not even `cluster-admin`, or if the user is nobody in particular and asked to change
/// something: who is not logged in should log in.
pub fn hint(policy: &Policy, attributes: &Attributes<'_>) -> Option<Hint> {
    let user = attributes.user;
    let anonymous = user.is_in(UNAUTHENTICATED) || !user.is_in(AUTHENTICATED);
    if anonymous && !matches!(attributes.verb, "get" | "list" | "watch") {
        return None;
    }
    let permits = |role: &&&str| {
        policy.cluster_role_rules(role).is_some_and(|rules| rules_allow(attributes, rules))
    };
    let role = *LADDER.iter().find(permits)?;
    let (whom, name) = if anonymous {
        // More than reading images is never the right thing for everybody.
        if !matches!(role, "system:image-puller" | "registry-viewer") {
            return None;
        }
        ("group", UNAUTHENTICATED)
    } else {
        ("user", user.name.as_str())
    };
    let (namespace, name) = (attributes.namespace, shell_word(name));
    let (command, kind, tail) = if namespace.is_empty() || !attributes.resource_request {
        (
            format!("oc adm policy add-cluster-role-to-{whom} {role} {name}"),
            "clusterrolebinding",
            String::new(),
        )
    } else {
        let tail = format!(" -n {}", shell_word(namespace));
        (format!("oc policy add-role-to-{whom} {role} {name}{tail}"), "rolebinding", tail)
    };
    let to = match user.name.strip_prefix("system:serviceaccount:") {
        Some(account) if !anonymous => format!("--serviceaccount={}", shell_word(account)),
        _ => format!("--{whom}={name}"),
    };
    let binding = role.trim_start_matches("system:");
    let kubectl = format!(
        "kubectl create {kind} {binding}-{} --clusterrole={role} {to}{tail}",
        suffix(&user.name)
    );
    Some(Hint { role: role.to_owned(), command, kubectl })
}

/// A user's name as part of an object's name.
fn suffix(user: &str) -> String {
    let plain: String = user
        .chars()
        .take(63)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    match plain.trim_matches('-') {
        "" => "user".to_owned(),
        plain => plain.to_owned(),
    }
}
