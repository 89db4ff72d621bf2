// SPDX-License-Identifier: Apache-2.0
//! Stateful sets.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use serde_json::{Value, json};

use super::deployments::ready_of_wanted;
use crate::Parts;
use crate::columns::{column, containers_and_images, with_name_and_age};
use crate::core::volumes;
use crate::define::Define;
use crate::object::{default, default_text, each, items, set, text};
use crate::rules::Rules;
use crate::validation::pod::difference;
use crate::validation::{not_negative, template};

/// What an update may change.
const UPDATABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn resource(parts: &Parts) -> Resource {
    let [names, images] = containers_and_images("/spec/template/spec");
    let mut columns = with_name_and_age([column("Ready", ready_of_wanted)]);
    columns.extend([names, images]);
    Define::new("apps", "v1", "StatefulSet", "statefulsets")
        .short(&["sts"])
        .all()
        .columns(columns)
        .scale("/spec/selector")
        .stored(&parts.storage, "statefulsets", Rules { prepare, validate, ..Rules::REPORTED })
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    template::defaults(object, "/spec/template");
    if old.is_none() {
        object["status"] = json!({"replicas": 0, "availableReplicas": 0});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default_text(spec, "podManagementPolicy", "OrderedReady");
    default(spec, "updateStrategy", json!({}));
    let strategy = &mut spec["updateStrategy"];
    default_text(strategy, "type", "RollingUpdate");
    if text(strategy, "/type") == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        default(&mut strategy["rollingUpdate"], "partition", 0);
    }
    default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    let policy = &mut spec["persistentVolumeClaimRetentionPolicy"];
    default_text(policy, "whenDeleted", "Retain");
    default_text(policy, "whenScaled", "Retain");
    for claim in each(spec, "/volumeClaimTemplates") {
        set(claim, "apiVersion", "v1");
        set(claim, "kind", "PersistentVolumeClaim");
        default(claim, "status", json!({"phase": "Pending"}));
        if let Some(spec) = claim.get_mut("spec") {
            volumes::claim_defaults(spec);
        }
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    let policy = text(spec, "/podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        errors.push(Error::invalid(&path.child("podManagementPolicy"), policy, detail));
    }
    if !matches!(text(spec, "/updateStrategy/type"), "OnDelete" | "RollingUpdate") {
        let detail = "must be 'RollingUpdate' or 'OnDelete'";
        errors.push(Error::invalid(
            &path.child("updateStrategy"),
            spec["updateStrategy"].clone(),
            detail,
        ));
    }
    for (at, claim) in items(spec, "/volumeClaimTemplates").iter().enumerate() {
        let path = path.child("volumeClaimTemplates").index(at).child("spec");
        volumes::claim_spec(&claim["spec"], &path, errors);
    }
    not_negative(spec, &path, "replicas", errors);
    not_negative(spec, &path, "minReadySeconds", errors);
    let service = text(spec, "/serviceName");
    if !service.is_empty() {
        errors.invalid_each(
            &path.child("serviceName"),
            service,
            api::names::dns1123_label(service),
        );
    }
    let claims: Vec<&str> = items(spec, "/volumeClaimTemplates").iter().map(meta::name).collect();
    template::selected(spec, "statefulset", &claims, errors);
    if let Some(found) = spec.get("template") {
        template::always(found, "StatefulSet", errors);
    }
    if let Some(old) = old {
        let kept = |object: &Value| {
            let mut spec = object.get("spec").cloned().unwrap_or_default();
            for field in UPDATABLE {
                crate::object::remove(&mut spec, field);
            }
            spec
        };
        let (now, before) = (kept(object), kept(old));
        if now != before {
            tracing::debug!(
                changed = difference(&before, &now),
                "refused change of a stateful set"
            );
            let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            errors.push(Error::forbidden(&path, detail));
        }
    }
}
