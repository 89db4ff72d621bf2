// SPDX-License-Identifier: Apache-2.0
//! Nodes: they register themselves, their status included.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use apimachinery::body::Request;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, Verbs, Virtual};
use apimachinery::storage::{Field, Freshness};
use apimachinery::table::Column;
use async_trait::async_trait;
use serde_json::Value;

use crate::Parts;
use crate::columns::{NONE, at, at_or, column};
use crate::define::{Define, place};
use crate::object::{flag, has, items, text};
use crate::rules::{Rules, StatusRule};

/// The storage key, upstream's from before they were called nodes.
const KEY: &str = "minions";

const FIELDS: &[Field] =
    &[("spec.unschedulable", |object| flag(object, "/spec/unschedulable").to_string())];

const RULES: Rules = Rules {
    fields: FIELDS,
    status: StatusRule::ApartButOnCreate,
    prepare,
    validate,
    ..Rules::PLAIN
};

pub(super) fn resource(parts: &Parts) -> Resource {
    let proxy =
        Verbs::GET.and(Verbs::CREATE).and(Verbs::UPDATE).and(Verbs::PATCH).and(Verbs::DELETE);
    Define::new("", "v1", "Node", "nodes")
        .short(&["no"])
        .columns(columns())
        .made("proxy", ("", "v1", "NodeProxyOptions"), proxy, Arc::new(Proxy(parts.clone())))
        .stored(&parts.storage, KEY, RULES)
}

struct Proxy(Parts);

#[async_trait]
impl Virtual for Proxy {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        Err(Status::method_not_supported(&call.resource.group_resource(), call.info.verb.as_str()))
    }

    fn takes_raw_request(&self) -> bool {
        true
    }

    async fn raw(&self, call: &Call, request: Request) -> Result<Answer, Status> {
        let storage = place(&self.0.storage, KEY, &RULES);
        let node = storage.get(&call.at.name, Freshness::Newest).await.map_err(Status::internal)?;
        let node =
            node.ok_or_else(|| Status::not_found(&call.resource.group_resource(), &call.at.name))?;
        self.0.nodes.proxy(call, &node.object(), request).await
    }
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    crate::object::default(object, "spec", serde_json::json!({}));
    if old.is_none() && has(object, "/status/capacity") && !has(object, "/status/allocatable") {
        object["status"]["allocatable"] = object["status"]["capacity"].clone();
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    for (at, taint) in items(object, "/spec/taints").iter().enumerate() {
        let path = Path::new("spec").child("taints").index(at);
        let key = text(taint, "/key");
        errors.invalid_each(&path.child("key"), key, api::names::qualified_name(key));
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        crate::validation::one_of(taint, &path, "effect", &effects, errors);
    }
    if let Some(old) = old {
        for field in ["providerID", "podCIDR"] {
            let (now, before) =
                (text(object, &format!("/spec/{field}")), text(old, &format!("/spec/{field}")));
            if !before.is_empty() && now != before {
                let detail = "node updates may not change this field except from \"\" to valid";
                errors.push(Error::forbidden(&Path::new("spec").child(field), detail));
            }
        }
    }
}

fn columns() -> Vec<Column> {
    let address = |kind: &'static str| {
        move |object: &Value| {
            let found =
                items(object, "/status/addresses").iter().find(|one| text(one, "/type") == kind);
            found.map_or(NONE, |one| text(one, "/address")).to_owned()
        }
    };
    vec![
        Column::object_name(),
        column("Status", status),
        column("Roles", roles),
        Column::age(),
        at("Version", "/status/nodeInfo/kubeletVersion"),
        column("Internal-IP", address("InternalIP")).wide(),
        column("External-IP", address("ExternalIP")).wide(),
        at_or("OS-Image", "/status/nodeInfo/osImage", "<unknown>").wide(),
        column("Kernel-Version", |object| {
            let kernel = match text(object, "/status/nodeInfo/kernelVersion") {
                "" => "<unknown>",
                found => found,
            };
            match text(object, "/status/nodeInfo/architecture") {
                "" => kernel.to_owned(),
                architecture => format!("{kernel} ({architecture})"),
            }
        })
        .wide(),
        at_or("Container-Runtime", "/status/nodeInfo/containerRuntimeVersion", "<unknown>").wide(),
    ]
}

fn status(object: &Value) -> String {
    let ready =
        items(object, "/status/conditions").iter().rfind(|one| text(one, "/type") == "Ready");
    let mut words = vec![match ready.map(|one| text(one, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if flag(object, "/spec/unschedulable") {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(object: &Value) -> String {
    let mut roles: Vec<&str> = meta::labels(object)
        .filter_map(|(key, value)| match key {
            "kubernetes.io/role" => Some(value),
            _ => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}
