// SPDX-License-Identifier: Apache-2.0
//! Project requests: whoever may ask for one gets a project and is its administrator (image-api.md 12.4).

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::status::{Cause, Status};
use api::{GroupResource, meta};
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::request::Verb;
use apimachinery::resource::{Resource, Verbs, Virtual};
use async_trait::async_trait;
use http::StatusCode;
use rbac::{API_GROUP, Attributes};
use serde_json::{Value, json};

use super::projects::{DESCRIPTION, DISPLAY_NAME, GROUP, REQUESTER};
use crate::Parts;
use crate::core::namespaces;
use crate::define::{Define, place};
use crate::object::text;
use crate::rbac_kinds::{ROLE_BINDING_RULES, ROLE_BINDINGS};
use crate::stored;

/// Names that are nobody's.
const RESERVED: [&str; 3] = ["openshift", "kubernetes", "kube"];
/// What users read who may not ask, unless the administrator says otherwise.
const REFUSAL: &str = "You may not request a new project via this API.";

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new(GROUP, "v1", "ProjectRequest", "projectrequests")
            .namespaced(false)
            .verbs(Verbs::CREATE.and(Verbs::LIST))
            .answered(Arc::new(Requests(parts.clone()))),
    ]
}

struct Requests(Parts);

#[async_trait]
impl Virtual for Requests {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        match (call.info.verb, body) {
            (Verb::List, _) => self.may(call).await,
            (_, Some(body)) => self.create(call, &body).await,
            (_, None) => Err(Status::bad_request("a project request is expected")),
        }
    }
}

impl Requests {
    /// Whether the user may ask: a Status, not a list.
    async fn may(&self, call: &Call) -> Result<Answer, Status> {
        let asked = Attributes::resource(&call.user, "create", GROUP, "projectrequests");
        if self.0.authorizer.authorize(&asked).await?.allowed {
            let mut status = Status::success(&GroupResource::default(), "", "");
            status.details = None;
            return Ok(Answer::Status(status));
        }
        let message =
            self.0.settings.project_request_message.clone().unwrap_or_else(|| REFUSAL.to_owned());
        let mut status = Status::forbidden(&GroupResource::default(), "", "");
        status.message.clone_from(&message);
        let details = status.details.get_or_insert_default();
        details.kind = "ProjectRequest".to_owned();
        details.causes = vec![Cause { reason: String::new(), message, field: String::new() }];
        Err(status)
    }

    async fn create(&self, call: &Call, body: &Value) -> Result<Answer, Status> {
        let name = meta::name(body);
        let project = GroupResource::new(GROUP, "project");
        refuse_reserved(&project, name)?;
        let errors = problems(body);
        if !errors.is_empty() {
            return Err(Status::invalid(&call.resource.group_kind(), name, &errors));
        }
        let mut namespace = namespaces::new(name, &call.now.to_string());
        let given =
            [(DISPLAY_NAME, text(body, "/displayName")), (DESCRIPTION, text(body, "/description"))];
        for (key, value) in given.into_iter().chain([(REQUESTER, call.user.name.as_str())]) {
            meta::set_annotation(&mut namespace, key, value);
        }
        if call.query.dry_run {
            return Ok(Answer::Object(StatusCode::CREATED, shown(namespace)));
        }
        let storage = place(&self.0.storage, namespaces::KEY, &namespaces::RULES);
        let made = stored::create(&storage, &project, name, namespace).await.map_err(|status| {
            // The text speaks of what was asked for.
            if status.code == 409 { Status::already_exists(&project, name) } else { status }
        })?;
        let bindings = place(&self.0.storage, ROLE_BINDINGS, &ROLE_BINDING_RULES);
        let binding = administrator(call, name);
        let (resource, key) =
            (GroupResource::new(API_GROUP, "rolebindings"), format!("{name}/admin"));
        match stored::create(&bindings, &resource, &key, binding).await {
            Ok(binding) => self.0.policy.set(&binding),
            Err(status) => {
                stored::remove(&storage, name).await?;
                return Err(status);
            }
        }
        Ok(Answer::Object(StatusCode::CREATED, shown(made)))
    }
}

fn shown(mut namespace: Value) -> Value {
    namespace["apiVersion"] = "project.openshift.io/v1".into();
    namespace["kind"] = "Project".into();
    namespace
}

/// The requesting user may do everything in the project.
fn administrator(call: &Call, namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": "admin",
            "namespace": namespace,
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": call.now.to_string(),
        },
        "roleRef": {"apiGroup": API_GROUP, "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": API_GROUP, "kind": "User", "name": call.user.name}],
    })
}

fn refuse_reserved(project: &GroupResource, name: &str) -> Result<(), Status> {
    for reserved in RESERVED {
        if name == reserved {
            let cause = format!("cannot request a project with the name {reserved:?}");
            return Err(Status::forbidden(project, name, cause));
        }
        if name.starts_with(&format!("{reserved}-")) {
            let prefix = format!("{reserved}-");
            let cause = format!("cannot request a project starting with {prefix:?}");
            return Err(Status::forbidden(project, name, cause));
        }
    }
    Ok(())
}

fn problems(body: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (path, name) = (Path::new("metadata").child("name"), meta::name(body));
    if name.is_empty() {
        errors.push(Error::required(&path, "name or generateName is required"));
    } else {
        errors.invalid_each(&path, name, api::names::dns1123_label(name));
        if name.len() < 2 {
            errors.push(Error::invalid(&path, name, "must be at least 2 characters long"));
        }
    }
    let shown = text(body, "/displayName");
    if shown.contains(['\n', '\t']) {
        errors.push(Error::invalid(
            &Path::new("displayName"),
            shown,
            "may not contain a new line or tab",
        ));
    }
    errors
}
