// SPDX-License-Identifier: Apache-2.0
//! Who asks, and whether they may: two traits, and impersonation between them.

use api::GroupResource;
use api::status::Status;
use async_trait::async_trait;
use http::HeaderMap;
use http::request::Parts;
use rbac::{Attributes, UserInfo};

use crate::request::{RequestInfo, ResourcePath};

/// The certificates with which a client proved itself on its TLS connection, leaf first, verified; an extension of the
/// request.
#[derive(Debug, Clone)]
pub struct PeerCertificates(pub std::sync::Arc<Vec<Vec<u8>>>);

/// A user that the caller of the in-process form vouches for; an extension of the request.
#[derive(Debug, Clone)]
pub struct Vouched(pub UserInfo);

/// Finds out who asks.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The user, or `None` when the request carries nothing that this authenticator reads.
    ///
    /// # Errors
    /// 401 for credentials that do not hold, 503 when they cannot be checked now.
    async fn authenticate(&self, request: &Parts) -> Result<Option<UserInfo>, Status>;
}

/// What an authorizer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Decides whether a user may.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// The decision.
    ///
    /// # Errors
    /// When it cannot be made now; never taken as a no.
    async fn authorize(&self, attributes: &Attributes<'_>) -> Result<Decision, Status>;

    /// Which role would allow it and how it is granted, for the text of a refusal.
    fn hint(&self, _attributes: &Attributes<'_>) -> Option<String> {
        None
    }
}

/// The attributes of a request.
#[must_use]
pub fn attributes<'a>(user: &'a UserInfo, info: &'a RequestInfo) -> Attributes<'a> {
    match info.resource() {
        Some(at) => of_resource(user, info.verb.as_str(), at),
        None => Attributes {
            user,
            verb: info.verb.as_str(),
            api_group: "",
            resource: "",
            subresource: "",
            name: "",
            namespace: "",
            path: &info.path,
            resource_request: false,
        },
    }
}

fn of_resource<'a>(user: &'a UserInfo, verb: &'a str, at: &'a ResourcePath) -> Attributes<'a> {
    Attributes {
        user,
        verb,
        api_group: &at.group,
        resource: &at.resource,
        subresource: at.subresource.split('/').next().unwrap_or_default(),
        name: &at.name,
        namespace: &at.namespace,
        path: "",
        resource_request: true,
    }
}

/// Asks for a request, and words the refusal.
///
/// # Errors
/// 403 with who, what and which role would grant it; the authorizer's own troubles.
pub async fn permit(
    authorizer: &dyn Authorizer,
    attributes: &Attributes<'_>,
) -> Result<Decision, Status> {
    let decision = authorizer.authorize(attributes).await?;
    if decision.allowed {
        return Ok(decision);
    }
    Err(refusal(attributes, &decision.reason, authorizer.hint(attributes).as_deref()))
}

/// Upstream's text of a refusal, with the reason and a hint behind it.
#[must_use]
pub fn refusal(attributes: &Attributes<'_>, reason: &str, hint: Option<&str>) -> Status {
    let mut cause = rbac::cause(attributes, reason);
    if let Some(hint) = hint {
        cause.push_str(": ");
        cause.push_str(hint);
    }
    Status::forbidden(
        &GroupResource::new(attributes.api_group, attributes.resource),
        attributes.name,
        cause,
    )
}

/// Becomes the user that `Impersonate-*` headers name, if the one who asks may.
///
/// # Errors
/// 403 when it may not, 400 for headers that make no sense, the authorizer's own troubles.
pub async fn impersonate(
    authorizer: &dyn Authorizer,
    user: UserInfo,
    headers: &HeaderMap,
) -> Result<UserInfo, Status> {
    let wanted =
        authn::headers::impersonation(headers).map_err(|e| Status::bad_request(e.to_string()))?;
    let Some(wanted) = wanted else { return Ok(user) };
    for check in &wanted.checks {
        permit(authorizer, &check.attributes(&user)).await?;
    }
    Ok(wanted.user)
}
