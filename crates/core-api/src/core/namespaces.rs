// SPDX-License-Identifier: Apache-2.0
//! Namespaces: deleted in two steps. A delete marks; whoever holds `spec.finalizers` empties it and lets go through
//! `/finalize`.

use std::sync::Arc;

use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::fields::Writer;
use apimachinery::reply::Answer;
use apimachinery::resource::{NameRule, Resource, ResourceParts, Verbs, Virtual};
use apimachinery::storage::Field;
use apimachinery::verb::write::{self, Part};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{at, with_name_and_age};
use crate::define::{Define, place};
use crate::object::{default, make, set, text};
use crate::rules::{Rules, StatusRule};

/// The storage key of namespaces, which projects share.
pub(crate) const KEY: &str = "namespaces";

/// The finalizer of every namespace.
pub const KUBERNETES: &str = "kubernetes";

/// The label that names the namespace to selectors.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

const FIELDS: &[Field] = &[
    ("status.phase", |object| text(object, "/status/phase").to_owned()),
    ("name", |object| meta::name(object).to_owned()),
];

/// Rules that projects share, as both are one object.
pub(crate) const RULES: Rules = Rules {
    names: NameRule::Label,
    fields: FIELDS,
    status: StatusRule::Apart,
    prepare,
    begin_delete,
    is_held,
    ..Rules::PLAIN
};

/// Whether a namespace's deletion has begun.
#[must_use]
pub fn is_terminating(namespace: &Value) -> bool {
    meta::is_being_deleted(namespace) || text(namespace, "/status/phase") == "Terminating"
}

/// Takes the finalizer of Kubernetes' out: what a namespace controller sends to `/finalize` when nothing is left.
#[must_use]
pub fn finalized(namespace: &Value) -> Value {
    let mut done = namespace.clone();
    if let Some(finalizers) = done.pointer_mut("/spec/finalizers").and_then(Value::as_array_mut) {
        finalizers.retain(|one| one != KUBERNETES);
    }
    done
}

/// A new namespace as it is stored, for what makes namespaces without a request of its own.
#[must_use]
pub fn new(name: &str, created: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": created,
            "labels": {NAME_LABEL: name},
        },
        "spec": {"finalizers": [KUBERNETES]},
        "status": {"phase": "Active"},
    })
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    let name = meta::name(object).to_owned();
    if !name.is_empty() {
        meta::set_label(object, NAME_LABEL, &name);
    }
    if let Some(old) = old {
        // Finalizers go through /finalize.
        match old.get("spec") {
            Some(spec) => set(object, "spec", spec.clone()),
            None => {
                crate::object::remove(object, "spec");
            }
        }
        return;
    }
    if let Some(status) = make(object, "/status") {
        set(status, "phase", "Active");
    }
    if let Some(spec) = make(object, "/spec") {
        default(spec, "finalizers", json!([]));
        if let Some(finalizers) = spec["finalizers"].as_array_mut()
            && !finalizers.iter().any(|one| one == KUBERNETES)
        {
            finalizers.push(KUBERNETES.into());
        }
    }
}

fn begin_delete(object: &mut Value) {
    if let Some(status) = make(object, "/status") {
        set(status, "phase", "Terminating");
    }
}

fn is_held(object: &Value) -> bool {
    !crate::object::items(object, "/spec/finalizers").is_empty()
}

/// `/finalize`: the finalizers of the body, nothing else.
struct Finalize(Parts);

#[async_trait]
impl Virtual for Finalize {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let body = body.ok_or_else(|| Status::bad_request("a namespace is expected"))?;
        let storage = place(&self.0.storage, KEY, &RULES);
        let parts = ResourceParts { storage: &storage, strategy: &RULES, admission: &[] };
        let part = Part::Subresource("finalize");
        let resource = call.resource.group_resource();
        write::change(call, &parts, &Writer::update(call, part), part, |old| {
            let version = meta::resource_version(&body);
            if !version.is_empty() && version != meta::resource_version(old) {
                return Err(Status::modified(&resource, &call.at.name));
            }
            let mut new = old.clone();
            if let Some(spec) = make(&mut new, "/spec") {
                match body.pointer("/spec/finalizers") {
                    Some(finalizers) => set(spec, "finalizers", finalizers.clone()),
                    None => {
                        crate::object::remove(spec, "finalizers");
                    }
                }
            }
            Ok(Some(new))
        })
        .await
    }
}

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let but_collections = Verbs::GET
        .and(Verbs::LIST)
        .and(Verbs::WATCH)
        .and(Verbs::CREATE)
        .and(Verbs::UPDATE)
        .and(Verbs::PATCH)
        .and(Verbs::DELETE);
    vec![
        Define::new("", "v1", "Namespace", "namespaces")
            .short(&["ns"])
            .namespaced(false)
            .verbs(but_collections)
            .columns(with_name_and_age([at("Status", "/status/phase")]))
            .made(
                "finalize",
                ("", "v1", "Namespace"),
                Verbs::UPDATE,
                Arc::new(Finalize(parts.clone())),
            )
            .stored(&parts.storage, KEY, RULES),
    ]
}
