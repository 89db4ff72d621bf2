// SPDX-License-Identifier: Apache-2.0
//! quota.openshift.io/v1: quotas over several projects, and those of them that concern a namespace.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::selector::LabelSelector;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::reply::{Answer, ListMeta};
use apimachinery::request::Verb;
use apimachinery::resource::{Resource, Verbs, Virtual};
use apimachinery::storage::{Freshness, Selection};
use apimachinery::table::Column;
use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::Parts;
use crate::columns::{column, label_map, label_selector, name_and_created};
use crate::core::namespaces;
use crate::define::{Define, WITH_STATUS, place};
use crate::object::{has, map};
use crate::rules::Rules;
use crate::stored;

const GROUP: &str = "quota.openshift.io";
const KEY: &str = "quota.openshift.io/clusterresourcequotas";
const RULES: Rules = Rules { validate, ..WITH_STATUS };

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new(GROUP, "v1", "ClusterResourceQuota", "clusterresourcequotas")
            .short(&["clusterquota"])
            .columns([
                Column::object_name(),
                column("Label Selector", |object| {
                    label_selector(object.pointer("/spec/selector/labels"))
                }),
                column("Annotation Selector", |object| {
                    label_map(object, "/spec/selector/annotations")
                }),
            ])
            .stored(&parts.storage, KEY, RULES),
        Define::new(GROUP, "v1", "AppliedClusterResourceQuota", "appliedclusterresourcequotas")
            .verbs(Verbs::GET.and(Verbs::LIST))
            .columns(name_and_created())
            .answered(Arc::new(Applied(parts.clone()))),
    ]
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec").child("selector");
    if !has(object, "/spec/selector/labels") && !has(object, "/spec/selector/annotations") {
        errors.push(Error::required(&path, "must restrict the selected projects"));
    }
    if let Some(labels) = object.pointer("/spec/selector/labels").filter(|labels| !labels.is_null())
    {
        crate::validation::label_selector(labels, &path.child("labels"), errors);
    }
    if let Some(old) = old {
        crate::validation::immutable(object, old, "/spec/selector", errors);
    }
}

/// Whether a quota concerns a namespace.
fn concerns(quota: &Value, namespace: &Value) -> bool {
    let nothing = Map::new();
    let labels = map(namespace, "/metadata/labels").unwrap_or(&nothing);
    let by_labels =
        match quota.pointer("/spec/selector/labels").filter(|selector| !selector.is_null()) {
            Some(selector) => LabelSelector::from_object(Some(selector))
                .is_ok_and(|selector| selector.matches(labels)),
            None => true,
        };
    let wanted = map(quota, "/spec/selector/annotations").into_iter().flatten();
    by_labels
        && wanted.into_iter().all(|(key, value)| meta::annotation(namespace, key) == value.as_str())
}

struct Applied(Parts);

#[async_trait]
impl Virtual for Applied {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        let namespaces = place(&self.0.storage, namespaces::KEY, &namespaces::RULES);
        let namespace = stored::find(&namespaces, &call.at.namespace).await?.unwrap_or_default();
        let quotas = place(&self.0.storage, KEY, &RULES);
        let listed = quotas
            .list(&Selection::of_namespace(""), 0, None, Freshness::Newest)
            .await
            .map_err(Status::internal)?;
        let mut found: Vec<Value> = listed
            .entries
            .iter()
            .map(|entry| entry.object())
            .filter(|quota| concerns(quota, &namespace))
            .map(|mut quota| {
                quota["kind"] = "AppliedClusterResourceQuota".into();
                meta::set_namespace(&mut quota, &call.at.namespace);
                quota
            })
            .collect();
        if call.info.verb == Verb::List {
            let meta =
                ListMeta { resource_version: listed.revision.to_string(), ..ListMeta::default() };
            return Ok(Answer::Objects(meta, found));
        }
        match found.iter().position(|quota| meta::name(quota) == call.at.name) {
            Some(at) => Ok(Answer::Object(StatusCode::OK, found.swap_remove(at))),
            None => Err(Status::not_found(&call.resource.group_resource(), &call.at.name)),
        }
    }
}
