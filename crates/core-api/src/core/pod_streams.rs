// SPDX-License-Identifier: Apache-2.0
//! The subresources of pods that do something: binding, eviction, logs and streams.

use api::meta;
use api::status::{Reason, Status};
use apimachinery::body::Request;
use apimachinery::context::Call;
use apimachinery::fields::Writer;
use apimachinery::reply::Answer;
use apimachinery::resource::{ResourceParts, Virtual};
use apimachinery::storage::{Freshness, Selection};
use apimachinery::verb::delete;
use apimachinery::verb::write::{self, Part};
use async_trait::async_trait;
use http::StatusCode;
use schema::Schema;
use serde_json::{Value, json};

use super::pods::{BINDING, KEY, RULES, selected};
use crate::backend::{Parts, Stream};
use crate::define::{place, schema_of};
use crate::object::{items, number, text};

/// The pod that a request is about.
async fn pod(parts: &Parts, call: &Call) -> Result<Value, Status> {
    let storage = place(&parts.storage, KEY, &RULES);
    let key = format!("{}/{}", call.at.namespace, call.at.name);
    let found = storage.get(&key, Freshness::Newest).await.map_err(Status::internal)?;
    let found =
        found.ok_or_else(|| Status::not_found(&call.resource.group_resource(), &call.at.name))?;
    Ok(found.object())
}

/// `POST pods/x/binding` and the older `POST bindings`: puts a pod onto a node.
pub(super) struct Bind(pub(super) Parts);

#[async_trait]
impl Virtual for Bind {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let body = body.ok_or_else(|| Status::bad_request("a binding is expected"))?;
        let node = text(&body, "/target/name").to_owned();
        if node.is_empty() {
            let mut errors = api::field::ErrorList::new();
            let path = api::field::Path::new("target").child("name");
            errors.push(api::field::Error::required(&path, ""));
            let kind = api::GroupKind::new("", "Binding");
            return Err(Status::invalid(&kind, meta::name(&body), &errors));
        }
        let name = if call.at.name.is_empty() {
            meta::name(&body).to_owned()
        } else {
            call.at.name.clone()
        };
        let storage = place(&self.0.storage, KEY, &RULES);
        let parts = ResourceParts { storage: &storage, strategy: &BINDING, admission: &[] };
        let part = Part::Subresource("binding");
        let pods = api::GroupResource::new("", "pods");
        // The pod's own path, where the older form names it in the body alone.
        let mut about = Call::new(
            call.user.clone(),
            call.info.clone(),
            call.query.clone(),
            call.raw_query.clone(),
            call.headers.clone(),
            call.now,
            call.resource.clone(),
            call.version,
            call.wanted,
        );
        about.at.name.clone_from(&name);
        let now = call.now.to_string();
        let writer = Writer::update(call, part);
        write::change(&about, &parts, &writer, part, |old| {
            let conflict = |cause: String| Err(Status::conflict(&pods, &name, cause));
            if meta::is_being_deleted(old) {
                return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
            }
            let present = text(old, "/spec/nodeName");
            if !present.is_empty() {
                return conflict(format!("pod {name} is already assigned to node {present:?}"));
            }
            let mut new = old.clone();
            new["spec"]["nodeName"] = node.as_str().into();
            let condition = json!({
                "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
            });
            let conditions = &mut new["status"]["conditions"];
            if !conditions.is_array() {
                *conditions = json!([]);
            }
            if let Some(conditions) = conditions.as_array_mut() {
                conditions.retain(|one| one["type"] != "PodScheduled");
                conditions.push(condition);
            }
            Ok(Some(new))
        })
        .await?;
        Ok(Answer::Status(created()))
    }

    fn body_schema(&self) -> Option<Schema> {
        Some(schema_of("", "v1", "Binding"))
    }
}

/// Success of something that was created though it is no object.
fn created() -> Status {
    let mut status = Status::success(&api::GroupResource::default(), "", "");
    status.details = None;
    status.code = StatusCode::CREATED.as_u16();
    status
}

/// `POST pods/x/eviction`: a delete that disruption budgets may refuse.
pub(super) struct Evict(pub(super) Parts);

#[async_trait]
impl Virtual for Evict {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let pod = pod(&self.0, call).await?;
        let ended = matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed");
        if !ended && !meta::is_being_deleted(&pod) {
            self.ask_budgets(&pod).await?;
        }
        let options = body
            .as_ref()
            .and_then(|body| body.get("deleteOptions"))
            .filter(|options| !options.is_null());
        let options = delete::Options::read(call, options)?;
        let storage = place(&self.0.storage, KEY, &RULES);
        let parts = ResourceParts { storage: &storage, strategy: &RULES, admission: &[] };
        delete::delete(call, &parts, &options).await?;
        Ok(Answer::Status(created()))
    }

    fn body_schema(&self) -> Option<Schema> {
        Some(schema_of("policy", "v1", "Eviction"))
    }
}

