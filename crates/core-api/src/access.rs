// SPDX-License-Identifier: Apache-2.0
//! The policy that requests are decided by, and the authorizer over it.
//!
//! A controller hands changed roles and bindings to [`SharedPolicy`]; requests read it. The authorizer adds what is
//! OpenShift's: a project is authorized in the namespace of its name (image-api.md 12.4), and who may ask Kubernetes
//! about themselves may also ask OpenShift (whether a review is about somebody else stands in its body; see
//! [`crate::reviews`]).

use api::meta;
use api::status::Status;
use apimachinery::auth::{Authorizer, Decision};
use async_trait::async_trait;
use parking_lot::{RwLock, RwLockReadGuard};
use rbac::{Attributes, Policy};
use serde_json::Value;

/// Roles and bindings as they are now, shared between who follows them and who asks.
#[derive(Debug, Default)]
pub struct SharedPolicy(RwLock<Policy>);

impl SharedPolicy {
    /// One that begins with these roles and bindings.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(RwLock::new(policy))
    }

    /// The policy; hold it no longer than one question takes.
    pub fn read(&self) -> RwLockReadGuard<'_, Policy> {
        self.0.read()
    }

    /// Replaces all of it.
    pub fn replace(&self, policy: Policy) {
        *self.0.write() = policy;
    }

    /// A role or binding of rbac.authorization.k8s.io/v1 was created or changed. Others are ignored.
    pub fn set(&self, object: &Value) {
        let mut policy = self.0.write();
        let read =
            |error: serde_json::Error| tracing::error!(%error, "a role or binding cannot be read");
        let object = object.clone();
        match meta::kind(&object) {
            "Role" => serde_json::from_value(object).map_or_else(read, |one| policy.set_role(&one)),
            "ClusterRole" => serde_json::from_value(object)
                .map_or_else(read, |one| policy.set_cluster_role(&one)),
            "RoleBinding" => serde_json::from_value(object)
                .map_or_else(read, |one| policy.set_role_binding(&one)),
            "ClusterRoleBinding" => {
                serde_json::from_value(object)
                    .map_or_else(read, |one| policy.set_cluster_role_binding(&one));
            }
            _ => {}
        }
    }

    /// One was deleted.
    pub fn remove(&self, kind: &str, namespace: &str, name: &str) {
        let mut policy = self.0.write();
        match kind {
            "Role" => policy.remove_role(namespace, name),
            "ClusterRole" => policy.remove_cluster_role(name),
            "RoleBinding" => policy.remove_role_binding(namespace, name),
            "ClusterRoleBinding" => policy.remove_cluster_role_binding(name),
            _ => {}
        }
    }
}

/// Decides by roles.
#[derive(Debug, Clone)]
pub struct RbacAuthorizer(std::sync::Arc<SharedPolicy>);

impl RbacAuthorizer {
    /// One that asks this policy.
    #[must_use]
    pub fn new(policy: std::sync::Arc<SharedPolicy>) -> Self {
        Self(policy)
    }
}

/// The question as the policy is asked it.
fn asked<'a>(attributes: &Attributes<'a>) -> Attributes<'a> {
    let project =
        attributes.api_group == "project.openshift.io" && attributes.resource == "projects";
    if project && attributes.namespace.is_empty() && !attributes.name.is_empty() {
        attributes.clone().in_namespace(attributes.name)
    } else {
        attributes.clone()
    }
}

/// The question about oneself that a review in OpenShift's older form may be.
fn about_oneself<'a>(attributes: &Attributes<'a>) -> Option<Attributes<'a>> {
    let review = attributes.api_group == crate::reviews::openshift::GROUP
        && matches!(attributes.resource, "subjectaccessreviews" | "localsubjectaccessreviews")
        && attributes.verb == "create";
    let same = || {
        Attributes::resource(
            attributes.user,
            "create",
            "authorization.k8s.io",
            "selfsubjectaccessreviews",
        )
    };
    review.then(same)
}

#[async_trait]
impl Authorizer for RbacAuthorizer {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Result<Decision, Status> {
        let policy = self.0.read();
        let mut decision = policy.authorize(&asked(attributes));
        if let Some(other) = about_oneself(attributes).filter(|_| !decision.is_allowed()) {
            decision = policy.authorize(&other);
        }
        Ok(Decision { allowed: decision.is_allowed(), reason: decision.reason().to_owned() })
    }

    fn hint(&self, attributes: &Attributes<'_>) -> Option<String> {
        rbac::hint(&self.0.read(), &asked(attributes)).map(|hint| hint.text())
    }
}
