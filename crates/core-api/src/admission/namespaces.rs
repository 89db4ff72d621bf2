// SPDX-License-Identifier: Apache-2.0
//! Nothing is made in a namespace that is absent or ending; three namespaces cannot be deleted.

use api::GroupResource;
use api::meta;
use api::status::{Cause, Status};
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use apimachinery::storage::ResourceStorage;
use async_trait::async_trait;
use serde_json::Value;

use crate::Parts;
use crate::core::namespaces::{self, is_terminating};
use crate::define::place;
use crate::stored;

/// Without these nothing works.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) struct Lifecycle {
    namespaces: ResourceStorage,
}

impl Lifecycle {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { namespaces: place(&parts.storage, namespaces::KEY, &namespaces::RULES) }
    }
}

#[async_trait]
impl Admission for Lifecycle {
    async fn mutate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let name = &call.at.namespace;
        if old.is_some() || !call.resource.namespaced || name.is_empty() {
            return Ok(());
        }
        let Some(namespace) = stored::find(&self.namespaces, name).await? else {
            return Err(Status::not_found(&GroupResource::new("", "namespaces"), name));
        };
        if !is_terminating(&namespace) {
            return Ok(());
        }
        let cause = format!(
            "unable to create new content in namespace {name} because it is being terminated"
        );
        let mut status =
            Status::forbidden(&call.resource.group_resource(), meta::name(object), cause);
        status.details.get_or_insert_default().causes.push(Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {name} is being terminated"),
            field: "metadata.namespace".to_owned(),
        });
        Err(status)
    }

    async fn validate(
        &self,
        call: &Call,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let (None, Some(old)) = (object, old) else { return Ok(()) };
        let is_namespace = matches!(
            (call.resource.group.as_str(), call.resource.plural.as_str()),
            ("", "namespaces") | ("project.openshift.io", "projects")
        );
        let name = meta::name(old);
        if is_namespace && PROTECTED.contains(&name) {
            let cause = "this namespace may not be deleted";
            return Err(Status::forbidden(&call.resource.group_resource(), name, cause));
        }
        Ok(())
    }
}