impl Evict {
    async fn ask_budgets(&self, pod: &Value) -> Result<(), Status> {
        let budgets = place(&self.0.storage, crate::policy::BUDGETS, &crate::policy::BUDGET_RULES);
        let selection = Selection::of_namespace(meta::namespace(pod));
        let listed =
            budgets.list(&selection, 0, None, Freshness::Newest).await.map_err(Status::internal)?;
        for budget in listed.entries.iter().map(|entry| entry.object()) {
            if !selected(pod, budget.pointer("/spec/selector")) {
                continue;
            }
            if number(&budget, "/status/disruptionsAllowed").unwrap_or(0) <= 0 {
                let text = "Cannot evict pod as it would violate the pod's disruption budget.";
                return Err(Status::too_many_requests(text, 10));
            }
        }
        Ok(())
    }
}

/// The container that a request means: the one it names, the annotated or the only one.
fn container(call: &Call, pod: &Value) -> Result<(), Status> {
    let names: Vec<&str> =
        ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"]
            .iter()
            .flat_map(|list| items(pod, list))
            .map(|one| text(one, "/name"))
            .collect();
    let asked = form_urlencoded::parse(call.raw_query.as_bytes())
        .find(|(key, _)| key == "container")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let name = meta::name(pod);
    if asked.is_empty() {
        let regular: Vec<&str> =
            items(pod, "/spec/containers").iter().map(|one| text(one, "/name")).collect();
        let known = meta::annotation(pod, "kubectl.kubernetes.io/default-container");
        if regular.len() == 1 || known.is_some_and(|known| names.contains(&known)) {
            return Ok(());
        }
        let mut text = format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            regular.join(" ")
        );
        let init: Vec<&str> = items(pod, "/spec/initContainers")
            .iter()
            .map(|one| crate::object::text(one, "/name"))
            .collect();
        if !init.is_empty() {
            text.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
        }
        return Err(Status::bad_request(text));
    }
    if names.contains(&asked.as_str()) {
        return Ok(());
    }
    Err(Status::bad_request(format!("container {asked} is not valid for pod {name}")))
}

/// A pod that runs nowhere has neither logs nor streams.
fn on_a_node(pod: &Value) -> Result<(), Status> {
    if text(pod, "/spec/nodeName").is_empty() {
        return Err(Status::failure(
            Reason::BadRequest,
            format!("pod {} does not have a host assigned", meta::name(pod)),
        ));
    }
    Ok(())
}

/// `GET pods/x/log`.
pub(super) struct Log(pub(super) Parts);

#[async_trait]
impl Virtual for Log {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        let pod = pod(&self.0, call).await?;
        container(call, &pod)?;
        if text(&pod, "/spec/nodeName").is_empty() {
            // Nothing was ever written.
            let empty = apimachinery::reply::bytes(
                StatusCode::OK,
                apimachinery::request::accept::Encoding::Json,
                Vec::new().into(),
            );
            let mut empty = empty;
            empty
                .headers_mut()
                .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
            return Ok(Answer::Raw(empty));
        }
        self.0.nodes.log(call, &pod).await
    }
}

/// exec, attach and port-forward.
pub(super) struct Streams {
    pub(super) parts: Parts,
    pub(super) stream: Stream,
}

#[async_trait]
impl Virtual for Streams {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        Err(Status::method_not_supported(&call.resource.group_resource(), call.info.verb.as_str()))
    }

    fn takes_raw_request(&self) -> bool {
        true
    }

    async fn raw(&self, call: &Call, request: Request) -> Result<Answer, Status> {
        let pod = pod(&self.parts, call).await?;
        if self.stream != Stream::PortForward {
            container(call, &pod)?;
        }
        on_a_node(&pod)?;
        self.parts.nodes.stream(call, &pod, self.stream, request).await
    }
}

/// Anything that a pod serves.
pub(super) struct Proxy(pub(super) Parts);

#[async_trait]
impl Virtual for Proxy {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        Err(Status::method_not_supported(&call.resource.group_resource(), call.info.verb.as_str()))
    }

    fn takes_raw_request(&self) -> bool {
        true
    }

    async fn raw(&self, call: &Call, request: Request) -> Result<Answer, Status> {
        let pod = pod(&self.0, call).await?;
        on_a_node(&pod)?;
        self.0.nodes.proxy(call, &pod, request).await
    }
}
