// SPDX-License-Identifier: Apache-2.0
//! Gives routes a host below the apps domain; a host of one's own needs leave (`routes/custom-host`).

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use apimachinery::auth::Authorizer;
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use async_trait::async_trait;
use rbac::Attributes;
use serde_json::Value;

use crate::backend::{Parts, Settings};
use crate::object::text;
use crate::openshift::routes::{GROUP, HOST_GENERATED, generated_host};

pub(super) struct Hosts {
    authorizer: Arc<dyn Authorizer>,
    settings: Arc<Settings>,
}

impl Hosts {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { authorizer: parts.authorizer.clone(), settings: parts.settings.clone() }
    }
}

#[async_trait]
impl Admission for Hosts {
    async fn mutate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let is_route = call.resource.group == GROUP && call.resource.plural == "routes";
        if !is_route || !object["spec"].is_object() || !call.at.subresource.is_empty() {
            return Ok(());
        }
        let host = text(object, "/spec/host").to_owned();
        let unchanged = old.is_some_and(|old| text(old, "/spec/host") == host);
        if !host.is_empty() && !unchanged {
            let verb = if old.is_some() { "update" } else { "create" };
            let asked = Attributes::resource(&call.user, verb, GROUP, "routes")
                .subresource("custom-host")
                .in_namespace(&call.at.namespace);
            if !self.authorizer.authorize(&asked).await?.allowed {
                let mut errors = ErrorList::new();
                let path = Path::new("spec").child("host");
                let detail = "you do not have permission to set the host field of the route";
                errors.push(Error::forbidden(&path, detail));
                return Err(Status::invalid(
                    &call.resource.group_kind(),
                    meta::name(object),
                    &errors,
                ));
            }
        }
        if host.is_empty()
            && text(object, "/spec/subdomain").is_empty()
            && let Some(domain) = &self.settings.apps_domain
        {
            object["spec"]["host"] = generated_host(object, domain).into();
            meta::set_annotation(object, HOST_GENERATED, "true");
        }
        Ok(())
    }
}
