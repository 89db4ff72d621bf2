// SPDX-License-Identifier: Apache-2.0
//! Nobody hands out what they do not have: roles and bindings, in both groups that show them.

use std::sync::Arc;

use api::GroupResource;
use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use async_trait::async_trait;
use rbac::{API_GROUP, Escalation as Refusal};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::access::SharedPolicy;
use crate::openshift::legacy_rbac::to_stored;
use crate::reviews::openshift::GROUP as LEGACY;

pub(super) struct Escalation(pub(super) Arc<SharedPolicy>);

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, Status> {
    serde_json::from_value(object.clone()).map_err(|error| Status::bad_request(error.to_string()))
}

impl Escalation {
    fn check(&self, call: &Call, object: &Value, old: Option<&Value>) -> Result<(), Status> {
        let (policy, user) = (self.0.read(), &call.user);
        macro_rules! ask {
            ($check:ident) => {{
                let old = old.map(read).transpose()?;
                rbac::$check(&policy, user, &read(object)?, old.as_ref())
            }};
        }
        let answer = match call.resource.plural.as_str() {
            "roles" => ask!(check_role),
            "clusterroles" => ask!(check_cluster_role),
            "rolebindings" => ask!(check_role_binding),
            "clusterrolebindings" => ask!(check_cluster_role_binding),
            _ => return Ok(()),
        };
        answer.map_err(|refusal| match refusal {
            Refusal::Refused(cause) => {
                Status::forbidden(&call.resource.group_resource(), meta::name(object), cause)
            }
            Refusal::NoSuchRole { kind, name } => {
                Status::not_found(&GroupResource::new(API_GROUP, kind), &name)
            }
            Refusal::UnknownKind(_) => Status::bad_request(refusal.to_string()),
        })
    }
}

#[async_trait]
impl Admission for Escalation {
    async fn mutate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        match call.resource.group.as_str() {
            API_GROUP => self.check(call, object, old),
            LEGACY => self.check(call, &to_stored(object), old.map(to_stored).as_ref()),
            _ => Ok(()),
        }
    }
}
